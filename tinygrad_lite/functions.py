"""Structured ops, on Values or plain arrays: all functions that are not lines of the table of derivatives.

Every one whose first argument is a Value is also a method.
"""

from __future__ import annotations

from typing import Any

from .costs import cross_entropy, half_squared_error
from .einsums import einsum
from .elementwise import FUNCTIONS
from .moves import (
    broadcast_to,
    concatenate,
    diag,
    expand_dims,
    flip,
    getitem,
    moveaxis,
    pad,
    ravel,
    repeat,
    reshape,
    roll,
    split,
    squeeze,
    stack,
    swapaxes,
    take,
    tile,
    transpose,
    tril,
    triu,
)
from .products import dot, linear, matmul, outer, tensordot
from .reductions import cumsum, log_softmax, logsumexp, max, mean, min, norm, prod, softmax, std, sum, trace, var

__all__ = [
    "broadcast_to",
    "concatenate",
    "cross_entropy",
    "cumsum",
    "diag",
    "dot",
    "einsum",
    "expand_dims",
    "flip",
    "gelu",
    "getitem",
    "half_squared_error",
    "linear",
    "log_softmax",
    "logsumexp",
    "matmul",
    "max",
    "mean",
    "min",
    "moveaxis",
    "norm",
    "outer",
    "pad",
    "prod",
    "ravel",
    "repeat",
    "reshape",
    "roll",
    "softmax",
    "split",
    "squeeze",
    "stack",
    "std",
    "sum",
    "swapaxes",
    "take",
    "tensordot",
    "tile",
    "trace",
    "transpose",
    "tril",
    "triu",
    "var",
]


def gelu(x: Any, approximate: bool = True) -> Any:
    """The Gaussian error linear unit: by its tanh approximation, or exactly (on arrays with the extra ``scipy``)."""
    return FUNCTIONS["gelu_tanh" if approximate else "gelu_erf"](x)
