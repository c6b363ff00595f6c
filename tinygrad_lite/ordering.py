"""Ops that put elements in order: sort, partition, median, quantiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import elementary
from .axes import axes_of, one_axis
from .errors import ArgumentError, ShapeError, ValueTypeError
from .maps import Chain, Gather
from .moves import expand_dims, flattened, moveaxis, reshape
from .value import Op, Value, describe, ndim_of, on_constants, on_data, raw, record, shape_of

__all__ = ["Sort", "median", "partition", "percentile", "quantile", "sort"]


@dataclass(slots=True)
class Sort(Op):
    """The elements along an axis in an order that depends on them: where they came from is read anew each time."""

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


def sort(x: Any, axis: int | None = -1) -> Any:
    """In ascending order along ``axis``, NaN last; flattened if it is None. Equal ones keep their order.

    >>> from tinygrad_lite import Value
    >>> x = Value([3.0, 1.0, 2.0])
    >>> sort(x)[0].backward()
    >>> x.grad
    array([0., 1., 0.])
    """
    x, k = _along(x, axis, "sort")
    return record(Sort("sort", "sort", k, lambda a: np.argsort(a, axis=k, kind="stable")), (x,))


def partition(x: Any, kth: int | Sequence[int], axis: int | None = -1) -> Any:
    """Along ``axis``, what sorting would put at ``kth`` is there, smaller ones before it, larger ones after it."""
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


# ---- quantiles


_PLACES: dict[str, Callable[[Any], Any]] = {
    "linear": lambda place: place,
    "lower": np.floor,
    "higher": np.ceil,
    "nearest": np.rint,
    "midpoint": lambda place: (np.floor(place) + np.ceil(place)) / 2,
}
"""Where among the sorted elements a quantile is, from q (n - 1)."""


def quantile(
    x: Any, q: Any, axis: int | Sequence[int] | None = None, keepdims: bool = False, *, method: str = "linear"
) -> Any:
    """The element below which a share ``q`` of all lie along ``axis``, between two of them by ``method``.

    ``q`` is a number from 0 to 1, or an array of them, whose axes stand first in the result. ``method`` is "linear",
    "lower", "higher", "nearest" or "midpoint". NaN where there is one among the elements.

    >>> from tinygrad_lite import Value
    >>> x = Value([4.0, 1.0, 3.0, 2.0])
    >>> y = quantile(x, 0.25)
    >>> y.backward()
    >>> y.data, x.grad
    (1.75, array([0.  , 0.25, 0.  , 0.75]))
    """
    return _quantile(x, q, axis, keepdims, method, "quantile")


def percentile(
    x: Any, q: Any, axis: int | Sequence[int] | None = None, keepdims: bool = False, *, method: str = "linear"
) -> Any:
    """``quantile`` of q / 100."""
    return _quantile(x, np.true_divide(_constant(q, "percentile"), 100), axis, keepdims, method, "percentile")


def median(x: Any, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Any:
    """The element in the middle, of an even number of them the mean of the two in the middle."""
    return _quantile(x, 0.5, axis, keepdims, "linear", "median")


def _constant(q: Any, who: str) -> Any:
    if isinstance(q, Value):
        raise ValueTypeError(f"{who}: q is a constant, got {describe(q)}; pass its .data")
    return np.asarray(q, dtype=float)


def _quantile(x: Any, q: Any, axis: Any, keepdims: bool, method: str, who: str) -> Any:
    q = _constant(q, who)
    if not np.all((q >= 0) & (q <= 1)):
        raise ArgumentError(f"{who}: a share is from 0 to 1, a percentage from 0 to 100; got q={q}")
    if method not in _PLACES:
        raise ArgumentError(f"{who}: method={method!r} is not supported; use one of {', '.join(_PLACES)}")
    axes = axes_of(x, axis, who)
    shape, ndim = shape_of(x), ndim_of(x)
    rest = [k for k in range(-ndim, 0) if k not in axes]
    flat = reshape(
        moveaxis(x, rest, range(len(rest))), (*(shape[k] for k in rest), int(np.prod([shape[k] for k in axes])))
    )
    n = shape_of(flat)[-1]
    if not n:
        raise ShapeError(f"{who}: {describe(x)} has no elements along the axes {axes}")
    ordered = sort(flat)
    place = _PLACES[method](q.reshape(-1) * (n - 1))
    low = np.floor(place).astype(np.intp)
    share = (place - low).astype(getattr(raw(x), "dtype", float))
    if np.any(share):
        # What lies on an element is that twice by a half: 0 times an infinite neighbour would be NaN.
        high, share = low + (share > 0), np.where(share > 0, share, share.dtype.type(0.5))
        out = ordered[..., low] * (1 - share) + ordered[..., high] * share
    else:
        out = ordered[..., low]
    if on_data(lambda data: bool(np.isnan(data).any()), flat):
        out = elementary.where(on_constants(lambda data: np.isnan(data).any(-1, keepdims=True), flat), np.nan, out)
    out = reshape(moveaxis(out, -1, 0), q.shape + tuple(shape[k] for k in rest))
    return expand_dims(out, axes) if keepdims else out
