"""The memory plan of a replay: where each array that it computes lies.

Every array has its place before the first replay. A result is written over an operand that is read for the last time,
else into memory that is free again, else into new memory.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..programs.calls import Call, Slot
from ..programs.memory import Memory
from .blocking import Chain

__all__ = ["Buffers", "masks_first"]


class Buffers:
    """The memory of ``calls``, which are made in order. ``ends`` are read after the last."""

    def __init__(self, calls: Sequence[Call], ends: Iterable[Slot]) -> None:
        self.memory: dict[Slot, Any] = {}
        """The array that holds a slot now."""
        self.free: defaultdict[Any, list[Any]] = defaultdict(list)
        self.last: dict[Slot, int] = {}
        """The number of the call that reads a slot's memory last."""
        self.roots = Memory().roots
        for k, call in enumerate(calls):
            for slot in call.slots():
                self.last.update(dict.fromkeys(self.roots(slot), k))
        for slot in ends:
            self.last.update(dict.fromkeys(self.roots(slot), len(calls)))

    def is_whole(self, slot: Slot) -> bool:
        """Whether a slot is in memory that no other shape or order of elements shares."""
        return slot in self.memory or not any(root in self.memory for root in self.roots(slot))

    def take(self, call: Call, k: int, chain: Chain | None) -> Any:
        """Memory for the result of call ``k``. If only ``chain`` reads it, it is as large as one of its blocks."""
        sample = call.out.sample
        if chain is not None and self.last.get(call.out, k) < chain.stop:
            sample = np.empty((chain.rows, *chain.shape[1:]), sample.dtype)
        found = self._overwritten(call, k, sample)
        if found is None:
            free = self.free[_exchange(sample)]
            found = free.pop().reshape(sample.shape) if free else np.empty_like(sample)
        self.memory[call.out] = found
        return found

    def _overwritten(self, call: Call, k: int, sample: Any) -> Any:
        """The memory of an operand that call ``k`` reads last and may overwrite."""
        for place, x in enumerate(call.args):
            if (
                isinstance(x, Slot)
                and x in self.memory
                and self.last[x] == k
                and _may_overwrite(call, place)
                and x.sample.shape == call.out.sample.shape
                and _layout(self.memory[x]) == _layout(sample)
            ):
                return self.memory.pop(x)
        return None

    def release(self, call: Call, k: int, chain: Chain | None = None) -> None:
        """Free the memory that nothing reads after call ``k``; inside a chain not what its next block reads."""
        for slot in {root for x in (*call.slots(), call.out) for root in self.roots(x)}:
            if self.last.get(slot, k) <= k and slot in self.memory:
                if chain is not None and slot.sample.shape != chain.shape:
                    continue
                buffer = self.memory.pop(slot)
                self.free[_exchange(buffer)].append(buffer)

    def spare(self, like: Any) -> Any:
        """Memory of this shape to use after the last call."""
        free = self.free[_exchange(like)]
        return free[-1].reshape(like.shape) if free else np.empty_like(like)


def _layout(array: Any) -> Any:
    """A key, equal for arrays that can be written in each other's place."""
    return array.dtype, array.shape, array.strides


def _exchange(array: Any) -> Any:
    """The same for memory that may take another shape."""
    return (array.dtype, array.size) if array.flags.c_contiguous else _layout(array)


def _may_overwrite(call: Call, place: int) -> bool:
    """Whether the result may be written where the operand at ``place`` is."""
    if call.kind == "ufunc":
        return isinstance(call.function, np.ufunc) and call.function.signature is None
    return place == {"put": 0, "at": 0, "mend": 0, "where": 2}.get(call.kind)


def masks_first(calls: Sequence[Call]) -> list[Call]:
    """The calls with masks made as soon as their operands are there.

    A mask takes an eighth of the memory of its operands, which then need not be kept for the backward pass.
    """
    waiting: defaultdict[Slot | None, list[Call]] = defaultdict(list)
    place = {call.out: k for k, call in enumerate(calls)}
    moved: set[int] = set()
    for k, call in enumerate(calls):
        if call.kind == "ufunc" and call.out.is_array and call.out.sample.dtype == bool:
            latest = max((place.get(x, -1) for x in call.slots()), default=-1)
            if 0 <= latest < k - 1 and latest not in moved:
                waiting[calls[latest].out].append(call)
                moved.add(k)
    ordered: list[Call] = []
    for k, call in enumerate(calls):
        if k not in moved:
            ordered.append(call)
            ordered += waiting[call.out]
    return ordered
