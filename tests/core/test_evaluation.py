"""``replay``: the recorded graph evaluated with other numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinygrad_lite as tg
from tests.oracles.differences import slope
from tinygrad_lite import Value
from tinygrad_lite.errors import ArgumentError, ShapeError

# ---- replay ----------------------------------------------------------------------------------------------------------


def test_replay_evaluates_the_recorded_graph_with_other_numbers(rng: np.random.Generator) -> None:
    w, x, b = Value(rng.standard_normal((3, 2))), Value(rng.standard_normal(3)), Value(0.5)

    def f(w: Any, x: Any, b: Any) -> Any:
        return (np.tanh(x @ w) * b).sum() + np.max(x) ** 2

    y = f(w, x, b)
    w2, x2 = rng.standard_normal((3, 2)), rng.standard_normal(3)
    before = y.data
    assert tg.replay(y, {w: w2, x: x2, b: -1.0}) == pytest.approx(float(f(w2, x2, -1.0)), rel=1e-14)
    assert tg.replay(y, {w: w2}) == pytest.approx(float(f(w2, x.data, 0.5)), rel=1e-14)
    assert type(tg.replay(y)) is float
    assert y.data == before == tg.replay(y)
    assert_array_equal(tg.replay(x * 2.0, {x: x2}), 2 * x2)


def test_replay_gives_the_gradient_by_differences(rng: np.random.Generator) -> None:
    x = Value(rng.standard_normal(3))
    y = (x * tg.softmax(x)).sum()
    y.backward()
    t = rng.standard_normal(3)
    along = slope(lambda s: tg.replay(y, {x: x.data + s * t}))
    assert along == pytest.approx(float(x.grad @ t), rel=1e-8)


def test_replay_of_several_ends_and_from_the_middle() -> None:
    a = Value(3.0)
    b = a * a
    c = b + a
    assert tg.replay([b, c], {a: 2.0}) == [4.0, 6.0]
    assert tg.replay(c, {b: 100.0}) == 103.0
    assert tg.replay(c, {b: 100.0, a: 1.0}) == 101.0
    assert tg.replay(a, {a: 7.0}) == 7.0


def test_replay_reads_leaves_as_they_are_now() -> None:
    a = Value(3.0)
    b = a * a
    a.data = 5.0
    assert tg.replay(b) == 25.0
    assert b.data == 9.0


def test_replay_refuses_what_does_not_fit() -> None:
    a = Value([1.0, 2.0], name="a")
    y = a.sum()
    with pytest.raises(
        ShapeError, match=r"replay: 'a' \(of shape \(2,\)\) takes data of its shape, got \(3,\); reshape it"
    ):
        tg.replay(y, {a: np.ones(3)})
    with pytest.raises(ArgumentError, match=r"replay: leaves are given as \{Value: data\}, got a key of type str"):
        tg.replay(y, {"a": np.ones(2)})  # type: ignore[dict-item]
