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

from . import elementary, functions, methods, numpy_functions, semirings  # noqa: F401  (methods, numpy_functions: they fill Value in)
from .anomalies import detect_anomaly
from .checking import Comparison, DifferentGradientsError, compare
from .checkpointing import checkpoint
from .compiler import CompiledStep, compile
from .derivation import Derivation, derive
from .elementary import *  # noqa: F403
from .elementwise import weighted_sum
from .errors import TinygradError
from .finding import find
from .function_checks import check_grads
from .functions import *  # noqa: F403
from .manual import ManualBackprop, manual_backprop
from .path import Path
from .paths import GradientPaths, gradient_paths
from .primitives import primitive
from .recording import no_grad
from .sweeping import replay, sweep
from .transforms import elementwise_grad, grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from .value import Value

from . import datasets, nn, optim, training  # isort: skip  (networks are made of all of the above)

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
