"""The chains of linear maps in a graph, and a semiring for them that takes no short way."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_lite import Value
from tinygrad_lite.core.graph import ancestors, chains
from tinygrad_lite.core.maps import Chain
from tinygrad_lite.semirings import GRADIENT, Semiring


class Generic(Semiring):
    """The gradient again, but without BLAS or any other short way: + and × as a semiring that is not ``linear``."""

    name = "GENERIC"

    def lift(self, weight: Any) -> Any:
        return weight

    def times(self, a: Any, b: Any) -> Any:
        return a * b

    def sum(self, a: Any, axis: tuple[int, ...]) -> Any:
        return np.sum(a, axis=axis)

    def zero(self, shape: tuple[int, ...]) -> Any:
        return np.zeros(shape) if shape else 0.0

    def scalar(self, a: Any) -> Any:
        return float(a)


GENERIC = Generic()


def pull(chain: Chain, g: Any, semiring: Semiring = GRADIENT) -> Any:
    for linear_map in chain:
        g = linear_map.pull(g, semiring)
    return g


def push(chain: Chain, t: Any, semiring: Semiring = GRADIENT) -> Any:
    for linear_map in reversed(chain):
        t = linear_map.push(t, semiring)
    return t


def random(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    x = rng.standard_normal(shape)
    return x if shape else float(x)


def all_chains(end: Value) -> list[tuple[Value, int, Value, Chain]]:
    """Every local derivative in a graph: node, position, operand, chain."""
    return [(node, k, operand, chain) for node in ancestors(end) for k, operand, chain in chains(node)]
