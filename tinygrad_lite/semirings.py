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

__all__ = ["ACTIVE_COUNT", "COUNT", "GRADIENT", "MAGNITUDE", "Semiring"]

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
