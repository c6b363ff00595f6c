"""Captures: the changes that make a step run its function again, and the things that it takes once."""

from __future__ import annotations

import gc
import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.compiler.agreement import eager
from tinygrad_lite import Value, nn, optim
from tinygrad_lite.compiler.step import MOST_PROGRAMS, MOST_SHAPES
from tinygrad_lite.errors import GraphError


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
    for _ in range(MOST_PROGRAMS):
        step()
    with pytest.raises(GraphError, match=r"captured 16 times.*item\(\) of .*test_capture"):
        step()


def test_many_shapes_are_warned_of() -> None:
    w = Value(1.0)
    step = tg.compile(lambda x: (w * x).sum())
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for n in range(1, MOST_SHAPES + 3):
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


@pytest.mark.parametrize(
    "pick",
    [
        lambda x, k: tg.choose(k, [x, x * 2.0, -x]),
        lambda x, k: np.take(x, k, mode="wrap"),
        lambda x, k: tg.compress(x, k),
        lambda x, k: tg.extract(k, x),
        lambda x, k: np.delete(x, k),
        lambda x, k: np.insert(x, k, 7.0),
    ],
    ids=["choose", "take", "compress", "extract", "delete", "insert"],
)
def test_numbers_by_which_a_function_picks_are_no_constants(pick: Any) -> None:
    w = Value([1.0, 2.0, 3.0], name="w")

    def loss(k: Any) -> Value:
        total: Value = (pick(w, k) ** 2).sum()
        return total

    step = tg.compile(loss)
    for k in ([0, 1, 2], [2, 0, 0], [0, 1, 2], [1, 1, 0]):
        cost, (g,) = eager(loss, [w], Value(np.array(k), requires_grad=False))
        assert step(np.array(k)) == cost
        np.testing.assert_array_equal(w.grad, g)
        w.zero_grad()
    assert step.captures == 3
