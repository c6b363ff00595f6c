r"""Escaping: any text becomes safe in a label or a tooltip.

Names are free text. DOT gives a meaning to quotes, backslashes (``\N`` is the node's own name), entities (``&lt;``),
braces and bars in records, and runs of spaces; XML refuses most control characters; Unicode can turn the direction of
all following text. The functions here take a user's text; the renderer then shows exactly this text.

The result holds no quote and no ``<``, so that ``graphviz.Digraph`` neither quotes it again nor takes it for HTML.
Escaped texts, and the ``{``, ``|`` and ``}`` of a record, can be concatenated.

Source: https://graphviz.org/docs/attr-types/escString/ and, for entities and records, the behaviour of Graphviz 16.1.
"""

from __future__ import annotations

import re

__all__ = ["LABEL_LIMIT", "TOOLTIP_LIMIT", "escape_label", "escape_tooltip", "visible"]


LABEL_LIMIT = 80
"""The largest number of characters in a label."""

TOOLTIP_LIMIT = 2_000
"""The largest number of characters in a tooltip."""

# Control characters are drawn as their Unicode pictures (NUL as U+2400 and so on), except the line feed.
_VISIBLE: dict[int, int | str] = {code: 0x2400 + code for code in range(0x20) if code != 0x0A}
_VISIBLE |= {0x09: "    ", 0x7F: 0x2421}
_VISIBLE |= dict.fromkeys(range(0x80, 0xA0), 0xFFFD)
_VISIBLE |= dict.fromkeys((0xFFFE, 0xFFFF), 0xFFFD)  # not characters in XML 1.0

_SURROGATES = re.compile("[\ud800-\udfff]")

_OPENED = re.compile("[\u202a\u202b\u202d\u202e]"), re.compile("[\u2066\u2067\u2068]")
_CLOSERS = "\u202c", "\u2069"

_ENTITIES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "{": "&#123;", "|": "&#124;", "}": "&#125;"}
)

# A record drops spaces at its ends, and all but one in a row: those are written as entities.
_DROPPED_SPACES = re.compile(r"^ | $|(?<= ) ", re.MULTILINE)


def visible(text: str, limit: int | None = None) -> str:
    r"""The text with every invisible character made visible, and every directional override closed at its line's end.

    Line ends become ``\n``, a tab four spaces, control characters their Unicode pictures; lone surrogates and
    non-characters, which XML cannot hold, become U+FFFD. A text longer than ``limit`` characters ends in "…".

    >>> visible("tab\there, bell\a")
    'tab    here, bell␇'
    >>> visible("a very long name", limit=7)
    'a very…'
    """
    if limit is not None and len(text) > limit:
        text = text[: limit - 1].rstrip() + "…"
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_VISIBLE)
    return "\n".join(map(_close_directions, _SURROGATES.sub("\ufffd", text).split("\n")))


def _close_directions(line: str) -> str:
    for opened, closer in zip(_OPENED, _CLOSERS, strict=True):
        line += closer * max(0, len(opened.findall(line)) - line.count(closer))
    return line


def escape_label(text: str, limit: int | None = LABEL_LIMIT, newline: str = r"\n") -> str:
    r"""The text as the label, or a part of it, of a node, an edge or a cluster, in a plain shape or in a record.

    ``newline`` ends each line: ``\n`` centres it, ``\l`` aligns it left, ``\r`` right.

    >>> print(escape_label('a "quoted" <b>name</b>'))
    a &quot;quoted&quot; &lt;b&gt;name&lt;/b&gt;
    >>> print(escape_label(r"\N is no {node|name}"))
    \\N is no &#123;node&#124;name&#125;
    """
    text = _DROPPED_SPACES.sub("&#32;", visible(text, limit).translate(_ENTITIES).replace("\\", r"\\"))
    return text.replace("\n", newline)


def escape_tooltip(text: str, limit: int | None = TOOLTIP_LIMIT) -> str:
    r"""The text as a tooltip. Graphviz unescapes tooltips twice: a backslash takes four.

    >>> print(escape_tooltip(r"a\b"))
    a\\\\b
    """
    return visible(text, limit).translate(_ENTITIES).replace("\\", r"\\\\").replace("\n", r"\n")
