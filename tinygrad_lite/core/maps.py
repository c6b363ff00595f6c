"""The linear maps that make up local derivatives.

The local derivative of an op with respect to one operand is a *chain* of these maps, listed from the result to the
operand. Each map pulls a cotangent back and pushes a tangent forward under any semiring, and lists the elementary
``edges`` of one element of its output: the elements of its input that the op reads there, with the Jacobian's entries.

``pull`` is the only statement of what a map does to a cotangent. It runs on numbers, on the components of a semiring,
on Values (higher orders), on traced arrays (compiled steps, ``manual_backprop``) and on formulas (``derive``): it calls
nothing but the semiring's methods, reshape, transpose and indexing.

A chain joins each pair of elements by at most one route, so that paths are counted once. Arrays may have more axes in
front, a semiring's components; axes are therefore negative.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from functools import cached_property, lru_cache
from typing import Any, Protocol

import numpy as np

from ..semirings.base import Map as Pullable
from ..semirings.base import Semiring
from .shapes import Index, Shape, shape_of

__all__ = [
    "Adjoint",
    "Broadcast",
    "Chain",
    "Contract",
    "Gather",
    "Map",
    "Reshape",
    "Scale",
    "Scan",
    "SumOver",
    "Transpose",
    "edges",
]


class Map(Pullable, Protocol):
    """A linear map: ``pull`` takes a cotangent of the output's shape, ``push`` a tangent of the input's."""

    def edges(self, index: Index) -> Iterator[tuple[Index, float]]:
        """The elements of the input that element ``index`` of the output reads, each with its Jacobian entry."""


Chain = tuple[Map, ...]


def edges(chain: Chain, index: Index) -> Iterator[tuple[Index, float]]:
    """The elements of the input that a chain joins to element ``index`` of its output, each with its Jacobian entry.

    >>> list(edges((SumOver((2,), (-1,), False), Scale(np.array([5.0, 6.0]), 1)), ()))
    [((0,), 5.0), ((1,), 6.0)]
    """
    if not chain:
        yield index, 1.0
        return
    for inner, weight in chain[0].edges(index):
        for outer, rest in edges(chain[1:], inner):  # as deep as a chain is long: three at most
            yield outer, weight * rest


def _lead(a: Any, ndim: int) -> Shape:
    """The lengths of the axes in front of the data's own ``ndim``."""
    if type(a) is float:
        return ()
    shape: Shape = shape_of(a)
    return shape[: len(shape) - ndim] if len(shape) > ndim else ()


class Scale:
    """``out = weight * x``, element by element: the local derivative of an elementwise op.

    ``weight`` is a number or an array that broadcasts to the shape of ``x``, which has ``ndim`` axes.

    >>> from tinygrad_lite.semirings import GRADIENT
    >>> Scale(np.array([3.0, 0.0]), 1).pull(np.array([1.0, 1.0]), GRADIENT)
    array([3., 0.])
    """

    __slots__ = ("ndim", "weight")

    def __init__(self, weight: Any, ndim: int) -> None:
        self.weight, self.ndim = weight, ndim

    def pull(self, g: Any, semiring: Semiring) -> Any:
        weight = self.weight
        if not semiring.linear:  # a lifted weight has components in front: its own axes must line up
            shape = shape_of(weight)
            lined_up = (1,) * (self.ndim - len(shape)) + shape
            weight = weight.reshape(lined_up) if shape else np.full(lined_up, weight)  # np.reshape is slow on a float
        return semiring.times(g, semiring.lift(weight))

    push = pull

    def edges(self, index: Index) -> Iterator[tuple[Index, float]]:
        yield index, _element(self.weight, index)


def _element(a: Any, index: Index) -> float:
    """The element of ``a`` that stands at ``index`` once ``a`` is broadcast."""
    shape = shape_of(a)
    if not shape:
        return float(a)
    own = index[len(index) - len(shape) :]
    return float(a[tuple(0 if n == 1 else i for i, n in zip(own, shape, strict=True))])


class SumOver:
    """``out = sum(weight * x, axes)``: each element of ``x``, of shape ``in_shape``, feeds one sum.

    ``axes`` are negative. ``weight`` is one number, or an array of shape ``in_shape``. ``keepdims`` leaves the summed
    axes in the result, with length 1.

    >>> from tinygrad_lite.semirings import GRADIENT
    >>> SumOver((2, 2), (-1,), False, 0.5).pull(np.array([2.0, 4.0]), GRADIENT)
    array([[1., 1.],
           [2., 2.]])
    """

    __slots__ = ("axes", "in_shape", "keepdims", "weight")

    def __init__(self, in_shape: Shape, axes: Shape, keepdims: bool, weight: Any = 1.0) -> None:
        self.in_shape, self.axes = in_shape, axes
        self.keepdims, self.weight = keepdims, weight

    @property
    def _kept(self) -> Shape:
        """The shape of the result with ``keepdims``."""
        ndim = len(self.in_shape)
        return tuple(1 if k - ndim in self.axes else n for k, n in enumerate(self.in_shape))

    def _lifted(self, semiring: Semiring) -> Any:
        """The lifted weight, with as many axes as the operand: components may stand in front."""
        one = type(self.weight) is float and not semiring.linear
        return semiring.lift(np.full((1,) * len(self.in_shape), self.weight) if one else self.weight)

    def pull(self, g: Any, semiring: Semiring) -> Any:
        ndim, weight = len(self.in_shape), self.weight
        if type(g) is float and type(weight) is not float:
            return semiring.times(g, semiring.lift(weight))  # the product broadcasts
        lead = _lead(g, ndim if self.keepdims else ndim - len(self.axes))
        if ndim and not self.keepdims and (lead or shape_of(g)):
            g = g.reshape(lead + self._kept)
        if type(weight) is not float:
            return semiring.times(g, semiring.lift(weight))
        if weight != 1.0:
            g = semiring.times(g, self._lifted(semiring))
        return semiring.broadcast(g, lead + self.in_shape) if ndim else g

    def push(self, t: Any, semiring: Semiring) -> Any:
        lead = _lead(t, len(self.in_shape))
        if type(self.weight) is not float or self.weight != 1.0:
            t = semiring.times(t, self._lifted(semiring))
        if not self.in_shape:
            return t
        total = semiring.sum(t, self.axes)
        return total.reshape(lead + self._kept) if self.keepdims else total

    def edges(self, index: Index) -> Iterator[tuple[Index, float]]:
        ndim = len(self.in_shape)
        rest = iter(index)
        ranges: list[Any] = []
        for k, n in enumerate(self.in_shape):
            if k - ndim in self.axes:
                ranges.append(range(n))
                if self.keepdims:
                    next(rest)
            else:
                ranges.append((next(rest),))
        return ((inner, _element(self.weight, inner)) for inner in itertools.product(*ranges))


class Broadcast:
    """``out = broadcast_to(x, out_shape)``: one element of ``x``, of shape ``in_shape``, feeds many.

    >>> from tinygrad_lite.semirings import COUNT
    >>> Broadcast((1,), (2, 3)).pull(np.ones((2, 3), dtype=int), COUNT)
    array([6])
    """

    __slots__ = ("in_shape", "out_shape")

    def __init__(self, in_shape: Shape, out_shape: Shape) -> None:
        self.in_shape, self.out_shape = in_shape, out_shape

    def pull(self, g: Any, semiring: Semiring) -> Any:
        lead = _lead(g, len(self.out_shape))
        shape = lead + self.in_shape if lead else self.in_shape
        g = semiring.sum(g, _stretched(self.in_shape, self.out_shape))
        return g if shape_of(g) == shape else g.reshape(shape)

    def push(self, t: Any, semiring: Semiring) -> Any:
        lead = _lead(t, len(self.in_shape))
        if lead:
            t = t.reshape(lead + (1,) * (len(self.out_shape) - len(self.in_shape)) + self.in_shape)
        return semiring.broadcast(t, lead + self.out_shape)

    def edges(self, index: Index) -> Iterator[tuple[Index, float]]:
        own = index[len(index) - len(self.in_shape) :]
        yield tuple(0 if n == 1 else i for i, n in zip(own, self.in_shape, strict=True)), 1.0


@lru_cache(maxsize=4096)
def _stretched(in_shape: Shape, out_shape: Shape) -> Shape:
    """The negative axes of ``out_shape`` along which broadcasting repeats ``in_shape``."""
    padded = (-1,) * (len(out_shape) - len(in_shape)) + in_shape  # not 0: an axis may be empty
    return tuple(k - len(out_shape) for k, (n, m) in enumerate(zip(padded, out_shape, strict=True)) if n != m)


class Reshape:
    """``out = reshape(x, out_shape)``: the elements of ``x``, of shape ``in_shape``, in the same order."""

    __slots__ = ("in_shape", "out_shape")

    def __init__(self, in_shape: Shape, out_shape: Shape) -> None:
        self.in_shape, self.out_shape = in_shape, out_shape

    def pull(self, g: Any, semiring: Semiring) -> Any:
        return _reshaped(g, _lead(g, len(self.out_shape)) + self.in_shape)

    def push(self, t: Any, semiring: Semiring) -> Any:
        return _reshaped(t, _lead(t, len(self.in_shape)) + self.out_shape)

    def edges(self, index: Index) -> Iterator[tuple[Index, float]]:
        yield _unravel(_ravel(index, self.out_shape), self.in_shape), 1.0


def _reshaped(a: Any, shape: Shape) -> Any:
    return a.reshape(shape) if hasattr(a, "reshape") else np.full(shape, a) if shape else a


def _ravel(index: Index, shape: Shape) -> int:
    flat = 0
    for i, n in zip(index, shape, strict=True):
        flat = flat * n + i
    return flat


def _unravel(flat: int, shape: Shape) -> Index:
    index = []
    for n in reversed(shape):
        flat, i = divmod(flat, n)
        index.append(i)
    return tuple(reversed(index))


class Transpose:
    """``out = transpose(x, axes)``. ``axes`` are negative: axis k of the output is axis ``axes[k]`` of the input."""

    __slots__ = ("axes",)

    def __init__(self, axes: Shape) -> None:
        self.axes = axes

    def _inverse(self) -> Shape:
        n = len(self.axes)
        inverse = [0] * n
        for k, axis in enumerate(self.axes):
            inverse[axis + n] = k - n
        return tuple(inverse)

    def pull(self, g: Any, semiring: Semiring) -> Any:
        return _transposed(g, self._inverse())

    def push(self, t: Any, semiring: Semiring) -> Any:
        return _transposed(t, self.axes)

    def edges(self, index: Index) -> Iterator[tuple[Index, float]]:
        yield tuple(index[k] for k in self._inverse()), 1.0


def _transposed(a: Any, axes: Shape) -> Any:
    """``a`` with its last axes in another order, the axes before them in place."""
    n = len(axes)
    if not n:
        return a
    lead = a.ndim - n
    order = tuple(range(lead)) + tuple(axis + n + lead for axis in axes)
    return a if order == tuple(range(a.ndim)) else a.transpose(order)


class Gather:
    """``out.flat[j] = x.flat[source[j]]``, or a constant where ``source[j]`` is -1: getitem, concatenate, pad, roll, …

    ``move`` is the forward function on one array: applied to positions it tells where each element comes from.
    ``back(g, zeros)`` is its adjoint, from the output's cotangent to the input's; ``zeros()`` makes zeros of the
    input's shape, and both may have axes in front. With ``repeats`` several elements of the output may come from the
    same one, so that ``back`` adds with the ordinary sum; other semirings then scatter by ``source``.

    >>> from tinygrad_lite.semirings import GRADIENT
    >>> Gather((2,), (3,), lambda x: x[[0, 0, 1]]).pull(np.array([1.0, 10.0, 100.0]), GRADIENT)
    array([ 11., 100.])
    """

    def __init__(
        self,
        in_shape: Shape,
        out_shape: Shape,
        move: Callable[[Any], Any],
        back: Callable[[Any, Callable[[], Any]], Any] | None = None,
        repeats: bool = False,
    ) -> None:
        self.in_shape, self.out_shape = in_shape, out_shape
        self.move, self.back, self.repeats = move, back, repeats

    @cached_property
    def source(self) -> np.ndarray[Any, Any]:
        """For each element of the flat output, its position in the flat input; -1 for a constant."""
        size = math.prod(self.in_shape)
        positions = np.arange(1, size + 1).reshape(self.in_shape)  # from 1: what is filled in reads 0
        return np.reshape(np.asarray(self.move(positions)), -1) - 1

    def pull(self, g: Any, semiring: Semiring) -> Any:
        if semiring.move is not None:
            return semiring.move(Adjoint(self), g)
        if not hasattr(g, "shape"):  # a number: moves are of arrays
            g = np.asarray(g)
        lead = _lead(g, len(self.out_shape))
        if self.back is not None and (semiring.linear or not self.repeats):
            return self.back(g, lambda: semiring.zeros(lead, self.in_shape, g))
        return semiring.scatter(_reshaped(g, (*lead, math.prod(self.out_shape))), self).reshape(lead + self.in_shape)

    def push(self, t: Any, semiring: Semiring) -> Any:
        if semiring.move is not None:
            return semiring.move(self, t)
        lead = _lead(t, len(self.in_shape))
        flat = np.reshape(t, (*lead, math.prod(self.in_shape)))
        source = self.source
        out = semiring.zeros(lead, (source.size,), flat)
        there = source >= 0
        out[..., there] = flat[..., source[there]]
        return out.reshape(lead + self.out_shape)

    def edges(self, index: Index) -> Iterator[tuple[Index, float]]:
        position = int(self.source[_ravel(index, self.out_shape)])
        if position >= 0:
            yield _unravel(position, self.in_shape), 1.0


class Adjoint:
    """The transpose of a ``Gather``: ``out.flat[i]`` is the sum of each ``x.flat[j]`` that it took from ``i``."""

    __slots__ = ("gather",)

    def __init__(self, gather: Gather) -> None:
        self.gather = gather

    def pull(self, g: Any, semiring: Semiring) -> Any:
        return self.gather.push(g, semiring)

    def push(self, t: Any, semiring: Semiring) -> Any:
        return self.gather.pull(t, semiring)

    def edges(self, index: Index) -> Iterator[tuple[Index, float]]:
        for j in np.flatnonzero(self.gather.source == _ravel(index, self.gather.in_shape)):
            yield _unravel(int(j), self.gather.out_shape), 1.0


class Contract:
    """``out[out_labels] = Σ x[in_labels] * operand[operand_labels]``: matmul, tensordot, einsum of two operands.

    Labels are letters as in einsum, none twice in one word. Each label of ``x`` and of the operand occurs in one of the
    other two words as well.

    >>> from tinygrad_lite.semirings import COUNT
    >>> Contract("ik", "ij", "jk", np.ones((3, 2))).pull(np.ones((1, 2), dtype=int), COUNT)
    array([[2, 2, 2]])
    """

    __slots__ = ("in_labels", "operand", "operand_labels", "out_labels")

    def __init__(self, out_labels: str, in_labels: str, operand_labels: str, operand: Any) -> None:
        self.out_labels, self.in_labels = out_labels, in_labels
        self.operand_labels, self.operand = operand_labels, operand

    def pull(self, g: Any, semiring: Semiring) -> Any:
        return _contracted(self.out_labels, self.operand_labels, self.in_labels, g, self.operand, semiring)

    def push(self, t: Any, semiring: Semiring) -> Any:
        return _contracted(self.in_labels, self.operand_labels, self.out_labels, t, self.operand, semiring)

    def edges(self, index: Index) -> Iterator[tuple[Index, float]]:
        at = dict(zip(self.out_labels, index, strict=True))
        sizes = dict(zip(self.operand_labels, shape_of(self.operand), strict=True))
        free = [label for label in self.in_labels if label not in at]
        for values in itertools.product(*(range(sizes[label]) for label in free)):
            at.update(zip(free, values, strict=True))
            weight = self.operand[tuple(at[label] for label in self.operand_labels)] if sizes else self.operand
            yield tuple(at[label] for label in self.in_labels), float(weight)


def _contracted(labels: str, operand_labels: str, made: str, a: Any, operand: Any, semiring: Semiring) -> Any:
    if semiring.einsum is not None:
        return semiring.einsum(f"{labels},{operand_labels}->{made}", a, operand)
    return contraction(labels, operand_labels, made).run(a, operand, semiring)


class _Contraction:
    """A contraction ``a[labels] * w[labels] -> out[labels]`` as one matrix product, or a stack of them.

    Axes are transposed into the groups batch, rows, summed and columns, which are then merged to an axis each.
    """

    def __init__(self, a: str, w: str, out: str) -> None:
        batch = "".join(label for label in out if label in a and label in w)
        rows = "".join(label for label in out if label in a and label not in w)
        columns = "".join(label for label in out if label in w and label not in a)
        inner = "".join(label for label in a if label not in out)
        self.a, self.w = a, w
        self.groups = (batch, rows, inner, columns)
        # The product with the operands exchanged has its result in the right order in memory if columns come first.
        self.exchanged = bool(rows and columns) and out.startswith(batch + columns)
        self.a_axes = _axes(a, batch + rows + inner)
        self.w_axes = _axes(w, batch + inner + columns)
        made = batch + columns + rows if self.exchanged else batch + rows + columns
        self.out_axes = _axes(made, out)
        self.made = made
        self.plain = not batch and len(rows) == len(inner) == len(columns) == 1
        # One matrix product, of vectors or of stacks too: whether its left and its right operand are turned.
        first, second, left, right = (columns, rows, w, a) if self.exchanged else (rows, columns, a, w)
        in_front = a.startswith(batch) and w.startswith(batch) and out.startswith(batch)
        self.is_product = in_front and len(inner) == 1 and len(rows) <= 1 and len(columns) <= 1
        turns = bool(first) and left[-1] != inner, bool(second) and right[len(batch)] != inner
        self.turns = turns if self.is_product else (False, False)

    def factors(self, a: Any, w: Any, turned: Callable[[Any], Any]) -> tuple[Any, Any]:
        """The operands from left to right, ``turned`` where the matrix product needs their axes exchanged."""
        left, right = (w, a) if self.exchanged else (a, w)
        return turned(left) if self.turns[0] else left, turned(right) if self.turns[1] else right

    def run(self, a: Any, w: Any, semiring: Semiring) -> Any:
        if self.plain and semiring.linear and a.ndim == 2:
            w = semiring.lift(w)
            left, right = (w, a) if self.exchanged else (a, w)
            return (left.T if self.turns[0] else left).dot(right.T if self.turns[1] else right)
        lead = _lead(a, len(self.a))
        sizes = dict(zip(self.a, shape_of(a)[len(lead) :], strict=True)) | dict(zip(self.w, shape_of(w), strict=True))
        a = _transposed(a, self.a_axes) if self.a else a
        w = _transposed(w, self.w_axes) if self.w else w
        if not self.plain:
            batch, rows, inner, columns = (tuple(sizes[label] for label in group) for group in self.groups)
            m, k, n = math.prod(rows), math.prod(inner), math.prod(columns)
            a = _reshaped(a, (*lead, *batch, m, k))
            w = _reshaped(w, (*batch, k, n))
        if semiring.linear:
            w = semiring.lift(w)
            if self.exchanged:
                out = semiring.matmul(_swapped(w), _swapped(a))
            else:
                out = semiring.matmul(a, w)
        else:
            out = semiring.contract(a, w)
            if self.exchanged:
                out = _swapped(out)
        if not self.plain:
            out = out.reshape((*lead, *(sizes[label] for label in self.made)))
        return _transposed(out, self.out_axes) if self.out_axes else out


def _axes(labels: str, order: str) -> Shape:
    """The negative axes that bring ``labels`` into ``order``."""
    return tuple(labels.index(label) - len(labels) for label in order)


def _swapped(a: Any) -> Any:
    """The last two axes exchanged."""
    return a.T if a.ndim == 2 else a.transpose((*range(a.ndim - 2), a.ndim - 1, a.ndim - 2))


@lru_cache(maxsize=4096)
def contraction(a: str, w: str, out: str) -> _Contraction:
    """The way to compute a contraction, given the labels of its operands and of its result."""
    return _Contraction(a, w, out)


class Scan:
    """``out = cumsum(x, axis)``: element j feeds every sum from j on. ``axis`` is negative, ``shape`` that of ``x``.

    >>> from tinygrad_lite.semirings import COUNT
    >>> Scan((3,), -1).pull(np.ones(3, dtype=int), COUNT)
    array([3, 2, 1])
    """

    __slots__ = ("axis", "shape")

    def __init__(self, shape: Shape, axis: int) -> None:
        self.shape, self.axis = shape, axis

    def pull(self, g: Any, semiring: Semiring) -> Any:
        backwards = (..., slice(None, None, -1), *(slice(None),) * (-self.axis - 1))
        return self.push(g[backwards], semiring)[backwards]

    def push(self, t: Any, semiring: Semiring) -> Any:
        if semiring.linear:
            return semiring.cumsum(t, self.axis)
        n = self.shape[self.axis]
        out, distance = t, 1
        rest = (slice(None),) * (-self.axis - 1)
        while distance < n:  # W. D. Hillis and G. L. Steele, Data parallel algorithms, 1986
            later, earlier = (..., slice(distance, None), *rest), (..., slice(None, n - distance), *rest)
            summed = semiring.add(out[later], out[earlier])
            out = out.astype(summed.dtype)
            out[later] = summed
            distance *= 2
        return out

    def edges(self, index: Index) -> Iterator[tuple[Index, float]]:
        k = len(index) + self.axis
        for j in range(index[k] + 1):
            yield (*index[:k], j, *index[k + 1 :]), 1.0
