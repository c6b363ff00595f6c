"""Semirings of logarithms, in which nothing underflows: magnitude, the largest path, entropy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .base import Semiring

__all__ = ["Entropy", "Largest", "LogMagnitude"]

_BLOCK = 1 << 20  # elements that are computed anew at once


class LogMagnitude(Semiring):
    """Logarithms of magnitudes: products are sums, sums are log-sum-exp, and nothing underflows."""

    name = "LOG_MAGNITUDE"

    def lift(self, weight: Any) -> Any:
        with np.errstate(divide="ignore"):
            return np.log(np.abs(weight))

    def times(self, a: Any, b: Any) -> Any:
        return a + b

    def sum(self, a: Any, axis: tuple[int, ...]) -> Any:
        return _log_sum(a, axis)

    def add(self, a: Any, b: Any) -> Any:
        return np.logaddexp(a, b)

    def zero(self, shape: tuple[int, ...]) -> Any:
        return np.full(shape, -np.inf) if shape else -math.inf

    def scalar(self, a: Any) -> Any:
        return float(a)

    def contract(self, a: Any, weight: Any) -> Any:
        product = _Scaled(a, self.lift(weight))

        def again(where: Any, terms: Any) -> None:
            product.log[where] = _log_sum(terms, (-1,))

        product.again(again)
        return product.log


class Largest(Semiring):
    """The largest contribution of one path, of any sign, or the most positive or most negative one.

    An element has two components, the logarithms of the most positive and of the most negative product so far: a
    negative factor exchanges them. ``which`` says what ``result`` makes of them.
    """

    def __init__(self, name: str, which: str) -> None:
        self.name = name
        self.which = which

    def lift(self, weight: Any) -> Any:
        with np.errstate(divide="ignore"):
            size = np.log(np.abs(weight))
        return np.stack([np.where(np.greater(weight, 0), size, -np.inf), np.where(np.less(weight, 0), size, -np.inf)])

    def times(self, a: Any, b: Any) -> Any:
        return np.stack([np.maximum(a[0] + b[0], a[1] + b[1]), np.maximum(a[0] + b[1], a[1] + b[0])])

    def sum(self, a: Any, axis: tuple[int, ...]) -> Any:
        return np.max(a, axis=axis, initial=-np.inf)

    def add(self, a: Any, b: Any) -> Any:
        return np.maximum(a, b)

    def zero(self, shape: tuple[int, ...]) -> Any:
        return np.full((2, *shape), -np.inf)

    def result(self, a: Any) -> Any:
        positive, negative = np.exp(a)
        found = {"size": np.maximum(positive, negative), "positive": positive, "negative": -negative}[self.which]
        return found if found.ndim else float(found)


class Entropy(Semiring):
    """How spread out the contributions are: the entropy of |contribution| / magnitude, in nats.

    An element has two components, the logarithm of the magnitude and the entropy so far: over a product entropies add,
    over a sum of parts in proportions q they are Σ q (H - ln q). This is the expectation semiring (J. Eisner, 2002),
    normalised so that nothing underflows; 0 · ln 0 is 0.
    """

    name = "ENTROPY"

    def lift(self, weight: Any) -> Any:
        with np.errstate(divide="ignore"):
            size = np.log(np.abs(weight))
        return np.stack([size, np.zeros_like(size)])

    def times(self, a: Any, b: Any) -> Any:
        return a + b

    def sum(self, a: Any, axis: tuple[int, ...]) -> Any:
        total = _log_sum(a[0], axis)
        share = a[0] - _kept(total, a[0].shape, axis)  # the logarithm of q
        q = np.exp(np.where(np.isneginf(a[0]), -np.inf, share))
        return np.stack([total, np.add.reduce(q * (a[1] - np.where(q > 0, share, 0.0)), axis=axis)])

    def zero(self, shape: tuple[int, ...]) -> Any:
        return np.stack([np.full(shape, -np.inf), np.zeros(shape)])

    def contract(self, a: Any, weight: Any) -> Any:
        size, entropy = a
        product = _Scaled(size, self.lift(weight)[0])
        left, right = np.exp(product.left), np.exp(product.right)
        # ln q is the scaled logarithm of the term less that of the sum: with 0 ln 0 = 0 no -inf may come in.
        of_left = left * (entropy - np.where(left > 0, product.left, 0.0))
        of_right = right * np.where(right > 0, product.right, 0.0)
        some = np.where(product.sum > 0, product.sum, 1.0)
        found = (np.matmul(of_left, right) - np.matmul(left, of_right)) / some
        found += np.where(product.sum > 0, product.log_sum, 0.0)
        entropies = np.broadcast_to(entropy, (*product.sum.shape[:-2], *entropy.shape[-2:]))

        def again(where: Any, terms: Any) -> None:
            product.log[where], found[where] = self.sum(np.stack([terms, entropies[where[:-1]]]), (-1,))

        product.again(again)
        return np.stack([product.log, found])

    def result(self, a: Any) -> Any:
        found = np.where(np.isneginf(a[0]), 0.0, np.maximum(a[1], 0.0))
        return found if found.ndim else float(found)


def _kept(total: Any, shape: tuple[int, ...], axis: tuple[int, ...]) -> Any:
    """A sum over ``axis``, with those axes kept; 0 in the place of -inf, from which nothing can be subtracted."""
    kept = np.reshape(total, [1 if k - len(shape) in axis else n for k, n in enumerate(shape)])
    return np.where(np.isneginf(kept), 0.0, kept)


def _log_sum(a: Any, axis: tuple[int, ...]) -> Any:
    """The logarithm of Σ exp(a), -inf for a sum of nothing."""
    top = np.max(a, axis=axis, keepdims=True, initial=-np.inf)
    shift = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        total = np.log(np.add.reduce(np.exp(a - shift), axis=axis, keepdims=True)) + shift
    return total.reshape([n for k, n in enumerate(np.shape(a)) if k - np.ndim(a) not in axis])


class _Scaled:
    """``exp(a) @ exp(w)`` of logarithms ``(..., m, k)`` and ``(..., k, n)``, for BLAS: each row of ``a`` and each
    column of ``w`` relative to its largest element.

    Where the scaled sum is almost 0 it has lost its digits ([0, -800] with [-800, 0] is -799.3 in logarithms, not
    -inf): ``lost`` says where, ``again`` computes those elements anew from their terms.
    """

    def __init__(self, a: Any, w: Any) -> None:
        self.a, self.w = a, w
        rows = np.max(a, axis=-1, keepdims=True, initial=-np.inf)
        columns = np.max(w, axis=-2, keepdims=True, initial=-np.inf)
        rows, columns = (np.where(np.isfinite(top), top, 0.0) for top in (rows, columns))
        self.left, self.right = a - rows, w - columns
        self.sum = np.matmul(np.exp(self.left), np.exp(self.right))
        with np.errstate(divide="ignore"):
            self.log_sum = np.log(self.sum)
        self.log = self.log_sum + rows + columns
        self.lost = self.sum < 1e-280  # below, subnormal numbers may have taken part
        if self.lost.any():
            self.lost &= np.matmul(np.isfinite(a).astype(float), np.isfinite(w).astype(float)) > 0

    def again(self, of_terms: Callable[[Any, Any], None]) -> None:
        """Call ``of_terms(where, logarithms of the terms)`` for what was lost, in pieces of bounded size."""
        where = np.nonzero(self.lost)
        batch = self.sum.shape[:-2]
        left = np.broadcast_to(self.a, (*batch, *self.a.shape[-2:]))
        right = np.swapaxes(np.broadcast_to(self.w, (*batch, *self.w.shape[-2:])), -1, -2)
        step = max(1, _BLOCK // max(1, left.shape[-1]))
        for start in range(0, len(where[0]), step):
            part = tuple(index[start : start + step] for index in where)
            of_terms(part, left[part[:-1]] + right[(*part[:-2], part[-1])])
