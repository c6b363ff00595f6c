"""The text of a line as its author wrote it, and that of a changed line in the same hand.

A tree says nothing of quotes, spaces and parentheses that are not needed. What a change leaves as it is keeps its text.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

__all__ = ["changed_text", "text_of"]

_HEADED = (ast.For, ast.While, ast.If, ast.With)
"""Statements with a block, of which the first line is shown."""


class _Block:
    """Some lines of a file, and the places of nodes in them."""

    def __init__(self, lines: Sequence[str], first: int) -> None:
        self.text = "".join(lines)
        self._lines, self._first = lines, first
        self._starts = [0]
        for line in lines:
            self._starts.append(self._starts[-1] + len(line))

    def span(self, node: ast.stmt | ast.expr) -> tuple[int, int]:
        """Where the text of a node begins and ends; of a statement with a block that of its head."""
        start, last = self._at(node.lineno, node.col_offset), node
        if isinstance(node, _HEADED):
            last = _head(node)
        assert last.end_lineno is not None
        assert last.end_col_offset is not None
        end = self._at(last.end_lineno, last.end_col_offset)
        return start, end if last is node else self.text.index(":", end) + 1

    def of(self, node: ast.stmt | ast.expr) -> str:
        start, end = self.span(node)
        return self.text[start:end]

    def _at(self, line: int, column: int) -> int:
        """A place in the text. ``ast`` counts columns in bytes of UTF-8."""
        k = line - self._first
        return self._starts[k] + len(self._lines[k].encode()[:column].decode(errors="replace"))


def text_of(node: ast.stmt | ast.expr, lines: Sequence[str]) -> str:
    """The text of a node as it stands in the lines of its file; as Python writes it where they have another one there.

    >>> text_of(ast.parse("a['w']  =  'x'").body[0], ["a['w']  =  'x'"])
    "a['w']  =  'x'"
    """
    block = _block(node, lines)
    return _bare(node) if block is None else _moved(block.of(node), block)


def changed_text(old: ast.stmt | ast.expr, new: ast.stmt | ast.expr, lines: Sequence[str]) -> str:
    """The text of a changed node: that of ``old``, with another text only where ``new`` is another.

    >>> line = 'd["w"] = (a*b).sum( axis=0 )  # "w"'
    >>> new = ast.parse("d['w'] = (a*c).sum(axis=0)").body[0]
    >>> changed_text(ast.parse(line).body[0], new, [line])
    'd["w"] = (a*c).sum( axis=0 )'
    """
    ast.fix_missing_locations(new)
    block = _block(old, lines)
    if block is None:
        return _bare(new)
    start, end = block.span(old)
    known = {_bare(node): block.of(node) for node in _expressions(old)}
    for before, after in reversed([*_narrowed(old, new)]):
        a, b = (start, end) if before is old else block.span(before)
        text = _with_known(after, known)
        in_parentheses = _around(block.text, a, b)
        for inner, (left, right) in ((text, in_parentheses), (text, (a, b)), (f"({text})", (a, b))):
            made = block.text[start:left] + inner + block.text[right:end]
            if _says(made, new):
                return _moved(made, block)
    return _bare(new)


def _around(text: str, start: int, end: int) -> tuple[int, int]:
    """A place in a text and the parentheses around it, if there are some."""
    before, after = text[:start].rstrip(), text[end:].lstrip()
    if before.endswith("(") and after.startswith(")"):
        return len(before) - 1, len(text) - len(after) + 1
    return start, end


def _block(node: ast.stmt | ast.expr, lines: Sequence[str]) -> _Block | None:
    """The lines that a node stands on, if they are the node."""
    first, last = getattr(node, "lineno", 0), getattr(node, "end_lineno", None) or 0
    if not 0 < first <= last <= len(lines):
        return None
    block = _Block(lines[first - 1 : last], first)
    return block if _says(block.of(node), node) else None


def _narrowed(old: ast.AST, new: ast.AST) -> Iterator[tuple[ast.stmt | ast.expr, ast.stmt | ast.expr]]:
    """Nodes that hold all that was changed, each with what stands in its place: the whole first, smaller ones after."""
    while True:
        if isinstance(old, ast.stmt | ast.expr) and isinstance(new, ast.stmt | ast.expr):
            yield old, new
        if type(old) is not type(new):
            return
        pairs = [*_children(old, new)]
        others = [(a, b) for a, b in pairs if _dumped(a) != _dumped(b)]
        if len(others) != 1:
            return
        before, after = others[0]
        if not (isinstance(before, ast.AST) and isinstance(after, ast.AST)):
            return
        old, new = before, after


def _children(old: ast.AST, new: ast.AST) -> Iterator[tuple[object, object]]:
    for name in old._fields:
        a, b = getattr(old, name, None), getattr(new, name, None)
        if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
            yield from zip(a, b, strict=True)
        else:
            yield a, b


def _with_known(new: ast.stmt | ast.expr, known: dict[str, str]) -> str:
    """The text of a changed node, in which the parts that were there keep theirs."""
    text = _bare(new)
    block = _Block(text.splitlines(keepends=True), 1)
    tree = _parsed(text, new)
    made, end = "", 0
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.expr) and (own := known.get(_bare(node))) is not None:
            a, b = block.span(node)
            made, end = made + text[end:a] + own, b
        else:
            pending += reversed([*_in_order(node)])
    return made + text[end:]


def _in_order(node: ast.AST) -> list[ast.AST]:
    """What a node consists of, as it stands in the text."""
    parts = [*ast.iter_child_nodes(node)]
    return sorted(parts, key=lambda part: (getattr(part, "lineno", 0), getattr(part, "col_offset", 0)))


def _says(text: str, node: ast.stmt | ast.expr) -> bool:
    """Whether a text is that of a node."""
    try:
        return _bare(_parsed(text, node)) == _bare(node)
    except (SyntaxError, IndexError, AttributeError):
        return False


def _parsed(text: str, node: ast.stmt | ast.expr) -> ast.stmt | ast.expr:
    """A text as a node of the kind of another one."""
    if isinstance(node, ast.expr):
        try:
            return ast.parse(text, mode="eval").body
        except SyntaxError:
            return ast.parse(f"({text}\n)", mode="eval").body
    return ast.parse(f"{text} pass" if isinstance(node, _HEADED) else text).body[0]


def _bare(node: ast.stmt | ast.expr) -> str:
    """A node as Python writes it, of a statement with a block its head."""
    if not isinstance(node, _HEADED):
        return ast.unparse(node)
    return ast.unparse(node).splitlines()[0]


def _head(node: ast.For | ast.While | ast.If | ast.With) -> ast.expr:
    """The last expression in front of the colon."""
    match node:
        case ast.For(iter=last) | ast.While(test=last) | ast.If(test=last):
            return last
        case ast.With(items=items):
            return items[-1].optional_vars or items[-1].context_expr


def _expressions(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions in a node; of those in an f-string Python 3.11 does not know the places."""
    pending = [node]
    while pending:
        one = pending.pop()
        if isinstance(one, ast.expr):
            yield one
        if isinstance(one, ast.stmt) and one is not node:
            continue  # the block of a statement
        if not isinstance(one, ast.JoinedStr):
            pending += ast.iter_child_nodes(one)


def _dumped(node: object) -> str:
    return ast.dump(node) if isinstance(node, ast.AST) else repr(node)


def _moved(text: str, block: _Block) -> str:
    """A text of several lines, moved to the left by what its first line is indented in the file."""
    first, *rest = text.split("\n")
    indent = len(block.text) - len(block.text.lstrip())
    return "\n".join([first, *(line[min(indent, len(line) - len(line.lstrip())) :] for line in rest)])
