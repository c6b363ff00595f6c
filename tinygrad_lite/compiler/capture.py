"""Running a function of Values once, and keeping what a replay needs: the nodes in order, and what the function read.

Its arguments become Values, and a key by which a step knows the programs that suit them.

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
from ..core.graph import operands_of, topological
from ..core.recording import Observer, capturing
from ..core.value import Op, Plain, Value, as_data, constant, describe
from ..errors import ArgumentError, GraphError, ShapeError, ValueTypeError
from ..ops.selection import GetItem
from .attributes import AttributesRead, held

__all__ = ["Capture", "Guard", "Node", "as_values", "captured", "kind_of", "same", "same_call", "signature"]


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


@dataclass
class Capture(Observer):
    """The observer of one run of a function, and the record of that run.

    ``nodes`` are in order of computation. ``order`` has the Values through which gradients flow, in the order of the
    forward pass. ``leaves`` are the Values that the nodes read and no node computes, without the arguments. ``drawn``
    is noise that an earlier replay drew, ``noises`` what this run drew, each with its call.
    """

    name = "compile"
    drawn: list[tuple[Any, Any]] = field(default_factory=list)
    noises: list[tuple[Any, Any]] = field(default_factory=list)
    end: Value = field(init=False)
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
            self._guard(_itself, (value,), data, ".data", frame)

    def saw_reading(
        self, what: Any, args: tuple[Any, ...], options: Mapping[str, Any], found: Any, frame: FrameType
    ) -> None:
        if isinstance(what, str):
            self._guard(_number, args, found, what, frame)
        else:
            name = getattr(what, "__name__", str(what))
            self._guard(lambda *data: what(*data, **options), args, found, f"{name}()", frame)

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

    def _guard(
        self, function: Callable[..., Any], args: tuple[Any, ...], found: Any, how: str, frame: FrameType | None
    ) -> None:
        while frame is not None and _inside(frame):
            frame = frame.f_back
        where = f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else "an unknown place"
        names = ", ".join(describe(x) for x in args if isinstance(x, Value))
        copied = found.copy() if isinstance(found, np.ndarray) else found
        self.guards.append(Guard(function, args, copied, f"{how} of {names} in {where}"))

    # ---- afterwards

    def arrange(self, end: Value, arguments: Sequence[Value]) -> None:
        """Order the nodes: noise first, then what each guard needs, then the rest."""
        self.end = end
        self.order = topological(end, folded=True)
        known = {id(argument) for argument in arguments}
        for node in list(self.made.values()):
            if isinstance(node.op, Plain) and not node.operands:
                self._add(node.value, known)  # drawn in the order in which the function draws, needed or not
        for guard in self.guards:
            for operand in guard.operands:
                if isinstance(operand, Value):
                    self._add(operand, known)
        self._add(end, known)

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
    who: str,
    drawn: Sequence[tuple[Any, Any]] = (),
) -> Capture:
    """Run ``function(*arguments)``, in which the Values ``inputs`` occur, and order what it did.

    Raises ``ValueTypeError``, ``ShapeError``, ``GraphError`` or ``ArgumentError``, in the name of ``who``, unless the
    function returns a scalar Value that depends on a parameter and is no argument.
    """
    capture = Capture(drawn=list(drawn))
    with capturing(capture), attributes_seen():
        end = function(*arguments)
    capture.attributes.settle()
    if not isinstance(end, Value):
        raise ValueTypeError(
            f"{who}: the function must return a scalar Value, got {type(end).__name__}; return the loss"
        )
    if end.size != 1:
        raise ShapeError(
            f"{who}: the function must return a scalar Value, got shape {end.shape} of {describe(end)}; "
            "call .sum() or .mean() in it"
        )
    if not end.requires_grad:
        raise GraphError(
            f"{who}: {describe(end)}, which the function returned, depends on no parameter; make parameters with "
            "Value(…), outside no_grad() and without detach()"
        )
    if any(id(x) == id(end) for x in inputs):
        raise ArgumentError(f"{who}: the function returned its argument; compute a loss of it")
    capture.arrange(end, inputs)
    return capture


# ---- arguments -------------------------------------------------------------------------------------------------------


def kind_of(x: Any) -> Any:
    """The part of an array or a float that a program depends on: shape and dtype."""
    return (x.shape, x.dtype) if type(x) is np.ndarray else type(x)


def signature(x: Any, data: list[Any], where: str) -> Any:
    """A key for arguments: their structure, shapes, dtypes and settings. Their data is appended to ``data``.

    ``where`` names the argument in messages. Raises ``ValueTypeError`` for one of another type.
    """
    if isinstance(x, np.ndarray | np.floating | float) and not isinstance(x, Value):
        array = as_data(x, keep_integers=True, copy=False)
        if type(array) is float and not (isinstance(x, np.ndarray) and x.dtype.kind != "f"):
            data.append(array)
            return "float"
        if type(array) is not float:
            data.append(array)
            return ("array", array.shape, array.dtype.str)
        return ("setting", "int", int(array))
    if isinstance(x, bool | int | str | np.integer | np.bool_) or x is None:
        return ("setting", type(x).__name__, x)
    if isinstance(x, list | tuple):
        return (type(x).__name__, *(signature(part, data, f"{where}[{k}]") for k, part in enumerate(x)))
    if isinstance(x, dict):
        return ("dict", *((key, signature(part, data, f"{where}[{key!r}]")) for key, part in x.items()))
    if isinstance(x, Value):
        raise ValueTypeError(
            f"compile: {where} is a Value; pass its .data, or read it inside the function, as parameters are"
        )
    raise ValueTypeError(
        f"compile: {where} is of type {type(x).__name__}; "
        "pass arrays, numbers, text, or lists, tuples and dicts of them"
    )


def as_values(x: Any, inputs: list[Value]) -> Any:
    """The arguments for the function: arrays and floats as constants, appended to ``inputs``; settings as given."""
    if isinstance(x, list | tuple):
        return type(x)(as_values(part, inputs) for part in x)
    if isinstance(x, dict):
        return {key: as_values(part, inputs) for key, part in x.items()}
    if isinstance(x, np.ndarray) and not x.ndim and x.dtype.kind != "f":
        return x.item()
    if isinstance(x, np.ndarray | np.floating | float):
        inputs.append(constant(as_data(x, keep_integers=True, copy=False)))
        return inputs[-1]
    return x
