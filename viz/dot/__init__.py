"""Records written as Graphviz DOT.

The room imports ``records``.
"""
