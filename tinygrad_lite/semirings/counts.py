"""Numbers of paths: exact integers of any size, and their logarithms."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from .base import MapByMap, Semiring
from .entropy import LogMagnitudes, Magnitudes
from .limbs import ActiveDigits, Digits, Limbs, TooLarge, added, limbs, ready, whole
from .ranged import Ranged
from .structural import Structural

__all__ = ["Count", "LogCount"]


_INT64_MAX = 2**63 - 1
_FLOAT_EXACT = 2**53  # a float64 holds every integer up to here


class Count(MapByMap):
    """Numbers of paths: exact integers, ``int64`` as long as they fit and Python's own after that.

    A sweep carries arrays of larger ones as ``Limbs``; ``result`` makes them Python's.
    """

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
        return np.multiply(*self._widened(a, b, _largest(a) * _largest(b)))

    def sum(self, a: Any, axis: tuple[int, ...]) -> Any:
        terms = math.prod(np.shape(a)[k] for k in axis)
        if _largest(a) * terms > _INT64_MAX:
            a = self._wide(a)
        return np.sum(a, axis=axis)

    def add(self, a: Any, b: Any) -> Any:
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        if type(a) is Limbs or type(b) is Limbs:
            return added(limbs(a), limbs(b))
        return np.add(*self._widened(a, b, _largest(a) + _largest(b)))

    def zero(self, shape: tuple[int, ...]) -> Any:
        return np.zeros(shape, dtype=np.int64) if shape else 0

    def scalar(self, a: Any) -> Any:
        return whole(a) if type(a) is Limbs else int(a)

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
        return np.matmul(self._wide(a), self._wide(b))

    def _wide(self, a: Any) -> Any:
        """An array in which no number is too large."""
        return np.asarray(a, dtype=object)

    def _widened(self, a: Any, b: Any, bound: int) -> tuple[Any, Any]:
        """Both as arrays that can hold a result up to ``bound``."""
        a, b = (x.item() if isinstance(x, np.integer) else x for x in (a, b))  # beside objects it would overflow
        return (self._wide(a), self._wide(b)) if bound > _INT64_MAX else (np.asarray(a), np.asarray(b))

    # ---- numbers of any size in a sweep

    @cached_property
    def _small(self) -> Count:
        return _Int64(self.name, self.structural)

    def carried(self, along: Callable[[Any, Semiring], Any], a: Any) -> Any:
        """An element carried along one map, by ``int64`` while that holds everything, else in limbs."""
        if type(a) is not Limbs:
            try:
                found = along(a, self._small)
            except TooLarge:
                a = limbs(a)
            else:
                return limbs(found) if isinstance(found, np.ndarray) and found.dtype == object else found
        a = ready(a)
        digits = (Digits if self.structural else ActiveDigits)(a.bound)
        return digits.done(along(a.digits, digits))

    def positive(self, a: Any) -> Any:
        """Where there is a path: a truth for each element, or one."""
        return (a.digits != 0.0).any(axis=0) if type(a) is Limbs else np.not_equal(a, 0)

    def at(self, a: Any, index: tuple[int, ...]) -> Any:
        if type(a) is not Limbs:
            return super().at(a, index)
        found = Limbs(super().at(a.digits, index), a.bound)
        return found if found.digits.ndim > 1 else whole(found)

    def masked(self, a: Any, mask: Any, shape: tuple[int, ...]) -> Any:
        if type(a) is Limbs:
            return Limbs(np.where(mask, a.digits, 0.0), a.bound)
        return super().masked(a, mask, shape)

    def result(self, a: Any) -> Any:
        return whole(a) if type(a) is Limbs else a


class _Int64(Count):
    """Counts in ``int64``. Raises ``TooLarge`` for those that it does not hold."""

    def _wide(self, a: Any) -> Any:
        raise TooLarge

    def broadcast(self, a: Any, shape: tuple[int, ...]) -> Any:
        if type(a) is int and a > _INT64_MAX:
            raise TooLarge
        return super().broadcast(a, shape)


def _largest(a: Any) -> int:
    if isinstance(a, int):
        return a
    return int(a.max()) if a.size else 0


# ---- logarithms ------------------------------------------------------------------------------------------------------


class LogCount(Ranged):
    """The natural logarithm of the number of paths: in floats, whose range it does not leave."""

    reads_weights = False

    def __init__(self) -> None:
        super().__init__("LOG_COUNT", _Counts(), _LogCounts())


class _Counts(Structural, Magnitudes):
    """Numbers of paths that share one power of two."""

    linear = False


class _LogCounts(Structural, LogMagnitudes):
    """Logarithms of numbers of paths."""

    unit = 0.0
