"""Arrays that note the NumPy calls made on them."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..errors import ArgumentError
from ..formulas.python import called, literal, method, subscript
from .calls import Lowered, Slot

__all__ = ["Notebook", "Noted", "Traced", "Untraceable", "noted"]


class Notebook(Protocol):
    """Where the notes go."""

    def bind(self, value: ast.expr, verb: str) -> ast.expr:
        """A new variable of this value; ``verb`` is what made it."""

    def update(self, target: ast.expr, key: ast.expr, value: ast.expr, how: str) -> ast.expr:
        """``target[key] = value``; or ``how`` is ``"+="``, ``"-="`` or ``"np.add.at"``. Returns the array changed."""

    def array(self, data: Any) -> ast.expr:
        """An array that nothing noted, as a constant."""


_OPERATORS: dict[str, type[ast.operator]] = {
    "add": ast.Add,
    "subtract": ast.Sub,
    "multiply": ast.Mult,
    "divide": ast.Div,
    "true_divide": ast.Div,
    "power": ast.Pow,
    "matmul": ast.MatMult,
}
_COMPARISONS: dict[str, type[ast.cmpop]] = {
    "greater": ast.Gt,
    "greater_equal": ast.GtE,
    "less": ast.Lt,
    "less_equal": ast.LtE,
    "equal": ast.Eq,
    "not_equal": ast.NotEq,
}
_REDUCED = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min", "logical_or": "any"}
_METHODS = {"sum", "prod", "max", "min", "mean", "cumsum", "reshape", "transpose", "squeeze", "trace"}


class Noted(np.ndarray):
    """An array with the expression that it is the value of, and the notebook to which it says what becomes of it."""

    expr: ast.expr | None
    book: Notebook

    def __array_finalize__(self, made_from: Any) -> None:
        self.expr = None  # a view that was made behind our back: whoever asks for its source fails
        self.made: tuple[ast.expr, str, Any] | None = None
        if isinstance(made_from, Noted):
            self.book = made_from.book

    @property
    def source(self) -> ast.expr:
        """The expression."""
        if self.expr is None:
            raise _unnoted("makes a view of an array")
        return self.expr

    # ---- NumPy's functions

    def __array_ufunc__(self, ufunc: Any, method: Any, *inputs: Any, **options: Any) -> Any:
        out = options.pop("out", None)
        with np.errstate(all="ignore"):
            if method == "at":
                target, key, *rest = inputs
                ufunc.at(_plain(target), _plain(key), *map(_plain, rest))
                how = f"np.{ufunc.__name__}.at"
                target.expr = self.book.update(target.source, self._key(key), self._expr(rest[0]), how)
                return None
            found = getattr(ufunc, method)(*map(_plain, inputs), **options)
        if method == "reduce":
            verb = _REDUCED[ufunc.__name__]
            value = self._reduction(verb, inputs[0], **options)
        else:
            if method != "__call__":
                raise _unnoted(f"calls np.{ufunc.__name__}.{method}")
            verb = ufunc.__name__
            value = self._of_ufunc(verb, inputs)
        if out is None:
            return self._made(found, value, verb)
        (target,) = out
        if isinstance(target, Noted) and target.shape == np.shape(found):  # in place: the same array is another value
            np.copyto(_plain(target), found)
            target.expr, before = self.book.bind(value, verb), target.made
            if before is not None and before[1] == "part" and verb in ("add", "subtract"):
                target.made = before[0], "+=" if verb == "add" else "-=", self._expr(inputs[1])
            return target
        raise _unnoted(f"calls np.{ufunc.__name__} with out= of another shape")

    def _of_ufunc(self, verb: str, inputs: Any) -> ast.expr:
        if verb == "multiply":  # by nothing but ones
            for x, other in (inputs, inputs[::-1]):
                ones = type(x) is np.ndarray and isinstance(other, Noted) and x.size and np.all(x == 1.0)
                if ones and np.broadcast_shapes(x.shape, other.shape) == other.shape:
                    return self._expr(other)
        operands = [self._expr(x) for x in inputs]
        if verb in _OPERATORS:
            return ast.BinOp(operands[0], _OPERATORS[verb](), operands[1])
        if verb in _COMPARISONS:
            return ast.Compare(operands[0], [_COMPARISONS[verb]()], [operands[1]])
        if verb == "negative":
            return ast.UnaryOp(ast.USub(), operands[0])
        if verb == "square":
            return ast.BinOp(operands[0], ast.Pow(), ast.Constant(2.0))
        if verb == "absolute":
            verb = "abs"
        return called(f"np.{verb}", *operands)

    def __array_function__(self, function: Any, types: Any, arguments: Any, options: Any) -> Any:
        with np.errstate(all="ignore"):
            found = function(*map(_plain, arguments), **{k: _plain(v) for k, v in options.items()})
        name = function.__name__
        if name in _METHODS and isinstance(arguments[0], Noted):
            value: ast.expr = self._reduction(name, *arguments, **options)
        else:
            given = [self._argument(x) for x in arguments]
            module = function.__module__.replace("numpy", "np", 1)
            value = called(
                f"{module}.{name}", *given, **{k: self._argument(v) for k, v in options.items() if v is not None}
            )
        if isinstance(found, tuple):
            whole = self.book.bind(value, name)
            parts = [noted(part, subscript(whole, k), self.book) for k, part in enumerate(found)]
            return type(found)(*parts) if hasattr(found, "_fields") else tuple(parts)
        return self._made(found, value, name)

    def _reduction(self, name: str, x: Any, *arguments: Any, **options: Any) -> ast.expr:
        """``x.sum(axis=0)``; of a number ``np.sum(x, axis=0)``."""
        options = {k: v for k, v in options.items() if v is not None and not (k == "keepdims" and not v)}
        if options.get("where") is True:  # what x.sum() says to np.add.reduce
            del options["where"]
        if isinstance(options.get("axis"), tuple):
            axes = options["axis"]
            if len(axes) == x.ndim and "keepdims" not in options:
                del options["axis"]
            elif len(axes) == 1:
                options["axis"] = axes[0]
        if name == "transpose":
            order = tuple(k % x.ndim for k in arguments[0])
            if order == tuple(range(x.ndim)):
                return self._expr(x)
            if x.ndim == 2:
                return ast.Attribute(self._expr(x), "T", ast.Load())
        if name == "reshape" and x.ndim and arguments[0] == x.shape:
            return self._expr(x)
        if name in ("reshape", "transpose") and x.ndim and arguments[0]:
            arguments = tuple(arguments[0])  # x.reshape(2, 3)
        if x.ndim:
            return method(self._expr(x), name, *arguments, **options)
        return called(f"np.{name}", self._expr(x), *arguments, **options)

    # ---- what NumPy does without asking

    @property
    def T(self) -> Any:
        """The axes reversed."""
        return self.transpose()

    def transpose(self, *axes: Any) -> Any:
        """The axes in another order."""
        order = axes[0] if len(axes) == 1 and isinstance(axes[0], tuple | list) else axes or range(self.ndim)[::-1]
        return np.transpose(self, tuple(int(k) for k in order))

    def reshape(self, *shape: Any, **options: Any) -> Any:
        """The same elements in another shape."""
        wanted = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
        wanted = tuple(int(n) for n in wanted)
        return self if wanted == self.shape else np.reshape(self, wanted)

    def astype(self, dtype: Any, *rest: Any, **options: Any) -> Any:
        """In another precision."""
        if np.dtype(dtype) == self.dtype:
            return self
        return self._made(_plain(self).astype(dtype), method(self.source, "astype", np.dtype(dtype)), "astype")

    def dot(self, other: Any, out: Any = None) -> Any:
        """The matrix product."""
        return np.matmul(self, other)

    def copy(self, order: Any = "C") -> Any:
        """Itself: nothing noted changes in place what it does not own."""
        return self

    def __getitem__(self, key: Any) -> Any:
        base = self.source if self.ndim else called("np.asarray", self.source)
        part = self._made(_plain(self)[_plain(key)], subscript(base, self._key(key)), "part")
        part.made = self._key(key), "part", None
        return part

    def __setitem__(self, key: Any, value: Any) -> None:
        _plain(self)[_plain(key)] = _plain(value)
        where = self._key(key)
        made = value.made if isinstance(value, Noted) else None
        if made is not None and made[1] in ("+=", "-=") and ast.dump(made[0]) == ast.dump(where):
            self.expr = self.book.update(self.source, where, made[2], made[1])
        else:
            self.expr = self.book.update(self.source, where, self._expr(value), "=")

    # ---- the pieces of an expression

    def _made(self, found: Any, value: ast.expr, verb: str) -> Noted:
        return noted(found, self.book.bind(value, verb), self.book)

    def _expr(self, x: Any) -> ast.expr:
        if isinstance(x, Noted):
            return x.source
        if isinstance(x, np.ndarray) and x.ndim:
            return self.book.array(x)
        if isinstance(x, int | float | np.number) and not isinstance(x, bool):
            return ast.Constant(float(x))
        return literal(x)

    def _argument(self, x: Any) -> ast.expr:
        """An argument of a function: small arrays of whole numbers as lists."""
        if isinstance(x, tuple | list):
            items = [self._argument(item) for item in x]
            return ast.Tuple(items, ast.Load()) if isinstance(x, tuple) else ast.List(items, ast.Load())
        if isinstance(x, np.ndarray) and not isinstance(x, Noted) and x.dtype.kind == "i" and 0 < x.size <= 16:
            return literal(x.tolist())
        return self._expr(x) if isinstance(x, np.ndarray) else literal(x)

    def _key(self, key: Any) -> ast.expr:
        if isinstance(key, tuple):
            parts = [self._key(part) for part in key]
            return ast.Tuple(parts, ast.Load())
        if isinstance(key, list):
            if all(type(item) in (int, bool) for item in key) and key:
                return literal(key)
            return self.book.array(np.asarray(key) if key else np.zeros(0, dtype=np.intp))
        if isinstance(key, np.ndarray):
            return self._expr(key) if key.ndim else literal(key)
        return literal(key)


def noted(data: Any, expr: ast.expr, book: Notebook) -> Noted:
    """Numbers, and the expression that they are the value of."""
    found = np.asarray(data).view(Noted)
    found.expr, found.book = expr, book
    return found


def _unnoted(what: str) -> ArgumentError:
    return ArgumentError(
        f"manual_backprop: an op {what}, which cannot be written as source; write this part by hand, or use other ops"
    )


def _plain(x: Any) -> Any:
    """What NumPy computes with: arrays without notes."""
    if isinstance(x, Noted):
        return x.view(np.ndarray) if x.ndim else np.asarray(x.view(np.ndarray))
    if isinstance(x, tuple):
        return tuple(map(_plain, x))
    return [_plain(item) for item in x] if isinstance(x, list) else x


_BOOL = np.dtype(bool)


class Untraceable(Exception):
    """An op that asks for numbers, or changes what others see: it is called as a whole."""


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
