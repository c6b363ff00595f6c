"""What a semiring is, and the ordinary one: numbers with + and ×."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from .summation import added, running

__all__ = ["Chain", "Linear", "Map", "MapByMap", "Node", "Semiring"]


_BLOCK = 1 << 20  # elements in one piece of a contraction that BLAS cannot do
_SMALL = 1 << 12  # elements


class Map(Protocol):
    """A linear map, as a semiring sees it."""

    def pull(self, g: Any, semiring: Any, /) -> Any:
        """The cotangent of the output carried back to the input."""

    def push(self, t: Any, semiring: Any, /) -> Any:
        """The tangent of the input carried forward to the output."""


Node = Any
"""A Value: a semiring does no more than pass it on."""

Chain = Sequence[Map]
"""The local derivative of an op with respect to an operand: its maps, in the order in which ``pull`` applies them."""


class Semiring:
    """Sum and product over paths. A new one defines ``lift``, ``times``, ``sum`` and ``zero``, perhaps ``contract``.

    ``linear`` says that elements are ordinary numbers with the ordinary sum and product, and that ``lift`` makes the
    weights from local derivatives: then matrix products do the contractions.
    """

    name = "semiring"
    linear = False
    reads_weights = True
    """Whether the sizes of local derivatives matter, so that infinite ones and NaN are refused."""
    of_the_gradient = False
    """Whether results are sums of contributions, as the gradient: a sweep gives them in the precision of the Value."""
    einsum: Callable[[str, Any, Any], Any] | None = None
    """How a semiring contracts an element with a weight, given einsum's words; ``None``: by matrix products."""
    move: Callable[[Any, Any], Any] | None = None
    """How a semiring pushes an array through a ``Gather`` or its ``Adjoint``; ``None``: by writing into arrays."""

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

    def fitted(self, a: Any, node: Node) -> Any:
        """The form that an element takes at a Value."""
        return a if node.shape else self.scalar(a)

    def result(self, a: Any) -> Any:
        """The statistic that an element stands for, as users get it."""
        return a

    def stored(self, found: Any, dtype: Any) -> Any:
        """A result for a Value of this dtype."""
        if not self.of_the_gradient or not isinstance(found, np.ndarray) or dtype.kind != "f":
            return found
        with np.errstate(over="ignore", under="ignore"):
            return found.astype(dtype, copy=False)

    # How an element is carried along the edges of one op and of one operand of it: through the maps of the chain. A
    # semiring that notes something at each edge (the length of the path) does so here.

    def pull(self, chain: Chain, g: Any, node: Node) -> Any:
        """The cotangent ``g`` of ``node`` carried back to an operand."""
        for linear_map in chain:
            g = linear_map.pull(g, self)
        return g

    def push(self, chain: Chain, t: Any, node: Node) -> Any:
        """The tangent ``t`` of an operand carried forward to ``node``."""
        for linear_map in reversed(chain):
            t = linear_map.push(t, self)
        return t

    # One element of an array of them, and an array with nothing but one.

    def at(self, a: Any, index: tuple[int, ...]) -> Any:
        """The element at ``index``; ``()`` for all there is of a scalar."""
        return a[(..., *index)] if index else a

    def only(self, a: Any, index: tuple[int, ...], shape: tuple[int, ...]) -> Any:
        """An array for data of this shape that has the element ``a`` at ``index``, and nothing elsewhere."""
        if not shape:
            return a
        out = self.zero(shape)
        if isinstance(a, np.ndarray) and a.dtype == object:
            out = out.astype(object)
        out[(..., *index)] = a
        return out

    def masked(self, a: Any, mask: Any, shape: tuple[int, ...]) -> Any:
        """``a`` where ``mask`` is true, nothing elsewhere; for data of this shape, or a single truth for a scalar."""
        return np.where(mask, a, self.zero(shape)) if shape else a if mask else self.zero(())

    def contract(self, a: Any, weight: Any) -> Any:
        """The matrix products of elements ``(..., m, k)`` and weights ``(..., k, n)``, in pieces of bounded size."""
        rows, columns = a.shape[-2], weight.shape[-1]
        if not a.size or not weight.size:
            shape = (*np.broadcast_shapes(a.shape[:-2], weight.shape[:-2]), rows, columns)
            return np.broadcast_to(self.zero((*weight.shape[:-2], rows, columns)), shape)  # components stand in front
        lifted = self.lift(weight)[..., None, :, :]
        step = max(1, _BLOCK * rows // (a.size * columns))
        pieces = [
            self.sum(self.times(a[..., start : start + step, :, None], lifted), (-2,)) for start in range(0, rows, step)
        ]
        return np.concatenate(pieces, axis=-2)

    def scatter(self, flat: Any, gather: Any) -> Any:
        """Add each element of ``flat`` (…, n) to the place that a ``Gather`` took it from: the result is (…, m).

        ``gather.source`` holds that place in the flat input of m elements, or -1 for a constant. Sorted by place,
        neighbours with the same one are added in pairs, round after round: n elements of which up to k share a place
        take log2(k) rounds of the semiring's own sum.
        """
        source, size = gather.source, math.prod(gather.in_shape)
        there = np.flatnonzero(source >= 0)
        order = there[np.argsort(source[there], kind="stable")]
        target = source[order]
        flat = flat[..., order]
        while target.size:
            starts = np.flatnonzero(np.r_[True, target[1:] != target[:-1]])
            if starts.size == target.size:
                break
            rank = np.arange(target.size) - np.repeat(starts, np.diff(np.r_[starts, target.size]))
            left = np.flatnonzero(rank % 2 == 0)
            paired = np.r_[target[1:] == target[:-1], False][left]
            merged = flat[..., left]
            both = left[paired]
            summed = self.add(flat[..., both], flat[..., both + 1])
            if summed.dtype != merged.dtype:
                merged = merged.astype(summed.dtype)
            merged[..., paired] = summed
            flat, target = merged, target[left]
        out = self.zeros(flat.shape[:-1], (size,), flat)
        out[..., target] = flat
        return out

    # The methods below move elements without adding or multiplying any. A sweep over Values replaces them.

    def zeros(self, lead: tuple[int, ...], shape: tuple[int, ...], like: Any) -> Any:
        """An array ``(*lead, *shape)`` of zeros in the dtype of ``like``; ``lead`` are the axes of components."""
        out = np.empty(lead + shape, dtype=getattr(like, "dtype", None))
        out[...] = self.zero(shape)
        return out

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
        return running(a, axis)

    def __repr__(self) -> str:
        return f"<semiring {self.name}>"


class MapByMap(Semiring):
    """A semiring that chooses the form of an element anew at each map of a chain: numbers that grow need another."""

    def pull(self, chain: Chain, g: Any, node: Node) -> Any:
        for linear_map in chain:
            g = self.carried(linear_map.pull, g)
        return g

    def push(self, chain: Chain, t: Any, node: Node) -> Any:
        for linear_map in reversed(chain):
            t = self.carried(linear_map.push, t)
        return t

    def carried(self, along: Callable[[Any, Semiring], Any], a: Any) -> Any:
        """``along(a, semiring)``, the element carried along one map, in the semiring of a form that holds it."""
        raise NotImplementedError


class Linear(Semiring):
    """The ordinary sum and product, of ``lift``ed weights."""

    linear = True

    def __init__(self, name: str, lift: Callable[[Any], Any]) -> None:
        self.name, self._lift = name, lift

    def lift(self, weight: Any) -> Any:
        return self._lift(weight)

    def times(self, a: Any, b: Any) -> Any:
        return a * b

    def sum(self, a: Any, axis: tuple[int, ...]) -> Any:
        return added(a, axis)

    def add(self, a: Any, b: Any) -> Any:
        return a + b

    def zero(self, shape: tuple[int, ...]) -> Any:
        return np.zeros(shape) if shape else 0.0

    def zeros(self, lead: tuple[int, ...], shape: tuple[int, ...], like: Any) -> Any:
        return np.zeros(lead + shape, dtype=getattr(like, "dtype", None))

    def scalar(self, a: Any) -> Any:
        return float(a)
