"""Scans: running sums and products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.maps import Chain, Scan
from ..core.shapes import ndim_of, shape_of
from ..core.value import Op, record
from . import elementary
from .axes import one_axis
from .joining import concatenate
from .manipulation import flattened
from .registry import function

__all__ = ["CumSum", "cumprod", "cumsum"]


@dataclass(slots=True)
class CumSum(Op):
    """The running sum."""

    axis: int
    name = "cumsum"
    sign = "cumsum"
    linear = True

    def forward(self, *data: Any) -> Any:
        return np.cumsum(data[0], axis=self.axis)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        return (Scan(shape_of(operands[0]), self.axis),)


@function(numpy=(np.cumsum, np.add.accumulate))
def cumsum(x: Any, axis: int | None = None) -> Any:
    """The running sum along ``axis``; of the flattened array by default.

    >>> cumsum(np.array([1.0, 2.0, 3.0])).tolist()
    [1.0, 3.0, 6.0]
    """
    if axis is None or not ndim_of(x):
        x, axis = flattened(x), -1
    return record(CumSum(one_axis(x, axis, ndim_of(x), "cumsum")), (x,))


@function(numpy=(np.cumprod, np.multiply.accumulate))
def cumprod(x: Any, axis: int | None = None) -> Any:
    """The running product along ``axis``, of the flattened array by default.

    Its derivatives are right at zeros, to any order.
    A composition: log2(n) rounds, each multiplying products of neighbouring stretches of 1, 2, 4, … factors. One path
    leads from each product to each of its factors. NumPy multiplies in another order, and may overflow elsewhere.

    Source: W. D. Hillis and G. L. Steele, *Data parallel algorithms*, 1986.

    >>> cumprod(np.array([1.0, 2.0, 3.0])).tolist()
    [1.0, 2.0, 6.0]
    """
    if axis is None or not ndim_of(x):
        x, axis = flattened(x), -1
    k = one_axis(x, axis, ndim_of(x), "cumprod")
    n, distance = shape_of(x)[k], 1
    rest = (slice(None),) * (-k - 1)
    while distance < n:
        first, later = x[(..., slice(None, distance), *rest)], x[(..., slice(distance, None), *rest)]
        x = concatenate([first, later * x[(..., slice(None, n - distance), *rest)]], axis=k)
        distance *= 2
    return x if distance > 1 else elementary.mul(x, 1.0)  # never the operand itself
