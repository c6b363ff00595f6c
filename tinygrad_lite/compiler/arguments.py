"""Arguments of a compiled function: as Values for the function, as data for a replay, and as a key of the programs.

Arrays and floats, and Values of them, are data: a program is good for all of one shape and dtype. Everything else is a
setting: a program is good for that one. Lists, tuples and dicts are containers of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core.value import Value, as_data, constant, cut
from ..errors import ValueTypeError
from ..transforms.pytrees import holds, is_module, mapped

__all__ = ["as_values", "has_values", "keyed", "kind_of", "live_value", "returned"]


def kind_of(x: Any) -> Any:
    """The part of an array or a float that a program depends on: shape and dtype."""
    return (x.shape, x.dtype) if type(x) is np.ndarray else type(x)


class _Same:
    """A key that is equal for one and the same thing."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.thing is other.thing

    def __hash__(self) -> int:
        return id(self.thing)

    def __repr__(self) -> str:
        return type(self.thing).__name__


def keyed(arguments: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[Any, list[Any]]:
    """The key of arguments, by which the programs that suit them are known, and their data.

    Raises ``ValueTypeError`` for an argument of another type.
    """
    data: list[Any] = []
    return (_key(arguments, data, "argument"), _key(dict(named), data, "argument")), data


def _key(x: Any, data: list[Any], where: str) -> Any:
    """The structure, shapes, dtypes and settings of arguments. Their data is appended to ``data``.

    ``where`` names the argument in messages.
    """
    if isinstance(x, Value):
        data.append(x._data)
        return ("Value", kind_of(x._data))
    if isinstance(x, np.ndarray | np.floating | float):
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
        return (type(x).__name__, *(_key(part, data, f"{where}[{k}]") for k, part in enumerate(x)))
    if isinstance(x, dict):
        return ("dict", *((key, _key(part, data, f"{where}[{key!r}]")) for key, part in x.items()))
    if is_module(x):
        return ("module", _Same(x))
    raise ValueTypeError(
        f"compile: {where} is of type {type(x).__name__}; "
        "pass arrays, numbers, text, modules, or lists, tuples and dicts of them"
    )


def as_values(x: Any, inputs: list[Value]) -> Any:
    """The arguments for the function: arrays and floats as constants, appended to ``inputs``; settings as given."""
    if isinstance(x, list | tuple):
        parts = [as_values(part, inputs) for part in x]
        return type(x)(*parts) if hasattr(x, "_fields") else type(x)(parts)
    if isinstance(x, dict):
        return {key: as_values(part, inputs) for key, part in x.items()}
    if isinstance(x, np.ndarray) and not x.ndim and x.dtype.kind != "f":
        return x.item()
    if isinstance(x, Value):
        inputs.append(constant(x._data, x.name))
        return inputs[-1]
    if isinstance(x, np.ndarray | np.floating | float):
        inputs.append(constant(as_data(x, keep_integers=True, copy=False)))
        return inputs[-1]
    return x


def has_values(arguments: tuple[Any, ...], named: Mapping[str, Any]) -> bool:
    """Whether a Value is among the arguments."""
    return holds([*arguments, *named.values()], lambda x: isinstance(x, Value))


def live_value(arguments: tuple[Any, ...], named: Mapping[str, Any]) -> bool:
    """Whether a Value among the arguments requires a gradient."""
    return holds([*arguments, *named.values()], lambda x: isinstance(x, Value) and x.requires_grad)


def returned(found: Any, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> Any:
    """Results as the caller gets them: constants where a Value was among the arguments."""
    if not has_values(arguments, named):
        return found
    return mapped(lambda x, _: cut(x, "a compiled function"), found)
