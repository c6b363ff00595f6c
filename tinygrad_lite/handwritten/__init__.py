"""``manual_backprop``: the forward and the backward pass as the Python source that a person would write.

``passes`` notes what each op computes and pulls back, ``loops`` finds samples that are treated alike, ``statements``
tidies the lines up, ``page`` sets them and ``file`` writes the whole.

The room imports ``programs``, ``formulas``, ``graph``, ``ops``, ``core`` and ``semirings``.
"""
