"""The widths of texts: in Helvetica, and as the layout takes them.

Source: Adobe Font Metrics of Helvetica; Arial, Liberation Sans and Nimbus Sans have the same widths.
"""

from __future__ import annotations

import unicodedata

__all__ = ["BOLD", "fitted_width", "text_width"]

BOLD = 1.06
"""How much wider Helvetica-Bold is."""


_BY_WIDTH = {
    191: "'", 222: "ijl", 260: "|", 278: " \xa0!,./:;I[\\]ft·", 333: "()-`r²³", 334: "{}", 355: '"', 389: "*",
    469: "^", 500: "Jcksvxyz", 556: "#$0123456789?L_abdeghnopqu–", 584: "+<=>~×−", 611: "FTZ", 667: "&ABEKPSVXY",
    722: "CDHNRUw", 778: "GOQ", 833: "Mm", 889: "%", 944: "W", 1000: "…←→", 1015: "@",
}  # fmt: skip
_WIDTHS = {character: width for width, characters in _BY_WIDTH.items() for character in characters}
"""Thousandths of the font's size."""

_OTHER = 556
"""Letters of other alphabets, and mathematical signs, have about this width."""


def text_width(text: str, size: float) -> float:
    """The width of a text in Helvetica of this size, in points; other scripts are estimated.

    >>> text_width("w200", 10.0), text_width("日本", 10.0)
    (23.9, 20.0)
    """
    return size * sum(map(_width, text)) / 1000


def _width(character: str) -> int:
    known = _WIDTHS.get(character)
    if known is not None:
        return known
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):  # accents, and marks of direction
        return 0
    return 1000 if unicodedata.east_asian_width(character) in "WF" else _OTHER


def fitted_width(text: str, size: float) -> float:
    """The width that a text may take where the layout has made room for it, in points.

    Graphviz gives every byte of a character beyond ASCII the width of a space: two thirds of what some take.

    >>> fitted_width("w200", 10.0), round(fitted_width("日本", 10.0), 2)
    (23.9, 16.68)
    """
    return size * sum(min(_width(c), 278 * len(c.encode())) if ord(c) > 127 else _width(c) for c in text) / 1000
