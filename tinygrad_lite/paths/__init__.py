"""The paths that a gradient is the sum of: counted, summed, ranked, sampled and listed.

The room imports ``formulas``, ``graph``, ``core`` and ``semirings``.
"""

from .groups import Flow
from .path import Path
from .queries import GradientPaths, gradient_paths

__all__ = ["Flow", "GradientPaths", "Path", "gradient_paths"]
