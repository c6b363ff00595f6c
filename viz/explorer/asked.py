"""The elements that ``wrt=`` of ``explore`` names, in the order of their importance."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_lite.core.shapes import Index
from tinygrad_lite.core.value import Value, describe
from tinygrad_lite.errors import GraphError
from tinygrad_lite.graph.lookup import place

__all__ = ["Element", "asked_elements"]

Element = tuple[Value, Index]

_RANKED = 64
"""The most elements of one array that may be asked for one by one."""


def asked_elements(end: Value, wrt: Any, order: Sequence[Value], gradients: Mapping[Value, Any]) -> list[Element]:
    """The elements in ``wrt``: single ones first, then those of the arrays in turn, the largest gradients first.

    ``wrt`` is one or several Values, names or elements, a module, or ``None`` for every leaf. ``order`` holds every
    Value of the graph. Raises ``GraphError`` for a Value that ``end`` was not computed from.

    >>> x = Value([1.0, 2.0, 3.0], name="x")
    >>> y = x.square().sum()
    >>> [index for _, index in asked_elements(y, None, [x, y], {x: [2.0, 4.0, 6.0]})]
    [(2,), (1,), (0,)]
    """
    single: list[Element] = []
    arrays: list[list[Element]] = []
    for value, index in _asked(end, wrt, order):
        if len(index) == value.ndim:
            single.append((value, index))
        else:
            sizes = np.abs(np.ravel(gradients.get(value, np.zeros(value.shape))))
            largest = np.argsort(-sizes, kind="stable")[:_RANKED]
            arrays.append([(value, tuple(map(int, np.unravel_index(k, value.shape)))) for k in largest])
    turns = itertools.chain.from_iterable(itertools.zip_longest(*arrays))
    return list(dict.fromkeys([*single, *(element for element in turns if element is not None)]))


def _asked(end: Value, wrt: Any, order: Sequence[Value]) -> Iterable[tuple[Value, Index]]:
    """The Values in ``wrt``, each with the index of an element, or with ``()`` for the whole Value."""
    if wrt is None:
        return [(node, ()) for node in order if node.is_leaf and node.requires_grad]
    if hasattr(wrt, "parameters"):
        wrt = wrt.parameters()
    elif isinstance(wrt, Mapping):
        wrt = wrt.values()
    elif isinstance(wrt, Value | str) or (isinstance(wrt, tuple) and len(wrt) == 2 and isinstance(wrt[1], int | tuple)):
        wrt = [wrt]
    found = [place(end, one, "explore") for one in wrt]
    known = set(order)
    for value, _ in found:
        if value not in known:
            raise GraphError(f"explore: {describe(end)} was not computed from {describe(value)}")
    return found
