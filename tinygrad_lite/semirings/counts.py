"""Numbers of paths: exact integers of any size."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .base import Semiring

__all__ = ["Count"]


_INT64_MAX = 2**63 - 1
_FLOAT_EXACT = 2**53  # a float64 holds every integer up to here


class Count(Semiring):
    """Numbers of paths: exact integers, ``int64`` as long as they fit and Python's own after that."""

    reads_weights = False

    def __init__(self, name: str, structural: bool) -> None:
        self.name, self.structural = name, structural

    def lift(self, weight: Any) -> Any:
        if np.ndim(weight) == 0:
            return 1 if self.structural or weight != 0 else 0
        if self.structural:
            return np.ones(np.shape(weight), dtype=np.int64)
        return (np.asarray(weight) != 0).astype(np.int64)

    def times(self, a: Any, b: Any) -> Any:
        if isinstance(a, int) and isinstance(b, int):
            return a * b
        return np.multiply(*_widened(a, b, _largest(a) * _largest(b)))

    def sum(self, a: Any, axis: tuple[int, ...]) -> Any:
        terms = math.prod(np.shape(a)[k] for k in axis)
        if _largest(a) * terms > _INT64_MAX:
            a = np.asarray(a, dtype=object)
        return np.sum(a, axis=axis)

    def add(self, a: Any, b: Any) -> Any:
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        return np.add(*_widened(a, b, _largest(a) + _largest(b)))

    def zero(self, shape: tuple[int, ...]) -> Any:
        return np.zeros(shape, dtype=np.int64) if shape else 0

    def scalar(self, a: Any) -> Any:
        return int(a)

    def contract(self, a: Any, weight: Any) -> Any:
        columns = weight.shape[-1]
        if self.structural:  # every weight is one: the product is a sum of integers
            total = self.sum(a, (-1,))[..., None]
            return np.broadcast_to(total, (*total.shape[:-1], columns))
        return self.matmul(a, self.lift(weight))

    def matmul(self, a: Any, b: Any) -> Any:
        """The exact matrix product: by BLAS while every partial sum fits a float64, after that by Python's integers."""
        if max(1, _largest(a)) * max(1, _largest(b)) * a.shape[-1] <= _FLOAT_EXACT:
            return np.matmul(a.astype(float), b.astype(float)).astype(np.int64)
        return np.matmul(a.astype(object), b.astype(object))


def _largest(a: Any) -> int:
    if isinstance(a, int):
        return a
    return int(a.max()) if a.size else 0


def _widened(a: Any, b: Any, bound: int) -> tuple[Any, Any]:
    """Both as arrays that can hold a result up to ``bound``."""
    dtype = object if bound > _INT64_MAX else None
    a, b = (x.item() if isinstance(x, np.integer) else x for x in (a, b))  # in an array of objects it would overflow
    return np.asarray(a, dtype=dtype), np.asarray(b, dtype=dtype)
