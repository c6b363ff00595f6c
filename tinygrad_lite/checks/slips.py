"""The slips that people make when they differentiate by hand, each as a change of what an edge carries.

A slip changes the chain of linear maps of an edge: a weight is forgotten, there twice, taken at another value or of
another array; a matrix is transposed; repeated indices are assigned. The maps' own pull then gives the wrong gradient
that a person would get. Constant factors are no list: ``factors`` solves for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.elementwise_derivatives import TABLE, Rule
from ..core.maps import Chain, Contract, Gather, Map, Scale, SumOver
from ..core.numerics import LOCAL_FUNCTIONS
from ..core.shapes import shape_of
from ..core.table_source import array_source, compiled
from ..core.value import Value, describe
from ..semirings import Semiring
from .evidence import Edge, Graph
from .groups import Group, called

__all__ = ["Change", "Kind", "assigned_terms", "kinds", "repeated_indices", "softmax_slips", "times"]

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


def times(factor: float) -> Change:
    """What the edge carries, multiplied by a number."""
    return lambda edge: (Scale(factor, edge.node.ndim), *edge.chain)


# ---- the weights forgotten, twice, transposed


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


def _weighted(edges: Sequence[Edge]) -> bool:
    maps = [m for edge in edges for m in edge.chain]
    return any(isinstance(m, Scale | SumOver) and np.any(np.abs(np.asarray(m.weight, float)) != 1.0) for m in maps)


def _square(edges: Sequence[Edge]) -> bool:
    shapes = [shape_of(m.operand) for edge in edges for m in edge.chain if isinstance(m, Contract)]
    return bool(shapes) and all(len(shape) == 2 and shape[0] == shape[1] for shape in shapes)


# ---- the derivative of an op at another value, or of another op


def _with_weight(weight: Callable[[Edge], Any]) -> Change:
    """The weight of a chain replaced."""
    return lambda edge: tuple(
        Scale(np.asarray(weight(edge)), m.ndim) if isinstance(m, Scale) else m for m in edge.chain
    )


def _made_by(name: str) -> Callable[[Sequence[Edge]], bool]:
    return lambda edges: all(
        edge.node.op is not None and edge.node.op.name == name and any(isinstance(m, Scale) for m in edge.chain)
        for edge in edges
    )


def _of_data(rule: Rule, expression: str) -> Callable[[Edge], Any]:
    """An expression in the op's operand x and its result out, at an edge's data."""
    function = compiled(rule, expression, LOCAL_FUNCTIONS)
    return lambda edge: function(np.asarray(edge.operand.data, float), np.asarray(edge.node.data, float))


_RIGHT = {"sigmoid": "n(1 - n)", "tanh": "1 - n²", "exp": "n"}
_HALVES = (
    ("sigmoid", "only n", "out"),
    ("sigmoid", "only 1 - n", "1 - out"),
    ("tanh", "1 - n", "1 - out"),
    ("tanh", "n²", "out * out"),
    ("tanh", "(1 - n)²", "(1 - out) ** 2"),
    ("sigmoid", "z(1 - z), of the input", "x * (1 - x)"),
    ("tanh", "1 - z², of the input", "1 - x * x"),
    ("sigmoid", "σ(n)(1 - σ(n)), the derivative at the output", "sigmoid(out) * (1 - sigmoid(out))"),
    ("tanh", "1 - tanh(n)², the derivative at the output", "1 - tanh(out) ** 2"),
    ("tanh", "n(1 - n), that of a sigmoid", "out * (1 - out)"),
    ("sigmoid", "1 - n², that of a tanh", "1 - out * out"),
    ("tanh", "1 where n > 0, that of a relu", "out > 0"),
    ("sigmoid", "1 where z > 0, that of a relu", "x > 0"),
    ("relu", "n itself", "out"),
    ("relu", "z, the input", "x"),
    ("relu", "1 where z < 0", "x < 0"),
    ("exp", "exp(n), the derivative at the output", "exp(out)"),
    ("exp", "z, the input", "x"),
    ("log", "1/n, at the output", "1 / out"),
    ("log", "z, and not its reciprocal", "x"),
    ("sqrt", "½√z, not divided by it", "0.5 * out"),
    ("sqrt", "½/z, without the root", "0.5 / x"),
    ("square", "2n, at the output", "2 * out"),
)
"""Op, what is written, and the expression of the table's variables."""

_POWERS = (
    ("{p}x^{p}, its power not lowered by 1", "y * x ** y"),
    ("{p}x^({p} - 2), its power lowered by 2", "y * x ** (y - 2)"),
    ("{p}x^({p} + 1), its power raised", "y * x ** (y + 1)"),
    ("that of its reciprocal power, -{p}x^(-{p} - 1)", "-y * x ** (-y - 1)"),
)


def _activations() -> Iterator[Kind]:
    for op, given, expression in _HALVES:
        right = _RIGHT.get(op)
        text = f"the factor of {{node}} with respect to {{operand}} is {given}" + (
            f", and not {right}" if right else ""
        )
        yield Kind(text, _with_weight(_of_data(TABLE[op], expression)), _made_by(op))


def _powers() -> Iterator[Kind]:
    def exponent(edge: Edge) -> Any:
        y = edge.node.operands[1]
        return y.data if isinstance(y, Value) else y

    def of(function: Callable[..., Any]) -> Callable[[Edge], Any]:
        return lambda edge: function(np.asarray(edge.operand.data, float), exponent(edge))

    is_power = _made_by("pow")
    for given, expression in _POWERS:
        text = f"the derivative of {{node}} with respect to {{operand}} is {given.format(p='p')}"
        change = _with_weight(of(compiled(TABLE["pow"], expression, {})))
        yield Kind(text, change, lambda edges: is_power(edges) and all(edge.position == 0 for edge in edges))


# ---- another array in the place of the right one


def _replaced(other: Value) -> Kind:
    """The array that an edge multiplies by, replaced by another of its shape."""
    data = np.asarray(other.data, float)

    def fits(m: Map) -> bool:
        return isinstance(m, Contract | Scale) and shape_of(_array_of(m)) == data.shape != ()

    def changed(m: Map) -> Map:
        if isinstance(m, Contract) and fits(m):
            return Contract(m.out_labels, m.in_labels, m.operand_labels, data)
        return Scale(data, m.ndim) if isinstance(m, Scale) and fits(m) else m

    def suits(edges: Sequence[Edge]) -> bool:
        return all(_product(edge) and any(map(fits, edge.chain)) for edge in edges)

    text = f"the factor of {{node}} with respect to {{operand}} is {called(other, False)} instead of the right one"
    return Kind(text, lambda edge: tuple(map(changed, edge.chain)), suits)


def _array_of(m: Map) -> Any:
    return m.operand if isinstance(m, Contract) else m.weight if isinstance(m, Scale) else None


def _product(edge: Edge) -> bool:
    """Whether the weight of an edge is the data of another operand."""
    return edge.node.op is not None and (edge.node.op.name == "mul" or any(isinstance(m, Contract) for m in edge.chain))


@dataclass(frozen=True)
class _Constant:
    """A cotangent that is there whatever is pulled back."""

    cotangent: Any

    def pull(self, g: Any, semiring: Semiring) -> Any:
        return self.cotangent

    def push(self, t: Any, semiring: Semiring) -> Any:
        return t

    def edges(self, index: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], float]]:
        yield index, 1.0


def _of_another(other: Value, cotangent: Any) -> Kind:
    """The cotangent of another Value of the same shape pulled through one edge."""
    text = f"what {{node}} passes to {{operand}} is made of the cotangent of {called(other, False)}, not of its own"

    def suits(edges: Sequence[Edge]) -> bool:
        node = edges[0].node
        return len(edges) == 1 and node is not other and node.shape == other.shape and bool(edges[0].chain)

    return Kind(text, lambda edge: (_Constant(cotangent), *edge.chain), suits)


def _taken_at(graph: Graph) -> Iterator[Kind]:
    """The derivative of one elementwise op taken at an operand of its operand: at z, and not at z + ε."""
    for node, edges in graph.items():
        rule = node.op.expressions(len(node.operands)) if node.op is not None else None
        if rule is None or node.op is None or not edges:
            continue
        edge = edges[0]
        for at in edge.operand.parents:
            derivative = rule.derivatives[edge.position] if edge.position < len(rule.derivatives) else None
            if derivative is None or at.shape != edge.operand.shape or not at.requires_grad:
                continue

            def weight(edge: Edge, at: Value = at, rule: Rule = rule, derivative: str = derivative) -> Any:
                data = [np.asarray(x.data if isinstance(x, Value) else x, float) for x in edge.node.operands]
                data[edge.position] = np.asarray(at.data, float)
                op = edge.node.op
                assert op is not None
                return compiled(rule, array_source(derivative), LOCAL_FUNCTIONS)(*data, np.asarray(op.forward(*data)))

            def suits(edges: Sequence[Edge], node: Value = node, position: int = edge.position) -> bool:
                only = edges[0]
                scaled = any(isinstance(m, Scale) for m in only.chain)
                return len(edges) == 1 and only.node is node and only.position == position and scaled

            text = f"the derivative of {{node}} with respect to {{operand}} is taken at {called(at, False)}"
            yield Kind(text, _with_weight(weight), suits)


_OTHERS_AT_MOST = 24


def kinds(graph: Graph, right: Mapping[Value, Any]) -> list[Kind]:
    """All kinds of slips of an edge but constant factors, in the order of their likelihood.

    ``right`` are the right gradients.
    """
    named = dict.fromkeys(value for node in graph for value in (node, *node.parents) if value.name and value.shape)
    others = list(named)[:_OTHERS_AT_MOST]
    return [
        Kind("the factor of {node} with respect to {operand} is missing", _to_the(0), _weighted),
        Kind("the matrix between {node} and {operand} is transposed", _with_transposed_matrices, _square),
        Kind("the factor of {node} with respect to {operand} is there twice", _to_the(2), _weighted),
        *_activations(),
        *_powers(),
        *_taken_at(graph),
        *map(_replaced, others),
        *(_of_another(other, right[other]) for other in others if other in right),
    ]


# ---- slips of more than a weight


@dataclass(frozen=True)
class _LastOfEach:
    """The adjoint of a gather as an assignment makes it: the last of repeated indices stays."""

    gather: Gather

    def pull(self, g: Any, semiring: Semiring) -> Any:
        flat = np.zeros(int(np.prod(self.gather.in_shape)))
        there = self.gather.source >= 0
        flat[self.gather.source[there]] = np.reshape(g, -1)[there]
        return flat.reshape(self.gather.in_shape)

    def push(self, t: Any, semiring: Semiring) -> Any:
        return self.gather.push(t, semiring)

    def edges(self, index: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], float]]:
        return self.gather.edges(index)


def repeated_indices(graph: Graph) -> Iterator[tuple[Value, str, Graph]]:
    """For each read at repeated indices: their gradients assigned instead of added.

    Each comes with the node that reads, a text, and the edges as the slip changes them.
    """
    for node, edges in graph.items():
        for k, edge in enumerate(edges):
            for at, m in enumerate(edge.chain):
                if not isinstance(m, Gather):
                    continue
                source = m.source[m.source >= 0]
                if len(np.unique(source)) == len(source):
                    continue
                chain = (*edge.chain[:at], _LastOfEach(m), *edge.chain[at + 1 :])
                name = called(edge.operand, False)
                text = (
                    f"of the elements of {name} that {called(node, False)} reads more than once only the last counts: "
                    "'d[i] += …' and 'd[i] = …' do not add up at repeated indices, np.add.at does"
                )
                changed: Graph = {node: [*edges[:k], edge._replace(chain=chain), *edges[k + 1 :]]}
                yield node, text, changed
                kept = np.ones(edge.operand.size)
                kept[source] = 0.0
                mask = Scale(kept.reshape(edge.operand.shape), edge.operand.ndim)
                for other, into in graph.items():
                    if other is not node and any(reads.operand is edge.operand for reads in into):
                        changed[other] = [
                            reads._replace(chain=(*reads.chain, mask)) if reads.operand is edge.operand else reads
                            for reads in into
                        ]
                if len(changed) > 1:
                    text = (
                        f"what {called(node, False)} passes to {name} is assigned: 'd[i] = …' drops what is there "
                        "already, and all but the last of repeated indices; np.add.at adds"
                    )
                    yield node, text, changed


def assigned_terms(graph: Graph) -> Iterator[tuple[Value, str, Graph]]:
    """For each Value with three readers or more: of its sum over paths only one term, assigned instead of added."""
    into: dict[Value, list[Edge]] = {}
    for edges in graph.values():
        for edge in edges:
            into.setdefault(edge.operand, []).append(edge)
    for operand, terms in into.items():
        for kept in terms if len(terms) > 2 else ():
            dropped = Group([term for term in terms if term is not kept], False)
            name = called(operand, False)
            text = (
                f"of the sum over paths at {name} only the term of {called(kept.node, False)} is there: is it assigned "
                "('=') where it should be added ('+=')?"
            )
            yield kept.node, text, dropped.changed(graph, times(0.0))


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
