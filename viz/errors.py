"""The errors and warnings of pictures."""

from __future__ import annotations

from tinygrad_lite.errors import ArgumentError, MissingExtraError, TinygradError

__all__ = ["DrawingTooLargeError", "FormatError", "RenderError", "RenderWarning", "RendererMissingError"]


class RenderError(TinygradError, RuntimeError):
    """A renderer failed, or took longer than its limit."""


class RendererMissingError(RenderError, MissingExtraError):
    """No renderer for this format is installed: the message says what to install."""


class DrawingTooLargeError(TinygradError, ValueError):
    """More nodes than a renderer lays out in a reasonable time, or a person can read."""


class FormatError(ArgumentError):
    """An unknown format, engine or direction, or an engine that does not write the format."""


class RenderWarning(UserWarning):
    """The picture was drawn, but a part of it may be wrong."""
