"""The colours of all pictures: told apart with any colour vision, and always six digits long.

Green and purple (PRGn) show the sign, which leaves the tutorials' red for the chosen weight and blue for its paths. No
meaning rests on colour alone: negative lines are dashed, the chosen weight is the thickest line and its name bold.

Source: C. Brewer's PRGn (https://colorbrewer2.org); M. Okabe and K. Ito, *Color universal design*, 2008.
"""

from __future__ import annotations

__all__ = [
    "CHOSEN",
    "CONSTANT",
    "FAINT",
    "INK",
    "MIXED",
    "NEGATIVE",
    "NEGATIVE_LINE",
    "NEGATIVE_PALE",
    "OP",
    "PATH",
    "POSITIVE",
    "POSITIVE_LINE",
    "POSITIVE_PALE",
    "TOP",
    "WHITE",
    "line_colour",
    "shade",
]


INK = "#222222"
FAINT = "#8a8a8a"
CONSTANT = "#767676"  # the lightest grey that is easy to read on white (WCAG 2.2, contrast 4.5)
OP = "#e9e9e9"
WHITE = "#ffffff"

CHOSEN = "#cc1020"
PATH = "#0072b2"

POSITIVE_LINE = "#4d9a55"
NEGATIVE_LINE = "#8e62a3"
POSITIVE_PALE = "#85bd8b"
NEGATIVE_PALE = "#b596c5"

POSITIVE = ("#eaf6e7", "#cdeac6", "#9fd498")
NEGATIVE = ("#f4ebf6", "#e2cfe8", "#c4a3d2")
MIXED = ("#f4f4f4", "#e6e6e6", "#d3d3d3")
"""Fills from weak to strong, each light enough for black text; ``MIXED`` is for an array with both signs."""

TOP = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#661100", "#332288", "#999933", "#aa4499")
"""Colours of the largest paths, all told apart."""


def line_colour(value: float, pale: bool = False) -> str:
    """The colour of a line by the sign of its number; ``pale`` where other lines matter more.

    >>> line_colour(0.5) == POSITIVE_LINE, line_colour(-0.5) == NEGATIVE_LINE
    (True, True)
    """
    if pale:
        return NEGATIVE_PALE if value < 0 else POSITIVE_PALE
    return NEGATIVE_LINE if value < 0 else POSITIVE_LINE


def shade(low: float, high: float, scale: float) -> str:
    """The fill for numbers between ``low`` and ``high``, where ``scale`` is the largest size in the picture.

    A size is strong from a tenth of the scale, medium from a hundredth, weak below, and 0 is white. Gradients span
    decades: a linear scale would leave all but a few of them white.

    >>> shade(0.5, 0.5, 1.0) == POSITIVE[2], shade(-0.02, -0.02, 1.0) == NEGATIVE[1], shade(0.0, 0.0, 1.0) == WHITE
    (True, True, True)
    """
    size = max(abs(low), abs(high))
    if not size > 0 or not scale > 0:  # NaN too
        return WHITE
    fills = POSITIVE if low >= 0 else NEGATIVE if high <= 0 else MIXED
    return fills[2 if size >= scale / 10 else 1 if size >= scale / 100 else 0]
