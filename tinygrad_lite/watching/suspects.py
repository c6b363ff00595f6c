"""Lines that may be wrong where no name says what they should leave: each is tried.

Several lines may leave something unknown between the last values that the graph knows and a wrong result: a mean of a
mean, a local derivative, a helper function. What such a line reads being right does not clear it, nor does it blame it.
So every gradient that the graph knows is put in the place of what each line leaves. The first line with which the
results come right ends the stretch in which the mistake is. The wrong line of that stretch is the one of which a
changed form makes the results right.
"""

from __future__ import annotations

import ast
import time
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Any

import numpy as np

from ..core.value import Value
from .finding import Finding
from .known import same_numbers
from .reading import Reading
from .recorder import Occurrence, Step, TooLongError
from .repairs import changed_lines
from .trials import Trials

__all__ = ["Suspects"]

MOST_RIGHTS = 40
"""The gradients, which no line has left, that are tried in the place of what one line leaves."""
MOST_CHANGED = 150
"""The changed forms of a line with each of which the program runs."""
MOST_PRESENT = 10
"""Those of them that another line has left."""


@dataclass(frozen=True, eq=False)
class _Suspect:
    """What a unit left, and the known gradient with which in its place the most results come right."""

    where: Occurrence
    left: Step
    value: Value | None = None
    right: Any = None
    mends: int = -1


@dataclass
class Suspects:
    """The units behind a wrong result that may be wrong."""

    trials: Trials
    reading: Reading
    results: Mapping[Value, Step | None]
    """What the program gives as the gradients of Values."""
    result: Step
    wrong: frozenset[str]
    """The names of the wrong results."""
    blamed: Container[int]
    """The units that were found wrong already."""
    rights: dict[int, list[tuple[Value | None, Any]]] = field(default_factory=dict)
    """What has been tried in the place of so many elements."""

    def __post_init__(self) -> None:
        self.deadline = self.trials.halfway

    def at(self, finding: Finding) -> Finding:
        """A finding that nothing else confirms, if results come right with it; else the unit that is the likely one."""
        where = finding.where
        if any(self.reading.scaled(step) is not None for step in self.reading.inputs_of(where)):
            return finding  # what it reads is wrong already
        try:
            puts_right = any(self._comes_right({where: right}) > 0 for right in finding.rights)
            if finding.kind not in ("value", "data") or (puts_right and not self.reading.right_elsewhere(where)):
                return self.before(finding)
            return self._likely() or finding
        except TooLongError:
            return finding

    def before(self, finding: Finding) -> Finding:
        """A finding, or the line before it that left a part, or gave data a name, if a change of that is right."""
        try:
            finding = self._adding(finding)
            return self._of_data(finding) or finding
        except TooLongError:
            return finding

    def _of_data(self, finding: Finding) -> Finding | None:
        """The line before a finding that gave data the name of a gradient, if a change of that is right."""
        for step in self.reading.inputs_of(finding.where):
            named = [where for name, where in step.names.items() if self.reading.known.called(name) is not None]
            if named and self.reading.right(step) and not self.reading.flows(step):
                most = self._comes_right({finding.where: finding.rights[0]}) if finding.rights else 1
                mend = self._mend(named[0], None, max(most, 1))
                if mend is not None:
                    found = replace(finding, kind="data", where=named[0], step=step, value=None)
                    return replace(found, rights=(mend[1],), read=())
        return None

    def _adding(self, finding: Finding) -> Finding:
        """A finding of a missing term, or the return that left the part without it, if a change of that is right."""
        if finding.kind != "term" or finding.value is None or not finding.rights:
            return finding
        most = self._comes_right({finding.where: finding.rights[0]})
        contributions = self.reading.known.contributions[finding.value]
        term = sum(part for node, part in contributions if node in set(finding.missing))
        behind, parts = self.reading.behind(finding.step), []
        for where, left in self.reading.recorder.left.items():
            returned = isinstance(self.reading.recorder.script.units[where[0]].statement, ast.Return)
            matches = self.reading.matches(left) if left in behind and (returned or where == finding.where) else []
            exact = [m for m in matches if m.exact]
            part = any(m.quantity.value is finding.value for m in exact) and all(m.flows for m in exact)
            if part and np.shape(left.value) == np.shape(term):
                parts.append(_Suspect(where, left, finding.value, left.value + term, most))
            if where == finding.where:
                break
        inner_first = (self._least([one], most) for one in parts) if most > 0 and len(parts) > 1 else ()
        likely = next((one for one in inner_first if one is not None), None)
        if likely is None:
            return finding
        read = self.reading.right_inputs_of(likely.where)
        return replace(finding, where=likely.where, step=likely.left, rights=(likely.right,), read=read)

    # ---- the results with other values

    def _comes_right(self, overrides: Mapping[Occurrence, Any]) -> int:
        """How many results come right with values in the place of others; -1 if none does, or one becomes wrong."""
        try:
            after = self.trials.wrong(self.trials.run(overrides=overrides)[0])
        except Exception:  # the program has no use for it
            return -1
        return len(self.wrong) - len(after) if after < self.wrong else -1

    def _mend(self, where: Occurrence, wanted: Any, most: int) -> tuple[int, Any] | None:
        """The size of a change of a unit's line, and what it leaves: what is wanted, or what makes so many right."""
        unit, known = self.trials.program.script.units[where[0]], self.reading.known
        found: list[tuple[int, Any]] = []
        values: dict[bytes, tuple[int, Any]] = {}

        def look(frame: FrameType) -> None:
            for repair in changed_lines(unit, frame, [factor for factor in known.factors if factor > 1]):
                self.trials.check_time()
                same = np.shape(repair.value) == np.shape(wanted)
                if wanted is not None and same and same_numbers(wanted, repair.value, known.tolerance):
                    found.append((repair.size, repair.value))
                    break
                if len(values) < MOST_CHANGED:
                    values.setdefault(_rounded(repair.value), (repair.size, repair.value))

        self.trials.look({where: look}, {})
        return next((one for one in [*found, *values.values()] if self._comes_right({where: one[1]}) >= most), None)

    def _least(self, suspects: Iterable[_Suspect], most: int) -> _Suspect | None:
        """The one with the smallest change that makes so many results right, and what it leaves then."""
        found: list[tuple[int, bool, int, _Suspect]] = []
        for one in suspects:
            mend = self._mend(one.where, one.right if one.mends == most else None, most)
            if mend is not None:
                found.append((mend[0], one.mends != most, len(found), replace(one, right=mend[1])))
        return min(found)[3] if found else None

    # ---- the likely one

    def _likely(self) -> Finding | None:
        """The unit that is wrong: the likely one, if there are several of them that may be."""
        found = self._again() or self._all_tried(True) or self._all_tried(False)
        most = max((one.mends for one in found), default=-1)
        if most < 0:
            return None
        best = [one for one in found if one.mends == most]
        if best[0].where[0] in self.blamed:
            return self._finding(best[0])
        end = next(iter(one for one in best if self._unknown(one)), best[0])
        behind = self.reading.behind(end.left)
        unknown = [one for one in found[: found.index(end) + 1] if self._unknown(one) and one.left in behind]
        others = [one for one in best if one.left is end.left or (one.left in behind and not self._unknown(one))]
        if unknown == others == [end]:
            return self._finding(end)
        likely = self._least(dict.fromkeys([*unknown, *others]), most)
        if likely is not None:
            return self._finding(likely)
        return self._finding(unknown[0] if unknown else end)

    def _again(self) -> list[_Suspect]:
        """The units that were found wrong in another turn."""
        units = [
            (where, left)
            for where, left in self._units()
            if where[0] in self.blamed and not any(map(self.reading.unknown, self.reading.inputs_of(where)))
        ]
        found = [self._tried(where, left, whole) for whole in (True, False) for where, left in units]
        return [one for one in found if one.mends >= 0]

    def _all_tried(self, whole: bool) -> list[_Suspect]:
        """The units, each with the best of the whole gradients, or of parts and sums; none if nothing is right."""
        found: list[_Suspect] = []
        for where, left in self._units():
            found.append(self._tried(where, left, whole))
            if time.thread_time() > self.deadline:
                break
        return found if any(one.mends >= 0 for one in found) else []

    def _units(self) -> Iterator[tuple[Occurrence, Step]]:
        """The units that made the result, in the order in which they left something, but for those of right results."""
        right = [step for value, step in self.results.items() if step and self.reading.known.near(step.value, value)]
        innocent = {step for one in right for step in self.reading.behind(one)}
        behind = self.reading.behind(self.result) - {self.result}  # with which it comes right proves nothing
        for where, left in self.reading.recorder.left.items():
            made_here = not left.places or left.places[0] == where
            if left in behind and left not in self.reading.excused and not (made_here and left in innocent):
                yield where, left

    def _tried(self, where: Occurrence, left: Step, whole: bool) -> _Suspect:
        best = _Suspect(where, left)
        for value, right in self._rights(left):
            if (value is not None) is not whole:
                continue
            mends = self._comes_right({where: right})
            if mends > best.mends:
                best = _Suspect(where, left, value, right, mends)
            if mends == len(self.wrong):
                break
        return best

    def _rights(self, left: Step) -> Iterator[tuple[Value | None, Any]]:
        """The gradients, and parts of gradients, that a unit may have to leave: those that no other has left first."""
        size = left.value.size
        if size not in self.rights:
            self.rights[size] = self._rights_of_size(size)
        for value, array in self.rights[size]:
            right = np.reshape(array, left.value.shape)
            if not same_numbers(right, left.value, self.reading.known.tolerance):
                yield value, right

    def _rights_of_size(self, size: int) -> list[tuple[Value | None, Any]]:
        rights: dict[bytes, tuple[Value | None, Any]] = {}
        for quantity, array in self.reading.known.gradients_of_size(size):
            value = quantity.value if quantity.role == "cotangent" and not quantity.form else None
            rights.setdefault(_rounded(array), (value, array))
        there = {_rounded(s.value) for s in self.reading.recorder.steps if s.value.size == size}
        absent = [pair for key, pair in rights.items() if key not in there]
        present = [pair for key, pair in rights.items() if key in there]
        return [*absent[:MOST_RIGHTS], *present[:MOST_PRESENT]]

    def _unknown(self, one: _Suspect) -> bool:
        return self.reading.unknown(one.left) and not self._passed_on(one)

    def _passed_on(self, one: _Suspect) -> bool:
        """Whether a unit leaves what another one made."""
        return bool(one.left.places) and one.left.places[0] != one.where

    def _finding(self, one: _Suspect) -> Finding:
        read = self.reading.right_inputs_of(one.where)
        kind = "data" if one.value is None else "value"
        return Finding(kind, one.where, one.left, one.value, () if one.right is None else (one.right,), read)


def _rounded(array: Any) -> bytes:
    """A key that arrays share which differ by rounding alone."""
    flat = np.ravel(array)
    size = float(np.max(np.abs(flat), initial=0.0)) or 1.0
    return bytes(np.round(flat / size, 9).tobytes() + np.float32(size).tobytes())
