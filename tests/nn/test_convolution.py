"""Convolution against loops over every place, and against JAX."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinygrad_lite as tg
from tests.checkers import check_function
from tinygrad_lite import Value, nn
from tinygrad_lite.errors import ArgumentError, ShapeError


def by_hand(x: Any, w: Any, b: Any, stride: Any, pairs: Any, dilation: Any) -> Any:
    """One sample, place by place."""
    n = w.ndim - 2
    x = np.pad(x, [*pairs, (0, 0)])
    kernel = w.shape[:n]
    sizes = [(x.shape[k] - (kernel[k] - 1) * dilation[k] - 1) // stride[k] + 1 for k in range(n)]
    out = np.zeros((*sizes, w.shape[-1]), x.dtype)
    for place in itertools.product(*map(range, sizes)):
        for at in itertools.product(*map(range, kernel)):
            index = tuple(p * s + a * d for p, s, a, d in zip(place, stride, at, dilation, strict=True))
            out[place] += x[index] @ w[at]
    return out + b


CASES: list[tuple[Any, tuple[int, ...], dict[str, Any]]] = [
    (3, (7,), {}),
    (2, (5,), {"stride": 2, "padding": 1}),
    ((2, 3), (4, 5), {"dilation": (2, 1), "padding": [(1, 0), (0, 2)]}),
    ((3, 3), (5, 4), {"padding": "same"}),
    ((3, 2), (5, 4), {"padding": "same", "stride": 2}),
    ((1, 2, 2), (2, 3, 3), {"stride": (1, 2, 1), "padding": (0, 1, 0)}),
]


def pairs_of(layer: nn.Conv, places: tuple[int, ...]) -> Any:
    return layer._same(places) if layer.padding == "same" else layer.padding


@pytest.mark.parametrize(("kernel", "places", "options"), CASES)
def test_value_and_gradients(kernel: Any, places: Any, options: Any, rng: np.random.Generator) -> None:
    layer = nn.Conv(2, 3, kernel, rng=0, **options)
    pairs = pairs_of(layer, places)

    def ours(x: Any, w: Any, b: Any) -> Any:
        layer.w, layer.b = w if isinstance(w, Value) else Value(w), b if isinstance(b, Value) else Value(b)
        return layer(x)

    def theirs(x: Any, w: Any, b: Any) -> Any:
        return np.stack([by_hand(one, w, b, layer.stride, pairs, layer.dilation) for one in x])

    arrays = [rng.standard_normal((2, *places, 2)), layer.w.data.copy(), rng.standard_normal(3)]
    assert layer.w.shape == (*layer.kernel, 2, 3)
    check_function(ours, theirs, arrays, rng, "Conv")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("kernel", "places", "options"), CASES)
def test_like_jax_to_order_2(kernel: Any, places: Any, options: Any, rng: np.random.Generator) -> None:
    from tests.checkers import directions
    from tests.oracles.jax_peer import assert_like_jax

    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    layer = nn.Conv(2, 3, kernel, bias=False, rng=0, **options)
    n = len(layer.kernel)
    letters = "DHW"[-n:]

    def ours(x: Any, w: Any) -> Any:
        layer.w = w
        return tg.sum(tg.sin(layer(x)))

    arrays = [rng.standard_normal((2, *places, 2)), layer.w.data.copy()]

    def theirs(x: Any, w: Any) -> Any:
        out = jax.lax.conv_general_dilated(
            x, w, layer.stride, pairs_of(layer, places), rhs_dilation=layer.dilation,
            dimension_numbers=(f"N{letters}C", f"{letters}IO", f"N{letters}C"),
        )  # fmt: skip
        return jax.numpy.sum(jax.numpy.sin(out))

    assert_like_jax(jax, ours, theirs, arrays, directions(arrays, rng))


def test_any_axes_in_front_and_integers() -> None:
    layer = nn.Conv(1, 2, 3, rng=0, dtype=np.float32)
    assert layer(np.ones((5, 1))).shape == (3, 2)
    assert layer(np.ones((4, 3, 5, 1), dtype=np.int64)).shape == (4, 3, 3, 2)
    assert layer(np.ones((5, 1), dtype=int)).dtype == np.float32
    assert list(layer.named_parameters()) == ["w", "b"]


def test_paths_lead_through_each_window_once() -> None:
    layer = nn.Conv(1, 1, (2, 2), bias=False, rng=0)
    x = Value(np.ones((3, 3, 1)), name="x")
    counts = tg.sweep(layer(x).sum(), tg.semirings.COUNT, wrt=x)
    assert counts[..., 0].tolist() == [[1, 2, 1], [2, 4, 2], [1, 2, 1]]


def test_it_learns_to_find_an_edge(rng: np.random.Generator) -> None:
    images = rng.standard_normal((8, 6, 6, 1))
    target = images[:, :, 1:, 0] - images[:, :, :-1, 0]
    layer = nn.Conv(1, 1, (1, 2), rng=0)
    optimizer = tg.optim.SGD(layer.parameters(), lr=0.3)
    for _ in range(60):
        optimizer.zero_grad()
        nn.losses.mse(layer(images)[..., 0], target).backward()
        optimizer.step()
    assert_allclose(layer.w.data.reshape(-1), [-1.0, 1.0], atol=1e-3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Conv(0, 1, 3), r"Conv: n_in is a whole number"),
        (lambda: nn.Conv(1, 1, ()), r"Conv: kernel is the size .* got none"),
        (lambda: nn.Conv(1, 1, (3, 0)), r"Conv: kernel is a whole number"),
        (lambda: nn.Conv(1, 1, (3, 3), stride=(1, 1, 1)), r"Conv: stride is one number, or one for each of 2 axes"),
        (lambda: nn.Conv(1, 1, 3, dilation=0), r"Conv: dilation is a whole number"),
        (lambda: nn.Conv(1, 1, (3, 3), padding=-1), r"Conv: padding is 'same', .*got -1 for 2 axes"),
        (lambda: nn.Conv(1, 1, (3, 3), padding=(1, 2, 3)), r"Conv: padding is 'same'"),
        (lambda: nn.Conv(1, 1, 3, padding="valid"), r"Conv: padding is 'same'"),
    ],
)
def test_bad_arguments(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


def test_bad_inputs() -> None:
    layer = nn.Conv(2, 1, (3, 3), rng=0)
    for x in (np.ones((5, 5)), np.ones((5, 5, 1)), np.ones((5, 2))):
        with pytest.raises(ShapeError, match=r"Conv: 'w' needs inputs of 2 axes of places and 2 channels on the last"):
            layer(x)
    with pytest.raises(ShapeError, match=r"sliding_window_view: a window of 3 does not fit along axis -3"):
        layer(np.ones((2, 5, 2)))


def test_repr() -> None:
    assert repr(nn.Conv(1, 2, 3)) == "Conv(1, 2, kernel=(3,))"
    assert repr(nn.Conv(1, 2, (3, 3), stride=2, padding="same", bias=False)) == (
        "Conv(1, 2, kernel=(3, 3), stride=(2, 2), padding='same', bias=False)"
    )
