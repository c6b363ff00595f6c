"""Array manipulation: the same elements in another shape, with other axes, or broadcast.

First the ops, then the functions that users call.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.maps import Broadcast, Chain, Reshape, Transpose
from ..core.shapes import Shape, ndim_of, shape_of
from ..core.value import Op, describe, record
from ..errors import ArgumentError, ShapeError
from .axes import Axis, axes_of, one_axis
from .registry import for_numpy, function

__all__ = [
    "BroadcastTo", "ReshapeOp", "TransposeOp", "along", "broadcast_to", "expand_dims", "flatten", "moveaxis", "ravel",
    "reshape", "rollaxis", "squeeze", "swapaxes", "transpose", "transposed",
]  # fmt: skip


@dataclass(slots=True)
class ReshapeOp(Op):
    """The same elements in the same order, in another shape."""

    shape: Shape
    name = "reshape"
    sign = "reshape"
    linear = True

    def forward(self, *data: Any) -> Any:
        return np.reshape(data[0], self.shape)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        return (Reshape(shape_of(operands[0]), shape_of(out)),)


@dataclass(slots=True)
class TransposeOp(Op):
    """The axes in another order."""

    axes: Shape  # negative
    name = "transpose"
    sign = "ᵀ"
    linear = True

    def forward(self, *data: Any) -> Any:
        return np.transpose(data[0], self.axes)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        return (Transpose(self.axes),)


@dataclass(slots=True)
class BroadcastTo(Op):
    """Elements repeated to a larger shape."""

    shape: Shape
    name = "broadcast_to"
    sign = "broadcast"
    linear = True

    def forward(self, *data: Any) -> Any:
        return np.broadcast_to(data[0], self.shape)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        return (Broadcast(shape_of(operands[0]), self.shape),)


@function()
def reshape(x: Any, *shape: Any) -> Any:
    """The same elements in another shape, given as a tuple or as numbers; one length may be -1.

    Raises ``ShapeError`` if the elements do not fit.

    >>> reshape(np.array([1.0, 2.0, 3.0, 4.0]), (2, -1)).shape
    (2, 2)
    """
    wanted = shape[0] if len(shape) == 1 and not isinstance(shape[0], int | np.integer) else shape
    wanted = tuple(operator.index(n) for n in wanted)
    size = math.prod(shape_of(x))
    if wanted.count(-1) == 1:
        rest = math.prod(n for n in wanted if n != -1)
        if rest and size % rest == 0:
            wanted = tuple(size // rest if n == -1 else n for n in wanted)
    if -1 in wanted or math.prod(wanted) != size:
        raise ShapeError(f"reshape: {describe(x)} has {size} elements, which do not fit into shape {wanted}")
    return record(ReshapeOp(wanted), (x,))


@for_numpy(np.reshape)
def _reordered(x: Any, shape: Any, order: str = "C") -> Any:
    if order not in ("C", "F"):
        raise ArgumentError(
            f"reshape: order is 'C' or 'F', got {order!r}; the layout in memory of {describe(x)} is none"
        )
    if order == "C":
        return reshape(x, shape)
    sizes = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    return transpose(reshape(transpose(x), sizes[::-1]))


def flattened(x: Any) -> Any:
    """``x`` raveled; ``x`` itself if it has one axis, which keeps an op out of its paths."""
    return x if ndim_of(x) == 1 else ravel(x)


def along(x: Any, axis: int | None, who: str) -> tuple[Any, int]:
    """``x`` and a negative axis; for ``None`` the flattened array and its axis."""
    if axis is None:
        x, axis = flattened(x), -1
    return x, one_axis(x, axis, ndim_of(x), who)


@function()
def ravel(x: Any) -> Any:
    """All elements along one axis, in row-major order.

    >>> ravel(np.eye(2)).tolist()
    [1.0, 0.0, 0.0, 1.0]
    """
    return reshape(x, (-1,)) if math.prod(shape_of(x)) else reshape(x, (0,))


@function()
def flatten(x: Any, order: str = "C") -> Any:
    """``ravel`` by the name that NumPy's method has; ``order`` "F" goes down the columns first.

    >>> flatten(np.array([[1.0, 2.0], [3.0, 4.0]]), "F").tolist()
    [1.0, 3.0, 2.0, 4.0]
    """
    return _ravel(x, order)


@for_numpy(np.ravel)
def _ravel(x: Any, order: str = "C") -> Any:
    return ravel(x if order != "F" else transpose(x))


@function(numpy=np.expand_dims)
def expand_dims(x: Any, axis: int | Sequence[int]) -> Any:
    """``x`` with new axes of length one at ``axis``.

    >>> expand_dims(np.array([1.0, 2.0]), (0, 2)).shape
    (1, 2, 1)
    """
    axes = (axis,) if isinstance(axis, int | np.integer) else tuple(axis)
    ndim = ndim_of(x) + len(axes)
    places = {one_axis(x, k, ndim, "expand_dims") + ndim for k in axes}
    own = iter(shape_of(x))
    return reshape(x, tuple(1 if k in places else next(own) for k in range(ndim)))


@function(numpy=np.squeeze)
def squeeze(x: Any, axis: Axis = None) -> Any:
    """``x`` without its axes of length one: all of them, or those in ``axis``.

    Raises ``ShapeError`` if an axis in ``axis`` is longer.

    >>> squeeze(np.array([[1.0, 2.0]])).shape
    (2,)
    """
    shape = shape_of(x)
    axes = [k - len(shape) for k, n in enumerate(shape) if n == 1] if axis is None else axes_of(x, axis, "squeeze")
    for k in axes:
        if shape[k] != 1:
            raise ShapeError(f"squeeze: axis {k} of {describe(x)} has length {shape[k]}, not one")
    return reshape(x, tuple(n for k, n in enumerate(shape) if k - len(shape) not in axes))


@function()
def transpose(x: Any, *axes: Any) -> Any:
    """The axes in another order; reversed by default.

    Raises ``ArgumentError`` unless ``axes`` names each axis once.

    >>> transpose(np.ones((2, 3, 4)), (1, 0, 2)).shape
    (3, 2, 4)
    """
    ndim = ndim_of(x)
    order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int | np.integer) else axes
    if order is None or not len(order):
        order = range(ndim)[::-1]
    places = tuple(one_axis(x, k, ndim, "transpose") for k in order)
    if sorted(places) != list(range(-ndim, 0)):
        raise ArgumentError(f"transpose: axes {tuple(order)} must name each of the {ndim} axes of {describe(x)} once")
    return record(TransposeOp(places), (x,))


@for_numpy(np.transpose)
def _transpose(x: Any, axes: Any = None) -> Any:
    return transpose(x, axes)


@for_numpy(np.matrix_transpose, np.linalg.matrix_transpose)
def transposed(x: Any) -> Any:
    """The transposes of a stack of matrices."""
    return swapaxes(x, -1, -2)


@function(numpy=np.swapaxes)
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Two axes exchanged.

    >>> swapaxes(np.ones((2, 3, 4)), 0, -1).shape
    (4, 3, 2)
    """
    ndim = ndim_of(x)
    order = list(range(-ndim, 0))
    i, j = one_axis(x, axis1, ndim, "swapaxes"), one_axis(x, axis2, ndim, "swapaxes")
    order[i], order[j] = order[j], order[i]
    return transpose(x, order)


@function(numpy=np.moveaxis)
def moveaxis(x: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """The axes ``source`` moved to the places ``destination``; the rest keep their order.

    Raises ``ArgumentError`` unless both name as many different axes.

    >>> moveaxis(np.ones((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    ndim = ndim_of(x)
    sources, targets = (
        [one_axis(x, k, ndim, "moveaxis") for k in ((axis,) if isinstance(axis, int | np.integer) else axis)]
        for axis in (source, destination)
    )
    if len(sources) != len(targets) or len(set(sources)) < len(sources) or len(set(targets)) < len(targets):
        raise ArgumentError(
            f"moveaxis: source {source!r} and destination {destination!r} must name as many different axes"
        )
    order = [k for k in range(-ndim, 0) if k not in sources]
    for target, origin in sorted(zip(targets, sources, strict=True)):
        order.insert(target + ndim, origin)
    return transpose(x, order)


@function(numpy=np.broadcast_to)
def broadcast_to(x: Any, shape: Sequence[int] | int) -> Any:
    """``x`` repeated to ``shape`` by NumPy's rules.

    Raises ``ShapeError`` if it does not broadcast to ``shape``.

    >>> broadcast_to(np.array([1.0, 2.0]), (3, 2)).shape
    (3, 2)
    """
    wanted = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    return record(BroadcastTo(wanted), (x,))


@function(numpy=np.rollaxis)
def rollaxis(x: Any, axis: int, start: int = 0) -> Any:
    """``axis`` moved to stand before the axis that is at ``start`` now.

    >>> rollaxis(np.ones((2, 3, 4)), 2).shape
    (4, 2, 3)
    """
    ndim = ndim_of(x)
    source = one_axis(x, axis, ndim, "rollaxis") + ndim
    if not -ndim <= start <= ndim:
        raise ArgumentError(f"rollaxis: start={start} does not fit {describe(x)}")
    target = start + ndim if start < 0 else start
    return moveaxis(x, source, target - (target > source))
