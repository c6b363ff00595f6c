"""Optimizers against the formulas in plain Python, and against PyTorch where it is installed."""

from __future__ import annotations

import copy
import math
import re
import tracemalloc
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tinygrad_lite import Value, nn, optim
from tinygrad_lite.core.scattered import Rows
from tinygrad_lite.errors import ArgumentError, GraphError, ValueTypeError

Array = np.ndarray[Any, np.dtype[Any]]

SGD_SETTINGS: list[dict[str, Any]] = [
    {"lr": 0.1},
    {"lr": 0.0},
    {"lr": 0.1, "weight_decay": 0.2},
    {"lr": 0.1, "momentum": 0.9},
    {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.2},
    {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.2},
]
ADAM_SETTINGS: list[dict[str, Any]] = [
    {},
    {"lr": 0.1},
    {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3},
    {"lr": 0.1, "weight_decay": 0.2},
    {"lr": 0.1, "betas": (0.0, 0.0)},
]
CASES = [(optim.SGD, settings) for settings in SGD_SETTINGS] + [(optim.Adam, settings) for settings in ADAM_SETTINGS]
IDS = [f"{kind.__name__}-{settings}" for kind, settings in CASES]


def sgd_by_hand(
    p: Any, grads: list[Any], lr: float, momentum: float = 0, weight_decay: float = 0, nesterov: bool = False
) -> Any:
    v = None
    for g in grads:
        g = g + weight_decay * p
        v = g if v is None else momentum * v + g
        p = p - lr * (g + momentum * v if nesterov else v if momentum else g)
    return p


def adam_by_hand(
    p: Any,
    grads: list[Any],
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0,
) -> Any:
    m = v = 0.0 * p
    for t, g in enumerate(grads, start=1):
        g = g + weight_decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        p = p - lr * (m / (1 - betas[0] ** t)) / (np.sqrt(v / (1 - betas[1] ** t)) + eps)
    return p


BY_HAND: dict[Any, Callable[..., Any]] = {optim.SGD: sgd_by_hand, optim.Adam: adam_by_hand}


@pytest.mark.parametrize(("kind", "settings"), CASES, ids=IDS)
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3), (0,)])
def test_by_hand(kind: Any, settings: dict[str, Any], shape: tuple[int, ...], rng: np.random.Generator) -> None:
    start, grads = rng.normal(size=shape), [rng.normal(size=shape) for _ in range(5)]
    p = Value(start)
    optimizer = kind([p], **{"lr": 1e-3, **settings})
    for g in grads:
        p.grad = g
        optimizer.step()
    assert_allclose(p.data, BY_HAND[kind](start, grads, **settings), rtol=1e-12, atol=1e-14)
    assert type(p.data) is (float if shape == () else np.ndarray)


@pytest.mark.parametrize(("kind", "settings"), CASES, ids=IDS)
def test_large_arrays_in_blocks(
    kind: Any, settings: dict[str, Any], rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, grads = rng.normal(size=(5, 3)), [rng.normal(size=(5, 3)) for _ in range(4)]
    results = []
    for large in (optim.LARGE, 2):
        monkeypatch.setattr(optim, "LARGE", large)
        monkeypatch.setattr(optim, "BLOCK", 4)
        for order in "CF":
            p = Value(np.array(start, order=order))
            optimizer = kind([p], **{"lr": 1e-3, **settings})
            for g in grads:
                p.grad = g
                optimizer.step()
            results.append(p.data)
    for result in results:
        assert_array_equal(result, results[0])


@pytest.mark.parametrize(("kind", "settings"), CASES, ids=IDS)
def test_against_pytorch(kind: Any, settings: dict[str, Any], rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    settings = {"lr": 1e-3, **settings}
    ours = [Value(rng.normal(size=shape)) for shape in [(3, 2), (2,), ()]]
    theirs = [torch.tensor(p.data, dtype=torch.float64, requires_grad=True) for p in ours]
    one, other = kind(ours, **settings), getattr(torch.optim, kind.__name__)(theirs, **settings)
    for step in range(6):
        for k, (p, q) in enumerate(zip(ours, theirs, strict=True)):
            skipped = k == 1 and step in (0, 3)  # steps without a gradient do not count
            g = rng.normal(size=p.shape)
            p.grad, q.grad = (None, None) if skipped else (g, torch.tensor(g))
        one.step()
        other.step()
    for p, q in zip(ours, theirs, strict=True):
        assert_allclose(p.data, q.detach().numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("kind", "settings"), CASES, ids=IDS)
def test_scalars_and_arrays_take_the_same_steps(kind: Any, settings: dict[str, Any], rng: np.random.Generator) -> None:
    settings = {"lr": 1e-3, **settings}
    scalars = nn.scalar.MLP(2, [3, 1], activation="tanh", rng=0)
    arrays = nn.MLP(2, [3, 1], activation="tanh", output="linear", rng=1)
    arrays.load_state_dict(scalars.state_dict())
    x, t = rng.normal(size=(4, 2)), rng.normal(size=(4, 1))
    one, other = kind(scalars.parameters(), **settings), kind(arrays.parameters(), **settings)
    for _ in range(3):
        one.zero_grad()
        other.zero_grad()
        nn.losses.mse([[y] for y in scalars.batch(x)], t).backward()
        nn.losses.mse(arrays(x), t).backward()
        one.step()
        other.step()
    for name, value in scalars.named_parameters().items():
        found, index = arrays.find_parameter(name)
        assert_allclose(value.data, found.data[index], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("kind", "settings"), CASES, ids=IDS)
def test_parameters_without_a_gradient_stay(kind: Any, settings: dict[str, Any]) -> None:
    reached, left, alone = Value(np.ones(2)), Value(np.ones(2)), Value(1.0)
    optimizer = kind([left, reached, alone], **{"lr": 1e-3, **settings})
    reached.grad = np.ones(2)
    optimizer.step()
    assert_array_equal(left.data, np.ones(2))
    assert alone.data == 1.0
    optimizer.zero_grad()
    assert not reached.has_grad


def test_float32_stays_float32(rng: np.random.Generator) -> None:
    for kind, settings in CASES:
        start, g = rng.normal(size=(3,)).astype(np.float32), rng.normal(size=(3,)).astype(np.float32)
        p = Value(start)
        optimizer = kind([p], **{"lr": 1e-3, **settings})
        for _ in range(2):
            p.grad = g
            optimizer.step()
        assert p.dtype == np.float32
        assert_allclose(p.data, BY_HAND[kind](start.astype(float), [g.astype(float)] * 2, **settings), rtol=1e-5)


def test_parameters_of_both_dtypes_and_many_shapes(rng: np.random.Generator) -> None:
    params = [Value(rng.normal(size=s).astype(d)) for s in [(2, 3), (6,), (1,)] for d in (np.float32, np.float64)]
    starts, grads = [p.data.copy() for p in params], [rng.normal(size=p.shape).astype(p.dtype) for p in params]
    optimizer = optim.Adam(params, lr=0.1, weight_decay=0.1)
    for p, g in zip(params, grads, strict=True):
        p.grad = g
    optimizer.step()
    for p, start, g in zip(params, starts, grads, strict=True):
        assert_allclose(p.data, adam_by_hand(start, [g], lr=0.1, weight_decay=0.1), rtol=1e-5)


def test_adam_with_eps_0_and_a_gradient_that_is_always_0() -> None:
    scalar, array = Value(1.0), Value([1.0, 1.0])
    optimizer = optim.Adam([scalar, array], lr=0.1, eps=0.0)
    scalar.grad, array.grad = 0.0, np.array([0.0, 2.0])
    optimizer.step()
    assert scalar.data == 1.0
    assert_allclose(array.data, [1.0, 0.9])


@pytest.mark.parametrize(("kind", "settings"), CASES, ids=IDS)
def test_gradients_and_the_users_arrays_are_not_changed(
    kind: Any, settings: dict[str, Any], rng: np.random.Generator
) -> None:
    p, mine = Value(np.ones(3)), np.full(3, 2.0)
    optimizer = kind([p], **{"lr": 0.1, **settings})
    for _ in range(3):
        p.data = mine  # put there by the user, before the first step and between steps
        g = rng.normal(size=3)
        p.grad = g
        kept = g.copy()
        optimizer.step()
        optimizer.step()
        assert_array_equal(g, kept)
        assert_array_equal(mine, np.full(3, 2.0))


def test_a_graph_from_before_the_step_is_out_of_date() -> None:
    w = Value(np.ones(3))
    optimizer = optim.SGD([w], lr=0.1)
    for _ in range(4):
        loss = (w * w).sum()
        loss.backward()
        optimizer.step()
        with pytest.raises(GraphError, match="was replaced after it was recorded"):
            loss.backward()


def test_the_learning_rate_may_change() -> None:
    for start in (1.0, np.ones(1)):
        w = Value(start)
        optimizer = optim.SGD([w], lr=0.1)
        for lr in (0.5, 0.25):
            optimizer.lr = lr
            w.grad = np.ones(w.shape)
            optimizer.step()
        assert w.item() == 0.25


# ---- saving and loading ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "settings"), CASES, ids=IDS)
def test_a_loaded_optimizer_goes_on_as_the_saved_one(
    kind: Any, settings: dict[str, Any], rng: np.random.Generator
) -> None:
    def make() -> tuple[list[Value], Any]:
        params = [Value(np.ones(2)), Value(1.0), Value(3.0)]
        return params, kind(params, **{"lr": 0.1, **settings})

    grads = [(rng.normal(size=2), rng.normal()) for _ in range(4)]

    def run(params: list[Value], optimizer: Any, some: list[Any]) -> None:
        for array, number in some:
            params[0].grad, params[1].grad = array, number
            optimizer.step()

    params, optimizer = make()
    run(params, optimizer, grads[:2])
    state = optimizer.state_dict()
    kept = copy.deepcopy(state)
    data = [np.copy(p.data) for p in params]
    run(params, optimizer, grads[2:])
    assert str(state) == str(kept), "a saved state is a copy"

    others, other = make()
    for p, value in zip(others, data, strict=True):
        p.data = value
    other.lr = 77.0
    other.load_state_dict(state)
    run(others, other, grads[2:])
    assert str(state) == str(kept), "what is loaded is a copy"
    for p, q in zip(params, others, strict=True):
        assert_array_equal(p.data, q.data)


def test_every_misfit_of_a_state_is_listed() -> None:
    optimizer = optim.SGD([Value(np.ones(2)), Value(1.0)], lr=0.1)
    state = optimizer.state_dict()
    state |= {"lr": -1.0, "velocity": [np.ones(3), np.ones(1)], "colour": "red"}
    del state["nesterov"]
    with pytest.raises(ArgumentError, match=r"^load_state_dict: nothing was loaded into SGD:") as caught:
        optimizer.load_state_dict(state)
    assert str(caught.value) == (
        "load_state_dict: nothing was loaded into SGD:\n"
        "  nesterov: missing\n"
        "  colour: unknown\n"
        "  velocity[0]: has shape (3,), needs (2,)\n"
        "  velocity[1]: has shape (1,), needs ()"
    )
    with pytest.raises(ArgumentError, match=r"SGD: lr is a number of at least 0, got -1\.0"):
        optimizer.load_state_dict(optimizer.state_dict() | {"lr": -1.0})
    with pytest.raises(ArgumentError, match="velocity: needs a list of 2 entries, one for each parameter, got 1"):
        optimizer.load_state_dict(optimizer.state_dict() | {"velocity": [None]})
    with pytest.raises(ArgumentError, match=r"velocity\[1\]: needs None, a number or an array of numbers, got str"):
        optimizer.load_state_dict(optimizer.state_dict() | {"velocity": [None, "fast"]})
    with pytest.raises(ArgumentError, match="velocity: needs a list of 2 entries, one for each parameter, got float"):
        optimizer.load_state_dict(optimizer.state_dict() | {"velocity": 1.0})
    adam = optim.Adam([Value(1.0)])
    with pytest.raises(ArgumentError, match=r"steps: needs 1 whole numbers, one for each parameter, got \[-1\]"):
        adam.load_state_dict(adam.state_dict() | {"steps": [-1]})
    with pytest.raises(ValueTypeError, match=r"needs a dict as state_dict\(\) returns it, got list"):
        adam.load_state_dict([])  # type: ignore[arg-type]


# ---- bad input -------------------------------------------------------------------------------------------------------


def _settings(**settings: Any) -> dict[str, Any]:
    """Settings without their types, to be wrong ones."""
    return settings


SHARED = Value(1.0, name="shared")


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam])
@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ([], ArgumentError, "needs at least one parameter, got an empty list; pass module.parameters()"),
        (Value(1.0), ValueTypeError, "needs a list of parameters, got Value; pass [it]"),
        (nn.Linear(1, 1), ValueTypeError, "needs a list of parameters, got Linear; pass module.parameters()"),
        (nn.Linear(1, 1).named_parameters(), ValueTypeError, "a parameter is a Value, got str at position 0"),
        ([Value(1.0), 2.0], ValueTypeError, "a parameter is a Value, got float at position 1"),
        (
            [Value(1.0, name="c", requires_grad=False)],
            ValueTypeError,
            "'c' (1) at position 0 is a constant; leave it out",
        ),
        ([SHARED * 2.0], ValueTypeError, "at position 0 is computed from others; leave it out"),
        (
            [SHARED, Value(2.0), SHARED],
            ArgumentError,
            "'shared' (1) is given twice, at positions 0 and 2; pass it once",
        ),
    ],
)
def test_bad_parameters(kind: Any, params: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(f"{kind.__name__}: ") + ".*" + re.escape(message)):
        kind(params, lr=0.1)


@pytest.mark.parametrize("lr", [-0.1, math.nan, math.inf, "0.1", None, True, 1j])
def test_bad_learning_rates(lr: Any) -> None:
    for kind in (optim.SGD, optim.Adam):
        with pytest.raises(ArgumentError, match=f"{kind.__name__}: lr is a number of at least 0, got "):
            kind([Value(1.0)], lr=lr)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: optim.SGD(p, 0.1, momentum=-1), "SGD: momentum is a number of at least 0, got -1"),
        (lambda p: optim.SGD(p, 0.1, weight_decay=-1), "SGD: weight_decay is a number of at least 0, got -1"),
        (lambda p: optim.SGD(p, 0.1, nesterov=True), "SGD: nesterov needs momentum, got momentum=0"),
        (lambda p: optim.Adam(p, betas=(0.9, 1.0)), "Adam: betas are at least 0 and below 1, got (0.9, 1.0)"),
        (lambda p: optim.Adam(p, betas=(-0.1, 0.9)), "Adam: betas is a number of at least 0, got -0.1"),
        (lambda p: optim.Adam(p, **_settings(betas=0.9)), "Adam: betas is a pair of numbers, got 0.9"),
        (lambda p: optim.Adam(p, eps=-1e-8), "Adam: eps is a number of at least 0, got -1e-08"),
        (
            lambda p: optim.Adam(p, **_settings(weight_decay="a")),
            "Adam: weight_decay is a number of at least 0, got 'a'",
        ),
    ],
)
def test_bad_settings(make: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(message)):
        make([Value(1.0)])


@pytest.mark.parametrize("stopped", [0, 2, 3])
@pytest.mark.parametrize("shape", [(), (3,)])
def test_an_interrupt_counts_no_parameter_that_has_not_moved(
    shape: Any, stopped: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    roots = iter(range(100))

    def root(x: float) -> float:
        if next(roots) == stopped + 1:  # the first is of the correction that all share
            raise KeyboardInterrupt("stopped")
        return math.sqrt(x)

    class Stopped(optim.Adam):
        def _step_array(self, k: int, *rest: Any) -> None:
            root(1.0)
            super()._step_array(k, *rest)

    monkeypatch.setattr(optim, "math", types.SimpleNamespace(sqrt=root, inf=math.inf))
    params = [Value(np.ones(shape) if shape else 1.0) for _ in range(4)]
    optimizer = Stopped(params, lr=0.1)
    for parameter in params:
        parameter.grad = np.ones(shape) if shape else 1.0
    with pytest.raises(KeyboardInterrupt, match="stopped"):
        optimizer.step()
    state = optimizer.state_dict()
    assert state["steps"] == [1] * stopped + [0] * (4 - stopped)
    assert [bool(np.all(p.data != 1.0)) for p in params] == [True] * stopped + [False] * (4 - stopped)
    assert [m is None for m in state["mean"]] == [False] * stopped + [True] * (4 - stopped)


def test_the_parameters_of_an_optimizer_stay_the_same() -> None:
    a, b = Value(1.0), Value(2.0)
    optimizer = optim.SGD([a], lr=0.1)
    assert optimizer.params == (a,)
    with pytest.raises(ArgumentError, match=r"SGD: the parameters of an optimizer stay the same.*make a new optimizer"):
        optimizer.params = [a, b]  # type: ignore[assignment]


def test_repr() -> None:
    assert (
        repr(optim.SGD([Value(1.0)], 0.5))
        == "SGD(1 parameters, lr=0.5, momentum=0.0, weight_decay=0.0, nesterov=False)"
    )


# ---- gradients of a few rows, and lazy steps -------------------------------------------------------------------------

ROWS, WIDTH = 4_096, 4
LAZY = [
    (optim.SGD, {"lr": 0.1}),
    (optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    (optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.2}),
    (optim.SGD, {"lr": 0.1, "weight_decay": 0.2}),
    (optim.Adam, {"lr": 0.1}),
    (optim.Adam, {"lr": 0.1, "weight_decay": 0.2}),
]
LAZY_IDS = [f"{kind.__name__}-{settings}" for kind, settings in LAZY]


def table_and_ids(rng: np.random.Generator, dtype: Any = np.float64) -> tuple[Array, list[Array]]:
    return rng.normal(size=(ROWS, WIDTH)).astype(dtype), [rng.integers(0, 40, size=20) for _ in range(5)]


def loss_of(e: Value, ids: Array) -> Value:
    return (e[ids] ** 2).sum() + (e[3] * e[ids[:2]]).sum()


@pytest.mark.parametrize(("kind", "settings"), CASES, ids=IDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_take_the_steps_of_the_whole_array(
    kind: Any, settings: dict[str, Any], dtype: Any, rng: np.random.Generator
) -> None:
    start, batches = table_and_ids(rng, dtype)
    tables = []
    for read in (False, True):  # which makes the gradient an array
        e = Value(start)
        optimizer = kind([e], **{"lr": 1e-3, **settings})
        for ids in batches:
            optimizer.zero_grad()
            loss_of(e, ids).backward()
            if read:
                e.grad = e.grad.copy()
            optimizer.step()
        assert e.dtype == dtype
        tables.append(e.data)
    assert_allclose(tables[0], tables[1], rtol=1e-12 if dtype == np.float64 else 1e-5)


def test_plain_descent_of_rows_reads_no_other_row(rng: np.random.Generator) -> None:
    start, (ids, *_) = table_and_ids(rng)
    e = Value(start)
    optimizer = optim.SGD([e], lr=0.5)
    loss_of(e, ids).backward()
    old = e.data
    old[100] = np.nan  # no row that was read
    optimizer.step()
    assert type(e._grad) is Rows
    assert np.isnan(e.data[100]).all()
    assert np.isfinite(e.data[:40]).all()
    assert e.data is not old
    graph = loss_of(e, ids)
    optimizer.step()
    with pytest.raises(GraphError, match="was replaced after it was recorded"):
        graph.backward()


@pytest.mark.parametrize(("kind", "settings"), LAZY, ids=LAZY_IDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("read", [False, True])
def test_lazy_steps_by_hand(
    kind: Any, settings: dict[str, Any], dtype: Any, read: bool, rng: np.random.Generator
) -> None:
    start, batches = table_and_ids(rng, dtype)
    e, w, b = Value(start), Value(start[:3, :3]), Value(1.5)
    optimizer = kind([e, w, b], lazy=True, **settings)
    expected = start.astype(float)
    memory = dict.fromkeys(range(ROWS), (0.0, 0.0))
    lr, decay = settings["lr"], settings.get("weight_decay", 0.0)
    for t, ids in enumerate(batches, start=1):
        optimizer.zero_grad()
        (loss_of(e, ids) + (w[0] * b).sum() * (t % 2)).backward()
        if read:
            assert e.grad.shape == (ROWS, WIDTH)
        whole = np.array(e.grad, float)
        if not read:
            e.zero_grad()
            (loss_of(e, ids)).backward()
        optimizer.step()
        for row in np.flatnonzero(whole.any(axis=1)):
            g = whole[row] + decay * expected[row]
            m, v = memory[row]
            if kind is optim.SGD:
                momentum = settings.get("momentum", 0.0)
                m = momentum * m + g
                expected[row] -= lr * (g + momentum * m if settings.get("nesterov") else m)
            else:
                m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
                expected[row] -= lr * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
            memory[row] = m, v
    assert e.dtype == dtype
    assert_allclose(e.data, expected, rtol=1e-11 if dtype == np.float64 else 1e-4, atol=1e-5 * (dtype == np.float32))
    assert_array_equal(w.data[1:], start[1:3, :3])  # rows without a gradient stay, of any array
    assert (w.data[0] != start[0, :3]).all()


@pytest.mark.parametrize(("kind", "settings"), LAZY, ids=LAZY_IDS)
def test_lazy_steps_of_numbers_and_of_all_rows_are_the_ordinary_ones(
    kind: Any, settings: dict[str, Any], rng: np.random.Generator
) -> None:
    found = []
    for lazy in (False, True):
        w, b = Value(np.arange(6.0).reshape(3, 2)), Value(2.0)
        optimizer = kind([w, b], lazy=lazy, **settings)
        for g in np.random.default_rng(0).normal(size=(4, 3, 2)):
            w.grad, b.grad = g, float(g[0, 0])
            optimizer.step()
        b.grad = 0.0
        before = b.data
        optimizer.step()
        assert (b.data == before) is (lazy or (settings == {"lr": 0.1} and kind is optim.SGD))
        found.append(w.data)
    assert_array_equal(*found)


def test_lazy_adam_against_pytorch(rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    start, batches = table_and_ids(rng)
    e = Value(start)
    optimizer = optim.Adam([e], lr=0.1, eps=1e-30, lazy=True)
    theirs = torch.nn.Embedding.from_pretrained(torch.tensor(start), freeze=False, sparse=True)
    peer = torch.optim.SparseAdam(theirs.parameters(), lr=0.1, eps=1e-30)
    for ids in batches:
        optimizer.zero_grad()
        (e[ids] ** 2).sum().backward()
        optimizer.step()
        peer.zero_grad()
        (theirs(torch.tensor(ids)) ** 2).sum().backward()
        peer.step()
    assert_allclose(e.data, theirs.weight.detach().numpy(), rtol=1e-12)


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam])
def test_lazy_is_said_and_is_no_state(kind: Any) -> None:
    lazy, plain = kind([Value(1.0)], lr=0.5, lazy=True), kind([Value(1.0)], lr=0.5)
    assert repr(lazy) == repr(plain).replace(")", ", lazy=True)") if kind is optim.SGD else "lazy=True" in repr(lazy)
    assert "lazy" not in repr(plain)
    assert lazy.state_dict() == plain.state_dict()
    lazy.load_state_dict(plain.state_dict())
    assert lazy.lazy


def test_a_step_takes_no_memory_of_the_size_of_a_table() -> None:
    e = Value(np.ones((100_000, 8)))
    for optimizer in (optim.SGD([e], lr=0.1), optim.Adam([e], lr=0.1, lazy=True)):
        for _ in range(2):  # the first step of Adam makes its memory
            tracemalloc.start()
            optimizer.zero_grad()
            (e[[1, 5, 1]] ** 2).sum().backward()
            optimizer.step()
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert peak < e.data.nbytes / 20
