"""How a picture looks: ``*_digraph`` functions write records as a ``graphviz.Digraph``, the text of a DOT file.

Colours, fonts, escaping and fixed positions are here. The room imports ``records`` and ``viz.errors``; it computes no
number and runs no renderer.
"""
