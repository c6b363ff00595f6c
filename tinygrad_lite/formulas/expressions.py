"""Expressions over named Values, combined and simplified: local derivatives before they are numbers.

Sums and products of expressions (``symbols`` says what those are) are simplified as they are made: products are flat,
with one number in front, and nothing is multiplied by 1. ``printer`` prints expressions, for people and for machines.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from ..core.elementwise_derivatives import TABLE
from ..core.numerics import FLOAT_FUNCTIONS
from ..errors import ArgumentError
from .symbols import key

__all__ = [
    "PRIME", "add", "built", "call", "is_number", "negative", "number", "parts", "power", "product", "quotient",
    "ratio", "subtract", "sum_of_multiples", "total",
]  # fmt: skip


PRIME = "′"
"""Marks the derivative of a table op: once after its name for the first operand, twice for the second."""


# ---- numbers --------------------------------------------------------------------------------------------------------


def number(x: float) -> ast.Constant:
    """A number as an expression."""
    return ast.Constant(float(x))


def is_number(e: ast.expr, value: float | None = None) -> bool:
    """Whether an expression is a number, or this number."""
    return isinstance(e, ast.Constant) and (value is None or e.value == value)


def ratio(c: float) -> tuple[float, float]:
    """A positive number as numerator and denominator, as people write it; their quotient is exactly that float.

    >>> ratio(0.25), ratio(2.0), ratio(0.3), ratio(2 / 3), ratio(0.123456)
    ((1.0, 4.0), (2.0, 1.0), (0.3, 1.0), (2.0, 3.0), (0.123456, 1.0))
    """
    if not math.isfinite(c) or c == round(c):
        return c, 1.0
    n = round(1 / c) if c > 1e-6 else 0
    if n and 1 / n == c:
        return 1.0, float(n)
    if float(f"{c:.4g}") == c:
        return c, 1.0
    near = Fraction(c).limit_denominator(1000)
    return (float(near.numerator), float(near.denominator)) if float(near) == c else (c, 1.0)


def _folded(function: Callable[..., Any], *numbers: ast.expr) -> ast.Constant:
    """A function of numbers, computed as NumPy would where Python raises."""
    values = [n.value for n in numbers]  # type: ignore[attr-defined]
    try:
        found = function(*values)
        if isinstance(found, int | float):
            return number(found)
    except (ArithmeticError, ValueError):
        pass
    with np.errstate(all="ignore"):
        try:
            return number(float(function(*map(np.float64, values))))
        except (ArithmeticError, ValueError, TypeError):
            return number(math.nan)


# ---- sums -----------------------------------------------------------------------------------------------------------


def add(a: ast.expr, b: ast.expr) -> ast.expr:
    """The sum of two."""
    if is_number(a) and is_number(b):
        return _folded(operator.add, a, b)
    if is_number(a, 0.0):
        return b
    if is_number(b, 0.0):
        return a
    minus = _without_minus(b)
    if minus is not None:
        return subtract(a, minus)
    minus = _without_minus(a)
    if minus is not None:
        return subtract(b, minus)
    return ast.BinOp(a, ast.Add(), b)


def subtract(a: ast.expr, b: ast.expr) -> ast.expr:
    """The difference of two."""
    if is_number(a) and is_number(b):
        return _folded(operator.sub, a, b)
    if is_number(a, 0.0):
        return negative(b)
    if is_number(b, 0.0):
        return a
    minus = _without_minus(b)
    return ast.BinOp(a, ast.Sub(), b) if minus is None else add(a, minus)


def total(terms: Iterable[ast.expr]) -> ast.expr:
    """The sum of any number of terms."""
    found: ast.expr = number(0.0)
    for term in terms:
        found = add(found, term)
    return found


def sum_of_multiples(terms: Iterable[ast.expr]) -> ast.expr:
    """The sum, with the number that all terms have in front behind a bracket.

    >>> ast.unparse(sum_of_multiples(ast.parse(e, mode="eval").body for e in ("x / 4", "-y / 4")))
    '(x - y) / 4.0'
    """
    terms = list(terms)
    sizes = {abs(parts(term)[0]) for term in terms}
    if len(sizes) > 1 or sizes & {0.0, math.inf}:
        return total(terms)
    (size,) = sizes
    return product(total(quotient(term, number(size)) for term in terms), number(size))


def _without_minus(e: ast.expr) -> ast.expr | None:
    if isinstance(e, ast.UnaryOp):
        return e.operand
    if isinstance(e, ast.Constant) and e.value < 0:  # type: ignore[operator]  # numbers only
        return number(-float(e.value))  # type: ignore[arg-type]
    return None


# ---- products -------------------------------------------------------------------------------------------------------


def parts(e: ast.expr) -> tuple[float, list[ast.expr], list[ast.expr]]:
    """The parts of a product: the number in front, the factors, and the factors of the denominator."""
    match e:
        case ast.Constant(value=value):
            return float(value), [], []  # type: ignore[arg-type]
        case ast.UnaryOp(operand=operand):
            c, above, below = parts(operand)
            return -c, above, below
        case ast.BinOp(left=left, op=ast.Mult() | ast.Div() as op, right=right):
            c, above, below = parts(left)
            d, more, under = parts(right)
            if isinstance(op, ast.Mult):
                return c * d, above + more, below + under
            return _folded(operator.truediv, number(c), number(d)).value, above + under, below + more  # type: ignore[return-value]
    return 1.0, [e], []


def product(*factors: ast.expr) -> ast.expr:
    """The product of any number of factors, numbers multiplied together."""
    c = 1.0
    above: list[ast.expr] = []
    below: list[ast.expr] = []
    for factor in factors:
        d, more, under = parts(factor)
        c, above, below = c * d, above + more, below + under
    return _joined(c, above, below)


def quotient(a: ast.expr, b: ast.expr) -> ast.expr:
    """The quotient of two."""
    return _joined(*parts(ast.BinOp(a, ast.Div(), b)))


def negative(a: ast.expr) -> ast.expr:
    """The other sign."""
    c, above, below = parts(a)
    return _joined(-c, above, below)


def _joined(c: float, above: list[ast.expr], below: list[ast.expr]) -> ast.expr:
    if not (above or below) or c == 0 or c != c:
        return number(c + 0.0)
    above, below = _powers(above), _powers(below)
    minus = c < 0
    if minus and len(above) == 1 and isinstance(above[0], ast.BinOp) and isinstance(above[0].op, ast.Sub):
        above, minus = [ast.BinOp(above[0].right, ast.Sub(), above[0].left)], False
    p, q = ratio(abs(c))
    if p != 1.0 or not above:
        above = [number(p), *above]
    if q != 1.0:
        below = [number(q), *below]
    found = _multiplied(above)
    if below:
        found = ast.BinOp(found, ast.Div(), _multiplied(below))
    return ast.UnaryOp(ast.USub(), found) if minus else found


def _multiplied(factors: list[ast.expr]) -> ast.expr:
    found = factors[0]
    for factor in factors[1:]:
        found = ast.BinOp(found, ast.Mult(), factor)
    return found


def _powers(factors: list[ast.expr]) -> list[ast.expr]:
    """Equal factors as one power."""
    if len(factors) < 2:
        return factors
    exponents: dict[str, tuple[ast.expr, float]] = {}
    for factor in factors:
        base, n = factor, 1.0
        match factor:
            case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=float(exponent))):
                base, n = left, exponent
        exponents[key(base)] = base, exponents.get(key(base), (base, 0.0))[1] + n
    return [base if n == 1.0 else ast.BinOp(base, ast.Pow(), number(n)) for base, n in exponents.values()]


def power(a: ast.expr, b: ast.expr) -> ast.expr:
    """``a`` to the power of ``b``."""
    if is_number(a) and is_number(b):
        return _folded(operator.pow, a, b)
    if isinstance(b, ast.Constant):
        n = float(b.value)  # type: ignore[arg-type]
        if n == 0.0:
            return number(1.0)
        if n == 1.0:
            return a
        if n < 0.0 and n == round(n):
            return quotient(number(1.0), power(a, number(-n)))
    return ast.BinOp(a, ast.Pow(), b)


# ---- calls, and the table's text ------------------------------------------------------------------------------------


def call(name: str, *arguments: ast.expr) -> ast.expr:
    """A function of the table, or one of several elements (``logsumexp``), applied."""
    if name == "where":
        condition, yes, no = arguments
        if isinstance(condition, ast.Constant):
            return yes if condition.value else no
        if key(yes) == key(no):
            return yes
    elif all(map(is_number, arguments)) and arguments:
        if name in FLOAT_FUNCTIONS:
            return _folded(FLOAT_FUNCTIONS[name], *arguments)
        if name in TABLE:
            return built(TABLE[name].forward, dict(zip(TABLE[name].operands, arguments, strict=True)))
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
}


def _compared(a: ast.expr, comparison: ast.cmpop, b: ast.expr) -> ast.expr:
    compare = _COMPARISONS[type(comparison)]
    if isinstance(b, ast.Constant) and (isinstance(a, ast.Constant) or math.isinf(b.value)):  # type: ignore[arg-type]
        left = a.value if isinstance(a, ast.Constant) else 0.0  # any finite number
        return number(compare(left, b.value))
    return ast.Compare(a, [comparison], [b])


BINARY: dict[type[ast.operator], Callable[[ast.expr, ast.expr], ast.expr]] = {
    ast.Add: add,
    ast.Sub: subtract,
    ast.Mult: product,
    ast.Div: quotient,
    ast.Pow: power,
}
"""The function that combines two expressions, by the operator between them."""


def built(expression: str | ast.expr, operands: Mapping[str, ast.expr]) -> ast.expr:
    """An expression of the table with its operands replaced by other expressions.

    >>> ast.unparse(built("y * x ** (y - 1)", {"x": ast.Name("z"), "y": number(2)}))
    '2.0 * z'
    """
    if isinstance(expression, str):
        expression = ast.parse(expression, mode="eval").body
    match expression:
        case ast.Name(id=letter):
            return operands[letter]
        case ast.Constant(value=value):
            return number(value)  # type: ignore[arg-type]  # the table holds numbers only
        case ast.UnaryOp(operand=inner):  # the table's only unary operator is the minus sign
            return negative(built(inner, operands))
        case ast.BinOp(left=left, op=op, right=right):
            return BINARY[type(op)](built(left, operands), built(right, operands))
        case ast.Compare(left=left, ops=[comparison], comparators=[right]):
            return _compared(built(left, operands), comparison, built(right, operands))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return call(name, *(built(argument, operands) for argument in arguments))
    raise ArgumentError(
        f"derivatives: the table is written in names, numbers, + - * / **, comparisons and calls, got "
        f"{ast.unparse(expression)!r}; put it in those"
    )
