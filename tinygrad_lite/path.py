"""One path: the Values that it goes through, the elements in them, and the local derivatives between them."""

from __future__ import annotations

import math

from .maps import Index
from .value import Value

__all__ = ["Path", "element_name"]


class Path:
    """One path from an end to a value.

    ``nodes[0]`` is the end, ``nodes[-1]`` the value; ``indices`` is the element in each (``()`` in a scalar);
    ``locals`` are the local derivatives between neighbours, so ``len(locals) == length == len(nodes) - 1``.
    """

    __slots__ = ("indices", "locals", "nodes")

    def __init__(self, nodes: tuple[Value, ...], indices: tuple[Index, ...], locals_: tuple[float, ...]) -> None:
        self.nodes = nodes
        self.indices = indices
        self.locals = locals_

    @property
    def length(self) -> int:
        """The number of ops on the path."""
        return len(self.locals)

    @property
    def contribution(self) -> float:
        """The product of the local derivatives: this path's part of the gradient."""
        return math.prod(self.locals) + 0.0  # a product of zeros is 0, never -0

    def __len__(self) -> int:
        return len(self.locals)

    def __str__(self) -> str:
        """The chain of the named Values, and the factors between them: nameless ones are folded into their neighbours'.

        >>> import tinygrad_lite as tg
        >>> x, w = Value(2.0, name="x"), Value(3.0, name="w")
        >>> loss = (x * w).square() * 0.5
        >>> loss.name = "C"
        >>> print(*tg.gradient_paths(loss, w))
        C ← w : 12 = 12
        """
        names = [element_name(self.nodes[0], self.indices[0]) or "end"]
        factors = []
        factor = 1.0
        for node, index, local in zip(self.nodes[1:], self.indices[1:], self.locals, strict=True):
            factor *= local
            name = element_name(node, index)
            if name is not None or node is self.nodes[-1]:
                names.append(name or "value")
                factors.append(f"{factor:.4g}")
                factor = 1.0
        return f"{' ← '.join(names)} : {' · '.join(factors) or '1'} = {self.contribution:.6g}"

    def __repr__(self) -> str:
        return f"<Path {self}>"


def element_name(node: Value, index: Index) -> str | None:
    """The name of one element of a Value, ``w2[0,1]``; ``None`` where the Value has none."""
    if node.name is None or not index:
        return node.name
    return f"{node.name}[{','.join(map(str, index))}]"
