"""The engine: values, the ops recorded on them, the table of derivatives, linear maps, and the sweeps over a graph.

A reader of ``backward`` reads this room and the semirings. It imports ``semirings`` and ``errors``.
"""
