"""The import paths that modules had before they were sorted into rooms; each still works, without a warning."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["MOVED", "Moved", "install"]

MOVED = {
    f"tinygrad_lite.{old}": tuple(f"tinygrad_lite.{new}" for new in now.split())
    for old, now in {
        "anomalies": "checks.anomalies",
        "arrangements": "ops.joining ops.reshaping ops.rearrangement ops.selection ops.products",
        "axes": "ops.axes",
        "blocking": "compiler.blocking",
        "calls": "graph.scopes",
        "capturing": "compiler.capture",
        "carrying": "ops.on_values core.graph core.sweeps ops.casting",
        "checking": "checks.comparison",
        "checkpointing": "transforms.checkpointing",
        "constants": "ops.nondifferentiable",
        "containers": "transforms.pytrees",
        "core.derivatives": "core.elementwise_derivatives",
        "costs": "ops.fused_losses",
        "decompositions": "ops.decompositions",
        "dense": "ops.dense",
        "derivatives": "core.elementwise_derivatives core.numerics core.table_source",
        "deriving": "derivation",
        "deriving.arrays": "derivation.arrays",
        "deriving.elements": "derivation.elements",
        "deriving.factoring": "derivation.factoring",
        "deriving.layout": "derivation.layout",
        "deriving.matrices": "derivation.matrices",
        "deriving.numbers": "derivation.scalars",
        "deriving.result": "derivation.result",
        "deriving.sources": "derivation.names",
        "deriving.trees": "derivation.trees",
        "differences": "checks.differences checks.complex_step",
        "einsums": "ops.einsums",
        "elementary": "ops.elementary",
        "elementwise": "core.elementwise",
        "emitting": "compiler.codegen compiler.scope",
        "expressions": "formulas.expressions formulas.symbols",
        "finding": "graph.lookup",
        "flattening": "compiler.flat",
        "function_checks": "checks.gradcheck",
        "functions": "ops.functions",
        "grids": "ops.calculus",
        "handwriting": "handwritten",
        "handwriting.file": "handwritten.file",
        "handwriting.layout": "handwritten.layout",
        "handwriting.noted": "programs.tracing",
        "handwriting.program": "handwritten.passes",
        "handwriting.pulling": "handwritten.program",
        "handwriting.samples": "handwritten.loops",
        "handwriting.source": "formulas.python formulas.code formulas.symbols",
        "handwriting.statements": "handwritten.statements",
        "leveling": "compiler.levels",
        "handwritten.page": "handwritten.layout",
        "linalg": "ops.linalg",
        "lowering": "compiler.lowering compiler.lowered programs.calls programs.tracing",
        "manual": "handwritten.manual",
        "maps": "core.maps core.shapes",
        "methods": "ops.methods",
        "moves": "ops.reshaping ops.rearrangement ops.selection ops.joining",
        "naming": "graph.naming",
        "ops.manipulation": "ops.reshaping",
        "nan_reductions": "ops.statistics",
        "norms": "ops.norms",
        "numpy_functions": "ops.numpy_dispatch",
        "ordering": "ops.selection ops.statistics ops.quantiles",
        "path": "paths.path",
        "primitives": "ops.primitives",
        "products": "ops.products",
        "ranking": "paths.k_best",
        "recording": "core.recording",
        "reductions": "ops.reductions ops.calculus ops.statistics ops.activations",
        "rehearsing": "core.sweeps",
        "routes": "paths.gates",
        "samples": "graph.batches",
        "sampling": "paths.listing",
        "semirings.logarithms": "semirings.entropy",
        "showing": "core.display",
        "slips": "checks.diagnosis",
        "sweeping": "core.sweeps core.graph core.evaluation",
        "taping": "compiler.tape",
        "tracing": "formulas.reader",
        "value": "core.value core.recording core.shapes",
        "windows": "ops.windows",
        "writing": "formulas.printer formulas.text formulas.latex formulas.python formulas.code",
    }.items()
}
"""Where each old module's names are now: the first module that has a name wins."""


class Moved:
    """A finder and loader of old modules: the new one in its place, or one that has the names of several."""

    def __init__(self, moved: Mapping[str, tuple[str, ...]]) -> None:
        self.moved = moved

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name in self.moved else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """Return ``None``: Python makes a plain module."""

    def exec_module(self, module: ModuleType) -> None:
        places = [import_module(place) for place in self.moved[module.__name__]]
        if len(places) == 1:
            sys.modules[module.__name__] = places[0]
            return
        for place in reversed(places):
            module.__dict__.update({name: a for name, a in vars(place).items() if not name.startswith("__")})
        module.__dict__["__all__"] = sorted({name for place in places for name in getattr(place, "__all__", ())})


def install(moved: Mapping[str, tuple[str, ...]]) -> None:
    """Let ``import`` find the old modules in ``moved``.

    The finder comes first: otherwise Python would load a room's files a second time, under the old package's name.
    """
    sys.meta_path.insert(0, Moved(moved))
