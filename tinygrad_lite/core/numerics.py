"""The functions that the table's expressions call: on floats, on arrays, and inside local derivatives.

They are Python's and NumPy's own, but for a few that either lacks or computes less accurately.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import MissingExtraError

__all__ = ["ARRAY_FUNCTIONS", "FLOAT_FUNCTIONS", "LOCAL_FUNCTIONS", "kept", "power"]

# ---- what the expressions call: on floats ---------------------------------------------------------------------------


def _float_sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)) with the exponential of a negative number only."""
    if x >= 0.0:
        return 1.0 / (1.0 + math.exp(-x))
    e = math.exp(x)
    return e / (1.0 + e)


def _float_sech2(x: float) -> float:
    """1 / cosh(x)² from one exponential, which cannot overflow."""
    e = math.exp(-abs(x))
    q = (e + e) / (1.0 + e * e)
    return q * q


def _float_sign(x: float) -> float:
    return math.copysign(1.0, x) if x < 0.0 or x > 0.0 else x + 0.0  # 0 of both signs, or nan


def _float_maximum(x: float, y: float) -> float:
    return x if x > y or x != x else y


def _float_minimum(x: float, y: float) -> float:
    return x if x < y or x != x else y


def _float_fmax(x: float, y: float) -> float:
    return x if x > y or math.isnan(y) else y


def _float_fmin(x: float, y: float) -> float:
    return x if x < y or math.isnan(y) else y


def _float_mod(x: float, y: float) -> float:
    return x % y


def _float_cbrt(x: float) -> float:
    """A power, and one of Newton's steps: ``math.cbrt`` has no form in machine code."""
    root = math.copysign(abs(x) ** (1.0 / 3.0), x)
    if root == 0.0 or root - root != 0.0:  # 0, infinite, or nan
        return root
    return root - (root - x / root / root) / 3.0


def _float_logaddexp(x: float, y: float) -> float:
    if x == y:
        return x + 0.6931471805599453
    return x + math.log1p(math.exp(y - x)) if x > y else y + math.log1p(math.exp(x - y))


def _float_logaddexp2(x: float, y: float) -> float:
    if x == y:
        return x + 1.0
    if x > y:
        return x + 1.4426950408889634 * math.log1p(2.0 ** (y - x))
    return y + 1.4426950408889634 * math.log1p(2.0 ** (x - y))


_MATH = "cos cosh erf erfc exp expm1 hypot log log10 log1p log2 sin sinh sqrt tan tanh"
_MATH_INVERSE = "cos cosh sin sinh tan tan2 tanh"  # acos there, arccos here
FLOAT_FUNCTIONS: dict[str, Callable[..., float]] = {
    **{name: getattr(math, name) for name in _MATH.split()},
    **{f"arc{name}": getattr(math, f"a{name}") for name in _MATH_INVERSE.split()},
    "abs": abs,
    "cbrt": _float_cbrt,
    "fmax": _float_fmax,
    "fmin": _float_fmin,
    "logaddexp": _float_logaddexp,
    "logaddexp2": _float_logaddexp2,
    "maximum": _float_maximum,
    "sech2": _float_sech2,
    "minimum": _float_minimum,
    "mod": _float_mod,
    "sigmoid": _float_sigmoid,
    "sign": _float_sign,
}


# ---- what the expressions call: on arrays ---------------------------------------------------------------------------


_FLOAT16 = np.dtype(np.float16)


_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
_ONE, _LIMIT = np.array(1.0), np.array(64.0)
_ONE32, _LIMIT32 = _ONE.astype(np.float32), _LIMIT.astype(np.float32)
"""Arrays, which a ufunc reads in two thirds of the time of a number. The functions below are default arguments, since
looking them up in NumPy takes a tenth of the time of a small array's sigmoid."""


def _array_sigmoid(
    x: Any, minimum: Any = np.minimum, exp: Any = np.exp, add: Any = np.add, divide: Any = np.divide
) -> Any:
    """``e / (1 + e)`` with e = exp(x). x is capped at 64, so that exp stays finite: there it is 1 in any precision."""
    dtype = x.dtype
    if x.ndim and dtype is _FLOAT64:
        one, limit = _ONE, _LIMIT
    elif x.ndim and dtype is _FLOAT32:
        one, limit = _ONE32, _LIMIT32
    elif dtype is _FLOAT16:  # whose largest number is exp(11)
        return _array_sigmoid(x.astype(np.float32)).astype(np.float16)
    else:  # complex, or a NumPy scalar
        e = np.exp(np.minimum(x, 64.0))
        return e / (1.0 + e)
    e = minimum(x, limit)
    exp(e, e)
    d = add(one, e)
    return divide(e, d, d)


def _sech2(x: Any) -> Any:
    """1 / cosh(x)². Where cosh overflows it is 0, correctly."""
    out = np.reciprocal(np.cosh(x))
    return out * out


_array_sech2 = np.errstate(over="ignore")(_sech2)


@np.errstate(invalid="ignore")
def _array_logaddexp(x: Any, y: Any) -> Any:
    """``log(exp(x) + exp(y))`` by the formula of NumPy's function, in a third of its time, and without its warnings."""
    out = np.subtract(x, y)
    into = (out,) if out.ndim else ()
    out = np.negative(np.abs(out, *into), *into)
    out = np.fmax(out, -math.inf, *into)  # inf - inf: the two are equal, and both as infinite as their sum
    return np.add(np.maximum(x, y), np.log1p(np.exp(out, *into), *into), *into)


def _quiet(ufunc: np.ufunc) -> Callable[..., Any]:
    """The ufunc without its warning about NaN operands, which other ufuncs do not give."""

    def call(x: Any, y: Any) -> Any:
        with np.errstate(invalid="ignore"):
            return ufunc(x, y)

    return call


def _special(name: str) -> Callable[[Any], Any]:
    """A function of SciPy, imported at its first call."""

    def call(x: Any) -> Any:
        try:
            from scipy import special
        except ImportError:
            raise MissingExtraError(
                f'{name}: on arrays it needs SciPy, which is not installed; pip install "tinygrad_lite[scipy]"'
            ) from None
        return getattr(special, name)(x)

    return call


def power(x: Any, y: Any) -> Any:
    """``x ** y``: for one whole or half number y of at most 8 by products and a root, in a tenth of the time.

    Their error is a unit of the last place for each. Where x ** y is neither infinite nor 0, no product on the way is.

    >>> power(np.array([2.0, 4.0]), 2.5), power(np.array([2.0, 4.0]), -3.0)
    (array([ 5.65685425, 32.        ]), array([0.125   , 0.015625]))
    """
    if isinstance(y, np.ndarray | np.generic) and not y.ndim:
        y = y.item()
    twice = 2 * y if type(y) in (float, int) else 0
    known = 0 < abs(twice) <= 2 * _HIGHEST and twice == int(twice)
    if not known or not getattr(x, "ndim", 0) or x.dtype not in _PRECISE:
        return x**y
    whole, half = divmod(abs(int(twice)), 2)
    if half and twice != 1:
        x = x + 0.0  # a root of -0 would keep its sign
    if twice == -1:
        return np.reciprocal(np.sqrt(x))
    base = np.reciprocal(x) if twice < 0 else x
    out: Any = np.sqrt(base) if half else None
    while whole:
        if whole & 1:
            out = base if out is None else base * out
        whole >>= 1
        if whole:
            base = np.square(base)
    return np.positive(out) if out is x else out


def _local_power(x: Any, y: Any) -> Any:
    """The same in a derivative, which reads the first power without a copy."""
    y = y.item() if type(y) is np.ndarray and not y.ndim else y
    return x if type(y) in (float, int) and y == 1 else power(x, y)


_HIGHEST = 8
_PRECISE = (_FLOAT64, _FLOAT32)


def kept(near: Any, margin: Any, least: float, careful: Callable[..., Any], *operands: Any) -> Any:
    """``near``, changed in place to ``careful(*operands)`` where ``margin`` is less than ``least``, or NaN.

    A reduction tells that no element is, as in most arrays; it takes less time than a product.

    >>> kept(np.array([0.5, 0.0]), np.array([0.5, 0.0]), 0.1, np.sqrt, np.array([0.25, 1e-6]))
    array([0.5  , 0.001])
    """
    if type(near) is not np.ndarray:
        if hasattr(near, "stands_for_data") and near.dtype in _PRECISE:
            arguments = near, margin, least, careful, *operands
            return near.__array_function__(kept, (type(near),), arguments, {})
        return careful(*operands)
    if near.dtype not in _PRECISE:
        return careful(*operands)
    lowest = margin.item(margin.argmin()) if near.size else least  # NaN, if there is one
    if lowest >= least:
        return near
    low = margin < least if lowest == lowest else ~(margin >= least)
    few = low.reshape(-1).nonzero()[0]
    if 4 * few.size > near.size or not near.flags.c_contiguous:
        np.copyto(near, careful(*operands), where=low)
    else:
        near.reshape(-1)[few] = careful(*[x.take(few) for x in operands])
    return near


kept.changes_first = True  # type: ignore[attr-defined]


_NUMPY = """
abs arccos arccosh arcsin arcsinh arctan arctan2 arctanh cbrt cos cosh exp expm1 fmax fmin hypot log log10 log1p log2
maximum minimum mod sign sin sinh sqrt tan tanh where
"""
ARRAY_FUNCTIONS: dict[str, Callable[..., Any]] = {name: getattr(np, name) for name in _NUMPY.split()} | {
    "sigmoid": _array_sigmoid,
    "sech2": _array_sech2,
    "logaddexp": _array_logaddexp,
    "power": power,
    "square": np.square,
    "logaddexp2": _quiet(np.logaddexp2),
    "erf": _special("erf"),
    "erfc": _special("erfc"),
}
LOCAL_FUNCTIONS = ARRAY_FUNCTIONS | {
    "kept": kept,
    "power": _local_power,
    "sech2": _sech2,
}
"""The functions of local derivatives on arrays; a sweep silences NumPy's warnings as a whole."""
