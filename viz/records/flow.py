"""How much of a gradient runs through each place between an end and a value.

The magnitude of a gradient is the sum of the absolute contributions of its paths. The *share* of a place is the part
contributed by the paths through it. Two sweeps in the magnitude semiring, forward from the value and back from the end,
give every share: the product of the two sums at that place. The shares along a cut (a set of places that every path
crosses once) add up to 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_lite.core.maps import Chain
from tinygrad_lite.core.shapes import Index
from tinygrad_lite.core.value import Value
from tinygrad_lite.paths.queries import GradientPaths
from tinygrad_lite.semirings import GRADIENT, MAGNITUDE
from tinygrad_lite.semirings.base import Semiring

__all__ = ["Carried", "Flow", "Sums", "marked"]

ROUNDING = 1e-12
MARKED = 5
"""The number of lines of a picture that have their share in percent beside them."""


class Sums:
    """The sum over all paths through a place, in a semiring, for every place between an end and a value.

    ``behind`` holds, for each element of each Value, the sum over the paths from it to the value; ``ahead`` the sum
    over the paths from the end to it; ``of_all`` is the sum over all paths.

    >>> from tinygrad_lite import Value, gradient_paths
    >>> from tinygrad_lite.semirings import COUNT
    >>> x = Value(3.0)
    >>> y = x * x
    >>> sums = Sums(gradient_paths(y * y, x), COUNT)
    >>> sums.of_all, sums.through(y), sums.at(y, ())
    (4, 4, 4)
    """

    def __init__(self, paths: GradientPaths, semiring: Semiring) -> None:
        self.semiring = semiring
        self.behind = {value: semiring.result(a) for value, a in paths.tangents(semiring).items()}
        self.ahead = {value: semiring.result(a) for value, a in paths.cotangents(semiring).items()}
        self.of_all = self._at(self.behind, paths.end, paths.end_at)

    def reach(self, value: Value) -> Any:
        """Whether each element of a value lies on a path: booleans of the value's shape."""
        if value not in self.behind or value not in self.ahead:
            return np.zeros(value.shape, bool)
        return np.not_equal(self.behind[value], 0) & np.not_equal(self.ahead[value], 0)

    def at(self, value: Value, index: Index) -> Any:
        """The sum over the paths through one element."""
        return self._at(self.behind, value, index) * self._at(self.ahead, value, index)

    def through(self, value: Value) -> Any:
        """The sum over the paths through any element of a value."""
        if value not in self.behind or value not in self.ahead:
            return 0
        return self._total(self.behind[value], self.ahead[value])

    def edge(self, node: Value, index: Index, operand: Value, inner: Index, weight: float) -> Any:
        """The sum over the paths through one elementary edge, from element ``inner`` to element ``index``."""
        return self._at(self.ahead, node, index) * self.semiring.lift(weight) * self._at(self.behind, operand, inner)

    def along(self, node: Value, operand: Value, chain: Chain) -> Any:
        """The sum over the paths through one arrow of the graph, with all its elementary edges."""
        if node not in self.ahead or operand not in self.behind:
            return 0
        with np.errstate(all="ignore"):
            pulled = self.ahead[node]
            for linear_map in chain:
                pulled = linear_map.pull(pulled, self.semiring)
        return self._total(pulled, self.behind[operand])

    def _total(self, a: Any, b: Any) -> Any:
        with np.errstate(all="ignore"):
            products = self.semiring.times(a, b)
            if np.ndim(products):
                products = self.semiring.sum(products, tuple(range(-np.ndim(products), 0)))
            return self.semiring.scalar(products)

    def _at(self, of: dict[Value, Any], value: Value, index: Index) -> Any:
        """An element as a Python number: a product of counts has no limit then."""
        found = of.get(value)
        if found is None:
            return 0
        return self.semiring.scalar(found[index] if value.shape else found)


@dataclass(frozen=True, slots=True)
class Carried:
    """What runs through a line: the part of |gradient|, and the sum of the contributions of the paths through it."""

    share: float
    total: float


def marked(shares: Sequence[float]) -> set[int]:
    """The positions of the largest shares, which are written in percent; all of |gradient| needs no mark.

    Lines of one share are one stream that goes on, and have one mark.

    >>> sorted(marked([1.0, 0.5, 0.3, 0.2, 0.1, 0.1, 0.05, 0.0]))
    [1, 2, 3, 4, 6]
    """
    found: list[int] = []
    for k in sorted(range(len(shares)), key=lambda k: -shares[k]):
        if 0.0 < shares[k] < 0.995 and not (found and math.isclose(shares[k], shares[found[-1]])):
            found.append(k)
    return set(found[:MARKED])


class Flow:
    """What runs through each place between the end and the value of some paths.

    >>> from tinygrad_lite import Value, gradient_paths
    >>> x, w = Value(3.0, name="x"), Value(2.0, name="w")
    >>> u = w * 1.0
    >>> v = w * 3.0
    >>> flow = Flow(gradient_paths(u - v, w))
    >>> flow.magnitude, flow.through(u), flow.through(v)
    (4.0, 0.25, 0.75)
    """

    def __init__(self, paths: GradientPaths) -> None:
        self.sums, self.signed = Sums(paths, MAGNITUDE), Sums(paths, GRADIENT)
        self.magnitude = float(self.sums.of_all)

    def at(self, value: Value, index: Index) -> float:
        """The share of one element."""
        return float(self.share(self.sums.at(value, index)))

    def through(self, value: Value) -> float:
        """The share of a value, all its elements together."""
        return float(self.share(self.sums.through(value)))

    def edge(self, node: Value, index: Index, operand: Value, inner: Index, weight: float) -> Carried:
        """What runs through one elementary edge."""
        magnitude, total = (sums.edge(node, index, operand, inner, weight) for sums in (self.sums, self.signed))
        return self.carried(magnitude, total)

    def along(self, node: Value, operand: Value, chain: Chain) -> Carried:
        """What runs through one arrow of the graph, all its elementary edges together."""
        magnitude, total = (sums.along(node, operand, chain) for sums in (self.sums, self.signed))
        return self.carried(magnitude, total)

    def carried(self, magnitude: float, total: float) -> Carried:
        """The record of a line; a total that is rounding alone is 0, since its sign means nothing."""
        return Carried(float(self.share(magnitude)), float(total) if abs(total) > ROUNDING * magnitude else 0.0)

    def share(self, magnitude: Any) -> Any:
        """Magnitudes as parts of the whole; 0 where the whole is 0 or overflowed."""
        with np.errstate(all="ignore"):
            shares = np.divide(magnitude, self.magnitude)
        return np.where(np.isfinite(shares), shares, 0.0)
