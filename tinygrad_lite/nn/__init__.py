"""Neural networks: modules, layers on arrays, networks of scalars, losses.

The room imports ``graph`` (the names of a network's numbers), ``ops`` and ``core``.

>>> from tinygrad_lite import nn
>>> mlp = nn.MLP(2, [10, 2], activation="sigmoid", output="linear", rng=0)
>>> loss = nn.losses.cross_entropy(mlp([[0.0, 1.0], [1.0, 1.0]]), [1, 0])
>>> loss.backward()
>>> mlp.layers[0].w.grad.shape
(2, 10)
"""

from . import initialisers, losses, scalar
from .activations import ACTIVATIONS
from .convolution import Conv
from .layers import MLP, Activation, Dropout, Linear, Sequential
from .modules import Module

__all__ = [
    "ACTIVATIONS", "MLP", "Activation", "Conv", "Dropout", "Linear", "Module", "Sequential", "initialisers", "losses",
    "scalar",
]  # fmt: skip
