"""Expressions of the table that keep their digits where the textbook's lose them, and whose own derivatives do so too.

Each is text in the table's language, for the lines of ``elementwise_derivatives`` to contain.
"""

from __future__ import annotations

import math

__all__ = [
    "GELU",
    "GELU_CAPPED",
    "GELU_SLOPE",
    "GELU_WRITTEN",
    "KEPT",
    "NEAR",
    "NOT_NAN",
    "ONE_MINUS_SQUARE",
    "RATIO",
    "RATIO2",
    "SILU_WRITTEN",
    "SINC_SLOPE",
    "cosine",
]

ONE_MINUS_SQUARE = "where(abs(x) < 0.5, 1 - x * x, (1 - x) * (1 + x))"
"""1 - x², and its slope: the product keeps the digits near ±1, the difference near 0."""


def cosine(x: str, y: str) -> str:
    """``x / hypot(x, y)``, and 0 at the origin. The slope of the quotient would cancel at small ``y``."""
    steep = f"abs({x}) > abs({y})"
    below = f"where({steep}, 1, where({y} == 0, 1, abs({y})))"
    return (
        f"where({steep}, sign({x}) / sqrt(1 + ({y} / where({steep}, {x}, 1))**2),"
        f" {x} / {below} / sqrt(1 + ({x} / {below})**2))"
    )


_APART = "where(x > y, y - x, x - y)"
RATIO, RATIO2 = f"exp({_APART})", f"2 ** {_APART}"
"""The smaller of eˣ and eʸ divided by the larger; the same of powers of 2. No order of derivatives overflows."""

KEPT = 2.0**-6
"""A difference from 1 of at least this has kept its digits: two roundings of a number near 1 are 2e-14 of it."""
NOT_NAN = -math.inf
"""A margin of what is computed everywhere as people write it, but where that overflows."""

NEAR = "minimum(maximum(x, -1000), 1000)"
"""x as far as a sigmoid is neither 0 nor 1: its product with 0 is 0, further out too, and never nan."""

SILU_WRITTEN = "sigmoid(x) * (1 + x * (1 - sigmoid(x)))"

GELU = "x * (1.5957691216057308 + 0.07135481627260025 * (x * x))"  # 1.59… is 2 √(2/π), 0.07… that times 0.044715
"""The argument of the sigmoid in ``gelu_tanh``."""
GELU_WRITTEN = (
    f"sigmoid({GELU}) * (1 + x * (1 - sigmoid({GELU})) * (1.5957691216057308 + 0.21406444881780073 * (x * x)))"
)
_CAPPED = "minimum(x * x, 900)"  # as NEAR
GELU_CAPPED = GELU.replace("(x * x)", _CAPPED)
GELU_SLOPE = f"(1.5957691216057308 + 0.21406444881780073 * {_CAPPED})"

_SQUARE = (
    "(3.141592653589793 * where(abs(x) < 0.3, x, 0))**2"  # of πx near 0; further out it is not read, nor overflows
)
_SERIES = "1 / 6758061133824000"
for _term in (22230464256000, 93405312000, 518918400, 3991680, 45360, 840, 30, 3):
    _SERIES = f"(1 / {_term} - {_SQUARE} * {_SERIES})"
SINC_SLOPE = (
    f"where(abs(x) < 0.3, -9.869604401089358 * x * {_SERIES},"
    " (cos(3.141592653589793 * x) - sin(3.141592653589793 * x) / (3.141592653589793 * where(x == 0, 1, x)))"
    " / where(x == 0, 1, x))"
)
"""The derivative of sinc: near 0 by its series, as the quotient cancels."""
