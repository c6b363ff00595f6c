"""The magnitude without underflow, and the entropy of contributions: each on ordinary numbers, and on logarithms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .base import Linear
from .ranged import Logarithms, Numbers, Ranged, checked

__all__ = ["Entropy", "LogMagnitude", "LogMagnitudes", "Magnitudes"]


_BLOCK = 1 << 20  # elements that are computed anew at once
_LN2 = float(np.log(2.0))
_TINY = 2.0**-500  # no number in range is smaller, except 0
_NOTHING = 1e-12  # nats: what rounding leaves of the entropy of a single path


class LogMagnitude(Ranged):
    """The logarithm of the magnitude, which does not underflow."""

    def __init__(self) -> None:
        super().__init__("LOG_MAGNITUDE", Magnitudes(), LogMagnitudes())


class Entropy(Ranged):
    """How spread out the contributions are: the entropy of |contribution| / magnitude, in nats.

    It is the expectation semiring of J. Eisner, *Parameter estimation for probabilistic finite-state transducers*,
    2002: an element has two components, the magnitude m = Σ |c| and t = Σ |c| ln |c|. The entropy is
    ln m - t / m, at any scale of the contributions c. 0 · ln 0 is 0.
    """

    def __init__(self) -> None:
        super().__init__("ENTROPY", _Expectations(), _LogExpectations())


# ---- numbers ---------------------------------------------------------------------------------------------------------


class Magnitudes(Linear, Numbers):
    """Sums of magnitudes."""

    def __init__(self) -> None:
        super().__init__("magnitudes", lambda weight: checked(np.abs(weight, dtype=float)))

    def statistic(self, a: Any, exponent: int) -> Any:
        found = np.log(a)
        return found + exponent * _LN2 if exponent else found


class _Expectations(Numbers):
    """m = Σ |c| and t = Σ |c| ln |c|: in a product m = m₁ m₂ and t = m₁ t₂ + t₁ m₂."""

    def lift(self, weight: Any) -> Any:
        found = np.empty((2, *np.shape(weight)))
        np.abs(weight, out=found[0, ...])
        found[1] = _times_log(checked(found[0, ...]))
        return found

    def times(self, a: Any, b: Any) -> Any:
        found = a * b[0]
        found[1] += a[0] * b[1]
        return found

    def sum(self, a: Any, axis: tuple[int, ...]) -> Any:
        return np.add.reduce(a, axis=axis)

    def add(self, a: Any, b: Any) -> Any:
        return a + b

    def zero(self, shape: tuple[int, ...]) -> Any:
        return np.zeros((2, *shape))

    def contract(self, a: Any, weight: Any) -> Any:
        size = checked(np.abs(weight, dtype=float))
        a = a.reshape(2, *(1,) * (size.ndim - a.ndim + 1), *a.shape[1:])  # components stand before a batch
        found = np.matmul(a, size)
        found[1] += np.matmul(a[0], _times_log(size))
        return found

    def sizes(self, a: Any) -> Any:
        return a[0]

    def shifted(self, a: Any, by: int) -> Any:
        a = np.ldexp(a, by)
        a[1] += by * _LN2 * a[0]
        return a

    def statistic(self, a: Any, exponent: int) -> Any:
        # Where nothing flows, t is 0 and the formula gives a negative number.
        m, t = np.maximum(a[0, None], _TINY), a[1, None]
        found = np.log(m)
        found -= np.divide(t, m, out=m)
        np.copyto(found, 0.0, where=found < _NOTHING)
        return found[0]

    def logarithms(self, a: Any) -> Any:
        return np.stack([np.log(a[0]), self.statistic(a, 0)])

    def numbers(self, logarithms: Any) -> Any:
        size, entropy = logarithms
        m = np.exp(size)
        return np.stack([m, np.where(m > 0.0, m * (size - entropy), 0.0)])


def _times_log(size: Any) -> Any:
    """The product x ln x, 0 at 0."""
    found = np.maximum(size[None], _TINY)
    np.log(found, out=found)
    found *= size
    return found[0]


# ---- logarithms ------------------------------------------------------------------------------------------------------


class LogMagnitudes(Logarithms):
    """Logarithms of magnitudes: products are sums, sums are log-sum-exp, and nothing underflows."""

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


class _LogExpectations(Logarithms):
    """How spread out the contributions are: the entropy of |contribution| / magnitude, in nats.

    An element has two components, the logarithm of the magnitude and the entropy so far: over a product entropies add,
    over a sum of parts in proportions q they are Σ q (H - ln q). This is the expectation semiring (J. Eisner, 2002),
    normalised so that nothing underflows; 0 · ln 0 is 0.
    """

    def lift(self, weight: Any) -> Any:
        size = super().lift(weight)
        return np.stack([size, np.zeros_like(size)])

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

    def sizes(self, a: Any) -> Any:
        return a[0, ...]

    def result(self, a: Any) -> Any:
        found = np.where(np.isneginf(a[0]), 0.0, np.maximum(a[1], 0.0))
        return found if found.ndim else float(found)


def _kept(total: Any, shape: tuple[int, ...], axis: tuple[int, ...]) -> Any:
    """A sum over ``axis``, with those axes kept, and -inf replaced by 0, which can be subtracted."""
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
        """Call ``of_terms(where, logarithms of the terms)`` for the lost elements, in pieces of bounded size."""
        where = np.nonzero(self.lost)
        batch = self.sum.shape[:-2]
        left = np.broadcast_to(self.a, (*batch, *self.a.shape[-2:]))
        right = np.swapaxes(np.broadcast_to(self.w, (*batch, *self.w.shape[-2:])), -1, -2)
        step = max(1, _BLOCK // max(1, left.shape[-1]))
        for start in range(0, len(where[0]), step):
            part = tuple(index[start : start + step] for index in where)
            of_terms(part, left[part[:-1]] + right[(*part[:-2], part[-1])])
