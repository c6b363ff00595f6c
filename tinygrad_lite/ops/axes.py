"""Axes as users give them, turned into negative numbers, which stay right when a semiring's components come first."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import cache
from typing import Any

from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ..core.shapes import Shape, ndim_of
from ..core.value import describe
from ..errors import ArgumentError, ShapeError

__all__ = ["Axis", "LETTERS", "all_axes", "axes_of", "deep", "one_axis"]


Axis = int | Sequence[int] | None
"""The axes that a user names: one, several, or ``None`` for all."""

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""Labels of axes, for contractions."""


@cache
def all_axes(ndim: int) -> Shape:
    """All axes of an array that has ``ndim`` of them."""
    return tuple(range(-ndim, 0))


def axes_of(x: Any, axis: Axis, who: str) -> Shape:
    """The axes as negative numbers, each once."""
    ndim = ndim_of(x)
    if axis is None:
        return all_axes(ndim)
    try:
        return tuple(sorted(k - ndim for k in normalize_axis_tuple(axis, ndim)))
    except (ValueError, TypeError) as error:
        raise ArgumentError(f"{who}: axis={axis!r} does not fit {describe(x)} ({error})") from None


def one_axis(x: Any, axis: int, ndim: int, who: str) -> int:
    """One axis as a negative number; ``ndim`` is the result's, which may have more axes than ``x``."""
    try:
        return normalize_axis_index(operator.index(axis), ndim) - ndim
    except (ValueError, TypeError) as error:
        raise ArgumentError(f"{who}: axis={axis!r} does not fit {describe(x)} ({error})") from None


def deep(x: Any, ndim: int, who: str) -> Any:
    """``x`` itself. Raises ``ShapeError`` if it has fewer than ``ndim`` axes."""
    if ndim_of(x) < ndim:
        raise ShapeError(f"{who}: needs {ndim} axes at least, got {describe(x)}")
    return x
