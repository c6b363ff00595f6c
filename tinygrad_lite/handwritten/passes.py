"""The forward and the backward pass of a recorded graph as a straight-line program.

Forward: expressions of the table, and for structured ops the NumPy calls that their own code makes. Backward: each op's
own rule, the table's derivative or the chain of linear maps, whose ``pull`` runs on traced arrays from the end to the
leaves. A derivative is written as people write it, ``n30 * (1 - n30)``, if that form has all its digits at the recorded
point; else in the form that is computed.
"""

from __future__ import annotations

import ast
import copy
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from ..core.elementwise_derivatives import Rule
from ..core.graph import ancestors, topological
from ..core.maps import Broadcast, Chain
from ..core.numerics import LOCAL_FUNCTIONS
from ..core.shapes import Shape
from ..core.table_source import compiled
from ..core.value import Op, Value, describe
from ..errors import ArgumentError, TinygradError
from ..formulas.code import called, name_of
from ..formulas.expressions import built, is_number, number, product, total
from ..formulas.symbols import names_in
from ..ops.selection import GetItem
from ..programs.tracing import Traced, Untraceable
from .program import Readable, Written
from .statements import tidied

__all__ = ["HELPED", "Passes"]


HELPED = 40
"""An op whose text in the table is longer than this becomes a function of its own, defined above."""

TERMS = 12
"""Terms of a sum in one line."""

_CLOSE = 1e-13
"""Relative difference up to which the form that people write is as good as the one computed."""


class Passes:
    """The program of one graph.

    ``families`` holds, for each Value that stands for those of several samples, all of these. After ``backward``,
    ``readers`` holds for each Value the Values through which its cotangent came.
    """

    def __init__(
        self,
        end: Value,
        wrt: Mapping[str, Value],
        names: Mapping[Value, str | None],
        families: Mapping[Value, Sequence[Value]],
    ) -> None:
        self.end, self.wrt, self.names, self.families = end, wrt, names, families
        self.values = ancestors(end)
        self.order = topological(end)
        self.program = Readable(scalar=all(not value.shape and _is_expression(value) for value in self.values))
        self.written = Written(self.program)
        self.helpers: dict[str, None] = {}
        self.arguments: dict[Value, str] = {}
        self.readers: defaultdict[Value, list[Value]] = defaultdict(list)
        self._sources: dict[Value, ast.expr] = {}
        self._traced: dict[Value, Traced] = {}
        self._ops: dict[Value, Op] = {}
        self._letters: dict[Value, dict[str, Value]] = {}
        self._scattered: dict[Value, Traced] = {}  # cotangents of parts of a Value, summed in one array
        self._name_leaves()

    def _name_leaves(self) -> None:
        parameters = [value for value in self.wrt.values() if value.is_leaf]
        leaves = [value for value in self.values if value.is_leaf]
        leaves.sort(key=lambda value: not value.requires_grad)
        for value in dict.fromkeys([*parameters, *leaves]):
            if value.requires_grad or self.names[value] is not None or value.shape:
                shown = self.names[value] or ("leaf" if value.requires_grad else "constant")
                self.arguments[value] = self.program.named(shown)
                self._sources[value] = name_of(self.arguments[value])
            else:
                self._sources[value] = number(value.data)

    # ---- forward

    def forward(self) -> ast.expr:
        """Write the forward pass. Returns the expression of the end.

        Raises ``ArgumentError`` for a user's own op, and for one whose code reads numbers that a traced array has not.
        """
        with np.errstate(all="ignore"):
            for value in self.values:
                if value.op is not None:
                    self._forward(value, value.op)
        return self._sources[self.end]

    def _forward(self, value: Value, op: Op) -> None:
        if op.opaque:
            raise _unwritten(value)
        rule = op.expressions(len(value.parents))
        if rule is None:
            terms = [self._structured(value, op)]
        else:
            texts = sorted(rule.terms, key=str.isidentifier)  # products first, then the bias
            terms = _factored([self._line(value, rule, text, op.name) for text in texts])
        shown = self.names[value] if value is not self.end else self.names[value] or "loss"
        if shown is None and len(terms) <= TERMS:
            self._sources[value] = self.program.bind(total(terms), op.name)
        else:
            target = self.program.named(shown or "total")
            self._sources[value] = self.program.sum_of(target, terms, TERMS, op.name)
        if value.dtype == bool:
            self.program.keep_truths(self._sources[value])

    def _line(self, value: Value, rule: Rule, text: str, helper: str) -> ast.expr:
        """An expression of the table, or a call of a function that holds it."""
        letters = self._operands(value, rule)
        read = set(names_in([ast.parse(text, mode="eval").body]))
        if len(text) > HELPED:
            self.helpers[helper] = None
            given = [x for letter, x in letters.items() if letter != "out" or letter in read]
            return self.program.hoisted(ast.Call(name_of(helper), [self._sources[x] for x in given], []))
        operands = {letter: letters[letter] for letter in read if letter in letters}
        return self._stretched(
            built(text, {x: self._sources[value] for x, value in operands.items()}), operands.values()
        )

    def _stretched(self, e: ast.expr, operands: Collection[Value]) -> ast.expr:
        """An expression in the shape of its operands, also where one fell out, as from ``where(True, x, y)``."""
        left = set(names_in([e]))
        own = np.broadcast_shapes(*(x.shape for x in operands if left.intersection(names_in([self._sources[x]]))))
        shape, e = np.broadcast_shapes(*(x.shape for x in operands)), self.program.hoisted(e)
        return e if own == shape else self.program.whole(self.program.traced(np.ones(shape), e, own))

    def _operands(self, value: Value, rule: Rule) -> dict[str, Value]:
        """The operands of a Value, and the Value itself, by their letters in the rule."""
        if value not in self._letters:
            self._letters[value] = dict(zip((*rule.operands, "out"), (*value.parents, value), strict=True))
        return self._letters[value]

    def _structured(self, value: Value, op: Op) -> ast.expr:
        op = self._ops[value] = copy.copy(op)  # some keep what they computed
        try:
            found = op.written(*map(self._trace, value.parents))
        except Untraceable as error:
            raise _unwritten(value) from error
        if not isinstance(found, Traced):
            raise _unwritten(value)
        if type(op).written is not Op.written:
            self.program.rename_verb(_expr(found), op.name)
        return self.program.whole(found)

    def _trace(self, value: Value) -> Traced:
        if value not in self._traced:
            self._traced[value] = self.program.traced(np.asarray(value.data), self._sources[value])
        return self._traced[value]

    # ---- backward

    def backward(self) -> dict[str, ast.expr]:
        """Write the backward pass. Returns the gradients by name."""
        self.program.section = "backward"
        needed = self._needed()
        cotangents: defaultdict[Value, list[Traced]] = defaultdict(list)
        cotangents[self.end].append(self._cotangent_of(self.end, number(1), ()))
        with np.errstate(all="ignore"):
            for value in reversed(self.order):
                if value not in needed or value not in cotangents:
                    continue
                g = self._cotangent(value, cotangents[value])
                cotangents[value] = [g]
                operands = value.parents
                rule = value.op.expressions(len(operands)) if value.op is not None else None
                for k, parent in enumerate(operands):
                    if parent in needed:
                        if self._added(value, parent, g):
                            self.readers[parent].append(value)
                            continue
                        pulled = self._pulled(value, k, parent, rule, g)
                        if pulled is not None:
                            self.readers[parent].append(value)
                            cotangents[parent].append(pulled)
            return {name: self._gradient(value, cotangents.get(value, ())) for name, value in self.wrt.items()}

    def _needed(self) -> set[Value]:
        """The Values through which the gradient flows."""
        needed = set(self.wrt.values())
        for value in self.order:
            if any(parent in needed and parent.requires_grad for parent in value.parents):
                needed.add(value)
        return needed

    def _cotangent_of(self, value: Value, expr: ast.expr, own: Shape) -> Traced:
        """The cotangent of a Value: an expression that broadcasts to its shape."""
        return self.program.traced(np.ones(value.shape, value.dtype if value.dtype.kind == "f" else None), expr, own)

    def _cotangent(self, value: Value, terms: Sequence[Traced]) -> Traced:
        """The line of one cotangent: the sum of the terms that the Value's readers contribute."""
        if value is self.end:
            return terms[0]
        name, source = self.names[value], self._sources[value]
        expressions = _merged(terms)
        rule = None if value.op is None else value.op.expressions(len(value.parents))
        kept = name is not None and (rule is None or len(rule.terms) > 1)
        first = tidied(total(expressions[:TERMS]))
        if isinstance(first, ast.Constant) and len(expressions) <= TERMS:  # times an array it may be a number again
            return self._cotangent_of(value, first, ())
        if isinstance(first, ast.Name | ast.Constant):
            kept = False
        if name is not None or len(expressions) > TERMS:
            target = self.program.named(f"d_{source.id}" if isinstance(source, ast.Name) and name else "delta")
        else:
            target = self.program.nameless()
        verb = f"d_{source.id}" if isinstance(source, ast.Name) else "delta"
        found = self.program.sum_of(target, expressions, TERMS, verb, kept, of=value)
        return terms[0] if found is _expr(terms[0]) else self._cotangent_of(value, found, _own(terms))

    def _gradient(self, value: Value, terms: Sequence[Traced]) -> ast.expr:
        if not terms:
            return called("np.zeros", value.shape) if value.shape else number(0)
        if len(terms) == 1:
            return self.program.whole(terms[0])
        expressions = _merged(terms)
        found = total(expressions)
        if len(expressions) > TERMS:
            target = self.program.named(f"d_{self.names[value] or 'leaf'}")
            found = self.program.sum_of(target, expressions, TERMS, of=value)
        return self.program.whole(self._cotangent_of(value, found, _own(terms)))

    def _pulled(self, value: Value, k: int, parent: Value, rule: Rule | None, g: Traced) -> Traced | None:
        """The cotangent pulled back to operand ``k``, ``parent``; ``None`` where there is no derivative."""
        chain: Chain | None
        if rule is None:
            chain = self._ops[value].chain(k, [self._trace(x) for x in value.parents], self._trace(value))
            if chain is None:
                return None
        else:
            weight, reads = self._weight(value, rule, k)
            if is_number(weight, 0.0):
                return None
            own = np.broadcast_shapes(_own([g]), *(read.shape for read in reads))
            g = self._cotangent_of(value, self.program.bind(product(_expr(g), weight), "d"), own)
            chain = () if parent.shape == value.shape else (Broadcast(parent.shape, value.shape),)
        pulled: Traced = self.written.pull(chain, g, value)
        if isinstance(value.op, GetItem) and parent.shape:
            self._scattered[parent] = pulled
        return pulled

    def _added(self, value: Value, parent: Value, g: Traced) -> bool:
        """Add a cotangent of ``parent[key]`` in place where one of another part is there: one array for all parts."""
        if not isinstance(value.op, GetItem) or parent not in self._scattered:
            return False
        self.program.add_at(self._scattered[parent], value.op.key, g)
        return True

    def _weight(self, value: Value, rule: Rule, k: int) -> tuple[ast.expr, Sequence[Value]]:
        """A local derivative of the table, and the Values that it reads."""
        text, written = rule.derivatives[k], rule.written[k]
        if text is None:
            return number(0), ()
        if written not in (None, text) and all(_is_exact(twin, rule, k) for twin in self.families.get(value, (value,))):
            text = written or text
        letters = self._operands(value, rule)
        reads = [letters[letter] for letter in names_in([ast.parse(text, mode="eval").body]) if letter in letters]
        return self._line(value, rule, text, f"{rule.name}_slope{k or ''}"), reads


def _is_expression(value: Value) -> bool:
    """Whether a Value is a leaf, or an expression of its operands."""
    return value.op is None or value.op.expressions(len(value.parents)) is not None


def _is_exact(value: Value, rule: Rule, k: int) -> bool:
    """Whether the derivative that people write has all its digits here."""
    data = [np.asarray(x.data, dtype=float) for x in (*value.parents, value)]
    found, right = (
        np.broadcast_to(compiled(rule, text or "", dict(LOCAL_FUNCTIONS))(*data), value.shape)
        for text in (rule.written[k], rule.derivatives[k])
    )
    return bool(np.all((found == right) | (np.abs(found - right) <= _CLOSE * np.abs(right))))


def _unwritten(value: Value) -> TinygradError:
    assert value.op is not None
    return ArgumentError(
        f"manual_backprop: the op {value.op.name!r}, which made {describe(value)}, does not say what it does to "
        "arrays; write this part by hand, or use other ops"
    )


def _factored(terms: list[ast.expr]) -> list[ast.expr]:
    """``(x0 + x1) / 2 + b`` for ``x0 / 2 + x1 / 2 + b``, and the like with products of a number."""
    *products, last = terms
    pairs = [(type(e.op), e.left, e.right) for e in products if isinstance(e, ast.BinOp)]
    if not 1 < len(pairs) == len(products) <= TERMS:
        return terms
    for op, left in ((ast.Mult, True), (ast.Mult, False), (ast.Div, False)):
        factors = [(a, b) if left else (b, a) for _, a, b in pairs]
        shared = factors[0][0]
        alike = {(kind, ast.dump(factor)) for (kind, _, _), (factor, _) in zip(pairs, factors, strict=True)}
        if isinstance(shared, ast.Constant) and alike == {(op, ast.dump(shared))}:
            added = total([other for _, other in factors])
            return [ast.BinOp(added, op(), shared) if op is ast.Div else product(added, shared), last]
    return terms


def _expr(x: Traced) -> ast.expr:
    return x.slot.expr  # type: ignore[attr-defined, no-any-return]


def _own(terms: Sequence[Traced]) -> Shape:
    """The shape of the sum of cotangents as they are written, before they are broadcast."""
    return np.broadcast_shapes(*(x.slot.own for x in terms))  # type: ignore[attr-defined]


def _merged(terms: Sequence[Traced]) -> list[ast.expr]:
    """Equal terms as one: ``2 * x`` for ``x + x``."""
    found: dict[str, list[ast.expr]] = {}
    for term in map(_expr, terms):
        found.setdefault(ast.dump(term), []).append(term)
    return [product(number(len(equal)), equal[0]) for equal in found.values()]
