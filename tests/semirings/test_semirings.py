"""Semirings: exact counts of any size, and one sweep that answers for every semiring, new ones too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinygrad_lite as tg
from tests.cases import DENSE, EACH_WITH_TIES, Case, recorded
from tests.path_checks import MaxTimes, assert_statistics
from tinygrad_lite import Value
from tinygrad_lite.semirings import ACTIVE_COUNT, COUNT, GRADIENT, MAGNITUDE, Semiring

WEIGHTS = np.array([1.0, -0.5, 0.0, 2.0, -1.5])


@EACH_WITH_TIES
def test_every_op_against_every_path(example: Case, ties: bool, rng: np.random.Generator) -> None:
    _, out = recorded(example, rng, ties)
    if out.shape:
        out = (out * np.resize(WEIGHTS, out.shape)).sum()
    assert_statistics(out, exact=example.name not in DENSE)


# ---- counts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [3.0, np.ones(3), np.ones((2, 2))], ids=["scalar", "vector", "matrix"])
@pytest.mark.parametrize("semiring", [COUNT, ACTIVE_COUNT], ids=repr)
def test_counts_beyond_64_bits_are_exact(start: Any, semiring: Semiring) -> None:
    x = Value(start)
    y = x
    for _ in range(100):
        y = 0.5 * y + 0.5 * y
    count = tg.sweep(y.sum(), semiring, wrt=x)
    if x.shape:
        assert count.dtype == object
        assert count.shape == x.shape
        assert all(type(n) is int and n == 2**100 for n in count.flat)
    else:
        assert type(count) is int
        assert count == 2**100


def test_counts_beyond_64_bits_through_matrix_products() -> None:
    x, w = Value(np.full((4, 4), 0.25)), Value(np.full((4, 4), 0.25))
    y = x
    for _ in range(40):
        y = y @ w
    # Each product multiplies the number of paths to an element by 4.
    assert set(tg.sweep(y.sum(), COUNT, wrt=x).flat) == {4 * 4**39}
    assert int(tg.sweep(y.sum(), COUNT, wrt=x).sum()) == 16 * 4 * 4**39
    w.data = np.where(np.eye(4) > 0, 0.25, 0.0)
    y = x
    for _ in range(40):
        y = y @ w
    assert set(tg.sweep(y.sum(), ACTIVE_COUNT, wrt=x).flat) == {1}


def test_counts_of_a_big_sum_that_overflows_one_row() -> None:
    x = Value(np.ones(4))
    y = x
    for _ in range(62):
        y = 0.5 * y + 0.5 * y
    wide = tg.broadcast_to(y.sum(), (8,)) * y[0]
    assert set(tg.sweep(wide.cumsum().sum(), COUNT, wrt=x).tolist()) == {36 * 2**62, 36 * 2**62 * 2}


def test_small_counts_are_int64() -> None:
    x, w = Value(np.ones((3, 2))), Value(np.ones((2, 2)))
    for end in ((x @ w).sum(), (x * x).mean(), (x * 2).tanh().max(), x[0, 0] + x[1, 1], x.reshape(-1).cumsum()[5]):
        for semiring in (COUNT, ACTIVE_COUNT):
            found = tg.sweep(end, semiring, wrt=x)
            assert found.dtype == np.int64, end
            assert found.shape == x.shape


def test_a_count_of_an_unconnected_value_is_zero() -> None:
    x, a, z = Value(np.ones(2)), Value(1.0), Value(np.ones((2, 2)))
    counts = tg.sweep(x.sum(), COUNT, wrt=[a, z])
    assert counts[0] == 0
    assert_array_equal(counts[1], np.zeros((2, 2), dtype=np.int64), strict=True)


def test_active_paths_have_no_zero_on_them() -> None:
    x = Value([-1.0, 0.0, 2.0])
    y = x.relu().sum()
    assert_array_equal(tg.sweep(y, COUNT, wrt=x), [1, 1, 1])
    assert_array_equal(tg.sweep(y, ACTIVE_COUNT, wrt=x), [0, 0, 1])
    a, b = Value(0.0), Value(3.0)
    assert tg.sweep(a * b, ACTIVE_COUNT, wrt=[a, b]) == [1, 0]
    assert tg.sweep(a * b, COUNT, wrt=[a, b]) == [1, 1]


def test_active_counts_too_large_for_a_float() -> None:
    """2**53 + 1 is no float64: a count through BLAS would be wrong by one."""
    ones = np.ones((2, 1))
    a = np.array([[2**53, 1]], dtype=np.int64)
    assert ACTIVE_COUNT.contract(a, ones).tolist() == [[2**53 + 1]]
    assert COUNT.contract(a, ones).tolist() == [[2**53 + 1]]
    big = np.array([[2**63 - 1, 2**63 - 1]], dtype=np.int64)
    assert COUNT.contract(big, ones).tolist() == [[2**64 - 2]]
    assert ACTIVE_COUNT.contract(big, ones).tolist() == [[2**64 - 2]]
    assert COUNT.sum(big, (-1,)).tolist() == [2**64 - 2]
    assert COUNT.add(big, big).tolist() == [[2**64 - 2] * 2]
    assert COUNT.times(big, np.int64(2)).tolist() == [[2**64 - 2] * 2]


def test_repr() -> None:
    assert repr(COUNT) == "<semiring COUNT>"
    assert tg.semirings.COUNT is COUNT


def test_an_unfinished_semiring_says_so() -> None:
    with pytest.raises(NotImplementedError, match=r"^$"):
        tg.sweep(Value(2.0) * 3.0, Semiring(), wrt=[])


def test_cancellation_shows_in_the_magnitude() -> None:
    x = Value([1.0, 2.0])
    y = (x - x).sum()
    assert_array_equal(tg.sweep(y, GRADIENT, wrt=x), [0.0, 0.0])
    assert_array_equal(tg.sweep(y, MAGNITUDE, wrt=x), [2.0, 2.0])


def test_the_maximum_over_a_broadcast_is_a_maximum() -> None:
    x = Value(2.0)
    y = (x * np.array([1.0, -5.0, 3.0])).sum()
    assert float(tg.sweep(y, MaxTimes(), wrt=x)) == 5.0
