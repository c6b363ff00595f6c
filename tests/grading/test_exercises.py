"""Exercises: those that come with the package are right, and a file that is none says why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite.errors import ArgumentError, ShapeError, TinygradError, UnknownNameError
from tinygrad_lite.grading.exercises import exercises
from tinygrad_lite.grading.loop import until_right
from tinygrad_lite.grading.starting import NEW, starter, write_new

EXERCISES = {one.name: one for one in exercises()}

FORWARD = "from tinygrad_lite import Value\nw = Value([2.0, 3.0])\ns = w * w\nloss = s.sum()\n"


def written(folder: Path, text: str) -> str:
    path = folder / "mine.py"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_new_exercise_is_one(tmp_path: Path) -> None:
    path = write_new(tmp_path / "layer")
    one = tg.exercise(str(path))
    assert (path.name, one.name, one.title) == ("layer.py", "layer", "A layer")
    assert one.solution is not None
    assert one.check(one.solution)
    assert f"exercise check {path} my_layer.py" in starter(one)
    assert path.read_text(encoding="utf-8") == NEW


def test_numbers_are_copies() -> None:
    one = EXERCISES["xor"]

    def careless(w1: Any, a1: Any) -> dict[str, Any]:
        w1 *= 0.0
        a1[:] = 7.0
        return {}

    one.check(careless)
    assert one.solution is not None
    assert one.check(one.solution)


def test_names_of_many_styles() -> None:
    one = EXERCISES["one-neuron"]

    def grads(x: Any, t: float, n: float) -> tuple[float, Any, float]:
        dz = (n - t) * n * (1 - n)
        return dz, dz * x, dz

    names = ["z", "w", "b"]
    for form in ("{}", "d{}", "d_{}", "grad_{}"):
        assert one.check(lambda x, t, n, form=form: dict(zip(map(form.format, names), grads(x, t, n), strict=True)))
    assert one.check(grads)
    assert one.check(lambda x, t, n: (0.3, dict(zip(names, grads(x, t, n), strict=True))))
    assert one.check(lambda v: list(grads(v["x"], v["t"], v["n"])))
    report = one.check(lambda x, t, n: dict(zip([*names, "q"], [*grads(x, t, n), 1.0], strict=True)))
    assert report
    assert report.notes == ("Not asked for: q.",)


class Tensor:
    """What NumPy cannot read, like a tensor of PyTorch that requires a gradient."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise RuntimeError("call detach() first")


def test_what_is_wrong_is_said() -> None:
    one = EXERCISES["xor"]

    def wrong(v: dict[str, Any]) -> dict[str, Any]:
        right = one.solution(**{name: v[name] for name in ("x", "t", "w2", "a1", "a2")})
        nan = right["b2"].copy()
        nan[1] = np.nan
        return {
            "z2": right["z2"].T, "w2": "many", "b2": nan, "a1": right["a1"][0], "w1": right["w1"] + 1e-3, "b1": None,
            "z1": Tensor(),
        }  # fmt: skip

    reasons = {verdict.name: verdict.reason for verdict in one.check(wrong).verdicts}
    assert reasons["z2"] == "it has shape (2, 4), not (4, 2); transposed it is right"
    assert reasons["w2"] == "it is no number or array of numbers, but str"
    assert reasons["b2"].startswith("b2[1] is nan, right is ")
    assert reasons["a1"] == "it has shape (5,), not (4, 5)"
    assert reasons["w1"].startswith("w1[")
    assert reasons["z1"] == "it is no number or array of numbers, but Tensor"
    assert reasons["b1"] == "not given"


def test_wrong_lines_are_named(capsys: Any) -> None:
    def backward(x: Any, t: Any, w2: Any, a1: Any, a2: Any) -> dict[str, Any]:
        print("called")
        dz2 = (a2 - t) * a2 * (1 - a2)
        dz1 = dz2 @ w2.T * a1
        return {"z2": dz2, "w2": a1.T @ dz2, "b2": dz2.sum(axis=0), "z1": dz1, "w1": x.T @ dz1, "b1": dz1.mean(axis=0)}

    one = EXERCISES["xor"]
    report = one.check(backward)
    first = backward.__code__.co_firstlineno
    assert [mistake.line - first for mistake in report.mistakes] == [3, 4]
    assert report.mistakes[0].source == "dz1 = dz2 @ w2.T * a1"
    assert "+ dz1 = " in report.mistakes[0].diff
    assert [verdict.name for verdict in report.wrong] == ["a1", "z1", "w1", "b1"]
    assert capsys.readouterr().out == "called\n"
    assert one.judge(backward).mistakes == ()


def test_the_search_for_wrong_lines_costs_no_verdict(capsys: Any) -> None:
    one = EXERCISES["one-neuron"]
    without_source = eval("lambda x: {'z': 1.0, 'w': x, 'b': 0.0}")
    assert one.check(without_source).notes[0].startswith("The lines of the function were not watched: ")
    calls = iter(range(100))

    def fails_later(x: Any) -> dict[str, Any]:
        print("loud")
        if next(calls):
            raise KeyError("gone")
        return {"z": 1.0, "w": x, "b": 0.0}

    report = one.check(fails_later)
    assert (report.score, report.total, report.mistakes) == (0, 3, ())
    assert report.notes == ("The wrong lines were not found: watching the function ended in KeyError: 'gone'.",)
    assert capsys.readouterr().out == "loud\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", "has no loss; end its forward pass with a Value"),
        ("loss = 2.0\n", "has a loss that is no Value but float"),
        (FORWARD.replace(".sum()", ""), r"the loss is one number, got shape \(2,\)"),
        (FORWARD, "has no points; say what is asked for"),
        (FORWARD + "points = {'v': 1}\n", "points name 'v', and no Value is called so; there are .*w"),
        (FORWARD + "points = {'w': -1}\n", "points are numbers above 0, got -1 for 'w'"),
        (FORWARD + "t = Value(1.0)\npoints = {'t': 1}\n", "the loss does not depend on 't'"),
        (FORWARD + "t = Value(1.0, requires_grad=False)\npoints = {'t': 1}\n", "'t' is data and has no gradient"),
        (FORWARD + "points = {'w': 1}\ntolerance = 2\n", "tolerance is a number between 0 and 1, got 2"),
        ("x = (1\nloss = x\n", r"cannot be run: line 1: '\(' was never closed: x = \(1"),
        ("\nx = 1 / 0\n", "cannot be run: line 2: ZeroDivisionError: division by zero: x = 1 / 0"),
    ],
)
def test_a_file_that_is_no_exercise(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(TinygradError, match=message):
        tg.exercise(written(tmp_path, text))


def test_names_that_lead_nowhere(tmp_path: Path) -> None:
    assert tg.exercise("Batch_Norm").name == "batch-norm"
    with pytest.raises(UnknownNameError, match="there is no exercise 'bachnorm'; did you mean 'batch-norm'"):
        tg.exercise("bachnorm")
    with pytest.raises(ArgumentError, match=r"gone\.py cannot be read: no such file"):
        tg.exercise(str(tmp_path / "gone.py"))
    with pytest.raises(ArgumentError, match="the function asks for 'wx', which is not given; "):
        EXERCISES["one-neuron"].check(lambda wx, x: {})
    with pytest.raises(ValueError, match="2 gradients were returned for 3 that are asked for"):
        EXERCISES["one-neuron"].check(lambda x: [1.0, 2.0])
    with pytest.raises(TypeError, match=r"returns a dict of gradients by name \(z, w, b\), got nothing"):
        EXERCISES["one-neuron"].check(lambda x: None)
    with pytest.raises(ArgumentError, match=r"exercise: the function takes \*v, is given nothing, and raised IndexErr"):
        EXERCISES["one-neuron"].check(lambda *v: {"w": v[0]})
    assert issubclass(ShapeError, TinygradError)


def test_an_argument_with_a_default_is_given_too() -> None:
    seen: list[Any] = []

    def backward(x: Any = None, more: int = 3) -> dict[str, Any]:
        seen.append((x is None, more))
        return {}

    EXERCISES["one-neuron"].judge(backward)
    assert seen == [(False, 3)]


def test_check_again_when_the_file_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("1")
    seen: list[str] = []

    def check() -> bool:
        seen.append(path.read_text())
        return seen[-1] == "333"

    def edit(seconds: float) -> None:
        steps.pop(0)()

    steps = [lambda: None, path.unlink, lambda: path.write_text("22"), lambda: None, lambda: path.write_text("333")]
    until_right(path, check, edit)
    assert seen == ["1", "22", "333"]
    assert not steps
