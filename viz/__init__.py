"""Pictures of what tinygrad_lite computes: computation graphs, gradient paths, networks.

Each function returns a ``Drawing``, which shows itself in a notebook and saves itself as SVG, PNG, PDF or DOT. Curves,
bars and heat maps are in ``viz.plots``; ``explore`` writes a page to click through a graph in.

>>> import tempfile
>>> import viz
>>> from tinygrad_lite import Value
>>> x = Value(3.0, name="x")
>>> y = x * x + x
>>> with tempfile.TemporaryDirectory() as folder:
...     viz.graph(y).save(f"{folder}/graph.svg").name
'graph.svg'
>>> viz.paths(y, x)
<Drawing: 3 nodes, 4 edges; .save("picture.svg") writes it>
"""

from tinygrad_lite._aliases import install

from . import plots
from ._aliases import MOVED
from .dot.draw_graph import graph
from .dot.draw_network import network
from .dot.draw_paths import paths
from .errors import DrawingTooLargeError, FormatError, RendererMissingError, RenderError, RenderWarning
from .explorer.page import explore
from .output.drawing import Drawing

__all__ = [
    "Drawing",
    "DrawingTooLargeError",
    "FormatError",
    "RenderError",
    "RenderWarning",
    "RendererMissingError",
    "explore",
    "graph",
    "network",
    "paths",
    "plots",
]

install(MOVED)
