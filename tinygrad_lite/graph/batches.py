"""The sample of a batch that each element of a graph belongs to, found by pushing the data's samples forward."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..core.graph import ancestors, chain_of, saved_operands, unfolded
from ..core.value import Value, describe
from ..errors import ArgumentError, GraphError
from ..semirings.base import Semiring
from . import naming

__all__ = ["MIXED", "NONE", "samples_of"]


NONE, MIXED = -1, -2
"""The tags of an element that no sample feeds, and of an element that several samples feed."""


class _SampleRange(Semiring):
    """The smallest and the largest number of the samples that feed an element, through any weights."""

    name = "samples"

    def lift(self, weight: Any) -> Any:
        return np.zeros(np.shape(weight))

    def times(self, a: Any, b: Any) -> Any:
        return np.broadcast_to(a, (2, *np.broadcast_shapes(a.shape[1:], b.shape)))

    def sum(self, a: Any, axis: tuple[int, ...]) -> Any:
        return np.stack([np.min(a[0], axis=axis, initial=np.inf), np.max(a[1], axis=axis, initial=-np.inf)])

    def zero(self, shape: tuple[int, ...]) -> Any:
        return np.stack([np.full(shape, np.inf), np.full(shape, -np.inf)])

    def contract(self, a: Any, weight: Any) -> Any:
        read = self.sum(a, (-1,))[..., None]
        return np.broadcast_to(read, (*read.shape[:-1], weight.shape[-1]))


_RANGE = _SampleRange()


def samples_of(end: Value, data: Iterable[Value] | None) -> dict[Value, Any]:
    """For every Value that ``end`` was computed from, the sample of each element, an array of integers.

    ``data`` are the Values whose first axis is the samples; by default the constant arrays, if their first axes have
    one length (those of two and more axes, if there are any), and scalars whose name ends in ``@`` and a number.

    Raises ``ArgumentError`` where samples cannot be told so, ``GraphError`` for data that are not in the graph.
    """
    values = ancestors(end)
    known = set(values)
    read: dict[Value, Any] = {}
    for value in values:
        parsed = naming.parse(value.name) if value.is_leaf and value.name is not None and not value.shape else None
        if parsed is not None and parsed.sample is not None:
            read[value] = np.full((2,), float(parsed.sample))
    for value in _data(values) if data is None and not read else data or ():
        if not isinstance(value, Value) or not value.shape:
            raise ArgumentError(f"by: data= holds Values whose first axis is the samples, got {value!r}")
        if value not in known:
            raise GraphError(
                f"by: {describe(end)} was not computed from {describe(value)}; data= holds Values that are in the graph"
            )
        rows = np.arange(float(value.shape[0])).reshape(-1, *(1,) * (value.ndim - 1))
        read[value] = np.broadcast_to(rows, (2, *value.shape))
    for value in values:
        if value not in read:
            read[value] = _pushed(value, read)
    return {value: _tags(*found) for value, found in read.items()}


def _data(values: list[Value]) -> list[Value]:
    constants = [value for value in values if value.is_leaf and not value.requires_grad and value.shape]
    lengths = {value.shape[0] for value in constants if value.ndim > 1} or {value.shape[0] for value in constants}
    if len(lengths) != 1:
        found = f"arrays of {', '.join(map(str, sorted(lengths)))} rows" if lengths else "no constant array"
        raise ArgumentError(
            f"by: cannot tell which data holds the samples, the graph has {found}; pass data=[x], "
            "the Values whose first axis is the samples"
        )
    return [value for value in constants if value.shape[0] in lengths]


def _pushed(value: Value, read: dict[Value, Any]) -> Any:
    made = unfolded(value)
    found = _RANGE.zero(value.shape)
    for k, operand in enumerate(value.parents):
        tags = read[operand]
        if np.isinf(tags[0]).all():
            continue
        if saved_operands(made) is not None:
            chain = chain_of(made, k)
            if chain is None:
                continue
            tags = _RANGE.push(chain, tags, value)
        found = _RANGE.add(found, np.reshape(tags, found.shape))
    return found


def _tags(low: Any, high: Any) -> Any:
    low, high = np.asarray(low), np.asarray(high)
    return np.where(low > high, NONE, np.where(low == high, low, MIXED)).astype(np.int64)
