"""What can go wrong, in the project's own words.

Every message names the function, the rule, the input that breaks it, and the way out. Each class is also the built-in
exception that a caller would expect, so that ``except ValueError`` works.
"""

from __future__ import annotations

__all__ = [
    "ArgumentError",
    "DifferentGradientsError",
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


class MissingExtraError(TinygradError, RuntimeError):
    """An optional package is needed: the message names the extra that brings it."""
