"""Expression trees with Values as their variables: symbols, and the walks over a tree.

An expression is a tree of Python's ``ast`` in the language of the table of derivatives (names, numbers, arithmetic,
calls, ``where``), in which each variable is a ``Symbol``: one element of one Value.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import Any

from ..core.shapes import Index
from ..core.value import Value

__all__ = ["Block", "Symbol", "key", "names_in", "substituted", "symbols", "walk"]


class Symbol(ast.Name):
    """One element of a Value as a variable; the whole array if ``index`` is ``None``.

    Two Values with the same name are two symbols: a symbol is identified by its Value. ``shown`` replaces the name
    where an expression stands for each sample; ``full`` is the replacement in LaTeX, where that differs.
    """

    full: str | None = None

    def __init__(self, value: Value, index: Index | None = (), shown: str | None = None) -> None:
        super().__init__(id=f"v{id(value)}{'' if index is None else list(index)}{shown or ''}", ctx=ast.Load())
        self.value = value
        self.index = index
        self.shown = shown

    @property
    def data(self) -> Any:
        """The number at the recorded point; an array for a whole array."""
        return self.value.data[self.index] if self.index else self.value.data


class Block(Symbol):
    """A part that people write in another notation than Python, a product of matrices for example.

    ``text`` and ``latex`` are printed already, with the precedence ``level``; ``code`` is the expression to compute.
    """

    def __init__(self, text: str, latex: str, code: ast.expr, level: int) -> None:
        ast.Name.__init__(self, id=f"block:{text}", ctx=ast.Load())
        self.text, self.latex, self.code, self.level = text, latex, code, level
        self.shown = text


def key(expression: ast.expr) -> str:
    """Equal for equal expressions."""
    return ast.dump(expression)


def symbols(expression: ast.expr) -> list[Symbol]:
    """The variables of an expression, each once, in the order of reading."""
    found: dict[str, Symbol] = {}
    stack: list[ast.AST] = [expression]
    while stack:
        node = stack.pop()
        if isinstance(node, Symbol) and not isinstance(node, Block):
            found.setdefault(node.id, node)
        stack += reversed(list(ast.iter_child_nodes(node)))
    return list(found.values())


def walk(e: ast.expr, change: Callable[[ast.expr], ast.expr | None]) -> ast.expr:
    """The expression in which ``change`` replaced parts, the outermost first; where it returns ``None`` a part stays.

    >>> sum_of_two = ast.parse("f(x) + 1", mode="eval").body
    >>> ast.unparse(walk(sum_of_two, lambda e: ast.Constant(2) if isinstance(e, ast.Call) else None))
    '2 + 1'
    """
    found = change(e)
    if found is not None:
        return found
    changed: dict[str, Any] = {}
    for field, part in ast.iter_fields(e):
        if isinstance(part, ast.expr):
            changed[field] = walk(part, change)
        elif isinstance(part, list) and part and isinstance(part[0], ast.expr):
            changed[field] = [walk(item, change) for item in part]
        elif isinstance(part, list) and part and isinstance(part[0], ast.keyword):
            changed[field] = [ast.keyword(item.arg, walk(item.value, change)) for item in part]
    if not changed:
        return e
    return type(e)(**{field: changed.get(field, part) for field, part in ast.iter_fields(e)})


def substituted(e: ast.expr, change: Callable[[Symbol], ast.expr]) -> ast.expr:
    """The expression with other symbols in it; blocks stay."""
    return walk(e, lambda part: change(part) if isinstance(part, Symbol) and not isinstance(part, Block) else None)


def names_in(expressions: Iterable[ast.expr]) -> list[str]:
    """The names of the variables and functions in expressions, as often as they occur."""
    return [node.id for e in expressions for node in ast.walk(e) if isinstance(node, ast.Name)]
