"""Statistics on ordinary numbers and on logarithms: the same answers from both, at any size of the numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lite as tg
from tests.oracles.brute_force import every_path, statistic
from tinygrad_lite import Value
from tinygrad_lite.semirings import ENTROPY, LOG_MAGNITUDE, MAX, MOST_NEGATIVE, MOST_POSITIVE
from tinygrad_lite.semirings.ranged import OutOfRange, Ranged
from tinygrad_lite.semirings.scaled import Floating

EACH = (LOG_MAGNITUDE, ENTROPY, MAX, MOST_POSITIVE, MOST_NEGATIVE)
STATISTIC = pytest.mark.parametrize("semiring", EACH, ids=lambda semiring: semiring.name)
HUNDREDS = 100.0 * math.log(10.0)


def assert_right(end: Value, *wrt: Value) -> None:
    """Every statistic against every path."""
    paths = every_path(end)
    for value in wrt:
        for semiring in EACH:
            expected = statistic(semiring.name, end, value, paths)
            assert_allclose(tg.sweep(end, semiring, wrt=value), expected, rtol=1e-9, atol=1e-9, err_msg=semiring.name)


def mixed(rng: np.random.Generator, *shape: int) -> Any:
    """Numbers of both signs, a third of them 0."""
    return rng.normal(size=shape) * (rng.random(shape) > 0.3)


# ---- products of matrices --------------------------------------------------------------------------------------------

SHAPES = [((3, 4), (4, 5)), ((40, 9), (9, 3)), ((7, 33), (33, 40)), ((1, 300), (300, 1)), ((20, 1), (1, 20))]
BATCHES = [((2, 9, 8), (2, 8, 7)), ((2, 9, 8), (8, 7)), ((9, 8), (2, 8, 7)), ((2, 1, 9, 8), (3, 8, 7))]
EMPTY = [((0, 3), (3, 2)), ((2, 0), (0, 3)), ((2, 3), (3, 0)), ((0, 2, 3), (0, 3, 2))]


def products(a: Any, w: Any) -> Any:
    """All terms of the product of matrices: shape (…, m, k, n)."""
    return a[..., :, :, None] * w[..., None, :, :]


OF_TERMS: dict[Any, Callable[[Any], Any]] = {
    MAX: lambda terms: np.max(np.abs(terms), axis=-2, initial=0.0),
    MOST_POSITIVE: lambda terms: np.max(terms, axis=-2, initial=0.0),
    MOST_NEGATIVE: lambda terms: np.min(terms, axis=-2, initial=0.0),
}


@pytest.mark.parametrize("pieces", [(1 << 16, 1 << 13), (64, 16)], ids=["whole", "pieces"])
@pytest.mark.parametrize("signs", ["mixed", "positive", "negative"])
@pytest.mark.parametrize("shapes", SHAPES + BATCHES + EMPTY, ids=str)
@pytest.mark.parametrize("semiring", OF_TERMS, ids=lambda semiring: semiring.name)
def test_products_with_a_maximum_for_the_sum(
    semiring: Ranged, shapes: Any, signs: str, pieces: Any, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinygrad_lite.semirings.largest._BLOCK", pieces[0])
    monkeypatch.setattr("tinygrad_lite.semirings.largest._TOGETHER", pieces[1])
    a, w = mixed(rng, *shapes[0]), mixed(rng, *shapes[1])
    w = {"mixed": w, "positive": np.abs(w), "negative": -np.abs(w)}[signs]
    element = np.abs(a) if semiring is MAX else np.stack([np.maximum(a, 0.0), np.maximum(-a, 0.0)])
    found = semiring._numbers.contract(element, w)
    assert_array_equal(semiring.result(Floating(found, 0)), OF_TERMS[semiring](products(a, w)))  # not one bit off


@pytest.mark.parametrize("shapes", SHAPES + BATCHES + EMPTY, ids=str)
@STATISTIC
def test_numbers_and_logarithms_have_the_same_products(semiring: Ranged, shapes: Any, rng: np.random.Generator) -> None:
    w = mixed(rng, *shapes[1])
    one = semiring._numbers.one(shapes[0])
    a = semiring._numbers.times(one, semiring._numbers.lift(mixed(rng, *shapes[0])))
    with np.errstate(all="ignore"):
        by_numbers = semiring.result(Floating(semiring._numbers.contract(a, w), 0))
        by_logarithms = semiring.result(semiring.contract(semiring.logarithms(Floating(a, 0)), w))
    assert_allclose(by_logarithms, by_numbers, rtol=1e-9, atol=1e-12)


# ---- sizes -----------------------------------------------------------------------------------------------------------


@STATISTIC
def test_usual_numbers_stay_numbers(semiring: Ranged, rng: np.random.Generator) -> None:
    x = Value(rng.normal(size=(3, 4)))
    end = (x @ rng.normal(size=(4, 5))).tanh().sum()
    assert all(type(a) is Floating and not a.exponent for a in tg.core.sweeps.reverse(end, semiring).values())


def test_what_goes_down_together_has_one_exponent() -> None:
    x = h = Value([1.0, -2.0])
    for _ in range(10):
        h = h * np.array([1e-100, -1e-99])
    for semiring in EACH:
        assert type(tg.core.sweeps.reverse(h.sum(), semiring)[x]) is Floating
    found = tg.sweep(h.sum(), LOG_MAGNITUDE, wrt=x)
    assert_allclose(found, [-10.0 * HUNDREDS, -9.9 * HUNDREDS])
    for _ in range(10):
        h = h * np.array([1e100, 1e99])
    for semiring, expected in ((MAX, 1.0), (MOST_POSITIVE, 1.0), (MOST_NEGATIVE, 0.0), (ENTROPY, 0.0)):
        assert_allclose(tg.sweep(h.sum(), semiring, wrt=x), [expected] * 2, rtol=1e-12)


def test_huge_spreads_in_one_row() -> None:
    """1e-600 next to 1: of the one nothing is left but its logarithm, and it comes back to a usual size."""
    x = h = Value([3.0, 2.0, 0.5])
    for _ in range(4):
        h = h * np.array([-1e-150, 1.0, 0.0])
    logs = tg.sweep(h.sum(), LOG_MAGNITUDE, wrt=x)
    assert_allclose(logs, [-6.0 * HUNDREDS, 0.0, -np.inf], atol=1e-12)
    assert_array_equal(tg.sweep((h + h).sum(), ENTROPY, wrt=x).round(12), [round(math.log(2.0), 12)] * 2 + [0.0])
    for _ in range(4):
        h = h * np.array([1e150, 1.0, 1.0])
    h = h @ np.array([[1.0, -2.0], [0.5, 0.25], [1.0, 1.0]])
    assert_allclose(tg.sweep(h.sum(), MAX, wrt=x), [2.0, 0.5, 0.0], rtol=1e-9)
    assert_allclose(tg.sweep(h.sum(), MOST_POSITIVE, wrt=x), [1.0, 0.5, 0.0], rtol=1e-9)
    assert_allclose(tg.sweep(h.sum(), MOST_NEGATIVE, wrt=x), [-2.0, 0.0, 0.0], rtol=1e-9)
    logs = tg.sweep(h.sum(), LOG_MAGNITUDE, wrt=x)
    assert_allclose(logs, [math.log(3.0), math.log(0.75), -math.inf], rtol=1e-9)


@pytest.mark.parametrize("size", [1e-200, 1e200, 1e-308, 5e-324])
def test_weights_of_unusual_size(size: float) -> None:
    x = Value([1.0, 2.0, 3.0])
    w = np.array([[size, 1.0], [-1.0, 0.0], [2.0, -size]])
    h = x @ w
    for semiring in (MAX, MOST_POSITIVE, MOST_NEGATIVE):
        expected = {
            MAX: [max(size, 1.0), 1.0, max(2.0, size)],
            MOST_POSITIVE: [max(size, 1.0), 0.0, 2.0],
            MOST_NEGATIVE: [0.0, -1.0, -size],
        }[semiring]
        assert_allclose(tg.sweep(h.sum(), semiring, wrt=x), expected, rtol=1e-9)
    expected_logs = [np.logaddexp(math.log(size), 0.0), 0.0, np.logaddexp(math.log(size), math.log(2.0))]
    assert_allclose(tg.sweep(h.sum(), LOG_MAGNITUDE, wrt=x), expected_logs, rtol=1e-9, atol=1e-12)
    with pytest.raises(OutOfRange, match=r"^$"):
        MAX._numbers.lift(w)


def test_sums_of_far_exponents() -> None:
    """A value read at both ends of a chain that shrinks by 1e-400: sums of elements with different exponents."""
    x = Value([2.0, -3.0])
    for exponents in ((1, 1), (4, 1), (4, 4), (0, 0)):
        sides = []
        for n in exponents:
            h = x * 1.0
            for _ in range(n):
                h = h * 1e-100
            sides.append(h)
        end = (sides[0] - sides[1]).sum()
        found = tg.sweep(end, LOG_MAGNITUDE, wrt=x)
        assert_allclose(found, np.logaddexp(*[-n * HUNDREDS for n in exponents]), rtol=1e-9, atol=1e-12)
        expected = math.log(2.0) if exponents[0] == exponents[1] else 0.0
        assert_allclose(tg.sweep(end, ENTROPY, wrt=x), expected, atol=1e-12)
        assert_allclose(tg.sweep(end, MOST_NEGATIVE, wrt=x), -(10.0 ** (-100 * exponents[1])), rtol=1e-9)


def test_entropy_of_one_path_is_zero_and_not_what_rounding_leaves() -> None:
    x = Value(0.3)
    assert tg.sweep((x * 0.7).tanh().exp(), ENTROPY, wrt=x) == 0.0


def test_float32_weights_are_read_in_double_precision(rng: np.random.Generator) -> None:
    x = Value(rng.normal(size=(2, 3)).astype(np.float32))
    w = Value(rng.normal(size=(3, 2)).astype(np.float32))
    end = (x @ w).relu().sum()
    assert_right(end, x, w)
    assert tg.sweep(end, MAX, wrt=x).dtype == np.float64


def test_scalars_matrices_and_nothing(rng: np.random.Generator) -> None:
    x, y = Value(-1.5), Value(rng.normal(size=(2, 3)))
    assert_right(((y * x + y[0]) @ np.ones((3, 2))).cumsum().sum() + x * x - x, x, y)
    empty = Value(np.zeros((0, 3)))
    for semiring in EACH:
        assert np.shape(tg.sweep((empty @ np.ones((3, 2))).sum(), semiring, wrt=empty)) == (0, 3)
    flat = Value(np.ones((2, 0)))
    assert_array_equal(tg.sweep((flat @ np.ones((0, 4))).sum() + y.sum(), MAX, wrt=[flat, y])[1], np.ones((2, 3)))
    assert isinstance(tg.sweep(x * x, MOST_NEGATIVE, wrt=x), float)
    assert str(tg.sweep(x * -x, MOST_POSITIVE, wrt=x)) == "1.5"
    assert str(tg.sweep(x * 1.0, MOST_NEGATIVE, wrt=x)) == "0.0"


def test_largest_contributions_are_exact() -> None:
    """On numbers nothing is rounded that a product does not round."""
    x = Value([3.0, 0.1])
    assert tg.sweep((x * 5.0 * x).sum(), MAX, wrt=x).tolist() == [15.0, 0.5]
