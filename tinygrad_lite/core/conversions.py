"""Numbers and arrays out of Values, and arrays into them: what Python and NumPy convert without being asked in words.

A plain number has no graph, so ``math.exp(v)`` inside a function that is being differentiated would have the derivative
0 without a word. There a Value gives up its number only to ``item()``, ``detach()`` and ``data``, which say so.
"""

from __future__ import annotations

import dis
import sys
from typing import Any

import numpy as np

from ..errors import ShapeError, ValueTypeError
from .display import describe
from .recording import captures_open, differentiating, line_of_user, paused, tell_of_reading

__all__ = ["Conversions", "plain_array"]

_STORE_SUBSCR = dis.opmap["STORE_SUBSCR"]


class Conversions:
    """What Python's and NumPy's own conversions find at a Value."""

    __slots__ = ()

    def item(self: Any) -> float:
        """The one element as a Python float; ``ShapeError`` if there are more or none."""
        one: float = self._one()
        if captures_open[0]:
            tell_of_reading("item()", self, found=one)
        return one

    def _one(self: Any) -> float:
        if self.size != 1:
            raise ShapeError(f"item: {describe(self)} has {self.size} elements, not one; index it first")
        return float(self._data) if type(self._data) is float else float(self._data.reshape(()))

    def __float__(self: Any) -> float:
        # ``array[0] = value`` asks for a float as well, and would cut the graph silently: it is refused by the caller's
        # instruction, the one thing in which it differs from ``float(value)``.
        caller = sys._getframe(1)
        if caller.f_code.co_code[caller.f_lasti] == _STORE_SUBSCR:
            raise ValueTypeError(
                f"setitem: {describe(self)} would lose its graph in a NumPy array; "
                "join Values with tinygrad_lite.stack([…]), or assign its .data"
            )
        _refuse_cut(self, "float")
        return float(self.item())

    def __int__(self: Any) -> int:
        _refuse_cut(self, "int")
        return int(self.item())

    __trunc__ = __int__

    def __round__(self: Any, ndigits: int | None = None) -> float:
        _refuse_cut(self, "round")
        return round(float(self.item()), ndigits)

    def __format__(self: Any, spec: str) -> str:
        """With a format such as ``.3f`` the one number in it, else its ``repr``."""
        if not spec:
            return repr(self)
        _refuse_cut(self, f"format {spec!r}")
        return format(self._one(), spec)

    def __array__(self: Any, dtype: Any = None, copy: Any = None) -> Any:
        raise ValueTypeError(
            f"array: {describe(self)} would lose its graph in a NumPy array; join Values with tinygrad_lite.stack([…]) "
            "for np.array([…]), np.concatenate([…]) for np.r_[…], np.column_stack([…]) for np.c_[…]; write X @ W or "
            "np.dot(X, W) for X.dot(W); or take the numbers with .data"
        )

    @property
    def _mask(self: Any) -> Any:  # np.ma takes an attribute called _data for numbers, and then asks for this one
        raise ValueTypeError(
            f"array: {describe(self)} would lose its graph in a masked array; mask with np.where(mask, 0.0, x)"
        )


def _refuse_cut(value: Any, how: str) -> None:
    """Raise if a number made of ``value`` would cut the graph of a function that is being differentiated."""
    if value.requires_grad and not paused() and (who := differentiating()) is not None:
        raise ValueTypeError(
            f"{how}: {describe(value)} would become a plain number inside {who}, through which no gradient flows, in "
            f"{line_of_user()}; use NumPy's functions (np.exp for math.exp), or say that it is a constant, with "
            ".item() or .detach()"
        )


_ARITHMETIC = ("__array_ufunc__", "__array_function__", "__add__", "__mul__", "__truediv__", "__matmul__", "__pow__")


def plain_array(x: Any, who: str = "Value") -> Any:
    """``x``, or an array of a subclass of ``ndarray`` as a plain one: the same memory.

    Raises ``ValueTypeError`` for numbers whose class has other arithmetic than ``ndarray`` (``np.matrix``, masked
    arrays, units): derivatives would not follow it.

    >>> plain_array(np.ones(2).view(type("Noted", (np.ndarray,), {})))
    array([1., 1.])
    """
    if not isinstance(x, np.ndarray) or type(x) is np.ndarray:
        return x
    own = [name for name in _ARITHMETIC if getattr(type(x), name) is not getattr(np.ndarray, name)]
    if own and x.dtype.kind in "fiubc":
        plain = "x.filled(0.0)" if isinstance(x, np.ma.MaskedArray) else "np.asarray(x)"
        raise ValueTypeError(
            f"{who}: an array of type {type(x).__name__} has arithmetic of its own ({own[0]}), which derivatives do "
            f"not follow; pass plain numbers: {plain}"
        )
    return x.view(np.ndarray)
