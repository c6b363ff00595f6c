"""Networks of scalars: micrograd's programs, the tutorials' names, and the same numbers as the network of arrays."""

from __future__ import annotations

import itertools
import math
import random
import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import tinygrad_lite as tg
from tinygrad_lite import Value, datasets, nn
from tinygrad_lite.errors import ArgumentError, ShapeError, ValueTypeError
from tinygrad_lite.nn import losses, scalar


def plain_network(dims: list[int], x: list[float]) -> list[float]:
    """micrograd's network in plain Python, drawing from ``random`` neuron by neuron: relu, the last layer linear."""
    for k, (width, next_width) in enumerate(itertools.pairwise(dims), start=1):
        rows = [[random.uniform(-1, 1) for _ in range(width)] for _ in range(next_width)]
        x = [sum(w * a for w, a in zip(row, x, strict=True)) for row in rows]
        x = x if k == len(dims) - 1 else [max(0.0, z) for z in x]
    return x


# ---- micrograd's programs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dims", [[3, 4, 4, 1], [2, 16, 16, 1], [1, 1], [2, 1, 3]])
def test_random_seed_gives_micrograds_network(dims: list[int]) -> None:
    x = [0.5 - 0.25 * k for k in range(dims[0])]
    random.seed(1337)
    mlp = scalar.MLP(dims[0], dims[1:])
    out = mlp(x)
    after = random.random()
    random.seed(1337)
    expected = plain_network(dims, x)
    assert_allclose([v.data for v in (out if isinstance(out, list) else [out])], expected, rtol=1e-12)
    assert random.random() == after, "it drew more numbers, or fewer"
    assert isinstance(out, Value) == (dims[-1] == 1)
    assert [n.b.data for layer in mlp.layers for n in layer.neurons] == [0.0] * sum(dims[1:])


def program(package_value: Any, package_nn: Any) -> dict[str, Any]:
    """A program for micrograd: two classes, the hinge loss with a penalty on the weights, three steps downhill."""
    random.seed(7)
    points = [(random.gauss(0, 1), random.gauss(0, 1)) for _ in range(12)]
    labels = [1 if a * b > 0 else -1 for a, b in points]
    random.seed(1337)
    model = package_nn.MLP(nin=2, nouts=[8, 8, 1])
    history = []
    for step in range(3):
        inputs = [list(map(package_value, point)) for point in points]
        scores = list(map(model, inputs))
        terms = [(1 + -label * score).relu() for label, score in zip(labels, scores, strict=True)]
        penalty = 1e-4 * sum(p * p for p in model.parameters())
        total = sum(terms) * (1.0 / len(terms)) + penalty
        hits = [(label > 0) == (score.data > 0) for label, score in zip(labels, scores, strict=True)]
        model.zero_grad()
        total.backward()
        for p in model.parameters():
            p.data -= (1.0 - 0.9 * step / 3) * p.grad
        history.append((total.data, sum(hits)))
    layer, neuron = package_nn.Layer(2, 3, nonlin=False), package_nn.Neuron(2, False)
    return {
        "history": history,
        "repr": [str(model), str(layer), str(neuron), str(package_nn.Neuron(3))],
        "data": [p.data for p in model.parameters()],
        "grad": [p.grad for p in model.parameters()],
        "shape": [(len(n.w), n.b.data, n.nonlin) for one in model.layers for n in one.neurons],
        "outputs": [out.data for out in layer([1.0, -2.0])],
        "lists": isinstance(model.parameters(), list),
        "op": (sorted(p.data for p in (total * 2)._prev), (total * 2)._op),
    }


def test_a_program_for_micrograd_gives_the_same_numbers() -> None:
    engine = pytest.importorskip("micrograd.engine")
    theirs, ours = program(engine.Value, pytest.importorskip("micrograd.nn")), program(Value, scalar)
    assert ours["repr"] == theirs["repr"]
    assert ours["lists"] == theirs["lists"]
    for key in ("history", "data", "grad", "outputs"):
        assert_allclose(ours[key], theirs[key], rtol=1e-9, atol=1e-12, err_msg=key)
    assert_allclose([n[:2] for n in ours["shape"]], [n[:2] for n in theirs["shape"]], atol=1e-12)
    assert [n[2] for n in ours["shape"]] == [n[2] for n in theirs["shape"]]
    assert_allclose(ours["op"][0], theirs["op"][0])


def test_a_program_for_micrograd_runs() -> None:
    done = program(Value, scalar)
    assert done["repr"] == [
        f"MLP of [Layer of [{', '.join(['ReLUNeuron(2)'] * 8)}], Layer of [{', '.join(['ReLUNeuron(8)'] * 8)}], "
        "Layer of [LinearNeuron(8)]]",
        "Layer of [LinearNeuron(2), LinearNeuron(2), LinearNeuron(2)]",
        "LinearNeuron(2)",
        "ReLUNeuron(3)",
    ]
    assert done["history"][-1][0] < done["history"][0][0]


def test_a_subclass_as_in_micrograd() -> None:
    class Twice(scalar.Module):
        def __init__(self) -> None:
            self.first, self.second = scalar.Layer(2, 2), scalar.Layer(2, 1, nonlin=False)

        def __call__(self, x: Any) -> Any:
            return self.second(self.first(x))

        def parameters(self) -> list[Value]:
            return self.first.parameters() + self.second.parameters()

    net = Twice()
    net([1.0, 2.0]).backward()
    assert any(p.grad for p in net.parameters())
    net.zero_grad()
    assert [p.grad for p in net.parameters()] == [0.0] * 9


def test_nonlin_can_be_switched_off_later() -> None:
    neuron = scalar.Neuron(1, weights=[1.0], bias=0.0)
    assert neuron([-3.0]).data == 0.0
    neuron.nonlin = False
    assert neuron([-3.0]).data == -3.0
    assert repr(neuron) == "LinearNeuron(1)"


@pytest.mark.parametrize(
    ("activation", "shown"),
    [
        ("sigmoid", "SigmoidNeuron(1)"),
        ("tanh", "TanhNeuron(1)"),
        ("gelu", "GELUNeuron(1)"),
        ("linear", "LinearNeuron(1)"),
    ],
)
def test_a_neuron_shows_its_activation(activation: str, shown: str) -> None:
    assert repr(scalar.Neuron(1, activation=activation)) == shown


# ---- names, and paths as in the tutorials ----------------------------------------------------------------------------


def half_adder_cost(mlp: Any) -> Value:
    x, t = datasets.half_adder()
    return losses.half_squared_error(mlp(x), t)


def test_the_half_adders_names() -> None:
    mlp = scalar.MLP(2, [2, 2, 2], activation="sigmoid", output="sigmoid", rng=0)
    names = [f"{kind}{layer}{rest}" for layer in (1, 2, 3) for kind, rest in
             [("w", "00"), ("w", "10"), ("b", "0"), ("w", "01"), ("w", "11"), ("b", "1")]]  # fmt: skip
    assert [p.name for p in mlp.parameters()] == list(mlp.named_parameters()) == list(mlp.state_dict()) == names
    y0, y1 = mlp([0.0, 1.0])
    assert [y0.name, y1.name] == ["n30", "n31"]
    z = y0.parents[0]
    assert [p.name for p in z.parents] == ["w300", "w310", "n20", "n21", "b30"]
    first = z.parents[2].parents[0]
    assert [p.name for p in first.parents[2].parents[0].parents] == ["w100", "w110", "x0", "x1", "b10"]
    assert z.op is not None
    assert z.op.sign == "Σ"


@pytest.mark.parametrize("dims", [[2, 2, 2, 2], [2, 11, 2], [11, 2], [2] * 11])
def test_every_weight_stands_where_its_name_says(dims: list[int]) -> None:
    mlp = scalar.MLP(dims, rng=0)
    joint = "_" if max(dims) > 10 or len(dims) > 10 else ""
    for k, layer in enumerate(mlp.layers, start=1):
        for to, neuron in enumerate(layer.neurons):
            assert neuron.b.name == f"b{k}{joint}{to}"
            assert [w.name for w in neuron.w] == [f"w{k}{joint}{source}{joint}{to}" for source in range(dims[k - 1])]


def test_samples_are_in_the_names() -> None:
    mlp = scalar.MLP(2, [2, 1], activation="sigmoid", output="sigmoid", rng=0)
    y = mlp([0.0, 1.0], sample=2)
    z = y.parents[0]
    assert [y.name, z.name, z.parents[2].name] == ["n20@2", "z20@2", "n10@2"]
    assert [v.name for v in z.parents[2].parents[0].parents[2:4]] == ["x0@2", "x1@2"]
    rows = mlp.batch([[0.0, 1.0], [1.0, 1.0]])
    assert [row.name for row in rows] == ["n20@0", "n20@1"]
    assert [row.name for row in mlp([[0.0, 1.0]])] == ["n20"], "one sample alone needs no number"


def test_linear_outputs_are_named_as_outputs() -> None:
    y = scalar.MLP(2, [2, 1], rng=0)([0.0, 1.0])
    assert y.name == "n20"
    assert y.op is not None
    assert y.op.sign == "Σ"


def test_values_given_as_inputs_keep_their_names_and_get_gradients() -> None:
    inputs = [Value(0.5, name="left"), Value(1.0)]
    y = scalar.MLP(2, [1], activation="tanh", output="tanh", rng=0)(inputs)
    y.backward()
    assert [v.name for v in inputs] == ["left", None]
    assert all(v.has_grad for v in inputs)


@pytest.mark.parametrize("package", [nn, scalar])
@pytest.mark.parametrize(("weight", "count"), [("w300", 4), ("w200", 8), ("w100", 16), ("w3[1,0]", 4), ("b11", 16)])
def test_the_half_adder_has_the_tutorials_paths(package: ModuleType, weight: str, count: int) -> None:
    mlp = package.MLP(2, [2, 2, 2], activation="sigmoid", output="sigmoid", rng=0)
    cost = half_adder_cost(mlp)
    gp = tg.gradient_paths(cost, weight)
    assert gp.count == count
    cost.backward()
    value, index = mlp.find_parameter(weight)
    assert_allclose(gp.total, value.grad if index == () else value.grad[index], rtol=1e-12)


def test_a_path_reads_as_in_the_tutorials() -> None:
    mlp = scalar.MLP(2, [2, 2, 2], activation="sigmoid", output="sigmoid", rng=0)
    cost = half_adder_cost(mlp)
    paths = list(tg.gradient_paths(cost, "w200"))
    chains = {tuple(node.name for node in path.nodes if node.name) for path in paths}
    assert chains == {
        ("C", f"n3{k}@{sample}", f"z3{k}@{sample}", f"n20@{sample}", f"z20@{sample}", "w200")
        for k in (0, 1)
        for sample in range(4)
    }
    assert len({path.length for path in paths}) == 1


# ---- the same network as that of arrays ------------------------------------------------------------------------------

dims_drawn = st.lists(st.integers(1, 4), min_size=2, max_size=5)
smooth = st.sampled_from(["sigmoid", "tanh", "softplus", "gelu", "silu", "linear", "relu", "elu", "leaky_relu"])


@settings(max_examples=60)
@given(dims_drawn, smooth, smooth, st.integers(1, 3), st.integers(0, 2**32 - 1), st.sampled_from(["mean", "sum"]))
def test_scalars_and_arrays_agree(
    dims: list[int], activation: str, output: str, samples: int, seed: int, reduction: Any
) -> None:
    rng = np.random.default_rng(seed)
    scalars = scalar.MLP(dims, activation=activation, output=output, rng=rng, init="uniform")
    arrays = nn.MLP(dims, activation=activation, output=output, rng=rng)
    arrays.load_state_dict(scalars.state_dict())
    x, t = rng.normal(size=(samples, dims[0])), rng.normal(size=(samples, dims[-1]))
    rows = [row if isinstance(row, list) else [row] for row in scalars.batch(x)]
    one = losses.half_squared_error(rows, t, reduction)
    other = losses.half_squared_error(arrays(x), t, reduction)
    assert_allclose(one.data, other.data, rtol=1e-12, atol=1e-12)
    one.backward()
    other.backward()
    for name, value in scalars.named_parameters().items():
        found, index = arrays.find_parameter(name)
        assert_allclose(value.grad, found.grad[index], rtol=1e-12, atol=1e-12, err_msg=name)


# ---- inputs ----------------------------------------------------------------------------------------------------------


def test_inputs_come_in_many_forms() -> None:
    mlp = scalar.MLP(2, [3, 1], rng=0)
    expected = mlp([1.0, 2.0]).data
    forms: list[Any] = [
        (1.0, 2.0), [1, 2], [True, 2], np.array([1.0, 2.0]), np.array([1, 2]), np.array([1.0, 2.0], dtype=np.float32),
        [np.float64(1.0), np.int64(2)], [Value(1.0), 2.0], Value([1.0, 2.0]), list(Value([1.0, 2.0])),
    ]  # fmt: skip
    for form in forms:
        assert mlp(form).data == expected
        assert mlp.layers[0](form)[0].data == mlp.layers[0].neurons[0](form).data


def test_rows_come_in_many_forms() -> None:
    mlp = scalar.MLP(2, [3, 1], rng=0)
    expected = [mlp([1.0, 2.0]).data, mlp([3.0, 4.0]).data]
    forms: list[Any] = [
        [[1, 2], [3, 4]], ((1.0, 2.0), [3.0, 4.0]), np.array([[1.0, 2.0], [3.0, 4.0]]),
        [np.array([1.0, 2.0]), [3.0, 4.0]],
        Value([[1.0, 2.0], [3.0, 4.0]]), [[Value(1.0), Value(2.0)], [3.0, 4.0]],
    ]  # fmt: skip
    for form in forms:
        assert [y.data for y in mlp(form)] == [y.data for y in mlp.batch(form)] == expected


def test_a_gradient_reaches_an_input_array() -> None:
    mlp, x = scalar.MLP(2, [1], rng=0), Value([1.0, 2.0])
    mlp(x).backward()
    assert_allclose(x.grad, [w.data for w in mlp.layers[0].neurons[0].w])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m([1.0]), "MLP: 'w100' and its layer need 2 inputs, got 1; pass 2 numbers or scalar Values"),
        (lambda m: m(np.ones(3)), "MLP: 'w100' and its layer need 2 inputs, got 3"),
        (lambda m: m(Value(np.ones(3))), "MLP: 'w100' and its layer need 2 inputs, got 3"),
        (lambda m: m([[1.0, 2.0], [1.0]]), "need 2 inputs, got 1"),
        (lambda m: m.layers[1]([1.0, 2.0]), "Layer: 'w200' and its layer need 3 inputs, got 2"),
        (lambda m: m.layers[1].neurons[0]([1.0]), "Neuron: 'w200' and its layer need 3 inputs, got 1"),
        (lambda m: m(1.0), "MLP: needs a list of 2 inputs, got 1.0"),
        (lambda m: m.layers[0](np.ones((4, 2))), "Layer: needs a list of 2 inputs, got shape (4, 2)"),
        (lambda m: m([1.0, Value([1.0, 2.0])]), "MLP: input 1 is one number, got a nameless leaf (of shape (2,))"),
        (lambda m: m.batch([1.0, 2.0]), "MLP: batch needs rows of 2 inputs, got [1.0, 2.0]"),
    ],
)
def test_wrong_inputs(call: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(ShapeError, match=re.escape(message)):
        call(scalar.MLP(2, [3, 1], rng=0))


def test_text_is_no_input() -> None:
    with pytest.raises(ValueTypeError, match="needs a number"):
        scalar.MLP(2, [1], rng=0)(["1.0", 2.0])


@pytest.mark.parametrize("width", [0, -1, 1.5, True])
def test_bad_widths(width: Any) -> None:
    with pytest.raises(ArgumentError, match="Neuron: nin is a whole number of at least 1, got"):
        scalar.Neuron(width)
    with pytest.raises(ArgumentError, match="Layer: nout is a whole number of at least 1, got"):
        scalar.Layer(2, width)


def test_as_many_weights_as_inputs() -> None:
    with pytest.raises(ShapeError, match="Neuron: needs 2 weights, got 3; pass one for each input"):
        scalar.Neuron(2, weights=[1.0, 2.0, 3.0])


def test_nothing_is_recorded_in_no_grad() -> None:
    mlp = scalar.MLP(2, [2, 1], rng=0)
    with tg.no_grad():
        y = mlp([1.0, 2.0])
    assert not y.requires_grad
    assert y.parents == ()
    assert math.isfinite(y.data)
