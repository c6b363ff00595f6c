"""What a hand-written backward got right: a verdict for each gradient that is asked for, and the score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

import numpy as np

from ..checks import by_hand
from ..checks.gradients import Ways
from ..core.display import table
from ..core.value import Value, raw
from ..errors import ArgumentError, ValueTypeError

__all__ = ["NOT_GIVEN", "Report", "Verdict", "WrongLine", "gradients_in", "verdicts_on"]

NOT_GIVEN = "not given"
"""The reason of a verdict on a gradient that is missing or None."""


@dataclass(frozen=True)
class Verdict:
    """Whether the gradient of one quantity is right, what it is worth, and what is wrong with it."""

    name: str
    points: float
    right: bool
    reason: str = ""

    @property
    def given(self) -> bool:
        """Whether there was a gradient to check."""
        return self.reason != NOT_GIVEN


@dataclass(frozen=True)
class WrongLine:
    """A line that leaves a wrong value: what it should leave instead, and a line that does, if one was found."""

    line: int
    source: str
    said: str
    diff: str = ""

    def __str__(self) -> str:
        return "\n".join([f"line {self.line}: {self.said}", *(self.diff or self.source).splitlines()])


@dataclass(frozen=True, repr=False)
class Report:
    """The verdicts on one backward. True if every gradient is right.

    ``score`` of ``total`` points are reached. ``reason`` says why there is no gradient at all. ``mistakes`` are the
    wrong lines, in the order in which they ran. ``notes`` say what was left out.
    """

    verdicts: tuple[Verdict, ...]
    mistakes: tuple[WrongLine, ...] = ()
    reason: str = ""
    notes: tuple[str, ...] = ()

    @classmethod
    def of_none(cls, points: Mapping[str, float], reason: str) -> Report:
        """The report on a submission that gave no gradients, for a reason."""
        return cls(tuple(Verdict(name, worth, False, NOT_GIVEN) for name, worth in points.items()), reason=reason)

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Report:
        """The report that ``as_dict`` was made from."""
        verdicts = tuple(Verdict(**one) for one in found["verdicts"])
        mistakes = tuple(WrongLine(**one) for one in found["mistakes"])
        return cls(verdicts, mistakes, found["reason"], tuple(found["notes"]))

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data, for JSON."""
        return asdict(self)

    @property
    def score(self) -> float:
        """The points of all right gradients."""
        return sum(verdict.points for verdict in self.verdicts if verdict.right)

    @property
    def total(self) -> float:
        """The points of all gradients."""
        return sum(verdict.points for verdict in self.verdicts)

    @property
    def wrong(self) -> list[Verdict]:
        """The verdicts on gradients that are not right, also those that were not given."""
        return [verdict for verdict in self.verdicts if not verdict.right]

    @property
    def untouched(self) -> bool:
        """Whether no gradient was given at all, as by a file to begin with that nobody has filled in."""
        return not self.reason and not any(verdict.given for verdict in self.verdicts)

    def __bool__(self) -> bool:
        return not self.reason and not self.wrong

    def __str__(self) -> str:
        width = max((len(verdict.name) for verdict in self.verdicts), default=0)
        lines = [] if self.reason else [_line(verdict, width) for verdict in self.verdicts]
        return "\n".join([*lines, *map(str, self.mistakes), *self._remarks()])

    def __repr__(self) -> str:
        return f"<Report: {self.reason or f'{self.score:g} of {self.total:g} points'}>"

    def _remarks(self) -> list[str]:
        return [
            *([self.reason] if self.reason else []),
            *self.notes,
            f"{self.score:g} of {self.total:g} points" + (": all right." if self else "."),
        ]

    def _repr_html_(self) -> str:
        rows: list[Sequence[str | float]] = [[v.name, _mark(v), v.points, v.reason] for v in self.verdicts]
        wrong = "\n".join(map(str, self.mistakes))
        lines = f"<pre>{escape(wrong)}</pre>" if wrong else ""  # a browser keeps lines and columns in it
        return table("Gradients", ["", "", "points", ""], rows, "\n".join(self._remarks())) + lines


def _line(verdict: Verdict, width: int) -> str:
    return f"{_mark(verdict)} {verdict.name.ljust(width)}  {verdict.reason}".rstrip()


def _mark(verdict: Verdict) -> str:
    return "✓" if verdict.right else "✗" if verdict.given else "–"


def gradients_in(returned: Any, asked: Sequence[str]) -> dict[str, Any]:
    """The gradients by name in what a backward returned; those of no name that is asked for keep their own.

    It is a dict, in which ``dw`` may stand for ``w``, a sequence in the order of ``asked``, or the pair of a loss and
    one of these. Raises ``ArgumentError`` for a sequence of another length, ``ValueTypeError`` for anything else.

    >>> gradients_in({"dw": 1.0, "b": 2.0}, ["w", "b"]), gradients_in([1.0, 2.0], ["w", "b"])
    ({'w': 1.0, 'b': 2.0}, {'w': 1.0, 'b': 2.0})
    """
    if isinstance(returned, tuple) and len(returned) == 2 and isinstance(returned[1], Mapping):
        returned = returned[1]
    if isinstance(returned, Mapping):
        return {_own_name(str(name), asked): gradient for name, gradient in returned.items()}
    if isinstance(returned, list | tuple):
        if len(returned) != len(asked):
            raise ArgumentError(
                f"exercise: {len(returned)} gradients were returned for {len(asked)} that are asked for; "
                f"return a dict by name: {', '.join(asked)}"
            )
        return dict(zip(asked, returned, strict=True))
    raise ValueTypeError(
        f"exercise: the function returns a dict of gradients by name ({', '.join(asked)}), "
        f"got {'nothing' if returned is None else type(returned).__name__}"
    )


def _own_name(name: str, asked: Sequence[str]) -> str:
    for own in (name, name.removeprefix("d"), name.removeprefix("d_"), name.removeprefix("grad_")):
        if own in asked:
            return own
    return name


def verdicts_on(
    loss: Value, asked: Mapping[str, Value], points: Mapping[str, float], returned: Any, tolerance: float
) -> Report:
    """The verdicts on what a backward returned.

    ``asked`` are the Values whose gradients are asked for, by name. A gradient is right if no element is off by more
    than ``tolerance``, relative to the larger of the two, or by more than the rounding of its last sum.

    Raises ``ValueTypeError`` if what was returned is no gradients by name.
    """
    given = gradients_in(returned, list(asked))
    eps = max(float(np.finfo(value.dtype).eps) for value in asked.values())
    ways = Ways(loss, list(asked.values()), eps, tolerance)
    verdicts = []
    for name, value in asked.items():
        reason = _fault(ways, name, value, given[name], tolerance) if name in given else NOT_GIVEN
        verdicts.append(Verdict(name, points[name], not reason, reason))
    unknown = [name for name in given if name not in asked]
    return Report(tuple(verdicts), notes=(f"Not asked for: {', '.join(unknown)}.",) if unknown else ())


def _fault(ways: Ways, name: str, value: Value, gradient: Any, tolerance: float) -> str:
    """What is wrong with a gradient; nothing if it is right."""
    if gradient is None:
        return NOT_GIVEN
    try:
        manual = np.asarray(raw(gradient))
    except (TypeError, ValueError, RuntimeError):  # a ragged list; a tensor of PyTorch that requires a gradient
        manual = np.array(None)
    if manual.dtype.kind not in "iuf":
        return f"it is no number or array of numbers, but {type(gradient).__name__}"
    manual = manual.astype(float)
    fits = manual.shape == value.shape
    row = ways.row(name, value, manual if fits else None, None if fits else by_hand.Misfit(manual), False)
    if not fits:
        return row.reason
    worst, index = row.worst("manual", ways.least, tolerance)
    if worst <= tolerance:
        return ""
    place = f"[{', '.join(map(str, index))}]" if index else ""
    found, right = float(manual[index]), float(np.asarray(row.autodiff)[index])
    return f"{name}{place} is {found:.6g}, right is {right:.6g}"
