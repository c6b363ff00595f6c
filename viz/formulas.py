"""Local derivatives as a picture writes them: a number at scalars, the table's expression or a word at arrays.

The expressions are those of ``tinygrad_lite.derivatives``, in the form that people print, with the names of the
operands and of the result put in: ``n2 · (1 - n2)``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_lite.elementwise import Elementwise
from tinygrad_lite.maps import Chain, edges
from tinygrad_lite.value import Value
from viz.numbers import extent, number

__all__ = ["Local", "formula", "local_derivative", "written"]

LONGEST = 24
"""Characters of an expression that a label has room for."""

_PLAIN_NAME = re.compile(r"[^\W\d][\w.@\[\],]{0,11}")

# What the local derivative of a structured op is called, for each operand: {0}, {1} are the operands, {out} the result.
_WORDS: dict[str, tuple[str, ...]] = {
    "matmul": ("· {1}ᵀ", "{0}ᵀ ·"),
    "linear": ("· {1}ᵀ", "{0}ᵀ ·", "1"),
    "einsum": ("· {1}", "· {0}"),
    "max": ("1 at the max",),
    "min": ("1 at the min",),
    "prod": ("Π of the others",),
    "logsumexp": ("softmax({0})",),
    "norm": ("{0} / ‖{0}‖",),
    "half_squared_error": ("{0} - {1}", "{1} - {0}"),
    "cross_entropy": ("softmax({0}) - {1}",),
}
_LETTERS = "xyzuvw"


@dataclass(frozen=True, slots=True)
class Local:
    """The local derivative on one arrow.

    ``text`` is what the arrow shows, ``formula`` the expression behind it (empty where there is none to write),
    ``value`` the number where the arrow joins one element to one element.
    """

    text: str
    formula: str
    value: float | None


def local_derivative(node: Value, position: int, operand: Value, chain: Chain) -> Local:
    """What stands on the arrow from an operand, given by its position, to the op that made ``node``.

    >>> from tinygrad_lite.sweeping import chains
    >>> x = Value(3.0, name="x")
    >>> [local_derivative(y, *arrow).text for y in [x * 2.0] for arrow in chains(y)]
    ['2']
    >>> n = Value([0.0, 1.0], name="z").sigmoid()
    >>> n.name = "n"
    >>> [local_derivative(n, *arrow).text for arrow in chains(n)]
    ['n · (1 - n)']
    """
    expression = formula(node, position)
    if node.size == operand.size == 1:
        weights = [weight for _, weight in edges(chain, (0,) * node.ndim)]
        value = sum(weights) + 0.0
        return Local(number(value), expression, value)
    short = expression if len(expression) <= LONGEST else _named_derivative(node, position)
    return Local(short or _weights(chain), expression, None)


def formula(node: Value, position: int) -> str:
    """The local derivative of the op that made ``node`` as an expression with names in it; empty if it has none.

    >>> a, b = Value(1.0, name="a"), Value(2.0, name="b")
    >>> formula(a / b, 0), formula(a / b, 1), formula(a.tanh(), 0)
    ('1 / b', '-a / b²', '1 - out²')
    """
    op = node.op
    assert op is not None
    if isinstance(op, Elementwise):
        expression = op.rule.written[position]
        if expression is None:
            return ""
        letters = dict(zip(op.rule.operands, node.parents, strict=False))
        names = {letter: _own_name(value) or letter for letter, value in letters.items()}
        return written(expression, {**names, "out": _own_name(node) or "out"})
    if op.name == "weighted_sum":
        return _partner(node, position)
    words = _WORDS.get(op.name, ())
    if position >= len(words):
        return ""
    operands = [_own_name(value) or letter for value, letter in zip(node.parents, _LETTERS, strict=False)]
    return words[position].format(*operands)


def _own_name(value: Value) -> str | None:
    """The name of a Value, or its number if it is a nameless constant, where either can stand in an expression."""
    if value.name is not None:
        return value.name if _PLAIN_NAME.fullmatch(value.name) else None
    if value.is_leaf and not value.requires_grad and not value.shape and value.data >= 0:
        return number(value.data)
    return None


def _partner(node: Value, position: int) -> str:
    """In a weighted sum the derivative at a weight is its input, and the reverse; at the bias it is 1."""
    operands = node.parents
    terms = len(operands) // 2
    if position == 2 * terms:
        return "1"
    return _own_name(operands[(position + terms) % (2 * terms)]) or ""


def _named_derivative(node: Value, position: int) -> str:
    """``gelu′(x)`` for a derivative too long to write, ``∂max/∂x`` where there are several operands."""
    op = node.op
    if not isinstance(op, Elementwise):
        return ""
    letters = op.rule.operands
    letter = _own_name(node.parents[position]) or letters[position]
    return f"{op.sign}′({letter})" if len(letters) == 1 else f"∂{op.sign}/∂{letter}"


def _weights(chain: Chain) -> str:
    """The weights of a chain as a number or a range. Moves and plain sums carry everything on as it is: 1."""
    found: list[tuple[float, float]] = []
    for linear_map in chain:
        weight: Any = getattr(linear_map, "weight", getattr(linear_map, "operand", None))
        if weight is not None:
            found.append(extent(np.asarray(weight)))
    if not found:
        return "1"
    if len(found) > 1:
        return "…"
    low, high = found[0]
    return number(low) if low == high else f"{number(low)} … {number(high)}"


# ---- printing an expression ------------------------------------------------------------------------------------------

_BINARY: dict[type[ast.operator], tuple[str, int]] = {
    ast.Add: (" + ", 1),
    ast.Sub: (" - ", 1),
    ast.Mult: (" · ", 2),
    ast.Div: (" / ", 2),
    ast.Pow: ("^", 4),
}
_COMPARED = {ast.Gt: ">", ast.GtE: "≥", ast.Lt: "<", ast.LtE: "≤", ast.Eq: "="}
_SUPERSCRIPTS = {2: "²", 3: "³"}
_CALLED = {"sigmoid": "σ", "sqrt": "√", "log": "ln", "maximum": "max", "minimum": "min"}
_ATOM = 5


def written(expression: str, names: Mapping[str, str]) -> str:
    """An expression of the table in mathematical form, with names for its letters.

    >>> written("out * (1 - out)", {"out": "n30"}), written("-x / y**2", {}), written("where(x > 0, 1, slope)", {})
    ('n30 · (1 - n30)', '-x / y²', '1 if x > 0 else slope')
    """
    return _printed(ast.parse(expression, mode="eval").body, names)[0]


def _printed(node: ast.expr, names: Mapping[str, str]) -> tuple[str, int]:
    """The text of a node and how tightly it binds."""

    def inner(child: ast.expr, at_least: int) -> str:
        text, binding = _printed(child, names)
        return text if binding >= at_least else f"({text})"

    match node:
        case ast.Name(id=letter):
            name = names.get(letter, letter)
            return name, _ATOM if _PLAIN_NAME.fullmatch(name) or name.isdecimal() else 3
        case ast.Constant(value=value):
            return number(float(value)), _ATOM  # type: ignore[arg-type]  # the table holds numbers only
        case ast.UnaryOp(operand=operand):  # the table's only unary operator is the minus sign
            return f"-{inner(operand, 3)}", 3
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int(power))) if power in _SUPERSCRIPTS:
            return f"{inner(left, _ATOM)}{_SUPERSCRIPTS[power]}", 4
        case ast.BinOp(left=left, op=operator, right=right):
            sign, binding = _BINARY[type(operator)]
            # A quotient's divisor, a difference's subtrahend and a power's base take parentheses at equal binding.
            tighter_right = binding + isinstance(operator, ast.Sub | ast.Div)
            tighter_left = binding + isinstance(operator, ast.Pow)
            return f"{inner(left, tighter_left)}{sign}{inner(right, tighter_right)}", binding
        case ast.Compare(left=left, ops=[comparison], comparators=[right]):
            return f"{inner(left, 1)} {_COMPARED[type(comparison)]} {inner(right, 1)}", 0
        case ast.Call(func=ast.Name(id="where"), args=[condition, yes, no]):
            return f"{inner(yes, 1)} if {inner(condition, 0)} else {inner(no, 1)}", 0
        case ast.Call(func=ast.Name(id=function), args=arguments):
            return f"{_CALLED.get(function, function)}({', '.join(inner(a, 0) for a in arguments)})", _ATOM
    raise AssertionError(f"the table writes {ast.dump(node)}")
