"""The records of a computation graph as DOT: boxes, circles, frames, labelled arrows and the legend of the fills."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

import graphviz

from ..records.graph import BoxNode, GraphScene, LocalEdge, OpNode, ValueNode
from ..records.numbers import number, shape_text
from .colours import CONSTANT, INK, MIXED, NEGATIVE, OP, POSITIVE, WHITE, shade
from .digraphs import Direction, add_edge, add_node, edge_label, effort, new_digraph, new_frame, sign_label, tip
from .escape import escape_label

__all__ = ["graph_digraph"]

DEEPEST = 12
"""Levels of frames that are indented: the margins of thousands would be longer than the text."""


def graph_digraph(scene: GraphScene, direction: Direction = "LR") -> graphviz.Digraph:
    """The records of a graph as DOT.

    >>> from tinygrad_lite import Value
    >>> from viz.records.graph import graph_records
    >>> x = Value(3.0, name="x")
    >>> "v0 -> o1" in graph_digraph(graph_records(x * x)).source
    True
    """
    ranksep, nodesep = ("0.3", "0.12") if direction == "LR" else ("0.35", "0.25")
    into = defaultdict(list)
    for edge in scene.edges:
        into[edge.op].append((edge.value, edge.op))
    joins = [join for op in scene.ops for join in (*into[op.id], (op.id, op.value))]
    joins += [join for box in scene.boxes for join in (*into[box.id], *((box.id, value) for value in box.values))]
    digraph = new_digraph(scene.note, rankdir=direction, ranksep=ranksep, nodesep=nodesep, **effort(joins))
    places = {frame.id: new_frame(frame.id, frame.label) for frame in scene.frames} | {"": digraph}

    def place(id: str) -> graphviz.Digraph:
        return places[scene.framed.get(id, "")]

    for value in scene.values:
        _write_value(place(value.id), value, scene.scale, direction)
    for op in scene.ops:
        _write_op(place(op.id), op)
    for box in scene.boxes:
        _write_box(place(box.id), box)
    _write_frames(digraph, scene, places)
    for op in scene.ops:
        _write_join(digraph, op.id, op.value)
    for box in scene.boxes:
        for made in box.values:
            _write_join(digraph, box.id, made)
    room = _room(scene)
    for edge in scene.edges:
        _write_edge(digraph, edge, room.get(edge.op, "1"))
    if scene.scale:
        _write_legend(digraph, scene)
    return digraph


def _write_frames(digraph: graphviz.Digraph, scene: GraphScene, places: Mapping[str, graphviz.Digraph]) -> None:
    """Every frame with what stands in it, each line once: ``subgraph`` would copy and indent it at every level."""
    inside = defaultdict(list)
    for frame in reversed(scene.frames):
        inside[frame.parent].append(frame.id)
    waiting: list[tuple[str, int, str]] = [(id, 1, "") for id in reversed(inside[""])]
    while waiting:
        id, depth, end = waiting.pop()
        margin = "\t" * min(depth, DEEPEST)
        if end:
            digraph.body.append(margin + end)
            continue
        *lines, last = places[id].__iter__(subgraph=True)
        digraph.body += [margin + line for line in lines]
        waiting.append((id, depth, last))
        waiting += [(child, depth + 1, "") for child in reversed(inside[id])]


def _write_op(digraph: graphviz.Digraph, op: OpNode) -> None:
    looks = {"fillcolor": OP, "color": OP, "fontsize": "12", "width": "0.3", "height": "0.3", "margin": "0.03"}
    shape = "circle" if len(op.sign) <= 2 else "ellipse"
    add_node(digraph, op.id, "op", sign_label(op.sign), tip(op.name), shape=shape, **looks)


def _write_box(digraph: graphviz.Digraph, box: BoxNode) -> None:
    ops = f"{box.ops:,} op{'s' if box.ops != 1 else ''}"
    label, note = rf"{escape_label(box.label)}\n{ops}", tip(box.label, f"{ops}, drawn as one box")
    add_node(digraph, box.id, "box", label, note, shape="box3d", fillcolor=OP, margin="0.15,0.08")


def _write_join(digraph: graphviz.Digraph, op: str, value: str) -> None:
    digraph.edge(op, value, id=f"{op}-{value}", arrowhead="none", weight="8", penwidth="1.5", tooltip=" ")


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
    looks = {"shape": "record" if value.leaf else "Mrecord", "color": "#bbbbbb" if constant else ink}
    if value.elements and scale:  # a box of stripes, one for each element, has no fields
        lines = value.name, f"{shape_text(value.shape)}: {value.data}", f"grad {value.grad}"
        label = r"\n".join(escape_label(line) for line in lines if line)
        fill = ":".join(shade(g, g, scale) for g in value.elements)
        looks = {"shape": "box", "style": "striped", "penwidth": "0.6", "color": "#8a8a8a"}
    note = tip(
        value.name or f"nameless {value.kind}",
        f"shape {shape_text(value.shape)}" if value.shape else "",
        f"value {value.data}",
        f"gradient {value.grad}" if value.grad else "a constant: no gradient",
    )
    looks |= {"fillcolor": fill, "fontcolor": ink, "height": "0.28", "margin": "0.11,0.03"}
    add_node(digraph, value.id, f"value {value.kind}", label, note, **looks)


def _room(scene: GraphScene) -> dict[str, str]:
    """The number of ranks that arrows into each op cross: more where many fans cross, to keep labels apart."""
    operands = Counter(edge.op for edge in scene.edges if edge.live)
    fanned = sum(count for count in operands.values() if count > 2)
    wide = str(min(4, 1 + fanned // 40))
    return {op.id: wide if operands[op.id] > 2 else "1" for op in scene.ops}


def _write_edge(digraph: graphviz.Digraph, edge: LocalEdge, ranks: str) -> None:
    ends = edge.value, edge.op
    if not edge.live:
        note = tip("no gradient flows back here")
        add_edge(digraph, ends, edge.id, "edge constant", note, style="dotted", color="#aaaaaa")
        return
    looks = {"label": edge_label(edge.text), "color": "#555555", "minlen": ranks, "labeltooltip": _local_tip(edge)}
    add_edge(digraph, ends, edge.id, "edge local", _local_tip(edge), **looks)


def _local_tip(edge: LocalEdge) -> str:
    value = "" if edge.local is None else repr(edge.local)
    return tip(f"local derivative {' = '.join(part for part in (edge.formula, value) if part) or edge.text}")


def _write_legend(digraph: graphviz.Digraph, scene: GraphScene) -> None:
    """The meaning of the fills as a bar of stripes; a second box, if an array has elements of both signs."""
    top, space = number(scene.scale), "&#160;" * 5
    looks = {"color": "#bbbbbb", "fontsize": "10", "height": "0.22", "width": "0", "margin": "0.06,0.02"}
    note = tip(f"the gradient: strong from {number(scene.scale / 10)}, medium from {number(scene.scale / 100)}")
    stripes = {"style": "striped", "fillcolor": ":".join([*reversed(NEGATIVE), WHITE, *POSITIVE])}
    label = f"-{top}{space}gradient{space}+{top}"
    add_node(digraph, "legend", "legend", label, note, shape="box", **stripes, **looks)
    whole = [(value.low, value.high) for value in scene.values if not value.elements]
    if any(low is not None and high is not None and low < 0 < high for low, high in whole):
        note, looks["fillcolor"] = tip("its fill shows the size of its largest element"), MIXED[2]
        add_node(digraph, "legend-mixed", "legend", "an array of both signs", note, shape="box", **looks)
