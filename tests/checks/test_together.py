"""Scalars that are moved together: the same differences and complex steps as one by one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lite as tg
from tinygrad_lite import Value, nn
from tinygrad_lite.checks import gradients as ways
from tinygrad_lite.checks.cones import Cones
from tinygrad_lite.checks.differences import slope
from tinygrad_lite.checks.together import runs_of
from tinygrad_lite.core.elementwise import WeightedSum
from tinygrad_lite.core.graph import ancestors

UNARY = ["tanh", "sigmoid", "relu", "abs", "sin", "exp", "softplus", "square", "gelu"]
BINARY = ["add", "sub", "mul", "maximum", "minimum", "logaddexp", "div"]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Value, list[Value]]:
    """A scalar made of scalars, kinks among the ops and points at kinks."""
    numbers = st.one_of(st.sampled_from([0.0, 1.0, -1.0, 1e-7]), st.floats(-2.0, 2.0).filter(lambda x: abs(x) > 1e-3))
    leaves = [Value(draw(numbers), name=f"x{k}") for k in range(draw(st.integers(2, 5)))]
    values: list[Any] = [*leaves]
    for _ in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(["unary", "binary", "sum"]))
        if kind == "unary":
            made = getattr(tg, draw(st.sampled_from(UNARY)))(draw(st.sampled_from(values)))
        elif kind == "binary":
            made = getattr(tg, draw(st.sampled_from(BINARY)))(*draw(st.tuples(*[st.sampled_from(values)] * 2)))
        else:
            some = draw(st.lists(st.sampled_from(values), min_size=1, max_size=3))
            made = tg.weighted_sum([0.5, draw(st.sampled_from(values)), -1.0][: len(some)], some, 0.25)
        if math.isfinite(made.data) and abs(made.data) < 1e6:
            values.append(made)
    return tg.weighted_sum([1.0] * len(values), values, 0.0), leaves


def one_by_one(loss: Value, leaves: Sequence[Value], patch: pytest.MonkeyPatch) -> Any:
    with patch.context() as inside:
        inside.setattr(ways, "runs_of", lambda *arguments: ())
        return tg.compare(loss, wrt=leaves)


def assert_same(together: Any, alone: Any) -> None:
    for one, other in zip(together.rows, alone.rows, strict=True):
        for column in ("difference", "complex_step"):
            a, b = getattr(one, column), getattr(other, column)
            assert (a is None) == (b is None), (one.name, column)
            if a is not None:
                assert_array_equal(np.isnan(a), np.isnan(b), err_msg=f"{one.name}, {column}")
                assert_allclose(a, b, rtol=1e-6, atol=1e-9, err_msg=f"{one.name}, {column}")
    assert together.notes == alone.notes
    assert bool(together) == bool(alone)


@settings(max_examples=150, deadline=None)
@given(graphs())
def test_the_same_as_one_by_one(graph: tuple[Value, list[Value]]) -> None:
    loss, leaves = graph
    with np.errstate(all="ignore"):
        assert_same(tg.compare(loss, wrt=leaves), one_by_one(loss, leaves, pytest.MonkeyPatch()))


def primitive(x: Value, y: Value) -> Value:
    @tg.primitive(vjp=lambda g, out, x, y: (g * y, g * x))
    def product(x: Any, y: Any) -> Any:
        return x * y

    found: Value = product(x, y)
    return found


@pytest.mark.parametrize(
    "made",
    [
        lambda x, y: nn.losses.half_squared_error([x * y, tg.sin(x)], [1.0, 0.5]),
        lambda x, y: nn.losses.binary_cross_entropy(tg.sigmoid(x * y), 1.0),
        lambda x, y: primitive(x, tg.tanh(y)) + x,
        lambda x, y: tg.checkpoint(lambda a, b: tg.sin(a) * b)(x, y) * y,
        lambda x, y: tg.where(x > 0.0, x * y, y) + tg.sign(x) * y,
        lambda x, y: tg.stack([x, y]).sum() * x,  # arrays between: one by one
        lambda x, y: x**3 * 1e-40 + y,
        lambda x, y: tg.relu(x - 0.5) + y,
    ],
    ids=["losses", "cross-entropy", "primitive", "checkpoint", "where", "arrays", "tiny", "kink"],
)
def test_folded_ops_and_ops_of_ones_own(made: Callable[[Value, Value], Value], monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = Value(0.5, name="x"), Value(-1.25, name="y")
    loss = made(x, y)
    assert_same(tg.compare(loss, wrt=[x, y]), one_by_one(loss, [x, y], monkeypatch))


@pytest.mark.parametrize("most", [2, 3, 100])
def test_a_wrong_derivative_is_found_in_every_group(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinygrad_lite.checks.together._MOST_RUNS", most)
    net = nn.scalar.MLP(2, [3, 1], activation="tanh", rng=0)
    loss = nn.losses.half_squared_error(net([0.5, -1.0]), 0.3)
    assert tg.compare(loss, wrt=net)
    groups = list(runs_of(loss, net.parameters(), (Cones(loss), Cones(loss, smooth=True)), 1e-3, 1e-9))
    assert [len(group.moved) for group in groups] == {2: [2] * 6 + [1], 3: [3] * 4 + [1], 100: [13]}[most]
    for node in ancestors(loss):
        if node.op is not None and node.op.name == "tanh":
            node._da = 1.0005 * node._da
    comparison = tg.compare(loss, wrt=net)
    wrong = {row.name for row in comparison.rows if abs(row.difference / row.autodiff - 1) > 1e-4}
    assert wrong == {row.name for row in comparison.rows if abs(row.complex_step / row.autodiff - 1) > 1e-4}
    assert {name for name in wrong if name.startswith(("w1", "b1"))} == wrong != set()
    assert not comparison


def test_slopes_at_many_points_are_those_at_each() -> None:
    points = np.array([0.0, 1e-9, 0.3, -2.0, 7.0, 1e6])

    def f(x: Any) -> Any:
        return np.where(x > 1.0, np.sqrt(np.abs(x)), np.abs(x) + np.sin(x))

    many = slope(f, points, 1e-3, 1e-9)
    for k, point in enumerate(points.tolist()):
        one = slope(f, point, 1e-3, 1e-9)
        assert (many.value[k], many.error[k], many.kink[k]) == (one.value, one.error, one.kink)


def test_what_is_evaluated_grows_as_the_edges_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """One weight after the other the products of a network of n² edges are n³."""
    made = 0
    forward = WeightedSum.forward

    def counted(self: WeightedSum, *data: Any) -> Any:
        nonlocal made
        made += len(data)
        return forward(self, *data)

    found = {}
    for n in (8, 32):
        net = nn.scalar.MLP(2, [n, n, 1], activation="tanh", rng=0)
        loss = nn.losses.half_squared_error(net([0.5, -0.3]), 0.2)
        made = 0
        with monkeypatch.context() as inside:
            inside.setattr(WeightedSum, "forward", counted)
            assert tg.compare(loss, wrt=net)
        found[n * (n + 3)] = made
    (few, at_few), (many, at_many) = found.items()
    assert math.log(at_many / at_few) / math.log(many / few) < 1.1
