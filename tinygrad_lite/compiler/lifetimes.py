"""Lifetimes: each statement of a replay says what it reads and writes, and a check holds this before anything runs.

The memory plan (``buffers``) gives memory away after its last read, and ``statements`` chooses where each read is
printed. Here both are held to each other, on the statements as they will run: a read has to find what was written for
it. A view follows its base. Always on: it takes 4 to 7 % of a capture.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import CompilerFaultError
from ..programs.calls import Call, Slot
from ..programs.memory import Memory

__all__ = ["Loop", "Statement", "check_lifetimes", "place_of"]


@dataclass(slots=True)
class Statement:
    """One line of a replay.

    ``reads`` are slots, each with whether only the rows of one block are read. ``writes`` are slots with their place,
    and whether only the rows of one block are written.
    """

    text: str
    reads: Sequence[tuple[Slot, bool]]
    writes: Sequence[tuple[Slot, Any, bool]]


@dataclass(slots=True)
class Loop:
    """Statements that run once for each block of rows."""

    body: list[Statement] = field(default_factory=list)


def place_of(name: str, things: dict[str, Any]) -> Any:
    """The place that a name stands for: the memory of a planned array, else the variable itself."""
    array = things.get(name)
    if not isinstance(array, np.ndarray):
        return name
    while isinstance(array.base, np.ndarray):
        array = array.base
    return id(array)


def check_lifetimes(
    statements: Iterable[Statement | Loop], given: Iterable[tuple[Slot, Any]], calls: Iterable[Call]
) -> None:
    """Hold every read between the write that it is meant for and the next use of that memory.

    ``given`` are the slots that stand in variables, or are constants, before the first statement. ``calls`` are what
    the statements carry out: if one shared memory in the traced run though its kind denies it, no plan can be right.

    Raises ``CompilerFaultError`` for the first statement that breaks this.
    """
    memory = Memory()
    for call in calls:
        if (shared := memory.denied(call)) is not None:
            raise CompilerFaultError(f"{_named(call.out)} lies in the memory of {_named(shared)}, which {_DENIED}")
    check = _Check(memory, given)
    for statement in statements:
        if isinstance(statement, Statement):
            check.run(statement, _ALL)
        else:
            for part in _ALL:  # two blocks: the second finds what the first left behind
                for inner in statement.body:
                    check.run(inner, (part,))


_ALL = (0, 1)
"""The rows of one block, and those of the next."""
_DENIED = "the kind of its call denies; its memory would be given away too early"


class _Check:
    def __init__(self, memory: Memory, given: Iterable[tuple[Slot, Any]]) -> None:
        self.memory = memory
        self.place: dict[Slot, Any] = {}
        self.holds: dict[tuple[Any, int], Slot] = {}
        for slot, name in given:
            self._write(slot, name, _ALL)

    def run(self, statement: Statement, parts: tuple[int, ...]) -> None:
        for slot, rows in statement.reads:
            self._read(slot, parts if rows else _ALL, statement)
        for slot, place, rows in statement.writes:
            self._write(slot, place, parts if rows else _ALL)

    def _write(self, slot: Slot, place: Any, parts: tuple[int, ...]) -> None:
        self.place[slot] = place
        for part in parts:
            self.holds[place, part] = slot

    def _read(self, slot: Slot, parts: tuple[int, ...], statement: Statement) -> None:
        if type(slot.sample) is float and self.holds.get((self.place.get(slot), 0)) is slot:
            return  # a number in a variable, as most are in graphs of scalars
        roots = self.memory.roots(slot)
        if slot in self.place:
            self._find(slot, slot, parts, statement)
        elif not roots or slot in roots:
            raise CompilerFaultError(f"the statement `{statement.text}` reads {_named(slot)} before it is computed")
        for root in roots:
            if root is not slot:
                self._find(root, slot, _ALL, statement)

    def _find(self, wanted: Slot, slot: Slot, parts: tuple[int, ...], statement: Statement) -> None:
        place = self.place.get(wanted)
        for part in parts:
            found = self.holds.get((place, part))
            if found is not wanted:
                what = "nothing" if found is None else _named(found)
                view = "" if wanted is slot else f", a view of {_named(wanted)},"
                raise CompilerFaultError(
                    f"the statement `{statement.text}` reads {_named(slot)}{view} from memory that holds {what} by then"
                )


def _named(slot: Slot) -> str:
    kind = f"an array of shape {slot.sample.shape}" if isinstance(slot.sample, np.ndarray) else "a number"
    return f"{kind} ({slot.note})" if slot.note else kind
