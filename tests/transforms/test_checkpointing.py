"""checkpoint: the same derivatives in less memory, and an error when the function is not the same again."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lite as tg
from tinygrad_lite import Value, nn
from tinygrad_lite.errors import GraphError, ValueTypeError
from tinygrad_lite.semirings import COUNT, MAGNITUDE, MAX, SPECTRUM

Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


W = Value(np.linspace(-0.5, 0.7, 6).reshape(2, 3), name="W")
B = Value(0.3, name="b")
X = np.linspace(-1.0, 1.0, 8).reshape(4, 2)


def layer(x: Any) -> Any:
    return np.tanh(x @ W) * B


def loss(wrap: Wrap, x: Any = X) -> Any:
    block = wrap(layer)
    h = block(x)
    return np.sum(block(h[:, :2] * h[:, 1:]) * h)


def gradients(end: Any, *leaves: Value) -> list[Any]:
    for leaf in leaves:
        leaf.zero_grad()
    end.backward()
    return [np.copy(leaf.grad) for leaf in leaves]


def test_gradients_are_the_same() -> None:
    x = Value(X, name="x")
    for expected, found in zip(
        gradients(loss(plain, x), W, B, x), gradients(loss(tg.checkpoint, x), W, B, x), strict=True
    ):
        assert_array_equal(found, expected)
    again = loss(tg.checkpoint, x)
    gradients(again, W)
    again.backward()
    assert_allclose(W.grad, 2 * gradients(loss(plain, x), W)[0], rtol=1e-14)
    end = loss(tg.checkpoint, x)
    W.zero_grad()
    end.backward(keep="leaves")
    assert_array_equal(W.grad, gradients(loss(plain, x), W)[0])


def test_against_jax() -> None:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy

    def theirs(w: Any, b: Any) -> Any:
        h = jnp.tanh(X @ w) * b
        return jnp.sum(jnp.tanh((h[:, :2] * h[:, 1:]) @ w) * b * h)

    def ours(w: Any, b: Any) -> Any:
        block = tg.checkpoint(lambda x: np.tanh(x @ w) * b)
        h = block(X)
        return np.sum(block(h[:, :2] * h[:, 1:]) * h)

    of_w = jax.jit(jax.grad(lambda w: theirs(w, 0.3)))
    tangent = np.linspace(-1.0, 1.0, 6).reshape(2, 3)
    gradient, second = jax.jvp(of_w, (W.data,), (tangent,))

    def mine(w: Any) -> Any:
        return ours(w, 0.3)

    assert_allclose(tg.grad(mine)(W.data), gradient, rtol=1e-10)
    assert_allclose(tg.jvp(mine, (W.data,), (tangent,))[1], np.sum(gradient * tangent), rtol=1e-10)
    for found in (tg.jvp(tg.grad(mine), (W.data,), (tangent,))[1], tg.hvp(mine, W.data, tangent)):
        assert_allclose(found, second, rtol=1e-9)
    assert_allclose(np.sum(tg.hessian(mine)(W.data) * tangent, axis=(2, 3)), second, rtol=1e-9)


@pytest.mark.parametrize(
    "function",
    [
        lambda a, b: np.tanh(a * b),
        lambda a, b: (np.tanh(a * b), (a * a).sum()),
        lambda a, b: {"first": a.sum() * b.sum(), "second": [np.exp(-a)]},
        lambda a, b: (a, a * b),
    ],
    ids=["array", "pair", "containers", "passed on"],
)
def test_every_order_and_result(function: Callable[..., Any]) -> None:
    at = (np.array([0.3, 0.8]), np.array([0.5, -0.4]))
    tg.check_grads(tg.checkpoint(function), at, order=2)


def test_checkpoints_inside_checkpoints() -> None:
    inner = tg.checkpoint(layer)
    outer = tg.checkpoint(lambda x: np.sum(inner(x) * inner(2.0 * x)))
    assert_array_equal(gradients(outer(X), W)[0], gradients(np.sum(layer(X) * layer(2.0 * X)), W)[0])


def test_modules_and_their_noise() -> None:
    def made() -> Any:
        return nn.Sequential(nn.Linear(3, 5, rng=0), nn.Dropout(0.5, rng=1), nn.Linear(5, 2, rng=2))

    x = np.linspace(0.0, 1.0, 12).reshape(4, 3)
    net, twin = made(), made()
    np.sum(np.square(net(x))).backward()
    np.sum(np.square(tg.checkpoint(twin)(x))).backward()
    for name, p in net.named_parameters().items():
        assert_array_equal(twin.named_parameters()[name].grad, p.grad)


def test_the_graph_is_that_of_the_function_as_soon_as_somebody_looks() -> None:
    def made(wrap: Wrap) -> Any:
        x = Value(X, name="x")
        end = loss(wrap, x)
        end.name = "C"
        return end

    for semiring in (COUNT, MAGNITUDE, MAX):
        assert_allclose(tg.sweep(made(tg.checkpoint), semiring, wrt=W), tg.sweep(made(plain), semiring, wrt=W))
    assert list(tg.sweep(made(tg.checkpoint), SPECTRUM, wrt=W)) == list(tg.sweep(made(plain), SPECTRUM, wrt=W))
    end, expected = made(tg.checkpoint), made(plain)
    mine, theirs = (tg.gradient_paths(e, W, at=(1, 2)) for e in (end, expected))
    assert mine.count == theirs.count > 1
    assert sorted(map(str, mine)) == sorted(map(str, theirs))
    assert_array_equal(gradients(end, W)[0], gradients(expected, W)[0])
    assert tg.derive(made(tg.checkpoint), W).text == tg.derive(made(plain), W).text
    assert tg.compare(made(tg.checkpoint), wrt=[W, B])


def test_replay() -> None:
    end = loss(tg.checkpoint)
    other = W.data * 0.5
    assert tg.replay(end, {W: other}) == pytest.approx(tg.replay(loss(plain), {W: other}), rel=1e-14)
    assert tg.replay(end) == end.data


def test_compiled_steps_and_no_grad_just_call_it() -> None:
    step = tg.compile(lambda x: loss(tg.checkpoint, x))
    expected = gradients(loss(plain), W)[0]
    for _ in range(2):
        W.zero_grad()
        assert step(X) == pytest.approx(loss(plain).data, rel=1e-12)
        assert_allclose(W.grad, expected, rtol=1e-12)
    step.verify(X)
    with tg.no_grad():
        assert tg.checkpoint(layer)(X).is_leaf


@pytest.mark.parametrize("start", [1.0, np.ones(2)], ids=["scalar", "array"])
def test_a_long_chain_of_checkpoints(start: Any) -> None:
    """Nothing recurses over it: neither the pass nor its deletion."""
    x = Value(start, name="x")
    block = tg.checkpoint(lambda x: x * 1.0)
    h = x
    for _ in range(5_000):
        h = block(h)
    end = np.sum(h)
    end.backward()
    assert_array_equal(x.grad, np.ones(x.shape))
    assert tg.gradient_paths(end, x, at=(0,) if x.shape else None).count == 1
    del h, end


def test_it_takes_less_memory() -> None:
    def deep(wrap: Wrap) -> Any:
        def block(x: Any) -> Any:
            for _ in range(10):
                x = np.tanh(x * 1.01)
            return x

        h = x
        for _ in range(10):
            h = wrap(block)(h)
        return np.sum(h)

    x = Value(np.linspace(-1.0, 1.0, 20_000), name="x")

    def peak(wrap: Wrap) -> int:
        x.zero_grad()
        tracemalloc.start()
        try:
            deep(wrap).backward(keep="leaves")
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    kept = peak(plain)
    gradient = x.grad.copy()
    recomputed = peak(tg.checkpoint)
    assert_array_equal(x.grad, gradient)
    assert kept > 200 * x.data.nbytes  # every result of 200 ops
    assert recomputed < kept / 4  # 10 inputs, and the 20 results of one block with their cotangents


# ---- what goes wrong -------------------------------------------------------------------------------------------------


def test_a_function_that_draws_anew_is_found() -> None:
    rng = np.random.default_rng(0)

    def drawing(x: Any) -> Any:
        return x * rng.normal(size=2)

    x = Value([1.0, 2.0], name="x")
    end = tg.checkpoint(drawing)(x).sum()
    with pytest.raises(GraphError, match=r"^checkpoint: drawing gave another result .* pass them as arguments"):
        end.backward()
    assert not x.has_grad
    with pytest.raises(GraphError, match=r"drawing gave another result"):
        tg.gradient_paths(tg.checkpoint(drawing)(x).sum(), x, at=0)


def test_data_that_changed_in_between_are_found() -> None:
    w = Value([1.0, 2.0], name="w")
    end = tg.checkpoint(lambda x: np.tanh(w * x))(Value([0.1, 0.2], name="x")).sum()
    w.data = np.array([3.0, 4.0])
    with pytest.raises(GraphError, match=r"the data of 'w' .* was replaced after it was recorded"):
        end.backward()
    batch = np.array([1.0, 2.0])
    end = tg.checkpoint(lambda x: np.tanh(w * x))(batch).sum()
    batch[:] = 5.0
    with pytest.raises(GraphError, match=r"gave another result"):
        end.backward()


def test_values_made_anew_or_hidden_in_a_derivative_are_found() -> None:
    x = Value([1.0, 2.0], name="x")
    end = tg.checkpoint(lambda x: x * Value([1.0, 1.0], name="fresh"))(x).sum()
    with pytest.raises(GraphError, match=r"reads 'fresh' .*which it did not.*make it outside"):
        end.backward()
    hidden = Value([1.0, 1.0], name="hidden")
    block = tg.checkpoint(lambda x: x * tg.grad(lambda y: np.sum(y * y * hidden))(x))
    with pytest.raises(GraphError, match=r"takes a derivative inside.*; take the derivative of the checkpointed"):
        block(x)


def test_what_reads_nothing_is_a_constant() -> None:
    assert not tg.checkpoint(lambda x: x * 2.0)(Value([1.0], requires_grad=False)).requires_grad
    assert tg.checkpoint(lambda: 3)() == 3
    x = Value([1.0])
    assert tg.checkpoint(lambda x: x)(x) is x
    assert not tg.checkpoint(lambda x: x.detach() * 2.0)(x).requires_grad


def test_it_needs_a_function() -> None:
    with pytest.raises(ValueTypeError, match=r"^checkpoint: needs a function, got int"):
        tg.checkpoint(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("factor", [1.0005, 0.0])
def test_a_wrong_pull_is_found(factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks above can fail."""
    from tinygrad_lite.transforms.checkpointing import _Checkpointed

    right = _Checkpointed.pulled
    monkeypatch.setattr(_Checkpointed, "pulled", lambda self, *a, **k: right(self, *a, **k) * factor)
    with pytest.raises(tg.TinygradError, match="check_grads"):
        tg.check_grads(tg.checkpoint(np.tanh), (np.array([0.3, 0.8]),), order=1)
    assert not np.array_equal(gradients(loss(tg.checkpoint), W)[0], gradients(loss(plain), W)[0])
