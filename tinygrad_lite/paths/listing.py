"""Paths listed one by one: the largest first, those that carry nothing, and random ones.

Listing asks for the elementary edges at one element at a time, so nothing is materialised but the paths themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..core.graph import chains
from ..core.maps import Chain, edges
from ..core.shapes import Index
from ..core.value import Value
from ..semirings import ACTIVE_COUNT, COUNT, LOG_MAGNITUDE, MOST_POSITIVE
from .k_best import Step, largest_first
from .path import Path
from .sampling import drawn
from .statistics import PathStatistics

__all__ = ["Listing"]


class Listing:
    """The paths that statistics sum over, one by one, as ``Path`` objects."""

    def __init__(self, paths: PathStatistics) -> None:
        self._paths = paths
        self._start = (paths.end, paths.end_at)
        self._counts = paths.tangents(COUNT)
        self._chains: dict[Value, list[tuple[Value, Chain]]] = {}

    def largest(self, sign: int) -> Iterator[Path]:
        """Paths by the size of their contribution, the largest first; with ``sign`` 1 or -1 only those of that sign.

        With ``sign`` 0 the paths that carry nothing come last.
        """
        paths = self._paths
        if not paths.count:
            return
        tails = {value: MOST_POSITIVE.logarithms(a) for value, a in paths.tangents(MOST_POSITIVE).items()}
        for steps in largest_first(self._start, paths.wrt, self._edges, tails, sign):
            yield self._path(steps)
        if not sign and paths.count > paths.active_count:
            yield from self._inactive()

    def random(self, rng: np.random.Generator) -> Iterator[Path]:
        """Independent draws without end, each path with a probability of |contribution| / magnitude."""
        tails = {value: LOG_MAGNITUDE.result(a) for value, a in self._paths.tangents(LOG_MAGNITUDE).items()}
        for steps in drawn(self._start, self._paths.wrt, self._edges, tails, rng):
            yield self._path(steps)

    def _path(self, steps: list[Step]) -> Path:
        end, end_at = self._start
        return Path(
            (end, *(step.node for step in steps)),
            (end_at, *(step.element for step in steps)),
            tuple(step.weight for step in steps),
        )

    def _inactive(self) -> Iterator[Path]:
        """The paths with a zero among their local derivatives, in the order of their edges.

        A depth-first walk that follows an edge only if it leads to such a path.
        """
        counts, active = self._counts, self._paths.tangents(ACTIVE_COUNT)
        steps: list[Step] = []
        zeros = 0  # among the steps
        stack = [self._steps(*self._start)]
        while stack:
            step = next(stack[-1], None)
            if step is None:
                stack.pop()
                if steps:
                    zeros -= not steps.pop().weight
                continue
            node, element, weight, _ = step
            if node is self._paths.wrt:
                if zeros or not weight:
                    yield self._path([*steps, step])
            elif zeros or not weight or COUNT.at(counts[node], element) > COUNT.at(active[node], element):
                steps.append(step)
                zeros += not weight
                stack.append(self._steps(node, element))

    def _steps(self, node: Value, index: Index) -> Iterator[Step]:
        return (Step(*edge, number) for number, edge in enumerate(self._edges(node, index)))

    def _edges(self, node: Value, index: Index) -> Iterator[tuple[Value, Index, float]]:
        """The elementary edges at one element that lead on to ``wrt[at]``."""
        if node not in self._chains:
            with np.errstate(all="ignore"):  # as in a sweep
                self._chains[node] = [
                    (operand, chain)
                    for _, operand, chain in chains(node)
                    if operand in self._counts and self._paths.gates.opens(node, operand)
                ]
        for operand, chain in self._chains[node]:
            leading_on: Any = self._counts[operand]
            for inner, weight in edges(chain, index):
                if leading_on[inner] if inner else leading_on:
                    yield operand, inner, weight
