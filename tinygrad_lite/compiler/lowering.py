"""Ops as the NumPy calls that they are made of.

An op's own ``forward`` and ``chain``, and the maps' own ``pull``, run once on ``Traced`` arrays, which note what NumPy
is asked to do. So no rule is written a second time for compiled code: what is replayed is what the rule did, and it is
taken only if its result is eager's, bit for bit. An op that cannot be followed (because it asks for numbers, or is a
user's own) is one opaque call of its ``forward`` or ``pull``. Values that are floats become Python source, from the
table's expressions.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..core.elementwise import Elementwise, WeightedSum
from ..core.numerics import FLOAT_FUNCTIONS
from ..core.table_source import float_source
from ..core.value import Op, Plain, Value, as_data
from ..errors import IndexRangeError
from ..ops.fused_losses import CrossEntropy
from ..ops.primitives import Primitive
from ..ops.products import LinearOp
from ..ops.selection import GetItem
from ..programs.calls import Lowered, Slot
from ..programs.tracing import Traced, _picked, _sampled, _slotted
from ..semirings.base import Linear
from .capture import Capture, Guard, Node

__all__ = ["MIRRORED", "lowered"]

_PLACE = re.compile(r"\{(\d+)\}")
MIRRORED = "sigmoid(-{0})"


# ---- a whole graph ---------------------------------------------------------------------------------------------------


def lowered(capture: Capture, arguments: Sequence[Value], optimistic: bool = True) -> Lowered:
    """The captured run as calls: forward with its guards, then backward as ``backward`` goes."""
    with np.errstate(all="ignore"):
        return _Lowering(capture, arguments, optimistic).run()


class _Lowering:
    def __init__(self, capture: Capture, arguments: Sequence[Value], optimistic: bool) -> None:
        self.capture = capture
        self.low = Lowered(optimistic=optimistic)
        self.at: dict[int, Any] = {}  # the slot of a Value, or the number that it is
        self.ops: dict[int, Op] = {}  # that kept something of their forward pass for the derivative
        self.traced: dict[int, Traced] = {}
        self.taken: dict[int, tuple[Any, Any]] = {}
        for argument in arguments:
            self.low.arguments.append(self._input(argument))
        for leaf in capture.leaves:
            self.low.leaves.append((leaf, self._input(leaf)))

    def _input(self, value: Value) -> Slot:
        slot = self.at[id(value)] = Slot(value._data, note=value.name or "")
        return slot

    def run(self) -> Lowered:
        guards = iter(self.capture.guards)
        guard = next(guards, None)
        for node in [*self.capture.nodes, None]:
            while guard is not None and all(id(x) in self.at for x in guard.operands if isinstance(x, Value)):
                self._guard(guard)
                guard = next(guards, None)
            if node is not None:
                self._forward(node)
        self.low.loss = self.at[id(self.capture.end)]
        self._backward()
        return self.low

    def _guard(self, guard: Guard) -> None:
        args = tuple(self.at[id(x)] if isinstance(x, Value) else x for x in guard.operands)
        self.low.call("guard", replace(guard, operands=()), args, {}, None)

    # ---- forward

    def _forward(self, node: Node) -> None:
        op, value = node.op, node.value
        start = len(self.low.calls)
        if isinstance(op, Plain) and not node.operands:
            self.low.noise.append((op, self._input(value)))
            return
        args = tuple(self._argument(x) for x in node.operands)
        if type(value._data) is float and type(value._da) is not list and _is_scalar(op):
            slot = self._text(_forward_text(op, args), args, value._data)
        elif node.keys:
            key = tuple(self.at[id(node.keys[k])] if k in node.keys else part for k, part in enumerate(op.key))  # type: ignore[attr-defined]
            slot = self.low.call("fresh", _picked, (*args, key), {}, value._data)
        else:
            slot = self._followed(op, args, value)
        if isinstance(slot, Slot) and len(self.low.calls) > start:
            slot.note = f"{value.name} = {op.name}" if value.name else op.name
        self.at[id(value)] = slot

    def _argument(self, x: Any) -> Any:
        """An operand: a slot, or what is taken once and for all, though the user may write into it later."""
        if isinstance(x, Value):
            return self.at[id(x)]
        if id(x) not in self.taken:
            self.taken[id(x)] = x, as_data(x, keep_integers=True, copy=True)
        return self.taken[id(x)][1]

    def _text(self, text: str, args: tuple[Any, ...], sample: float) -> Any:
        if not any(isinstance(x, Slot) for x in args):
            return sample
        read = sorted({*map(int, _PLACE.findall(text))})
        text = _PLACE.sub(lambda place: f"{{{read.index(int(place[1]))}}}", text)
        return self.low.call("text", text, tuple(args[k] for k in read), {}, sample)

    def _followed(self, op: Op, args: tuple[Any, ...], value: Value) -> Any:
        """The op's forward as NumPy's calls if it can be followed to the same bits, else as one."""
        start = self.low.start = len(self.low.calls)
        if _ours(op) and not isinstance(op, Plain | Primitive):
            self.ops[id(value)] = own = copy.copy(op)
            if isinstance(op, CrossEntropy) and isinstance(args[1], Slot):  # a negative one would index from the end
                self.low.call("guard", _whole_classes, args, {}, None)
            try:
                out = own.forward(*map(self._as_traced, args))
                if isinstance(out, Traced) and _alike(out.sample, value._data):
                    return self._as_float(out.slot, value)
            except Exception:  # whatever it asked for that a Traced does not have: then it is called as it is
                pass
            self.low.back_to(start)
            self.ops.pop(id(value))
        slot = self.low.call("opaque", op.forward, args, {}, value._data)
        return self._as_float(slot, value)

    def _as_traced(self, x: Any) -> Any:
        if not isinstance(x, Slot):
            return x
        if id(x) not in self.traced:
            self.traced[id(x)] = Traced(self.low, x)
        return self.traced[id(x)]

    def _as_float(self, slot: Slot, value: Value) -> Slot:
        """The slot, as a Python float where the Value is one."""
        if type(value._data) is not float:
            return slot
        return self.low.call("text", "float({0})", (slot,), {}, value._data)

    # ---- backward

    def _backward(self) -> None:
        end = self.capture.end
        seed = 1.0 if type(end._data) is float else np.ones(end.shape, end.dtype)
        cotangents: dict[Value, Any] = {end: seed}
        for node in reversed(self.capture.order):
            if node not in cotangents:
                continue
            g = cotangents.pop(node)
            start = len(self.low.calls)
            operands = node.operands
            for k, operand in enumerate(operands):
                if not isinstance(operand, Value) or not operand.requires_grad:
                    continue
                if type(node._da) is list:
                    pulled = self._pulled(node, k, g)
                else:
                    pulled = self._scaled(node, k, g)
                if pulled is None:
                    continue
                before = cotangents.get(operand)
                cotangents[operand] = pulled if before is None else self._sum(before, pulled, operand)
            if len(self.low.calls) > start:
                assert node._made_by is not None
                self.low.calls[start].out.note = f"back through {node.name or node._made_by.name}"
        held = {id(leaf): slot for leaf, slot in self.low.leaves}
        self.low.gradients = [(leaf, g) for leaf, g in cotangents.items() if id(leaf) in held]

    def _sum(self, a: Any, b: Any, operand: Value) -> Any:
        sample = _sample(a) + _sample(b)
        if type(operand._data) is float:
            return self._text("{0} + {1}", (a, b), sample)
        return self.low.call("ufunc", np.add, (a, b), {}, sample)

    def _scaled(self, node: Value, k: int, g: Any) -> Any:
        """The contribution of a scalar node: g times its local derivative, as source."""
        op = node._made_by
        assert op is not None
        args = tuple(self._argument(x) for x in node.operands)
        text = _local_text(op, k, args, self.at[id(node)])
        if text is None:
            return None
        if text == "1.0":
            return g
        local, used = text
        if MIRRORED in local and isinstance(
            used[0], Slot
        ):  # made together with the sigmoid itself, from one exponential
            x = _sample(used[0])
            used = (*used, self.low.call("text", MIRRORED, used[:1], {}, FLOAT_FUNCTIONS["sigmoid"](-x)))
            local = local.replace(MIRRORED, f"{{{len(used) - 1}}}")
        sample = _sample(g)
        if type(g) is float and g == 1.0:
            return self._text(local, used, sample) if used else float(local)
        local = local if local.strip("{0123456789}") == "" else f"({local})"
        return self._text(f"{{{len(used)}}} * {local}", (*used, g), sample)

    def _pulled(self, node: Value, k: int, g: Any) -> Any:
        """The op's own pull as NumPy's calls if it can be followed to the same bits, else as one."""
        op = node._made_by
        assert op is not None
        data = node._da[k]
        args = tuple(self._argument(x) for x in node.operands)
        out = self.at[id(node)]
        found = self.capture.keyed.get(id(node))
        if found is not None:
            key = tuple(self.at[id(found.keys[j])] if j in found.keys else p for j, p in enumerate(found.op.key))  # type: ignore[attr-defined]
            slot: Any = self.low.call("opaque", _pull_picked, (g, args[0], out, key), {}, None)
            slot.sample = op.pull(k, _sample(g), node._da, node._data)
        else:
            expected = op.pull(k, _sample(g), node._da, node._data)
            if expected is None:
                return None
            slot = self._followed_back(op, node, k, g, args, out, expected)
        if type(data) is float:
            return self.low.call("text", "float({0})", (slot,), {}, float(_sample(slot)))
        if _sample(slot).dtype != data.dtype:
            slot = Traced(self.low, slot).astype(data.dtype).slot
        return slot

    def _followed_back(
        self, op: Op, node: Value, k: int, g: Any, args: tuple[Any, ...], out: Any, expected: Any
    ) -> Any:
        start = self.low.start = len(self.low.calls)
        own = self.ops.get(id(node), op)
        if _ours(op) and (isinstance(op, Elementwise) or not isinstance(op, Primitive)):
            try:
                pulled = _pull_traced(
                    own, k, self._as_traced(g), list(map(self._as_traced, args)), self._as_traced(out)
                )
                if _alike(_sampled(pulled), expected):
                    return _slotted(pulled)
            except Exception:  # as above
                pass
            self.low.back_to(start)
        return self.low.call("opaque", _pull, (op, k, g, args, out), {}, expected)


class _Following(Linear):
    """The gradient's sums and products on what may be ``Traced``."""

    def broadcast(self, a: Any, shape: tuple[int, ...]) -> Any:
        return a._noted("fill", _filled, (a, shape)) if isinstance(a, Traced) else _filled(a, shape)


_FOLLOWING = _Following("GRADIENT", lambda weight: weight)


def _filled(a: Any, shape: tuple[int, ...]) -> Any:
    out = np.empty(shape, getattr(a, "dtype", float))
    out[...] = a
    return out


def _pull_traced(op: Op, k: int, g: Any, operands: Sequence[Any], out: Any) -> Any:
    """The op's pull by the maps of its chain, unless it has its own."""
    if type(op).pull not in (Op.pull, LinearOp.pull, Elementwise.pull):  # those have theirs for plain arrays only
        return op.pull(k, g, operands, out)
    chain = op.chain(k, operands, out)
    assert chain is not None
    for linear_map in chain:
        g = linear_map.pull(g, _FOLLOWING)
    return g


def _pull(op: Op, k: int, g: Any, operands: Sequence[Any], out: Any) -> Any:
    # A copy: what an op keeps of a forward pass goes by the identity of arrays, and here they are always the same.
    return copy.copy(op).pull(k, g, operands, out)


def _whole_classes(logits: Any, labels: Any) -> None:
    if np.minimum.reduce(labels) < 0:
        raise IndexRangeError("cross_entropy: a class below 0")  # eager says which, and what to do


def _pull_picked(g: Any, x: Any, out: Any, key: Any) -> Any:
    return GetItem(key).pull(0, g, (x,), out)


def _ours(op: Op) -> bool:
    return type(op).__module__.partition(".")[0] == __name__.partition(".")[0]


def _alike(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and bool(np.array_equal(a, b, equal_nan=True))


def _sample(x: Any) -> Any:
    return x.sample if isinstance(x, Slot) else x


def _is_scalar(op: Op) -> bool:
    return isinstance(op, Elementwise | WeightedSum) and not isinstance(op, Primitive)


def _names(op: Elementwise) -> dict[str, str]:
    return {name: f"{{{k}}}" for k, name in enumerate((*op.rule.operands, "out"))}


def _forward_text(op: Op, args: tuple[Any, ...]) -> str:
    if isinstance(op, Elementwise):
        source = float_source(op.rule.forward, _names(op))
        whole = op.name == "pow" and type(args[1]) is float and args[1].is_integer()
        return source if whole or "**" not in source else f"real({source})"
    n = len(args) // 2
    return " + ".join([f"{{{2 * n}}}", *(f"{{{k}}} * {{{k + n}}}" for k in range(n))])


def _local_text(op: Op, k: int, args: tuple[Any, ...], out: Any) -> Any:
    """The local derivative as source with its arguments; ``"1.0"`` for no factor at all, ``None`` for none."""
    if isinstance(op, Elementwise):
        expression = op.rule.derivatives[k]
        if expression is None or expression == "1":
            return expression and "1.0"
        return float_source(expression, _names(op)), (*args, out)
    n = len(args) // 2
    return "1.0" if k == 2 * n else ("{0}", (args[k + n if k < n else k - n],))
