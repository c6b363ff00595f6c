"""The part of a graph that depends on one Value: all that has to be evaluated again when that Value moves."""

from __future__ import annotations

from collections.abc import Iterable

from ..core.graph import live, operands_of, postorder, unfolded
from ..core.value import Value

__all__ = ["Cones"]


class Cones:
    """The graph that ends at a Value, walked once; ``after`` then finds the nodes that depend on some of its Values.

    With ``smooth`` only nodes to which a derivative leads, and folded ops count as what they are composed of.

    >>> a, b = Value(2.0), Value(3.0)
    >>> c = a * a
    >>> d = c + b
    >>> Cones(d).after(b) == [d], len(Cones(d).after(a))
    (True, 2)
    """

    def __init__(self, end: Value, smooth: bool = False) -> None:
        def reads(node: Value) -> Iterable[Value]:
            if node._made_by is None or (smooth and not node.requires_grad):
                return []
            if smooth:
                return [operand for _, operand in live(unfolded(node))]
            return [operand for operand in operands_of(node) if isinstance(operand, Value)]

        self._readers: dict[Value, list[Value]] = {}
        self._place: dict[Value, int] = {}
        for k, node in enumerate(postorder([end], reads)):
            self._place[node] = k
            for operand in reads(node):
                self._readers.setdefault(operand, []).append(node)

    def after(self, *values: Value) -> list[Value]:
        """The nodes that depend on any of the ``values``, each after its operands."""
        found: set[Value] = set()
        stack = [*values]
        while stack:
            for reader in self._readers.get(stack.pop(), ()):
                if reader not in found:
                    found.add(reader)
                    stack.append(reader)
        return sorted(found, key=self._place.__getitem__)
