"""What the picture of a computation graph shows: values, ops, local derivatives and frames."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from tinygrad_lite.core.evaluation import check_recorded
from tinygrad_lite.core.graph import ancestors, chains
from tinygrad_lite.core.value import Value
from tinygrad_lite.errors import ArgumentError, ValueTypeError
from tinygrad_lite.graph.scopes import Region, regions_of

from .collapsing import (
    LIMIT,
    Group,
    calls_merged,
    chains_folded,
    deepest,
    fits,
    hidden,
    modules_collapsed,
    start_folded,
)
from .local import local_derivative
from .numbers import extent, summary

__all__ = ["GraphScene", "LocalEdge", "OpNode", "ValueNode", "graph_records"]


STRIPES = 16
"""Elements of an array that are shown as stripes."""


@dataclass(frozen=True, slots=True)
class ValueNode:
    """A value of the graph. A constant, to which no gradient flows, may be a leaf or computed from constants.

    ``data`` and ``grad`` are what it shows of them; ``grad`` is "–" before a backward pass and empty for a constant.
    ``low`` and ``high`` bound the gradient's elements, ``None`` where there is no gradient; ``elements`` are those of a
    small array, row by row.
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
class BoxNode:
    """Ops and values that are drawn as one box: what it is called, how many ops, and the values that come out of it."""

    id: str
    label: str
    ops: int
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """The frame around what one call of a module made.

    ``name`` is the module's; the ``label`` leaves out what that of the frame around it, ``parent`` (or empty), says.
    """

    id: str
    label: str
    parent: str
    name: str


@dataclass(frozen=True, slots=True)
class GraphScene:
    """Everything that the picture of a graph shows; ``values`` and ``ops`` each after what they read.

    ``scale`` is the largest size of a gradient among the leaves (among all values, if no leaf has one), 0 if none has.
    An edge's ``op`` may be a box. ``framed`` maps the ids of nodes to their innermost frame, ``inside`` those of values
    that are left out to the box that they are in. ``note`` says what was left out.
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
    value: Value,
    *,
    depth: int | None = None,
    fold: bool = True,
    limit: int = LIMIT,
    gradients: Mapping[Value, Any] | None = None,
) -> GraphScene:
    """The records of the picture. ``gradients`` are shown instead of those that the Values hold.

    >>> x = Value(3.0, name="x")
    >>> scene = graph_records(x * x)
    >>> [(edge.value, edge.op, edge.local) for edge in scene.edges]
    [('v0', 'o1', 3.0), ('v0', 'o1', 3.0)]
    """
    if not isinstance(value, Value):
        raise ValueTypeError(f"graph: draws the graph of a Value, got {type(value).__name__}; pass a loss, for example")
    for what, number_given, least in (("depth", depth, 0), ("limit", limit, 10)):
        whole = isinstance(number_given, int) and not isinstance(number_given, bool)
        if number_given is not None and (not whole or number_given < least):
            raise ArgumentError(f"graph: {what} is a whole number of at least {least}, got {number_given!r}")
    order = ancestors(value)
    check_recorded(value)
    regions = regions_of(value)
    depth, groups, note = _collapsed(order, value, regions, depth, fold, limit)
    gone = hidden(order, value, groups)
    shown = [node for node in order if node not in gone]
    numbers = {node: k for k, node in enumerate(order)}
    boxes = {group: f"g{k}" for k, group in enumerate(dict.fromkeys(groups[node] for node in order if node in groups))}
    ops = tuple(
        OpNode(f"o{numbers[node]}", node.op.name, node.op.sign, f"v{numbers[node]}")
        for node in shown
        if node.op is not None and node not in groups
    )
    if gradients is None:
        gradients = {node: node.grad for node in shown if node.has_grad}
    values = tuple(_value_node(node, f"v{numbers[node]}", gradients.get(node)) for node in shown)
    made: defaultdict[Group, list[str]] = defaultdict(list)
    for node in shown:
        if node in groups:
            made[groups[node]].append(f"v{numbers[node]}")
    frames, framed = _frames(shown, numbers, regions, depth, groups, boxes)
    return GraphScene(
        values,
        ops,
        tuple(_edges(order, numbers, groups, boxes, gone)),
        _scale(values),
        tuple(BoxNode(id, group.label, group.ops, tuple(made[group])) for group, id in boxes.items()),
        frames,
        framed,
        _inside(order, numbers, groups, boxes, gone),
        note,
    )


def _inside(
    order: list[Value],
    numbers: dict[Value, int],
    groups: Mapping[Value, Group],
    boxes: Mapping[Group, str],
    gone: set[Value],
) -> dict[str, str]:
    """The box of each value that is left out; of a leaf it is that of its readers."""
    found = {f"v{numbers[node]}": boxes[groups[node]] for node in order if node in gone and node in groups}
    for node in order:
        if node in groups:
            leaves = (parent for parent in node.parents if parent in gone and parent not in groups)
            found |= {f"v{numbers[leaf]}": boxes[groups[node]] for leaf in leaves}
    return found


Regions = Mapping[Value, tuple[Region, ...]]


def _collapsed(
    order: list[Value], end: Value, regions: Regions, depth: int | None, fold: bool, limit: int
) -> tuple[int, dict[Value, Group], str]:
    """How many levels of modules are open, the groups that are drawn as boxes, and a note if that was not asked for."""

    levels = deepest(regions)
    wanted = levels if depth is None else min(depth, levels)
    attempts = [(level, modules_collapsed(regions, level)) for level in range(wanted, -1, -1)]
    attempts.append((0, calls_merged(order, attempts[-1][1])))
    for open_levels, modules in attempts:
        groups = modules | chains_folded(order, modules) if fold else modules
        if fits(order, end, groups, limit):
            what = "each module is one box, whatever it was called for"
            if modules is not attempts[-1][1]:
                what = f"modules are boxes from level {open_levels + 1} on"
            note = "" if modules is attempts[0][1] else f"too large for {limit:,} nodes: {what}"
            return open_levels, groups, note
    keep = limit // 3
    while keep > 1 and not fits(order, end, groups | start_folded(order, keep), limit):
        keep //= 2
    count = sum(2 - node.is_leaf for node in order)
    note = f"{count:,} nodes, at most {limit:,} are drawn: the {keep:,} last results one by one"
    return 0, groups | start_folded(order, keep), note


def _edges(
    order: list[Value],
    numbers: dict[Value, int],
    groups: Mapping[Value, Group],
    boxes: Mapping[Group, str],
    gone: set[Value],
) -> Iterator[LocalEdge]:
    ids = map("e{}".format, itertools.count())
    into_box: set[tuple[Value, Group]] = set()
    for node in order:
        if node.op is None:
            continue
        group = groups.get(node)
        if group is not None:
            for parent in node.parents:
                if parent not in gone and groups.get(parent) is not group and (parent, group) not in into_box:
                    into_box.add((parent, group))
                    ends = f"v{numbers[parent]}", boxes[group], 0
                    yield LocalEdge(next(ids), *ends, "", "", None, parent.requires_grad)
            continue
        with np.errstate(all="ignore"):  # a local derivative may overflow, as it may in a sweep
            live = {position: (operand, chain) for position, operand, chain in chains(node)}
            for position, parent in enumerate(node.parents):
                ends = f"v{numbers[parent]}", f"o{numbers[node]}", position
                if position in live:
                    local = local_derivative(node, position, *live[position])
                    yield LocalEdge(next(ids), *ends, local.text, local.formula, local.value, True)
                else:
                    yield LocalEdge(next(ids), *ends, "", "", None, False)


def _frames(
    shown: list[Value],
    numbers: dict[Value, int],
    regions: Regions,
    depth: int,
    groups: Mapping[Value, Group],
    boxes: Mapping[Group, str],
) -> tuple[tuple[Frame, ...], dict[str, str]]:
    """The frames of the modules that are open, and which nodes stand in which. Parameters stand with their readers."""
    frames: dict[Region, Frame] = {}
    names: dict[str, str] = {}
    framed: dict[str, str] = {}
    readers: defaultdict[Value, list[tuple[Region, ...]]] = defaultdict(list)

    def innermost(around: tuple[Region, ...]) -> str:
        parent = ""
        for region in around:
            if region not in frames:
                label = region.name.removeprefix(f"{names[parent]}.") if parent else region.name
                frames[region] = Frame(f"cluster_{len(frames)}", label, parent, region.name)
                names[frames[region].id] = region.name
            parent = frames[region].id
        return parent

    visible = {*shown}
    for node in numbers:
        around = tuple(region for region in regions.get(node, ()) if region.name)[:depth]
        for parent in node.parents:
            readers[parent].append(around)
        if around and node in groups:
            framed[boxes[groups[node]]] = innermost(around)
        if around and node in visible:
            framed[f"v{numbers[node]}"] = innermost(around)
            if node not in groups:
                framed[f"o{numbers[node]}"] = innermost(around)
    for node in shown:
        if node.is_leaf and node.requires_grad and len({*readers[node]}) == 1 and readers[node][0]:
            framed[f"v{numbers[node]}"] = innermost(readers[node][0])
    return tuple(frames.values()), framed


def _value_node(node: Value, id: str, grad: Any) -> ValueNode:
    kind: Literal["leaf", "result", "constant"] = "leaf" if node.is_leaf else "result"
    if not node.requires_grad:
        kind = "constant"
    shown = "" if not node.requires_grad else "–" if grad is None else summary(grad)
    low, high = (None, None) if grad is None else extent(grad)
    elements = () if grad is None or not 1 < node.size <= STRIPES else tuple(map(float, np.ravel(grad)))
    return ValueNode(
        id, node.name or "", node.shape, summary(node.data), shown, kind, node.is_leaf, low, high, elements
    )


def _scale(values: tuple[ValueNode, ...]) -> float:
    """The end's own gradient is 1 and would make all others look small: leaves are compared with leaves."""
    sizes: dict[bool, list[float]] = {True: [], False: []}
    for value in values:
        if value.low is not None and value.high is not None:
            sizes[value.leaf].append(max(abs(value.low), abs(value.high)))
    return max((size for size in sizes[True] or sizes[False] if np.isfinite(size)), default=0.0)
