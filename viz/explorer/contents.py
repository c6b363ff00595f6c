"""What a page knows of its graph: plain records of numbers and texts, ready to be written as JSON.

One reverse sweep for each statistic gives it for every element of every value. What would make the page too large is
left out, the values that were asked for last, and ``notes`` says so.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_lite.core.graph import ancestors, chains, topological
from tinygrad_lite.core.shapes import Index
from tinygrad_lite.core.sweeps import check_local_derivatives, reverse
from tinygrad_lite.core.value import Value, describe
from tinygrad_lite.derivation.derivation import derive
from tinygrad_lite.errors import ArgumentError, GraphError, ShapeError, ValueTypeError
from tinygrad_lite.graph.lookup import place
from tinygrad_lite.paths.path import count_text
from tinygrad_lite.semirings import ACTIVE_COUNT, COUNT, ENTROPY, GRADIENT, MAGNITUDE, SPECTRUM
from tinygrad_lite.semirings.base import Semiring

from ..dot.escape import visible
from ..records.graph import GraphScene, graph_records
from ..records.numbers import summary
from .listing import SHOWN_PATHS, ArrowEdges, Element, all_edges, edges_of_largest, flat

__all__ = ["Contents"]


ELEMENTS = 20_000
"""Elements whose statistics are on the page: 2 MB."""

EDGES = 60_000
"""Elementary edges on the page: as count_text more MB. Above, only those of the largest paths of some elements are."""

GROUPS = 100_000
"""Numbers of all spectra together, and those that their sweep goes through at once."""

ARRAYS = 40
"""Derivations of arrays as a whole."""

READABLE, WORK = 300, 5_000
"""Local derivatives on all paths of an element whose derivation is written, and of all such elements together: some
seconds. Its sweeps over the graph count as one for 20 values."""

ASKED = 5_000
"""Elements that wrt= can name: those of a value in a box are on the page only so."""

_RANKED = 64  # of an array that are asked for one by one

NAME = 200
"""Characters of a name."""

Lengths = Mapping[Value, tuple[int, int]]
"""The lengths of the shortest and of the longest path from the end to each value."""


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
        self.numbers = {node: k for k, node in enumerate(self.order)}
        asked = _asked(end, wrt, self.order)
        self.notes: list[str] = []
        self.swept: dict[Semiring, dict[Value, Any]] = {GRADIENT: reverse(end, GRADIENT)}
        check_local_derivatives(end, self.swept[GRADIENT], "explore")
        self.swept |= {semiring: reverse(end, semiring) for semiring in (COUNT, ACTIVE_COUNT, MAGNITUDE, ENTROPY)}
        self.totals = {node: GRADIENT.result(a) for node, a in self.swept[GRADIENT].items()}
        elements = _elements(asked, self.totals)
        self.asked = elements[:ASKED]
        if len(elements) > ASKED:
            self.notes.append(f"{ASKED:,} of the {len(elements):,} elements asked for are on the page for certain")
        self.scene: GraphScene = graph_records(end, gradients=self.totals, **options)
        self.shown = {value.id for value in self.scene.values}
        self.boxes = {**self.scene.inside, **{id: box.id for box in self.scene.boxes for id in box.values}}
        self.modules = {frame.id: frame.name for frame in self.scene.frames}
        self.made = {op.id: op.value for op in self.scene.ops}

    def records(self) -> dict[str, Any]:
        """Everything for the page's script, as plain lists, dicts, numbers and texts."""
        listed, edges = self._listing()
        met = {node for arrow in edges for node in (arrow.node, arrow.operand)} | {value for value, _ in self.asked}
        values = [node for node in self.order if self._id(node) in self.shown or node in met]
        self.places = {node: k for k, node in enumerate(values)}
        self.arrows = {(edge.op, edge.value, edge.position): k for k, edge in enumerate(self.scene.edges)}
        first = list(dict.fromkeys([*(value for value, _ in self.asked), *reversed(values)]))
        lengths = self._path_lengths()
        statistics, spectra = self._statistics(first), self._spectra(first, lengths)
        derivations = self._derivations(first, lengths if listed is None else {})
        records = [
            self._value(node) | statistics.get(node, {}) | spectra.get(node, {}) | derivations.get(node, {})
            for node in values
        ]
        arrivals = self._arrivals()
        return {
            "end": self.places[self.end],
            "values": records,
            "asked": list(dict.fromkeys(self.places[value] for value, _ in self.asked)),
            "boxes": [
                {"id": box.id, "label": visible(box.label, NAME), "ops": box.ops, "values": list(box.values)}
                for box in self.scene.boxes
            ],
            "arrows": [self._arrow(k) for k in range(len(self.scene.edges))],
            "edges": [self._edges(arrow) for arrow in edges],
            "listed": None if listed is None else [[self.places[v], flat(index, v.shape)] for v, index in listed],
            "forward": [k for k, node in enumerate(values) if not node.is_leaf and self._id(node) in self.shown],
            "backward": [{"value": self.places[node], "arrivals": terms} for node, terms in arrivals],
            "paths": SHOWN_PATHS,
            "notes": [*([self.scene.note] if self.scene.note else []), *self.notes],
        }

    def _id(self, node: Value) -> str:
        return f"v{self.numbers[node]}"

    def _value(self, node: Value) -> dict[str, Any]:
        id = self._id(node)
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
            "op": node.op.name if node.op is not None else "",
            "sign": node.op.sign if node.op is not None else "",
        }

    def _arrow(self, k: int) -> dict[str, Any]:
        edge = self.scene.edges[k]
        return {
            "id": edge.id,
            "op": edge.op,
            "value": edge.value,
            "made": self.made.get(edge.op, ""),
            "text": edge.text,
            "formula": edge.formula,
            "live": edge.live,
        }

    # ---- statistics of elements

    def _statistics(self, values: Iterable[Value]) -> dict[Value, dict[str, Any]]:
        found: dict[Value, dict[str, Any]] = {}
        left, without = ELEMENTS, []
        for node in values:
            if node.size > left:
                without.append(node)
                continue
            left -= node.size
            found[node] = {"data": _listed(node.data)}
            if node not in self.totals:
                continue
            counts, active, magnitude, entropy = (
                semiring.result(self.swept[semiring][node]) for semiring in (COUNT, ACTIVE_COUNT, MAGNITUDE, ENTROPY)
            )
            total = np.asarray(self.totals[node])
            with np.errstate(all="ignore"):
                cancelled = np.where(np.asarray(magnitude) > 0, 1 - np.abs(total) / magnitude, 0.0)
            found[node] |= {
                "total": _listed(total),
                "magnitude": _listed(magnitude),
                "cancellation": _listed(np.clip(cancelled, 0.0, 1.0)),
                "entropy": _listed(entropy),
                "count": [count_text(int(count)) for count in np.ravel(counts)],
                "active": [count_text(int(count)) for count in np.ravel(active)],
            }
        self._note_left_out("the numbers of single elements", without, f"{ELEMENTS:,} elements")
        return found

    def _note_left_out(self, what: str, values: Sequence[Value], limit: str) -> None:
        if values:
            names = ", ".join(visible(v.name, 20) if v.name else "a nameless one" for v in values[:3])
            more = f" and {len(values) - 3:,} more" if len(values) > 3 else ""
            self.notes.append(f"{what} are on the page for {limit}; they are left out of {names}{more}")

    def _spectra(self, values: Iterable[Value], lengths: Lengths) -> dict[Value, dict[str, Any]]:
        if sum(node.size * (longest - least + 1) for node, (least, longest) in lengths.items()) > 20 * GROUPS:
            self.notes.append("there are too count_text lengths of paths for spectra: viz.plots.spectrum draws one")
            return {}
        swept = reverse(self.end, SPECTRUM)
        found: dict[Value, dict[str, Any]] = {}
        left = GROUPS
        for node in values:
            if node not in swept:
                continue
            spectrum = SPECTRUM.result(swept[node])
            left -= 3 * node.size * len(spectrum)
            if left < 0:
                break
            found[node] = {
                "spectrum": [
                    [
                        length,
                        [count_text(int(count)) for count in np.ravel(counts)],
                        _listed(totals),
                        _listed(magnitudes),
                    ]
                    for length, (counts, totals, magnitudes) in spectrum.items()
                ]
            }
        return found

    def _path_lengths(self) -> Lengths:
        """The lengths of the shortest and of the longest path from the end to each value."""
        lengths: dict[Value, tuple[int, int]] = {self.end: (0, 0)}
        for node in reversed(topological(self.end)):
            for _, operand, _ in chains(node) if node in lengths else ():
                least, longest = lengths[node][0] + 1, lengths[node][1] + 1
                before = lengths.get(operand, (least, longest))
                lengths[operand] = min(before[0], least), max(before[1], longest)
        return lengths

    # ---- the chain rule written out

    def _derivations(self, values: Sequence[Value], lengths: Lengths) -> dict[Value, dict[str, Any]]:
        """Derivations of arrays as a whole and of single elements, those that were asked for first.

        Elements are written of values whose ``lengths`` of paths are given.
        """
        if any(len(node.name or "") > NAME for node in self.order):
            self.notes.append(f"no derivations are written out, as a name has more than {NAME} characters")
            return {}
        counts = self.swept[COUNT]
        known = [node for node in values if node in counts and node is not self.end]
        single = [(node, (0,) * node.ndim) for node in known if node.size == 1]
        elements: list[Element] = []
        sweeps, left = len(self.order) // 20, WORK
        for node, index in dict.fromkeys([*self.asked, *single]):
            if node is not self.end and node in lengths:
                steps = int(np.asarray(counts[node])[index]) * lengths[node][1]
                if 0 < steps <= READABLE and steps + sweeps <= left:
                    elements.append((node, index))
                    left -= steps + sweeps
        arrays = [node for node in known if node.size > 1][:ARRAYS]
        found: dict[Value, dict[str, str]] = defaultdict(dict)
        wholes: list[tuple[Value, Index | None]] = [(node, None) for node in arrays]
        for node, at in [*wholes, *elements]:
            with contextlib.suppress(ArgumentError):  # too much to write
                found[node]["all" if at is None else str(flat(at, node.shape))] = derive(self.end, node, at).text
        missing = sum(str(flat(at, node.shape)) not in found.get(node, {}) for node, at in self.asked)
        if missing:
            self.notes.append(
                f"the derivations of {missing:,} elements are left out, as they are long; tg.derive writes any"
            )
        return {node: {"derivation": texts} for node, texts in found.items()}

    # ---- paths

    def _listing(self) -> tuple[list[Element] | None, list[ArrowEdges]]:
        """The edges that paths are listed from; the elements whose paths are, or ``None`` for all."""
        edges = all_edges(self.end, self.swept[COUNT], EDGES)
        if edges is not None:
            return None, edges
        at_most = max(4, min(40, 20_000 // len(self.order)))
        reached = [(v, i) for v, i in self.asked if v in self.totals and np.asarray(self.swept[COUNT][v])[i] != 0]
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
            "locals": [_number(local) for local in arrow.locals],
        }

    def _drawn_arrow(self, node: Value, position: int, operand: Value) -> int:
        """The arrow of the picture that an operand is read along; -1 where that is inside a box."""
        number = self.numbers[node]
        op = self.boxes.get(self._id(node), f"o{number}")
        return self.arrows.get((op, self._id(operand), position if op.startswith("o") else 0), -1)

    # ---- backpropagation, step by step

    def _arrivals(self) -> Iterator[tuple[Value, list[list[Any]]]]:
        """Backwards, for each value that is drawn: what arrives along each arrow, and the sum so far.

        A leaf comes as soon as all of it has arrived.
        """
        cotangents = self.swept[GRADIENT]
        nodes = [node for node in reversed(topological(self.end)) if node in cotangents]
        arrived: defaultdict[Value, dict[int, Any]] = defaultdict(dict)
        with np.errstate(all="ignore"):
            expected = Counter(operand for node in nodes for _, operand, _ in chains(node))
            for node in nodes:
                if self._id(node) in self.shown:
                    yield node, list(_running(arrived.pop(node, {})))
                for position, operand, chain in chains(node):
                    expected[operand] -= 1
                    if self._id(operand) not in self.shown:
                        continue
                    part = GRADIENT.result(GRADIENT.pull(chain, cotangents[node], node))
                    arrow, parts = self._drawn_arrow(node, position, operand), arrived[operand]
                    parts[arrow] = parts[arrow] + part if arrow in parts else part
                    if operand.is_leaf and not expected[operand]:
                        yield operand, list(_running(arrived.pop(operand)))


def _running(parts: Mapping[int, Any]) -> Iterator[list[Any]]:
    total: Any = 0.0
    for arrow, part in parts.items():
        total = total + part
        yield [arrow, summary(part), summary(total)]


def _asked(end: Value, wrt: Any, order: Sequence[Value]) -> list[tuple[Value, Index]]:
    """What was asked for, or every leaf, as Values and elements; the index of a whole Value is ``()``."""
    if wrt is None:
        return [(node, ()) for node in order if node.is_leaf and node.requires_grad]
    if hasattr(wrt, "parameters"):
        wrt = wrt.parameters()
    elif isinstance(wrt, Mapping):
        wrt = wrt.values()
    elif isinstance(wrt, Value | str) or (isinstance(wrt, tuple) and len(wrt) == 2 and isinstance(wrt[1], int | tuple)):
        wrt = [wrt]
    found = [place(end, one, "explore") for one in wrt]
    known = set(order)
    for value, _ in found:
        if value not in known:
            raise GraphError(f"explore: {describe(end)} was not computed from {describe(value)}")
    return found


def _elements(asked: Iterable[tuple[Value, Index]], totals: Mapping[Value, Any]) -> list[Element]:
    """The elements asked for: single ones first, then those of the arrays in turn, the largest gradients first."""
    single: list[Element] = []
    arrays: list[list[Element]] = []
    for value, index in asked:
        if len(index) == value.ndim:
            single.append((value, index))
        else:
            sizes = np.abs(np.ravel(totals.get(value, np.zeros(value.shape))))
            largest = np.argsort(-sizes, kind="stable")[:_RANKED]
            arrays.append([(value, tuple(map(int, np.unravel_index(k, value.shape)))) for k in largest])
    turns = itertools.chain.from_iterable(itertools.zip_longest(*arrays))
    return list(dict.fromkeys([*single, *(element for element in turns if element is not None)]))


def _number(x: float) -> float | str:
    """A number as JSON can hold it."""
    return x if math.isfinite(x) else repr(x)


def _listed(a: Any) -> list[float | str]:
    return [_number(float(x)) for x in np.ravel(a)]
