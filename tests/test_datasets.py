"""Data sets against the tables that they stand for."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tinygrad_lite import datasets
from tinygrad_lite.errors import ArgumentError, MissingExtraError, ShapeError


def test_half_adder() -> None:
    x, t = datasets.half_adder()
    assert_array_equal(x, [[0, 0], [0, 1], [1, 0], [1, 1]])
    for (a, b), (s, carry) in zip(x, t, strict=True):
        assert divmod(a + b, 2) == (carry, s)


def test_xor() -> None:
    x, t = datasets.xor()
    assert_array_equal(x, [[0, 0], [0, 1], [1, 0], [1, 1]])
    assert_array_equal(t, [[1, 0], [0, 1], [0, 1], [1, 0]])


def test_each_call_gives_arrays_of_its_own() -> None:
    for load in (datasets.half_adder, datasets.xor):
        x, t = load()
        assert x.dtype == t.dtype == np.float64
        x[:], t[:] = 7.0, 7.0
        assert not np.array_equal(load()[0], x)
        assert not np.array_equal(load()[1], t)


def test_one_hot() -> None:
    assert_array_equal(datasets.one_hot(np.array([True, False]), 2), [[0, 1], [1, 0]])
    assert datasets.one_hot(np.zeros(0, dtype=int), 3).shape == (0, 3)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 3], "a class is a number from 0 to 2, got 3"),
        ([-1, 0], "a class is a number from 0 to 2, got -1"),
        ([0.5], r"needs class numbers of shape \(samples,\), got shape \(1,\) of float64"),
        ([[0], [1]], r"needs class numbers of shape \(samples,\), got shape \(2, 1\) of int64"),
        (["a"], "needs class numbers"),
    ],
)
def test_bad_labels(labels: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=f"one_hot: {message}"):
        datasets.one_hot(labels, 3)


# ---- spirals ---------------------------------------------------------------------------------------------------------


def test_spirals() -> None:
    points, labels = datasets.spirals(100, turns=1.5, noise=0.0)
    assert points.shape == (100, 2)
    assert labels.dtype == np.int64
    assert_array_equal(labels, [0, 1] * 50)
    radius, angle = np.hypot(*points[::2].T), np.unwrap(np.arctan2(*points[::2].T[::-1]))
    np.testing.assert_allclose(radius, np.linspace(0.15, 1.0, 50))
    np.testing.assert_allclose(np.diff(angle), 2 * np.pi * 1.5 * np.diff(radius))  # the angle grows with the radius
    np.testing.assert_allclose(points[1::2], -points[::2])


def test_spirals_are_seeded() -> None:
    assert_array_equal(datasets.spirals(10, rng=3)[0], datasets.spirals(10, rng=np.random.default_rng(3))[0])
    assert not np.array_equal(datasets.spirals(10, rng=3)[0], datasets.spirals(10, rng=4)[0])
    spread = datasets.spirals(2000, noise=0.1)[0] - datasets.spirals(2000, noise=0.0)[0]
    assert spread.std() == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"samples": 3}, "samples is an even number of at least 2, got 3"),
        ({"samples": 0}, "samples is an even number of at least 2, got 0"),
        ({"samples": True}, "samples is an even number of at least 2, got True"),
        ({"turns": 0.0}, "turns is a number above 0, got 0.0"),
        ({"turns": np.nan}, "turns is a number above 0, got nan"),
        ({"noise": -0.1}, "noise is a standard deviation of at least 0, got -0.1"),
    ],
)
def test_bad_spirals(settings: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=f"spirals: {message}"):
        datasets.spirals(**settings)


# ---- digits ----------------------------------------------------------------------------------------------------------


def test_digits() -> None:
    pytest.importorskip("sklearn", reason="the extra digits")
    images, labels = datasets.digits()
    assert images.shape == (1797, 64)
    assert (images.dtype, labels.dtype) == (np.float64, np.int64)
    assert (images.min(), images.max()) == (0.0, 1.0)
    assert_array_equal(np.unique(labels, return_counts=True)[1], [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
    zero = images[0].reshape(8, 8) > 0.3  # a ring
    assert zero[0].any()
    assert not zero[3:5, 3:5].any()


def test_digits_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingExtraError, match=r'digits: .* scikit-learn.*pip install "tinygrad_lite\[digits\]"'):
        datasets.digits()


# ---- splitting -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("samples", "test", "held_out"), [(10, 0.3, 3), (2, 0.01, 1), (2, 0.99, 1), (1797, 0.2, 359)])
def test_split_gives_each_sample_once(samples: int, test: float, held_out: int) -> None:
    x = np.arange(2.0 * samples).reshape(samples, 2)
    x_train, t_train, x_test, t_test = datasets.split(x, np.arange(samples), test=test, rng=5)
    assert len(x_test) == len(t_test) == held_out
    assert sorted([*t_train, *t_test]) == list(range(samples))
    assert_array_equal(x_train, x[t_train])  # labels stay with their samples
    assert_array_equal(x_test, x[t_test])
    again = datasets.split(x, np.arange(samples), test=test, rng=5)
    assert_array_equal(again[3], t_test)
    x_train[:] = -1.0
    assert x.min() == 0.0


@pytest.mark.parametrize(
    ("x", "labels", "test", "error", "message"),
    [
        (np.zeros((3, 2)), np.zeros(2), 0.2, ShapeError, r"one label for each sample, got shapes \(3, 2\) and \(2,\)"),
        (np.zeros(3), np.zeros(3), 0.0, ArgumentError, "test is a share between 0 and 1, got 0.0"),
        (np.zeros(3), np.zeros(3), 1.0, ArgumentError, "test is a share between 0 and 1, got 1.0"),
        (np.zeros(1), np.zeros(1), 0.5, ArgumentError, r"needs at least two samples, got shape \(1,\)"),
        (0.0, 0.0, 0.5, ArgumentError, r"needs at least two samples, got shape \(\)"),
    ],
)
def test_bad_splits(x: Any, labels: Any, test: float, error: Any, message: str) -> None:
    with pytest.raises(error, match=f"split: .*{message}"):
        datasets.split(x, labels, test=test)
