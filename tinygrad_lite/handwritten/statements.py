"""Straight-line programs: written down naively, one operation a line, and then tidied up as a person would.

Equal operations become one (common subexpressions), what nothing reads goes, and what is read once moves into the line
that reads it, unless it has a name of its own or the line would become long. Nothing here knows about derivatives.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.derivatives import TABLE
from ..formulas.expressions import BINARY, call, names_in, negative, walk
from ..formulas.python import Source, identifier, literal, method, name_of

__all__ = ["Line", "Program", "tidied"]


LONGEST = 48
"""Variables, numbers and operations in one line."""

WORDS = {
    "add": "total",
    "bincount": "back",
    "div": "share",
    "divide": "share",
    "equal": "ties",
    "exp": "e",
    "matmul": "product",
    "max": "top",
    "mul": "product",
    "multiply": "product",
    "prod": "product",
    "reshape": "shaped",
    "sigmoid": "s",
    "square": "squared",
    "sub": "diff",
    "subtract": "diff",
    "sum": "total",
    "where": "chosen",
    "zeros": "back",
}
"""What a result without a name is called, by what made it; otherwise by the name of that."""

RESERVED = {"l", "O", "I", "backprop", "defaultdict", "gradients", "logsumexp", "sample", "samples"}
RESERVED |= {name + ending for name in TABLE for ending in ("", "_slope", "_slope1", "_slope2")}
"""Names that mean something else in the source, or that linters refuse."""


@dataclass
class Line:
    """``target = value``; or ``target[key] = value``, ``+=``, ``-=``, ``np.add.at(target, key, value)``."""

    target: str
    value: ast.expr
    section: str
    verb: str = ""
    kept: bool = False
    """Whether it stays a line of its own, however often it is read."""
    key: ast.expr | None = None
    how: str = "="
    of: Any = None
    """The Value whose derivative it is."""

    @property
    def read(self) -> list[str]:
        """The variables that it reads, as often as it does."""
        return names_in([self.value] if self.key is None else [self.value, self.key])

    @property
    def size(self) -> int:
        """How much is in it."""
        return sum(isinstance(part, ast.expr) for part in ast.walk(self.value))


class Program:
    """Lines, in order. ``scalar`` says that all numbers are floats, so that ``math`` will do."""

    def __init__(self, scalar: bool, names: Iterable[str] = ()) -> None:
        self.scalar = scalar
        self.lines: list[Line] = []
        self.section = "forward"
        self.constants: dict[str, Any] = {}
        """Arrays too large to be written, by the name of their argument."""
        self._taken = {*RESERVED, *names}
        self._by_key: dict[str, str] = {}
        self._defined: dict[str, Line] = {}
        self._alias: dict[str, str] = {}
        self._number = itertools.count()
        self._shared: set[str] = set()  # bound, and found again
        self._filled: set[str] = set()  # changed in place
        self._constant_names: dict[int, str] = {}

    # ---- writing it down

    def named(self, name: str | None) -> str:
        """A variable name for this name, that nothing else has."""
        found = identifier((name or "")[:32], self._taken)
        self._taken.add(found)
        return found

    def nameless(self) -> str:
        """A variable that gets its name at the end, if it is still there."""
        return f"%{next(self._number)}"

    def bind(self, value: ast.expr, verb: str = "") -> ast.expr:
        """The variable of this value, or of an equal one; a number or a variable stands for itself."""
        value = tidied(value)
        if isinstance(value, ast.Name | ast.Constant):
            return value
        key = ast.dump(value)
        if key in self._by_key:
            self._shared.add(self._by_key[key])
            return name_of(self._by_key[key])
        target = self.nameless()
        self._enter(Line(target, value, self.section, verb))
        if verb != "zeros":  # made to be filled: two of them are two
            self._by_key[key] = target
        return name_of(target)

    def define(self, target: str, value: ast.expr, verb: str = "", kept: bool = True, of: Any = None) -> ast.expr:
        """A line for a variable of this name."""
        value = tidied(value)
        made = self._defined.get(value.id) if isinstance(value, ast.Name) else None
        fresh = made is not None and made.section == self.section and made.of is None
        if made is not None and fresh and made.target.startswith("%"):
            self._alias[made.target] = target
            made.kept = kept or made.target in self._filled
            made.target, made.of, made.verb = target, of, verb or made.verb
            self._defined[target] = made
        else:
            self._enter(Line(target, value, self.section, verb, kept, of=of))
        return name_of(target)

    def extend(self, target: str, value: ast.expr) -> None:
        """``target = target + value``: the rest of a sum too long for one line."""
        self.lines.append(Line(target, tidied(value), self.section, kept=True, how="+"))
        self._by_key = {k: v for k, v in self._by_key.items() if v != target}

    def update(self, target: ast.expr, key: ast.expr, value: ast.expr, how: str) -> ast.expr:
        """A change in place, of an array that nobody else knows: of a copy if somebody does. Returns its variable."""
        assert isinstance(target, ast.Name)
        line = self._defined[target.id]
        if target.id in self._shared or not target.id.startswith("%"):
            line = Line(self.nameless(), method(target, "copy"), self.section, line.verb)
            self._enter(line)
        line.kept = True
        self._filled.add(line.target)
        self._by_key = {k: v for k, v in self._by_key.items() if v != line.target}
        if isinstance(key, ast.Tuple) and len(key.elts) == 1:
            key = key.elts[0]
        self.lines.append(Line(line.target, tidied(value), self.section, kept=True, key=key, how=how))
        return name_of(line.target)

    def array(self, data: Any) -> ast.expr:
        """A constant array: written out if it is short, else an argument."""
        short = literal(data) if data.size <= 24 or data.ndim == 1 else None
        if short is not None and len(Source().write(short)) <= 60:
            return short
        if id(data) not in self._constant_names:
            self._constant_names[id(data)] = name = self.named("indices" if data.dtype.kind in "iub" else "constant")
            self.constants[name] = data
        return name_of(self._constant_names[id(data)])

    def hoisted(self, e: ast.expr) -> ast.expr:
        """An expression of the table with each function in it a line of its own, so that equal ones become one."""

        def change(part: ast.expr) -> ast.expr | None:
            if not isinstance(part, ast.Call) or not isinstance(part.func, ast.Name):
                return None
            if part.func.id == "where" and self.scalar:  # only one side of it is computed
                return ast.Call(part.func, [self.hoisted(part.args[0]), *part.args[1:]], [])
            arguments = [self.hoisted(argument) for argument in part.args]
            if part.func.id == "where":
                return ast.Call(part.func, arguments, [])
            return self.bind(ast.Call(part.func, arguments, []), part.func.id)

        return walk(e, change)

    def _enter(self, line: Line) -> None:
        self.lines.append(line)
        self._defined[line.target] = line

    # ---- tidying up

    def tidy(self, outputs: Sequence[ast.expr]) -> list[ast.expr]:
        """Inline, drop and name. ``outputs`` are what the program is for; they are returned as they end up."""
        ends = [Line("", value, "output", kept=True) for value in outputs]
        lines = [*self.lines, *ends]
        for line in lines:
            line.target = self._alias.get(line.target, line.target)
            line.value = self._renamed(line.value, self._alias)
            line.key = None if line.key is None else self._renamed(line.key, self._alias)
        lines = _alive(lines)
        lines = self._inlined(lines)
        lines = _alive(lines)
        names = self._final(lines)
        for line in lines:
            line.target = names.get(line.target, line.target)
            line.value = self._renamed(line.value, names)
            line.key = None if line.key is None else self._renamed(line.key, names)
        self.lines = [line for line in lines if line.section != "output"]
        return [end.value for end in ends]

    @staticmethod
    def _renamed(e: ast.expr, names: dict[str, str]) -> ast.expr:
        return walk(e, lambda part: name_of(names.get(part.id, part.id)) if isinstance(part, ast.Name) else None)

    def _inlined(self, lines: list[Line]) -> list[Line]:
        uses: dict[str, int] = {}
        readers: dict[str, int] = {}
        changes: dict[str, list[int]] = {}
        for k, line in enumerate(lines):
            for name in line.read:
                uses[name] = uses.get(name, 0) + 1
                readers[name] = k  # the last
            if line.how != "=" or line.key is not None:
                changes.setdefault(line.target, []).append(k)
        inside: dict[str, ast.expr] = {}
        left: list[Line] = []
        for k, line in enumerate(lines):

            def change(part: ast.expr) -> ast.expr | None:
                return inside.get(part.id) if isinstance(part, ast.Name) else None

            line.value = tidied(walk(line.value, change))
            line.key = None if line.key is None else walk(line.key, change)
            read = line.read
            n = uses.get(line.target, 0)
            fits = n == 1 and line.size + lines[readers[line.target]].size <= LONGEST
            still = all(not any(k < c <= readers[line.target] for c in changes.get(name, ())) for name in read if n)
            if not line.kept and n and still and (fits or self._is_cheap(line.value)):
                inside[line.target] = line.value
                if n == 1:
                    reader = lines[readers[line.target]]
                    reader.value = walk(reader.value, change)
                    reader.key = None if reader.key is None else walk(reader.key, change)
            else:
                left.append(line)
        return left

    def _is_cheap(self, e: ast.expr) -> bool:
        """Whether a person would rather write it again than give it a name."""
        if isinstance(e, ast.Name | ast.Constant):
            return True
        if not self.scalar:
            return isinstance(e, ast.Attribute) and isinstance(e.value, ast.Name)
        parts = [part for part in ast.walk(e) if isinstance(part, ast.expr)]
        return len(parts) <= 3 and not any(isinstance(part, ast.Call) for part in parts)  # a - b

    def _final(self, lines: list[Line]) -> dict[str, str]:
        """Names for those lines that have none yet."""
        names: dict[str, str] = {}
        for line in lines:
            if line.target.startswith("%") and line.target not in names:
                word = line.verb
                if word.startswith("d_"):
                    word = f"d_{names[word[2:]]}" if word[2:] in names else "delta"
                elif word in TABLE and word not in WORDS:  # tanh_x
                    read = names_in(line.value.args) if isinstance(line.value, ast.Call) else []
                    word = f"{word}_{names.get(read[0], read[0])}" if len(read) == 1 else "h"
                names[line.target] = self.named(WORDS.get(word, word) or "h")
        return names


def _alive(lines: list[Line]) -> list[Line]:
    """Without what nothing reads."""
    needed: set[str] = set()
    found = []
    for line in reversed(lines):
        if line.section == "output" or line.target in needed:
            needed.update(line.read)
            found.append(line)
    return found[::-1]


def tidied(e: ast.expr) -> ast.expr:
    """Arithmetic put together anew: one number in front of a product, nothing multiplied by 1.

    >>> from ..formulas.python import Source
    >>> Source().write(tidied(ast.parse("1.0 * (0.5 * (2.0 * (y - t)))", mode="eval").body))
    'y - t'
    """
    match e:
        case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
            if isinstance(op, ast.Add | ast.Sub):  # a long sum is as deep as it is long
                return _sum(e)
            return BINARY[type(op)](tidied(left), tidied(right))
        case ast.UnaryOp(operand=operand):
            return negative(tidied(operand))
        case ast.Call(func=ast.Name(id="where"), args=arguments, keywords=[]):
            return call("where", *map(tidied, arguments))

    def change(part: ast.expr) -> ast.expr | None:
        return None if part is e else tidied(part) if isinstance(part, ast.BinOp | ast.UnaryOp) else None

    return walk(e, change)


def _sum(e: ast.expr) -> ast.expr:
    terms: list[tuple[Any, ast.expr]] = []
    while isinstance(e, ast.BinOp) and isinstance(e.op, ast.Add | ast.Sub):
        terms.append((BINARY[type(e.op)], tidied(e.right)))
        e = e.left
    found = tidied(e)
    for function, term in reversed(terms):
        found = function(found, term)
    return found
