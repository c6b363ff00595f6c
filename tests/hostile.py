"""Names that a user may give a Value and that must break nothing: no text, no picture, no source."""

from __future__ import annotations

HOSTILE = [
    'say "hi"',
    '"]; n9 [label="x',
    "back\\slash \\N \\n",
    "<b>bold</b>",
    "</text></svg><script>alert(1)</script>",
    "{a|b} & &amp; ]]>",
    "two\nlines",
    "日本語 😀 שלום",
    "\u202eoverride",
]
