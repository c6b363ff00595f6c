"""Chains of elementwise calls in blocks, for arrays that are larger than a core's own cache.

Calls over whole arrays read and write main memory each time. A chain of calls runs for some rows at a time; a result
that only the chain reads needs memory for these rows alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..programs.calls import Call, Slot

__all__ = ["Chain", "chain_at"]


BLOCK = 1 << 17
"""Elements of a block, 1 MB of float64."""
LARGE = 1 << 19
"""Elements from which on an array is computed in blocks. Measured: whole steps take 0.77 to 0.99 of their time with
arrays of 8 to 32 MB, and as long as before, or 1 to 3 % longer, with those of 1 MB. Blocks of an eighth take 1.02 to
1.16 times as long as these: each call of NumPy has to be worth its while."""

_ELEMENTWISE = {"where", "cast", "fill", "mend"}


@dataclass(frozen=True)
class Chain:
    """Consecutive calls before number ``stop``, with results of one shape, that run for ``rows`` rows at a time."""

    stop: int
    shape: tuple[int, ...]
    rows: int

    @property
    def blocks(self) -> list[tuple[slice, int]]:
        """Each block: its rows as a slice, and their number."""
        length = self.shape[0]
        starts = range(0, length, self.rows)
        return [(slice(start, min(start + self.rows, length)), min(self.rows, length - start)) for start in starts]

    def has_rows(self, x: Any) -> bool:
        """Whether a block reads its own rows of an operand; else it reads the whole."""
        array = x.sample if isinstance(x, Slot) else x
        return isinstance(array, np.ndarray) and array.ndim == len(self.shape) and len(array) == self.shape[0]


def chain_at(calls: Sequence[Call], start: int, is_whole: Callable[[Slot], bool]) -> Chain | None:
    """The longest chain that begins with the call at ``start``; ``None`` for small arrays and for a single call.

    ``is_whole`` says whether a slot is in memory that no other shape or order of elements shares.
    """
    sample = calls[start].out.sample
    if not isinstance(sample, np.ndarray) or sample.size < LARGE:
        return None
    chain = Chain(start, sample.shape, BLOCK * len(sample) // sample.size)
    if not 0 < chain.rows < len(sample):
        return None
    stop = start
    made: set[Slot] = set()
    while stop < len(calls) and _belongs(calls[stop], chain, made, is_whole):
        made.add(calls[stop].out)
        stop += 1
    if sum(calls[k].kind != "finite" for k in range(start, stop)) < 2:
        return None
    return Chain(stop, chain.shape, chain.rows)


def _belongs(call: Call, chain: Chain, made: set[Slot], is_whole: Callable[[Slot], bool]) -> bool:
    if call.kind == "finite":
        return call.args[0] in made
    if call.kind == "ufunc":
        if not isinstance(call.function, np.ufunc) or call.function.signature is not None:
            return False
    elif call.kind not in _ELEMENTWISE:
        return False
    out = call.out.sample
    return (
        isinstance(out, np.ndarray)
        and out.shape == chain.shape
        and out.flags.c_contiguous
        and all(slot in made or not slot.is_array or is_whole(slot) for slot in call.slots())
    )
