"""The k largest paths, exactly, however many paths there are.

Every candidate is a *complete* path: it follows another path up to some depth, leaves it there by a worse edge, and
goes on by the best tail, which the sweep of MOST_POSITIVE knows. When a path is taken, its own deviations become
candidates. Each path deviates from exactly one other, so none comes twice. Ranking *partial* paths is exact too, but
explodes where many paths are equally good.

Source: W. Hoffman and R. Pavley, *A method for the solution of the Nth best path problem*, J. ACM 6 (1959); the lazy
k-best algorithm of L. Huang and D. Chiang, *Better k-best parsing*, 2005.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ..core.shapes import Index
from ..core.value import Value

__all__ = ["Edges", "Step", "largest_first"]

_TIE = 1e-12
"""Contributions whose relative difference is below this are ties."""

Edges = Callable[[Value, Index], Iterator[tuple[Value, Index, float]]]
"""Lists the elementary edges at an element that lead on: operand, its element, local derivative."""


class Step(NamedTuple):
    """One edge of a path: where it leads, its local derivative, and its number among the edges that start there."""

    node: Value
    element: Index
    weight: float
    number: int


class _State(NamedTuple):
    """An element that a path has reached, and the sign that the rest of the path must have (0: any)."""

    node: Value
    element: Index
    sign: int


class _Onward(NamedTuple):
    """An edge that leads on from a state: the logarithm of the best contribution by way of it, and where it leads."""

    best: float
    step: Step
    state: _State


Position = tuple[tuple[int, ...], ...]


class _Candidate(NamedTuple):
    """A path not built yet: the first ``depth`` steps of ``parent``, then the edge of this rank, then the best tail.

    Candidates compare by ``loss``, the logarithm of the best path's size over theirs, and then by ``position``, the
    order of their edges. Each deviation stands in the position with its depth and number. A deviation
    to an edge before the best one (-1) puts a path ahead of those that follow the best longer; one to an edge behind it
    (1) puts it after them.
    """

    loss: float
    position: Position
    parent: list[Step]
    states: list[_State]
    depth: int
    rank: int


def largest_first(
    start: tuple[Value, Index], goal: Value, edges: Edges, tails: dict[Value, Any], sign: int
) -> Iterator[list[Step]]:
    """The paths from ``start`` to ``goal`` whose contribution is not zero, the largest first.

    ``tails`` are the logarithms of the MOST_POSITIVE sweep: at each element the most positive and the most negative
    rest of a path. ``sign`` is 1 or -1 for the contributions of that sign only, 0 for all by size.
    """
    search = _Search(goal, edges, tails)
    first = _State(*start, sign)
    if sign < 0 if first.node is goal else not search.onward(first):  # the empty path contributes 1
        return
    later = [_Candidate(0.0, (), [], [first], 0, 0)]
    tied: list[tuple[Position, _Candidate]] = []  # candidates as large as the largest left, by position
    least = 0.0
    while tied or later:
        least = least if tied else later[0].loss
        while later and later[0].loss <= least + _TIE:
            candidate = heapq.heappop(later)
            heapq.heappush(tied, (candidate.position, candidate))
        _, candidate = heapq.heappop(tied)
        steps, states = search.completed(candidate)
        yield steps
        for deviation in search.deviations(candidate, steps, states):
            heapq.heappush(later, deviation)


class _Search:
    """The edges that lead on from each state, in order, and the candidates made of them."""

    def __init__(self, goal: Value, edges: Edges, tails: dict[Value, Any]) -> None:
        self._goal, self._edges, self._tails = goal, edges, tails
        self._onward: dict[_State, list[_Onward]] = {}

    def onward(self, state: _State) -> list[_Onward]:
        """The edges at a state that a path of the wanted sign can take, the best first."""
        if state not in self._onward:
            found = []
            for number, (node, index, weight) in enumerate(self._edges(state.node, state.element)):
                if weight:
                    following = _State(node, index, state.sign if weight > 0 else -state.sign)
                    best = math.log(abs(weight)) + _tail(self._tails[node], following)
                    if best > -math.inf:
                        found.append(_Onward(best, Step(node, index, weight, number), following))
            self._onward[state] = _ties_by_number(found)
        return self._onward[state]

    def completed(self, candidate: _Candidate) -> tuple[list[Step], list[_State]]:
        """The steps of a candidate from start to goal, and the states before, between and after them."""
        steps, states = candidate.parent[: candidate.depth], candidate.states[: candidate.depth + 1]
        rank = candidate.rank
        while states[-1].node is not self._goal:
            _, step, state = self.onward(states[-1])[rank]
            steps.append(step)
            states.append(state)
            rank = 0
        return steps, states

    def deviations(self, candidate: _Candidate, steps: list[Step], states: list[_State]) -> Iterator[_Candidate]:
        """The candidates that leave a completed path by the next worse edge, one for each depth where there is one."""
        for depth in range(candidate.depth, len(steps)):
            here = self.onward(states[depth])
            again = depth == candidate.depth  # the candidate itself deviates here
            rank = candidate.rank + 1 if again else 1
            if rank < len(here):
                before = candidate.position[:-1] if again and candidate.rank else candidate.position
                loss = candidate.loss + here[rank - 1].best - here[rank].best
                number, best = here[rank].step.number, here[0].step.number
                deviation = (-1, depth, number) if number < best else (1, -depth, number)
                yield _Candidate(loss, (*before, deviation), steps, states, depth, rank)


def _ties_by_number(found: list[_Onward]) -> list[_Onward]:
    """Edges in decreasing order; those as good as the best of a run of ties stay in the order of their numbers."""
    found.sort(key=lambda edge: -edge.best)
    start = 0
    for k in range(1, len(found) + 1):
        if k == len(found) or found[start].best - found[k].best > _TIE:
            found[start:k] = sorted(found[start:k], key=lambda edge: edge.step.number)
            start = k
    return found


def _tail(tail: Any, state: _State) -> float:
    """The logarithm of the largest rest of a path from a state, of the sign that it must have."""
    positive, negative = (float(part[state.element]) if state.element else float(part) for part in tail)
    return max(positive, negative) if not state.sign else positive if state.sign > 0 else negative
