"""Quantiles, with and without NaN: compositions of sorting and interpolation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.shapes import ndim_of, shape_of
from ..core.value import Value, describe, on_constants, on_data
from ..errors import ArgumentError, ShapeError, ValueTypeError
from . import elementary
from .axes import Axis, axes_of
from .casting import float_dtype
from .registry import function
from .reshaping import expand_dims, moveaxis, reshape
from .selection import getitem, sort, take_along_axis

__all__ = ["median", "nanmedian", "nanpercentile", "nanquantile", "percentile", "quantile"]


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


@function(numpy=np.nanquantile, note="as `quantile`")
def nanquantile(x: Any, q: Any, axis: Axis = None, keepdims: bool = False, *, method: str = "linear") -> Any:
    """``quantile`` of the elements that are not NaN; NaN where there is none.

    >>> nanquantile(Value([4.0, float("nan"), 2.0]), 0.25).data
    2.5
    """
    return _quantile(x, q, axis, keepdims, method, "nanquantile", skip=True)


@function(numpy=np.nanpercentile, note="as `quantile`")
def nanpercentile(x: Any, q: Any, axis: Axis = None, keepdims: bool = False, *, method: str = "linear") -> Any:
    """``percentile`` of the elements that are not NaN; NaN where there is none.

    >>> nanpercentile(Value([4.0, float("nan"), 2.0]), 25).data
    2.5
    """
    q = np.true_divide(_constant(q, "nanpercentile"), 100)
    return _quantile(x, q, axis, keepdims, method, "nanpercentile", skip=True)


@function(numpy=np.nanmedian)
def nanmedian(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """``median`` of the elements that are not NaN; NaN where there is none.

    >>> nanmedian(Value([4.0, float("nan"), 2.0])).data
    3.0
    """
    return _quantile(x, 0.5, axis, keepdims, "linear", "nanmedian", skip=True)


def _constant(q: Any, who: str) -> Any:
    if isinstance(q, Value):
        raise ValueTypeError(f"{who}: q is a constant, got {describe(q)}; pass its .data")
    return np.asarray(q, dtype=float)


def _quantile(x: Any, q: Any, axis: Any, keepdims: bool, method: str, who: str, skip: bool = False) -> Any:
    """A quantile by the name ``who``, of the elements that are not NaN if ``skip``."""
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
    if skip:  # NaN are sorted behind the numbers
        n = on_data(lambda data: np.maximum(np.sum(~np.isnan(data), -1, keepdims=True), 1), flat)
    ordered = sort(flat)
    place = _PLACES[method](q.reshape(-1) * (n - 1))
    low = np.floor(place).astype(np.intp)
    share = (place - low).astype(float_dtype(x))
    if np.any(share):
        # A place on an element takes that element twice, by a half: 0 times an infinite neighbour would be NaN.
        high, share = low + (share > 0), np.where(share > 0, share, share.dtype.type(0.5))
        out = _at(ordered, low) * (1 - share) + _at(ordered, high) * share
    else:
        out = _at(ordered, low)
    if not skip and on_data(lambda data: bool(np.isnan(data).any()), flat):
        out = elementary.where(on_constants(lambda data: np.isnan(data).any(-1, keepdims=True), flat), np.nan, out)
    out = reshape(moveaxis(out, -1, 0), q.shape + tuple(shape[k] for k in rest))
    return expand_dims(out, axes) if keepdims else out


def _at(ordered: Any, places: Any) -> Any:
    """The elements along the last axis at places, of their own in each row if they have more axes."""
    return getitem(ordered, (..., places)) if places.ndim < 2 else take_along_axis(ordered, places, -1)
