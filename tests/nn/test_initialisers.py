"""Initialisers: the weights and biases that a layer starts from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tinygrad_lite import nn
from tinygrad_lite.errors import ArgumentError, ShapeError, UnknownNameError, ValueTypeError
from tinygrad_lite.nn.initialisers import INITIALISERS, generator, initialiser


@pytest.mark.parametrize(
    ("name", "bound", "variance"),
    [("uniform", 1.0, 1 / 3), ("glorot", np.sqrt(6 / 300), 2 / 300), ("he", np.inf, 2 / 200)],
)
def test_distributions(name: str, bound: float, variance: float, rng: np.random.Generator) -> None:
    w, b = INITIALISERS[name](200, 100, rng)
    assert w.shape == (200, 100)
    assert b.shape == (100,)
    assert abs(w).max() <= bound
    assert abs(w.var() / variance - 1.0) < 0.05
    assert abs(w.mean()) < 0.05 * np.sqrt(variance)
    assert (0.1 < b.var() < 0.6) if name == "uniform" else not b.any()


def test_signals_keep_their_size_through_many_layers(rng: np.random.Generator) -> None:
    x = rng.normal(size=(200, 100))
    for activation in ("tanh", "relu"):
        mlp = nn.MLP(100, [100] * 10, activation=activation, output=activation, rng=0)
        assert 0.05 < mlp(x).data.std() < 5.0


@pytest.mark.parametrize(
    ("activation", "name"),
    [("sigmoid", "glorot"), ("tanh", "glorot"), ("linear", "glorot"), ("relu", "he"), ("gelu", "he"), (abs, "glorot")],
)
def test_the_default_suits_the_activation(activation: Any, name: str) -> None:
    assert initialiser(None, activation) is INITIALISERS[name]


def test_scalars_and_arrays_start_alike() -> None:
    for init in (None, "uniform", "glorot", "he"):
        arrays = nn.MLP(3, [4, 2], activation="relu", output="linear", rng=1, init=init)
        scalars = nn.scalar.MLP(3, [4, 2], activation="relu", output="linear", rng=1, init=init)
        target = nn.MLP(3, [4, 2], rng=2)
        target.load_state_dict(scalars.state_dict())
        for own, other in zip(arrays.parameters(), target.parameters(), strict=True):
            assert_array_equal(own.data, other.data)


def test_an_initialiser_of_the_users_own() -> None:
    def ones(n_in: int, n_out: int, rng: np.random.Generator) -> Any:
        return np.ones((n_in, n_out)), np.full(n_out, 0.5)

    assert nn.Linear(3, 2, init=ones)(np.ones(3)).data.tolist() == [3.5, 3.5]
    assert nn.scalar.MLP(3, [1], init=ones)([1.0, 1.0, 1.0]).data == 3.5


def test_bad_initialisers() -> None:
    with pytest.raises(UnknownNameError, match="no initialiser is called 'gloro'; did you mean 'glorot'"):
        nn.MLP(2, [2], init="gloro")
    with pytest.raises(UnknownNameError, match="no initialiser is called 'zeros'; there are uniform, glorot, he"):
        nn.Linear(2, 2, init="zeros")
    with pytest.raises(ValueTypeError, match=r"init: needs a name or a function of .*, got float"):
        nn.Linear(2, 2, init=0.0)  # type: ignore[arg-type]
    with pytest.raises(
        ShapeError, match=r"weights of shape \(2, 3\) and biases of shape \(3,\), got \(3, 2\) and \(3,\)"
    ):
        nn.Linear(2, 3, init=lambda n_in, n_out, rng: (np.ones((n_out, n_in)), np.ones(n_out)))


@pytest.mark.parametrize("rng", [-1, 1.5, "seed", True, np.random.RandomState(0)])
def test_bad_generators(rng: Any) -> None:
    with pytest.raises(ArgumentError, match="rng: needs a NumPy generator, a seed of at least 0, or None, got"):
        generator(rng)
