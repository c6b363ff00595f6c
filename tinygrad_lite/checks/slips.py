"""The slips that people make when they differentiate by hand, each as a change of the local derivatives of some edges.

A slip changes the chain of linear maps of an edge: a factor is missing or there twice, a sign is wrong, a matrix is
transposed, a term of a sum is missing. The maps' own pull then gives the wrong gradient that a person would get.
``diagnosis`` tries the slips one after another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..core.maps import Chain, Contract, Map, Scale, SumOver
from ..core.shapes import shape_of
from ..core.value import Value, describe

__all__ = ["Change", "Edge", "Graph", "Kind", "kinds", "softmax_slips"]


class Edge(NamedTuple):
    """One operand of one node, and the local derivative of the node with respect to it."""

    node: Value
    position: int
    operand: Value
    chain: Chain


Graph = dict[Value, list[Edge]]
"""The edges that start at each node, readers before their operands."""

Change = Callable[[Edge], Chain]
"""The chain that somebody who makes the slip uses for an edge."""


@dataclass(frozen=True)
class Kind:
    """One kind of slip. ``text`` has places for ``{node}`` and ``{operand}``.

    ``suits`` tells whether the change of some edges can be made and makes a difference.
    """

    text: str
    change: Change
    suits: Callable[[Sequence[Edge]], bool]


def _times(factor: Any) -> Change:
    return lambda edge: (Scale(factor, edge.node.ndim), *edge.chain)


def _to_the(power: int) -> Change:
    """All weights of the chain to a power: 0 forgets them, 2 has them twice."""

    def changed(m: Map) -> Map:
        if isinstance(m, Scale):
            return Scale(np.asarray(m.weight, dtype=float) ** power if power else np.ones(shape_of(m.weight)), m.ndim)
        if isinstance(m, SumOver):
            return SumOver(m.in_shape, m.axes, m.keepdims, m.weight**power if power else 1.0)
        return m

    return lambda edge: tuple(map(changed, edge.chain))


def _with_transposed_matrices(edge: Edge) -> Chain:
    return tuple(
        Contract(m.out_labels, m.in_labels, m.operand_labels, m.operand.T) if isinstance(m, Contract) else m
        for m in edge.chain
    )


def _with_derivative(derivative: Callable[[Any], Any]) -> Change:
    """The local derivative replaced by another function of the node's data."""
    return lambda edge: tuple(
        Scale(np.asarray(derivative(edge.node.data)), m.ndim) if isinstance(m, Scale) else m for m in edge.chain
    )


def _any(edges: Sequence[Edge]) -> bool:
    return True


def _made_by(name: str) -> Callable[[Sequence[Edge]], bool]:
    return lambda edges: all(edge.node.op is not None and edge.node.op.name == name for edge in edges)


def _weighted(edges: Sequence[Edge]) -> bool:
    maps = [m for edge in edges for m in edge.chain]
    return any(isinstance(m, Scale | SumOver) and np.any(np.asarray(m.weight) != 1.0) for m in maps)


def _square(edges: Sequence[Edge]) -> bool:
    shapes = [shape_of(m.operand) for edge in edges for m in edge.chain if isinstance(m, Contract)]
    return bool(shapes) and all(len(shape) == 2 and shape[0] == shape[1] for shape in shapes)


def _activation(op: str, given: str, right: str, derivative: Callable[[Any], Any]) -> Kind:
    text = f"the factor of {{node}} with respect to {{operand}} is {given} n, and not {right}"
    return Kind(text, _with_derivative(derivative), _made_by(op))


def kinds(batch_sizes: Iterable[int]) -> list[Kind]:
    """All kinds of slips, in the order of trying them; a mean may divide by each of ``batch_sizes``."""
    return [
        Kind("the factor of {node} with respect to {operand} is missing", _to_the(0), _weighted),
        Kind("the term of {node} is missing from the sum over paths at {operand}", _times(0.0), _any),
        Kind("the sign of {node} with respect to {operand} is wrong", _times(-1.0), _any),
        Kind("the matrix between {node} and {operand} is transposed", _with_transposed_matrices, _square),
        Kind("the factor of {node} with respect to {operand} is there twice", _to_the(2), _weighted),
        _activation("sigmoid", "only", "n(1 - n)", lambda n: n),
        _activation("sigmoid", "only 1 -", "n(1 - n)", lambda n: 1.0 - n),
        _activation("tanh", "1 -", "1 - n²", lambda n: 1.0 - n),
        *(kind for n in sorted(set(batch_sizes) - {0, 1}) for kind in _means(n)),
    ]


def _means(n: int) -> Iterator[Kind]:
    """A mean over samples that is forgotten, or taken where there is a sum, for one operand."""
    text = f"what {{node}} passes to {{operand}} is {n} times too"
    yield Kind(f"{text} large: was the mean over {n} samples forgotten?", _times(float(n)), _any)
    yield Kind(f"{text} small: was the mean over {n} samples taken of what is a sum?", _times(1 / n), _any)


def softmax_slips(graph: Graph) -> Iterator[tuple[Value, str, Graph]]:
    """For each softmax s = exp(d), d = z - logsumexp(z), the slips in its Jacobian diag(s) - s sᵀ.

    Each comes with the softmax, a text, and the edges of ``s`` and ``d`` as the slip changes them.
    """
    for s, edges in graph.items():
        d = edges[0].operand if s.op is not None and s.op.name == "exp" and edges else None
        if d is None or d.op is None or d.op.name != "sub" or not isinstance(d.operands[1], Value):
            continue
        if d.operands[1].op is None or d.operands[1].op.name != "logsumexp":
            continue
        softmax, data = f"the softmax {describe(s)}", np.asarray(s.data)
        for text, jacobian in (
            (f"of the derivative of {softmax} only the diagonal s(1 - s) is there", data * (1 - data)),
            (f"of the derivative of {softmax} only diag(s) is there, without - s sᵀ", data),
            (f"the derivative of {softmax} is missing", np.ones(s.shape)),
        ):
            of_z = Scale(jacobian, d.ndim), Scale(0.0, d.ndim)
            changed: Graph = {
                s: [edge._replace(chain=()) for edge in edges],
                d: [edge._replace(chain=(of_z[edge.operand.shape != d.shape], *edge.chain)) for edge in graph[d]],
            }
            yield s, text, changed
