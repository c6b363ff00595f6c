"""Cotangents of what is read in parts: of a table by some of its rows, of a sequence element by element.

The adjoint of ``x[key]`` is an array of zeros with the cotangent added at ``key``. Made anew for each reader, n readers
of an array with n rows take n² time, and 256 rows of a large table take the time of the whole table. So a sweep keeps a
``Scattered``: the pieces, each with its index, which are added into one array once somebody needs it. Where a table's
gradient has few rows, it stays a list of them: ``Rows``. ``Value.grad`` shows either as the array that it stands for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .shapes import Shape

__all__ = ["Rows", "Scattered", "add_at", "dense", "gathered", "is_basic", "row_numbers", "scattered_sum"]

SPARSE = 4
"""A gradient stays a list of rows while the table has this many times as many rows."""
LARGE = 1 << 14
"""Elements from which on it does: sorting the rows of a smaller table takes longer than filling it with zeros."""
_ROUNDS = 4
"""Equal row numbers up to which each round of additions takes one of them: ``reduceat`` takes longer."""


# ---- indices


def is_basic(key: Any) -> bool:
    """Whether NumPy's ``array[key]`` is a view: no element is taken twice."""
    parts = key if isinstance(key, tuple) else (key,)
    return all(
        part is None or part is Ellipsis or isinstance(part, slice | int | np.integer) for part in parts
    ) and not any(isinstance(part, bool) for part in parts)


def add_at(array: Any, key: Any, g: Any) -> None:
    """Add ``g`` to ``array[key]`` in place; what is named several times gets each of its numbers.

    >>> x = np.zeros(2)
    >>> add_at(x, [0, 0], np.array([1.0, 2.0]))
    >>> x
    array([3., 0.])
    """
    if is_basic(key):
        array[key] += g
        return
    ids = row_numbers(key, array.shape)
    if ids is None:
        np.add.at(array, key, g)
    else:
        ids, values = _merged(ids, np.reshape(g, (ids.size, *array.shape[1:])))
        array[ids] += values


def row_numbers(key: Any, shape: Shape) -> Any:
    """The rows that ``x[key]`` reads whole from an ``x`` of this shape, as a vector; ``None`` if it reads otherwise.

    Numbers may occur several times. None is negative.

    >>> row_numbers((..., np.array([[-1, 0]]), slice(None)), (3, 2))
    array([2, 0])
    """
    parts = list(key) if isinstance(key, tuple) else [key]
    dots = [k for k, part in enumerate(parts) if part is Ellipsis]
    if dots:
        parts[dots[0] : dots[0] + 1] = [slice(None)] * (len(shape) - len(parts) + 1)
    if not parts or any(type(part) is not slice or part != slice(None) for part in parts[1:]):
        return None
    n, rows = shape[0], parts[0]
    if isinstance(rows, slice):
        return np.arange(*rows.indices(n))
    if rows is None or isinstance(rows, bool):
        return None
    ids = np.asarray(rows)
    if ids.dtype.kind == "b":
        return np.flatnonzero(ids) if ids.shape == (n,) else None
    if ids.dtype.kind not in "iu":
        return None
    ids = ids.reshape(-1).astype(np.intp, copy=False)  # so that n fits
    return np.where(ids < 0, ids + n, ids) if ids.size and ids.min() < 0 else ids


def _merged(ids: Any, values: Any) -> tuple[Any, Any]:
    """Row numbers in ascending order, each once, and the sum of the rows of each: arrays that nobody else holds."""
    order = ids.argsort(kind="stable")
    ids, values = ids[order], values[order]
    first = np.empty(ids.size, bool)
    first[:1] = True
    np.not_equal(ids[1:], ids[:-1], out=first[1:])
    starts = np.flatnonzero(first)
    if starts.size == ids.size:
        return ids, values
    counts = np.diff(starts, append=ids.size)
    if counts.max() > _ROUNDS:
        return ids[starts], np.add.reduceat(values, starts, axis=0, dtype=values.dtype)
    sums = values[starts]
    for k in range(1, int(counts.max())):
        more = np.flatnonzero(counts > k)
        sums[more] += values[starts[more] + k]
    return ids[starts], sums


# ---- a gradient that is a list of rows


class Rows:
    """A gradient of which only some rows are not 0: ``values[k]`` is row ``ids[k]`` of an array of this shape.

    ``ids`` are in ascending order, each once. It never changes, and sums are new: ``+`` takes arrays as well.

    >>> rows = Rows((3, 2), np.array([1]), np.array([[5.0, 6.0]]))
    >>> (rows + np.ones((3, 2))).tolist(), rows.dense()[1]
    ([[1.0, 1.0], [6.0, 7.0], [1.0, 1.0]], array([5., 6.]))
    """

    __slots__ = ("ids", "shape", "values")
    __array_ufunc__ = None  # array + rows asks the rows

    def __init__(self, shape: Shape, ids: Any, values: Any) -> None:
        self.shape, self.ids, self.values = shape, ids, values

    @property
    def dtype(self) -> Any:
        """The dtype of the numbers."""
        return self.values.dtype

    def dense(self) -> Any:
        """The array that it stands for, a new one."""
        array = np.zeros(self.shape, self.values.dtype)
        array[self.ids] = self.values
        return array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self.dense() if dtype is None else self.dense().astype(dtype, copy=False)

    def __add__(self, other: Any) -> Any:
        if isinstance(other, Rows):
            ids, values = np.concatenate([self.ids, other.ids]), np.concatenate([self.values, other.values])
            rows = Rows(self.shape, *_merged(ids, values))
            return rows if _is_few(rows.ids.size, self.shape) else rows.dense()
        total = np.array(other, order="C")
        total[self.ids] += self.values
        return total

    __radd__ = __add__


# ---- a cotangent while a sweep adds to it


class Scattered:
    """A cotangent, of this shape and dtype, that is a sum of pieces: ``g`` at the index ``key``, and what is added.

    A sum takes its terms over: neither may be used afterwards. The pieces' arrays are read until then, never written.
    They wait until they have as many elements as the whole; then, and where an array is added, all are added into one
    array. So memory stays bounded, and the time is that of the pieces.

    >>> float64 = np.dtype(float)
    >>> total = Scattered((3,), float64, 0, 1.0) + Scattered((3,), float64, [2, 2], np.array([1.0, 2.0]))
    >>> total.dense()
    array([1., 0., 3.])
    """

    __slots__ = ("_pieces", "_waiting", "_whole", "dtype", "shape")
    __array_ufunc__ = None

    def __init__(self, shape: Shape, dtype: Any, key: Any, g: Any) -> None:
        self.shape, self.dtype = shape, dtype
        self._pieces: list[tuple[Any, Any]] = [(key, g)]
        self._waiting = 1 if type(g) is float else g.size
        self._whole: Any = None

    def __add__(self, other: Any) -> Scattered:
        if type(other) is Scattered:
            if other._whole is not None:
                self._add(other._whole)
            self._pieces += other._pieces
            self._waiting += other._waiting
            if self._waiting > math.prod(self.shape):
                self.dense()
        else:
            self._add(other)
        return self

    def __radd__(self, other: Any) -> Scattered:
        return self.__add__(other)

    def _add(self, array: Any) -> None:
        """Add an array, which stays as it is."""
        whole = self.dense()
        np.add(whole, array, out=whole)

    def dense(self) -> Any:
        """The sum, in an array that nobody else holds."""
        if self._pieces:
            self._whole = scattered_sum(self._whole, self.shape, self.dtype, self._pieces)
            self._pieces, self._waiting = [], 0
        return self._whole

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        whole = self.dense()
        return whole.copy() if dtype is None else whole.astype(dtype)

    def settled(self) -> Any:
        """The sum as ``Rows`` where few rows of a table are in it, else as an array: nobody else holds either."""
        if self._whole is None and self._waiting * SPARSE <= math.prod(self.shape) >= LARGE:
            found = gathered(self.shape, self.dtype, self._pieces)
            if found is not None:
                return found
        return self.dense()


def dense(g: Any) -> Any:
    """A cotangent as an array; a number, or one of another kind, as it is."""
    return g.dense() if type(g) is Scattered else g


def _is_few(rows: int, shape: Shape) -> bool:
    """Whether so many rows of an array are worth a list of them."""
    return rows * SPARSE <= shape[0] and math.prod(shape) >= LARGE


def scattered_sum(whole: Any, shape: Shape, dtype: Any, pieces: Sequence[tuple[Any, Any]]) -> Any:
    """Add pieces, each ``(key, g)``, into ``whole`` in place, or into zeros if it is ``None``. Returns the array."""
    start = 0
    if whole is None:
        whole = np.zeros(shape, dtype)
        key, g = pieces[0]
        if is_basic(key):  # so a -0 stays one
            whole[key] = g
            start = 1
    for key, g in pieces[start:]:
        add_at(whole, key, g)
    return whole


def gathered(shape: Shape, dtype: Any, pieces: Sequence[tuple[Any, Any]], few: bool = True) -> Rows | None:
    """Pieces, each ``(key, g)``, as ``Rows``; ``None`` unless they are whole rows, and ``few`` of a large table's."""
    places = []
    count = 0
    for key, _ in pieces:
        found = row_numbers(key, shape)
        if found is None or (few and not _is_few(count := count + found.size, shape)):
            return None
        places.append(found)
    parts = [np.reshape(g, (ids.size, *shape[1:])) for ids, (_, g) in zip(places, pieces, strict=True)]
    one = len(parts) == 1
    ids, values = _merged(places[0] if one else np.concatenate(places), parts[0] if one else np.concatenate(parts))
    return Rows(shape, ids, values.astype(dtype, copy=False))
