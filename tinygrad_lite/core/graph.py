"""A recorded graph as its readers see it: the order of its Values, their operands, and the local derivatives.

Nothing else decodes a node, except the loop of ``backward`` in ``sweeps``. A *folded* op (a fused loss, a checkpoint)
is one op to the engine, which asks with ``folded=True``; readers see its composition (``Folded`` in ``value``). No
function here changes a graph, and none recurses: recursion fails near 1,000 nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from .maps import Chain, Scale
from .value import CONSUMED, Value, check_current, operands_of, parents_of, unfolded

__all__ = [
    "ancestors",
    "between",
    "chain_of",
    "chains",
    "live",
    "local_pull",
    "operands_of",
    "parents_of",
    "postorder",
    "saved_operands",
    "topological",
    "unfolded",
]

Edge = tuple[int, Value]
"""The position of an operand through which a gradient flows, and the operand."""


# ---- one node


def saved_operands(node: Value) -> list[Any] | None:
    """The data that an array node was computed from, one for each operand as recorded; ``None`` at a scalar node."""
    return node._da if type(node._da) is list else None


def live(node: Value) -> list[Edge]:
    """The operands, as recorded, through which a gradient may flow to the node, with their positions.

    Raises ``GraphError`` where the node was freed, or an operand's array was replaced after it was recorded.
    """
    locals_ = node._da
    kind = type(locals_)
    if kind is list:
        found = []
        for k, operand in enumerate(node._a):
            if type(operand) is Value:
                if operand._data is not locals_[k]:
                    check_current(operand, locals_[k])
                if operand.requires_grad:
                    found.append((k, operand))
        return found
    if kind is tuple:
        return [(k, operand) for k, operand in enumerate(node._a) if locals_[k] is not None]
    if node._made_by is None or node._made_by is CONSUMED:
        _ = operands_of(node)  # raises for a freed node, and says why
        return []
    edges = [] if locals_ is None else [(0, node._a)]
    return edges if node._db is None else [*edges, (1, node._b)]


def chain_of(node: Value, k: int) -> Chain | None:
    """The local derivative with respect to operand ``k`` as recorded, a constant too; ``None`` where there is none."""
    op, locals_ = node._made_by, node._da
    assert op is not None
    if type(locals_) is list:
        return op.chain(k, locals_, node._data)
    weight = locals_[k] if type(locals_) is tuple else node._db if k else locals_
    return None if weight is None else (Scale(weight, 0),)


def chains(node: Value) -> Iterator[tuple[int, Value, Chain]]:
    """The local derivatives of a node: position, operand and chain, for each operand through which a gradient flows."""
    node = unfolded(node)
    for k, operand in live(node):
        chain = chain_of(node, k)
        if chain is not None:
            yield k, operand, chain


def local_pull(node: Value, k: int, g: Any) -> Any:
    """The gradient's cotangent ``g`` of a node pulled back to operand ``k`` as recorded, as in ``backward``."""
    op, locals_ = node._made_by, node._da
    if type(locals_) is list:
        assert op is not None
        return op.pull(k, g, locals_, node._data)
    return g * (locals_[k] if type(locals_) is tuple else node._db if k else locals_)


# ---- orders


def postorder(
    ends: Iterable[Value], reads: Callable[[Value], Iterable[Value]], known: Iterable[Value] = ()
) -> list[Value]:
    """``ends`` and every Value that they lead to by ``reads``, without those in ``known``, each after what it reads."""
    order: list[Value] = []
    seen = set(known)
    stack: list[Any] = list(ends)
    while stack:
        node = stack.pop()
        if node is None:  # the operands of the node below are in order
            order.append(stack.pop())
        elif node not in seen:
            seen.add(node)
            stack += (node, None)
            stack += reads(node)
    return order


def ancestors(*ends: Value) -> list[Value]:
    """Every Value that the ends were computed from, constants too, and the ends: each after its operands."""
    return postorder(reversed(ends), lambda node: reversed(node.parents))


def between(ends: Sequence[Value], starts: Sequence[Value], folded: bool = True) -> list[tuple[Value, list[Edge]]]:
    """The Values on paths from ``ends`` to ``starts``, without the starts, and the edges that lead there.

    Raises ``GraphError`` where the graph was freed, or an array was replaced after it was recorded.
    """
    edges: dict[Value, list[Edge]] = {}

    def reads(node: Value) -> list[Value]:
        if node._made_by is None or not node.requires_grad:
            edges[node] = []
            return []
        found = edges[node] = live(node if folded else unfolded(node))
        return [operand for _, operand in found]

    order = postorder(ends, reads, starts)
    reached = set(starts)
    found = []
    for node in order:
        wanted = [edge for edge in edges[node] if edge[1] in reached]
        if wanted:
            reached.add(node)
            found.append((node, wanted))
    return found


def topological(end: Value, folded: bool = False) -> list[Value]:
    """The interior Values through which a gradient flows to ``end``, each after its operands.

    It is ``postorder`` by ``live``, which ``backward`` runs through for every step: the nodes are decoded in line.

    Raises ``GraphError`` where the graph was freed, or an array was replaced after it was recorded.
    """
    order: list[Value] = []
    seen: set[Value] = set()
    stack: list[Any] = [end]
    push = stack.append
    while stack:
        node = stack.pop()
        if node is None:
            order.append(stack.pop())
            continue
        if node._made_by is None or node in seen:
            continue
        seen.add(node)
        push(node)
        push(None)
        locals_ = node._da
        kind = type(locals_)
        if kind is float:
            push(node._a)
            if node._db is not None:
                push(node._b)
        elif kind is list:
            if not folded and node._made_by.folded:
                stack.extend([operand for _, operand in live(unfolded(node))])
                continue
            for operand, saved in zip(node._a, locals_):  # noqa: B905  (an eighth of this loop's time)
                if type(operand) is Value:
                    if operand._data is not saved:
                        check_current(operand, saved)
                    if operand.requires_grad and operand._made_by is not None:
                        push(operand)
        elif kind is tuple:
            stack.extend([operand for operand, local in zip(node._a, locals_, strict=True) if local is not None])
        elif node._db is not None:
            push(node._b)
        else:
            live(node)  # raises, and says why
    return order
