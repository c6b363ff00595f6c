"""What a wrong gradient lacks, or whose place it took: the unit where that happened."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.value import Value
from .known import Known, Match
from .reading import Reading
from .recorder import Occurrence, Recorder, Step

__all__ = ["Finding", "Places"]


@dataclass(frozen=True)
class Finding:
    """A unit that leaves a wrong value.

    ``kind`` is ``value`` (an unknown value), ``factor`` (a multiple of the right one), ``transposed``, ``term`` (some
    of the terms of a sum), ``early`` (read before it was complete) or ``other`` (the gradient of another Value).
    ``rights`` are the arrays of which it should have left one, of ``value``; none where that is not known. ``read``
    are the right steps that it read. A ``guess`` holds only if other units come right with it and none becomes wrong, a
    ``strict`` one if more results do than with any other, an ``alternative`` only if a changed line is right.
    """

    kind: str
    where: Occurrence
    step: Step
    value: Value | None
    rights: tuple[Any, ...]
    read: tuple[Step, ...] = ()
    factor: float = 1.0
    missing: tuple[Value, ...] = ()
    guess: bool = False
    strict: bool = False
    alternative: bool = False
    calls: str = ""
    """A function that a changed line must still call: a wrong function is mended in its own lines."""


@dataclass(frozen=True)
class Places:
    """The terms and the places of the gradients in one run of a program."""

    reading: Reading
    result: tuple[Step | None, Value]
    """A wrong result of the program, and the Value whose gradient it should be."""
    results: Mapping[Value, Step | None] = field(default_factory=dict)
    """Every result of the program, by the Value whose gradient it should be."""
    wrong: Container[Value] = ()
    """The Values whose results are wrong when nothing is put right."""

    @property
    def known(self) -> Known:
        return self.reading.known

    @property
    def recorder(self) -> Recorder:
        return self.reading.recorder

    def _missing(self, part: Match) -> tuple[Value, ...]:
        """The readers by way of which the rest of a gradient comes."""
        ways = Counter(node for node, _ in self.known.contributions[part.quantity.value])
        ways.subtract(part.quantity.readers)  # one for each time that a node reads the Value: w * w reads it twice
        return tuple(ways.elements())

    def _always_transposed(self, unit: int) -> bool:
        """Whether a unit that ran several times left transposed gradients only, as a wrong helper function does."""
        left = [self.reading.matches(step) for (number, _), step in self.recorder.left.items() if number == unit]
        whole = [[m for m in ms if m.exact and m.quantity.role == "cotangent" and not m.quantity.form] for ms in left]
        return len(whole) > 1 and all(ms and all(m.transposed for m in ms) for ms in whole)

    def _misplaced(self, step: Step, value: Value) -> Occurrence:
        """The unit at which something got the place of the gradient of ``value``.

        It is the first that names it so. What is right by its own name, or is the right result for another Value, was
        right until it got its place among the results.
        """
        units = self.recorder.script.units
        for where in step.places:
            name = units[where[0]].name
            if name is not None and value in {self.known.called(name), self.known.named(name)}:
                return where
        exact = {m.quantity.value for m in self.reading.matches(step) if m.exact and not m.quantity.form}
        named = {v for name in step.names for v in (self.known.called(name), self.known.named(name))}
        for other in exact & self.results.keys() - {value}:
            if self.results[other] is step or other in self.wrong:
                named.add(other)
        return step.places[-1] if exact & named and step.places else self.reading.left_at(step)

    def _dropped(self, result: Step, value: Value, part: Match) -> Finding | None:
        """The unit that gives a name to one part of a gradient while another part has it, which is lost."""
        behind, missing = self.reading.behind(result), self._missing(part)
        named = [s for s in self.recorder.steps if set(s.names) & set(result.names)]
        for lost, kept in itertools.pairwise(named):
            mine = (m.quantity for m in self.reading.matches(lost) if m.exact and m.flows)
            left_out = set(missing).difference(part.quantity.readers)
            flows = any(q.value is value and q.readers and left_out.issuperset(q.readers) for q in mine)
            if flows and kept in behind and lost.value.shape == kept.value.shape:
                where = next(where for name, where in kept.names.items() if name in result.names)
                rights = (lost.value + kept.value,)
                return Finding("term", where, kept, value, rights, self.reading.right_inputs_of(where), missing=missing)
        return None

    def _left_out(self, result: Step, value: Value, part: Match) -> Finding | None:
        """The unit that began a sum with the part of a reader, and left out a part that comes from the same reader.

        In x - x.mean() the mean is read by the difference alone: who gives the part of the difference gives both.
        """
        missing = self._missing(part)
        behind = {node for reader in missing for node, _ in self.known.contributions[reader]}
        for step in self.recorder.steps[: result.number]:
            mine = (m.quantity for m in self.reading.matches(step) if m.exact and m.flows and not m.quantity.form)
            begun = any(q.value is value and len(q.readers) == 1 and behind.issuperset(q.readers) for q in mine)
            shared = [where for name, where in step.names.items() if name in result.names]
            if begun and shared and step.value.shape == result.value.shape:
                terms = [p for node, p in self.known.contributions[value] if node in set(missing)]
                rights = (step.value + sum(terms),)
                read = self.reading.right_inputs_of(shared[0])
                return Finding("term", shared[0], step, value, rights, read, missing=missing)
        return None
