"""Every gradient, path by path: a computation-graph autodiff framework that takes gradients apart.

A ``Value`` is a number or an array that remembers how it was made; ``backward`` sums its gradients over all paths, and
``gradient_paths`` lists, counts and adds up those paths themselves.

>>> import tinygrad_lite as tg
>>> x, w = tg.Value(2.0, name="x"), tg.Value(3.0, name="w")
>>> loss = (x * w + x).square()
>>> loss.name = "C"
>>> loss.backward()
>>> x.grad
64.0
>>> for path in tg.gradient_paths(loss, x):
...     print(path)
C ← x : 2(x·w + x)·w = 48
C ← x : 2(x·w + x) = 16
"""

from importlib import import_module
from typing import Any

from ._aliases import MOVED, install
from .ops import elementary, functions, methods, numpy_dispatch  # noqa: F401  (methods, numpy_dispatch: they fill Value in)
from .ops.elementary import *  # noqa: F403
from .ops.functions import *  # noqa: F403

ROOMS = {
    "checks.anomalies": "detect_anomaly",
    "checks.comparison": "Comparison compare",
    "checks.gradcheck": "check_grads",
    "compiler.step": "CompiledStep compile",
    "core.elementwise": "weighted_sum",
    "core.evaluation": "replay",
    "core.recording": "no_grad",
    "core.sweeps": "sweep",
    "core.value": "Value",
    "derivation.derivation": "derive",
    "derivation.result": "Derivation",
    "errors": "DifferentGradientsError TinygradError",
    "grading.exercises": "Exercise exercise",
    "graph.lookup": "find",
    "handwritten.manual": "ManualBackprop manual_backprop",
    "ops.complex_pairs": "ComplexPair",
    "ops.primitives": "primitive",
    "paths.path": "Path",
    "paths.queries": "GradientPaths gradient_paths",
    "transforms.checkpointing": "checkpoint",
    "transforms.jacobians": "hessian jacobian",
    "transforms.transforms": "elementwise_grad grad hvp jvp value_and_grad vjp",
}
"""Public names by the module that is imported when one of them is first used: few programs use all of them."""

MODULES = ("datasets", "nn", "optim", "semirings", "training")
"""Public modules, imported when they are first used."""

_ROOM_OF = {name: room for room, names in ROOMS.items() for name in names.split()}

__all__ = sorted({*_ROOM_OF, *MODULES, *elementary.__all__, *functions.__all__})
__version__ = "0.1.0"

install(MOVED)


def __getattr__(name: str) -> Any:
    """A public name or a module, imported at its first use."""
    unknown = f"module {__name__!r} has no attribute {name!r}"
    if name in _ROOM_OF:
        found = getattr(import_module(f"{__name__}.{_ROOM_OF[name]}"), name)
    elif name.startswith("_"):
        raise AttributeError(unknown)
    else:
        try:
            found = import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":  # the module is there, and lacks something itself
                raise
            raise AttributeError(unknown) from None
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
