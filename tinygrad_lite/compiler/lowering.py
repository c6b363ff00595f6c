"""Ops as NumPy calls: a captured run, with its sweeps, as a ``Lowered`` program.

An op's own ``forward`` and ``chain``, and the maps' own ``pull``, run once on ``Traced`` arrays. So no rule is written
a second time for compiled code: the replay does what the rule did, and only if the result is eager's, bit for bit. An
op that cannot be traced (it asks for numbers, or is a user's own) is one opaque call of its ``forward`` or ``pull``.
Ops of the table on floats become calls of Python source, from the table's expressions.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from ..core.elementwise_derivatives import Rule
from ..core.graph import Edge, operands_of, saved_operands
from ..core.table_source import float_source
from ..core.value import Op, Plain, Value, as_data
from ..ops.selection import GetItem
from ..programs.calls import Slot, slots_in
from ..programs.tracing import Traced, picked, sampled, slotted
from .capture import Capture, Guard, Node, Sweep, Swept
from .carrying import PULL, PULL_SEVERAL, PUSH, PUSH_SEVERAL, Way, with_key
from .lowered import Lowered
from .pieces import Pieces, whole
from .probes import Mark

__all__ = ["lowered"]

# ---- the table's expressions on floats -------------------------------------------------------------------------------

_OPERATORS: dict[type[ast.operator], np.ufunc] = {ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply}


@cache
def _template(expression: str, names: tuple[str, ...]) -> Any:
    """An expression in operands of these names, as a tree that ``_Lowering.written`` walks.

    A tuple is arithmetic (ufunc, left, right), an int an operand's position, a float a number. A ``_Text`` is source
    of anything else: calls, powers, quotients, and choices, where Python must compute one side only.
    """

    def built(e: ast.expr) -> Any:
        match e:
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return _OPERATORS[type(op)], built(left), built(right)
            case ast.Name(id=name):
                return names.index(name)
            case ast.Constant(value=value):
                return float(value)  # type: ignore[arg-type]
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=value)):
                return -float(value)  # type: ignore[arg-type]
        read = sorted({names.index(part.id) for part in ast.walk(e) if isinstance(part, ast.Name) and part.id in names})
        return _Text(float_source(ast.unparse(e), {names[k]: f"{{{j}}}" for j, k in enumerate(read)}), tuple(read))

    return built(ast.parse(expression, mode="eval").body)


@dataclass(frozen=True)
class _Text:
    source: str
    read: tuple[int, ...]
    """The operands that stand in the places {0}, {1}, …"""


# ---- a whole graph ---------------------------------------------------------------------------------------------------


def lowered(capture: Capture, arguments: Sequence[Value], optimistic: bool = True) -> Lowered:
    """The captured run as calls: forward with its guards, then backward as ``backward`` goes."""
    with np.errstate(all="ignore"):
        return _Lowering(capture, arguments, optimistic).run()


_WAYS = {(way.forward, way.several): way for way in (PULL, PULL_SEVERAL, PUSH, PUSH_SEVERAL)}

Edges = Sequence[tuple[Value, Sequence[Edge]]]
"""Nodes in order, each with the operands through which it is reached."""


class _Ops:
    """The values of ops on slots, and what a sweep needs to go through them."""

    def __init__(self, capture: Capture, arguments: Sequence[Value], optimistic: bool) -> None:
        self.capture = capture
        self.low = Lowered(optimistic)
        self.at: dict[int, Any] = {}  # by Value: its slot, or its number if that never changes
        self.ops: dict[int, Op] = {}  # by Value: the copy of its op that ran forward, and may have kept something
        self.traced: dict[int, Traced] = {}
        self.taken: dict[int, tuple[Any, Any]] = {}
        self.swept: dict[Sweep, list[Any]] = {}
        for argument in arguments:
            self.low.arguments.append(self._input(argument))
        for leaf in capture.leaves:
            self.low.leaves.append((leaf, self._input(leaf)))

    def _input(self, value: Value) -> Slot:
        slot = self.at[id(value)] = Slot(value._data, note=value.name or "")
        return slot

    def _key(self, node: Node) -> tuple[Any, ...]:
        """An index that has Values in it, with their slots in their places."""
        parts = enumerate(node.op.key)  # type: ignore[attr-defined]
        return tuple(self.at[id(node.keys[k])] if k in node.keys else part for k, part in parts)

    def _argument(self, x: Any) -> Any:
        """An operand: a slot, or a copy of a constant, as the user may write into the original later."""
        if isinstance(x, Value):
            return self.at[id(x)]
        if id(x) not in self.taken:
            self.taken[id(x)] = x, as_data(x, keep_integers=True, copy=True)
        return self.taken[id(x)][1]

    def _on_floats(self, rule: Rule, args: tuple[Any, ...], out: float) -> Any:
        """The value of an op on floats, from its expression."""
        real = not (rule.name == "pow" and type(args[1]) is float and args[1].is_integer())  # else it may be complex
        first, *rest = (self._computed(_template(term, rule.operands), args, out, real) for term in rule.terms)
        for term in rest:
            first = self.low.arithmetic(np.add, first, term)
        if isinstance(first, Slot):
            first.sample = out  # those of its parts are some number
        return first

    def _computed(self, tree: Any, args: tuple[Any, ...], sample: float, real: bool) -> Any:
        if type(tree) is tuple:
            return self.low.arithmetic(tree[0], *(self._computed(part, args, sample, real) for part in tree[1:]))
        if type(tree) is int:
            return args[tree]
        if type(tree) is float:
            return tree
        source = f"real({tree.source})" if real and "**" in tree.source else tree.source
        return self.low.call("text", source, tuple(args[k] for k in tree.read), {}, sample)

    def _followed(self, op: Op, args: tuple[Any, ...], value: Value) -> Any:
        """The op's forward as the NumPy calls that it makes, if they give the same bits; else as one opaque call."""
        start = len(self.low.calls)
        self.low.operands = {*slots_in(args)}
        if _ours(op) and not (op.opaque or isinstance(op, Plain)):
            self.ops[id(value)] = own = copy.copy(op)
            check = op.replay_check(*sampled(args))
            if check is not None and any(isinstance(x, Slot) for x in args):
                self.low.call("guard", check, args, {}, None)
            try:
                out = slotted(own.forward(*map(self._as_traced, args)))
                if isinstance(out, Slot | float) and _alike(sampled(out), value._data):
                    return self._as_float(out, value)
            except Exception:  # it asked for something that a Traced does not have
                pass
            self.low.back_to(start)
            self.ops.pop(id(value))
        sample = np.array(value._data) if type(value._data) is float else value._data  # which record made a float
        return self._as_float(self.low.call("opaque", op.forward, args, {}, sample), value)

    def _as_traced(self, x: Any) -> Any:
        if not isinstance(x, Slot):
            return x
        if id(x) not in self.traced:
            self.traced[id(x)] = Traced(self.low, x)
        return self.traced[id(x)]

    def _as_float(self, slot: Any, value: Value) -> Any:
        """The slot, as a Python float where the Value is one."""
        if type(value._data) is not float or type(sampled(slot)) is float:
            return slot
        return self.low.call("text", "float({0})", (slot,), {}, value._data)


class _Lowering(_Ops):
    """Guards, ops and sweeps of a captured run, in order."""

    def run(self) -> Lowered:
        guards = iter(self.capture.guards)
        guard = next(guards, None)
        for position, node in enumerate([*self.capture.nodes, None]):
            while guard is not None and all(id(x) in self.at for x in guard.operands if isinstance(x, Value)):
                self._guard(guard)
                guard = next(guards, None)
            if node is not None:
                self._forward(node)
                self._mark(self.at[id(node.value)], Mark(False, position, node.op.name))
        self.low.outputs = [self.at[id(end)] for end in self.capture.ends]
        if self.capture.is_step:
            self._backward(self.capture.ends[0])
        return self.low

    def _mark(self, x: Any, mark: Mark) -> None:
        if isinstance(x, Slot):
            self.low.marks[x].append(mark)

    def _guard(self, guard: Guard) -> None:
        args = tuple(self.at[id(x)] if isinstance(x, Value) else x for x in guard.operands)
        self.low.call("guard", replace(guard, operands=()), args, {}, None)

    def _forward(self, node: Node) -> None:
        op, value = node.op, node.value
        start = len(self.low.calls)
        if isinstance(op, Plain) and not node.operands:
            self.low.noise.append((op, self._input(value)))
            return
        if isinstance(op, Swept):
            self.at[id(value)] = self._of_sweep(op, value)
            return
        args = tuple(self._argument(x) for x in node.operands)
        rule = _rule(op, len(args))
        if type(value._data) is float and saved_operands(value) is None and rule is not None:
            slot = self._on_floats(rule, args, value._data)
        elif node.keys:
            slot = self.low.call("fresh", picked, (*args, self._key(node)), {}, value._data)
        else:
            slot = self._followed(op, args, value)
        if isinstance(slot, Slot) and len(self.low.calls) > start:
            slot.note = f"{value.name} = {op.name}" if value.name else op.name
        self.at[id(value)] = slot

    # ---- sweeps

    def _backward(self, end: Value) -> None:
        """The sweep of a step, from the loss to the leaves."""
        seed = 1.0 if type(end._data) is float else np.ones(end.shape, end.dtype)
        nodes = [
            (node, [(k, x) for k, x in enumerate(operands_of(node)) if isinstance(x, Value) and x.requires_grad])
            for node in self.capture.order
        ]
        cotangents: dict[Value, Any] = {end: seed}
        self._carried_back(nodes, cotangents, PULL, marked=True)
        held = {id(leaf): slot for leaf, slot in self.low.leaves}
        found = [(leaf, g) for leaf, g in cotangents.items() if id(leaf) in held]
        self.low.gradients = [(leaf, g.settled() if isinstance(g, Pieces) else g) for leaf, g in found]

    def _of_sweep(self, op: Swept, value: Value) -> Any:
        """A result of a sweep that a transform asked for. The whole sweep is lowered once."""
        sweep = op.sweep
        if sweep not in self.swept:
            way = _WAYS[sweep.forward, sweep.several]
            here, there = (sweep.starts, sweep.ends) if sweep.forward else (sweep.ends, sweep.starts)
            totals: dict[Value, Any] = {}
            for x, seed in zip(here, sweep.seeds, strict=True):
                self._add(totals, x, self._argument(seed), way)
            (self._carried_forward if sweep.forward else self._carried_back)(sweep.nodes, totals, way)
            self.swept[sweep] = [whole(totals.get(x)) for x in there]
        found = self.swept[sweep][op.number]
        if isinstance(found, Slot) and type(found.sample) is type(value._data) is float:
            found.sample = value._data
        return found

    def _carried_back(self, nodes: Edges, totals: dict[Value, Any], way: Way, marked: bool = False) -> None:
        """Carry the cotangents in ``totals`` back through the nodes, as eager does."""
        for position, (node, edges) in reversed([*enumerate(nodes)]):
            if node not in totals:
                continue
            g = whole(totals.pop(node))
            assert node._made_by is not None
            if marked:
                self._mark(g, Mark(True, position, node._made_by.name))
            start = len(self.low.calls)
            for k, operand in edges:
                if way is PULL and isinstance(node._made_by, GetItem) and type(operand._data) is not float:
                    self._scatter(totals, operand, node, g)
                elif (pulled := self._through(node, k, g, operand, way)) is not None:
                    self._add(totals, operand, pulled, way)
            if len(self.low.calls) > start:
                self.low.calls[start].out.note = f"back through {node.name or node._made_by.name}"

    def _carried_forward(self, nodes: Edges, totals: dict[Value, Any], way: Way) -> None:
        """Carry the tangents in ``totals`` forward."""
        for node, edges in nodes:
            assert node._made_by is not None
            start = len(self.low.calls)
            for k, operand in edges:
                if operand in totals and (pushed := self._through(node, k, totals[operand], node, way)) is not None:
                    self._add(totals, node, pushed, way)
            if len(self.low.calls) > start:
                self.low.calls[start].out.note = f"forward through {node.name or node._made_by.name}"

    def _scatter(self, totals: dict[Value, Any], at: Value, node: Value, g: Any) -> None:
        """Add the cotangent of ``node``, which is ``at[key]``."""
        total = totals.get(at)
        if not isinstance(total, Pieces):
            total = totals[at] = Pieces(self.low, at.shape, at.dtype, total)
        keyed = self.capture.keyed.get(id(node))
        total.put(node._made_by.key if keyed is None else self._key(keyed), g)  # type: ignore[union-attr]

    def _add(self, totals: dict[Value, Any], at: Value, term: Any, way: Way) -> None:
        if isinstance(totals.get(at), Pieces):
            totals[at].add(term)
            return
        if at in totals:
            is_float = type(at._data) is float and not way.several
            term = (self.low.arithmetic if is_float else self._elementwise)(np.add, totals[at], term)
        totals[at] = term

    def _elementwise(self, ufunc: np.ufunc, a: Any, b: Any, sample: Any = None) -> Any:
        sample = ufunc(sampled(a), sampled(b)) if sample is None else sample
        return self.low.call("ufunc", ufunc, (a, b), {}, sample) if Slot in (type(a), type(b)) else sample

    def _through(self, node: Value, k: int, g: Any, target: Value, way: Way) -> Any:
        """What a cotangent of a node contributes to its operand ``target``, or a tangent of the operand to the node."""
        return (self._scaled if saved_operands(node) is None else self._pulled)(node, k, g, target, way)

    def _scaled(self, node: Value, k: int, g: Any, target: Value, way: Way) -> Any:
        """The contribution of a scalar node: g times its local derivative."""
        op = node._made_by
        assert op is not None
        args = tuple(self._argument(x) for x in operands_of(node))
        rule = op.expressions(len(args))
        assert rule is not None
        expression = rule.derivatives[k]
        if expression is None or expression == "1":
            return expression and g
        template = _template(expression, (*rule.operands, "out"))
        local = self._computed(template, (*args, self.at[id(node)]), 1.0, real=False)
        if way.several:
            return self._elementwise(np.multiply, g, local, way.expected(node, k, sampled(g)))
        return local if type(g) is float and g == 1.0 else self.low.arithmetic(np.multiply, g, local)

    def _pulled(self, node: Value, k: int, g: Any, target: Value, way: Way) -> Any:
        """The op's pull (or push) as the NumPy calls that it makes, if they give the same bits; else an opaque call."""
        op = node._made_by
        assert op is not None
        data = target._data
        args = tuple(self._argument(x) for x in operands_of(node))
        out = self.at[id(node)]
        expected = way.expected(node, k, sampled(g))
        if expected is None:
            return None
        keyed = self.capture.keyed.get(id(node))
        key = None if keyed is None else self._key(keyed)
        slot = self._followed_through(op, node, k, g, args, out, expected, key, way)
        is_float = type(data) is float and not way.several
        if not isinstance(slot, Slot):  # a constant
            return float(slot) if is_float else np.asarray(slot, getattr(data, "dtype", None))
        if is_float:
            return self.low.call("text", "float({0})", (slot,), {}, float(slot.sample))
        if type(data) is float or slot.sample.dtype == data.dtype:
            return slot
        return Traced(self.low, slot).astype(data.dtype).slot

    def _followed_through(
        self, op: Op, node: Value, k: int, g: Any, args: tuple[Any, ...], out: Any, expected: Any, key: Any, way: Way
    ) -> Any:
        start = len(self.low.calls)
        self.low.operands = {*slots_in((g, *args, out))}
        own = self.ops.get(id(node), op) if key is None else replace(op, key=self._as_traced(key))  # type: ignore[type-var]
        traced = self._as_traced(g), tuple(map(self._as_traced, args)), self._as_traced(out)
        for attempt in way.attempts[::-1] if op.direct else way.attempts:
            if not _ours(op) or (op.opaque and op.expressions(len(args)) is None):
                break
            try:
                found = slotted(attempt(own, k, *traced))
                if _alike(sampled(found), expected):
                    return found
            except Exception:  # as above
                pass
            self.low.back_to(start)
        if key is not None:
            return self.low.call("opaque", with_key, (way.opaque, op, k, g, args, out, key), {}, expected)
        return self.low.call("opaque", way.opaque, (op, k, g, args, out), {}, expected)


def _ours(op: Op) -> bool:
    return type(op).__module__.partition(".")[0] == __name__.partition(".")[0]


def _alike(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and bool(np.array_equal(a, b, equal_nan=True))


def _rule(op: Op, n: int) -> Rule | None:
    """The expressions of an op of ``n`` operands, unless they are a user's."""
    return None if op.opaque else op.expressions(n)
