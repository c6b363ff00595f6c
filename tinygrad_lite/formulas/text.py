"""Expressions printed as plain text, and the softmax that text and LaTeX recognise."""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence

from .expressions import PRIME
from .printer import ATOM, POWER, PRODUCT, SUM, Writer, element_text, number_text, quoted
from .symbols import Block, Symbol, key

__all__ = ["Text"]


_CALLED = {"sigmoid": "σ", "log": "ln", "maximum": "max", "minimum": "min", "gelu_tanh": "gelu", "gelu_erf": "gelu"}
_LISTED = 4  # arguments that are printed one by one
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


class Text(Writer):
    """Plain text in the notation of people: ``n30(1 - n30)``, ``2·x²``, ``softmax(z)[3]``.

    >>> from tinygrad_lite import Value
    >>> from tinygrad_lite.formulas.expressions import built
    >>> from tinygrad_lite.formulas.symbols import Symbol
    >>> x = Value(2.0, name="x")
    >>> Text().write(built("-y / x**2", {"x": Symbol(x), "y": Symbol(Value(1.0, name="y"))}))
    '-y/x²'
    """

    dot = "·"

    def symbol(self, e: Symbol) -> tuple[str, int]:
        if isinstance(e, Block):
            return e.text, e.level
        text = e.shown or element_text(e.value, e.index)
        if text is not None:
            return text, ATOM
        text = "…" if e.index is None and e.value.shape else self.number(float(e.data))
        return text, SUM if text.startswith("-") else ATOM

    def times(self, factors: Sequence[ast.expr]) -> str:
        text, *rest = (self.within(factor, POWER if k else PRODUCT) for k, factor in enumerate(factors))
        for factor in rest:
            text += factor if factor.startswith("(") else self.dot + factor
        return text

    def power(self, base: ast.expr, exponent: ast.expr) -> tuple[str, int]:
        if isinstance(exponent, ast.Constant) and float(exponent.value).is_integer() and exponent.value > 0:  # type: ignore[arg-type,operator]
            return self.within(base, ATOM) + number_text(float(exponent.value)).translate(_SUPERSCRIPTS), POWER  # type: ignore[arg-type]
        return f"{self.within(base, ATOM)}^{self.within(exponent, ATOM)}", POWER

    def function(self, name: str, arguments: Sequence[ast.expr]) -> tuple[str, int]:
        found = softmax_of(arguments[0]) if name == "exp" else None
        if found is not None:
            row, place = found
            return f"softmax({row}){place}", ATOM
        if name == "abs":
            return f"|{self.write(arguments[0])}|", ATOM
        if name == "sqrt":
            return f"√{self.within(arguments[0], ATOM)}", POWER
        listed = collected(arguments)
        if listed is None:
            shown = [self.write(a) for a in arguments]
            listed = ", ".join(shown if len(shown) <= _LISTED else [*shown[:2], "…", shown[-1]])
        if name == "norm":
            return f"‖{listed}‖", ATOM
        op = name.rstrip(PRIME)
        return f"{_CALLED.get(op, op)}{name[len(op) :]}({listed})", ATOM


def collected(elements: Sequence[ast.expr]) -> str | None:
    """The name of the array or slice that some elements fill, ``z`` or ``z[3,:]``; ``None`` if they fill none."""
    first = elements[0] if elements else None
    if len(elements) < 2 or not isinstance(first, Symbol) or isinstance(first, Block) or first.value.name is None:
        return None
    if not all(isinstance(e, Symbol) and not isinstance(e, Block) and e.value is first.value for e in elements):
        return None
    indices = [_labels(e) for e in elements if isinstance(e, Symbol)]
    if not all(indices):
        return None
    axes = ["".join({*along}) if len({*along}) == 1 else ":" for along in zip(*indices, strict=True)]
    free = math.prod(n for n, axis in zip(first.value.shape, axes, strict=True) if axis == ":")
    if free != len({*indices}) or free != len(indices):
        return None
    name = quoted(first.value.name)
    return name if all(axis == ":" for axis in axes) else f"{name}[{','.join(axes)}]"


def _labels(e: Symbol) -> tuple[str, ...]:
    """The labels in an element's index: ``s`` and the rest for a row of any sample."""
    row = getattr(e, "row", None)
    return tuple(row.split(",")) if row else () if e.shown else tuple(map(str, e.index or ()))


def softmax_of(difference: ast.expr) -> tuple[str, str] | None:
    """The array and the element in ``z[3] - logsumexp(z)``, whose exponential is a softmax; else ``None``."""
    match difference:
        case ast.BinOp(left=left, op=ast.Sub(), right=ast.Call(func=ast.Name(id="reshape"), args=[inner])):
            return softmax_of(ast.BinOp(left, ast.Sub(), inner))
        case ast.BinOp(left=Symbol() as one, op=ast.Sub(), right=ast.Call(func=ast.Name(id="logsumexp"), args=many)):
            row = collected(many)
            if len(many) == 1 and key(many[0]) == key(one) and (one.shown or one.value.name is not None):
                return one.shown or quoted(one.value.name or ""), ""  # of whole arrays
            if row is None or not any(key(one) == key(other) for other in many):
                return None
            axes = row.rpartition("[")[2].rstrip("]") if row.endswith("]") else ""
            kept = axes.split(",") if axes else [":"] * len(_labels(one))
            along = [i for i, axis in zip(_labels(one), kept, strict=True) if axis == ":"]
            return row, f"[{','.join(along)}]"
    return None
