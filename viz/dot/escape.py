r"""Any text at all, made safe to stand in a picture.

Names are free text. DOT gives a meaning to quotes, backslashes (``\N`` is the node's own name), entities (``&lt;``),
braces and bars in records, and runs of spaces; XML refuses most control characters; Unicode can turn the direction of
everything that follows. The functions here take the text of a user and return what comes out of the renderer as it.

The result holds no quote and no ``<``, so that ``graphviz.Digraph`` neither re-quotes it nor takes it for HTML, and it
can be put together with other escaped text, or with the ``{``, ``|`` and ``}`` of a record, by plain concatenation.

Source: https://graphviz.org/docs/attr-types/escString/ and, for entities and records, the behaviour of Graphviz 16.1.
"""

from __future__ import annotations

import re

__all__ = ["LABEL_LIMIT", "TOOLTIP_LIMIT", "escape_label", "escape_tooltip", "visible"]


LABEL_LIMIT = 80
"""Characters of a text that a label shows."""

TOOLTIP_LIMIT = 2_000
"""Characters of a text that a tooltip shows."""

# Control characters are drawn as their Unicode pictures (NUL as U+2400 and so on), except the line feed.
_VISIBLE: dict[int, int | str] = {code: 0x2400 + code for code in range(0x20) if code != 0x0A}
_VISIBLE |= {0x09: "    ", 0x7F: 0x2421}
_VISIBLE |= dict.fromkeys(range(0x80, 0xA0), 0xFFFD)
_VISIBLE |= dict.fromkeys((0xFFFE, 0xFFFF), 0xFFFD)  # not characters in XML 1.0

_SURROGATES = re.compile("[\ud800-\udfff]")

_OPENED = re.compile("[\u202a\u202b\u202d\u202e]"), re.compile("[\u2066\u2067\u2068]")
_CLOSERS = "\u202c", "\u2069"

_ENTITIES = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        '"': "&quot;",
        "{": "&#123;",
        "|": "&#124;",
        "}": "&#125;",
    }
)

# A record drops the spaces at its ends and all but one inside: those are written as entities.
_DROPPED_SPACES = re.compile(r"^ | $|(?<= ) ", re.MULTILINE)


def visible(text: str, limit: int | None = None) -> str:
    r"""The text as a picture can show it: nothing invisible is dropped, nothing leaks out of its line.

    Line ends become ``\n``, a tab four spaces, control characters their Unicode pictures, and what XML cannot hold
    (lone surrogates, non-characters) U+FFFD. Directional overrides that a line opens are closed at its end, so that
    they turn no other text. With a ``limit`` of characters a longer text ends in "…".

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
    r"""The text as (a part of) the label of a node, an edge or a cluster, in a plain shape or in a record.

    ``newline`` is how its lines end: ``\n`` centred, ``\l`` left, ``\r`` right.

    >>> print(escape_label('a "quoted" <b>name</b>'))
    a &quot;quoted&quot; &lt;b&gt;name&lt;/b&gt;
    >>> print(escape_label(r"\N is no {node|name}"))
    \\N is no &#123;node&#124;name&#125;
    """
    text = _DROPPED_SPACES.sub("&#32;", visible(text, limit).translate(_ENTITIES).replace("\\", r"\\"))
    return text.replace("\n", newline)


def escape_tooltip(text: str, limit: int | None = TOOLTIP_LIMIT) -> str:
    r"""The text as a tooltip, which Graphviz unescapes twice: a backslash takes four.

    >>> print(escape_tooltip(r"a\b"))
    a\\\\b
    """
    return visible(text, limit).translate(_ENTITIES).replace("\\", r"\\\\").replace("\n", r"\n")
