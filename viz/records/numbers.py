"""Short texts for numbers, shapes and arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["extent", "number", "percent", "shape_text", "summary"]


_SHOWN = 4  # the largest number of elements that are shown one by one


def number(x: float) -> str:
    """Four significant digits, with an ASCII minus sign, so that a number copied from a picture is a number.

    >>> number(0.123456), number(-1e-7), number(-0.0), number(float("nan"))
    ('0.1235', '-1e-07', '0', 'nan')
    """
    return f"{x + 0.0:.4g}"


def percent(share: float) -> str:
    """A share as a whole percentage, with < or > where it only rounds to 0 or 100.

    >>> percent(0.25), percent(0.001), percent(0.999), percent(0.0)
    ('25 %', '<1 %', '>99 %', '0 %')
    """
    if 0 < share < 0.005:
        return "<1 %"
    if 0.995 < share < 1:
        return ">99 %"
    return f"{100 * share:.0f} %"


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape with a cross between the lengths of its axes.

    >>> shape_text((4, 2)), shape_text((3,))
    ('4×2', '3')
    """
    return "×".join(map(str, shape))


def summary(data: Any) -> str:
    """A number; up to four elements, rows separated by semicolons; the range of a larger array.

    >>> summary(0.5), summary(np.eye(2)), summary(np.arange(10.0)), summary(np.zeros((2, 0)))
    ('0.5', '[1, 0; 0, 1]', '0 … 9', 'empty')
    """
    array = np.asarray(data)
    if not array.ndim:
        return number(float(array))
    if not array.size:
        return "empty"
    if array.size <= _SHOWN:
        rows = array.reshape(-1, array.shape[-1])
        return f"[{'; '.join(', '.join(number(float(x)) for x in row) for row in rows)}]"
    low, high = extent(array)
    return number(low) if low == high or np.isnan(low) else f"{number(low)} … {number(high)}"


def extent(data: Any) -> tuple[float, float]:
    """The smallest and the largest element; (0, 0) for an empty array, (nan, nan) for one with a NaN.

    >>> extent([2.0, -1.0])
    (-1.0, 2.0)
    """
    array = np.asarray(data)
    if not array.size:
        return 0.0, 0.0
    return float(array.min()), float(array.max())
