"""Functions applied to parts of an array: to slices along an axis, or to the elements where a condition holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.shapes import ndim_of, shape_of
from ..core.value import describe
from ..errors import ArgumentError
from .axes import one_axis
from .casting import float_dtype, of_dtype
from .joining import concatenate, stack
from .registry import function
from .reshaping import broadcast_to, flattened, moveaxis, reshape
from .selection import getitem

__all__ = ["apply_along_axis", "piecewise"]


@function(numpy=np.apply_along_axis, method=False, note="the function is called once for each slice")
def apply_along_axis(func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **options: Any) -> Any:
    """``func1d(slice, *args, **options)`` of each slice along ``axis``; the axes of its results stand in place of it.

    Raises ``ArgumentError`` if there is no slice.

    >>> apply_along_axis(np.sum, 0, np.array([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [4.0, 6.0]
    """
    k = one_axis(arr, axis, ndim_of(arr), "apply_along_axis")
    last = moveaxis(arr, k, -1)
    rest = shape_of(last)[:-1]
    made = [func1d(getitem(last, index), *args, **options) for index in np.ndindex(rest)]
    if not made:
        raise ArgumentError(f"apply_along_axis: {describe(arr)} has no slices along axis {axis}")
    out = stack(made)
    if ndim_of(out) == 1:  # scalars have lost their precision
        out = of_dtype(out, getattr(arr, "dtype", float))
    inner, place = ndim_of(out) - 1, ndim_of(arr) + k
    out = reshape(out, rest + shape_of(out)[1:])
    return moveaxis(out, range(len(rest), len(rest) + inner), range(place, place + inner))


@function(numpy=np.piecewise, note="each function is called with the elements where its condition holds")
def piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **options: Any) -> Any:
    """``x`` taken to pieces by conditions, and each piece to its function, or to the number that stands in its place.

    The last condition that holds for an element counts. One function more than conditions is for the elements where
    none does; without it those become 0. A function gets the elements of its piece alone, as a vector, so that none
    meets numbers it is not made for.

    Raises ``ArgumentError`` unless there is a function for each condition, and at most one more.

    >>> from tinygrad_lite import Value
    >>> x = Value([-2.0, 3.0])
    >>> y = piecewise(x, [x < 0, x >= 0], [lambda u: u**2, np.log])
    >>> y.sum().backward()
    >>> x.grad
    array([-4.        ,  0.33333333])
    """
    single = not isinstance(condlist[0], list | np.ndarray) and ndim_of(x) != 0
    conditions = [np.broadcast_to(np.asarray(c, bool), shape_of(x)) for c in ([condlist] if single else condlist)]
    if len(funclist) == len(conditions) + 1:
        conditions.append(~np.logical_or.reduce(conditions))
    if len(funclist) != len(conditions):
        raise ArgumentError(
            f"piecewise: {len(conditions)} conditions take as many functions, or one more; got {len(funclist)}"
        )
    flat, dtype = flattened(x), float_dtype(x)
    parts: list[Any] = [np.zeros(1, dtype)]
    source = np.zeros(math.prod(shape_of(x)), dtype=np.intp)
    filled = 1
    for condition, choice in zip(conditions, funclist, strict=True):
        (at,) = np.nonzero(condition.reshape(-1))
        if at.size:
            made = choice(getitem(flat, at), *args, **options) if callable(choice) else choice
            parts.append(of_dtype(broadcast_to(made, at.shape), dtype))
            source[at] = np.arange(filled, filled + at.size)
            filled += at.size
    return reshape(getitem(concatenate(parts), source), shape_of(x))
