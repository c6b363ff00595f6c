"""Polynomials: evaluated at points, and the powers that they are sums of."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.shapes import ndim_of, shape_of
from ..core.value import Value, describe
from ..errors import ArgumentError, ShapeError
from . import elementary
from .registry import function
from .reshaping import expand_dims

__all__ = ["polyval", "vander"]


@function(numpy=np.polyval, method=False, note="also with respect to the coefficients")
def polyval(p: Any, x: Any) -> Any:
    """The polynomial of coefficients ``p``, the highest power first, at ``x``: a composition, by Horner's scheme.

    Raises ``ShapeError`` unless ``p`` is a list or a vector of one coefficient at least.

    >>> float(polyval([1.0, 0.0, 3.0], 2.0))
    7.0
    """
    if (isinstance(p, Value | np.ndarray) and ndim_of(p) != 1) or not len(p):
        raise ShapeError("polyval: needs a list or a vector of coefficients, one at least")
    first, *rest = p
    out = first if rest else elementary.mul(first, np.ones(shape_of(x), getattr(x, "dtype", float)))
    for coefficient in rest:
        out = elementary.add(elementary.mul(out, x), coefficient)
    return out


@function(numpy=np.vander)
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """The matrix of powers of a vector's elements, ``N`` columns (as many as elements), the highest power first.

    Raises ``ShapeError`` unless ``x`` is a vector, ``ArgumentError`` for a negative ``N``.

    >>> vander(np.array([2.0, 3.0]), 3).tolist()
    [[4.0, 2.0, 1.0], [9.0, 3.0, 1.0]]
    """
    if ndim_of(x) != 1:
        raise ShapeError(f"vander: needs a vector, got {describe(x)}")
    columns = shape_of(x)[0] if N is None else N
    if columns < 0:
        raise ArgumentError(f"vander: N is a number of columns, at least 0; got {N}")
    powers = np.arange(columns, dtype=getattr(x, "dtype", float))
    return elementary.pow(expand_dims(x, -1), powers if increasing else powers[::-1])
