"""Array manipulation: ops whose result holds elements of their operand in other places.

First the ops, then the functions that users call.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.maps import Broadcast, Chain, Gather, Reshape, Transpose
from ..core.shapes import ndim_of, shape_of
from ..core.value import Op, Value, as_data, describe, raw, record
from ..errors import ArgumentError, ShapeError, ValueTypeError
from . import elementary
from .axes import axes_of, one_axis
from .registry import for_numpy, function

__all__ = [
    "BroadcastTo", "Move", "ReshapeOp", "TransposeOp", "broadcast_to", "diag", "diagonal", "expand_dims", "flip",
    "fliplr", "flipud", "moveaxis", "pad", "ravel", "repeat", "reshape", "roll", "rollaxis", "rot90", "squeeze",
    "swapaxes", "tile", "transpose", "tril", "triu",
]  # fmt: skip


Shape = tuple[int, ...]


@dataclass(slots=True)
class ReshapeOp(Op):
    """The same elements in the same order, in another shape."""

    shape: Shape
    name = "reshape"
    sign = "reshape"

    def forward(self, *data: Any) -> Any:
        return np.reshape(data[0], self.shape)

    def linear_in(self, n: int) -> Sequence[int]:
        return range(n)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        return (Reshape(shape_of(operands[0]), shape_of(out)),)


@dataclass(slots=True)
class TransposeOp(Op):
    """The axes in another order."""

    axes: Shape  # negative
    name = "transpose"
    sign = "ᵀ"

    def forward(self, *data: Any) -> Any:
        return np.transpose(data[0], self.axes)

    def linear_in(self, n: int) -> Sequence[int]:
        return range(n)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        return (Transpose(self.axes),)


@dataclass(slots=True)
class BroadcastTo(Op):
    """Elements repeated to a larger shape."""

    shape: Shape
    name = "broadcast_to"
    sign = "broadcast"

    def forward(self, *data: Any) -> Any:
        return np.broadcast_to(data[0], self.shape)

    def linear_in(self, n: int) -> Sequence[int]:
        return range(n)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        return (Broadcast(shape_of(operands[0]), self.shape),)


@dataclass(slots=True)
class Move(Op):
    """Any other op whose result holds elements of its operand, or zeros. ``function`` is NumPy's.

    ``back`` is the adjoint, for an op that uses no element twice (see ``Gather``).
    """

    name: str
    sign: str
    function: Callable[[Any], Any]
    back: Callable[[Any, Callable[[], Any]], Any] | None = None

    def forward(self, *data: Any) -> Any:
        return self.function(data[0] if ndim_of(data[0]) else np.asarray(data[0]))

    def written(self, *data: Any) -> Any:
        return self.function(data[0])

    def linear_in(self, n: int) -> Sequence[int]:
        return range(n)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        return (Gather(shape_of(operands[0]), shape_of(out), self.function, self.back),)


@function()
def reshape(x: Any, *shape: Any) -> Any:
    """The same elements in another shape, given as a tuple or as numbers; one length may be -1.

    Raises ``ShapeError`` if the elements do not fit.

    >>> reshape(Value([1.0, 2.0, 3.0, 4.0]), (2, -1)).shape
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


@function()
def ravel(x: Any) -> Any:
    """All elements along one axis, in row-major order.

    >>> ravel(np.eye(2)).tolist()
    [1.0, 0.0, 0.0, 1.0]
    """
    return reshape(x, (-1,)) if math.prod(shape_of(x)) else reshape(x, (0,))


@for_numpy(np.ravel)
def _ravel(x: Any, order: str = "C") -> Any:
    return ravel(x if order != "F" else transpose(x))


@function(numpy=np.expand_dims)
def expand_dims(x: Any, axis: int | Sequence[int]) -> Any:
    """``x`` with new axes of length one at ``axis``.

    >>> expand_dims(Value([1.0, 2.0]), (0, 2)).shape
    (1, 2, 1)
    """
    axes = (axis,) if isinstance(axis, int | np.integer) else tuple(axis)
    ndim = ndim_of(x) + len(axes)
    places = {one_axis(x, k, ndim, "expand_dims") + ndim for k in axes}
    own = iter(shape_of(x))
    return reshape(x, tuple(1 if k in places else next(own) for k in range(ndim)))


@function(numpy=np.squeeze)
def squeeze(x: Any, axis: int | Sequence[int] | None = None) -> Any:
    """``x`` without its axes of length one: all of them, or those in ``axis``.

    Raises ``ShapeError`` if an axis in ``axis`` is longer.

    >>> squeeze(Value([[1.0, 2.0]])).shape
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

    >>> transpose(Value(np.ones((2, 3, 4))), (1, 0, 2)).shape
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
def _matrix_transpose(x: Any) -> Any:
    return swapaxes(x, -1, -2)


@function(numpy=np.swapaxes)
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Two axes exchanged.

    >>> swapaxes(Value(np.ones((2, 3, 4))), 0, -1).shape
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

    >>> moveaxis(Value(np.ones((2, 3, 4))), 0, -1).shape
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

    >>> broadcast_to(Value([1.0, 2.0]), (3, 2)).shape
    (3, 2)
    """
    wanted = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    return record(BroadcastTo(wanted), (x,))


@function(numpy=np.pad, note="modes constant, edge, reflect, symmetric, wrap")
def pad(x: Any, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0) -> Any:
    """``x`` with zeros or ``constant_values`` around it, or copies: ``mode`` "edge", "reflect", "symmetric", "wrap".

    ``pad_width`` is one number, or (before, after) for each axis.

    Raises ``ArgumentError`` for another mode, ``ShapeError`` if ``pad_width`` does not fit, ``ValueTypeError`` if
    ``constant_values`` is a Value.

    >>> pad(np.array([1.0, 2.0]), (1, 2), mode="edge").tolist()
    [1.0, 1.0, 2.0, 2.0, 2.0]
    """
    if mode not in ("constant", "edge", "reflect", "symmetric", "wrap"):
        raise ArgumentError(
            f"pad: mode {mode!r} is not supported; use 'constant', 'edge', 'reflect', 'symmetric' or 'wrap'"
        )
    try:
        widths = np.broadcast_to(np.asarray(pad_width, dtype=np.intp), (ndim_of(x), 2))
    except (TypeError, ValueError):
        raise ShapeError(
            f"pad: pad_width={pad_width!r} does not fit {describe(x)}; give one number, or (before, after) per axis"
        ) from None
    inside = tuple(slice(int(a), int(a) + n) for (a, _), n in zip(widths, shape_of(x), strict=True))

    def padded(array: Any) -> Any:
        return np.pad(array, widths, mode=mode)  # type: ignore[call-overload]

    back = (lambda g, zeros: g[(..., *inside)]) if mode == "constant" else None
    out = record(Move("pad", "pad", padded, back), (x,))
    if isinstance(constant_values, Value):
        raise ValueTypeError(
            f"pad: constant_values are constants, got {describe(constant_values)}; join it with concatenate"
        )
    values = as_data(constant_values, keep_integers=True, copy=False)
    if not np.any(values):
        return out
    dtype = getattr(raw(x), "dtype", np.float64)
    around = np.pad(np.zeros(shape_of(x), dtype), widths, constant_values=values)
    return elementary.add(out, around)


@function(numpy=np.flip)
def flip(x: Any, axis: int | Sequence[int] | None = None) -> Any:
    """The elements in reverse order along ``axis`` (all axes by default).

    >>> flip(np.array([1.0, 2.0, 3.0])).tolist()
    [3.0, 2.0, 1.0]
    """
    axes = axes_of(x, axis, "flip")
    key = (..., *(slice(None, None, -1) if k in axes else slice(None) for k in range(-ndim_of(x), 0)))
    return record(Move("flip", "flip", lambda a: a[key], lambda g, zeros: g[key]), (x,))


@function(numpy=np.roll)
def roll(x: Any, shift: int | Sequence[int], axis: int | Sequence[int] | None = None) -> Any:
    """The elements moved on by ``shift`` places along ``axis``; those that leave at the end come back at the start.

    >>> roll(np.array([1.0, 2.0, 3.0]), 1).tolist()
    [3.0, 1.0, 2.0]
    """
    if axis is None:
        return reshape(roll(ravel(x), shift, 0), shape_of(x)) if ndim_of(x) != 1 else roll(x, shift, 0)
    places = [one_axis(x, k, ndim_of(x), "roll") for k in ((axis,) if isinstance(axis, int | np.integer) else axis)]
    shifts = np.broadcast_to(np.asarray(shift), (len(places),))
    there = [int(n) for n in shifts]

    def moved(a: Any, steps: list[int]) -> Any:
        return np.roll(a, steps, places)

    return record(Move("roll", "roll", lambda a: moved(a, there), lambda g, zeros: moved(g, [-n for n in there])), (x,))


@for_numpy(np.fft.fftshift)
def _fftshift(x: Any, axes: Any = None) -> Any:
    return _shifted(x, axes, 1)


@for_numpy(np.fft.ifftshift)
def _ifftshift(x: Any, axes: Any = None) -> Any:
    return _shifted(x, axes, -1)


def _shifted(x: Any, axes: Any, sign: int) -> Any:
    """The first half of each axis exchanged with the second."""
    places = range(ndim_of(x)) if axes is None else (axes,) if isinstance(axes, int | np.integer) else tuple(axes)
    return roll(x, [sign * (shape_of(x)[k] // 2) for k in places], tuple(places))


@function(numpy=np.repeat)
def repeat(x: Any, repeats: int | Sequence[int], axis: int | None = None) -> Any:
    """Each element, or slice along ``axis``, repeated in a row; the flattened array by default.

    >>> repeat(np.array([1.0, 2.0]), [1, 2]).tolist()
    [1.0, 2.0, 2.0]
    """
    if axis is None:
        x, axis = flattened(x), 0
    k = one_axis(x, axis, ndim_of(x), "repeat")
    return record(Move("repeat", "repeat", lambda a: np.repeat(a, repeats, axis=k)), (x,))


@function(numpy=np.tile)
def tile(x: Any, reps: int | Sequence[int]) -> Any:
    """Copies of the whole array, side by side along each axis.

    >>> tile(np.array([1.0, 2.0]), 2).tolist()
    [1.0, 2.0, 1.0, 2.0]
    """
    return record(Move("tile", "tile", lambda a: np.tile(a, reps)), (x,))


@function(numpy=np.diag)
def diag(x: Any, k: int = 0) -> Any:
    """The ``k``-th diagonal of a matrix, or the matrix that has a vector on that diagonal.

    Raises ``ShapeError`` for any other number of axes.

    >>> diag(np.array([1.0, 2.0])).tolist()
    [[1.0, 0.0], [0.0, 2.0]]
    """
    if ndim_of(x) not in (1, 2):
        raise ShapeError(f"diag: needs a vector or a matrix, got {describe(x)}")
    return record(Move("diag", "diag", lambda a: np.diag(a, k)), (x,))


@function(numpy=np.diagonal)
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonals of the matrices along two axes, on a new last axis.

    Raises ``ShapeError`` for fewer than two axes, ``ArgumentError`` if the two axes are the same.

    >>> diagonal(Value(np.ones((2, 3, 3)), name="x"), 0, 1, 2).shape
    (2, 3)
    """
    if ndim_of(x) < 2:
        raise ShapeError(f"diagonal: needs a matrix or a stack of them, got {describe(x)}")
    i, j = one_axis(x, axis1, ndim_of(x), "diagonal"), one_axis(x, axis2, ndim_of(x), "diagonal")
    if i == j:
        raise ArgumentError(f"diagonal: needs two different axes of {describe(x)}, got {axis1} and {axis2}")
    return record(Move("diagonal", "diag", lambda a: np.diagonal(a, offset, i, j)), (x,))


@for_numpy(np.linalg.diagonal)
def _matrix_diagonal(x: Any, offset: int = 0) -> Any:
    return diagonal(x, offset, -2, -1)


@function(numpy=np.tril)
def tril(x: Any, k: int = 0) -> Any:
    """The lower triangle of each matrix: zeros above the ``k``-th diagonal.

    Raises ``ShapeError`` for fewer than two axes.

    >>> tril(np.ones((2, 2))).tolist()
    [[1.0, 0.0], [1.0, 1.0]]
    """
    return _triangle(x, k, np.tril, "tril")


@function(numpy=np.triu)
def triu(x: Any, k: int = 0) -> Any:
    """The upper triangle of each matrix: zeros below the ``k``-th diagonal.

    Raises ``ShapeError`` for fewer than two axes.

    >>> triu(np.ones((2, 2))).tolist()
    [[1.0, 1.0], [0.0, 1.0]]
    """
    return _triangle(x, k, np.triu, "triu")


def _triangle(x: Any, k: int, function: Callable[..., Any], name: str) -> Any:
    if ndim_of(x) < 2:
        raise ShapeError(f"{name}: needs a matrix or a stack of them, got {describe(x)}")

    def back(g: Any, zeros: Callable[[], Any]) -> Any:
        return np.where(function(np.ones(shape_of(x)[-2:], dtype=bool), k), g, zeros())

    return record(Move(name, name, lambda a: function(a, k), back), (x,))


def _deep(x: Any, ndim: int, who: str) -> Any:
    if ndim_of(x) < ndim:
        raise ShapeError(f"{who}: needs {ndim} axes at least, got {describe(x)}")
    return x


# ---- turning


@function(numpy=np.flipud)
def flipud(x: Any) -> Any:
    """The first axis reversed.

    >>> flipud(np.eye(2)).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    return flip(_deep(x, 1, "flipud"), 0)


@function(numpy=np.fliplr)
def fliplr(x: Any) -> Any:
    """The second axis reversed.

    >>> fliplr(np.eye(2)).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    return flip(_deep(x, 2, "fliplr"), 1)


@function(numpy=np.rot90)
def rot90(x: Any, k: int = 1, axes: Sequence[int] = (0, 1)) -> Any:
    """The array turned by ``k`` quarters in the plane of two axes, from the first towards the second.

    Raises ``ArgumentError`` if the two axes are the same.

    >>> rot90(np.array([[1.0, 2.0]])).tolist()
    [[2.0], [1.0]]
    """
    a, b = (one_axis(_deep(x, 2, "rot90"), axis, ndim_of(x), "rot90") for axis in axes)
    if a == b:
        raise ArgumentError(f"rot90: needs two different axes of {describe(x)}, got {tuple(axes)}")
    match operator.index(k) % 4:
        case 1:
            return swapaxes(flip(x, b), a, b)
        case 2:
            return flip(x, (a, b))
        case 3:
            return flip(swapaxes(x, a, b), b)
    return flip(x, ())


@function(numpy=np.rollaxis)
def rollaxis(x: Any, axis: int, start: int = 0) -> Any:
    """``axis`` moved to stand before the axis that is at ``start`` now.

    >>> rollaxis(Value(np.ones((2, 3, 4))), 2).shape
    (4, 2, 3)
    """
    ndim = ndim_of(x)
    source = one_axis(x, axis, ndim, "rollaxis") + ndim
    if not -ndim <= start <= ndim:
        raise ArgumentError(f"rollaxis: start={start} does not fit {describe(x)}")
    target = start + ndim if start < 0 else start
    return moveaxis(x, source, target - (target > source))
