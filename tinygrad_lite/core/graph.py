"""A recorded graph as its readers see it: the order of its Values, their operands, and the local derivatives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..errors import GraphError
from .maps import Chain, Scale
from .value import CONSUMED, Value, describe

__all__ = ["ancestors", "between", "chains", "check_current", "topological"]


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


def topological(end: Value, unfolding: bool = True) -> list[Value]:
    """The interior Values through which a gradient flows to ``end``, each after its operands.

    ``unfolding`` puts the graphs of checkpoints in their places; ``backward`` goes through them without.

    Raises ``GraphError`` where the graph was freed, or an array was replaced after it was recorded.
    """
    order: list[Value] = []
    seen: set[Value] = set()
    stack: list[Any] = [end]
    later = stack.append
    while stack:  # iterative: recursion fails near 1,000 nodes
        node = stack.pop()
        if node is None:  # all that the node below reads is in order
            order.append(stack.pop())
            continue
        if node._made_by is None or node in seen:
            continue
        seen.add(node)
        later(node)
        later(None)
        locals_ = node._da
        kind = type(locals_)
        if kind is float:
            later(node._a)
            if node._db is not None:
                later(node._b)
        elif kind is list:
            if unfolding and node._made_by.folded:
                node._made_by.unfold(node)
                del stack[-2:]
                seen.discard(node)
                later(node)
                continue
            for operand, saved in zip(node._a, locals_):  # noqa: B905  (an eighth of this loop's time)
                if type(operand) is Value:
                    if operand._data is not saved:
                        check_current(operand, saved)
                    if operand.requires_grad and operand._made_by is not None:
                        later(operand)
        elif kind is tuple:
            stack.extend([operand for operand, local in zip(node._a, locals_, strict=True) if local is not None])
        elif node._made_by is CONSUMED:
            _ = node.operands  # raises, and says why
        else:
            later(node._b)
    return order


def check_current(operand: Value, saved: Any) -> None:
    """Raise ``GraphError`` if an operand holds other data than was recorded."""
    if operand._data is None or (type(saved) is float and (operand._data == saved or saved != saved)):
        return  # freed, which is found when its turn comes; or an equal float
    raise GraphError(
        f"graph: the data of {describe(operand)} was replaced after it was recorded; run the forward pass again"
    )


def ancestors(end: Value) -> list[Value]:
    """Every Value that ``end`` was computed from, constants too, and ``end``: each after its operands."""
    order: list[Value] = []
    seen: set[Value] = set()
    stack: list[Value | None] = [end]
    while stack:
        node = stack.pop()
        if node is None:
            order.append(stack.pop())  # type: ignore[arg-type]
        elif node not in seen:
            seen.add(node)
            if node._made_by is not None and node._made_by.folded:
                node._made_by.unfold(node)
            stack += [node, None]
            stack += reversed(node.parents)
    return order


def chains(node: Value) -> Iterator[tuple[int, Value, Chain]]:
    """The local derivatives of a node: position, operand and chain, for each operand through which a gradient flows."""
    op = node._made_by
    if op is None:
        return
    locals_, operands = node._da, node.operands
    if type(locals_) is list:
        for k, operand in enumerate(operands):
            if isinstance(operand, Value) and operand.requires_grad:
                chain = op.chain(k, locals_, node._data)
                if chain is not None:
                    yield k, operand, chain
    else:
        weights = locals_ if type(locals_) is tuple else (locals_, node._db)
        for k, (operand, weight) in enumerate(zip(operands, weights, strict=False)):
            if weight is not None:
                yield k, operand, (Scale(weight, 0),)
