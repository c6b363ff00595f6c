"""Matrix products go back by two products, as their chain says, to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tinygrad_lite.core.elementwise import OPS
from tinygrad_lite.core.op import Op
from tinygrad_lite.ops.products import MATMUL


@pytest.mark.parametrize(
    "shapes", [((3, 4), (4, 5)), ((1, 4), (4, 1)), ((0, 4), (4, 2)), ((2, 3, 4), (4, 5)), ((4,), (4, 5))]
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_product_goes_back_as_its_chain(shapes: Any, dtype: Any, order: Any, rng: np.random.Generator) -> None:
    operands = [np.asarray(rng.normal(size=shape), dtype, order=order) for shape in shapes]
    out = MATMUL.forward(*operands)
    g = rng.normal(size=out.shape).astype(dtype)
    for k in range(2):
        found = MATMUL.pull(k, g, operands, out)
        assert_array_equal(found, Op.pull(MATMUL, k, g, operands, out))
        assert found.shape == operands[k].shape
        assert found.dtype == dtype


@pytest.mark.parametrize("rows", [0, 1, 7, 3000])
@pytest.mark.parametrize("op", ["add", "sub"])
def test_a_bias_goes_back_as_its_chain(rows: int, op: str, rng: np.random.Generator) -> None:
    operands = [rng.normal(size=(rows, 5)), rng.normal(size=5)]
    for given, k in ((operands, 1), (operands[::-1], 0)):
        out = OPS[op].forward(*given)
        g = rng.normal(size=out.shape)
        assert_array_equal(OPS[op].pull(k, g, given, out), Op.pull(OPS[op], k, g, given, out))
