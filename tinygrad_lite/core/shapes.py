"""Shapes and indices of data: floats and arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

Shape = tuple[int, ...]
Index = tuple[int, ...]


def shape_of(x: Any) -> Shape:
    """The shape of an array, a Value, a number or nested lists, without NumPy's dispatch."""
    if type(x) is np.ndarray:
        return x.shape  # type: ignore[no-any-return]
    if type(x) is float:
        return ()
    shape: Shape | None = getattr(x, "shape", None)
    return np.shape(x) if shape is None else shape


def ndim_of(x: Any) -> int:
    """The number of axes of an array, a Value, a number or nested lists."""
    return x.ndim if type(x) is np.ndarray else len(shape_of(x))
