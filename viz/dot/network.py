"""The records of a network as DOT: square inputs, round neurons, the chosen weight bold red and its paths bold blue.

``layered`` computes all positions; Graphviz moves nothing. Both tutorials draw networks this way.
"""

from __future__ import annotations

import math

import graphviz

from ..records.network import Bias, Connection, Cost, NetworkScene, Neuron, Omission
from ..records.numbers import number, percent
from .colours import CHOSEN, FAINT, INK, PATH, WHITE, line_colour
from .digraphs import arrow_size, new_digraph, share_width, tip
from .escape import escape_label, visible
from .layered import LABEL_FONT, Layout, lay_out, text_width

__all__ = ["network_digraph"]


NAMED = 150
"""The largest number of lines between two layers with names on all; above, only the chosen weight has its name."""

NAME = 40
"""The largest number of characters of a name in the picture; its tooltip has all."""

NOT_FINITE = "#d55e00"
"""The colour of a line for NaN or infinity; the line is dotted."""

BOLD = 2.0
"""The least width of a line on a path, in points: more than any other line has."""


def network_digraph(scene: NetworkScene) -> graphviz.Digraph:
    """The records of a network as DOT, every node pinned to its place.

    >>> from tinygrad_lite import nn
    >>> from viz.records.network import network_records
    >>> "w100" in network_digraph(network_records(nn.scalar.MLP(2, [1], rng=0))).source
    True
    """
    digraph = new_digraph(_caption(scene), layout="neato", inputscale="72", splines="line", fontsize="12")
    radius = max(16.0, *(text_width(neuron.name, 11) / 2 + 4 for neuron in scene.neurons))
    layout = _layout(scene, radius)
    for neuron in scene.neurons:
        _write_neuron(digraph, neuron, layout, radius)
    for omission in scene.omissions:
        _write_omission(digraph, omission, layout)
    for connection in sorted(scene.connections, key=lambda c: (c.chosen, c.paths > 0, c.share)):
        _write_connection(digraph, connection, layout, scene)
    for bias in scene.biases:
        _write_bias(digraph, bias, layout, scene, radius)
    if scene.cost is not None:
        _write_cost(digraph, scene, scene.cost, layout)
    _write_legend(digraph, scene, layout)
    return digraph


def _caption(scene: NetworkScene) -> str:
    if not scene.count or scene.cost is None:
        return ""
    paths = "1 path" if scene.count == 1 else f"{scene.count:,} paths"
    caption = (
        f"{paths} from {visible(scene.cost.name, NAME)} to {visible(scene.chosen, NAME)}: total {number(scene.total)}"
    )
    if not any(scene.cost.shares):
        caption += ", nothing flows"
    elif scene.count > 1:
        caption += f", cancellation {percent(scene.cancellation)}"
    if scene.outside > 0.005:
        caption += f"\na part of |gradient| ({percent(scene.outside)}) does not run from layer to layer as drawn here"
    return caption


def _layout(scene: NetworkScene, radius: float) -> Layout:
    columns: list[list[int | None]] = [[] for _ in scene.dims]
    for neuron in scene.neurons:
        column = columns[neuron.layer]
        before = column[-1] if column else neuron.index - 1
        if before is not None and neuron.index != before + 1 and None not in column:
            column.append(None)  # one mark for a layer, at its first gap
        column.append(neuron.index)
    names = {}
    for k in range(1, len(scene.dims)):
        lines = [c for c in scene.connections if c.layer == k]
        for c in lines:
            if len(lines) <= NAMED or c.chosen:
                names[k - 1, c.source, c.target] = c.name[:NAME]
    return lay_out(columns, names, radius)


def _pinned(position: tuple[float, float]) -> str:
    return f"{position[0]:.1f},{position[1]:.1f}!"


def _neuron_id(layer: int, index: int) -> str:
    return f"n-{layer}-{index}"


def _write_neuron(digraph: graphviz.Digraph, neuron: Neuron, layout: Layout, radius: float) -> None:
    side = f"{2 * radius / 72:.3f}"
    digraph.node(
        _neuron_id(neuron.layer, neuron.index),
        label=escape_label(neuron.name),
        pos=_pinned(layout.neurons[neuron.layer, neuron.index]),
        id=_neuron_id(neuron.layer, neuron.index),
        **{"class": f"neuron {neuron.kind}" + (" path" if neuron.paths else "")},
        shape="square" if neuron.kind == "input" else "circle",
        fixedsize="true",
        width=side,
        height=side,
        color=PATH if neuron.paths else INK,
        penwidth="2.5" if neuron.paths else "1",
        tooltip=tip(neuron.name, _share_note(neuron.share, neuron.paths)),
    )


def _share_note(share: float, paths: int) -> str:
    return f"{paths:,} path{'s' if paths != 1 else ''}, {percent(share)} of |gradient|" if paths else ""


def _write_omission(digraph: graphviz.Digraph, omission: Omission, layout: Layout) -> None:
    share = f"\n{percent(omission.share)} of |gradient|" if omission.share else ""
    digraph.node(
        f"omission-{omission.layer}",
        label=escape_label(f"⋮\n… {omission.count:,} more{share}"),
        pos=_pinned(layout.omissions[omission.layer]),
        id=f"omission-{omission.layer}",
        **{"class": "omission"},
        shape="plaintext",
        width="0",
        height="0",
        margin="0.02",
        fontcolor=PATH if omission.share else INK,
        fontsize="10",
        tooltip=tip(f"{omission.count:,} neurons of layer {omission.layer} are not shown"),
    )


def _line(amount: float, scene: NetworkScene) -> dict[str, str]:
    """The attributes of a line: thickness by size, colour by sign."""
    if not math.isfinite(amount):
        return {"color": NOT_FINITE, "penwidth": "1.9", "style": "dotted", "arrowsize": arrow_size(1.9)}
    part = min(1.0, abs(amount) / scene.largest) if scene.largest else 0.0
    width = 0.5 + 1.4 * part
    return {
        "color": line_colour(amount, pale=bool(scene.chosen)),
        "penwidth": f"{width:.3f}",
        "style": "dashed" if amount < 0 else "solid",
        "arrowsize": arrow_size(width),
    }


def _write_connection(digraph: graphviz.Digraph, connection: Connection, layout: Layout, scene: NetworkScene) -> None:
    c = connection
    kind, ink, font = "weight", INK, "Helvetica"
    style = _line(c.number, scene)
    if c.chosen:
        kind, ink, font = "weight chosen", CHOSEN, "Helvetica-Bold"
        width = share_width(1.0)
        style = {"color": CHOSEN, "penwidth": f"{width:.3f}", "style": "solid", "arrowsize": arrow_size(width)}
    elif c.paths:
        kind, ink = "weight path", PATH
        style = _blue(c.share)
    note = tip(c.name, f"{scene.shows} {c.number!r}", "" if c.chosen else _share_note(c.share, c.paths))
    digraph.edge(
        _neuron_id(c.layer - 1, c.source),
        _neuron_id(c.layer, c.target),
        id=f"w-{c.layer}-{c.source}-{c.target}",
        **{"class": kind},
        tooltip=note,
        **style,
    )
    position = layout.names.get((c.layer - 1, c.source, c.target))
    if position is not None:
        digraph.node(
            f"name-{c.layer}-{c.source}-{c.target}",
            label=escape_label(c.name, limit=NAME),
            pos=_pinned(position),
            id=f"name-{c.layer}-{c.source}-{c.target}",
            **{"class": f"name {kind}"},
            shape="plaintext",
            width="0",
            height="0",
            margin="0.05,0" if c.chosen else "0.02,0",
            fontcolor=ink,
            fontname=font,
            fontsize=f"{LABEL_FONT}",
            tooltip=note,
        )


def _blue(share: float) -> dict[str, str]:
    width = max(BOLD, share_width(share))
    return {
        "color": PATH,
        "penwidth": f"{width:.3f}",
        "style": "solid" if share else "dotted",
        "arrowsize": arrow_size(width),
    }


def _write_bias(digraph: graphviz.Digraph, bias: Bias, layout: Layout, scene: NetworkScene, radius: float) -> None:
    x, y = layout.neurons[bias.layer, bias.target]
    note = tip(bias.name, f"{scene.shows} {bias.number!r}")
    style = _line(bias.number, scene)
    if bias.chosen:
        width = share_width(1.0) / 2
        style = {"color": CHOSEN, "penwidth": f"{width:.3f}", "style": "solid", "arrowsize": arrow_size(width)}
    name = f"b-{bias.layer}-{bias.target}"
    digraph.node(
        name,
        label=escape_label(bias.name, limit=NAME),
        pos=_pinned((x, y - radius - 20.0)),
        id=name,
        **{"class": "bias chosen" if bias.chosen else "bias"},
        shape="plaintext",
        width="0",
        height="0",
        margin="0.02,0",
        fontcolor=CHOSEN if bias.chosen else INK,
        fontname="Helvetica-Bold" if bias.chosen else "Helvetica",
        fontsize=f"{LABEL_FONT}",
        tooltip=note,
    )
    digraph.edge(
        name, _neuron_id(bias.layer, bias.target), id=f"{name}-line", **{"class": "bias"}, tooltip=note, **style
    )


def _write_cost(digraph: graphviz.Digraph, scene: NetworkScene, cost: Cost, layout: Layout) -> None:
    digraph.node(
        "cost",
        label=rf"{escape_label(cost.name, limit=NAME)}\n{number(cost.value)}",
        pos=_pinned(layout.cost),
        id="cost",
        **{"class": "cost"},
        shape="box",
        style="rounded,filled",
        color=PATH if scene.count else INK,
        penwidth="2.5" if scene.count else "1",
        margin="0.1,0.05",
        width="0.4",
        height="0.4",
        tooltip=tip(cost.name, f"value {cost.value!r}"),
    )
    outputs = [neuron for neuron in scene.neurons if neuron.kind == "output"]
    for neuron, share, paths in zip(outputs, cost.shares, cost.paths, strict=True):
        digraph.edge(
            _neuron_id(neuron.layer, neuron.index),
            "cost",
            id=f"cost-{neuron.index}",
            **{"class": "cost path" if paths else "cost"},
            tooltip=tip(f"{neuron.name} to {cost.name}", _share_note(share, paths)),
            **(_blue(share) if paths else {"color": FAINT, "penwidth": "0.8"}),
        )


def _write_legend(digraph: graphviz.Digraph, scene: NetworkScene, layout: Layout) -> None:
    """The legend: a short piece of each kind of line, with its meaning."""
    what = "weight" if scene.shows == "value" else "gradient"
    rows: list[tuple[str, dict[str, str]]] = [
        (f"positive {what}", _line(scene.largest or 1.0, scene)),
        (f"negative {what}", _line(-(scene.largest or 1.0), scene)),
    ]
    numbers = [*(weight.number for weight in scene.connections), *(bias.number for bias in scene.biases)]
    if not all(map(math.isfinite, numbers)):
        rows.append((f"{what} not finite", _line(math.nan, scene)))
    if scene.chosen:
        rows.append((scene.chosen, {"color": CHOSEN, "penwidth": "5"}))
    if scene.count:
        rows.append(("its paths, width: share of |gradient|", {"color": PATH, "penwidth": "5"}))
    x, y = -16.0, layout.bottom - 24.0
    for k, (text, style) in enumerate(rows):
        width = text_width(text[:NAME], 10)
        for end, place in (("a", x), ("b", x + 22.0)):
            unseen = {"shape": "point", "style": "invis", "width": "0", "height": "0"}
            digraph.node(f"legend-{k}-{end}", label="", pos=_pinned((place, y)), **unseen)
        line = {"id": f"legend-{k}", "arrowhead": "none", "class": "legend"}
        digraph.edge(f"legend-{k}-a", f"legend-{k}-b", **style | line)
        digraph.node(
            f"legend-{k}-text",
            label=escape_label(text, limit=NAME),
            pos=_pinned((x + 30.0 + width / 2, y)),
            id=f"legend-{k}-text",
            **{"class": "legend"},
            shape="plaintext",
            fillcolor=WHITE,
            fontcolor=INK,
            fontsize="10",
            width="0",
            height="0",
            margin="0.02,0",
        )
        x += 1.05 * width + 54.0
