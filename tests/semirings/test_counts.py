"""Exact counts of any size, in limbs, against Python's integers; and their logarithms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lite as tg
from tinygrad_lite import Value
from tinygrad_lite.core.maps import Broadcast, Contract, Gather, Reshape, Scale, Scan, SumOver, Transpose
from tinygrad_lite.semirings import ACTIVE_COUNT, COUNT, LOG_COUNT, SPECTRUM
from tinygrad_lite.semirings import limbs as module
from tinygrad_lite.semirings.counts import Count
from tinygrad_lite.semirings.limbs import Limbs, added, limbs, ready, whole

EDGES = [0, 1, 2**40 - 1, 2**40, 2**53, 2**63 - 1, 2**63, 2**64, 2**80 - 1, 2**80, 2**1330 - 1, 2**1330]
INTEGERS = st.one_of(st.sampled_from(EDGES), st.integers(0, 10), st.integers(0, 2**1400))
SHAPES = st.sampled_from([(), (1,), (5,), (2, 3), (3, 1, 2), (0,), (2, 0)])


def objects(numbers: list[int], shape: tuple[int, ...]) -> Any:
    found = np.empty(shape, dtype=object)
    found.reshape(-1)[:] = numbers
    return found


@st.composite
def arrays(draw: st.DrawFn, shape: tuple[int, ...] | None = None) -> Any:
    shape = draw(SHAPES) if shape is None else shape
    size = math.prod(shape)
    return objects(draw(st.lists(INTEGERS, min_size=size, max_size=size)), shape)


def same(found: Any, expected: Any) -> None:
    assert np.shape(found) == np.shape(expected)
    assert np.asarray(found, dtype=object).tolist() == np.asarray(expected, dtype=object).tolist()


# ---- limbs -----------------------------------------------------------------------------------------------------------


@given(arrays())
def test_numbers_come_back_from_limbs(numbers: Any) -> None:
    found = whole(limbs(numbers))
    same(found, numbers)
    small = all(n < 2**63 for n in numbers.flat)
    assert type(found) is int if not numbers.shape else found.dtype == (np.int64 if small else object)
    if small and numbers.shape:
        same(whole(limbs(numbers.astype(np.int64))), numbers)
    assert all(type(n) is int for n in np.asarray(found, dtype=object).flat)


@given(arrays((3, 2)))
def test_views_come_back_from_limbs_too(numbers: Any) -> None:
    a = limbs(numbers)
    for view in (lambda x: x[..., ::-1, :], lambda x: x[..., :, ::-1], lambda x: np.swapaxes(x, -1, -2)):
        same(whole(Limbs(view(a.digits), a.bound)), view(numbers))
    stretched = np.broadcast_to(a.digits[:, :, None, :], (len(a.digits), 3, 4, 2))
    same(whole(Limbs(stretched, a.bound)), np.broadcast_to(numbers[:, None, :], (3, 4, 2)))


@given(arrays((4,)), arrays((4,)), st.lists(st.integers(0, 5), max_size=6))
def test_sums_and_carries_lose_nothing(left: Any, right: Any, carries: list[int]) -> None:
    a, b, numbers = limbs(left), limbs(right), left
    for k in [*carries, 1]:
        for _ in range(k):
            a, numbers = added(a, b), numbers + right
        a = ready(Limbs(a.digits, 2**53 - 2**14) if k % 2 else a)  # whether or not it is needed
        assert a.digits.max(initial=0.0) <= a.bound
    same(whole(a), numbers)


def test_many_sums_without_a_carry_between_them() -> None:
    a = limbs(np.array([2**63 - 1, 0, 7]))
    total = a
    for _ in range(20_000):
        total = added(total, a)
    assert whole(total).tolist() == [20_001 * (2**63 - 1), 0, 20_001 * 7]
    for _ in range(60):
        total = added(total, total)
    assert whole(total).tolist() == [20_001 * (2**63 - 1) << 60, 0, 20_001 * 7 << 60]


def test_a_carry_through_all_limbs() -> None:
    a = added(limbs(objects([2**4000 - 1], (1,))), limbs(np.array([1])))
    assert whole(a).tolist() == [2**4000]
    for _ in range(5):
        a = ready(Limbs(a.digits, 2**52))
        assert whole(a).tolist() == [2**4000]


def test_limbs_that_are_no_longer_needed_go() -> None:
    a = limbs(objects([2**1000, 3], (2,)))
    a = Limbs(a.digits[:, 1:], 2**52)
    for _ in range(40):
        a = Limbs(ready(a).digits, 2**52)
    assert len(a.digits) == 2
    assert whole(a).tolist() == [3]


# ---- maps ------------------------------------------------------------------------------------------------------------

W = np.array([[0.0, 2.0, -1.0], [0.5, 0.0, 0.0]])
MAPS: dict[str, tuple[Any, tuple[int, ...], tuple[int, ...]]] = {  # a map, the shapes of its input and its output
    "scale": (Scale(W, 2), (2, 3), (2, 3)),
    "scale by a row": (Scale(np.array([0.0, 1.0, np.nan]), 2), (2, 3), (2, 3)),
    "scale by a number": (Scale(0.0, 1), (3,), (3,)),
    "sum": (SumOver((2, 3), (-1,), False), (2, 3), (2,)),
    "weighted sum": (SumOver((2, 3), (-2,), True, W), (2, 3), (1, 3)),
    "sum of all": (SumOver((2, 3), (-2, -1), False, 0.5), (2, 3), ()),
    "broadcast": (Broadcast((3, 1), (2, 3, 4)), (3, 1), (2, 3, 4)),
    "broadcast of a number": (Broadcast((), (2, 2)), (), (2, 2)),
    "reshape": (Reshape((2, 3), (3, 2)), (2, 3), (3, 2)),
    "transpose": (Transpose((-1, -3, -2)), (2, 3, 4), (4, 2, 3)),
    "gather": (Gather((4,), (6,), lambda x: x[[0, 0, 3, 1, 3, 3]], repeats=True), (4,), (6,)),
    "reversed": (Gather((4,), (4,), lambda x: x[::-1], lambda g, zeros: g[..., ::-1]), (4,), (4,)),
    "matrix": (Contract("ik", "ij", "jk", W), (2, 2), (2, 3)),
    "matrix on the left": (Contract("ik", "jk", "ij", W), (3, 4), (2, 4)),
    "vector": (Contract("k", "j", "jk", W), (2,), (3,)),
    "stack": (Contract("bik", "bij", "bjk", np.stack([W, W - W[::-1]])), (2, 4, 2), (2, 4, 3)),
    "outer": (Contract("ij", "i", "j", np.array([1.0, 0.0])), (3,), (3, 2)),
    "scan": (Scan((2, 3), -2), (2, 3), (2, 3)),
}


def by_edges(linear_map: Any, a: Any, in_shape: Any, out_shape: Any, active: bool, pulled: bool) -> Any:
    """A map applied to Python's integers, edge by edge."""
    found = objects([0] * math.prod(in_shape if pulled else out_shape), in_shape if pulled else out_shape)
    for index in np.ndindex(out_shape):
        for inner, weight in linear_map.edges(index):
            if weight != 0 or not active:
                to, of = (inner, index) if pulled else (index, inner)
                found[to] += a[of]
    return found


@pytest.mark.parametrize("name", MAPS)
@given(data=st.data(), pulled=st.booleans(), semiring=st.sampled_from([COUNT, ACTIVE_COUNT]), form=st.booleans())
@settings(max_examples=40)
def test_every_map_on_numbers_of_any_size(name: str, data: Any, pulled: bool, semiring: Count, form: bool) -> None:
    linear_map, in_shape, out_shape = MAPS[name]
    numbers = data.draw(arrays(out_shape if pulled else in_shape))
    a: Any = limbs(numbers) if form else numbers if numbers.shape else int(numbers[()])
    if not form and numbers.shape and all(n < 2**63 for n in numbers.flat):
        a = numbers.astype(np.int64)
    carry = semiring.pull if pulled else semiring.push
    expected = by_edges(linear_map, numbers, in_shape, out_shape, semiring is ACTIVE_COUNT, pulled)
    same(semiring.result(carry((linear_map,), a, None)), expected)


@pytest.mark.parametrize("terms", [8191, 8192, 20_000])
@pytest.mark.parametrize("semiring", [COUNT, ACTIVE_COUNT], ids=repr)
def test_sums_of_more_terms_than_a_float_holds_at_once(semiring: Count, terms: int) -> None:
    big = 2**120 - 1
    g = limbs(objects([big] * terms, (terms,)))
    ones = np.ones((terms, 2))
    product = semiring.pull((Contract("ik", "ij", "jk", ones.T),), Limbs(g.digits[:, None], g.bound), None)
    assert whole(product).tolist() == [[terms * big] * 2]
    over = semiring.pull((Broadcast((), (terms,)),), g, None)
    assert semiring.scalar(over) == terms * big
    again = semiring.pull(
        (Broadcast((1, 1), (1, terms)), SumOver((3, 1), (-2,), True)), Limbs(g.digits[:, None], g.bound), None
    )
    assert whole(again).tolist() == [[terms * big]] * 3
    running = semiring.push((Scan((terms,), -1),), g, None)
    assert whole(running).tolist() == [k * big for k in range(1, terms + 1)]
    twice = Gather((1,), (terms,), lambda x: np.repeat(x, terms), repeats=True)
    assert whole(semiring.pull((twice,), g, None)).tolist() == [terms * big]


def test_a_carry_that_is_left_out_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_EXACT", 2**60)
    with pytest.raises(AssertionError, match=r"\[\[|assert "):
        test_sums_of_more_terms_than_a_float_holds_at_once(ACTIVE_COUNT, 20_000)


# ---- whole graphs ----------------------------------------------------------------------------------------------------


def residual(depth: int, width: int, zeros: float = 0.5) -> tuple[Value, Value, list[Any]]:
    """Blocks ``h + relu(h @ w)``; the Jacobians' zeros and ones, as Python's integers, the first block first."""
    rng = np.random.default_rng(depth)
    x = h = Value(rng.normal(size=(1, width)), name="x")
    patterns = []
    for _ in range(depth):
        w = rng.normal(size=(width, width)) * (rng.random((width, width)) > zeros)
        z = h @ w
        patterns.append(((w != 0) & (z.data > 0)).astype(int).astype(object))
        h = h + z.relu()
    return h.sum(), x, patterns


@pytest.mark.parametrize(("depth", "width"), [(10, 4), (40, 5), (200, 7)])
def test_deep_networks_against_products_of_integers(depth: int, width: int) -> None:
    end, x, patterns = residual(depth, width)
    every, active = (objects([1] * width, (width,)) for _ in range(2))
    for pattern in reversed(patterns):
        every, active = every + int(np.sum(every)), active + pattern.dot(active)
    same(tg.sweep(end, COUNT, wrt=x), every[None])
    same(tg.sweep(end, ACTIVE_COUNT, wrt=x), active[None])
    gp = tg.gradient_paths(end, x, at=(0, 1))
    assert (gp.count, gp.active_count) == (every[1], active[1])
    assert_allclose(tg.sweep(end, LOG_COUNT, wrt=x), [[math.log(n) for n in every]], rtol=1e-14)
    assert sum(count for count, _, _ in gp.spectrum.values()) == every[1]
    spectrum = tg.sweep(end, SPECTRUM, wrt=x)
    same(sum(np.asarray(count, dtype=object) for count, _, _ in spectrum.values()), every[None])


def test_questions_to_paths_beyond_64_bits() -> None:
    end, x, _ = residual(40, 5)
    gp = tg.gradient_paths(end, x, at=(0, 2))
    assert gp.count > 2**70
    assert all(path.contribution for path in gp.top(3))
    assert len(gp.sample(5, rng=0)) == 5
    inactive = tg.gradient_paths(end * 0.0, x, at=(0, 2))
    assert inactive.active_count == 0
    assert next(iter(inactive)).contribution == 0.0
    assert gp.by("module") == {(): pytest.approx(gp.total)}


def test_numbers_that_do_not_fit_become_limbs_on_the_way_and_int64_again_at_the_end() -> None:
    x = Value(np.ones(3))
    big = x * 1.0
    for _ in range(70):
        big = big * 0.5 + big * 0.5
    end = big.sum() + (x * 2.0).sum()
    counts = tg.sweep(end, COUNT, wrt=[x, big])
    assert counts[0].tolist() == [2**70 + 1] * 3
    assert counts[1].dtype == np.int64
    mixed = tg.concatenate([big, x]).sum() * x[0]
    assert tg.sweep(mixed, COUNT, wrt=x).tolist() == [2**70 + 1 + 1, 2**70 + 1, 2**70 + 1]


# ---- logarithms ------------------------------------------------------------------------------------------------------


def test_logarithms_of_counts() -> None:
    x, unread = Value([1.0, 0.0, -2.0]), Value([1.0])
    end = (x * x).sum() + x[0] + (unread * 1.0).sum() * 0.0
    assert_allclose(tg.sweep(end, LOG_COUNT, wrt=x), [math.log(3), math.log(2), math.log(2)], rtol=1e-15)
    assert_array_equal(tg.sweep(x[0] * 1.0, LOG_COUNT, wrt=x), [0.0, -np.inf, -np.inf])
    assert tg.sweep(Value(2.0) * 3.0, LOG_COUNT, wrt=[Value(1.0)]) == [-math.inf]
    infinite = Value([0.0])
    assert tg.sweep((infinite**0.5).sum(), LOG_COUNT, wrt=infinite).tolist() == [0.0]  # no sizes are asked for


def test_logarithms_of_counts_far_apart_in_one_value() -> None:
    x = Value(np.ones(2))
    h = x[:1]
    for _ in range(3000):
        h = h * 0.5 + h * 0.5
    end = tg.concatenate([h, x[1:]]).sum()
    assert_allclose(tg.sweep(end, LOG_COUNT, wrt=x), [3000 * math.log(2), 0.0], rtol=1e-12, atol=1e-300)


def chain(times: int, op: Callable[[Value], Value]) -> tuple[Value, Value]:
    x = y = Value(1.0)
    for _ in range(times):
        y = op(y)
    return y, x


def test_logarithms_of_counts_of_scalars() -> None:
    end, x = chain(2000, lambda y: 0.5 * y + 0.5 * y)
    assert tg.sweep(end, LOG_COUNT, wrt=x) == pytest.approx(2000 * math.log(2), rel=1e-12)
    assert tg.sweep(end, COUNT, wrt=x) == 2**2000
