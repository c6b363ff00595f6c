"""The arguments of a compiled step: their kinds, and the Values that stand for them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.value import Value, as_data, constant
from ..errors import ValueTypeError

__all__ = ["as_values", "kind_of", "signature"]


def kind_of(x: Any) -> Any:
    """The part of an array or a float that a program depends on: shape and dtype."""
    return (x.shape, x.dtype) if type(x) is np.ndarray else type(x)


def signature(x: Any, data: list[Any], where: str) -> Any:
    """A key for arguments: their structure, shapes, dtypes and settings. Their data is appended to ``data``.

    ``where`` names the argument in messages. Raises ``ValueTypeError`` for one of another type.
    """
    if isinstance(x, np.ndarray | np.floating | float) and not isinstance(x, Value):
        array = as_data(x, keep_integers=True, copy=False)
        if type(array) is float and not (isinstance(x, np.ndarray) and x.dtype.kind != "f"):
            data.append(array)
            return "float"
        if type(array) is not float:
            data.append(array)
            return ("array", array.shape, array.dtype.str)
        return ("setting", "int", int(array))
    if isinstance(x, bool | int | str | np.integer | np.bool_) or x is None:
        return ("setting", type(x).__name__, x)
    if isinstance(x, list | tuple):
        return (type(x).__name__, *(signature(part, data, f"{where}[{k}]") for k, part in enumerate(x)))
    if isinstance(x, dict):
        return ("dict", *((key, signature(part, data, f"{where}[{key!r}]")) for key, part in x.items()))
    if isinstance(x, Value):
        raise ValueTypeError(
            f"compile: {where} is a Value; pass its .data, or read it inside the function, as parameters are"
        )
    raise ValueTypeError(
        f"compile: {where} is of type {type(x).__name__}; "
        "pass arrays, numbers, text, or lists, tuples and dicts of them"
    )


def as_values(x: Any, inputs: list[Value]) -> Any:
    """The arguments for the function: arrays and floats as constants, appended to ``inputs``; settings as given."""
    if isinstance(x, list | tuple):
        return type(x)(as_values(part, inputs) for part in x)
    if isinstance(x, dict):
        return {key: as_values(part, inputs) for key, part in x.items()}
    if isinstance(x, np.ndarray) and not x.ndim and x.dtype.kind != "f":
        return x.item()
    if isinstance(x, np.ndarray | np.floating | float):
        inputs.append(constant(as_data(x, keep_integers=True, copy=False)))
        return inputs[-1]
    return x
