"""Compositions of moves, sums and products: joining, cutting and turning arrays, and products by name."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from . import elementary
from .axes import one_axis
from .errors import ArgumentError, ShapeError
from .moves import concatenate, flattened, flip, getitem, moveaxis, reshape, split, swapaxes, take, transpose
from .products import tensordot
from .reductions import sum as total
from .value import describe, ndim_of, on_constants, raw, shape_of

__all__ = [
    "append", "array_split", "atleast_1d", "atleast_2d", "atleast_3d", "column_stack", "cross", "dsplit", "dstack",
    "fliplr", "flipud", "hsplit", "hstack", "inner", "kron", "nan_to_num", "rollaxis", "rot90", "select",
    "take_along_axis", "vdot", "vecdot", "vsplit", "vstack",
]  # fmt: skip


# ---- joining


def _each(xs: Sequence[Any], at_least: Any) -> list[Any]:
    return [at_least(x) for x in xs]


def _one_or_all(made: list[Any]) -> Any:
    return made[0] if len(made) == 1 else tuple(made)


def atleast_1d(*xs: Any) -> Any:
    """``x`` with one axis at least; of several a tuple."""
    return _one_or_all([x if ndim_of(x) else reshape(x, (1,)) for x in xs])


def atleast_2d(*xs: Any) -> Any:
    """``x`` with two axes at least, new ones in front; of several a tuple."""
    return _one_or_all([x if ndim_of(x) > 1 else reshape(x, (1, -1) if shape_of(x) != (0,) else (1, 0)) for x in xs])


def atleast_3d(*xs: Any) -> Any:
    """``x`` with three axes at least: (n,) becomes (1, n, 1), and (m, n) becomes (m, n, 1); of several a tuple."""
    made = []
    for x in xs:
        shape = shape_of(x)
        made.append(x if len(shape) > 2 else reshape(x, (*shape, 1) if len(shape) == 2 else (1, *(shape or (1,)), 1)))
    return _one_or_all(made)


def vstack(xs: Sequence[Any]) -> Any:
    """Joined one below the other; vectors are rows."""
    return concatenate(_each(xs, atleast_2d), axis=0)


def hstack(xs: Sequence[Any]) -> Any:
    """Joined side by side: along the second axis, of vectors the only one."""
    xs = _each(xs, atleast_1d)
    return concatenate(xs, axis=0 if xs and ndim_of(xs[0]) == 1 else 1)


def dstack(xs: Sequence[Any]) -> Any:
    """Joined along the third axis."""
    return concatenate(_each(xs, atleast_3d), axis=2)


def column_stack(xs: Sequence[Any]) -> Any:
    """Joined side by side; vectors are columns."""
    return concatenate([x if ndim_of(x) > 1 else transpose(atleast_2d(x)) for x in xs], axis=1)


def append(x: Any, values: Any, axis: int | None = None) -> Any:
    """``values`` after ``x`` along ``axis``; both flattened by default."""
    return concatenate([x, values], axis=axis)


# ---- cutting


def array_split(x: Any, sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """Cut along ``axis`` into as many parts, the first ones longer by one where they are not equal."""
    if not isinstance(sections, int | np.integer):
        return split(x, sections, axis)
    n = shape_of(x)[one_axis(x, axis, ndim_of(x), "array_split")]
    if sections < 1:
        raise ArgumentError(f"array_split: needs at least one part, got {sections} for {describe(x)}")
    size, longer = divmod(n, int(sections))
    starts = [k * size + min(k, longer) for k in range(int(sections) + 1)]
    k = one_axis(x, axis, ndim_of(x), "array_split")
    return [getitem(x, (..., slice(a, b), *(slice(None),) * (-k - 1))) for a, b in pairwise(starts)]


def vsplit(x: Any, sections: int | Sequence[int]) -> list[Any]:
    """Cut along the first axis."""
    return split(_deep(x, 2, "vsplit"), sections, 0)


def hsplit(x: Any, sections: int | Sequence[int]) -> list[Any]:
    """Cut along the second axis, of a vector the only one."""
    return split(_deep(x, 1, "hsplit"), sections, 1 if ndim_of(x) > 1 else 0)


def dsplit(x: Any, sections: int | Sequence[int]) -> list[Any]:
    """Cut along the third axis."""
    return split(_deep(x, 3, "dsplit"), sections, 2)


def _deep(x: Any, ndim: int, who: str) -> Any:
    if ndim_of(x) < ndim:
        raise ShapeError(f"{who}: needs {ndim} axes at least, got {describe(x)}")
    return x


# ---- turning


def flipud(x: Any) -> Any:
    """The first axis reversed."""
    return flip(_deep(x, 1, "flipud"), 0)


def fliplr(x: Any) -> Any:
    """The second axis reversed."""
    return flip(_deep(x, 2, "fliplr"), 1)


def rot90(x: Any, k: int = 1, axes: Sequence[int] = (0, 1)) -> Any:
    """Turned by ``k`` quarters in the plane of two axes, from the first towards the second."""
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


def rollaxis(x: Any, axis: int, start: int = 0) -> Any:
    """``axis`` moved to stand before the axis that is at ``start`` now."""
    ndim = ndim_of(x)
    source = one_axis(x, axis, ndim, "rollaxis") + ndim
    if not -ndim <= start <= ndim:
        raise ArgumentError(f"rollaxis: start={start} does not fit {describe(x)}")
    target = start + ndim if start < 0 else start
    return moveaxis(x, source, target - (target > source))


def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Any:
    """The element at each index along ``axis``, its other indices being the place of the index itself."""
    indices = np.asarray(raw(indices))
    if indices.dtype.kind not in "iu":
        raise ArgumentError(f"take_along_axis: needs integer indices, got dtype {indices.dtype}; use .astype(int)")
    if axis is None:
        return take(x, np.reshape(indices, -1))
    if indices.ndim != ndim_of(x):
        raise ShapeError(
            f"take_along_axis: needs as many axes in indices, of shape {indices.shape}, as in {describe(x)}"
        )
    k = one_axis(x, axis, ndim_of(x), "take_along_axis") + ndim_of(x)
    key = [np.arange(n).reshape([-1 if j == i else 1 for j in range(indices.ndim)]) for i, n in enumerate(shape_of(x))]
    key[k] = indices
    return getitem(x, tuple(key))


def nan_to_num(x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Any:
    """``x`` with numbers in the place of NaN and infinities, from which nothing flows back."""
    finite = on_constants(np.isfinite, x)
    instead = on_constants(lambda data: np.nan_to_num(data, nan=nan, posinf=posinf, neginf=neginf), x)
    return elementary.where(finite, x, instead)


def select(conditions: Sequence[Any], choices: Sequence[Any], default: Any = 0.0) -> Any:
    """At each element the choice of the first condition that holds there, ``default`` where none does."""
    if not conditions or len(conditions) != len(choices):
        raise ArgumentError(
            f"select: needs a choice for each condition, one at least; got {len(conditions)} and {len(choices)}"
        )
    out = default
    for condition, choice in zip(reversed(conditions), reversed(choices), strict=True):
        out = elementary.where(condition, choice, out)
    return out


# ---- products


def inner(a: Any, b: Any) -> Any:
    """The sum of products over the last axis of both; with a scalar the product."""
    if not ndim_of(a) or not ndim_of(b):
        return elementary.mul(a, b)
    return tensordot(a, b, axes=((-1,), (-1,)))


def vdot(a: Any, b: Any) -> Any:
    """The sum of products of all elements, in row-major order."""
    return inner(flattened(a), flattened(b))


def vecdot(a: Any, b: Any) -> Any:
    """The sums of products over the last axis, the axes before it broadcast."""
    return total(elementary.mul(_deep(a, 1, "vecdot"), _deep(b, 1, "vecdot")), -1)


def kron(a: Any, b: Any) -> Any:
    """The Kronecker product: each element of ``a`` times all of ``b``."""
    ndim = max(ndim_of(a), ndim_of(b))
    a, b = (reshape(x, (1,) * (ndim - ndim_of(x)) + shape_of(x)) for x in (a, b))
    pairs = tensordot(a, b, axes=0)
    order = [k for pair in zip(range(ndim), range(ndim, 2 * ndim), strict=True) for k in pair]
    return reshape(transpose(pairs, order), tuple(m * n for m, n in zip(shape_of(a), shape_of(b), strict=True)))


def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """The vector product of vectors of three components, along the given axes of ``a``, ``b`` and the result."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = (moveaxis(_deep(x, 1, "cross"), k, -1) for x, k in ((a, axisa), (b, axisb)))
    if shape_of(a)[-1] != 3 or shape_of(b)[-1] != 3:
        raise ShapeError(
            f"cross: needs vectors of three components, got {describe(a)} and {describe(b)}; add a third that is 0"
        )
    left, right = [1, 2, 0], [2, 0, 1]
    out = elementary.sub(a[..., left] * b[..., right], a[..., right] * b[..., left])
    return moveaxis(out, -1, axisc)
