"""Initialisers: the weights and biases that a network starts from.

An initialiser is a function of the number of inputs and outputs of a layer and a NumPy random generator. It returns the
weights, of shape (inputs, outputs), and the biases, of shape (outputs,). With zeros for all of them the neurons of a
layer would stay equal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArgumentError, ShapeError
from .dims import named

__all__ = ["INITIALISERS", "Initialiser", "Seed", "draw", "generator", "glorot", "he", "initialiser", "uniform"]


Array = npt.NDArray[np.float64]
Initialiser = Callable[[int, int, np.random.Generator], tuple[Array, Array]]
Seed = np.random.Generator | int | None
"""A generator to draw from, the seed of a new one, or ``None`` for one that differs every time."""


def uniform(n_in: int, n_out: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Weights and biases uniform in (-1, 1): for networks of a few neurons.

    >>> w, b = uniform(2, 3, np.random.default_rng(0))
    >>> w.shape, b.shape, bool((abs(w) < 1).all())
    ((2, 3), (3,), True)
    """
    return rng.uniform(-1.0, 1.0, (n_in, n_out)), rng.uniform(-1.0, 1.0, n_out)


def glorot(n_in: int, n_out: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Weights uniform within ±√(6 / (inputs + outputs)), biases 0: for sigmoid, tanh and linear layers.

    Neither signals forward nor gradients backward grow or shrink much from layer to layer.

    Source: X. Glorot and Y. Bengio, *Understanding the difficulty of training deep feedforward neural networks*, 2010,
    eq. 16.

    >>> w, b = glorot(2, 3, np.random.default_rng(0))
    >>> w.shape, b.tolist()
    ((2, 3), [0.0, 0.0, 0.0])
    """
    bound = np.sqrt(6.0 / (n_in + n_out))
    return rng.uniform(-bound, bound, (n_in, n_out)), np.zeros(n_out)


def he(n_in: int, n_out: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Weights normal with variance 2 / inputs, biases 0: for relu and its relatives, which pass half of their inputs.

    Source: K. He et al., *Delving deep into rectifiers*, 2015, eq. 10.

    >>> w, b = he(2, 3, np.random.default_rng(0))
    >>> w.shape, b.tolist()
    ((2, 3), [0.0, 0.0, 0.0])
    """
    return rng.normal(0.0, np.sqrt(2.0 / n_in), (n_in, n_out)), np.zeros(n_out)


INITIALISERS: dict[str, Initialiser] = {"uniform": uniform, "glorot": glorot, "he": he}
"""The initialisers by name."""

_RECTIFIERS = frozenset({"relu", "leaky_relu", "elu", "gelu", "silu", "softplus"})


def generator(rng: Seed) -> np.random.Generator:
    """The generator that ``rng`` stands for.

    Raises ``ArgumentError`` for anything but a NumPy generator, a seed of at least 0, or ``None``.

    >>> generator(7).integers(100) == generator(7).integers(100)
    np.True_
    """
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is None or (isinstance(rng, int | np.integer) and not isinstance(rng, bool) and rng >= 0):
        return np.random.default_rng(rng)
    raise ArgumentError(
        f"rng: needs a NumPy generator, a seed of at least 0, or None, got {rng!r}; such as default_rng(0)"
    )


def initialiser(init: str | Initialiser | None, activation: Any = "linear") -> Initialiser:
    """The function that ``init`` stands for: itself, or the initialiser of that name.

    ``None`` means ``he`` before relu and its relatives, ``glorot`` before every other ``activation``.

    Raises ``UnknownNameError`` for an unknown name, ``ValueTypeError`` for anything but a name or a function.

    >>> initialiser("uniform") is uniform, initialiser(None, "relu") is he, initialiser(None, "tanh") is glorot
    (True, True, True)
    """
    if init is None:
        return he if isinstance(activation, str) and activation in _RECTIFIERS else glorot
    return named(init, INITIALISERS, "init: no initialiser is", "init: needs", "(n_in, n_out, rng)")


def draw(init: Initialiser, n_in: int, n_out: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Weights (inputs, outputs) and biases (outputs,) from an initialiser, with their shapes checked.

    Raises ``ShapeError`` if a user's initialiser returns other shapes.
    """
    w, b = (np.asarray(part) for part in init(n_in, n_out, rng))
    if w.shape != (n_in, n_out) or b.shape != (n_out,):
        raise ShapeError(
            f"init: needs weights of shape {(n_in, n_out)} and biases of shape {(n_out,)}, "
            f"got {w.shape} and {b.shape}; return both from {getattr(init, '__name__', 'the initialiser')}"
        )
    return w, b
