"""Semirings that ask which elements are joined, and for no size of a local derivative."""

from __future__ import annotations

from typing import Any

import numpy as np

from .base import Semiring

__all__ = ["Structural"]


class Structural(Semiring):
    """Every local derivative is the empty path: products change nothing, a matrix product is a sum along its rows.

    A subclass defines ``sum``, ``zero``, perhaps ``add``, and the number ``unit`` that stands for one path.
    """

    reads_weights = False
    unit: Any = 1.0

    def lift(self, weight: Any) -> Any:
        shape = np.shape(weight)
        return np.broadcast_to(self.unit, shape) if shape else self.unit

    def times(self, a: Any, b: Any) -> Any:
        shape = np.shape(b)
        if not shape or np.shape(a)[-len(shape) :] == shape:
            return a
        return np.broadcast_to(a, np.broadcast_shapes(np.shape(a), shape))

    def contract(self, a: Any, weight: Any) -> Any:
        total = self.sum(a, (-1,))[..., None]
        return np.broadcast_to(total, (*total.shape[:-1], weight.shape[-1]))
