"""The table of derivatives: one line per elementwise op, as on the last page of a calculus book.

A line holds the op's value and its local derivatives as *expressions* in its operands and ``out``, the result. The same
text is compiled for floats, for arrays and for Values (higher orders), printed in derivations and pictures, and walked
by the tests. Adding an op is adding a line.

Conventions at kinks: ``maximum`` and ``minimum`` share a tie 1/2 each; ``relu`` and ``abs`` have derivative 0 at 0,
``leaky_relu`` its slope, ``clip`` 1 at its bounds.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import ArgumentError, MissingExtraError

__all__ = [
    "ARRAY_FUNCTIONS",
    "FLOAT_FUNCTIONS",
    "LOCAL_FUNCTIONS",
    "TABLE",
    "Rule",
    "array_source",
    "compiled",
    "float_source",
    "value_source",
]


@dataclass(frozen=True)
class Rule:
    """One line of the table.

    ``derivatives`` has one expression per operand, ``None`` where the op is not differentiable in it. ``domain`` is the
    interval of each operand on which the op is differentiable and tests may sample. ``sign`` is what pictures show.
    ``written`` is the form in which people print the derivative where that differs from the stable one computed.
    ``defaults`` are the values of trailing operands that may be left out.
    """

    name: str
    operands: tuple[str, ...]
    forward: str
    derivatives: tuple[str | None, ...]
    sign: str
    domain: tuple[tuple[float, float], ...]
    written: tuple[str | None, ...]
    ufunc: str | None = None
    defaults: tuple[float, ...] = ()
    doc: str = ""


TABLE: dict[str, Rule] = {}

REAL = (-2.0, 2.0)
POSITIVE = (0.2, 3.0)


def line(
    name: str,
    operands: str,
    forward: str,
    *derivatives: str | None,
    sign: str | None = None,
    domain: tuple[tuple[float, float], ...] | None = None,
    written: tuple[str | None, ...] | None = None,
    ufunc: str | None = None,
    defaults: tuple[float, ...] = (),
    doc: str = "",
) -> None:
    """Enter one line; a second op of the same name is refused."""
    names = tuple(operands.split())
    if name in TABLE:
        raise ArgumentError(f"derivatives: the table already has an op named {name!r}; choose another name")
    if len(derivatives) != len(names):
        raise ArgumentError(f"derivatives: {name} has operands {names}, but {len(derivatives)} derivatives")
    TABLE[name] = Rule(
        name,
        names,
        forward,
        derivatives,
        sign or name,
        domain or (REAL,) * len(names),
        written or derivatives,
        ufunc,
        defaults,
        doc,
    )


_SQUARE = (
    "(3.141592653589793 * where(abs(x) < 0.3, x, 0))**2"  # of πx near 0; further out it is not read, nor overflows
)

# fmt: off
#    op         operands  value            derivative with respect to each operand
line("add",     "x y",    "x + y",         "1", "1",               sign="+", ufunc="add")
line("sub",     "x y",    "x - y",         "1", "-1",              sign="-", ufunc="subtract")
line("mul",     "x y",    "x * y",         "y", "x",               sign="*", ufunc="multiply")
line("div",     "x y",    "x / y",         "1 / y", "-out / y",    sign="/", ufunc="divide",
     domain=(REAL, POSITIVE), written=("1 / y", "-x / y**2"))
line("neg",     "x",      "-x",            "-1",                   sign="-", ufunc="negative")
line("pow",     "x y",    "x ** y",
     "y * x ** where(y == 0, 1, y - 1)",    # at y = 0 it is 0, also for x = 0, and so are all higher orders
     "out * log(where(x == 0, 1, x))",      # 0 ** y is flat for y > 0
     sign="**", ufunc="power", domain=(POSITIVE, REAL), written=("y * x**(y - 1)", "out * log(x)"))
line("exp",     "x",      "exp(x)",        "out",                  ufunc="exp")
line("log",     "x",      "log(x)",        "1 / x",                ufunc="log", domain=(POSITIVE,))
line("log1p",   "x",      "log1p(x)",      "1 / (1 + x)",          ufunc="log1p", domain=((-0.8, 3.0),))
line("expm1",   "x",      "expm1(x)",      "exp(x)",               ufunc="expm1")
line("exp2",    "x",      "2 ** x",        "0.6931471805599453 * out",     ufunc="exp2")              # ln 2
line("log2",    "x",      "log2(x)",       "1.4426950408889634 / x",       ufunc="log2", domain=(POSITIVE,))  # 1/ln 2
line("log10",   "x",      "log10(x)",      "0.4342944819032518 / x",       ufunc="log10", domain=(POSITIVE,)) # 1/ln 10
line("logaddexp", "x y",  "logaddexp(x, y)", "sigmoid(x - y)", "sigmoid(y - x)", ufunc="logaddexp",
     doc="log(exp(x) + exp(y)), without overflow.")
line("logaddexp2", "x y", "logaddexp2(x, y)",
     "sigmoid(0.6931471805599453 * (x - y))", "sigmoid(0.6931471805599453 * (y - x))", ufunc="logaddexp2",
     doc="log2(2**x + 2**y), without overflow.")
line("sqrt",    "x",      "sqrt(x)",       "0.5 / out",            sign="√", ufunc="sqrt", domain=(POSITIVE,),
     written=("1 / (2 * out)",))
line("cbrt",    "x",      "cbrt(x)",       "1 / (3 * out * out)",  sign="∛", ufunc="cbrt", domain=(POSITIVE,),
     written=("1 / (3 * out**2)",))
line("reciprocal", "x",   "1 / x",         "-out * out",           sign="1/·", ufunc="reciprocal", domain=(POSITIVE,),
     written=("-1 / x**2",))
line("hypot",   "x y",    "hypot(x, y)",                           # 0 at the origin, as norm
     "x / where(out == 0, 1, out)", "y / where(out == 0, 1, out)", ufunc="hypot", written=("x / out", "y / out"))
line("square",  "x",      "x * x",         "2 * x",                sign="²", ufunc="square")
line("abs",     "x",      "abs(x)",        "sign(x)",              sign="|·|", ufunc="absolute")
line("sign",    "x",      "sign(x)",       "0",                    ufunc="sign")
line("sin",     "x",      "sin(x)",        "cos(x)",               ufunc="sin")
line("cos",     "x",      "cos(x)",        "-sin(x)",              ufunc="cos")
line("tan",     "x",      "tan(x)",        "1 + out * out",        ufunc="tan", domain=((-1.2, 1.2),),
     written=("1 + out**2",))
line("arcsin",  "x",      "arcsin(x)",     "1 / sqrt((1 - x) * (1 + x))",   ufunc="arcsin", domain=((-0.9, 0.9),),
     written=("1 / sqrt(1 - x**2)",))
line("arccos",  "x",      "arccos(x)",     "-1 / sqrt((1 - x) * (1 + x))",  ufunc="arccos", domain=((-0.9, 0.9),),
     written=("-1 / sqrt(1 - x**2)",))
line("arctan",  "x",      "arctan(x)",     "1 / (1 + x * x)",      ufunc="arctan", written=("1 / (1 + x**2)",))
line("arctan2", "x y",    "arctan2(x, y)", "y / (x * x + y * y)", "-x / (x * x + y * y)", ufunc="arctan2",
     domain=(POSITIVE, REAL), written=("y / (x**2 + y**2)", "-x / (x**2 + y**2)"))
line("sinh",    "x",      "sinh(x)",       "cosh(x)",              ufunc="sinh")
line("cosh",    "x",      "cosh(x)",       "sinh(x)",              ufunc="cosh")
line("tanh",    "x",      "tanh(x)",
     "4 * sigmoid(2 * x) * sigmoid(-2 * x)",                       # 1 - out**2 loses all digits at 19
     ufunc="tanh", written=("1 - out**2",))
line("arcsinh", "x",      "arcsinh(x)",    "1 / hypot(1, x)",      ufunc="arcsinh", written=("1 / sqrt(1 + x**2)",))
line("arccosh", "x",      "arccosh(x)",    "1 / sqrt((x - 1) * (x + 1))", ufunc="arccosh", domain=((1.2, 3.0),),
     written=("1 / sqrt(x**2 - 1)",))
line("arctanh", "x",      "arctanh(x)",    "1 / ((1 - x) * (1 + x))",     ufunc="arctanh", domain=((-0.8, 0.8),),
     written=("1 / (1 - x**2)",))
line("sinc",    "x",                                               # 3.14… is π
     "where(x == 0, 1, sin(3.141592653589793 * x) / (3.141592653589793 * where(x == 0, 1, x)))", "sinc_slope(x)",
     doc="sin(πx) / (πx), and 1 at 0. At 0 derivatives up to the third are right, all orders elsewhere.")
line("sinc_slope", "x",                                            # near 0 by its series, as the quotient cancels
     f"where(abs(x) < 0.3, -9.869604401089358 * x * (1 / 3 - {_SQUARE} * (1 / 30 - {_SQUARE} * (1 / 840"
     f" - {_SQUARE} * (1 / 45360 - {_SQUARE} * (1 / 3991680 - {_SQUARE} * (1 / 518918400"
     f" - {_SQUARE} / 93405312000)))))),"
     " (cos(3.141592653589793 * x) - sin(3.141592653589793 * x) / (3.141592653589793 * where(x == 0, 1, x)))"
     " / where(x == 0, 1, x))",
     "where(x == 0, -3.289868133696453, -9.869604401089358 * sinc(x) - 2 * out / where(x == 0, 1, x))",  # π²
     sign="sinc′", written=("-9.869604401089358 * sinc(x) - 2 * out / x",), doc="The derivative of sinc.")
line("sigmoid", "x",      "sigmoid(x)",    "out * sigmoid(-x)",    # out * (1 - out) is 0 at 40
     sign="σ", written=("out * (1 - out)",))
line("softplus", "x",     "log1p(exp(-abs(x))) + maximum(x, 0)", "sigmoid(x)",
     doc="log(1 + exp(x)), without overflow.")
line("relu",    "x",      "maximum(x, 0)", "where(x > 0, 1, 0)")
line("leaky_relu", "x slope", "where(x > 0, x, slope * x)",
     "where(x > 0, 1, slope)", None,
     domain=(REAL, (0.01, 0.5)), defaults=(0.01,))
line("elu",     "x alpha", "where(x > 0, x, alpha * expm1(minimum(x, 0)))",
     "where(x > 0, 1, alpha * exp(minimum(x, 0)))", None,
     domain=(REAL, (0.5, 1.5)), defaults=(1.0,))
line("silu",    "x",      "x * sigmoid(x)", "sigmoid(x) * (1 + x * sigmoid(-x))")
line("gelu_tanh", "x",    "x * sigmoid(1.5957691216057308 * (x + 0.044715 * x * x * x))",  # 1.59… is 2 √(2/π)
     "sigmoid(1.5957691216057308 * (x + 0.044715 * x * x * x)) * (1 + x"
     " * sigmoid(-1.5957691216057308 * (x + 0.044715 * x * x * x)) * 1.5957691216057308 * (1 + 0.134145 * x * x))",
     sign="gelu", doc="GELU by its tanh approximation (Hendrycks and Gimpel, 2016).")
line("gelu_erf", "x",     "0.5 * x * erfc(-0.7071067811865476 * x)",                       # 0.70… is 1 / √2
     "0.5 * erfc(-0.7071067811865476 * x) + 0.3989422804014327 * x * exp(-0.5 * x * x)",   # 0.39… is 1 / √(2π)
     sign="gelu", doc="GELU exactly, x Φ(x); arrays need the extra `scipy`.")
line("erf",     "x",      "erf(x)",        "1.1283791670955126 * exp(-x * x)",             # 1.12… is 2 / √π
     doc="The error function; arrays need the extra `scipy`.")
line("erfc",    "x",      "erfc(x)",       "-1.1283791670955126 * exp(-x * x)",
     doc="1 - erf(x), accurate where that is small; arrays need the extra `scipy`.")
line("maximum", "x y",    "maximum(x, y)",
     "where(x > y, 1, where(x == y, 0.5, 0))", "where(y > x, 1, where(x == y, 0.5, 0))", sign="max", ufunc="maximum")
line("minimum", "x y",    "minimum(x, y)",
     "where(x < y, 1, where(x == y, 0.5, 0))", "where(y < x, 1, where(x == y, 0.5, 0))", sign="min", ufunc="minimum")
line("fmax",    "x y",    "fmax(x, y)",                            # a NaN gives way to the other
     "where(x == out, where(y == out, 0.5, 1), 0)", "where(y == out, where(x == out, 0.5, 1), 0)", ufunc="fmax")
line("fmin",    "x y",    "fmin(x, y)",
     "where(x == out, where(y == out, 0.5, 1), 0)", "where(y == out, where(x == out, 0.5, 1), 0)", ufunc="fmin")
line("mod",     "x y",    "mod(x, y)",     "1", "(out - x) / y",   sign="%", ufunc="remainder",
     domain=((1.1, 1.9), (0.97, 1.03)), doc="x - floor(x / y) * y, of the sign of y.")
line("where",   "condition x y", "where(condition, x, y)",
     None, "where(condition, 1, 0)", "where(condition, 0, 1)",
     domain=((-1.0, 1.0), REAL, REAL))
line("clip",    "x low high", "minimum(maximum(x, low), high)",
     "where(x >= low, where(x <= high, 1, 0), 0)", "where(x < low, 1, 0)", "where(x > high, 1, 0)",
     domain=(REAL, (-1.0, -0.5), (0.5, 1.0)), defaults=(-math.inf, math.inf))
# fmt: on


# ---- what the expressions call: on floats ---------------------------------------------------------------------------


def _float_sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)) with the exponential of a negative number only."""
    if x >= 0.0:
        return 1.0 / (1.0 + math.exp(-x))
    e = math.exp(x)
    return e / (1.0 + e)


def _float_sign(x: float) -> float:
    return math.copysign(1.0, x) if x < 0.0 or x > 0.0 else x + 0.0  # 0 of both signs, or nan


def _float_maximum(x: float, y: float) -> float:
    return x if x > y or x != x else y


def _float_minimum(x: float, y: float) -> float:
    return x if x < y or x != x else y


def _float_fmax(x: float, y: float) -> float:
    return x if x > y or math.isnan(y) else y


def _float_fmin(x: float, y: float) -> float:
    return x if x < y or math.isnan(y) else y


def _float_mod(x: float, y: float) -> float:
    return x % y


def _float_cbrt(x: float) -> float:
    """A power, and one of Newton's steps: ``math.cbrt`` has no form in machine code."""
    root = math.copysign(abs(x) ** (1.0 / 3.0), x)
    if root == 0.0 or root - root != 0.0:  # 0, infinite, or nan
        return root
    return root - (root - x / root / root) / 3.0


def _float_logaddexp(x: float, y: float) -> float:
    if x == y:
        return x + 0.6931471805599453
    return x + math.log1p(math.exp(y - x)) if x > y else y + math.log1p(math.exp(x - y))


def _float_logaddexp2(x: float, y: float) -> float:
    if x == y:
        return x + 1.0
    if x > y:
        return x + 1.4426950408889634 * math.log1p(2.0 ** (y - x))
    return y + 1.4426950408889634 * math.log1p(2.0 ** (x - y))


FLOAT_FUNCTIONS: dict[str, Callable[..., float]] = {
    "abs": abs,
    "arccos": math.acos,
    "arccosh": math.acosh,
    "arcsin": math.asin,
    "arcsinh": math.asinh,
    "arctan": math.atan,
    "arctan2": math.atan2,
    "arctanh": math.atanh,
    "cbrt": _float_cbrt,
    "cos": math.cos,
    "cosh": math.cosh,
    "erf": math.erf,
    "erfc": math.erfc,
    "exp": math.exp,
    "expm1": math.expm1,
    "fmax": _float_fmax,
    "fmin": _float_fmin,
    "hypot": math.hypot,
    "log": math.log,
    "log10": math.log10,
    "log1p": math.log1p,
    "log2": math.log2,
    "logaddexp": _float_logaddexp,
    "logaddexp2": _float_logaddexp2,
    "maximum": _float_maximum,
    "minimum": _float_minimum,
    "mod": _float_mod,
    "sigmoid": _float_sigmoid,
    "sign": _float_sign,
    "sin": math.sin,
    "sinh": math.sinh,
    "sqrt": math.sqrt,
    "tan": math.tan,
    "tanh": math.tanh,
}


# ---- what the expressions call: on arrays ---------------------------------------------------------------------------


_FLOAT16 = np.dtype(np.float16)


_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
_ONE, _LIMIT = np.array(1.0), np.array(64.0)
_ONE32, _LIMIT32 = _ONE.astype(np.float32), _LIMIT.astype(np.float32)
"""As arrays, which a ufunc reads in two thirds of a number's time. Below, what is called is a local variable: looking
it up in NumPy takes a tenth of the time of a small array's sigmoid."""


def _array_sigmoid(
    x: Any, minimum: Any = np.minimum, exp: Any = np.exp, add: Any = np.add, divide: Any = np.divide
) -> Any:
    """``e / (1 + e)``, e = exp(x), limited so that nothing overflows: beyond x = 64 it is 1 in any precision."""
    dtype = x.dtype
    if x.ndim and dtype is _FLOAT64:
        one, limit = _ONE, _LIMIT
    elif x.ndim and dtype is _FLOAT32:
        one, limit = _ONE32, _LIMIT32
    elif dtype is _FLOAT16:  # whose largest number is exp(11)
        return _array_sigmoid(x.astype(np.float32)).astype(np.float16)
    else:  # complex, or a NumPy scalar
        e = np.exp(np.minimum(x, 64.0))
        return e / (1.0 + e)
    e = minimum(x, limit)
    exp(e, e)
    d = add(one, e)
    return divide(e, d, d)


def _array_sigmoid_of_minus(x: Any, exp: Any = np.exp, add: Any = np.add, reciprocal: Any = np.reciprocal) -> Any:
    """``sigmoid(-x)`` without changing the sign first: where exp overflows to infinity it is 0, as it should be."""
    e = exp(x)
    if not x.ndim or x.dtype is not _FLOAT64:
        return 1.0 / (1.0 + e)
    add(_ONE, e, e)
    return reciprocal(e, e)


def _quiet(ufunc: np.ufunc) -> Callable[..., Any]:
    """A ufunc that warns of a NaN which it was given, as others do not."""

    def call(x: Any, y: Any) -> Any:
        with np.errstate(invalid="ignore"):
            return ufunc(x, y)

    return call


def _special(name: str) -> Callable[[Any], Any]:
    """A function of SciPy's, imported when it is first called."""

    def call(x: Any) -> Any:
        try:
            from scipy import special
        except ImportError:
            raise MissingExtraError(
                f'{name}: on arrays it needs SciPy, which is not installed; pip install "tinygrad_lite[scipy]"'
            ) from None
        return getattr(special, name)(x)

    return call


_NUMPY = """
abs arccos arccosh arcsin arcsinh arctan arctan2 arctanh cbrt cos cosh exp expm1 fmax fmin hypot log log10 log1p log2
maximum minimum mod sign sin sinh sqrt tan tanh where
"""
ARRAY_FUNCTIONS: dict[str, Callable[..., Any]] = {name: getattr(np, name) for name in _NUMPY.split()} | {
    "sigmoid": _array_sigmoid,
    "logaddexp": _quiet(np.logaddexp),
    "logaddexp2": _quiet(np.logaddexp2),
    "erf": _special("erf"),
    "erfc": _special("erfc"),
}
LOCAL_FUNCTIONS = ARRAY_FUNCTIONS | {"sigmoid_of_minus": _array_sigmoid_of_minus}
"""The same for local derivatives: they are computed inside a sweep, which is quiet as a whole."""


# ---- compiling the expressions --------------------------------------------------------------------------------------


def _is_call(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def _is_number(node: ast.AST, value: float) -> bool:
    return isinstance(node, ast.Constant) and node.value == value


class _ForFloats(ast.NodeTransformer):
    """``where`` becomes a conditional expression (only one side is evaluated), integers become floats."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if _is_call(node, "where"):
            condition, yes, no = node.args
            return ast.IfExp(condition, yes, no)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant(float(node.value))  # type: ignore[arg-type]  # numbers only


class _ForArrays(ast.NodeTransformer):
    """Shorter forms of what local derivatives of arrays need not compute.

    ``where(mask, 1, 0)`` is the mask itself: a boolean multiplies as fast as a number and keeps float32.
    ``sigmoid(-x)`` need not change the sign twice.
    """

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if _is_call(node, "where") and _is_number(node.args[1], 1) and _is_number(node.args[2], 0):
            mask = node.args[0]  # of where itself it may be numbers, of which any but 0 is true
            return ast.Compare(mask, [ast.NotEq()], [ast.Constant(0)]) if isinstance(mask, ast.Name) else mask
        if (
            _is_call(node, "sigmoid")
            and isinstance(node.args[0], ast.UnaryOp)
            and isinstance(node.args[0].op, ast.USub)
        ):
            return ast.Call(ast.Name("sigmoid_of_minus", ast.Load()), [node.args[0].operand], [])
        return node


class _ForValues(ast.NodeTransformer):
    """Comparisons, which Values answer with plain data, become constants that know what they were made of."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if _is_call(node, "where") and _is_number(node.args[1], 1) and _is_number(node.args[2], 0):
            mask = node.args[0]  # of where itself it may be numbers, of which any but 0 is true
            return ast.Compare(mask, [ast.NotEq()], [ast.Constant(0)]) if isinstance(mask, ast.Name) else mask
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        name = {ast.Gt: "greater", ast.GtE: "greater_equal", ast.Lt: "less", ast.LtE: "less_equal", ast.Eq: "equal"}
        return ast.Call(ast.Name(name[type(node.ops[0])], ast.Load()), [node.left, *node.comparators], [])


class _Rename(ast.NodeTransformer):
    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(self.names.get(node.id, node.id), node.ctx)


def float_source(expression: str, names: dict[str, str]) -> str:
    """The expression as Python source on floats, with its variables renamed.

    >>> float_source("where(x > 0, 1, slope)", {"x": "a", "slope": "b"})
    '1.0 if a > 0.0 else b'
    """
    tree = ast.parse(expression, mode="eval")
    tree = ast.fix_missing_locations(_Rename(names).visit(_ForFloats().visit(tree)))
    return ast.unparse(tree)


def array_source(expression: str) -> str:
    """A local derivative as Python source on arrays.

    >>> array_source("where(x > 0, 1, 0)")
    'x > 0'
    """
    return ast.unparse(ast.fix_missing_locations(_ForArrays().visit(ast.parse(expression, mode="eval"))))


def value_source(expression: str) -> str:
    """A local derivative as Python source on Values.

    >>> value_source("where(x > 0, 1, slope)"), value_source("where(x > 0, 1, 0)")
    ('where(greater(x, 0), 1, slope)', 'greater(x, 0)')
    """
    return ast.unparse(ast.fix_missing_locations(_ForValues().visit(ast.parse(expression, mode="eval"))))


def compiled(rule: Rule, source: str, functions: dict[str, Any]) -> Callable[..., Any]:
    """Source as a function of the rule's operands and ``out``, which calls ``functions``.

    >>> compiled(TABLE["div"], "1 / y", {})(3.0, 4.0)
    0.25
    """
    arguments = ", ".join((*rule.operands, "out=None"))
    function: Callable[..., Any] = eval(
        f"lambda {arguments}: {source}", functions
    )  # the table's text, nothing of a user's
    function.__name__ = rule.name
    return function


for _name in ("sinc", "sinc_slope"):  # lines that other lines call
    _names = {_x: _x for _x in TABLE[_name].operands}
    FLOAT_FUNCTIONS[_name] = compiled(TABLE[_name], float_source(TABLE[_name].forward, _names), FLOAT_FUNCTIONS)
    ARRAY_FUNCTIONS[_name] = LOCAL_FUNCTIONS[_name] = compiled(TABLE[_name], TABLE[_name].forward, ARRAY_FUNCTIONS)
