"""Derivatives by the complex step: a recorded computation evaluated again at x + ih.

The complex step is exact to rounding where a function is analytic, for it subtracts nothing:
f(x + ih) = f(x) + ih f'(x) + O(h²). It shares nothing with autodiff but the ops' forward functions.

Source: W. Squire and G. Trapp, *Using complex variables to estimate derivatives of real functions*, 1998.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..core.elementwise import Elementwise
from ..core.graph import between
from ..core.numerics import ARRAY_FUNCTIONS
from ..core.table_source import compiled
from ..core.value import Op, Value, as_data
from ..errors import TinygradError
from ..ops.primitives import Primitive
from .differences import chosen

__all__ = ["STEP_ERROR", "NotAnalyticError", "complex_columns", "complex_steps", "confirmed", "on_complex"]

_STEP = 1e-30  # its square is nothing beside most numbers
STEP_ERROR = float(np.finfo(float).tiny / np.finfo(float).eps) / _STEP
"""Below it the imaginary parts of a complex step underflow."""

_DOUBTED = 1e-30  # a result below it must be the same with another step


class NotAnalyticError(TinygradError, ArithmeticError):
    """An op that does not take complex numbers."""


def complex_steps(end: Value, value: Value, nodes: Sequence[Value], at_most: int) -> Any:
    """∂end/∂value by the complex step, NaN for elements left out, as in ``central_differences``.

    Raises ``NotAnalyticError``, naming the op, where one does not take complex numbers.
    """
    found = np.full(value.shape, math.nan)
    for index, (column,) in complex_columns([end], value, at_most, nodes):
        found[index] = column.reshape(())
    return found


def complex_columns(
    ends: Sequence[Value], value: Value, at_most: int, nodes: Sequence[Value] | None = None
) -> Iterator[tuple[tuple[int, ...], list[np.ndarray[Any, Any]]]]:
    """For one element of ``value`` after another: its index, and the derivative of every element of ``ends`` by it.

    ``nodes`` are those between the value and the ends, if they are known; the others keep their data.
    NaN stands for a number so small that it may be a power of the step, as for x**3 at 0.

    Raises ``NotAnalyticError``, naming the op, where one does not take complex numbers.
    """
    x = np.array(value.data, dtype=complex)
    if nodes is None:
        nodes = [node for node, _ in between(ends, [value], folded=False)]

    def columns(index: tuple[int, ...], step: float) -> list[Any]:
        moved = x.copy()
        moved[index] += 1j * step
        results: dict[Value, Any] = {value: moved if value.shape else moved[()]}
        for node in nodes:
            results[node] = on_complex(node, results)
        return [np.imag(np.broadcast_to(results.get(end, 0.0), end.shape)) / step for end in ends]

    for index in chosen(x.shape, at_most):
        found = confirmed(lambda step, index=index: columns(index, step))  # type: ignore[misc]
        yield index, found


def confirmed(columns: Callable[[float], list[Any]]) -> list[Any]:
    """The derivatives that ``columns(step)`` gives, where one is tiny only if it is the same with another step."""
    found = columns(_STEP)
    if any(((abs(column) < _DOUBTED) & (column != 0)).any() for column in found):
        again = columns(_STEP / 4)
        found = [
            np.where(abs(a - b) <= 1e-9 * abs(a), a, math.nan) if np.any(a != b) else a
            for a, b in zip(found, again, strict=True)
        ]
    return found


# ---- the ops on complex numbers --------------------------------------------------------------------------------------


def _by_real_part(better: Any) -> Any:
    return lambda x, y: np.where(better(np.real(x), np.real(y)), x, y)


def _like(size: Any, ratio: Any) -> Any:
    """``size * ratio(size)``; 0 where the size is. ``ratio`` is 1 on the real line, and carries the complex step."""
    return np.where(size == 0, 0.0, size * ratio(np.where(size == 0, 1.0, size)))


def _argument_slope(x: Any, y: Any) -> Any:
    """The imaginary part of the angle of (y, x) after a complex step, to first order."""
    a, b = np.real(x), np.real(y)
    return (b * np.imag(x) - a * np.imag(y)) / (a * a + b * b)


def _shifted(x: Any, y: Any, exp: Any, log: Any) -> Any:
    top = np.maximum(np.real(x), np.real(y))
    top = np.where(np.isfinite(top), top, 0.0)
    return log(exp(x - top) + exp(y - top)) + top


_COMPLEX_FUNCTIONS = ARRAY_FUNCTIONS | {
    "abs": lambda x: np.where(np.real(x) < 0, -x, x),  # |x| as it continues from the real line, which np.abs does not
    "sign": lambda x: np.sign(np.real(x)),
    "maximum": _by_real_part(np.greater),
    "minimum": _by_real_part(np.less),
    "fmax": _by_real_part(lambda x, y: (x > y) | np.isnan(y)),
    "fmin": _by_real_part(lambda x, y: (x < y) | np.isnan(y)),
    "mod": lambda x, y: x - y * np.floor(np.real(x) / np.real(y)),
    "hypot": lambda x, y: _like(np.hypot(np.real(x), np.real(y)), lambda r: np.sqrt((x / r) ** 2 + (y / r) ** 2)),
    "cbrt": lambda x: _like(np.cbrt(np.real(x)), lambda r: (x / r**3) ** (1 / 3)),
    "arctan2": lambda x, y: np.arctan2(np.real(x), np.real(y)) + 1j * _argument_slope(x, y),
    "logaddexp": lambda x, y: _shifted(x, y, np.exp, np.log),
    "logaddexp2": lambda x, y: _shifted(x, y, np.exp2, np.log2),
    "where": lambda condition, x, y: np.where(np.real(condition) != 0, x, y),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}


def on_complex(node: Value, results: Mapping[Value, Any]) -> Any:
    """The data of a node from complex data of its operands, in ``results``; the others keep theirs.

    Raises ``NotAnalyticError``, naming the op, where it does not take complex numbers.
    """
    op: Op | None = node.op
    assert op is not None
    if isinstance(op, Primitive):  # it may take complex numbers without being analytic
        raise NotAnalyticError(f"complex step: {op.name!r} is a primitive, known for real numbers only")
    data = [results.get(x, x.data) if isinstance(x, Value) else as_data(x, True, False) for x in node.operands]
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error", np.exceptions.ComplexWarning)  # a cast that drops the imaginary part
            if isinstance(op, Elementwise):
                return compiled(op.rule, op.rule.forward, _COMPLEX_FUNCTIONS)(*data)
            return op.forward(*data)
    except (TypeError, np.exceptions.ComplexWarning):
        raise NotAnalyticError(f"complex step: {op.name!r} does not take complex numbers") from None
