"""Calculus on a grid: differences, slopes, integrals, interpolation, and running sums and products.

The running sum is an op; all others are compositions of slices and sums.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.maps import Chain, Scan
from ..core.shapes import ndim_of, shape_of
from ..core.value import Op, describe, on_constants, on_data, record
from ..errors import ArgumentError, ShapeError
from ..semirings.summation import running
from . import elementary
from .axes import Axis, axes_of, one_axis
from .casting import astype, float_dtype, of_dtype
from .joining import concatenate
from .reductions import sum as total
from .registry import function
from .reshaping import broadcast_to, flattened, moveaxis, ravel, reshape
from .selection import getitem

__all__ = ["CumSum", "cumprod", "cumsum", "diff", "ediff1d", "gradient", "interp", "linspace", "trapezoid", "unwrap"]


def _part(x: Any, axis: int, start: int | None, stop: int | None) -> Any:
    """A slice along one axis, which is negative."""
    return getitem(x, (..., slice(start, stop), *(slice(None),) * (-axis - 1)))


@function(numpy=np.diff)
def diff(x: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Each element minus the one before it along ``axis``, ``n`` times over; first joins ``prepend`` and ``append``.

    Raises ``ShapeError`` for a scalar, ``ArgumentError`` for a negative ``n``.

    >>> diff(np.array([1.0, 4.0, 9.0])).tolist()
    [3.0, 5.0]
    """
    if not ndim_of(x):
        raise ShapeError(f"diff: needs an axis to take differences along, got {describe(x)}")
    k = one_axis(x, axis, ndim_of(x), "diff")
    if n < 0:
        raise ArgumentError(f"diff: n is how often differences are taken, at least 0; got {n}")
    if not n:
        return elementary.mul(x, 1.0)
    ends = []
    for end in (prepend, append):
        if end is not None and not ndim_of(end):
            end = broadcast_to(end, tuple(1 if j == ndim_of(x) + k else m for j, m in enumerate(shape_of(x))))
            end = astype(end, float_dtype(x))
        ends.append(end)
    if prepend is not None or append is not None:
        x = concatenate([part for part in (ends[0], x, ends[1]) if part is not None], axis=k)
    for _ in range(n):
        x = elementary.sub(_part(x, k, 1, None), _part(x, k, None, -1))
    return x


@function(numpy=np.ediff1d)
def ediff1d(x: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """The differences between neighbours of the flattened array, with ``to_begin`` before and ``to_end`` after them.

    >>> ediff1d(np.array([1.0, 4.0, 9.0]), to_end=0.0).tolist()
    [3.0, 5.0, 0.0]
    """
    flat = flattened(x)
    dtype = getattr(x, "dtype", float)
    ends = [None if end is None else of_dtype(ravel(end), dtype) for end in (to_begin, to_end)]
    return concatenate([part for part in (ends[0], diff(flat), ends[1]) if part is not None])


@function(numpy=np.unwrap, note="the steps that it adds are constants")
def unwrap(p: Any, discont: float | None = None, axis: int = -1, *, period: float = 2 * math.pi) -> Any:
    """Angles along ``axis`` without the jumps of more than half a ``period``: whole periods are added.

    Jumps up to ``discont`` are left, if that is larger than half a period.

    >>> unwrap(np.array([3.0, -3.0])).round(3).tolist()
    [3.0, 3.283]
    """
    k = one_axis(p, axis, ndim_of(p), "unwrap")

    def added(data: Any) -> Any:
        away = np.unwrap(data, discont, k, period=period) - data
        return (np.rint(away / period) * period).astype(data.dtype)

    return elementary.add(p, on_constants(added, p))


@function(numpy=np.gradient, returns="Any", note="also with respect to the spacing")
def gradient(x: Any, *spacing: Any, axis: Axis = None, edge_order: int = 1) -> Any:
    """The slope at each element from its neighbours: central differences inside, one-sided ones at the two ends.

    ``spacing`` is one distance for all axes, or for each axis a distance or the coordinates along it. Several axes give
    a tuple of results. ``edge_order`` 2 fits a parabola at the ends.

    Raises ``ArgumentError`` for another ``edge_order`` or number of distances, ``ShapeError`` without enough elements.

    Source: B. Fornberg, *Generation of finite difference formulas on arbitrarily spaced grids*, 1988.

    >>> gradient(np.array([1.0, 4.0, 9.0])).tolist()
    [3.0, 4.0, 5.0]
    """
    axes = axes_of(x, axis, "gradient")
    if axis is not None and not isinstance(axis, int | np.integer):
        axes = tuple(one_axis(x, k, ndim_of(x), "gradient") for k in axis)  # in the order given
    if edge_order not in (1, 2):
        raise ArgumentError(f"gradient: edge_order is 1 or 2, got {edge_order!r}")
    if len(spacing) not in (0, 1, len(axes)):
        raise ArgumentError(f"gradient: needs one distance, or one for each of {len(axes)} axes; got {len(spacing)}")
    steps = spacing * len(axes) if len(spacing) == 1 else spacing or (1.0,) * len(axes)
    if not axes:
        return ()
    made = [_slopes(x, k, step, edge_order) for k, step in zip(axes, steps, strict=True)]
    return made[0] if len(made) == 1 else tuple(made)


def _slopes(x: Any, k: int, step: Any, edge_order: int) -> Any:
    n = shape_of(x)[k]
    if n <= edge_order:
        raise ShapeError(f"gradient: needs {edge_order + 1} elements along each axis, got {describe(x)}")
    if not ndim_of(step):
        slopes = elementary.div(diff(x, axis=k), step)  # between neighbours
        before, after = _part(slopes, k, None, -1), _part(slopes, k, 1, None)
        inside, nearer = (before + after) * 0.5, [0.5, 0.5]
    elif shape_of(step) != (n,):
        raise ShapeError(f"gradient: coordinates of shape {shape_of(step)} for {n} elements of {describe(x)}")
    else:
        distances = reshape(diff(step), (n - 1,) + (1,) * (-k - 1))
        slopes = elementary.div(diff(x, axis=k), distances)
        before, after = _part(slopes, k, None, -1), _part(slopes, k, 1, None)
        d1, d2 = _part(distances, k, None, -1), _part(distances, k, 1, None)
        inside = (d2 * before + d1 * after) / (d1 + d2)  # each weighted by the other's distance
        nearer = [_part(d1 / (d1 + d2), k, None, 1), _part(d2 / (d1 + d2), k, -1, None)]
    start, end = _part(slopes, k, None, 1), _part(slopes, k, -1, None)
    if edge_order == 2:
        start = start + (start - _part(slopes, k, 1, 2)) * nearer[0]
        end = end + (end - _part(slopes, k, -2, -1)) * nearer[1]
    return concatenate([start, inside, end], axis=k)


@function(numpy=np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """The integral of ``y`` along ``axis`` by trapezoids: at the points ``x``, or at distances ``dx``.

    >>> from tinygrad_lite import Value
    >>> trapezoid(Value([1.0, 2.0, 3.0]), x=[0.0, 1.0, 3.0]).data
    6.5
    """
    k = one_axis(y, axis, ndim_of(y), "trapezoid")
    if x is not None:
        dx = diff(x) if ndim_of(x) == 1 else diff(x, axis=k)
        if ndim_of(x) == 1:
            dx = reshape(dx, (-1,) + (1,) * (-k - 1))
    means = (_part(y, k, 1, None) + _part(y, k, None, -1)) * 0.5
    return total(elementary.mul(means, dx), k)


@function(numpy=np.interp, method=False, note="also with respect to the grid and its values")
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None) -> Any:
    """The straight lines between the points (``xp``, ``fp``), evaluated at ``x``.

    Outside the points the value is that of the end, or ``left`` and ``right``. ``xp`` must increase. Derivatives flow
    to ``x``, ``xp``, ``fp``, ``left`` and ``right``; at a point the slope is the one to its right.

    Raises ``ShapeError`` unless ``xp`` and ``fp`` are vectors of one length, at least 1.

    >>> from tinygrad_lite import Value
    >>> x = Value(1.5)
    >>> y = interp(x, [0.0, 1.0, 2.0], [0.0, 10.0, 30.0])
    >>> y.backward()
    >>> y.data, x.grad
    (20.0, 20.0)
    """
    n = shape_of(xp)[0] if ndim_of(xp) == 1 else 0
    if n < 1 or shape_of(fp) != (n,):
        raise ShapeError(
            f"interp: needs as many points in xp as in fp, one at least; got {describe(xp)}, {describe(fp)}"
        )
    first, last = getitem(fp, 0), getitem(fp, n - 1)
    start, stop = getitem(xp, 0), getitem(xp, n - 1)
    if n == 1:
        inside = broadcast_to(first, shape_of(x))
    else:
        k = on_data(lambda at, points: np.clip(np.searchsorted(points, at, side="right"), 1, n - 1), x, xp)
        x0, x1, f0, f1 = getitem(xp, k - 1), getitem(xp, k), getitem(fp, k - 1), getitem(fp, k)
        inside = f0 + (f1 - f0) * ((x - x0) / (x1 - x0))
    out = elementary.where(on_constants(np.less, x, start), first if left is None else left, inside)
    return elementary.where(on_constants(np.greater, x, stop), last if right is None else right, out)


@function(numpy=np.linspace, method=False)
def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False, axis: int = 0) -> Any:
    """``num`` numbers at equal distances from ``start`` to ``stop`` on a new axis; with ``retstep`` their distance too.

    Raises ``ArgumentError`` for a negative ``num``.

    >>> linspace(0.0, 1.0, 3)
    array([0. , 0.5, 1. ])
    """
    if num < 0:
        raise ArgumentError(f"linspace: num is how many numbers, at least 0; got {num}")
    parts = num - 1 if endpoint else num
    shape = np.broadcast_shapes(shape_of(start), shape_of(stop))
    dtype = float_dtype(start, stop)
    share = np.reshape(np.arange(num) / max(parts, 1), (num,) + (1,) * len(shape)).astype(dtype)
    out = elementary.add(elementary.mul(start, 1 - share), elementary.mul(stop, share))
    out = moveaxis(out, 0, axis) if shape else out
    if not retstep:
        return out
    return out, elementary.div(elementary.sub(stop, start), float(parts) if parts > 0 else np.nan)


# ---- running sums and products


@dataclass(slots=True)
class CumSum(Op):
    """The running sum."""

    axis: int
    name = "cumsum"
    sign = "cumsum"
    linear = True

    def forward(self, *data: Any) -> Any:
        return running(data[0], self.axis)

    def written(self, *data: Any) -> Any:
        return np.cumsum(data[0], axis=self.axis)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        return (Scan(shape_of(operands[0]), self.axis),)


@function(numpy=(np.cumsum, np.add.accumulate))
def cumsum(x: Any, axis: int | None = None) -> Any:
    """The running sum along ``axis``; of the flattened array by default.

    >>> cumsum(np.array([1.0, 2.0, 3.0])).tolist()
    [1.0, 3.0, 6.0]
    """
    if axis is None or not ndim_of(x):
        x, axis = flattened(x), -1
    return record(CumSum(one_axis(x, axis, ndim_of(x), "cumsum")), (x,))


@function(numpy=(np.cumprod, np.multiply.accumulate))
def cumprod(x: Any, axis: int | None = None) -> Any:
    """The running product along ``axis``, of the flattened array by default.

    Its derivatives are right at zeros, to any order.
    A composition: log2(n) rounds, each multiplying products of neighbouring stretches of 1, 2, 4, … factors. One path
    leads from each product to each of its factors. NumPy multiplies in another order, and may overflow elsewhere.

    Source: W. D. Hillis and G. L. Steele, *Data parallel algorithms*, 1986.

    >>> cumprod(np.array([1.0, 2.0, 3.0])).tolist()
    [1.0, 2.0, 6.0]
    """
    if axis is None or not ndim_of(x):
        x, axis = flattened(x), -1
    k = one_axis(x, axis, ndim_of(x), "cumprod")
    n, distance = shape_of(x)[k], 1
    while distance < n:
        first, later = _part(x, k, None, distance), _part(x, k, distance, None)
        x = concatenate([first, later * _part(x, k, None, n - distance)], axis=k)
        distance *= 2
    return x if distance > 1 else elementary.mul(x, 1.0)  # never the operand itself
