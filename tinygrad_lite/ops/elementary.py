"""The functions of the table of derivatives, one for each line, as module attributes (typed in the stub beside)."""

from ..core.derivatives import TABLE
from ..core.elementwise import FUNCTIONS

__all__ = list(TABLE)


globals().update({name: FUNCTIONS[name] for name in __all__})  # FUNCTIONS also serves as the globals of expressions
