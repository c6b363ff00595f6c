"""Reductions of what is not NaN: those of ``reductions`` with a mask."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import elementary
from .axes import axes_of
from .reductions import Extremum, Max, Min, cumsum, masked, mean, nonempty, prod, std, sum, var
from .value import on_constants, record

__all__ = ["nancumsum", "nanmax", "nanmean", "nanmin", "nanprod", "nanstd", "nansum", "nanvar"]


def _numbers(x: Any) -> Any:
    """Where ``x`` is not NaN."""
    return on_constants(lambda data: ~np.isnan(data), x)


def nansum(x: Any, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Any:
    """The sum of what is not NaN.

    >>> from tinygrad_lite import Value
    >>> x = Value([1.0, float("nan"), 3.0])
    >>> y = nansum(x)
    >>> y.backward()
    >>> y.data, x.grad
    (4.0, array([1., 0., 1.]))
    """
    return sum(x, axis, keepdims, where=_numbers(x))


def nanprod(x: Any, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Any:
    """The product of what is not NaN."""
    return prod(x, axis, keepdims, where=_numbers(x))


def nanmean(x: Any, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Any:
    """The mean of what is not NaN."""
    return mean(x, axis, keepdims, where=_numbers(x))


def nanvar(x: Any, axis: int | Sequence[int] | None = None, keepdims: bool = False, ddof: float = 0) -> Any:
    """The variance of what is not NaN."""
    return var(x, axis, keepdims, ddof, where=_numbers(x))


def nanstd(x: Any, axis: int | Sequence[int] | None = None, keepdims: bool = False, ddof: float = 0) -> Any:
    """The standard deviation of what is not NaN."""
    return std(x, axis, keepdims, ddof, where=_numbers(x))


def nanmax(x: Any, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Any:
    """The largest element that is not NaN; NaN where there is none."""
    return _nan_extreme(Max, x, axis, keepdims)


def nanmin(x: Any, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Any:
    """The smallest element that is not NaN; NaN where there is none."""
    return _nan_extreme(Min, x, axis, keepdims)


def _nan_extreme(op: type[Extremum], x: Any, axis: Any, keepdims: bool) -> Any:
    axes = axes_of(x, axis, f"nan{op.name}")
    nonempty(x, axes, f"nan{op.name}")
    numbers = _numbers(x)
    out = record(op(axes, keepdims), (masked(x, numbers, -math.inf if op is Max else math.inf, op.name),))
    some = on_constants(lambda m: np.any(m, axis=axes, keepdims=keepdims), numbers)
    return elementary.where(some, out, math.nan)


def nancumsum(x: Any, axis: int | None = None) -> Any:
    """The running sum of what is not NaN."""
    return cumsum(masked(x, _numbers(x), 0.0, "nancumsum"), axis)
