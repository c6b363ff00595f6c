"""Which paths are meant: those that go by way of some Values, and those that avoid others.

A path meets the Values that it must go through in topological order. So an edge may be taken only if it leads past none
of them, and every sweep finds exactly these paths in one pass, as it finds all.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..core.graph import topological
from ..core.shapes import Index
from ..core.sweeps import Route
from ..core.value import Value
from ..semirings.base import Semiring

__all__ = ["Restricted"]


Gate = tuple[Value, Index]
"""A Value and the element meant; ``()`` for all of it."""


class Restricted(Route):
    """The paths from ``end`` to ``wrt`` that pass every gate of ``via`` and none of ``without``."""

    def __init__(self, end: Value, wrt: Value, via: Iterable[Gate], without: Iterable[Gate]) -> None:
        order = {node: k for k, node in enumerate(topological(end))}
        self._order = order
        self._open: dict[Value, Any] = {}  # for each Value with a gate, which elements paths may pass
        self._required = set()
        for value, index in via:
            self._required.add(value)
            self._gate(value, _only(value, index))
        for value, index in without:
            self._gate(value, ~_only(value, index))
        self._stops = sorted(order.get(value, -1) for value in self._required)
        if self._stage(wrt) > (wrt in self._required):  # one that comes before wrt, or beside it: on no path
            self._gate(wrt, np.zeros(wrt.shape, dtype=bool))
        self._closed = {value for value, passes in self._open.items() if not np.any(passes)}

    def _gate(self, value: Value, passes: Any) -> None:
        self._open[value] = self._open.get(value, True) & passes

    def _stage(self, value: Value) -> int:
        """How many of the required Values come no later than this one."""
        return bisect_right(self._stops, self._order.get(value, -1))

    def opens(self, node: Value, operand: Value) -> bool:
        if node in self._closed or operand in self._closed:
            return False
        return not self._stops or self._stage(operand) == self._stage(node) - (node in self._required)

    def gated(self, node: Value, a: Any, semiring: Semiring) -> Any:
        return semiring.masked(a, self._open[node], node.shape) if node in self._open else a


def _only(value: Value, index: Index) -> Any:
    """A mask of the Value's shape with one element, or all."""
    mask = np.ones(value.shape, dtype=bool)
    if index:
        mask[...] = False
        mask[index] = True
    return mask
