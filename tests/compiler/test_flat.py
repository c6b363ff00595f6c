"""Graphs of scalars by every back end: Python, NumPy by level, and machine code."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.compiler.agreement import agree, bits, eager
from tinygrad_lite import Value, datasets, nn, optim
from tinygrad_lite.compiler import tape
from tinygrad_lite.core.elementwise import weighted_sum
from tinygrad_lite.errors import MissingExtraError


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
        for name, rule in tg.core.elementwise_derivatives.TABLE.items()
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


def test_what_a_sigmoid_reads_is_kept_where_it_is_looked_at_again() -> None:
    w = Value(1.5, "w")

    def loss() -> Value:
        x = -w  # of the product with 0 only this is left: that it is finite
        return 0 * x + tg.sigmoid(0.5 * tg.sigmoid(x))

    step = tg.compile(loss)
    for data in (1.5, -0.25, 40.0):
        w.data = data
        w.zero_grad()
        step()
        compiled = step(), w.grad / 2
        w.zero_grad()
        loss().backward()
        assert compiled == pytest.approx((loss().item(), w.grad), rel=1e-12)
    w.data = -math.inf
    assert math.isnan(step())


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


@pytest.mark.filterwarnings("ignore::tinygrad_lite.errors.FallbackWarning")
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
