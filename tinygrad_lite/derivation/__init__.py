"""How derivations are made: what ``tinygrad_lite.derivation`` is built of.

``numbers`` writes the gradient of one number: ``elements`` is the graph of elements between the two ends, ``factoring``
the sum over its paths with what they share outside the bracket, ``trees`` puts such sums into text, LaTeX and Python.
``arrays`` writes the gradients of whole arrays, of which ``matrices`` knows how each linear map is written.
"""
