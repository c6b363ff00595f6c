"""The functions that a replay's code calls while it runs, and the exceptions that it raises."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.value import Value
from .capture import Guard, same

__all__ = ["Missed", "OptimizerFailedError", "OverflowedError", "all_floats", "check", "fitting", "real", "references"]
__all__ += ["stepped"]


class Missed(Exception):
    """The replay does not fit the data it was given; ``str`` says what changed."""


class OverflowedError(ArithmeticError):
    """A sigmoid's exponential overflowed, which only careful code gets right."""


class OptimizerFailedError(Exception):
    """The optimizer raised ``error`` after the gradients were stored: nothing may be done again."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def fitting(seen: Any, data: Any, value: Value) -> Any:
    """New data of a leaf, if its shape and dtype are those that the code was made for."""
    if type(data) is not type(seen) or data.shape != seen.shape or data.dtype != seen.dtype:
        now = f"{data.dtype} {data.shape}" if isinstance(data, np.ndarray) else "a float"
        raise Missed(f"the data of {value.name or 'a parameter'!r} became {now}")
    return data


def all_floats(data: Sequence[Any]) -> Sequence[Any]:
    """The data, if all of them are floats."""
    if {*map(type, data)} != {float}:
        raise Missed("a parameter that was one number became an array")
    return data


def references() -> int:
    """The answer of ``getrefcount`` for a buffer that only the list of buffers and a local variable hold."""
    buffers = [np.empty(1)]
    buffer = buffers[0]
    return sys.getrefcount(buffer)


def stepped(optimizer: Any) -> None:
    """The optimizer's own step."""
    try:
        optimizer.step()
    except Exception as error:
        raise OptimizerFailedError(error) from None


def real(x: Any) -> float:
    """A power, unless it is complex, where eager has nan."""
    if type(x) is not float:
        raise OverflowedError("complex")
    return x


def check(guard: Guard, *data: Any) -> None:
    """``Missed`` unless the guard holds."""
    if not same(guard.function(*data), guard.found):
        raise Missed(guard.what)
