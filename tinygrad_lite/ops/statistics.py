"""Variance, quantiles, and reductions that skip NaN."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.shapes import ndim_of, shape_of
from ..core.value import Value, describe, on_constants, on_data, raw, record
from ..errors import ArgumentError, ShapeError, ValueTypeError
from . import elementary
from .axes import Axis, axes_of
from .calculus import cumsum
from .manipulation import expand_dims, moveaxis, reshape
from .reductions import Extremum, Max, Min, _kept, _mask, masked, mean, nonempty, prod, sum
from .registry import function
from .selection import sort

__all__ = [
    "median", "nancumsum", "nanmax", "nanmean", "nanmin", "nanprod", "nanstd", "nansum", "nanvar", "percentile",
    "quantile", "std", "var",
]  # fmt: skip


def _numbers(x: Any) -> Any:
    """Where ``x`` is not NaN."""
    return on_constants(lambda data: ~np.isnan(data), x)


@function(numpy=np.nansum)
def nansum(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The sum of the elements that are not NaN.

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


@function(numpy=np.nancumsum)
def nancumsum(x: Any, axis: int | None = None) -> Any:
    """The running sum of the elements that are not NaN.

    >>> nancumsum(np.array([1.0, np.nan, 3.0])).tolist()
    [1.0, 1.0, 4.0]
    """
    return cumsum(masked(x, _numbers(x), 0.0, "nancumsum"), axis)


# ---- quantiles


_PLACES: dict[str, Callable[[Any], Any]] = {
    "linear": lambda place: place,
    "lower": np.floor,
    "higher": np.ceil,
    "nearest": np.rint,
    "midpoint": lambda place: (np.floor(place) + np.ceil(place)) / 2,
}
"""Where among the sorted elements a quantile is, from q (n - 1)."""


@function(numpy=np.quantile, note="q is a constant; methods linear, lower, higher, nearest, midpoint")
def quantile(x: Any, q: Any, axis: Axis = None, keepdims: bool = False, *, method: str = "linear") -> Any:
    """The value below which a share ``q`` of the elements along ``axis`` lies, interpolated by ``method``.

    ``q`` is a number from 0 to 1 or an array of them, whose axes come first in the result. ``method`` is "linear",
    "lower", "higher", "nearest" or "midpoint". The result is NaN if one of the elements is.

    Raises ``ArgumentError`` for another ``q`` or ``method``, ``ShapeError`` if there are no elements along ``axis``.

    >>> x = Value([4.0, 1.0, 3.0, 2.0])
    >>> y = quantile(x, 0.25)
    >>> y.backward()
    >>> y.data, x.grad
    (1.75, array([0.  , 0.25, 0.  , 0.75]))
    """
    return _quantile(x, q, axis, keepdims, method, "quantile")


@function(numpy=np.percentile, note="as `quantile`")
def percentile(x: Any, q: Any, axis: Axis = None, keepdims: bool = False, *, method: str = "linear") -> Any:
    """``quantile`` of ``q / 100``.

    >>> percentile(Value([4.0, 1.0, 3.0, 2.0]), 25).data
    1.75
    """
    return _quantile(x, np.true_divide(_constant(q, "percentile"), 100), axis, keepdims, method, "percentile")


@function(numpy=np.median)
def median(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The element in the middle; the mean of the two in the middle if their number is even.

    >>> median(Value([4.0, 1.0, 3.0])).data
    3.0
    """
    return _quantile(x, 0.5, axis, keepdims, "linear", "median")


def _constant(q: Any, who: str) -> Any:
    if isinstance(q, Value):
        raise ValueTypeError(f"{who}: q is a constant, got {describe(q)}; pass its .data")
    return np.asarray(q, dtype=float)


def _quantile(x: Any, q: Any, axis: Any, keepdims: bool, method: str, who: str) -> Any:
    q = _constant(q, who)
    if not np.all((q >= 0) & (q <= 1)):
        raise ArgumentError(f"{who}: a share is from 0 to 1, a percentage from 0 to 100; got q={q}")
    if method not in _PLACES:
        raise ArgumentError(f"{who}: method={method!r} is not supported; use one of {', '.join(_PLACES)}")
    axes = axes_of(x, axis, who)
    shape, ndim = shape_of(x), ndim_of(x)
    rest = [k for k in range(-ndim, 0) if k not in axes]
    flat = reshape(
        moveaxis(x, rest, range(len(rest))), (*(shape[k] for k in rest), int(np.prod([shape[k] for k in axes])))
    )
    n = shape_of(flat)[-1]
    if not n:
        raise ShapeError(f"{who}: {describe(x)} has no elements along the axes {axes}")
    ordered = sort(flat)
    place = _PLACES[method](q.reshape(-1) * (n - 1))
    low = np.floor(place).astype(np.intp)
    share = (place - low).astype(getattr(raw(x), "dtype", float))
    if np.any(share):
        # A place on an element takes that element twice, by a half: 0 times an infinite neighbour would be NaN.
        high, share = low + (share > 0), np.where(share > 0, share, share.dtype.type(0.5))
        out = ordered[..., low] * (1 - share) + ordered[..., high] * share
    else:
        out = ordered[..., low]
    if on_data(lambda data: bool(np.isnan(data).any()), flat):
        out = elementary.where(on_constants(lambda data: np.isnan(data).any(-1, keepdims=True), flat), np.nan, out)
    out = reshape(moveaxis(out, -1, 0), q.shape + tuple(shape[k] for k in rest))
    return expand_dims(out, axes) if keepdims else out


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


@function(numpy=np.std, note="at deviation 0 it is not differentiable, as √")
def std(
    x: Any,
    axis: Axis = None,
    keepdims: bool = False,
    ddof: float = 0,
    *,
    correction: float | None = None,
    where: Any = None,
) -> Any:
    """The standard deviation along ``axis``: √var.

    >>> std(Value([1.0, 3.0])).data
    1.0
    """
    return elementary.sqrt(var(x, axis, keepdims, ddof, correction=correction, where=where))
