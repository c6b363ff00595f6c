"""The structured functions, on Values or plain arrays: all that are not lines of the table of derivatives.

Every one whose first argument is a Value is also a method. A type stub, generated from the register, stands beside.
"""

from . import (  # noqa: F401  (each enters its functions)
    activations,
    calculus,
    casting,
    decompositions,
    einsums,
    fused_losses,
    joining,
    linalg,
    manipulation,
    norms,
    products,
    reductions,
    scans,
    selection,
    sorting,
    statistics,
    windows,
)
from .registry import STRUCTURED

__all__ = sorted(STRUCTURED)

globals().update({name: entry.call for name, entry in STRUCTURED.items()})
