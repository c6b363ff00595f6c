"""The tutorial notebooks run from scratch, and show what is committed."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tools.notebooks import NOTEBOOKS, executed, read, shown

pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
pytest.importorskip("matplotlib")

_NUMBER = re.compile(r"-?\d+\.?\d*(?:[eE][+-]?\d+)?")
_LARGEST = 400_000
"""Bytes of a notebook."""


def same_text(a: str, b: str) -> bool:
    """Whether two texts differ by nothing but what rounding leaves."""
    if _NUMBER.split(a) != _NUMBER.split(b):
        return False
    pairs = zip(map(float, _NUMBER.findall(a)), map(float, _NUMBER.findall(b)), strict=True)
    return all(abs(x - y) <= 1e-3 * max(abs(x), abs(y)) + 1e-7 for x, y in pairs)


def same_output(a: Any, b: Any) -> bool:
    """Whether two outputs of a cell show the same: texts alike, pictures of one kind that can be opened."""
    if isinstance(a, str) or isinstance(b, str):
        return isinstance(a, str) and isinstance(b, str) and same_text(a, b)
    if a.keys() != b.keys():
        return False
    for kind, data in a.items():
        if kind == "image/png":
            if not base64.b64decode(data).startswith(b"\x89PNG"):
                return False
        elif kind == "image/svg+xml":
            trees = [ElementTree.fromstring(svg) for svg in (data, b[kind])]
            if [element.tag for element in trees[0].iter()] != [element.tag for element in trees[1].iter()]:
                return False
        elif not same_text(data, b[kind]):
            return False
    return True


@pytest.mark.filterwarnings("ignore")  # of the kernel and its transport
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_is_up_to_date(path: Path) -> None:
    committed, found = shown(read(path)), shown(executed(path))
    assert path.stat().st_size < _LARGEST
    assert [source for source, _ in committed] == [source for source, _ in found]
    for (source, before), (_, now) in zip(committed, found, strict=True):
        assert len(before) == len(now), source
        stale = f"{path.name} shows something else now: python -m tools.notebooks\n{source}"
        assert all(map(same_output, before, now)), stale


def test_there_is_one_for_each_tutorial_and_one_by_hand() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["half_adder", "language_model", "xor"]
    for path in NOTEBOOKS:
        notebook = read(path)
        kinds = {
            kind for _, outputs in shown(notebook) for output in outputs if isinstance(output, dict) for kind in output
        }
        assert {"image/svg+xml", "image/png", "text/latex", "text/html"} <= kinds
        assert all(cell.get("execution_count") is None for cell in notebook.cells)


def test_what_differs_is_found() -> None:
    assert same_text("total 0.123456789 of w1", "total 0.123456780 of w1")
    assert same_text("worst 1.2e-14", "worst 3e-15")
    assert not same_text("total 0.1234", "total 0.1254")
    assert not same_text("first wrong at 'n1'", "first wrong at 'n2'")
    svg = {"image/svg+xml": "<svg><g/></svg>"}
    assert same_output(svg, svg)
    assert not same_output(svg, {"image/svg+xml": "<svg><g/><g/></svg>"})
    assert not same_output({"text/plain": "a"}, "a")
