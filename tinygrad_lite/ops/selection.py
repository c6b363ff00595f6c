"""Elements selected by an index, a condition, or a choice, and elements in sorted order."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.conversions import plain_array
from ..core.maps import Chain, Gather
from ..core.scattered import Scattered, is_basic
from ..core.shapes import ndim_of, shape_of
from ..core.value import Op, Value, describe, numbers_of, on_constants, on_data, raw, record
from ..errors import ArgumentError, IndexRangeError, ShapeError
from . import elementary
from .axes import one_axis
from .registry import for_numpy, function
from .reshaping import along

__all__ = [
    "GetItem", "Sort", "compress", "extract", "getitem", "nan_to_num", "partition", "select", "sort", "take",
    "take_along_axis", "within",
]  # fmt: skip


@dataclass(slots=True)
class GetItem(Op):
    """Elements picked by NumPy's indexing."""

    key: Any
    name = "getitem"
    sign = "[ ]"
    linear = True

    def forward(self, *data: Any) -> Any:
        return data[0][self.key] if ndim_of(data[0]) else data[0]  # a scalar takes no key but () and ...

    def pull(self, k: int, g: Any, operands: Sequence[Any], out: Any) -> Any:
        data = operands[0]
        if type(data) is np.ndarray and type(g) in (np.ndarray, float):
            return Scattered(data.shape, data.dtype, self.key, g)
        return Op.pull(self, k, g, operands, out)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        basic = is_basic(self.key)

        def back(g: Any, zeros: Callable[[], Any]) -> Any:
            whole = zeros()
            own = self.key if isinstance(self.key, tuple) else (self.key,)
            lead = ndim_of(g) - ndim_of(out)
            if basic:
                whole[(*(slice(None),) * lead, *own)] = g
            elif lead:  # slices before an index array would reorder the axes
                for front in np.ndindex(g.shape[:lead]):
                    np.add.at(whole[front], own, g[front])
            else:
                np.add.at(whole, own, g)
            return whole

        return (Gather(shape_of(operands[0]), shape_of(out), self.forward, back, repeats=not basic),)


def _plain(index: Any) -> Any:
    """A part of an index as data."""
    return plain_array(raw(index), "getitem")


@function(method=False)
def getitem(x: Any, key: Any) -> Any:
    """``x[key]``: integers, slices, ``...``, ``None``, arrays of integers or booleans. Repeated indices add up.

    Raises ``IndexRangeError`` for an index outside the array.

    >>> from tinygrad_lite import Value
    >>> x = Value([1.0, 2.0, 3.0])
    >>> x[[0, 0, 2]].sum().backward()
    >>> x.grad
    array([2., 0., 1.])
    """
    key = tuple(_plain(part) for part in key) if isinstance(key, tuple) else _plain(key)
    if not ndim_of(x) and not (key is Ellipsis or (isinstance(key, tuple) and not key)):
        raise IndexRangeError(f"getitem: {describe(x)} is a scalar and takes no index, got {key!r}")
    try:
        return record(GetItem(key), (x,))
    except IndexError as error:
        if isinstance(error, IndexRangeError):
            raise
        raise IndexRangeError(f"getitem: the index {key!r} does not fit {describe(x)} ({error})") from None


@function()
def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """The elements, or slices along ``axis``, at integer ``indices``; from the flattened array by default.

    Raises ``ArgumentError`` unless the indices are integers, ``IndexRangeError`` for one outside the array.

    >>> take(np.array([1.0, 2.0, 3.0]), [2, 2, 0]).tolist()
    [3.0, 3.0, 1.0]
    """
    indices = np.asarray(_plain(indices))
    if indices.dtype.kind not in "iu":
        raise ArgumentError(f"take: needs integer indices, got dtype {indices.dtype}; convert them with .astype(int)")
    x, k = along(x, axis, "take")
    return getitem(x, (..., indices, *(slice(None),) * (-k - 1)))


@for_numpy(np.take)
def _take(x: Any, indices: Any, axis: int | None = None, mode: str = "raise") -> Any:
    n = math.prod(shape_of(x)) if axis is None else shape_of(x)[axis]
    return take(x, within(indices, n, mode, "take"), axis)


def within(indices: Any, n: int, mode: str, who: str) -> Any:
    """Indices into ``n`` elements, those outside treated as NumPy's ``mode`` says."""
    if mode not in ("raise", "wrap", "clip"):
        raise ArgumentError(f"{who}: mode is 'raise', 'wrap' or 'clip', got {mode!r}")
    if mode == "raise":
        return indices
    return np.mod(numbers_of(indices), n) if mode == "wrap" else np.clip(numbers_of(indices), 0, n - 1)


@function()
def compress(x: Any, condition: Any, axis: int | None = None) -> Any:
    """The elements, or slices along ``axis``, where a vector of conditions holds; from the flattened array by default.

    >>> compress(np.array([1.0, 2.0, 3.0]), [True, False, True]).tolist()
    [1.0, 3.0]
    """
    return take(x, np.flatnonzero(numbers_of(condition)), axis)


@for_numpy(np.compress)
def _compress(condition: Any, x: Any, axis: int | None = None) -> Any:
    return compress(x, condition, axis)


@function(numpy=np.extract, method=False)
def extract(condition: Any, x: Any) -> Any:
    """The elements where a condition of the same shape holds, as a vector.

    >>> extract([True, False], np.array([1.0, 2.0])).tolist()
    [1.0]
    """
    return compress(x, condition)


@function(numpy=np.take_along_axis)
def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Any:
    """At each place the element whose index along ``axis`` is the number there in ``indices``.

    Raises ``ArgumentError`` unless the indices are integers, ``ShapeError`` unless they have as many axes as ``x``.

    >>> take_along_axis(np.array([[1.0, 2.0], [3.0, 4.0]]), [[1], [0]]).tolist()
    [[2.0], [3.0]]
    """
    indices = np.asarray(_plain(indices))
    if indices.dtype.kind not in "iu":
        raise ArgumentError(f"take_along_axis: needs integer indices, got dtype {indices.dtype}; use .astype(int)")
    if axis is None:
        return take(x, np.reshape(indices, -1))
    if indices.ndim != ndim_of(x):
        raise ShapeError(
            f"take_along_axis: needs as many axes in indices, of shape {indices.shape}, as in {describe(x)}"
        )
    k = one_axis(x, axis, ndim_of(x), "take_along_axis") + ndim_of(x)
    key = [np.arange(n).reshape([-1 if j == i else 1 for j in range(indices.ndim)]) for i, n in enumerate(shape_of(x))]
    key[k] = indices
    return getitem(x, tuple(key))


@function(numpy=np.nan_to_num)
def nan_to_num(x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Any:
    """``x`` with numbers in place of NaN and infinities; no gradient flows through those.

    >>> nan_to_num(np.array([1.0, np.nan])).tolist()
    [1.0, 0.0]
    """
    finite = on_constants(np.isfinite, x)
    instead = on_constants(lambda data: np.nan_to_num(data, nan=nan, posinf=posinf, neginf=neginf), x)
    return elementary.where(finite, x, instead)


@function(numpy=np.select, method=False)
def select(conditions: Sequence[Any], choices: Sequence[Any], default: Any = 0.0) -> Any:
    """For each element the choice of the first condition that holds there; ``default`` where none does.

    Raises ``ArgumentError`` unless there is one choice for each condition.

    >>> x = np.array([-1.0, 2.0])
    >>> select([x > 0], [x], 0.5).tolist()
    [0.5, 2.0]
    """
    if not conditions or len(conditions) != len(choices):
        raise ArgumentError(
            f"select: needs a choice for each condition, one at least; got {len(conditions)} and {len(choices)}"
        )
    out = default
    for condition, choice in zip(reversed(conditions), reversed(choices), strict=True):
        out = elementary.where(condition, choice, out)
    return out


# ---- sorting, whole and in part


@dataclass(slots=True)
class Sort(Op):
    """The elements along an axis in sorted order. Each sweep reads from the data where every element came from."""

    name: str
    sign: str
    axis: int  # negative
    order: Callable[[Any], Any]

    def forward(self, *data: Any) -> Any:
        return np.take_along_axis(data[0], self.order(data[0]), self.axis)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        x = operands[0]
        order = on_data(self.order, x) if isinstance(x, Value) else self.order(x)  # a recorded move keeps it for good
        shape = shape_of(x)
        places = np.argsort(order, axis=self.axis)

        def back(g: Any, zeros: Callable[[], Any]) -> Any:
            return np.take_along_axis(g, np.broadcast_to(places, g.shape), self.axis)

        return (Gather(shape, shape, lambda a: np.take_along_axis(a, order, self.axis), back),)


@function(numpy=np.sort)
def sort(x: Any, axis: int | None = -1) -> Any:
    """The elements in ascending order along ``axis``, NaN last; flattened if it is ``None``. Equals keep their order.

    >>> from tinygrad_lite import Value
    >>> x = Value([3.0, 1.0, 2.0])
    >>> sort(x)[0].backward()
    >>> x.grad
    array([0., 1., 0.])
    """
    x, k = along(x, axis, "sort")

    def argsort(a: Any) -> Any:
        return np.argsort(a, axis=k, kind="stable")

    return record(Sort("sort", "sort", k, argsort), (x,))


@function(numpy=np.partition)
def partition(x: Any, kth: int | Sequence[int], axis: int | None = -1) -> Any:
    """The elements partly sorted: ``kth`` holds what sorting puts there, smaller ones come before, larger ones after.

    >>> float(partition(np.array([3.0, 1.0, 2.0]), 1)[1])
    2.0
    """
    x, k = along(x, axis, "partition")
    n = shape_of(x)[k]
    places = [int(place) for place in np.atleast_1d(kth)]
    if not all(-n <= place < n for place in places):
        raise ArgumentError(f"partition: kth={kth!r} is not among the {n} places along axis {k} of {describe(x)}")

    def argpartition(a: Any) -> Any:
        return np.argpartition(a, places, axis=k)

    return record(Sort("partition", "partition", k, argpartition), (x,))
