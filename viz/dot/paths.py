"""The records of a gradient's paths as DOT: arrows as wide as their share, and the largest paths in colour."""

from __future__ import annotations

import graphviz

from ..records.numbers import number, percent
from ..records.paths import PathEdge, PathNode, PathScene
from .colours import CHOSEN, INK, NEGATIVE, OP, PATH, POSITIVE, TOP, WHITE
from .digraphs import (
    Direction,
    add_edge,
    add_node,
    arrow_size,
    edge_label,
    effort,
    flow_stroke,
    new_digraph,
    share_width,
    sign_label,
    tip,
)
from .escape import escape_label, visible
from .metrics import text_width

__all__ = ["paths_digraph"]


STRIPE = 2.0
"""The width, in points, of each of the parallel lines that Graphviz draws for a list of colours."""

OTHERS = "#b5b5b5"


def paths_digraph(scene: PathScene, direction: Direction = "LR") -> graphviz.Digraph:
    """The records of paths as DOT.

    >>> import tinygrad_lite as tg
    >>> from viz.records.paths import paths_records
    >>> x = tg.Value(3.0, name="x")
    >>> "3 paths from the end to x" in paths_digraph(paths_records(tg.gradient_paths(x * x + x, x))).source
    True
    """
    joins = [(edge.tail, edge.head) for edge in reversed(scene.edges)]
    digraph = new_digraph(_caption(scene), rankdir=direction, ranksep="0.35", nodesep="0.2", **effort(joins))
    for node in scene.nodes:
        _write_node(digraph, node)
    largest = max((edge.share for edge in scene.edges), default=0.0)
    for edge in scene.edges:
        _write_edge(digraph, edge, scene, largest, direction)
    if scene.top:
        _write_ranking(digraph, scene, direction)
    return digraph


def _caption(scene: PathScene) -> str:
    paths = "1 path" if scene.count == 1 else f"{scene.count:,} paths"
    facts = f"total {number(scene.total)}"
    if not scene.magnitude:
        facts += ", nothing flows"
    elif scene.count > 1:
        facts += f", cancellation {percent(scene.cancellation)}"
    ends = f"from {visible(scene.end, 40)} to {visible(scene.wrt, 40)}"
    meaning = "arrows: local derivatives; width: √ share of |gradient|"
    if any(edge.total < 0 for edge in scene.edges):
        meaning += "; dashed: subtracts"
    return f"{paths} {ends}: {facts}\n{meaning}"


def _write_node(digraph: graphviz.Digraph, node: PathNode) -> None:
    colour = {"wrt": CHOSEN, "end": PATH, "between": INK}[node.kind]
    name = escape_label(node.name) or sign_label(node.sign) or "·"
    note = tip(node.name or node.sign, f"value {node.data}", f"{percent(node.share)} of |gradient|")
    looks = {
        "color": colour if node.name or node.kind != "between" else OP,
        "fontcolor": colour if node.kind == "wrt" else INK,
        "penwidth": "2" if node.kind != "between" else "1",
        "fillcolor": WHITE if node.name else OP,
    }
    looks |= {"shape": "box", "style": "rounded,filled", "margin": "0.08,0.04", "width": "0.3", "height": "0.3"}
    add_node(digraph, node.id, f"value {node.kind}", rf"{name}\n{escape_label(node.data)}", note, **looks)


def _write_edge(
    digraph: graphviz.Digraph, edge: PathEdge, scene: PathScene, largest: float, direction: Direction
) -> None:
    expression = " = ".join(part for part in (edge.formula, "" if edge.local is None else repr(edge.local)) if part)
    note = tip(
        f"local derivative {expression or edge.text}",
        f"{percent(edge.share)} of |gradient|, together {number(edge.total)}",
        *(f"path {rank + 1}: {number(scene.top[rank].contribution)}" for rank in edge.ranks),
    )
    looks = flow_stroke(OTHERS if scene.top else PATH, edge.share, edge.total, largest)
    stripes = _stripes(edge, scene, largest)
    width = float(looks["penwidth"])
    if len(stripes) > 1:
        width = STRIPE * len(stripes)
        looks |= {"penwidth": f"{STRIPE}", "arrowsize": arrow_size(width)}
    if stripes:
        looks["color"] = ":".join(stripes)
    below = percent(edge.share) if edge.marked else ""
    looks |= {"label": edge_label(edge.text, width, below, direction), "labeltooltip": note}
    kind = " ".join(["path", *(f"rank-{rank + 1}" for rank in edge.ranks)])
    add_edge(digraph, (edge.tail, edge.head), edge.id, kind, note, **looks)


def _stripes(edge: PathEdge, scene: PathScene, largest: float) -> list[str]:
    """The colours of an arrow: one for a ranked path alone, else of parallel lines, by the share of each path.

    The paths without a rank are grey; an arrow of only those has no colours.
    """
    shares = [(TOP[rank % len(TOP)], scene.top[rank].share) for rank in edge.ranks]
    rest = edge.share - sum(share for _, share in shares)
    if shares and rest > 1e-9 * max(edge.share, 1e-300):
        shares.append((OTHERS, rest))
    if len(shares) == 1:
        return [shares[0][0]]
    widths = [(colour, share_width(share, largest)) for colour, share in shares]
    return [colour for colour, width in widths for _ in range(max(1, round(width / STRIPE)))]


def _write_ranking(digraph: graphviz.Digraph, scene: PathScene, direction: Direction) -> None:
    """The list of the largest paths, each in its colour, and the sum of all others."""
    rows = []
    for k, path in enumerate(scene.top):
        text = f"{k + 1}: {number(path.contribution)}  ({percent(path.share)})"
        rows.append((text, path.contribution, TOP[k % len(TOP)], path.text))
    others = scene.count - len(scene.top)
    if others:
        text = f"{others:,} other{'s' if others > 1 else ''}: {number(scene.rest)}"
        rows.append((text, scene.rest, OTHERS, "the remaining paths"))
    largest = max(abs(amount) for _, amount, _, _ in rows)
    width = max(text_width(text, 10.0) for text, _, _, _ in rows) / 72 + 0.3
    ordered = reversed([*enumerate(rows)]) if direction == "LR" else enumerate(rows)  # columns fill from below
    with digraph.subgraph(graph_attr={"rank": "same"}) as legend:
        for k, (text, amount, colour, full) in ordered:
            looks = {"color": colour, "penwidth": "2", "fontsize": "10", "height": "0.22", "margin": "0.06,0.02"}
            looks |= {"width": f"{width:.2f}"} | _bar(amount / largest if largest else 0.0)
            add_node(legend, f"top{k + 1}", "legend", escape_label(text), tip(full), shape="box", **looks)


def _bar(part: float) -> dict[str, str]:
    """A bar from the middle of a box, of this part of half the box: to the left below 0, to the right above."""
    size = abs(part) / 2
    if not size > 5e-4:  # NaN too
        return {}
    colour, before, after = (NEGATIVE[2], 0.5 - size, 0.5) if part < 0 else (POSITIVE[2], 0.5, 0.5 - size)
    stripes = [(WHITE, before), (colour, size), (WHITE, after)]
    return {"style": "striped", "fillcolor": ":".join(f"{c};{width:.4f}" for c, width in stripes if width > 0)}
