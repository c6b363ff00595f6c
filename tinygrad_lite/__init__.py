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

from . import datasets, nn, optim, semirings, training
from ._aliases import MOVED, install
from .checks.anomalies import detect_anomaly
from .checks.comparison import Comparison, compare
from .checks.gradcheck import check_grads
from .compiler.step import CompiledStep, compile
from .core.elementwise import weighted_sum
from .core.evaluation import replay
from .core.recording import no_grad
from .core.sweeps import sweep
from .core.value import Value
from .derivation.derivation import derive
from .derivation.result import Derivation
from .errors import DifferentGradientsError, TinygradError
from .graph.lookup import find
from .handwritten.manual import ManualBackprop, manual_backprop
from .ops import elementary, functions, methods, numpy_dispatch  # noqa: F401  (methods, numpy_dispatch: they fill Value in)
from .ops.elementary import *  # noqa: F403
from .ops.functions import *  # noqa: F403
from .ops.primitives import primitive
from .paths.path import Path
from .paths.queries import GradientPaths, gradient_paths
from .transforms.checkpointing import checkpoint
from .transforms.jacobians import hessian, jacobian
from .transforms.transforms import elementwise_grad, grad, hvp, jvp, value_and_grad, vjp

__all__ = [
    "Comparison",
    "CompiledStep",
    "Derivation",
    "DifferentGradientsError",
    "GradientPaths",
    "ManualBackprop",
    "Path",
    "TinygradError",
    "Value",
    "check_grads",
    "checkpoint",
    "compare",
    "compile",
    "datasets",
    "derive",
    "detect_anomaly",
    "elementwise_grad",
    "find",
    "grad",
    "gradient_paths",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "manual_backprop",
    "nn",
    "no_grad",
    "optim",
    "primitive",
    "replay",
    "semirings",
    "sweep",
    "training",
    "value_and_grad",
    "vjp",
    "weighted_sum",
    *elementary.__all__,
    *functions.__all__,
]
__version__ = "0.1.0"

install(MOVED)
