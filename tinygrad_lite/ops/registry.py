"""The register of structured functions: one ``@function`` on a definition makes it one.

The register fills ``functions`` (and with it ``tg.*``), Value's methods, NumPy's functions on Values, the type stubs
and the coverage page.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from ..core.elementwise_derivatives import TABLE
from ..errors import ArgumentError

__all__ = ["NUMPY", "STRUCTURED", "Entry", "for_numpy", "function"]

F = TypeVar("F", bound=Callable[..., Any])


class Entry(NamedTuple):
    """A structured function, and what the readers of the register need to know about it."""

    call: Callable[..., Any]
    method: bool
    """Whether it is a method of its first argument."""
    returns: str
    """The type of its result in the stubs, where its first argument is a Value."""
    dense: bool
    """Whether its local derivative is a ``Dense`` map."""
    orders: str
    """The orders of derivatives that it has, for the coverage page."""
    note: str
    """A remark for the coverage page."""


STRUCTURED: dict[str, Entry] = {}
"""The structured functions by name."""

NUMPY: dict[Any, Callable[..., Any]] = {}
"""What is called for a function of NumPy's, a ufunc, or a ufunc's method such as ``np.add.reduce``."""


def for_numpy(*functions: Any) -> Callable[[F], F]:
    """Call the decorated function when one of NumPy's ``functions`` gets a Value.

    It takes their arguments by NumPy's names. ``None`` stands for a function that the installed NumPy lacks.

    Raises ``ArgumentError`` if one of them is taken.
    """

    def entered(call: F) -> F:
        for each in filter(None, functions):
            if each in NUMPY:
                raise ArgumentError(f"for_numpy: {NUMPY[each].__name__} is called for {each!r} already; enter it once")
            NUMPY[each] = call
        return call

    return entered


def function(
    *,
    numpy: Any = (),
    method: bool = True,
    returns: str = "Value",
    dense: bool = False,
    orders: str = "all",
    note: str = "",
) -> Callable[[F], F]:
    """Enter the decorated function as a structured function, by its own name.

    ``numpy`` is the function of NumPy's, or a tuple of them, that it stands for on Values (see ``for_numpy``, which
    also decorates a function of its own where NumPy's arguments differ). The other arguments are those of ``Entry``.

    Raises ``ArgumentError`` if the name is taken, by another structured function or by a line of the table.

    >>> @function()
    ... def sum(x):
    ...     return x
    Traceback (most recent call last):
    ...
    tinygrad_lite.errors.ArgumentError: function: there is a function named 'sum' already; choose another name
    """

    def entered(call: F) -> F:
        name = call.__name__
        if name in STRUCTURED or name in TABLE:
            raise ArgumentError(f"function: there is a function named {name!r} already; choose another name")
        STRUCTURED[name] = Entry(call, method, returns, dense, orders, note)
        return for_numpy(*(numpy if isinstance(numpy, tuple) else (numpy,)))(call)

    return entered
