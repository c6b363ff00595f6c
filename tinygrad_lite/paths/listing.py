"""Paths listed one by one: the largest first, those that carry nothing, and random ones.

Listing asks for the elementary edges at one element at a time, so nothing is materialised but the paths themselves.

A random path is drawn with a probability proportional to the size of its contribution. The LOG_MAGNITUDE sweep knows,
for every element, the magnitude of all paths that lead on from it. So a path is drawn edge by edge: the probability of
an edge is its share of |local derivative · magnitude behind it|.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import numpy as np

from ..core.graph import chains
from ..core.maps import Chain, edges
from ..core.shapes import Index
from ..core.value import Value
from ..semirings import ACTIVE_COUNT, COUNT, LOG_MAGNITUDE, MOST_POSITIVE
from .k_best import Edges, Step, largest_first
from .path import Path
from .statistics import PathStatistics

__all__ = ["Listing", "drawn"]


class Listing:
    """The paths that statistics sum over, one by one, as ``Path`` objects."""

    def __init__(self, paths: PathStatistics) -> None:
        self._paths = paths
        self._start = (paths.end, paths.end_at)
        self._counts = paths.tangents(COUNT)
        self._chains: dict[Value, list[tuple[Value, Chain]]] = {}

    def largest(self, sign: int) -> Iterator[Path]:
        """Paths by the size of their contribution, the largest first; with ``sign`` 1 or -1 only those of that sign.

        With ``sign`` 0 the paths that carry nothing come last. A contribution that underflows to 0 has no sign.
        """
        paths = self._paths
        if not paths.count:
            return
        tails = {value: MOST_POSITIVE.logarithms(a) for value, a in paths.tangents(MOST_POSITIVE).items()}
        for steps in largest_first(self._start, paths.wrt, self._edges, tails, sign):
            path = self._path(steps)
            if sign and not path.contribution:
                return
            yield path
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
            leading_on: Any = self._paths.leading(operand)
            for inner, weight in edges(chain, index):
                if leading_on[inner] if inner else leading_on:
                    yield operand, inner, weight


State = tuple[Value, Index]


def drawn(
    start: State, goal: Value, edges: Edges, tails: dict[Value, Any], rng: np.random.Generator
) -> Iterator[list[Step]]:
    """Independent draws without end. ``tails`` are results of the LOG_MAGNITUDE sweep, not -inf at ``start``."""
    known: dict[State, tuple[list[Step], list[float]]] = {}

    def onward(state: State) -> tuple[list[Step], list[float]]:
        """The edges at a state whose local derivative is not zero, and their cumulative shares."""
        if state not in known:
            found = [Step(node, index, weight, k) for k, (node, index, weight) in enumerate(edges(*state)) if weight]
            logs = [
                math.log(abs(weight)) + (tails[node][element] if element else tails[node])
                for node, element, weight, _ in found
            ]
            top = max(logs)
            known[state] = found, list(accumulate(math.exp(log - top) for log in logs))
        return known[state]

    while True:
        steps: list[Step] = []
        state = start
        while state[0] is not goal:
            found, shares = onward(state)
            chosen = bisect_right(shares, rng.random() * shares[-1])
            step = found[min(chosen, len(found) - 1)]
            steps.append(step)
            state = (step.node, step.element)
        yield steps
