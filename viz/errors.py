"""What can go wrong in a picture, in the project's own words."""

from __future__ import annotations

from tinygrad_lite.errors import ArgumentError, MissingExtraError, TinygradError

__all__ = ["DrawingTooLargeError", "FormatError", "RenderError", "RenderWarning", "RendererMissingError"]


class RenderError(TinygradError, RuntimeError):
    """A renderer was asked and gave no picture."""


class RendererMissingError(RenderError, MissingExtraError):
    """No renderer for this format is installed: the message says what to install."""


class DrawingTooLargeError(TinygradError, ValueError):
    """More nodes than can be laid out in a reasonable time, or read afterwards."""


class FormatError(ArgumentError):
    """A format or an engine that does not exist, or that do not go together."""


class RenderWarning(UserWarning):
    """The picture is there, but something in it may not be as asked."""
