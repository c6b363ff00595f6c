"""Pictures of what tinygrad_lite computes: computation graphs, gradient paths, networks."""

from viz.drawing import Drawing
from viz.errors import DrawingTooLargeError, FormatError, RendererMissingError, RenderError, RenderWarning

__all__ = [
    "Drawing",
    "DrawingTooLargeError",
    "FormatError",
    "RenderError",
    "RenderWarning",
    "RendererMissingError",
]
