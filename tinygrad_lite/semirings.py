"""What "sum" and "product" mean.

The gradient is the sum, over all paths, of the product of the local derivatives along each. Over another semiring the
same sum over paths answers another question (M. Mohri, *Semiring frameworks and algorithms for shortest-distance
problems*, 2002), and the same sweep computes it. A semiring's elements are NumPy arrays, or plain numbers at scalars.
Axes before those of the data belong to the semiring (its components), so ``sum`` is always given negative axes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = [
    "ACTIVE_COUNT",
    "COUNT",
    "ENTROPY",
    "GRADIENT",
    "LOG_MAGNITUDE",
    "MAGNITUDE",
    "MAX",
    "MOST_NEGATIVE",
    "MOST_POSITIVE",
    "Semiring",
]

_BLOCK = 1 << 20  # elements in one piece of a contraction that BLAS cannot do
_SMALL = 1 << 12  # elements
_INT64_MAX = 2**63 - 1
_FLOAT_EXACT = 2**53  # a float64 holds every integer up to here


class Semiring:
    """Sum and product over paths. A new one defines ``lift``, ``times``, ``sum`` and ``zero``, perhaps ``contract``.

    ``linear`` says that elements are ordinary numbers with the ordinary sum and product, of which ``lift`` makes the
    weights: then matrix products do the contractions.
    """

    name = "semiring"
    linear = False

    def lift(self, weight: Any) -> Any:
        """The element that a local derivative (a number or an array of them) stands for."""
        raise NotImplementedError

    def times(self, a: Any, b: Any) -> Any:
        """The product, along a path."""
        raise NotImplementedError

    def sum(self, a: Any, axis: tuple[int, ...]) -> Any:
        """The sum, over paths, along negative axes."""
        raise NotImplementedError

    def zero(self, shape: tuple[int, ...]) -> Any:
        """The sum of no paths, for data of this shape."""
        raise NotImplementedError

    def one(self, shape: tuple[int, ...]) -> Any:
        """The empty path, for data of this shape."""
        return self.lift(np.ones(shape) if shape else 1.0)

    def add(self, a: Any, b: Any) -> Any:
        """The sum of two."""
        return self.sum(np.stack([a, b], axis=-1), (-1,))

    def scalar(self, a: Any) -> Any:
        """The form that an element takes at a scalar Value."""
        return a

    def result(self, a: Any) -> Any:
        """The statistic that an element stands for, as users get it."""
        return a

    def contract(self, a: Any, weight: Any) -> Any:
        """The matrix products of elements ``(..., m, k)`` and weights ``(..., k, n)``, in pieces of bounded size."""
        rows, inner, columns = a.shape[-2], a.shape[-1], weight.shape[-1]
        if 0 in (rows, inner, columns):
            shape = (*np.broadcast_shapes(a.shape[:-2], weight.shape[:-2]), rows, columns)
            return np.broadcast_to(self.zero((*weight.shape[:-2], rows, columns)), shape)  # components stand in front
        lifted = self.lift(weight)[..., None, :, :]
        step = max(1, _BLOCK * rows // (a.size * columns))
        pieces = [
            self.sum(self.times(a[..., start : start + step, :, None], lifted), (-2,)) for start in range(0, rows, step)
        ]
        return np.concatenate(pieces, axis=-2)

    # What follows moves elements about without adding or multiplying any. A sweep over Values replaces it.

    def broadcast(self, a: Any, shape: tuple[int, ...]) -> Any:
        """``a`` repeated to ``shape``."""
        if math.prod(shape) <= _SMALL:  # filling a small array takes an eighth of the time of making a view
            out = np.empty(shape, getattr(a, "dtype", None if type(a) is not int else np.asarray(a).dtype))
            out[...] = a
            return out
        return np.broadcast_to(a, shape)

    def matmul(self, a: Any, b: Any) -> Any:
        """The ordinary matrix product, for a ``linear`` semiring."""
        return a.dot(b) if a.ndim == b.ndim == 2 else np.matmul(a, b)

    def cumsum(self, a: Any, axis: int) -> Any:
        """The ordinary running sum, for a ``linear`` semiring."""
        return np.cumsum(a, axis=axis)

    def __repr__(self) -> str:
        return f"<semiring {self.name}>"


class Linear(Semiring):
    """The ordinary sum and product, of ``lift``ed weights."""

    linear = True

    def __init__(self, name: str, lift: Callable[[Any], Any]) -> None:
        self.name = name
        self._lift = lift

    def lift(self, weight: Any) -> Any:
        return self._lift(weight)

    def times(self, a: Any, b: Any) -> Any:
        return a * b

    def sum(self, a: Any, axis: tuple[int, ...]) -> Any:
        return np.add.reduce(a, axis=axis)

    def add(self, a: Any, b: Any) -> Any:
        return a + b

    def zero(self, shape: tuple[int, ...]) -> Any:
        return np.zeros(shape) if shape else 0.0

    def scalar(self, a: Any) -> Any:
        return float(a)


class Count(Semiring):
    """Numbers of paths: exact integers, ``int64`` as long as they fit and Python's own after that."""

    def __init__(self, name: str, structural: bool) -> None:
        self.name = name
        self.structural = structural

    def lift(self, weight: Any) -> Any:
        if np.ndim(weight) == 0:
            return 1 if self.structural or weight != 0 else 0
        if self.structural:
            return np.ones(np.shape(weight), dtype=np.int64)
        return (np.asarray(weight) != 0).astype(np.int64)

    def times(self, a: Any, b: Any) -> Any:
        if isinstance(a, int) and isinstance(b, int):
            return a * b
        return np.multiply(*_widened(a, b, _largest(a) * _largest(b)))

    def sum(self, a: Any, axis: tuple[int, ...]) -> Any:
        terms = math.prod(np.shape(a)[k] for k in axis)
        if _largest(a) * terms > _INT64_MAX:
            a = np.asarray(a, dtype=object)
        return np.sum(a, axis=axis)

    def add(self, a: Any, b: Any) -> Any:
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        return np.add(*_widened(a, b, _largest(a) + _largest(b)))

    def zero(self, shape: tuple[int, ...]) -> Any:
        return np.zeros(shape, dtype=np.int64) if shape else 0

    def scalar(self, a: Any) -> Any:
        return int(a)

    def contract(self, a: Any, weight: Any) -> Any:
        columns = weight.shape[-1]
        if self.structural:  # every weight is one: the product is a sum of integers
            total = self.sum(a, (-1,))[..., None]
            return np.broadcast_to(total, (*total.shape[:-1], columns))
        mask = self.lift(weight)
        if _largest(a) * a.shape[-1] <= _FLOAT_EXACT:  # every partial sum fits a float64: BLAS can do it
            return np.matmul(a.astype(float), mask.astype(float)).astype(np.int64)
        return np.matmul(np.asarray(a, dtype=object), mask.astype(object))


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


def _largest(a: Any) -> int:
    if isinstance(a, int):
        return a
    return int(a.max()) if a.size else 0


def _widened(a: Any, b: Any, bound: int) -> tuple[Any, Any]:
    """Both as arrays that can hold a result up to ``bound``."""
    dtype = object if bound > _INT64_MAX else None
    a, b = (x.item() if isinstance(x, np.integer) else x for x in (a, b))  # in an array of objects it would overflow
    return np.asarray(a, dtype=dtype), np.asarray(b, dtype=dtype)


GRADIENT: Semiring = Linear("GRADIENT", lambda weight: weight)
"""The gradient: + and ×. Units: those of the end per unit of the value."""

MAGNITUDE: Semiring = Linear("MAGNITUDE", abs)
"""The sum of the absolute contributions of all paths: what flows before anything cancels. Units: the gradient's."""

COUNT: Semiring = Count("COUNT", structural=True)
"""How many paths there are, each local derivative counting as one. Exact integers of any size."""

ACTIVE_COUNT: Semiring = Count("ACTIVE_COUNT", structural=False)
"""How many paths have every local derivative different from zero. Exact integers of any size."""

MAX: Semiring = Largest("MAX", "size")
"""The largest absolute contribution of a single path. Units: the gradient's."""

MOST_POSITIVE: Semiring = Largest("MOST_POSITIVE", "positive")
"""The largest contribution of a single path that is positive, 0 if none is. Units: the gradient's."""

MOST_NEGATIVE: Semiring = Largest("MOST_NEGATIVE", "negative")
"""The smallest contribution of a single path that is negative, 0 if none is. Units: the gradient's."""

ENTROPY: Semiring = Entropy()
"""The entropy of |contribution| / magnitude over all paths, in nats: 0 for one that carries all, ln n for n equal."""

LOG_MAGNITUDE: Semiring = LogMagnitude()
"""The natural logarithm of the magnitude, which does not underflow: -inf where nothing flows."""
