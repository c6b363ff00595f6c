"""The expressions of the table as Python code, for floats, for arrays and for Values."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from .derivatives import TABLE, Rule
from .numerics import ARRAY_FUNCTIONS, FLOAT_FUNCTIONS, LOCAL_FUNCTIONS

__all__ = ["array_source", "compiled", "float_source", "value_source"]


# ---- compiling the expressions --------------------------------------------------------------------------------------


def _is_call(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def _is_number(node: ast.AST, value: float) -> bool:
    return isinstance(node, ast.Constant) and node.value == value


class _ForFloats(ast.NodeTransformer):
    """``where`` becomes a conditional expression (only one side is evaluated), integers become floats."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if _is_call(node, "where"):
            condition, yes, no = node.args
            return ast.IfExp(condition, yes, no)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant(float(node.value))  # type: ignore[arg-type]  # numbers only


class _ForArrays(ast.NodeTransformer):
    """Shorter forms of what local derivatives of arrays need not compute.

    ``where(mask, 1, 0)`` is the mask itself: a boolean multiplies as fast as a number and keeps float32.
    ``sigmoid(-x)`` need not change the sign twice.
    """

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if _is_call(node, "where") and _is_number(node.args[1], 1) and _is_number(node.args[2], 0):
            mask = node.args[0]  # of where itself it may be numbers, of which any but 0 is true
            return ast.Compare(mask, [ast.NotEq()], [ast.Constant(0)]) if isinstance(mask, ast.Name) else mask
        if (
            _is_call(node, "sigmoid")
            and isinstance(node.args[0], ast.UnaryOp)
            and isinstance(node.args[0].op, ast.USub)
        ):
            return ast.Call(ast.Name("sigmoid_of_minus", ast.Load()), [node.args[0].operand], [])
        return node


class _ForValues(ast.NodeTransformer):
    """Comparisons, which Values answer with plain data, become constants that know what they were made of."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if _is_call(node, "where") and _is_number(node.args[1], 1) and _is_number(node.args[2], 0):
            mask = node.args[0]  # of where itself it may be numbers, of which any but 0 is true
            return ast.Compare(mask, [ast.NotEq()], [ast.Constant(0)]) if isinstance(mask, ast.Name) else mask
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        name = {ast.Gt: "greater", ast.GtE: "greater_equal", ast.Lt: "less", ast.LtE: "less_equal", ast.Eq: "equal"}
        return ast.Call(ast.Name(name[type(node.ops[0])], ast.Load()), [node.left, *node.comparators], [])


class _Rename(ast.NodeTransformer):
    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(self.names.get(node.id, node.id), node.ctx)


def float_source(expression: str, names: dict[str, str]) -> str:
    """The expression as Python source on floats, with its variables renamed.

    >>> float_source("where(x > 0, 1, slope)", {"x": "a", "slope": "b"})
    '1.0 if a > 0.0 else b'
    """
    tree = ast.parse(expression, mode="eval")
    tree = ast.fix_missing_locations(_Rename(names).visit(_ForFloats().visit(tree)))
    return ast.unparse(tree)


def array_source(expression: str) -> str:
    """A local derivative as Python source on arrays.

    >>> array_source("where(x > 0, 1, 0)")
    'x > 0'
    """
    return ast.unparse(ast.fix_missing_locations(_ForArrays().visit(ast.parse(expression, mode="eval"))))


def value_source(expression: str) -> str:
    """A local derivative as Python source on Values.

    >>> value_source("where(x > 0, 1, slope)"), value_source("where(x > 0, 1, 0)")
    ('where(greater(x, 0), 1, slope)', 'greater(x, 0)')
    """
    return ast.unparse(ast.fix_missing_locations(_ForValues().visit(ast.parse(expression, mode="eval"))))


def compiled(rule: Rule, source: str, functions: dict[str, Any]) -> Callable[..., Any]:
    """Source as a function of the rule's operands and ``out``, which calls ``functions``.

    >>> compiled(TABLE["div"], "1 / y", {})(3.0, 4.0)
    0.25
    """
    arguments = ", ".join((*rule.operands, "out=None"))
    function: Callable[..., Any] = eval(
        f"lambda {arguments}: {source}", functions
    )  # the table's text, nothing of a user's
    function.__name__ = rule.name
    return function


for _name in ("sinc", "sinc_slope"):  # lines that other lines call
    _names = {_x: _x for _x in TABLE[_name].operands}
    FLOAT_FUNCTIONS[_name] = compiled(TABLE[_name], float_source(TABLE[_name].forward, _names), FLOAT_FUNCTIONS)
    ARRAY_FUNCTIONS[_name] = LOCAL_FUNCTIONS[_name] = compiled(TABLE[_name], TABLE[_name].forward, ARRAY_FUNCTIONS)
