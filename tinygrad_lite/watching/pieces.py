"""What a program computes that goes through its arrays sample by sample, or number by number.

The graph of the loss has whole arrays. Their rows and elements, and what one row or one element of a gradient gives to
another, are pieces of its quantities.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..core.graph import chains
from ..core.value import Value
from ..semirings import GRADIENT
from .forms import Quantity

__all__ = ["pieces"]

_MOST_PIECES = 64
"""The rows, or the elements, of one array that are taken apart."""

_MOST_NUMBERS = 50_000
"""The elements of all pieces of gradients and data, and of all that pieces contribute: more cost too much."""


def pieces(
    graph: Sequence[Value], values: Sequence[Value], totals: Mapping[Value, Any], cotangents: Mapping[Value, Any]
) -> Iterator[Quantity]:
    """Rows and elements of ``cotangents`` and of the data of ``values``, and what they contribute to each other.

    ``graph`` are the nodes that have a gradient, from the end on; ``totals`` their cotangents as the sweep holds them.
    The ``form`` of each says which sample or element it is.
    """
    left = _MOST_NUMBERS
    data = [(value, np.asarray(value.data)) for value in values]
    arrays = [("cotangent", value, g) for value, g in cotangents.items()]
    arrays += [("data", value, numbers.astype(float)) for value, numbers in data if numbers.dtype.kind == "f"]
    for role, value, array in arrays:
        left -= 2 * array.size
        if left > 0:
            for form, index in _indices(array.shape):
                if role != "data" or not _simple(array[index]):
                    yield Quantity(role, value, array[index], (), form)
    yield from _contributions(graph, totals)


def _contributions(graph: Sequence[Value], totals: Mapping[Value, Any]) -> Iterator[Quantity]:
    """What a row, and an element, of a gradient gives to those of the operands."""
    left = _MOST_NUMBERS
    for node in graph:
        g = np.asarray(GRADIENT.result(totals[node])) if node in totals else np.array(0.0)
        for form, index in _indices(g.shape):
            part = np.zeros_like(g)
            part[index] = g[index]
            for _, operand, chain in chains(node):
                left -= operand.size + g.size
                if left < 0:
                    return
                with np.errstate(all="ignore"):
                    pulled = GRADIENT.fitted(GRADIENT.pull(chain, part, node), operand)
                made = np.asarray(GRADIENT.result(pulled), float)
                for piece in _within(made, len(index) < g.ndim):
                    yield Quantity("contribution", operand, piece, (node,), form)


def _within(made: Any, of_a_row: bool) -> Iterator[Any]:
    """What a program holds of a contribution: all of it or its only row, from a row; its elements, from an element."""
    if not of_a_row:
        yield from made[made != 0.0]
        return
    yield made
    if made.ndim > 1:
        rows = np.flatnonzero(made.reshape(len(made), -1).any(axis=1))
        if len(rows) == 1:
            yield made[rows[0]]


def _indices(shape: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The indices of rows and elements, if there are few."""
    if len(shape) > 1 and 1 < shape[0] <= _MOST_PIECES:
        yield from ((f"sample {k}", (k,)) for k in range(shape[0]))
    if 1 < int(np.prod(shape)) <= _MOST_PIECES:
        for index in np.ndindex(shape):
            yield f"element {index if len(index) > 1 else index[0]}", index


def _simple(piece: Any) -> bool:
    """Whether a piece of data is one number of two digits, which a program may write itself."""
    return not np.ndim(piece) and abs(piece - round(float(piece), 2)) < 1e-12
