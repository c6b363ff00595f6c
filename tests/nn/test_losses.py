"""Losses against NumPy written by hand, finite differences, and their own scalar form."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lite as tg
from tinygrad_lite import Value, nn
from tinygrad_lite.errors import ArgumentError, ShapeError, ValueTypeError
from tinygrad_lite.nn import losses

Array = np.ndarray[Any, np.dtype[Any]]


def log_sigmoid(z: Array) -> Array:
    return np.asarray(np.minimum(z, 0) - np.log1p(np.exp(-abs(z))))


ELEMENTWISE: dict[str, tuple[Any, Callable[[Array, Array], Array], Callable[[Array, Array], Array]]] = {
    # the loss, one term by hand, its derivative by hand
    "half_squared_error": (losses.half_squared_error, lambda y, t: (y - t) ** 2 / 2, lambda y, t: y - t),
    "mse": (losses.mse, lambda y, t: (y - t) ** 2, lambda y, t: 2 * (y - t)),
    "binary_cross_entropy": (
        losses.binary_cross_entropy,
        lambda y, t: -t * log_sigmoid(y) - (1 - t) * log_sigmoid(-y),
        lambda y, t: 1 / (1 + np.exp(-y)) - t,
    ),
    "hinge": (losses.hinge, lambda y, t: np.maximum(0, 1 - t * y), lambda y, t: np.where(t * y < 1, -t, 0.0)),
}


def targets_for(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    if name == "hinge":
        return np.asarray(rng.choice([-1.0, 1.0], size=shape))
    return np.asarray(rng.random(shape) if name == "binary_cross_entropy" else rng.normal(size=shape))


def divisor(name: str, shape: tuple[int, ...], reduction: str) -> int:
    if reduction == "sum":
        return 1
    return math.prod(shape[:-1]) if name == "half_squared_error" else math.prod(shape)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("shape", [(), (1,), (3,), (1, 1), (4, 1), (4, 3), (2, 3, 2)])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_by_hand(name: str, shape: tuple[int, ...], reduction: str, rng: np.random.Generator) -> None:
    loss, term, slope = ELEMENTWISE[name]
    data, t = rng.normal(size=shape), targets_for(name, shape, rng)
    y = Value(data)
    cost = loss(y, t, reduction=reduction)
    n = divisor(name, shape, reduction)
    assert type(cost.data) is float
    assert cost.name == "C"
    assert_allclose(cost.data, term(data, t).sum() / n, rtol=1e-12)
    cost.backward()
    assert_allclose(y.grad, slope(data, t) / n, rtol=1e-12)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("shape", [(1,), (3,), (1, 1), (4, 1), (4, 3)])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_lists_of_scalars_give_what_arrays_give(
    name: str, shape: tuple[int, ...], reduction: str, rng: np.random.Generator
) -> None:
    loss = ELEMENTWISE[name][0]
    data, t = rng.normal(size=shape), targets_for(name, shape, rng)
    y, scalars = Value(data), _listed(data)
    whole, parts = loss(y, t, reduction=reduction), loss(scalars, t.tolist(), reduction=reduction)
    assert_allclose(parts.data, whole.data, rtol=1e-12)
    whole.backward()
    parts.backward()
    assert_allclose(_grads(scalars), y.grad, rtol=1e-12)


LOSSES = {name: loss for name, (loss, *_) in ELEMENTWISE.items()} | {"cross_entropy": losses.cross_entropy}


def forms(name: str, y: Any, t: Any, outputs: int) -> list[tuple[Any, Any]]:
    """Scalar outputs and targets in every form in which they mean the same."""
    found = [(y, t), (y, t.tolist()), (y, Value(t, requires_grad=False))]
    if isinstance(y, Value):  # one output of one sample; cross-entropy wants an axis of classes
        return [([y], t)] if name == "cross_entropy" else [*found, ([y], [t]), ([y], [[t]])]
    if outputs == 1:
        found += [(tuple(y), t), ([[one] for one in y], t)]
        found += [] if name == "cross_entropy" else [(y, t.ravel()), (y, t.ravel().tolist()), (y, Value(t.ravel()))]
    return found


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("samples", [None, 1, 4], ids=["one sample", "a batch of one", "a batch of four"])
@pytest.mark.parametrize("name", LOSSES)
def test_a_sample_is_the_same_for_networks_of_scalars_and_of_arrays(
    name: str, samples: int | None, outputs: int, rng: np.random.Generator
) -> None:
    dims = [2, 3, outputs]
    nets = [kind(dims, activation="tanh", output="linear", rng=0) for kind in (nn.MLP, nn.scalar.MLP)]
    batch = () if samples is None else (samples,)
    x, shape = rng.normal(size=(*batch, 2)), (*batch, outputs)
    t = np.asarray(rng.integers(0, outputs, size=batch)) if name == "cross_entropy" else targets_for(name, shape, rng)
    rows = x.tolist()
    nets[0].zero_grad()
    for reduction in ("mean", "sum"):
        right = _any(LOSSES[name])(nets[0](x), t, reduction=reduction)
        one = t[0] if samples is None and outputs == 1 and name != "cross_entropy" else t
        for y in [nets[1](rows)] if samples is None else [nets[1](rows), [nets[1](row) for row in rows]]:
            for scalars, targets in forms(name, y, one, outputs):
                cost = _any(LOSSES[name])(scalars, targets, reduction=reduction)
                assert_allclose(cost.data, right.data, rtol=1e-12, atol=1e-12)
        right.backward()
        cost.backward()
    gradients = {key: value.grad for key, value in nets[1].named_parameters().items()}
    nets[1].load_state_dict({key: value.grad for key, value in nets[0].named_parameters().items()})
    for key, value in nets[1].named_parameters().items():
        assert_allclose(gradients[key], value.data, rtol=1e-12, atol=1e-12)


def test_several_outputs_of_several_samples_need_a_list_of_lists() -> None:
    y = nn.scalar.MLP([2, 2], rng=0).batch([[0.0, 1.0], [1.0, 0.0]])
    flat = [one for row in y for one in row]
    message = "half_squared_error: 'n10', 'n11' are outputs of several samples in a flat list; pass a list of lists"
    with pytest.raises(ShapeError, match=message):
        losses.half_squared_error(flat, [0.0, 1.0, 1.0, 0.0])


def test_nameless_scalars_in_a_flat_list_are_the_outputs_of_one_sample() -> None:
    assert losses.half_squared_error([Value(1.0), Value(3.0)], [0.0, 0.0]).data == 5.0


def test_the_tutorials_two_conventions() -> None:
    """A: Σ (y - t)² / (2 · samples). B: ½ Σ (y - t)²."""
    y, t = Value([[1.0, 2.0], [3.0, 4.0]]), np.zeros((2, 2))
    assert losses.half_squared_error(y, t).data == 30 / 4
    assert losses.half_squared_error(y, t, "sum").data == 15.0
    one = [Value(1.0), Value(2.0)]
    assert losses.half_squared_error(one, [0.0, 0.0]).data == losses.half_squared_error(one, [0, 0], "sum").data == 2.5


def test_each_element_of_the_squared_error_is_one_path() -> None:
    y = Value([[0.5, 0.5], [0.5, 0.5]], name="y")
    assert tg.gradient_paths(losses.mse(y, np.zeros((2, 2))), y, at=(0, 1)).count == 1
    scalars = _listed(np.full((2, 2), 0.5))
    assert tg.gradient_paths(losses.mse(scalars, np.zeros((2, 2))), scalars[0][1]).count == 1


def test_targets_are_named_constants() -> None:
    def names(end: Value) -> set[str]:
        found, waiting = set(), [end]
        while waiting:
            value = waiting.pop()
            waiting += value.parents
            if value.name:
                found.add(value.name)
                assert value.name == "C" or not value.requires_grad
        return found

    assert names(losses.mse(Value([1.0]), [2.0])) == {"C", "t"}
    assert names(losses.mse([Value(1.0), Value(2.0)], [2.0, 3.0])) == {"C", "t0", "t1"}
    rows = [[Value(1.0)], [Value(2.0)]]
    assert names(losses.mse(rows, [[2.0], [3.0]])) == {"C", "t0@0", "t0@1"}


def test_targets_may_be_values_with_gradients() -> None:
    t = Value([1.0, 3.0])
    losses.mse(Value([0.0, 0.0]), t).backward()
    assert_array_equal(t.grad, [1.0, 3.0])
    other = [Value(1.0), Value(3.0)]
    losses.mse([Value(0.0), Value(0.0)], other).backward()
    assert [v.grad for v in other] == [1.0, 3.0]


def test_targets_of_scalars_come_in_many_forms() -> None:
    rows = [[Value(1.0), Value(2.0)], [Value(3.0), Value(4.0)]]
    t = np.array([[0.0, 1.0], [1.0, 0.0]])
    forms: list[Any] = [
        t, t.tolist(), list(t), t.astype(int), Value(t), list(Value(t)), [[Value(0.0), 1], (1, np.float64(0.0))]
    ]  # fmt: skip
    for form in forms:
        assert losses.mse(rows, form).data == 22 / 4


def test_float32_stays_float32() -> None:
    y = Value(np.ones((2, 2), dtype=np.float32))
    for loss in (losses.mse, losses.half_squared_error, losses.binary_cross_entropy, losses.hinge):
        cost = loss(y, np.ones((2, 2)))
        cost.backward()
        assert y.grad.dtype == np.float32
    losses.cross_entropy(y, [0, 1]).backward()
    assert y.grad.dtype == np.float32


def test_plain_numbers_make_a_constant_loss() -> None:
    assert losses.mse([1.0, 2.0], [0.0, 0.0]).data == 2.5
    assert losses.cross_entropy(np.zeros((2, 3)), [0, 1]).data == pytest.approx(math.log(3))


def test_the_margin_of_the_hinge() -> None:
    y = Value([0.5, 3.0])
    assert losses.hinge(y, [1, 1], margin=2.0).data == 0.75
    losses.hinge(y, [1, 1], margin=0.5).backward()
    assert_array_equal(y.grad, [0.0, 0.0])


# ---- cross-entropy ---------------------------------------------------------------------------------------------------


def log_softmax(z: Array) -> Array:
    shifted = z - z.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("shape", [(3,), (1, 3), (5, 3), (2, 4, 3), (4, 1)])
def test_cross_entropy_by_hand(shape: tuple[int, ...], reduction: Any, rng: np.random.Generator) -> None:
    data = rng.normal(size=shape)
    labels = rng.integers(0, shape[-1], size=shape[:-1])
    p = np.eye(shape[-1])[labels]
    n = math.prod(shape[:-1]) if reduction == "mean" else 1
    for target in (labels, labels.tolist(), p, Value(p, requires_grad=False), Value(labels, requires_grad=False)):
        z = Value(data)
        cost = losses.cross_entropy(z, target, reduction)
        assert cost.name == "C"
        assert_allclose(cost.data, -(p * log_softmax(data)).sum() / n, rtol=1e-12)
        cost.backward()
        assert_allclose(z.grad, (np.exp(log_softmax(data)) - p) / n, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("dtype", ["i1", "u1", "<i2", ">i2", ">u4", ">i8", "u8", "p", "q", "Q"])
def test_labels_of_any_whole_numbers(dtype: str) -> None:
    z = Value(np.zeros((2, 3)))
    assert losses.cross_entropy(z, np.array([0, 2], dtype)).item() == pytest.approx(math.log(3))
    for wrong, shown in ((-1, "-1"), (3, "3")):
        if wrong > 0 or np.dtype(dtype).kind == "i":
            with pytest.raises(ArgumentError, match=rf"from 0 to 2 \(3 logits\), got {shown}"):
                losses.cross_entropy(z, np.array([0, wrong], dtype))


def test_cross_entropy_of_soft_labels(rng: np.random.Generator) -> None:
    data, p = rng.normal(size=(4, 3)), rng.dirichlet(np.ones(3), size=4)
    assert_allclose(losses.cross_entropy(Value(data), p).data, -(p * log_softmax(data)).sum() / 4, rtol=1e-12)


def test_cross_entropy_of_scalars(rng: np.random.Generator) -> None:
    data = rng.normal(size=(4, 3))
    rows, z = _listed(data), Value(data)
    parts, whole = losses.cross_entropy(rows, [0, 2, 1, 1]), losses.cross_entropy(z, [0, 2, 1, 1])
    assert_allclose(parts.data, whole.data, rtol=1e-12)
    parts.backward()
    whole.backward()
    assert_allclose(_grads(rows), z.grad, rtol=1e-12)
    assert_allclose(losses.cross_entropy(rows[0], 2).data, -log_softmax(data)[0, 2], rtol=1e-12)


@pytest.mark.parametrize("size", [30.0, 1e4, 1e300])
def test_losses_of_large_logits(size: float) -> None:
    z = Value([[size, 0.0], [-size, 0.0], [0.0, size]])
    cost = losses.cross_entropy(z, [0, 0, 1])
    assert_allclose(cost.data, size / 3, rtol=1e-12)
    cost.backward()
    assert np.isfinite(z.grad).all()
    y = Value([size, -size])
    right = losses.binary_cross_entropy(y, [1.0, 0.0])
    assert_allclose(right.data, math.exp(-size), rtol=1e-12)
    right.backward()
    assert_allclose(y.grad, [-math.exp(-size) / 2, math.exp(-size) / 2], rtol=1e-12)
    assert_allclose(losses.binary_cross_entropy(y, [0.0, 1.0]).data, size, rtol=1e-12)


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_gradients_by_finite_differences(samples: int, outputs: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    data, labels = rng.normal(size=(samples, outputs)), rng.integers(0, outputs, size=samples)
    cases: list[tuple[Callable[..., Value], Array]] = [(losses.cross_entropy, labels)]
    cases += [(entry[0], targets_for(name, data.shape, rng)) for name, entry in ELEMENTWISE.items()]
    direction, step = rng.normal(size=data.shape), 1e-5
    for loss, t in cases:
        if loss is losses.hinge and (abs(1 - t * data) < 1e-3).any():
            continue
        y = Value(data)
        loss(y, t).backward()
        ahead, behind = (loss(Value(data + sign * step * direction), t).item() for sign in (1, -1))
        assert_allclose((y.grad * direction).sum(), (ahead - behind) / (2 * step), rtol=1e-6, atol=1e-8)


def test_against_pytorch(rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    data, t, labels = rng.normal(size=(5, 3)) * 10, rng.random((5, 3)), rng.integers(0, 3, 5)
    for ours, theirs, target in [
        (losses.mse, functional.mse_loss, t),
        (losses.binary_cross_entropy, functional.binary_cross_entropy_with_logits, t),
        (losses.cross_entropy, functional.cross_entropy, labels),
        (losses.cross_entropy, functional.cross_entropy, t / t.sum(axis=1, keepdims=True)),
    ]:
        y, other = Value(data), torch.tensor(data, requires_grad=True)
        cost, expected = ours(y, target), theirs(other, torch.tensor(target))
        cost.backward()
        expected.backward()
        assert_allclose(cost.data, expected.item(), rtol=1e-12)
        assert_allclose(y.grad, other.grad.numpy(), rtol=1e-9, atol=1e-15)


def _any(function: Any) -> Any:
    """The function without its types, to be called wrongly."""
    return function


# ---- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize(
    ("outputs", "targets"), [((4,), (4, 1)), ((4, 1), (4,)), ((2, 3), (3,)), ((3,), ()), ((1,), (3,))]
)
def test_nothing_is_broadcast(name: str, outputs: tuple[int, ...], targets: tuple[int, ...]) -> None:
    loss = ELEMENTWISE[name][0]
    message = f"{name}: outputs and targets need the same shape, got {outputs} and {targets}"
    with pytest.raises(ShapeError, match=re.escape(message)):
        loss(Value(np.zeros(outputs)), np.ones(targets))
    with pytest.raises(ShapeError, match=re.escape(message)):
        loss(_listed(np.zeros(outputs)), np.ones(targets))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda y: _any(losses.mse)(y, y.data, "median"),
            ArgumentError,
            "mse: reduction is 'mean' or 'sum', got 'median'",
        ),
        (
            lambda y: _any(losses.cross_entropy)(y, [0, 0], "none"),
            ArgumentError,
            "reduction is 'mean' or 'sum', got 'none'",
        ),
        (lambda y: losses.hinge(y, np.zeros((2, 3))), ArgumentError, "hinge: a label is -1 or 1, got 0"),
        (
            lambda y: losses.binary_cross_entropy(y, np.full((2, 3), 1.5)),
            ArgumentError,
            "binary_cross_entropy: a target is a probability between 0 and 1, got 1.5",
        ),
        (
            lambda y: losses.cross_entropy(y, [0, 3]),
            ArgumentError,
            "cross_entropy: a class is a number from 0 to 2 (3 logits), got 3",
        ),
        (
            lambda y: losses.cross_entropy(y, [-1, 0]),
            ArgumentError,
            "a class is a number from 0 to 2 (3 logits), got -1",
        ),
        *(
            (lambda y, t=t: losses.cross_entropy(y, t), ArgumentError, "class numbers are integers, got floats such as")
            for t in ([0.5, 0], [1.0, 0], np.array([1.0, 0.0]), np.ones(2, np.float32), Value([1.0, 0.0]))
        ),
        *(
            (lambda y, t=t: losses.cross_entropy(y, t), ArgumentError, "are integers, got truth values; convert them")
            for t in ([True, 0], [True, False], np.array([True, False]), (1.0, np.True_))
        ),
        (lambda y: losses.cross_entropy(y[0], 1.0), ArgumentError, "got floats such as 1; convert them with .astype("),
        (lambda y: losses.cross_entropy(_listed(y.data), [1.0, 0]), ArgumentError, "class numbers are integers"),
        (
            lambda y: losses.cross_entropy(y, [0, 1, 2]),
            ShapeError,
            "for logits of shape (2, 3) needs class numbers of shape (2,) or probabilities of shape (2, 3), got (3,)",
        ),
        (
            lambda y: losses.cross_entropy(y, np.ones((2, 3))),
            ArgumentError,
            "probabilities of one sample sum to 1, got 3",
        ),
        (
            lambda y: losses.cross_entropy(y, [[1.5, -0.5, 0], [1, 0, 0]]),
            ArgumentError,
            "a probability is at least 0, got -0.5",
        ),
        (lambda y: losses.cross_entropy(Value(1.0), 0), ShapeError, "needs logits of shape (samples, classes), got ()"),
        (lambda y: losses.mse([], []), ShapeError, "mse: needs at least one output, got shape (0,)"),
        (lambda y: losses.mse(Value(np.ones((0, 2))), np.ones((0, 2))), ShapeError, "needs at least one output"),
        (lambda y: losses.mse([y], [1.0]), ShapeError, "a list of outputs holds scalars, got a Value of shape (2, 3)"),
        (lambda y: losses.mse([[Value(1.0)], []], [[1.0], []]), ShapeError, "not of equal lengths"),
        (lambda y: losses.mse([[Value(1.0)], Value(1.0)], [1.0]), ShapeError, "not of equal lengths"),
        (lambda y: losses.mse(["1"], [1.0]), ValueTypeError, "a list of outputs holds scalar Values, got str"),
        (lambda y: losses.mse(y, "abc"), ValueTypeError, "needs a number or an array of numbers, got str"),
    ],
)
def test_bad_input(call: Callable[[Value], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        call(Value(np.zeros((2, 3))))


def test_no_targets_are_changed(rng: np.random.Generator) -> None:
    y, t = rng.normal(size=(3, 2)), rng.random((3, 2))
    copies = y.copy(), t.copy()
    losses.binary_cross_entropy(Value(y), t).backward()
    assert_array_equal(y, copies[0])
    assert_array_equal(t, copies[1])


def test_a_network_learns_classes(rng: np.random.Generator) -> None:
    x = rng.normal(size=(40, 2))
    labels = (x[:, 0] * x[:, 1] > 0).astype(int)
    mlp = nn.MLP(2, [16, 2], activation="tanh", output="linear", rng=0)
    first = losses.cross_entropy(mlp(x), labels).item()
    for _ in range(200):
        mlp.zero_grad()
        losses.cross_entropy(mlp(x), labels).backward()
        for p in mlp.parameters():
            p.data = p.data - 0.5 * p.grad
    assert losses.cross_entropy(mlp(x), labels).item() < 0.4 * first


def _listed(data: Array) -> Any:
    return Value(float(data)) if data.ndim == 0 else [_listed(item) for item in data]


def _grads(scalars: Any) -> Any:
    return [_grads(item) for item in scalars] if isinstance(scalars, list) else scalars.grad
