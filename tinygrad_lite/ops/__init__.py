"""The structured ops: reductions, rearrangements, products, decompositions; their names as methods and in NumPy.

Each op is a forward function and a chain of linear maps. The room imports ``core`` and ``semirings``.
"""
