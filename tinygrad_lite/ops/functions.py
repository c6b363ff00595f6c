"""The structured functions, on Values or plain arrays: every function that is not a line of the table of derivatives.

A function whose first argument is a Value is also a method. The type stub beside is generated from the register.
"""

from . import (  # noqa: F401, I001  (each enters its functions)
    activations, calculus, casting, decompositions, einsums, fused_losses, joining, linalg, manipulation, norms,
    products, rearrangement, reductions, selection, statistics, windows,
)  # fmt: skip
from .registry import STRUCTURED

__all__ = sorted(STRUCTURED)

globals().update({name: entry.call for name, entry in STRUCTURED.items()})
