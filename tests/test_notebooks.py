"""The tutorials run from their first cell to their last, and show what they showed when they were committed."""

from __future__ import annotations

import copy
import importlib.util
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

pytest.importorskip("nbclient", reason="needs the extra notebooks")
pytest.importorskip("ipykernel", reason="needs the extra notebooks")
nbformat = pytest.importorskip("nbformat", reason="needs the extra notebooks")

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOKS = sorted((EXAMPLES / "notebooks").glob("*.ipynb"))
NUMBER = re.compile(r"(?<![#\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?!\w)")


def runner() -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_notebooks", EXAMPLES / "run_notebooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def texts(output: Any) -> dict[str, str]:
    """What one output shows, by its type; of a picture the texts in it, as the layout is the renderer's own affair."""
    shown = {kind: str(text) for kind, text in output.get("data", {}).items()} | {"text": output.get("text", "")}
    if "image/svg+xml" in shown:
        root = ET.fromstring(shown["image/svg+xml"])
        found = ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]
        shown["image/svg+xml"] = "\n".join(found)
    return shown


def same(committed: Any, now: Any) -> None:
    """Every output says the same in the same words, and its numbers agree as far as another BLAS lets them."""
    assert [cell.source for cell in committed.cells] == [cell.source for cell in now.cells]
    for cell, again in zip(committed.cells, now.cells, strict=True):
        outputs = list(map(texts, cell.get("outputs", []))), list(map(texts, again.get("outputs", [])))
        assert len(outputs[0]) == len(outputs[1]), cell.source
        for before, after in zip(*outputs, strict=True):
            assert before.keys() == after.keys(), cell.source
            for kind, text in before.items():
                assert NUMBER.sub("#", text) == NUMBER.sub("#", after[kind]), (cell.source, kind)
                numbers = [[float(x) for x in NUMBER.findall(one)] for one in (text, after[kind])]
                np.testing.assert_allclose(*numbers, rtol=5e-3, atol=1e-9, err_msg=cell.source)


@pytest.mark.filterwarnings("ignore")  # what a kernel's own packages warn of is not ours
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_what_is_committed(path: Path) -> None:
    committed = nbformat.read(path, as_version=4)
    now = runner().run(copy.deepcopy(committed))
    same(committed, now)
    sums = re.findall(r"(\S+)  the sum over the paths\n(\S+)  backward", json.dumps(now).replace("\\n", "\n"))
    assert len(sums) == 1
    for total, gradient in sums:
        assert float(total.strip('"')) == pytest.approx(float(gradient), rel=1e-9)
    now.cells[-1 if path.stem == "xor" else -2].outputs[0].text += " 1"
    with pytest.raises(AssertionError, match="print"):  # the comparison sees one number more
        same(committed, now)


def test_there_are_two() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["half_adder", "xor"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_nothing_of_the_run_is_committed(path: Path) -> None:
    """No times, no counters, no paths of a machine; and small."""
    assert path.stat().st_size < 300_000
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert notebook["metadata"] == runner().METADATA
    for cell in notebook["cells"]:
        assert cell["metadata"] == {}
        assert cell.get("execution_count") is None
        for output in cell.get("outputs", []):
            assert output.get("execution_count") is None
            assert output.get("metadata", {}) == {}
            assert output["output_type"] in ("stream", "execute_result")
            assert output.get("name", "stdout") == "stdout"
