"""The text of an SVG in the room that the layout made for it, whatever fonts a reader has.

Graphviz measures text in Helvetica. Where neither Helvetica nor a font of the same widths is installed (plain Linux:
DejaVu Sans is a seventh wider), a text would run over its box; ``textLength`` holds it to the measured width.
"""

from __future__ import annotations

import html
import re

from ..dot.metrics import BOLD, fitted_width

__all__ = ["fitted"]


_GRAPHVIZ_FONT = 'font-family="Helvetica,sans-Serif"'
_FONTS = 'font-family="Helvetica,Arial,Liberation Sans,Nimbus Sans,sans-serif"'

_TEXT = re.compile(r"<text ([^>]*)>([^<]*)</text>")
_SIZE = re.compile(r'font-size="([\d.]+)"')

_SHORT = 2
"""Characters that have room in every box."""


def fitted(svg: bytes) -> bytes:
    """Graphviz's SVG with fonts of Helvetica's widths first, and each text as wide as the layout measured it.

    >>> fitted(b'<text font-size="10.00">w200</text>').decode()
    '<text font-size="10.00" textLength="23.90" lengthAdjust="spacingAndGlyphs">w200</text>'
    """
    return _TEXT.sub(_held, svg.decode().replace(_GRAPHVIZ_FONT, _FONTS)).encode()


def _held(found: re.Match[str]) -> str:
    attributes, text = found[1], found[2]
    shown, size = html.unescape(text), _SIZE.search(attributes)  # Graphviz's xml:space keeps the spaces at the ends
    if len(shown.strip(" ")) <= _SHORT or size is None:
        return f"<text {attributes}>{text}</text>"
    width = fitted_width(shown, float(size[1])) * (BOLD if 'font-weight="bold"' in attributes else 1.0)
    return f'<text {attributes} textLength="{width:.2f}" lengthAdjust="spacingAndGlyphs">{text}</text>'
