"""The contents of a page: plain lists, dicts, numbers and texts about a graph, ready to be written as JSON.

Where the page would become too large, the values that were asked for last go without, and ``notes`` says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from tinygrad_lite.core.graph import ancestors
from tinygrad_lite.core.value import Value, describe
from tinygrad_lite.errors import GraphError, ShapeError, ValueTypeError

from ..dot.escape import visible
from ..records.graph import GraphScene, graph_records, named_regions
from ..records.numbers import summary
from ..records.passes import backward_layers, equation, forward_layers
from .derivations import NAME, derivations
from .listing import SHOWN_PATHS, ArrowEdges, Element, all_edges, asked_elements, edges_of_largest, flat
from .statistics import Statistics, arrivals, path_lengths, plain

__all__ = ["Contents"]

EDGES = 60_000
"""The largest number of elementary edges on the page: 6 MB. Above, only edges of the largest paths of some elements."""

ASKED = 5_000
"""The largest number of elements in wrt= that are on the page even if their value is not drawn."""


_OF_ARROW = ("id", "op", "value", "text", "formula", "live")


class Contents:
    """The records of one page, and the scene that its picture is drawn from.

    >>> x = Value(3.0, name="x")
    >>> contents = Contents(x * x, None)
    >>> [(value["name"], value["total"]) for value in contents.records()["values"]]
    [('x', [6.0]), ('', [1.0])]
    """

    def __init__(self, end: Value, wrt: Any, **options: Any) -> None:
        if not isinstance(end, Value):
            raise ValueTypeError(f"explore: explores the graph of a Value, got {type(end).__name__}; pass a loss")
        if end.size != 1:
            raise ShapeError(
                f"explore: the end has one element, got shape {end.shape} of {describe(end)}; sum it first"
            )
        if not end.requires_grad:
            raise GraphError(f"explore: {describe(end)} depends on nothing that requires a gradient")
        self.end = end
        self.order = ancestors(end)
        self.ids = {node: f"v{k}" for k, node in enumerate(self.order)}
        self.notes: list[str] = []
        self.statistics = Statistics(end)
        self.totals = self.statistics.totals
        elements = asked_elements(end, wrt, self.order, self.totals)
        self.asked = elements[:ASKED]
        if len(elements) > ASKED:
            self.notes.append(f"{ASKED:,} of the {len(elements):,} elements asked for are on the page for certain")
        self.scene: GraphScene = graph_records(end, gradients=self.totals, **options)
        self.shown = {value.id for value in self.scene.values}
        self.boxes = {**self.scene.inside, **{id: box.id for box in self.scene.boxes for id in box.values}}
        self.modules = {frame.id: frame.name for frame in self.scene.frames}

    def records(self) -> dict[str, Any]:
        """Everything for the page's script."""
        listed, edges = self._listing()
        met = {node for arrow in edges for node in (arrow.node, arrow.operand)} | {value for value, _ in self.asked}
        values = [node for node in self.order if self._drawn(node) or node in met]
        self.places = {node: k for k, node in enumerate(values)}
        self.arrows = {(edge.op, edge.value, edge.position): k for k, edge in enumerate(self.scene.edges)}
        backward = arrivals(self.end, self.statistics.gradients, self._drawn, self._drawn_arrow)
        made = {op.id: op.value for op in self.scene.ops}
        return {
            "end": self.places[self.end],
            "values": self._values(values, listed is None),
            "asked": list(dict.fromkeys(self.places[value] for value, _ in self.asked)),
            "boxes": [
                {"id": box.id, "label": visible(box.label, NAME), "ops": box.ops, "values": list(box.values)}
                for box in self.scene.boxes
            ],
            "arrows": [
                {"made": made.get(edge.op, "")} | {field: getattr(edge, field) for field in _OF_ARROW}
                for edge in self.scene.edges
            ],
            "edges": [self._edges(arrow) for arrow in edges],
            "listed": None if listed is None else [[self.places[v], flat(index, v.shape)] for v, index in listed],
            **self._steps(backward),
            "paths": SHOWN_PATHS,
            "notes": [*([self.scene.note] if self.scene.note else []), *self.notes],
        }

    def _steps(self, arrived: Iterable[tuple[Value, list[list[Any]]]]) -> dict[str, Any]:
        """Both passes, layer by layer: the equation of each value that is drawn, and what arrives at it."""
        regions = named_regions(self.end)
        forward, backward = forward_layers(self.order, regions), backward_layers(self.order, regions)
        made = sorted(
            (node for node in self.order if self._drawn(node) and node in forward.of), key=lambda node: forward.of[node]
        )
        terms = sorted(arrived, key=lambda one: backward.of[one[0]])
        return {
            "forward": [
                {"value": self.places[node], "layer": forward.of[node]} | asdict(equation(node)) for node in made
            ],
            "backward": [
                {"value": self.places[node], "layer": backward.of[node], "arrivals": parts} for node, parts in terms
            ],
            "layers": {
                mode: [visible(name, NAME) for name in layers.modules]
                for mode, layers in (("forward", forward), ("backward", backward))
            },
        }

    def _drawn(self, node: Value) -> bool:
        return self.ids[node] in self.shown

    def _values(self, values: Sequence[Value], elements: bool) -> list[dict[str, Any]]:
        """The record of each value; with derivations of single elements if ``elements``."""
        first = list(dict.fromkeys([*(value for value, _ in self.asked), *reversed(values)]))
        lengths = path_lengths(self.end)
        numbers = self.statistics.of_elements(first, self.notes, self.asked)
        spectra = self.statistics.spectra(first, lengths, self.notes)
        counts, written = self.statistics.counts, lengths if elements else {}
        texts = derivations(self.end, self.order, first, self.asked, counts, written, self.notes)
        return [
            self._value(node) | numbers.get(node, {}) | spectra.get(node, {}) | texts.get(node, {}) for node in values
        ]

    def _value(self, node: Value) -> dict[str, Any]:
        id, op = self.ids[node], node.op
        kind = "constant" if not node.requires_grad else "leaf" if node.is_leaf else "result"
        return {
            "id": id if id in self.shown else self.scene.inside.get(id, ""),
            "name": visible(node.name or "", NAME).replace("\n", " "),
            "shape": list(node.shape),
            "kind": kind,
            "drawn": id in self.shown,
            "module": visible(self.modules.get(self.scene.framed.get(id, ""), ""), NAME),
            "value": summary(node.data),
            "gradient": summary(self.totals[node]) if node in self.totals else "",
            "op": op.name if op is not None else "",
            "sign": op.sign if op is not None else "",
        }

    def _listing(self) -> tuple[list[Element] | None, list[ArrowEdges]]:
        """The elements whose paths are listed, or ``None`` for all, and the edges of those paths."""
        counts = self.statistics.counts
        edges = all_edges(self.end, counts, EDGES)
        if edges is not None:
            return None, edges
        at_most = max(4, min(40, 20_000 // len(self.order)))
        reached = [(v, i) for v, i in self.asked if v in self.totals and np.asarray(counts[v])[i] != 0]
        listed = reached[:at_most]
        self.notes.append(
            f"there are more than {EDGES:,} elementary edges: paths are listed for {len(listed)} elements, the first "
            "of what wrt= names and the largest gradients of each array"
        )
        return listed, edges_of_largest(self.end, listed)

    def _edges(self, arrow: ArrowEdges) -> dict[str, Any]:
        return {
            "node": self.places[arrow.node],
            "operand": self.places[arrow.operand],
            "arrow": self._drawn_arrow(arrow.node, arrow.position, arrow.operand),
            "heads": arrow.heads,
            "tails": arrow.tails,
            "locals": [plain(local) for local in arrow.locals],
        }

    def _drawn_arrow(self, node: Value, position: int, operand: Value) -> int:
        """The number of the arrow in the picture from an operand to its op or box; -1 if it is inside a box."""
        id = self.ids[node]
        box = self.boxes.get(id)
        reader = (f"o{id[1:]}", self.ids[operand], position) if box is None else (box, self.ids[operand], 0)
        return self.arrows.get(reader, -1)
