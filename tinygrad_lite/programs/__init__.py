"""NumPy calls as data: a program that was traced, simplified, and is written out by a back end.

The room imports ``formulas`` and ``core``.
"""
