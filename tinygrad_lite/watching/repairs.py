"""Small changes of a wrong line, tried until its value is right: each runs where the wrong line ran, on copies."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np

from .copies import fresh
from .edits import changes_of
from .expressions import as_read, impossible
from .recorder import numbers_of
from .scope import Scope
from .scripts import Unit

__all__ = ["Repair", "changed_lines", "repaired"]

MOST_TRIED = 3_000


@dataclass(frozen=True)
class Repair:
    """A changed line, and what it leaves; or the changed ``statement``, where it was tried in every turn of a loop."""

    text: str
    value: Any
    statement: ast.stmt | None = None


def repaired(unit: Unit, frame: FrameType, right: Callable[[Any], bool], factors: Iterable[float]) -> Iterator[Repair]:
    """The changed forms of a unit's line whose value is ``right``, tried where ``frame`` is about to run it."""
    for changed in changed_lines(unit, frame, factors):
        value = _left(changed, unit, frame)
        if value is not None and right(value):
            yield Repair(unit.written(changed), value)


def changed_lines(unit: Unit, frame: FrameType, factors: Iterable[float]) -> Iterator[ast.stmt | ast.expr]:
    """Changed forms of a unit's line that can run, each once: the likely ones first."""
    tried: set[str] = set()
    for changed in changes_of(unit, Scope.of(unit, frame, factors)):
        text = ast.unparse(ast.fix_missing_locations(changed))
        if text in tried or impossible(changed):
            continue
        tried.add(text)
        if len(tried) > MOST_TRIED:
            break
        yield changed


# ---- running a changed line


def _left(changed: ast.stmt | ast.expr, unit: Unit, frame: FrameType) -> Any:
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
            target = ast.Expression(as_read(unit.array or unit.target))
            return numbers_of(
                eval(compile(ast.fix_missing_locations(target), "<its target>", "eval"), frame.f_globals, names)
            )
    except Exception:  # a changed line may do anything that a line of Python can
        return None
