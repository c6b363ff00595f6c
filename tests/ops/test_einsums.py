"""Products with sliding windows: their columns are made once, and both passes multiply these."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lite as tg
from tinygrad_lite import Value, nn
from tinygrad_lite.ops import einsums
from tinygrad_lite.ops.einsums import Einsum, columns

WAYS: list[dict[str, Any]] = [
    {"kernel": (3, 3), "padding": "same"},
    {"kernel": (2, 3), "stride": (2, 1), "padding": [(1, 0), (0, 2)]},
    {"kernel": (3, 3), "dilation": 2, "padding": 1},
    {"kernel": (1, 1)},
]


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_convolution_equals_numpys_einsum(way: Any, channels: int, dtype: Any, rng: np.random.Generator) -> None:
    layer = nn.Conv(channels, 4, rng=0, dtype=dtype, **way)
    x = Value(rng.normal(size=(3, 9, 8, channels)).astype(dtype))
    out = layer(x)
    windows, w = out.parents[0].parents
    labels = "nhwcij,ijco->nhwo"
    tolerance = 1e-13 if dtype is np.float64 else 2e-5
    right = np.einsum(labels, windows.data.astype(float), w.data.astype(float))
    assert_allclose(out.parents[0].data, right, rtol=tolerance, atol=tolerance * 10)
    g = rng.normal(size=out.shape).astype(dtype)
    out.backward(g)
    wide = g.astype(float)
    slope = np.einsum("nhwcij,nhwo->ijco", windows.data.astype(float), wide)
    assert_allclose(w.grad, slope, rtol=tolerance, atol=tolerance * 100)
    assert_allclose(
        windows.grad, np.einsum("ijco,nhwo->nhwcij", w.data.astype(float), wide), rtol=0, atol=tolerance * 10
    )
    assert w.grad.dtype == windows.grad.dtype == x.grad.dtype == dtype


@pytest.mark.parametrize("channels", [1, 3])
def test_higher_orders_paths_and_differences(channels: int, rng: np.random.Generator) -> None:
    layer = nn.Conv(channels, 2, (2, 2), rng=0)
    x = rng.normal(size=(2, 3, 4, channels))
    tg.check_grads(lambda x: tg.sum(tg.tanh(layer(x))), (x,), order=2)
    leaf = Value(x, name="x")
    loss = tg.sum(tg.tanh(layer(leaf)))
    loss.backward()
    assert_allclose(tg.sweep(loss, tg.semirings.GRADIENT, wrt=layer)["w"], layer.w.grad, rtol=1e-12)
    assert_allclose(tg.gradient_paths(loss, "x", at=(0, 0, 0, 0)).total, leaf.grad[0, 0, 0, 0], rtol=1e-12)
    tg.compare(loss, wrt=layer).raise_if_different()


@pytest.mark.parametrize("channels", [1, 5])
def test_compiled_to_the_bit_and_the_columns_once(channels: int, rng: np.random.Generator) -> None:
    first, second = nn.Conv(channels, 3, (3, 3), padding=1, rng=0), nn.Conv(3, 2, (2, 2), rng=1)
    parameters = [first.w, first.b, second.w, second.b]
    step = tg.compile(lambda x: tg.mean(tg.square(second(tg.relu(first(x))))))
    for _ in range(3):
        x = rng.normal(size=(2, 6, 7, channels))
        for p in parameters:
            p.grad = None
        cost = step(x)
        replayed = [p.grad for p in parameters]
        for p in parameters:
            p.grad = None
        end = tg.mean(tg.square(second(tg.relu(first(x)))))
        end.backward()
        assert cost == end.item()
        for p, g in zip(parameters, replayed, strict=True):
            assert_array_equal(p.grad, g)
    assert step.source.count("columns(") == 2
    assert "pull(" not in step.source


def test_the_columns_are_copied_once_in_eager(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    def counted(x: Any, inner: int) -> Any:
        made.append(x.shape)
        return columns(x, inner)

    monkeypatch.setattr(einsums, "columns", counted)
    layer = nn.Conv(2, 3, (3, 3), rng=0)
    tg.sum(layer(Value(np.ones((1, 5, 5, 2))))).backward()
    assert made == [(1, 3, 3, 3, 3, 2)]


def test_kept_columns_are_of_the_operand_they_were_made_of(rng: np.random.Generator) -> None:
    """``tg.replay`` runs the op's forward on other data; the recorded graph goes back through its own."""
    layer, x = nn.Conv(2, 3, (2, 2), rng=0), Value(rng.normal(size=(1, 4, 4, 2)), name="x")
    loss = tg.sum(tg.square(layer(x)))
    loss.backward()
    right, layer.w.grad, x.grad = layer.w.grad, None, None
    other = tg.replay(loss, {x: rng.normal(size=(1, 4, 4, 2))})
    assert other != loss.item()
    loss.backward()
    assert_allclose(layer.w.grad, right, rtol=1e-13)


def test_other_products_keep_nothing(rng: np.random.Generator) -> None:
    op = Einsum(("ij", "jk"), "ik")
    op.forward(rng.normal(size=(3, 4)), rng.normal(size=(4, 5)))
    assert op._kept is None
    turned = Einsum(("jki", "jkl"), "il")
    turned.forward(rng.normal(size=(3, 4, 5)).transpose(1, 2, 0), rng.normal(size=(4, 5, 2)))
    assert turned._kept is None


@pytest.mark.parametrize("shape", [(4, 5, 3, 3, 1), (4, 5, 3, 3, 8), (6, 2), (3, 2, 2)])
def test_columns_are_a_contiguous_copy(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    x = rng.normal(size=shape[::-1]).T
    found = columns(x, len(shape) - 1)
    assert_array_equal(found, x)
    assert found.flags.c_contiguous
    out = np.empty(shape)
    columns(x, len(shape) - 1, out=out)
    assert_array_equal(out, x)
