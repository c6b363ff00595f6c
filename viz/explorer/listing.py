"""The elements that ``wrt=`` of ``explore`` names, and the elementary edges from which the page lists paths."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_lite.core.graph import chains, topological
from tinygrad_lite.core.maps import edges
from tinygrad_lite.core.shapes import Index
from tinygrad_lite.core.value import Value, describe
from tinygrad_lite.errors import GraphError
from tinygrad_lite.graph.lookup import place
from tinygrad_lite.paths.queries import gradient_paths

__all__ = ["ArrowEdges", "Element", "SHOWN_PATHS", "all_edges", "asked_elements", "edges_of_largest", "flat"]

Element = tuple[Value, Index]

_RANKED = 64
"""The most elements of one array that may be asked for one by one."""


SHOWN_PATHS = 10
"""The number of paths of an element that the page lists."""


def asked_elements(end: Value, wrt: Any, order: Sequence[Value], gradients: Mapping[Value, Any]) -> list[Element]:
    """The elements in ``wrt``: single ones first, then those of the arrays in turn, the largest gradients first.

    ``wrt`` is one or several Values, names or elements, a module, or ``None`` for every leaf. ``order`` holds every
    Value of the graph. Raises ``GraphError`` for a Value that ``end`` was not computed from.

    >>> x = Value([1.0, 2.0, 3.0], name="x")
    >>> y = x.square().sum()
    >>> [index for _, index in asked_elements(y, None, [x, y], {x: [2.0, 4.0, 6.0]})]
    [(2,), (1,), (0,)]
    """
    single: list[Element] = []
    arrays: list[list[Element]] = []
    for value, index in _asked(end, wrt, order):
        if len(index) == value.ndim:
            single.append((value, index))
        else:
            sizes = np.abs(np.ravel(gradients.get(value, np.zeros(value.shape))))
            largest = np.argsort(-sizes, kind="stable")[:_RANKED]
            arrays.append([(value, tuple(map(int, np.unravel_index(k, value.shape)))) for k in largest])
    turns = itertools.chain.from_iterable(itertools.zip_longest(*arrays))
    return list(dict.fromkeys([*single, *(element for element in turns if element is not None)]))


def _asked(end: Value, wrt: Any, order: Sequence[Value]) -> Iterable[tuple[Value, Index]]:
    """The Values in ``wrt``, each with the index of an element, or with ``()`` for the whole Value."""
    if wrt is None:
        return [(node, ()) for node in order if node.is_leaf and node.requires_grad]
    if hasattr(wrt, "parameters"):
        wrt = wrt.parameters()
    elif isinstance(wrt, Mapping):
        wrt = wrt.values()
    elif isinstance(wrt, Value | str) or (isinstance(wrt, tuple) and len(wrt) == 2 and isinstance(wrt[1], int | tuple)):
        wrt = [wrt]
    found = [place(end, one, "explore") for one in wrt]
    known = set(order)
    for value, _ in found:
        if value not in known:
            raise GraphError(f"explore: {describe(end)} was not computed from {describe(value)}")
    return found


@dataclass(slots=True)
class ArrowEdges:
    """The elementary edges of one arrow: from the operand at ``position`` to ``node``.

    ``heads`` are elements of ``node`` and ``tails`` elements of the operand, counted row by row; ``locals`` are the
    local derivatives.
    """

    node: Value
    position: int
    operand: Value
    heads: list[int] = field(default_factory=list)
    tails: list[int] = field(default_factory=list)
    locals: list[float] = field(default_factory=list)


def all_edges(end: Value, counts: Mapping[Value, Any], at_most: int) -> list[ArrowEdges] | None:
    """Every elementary edge on a path from ``end``, readers first; ``None`` if there are more than ``at_most``.

    ``counts`` are the numbers of paths from the end to each element.

    >>> from tinygrad_lite.semirings import COUNT
    >>> from tinygrad_lite.core.sweeps import reverse
    >>> x = Value([3.0, 4.0])
    >>> y = x.square().sum()
    >>> [(arrow.heads, arrow.tails, arrow.locals) for arrow in all_edges(y, reverse(y, COUNT), 10)]
    [([0, 0], [0, 1], [1.0, 1.0]), ([0, 1], [0, 1], [6.0, 8.0])]
    """
    found: list[ArrowEdges] = []
    seen = 0
    for node in reversed(topological(end)):
        if node not in counts:
            continue
        reached = np.argwhere(np.not_equal(counts[node], 0)) if node.shape else [()]
        if seen + len(reached) > at_most:
            return None
        for arrow in _edges_at(node, (tuple(map(int, index)) for index in reached)):
            found.append(arrow)
            seen += len(arrow.locals)
            if seen > at_most:
                return None
    return found


def edges_of_largest(end: Value, elements: Sequence[Element]) -> list[ArrowEdges]:
    """The elementary edges of the largest paths from ``end`` to each of the elements, readers first."""
    wanted: defaultdict[Value, dict[Index, set[Element]]] = defaultdict(dict)
    for value, index in elements:
        for path in gradient_paths(end, value, index).top(SHOWN_PATHS):
            steps = list(zip(path.nodes, path.indices, strict=True))
            for (node, head), step in itertools.pairwise(steps):
                wanted[node].setdefault(head, set()).add(step)
    found = []
    for node in reversed(topological(end)):
        if node in wanted:
            kept = {(head, *step) for head, steps in wanted[node].items() for step in steps}
            found += [arrow for arrow in _edges_at(node, iter(wanted[node]), kept) if arrow.locals]
    return found


def _edges_at(
    node: Value, heads: Iterator[Index], kept: set[tuple[Index, Value, Index]] | None = None
) -> list[ArrowEdges]:
    """The edges into the elements ``heads`` of a node, arrow by arrow; only edges in ``kept`` (head, operand, tail)."""
    with np.errstate(all="ignore"):  # as in a sweep
        arrows = [(ArrowEdges(node, *arrow[:2]), arrow[2]) for arrow in chains(node)]
    for head in heads:
        at = flat(head, node.shape)
        for arrow, chain in arrows:
            operand = arrow.operand
            for tail, weight in edges(chain, head):
                if kept is None or (head, operand, tail) in kept:
                    arrow.heads.append(at)
                    arrow.tails.append(flat(tail, operand.shape))
                    arrow.locals.append(weight + 0.0)
    return [arrow for arrow, _ in arrows]


def flat(index: Index, shape: tuple[int, ...]) -> int:
    """The position of an element, counted row by row.

    >>> flat((1, 2), (2, 3))
    5
    """
    position = 0
    for i, n in zip(index, shape, strict=True):
        position = position * n + i
    return position
