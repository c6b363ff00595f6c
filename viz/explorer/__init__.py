"""A page to explore a graph in: click a weight, see its paths; step through backpropagation.

Everything that the page says is computed here, when it is made: ``contents`` takes the numbers out of the engine,
``listing`` the elementary edges that paths are listed from, ``picture`` lays the graph out, and ``page`` writes it all
into one file with ``page.css`` and the files of ``script``, which show and light up what they are given.

The room imports ``records``, ``dot``, ``output``, ``viz.errors`` and ``tinygrad_lite``.
"""

from .page import explore

__all__ = ["explore"]
