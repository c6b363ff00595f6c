"""Data sets against the tables that they stand for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tinygrad_lite import datasets
from tinygrad_lite.errors import ArgumentError


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
