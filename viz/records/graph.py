"""What the picture of a computation graph shows: values, ops, local derivatives and frames."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from tinygrad_lite.core.evaluation import check_recorded
from tinygrad_lite.core.graph import chains, topological
from tinygrad_lite.core.sweeps import pull_all
from tinygrad_lite.core.value import Value
from tinygrad_lite.errors import ArgumentError, ValueTypeError
from tinygrad_lite.graph.scopes import regions_of
from tinygrad_lite.semirings import GRADIENT

from .collapsing import LIMIT, Frame, Group, Regions, View, collapsed, frames_of
from .local import Local, local_derivative
from .numbers import extent, summary

__all__ = ["GraphScene", "LocalEdge", "OpNode", "ValueNode", "graph_records", "named_regions"]


STRIPES = 16
"""The largest number of elements of an array that are shown as stripes."""


@dataclass(frozen=True, slots=True)
class ValueNode:
    """A value of the graph. A constant requires no gradient; it is a leaf or the result of constants.

    ``data`` and ``grad`` are the texts shown; ``grad`` is "–" before a backward pass and empty for a constant. ``low``
    and ``high`` bound the elements of the gradient, or are ``None`` without one; ``elements`` are the elements of the
    gradient of a small array, row by row.
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
    elements: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class OpNode:
    """An op, and the id of the value that it computed."""

    id: str
    name: str
    sign: str
    value: str


@dataclass(frozen=True, slots=True)
class LocalEdge:
    """An arrow from a value to an op that reads it.

    ``local`` is the local derivative where it is one number, ``text`` the text on the arrow, ``formula`` the expression
    behind it. All are empty where no gradient flows back: into a constant, or through an op without a derivative.
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
class BoxNode:
    """A part of the graph drawn as one box: its text, its number of ops, and the values that ops outside read."""

    id: str
    label: str
    ops: int
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GraphScene:
    """Everything that the picture of a graph shows; ``values`` and ``ops`` stand after their operands.

    ``scale`` is the largest size of a gradient among the leaves (among all values, if no leaf has one), 0 if none has.
    An edge's ``op`` may be a box. ``framed`` maps ids of nodes to their innermost frame, ``inside`` ids of values that
    are not drawn to their box. ``note`` says what was left out.
    """

    values: tuple[ValueNode, ...]
    ops: tuple[OpNode, ...]
    edges: tuple[LocalEdge, ...]
    scale: float
    boxes: tuple[BoxNode, ...] = ()
    frames: tuple[Frame, ...] = ()
    framed: Mapping[str, str] = field(default_factory=dict)
    inside: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


def graph_records(
    ends: Value | Sequence[Value],
    *,
    depth: int | None = None,
    fold: bool = True,
    limit: int = LIMIT,
    gradients: Mapping[Value, Any] | None = None,
) -> GraphScene:
    """The records of the graph of one end or several; ``viz.graph`` describes the arguments.

    ``gradients`` are shown instead of the gradients that the Values hold.

    >>> x = Value(3.0, name="x")
    >>> scene = graph_records(x * x)
    >>> [(edge.value, edge.op, edge.local) for edge in scene.edges]
    [('v0', 'o1', 3.0), ('v0', 'o1', 3.0)]
    """
    ends = _ends(ends)
    for what, given, least in (("depth", depth, 0), ("limit", limit, 10)):
        whole = isinstance(given, int) and not isinstance(given, bool)
        if given is not None and (not whole or given < least):
            raise ArgumentError(f"graph: {what} is a whole number of at least {least}, got {given!r}")
    check_recorded(*ends)
    regions = named_regions(*ends)
    view = collapsed(ends, regions, depth, fold, limit)
    return _Scene(view, regions, _gradients(view) if gradients is None else gradients).records()


def named_regions(*ends: Value) -> Regions:
    """The calls of modules with a name that each Value was computed in."""
    named = ((node, [call for call in calls if call.name]) for node, calls in regions_of(*ends).items())
    return {node: calls for node, calls in named if calls}


def _ends(given: Any) -> tuple[Value, ...]:
    """The ends that a user gives: one Value or several, each once."""
    ends = tuple(given) if isinstance(given, list | tuple) else (given,)
    wrong = next((end for end in ends if not isinstance(end, Value)), None)
    if wrong is not None:
        way_out = "pass a loss, for example, or a list of Values"
        raise ValueTypeError(f"graph: draws the graph of a Value, got {type(wrong).__name__}; {way_out}")
    if not ends:
        raise ArgumentError("graph: draws the graph of at least one Value, got an empty list; pass a loss, for example")
    return tuple(dict.fromkeys(ends))


def _gradients(view: View) -> dict[Value, Any]:
    """The gradients that Values hold, and those inside a fused loss or a checkpoint, through which backward jumps."""
    order = view.order
    found = {node: node.grad for node in order if node.has_grad}
    recorded = {node for end in view.ends for node in topological(end, folded=True)}
    inside = {node for node in order if node.requires_grad and not node.is_leaf and node not in recorded}
    if inside:
        pull_all(order, lambda node: (edge for edge in chains(node) if edge[1] in inside), found, GRADIENT)
    return {node: GRADIENT.result(g) for node, g in found.items()}


class _Scene:
    """The records of one view of a graph; ``v3`` is its fourth Value, ``o3`` the op of that Value, ``g0`` a box."""

    def __init__(self, view: View, regions: Regions, gradients: Mapping[Value, Any]) -> None:
        self.view, self.groups, self.gone = view, view.groups, view.gone
        self.gradients = gradients
        self.values = {node: f"v{k}" for k, node in enumerate(view.order)}
        self.ops = {node: f"o{k}" for k, node in enumerate(view.order) if not node.is_leaf and node not in self.groups}
        inside = dict.fromkeys(self.groups[node] for node in view.order if node in self.groups)
        self.boxes = {group: f"g{k}" for k, group in enumerate(inside)}
        self.frames = frames_of(view, regions)

    def records(self) -> GraphScene:
        shown = self.view.shown()
        values = tuple(map(self.value_node, shown))
        ops = [(node, node.op) for node in shown if node in self.ops]
        made: defaultdict[Group, list[str]] = defaultdict(list)
        for node in shown:
            if node in self.groups:
                made[self.groups[node]].append(self.values[node])
        return GraphScene(
            values,
            tuple(OpNode(self.ops[node], op.name, op.sign, self.values[node]) for node, op in ops if op is not None),
            tuple(self.edges()),
            _scale(values),
            tuple(BoxNode(id, group.label, group.ops, tuple(made[group])) for group, id in self.boxes.items()),
            tuple(self.frames.of_region.values()),
            self.framed(),
            self.inside(),
            self.view.note,
        )

    def value_node(self, node: Value) -> ValueNode:
        kind: Literal["leaf", "result", "constant"] = "leaf" if node.is_leaf else "result"
        if not node.requires_grad:
            kind = "constant"
        grad = self.gradients.get(node)
        shown = "" if not node.requires_grad else "–" if grad is None else summary(grad)
        low, high = (None, None) if grad is None else extent(grad)
        elements = () if grad is None or not 1 < node.size <= STRIPES else tuple(map(float, np.ravel(grad)))
        data, name = summary(node.data), node.name or ""
        return ValueNode(self.values[node], name, node.shape, data, shown, kind, node.is_leaf, low, high, elements)

    def edges(self) -> Iterator[LocalEdge]:
        ids = map("e{}".format, itertools.count())
        into_box: set[tuple[Value, Group]] = set()
        for node in self.view.order:
            group = self.groups.get(node)
            if group is not None:
                for parent in node.parents:
                    outside = parent not in self.gone and self.groups.get(parent) is not group
                    if outside and (parent, group) not in into_box:
                        into_box.add((parent, group))
                        ends = self.values[parent], self.boxes[group], 0
                        yield LocalEdge(next(ids), *ends, "", "", None, parent.requires_grad)
                continue
            with np.errstate(all="ignore"):  # a local derivative may overflow, as it may in a sweep
                live = {position: (operand, chain) for position, operand, chain in chains(node)}
                for position, parent in enumerate(node.parents):
                    ends = self.values[parent], self.ops[node], position
                    flows = position in live
                    local = local_derivative(node, position, *live[position]) if flows else Local("", "", None)
                    yield LocalEdge(next(ids), *ends, local.text, local.formula, local.value, flows)

    def framed(self) -> dict[str, str]:
        """The innermost frame of each node that stands in one, by id."""
        found: dict[str, str] = {}
        for node in self.view.order:
            frame = self.frames.of_value.get(node)
            if frame is not None:
                if node not in self.gone:
                    found[self.values[node]] = frame
                if not node.is_leaf:
                    found[self.boxes[self.groups[node]] if node in self.groups else self.ops[node]] = frame
        return found

    def inside(self) -> dict[str, str]:
        """The box of each Value that is left out, by id; a leaf is in the box of its readers."""
        found: dict[str, str] = {}
        for node, group in self.groups.items():
            hidden = [node, *(parent for parent in node.parents if parent.is_leaf)]
            found |= {self.values[value]: self.boxes[group] for value in hidden if value in self.gone}
        return found


def _scale(values: tuple[ValueNode, ...]) -> float:
    """The largest size of a gradient: among leaves, since the end's own gradient of 1 would make all look small."""
    sizes: dict[bool, list[float]] = {True: [], False: []}
    for value in values:
        if value.low is not None and value.high is not None:
            sizes[value.leaf].append(max(abs(value.low), abs(value.high)))
    return max((size for size in sizes[True] or sizes[False] if np.isfinite(size)), default=0.0)
