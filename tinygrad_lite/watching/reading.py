"""What each step of one run of a program is: *right* (the graph knows its value), *scaled*, *constant*, or unknown.

Unknown steps that a right value was made from are right too: ½d is no quantity of the graph, but the gradient made from
it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from ..core.value import Value
from .known import Known, Match, trivial
from .recorder import Occurrence, Recorder, Step

__all__ = ["Reading"]


@dataclass
class Reading:
    """What each step of one run of a program is."""

    known: Known
    recorder: Recorder
    excused: set[Step] = field(default_factory=set)
    """Steps that are wrong for a reason that was found already."""

    def __post_init__(self) -> None:
        self._matches: dict[Step, list[Match]] = {}
        self._tainted: dict[Step, bool] = {}
        self._cleared: set[Step] = set()
        for step in self.recorder.steps:
            self.recorder.check_time()
            matches = self.matches(step)
            self._tainted[step] = bool(matches) or any(self._tainted[i] for i in step.inputs)
        self._inside: dict[Occurrence, list[Step]] = defaultdict(list)
        for step in self.recorder.steps:
            self._inside[step.where].append(step)
        in_place = (step for step in self.recorder.steps if step.in_place)
        self._unfinished = {old for s in in_place for old in s.inputs if old.in_place and old.unit == s.unit}
        self._sums: dict[Step, Value] = {}
        for step in self.recorder.steps:
            self._note_sum(step)
        for step in reversed(self.recorder.steps):
            if step in self._cleared or any(not m.noise for m in self.matches(step)):
                self._cleared.update(step.inputs)

    def _note_sum(self, step: Step) -> None:
        """A sum of some of the terms of a gradient is on the way to it: ``dW += …`` in a loop."""
        if len(step.inputs) != 2 or any(np.shape(s.value) != np.shape(step.value) for s in step.inputs):
            return
        a, b = step.inputs
        with np.errstate(all="ignore"):
            if not np.all(np.abs(a.value + b.value - step.value) <= 1e-12 * np.abs(step.value)):
                return
        terms = self._terms_of(a) & self._terms_of(b) if not trivial(a.value) else self._terms_of(b)
        for value in terms:
            self._sums[step] = value

    def _terms_of(self, step: Step) -> set[Value]:
        """The Values whose gradient a step may be a term of, or a sum of terms."""
        found = {m.quantity.value for m in self.matches(step) if m.exact and m.flows}
        return found | ({self._sums[step]} if step in self._sums else set())

    # ---- one step

    def matches(self, step: Step) -> list[Match]:
        if step not in self._matches:
            self._matches[step] = self.known.matches(step.value)
        return self._matches[step]

    def right(self, step: Step) -> bool:
        return self.scaled(step) is None and bool(self.matches(step))

    def proved(self, step: Step) -> bool:
        """Whether a step is right, and not by being zero but for rounding."""
        return self.right(step) and any(not m.noise for m in self.matches(step))

    def names(self) -> dict[Value, str]:
        """The names of the variables that hold the data of Values."""
        found: dict[Value, str] = {}
        for step in self.recorder.steps:
            if step.names and not trivial(step.value):
                name = next(iter(step.names))
                for match in self.matches(step) if self.known.called(name) is None else ():
                    if match.quantity.role == "data" and match.exact and not match.transposed:
                        found.setdefault(match.quantity.value, name)
        return found

    def constant(self, step: Step) -> bool:
        """Whether a step says nothing: made of no quantity, or all 0 and 1."""
        return not self._tainted[step] or trivial(step.value)

    def scaled(self, step: Step) -> Match | None:
        """The gradient that a step is a multiple of, where it is no quantity itself.

        Its name tells apart the gradients of two Values that are equal but for their sign.
        """
        matches = self.matches(step)
        for name in step.names:
            value = self.known.called(name)
            mine = [m for m in matches if m.flows and m.quantity.value is value]
            if mine:
                return None if mine[0].exact else mine[0]
        if any(m.exact for m in matches):
            return None
        return next((m for m in matches if m.flows), None)

    def unknown(self, step: Step) -> bool:
        known = self.matches(step) or self.constant(step) or self.on_the_way(step)
        return not (known or step in self._cleared or step in self.excused)

    def on_the_way(self, step: Step) -> bool:
        """Whether a step is a sum of some terms of a gradient, more of which come later, or unfinished."""
        return step in self._sums or step in self._unfinished

    def unfinished(self, step: Step) -> bool:
        """Whether a step left an array that the next turn of the same line changes again, as ``dz[i] = …`` does."""
        return step in self._unfinished

    def adds_up(self, step: Step) -> bool:
        """Whether a step adds a part of a gradient to others."""
        return step.in_place or step in self._sums or any(len(m.quantity.readers) > 1 for m in self.matches(step))

    def flows(self, step: Step) -> bool:
        return any(m.flows and m.exact for m in self.matches(step))

    def local(self, step: Step) -> bool:
        """Whether no gradient is among what a step was made from, as in a local derivative."""
        return not any(self.flows(s) or self.scaled(s) is not None for s in self.behind(step))

    def behind(self, step: Step) -> set[Step]:
        found, stack = {step}, [step]
        while stack:
            for made_from in stack.pop().inputs:
                if made_from not in found:
                    found.add(made_from)
                    stack.append(made_from)
        return found

    # ---- units

    def right_elsewhere(self, where: Occurrence) -> bool:
        """Whether a unit left a right value when it ran another time."""
        others = (s for (unit, turn), s in self.recorder.left.items() if unit == where[0] and turn != where[1])
        return any(map(self.proved, others))

    def left_at(self, step: Step) -> Occurrence:
        """The unit that gave a step its last name, or that made it."""
        units = self.recorder.script.units
        stored = [where for where in step.names.values() if units[where[0]].target is not None]
        return stored[-1] if stored else step.where

    def left_right(self) -> frozenset[Occurrence]:
        """The runs of units that left a right value."""
        return frozenset(where for where, step in self.recorder.left.items() if self.proved(step))

    def right_inputs_of(self, where: Occurrence) -> tuple[Step, ...]:
        """What a unit read that was right."""
        return tuple(step for step in self.inputs_of(where) if self.right(step))

    def inputs_of(self, where: Occurrence) -> Iterable[Step]:
        """What a unit read."""
        inside = self._inside[where]
        own = set(inside)
        return list(dict.fromkeys(i for s in inside for i in s.inputs if i not in own))
