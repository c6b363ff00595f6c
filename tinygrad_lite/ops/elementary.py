"""The functions of the table of derivatives, one for each line, as module attributes (typed in the stub beside)."""

from ..core.elementwise import FUNCTIONS
from ..core.elementwise_derivatives import TABLE

__all__ = list(TABLE)


globals().update({name: FUNCTIONS[name] for name in __all__})  # FUNCTIONS also serves as the globals of expressions
