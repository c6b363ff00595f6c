"""Statistics on ordinary numbers while all of them are in range, and on logarithms beyond it.

Ordinary numbers are several times as fast, and exact where logarithms round. But the contribution of a path through a
thousand sigmoids is smaller than any float, and must not become 0 beside one of usual size. So an element is a
``Floating`` (numbers that share one power of two) while its numbers are within 2**990 of one another, and an array of
logarithms otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .base import MapByMap, Semiring
from .scaled import Floating

__all__ = ["Logarithms", "Numbers", "OutOfRange", "Ranged", "checked"]


_SMALLEST, _LARGEST = 2.0**-500, 2.0**500  # a product of two from in between is a normal number
_SPREAD = 990  # binary orders of magnitude in between, less a few for sums
_LN2 = math.log(2.0)


class OutOfRange(ArithmeticError):
    """Ordinary numbers cannot hold a result that logarithms can."""


class Numbers(Semiring):
    """A statistic on ordinary numbers. ``lift`` raises ``OutOfRange`` for a weight that is out of range."""

    def sizes(self, a: Any) -> Any:
        """The magnitudes that must be in range; none is negative."""
        return a

    def shifted(self, a: Any, by: int) -> Any:
        """``a`` with every path multiplied by ``2**by``."""
        return np.ldexp(a, by) if by else a

    def statistic(self, a: Any, exponent: int) -> Any:
        """The statistic, as users get it, of ``a`` with every path multiplied by ``2**exponent``."""
        return self.shifted(a, exponent)

    def logarithms(self, a: Any) -> Any:
        """``a`` as an element of the semiring of logarithms."""
        return np.log(a)

    def numbers(self, logarithms: Any) -> Any:
        """The reverse of ``logarithms``."""
        return np.exp(logarithms)


class Logarithms(Semiring):
    """A statistic on logarithms of magnitudes, whose products are sums."""

    def lift(self, weight: Any) -> Any:
        with np.errstate(divide="ignore"):
            return np.log(np.abs(weight))

    def times(self, a: Any, b: Any) -> Any:
        return a + b

    def sizes(self, a: Any) -> Any:
        """The part of an element that is logarithms of magnitudes."""
        return a


class Ranged(MapByMap):
    """A statistic in both forms. ``lift``, ``times``, ``sum``, ``zero`` and ``contract`` work on logarithms."""

    def __init__(self, name: str, numbers: Numbers, logs: Logarithms) -> None:
        self.name, self._numbers, self._logs = name, numbers, logs

    def lift(self, weight: Any) -> Any:
        return self._logs.lift(weight)

    def times(self, a: Any, b: Any) -> Any:
        return self._logs.times(a, b)

    def sum(self, a: Any, axis: tuple[int, ...]) -> Any:
        return self._logs.sum(a, axis)

    def zero(self, shape: tuple[int, ...]) -> Any:
        return self._logs.zero(shape)

    def contract(self, a: Any, weight: Any) -> Any:
        return self._logs.contract(a, weight)

    def one(self, shape: tuple[int, ...]) -> Any:
        return Floating(self._numbers.one(shape), 0)

    def carried(self, along: Callable[[Any, Semiring], Any], a: Any) -> Any:
        """An element carried along one map; every number other than 0 is in range before and after it."""
        if type(a) is Floating:
            try:
                return self._in_range(along(a.mantissa, self._numbers), a.exponent)
            except OutOfRange:
                a = self.logarithms(a)
        return self._as_numbers(along(a, self._logs))

    def add(self, a: Any, b: Any) -> Any:
        if type(a) is Floating and type(b) is Floating:
            if a.exponent < b.exponent:
                a, b = b, a
            gap = a.exponent - b.exponent
            if gap <= 500:
                try:
                    other = self._numbers.shifted(b.mantissa, -gap) if gap else b.mantissa
                    return self._in_range(self._numbers.add(a.mantissa, other), a.exponent)
                except OutOfRange:
                    pass
        return self._as_numbers(self._logs.add(self.logarithms(a), self.logarithms(b)))

    def _in_range(self, mantissa: Any, exponent: int) -> Floating:
        low, high = _bounds(self._numbers.sizes(mantissa))
        if _usual(low, high):
            return Floating(mantissa, exponent)
        if not high < math.inf:
            raise OutOfRange
        low_exponent, high_exponent = math.frexp(low)[1], math.frexp(high)[1]
        if high_exponent - low_exponent > _SPREAD:
            raise OutOfRange
        middle = (low_exponent + high_exponent) // 2
        return Floating(self._numbers.shifted(mantissa, -middle), exponent + middle)

    def _as_numbers(self, a: Any) -> Any:
        """Logarithms as numbers, if they are close enough to one another."""
        sizes = self._logs.sizes(a)
        top = np.max(sizes, initial=-math.inf)
        if not math.isfinite(top):
            return a
        least = np.min(np.where(np.isneginf(sizes), top, sizes))
        if not top - least < _SPREAD * _LN2:
            return a
        exponent = round(float(top + least) / 2 / _LN2)
        return Floating(self._numbers.numbers(self._moved(a, -exponent)), exponent)

    def _moved(self, a: Any, by: int) -> Any:
        """Logarithms with every path multiplied by ``2**by``."""
        a = np.array(a)
        self._logs.sizes(a)[...] += by * _LN2
        return a

    def logarithms(self, a: Any) -> Any:
        """An element in the form of logarithms, whichever form it has."""
        if type(a) is not Floating:
            return a
        with np.errstate(divide="ignore"):
            return self._moved(self._numbers.logarithms(a.mantissa), a.exponent)

    def scalar(self, a: Any) -> Any:
        return Floating(self._numbers.scalar(a.mantissa), a.exponent) if type(a) is Floating else self._logs.scalar(a)

    def at(self, a: Any, index: tuple[int, ...]) -> Any:
        return Floating(super().at(a.mantissa, index), a.exponent) if type(a) is Floating else super().at(a, index)

    def only(self, a: Any, index: tuple[int, ...], shape: tuple[int, ...]) -> Any:
        if type(a) is Floating:
            return Floating(self._numbers.only(a.mantissa, index, shape), a.exponent)
        return self._logs.only(a, index, shape)

    def masked(self, a: Any, mask: Any, shape: tuple[int, ...]) -> Any:
        if type(a) is Floating:
            return Floating(self._numbers.masked(a.mantissa, mask, shape), a.exponent)
        return self._logs.masked(a, mask, shape)

    def result(self, a: Any) -> Any:
        with np.errstate(all="ignore"):  # as in a sweep
            found = self._numbers.statistic(*a) if type(a) is Floating else self._logs.result(a)
        return found if np.ndim(found) else float(found)


def checked(sizes: Any) -> Any:
    """The magnitudes of weights. Raises ``OutOfRange`` where one is out of range."""
    low, high = _bounds(sizes)
    if not _usual(low, high):
        raise OutOfRange
    return sizes


def _usual(low: float, high: float) -> bool:
    return low >= _SMALLEST and high <= _LARGEST


def _bounds(sizes: Any) -> tuple[float, float]:
    """The smallest of some magnitudes that is not 0, and the largest; 1 and 1 if there is none."""
    if type(sizes) is float:
        return (sizes, sizes) if sizes else (1.0, 1.0)
    high = float(np.maximum.reduce(sizes, axis=None, initial=0.0))
    if not high:
        return 1.0, 1.0
    low = float(np.minimum.reduce(sizes, axis=None))
    if not low:  # magnitudes are in the order of their bits; one less, and 0 is the last: a fifth of the time of a mask
        bits = np.minimum.reduce(np.subtract(sizes.view(np.uint64), 1), axis=None)
        low = float(np.uint64(int(bits) + 1).view(np.float64))
    return low, high
