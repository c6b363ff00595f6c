"""What can go wrong, in the project's own words.

Every message names the function, the rule, the input that breaks it, and the way out. Each class is also the built-in
exception that a caller would expect, so that ``except ValueError`` works.
"""

from __future__ import annotations

__all__ = [
    "ArgumentError",
    "CompilerFaultError",
    "DifferentGradientsError",
    "FallbackWarning",
    "GraphError",
    "IndexRangeError",
    "MissingExtraError",
    "NonFiniteError",
    "ShapeError",
    "TinygradError",
    "UnknownNameError",
    "ValueTypeError",
]


class TinygradError(Exception):
    """Base of every error that this package raises on purpose."""


class ShapeError(TinygradError, ValueError):
    """Shapes that do not go together."""


class ArgumentError(TinygradError, ValueError):
    """An argument that the function does not accept."""


class UnknownNameError(ArgumentError):
    """A name that nothing in the graph or the module bears."""


class IndexRangeError(TinygradError, IndexError, ValueError):
    """An index outside the array."""


class ValueTypeError(TinygradError, TypeError):
    """A type that cannot be a Value, or an operation that a Value does not take part in."""


class GraphError(TinygradError, RuntimeError):
    """A question to a graph that is gone, cut or out of date."""


class NonFiniteError(TinygradError, ArithmeticError, ValueError):
    """An infinite number, or one that is not a number, where it would spoil an answer."""


class DifferentGradientsError(TinygradError, RuntimeError):
    """Two ways to the same gradient do not agree."""


class CompilerFaultError(TinygradError, RuntimeError):
    """The compiler made code that it can prove wrong, and refuses to run. The fault is the package's, not the user's.

    >>> print(CompilerFaultError("`add(b0, b1, b0)` reads nothing"))  # doctest: +ELLIPSIS
    compile: an internal fault, found before anything ran: `add(b0, b1, b0)` reads nothing; please report it ...
    """

    def __init__(self, what: str) -> None:
        super().__init__(
            f"compile: an internal fault, found before anything ran: {what}; please report it together with your "
            "function, and call the function without compile until then"
        )


class FallbackWarning(UserWarning):
    """A compiled step computed a call as without compile, which is right and slow."""


class MissingExtraError(TinygradError, RuntimeError):
    """An optional package is needed: the message names the extra that brings it."""
