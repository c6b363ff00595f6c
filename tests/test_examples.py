"""Every example runs, prints what it promises and draws pictures that can be read."""

from __future__ import annotations

import importlib.util
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pictures(folder: Path) -> set[str]:
    found = sorted((folder / "out").glob("*.svg"))
    for path in found:
        assert ET.parse(path).getroot().tag.endswith("svg")
    return {path.stem for path in found}


def test_half_adder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loaded("half_adder").main()
    shown = capsys.readouterr().out
    assert "below the goal of 0.001" in shown
    assert len(re.findall(r"^[wb]\d+ +-?\d\.\d+ +-?\d\.\d+ +-?\d\.\d+ +-?\d\.\d+$", shown, re.M)) == 18
    assert len(re.findall(r"^C ← .* ← w200 : ", shown, re.M)) == 8
    assert len(re.findall(r"^C ← .* ← w100 : ", shown, re.M)) == 16
    for total, gradient in re.findall(r"their sum (\S+), backward\(\) (\S+)", shown):
        assert float(total) == pytest.approx(float(gradient), rel=1e-9)
    names = {"half_adder_network", "half_adder_network_w100", "half_adder_graph", "half_adder_paths_w100"}
    assert pictures(folder) == names


def test_half_adder_by_hand_is_not_the_library() -> None:
    source = (EXAMPLES / "half_adder.py").read_text(encoding="utf-8")
    by_hand = source[source.index("def by_hand") : source.index("def sigmoid")]
    assert not re.search(r"\b(tg|nn|Value|grad|backward)\b\.?\w*\(", by_hand)


@pytest.mark.parametrize("dims", ["2,10,2", "2,4,3,2"])
def test_xor(folder: Path, capsys: pytest.CaptureFixture[str], dims: str) -> None:
    loaded("xor").main(["--dims", dims, "--steps", "4000", "--lr", "1.0", "--seed", "1"])
    shown = capsys.readouterr().out
    assert "4 of 4 right" in shown
    layers = dims.count(",")
    differences = [float(d) for d in re.findall(r"^δ\d, .*worst relative difference (\S+);", shown, re.M)]
    assert len(differences) == layers
    assert max(differences) < 1e-12
    assert pictures(folder) == {"xor_network_hidden", "xor_network_output", "xor_graph"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dims", "3,2"], "XOR has 2 inputs and 2 outputs"),
        (["--dims", "2,x,2"], "whole numbers joined by commas"),
        (["--dims", "2,0,2"], "layers of at least 1"),
        (["--steps", "0"], "--steps is at least 1, got 0"),
        (["--lr", "-1"], "--lr is above 0, got -1"),
    ],
)
def test_xor_refuses(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        loaded("xor").main(arguments)
    assert message in capsys.readouterr().err


def test_polynomials(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="the extra plots")
    loaded("polynomials").main()
    shown = capsys.readouterr().out
    differences = [float(d) for d in re.findall(r"^c\d .* (\S+)$", shown, re.M)]
    assert len(differences) == 4
    assert max(map(abs, differences)) < 1e-8
    assert len(re.findall(r"^C ← p\(x\d\) ← c2 : ", shown, re.M)) == 4
    assert pictures(folder) == {"polynomials"}


def test_polynomials_without_matplotlib(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(RuntimeError, match=re.escape('pip install "tinygrad_lite[plots]"')):
        loaded("polynomials").main()
