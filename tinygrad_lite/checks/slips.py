"""The slip behind a wrong gradient: each of those that people make is tried, until one gives the same wrong numbers.

A slip is a change of what some edges of the graph carry back: a term of a sum is missing, a factor is missing or there
twice, a sign is wrong, a matrix is transposed. People make the same slip at every neuron of a layer and every sample,
so edges are changed one by one and in such groups. Each attempt is one reverse sweep.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..core.graph import chains, topological
from ..core.maps import Chain, Contract, Scale, SumOver
from ..core.shapes import shape_of
from ..core.value import Value, describe
from ..graph import naming
from ..semirings import GRADIENT

__all__ = ["Slip", "find_slip", "first_wrong", "last_right"]


AT_MOST = 4_000
"""Sweeps that are tried."""

_MULTIPLIED = "every gradient is multiplied by"
"""Said only if nothing else explains the numbers: one gradient alone is always a multiple of what it should be."""

Edge = tuple[Value, int]
"""A reader and the position of the operand."""

Change = Callable[[Chain, Any, Value], Any]
"""What an edge carries back instead: of the chain, the reader's cotangent, and the reader."""


@dataclass(frozen=True)
class Slip:
    """What went wrong, and the first node, from the end, at which it does."""

    text: str
    node: Value


def find_slip(end: Value, manual: Mapping[Value, Any], tolerance: float = 1e-6) -> Slip | None:
    """The slip after which the gradients of the Values in ``manual`` are what they are there; ``None`` if none fits.

    >>> x, w = Value(2.0, name="x"), Value(0.5, name="w")
    >>> n = (w * x).sigmoid()
    >>> n.name = "n"
    >>> print(find_slip(n * 3.0, {w: 3.0 * 2.0}).text)           # without n(1 - n)
    the factor of 'n' with respect to a nameless result of 'mul' (1) is missing
    """
    graph = _graph(end)
    right = _swept(end, graph, frozenset(), None)
    if _agrees(right, manual, tolerance):
        return None
    scaled = _transposed(right, manual, tolerance) or _scaled(end, graph, right, manual, tolerance)
    if scaled is not None and not scaled.text.startswith(_MULTIPLIED):
        return scaled
    for node, text, change in _softmax_slips(graph):
        if _agrees(_swept(end, graph, None, change), manual, tolerance):
            return Slip(text, node)
    groups = _groups(graph)
    tried = 0
    for description, change, suits in [*_CHANGES, *_means(_batch_sizes(graph))]:
        for group, (node, operand, several) in groups.items():
            if not suits([(reader, chain) for reader, edges in graph for k, _, chain in edges if (reader, k) in group]):
                continue
            tried += 1
            if tried > AT_MOST:
                return scaled
            if _agrees(_swept(end, graph, group, change), manual, tolerance):
                return Slip(description.format(node=_called(node, several), operand=_called(operand, several)), node)
    return scaled


def first_wrong(end: Value, manual: Mapping[Value, Any], tolerance: float = 1e-6) -> Value | None:
    """Of the Values in ``manual`` whose gradients are wrong, the first on the way from the end.

    >>> w = Value(2.0, name="w")
    >>> y = w * 3.0
    >>> loss = y * y
    >>> first_wrong(loss, {w: 1.0, y: 12.0}) is w
    True
    """
    graph = _graph(end)
    right = _swept(end, graph, frozenset(), None)
    order = {node: k for k, (node, _) in enumerate(graph)}
    depth: dict[Value, int] = {}
    for node, edges in graph:
        for _, operand, _ in edges:
            depth.setdefault(operand, order[node] + 1)
    wrong = [value for value, m in manual.items() if not _close(m, right.get(value, 0.0), value, tolerance)]
    return min(wrong, key=lambda value: (depth.get(value, 0), order.get(value, len(order))), default=None)


Graph = list[tuple[Value, list[tuple[int, Value, Chain]]]]


def last_right(end: Value, manual: Mapping[Value, Any], wrong: Value, tolerance: float = 1e-6) -> Value:
    """Where the way from the end to a wrong gradient was last seen right: a Value in ``manual``, or the end.

    >>> w = Value(2.0, name="w")
    >>> y = w * 3.0
    >>> loss = y * y
    >>> last_right(loss, {w: 1.0, y: 12.0}, w) is y
    True
    """
    graph = _graph(end)
    right = _swept(end, graph, frozenset(), None)
    reaching = {wrong}
    for node, edges in reversed(graph):  # operands before their readers
        if any(operand in reaching for _, operand, _ in edges):
            reaching.add(node)
            if node in manual and _close(manual[node], right.get(node, 0.0), node, tolerance):
                return node
    return end


def _graph(end: Value) -> Graph:
    with np.errstate(all="ignore"):  # what overflows in a derivative is inf, as in backward
        return [(node, list(chains(node))) for node in reversed(topological(end))]


def _swept(end: Value, graph: Graph, changed: frozenset[Edge] | None, change: Change | None) -> dict[Value, Any]:
    """The reverse sweep, with what the changed edges (``None``: all) carry replaced."""
    cotangents: dict[Value, Any] = {end: GRADIENT.one(end.shape)}
    with np.errstate(all="ignore"):
        for node, edges in graph:
            if node not in cotangents:
                continue
            g = GRADIENT.result(cotangents[node])
            for k, operand, chain in edges:
                if change is not None and (changed is None or (node, k) in changed):
                    pulled = change(chain, g, node)
                else:
                    pulled = GRADIENT.result(GRADIENT.pull(chain, g, node))
                pulled = float(pulled) if not operand.shape else pulled
                cotangents[operand] = cotangents[operand] + pulled if operand in cotangents else pulled
    return cotangents


def _groups(graph: Graph) -> dict[frozenset[Edge], tuple[Value, Value, bool]]:
    """Edges to change together, each group with its first reader and operand: one edge, one neuron, one layer."""
    found: dict[frozenset[Edge], tuple[Value, Value, bool]] = {}
    sorts: list[Callable[[Value, Value], Any]] = [
        lambda node, operand: (_kind(node, False), _kind(operand, False)),  # the same neuron in every sample
        lambda node, operand: (_kind(node, True), _kind(operand, True)),  # every neuron of the layer
    ]
    for node, edges in graph:
        for k, operand, _ in edges:
            found.setdefault(frozenset({(node, k)}), (node, operand, False))
    for sort in sorts:
        by_kind: dict[Any, list[tuple[Value, int, Value]]] = {}
        for node, edges in graph:
            for k, operand, _ in edges:
                by_kind.setdefault(sort(node, operand), []).append((node, k, operand))
        for members in by_kind.values():
            node, _, operand = members[0]
            found.setdefault(frozenset((node, k) for node, k, _ in members), (node, operand, True))
    return found


def _kind(value: Value, layer: bool) -> Any:
    """What values of the same place in all samples, or of the same layer, have in common."""
    if value.name is None:
        return (value.op.name if value.op is not None else "", value.shape)
    element = naming.parse(value.name)
    if element is None:
        return value.name
    return (element.prefix, element.kind, element.layer, () if layer else element.index)


def _called(value: Value, several: bool) -> str:
    if value.name is None:
        return describe(value)
    return repr(re.sub(r"@\d+$", "", value.name)) + (" and its like" if several else "")


# ---- the slips, in the order in which they are tried


def _missing(chain: Chain, g: Any, node: Value) -> Any:
    return 0.0 * GRADIENT.result(GRADIENT.pull(chain, g, node))


def _negated(chain: Chain, g: Any, node: Value) -> Any:
    return -GRADIENT.result(GRADIENT.pull(chain, g, node))


def _reweighted(power: int) -> Change:
    def change(chain: Chain, g: Any, node: Value) -> Any:
        changed: Chain = tuple(_with_weight(m, power) for m in chain)
        return GRADIENT.result(GRADIENT.pull(changed, g, node))

    return change


def _with_weight(m: Any, power: int) -> Any:
    if isinstance(m, Scale):
        return Scale(np.asarray(m.weight, dtype=float) ** power if power else np.ones(shape_of(m.weight)), m.ndim)
    if isinstance(m, SumOver):
        return SumOver(m.in_shape, m.axes, m.keepdims, m.weight**power if power else 1.0)
    return m


def _turned(chain: Chain, g: Any, node: Value) -> Any:
    changed = tuple(
        Contract(m.out_labels, m.in_labels, m.operand_labels, m.operand.T) if isinstance(m, Contract) else m
        for m in chain
    )
    return GRADIENT.result(GRADIENT.pull(changed, g, node))


def _half(half: Callable[[Any], Any]) -> Change:
    def change(chain: Chain, g: Any, node: Value) -> Any:
        changed: Chain = tuple(Scale(np.asarray(half(node.data)), m.ndim) if isinstance(m, Scale) else m for m in chain)
        return GRADIENT.result(GRADIENT.pull(changed, g, node))

    return change


Suits = Callable[[list[tuple[Value, Chain]]], bool]
"""Whether a change of the edges of these readers and with these chains makes a difference, and can be made."""


def _any(edges: list[tuple[Value, Chain]]) -> bool:
    return True


def _made_by(name: str) -> Suits:
    return lambda edges: all(node.op is not None and node.op.name == name for node, _ in edges)


def _weighted(edges: list[tuple[Value, Chain]]) -> bool:
    maps = [m for _, chain in edges for m in chain]
    return any(isinstance(m, Scale | SumOver) and np.any(np.asarray(m.weight) != 1.0) for m in maps)


def _square(edges: list[tuple[Value, Chain]]) -> bool:
    shapes = [shape_of(m.operand) for _, chain in edges for m in chain if isinstance(m, Contract)]
    return bool(shapes) and all(len(shape) == 2 and shape[0] == shape[1] for shape in shapes)


_CHANGES: list[tuple[str, Change, Suits]] = [
    ("the factor of {node} with respect to {operand} is missing", _reweighted(0), _weighted),
    ("the term of {node} is missing from the sum over paths at {operand}", _missing, _any),
    ("the sign of {node} with respect to {operand} is wrong", _negated, _any),
    ("the matrix between {node} and {operand} is transposed", _turned, _square),
    ("the factor of {node} with respect to {operand} is there twice", _reweighted(2), _weighted),
    *(
        (f"the factor of {{node}} with respect to {{operand}} is {of} n, and not {right}", _half(half), _made_by(op))
        for op, right, of, half in (
            ("sigmoid", "n(1 - n)", "only", lambda n: n),
            ("sigmoid", "n(1 - n)", "only 1 -", lambda n: 1.0 - n),
            ("tanh", "1 - n²", "1 -", lambda n: 1.0 - n),
        )
    ),
]


def _softmax_slips(graph: Graph) -> Iterator[tuple[Value, str, Change]]:
    """Of each softmax s = exp(d), d = z - logsumexp(z): its Jacobian diag(s) - s sᵀ without a part of it."""
    for s, edges in graph:
        d = edges[0][1] if s.op is not None and s.op.name == "exp" and edges else None
        if d is None or d.op is None or d.op.name != "sub" or not isinstance(d.operands[1], Value):
            continue
        if d.operands[1].op is None or d.operands[1].op.name != "logsumexp":
            continue

        def change(chain: Chain, g: Any, node: Value, of_z: Any, s: Value = s, d: Value = d) -> Any:
            if node is s:
                return g
            pulled = GRADIENT.result(GRADIENT.pull(chain, g, node))
            return pulled if node is not d else of_z * pulled if np.shape(pulled) == d.shape else 0.0 * pulled

        data: Any = s.data
        softmax = f"the softmax {describe(s)}"
        yield (
            s,
            f"of the derivative of {softmax} only the diagonal s(1 - s) is there",
            partial(change, of_z=data * (1 - data)),
        )
        yield s, f"of the derivative of {softmax} only diag(s) is there, without - s sᵀ", partial(change, of_z=data)
        yield s, f"the derivative of {softmax} is missing", partial(change, of_z=1.0)


def _means(sizes: set[int]) -> list[tuple[str, Change, Suits]]:
    """A mean over samples that is forgotten, or taken where there is a sum, for one operand."""

    def times(factor: float) -> Change:
        return lambda chain, g, node: factor * GRADIENT.result(GRADIENT.pull(chain, g, node))

    what = "what {{node}} passes to {{operand}} is {n} times too {size}: {question}"
    changes: list[tuple[str, Change, Suits]] = []
    for n in sorted(sizes - {0, 1}):
        forgotten = what.format(n=n, size="large", question=f"was the mean over {n} samples forgotten?")
        taken = what.format(n=n, size="small", question=f"was the mean over {n} samples taken of what is a sum?")
        changes += [(forgotten, times(n), _any), (taken, times(1 / n), _any)]
    return changes


def _transposed(right: Mapping[Value, Any], manual: Mapping[Value, Any], tolerance: float) -> Slip | None:
    """Gradients that are only turned, where all others are right."""
    first = None
    for value, m in manual.items():
        g, m = np.asarray(right.get(value, np.zeros(value.shape)), float), np.asarray(m, float)
        if m.shape == g.shape and _near(m, g, tolerance):
            continue
        if m.ndim < 2 or m.shape != g.T.shape or not _near(m.T, g, tolerance):
            return None
        first = first or value
    return None if first is None else Slip(f"the gradient of {_called(first, False)} is transposed", first)


def _scaled(
    end: Value, graph: Graph, right: Mapping[Value, Any], manual: Mapping[Value, Any], tolerance: float
) -> Slip | None:
    """Slips at the very end, which scale every gradient by one number."""
    pairs = [(np.asarray(m, float), np.asarray(right.get(v, 0.0), float)) for v, m in manual.items()]
    if any(m.shape != g.shape for m, g in pairs):
        return None
    flat = [np.concatenate([np.ravel(pair[k]) for pair in pairs]) for k in (0, 1)] if pairs else [np.zeros(0)] * 2
    unit = float(np.max(np.abs(flat[1]), initial=0.0))
    if not unit or not np.isfinite(flat).all():
        return None
    with np.errstate(all="ignore"):
        flat = [numbers / unit for numbers in flat]  # whose squares neither overflow nor vanish
        factor = float(flat[0] @ flat[1]) / float(flat[1] @ flat[1])
    if not math.isfinite(factor):
        return None
    if not factor or not _near(flat[0], factor * flat[1], tolerance) or _near(flat[0], flat[1], tolerance):
        return None
    for n, what in _counted(graph).items():
        if n > 1 and abs(factor - n) < tolerance * n:
            return Slip(f"every gradient is {n} times too large: was the mean over {what} forgotten?", end)
        if n > 1 and abs(factor * n - 1) < tolerance:
            return Slip(f"every gradient is {n} times too small: was the mean over {what} taken twice?", end)
    if abs(factor + 1) < tolerance:
        return Slip("every gradient has the wrong sign", end)
    return Slip(f"{_MULTIPLIED} {factor:.9g}", end)


def _counted(graph: Graph) -> dict[int, str]:
    """What a mean may be over, by the number of it: samples, or the axes of a mean that there is."""
    lengths = _batch_sizes(graph) or {value.shape[0] for node, _ in graph for value in node.parents if value.shape}
    found = {n: f"{n} samples" for n in sorted(lengths)}
    for _, edges in graph:
        for m in (m for _, _, chain in edges for m in chain if isinstance(m, SumOver)):
            over = [m.in_shape[axis] for axis in m.axes]
            if np.ndim(m.weight) == 0 and math.isclose(float(m.weight) * math.prod(over), 1.0):
                found.setdefault(math.prod(over), f"all {' · '.join(map(str, over))} elements")
                for n in over:
                    found.setdefault(n, f"an axis of {n} elements")
    return found


def _batch_sizes(graph: Graph) -> set[int]:
    """How many samples there may be: the length of the data, or for scalars by their names."""
    operands = [value for node, _ in graph for value in node.parents]
    lengths = {value.shape[0] for value in operands if value.shape and value.is_leaf and not value.requires_grad}
    parsed = (naming.parse(value.name) for value in operands if value.name is not None)
    numbers = {element.sample for element in parsed if element is not None and element.sample is not None}
    return lengths | ({len(numbers)} if numbers else set())


def _agrees(found: Mapping[Value, Any], manual: Mapping[Value, Any], tolerance: float) -> bool:
    return all(_close(m, found.get(value, 0.0), value, tolerance) for value, m in manual.items())


def _close(manual: Any, found: Any, value: Value, tolerance: float) -> bool:
    m = np.asarray(manual, float)
    return bool(m.shape == value.shape) and _near(m, np.asarray(found, float), tolerance)


def _near(a: Any, b: Any, tolerance: float) -> bool:
    with np.errstate(all="ignore"):
        return bool(np.all(np.abs(a - b) <= tolerance * np.max(np.abs(b), initial=0.0)))
