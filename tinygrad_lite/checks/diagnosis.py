"""Where wrong gradients go wrong first, and the slip that explains them.

Each slip that people make is tried until one gives the same wrong numbers. People make the same slip at every neuron
of a layer and every sample, so edges are changed one by one and in such groups. Each attempt is one reverse sweep.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..core.graph import chains, topological
from ..core.maps import SumOver
from ..core.sweeps import pull_all
from ..core.value import Value, describe
from ..graph import naming
from ..semirings import GRADIENT
from .slips import Change, Edge, Graph, kinds, softmax_slips

__all__ = ["Closeness", "Slip", "diagnosed", "find_slip", "first_wrong", "last_right"]

AT_MOST = 4_000
"""The most sweeps that are tried."""

_MULTIPLIED = "every gradient is multiplied by"
"""Said only if nothing else explains the numbers: one gradient alone is always a multiple of what it should be."""


@dataclass(frozen=True)
class Slip:
    """A slip that explains wrong gradients, and the first node, from the end, where it was made."""

    text: str
    node: Value


@dataclass(frozen=True)
class Closeness:
    """How far a right gradient may be from autodiff's: relative to its largest element, or absolutely.

    ``noise`` holds the absolute difference of each Value that rounding explains. A gradient that is 0 but for rounding,
    that of a bias before a batch norm, is nothing but noise, and has no size to be relative to.
    """

    relative: float = 1e-6
    noise: Mapping[Value, float] = field(default_factory=dict)

    def of(self, manual: Any, found: Any, value: Value) -> bool:
        """Whether a manual gradient of ``value`` is close to ``found``."""
        m = np.asarray(manual, float)
        return bool(m.shape == value.shape) and self.near(m, np.asarray(found, float), self.noise.get(value, 0.0))

    def near(self, a: Any, b: Any, noise: float = 0.0) -> bool:
        """Whether two arrays of one shape are close."""
        with np.errstate(all="ignore"):
            return bool(np.all(np.abs(a - b) <= max(self.relative * np.max(np.abs(b), initial=0.0), noise)))

    def agree(self, found: Mapping[Value, Any], manual: Mapping[Value, Any]) -> bool:
        """Whether every manual gradient is close to the one found."""
        return all(self.of(m, found.get(value, 0.0), value) for value, m in manual.items())


CLOSE = Closeness()


def diagnosed(loss: Value, manual: Mapping[Value, Any], close: Closeness) -> tuple[str, ...]:
    """Two sentences about wrong gradients: where they go wrong first, and the likely slip."""
    close = replace(close, relative=max(close.relative, 1e-12))  # the same sums in another order differ by less
    slip = find_slip(loss, manual, close)
    if slip is not None:
        return f"first wrong at {describe(slip.node)}, coming from the end", f"the likely slip: {slip.text}"
    wrong = first_wrong(loss, manual, close)
    if wrong is None and close.agree(_gradients(loss, _graph(loss)), manual):
        return ()
    if wrong is None:
        return ("only elements much smaller than the largest of their array are wrong, which no slip explains",)
    right = last_right(loss, manual, wrong, close)
    return (
        f"coming from the end, the first of the gradients given that is wrong is that of {describe(wrong)}; "
        f"the mistake is on the way there from {describe(right)}",
        "no single slip explains it",
    )


def find_slip(end: Value, manual: Mapping[Value, Any], close: Closeness = CLOSE) -> Slip | None:
    """The slip that gives exactly the gradients in ``manual``, of any Values; ``None`` if no slip does.

    >>> x, w = Value(2.0, name="x"), Value(0.5, name="w")
    >>> n = (w * x).sigmoid()
    >>> n.name = "n"
    >>> print(find_slip(n * 3.0, {w: 3.0 * 2.0}).text)           # without n(1 - n)
    the factor of 'n' with respect to a nameless result of 'mul' (1) is missing
    """
    graph = _graph(end)
    right = _gradients(end, graph)
    if close.agree(right, manual):
        return None
    scaled = _transposed(right, manual, close) or _scaled(end, graph, right, manual, close)
    if scaled is not None and not scaled.text.startswith(_MULTIPLIED):
        return scaled
    for softmax, text, changed in softmax_slips(graph):
        if close.agree(_gradients(end, graph | changed), manual):
            return Slip(text, softmax)
    groups = _groups(graph)
    tried = 0
    for kind in kinds(_batch_sizes(graph)):
        for group in groups:
            if not kind.suits(group.edges):
                continue
            tried += 1
            if tried > AT_MOST:
                return scaled
            changed = _changed(graph, group, kind.change)
            if close.agree(_gradients(end, graph | changed), manual):
                node, operand = group.edges[0].node, group.edges[0].operand
                names = {"node": _called(node, group.several), "operand": _called(operand, group.several)}
                return Slip(kind.text.format(**names), node)
    return scaled


def first_wrong(end: Value, manual: Mapping[Value, Any], close: Closeness = CLOSE) -> Value | None:
    """The first Value on the way from the end whose gradient in ``manual`` is wrong.

    >>> w = Value(2.0, name="w")
    >>> y = w * 3.0
    >>> loss = y * y
    >>> first_wrong(loss, {w: 1.0, y: 12.0}) is w
    True
    """
    graph = _graph(end)
    right = _gradients(end, graph)
    order = {node: k for k, node in enumerate(graph)}
    depth: dict[Value, int] = {}
    for node, edges in graph.items():
        for edge in edges:
            depth.setdefault(edge.operand, order[node] + 1)
    wrong = [value for value, m in manual.items() if not close.of(m, right.get(value, 0.0), value)]
    return min(wrong, key=lambda value: (depth.get(value, 0), order.get(value, len(order))), default=None)


def last_right(end: Value, manual: Mapping[Value, Any], wrong: Value, close: Closeness = CLOSE) -> Value:
    """The last Value with a right gradient on the way from the end to a wrong one: a Value in ``manual``, or the end.

    >>> w = Value(2.0, name="w")
    >>> y = w * 3.0
    >>> loss = y * y
    >>> last_right(loss, {w: 1.0, y: 12.0}, w) is y
    True
    """
    graph = _graph(end)
    right = _gradients(end, graph)
    reaching = {wrong}
    for node, edges in reversed(graph.items()):  # operands before their readers
        if any(edge.operand in reaching for edge in edges):
            reaching.add(node)
            if node in manual and close.of(manual[node], right.get(node, 0.0), node):
                return node
    return end


# ---- the graph, its edges in groups, and a sweep over it


def _graph(end: Value) -> Graph:
    with np.errstate(all="ignore"):  # a derivative that overflows is inf, as in backward
        return {node: [Edge(node, *edge) for edge in chains(node)] for node in reversed(topological(end))}


def _gradients(end: Value, graph: Graph) -> dict[Value, Any]:
    """The gradient of every Value, by the chains in ``graph``."""
    totals: dict[Value, Any] = {end: GRADIENT.one(end.shape)}
    pull_all(list(reversed(graph)), lambda node: [edge[1:] for edge in graph[node]], totals, GRADIENT)
    return {value: GRADIENT.result(total) for value, total in totals.items()}


@dataclass(frozen=True)
class _Group:
    """Edges that a person gets wrong together: one edge, or the edges of ``several`` neurons."""

    edges: Sequence[Edge]
    several: bool


def _groups(graph: Graph) -> list[_Group]:
    """Every edge alone, then the edges of one neuron in every sample, then those of every neuron of a layer."""
    edges = [edge for some in graph.values() for edge in some]
    groups = [_Group([edge], False) for edge in edges]
    for layer in (False, True):
        alike: dict[Any, list[Edge]] = {}
        for edge in edges:
            alike.setdefault((_alike_by(edge.node, layer), _alike_by(edge.operand, layer)), []).append(edge)
        groups += [_Group(some, True) for some in alike.values()]
    distinct: dict[frozenset[tuple[Value, int]], _Group] = {}
    for group in groups:
        distinct.setdefault(frozenset((edge.node, edge.position) for edge in group.edges), group)
    return list(distinct.values())


def _alike_by(value: Value, layer: bool) -> Any:
    """A key that Values at the same place in all samples, or in the same layer, share."""
    if value.name is None:
        return (value.op.name if value.op is not None else "", value.shape)
    element = naming.parse(value.name)
    if element is None:
        return value.name
    return (element.prefix, element.kind, element.layer, () if layer else element.index)


def _changed(graph: Graph, group: _Group, change: Change) -> Graph:
    """The nodes of a group, with the chains of its edges changed."""
    chosen = {(edge.node, edge.position) for edge in group.edges}
    return {
        node: [edge._replace(chain=change(edge)) if (node, edge.position) in chosen else edge for edge in graph[node]]
        for node in {edge.node for edge in group.edges}
    }


def _called(value: Value, several: bool) -> str:
    if value.name is None:
        return describe(value)
    return repr(naming.without_sample(value.name)) + (" and its like" if several else "")


# ---- slips that show in the numbers alone


def _transposed(right: Mapping[Value, Any], manual: Mapping[Value, Any], close: Closeness) -> Slip | None:
    """Gradients that are only transposed, where all others are right."""
    first = None
    for value, m in manual.items():
        g, m = right.get(value, np.zeros(value.shape)), np.asarray(m, float)
        if close.of(m, g, value):
            continue
        if m.ndim < 2 or not close.of(m.T, g, value):
            return None
        first = value if first is None else first
    return None if first is None else Slip(f"the gradient of {_called(first, False)} is transposed", first)


def _scaled(
    end: Value, graph: Graph, right: Mapping[Value, Any], manual: Mapping[Value, Any], close: Closeness
) -> Slip | None:
    """Slips at the very end, which scale every gradient by one number."""
    factor, tolerance = _common_factor(right, manual, close), close.relative
    if factor is None:
        return None
    for n, what in _counted(graph).items():
        if n > 1 and abs(factor - n) < tolerance * n:
            return Slip(f"every gradient is {n} times too large: was the mean over {what} forgotten?", end)
        if n > 1 and abs(factor * n - 1) < tolerance:
            return Slip(f"every gradient is {n} times too small: was the mean over {what} taken twice?", end)
    if abs(factor + 1) < tolerance:
        return Slip("every gradient has the wrong sign", end)
    return Slip(f"{_MULTIPLIED} {factor:.9g}", end)


def _common_factor(right: Mapping[Value, Any], manual: Mapping[Value, Any], close: Closeness) -> float | None:
    """The factor of all manual gradients over the right ones; ``None`` if they have none in common, or it is 0 or 1."""
    pairs = [(np.asarray(m, float), np.asarray(right.get(v, 0.0), float)) for v, m in manual.items()]
    if any(m.shape != g.shape for m, g in pairs):
        return None
    given, found = (np.concatenate([np.zeros(0), *(np.ravel(pair[k]) for pair in pairs)]) for k in (0, 1))
    unit = float(np.max(np.abs(found), initial=0.0))
    if not unit or not (np.isfinite(given).all() and np.isfinite(found).all()):
        return None
    with np.errstate(all="ignore"):
        given, found = given / unit, found / unit  # whose squares neither overflow nor vanish
        factor = float(given @ found) / float(found @ found)
    if not math.isfinite(factor) or not factor:
        return None
    return factor if close.near(given, factor * found) and not close.near(given, found) else None


def _counted(graph: Graph) -> dict[int, str]:
    """The numbers that a mean may divide by, with what they count: samples, or the axes of a mean in the graph."""
    lengths = _batch_sizes(graph) or {value.shape[0] for node in graph for value in node.parents if value.shape}
    found = {n: f"{n} samples" for n in sorted(lengths)}
    for m in (m for edges in graph.values() for edge in edges for m in edge.chain if isinstance(m, SumOver)):
        over = [m.in_shape[axis] for axis in m.axes]
        if np.ndim(m.weight) == 0 and math.isclose(float(m.weight) * math.prod(over), 1.0):
            found.setdefault(math.prod(over), f"all {' · '.join(map(str, over))} elements")
            for n in over:
                found.setdefault(n, f"an axis of {n} elements")
    return found


def _batch_sizes(graph: Graph) -> set[int]:
    """How many samples there may be: the length of the data, or for scalars by their names."""
    operands = [value for node in graph for value in node.parents]
    lengths = {value.shape[0] for value in operands if value.shape and value.is_leaf and not value.requires_grad}
    parsed = (naming.parse(value.name) for value in operands if value.name is not None)
    numbers = {element.sample for element in parsed if element is not None and element.sample is not None}
    return lengths | ({len(numbers)} if numbers else set())
