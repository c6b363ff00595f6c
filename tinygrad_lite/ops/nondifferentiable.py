"""Functions whose derivative is 0 wherever it exists: rounding, steps, and questions about real numbers.

Their result on a Value is a constant, and no path leads through it. The constant knows its operands, so a compiled step
recomputes it each time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..core.value import Value, plain

__all__ = ["CONSTANTS", "floor_divide"]


Function = Callable[..., Any]


def _constant(function: Function) -> Function:
    """``function`` of the data, as a constant Value."""

    def call(x: Any, *rest: Any, **options: Any) -> Value:
        return plain(partial(_quietly, function, options), x, *rest)

    return call


def _quietly(function: Function, options: dict[str, Any], *data: Any) -> Any:
    with np.errstate(all="ignore"):
        return function(*data, **options)


CONSTANTS: dict[Any, Function] = {
    function: _constant(function)
    for function in (
        np.floor, np.ceil, np.rint, np.trunc, np.fix, np.round, np.around, np.floor_divide, np.heaviside, np.imag,
        np.angle,
    )
}  # fmt: skip
"""NumPy's functions whose results are numbers, by NumPy's own name."""

floor_divide = CONSTANTS[np.floor_divide]
