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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .capturing import Capture, Guard, Node
from .costs import CrossEntropy
from .derivatives import FLOAT_FUNCTIONS, float_source
from .elementwise import Elementwise, WeightedSum
from .errors import IndexRangeError
from .moves import GetItem
from .primitives import Primitive
from .products import LinearOp
from .semirings.base import Linear
from .value import Op, Plain, Value, as_data

__all__ = ["MIRRORED", "Call", "Lowered", "Slot", "Traced", "Untraceable", "lowered"]


_BOOL = np.dtype(bool)
_PLACE = re.compile(r"\{(\d+)\}")
MIRRORED = "sigmoid(-{0})"


class Untraceable(Exception):
    """An op that asks for numbers, or changes what others see: it is called as a whole."""


@dataclass(eq=False, slots=True)
class Slot:
    """One array or number of the replay. ``sample`` is what it was in the captured run."""

    sample: Any
    call: Call | None = None
    note: str = ""
    """What it is, for whoever reads the source."""

    @property
    def is_array(self) -> bool:
        return type(self.sample) is np.ndarray and self.sample.ndim > 0


@dataclass(eq=False, slots=True)
class Call:
    """``out = function(*args, **options)``, or Python source in which ``{0}``, ``{1}`` are the arguments.

    ``kind``: "ufunc" and "reduce" write into ``out=``; "view" has the memory of its first argument; "put" is the first
    argument with ``[args[1]] = args[2]``; "fresh" is new memory; "opaque" may return an argument, or a view
    of it; "text" is source, "guard" and "finite" have no result.
    """

    kind: str
    function: Any
    args: tuple[Any, ...]
    options: dict[str, Any]
    out: Slot

    def slots(self) -> Iterable[Slot]:
        """The arguments that are slots, those in lists and tuples too."""
        return _slots((*self.args, *self.options.values()))


def _slots(items: Iterable[Any]) -> Iterable[Slot]:
    for item in items:
        if isinstance(item, Slot):
            yield item
        elif isinstance(item, list | tuple):
            yield from _slots(item)


@dataclass
class Lowered:
    """All calls of a replay, in order, and what goes in and comes out.

    ``gradients`` are the slots of the leaves' gradients, in the order in which ``backward`` reaches them.
    """

    calls: list[Call] = field(default_factory=list)
    arguments: list[Slot] = field(default_factory=list)
    leaves: list[tuple[Value, Slot]] = field(default_factory=list)
    noise: list[tuple[Plain, Slot]] = field(default_factory=list)
    gradients: list[tuple[Value, Any]] = field(default_factory=list)
    loss: Any = None
    optimistic: bool = True
    """Whether a replay may count on what hardly ever fails, and have that checked: that a sigmoid's exponentials do not
    overflow, and that what is multiplied by 0 is finite."""
    start: int = 0
    """Where the calls of the op that is being followed start."""
    _known: dict[Any, Slot] = field(default_factory=dict)

    @property
    def is_of_floats(self) -> bool:
        """Whether there is nothing but expressions of floats, of arguments and of leaves."""
        slots = [*self.arguments, *(slot for _, slot in self.leaves)]
        return all(call.kind == "text" for call in self.calls) and all(type(slot.sample) is float for slot in slots)

    def call(self, kind: str, function: Any, args: tuple[Any, ...], options: dict[str, Any], sample: Any) -> Slot:
        """Note a call; one that was made before with the same arguments is not made again."""
        in_order = tuple(sorted(args, key=lambda x: str(_key(x)))) if function in (np.add, np.multiply) else args
        key = (
            _key((kind, function, in_order, tuple(sorted(options.items()))))
            if kind not in ("guard", "finite")
            else None
        )
        if key is not None and key in self._known:
            return self._known[key]
        out = Slot(sample)
        out.call = Call(kind, function, args, options, out)
        self.calls.append(out.call)
        if key is not None:
            self._known[key] = out
        return out

    def uncapped(self, x: Any) -> Slot | None:
        """For the table's sigmoid, e / (1 + e) with e = exp(min(x, 64)): the x, as the cap does not change the result.

        ``np.minimum`` of a small array takes six times as long as a product.
        """
        call = x.slot.call if isinstance(x, Traced) else None
        if (
            not self.optimistic
            or call is None
            or call.function is not np.minimum
            or call not in self.calls[self.start :]
        ):
            return None
        slot: Slot = call.args[0]
        return slot if type(call.args[1]) is float and call.args[1] == 64.0 and isinstance(slot, Slot) else None

    def back_to(self, length: int) -> None:
        """Forget the calls after the first ``length``."""
        gone = {id(call.out) for call in self.calls[length:]}
        del self.calls[length:]
        self._known = {key: slot for key, slot in self._known.items() if id(slot) not in gone}


def _key(item: Any) -> Any:
    """What tells arguments apart; ``None`` for what cannot be told."""
    if isinstance(item, tuple):
        parts = tuple(map(_key, item))
        return None if None in parts else parts
    if isinstance(getattr(item, "__self__", None), np.ufunc):  # np.add.reduce is another object each time
        return item.__name__, id(item.__self__)
    if isinstance(item, float | int | str | bool | complex):
        return type(item).__name__, repr(item)
    if item is None or isinstance(item, slice | np.dtype):
        return type(item).__name__, repr(item)
    return "id", id(item)  # slots, functions, and arrays: calls keep them alive


# ---- arrays that note what is done with them -------------------------------------------------------------------------

_WRITES_OUT = {np.max, np.min, np.amax, np.amin, np.mean, np.sum, np.prod, np.cumsum, np.concatenate, np.stack, np.dot}
_MOVES = {np.reshape, np.transpose, np.broadcast_to, np.swapaxes, np.moveaxis, np.expand_dims, np.squeeze, np.ravel}
_POWERS = {2.0: np.square, 1.0: np.positive, 0.5: np.sqrt, -1.0: np.reciprocal}  # as ndarray.__pow__ does


class Traced(NDArrayOperatorsMixin):
    """Stands for an array of the replay, and notes what NumPy does with it. It has no numbers to tell."""

    __hash__ = object.__hash__

    def __init__(self, lowered: Lowered, slot: Slot) -> None:
        self.lowered = lowered
        self.slot = slot

    # ---- what it can be asked

    @property
    def sample(self) -> Any:
        return self.slot.sample

    @property
    def shape(self) -> tuple[int, ...]:
        return np.shape(self.sample)

    @property
    def ndim(self) -> int:
        return np.ndim(self.sample)

    @property
    def size(self) -> int:
        return int(np.size(self.sample))

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.sample.dtype if hasattr(self.sample, "dtype") else np.dtype(float)

    def __len__(self) -> int:
        return self.shape[0]

    def _no_number(self, *_: Any, **__: Any) -> Any:
        raise Untraceable("it has no numbers to tell")

    __array__ = __bool__ = __float__ = __int__ = __index__ = __iter__ = __contains__ = _no_number

    # ---- what is done with it

    def _noted(self, kind: str, function: Any, args: tuple[Any, ...], **options: Any) -> Traced:
        sample = function(*_sampled(args), **_sampled(options))
        if sample is None or isinstance(sample, tuple | list):
            raise Untraceable("several results, or none")
        slot = self.lowered.call(kind, function, _slotted(args), _slotted(options), sample)
        return Traced(self.lowered, slot)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        outs = options.pop("out", ())
        if ufunc.nout > 1 or (outs and not isinstance(outs[0], Traced)):
            raise Untraceable("its result goes elsewhere")
        shapes = [x.shape for x in inputs if isinstance(x, Traced)]
        shape = np.broadcast_shapes(*shapes) if ufunc.signature is None else ()
        inputs = tuple(x.flat[0].item() if self._is_number(x, shape) else x for x in inputs)
        if method == "reduce":
            result = self._noted("reduce", ufunc.reduce, inputs, **{"axis": 0, **options})
        elif method != "__call__" or options:
            raise Untraceable("not followed")
        elif ufunc is np.matmul and all(np.ndim(x) == 2 for x in _sampled(inputs)):
            result = self._noted("ufunc", np.dot, inputs)  # in half the time
        elif ufunc is np.matmul:
            result = self._noted("ufunc", ufunc, inputs)
        elif ufunc is np.power and type(inputs[1]) in (int, float) and float(inputs[1]) in _POWERS:
            result = self._noted("ufunc", _POWERS[float(inputs[1])], inputs[:1])
        elif ufunc is np.exp and (x := self.lowered.uncapped(inputs[0])) is not None:
            result = self._noted("ufunc", np.exp, (Traced(self.lowered, x),))
            self.lowered.call("finite", None, (result.slot,), {}, None)
        elif ufunc is np.multiply and any(type(x) in (int, float) and x == 1 for x in inputs):
            (result,) = (x for x in inputs if isinstance(x, Traced))  # x · 1 is x, to the bit
        else:
            result = self._noted("ufunc", ufunc, inputs)
        if not outs:
            return result
        (into,) = outs
        if result.dtype != into.dtype:
            result = result.astype(into.dtype)
        if result.shape != into.shape or (into.slot.call and into.slot.call.kind in ("view", "opaque")):
            raise Untraceable("it changes what others see")
        into.slot = result.slot
        return into

    def _is_number(self, x: Any, shape: tuple[int, ...]) -> bool:
        """Whether an array does what its number does, beside others whose shape together is ``shape``."""
        if type(x) is not np.ndarray or x.dtype != self.dtype or not x.size or x.ndim > len(shape):
            return False
        fits = all(a in (1, b) for a, b in zip(x.shape[::-1], shape[::-1], strict=False))
        first = x.flat[0]
        return fits and bool(np.all(x == first)) and bool(np.all(np.signbit(x) == np.signbit(first)))

    def __array_function__(self, function: Any, types: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        if options.get("out") is not None:
            raise Untraceable("its result goes elsewhere")
        if function in (np.shape, np.ndim, np.size):
            return function(*_sampled(args), **_sampled(options))
        if function in _MOVES:
            return self._noted("view", function, args, **options)
        if function is np.where and len(args) == 3 and not options:
            condition = args[0] if getattr(args[0], "dtype", None) is _BOOL else np.not_equal(args[0], 0)
            return self._noted("where", function, (condition, *args[1:]))
        kind = "reduce" if function in _WRITES_OUT else "opaque"
        return self._noted(kind, function, args, **options)

    @property
    def T(self) -> Traced:
        return self._noted("view", np.transpose, (self,))

    def dot(self, other: Any) -> Any:
        return self._noted("ufunc", np.dot, (self, other))

    def reshape(self, *shape: Any) -> Traced:
        return self._noted("view", np.reshape, (self, tuple(shape[0]) if isinstance(shape[0], tuple | list) else shape))

    def transpose(self, *axes: Any) -> Traced:
        return self._noted("view", np.transpose, (self, tuple(axes[0]) if isinstance(axes[0], tuple | list) else axes))

    def astype(self, dtype: Any, copy: bool = True) -> Traced:
        dtype = np.dtype(dtype)
        return self if self.dtype == dtype else self._noted("cast", _cast, (self, dtype))

    def __getitem__(self, key: Any) -> Traced:
        parts = key if isinstance(key, tuple) else (key,)
        basic = all(p is None or p is Ellipsis or isinstance(p, slice | int | np.integer) for p in parts)
        return self._noted("view" if basic else "fresh", _picked, (self, key))

    def __setitem__(self, key: Any, value: Any) -> None:
        if self.slot.call and self.slot.call.kind in ("view", "opaque"):
            raise Untraceable("it changes what others see")
        self.slot = self._noted("put", _put, (self, key, value)).slot


def _picked(array: Any, key: Any) -> Any:
    return array[key]


def _put(array: Any, key: Any, value: Any) -> Any:
    array = array.copy()
    array[key] = value
    return array


def _cast(array: Any, dtype: Any) -> Any:
    return array.astype(dtype)


def _sampled(item: Any) -> Any:
    return _mapped(item, Traced, lambda traced: traced.slot.sample)


def _slotted(item: Any) -> Any:
    return _mapped(item, Traced, lambda traced: traced.slot)


def _mapped(item: Any, kind: type, function: Callable[[Any], Any]) -> Any:
    if isinstance(item, kind):
        return function(item)
    if isinstance(item, list | tuple):
        return type(item)(_mapped(part, kind, function) for part in item)
    if isinstance(item, dict):
        return {key: _mapped(part, kind, function) for key, part in item.items()}
    return item


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
