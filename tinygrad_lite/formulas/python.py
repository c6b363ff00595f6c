"""Formulas printed as Python."""

from __future__ import annotations

import ast
import builtins
import keyword
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..core.derivatives import TABLE
from ..core.numerics import ARRAY_FUNCTIONS
from .expressions import PRIME, Block, Symbol, built
from .printer import ATOM, POWER, PRODUCT, Writer

__all__ = ["Python", "identifier"]


# ---- Python ---------------------------------------------------------------------------------------------------------

_PYTHON_COMPARED = {ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=", ast.Eq: "=="}
_NUMPY = frozenset(ARRAY_FUNCTIONS) - {"sigmoid", "erf", "erfc", "where", "sinc_slope"}
_OF_WHOLE = {"logsumexp": "np.logaddexp.reduce", "reshape": "np.reshape"}
_RESERVED = {*keyword.kwlist, *keyword.softkwlist, *dir(builtins), "np", "math"}


def identifier(name: str | None, taken: Iterable[str]) -> str:
    """A Python identifier, in ASCII, for a name of any kind, that is not ``taken`` and hides no builtin.

    >>> identifier("n20@3", ()), identifier("w2[0,1]", ()), identifier("lambda", ()), identifier("a b", {"a_b"})
    ('n20_3', 'w2_0_1', 'lambda_', 'a_b_2')
    """
    plain = re.sub(r"[^A-Za-z0-9]+", "_", name or "").strip("_") or "v"
    if plain[0].isdigit():
        plain = f"v{plain}"
    if plain in _RESERVED:
        plain += "_"
    taken = {*taken}
    k, found = 1, plain
    while found in taken:
        k += 1
        found = f"{plain}_{k}"
    return found


class Python(Writer):
    """Python source in NumPy's functions, and ``math`` for erf. ``name`` gives each symbol its source.

    >>> from tinygrad_lite import Value
    >>> from tinygrad_lite.formulas.expressions import Symbol, built
    >>> x = Value(2.0, name="__import__('os')")
    >>> Python(lambda e: "x").write(built("sigmoid(-x) / x", {"x": Symbol(x)}))
    '1 / (1 + np.exp(x)) / x'
    """

    def __init__(self, name: Callable[[Symbol], str]) -> None:
        self.name = name

    def symbol(self, e: Symbol) -> tuple[str, int]:
        return (e.python, e.level) if isinstance(e, Block) else (self.name(e), ATOM)

    def number(self, x: float) -> str:
        if not math.isfinite(x):
            return "np.nan" if x != x else "np.inf" if x > 0 else "-np.inf"
        return str(int(x)) if abs(x) < 1e15 and x == int(x) else repr(x)

    def times(self, factors: Sequence[ast.expr]) -> str:
        return " * ".join(self.within(factor, POWER if k else PRODUCT) for k, factor in enumerate(factors))

    def over(self, above: ast.expr, below: ast.expr) -> tuple[str, int]:
        return f"{self.within(above, PRODUCT)} / {self.within(below, POWER)}", PRODUCT

    def power(self, base: ast.expr, exponent: ast.expr) -> tuple[str, int]:
        return f"{self.within(base, ATOM)} ** {self.within(exponent, ATOM)}", POWER

    def compared(self, comparison: ast.cmpop) -> str:
        return _PYTHON_COMPARED[type(comparison)]

    def choice(self, condition: ast.expr, yes: ast.expr, no: ast.expr) -> tuple[str, int]:
        return f"np.where({', '.join(map(self.write, (condition, yes, no)))})", ATOM

    def call_of_whole(self, name: str, whole: ast.expr, options: Mapping[str, Any]) -> tuple[str, int]:
        rest = ", ".join(f"{option}={value!r}" for option, value in options.items())
        return f"{_OF_WHOLE[name]}({self.write(whole)}, {rest})", ATOM

    def call(self, name: str, arguments: Sequence[ast.expr]) -> tuple[str, int]:
        if name == "sigmoid":
            one = ast.Constant(1.0)
            grows = ast.Call(ast.Name("exp", ast.Load()), [built("-x", {"x": arguments[0]})], [])
            return self._written(ast.BinOp(one, ast.Div(), ast.BinOp(one, ast.Add(), grows)))
        shown = [self.write(argument) for argument in arguments]
        if name in ("logsumexp", "norm"):
            function = {"logsumexp": "np.logaddexp.reduce", "norm": "np.linalg.norm"}[name]
            return f"{function}([{', '.join(shown)}])", ATOM
        if name in ("max", "min", "sum", "mean"):
            return f"np.{name}([{', '.join(shown)}])", ATOM
        if name in _NUMPY:
            return f"np.{name}({', '.join(shown)})", ATOM
        if name in ("erf", "erfc"):
            whole = any(isinstance(node, Symbol) and node.index is None for node in ast.walk(arguments[0]))
            return f"np.vectorize(math.{name})({shown[0]})" if whole else f"math.{name}({shown[0]})", ATOM
        op = name.rstrip(PRIME)
        rule = TABLE[op]
        text = rule.written[len(name) - len(op) - 1] if op != name else rule.forward
        return self._written(built(text or "0", dict(zip(rule.operands, arguments, strict=True))))
