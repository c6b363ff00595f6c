"""Expressions printed as LaTeX."""

from __future__ import annotations

import ast
import math
import re
import unicodedata
from collections.abc import Sequence

from .expressions import PRIME
from .printer import ATOM, CHOICE, POWER, PRODUCT, SUM, Writer, number_text
from .symbols import Block, Symbol
from .text import _CALLED, softmax_of

__all__ = ["Latex", "latex_name"]


_LATEX_COMPARED = {ast.Gt: ">", ast.GtE: r"\geq", ast.Lt: "<", ast.LtE: r"\leq", ast.Eq: "="}
_LATEX_FUNCTIONS = {
    name: rf"\{name}" for name in ("exp", "sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan")
} | {"log": r"\ln", "maximum": r"\max", "minimum": r"\min", "max": r"\max", "min": r"\min", "sigmoid": r"\sigma"}
_GREEK_NAMES = """
alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi omega
Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega
"""
_GREEK = dict(zip("αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ", _GREEK_NAMES.split(), strict=True))
_ACCENTS = {"\u0302": "hat", "\u0303": "tilde", "\u0304": "bar", "\u0307": "dot", "\u0308": "ddot"}
_ESCAPES = {c: f"\\{c}" for c in "_#%&${}"} | {
    "\\": r"\backslash ",
    "^": r"{\wedge}",
    "~": r"{\sim}",
    " ": r"\ ",
    "<": "{<}",
    ">": "{>}",
    "'": "{'}",
    '"': "{''}",
    "-": "{-}",
    "|": r"{\vert}",
    "`": r"{\prime}",
}
_PARTS = re.compile(r"(?P<stem>[^\W\d_])(?P<number>\d+(?:_\d+)*)?(?:\[(?P<index>\w+(?:,\w+)*)\])?(?:@(?P<sample>\w+))?")


def latex_name(name: str) -> str:
    r"""Any name in LaTeX's mathematics, in ASCII.

    >>> latex_name("n30"), latex_name("z20@3"), latex_name("w2[0,1]"), latex_name("ŷ"), latex_name("a_b%")
    ('n_{30}', 'z_{20}^{(3)}', 'w_{2}[0,1]', '\\hat{y}', '\\mathrm{a\\_b\\%}')
    """
    found = _PARTS.fullmatch(unicodedata.normalize("NFC", name))
    if found is None:
        return rf"\mathrm{{{''.join(map(_latex_character, name))}}}"
    digits = (found["number"] or "").replace("_", ",")
    text = _latex_character(found["stem"]).rstrip() + (f"_{{{digits}}}" if digits else "")
    if found["sample"]:
        text += f"^{{({found['sample']})}}".replace("_", r"\_")
    return text + (f"[{found['index']}]" if found["index"] else "")


def _latex_character(c: str) -> str:
    if c in _ESCAPES:
        return _ESCAPES[c]
    if c in _GREEK:
        return rf"\{_GREEK[c]} "
    if c.isascii() and c.isprintable():
        return c
    base, accent = unicodedata.normalize("NFD", c)[:1], unicodedata.normalize("NFD", c)[1:]
    if base.isascii() and base.isalpha() and accent in _ACCENTS:
        return rf"\{_ACCENTS[accent]}{{{base}}}"
    return rf"\langle {ord(c):X}\rangle "


class Latex(Writer):
    r"""LaTeX's mathematics, for pdflatex with amsmath and for MathJax.

    >>> from tinygrad_lite import Value
    >>> from tinygrad_lite.formulas.expressions import built
    >>> from tinygrad_lite.formulas.symbols import Symbol
    >>> x = Value(2.0, name="x1")
    >>> Latex().write(built("x / (1 + sqrt(x))", {"x": Symbol(x)}))
    '\\frac{x_{1}}{1 + \\sqrt{x_{1}}}'
    """

    def symbol(self, e: Symbol) -> tuple[str, int]:
        if isinstance(e, Block):
            return e.latex, e.level
        if e.shown or e.value.name is not None:
            index = f"[{','.join(map(str, e.index))}]" if e.index and not e.shown else ""
            return latex_name(e.full or e.shown or e.value.name or "") + index, ATOM
        text = r"\dots" if e.index is None and e.value.shape else self.number(float(e.data))
        return text, SUM if text.startswith("-") else ATOM

    def number(self, x: float) -> str:
        if not math.isfinite(x):
            return r"\mathrm{nan}" if x != x else r"\infty" if x > 0 else r"-\infty"
        text, _, exponent = number_text(x).partition("e")
        return rf"{text} \cdot 10^{{{int(exponent)}}}" if exponent else text

    def bracketed(self, text: str) -> str:
        return rf"\left({text}\right)"

    def times(self, factors: Sequence[ast.expr]) -> str:
        text, *rest = (self.within(factor, PRODUCT) for factor in factors)
        for factor in rest:
            text += (r"\," if factor.startswith(r"\left(") else r" \cdot ") + factor
        return text

    def over(self, above: ast.expr, below: ast.expr) -> tuple[str, int]:
        return rf"\frac{{{self.write(above)}}}{{{self.write(below)}}}", PRODUCT

    def power(self, base: ast.expr, exponent: ast.expr) -> tuple[str, int]:
        return f"{{{self.within(base, ATOM)}}}^{{{self.write(exponent)}}}", POWER

    def compared(self, comparison: ast.cmpop) -> str:
        return _LATEX_COMPARED[type(comparison)]

    def choice(self, condition: ast.expr, yes: ast.expr, no: ast.expr) -> tuple[str, int]:
        cases = rf"{self.write(yes)} & {self.write(condition)} \\ {self.write(no)} & \text{{else}}"
        return rf"\begin{{cases}} {cases} \end{{cases}}", CHOICE

    def function(self, name: str, arguments: Sequence[ast.expr]) -> tuple[str, int]:
        found = softmax_of(arguments[0]) if name == "exp" else None
        if found is not None:
            return rf"\operatorname{{softmax}}\left({latex_name(found[0])}\right){found[1]}", ATOM
        listed = ", ".join(map(self.write, arguments))
        if name == "sqrt":
            return rf"\sqrt{{{listed}}}", ATOM
        if name == "abs":
            return rf"\left|{listed}\right|", ATOM
        if name == "norm":
            return rf"\left\|{listed}\right\|", ATOM
        op = name.rstrip(PRIME)
        function = _LATEX_FUNCTIONS.get(op) or rf"\operatorname{{{_CALLED.get(op, op)}}}".replace("_", r"\_")
        return rf"{function}{chr(39) * (len(name) - len(op))}\left({listed}\right)", ATOM
