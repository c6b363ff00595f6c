"""Ordinary numbers that do not underflow half-way: an array, and a power of two that all of it is multiplied by.

A thousand sigmoids make a factor of 1e-602, which no float holds, and what comes after them may bring it back. As long
as everything is of a usual size an element is the plain number or array.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .base import Chain, Linear, Node

__all__ = ["Floating", "Scaled"]


_FAR = 1e150
"""Beyond this, or below its reciprocal, the largest number of an element is brought back to about 1."""

_SQUARES = 1e-280, 1e280


class Floating(NamedTuple):
    """The numbers ``mantissa · 2**exponent``."""

    mantissa: Any
    exponent: int


class Scaled(Linear):
    """+ and × of lifted weights, where one exponent for each Value keeps all in range."""

    of_the_gradient = True

    def pull(self, chain: Chain, g: Any, node: Node) -> Any:
        if type(g) is Floating:
            return _floating(super().pull(chain, g.mantissa, node), g.exponent)
        return _in_range(super().pull(chain, g, node))

    def push(self, chain: Chain, t: Any, node: Node) -> Any:
        if type(t) is Floating:
            return _floating(super().push(chain, t.mantissa, node), t.exponent)
        return _in_range(super().push(chain, t, node))

    def add(self, a: Any, b: Any) -> Any:
        if type(a) is not Floating and type(b) is not Floating:
            return a + b
        a, b = (x if type(x) is Floating else Floating(x, 0) for x in (a, b))
        some = [x.exponent for x in (a, b) if np.any(x.mantissa)]
        exponent = max(some, default=0)
        return _floating(
            _shifted(a.mantissa, a.exponent - exponent) + _shifted(b.mantissa, b.exponent - exponent), exponent
        )

    def scalar(self, a: Any) -> Any:
        return Floating(float(a.mantissa), a.exponent) if type(a) is Floating else float(a)

    def at(self, a: Any, index: tuple[int, ...]) -> Any:
        return _floating(super().at(a.mantissa, index), a.exponent) if type(a) is Floating else super().at(a, index)

    def masked(self, a: Any, mask: Any, shape: tuple[int, ...]) -> Any:
        if type(a) is Floating:
            return _floating(super().masked(a.mantissa, mask, shape), a.exponent)
        return super().masked(a, mask, shape)

    def result(self, a: Any) -> Any:
        return _shifted(a.mantissa, a.exponent) if type(a) is Floating else a

    def product(self, a: Any, b: Any) -> Any:
        """The product of two elements, as a plain number or array."""
        if type(a) is not Floating and type(b) is not Floating:
            return a * b
        a, b = (x if type(x) is Floating else Floating(x, 0) for x in (a, b))
        return _shifted(a.mantissa * b.mantissa, a.exponent + b.exponent)

    def inner(self, a: Any, k: int, b: Any) -> Any:
        """The sum of the products of row ``k`` of ``a`` with each row of ``b``, as a plain array."""
        a, b = (x if type(x) is Floating else Floating(x, 0) for x in (a, b))
        row, rows = np.reshape(a.mantissa[k], -1), np.reshape(b.mantissa, (len(b.mantissa), -1))
        return _shifted(np.matmul(rows, row), a.exponent + b.exponent)

    def quotient(self, a: Any, b: Any) -> float:
        """``a / b`` of two numbers, however small both are."""
        a, b = (x if type(x) is Floating else Floating(x, 0) for x in (a, b))
        return float(_shifted(a.mantissa / b.mantissa, a.exponent - b.exponent))


def _in_range(a: Any) -> Any:
    """``a``, as ``Floating`` if its largest number is very large or very small."""
    if type(a) is float:
        return a if not a or 1 / _FAR < abs(a) < _FAR else _floating(a, 0)
    flat = np.ravel(a)
    squares = flat.dot(flat)  # one pass, and no copy
    return a if _SQUARES[0] < squares < _SQUARES[1] else _floating(a, 0)


def _floating(mantissa: Any, exponent: int) -> Any:
    """The same numbers with a mantissa of usual size."""
    largest = float(np.max(np.abs(mantissa), initial=0.0))
    if not largest or not math.isfinite(largest):
        return mantissa
    if not 1 / _FAR < largest < _FAR:
        shift = math.frexp(largest)[1]
        mantissa, exponent = _shifted(mantissa, -shift), exponent + shift
    return Floating(mantissa, exponent) if exponent else mantissa


def _shifted(a: Any, by: int) -> Any:
    """``a · 2**by``; beyond the largest float infinity."""
    by = max(-5000, min(by, 5000))
    with np.errstate(over="ignore", under="ignore"):
        shifted = np.ldexp(a, by)
    return float(shifted) if type(a) is float else shifted
