"""Tidying up a program of one operation a line, as a person would.

Lines that nothing reads go. A line that is read once moves into its reader, unless it has a name of its own or the
reader would become long. A variable that is left without a name is named after what made it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence

from ..core.elementwise_derivatives import TABLE
from ..formulas.code import name_of
from ..formulas.symbols import names_in, walk
from ..programs.calls import Slot, needed, read_once
from .statements import Line, Statements, tidied

__all__ = ["tidy"]

LONGEST = 48
"""Variables, numbers and operations in one line."""

_MADE_BY = {
    "back": "bincount zeros",
    "chosen": "where",
    "diff": "sub subtract",
    "e": "exp",
    "product": "matmul mul multiply prod",
    "s": "sigmoid",
    "shaped": "reshape",
    "share": "div divide",
    "squared": "square",
    "ties": "equal",
    "top": "max",
    "total": "add sum",
}
"""The names of nameless results: the ops and functions that make them. Other results take the name of theirs."""
_WORDS = {verb: word for word, verbs in _MADE_BY.items() for verb in verbs.split()}


def tidy(program: Statements, outputs: Sequence[ast.expr]) -> tuple[list[Line], list[ast.expr]]:
    """Drop, inline and name. Returns the lines that are left, and the expressions of the ``outputs`` in their names."""
    ends = [program.line("", value, section="output") for value in outputs]
    lines = [line for line in [*program.calls, *ends] if isinstance(line, Line)]
    _rename(lines, program.aliases)
    for step in (lambda lines: lines, lambda lines: _inlined(lines, program.scalar)):
        lines = [line for line in needed(step(lines), {end.out for end in ends}) if isinstance(line, Line)]
    _rename(lines, _named(lines, program.named))
    return [line for line in lines if line.section != "output"], [end.value for end in ends]


def _rename(lines: Sequence[Line], names: Mapping[str, str]) -> None:
    def change(part: ast.expr) -> ast.expr | None:
        return name_of(names.get(part.id, part.id)) if isinstance(part, ast.Name) else None

    for line in lines:
        line.target = names.get(line.target, line.target)
        line.value = walk(line.value, change)
        line.key = None if line.key is None else walk(line.key, change)


def _inlined(lines: Sequence[Line], scalar: bool) -> list[Line]:
    once = read_once(lines, ())
    last: dict[Slot, int] = {}
    changes: dict[Slot, list[int]] = {}
    for k, line in enumerate(lines):
        for slot in line.slots():
            last[slot] = k
        if line.how != "=" or line.key is not None:
            changes.setdefault(line.out, []).append(k)
    inside: dict[str, ast.expr] = {}

    def change(part: ast.expr) -> ast.expr | None:
        return inside.get(part.id) if isinstance(part, ast.Name) else None

    def put_in(line: Line) -> None:
        line.value = walk(line.value, change)
        line.key = None if line.key is None else walk(line.key, change)

    left: list[Line] = []
    for k, line in enumerate(lines):
        put_in(line)
        line.value = tidied(line.value)
        if line.out not in last or line.kept:
            left.append(line)
            continue
        reader = lines[last[line.out]]
        fits = line.out in once and line.size + reader.size <= LONGEST
        stays = not any(k < c <= last[line.out] for slot in line.slots() for c in changes.get(slot, ()))
        if stays and (fits or _is_cheap(line.value, scalar)):
            inside[line.target] = line.value
            if line.out in once:
                put_in(reader)
        else:
            left.append(line)
    return left


def _is_cheap(e: ast.expr, scalar: bool) -> bool:
    """Whether a person would rather repeat the expression than name it."""
    if isinstance(e, ast.Name | ast.Constant):
        return True
    if not scalar:
        return isinstance(e, ast.Attribute) and isinstance(e.value, ast.Name)
    parts = [part for part in ast.walk(e) if isinstance(part, ast.expr)]
    return len(parts) <= 3 and not any(isinstance(part, ast.Call) for part in parts)  # a - b


def _named(lines: Iterable[Line], new_name: Callable[[str], str]) -> dict[str, str]:
    """A name for each target without one, after the op or function that made it; ``new_name`` makes a word unique."""
    names: dict[str, str] = {}
    for line in lines:
        if line.target.startswith("%") and line.target not in names:
            word = line.verb
            if word.startswith("d_"):
                word = f"d_{names[word[2:]]}" if word[2:] in names else "delta"
            elif word in TABLE and word not in _WORDS:  # tanh_x
                read = names_in(line.value.args) if isinstance(line.value, ast.Call) else []
                word = f"{word}_{names.get(read[0], read[0])}" if len(read) == 1 else "h"
            names[line.target] = new_name(_WORDS.get(word, word) or "h")
    return names
