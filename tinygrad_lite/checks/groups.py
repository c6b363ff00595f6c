"""Edges that a person gets wrong together: one, or those of a node, of every sample, step or layer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.value import Value, describe
from ..graph import naming
from .evidence import Edge, Evidence, Graph

__all__ = ["Group", "called", "groups"]


@dataclass(frozen=True)
class Group:
    """Some edges, and whether they stand for ``several`` nodes alike."""

    edges: Sequence[Edge]
    several: bool

    @property
    def names(self) -> dict[str, str]:
        """What the texts of slips call the node and the operand."""
        nodes, operands = ({edge[k] for edge in self.edges} for k in (0, 2))
        node, operand = self.edges[0].node, self.edges[0].operand
        if self.several or len(nodes) == len(operands) == 1:
            return {"node": called(node, self.several), "operand": called(operand, self.several)}
        return {
            "node": called(node, False) if len(nodes) == 1 else "every reader",
            "operand": called(operand, False) if len(operands) == 1 else "all its operands",
        }

    def changed(self, graph: Graph, change: Callable[[Edge], Any]) -> Graph:
        """The nodes of the group, with the chains of its edges changed."""
        chosen = {(edge.node, edge.position) for edge in self.edges}
        return {
            node: [
                edge._replace(chain=change(edge)) if (node, edge.position) in chosen else edge for edge in graph[node]
            ]
            for node in {edge.node: None for edge in self.edges}
        }

    def in_series(self, graph: Graph) -> bool:
        """Whether a path may take two of the edges."""
        nodes = {edge.node for edge in self.edges}
        below = {edge.operand for edge in self.edges}
        for node, edges in graph.items():  # readers before their operands
            if node in below:
                if node in nodes:
                    return True
                below.update(edge.operand for edge in edges)
        return False


def groups(evidence: Evidence, strictly: bool) -> Iterator[Group]:
    """Every edge alone; those of one neuron in every sample; of a layer; of a node; of every layer or step.

    Only groups on which a mistake could make every wrong gradient: ``strictly`` without a right one after it, and the
    others otherwise, as a mistake may leave a gradient as it is.
    """
    for group in _distinct(evidence):
        if (
            evidence.may_be_wrong(group.edges)
            if strictly
            else (evidence.may_be_wrong(group.edges, False) and not evidence.may_be_wrong(group.edges))
        ):
            yield group


def _distinct(evidence: Evidence) -> Iterator[Group]:
    edges = evidence.edges
    seen: set[frozenset[tuple[Value, int]]] = set()
    for key, several in _KEYS:
        alike: dict[Any, list[Edge]] = {}
        for edge in edges:
            if (place := key(edge)) is not None:
                alike.setdefault(place, []).append(edge)
        for some in alike.values():
            members = frozenset((edge.node, edge.position) for edge in some)
            if members not in seen:
                seen.add(members)
                yield Group(some, several)


def _place(value: Value, layer: bool) -> Any:
    """A key that Values at the same place in all samples, or in the same layer, share."""
    if value.name is None:
        return (value.op.name if value.op is not None else "", value.shape)
    element = naming.parse(value.name)
    if element is None:
        return value.name
    return (element.prefix, element.kind, element.layer, () if layer else element.index)


def _step(value: Value) -> Any:
    """A key that Values of the same name share, but for the numbers in it: ``h1``, ``h2``."""
    return re.sub(r"\d+", "#", value.name) if value.name else ""


def _op(edge: Edge) -> str:
    return edge.node.op.name if edge.node.op is not None else ""


_ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "silu", "softplus", "gelu_tanh", "gelu_erf")


def _weights(edge: Edge) -> tuple[Value, ...]:
    """The leaves that a node reads beside the operand: the weights of a layer, the same in each time step."""
    return tuple(value for value in edge.node.parents if value is not edge.operand and value.is_leaf)


_KEYS: tuple[tuple[Callable[[Edge], Any], bool], ...] = (
    (lambda edge: (edge.node, edge.position), False),
    (lambda edge: (_place(edge.node, False), _place(edge.operand, False)), True),
    (lambda edge: (_place(edge.node, True), _place(edge.operand, True)), True),
    (lambda edge: edge.node, False),
    (lambda edge: edge.operand, False),
    (lambda edge: (_op(edge), edge.operand), True),
    (lambda edge: (_op(edge), edge.position, _step(edge.node), _step(edge.operand)), True),
    (lambda edge: (_op(edge), edge.position, edge.operand.is_leaf), True),
    (lambda edge: (_op(edge), edge.position), True),
    (lambda edge: (_op(edge), edge.position, *_weights(edge)) if _weights(edge) else None, True),
    (lambda edge: "activation" if _op(edge) in _ACTIVATIONS else None, True),
)


def called(value: Value, several: bool) -> str:
    """A Value in a text: without the number of its sample, and with its like if there are several."""
    if value.name is None:
        return describe(value)
    return repr(naming.without_sample(value.name)) + (" and its like" if several else "")
