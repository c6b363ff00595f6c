"""Expressions of Python as trees: their parts, and copies with another part."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

__all__ = [
    "Sizes",
    "as_read",
    "copied",
    "impossible",
    "literal",
    "parsed",
    "parts_of",
    "transposed",
    "turned",
    "with_part",
]

Tree = TypeVar("Tree", bound=ast.AST)


def parts_of(value: ast.expr) -> Iterator[tuple[tuple[Any, ...], ast.expr]]:
    """The expressions inside another, each with the fields that lead to it."""
    stack: list[tuple[tuple[Any, ...], Any]] = [((), value)]
    while stack:
        path, node = stack.pop(0)
        if isinstance(node, ast.expr):
            yield path, node
        for name, child in ast.iter_fields(node):
            if name == "func" and isinstance(child, ast.Attribute):
                stack.append(((*path, "func", "value"), child.value))
            elif isinstance(child, list):
                stack += [
                    ((*path, name, k), item) for k, item in enumerate(child) if isinstance(item, ast.expr | ast.keyword)
                ]
            elif isinstance(child, ast.expr) and name != "func":
                stack.append(((*path, name), child))


def with_part(value: ast.expr, path: Sequence[Any], new: ast.expr) -> ast.expr:
    """A copy of an expression with another at the end of a path."""
    if not path:
        return new
    made = copied(value)
    holder: Any = made
    for step in path[:-1]:
        holder = holder[step] if isinstance(step, int) else getattr(holder, step)
    if isinstance(path[-1], int):
        holder[path[-1]] = new
    else:
        setattr(holder, path[-1], new)
    return made


def parsed(text: str) -> ast.expr:
    """The expression that a text is."""
    return ast.parse(text, mode="eval").body


def transposed(node: ast.expr) -> ast.expr:
    """``a.T`` for ``a``, and ``a`` for ``a.T``."""
    if isinstance(node, ast.Attribute) and node.attr == "T":
        return node.value
    return ast.Attribute(node, "T", ast.Load())


def turned(node: ast.expr, yes: bool) -> ast.expr:
    """An expression, transposed or not."""
    return transposed(node) if yes else node


def copied(node: Tree) -> Tree:
    """A copy of a tree. ``copy.deepcopy`` takes several times as long."""
    made = type(node)()
    for name, child in vars(node).items():
        if isinstance(child, ast.AST):
            child = copied(child)
        elif isinstance(child, list):
            child = [copied(item) if isinstance(item, ast.AST) else item for item in child]
        setattr(made, name, child)
    return made


def literal(number: float | int | None) -> ast.expr:
    """A number as it is written."""
    if number is not None and number < 0:
        return ast.UnaryOp(ast.USub(), ast.Constant(-number))
    return ast.Constant(number)


def as_read(target: ast.expr) -> ast.expr:
    """A target as the expression that reads it."""
    made = copied(target)
    for node in ast.walk(made):
        if hasattr(node, "ctx"):
            node.ctx = ast.Load()
    return made


def impossible(tree: ast.AST) -> bool:
    """Whether a tree takes an item of what has no such item, as ``5[0]`` or ``(2, 3)[0, 1]``: Python warns of it.

    >>> impossible(parsed("x + 5[:, None]")), impossible(parsed("x[5] + [x, y][0]"))
    (True, False)
    """
    items = (node for node in ast.walk(tree) if isinstance(node, ast.Subscript))
    return any(_has_no_item(node.value, node.slice) for node in items)


def _has_no_item(whose: ast.expr, index: ast.expr) -> bool:
    match whose:
        case ast.Constant(value=value):
            return not isinstance(value, str | bytes)
        case ast.UnaryOp(operand=ast.Constant()):
            return True
        case ast.Set() | ast.SetComp() | ast.GeneratorExp() | ast.Lambda():
            return True
        case ast.Tuple() | ast.List() | ast.ListComp():
            no_number = isinstance(index, ast.Constant) and not isinstance(index.value, int)
            return no_number or isinstance(index, ast.Tuple | ast.List)
    return False


_PLAIN = {f"={n:g}" for n in (0, 0.5, 1, 1.5, 2, 3)}
"""The numbers that a derivative has without saying what they count."""


class Sizes:
    """The sizes of changes: how many words of Python come, or go, whichever are more.

    A number in the place of a name counts two more, and so does one that a person would have a name for.

    >>> Sizes().of_change(parsed("2 * w"), parsed("3 * w")), Sizes().of_change(parsed("a - b"), parsed("b - a"))
    (1, 1)
    >>> Sizes().of_change(parsed("x / n"), parsed("x")), Sizes().of_change(parsed("x / n"), parsed("x / 4"))
    (2, 5)
    """

    def __init__(self) -> None:
        self._words: dict[int, tuple[ast.AST, Counter[str]]] = {}
        """By the identity of a tree; the tree is kept, so that no other has its identity."""

    def of_change(self, old: ast.AST, new: ast.AST) -> int:
        """The size of the change from one tree to another."""
        before, after = self._words_of(old), self._words_of(new)
        come, go = after - before, before - after
        size = max(come.total(), go.total(), 1)
        numbers = {word for word in come if word[0] == "="}
        instead = bool(numbers) and any(word.isidentifier() for word in go)
        return size + 2 * instead + 2 * (not numbers <= _PLAIN)

    def _words_of(self, tree: ast.AST) -> Counter[str]:
        known = self._words.get(id(tree))
        if known is None:
            words = Counter(_words_at(tree))
            for child in ast.iter_child_nodes(tree):
                words += self._words_of(child)
            known = self._words[id(tree)] = tree, words
        return known[1]


def _words_at(node: ast.AST) -> list[str]:
    """The words that a node adds to those of its parts: a name, ``=2.0`` for a number, the sign of an operation."""
    match node:
        case ast.Name(id=name):
            return [name]
        case ast.Constant(value=value):
            number = isinstance(value, int | float) and not isinstance(value, bool)
            return [f"={float(value):g}" if number else repr(value)]  # type: ignore[arg-type]
        case ast.Attribute(attr=name) | ast.keyword(arg=str() as name):
            return [f".{name}"]
        case ast.operator() | ast.unaryop() | ast.cmpop() | ast.boolop():
            return [f"<{type(node).__name__}>"]
        case ast.Subscript() | ast.Slice() | ast.Lambda() | ast.AugAssign():
            return [f"<{type(node).__name__}>"]
    return []
