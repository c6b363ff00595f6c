"""Graphs of scalars in machine code, with the extra ``numba``: short ones as straight code, others as a flat tape.

One function runs over the tape forward, one backward. Their code for an op is the table's own text.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from ..core.elementwise import OPS
from ..core.numerics import FLOAT_FUNCTIONS
from ..core.table_source import float_source
from .flat import Flat, Loops
from .levels import by_level
from .machine_code import available, compiled, say_that_none_was_made
from .scope import real

__all__ = ["available", "straight", "taped"]


_WEIGHTED = """\
        if op == 0:
            n = (start[i + 1] - s) // 2
            z = v[args[s + 2 * n]]
            for k in range(s, s + n):
                z += v[args[k]] * v[args[k + n]]
            v[outs[i]] = z
        elif op == 1:
            z = v[args[s]]
            for k in range(s + 1, start[i + 1]):
                z += v[args[k]]
            v[outs[i]] = z"""

_WEIGHTED_BACK = """\
        if op == 0:
            n = (start[i + 1] - s) // 2
            d[args[s + 2 * n]] += g
            for k in range(s, s + n):
                a, b = args[k], args[k + n]
                d[a] += g * v[b]
                d[b] += g * v[a]
        elif op == 1:
            for k in range(s, start[i + 1]):
                d[args[k]] += g"""


def straight(source: str, name: str, arguments: int) -> Callable[..., Any]:
    """The function of so many floats that the source defines under ``name``; it returns a tuple of floats."""
    from numba import float64

    try:
        (function,) = compiled(source, {name: [float64] * arguments}, f"{source.count(chr(10))} lines")
    except Exception as error:
        say_that_none_was_made(error, "Python")
        scope: dict[str, Any] = {**FLOAT_FUNCTIONS, "real": real, "inf": math.inf, "nan": math.nan}
        exec(compile(source, "<compiled step, straight>", "exec"), scope)
        function = scope[name]
    return function


def taped(flat: Flat) -> Loops:
    """Both passes in machine code; in NumPy where none can be made."""
    kinds: dict[tuple[str, tuple[bool, ...]], int] = {}
    codes: list[int] = []
    starts: list[int] = [0]
    args: list[int] = []
    outs: list[int] = []
    for node in flat.nodes:
        if isinstance(node.kind, str):
            codes.append(0 if node.kind == "weighted" else 1)
        else:
            codes.append(kinds.setdefault((node.kind.name, node.live), len(kinds) + 2))
        args += node.operands
        starts.append(len(args))
        outs.append(node.out)
    try:
        forward, backward, source = _machine_code(tuple(kinds))
    except Exception as error:
        say_that_none_was_made(error, "NumPy, level by level")
        return by_level(flat)
    tape = tuple(np.array(x, np.int32) for x in (codes, starts, args, outs))
    at = {place: place for place in range(flat.size)}
    return Loops(lambda v: forward(v, *tape), lambda v, d: backward(v, d, *tape), source, at)


@cache
def _machine_code(kinds: tuple[tuple[str, tuple[bool, ...]], ...]) -> tuple[Any, Any, str]:
    """The two loops for the ops that a tape has."""
    there = [_WEIGHTED]
    back = [_WEIGHTED_BACK]
    for code, (name, live) in enumerate(kinds, start=2):
        rule = OPS[name].rule
        names = {operand: f"x{k}" for k, operand in enumerate(rule.operands)} | {"out": "out"}
        reads = [f"            x{k} = v[args[s + {k}]]" for k in range(len(rule.operands))]
        there += [f"        elif op == {code}:  # {name}", *reads]
        there += [f"            v[outs[i]] = {float_source(rule.forward, names)}"]
        back += [f"        elif op == {code}:  # {name}", *reads, "            out = v[outs[i]]"]
        for k, expression in enumerate(rule.derivatives):
            if live[k] and expression:
                back.append(f"            d[args[s + {k}]] += g * ({float_source(expression, names)})")
    source = "\n".join(
        [
            "def forward(v, codes, start, args, outs):",
            "    for i in range(len(codes)):",
            "        op, s = codes[i], start[i]",
            *there,
            "",
            "def backward(v, d, codes, start, args, outs):",
            "    for i in range(len(codes) - 1, -1, -1):",
            "        op, s, g = codes[i], start[i], d[outs[i]]",
            *back,
            "",
        ]
    )
    from numba import float64, int32

    tape, numbers = [int32[::1]] * 4, float64[::1]
    forward, backward = compiled(
        source, {"forward": [numbers, *tape], "backward": [numbers, numbers, *tape]}, f"a tape of {len(kinds)} ops"
    )
    return forward, backward, source
