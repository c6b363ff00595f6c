"""Hand-written backpropagation, watched while it runs: which line leaves a wrong value, and what it should be.

The room imports ``graph``, ``core`` and ``semirings``.
"""
