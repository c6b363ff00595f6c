"""Variance, and reductions that skip NaN."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from ..core.elementwise import Elementwise, _generated
from ..core.elementwise_derivatives import TABLE
from ..core.shapes import shape_of
from ..core.value import describe, on_constants, record
from ..errors import ArgumentError
from . import elementary
from .axes import Axis, axes_of
from .calculus import cumprod, cumsum
from .reductions import Extremum, Max, Min, _kept, _mask, masked, mean, nonempty, prod, sum
from .registry import function

__all__ = [
    "nancumprod", "nancumsum", "nanmax", "nanmean", "nanmin", "nanprod", "nanstd", "nansum", "nanvar", "std", "var",
]  # fmt: skip


def _numbers(x: Any) -> Any:
    """Where ``x`` is not NaN."""
    return on_constants(lambda data: ~np.isnan(data), x)


@function(numpy=np.nansum)
def nansum(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The sum of the elements that are not NaN.

    >>> from tinygrad_lite import Value
    >>> x = Value([1.0, float("nan"), 3.0])
    >>> y = nansum(x)
    >>> y.backward()
    >>> y.data, x.grad
    (4.0, array([1., 0., 1.]))
    """
    return sum(x, axis, keepdims, where=_numbers(x))


@function(numpy=np.nanprod)
def nanprod(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The product of the elements that are not NaN.

    >>> float(nanprod(np.array([1.0, np.nan, 3.0])))
    3.0
    """
    return prod(x, axis, keepdims, where=_numbers(x))


@function(numpy=np.nanmean)
def nanmean(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The mean of the elements that are not NaN.

    >>> float(nanmean(np.array([1.0, np.nan, 3.0])))
    2.0
    """
    return mean(x, axis, keepdims, where=_numbers(x))


@function(numpy=np.nanvar)
def nanvar(
    x: Any, axis: Axis = None, keepdims: bool = False, ddof: float = 0, *, correction: float | None = None
) -> Any:
    """The variance of the elements that are not NaN.

    >>> float(nanvar(np.array([1.0, np.nan, 3.0])))
    1.0
    """
    return var(x, axis, keepdims, ddof, correction=correction, where=_numbers(x))


@function(numpy=np.nanstd)
def nanstd(
    x: Any, axis: Axis = None, keepdims: bool = False, ddof: float = 0, *, correction: float | None = None
) -> Any:
    """The standard deviation of the elements that are not NaN.

    >>> float(nanstd(np.array([1.0, np.nan, 3.0])))
    1.0
    """
    return std(x, axis, keepdims, ddof, correction=correction, where=_numbers(x))


@function(numpy=np.nanmax)
def nanmax(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The largest element that is not NaN; NaN if there is none.

    >>> float(nanmax(np.array([1.0, np.nan, 3.0])))
    3.0
    """
    return _nan_extreme(Max, x, axis, keepdims)


@function(numpy=np.nanmin)
def nanmin(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The smallest element that is not NaN; NaN if there is none.

    >>> float(nanmin(np.array([1.0, np.nan, 3.0])))
    1.0
    """
    return _nan_extreme(Min, x, axis, keepdims)


def _nan_extreme(op: type[Extremum], x: Any, axis: Any, keepdims: bool) -> Any:
    axes = axes_of(x, axis, f"nan{op.name}")
    nonempty(x, axes, f"nan{op.name}")
    numbers = _numbers(x)
    out = record(op(axes, keepdims), (masked(x, numbers, -math.inf if op is Max else math.inf, op.name),))
    some = on_constants(lambda m: np.any(m, axis=axes, keepdims=keepdims), numbers)
    return elementary.where(some, out, math.nan)


@function(numpy=np.nancumprod)
def nancumprod(x: Any, axis: int | None = None) -> Any:
    """The running product of the elements that are not NaN.

    >>> nancumprod(np.array([2.0, np.nan, 3.0])).tolist()
    [2.0, 2.0, 6.0]
    """
    return cumprod(masked(x, _numbers(x), 1.0, "nancumprod"), axis)


@function(numpy=np.nancumsum)
def nancumsum(x: Any, axis: int | None = None) -> Any:
    """The running sum of the elements that are not NaN.

    >>> nancumsum(np.array([1.0, np.nan, 3.0])).tolist()
    [1.0, 1.0, 4.0]
    """
    return cumsum(masked(x, _numbers(x), 0.0, "nancumsum"), axis)


@function(numpy=np.var)
def var(
    x: Any,
    axis: Axis = None,
    keepdims: bool = False,
    ddof: float = 0,
    *,
    correction: float | None = None,
    where: Any = None,
) -> Any:
    """The variance along ``axis``, ``Σ(x - mean)² / (n - ddof)``: a composition. ``correction`` is ``ddof`` too.

    Raises ``ShapeError`` without elements along ``axis``, ``ArgumentError`` unless there are more than ``ddof``.

    >>> from tinygrad_lite import Value
    >>> var(Value([1.0, 3.0])).data
    1.0
    """
    ddof = ddof if correction is None else correction
    axes = axes_of(x, axis, "var")
    nonempty(x, axes, "var")
    if where is not None:
        mask = _mask(x, where, "var")
        x = masked(x, mask, 0.0, "var")  # an element left out may be NaN, and 0 times NaN is NaN
        away = masked(x - mean(x, axes, keepdims=True, where=mask), mask, 0.0, "var")
        return sum(elementary.square(away), axes, keepdims) / (_kept(mask, x, axes, keepdims) - ddof)
    n = math.prod(shape_of(x)[k] for k in axes)
    if n <= ddof:
        raise ArgumentError(
            f"var: ddof={ddof} leaves no degree of freedom for {n} elements of {describe(x)}; lower ddof"
        )
    return sum(elementary.square(x - mean(x, axes, keepdims=True)), axes, keepdims) / (n - ddof)


# The root of a sum of squares: 0 where it is 0, as ``norm``, and there a factor of it cancels in ``std(x)**2``.
_root = _generated(
    Elementwise(replace(TABLE["sqrt"], derivatives=("0.5 * where(out == 0, 0, 1 / out)",), numerators=("0.5",)))
)


@function(numpy=np.std, note="at deviation 0 the derivative is 0")
def std(
    x: Any,
    axis: Axis = None,
    keepdims: bool = False,
    ddof: float = 0,
    *,
    correction: float | None = None,
    where: Any = None,
) -> Any:
    """The standard deviation along ``axis``: √var. Where all elements are equal its derivative is 0, as that of norm.

    >>> from tinygrad_lite import Value
    >>> std(Value([1.0, 3.0])).data
    1.0
    """
    out = var(x, axis, keepdims, ddof, correction=correction, where=where)
    if where is None and math.prod(shape_of(x)[k] for k in axes_of(x, axis, "std")) == 1:
        return out  # of one element both are 0 wherever it is, with all their derivatives
    return _root(out)
