"""Cotangents carried back and tangents carried forward between given Values of a graph, as numbers or as Values.

The same rules as every other sweep's: the chain of linear maps of each op. Carried as *Values*, what is computed is
recorded again, and so can be differentiated once more: chains are made of the operands themselves instead of their
data, and the maps are applied by recorded functions. What belongs to which derivative is told by the identity of the
Values between which it is carried, so that nested derivatives cannot be confused.

Cotangents and tangents may have one axis in front: as many at a time, which is how Jacobians are made.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import moves, products, reductions
from .errors import GraphError, ValueTypeError
from .maps import Adjoint, Chain, Gather, Map, Scale
from .recording import observer, watching
from .semirings.base import Linear
from .sweeping import check_current
from .value import CONSUMED, Op, Value, constant, describe, record

__all__ = ["argument", "astype", "between", "carry_back", "carry_forward", "cast"]


# ---- ops that only these sweeps record


class _Argument(Op):
    """The value itself, as the argument of one call: what the call differentiates by, and nobody else does."""

    name = "argument"
    sign = "="

    def forward(self, *data: Any) -> Any:
        return data[0].view() if type(data[0]) is np.ndarray else data[0]

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        return ()


_ARGUMENT = _Argument()


@dataclass(slots=True)
class _Cast(Op):
    """The same numbers in another precision."""

    dtype: np.dtype[Any]
    name = "cast"
    sign = "cast"

    def forward(self, *data: Any) -> Any:
        return data[0] if np.iscomplexobj(data[0]) else data[0].astype(self.dtype)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        return ()


@dataclass(slots=True)
class _Mapped(Op):
    """A linear map as an op: what carrying through a ``Gather`` records."""

    map: Map
    name = "gather"
    sign = "gather"

    def forward(self, *data: Any) -> Any:
        return self.map.push(data[0], _NUMBERS)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        return (self.map,)


def argument(x: Value) -> Value:
    """``x`` under another identity, to which a gradient flows even if ``x`` is a constant; integers become floats."""
    node: Value = record(_ARGUMENT if x.dtype.kind == "f" else _Cast(np.dtype(np.float64)), (x,))
    node.requires_grad = True
    return node


def astype(x: Any, dtype: Any) -> Any:
    """The same numbers in another precision; a scalar Value, which is a Python float, stays one.

    Raises ``ValueTypeError`` for what is no type of floats: whole numbers have no derivative.

    >>> astype(Value([1.0, 2.0]), np.float32).dtype
    dtype('float32')
    """
    dtype = np.dtype(dtype)
    if dtype.kind != "f":
        raise ValueTypeError(f"astype: {describe(x)} is of floats, and {dtype} has no derivative; convert its .data")
    if not isinstance(x, Value):
        return np.asarray(x).astype(dtype)
    return record(_Cast(dtype), (x,)) if x.shape else x


def cast(x: Any, like: Value) -> Any:
    """A number, an array or a Value in the precision of another Value, whose axes it has."""
    if not like.shape or getattr(x, "dtype", like.dtype) == like.dtype:
        return x
    return record(_Cast(like.dtype), (x,)) if isinstance(x, Value) else np.asarray(x, like.dtype)


# ---- the ordinary sum and product, of numbers and of Values


class _Numbers(Linear):
    """Numbers and arrays, perhaps several at a time."""

    def __init__(self) -> None:
        super().__init__("numbers", lambda weight: weight)

    def scalar(self, a: Any) -> Any:
        return a


class _Values(_Numbers):
    """Values: every sum and product is recorded."""

    def lift(self, weight: Any) -> Any:
        return constant(weight) if isinstance(weight, np.ndarray) and weight.ndim else weight

    def sum(self, a: Any, axis: tuple[int, ...]) -> Any:
        return reductions.sum(a, axis) if axis else a

    def broadcast(self, a: Any, shape: tuple[int, ...]) -> Any:
        return a if a.shape == shape else moves.broadcast_to(a, shape)

    def matmul(self, a: Any, b: Any) -> Any:
        return products.matmul(a, b)

    def cumsum(self, a: Any, axis: int) -> Any:
        return reductions.cumsum(a, axis)

    def pull(self, chain: Chain, g: Any, node: Value) -> Any:
        for m in chain:
            if isinstance(m, Gather):  # it writes into arrays
                _refuse_moving_index(node)
                g = record(_Mapped(Adjoint(_stacked(m, g.shape[: g.ndim - len(m.out_shape)]))), (g,))
            elif isinstance(m, Adjoint):
                g = record(_Mapped(_stacked(m.gather, g.shape[: g.ndim - len(m.gather.in_shape)])), (g,))
            else:
                g = m.pull(g, self)
        return g

    def push(self, chain: Chain, t: Any, node: Value) -> Any:
        for m in reversed(chain):
            if isinstance(m, Gather):
                _refuse_moving_index(node)
                t = record(_Mapped(_stacked(m, t.shape[: t.ndim - len(m.in_shape)])), (t,))
            elif isinstance(m, Adjoint):
                t = record(_Mapped(Adjoint(_stacked(m.gather, t.shape[: t.ndim - len(m.gather.out_shape)]))), (t,))
            else:
                t = m.push(t, self)
        return t


_NUMBERS, _VALUES = _Numbers(), _Values()


def _refuse_moving_index(node: Value) -> None:
    """While a function is compiled: an index that changes from call to call would be kept in the gather for good."""
    who, key = observer(), getattr(node._made_by, "key", None)
    if who is not None and any(id(part) in who._arrays for part in (key if isinstance(key, tuple) else (key,))):
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


# ---- the two sweeps


Graph = list[tuple[Value, list[tuple[int, Value]]]]
"""Values, each after its operands, with the operands through which a derivative flows and their positions."""


def between(ends: Sequence[Value], starts: Sequence[Value]) -> Graph:
    """The Values on paths from ``ends`` to ``starts``, without the starts.

    Raises ``GraphError`` where the graph was freed, or an array was replaced after it was recorded.
    """
    order: Graph = []
    seen: set[Value] = set(starts)
    stack: list[Any] = list(ends)
    while stack:  # iterative: recursion fails near 1,000 nodes
        node = stack.pop()
        if type(node) is tuple:  # all that it reads is in order
            order.append(node)
        elif node._made_by is not None and node.requires_grad and node not in seen:
            seen.add(node)
            live = list(_live(node))
            stack.append((node, live))
            stack += [operand for _, operand in live]
    reached = set(starts)
    found: Graph = []
    for node, live in order:
        wanted = [edge for edge in live if edge[1] in reached]
        if wanted:
            reached.add(node)
            found.append((node, wanted))
    return found


def _live(node: Value) -> Iterator[tuple[int, Value]]:
    """The operands through which a gradient may flow, with their positions."""
    locals_ = node._da
    if type(locals_) is list:
        for k, operand in enumerate(node._a):
            if type(operand) is Value and operand.requires_grad:
                if operand._data is not locals_[k]:
                    check_current(operand, locals_[k])
                yield k, operand
    elif type(locals_) is tuple:
        for k, operand in enumerate(node._a):
            if locals_[k] is not None:
                yield k, operand
    elif node._made_by is CONSUMED:
        _ = node.operands  # raises, and says why
    else:
        if locals_ is not None:
            yield 0, node._a
        if node._db is not None:
            yield 1, node._b


def _chain(node: Value, k: int, recorded: bool) -> Chain | None:
    """The local derivative with respect to operand ``k``, with weights that are numbers or Values."""
    op, locals_ = node._made_by, node._da
    assert op is not None
    if recorded:
        return op.chain(k, node.parents, node)
    if type(locals_) is list:
        return op.chain(k, locals_, node._data)
    return (Scale(locals_[k] if type(locals_) is tuple else (locals_, node._db)[k], 0),)


def _added(totals: dict[Value, Any], node: Value, term: Any, plain: bool) -> None:
    """``term`` added to what arrived at ``node``; ``plain`` is one number at a time."""
    if not plain or type(node._data) is not float:
        term = cast(term, node)
    elif type(term) is not float:
        term = float(term)
    totals[node] = totals[node] + term if node in totals else term


def carry_back(
    ends: Sequence[Value], cotangents: Sequence[Any], starts: Sequence[Value], recorded: bool, several: bool = False
) -> list[Any]:
    """The cotangent of each of ``starts``; ``None`` for one on which no end depends.

    ``cotangents`` has one of each end's shape, with one axis in front if ``several``; they are Values if ``recorded``.
    """
    semiring, plain = (_VALUES if recorded else _NUMBERS), not (recorded or several)
    graph = between(ends, starts)
    detector = watching()
    totals: dict[Value, Any] = {} if detector is None else detector.cotangents()
    if detector is not None:
        detector.check(node for node, _ in graph)
    with np.errstate(all="ignore"):
        for end, g in zip(ends, cotangents, strict=True):
            _added(totals, end, g, plain)
        for node, edges in reversed(graph):
            g = totals.pop(node, None)
            if g is None:  # read only where its reader has no derivative
                continue
            op, saved = node._made_by, node._da
            assert op is not None
            for k, operand in edges:
                if plain and type(saved) is list:
                    pulled = op.pull(k, g, saved, node._data)
                elif plain:
                    pulled = g * (saved[k] if type(saved) is tuple else node._db if k else saved)
                else:
                    chain = _chain(node, k, recorded)
                    pulled = None if chain is None else semiring.pull(chain, g, node)
                if pulled is not None:
                    _added(totals, operand, pulled, plain)
    return [totals.get(start) for start in starts]


def carry_forward(
    ends: Sequence[Value], starts: Sequence[Value], tangents: Sequence[Any], recorded: bool, several: bool = False
) -> list[Any]:
    """The tangent of each of ``ends``; ``None`` for one that depends on no start. As ``carry_back``, the other way."""
    semiring, plain = (_VALUES if recorded else _NUMBERS), not (recorded or several)
    totals: dict[Value, Any] = {}
    with np.errstate(all="ignore"):
        for start, t in zip(starts, tangents, strict=True):
            _added(totals, start, t, plain)
        for node, edges in between(ends, starts):
            for k, operand in edges:
                if operand in totals:
                    chain = _chain(node, k, recorded)
                    if chain is not None:
                        _added(totals, node, semiring.push(chain, totals[operand], node), plain)
    return [totals.get(end) for end in ends]
