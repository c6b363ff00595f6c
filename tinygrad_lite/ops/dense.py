"""The linear map of a decomposition: every input element affects every output element.

The map is written once, as the pull of a cotangent: a few matrix products that work on numbers and on Values, at any
size. The push is its transpose, computed by pulling back through those products. Counts, magnitudes and paths need the
entries themselves: m · n numbers for n input and m output elements.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextvars import Context
from functools import cached_property
from typing import Any

import numpy as np

from ..core.maps import Contract
from ..core.shapes import Index, Shape, shape_of
from ..core.sweeps import carry_back
from ..core.value import Value, raw
from ..errors import ArgumentError
from ..semirings.base import Semiring
from .axes import LETTERS
from .on_values import arithmetic

__all__ = ["AT_MOST", "Dense"]


AT_MOST = 10_000_000
"""Entries of a Jacobian that are computed one by one: 80 MB of them."""


class Dense:
    """The local derivative whose pull is ``back``. A cotangent has the result's shape after its leading axes.

    The first ``batch`` axes of operand and result count independent matrices.
    """

    def __init__(self, who: str, in_shape: Shape, out_shape: Shape, batch: int, back: Callable[[Any], Any]) -> None:
        self.who = who
        self.in_shape = in_shape
        self.out_shape = out_shape
        self.batch = batch
        self.back = back

    def pull(self, g: Any, semiring: Semiring) -> Any:
        return self.back(g) if _ordinary(semiring) else self.contract.pull(g, semiring)

    def push(self, t: Any, semiring: Semiring) -> Any:
        return self._transposed(t) if _ordinary(semiring) else self.contract.push(t, semiring)

    def edges(self, index: Index) -> Iterator[tuple[Index, float]]:
        return self.contract.edges(index)

    def _transposed(self, t: Any) -> Any:
        """``<push(t), g> = <t, back(g)>`` for every g: the gradient of the right side with respect to g."""
        lead = shape_of(t)[: len(shape_of(t)) - len(self.in_shape)]
        recorded = isinstance(t, Value)

        def pushed() -> Any:
            g = Value(np.zeros(lead + self.out_shape, t.dtype))
            (found,) = carry_back([self.back(g)], [t], [g], arithmetic(recorded))
            return np.zeros(lead + self.out_shape, t.dtype) if found is None else found

        return Context().run(pushed)  # records even inside no_grad

    @cached_property
    def contract(self) -> Contract:
        """The same map as the array of its entries.

        Raises ``ArgumentError`` for more than ``AT_MOST``.
        """
        batch, out, own = self.out_shape[: self.batch], self.out_shape[self.batch :], self.in_shape[self.batch :]
        m, n = math.prod(out), math.prod(own)
        if math.prod(batch) * m * n > AT_MOST:
            raise ArgumentError(
                f"{self.who}: path queries need the full Jacobian of {m} × {n} elements, "
                f"{math.prod(batch) * m * n:,} numbers, and at most {AT_MOST:,} are computed; query smaller matrices, "
                "or take gradients, which do without it"
            )
        units = np.zeros((m, *batch, m))
        units[np.arange(m), ..., np.arange(m)] = 1.0
        with np.errstate(all="ignore"):
            rows = raw(self.back(units.reshape((m, *batch, *out))))
        entries = np.moveaxis(np.reshape(rows, (m, *batch, n)), 0, -2).reshape((*batch, *out, *own))
        letters = iter(LETTERS)
        words = ["".join(next(letters) for _ in shape) for shape in (batch, out, own)]
        return Contract(words[0] + words[1], words[0] + words[2], "".join(words), entries)


def _ordinary(semiring: Semiring) -> bool:
    """Whether the semiring takes weights as they are, like the gradient: then the pull needs no single entry."""
    return semiring.linear and semiring.lift(-1.0) == -1.0
