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

from ..core.elementwise import Elementwise
from ..core.evaluation import replay
from ..core.graph import between
from ..core.numerics import ARRAY_FUNCTIONS
from ..core.table_source import compiled
from ..core.value import Op, Value, as_data
from ..errors import ArgumentError, TinygradError
from ..ops.primitives import Primitive

__all__ = [
    "Allowed",
    "NotAnalyticError",
    "STEP_ERROR",
    "Slope",
    "central_differences",
    "check_tolerances",
    "chosen",
    "complex_columns",
    "complex_steps",
    "slope",
]


_STEP = 1e-30  # whose square is nothing beside most numbers
STEP_ERROR = float(np.finfo(float).tiny / np.finfo(float).eps) / _STEP
"""Below it the imaginary parts of a complex step underflow."""

_DOUBTED = 1e-30  # what is smaller has to be the same with another step


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


def check_tolerances(who: str, tolerance: float | None, difference_tolerance: float | None) -> None:
    """Raise ``ArgumentError`` unless each is a relative difference, from 0 to below 1, or left to the dtype."""
    for name, given in (("tolerance", tolerance), ("difference_tolerance", difference_tolerance)):
        if given is None:
            continue
        if isinstance(given, bool) or not isinstance(given, int | float | np.number) or not 0 <= float(given) < 1:
            raise ArgumentError(f"{who}: {name} is a relative difference, from 0 to below 1, got {given!r}")


_LEVELS, _LEVELS_NEAR = 12, 6  # a quarter each: 6e-8 of the first step


@dataclass(frozen=True)
class Slope:
    """A derivative by differences: numbers or arrays.

    ``error`` is what it may be off by, inf where nothing can be told; ``kink`` is the slope from the right less that
    from the left, where they do not come together however small the step, and 0 where they do.
    """

    value: Any
    error: Any
    kink: Any


def slope(f: Callable[[float], Any], point: float, relative_step: float, wanted: float, eps: float = 0.0) -> Slope:
    """The derivative of f at a point, and how far it is known.

    By central differences of a step, a quarter of it and so on, extrapolated twice, until the relative error is below
    ``wanted``, or rounding is all that is left; of each element the best. So the steps come down to what the function
    needs: a domain that ends nearby, a kink beside the point, a short period. The first is ``relative_step`` of the
    point or of 1, whichever is more; where that leads nowhere, of the point. ``eps`` is the relative precision of f, if
    that is worse than its result's dtype tells. f returns a number or an array, the same shape each time.

    The error has three parts: how much the last quartering changed the number, rounding, and half of what the two
    sides differ by, of which curvature is taken out.

    >>> found = slope(math.exp, 2.0, 1e-3, 1e-9)
    >>> print(f"{found.value:.8f} {found.error:.0e} {found.kink:.0f}")
    7.38905610 6e-11 0
    >>> at_kink = slope(abs, 0.0, 1e-3, 1e-9)
    >>> print(f"{at_kink.value:.0f} {at_kink.error:.0f} {at_kink.kink:.0f}")
    0 1 2
    """
    result = f(point)
    shape, here = np.shape(result), np.atleast_1d(result)
    best = [np.full(here.shape, math.nan), np.full(here.shape, math.inf), np.zeros(here.shape)]
    first = relative_step * max(1.0, abs(point))
    near = relative_step * abs(point)
    moved = np.zeros(here.shape, dtype=bool)
    with np.errstate(all="ignore"):
        for start, levels in ((first, _LEVELS), (near, _LEVELS_NEAR)) if 0 < near < first else ((first, _LEVELS),):
            last: tuple[Any, ...] = ()
            for level in range(levels):
                above, below = point + start / 4**level, point - start / 4**level
                if above == point or below == point:
                    break
                h = (above - below) / 2
                up, down = np.atleast_1d(f(above)), np.atleast_1d(f(below))
                still = (up == here) & (down == here)
                largest = np.maximum(np.maximum(abs(up), abs(down)), abs(here))
                spacing = np.maximum(np.spacing(largest), eps * largest).astype(float)
                central = (up.astype(float) - down) / (2 * h)
                bend = (up.astype(float) - here) / h - (here - down.astype(float)) / h
                rounding = 4 * spacing / h + np.finfo(float).eps * abs(point) / h * abs(central)
                once = twice = kink = None
                if last:
                    once = (16 * central - last[0]) / 15
                    kink = (4 * bend - last[1]) / 3
                    changed = abs(once - last[0])
                    twice = once
                    if last[2] is not None:
                        twice = (256 * once - last[2]) / 255
                        changed = abs(twice - last[2])
                    truncation = 2 * changed + 0.51 * abs(kink)
                    error = truncation + rounding
                    error[~np.isfinite(error) | (moved & still)] = math.inf  # or all of it is lost in rounding
                    better = error < best[1]
                    stays = np.zeros(here.shape, dtype=bool)
                    if last[3] is not None:
                        stays = (abs(kink - last[3]) <= 0.1 * abs(kink)) & (abs(kink) > 5 * rounding)
                    for old, new in zip(best, (twice, error, np.zeros(here.shape)), strict=True):
                        old[better] = new[better]
                    stays &= best[1] > 0.4 * abs(kink)
                    best[2][stays] = kink[stays]
                    if ((best[1] <= wanted * abs(best[0])) | ((truncation <= rounding) & (error < math.inf))).all():
                        return Slope(*(found.reshape(shape)[()] for found in best))
                moved |= ~still
                last = central, bend, once, kink
    return Slope(*(found.reshape(shape)[()] for found in best))


def central_differences(end: Value, value: Value, relative_step: float, wanted: float, at_most: int) -> Slope:
    """∂end/∂value by differences, and how far they are known, in arrays of the value's shape.

    Of a Value with more than ``at_most`` elements only so many are computed, evenly chosen; the others are NaN.
    """
    x = np.array(value.data, dtype=float)
    found = Slope(*(np.full(x.shape, math.nan) for _ in range(3)))
    for index in chosen(x.shape, at_most):

        def moved(to: float, index: Any = index) -> float:
            other = x.copy()
            other[index] = to
            return float(np.asarray(replay(end, {value: other})).reshape(()))

        one = slope(moved, float(x[index]), relative_step, wanted)
        found.value[index], found.error[index], found.kink[index] = one.value, one.error, one.kink
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

    NaN where it cannot be told: a number so small may be a power of the step, as it is of x**3 at 0.

    Raises ``NotAnalyticError``, naming the op, where one does not take complex numbers.
    """
    x = np.array(value.data, dtype=complex)
    nodes = [node for node, _ in between(ends, [value])]  # only what depends on the value is evaluated again

    def columns(index: tuple[int, ...], step: float) -> list[Any]:
        moved = x.copy()
        moved[index] += 1j * step
        results: dict[Value, Any] = {value: moved if value.shape else moved[()]}
        for node in nodes:
            results[node] = _on_complex(node, results)
        return [np.imag(np.broadcast_to(results.get(end, 0.0), end.shape)) / step for end in ends]

    for index in chosen(x.shape, at_most):
        found = columns(index, _STEP)
        if any(((abs(column) < _DOUBTED) & (column != 0)).any() for column in found):
            again = columns(index, _STEP / 4)
            found = [
                np.where(abs(a - b) <= 1e-9 * abs(a), a, math.nan) if np.any(a != b) else a
                for a, b in zip(found, again, strict=True)
            ]
        yield index, found


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
