"""The public names of viz: each loads when it is first used, and old import paths still work."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

import viz
from viz._aliases import MOVED

HEAVY = ("numpy", "graphviz", "wasmtime", "matplotlib", "tinygrad_lite")


def test_the_import_alone_loads_nothing() -> None:
    code = f"import sys, viz; print([name for name in {HEAVY} if name in sys.modules]); print(viz.graph.__module__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "viz.pictures"]


def test_a_drawing_loads_no_renderer_until_it_is_laid_out() -> None:
    code = (
        "import sys, viz, tinygrad_lite as tg\n"
        "x = tg.Value(2.0)\n"
        "drawing = viz.graph(x * x)\n"
        "assert 'wasmtime' not in sys.modules and 'matplotlib' not in sys.modules\n"
        "drawing.svg()\n"
        "assert 'wasmtime' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", viz.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(viz, name).__name__ in {name, f"viz.{name}"}
    assert name in dir(viz)


@pytest.mark.parametrize("old", MOVED)
def test_old_paths_have_the_names_of_the_new(old: str) -> None:
    module = import_module(old)
    assert getattr(viz, old.removeprefix("viz.")) is module
    for place in MOVED[old]:
        new = import_module(place)
        assert all(hasattr(module, name) for name in new.__all__)


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'viz' has no attribute 'grpah'"):
        _ = viz.grpah
