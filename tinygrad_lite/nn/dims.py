"""The widths of a network's layers, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError

__all__ = ["checked_dims", "checked_width"]


def checked_width(width: Any, who: str, what: str) -> int:
    """A number of inputs or neurons: a whole number of at least 1.

    >>> checked_width(3, "Linear", "n_in")
    3
    """
    if not isinstance(width, int | np.integer) or isinstance(width, bool):
        raise ArgumentError(f"{who}: {what} is a whole number of at least 1, got {width!r}; pass an int")
    number = int(width)
    if number < 1:
        raise ArgumentError(
            f"{who}: {what} is a whole number of at least 1, got {number}; leave out what has no neurons"
        )
    return number


def checked_dims(n_in: Any, n_out: Any, who: str) -> list[int]:
    """The widths of a network, the inputs first, from (inputs, [layer, …]) or from one list of all.

    Raises ``ArgumentError`` unless there is at least one layer and every width is a whole number of at least 1.

    >>> checked_dims(2, [10, 2], "MLP"), checked_dims([2, 10, 2], None, "MLP")
    ([2, 10, 2], [2, 10, 2])
    """
    if n_out is None:
        if isinstance(n_in, str) or not _is_list(n_in):
            raise ArgumentError(
                f"{who}: needs the number of inputs and a list of layer widths, got {n_in!r} alone; "
                f"for example {who}(2, [10, 2])"
            )
        dims = list(n_in)
    else:
        if isinstance(n_out, str) or not _is_list(n_out):
            raise ArgumentError(f"{who}: needs a list of layer widths, got {n_out!r}; for example {who}(2, [10, 2])")
        dims = [n_in, *n_out]
    if len(dims) < 2:
        raise ArgumentError(
            f"{who}: needs at least one layer after the inputs, got the dims {dims}; for example {who}(2, [10, 2])"
        )
    return [checked_width(width, who, f"width {k} of the dims {dims}") for k, width in enumerate(dims)]


def _is_list(x: Any) -> bool:
    return isinstance(x, Sequence) or (hasattr(x, "ndim") and x.ndim == 1)
