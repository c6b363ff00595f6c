"""The names in a derivation: of nameless Values, of samples, of δs, and identifiers for Python source."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import Any

import numpy as np

from ..core.graph import ancestors, operands_of, postorder
from ..core.shapes import Index
from ..core.value import Value
from ..formulas.code import identifier
from ..formulas.latex import latex_name
from ..formulas.printer import element_text, quoted
from ..formulas.symbols import Symbol
from ..ops.fused_losses import FusedLoss
from .factoring import Place

__all__ = ["Delta", "Sampled", "Sources", "auto_names", "inside_losses", "parameters_read", "partial_name", "suffixes"]


class Sampled(Symbol):
    """A number of each sample: ``base`` in a network of scalars, which has one Value for each sample, or a row."""

    def __init__(self, value: Value, base: str | None, rest: tuple[int, ...] = ()) -> None:
        row = ",".join(["s", *map(str, rest)])
        super().__init__(value, None, quoted(base) if base else f"{element_text(value, None)}[{row}]")
        self.full = f"{base}@s" if base else self.shown
        self.id = f"s:{base}" if base else f"s:{id(value)}[{row}]"
        self.base = base
        self.row = None if base else row


class Delta(Symbol):
    """The derivative of the end with respect to one element, as a symbol: ``δ30``."""

    def __init__(self, place: Place, name: str, row: str) -> None:
        super().__init__(place[0], place[1], f"δ{name}{row}")
        self.python = "delta" + re.sub(r"\W+", "_", f"{name}{row.replace('s,', '').replace('[s]', '')}").rstrip("_")
        self.id = f"d:{self.shown}"  # the same in every sample


def inside_losses(end: Value) -> set[Value]:
    """The nameless Values in the compositions of fused losses.

    A derivation writes the local derivative of such a loss as one expression, as people do.
    """
    found: set[Value] = set()
    for value in ancestors(end):
        if isinstance(value._made_by, FusedLoss):
            outside = [operand for operand in operands_of(value) if isinstance(operand, Value)]
            inside = postorder(value.parents, lambda node: node.parents, outside)
            found.update(node for node in inside if node.name is None and not node.is_leaf)
    return found


def auto_names(end: Value) -> dict[Value, str]:
    """Names h1, h2, … for the nameless Values that were computed, v1, v2, … for nameless leaves; none twice."""
    inside = inside_losses(end)
    values = [value for value in ancestors(end) if value not in inside]
    taken = {value.name for value in values}
    found: dict[Value, str] = {}
    free = {letter: (name for k in count(1) if (name := f"{letter}{k}") not in taken) for letter in "hv"}
    for value in values:
        if value.name is None and (value.requires_grad or not value.is_leaf):
            found[value] = next(free["v" if value.is_leaf else "h"])
    return found


def parameters_read(value: Value) -> list[Value]:
    """The parameters among the operands of a Value."""
    return [parent for parent in value.parents if parent.is_leaf and parent.requires_grad]


def suffixes(values: Sequence[Value]) -> dict[Value, str]:
    """The suffix of each Value's δ: the digits of its name or of its parameters' names, else a number counted backward.

    >>> suffixes([Value(1.0, name="z30@2"), Value(1.0, name="z20@2")])
    {Value(1, name='z30@2'): '30', Value(1, name='z20@2'): '20'}
    """
    values = list(dict.fromkeys(values))

    def digits(value: Value) -> str | None:
        found = re.fullmatch(r"(?:.*\.)?[^\W\d]+?_?(\d[\d_]*)(?:@\d+)?", value.name or "")
        if found is None:
            parameters = [p for p in parameters_read(value) if p.name]
            found = re.fullmatch(r"(?:.*\.)?[^\W\d]+?_?(\d[\d_]*)", parameters[0].name or "") if parameters else None
        return found[1] if found else None

    read = [digits(value) for value in values]
    if None in read or len({*read}) < len(read):
        read = [str(k) for k in range(len(values), 0, -1)]
    return {value: suffix or "" for value, suffix in zip(values, read, strict=True)}


def partial_name(
    end: Value, end_at: Index, value: Value, index: Index, shown: tuple[str, str] | None = None
) -> tuple[str, str]:
    """∂C/∂w200 as text and as LaTeX. ``shown`` is the text and the LaTeX of another name for the Value."""

    def in_latex(one: Value, element: Index, other: str) -> str:
        if one.name is None:
            return rf"\mathrm{{{other}}}"
        return latex_name(one.name) + (f"[{','.join(map(str, element))}]" if element else "")

    above = element_text(end, end_at) or "end"
    below, latex = shown or (element_text(value, index) or "value", in_latex(value, index, "value"))
    return f"∂{above}/∂{below}", rf"\frac{{\partial {in_latex(end, end_at, 'end')}}}{{\partial {latex}}}"


class Sources:
    """Python source for symbols, and the numbers behind its names.

    ``family`` gives the numbers of a name by sample, in a network of scalars.
    """

    def __init__(
        self, names: Mapping[Value, str], reserved: Iterable[str], family: Callable[[str], Any] | None = None
    ) -> None:
        self._family = family
        self._names = names
        self._of: dict[Any, str] = {}
        self._reserved = {"s", *reserved}
        self.symbols: dict[str, Any] = {"np": np, "math": math}

    def __call__(self, symbol: Symbol) -> str:
        if isinstance(symbol, Delta):
            return symbol.python
        if isinstance(symbol, Sampled) and symbol.base is not None:
            assert self._family is not None
            if symbol.base not in self._of:
                self._enter(symbol.base, symbol.base, self._family(symbol.base))
            return f"{self._of[symbol.base]}[s]"
        value = symbol.value
        if value not in self._of:
            self._enter(value, value.name or self._names.get(value) or symbol.shown, value.data)
        row = symbol.row if isinstance(symbol, Sampled) else ",".join(map(str, symbol.index or ()))
        return self._of[value] + (f"[{row.replace(',', ', ')}]" if row else "")

    def _enter(self, key: Any, name: str | None, data: Any) -> None:
        made = identifier(name, self._reserved)
        self._reserved.add(made)
        self._of[key] = made
        self.symbols[made] = data
