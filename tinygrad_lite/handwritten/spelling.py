"""A NumPy call as the expression that a person writes: ``x.sum(axis=0)``, ``a @ b.T``, ``g[:, None]``."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import numpy as np

from ..formulas.code import called, literal, method, subscript
from ..programs.calls import Slot

__all__ = ["key_of", "operand", "spelled", "verb_of"]

_OPERATORS: dict[str, type[ast.operator]] = {
    "add": ast.Add,
    "subtract": ast.Sub,
    "multiply": ast.Mult,
    "divide": ast.Div,
    "power": ast.Pow,
    "matmul": ast.MatMult,
    "dot": ast.MatMult,
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

Constant = Callable[[Any], ast.expr]
"""The calls that write an expression of a constant array."""


def verb_of(kind: str, function: Any) -> str:
    """One word for each call: a nameless result is named after it."""
    owner = getattr(function, "__self__", None)
    if kind == "reduce" and isinstance(owner, np.ufunc):
        return _REDUCED.get(owner.__name__, owner.__name__)
    name: str = function.__name__
    return "astype" if kind == "cast" else "part" if name == "picked" else name


def spelled(kind: str, function: Any, args: tuple[Any, ...], options: dict[str, Any], constant: Constant) -> ast.expr:
    """The expression of a call whose arguments are slots with expressions, and constants."""
    if kind == "cast":
        return method(operand(args[0], constant), "astype", args[1])
    if function.__name__ == "picked":
        base = operand(args[0], constant)
        is_number = not isinstance(args[0].sample, tuple | list) and not np.ndim(args[0].sample)
        return subscript(called("np.asarray", base) if is_number else base, key_of(args[1], constant))
    if kind == "ufunc":
        return _of_ufunc(function.__name__, [operand(x, constant) for x in args])
    name = verb_of(kind, function)
    owner = getattr(function, "__self__", None)
    if isinstance(owner, np.ufunc) and owner.__name__ not in _REDUCED:
        given = _given(args[0], options, by_default=np.ndim(args[0].sample) == 1)
        return called(f"np.{owner.__name__}.reduce", operand(args[0], constant), *args[1:], **given)
    if name in {*_METHODS, *_REDUCED.values()} and isinstance(args[0], Slot):
        return _of_method(name, args[0], args[1:], options, constant)
    module = function.__module__.replace("numpy", "np", 1)
    given = {key: _argument(x, constant) for key, x in options.items() if x is not None}
    return called(f"{module}.{function.__name__}", *(_argument(x, constant) for x in args), **given)


def operand(x: Any, constant: Constant) -> ast.expr:
    """An operand of arithmetic: numbers are floats."""
    if isinstance(x, Slot):
        return x.expr  # type: ignore[attr-defined, no-any-return]
    if isinstance(x, np.ndarray) and x.ndim:
        return constant(x)
    if isinstance(x, int | float | np.number) and not isinstance(x, bool):
        return ast.Constant(float(x))
    return literal(x)


def _argument(x: Any, constant: Constant) -> ast.expr:
    """An argument of a function: short arrays of whole numbers are lists."""
    if isinstance(x, tuple | list):
        items = [_argument(item, constant) for item in x]
        return ast.Tuple(items, ast.Load()) if isinstance(x, tuple) else ast.List(items, ast.Load())
    if isinstance(x, np.ndarray) and x.dtype.kind == "i" and 0 < x.size <= 16:
        return literal(x.tolist())
    return operand(x, constant) if isinstance(x, Slot | np.ndarray) else literal(x)


def key_of(key: Any, constant: Constant) -> ast.expr:
    """An index as NumPy takes it, with arrays and slots in it."""
    if isinstance(key, tuple):
        return ast.Tuple([key_of(part, constant) for part in key], ast.Load())
    if isinstance(key, list):
        if key and all(type(item) in (int, bool) for item in key):
            return literal(key)
        return constant(np.asarray(key) if key else np.zeros(0, dtype=np.intp))
    return operand(key, constant) if isinstance(key, Slot | np.ndarray) else literal(key)


def _of_ufunc(name: str, operands: list[ast.expr]) -> ast.expr:
    if name in _OPERATORS:
        return ast.BinOp(operands[0], _OPERATORS[name](), operands[1])
    if name in _COMPARISONS:
        return ast.Compare(operands[0], [_COMPARISONS[name]()], [operands[1]])
    if name == "negative":
        return ast.UnaryOp(ast.USub(), operands[0])
    if name == "square":
        return ast.BinOp(operands[0], ast.Pow(), ast.Constant(2.0))
    return called(f"np.{'abs' if name == 'absolute' else name}", *operands)


def _given(x: Slot, options: dict[str, Any], by_default: bool = True) -> dict[str, Any]:
    """The options of a reduction of ``x`` that are not the defaults; ``by_default`` all axes are reduced."""
    options = {k: v for k, v in options.items() if v is not None and not (k == "keepdims" and not v)}
    if options.get("where") is True:  # as x.sum() calls np.add.reduce
        del options["where"]
    if isinstance(options.get("axis"), tuple):
        axes, ndim = options["axis"], np.ndim(x.sample)
        if by_default and len(axes) == ndim and "keepdims" not in options:
            del options["axis"]
        elif len(axes) == 1:
            options["axis"] = axes[0]
    return options


def _of_method(name: str, x: Slot, args: tuple[Any, ...], options: dict[str, Any], constant: Constant) -> ast.expr:
    """``x.sum(axis=0)``; of a number ``np.sum(x, axis=0)``."""
    options, ndim, expr = _given(x, options), np.ndim(x.sample), operand(x, constant)
    if name == "transpose":
        order = tuple(int(k) % ndim for k in args[0]) if args and args[0] else tuple(range(ndim))[::-1]
        if order == tuple(range(ndim)):
            return expr
        if ndim == 2:
            return ast.Attribute(expr, "T", ast.Load())
        args = (order,)
    if name == "reshape":
        args = (tuple(map(int, args[0])) if isinstance(args[0], tuple | list) else (int(args[0]),),)
        if ndim and args[0] == np.shape(x.sample):
            return expr
    if name in ("reshape", "transpose") and ndim and args[0]:
        args = args[0]  # x.reshape(2, 3)
    if ndim:
        return method(expr, name, *args, **options)
    return called(f"np.{name}", expr, *args, **options)
