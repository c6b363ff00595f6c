"""Special functions: the modified Bessel function of order 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.maps import Chain, Scale
from ..core.shapes import ndim_of
from ..core.value import Op, record
from .casting import float_dtype
from .registry import function

__all__ = ["I0", "i0"]


_COSINES = np.cos((np.arange(64) + 0.5) * (np.pi / 128))
"""Nodes of the integral below: with 64 of them it has all digits at every number whose ``i0`` is finite."""


@dataclass(slots=True)
class I0(Op):
    """The derivative of ``i0`` of some order, ``2/π ∫ cos(t)**order f(x cos(t)) dt`` from 0 to π/2, f cosh or sinh.

    The integrand is periodic, so that the mean over equally spaced nodes converges exponentially. All its terms have
    one sign: no digits are lost. Source: L. N. Trefethen and J. A. C. Weideman, *The exponentially convergent
    trapezoidal rule*, 2014.
    """

    order: int
    name = "i0"
    sign = "I₀"

    def forward(self, *data: Any) -> Any:
        if not self.order:
            return np.i0(data[0])
        nodes = _COSINES.astype(float_dtype(data[0]))
        terms = np.expand_dims(data[0], -1) * nodes
        return np.mean((np.sinh if self.order % 2 else np.cosh)(terms) * nodes**self.order, axis=-1)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        return (Scale(record(I0(self.order + 1), (operands[0],)), ndim_of(out)),)


@function(numpy=np.i0)
def i0(x: Any) -> Any:
    """The modified Bessel function of the first kind, of order 0. Its derivatives are right to any order.

    >>> from tinygrad_lite import Value
    >>> x = Value([0.0, 1.0])
    >>> i0(x).sum().backward()
    >>> x.grad.round(6).tolist()
    [0.0, 0.565159]
    """
    return record(I0(0), (x,))
