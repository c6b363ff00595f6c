"""Gates: paths that must pass some Values (``via``) or avoid others (``without``).

A path meets the Values that it must pass in topological order. So an edge is open only if it skips none of them, and
every sweep finds exactly these paths in one pass.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container, Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..core.graph import ancestors, topological
from ..core.shapes import Index
from ..core.sweeps import Gates
from ..core.value import Value, describe
from ..errors import GraphError, ValueTypeError
from ..graph.lookup import place
from ..semirings.base import Semiring

__all__ = ["Gate", "ViaAndWithout", "check_possible", "gates_of"]

Gate = tuple[Value, Index]
"""A Value and the element meant; ``()`` for all of it."""


def gates_of(end: Value, given: Any, who: str) -> list[Gate]:
    """The gates in a ``via`` or ``without`` argument: a list of Values, names or pairs of one and an index; or one.

    Raises ``ValueTypeError`` for anything else, ``GraphError`` for a Value that ``end`` was not computed from.
    """
    try:
        gates = [given] if _is_a_pair(given) or isinstance(given, str | Value) else list(given)
    except TypeError:
        raise ValueTypeError(f"{who}: via and without are lists of Values or names, got {given!r}") from None
    found = [place(end, gate, who) for gate in gates]
    known = set(ancestors(end)) if found else set()
    for value, _ in found:
        if value not in known:
            raise GraphError(f"{who}: {describe(end)} was not computed from {describe(value)}, so no path goes there")
    return found


def _is_a_pair(given: Any) -> bool:
    """Whether a tuple is one gate with its index, and not two gates, of which the second may be a pair itself."""
    if not isinstance(given, tuple) or len(given) != 2 or not isinstance(given[0], str | Value):
        return False
    index = given[1]
    return not isinstance(index, str | Value) and not (isinstance(index, tuple) and _is_a_pair(index))


def check_possible(
    end: Gate, wrt: Gate, via: list[Gate], without: list[Gate], after: Container[Value], before: Container[Value]
) -> None:
    """Raise ``GraphError`` where the graph has no path from ``end`` to ``wrt`` that ``via`` and ``without`` could keep.

    ``after`` are the Values that depend on ``wrt``, ``before`` those on which ``end`` depends. That the paths which
    ``via`` keeps are those that ``without`` leaves out is no error: nothing flows there.
    """
    who = "gradient_paths"
    for value, _ in via:
        if value not in after or value not in before:
            why = (
                f"no gradient flows to it from {describe(end[0])}"
                if value in after
                else f"it does not depend on {describe(wrt[0])}"
            )
            raise GraphError(f"{who}: no path passes {describe(value)}, which via= asks for: {why}")
    kept = _masks(via)
    for value, mask in kept.items():
        if not mask.any():
            raise GraphError(
                f"{who}: via= asks for several elements of {describe(value)}; a path passes one of them, ask for each"
            )
    for value, mask in _masks(without, of_none=True).items():
        if value in kept and not (kept[value] & mask).any():
            raise GraphError(f"{who}: via= asks for {describe(value)}, and without= leaves it out")
        kept[value] = kept.get(value, True) & mask
    for (value, index), where in ((end, "start at"), (wrt, "lead to")):
        if value in kept and not kept[value][index]:
            element = f" at {index}" if index else ""
            raise GraphError(f"{who}: all paths {where} {describe(value)}{element}, which via= or without= leaves out")
    required = {value for value, _ in via}
    if len(required) < 2:
        return
    order = {value: k for k, value in enumerate(topological(end[0]))}
    for reader, value in pairwise(sorted(required, key=lambda value: order.get(value, -1), reverse=True)):
        if value not in set(ancestors(reader)):
            raise GraphError(
                f"{who}: no path passes both {describe(value)} and {describe(reader)}, which via= asks for: they stand "
                "on branches of their own; ask for one of them"
            )


def _masks(gates: Iterable[Gate], of_none: bool = False) -> dict[Value, Any]:
    """For each Value a mask of the elements that all its gates name; with ``of_none`` of those that none names."""
    found: dict[Value, Any] = {}
    for value, index in gates:
        found[value] = found.get(value, True) & (_only(value, index) ^ of_none)
    return found


class ViaAndWithout(Gates):
    """The paths from ``end`` to ``wrt`` that pass every gate of ``via`` and none of ``without``."""

    def __init__(self, end: Value, wrt: Value, via: Sequence[Gate], without: Sequence[Gate]) -> None:
        self._order = {node: k for k, node in enumerate(topological(end))}
        self._open: dict[Value, Any] = {}  # for each Value with a gate, a mask of the elements that paths may pass
        self._required = {value for value, _ in via}
        for masks in (_masks(via), _masks(without, of_none=True)):
            for value, mask in masks.items():
                self._restrict(value, mask)
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
