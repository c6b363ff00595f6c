"""Derivatives of a recorded computation by numbers alone: it is evaluated again beside the point.

They share nothing with autodiff but the ops' forward functions. The complex step is exact to rounding where a function
is analytic, for it subtracts nothing: f(x + ih) = f(x) + ih f'(x) + O(h²).

Sources: L. F. Richardson, 1911, for the extrapolation; W. Squire and G. Trapp, *Using complex variables to estimate
derivatives of real functions*, 1998.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from .derivatives import ARRAY_FUNCTIONS, compiled
from .elementwise import Elementwise
from .errors import TinygradError
from .sweeping import replay, topological
from .value import Op, Value, as_data

__all__ = ["NotAnalyticError", "central_differences", "complex_steps"]

_STEP = 1e-30  # whose square is nothing beside any number


class NotAnalyticError(TinygradError, ArithmeticError):
    """An op that does not take complex numbers."""


def central_differences(end: Value, value: Value, relative_step: float, at_most: int) -> Any:
    """∂end/∂value by central differences of step h and h/2, extrapolated once.

    h is ``relative_step`` of an element, or of 1 if that is more. Of a Value with more than ``at_most`` elements only
    so many are computed, evenly chosen; the others are NaN.
    """
    x = np.array(value.data, dtype=float)
    found = np.full(x.shape, math.nan)
    for index in _chosen(x.shape, at_most):
        step = relative_step * max(1.0, abs(float(x[index])))

        def moved(distance: float, index: Any = index) -> float:
            other = x.copy()
            other[index] += distance
            return float(np.asarray(replay(end, {value: other})).reshape(()))

        coarse = (moved(step) - moved(-step)) / (2 * step)
        fine = (moved(step / 2) - moved(-step / 2)) / step
        found[index] = (4 * fine - coarse) / 3
    return found


def complex_steps(end: Value, value: Value, at_most: int) -> Any:
    """∂end/∂value by the complex step; NaN where one is left out, as in ``central_differences``.

    Raises ``NotAnalyticError``, naming the op, where one does not take complex numbers.
    """
    x = np.array(value.data, dtype=complex)
    found = np.full(x.shape, math.nan)
    nodes = [node for node in topological(end) if node is not value]
    for index in _chosen(x.shape, at_most):
        moved = x.copy()
        moved[index] += 1j * _STEP
        results: dict[Value, Any] = {value: moved if value.shape else moved[()]}
        for node in nodes:  # only what depends on the value is evaluated again
            if any(isinstance(operand, Value) and operand in results for operand in node.operands):
                results[node] = _on_complex(node, results)
        found[index] = float(np.imag(np.asarray(results.get(end, 0.0)).reshape(()))) / _STEP
    return found


def _chosen(shape: tuple[int, ...], at_most: int) -> Iterator[tuple[int, ...]]:
    size = math.prod(shape)
    for flat in range(0, size, max(1, math.ceil(size / at_most))):
        yield tuple(int(i) for i in np.unravel_index(flat, shape))


# ---- the ops on complex numbers --------------------------------------------------------------------------------------


def _by_real_part(better: Any) -> Any:
    return lambda x, y: np.where(better(np.real(x), np.real(y)), x, y)


_COMPLEX_FUNCTIONS = ARRAY_FUNCTIONS | {
    "abs": lambda x: np.where(np.real(x) < 0, -x, x),  # |x| as it continues from the real line, which np.abs does not
    "sign": lambda x: np.sign(np.real(x)),
    "maximum": _by_real_part(np.greater),
    "minimum": _by_real_part(np.less),
    "where": lambda condition, x, y: np.where(np.real(condition) != 0, x, y),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}


def _on_complex(node: Value, results: dict[Value, Any]) -> Any:
    op: Op | None = node.op
    assert op is not None
    data = [
        results.get(x, x.data) if isinstance(x, Value) else as_data(x, keep_integers=True, copy=False)
        for x in node.operands
    ]
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error", np.exceptions.ComplexWarning)  # a cast that drops the imaginary part
            if isinstance(op, Elementwise):
                return compiled(op.rule, op.rule.forward, _COMPLEX_FUNCTIONS)(*data)
            return op.forward(*data)
    except (TypeError, np.exceptions.ComplexWarning):
        raise NotAnalyticError(f"complex step: {op.name!r} does not take complex numbers") from None
