"""Nested tuples, lists and dicts of numbers, arrays and Values, as functions take and return them.

A leaf is named by the path to it, as a person would write it in Python: ``x[0]['w']``. A NamedTuple's fields are named,
and a module stands for the dict of its parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..core.conversions import plain_array
from ..core.value import Value, as_data, constant
from ..errors import ArgumentError, TinygradError, ValueTypeError

__all__ = ["filled", "holds", "is_module", "leaves", "mapped", "matched", "number"]


def is_module(x: Any) -> bool:
    """Whether it has parameters by name."""
    return hasattr(x, "named_parameters") and not isinstance(x, type)


def _parts(tree: Any) -> list[tuple[str, Any]] | None:
    """What a container holds, each part with how it is reached; ``None`` for a leaf."""
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return [(f".{name}", part) for name, part in zip(tree._fields, tree, strict=True)]
    if isinstance(tree, list | tuple):
        return [(f"[{k}]", part) for k, part in enumerate(tree)]
    if isinstance(tree, dict):
        return [(f"[{key!r}]", part) for key, part in tree.items()]
    if is_module(tree):
        return [(f"[{name!r}]", part) for name, part in tree.named_parameters().items()]
    return None


def _like(tree: Any, parts: Sequence[Any]) -> Any:
    """A container of the same form; a dict by name in the place of a module."""
    if isinstance(tree, tuple):
        return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)
    if isinstance(tree, list):
        return list(parts)
    return dict(zip(tree if isinstance(tree, dict) else tree.named_parameters(), parts, strict=True))


def mapped(
    function: Callable[[Any, str], Any], tree: Any, path: str = "", module: Callable[[Any, str], Any] | None = None
) -> Any:
    """The same containers, with ``function(leaf, path)`` in the place of each leaf, or ``module(…)`` in a module's.

    >>> mapped(lambda x, path: (path, 2 * x), {"w": [1, 5]}, "x")
    {'w': [("x['w'][0]", 2), ("x['w'][1]", 10)]}
    """
    if module is not None and is_module(tree):
        return module(tree, path)
    parts = _parts(tree)
    if parts is None:
        return function(tree, path)
    return _like(tree, [mapped(function, part, path + step, module) for step, part in parts])


def leaves(tree: Any, path: str = "") -> list[tuple[str, Any]]:
    """Every leaf with its path, in order."""
    found: list[tuple[str, Any]] = []
    mapped(lambda leaf, where: found.append((where, leaf)), tree, path)
    return found


def filled(tree: Any, values: Iterable[Any]) -> Any:
    """The same containers with other leaves, in order."""
    rest = iter(values)
    return mapped(lambda leaf, path: next(rest), tree)


def holds(tree: Any, wanted: Callable[[Any], bool]) -> bool:
    """Whether anything in the containers, or the whole, is wanted. Modules are not looked into.

    >>> holds({"w": [1.0, Value(2.0)]}, lambda x: isinstance(x, Value))
    True
    """
    if wanted(tree):
        return True
    return not is_module(tree) and any(holds(part, wanted) for _, part in _parts(tree) or ())


def number(x: Any, path: str, who: str, hint: str) -> Value:
    """A leaf as a Value: itself, or a constant of a number or an array of numbers.

    Raises ``ValueTypeError`` for anything else, with the path to it.
    """
    if isinstance(x, Value):
        return x
    x = plain_array(x, f"{who}: {path}")
    if not isinstance(x, bool | np.bool_):
        try:
            return constant(as_data(x, keep_integers=True, copy=False))
        except TinygradError:
            pass
    kind = f"an array of dtype {x.dtype}" if isinstance(x, np.ndarray) else "None" if x is None else type(x).__name__
    raise ValueTypeError(f"{who}: {path} is {kind}, not a number or an array of numbers; {hint}")


def matched(tree: Any, like: Sequence[tuple[str, Value]], path: str, who: str) -> list[Any]:
    """The leaves of ``tree``, which has one for each of ``like``, of the same shape and dtype: data or Values.

    Raises ``ArgumentError`` where the containers differ, or a shape does.
    """
    given = leaves(tree, path)
    if len(given) != len(like):
        raise ArgumentError(
            f"{who}: {path} has {len(given)} leaves where {len(like)} are needed, "
            f"for {', '.join(where for where, _ in like[:8])}; nest it in the same containers"
        )
    found = []
    for (own, leaf), (other, model) in zip(given, like, strict=True):
        value = number(leaf, own, who, "give a number or an array for each")
        if value.shape != model.shape:
            raise ArgumentError(f"{who}: {own} has shape {value.shape}, {other} has {model.shape}; they must be equal")
        found.append(value)
    return found
