"""The mistakes of a hand-written backpropagation, one after another.

When a wrong line is found, the right value is put in its place and the program is run again, so that the next mistake
shows and no line is blamed for what came before it.
"""

from __future__ import annotations

import ast
import contextlib
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any

import numpy as np

from ..core.graph import ancestors
from ..core.value import Value
from .finding import Finder, Finding
from .known import Known, same_numbers
from .mistakes import Mistake, mistake_of
from .reading import Reading
from .recorder import Occurrence, Recorder, Step, TooLongError, Visits, numbers_of
from .repairs import Repair, changed_lines, repaired
from .running import NotWatchedError, Program
from .scripts import Change, Unit

__all__ = ["NotWatchedError", "find_mistakes"]

MOST_MISTAKES = 20
MOST_RUNS = 100
MOST_ELEMENTS = 5_000_000
MOST_OF_ONE_LINE = 4
MOST_SECONDS = 10.0
"""Of the time of the thread that a search takes."""
MOST_PROGRAMS = 150
"""The changed lines tried in a loop."""
MOST_VERIFIED = 20
"""The changed lines tried where it is not known what a line should leave."""

Results = Callable[[Any], Mapping[str, Any]]
"""The gradients by name in what the program returns."""


class _Enough(BaseException):  # a program may catch any Exception
    """A repair was looked for: the rest of the run is of no interest."""


def find_mistakes(
    loss: Value,
    function: Callable[..., Any],
    call: Callable[[Callable[..., Any]], Any],
    wanted: Mapping[str, Value],
    results: Results,
    tolerance: float = 1e-7,
    note: Callable[[str], object] = lambda text: None,
    seconds: float = MOST_SECONDS,
) -> tuple[Mistake, ...]:
    """The wrong lines of ``function``, in the order in which they ran.

    ``call(f)`` calls the function, or a rewritten form of it, with its arguments, and ``results`` takes the gradients
    out of what that returns. ``wanted`` are the Values that they belong to. ``note`` is told what was left out.
    The search ends after so many seconds, with what was found until then.

    Raises ``NotWatchedError`` where the function's source is not at hand, or it does too much; and what it raises.
    """
    return _Search(loss, function, call, wanted, results, tolerance, seconds).mistakes(note)


@dataclass(frozen=True)
class _Outcome:
    """What a run left: the names of the wrong results, and the units that left a right value."""

    wrong: frozenset[str]
    right: frozenset[Occurrence]

    @classmethod
    def of(cls, wrong: Iterable[str], reading: Reading) -> _Outcome:
        left = reading.recorder.left.items()
        return cls(frozenset(wrong), frozenset(where for where, step in left if reading.proved(step)))


class _Search:
    def __init__(
        self,
        loss: Value,
        function: Callable[..., Any],
        call: Callable[[Callable[..., Any]], Any],
        wanted: Mapping[str, Value],
        results: Results,
        tolerance: float,
        seconds: float,
    ) -> None:
        self.deadline = time.thread_time() + seconds
        if sum(value.size for value in ancestors(loss)) > MOST_ELEMENTS:
            raise NotWatchedError("the graph has too many elements")
        self.known = Known(loss, tolerance)
        self.program = Program(function)
        self.call, self.wanted, self.results = call, wanted, results
        self.wrong: list[str] = []
        """The names of the results that are wrong with what was found until now put right."""
        self.times: Counter[int] = Counter()
        """How often each unit left something then."""
        self.overrides: dict[Occurrence, Any] = {}
        self.changes: list[Change] = []
        self.excused: set[Occurrence] = set()
        self.names: Mapping[Value, str] = {}
        """The names that the program has for Values without one."""
        self.found: dict[int, tuple[Finding, Mistake]] = {}

    def mistakes(self, note: Callable[[str], object]) -> tuple[Mistake, ...]:
        try:
            for _ in range(MOST_RUNS):
                finding = self._next()
                if finding is None or len(self.found) > MOST_MISTAKES:
                    break
                self._take(finding)
        except TooLongError:
            if not self.found:
                raise NotWatchedError("it does too much to be watched") from None
            note("The search for wrong lines stopped early; there may be more of them.")
        found = sorted(self.found.values(), key=lambda pair: pair[0].step.number)
        return tuple(mistake for _, mistake in found)

    def _run(
        self,
        visits: Visits | None = None,
        overrides: Mapping[Occurrence, Any] | None = None,
        program: Program | None = None,
    ) -> tuple[Any, Recorder]:
        program = program or self.program
        with np.errstate(all="ignore"):
            return program.run(self.call, {**self.overrides, **(overrides or {})}, visits, self.deadline)

    def _next(self) -> Finding | None:
        """The next wrong line, with right values in the place of those that were found."""
        returned, recorder = self._run()
        given, self.wrong = self.results(returned), self._wrong(returned)
        self.times = Counter(unit for unit, _ in recorder.left)
        excused = {step for step in recorder.steps if (step.unit, step.occurrence) in self.excused}
        reading = Reading(self.known, recorder, excused)
        self.names = reading.names() or self.names
        found = []
        for name in self.wrong:
            findings = Finder(reading, (recorder.step_of(given[name]), self.wanted[name])).find()
            if findings:
                found.append(findings)
        first = min(found, key=lambda findings: findings[-1].step.number, default=[])
        best = self._best(first, _Outcome.of(self.wrong, reading)) if any(f.guess for f in first) else None
        return best or next((one for one in first if not one.guess and self._holds(one)), None)

    def _holds(self, finding: Finding) -> bool:
        if not finding.alternative:
            return True
        repair = self._repair_of(finding)
        return repair is not None and finding.calls in repair.text

    def _best(self, findings: Sequence[Finding], before: _Outcome) -> Finding | None:
        """The finding that makes the most results right: some line comes right with it, and none becomes wrong."""
        *guesses, sure = findings
        guesses = [one for one in guesses if one.guess]
        per_unit = Counter[int]()
        best, most = None, -1
        for finding in sorted([*guesses, sure], key=lambda one: (one.strict, one.step.number, one.kind != "early")):
            unit = finding.where[0]
            per_unit[unit] += 1
            if per_unit[unit] > MOST_OF_ONE_LINE:
                continue
            mended = max((self._mended({finding.where: right}, before) for right in finding.rights), default=-1)
            if finding.strict and mended <= most:
                continue
            if mended > most:
                best, most = finding, mended
        return best

    def _mended(self, overrides: Mapping[Occurrence, Any], before: _Outcome) -> int:
        """How many results come right with a value; -1 if no line does, or one becomes wrong."""
        try:
            after = self._outcome(overrides)
        except Exception:  # the program has no use for it
            return -1
        if not after.right - before.right - overrides.keys() or before.right - after.right - overrides.keys():
            return -1
        return len(before.wrong - after.wrong)

    def _outcome(self, overrides: Mapping[Occurrence, Any]) -> _Outcome:
        returned, recorder = self._run(overrides=overrides)
        return _Outcome.of(self._wrong(returned), Reading(self.known, recorder))

    def _take(self, finding: Finding) -> None:
        unit = self.program.script.units[finding.where[0]]
        known = self.found.get(unit.number)
        repair = self._repair_in_time(finding)
        right = finding.rights[0] if len(finding.rights) == 1 else None
        if repair is not None and repair.value is not None:
            right = repair.value
        if known is None:
            self.found[unit.number] = finding, mistake_of(unit, finding, repair, right, self.known, self.names)
        elif finding.where not in self.overrides:  # another turn of a loop, not the same one found again
            self.found[unit.number] = known[0], replace(known[1], times=known[1].times + 1)
        if repair is not None and repair.statement is not None:
            self.changes.append(Change(unit, repair.statement))
            self.program = self.program.changed(self.changes)
        elif right is None or finding.where in self.overrides:
            self.excused.add(finding.where)
        else:
            self.overrides[finding.where] = right

    # ---- the repair

    def _repair_in_time(self, finding: Finding) -> Repair | None:
        """A repair, unless the time is up."""
        try:
            return None if finding.kind == "early" else self._repair_of(finding)
        except TooLongError:
            return None

    def _repair_of(self, finding: Finding) -> Repair | None:
        unit = self.program.script.units[finding.where[0]]
        if self.times[unit.number] > 1 or finding.alternative or not finding.rights:
            return self._repair_of_all(unit, finding) or self._repair(unit, finding)
        found = self._repair(unit, finding)
        return self._repair_of_all(unit, finding) if found is None and finding.kind == "value" else found

    def _repair(self, unit: Unit, finding: Finding) -> Repair | None:
        found: list[Repair] = []
        seen = self._seen_before(finding)

        def right(value: Any) -> bool:
            self._check_time()
            if finding.rights:
                return any(_equal(value, right, self.known.tolerance) for right in finding.rights)
            return (
                any(
                    m.exact and m.quantity.role == "cotangent" and not m.transposed and m.quantity.value not in seen
                    for m in self.known.matches(value)
                )
                and np.shape(value) == finding.step.value.shape
            )

        def look(frame: FrameType) -> None:
            repairs = repaired(unit, frame, right, self._factors)
            found.extend(itertools.islice(repairs, 1 if finding.rights else MOST_VERIFIED))

        self._run_until(finding.where, look)
        if finding.rights:
            return found[0] if found else None
        overrides = ({finding.where: repair.value} for repair in found)
        pairs = zip(found, overrides, strict=True)
        return next(
            (repair for repair, o in pairs if set(self._wrong(self._run(overrides=o)[0])) < set(self.wrong)), None
        )

    def _repair_of_all(self, unit: Unit, finding: Finding) -> Repair | None:
        """A changed line that is right in every turn of a loop: the whole program is run with each."""
        lines: list[tuple[ast.stmt | ast.expr, ast.stmt]] = []

        def look(frame: FrameType) -> None:
            found = changed_lines(unit, frame, self._factors)
            whole = ((changed, s) for changed in found if (s := unit.whole(changed)) is not None)
            lines.extend(itertools.islice(whole, MOST_PROGRAMS))

        self._run_until(finding.where, look)
        before = set(self.wrong)
        with_rights = (
            before.difference(self._wrong(self._run(overrides={finding.where: r})[0])) for r in finding.rights
        )
        wanted = max(map(len, with_rights), default=1) or 1
        for changed_line, statement in lines:
            try:
                changed = self.program.changed([*self.changes, Change(unit, statement)])
                returned, _ = self._run(program=changed)
            except Exception:  # a changed line may do anything
                continue
            wrong = set(self._wrong(returned))
            if wrong < before and len(before - wrong) >= wanted:
                return Repair(unit.written(changed_line), None, statement)
        return None

    @property
    def _factors(self) -> list[float]:
        return [factor for factor in self.known.factors if factor > 1]

    def _run_until(self, where: Occurrence, look: Callable[[FrameType], None]) -> None:
        """Run the program to where a unit is about to run, and look at its frame there."""

        def visit(frame: FrameType) -> None:
            look(frame)
            raise _Enough

        with contextlib.suppress(_Enough):
            self._run({where: visit})

    def _check_time(self) -> None:
        if time.thread_time() > self.deadline:
            raise TooLongError

    def _wrong(self, returned: Any) -> list[str]:
        """The names of the wrong gradients."""
        given = self.results(returned)
        return [
            name
            for name, value in self.wanted.items()
            if name in given and (n := numbers_of(given[name])) is not None and not self.known.near(n, value)
        ]

    def _seen_before(self, finding: Finding) -> set[Value]:
        steps: Sequence[Step] = finding.read
        return {m.quantity.value for step in steps for m in self.known.matches(step.value) if m.flows}


def _equal(value: Any, right: Any, tolerance: float) -> bool:
    return np.shape(value) == np.shape(right) and np.isfinite(value).all() and same_numbers(right, value, tolerance)
