"""What "sum" and "product" mean.

The gradient is the sum, over all paths, of the product of the local derivatives along each. Over another semiring the
same sum over paths answers another question (M. Mohri, *Semiring frameworks and algorithms for shortest-distance
problems*, 2002), and the same sweep computes it. A semiring's elements are NumPy arrays, or plain numbers at scalars.
Axes before those of the data belong to the semiring (its components), so ``sum`` is always given negative axes.
"""

from __future__ import annotations

from .base import Linear, Semiring
from .counts import Count
from .logarithms import Entropy, Largest, LogMagnitude

__all__ = [
    "ACTIVE_COUNT",
    "COUNT",
    "ENTROPY",
    "GRADIENT",
    "LOG_MAGNITUDE",
    "MAGNITUDE",
    "MAX",
    "MOST_NEGATIVE",
    "MOST_POSITIVE",
    "Semiring",
]

GRADIENT: Semiring = Linear("GRADIENT", lambda weight: weight)
"""The gradient: + and ×. Units: those of the end per unit of the value."""

MAGNITUDE: Semiring = Linear("MAGNITUDE", abs)
"""The sum of the absolute contributions of all paths: what flows before anything cancels. Units: the gradient's."""

COUNT: Semiring = Count("COUNT", structural=True)
"""How many paths there are, each local derivative counting as one. Exact integers of any size."""

ACTIVE_COUNT: Semiring = Count("ACTIVE_COUNT", structural=False)
"""How many paths have every local derivative different from zero. Exact integers of any size."""

MAX: Semiring = Largest("MAX", "size")
"""The largest absolute contribution of a single path. Units: the gradient's."""

MOST_POSITIVE: Semiring = Largest("MOST_POSITIVE", "positive")
"""The largest contribution of a single path that is positive, 0 if none is. Units: the gradient's."""

MOST_NEGATIVE: Semiring = Largest("MOST_NEGATIVE", "negative")
"""The smallest contribution of a single path that is negative, 0 if none is. Units: the gradient's."""

ENTROPY: Semiring = Entropy()
"""The entropy of |contribution| / magnitude over all paths, in nats: 0 for one that carries all, ln n for n equal."""

LOG_MAGNITUDE: Semiring = LogMagnitude()
"""The natural logarithm of the magnitude, which does not underflow: -inf where nothing flows."""
