"""Expressions printed as Python source: for ``eval``, or as lines of a program on arrays or on floats.

Besides the language of the table of derivatives it prints the trees that ``code`` builds.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..core.elementwise_derivatives import TABLE
from ..core.numerics import ARRAY_FUNCTIONS, FLOAT_FUNCTIONS
from ..core.table_source import mask
from .code import name_of, quoted_string
from .expressions import PRIME, built, number
from .printer import ATOM, CHOICE, COMPARISON, MATMUL, POWER, PRODUCT, SUM, Writer
from .symbols import Block, Symbol

__all__ = ["MATH", "NUMPY", "Python", "Source"]


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
"""The table's functions on floats; a program defines ``sigmoid``, ``sign`` and the others itself."""

NUMPY = {name: f"np.{name}" for name in ARRAY_FUNCTIONS if hasattr(np, name)}
"""The table's functions on arrays; a program defines ``sigmoid``, ``erf`` and ``erfc`` itself."""

_COMPARED = {ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=", ast.Eq: "==", ast.NotEq: "!="}
_OF_ELEMENTS = {name: f"np.{name}" for name in ("max", "min", "sum", "mean")} | {
    "logsumexp": "np.logaddexp.reduce",
    "norm": "np.linalg.norm",
}


class Python(Writer):
    """One expression for ``eval``, which calls ``np`` and ``math`` only. ``name`` gives each symbol its source.

    >>> from tinygrad_lite import Value
    >>> from tinygrad_lite.formulas.expressions import built
    >>> from tinygrad_lite.formulas.symbols import Symbol
    >>> x = Value(2.0, name="__import__('os')")
    >>> Python(lambda e: "x").write(built("sigmoid(-x) / x", {"x": Symbol(x)}))
    '1 / (1 + np.exp(x)) / x'
    """

    def __init__(self, name: Callable[[Symbol], str]) -> None:
        self.name = name

    def _written(self, e: ast.expr) -> tuple[str, int]:
        match e:
            case ast.BinOp(left=left, op=ast.MatMult(), right=right):
                return f"{self.within(left, POWER)} @ {self.within(right, POWER)}", MATMUL
            case ast.Call(func=ast.Attribute() as function, args=arguments, keywords=options):
                return self.called(self.write(function), arguments, options)
            case ast.Attribute(value=value, attr=attribute):
                return f"{self.within(value, ATOM)}.{attribute}", ATOM
            case ast.Subscript(value=value, slice=ast.Tuple(elts=[_, *_] as keys)):
                lone = "," if len(keys) == 1 else ""
                return f"{self.within(value, ATOM)}[{self._listed(keys)}{lone}]", ATOM
            case ast.Subscript(value=value, slice=key):
                return f"{self.within(value, ATOM)}[{self.write(key)}]", ATOM
            case ast.Tuple(elts=elements):
                return f"({self._listed(elements)}{',' if len(elements) == 1 else ''})", ATOM
            case ast.List(elts=elements):
                return f"[{self._listed(elements)}]", ATOM
            case ast.Slice(lower=lower, upper=upper, step=step):
                text = f"{self.write(lower) if lower else ''}:{self.write(upper) if upper else ''}"
                return text + (f":{self.write(step)}" if step else ""), ATOM
        return super()._written(e)

    def _listed(self, items: Iterable[ast.expr]) -> str:
        return ", ".join(map(self.write, items))

    def called(self, function: str, arguments: Iterable[ast.expr], options: Iterable[ast.keyword]) -> tuple[str, int]:
        """``function(arguments, option=value)``."""
        given = [*map(self.write, arguments), *(f"{option.arg}={self.write(option.value)}" for option in options)]
        return f"{function}({', '.join(given)})", ATOM

    def symbol(self, e: Symbol) -> tuple[str, int]:
        return self._written(e.code) if isinstance(e, Block) else (self.name(e), ATOM)

    def number(self, x: float) -> str:
        if not math.isfinite(x):
            return "np.nan" if x != x else "np.inf" if x > 0 else "-np.inf"
        return str(int(x)) if abs(x) < 1e15 and x == int(x) else repr(x)

    def constant(self, value: Any) -> str:
        if isinstance(value, float):
            return self.number(value)
        return quoted_string(value) if isinstance(value, str) else "..." if value is Ellipsis else repr(value)

    def times(self, factors: Sequence[ast.expr]) -> str:
        return " * ".join(self.within(factor, POWER if k else PRODUCT) for k, factor in enumerate(factors))

    def over(self, above: ast.expr, below: ast.expr) -> tuple[str, int]:
        return f"{self.within(above, PRODUCT)} / {self.within(below, POWER)}", PRODUCT

    def power(self, base: ast.expr, exponent: ast.expr) -> tuple[str, int]:
        return f"{self.within(base, ATOM)} ** {self.within(exponent, POWER)}", POWER

    def compared(self, comparison: ast.cmpop) -> str:
        return _COMPARED[type(comparison)]

    def choice(self, condition: ast.expr, yes: ast.expr, no: ast.expr) -> tuple[str, int]:
        return f"np.where({self._listed((condition, yes, no))})", ATOM

    def call(self, name: str, arguments: Sequence[ast.expr], options: Sequence[ast.keyword]) -> tuple[str, int]:
        if name == "exp":
            arguments = [_less_the_largest(arguments[0])]
        if name in _OF_ELEMENTS:
            return self.called(_OF_ELEMENTS[name], arguments if options else [ast.List([*arguments])], options)
        if name in NUMPY or name == "reshape":
            return self.called(f"np.{name}", arguments, options)
        if name == "sigmoid":
            return self._written(built("1 / (1 + exp(-x))", {"x": arguments[0]}))
        if name in ("erf", "erfc"):
            whole = any(isinstance(node, Symbol) and node.index is None for node in ast.walk(arguments[0]))
            return self.called(f"np.vectorize(math.{name})" if whole else f"math.{name}", arguments, ())
        op = name.rstrip(PRIME)
        if op not in TABLE:
            return self.called(name, arguments, options)
        rule = TABLE[op]
        text = rule.written[len(name) - len(op) - 1] if op != name else rule.forward
        return self._written(built(text or "0", dict(zip(rule.operands, arguments, strict=True))))


class Source(Python):
    """Source of a program, as ruff formats it. ``functions`` names the table's functions: ``NUMPY`` or ``MATH``.

    >>> e = ast.parse("(a - t) ** 2 * (x @ w) / n ** 2", mode="eval").body
    >>> Source().write(e)
    '(a - t) ** 2 * (x @ w) / n**2'
    """

    addend = MATMUL

    def __init__(self, functions: Mapping[str, str] | None = None) -> None:
        self.functions = functions or {}
        self.scalar = functions is MATH
        self.truths: set[str] = set()
        """Names that hold truth values, which NumPy does not negate."""

    def number(self, x: float) -> str:
        return super().number(x).replace("np.", "math.") if self.scalar else super().number(x)

    def negative(self, operand: ast.expr) -> tuple[str, int]:
        """``-(x**2) / 2``: a formatter puts the power behind a minus sign in parentheses."""
        first = _first_factor(operand)
        truth = isinstance(first, ast.Compare) or (isinstance(first, ast.Name) and first.id in self.truths)
        if truth and not self.scalar:
            return self._written(ast.BinOp(name_of("-1.0"), ast.Mult(), operand))
        text, power = self.within(operand, PRODUCT), self.write(first)
        if isinstance(first, ast.BinOp) and isinstance(first.op, ast.Pow) and text.startswith(power):
            text = f"({power}){text[len(power) :]}"
        return f"-{text}", SUM

    def times(self, factors: Sequence[ast.expr]) -> str:
        if not self.scalar:  # beside an array a boolean is as good as its 1.0 and 0.0
            first, second, *rest = factors
            second = second if isinstance(first, ast.Constant) else mask(second)
            first = first if isinstance(second, ast.Constant | ast.Compare) else mask(first)
            factors = [first, second, *map(mask, rest)]
        return super().times(factors)

    def power(self, base: ast.expr, exponent: ast.expr) -> tuple[str, int]:
        if isinstance(base, ast.Name) and not self.scalar and (found := _by_products(self.write(base), exponent)):
            return found
        if _is_simple(base) and _is_simple(exponent):
            return f"{self.write(base)}**{self.write(exponent)}", POWER
        return super().power(base, exponent)

    def choice(self, condition: ast.expr, yes: ast.expr, no: ast.expr) -> tuple[str, int]:
        yes, no = _as_float(yes), _as_float(no)
        if self.scalar:
            text = f"{self.within(yes, COMPARISON)} if {self.within(condition, COMPARISON)} else {self.write(no)}"
            return text, CHOICE
        return super().choice(condition, yes, no)

    def call(self, name: str, arguments: Sequence[ast.expr], options: Sequence[ast.keyword]) -> tuple[str, int]:
        return self.called(self.functions.get(name, name), arguments, options)


def _by_products(x: str, exponent: ast.expr) -> tuple[str, int] | None:
    """A power of an array by products and a root, in a tenth of the time; ``None`` for other exponents.

    >>> _by_products("x", ast.Constant(1.5)), _by_products("x", ast.Constant(0.3))
    (('x * np.sqrt(x)', 4), None)
    """
    match exponent:
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=0.5)) | ast.Constant(value=-0.5):
            return f"1 / np.sqrt({x})", PRODUCT
        case ast.Constant(value=0.5):
            return f"np.sqrt({x})", ATOM
        case ast.Constant(value=1.5):
            return f"{x} * np.sqrt({x})", PRODUCT
        case ast.Constant(value=3):
            return f"{x} * {x} * {x}", PRODUCT
    return None


def _less_the_largest(difference: ast.expr) -> ast.expr:
    """``a - logsumexp(b)`` as ``(a - max(b)) - logsumexp(b - max(b))``: no digit is lost where a and b are large."""
    match difference:
        case ast.BinOp(left=left, op=ast.Sub(), right=ast.Call(func=ast.Name(id="reshape"), args=[inner]) as moved):
            within = _less_the_largest(ast.BinOp(number(0.0), ast.Sub(), inner))
            if not isinstance(within, ast.BinOp) or not isinstance(within.left, ast.BinOp):
                return difference
            largest, rest = (ast.Call(moved.func, [e], moved.keywords) for e in (within.left.right, within.right))
        case ast.BinOp(
            left=left, op=ast.Sub(), right=ast.Call(func=ast.Name(id="logsumexp"), args=many, keywords=options)
        ):
            kept = [ast.keyword("keepdims", ast.Constant(True)) if o.arg == "keepdims" else o for o in options]
            largest = ast.Call(name_of("max"), many, options)
            own = ast.Call(name_of("max"), many, kept)
            away: list[ast.expr] = [ast.BinOp(e, ast.Sub(), own) for e in (many if options else [ast.List(many)])]
            rest = ast.Call(name_of(_OF_ELEMENTS["logsumexp"]), away, options)  # of one array
        case _:
            return difference
    return ast.BinOp(ast.BinOp(left, ast.Sub(), largest), ast.Sub(), rest)


def _first_factor(e: ast.expr) -> ast.expr:
    """The first factor of a product, as ``Source`` prints it."""
    while isinstance(e, ast.BinOp) and isinstance(e.op, ast.Mult | ast.Div):
        e = mask(e.left) if isinstance(e.op, ast.Mult) else e.left
    return e


def _is_simple(e: ast.expr) -> bool:
    """Whether ruff puts no spaces around ``**`` beside this operand."""
    match e:
        case ast.Name():
            return True
        case ast.Constant(value=value):
            return isinstance(value, int | float) and math.isfinite(value) and value >= 0
        case ast.Attribute(value=inner):
            return _is_simple(inner) and not isinstance(inner, ast.Constant)
    return False


def _as_float(e: ast.expr) -> ast.expr:
    """A whole number with its point: ``np.where(x > 0, 1, 0)`` would be an array of integers."""
    if isinstance(e, ast.Constant) and isinstance(e.value, float) and e.value.is_integer() and abs(e.value) < 1e15:
        return name_of(repr(e.value))
    return e
