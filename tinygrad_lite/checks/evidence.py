"""What gradients made by hand prove: where they are right, where they are wrong, and which edges a mistake may be on.

A weight gradient that is right proves the cotangent of its layer right, ``dW = aᵀδ``, and with it every edge before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..core.graph import chains, topological
from ..core.maps import Chain, Scale
from ..core.sweeps import pull_all
from ..core.value import Value
from ..semirings import GRADIENT

__all__ = ["CLOSE", "Closeness", "Edge", "Evidence", "Graph", "first_wrong", "last_right"]


class Edge(NamedTuple):
    """One operand of one node, and the local derivative of the node with respect to it."""

    node: Value
    position: int
    operand: Value
    chain: Chain


Graph = dict[Value, list[Edge]]
"""The edges that start at each node, readers before their operands."""


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
_TRIED_AT_MOST, _WORK = 500, 200_000


class Evidence:
    """Gradients made by hand beside the graph and the right gradients.

    ``changed`` are edges to take instead of the graph's own, of a slip that is known. ``wrong`` are the Values with a
    wrong gradient, ``proved`` those whose cotangent a right gradient proves right.
    """

    def __init__(
        self, end: Value, manual: Mapping[Value, Any], close: Closeness = CLOSE, changed: Graph | None = None
    ) -> None:
        self.end, self.manual, self.close = end, manual, close
        with np.errstate(all="ignore"):  # a derivative that overflows is inf, as in backward
            self.graph: Graph = {
                node: [Edge(node, *edge) for edge in chains(node)] for node in reversed(topological(end))
            }
        self.graph |= changed or {}
        self._order = list(reversed(self.graph))
        self.right = self.swept({})
        self.wrong = [value for value, m in manual.items() if not close.of(m, self.right.get(value, 0.0), value)]
        right = set(manual) - set(self.wrong)
        self.proving = {value for value in right if self._tells(value)}
        self.proved = self._above(self.proving)

    def swept(self, changed: Graph) -> dict[Value, Any]:
        """The gradient of every Value, with other edges at some nodes."""
        totals: dict[Value, Any] = {self.end: GRADIENT.one(self.end.shape)}
        graph = self.graph | changed if changed else self.graph
        pull_all(self._order, lambda node: [edge[1:] for edge in graph[node]], totals, GRADIENT)
        return {value: GRADIENT.result(total) for value, total in totals.items()}

    def explained(self, changed: Graph) -> bool:
        """Whether the sweep over the changed graph gives every gradient as it was made by hand."""
        return self.close.agree(self.swept(changed), self.manual)

    @property
    def edges(self) -> list[Edge]:
        return [edge for some in self.graph.values() for edge in some]

    def may_explain(self, changed: Graph) -> bool:
        """Whether every wrong gradient lies after one of the nodes that change."""
        return self.may_be_wrong([edge for node in changed for edge in self.graph[node]], strictly=False)

    def may_be_wrong(self, edges: Sequence[Edge], strictly: bool = True) -> bool:
        """Whether every wrong gradient lies after one of the edges; ``strictly`` if no right one does."""
        reached = 0
        for edge in edges:
            if strictly and edge.operand in self.proved:
                return False
            reached |= self._reached.get(edge.operand, 0)
        return reached == (1 << len(self.wrong)) - 1

    @cached_property
    def unseen(self) -> set[Value]:
        """Nodes from which an edge leads on to wrong gradients, and every right one is the same whatever it carries.

        What goes by way of a variance adds nothing to the gradient of the mean, which then proves nothing about it.
        """
        rng, found = np.random.default_rng(0), set[Value]()
        edges = [edge for edge in self.edges if edge.operand in self.proved and self._reached.get(edge.operand)]
        for edge in edges[: min(_TRIED_AT_MOST, _WORK // (1 + len(self.edges)))]:
            other = Scale(rng.uniform(0.5, 2.0, edge.node.shape), edge.node.ndim)
            chains_ = [e._replace(chain=(other, *e.chain)) if e is edge else e for e in self.graph[edge.node]]
            moved = self.swept({edge.node: chains_})
            if self._same(moved, self.proving) and not self._same(moved, self.wrong):
                found.add(edge.node)
        return found

    def _same(self, found: Mapping[Value, Any], values: Iterable[Value]) -> bool:
        return self.close.agree(found, {value: self.right.get(value, np.zeros(value.shape)) for value in values})

    @cached_property
    def _reached(self) -> dict[Value, int]:
        """For each Value the wrong gradients that depend on its cotangent, as bits."""
        found = {value: 1 << k for k, value in enumerate(self.wrong)}
        for node in self._order:  # operands before their readers
            bits = found.get(node, 0)
            for edge in self.graph[node]:
                bits |= found.get(edge.operand, 0)
            found[node] = bits
        return found

    @cached_property
    def rank(self) -> dict[Value, int]:
        """The place of each Value on the way from the end: of a leaf just after its last reader."""
        after = {edge.operand: 2 * k + 1 for k, edges in enumerate(self.graph.values()) for edge in edges}
        return after | {node: 2 * k for k, node in enumerate(self.graph)}

    def _tells(self, value: Value) -> bool:
        """Whether a right gradient proves something: one that is 0 but for rounding does not."""
        noise = 100 * self.close.noise.get(value, 0.0)
        return bool(np.max(np.abs(self.right.get(value, 0.0)), initial=0.0) > noise)

    def _above(self, values: set[Value]) -> set[Value]:
        """The values, and every node from which they are reached."""
        found = values | {self.end}
        for node in self._order:
            if any(edge.operand in found for edge in self.graph[node]):
                found.add(node)
        return found


def first_wrong(evidence: Evidence) -> Value | None:
    """The first Value on the way from the end whose gradient is wrong.

    >>> w = Value(2.0, name="w")
    >>> y = w * 3.0
    >>> loss = y * y
    >>> first_wrong(Evidence(loss, {w: 1.0, y: 12.0})) is w
    True
    """
    return min(evidence.wrong, key=lambda value: evidence.rank.get(value, 0), default=None)


def last_right(evidence: Evidence, wrong: Value) -> Value:
    """The last Value proved right on the way from the end to a wrong one: one given or with a name, or the end.

    >>> w = Value(2.0, name="w")
    >>> y = w * 3.0
    >>> loss = y * y
    >>> last_right(Evidence(loss, {w: 1.0, y: 12.0}), w) is y
    True
    """
    open_, nearest = {wrong}, dict[Value, int]()  # the first proved nodes on all ways back from the wrong one, as bits
    reached: dict[Value, int] = {}
    for node in reversed(evidence.graph):  # operands before their readers
        operands = {edge.operand for edge in evidence.graph[node]}
        if operands & open_ and node not in evidence.proved:
            open_.add(node)
        elif operands & open_ or node in evidence.unseen:
            nearest[node] = 1 << len(nearest)
        reached[node] = nearest.get(node, 0)
        for operand in operands:
            reached[node] |= reached.get(operand, 0)
    every = (1 << len(nearest)) - 1
    for node in reversed(evidence.graph):  # the first that reaches all of them, and that a person can find
        if every and reached[node] == every and (node.name is not None or node in evidence.manual):
            return node
    return evidence.end
