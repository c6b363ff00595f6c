"""Checks of gradients: against a hand-written one, finite differences, the complex step, and for the first NaN.

The room imports ``watching``, ``paths``, ``transforms``, ``graph``, ``ops``, ``core`` and ``semirings``.
"""
