"""Local derivatives as expressions, read off the recorded graph.

This module differentiates nothing. The local derivative of an elementwise op is the table's own line with names in it.
A structured op makes its chain of maps from Values as well as from data: the weights are then Values with a recorded
graph, and ``Tracer`` follows an element of a weight through that graph until it meets names. Named Values and leaves
are symbols, nameless constants are numbers.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import Context
from functools import partial
from typing import Any

import numpy as np

from ..core.elementwise import Elementwise
from ..core.maps import Broadcast, Chain, Map
from ..core.shapes import Index, shape_of
from ..core.value import Op, Value, constant
from ..ops.dense import Dense
from ..ops.reductions import LogSumExp
from ..ops.reshaping import ReshapeOp
from .code import called, name_of
from .expressions import PRIME, built, call, number, product, total
from .symbols import Symbol

__all__ = ["TooLongError", "Tracer", "with_weight"]


LIMIT = 60
"""Symbols and ops in one expression: a line of text."""


LISTED = 4
"""Terms of a sum over elements that are written one by one."""


class TooLongError(Exception):
    """The expression would be longer than the limit; the caller shows a number instead."""


Factor = tuple[Any, Index]
"""One element of a weight: the weight and the index."""


class Tracer:
    """Expressions of the elements and local derivatives of one graph, none with more than ``limit`` symbols and ops.

    Recursion is never deeper than the limit. ``shown`` names further Values that become symbols, or renames them. An
    index of ``None`` asks for an expression of whole arrays, element by element.

    >>> x, w = Value([1.0, 2.0], name="x"), Value([3.0, 4.0], name="w")
    >>> from tinygrad_lite.formulas.text import Text
    >>> Text().write(Tracer().local((x * w).square().sum().tanh(), 0, (), ()))
    '1 - tanh(x[0]²·w[0]² + x[1]²·w[1]²)²'
    """

    def __init__(self, limit: int = LIMIT, shown: Mapping[Value, str] | None = None) -> None:
        self.limit = limit
        self.shown = shown or {}
        self._left = limit
        self._chains: dict[tuple[Value, int], list[tuple[Map, Any]]] = {}

    def element(self, value: Value, index: Index | None) -> ast.expr:
        """One element of a Value in terms of named Values. Raises ``TooLongError``."""
        self._left = self.limit
        return self._element(value, index)

    def result(self, node: Value, index: Index | None) -> ast.expr:
        """One element of the result of an op in terms of its operands, whatever name the result has.

        Operands that are not ``shown`` and have no name are traced further. Raises ``TooLongError``.
        """
        self._left = self.limit
        op = node.op
        assert op is not None
        if op.opaque:
            return call(op.name, *(self._element(parent, None) for parent in node.parents))
        found = self._made(op, node, index)
        if isinstance(found, Symbol) and found.value is node:
            raise TooLongError
        return found

    def local(self, node: Value, position: int, index: Index | None, inner: Index | None) -> ast.expr:
        """The local derivative between element ``index`` of a node and element ``inner`` of an operand.

        Raises ``TooLongError``, also where there is no such edge.
        """
        op = node.op
        if index is None and not isinstance(op, Elementwise):
            self._left = self.limit
            weights = [weight for _, weight in self.chain(node, position)]
            return product(*(self._weight(weight, None) for weight in weights if weight is not None))
        if index is None or isinstance(op, Elementwise):
            return self._of_line(node, position, index)
        for at, expression in self.locals(node, position, index):
            if at == inner:
                return expression()
        raise TooLongError

    def locals(self, node: Value, position: int, index: Index) -> Iterator[tuple[Index, Callable[[], ast.expr]]]:
        """The elements of an operand that element ``index`` reads, each with a maker of its local derivative."""

        def multiplied(factors: tuple[Factor, ...]) -> ast.expr:
            self._left = self.limit
            return product(*(self._weight(weight, place) for weight, place in factors))

        for inner, factors in self._edges(node, position, index):
            if isinstance(node.op, Elementwise):
                yield inner, partial(self._of_line, node, position, index)
            else:
                yield inner, partial(multiplied, factors)

    def _of_line(self, node: Value, position: int, index: Index | None) -> ast.expr:
        self._left = self.limit
        assert isinstance(node.op, Elementwise)
        return self._line(node, _derivative(node.op, position), index)

    # ---- elements

    def _element(self, value: Value, index: Index | None) -> ast.expr:
        self._left -= 1
        if self._left < 0:
            raise TooLongError
        op = value.op
        if value in self.shown:
            return Symbol(value, index, self.shown[value] + (f"[{','.join(map(str, index))}]" if index else ""))
        if value.name is not None or (op is None and value.requires_grad):
            return Symbol(value, index)
        if op is None:
            alike = index is not None or not value.shape or _alike(value.data)
            return self._weight(value.data, index) if alike else Symbol(value, None)
        if op.opaque:  # its function has no formula
            return Symbol(value, index)
        return self._made(op, value, index)

    def _made(self, op: Op, value: Value, index: Index | None) -> ast.expr:
        """One element of a Value as its op makes it of the operands."""
        if isinstance(op, Elementwise):
            return self._line(value, _worked_out(op), index)
        if index is None:
            return self._whole(op, value)
        if linear := op.linear_in(len(value.parents)):
            return self._sum(value, linear, index)
        if op.listed:
            return _reduced(op, self._elements(value, index))
        return Symbol(value, index)

    def _line(self, node: Value, text: str | ast.expr | None, index: Index | None) -> ast.expr:
        """An expression of the table at one element of the node of its op."""
        assert isinstance(node.op, Elementwise)
        if text is None:
            raise TooLongError
        parents = dict(zip(node.op.rule.operands, node.parents, strict=True))

        class Operands(dict[str, ast.expr]):
            """The operands, each traced when the line first reads it."""

            def __missing__(operands, letter: str) -> ast.expr:
                if letter == "out":
                    return self._element(node, index)
                operand, inner = parents[letter], index
                if index is not None:
                    ((inner, _),) = Broadcast(operand.shape, node.shape).edges(index)
                return self._element(operand, inner)

        return built(text, Operands())

    def _whole(self, op: Op, value: Value) -> ast.expr:
        """A structured op on whole arrays, by its name; a reshape that changes axes of length 1 is not shown."""
        operands = [self._element(parent, None) for parent in value.parents]
        found = call(op.name, *operands)
        before = value.parents[0].op
        if isinstance(op, ReshapeOp) and isinstance(before, LogSumExp) and isinstance(operands[0], ast.Call):
            if len(before.axes) == 1 and np.expand_dims(value.parents[0].data, before.axes).shape == value.shape:
                found = ast.Call(operands[0].func, operands[0].args, _options(axis=before.axes[0], keepdims=True))
        elif isinstance(op, ReshapeOp) and _without_ones(value) == _without_ones(value.parents[0]):
            found.keywords = _options(shape=value.shape)  # type: ignore[attr-defined]
        elif isinstance(op, LogSumExp) and len(op.axes) == 1:
            found.keywords = _options(axis=op.axes[0], keepdims=op.keepdims)  # type: ignore[attr-defined]
        return found

    def _elements(self, node: Value, index: Index) -> list[ast.expr]:
        """The elements of the operand that a reduction reads."""
        (operand,) = node.parents
        return [self._element(operand, inner) for inner, _ in self._edges(node, 0, index)]

    def _sum(self, node: Value, positions: Sequence[int], index: Index) -> ast.expr:
        """An op that is linear in some operands is the sum of its edges to them."""
        if node.op is not None and node.op.listed:
            elements = self._elements(node, index)
            if node.op.joint != "+" or len(elements) > LISTED:
                return call(node.op.name, *elements)
            return total(elements)
        terms = []
        for position in positions:
            for inner, factors in self._edges(node, position, index):
                weights = [self._weight(weight, place) for weight, place in factors]
                terms.append(product(self._element(node.parents[position], inner), *weights))
        return total(terms)

    # ---- weights

    def weight(self, weight: Any) -> ast.expr:
        """A whole weight of a map in ``chain`` as an expression of whole arrays. Raises ``TooLongError``."""
        self._left = self.limit
        return self._weight(weight, None)

    def _weight(self, weight: Any, place: Index | None) -> ast.expr:
        """One element of a weight, or the whole weight; an array of equal numbers becomes that number."""
        if isinstance(weight, Value):
            return self._element(weight, place)
        if place is None and shape_of(weight):
            return number(weight.flat[0]) if _alike(weight) else Symbol(constant(weight), None)
        return number(weight[place] if place else weight)

    def _edges(self, node: Value, position: int, index: Index) -> Iterator[tuple[Index, tuple[Factor, ...]]]:
        """The elements of an operand that element ``index`` reads, each with the weights of the edge."""
        return _joined_edges(self.chain(node, position), index, ())

    def chain(self, node: Value, position: int) -> list[tuple[Map, Any]]:
        """The maps of one operand, each with its weight or ``None``."""
        if (node, position) not in self._chains:
            self._chains[node, position] = [_numbered(linear_map) for linear_map in _chain_of_values(node, position)]
        return self._chains[node, position]


def _joined_edges(
    chain: Sequence[tuple[Map, Any]], index: Index, factors: tuple[Factor, ...]
) -> Iterator[tuple[Index, tuple[Factor, ...]]]:
    if not chain:
        yield index, factors
        return
    linear_map, weight = chain[0]
    for inner, place in linear_map.edges(index):
        here = factors if weight is None else (*factors, (weight, _Places.index(place, shape_of(weight))))
        yield from _joined_edges(chain[1:], inner, here)


class _Places:
    """Stands in for a weight: each element is its own flat position, so that an edge tells the element it has."""

    def __init__(self, shape: Index) -> None:
        self.shape = shape

    def __getitem__(self, index: Index) -> float:
        return float(np.ravel_multi_index(index, self.shape))

    def __float__(self) -> float:
        return 0.0

    @staticmethod
    def index(place: float, shape: Index) -> Index:
        """The index of the element at a flat position."""
        return tuple(map(int, np.unravel_index(int(place), shape)))


def _numbered(linear_map: Map) -> tuple[Map, Any]:
    """A map that tells the positions in its weight, and the weight; ``None`` if it has no weight."""
    if isinstance(linear_map, Dense):
        linear_map = linear_map.contract
    weight = getattr(linear_map, "weight", getattr(linear_map, "operand", None))
    return (linear_map, None) if weight is None else (with_weight(linear_map, _Places(shape_of(weight))), weight)


def with_weight(linear_map: Map, weight: Any) -> Map:
    """The same map with another weight."""
    changed = copy.copy(linear_map)
    setattr(changed, "weight" if hasattr(linear_map, "weight") else "operand", weight)
    return changed


def _chain_of_values(node: Value, position: int) -> Chain:
    """The chain of one operand with Values as weights, recorded even inside ``no_grad``."""
    op = node.op
    assert op is not None

    def chain() -> Chain | None:
        with np.errstate(all="ignore"):
            return op.chain(position, node.parents, node)

    return Context().run(chain) or ()


def _derivative(op: Elementwise, position: int) -> str | ast.expr | None:
    """The local derivative of an op in its printed form; a long one by the op's name, ``gelu′(x)``."""
    written = op.rule.written[position]
    if written is None or len(written) <= LIMIT or op.opaque:
        return written
    return called(f"{op.name}{PRIME * (position + 1)}", *map(name_of, op.rule.operands))


def _worked_out(op: Elementwise) -> ast.expr:
    """The value of an op: arithmetic as the table states it, other functions by the op's name."""
    rule = op.rule
    if "(" not in rule.forward:
        return ast.parse(rule.forward, mode="eval").body
    return called(rule.name, *map(name_of, rule.operands))


def _reduced(op: Op, elements: list[ast.expr]) -> ast.expr:
    """A reduction of some elements."""
    if op.joint == "*":
        return product(*elements)
    if len(elements) == 1 and op.of_one is not None:
        return call(op.of_one, *elements) if op.of_one else elements[0]
    return call(op.name, *elements)


def _options(**options: Any) -> list[ast.keyword]:
    return [ast.keyword(name, ast.Constant(value)) for name, value in options.items()]


def _alike(data: Any) -> bool:
    """Whether all elements of an array are equal."""
    return bool(data.size and np.all(data == data.flat[0]))


def _without_ones(value: Value) -> list[int]:
    return [n for n in value.shape if n != 1]
