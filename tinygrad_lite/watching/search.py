"""The mistakes of a hand-written backpropagation, one after another.

When a wrong line is found, the right value is put in its place and the program is run again, so that the next mistake
shows and no line is blamed for what came before it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.graph import ancestors
from ..core.value import Value
from .finding import Finder, Finding
from .known import Known
from .mending import Mended, Mender
from .mistakes import Mistake, mistake_of
from .reading import Reading
from .recorder import Occurrence, Recorder, TooLongError
from .running import NotWatchedError
from .scripts import Unit
from .second_point import SecondPoint
from .suspects import Suspects
from .trials import Results, Trials

__all__ = ["NotWatchedError", "find_mistakes"]

MOST_MISTAKES = 20
MOST_RUNS = 100
MOST_ELEMENTS = 5_000_000
MOST_OF_ONE_LINE = 4
MOST_SECONDS = 10.0
"""Of the time of the thread that a search takes."""
_A_WORD = 2
"""The size of a change that is surely of the line itself, not of the loop that it is in."""


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
        return cls(frozenset(wrong), reading.left_right())


@dataclass
class _Found:
    """A wrong line: where it was found wrong, in turn, and its change."""

    unit: Unit
    turns: dict[Occurrence, Finding] = field(default_factory=dict)
    mended: Mended | None = None
    tried: bool = False
    times: int = 0
    refuted: set[str] = field(default_factory=set)
    """Changes with which the line was wrong in another turn."""

    @property
    def first(self) -> Finding:
        return self.turns[min(self.turns)]

    @property
    def in_order(self) -> list[Finding]:
        return [self.turns[where] for where in sorted(self.turns)]

    @property
    def right(self) -> Any:
        """What the line should have left where it was found wrong first, if that is known."""
        value = None if self.mended is None else self.mended.repair.value
        if value is not None:
            return value
        return self.first.rights[0] if len(self.first.rights) == 1 else None


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
        deadline = time.thread_time() + seconds
        if sum(value.size for value in ancestors(loss)) > MOST_ELEMENTS:
            raise NotWatchedError("the graph has too many elements")
        self.loss, self.known = loss, Known(loss, tolerance)
        self.trials = Trials(self.known, function, call, wanted, results, deadline)
        self.wrong: set[str] = set()
        """The names of the results that are wrong with what was found until now put right."""
        self.wrong_at_first: frozenset[Value] = frozenset()
        self.missing: set[str] = set()
        self.times: Counter[int] = Counter()
        """How often each unit left something then."""
        self.mender: Mender | None = None
        self.excused: set[Occurrence] = set()
        self.names: Mapping[Value, str] = {}
        """The names that the program has for Values without one."""
        self.found: dict[int, _Found] = {}

    def mistakes(self, note: Callable[[str], object]) -> tuple[Mistake, ...]:
        try:
            for _ in range(MOST_RUNS):
                finding = self._next()
                if finding is None or len(self.found) > MOST_MISTAKES:
                    break
                self._take(finding)
            self._take_a_second_look()
        except TooLongError:
            if not self.found:
                raise NotWatchedError("it does too much to be watched") from None
            note("The search for wrong lines stopped early; there may be more of them.")
        found = sorted(self.found.values(), key=lambda one: one.first.step.number)
        return tuple(map(self._told, found))

    def _told(self, one: _Found) -> Mistake:
        repair = None if one.mended is None else one.mended.repair
        return mistake_of(one.unit, one.first, repair, one.right, one.times, self.known, self.names)

    def _next(self) -> Finding | None:
        """The next wrong line, with right values in the place of those that were found."""
        returned, recorder = self.trials.run()
        given = self.trials.results(returned)
        self.wrong, self.missing = self.trials.wrong(returned), self.trials.missing(returned)
        if self.mender is None:
            second = SecondPoint.of(self.loss, self.trials, recorder, self.wrong) if self.wrong else None
            self.mender = Mender(self.trials, second)
        self.times = Counter(unit for unit, _ in recorder.left)
        excused = {step for step in recorder.steps if step.where in self.excused}
        reading = Reading(self.known, recorder, excused)
        self.names = reading.names() or self.names
        wanted = self.trials.wanted
        self.wrong_at_first = self.wrong_at_first or frozenset(wanted[name] for name in self.wrong)
        results = {wanted[name]: recorder.step_of(given[name]) for name in wanted if name in given}
        found = []
        for name in sorted(self.wrong, key=list(wanted).index):
            result = results[wanted[name]], wanted[name]
            findings = Finder(reading, result, results, self.wrong_at_first).find()
            if findings:
                found.append((findings, result[0]))
        first, step = min(found, key=lambda one: one[0][-1].step.number, default=([], None))
        best = self._best(first, _Outcome.of(self.wrong, reading)) if any(f.guess for f in first) else None
        best = best or next((one for one in first if one.alternative and self._holds(one)), None)
        if step is None:
            return self._of_a_loop(recorder)
        suspects = Suspects(self.trials, reading, results, step, frozenset(self.wrong), self.found)
        return suspects.at(first[-1]) if best is None else suspects.before(best)

    def _holds(self, finding: Finding) -> bool:
        """Whether an alternative is right: a changed form of its line is, which still calls what it has to."""
        mended = self._mend(_Found(self._unit(finding), {finding.where: finding}), self.wrong)
        return mended is not None and finding.calls in mended.repair.text

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
        returned, recorder = self.trials.run(overrides=overrides)
        return _Outcome.of(self.trials.wrong(returned), Reading(self.known, recorder))

    # ---- what was found

    def _unit(self, finding: Finding) -> Unit:
        """The unit of a finding, as the program was written."""
        number = finding.where[0]
        return self.found[number].unit if number in self.found else self.trials.original.script.units[number]

    def _take(self, finding: Finding) -> None:
        number = finding.where[0]
        one = self.found.setdefault(number, _Found(self._unit(finding)))
        again = finding.where in one.turns
        one.turns.setdefault(finding.where, finding)
        one.times += finding.where not in self.trials.overrides
        if finding.kind in ("early", "order"):
            self._put_right(one, again)
            return
        if one.mended is not None and number in self.trials.changes:
            one.refuted.add(one.mended.repair.key)
        hopeless = one.tried and one.mended is None
        self.trials.put_right(one.unit, None, {})
        before = self.wrong
        if len(one.turns) > 1:
            before = self.trials.wrong(self.trials.run()[0])
        one.mended, one.tried = None if hopeless else self._mend(one, before), True
        if not hopeless and self._may_be_of_the_loop(one) and self._take_a_loop(one):
            return
        self._put_right(one, again)

    def _mend(self, one: _Found, before: set[str]) -> Mended | None:
        """A change of a line, unless the time is up. ``before`` are the gradients that are wrong without one."""
        assert self.mender is not None
        try:
            once = self.times[one.unit.number] <= 1
            return self.mender.mend(one.unit, one.in_order, before, once, one.refuted)
        except TooLongError:
            return None

    def _put_right(self, one: _Found, again: bool) -> None:
        """Put the right values, or the changed line, in the place of what a line left."""
        statement = None if one.mended is None else one.mended.repair.statement
        if statement is not None and not again:
            changed = self.trials.with_statement(one.unit, statement)
            if len(changed.script.units) == len(self.trials.original.script.units):
                self.trials.put_right(one.unit, statement, {})
                return
        rights = {}
        for where, finding in one.turns.items():
            right = one.right if finding is one.first else finding.rights[0] if len(finding.rights) == 1 else None
            if right is None or again:
                self.excused.add(where)
            else:
                rights[where] = right
        self.trials.put_right(one.unit, None, rights)

    def _take_a_second_look(self) -> None:
        """Where other mistakes hid whether a changed line is right, look again with those put right."""
        for one in list(self.found.values()):
            hidden = len(self.found) > 1 and (one.mended is None or not one.mended.proved)
            if hidden and one.first.kind not in ("early", "order"):
                self.trials.put_right(one.unit, None, {})
                returned, recorder = self.trials.run()
                self.times = Counter(unit for unit, _ in recorder.left)
                one.mended = self._mend(one, self.trials.wrong(returned))
                self._put_right(one, False)

    # ---- loops

    def _may_be_of_the_loop(self, one: _Found) -> bool:
        """Whether a line that is wrong may be so because the loop around it runs in another order."""
        if one.mended is None or not one.mended.proved or one.refuted:
            return True
        return self.times[one.unit.number] > 1 and one.mended.repair.size > _A_WORD

    def _take_a_loop(self, instead_of: _Found) -> bool:
        """Whether the mistake is in the first line of a loop, which then is put right instead of the line.

        So are the lines inside that were found wrong, until they are found again.
        """
        assert self.mender is not None
        inside = [one for one in self.found.values() if self.times[one.unit.number] > 1 and one.first.kind != "order"]
        for one in inside:
            self.trials.put_right(one.unit, None, {})
        before = self.trials.wrong(self.trials.run()[0])
        least = 0 if instead_of.mended is None else len(before - instead_of.mended.wrong)
        mended = self.mender.mend_loops(before, self.missing, least)
        if mended is None:
            for one in inside:
                if one is not instead_of:
                    self._put_right(one, False)
            return False
        unit, first = mended.repair.unit, instead_of.first
        for one in [*inside, instead_of]:
            self.found.pop(one.unit.number, None)
            self.trials.put_right(one.unit, None, {})
        self._take_loop(mended, replace(first, kind="order", where=(unit.number, 0), value=None, rights=(), read=()))
        return True

    def _take_loop(self, mended: Mended, finding: Finding) -> None:
        one = _Found(mended.repair.unit, {finding.where: finding}, mended, True, 1)
        self.found[one.unit.number] = one
        self._put_right(one, False)

    def _of_a_loop(self, recorder: Recorder) -> Finding | None:
        """A loop that leaves out a turn, where gradients are missing."""
        assert self.mender is not None
        mended = self.mender.mend_loops(self.wrong, self.missing, 0) if self.missing else None
        if mended is None:
            return None
        unit = mended.repair.unit
        step = next((s for s in recorder.steps if s.unit > unit.number), recorder.steps[-1])
        self._take_loop(mended, Finding("order", (unit.number, 0), step, None, ()))
        return self._next()
