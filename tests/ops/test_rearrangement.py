"""Zeros around an array, in memory that may be given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinygrad_lite as tg
from tinygrad_lite import Value
from tinygrad_lite.ops.rearrangement import among_zeros


@pytest.mark.parametrize("widths", [[(0, 0), (1, 2)], [(3, 0), (0, 1)], [(0, 0), (0, 0)]])
@pytest.mark.parametrize("data", [np.arange(6.0).reshape(2, 3), np.arange(6, dtype=np.float32).reshape(3, 2).T,
                                  np.arange(6).reshape(2, 3), np.zeros((2, 0)), np.ones((2, 3), bool)])  # fmt: skip
def test_zeros_around_are_numpys(widths: Any, data: Any) -> None:
    right = np.pad(data, widths)
    found = among_zeros(data, widths)
    assert_array_equal(found, right)
    assert found.dtype == right.dtype
    assert not np.may_share_memory(found, data)
    out = np.full_like(right, 1)
    among_zeros(data, widths, out=out)
    assert_array_equal(out, right)


def test_a_compiled_step_pads_into_memory_of_its_own(rng: np.random.Generator) -> None:
    w = Value(rng.normal(size=(3, 4)))
    step = tg.compile(lambda x: tg.sum(tg.square(np.pad(w * x, ((0, 0), (2, 1))))))
    for _ in range(3):
        x = rng.normal(size=(3, 4))
        w.grad = None
        cost = step(x)
        assert_array_equal(w.grad, 2.0 * (w.data * x) * x)
        assert cost == pytest.approx(float(np.sum((w.data * x) ** 2)), rel=1e-14)
    assert "among_zeros(" in step.source
    assert "pad(b" not in step.source.replace("among_zeros", "")


def test_a_reader_sees_numpys_function() -> None:
    x = Value(np.array([1.0, 2.0]), name="x")
    assert "np.pad(" in str(tg.manual_backprop(tg.sum(tg.square(np.pad(x, 1))), {"x": x}))
