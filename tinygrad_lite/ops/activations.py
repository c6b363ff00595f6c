"""Activations that are not lines of the table: softmax and its logarithm, and the two forms of GELU."""

from __future__ import annotations

from typing import Any

from . import elementary
from .axes import axes_of
from .reductions import LogSumExp, logsumexp
from .registry import function

__all__ = ["gelu", "log_softmax", "softmax"]


@function()
def gelu(x: Any, approximate: bool = True) -> Any:
    """The Gaussian error linear unit: its tanh approximation, or ``x Φ(x)`` exactly (arrays need the extra ``scipy``).

    Source: D. Hendrycks and K. Gimpel, *Gaussian error linear units*, 2016.

    >>> round(gelu(1.0), 4), round(gelu(1.0, approximate=False), 4)
    (0.8412, 0.8413)
    """
    return elementary.gelu_tanh(x) if approximate else elementary.gelu_erf(x)


@function()
def log_softmax(x: Any, axis: int = -1) -> Any:
    """``x - logsumexp(x)`` along ``axis``: a composition of two ops, right at any size of x.

    It is computed as ``(x - max(x)) - log Σ exp(x - max(x))``.

    >>> log_softmax([0.0, 0.0])
    array([-0.69314718, -0.69314718])
    """
    out = logsumexp(x, axis, keepdims=True)
    return LogSumExp(axes_of(x, axis, "log_softmax"), True).below(x, out)


@function()
def softmax(x: Any, axis: int = -1) -> Any:
    """``exp(x - logsumexp(x))`` along ``axis``: a composition of three ops, right at any size of x.

    >>> softmax([1e4, 1e4])
    array([0.5, 0.5])
    """
    return elementary.exp(log_softmax(x, axis))
