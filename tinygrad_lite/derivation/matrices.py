"""Backpropagation of whole arrays in the notation of matrices, δ by δ: ``δ1 = (δ2 w2ᵀ) ⊙ n1(1 - n1)``.

The sweep is that of ``backward``, over formulas: the maps of each op pull a ``Cotangent`` back. The weights of the maps
are expressions that ``reader`` reads off the graph.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from ..core.elementwise import Elementwise
from ..core.elementwise_derivatives import TABLE
from ..core.graph import ancestors, chains, topological
from ..core.maps import Contract
from ..core.shapes import Shape, shape_of
from ..core.value import Value, constant, describe
from ..errors import GraphError
from ..formulas.code import name_of
from ..formulas.expressions import PRIME, is_number, number
from ..formulas.latex import latex_name
from ..formulas.printer import ATOM, POWER, SUM
from ..formulas.python import Python
from ..formulas.reader import TooLongError, Tracer, with_weight
from ..formulas.symbols import Block, Symbol, names_in, substituted
from ..ops.reductions import LogSumExp
from .names import Sources, inside_losses, parameters_read, suffixes
from .notation import LATEX, TEXT, Cotangent, Notation, Piece, added, multiplied, shape_of_expression

__all__ = ["Matrices", "MatrixLine"]


FEW = 12
"""A constant array of at most so many numbers is written out."""

INLINE = 12
"""A nameless Value of at most so many symbols and ops is written out in place."""


@dataclass(frozen=True, eq=False)
class MatrixLine:
    """``δ1`` or a gradient, of one Value: its formula, and its terms where it is a sum."""

    of: Value
    delta: Piece | None
    whole: Piece
    terms: tuple[Piece, ...]


class Matrices:
    """The derivatives of ``end`` with respect to ``targets``, written with matrices, δ by δ: ``lines``, in order."""

    def __init__(self, end: Value, targets: Sequence[Value], end_at: Shape, names: Mapping[Value, str]) -> None:
        self.end = end
        self.targets = dict.fromkeys(targets)  # a set that keeps order
        self.end_at = end_at
        self.names = names
        self.lines: list[MatrixLine] = []
        self.constants: dict[Value, str] = {}
        self.taken = {value.name for value in ancestors(end)}
        shown = {value: name for value, name in names.items() if not isinstance(value.op, LogSumExp)}
        self.tracer = Tracer(limit=1000, shown=shown)
        self.short = Tracer(limit=INLINE)
        self.notation = Notation(self._constant)
        self._pull_all()
        self.sources = Sources({}, names_in(line.delta.code for line in self.lines if line.delta))
        self.python = Python(self.sources)

    # ---- the sweep

    def _pull_all(self) -> None:
        order = topological(self.end)
        leading = self._leading(order)
        with np.errstate(all="ignore"):
            self.edges = {node: [(k, x) for k, x, _ in chains(node) if x in leading] for node in order}
        inside = inside_losses(self.end) - self.targets.keys()
        self.inside = {value: None for value in reversed(order) if value in inside}
        shown = [node for node in reversed(order) if node in leading and node not in self.inside]
        summing = [node for node in shown if len(self.edges[node]) > 1 or parameters_read(node)]
        suffix = suffixes([node for node in summing if node is not self.end])  # backpropagation would save these
        arriving: defaultdict[Value, list[Cotangent]] = defaultdict(list, {self.end: [self._seed()]})
        for node in shown:
            if node in arriving:
                g = self._named(node, arriving.pop(node), suffix.get(node))
                for operand, pulled in self._pulled(node, g):
                    arriving[operand].append(pulled)
        reached = {line.of for line in self.lines} | set(arriving)
        for target in self.targets:
            if target not in reached:
                raise GraphError(
                    f"derive: {describe(self.end)} does not depend on {describe(target)}: no path leads there; "
                    "was it computed from another Value?"
                )
            if target.is_leaf:
                terms = [term.full() for term in arriving[target]]
                self._enter(target, None, added(terms), terms)

    def _pulled(self, node: Value, g: Cotangent) -> Iterator[tuple[Value, Cotangent]]:
        """The cotangent of a node pulled back to each operand, or through the composition of a loss to its operands."""
        if not any(operand in self.inside for _, operand in self.edges[node]):
            for position, operand in self.edges[node]:
                yield operand, self.notation.pull(self._chain(node, position), g, node)
            return
        arriving: defaultdict[Value, list[Cotangent]] = defaultdict(list, {node: [Cotangent((), node.shape)]})
        for inside in (node, *self.inside):
            if inside in arriving:
                local = added(arriving.pop(inside), simplified=True)
                for position, operand in self.edges[inside]:
                    arriving[operand].append(self.notation.pull(self._chain(inside, position), local, inside))
        for operand, terms in arriving.items():
            yield operand, multiplied(g, added(terms, simplified=True), False)

    def _enter(self, of: Value, delta: Piece | None, whole: Cotangent, terms: Sequence[Cotangent]) -> None:
        self.lines.append(MatrixLine(of, delta, whole.piece(), tuple(term.piece() for term in terms)))

    def _leading(self, order: Sequence[Value]) -> set[Value]:
        """The Values from which a path goes on to a target."""
        leading = set(self.targets)
        for node in order:
            if any(parent in leading for parent in node.parents):
                leading.add(node)
        return leading

    def _seed(self) -> Cotangent:
        if self.end.size == 1:
            return Cotangent((), self.end.shape)
        data = np.zeros(self.end.shape)
        data[self.end_at] = 1.0
        return Cotangent((self._constant(data, "unit"),), self.end.shape)

    def _named(self, node: Value, terms: list[Cotangent], suffix: str | None) -> Cotangent:
        """The cotangent of a node; a node with a ``suffix`` gets a δ, and readers see its name."""
        g = added(terms)
        if node in self.targets:
            self._enter(node, None, g.full(), terms)
        plain = all(is_number(e) or (isinstance(e, Symbol) and getattr(e, "level", ATOM) == ATOM) for e in g.factors)
        if suffix is None or plain:
            return g
        code = name_of(f"delta{suffix}")
        delta = Piece(f"δ{suffix}", latex_name(f"δ{suffix}"), code, ATOM, g.piece().shape)
        self._enter(node, delta, g, terms)
        return Cotangent((delta,), g.shape)

    def _constant(self, data: Any, name: str) -> Symbol:
        value = constant(np.asarray(data))
        shown = next(one for k in count(1) if (one := name if k == 1 else f"{name}{k}") not in self.taken)
        self.taken.add(shown)
        self.constants[value] = shown
        return Symbol(value, None, shown)

    # ---- the weights of the maps

    def _chain(self, node: Value, position: int) -> list[Any]:
        """The maps of one operand, with formulas as their weights."""
        chain = []
        for linear_map, weight in self.tracer.chain(node, position):
            if type(weight) is float and not isinstance(node.op, Elementwise):
                chain.append(with_weight(linear_map, weight))
            elif weight is None:
                chain.append(linear_map)
            else:
                e = self._weight(node, position, weight)
                if isinstance(linear_map, Contract) and shape_of_expression(e) != shape_of(weight):  # equal numbers
                    e = self._constant(weight.data if isinstance(weight, Value) else weight, "c")
                chain.append(with_weight(linear_map, Cotangent((e,), shape_of(weight))))
        return chain

    def _weight(self, node: Value, position: int, weight: Any) -> ast.expr:
        """A weight as an expression that Python can compute, short nameless Values written out; else a constant."""
        elementwise = isinstance(node.op, Elementwise)
        for tracer in (self.short, self.tracer):
            try:
                e = tracer.local(node, position, None, None) if elementwise else tracer.weight(weight)
            except TooLongError:
                continue
            if all(_is_python(call) for call in ast.walk(e) if isinstance(call, ast.Call)):
                return substituted(e, self._with_name)
        assert node.op is not None
        data = weight.data if isinstance(weight, Value) else weight
        return self._constant(data, f"{node.op.name}′")

    def _with_name(self, symbol: Symbol) -> ast.expr:
        value = symbol.value
        if symbol.shown or value.name is not None:
            return symbol
        if value in self.names:
            return Symbol(value, symbol.index, self.names[value])
        if value in self.constants:
            return Symbol(value, None, self.constants[value])
        return self._constant(value.data, "c") if value.shape else symbol

    # ---- definitions

    def definitions(self) -> list[tuple[str, str, str]]:
        """``h1 = …`` for every nameless Value in the lines: its name, and its formula as text and as LaTeX."""
        found: list[tuple[str, str, str]] = []
        seen: set[Value] = set()
        names = {name: value for value, name in self.names.items()}
        written = " ".join(line.whole.text for line in self.lines)

        def named_in(text: str) -> list[Value]:
            return [names[word] for word in re.findall(r"(?<!\w)[hv]\d+", text) if word in names]

        waiting = named_in(written)
        waiting += [line.of for line in self.lines if line.of in self.names]  # they stand on the left
        while waiting:
            value = waiting.pop(0)
            if value in seen or value.op is None:
                continue
            seen.add(value)
            shown = {other: name for other, name in self.names.items() if other is not value}
            e = _worked_out(Tracer(limit=1000, shown=shown), value)
            found.append((self.names[value], TEXT.write(e), LATEX.write(e)))
            waiting += named_in(found[-1][1])
        return [*found, *self._numbers(written)]

    def _numbers(self, written: str) -> Iterator[tuple[str, str, str]]:
        """``c = [1, 0]`` for every array of numbers that the lines name."""
        for value, shown in self.constants.items():
            if re.search(rf"(?<![\w′]){re.escape(shown)}(?![\w′])", written):
                yield shown, *_array_text(value.data)


def _array_text(data: Any) -> tuple[str, str]:
    """A constant array as text and as LaTeX: a few numbers, or the shape and the range of many."""
    if data.size > FEW or data.ndim > 2:
        size, low, high = "×".join(map(str, data.shape)), f"{data.min():.4g}", f"{data.max():.4g}"
        latex = size.replace("×", r" \times ")
        return f"{size} numbers, {low} … {high}", rf"{latex}\ \text{{numbers, {low} to {high}}}"
    rows = [[f"{x:.4g}" for x in row] for row in np.atleast_2d(data)]
    lists = [f"[{', '.join(row)}]" for row in rows]
    text = lists[0] if data.ndim < 2 else f"[{', '.join(lists)}]"
    matrix = r" \\ ".join(" & ".join(row) for row in rows)
    return text, rf"\begin{{bmatrix}} {matrix} \end{{bmatrix}}"


def _worked_out(tracer: Tracer, value: Value) -> ast.expr:
    """The formula of a Value, one op deep."""
    assert value.op is not None
    if value.op.name in ("linear", "matmul"):
        parts = [tracer.element(parent, None) for parent in value.parents]
        text, latex = (
            f" {dot} ".join(writer.within(part, POWER) for part in parts[:2])
            for writer, dot in ((TEXT, ""), (LATEX, r"\,"))
        )
        text = text.replace("  ", " ")
        for part in parts[2:]:
            text, latex = f"{text} + {TEXT.within(part, SUM)}", f"{latex} + {LATEX.within(part, SUM)}"
        return Block(text, latex, number(0.0), SUM)
    try:
        return tracer.element(value, None)
    except TooLongError:
        return Block("…", r"\dots", number(0.0), ATOM)


def _is_python(call: ast.Call) -> bool:
    """Whether ``Python`` can print a call on whole arrays: a function of the table, or one that says its axes."""
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    return name.rstrip(PRIME) in TABLE or bool(call.keywords)
