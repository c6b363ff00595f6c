"""A graph too large to be read, made smaller: modules as one box, long chains as one, what lies far back as one.

A group of values is drawn as a box of its own, with what it reads and what is read of it outside; what is inside is
left out, and counted. Groups are convex, so that the picture of a graph without cycles has none.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tinygrad_lite.core.value import Value
from tinygrad_lite.graph.scopes import Region

__all__ = [
    "CHAIN",
    "LIMIT",
    "Group",
    "calls_merged",
    "chains_folded",
    "deepest",
    "fits",
    "hidden",
    "modules_collapsed",
    "start_folded",
]


LIMIT = 2_000
"""The largest number of nodes in a picture, ops among them. Laid out in layers, as many are 4.5 m wide on paper."""

CHAIN = 24
"""Ops in a row that are drawn as one box."""
_KEPT = 4  # of these at either end


@dataclass(frozen=True, eq=False)
class Group:
    """Values that are drawn as one box: what it says, and how many ops are in it."""

    label: str
    ops: int


Groups = Mapping[Value, Group]


def deepest(regions: Mapping[Value, tuple[Region, ...]]) -> int:
    """How many levels of modules there are, one inside the other."""
    return max((sum(1 for region in within if region.name) for within in regions.values()), default=0)


def modules_collapsed(regions: Mapping[Value, tuple[Region, ...]], depth: int) -> dict[Value, Group]:
    """Groups of the modules that have ``depth`` others around them; with 0 the outermost are one box each."""
    within = {node: [region for region in stack if region.name] for node, stack in regions.items()}
    members = Counter(stack[depth] for stack in within.values() if len(stack) > depth)
    boxes = {region: Group(region.name, count) for region, count in members.items()}
    return {node: boxes[stack[depth]] for node, stack in within.items() if len(stack) > depth}


def calls_merged(order: Iterable[Value], groups: Groups) -> dict[Value, Group]:
    """The same groups, where those of one name are one, as long as no path leads from one to another: samples, say."""
    order = list(order)
    names = dict.fromkeys(group.label for group in groups.values())
    ops, calls = Counter(group.label for group in groups.values()), Counter(group.label for group in {*groups.values()})
    boxes = {name: Group(f"{name} ×{calls[name]:,}" if calls[name] > 1 else name, ops[name]) for name in names}
    merged = {node: boxes[group.label] for node, group in groups.items()}
    # For each value the boxes that it was computed by way of, and the call, 0 for several.
    below: dict[Value, dict[Group, Group | int]] = {}
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


def chains_folded(order: Iterable[Value], taken: Groups) -> dict[Value, Group]:
    """Groups of long runs of values that read one other and are read by one, the middle of each; not what is taken."""
    order = list(order)
    readers = Counter(parent for node in order for parent in {*node.parents})

    def inner(node: Value) -> Value | None:
        """The one value computed by an op that a value goes on from."""
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


def start_folded(order: list[Value], keep: int) -> dict[Value, Group]:
    """One group of all results but the ``keep`` last: what was computed long before the end."""
    results = [node for node in order if not node.is_leaf]
    early = results[: max(0, len(results) - keep)]
    group = Group("what came before", len(early))
    return dict.fromkeys(early, group)


def hidden(order: Iterable[Value], end: Value, groups: Groups) -> set[Value]:
    """The values that are left out: of those in a group, and of the leaves, what nothing outside reads."""
    order = list(order)
    readers: dict[Value, set[Group | None]] = defaultdict(set)
    for node in order:
        for parent in node.parents:
            readers[parent].add(groups.get(node))
    gone = set()
    for node in order:
        around = readers[node]
        if node is end or len(around) != 1 or None in around:
            continue
        (group,) = around
        leaf = node.is_leaf and (node.requires_grad or node.name is None)
        if groups.get(node) is group or (leaf and group is not None):
            gone.add(node)
    return gone


def fits(order: Iterable[Value], end: Value, groups: Groups, limit: int) -> bool:
    """Whether the picture has no more than ``limit`` nodes (values, ops and boxes), and twice as many arrows."""
    order = list(order)
    gone = hidden(order, end, groups)
    nodes = sum(node not in gone for node in order)
    nodes += sum(not node.is_leaf and node not in groups for node in order) + len({*groups.values()})
    arrows = sum(len(node.parents) for node in order if node not in groups)
    arrows += len(
        {
            (parent, groups[node])
            for node in groups
            for parent in node.parents
            if parent not in gone and groups.get(parent) is not groups[node]
        }
    )
    return nodes <= limit and arrows <= 2 * limit
