"""Arrays put together from others: blocks, chosen elements, elements left out or put in, and another number of them."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.shapes import Shape, ndim_of, shape_of
from ..core.value import Value, describe, numbers_of
from ..errors import ArgumentError, IndexRangeError, ShapeError
from .casting import of_dtype
from .joining import concatenate, stack
from .registry import function
from .reshaping import along, broadcast_to, moveaxis, ravel, reshape
from .selection import getitem, within

__all__ = ["block", "choose", "delete", "insert", "resize"]


@function(numpy=np.block, method=False)
def block(arrays: Any) -> Any:
    """One array of blocks in nested lists: the innermost lists are joined along the last axis, those around them along
    the one before it.

    Raises ``ArgumentError`` for an empty list, or lists of different depths.

    >>> block([[np.eye(2), np.zeros((2, 1))], [np.ones((1, 3))]]).shape
    (3, 3)
    """
    depth, ndim = _depth_and_axes(arrays)
    return _joined(arrays, depth, builtins.max(depth, ndim))


def _depth_and_axes(part: Any) -> tuple[int, int]:
    """How deep the lists are nested, and how many axes the array with most of them has."""
    if not isinstance(part, list):
        return 0, ndim_of(part)
    inside = [_depth_and_axes(item) for item in part]
    if len({depth for depth, _ in inside}) != 1:
        raise ArgumentError("block: needs lists that are not empty, all arrays in equally many of them")
    return inside[0][0] + 1, builtins.max(ndim for _, ndim in inside)


def _joined(part: Any, depth: int, ndim: int) -> Any:
    if not isinstance(part, list):
        return part if ndim_of(part) == ndim else reshape(part, (1,) * (ndim - ndim_of(part)) + shape_of(part))
    return concatenate([_joined(item, depth - 1, ndim) for item in part], axis=-depth)


def _picked(x: Any, places: Any, k: int) -> Any:
    return getitem(x, (..., places, *(slice(None),) * (-k - 1)))


def _places(edit: Any, x: Any, obj: Any, who: str) -> Any:
    """What ``edit`` makes of positions. Raises ``IndexRangeError`` if ``obj`` does not fit."""
    try:
        return edit()
    except (IndexError, ValueError) as error:
        raise IndexRangeError(f"{who}: the index {obj!r} does not fit {describe(x)} ({error})") from None


@function(numpy=np.choose, method=False)
def choose(indices: Any, choices: Any, mode: str = "raise") -> Any:
    """At each place the element of the array in ``choices`` whose number is there in ``indices``.

    The shapes broadcast. ``mode`` "wrap" takes numbers outside round from the other end, "clip" to the nearest one.

    Raises ``ArgumentError`` unless the indices are integers, ``IndexRangeError`` for one outside the choices.

    >>> choose([0, 1, 0], [np.array([1.0, 2.0, 3.0]), 9.0]).tolist()
    [1.0, 9.0, 3.0]
    """
    at = numbers_of(indices)
    if at.dtype.kind not in "iu":
        raise ArgumentError(f"choose: needs integer indices, got dtype {at.dtype}; convert them with .astype(int)")
    if not isinstance(choices, Value | np.ndarray):
        shape = np.broadcast_shapes(*map(shape_of, choices))
        choices = stack([x if shape_of(x) == shape else broadcast_to(x, shape) for x in choices])
    n, *inner = shape_of(choices)
    shape = np.broadcast_shapes(at.shape, tuple(inner))
    if mode == "raise" and ((at < 0) | (at >= n)).any():
        raise IndexRangeError(
            f"choose: numbers from 0 to {n - 1} choose among {n} arrays, got {indices!r}; mode='wrap' takes others"
        )
    at = np.broadcast_to(within(at, n, mode, "choose"), shape)
    grid: Any = np.indices(shape, sparse=True)[len(shape) - len(inner) :]
    return getitem(choices, (at, *(np.minimum(k, size - 1) for k, size in zip(grid, inner, strict=True))))


@function(numpy=np.delete)
def delete(x: Any, obj: Any, axis: int | None = None) -> Any:
    """``x`` without the elements, or slices along ``axis``, at ``obj``: an index, a slice, a list of indices, a mask.

    The flattened array by default. Raises ``IndexRangeError`` for an index outside the array.

    >>> delete(np.array([1.0, 2.0, 3.0]), 1).tolist()
    [1.0, 3.0]
    """
    x, k = along(x, axis, "delete")
    at = numbers_of(obj) if isinstance(obj, Value) else obj
    rest = _places(lambda: np.delete(np.arange(shape_of(x)[k]), at), x, obj, "delete")
    return _picked(x, rest, k)


@function(numpy=np.insert, note="also with respect to the values")
def insert(x: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    """``x`` with ``values`` put in before the elements, or slices along ``axis``, at ``obj``: indices, a slice, a mask.

    One index takes any number of values; several take one each. The flattened array by default.

    Raises ``IndexRangeError`` for an index outside the array, ``ShapeError`` if the values do not fit.

    >>> insert(np.array([1.0, 4.0]), 1, [2.0, 3.0]).tolist()
    [1.0, 2.0, 3.0, 4.0]
    """
    x, k = along(x, axis, "insert")
    n, ndim = shape_of(x)[k], ndim_of(x)
    at = np.arange(*obj.indices(n)) if isinstance(obj, slice) else numbers_of(obj)
    at = np.flatnonzero(at) if at.dtype == bool else at if at.size else at.astype(np.intp)  # an empty list has floats
    if ndim_of(values) < ndim:
        values = reshape(values, (1,) * (ndim - ndim_of(values)) + shape_of(values))
    if not at.ndim:  # NumPy takes the values of a lone index along their first axis
        values = moveaxis(values, 0, k)
    count = shape_of(values)[k] if at.size == 1 else at.size
    order = _places(lambda: np.insert(np.arange(n), at, np.arange(n, n + count)), x, obj, "insert")
    room = (*shape_of(x)[: ndim + k], count, *shape_of(x)[ndim + k + 1 :])
    new = of_dtype(broadcast_to(values, room), getattr(x, "dtype", float))
    return _picked(concatenate([x, new], axis=k), order, k)


@function(numpy=np.resize, method=False)
def resize(x: Any, new_shape: int | Sequence[int]) -> Any:
    """The elements in another shape: from the start again where there are too few, without the last if too many.

    Raises ``ShapeError`` if there are none to fill the shape with.

    >>> resize(np.array([1.0, 2.0, 3.0]), (2, 2)).tolist()
    [[1.0, 2.0], [3.0, 1.0]]
    """
    wanted: Shape = (int(new_shape),) if isinstance(new_shape, int | np.integer) else tuple(new_shape)
    size = math.prod(shape_of(x))
    if not size and 0 not in wanted:
        raise ShapeError(f"resize: {describe(x)} has no elements to fill the shape {wanted} with")
    return getitem(ravel(x), np.resize(np.arange(size), wanted))
