"""Expressions evaluated: an identifier for each symbol, and the numbers behind them."""

from __future__ import annotations

import ast
import math
from typing import Any

import numpy as np

from tinygrad_lite import Value
from tinygrad_lite.formulas.code import identifier
from tinygrad_lite.formulas.python import Python
from tinygrad_lite.formulas.symbols import Symbol


class Names:
    """An identifier for each symbol, and the numbers behind them: what evaluates Python source."""

    def __init__(self) -> None:
        self.of: dict[str, str] = {}
        self.numbers: dict[str, Any] = {}

    def __call__(self, symbol: Symbol) -> str:
        if symbol.id not in self.of:
            name = identifier(symbol.value.name, self.of.values())
            self.of[symbol.id] = name
            self.numbers[name] = symbol.data
        return self.of[symbol.id]


def evaluated(e: ast.expr) -> Any:
    names = Names()
    source = Python(names).write(e)
    with np.errstate(all="ignore"):
        return eval(source, {"np": np, "math": math, "__builtins__": {}}, names.numbers)


def named(**values: Any) -> list[Value]:
    return [Value(data, name=name) for name, data in values.items()]
