"""A large graph made small enough to read: a module, a long chain, or the early part of the graph becomes one box.

A group of Values is drawn as one box. Its operands and its readers stay outside; the Values inside are left out, and
their ops counted. Every group is convex, so the picture of an acyclic graph is acyclic. A module that stays open has a
frame around the Values that it computed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tinygrad_lite.core.graph import ancestors
from tinygrad_lite.core.value import Value
from tinygrad_lite.graph.scopes import Region

__all__ = ["CHAIN", "LIMIT", "Frame", "Frames", "Group", "Regions", "View", "collapsed", "frames_of"]

LIMIT = 2_000
"""The largest number of nodes in a picture, ops among them. A layered picture of as many is 4.5 m wide on paper."""

CHAIN = 24
"""The least number of ops in a row that become one box."""
_KEPT = 4  # ops of the row that stay outside the box, at either end


@dataclass(frozen=True, eq=False)
class Group:
    """Values drawn as one box: the text on the box, and the number of ops inside."""

    label: str
    ops: int


Groups = Mapping[Value, Group]
Regions = Mapping[Value, Sequence[Region]]
"""The calls of named modules that each Value was computed in, the outermost first."""


@dataclass(frozen=True)
class View:
    """The part of a graph that is drawn.

    ``order`` holds every Value after its operands, and ``ends`` are always drawn. ``groups`` maps Values to the box
    that they are in, and ``gone`` are the Values that are not drawn. ``depth`` is the number of levels of modules that
    are open. ``note`` says what was made smaller without being asked for.
    """

    ends: Sequence[Value]
    order: list[Value]
    groups: Groups
    gone: set[Value]
    depth: int
    note: str

    def shown(self) -> list[Value]:
        """The Values that are drawn, each after its operands."""
        return [node for node in self.order if node not in self.gone]


def collapsed(ends: Sequence[Value], regions: Regions, depth: int | None, fold: bool, limit: int) -> View:
    """The view of the graph of some ends in at most ``limit`` nodes.

    ``depth`` levels of modules are open, or fewer until the graph fits. If it never does, the early values are one box.
    """
    order = ancestors(*ends)
    levels = max(map(len, regions.values()), default=0)
    wanted = levels if depth is None else min(depth, levels)
    attempts = [(level, _modules_collapsed(regions, level)) for level in range(wanted, -1, -1)]
    attempts.append((0, _calls_merged(order, attempts[-1][1])))
    for open_levels, modules in attempts:
        groups = modules | _chains_folded(order, modules) if fold else modules
        gone = _hidden(order, groups, ends)
        if _fits(order, groups, gone, limit):
            what = "each module is one box, whatever it was called for"
            if modules is not attempts[-1][1]:
                what = f"modules are boxes from level {open_levels + 1} on"
            note = "" if modules is attempts[0][1] else f"too large for {limit:,} nodes: {what}"
            return View(ends, order, groups, gone, open_levels, note)
    keep, early = limit // 3, groups | _start_folded(order, limit // 3)
    while keep > 1 and not _fits(order, early, _hidden(order, early, ends), limit):
        keep //= 2
        early = groups | _start_folded(order, keep)
    count = sum(2 - node.is_leaf for node in order)
    note = f"{count:,} nodes, at most {limit:,} are drawn: the {keep:,} last results one by one"
    return View(ends, order, early, _hidden(order, early, ends), 0, note)


def _modules_collapsed(regions: Regions, depth: int) -> dict[Value, Group]:
    """One group for each call of a module that has ``depth`` others around it; with 0 for each outermost call."""
    members = Counter(stack[depth] for stack in regions.values() if len(stack) > depth)
    boxes = {region: Group(region.name, count) for region, count in members.items()}
    return {node: boxes[stack[depth]] for node, stack in regions.items() if len(stack) > depth}


def _calls_merged(order: Sequence[Value], groups: Groups) -> dict[Value, Group]:
    """The groups, where all calls of one name share a box (one call per sample, say).

    Calls stay apart where a path leads from one to another: their common box would be on a cycle.
    """
    names = dict.fromkeys(group.label for group in groups.values())
    ops, calls = Counter(group.label for group in groups.values()), Counter(group.label for group in {*groups.values()})
    boxes = {name: Group(f"{name} ×{calls[name]:,}" if calls[name] > 1 else name, ops[name]) for name in names}
    merged = {node: boxes[group.label] for node, group in groups.items()}
    below: dict[Value, dict[Group, Group | int]] = {}
    """For each Value the boxes on paths to it, each with the one call on those paths, or 0 for several calls."""
    tangled = set()
    for node in order:
        before: dict[Group, Group | int] = {}
        for parent in node.parents:
            for box, call in below[parent].items():
                before[box] = call if before.get(box, call) is call else 0
        if node in groups:
            if before.get(merged[node], groups[node]) is not groups[node]:
                tangled.add(merged[node])
            before[merged[node]] = groups[node]
        below[node] = before
    return {node: group if merged[node] in tangled else merged[node] for node, group in groups.items()}


def _chains_folded(order: Sequence[Value], taken: Groups) -> dict[Value, Group]:
    """One group for the middle of each long chain of Values outside ``taken``, each with one operand and one reader."""
    readers = Counter(parent for node in order for parent in {*node.parents})

    def inner(node: Value) -> Value | None:
        """The operand of a Value, if it has exactly one that is the result of an op."""
        made = [parent for parent in {*node.parents} if not parent.is_leaf]
        return made[0] if len(made) == 1 and made[0] not in taken else None

    groups: dict[Value, Group] = {}
    done: set[Value] = set()
    for node in reversed(order):
        if node in done or node in taken or node.is_leaf:
            continue
        run = [node]
        following = inner(node)
        while following is not None and readers[following] == 1 and following not in done:
            run.append(following)
            following = inner(run[-1])
        done.update(run)
        middle = run[_KEPT:-_KEPT]
        if len(run) >= CHAIN:
            group = Group("one after the other", len(middle))
            groups |= dict.fromkeys(middle, group)
    return groups


def _start_folded(order: Sequence[Value], keep: int) -> dict[Value, Group]:
    """One group of all results but the ``keep`` last."""
    results = [node for node in order if not node.is_leaf]
    early = results[: max(0, len(results) - keep)]
    group = Group("what came before", len(early))
    return dict.fromkeys(early, group)


def _hidden(order: Sequence[Value], groups: Groups, ends: Sequence[Value]) -> set[Value]:
    """The Values that are left out: members of a group, and leaves, that only this group reads."""
    readers: dict[Value, set[Group | None]] = defaultdict(set)
    for node in order:
        for parent in node.parents:
            readers[parent].add(groups.get(node))
    gone = set()
    drawn = set(ends)
    for node in order:
        around = readers[node]
        if node in drawn or len(around) != 1 or None in around:
            continue
        (group,) = around
        leaf = node.is_leaf and (node.requires_grad or node.name is None)
        if groups.get(node) is group or (leaf and group is not None):
            gone.add(node)
    return gone


def _fits(order: Sequence[Value], groups: Groups, gone: set[Value], limit: int) -> bool:
    """Whether the picture has at most ``limit`` nodes (values, ops and boxes), and at most twice as many arrows."""
    nodes = sum(node not in gone for node in order)
    nodes += sum(not node.is_leaf and node not in groups for node in order) + len({*groups.values()})
    arrows = sum(len(node.parents) for node in order if node not in groups)
    read = {(parent, group) for node, group in groups.items() for parent in node.parents if parent not in gone}
    arrows += sum(groups.get(parent) is not group for parent, group in read)
    return nodes <= limit and arrows <= 2 * limit


# ---- frames around the modules that are open


@dataclass(frozen=True, slots=True)
class Frame:
    """The frame around the Values that one call of a module computed.

    ``parent`` is the id of the frame around it, or empty; the ``label`` is the module's ``name`` without the part that
    the parent's name repeats.
    """

    id: str
    label: str
    parent: str
    name: str


@dataclass
class Frames:
    """Frames, a parent before those inside it, and the id of the innermost frame of each Value that stands in one."""

    of_region: dict[Region, Frame] = field(default_factory=dict)
    of_value: dict[Value, str] = field(default_factory=dict)

    def innermost(self, around: Sequence[Region]) -> str:
        """The id of the innermost frame; those around it are made where they are missing."""
        parent: Frame | None = None
        for region in around:
            if region not in self.of_region:
                label = region.name.removeprefix(f"{parent.name}.") if parent else region.name
                id = f"cluster_{len(self.of_region)}"
                self.of_region[region] = Frame(id, label, parent.id if parent else "", region.name)
            parent = self.of_region[region]
        return parent.id if parent else ""


def frames_of(view: View, regions: Regions) -> Frames:
    """The frames of the modules that are open. A parameter stands with its readers, if one frame has them all."""
    frames = Frames()
    readers: defaultdict[Value, list[tuple[Region, ...]]] = defaultdict(list)
    for node in view.order:
        around = tuple(regions.get(node, ()))[: view.depth]
        for parent in node.parents:
            readers[parent].append(around)
        if around and (node in view.groups or node not in view.gone):
            frames.of_value[node] = frames.innermost(around)
    for node in view.order:
        within = {*readers[node]}
        if node.is_leaf and node.requires_grad and node not in view.gone and len(within) == 1:
            (around,) = within
            if around:
                frames.of_value[node] = frames.innermost(around)
    return frames
