"""Activations that are not lines of the table: softmax and its logarithm, and the two forms of GELU."""

from __future__ import annotations

from typing import Any

from . import elementary
from .reductions import logsumexp
from .registry import function

__all__ = ["gelu", "log_softmax", "softmax"]


@function()
def gelu(x: Any, approximate: bool = True) -> Any:
    """The Gaussian error linear unit: by its tanh approximation, or exactly (on arrays with the extra ``scipy``)."""
    return elementary.gelu_tanh(x) if approximate else elementary.gelu_erf(x)


@function()
def log_softmax(x: Any, axis: int = -1) -> Any:
    """``x - logsumexp(x)`` along ``axis``: a composition of two ops."""
    return elementary.sub(x, logsumexp(x, axis, keepdims=True))


@function()
def softmax(x: Any, axis: int = -1) -> Any:
    """``exp(x - logsumexp(x))`` along ``axis``: a composition of three ops."""
    return elementary.exp(log_softmax(x, axis))
