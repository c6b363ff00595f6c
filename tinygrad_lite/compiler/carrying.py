"""A cotangent or a tangent carried through one op, on traced arrays: the ways in which a sweep is lowered."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..core.graph import chain_of, local_pull
from ..core.sweeps import NUMBERS, SEVERAL
from ..core.value import Op, Value
from ..programs.tracing import Traced, note
from ..semirings.base import Linear

__all__ = ["PULL", "PULL_SEVERAL", "PUSH", "PUSH_SEVERAL", "Way", "filled", "with_key"]


class _Following(Linear):
    """The gradient's semiring on traced arrays: memory is a call, so that a plan can place it."""

    def broadcast(self, a: Any, shape: tuple[int, ...]) -> Any:
        return note(a.program, "fill", filled, (a, shape), {}) if isinstance(a, Traced) else filled(a, shape)

    def zeros(self, lead: tuple[int, ...], shape: tuple[int, ...], like: Any) -> Any:
        if not isinstance(like, Traced):
            return super().zeros(lead, shape, like)
        return note(like.program, "fill", filled, (0.0, lead + shape, like.dtype), {})


_FOLLOWING = _Following("GRADIENT", lambda weight: weight)


def filled(a: Any, shape: tuple[int, ...], dtype: Any = None) -> Any:
    """A new array of this shape with ``a`` broadcast into it."""
    out = np.empty(shape, getattr(a, "dtype", float) if dtype is None else dtype)
    out[...] = a
    return out


Carry = Callable[[Op, int, Any, Sequence[Any], Any], Any]
"""A function of an op, the operand's position, what is carried, the operands and the result."""


@dataclass(frozen=True)
class Way:
    """One direction of a sweep through an op, of one number at each element or of several.

    ``expected`` is what eager computes at a recorded node. ``attempts`` are tried on traced arrays, and kept if they
    give the same bits; ``opaque`` is called as it is where none does.
    """

    expected: Callable[[Value, int, Any], Any]
    attempts: Sequence[Carry]
    opaque: Carry
    forward: bool = False
    several: bool = False


def with_key(carry: Carry, op: Any, k: int, x: Any, operands: Sequence[Any], out: Any, key: Any) -> Any:
    """The same through an op whose index changes from call to call."""
    return carry(replace(op, key=key), k, x, operands, out)


def _pull_by_chain(op: Op, k: int, g: Any, operands: Sequence[Any], out: Any) -> Any:
    """The pull by the maps of the op's chain; its own may be for plain arrays only."""
    chain = op.chain(k, operands, out)
    assert chain is not None
    return _FOLLOWING.pull(chain, g, None)


def _push_by_chain(op: Op, k: int, t: Any, operands: Sequence[Any], out: Any) -> Any:
    chain = op.chain(k, operands, out)
    assert chain is not None
    return _FOLLOWING.push(chain, t, None)


def _own_pull(op: Op, k: int, g: Any, operands: Sequence[Any], out: Any) -> Any:
    return op.pull(k, g, operands, out)


def _pull(op: Op, k: int, g: Any, operands: Sequence[Any], out: Any) -> Any:
    # A copy: an op may keep results of a forward pass by the identity of its arrays, which here never changes.
    return copy.copy(op).pull(k, g, operands, out)


def _pull_several(op: Op, k: int, g: Any, operands: Sequence[Any], out: Any) -> Any:
    return SEVERAL.pull(copy.copy(op).chain(k, operands, out) or (), g, None)


def _push(op: Op, k: int, t: Any, operands: Sequence[Any], out: Any) -> Any:
    return NUMBERS.push(copy.copy(op).chain(k, operands, out) or (), t, None)


def _expecting(semiring: Any, forward: bool) -> Callable[[Value, int, Any], Any]:
    def expected(node: Value, k: int, x: Any) -> Any:
        chain = chain_of(node, k)
        if chain is None:
            return None
        return semiring.push(chain, x, node) if forward else semiring.pull(chain, x, node)

    return expected


PULL = Way(local_pull, (_pull_by_chain, _own_pull), _pull)
PULL_SEVERAL = Way(_expecting(SEVERAL, False), (_pull_by_chain,), _pull_several, several=True)
PUSH = Way(_expecting(NUMBERS, True), (_push_by_chain,), _push, forward=True)
PUSH_SEVERAL = Way(_expecting(SEVERAL, True), (_push_by_chain,), _push, forward=True, several=True)
