"""Derivatives of a function or a recorded computation by numbers alone: it is evaluated again beside the point.

They share nothing with autodiff but the ops' forward functions. The complex step is exact to rounding where a function
is analytic, for it subtracts nothing: f(x + ih) = f(x) + ih f'(x) + O(h²).

Sources: L. F. Richardson, 1911, for the extrapolation, and C. Ridders, *Accurate computation of F'(x) and F'(x)F"(x)*,
1982, for the estimate of its error; W. Squire and G. Trapp, *Using complex variables to estimate
derivatives of real functions*, 1998.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .carrying import between
from .derivatives import ARRAY_FUNCTIONS, compiled
from .elementwise import Elementwise
from .errors import TinygradError
from .primitives import Primitive
from .sweeping import replay
from .value import Op, Value, as_data

__all__ = [
    "Allowed",
    "NotAnalyticError",
    "central_differences",
    "chosen",
    "complex_columns",
    "complex_steps",
    "extrapolated",
]

_STEP = 1e-30  # whose square is nothing beside any number


class NotAnalyticError(TinygradError, ArithmeticError):
    """An op that does not take complex numbers."""


@dataclass(frozen=True)
class Allowed:
    """What numbers of one precision can tell: 4e-10, 5e-7, 7e-4 and 3e-12 in float64.

    ``exact`` is the relative difference allowed between two ways without truncation, ``difference`` that to a finite
    difference, ``step`` its step relative to the point, ``rounding`` what is left of rounding in it, per unit of the
    function.
    """

    exact: float
    difference: float
    step: float
    rounding: float

    @classmethod
    def of(cls, eps: float) -> Allowed:
        """For numbers with this spacing at 1."""
        step = eps**0.2  # truncation and rounding of an extrapolated central difference are about equal there
        return cls(eps**0.6, eps**0.4, step, 10 * eps / step)  # 1e-12 was met in float64


def extrapolated(f: Callable[[float], Any], step: float, levels: int = 2) -> tuple[Any, Any]:
    """The derivative of f at 0, and an estimate of its error: how much the last level changed it.

    By central differences of ``step``, its half and so on, the powers of the step up to 2 ``levels`` cancelled. f
    returns a number or an array.

    >>> slope, error = extrapolated(lambda t: math.exp(2 * t), 1e-3, 3)
    >>> round(slope, 11), bool(error < 1e-9)
    (2.0, True)
    """
    last: list[Any] = []
    row: list[Any] = []
    for level in range(levels):
        h = step / 2**level
        last, row = row, [(f(h) - f(-h)) / (2 * h)]
        for k, coarser in enumerate(last, start=1):
            row.append((4**k * row[-1] - coarser) / (4**k - 1))
    return row[-1], np.maximum(abs(row[-1] - row[-2]), abs(row[-1] - last[-1]))


def central_differences(end: Value, value: Value, relative_step: float, at_most: int) -> Any:
    """∂end/∂value by central differences of step h and h/2, extrapolated once.

    h is ``relative_step`` of an element, or of 1 if that is more. Of a Value with more than ``at_most`` elements only
    so many are computed, evenly chosen; the others are NaN.
    """
    x = np.array(value.data, dtype=float)
    found = np.full(x.shape, math.nan)
    for index in chosen(x.shape, at_most):

        def moved(distance: float, index: Any = index) -> float:
            other = x.copy()
            other[index] += distance
            return float(np.asarray(replay(end, {value: other})).reshape(()))

        found[index] = extrapolated(moved, relative_step * max(1.0, abs(float(x[index]))))[0]
    return found


def complex_steps(end: Value, value: Value, at_most: int) -> Any:
    """∂end/∂value by the complex step; NaN where one is left out, as in ``central_differences``.

    Raises ``NotAnalyticError``, naming the op, where one does not take complex numbers.
    """
    found = np.full(value.shape, math.nan)
    for index, (column,) in complex_columns([end], value, at_most):
        found[index] = column.reshape(())
    return found


def complex_columns(
    ends: Sequence[Value], value: Value, at_most: int
) -> Iterator[tuple[tuple[int, ...], list[np.ndarray[Any, Any]]]]:
    """The derivative of every element of ``ends`` by one element of ``value``, and the index of that, one by one.

    Raises ``NotAnalyticError``, naming the op, where one does not take complex numbers.
    """
    x = np.array(value.data, dtype=complex)
    nodes = [node for node, _ in between(ends, [value])]  # only what depends on the value is evaluated again
    for index in chosen(x.shape, at_most):
        moved = x.copy()
        moved[index] += 1j * _STEP
        results: dict[Value, Any] = {value: moved if value.shape else moved[()]}
        for node in nodes:
            results[node] = _on_complex(node, results)
        yield index, [np.imag(np.broadcast_to(results.get(end, 0.0), end.shape)) / _STEP for end in ends]


def chosen(shape: tuple[int, ...], at_most: int) -> Iterator[tuple[int, ...]]:
    """Indices of at most so many elements, evenly chosen."""
    size = math.prod(shape)
    for flat in range(0, size, max(1, math.ceil(size / at_most))):
        yield tuple(int(i) for i in np.unravel_index(flat, shape))


# ---- the ops on complex numbers --------------------------------------------------------------------------------------


def _by_real_part(better: Any) -> Any:
    return lambda x, y: np.where(better(np.real(x), np.real(y)), x, y)


def _like(size: Any, ratio: Any) -> Any:
    """``size`` times what a complex step makes of 1 = ``ratio(size)``; 0 where the size is."""
    return np.where(size == 0, 0.0, size * ratio(np.where(size == 0, 1.0, size)))


def _argument_slope(x: Any, y: Any) -> Any:
    """How a complex step goes on in the angle of (y, x), to first order."""
    a, b = np.real(x), np.real(y)
    return (b * np.imag(x) - a * np.imag(y)) / (a * a + b * b)


def _shifted(x: Any, y: Any, exp: Any, log: Any) -> Any:
    top = np.maximum(np.real(x), np.real(y))
    top = np.where(np.isfinite(top), top, 0.0)
    return log(exp(x - top) + exp(y - top)) + top


_COMPLEX_FUNCTIONS = ARRAY_FUNCTIONS | {
    "abs": lambda x: np.where(np.real(x) < 0, -x, x),  # |x| as it continues from the real line, which np.abs does not
    "sign": lambda x: np.sign(np.real(x)),
    "maximum": _by_real_part(np.greater),
    "minimum": _by_real_part(np.less),
    "fmax": _by_real_part(lambda x, y: (x > y) | np.isnan(y)),
    "fmin": _by_real_part(lambda x, y: (x < y) | np.isnan(y)),
    "mod": lambda x, y: x - y * np.floor(np.real(x) / np.real(y)),
    "hypot": lambda x, y: _like(np.hypot(np.real(x), np.real(y)), lambda r: np.sqrt((x / r) ** 2 + (y / r) ** 2)),
    "cbrt": lambda x: _like(np.cbrt(np.real(x)), lambda r: (x / r**3) ** (1 / 3)),
    "arctan2": lambda x, y: np.arctan2(np.real(x), np.real(y)) + 1j * _argument_slope(x, y),
    "logaddexp": lambda x, y: _shifted(x, y, np.exp, np.log),
    "logaddexp2": lambda x, y: _shifted(x, y, np.exp2, np.log2),
    "where": lambda condition, x, y: np.where(np.real(condition) != 0, x, y),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}


def _on_complex(node: Value, results: dict[Value, Any]) -> Any:
    op: Op | None = node.op
    assert op is not None
    if isinstance(op, Primitive):  # which may take complex numbers, and not be analytic
        raise NotAnalyticError(f"complex step: {op.name!r} is a primitive, known for real numbers only")
    data = [
        results.get(x, x.data) if isinstance(x, Value) else as_data(x, keep_integers=True, copy=False)
        for x in node.operands
    ]
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error", np.exceptions.ComplexWarning)  # a cast that drops the imaginary part
            if isinstance(op, Elementwise):
                return compiled(op.rule, op.rule.forward, _COMPLEX_FUNCTIONS)(*data)
            return op.forward(*data)
    except (TypeError, np.exceptions.ComplexWarning):
        raise NotAnalyticError(f"complex step: {op.name!r} does not take complex numbers") from None
