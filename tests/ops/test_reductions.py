"""Maxima of few elements each, as pooling takes them: slice by slice, and with the cotangent's own precision."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lite as tg
from tinygrad_lite import Value
from tinygrad_lite.core.op import Op
from tinygrad_lite.ops import reductions
from tinygrad_lite.ops.reductions import Max, Min

SHAPES: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((4, 8, 2, 8, 2, 5), (-4, -2)),
    ((40, 60), (-1,)),
    ((1500, 2), (-1,)),
    ((2, 1500), (-2,)),
    ((700, 3, 1), (-2, -1)),
    ((3, 2, 2), (-2, -1)),
    ((500, 4, 4), (-1, -2)),
]


@pytest.fixture(params=["distinct", "ties", "nan"])
def numbers(request: Any, rng: np.random.Generator) -> Any:
    def made(shape: tuple[int, ...], dtype: Any) -> Any:
        x = rng.normal(size=shape).astype(dtype)
        if request.param != "distinct":
            x = np.maximum(x, 0.0)  # as after a ReLU
        if request.param == "nan":
            x.flat[:: max(1, x.size // 3)] = math.nan
        return x

    return made


@pytest.mark.parametrize(("shape", "axes"), SHAPES)
@pytest.mark.parametrize("op", [Max, Min])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("keepdims", [False, True])
def test_extrema_are_numpys_and_go_back_as_their_chain(
    numbers: Any, op: Any, shape: tuple[int, ...], axes: tuple[int, ...], dtype: Any, keepdims: bool
) -> None:
    x = numbers(shape, dtype)
    made = op(axes, keepdims)
    out = made.forward(x)
    right = (np.max if op is Max else np.min)(x, axis=axes, keepdims=keepdims)
    assert_array_equal(out, right)
    assert out.dtype == dtype
    assert out.flags.owndata or out.base is not x
    g = np.arange(1.0, out.size + 1).reshape(out.shape).astype(dtype)
    kept = g.copy()
    found = made.pull(0, g, (x,), out)
    assert found.dtype == dtype
    assert_allclose(found, Op.pull(made, 0, g, (x,), out), rtol=1e-15 if dtype is np.float64 else 1e-6)
    assert_array_equal(g, kept)  # the cotangent belongs to others


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_pooling_compiled_to_the_bit(numbers: Any, dtype: Any) -> None:
    w = Value(np.array([1.0, 0.5, 2.0], dtype))

    def loss(x: Any) -> Any:
        return tg.sum(tg.square((x * w).reshape(4, 8, 2, 16, 2, 3).max(axis=(2, 4))))

    step = tg.compile(loss)
    for k in range(3):
        x = np.nan_to_num(numbers((4, 16, 32, 3), dtype)) * dtype(1 + k)
        w.grad = None
        cost = step(x)
        replayed, w.grad = w.grad, None
        end = loss(x)
        end.backward()
        assert cost == end.item()
        assert_array_equal(replayed, w.grad)
        assert w.grad.dtype == dtype
    assert "pull(" not in step.source
    assert "float64" not in step.source or dtype is np.float64


def test_a_missed_tie_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.zeros((600, 4))
    op = Max((-1,), False)
    assert_array_equal(op.pull(0, np.ones(600), (x,), op.forward(x)), np.full((600, 4), 0.25))
    monkeypatch.setattr(reductions, "_has_no_ties", lambda ties, top: True)
    assert np.all(op.pull(0, np.ones(600), (x,), op.forward(x)) == 1.0)


def test_a_nan_does_not_make_up_for_a_tie() -> None:
    x = np.array([[math.nan, 0.0], [1.0, 1.0]])  # two elements are a maximum, as there are rows, yet both in one
    leaf = Value(x)
    leaf.max(axis=1).backward(np.array([1.0, 1.0]))
    assert_array_equal(leaf.grad, [[0.0, 0.0], [0.5, 0.5]])


MEANS: list[tuple[tuple[int, ...], Any]] = [
    ((4, 5), None),
    ((4, 5), 0),
    ((900, 3), (0, 1)),
    ((2, 3, 4), (0, 2)),
    ((7,), -1),
]


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize(("shape", "axis"), MEANS)
@pytest.mark.parametrize("keepdims", [False, True])
def test_a_mean_is_numpys_to_the_bit(dtype: Any, shape: Any, axis: Any, keepdims: bool) -> None:
    x = np.random.default_rng(0).normal(size=shape).astype(dtype)
    found = tg.mean(Value(x), axis, keepdims).data
    assert_array_equal(found, np.mean(x, axis=axis, keepdims=keepdims))
    whole = Value(np.arange(6).reshape(2, 3), requires_grad=False)
    assert_array_equal(np.mean(whole, axis=0).data, [1.5, 2.5, 3.5])
