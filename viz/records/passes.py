"""The two passes as steps: the equation of each value, and the layer in which it comes."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tinygrad_lite.core.elementwise import Elementwise
from tinygrad_lite.core.value import Value
from tinygrad_lite.formulas.expressions import is_number
from tinygrad_lite.formulas.printer import ATOM, SUM, quoted
from tinygrad_lite.formulas.reader import TooLongError, Tracer
from tinygrad_lite.formulas.symbols import Block, Symbol
from tinygrad_lite.formulas.text import Text

from .collapsing import Regions

__all__ = ["Equation", "Layers", "backward_layers", "equation", "forward_layers"]


# ---- the arithmetic of one op


@dataclass(frozen=True, slots=True)
class Equation:
    """How a value is computed from its operands: with their names, and, where all are scalars, with their numbers.

    Either text is empty where it would be too long, or say nothing.
    """

    symbols: str
    numbers: str


NAME = 40
"""The largest number of characters of a name in an equation; in the place of a longer one stands a letter."""


class _Names(Text):
    """Operands by their names, nameless scalars by their numbers."""

    def symbol(self, e: Symbol) -> tuple[str, int]:
        return self.data(e) if _nameless_scalar(e) else super().symbol(e)

    def data(self, e: Symbol) -> tuple[str, int]:
        """The number of an operand."""
        text = self.number(float(e.data))
        return text, SUM if text.startswith("-") else ATOM

    def line(self, e: ast.expr) -> str:
        """The whole expression; a negative number behind a plus sign is subtracted."""
        return self.write(e).replace(" + -", " - ")


class _Numbers(_Names):
    """Every operand by its number."""

    def symbol(self, e: Symbol) -> tuple[str, int]:
        return self.data(e)


def _nameless_scalar(e: Symbol) -> bool:
    return not isinstance(e, Block) and e.value.name is None and not e.value.shape


def equation(node: Value) -> Equation:
    """How the op of a value computes it.

    >>> w, x, b = Value(2.0, name="w"), Value(3.0, name="x"), Value(-1.5, name="b")
    >>> equation(w * x + b), equation(w * x)
    (Equation(symbols='6 + b', numbers='6 - 1.5'), Equation(symbols='w·x', numbers='2·3'))
    """
    op, parents = node.op, node.parents
    assert op is not None
    letters = op.rule.operands if isinstance(op, Elementwise) else tuple(f"x{k}" for k in range(len(parents)))
    shown = {
        parent: letter if parent.name is None or len(parent.name) > NAME else quoted(parent.name)
        for parent, letter in zip(parents, letters, strict=False)
        if not _constant(parent)
    }
    scalar = not node.shape and not any(parent.shape for parent in parents)
    try:
        with np.errstate(all="ignore"):
            expression = Tracer(shown=shown).result(node, () if scalar else None)
    except TooLongError:
        return Equation("", "")
    symbols = _Names().line(expression)
    numbers = _Numbers().line(expression) if scalar and not is_number(expression) else ""
    return Equation("" if symbols == numbers else symbols, numbers)


def _constant(value: Value) -> bool:
    return value.name is None and value.is_leaf and not value.requires_grad and not value.shape


# ---- layers


@dataclass(frozen=True, slots=True)
class Layers:
    """The number of the layer of each value, and the module of each layer, or an empty text.

    All values of a layer can be computed from those of the layers before. One call of a module after the other, in one
    depth of the graph or in several that follow, makes one layer.
    """

    of: Mapping[Value, int]
    modules: Sequence[str]


def forward_layers(order: Sequence[Value], regions: Regions) -> Layers:
    """The layers of the forward pass; ``order`` has every Value after its operands. Leaves are in none.

    >>> x = Value(2.0)
    >>> a = x * 3.0; b = x.exp(); y = a + b
    >>> layers = forward_layers([x, a, b, y], {})
    >>> [layers.of[node] for node in (a, b, y)], layers.modules
    ([0, 0, 1], ['', ''])
    """
    depths: dict[Value, int] = {}
    for node in order:
        if not node.is_leaf:
            depths[node] = 1 + max((depths.get(parent, -1) for parent in node.parents), default=-1)
    return _merged(depths, {node: _module(regions, node) for node in depths})


def backward_layers(order: Sequence[Value], regions: Regions) -> Layers:
    """The layers of backpropagation, from the last Value in ``order``; a leaf is in the layer of its first reader.

    >>> w, x = Value(2.0), Value(3.0)
    >>> z = w * x; y = z.exp()
    >>> layers = backward_layers([w, x, z, y], {})
    >>> [layers.of[node] for node in (y, z, w)]
    [0, 1, 1]
    """
    depths: dict[Value, int] = {order[-1]: 0}
    readers: defaultdict[Value, set[str]] = defaultdict(set)
    for node in reversed(order):
        if node not in depths:
            continue
        for parent in node.parents:
            if parent.requires_grad:
                depths[parent] = max(depths.get(parent, 0), depths[node] + (not parent.is_leaf))
                readers[parent].add(_module(regions, node))
    modules = {node: _module(regions, node) for node in depths}
    modules |= {node: readers[node].pop() for node in depths if node.is_leaf and len(readers[node]) == 1}
    return _merged(depths, modules)


def _module(regions: Regions, node: Value) -> str:
    """The outermost named module that a Value was computed in."""
    return next((region.name for region in regions.get(node, ())), "")


def _merged(depths: Mapping[Value, int], modules: Mapping[Value, str]) -> Layers:
    """One layer for each depth; depths that follow one another, all in one module, make one layer."""
    within: defaultdict[int, set[str]] = defaultdict(set)
    for node, depth in depths.items():
        within[depth].add(modules[node])
    numbers: dict[int, int] = {}
    names: list[str] = []
    for depth in sorted(within):
        name = next(iter(within[depth])) if len(within[depth]) == 1 else ""
        if not name or not names or names[-1] != name:
            names.append(name)
        numbers[depth] = len(names) - 1
    return Layers({node: numbers[depth] for node, depth in depths.items()}, names)
