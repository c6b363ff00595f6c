"""The cotangent of what a captured run reads in parts, as few calls: it is ``Scattered`` where eager's is.

A call for each part would make an array as large as the whole, and one more to add it. Here the parts wait, as in
eager, and one call adds all of them into the memory of the result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.scattered import gathered, is_basic, scattered_sum
from ..core.shapes import Shape
from ..programs.calls import Program, Slot, slots_in
from ..programs.tracing import put, sampled, updated
from .carrying import filled

FEW = 8
"""Parts up to which each is a call of its own: in half a microsecond, as a person would write it."""

__all__ = ["Pieces", "whole"]


class Pieces:
    """A cotangent, of this shape and dtype, in a program: parts that wait to be added to ``whole``, if there is one."""

    def __init__(self, program: Program, shape: Shape, dtype: Any, whole: Any = None) -> None:
        self.program, self.shape, self.dtype = program, shape, dtype
        self._whole = whole
        self._keys: list[Any] = []
        self._parts: list[Any] = []
        self._waiting = 0

    def put(self, key: Any, g: Any) -> Pieces:
        """Add ``g`` at an index."""
        self._keys.append(key)
        self._parts.append(g)
        self._waiting += np.size(sampled(g))
        if self._waiting > math.prod(self.shape):
            self.whole()
        return self

    def add(self, g: Any) -> Pieces:
        """Add an array."""
        whole = self.whole()
        self._whole = self.program.call("ufunc", np.add, (whole, g), {}, sampled(whole) + sampled(g))
        return self

    def whole(self) -> Any:
        """The sum as an array: its slot."""
        if self._keys:
            views = len(self._keys) <= FEW and not any(slots_in(self._keys)) and all(map(is_basic, self._keys))
            self._whole = self._by_views() if views else self._at_once()
            self._keys, self._parts, self._waiting = [], [], 0
        return self._whole

    def _at_once(self) -> Slot:
        """One call that adds all parts."""
        args = self._whole, tuple(self._keys), tuple(self._parts), self.shape, self.dtype
        return self.program.call("reduce", scattered, args, {}, scattered(*sampled(args)))

    def _by_views(self) -> Any:
        """A call for each part, which adds it in place to a view of the whole."""
        call, whole = self.program.call, self._whole
        for key, g in zip(self._keys, self._parts, strict=True):
            if whole is None:
                zeros = call("fill", filled, (0.0, self.shape, self.dtype), {}, np.zeros(self.shape, self.dtype), True)
                whole = call("put", put, (zeros, key, g), {}, put(*sampled((zeros, key, g))))
            else:
                args = whole, key, g
                whole = call("at", updated, args, {"ufunc": np.add}, updated(*sampled(args), ufunc=np.add))
        return whole

    def settled(self) -> Any:
        """The gradient of a leaf: the slot of ``Rows`` where few rows of a table are in the sum, else of an array."""
        if self._whole is None:
            args = tuple(self._keys), tuple(self._parts), self.shape, self.dtype
            sample = gathered(self.shape, self.dtype, [*zip(*sampled(args[:2]), strict=True)])
            if sample is not None:
                return self.program.call("fresh", rows, args, {}, sample)
        return self.whole()


def whole(g: Any) -> Any:
    """A cotangent as the slot of an array; any other as it is."""
    return g.whole() if isinstance(g, Pieces) else g


def scattered(start: Any, keys: Sequence[Any], parts: Sequence[Any], shape: Shape, dtype: Any, out: Any = None) -> Any:
    """``start``, or zeros, with parts added at their indices; written into ``out`` if it is given."""
    pieces = [*zip(keys, parts, strict=True)]
    if out is None:
        return scattered_sum(None if start is None else start.copy(), shape, dtype, pieces)
    if start is None:
        out.fill(0.0)
    else:
        np.copyto(out, start)
    return scattered_sum(out, shape, dtype, pieces)


def rows(keys: Sequence[Any], parts: Sequence[Any], shape: Shape, dtype: Any) -> Any:
    """Parts, each whole rows, at their indices as ``Rows``."""
    return gathered(shape, dtype, [*zip(keys, parts, strict=True)], few=False)
