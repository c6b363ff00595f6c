"""Arrays joined to one, and one array cut into several."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ..core.maps import Chain, Gather
from ..core.shapes import ndim_of, shape_of
from ..core.value import Op, describe, record
from ..errors import ArgumentError, ShapeError
from .axes import deep, one_axis
from .registry import function
from .reshaping import flattened, reshape, transpose
from .selection import getitem

__all__ = [
    "Concatenate", "Stack", "append", "array_split", "atleast_1d", "atleast_2d", "atleast_3d", "column_stack",
    "concatenate", "dsplit", "dstack", "hsplit", "hstack", "split", "stack", "vsplit", "vstack",
]  # fmt: skip


@dataclass(slots=True)
class _Join(Op):
    """Arrays joined along an axis of the result. ``part`` is the place of operand ``k`` on that axis."""

    axis: int  # negative
    linear = True

    def part(self, k: int, operands: Sequence[Any]) -> int | slice:
        raise NotImplementedError

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        part: Any = (..., self.part(k, operands), *(slice(None),) * (-self.axis - 1))

        def placed(positions: Any) -> Any:
            whole = np.zeros(shape_of(out), dtype=np.int64)
            whole[part] = positions
            return whole

        return (Gather(shape_of(operands[k]), shape_of(out), placed, lambda g, zeros: g[part]),)


class Concatenate(_Join):
    """Arrays one after the other along an axis."""

    name = "concatenate"
    sign = "concat"

    def forward(self, *data: Any) -> Any:
        return np.concatenate(data, axis=self.axis)

    def part(self, k: int, operands: Sequence[Any]) -> int | slice:
        before = builtins.sum(shape_of(x)[self.axis] for x in operands[:k])
        return slice(before, before + shape_of(operands[k])[self.axis])


class Stack(_Join):
    """Arrays side by side along a new axis."""

    name = "stack"
    sign = "stack"

    def forward(self, *data: Any) -> Any:
        return np.stack(data, axis=self.axis)

    def part(self, k: int, operands: Sequence[Any]) -> int | slice:
        return k


# ---- joining


@function(numpy=np.concatenate, method=False)
def concatenate(xs: Sequence[Any], axis: int | None = 0) -> Any:
    """The arrays joined along ``axis``; flattened first if it is ``None``.

    Raises ``ArgumentError`` without arrays, ``ShapeError`` for scalars or shapes that do not fit.

    >>> concatenate([np.array([1.0, 2.0]), np.array([3.0])])
    array([1., 2., 3.])
    """
    xs = tuple(xs)
    if not xs:
        raise ArgumentError("concatenate: needs at least one array, got none")
    if axis is None:
        xs, axis = tuple(flattened(x) for x in xs), 0
    if any(not ndim_of(x) for x in xs):
        raise ShapeError("concatenate: scalars have no axis to be joined along; use stack([…])")
    return record(Concatenate(one_axis(xs[0], axis, ndim_of(xs[0]), "concatenate")), xs)


@function(numpy=np.stack, method=False)
def stack(xs: Sequence[Any], axis: int = 0) -> Any:
    """The arrays joined along a new axis: this makes a vector of scalars.

    Raises ``ArgumentError`` without arrays.

    >>> from tinygrad_lite import Value
    >>> stack([Value(1.0), Value(2.0)]).shape
    (2,)
    """
    xs = tuple(xs)
    if not xs:
        raise ArgumentError("stack: needs at least one array, got none")
    return record(Stack(one_axis(xs[0], axis, ndim_of(xs[0]) + 1, "stack")), xs)


def _one_or_all(made: list[Any]) -> Any:
    return made[0] if len(made) == 1 else tuple(made)


@function(numpy=np.atleast_1d)
def atleast_1d(*xs: Any) -> Any:
    """``x`` with at least one axis; a tuple for several arguments.

    >>> atleast_1d(2.0).shape
    (1,)
    """
    return _one_or_all([x if ndim_of(x) else reshape(x, (1,)) for x in xs])


@function(numpy=np.atleast_2d)
def atleast_2d(*xs: Any) -> Any:
    """``x`` with at least two axes, new ones in front; a tuple for several arguments.

    >>> atleast_2d(np.array([1.0, 2.0])).shape
    (1, 2)
    """
    return _one_or_all([x if ndim_of(x) > 1 else reshape(x, (1, -1) if shape_of(x) != (0,) else (1, 0)) for x in xs])


@function(numpy=np.atleast_3d)
def atleast_3d(*xs: Any) -> Any:
    """``x`` with at least three axes: (n,) becomes (1, n, 1), (m, n) becomes (m, n, 1); a tuple for several arguments.

    >>> atleast_3d(np.array([1.0, 2.0])).shape
    (1, 2, 1)
    """
    made = []
    for x in xs:
        shape = shape_of(x)
        made.append(x if len(shape) > 2 else reshape(x, (*shape, 1) if len(shape) == 2 else (1, *(shape or (1,)), 1)))
    return _one_or_all(made)


@function(numpy=np.vstack, method=False)
def vstack(xs: Sequence[Any]) -> Any:
    """The arrays one below the other; vectors are rows.

    >>> vstack([np.array([1.0, 2.0]), np.array([3.0, 4.0])]).shape
    (2, 2)
    """
    return concatenate([atleast_2d(x) for x in xs], axis=0)


@function(numpy=np.hstack, method=False)
def hstack(xs: Sequence[Any]) -> Any:
    """The arrays side by side: along the second axis, or along the only one of vectors.

    >>> hstack([np.array([1.0, 2.0]), np.array([3.0])]).shape
    (3,)
    """
    xs = [atleast_1d(x) for x in xs]
    return concatenate(xs, axis=0 if xs and ndim_of(xs[0]) == 1 else 1)


@function(numpy=np.dstack, method=False)
def dstack(xs: Sequence[Any]) -> Any:
    """The arrays joined along the third axis.

    >>> dstack([np.array([1.0, 2.0]), np.array([3.0, 4.0])]).shape
    (1, 2, 2)
    """
    return concatenate([atleast_3d(x) for x in xs], axis=2)


@function(numpy=np.column_stack, method=False)
def column_stack(xs: Sequence[Any]) -> Any:
    """The arrays side by side; vectors are columns.

    >>> column_stack([np.array([1.0, 2.0]), np.array([3.0, 4.0])]).tolist()
    [[1.0, 3.0], [2.0, 4.0]]
    """
    return concatenate([x if ndim_of(x) > 1 else transpose(atleast_2d(x)) for x in xs], axis=1)


@function(numpy=np.append)
def append(x: Any, values: Any, axis: int | None = None) -> Any:
    """``values`` after ``x`` along ``axis``; both flattened by default.

    >>> append(np.array([1.0, 2.0]), np.array([3.0]))
    array([1., 2., 3.])
    """
    return concatenate([x, values], axis=axis)


# ---- cutting


@function(numpy=np.split, returns="list[Value]")
def split(x: Any, sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """``x`` cut along ``axis`` into ``sections`` equal parts, or before each index that it lists.

    Raises ``ShapeError`` if the length does not divide.

    >>> [part.shape for part in split(np.array([1.0, 2.0, 3.0]), [1])]
    [(1,), (2,)]
    """
    k = one_axis(x, axis, ndim_of(x), "split")
    length = shape_of(x)[k]
    if isinstance(sections, int | np.integer):
        if sections < 1 or length % sections:
            raise ShapeError(f"split: {describe(x)} cannot be cut into {sections} equal parts along axis {k}")
        cuts = list(range(0, length + 1, length // sections)) if length else [0] * (int(sections) + 1)
    else:
        cuts = [0, *sections, length]
    rest = (slice(None),) * (-k - 1)
    return [getitem(x, (..., slice(a, b), *rest)) for a, b in pairwise(cuts)]


@function(numpy=np.array_split, returns="list[Value]")
def array_split(x: Any, sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """``x`` cut along ``axis`` into ``sections`` parts; if it does not divide, the first are longer by one.

    Raises ``ArgumentError`` for fewer than one part.

    >>> [part.shape for part in array_split(np.array([1.0, 2.0, 3.0]), 2)]
    [(2,), (1,)]
    """
    if not isinstance(sections, int | np.integer):
        return split(x, sections, axis)
    n = shape_of(x)[one_axis(x, axis, ndim_of(x), "array_split")]
    if sections < 1:
        raise ArgumentError(f"array_split: needs at least one part, got {sections} for {describe(x)}")
    size, longer = divmod(n, int(sections))
    return split(x, [k * size + min(k, longer) for k in range(1, int(sections))], axis)


@function(numpy=np.vsplit, returns="list[Value]")
def vsplit(x: Any, sections: int | Sequence[int]) -> list[Any]:
    """``x`` cut along the first axis, as ``split`` does it.

    >>> [part.shape for part in vsplit(np.eye(2), 2)]
    [(1, 2), (1, 2)]
    """
    return split(deep(x, 2, "vsplit"), sections, 0)


@function(numpy=np.hsplit, returns="list[Value]")
def hsplit(x: Any, sections: int | Sequence[int]) -> list[Any]:
    """``x`` cut along the second axis, or along the only one of a vector, as ``split`` does it.

    >>> [part.shape for part in hsplit(np.eye(2), 2)]
    [(2, 1), (2, 1)]
    """
    return split(deep(x, 1, "hsplit"), sections, 1 if ndim_of(x) > 1 else 0)


@function(numpy=np.dsplit, returns="list[Value]")
def dsplit(x: Any, sections: int | Sequence[int]) -> list[Any]:
    """``x`` cut along the third axis, as ``split`` does it.

    >>> [part.shape for part in dsplit(np.ones((2, 2, 4)), 2)]
    [(2, 2, 2), (2, 2, 2)]
    """
    return split(deep(x, 3, "dsplit"), sections, 2)
