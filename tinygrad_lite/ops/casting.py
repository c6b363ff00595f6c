"""Ops that keep the numbers and change their precision or their identity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.maps import Chain
from ..core.value import Op, Value, describe, raw, record
from ..errors import ValueTypeError
from .registry import function

__all__ = ["argument", "astype", "cast", "float_dtype", "floating", "of_dtype"]


class _Argument(Op):
    """The value itself, as the argument of one call: only that call differentiates with respect to it."""

    name = "argument"
    sign = "="

    def forward(self, *data: Any) -> Any:
        return data[0].view() if type(data[0]) is np.ndarray else data[0]

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        return ()


_ARGUMENT = _Argument()


@dataclass(slots=True)
class _Cast(Op):
    """The same numbers in another precision."""

    dtype: np.dtype[Any]
    name = "cast"
    sign = "cast"

    def forward(self, *data: Any) -> Any:
        return data[0] if np.iscomplexobj(data[0]) else data[0].astype(self.dtype)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        return ()


def argument(x: Value) -> Value:
    """``x`` under another identity: gradients flow to it even if ``x`` is a constant; integers become floats."""
    node: Value = record(_ARGUMENT if x.dtype.kind == "f" else _Cast(np.dtype(np.float64)), (x,))
    node.requires_grad = True
    return node


@function(numpy=getattr(np, "astype", None))  # since NumPy 2.1
def astype(x: Any, dtype: Any) -> Any:
    """The same numbers in another precision. A scalar Value stays a Python float.

    Raises ``ValueTypeError`` for a type that is not of floats: whole numbers have no derivative.

    >>> astype(Value([1.0, 2.0]), np.float32).dtype
    dtype('float32')
    """
    dtype = np.dtype(dtype)
    if dtype.kind != "f":
        raise ValueTypeError(f"astype: {describe(x)} is of floats, and {dtype} has no derivative; convert its .data")
    if not isinstance(x, Value):
        return np.asarray(x).astype(dtype)
    return record(_Cast(dtype), (x,)) if x.shape else x


def of_dtype(x: Any, dtype: Any) -> Any:
    """A number, an array or a Value in a precision; itself if it has that already, or is a scalar Value."""
    return x if getattr(x, "dtype", None) == dtype else astype(x, dtype)


def float_dtype(*xs: Any) -> np.dtype[Any]:
    """The dtype of numbers between those of ``xs``: that of their floats, float64 for integers alone."""
    return np.result_type(0.0, *(getattr(raw(x), "dtype", 0.0) for x in xs))


def floating(data: Any) -> Any:
    """An array as it is, one of integers or booleans in float64: for ops whose result lies between whole numbers."""
    return data.astype(np.float64) if data.dtype.kind in "iub" else data


def cast(x: Any, like: Value) -> Any:
    """A number, an array or a Value in the precision of another Value, whose axes it has."""
    if not like.shape or getattr(x, "dtype", like.dtype) == like.dtype:
        return x
    return record(_Cast(like.dtype), (x,)) if isinstance(x, Value) else np.asarray(x, like.dtype)
