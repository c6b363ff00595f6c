"""The table's expressions translated to Python source: on floats, on arrays and on Values.

Each translation changes a few nodes of the expression and leaves the printing to ``ast.unparse``: the source is run,
not read.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .elementwise_derivatives import TABLE, Rule
from .numerics import ARRAY_FUNCTIONS, FLOAT_FUNCTIONS, LOCAL_FUNCTIONS
from .repeated import once

__all__ = ["array_source", "compiled", "computes_with", "float_source", "forward_source", "mask", "value_source"]


_COMPARED = {ast.Gt: "greater", ast.GtE: "greater_equal", ast.Lt: "less", ast.LtE: "less_equal", ast.Eq: "equal"}


def mask(e: Any) -> Any:
    """The condition of ``where(condition, 1, 0)``, any other expression itself.

    A boolean multiplies as fast as a number, and keeps float32.
    """
    match e:
        case ast.Call(func=ast.Name(id="where"), args=[condition, ast.Constant(value=1), ast.Constant(value=0)]):
            return condition
    return e


def _true(e: Any) -> Any:
    """The mask of an expression; of ``where`` itself the condition may be numbers: any but 0 is true."""
    condition = mask(e)
    if condition is not e and isinstance(condition, ast.Name):
        return ast.Compare(condition, [ast.NotEq()], [ast.Constant(0)])
    return condition


class _Translation(ast.NodeTransformer):
    """An expression of the table changed from the inside out by ``change``."""

    def __init__(self, change: Callable[[Any], Any]) -> None:
        self.change = change

    def visit(self, node: ast.AST) -> Any:
        return self.change(self.generic_visit(node))


def _translated(expression: str, change: Callable[[Any], Any]) -> str:
    tree = _Translation(change).visit(ast.parse(expression, mode="eval"))
    return ast.unparse(ast.fix_missing_locations(tree))


def float_source(expression: str, names: Mapping[str, str]) -> str:
    """The expression as Python source on floats, with its variables renamed.

    ``where`` becomes a conditional expression, which evaluates one side only.

    >>> float_source("where(x > 0, 1, slope)", {"x": "a", "slope": "b"})
    '1.0 if a > 0.0 else b'
    """

    def change(node: Any) -> Any:
        match node:
            case ast.Call(func=ast.Name(id="where"), args=[condition, yes, no]):
                return ast.IfExp(condition, yes, no)
            case ast.Constant(value=value):
                return ast.Constant(float(value))  # type: ignore[arg-type]  # the table has numbers only
            case ast.Name(id=name):
                return ast.Name(names.get(name, name), ast.Load())
        return node

    return _translated(expression, change)


def array_source(expression: str) -> str:
    """A local derivative as Python source on arrays.

    >>> array_source("where(x > 0, 1, 0)"), array_source("sigmoid(-x)**2")
    ('x > 0', 'square(sigmoid(-x))')
    """
    return once(_translated(expression, lambda node: _true(_raised(node))))


def forward_source(expression: str) -> str:
    """The value of an op as Python source on arrays.

    >>> forward_source("x ** y"), forward_source("(x + 1)**2")
    ('power(x, y)', 'square(x + 1)')
    """
    return once(_translated(expression, _raised))


def _raised(node: Any) -> Any:
    """A power of an array as a call, of products where they do."""
    match node:
        case ast.BinOp(op=ast.Pow(), left=ast.Constant()):
            return node
        case ast.BinOp(left=x, op=ast.Pow(), right=ast.Constant(value=2)):
            return ast.Call(ast.Name("square", ast.Load()), [x], [])
        case ast.BinOp(left=x, op=ast.Pow(), right=y):
            return ast.Call(ast.Name("power", ast.Load()), [x, y], [])
    return node


def value_source(expression: str) -> str:
    """A local derivative as Python source on Values.

    Comparisons, which Values answer with plain data, become functions whose results remember their operands.

    >>> value_source("where(x > 0, 1, slope)"), value_source("where(x > 0, 1, 0)")
    ('where(greater(x, 0), 1, slope)', 'greater(x, 0)')
    """

    def change(node: Any) -> Any:
        if isinstance(node, ast.Compare):
            name = ast.Name(_COMPARED[type(node.ops[0])], ast.Load())
            return ast.Call(name, [node.left, *node.comparators], [])
        return _true(node)

    return _translated(expression, change)


def computes_with(expression: str, operands: Sequence[str]) -> bool:
    """Whether the expression of an op of several operands computes with operands alone, other than by a quotient.

    There integers would stay integers, which wrap around and whose functions NumPy computes in few digits.

    >>> computes_with("sigmoid(x - y)", ("x", "y")), computes_with("-out / y", ("x", "y"))
    (True, False)
    """

    def is_of_operands(e: ast.AST) -> bool:
        names = {part.id for part in ast.walk(e) if isinstance(part, ast.Name)}
        return "out" not in names and not names.isdisjoint(operands)

    def is_arithmetic(e: ast.AST) -> bool:
        match e:
            case ast.UnaryOp() | ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Pow()):
                return True
            case ast.Call(func=ast.Name(id=name)):
                return name != "where"
        return False

    tree = ast.walk(ast.parse(expression))
    return len(operands) > 1 and any(is_arithmetic(e) and is_of_operands(e) for e in tree)


def compiled(rule: Rule, source: str, functions: dict[str, Any]) -> Callable[..., Any]:
    """Source as a function of the rule's operands and ``out``, which calls ``functions``.

    >>> compiled(TABLE["div"], "1 / y", {})(3.0, 4.0)
    0.25
    """
    arguments = ", ".join((*rule.operands, "out=None"))
    # The source is the table's text, nothing of a user's.
    function: Callable[..., Any] = eval(f"lambda {arguments}: {source}", functions)
    function.__name__ = rule.name
    return function


for _name in ("sinc", "sinc_slope"):  # lines that other lines call
    _names = {_x: _x for _x in TABLE[_name].operands}
    FLOAT_FUNCTIONS[_name] = compiled(TABLE[_name], float_source(TABLE[_name].forward, _names), FLOAT_FUNCTIONS)
    ARRAY_FUNCTIONS[_name] = LOCAL_FUNCTIONS[_name] = compiled(TABLE[_name], TABLE[_name].forward, ARRAY_FUNCTIONS)
