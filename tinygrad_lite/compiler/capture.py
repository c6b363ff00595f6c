"""Running a function of Values once, and keeping what a replay needs: the nodes in order, and what the function read.

A training step and any other function are one thing here: results, and sweeps over what was recorded. The step's sweep
goes from the loss to the leaves, and its gradients stay there; the sweeps of a function are those that transforms in it
ask for, and their gradients are results like any others.

While the function runs, a ``Capture`` observes what leaves the graph: data that is read, comparisons, constants that
plain NumPy computes from other Values, attributes of modules. Each read becomes a guard: a replay reads again, and
holds only if it finds the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import FrameType
from typing import Any

import numpy as np

from ..core.attributes import attributes_seen
from ..core.graph import Edge, between, operands_of, topological
from ..core.recording import Observer, capturing, paused, place_of_user
from ..core.sweeps import NUMBERS, SEVERAL, carry_back, carry_forward
from ..core.value import Op, Plain, Value, constant, describe
from ..errors import ArgumentError, GraphError, ShapeError, ValueTypeError
from ..ops.selection import GetItem
from ..transforms.pytrees import filled, leaves, number
from .attributes import AttributesRead, held

__all__ = ["Capture", "Guard", "Node", "Sweep", "Swept", "captured", "copied", "same", "same_call"]


_PACKAGE = __name__.partition(".")[0]


@dataclass(frozen=True)
class Guard:
    """A read of plain data while the function ran: the function of the operands' data, and the result ``found``."""

    function: Callable[..., Any]
    operands: tuple[Any, ...]
    found: Any
    what: str
    """The kind of read and its place in the user's code, for messages."""


def same(a: Any, b: Any) -> bool:
    """Whether two results are equal: numbers, arrays or tuples of them. A nan equals a nan."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.shape == b.shape and a.dtype == b.dtype and bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b or (a != a and b != b))


@dataclass(slots=True)
class Node:
    """One op to compute, and its operands. ``keys`` are the Values in its index, by their position there."""

    value: Value
    op: Op
    operands: tuple[Any, ...]
    keys: dict[int, Value] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Sweep:
    """What a transform asked for: ``seeds`` carried from ``ends`` back to ``starts``, or forward from these.

    ``nodes`` are those between, each with its edges. With ``several`` the seeds have one more axis in front.
    """

    nodes: list[tuple[Value, list[Edge]]]
    ends: tuple[Value, ...]
    starts: tuple[Value, ...]
    seeds: tuple[Any, ...]
    forward: bool
    several: bool

    def carried(self) -> list[Any]:
        """The cotangents of the starts, or the tangents of the ends: data, ``None`` where nothing arrives."""
        seeds = [x._data if isinstance(x, Value) else x for x in self.seeds]
        semiring = SEVERAL if self.several else NUMBERS
        if self.forward:
            return carry_forward(self.ends, self.starts, seeds, semiring)
        return carry_back(self.ends, seeds, self.starts, semiring)


@dataclass(frozen=True, eq=False)
class Swept(Op):
    """Result ``number`` of a sweep, in the place of an op."""

    sweep: Sweep
    number: int
    name = sign = "swept"


@dataclass
class Capture(Observer):
    """The observer of one run of a function, and the record of that run.

    ``result`` is what the function returned, ``ends`` are the Values in it. It ``is_step`` if gradients of the one end
    go to the leaves; ``differentiated`` says that this may be, so that derivatives in the function have to be recorded,
    and ``recorded_one`` that one was. ``nodes`` are in order of computation. ``order`` has the Values through which
    gradients flow to a step's end, in the order of the forward pass. ``leaves`` are the Values that the nodes read and
    no node computes, without the arguments. ``drawn`` is noise that an earlier replay drew, ``noises`` what this run
    drew, each with its call.
    """

    name = "compile"
    differentiated: bool = True
    recorded_one: bool = False
    drawn: list[tuple[Any, Any]] = field(default_factory=list)
    noises: list[tuple[Any, Any]] = field(default_factory=list)
    result: Any = None
    ends: list[Value] = field(default_factory=list)
    is_step: bool = True
    guards: list[Guard] = field(default_factory=list)
    made: dict[int, Node] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    order: list[Value] = field(default_factory=list)
    leaves: list[Value] = field(default_factory=list)
    attributes: AttributesRead = field(default_factory=AttributesRead)
    keyed: dict[int, Node] = field(default_factory=dict)
    _arrays: dict[int, tuple[Any, Value]] = field(default_factory=dict)

    # ---- what Values tell while the function runs

    def saw_data(self, value: Value, frame: FrameType) -> None:
        """Guard a read of ``value.data`` by the user; the package itself reads it for a shape, or as an index."""
        data = value._data
        if isinstance(data, np.ndarray):
            self._arrays.setdefault(id(data), (data, value))
        if not _inside(frame):
            self._guard(_itself, (value,), data, ".data")

    def saw_reading(self, what: Any, args: tuple[Any, ...], options: Mapping[str, Any], found: Any) -> None:
        if isinstance(what, str):
            self._guard(_number, args, found, what)
        else:
            name = getattr(what, "__name__", str(what))
            self._guard(lambda *data: what(*data, **options), args, found, f"{name}()")

    def saw_making(self, made: Value, op: Op, operands: tuple[Any, ...]) -> None:
        self.made[id(made)] = Node(made, op, operands)

    def noise(self, draw: Callable[[], Any]) -> Any:
        """The noise of ``draw``: what a replay drew that turned out not to fit, else fresh noise."""
        known = self.drawn.pop(0) if self.drawn and same_call(self.drawn[0][0], draw) else (draw, draw())
        self.noises.append(known)
        return known[1]

    def saw_attribute(self, module: Any, name: str) -> None:
        self.attributes.saw(module, name, held(module, name))

    def set_attribute(self, module: Any, name: str) -> None:
        self.attributes.saw_change(module, name)

    def changes(self, index: Any) -> bool:
        return id(index) in self._arrays

    def carried(
        self, ends: Sequence[Value], starts: Sequence[Value], seeds: Sequence[Any], forward: bool, several: bool
    ) -> list[Value | None] | None:
        """The sweep's results as constants that a replay computes anew, if nothing will differentiate them."""
        if self.differentiated and not paused():
            self.recorded_one = True
            return None
        sweep = Sweep(between(ends, starts), tuple(ends), tuple(starts), tuple(seeds), forward, several)
        found = [None if x is None else constant(x) for x in sweep.carried()]
        for k, made in enumerate(found):
            if made is not None:
                self.saw_making(made, Swept(sweep, k), (*ends, *seeds))
        return found

    def _guard(self, function: Callable[..., Any], args: tuple[Any, ...], found: Any, how: str) -> None:
        where = "{}:{}".format(*place_of_user())
        names = ", ".join(describe(x) for x in args if isinstance(x, Value))
        self.guards.append(Guard(function, args, copied(found), f"{how} of {names} in {where}"))

    # ---- afterwards

    def arrange(self, arguments: Sequence[Value]) -> None:
        """Order the nodes: noise first, then what each guard needs, then the rest."""
        if self.is_step:
            self.order = topological(self.ends[0], folded=True)
        known = {id(argument) for argument in arguments}
        for node in list(self.made.values()):
            if isinstance(node.op, Plain) and not node.operands:
                self._add(node.value, known)  # drawn in the order in which the function draws, needed or not
        for guard in self.guards:
            for operand in guard.operands:
                if isinstance(operand, Value):
                    self._add(operand, known)
        for end in self.ends:
            self._add(end, known)

    def as_eager(self, optimizer: Any) -> Any:
        """Return the results of the run itself. A step ends as eager does: backward, and the optimizer's step."""
        if not self.is_step:
            own = [np.array(end._data) if isinstance(end._data, np.ndarray) else end._data for end in self.ends]
            return filled(self.result, own)
        (end,) = self.ends
        if optimizer is not None:
            optimizer.zero_grad()
        end.backward()
        loss = end._one()  # before the step, as its data may be a view of a parameter's
        if optimizer is not None:
            optimizer.step()
        return loss

    def _add(self, end: Value, known: set[int]) -> None:
        stack: list[Any] = [end]
        while stack:
            item = stack.pop()
            if isinstance(item, Node):
                self.nodes.append(item)
            elif id(item) not in known:
                known.add(id(item))
                node = self._node(item)
                if node is None:
                    self.leaves.append(item)
                    continue
                stack.append(node)
                stack += [x for x in (*node.keys.values(), *node.operands[::-1]) if isinstance(x, Value)]

    def _node(self, value: Value) -> Node | None:
        node = self.made.get(id(value))
        if node is None:
            if value._made_by is None:
                return None
            node = Node(value, value._made_by, operands_of(value))
        if isinstance(node.op, GetItem):
            parts = node.op.key if isinstance(node.op.key, tuple) else (node.op.key,)
            for k, part in enumerate(parts):
                array, source = self._arrays.get(id(part), (None, None))
                if array is part and source is not None:
                    node.keys[k] = source
            if node.keys:
                node.op = replace(node.op, key=parts)
                self.keyed[id(value)] = node
        return node


def same_call(a: Any, b: Any) -> bool:
    """Whether two calls that ``partial`` made are of the same function with the same arguments."""
    if a is b:
        return True
    return isinstance(a, partial) and isinstance(b, partial) and (a.func, a.args) == (b.func, b.args)


def _inside(frame: FrameType) -> bool:
    """Whether the frame is code of the package."""
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] == _PACKAGE


def _itself(data: Any) -> Any:
    return data


def _number(data: Any) -> float:
    return float(np.reshape(data, ()))


def captured(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    inputs: Sequence[Value],
    gradients: bool | None,
    drawn: Sequence[tuple[Any, Any]] = (),
) -> Capture:
    """Run ``function(*arguments)``, in which the Values ``inputs`` occur, and order what it did.

    ``gradients`` says whether it is the loss of a step; ``None`` leaves that to what it returns: a Value of one element
    that depends on a parameter is a loss.

    Raises ``ValueTypeError``, ``ShapeError``, ``GraphError`` or ``ArgumentError`` for what it returns.
    """
    capture = Capture(drawn=list(drawn), differentiated=gradients is not False)
    with capturing(capture), attributes_seen():
        result = function(*arguments)
    capture.attributes.settle()
    if gradients is None:
        gradients = _may_be_loss(result)
    capture.result, capture.is_step = result, gradients
    capture.ends = [_loss(result, inputs)] if gradients else _results(result)
    capture.arrange(inputs)
    return capture


def _may_be_loss(result: Any) -> bool:
    """Whether a result is a loss by its looks: one number that depends on a parameter."""
    if not isinstance(result, Value):
        if not any(isinstance(leaf, Value) for _, leaf in leaves(result)):
            raise ValueTypeError(
                f"compile: the function must return a scalar Value, got {type(result).__name__}; return the loss, or "
                "Values and containers of them, without .item() and .data"
            )
        return False
    if result.size != 1 or not result.requires_grad:
        return False
    made = topological(result, folded=True)
    return result._made_by is None or any(
        isinstance(x, Value) and x.requires_grad and x._made_by is None for node in made for x in operands_of(node)
    )


def _loss(end: Any, inputs: Sequence[Value]) -> Value:
    """The loss of a step, checked."""
    if not isinstance(end, Value):
        raise ValueTypeError(
            f"compile: the function must return a scalar Value, got {type(end).__name__}; return the loss"
        )
    if end.size != 1:
        raise ShapeError(
            f"compile: the function must return a scalar Value, got shape {end.shape} of {describe(end)}; "
            "call .sum() or .mean() in it, or pass gradients=False for a function that is no loss"
        )
    if any(id(x) == id(end) for x in inputs):
        raise ArgumentError("compile: the function returned its argument; compute a loss of it")
    if not end.requires_grad:
        raise GraphError(
            f"compile: {describe(end)}, which the function returned, depends on no parameter; make parameters with "
            "Value(…), outside no_grad() and without detach()"
        )
    return end


def _results(result: Any) -> list[Value]:
    """The Values among the results of a function, and constants of its numbers and arrays."""
    hint = "a compiled function returns numbers, arrays and Values, and lists, tuples and dicts of them"
    return [number(copied(x), path, "compile", hint) for path, x in leaves(result, "the result")]


def copied(x: Any) -> Any:
    """An array as one that no later write changes; a number as it is."""
    return x.copy() if isinstance(x, np.ndarray) else x
