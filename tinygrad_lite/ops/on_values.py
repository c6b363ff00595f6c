"""Cotangents carried back and tangents carried forward between given Values of a graph, as numbers or as Values.

The rules are those of every sweep: the chain of linear maps of each op. Carried as *Values*, the computation is
recorded again, and so can be differentiated once more: chains are made of the operands themselves instead of their
data, and the maps are applied by recorded functions. The identity of the Values at both ends keeps nested derivatives
apart.

Cotangents and tangents may have one axis in front: Jacobians carry many at a time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.graph import parents_of
from ..core.maps import Adjoint, Chain, Gather, Map
from ..core.recording import observer
from ..core.sweeps import NUMBERS, SEVERAL, Numbers
from ..core.value import Op, Value, constant, describe, record
from ..errors import GraphError
from ..semirings.base import Chain as Pullable
from . import calculus, products, quotients, reductions, reshaping
from .casting import cast


@dataclass(slots=True)
class _Mapped(Op):
    """A linear map as an op: what carrying through a ``Gather`` records."""

    map: Map
    name = "gather"
    sign = "gather"

    def forward(self, *data: Any) -> Any:
        return self.map.push(data[0], NUMBERS)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        return (self.map,)


class _Values(Numbers):
    """Values: every sum and product is recorded."""

    @staticmethod
    def chain(node: Value, k: int) -> Pullable | None:
        op, operands = node._made_by, parents_of(node)
        assert op is not None
        above = op.undivided(k, operands, node)
        if above is None:
            return op.chain(k, operands, node)
        if op.sides:
            return (quotients.Sided(node, operands[0]),)
        return (quotients.Over(node, above, op.chain(k, operands, node) if op.expressions(len(operands)) else None),)

    def fitted(self, a: Any, node: Value) -> Any:
        return cast(a, node)

    def lift(self, weight: Any) -> Any:
        return constant(weight) if isinstance(weight, np.ndarray) and weight.ndim else weight

    def sum(self, a: Any, axis: tuple[int, ...]) -> Any:
        return reductions.sum(a, axis) if axis else a

    def broadcast(self, a: Any, shape: tuple[int, ...]) -> Any:
        return a if a.shape == shape else reshaping.broadcast_to(a, shape)

    def matmul(self, a: Any, b: Any) -> Any:
        return products.matmul(a, b)

    def cumsum(self, a: Any, axis: int) -> Any:
        return calculus.cumsum(a, axis)

    def move(self, map: Gather | Adjoint, a: Any) -> Any:
        if isinstance(map, Adjoint):
            return record(_Mapped(Adjoint(_stacked(map.gather, a.shape[: a.ndim - len(map.gather.out_shape)]))), (a,))
        return record(_Mapped(_stacked(map, a.shape[: a.ndim - len(map.in_shape)])), (a,))

    def times(self, a: Any, b: Any) -> Any:
        return quotients.product(a, b)

    def add(self, a: Any, b: Any) -> Any:
        return quotients.sum_of_two(a, b)

    def pull(self, chain: Sequence[Any], g: Any, node: Value) -> Any:
        _refuse_moving_index(chain, node)
        return super().pull(chain, g, node)

    def push(self, chain: Sequence[Any], t: Any, node: Value) -> Any:
        _refuse_moving_index(chain, node)
        return super().push(chain, t, node)


_VALUES = _Values()


def arithmetic(recorded: bool, several: bool = False) -> Numbers:
    """The semiring of Values, whose operations are recorded; else of numbers, perhaps several at each element."""
    return _VALUES if recorded else SEVERAL if several else NUMBERS


def _refuse_moving_index(chain: Sequence[Any], node: Value) -> None:
    """Refuse an index that changes from call to call of a compiled function: the gather would keep it for good."""
    who, key = observer(), getattr(node._made_by, "key", None)
    if (
        who is not None
        and any(isinstance(m, Gather) for m in chain)
        and any(map(who.changes, key if isinstance(key, tuple) else (key,)))
    ):
        raise GraphError(
            f"compile: the index of {describe(node)} comes from an argument, and a derivative inside the function is "
            "taken through it; multiply by a one-hot array instead, or call the function without compiling it"
        )


def _stacked(gather: Gather, lead: tuple[int, ...]) -> Gather:
    """The same move at each element of axes in front."""
    if not lead:
        return gather

    def move(a: Any) -> Any:
        each = [np.asarray(gather.move(x)) for x in a.reshape((math.prod(lead), *gather.in_shape))]
        return np.stack(each).reshape(lead + gather.out_shape)

    return Gather(lead + gather.in_shape, lead + gather.out_shape, move, gather.back, gather.repeats)
