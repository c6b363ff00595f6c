"""Compiled steps of what is read in parts: as eager, with one call for all parts, and with rows of a large table."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lite as tg
from tests.compiler.agreement import agree
from tests.core.test_scattered import PROGRAMS, N, picked, table
from tinygrad_lite import Value, nn, optim
from tinygrad_lite.compiler import pieces
from tinygrad_lite.core.scattered import Rows
from tinygrad_lite.errors import FallbackWarning

IDS = [np.array([5, 9, 5, -1]), np.array([0, 0, 0, 7]), np.array([1, 2, 3, 4])]

MADE: dict[str, Callable[[list[Value]], Any]] = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
    "lazy momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, lazy=True),
    "adam": lambda p: optim.Adam(p, lr=0.1),
    "lazy adam": lambda p: optim.Adam(p, lr=0.1, lazy=True),
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradients_as_eager(program: Callable[..., Any], dtype: type, rng: np.random.Generator) -> None:
    e = table(rng, dtype)
    step = tg.compile(lambda: program(e, picked))
    program(e, picked).backward()
    expected = e.grad
    for times in (1, 2, 3):  # the first call is eager; gradients add up
        if times == 1:
            e.zero_grad()
        step()
        assert_allclose(e.grad, times * expected, rtol=1e-12 if dtype == np.float64 else 1e-5, atol=1e-12)
        assert e.dtype == e.grad.dtype == dtype
    step.verify()


class Signs(optim.Optimizer):
    """p ← p - lr · sign(g), in arrays that it asks for: it knows nothing of rows."""

    _settings, _memory = ("lr",), ()
    update_scope: ClassVar[dict[str, Any]] = {"sign": np.sign, "multiply": np.multiply}

    def __init__(self, params: list[Value], lr: float) -> None:
        super().__init__(params)
        self.lr = lr

    def _checked(self, **settings: Any) -> dict[str, Any]:
        return settings

    def step(self) -> None:
        for p in self.params:
            p.data -= self.lr * np.sign(p.grad)

    def update_source(self, update: optim.Update) -> str:
        signs = update.spare()
        lines = f"sign({update.gradient}, {signs}); multiply({signs}, {update.setting('lr')}, {signs})"
        return f"{lines}; {update.data} -= {signs}"


MADE["one that knows no rows"] = lambda p: Signs(p, 0.1)


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
@pytest.mark.parametrize("tied", [False, True])
def test_steps_as_eager(make: Callable[..., Any], tied: bool, rng: np.random.Generator) -> None:
    tables = [table(np.random.default_rng(0)) for _ in range(2)]
    weights = [Value(np.ones((4, 3)), name="w") for _ in range(2)]
    optimizers = [make([e, w]) for e, w in zip(tables, weights, strict=True)]

    def loss(k: int, ids: Any) -> Value:
        e, w = tables[k], weights[k]
        end = nn.losses.cross_entropy(np.tanh(e[ids]) @ w, [0, 1, 2, 1]) + (e[ids[:2]] * e[3]).sum()
        return end + np.logaddexp(0.0, e[ids] @ e.T).mean() if tied else end

    step = tg.compile(lambda ids: loss(0, ids), optimizers[0])
    for ids in IDS * 2:
        cost = step(ids)
        optimizers[1].zero_grad()
        end = loss(1, ids)
        end.backward()
        optimizers[1].step()
        assert_allclose(cost, end.data, rtol=1e-12)
        for a, b in (tables, weights):
            assert_allclose(a.grad, b.grad, rtol=1e-12, atol=1e-14)
            assert_allclose(a.data, b.data, rtol=1e-12, atol=1e-14)
    assert step.captures == 1
    step.verify(IDS[0])


def test_a_replay_takes_no_memory_of_the_size_of_a_table() -> None:
    e = Value(np.ones((100_000, 8)), name="E")
    for optimizer in (optim.SGD([e], lr=0.1), optim.Adam([e], lr=0.1, lazy=True), None):
        step = tg.compile(lambda ids: (e[ids] ** 2).sum(), optimizer)
        for ids in IDS:
            e.zero_grad()
            step(ids)
        tracemalloc.start()
        e.zero_grad()
        step(IDS[0])
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < e.data.nbytes / 20
        assert type(e._grad) is Rows
        assert "(100000, 8)" not in re.sub("rows[(].*", "", step.source)


def test_a_gradient_in_rows_is_the_callers(rng: np.random.Generator) -> None:
    e = table(rng)
    step = tg.compile(lambda ids: (e[ids] ** 2).sum(), optim.SGD([e], lr=0.0))
    step(IDS[0])
    step(IDS[0])
    first, kept = e._grad, e._grad.dense()
    step(IDS[1])
    assert_array_equal(first.dense(), kept)
    before = e.grad
    step(IDS[2])
    assert not np.shares_memory(e.grad, before)


@pytest.mark.parametrize("square", [False, True])
def test_a_mask_that_comes_to_hold_for_more_rows(square: bool, rng: np.random.Generator) -> None:
    e = table(rng)
    step = tg.compile(lambda mask: (e[mask] ** 2).sum() if square else e[mask].sum(), optim.SGD([e], lr=0.1))
    few, moved, most = np.arange(N) % 1_000 == 0, np.arange(N) % 1_000 == 1, np.arange(N) % 10 != 0
    for mask in (few, moved, few, most):
        before = e.data.copy()
        with pytest.warns(FallbackWarning, match="could not be broadcast|reshape") if mask is most else nullcontext():
            step(mask)
        slope = 2.0 * before if square else np.ones((N, 4))
        assert_allclose(e.grad, slope * mask[:, None])
        assert_allclose(e.data, before - 0.1 * slope * mask[:, None])


def test_the_parts_of_a_loop_are_one_call(rng: np.random.Generator) -> None:
    x, w = Value(rng.normal(size=(30, 3)), name="x"), Value(rng.normal(size=3), name="w")

    def loss() -> Any:
        h = np.zeros(3)
        for k in range(30):
            h = np.tanh(h * w + x[k])
        return (h * h).sum()

    step = agree(loss, [x, w])
    assert step.source.count("scattered(") == 1


@pytest.mark.parametrize("few", [0, pieces.FEW])
def test_more_parts_than_the_whole_has_elements(
    few: int, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "FEW", few)
    x, y = Value(rng.normal(size=(6, 3)), name="x"), Value(rng.normal(size=6), name="y")

    def loss() -> Any:
        parts = sum((x[k:] * x[: 6 - k]).sum() * y[k] for k in range(6))
        return parts + (x[[0, 0, 5]] * x[1]).sum() * y[0] + (x * 2.0).sum() * y[-1]

    step = agree(loss, [x, y], exact=False)
    assert step.source.count("scattered(") >= (1 if few else 3)


def test_parts_of_an_interior_array_chosen_by_an_argument(rng: np.random.Generator) -> None:
    x = Value(rng.normal(size=(6, 3)), name="x")

    def loss(k: Any, ids: Any) -> Any:
        h = np.tanh(x)
        return (h[ids] * h[k][:, None]).sum() + h[1].sum() + (h[ids, k] ** 2).sum()

    step = tg.compile(loss)
    for k, ids in (([0, 1, 1], [5, 5, 2]), ([2, 0, 0], [0, -1, 0])):
        arguments = np.array(k), np.array(ids)
        x.zero_grad()
        loss(*arguments).backward()
        expected = x.grad
        for _ in range(2):
            x.zero_grad()
            step(*arguments)
            assert_allclose(x.grad, expected, rtol=1e-13)
    assert step.captures == 1


def test_a_frozen_table_gets_no_gradient(rng: np.random.Generator) -> None:
    e, w = table(rng), Value(np.ones(4), name="w")
    step = tg.compile(lambda ids: (e[ids] * w).sum(), optim.SGD([e, w], lr=0.1))
    for frozen in (False, True, False):
        e.requires_grad = not frozen
        before = e.data.copy()
        for _ in range(2):
            step(IDS[0])
        assert e.has_grad is not frozen
        assert np.array_equal(e.data, before) is frozen


def test_a_few_parts_are_added_in_place_as_a_person_would(rng: np.random.Generator) -> None:
    x = Value(rng.normal(size=6), name="x")
    step = agree(lambda: (x[1:] * x[:-1]).sum(), [x])
    assert "scattered(" not in step.source
    assert "[1:] = " in step.source
    assert "[:-1] += " in step.source


def test_arrays_of_zeros_are_not_shared(rng: np.random.Generator) -> None:
    x, y = Value(rng.normal(size=6), name="x"), Value(rng.normal(size=6), name="y")
    agree(lambda: (x[1:] * y[:-1]).sum() + (x[0] * 2.0 + 1.0) * y[5], [x, y])
