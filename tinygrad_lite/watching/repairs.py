"""Small changes of a wrong line, tried until its value is right: each runs where the wrong line ran, on copies."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from types import FrameType
from typing import Any

import numpy as np

from .copies import fresh
from .edits import edits_of, with_value
from .expressions import as_read, impossible, parsed
from .recorder import numbers_of
from .scope import Scope
from .scripts import Unit
from .terms import terms_of

__all__ = ["Repair", "changed_lines", "lines_to_insert", "lines_with_a_term", "value_left"]

MOST_TRIED = 3_000
_A_TERM = 3


@dataclass(frozen=True)
class Repair:
    """A changed form of a unit's line, what it leaves where it was tried first, and how much is changed.

    ``key`` tells changes of a line apart. Where ``before`` is a unit, the change is a new line in front of that one.
    """

    unit: Unit
    changed: ast.stmt | ast.expr
    value: Any
    size: int
    key: str = ""
    before: Unit | None = None

    @cached_property
    def text(self) -> str:
        """The changed line as it is written."""
        return ast.unparse(self.changed) if self.before is not None else self.unit.written(self.changed)

    @cached_property
    def statement(self) -> ast.stmt | None:
        """The statement with the change in it; ``None`` where it is not found there, and for a new line."""
        return self.unit.whole(self.changed) if self.before is None else None


def changed_lines(unit: Unit, frame: FrameType, factors: Iterable[float]) -> Iterator[Repair]:
    """Changed forms of a unit's line that can run where ``frame`` is about to run it, each once, the smallest first."""
    tried: set[str] = set()
    for edit in edits_of(unit, Scope.of(unit, frame, factors)):
        text = ast.unparse(ast.fix_missing_locations(edit.changed))
        if text in tried or impossible(edit.changed):
            continue
        tried.add(text)
        if len(tried) > MOST_TRIED:
            break
        value = value_left(edit.changed, unit, frame)
        if value is not None:
            yield Repair(unit, edit.changed, value, edit.size, text)


def lines_with_a_term(unit: Unit, frame: FrameType, missing: Any, tolerance: float) -> Iterator[Repair]:
    """A unit's line with one more term, whose value is ``missing``, made of what ``frame`` has."""
    scope = Scope.of(unit, frame, ())
    for term in terms_of(missing, scope.numbers, scope.lengths, tolerance):
        changed = with_value(unit, _plus(unit.value, term))
        value = value_left(changed, unit, frame)
        if value is not None:
            yield Repair(unit, changed, value, _A_TERM, ast.unparse(ast.fix_missing_locations(changed)))


def lines_to_insert(unit: Unit, before: Unit, frame: FrameType, missing: Any, tolerance: float) -> Iterator[Repair]:
    """New lines that add what is ``missing`` to what a unit leaves, in front of a later one that ``frame`` runs."""
    scope = Scope.of(before, frame, ())
    assert isinstance(unit.target, ast.Name | ast.Attribute | ast.Subscript)
    for term in terms_of(missing, scope.numbers, scope.lengths, tolerance):
        op, text = (ast.Sub(), term[1:]) if term.startswith("-") else (ast.Add(), term)
        line = ast.fix_missing_locations(ast.AugAssign(unit.target, op, parsed(text)))
        yield Repair(unit, line, None, _A_TERM, ast.unparse(line), before)


def _plus(value: ast.expr, term: str) -> ast.expr:
    if term.startswith("-"):
        return ast.BinOp(value, ast.Sub(), parsed(term[1:]))
    return ast.BinOp(value, ast.Add(), parsed(term))


# ---- running a changed line


def value_left(changed: ast.stmt | ast.expr, unit: Unit, frame: FrameType) -> Any:
    """What a changed line leaves; ``None`` where it fails."""
    names = dict(frame.f_locals)
    if isinstance(changed, ast.stmt):
        for node in ast.walk(unit.target or unit.value):
            if isinstance(node, ast.Name) and node.id in names:
                names[node.id] = fresh(names[node.id])
    try:
        with np.errstate(all="ignore"):
            if isinstance(changed, ast.expr):
                code = compile(ast.fix_missing_locations(ast.Expression(changed)), "<a changed line>", "eval")
                return numbers_of(eval(code, frame.f_globals, names))
            code = compile(ast.fix_missing_locations(ast.Module([changed], [])), "<a changed line>", "exec")
            exec(code, frame.f_globals, names)
            assert unit.target is not None
            whole = None if unit.array is None else _read(unit.array, frame, names)
            return numbers_of(
                _read(unit.target, frame, names) if whole is None or isinstance(whole, dict | list) else whole
            )
    except Exception:  # a changed line may do anything that a line of Python can
        return None


def _read(target: ast.expr, frame: FrameType, names: dict[str, Any]) -> Any:
    """What a target holds."""
    tree = ast.fix_missing_locations(ast.Expression(as_read(target)))
    return eval(compile(tree, "<its target>", "eval"), frame.f_globals, names)
