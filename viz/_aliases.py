"""The import paths that the modules of ``viz`` had before they were sorted into rooms."""

__all__ = ["MOVED"]

MOVED: dict[str, tuple[str, ...]] = {
    "viz.collapsing": ("viz.records.collapsing",),
    "viz.colours": ("viz.dot.colours",),
    "viz.digraphs": ("viz.dot.digraphs",),
    "viz.draw_graph": ("viz.dot.draw_graph", "viz.records.graph"),
    "viz.draw_network": ("viz.dot.draw_network",),
    "viz.draw_paths": ("viz.dot.draw_paths",),
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
"""Where each old module is now."""
