"""The import paths that the modules of ``viz`` had before they were sorted into rooms; each still works."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__ = ["MOVED", "install"]

MOVED: dict[str, tuple[str, ...]] = {
    "viz.collapsing": ("viz.records.collapsing",),
    "viz.colours": ("viz.dot.colours",),
    "viz.digraphs": ("viz.dot.digraphs",),
    "viz.draw_graph": ("viz.pictures", "viz.dot.graph", "viz.records.graph"),
    "viz.draw_network": ("viz.pictures", "viz.dot.network"),
    "viz.draw_paths": ("viz.pictures", "viz.dot.paths"),
    "viz.drawing": ("viz.output.drawing",),
    "viz.escape": ("viz.dot.escape",),
    "viz.figures": ("viz.output.figures",),
    "viz.flow": ("viz.records.flow",),
    "viz.formulas": ("viz.records.local",),
    "viz.layered": ("viz.dot.layered",),
    "viz.network_layers": ("viz.records.layers",),
    "viz.network_records": ("viz.records.network",),
    "viz.numbers": ("viz.records.numbers",),
    "viz.path_records": ("viz.records.paths",),
    "viz.pdf": ("viz.output.pdf",),
    "viz.render": ("viz.output.render",),
    "viz.saving": ("viz.output.saving",),
}
"""Where each old module's names are now: the first module that has a name wins."""


class _Finder:
    """Finds an old module by the finder of ``tinygrad_lite``, which is loaded only when an old path is imported."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in MOVED:
            return None
        from tinygrad_lite._aliases import Moved

        return Moved(MOVED).find_spec(name, path)


def install() -> None:
    """Let ``import`` find the old modules.

    The finder comes last: none of the old modules is a package, so no other finder loads a file under an old name.
    """
    sys.meta_path.append(_Finder())
