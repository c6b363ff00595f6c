"""One expression at random: an op of the table, a structured function, a loss or a layer, with arguments that it takes.

Functions come from the registry. What a function is given follows from the names of its parameters (``arguments``), so
that a new function is drawn without a line here, unless it has a parameter of a new name or needs operands of a special
kind (``structured.KINDS``).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_lite import nn
from tinygrad_lite.core.elementwise_derivatives import REAL, TABLE
from tinygrad_lite.ops.registry import STRUCTURED

from . import layers
from .drawing import Drawing
from .programs import literal
from .structured import structured

__all__ = ["LOSSES", "expression"]

OPERATORS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**", "mod": "%"}
LOSSES = list(nn.losses.__all__)


def expression(d: Drawing) -> str | None:
    """An expression of the program's names; None if none of this kind could be made."""
    kind = d.below(20)
    if kind == 0:
        return layers.expression(d)
    if kind == 1:
        return loss(d, d.one(LOSSES))
    if kind == 2 and d.chance(0.5):
        return weighted_sum(d)
    if d.scalar or kind < 9:
        return elementwise(d, d.dealt(list(TABLE)))
    return structured(d, d.dealt(list(STRUCTURED)))


# ---- the table -------------------------------------------------------------------------------------------------------


def elementwise(d: Drawing, name: str) -> str:
    """An op of the table: as a function, a method, NumPy's function or an operator."""
    rule = TABLE[name]
    if name == "pow" and d.chance(0.4):
        return f"{d.small(d.any())} ** {d.one(['2', '3', '0.5', '-1', '2.0', '1'])}"
    if name == "where":
        x = d.any()
        condition = d.one([f"{x} > 0.1", f"{x} <= {d.any()}", literal(d.rng.random(np.shape(d.data[x])) > 0.5)])
        return f"tg.where({condition}, {operand(d, x, *REAL)}, {second(d, x, *REAL)})"
    first = d.any()
    written = [operand(d, first, *rule.domain[0])]
    for k, (low, high) in enumerate(rule.domain[1:], start=1):
        if rule.derivatives[k] is None:
            written.append(repr(round(float(d.rng.uniform(low, high)), 3)))
        else:
            written.append(second(d, first, low, high))
    kept = len(written) - (d.below(len(rule.defaults) + 1) if rule.defaults else 0)
    written = written[:kept]
    if len(written) == 2 and d.chance(0.3):
        written.reverse() if rule.domain[0] == rule.domain[1] else None
    if name in OPERATORS and d.chance(0.5):
        return f"{written[0]} {OPERATORS[name]} {written[1]}"
    if rule.ufunc and d.chance(0.4):
        return f"np.{rule.ufunc}({', '.join(written)})"
    return f"tg.{name}({', '.join(written)})"


def operand(d: Drawing, name: str, low: float, high: float) -> str:
    """The name, or what is made of it within a domain."""
    return d.small(name) if (low, high) == REAL else d.within(name, low, high)


def second(d: Drawing, first: str, low: float, high: float) -> str:
    """Another operand of an elementwise op: a name, the same one, a number, a 0-d or larger array of some dtype."""
    shape = np.shape(d.data[first])
    inside = low + 0.1 * (high - low), high - 0.1 * (high - low)
    if d.chance(0.35):
        number = round(float(d.rng.uniform(*inside)), 3)
        whole: list[Any] = [k for k in range(-2, 4) if inside[0] <= k <= inside[1]] or [number]
        forms = [repr(number), repr(d.one(whole))]
        if not d.scalar:
            forms += [f"np.array({number})", f"np.float32({number})", literal(d.numbers(shape, *inside))]
            if (low, high) == REAL and shape:
                forms.append(literal(d.rng.random(shape) > 0.4))
            if whole != [number]:
                forms.append(literal(d.rng.choice(whole, shape)) if shape else repr(d.one(whole)))
        return str(d.one(forms))
    other = first if d.chance(0.1) else d.any()
    if not _together(shape, np.shape(d.data[other])):
        other = d.fitted(d.one([shape, shape[1:], (*shape[:-1], 1), ()] if shape else [(), (2,), (2, 2)]))
    return operand(d, other, low, high)


def _together(*shapes: tuple[int, ...]) -> bool:
    try:
        return math.prod(np.broadcast_shapes(*shapes)) <= 36
    except ValueError:
        return False


def weighted_sum(d: Drawing) -> str:
    """A weighted sum of numbers, or of arrays that stretch to one shape."""
    shape = () if d.scalar else np.shape(d.data[d.any()])
    pairs = [[d.small(d.fitted(d.one([shape, shape, ()]))) for _ in range(2)] for _ in range(2)]
    bias = d.one([f", {d.fitted(shape)}", "", ", 0.5"])
    return f"tg.weighted_sum([{', '.join(pairs[0])}], [{', '.join(pairs[1])}]{bias})"


# ---- losses ----------------------------------------------------------------------------------------------------------


def loss(d: Drawing, name: str) -> str | None:
    """A loss of nn.losses, with targets that it takes."""
    y = d.any(size=1)
    shape = np.shape(d.data[y])
    if name == "cross_entropy" and (not shape or d.chance(0.5)):
        y, shape = _at_most(d, (2, 3)), (2, 3)
    targets: Any = {
        "binary_cross_entropy": d.rng.integers(0, 2, shape).astype(float),
        "hinge": d.rng.choice([-1, 1], shape),
        "cross_entropy": d.rng.integers(0, shape[-1], shape[:-1]) if shape else 0,
    }.get(name, d.numbers(shape))
    if name == "cross_entropy" and d.chance(0.3):
        targets = np.eye(shape[-1])[targets]
    text = literal(targets) if np.shape(targets) else repr(float(targets) if name != "cross_entropy" else int(targets))
    if np.shape(targets) and d.chance(0.3):
        text = repr(np.asarray(targets).tolist())
    return f"nn.losses.{name}({y}, {text}, reduction={d.one(['mean', 'sum'])!r})"


def _at_most(d: Drawing, shape: tuple[int, ...]) -> str:
    return d.small(d.fitted(shape))
