"""The chain rule written out, as a person would: ``derive``.

``scalars`` writes the gradient of one number: ``elements`` is the graph of elements between the two ends, ``factoring``
factors the sum over its paths, ``trees`` prints such sums as text, LaTeX and Python. ``arrays`` writes the gradients of
whole arrays: ``matrices`` sweeps over formulas, and ``notation`` says how each operation on them is written.

The room imports ``paths``, ``formulas``, ``graph``, ``ops``, ``core`` and ``semirings``.
"""

from .derivation import derive
from .result import Derivation, Term

__all__ = ["Derivation", "Term", "derive"]
