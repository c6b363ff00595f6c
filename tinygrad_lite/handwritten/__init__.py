"""``manual_backprop``: the forward and the backward pass as the Python source that a person would write.

``passes`` runs each op's own code, and its maps' ``pull`` under a semiring of ``program``, on traced arrays.
``program`` turns their NumPy calls into lines, which ``spelling`` writes and ``statements`` keeps; ``tidying`` inlines,
drops and names lines. ``loops`` finds samples that are computed alike. ``page`` breaks lines that are too long,
``file`` writes the whole.

The room imports ``programs``, ``formulas``, ``graph``, ``ops``, ``core`` and ``semirings``.
"""
