"""The ways to one gradient that ``compare`` puts side by side: backward, listed paths, differences, complex steps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..core.graph import chains, topological
from ..core.sweeps import gradients, reverse
from ..core.value import Value
from ..paths.queries import gradient_paths
from ..semirings import COUNT, GRADIENT, MAGNITUDE
from .by_hand import Misfit
from .complex_step import STEP_ERROR, NotAnalyticError, complex_steps
from .cones import Cones
from .differences import Allowed, Slope, central_differences
from .together import Runs, runs_of

__all__ = ["Row", "Ways", "negligible"]

_PATHS_LISTED = 20_000  # per parameter: listing takes about 10 µs a path
_LISTING_WORK = 100_000  # edges visited to list the paths of all elements: about 15 µs each
_ELEMENTS_DIFFERENCED = 256  # per parameter: each takes four evaluations
_ELEMENTS_IN_ALL = 2_048

_SAMPLED = ("difference", "complex_step")
"""Columns that may leave out some elements, as NaN."""


def negligible(gradients: Iterable[Any]) -> float:
    """The size below which a difference counts as one of this size: 1e-7 of the largest gradient."""
    return 1e-7 * max((float(np.max(np.abs(g), initial=0.0)) for g in gradients), default=0.0)


@dataclass(frozen=True)
class Row:
    """The gradient of one parameter by each way, arrays of its shape.

    ``None`` stands for a way that was left out, NaN for a single element. ``reason`` says why the manual gradient can
    not be compared: it is missing, has another shape, or is not finite.
    """

    name: str
    autodiff: Any
    paths: Any
    manual: Any
    difference: Any
    complex_step: Any
    n_paths: int
    rounding: Any = 0.0
    reason: str = ""

    def worst(self, column: str, least: float, tolerance: float) -> tuple[float, tuple[int, ...]]:
        """The largest relative difference of a column from autodiff, and its element; (0, ()) if it was left out.

        Relative to the larger of the two, to ``least``, or to where ``rounding`` is ``tolerance``, whichever is most.
        """
        other = getattr(self, column)
        if other is None:
            return 0.0, ()
        ours, theirs = np.asarray(self.autodiff, dtype=float), np.asarray(other, dtype=float)
        there = ~np.isnan(theirs) if column in _SAMPLED else np.ones(ours.shape, dtype=bool)
        with np.errstate(all="ignore"):
            hidden = np.nan_to_num(np.divide(self.rounding, tolerance), posinf=0.0) if tolerance else 0.0
            size = np.maximum(np.maximum(np.abs(ours), np.abs(theirs)), np.maximum(least, hidden))
            relative = np.where(ours == theirs, 0.0, np.abs(ours - theirs) / size)
        relative = np.where(np.isnan(relative), math.inf, relative)
        relative = np.where(there, relative, 0.0)
        if not relative.size:
            return (math.inf if self.reason and column == "manual" else 0.0), ()
        flat = int(np.argmax(relative))
        return float(relative.flat[flat]), tuple(int(i) for i in np.unravel_index(flat, relative.shape))

    def noise(self, least: float, tolerance: float) -> float:
        """The absolute difference from autodiff that ``worst`` forgives at any element, however small it is."""
        return max(tolerance * least, float(np.max(self.rounding, initial=0.0)))


class Ways:
    """The gradients of one loss with respect to some values. ``notes`` says what was left out.

    The values ``moved`` by differences and complex steps are all of them by default.
    """

    def __init__(
        self,
        loss: Value,
        values: Sequence[Value],
        eps: float,
        difference_tolerance: float,
        numerical: bool = True,
        moved: Iterable[Value] | None = None,
    ) -> None:
        self._loss, self._eps, self._rough, self._numerically = loss, eps, difference_tolerance, numerical
        self._work_left = _LISTING_WORK
        self._not_listed: list[str] = []
        self._not_moved: list[str] = []
        self._most = _shares(values, values if moved is None else moved)
        self._edges = sum(1 + len(node.parents) for node in topological(loss))
        self._swept = reverse(loss, GRADIENT)  # also reaches Values inside a fused loss or a checkpoint
        self._gradients = {value: GRADIENT.result(g) for value, g in self._swept.items()} | gradients(loss)
        self._counts = reverse(loss, COUNT)
        self._terms = _sizes_of_terms(loss, self._gradients, values)
        self.least = negligible(self._gradients.get(value, 0.0) for value in values)
        self._notes: list[str] = []

    @cached_property
    def _cones(self) -> tuple[Cones, Cones]:
        return Cones(self._loss), Cones(self._loss, smooth=True)

    @cached_property
    def _runs(self) -> dict[Value, tuple[Runs, int]]:
        """The scalars that are moved together with others: their runs, and the number of their own."""
        moved = [value for value, most in self._most.items() if most]
        groups = runs_of(self._loss, moved, self._cones, Allowed.of(self._eps).step, 0.1 * self._rough)
        return {value: (runs, k) for runs in groups for k, value in enumerate(runs.moved)}

    @property
    def notes(self) -> list[str]:
        """What was left out."""
        notes = self._notes[:]
        for what, names, instead in (
            ("Paths are", self._not_listed, "; their sum is swept"),
            ("Differences and steps are", self._not_moved, ""),
        ):
            if names:
                some = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
                notes.append(f"{what} left out, as they would take long, of {some}{instead}.")
        return notes

    def row(self, name: str, value: Value, manual: Any, misfit: Misfit | None, numerically: bool) -> Row:
        """All ways for one value; without ``numerically`` only autodiff and ``manual``, as for a value between."""
        gradient = np.array(self._gradients.get(value, np.zeros(value.shape)))
        n_paths = int(np.sum(np.asarray(COUNT.result(self._counts.get(value, 0)), dtype=object)))
        rounding = 2 * self._eps * np.asarray(self._terms.get(value, 0.0), dtype=float)
        listed = differences = steps = None
        if numerically:
            listed = self._over_paths(name, value, n_paths)
            if self._numerically:
                differences, steps = self._numerical(name, value, gradient, self._most[value])
        reason = _not_finite(manual) if misfit is None else misfit.why(gradient)
        return Row(name, gradient, listed, manual, differences, steps, n_paths, rounding, reason)

    def _over_paths(self, name: str, value: Value, n_paths: int) -> Any:
        """The gradient of every element as the plain sum over its listed paths; swept where there are too many."""
        if n_paths > _PATHS_LISTED:
            self._notes.append(
                f"{name}: {n_paths} paths are too many to list (at most {_PATHS_LISTED}); their sum is swept."
            )
            return np.array(GRADIENT.result(self._swept[value]))
        self._work_left -= value.size * self._edges if n_paths else 0
        if self._work_left < 0:
            self._not_listed.append(name)
            return np.array(GRADIENT.result(self._swept[value]))
        total = np.zeros(value.shape)
        for index in np.ndindex(value.shape) if n_paths else ():
            total[index] = math.fsum(path.contribution for path in gradient_paths(self._loss, value, at=index))
        return total

    def _numerical(self, name: str, value: Value, gradient: Any, most: int) -> tuple[Any, Any]:
        """Finite differences, and complex steps where every op takes complex numbers."""
        if not most:
            self._not_moved.append(name)
            return None, None
        moved, smooth = self._cones
        if value.size > most:
            self._notes.append(f"{name}: differences and steps of {most} of its {value.size} elements.")
        runs, k = self._runs.get(value, (None, 0))
        if runs is not None:
            found = Slope(
                *(np.asarray(a[k]) for a in (runs.differences.value, runs.differences.error, runs.differences.kink))
            )
        else:
            step, wanted = Allowed.of(self._eps).step, 0.1 * self._rough
            found = central_differences(self._loss, value, moved.after(value), step, wanted, most)
        differences = self._known(name, found, gradient)
        try:
            together = None if runs is None else runs.complex_steps
            if together is None:
                steps = complex_steps(self._loss, value, smooth.after(value), most)
            else:
                steps = np.asarray(together[k])
            return differences, self._smooth(name, steps, found, gradient)
        except NotAnalyticError as error:
            self._notes.append(f"{name}: no {error}.")
            return differences, None

    def _known(self, name: str, found: Slope, gradient: Any) -> Any:
        """Finite differences, NaN where they neither confirm the gradient nor contradict it."""
        known = np.array(found.value)
        with np.errstate(invalid="ignore"):
            size = np.maximum(np.maximum(np.abs(gradient), np.abs(known)), self.least)
            open_ = (found.error > self._rough * size) & (known != gradient)
            within = (np.abs(known - gradient) <= found.error) | (found.error == math.inf)
            unknown = open_ & within
            kink = unknown & (np.nan_to_num(found.kink) != 0)
        known[unknown] = math.nan
        self._leave_out(name, "finite difference", kink, "a kink within a step")
        self._leave_out(name, "finite difference", unknown & ~kink, "not known closely")
        return known

    def _smooth(self, name: str, steps: Any, found: Slope, gradient: Any) -> Any:
        """Complex steps, NaN at a kink, where they follow one side, and where they underflow."""
        chosen = ~np.isnan(found.error)
        with np.errstate(invalid="ignore"):
            apart = np.abs(steps - gradient)
        kink = chosen & (np.nan_to_num(found.kink) != 0) & (apart <= 1.001 * np.abs(found.kink))
        blind = chosen & (np.isnan(steps) | ((apart > 0) & (apart <= STEP_ERROR)))
        self._leave_out(name, "complex step", kink, "they follow one side of a kink")
        self._leave_out(name, "complex step", blind, "they tell no number")
        return np.where(kink | blind, math.nan, steps)

    def _leave_out(self, name: str, what: str, elements: Any, why: str) -> None:
        count, size = int(elements.sum()), elements.size
        if count:
            of_one = "" if size == 1 else " of 1 element"
            subject = f"the {what}{of_one} is" if count == 1 else f"{what}s of {count} elements are"
            self._notes.append(f"{name}: {subject} left out: {why}.")


def _shares(values: Iterable[Value], moved: Iterable[Value]) -> dict[Value, int]:
    """How many elements of each value to move: all or 256, or its share where there are thousands in all."""
    share = min(1.0, _ELEMENTS_IN_ALL / max(sum(min(value.size, _ELEMENTS_DIFFERENCED) for value in values), 1))
    found: dict[Value, int] = {}
    due = 0.0
    for value in moved:
        due += min(value.size, _ELEMENTS_DIFFERENCED) * share
        found[value] = int(due + 1e-9) if value.size else 1
        due -= found[value] if value.size else 0
    return found


def _not_finite(manual: Any) -> str:
    count, size = (0, 0) if manual is None else (int(np.sum(~np.isfinite(manual))), np.size(manual))
    if not count:
        return ""
    return (
        "it is not finite"
        if size == 1
        else f"{count} of its {size} elements {'is' if count == 1 else 'are'} not finite"
    )


def _sizes_of_terms(loss: Value, gradients: Mapping[Value, Any], values: Iterable[Value]) -> dict[Value, Any]:
    """For each value Σ |term| of the sum over its readers that makes its gradient: the scale of the rounding."""
    wanted, found = set(values), dict[Value, Any]()
    with np.errstate(all="ignore"):
        for node in topological(loss):
            if node not in gradients:
                continue
            for _, operand, chain in chains(node):
                if operand in wanted:
                    pulled = MAGNITUDE.result(MAGNITUDE.pull(chain, MAGNITUDE.lift(np.asarray(gradients[node])), node))
                    found[operand] = found.get(operand, 0.0) + np.reshape(pulled, operand.shape)
    return found
