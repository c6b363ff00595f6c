"""Activations by name: the function that follows a weighted sum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import UnknownNameError, ValueTypeError
from ..graph import naming
from ..ops import elementary as E
from ..ops import functions as F

__all__ = ["ACTIVATIONS", "ActivationFunction", "activation_function", "activation_name", "is_linear"]


ActivationFunction = Callable[[Any], Any]
"""A function from a Value to a Value, element by element."""


def linear(x: Any) -> Any:
    """``x`` itself: no activation."""
    return x


ACTIVATIONS: dict[str, ActivationFunction] = {
    "linear": linear,
    "sigmoid": E.sigmoid,
    "tanh": E.tanh,
    "relu": E.relu,
    "leaky_relu": E.leaky_relu,
    "elu": E.elu,
    "gelu": F.gelu,
    "silu": E.silu,
    "softplus": E.softplus,
}
"""The activations by name."""


def activation_function(activation: str | ActivationFunction, who: str) -> ActivationFunction:
    """The function that a name stands for; a function stands for itself.

    Raises ``UnknownNameError`` for an unknown name, with the nearest and all known ones.
    """
    if isinstance(activation, str):
        if activation in ACTIVATIONS:
            return ACTIVATIONS[activation]
        near = naming.closest(activation, ACTIVATIONS)
        raise UnknownNameError(
            f"{who}: no activation is called {activation!r}; {f'did you mean {near[0]!r}? ' if near else ''}"
            f"there are {', '.join(ACTIVATIONS)}, or pass a function of a Value"
        )
    if not callable(activation):
        raise ValueTypeError(
            f"{who}: an activation is a name or a function of a Value, got {type(activation).__name__}; "
            f"the names are {', '.join(ACTIVATIONS)}"
        )
    return activation


def activation_name(activation: str | ActivationFunction) -> str:
    """The name of an activation in a ``repr``.

    >>> activation_name("relu"), activation_name(linear)
    ('relu', 'linear')
    """
    return activation if isinstance(activation, str) else getattr(activation, "__name__", type(activation).__name__)


def is_linear(activation: str | ActivationFunction) -> bool:
    """Whether the activation is the identity, so that a neuron's output is its weighted sum."""
    return activation == "linear" or activation is linear
