"""Names for the variables of a program whose Values have none."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable

from ..core.derivatives import TABLE
from ..formulas.symbols import names_in
from .statements import Line

__all__ = ["RESERVED", "named"]

WORDS = {
    "add": "total",
    "bincount": "back",
    "div": "share",
    "divide": "share",
    "equal": "ties",
    "exp": "e",
    "matmul": "product",
    "max": "top",
    "mul": "product",
    "multiply": "product",
    "prod": "product",
    "reshape": "shaped",
    "sigmoid": "s",
    "square": "squared",
    "sub": "diff",
    "subtract": "diff",
    "sum": "total",
    "where": "chosen",
    "zeros": "back",
}
"""The name of a nameless result, by the op or function that made it; other results take the name of that."""

RESERVED = {"l", "O", "I", "backprop", "defaultdict", "gradients", "sample", "samples"}
RESERVED |= {name + ending for name in TABLE for ending in ("", "_slope", "_slope1", "_slope2")}
"""Names that mean something else in the source, or that linters refuse."""


def named(lines: Iterable[Line], new_name: Callable[[str], str]) -> dict[str, str]:
    """A name for each target without one, after the op or function that made it; ``new_name`` makes a word unique."""
    names: dict[str, str] = {}
    for line in lines:
        if line.target.startswith("%") and line.target not in names:
            word = line.verb
            if word.startswith("d_"):
                word = f"d_{names[word[2:]]}" if word[2:] in names else "delta"
            elif word in TABLE and word not in WORDS:  # tanh_x
                read = names_in(line.value.args) if isinstance(line.value, ast.Call) else []
                word = f"{word}_{names.get(read[0], read[0])}" if len(read) == 1 else "h"
            names[line.target] = new_name(WORDS.get(word, word) or "h")
    return names
