"""What the graph of a loss knows: every array that a right hand-written backpropagation may compute.

Data, cotangents, what single edges contribute, sums of some of the contributions, and local derivatives; each also
summed over axes and transposed. Where an array is none of these, it may be a piece of one: a row, or an element.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..core.graph import ancestors, chains, topological
from ..core.maps import Contract, Scale, SumOver
from ..core.sweeps import reverse
from ..core.value import Value
from ..semirings import GRADIENT, MAGNITUDE
from .forms import Forms, Match, Quantity, same_numbers, trivial
from .pieces import pieces

__all__ = ["Known", "Match", "Quantity", "same_numbers", "trivial"]

_PREFIX = re.compile(r"^(?:d|grad|g|delta|δ|Δ)_?(?P<name>.+)$")
_SUFFIX = re.compile(r"^(?P<name>.+?)_?(?:grad|bar|delta)$")
_MOST_SUBSETS = 4
_ROUNDING = 1e-13
"""Of the sizes of the terms that a sum adds up."""


class Known:
    """The quantities of the graph of ``loss``. ``tolerance`` is the relative difference allowed."""

    def __init__(self, loss: Value, tolerance: float = 1e-7) -> None:
        self.tolerance = tolerance
        self._graph = topological(loss)
        self.values = ancestors(loss)
        with np.errstate(all="ignore"):
            self._totals = reverse(loss, GRADIENT)
            terms = reverse(loss, MAGNITUDE)
        self.cotangents = {value: np.asarray(GRADIENT.result(g), float) for value, g in self._totals.items()}
        self._terms = {value: float(np.max(MAGNITUDE.result(t), initial=0.0)) for value, t in terms.items()}
        self.contributions: dict[Value, list[tuple[Value, Any]]] = defaultdict(list)
        self.factors = sorted(self._factors() - {1.0})
        self._by_name: dict[str, Value] = {}
        for value in (*self.values, *self.cotangents):
            if value.name is not None:
                self._by_name.setdefault(value.name, value)
        self._by_plain_name = {_plain(name): value for name, value in reversed(self._by_name.items())}
        self._whole = Forms(self._quantities(), self.factors, tolerance)

    # ---- names

    def called(self, name: str) -> Value | None:
        """The Value whose gradient a variable of this name should hold: ``z`` for ``dz``, ``z_grad``, ``δz``."""
        for pattern in (_PREFIX, _SUFFIX):
            if (found := pattern.match(name)) is not None:
                value = self.named(found["name"])
                if value is not None and value in self.cotangents:
                    return value
        return None

    def named(self, name: str) -> Value | None:
        """The Value of this name, however its index is written."""
        found = self._by_name.get(name)
        return self._by_plain_name.get(_plain(name)) if found is None else found

    # ---- recognising

    @property
    def quantities(self) -> list[Quantity]:
        """The quantities by which arrays are recognised."""
        forms = (form for some in self._whole.by_size.values() for form in some)
        return [quantity for quantity, transposed, _ in forms if not transposed]

    def matches(self, array: Any) -> list[Match]:
        """The quantities that an array is equal or proportional to, exact ones first."""
        return self._whole.matches(array) or self._pieces.matches(array)

    @cached_property
    def _pieces(self) -> Forms:
        """The rows and elements of arrays: known only where something is no whole quantity."""
        found = pieces(self._graph, self.values, self._totals, self.cotangents)
        return Forms(found, self.factors, self.tolerance)

    def gradients_of_size(self, size: int) -> list[tuple[Quantity, Any]]:
        """The gradients of so many elements, and parts and sums of gradients; whole ones first."""
        flowing = ("cotangent", "partial", "contribution")
        forms = self._whole.by_size.get(size, ())
        found = [(q, form) for q, turned, form in forms if q.role in flowing and not turned]
        return sorted(found, key=lambda pair: (bool(pair[0].form), flowing.index(pair[0].role)))

    def near(self, array: Any, value: Value) -> bool:
        """Whether an array is the gradient of ``value``, in its shape."""
        right = self.cotangents[value]
        array = np.asarray(array)
        if array.shape != right.shape or not np.isfinite(array).all():
            return False
        size = max(float(np.max(np.abs(right), initial=0.0)), float(np.max(np.abs(array), initial=0.0)))
        allowed = self.tolerance * size + self._rounding(value)
        return bool(np.max(np.abs(array - right), initial=0.0) <= allowed)

    # ---- what there is

    def _quantities(self) -> Iterator[Quantity]:
        for value, g in self.cotangents.items():
            yield from self._summed(Quantity("cotangent", value, g, rounding=self._rounding(value)))
        with np.errstate(all="ignore"):
            for node in self._graph:
                yield from self._of_edges(node)
        for value, parts in self.contributions.items():
            yield from self._partial_sums(value, parts)
        for value in self.values:
            data = np.asarray(value.data)
            if data.dtype.kind == "f" and not (value.name is None and value.is_leaf and not data.ndim):
                yield Quantity("data", value, data.astype(float))

    def _rounding(self, value: Value) -> float:
        return _ROUNDING * self._terms.get(value, 0.0)

    def _of_edges(self, node: Value) -> Iterator[Quantity]:
        for _, operand, chain in chains(node):
            g = self._totals.get(node)
            if g is None:
                continue
            for k, linear_map in enumerate(chain):
                weight = linear_map.weight if isinstance(linear_map, Scale | SumOver) else None
                if isinstance(linear_map, Contract):
                    weight = linear_map.operand
                if weight is not None and np.ndim(weight):
                    yield Quantity("local", operand, np.asarray(weight, float), (node,))
                g = GRADIENT.pull((linear_map,), g, node)
                if k < len(chain) - 1:
                    yield Quantity(
                        "contribution", operand, np.asarray(GRADIENT.result(g), float), (node,), "before it is summed"
                    )
            part = np.asarray(GRADIENT.result(GRADIENT.fitted(g, operand)), float)
            self.contributions[operand].append((node, part))
            yield from self._summed(Quantity("contribution", operand, part, (node,), rounding=self._rounding(operand)))

    def _partial_sums(self, value: Value, parts: Sequence[tuple[Value, Any]]) -> Iterator[Quantity]:
        if 2 < len(parts) <= _MOST_SUBSETS:
            for n in range(2, len(parts)):
                for some in itertools.combinations(parts, n):
                    total = sum(part for _, part in some)
                    yield Quantity("partial", value, total, tuple(node for node, _ in some))

    def _summed(self, quantity: Quantity) -> Iterator[Quantity]:
        yield quantity
        ndim = quantity.array.ndim
        for n in range(1, ndim + 1):
            for axes in itertools.combinations(range(ndim), n):
                which = "all axes" if n == ndim else f"axis {', '.join(map(str, axes))}"
                total = quantity.array.sum(axis=axes)
                yield Quantity(
                    quantity.role, quantity.value, total, quantity.readers, f"summed over {which}", quantity.rounding
                )

    def _factors(self) -> set[float]:
        lengths = {float(n) for value in self.values for n in value.shape if n > 1}
        whole = {
            1.0,
            2.0,
            3.0,
            4.0,
            *lengths,
            *(n - 1 for n in lengths if n > 2),
            *(float(v.size) for v in self.values),
        }
        return {sign * n for n in whole for sign in (1.0, -1.0)} | {sign / n for n in whole for sign in (1.0, -1.0)}


def _plain(name: str) -> str:
    """A name without what may be written in several ways in an index."""
    return re.sub(r"[_\[\], ]", "", name)
