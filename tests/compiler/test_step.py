"""Compiled steps against eager: the same numbers, and a new capture whenever what was captured no longer holds."""

from __future__ import annotations

import ast
import gc
import random
import threading
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import tinygrad_lite as tg
from tests.cases import CASES, Case, recorded
from tests.viz.svg import HOSTILE
from tinygrad_lite import Value, datasets, nn, optim
from tinygrad_lite.compiler import blocking, tape
from tinygrad_lite.compiler import step as limits
from tinygrad_lite.core.elementwise import weighted_sum
from tinygrad_lite.core.maps import Scale
from tinygrad_lite.core.value import Op, record
from tinygrad_lite.errors import (
    ArgumentError,
    GraphError,
    IndexRangeError,
    MissingExtraError,
    ShapeError,
    ValueTypeError,
)

WAYS = ["python", "numpy", *(["straight", "tape"] if tape.available() else [])]
"""Of carrying out a graph of scalars: machine code of its own source, and a tape for machine code."""


@pytest.fixture(params=WAYS)
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The backend to force, with the limit between its two ways where the test wants it."""
    way: str = request.param
    monkeypatch.setattr(limits, "SHORT", {"straight": 10**6}.get(way, 0))
    return {"straight": "numba", "tape": "numba"}.get(way, way)


def bits(x: Any) -> Any:
    """What is equal only for equal bits."""
    return None if x is None else (np.shape(x), str(np.asarray(x).dtype), np.asarray(x).tobytes())


def eager(loss: Callable[..., Value], leaves: list[Value], *arguments: Any) -> tuple[Any, list[Any]]:
    """The loss and the gradients, which are left forgotten."""
    with np.errstate(all="ignore"):
        end = loss(*arguments)
        end.backward()
    found = [leaf._grad for leaf in leaves]
    for leaf in leaves:
        leaf.zero_grad()
    return end.item(), found


@contextmanager
def blocks_of(elements: int) -> Iterator[None]:
    """All elementwise calls in blocks of so many elements."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocking, "BLOCK", elements)
        patch.setattr(blocking, "LARGE", 2)
        yield


def agree(loss: Callable[..., Value], leaves: list[Value], *arguments: Any, exact: bool = True, **options: Any) -> Any:
    """Eager and three calls of the step have the same loss and gradients, in blocks too. Returns the step."""
    with blocks_of(3):
        _agree(loss, leaves, *arguments, exact=exact, **options)
    return _agree(loss, leaves, *arguments, exact=exact, **options)


def _agree(loss: Callable[..., Value], leaves: list[Value], *arguments: Any, exact: bool = True, **options: Any) -> Any:
    cost, gradients = eager(loss, leaves, *arguments)
    step = tg.compile(loss, **options)
    for _ in range(3):
        with np.errstate(all="ignore"):
            found = step(*arguments)
        if exact:
            assert bits(found) == bits(cost)
        np.testing.assert_allclose(found, cost, rtol=1e-12, atol=1e-300)
        for leaf, g in zip(leaves, gradients, strict=True):
            if exact:
                np.testing.assert_array_equal(leaf._grad, g)
                assert type(leaf._grad) is type(g)
            elif g is not None:
                np.testing.assert_allclose(leaf._grad, g, rtol=1e-12, atol=1e-12 * np.max(np.abs(g), initial=1e-300))
            leaf.zero_grad()
    assert step.captures == 1
    return step


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


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,)], ids=str)
@pytest.mark.parametrize("name", list(tg.core.derivatives.TABLE))
def test_every_line_of_the_table_as_eager(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> None:
    rule = tg.core.derivatives.TABLE[name]
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


CHAINED: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "sin": lambda a, b: tg.sin(a),
    "sigmoid": lambda a, b: tg.sigmoid(a),
    "where": lambda a, b: tg.where(a > 0.1, a, b),
    "transposed": lambda a, b: a + b.T,
    "turned": lambda a, b: a * b[::-1],
    "row": lambda a, b: a + b[2],
    "of one row": lambda a, b: a * b[1:2],
    "column": lambda a, b: a - b[:, 1:2],
    "rows' largest": lambda a, b: a - b.max(axis=1, keepdims=True),
    "columns' sums": lambda a, b: a * b.sum(axis=0),
    "columns' means": lambda a, b: a - b.mean(axis=0, keepdims=True) * a[:1] + b,
    "flat": lambda a, b: tg.tanh(a.reshape(-1) * b.reshape(-1)).reshape(5, 5),
    "product": lambda a, b: a @ b * 0.2,
}


@given(
    st.lists(st.tuples(st.sampled_from([*CHAINED]), st.integers(0, 9), st.integers(0, 9)), min_size=3, max_size=12),
    st.sampled_from([5, 10, 14, 15, 24]),
)
@example([("columns' means", 0, 1)], 5)
def test_chains_in_blocks_as_eager(drawn: list[tuple[str, int, int]], elements: int) -> None:
    rng = np.random.default_rng(len(drawn))
    leaves = [Value(rng.normal(size=(5, 5))), Value(rng.normal(size=(5, 5)))]

    def loss(x: Any) -> Value:
        values: list[Any] = [x, *leaves]
        for name, a, b in drawn:
            values.append(CHAINED[name](values[-1 - a % len(values)], values[-1 - b % len(values)]))
        total: Value = (tg.tanh(values[-1]) + leaves[0] * leaves[1]).sum()
        return total

    with blocks_of(elements):
        _agree(loss, leaves, rng.normal(size=(5, 5)))


def test_large_arrays_are_done_in_blocks() -> None:
    w, x = Value(np.linspace(-2.0, 2.0, 600_000)), np.linspace(0.0, 1.0, 600_000)
    step = _agree(lambda x: (tg.exp(-tg.square(w * x - 1.0)) * tg.sigmoid(w)).mean(), [w], x)
    assert step.source.count("# 131072 of 600000 at a time") == 2
    assert "[:n]" in step.source  # what only a chain reads is as large as a block


def test_an_array_of_a_closure_is_taken_once() -> None:
    w, mask = Value([1.0, 2.0, 3.0]), np.ones(3)
    step = tg.compile(lambda: (w * mask).sum())
    for number in (1.0, 0.5):
        mask[:] = number
        w.zero_grad()
        assert step() == 6.0
        np.testing.assert_array_equal(w.grad, [1.0, 1.0, 1.0])  # and not one of the two from now, the other from then
    with pytest.raises(tg.DifferentGradientsError, match="the loss is 3 by eager and 6 by the replay"):
        step.verify()


def test_the_arrays_of_the_capture_are_let_go() -> None:
    w = Value(np.linspace(-2.0, 2.0, 100_000))
    step = tg.compile(lambda: tg.exp(tg.sin(tg.tanh(tg.square(w)) * 2.0)).sum())
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        step()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert kept < 12 * w.data.nbytes


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[tuple[str, tuple[int, ...]]], bool]:
    ops = []
    for k in range(draw(st.integers(2, 12))):
        name = draw(
            st.sampled_from(["add", "mul", "sub", "tanh", "sigmoid", "square", "maximum", "sin", "relu", "neg"])
        )
        operands = tuple(draw(st.integers(0, k + 2)) for _ in tg.core.derivatives.TABLE[name].operands)
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


# ---- scalars, by every backend -----------------------------------------------------------------------------------


def test_networks_of_scalars(backend: str, rng: np.random.Generator) -> None:
    model = nn.scalar.MLP(2, [4, 3, 1], rng=0)
    points, labels = rng.normal(size=(5, 2)), [1, -1, 1, 1, -1]

    def loss(x: Any) -> Value:
        scores = model(x)
        total: Value = sum((1 + -t * y).relu() for t, y in zip(labels, scores, strict=True)) * 0.2
        return total

    step = agree(loss, model.parameters(), points, backend=backend, exact=backend == "python")
    assert step.backend == backend
    again, gradients = eager(loss, model.parameters(), points + 1)
    np.testing.assert_allclose(step(points + 1), again, rtol=1e-12)  # the argument is no constant
    np.testing.assert_allclose([p.grad for p in model.parameters()], gradients, rtol=1e-12, atol=1e-14)
    assert step.captures == 1


def test_every_line_of_the_table_on_scalars(backend: str, rng: np.random.Generator) -> None:
    cases = [
        (name, [Value(rng.uniform(low, high)) for low, high in rule.domain])
        for name, rule in tg.core.derivatives.TABLE.items()
        if name not in ("erf", "erfc", "gelu_erf")  # on arrays they are SciPy's, not the C library's
    ]

    def loss() -> Value:
        total: Value = sum(tg.core.elementwise.FUNCTIONS[name](*leaves) * 1.5 for name, leaves in cases)
        return total

    leaves = [leaf for _, own in cases for leaf in own]
    step = agree(loss, leaves, backend=backend, exact=backend == "python")
    assert step.backend == backend


def test_a_condition_of_numbers_is_true_where_it_is_not_0() -> None:
    x = Value([1.0, 2.0])
    step = agree(lambda: tg.where(np.array([0.5, 0.0]), x, 0.0).sum(), [x])
    step()
    np.testing.assert_array_equal(x.grad, [1.0, 0.0])


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_scalars_with_an_optimizer(backend: str, momentum: float) -> None:
    x, t = datasets.half_adder()
    nets = [nn.scalar.MLP(2, [2, 2], activation="sigmoid", output="sigmoid", rng=1) for _ in range(2)]
    optimizers = [optim.SGD(net.parameters(), lr=0.5, momentum=momentum) for net in nets]
    step = tg.compile(lambda: nn.losses.half_squared_error(nets[0](x), t), optimizers[0], backend=backend)
    for _ in range(5):
        found = step()
        optimizers[1].zero_grad()
        end = nn.losses.half_squared_error(nets[1](x), t)
        end.backward()
        optimizers[1].step()
        np.testing.assert_allclose(found, end.item(), rtol=1e-12)
        for p, q in zip(*(net.parameters() for net in nets), strict=True):
            np.testing.assert_allclose([p.data, p.grad], [q.data, q.grad], rtol=1e-12, atol=1e-15)
            assert backend != "python" or (p.data, p.grad) == (q.data, q.grad)


def test_the_choice_is_by_size() -> None:
    w = Value(0.5)

    def wide() -> Value:
        total: Value = sum(tg.tanh(w * float(k)) for k in range(600)) * 0.1
        return total

    step = agree(wide, [w], exact=False)
    assert step.backend == "numpy"
    small = tg.compile(lambda: w * w)
    small()
    assert small.backend == "python"


def test_products_with_0_are_left_out_while_the_rest_is_finite() -> None:
    w, v, b = Value(2.0, name="w"), Value(3.0, name="v"), Value(0.5, name="b")

    def loss() -> Value:
        hidden = tg.sigmoid(weighted_sum([w, v], [0.0, 1.0], b))
        again = tg.sigmoid(weighted_sum([w, v], [1.0, 0.0], b))
        return hidden * again * 1e200

    step = agree(loss, [w, v, b])
    assert "* 0.0" not in step.source
    for number in (np.inf, -np.inf, np.nan, 2.0):
        w.data = number
        cost, gradients = eager(loss, [w, v, b])
        assert bits(step()) == bits(cost)  # 0 · inf is nan
        assert [bits(leaf._grad) for leaf in (w, v, b)] == list(map(bits, gradients))
        for leaf in (w, v, b):
            leaf.zero_grad()
    assert step.captures == 2
    assert "* 0.0" in step.source


def test_a_gradient_that_overflows_beside_a_0_is_nan() -> None:
    w, v, b = Value(1.0, name="w"), Value(1.0, name="v"), Value(1e-300, name="b")
    step = tg.compile(loss := lambda: weighted_sum([w], [0.0], b) * v * v + w * 2.0)
    for number in (1.0, 1e10, 1e200):
        v.data = number
        with np.errstate(all="ignore"):
            end = loss()
            end.backward()
        expected = bits(w._grad), bits(v._grad), bits(end.item())
        w.zero_grad(), v.zero_grad()
        found = step()
        assert (bits(w._grad), bits(v._grad), bits(found)) == expected
        w.zero_grad(), v.zero_grad()


def test_without_numba_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    w = Value(0.5)
    step = tg.compile(lambda: w * w, optim.SGD([w], lr=0.1), backend="numba")
    monkeypatch.setattr(tape, "available", lambda: False)
    with pytest.raises(MissingExtraError, match=r"pip install .*numba"):
        step()
    assert w.data == 0.5
    assert w._grad is None


def test_arrays_that_are_read_for_numbers_go_by_the_tape(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    w = Value(0.5)
    step = agree(lambda x: w * x[0] + w * w * x[1], [w], np.array([1.0, 2.0]), backend="numba", exact=False)
    assert "def forward(" in step.source
    step = agree(lambda x, y: w * x + w * w * y, [w], 1.0, 2.0, backend="numba", exact=False)
    assert "def kernel(f0, a0, a1):" in step.source


def test_what_python_refuses_is_numpys_inf_or_nan() -> None:
    w = Value(1.0)
    for f in (lambda: tg.exp(w), lambda: 1.0 / w, lambda: w**0.5, lambda: tg.log(w)):
        step = tg.compile(f)
        for number in (1.0, 1000.0, 0.0, -8.0):
            w.data = number
            w.zero_grad()
            cost, (g,) = eager(f, [w])
            assert bits(step()) == bits(cost)
            assert bits(w._grad) == bits(g)


# ---- optimizers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.SGD(p, lr=0.1),
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        lambda p: optim.Adam(p, lr=0.01, weight_decay=0.1),
    ],
    ids=["sgd", "momentum", "nesterov", "adam"],
)
def test_optimizers_to_the_bit(make: Callable[..., Any], dtype: type, rng: np.random.Generator) -> None:
    x, t = rng.normal(size=(6, 200)).astype(dtype), rng.normal(size=(6, 4)).astype(dtype)
    models = [nn.MLP([200, 300, 4], activation="tanh", rng=0, dtype=dtype) for _ in range(2)]
    extra = [Value(2.0), Value(2.0)]
    optimizers = [make([*model.parameters(), e]) for model, e in zip(models, extra, strict=True)]

    def loss(k: int, x: Any, t: Any) -> Value:
        return nn.losses.mse(models[k](x) * extra[k], t)

    step = tg.compile(lambda x, t: loss(0, x, t), optimizers[0])
    for n in range(5):
        optimizers[0].lr = optimizers[1].lr = 0.1 / (n + 1)
        found = step(x, t)
        optimizers[1].zero_grad()
        end = loss(1, x, t)
        end.backward()
        optimizers[1].step()
        assert bits(found) == bits(end.item())
        for p, q in zip(*(o.params for o in optimizers), strict=True):
            assert bits(p.data) == bits(q.data)
            assert bits(p.grad) == bits(q.grad)
    assert step.captures == 1


def test_a_step_makes_earlier_graphs_stale() -> None:
    w = Value([1.0, 2.0])
    step = tg.compile(lambda: (w * w).sum(), optim.SGD([w], lr=0.1))
    step()
    before = (w * w).sum()
    step()
    with pytest.raises(GraphError, match="was replaced after it was recorded"):
        before.backward()


# ---- what the caller holds ---------------------------------------------------------------------------------------


def test_gradients_add_up_and_belong_to_the_caller() -> None:
    w = Value([1.0, 2.0])
    step = tg.compile(lambda x: (w * w * x).sum())
    x = np.array([1.0, 3.0])
    step(x)
    first = w.grad
    step(x)
    np.testing.assert_array_equal(first, [2.0, 12.0])
    np.testing.assert_array_equal(w.grad, [4.0, 24.0])
    kept = []
    for k in range(1, 5):
        w.zero_grad()
        step(x * k)
        kept.append(w.grad)
    for k, g in enumerate(kept, start=1):
        np.testing.assert_array_equal(g, np.array([2.0, 12.0]) * k)
    part = w.grad[1:]
    w.zero_grad()
    step(x * 100)
    np.testing.assert_array_equal(part, [48.0])


def test_no_two_gradients_share_memory() -> None:
    a, b = Value(np.ones((2, 3))), Value(np.ones((2, 3)))
    step = tg.compile(lambda: (a + b).sum() + tg.transpose(a).sum())
    for _ in range(3):
        a.zero_grad()
        b.zero_grad()
        step()
        assert not np.shares_memory(a.grad, b.grad)
    a.grad[0, 0] = 7.0
    assert b.grad[0, 0] == 1.0


def test_parameters_may_be_changed_from_outside() -> None:
    model = nn.MLP([2, 3, 1], rng=0)
    x, t = np.ones((4, 2)), np.zeros((4, 1))

    def loss(x: Any, t: Any) -> Value:
        return nn.losses.mse(model(x), t)

    step = tg.compile(loss)
    other = nn.MLP([2, 3, 1], rng=1)

    def in_place() -> None:
        model.layers[0].w.data -= 0.5

    def written() -> None:
        model.layers[0].w.data[0] = 3.0

    for change in (lambda: None, in_place, written, lambda: model.load_state_dict(other.state_dict())):
        change()
        model.zero_grad()
        cost, gradients = eager(loss, model.parameters(), x, t)
        assert step(x, t) == cost
        for p, g in zip(model.parameters(), gradients, strict=True):
            np.testing.assert_array_equal(p.grad, g)
    assert step.captures == 1


def test_a_parameter_of_another_shape_is_captured_anew() -> None:
    w = Value([1.0, 2.0])
    step = tg.compile(lambda: (w * w).sum())
    step()
    w.zero_grad()
    w.data = np.array([1.0, 2.0, 3.0])
    assert step() == 14.0
    np.testing.assert_array_equal(w.grad, [2.0, 4.0, 6.0])
    w.data = 2.0
    w.zero_grad()
    assert step() == 4.0
    assert step.captures == 3


def test_nothing_is_allocated_in_steady_state(rng: np.random.Generator) -> None:
    model = nn.MLP([100, 200, 200, 10], activation="relu", output="linear", rng=0)
    x, labels = rng.normal(size=(128, 100)), rng.integers(0, 10, 128)
    step = tg.compile(lambda x, t: nn.losses.cross_entropy(model(x), t), optim.SGD(model.parameters(), lr=0.1))
    for _ in range(3):
        step(x, labels)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(5):
            step(x, labels)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < 100_000, "NumPy's own buffer for masks (64 kB), no array of a layer (205 kB)"
    assert after - before < 2048


# ---- what makes a new capture ------------------------------------------------------------------------------------


def test_shapes_and_dtypes() -> None:
    w = Value([2.0])
    step = tg.compile(lambda x: (w * x).sum())
    for x in (
        np.ones(3),
        np.ones(4),
        np.ones(3),
        np.ones((2, 3)),
        np.ones(3, np.float32),
        np.ones(3, int),
        2.5,
        np.ones(4),
    ):
        assert step(x) == 2.0 * np.sum(x)
    assert step.captures == 6
    assert step(np.float64(1.5)) == 3.0
    assert step.captures == 6


def test_arrays_without_axes_are_numbers() -> None:
    w = Value(2.0)
    step = tg.compile(lambda x: w * x)
    assert [step(np.array(1.5)), step(np.array(2.5)), step(2.5)] == [3.0, 5.0, 5.0]
    assert step.captures == 1
    assert type(step(np.array(1.5))) is float
    assert step(np.array(3)) == 6.0  # an integer is a setting


def test_arguments_in_lists_and_by_name_and_settings() -> None:
    w = Value(2.0)

    def loss(rows: Any, power: int = 2, *, scale: Any) -> Value:
        total: Value = sum(w * x for row in rows for x in row) ** power * scale["by"]
        return total

    step = tg.compile(loss)
    assert step([[1.0, 2.0], (3.0,)], scale={"by": 0.5}) == 72.0
    assert step([[1.0, 1.0], (3.0,)], scale={"by": 0.5}) == 50.0
    assert step.captures == 1
    assert step([[1.0, 1.0], (3.0,)], power=1, scale={"by": 0.5}) == 5.0
    assert step.captures == 2


@pytest.mark.parametrize(
    "branches",
    [
        lambda w, x: w * 2.0 if x.sum() > 0 else w * 3.0,
        lambda w, x: w * 2.0 if bool(x.sum() > 0) else w * 3.0,
        lambda w, x: w * 2.0 if x.data.sum() > 0 else w * 3.0,
        lambda w, x: w * 2.0 if x.sum().item() > 0 else w * 3.0,
        lambda w, x: w * 2.0 if float(x.sum()) > 0 else w * 3.0,
        lambda w, x: w * 2.0 if np.any(x > 0) else w * 3.0,
        lambda w, x: w * 2.0 if np.argmax(x) == 0 else w * 3.0,
        lambda w, x: w * 2.0 if tg.relu(x.sum()) else w * 3.0,
        lambda w, x: w * 2.0 if (w * x.sum()).sum() > 0 else w * 3.0,
    ],
)
def test_branches_on_data(branches: Callable[..., Value]) -> None:
    w = Value([1.0, 2.0])
    step = tg.compile(lambda x: branches(w, x).sum())
    for x in ([1.0, 0.5], [-1.0, -0.5], [1.0, 0.5], [-1.0, -0.5]):
        w.zero_grad()
        assert step(np.array(x)) == (6.0 if x[0] > 0 else 9.0)
        np.testing.assert_array_equal(w.grad, [2.0, 2.0] if x[0] > 0 else [3.0, 3.0])
    assert step.captures == 2


def test_branches_on_parameters_and_loops() -> None:
    w = Value(3.0)

    def loss() -> Value:
        total = w * 1.0
        while total > 1.0:
            total = total * 0.5
        return total

    step = tg.compile(loss)
    for number in (3.0, 0.5, 9.0, 3.0, 0.5):
        w.data = number
        w.zero_grad()
        cost, (g,) = eager(loss, [w])
        assert (step(), w.grad) == (cost, g)
    assert step.captures == 3


def test_what_is_never_the_same_is_refused_with_the_place() -> None:
    w = Value(1.0)
    step = tg.compile(lambda: w * w.item(), optim.SGD([w], lr=0.1))
    for _ in range(limits.MOST_PROGRAMS):
        step()
    with pytest.raises(GraphError, match=r"captured 16 times.*item\(\) of .*test_compiler"):
        step()


def test_many_shapes_are_warned_of() -> None:
    w = Value(1.0)
    step = tg.compile(lambda x: (w * x).sum())
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for n in range(1, limits.MOST_SHAPES + 3):
            step(np.ones(n))
    assert "different shapes" in str(told[0].message)


def test_training_and_evaluation() -> None:
    model = nn.Sequential(nn.Linear(3, 4, rng=0), nn.Dropout(0.5, rng=1), nn.Sequential(nn.Dropout(0.5, rng=2)))
    twin = nn.Sequential(nn.Linear(3, 4, rng=0), nn.Dropout(0.5, rng=1), nn.Sequential(nn.Dropout(0.5, rng=2)))
    x = np.ones((2, 3))
    step = tg.compile(lambda x: model(x).square().sum())
    costs = []
    for mode in (True, True, False, True, False, True):
        model.train(mode)
        twin.train(mode)
        model.zero_grad()
        cost, gradients = eager(lambda x: twin(x).square().sum(), twin.parameters(), x)
        assert step(x) == cost, "the noise is the generators' own, in their order"
        costs.append(cost)
        for p, g in zip(model.parameters(), gradients, strict=True):
            np.testing.assert_array_equal(p.grad, g)
    assert step.captures == 2
    assert len(set(costs)) == 5, "fresh noise each time"
    model.layers[1].training = False  # without train()
    step(x)
    assert step.captures == 3


def test_noise_that_a_failing_guard_has_drawn_is_used() -> None:
    def made(scale: Value) -> Any:
        dropout = nn.Dropout(0.5, rng=3)

        def loss(x: Any) -> Value:
            total = dropout(scale * x).sum()
            return total * 2.0 if total > 4.0 else total

        return loss

    a, b = Value(1.0), Value(1.0)
    ours, theirs = tg.compile(made(a)), made(b)
    x = np.ones(4)
    assert [ours(x) for _ in range(12)] == [theirs(x).item() for _ in range(12)]


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
    with pytest.raises((IndexRangeError, ArgumentError)):
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


class Twice(Op):
    """A user's own op, which asks for numbers."""

    name = sign = "twice"

    def forward(self, *data: Any) -> Any:
        return data[0] * (2.0 if np.max(data[0]) < 10.0 else 3.0)

    def chain(self, k: int, operands: Any, out: Any) -> Any:
        return (Scale(2.0 if np.max(operands[0]) < 10.0 else 3.0, np.ndim(out)),)


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


# ---- errors ------------------------------------------------------------------------------------------------------


def test_errors() -> None:
    w = Value([1.0, 2.0])
    with pytest.raises(ValueTypeError, match="needs a function"):
        tg.compile(w)  # type: ignore[arg-type]
    with pytest.raises(ValueTypeError, match="an optimizer has step"):
        tg.compile(lambda: w.sum(), 0.1)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="backend is one of"):
        tg.compile(lambda: w.sum(), backend="cuda")
    with pytest.raises(ShapeError, match=r"scalar Value, got shape \(2,\)"):
        tg.compile(lambda: w * 2.0)()
    with pytest.raises(ValueTypeError, match="scalar Value, got float"):
        tg.compile(lambda: 2.0)()  # type: ignore[arg-type, return-value]
    with pytest.raises(GraphError, match="depends on no parameter"):
        tg.compile(lambda x: x.sum())(np.ones(2))
    step = tg.compile(lambda x: (w * x).sum())
    with pytest.raises(ValueTypeError, match=r"is a Value; pass its \.data"):
        step(w)
    with pytest.raises(ValueTypeError, match="of type set"):
        step({1.0})
    with tg.no_grad(), pytest.raises(GraphError, match=r"cannot run inside no_grad\(\)"):
        step(np.ones(2))
    with pytest.raises(GraphError, match="no source before the first call"):
        _ = step.source
    with pytest.raises(GraphError, match="called by a function that is being compiled"):
        tg.compile(lambda: w.sum() * step(np.ones(2)))()
    with pytest.raises(ValueTypeError, match="complex"):
        step(np.ones(2, complex))


def test_an_error_of_the_optimizer_is_its_own() -> None:
    class Broken(optim.SGD):
        def step(self) -> None:
            if broken:
                raise ValueError("no step today")

    w = Value(1.0)
    broken = False
    step = tg.compile(lambda: w * w, Broken([w], lr=0.1))
    step()
    broken = True
    with pytest.raises(ValueError, match="no step today"):
        step()


def test_threads_wait_for_each_other(rng: np.random.Generator) -> None:
    w = Value(np.zeros(50))
    step = tg.compile(lambda x: (w * x).sum())
    threads = [threading.Thread(target=lambda: [step(np.ones(50)) for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(w.grad, np.full(50, 200.0))


# ---- verify and source -------------------------------------------------------------------------------------------


def test_verify_passes_and_changes_nothing(rng: np.random.Generator) -> None:
    model = nn.Sequential(nn.Linear(3, 4, rng=0), nn.Dropout(0.5, rng=1))
    optimizer = optim.Adam(model.parameters())
    step = tg.compile(lambda x: model(x).square().sum(), optimizer)
    x = rng.normal(size=(2, 3))
    step(x)
    before = [bits(p.data) for p in model.parameters()], [bits(p.grad) for p in model.parameters()]
    step.verify(x)
    assert ([bits(p.data) for p in model.parameters()], [bits(p.grad) for p in model.parameters()]) == before
    assert optimizer.state_dict()["steps"] == [1, 1]


def test_verify_finds_what_no_guard_sees() -> None:
    w = Value([1.0, 2.0], name="w")
    scale = {"by": 1.0}
    step = tg.compile(lambda: (w * scale["by"]).sum())
    step()
    step.verify()
    scale["by"] = 2.0
    assert step() == 3.0, "the number was taken when the function was captured"
    with pytest.raises(tg.DifferentGradientsError, match="the loss is 6 by eager and 3 by the replay"):
        step.verify()
    noisy = tg.compile(lambda: (w * random.random()).sum())
    noisy()
    with pytest.raises(tg.DifferentGradientsError, match="verify"):
        noisy.verify()


def test_verify_names_the_leaf_of_a_planted_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    w, v = Value(2.0, name="w"), Value(3.0, name="v")
    step = tg.compile(lambda: w * w + v)
    step()
    program = step._last
    assert program is not None
    replay = program.replay

    def wrong() -> float:
        loss = replay()
        w._grad = w._grad * 1.0005
        return loss

    monkeypatch.setattr(program, "replay", wrong)
    with pytest.raises(tg.DifferentGradientsError, match="the gradient of 'w'"):
        step.verify()


BREAKING_OUT = ["x\n    raise SystemExit", "x\r    raise SystemExit", "x\x0c\x0b\x85\u2028raise", "\ud800", "a" * 1000]


@pytest.mark.parametrize("name", [*HOSTILE, *BREAKING_OUT])
@pytest.mark.parametrize("number", [2.0, [2.0, 3.0]])
def test_names_stay_in_their_comments(name: str, number: Any) -> None:
    w = Value(number, name=name)

    def loss(x: Any) -> Value:
        hidden = w * x
        hidden.name = name
        if isinstance(x, Value):
            x.name = name
        total: Value = hidden.square() if type(number) is float else hidden.square().sum()
        total.name = name
        return total

    step = agree(loss, [w], 3.0)
    assert max(map(len, step.source.splitlines())) < 200
    assert all(line.startswith(("def ", "    ")) for line in step.source.splitlines())
    tree = ast.parse(step.source)
    assert not any(isinstance(node, ast.Raise) for node in ast.walk(tree))


def test_names_of_ops_become_names_of_functions() -> None:
    x = Value([1.0, 2.0])
    for name in ("x²", "lambda", "1", "a b", "класс", "import os"):
        op = type("Odd", (Twice,), {"name": name})()
        agree(lambda op=op: record(op, (x,)).sum(), [x])


def test_the_source_is_python_that_shows_what_runs() -> None:
    model = nn.MLP([2, 3, 1], rng=0)
    step = tg.compile(lambda x: model(x).sum(), optim.SGD(model.parameters(), lr=0.1))
    step(np.ones((2, 2)))
    compile(step.source, "source", "exec")
    assert "# z1 = linear" in step.source
    assert "# back through n1" in step.source
    assert "out=" not in step.source.replace("axis", "")
    assert step.source.count("\n") < 90
