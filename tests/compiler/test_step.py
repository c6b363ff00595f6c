"""Compiled steps: the optimizer in them, gradients that belong to the caller, errors, threads."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.compiler.agreement import bits, eager
from tinygrad_lite import Value, nn, optim
from tinygrad_lite.errors import ArgumentError, GraphError, ShapeError, ValueTypeError

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


def test_a_constant_of_another_dtype_is_captured_anew() -> None:
    w, k = Value([1.0, 2.0]), Value(np.array([1, 2]), requires_grad=False)
    step = tg.compile(lambda: (w * w * k).sum())
    assert step() == 9.0
    k.data = np.array([0.5, 1.5])
    w.zero_grad()
    assert step() == 6.5
    np.testing.assert_array_equal(w.grad, [1.0, 6.0])
    assert step.captures == 2


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
        tg.compile(lambda: w * 2.0, gradients=True)()
    with pytest.raises(ShapeError, match=r"scalar Value, got shape \(2,\).* or pass gradients=False"):
        tg.compile(lambda: w * 2.0, optim.SGD([w], lr=0.1))()
    with pytest.raises(ValueTypeError, match="scalar Value, got float"):
        tg.compile(lambda: 2.0)()
    with pytest.raises(GraphError, match="depends on no parameter"):
        tg.compile(lambda x: x.sum(), gradients=True)(np.ones(2))
    with pytest.raises(ArgumentError, match="an optimizer updates parameters by the gradients of a loss"):
        tg.compile(tg.grad(np.sin), optim.SGD([w], lr=0.1))
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
