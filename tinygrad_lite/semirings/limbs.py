"""Arrays of whole numbers of any size, as limbs of 40 bits in float64.

A float64 holds every whole number up to 2^53. So 8191 limbs can be added up before anything has to be carried, and
BLAS may do it: a matrix product with zeros and ones is exact, one product of floats for each limb. Python's own
integers take 50 times as long, in arrays too.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .structural import Structural

__all__ = ["ActiveDigits", "Digits", "Limbs", "TooLarge", "added", "limbs", "ready", "whole"]


_BITS = 40  # 5 bytes, which Python makes an integer of at once
_BASE: int = 2**_BITS
_EXACT = 2**53 - 2**14  # and a carry may still be added
_FEW = 2**42
"""Limbs up to here may still be added up 2048 at a time, as in most sums."""
_ROOM = 2.0**20
"""The last limb is smaller when a sum starts, so that 2^33 of them can be added up, and nothing is carried beyond."""


class TooLarge(ArithmeticError):
    """An array of ``int64`` cannot hold the numbers."""


class Limbs(NamedTuple):
    """The numbers ``Σ digits[k] · 2**(40 k)``; no digit is larger than ``bound``."""

    digits: Any
    bound: int


def limbs(a: Any) -> Limbs:
    """A number, or an array of them, in limbs.

    >>> limbs(2**80 + 3).digits.tolist(), limbs(np.array([5, 2**41])).digits.tolist()
    ([3.0, 0.0, 1.0], [[5.0, 0.0], [0.0, 2.0]])
    """
    if type(a) is Limbs:
        return a
    a = np.asarray(a)
    if a.dtype != object:
        return Limbs(np.stack([a & (_BASE - 1), a >> _BITS]).astype(float), _BASE)
    longest = max((int(n).bit_length() for n in a.flat), default=1)
    found = np.empty((-(-(longest + 20) // _BITS), *a.shape))  # the last limb is below _ROOM
    for k in range(len(found)):
        found[k] = a & (_BASE - 1)
        a = a >> _BITS
    return Limbs(found, _BASE)


def whole(a: Limbs) -> Any:
    """Limbs as an array of ``int64``, or of Python's integers where that does not hold them; as an ``int`` if single.

    >>> whole(Limbs(np.array([[3.0, 2.0**50], [1.0, 1.0]]), 2**50)).tolist()
    [1099511627779, 1126999418470400]
    """
    digits = a.digits
    repeated = tuple(slice(0, 1) if not step else slice(None) for step in digits.strides[1:])
    own = np.array(digits[(slice(None), *repeated)])  # what a broadcast repeats is made once
    shape = own.shape[1:]
    own = own.reshape(len(own), -1) if own.size else np.zeros((1, 0))
    carry = np.zeros(own.shape[1])
    for limb in own:  # all carries, the last one into a limb of its own
        limb += carry
        np.floor(limb * (1.0 / _BASE), out=carry)
        limb -= carry * _BASE
    own = np.concatenate([own, carry[None]]).astype(np.uint64)
    while len(own) > 1 and not own[-1].any():
        own = own[:-1]
    if len(own) == 1 or (len(own) == 2 and own[1].max(initial=0) < 2**23):
        found = own[0].astype(np.int64)
        if len(own) == 2:
            found += own[1].astype(np.int64) << _BITS
    else:
        rows = np.ascontiguousarray(own.T).view(np.uint8)
        width = 5 * len(own)
        text = rows.reshape(-1, len(own), 8)[:, :, :5].tobytes()
        found = np.empty(own.shape[1], dtype=object)
        for k in range(found.size):
            found[k] = int.from_bytes(text[k * width : (k + 1) * width], "little")
    return np.broadcast_to(found.reshape(shape), digits.shape[1:]) if digits.ndim > 1 else int(found[0])


def _carried(digits: Any) -> Any:
    """The same numbers with smaller digits: each passes what it has above 40 bits on to the next, the last to none."""
    carry = np.floor(digits[:-1] * (1.0 / _BASE))
    digits = digits.copy()
    digits[1:] += carry
    carry *= _BASE
    digits[:-1] -= carry
    return digits


def _bound(before: int) -> int:
    """What no digit but the last exceeds after a carry, when none was larger than ``before``."""
    return _BASE + (before >> _BITS)


def ready(a: Limbs) -> Limbs:
    """The same numbers, such that digits can be added up, and the last ones cannot become too large."""
    if a.bound <= _FEW:
        return a
    digits = a.digits
    top = digits[-1].max(initial=0.0)
    if top >= _ROOM:
        digits = np.concatenate([digits, np.zeros((1, *digits.shape[1:]))])
    elif not top and len(digits) > 2 and digits[-2].max(initial=0.0) < _ROOM:
        digits = digits[:-1]
    return Limbs(_carried(digits), _bound(a.bound))


def added(a: Limbs, b: Limbs) -> Limbs:
    """The sum of two."""
    if a.bound + b.bound > _EXACT:
        a, b = ready(a), ready(b)
    if len(a.digits) < len(b.digits):
        a, b = b, a
    n = len(b.digits)
    if n == len(a.digits):
        return Limbs(a.digits + b.digits, a.bound + b.bound)
    digits = np.array(a.digits)
    digits[:n] += b.digits
    return Limbs(digits, a.bound + b.bound)


class Digits(Structural):
    """Limbs while they go through one map: components whose number stays. ``bound`` is what no digit exceeds.

    Every local derivative counts as one.
    """

    name = "digits"

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self._has_carried = False  # into the last digit, which passes nothing on

    def done(self, digits: Any) -> Limbs:
        """What the map made of them."""
        return Limbs(digits, _EXACT if self._has_carried else self.bound)

    def sum(self, a: Any, axis: tuple[int, ...]) -> Any:
        terms = math.prod(a.shape[k] for k in axis)
        if self._has_room(terms):
            return np.add.reduce(a, axis=axis)
        rest = tuple(k for k in range(-a.ndim, 0) if k not in axis)
        kept = tuple(a.shape[k] for k in rest)
        a = np.transpose(a, [k + a.ndim for k in (*rest, *axis)]).reshape(*kept, terms)
        return self._in_pieces(terms, lambda piece: np.add.reduce(a[..., piece], axis=-1))

    def add(self, a: Any, b: Any) -> Any:
        if 2 * self.bound > _EXACT:
            a, b = _carried(a), _carried(b)
            self.bound, self._has_carried = _bound(self.bound), True
        self.bound *= 2
        return a + b

    def zero(self, shape: tuple[int, ...]) -> Any:
        return np.zeros(shape)

    def _has_room(self, terms: int) -> bool:
        """Whether so many digits can be added up at once. It makes them the bound of the sum then."""
        if self.bound * terms > _EXACT:
            return False
        self.bound *= max(1, terms)
        return True

    def _in_pieces(self, terms: int, piece_of: Any) -> Any:
        """The sum of ``piece_of(slice)`` over pieces of the terms that are exact, with a carry after each."""
        step = _EXACT // (2 * self.bound)
        total: Any = 0.0
        for start in range(0, terms, step):
            total = _carried(total + piece_of(slice(start, start + step)))
        self.bound, self._has_carried = _bound(_EXACT), True
        return total


class ActiveDigits(Digits):
    """Limbs while they go through one map, where a local derivative counts as one unless it is zero."""

    def lift(self, weight: Any) -> Any:
        return np.not_equal(weight, 0.0).astype(float)

    def times(self, a: Any, b: Any) -> Any:
        return a * b

    def contract(self, a: Any, weight: Any) -> Any:
        weight, terms = self.lift(weight), a.shape[-1]
        if self._has_room(terms):
            return _product(a, weight)
        return self._in_pieces(terms, lambda piece: _product(a[..., piece], weight[..., piece, :]))


def _product(a: Any, weight: Any) -> Any:
    if weight.ndim > 2:
        return np.matmul(a, weight)
    return np.matmul(a.reshape(-1, a.shape[-1]), weight).reshape(*a.shape[:-1], weight.shape[-1])
