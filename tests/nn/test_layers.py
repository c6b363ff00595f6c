"""Layers on arrays against NumPy written by hand."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tinygrad_lite import Value, nn
from tinygrad_lite.errors import ArgumentError, ShapeError, UnknownNameError, ValueTypeError
from tinygrad_lite.ops import elementary


def sigmoid(z: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-z))


BY_HAND: dict[str, Any] = {
    "linear": lambda z: z,
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "relu": lambda z: np.where(z > 0, z, 0.0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "elu": lambda z: np.where(z > 0, z, np.exp(z) - 1.0),
    "gelu": lambda z: 0.5 * z * (1.0 + np.tanh(np.sqrt(2.0 / np.pi) * (z + 0.044715 * z**3))),
    "silu": lambda z: z * sigmoid(z),
    "softplus": lambda z: np.log(1.0 + np.exp(z)),
}


# ---- Linear ----------------------------------------------------------------------------------------------------------


def test_linear_by_hand(rng: np.random.Generator) -> None:
    layer = nn.Linear(3, 2, rng=0)
    x, g = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    out = layer(x)
    assert_allclose(out.data, x @ layer.w.data + layer.b.data)  # type: ignore[union-attr]
    out.backward(g)
    assert_allclose(layer.w.grad, x.T @ g)
    assert_allclose(layer.b.grad, g.sum(axis=0))  # type: ignore[union-attr]


@pytest.mark.parametrize("shape", [(3,), (1, 3), (4, 5, 3), (0, 3)])
def test_linear_takes_any_axes_in_front(shape: tuple[int, ...]) -> None:
    assert nn.Linear(3, 2, rng=0)(np.ones(shape)).shape == (*shape[:-1], 2)


def test_linear_without_bias() -> None:
    layer = nn.Linear(3, 2, bias=False, rng=0)
    assert list(layer.named_parameters()) == ["w"]
    assert_array_equal(layer(np.zeros(3)).data, [0.0, 0.0])


def test_linear_passes_the_gradient_to_its_input() -> None:
    layer, x = nn.Linear(3, 2, rng=0), Value(np.ones(3))
    layer(x).sum().backward()
    assert_allclose(x.grad, layer.w.data.sum(axis=1))


def test_linear_takes_integers_and_keeps_float32() -> None:
    layer = nn.Linear(2, 2, rng=0, dtype=np.float32)
    assert layer(np.ones((4, 2), dtype=np.float32)).dtype == np.float32
    assert layer([[0, 1]]).dtype == np.float32
    assert layer(np.array([True, False])).dtype == np.float32


@pytest.mark.parametrize("x", [np.ones((4, 2)), np.ones(4), 1.0, Value(np.ones((3, 4)), name="pixels")])
def test_linear_refuses_another_width(x: Any) -> None:
    with pytest.raises(ShapeError, match=r"Linear: 'w' needs inputs of width 3 on the last axis, got .*reshape it to"):
        nn.Linear(3, 2, rng=0)(x)


def test_the_error_names_the_layer_and_the_value() -> None:
    mlp = nn.MLP(3, [2, 2], rng=0)
    with pytest.raises(
        ShapeError, match=r"'w1' needs inputs of width 3 on the last axis, got 'pixels' \(of shape \(4,\)\)"
    ):
        mlp(Value(np.ones(4), name="pixels"))


@pytest.mark.parametrize("width", [0, -1, 2.0, "2", True, None])
def test_linear_refuses_bad_widths(width: Any) -> None:
    with pytest.raises(ArgumentError, match="Linear: n_in is a whole number of at least 1, got"):
        nn.Linear(width, 1)
    with pytest.raises(ArgumentError, match="Linear: n_out is a whole number of at least 1, got"):
        nn.Linear(1, width)


def test_numpy_integers_are_widths() -> None:
    assert nn.Linear(np.int64(2), np.int32(3), rng=0).w.shape == (2, 3)  # type: ignore[arg-type]


# ---- Activation, Dropout, Sequential ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", nn.ACTIVATIONS)
def test_activations_by_hand(name: str, rng: np.random.Generator) -> None:
    z = rng.normal(size=(4, 3))
    layer = nn.Activation(name)
    assert_allclose(layer(Value(z)).data, BY_HAND[name](z), rtol=1e-12)
    assert repr(layer) == f"Activation({name!r})"


def test_an_activation_may_be_any_function() -> None:
    assert nn.Activation(lambda x: x * 2.0)(Value(3.0)).data == 6.0


def test_unknown_activations_name_the_nearest_and_all() -> None:
    message = r"Activation: .* 'sigmoyd'; did you mean 'sigmoid'.* there are linear, sigmoid, tanh"
    with pytest.raises(UnknownNameError, match=message):
        nn.Activation("sigmoyd")
    makes: list[Any] = [nn.MLP, nn.scalar.MLP]
    for make in makes:
        for keyword in ("activation", "output"):
            with pytest.raises(UnknownNameError, match="MLP: no activation is called 'quantum'; there are linear, "):
                make(2, [2, 2], **{keyword: "quantum"})
    with pytest.raises(ValueTypeError, match="an activation is a name or a function of a Value, got int"):
        nn.Activation(3)  # type: ignore[arg-type]


def test_dropout_drops_p_of_the_elements_and_keeps_the_mean() -> None:
    x = Value(np.ones((100, 100)))
    out = nn.Dropout(0.25, rng=0)(x)
    assert set(np.unique(out.data)) == {0.0, 1 / 0.75}
    assert abs((out.data == 0).mean() - 0.25) < 0.02
    out.sum().backward()
    assert_array_equal(x.grad, out.data)


def test_dropout_draws_anew_each_time_and_nothing_in_evaluation() -> None:
    dropout, x = nn.Dropout(0.5, rng=0), np.ones(50)
    assert not np.array_equal(dropout(x).data, dropout(x).data)
    assert dropout.eval()(x) is x
    assert nn.Dropout(0.0)(x) is x
    assert dropout.train()(Value(1.0)).data in (0.0, 2.0)
    assert dropout(Value(np.ones(5, dtype=np.float32))).dtype == np.float32


@pytest.mark.parametrize("p", [-0.1, 1.0, 2, float("nan"), "0.5", True])
def test_dropout_refuses_what_is_no_probability(p: Any) -> None:
    with pytest.raises(ArgumentError, match="Dropout: p is a probability, at least 0 and below 1, got"):
        nn.Dropout(p)


def test_sequential_is_one_after_the_other(rng: np.random.Generator) -> None:
    first, last = nn.Linear(2, 4, rng=0), nn.Linear(4, 1, rng=1)
    net = nn.Sequential(first, elementary.tanh, last)
    x = rng.normal(size=(3, 2))
    by_hand = np.tanh(x @ first.w.data + first.b.data) @ last.w.data + last.b.data  # type: ignore[union-attr]
    assert_allclose(net(x).data, by_hand)
    assert [p.name for p in net.parameters()] == list(net.named_parameters())


def test_sequential_refuses_what_is_no_layer() -> None:
    with pytest.raises(ArgumentError, match="Sequential: needs at least one layer, got none"):
        nn.Sequential()
    with pytest.raises(ArgumentError, match="a layer is a module or a function, got list at position 0"):
        nn.Sequential([nn.Linear(2, 1)])  # type: ignore[arg-type]


# ---- MLP -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", nn.ACTIVATIONS)
@pytest.mark.parametrize("dims", [[2, 1], [2, 3, 2], [3, 4, 4, 2]])
def test_mlp_by_hand(dims: list[int], activation: str, rng: np.random.Generator) -> None:
    mlp = nn.MLP(dims[0], dims[1:], activation=activation, output="sigmoid", rng=0)
    x = rng.normal(size=(5, dims[0]))
    out = x
    for k, layer in enumerate(mlp.layers, start=1):
        z = out @ layer.w.data + layer.b.data  # type: ignore[union-attr]
        out = BY_HAND[activation if k < len(mlp.layers) else "sigmoid"](z)
    assert_allclose(mlp(x).data, out, rtol=1e-12)
    assert_allclose(mlp(x[0]).data, out[0], rtol=1e-12)


def test_mlp_names_what_it_computes() -> None:
    mlp = nn.MLP(2, [3, 2], activation="tanh", output="linear", rng=0)
    assert [p.name for p in mlp.parameters()] == list(mlp.named_parameters()) == ["w1", "b1", "w2", "b2"]
    y = mlp([0.0, 1.0])
    names = []
    waiting = [y]
    while waiting:
        value = waiting.pop()
        waiting += value.parents
        if value.name:
            names.append(value.name)
    assert sorted(names) == ["b1", "b2", "n1", "n2", "w1", "w2", "x", "z1"]


def test_mlp_takes_dims_as_one_list() -> None:
    mlp = nn.MLP([2, 10, 2], rng=0)
    assert mlp.dims == [2, 10, 2]
    assert repr(mlp) == "MLP(2, [10, 2], activation='sigmoid', output='sigmoid')"
    assert nn.MLP(np.array([2, 3]), rng=0).dims == [2, 3]  # type: ignore[arg-type]
    assert nn.scalar.MLP([2, 10, 2], rng=0).dims == [2, 10, 2]


@pytest.mark.parametrize("mlp", [nn.MLP, nn.scalar.MLP])
@pytest.mark.parametrize(
    ("dims", "message"),
    [
        (([2],), "needs at least one layer after the inputs, got the dims [2]"),
        ((2, []), "needs at least one layer after the inputs, got the dims [2]"),
        (([2, 0, 2],), "width 1 of the dims [2, 0, 2] is a whole number of at least 1, got 0"),
        ((2, [-3, 2]), "width 1 of the dims [2, -3, 2] is a whole number of at least 1, got -3"),
        ((2, [2.5]), "width 1 of the dims [2, 2.5] is a whole number of at least 1, got 2.5"),
        ((True, [2]), "width 0 of the dims [True, 2] is a whole number of at least 1, got True"),
        (("2", [2]), "width 0 of the dims ['2', 2] is a whole number"),
        ((2, 3), "needs a list of layer widths, got 3; for example MLP(2, [10, 2])"),
        ((2, "33"), "needs a list of layer widths, got '33'"),
        ((2,), "needs the number of inputs and a list of layer widths, got 2 alone"),
    ],
)
def test_bad_dims(mlp: Any, dims: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(f"MLP: {message}")):
        mlp(*dims)


def test_the_same_seed_gives_the_same_network() -> None:
    for mlp in (nn.MLP, nn.scalar.MLP):
        first, second, third = (
            mlp(2, [3, 1], rng=5),
            mlp(2, [3, 1], rng=np.random.default_rng(5)),
            mlp(2, [3, 1], rng=6),
        )
        assert _numbers(first) == _numbers(second) != _numbers(third)
    assert _numbers(nn.MLP(2, [3, 1])) != _numbers(nn.MLP(2, [3, 1]))


def test_layers_of_one_network_differ() -> None:
    mlp = nn.MLP(2, [2, 2], rng=0)
    assert not np.array_equal(mlp.layers[0].w.data, mlp.layers[1].w.data)


def _numbers(net: nn.Module) -> list[float]:
    return [float(x) for p in net.parameters() for x in np.ravel(p.data)]
