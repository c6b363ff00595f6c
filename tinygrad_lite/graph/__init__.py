"""Questions to a recorded graph by name: which Value, which module, which sample.

The room imports ``core`` and ``semirings``.
"""
