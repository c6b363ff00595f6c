"""The functions of the table of derivatives, one for each line, as module attributes (typed in the stub beside)."""

from .elementwise import FUNCTIONS

globals().update(FUNCTIONS)

__all__ = list(FUNCTIONS)
