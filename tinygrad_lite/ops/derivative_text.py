"""Local derivatives that a user writes as text, checked before they are compiled as a line of the table."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from ..core.elementwise_derivatives import REAL, TABLE, Rule
from ..core.numerics import FLOAT_FUNCTIONS
from ..errors import ArgumentError, UnknownNameError

__all__ = ["check_expression", "line_of"]

_ARITY = {name: len(TABLE[name].operands) if name in TABLE else 1 for name in FLOAT_FUNCTIONS if name != "__builtins__"}
_ARITY |= {"maximum": 2, "minimum": 2, "where": 3}
"""How many arguments the functions take that an expression may call."""
_COMPARISONS = ast.Gt | ast.GtE | ast.Lt | ast.LtE | ast.Eq


def line_of(name: str, sign: str, operands: tuple[str, ...], derivatives: str | Sequence[str | None]) -> Rule:
    """A user's op as a line of the table. Its value is a call of the op; its derivatives are checked.

    Raises ``ArgumentError`` for a wrong number of derivatives, or an operand whose name expressions use otherwise.
    """
    given = (derivatives,) if isinstance(derivatives, str) else tuple(derivatives)
    if len(given) != len(operands):
        raise ArgumentError(
            f"primitive: {name} has the operands {operands}, but {len(given)} derivatives; give one for each, None "
            "where there is none"
        )
    for operand in operands:
        if operand == "out" or operand in _ARITY:
            raise ArgumentError(
                f"primitive: {name} has an operand named {operand!r}, which means something else in expressions; "
                "rename it"
            )
    for expression in given:
        if expression is not None:
            check_expression(name, expression, operands)
    value = f"{name}({', '.join(operands)})"
    return Rule(name, operands, value, given, sign, (REAL,) * len(operands), given)


def check_expression(name: str, text: str, operands: tuple[str, ...]) -> None:
    """Refuse syntax that the table does not use: an expression is arithmetic, and it is compiled.

    Raises ``ArgumentError`` for other syntax, ``UnknownNameError`` for an unknown name.
    """
    if not isinstance(text, str):
        raise ArgumentError(f"primitive: a derivative of {name} is an expression in a string, or None, got {text!r}")

    def refuse(why: str) -> ArgumentError:
        return ArgumentError(
            f"primitive: the derivative {text!r} of {name} {why}; an expression is made of numbers, "
            f"{', '.join(operands)}, out, + - * / **, where(x > y, …, …) and functions of the table"
        )

    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise refuse("cannot be read") from None
    stack: list[ast.expr] = [tree]
    while stack:
        node = stack.pop()
        match node:
            case ast.Constant(value=number) if type(number) in (int, float):
                pass
            case ast.Name(id=letter):
                if letter not in operands and letter != "out":
                    raise UnknownNameError(str(refuse(f"reads {letter!r}, which is unknown")))
            case ast.UnaryOp(op=ast.USub()):
                stack.append(node.operand)
            case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div() | ast.Pow()):
                stack += [node.left, node.right]
            case ast.Call(func=ast.Name(id=called), keywords=[]):
                if called not in _ARITY:
                    raise UnknownNameError(str(refuse(f"calls {called!r}, which is unknown")))
                if len(node.args) != _ARITY[called]:
                    raise refuse(f"calls {called!r} with {len(node.args)} arguments, it takes {_ARITY[called]}")
                stack += node.args
                if called == "where":
                    condition = node.args[0]
                    if isinstance(condition, ast.Compare):
                        if len(condition.ops) != 1 or not isinstance(condition.ops[0], _COMPARISONS):
                            raise refuse("has a condition that is not one of > >= < <= ==")
                        stack.remove(condition)
                        stack += [condition.left, condition.comparators[0]]
            case _:
                raise refuse(f"contains {ast.unparse(node)!r}")
