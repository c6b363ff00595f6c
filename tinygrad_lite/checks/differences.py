"""Derivatives by finite differences: a function or a recorded computation evaluated again beside the point.

They share nothing with autodiff but the ops' forward functions.

Sources: L. F. Richardson, 1911, for the extrapolation, and C. Ridders, *Accurate computation of F'(x) and F'(x)F"(x)*,
1982, for the estimate of its error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.evaluation import replay_only
from ..core.value import Value
from ..errors import ArgumentError

__all__ = ["Allowed", "Slope", "central_differences", "check_tolerances", "chosen", "slope"]


@dataclass(frozen=True)
class Allowed:
    """The accuracy of numbers of one precision: 4e-10, 5e-7, 7e-4 and 3e-12 in float64.

    ``exact`` is the relative difference allowed between two ways without truncation, ``difference`` that to a finite
    difference, ``step`` the step of a difference relative to the point, ``rounding`` the rounding that remains in it,
    per unit of the function.
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

    ``error`` is how far it may be off, inf where it tells nothing; ``kink`` is the slope from the right less the slope
    from the left where they do not come together however small the step, and 0 where they do.
    """

    value: Any
    error: Any
    kink: Any


def slope(f: Callable[[Any], Any], point: Any, relative_step: float, wanted: float) -> Slope:
    """The derivative of f at a point, and how far it is known.

    By central differences with a step, a quarter of it and so on, extrapolated twice, until the relative error is below
    ``wanted`` or only rounding is left; each element keeps its best estimate. So the step becomes as small as the
    function needs: near the end of its domain, beside a kink, for a short period. The first step is ``relative_step``
    of the point or of 1, whichever is more; where that leads nowhere, of the point. f returns a number or an array, the
    same shape each time. An array of points stands for as many derivatives: element k of the result belongs to point k.

    The error has three parts: how much the last quartering changed the number, rounding, and half of the difference
    between the two sides, without the part that is curvature.

    >>> found = slope(math.exp, 2.0, 1e-3, 1e-9)
    >>> print(f"{found.value:.8f} {found.error:.0e} {found.kink:.0f}")
    7.38905610 6e-11 0
    >>> at_kink = slope(abs, 0.0, 1e-3, 1e-9)
    >>> print(f"{at_kink.value:.0f} {at_kink.error:.0f} {at_kink.kink:.0f}")
    0 1 2
    """
    with np.errstate(all="ignore"):
        estimate = _Estimate(f, point, wanted)
        several = np.ndim(point) > 0
        first = relative_step * (np.maximum(1.0, abs(point)) if several else max(1.0, abs(point)))
        if not estimate.refined(first, _LEVELS):
            near = relative_step * abs(point)
            estimate.refined(np.where(near < first, near, 0.0) if several else near * (near < first), _LEVELS_NEAR)
    return estimate.best


@dataclass
class _Level:
    """The differences with one step, and what extrapolation makes of them and of the levels before."""

    central: Any
    bend: Any  # the slope from the right less the slope from the left
    rounding: Any
    still: Any  # elements that did not move
    once: Any = None
    kink: Any = None


class _Estimate:
    """The derivative of f at a point as it is refined: the best of each element so far.

    The elements are done all together if there is one point, and each by itself if there is a point for each.
    """

    def __init__(self, f: Callable[[Any], Any], point: Any, wanted: float) -> None:
        self._f, self._point, self._wanted = f, point, wanted
        result = f(point)
        self._shape, self._here = np.shape(result), np.atleast_1d(result)
        shape = self._here.shape
        self._value, self._error, self._kink = np.full(shape, math.nan), np.full(shape, math.inf), np.zeros(shape)
        self._moved = np.zeros(shape, dtype=bool)
        self._each, self._done = np.ndim(point) > 0, np.zeros(shape, dtype=bool)

    @property
    def best(self) -> Slope:
        return Slope(*(found.reshape(self._shape)[()] for found in (self._value, self._error, self._kink)))

    def refined(self, start: Any, levels: int) -> bool:
        """Quarter the step up to ``levels`` times; true once every element is known as well as it can or has to be."""
        last = None
        for k in range(levels):
            above, below = self._point + start / 4**k, self._point - start / 4**k
            if np.all((above == self._point) | (below == self._point) | (self._each & self._done)):
                break
            level = self._differences(above, below)
            if last is not None and self._extrapolated(level, last):
                return True
            self._moved |= ~level.still
            last = level
        return False

    def _differences(self, above: Any, below: Any) -> _Level:
        here, h = self._here, (above - below) / 2
        up, down = np.atleast_1d(self._f(above)), np.atleast_1d(self._f(below))
        largest = np.maximum(np.maximum(abs(up), abs(down)), abs(here))
        spacing = np.spacing(largest).astype(float)
        central = (up.astype(float) - down) / (2 * h)
        bend = (up.astype(float) - here) / h - (here - down.astype(float)) / h
        rounding = 4 * spacing / h + np.finfo(float).eps * abs(self._point) / h * abs(central)
        return _Level(central, bend, rounding, (up == here) & (down == here))

    def _extrapolated(self, level: _Level, last: _Level) -> bool:
        """Keep the elements that a level tells better than the levels before; true if that is enough."""
        once = level.once = (16 * level.central - last.central) / 15
        kink = level.kink = (4 * level.bend - last.bend) / 3
        twice, changed = once, abs(once - last.central)
        if last.once is not None:
            twice = (256 * once - last.once) / 255
            changed = abs(twice - last.once)
        truncation = 2 * changed + 0.51 * abs(kink)
        error = truncation + level.rounding
        error[~np.isfinite(error) | (self._moved & level.still)] = math.inf  # or rounding has lost everything
        left = ~self._done if self._each else np.True_
        better = left & (error < self._error)
        self._value[better], self._error[better], self._kink[better] = twice[better], error[better], 0.0
        if last.kink is not None:
            stays = (abs(kink - last.kink) <= 0.1 * abs(kink)) & (abs(kink) > 5 * level.rounding)
            stays &= left & (self._error > 0.4 * abs(kink))
            self._kink[stays] = kink[stays]
        known = self._error <= self._wanted * abs(self._value)
        done = known | ((truncation <= level.rounding) & (error < math.inf))
        if self._each:
            done |= self._done
        self._done = done
        return bool(done.all())


def central_differences(
    end: Value, value: Value, nodes: Sequence[Value], relative_step: float, wanted: float, at_most: int
) -> Slope:
    """∂end/∂value by differences, and how far they are known, in arrays of the value's shape.

    ``nodes`` are those that depend on the value: the others are not evaluated again.
    Of a Value with more than ``at_most`` elements only so many are computed, evenly chosen; the others are NaN.
    """
    x = np.array(value.data, dtype=float)
    found = Slope(*(np.full(x.shape, math.nan) for _ in range(3)))
    for index in chosen(x.shape, at_most):

        def moved(to: float, index: Any = index) -> float:
            other = x.copy()
            other[index] = to
            found = replay_only(nodes, {value: other if other.shape else float(other)})
            return float(np.asarray(found.get(end, end.data)).reshape(()))

        one = slope(moved, float(x[index]), relative_step, wanted)
        found.value[index], found.error[index], found.kink[index] = one.value, one.error, one.kink
    return found


def chosen(shape: tuple[int, ...], at_most: int) -> Iterator[tuple[int, ...]]:
    """Indices of at most so many elements, evenly chosen."""
    size = math.prod(shape)
    for flat in range(0, size, max(1, math.ceil(size / at_most))):
        yield tuple(int(i) for i in np.unravel_index(flat, shape))
