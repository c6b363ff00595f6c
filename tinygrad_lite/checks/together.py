"""Differences and complex steps of many scalars at once: run k of an evaluation moves number k, the others stay.

A network of scalars has about as many weights as edges, and each of them moves a good part of the graph: one weight at
a time takes time with the power 1.5 of the edges. Evaluated on arrays of runs, every op is computed once for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..core.elementwise import Elementwise, WeightedSum
from ..core.evaluation import replay_only
from ..core.graph import live, operands_of, unfolded
from ..core.value import Value
from .complex_step import NotAnalyticError, confirmed, on_complex
from .cones import Cones
from .differences import Slope, slope

__all__ = ["Runs", "runs_of"]

_MOST_RUNS = 2048
_MOST_NUMBERS = 1 << 22  # of all runs and nodes


def runs_of(
    end: Value, values: Sequence[Value], cones: tuple[Cones, Cones], relative_step: float, wanted: float
) -> Iterator[Runs]:
    """The scalars among the values, in groups that are moved together; none where they feed arrays.

    ``cones`` are those of ``Cones(end)`` and ``Cones(end, smooth=True)``; the step and the wanted accuracy of the
    differences are those of ``slope``.
    """
    scalars = [value for value in values if type(value.data) is float and value.is_leaf]
    nodes, smooth = (cone.after(*scalars) for cone in cones)
    if len(scalars) < 2 or any(node.shape for node in nodes):
        return
    most = max(2, min(_MOST_RUNS, _MOST_NUMBERS // (len(nodes) + len(scalars))))
    for start in range(0, len(scalars), most):
        moved = scalars[start : start + most]
        inside = {*moved, *nodes}
        led = all(_leads(node, inside) for node in smooth)
        yield Runs(end, moved, nodes, smooth if led else None, relative_step, wanted)


def _leads(node: Value, inside: set[Value]) -> bool:
    """Whether a derivative leads to the node from all of its operands that move."""
    made = unfolded(node)
    reached = {operand for _, operand in live(made)}
    return all(x in reached for x in operands_of(made) if isinstance(x, Value) and x in inside)


class Runs:
    """Scalars that are moved together: number k in run k."""

    def __init__(
        self,
        end: Value,
        moved: Sequence[Value],
        nodes: Sequence[Value],
        smooth: Sequence[Value] | None,
        relative_step: float,
        wanted: float,
    ) -> None:
        self.end, self.moved, self.nodes, self.smooth = end, moved, nodes, smooth
        self.relative_step, self.wanted = relative_step, wanted
        self._points = np.array([value.data for value in moved])

    @cached_property
    def differences(self) -> Slope:
        """∂end/∂number by differences, and how far they are known, for each of the numbers."""
        given = {value: np.full(len(self.moved), value.data) for value in self.moved}

        def at(points: Any) -> Any:
            self._put(given, points)
            return self._evaluated(given, self.nodes, _on_floats)

        return slope(at, self._points, self.relative_step, self.wanted)

    @cached_property
    def complex_steps(self) -> Any:
        """∂end/∂number by the complex step; ``None`` where it has to be asked for each number by itself."""
        smooth = self.smooth
        if smooth is None or any(not isinstance(node.op, Elementwise | WeightedSum) for node in smooth):
            return None
        given = {value: np.full(len(self.moved), value.data, dtype=complex) for value in self.moved}

        def columns(step: float) -> list[Any]:
            self._put(given, self._points + 1j * step)
            return [np.imag(self._evaluated(given, smooth, on_complex)) / step]

        try:
            return confirmed(columns)[0]
        except NotAnalyticError:
            return None

    def _put(self, given: Mapping[Value, Any], points: Any) -> None:
        for k, value in enumerate(self.moved):
            given[value][k] = points[k]

    def _evaluated(
        self, given: Mapping[Value, Any], nodes: Sequence[Value], computed: Callable[[Value, Mapping[Value, Any]], Any]
    ) -> Any:
        results = dict(given)
        for node in nodes:
            results[node] = computed(node, results)
        return np.array(np.broadcast_to(results.get(self.end, self.end.data), len(self.moved)))


def _on_floats(node: Value, results: Mapping[Value, Any]) -> Any:
    """The data of a node in every run: at once where it is an expression, else run by run."""
    moving = {x: results[x] for x in operands_of(node) if isinstance(x, Value) and x in results}
    if isinstance(node._made_by, Elementwise | WeightedSum):
        return replay_only([node], moving)[node]
    runs = len(next(iter(moving.values())))
    return np.array([replay_only([node], {x: float(a[k]) for x, a in moving.items()})[node] for k in range(runs)])
