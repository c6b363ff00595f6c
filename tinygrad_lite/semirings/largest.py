"""The largest contribution of one path: by size, or the most positive and the most negative."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .ranged import Logarithms, Numbers, Ranged, checked

__all__ = ["Largest", "MostExtreme"]


_BLOCK = 1 << 16
"""The most products in memory at once, and at most as many as the result has elements: they stay in the cache."""

_TOGETHER = 1 << 13
"""Rows of fewer products are computed together. A row alone can leave out its zeros."""


class Largest(Ranged):
    """The largest absolute contribution of one path: × and the maximum."""

    def __init__(self, name: str) -> None:
        super().__init__(name, _Sizes(), _LogSizes())


class MostExtreme(Ranged):
    """The most positive contribution of one path (``sign`` 1), or the most negative one (``sign`` -1).

    An element has two components, the magnitudes of both; a negative factor exchanges them.
    """

    def __init__(self, name: str, sign: int) -> None:
        super().__init__(name, _BothSizes(sign), _LogBothSizes(sign))


class _Sizes(Numbers):
    """The largest product of magnitudes."""

    def lift(self, weight: Any) -> Any:
        return checked(np.abs(weight, dtype=float))

    def times(self, a: Any, b: Any) -> Any:
        return a * b

    def sum(self, a: Any, axis: tuple[int, ...]) -> Any:
        return np.maximum.reduce(a, axis=axis, initial=0.0)

    def add(self, a: Any, b: Any) -> Any:
        return np.maximum(a, b)

    def zero(self, shape: tuple[int, ...]) -> Any:
        return np.zeros(shape)

    def contract(self, a: Any, weight: Any) -> Any:
        if _small(a, weight):
            return super().contract(a, weight)
        weight = self.lift(weight)
        out = np.zeros(_product_shape(a, weight))
        for one in np.ndindex(out.shape[:-2]):
            _extremes([_at(a, one)], _at(weight, one), [(np.maximum, out[one])])
        return out


class _BothSizes(_Sizes):
    """The magnitudes of the most positive and of the most negative product."""

    def __init__(self, sign: int) -> None:
        self.sign = sign

    def lift(self, weight: Any) -> Any:
        checked(np.abs(weight, dtype=float))
        return np.asarray(weight, dtype=float)

    def times(self, a: Any, b: Any) -> Any:
        left, right = a[0] * b, a[1] * -b
        return np.stack([np.maximum(left, right), -np.minimum(left, right)])

    def zero(self, shape: tuple[int, ...]) -> Any:
        return np.zeros((2, *shape))

    def one(self, shape: tuple[int, ...]) -> Any:
        return np.stack([np.ones(shape), np.zeros(shape)])

    def contract(self, a: Any, weight: Any) -> Any:
        if _small(a, weight):
            return super().contract(a, weight)
        weight = self.lift(weight)
        out = np.zeros((2, *_product_shape(a[0], weight)))
        for one in np.ndindex(out.shape[1:-2]):
            w, most, least = _at(weight, one), out[(0, *one)], out[(1, *one)]
            positive, negative = _at(a[0], one), _at(a[1], one)
            if np.minimum.reduce(w, axis=None) >= 0.0:  # activations of relu, for example
                _extremes([positive], w, [(np.maximum, most)])
                _extremes([negative], w, [(np.maximum, least)])
            else:
                _extremes([positive, -negative], w, [(np.maximum, most), (np.minimum, least)])
                np.negative(least, out=least)
        return out

    def statistic(self, a: Any, exponent: int) -> Any:
        return self.shifted(a[0], exponent) if self.sign > 0 else 0.0 - self.shifted(a[1], exponent)  # not -0.0


# ---- products of matrices, with the maximum for the sum --------------------------------------------------------------


def _small(a: Any, weight: Any) -> bool:
    """Whether matrices are so small, or empty, that all of a batch go together."""
    return bool(a.shape[-2] * a.shape[-1] * weight.shape[-1] <= 256)


def _product_shape(a: Any, weight: Any) -> tuple[int, ...]:
    return (*np.broadcast_shapes(a.shape[:-2], weight.shape[:-2]), a.shape[-2], weight.shape[-1])


def _at(a: Any, one: tuple[int, ...]) -> Any:
    """The matrix of a batch at the index ``one`` of the batch that it is broadcast to."""
    n = a.ndim - 2
    return a[tuple(0 if size == 1 else k for k, size in zip(one[len(one) - n :], a.shape, strict=False))] if n else a


def _extremes(parts: Sequence[Any], w: Any, outs: Sequence[tuple[Any, Any]]) -> None:
    """Write the largest (or smallest) products of rows of ``parts`` and columns of ``w`` into each ``out`` of zeros.

    ``parts`` are matrices of shape (m, k), ``w`` has shape (k, n); the ufunc beside each ``out`` compares products. The
    work is done in blocks of rows and of inner indices, without indices that are 0 in all rows of a block (after relu
    half of them are).
    """
    a = np.stack(parts, axis=1)
    (m, c, k), n = a.shape, w.shape[1]
    across = n >= 32 or n >= k  # the longer axis is that of the inner loop
    inner, axes = (0, (1, 2)) if across else (1, (1, 3))
    w = np.ascontiguousarray(w if across else w.T)
    height = min(m, max(1, _TOGETHER // (c * k * n)))
    width = min(k, max(1, min(_BLOCK, max(m * n, _TOGETHER)) // (height * c * n)))
    # Allocated once for all blocks: a fresh page costs more than the work on it.
    taken, products = np.empty(width * n), np.empty(height * c * width * n)
    starts = range(0, m, height)
    used = np.logical_or.reduceat((a != 0.0).any(axis=1), starts, axis=0)
    for start, use in zip(starts, used, strict=True):
        rows = a[start : start + height]
        (some,) = use.nonzero()
        for first in range(0, some.size, width):
            part = some[first : first + width]
            shape = (part.size, n) if across else (n, part.size)
            of_w = w.take(part, axis=inner, out=taken[: part.size * n].reshape(shape), mode="clip")
            entries = rows.take(part, axis=2)
            entries = entries[..., None] if across else entries[:, :, None]
            these = products[: entries.size * n].reshape(*entries.shape[:2], *shape)
            np.multiply(entries, of_w, out=these)
            for ufunc, out in outs:
                here = out[start : start + height]
                if first:
                    ufunc(here, ufunc.reduce(these, axis=axes), out=here)
                else:
                    ufunc.reduce(these, axis=axes, out=here, initial=0.0)


# ---- logarithms ------------------------------------------------------------------------------------------------------


class _LogSizes(Logarithms):
    """Logarithms of magnitudes: products are sums."""

    def sum(self, a: Any, axis: tuple[int, ...]) -> Any:
        return np.max(a, axis=axis, initial=-np.inf)

    def add(self, a: Any, b: Any) -> Any:
        return np.maximum(a, b)

    def zero(self, shape: tuple[int, ...]) -> Any:
        return np.full(shape, -np.inf)

    def result(self, a: Any) -> Any:
        return np.exp(a)


class _LogBothSizes(_LogSizes):
    """The logarithms of the most positive and of the most negative product."""

    def __init__(self, sign: int) -> None:
        self.sign = sign

    def lift(self, weight: Any) -> Any:
        size = super().lift(weight)
        return np.stack([np.where(np.greater(weight, 0), size, -np.inf), np.where(np.less(weight, 0), size, -np.inf)])

    def times(self, a: Any, b: Any) -> Any:
        return np.stack([np.maximum(a[0] + b[0], a[1] + b[1]), np.maximum(a[0] + b[1], a[1] + b[0])])

    def zero(self, shape: tuple[int, ...]) -> Any:
        return np.full((2, *shape), -np.inf)

    def result(self, a: Any) -> Any:
        return np.exp(a[0]) if self.sign > 0 else 0.0 - np.exp(a[1])
