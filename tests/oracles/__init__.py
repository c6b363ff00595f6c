"""Oracles: formulas, differences, plain recursion. None of them uses the project's derivative code."""
