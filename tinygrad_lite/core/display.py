"""How a Value is shown: as text, as error messages name it, and as a small HTML table with every text escaped."""

from __future__ import annotations

import html
import reprlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .op import CONSUMED

__all__ = ["Cell", "array_table", "as_html", "as_text", "clipped", "describe", "table"]


Cell = str | float | int | None

_ROWS = _COLUMNS = 12
"""Rows and columns of an array that are shown one by one."""

_TEXT = 600
"""Characters of a text that are shown: of a longer one the beginning and the end."""

_STYLE = "text-align:{align};padding:2px 8px;font-family:monospace;white-space:pre"


def clipped(text: str, limit: int = _TEXT) -> str:
    r"""The text, or of a longer one the beginning and the end. What UTF-8 cannot hold is a question mark.

    >>> clipped("a" * 1000, 9), clipped("short"), clipped("half an emoji: \ud83d")
    ('aaaa…aaaa', 'short', 'half an emoji: ?')
    """
    if len(text) > limit:
        text = f"{text[: (limit - 1) // 2]}…{text[-((limit - 1) // 2) :]}"
    return text.encode("utf-8", "replace").decode()


def _escaped(text: str) -> str:
    return html.escape(clipped(text))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]], note: str = "") -> str:
    """A table with a heading; numbers have six digits and stand to the right.

    >>> print(table("a < b", ["name", "value"], [["x", 0.5]]))
    <table><caption style="text-align:left">a &lt; b</caption><thead>...<td ...>0.5</td></tr></tbody></table>
    """
    head = "".join(f'<th style="text-align:left;padding:2px 8px" scope="col">{_escaped(name)}</th>' for name in columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    foot = f'<div style="opacity:.7">{_escaped(note)}</div>' if note else ""
    return (
        f'<table><caption style="text-align:left">{_escaped(title)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{foot}"
    )


def array_table(title: str, data: Any) -> str:
    """An array of up to two axes as a table; of a large one the first rows and columns, and a note that says so."""
    grid = np.atleast_2d(data)
    rows: list[list[Cell]] = [[str(i), *map(float, row[:_COLUMNS])] for i, row in enumerate(grid[:_ROWS])]
    shown = f"{min(len(grid), _ROWS)}×{min(grid.shape[1], _COLUMNS)}"
    cut = grid.shape[0] > _ROWS or grid.shape[1] > _COLUMNS
    columns = ["", *map(str, range(min(grid.shape[1], _COLUMNS)))]
    return table(title, columns, rows, f"the first {shown} of {grid.shape[0]}×{grid.shape[1]}" if cut else "")


def _cell(cell: Cell) -> str:
    if cell is None:
        return "<td></td>"
    text = cell if isinstance(cell, str) else str(cell) if isinstance(cell, int) else f"{cell + 0.0:.6g}"
    style = _STYLE.format(align="left" if isinstance(cell, str) else "right")
    return f'<td style="{style}">{_escaped(text)}</td>'


def as_text(value: Any) -> str:
    """The ``repr`` of a Value: its number, its elements if they are few, else their range; then what else it holds."""
    data = value._data
    if data is None:
        return "Value(<freed by backward(keep='leaves')>)"
    if type(data) is float:
        parts = [f"{data:.6g}"]
    else:
        some = f"{data.min():.4g} … {data.max():.4g}" if data.size else "empty"
        few = data.size <= 12
        parts = [np.array2string(data, precision=4, separator=", ", prefix="Value(") if few else some]
        parts.append(f"shape={data.shape}")
        if data.dtype != np.float64:
            parts.append(f"dtype={data.dtype}")
    if value.name is not None:
        parts.append(f"name={reprlib.repr(value.name)}")
    if value._made_by is not None:
        parts.append(f"op={value._made_by.name!r}")
    if type(value._grad) is float:
        parts.append(f"grad={value._grad:.6g}")
    elif value._grad is not None:
        parts.append(f"|grad|={np.linalg.norm(value.grad):.4g}")
    if not value.requires_grad:
        parts.append("requires_grad=False")
    return f"Value({', '.join(parts)})"


def describe(x: Any) -> str:
    """A Value, or what should have been one, as an error message names it."""
    if not hasattr(x, "_made_by"):  # no Value, which is defined above this
        shape = np.shape(x)
        return f"an array of shape {shape}" if shape else f"the number {x!r}"
    if x._data is None:
        return f"the Value {reprlib.repr(x.name)}" if x.name else "a Value"
    kind = f"of shape {x.shape}" if x.shape else f"{x._data:.6g}"
    if x._made_by is CONSUMED:
        return f"{reprlib.repr(x.name) if x.name else 'a nameless Value'} ({kind}, its graph freed)"
    if x.name is not None:
        return f"{reprlib.repr(x.name)} ({kind})"
    if x._made_by is not None:
        return f"a nameless result of {x._made_by.name!r} ({kind})"
    return f"a nameless {'leaf' if x.requires_grad else 'constant'} ({kind})"


def as_html(value: Any) -> str:
    """What a notebook shows of a Value: tables of a vector or a matrix and of its gradient, else its ``repr``."""
    if value._data is None or not 1 <= value.ndim <= 2 or not value.size:
        return f"<pre>{html.escape(repr(value))}</pre>"
    shown = array_table(repr(value) if value.name is None else value.name, value._data)
    return shown + (array_table("gradient", value.grad) if value._grad is not None else "")
