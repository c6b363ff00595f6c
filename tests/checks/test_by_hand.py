"""Manual gradients in the forms that ``compare`` takes, and errors about them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
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
    a = Value(np.ones((1, 2)), name="A")
    with pytest.raises(ArgumentError, match=re.escape("A[0,0]: give the gradient of the whole array as 'A'")):
        tg.compare(a.sum(), manual={"A[0,0]": 1.0})


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
