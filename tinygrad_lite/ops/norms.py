"""Norms of vectors and of matrices, of every order that NumPy has, and condition numbers: compositions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.elementwise import Elementwise, _generated
from ..core.elementwise_derivatives import POSITIVE, REAL, Rule
from ..core.shapes import ndim_of
from ..core.value import describe, on_constants
from ..errors import ArgumentError
from . import elementary, reductions
from .axes import Axis, one_axis
from .casting import cast
from .decompositions import svdvals
from .linalg import inv
from .registry import for_numpy, function
from .reshaping import expand_dims, moveaxis

__all__ = ["cond", "matrix_norm", "vector_norm"]

# A root of a sum of powers, of derivative 0 where it is 0.
_SLOPE = "y * out / where(x == 0, 1, x)"
_root = _generated(
    Elementwise(
        Rule("root", ("x", "y"), "x ** y", (_SLOPE, None), "√", (POSITIVE, REAL), ("y * out / x", None),
             again=("ratio(y * out, x)",))
    )
)  # fmt: skip


@function(numpy=np.linalg.vector_norm, note="at 0 the derivative is 0")
def vector_norm(x: Any, axis: Axis = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """``(Σ |x|**ord)**(1 / ord)`` along ``axis``; the largest or smallest size for ±inf, the number of nonzeros for 0.

    Its derivative at 0 is 0.

    Raises ``ArgumentError`` for another ``ord``.

    >>> float(vector_norm(np.array([3.0, -4.0]), ord=1))
    7.0
    """
    if ord == 2:
        return reductions.norm(x, axis, keepdims)
    size = elementary.abs(x)
    if ord in (math.inf, -math.inf):
        return (reductions.max if ord > 0 else reductions.min)(size, axis, keepdims)
    if ord == 0:
        return reductions.sum(on_constants(lambda data: (data != 0).astype(float), x), axis, keepdims)
    if ord == 1:
        return reductions.sum(size, axis, keepdims)
    if isinstance(ord, bool) or not isinstance(ord, int | float | np.number):
        raise ArgumentError(f"norm: ord={ord!r} is no order of a vector's norm; use a number, inf or -inf")
    scale = on_constants(_largest_along(axis), x)  # powers may overflow
    powers = size / scale
    if 0 < ord < 1:  # of 0 a power below 1 has an infinite slope
        zero = on_constants(lambda data: data == 0, x)
        powers = elementary.where(zero, 0.0, elementary.pow(elementary.where(zero, 1.0, powers), float(ord)))
    else:
        powers = elementary.pow(powers, float(ord))
    return _root(reductions.sum(powers, axis, keepdims), 1.0 / float(ord)) * reductions.max(scale, axis, keepdims)


@for_numpy(np.linalg.norm)
def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    if axis is None and (ord is None or ndim_of(x) == 1):
        return vector_norm(x, None, keepdims, 2 if ord is None else ord)
    axes = tuple(range(ndim_of(x))) if axis is None else axis if isinstance(axis, Sequence) else (axis,)
    if len(axes) == 1:
        return vector_norm(x, axes, keepdims, 2 if ord is None else ord)
    return matrix_norm(x, axes, keepdims, "fro" if ord is None else ord)


def _largest_along(axis: Any) -> Callable[[Any], Any]:
    def largest(data: Any) -> Any:
        axes = tuple(axis) if isinstance(axis, Sequence) else axis
        top = np.max(np.abs(data), axis=axes, keepdims=True, initial=0.0)
        return np.where((top > 0) & np.isfinite(top), top, 1.0).astype(getattr(data, "dtype", float))

    return largest


@function(note="as `norm`")
def matrix_norm(x: Any, axis: Sequence[int] = (-2, -1), keepdims: bool = False, ord: Any = "fro") -> Any:
    """The norm of the matrices along two axes.

    ``ord`` is "fro" (Frobenius), "nuc" (the sum of the singular values), 2 or -2 (the largest or smallest of them), 1
    or -1 (the largest or smallest sum of a column), inf or -inf (of a row).

    Raises ``ArgumentError`` for another ``ord``, or unless there are two different axes.

    >>> float(matrix_norm(np.array([[3.0, 0.0], [0.0, 4.0]]), ord="nuc"))
    7.0
    """
    axes = tuple(one_axis(x, k, ndim_of(x), "norm") for k in axis)
    if len(axes) != 2 or axes[0] == axes[1]:
        raise ArgumentError(f"norm: a matrix has two different axes, got {tuple(axis)} of {describe(x)}")
    if ord in ("fro", None):
        return reductions.norm(x, axes, keepdims)
    if ord in ("nuc", 2, -2):
        values = svdvals(moveaxis(x, axes, (-2, -1)))
        out = {"nuc": reductions.sum, 2: reductions.max, -2: reductions.min}[ord](values, -1)
    elif ord in (1, -1, math.inf, -math.inf):
        summed, chosen = axes if abs(ord) == 1 else axes[::-1]
        sums = reductions.sum(elementary.abs(x), summed, keepdims=True)
        out = (reductions.max if ord > 0 else reductions.min)(sums, (summed, chosen))
    else:
        raise ArgumentError(f"norm: ord={ord!r} is no order of a matrix's norm; use 'fro', 'nuc', ±1, ±2 or ±inf")
    return cast(expand_dims(out, sorted(k + ndim_of(x) for k in axes)), x) if keepdims else out


@function(numpy=np.linalg.cond, dense=True)
def cond(x: Any, p: Any = None) -> Any:
    """The condition numbers of matrices: the largest singular value over the smallest, the other way round for p = -2.

    For another order ``p`` of ``matrix_norm`` it is the norm of the matrix times that of its inverse.

    Raises ``ArgumentError`` for another order, ``ShapeError`` unless the matrices are square for one that needs it.

    >>> float(cond(np.array([[4.0, 0.0], [0.0, 2.0]])))
    2.0
    """
    if p in (None, 2, -2):
        values = svdvals(x)
        top, low = values[..., 0], values[..., -1]
        return elementary.div(*((low, top) if p == -2 else (top, low)))
    inverse = inv(x)
    return elementary.mul(matrix_norm(x, ord=p), matrix_norm(inverse, ord=p))


@for_numpy(np.linalg.matrix_norm)
def _matrix_norm(x: Any, keepdims: bool = False, ord: Any = "fro") -> Any:
    return matrix_norm(x, (-2, -1), keepdims, ord)
