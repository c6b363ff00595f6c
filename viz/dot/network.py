"""The records of a network as DOT: square inputs, round neurons, the chosen weight bold red and its paths bold blue.

``layered`` computes all positions; Graphviz moves nothing. Both tutorials draw networks this way.
"""

from __future__ import annotations

import math
from collections import Counter

import graphviz

from ..records.network import Bias, Connection, Cost, NetworkScene, Neuron, Omission
from ..records.numbers import number, percent
from .colours import CHOSEN, FAINT, INK, PATH, WHITE, line_colour
from .digraphs import FONT, add_edge, add_node, flow_stroke, new_digraph, stroke, tip
from .escape import escape_label, visible
from .layered import LABEL_FONT, Layout, lay_out
from .metrics import BOLD, text_width

__all__ = ["network_digraph"]


NAMED = 150
"""The largest number of lines between two layers with names on all; above, only the chosen weight has its name."""

NAME = 40
"""The largest number of characters of a name in the picture; its tooltip has all."""

TEXT = {"shape": "plaintext", "width": "0", "height": "0"}
"""The looks of a node that is only its text."""

NOT_FINITE = "#d55e00"
"""The colour of a line for NaN or infinity; the line is dotted."""

CHOSEN_WIDTH = 6.0
"""The width of the chosen weight's line, in points: that of the largest share."""


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
    largest = _largest(scene)
    for connection in sorted(scene.connections, key=lambda c: (c.chosen, c.paths > 0, c.share)):
        _write_connection(digraph, connection, layout, scene, largest)
    for bias in scene.biases:
        _write_bias(digraph, bias, layout, scene, radius)
    if scene.cost is not None:
        _write_cost(digraph, scene, scene.cost, layout, largest)
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
    lines = Counter(c.layer for c in scene.connections)
    named = (c for c in scene.connections if lines[c.layer] <= NAMED or c.chosen or c.marked)
    names = {(c.layer - 1, c.source, c.target): _name(c) for c in named}
    return lay_out(columns, names, radius)


def _pinned(position: tuple[float, float]) -> str:
    return f"{position[0]:.1f},{position[1]:.1f}!"


def _neuron_id(layer: int, index: int) -> str:
    return f"n-{layer}-{index}"


def _write_neuron(digraph: graphviz.Digraph, neuron: Neuron, layout: Layout, radius: float) -> None:
    side = f"{2 * radius / 72:.3f}"
    looks = {
        "pos": _pinned(layout.neurons[neuron.layer, neuron.index]),
        "shape": "square" if neuron.kind == "input" else "circle",
        "color": PATH if neuron.paths else INK,
        "penwidth": "2.5" if neuron.paths else "1",
    }
    looks |= {"fixedsize": "true", "width": side, "height": side}
    kind = f"neuron {neuron.kind}" + (" path" if neuron.paths else "")
    note = tip(neuron.name, _share_note(neuron.share, neuron.paths))
    add_node(digraph, _neuron_id(neuron.layer, neuron.index), kind, escape_label(neuron.name), note, **looks)


def _share_note(share: float, paths: int, total: float | None = None) -> str:
    if not paths:
        return ""
    sum_of_paths = "" if total is None else f", together {number(total)}"
    return f"{paths:,} path{'s' if paths != 1 else ''}, {percent(share)} of |gradient|{sum_of_paths}"


def _write_omission(digraph: graphviz.Digraph, omission: Omission, layout: Layout) -> None:
    share = f"\n{percent(omission.share)} of |gradient|" if omission.share else ""
    label = escape_label(f"⋮\n… {omission.count:,} more{share}")
    looks = TEXT | {"margin": "0.02", "fontcolor": PATH if omission.share else INK, "fontsize": "10"}
    note = tip(f"{omission.count:,} neurons of layer {omission.layer} are not shown")
    position = _pinned(layout.omissions[omission.layer])
    add_node(digraph, f"omission-{omission.layer}", "omission", label, note, pos=position, **looks)


def _line(amount: float, scene: NetworkScene) -> dict[str, str]:
    """The attributes of a line: thickness by size, colour by sign."""
    if not math.isfinite(amount):
        return stroke(NOT_FINITE, 1.9, "dotted")
    part = min(1.0, abs(amount) / scene.largest) if scene.largest else 0.0
    colour = line_colour(amount, pale=bool(scene.chosen))
    return stroke(colour, 0.5 + 1.4 * part, "dashed" if amount < 0 else "solid")


def _name(connection: Connection) -> str:
    """The text on a line: its name, and one of the largest shares."""
    name = visible(connection.name, NAME)
    return f"{name}  {percent(connection.share)}" if connection.marked else name


def _largest(scene: NetworkScene) -> float:
    """The largest share of a line; that of the chosen weight, all of |gradient|, is drawn in another way."""
    shares = [c.share for c in scene.connections if not c.chosen]
    return max((*shares, *(scene.cost.shares if scene.cost else ())), default=0.0)


def _write_connection(
    digraph: graphviz.Digraph, connection: Connection, layout: Layout, scene: NetworkScene, largest: float
) -> None:
    c = connection
    kind, ink, line = "weight", INK, _line(c.number, scene)
    if c.chosen:
        kind, ink, line = "weight chosen", CHOSEN, stroke(CHOSEN, CHOSEN_WIDTH)
    elif c.paths:
        kind, ink, line = "weight path", PATH, flow_stroke(PATH, c.share, c.total, largest)
    note = tip(c.name, f"{scene.shows} {c.number!r}", "" if c.chosen else _share_note(c.share, c.paths, c.total))
    place = f"{c.layer}-{c.source}-{c.target}"
    ends = _neuron_id(c.layer - 1, c.source), _neuron_id(c.layer, c.target)
    add_edge(digraph, ends, f"w-{place}", kind, note, **line)
    position = layout.names.get((c.layer - 1, c.source, c.target))
    if position is not None:
        looks = _name_looks(position, ink, _name(c) if c.chosen else "") | ({"margin": "0.05,0"} if c.chosen else {})
        add_node(digraph, f"name-{place}", f"name {kind}", escape_label(_name(c), limit=None), note, **looks)


def _name_looks(position: tuple[float, float], ink: str, bold: str) -> dict[str, str]:
    """The looks of a name; one in ``bold`` says its width, since Graphviz measures it in another, narrower font."""
    font = {"fontcolor": ink, "fontname": f"{FONT}-Bold" if bold else FONT, "fontsize": f"{LABEL_FONT}"}
    room = {"width": f"{BOLD * text_width(bold, LABEL_FONT) / 72 + 0.04:.3f}"} if bold else {}
    return TEXT | font | room | {"pos": _pinned(position), "margin": "0.02,0"}


def _write_bias(digraph: graphviz.Digraph, bias: Bias, layout: Layout, scene: NetworkScene, radius: float) -> None:
    x, y = layout.neurons[bias.layer, bias.target]
    note = tip(bias.name, f"{scene.shows} {bias.number!r}")
    kind, ink, line = "bias", INK, _line(bias.number, scene)
    if bias.chosen:
        kind, ink, line = "bias chosen", CHOSEN, stroke(CHOSEN, CHOSEN_WIDTH / 2)
    id, looks = (
        f"b-{bias.layer}-{bias.target}",
        _name_looks((x, y - radius - 20.0), ink, visible(bias.name, NAME) if bias.chosen else ""),
    )
    add_node(digraph, id, kind, escape_label(bias.name, limit=NAME), note, **looks)
    add_edge(digraph, (id, _neuron_id(bias.layer, bias.target)), f"{id}-line", "bias", note, **line)


def _write_cost(digraph: graphviz.Digraph, scene: NetworkScene, cost: Cost, layout: Layout, largest: float) -> None:
    label = rf"{escape_label(cost.name, limit=NAME)}\n{number(cost.value)}"
    looks = {"shape": "box", "style": "rounded,filled", "margin": "0.1,0.05", "width": "0.4", "height": "0.4"}
    looks |= {"color": PATH, "penwidth": "2.5"} if scene.count else {"color": INK, "penwidth": "1"}
    note = tip(cost.name, f"value {cost.value!r}")
    add_node(digraph, "cost", "cost", label, note, pos=_pinned(layout.cost), **looks)
    outputs = [neuron for neuron in scene.neurons if neuron.kind == "output"]
    for neuron, share, paths, total in zip(outputs, cost.shares, cost.paths, cost.totals, strict=True):
        note = tip(f"{neuron.name} to {cost.name}", _share_note(share, paths, total))
        plain = "cost", {"color": FAINT, "penwidth": "0.8"}
        kind, line = ("cost path", flow_stroke(PATH, share, total, largest)) if paths else plain
        ends = _neuron_id(neuron.layer, neuron.index), "cost"
        add_edge(digraph, ends, f"cost-{neuron.index}", kind, note, **line)


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
        rows.append(("its paths, width: √ share of |gradient|", {"color": PATH, "penwidth": "5"}))
        totals = [c.total for c in scene.connections if not c.chosen]
        if any(total < 0 for total in (*totals, *(scene.cost.totals if scene.cost else ()))):
            rows.append(("paths that together subtract", {"color": PATH, "penwidth": "3", "style": "dashed"}))
    x, y = -16.0, layout.bottom - 24.0
    for k, (text, style) in enumerate(rows):
        width = text_width(text[:NAME], 10)
        for end, place in (("a", x), ("b", x + 22.0)):
            unseen = {"shape": "point", "style": "invis", "width": "0", "height": "0"}
            digraph.node(f"legend-{k}-{end}", label="", pos=_pinned((place, y)), **unseen)
        line = {"id": f"legend-{k}", "arrowhead": "none", "class": "legend"}
        digraph.edge(f"legend-{k}-a", f"legend-{k}-b", **style | line)
        position, label = _pinned((x + 30.0 + width / 2, y)), escape_label(text, limit=NAME)
        looks = TEXT | {"id": f"legend-{k}-text", "class": "legend", "fillcolor": WHITE, "fontcolor": INK}
        digraph.node(f"legend-{k}-text", label, pos=position, fontsize="10", margin="0.02,0", **looks)
        x += 1.05 * width + 54.0
