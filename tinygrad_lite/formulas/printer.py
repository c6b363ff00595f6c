"""How expressions are written: as text, as LaTeX, and as Python source.

One walk over the tree knows what binds tighter than what and sets parentheses only where they are needed; a dialect
knows the signs. A Value's name is free text: what is no plain name is quoted in text, escaped in LaTeX, and never
reaches Python source, where each symbol has an identifier of its own.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..core.shapes import Index
from ..core.value import Value
from ..errors import ArgumentError
from .expressions import Symbol

__all__ = ["Writer", "element_text", "number_text", "quoted"]


CHOICE, SUM, PRODUCT, POWER, ATOM = range(5)
"""How tightly the pieces of an expression bind."""

_PLAIN_NAME = re.compile(r"[^\W\d][\w.@]*(\(\w+\))?(\[\d+(,\d+)*\])?(@\d+)?")
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_COMPARED = {ast.Gt: ">", ast.GtE: "≥", ast.Lt: "<", ast.LtE: "≤", ast.Eq: "="}


def quoted(name: str) -> str:
    r"""A name as it can stand in an expression: as it is where it is plain, else in quotes, with escapes.

    >>> quoted("n20@3"), quoted("w2[0,1]"), quoted("a - b"), quoted("a\nb")
    ('n20@3', 'w2[0,1]', "'a - b'", "'a\\nb'")
    """
    return name if _PLAIN_NAME.fullmatch(name) else repr(name)


def element_text(value: Value, index: Index | None) -> str | None:
    """One element of a Value as text, ``w2[0,1]``; ``None`` where the Value has no name."""
    if value.name is None:
        return None
    return quoted(value.name) + (f"[{','.join(map(str, index))}]" if index else "")


def number_text(x: float) -> str:
    """Four significant digits, whole numbers up to 10⁶ in full.

    >>> number_text(0.123456), number_text(-0.0), number_text(12345.0)
    ('0.1235', '0', '12345')
    """
    return f"{x + 0.0:.0f}" if abs(x) < 1e6 and x == round(x) else f"{x:.4g}"


# ---- the walk -------------------------------------------------------------------------------------------------------


class Writer:
    """What all dialects share: precedence. ``write(expression)`` is the text."""

    def write(self, e: ast.expr) -> str:
        """The text of an expression."""
        return self._written(e)[0]

    def within(self, e: ast.expr, at_least: int) -> str:
        """The text of a part, in parentheses if it binds less tightly than it has to."""
        text, binding = self._written(e)
        return text if binding >= at_least else self.bracketed(text)

    def _written(self, e: ast.expr) -> tuple[str, int]:
        match e:
            case Symbol():
                return self.symbol(e)
            case ast.Name(id=name):
                return name, ATOM
            case ast.Constant(value=value):
                text = self.number(float(value))  # type: ignore[arg-type]  # numbers only
                return text, SUM if text.startswith("-") else ATOM
            case ast.UnaryOp(operand=operand):
                return f"-{self.within(operand, PRODUCT)}", SUM
            case ast.BinOp(op=ast.Add() | ast.Sub()):
                return self._sum(e), SUM
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                factors = [right]
                while isinstance(left, ast.BinOp) and isinstance(left.op, ast.Mult):
                    factors.append(left.right)
                    left = left.left
                return self.times([left, *reversed(factors)]), PRODUCT
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return self.over(left, right)
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                return self.power(left, right)
            case ast.Compare(left=left, ops=[comparison], comparators=[right]):
                return f"{self.within(left, SUM)} {self.compared(comparison)} {self.within(right, SUM)}", CHOICE
            case ast.Call(func=ast.Name(id="where"), args=[condition, yes, no]):
                return self.choice(condition, yes, no)
            case ast.Call(func=ast.Name(id=name), args=[whole], keywords=[_, *_] as options):
                return self.call_of_whole(name, whole, {str(o.arg): o.value.value for o in options})  # type: ignore[attr-defined]
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return self.call(name, arguments)
        raise ArgumentError(f"writing: takes expressions of the table's language, got {ast.dump(e)}; see expressions")

    def _sum(self, e: ast.expr) -> str:
        terms: list[tuple[str, ast.expr]] = []
        while isinstance(e, ast.BinOp) and isinstance(e.op, ast.Add | ast.Sub):  # a long sum is as deep as it is long
            terms.append((" + " if isinstance(e.op, ast.Add) else " - ", e.right))
            e = e.left
        rest = (sign + self.within(term, SUM if sign == " + " else PRODUCT) for sign, term in reversed(terms))
        return self.within(e, SUM) + "".join(rest)

    # ---- what a dialect says

    def symbol(self, e: Symbol) -> tuple[str, int]:
        """A variable."""
        raise NotImplementedError

    def number(self, x: float) -> str:
        """A number."""
        return number_text(x)

    def bracketed(self, text: str) -> str:
        """In parentheses."""
        return f"({text})"

    def times(self, factors: Sequence[ast.expr]) -> str:
        """A product."""
        raise NotImplementedError

    def over(self, above: ast.expr, below: ast.expr) -> tuple[str, int]:
        """A quotient."""
        return f"{self.within(above, PRODUCT)}/{self.within(below, POWER)}", PRODUCT

    def power(self, base: ast.expr, exponent: ast.expr) -> tuple[str, int]:
        """A power."""
        raise NotImplementedError

    def compared(self, comparison: ast.cmpop) -> str:
        """The sign of a comparison."""
        return _COMPARED[type(comparison)]

    def choice(self, condition: ast.expr, yes: ast.expr, no: ast.expr) -> tuple[str, int]:
        """What ``where`` is called."""
        return f"{self.within(yes, SUM)} if {self.within(condition, CHOICE)} else {self.within(no, SUM)}", CHOICE

    def call(self, name: str, arguments: Sequence[ast.expr]) -> tuple[str, int]:
        """A function of one argument, or of many elements."""
        raise NotImplementedError

    def call_of_whole(self, name: str, whole: ast.expr, options: Mapping[str, Any]) -> tuple[str, int]:
        """A function of a whole array along some axes; to people another shape is no other array."""
        return self._written(whole) if name == "reshape" else self.call(name, [whole])
