"""NumPy calls as data: the calls that an op makes, noted once, then tidied and printed by a back end.

``compiler`` prints fast code (buffers, ``out=``), ``handwritten`` readable code (names, comments).
The room imports ``core``.
"""
