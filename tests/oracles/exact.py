"""Values and derivatives of the table's ops in as many digits as they need: SymPy differentiates, mpmath computes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import mpmath
import numpy as np
import sympy

from tests.oracles.symbolic import FORMULAS

_DIGITS = (40, 120, 450, 1400, 4000)
"""Cancellation may cost hundreds of digits: the third derivative of a quotient near 1e-300 all of 1,300."""

_STABLE: dict[str, Callable[..., Any]] = {
    "gelu_tanh": lambda x: x / (1 + sympy.exp(-2 * sympy.sqrt(2 / sympy.pi) * (x + sympy.Rational("0.044715") * x**3))),
    "gelu_erf": lambda x: x / 2 * sympy.erfc(-x / sympy.sqrt(2)),
    "arctan2": sympy.atan2,
    "erfc": sympy.erfc,
    "softplus": lambda x: sympy.Piecewise(
        (x + sympy.log(1 + sympy.exp(-x)), x > 0), (sympy.log(1 + sympy.exp(x)), True)
    ),
    "where": lambda condition, x, y: sympy.Piecewise((x, condition > 0), (y, True)),
}
"""Forms that need fewer digits than the textbook's."""


@cache
def formula(name: str, n: int, wrt: tuple[int, ...]) -> Callable[..., Any]:
    """The derivative of an op of ``n`` operands with respect to the operands ``wrt``, one after the other."""
    symbols = sympy.symbols(f"x0:{n}", real=True)
    expression = (_STABLE.get(name) or FORMULAS[name])(*symbols)
    for k in wrt:
        expression = sympy.diff(expression, symbols[k])
    function: Callable[..., Any] = sympy.lambdify(symbols, expression, "mpmath", cse=True)
    return function


@cache
def exact(name: str, wrt: tuple[int, ...], point: tuple[float, ...]) -> Any:
    """The derivative at a point as an ``mpf``, right to 20 digits at least.

    >>> float(exact("tanh", (0, 0), (1e-9,)))
    -2e-09
    """
    before = None
    f = formula(name, len(point), wrt)
    for digits in _DIGITS:
        with mpmath.workdps(digits):
            try:
                found = mpmath.mpf(f(*map(mpmath.mpf, point)))
            except ZeroDivisionError:  # too few digits
                continue
            if before is not None:
                same = abs(found - before) <= abs(found) * mpmath.mpf("1e-20")
                if same and (found or digits >= 400):  # 0 may be a number that underflowed against another
                    return found
        before = found
    raise ArithmeticError(f"{name}{list(wrt)} at {point}: {_DIGITS[-1]} digits are not enough")


def ulps(found: Any, truth: Any, dtype: Any) -> float:
    """The error of a number, in units of the last place of the true one; infinite where it is NaN.

    >>> ulps(1.0, mpmath.mpf(1) + mpmath.mpf(2) ** -52, np.float64), ulps(np.inf, mpmath.mpf("1e999"), np.float64)
    (1.0, 0.0)
    """
    info = np.finfo(dtype)
    if abs(truth) > mpmath.mpf(float(info.max)):
        beyond = mpmath.mpf(float(info.max)) * (1 + 4 * float(info.eps))
        ends = abs(found) >= info.max if abs(truth) < beyond else np.isinf(found)
        return 0.0 if ends and np.sign(found) == mpmath.sign(truth) else np.inf
    if not np.isfinite(found):
        return np.inf
    exponent = max(int(mpmath.mag(truth)) - 1 if truth else -10000, info.minexp)
    return float(abs(mpmath.mpf(float(found)) - truth) / mpmath.mpf(2) ** (exponent - info.nmant))
