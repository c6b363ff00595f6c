"""Arrays that note the NumPy calls made on them, as source."""

from __future__ import annotations

import ast
from typing import Any, Protocol

import numpy as np

from ..errors import ArgumentError
from ..formulas.python import called, literal, method, subscript

__all__ = ["Notebook", "Noted", "noted"]


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
