"""The printer of expressions, in the dialects ``text``, ``latex`` and ``python``.

``Writer`` walks the tree, knows the precedence of the operators, and sets parentheses only where they are needed; a
dialect adds the notation. The name of a Value is free text: plain text quotes it unless it is a plain name, LaTeX
escapes it, and Python source never contains it, since each symbol gets an identifier there.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import Any

from ..core.shapes import Index
from ..core.value import Value
from ..errors import ArgumentError
from .symbols import Symbol

__all__ = ["Writer", "element_text", "number_text", "quoted"]


CHOICE, COMPARISON, SUM, MATMUL, PRODUCT, POWER, ATOM = range(7)
"""Precedence, from loose to tight. Python gives ``@`` and ``*`` the same one; a printed ``@`` within a product has
parentheses.
"""

_PLAIN_NAME = re.compile(r"[^\W\d][\w.@]*(\(\w+\))?(\[\d+(,\d+)*\])?(@\d+)?")
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
    """What the dialects share: the walk, and the precedence. ``write(expression)`` returns the text."""

    addend = SUM
    """The precedence that a term behind a plus sign needs: people leave out the parentheses of ``a + (b + c)``."""

    def write(self, e: ast.expr) -> str:
        """The text of an expression."""
        return self._written(e)[0]

    def within(self, e: ast.expr, at_least: int) -> str:
        """The text of a part, in parentheses if its precedence is lower than ``at_least``."""
        text, level = self._written(e)
        return text if level >= at_least else self.bracketed(text)

    def _written(self, e: ast.expr) -> tuple[str, int]:
        """The text of an expression, and its precedence."""
        match e:
            case Symbol():
                return self.symbol(e)
            case ast.Name(id=name):
                return name, ATOM
            case ast.Constant(value=value):
                text = self.constant(value)
                return text, SUM if text.startswith("-") else ATOM
            case ast.UnaryOp(operand=operand):
                return self.negative(operand)
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
                return f"{self.within(left, SUM)} {self.compared(comparison)} {self.within(right, SUM)}", COMPARISON
            case ast.Call(func=ast.Name(id="where"), args=[condition, yes, no]):
                return self.choice(condition, yes, no)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=options):
                return self.call(name, arguments, options)
        raise ArgumentError(f"writing: takes expressions of the table's language, got {ast.dump(e)}; see expressions")

    def _sum(self, e: ast.expr) -> str:
        terms: list[str] = []
        while isinstance(e, ast.BinOp) and isinstance(e.op, ast.Add | ast.Sub):  # a long sum is as deep as it is long
            plus = isinstance(e.op, ast.Add)
            terms.append((" + " if plus else " - ") + self.within(e.right, self.addend if plus else MATMUL))
            e = e.left
        return self.within(e, SUM) + "".join(reversed(terms))

    # ---- the notation of a dialect

    def symbol(self, e: Symbol) -> tuple[str, int]:
        """A variable."""
        raise NotImplementedError

    def number(self, x: float) -> str:
        """A number."""
        return number_text(x)

    def constant(self, value: Any) -> str:
        """A constant: the table has numbers only."""
        return self.number(float(value))

    def bracketed(self, text: str) -> str:
        """The text in parentheses."""
        return f"({text})"

    def negative(self, operand: ast.expr) -> tuple[str, int]:
        """A minus sign and its operand."""
        return f"-{self.within(operand, PRODUCT)}", SUM

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
        """``where(condition, yes, no)``."""
        return f"{self.within(yes, SUM)} if {self.within(condition, CHOICE)} else {self.within(no, SUM)}", CHOICE

    def call(self, name: str, arguments: Sequence[ast.expr], options: Sequence[ast.keyword]) -> tuple[str, int]:
        """A function of numbers, of listed elements, or, with ``options``, of a whole array along some axes."""
        if name == "reshape" and options:  # to people an array in another shape is the same array
            return self._written(arguments[0])
        return self.function(name, arguments)

    def function(self, name: str, arguments: Sequence[ast.expr]) -> tuple[str, int]:
        """A function applied."""
        raise NotImplementedError
