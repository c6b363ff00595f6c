"""The records of a gradient's paths as DOT: arrows as wide as their share, and the largest paths in colour."""

from __future__ import annotations

import graphviz

from ..records.numbers import number, percent
from ..records.paths import PathEdge, PathNode, PathScene
from .colours import CHOSEN, INK, OP, PATH, TOP, WHITE
from .digraphs import (
    Direction,
    add_edge,
    add_node,
    arrow_size,
    edge_label,
    effort,
    new_digraph,
    share_width,
    sign_label,
    stroke,
    tip,
)
from .escape import escape_label, visible

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
    for edge in scene.edges:
        _write_edge(digraph, edge, scene)
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
    return f"{paths} {ends}: {facts}\narrows: local derivatives; width: share of |gradient|"


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


def _write_edge(digraph: graphviz.Digraph, edge: PathEdge, scene: PathScene) -> None:
    expression = " = ".join(part for part in (edge.formula, "" if edge.local is None else repr(edge.local)) if part)
    note = tip(
        f"local derivative {expression or edge.text}",
        f"{percent(edge.share)} of |gradient|",
        *(f"path {rank + 1}: {number(scene.top[rank].contribution)}" for rank in edge.ranks),
    )
    if edge.ranks:
        stripes = _stripes(edge, scene)
        colour, width, whole = ":".join(stripes), STRIPE, STRIPE * len(stripes)
    else:
        colour, width = OTHERS if scene.top else PATH, share_width(edge.share)
        whole = width
    looks = stroke(colour, width, "solid" if edge.share else "dashed") | {"arrowsize": arrow_size(whole)}
    looks |= {"label": edge_label(edge.text, whole), "labeltooltip": note}
    kind = " ".join(["path", *(f"rank-{rank + 1}" for rank in edge.ranks)])
    add_edge(digraph, (edge.tail, edge.head), edge.id, kind, note, **looks)


def _stripes(edge: PathEdge, scene: PathScene) -> list[str]:
    """The colours of the parallel lines of an arrow: each ranked path has lines by its share, the others grey lines."""
    shares = [(TOP[rank % len(TOP)], scene.top[rank].share) for rank in edge.ranks]
    rest = edge.share - sum(share for _, share in shares)
    if rest > 1e-9 * max(edge.share, 1e-300):
        shares.append((OTHERS, rest))
    return [colour for colour, share in shares for _ in range(max(1, round(share_width(share) / STRIPE)))]


def _write_ranking(digraph: graphviz.Digraph, scene: PathScene, direction: Direction) -> None:
    """The list of the largest paths, each in its colour, and the sum of all others."""
    rows = [
        (f"{k + 1}: {number(path.contribution)}  ({percent(path.share)})", TOP[k % len(TOP)], path.text)
        for k, path in enumerate(scene.top)
    ]
    others = scene.count - len(scene.top)
    if others:
        rest = scene.total - sum(path.contribution for path in scene.top)
        rows.append((f"{others:,} other{'s' if others > 1 else ''}: {number(rest)}", OTHERS, "the remaining paths"))
    with digraph.subgraph(graph_attr={"rank": "same"}) as legend:
        for k, (text, colour, full) in sorted(enumerate(rows), reverse=direction == "LR"):  # columns fill from below
            looks = {"color": colour, "penwidth": "2", "fontsize": "10", "height": "0.22", "margin": "0.06,0.02"}
            add_node(legend, f"top{k + 1}", "legend", escape_label(text), tip(full), shape="box", **looks)
