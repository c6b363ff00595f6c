"""The frames around modules in the picture of a graph."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from tinygrad_lite.core.value import Value
from tinygrad_lite.graph.scopes import Region

from .collapsing import Regions, View

__all__ = ["Frame", "Frames", "frames_of"]


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
