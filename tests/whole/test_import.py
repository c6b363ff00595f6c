"""``import tinygrad_lite`` loads little, and all of its names are there."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

import tinygrad_lite as tg
from tinygrad_lite._aliases import MOVED

OURS = "checks compiler derivation formulas grading handwritten nn optim paths programs training transforms"
OTHERS = "tqdm graphviz wasmtime matplotlib scipy sklearn numba torch jax numpy.random"
LATER = {f"tinygrad_lite.{room}" for room in OURS.split()} | set(OTHERS.split())


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    return done.stdout


def loaded(program: str) -> set[str]:
    return set(run(f"{program}; import sys; print(*sys.modules)").split())


@pytest.mark.parametrize("package", ["tinygrad_lite", "viz"])
def test_what_few_programs_use_is_loaded_later(package: str) -> None:
    found = loaded(f"import {package}")
    assert package in found
    assert not found & LATER


def test_what_is_loaded_too_early_is_found() -> None:
    assert loaded("import tqdm, tinygrad_lite as tg; tg.nn") & LATER >= {"tqdm", "tinygrad_lite.nn"}


def test_it_does_not_need_tqdm() -> None:
    program = "import sys; sys.modules['tqdm'] = None; import tinygrad_lite as tg; print(tg.Value(2.0).exp() > 7)"
    assert run(program) == "True\n"


def test_all_names_are_there() -> None:
    names = run("from tinygrad_lite import *; print(*sorted(set(globals())))").split()
    assert set(tg.__all__) <= set(names)
    assert set(tg.__all__) <= set(dir(tg))
    assert len(set(tg.__all__)) == len(tg.__all__)


@pytest.mark.parametrize("name", ["Value", "derive", "compile", "nn", "semirings", "sweeping", "paths", "core"])
def test_names_and_modules_are_attributes(name: str) -> None:
    assert run(f"import tinygrad_lite as tg; print(hasattr(tg, {name!r}))") == "True\n"


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match=r"^module 'tinygrad_lite' has no attribute 'derivative'$"):
        tg.derivative  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'derivative'"):
        from tinygrad_lite import derivative  # type: ignore[attr-defined]  # noqa: F401


def test_a_module_that_lacks_something_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(tg, "training", raising=False)
    monkeypatch.delitem(sys.modules, "tinygrad_lite.training", raising=False)
    monkeypatch.setitem(sys.modules, "tinygrad_lite.optim", None)
    with pytest.raises(ModuleNotFoundError, match=r"tinygrad_lite\.optim"):
        tg.training  # noqa: B018


@pytest.mark.parametrize("old", sorted(MOVED))
def test_old_paths_work(old: str) -> None:
    module = import_module(old)
    for name in getattr(module, "__all__", ()):
        assert any(getattr(import_module(place), name, None) is getattr(module, name) for place in MOVED[old])
