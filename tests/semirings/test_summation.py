"""Sums of long arrays: as near the truth as sums in pairs, along every axis, and in every sweep that adds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lite as tg
from tinygrad_lite import Value
from tinygrad_lite.semirings import summation
from tinygrad_lite.semirings.summation import LONG, added, running


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("shape", "axes"),
    [((20011, 3), (-2,)), ((3000, 40), (-2,)), ((40, 50, 60, 2), (-4, -3, -2)), ((2, 5003, 3), (-2,)),
     ((1900, 4, 5), (-3, -1))],
)  # fmt: skip
@pytest.mark.parametrize("keepdims", [False, True])
def test_long_sums(shape: Any, axes: Any, keepdims: bool, dtype: Any, rng: np.random.Generator) -> None:
    x = (1000 + rng.standard_normal(shape)).astype(dtype)
    rest = [k for k in range(-len(shape), 0) if k not in axes]
    columns = np.moveaxis(x, rest, range(len(rest))).reshape(*(shape[k] for k in rest), -1)
    exact = np.apply_along_axis(math.fsum, -1, columns.astype(float)).reshape(
        np.sum(x, axis=axes, keepdims=keepdims).shape
    )
    assert_allclose(added(x, axes, keepdims), exact, rtol=5 * np.finfo(dtype).eps)
    assert added(x, axes, keepdims).dtype == dtype


def test_the_same_bits_where_a_sum_is_short(rng: np.random.Generator) -> None:
    for shape, axes in (((LONG, 3), (-2,)), ((3, 9000), (-1,)), ((9000,), (-1,)), ((2, 3), ())):
        x = rng.standard_normal(shape)
        assert_array_equal(added(x, axes), np.add.reduce(x, axis=axes))


@pytest.mark.parametrize("n", [64 * 25, 20011])
def test_running_sums(n: int) -> None:
    x = np.full((2, n, 2), 0.1, np.float32)
    exact = np.cumsum(x.astype(float), axis=1)
    assert_allclose(running(x, -2), exact, rtol=1e-6)
    assert_allclose(tg.cumsum(Value(x), axis=1).data, exact, rtol=1e-6)
    assert running(x, -2).dtype == np.float32


def of_a_long_batch() -> dict[str, float]:
    """The errors, in units of the last place, of what training a float32 model adds up along a batch."""
    rng = np.random.default_rng(0)
    x = (1000 + rng.standard_normal((100_000, 3))).astype(np.float32)
    leaf, bias, weight = Value(x), Value(np.zeros(3, np.float32)), Value(np.eye(3, dtype=np.float32))
    mean = x.astype(float).mean(axis=0)
    found = {"sum": tg.sum(leaf, 0).data, "mean": tg.mean(leaf, 0).data, "var": tg.var(leaf, 0).data}
    exact = {"sum": mean * len(x), "mean": mean, "var": x.astype(float).var(axis=0)}
    for name, out in (("a bias", tg.linear(leaf.detach(), weight, bias)), ("a stretched factor", leaf.detach() + bias)):
        out.backward(x)
        found[name], exact[name] = bias.grad, mean * len(x)
        bias.grad = None
    return {
        name: float(np.max(abs(found[name] - exact[name]) / np.spacing(exact[name].astype(np.float32))))
        for name in exact
    }


def test_a_long_batch() -> None:
    assert max(of_a_long_batch().values()) < 4


def test_adding_in_sequence_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summation, "is_long", lambda x, axes: False)
    found = of_a_long_batch()
    assert found["a stretched factor"] > 20
    assert found["sum"] > 20
