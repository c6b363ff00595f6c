"""Derivatives with a special case at one number, as ops whose own derivatives are right there as well.

``y * x ** (y - 1)`` at x = 0, or ``x / norm(x)`` at 0, is 0 times infinity. The table's expressions say which number
that is. Such a case is a constant: differentiated once more it would give 0, whatever is true. Where a derivative is
differentiated again, these ops stand for it instead. Each is a function of all its operands, and its derivative is an
op of the same kind, so that every order is right, or infinite or NaN where there is no derivative.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .maps import Broadcast, Chain, Scale
from .op import Op
from .shapes import shape_of
from .value import Value, on_constants, record

__all__ = [
    "NONZERO",
    "RATIO",
    "SIGNED",
    "PowerPartial",
    "SincPartial",
    "nonzero",
    "power_partial",
    "ratio",
    "signed",
    "sinc_partial",
]


class _OfTwo(Op):
    """An op of two operands that broadcast, whose local derivatives are ops of the same kind."""

    def local(self, k: int, operands: Sequence[Any], out: Any) -> Any:
        """The local derivative with respect to operand ``k``, element by element."""
        raise NotImplementedError

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain | None:
        in_shape, out_shape = shape_of(operands[k]), shape_of(out)
        scale = Scale(self.local(k, operands, out), len(out_shape))
        return (scale,) if in_shape == out_shape else (scale, Broadcast(in_shape, out_shape))


class PowerPartial(_OfTwo):
    """``∂ᵏ/∂xᵏ ∂ʲ/∂yʲ x**y``: a polynomial in y and log(x), times ``x ** (y - k)``.

    A power that its polynomial cancels is 0, also where it would be infinite: x**2 has the third derivative 0 by x, at
    0 as elsewhere. At x = 0 a derivative by y is 0 for y > k and NaN below; those of ``0 ** y`` alone are 0 at y = 0.

    >>> PowerPartial(3, 0).forward(0.0, 2.0), PowerPartial(1, 1).forward(2.0, 0.0)
    (0.0, 0.5)
    """

    sign = "∂**"

    def __init__(self, k: int, j: int) -> None:
        self.k, self.j = k, j
        self.name = f"pow_{'x' * k}{'y' * j}"

    def forward(self, *data: Any) -> Any:
        x, y = (np.float64(a) if type(a) is float else a for a in data)
        with np.errstate(all="ignore"):
            out = self._computed(x, y)
        return float(out) if isinstance(out, np.generic | np.ndarray) and not out.ndim else out

    def _computed(self, x: Any, y: Any) -> Any:
        k, j = self.k, self.j
        factors: list[Any] = [1.0] + [0.0] * j  # y (y - 1) … (y - k + 1), and its derivatives by y
        for m in range(k):
            factors = [factors[i] * (y - m) + (i * factors[i - 1] if i else 0.0) for i in range(j + 1)]
        if not j:
            polynomial, power = factors[0], x ** (y - k)
            return np.where(polynomial == 0, 0, power) * polynomial
        zero = x == 0
        log = np.log(np.where(zero, 1, x))
        polynomial = sum(math.comb(j, i) * factors[i] * log ** (j - i) for i in range(j + 1))
        power = np.where(polynomial == 0, 0, np.where(zero, 1, x) ** (y - k))
        flat = y > k if k else y >= 0
        return np.where(zero, np.where(flat, 0, math.nan), polynomial * power)

    def local(self, k: int, operands: Sequence[Any], out: Any) -> Any:
        x, y = operands
        return power_partial(x, y, self.k + (k == 0), self.j + (k == 1))


def power_partial(x: Any, y: Any, k: int, j: int) -> Any:
    """``∂ᵏ/∂xᵏ ∂ʲ/∂yʲ x**y``, recorded where an operand is a Value."""
    return record(PowerPartial(k, j), (x, y))


class SincPartial(Op):
    """The derivative of ``sin(πx) / (πx)`` of an order ``n``: by its series near 0, by a recurrence further out.

    >>> round(SincPartial(2).forward(0.0), 12), round(-(math.pi**2) / 3, 12)
    (-3.289868133696, -3.289868133696)
    """

    sign = "sinc⁽ⁿ⁾"

    def __init__(self, n: int) -> None:
        self.n, self.name = n, f"sinc_{'x' * n}"

    def forward(self, *data: Any) -> Any:
        n, x = self.n, data[0]
        t: Any = math.pi * (np.float64(x) if type(x) is float else x)
        near = np.abs(t) < n + 3
        u = np.where(near, t, 0)
        first = (n + 1) // 2
        series: Any = 0.0
        for k in range(first + 30, first - 1, -1):
            factor = (-1.0) ** k / (math.factorial(2 * k - n) * (2 * k + 1))
            series = series * (u * u) + factor
        series = series * u if n % 2 else series
        t = np.where(near, 1.0, t)
        waves = [np.sin(t), np.cos(t)]
        far: Any = waves[0] / t
        for m in range(1, n + 1):  # t S = sin(t), differentiated m times
            far = ((-1) ** (m // 2) * waves[m % 2] - m * far) / t
        out = math.pi**n * np.where(near, series, far)
        return float(out) if type(data[0]) is float else out

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        return (Scale(sinc_partial(operands[0], self.n + 1), len(shape_of(out))),)


def sinc_partial(x: Any, n: int) -> Any:
    """The derivative of sinc of order ``n``, recorded where ``x`` is a Value."""
    return record(SincPartial(n), (x,))


class Ratio(_OfTwo):
    """``x / y``, and 0 where y is 0 and x is finite: there the derivatives are those of the quotient, infinite or NaN.

    >>> RATIO.forward(3.0, 2.0), RATIO.forward(3.0, 0.0)
    (1.5, 0.0)
    """

    name = "ratio"
    sign = "/"

    def forward(self, *data: Any) -> Any:
        x, y = data
        if type(x) is float and type(y) is float:
            return x / y if y else 0.0 * x
        zero = np.equal(y, 0)
        return np.where(zero, 0, 1) * x / np.where(zero, 1, y)

    def local(self, k: int, operands: Sequence[Any], out: Any) -> Any:
        y = operands[1]
        with np.errstate(all="ignore"):
            if type(y) is float:
                y = np.float64(y)
            return 1.0 / y if k == 0 else -out / y


class Signed(_OfTwo):
    """``x · sign(y)``: y has no derivative on either side of 0, and by the convention at kinks none at 0.

    >>> SIGNED.forward(3.0, -2.0), SIGNED.forward(3.0, 0.0)
    (-3.0, 0.0)
    """

    name = "signed"
    sign = "±"

    def forward(self, *data: Any) -> Any:
        y = data[1]
        out = data[0] * np.sign(np.real(y) if np.iscomplexobj(y) else y)  # the complex step goes through here
        return float(out) if type(out) is np.float64 else out

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain | None:
        return None if k else super().chain(k, operands, out)

    def local(self, k: int, operands: Sequence[Any], out: Any) -> Any:
        return on_constants(np.sign, operands[1])


class Nonzero(Op):
    """1, and 0 where x is 0: a factor of what has no derivative there, so that its own is NaN at 0 and 0 elsewhere.

    >>> NONZERO.forward(3.0), NONZERO.forward(0.0)
    (1.0, 0.0)
    """

    name = "nonzero"
    sign = "≠0"

    def forward(self, *data: Any) -> Any:
        x = data[0]
        return float(x != 0) if type(x) is float else np.where(np.equal(x, 0), 0, 1).astype(x.dtype)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        slope = on_constants(lambda x: np.where(np.equal(x, 0), math.nan, 0.0).astype(np.asarray(x).dtype), operands[0])
        return (Scale(slope, len(shape_of(out))),)


RATIO, SIGNED, NONZERO = Ratio(), Signed(), Nonzero()


def ratio(x: Any, y: Any) -> Value:
    """``x / y`` as a Value, and 0 where y is 0."""
    node: Value = record(RATIO, (x, y))
    return node


def nonzero(x: Any) -> Value:
    """1 as a Value, and 0 where x is 0, with no derivative there."""
    node: Value = record(NONZERO, (x,))
    return node


def signed(x: Any, y: Any) -> Value:
    """``x · sign(y)`` as a Value."""
    node: Value = record(SIGNED, (x, y))
    return node
