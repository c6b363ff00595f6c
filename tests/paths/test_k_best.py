"""The largest paths, contributions by node and edge, and entropy, against a plain recursion over all paths."""

from __future__ import annotations

import itertools
import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import tinygrad_lite as tg
from tests.oracles.brute_force import Trail, entropy, trails
from tests.path_checks import check_exact_order, check_order, check_places, trails_to
from tinygrad_lite import Value, nn
from tinygrad_lite.errors import ArgumentError


def network(seed: int, dims: list[int], samples: int, activation: str) -> tuple[Value, nn.MLP]:
    rng = np.random.default_rng(seed)
    net = nn.MLP(dims, activation=activation, output="linear", rng=seed)
    x, t = rng.normal(size=(samples, dims[0])), rng.normal(size=(samples, dims[-1]))
    return nn.losses.half_squared_error(net(x), t), net


NETWORKS = st.tuples(
    st.integers(0, 10_000),
    st.lists(st.integers(1, 3), min_size=2, max_size=4),
    st.integers(1, 3),
    st.sampled_from(["relu", "tanh", "sigmoid"]),
)


def to_first_weight(loss: Value) -> tuple[tg.GradientPaths, list[Trail]]:
    gp = tg.gradient_paths(loss, "w1[0,0]")
    return gp, [trail for trail in trails(loss) if trail.nodes[-1] is gp.wrt and trail.elements[-1] == 0]


@given(NETWORKS)
def test_top_is_the_head_of_all_paths_sorted(drawn: Any) -> None:
    loss, _ = network(*drawn)
    gp, some = to_first_weight(loss)
    listed = [trail.product for trail in some]
    by_size = sorted(listed, key=abs, reverse=True)
    for k in (1, 3, len(listed), len(listed) + 5):
        assert_allclose([abs(path.contribution) for path in gp.top(k)], np.abs(by_size[:k]), rtol=1e-6, atol=1e-9)
    positive = sorted((c for c in listed if c > 0), reverse=True)
    negative = sorted(c for c in listed if c < 0)
    assert_allclose([path.contribution for path in gp.top(7, sign="positive")], positive[:7], rtol=1e-6, atol=1e-9)
    assert_allclose([path.contribution for path in gp.top(7, sign="negative")], negative[:7], rtol=1e-6, atol=1e-9)


@given(NETWORKS)
def test_top_and_iteration_give_every_path_once_in_order(drawn: Any) -> None:
    loss, _ = network(*drawn)
    check_order(*to_first_weight(loss))


def test_equal_paths_come_in_the_order_of_their_edges() -> None:
    x = Value(np.ones(3), name="x")
    w = np.full((3, 3), 0.5)
    end = (x @ w @ w @ w).sum()
    gp = tg.gradient_paths(end, x, at=1)
    check_exact_order(gp, trails_to(end, x, 1))
    assert [path.indices[1:-1] for path in gp] == list(itertools.product(((0,), (1,), (2,)), repeat=3))


def test_parallel_edges_are_paths_of_their_own() -> None:
    x = Value(3.0, name="x")
    gp = tg.gradient_paths(x * x, x)
    assert [path.contribution for path in gp.top(5)] == [3.0, 3.0]


def test_paths_that_carry_nothing_come_last() -> None:
    x = Value([1.0, 2.0], name="x")
    gp = tg.gradient_paths((x @ np.array([[0.0, 2.0], [1.0, 1.0]])).sum(), x, at=0)
    assert [path.contribution for path in gp.top(9)] == [2.0, 0.0]
    assert gp.top(9, sign="negative") == []


def layered(w: np.ndarray[Any, Any], depth: int) -> tg.GradientPaths:
    x = h = Value(np.ones(len(w)), name="x")
    for _ in range(depth):
        h = h @ w
    return tg.gradient_paths(h.sum(), x, at=0)


def test_a_hundred_of_ten_to_the_thirty_equal_paths() -> None:
    gp = layered(np.full((100, 100), 0.01), 15)
    assert gp.count == 10**30
    assert_allclose([path.contribution for path in gp.top(100)], 1e-30, rtol=1e-9)
    assert gp.entropy == pytest.approx(30 * math.log(10))


def test_a_hundred_of_ten_to_the_thirty_paths_through_a_matrix_of_rank_one() -> None:
    rng = np.random.default_rng(0)
    u, v = rng.normal(size=100), rng.normal(size=100)
    gp = layered(np.outer(u, v), 15)
    top = [path.contribution for path in gp.top(100)]
    # The factors separate: u[0] · (v u)^14 · v, so the largest have the largest |v u| in every place.
    between, last = np.sort(np.abs(v * u))[::-1], np.sort(np.abs(v))[::-1]
    logs = math.log(abs(u[0])) + 14 * math.log(between[0]) + math.log(last[0])
    assert math.log(abs(top[0])) == pytest.approx(logs)
    assert all(abs(a) >= abs(b) * (1 - 1e-9) for a, b in itertools.pairwise(top))
    second = max(logs + math.log(between[1] / between[0]), logs + math.log(last[1] / last[0]))
    assert math.log(abs(next(c for c in top if abs(c) < abs(top[0]) * (1 - 1e-9)))) == pytest.approx(second)


def test_a_thousand_sigmoids_do_not_underflow() -> None:
    w = np.array([[1.0, -2.0], [3.0, 1.0]])
    x = h = Value([0.5, 0.5], name="x")
    for _ in range(1000):
        h = (h @ w).sigmoid()
    gp = tg.gradient_paths(h, x, at=0, end_at=0)
    assert gp.count == 2**999
    top = gp.top(100)
    sizes = [math.fsum(math.log(abs(local)) for local in path.locals) for path in top]
    assert all(a >= b - 1e-9 for a, b in itertools.pairwise(sizes))
    assert len({tuple(path.indices) for path in top}) == 100
    magnitude = tg.sweep(h[0], tg.semirings.LOG_MAGNITUDE, wrt=x)[0]
    assert -700 < magnitude < sizes[0] + 999 * math.log(2)
    assert 0 < gp.entropy < 999 * math.log(2)


def test_a_scaled_sum_that_underflows_is_summed_in_logarithms() -> None:
    a, w = np.array([[0.0, -800.0]]), np.exp(np.array([[-700.0], [-0.0]]))
    found = tg.semirings.LOG_MAGNITUDE.contract(a, w)
    assert_allclose(found, [[np.logaddexp(-700.0, -800.0)]])
    tiny = Value([1.0, 1.0])
    h = tiny * 1.0
    for factors in ([1e-200, 1e-200], [1e-200, 1e200], [1e200, 1e-200], [1e-200, 1e-200]):
        h = h * np.array(factors)
    assert_allclose(
        tg.sweep(h.sum(), tg.semirings.LOG_MAGNITUDE, wrt=tiny), -400.0 * math.log(10) * np.ones(2), atol=1e-6
    )


@given(NETWORKS)
def test_what_passes_a_cut_is_the_gradient(drawn: Any) -> None:
    loss, net = network(*drawn)
    gp = tg.gradient_paths(loss, "w1[0,0]")
    scale = 1e-12 * max(gp.magnitude, 1.0)
    layers = [tg.find(loss, f"n{layer}")[0] for layer in range(1, len(net.dims))]
    for node in layers:
        assert np.sum(gp.through(node)) == pytest.approx(gp.total, abs=scale)
    check_places(gp, to_first_weight(loss)[1], layers)
    flow = gp.flow()
    for cut in ([f for f in flow if f.reader is loss], [f for f in flow if f.operand is gp.wrt]):
        assert sum(np.sum(f.contribution) for f in cut) == pytest.approx(gp.total, abs=scale)


def test_flow_tells_parallel_edges_apart() -> None:
    x = Value(3.0, name="x")
    y = x * x
    flow = tg.gradient_paths(y * 2.0, x).flow()
    assert [(f.position, f.operand is x, f.contribution) for f in flow if f.reader is y] == [
        (0, True, 6.0),
        (1, True, 6.0),
    ]


def test_nothing_goes_through_what_is_not_between() -> None:
    x, w = Value(3.0), Value(np.ones(2))
    gp = tg.gradient_paths((x * 2.0 + (w * w).sum()), x)
    assert gp.through(Value(1.0)) == 0.0
    assert_allclose(gp.through(w), [0.0, 0.0])


@given(NETWORKS)
def test_entropy(drawn: Any) -> None:
    loss, _ = network(*drawn)
    gp, some = to_first_weight(loss)
    if gp.magnitude > 1e-6:  # below, differences have no digits left
        assert gp.entropy == pytest.approx(entropy(some), abs=1e-6)


def test_entropy_of_nothing_is_zero() -> None:
    x = Value(3.0)
    gp = tg.gradient_paths(x * 0.0, x)
    assert (gp.entropy, gp.cancellation, gp.magnitude) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("k", [0, -1, 1.5, True, "3"])
def test_a_bad_number(k: Any) -> None:
    x = Value(3.0)
    with pytest.raises(ArgumentError, match=re.escape(f"top: k is a whole number of at least 1, got {k!r}")):
        tg.gradient_paths(x * x, x).top(k)


def test_a_bad_sign() -> None:
    x = Value(3.0)
    with pytest.raises(ArgumentError, match="sign is 'positive', 'negative' or None, got '\\+'"):
        tg.gradient_paths(x * x, x).top(1, sign="+")
