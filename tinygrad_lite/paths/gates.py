"""Gates: paths that must pass some Values (``via``) or avoid others (``without``).

A path meets the Values that it must pass in topological order. So an edge is open only if it skips none of them, and
every sweep finds exactly these paths in one pass.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..core.graph import ancestors, topological
from ..core.shapes import Index
from ..core.sweeps import Gates
from ..core.value import Value, describe
from ..errors import GraphError, ValueTypeError
from ..graph.lookup import place
from ..semirings.base import Semiring

__all__ = ["Gate", "ViaAndWithout", "gates_of"]

Gate = tuple[Value, Index]
"""A Value and the element meant; ``()`` for all of it."""


def gates_of(end: Value, given: Any, who: str) -> list[Gate]:
    """The gates in a ``via`` or ``without`` argument: a list of Values, names or pairs (Value, index), or one of them.

    Raises ``ValueTypeError`` for anything else, ``GraphError`` for a Value that ``end`` was not computed from.
    """
    pair = isinstance(given, tuple) and len(given) == 2 and not isinstance(given[1], str | Value)
    try:
        gates = [given] if pair or isinstance(given, str | Value) else list(given)
    except TypeError:
        raise ValueTypeError(f"{who}: via and without are lists of Values or names, got {given!r}") from None
    found = [place(end, gate, who) for gate in gates]
    known = set(ancestors(end)) if found else set()
    for value, _ in found:
        if value not in known:
            raise GraphError(f"{who}: {describe(end)} was not computed from {describe(value)}, so no path goes there")
    return found


class ViaAndWithout(Gates):
    """The paths from ``end`` to ``wrt`` that pass every gate of ``via`` and none of ``without``."""

    def __init__(self, end: Value, wrt: Value, via: Iterable[Gate], without: Iterable[Gate]) -> None:
        self._order = {node: k for k, node in enumerate(topological(end))}
        self._open: dict[Value, Any] = {}  # for each Value with a gate, a mask of the elements that paths may pass
        self._required = set()
        for value, index in via:
            self._required.add(value)
            self._restrict(value, _only(value, index))
        for value, index in without:
            self._restrict(value, ~_only(value, index))
        self._stops = sorted(self._order.get(value, -1) for value in self._required)
        if self._stage(wrt) > (wrt in self._required):  # a required Value comes before wrt or beside it: on no path
            self._restrict(wrt, np.zeros(wrt.shape, dtype=bool))
        self._closed = {value for value, mask in self._open.items() if not np.any(mask)}

    def _restrict(self, value: Value, mask: Any) -> None:
        self._open[value] = self._open.get(value, True) & mask

    def _stage(self, value: Value) -> int:
        """The number of required Values that come no later than this one."""
        return bisect_right(self._stops, self._order.get(value, -1))

    def opens(self, node: Value, operand: Value) -> bool:
        if node in self._closed or operand in self._closed:
            return False
        return not self._stops or self._stage(operand) == self._stage(node) - (node in self._required)

    def gated(self, node: Value, a: Any, semiring: Semiring) -> Any:
        return semiring.masked(a, self._open[node], node.shape) if node in self._open else a


def _only(value: Value, index: Index) -> Any:
    """A mask of the Value's shape that is true at one element, or everywhere."""
    mask = np.ones(value.shape, dtype=bool)
    if index:
        mask[...] = False
        mask[index] = True
    return mask
