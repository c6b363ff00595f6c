"""What a rewritten program consists of: its units, and the operations of each."""

from __future__ import annotations

import ast
import linecache
from dataclasses import dataclass, field
from functools import cached_property

from .expressions import copied
from .spelling import changed_text, text_of

__all__ = ["WATCH", "Change", "Place", "Script", "Unit"]

WATCH = "__watch__"
"""The name of the recorder in the rewritten program."""


@dataclass(frozen=True)
class Place:
    """A line of a file, from a column on."""

    file: str
    line: int
    column: int


@dataclass(frozen=True)
class Unit:
    """A place where a value gets its name.

    ``statement`` is the statement as written. ``value`` is the expression of the value, ``target`` what it is stored
    in; without a target the value is an item of a display, an argument of a call or what a function returns.
    ``name`` is the last part of the name that the value gets: ``dW`` in ``self.dW``, ``"W"`` in ``grads["W"]``.
    """

    number: int
    place: Place
    statement: ast.stmt
    value: ast.expr
    target: ast.expr | None
    name: str | None
    function: str
    """The name of the function that the unit is in."""

    @cached_property
    def loaded(self) -> frozenset[str]:
        """The names that the statement reads."""
        names = (node for node in ast.walk(self.statement) if isinstance(node, ast.Name))
        return frozenset(name.id for name in names)

    @property
    def array(self) -> ast.expr | None:
        """The array of which the unit assigns an item, and which is whole only afterwards."""
        if isinstance(self.target, ast.Subscript) and not isinstance(self.target.slice, ast.Constant):
            return self.target.value
        return None

    @property
    def stands_alone(self) -> bool:
        """Whether the unit's own value is shown, because the statement has more of them."""
        return self.target is None and self.name is not None

    @property
    def text(self) -> str:
        """The source of the statement, or of the value alone where the statement has more of them."""
        return text_of(self.value if self.stands_alone else self.statement, self._lines)

    @property
    def column(self) -> int:
        """The character of its line, from 0, that it begins with: ``place`` counts bytes, as ``ast`` does."""
        line = "".join(self._lines[self.place.line - 1 : self.place.line])
        return len(line.encode()[: self.place.column].decode(errors="replace"))

    @property
    def _lines(self) -> list[str]:
        return linecache.getlines(self.place.file)

    def written(self, changed: ast.stmt | ast.expr) -> str:
        """The text of a changed form of the unit, to stand in the place of ``text``."""
        if isinstance(changed, ast.expr) and not self.stands_alone:
            changed = self.whole(changed) or changed
        old = self.value if isinstance(changed, ast.expr) else self.statement
        return changed_text(old, changed, self._lines)

    def whole(self, changed: ast.stmt | ast.expr) -> ast.stmt | None:
        """The statement with a changed value of this unit in it; ``None`` where the unit's own value is not found."""
        if isinstance(changed, ast.stmt):
            return changed
        made = copied(self.statement)
        for node in ast.walk(made):
            for name, child in ast.iter_fields(node):
                if self._is_the_value(child):
                    setattr(node, name, changed)
                    return made
                for k, item in enumerate(child) if isinstance(child, list) else ():
                    if self._is_the_value(item):
                        child[k] = changed
                        return made
        return None

    def _is_the_value(self, node: object) -> bool:
        """Whether a part of the statement is this unit's value, and not another that reads the same."""
        own = self.value
        return (
            isinstance(node, ast.expr)
            and (node.lineno, node.col_offset) == (own.lineno, own.col_offset)
            and ast.dump(node) == ast.dump(own)
        )


@dataclass
class Script:
    """The units of a rewritten program, and the unit that each operation belongs to."""

    units: list[Unit] = field(default_factory=list)
    operations: list[int] = field(default_factory=list)
    """The number of the unit of every operation."""


@dataclass(frozen=True)
class Change:
    """Another statement in the place of that of a unit, or a new one in ``front`` of it."""

    unit: Unit
    statement: ast.stmt
    front: bool = False
