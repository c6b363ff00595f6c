"""The structured functions, on Values or plain arrays: every function that is not a line of the table of derivatives.

A function whose first argument is a Value is also a method. The type stub beside is generated from the register.
"""

from . import (  # noqa: F401, I001  (each enters its functions)
    activations, applying, calculus, casting, covariance, decompositions, editing, eigen, einsums, fourier,
    fused_losses, grids, joining, least_squares, linalg, norms, polynomials, products, quantiles,
    rearrangement, reductions, reshaping, selection, special, statistics, windows,
)  # fmt: skip
from .registry import STRUCTURED

__all__ = sorted(STRUCTURED)

globals().update({name: entry.call for name, entry in STRUCTURED.items()})
