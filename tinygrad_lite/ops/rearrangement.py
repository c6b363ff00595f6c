"""Elements rearranged: flipped, rolled, padded, repeated, and taken from or put on diagonals and triangles.

First the op, then the functions that users call.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.maps import Chain, Gather
from ..core.shapes import ndim_of, shape_of
from ..core.value import Op, Value, as_data, describe, record
from ..errors import ArgumentError, ShapeError, ValueTypeError
from . import elementary
from .axes import Axis, axes_of, deep, one_axis
from .registry import for_numpy, function
from .reshaping import along, flattened, ravel, reshape, swapaxes

__all__ = [
    "Move", "diag", "diagflat", "diagonal", "flip", "fliplr", "flipud", "pad", "repeat", "roll", "rot90", "tile",
    "tril", "triu",
]  # fmt: skip


@dataclass(slots=True)
class Move(Op):
    """Any other op whose result holds elements of its operand, or zeros. ``function`` is NumPy's.

    ``back`` is the adjoint, for an op that uses no element twice (see ``Gather``).
    """

    name: str
    sign: str
    function: Callable[[Any], Any]
    back: Callable[[Any, Callable[[], Any]], Any] | None = None
    linear = True

    def forward(self, *data: Any) -> Any:
        return self.function(data[0] if ndim_of(data[0]) else np.asarray(data[0]))

    def written(self, *data: Any) -> Any:
        return self.function(data[0])

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        return (Gather(shape_of(operands[0]), shape_of(out), self.function, self.back),)


@dataclass(slots=True)
class Padding(Move):
    """Zeros around an array, ``widths`` before and after along each axis."""

    widths: Any = ()

    def forward(self, *data: Any) -> Any:
        return among_zeros(data[0], self.widths) if ndim_of(data[0]) else super(Padding, self).forward(*data)


def among_zeros(x: Any, widths: Any, out: Any = None) -> Any:
    """``np.pad`` with zeros, in a third of its time; a compiled step pads into the same memory every time.

    >>> among_zeros(np.array([1.0, 2.0]), [(1, 2)]).tolist()
    [0.0, 1.0, 2.0, 0.0, 0.0]
    """
    if hasattr(x, "stands_for_data"):
        return x.__array_function__(among_zeros, (type(x),), (x, widths), {})
    if out is None:
        out = np.zeros([n + before + after for n, (before, after) in zip(x.shape, widths, strict=True)], x.dtype)
    else:
        out.fill(0)
    out[tuple(slice(before, before + n) for n, (before, _) in zip(x.shape, widths, strict=True))] = x
    return out


among_zeros.takes_out = True  # type: ignore[attr-defined]


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

    if mode == "constant":
        back = lambda g, zeros: g[(..., *inside)]  # noqa: E731
        out = record(Padding("pad", "pad", padded, back, widths.tolist()), (x,))
    else:
        out = record(Move("pad", "pad", padded), (x,))
    if isinstance(constant_values, Value):
        raise ValueTypeError(
            f"pad: constant_values are constants, got {describe(constant_values)}; join it with concatenate"
        )
    values = as_data(constant_values, keep_integers=True, copy=False)
    if not np.any(values):
        return out
    dtype = getattr(x, "dtype", np.float64)
    around = np.pad(np.zeros(shape_of(x), dtype), widths, constant_values=values)
    return elementary.add(out, around)


@function(numpy=np.flip)
def flip(x: Any, axis: Axis = None) -> Any:
    """The elements in reverse order along ``axis`` (all axes by default).

    >>> flip(np.array([1.0, 2.0, 3.0])).tolist()
    [3.0, 2.0, 1.0]
    """
    axes = axes_of(x, axis, "flip")
    key = (..., *(slice(None, None, -1) if k in axes else slice(None) for k in range(-ndim_of(x), 0)))
    return record(Move("flip", "flip", lambda a: a[key], lambda g, zeros: g[key]), (x,))


@function(numpy=np.roll)
def roll(x: Any, shift: int | Sequence[int], axis: Axis = None) -> Any:
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
    x, k = along(x, axis, "repeat")
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


@function(numpy=np.diagflat)
def diagflat(x: Any, k: int = 0) -> Any:
    """The matrix that has all elements, in row-major order, on its ``k``-th diagonal.

    >>> diagflat(np.array([[1.0, 2.0]])).tolist()
    [[1.0, 0.0], [0.0, 2.0]]
    """
    return diag(flattened(x), k)


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


@function(numpy=np.flipud)
def flipud(x: Any) -> Any:
    """The first axis reversed.

    >>> flipud(np.eye(2)).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    return flip(deep(x, 1, "flipud"), 0)


@function(numpy=np.fliplr)
def fliplr(x: Any) -> Any:
    """The second axis reversed.

    >>> fliplr(np.eye(2)).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    return flip(deep(x, 2, "fliplr"), 1)


@function(numpy=np.rot90)
def rot90(x: Any, k: int = 1, axes: Sequence[int] = (0, 1)) -> Any:
    """The array turned by ``k`` quarters in the plane of two axes, from the first towards the second.

    Raises ``ArgumentError`` if the two axes are the same.

    >>> rot90(np.array([[1.0, 2.0]])).tolist()
    [[2.0], [1.0]]
    """
    a, b = (one_axis(deep(x, 2, "rot90"), axis, ndim_of(x), "rot90") for axis in axes)
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
