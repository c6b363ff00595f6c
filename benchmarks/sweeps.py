"""Sweeps over recorded graphs: each statistic against the gradient, its growth, and sums that need exact numbers.

The number of elementary edges of a graph follows from its shapes: each product of two numbers in a matrix product is
one edge. Networks of a given number of edges are built by width, by batch or by depth.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from . import training
from .measure import Growing, Pair, Program
from .training import Disagreement, Problem

__all__ = ["FAMILIES", "SWEPT", "against_gradient", "chain_counted", "doublings", "edges", "growing", "sized", "top"]

SWEPT = {
    "small": Problem((64, 128, 10), 64, "classifier"),
    "large": Problem((784, 512, 256, 10), 64, "classifier"),
}


def against_gradient(semiring: str, size: str) -> Pair:
    """One statistic of all paths to every parameter against the gradient, by sweeps over the same recorded graph."""
    recorded = training.recorded(SWEPT[size])
    return Pair(_sweep(semiring, *recorded), _sweep("GRADIENT", *recorded))


def _sweep(semiring: str, loss: Any, parameters: Any) -> Program:
    import tinygrad_lite as tg

    return partial(tg.sweep, loss, getattr(tg.semirings, semiring), wrt=parameters)


# ---- growth ----------------------------------------------------------------------------------------------------------

FAMILIES: dict[str, Callable[[int], Problem]] = {
    "width": lambda n: Problem((n, n, 10), 16, "classifier"),
    "batch": lambda n: Problem((16, 32, 10), n, "classifier"),
    "depth": lambda n: Problem((*[32] * n, 10), 8, "classifier"),
    # One neuron per layer: elsewhere numbers of paths grow with depth, to thousands of digits.
    "thin": lambda n: Problem((*[1] * n, 10), 200, "classifier"),
}
"""Networks that grow in one way each."""


def edges(problem: Problem) -> int:
    """The number of elementary edges of the graph of the loss, from the shapes alone."""
    # The cross-entropy: logsumexp and the product with the labels of each logit; a difference, a sum, a division.
    found = problem.samples * (2 * problem.dims[-1] + 3) + (problem.samples > 1)
    layers = list(zip(problem.dims[:-1], problem.dims[1:], strict=True))
    for k, (inputs, outputs) in enumerate(layers):
        per_output = (2 if k else 1) * inputs + 1  # the weights, their factors (without the data), the bias
        found += problem.samples * outputs * (per_output + (k < len(layers) - 1))  # a hidden neuron has a ReLU
    return found


def sized(family: str, at_least: int) -> Problem:
    """The smallest network of a family with at least this many elementary edges."""
    low, high = 1, 2
    while edges(FAMILIES[family](high)) < at_least:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if edges(FAMILIES[family](middle)) < at_least else (low, middle)
    return FAMILIES[family](high)


def growing(semiring: str, family: str) -> Growing:
    """The sweep of one statistic, for every number of elementary edges."""
    return Growing(lambda size: _sweep(semiring, *training.recorded(sized(family, size))), smallest=100_000, beyond=10)


# ---- exact numbers ---------------------------------------------------------------------------------------------------


def chain_counted() -> Pair:
    """Counting the paths of a chain of 100,000 scalar ops, against its gradient by the same kind of sweep."""
    import tinygrad_lite as tg

    x = y = tg.Value(1.0)
    for _ in range(50_000):
        y = y * 1.0 + 1e-6
    return _exact(y, x, 1)


def doublings() -> Pair:
    """Counting 2^1000 paths, where each of 1000 ops reads the one before twice, against their sum."""
    import tinygrad_lite as tg

    x = y = tg.Value(1.0)
    for _ in range(1000):
        y = 0.5 * y + 0.5 * y
    return _exact(y, x, 2**1000)


def _exact(end: Any, start: Any, expected: int) -> Pair:
    count, gradient = _sweep("COUNT", end, start), _sweep("GRADIENT", end, start)
    if count() != expected:
        raise Disagreement("the number of paths is wrong; nothing was timed")
    return Pair(count, gradient)


def top() -> Pair:
    """The 100 largest of 10^30 paths through 15 matrices, against the largest one alone."""
    import tinygrad_lite as tg

    weight = np.random.default_rng(0).normal(0.0, 0.1, (100, 100))
    x = h = tg.Value(np.ones(100))
    for _ in range(15):
        h = h @ weight
    end = h.sum()

    def largest(k: int) -> Any:
        return tg.gradient_paths(end, x, at=0).top(k)  # a new search: nothing is kept between calls

    if tg.gradient_paths(end, x, at=0).count != 10**30:
        raise Disagreement("the number of paths is wrong; nothing was timed")
    return Pair(partial(largest, 100), partial(largest, 1))
