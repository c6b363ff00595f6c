"""The committed stubs are those that tools/stubs.py would write now."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from types import ModuleType

import pytest

import tinygrad_lite
from tinygrad_lite.ops import elementary, functions
from tinygrad_lite.ops.methods import METHODS
from tools import stubs

FOLDER = Path(tinygrad_lite.__file__).parent


@pytest.mark.parametrize("name", stubs.STUBS)
def test_the_stub_is_current(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == stubs.STUBS[name](), "run: python -m tools.stubs"


def test_the_stubs_name_everything() -> None:
    functions, methods = stubs.elementary_stub(), stubs.methods_stub()
    assert all(f"def {name}(" in functions for name in elementary.__all__)
    assert all(re.search(rf"def {name}\(\s*self", methods) for name in METHODS)


def test_write(tmp_path: Path) -> None:
    for room in ("core", "ops"):
        (tmp_path / room).mkdir()
    written = stubs.write(tmp_path)
    assert sorted(path.name for path in written) == ["__init__.pyi", "_methods.pyi", "elementary.pyi", "functions.pyi"]
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == [
        "__init__.pyi",
        "_methods.pyi",
        "elementary.pyi",
        "functions.pyi",
    ]


@pytest.mark.parametrize("module", [elementary, functions])
def test_a_type_checker_finds_every_name_in_a_star_import(module: ModuleType) -> None:
    stub = ast.parse(stubs.STUBS[module.__name__.removeprefix("tinygrad_lite.").replace(".", "/") + ".pyi"]())
    (names,) = (
        ast.literal_eval(node.value)
        for node in stub.body
        if isinstance(node, ast.Assign) and "__all__" in ast.dump(node)
    )
    assert names == list(module.__all__)
