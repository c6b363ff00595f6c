"""Compiled functions: a function is captured once, and replayed as NumPy calls, Python or machine code.

The room imports ``programs``, ``transforms``, ``optim``, ``ops``, ``core``, ``semirings`` and ``files``.
"""

from .step import CompiledStep, compile

__all__ = ["CompiledStep", "compile"]
