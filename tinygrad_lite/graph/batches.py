"""The sample of a batch that each element of a graph belongs to, found by pushing the data's samples forward.

Which constants are the data, and along which axis their samples lie, is guessed (``taken``) unless the caller says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ..core.graph import ancestors, chain_of, saved_operands, unfolded
from ..core.value import Value, describe
from ..errors import ArgumentError, GraphError
from ..semirings.base import Semiring
from . import naming

__all__ = ["MIXED", "NONE", "Batch", "Samples", "samples_of"]


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

Ranges = dict[Value, Any]
"""For each Value the range of the samples that feed each element, an array of shape (2, …)."""


class Batch(NamedTuple):
    """Data that hold the samples along one axis; ``None`` where all of an array, or a number, is one sample."""

    data: Value
    axis: int | None


class Samples(NamedTuple):
    """For every Value the sample of each element, and the data that were taken for the batch."""

    tags: dict[Value, Any]
    batches: tuple[Batch, ...]


def samples_of(end: Value, data: Iterable[Value] | None, axis: int | None = None) -> Samples:
    """For every Value that ``end`` was computed from, the sample of each element, an array of integers.

    ``data`` are the Values that hold the samples, along ``axis`` (0 by default). By default they are scalars whose name
    ends in ``@`` and a number, or the constant arrays that ``taken`` finds.

    Raises ``ArgumentError`` where samples cannot be told so, ``GraphError`` for data that are not in the graph.
    """
    values = ancestors(end)
    known = set(values)
    if axis is not None and (isinstance(axis, bool) or not isinstance(axis, int)):
        raise ArgumentError(f"by: axis is the number of the axis that holds the samples, got {axis!r}")
    read: Ranges = {}
    for value in values:
        parsed = naming.parse(value.name) if value.is_leaf and value.name is not None and not value.shape else None
        if parsed is not None and parsed.sample is not None:
            read[value] = np.full((2,), float(parsed.sample))
    batches = [Batch(value, None) for value in read]
    if data is None:
        batches += [] if read else _Guess(values, axis).taken()
    else:
        batches += [Batch(value, 0 if axis is None else axis) for value in data]
    for value, along in batches:
        if not isinstance(value, Value) or (along is not None and not _has(value, along)):
            raise ArgumentError(
                f"by: data= holds Values whose {'first axis' if not along else f'axis {along}'} is the samples, "
                f"got {value!r}"
            )
        if value not in known:
            raise GraphError(
                f"by: {describe(end)} was not computed from {describe(value)}; data= holds Values that are in the graph"
            )
        read.setdefault(value, _numbered(value, along))
    return Samples({value: _tags(*found) for value, found in _pushed(values, read).items()}, tuple(batches))


def _has(value: Value, axis: int) -> bool:
    return -value.ndim <= axis < value.ndim


def _numbered(value: Value, axis: int | None) -> Any:
    """The sample of each element of data, as a range."""
    if axis is None:
        return np.zeros((2, *value.shape))
    numbers = np.arange(float(value.shape[axis]))
    return np.broadcast_to(numbers.reshape(-1, *(1,) * (value.ndim - 1 - axis % value.ndim)), (2, *value.shape))


# ---- which constants are the data ------------------------------------------------------------------------------------


class _Guess:
    """The constant arrays of a graph, and where each one's samples go, on its own, if they lie along ``axis``."""

    def __init__(self, values: list[Value], axis: int | None) -> None:
        self.values, self.asked, self.axis = values, axis, axis or 0
        constants = [value for value in values if value.is_leaf and not value.requires_grad and value.shape]
        self.constants = [value for value in constants if _has(value, self.axis)]
        numbered = {value: {value: _numbered(value, self.axis)} for value in self.constants}
        self.alone = {value: _pushed(values, read) for value, read in numbered.items()}

    def taken(self) -> list[Batch]:
        """The data of the batch.

        Constants of two and more axes, if there are any, whose samples are of one number; and those of one axis that
        fit. A product may sum over the axis of a constant beside data that stay apart, as ``f`` in ``x @ f``: it is no
        data. Where a product sums over the only axis of all data, these are the data of one sample.

        Raises ``ArgumentError`` where this does not tell.
        """
        matrices = [value for value in self.constants if value.ndim > 1 and not self._is_a_factor(value)]
        data = matrices or [value for value in self.constants if value.ndim == 1]
        summed = [value for value in data if self._summed_over(value)]
        if summed and not matrices and self.asked is None:
            return [Batch(value, None) for value in data]
        lengths = {value.shape[self.axis] for value in data}
        if len(lengths) != 1:
            rows = "rows" if not self.asked else f"elements along axis {self.axis}"
            found = f"arrays of {', '.join(map(str, sorted(lengths)))} {rows}" if lengths else "no constant array"
            self._refuse(f"the graph has {found}")
        if summed:
            self._refuse(f"a product sums over axis {self.axis} of {describe(summed[0])}")
        for k, value in enumerate(data):
            for other in data[:k]:
                if self._in_conflict(value, other):
                    self._refuse(f"{describe(other)} and {describe(value)} meet in elements of different samples")
        more = [x for x in self.constants if x.ndim == 1 and matrices and x.shape[self.axis] in lengths]
        fitting = [x for x in more if not any(self._in_conflict(x, value) for value in data)]
        taken = {*data, *fitting}
        return [Batch(value, self.axis) for value in self.constants if value in taken]

    def _refuse(self, why: str) -> None:
        raise ArgumentError(
            f"by: cannot tell which data holds the samples, {why}; pass data=[x], the Values whose first axis is the "
            "samples, and axis= if it is another one"
        )

    def _lost(self, value: Value) -> Iterable[tuple[Value, list[Value]]]:
        """The ops that put the samples of ``value`` together with something else that has none of them.

        Each comes with the operands that have none.
        """
        tags = self.alone[value]
        for node in self.values:
            if len(node.parents) > 1 and not _apart(tags[node]):
                others = [x for x in node.parents if np.isinf(tags[x][0]).all()]
                if others and any(_apart(tags[x]) for x in node.parents):
                    yield node, others

    def _is_a_factor(self, value: Value) -> bool:
        """Whether a product sums over the axis of ``value`` beside other data, which stay apart or are one sample."""
        for node, others in self._lost(value):
            for other in self.constants:
                tags = self.alone[other]
                stays = _apart(tags[node]) or other.ndim == 1 < value.ndim
                if other is not value and stays and any(_apart(tags[x]) for x in others):
                    return True
        return False

    def _summed_over(self, value: Value) -> bool:
        """Whether every op that combines ``value`` with something else sums over its axis."""
        tags = self.alone[value]
        if value.shape[self.axis] < 2 or not any(True for _ in self._lost(value)):
            return False
        return not any(
            len(node.parents) > 1 and _apart(tags[node]) and any(np.isinf(tags[x][0]).all() for x in node.parents)
            for node in self.values
        )

    def _in_conflict(self, value: Value, other: Value) -> bool:
        """Whether some element belongs to one sample by the one and to another sample by the other."""
        for node in self.values:
            (low, high), (first, last) = self.alone[value][node], self.alone[other][node]
            if np.any((low == high) & (first == last) & (low != first)):
                return True
        return False


def _apart(found: Any) -> bool:
    """Whether some element belongs to one sample."""
    return bool(np.any(found[0] == found[1]))


# ---- where samples go ------------------------------------------------------------------------------------------------


def _pushed(values: list[Value], read: Ranges) -> Ranges:
    """The ranges of all Values, from those of some."""
    found = dict(read)
    for value in values:
        if value not in found:
            found[value] = _pushed_to(value, found)
    return found


def _pushed_to(value: Value, read: Ranges) -> Any:
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
