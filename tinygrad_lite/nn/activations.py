"""Activations by name: the function that follows a weighted sum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..ops import elementary as E
from ..ops import functions as F
from .dims import named

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
    return named(activation, ACTIVATIONS, f"{who}: no activation is", f"{who}: an activation is", "a Value")


def activation_name(activation: str | ActivationFunction) -> str:
    """The name of an activation in a ``repr``.

    >>> activation_name("relu"), activation_name(linear)
    ('relu', 'linear')
    """
    return activation if isinstance(activation, str) else getattr(activation, "__name__", type(activation).__name__)


def is_linear(activation: str | ActivationFunction) -> bool:
    """Whether the activation is the identity, so that a neuron's output is its weighted sum."""
    return activation == "linear" or activation is linear
