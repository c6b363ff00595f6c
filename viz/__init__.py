"""Pictures of what tinygrad_lite computes: computation graphs, gradient paths, networks.

Each function returns a ``Drawing``, which shows itself in a notebook and saves itself as SVG, PNG, PDF or DOT. Curves,
bars and heat maps are in ``viz.plots``; ``explore`` writes an HTML page to click through a graph.

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

The rooms, each of which imports only those before it: ``records`` (what a picture shows), ``dot`` (how it looks),
``output`` (engines and files), then ``pictures``, ``plots`` and ``explorer`` on top.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._aliases import MOVED, install

if TYPE_CHECKING:
    from . import plots
    from .errors import DrawingTooLargeError, FormatError, RendererMissingError, RenderError, RenderWarning
    from .explorer.page import explore
    from .output.drawing import Drawing
    from .pictures import graph, network, paths

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

_ROOMS = ("dot", "errors", "explorer", "output", "pictures", "plots", "records")

_ELSEWHERE = {"Drawing": "output.drawing", "explore": "explorer.page"} | dict.fromkeys(
    ("DrawingTooLargeError", "FormatError", "RenderError", "RenderWarning", "RendererMissingError"), "errors"
)
"""Where the public names are defined that are not in ``pictures``."""

install()


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used, so that ``import viz`` loads neither the engine nor a renderer."""
    if name in _ROOMS or f"viz.{name}" in MOVED:
        return import_module(f"viz.{name}")
    if name not in __all__:
        raise AttributeError(f"module 'viz' has no attribute {name!r}")
    found = getattr(import_module(f"viz.{_ELSEWHERE.get(name, 'pictures')}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
