"""Manual gradients in the forms that ``compare`` takes, and errors about them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.watching.networks import Network, line_of
from tinygrad_lite import Value, nn
from tinygrad_lite.checks.comparison import DifferentGradientsError
from tinygrad_lite.errors import ArgumentError, ValueTypeError


def layer_by_layer(net: nn.MLP, x: Any, t: Any, slip: str = "") -> dict[str, Any]:
    w = net.state_dict()
    a = np.tanh(x @ w["w1"] + w["b1"])
    delta2 = (a @ w["w2"] + w["b2"] - t) / 5
    back = delta2 @ w["w2"].T
    delta1 = back if slip == "factor" else back * (1 - a * a)
    return {
        "w1": x.T @ delta1,
        "b1": delta1.sum(axis=0),
        "w2": a.T @ delta2,
        "b2": delta2.sum(axis=0),
        "delta2": delta2,
        "n1": back,
        "δ1": delta1,
    }


@pytest.fixture
def layers() -> tuple[Value, nn.MLP, Any, Any]:
    net = nn.MLP(3, [4, 2], activation="tanh", output="linear", rng=0)
    rng = np.random.default_rng(1)
    x, t = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    return nn.losses.half_squared_error(net(x), t), net, x, t


def test_a_layer_by_layer_backward_with_its_deltas(layers: Any) -> None:
    loss, net, x, t = layers
    comparison = tg.compare(loss, manual=lambda: layer_by_layer(net, x, t), wrt=net)
    assert comparison
    assert [row.name for row in comparison.rows] == ["w1", "b1", "w2", "b2", "delta2", "n1", "δ1"]
    assert comparison.diagnosis == ()
    wrong = tg.compare(loss, manual=layer_by_layer(net, x, t, "factor"), wrt=net)
    assert wrong.diagnosis == (
        "first wrong at 'n1' (of shape (5, 4)), coming from the end",
        "the likely slip: the factor of 'n1' with respect to 'z1' is missing",
    )
    assert wrong.diagnosis[1] in str(wrong)
    with pytest.raises(DifferentGradientsError, match="the likely slip: the factor of 'n1'"):
        wrong.raise_if_different()


def test_names_of_either_form_and_functions_of_the_parameters() -> None:
    net = nn.scalar.MLP(2, [2, 1], activation="sigmoid", output="sigmoid", rng=0)
    arrays = nn.MLP(2, [2, 1], rng=0)
    arrays.load_state_dict(net.state_dict())
    of_scalars = nn.losses.half_squared_error(net([0.5, -1.0]), 1.0)
    of_arrays = nn.losses.half_squared_error(arrays([[0.5, -1.0]]), [[1.0]])
    of_arrays.backward()
    gradients = {name: p.grad for name, p in arrays.named_parameters().items()}
    assert tg.compare(of_scalars, manual=gradients, wrt=net)
    of_scalars.backward()
    assert tg.compare(of_arrays, manual={name: p.grad for name, p in net.named_parameters().items()}, wrt=arrays)
    a, b = Value(2.0, name="a"), Value(3.0, name="b")
    assert tg.compare(a * b, manual=lambda b, a: {"a": b, "b": a})
    assert tg.compare(a * b, manual=lambda data: {"a": data["b"], "b": data["a"]})
    assert tg.compare(a * b, manual=lambda b=0.0, a=0.0, more=3.0: {"a": b, "b": a})
    with pytest.raises(ArgumentError, match="the function asks for 'z', which is not given; it may ask for a, b, or"):
        tg.compare(a * b, manual=lambda a, z: {})
    w = Value(2.0, name="weight")
    with pytest.raises(
        ArgumentError, match=re.escape("'wieght', which is not given; did you mean 'weight'? It may ask")
    ):
        tg.compare(w * a, manual=lambda a, wieght: {})


def test_a_backprop_that_returns_its_loss_too(layers: Any) -> None:
    loss, net, x, t = layers
    by_layer = layer_by_layer(net, x, t)
    manual = {name: by_layer[name] for name in net.named_parameters()}
    assert tg.compare(loss, manual=lambda: (loss.item(), manual), wrt=net)
    assert tg.compare(loss, manual=tg.manual_backprop(loss, wrt=net).run, wrt=net)


def test_gradients_by_element() -> None:
    a = Value(np.array([[1.0, 2.0]]), name="A")
    loss = (a * a).sum()
    assert tg.compare(loss, manual={"A[0,0]": 2.0, "A[0, 1]": 4.0})
    some = tg.compare(loss, manual={"A[0,1]": 4.0})
    assert not some
    assert "A: the manual gradient is not compared: 1 of its 2 elements are missing." in some.notes
    for key in ("A[0]", "A[1,0]", "A[0,0,0]"):
        message = (
            f"{key} is no element of 'A', of shape (1, 2); an element has a number from 0 for each axis, such as A[0,0]"
        )
        with pytest.raises(ArgumentError, match=re.escape(message)):
            tg.compare(loss, manual={key: 1.0})


ARRAYS = """
def backward(W, b):
    z = X @ W + b
    dz = 2 * (z - Y)
    dW, db = X.T @ dz, dz.sum(axis=0)
    return {f"W[{i},{j}]": dW[i, j] for i in range(3) for j in range(2)} | {"b": db}
"""

NUMBERS = """
def backward(W, b):
    grads = {f"W[{i},{j}]": 0.0 for i in range(3) for j in range(2)} | {"b[0]": 0.0, "b[1]": 0.0}
    for n in range(4):
        for j in range(2):
            z = b[j]
            for i in range(3):
                z += X[n, i] * W[i, j]
            dz = 2 * (z - Y[n, j])
            grads[f"b[{j}]"] += dz
            for i in range(3):
                grads[f"W[{i},{j}]"] += dz * X[n, i]
    return grads
"""


@pytest.mark.parametrize(
    ("source", "old", "new"),
    [
        (ARRAYS, "2 * (z - Y)", "z - Y"),
        (ARRAYS, "X.T @ dz", "X.T @ z"),
        (ARRAYS, "dz.sum(axis=0)", "dz.mean(axis=0)"),
        (NUMBERS, "2 * (z - Y[n, j])", "2 * (z + Y[n, j])"),
        (NUMBERS, "+= dz * X[n, i]", "+= z * X[n, i]"),
    ],
)
def test_results_by_element_are_watched_like_whole_arrays(source: str, old: str, new: str) -> None:
    r = np.random.default_rng(3)
    names = {"X": r.normal(size=(4, 3)), "Y": r.normal(size=(4, 2))}
    W, b = Value(r.normal(size=(3, 2)), name="W"), Value(r.normal(size=2), name="b")
    z = names["X"] @ W + b
    z.name = "z"
    network = Network(((z - names["Y"]) ** 2).sum(), {"W": W, "b": b}, names)
    assert source.count(old) == 1
    assert tg.compare(network.loss, manual=network.function(source), wrt=[W, b])
    wrong = tg.compare(network.loss, manual=network.function(source.replace(old, new)), wrt=[W, b])
    assert [mistake.line for mistake in wrong.mistakes] == [line_of(source, old)]


def test_a_function_may_change_what_it_is_given() -> None:
    w = Value([1.0, 2.0, 3.0], name="w")

    def doubled(w: Any) -> Any:
        w *= 2
        return {"w": w}

    assert tg.compare((w * w).sum(), manual=doubled, wrt=[w], numerical=False)
    assert w.data.tolist() == [1.0, 2.0, 3.0]


def _nothing(w: Any) -> None:
    _ = {"w": 2 * w}


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (_nothing, ValueTypeError, "a list or a function of them, got nothing; does the function return them?"),
        (
            lambda *ws: {"w": ws[0]},
            ArgumentError,
            "takes *ws, is given nothing, and raised IndexError; it may ask",
        ),
        (lambda **kw: {"w": kw["w"]}, ArgumentError, "takes **kw, is given nothing, and raised KeyError; it may ask"),
        (int, ArgumentError, "needs a function written in Python, got <class 'int'>"),
    ],
)
def test_functions_that_are_no_backward(function: Any, error: Any, message: str) -> None:
    w = Value(3.0, name="w")
    with pytest.raises(error, match=re.escape(message)):
        tg.compare(w * w, manual=function)


def test_an_error_of_a_functions_own_stays() -> None:
    w = Value(3.0, name="w")
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        tg.compare(w * w, manual=lambda: {"w": 1 / 0})
    assert tg.compare(w * w, manual=lambda *ignored, **too: {"w": 6.0})
