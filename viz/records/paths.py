"""What the picture of paths shows: the places between an end and a value, and how much of the gradient runs there.

The places are elements where arrays are small, so that every path can be followed; otherwise whole arrays.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from tinygrad_lite.core.evaluation import check_recorded
from tinygrad_lite.core.graph import chains, topological
from tinygrad_lite.core.maps import edges
from tinygrad_lite.core.shapes import Index
from tinygrad_lite.core.value import Value
from tinygrad_lite.errors import ArgumentError
from tinygrad_lite.paths.path import Path, element_name
from tinygrad_lite.paths.queries import GradientPaths
from tinygrad_lite.semirings import COUNT

from ..errors import DrawingTooLargeError
from .collapsing import LIMIT
from .flow import Carried, Flow, Sums, marked
from .local import Local, local_derivative
from .numbers import number, shape_text, summary

__all__ = ["Level", "PathEdge", "PathNode", "PathScene", "RankedPath", "paths_records"]


Level = Literal["elements", "values"]

ELEMENTS, ELEMENT_EDGES = 150, 400
"""The largest numbers of elements and of elementary edges that can be told apart; above, whole arrays are drawn."""


@dataclass(frozen=True, slots=True)
class PathNode:
    """A value on a path, or one element of it.

    ``name`` is empty where it has none; ``sign``, the sign of its op, then stands in its place. ``share`` is the part
    of |gradient| that runs through it.
    """

    id: str
    name: str
    sign: str
    data: str
    kind: Literal["end", "between", "wrt"]
    share: float


@dataclass(frozen=True, slots=True)
class PathEdge:
    """An arrow from an operand to the result of an op.

    ``local`` is the local derivative where it is one number, ``text`` the text on the arrow, ``formula`` the expression
    behind it. ``share`` is the part of |gradient| that runs through it, ``total`` the sum of the contributions of the
    paths through it. ``ranks`` are the positions, in the scene's ``top``, of the paths that use it. The shares of
    ``marked`` edges are written on them.
    """

    id: str
    tail: str
    head: str
    text: str
    formula: str
    local: float | None
    share: float
    total: float
    ranks: tuple[int, ...] = ()
    marked: bool = False


@dataclass(frozen=True, slots=True)
class RankedPath:
    """One of the largest paths: its contribution, its share of |gradient|, and the path as text."""

    contribution: float
    share: float
    text: str


@dataclass(frozen=True, slots=True)
class PathScene:
    """Everything that the picture shows.

    ``total`` is the gradient, ``magnitude`` the sum of |contribution|, ``rest`` the sum of the paths not in ``top``.
    """

    nodes: tuple[PathNode, ...]
    edges: tuple[PathEdge, ...]
    level: Level
    end: str
    wrt: str
    count: int
    total: float
    magnitude: float
    cancellation: float
    top: tuple[RankedPath, ...]
    rest: float


def paths_records(
    paths: GradientPaths, *, top: int | None = None, level: Level | None = None, limit: int = LIMIT
) -> PathScene:
    """The records of some paths; ``viz.paths`` describes the arguments.

    >>> from tinygrad_lite import gradient_paths
    >>> x = Value(3.0, name="x")
    >>> scene = paths_records(gradient_paths(x * x + x, x))
    >>> scene.count, scene.total, [(edge.local, round(edge.share, 3)) for edge in scene.edges]
    (3, 7.0, [(1.0, 0.857), (1.0, 0.143), (3.0, 0.429), (3.0, 0.429)])
    """
    if level not in (None, "elements", "values"):
        raise ArgumentError(f'paths: level is "elements" or "values", or left out, got {level!r}')
    for what, given in (("top", top), ("limit", limit)):
        whole = isinstance(given, int | np.integer) and not isinstance(given, bool)
        if given is not None and (not whole or given < 1):
            meaning = {"top": "how many paths get colours of their own", "limit": "how many nodes are drawn"}[what]
            raise ArgumentError(f"paths: {what} is {meaning}, a whole number of at least 1, got {given!r}")
    check_recorded(paths.end)
    ranked = paths.top(top) if top else []
    counts = Sums(paths, COUNT)
    values = [value for value in dict.fromkeys((paths.wrt, *topological(paths.end))) if np.any(counts.reach(value))]
    drawn = _drawn(paths, counts, values, level, limit)
    return PathScene(
        tuple(drawn.nodes),
        tuple(_with_ranks(drawn, ranked)),
        drawn.level,
        _text(paths.end, paths.end_at) or "the end",
        _text(paths.wrt, paths.at) or "the value",
        paths.count,
        paths.total,
        paths.magnitude,
        paths.cancellation,
        tuple(RankedPath(p.contribution, float(drawn.flow.share(abs(p.contribution))), str(p)) for p in ranked),
        drawn.flow.carried(paths.magnitude, paths.total - math.fsum(p.contribution for p in ranked)).total,
    )


def _drawn(paths: GradientPaths, counts: Sums, values: Sequence[Value], level: Level | None, limit: int) -> _Drawn:
    """The elements if they can be told apart, otherwise the values."""
    arrays = any(value.shape for value in values)
    elements = sum(int(np.count_nonzero(counts.reach(value))) for value in values)
    if level == "elements" or (level is None and (not arrays or elements <= ELEMENTS)):
        _check_drawn(elements, limit)
        drawn = _Elements(paths, counts, values)
        if level or not arrays or len(drawn.edges) <= ELEMENT_EDGES:
            return drawn
    _check_drawn(len(values), limit)
    return _Values(paths, counts, values)


def _check_drawn(nodes: int, limit: int) -> None:
    if nodes > limit:
        raise DrawingTooLargeError(
            f"paths: at most {limit:,} nodes are drawn, what lies between has {nodes:,}; "
            'draw one sample, or level="values", or pass a larger limit='
        )


def _text(value: Value, index: Index) -> str:
    return element_name(value, index) or ""


Place = tuple[Value, Index | None]


class _Drawn:
    """Collects nodes and edges. A place is a value and the index of its element, or ``None`` for the whole value."""

    level: Level

    def __init__(self, paths: GradientPaths) -> None:
        self.paths = paths
        self.flow = Flow(paths)
        self.nodes: list[PathNode] = []
        self.edges: list[PathEdge] = []
        self.joins: defaultdict[tuple[Place, Place], list[int]] = defaultdict(list)
        """The positions of the edges between two places."""
        self.ids: dict[Place, str] = {}

    def add_node(self, place: Place, name: str, data: str, share: float) -> None:
        value, index = place
        paths = self.paths
        kind: Literal["end", "between", "wrt"] = "between"
        if value is paths.end and index in (None, paths.end_at):
            kind = "end"
        if value is paths.wrt and index in (None, paths.at):
            kind = "wrt"
        sign = "" if name or value.op is None else value.op.sign
        self.ids[place] = f"v{len(self.ids)}"
        self.nodes.append(PathNode(self.ids[place], name, sign, data, kind, share))

    def add_edge(self, node: Place, operand: Place, local: Local, carried: Carried) -> None:
        self.joins[node, operand].append(len(self.edges))
        ends = f"e{len(self.edges)}", self.ids[operand], self.ids[node]
        self.edges.append(PathEdge(*ends, local.text, local.formula, local.value, carried.share, carried.total))


class _Elements(_Drawn):
    """One place for each element, one arrow for each elementary edge."""

    level = "elements"

    def __init__(self, paths: GradientPaths, counts: Sums, values: Sequence[Value]) -> None:
        super().__init__(paths)
        for value in values:
            for index in _indices(counts, value):
                data = value.data[index] if value.shape else value.data
                self.add_node((value, index), _text(value, index), number(float(data)), self.flow.at(value, index))
        for node in reversed(values):
            with np.errstate(all="ignore"):
                found = list(chains(node))
            for position, operand, chain in found:
                if operand not in counts.behind:
                    continue
                scalar = local_derivative(node, position, operand, chain)
                for index in _indices(counts, node):
                    for inner, weight in edges(chain, index):
                        if not counts.edge(node, index, operand, inner, weight):
                            continue
                        local = Local(number(weight), scalar.formula, weight + 0.0)
                        carried = self.flow.edge(node, index, operand, inner, weight)
                        self.add_edge((node, index), (operand, inner), local, carried)


def _indices(counts: Sums, value: Value) -> Iterator[Index]:
    """The elements of a value that lie on a path, in order."""
    return (tuple(map(int, index)) for index in np.argwhere(counts.reach(value)))


class _Values(_Drawn):
    """One place for each value."""

    level = "values"

    def __init__(self, paths: GradientPaths, counts: Sums, values: Sequence[Value]) -> None:
        super().__init__(paths)
        for value in values:
            shape = f"{shape_text(value.shape)}: " if value.shape else ""
            name = value.name or ""
            if value is paths.wrt:
                name = _text(value, paths.at)
                shape = ""
            data = summary(value.data if value is not paths.wrt or not value.shape else value.data[paths.at])
            self.add_node((value, None), name, f"{shape}{data}", self.flow.through(value))
        for node in reversed(values):
            with np.errstate(all="ignore"):
                for position, operand, chain in chains(node):
                    if counts.along(node, operand, chain):
                        local = local_derivative(node, position, operand, chain)
                        self.add_edge((node, None), (operand, None), local, self.flow.along(node, operand, chain))


def _with_ranks(drawn: _Drawn, ranked: Sequence[Path]) -> list[PathEdge]:
    """The edges, each with the ranks of the paths that use it; those with the largest shares are marked.

    A path names its nodes, but not the edge that it took where several are parallel. Paths with the same nodes take
    parallel edges in turn, the last step changing first: the order in which paths are listed.
    """
    ranks: defaultdict[int, list[int]] = defaultdict(list)
    met: Counter[tuple[tuple[Place, ...], tuple[float, ...]]] = Counter()
    for rank, path in enumerate(ranked):
        indices = path.indices if drawn.level == "elements" else (None,) * len(path.nodes)
        places: tuple[Place, ...] = tuple(zip(path.nodes, indices, strict=True))
        turn = met[places, path.locals]
        met[places, path.locals] += 1
        steps = list(zip(itertools.pairwise(places), path.locals, strict=True))
        for join, local in reversed(steps):
            among = [k for k in drawn.joins[join] if drawn.edges[k].local in (None, local)] or drawn.joins[join]
            turn, choice = divmod(turn, len(among))
            ranks[among[choice]].append(rank)
    written = marked([edge.share for edge in drawn.edges])
    return [replace(edge, ranks=tuple(ranks[k]), marked=k in written) for k, edge in enumerate(drawn.edges)]
