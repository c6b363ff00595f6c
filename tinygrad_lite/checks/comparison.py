"""Autodiff against what shares none of its code: paths one by one, a derivation by hand, finite differences."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.display import table
from ..core.evaluation import replay
from ..core.graph import chains, topological
from ..core.shapes import shape_of
from ..core.sweeps import backward_gradients, reverse
from ..core.value import Value, describe
from ..errors import GraphError, ShapeError, TinygradError, ValueTypeError
from ..graph.lookup import parameters_of
from ..paths.queries import gradient_paths
from ..semirings import COUNT, GRADIENT, MAGNITUDE
from .by_hand import _by_hand
from .differences import (
    STEP_ERROR,
    Allowed,
    NotAnalyticError,
    Slope,
    central_differences,
    check_tolerances,
    complex_steps,
)
from .slips import find_slip, first_wrong, last_right

__all__ = ["Comparison", "DifferentGradientsError", "Row", "compare"]


_PATHS_LISTED = 20_000  # per parameter: listing takes about 10 µs a path
_ELEMENTS_DIFFERENCED = 256  # per parameter: each takes four evaluations
_SHOWN_IN_HTML = 60  # lines


_SAMPLED = ("difference", "complex_step")
"""Columns of which some elements may be left out, as NaN."""


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
    complex_step: Any
    n_paths: int
    rounding: Any = 0.0

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
            return 0.0, ()
        flat = int(np.argmax(relative))
        return float(relative.flat[flat]), tuple(int(i) for i in np.unravel_index(flat, relative.shape))


class Comparison:
    """The gradients of one loss by several ways. True if all agree.

    ``rows`` has one ``Row`` per parameter; ``worst[column]`` is the largest relative difference from autodiff in it.
    ``diagnosis`` says where manual gradients go wrong first, and which slip explains them, if one does.
    Differences are relative to the larger of the two, but never to less than 1e-7 of the largest gradient of all,
    nor to what rounding of the last sum hides, where large terms cancel (``Row.rounding``).
    """

    columns: Mapping[str, str] = {
        "paths": "sum over paths",
        "manual": "manual",
        "difference": "finite difference",
        "complex_step": "complex step",
    }

    def __init__(
        self,
        rows: Sequence[Row],
        tolerances: Mapping[str, float],
        notes: Sequence[str],
        diagnose: Callable[[], tuple[str, ...]] = tuple,
    ) -> None:
        self.rows = tuple(rows)
        self.tolerances = dict(tolerances)
        self.notes = tuple(notes)
        self._least = _least(row.autodiff for row in self.rows)
        self.worst = {
            column: max((self._worst(row, column)[0] for row in self.rows), default=0.0) for column in self._used
        }
        wrong = self.worst.get("manual", 0.0) > self.tolerances["manual"]
        self.diagnosis = diagnose() if wrong else ()

    def _worst(self, row: Row, column: str) -> tuple[float, tuple[int, ...]]:
        return row.worst(column, self._least, self.tolerances[column])

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
            row = max(self.rows, key=lambda row: self._worst(row, column)[0])
            _, index = self._worst(row, column)
            name = row.name + (f"[{','.join(map(str, index))}]" if index else "")
            complaints.append(
                f"{name}: autodiff {_at(row.autodiff, index):.10g}, {self.columns[column]} "
                f"{_at(getattr(row, column), index):.10g} "
                f"(relative difference {worst:.2g}, allowed {self.tolerances[column]:.2g})"
            )
        if complaints:
            raise DifferentGradientsError(
                "compare: the gradients differ. " + ". ".join(["; ".join(complaints), *self.diagnosis])
            )

    def _table(self, most: int | None = None) -> list[list[str]]:
        """The heading, a line for each of the first ``most`` parameters, marked where it differs, and the worst."""
        used = self._used
        table = [["", "autodiff", *(self.columns[column] for column in used)]]
        for row in self._not_empty[:most]:
            index = max((self._worst(row, column) for column in used), default=(0.0, ()))[1]
            index = index or (0,) * len(shape_of(row.autodiff))
            name = row.name + (f"[{','.join(map(str, index))}]" if index else "")
            line = [name, _shown(row.autodiff, index)]
            for column in used:
                differs = self._worst(row, column)[0] > self.tolerances[column]
                line.append(_shown(getattr(row, column), index) + (" ✗" if differs else ""))
            table.append(line)
        table.append(["worst relative difference", "", *(f"{self.worst[column]:.1e}" for column in used)])
        return table

    @property
    def _not_empty(self) -> list[Row]:
        return [row for row in self.rows if np.size(row.autodiff)]

    def _remarks(self) -> list[str]:
        arrays = any(np.ndim(row.autodiff) for row in self.rows)
        remarks = ["Of each array the element with the largest difference is shown."] if arrays else []
        wrong = [self.columns[column] for column, worst in self.worst.items() if worst > self.tolerances[column]]
        verdict = f"THEY DIFFER: {', '.join(wrong)} (✗)." if wrong else "All agree."
        return [*remarks, *self.notes, verdict, *(f"{line}." for line in self.diagnosis)]

    def __str__(self) -> str:
        table = self._table()
        if any(cell.endswith("✗") for line in table for cell in line):  # keep the digits below one another
            table = [[line[0], *(cell if cell.endswith("✗") else f"{cell}  " for cell in line[1:])] for line in table]
        widths = [max(len(line[k]) for line in table) for k in range(len(table[0]))]
        lines = [
            "  ".join(
                text.ljust(widths[0]) if k == 0 else text.rjust(widths[k]) for k, text in enumerate(line)
            ).rstrip()
            for line in table
        ]
        rule = "─" * len(max(lines, key=len))
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], *self._remarks()])

    def _repr_html_(self) -> str:
        heading, *lines = self._table(_SHOWN_IN_HTML)
        left_out = len(self._not_empty) - _SHOWN_IN_HTML
        remarks = self._remarks() + ([f"{left_out} more parameters are not shown."] if left_out > 0 else [])
        return table("Gradients by several ways", heading, lines, "\n".join(remarks))

    def __repr__(self) -> str:
        worst = ", ".join(f"{self.columns[column]} {worst:.1e}" for column, worst in self.worst.items())
        return f"<Comparison of {len(self.rows)} parameters: {'all agree' if self else 'THEY DIFFER'}; worst: {worst}>"


def _at(values: Any, index: tuple[int, ...]) -> float:
    return float(values[index]) if index else float(values)


def _shown(values: Any, index: tuple[int, ...]) -> str:
    return "–" if values is None or math.isnan(value := _at(values, index)) else f"{value + 0.0:.8g}"


def compare(
    loss: Value | Callable[[], Value],
    manual: Any = None,
    wrt: Any = None,
    tolerance: float | None = None,
    difference_tolerance: float | None = None,
) -> Comparison:
    """The gradients of ``loss`` by autodiff, summed path by path, by hand, by finite differences and complex step.

    ``loss`` is a recorded scalar, or a function of nothing that records one. ``wrt`` are the parameters: a module, a
    mapping by name, a Value or name, or a sequence of those; by default every named leaf. ``manual`` are the hand-made
    gradients: a mapping by name, a sequence in the order of ``wrt``, the pair of a loss and such a mapping, as
    ``manual_backprop``'s code returns, or a function that returns one of these. The function is given the parameters'
    data, by name, for the arguments that it names, or all of them in a dict if it has one argument. Names may have
    either form (``w201``, ``w2[0,1]``). A mapping may also hold the gradients of what lies between, as a layer-by-layer
    backward computes them: by the name of the value (``z2``, ``n1``), or as ``delta2``, ``d2`` or ``δ2`` that of layer
    2's weighted sums.

    Where the manual gradients are wrong, ``diagnosis`` says the first node, from the end, at which they go wrong, and
    the likely slip: a missing term of a sum over paths, a missing factor, a transposed operand, a wrong sign, a batch
    mean forgotten: each is tried.

    Relative differences up to ``tolerance`` are allowed, and up to ``difference_tolerance`` to finite differences: by
    default eps**0.6 and eps**0.4 of the coarsest parameter's dtype, 4e-10 and 5e-7 in float64.

    Autodiff is what ``backward`` gives; no ``.grad`` changes. The sum over paths lists every path, of a parameter that
    has at most 20,000, and otherwise is swept from the chains of linear maps that paths are listed from. Finite
    differences replay the recorded graph: central, extrapolated twice (Richardson), of steps as small as the loss
    needs, of at most 256 elements of each parameter; the complex step does so with complex numbers, where every op
    takes them. What they cannot tell, at a kink or where rounding hides it, they leave out, unless it differs from
    autodiff by more than their own error. What is left out is said in ``notes``.

    Raises ``ArgumentError`` for manual gradients that are missing or too many, ``ShapeError`` for one of another shape,
    ``GraphError`` if a leaf was changed after the loss was recorded.

    >>> a, b = Value(2.0, name="a"), Value(3.0, name="b")
    >>> c = compare(a * b + a, manual={"a": b.data + 1, "b": a.data}, wrt=[a, b])
    >>> bool(c), c.worst["manual"]
    (True, 0.0)
    >>> compare(a * b + a, manual={"a": b.data, "b": a.data}, wrt=[a, b]).diagnosis[1]
    "the likely slip: the term of a nameless result of 'add' (8) is missing from the sum over paths at 'a'"
    """
    if not isinstance(loss, Value):
        if not callable(loss):
            raise ValueTypeError(f"compare: needs a recorded loss or a function of nothing, got {type(loss).__name__}")
        loss = loss()
        if not isinstance(loss, Value):
            raise ValueTypeError(f"compare: the function must return a Value, got {type(loss).__name__}")
    if loss.size != 1:
        raise ShapeError(f"compare: needs a loss with one element, got {describe(loss)}; .sum() it first")
    check_tolerances("compare", tolerance, difference_tolerance)
    parameters = parameters_of(loss, wrt, "compare")
    by_hand = _by_hand(manual, parameters, loss)
    if not np.array_equal(replay(loss), loss.data, equal_nan=True):
        raise GraphError(
            f"compare: a leaf of {describe(loss)} was changed after it was recorded; "
            "run the forward pass again, then compare"
        )
    gradients, swept, counts = backward_gradients(loss), reverse(loss, GRADIENT), reverse(loss, COUNT)
    terms = _sizes_of_terms(loss, gradients, [*parameters.values(), *by_hand.between.values()])
    notes: list[str] = []
    rows = []
    eps = max((float(np.finfo(value.dtype).eps) for value in parameters.values()), default=float(np.finfo(float).eps))
    allowed = Allowed.of(eps)
    exact = allowed.exact if tolerance is None else tolerance
    rough = allowed.difference if difference_tolerance is None else difference_tolerance
    least = _least([gradients.get(value, 0.0) for value in (parameters | by_hand.between).values()])
    for name, value in (parameters | by_hand.between).items():
        n_paths = int(np.sum(np.asarray(counts.get(value, 0), dtype=object)))
        gradient = np.array(gradients.get(value, np.zeros(value.shape)))
        rounding = 2 * eps * np.asarray(terms.get(value, 0.0), dtype=float)
        listed = differences = steps = None
        if name in parameters:
            if n_paths <= _PATHS_LISTED:
                listed = _path_sums(loss, value, n_paths)
            else:
                listed = np.array(GRADIENT.result(swept[value]))
                notes.append(
                    f"{name}: {n_paths} paths are too many to list (at most {_PATHS_LISTED}); their sum is swept."
                )
            if value.size > _ELEMENTS_DIFFERENCED:
                notes.append(f"{name}: differences and steps of {_ELEMENTS_DIFFERENCED} of its {value.size} elements.")
            found = central_differences(loss, value, allowed.step, 0.1 * rough, _ELEMENTS_DIFFERENCED)
            differences = _told(found, gradient, rough, least, name, notes)
            try:
                steps = _followed(complex_steps(loss, value, _ELEMENTS_DIFFERENCED), found, gradient, name, notes)
            except NotAnalyticError as error:
                notes.append(f"{name}: no {error}.")
        rows.append(Row(name, gradient, listed, by_hand.gradients.get(name), differences, steps, n_paths, rounding))
    tolerances = {"paths": exact, "manual": exact, "difference": rough, "complex_step": exact}
    known = {
        value: by_hand.gradients[name]
        for name, value in (parameters | by_hand.between).items()
        if name in by_hand.gradients
    }
    return Comparison(rows, tolerances, notes, lambda: _diagnosis(loss, known, exact))


def _least(gradients: Iterable[Any]) -> float:
    """What relative differences are never relative to less than: 1e-7 of the largest gradient."""
    return 1e-7 * max((float(np.max(np.abs(g), initial=0.0)) for g in gradients), default=0.0)


def _sizes_of_terms(loss: Value, gradients: Mapping[Value, Any], of: Iterable[Value]) -> dict[Value, Any]:
    """Σ |term| of the last sum that makes each gradient, over the ops that read it: what its rounding goes by."""
    wanted, found = set(of), dict[Value, Any]()
    with np.errstate(all="ignore"):
        for node in topological(loss):
            if node not in gradients:
                continue
            for _, operand, chain in chains(node):
                if operand in wanted:
                    pulled = MAGNITUDE.result(MAGNITUDE.pull(chain, MAGNITUDE.lift(np.asarray(gradients[node])), node))
                    found[operand] = found.get(operand, 0.0) + np.reshape(pulled, operand.shape)
    return found


def _told(found: Slope, gradient: Any, tolerance: float, least: float, name: str, notes: list[str]) -> Any:
    """Finite differences, NaN where they neither tell the gradient nor contradict it."""
    told = np.array(found.value)
    with np.errstate(invalid="ignore"):
        size = np.maximum(np.maximum(np.abs(gradient), np.abs(told)), least)
        open_ = (found.error > tolerance * size) & (told != gradient)
        within = (np.abs(told - gradient) <= found.error) | (found.error == math.inf)
        unknown = open_ & within
        kink = unknown & (np.nan_to_num(found.kink) != 0)
    told[unknown] = math.nan
    for count, why in ((int(kink.sum()), "a kink within a step"), (int((unknown & ~kink).sum()), "not known closely")):
        if count:
            notes.append(f"{name}: {_of_elements('finite difference', count, told.size)} left out: {why}.")
    return told


def _followed(steps: Any, found: Slope, gradient: Any, name: str, notes: list[str]) -> Any:
    """Complex steps, NaN at a kink, of which they follow one side, and where they tell nothing."""
    chosen = ~np.isnan(found.error)
    with np.errstate(invalid="ignore"):
        apart = np.abs(steps - gradient)
    kink = chosen & (np.nan_to_num(found.kink) != 0) & (apart <= 1.001 * np.abs(found.kink))
    blind = chosen & (np.isnan(steps) | ((apart > 0) & (apart <= STEP_ERROR)))
    for count, why in ((int(kink.sum()), "they follow one side of a kink"), (int(blind.sum()), "they tell no number")):
        if count:
            notes.append(f"{name}: {_of_elements('complex step', count, steps.size)} left out: {why}.")
    return np.where(kink | blind, math.nan, steps)


def _of_elements(what: str, count: int, size: int) -> str:
    return (
        f"the {what} is"
        if size == 1
        else f"the {what} of 1 element is"
        if count == 1
        else (f"{what}s of {count} elements are")
    )


def _diagnosis(loss: Value, manual: Mapping[Value, Any], tolerance: float) -> tuple[str, ...]:
    """Where manual gradients go wrong first, and the slip that explains them."""
    tolerance = max(tolerance, 1e-12)  # below which the same sums in another order differ
    slip = find_slip(loss, manual, tolerance)
    if slip is not None:
        return f"first wrong at {describe(slip.node)}, coming from the end", f"the likely slip: {slip.text}"
    wrong = first_wrong(loss, manual, tolerance)
    if wrong is None:
        return ("only elements much smaller than the largest of their array are wrong, which no slip explains",)
    right = last_right(loss, manual, wrong, tolerance)
    return (
        f"coming from the end, the first of the gradients given that is wrong is that of {describe(wrong)}; "
        f"the mistake is on the way there from {describe(right)}",
        "no single slip explains it",
    )


def _path_sums(loss: Value, value: Value, n_paths: int) -> Any:
    """The gradient of every element as the plain sum over its listed paths."""
    total = np.zeros(value.shape)
    if n_paths:
        for index in np.ndindex(value.shape):
            total[index] = math.fsum(path.contribution for path in gradient_paths(loss, value, at=index))
    return total
