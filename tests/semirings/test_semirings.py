"""Semirings: exact counts of any size, and that the same sweep answers whatever a new semiring asks."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lite as tg
from tests.cases import CASES, DENSE, LABELS, SMOOTH, Case, recorded
from tests.core.test_maps import GENERIC
from tests.oracles.brute_force import STATISTICS, Trail, spectrum, trails
from tinygrad_lite import Value, semirings
from tinygrad_lite.core.graph import ancestors
from tinygrad_lite.core.sweeps import reverse
from tinygrad_lite.semirings import ACTIVE_COUNT, COUNT, GRADIENT, MAGNITUDE, Semiring

EACH = pytest.mark.parametrize("example", CASES, ids=LABELS)


class MaxTimes(Semiring):
    """The largest absolute contribution of one path."""

    name = "MAX_TIMES"

    def lift(self, weight: Any) -> Any:
        return np.abs(weight)

    def times(self, a: Any, b: Any) -> Any:
        return a * b

    def sum(self, a: Any, axis: tuple[int, ...]) -> Any:
        return np.max(a, axis=axis, initial=0.0)

    def zero(self, shape: tuple[int, ...]) -> Any:
        return np.zeros(shape)


class LogToy(Semiring):
    """The logarithm of the magnitude: its zero is not the number 0."""

    name = "LOG"

    def lift(self, weight: Any) -> Any:
        with np.errstate(divide="ignore"):
            return np.log(np.abs(weight))

    def times(self, a: Any, b: Any) -> Any:
        return a + b

    def sum(self, a: Any, axis: tuple[int, ...]) -> Any:
        return np.logaddexp.reduce(a, axis=axis[0]) if len(axis) == 1 else self._over_several(a, axis)

    def _over_several(self, a: Any, axis: tuple[int, ...]) -> Any:
        for k in sorted(axis):  # negative: what is left keeps its number from the end only if the first go first
            a = np.logaddexp.reduce(a, axis=k, keepdims=True)
        return a.reshape([n for k, n in enumerate(a.shape) if k - a.ndim not in axis])

    def zero(self, shape: tuple[int, ...]) -> Any:
        return np.full(shape, -np.inf)


class Pair(Semiring):
    """Gradient and magnitude at once, as two components in front of every element."""

    name = "PAIR"

    def lift(self, weight: Any) -> Any:
        return np.stack([np.asarray(weight, dtype=float), np.abs(weight)])

    def times(self, a: Any, b: Any) -> Any:
        return a * b

    def sum(self, a: Any, axis: tuple[int, ...]) -> Any:
        return np.sum(a, axis=axis)

    def zero(self, shape: tuple[int, ...]) -> Any:
        return np.zeros((2, *shape))


OF_THE_PROJECT = [found for found in vars(semirings).values() if isinstance(found, Semiring)]


def assert_statistics(end: Value, exact: bool = True) -> None:
    """Every semiring at every element of every Value that a gradient reaches, against every path one by one."""
    to: dict[Value, dict[int, list[Trail]]] = {}
    for trail in trails(end):
        to.setdefault(trail.nodes[-1], defaultdict(list))[trail.elements[-1]].append(trail)
    found = {semiring: reverse(end, semiring) for semiring in OF_THE_PROJECT}
    for toy in (GENERIC, MaxTimes(), LogToy(), Pair()):
        found[toy] = reverse(end, toy)
    for value in ancestors(end):
        if not value.requires_grad:
            assert value not in to
            assert all(value not in totals for totals in found.values())
            continue
        elements = range(int(np.prod(value.shape)))

        reached = [to.get(value, {}).get(i, []) for i in elements]

        def expected(name: str, value: Value = value, reached: list[list[Trail]] = reached) -> Any:
            one_by_one = [STATISTICS[name]([trail.product for trail in some]) for some in reached]
            dtype = None if one_by_one else int if "COUNT" in name else float
            return np.array(one_by_one, dtype=dtype).reshape(value.shape)

        for semiring, totals in found.items():
            who = f"{semiring.name} at {value!r}"
            if value not in totals:
                assert not expected("COUNT").any(), who
                continue
            total = totals[value]
            match semiring.name:
                case "ACTIVE_COUNT" if not exact:
                    assert np.all(np.asarray(total) >= expected(semiring.name)), who
                case "COUNT" | "ACTIVE_COUNT":
                    assert np.asarray(total).dtype.kind in "iO", who
                    assert_array_equal(total, expected(semiring.name), err_msg=who, strict=bool(value.shape))
                case "GRADIENT" | "MAGNITUDE" | "GENERIC":
                    name = "GRADIENT" if semiring is GENERIC else semiring.name
                    got = semiring.result(total)
                    assert np.shape(got) == value.shape, who
                    assert_allclose(got, expected(name), rtol=1e-7, atol=1e-7, err_msg=who)
                case "SPECTRUM":
                    assert_spectra(semiring.result(total), list(map(spectrum, reached)), value, who)
                case "MAX" | "MOST_POSITIVE" | "MOST_NEGATIVE" | "ENTROPY" | "LOG_MAGNITUDE":
                    with np.errstate(over="ignore"):
                        got = semiring.result(total)
                    assert np.shape(got) == value.shape, who
                    assert_allclose(got, expected(semiring.name), rtol=1e-6, atol=1e-6, err_msg=who)
                case "MAX_TIMES":
                    assert_allclose(total, expected("MAX"), rtol=1e-7, atol=1e-7, err_msg=who)
                case "LOG":
                    assert_allclose(np.exp(total), expected("MAGNITUDE"), rtol=1e-7, atol=1e-7, err_msg=who)
                case "PAIR":
                    assert np.shape(total) == (2, *value.shape), who
                    assert_allclose(total[0], expected("GRADIENT"), rtol=1e-7, atol=1e-7, err_msg=who)
                    assert_allclose(total[1], expected("MAGNITUDE"), rtol=1e-7, atol=1e-7, err_msg=who)


def assert_spectra(found: Any, expected: list[dict[int, Any]], value: Value, who: str) -> None:
    """Of every element the same number of paths of each length, the same total and the same magnitude."""
    assert list(found) == sorted(found), who
    assert {length for one in expected for length in one} <= set(found), who
    for length, (count, total, magnitude) in found.items():
        one_by_one = [one.get(length, (0, 0.0, 0.0)) for one in expected]
        assert np.shape(count) == np.shape(total) == np.shape(magnitude) == value.shape, who
        assert np.asarray(count).dtype.kind in "iO", who
        assert_array_equal(np.ravel(count), [n for n, _, _ in one_by_one], err_msg=who)
        assert_allclose(np.ravel(total), [t for _, t, _ in one_by_one], rtol=1e-7, atol=1e-7, err_msg=who)
        assert_allclose(np.ravel(magnitude), [m for _, _, m in one_by_one], rtol=1e-7, atol=1e-7, err_msg=who)


WEIGHTS = np.array([1.0, -0.5, 0.0, 2.0, -1.5])


@pytest.mark.parametrize("ties", [False, True], ids=["smooth", "ties"])
@EACH
def test_every_op_against_every_path(example: Case, ties: bool, rng: np.random.Generator) -> None:
    if ties and example.name in SMOOTH:
        return
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
    with pytest.raises(NotImplementedError):
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
