"""Copies of what a program may change: arrays, containers and objects of the user's own classes."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

__all__ = ["fresh", "unmoved"]

_DEEPEST = 8
_LIBRARIES = {"builtins", "numpy", "torch", "tinygrad_lite", "jax", "functools", "types", "random"}


def unmoved(number: Any) -> Any:
    """A copy of an array; a float as it is."""
    return number.copy() if isinstance(number, np.ndarray) else number


def fresh(
    value: Any,
    own: Callable[[Any], Any] = lambda it: it,
    memo: dict[int, Any] | None = None,
    depth: int = 0,
    moved: Callable[[Any], Any] = unmoved,
) -> Any:
    """A copy of an array, a container or an object, with copies of those inside it; anything else as it is.

    ``own`` gives the form that functions and classes have in the copy. ``memo`` holds the copies by the identity of
    what they are of, so that what was one object stays one. ``moved`` makes the copies of arrays and of
    floats, which may be other numbers.
    """
    memo = {} if memo is None else memo
    if id(value) in memo:
        return memo[id(value)]
    made = value
    if isinstance(value, FunctionType | type):
        return own(value)
    if isinstance(value, ModuleType):
        return value
    if isinstance(value, np.ndarray):
        made = memo[id(value)] = moved(value)
    elif isinstance(value, float | np.floating):
        made = moved(value)
    elif hasattr(value, "detach") and hasattr(value, "clone"):  # a tensor of PyTorch
        made = memo[id(value)] = value.detach().clone().requires_grad_(value.requires_grad)
    elif depth < _DEEPEST:
        if type(value) is dict:
            made = memo[id(value)] = {}
            made.update((key, fresh(item, own, memo, depth + 1, moved)) for key, item in value.items())
        elif type(value) is list:
            made = memo[id(value)] = []
            made.extend(fresh(item, own, memo, depth + 1, moved) for item in value)
        elif type(value) is tuple:
            made = tuple(fresh(item, own, memo, depth + 1, moved) for item in value)
        elif type(value) is set:
            made = memo[id(value)] = set(value)
        elif _is_an_object(value):
            with contextlib.suppress(TypeError):  # a lock, a file
                made = memo[id(value)] = copy.copy(value)
                if (its := own(type(value))) is not type(value):
                    made.__class__ = its
                vars(made).update(
                    (name, fresh(item, own, memo, depth + 1, moved)) for name, item in vars(value).items()
                )
    return made


def _is_an_object(value: Any) -> bool:
    """Whether it is an instance of a class of the user's, with attributes of its own."""
    if not isinstance(getattr(value, "__dict__", None), dict):
        return False
    return type(value).__module__.partition(".")[0] not in _LIBRARIES
