"""``compare``: a gradient by several ways that share none of their code, side by side, and the verdict."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import FunctionType
from typing import Any

import numpy as np

from ..core.display import table
from ..core.evaluation import replay
from ..core.shapes import shape_of
from ..core.value import Value, describe
from ..errors import DifferentGradientsError, GraphError, ShapeError, ValueTypeError
from ..graph.lookup import parameters_of
from ..graph.naming import indexed
from ..watching.mistakes import Mistake
from ..watching.search import NotWatchedError, find_mistakes
from . import by_hand
from .by_hand import by_name, called, gradients_by_hand, with_whole_arrays
from .diagnosis import diagnosed
from .differences import Allowed, check_tolerances
from .evidence import Closeness
from .gradients import Row, Ways, negligible

__all__ = ["Comparison", "DifferentGradientsError", "Row", "compare"]

_LEAST_TOLERANCE = 1e-9
"""Of a watched program, whose sums may be in another order."""
_SHOWN_IN_HTML = 60  # lines


class Comparison:
    """The gradients of one loss by several ways. True if all agree.

    ``rows`` has one ``Row`` per parameter; ``worst[column]`` is the largest relative difference from autodiff in a
    column. Where manual gradients are wrong, ``mistakes`` are the wrong lines of the function that made them, in the
    order in which they ran; ``diagnosis`` says them in words, or, where there are only numbers, where those go wrong
    first and which slip explains them.
    Differences are relative to the larger of the two gradients, but never to less than 1e-7 of the largest gradient of
    all, nor to less than the rounding of the last sum, where large terms cancel (``Row.rounding``).
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
        find: Callable[[], tuple[Mistake, ...]] = tuple,
        diagnose: Callable[[], tuple[str, ...]] = tuple,
    ) -> None:
        self.rows = tuple(rows)
        self.tolerances = dict(tolerances)
        self._negligible = negligible(row.autodiff for row in self.rows)
        self.worst = {
            column: max((self._worst(row, column)[0] for row in self.rows), default=0.0) for column in self._used
        }
        wrong = any(
            row.manual is not None and not row.reason and self._worst(row, "manual")[0] > self.tolerances["manual"]
            for row in self.rows
        )
        self.mistakes = find() if self.worst.get("manual", 0.0) > self.tolerances["manual"] else ()
        self.notes = tuple(notes)
        self.diagnosis = tuple(map(str, self.mistakes)) or (diagnose() if wrong else ())

    def _worst(self, row: Row, column: str) -> tuple[float, tuple[int, ...]]:
        return row.worst(column, self._negligible, self.tolerances[column])

    @property
    def _used(self) -> list[str]:
        return [column for column in self.columns if any(getattr(row, column) is not None for row in self.rows)]

    def __bool__(self) -> bool:
        return all(worst <= self.tolerances[column] for column, worst in self.worst.items())

    def raise_if_different(self) -> None:
        """Raise ``DifferentGradientsError``, which names the worst element of each way that disagrees.

        Each manual gradient that cannot be compared is named too, with its reason.

        >>> w = Value(2.0, name="w")
        >>> compare(w * w, manual={"w": -4.0}).raise_if_different()
        Traceback (most recent call last):
        ...
        tinygrad_lite.errors.DifferentGradientsError: compare: the gradients differ. w: autodiff 4, manual -4 ...
        """
        complaints = [f"{row.name}: {row.reason}" for row in self.rows if row.reason]
        for column, worst in self.worst.items():
            if worst <= self.tolerances[column]:
                continue
            comparable = [row for row in self.rows if column != "manual" or not row.reason]
            row = max(comparable, key=lambda row: self._worst(row, column)[0], default=None)
            if row is None:
                continue
            worst, index = self._worst(row, column)
            if worst <= self.tolerances[column]:
                continue
            complaints.append(
                f"{indexed(row.name, index)}: autodiff {_at(row.autodiff, index):.10g}, {self.columns[column]} "
                f"{_at(getattr(row, column), index):.10g} "
                f"(relative difference {worst:.2g}, allowed {self.tolerances[column]:.2g})"
            )
        if complaints:
            raise DifferentGradientsError(
                "compare: the gradients differ. " + ". ".join(["; ".join(complaints), *self.diagnosis])
            )

    def _table(self, most: int | None = None) -> list[list[str]]:
        """A heading, a line for each of the first ``most`` parameters, marked where it differs, and the worst."""
        used = self._used
        table = [["", "autodiff", *(self.columns[column] for column in used)]]
        for row in self._not_empty[:most]:
            index = max((self._worst(row, column) for column in used), default=(0.0, ()))[1]
            index = index or (0,) * len(shape_of(row.autodiff))
            line = [indexed(row.name, index), _shown(row.autodiff, index)]
            for column in used:
                differs = self._worst(row, column)[0] > self.tolerances[column]
                reason = row.reason.partition(";")[0].removeprefix("it is ").removeprefix("it has ")
                cell = reason if column == "manual" and reason else _shown(getattr(row, column), index)
                line.append(cell + (" ✗" if differs else ""))
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
        ended = (line if line.endswith("?") else f"{line}." for line in self.diagnosis if not self.mistakes)
        return [*remarks, *self.notes, verdict, *ended]

    def __str__(self) -> str:
        table = self._table()
        if any(cell.endswith("✗") for line in table for cell in line):  # keep the digits below one another
            table = [[line[0], *(cell if cell.endswith("✗") else f"{cell}  " for cell in line[1:])] for line in table]
        widths = [max(len(line[k]) for line in table) for k in range(len(table[0]))]
        padded = [[line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])] for line in table]
        lines = ["  ".join(line).rstrip() for line in padded]
        rule = "─" * len(max(lines, key=len))
        wrong = [mistake.report for mistake in self.mistakes]
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], *self._remarks(), *wrong])

    def _repr_html_(self) -> str:
        heading, *lines = self._table(_SHOWN_IN_HTML)
        left_out = len(self._not_empty) - _SHOWN_IN_HTML
        remarks = self._remarks() + ([f"{left_out} more parameters are not shown."] if left_out > 0 else [])
        made = table("Gradients by several ways", heading, lines, "\n".join(remarks))
        wrong = [[m.line, m.source, m.said, m.change] for m in self.mistakes]
        return made + (table("Wrong lines", ["line", "source", "what is wrong", "write"], wrong) if wrong else "")

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
    numerical: bool = True,
) -> Comparison:
    """The gradients of ``loss`` by autodiff, summed path by path, by hand, by finite differences and complex step.

    ``loss`` is a recorded scalar, or a function of nothing that records one. ``wrt`` are the parameters: a module, a
    mapping by name, a Value or name, or a sequence of those; by default every named leaf. ``manual`` are the hand-made
    gradients: a mapping by name, a sequence in the order of ``wrt``, the pair of a loss and such a mapping, which the
    code of ``manual_backprop`` returns, or a function that returns one of these. The function is given the parameters'
    data: by name for the arguments that it names, or in one dict if it has one argument. Names may have either form
    (``w201``, ``w2[0,1]``). A mapping may also hold the gradients of Values between loss and parameters, which a
    layer-by-layer backward computes: by the name of the Value (``z2``, ``n1``), or as ``delta2``, ``d2`` or ``δ2`` for
    layer 2's weighted sums.

    Where a function's gradients are wrong, ``mistakes`` are its wrong lines: a copy of it runs again under a recorder,
    and small changes of a wrong line are tried until one is right. Of numbers alone ``diagnosis`` names the first node,
    from the end, at which they go wrong, and the likely slip: what one edge carries, or every such edge, is left out,
    multiplied by a number, transposed, replaced, or assigned instead of added. Only a slip that gives all the numbers
    counts; where several do, all are said, and where none does, the stretch from the last Value that is proved right to
    the first that is wrong.

    ``tolerance`` is the relative difference allowed, and ``difference_tolerance`` that to finite differences: by
    default eps**0.6 and eps**0.4 of the coarsest parameter's dtype, 4e-10 and 5e-7 in float64.

    Autodiff is what ``backward`` gives; no ``.grad`` changes. The sum over paths lists every path of a parameter that
    has at most 20,000, and otherwise comes from one sweep. Finite differences replay the recorded graph: central,
    extrapolated twice (Richardson), with steps as small as the loss needs, for at most 256 elements of each parameter.
    The complex step replays it with complex numbers, where every op takes them. Both leave out an element that they
    cannot tell, at a kink or where rounding hides it, unless it differs from autodiff by more than their own error.
    Where there are thousands of parameters, paths are listed and elements moved of some of them, evenly chosen, and a
    bar on stderr, if that is a terminal or a notebook, shows the progress once it takes longer than a second.
    ``numerical=False`` leaves out finite differences and the complex step. ``notes`` says what is left out.

    A manual gradient that is missing, has another shape or is not finite fails for that parameter alone, with a reason
    in ``Row.reason``, the table and ``notes``.

    Raises ``ArgumentError`` for manual gradients of what is neither a parameter nor a named Value between, and names
    the nearest; ``GraphError`` if a leaf was changed after the loss was recorded.

    >>> a, b = Value(2.0, name="a"), Value(3.0, name="b")
    >>> c = compare(a * b + a, manual={"a": b.data + 1, "b": a.data}, wrt=[a, b])
    >>> bool(c), c.worst["manual"]
    (True, 0.0)
    >>> compare(a * b + a, manual={"a": b.data, "b": a.data}, wrt=[a, b]).diagnosis[1]
    "the likely slip: the term of a nameless result of 'add' (8) is missing from the sum over paths at 'a'"
    """
    loss = _recorded(loss)
    check_tolerances("compare", tolerance, difference_tolerance)
    return _compared(loss, manual, wrt, tolerance, difference_tolerance, numerical)


def _with_a_bar(values: Mapping[str, Value]) -> Iterable[tuple[str, Value]]:
    """The items, with a bar on stderr, if that is a terminal or a notebook, once they take longer than a second."""
    if not sys.stderr.isatty():
        return values.items()
    from tqdm import tqdm  # here, as importing it takes half the time of importing NumPy

    return tqdm(values.items(), desc="compare", unit=" gradients", delay=1, leave=False, file=sys.stderr)


def _recorded(loss: Value | Callable[[], Value]) -> Value:
    if not isinstance(loss, Value):
        if not callable(loss):
            raise ValueTypeError(f"compare: needs a recorded loss or a function of nothing, got {type(loss).__name__}")
        loss = loss()
        if not isinstance(loss, Value):
            raise ValueTypeError(f"compare: the function must return a Value, got {type(loss).__name__}")
    if loss.size != 1:
        raise ShapeError(f"compare: needs a loss with one element, got {describe(loss)}; .sum() it first")
    return loss


def _compared(
    loss: Value,
    manual: Any,
    wrt: Any,
    tolerance: float | None,
    difference_tolerance: float | None,
    numerical: bool,
) -> Comparison:
    parameters = parameters_of(loss, wrt, "compare")
    given, between, misfits, elements = gradients_by_hand(manual, parameters, loss)
    if not np.array_equal(replay(loss), loss.data, equal_nan=True):
        raise GraphError(
            f"compare: a leaf of {describe(loss)} was changed after it was recorded; "
            "run the forward pass again, then compare"
        )
    eps = max((float(np.finfo(value.dtype).eps) for value in parameters.values()), default=float(np.finfo(float).eps))
    allowed = Allowed.of(eps)
    exact = allowed.exact if tolerance is None else tolerance
    rough = allowed.difference if difference_tolerance is None else difference_tolerance
    values = parameters | between
    ways = Ways(loss, list(values.values()), eps, rough, numerical, parameters.values())
    rows = [
        ways.row(name, value, given.get(name), misfits.get(name), name in parameters)
        for name, value in _with_a_bar(values)
    ]
    failed = {row.name: row.reason for row in rows if row.reason}
    notes = [
        *(f"{name}: the manual gradient is not compared: {reason}." for name, reason in failed.items()),
        *ways.notes,
    ]
    tolerances = {"paths": exact, "manual": exact, "difference": rough, "complex_step": exact}
    known = {value: given[name] for name, value in values.items() if name in given and name not in failed}
    noise = {value: row.noise(ways.least, exact) for value, row in zip(values.values(), rows, strict=True)}

    def find() -> tuple[Mistake, ...]:
        wanted = {name: value for name, value in values.items() if name in given}
        return _mistakes(loss, manual, parameters, wanted, elements, exact, notes) if callable(manual) else ()

    return Comparison(rows, tolerances, notes, find, lambda: diagnosed(loss, known, Closeness(exact, noise)))


def _mistakes(
    loss: Value,
    manual: Callable[..., Any],
    parameters: Mapping[str, Value],
    wanted: Mapping[str, Value],
    elements: Mapping[str, Sequence[str]],
    tolerance: float,
    notes: list[str],
) -> tuple[Mistake, ...]:
    """The wrong lines of a function; where it cannot be watched, a note says why."""
    joined = bool(elements) and isinstance(manual, FunctionType)
    try:
        found = find_mistakes(
            loss,
            with_whole_arrays(manual, parameters, elements) if joined else manual,
            lambda function: called(function, {name: np.copy(v.data)[()] for name, v in parameters.items()}),
            wanted,
            lambda returned: by_name(returned, parameters),
            max(tolerance, _LEAST_TOLERANCE),
            notes.append,
        )
        return tuple(mistake for mistake in found if not (joined and mistake.file == by_hand.__file__))
    except NotWatchedError as error:
        notes.append(f"The lines of the function were not watched: {error}.")
    except Exception as error:  # what the user's own code raises when it is run once more, on copies
        notes.append(f"The lines of the function were not watched: it raised {type(error).__name__}: {error}.")
    return ()
