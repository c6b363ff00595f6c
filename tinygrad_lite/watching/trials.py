"""Runs of a program with other values in the place of those that its lines leave, or with other lines."""

from __future__ import annotations

import ast
import contextlib
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

import numpy as np

from ..core.value import Value
from .copies import unmoved
from .known import Known
from .recorder import Occurrence, Recorder, TooLongError, Visits, numbers_of
from .running import Program
from .scripts import Change, Unit

__all__ = ["Results", "Trials"]

Results = Callable[[Any], Mapping[str, Any]]
"""The gradients by name in what the program returns."""


class _Enough(BaseException):  # a program may catch any Exception
    """A frame was looked at: the rest of the run is of no interest."""


class Trials:
    """A program, what is put right in it, and its runs.

    ``overrides`` are the values put in the place of what units left, ``changes`` the statements in the place of units'.
    """

    def __init__(
        self,
        known: Known,
        function: Callable[..., Any],
        call: Callable[[Callable[..., Any]], Any],
        wanted: Mapping[str, Value],
        results: Results,
        deadline: float,
    ) -> None:
        self.known, self.wanted, self.results = known, wanted, results
        self.original = self.program = Program(function)
        self._call, self._deadline = call, deadline
        self.overrides: dict[Occurrence, Any] = {}
        self.changes: dict[int, Change] = {}
        """By the number of the unit."""

    def run(
        self,
        visits: Visits | None = None,
        overrides: Mapping[Occurrence, Any] | None = None,
        program: Program | None = None,
        moved: Callable[[Any], Any] = unmoved,
    ) -> tuple[Any, Recorder]:
        """What the program returns, and what it did; with more ``overrides``, or as another program."""
        program = program or self.program
        put = {**self.overrides, **(overrides or {})}
        with np.errstate(all="ignore"):
            return program.run(self._call, put, visits, self._deadline, moved)

    def look(self, visits: Visits, overrides: Mapping[Occurrence, Any]) -> None:
        """Run the program to the places of ``visits``, which are given the frames; after the last one it ends."""
        left = set(visits)

        def visiting(where: Occurrence) -> Callable[[FrameType], None]:
            def visit(frame: FrameType) -> None:
                visits[where](frame)
                left.discard(where)
                if not left:
                    raise _Enough

            return visit

        with contextlib.suppress(_Enough):
            self.run({where: visiting(where) for where in visits}, overrides)

    def with_statement(self, unit: Unit, statement: ast.stmt) -> Program:
        """The program with one more statement changed."""
        changes = {**self.changes, unit.number: Change(unit, statement)}
        return self.original.changed(list(changes.values()))

    def with_line(self, before: Unit, line: ast.stmt) -> Program:
        """The program with a new line in front of a unit's."""
        return self.original.changed([Change(before, line, True), *self.changes.values()])

    def put_right(self, unit: Unit, statement: ast.stmt | None, values: Mapping[Occurrence, Any]) -> None:
        """From now on a unit has another statement, or leaves these values; what it had before is forgotten."""
        self.changes.pop(unit.number, None)
        self.overrides = {where: value for where, value in self.overrides.items() if where[0] != unit.number}
        if statement is not None:
            self.changes[unit.number] = Change(unit, statement)
        else:
            self.overrides.update(values)
        self.program = self.original.changed(list(self.changes.values())) if self.changes else self.original

    def wrong(self, returned: Any, known: Known | None = None, moved: Mapping[Value, Value] | None = None) -> set[str]:
        """The names of the wrong gradients; with other numbers, by what is known of the Values that have ``moved``."""
        known, given, moved = known or self.known, self.results(returned), moved or {}
        return {
            name
            for name, value in self.wanted.items()
            if name in given
            and (n := numbers_of(given[name])) is not None
            and not known.near(n, moved.get(value, value))
        }

    def missing(self, returned: Any) -> set[str]:
        """The names of the gradients that are not given."""
        given = self.results(returned)
        return {name for name in self.wanted if numbers_of(given.get(name)) is None}

    @property
    def halfway(self) -> float:
        """When half of the time that is left is over, in seconds of the thread's own time."""
        return (time.thread_time() + self._deadline) / 2.0

    def check_time(self) -> None:
        """Raise ``TooLongError`` after the deadline."""
        if time.thread_time() > self._deadline:
            raise TooLongError
