"""A wrong line of a hand-written backpropagation, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.value import describe
from .finding import Finding
from .known import Known
from .recorder import Step
from .repairs import Repair
from .scripts import Unit

__all__ = ["Mistake", "mistake_of"]


@dataclass(frozen=True)
class Mistake:
    """A wrong line of a hand-written backpropagation.

    ``file``, ``line`` (from 1) and ``column`` (from 0) are where it is, ``source`` its text. ``said`` says what is
    wrong with it, ``read`` what it read that was right. ``right`` is the value that it should have left, if that is
    known, and ``off`` the largest difference from it, relative to its largest element. ``suggestion`` is a line that is
    right. ``times`` is how often the line ran and was wrong.
    """

    file: str
    line: int
    column: int
    source: str
    said: str
    read: tuple[str, ...] = ()
    value: str | None = None
    right: Any = None
    off: float | None = None
    suggestion: str | None = None
    times: int = 1

    @property
    def diff(self) -> str:
        """The line and the suggested one, as lines of a diff; empty without a suggestion."""
        if self.suggestion is None:
            return ""
        return "\n".join(
            [
                *(f"- {line}" for line in self.source.splitlines()),
                *(f"+ {line}" for line in self.suggestion.splitlines()),
            ]
        )

    def __str__(self) -> str:
        return f"line {self.line}: {self.source}: {self.said}" + (
            f"; write {self.suggestion}" if self.suggestion is not None else ""
        )


def mistake_of(unit: Unit, finding: Finding, repair: Repair | None, right: Any, known: Known) -> Mistake:
    """A finding in words. ``right`` is what the unit should have left, if that is known."""
    off = None
    if right is not None and np.shape(right) == finding.step.value.shape:
        size = float(np.max(np.abs(right), initial=0.0))
        off = float(np.max(np.abs(finding.step.value - right), initial=0.0)) / size if size else float("inf")
    read = (_described(step, known) for step in finding.read)
    return Mistake(
        unit.place.file,
        unit.place.first,
        unit.place.column,
        unit.text,
        _said(finding),
        tuple(text for text in read if text),
        None if finding.value is None else describe(finding.value),
        right,
        off,
        None if repair is None else repair.text,
    )


def _described(step: Step, known: Known) -> str:
    name = next(iter(step.names), None)
    match = next(iter(known.matches(step.value)), None)
    return "" if match is None or name is None else f"{name} is {match.quantity}"


def _said(finding: Finding) -> str:
    of = "value" if finding.kind == "data" else "gradient"
    what = "its value" if finding.value is None else f"the {of} of {describe(finding.value)}"
    missing = ", ".join(map(describe, finding.missing))
    match finding.kind:
        case "factor":
            return f"{what} is {_factor(finding.factor)}"
        case "transposed":
            return f"{what} is transposed"
        case "term":
            return f"{what} is only a part: what comes by way of {missing} is missing"
        case "early":
            return f"it reads {what} before it is complete: what comes by way of {missing} is added later"
        case "other":
            return f"{what} is not this: that is the gradient of something else"
    if finding.value is None:
        return "it reads right values and leaves one that the loss has no use for"
    return f"{what} is wrong"


def _factor(factor: float) -> str:
    if abs(factor + 1.0) < 1e-9:
        return "of the wrong sign"
    if factor == int(factor):
        return f"{factor:g} times too large"
    if abs(1.0 / factor - round(1.0 / factor)) < 1e-9:
        return f"{1.0 / factor:g} times too small"
    return f"multiplied by {factor:.6g}"
