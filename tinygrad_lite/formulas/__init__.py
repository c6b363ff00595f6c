"""Formulas: expressions read off a graph, and printed as text, LaTeX or Python.

The room imports ``ops`` and ``core``.
"""
