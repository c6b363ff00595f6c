"""Autodiff against what shares none of its code: paths one by one, a derivation by hand, finite differences."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import ArgumentError, GraphError, ShapeError, TinygradError
from .finding import find
from .path import element_name
from .paths import gradient_paths
from .semirings import COUNT, GRADIENT
from .sweeping import ancestors, replay, reverse
from .value import Value, describe, raw, shape_of

__all__ = ["Comparison", "DifferentGradientsError", "Row", "compare"]

_PATHS_LISTED = 20_000  # per parameter: listing takes about 10 µs a path
_ELEMENTS_DIFFERENCED = 256  # per parameter: each takes four evaluations


class DifferentGradientsError(TinygradError, RuntimeError):
    """Two ways to the same gradient do not agree."""


@dataclass(frozen=True)
class Row:
    """One parameter: its gradient by each way, arrays of its shape; ``None``, in parts nan, where one is left out."""

    name: str
    autodiff: Any
    paths: Any
    manual: Any
    difference: Any
    n_paths: int

    def worst(self, column: str, scale: float) -> tuple[float, tuple[int, ...]]:
        """The largest relative difference of a column from autodiff, and its element; (0, ()) if it was left out."""
        other = getattr(self, column)
        if other is None:
            return 0.0, ()
        ours, theirs = np.asarray(self.autodiff, dtype=float), np.asarray(other, dtype=float)
        there = ~np.isnan(theirs) if column == "difference" else np.ones(ours.shape, dtype=bool)
        with np.errstate(invalid="ignore", divide="ignore"):
            size = np.maximum(np.maximum(np.abs(ours), np.abs(theirs)), scale)
            relative = np.where(ours == theirs, 0.0, np.abs(ours - theirs) / size)
        relative = np.where(np.isnan(relative), math.inf, relative)
        relative = np.where(there, relative, 0.0)
        if not relative.size:
            return 0.0, ()
        flat = int(np.argmax(relative))
        return float(relative.flat[flat]), tuple(int(i) for i in np.unravel_index(flat, relative.shape))


class Comparison:
    """The gradients of one loss by several ways. True if all agree.

    ``rows`` has one ``Row`` per parameter; ``worst[column]`` is the largest relative difference from autodiff in it.
    Differences are relative to the larger of the two, but never to less than 1e-7 of the largest gradient of all; a
    finite difference never to a number that rounding of the loss hides: ``rounding`` / its tolerance.
    """

    columns: Mapping[str, str] = {"paths": "sum over paths", "manual": "manual", "difference": "finite difference"}

    def __init__(
        self, rows: Sequence[Row], tolerances: Mapping[str, float], notes: Sequence[str], rounding: float = 0.0
    ) -> None:
        self.rows = tuple(rows)
        self.tolerances = dict(tolerances)
        self.notes = tuple(notes)
        sizes = [np.max(np.abs(row.autodiff), initial=0.0) for row in rows]
        scale = 1e-7 * float(max(sizes, default=0.0))
        self._scales = dict.fromkeys(self.columns, scale)
        if tolerances["difference"]:
            self._scales["difference"] = max(scale, rounding / tolerances["difference"])
        self.worst = {
            column: max((row.worst(column, self._scales[column])[0] for row in rows), default=0.0)
            for column in self._used
        }

    @property
    def _used(self) -> list[str]:
        return [column for column in self.columns if any(getattr(row, column) is not None for row in self.rows)]

    def __bool__(self) -> bool:
        return all(worst <= self.tolerances[column] for column, worst in self.worst.items())

    def raise_if_different(self) -> None:
        """Raise ``DifferentGradientsError``, naming the worst element of each way that disagrees."""
        complaints = []
        for column, worst in self.worst.items():
            if worst <= self.tolerances[column]:
                continue
            row = max(self.rows, key=lambda row: row.worst(column, self._scales[column])[0])
            _, index = row.worst(column, self._scales[column])
            name = row.name + (f"[{','.join(map(str, index))}]" if index else "")
            complaints.append(
                f"{name}: autodiff {_at(row.autodiff, index):.10g}, {self.columns[column]} "
                f"{_at(getattr(row, column), index):.10g} "
                f"(relative difference {worst:.2g}, allowed {self.tolerances[column]:.2g})"
            )
        if complaints:
            raise DifferentGradientsError("compare: the gradients differ. " + "; ".join(complaints))

    def __str__(self) -> str:
        used = self._used
        table = [["", "autodiff", *(self.columns[column] for column in used)]]
        for row in self.rows:
            index = max((row.worst(column, self._scales[column]) for column in used), default=(0.0, ()))[1]
            index = index or (0,) * len(shape_of(row.autodiff))
            if np.size(row.autodiff) == 0:
                continue
            name = row.name + (f"[{','.join(map(str, index))}]" if index else "")
            table.append([name, *(_shown(getattr(row, column), index) for column in ("autodiff", *used))])
        table.append(["worst relative difference", "", *(f"{self.worst[column]:.1e}" for column in used)])
        widths = [max(len(line[k]) for line in table) for k in range(len(table[0]))]
        lines = [
            "  ".join(
                text.ljust(widths[0]) if k == 0 else text.rjust(widths[k]) for k, text in enumerate(line)
            ).rstrip()
            for line in table
        ]
        rule = "─" * len(max(lines, key=len))
        arrays = any(np.ndim(row.autodiff) for row in self.rows)
        note = ["Of each array the element with the largest difference is shown."] if arrays else []
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], *note, *self.notes])

    def __repr__(self) -> str:
        worst = ", ".join(f"{self.columns[column]} {worst:.1e}" for column, worst in self.worst.items())
        return f"<Comparison of {len(self.rows)} parameters: {'all agree' if self else 'THEY DIFFER'}; worst: {worst}>"


def _at(values: Any, index: tuple[int, ...]) -> float:
    return float(values[index]) if index else float(values)


def _shown(values: Any, index: tuple[int, ...]) -> str:
    return "–" if values is None or math.isnan(value := _at(values, index)) else f"{value: .10f}"


def compare(
    loss: Value | Callable[[], Value],
    manual: Mapping[str, Any] | Sequence[Any] | Callable[[], Any] | None = None,
    wrt: Any = None,
    tolerance: float | None = None,
    difference_tolerance: float | None = None,
) -> Comparison:
    """The gradients of ``loss`` by autodiff, summed path by path, by hand, and by finite differences.

    ``loss`` is a recorded scalar, or a function of nothing that records one. ``manual`` are the hand-made gradients: a
    mapping by parameter name, a sequence in the order of ``wrt``, or a function that returns either. ``wrt`` are the
    parameters: a module, a mapping by name, a Value or name, or a sequence of those; by default every named leaf.

    Relative differences up to ``tolerance`` are allowed, and up to ``difference_tolerance`` to finite differences: by
    default eps**0.6 and eps**0.4 of the coarsest parameter's dtype, 4e-10 and 5e-7 in float64.

    The sum over paths lists every path, of a parameter that has at most 20,000. Finite differences replay the recorded
    graph: central, extrapolated once (Richardson), of at most 256 elements of each parameter. What is left out is said
    in ``notes``.

    Raises ``ArgumentError`` for manual gradients that are missing or too many, ``ShapeError`` for one of another shape,
    ``GraphError`` if a leaf was changed after the loss was recorded.

    >>> a, b = Value(2.0, name="a"), Value(3.0, name="b")
    >>> c = compare(a * b + a, manual={"a": b.data + 1, "b": a.data}, wrt=[a, b])
    >>> bool(c), c.worst["manual"]
    (True, 0.0)
    """
    if not isinstance(loss, Value):
        loss = loss()
    if loss.size != 1:
        raise ShapeError(f"compare: needs a loss with one element, got {describe(loss)}; .sum() it first")
    parameters = _parameters(loss, wrt)
    by_hand = _by_hand(manual, parameters)
    if not np.array_equal(replay(loss), loss.data, equal_nan=True):
        raise GraphError(
            f"compare: a leaf of {describe(loss)} was changed after it was recorded; "
            "run the forward pass again, then compare"
        )
    gradients, counts = reverse(loss, GRADIENT), reverse(loss, COUNT)
    notes: list[str] = []
    rows = []
    eps = max((float(np.finfo(value.dtype).eps) for value in parameters.values()), default=float(np.finfo(float).eps))
    step = eps**0.2  # truncation and rounding of an extrapolated central difference are about equal there
    for name, value in parameters.items():
        n_paths = int(np.sum(np.asarray(counts.get(value, 0), dtype=object)))
        gradient = np.array(gradients.get(value, np.zeros(value.shape)))
        listed = None
        if n_paths <= _PATHS_LISTED:
            listed = _path_sums(loss, value, n_paths)
        else:
            notes.append(f"{name}: {n_paths} paths are too many to list (at most {_PATHS_LISTED}).")
        if value.size > _ELEMENTS_DIFFERENCED:
            notes.append(f"{name}: finite differences of {_ELEMENTS_DIFFERENCED} of its {value.size} elements.")
        rows.append(Row(name, gradient, listed, by_hand.get(name), _differences(loss, value, step), n_paths))
    exact = eps**0.6 if tolerance is None else tolerance
    tolerances = {
        "paths": exact,
        "manual": exact,
        "difference": eps**0.4 if difference_tolerance is None else difference_tolerance,
    }
    rounding = 10 * eps / step  # of a finite difference, per unit of the loss: 3e-12 in float64; 1e-12 was met
    return Comparison(rows, tolerances, notes, rounding * abs(loss.item()))


def _parameters(loss: Value, wrt: Any) -> dict[str, Value]:
    if wrt is None:
        wrt = [value for value in ancestors(loss) if value.is_leaf and value.requires_grad and value.name is not None]
        if not wrt:
            raise ArgumentError("compare: no leaf of the loss has a name; name the parameters, or pass them as wrt=")
    if hasattr(wrt, "named_parameters"):
        wrt = dict(wrt.named_parameters())
    if isinstance(wrt, Mapping):
        return dict(wrt)
    parameters: dict[str, Value] = {}
    for k, item in enumerate([wrt] if isinstance(wrt, Value | str) else wrt):
        value, index = (find(loss, item)) if isinstance(item, str) else (item, ())
        if not isinstance(value, Value):
            raise ArgumentError(f"compare: wrt holds Values or names, got {type(value).__name__}")
        if index:
            raise ArgumentError(f"compare: {item!r} is one element; pass the whole parameter {value.name!r}")
        name = element_name(value, ()) or f"#{k}"
        if name in parameters:
            raise ArgumentError(f"compare: two parameters are named {name!r}; pass them as a dict by name")
        parameters[name] = value
    return parameters


def _by_hand(manual: Any, parameters: Mapping[str, Value]) -> dict[str, Any]:
    if manual is None:
        return {}
    if callable(manual):
        manual = manual()
    if not isinstance(manual, Mapping):
        given = list(manual)
        if len(given) != len(parameters):
            raise ArgumentError(
                f"compare: {len(given)} manual gradients for {len(parameters)} parameters; give one for each"
            )
        manual = dict(zip(parameters, given, strict=True))
    missing, extra = [k for k in parameters if k not in manual], [k for k in manual if k not in parameters]
    if missing or extra:
        raise ArgumentError(
            f"compare: manual gradients must be given for the parameters in wrt; missing: {_listing(missing)}, "
            f"not a parameter: {_listing(extra)}"
        )
    found = {}
    for name, value in parameters.items():
        gradient = np.asarray(raw(manual[name]), dtype=float)
        if gradient.shape != value.shape:
            raise ShapeError(
                f"compare: the manual gradient of {name} has shape {gradient.shape}, the parameter {value.shape}"
            )
        found[name] = gradient
    return found


def _listing(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _path_sums(loss: Value, value: Value, n_paths: int) -> Any:
    """The gradient of every element as the plain sum over its listed paths."""
    total = np.zeros(value.shape)
    if n_paths:
        for index in np.ndindex(value.shape):
            total[index] = math.fsum(path.contribution for path in gradient_paths(loss, value, at=index))
    return total


def _differences(loss: Value, value: Value, relative_step: float) -> Any:
    """Central differences of step h and h/2, extrapolated (L. F. Richardson, 1911); nan where one is left out."""
    x = np.array(value.data, dtype=float)
    found = np.full(x.shape, math.nan)
    every = max(1, math.ceil(x.size / _ELEMENTS_DIFFERENCED))
    for flat in range(0, x.size, every):
        index = np.unravel_index(flat, x.shape)
        step = relative_step * max(1.0, abs(float(x[index])))

        def moved(distance: float, index: Any = index) -> float:
            other = x.copy()
            other[index] += distance
            return float(np.asarray(replay(loss, {value: other})).reshape(()))

        coarse = (moved(step) - moved(-step)) / (2 * step)
        fine = (moved(step / 2) - moved(-step / 2)) / step
        found[index] = (4 * fine - coarse) / 3
    return found
