"""Exercises: a Python file with a forward pass, what is asked for and the points, read and checked."""

from __future__ import annotations

import ast
import traceback
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

from ..checks.by_hand import called
from ..core.graph import ancestors
from ..core.value import Value
from ..errors import ArgumentError, ShapeError, UnknownNameError
from ..graph import naming
from .lines import explained
from .verdicts import Report, verdicts_on

__all__ = ["SHIPPED", "Exercise", "exercise", "exercises", "failed_at"]

SHIPPED = Path(__file__).parents[1] / "exercises"
"""The folder of the exercises that come with the package."""

_SETTINGS = ("loss", "points", "tolerance", "solution")
"""Names of an exercise file that are not given to the learner."""

TOLERANCE = 1e-6
SEARCH = 10.0
"""Seconds of looking for wrong lines."""


@dataclass(frozen=True)
class Exercise:
    """A forward pass whose gradients are to be written by hand.

    ``title`` and ``text`` say what is asked, ``points`` what each gradient is worth. ``given`` are the numbers that a
    solution gets, by name: data, parameters and intermediates. ``asked`` are the Values whose gradients are asked for.
    ``source`` is the forward pass as written; ``solution`` is a function that solves it, if the file has one.
    """

    name: str
    path: Path
    title: str
    text: str
    source: str
    loss: Value
    points: Mapping[str, float]
    asked: Mapping[str, Value]
    given: Mapping[str, Any]
    tolerance: float
    solution: Callable[..., Any] | None

    @property
    def total(self) -> float:
        """The points of all gradients."""
        return sum(self.points.values())

    def check(self, backward: Callable[..., Any]) -> Report:
        """The report on a function that computes the gradients by hand: what is right, and which lines are wrong.

        It is given copies of the numbers that its arguments name, or all of them in a dict if it has one argument. It
        returns a dict of gradients by name (``w`` or ``dw``), or a sequence in the order of ``points``.

        Raises ``ArgumentError`` for an argument that the exercise does not give, ``ValueTypeError`` if gradients are
        not what it returns, and what it raises itself.

        >>> def backward(x, t, n):
        ...     dz = (n - t) * n * (1 - n)
        ...     return {"z": dz, "w": dz * x, "b": 3 * dz}
        >>> print(exercise("one-neuron").check(backward))
        ✓ z
        ✓ w
        ✗ b  b is -0.389491, right is -0.12983
        line 3: the gradient of 'b' is 3 times too large
        - 3 * dz
        + dz
        2 of 3 points.
        """
        return self.explain(self.judge(backward), backward)

    def judge(self, backward: Callable[..., Any]) -> Report:
        """The report without the wrong lines: the function runs once."""
        return verdicts_on(self.loss, self.asked, self.points, called(backward, self.given, "exercise"), self.tolerance)

    def explain(self, report: Report, backward: Callable[..., Any], seconds: float = SEARCH) -> Report:
        """The report with the lines that are wrong: the function is watched again and again, for so many seconds."""
        return explained(report, self.loss, self.asked, self.given, backward, self.tolerance, seconds)

    def __str__(self) -> str:
        worth = ", ".join(f"{name} ({points:g})" for name, points in self.points.items())
        return f"{self.title}\n\n{self.text}\n\n{self.source}\n\nAsked for, with points: {worth}"

    def __repr__(self) -> str:
        return f"<Exercise {self.name}: {len(self.points)} gradients, {self.total:g} points>"


def exercises() -> list[Exercise]:
    """The exercises that come with the package, those of the fewest points first."""
    return sorted(map(_read, _shipped().values()), key=lambda one: (one.total, one.name))


def exercise(name: str) -> Exercise:
    """The exercise of this name, or that of a file of your own, by its path.

    Raises ``UnknownNameError`` for a name that no exercise has, ``ArgumentError`` for a file that is no exercise.

    >>> exercise("batch-norm")
    <Exercise batch-norm: 9 gradients, 12 points>
    >>> exercise("bach-norm")
    Traceback (most recent call last):
    ...
    tinygrad_lite.errors.UnknownNameError: exercise: there is no exercise 'bach-norm'; did you mean 'batch-norm'? ...
    """
    text = str(name)
    if text.endswith(".py") or Path(text).name != text:
        return _read(Path(text))
    known = _shipped()
    own = text.strip().lower().replace("_", "-").replace(" ", "-")
    if own in known:
        return _read(known[own])
    near = naming.closest(own, known)
    hint = f"did you mean {near[0]!r}? The" if near else "the"
    listed = f"exercises are {', '.join(known)}; a file of your own is named by its path, as ./mine.py"
    raise UnknownNameError(f"exercise: there is no exercise {text!r}; {hint} {listed}")


def _shipped() -> dict[str, Path]:
    return {_name_of(path): path for path in sorted(SHIPPED.glob("[!_]*.py"))}


def _name_of(path: Path) -> str:
    return path.stem.replace("_", "-")


def _read(path: Path) -> Exercise:
    """Run an exercise file, and take what it defines."""
    try:
        source = path.read_bytes()
    except OSError as error:
        raise ArgumentError(f"exercise: {path} cannot be read: {(error.strerror or 'no such file').lower()}") from None
    names: dict[str, Any] = {"__name__": _name_of(path), "__file__": str(path)}
    try:
        tree = ast.parse(source, str(path))
        exec(compile(tree, str(path), "exec"), names)
    except Exception as error:
        raise ArgumentError(f"exercise: {path} cannot be run: {failed_at(error, path)}") from error
    names = {name: value for name, value in names.items() if not name.startswith("_")}
    for name, value in names.items():
        if isinstance(value, Value) and value.name is None:
            value.name = name
    loss = _loss(path, names.get("loss"))
    values = {value.name: value for value in ancestors(loss) if value.name is not None}
    values |= {name: value for name, value in names.items() if isinstance(value, Value)}
    points = _points(path, names.get("points"))
    reached = set(ancestors(loss))
    asked = {name: _asked(path, name, values, reached) for name in points}
    quantities = names | {name: value for name, value in values.items() if name not in names}
    given = {name: _plain(value) for name, value in quantities.items() if _is_numbers(value)}
    given = {name: value for name, value in given.items() if name not in {*_SETTINGS, *_counters(tree)}}
    solution = names.get("solution")
    tolerance = names.get("tolerance", TOLERANCE)
    if not isinstance(tolerance, float | int) or not 0 < tolerance < 1:
        raise ArgumentError(f"exercise: {path}: tolerance is a number between 0 and 1, got {tolerance!r}")
    title, _, text = (ast.get_docstring(tree) or _name_of(path)).partition("\n")
    return Exercise(
        _name_of(path), path, title.strip(), text.strip(), _forward(tree, source.decode("utf-8-sig")), loss, points,
        asked, given, float(tolerance), solution if isinstance(solution, FunctionType) else None,
    )  # fmt: skip


def failed_at(error: BaseException, path: Path) -> str:
    """What went wrong in a file, and in which of its lines."""
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return f"line {error.lineno}: {error.msg}: {(error.text or '').strip()}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    message = " ".join(str(error).split())
    what = type(error).__name__ + (f": {message}" if message else "")
    return f"line {frames[-1].lineno}: {what}: {frames[-1].line}" if frames else what


def _loss(path: Path, loss: Any) -> Value:
    if not isinstance(loss, Value):
        got = "has no loss" if loss is None else f"has a loss that is no Value but {type(loss).__name__}"
        raise ArgumentError(f"exercise: {path} {got}; end its forward pass with a Value: loss = …")
    if loss.size != 1:
        raise ShapeError(f"exercise: {path}: the loss is one number, got shape {loss.shape}; .sum() it")
    return loss


def _points(path: Path, points: Any) -> dict[str, float]:
    """The points of each name; a key may hold several names."""
    if not isinstance(points, Mapping) or not points:
        raise ArgumentError(f'exercise: {path} has no points; say what is asked for: points = {{"w": 1, "b": 1}}')
    found: dict[str, float] = {}
    for names, worth in points.items():
        if isinstance(worth, bool) or not isinstance(worth, int | float) or not 0 < worth < np.inf:
            raise ArgumentError(f"exercise: {path}: points are numbers above 0, got {worth!r} for {names!r}")
        found |= dict.fromkeys(str(names).split(), worth)
    return found


def _asked(path: Path, name: str, values: Mapping[str, Value], reached: Container[Value]) -> Value:
    """The Value whose gradient is asked for under a name, of those that the loss reaches."""
    if name not in values:
        near = naming.closest(name, values)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(values)}"
        raise UnknownNameError(f"exercise: {path}: points name {name!r}, and no Value is called so; {hint}")
    if not values[name].requires_grad:
        raise ArgumentError(
            f"exercise: {path}: {name!r} is data and has no gradient; make it a Value that requires one"
        )
    if values[name] not in reached:
        raise ArgumentError(f"exercise: {path}: the loss does not depend on {name!r}; leave it out of points")
    return values[name]


def _counters(tree: ast.Module) -> set[str]:
    """The variables of the file's loops, which are no quantities of the forward pass."""
    loops = [node.target for node in ast.walk(tree) if isinstance(node, ast.For)]
    return {node.id for target in loops for node in ast.walk(target) if isinstance(node, ast.Name)}


def _is_numbers(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return bool(value) and all(map(_is_numbers, value))
    return isinstance(value, Value | int | float | np.ndarray | np.generic) and not isinstance(value, bool)


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(map(_plain, value))
    return value.data if isinstance(value, Value) else value


def _forward(tree: ast.Module, source: str) -> str:
    """The forward pass as written: the file without its text, imports, points and solution."""
    lines = source.splitlines()
    kept = [statement for statement in tree.body if not _is_setting(statement)]
    left_out = {
        number
        for statement in tree.body
        if _is_setting(statement)
        for number in range(statement.lineno, (statement.end_lineno or 0) + 1)
    }
    if not kept:
        return ""
    numbers = range(kept[0].lineno, (kept[-1].end_lineno or 0) + 1)
    text = "\n".join(lines[number - 1] for number in numbers if number not in left_out)
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text.strip()


def _is_setting(statement: ast.stmt) -> bool:
    match statement:
        case ast.Import() | ast.ImportFrom() | ast.Expr(ast.Constant()):
            return True
        case ast.FunctionDef(name="solution"):
            return True
        case ast.Assign([ast.Name(id=name)]):
            return name in ("points", "tolerance")
    return False
