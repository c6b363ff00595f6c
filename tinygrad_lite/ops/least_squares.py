"""Least squares: a composition with the pseudo-inverse."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..core.shapes import ndim_of, shape_of
from ..core.value import describe, on_data
from ..errors import ShapeError
from . import elementary
from .casting import float_dtype
from .decompositions import pinv, svdvals
from .linalg import matrices
from .products import matmul
from .reductions import sum
from .registry import function

__all__ = ["LstsqResult", "lstsq"]


class LstsqResult(NamedTuple):
    """The solution, the sum of squared residuals of each column, the rank of the matrix and its singular values."""

    x: Any
    residuals: Any
    rank: Any
    s: Any


@function(
    numpy=np.linalg.lstsq, method=False, returns="tuple[Value, ...]", dense=True, note="along matrices of the same rank"
)
def lstsq(a: Any, b: Any, rcond: float | None = None) -> LstsqResult:
    """The ``x`` of least ``‖a @ x - b‖``, and least norm if there are several. Shapes: a (m, n), b (m, k) or (m,).

    Singular values below ``rcond`` times the largest count as 0, by default those that rounding errors may have made.
    As in NumPy the residuals are empty unless ``a`` has more rows than columns and full rank. The rank is a number.

    Raises ``ShapeError`` if the shapes do not fit.

    >>> from tinygrad_lite import Value
    >>> lstsq(np.array([[1.0], [1.0]]), Value([1.0, 3.0])).x.data.round(12)
    array([2.])
    """
    shape = shape_of(matrices(a, "lstsq", square=False))
    if len(shape) != 2 or ndim_of(b) not in (1, 2) or shape_of(b)[0] != shape[0]:
        raise ShapeError(f"lstsq: needs a matrix and as many rows beside it, got {describe(a)} and {describe(b)}")
    eps = np.finfo(float_dtype(a)).eps
    rcond = float(eps * max(shape) if rcond is None else eps if rcond < 0 else rcond)
    x, values = matmul(pinv(a, rcond), b), svdvals(a)
    rank = on_data(lambda data: int(np.sum(data > rcond * np.max(data, initial=0.0))), values)
    if rank < shape[1] or shape[0] <= shape[1]:
        return LstsqResult(x, np.zeros(0), rank, values)
    squares = elementary.square(elementary.sub(matmul(a, x), b))
    return LstsqResult(x, sum(squares, 0, keepdims=ndim_of(b) == 1), rank, values)
