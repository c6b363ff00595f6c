"""Every op, network and random graph in a compiled step against eager: the same numbers, mostly to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lite as tg
from tests.cases import CASES, Case, recorded
from tests.compiler.agreement import Twice, agree, bits, eager
from tinygrad_lite import Value, nn
from tinygrad_lite.core.value import record
from tinygrad_lite.errors import ArgumentError, IndexRangeError

# ---- every op ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ties", [False, True], ids=["", "ties"])
@pytest.mark.parametrize("example", CASES, ids=[example.label for example in CASES])
def test_every_structured_op_as_eager(example: Case, ties: bool, rng: np.random.Generator) -> None:
    leaves, out = recorded(example, rng, ties)
    if not any(leaf.requires_grad for leaf in leaves) or not isinstance(out, Value):
        pytest.skip("nothing to differentiate")

    def loss() -> Value:
        found: Value = tg.sin(example.ours(*leaves)) * 1.5
        return tg.sum(found)

    agree(loss, leaves)


GATHERS = {
    "slice": lambda x, k: x[1:] * x[:-1],
    "element": lambda x, k: x[1, 2] * x[0],
    "indices": lambda x, k: x[[0, 0, 2]] ** 2,
    "an index from an argument": lambda x, k: x[k] ** 2,
    "repeat": lambda x, k: np.repeat(x, 3, axis=0) ** 2,
    "diag": lambda x, k: np.diag(x) ** 2,
    "windows": lambda x, k: tg.functions.sliding_window_view(x, 2, 0) ** 2,
}


@pytest.mark.parametrize("name", GATHERS)
def test_gathers_are_followed(name: str, rng: np.random.Generator) -> None:
    """Their cotangents are written into memory of the step: no op is called as a whole."""
    x = Value(rng.standard_normal((3, 4)), name="x")
    step = agree(lambda k: tg.sum(GATHERS[name](x, k)), [x], np.array([2, 0, 2]))
    assert "pull" not in step.source


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,)], ids=str)
@pytest.mark.parametrize("name", list(tg.core.elementwise_derivatives.TABLE))
def test_every_line_of_the_table_as_eager(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> None:
    rule = tg.core.elementwise_derivatives.TABLE[name]
    leaves = []
    for low, high in rule.domain:
        x = rng.uniform(low, high, shape)
        leaves.append(Value(x if shape else float(x)))
    agree(lambda: tg.sum(tg.core.elementwise.FUNCTIONS[name](*leaves) * 2.0), leaves)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["relu", "sigmoid", "tanh", "gelu", "silu", "softplus", "leaky_relu", "elu"])
def test_networks_as_eager(kind: str, dtype: type, rng: np.random.Generator) -> None:
    model = nn.MLP([3, 5, 4], activation=kind, output="linear", rng=0, dtype=dtype)
    x, labels = rng.normal(size=(6, 3)).astype(dtype), rng.integers(0, 4, 6)
    step = agree(lambda x, t: nn.losses.cross_entropy(model(x), t), model.parameters(), x, labels)
    assert "pull(" not in step.source, "an op was not followed"
    assert model.parameters()[0].dtype == dtype


def test_a_large_saturated_sigmoid_is_right() -> None:
    w = Value([800.0, -800.0, 300.0, 1.0])
    step = tg.compile(lambda: tg.sum(tg.sigmoid(w)))
    for scale in (1.0, 1e-3, 1.0):
        w.data = np.array([800.0, -800.0, 300.0, 1.0]) * scale
        cost, (g,) = eager(lambda: tg.sum(tg.sigmoid(w)), [w])
        assert step() == cost
        assert bits(w.grad) == bits(g)
        w.zero_grad()


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[tuple[str, tuple[int, ...]]], bool]:
    ops = []
    for k in range(draw(st.integers(2, 12))):
        name = draw(
            st.sampled_from(["add", "mul", "sub", "tanh", "sigmoid", "square", "maximum", "sin", "relu", "neg"])
        )
        operands = tuple(draw(st.integers(0, k + 2)) for _ in tg.core.elementwise_derivatives.TABLE[name].operands)
        ops.append((name, operands))
    return ops, draw(st.booleans())


@given(graphs())
def test_random_graphs_as_eager(drawn: tuple[list[tuple[str, tuple[int, ...]]], bool]) -> None:
    ops, scalar = drawn
    rng = np.random.default_rng(len(ops))
    shapes: list[tuple[int, ...]] = [(), (), ()] if scalar else [(2, 3), (3,), ()]
    leaves = [Value(float(rng.normal()) if not shape else rng.normal(size=shape)) for shape in shapes]

    def loss() -> Value:
        values: list[Any] = list(leaves)
        for name, operands in ops:
            values.append(tg.core.elementwise.FUNCTIONS[name](*(values[k] for k in operands)))
        total: Value = values[-1] + values[-2]
        return total if scalar else tg.sum(total)

    for backend in ["python", "numpy"] if scalar else [None]:  # machine code takes a second to make
        agree(loss, leaves, backend=backend, exact=backend in (None, "python"))


# ---- what is made without being recorded -------------------------------------------------------------------------


def test_no_grad_and_detach_inside() -> None:
    w, v = Value([1.0, 2.0]), Value(3.0)

    def loss(x: Any) -> Value:
        with tg.no_grad():
            target = w * x + tg.exp(v) + v * v
        return ((w * x - target) * (w.detach() * v.detach())).sum() * v

    step = agree(loss, [w, v], np.array([1.0, 4.0]))
    w.data = np.array([0.5, -2.0])
    v.data = -1.0
    cost, gradients = eager(loss, [w, v], np.array([2.0, 1.0]))
    assert step(np.array([2.0, 1.0])) == cost
    np.testing.assert_array_equal(w.grad, gradients[0])
    assert v.grad == gradients[1]
    assert step.captures == 1


@pytest.mark.parametrize("integers", [np.int64, np.int32, np.uint8])
def test_labels_may_index(integers: type, rng: np.random.Generator) -> None:
    w = Value(rng.normal(size=(3, 4)))
    rows = np.arange(5)

    def loss(x: Any, t: Any) -> Value:
        z = x @ w
        return z[rows, t].sum() + tg.take(z, t, axis=1)[0].sum() + nn.losses.cross_entropy(z, t)

    x = rng.normal(size=(5, 3))
    step = agree(loss, [w], x, np.array([0, 1, 2, 3, 0], integers))
    cost, (g,) = eager(loss, [w], x, np.array([3, 3, 3, 1, 1], integers))
    assert step(x, np.array([3, 3, 3, 1, 1], integers)) == cost
    np.testing.assert_array_equal(w.grad, g)
    with pytest.raises((IndexRangeError, ArgumentError), match="9"):
        step(x, np.array([0, 1, 2, 3, 9], integers))


def test_whole_numbers_as_inputs_are_no_constants() -> None:
    layer = nn.Linear(2, 1, rng=0)
    step = tg.compile(lambda x: layer(x).sum())
    for x in (np.array([[1, 2]]), np.array([[5, -3]])):
        assert step(x) == layer(x).item()
    assert step.captures == 1


def test_a_negative_label_is_refused() -> None:
    w = Value(np.ones((2, 3)))
    step = tg.compile(lambda t: tg.cross_entropy(w, t))
    step(np.array([0, 1]))
    with pytest.raises(ArgumentError, match="a class is a number from 0 to 2"):
        step(np.array([0, -1]))


def test_a_users_own_op_is_called_as_it_is() -> None:
    w = Value([1.0, 2.0])
    step = agree(lambda: (record(Twice(), (w * w,)) * w).sum(), [w])
    w.data = np.array([1.0, 5.0])
    cost, (g,) = eager(lambda: (record(Twice(), (w * w,)) * w).sum(), [w])
    assert step() == cost
    np.testing.assert_array_equal(w.grad, g)
    assert step.captures == 1


@pytest.mark.parametrize("loss", ["hinge", "binary_cross_entropy", "mse", "half_squared_error"])
def test_losses_of_new_batches(loss: str, rng: np.random.Generator) -> None:
    model = nn.MLP([3, 4, 1], output="linear", rng=0)
    cost = getattr(nn.losses, loss)
    step = tg.compile(lambda x, t: cost(model(x), t))
    for _ in range(3):
        x, t = rng.normal(size=(5, 3)), rng.integers(0, 2, (5, 1)).astype(float)
        t = 2.0 * t - 1.0 if loss == "hinge" else t
        want, gradients = eager(lambda x, t: cost(model(x), t), model.parameters(), x, t)
        assert step(x, t) == want
        for p, g in zip(model.parameters(), gradients, strict=True):
            np.testing.assert_array_equal(p.grad, g)
        model.zero_grad()
    assert step.captures == 1


def test_softmax_losses_and_norms(rng: np.random.Generator) -> None:
    w = Value(rng.normal(size=(4, 3)))
    p = np.eye(3)[[0, 1, 1, 2]]
    agree(
        lambda x: nn.losses.cross_entropy(w * x, p) + tg.norm(w) + tg.softmax(w).max(axis=1).sum(), [w], np.ones((4, 3))
    )
