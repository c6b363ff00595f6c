"""A page to explore a graph in: click a weight, see its paths; step through backpropagation.

Python computes every number on the page when it writes the page. ``contents`` collects them (``asked``, ``statistics``,
``listing``, ``derivations``, ``steps``), ``picture`` prepares the laid-out graph, and ``page`` writes one file with
``page.css`` and the files of ``script``, which only show and highlight. The room imports ``records``, ``dot``,
``output``, ``viz.errors`` and ``tinygrad_lite``.
"""

from .page import explore

__all__ = ["explore"]
