"""The value of every op of the table, written a second time: textbook forms that also take complex numbers.

Piecewise functions choose their piece by real parts, so that a complex step follows the piece.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import MAX_EMAX, MIN_EMIN, Decimal, localcontext
from typing import Any

import numpy as np

try:
    from scipy import special
except ImportError:  # an extra of the project
    special = None

NEEDS_SCIPY = {"erf", "erfc", "gelu_erf"}
"""Ops that need SciPy on arrays."""


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _clip(x: Any, low: Any, high: Any) -> Any:
    return np.where(np.real(x) < np.real(low), low, np.where(np.real(x) > np.real(high), high, x))


FORMULAS: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: y + x,
    "sub": lambda x, y: -(y - x),
    "mul": lambda x, y: y * x,
    "div": lambda x, y: x * y**-1.0,
    "neg": lambda x: 0 - x,
    "pow": lambda x, y: np.exp(y * np.log(x)),
    "exp": np.exp,
    "log": np.log,
    "log1p": np.log1p,
    "expm1": np.expm1,
    "exp2": lambda x: np.exp(x * math.log(2)),
    "log2": lambda x: np.log(x) / math.log(2),
    "log10": lambda x: np.log(x) / math.log(10),
    "logaddexp": lambda x, y: np.log(np.exp(x) + np.exp(y)),
    "logaddexp2": lambda x, y: np.log(2**x + 2**y) / math.log(2),
    "sqrt": lambda x: x**0.5,
    "cbrt": lambda x: x ** (1 / 3),
    "reciprocal": lambda x: x**-1.0,
    "hypot": lambda x, y: (x**2 + y**2) ** 0.5,
    "square": lambda x: x**2,
    "abs": lambda x: np.where(np.real(x) < 0, -x, x),
    "sign": lambda x: np.where(np.real(x) < 0, -1.0, np.where(np.real(x) > 0, 1.0, 0.0)),
    "sin": np.sin,
    "cos": np.cos,
    "tan": lambda x: np.sin(x) / np.cos(x),
    "arcsin": np.arcsin,
    "arccos": np.arccos,
    "arctan": np.arctan,
    "arctan2": lambda x, y: 2 * np.arctan(x / (y + (x * x + y * y) ** 0.5)),
    "sinh": lambda x: (np.exp(x) - np.exp(-x)) / 2,
    "cosh": lambda x: (np.exp(x) + np.exp(-x)) / 2,
    "tanh": np.tanh,
    "sech2": lambda x: 1 / np.cosh(x) ** 2,
    "arcsinh": np.arcsinh,
    "arccosh": lambda x: np.log(x + (x * x - 1) ** 0.5),
    "arctanh": np.arctanh,
    "sinc": lambda x: np.sin(math.pi * x) / (math.pi * x),
    "sinc_slope": lambda x: np.cos(math.pi * x) / x - np.sin(math.pi * x) / (math.pi * x * x),
    "sigmoid": _sigmoid,
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "relu": lambda x: np.where(np.real(x) > 0, x, 0),
    "leaky_relu": lambda x, slope: np.where(np.real(x) > 0, x, slope * x),
    "elu": lambda x, alpha: np.where(np.real(x) > 0, x, alpha * (np.exp(x) - 1)),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "gelu_erf": lambda x: 0.5 * x * (1 + special.erf(x / math.sqrt(2))),
    "erf": lambda x: special.erf(x),
    "erfc": lambda x: 1 - special.erf(x),
    "maximum": lambda x, y: np.where(np.real(x) > np.real(y), x, y),
    "minimum": lambda x, y: np.where(np.real(x) < np.real(y), x, y),
    "fmax": lambda x, y: np.where(np.real(x) > np.real(y), x, y),
    "fmin": lambda x, y: np.where(np.real(x) < np.real(y), x, y),
    "mod": lambda x, y: x - y * np.floor(np.real(x) / np.real(y)),
    "where": lambda condition, x, y: np.where(condition, x, y),
    "clip": _clip,
}

NOT_DIFFERENTIABLE = {("where", 0), ("leaky_relu", 1), ("elu", 1), ("cross_entropy", 1)}
"""Op and operand: an operand that chooses or parametrises, through which no path leads."""

_DIGITS = 500  # 1 + exp(-1000) has them


def exactly(name: str, x: float) -> tuple[float, float]:
    """Value and derivative at x in 500 digits, rounded once at the end.

    >>> exactly("sigmoid", 0.0)
    (0.5, 0.25)
    """
    with localcontext(prec=_DIGITS, Emax=MAX_EMAX, Emin=MIN_EMIN):
        return tuple(float(+part) for part in _EXACTLY[name](Decimal(x)))  # type: ignore[return-value]


def _exact_sigmoid(x: Decimal) -> tuple[Decimal, Decimal]:
    e, f = x.exp(), (-x).exp()
    return e / (1 + e), 1 / (2 + e + f)


def _exact_tanh(x: Decimal) -> tuple[Decimal, Decimal]:
    e, f = x.exp(), (-x).exp()
    return (e - f) / (e + f), 4 / (e + f) ** 2


def _exact_softplus(x: Decimal) -> tuple[Decimal, Decimal]:
    return (1 + x.exp()).ln() if x > -1000 else x.exp(), _exact_sigmoid(x)[0]


def _exact_silu(x: Decimal) -> tuple[Decimal, Decimal]:
    s, ds = _exact_sigmoid(x)
    return x * s, s + x * ds


def _exact_elu(x: Decimal) -> tuple[Decimal, Decimal]:
    return (x, Decimal(1)) if x > 0 else (x.exp() - 1, x.exp())


def _exact_gelu_tanh(x: Decimal) -> tuple[Decimal, Decimal]:
    pi = Decimal("3.14159265358979323846264338327950288419716939937510582097494459")
    c = 2 * (2 / pi).sqrt()
    s, ds = _exact_sigmoid(c * (x + Decimal("0.044715") * x**3))
    return x * s, s + x * ds * c * (1 + 3 * Decimal("0.044715") * x**2)


_EXACTLY = {
    "sigmoid": _exact_sigmoid,
    "tanh": _exact_tanh,
    "softplus": _exact_softplus,
    "silu": _exact_silu,
    "elu": _exact_elu,
    "gelu_tanh": _exact_gelu_tanh,
}
