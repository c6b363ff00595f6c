"""What "sum" and "product" mean.

The gradient is the sum, over all paths, of the product of the local derivatives along each. Over another semiring the
same sum over paths answers another question (M. Mohri, *Semiring frameworks and algorithms for shortest-distance
problems*, 2002), and the same sweep computes it. A semiring's elements are NumPy arrays, or plain numbers at scalars.
Axes before those of the data belong to the semiring (its components), so ``sum`` is always given negative axes.

The room imports ``errors`` alone.
"""

from __future__ import annotations

from .base import Semiring
from .counts import Count, LogCount
from .entropy import Entropy, LogMagnitude
from .grouped import Grouped
from .largest import Largest, MostExtreme
from .scaled import Scaled

__all__ = [
    "ACTIVE_COUNT",
    "COUNT",
    "ENTROPY",
    "GRADIENT",
    "LOG_COUNT",
    "LOG_MAGNITUDE",
    "MAGNITUDE",
    "MAX",
    "MOST_NEGATIVE",
    "MOST_POSITIVE",
    "SPECTRUM",
    "Semiring",
]

# Cost: each takes one sweep over the graph, as a backward pass does. How much longer one takes than one of GRADIENT is
# measured in benchmarks/. Sources: the sum over paths is F. L. Bauer's (1974), and W. Baur's and
# V. Strassen's (1983); that other sums and products answer other questions is M. Mohri's (2002).

GRADIENT: Scaled = Scaled("GRADIENT", lambda weight: weight)
"""The gradient: the sum of all contributions, + and ×. Units: those of the end per unit of the value."""

MAGNITUDE: Scaled = Scaled("MAGNITUDE", abs)
"""The sum of the absolute contributions of all paths: what flows before anything cancels. Units: the gradient's."""

COUNT: Count = Count("COUNT", structural=True)
"""How many paths there are, each local derivative counting as one. Exact integers of any size: ``int64`` arrays, and
arrays of Python's own integers where those do not hold them."""

ACTIVE_COUNT: Count = Count("ACTIVE_COUNT", structural=False)
"""How many paths have every local derivative different from zero. Exact integers of any size."""

LOG_COUNT: Semiring = LogCount()
"""The natural logarithm of the number of paths, in floats: -inf where there is none. It takes about as long as the
gradient, where exact numbers of hundreds of digits take several times as long."""

MAX: Semiring = Largest("MAX")
"""The largest absolute contribution of a single path (max, ×). Units: the gradient's."""

MOST_POSITIVE: MostExtreme = MostExtreme("MOST_POSITIVE", 1)
"""The largest contribution of a single path that is positive, 0 if none is. Units: the gradient's."""

MOST_NEGATIVE: MostExtreme = MostExtreme("MOST_NEGATIVE", -1)
"""The smallest contribution of a single path that is negative, 0 if none is. Units: the gradient's."""

ENTROPY: Semiring = Entropy()
"""The entropy of p = |contribution| / magnitude over all paths, -Σ p ln p, in nats: 0 for one that carries all, ln n
for n equal ones, 0 where nothing flows. Source: the expectation semiring of J. Eisner, *Parameter estimation for
probabilistic finite-state transducers*, 2002, and Z. Li and J. Eisner, 2009."""

LOG_MAGNITUDE: Semiring = LogMagnitude()
"""The natural logarithm of the magnitude, which does not underflow: -inf where nothing flows."""

SPECTRUM: Grouped = Grouped("SPECTRUM", (COUNT, GRADIENT, MAGNITUDE), start=0, extended=lambda length, node: length + 1)
"""By the length of the paths, in ops: ``{length: (count, total, magnitude)}``, each an array of the value's shape, the
shortest first. Its elements are polynomials in the length. Cost: three sweeps for each length that occurs."""
