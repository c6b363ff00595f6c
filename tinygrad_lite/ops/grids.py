"""Grids: the coordinates of their points, and numbers at equal ratios."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.shapes import ndim_of, shape_of
from ..core.value import describe, on_data
from ..errors import ArgumentError, ShapeError
from . import elementary
from .calculus import linspace
from .casting import float_dtype
from .registry import function
from .reshaping import broadcast_to, expand_dims, moveaxis, reshape

__all__ = ["geomspace", "logspace", "meshgrid"]


@function(numpy=np.meshgrid, method=False, returns="tuple[Value, ...]")
def meshgrid(*xs: Any, sparse: bool = False, indexing: str = "xy") -> tuple[Any, ...]:
    """The coordinates of all points of a grid, one array for each vector in ``xs``.

    Axis k of the results is that of vector k; with ``indexing="xy"`` the first two are exchanged. ``sparse`` leaves
    axes along which a coordinate does not change at length one.

    Raises ``ArgumentError`` for another ``indexing``, ``ShapeError`` for matrices.

    >>> x, y = meshgrid(np.array([1.0, 2.0]), np.array([3.0, 4.0, 5.0]))
    >>> x.shape, y[:, 0].tolist()
    ((3, 2), [3.0, 4.0, 5.0])
    """
    if indexing not in ("xy", "ij"):
        raise ArgumentError(f"meshgrid: indexing is 'xy' or 'ij', got {indexing!r}")
    if any(ndim_of(x) > 1 for x in xs):
        raise ShapeError("meshgrid: needs vectors, or numbers, got " + ", ".join(map(describe, xs)))
    places = list(range(len(xs)))
    if indexing == "xy":
        places[:2] = places[:2][::-1]
    sizes = [shape_of(x)[0] if ndim_of(x) else 1 for x in xs]
    whole = tuple(sizes[place] for place in places)
    made = [
        reshape(x, tuple(n if place == axis else 1 for axis in range(len(xs))))
        for x, n, place in zip(xs, sizes, places, strict=True)
    ]
    return tuple(made if sparse else [broadcast_to(x, whole) for x in made])


@function(numpy=np.logspace, method=False, note="also with respect to the base")
def logspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0, axis: int = 0) -> Any:
    """``base`` to the power of each of ``linspace(start, stop, num, endpoint)``, on a new axis.

    >>> logspace(0.0, 2.0, 3).round(12).tolist()
    [1.0, 10.0, 100.0]
    """
    ndim = max(ndim_of(start), ndim_of(stop), ndim_of(base))
    if ndim_of(base):
        ends = (start, stop, base)
        start, stop, base = (reshape(x, (1,) * (ndim - n) + shape_of(x)) if (n := ndim_of(x)) else x for x in ends)
        base = expand_dims(base, axis)
    return elementary.pow(base, linspace(start, stop, num, endpoint, axis=axis))


@function(numpy=np.geomspace, method=False, note="in real numbers: both ends of one sign")
def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, axis: int = 0) -> Any:
    """``num`` numbers at equal ratios from ``start`` to ``stop``, on a new axis.

    Raises ``ArgumentError`` for a negative ``num``, or unless both ends have the same sign and are not 0.

    >>> geomspace(1.0, 100.0, 3).round(12).tolist()
    [1.0, 10.0, 100.0]
    """
    if not on_data(lambda a, b: bool(np.all(np.sign(a) * np.sign(b) > 0)), start, stop):
        raise ArgumentError(
            f"geomspace: numbers at equal ratios have one sign and are not 0; got {describe(start)}, {describe(stop)}"
        )
    shape = np.broadcast_shapes(shape_of(start), shape_of(stop))
    dtype = float_dtype(start, stop)
    share = np.reshape(linspace(0.0, 1.0, num, endpoint), (num,) + (1,) * len(shape)).astype(dtype)
    out = elementary.mul(start, elementary.pow(elementary.div(stop, start), share))
    return moveaxis(out, 0, axis) if shape else out
