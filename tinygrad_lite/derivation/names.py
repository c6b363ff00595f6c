"""Names for what a derivation speaks of: for nameless Values, and identifiers for Python source."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..core.graph import ancestors
from ..core.value import Value
from ..formulas.expressions import Symbol
from ..formulas.python import identifier
from .elements import Delta, Elements, Sampled

__all__ = ["Sources", "auto_names"]


def auto_names(end: Value) -> dict[Value, str]:
    """Names h1, h2, … for the nameless Values that were computed, w1, w2, … for nameless leaves; none twice."""
    values = ancestors(end)
    taken = {value.name for value in values}
    found: dict[Value, str] = {}
    numbers = {"h": 0, "v": 0}
    for value in values:
        if value.name is None and (value.requires_grad or not value.is_leaf):
            letter = "v" if value.is_leaf else "h"
            while True:
                numbers[letter] += 1
                name = f"{letter}{numbers[letter]}"
                if name not in taken:
                    break
            found[value] = name
    return found


class Sources:
    """Python source for symbols, and the numbers behind its names."""

    def __init__(self, elements: Elements | None, names: Mapping[Value, str], reserved: Iterable[str] = ()) -> None:
        self._elements = elements
        self._names = names
        self._of: dict[Any, str] = {}
        self._reserved = {"s", *reserved}
        self.symbols: dict[str, Any] = {"np": np, "math": math}

    def __call__(self, symbol: Symbol) -> str:
        if isinstance(symbol, Delta):
            return symbol.python
        if isinstance(symbol, Sampled) and symbol.base is not None:
            assert self._elements is not None
            if symbol.base not in self._of:
                self._enter(symbol.base, symbol.base, self._elements.family(symbol.base))
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
