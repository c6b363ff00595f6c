"""The forward and the backward pass of a recorded graph as a straight-line program.

Forward: elementwise ops from the table's text, structured ops by what their own code does. Backward: the one rule of
each op, the table's derivative or the chain of linear maps, applied from the end to the leaves. A derivative is written
as people write it, ``n30 * (1 - n30)``, if at the recorded point that has all its digits; else in the form computed.
"""

from __future__ import annotations

import ast
import copy
import math
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..core.derivatives import TABLE
from ..core.elementwise import Elementwise, WeightedSum
from ..core.graph import ancestors, topological
from ..core.maps import Broadcast, Contract, Gather, Map, Reshape, Scale, Scan, SumOver, Transpose
from ..core.numerics import LOCAL_FUNCTIONS
from ..core.shapes import shape_of
from ..core.sweeps import reverse
from ..core.table_source import compiled
from ..core.value import Op, Value, describe
from ..errors import ArgumentError, TinygradError
from ..formulas.expressions import built, is_number, names_in, number, product, total
from ..formulas.printer import quoted
from ..formulas.python import called, method, name_of
from ..ops.dense import Dense
from ..ops.einsums import Einsum
from ..ops.fused_losses import HalfSquaredError
from ..ops.manipulation import Move
from ..ops.primitives import Primitive
from ..ops.reductions import LogSumExp, Norm
from ..semirings import COUNT
from .noted import Notebook, Noted, noted
from .statements import Program, tidied

__all__ = ["HELPED", "Passes", "full", "pulled"]


HELPED = 40
"""Characters of the table's text from which on an op is a function of its own, defined above."""

TERMS = 12
"""Terms of a sum in one line."""

_CLOSE = 1e-13
"""Relative difference up to which the form that people write is as good as the one computed."""


class Passes:
    """The program of one graph. ``twins`` are Values of other samples that the same line computes."""

    def __init__(
        self,
        end: Value,
        wrt: Mapping[str, Value],
        names: Mapping[Value, str | None],
        twins: Callable[[Value], Iterable[Value]] = lambda value: (value,),
    ) -> None:
        self.end = end
        self.wrt = wrt
        self.names = names
        self.twins = twins
        self.values = ancestors(end)
        self.order = topological(end)
        on_floats = Elementwise | WeightedSum | None
        self.program = Program(scalar=all(not value.shape and isinstance(value.op, on_floats) for value in self.values))
        self.helpers: dict[str, None] = {}
        self.arguments: dict[Value, str] = {}
        self._sources: dict[Value, ast.expr] = {}
        self._notes: dict[Value, Noted] = {}
        self._ops: dict[Value, Op] = {}
        self._name_all()

    def _name_all(self) -> None:
        parameters = [value for value in self.wrt.values() if value.is_leaf]
        leaves = [value for value in self.values if value.is_leaf and value not in set(parameters)]
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
        """Write the forward pass. Returns what the end is called."""
        with np.errstate(all="ignore"):
            for value in self.values:
                if value.op is not None:
                    self._forward(value, value.op)
        return self._sources[self.end]

    def _forward(self, value: Value, op: Op) -> None:
        if isinstance(op, Primitive):  # its function is not ours to write
            raise _unwritten(value)
        if isinstance(op, Primitive):  # its function is the user's, and may be anything
            raise _unwritten(value)
        if isinstance(op, WeightedSum):
            terms = _weighted_terms(op, [self._sources[parent] for parent in value.parents])
        elif isinstance(op, Elementwise):
            terms = [self._line(op, op.rule.forward, [self._sources[parent] for parent in value.parents], op.name)]
        else:
            terms = [self._structured(value, op)]
        verb = op.name
        shown = self.names[value] if value is not self.end else self.names[value] or "loss"
        if shown is None and len(terms) <= TERMS:
            self._sources[value] = self.program.bind(total(terms), verb)
            return
        target = self.program.named(shown or "total")
        self._sources[value] = self.program.define(target, total(terms[:TERMS]), verb)
        for start in range(TERMS, len(terms), TERMS):
            self.program.extend(target, total(terms[start : start + TERMS]))

    def _line(self, op: Elementwise, text: str | None, operands: Sequence[ast.expr], helper: str) -> ast.expr:
        """An expression of the table, or a call of a function that holds it."""
        rule = op.rule
        letters = dict(zip(rule.operands, operands, strict=False))
        if text is not None and len(text) > HELPED:
            self.helpers[helper] = None
            given = (
                operands if "out" in names_in([ast.parse(text, mode="eval").body]) else operands[: len(rule.operands)]
            )
            return self.program.hoisted(ast.Call(name_of(helper), list(given), []))
        if len(operands) > len(rule.operands):
            letters["out"] = operands[-1]
        return self.program.hoisted(built(text or "0", letters))

    def _structured(self, value: Value, op: Op) -> ast.expr:
        operands = [self._noted(parent) for parent in value.parents]
        op = self._ops[value] = copy.copy(op)  # some keep what they computed
        x = operands[0]
        if isinstance(op, LogSumExp | Norm) and not x.ndim:
            return x.source if isinstance(op, LogSumExp) else self._table("abs", [x.source])
        if isinstance(op, LogSumExp):
            self.helpers["logsumexp"] = None
            keep = {"keepdims": True} if op.keepdims else {}
            return called("logsumexp", x.source, axis=_axes(op.axes), **keep)
        if isinstance(op, Norm):
            where = {} if len(op.axes) == x.ndim and not op.keepdims else {"axis": _axes(op.axes)}
            keep = {"keepdims": True} if op.keepdims else {}
            return called("np.sqrt", method(ast.BinOp(x.source, ast.Pow(), number(2)), "sum", **where, **keep))
        if isinstance(op, Einsum):
            found = np.einsum(f"{','.join(op.labels)}->{op.out_labels}", *operands)
        elif isinstance(op, HalfSquaredError):
            found = np.sum((x - operands[1]) ** 2.0) / (2.0 * op.divisor)
        elif isinstance(op, Move):
            found = op.function(x)
        else:
            found = op.forward(*operands)
        if not isinstance(found, Noted):
            raise _unwritten(value)
        return found.source

    def _table(self, name: str, operands: Sequence[ast.expr]) -> ast.expr:
        return self.program.hoisted(built(TABLE[name].forward, dict(zip(TABLE[name].operands, operands, strict=True))))

    def _noted(self, value: Value) -> Noted:
        if value not in self._notes:
            self._notes[value] = noted(value.data, self._sources[value], self.program)
        return self._notes[value]

    # ---- backward

    def backward(self) -> dict[str, ast.expr]:
        """Write the backward pass. Returns the gradients by name."""
        self.program.section = "backward"
        needed = self._needed()
        cotangents: defaultdict[Value, list[Noted]] = defaultdict(list)
        one = noted(np.ones(self.end.shape), number(1), self.program)
        cotangents[self.end].append(one if not self.end.shape else full(noted(1.0, number(1), self.program), one.shape))
        self.readers: defaultdict[Value, list[Value]] = defaultdict(list)
        with np.errstate(all="ignore"):
            for value in reversed(self.order):
                if value not in needed or value not in cotangents:
                    continue
                g = self._cotangent(value, cotangents[value])
                cotangents[value] = [g]
                for k, parent in enumerate(value.parents):
                    if parent in needed:
                        pulled_back = self._pulled(value, k, g)
                        if pulled_back is not None:
                            self.readers[parent].append(value)
                            cotangents[parent].append(pulled_back)
            return {name: self._gradient(value, cotangents.get(value, ())) for name, value in self.wrt.items()}

    def _needed(self) -> set[Value]:
        """All through which the gradient flows."""
        needed = set(self.wrt.values())
        for value in self.order:
            if any(parent in needed and parent.requires_grad for parent in value.parents):
                needed.add(value)
        return needed

    def _cotangent(self, value: Value, terms: Sequence[Noted]) -> Noted:
        """The line of one derivative, the sum over those who read the value."""
        if value is self.end:
            return terms[0]
        name = self.names[value]
        expressions = _merged([term.source for term in terms])
        first = total(expressions[:TERMS])
        shape = np.broadcast_shapes(*(term.shape for term in terms))
        kept = name is not None and not isinstance(value.op, Elementwise)
        if isinstance(tidied(first), ast.Name | ast.Constant):
            kept = False
        source = self._sources[value]
        if name is not None or len(expressions) > TERMS:
            target = self.program.named(f"d_{source.id}" if isinstance(source, ast.Name) and name else "delta")
        else:
            target = self.program.nameless()
        verb = f"d_{source.id}" if isinstance(source, ast.Name) else "delta"
        found = self.program.define(target, first, verb, kept or len(expressions) > TERMS, of=value)
        for start in range(TERMS, len(expressions), TERMS):
            self.program.extend(target, total(expressions[start : start + TERMS]))
        return noted(np.ones(shape), found, self.program)

    def _gradient(self, value: Value, terms: Sequence[Noted]) -> ast.expr:
        if not terms:
            return called("np.zeros", value.shape) if value.shape else number(0)
        shape = np.broadcast_shapes(*(term.shape for term in terms))
        expressions = _merged([term.source for term in terms])
        first = total(expressions[:TERMS])
        if len(expressions) > TERMS:
            target = self.program.named(f"d_{self.names[value] or 'leaf'}")
            self.program.define(target, first, kept=True, of=value)
            for start in range(TERMS, len(expressions), TERMS):
                self.program.extend(target, total(expressions[start : start + TERMS]))
            first = name_of(target)
        return full(noted(np.ones(shape), first, self.program), value.shape).source

    def _pulled(self, value: Value, k: int, g: Noted) -> Noted | None:
        op = value.op
        if isinstance(op, WeightedSum | Elementwise):
            parent = value.parents[k]
            weight, reads = self._weight(value, op, k)
            if is_number(weight, 0.0):
                return None
            shape = np.broadcast_shapes(g.shape, *(read.shape for read in reads))
            found = noted(np.ones(shape), self.program.bind(product(g.source, weight), "d"), self.program)
            if parent.shape == value.shape:
                return found
            return pulled(Broadcast(parent.shape, value.shape), found, value.shape)[0]
        chain = self._chain(value, k)
        if chain is None:
            return None
        shape = value.shape
        for linear_map in chain:
            g, shape = pulled(linear_map, g, shape)
        return g

    def _chain(self, value: Value, k: int) -> Any:
        op = self._ops[value]
        operands = [self._noted(parent) for parent in value.parents]
        if isinstance(op, LogSumExp | Norm) and not operands[0].ndim:
            local = number(1) if isinstance(op, LogSumExp) else called("sign", operands[0].source)
            return (Scale(noted(1.0, self.program.hoisted(local), self.program), 0),)
        out = self._noted(value)
        if hasattr(op, "keepdims") and not value.shape and operands[0].ndim:  # a number broadcasts as it is
            op.keepdims = True
            out = noted(np.reshape(value.data, (1,) * operands[0].ndim), out.source, self.program)
        return op.chain(k, operands, out)

    def _weight(self, value: Value, op: WeightedSum | Elementwise, k: int) -> tuple[ast.expr, Sequence[Value]]:
        """A local derivative, and the Values that it reads."""
        sources = [self._sources[parent] for parent in value.parents]
        if isinstance(op, WeightedSum):
            if k == len(sources) - 1:
                return number(1), ()
            return WeightedSum.partners(sources)[k], (WeightedSum.partners(value.parents)[k],)
        text = op.rule.derivatives[k]
        if text is None:
            return number(0), ()
        written = op.rule.written[k]
        if written is not None and written != text and all(self._is_exact(twin, op, k) for twin in self.twins(value)):
            text = written
        letters = dict(zip((*op.rule.operands, "out"), (*value.parents, value), strict=True))
        reads = [letters[letter] for letter in names_in([ast.parse(text, mode="eval").body]) if letter in letters]
        return self._line(op, text, [*sources, self._sources[value]], f"{op.name}_slope{k or ''}"), reads

    @staticmethod
    def _is_exact(value: Value, op: Elementwise, k: int) -> bool:
        """Whether the form that people write has all its digits here."""
        data = [np.asarray(parent.data, dtype=float) for parent in value.parents] + [np.asarray(value.data, float)]
        both = []
        for text in (op.rule.written[k], op.rule.derivatives[k]):
            assert text is not None
            both.append(np.broadcast_to(compiled(op.rule, text, dict(LOCAL_FUNCTIONS))(*data), value.shape))
        return bool(np.all((both[0] == both[1]) | (np.abs(both[0] - both[1]) <= _CLOSE * np.abs(both[1]))))

    # ---- which paths a line carries

    def counts(self) -> dict[Value, Any]:
        """The number of paths to each Value, where all are scalars."""
        return reverse(self.end, COUNT) if self.program.scalar else {}

    def route(self, value: Value, lines: Container[Value]) -> str:
        """The paths from the end that the line of this derivative carries: ``C ← (n30 ← z30 | n31 ← z31) ← n20``.

        Those behind a derivative that has a line of its own, the ``lines``, are ``…`` where there are several.
        """
        tail: list[str] = []
        shown = value
        while True:
            name = self.names[shown]
            tail = [quoted(name), *tail] if name is not None else tail
            readers = self.readers[shown]
            if len(readers) != 1:
                break
            shown = readers[0]
            if shown is self.end:
                return " ← ".join([self.start, *tail])
            if shown in lines:
                return " ← ".join([*self._head(shown), *tail])
        heads = [self._head(reader) for reader in dict.fromkeys(readers)]
        common = 2 if all(head[1:2] == ["…"] for head in heads) else 1
        parts = list(dict.fromkeys(" ← ".join(head[common:]) for head in heads if len(head) > common))
        if len(parts) > 4:
            parts = [*parts[:2], "…", parts[-1]]
        group = [f"({' | '.join(parts)})"] if len(parts) > 1 else parts
        return " ← ".join([*(heads[0][:common] if heads else [self.start]), *group, *tail])

    def _head(self, value: Value) -> list[str]:
        """The one path from the end to a Value, or ``C ← … ← z20``."""
        names: list[str] = []
        shown = value
        while shown is not self.end:
            name = self.names[shown]
            names = [quoted(name), *names] if name is not None else names
            readers = self.readers[shown]
            if len(readers) != 1 or len(names) > 6:
                return [self.start, "…", *names[-1:]]
            shown = readers[0]
        return [self.start, *names]

    @property
    def start(self) -> str:
        """What the end is called in comments."""
        return quoted(self.names[self.end] or "loss")


def _unwritten(value: Value) -> TinygradError:
    assert value.op is not None
    return ArgumentError(
        f"manual_backprop: the op {value.op.name!r}, which made {describe(value)}, does not say what it does to "
        "arrays; write this part by hand, or use other ops"
    )


def _weighted_terms(op: WeightedSum, operands: Sequence[ast.expr]) -> list[ast.expr]:
    n = len(operands) // 2
    weights, inputs, bias = operands[:n], operands[n:-1], operands[-1]
    for factors, others in ((weights, inputs), (inputs, weights)):
        if 1 < n <= TERMS and all(is_number(factor, getattr(factors[0], "value", None)) for factor in factors):
            return [product(total(others), factors[0]), bias]
    return [product(weight, x) for weight, x in zip(weights, inputs, strict=True)] + [bias]


def _merged(terms: Sequence[ast.expr]) -> list[ast.expr]:
    """Equal terms as one: ``2 * x`` for ``x + x``."""
    found: dict[str, list[ast.expr]] = {}
    for term in terms:
        found.setdefault(ast.dump(term), []).append(term)
    return [product(number(len(equal)), equal[0]) for equal in found.values()]


def _axes(axes: tuple[int, ...]) -> int | tuple[int, ...]:
    return axes[0] if len(axes) == 1 else axes


Shape = tuple[int, ...]
_SLOW = 10_000  # multiplications: from here on einsum is told to look for matrix products


def full(g: Noted, shape: Shape) -> Noted:
    """``g`` repeated to its whole shape, which it need not have while it is only multiplied."""
    if g.shape == shape:
        return g
    if isinstance(g.expr, ast.Constant):
        value = called("np.ones", shape) if g.expr.value == 1.0 else called("np.full", shape, g.expr)
        return noted(np.ones(shape), g.book.bind(value, "ones"), g.book)
    return np.broadcast_to(g, shape)  # type: ignore[return-value]


def pulled(linear_map: Map, g: Noted, shape: Shape) -> tuple[Noted, Shape]:
    """``g``, the cotangent of an output of this shape, carried to the input; and the input's shape."""
    match linear_map:
        case Scale(weight=weight):
            return g * weight, shape
        case SumOver(in_shape=in_shape, weight=weight):
            g = _kept(g, shape, linear_map)
            return (g if type(weight) is float and weight == 1.0 else g * weight), in_shape
        case Broadcast(in_shape=in_shape):
            elements = int(np.prod(in_shape))
            if isinstance(g.expr, ast.Constant) and elements:
                one: Any = g.expr.value
                return noted(1.0, ast.Constant(float(one * (math.prod(shape) // elements))), g.book), in_shape
            return _summed(full(g, shape), in_shape), in_shape
        case Reshape(in_shape=in_shape):
            g = full(g, shape)
            return (g.reshape(in_shape) if in_shape else g.sum() if shape else g), in_shape
        case Transpose():
            found = np.transpose(full(g, shape), linear_map._inverse()) if shape else g
            return found, found.shape  # type: ignore[return-value]
        case Contract():
            sizes = dict(zip(linear_map.out_labels, shape, strict=True))
            sizes |= dict(zip(linear_map.operand_labels, shape_of(linear_map.operand), strict=True))
            in_shape = tuple(sizes[label] for label in linear_map.in_labels)
            return _contracted(linear_map, full(g, shape), sizes), in_shape
        case Gather(in_shape=in_shape):
            return _scattered(linear_map, full(g, shape)), in_shape
        case Dense(in_shape=in_shape):
            return linear_map.back(full(g, shape)), in_shape
        case Scan(axis=axis):
            g = full(g, shape)
            return np.flip(np.cumsum(np.flip(g, axis), axis=axis), axis), shape  # type: ignore[return-value]
    raise ArgumentError(
        f"manual_backprop: there is no way to write the map {type(linear_map).__name__} as NumPy source; "
        "leave out what was computed by it, or put other ops in its place"
    )


def _kept(g: Noted, shape: Shape, linear_map: SumOver) -> Noted:
    """``g`` with an axis of length 1 where one was summed away, so that it broadcasts."""
    if linear_map.keepdims or not g.ndim:
        return g
    ndim = len(linear_map.in_shape)
    key = tuple(None if k - ndim in linear_map.axes else slice(None) for k in range(ndim))
    while key and key[0] is None:  # broadcasting adds those by itself
        key = key[1:]
    return full(g, shape)[key] if None in key else g


def _summed(g: Noted, in_shape: Shape) -> Any:
    """Summed over the axes along which something of ``in_shape`` was repeated."""
    lead = g.ndim - len(in_shape)
    inner = tuple(k - len(in_shape) for k, n in enumerate(in_shape) if g.shape[lead + k] != n)
    if not in_shape:
        return g.sum() if g.ndim else g
    if not inner:
        return np.sum(g, axis=tuple(range(lead)) if lead > 1 else 0) if lead else g
    if not lead:
        return np.sum(g, axis=inner, keepdims=True)
    return np.sum(g, axis=(*range(lead), *inner)).reshape(in_shape)


def _contracted(contract: Contract, g: Noted, sizes: dict[str, int]) -> Any:
    """A matrix product where it is one, ``g @ w.T``; else ``np.einsum``."""
    out, inner, own, w = contract.out_labels, contract.in_labels, contract.operand_labels, contract.operand
    summed = [label for label in out if label not in inner]
    if not summed and (out == inner == own or (not out and inner == own) or (not own and inner == out)):
        return g * w
    if len(out) == len(own) == 1 and inner == out + own:
        return np.outer(g, w)
    if len(out) == len(own) == 1 and inner == own + out:
        return np.outer(w, g)
    if len(summed) == 1 and summed[0] in own:
        (k,) = summed
        batch = "".join(label for label in out if label in own and label in inner)
        a, b, c = (word.removeprefix(batch) for word in (out, own, inner))
        stacked = all(word.startswith(batch) for word in (out, own, inner)) and len(a) == len(b) == len(c) == 2
        if stacked or (not batch and max(len(a), len(b)) <= 2 and len(c) == len(a) + len(b) - 2):
            return _matrix_product(g, w, a, b, c, k, bool(batch))
    words = f"{out},{own}->{inner}"
    if math.prod(sizes.values()) > _SLOW:
        return np.einsum(words, g, w, optimize=True)
    return np.einsum(words, g, w)


def _matrix_product(g: Any, w: Any, out: str, own: str, inner: str, k: str, stacked: bool) -> Any:
    """``inner[a, b] = Σ_k out * own``, turned so that ``@`` does it."""
    left, left_labels, right, right_labels = g, out, w, own
    if (len(inner) == 2 and inner[0] in own) or (len(inner) == 1 and inner in own and own[-1] == k):
        left, left_labels, right, right_labels = w, own, g, out

    def turned(x: Any) -> Any:
        return np.swapaxes(x, -1, -2) if stacked else x.T

    if len(left_labels) == 2 and left_labels[1] != k:
        left = turned(left)
    if len(right_labels) == 2 and right_labels[0] != k:
        right = turned(right)
    return left @ right


def _scattered(gather: Gather, g: Noted) -> Any:
    """Each element of ``g`` to where its value came from, added up."""
    book, in_shape = g.book, gather.in_shape
    if gather.back is not None:

        def zeros() -> Noted:
            return noted(np.zeros(in_shape), book.bind(called("np.zeros", in_shape), "zeros"), book)

        return gather.back(g, zeros)
    size = math.prod(in_shape)
    filled = bool((gather.source < 0).any())  # with constants: they read 0
    numbers = _positions(size, int(filled), book)
    places = gather.move(numbers.reshape(in_shape) if in_shape else numbers.sum())
    back = np.bincount(_flat(places), weights=_flat(g), minlength=size + filled)
    back = back[1:] if filled else back
    return back.reshape(in_shape) if in_shape else back.sum()


def _positions(size: int, start: int, book: Notebook) -> Noted:
    value = called("np.arange", 1, size + 1) if start else called("np.arange", size)
    return noted(np.arange(start, size + start), book.bind(value, "places"), book)


def _flat(x: Any) -> Any:
    return x if x.ndim == 1 else np.ravel(x)
