"""A wrong line of a hand-written backpropagation, in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.value import Value, describe
from .finding import Finding
from .known import Known, Match
from .recorder import Step
from .repairs import Repair
from .scripts import Unit

__all__ = ["Mistake", "mistake_of"]


@dataclass(frozen=True)
class Mistake:
    """A wrong line of a hand-written backpropagation.

    ``file``, ``line`` (from 1) and ``column`` (from 0) are where it is, ``source`` its text. ``said`` says what is
    wrong with it, ``read`` what it read that was right. ``right`` is the value that it should have left, if that is
    known, and ``off`` the largest difference from it, relative to its largest element; ``None`` where it left something
    that is not finite. ``suggestion`` is a line that is right. ``times`` is how often the line ran and was wrong.
    Where ``before`` is the number of a line, the suggestion is a new line in front of that one, and this one stays.
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
    before: int | None = None

    @property
    def change(self) -> str | None:
        """The suggestion, and where it goes if it is a new line."""
        if self.suggestion is None or self.before is None:
            return self.suggestion
        return f"{self.suggestion}  # a new line, before line {self.before}"

    @property
    def diff(self) -> str:
        """The line and the suggested one, or a new one alone, as lines of a diff; empty without a suggestion."""
        if self.change is None:
            return ""
        removed, added = [] if self.before is not None else self.source.splitlines(), self.change.splitlines()
        return "\n".join([*(f"- {line}" for line in removed), *(f"+ {line}" for line in added)])

    @property
    def report(self) -> str:
        """What is wrong, what was right, and the diff, on lines of their own."""
        where = f"line {self.line}" if self.file.startswith("<") else f"{Path(self.file).name}, line {self.line}"
        off = (
            ""
            if self.off is None or not math.isfinite(self.off)
            else f" (off by {self.off:.2g} times its largest element)"
        )
        times = f", {self.times} times" if self.times > 1 else ""
        read = [f"  It read right values: {', '.join(self.read)}."] if self.read else []
        shown = [f"  {line}" for line in (self.diff or self.source).splitlines()]
        return "\n".join([f"{where}{times}: {self.said}{off}.", *shown, *read])

    def __str__(self) -> str:
        write = f"; write {_on_one_line(self.change)}" if self.change is not None else ""
        return f"line {self.line}: {_on_one_line(self.source)}: {self.said}{write}"


def mistake_of(
    unit: Unit,
    finding: Finding,
    repair: Repair | None,
    right: Any,
    times: int,
    known: Known,
    names: Mapping[Value, str],
) -> Mistake:
    """A finding in words. ``right`` is what the unit should have left; ``names`` are those that the program has."""
    off, left = None, finding.step.value
    if finding.kind != "order" and right is not None and np.shape(right) == left.shape and np.isfinite(left).all():
        size = float(np.max(np.abs(right), initial=0.0))
        off = float(np.max(np.abs(left - right), initial=0.0)) / size if size else math.inf
    words = _Words(known, names)
    value = finding.value
    if value is None and repair is not None and repair.value is not None:
        value = next((m.quantity.value for m in known.matches(repair.value) if m.exact and m.flows), None)
    return Mistake(
        unit.place.file,
        unit.place.line,
        unit.column,
        unit.text,
        words.said(finding, value),
        tuple(dict.fromkeys(text for step in finding.read if (text := words.described(step)))),
        None if value is None else words.name(value),
        right,
        off,
        None if repair is None else repair.text,
        times,
        None if repair is None or repair.before is None else repair.before.place.line,
    )


@dataclass(frozen=True)
class _Words:
    """Words for Values: by their names, or those that the program's variables have."""

    known: Known
    names: Mapping[Value, str]

    def name(self, value: Value) -> str:
        """A name for a Value, or for one that has the same gradient.

        A number is not shown beside the name: after "the gradient of 'b'" it would be taken for the gradient.
        """
        name = value.name
        if name is None:
            alike = next(self._alike(value), None)
            name = self.names.get(value) if alike is None else alike.name
        if name is None:
            return describe(value) if value.shape or value.op is None else f"the nameless result of {value.op.name!r}"
        return repr(name) + (f" (of shape {value.shape})" if value.shape else "")

    def _alike(self, value: Value) -> Iterator[Value]:
        g = self.known.cotangents.get(value)
        for other, own in self.known.cotangents.items():
            if g is not None and other.name is not None and own.shape == g.shape and np.allclose(own, g):
                yield other

    def _reader(self, node: Value) -> str:
        """A name for a node that reads a Value, or for the first named one that it leads to alone."""
        first = node
        while node.name is None and node not in self.names and len(self.known.contributions[node]) == 1:
            node = self.known.contributions[node][0][0]
        return self.name(first if node.name is None and node not in self.names else node)

    def described(self, step: Step) -> str:
        """What a named step is."""
        name = next(iter(step.names), None)
        match = next(iter(self.known.matches(step.value)), None)
        if match is None or name is None:
            return ""
        return f"{name} ({self._gradient(match)})" if match.flows else name

    def _gradient(self, match: Match) -> str:
        """What a match of a gradient is, or of a part of one."""
        quantity = match.quantity
        part = "a part of the" if quantity.role in ("contribution", "partial") else "the"
        whose = self.name(quantity.value).partition(" (of shape")[0]
        return f"{part} gradient of {whose}{f', {quantity.form}' if quantity.form else ''}"

    def _instead(self, finding: Finding, value: Value | None) -> str:
        """Whose gradient a step is, where it should be that of another Value."""
        matches = [m for m in self.known.matches(finding.step.value) if m.exact and m.flows]
        others = [m for m in matches if m.quantity.value is not value]
        whole = [m for m in others if m.quantity.role == "cotangent" and not m.quantity.form and not m.transposed]
        # a name that the reader knows first: Values with the same gradient are many
        found = min(whole or others, key=lambda m: m.quantity.value.name is None, default=None)
        return "the gradient of another quantity" if found is None else self._gradient(found)

    def said(self, finding: Finding, value: Value | None) -> str:
        """What is wrong."""
        of = "value" if finding.kind == "data" and finding.value is not None else "gradient"
        what = "its value" if value is None else f"the {of} of {self.name(value)}"
        missing = ", ".join(dict.fromkeys(map(self._reader, finding.missing)))
        comes = f": what comes by way of {missing} is" if missing else ""
        if not np.isfinite(finding.step.value).all():
            return f"{what} is not finite"
        match finding.kind:
            case "order":
                return "the turns of this loop are others, or in another order, than the gradients need"
            case "factor":
                return f"{what} is {_factor(finding.factor)}"
            case "transposed":
                return f"{what} is transposed"
            case "term":
                return f"{what} is only a part{comes and comes + ' missing'}"
            case "early":
                return f"it reads {what} before it is complete{comes and comes + ' added later'}"
            case "other":
                return f"{what} is not this: this is {self._instead(finding, value)}"
        if value is None:
            return "the values that it reads are right, and nothing right is made of its result"
        return f"{what} is wrong"


def _on_one_line(text: str) -> str:
    return " ".join(line.strip() for line in text.splitlines())


def _factor(factor: float) -> str:
    if abs(factor + 1.0) < 1e-9:
        return "of the wrong sign"
    if factor == int(factor):
        return f"{factor:g} times too large"
    if abs(1.0 / factor - round(1.0 / factor)) < 1e-9:
        return f"{1.0 / factor:g} times too small"
    return f"multiplied by {factor:.6g}"
