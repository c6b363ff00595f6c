"""Sorting, whole and in part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.maps import Chain, Gather
from ..core.shapes import ndim_of, shape_of
from ..core.value import Op, describe, raw, record
from ..errors import ArgumentError
from .axes import one_axis
from .manipulation import flattened
from .registry import function

__all__ = ["Sort", "partition", "sort"]


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
        shape, order = shape_of(operands[0]), self.order(raw(operands[0]))
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
    x, k = _along(x, axis, "sort")
    return record(Sort("sort", "sort", k, lambda a: np.argsort(a, axis=k, kind="stable")), (x,))


@function(numpy=np.partition)
def partition(x: Any, kth: int | Sequence[int], axis: int | None = -1) -> Any:
    """The elements partly sorted: ``kth`` holds what sorting puts there, smaller ones come before, larger ones after.

    >>> float(partition(np.array([3.0, 1.0, 2.0]), 1)[1])
    2.0
    """
    x, k = _along(x, axis, "partition")
    n = shape_of(x)[k]
    places = [int(place) for place in np.atleast_1d(kth)]
    if not all(-n <= place < n for place in places):
        raise ArgumentError(f"partition: kth={kth!r} is not among the {n} places along axis {k} of {describe(x)}")
    return record(Sort("partition", "partition", k, lambda a: np.argpartition(a, places, axis=k)), (x,))


def _along(x: Any, axis: int | None, who: str) -> tuple[Any, int]:
    if axis is None:
        x, axis = flattened(x), -1
    return x, one_axis(x, axis, ndim_of(x), who)
