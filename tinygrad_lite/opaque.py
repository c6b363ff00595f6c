"""A linear map that is known only by how it pulls one cotangent back: the last resort, for an op given by its vjp.

The gradient goes through it as it is. Every other question (forward mode, counts, magnitudes, paths one by one) needs
the entries of the Jacobian, which is then built: one pull for each element of the result.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np

from . import moves
from .carrying import _NUMBERS
from .errors import ArgumentError
from .maps import Contract, Index, Reshape, Shape, shape_of
from .semirings import GRADIENT, Semiring
from .value import Value, constant

__all__ = ["MOST_ENTRIES", "Opaque"]

MOST_ENTRIES = 1 << 20
"""Entries of a Jacobian that is built: 8 MB."""


class Opaque:
    """``out = J x``, of which only ``back``, g ↦ Jᵀ g, is known. Which elements an element reads is not: it reads all.

    ``back`` takes data, or Values and then returns Values; ``back_of_data`` takes and returns data. ``name`` is the
    op's, for messages.

    >>> rotate = Opaque("rotate", (2,), (2,), *[lambda g: np.array([g[1], -g[0]])] * 2)
    >>> rotate.pull(np.array([3.0, 4.0]), GRADIENT), list(rotate.edges((0,)))
    (array([ 4., -3.]), [((0,), 0.0), ((1,), -1.0)])
    """

    def __init__(
        self,
        name: str,
        in_shape: Shape,
        out_shape: Shape,
        back: Callable[[Any], Any],
        back_of_data: Callable[[Any], Any],
    ) -> None:
        self.name = name
        self.in_shape = in_shape
        self.out_shape = out_shape
        self.back = back
        self.back_of_data = back_of_data

    def pull(self, g: Any, semiring: Semiring) -> Any:
        if type(g) is not Value and semiring is not GRADIENT and semiring is not _NUMBERS:
            return self._through_jacobian("pull", g, semiring, self.operand)
        shape = shape_of(g)
        lead = shape[: len(shape) - len(self.out_shape)]
        if not lead:
            return self.back(g)
        rows = [self.back(g[index]) for index in np.ndindex(*lead)]
        stacked = (moves.stack if type(g) is Value else np.stack)(rows)
        return stacked.reshape(lead + self.in_shape)

    def push(self, t: Any, semiring: Semiring) -> Any:
        if type(t) is not Value:
            return self._through_jacobian("push", t, semiring, self.operand)
        rows = [self.back(constant(seed)) for seed in self._seeds()]
        return self._through_jacobian("push", t, semiring, moves.stack(rows))

    def edges(self, index: Index) -> Iterator[tuple[Index, float]]:
        for inner in itertools.product(*map(range, self.in_shape)):
            yield inner, float(self.operand[index + inner])

    @cached_property
    def operand(self) -> Any:
        """The Jacobian, of the result's shape and then the operand's."""
        jacobian = np.empty(self.out_shape + self.in_shape)
        for index, seed in zip(np.ndindex(*self.out_shape), self._seeds(), strict=True):
            jacobian[index] = self.back_of_data(seed)
        return jacobian

    def _seeds(self) -> Iterator[Any]:
        """The cotangents of single elements of the result."""
        entries = math.prod(self.out_shape) * math.prod(self.in_shape)
        if entries > MOST_ENTRIES:
            raise ArgumentError(
                f"{self.name}: it is known by its vjp alone, and anything but its gradient needs its Jacobian, of "
                f"shape {self.out_shape + self.in_shape}: {entries:,} entries, at most {MOST_ENTRIES:,}; give the "
                "primitive derivatives= or chain= instead of vjp="
            )
        for index in np.ndindex(*self.out_shape):
            seed = np.zeros(self.out_shape)
            seed[index] = 1.0
            yield seed if self.out_shape else 1.0

    def _through_jacobian(self, way: str, a: Any, semiring: Semiring, jacobian: Any) -> Any:
        m, n = math.prod(self.out_shape), math.prod(self.in_shape)
        maps = (
            Reshape((m,), self.out_shape),
            Contract("o", "i", "oi", jacobian.reshape((m, n))),
            Reshape(self.in_shape, (n,)),
        )
        for linear_map in maps if way == "pull" else maps[::-1]:
            a = getattr(linear_map, way)(a, semiring)
        return a
