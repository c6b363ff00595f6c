"""How expressions are written: as text, as LaTeX, and as Python source.

One walk over the tree knows what binds tighter than what and sets parentheses only where they are needed; a dialect
knows the signs. A Value's name is free text: what is no plain name is quoted in text, escaped in LaTeX, and never
reaches Python source, where each symbol has an identifier of its own.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .derivatives import ARRAY_FUNCTIONS, TABLE
from .errors import ArgumentError
from .expressions import PRIME, Block, Symbol, built, key
from .maps import Index
from .value import Value

__all__ = ["Latex", "Python", "Text", "Writer", "element_text", "identifier", "latex_name", "number_text", "quoted"]

CHOICE, SUM, PRODUCT, POWER, ATOM = range(5)
"""How tightly the pieces of an expression bind."""

_PLAIN_NAME = re.compile(r"[^\W\d][\w.@]*(\(\w+\))?(\[\d+(,\d+)*\])?(@\d+)?")
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_COMPARED = {ast.Gt: ">", ast.GtE: "≥", ast.Lt: "<", ast.LtE: "≤", ast.Eq: "="}


def quoted(name: str) -> str:
    r"""A name as it can stand in an expression: as it is where it is plain, else in quotes, with escapes.

    >>> quoted("n20@3"), quoted("w2[0,1]"), quoted("a - b"), quoted("a\nb")
    ('n20@3', 'w2[0,1]', "'a - b'", "'a\\nb'")
    """
    return name if _PLAIN_NAME.fullmatch(name) else repr(name)


def element_text(value: Value, index: Index | None) -> str | None:
    """One element of a Value as text, ``w2[0,1]``; ``None`` where the Value has no name."""
    if value.name is None:
        return None
    return quoted(value.name) + (f"[{','.join(map(str, index))}]" if index else "")


def number_text(x: float) -> str:
    """Four significant digits, whole numbers up to 10⁶ in full.

    >>> number_text(0.123456), number_text(-0.0), number_text(12345.0)
    ('0.1235', '0', '12345')
    """
    return f"{x + 0.0:.0f}" if abs(x) < 1e6 and x == round(x) else f"{x:.4g}"


# ---- the walk -------------------------------------------------------------------------------------------------------


class Writer:
    """What all dialects share: precedence. ``write(expression)`` is the text."""

    def write(self, e: ast.expr) -> str:
        """The text of an expression."""
        return self._written(e)[0]

    def within(self, e: ast.expr, at_least: int) -> str:
        """The text of a part, in parentheses if it binds less tightly than it has to."""
        text, binding = self._written(e)
        return text if binding >= at_least else self.bracketed(text)

    def _written(self, e: ast.expr) -> tuple[str, int]:
        match e:
            case Symbol():
                return self.symbol(e)
            case ast.Name(id=name):
                return name, ATOM
            case ast.Constant(value=value):
                text = self.number(float(value))  # type: ignore[arg-type]  # numbers only
                return text, SUM if text.startswith("-") else ATOM
            case ast.UnaryOp(operand=operand):
                return f"-{self.within(operand, PRODUCT)}", SUM
            case ast.BinOp(op=ast.Add() | ast.Sub()):
                return self._sum(e), SUM
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                factors = [right]
                while isinstance(left, ast.BinOp) and isinstance(left.op, ast.Mult):
                    factors.append(left.right)
                    left = left.left
                return self.times([left, *reversed(factors)]), PRODUCT
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return self.over(left, right)
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                return self.power(left, right)
            case ast.Compare(left=left, ops=[comparison], comparators=[right]):
                return f"{self.within(left, SUM)} {self.compared(comparison)} {self.within(right, SUM)}", CHOICE
            case ast.Call(func=ast.Name(id="where"), args=[condition, yes, no]):
                return self.choice(condition, yes, no)
            case ast.Call(func=ast.Name(id=name), args=[whole], keywords=[_, *_] as options):
                return self.call_of_whole(name, whole, {str(o.arg): o.value.value for o in options})  # type: ignore[attr-defined]
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return self.call(name, arguments)
        raise ArgumentError(f"writing: takes expressions of the table's language, got {ast.dump(e)}; see expressions")

    def _sum(self, e: ast.expr) -> str:
        terms: list[tuple[str, ast.expr]] = []
        while isinstance(e, ast.BinOp) and isinstance(e.op, ast.Add | ast.Sub):  # a long sum is as deep as it is long
            terms.append((" + " if isinstance(e.op, ast.Add) else " - ", e.right))
            e = e.left
        rest = (sign + self.within(term, SUM if sign == " + " else PRODUCT) for sign, term in reversed(terms))
        return self.within(e, SUM) + "".join(rest)

    # ---- what a dialect says

    def symbol(self, e: Symbol) -> tuple[str, int]:
        """A variable."""
        raise NotImplementedError

    def number(self, x: float) -> str:
        """A number."""
        return number_text(x)

    def bracketed(self, text: str) -> str:
        """In parentheses."""
        return f"({text})"

    def times(self, factors: Sequence[ast.expr]) -> str:
        """A product."""
        raise NotImplementedError

    def over(self, above: ast.expr, below: ast.expr) -> tuple[str, int]:
        """A quotient."""
        return f"{self.within(above, PRODUCT)}/{self.within(below, POWER)}", PRODUCT

    def power(self, base: ast.expr, exponent: ast.expr) -> tuple[str, int]:
        """A power."""
        raise NotImplementedError

    def compared(self, comparison: ast.cmpop) -> str:
        """The sign of a comparison."""
        return _COMPARED[type(comparison)]

    def choice(self, condition: ast.expr, yes: ast.expr, no: ast.expr) -> tuple[str, int]:
        """What ``where`` is called."""
        return f"{self.within(yes, SUM)} if {self.within(condition, CHOICE)} else {self.within(no, SUM)}", CHOICE

    def call(self, name: str, arguments: Sequence[ast.expr]) -> tuple[str, int]:
        """A function of one argument, or of many elements."""
        raise NotImplementedError

    def call_of_whole(self, name: str, whole: ast.expr, options: Mapping[str, Any]) -> tuple[str, int]:
        """A function of a whole array along some axes; to people another shape is no other array."""
        return self._written(whole) if name == "reshape" else self.call(name, [whole])


# ---- text -----------------------------------------------------------------------------------------------------------

_CALLED = {"sigmoid": "σ", "log": "ln", "maximum": "max", "minimum": "min", "gelu_tanh": "gelu", "gelu_erf": "gelu"}
_LISTED = 4  # arguments that are written one by one


class Text(Writer):
    """Plain text, as people write it: ``n30(1 - n30)``, ``2·x²``, ``softmax(z)[3]``.

    >>> x = Value(2.0, name="x")
    >>> Text().write(built("-y / x**2", {"x": Symbol(x), "y": Symbol(Value(1.0, name="y"))}))
    '-y/x²'
    """

    dot = "·"

    def symbol(self, e: Symbol) -> tuple[str, int]:
        if isinstance(e, Block):
            return e.text, e.level
        text = e.shown or element_text(e.value, e.index)
        if text is not None:
            return text, ATOM
        text = "…" if e.index is None and e.value.shape else self.number(float(e.data))
        return text, SUM if text.startswith("-") else ATOM

    def times(self, factors: Sequence[ast.expr]) -> str:
        text, *rest = (self.within(factor, POWER if k else PRODUCT) for k, factor in enumerate(factors))
        for factor in rest:
            text += factor if factor.startswith("(") else self.dot + factor
        return text

    def power(self, base: ast.expr, exponent: ast.expr) -> tuple[str, int]:
        if isinstance(exponent, ast.Constant) and float(exponent.value).is_integer() and exponent.value > 0:  # type: ignore[arg-type,operator]
            return self.within(base, ATOM) + number_text(float(exponent.value)).translate(_SUPERSCRIPTS), POWER  # type: ignore[arg-type]
        return f"{self.within(base, ATOM)}^{self.within(exponent, ATOM)}", POWER

    def call(self, name: str, arguments: Sequence[ast.expr]) -> tuple[str, int]:
        found = softmax_of(arguments[0]) if name == "exp" else None
        if found is not None:
            row, place = found
            return f"softmax({row}){place}", ATOM
        if name == "abs":
            return f"|{self.write(arguments[0])}|", ATOM
        if name == "sqrt":
            return f"√{self.within(arguments[0], ATOM)}", POWER
        listed = collected(arguments)
        if listed is None:
            shown = [self.write(a) for a in arguments]
            listed = ", ".join(shown if len(shown) <= _LISTED else [*shown[:2], "…", shown[-1]])
        if name == "norm":
            return f"‖{listed}‖", ATOM
        op = name.rstrip(PRIME)
        return f"{_CALLED.get(op, op)}{name[len(op) :]}({listed})", ATOM


def collected(elements: Sequence[ast.expr]) -> str | None:
    """Elements that are a whole array, or slices of it, by its name: ``z``, ``z[3,:]``; ``None`` if they are not."""
    first = elements[0] if elements else None
    if len(elements) < 2 or not isinstance(first, Symbol) or isinstance(first, Block) or first.value.name is None:
        return None
    if not all(isinstance(e, Symbol) and not isinstance(e, Block) and e.value is first.value for e in elements):
        return None
    indices = [_labels(e) for e in elements if isinstance(e, Symbol)]
    if not all(indices):
        return None
    axes = ["".join({*along}) if len({*along}) == 1 else ":" for along in zip(*indices, strict=True)]
    free = math.prod(n for n, axis in zip(first.value.shape, axes, strict=True) if axis == ":")
    if free != len({*indices}) or free != len(indices):
        return None
    name = quoted(first.value.name)
    return name if all(axis == ":" for axis in axes) else f"{name}[{','.join(axes)}]"


def _labels(e: Symbol) -> tuple[str, ...]:
    """The index of an element as it is written: of a row of any sample ``s`` and the rest."""
    row = getattr(e, "row", None)
    return tuple(row.split(",")) if row else () if e.shown else tuple(map(str, e.index or ()))


def softmax_of(difference: ast.expr) -> tuple[str, str] | None:
    """Of ``z[3] - logsumexp(z)``: the array and the element of it. Its exponential is a softmax."""
    match difference:
        case ast.BinOp(left=left, op=ast.Sub(), right=ast.Call(func=ast.Name(id="reshape"), args=[inner])):
            return softmax_of(ast.BinOp(left, ast.Sub(), inner))
        case ast.BinOp(left=Symbol() as one, op=ast.Sub(), right=ast.Call(func=ast.Name(id="logsumexp"), args=many)):
            row = collected(many)
            if len(many) == 1 and key(many[0]) == key(one) and (one.shown or one.value.name is not None):
                return one.shown or quoted(one.value.name or ""), ""  # of whole arrays
            if row is None or not any(key(one) == key(other) for other in many):
                return None
            axes = row.rpartition("[")[2].rstrip("]") if row.endswith("]") else ""
            kept = axes.split(",") if axes else [":"] * len(_labels(one))
            along = [i for i, axis in zip(_labels(one), kept, strict=True) if axis == ":"]
            return row, f"[{','.join(along)}]"
    return None


# ---- LaTeX ----------------------------------------------------------------------------------------------------------

_LATEX_COMPARED = {ast.Gt: ">", ast.GtE: r"\geq", ast.Lt: "<", ast.LtE: r"\leq", ast.Eq: "="}
_LATEX_FUNCTIONS = {
    name: rf"\{name}" for name in ("exp", "sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan")
} | {"log": r"\ln", "maximum": r"\max", "minimum": r"\min", "max": r"\max", "min": r"\min", "sigmoid": r"\sigma"}
_GREEK = dict(
    zip(
        "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ",
        [
            "alpha",
            "beta",
            "gamma",
            "delta",
            "epsilon",
            "zeta",
            "eta",
            "theta",
            "iota",
            "kappa",
            "lambda",
            "mu",
            "nu",
            "xi",
            "pi",
            "rho",
            "sigma",
            "tau",
            "upsilon",
            "phi",
            "chi",
            "psi",
            "omega",
            "Gamma",
            "Delta",
            "Theta",
            "Lambda",
            "Xi",
            "Pi",
            "Sigma",
            "Phi",
            "Psi",
            "Omega",
        ],
        strict=True,
    )
)
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
    r"""A name in LaTeX's mathematics, whatever is in it, in nothing but ASCII.

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

    def call(self, name: str, arguments: Sequence[ast.expr]) -> tuple[str, int]:
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


# ---- Python ---------------------------------------------------------------------------------------------------------

_PYTHON_COMPARED = {ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=", ast.Eq: "=="}
_NUMPY = frozenset(ARRAY_FUNCTIONS) - {"sigmoid", "erf", "erfc", "where", "sinc_slope"}
_OF_WHOLE = {"logsumexp": "np.logaddexp.reduce", "reshape": "np.reshape"}
_RESERVED = {*keyword.kwlist, *keyword.softkwlist, *dir(builtins), "np", "math"}


def identifier(name: str | None, taken: Iterable[str]) -> str:
    """A Python identifier, in ASCII, for a name of any kind, that is not ``taken`` and hides no builtin.

    >>> identifier("n20@3", ()), identifier("w2[0,1]", ()), identifier("lambda", ()), identifier("a b", {"a_b"})
    ('n20_3', 'w2_0_1', 'lambda_', 'a_b_2')
    """
    plain = re.sub(r"[^A-Za-z0-9]+", "_", name or "").strip("_") or "v"
    if plain[0].isdigit():
        plain = f"v{plain}"
    if plain in _RESERVED:
        plain += "_"
    taken = {*taken}
    k, found = 1, plain
    while found in taken:
        k += 1
        found = f"{plain}_{k}"
    return found


class Python(Writer):
    """Python source in NumPy's functions, and ``math`` for erf. ``name`` gives each symbol its source.

    >>> x = Value(2.0, name="__import__('os')")
    >>> Python(lambda e: "x").write(built("sigmoid(-x) / x", {"x": Symbol(x)}))
    '1 / (1 + np.exp(x)) / x'
    """

    def __init__(self, name: Callable[[Symbol], str]) -> None:
        self.name = name

    def symbol(self, e: Symbol) -> tuple[str, int]:
        return (e.python, e.level) if isinstance(e, Block) else (self.name(e), ATOM)

    def number(self, x: float) -> str:
        if not math.isfinite(x):
            return "np.nan" if x != x else "np.inf" if x > 0 else "-np.inf"
        return str(int(x)) if abs(x) < 1e15 and x == int(x) else repr(x)

    def times(self, factors: Sequence[ast.expr]) -> str:
        return " * ".join(self.within(factor, POWER if k else PRODUCT) for k, factor in enumerate(factors))

    def over(self, above: ast.expr, below: ast.expr) -> tuple[str, int]:
        return f"{self.within(above, PRODUCT)} / {self.within(below, POWER)}", PRODUCT

    def power(self, base: ast.expr, exponent: ast.expr) -> tuple[str, int]:
        return f"{self.within(base, ATOM)} ** {self.within(exponent, ATOM)}", POWER

    def compared(self, comparison: ast.cmpop) -> str:
        return _PYTHON_COMPARED[type(comparison)]

    def choice(self, condition: ast.expr, yes: ast.expr, no: ast.expr) -> tuple[str, int]:
        return f"np.where({', '.join(map(self.write, (condition, yes, no)))})", ATOM

    def call_of_whole(self, name: str, whole: ast.expr, options: Mapping[str, Any]) -> tuple[str, int]:
        rest = ", ".join(f"{option}={value!r}" for option, value in options.items())
        return f"{_OF_WHOLE[name]}({self.write(whole)}, {rest})", ATOM

    def call(self, name: str, arguments: Sequence[ast.expr]) -> tuple[str, int]:
        if name == "sigmoid":
            one = ast.Constant(1.0)
            grows = ast.Call(ast.Name("exp", ast.Load()), [built("-x", {"x": arguments[0]})], [])
            return self._written(ast.BinOp(one, ast.Div(), ast.BinOp(one, ast.Add(), grows)))
        shown = [self.write(argument) for argument in arguments]
        if name in ("logsumexp", "norm"):
            function = {"logsumexp": "np.logaddexp.reduce", "norm": "np.linalg.norm"}[name]
            return f"{function}([{', '.join(shown)}])", ATOM
        if name in ("max", "min", "sum", "mean"):
            return f"np.{name}([{', '.join(shown)}])", ATOM
        if name in _NUMPY:
            return f"np.{name}({', '.join(shown)})", ATOM
        if name in ("erf", "erfc"):
            whole = any(isinstance(node, Symbol) and node.index is None for node in ast.walk(arguments[0]))
            return f"np.vectorize(math.{name})({shown[0]})" if whole else f"math.{name}({shown[0]})", ATOM
        op = name.rstrip(PRIME)
        rule = TABLE[op]
        text = rule.written[len(name) - len(op) - 1] if op != name else rule.forward
        return self._written(built(text or "0", dict(zip(rule.operands, arguments, strict=True))))
