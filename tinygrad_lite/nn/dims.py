"""The arguments of layers, checked: widths, and functions given by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from ..errors import ArgumentError, UnknownNameError, ValueTypeError
from ..graph import naming

__all__ = ["checked_dims", "checked_width", "named"]

F = TypeVar("F", bound=Callable[..., Any])


def named(given: str | F, known: Mapping[str, F], none: str, needs: str, operands: str) -> F:
    """The function that a name stands for among the ``known`` ones; a function stands for itself.

    ``none`` and ``needs`` start the messages; ``operands`` says what the function is of.

    Raises ``UnknownNameError`` for an unknown name, ``ValueTypeError`` for anything but a name or a function.
    """
    names = ", ".join(known)
    if not isinstance(given, str):
        if not callable(given):
            got = type(given).__name__
            raise ValueTypeError(f"{needs} a name or a function of {operands}, got {got}; the names are {names}")
        return given
    if given not in known:
        near = naming.closest(given, known)
        perhaps = f"did you mean {near[0]!r}? " if near else ""
        raise UnknownNameError(f"{none} called {given!r}; {perhaps}there are {names}, or pass a function of {operands}")
    return known[given]


def checked_width(width: Any, who: str, what: str) -> int:
    """A number of inputs or neurons: a whole number of at least 1.

    >>> checked_width(3, "Linear", "n_in")
    3
    """
    whole = isinstance(width, int | np.integer) and not isinstance(width, bool)
    if not whole or width < 1:
        advice = "leave out what has no neurons" if whole else "pass an int"
        got = int(width) if whole else repr(width)
        raise ArgumentError(f"{who}: {what} is a whole number of at least 1, got {got}; {advice}")
    return int(width)


def checked_dims(n_in: Any, n_out: Any, who: str) -> list[int]:
    """The widths of a network, the inputs first, from (inputs, [layer, …]) or from one list of all.

    Raises ``ArgumentError`` unless there is at least one layer and every width is a whole number of at least 1.

    >>> checked_dims(2, [10, 2], "MLP"), checked_dims([2, 10, 2], None, "MLP")
    ([2, 10, 2], [2, 10, 2])
    """
    example = f"for example {who}(2, [10, 2])"
    widths = n_in if n_out is None else n_out
    if isinstance(widths, str) or not (isinstance(widths, Sequence) or (hasattr(widths, "ndim") and widths.ndim == 1)):
        needs, alone = ("the number of inputs and ", " alone") if n_out is None else ("", "")
        raise ArgumentError(f"{who}: needs {needs}a list of layer widths, got {widths!r}{alone}; {example}")
    dims = list(widths) if n_out is None else [n_in, *widths]
    if len(dims) < 2:
        raise ArgumentError(f"{who}: needs at least one layer after the inputs, got the dims {dims}; {example}")
    return [checked_width(width, who, f"width {k} of the dims {dims}") for k, width in enumerate(dims)]
