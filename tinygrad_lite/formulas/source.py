"""Python source of expressions, set as a formatter sets it, and constants as source.

The expressions are ``ast`` trees in the language of the table of derivatives, extended by what NumPy code needs:
methods, subscripts, ``@``. Calls of the table's functions (``exp``, ``where``) become those of ``math`` or of NumPy.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.numerics import ARRAY_FUNCTIONS, FLOAT_FUNCTIONS

__all__ = ["Source", "called", "literal", "method", "name_of", "quoted_string", "subscript"]


CHOICE, COMPARED, SUM, MATMUL, PRODUCT, UNARY, POWER, ATOM = range(8)
"""How tightly the pieces bind; a matrix product within a product is put in parentheses."""

_BINARY: dict[type[ast.operator], tuple[str, int, int, int]] = {
    ast.Add: ("+", SUM, SUM, MATMUL),
    ast.Sub: ("-", SUM, SUM, MATMUL),
    ast.Mult: ("*", PRODUCT, PRODUCT, UNARY),
    ast.Div: ("/", PRODUCT, PRODUCT, UNARY),
    ast.MatMult: ("@", MATMUL, UNARY, UNARY),
    ast.Pow: ("**", POWER, ATOM, UNARY),
}
"""The sign, how tightly it binds, and how tightly its two operands have to."""
_COMPARED: dict[type[ast.cmpop], str] = {
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}

MATH = {name: f"math.{name}" for name in FLOAT_FUNCTIONS if hasattr(math, name)} | {
    "abs": "abs",
    "arccos": "math.acos",
    "arccosh": "math.acosh",
    "arcsin": "math.asin",
    "arcsinh": "math.asinh",
    "arctan": "math.atan",
    "arctan2": "math.atan2",
    "arctanh": "math.atanh",
    "maximum": "max",
    "minimum": "min",
}
"""The table's functions on floats; ``sigmoid``, ``sign`` and others are defined where they are used."""

NUMPY = {name: f"np.{name}" for name in ARRAY_FUNCTIONS if hasattr(np, name)}
"""The same on arrays; ``sigmoid``, ``erf`` and ``erfc`` are defined where they are used."""


# ---- putting expressions together ------------------------------------------------------------------------------------


def name_of(text: str) -> ast.Name:
    """A variable."""
    return ast.Name(text, ast.Load())


def called(function: str, *arguments: Any, **keywords: Any) -> ast.Call:
    """``function(arguments, key=value)``: expressions, or constants of any kind.

    >>> Source().write(called("np.pad", name_of("x"), (1, 2), mode="edge"))
    'np.pad(x, (1, 2), mode="edge")'
    """
    return ast.Call(
        name_of(function),
        [literal(argument) for argument in arguments],
        [ast.keyword(key, literal(value)) for key, value in keywords.items()],
    )


def method(x: ast.expr, name: str, *arguments: Any, **keywords: Any) -> ast.Call:
    """``x.name(arguments, key=value)``.

    >>> Source().write(method(name_of("x"), "sum", axis=0))
    'x.sum(axis=0)'
    """
    call = called(name, *arguments, **keywords)
    return ast.Call(ast.Attribute(x, name, ast.Load()), call.args, call.keywords)


def subscript(x: ast.expr, key: Any) -> ast.Subscript:
    """``x[key]``, of a key as NumPy takes it, arrays included.

    >>> Source().write(subscript(name_of("x"), (..., slice(1, None), None, -1)))
    'x[..., 1:, None, -1]'
    """
    return ast.Subscript(x, literal(key), ast.Load())


def literal(x: Any) -> ast.expr:
    """A constant as an expression: numbers, text, tuples, slices, arrays; an expression stays as it is.

    >>> Source().write(literal(np.array([[0, 2]]))), Source().write(literal(np.arange(5)))
    ('np.array([[0, 2]])', 'np.arange(5)')
    """
    if isinstance(x, ast.expr):
        return x
    if isinstance(x, tuple | list):
        items = [literal(item) for item in x]
        return ast.Tuple(items, ast.Load()) if isinstance(x, tuple) else ast.List(items, ast.Load())
    if isinstance(x, slice):
        parts = (None if part is None else literal(part) for part in (x.start, x.stop, x.step))
        return ast.Slice(*parts)
    if isinstance(x, np.ndarray) and x.ndim:
        if x.size > 1 and x.dtype.kind == "i" and np.array_equal(x, np.arange(x.size)):
            return called("np.arange", x.size)
        if x.size > 1 and x.dtype.kind == "f" and np.all(x == x.flat[0]):
            one = x.flat[0] == 1.0
            return called("np.ones", x.shape) if one else called("np.full", x.shape, float(x.flat[0]))
        if not x.size:
            empty = ast.Attribute(name_of("np"), x.dtype.name if x.dtype.kind != "b" else "bool_", ast.Load())
            return ast.Call(name_of("np.zeros"), [literal(x.shape)], [ast.keyword("dtype", empty)])
        return called("np.array", x.tolist())
    if isinstance(x, np.ndarray | np.generic):
        x = x.item()
    if isinstance(x, np.dtype | type):
        return ast.Attribute(name_of("np"), np.dtype(x).name, ast.Load())
    return ast.Constant(x)


def quoted_string(text: str) -> str:
    r"""A string as source, in double quotes where that takes no more escapes; printable characters stay.

    >>> quoted_string("w2[0,1]"), quoted_string('say "x"'), quoted_string("a\n\u2028")
    ('"w2[0,1]"', '\'say "x"\'', '"a\\n\\u2028"')
    """
    shown = repr(text)
    if shown.startswith("'"):
        inner = shown[1:-1]
        if '"' not in text:
            return f'"{inner}"'
        if text.count('"') <= text.count("'"):  # both kinds: repr escaped the single ones
            return '"' + inner.replace("\\'", "'").replace('"', '\\"') + '"'
    return shown


# ---- the writer ------------------------------------------------------------------------------------------------------


class Source:
    """Writes expressions. ``functions`` says what the table's functions are called here.

    >>> e = ast.parse("(a - t) ** 2 * (x @ w) / n ** 2", mode="eval").body
    >>> Source().write(e)
    '(a - t) ** 2 * (x @ w) / n**2'
    """

    def __init__(self, functions: dict[str, str] | None = None) -> None:
        self.functions = functions or {}
        self.scalar = functions is MATH

    def write(self, e: ast.expr) -> str:
        """The text of an expression."""
        return self._written(e)[0]

    def _within(self, e: ast.expr, at_least: int) -> str:
        text, binding = self._written(e)
        return text if binding >= at_least else f"({text})"

    def _written(self, e: ast.expr) -> tuple[str, int]:
        match e:
            case ast.Name(id=name):
                return name, ATOM
            case ast.Constant(value=value):
                text = self._constant(value)
                return text, SUM if text.startswith("-") else ATOM
            case ast.UnaryOp(operand=operand) if not self.scalar and isinstance(_first(operand), ast.Compare):
                return self._written(ast.BinOp(name_of("-1.0"), ast.Mult(), operand))  # NumPy negates no booleans
            case ast.UnaryOp(operand=operand):
                return f"-{self._negated(operand)}", SUM
            case ast.BinOp(left=left, op=ast.Add() | ast.Sub()):
                return self._sum(e), SUM
            case ast.BinOp(left=left, op=op, right=right):
                return self._binary(left, op, right)
            case ast.Compare(left=left, ops=[comparison], comparators=[right]):
                sign = _COMPARED[type(comparison)]
                return f"{self._within(left, SUM)} {sign} {self._within(right, SUM)}", COMPARED
            case ast.Call(func=ast.Name(id="where"), args=[condition, yes, no]):
                return self._choice(condition, _as_float(yes), _as_float(no))
            case ast.Call(func=function, args=arguments, keywords=keywords):
                listed = [self.write(argument) for argument in arguments]
                listed += [f"{k.arg}={self.write(k.value)}" for k in keywords]
                called = self._within(function, ATOM)
                return f"{self.functions.get(called, called)}({', '.join(listed)})", ATOM
            case ast.Attribute(value=value, attr=attribute):
                return f"{self._within(value, ATOM)}.{attribute}", ATOM
            case ast.Subscript(value=value, slice=key):
                inner = self.write(key)
                if isinstance(key, ast.Tuple) and key.elts:
                    inner = inner[1:-1]
                return f"{self._within(value, ATOM)}[{inner}]", ATOM
            case ast.Tuple(elts=elements):
                listed = [self.write(element) for element in elements]
                return f"({', '.join(listed)}{',' if len(listed) == 1 else ''})", ATOM
            case ast.List(elts=elements):
                return f"[{', '.join(self.write(element) for element in elements)}]", ATOM
            case ast.Slice(lower=lower, upper=upper, step=step):
                text = f"{self.write(lower) if lower else ''}:{self.write(upper) if upper else ''}"
                return text + (f":{self.write(step)}" if step else ""), ATOM
        raise NotImplementedError(f"no way to write {ast.dump(e)}")

    def _negated(self, operand: ast.expr) -> str:
        """``(x**2) / 2``: a formatter puts the power after a minus sign in parentheses."""
        text, first = self._within(operand, PRODUCT), _first(operand)
        power = self.write(first)
        if isinstance(first, ast.BinOp) and isinstance(first.op, ast.Pow) and text.startswith(power):
            return f"({power}){text[len(power) :]}"
        return text

    def _sum(self, e: ast.expr) -> str:
        terms: list[str] = []
        while isinstance(e, ast.BinOp) and isinstance(e.op, ast.Add | ast.Sub):  # a long sum is as deep as it is long
            sign, _, _, right = _BINARY[type(e.op)]
            terms.append(f" {sign} {self._within(e.right, right)}")
            e = e.left
        return self._within(e, SUM) + "".join(reversed(terms))

    def _binary(self, left: ast.expr, op: ast.operator, right: ast.expr) -> tuple[str, int]:
        sign, level, at_left, at_right = _BINARY[type(op)]
        if isinstance(op, ast.Mult) and not self.scalar:  # beside an array a boolean is as good as its 1.0 and 0.0
            right = right if isinstance(left, ast.Constant) else _mask(right)
            left = left if isinstance(right, ast.Constant | ast.Compare) else _mask(left)
        if isinstance(op, ast.Pow):
            joint = "**" if _is_simple(left) and _is_simple(right) else " ** "
            return f"{self._within(left, at_left)}{joint}{self._within(right, at_right)}", level
        return f"{self._within(left, at_left)} {sign} {self._within(right, at_right)}", level

    def _choice(self, condition: ast.expr, yes: ast.expr, no: ast.expr) -> tuple[str, int]:
        if self.scalar:
            text = f"{self._within(yes, COMPARED)} if {self._within(condition, COMPARED)} else {self.write(no)}"
            return text, CHOICE
        return f"np.where({', '.join(map(self.write, (condition, yes, no)))})", ATOM

    def _constant(self, value: Any) -> str:
        if isinstance(value, str):
            return quoted_string(value)
        if value is Ellipsis:
            return "..."
        if isinstance(value, float):
            if not math.isfinite(value):
                module = "math" if self.scalar else "np"
                return f"{module}.nan" if value != value else f"{module}.inf" if value > 0 else f"-{module}.inf"
            return str(int(value)) if abs(value) < 1e15 and value == int(value) else repr(value)
        return repr(value)


def _first(e: ast.expr) -> ast.expr:
    """The first factor of a product, as it is written."""
    while isinstance(e, ast.BinOp) and isinstance(e.op, ast.Mult | ast.Div):
        e = _mask(e.left) if isinstance(e.op, ast.Mult) else e.left
    return e


def _is_simple(e: ast.expr) -> bool:
    """Whether a formatter sets ``**`` close to it."""
    match e:
        case ast.Name():
            return True
        case ast.Constant(value=value):
            return isinstance(value, int | float) and math.isfinite(value) and value >= 0
        case ast.Attribute(value=inner):
            return _is_simple(inner) and not isinstance(inner, ast.Constant)
    return False


def _mask(e: ast.expr) -> ast.expr:
    """The condition alone of ``where(condition, 1, 0)``."""
    match e:
        case ast.Call(func=ast.Name(id="where"), args=[condition, ast.Constant(value=1.0), ast.Constant(value=0.0)]):
            return condition
    return e


def _as_float(e: ast.expr) -> ast.expr:
    if isinstance(e, ast.Constant) and isinstance(e.value, float) and e.value.is_integer() and abs(e.value) < 1e15:
        return name_of(f"{e.value!r}")
    return e


def walk(e: ast.expr, change: Callable[[ast.expr], ast.expr | None]) -> ast.expr:
    """The expression with what ``change`` answers in the places of parts of it, outermost first."""
    found = change(e)
    if found is not None:
        return found
    changed: dict[str, Any] = {}
    for field, part in ast.iter_fields(e):
        if isinstance(part, ast.expr):
            changed[field] = walk(part, change)
        elif isinstance(part, list) and part and isinstance(part[0], ast.expr):
            changed[field] = [walk(item, change) for item in part]
        elif isinstance(part, list) and part and isinstance(part[0], ast.keyword):
            changed[field] = [ast.keyword(item.arg, walk(item.value, change)) for item in part]
    if not changed:
        return e
    return type(e)(**{field: changed.get(field, part) for field, part in ast.iter_fields(e)})


def names_in(expressions: Sequence[ast.expr]) -> list[str]:
    """The variables of expressions, as often as they occur."""
    return [
        node.id
        for e in expressions
        for node in ast.walk(e)
        if isinstance(node, ast.Name)
    ]  # fmt: skip
