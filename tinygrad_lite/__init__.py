"""Every gradient, path by path: a computation-graph autodiff framework that takes gradients apart."""

from . import functions, methods, numpy_functions, semirings  # noqa: F401
from .checking import Comparison, compare
from .elementary import *  # noqa: F403
from .functions import *  # noqa: F403
from .paths import GradientPaths, Path, gradient_paths
from .recording import no_grad
from .sweeping import replay, sweep
from .value import Value
