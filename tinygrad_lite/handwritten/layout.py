"""A program set out as a Python file: lines of at most 88 columns, comments, helper functions, the signature."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..core.elementwise_derivatives import TABLE
from ..core.numerics import ARRAY_FUNCTIONS, FLOAT_FUNCTIONS
from ..formulas.code import called, name_of
from ..formulas.expressions import built
from ..formulas.python import MATH, NUMPY, Source
from ..formulas.symbols import names_in, walk
from .statements import Line, Statements

__all__ = ["Page", "WIDTH", "definitions"]


WIDTH = 88
"""Columns of a line: the default of formatters."""

_SIGMOID = '''
def sigmoid(x):
    """1 / (1 + exp(-x)), without overflow."""
    e = {exp}({minimum}(x, {cap}))
    return e / (1 + e)
'''
_SIGN = '''
def sign(x):
    """-1, 0 or 1."""
    return (x > 0) - (x < 0)
'''
_ERF = '''
def {name}(x):
    """The function of that name in math, element by element."""
    return np.vectorize(math.{name}, otypes=[float])(x)
'''


class Page:
    """Text, line by line, at an indentation."""

    def __init__(self, program: Statements, indent: int) -> None:
        self.program, self.indent = program, indent
        self.source = Source(MATH if program.scalar else NUMPY)
        self.lines: list[str] = []

    def put(self, text: str = "", comment: str = "") -> None:
        """One line, its comment behind it where there is room, else above."""
        margin = " " * self.indent
        if comment and len(margin + text) + len(comment) + 4 <= WIDTH:
            text = f"{text}  # {comment}"
        elif comment:
            wrapped = textwrap.wrap(comment, WIDTH - self.indent - 2, break_long_words=True, break_on_hyphens=False)
            self.lines += [f"{margin}# {line}" for line in wrapped]
        self.lines.append((margin + text).rstrip())

    def statement(self, line: Line, comment: str = "") -> None:
        """A line of the program, in as many lines as it needs."""
        if line.key is not None:
            self._change(line, comment)
        elif line.how == "+":
            value = _joined(name_of(line.target), _pieces(line.value, (ast.Add, ast.Sub)))
            self.assign(line.target, value, comment)
        else:
            self.assign(line.target, line.value, comment, line.how)

    def _change(self, line: Line, comment: str) -> None:
        assert line.key is not None
        text = self._changed(line, line.key, line.value)
        fits = self._fits(text) or self._fits(f"part[...] = {self.source.write(line.value)}")
        if not fits and names_in([line.value]) and not isinstance(line.value, ast.Name):
            line.value = self._named("part", line.value)
            text = self._changed(line, line.key, line.value)
        if not self._fits(text) and isinstance(line.key, ast.Tuple):
            simple = ast.Name | ast.Constant | ast.Slice
            parts = [part if isinstance(part, simple) else self._named("index", part) for part in line.key.elts]
            text = self._changed(line, ast.Tuple(parts, ast.Load()), line.value)
        self.put(text, comment)

    def _changed(self, line: Line, key: ast.expr, value: ast.expr) -> str:
        target = name_of(line.target)
        if not line.how.startswith("np."):
            return f"{self.source.write(ast.Subscript(target, key, ast.Load()))} {line.how} {self.source.write(value)}"
        sliced = any(isinstance(part, ast.Slice) for part in ast.walk(key))
        return self.source.write(
            called(line.how, target, ast.Subscript(name_of("np.s_"), key, ast.Load()) if sliced else key, value)
        )

    def _fits(self, text: str) -> bool:
        return self.indent + len(text) <= WIDTH

    def _named(self, name: str, value: ast.expr) -> ast.expr:
        target = self.program.named(name)
        self.assign(target, value)
        return name_of(target)

    def assign(self, target: str, value: ast.expr, comment: str = "", how: str = "=") -> None:
        """``target = value``, or with ``how`` ``+=``. What does not fit is added, or multiplied, in further lines."""
        if isinstance(value, ast.Compare):
            self.source.truths.add(target)
        text = f"{target} {how} {self.source.write(value)}"
        if self._fits(text):
            self.put(text, comment)
            return
        is_product = isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult | ast.Div)
        pieces = _pieces(value, (ast.Mult, ast.Div) if is_product and how == "=" else (ast.Add, ast.Sub))
        lines: list[str] = []
        start = 0
        while start < len(pieces):
            stop, fitting = start + 1, self._piece_line(target, how, pieces[start : start + 1], start)
            while stop < len(pieces):
                longer = self._piece_line(target, how, pieces[start : stop + 1], start)
                if not self._fits(longer):
                    break
                stop, fitting = stop + 1, longer
            if not self._fits(fitting):
                self._shortened(target, value, comment, how)
                return
            lines.append(fitting)
            start = stop
        for k, line in enumerate(lines):
            self.put(line, "" if k else comment)

    def _piece_line(self, target: str, how: str, pieces: Sequence[Piece], start: int) -> str:
        sign, first = pieces[0]
        if how == "=" and start:
            value = _joined(name_of(target), pieces)
        else:
            first = ast.UnaryOp(ast.USub(), first) if isinstance(sign, ast.Sub) else first
            value = _joined(first, pieces[1:])
        return f"{target} {how} {self.source.write(value)}"

    def _shortened(self, target: str, value: ast.expr, comment: str, how: str) -> None:
        """With the widest part of the value in a variable of its own."""
        parts = [part for part in _parts(value) if not isinstance(part, ast.Name | ast.Constant | ast.Slice)]
        widest = max(parts, key=lambda part: len(self.source.write(part)), default=None)
        if widest is None:  # nothing to be done
            self.put(f"{target} {how} {self.source.write(value)}", comment)
            return
        part_name = self.program.named("part")
        self.assign(part_name, widest)
        shorter = walk(value, lambda part: name_of(part_name) if part is widest else None)
        self.assign(target, shorter, comment, how)


Piece = tuple[ast.operator, ast.expr]


def _parts(value: ast.expr) -> Iterator[ast.expr]:
    """The expressions directly inside one: the elements of a tuple or list, the object of a method."""
    below: list[Any] = []
    for _, part in ast.iter_fields(value):
        below += part if isinstance(part, list) else [part]
    for part in below:
        if isinstance(part, ast.keyword):
            part = part.value
        if isinstance(part, ast.Tuple | ast.List | ast.Attribute):
            yield from _parts(part)
        elif isinstance(part, ast.expr) and not (isinstance(value, ast.Call) and part is value.func):
            yield part


def _pieces(value: ast.expr, kinds: tuple[type[ast.operator], ...]) -> list[Piece]:
    """A sum as its terms, a product as its factors, each with the sign before it."""
    found: list[Piece] = []
    while isinstance(value, ast.BinOp) and isinstance(value.op, kinds):
        found.append((value.op, value.right))
        value = value.left
    return [(kinds[0](), value), *reversed(found)]


def _joined(first: ast.expr, pieces: Sequence[Piece]) -> ast.expr:
    for sign, piece in pieces:
        first = ast.BinOp(first, sign, piece)
    return first


def _called_in(text: str, source: Source) -> list[str]:
    """The functions of the table, and of floats, that a text calls and that neither ``math`` nor NumPy has."""
    others = (set(TABLE) & set(ARRAY_FUNCTIONS)) | (set(FLOAT_FUNCTIONS) if source.scalar else set())
    others -= {"sigmoid", "sign", "erf", "erfc", *source.functions}
    return [name for name in sorted(others) if re.search(rf"(?<![.\w]){name}\(", text)]


def _helper(name: str, program: Statements) -> str:
    """A function of its own: a line of the table, one of its derivatives, or a function of floats."""
    if name not in TABLE and program.scalar and name in FLOAT_FUNCTIONS:
        return _of_floats(name)
    op, _, slope = (name, "", "") if name in TABLE else name.rpartition("_slope")
    rule = TABLE[op]
    text = (rule.forward if name == op else rule.derivatives[int(slope or 0)]) or "0"
    if name == op and program.scalar and text == f"{name}({', '.join(rule.operands)})":
        return _of_floats(name)
    operands = [*rule.operands, *(["out"] if "out" in names_in([ast.parse(text, mode="eval").body]) else [])]
    value = built(text, {letter: name_of(letter) for letter in operands})
    what = rule.doc.partition(". ")[0].removesuffix(".") if name == op and rule.doc else ""
    page = Page(program, 4)
    said = what or f"The {name.replace('_', ' ')} of x"
    page.put(f'"""{said}."""')
    page.assign("value", value)
    page.lines[-1] = page.lines[-1].replace("value = ", "return ", 1)
    return "\n".join([f"\ndef {name}({', '.join(operands)}):", *page.lines]) + "\n"


def _of_floats(name: str) -> str:
    """The table's own function of floats, as it stands in its file."""
    head, *rest = inspect.getsource(FLOAT_FUNCTIONS[name]).splitlines()
    arguments = re.findall(r"(\w+): float", head)
    doc = [] if rest[0].lstrip().startswith('"""') else ['    """The function of that name in NumPy, of floats."""']
    return "\n".join([f"\ndef {name}({', '.join(arguments)}):", *doc, *rest]) + "\n"


def definitions(program: Statements, helpers: Iterable[str], body: str, half: bool = False) -> str:
    """The helper functions that the body calls, each after the functions that it calls.

    ``half`` says that there are numbers of float16, whose largest is exp(11).
    """
    source = Source(MATH if program.scalar else NUMPY)
    texts: list[str] = []
    names = list(dict.fromkeys([*helpers, *_called_in(body, source)]))
    for name in names:  # the list grows by the functions that they call in turn
        texts.append(_helper(name, program))
        names += [other for other in _called_in(texts[-1], source) if other not in names]
    everything = body + "".join(texts)
    first = []
    if re.search(r"\bsigmoid\(", everything):
        functions = {name: source.functions[name] for name in ("exp", "minimum")}
        first.append(_SIGMOID.format(**functions, cap=11 if half else 64))
    if program.scalar and re.search(r"\bsign\(", everything):
        first.append(_SIGN)
    first += [
        _ERF.format(name=name)
        for name in ("erf", "erfc")
        if not program.scalar and re.search(rf"(?<!\.)\b{name}\(", everything)
    ]
    return "".join(f"\n{text}" for text in first + texts)
