"""Value: a number or an array that remembers how it was made.

A Value holds ``data``, its gradient after a backward pass, the op that made it and the op's operands, in order: ``x *
x`` has two. Leaves have no op. This is the one mutable thing in the package.

There are two kinds of interior node. At a *scalar node* (an elementwise op on floats) the local derivatives are
computed at once and kept as floats: nine slots, and no other object, are what makes a node of a scalar network cheap.
An *array node* keeps the operands' data; the op makes its chain of linear maps from them on demand.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any, final

import numpy as np

from ..errors import GraphError, ShapeError, TinygradError, ValueTypeError
from ._methods import Methods
from .conversions import Conversions, plain_array
from .display import as_html, as_text, describe
from .op import CONSUMED, Folded, Op
from .recording import (
    blocks_open,
    captures_open,
    diverted,
    observer,
    tell_of_data,
    tell_of_making,
    tell_of_reading,
    watching,
)
from .scattered import Rows
from .shapes import shape_of

__all__ = ["CONSUMED", "Folded", "Op", "Value", "describe", "record"]


new = object.__new__


def _compared(comparison: Callable[[Any, Any], Any]) -> Any:
    """A comparison of data, as a method."""
    return lambda self, other: on_data(comparison, self, other)


@final
class Value(Methods, Conversions):
    """A float or an array of floats in a computation graph.

    ``data``: a number, a NumPy array, or nested lists of numbers. A scalar is kept as a Python float, an array with its
    dtype; integers become float64, except in a constant. ``name`` is free text. ``requires_grad=False`` makes a
    constant.

    Raises ``ValueTypeError`` for text, objects, complex numbers, and lists of Values (``stack`` joins those).

    >>> a = Value(2.0, name="a")
    >>> b = a * a + 1
    >>> b.backward()
    >>> b.data, a.grad
    (5.0, 4.0)
    """

    __slots__ = ("_a", "_b", "_calls", "_da", "_data", "_db", "_grad", "_made_by", "name", "requires_grad")

    _data: Any
    _grad: Any
    _made_by: Op | None
    _a: Any  # a scalar node's first operand; a tuple of all operands at an array node, or where there are more than two
    _b: Any  # the second operand
    _da: Any  # a scalar node's local derivatives (None for a constant operand); an array node's list of operand data
    _db: Any
    _calls: Any  # at the result of a module, which calls made it of what (see graph/scopes.py); not set elsewhere
    name: str | None
    requires_grad: bool

    def __init_subclass__(cls) -> None:
        raise ValueTypeError(
            f"{cls.__name__}: Value cannot be subclassed, the engine knows it by its type; hold a Value instead"
        )

    def __init__(self, data: Any, name: str | None = None, requires_grad: bool = True) -> None:
        if name is not None and not isinstance(name, str):
            raise ValueTypeError(f"Value: a name is text, got {type(name).__name__}; pass name=str(…)")
        self._data = as_data(data, keep_integers=not requires_grad, copy=requires_grad)
        self._grad = None
        self._made_by = self._a = self._b = self._da = self._db = None
        self.name = name
        self.requires_grad = bool(requires_grad)

    # ---- what it holds

    @property
    def data(self) -> Any:
        """The number (a Python float) or the array.

        A leaf's data can be replaced, by data of its shape. A parameter keeps its dtype, and a copy: its array is its
        own, so optimizers may change it in place. Every assignment makes a new array object, by which the engine sees
        that graphs recorded before are out of date. The array of a result is read-only: gradients are computed from it.
        """
        if self._data is None:
            raise GraphError(f"data: {describe(self)} was freed by backward(keep='leaves'); run the forward pass again")
        if captures_open[0]:
            tell_of_data(self)
        data = self._data
        if self._made_by is not None and type(data) is np.ndarray:
            data.flags.writeable = False  # on first access: when the Value is made it would slow every op
        return data

    @data.setter
    def data(self, data: Any) -> None:
        old = self._data
        if type(data) is type(old) is float and self._made_by is None:
            self._data = data
            return
        if data is old and type(old) is np.ndarray and self._made_by is None:  # changed in place
            self._data = old.view()
            return
        if self._made_by is not None:
            raise GraphError(
                f"data: {describe(self)} was computed by {self._made_by.name!r}, so its data cannot be set; "
                "set that of a leaf, or make a new one with Value(…)"
            )
        data = as_data(data, keep_integers=not self.requires_grad, copy=False)
        if shape_of(data) != shape_of(old):
            raise ShapeError(f"data: {describe(self)} keeps its shape, got {shape_of(data)}; make a new Value instead")
        owned = self.requires_grad and type(data) is not float
        self._data = np.array(data, dtype=old.dtype) if owned else data

    @property
    def grad(self) -> Any:
        """The gradient that backward passes have left here, of the data's shape.

        ``None`` for an array that none has reached; 0.0 for such a float (``has_grad`` tells).
        """
        if type(self._grad) is Rows:
            self._grad = self._grad.dense()
        if self._grad is None and type(self._data) is float:
            return 0.0
        return self._grad

    @grad.setter
    def grad(self, grad: Any) -> None:
        plain = grad is None or type(grad) is type(self._data) is float
        self._grad = grad if plain else _gradient_of(self, grad)

    @property
    def has_grad(self) -> bool:
        """Whether a backward pass has left a gradient here since the last ``zero_grad``."""
        return self._grad is not None

    @property
    def op(self) -> Op | None:
        """The op that made this Value; ``None`` for a leaf. For a fused loss or a checkpoint its composition's last."""
        return unfolded(self)._made_by

    @property
    def operands(self) -> tuple[Any, ...]:
        """The operands of the op, in order: Values, and raw numbers and arrays as they were given."""
        return operands_of(unfolded(self))

    @property
    def parents(self) -> tuple[Value, ...]:
        """The operands of the op, in order, each a Value: a raw number or array becomes a nameless constant, once."""
        return parents_of(unfolded(self))

    @property
    def is_leaf(self) -> bool:
        """Whether no op made it."""
        return self._made_by is None

    @property
    def _prev(self) -> set[Value]:
        """The operands as a set, as micrograd's programs read them."""
        return set(self.parents)

    @property
    def _op(self) -> str:
        """The op's sign, empty for a leaf, as micrograd's programs read it."""
        return "" if self._made_by is None else self._made_by.sign

    _op_sign = _op

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the data; ``()`` for a float."""
        data = self._data
        return () if type(data) is float else self.data.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return 1 if type(self._data) is float else int(self.data.size)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the data; float64 for a float."""
        return _FLOAT64 if type(self._data) is float else self.data.dtype

    def detach(self) -> Value:
        """A constant with the same data, cut off from the graph."""
        data = self.data
        detached = cut(data, "detach()", self.name) if self.requires_grad else constant(data, self.name)
        if captures_open[0]:
            tell_of_making(detached, Plain(lambda x: x), (self,))
        return detached

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self._grad = None

    # ---- what Python asks of it

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ShapeError(
                f"bool: {describe(self)} has {self.size} elements, not one; ask .data.any() or .data.all()"
            )
        return bool(on_data(bool, self))

    def __len__(self) -> int:
        if not self.shape:
            raise ValueTypeError(f"len: {describe(self)} is a scalar, which has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Value]:
        if not self.shape:
            raise ValueTypeError(f"iter: {describe(self)} is a scalar, which has no elements to iterate over")
        return (self[k] for k in range(self.shape[0]))

    def __setitem__(self, key: Any, value: Any) -> None:
        raise ValueTypeError(
            f"setitem: {describe(self)} cannot be changed in place, or the graph would be wrong; "
            "build a new Value: np.where(mask, new, x), or np.concatenate([x[:i], new, x[i + 1:]])"
        )

    __eq__ = _compared(operator.eq)
    __ne__ = _compared(operator.ne)
    __lt__ = _compared(operator.lt)
    __le__ = _compared(operator.le)
    __gt__ = _compared(operator.gt)
    __ge__ = _compared(operator.ge)

    def __copy__(self) -> Value:
        return self.__deepcopy__({})

    def __deepcopy__(self, memo: dict[int, Any]) -> Value:
        _refuse_interior(self, "copy")
        copied = Value(np.copy(self.data) if self.shape else self.data, self.name, self.requires_grad)
        memo[id(self)] = copied
        return copied

    def __reduce__(self) -> Any:
        _refuse_interior(self, "pickle")
        return Value, (self.data, self.name, self.requires_grad)

    def __repr__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        return as_html(self)


_FLOAT64 = np.dtype(np.float64)


def as_data(data: Any, keep_integers: bool, copy: bool) -> Any:
    """``data`` as a Value holds it: a Python float, or an array of floats (or integers, in a constant)."""
    if type(data) is np.ndarray:
        if data.dtype.kind == "f" and data.ndim:
            return data.copy() if copy else data
    elif isinstance(data, (float, int)):  # np.float64 and bool are subclasses
        try:
            return float(data)
        except OverflowError:
            raise ValueTypeError("Value: the integer is too large for a float; scale it first") from None
    if isinstance(data, Value):
        raise ValueTypeError(f"Value: got {describe(data)}, which is a Value already; use it as it is, or .detach() it")
    if isinstance(data, (list, tuple)):
        if any(isinstance(plain_array(item), Value) for item in data):
            raise ValueTypeError("Value: got a list of Values; join them with tinygrad_lite.stack([…])")
        try:
            data = np.array(data)
        except ValueError:
            raise ShapeError(
                "Value: the lists are not of equal lengths; an array needs rows of the same length"
            ) from None
        copy = False
    elif getattr(data, "stands_for_data", False):
        return data
    elif not isinstance(data, (np.ndarray, np.generic)):
        raise ValueTypeError(
            f"Value: needs a number or an array of numbers, got {type(data).__name__}; convert it first"
        )
    data = plain_array(data)
    kind = data.dtype.kind
    if kind in "iub":
        if data.ndim == 0 or not keep_integers:
            data = data.astype(np.float64)
            copy = False
    elif kind == "c":
        raise ValueTypeError(
            "Value: complex numbers are not supported; pass the real and the imaginary part separately"
        )
    elif kind != "f":
        raise ValueTypeError(
            f"Value: needs numbers, got an array of dtype {data.dtype}; convert it, for example with .astype(float)"
        )
    if data.ndim == 0:
        return float(data)
    return data.copy() if copy else data


def _refuse_interior(value: Value, what: str) -> None:
    if value._made_by is not None:
        raise GraphError(f"{what}: {describe(value)} is part of a graph; {what} its leaves, or .detach() it first")


def _gradient_of(value: Value, grad: Any) -> Any:
    """A gradient that a user sets, in the Value's shape."""
    if type(grad) is not float:
        grad = as_data(grad, keep_integers=False, copy=False)
    if shape_of(grad) == value.shape:
        return grad
    if type(grad) is not float:
        raise ShapeError(
            f"grad: {describe(value)} takes a gradient of its own shape, got {np.shape(grad)}; "
            f"reshape it to {value.shape}, or set None"
        )
    filled = np.empty(value.shape, value.dtype)  # np.full takes three times as long
    filled.fill(grad)
    return filled


def raw(x: Any) -> Any:
    """The data of a Value, anything else as it is."""
    return x.data if isinstance(x, Value) else x


def constant(data: Any, name: str | None = None) -> Value:
    """A Value without gradient, of data that is in a Value's form already."""
    node = new(Value)
    node._data = data
    node._grad = node._made_by = node._a = node._b = node._da = node._db = None
    node.name = name
    node.requires_grad = False
    return node


def array_node(op: Op, operands: tuple[Any, ...], saved: list[Any], out: Any, name: str | None = None) -> Value:
    """The result ``out`` of an op that keeps the operands' data, as ``record`` makes it."""
    node = constant(out, name)
    node._made_by, node._a, node._da = op, operands, saved
    node.requires_grad = any(type(x) is Value and x.requires_grad for x in operands)
    return node


def cut(data: Any, by: str, name: str | None = None) -> Value:
    """A constant that ends a graph: ``by`` is what cut it off, for messages about paths that are not there."""
    node = constant(data, name)
    node._b = by
    return node


# ---- how a node is encoded (core/graph.py reads orders and chains from it) ------------------------------------------


def unfolded(node: Value) -> Value:
    """The Value whose encoding tells readers how ``node`` was made: itself, or the end of its composition.

    A composition is recorded the first time that a reader asks. Raises ``GraphError`` where an operand holds other data
    now than the node was computed from.
    """
    while isinstance(op := node._made_by, Folded):
        if op.composed is None:
            for operand, saved in zip(node._a, node._da, strict=True):
                if type(operand) is Value and operand._data is not saved:
                    check_current(operand, saved)
            op.composed = op.compose(node)
        node = op.composed
    return node


def operands_of(node: Value) -> tuple[Any, ...]:
    """The operands as they were recorded: Values, and raw numbers and arrays. A folded op keeps its own.

    Raises ``GraphError`` for a node that was freed.
    """
    if node._made_by is None:
        return ()
    if node._made_by is CONSUMED:
        raise GraphError(
            f"graph: what {describe(node)} was computed from was freed by backward(keep='leaves'); "
            "run the forward pass again, or call backward() without keep"
        )
    if type(node._a) is tuple:
        return node._a
    return (node._a,) if node._b is None else (node._a, node._b)


_VALUES = {Value}


def parents_of(node: Value) -> tuple[Value, ...]:
    """The same, each a Value: a raw number or array becomes a nameless constant, once."""
    operands = operands_of(node)
    if {*map(type, operands)} <= _VALUES:  # asked many times of each node: isinstance takes four times as long
        return operands
    # The saved data, where there is any: a list converted again would look like data replaced since.
    saved = node._da if type(node._da) is list else None
    parents = tuple(
        operand
        if isinstance(operand, Value)
        else constant(as_data(operand, True, False) if saved is None else saved[k])
        for k, operand in enumerate(operands)
    )
    if type(node._a) is tuple:
        node._a = parents
    else:
        node._a = parents[0]
        node._b = parents[1] if len(parents) > 1 else None
    return parents


def check_current(operand: Value, saved: Any) -> None:
    """Raise ``GraphError`` if an operand holds other data than was recorded."""
    if operand._data is None or (type(saved) is float and (operand._data == saved or saved != saved)):
        return  # freed, which is found when its turn comes; or an equal float
    raise GraphError(
        f"graph: the data of {describe(operand)} was replaced after it was recorded; run the forward pass again"
    )


def cut_by(value: Value) -> str | None:
    """What cut a constant off from its graph; ``None`` where nothing did."""
    return value._b if value._made_by is None else None


def unrecorded(op: Op, operands: tuple[Any, ...], out: Any) -> Value:
    """The result of an op inside ``no_grad``."""
    node = cut(out, "no_grad()")
    if captures_open[0]:
        tell_of_making(node, op, operands)
    return node


def elsewhere(op: Op, operands: tuple[Any, ...], out: Any) -> Value:
    """The result of an op where it is not recorded the plain way: inside ``no_grad``, or looked at by a detector."""
    detector = watching()
    node: Value = unrecorded(op, operands, out) if detector is None else detector.node_for(op, operands, out)
    return node


# ---- plain results computed from Values: an observer such as compiler/capture.py is told ----------------------------


class Plain(Op):
    """Plain NumPy on the data of Values, or on nothing: its result is a constant."""

    name = sign = "numpy"

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def forward(self, *data: Any) -> Any:
        return self.function(*data)


def plain(function: Callable[..., Any], *operands: Any, name: str | None = None) -> Value:
    """A constant that ``function`` makes of the operands' data. A compiled step makes it anew each time.

    >>> plain(np.round, Value([0.2, 0.8])).data
    array([0., 1.])
    """
    who = observer()
    found = who.noise(function) if who is not None and not operands else function(*map(raw, operands))
    made = constant(as_data(found, keep_integers=True, copy=False), name)
    if captures_open[0]:
        tell_of_making(made, Plain(function), operands)
    return made


def on_constants(function: Callable[..., Any], *operands: Any) -> Any:
    """``plain`` if an operand is a Value, else the function of the arrays."""
    if any(isinstance(operand, Value) for operand in operands):
        return plain(function, *operands)
    return function(*operands)


def on_data(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """A function of data alone, such as a comparison, applied to Values: its result is plain."""
    found = function(*map(raw, args), **options)
    if captures_open[0]:
        tell_of_reading(function, *args, found=found, options=options)
    return found


def numbers_of(x: Any) -> Any:
    """The data of a Value, or anything else, as an array by whose numbers a function decides what to do.

    A compiled step holds for these numbers only; ``raw`` is for shapes, dtypes and indices as they are.
    """
    return on_data(np.asarray, x) if isinstance(x, Value) else np.asarray(x)


def record(op: Op, operands: tuple[Any, ...]) -> Any:
    """Apply ``op`` and remember it. Where no operand is a Value the result is plain data."""
    saved: list[Any] = []
    graph = live = False
    for operand in operands:
        if type(operand) is Value:
            graph = True
            if operand.requires_grad:
                live = True
            data = operand._data
            saved.append(operand.data if data is None else data)  # .data says why there is none
        else:
            saved.append(as_data(operand, True, False))
    try:
        out = op.forward(*saved)
    except TinygradError:
        raise
    except ValueError as error:
        shapes = " and ".join(str(shape_of(data)) for data in saved)
        raise ShapeError(
            f"{op.name}: the shapes {shapes} do not go together, of {', '.join(map(describe, operands))}; "
            f"reshape one of them ({error})"
        ) from None
    if not graph:
        return out
    if type(out) is not float and not out.ndim:
        out = float(out)
    if blocks_open[0] and diverted():
        return elsewhere(op, operands, out)
    node = new(Value)
    node._data = out
    node._made_by = op
    node._a = operands
    node._da = saved
    node._b = node._db = node._grad = node.name = None
    node.requires_grad = live
    return node
