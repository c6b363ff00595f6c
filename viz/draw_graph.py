"""The computation graph as a picture: every value, every op, and the local derivative on every arrow.

In two steps: ``graph_records`` takes the numbers out of the engine as plain records, ``graph_digraph`` writes those as
DOT. Nothing recurses over the graph.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Literal

import graphviz
import numpy as np

from tinygrad_lite.errors import ValueTypeError
from tinygrad_lite.sweeping import ancestors, chains
from tinygrad_lite.value import Value
from viz.colours import CONSTANT, INK, MIXED, NEGATIVE, OP, POSITIVE, WHITE, shade
from viz.digraphs import Direction, check_direction, check_size, edge_label, effort, new_digraph, sign_label, tip
from viz.drawing import Drawing
from viz.escape import escape_label
from viz.formulas import local_derivative
from viz.numbers import extent, number, shape_text, summary

__all__ = ["GraphScene", "LocalEdge", "OpNode", "ValueNode", "graph", "graph_digraph", "graph_records"]

LIMIT = 2_000
"""Nodes that are drawn, ops among them. As many, in layers, are 4.5 m wide on paper."""


@dataclass(frozen=True, slots=True)
class ValueNode:
    """A value of the graph. A constant, to which no gradient flows, may be a leaf or computed from constants.

    ``data`` and ``grad`` are what it shows of them; ``grad`` is "–" before a backward pass and empty for a constant.
    ``low`` and ``high`` bound the gradient's elements, ``None`` where there is no gradient.
    """

    id: str
    name: str
    shape: tuple[int, ...]
    data: str
    grad: str
    kind: Literal["leaf", "result", "constant"]
    leaf: bool
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class OpNode:
    """An op, and the id of the value that it makes."""

    id: str
    name: str
    sign: str
    value: str


@dataclass(frozen=True, slots=True)
class LocalEdge:
    """An arrow from a value to an op that reads it.

    ``local`` is the local derivative where it is one number, ``text`` what the arrow shows, ``formula`` the expression
    behind it. All are empty where no gradient flows back: into a constant, or where the op has no derivative.
    """

    id: str
    value: str
    op: str
    position: int
    text: str
    formula: str
    local: float | None
    live: bool


@dataclass(frozen=True, slots=True)
class GraphScene:
    """Everything that the picture of a graph shows; ``values`` and ``ops`` each after what they read.

    ``scale`` is the largest size of a gradient among the leaves (among all values, if no leaf has one), 0 if none has.
    """

    values: tuple[ValueNode, ...]
    ops: tuple[OpNode, ...]
    edges: tuple[LocalEdge, ...]
    scale: float


def graph(value: Value, *, direction: Direction = "LR", limit: int = LIMIT) -> Drawing:
    """Draw the computation graph of a value.

    Values are boxes, with square corners the leaves and with round ones the results; each with its name, its number (of
    an array the shape and the extent) and its gradient, "–" until a backward pass has been. Ops are circles. On every
    arrow from a value to an op stands the local derivative, and an operand that is used twice has two arrows. The fill
    shows the sign and the size of the gradient. Constants are pale, their arrows dotted.

    Args:
        value: the end of the graph.
        direction: "LR", from left to right, or "TB", top down.
        limit: how many nodes are drawn at most.

    Raises:
        DrawingTooLargeError: more nodes than the limit.
        FormatError: another direction.
        GraphError: the graph was freed.

    >>> x = Value(3.0, name="x")
    >>> graph(x * x + x)
    <Drawing: 5 nodes, 6 edges; .save("picture.svg") writes it>
    """
    check_direction("graph", direction)
    return Drawing(graph_digraph(graph_records(value, limit=limit), direction))


def graph_records(value: Value, *, limit: int = LIMIT) -> GraphScene:
    """The records of the picture.

    >>> x = Value(3.0, name="x")
    >>> scene = graph_records(x * x)
    >>> [(edge.value, edge.op, edge.local) for edge in scene.edges]
    [('v0', 'o1', 3.0), ('v0', 'o1', 3.0)]
    """
    if not isinstance(value, Value):
        raise ValueTypeError(f"graph: draws the graph of a Value, got {type(value).__name__}; pass a loss, for example")
    order = ancestors(value)
    count = sum(1 if node.is_leaf else 2 for node in order)
    check_size(
        "graph",
        "this graph",
        count,
        limit,
        "draw one sample, or what lies before one value with viz.paths(end, value), or pass a larger limit=",
    )
    numbers = {node: k for k, node in enumerate(order)}
    ops: list[OpNode] = []
    edges: list[LocalEdge] = []
    for node, k in numbers.items():
        if node.op is None:
            continue
        ops.append(OpNode(f"o{k}", node.op.name, node.op.sign, f"v{k}"))
        with np.errstate(all="ignore"):  # a local derivative may overflow, as it may in a sweep
            live = {position: (operand, chain) for position, operand, chain in chains(node)}
            for position, parent in enumerate(node.parents):
                ends = f"e{len(edges)}", f"v{numbers[parent]}", f"o{k}", position
                if position in live:
                    local = local_derivative(node, position, *live[position])
                    edges.append(LocalEdge(*ends, local.text, local.formula, local.value, True))
                else:
                    edges.append(LocalEdge(*ends, "", "", None, False))
    values = tuple(_value_node(node, f"v{k}") for node, k in numbers.items())
    return GraphScene(values, tuple(ops), tuple(edges), _scale(values))


def _value_node(node: Value, id: str) -> ValueNode:
    kind: Literal["leaf", "result", "constant"] = "leaf" if node.is_leaf else "result"
    if not node.requires_grad:
        kind = "constant"
    grad = "" if not node.requires_grad else summary(node.grad) if node.has_grad else "–"
    low, high = extent(node.grad) if node.has_grad else (None, None)
    return ValueNode(id, node.name or "", node.shape, summary(node.data), grad, kind, node.is_leaf, low, high)


def _scale(values: tuple[ValueNode, ...]) -> float:
    """The end's own gradient is 1 and would make all others look small: leaves are compared with leaves."""
    sizes: dict[bool, list[float]] = {True: [], False: []}
    for value in values:
        if value.low is not None and value.high is not None:
            sizes[value.leaf].append(max(abs(value.low), abs(value.high)))
    return max((size for size in sizes[True] or sizes[False] if np.isfinite(size)), default=0.0)


# ---- records to DOT --------------------------------------------------------------------------------------------------


def graph_digraph(scene: GraphScene, direction: Direction = "LR") -> graphviz.Digraph:
    """The records as DOT."""
    ranksep, nodesep = ("0.3", "0.12") if direction == "LR" else ("0.35", "0.25")
    into = defaultdict(list)
    for edge in scene.edges:
        into[edge.op].append((edge.value, edge.op))
    joins = [join for op in scene.ops for join in (*into[op.id], (op.id, op.value))]
    digraph = new_digraph(rankdir=direction, ranksep=ranksep, nodesep=nodesep, **effort(joins))
    for value in scene.values:
        _write_value(digraph, value, scene.scale, direction)
    for op in scene.ops:
        digraph.node(
            op.id,
            label=sign_label(op.sign),
            shape="circle" if len(op.sign) <= 2 else "ellipse",
            id=op.id,
            **{"class": "op"},
            tooltip=tip(op.name),
            fillcolor=OP,
            color=OP,
            fontsize="12",
            width="0.3",
            height="0.3",
            margin="0.03",
        )
        join = f"{op.id}-{op.value}"
        digraph.edge(op.id, op.value, id=join, arrowhead="none", weight="8", penwidth="1.5", tooltip=" ")
    room = _room(scene)
    for edge in scene.edges:
        _write_edge(digraph, edge, room[edge.op])
    if scene.scale:
        _write_legend(digraph, scene)
    return digraph


def _write_value(digraph: graphviz.Digraph, value: ValueNode, scale: float, direction: Direction) -> None:
    constant = value.kind == "constant"
    name, shape, data = escape_label(value.name), shape_text(value.shape), escape_label(value.data)
    rows = [[name, shape], [data]] if value.shape else [[name, data]]
    if not constant:
        rows.append([f"grad {escape_label(value.grad)}"])
    fields = ["|".join(field for field in row if field) for row in rows]
    label = "|".join(f"{{{field}}}" for field in fields)
    if direction == "TB":  # braces turn the direction in which fields follow, which starts along the ranks
        label = f"{{{label}}}"
    fill = WHITE if value.low is None or value.high is None else shade(value.low, value.high, scale)
    ink = CONSTANT if constant else INK
    digraph.node(
        value.id,
        label=label,
        shape="record" if value.leaf else "Mrecord",
        id=value.id,
        **{"class": f"value {value.kind}"},
        tooltip=tip(
            value.name or f"nameless {value.kind}",
            f"shape {shape_text(value.shape)}" if value.shape else "",
            f"value {value.data}",
            f"gradient {value.grad}" if value.grad else "a constant: no gradient",
        ),
        fillcolor=fill,
        color=ink if not constant else "#bbbbbb",
        fontcolor=ink,
        height="0.28",
        margin="0.11,0.03",
    )


def _room(scene: GraphScene) -> dict[str, str]:
    """How many ranks the arrows into each op cross: more where many fans cross, so that labels stay apart."""
    operands = Counter(edge.op for edge in scene.edges if edge.live)
    fanned = sum(count for count in operands.values() if count > 2)
    wide = str(min(4, 1 + fanned // 40))
    return {op.id: wide if operands[op.id] > 2 else "1" for op in scene.ops}


def _write_edge(digraph: graphviz.Digraph, edge: LocalEdge, ranks: str) -> None:
    if not edge.live:
        digraph.edge(
            edge.value,
            edge.op,
            id=edge.id,
            **{"class": "edge constant"},
            style="dotted",
            color="#aaaaaa",
            tooltip=tip("no gradient flows back here"),
        )
        return
    digraph.edge(
        edge.value,
        edge.op,
        label=edge_label(edge.text),
        id=edge.id,
        **{"class": "edge local"},
        color="#555555",
        minlen=ranks,
        labeltooltip=_local_tip(edge),
        tooltip=_local_tip(edge),
    )


def _local_tip(edge: LocalEdge) -> str:
    value = "" if edge.local is None else repr(edge.local)
    return tip(f"local derivative {' = '.join(part for part in (edge.formula, value) if part) or edge.text}")


def _write_legend(digraph: graphviz.Digraph, scene: GraphScene) -> None:
    """One bar of stripes: what the fills mean. Another box, if there is an array with both signs in it."""
    top, space = number(scene.scale), "&#160;" * 5
    shared = {"shape": "box", "class": "legend", "color": "#bbbbbb", "fontsize": "10", "height": "0.22", "width": "0"}
    digraph.node(
        "legend",
        label=f"-{top}{space}gradient{space}+{top}",
        id="legend",
        style="striped",
        fillcolor=":".join([*reversed(NEGATIVE), WHITE, *POSITIVE]),
        tooltip=tip(f"the gradient: strong from {number(scene.scale / 10)}, medium from {number(scene.scale / 100)}"),
        margin="0.06,0.02",
        **shared,
    )
    if any(value.low is not None and value.high is not None and value.low < 0 < value.high for value in scene.values):
        digraph.node(
            "legend-mixed",
            label="an array of both signs",
            id="legend-mixed",
            fillcolor=MIXED[2],
            tooltip=tip("its fill shows the size of its largest element"),
            margin="0.06,0.02",
            **shared,
        )
