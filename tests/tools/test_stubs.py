"""The committed stubs are those that tools/stubs.py would write now."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tinygrad_lite
from tinygrad_lite.ops import elementary
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
