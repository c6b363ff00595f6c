"""The change of a line that makes it right: in every turn of a loop in which it is wrong, and at other numbers too."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np

from .finding import Finding
from .known import same_numbers
from .loops import changed_loops
from .recorder import Occurrence
from .repairs import Repair, changed_lines, lines_to_insert, lines_with_a_term, value_left
from .running import Program
from .scripts import Unit
from .second_point import SecondPoint
from .trials import Trials

__all__ = ["Mended", "Mender"]

_MOST_PROGRAMS = 150
"""The changed lines for each of which the whole program runs."""
_MOST_RIGHT = 20
"""The changed lines whose values are right."""
_AT_ONCE = 6
_WIDER = 1
"""How much larger a change may be than the smallest one that is tried beside it."""
_MOST_LOOPS = 150


@dataclass(frozen=True)
class Mended:
    """A changed line, and the names of the gradients that are wrong with it.

    It is ``proved`` if gradients are right with it that were wrong, and not yet where other mistakes hide that.
    """

    repair: Repair
    wrong: frozenset[str]
    proved: bool


@dataclass
class Mender:
    """Looks for the changes of a program's lines. ``second`` is the program at other numbers, if there is that."""

    trials: Trials
    second: SecondPoint | None

    def mend(
        self, unit: Unit, findings: Sequence[Finding], before: set[str], once: bool, refuted: Iterable[str] = ()
    ) -> Mended | None:
        """The smallest change of a unit's line that is right wherever it was found wrong; ``None`` if none is found.

        Nothing of the unit is put right yet; ``before`` are the gradients that are wrong so. ``once`` says whether the
        line runs a single time; changes that are ``refuted`` left it wrong in some turn.
        """
        first, aim = findings[0], self._aim(findings, before)
        by_value = not first.alternative
        found = self._by_its_value(unit, findings, before, aim, refuted) if by_value else None
        if found is None and by_value and once and len(first.rights) == 1:
            found = self._by_a_term(unit, first, before, aim)
        if found is None and (not by_value or not first.rights or first.kind == "value" or not once):
            return self._by_the_results(unit, first, before, aim, refuted)
        return found

    def _aim(self, findings: Sequence[Finding], before: set[str]) -> set[str]:
        """The names of the gradients that are wrong if the line leaves the right value wherever it was found wrong."""
        if not all(finding.rights for finding in findings):
            return before
        first, *rest = findings
        others = {finding.where: finding.rights[0] for finding in rest}
        aims = []
        for right in first.rights:
            try:
                aims.append(self.trials.wrong(self.trials.run(overrides={first.where: right, **others})[0]))
            except Exception:  # the program has no use for it
                continue
        return min(aims, key=len, default=before)

    # ---- by what the line should leave

    def _by_its_value(
        self, unit: Unit, findings: Sequence[Finding], before: set[str], aim: set[str], refuted: Iterable[str]
    ) -> Mended | None:
        seen = set(refuted)
        while len(seen) < _MOST_RIGHT:
            found = self._right(unit, findings, seen)
            if not found:
                return None
            seen.update(repair.key for repair in found)
            mended = [m for repair in found if (m := self._tried(repair, before, aim, False)) is not None]
            for one in sorted(mended, key=lambda m: (not m.proved, len(m.wrong))):
                if self._confirmed(one):
                    return one
        return None

    def _right(self, unit: Unit, findings: Sequence[Finding], seen: set[str]) -> list[Repair]:
        """Some of the changed lines whose values are right wherever the line was found wrong, but those ``seen``."""
        found: list[Repair] = []

        def first(frame: FrameType) -> None:
            is_right = self._is_right(findings[0])
            for repair in changed_lines(unit, frame, self._factors):
                if found and (len(found) >= _AT_ONCE or repair.size > found[0].size + _WIDER):
                    break
                if is_right(repair.value) and repair.key not in seen:
                    found.append(repair)

        def later(finding: Finding) -> Callable[[FrameType], None]:
            is_right = self._is_right(finding)

            def keep(frame: FrameType) -> None:
                found[:] = [r for r in found if (n := value_left(r.changed, unit, frame)) is not None and is_right(n)]

            return keep

        overrides = {finding.where: finding.rights[0] for finding in findings if finding.rights}
        visits = {finding.where: later(finding) for finding in findings[1:]}
        self.trials.look({findings[0].where: first, **visits}, overrides)
        return found

    # ---- by what a sum lacks

    def _by_a_term(self, unit: Unit, finding: Finding, before: set[str], aim: set[str]) -> Mended | None:
        """The line with one more term; else a new line that adds it, in front of the first one that reads the sum."""
        (right,) = finding.rights
        missing, tolerance = np.subtract(right, finding.step.value), self.trials.known.tolerance
        found: list[Repair] = []

        def look(frame: FrameType) -> None:
            found.extend(itertools.islice(lines_with_a_term(unit, frame, missing, tolerance), _AT_ONCE))

        self.trials.look({finding.where: look}, {})
        reader = None if found or unit.target is None else self._reader(finding)
        if reader is not None:
            before_it = self.trials.program.script.units[reader[0]]

            def look_there(frame: FrameType) -> None:
                lines = lines_to_insert(unit, before_it, frame, missing, tolerance)
                found.extend(itertools.islice(lines, _AT_ONCE))

            self.trials.look({reader: look_there}, {})
        tried = (self._tried(repair, before, aim, False) for repair in found)
        return next((m for m in tried if m is not None and m.proved and self._confirmed(m)), None)

    def _reader(self, finding: Finding) -> Occurrence | None:
        """The first unit that reads what a unit left, or returns it, if that is in the same function."""
        _, recorder = self.trials.run()
        units, left = recorder.script.units, recorder.left.get(finding.where)
        if left is None:
            return None
        later = (s for s in recorder.steps[left.number + 1 :] if left in s.inputs and s.unit != finding.where[0])
        readers = [s.where for s in later]
        readers += [where for where, s in recorder.left.items() if s is left and where[0] != finding.where[0]]
        same = units[readers[0][0]].function == units[finding.where[0]].function if readers else False
        return readers[0] if same else None

    def _is_right(self, finding: Finding) -> Callable[[Any], bool]:
        """Whether a value is right where the line was found wrong: one of the right ones, or a gradient not read."""
        known, factors = self.trials.known, self._carried(finding)
        read = {m.quantity.value for step in finding.read for m in known.matches(step.value) if m.flows}

        def is_right(value: Any) -> bool:
            self.trials.check_time()
            if finding.rights:
                return any(_equal(value, right, known.tolerance) for right in finding.rights)
            return np.shape(value) == finding.step.value.shape and any(
                m.factor in factors
                and m.quantity.role == "cotangent"
                and not m.transposed
                and m.quantity.value not in read
                for m in known.matches(value)
            )

        return is_right

    def _carried(self, finding: Finding) -> set[float]:
        """The factors by which what a line reads is wrong already, which it may hand on; and 1."""
        found, stack = {1.0}, [finding.step]
        while stack:
            for step in stack.pop().inputs:
                if step.where == finding.where:
                    stack.append(step)
                else:
                    found.update(m.factor for m in self.trials.known.matches(step.value)[:1] if m.flows)
        return found

    # ---- by the gradients that the program returns

    def _by_the_results(
        self, unit: Unit, finding: Finding, before: set[str], aim: set[str], refuted: Iterable[str]
    ) -> Mended | None:
        """The first changed line with which gradients come right: the whole program runs with each."""
        found: list[Repair] = []

        def collect(frame: FrameType) -> None:
            values = set()
            for repair in changed_lines(unit, frame, self._factors):
                self.trials.check_time()
                key = (repair.value.shape, np.round(repair.value, 12).tobytes())
                if key not in values and repair.statement is not None and repair.key not in refuted:
                    values.add(key)
                    found.append(repair)
                if len(found) >= _MOST_PROGRAMS:
                    break

        self.trials.look({finding.where: collect}, {})
        return self._first(found, before, before - aim)

    def _first(self, repairs: Iterable[Repair], before: set[str], least: set[str]) -> Mended | None:
        """The first changed line with which gradients come right, as many as in ``least`` and none wrong."""
        for repair in repairs:
            mended = self._tried(repair, before, before, True)
            if mended is not None and len(before - mended.wrong) >= len(least) and self._confirmed(mended):
                return mended
        return None

    def _tried(self, repair: Repair, before: set[str], aim: set[str], strictly: bool) -> Mended | None:
        """A changed line with which no gradient but those of ``aim`` is wrong; fewer than before if ``strictly``."""
        program = self._changed(repair)
        if program is None:
            return None if strictly else Mended(repair, frozenset(before), False)
        try:
            wrong = self.trials.wrong(self.trials.run(program=program)[0])
        except Exception:  # a changed line may do anything
            return None
        if not wrong <= aim or (strictly and not wrong < before):
            return None
        return Mended(repair, frozenset(wrong), wrong < before)

    def _confirmed(self, mended: Mended) -> bool:
        program = None if self.second is None else self._changed(mended.repair)
        return self.second is None or program is None or self.second.confirms(program, set(mended.wrong))

    def _changed(self, repair: Repair) -> Program | None:
        """The program with a changed line; ``None`` where the line is not found in its statement."""
        if repair.before is not None:
            assert isinstance(repair.changed, ast.stmt)
            return self.trials.with_line(repair.before, repair.changed)
        return None if repair.statement is None else self.trials.with_statement(repair.unit, repair.statement)

    # ---- the first line of a loop

    def mend_loops(self, before: set[str], missing: set[str], least: int) -> Mended | None:
        """The changed first line of a loop with which the most gradients come right, more than ``least``."""
        best: Mended | None = None
        best_bad = len(before | missing) - least
        for repair in self._loops():
            program = self.trials.with_statement(repair.unit, repair.changed)  # type: ignore[arg-type]
            try:
                returned, _ = self.trials.run(program=program)
                wrong, lost = self.trials.wrong(returned), self.trials.missing(returned)
            except Exception:  # an index out of range, shapes that do not fit
                continue
            if wrong | lost < before | missing and len(wrong | lost) < best_bad:
                best, best_bad = Mended(repair, frozenset(wrong), True), len(wrong | lost)
        return best

    def _loops(self) -> Iterator[Repair]:
        units = self.trials.program.script.units
        tried = 0
        for unit in units:
            for changed in changed_loops(unit):
                self.trials.check_time()
                tried += 1
                if tried > _MOST_LOOPS:
                    return
                yield Repair(unit, changed, None, 1)

    @property
    def _factors(self) -> list[float]:
        return [factor for factor in self.trials.known.factors if factor > 1]


def _equal(value: Any, right: Any, tolerance: float) -> bool:
    return np.shape(value) == np.shape(right) and np.isfinite(value).all() and same_numbers(right, value, tolerance)
