"""The parts that all pictures share as DOT: fonts, margins, labels, tooltips, widths of lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import graphviz

from ..errors import FormatError
from .colours import FAINT, INK, WHITE
from .escape import escape_label, escape_tooltip

__all__ = [
    "DIRECTIONS",
    "Direction",
    "add_edge",
    "add_node",
    "FONT",
    "arrow_size",
    "check_direction",
    "edge_label",
    "effort",
    "flow_stroke",
    "new_digraph",
    "new_frame",
    "share_width",
    "sign_label",
    "stroke",
    "tip",
]


Direction = Literal["LR", "TB"]
DIRECTIONS = ("LR", "TB")
FONT = "Helvetica"


def new_digraph(caption: str = "", **attributes: Any) -> graphviz.Digraph:
    """An empty digraph in the project's style; ``caption`` is plain text below it.

    >>> "Helvetica" in new_digraph("8 paths", rankdir="LR").source
    True
    """
    graph = {"bgcolor": WHITE, "charset": "UTF-8", "fontcolor": FAINT, "fontname": FONT, "fontsize": "11"}
    graph |= {"outputorder": "edgesfirst", "pad": "0.2", "tooltip": " "}
    graph |= {name: str(value) for name, value in attributes.items()}
    if caption:
        graph["label"] = escape_label(caption, limit=None)
    font = {"fontname": FONT, "fontcolor": INK}
    return graphviz.Digraph(
        graph_attr=graph,
        node_attr=font | {"color": INK, "fontsize": "11", "style": "filled", "fillcolor": WHITE},
        edge_attr=font | {"color": FAINT, "fontsize": "9", "arrowsize": "0.6"},
    )


def add_node(digraph: graphviz.Digraph, id: str, kind: str, label: str, note: str, **looks: str) -> None:
    """Add a node that a page finds by its id, and by the classes in ``kind``; ``note`` is its tooltip.

    >>> digraph = new_digraph()
    >>> add_node(digraph, "v0", "value leaf", "x", "3.0", shape="box")
    >>> print(digraph.body[-1].strip())
    v0 [label=x class="value leaf" id=v0 shape=box tooltip=3.0]
    """
    digraph.node(id, label, id=id, tooltip=note, **looks, **{"class": kind})


def add_edge(digraph: graphviz.Digraph, ends: tuple[str, str], id: str, kind: str, note: str, **looks: str) -> None:
    """Add an edge between two ids, tail first; the rest is as for ``add_node``."""
    digraph.edge(*ends, id=id, tooltip=note, **looks, **{"class": kind})


def new_frame(id: str, label: str) -> graphviz.Digraph:
    """An empty frame with a plain text as its heading; a digraph takes it as a subgraph once it is full."""
    looks = {"labeljust": "l", "color": "#c8c8c8", "style": "rounded", "margin": "10", "class": "module"}
    return graphviz.Digraph(name=id, graph_attr=looks | {"id": id, "label": escape_label(label), "tooltip": tip(label)})


def tip(*lines: str) -> str:
    r"""A tooltip of several lines; empty lines are left out.

    >>> tip("w200", "", "= 0.5")
    'w200\\n= 0.5'
    """
    return escape_tooltip("\n".join(line for line in lines if line))


def check_direction(who: str, direction: str) -> None:
    """Raise ``FormatError`` unless ``direction`` is one of ``DIRECTIONS``; ``who`` is the function that got it."""
    if direction not in DIRECTIONS:
        raise FormatError(f'{who}: direction is "LR" (left to right) or "TB" (top down), got {direction!r}')


def stroke(colour: str, width: float, style: str = "solid") -> dict[str, str]:
    """The attributes of an arrow's line, its width in points."""
    return {"color": colour, "penwidth": f"{width:.3f}", "style": style, "arrowsize": arrow_size(width)}


def share_width(share: float, largest: float) -> float:
    """The width, in points, of a line that carries this share of |gradient|; the ``largest`` in the picture takes 6.

    It goes with the square root, so that lines of 1 % and of 4 % are told apart.

    >>> share_width(0.5, 0.5), round(share_width(0.02, 0.5), 2), share_width(0.0, 0.5)
    (6.0, 1.68, 0.6)
    """
    return 0.6 + 5.4 * math.sqrt(min(1.0, share / largest) if largest else 0.0)


def flow_stroke(colour: str, share: float, total: float, largest: float) -> dict[str, str]:
    """The attributes of a line through which a share of |gradient| runs: dashed where the paths through it subtract.

    ``total`` is the sum of their contributions. A line through which nothing runs is dotted.

    >>> [flow_stroke("#0072b2", 0.5, total, 0.5)["style"] for total in (2.0, -2.0)]
    ['solid', 'dashed']
    """
    return stroke(colour, share_width(share, largest), "dotted" if not share else "dashed" if total < 0 else "solid")


def arrow_size(width: float) -> str:
    """The ``arrowsize`` for a line of this width, in points; Graphviz already enlarges the head with the width.

    >>> arrow_size(1.0)
    '0.54'
    """
    return f"{0.55 - 0.01 * width:.2f}"


LONG = 800
"""The largest number of ranks that all edges together may cross: 1,600 take 5 s to lay out, 3,200 over a minute."""


def effort(joins: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Attributes for a fast layout of a deep graph with long edges (from a value that many layers read); else none.

    ``joins`` are pairs (tail, head); joins into a node stand before joins out of it. Straight edges and few rounds of
    the simplex method take a fiftieth of the time, and look worse.

    >>> effort([("a", "b"), ("b", "c")])
    {}
    """
    depth: dict[str, int] = {}
    first: dict[str, int] = {}
    for tail, head in joins:
        depth[head] = max(depth.get(head, 0), depth.get(tail, 0) + 1)
    for tail, head in joins:
        first[tail] = min(first.get(tail, depth[head]), depth[head])
    long = sum(depth[head] - (depth.get(tail) or first[tail] - 1) - 1 for tail, head in joins)
    return {"nslimit": "1", "splines": "line"} if long > LONG else {}


def edge_label(text: str, width: float = 1.0, below: str = "", direction: Direction = "LR") -> str:
    r"""The label of an arrow, with room at both ends, and room for the arrow if it is wide (``width`` in points).

    A text ``below`` is a second line. The label stands above an arrow to the right, and on the right of one downwards.

    >>> print(edge_label("0.25"), edge_label("0.25", 6.0), edge_label("0.25", 6.0, "24 %"))
     0.25   0.25 \n&#160;  0.25 \n 24 % \n&#160;
    >>> edge_label("0.25", 6.0, direction="TB")
    '&#160;&#160; 0.25 '
    """
    aside = "&#160;" * round(width / 4) if direction == "TB" else ""
    lines = [f"{aside} {escape_label(line, limit=28)} " for line in (text, below) if line]
    if direction == "LR" and width > 2.0:
        lines.append("&#160;")
    return r"\n".join(lines)


def sign_label(sign: str) -> str:
    """The sign of an op as a label; a superscript stands on an x.

    >>> sign_label("σ"), sign_label("²")
    ('σ', 'x²')
    """
    return escape_label(f"x{sign}" if sign in ("²", "ᵀ") else sign, limit=12)
