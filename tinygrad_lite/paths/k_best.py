"""The k largest paths, exactly, however many there are.

Every candidate is a *complete* path: it follows the best path up to some depth, leaves it there by another edge, and
goes on from there by the best tail, which the sweep of MOST_POSITIVE knows. When a path is taken, the paths that
deviate from it once more become candidates; each path is the deviation of exactly one other, so none comes twice.
Ranking partial paths instead is exact as well, but explodes where many are equally good.

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

__all__ = ["Step", "ranked"]


_TIE = 1e-12  # relative differences of contributions below this are ties

Edges = Callable[[Value, Index], Iterator[tuple[Value, Index, float]]]


class Step(NamedTuple):
    """One edge, as a path takes it: where it leads, its local derivative and its place among the edges there."""

    node: Value
    element: Index
    weight: float
    place: int


class _State(NamedTuple):
    """Where a path is, and of which sign the rest of it has to be (0: of any)."""

    node: Value
    element: Index
    sign: int


class _Candidate(NamedTuple):
    """A path not built yet: the first ``depth`` steps of ``parent``, then the edge of this rank, then the best tail.

    Candidates compare by what they lose against the best path, in logarithms, and then by their position: the order of
    their edges. Each deviation stands in it with its depth and place: one to an edge that comes before the best one
    (-1) puts a path before those that follow the best longer, one to an edge behind it (1) after them.
    """

    loss: float
    position: tuple[tuple[int, ...], ...]
    parent: list[Step]
    states: list[_State]
    depth: int
    rank: int


def ranked(
    start: tuple[Value, Index], goal: Value, edges: Edges, tails: dict[Value, Any], sign: int
) -> Iterator[list[Step]]:
    """The paths from ``start`` to ``goal`` whose contribution is not zero, the largest first.

    ``edges`` lists the elementary edges at an element that lead on; ``tails`` come of the MOST_POSITIVE sweep: at
    each element the logarithms of the most positive and of the most negative rest. ``sign`` is 1 or -1 for the
    contributions of that sign only, 0 for all by size.
    """
    sorted_edges: dict[_State, list[tuple[float, Step, _State]]] = {}

    def onwards(state: _State) -> list[tuple[float, Step, _State]]:
        """The edges at a state, the best first: by the logarithm of the best contribution from here on."""
        if state not in sorted_edges:
            found = []
            for place, (node, index, weight) in enumerate(edges(state.node, state.element)):
                if weight:
                    following = _State(node, index, state.sign if weight > 0 else -state.sign)
                    best = math.log(abs(weight)) + _tail(tails[node], following)
                    if best > -math.inf:
                        found.append((best, Step(node, index, weight, place), following))
            sorted_edges[state] = _ties_by_place(found)
        return sorted_edges[state]

    def completed(candidate: _Candidate) -> tuple[list[Step], list[_State]]:
        steps, states = candidate.parent[: candidate.depth], candidate.states[: candidate.depth + 1]
        rank = candidate.rank
        while states[-1].node is not goal:
            _, step, state = onwards(states[-1])[rank]
            steps.append(step)
            states.append(state)
            rank = 0
        return steps, states

    first = _State(*start, sign)
    if sign < 0 if first.node is goal else not onwards(first):  # the empty path contributes 1
        return
    later = [_Candidate(0.0, (), [], [first], 0, 0)]
    tied: list[tuple[tuple[tuple[int, ...], ...], _Candidate]] = []  # those as large as the largest left, by position
    least = 0.0
    while tied or later:
        least = least if tied else later[0].loss
        while later and later[0].loss <= least + _TIE:
            candidate = heapq.heappop(later)
            heapq.heappush(tied, (candidate.position, candidate))
        _, candidate = heapq.heappop(tied)
        steps, states = completed(candidate)
        yield steps
        for depth in range(candidate.depth, len(steps)):
            here = onwards(states[depth])
            rank = candidate.rank + 1 if depth == candidate.depth else 1
            if rank >= len(here):
                continue
            before = candidate.position[:-1] if depth == candidate.depth and candidate.rank else candidate.position
            loss = candidate.loss + here[rank - 1 if depth == candidate.depth else 0][0] - here[rank][0]
            place, best = here[rank][1].place, here[0][1].place
            deviation = (-1, depth, place) if place < best else (1, -depth, place)
            heapq.heappush(later, _Candidate(loss, (*before, deviation), steps, states, depth, rank))


def _ties_by_place(found: list[tuple[float, Step, _State]]) -> list[tuple[float, Step, _State]]:
    """Edges in decreasing order, and in the order of their places where they are as good as the best of their like."""
    found.sort(key=lambda edge: -edge[0])
    start = 0
    for k in range(1, len(found) + 1):
        if k == len(found) or found[start][0] - found[k][0] > _TIE:
            found[start:k] = sorted(found[start:k], key=lambda edge: edge[1].place)
            start = k
    return found


def _tail(tail: Any, state: _State) -> float:
    positive, negative = (float(part[state.element]) if state.element else float(part) for part in tail)
    return max(positive, negative) if not state.sign else positive if state.sign > 0 else negative
