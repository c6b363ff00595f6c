"""Straight-line programs, written naively: one operation a line, equal operations once. They know no derivatives."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.elementwise_derivatives import TABLE
from ..formulas.code import identifier, literal, method, name_of
from ..formulas.expressions import BINARY, call, negative, total
from ..formulas.python import Source
from ..formulas.symbols import names_in, walk
from ..programs.calls import Call, Program, Slot

__all__ = ["Line", "Statements", "tidied"]

RESERVED = {"l", "O", "I", "backprop", "defaultdict", "gradients", "sample", "samples"}
RESERVED |= {name + ending for name in TABLE for ending in ("", "_slope", "_slope1", "_slope2")}
"""Names that no variable gets: they mean something else in the source, or linters refuse them."""


@dataclass(eq=False, slots=True, kw_only=True)
class Line(Call):
    """``target = value``; or ``target[key] = value``, ``+=``, ``-=``, ``np.add.at(target, key, value)``.

    As a call of a program it fills ``out``, which a change in place fills again, and reads the variables in its text.
    """

    target: str
    value: ast.expr
    section: str
    variables: Mapping[str, Line]
    """The lines that made the program's variables."""
    verb: str = ""
    """What makes the value, in one word."""
    kept: bool = True
    """Whether it stays a line of its own, however often it is read."""
    truths: bool = False
    """Whether the variable holds truth values."""
    key: ast.expr | None = None
    how: str = "="
    of: Any = None
    """The Value whose cotangent the line computes."""

    def slots(self) -> Iterator[Slot]:
        """The slots of the variables that it reads, as often as it does."""
        names = names_in([self.value] if self.key is None else [self.value, self.key])
        return (self.variables[name].out for name in names if name in self.variables)

    @property
    def size(self) -> int:
        """The number of variables, constants and operations in it."""
        return sum(isinstance(part, ast.expr) for part in ast.walk(self.value))


class Statements(Program):
    """Lines, in order. ``scalar`` says that all numbers are floats, so that ``math`` will do."""

    def __init__(self, scalar: bool) -> None:
        super().__init__()
        self.scalar = scalar
        self.section = "forward"
        self.constants: dict[str, Any] = {}
        """Arrays too large to be written, by the name of their argument."""
        self.aliases: dict[str, str] = {}
        """The names of variables that had none at first."""
        self._taken = set(RESERVED)
        self._defined: dict[str, Line] = {}
        self._number = itertools.count()
        self._shared: set[str] = set()  # bound, and found again
        self._filled: set[str] = set()  # changed in place
        self._constant_names: dict[int, str] = {}

    def named(self, name: str | None) -> str:
        """A new variable name, made of this one."""
        found = identifier((name or "")[:32], self._taken)
        self._taken.add(found)
        return found

    def nameless(self) -> str:
        """A variable that is named at the end, if it is still there."""
        return f"%{next(self._number)}"

    def line(self, target: str, value: ast.expr, out: Slot | None = None, section: str = "", **more: Any) -> Line:
        """Make a line without adding it to the program."""
        out = Slot(None, note=target) if out is None else out
        section = section or self.section
        return Line(
            "line", None, (), {}, out, target=target, value=value, section=section, variables=self._defined, **more
        )

    def bind(self, value: ast.expr, verb: str = "") -> ast.expr:
        """The variable of this value, or of an equal one; a number or a variable stands for itself."""
        value = tidied(value)
        if isinstance(value, ast.Name | ast.Constant):
            return value
        key = "line", ast.dump(value)
        known = self.known(key)
        if known is not None:
            self._shared.add(known.note)
            return name_of(known.note)
        line = self.line(self.nameless(), value, verb=verb, kept=False)
        self._enter(line, None if verb == "zeros" else key)  # made to be filled: two of them are two
        return name_of(line.target)

    def define(self, target: str, value: ast.expr, verb: str = "", kept: bool = True, of: Any = None) -> ast.expr:
        """A line for a variable of this name."""
        value = tidied(value)
        made = self._defined.get(value.id) if isinstance(value, ast.Name) else None
        fresh = made is not None and made.section == self.section and made.of is None
        if made is not None and fresh and made.target.startswith("%"):
            self.aliases[made.target] = target
            made.kept = kept or made.target in self._filled
            made.target, made.of, made.verb = target, of, verb or made.verb
            self._defined[target] = made
        else:
            self._enter(self.line(target, value, verb=verb, kept=kept, of=of))
        return name_of(target)

    def rename_verb(self, e: ast.expr, verb: str) -> None:
        """Let a variable without a name be called by another verb."""
        line = self._defined.get(e.id) if isinstance(e, ast.Name) else None
        if line is not None:
            line.verb = verb

    def keep_truths(self, e: ast.expr) -> None:
        """Let a variable of truth values stay a line, whose name tells that it holds them."""
        line = self._defined.get(e.id) if isinstance(e, ast.Name) else None
        if line is not None:
            line.kept = line.truths = True

    def sum_of(
        self, target: str, terms: Sequence[ast.expr], most: int, verb: str = "", kept: bool = True, of: Any = None
    ) -> ast.expr:
        """Lines for a variable that is a sum, with ``most`` terms in each."""
        found = self.define(target, total(terms[:most]), verb, kept or len(terms) > most, of)
        for start in range(most, len(terms), most):
            rest = tidied(total(terms[start : start + most]))
            self._change(self.line(target, rest, self._defined[target].out, how="+"))
        return found

    def update(self, target: ast.expr, key: ast.expr, value: ast.expr, how: str) -> ast.expr:
        """Change an array in place, or a copy of it where other lines may read it. Returns the variable."""
        assert isinstance(target, ast.Name)
        line = self._defined[target.id]
        if target.id in self._shared or not target.id.startswith("%"):
            line = self.line(self.nameless(), method(target, "copy"), verb=line.verb)
            self._enter(line)
        line.kept = True
        self._filled.add(line.target)
        if isinstance(key, ast.Tuple) and len(key.elts) == 1:
            key = key.elts[0]
        self._change(self.line(line.target, tidied(value), line.out, key=key, how=how))
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

    def _enter(self, line: Line, key: Any = None) -> None:
        self.enter(line, key)
        self._defined[line.target] = line

    def _change(self, line: Line) -> None:
        """Enter a line after which its variable has another value."""
        self.forget(line.out)
        self.enter(line)


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
