"""Sums along long axes, in blocks.

NumPy adds in pairs along the axis that is contiguous in memory, and one after the other along any other: a column of n
numbers loses up to n/2 units of its last place. Blocks of ``BLOCK`` terms, their sums in blocks again, lose a few.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

__all__ = ["BLOCK", "LONG", "added", "is_long", "running"]

BLOCK = 16
LONG = 1024
"""Terms from which on they are added in blocks. Fewer lose few digits, and a second call of NumPy costs time."""

_NARROW, _NEAR = 128, 1 << 14
"""Elements: narrower columns, and sums that fit into a core's own cache, are added many beside each other."""


def is_long(x: Any, axes: tuple[int, ...]) -> bool:
    """Whether NumPy would add many elements of an array along the negative ``axes`` one after the other.

    >>> is_long(np.ones((2000, 3)), (-2,)), is_long(np.ones((3, 2000)), (-1,)), is_long(np.ones((2000, 3)), (-2, -1))
    (True, False, False)
    """
    if type(x) is float or x.size <= LONG or len(axes) == x.ndim:
        return False
    return _in_a_row(x.shape, axes) > LONG and x.dtype.char in "fdg"


@lru_cache(maxsize=4096)
def _in_a_row(shape: tuple[int, ...], axes: tuple[int, ...]) -> int:
    """How many elements NumPy adds one after the other: along the axes in front of the last one that is kept."""
    kept = [k for k in range(-len(shape), 0) if k not in axes and shape[k] > 1]
    return math.prod(shape[k] for k in axes if k < kept[-1]) if kept else 1


def added(x: Any, axes: tuple[int, ...], keepdims: bool = False) -> Any:
    """``np.add.reduce`` along negative ``axes``, in blocks where NumPy would add many elements one after the other.

    >>> x = np.full((100000, 3), 0.1, dtype=np.float32)
    >>> [bool(np.allclose(total, 1e4, rtol=1e-6)) for total in (np.add.reduce(x, axis=0), added(x, (-2,)))]
    [False, True]
    """
    if not is_long(x, axes):
        return np.add.reduce(x, axis=axes, keepdims=keepdims)  # type: ignore[call-overload]
    if len(axes) == 1 or sorted(axes) != list(range(min(axes), max(axes) + 1)):
        return _in_blocks(x, axes, keepdims)
    shape, first, last = x.shape, len(x.shape) + min(axes), len(x.shape) + max(axes) + 1  # neighbours are one long axis
    merged = x.reshape((*shape[:first], math.prod(shape[first:last]), *shape[last:]))
    total = _in_blocks(merged, (last - len(shape) - 1,), False)
    return total.reshape((*shape[:first], *(1,) * len(axes), *shape[last:])) if keepdims else total


def _in_blocks(x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    shape = x.shape
    if _in_a_row(shape, axes) < 2 * BLOCK:
        return np.add.reduce(x, axis=axes, keepdims=keepdims)  # type: ignore[call-overload]
    axis = max((k for k in axes if _in_a_row(shape, (k,)) > 1), key=lambda k: shape[k])
    n, before, after = shape[axis], (slice(None),) * (len(shape) + axis), shape[len(shape) + axis + 1 :]
    if n < 2 * BLOCK:  # many short axes, one after the other
        rest = tuple(k for k in axes if k != axis)
        total = _in_blocks(np.add.reduce(x, axis=(axis,), keepdims=True), rest, True)
        return total if keepdims else total.reshape(tuple(m for k, m in enumerate(shape) if k - len(shape) not in axes))
    blocks, over = divmod(n, BLOCK)
    whole = x[(*before, slice(blocks * BLOCK))] if over else x
    width = math.prod(after)
    beside = width < _NARROW or blocks * width <= _NEAR
    parts = whole.reshape((*shape[: len(before)], *((BLOCK, blocks) if beside else (blocks, BLOCK)), *after))
    total = _in_blocks(np.add.reduce(parts, axis=(axis - 1 if beside else axis,)), axes, keepdims)
    return total + _in_blocks(x[(*before, slice(blocks * BLOCK, None))], axes, keepdims) if over else total


def running(x: Any, axis: int) -> Any:
    """``np.cumsum`` along a negative axis, in blocks where it is long: each block's own sums, plus those before it.

    >>> x = np.full(100000, 0.1, dtype=np.float32)
    >>> [bool(np.allclose(total[-1], 1e4, rtol=1e-6)) for total in (np.cumsum(x), running(x, -1))]
    [False, True]
    """
    if x.shape[axis] <= LONG or x.dtype.char not in "fdg":
        return np.cumsum(x, axis=axis)
    return _running_in_blocks(x, axis)


def _running_in_blocks(x: Any, axis: int) -> Any:
    n = x.shape[axis]
    if n < 2 * BLOCK:
        return np.cumsum(x, axis=axis)
    blocks, over = divmod(n, BLOCK)
    before, shape = (slice(None),) * (x.ndim + axis), x.shape
    whole = x[(*before, slice(blocks * BLOCK))] if over else x
    parts = np.cumsum(whole.reshape((*shape[: len(before)], blocks, BLOCK, *shape[len(before) + 1 :])), axis=axis)
    ends = _running_in_blocks(parts[(*before, slice(None), -1)], axis)
    starts = np.concatenate([np.zeros_like(ends[(*before, slice(1))]), ends[(*before, slice(-1))]], axis=axis)
    total = (parts + starts[(*before, slice(None), None)]).reshape(whole.shape)
    if not over:
        return total
    last = np.cumsum(x[(*before, slice(blocks * BLOCK, None))], axis=axis) + ends[(*before, slice(-1, None))]
    return np.concatenate([total, last], axis=axis)
