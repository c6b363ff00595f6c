"""What a notebook shows: true numbers, escaped names, and never more than a screen of it."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import Value, nn
from tinygrad_lite.showing import table

HOSTILE = "<script>alert(1)</script>"


def test_every_text_is_escaped() -> None:
    w = Value(np.ones((2, 2)), name=HOSTILE)
    loss = (w * w).sum()
    loss.name = HOSTILE
    module = nn.Sequential(nn.Linear(2, 2, rng=0))
    module.parameters()[0].name = HOSTILE
    shown = [w._repr_html_(), loss._repr_html_(), tg.gradient_paths(loss, w, at=(0, 0))._repr_html_()]
    shown += [module._repr_html_(), table(HOSTILE, [HOSTILE], [[HOSTILE]], HOSTILE)]
    for text in shown:
        assert "<script" not in text


def test_arrays_show_their_numbers_and_gradients() -> None:
    w = Value([[1.5, -2.0]], name="w")
    (w * w).sum().backward()
    text = w._repr_html_()
    assert ">1.5<" in text
    assert ">-4<" in text
    assert "gradient" in text


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (2, 2, 2), (1000,), (1000, 1000)])
def test_nothing_is_large(shape: tuple[int, ...]) -> None:
    text = Value(np.zeros(shape))._repr_html_()
    assert len(text) < 30_000
    assert ("the first" in text) == (max(shape, default=0) == 1000)


def test_paths_of_any_number_show_the_largest() -> None:
    y = x = Value(1.0, name="x")
    for _ in range(200):
        y = y * 0.6 + y * 0.5
    text = tg.gradient_paths(y, x)._repr_html_()
    assert text.count("<tr>") == 11
    assert "1.61e60 paths from the end to x" in text
    assert "and 1.61e60 more" in text
    assert len(text) < 30_000


def test_a_module_lists_its_parameters() -> None:
    net = nn.scalar.MLP(2, [10, 10, 2], rng=0)
    text = net._repr_html_()
    assert "MLP: 162 numbers in 162 parameters" in text
    assert "and 122 more parameters" in text
