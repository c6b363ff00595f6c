"""The local derivative on an arrow: a number between scalars, an expression or a word between arrays.

``tinygrad_lite.formulas`` writes the expression of one op. An operand without a name, or with one that does not read
well in an expression, is a letter (x, y, …), and a nameless result is ``out``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_lite.core.elementwise import Elementwise
from tinygrad_lite.core.maps import Chain, edges
from tinygrad_lite.core.value import Value
from tinygrad_lite.formulas.reader import TooLongError, Tracer
from tinygrad_lite.formulas.symbols import symbols
from tinygrad_lite.formulas.text import Text

from .numbers import extent, number

__all__ = ["Local", "formula", "local_derivative"]


LONGEST = 24
"""Characters of an expression that a label has room for."""

_PLAIN_NAME = re.compile(r"[^\W\d][\w.@\[\],]{0,11}")
_LETTERS = "xyzuvw"


@dataclass(frozen=True, slots=True)
class Local:
    """The local derivative on one arrow.

    ``text`` stands on the arrow, ``formula`` is the expression behind it (or empty), and ``value`` the number where the
    arrow joins one element to one element.
    """

    text: str
    formula: str
    value: float | None


def local_derivative(node: Value, position: int, operand: Value, chain: Chain) -> Local:
    """The local derivative of ``node`` with respect to its operand at ``position``; ``chain`` computes it.

    >>> from tinygrad_lite.core.graph import chains
    >>> x = Value(3.0, name="x")
    >>> [local_derivative(y, *arrow).text for y in [x * 2.0] for arrow in chains(y)]
    ['2']
    >>> n = Value([0.0, 1.0], name="z").sigmoid()
    >>> n.name = "n"
    >>> [local_derivative(n, *arrow).text for arrow in chains(n)]
    ['n(1 - n)']
    """
    expression = formula(node, position)
    if node.size == operand.size == 1:
        weights = [weight for _, weight in edges(chain, (0,) * node.ndim)]
        value = sum(weights) + 0.0
        return Local(number(value), expression, value)
    short = expression if len(expression) <= LONGEST else _named_derivative(node, position)
    return Local(short or _weights(chain), expression, None)


def formula(node: Value, position: int) -> str:
    """The local derivative of ``node`` with respect to an operand as an expression with names; empty if it has none.

    >>> a, b = Value(1.0, name="a"), Value(2.0, name="b")
    >>> formula(a / b, 0), formula(a / b, 1), formula(a.tanh(), 0)
    ('1/b', '-a/b²', '1 - out²')
    """
    op = node.op
    assert op is not None
    letters = op.rule.operands if isinstance(op, Elementwise) else _LETTERS
    names = [_own_name(value) or letter for value, letter in zip(node.parents, letters, strict=False)]
    words = op.on_arrows
    if words:
        return words[position].format(*names) if position < len(words) else ""
    named = zip(node.parents, names, strict=False)
    shown = {value: name for value, name in named if value.name is not None or not _is_number(value)}
    if _own_name(node) or isinstance(op, Elementwise):
        shown[node] = _own_name(node) or "out"
    try:
        expression = Tracer(shown=shown).local(node, position, None, None)
    except TooLongError:
        return ""
    if any(symbol.value.name is None and symbol.shown is None for symbol in symbols(expression)):
        return ""  # a nameless array of numbers
    return Text().write(expression)


def _is_number(value: Value) -> bool:
    return value.is_leaf and not value.requires_grad and not value.shape


def _own_name(value: Value) -> str | None:
    """The name of a Value, or its number if it is a nameless constant, where either can stand in an expression."""
    if value.name is not None:
        return value.name if _PLAIN_NAME.fullmatch(value.name) else None
    return number(value.data) if _is_number(value) and value.data >= 0 else None


def _named_derivative(node: Value, position: int) -> str:
    """``gelu′(x)`` for a derivative too long to write, ``∂max/∂x`` where there are several operands."""
    op = node.op
    if not isinstance(op, Elementwise):
        return ""
    letters = op.rule.operands
    letter = _own_name(node.parents[position]) or letters[position]
    return f"{op.sign}′({letter})" if len(letters) == 1 else f"∂{op.sign}/∂{letter}"


def _weights(chain: Chain) -> str:
    """The weights of a chain as a number or a range; 1 for a chain that only moves and sums."""
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
