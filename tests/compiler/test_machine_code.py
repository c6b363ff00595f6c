"""Machine code: made once, kept on disk for the next process, and done without where numba cannot make it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.compiler.agreement import agree
from tinygrad_lite import Value
from tinygrad_lite.compiler import backends, machine_code, tape
from tinygrad_lite.errors import FallbackWarning

numba = pytest.importorskip("numba")

SOURCE = """\
def twice(x):
    return sigmoid(x) * 2.0

def summed(x):
    total = 0.0
    for k in range(len(x)):
        total += x[k]
    return total
"""
TYPES = {"twice": [numba.float64], "summed": [numba.float64[::1]]}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    with keeping_in(tmp_path):
        yield tmp_path


@contextmanager
def keeping_in(place: Path) -> Iterator[None]:
    """numba keeps machine code there; it reads the environment again now and then."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NUMBA_CACHE_DIR", str(place))
        numba.config.reload_config()
        yield
    numba.config.reload_config()


def made() -> list[Any]:
    twice, summed = machine_code.compiled(SOURCE, TYPES, "a test")
    assert twice(0.0) == 1.0
    assert summed(np.arange(4.0)) == 6.0
    return [twice, summed]


def hits(functions: list[Any]) -> list[int]:
    return [sum(function.stats.cache_hits.values()) for function in functions]


def test_what_is_on_disk_is_not_made_again(place: Path) -> None:
    assert hits(made()) == [0, 0]
    functions = made()
    assert hits(functions) == [1, 1]
    assert [len(function.signatures) for function in functions] == [1, 1]  # the calls compiled nothing more
    (file,) = (place / "tinygrad_lite").glob("*.py")
    assert file.read_text() == SOURCE


def test_a_broken_file_is_no_error(place: Path) -> None:
    made()
    for kind in ("nbi", "nbc"):
        for path in place.rglob(f"*.{kind}"):
            path.write_bytes(b"broken")
        made()


def test_other_functions_of_the_table_are_other_files(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made()
    monkeypatch.setattr(machine_code, "_surroundings", lambda: "of another version")
    assert hits(made()) == [0, 0]


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with keeping_in(file):
        assert machine_code.folder() is None
        assert hits(made()) == [0, 0]
        assert hits(made()) == [0, 0]


def test_a_second_process_finds_it(place: Path) -> None:
    program = """
import sys
import tinygrad_lite as tg
from tinygrad_lite.compiler import machine_code
w = tg.Value(0.5, name="w")
step = tg.compile(lambda: tg.tanh(w * w) * w, backend="numba")
made = []
kept = machine_code._made
machine_code._made = lambda *args: made.append(kept(*args)) or made[-1]
print(step(), step(), sum(made[0][0].stats.cache_hits.values()))
"""
    said = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "NUMBA_CACHE_DIR": str(place)},
            capture_output=True,
            text=True,
            check=True,
        )
        for _ in range(2)
    ]
    (*first, before), (*second, after) = (out.stdout.split() for out in said)
    assert first == second
    assert (before, after) == ("0", "1")
    assert said[0].stderr == ""  # no terminal, no bar


def test_a_terminal_is_told_once(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    made()
    assert "compile: machine code of a test, once" in capsys.readouterr().err
    made()
    assert capsys.readouterr().err == ""


def test_the_first_call_makes_it_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    w = Value(0.5, name="w")
    calls: list[str] = []
    right = numba.core.dispatcher.Dispatcher.compile
    monkeypatch.setattr(
        numba.core.dispatcher.Dispatcher,
        "compile",
        lambda self, types: calls.append(self.__name__) or right(self, types),
    )
    step = tg.compile(lambda x: tg.sin(w * x) + w * 0.25, backend="numba")
    step(1.0)
    assert "kernel" in calls
    calls.clear()
    for k in range(3):
        step(float(k))
    assert calls == []


@pytest.mark.parametrize(("short", "instead"), [(10**6, "Python"), (0, "NumPy, level by level")])
def test_where_numba_fails_something_else_runs(short: int, instead: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise NotImplementedError("no machine today")

    monkeypatch.setattr(backends, "SHORT", short)
    monkeypatch.setattr(tape, "compiled", refuse)
    tape._machine_code.cache_clear()
    w = Value(0.5, name="w")
    with pytest.warns(FallbackWarning, match=f"NotImplementedError: no machine today; this runs in {instead}") as said:
        agree(lambda x: tg.sin(w * x) + w * 0.25, [w], 2.0, backend="numba", exact=False)
    assert len(said) == 2  # agree makes two steps
