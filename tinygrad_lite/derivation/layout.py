"""Formulas broken into lines of at most 100 columns, with rows of numbers underneath if wanted."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["Layout", "WIDTH"]


WIDTH = 100
"""Columns of a line of text."""

_DEEPEST = 56
"""A bracket further to the right starts a line of its own."""


class Layout:
    """Pieces of text one after the other, over rows of numbers; a piece that does not fit starts a new line.

    >>> layout = Layout(rows=1)
    >>> layout.put("x = ")
    >>> layout.put("n30 · w", ["0.25 · 1"])
    >>> print(layout)
    x = n30 · w
        0.25 · 1
    """

    def __init__(self, rows: int = 0) -> None:
        self._done: list[str] = []
        self._rows = [""] * (1 + rows)
        self.margin = 0

    @property
    def column(self) -> int:
        """The column of the next piece."""
        return len(self._rows[0])

    def put(self, text: str, numbers: Sequence[str] = ()) -> None:
        """Append a piece, with the text below it in each row."""
        self.margin = min(self.margin, _DEEPEST + 4)
        width = max(len(text), *map(len, numbers)) if numbers else len(text)
        if self.column + width > WIDTH and self.column > self.margin:
            self.line(self.margin)
            text = text.lstrip()
        while len(text) + self.column > WIDTH:  # one piece longer than a line
            room = WIDTH - self.column
            cut = max(text.rfind(" ", 1, room) + 1, text.rfind("·", 1, room), 0) or room
            self._rows[0] += text[:cut]
            self.line(self.margin)
            text = text[cut:]
        last = len(self._rows) - 1
        below = [*numbers, *[""] * (last - len(numbers))]
        self._rows = [
            row + piece.ljust(width) for row, piece in zip(self._rows, [text, *below], strict=True)
        ]  # fmt: skip

    def line(self, column: int) -> None:
        """Start a new line at a column, or further to the left if there is too little room."""
        column = min(column, _DEEPEST + 4)
        self._done += [row.rstrip() for row in self._rows if row.strip()]
        self._rows = [" " * column] * len(self._rows)

    def head(self, text: str) -> None:
        """Append the left side of the equation; following lines start behind it, unless it is too long."""
        self.margin = 4
        self.put(text)
        self.margin = self.column if self.column <= _DEEPEST else 4

    def bracket(self) -> int:
        """The column of a bracket that opens here, or further to the left if there is little room."""
        if self.column > _DEEPEST:
            self.line(self.margin + 4)
        return self.column

    def __str__(self) -> str:
        return "\n".join([*self._done, *(row.rstrip() for row in self._rows if row.strip())])
