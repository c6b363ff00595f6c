"""Numbers over all paths between two elements, each from one sweep over the graph.

A statistic is a sum over paths of a product along each path. The semiring says which sum and which product are meant,
so one sweep answers every question without listing a path.

Source: M. Mohri, *Semiring frameworks and algorithms for shortest-distance problems*, J. Autom. Lang. Comb. 7 (2002).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from ..core.finiteness import check_local_derivatives
from ..core.shapes import Index
from ..core.sweeps import ALL_OPEN, Gates, forward, reverse
from ..core.value import Value
from ..semirings import ACTIVE_COUNT, COUNT, ENTROPY, GRADIENT, MAGNITUDE
from ..semirings.base import Semiring

__all__ = ["PathStatistics"]

_KEPT = (COUNT, ACTIVE_COUNT, GRADIENT, MAGNITUDE)
"""The semirings whose sweeps several queries read, so that they are kept."""


class PathStatistics:
    """Statistics of the paths from the element ``end_at`` of ``end`` to the element ``at`` of ``wrt``.

    ``gates`` leaves out paths. ``gradient_paths`` makes the subclass that users get.
    """

    def __init__(self, end: Value, wrt: Value, at: Index, end_at: Index, gates: Gates = ALL_OPEN) -> None:
        self.end, self.end_at = end, end_at
        self.wrt, self.at = wrt, at
        self.gates = gates
        self._tangents: dict[Semiring, dict[Value, Any]] = {}
        self._cotangents: dict[Semiring, dict[Value, Any]] = {}
        self._leading: dict[Value, Any] = {}
        self._checked = False

    # ---- sweeps

    def tangents(self, semiring: Semiring) -> dict[Value, Any]:
        """For every Value between: the sum over the paths from each of its elements to ``wrt[at]``, in a semiring.

        Raises ``NonFiniteError`` where the semiring reads a local derivative that is infinite or NaN.
        """
        if semiring in self._tangents:
            return self._tangents[semiring]
        if semiring.reads_weights:
            self.check_finite()
        seed = self.gates.gated(self.wrt, semiring.only(semiring.one(()), self.at, self.wrt.shape), semiring)
        found = forward(self.wrt, self.end, semiring, seed, self.gates)
        if semiring in _KEPT:
            self._tangents[semiring] = found
        return found

    def cotangents(self, semiring: Semiring) -> dict[Value, Any]:
        """For every Value: the sum over the paths from ``end[end_at]`` to each of its elements, in a semiring."""
        if semiring in self._cotangents:
            return self._cotangents[semiring]
        found = reverse(self.end, semiring, self.seed(semiring), self.gates)
        if semiring in _KEPT:
            self._cotangents[semiring] = found
        return found

    def seed(self, semiring: Semiring) -> Any:
        """The cotangent of ``end`` that starts a reverse sweep: the empty path at ``end[end_at]``."""
        return semiring.only(semiring.one(()), self.end_at, self.end.shape)

    def leading(self, value: Value) -> Any:
        """Which elements of a Value paths to ``wrt[at]`` lead on from: truths of its shape."""
        if value not in self._leading:
            self._leading[value] = COUNT.positive(self.tangents(COUNT)[value])
        return self._leading[value]

    def over_all(self, semiring: Semiring) -> Any:
        """The sum over all paths, an element of the semiring."""
        tangents = self.tangents(semiring)
        return semiring.at(tangents[self.end], self.end_at) if self.end in tangents else semiring.zero(())

    def check_finite(self) -> None:
        """Raise ``NonFiniteError`` for a local derivative on a path that is infinite or NaN."""
        if not self._checked:
            check_local_derivatives(self.end, self.tangents(COUNT), "gradient_paths", self.gates.opens)
            self._checked = True

    # ---- numbers

    @cached_property
    def count(self) -> int:
        """How many paths there are: an exact integer of any size. Cost: one sweep.

        Paths with a local derivative of zero count too: the number belongs to the graph, not to the point.
        """
        return int(self.over_all(COUNT))

    @cached_property
    def active_count(self) -> int:
        """How many paths have no local derivative that is zero: an exact integer. Cost: one sweep."""
        return int(self.over_all(ACTIVE_COUNT))

    @property
    def total(self) -> float:
        """The gradient: the sum of all contributions, in the end's units per unit of the value. Cost: one sweep."""
        return float(GRADIENT.result(self.over_all(GRADIENT)))

    @property
    def magnitude(self) -> float:
        """The sum of the absolute contributions, in the gradient's units. Cost: one sweep."""
        return float(MAGNITUDE.result(self.over_all(MAGNITUDE)))

    @property
    def cancellation(self) -> float:
        """1 - |total| / magnitude: 0 where all paths agree in sign, 1 where they cancel; 0 where nothing flows.

        Cost: two sweeps. It is exact even where both numbers underflow.
        """
        total, magnitude = self.over_all(GRADIENT), self.over_all(MAGNITUDE)
        return min(max(1.0 - abs(GRADIENT.quotient(total, magnitude)), 0.0), 1.0) if magnitude != 0.0 else 0.0

    @cached_property
    def entropy(self) -> float:
        """How spread out the contributions are: the entropy of |contribution| / magnitude, in nats. Cost: one sweep.

        0 where one path carries everything, ln n for n equal paths; 0 where nothing flows. Source: the expectation
        semiring of J. Eisner, *Parameter estimation for probabilistic finite-state transducers*, 2002.
        """
        return float(ENTROPY.result(self.over_all(ENTROPY)))
