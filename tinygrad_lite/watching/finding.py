"""The wrong line: where a program goes from right values to a wrong one.

Each step of the program is *right* (the graph knows its value), *scaled* (a multiple of a gradient), *constant*, or
unknown. Unknown steps that a right value was made from are right too: ½d is no quantity of the graph, but the gradient
made from it is. The first unknown step that was made from right ones is the wrong one.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..core.value import Value
from .known import Match, same_numbers
from .places import Finding, Places
from .recorder import Occurrence, Step

__all__ = ["Finder", "Finding"]


@dataclass(frozen=True)
class Finder(Places):
    """Finds the wrong line of one run of a program."""

    # ---- a wrong result

    def find(self) -> list[Finding]:
        """The wrong line behind the wrong result: guesses, the last one sure."""
        step, value = self.result
        if step is None or step in self.reading.excused:
            return []
        behind = self.reading.behind(step)
        if behind & self.reading.excused:
            return []
        in_order = sorted(behind, key=_number)
        unknown = [s for s in in_order if self.reading.unknown(s)]
        if unknown:
            root = next(s for s in unknown if not any(map(self.reading.unknown, s.inputs)))
            sure = self._of_local(root, in_order) if self.reading.local(root) else [self._of_unknown(root)]
        else:
            sure = [self._of_result(step, value)]
        earlier = [one for one in in_order if one.number <= sure[-1].step.number] if unknown else in_order
        guesses = [guess for one in earlier for guess in self._guesses(one)]
        guesses += self._read_for(value, sure[-1])
        if sure[-1].kind == "factor":
            guesses += self._of_factor(in_order, sure[-1].factor)
        found = {finding.where for finding in sure}
        guesses = [g for g in guesses if g.where not in found or g.kind == "early"]
        guesses = [g for g in guesses if self._fits(g)]
        return [*(replace(guess, guess=True) for guess in sorted(guesses, key=lambda one: one.step.number)), *sure]

    def _of_factor(self, in_order: Sequence[Step], factor: float) -> Iterator[Finding]:
        """The lines at which a factor, which is wrong in the end, may have come in."""
        for step in in_order:
            alike = (m for m in self.reading.matches(step) if m.flows and math.isclose(m.factor, factor))
            if self.recorder.left.get(step.where) is step and (match := next(alike, None)) is not None:
                rights, read = (step.value / match.factor,), self.reading.right_inputs_of(step.where)
                yield Finding("factor", step.where, step, match.quantity.value, rights, read, match.factor)

    def _fits(self, finding: Finding) -> bool:
        """Whether what a unit should have left can stand in the place of what it left.

        A variable may hold any number of elements, an array that is changed in place those that it has.
        """
        left = self.recorder.left.get(finding.where, finding.step)
        if finding.step.value.size != np.size(finding.rights[0] if finding.rights else finding.step.value):
            return left is finding.step and not left.in_place
        return all(np.shape(right) == np.shape(left.value) for right in finding.rights)

    def _read_for(self, value: Value, finding: Finding) -> Iterator[Finding]:
        """Gradients that a line read to make that of ``value`` instead of that of what reads ``value``."""
        wanted = [self.known.cotangents[node] for node, _ in self.known.contributions[value]]
        for read in self.reading.inputs_of(finding.where):
            matches = self.reading.matches(read)
            flows = any(m.exact and m.flows and not m.quantity.form for m in matches)
            named = (self.known.called(name) for name in read.names)
            if any(
                v is not None and same_numbers(self.known.cotangents[v], read.value, self.known.tolerance)
                for v in named
            ):
                continue  # it is what its name says
            if not flows or any(np.shape(g) == read.value.shape and np.allclose(g, read.value) for g in wanted):
                continue
            for (node, _), g in zip(self.known.contributions[value], wanted, strict=True):
                if np.shape(g) == read.value.shape:
                    yield Finding("other", self.reading.left_at(read), read, node, (g,), (read,), strict=True)

    def _of_local(self, root: Step, in_order: Sequence[Step]) -> list[Finding]:
        """The lines that may be behind a wrong local derivative: that of it, and the one that uses it.

        A function that was right at other times is not wrong, but what it was called with.
        """
        after = {root}
        mixing = root
        for step in in_order[in_order.index(root) + 1 :]:
            if after & set(step.inputs):
                after.add(step)
                if not self.reading.local(step):
                    mixing = step
                    break
        own, user = self._of_unknown(root), self._of_unknown(mixing)
        units = self.recorder.script.units
        if own.where == user.where or self.reading.right_elsewhere(root.where):
            return [user]
        called = "" if units[root.unit].function == units[mixing.unit].function else units[root.unit].function
        return [replace(own, alternative=True), replace(user, alternative=True, calls=called), own]

    def _guesses(self, step: Step) -> Iterator[Finding]:
        """Lines that may be wrong, by the names that they give, and by what reads a part of a gradient.

        A right sum does not prove its terms: what is wrong in them may add up to 0, as in a batch norm or a softmax.
        """
        unsaid = self.reading.constant(step) and any(s.in_place and step in s.inputs for s in self.recorder.steps)
        if not (unsaid or self.reading.on_the_way(step) or step in self.reading.excused):
            for name, where in step.names.items():
                value = self.known.called(name)
                if value is not None:
                    yield from self._other_than_named(step, where, value)
                elif (data := self._meant_data(step)) is not None and not same_numbers(
                    data.data, step.value, self.known.tolerance
                ):
                    yield Finding(
                        "data", where, step, data, (np.asarray(data.data, float),), self.reading.right_inputs_of(where)
                    )
        scaled = self.reading.scaled(step)
        where = step.where
        if scaled is not None:
            left = self.recorder.left.get(where, step)
            right = step.value / scaled.factor
            if left is not step and left.in_place and left.value.shape == step.value.shape:  # dx += …
                right = left.value + (right - step.value)
            elif left is not step:
                right = None
            if right is not None:
                read = self.reading.right_inputs_of(where)
                yield Finding("factor", where, step, scaled.quantity.value, (right,), read, scaled.factor)
        loaded = self.recorder.script.units[step.unit].loaded
        for operand in step.inputs if not self.reading.adds_up(step) else ():
            if not self.reading.unfinished(operand):
                yield from self._misread(operand, where, loaded)

    def _other_than_named(self, step: Step, where: Occurrence, value: Value) -> Iterator[Finding]:
        """A step that has the name of a gradient and is no part of it."""
        right = self.known.cotangents[value]
        if same_numbers(right, step.value, self.known.tolerance):
            return
        if np.size(right) != step.value.size:
            yield Finding("value", where, step, value, (right,), self.reading.right_inputs_of(where))
            return
        matches = [m for m in self.reading.matches(step) if m.flows]
        mine = next((m for m in matches if m.quantity.value is value and not m.quantity.form), None)
        read = self.reading.right_inputs_of(where)
        if mine is None:
            kind = "other" if any(m.exact for m in matches) else "value"
            yield Finding(kind, where, step, value, self._rights(value, step), read)
        elif not mine.exact:
            rights = (step.value / mine.factor,)
            yield Finding("factor", where, step, value, rights, read, mine.factor)
        elif mine.transposed:
            yield Finding("transposed", where, step, value, self._rights(value, step), read)

    def _of_unknown(self, step: Step) -> Finding:
        """The line of an unknown step."""
        where = step.where
        left = self.recorder.left.get(where, step)
        if left.number < step.number:
            left = step
        value = self.result[1] if left is self.result[0] else self._meant(left, where)
        if value is not None:
            return Finding("value", where, left, value, self._rights(value, left), self.reading.right_inputs_of(where))
        data = self._meant_data(left)
        rights = () if data is None else (np.asarray(data.data, float),)
        return Finding("data", where, left, data, rights, self.reading.right_inputs_of(where))

    def _meant_data(self, left: Step) -> Value | None:
        """The Value whose data a unit should have left, by the name that it gives."""
        values = (self.known.named(name) for name in left.names)
        return next((v for v in values if v is not None and np.shape(v.data) == left.value.shape), None)

    def _rights(self, value: Value, left: Step) -> tuple[Any, ...]:
        """What a step of the gradient of ``value`` may be: a part of it, if more is added to it in place."""
        whole = self.known.cotangents[value]
        parts = []
        if any(s.in_place and left in s.inputs for s in self.recorder.steps[left.number :]):
            parts = [part for _, part in self.known.contributions[value]]
        fitting = (_fitting(right, left.value.shape) for right in parts or [whole])
        return tuple(right for right in fitting if right is not None)

    def _misread(self, read: Step, reader: Occurrence, loaded: Container[str]) -> Iterator[Finding]:
        """Something that is right as another thing than its name says, or only a part."""
        matches = [m for m in self.reading.matches(read) if m.exact and m.flows and not m.noise]
        if not matches:
            return
        for name, where in read.names.items():
            value = self.known.called(name) if name in loaded else None
            if value is None or any(m.quantity.value is value and m.quantity.role == "cotangent" for m in matches):
                continue
            part = next((m for m in matches if m.quantity.value is value and not m.quantity.form), None)
            if part is not None:
                yield self._part(part, read, name, where, reader)
            elif self.known.cotangents[value].shape == read.value.shape:
                yield Finding("other", where, read, value, (self.known.cotangents[value],), (read,))
        if all(m.quantity.role in ("contribution", "partial") and not m.quantity.form for m in matches):
            name, where = next(iter(read.names.items()), ("", read.where))
            yield self._part(matches[0], read, name, where, reader)

    def _part(self, part: Match, read: Step, name: str, where: Occurrence, reader: Occurrence) -> Finding:
        value = part.quantity.value
        missing = self._missing(part)
        rights: tuple[Any, ...] = (self.known.cotangents[value],)
        later = (s for s in self.recorder.steps[read.number + 1 :] if name and name in s.names)
        if any(self.known.near(s.value, value) for s in later):
            left = self.recorder.left.get(reader, read)
            meant = self._meant(left, reader)
            rights = () if meant is None else self._rights(meant, left)
            return Finding("early", reader, left, value, rights, (read,), missing=missing)
        lost = self._dropped(read, value, part) or self._left_out(read, value, part)
        return lost or Finding("term", where, read, value, rights, self.reading.right_inputs_of(where), missing=missing)

    def _of_result(self, step: Step, value: Value) -> Finding:
        """The wrong line of a result without unknown steps: a factor, a transposition, a term, or another gradient."""
        right = self.known.cotangents.get(value, np.zeros(value.shape))
        where = self.reading.left_at(step)
        mine = [m for m in self.reading.matches(step) if m.quantity.value is value and m.flows]
        exact = [m for m in mine if m.exact]
        if mine and not exact:
            rights = (step.value / mine[0].factor,)
            return Finding("factor", where, step, value, rights, self.reading.right_inputs_of(where), mine[0].factor)
        read = self.reading.right_inputs_of(where)
        if any(m.quantity.role == "cotangent" and m.transposed and not m.quantity.form for m in exact):
            made = step.where
            if self._always_transposed(step.unit):
                return Finding("transposed", made, step, value, (right,), self.reading.right_inputs_of(made))
            return Finding("transposed", where, step, value, (right,), read)
        part = next((m for m in exact if m.quantity.role != "cotangent" and not m.quantity.form), None)
        if part is not None and step.value.shape == right.shape:
            return (
                self._dropped(step, value, part)
                or self._left_out(step, value, part)
                or Finding("term", where, step, value, (right,), read, missing=self._missing(part))
            )
        where = self._misplaced(step, value)
        read = self.reading.right_inputs_of(where)
        return Finding("other" if self.reading.flows(step) else "value", where, step, value, (right,), read)

    # ---- units

    def _meant(self, left: Step, where: Occurrence) -> Value | None:
        """The Value whose gradient a unit should have left, by the name that it gives."""
        name = self.recorder.script.units[where[0]].name
        names = [*left.names, *([] if name is None else [name])]
        for name in names:
            value = self.known.called(name)
            if value is not None:
                return value
        return None


def _fitting(right: Any, shape: tuple[int, ...]) -> Any:
    """A gradient in the shape that the program holds it in; ``None`` where it has another."""
    if np.size(right) == np.prod(shape, dtype=int):
        return np.reshape(right, shape)
    return None


def _number(step: Step) -> int:
    return step.number
