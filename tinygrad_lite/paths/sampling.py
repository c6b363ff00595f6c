"""Random paths, each drawn with a probability proportional to the size of its contribution.

The LOG_MAGNITUDE sweep knows, for every element, the magnitude of all paths that lead on from it. So a path is drawn
edge by edge: the probability of an edge is its share of |local derivative · magnitude behind it|.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import numpy as np

from ..core.shapes import Index
from ..core.value import Value
from .k_best import Edges, Step

__all__ = ["drawn"]

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
