"""The table of derivatives: one line per elementwise op, as on the last page of a calculus book.

A line holds the op's value and its local derivatives as *expressions* in its operands and the result, ``out``. The
package compiles this text for floats, for arrays and for Values (higher orders), prints it in derivations and pictures,
and tests it line by line. To add an op, add a line.

Conventions at kinks: ``maximum`` and ``minimum`` share a tie 1/2 each; ``relu`` and ``abs`` have derivative 0 at 0,
``leaky_relu`` its slope, ``clip`` 1 at its bounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..errors import ArgumentError
from . import accurate as a

__all__ = ["REAL", "Rule", "TABLE"]


@dataclass(frozen=True)
class Rule:
    """One line of the table.

    ``derivatives`` has one expression per operand, ``None`` where the op is not differentiable in it. ``domain`` is the
    interval of each operand on which the op is differentiable and tests may sample. ``sign`` is what pictures show.
    ``written`` is the form in which people print the derivative where that differs from the stable one computed.
    ``defaults`` are the values of trailing operands that may be left out. ``terms`` add up to ``forward``: one in a
    line of the table. ``mirrored`` are two lines of Python that compute ``{out}``, the op at a float ``{x}``, together
    with ``{mirror}``, the op at -x. ``again`` are derivatives in the form that is differentiated again where all
    operands vary that have one, and wherever there are numerators: where the slope of that in ``derivatives`` is a
    difference that cancels, or it has a special case at some number, which is a constant. ``numerators`` are the
    derivatives times ``out``, where they are quotients by ``out`` that are 0 / 0 at 0. ``margin`` is an expression, and
    the least number at which the derivative of arrays is computed as ``written``, which takes fewer calls and has its
    digits there. Elements at which it is less, or NaN, are computed as ``derivatives`` says. Without an expression all
    are computed as ``written``.
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
    terms: tuple[str, ...] = ()
    mirrored: tuple[str, ...] = ()
    again: tuple[str, ...] = ()
    numerators: tuple[str, ...] = ()
    margin: tuple[str, float] | None = None

    def __post_init__(self) -> None:
        if not self.terms:
            object.__setattr__(self, "terms", (self.forward,))


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
    **more: Any,
) -> None:
    """Enter one line; ``more`` are other fields of a ``Rule``. A second op of the same name is refused."""
    names = tuple(operands.split())
    if name in TABLE:
        raise ArgumentError(f"derivatives: the table already has an op named {name!r}; choose another name")
    if len(derivatives) != len(names):
        raise ArgumentError(f"derivatives: {name} has operands {names}, but {len(derivatives)} derivatives")
    domain, written = domain or (REAL,) * len(names), written or derivatives
    parts = names, forward, derivatives, sign or name, domain, written, ufunc, defaults, doc
    TABLE[name] = Rule(name, *parts, **more)


# fmt: off
#    op         operands  value            derivative with respect to each operand
line("add",     "x y",    "x + y",         "1", "1",               sign="+", ufunc="add")
line("sub",     "x y",    "x - y",         "1", "-1",              sign="-", ufunc="subtract")
line("mul",     "x y",    "x * y",         "y", "x",               sign="*", ufunc="multiply")
line("div",     "x y",    "x / y",         "1 / y", "-out / y",    sign="/", ufunc="divide",
     domain=(REAL, POSITIVE), written=("1 / y", "-x / y**2"))
line("neg",     "x",      "-x",            "-1",                   sign="-", ufunc="negative")
line("pow",     "x y",    "x ** y",
     "y * x ** where(y == 0, 1, y - 1)",    # at y = 0 it is 0, also for x = 0
     "out * log(where(x == 0, 1, x))",      # 0 ** y is flat for y > 0
     again=("power_partial(x, y, 1, 0)", "power_partial(x, y, 0, 1)"),
     sign="**", ufunc="power", domain=(POSITIVE, REAL), written=("y * x**(y - 1)", "out * log(x)"))
line("exp",     "x",      "exp(x)",        "out",                  ufunc="exp")
line("log",     "x",      "log(x)",        "1 / x",                ufunc="log", domain=(POSITIVE,))
line("log1p",   "x",      "log1p(x)",      "1 / (1 + x)",          ufunc="log1p", domain=((-0.8, 3.0),))
line("expm1",   "x",      "expm1(x)",      "exp(x)",               ufunc="expm1")
line("exp2",    "x",      "2.0 ** x",      "0.6931471805599453 * out",     ufunc="exp2")              # ln 2
line("log2",    "x",      "log2(x)",       "1.4426950408889634 / x",       ufunc="log2", domain=(POSITIVE,))  # 1/ln 2
line("log10",   "x",      "log10(x)",      "0.4342944819032518 / x",       ufunc="log10", domain=(POSITIVE,)) # 1/ln 10
line("logaddexp", "x y",  "logaddexp(x, y)",                      # a power of -|x - y| does not overflow at any order
     f"where(x > y, 1, {a.RATIO}) / (1 + {a.RATIO})", f"where(x > y, {a.RATIO}, 1) / (1 + {a.RATIO})",
     ufunc="logaddexp", written=("sigmoid(x - y)", "sigmoid(y - x)"), margin=("", a.NOT_NAN),
     doc="log(exp(x) + exp(y)), without overflow.")
line("logaddexp2", "x y", "logaddexp2(x, y)",                     # and a product with log 2 would lose digits
     f"where(x > y, 1, {a.RATIO2}) / (1 + {a.RATIO2})", f"where(x > y, {a.RATIO2}, 1) / (1 + {a.RATIO2})",
     ufunc="logaddexp2", written=("1 / (1 + 2**(y - x))", "1 / (1 + 2**(x - y))"),
     doc="log2(2**x + 2**y), without overflow.")
line("sqrt",    "x",      "sqrt(x)",       "0.5 / out",            sign="√", ufunc="sqrt", domain=(POSITIVE,),
     written=("1 / (2 * out)",))
line("cbrt",    "x",      "cbrt(x)",       "1 / (3 * out * out)",  sign="∛", ufunc="cbrt", domain=(POSITIVE,),
     written=("1 / (3 * out**2)",))
line("reciprocal", "x",   "1 / x",         "-out * out",           sign="1/·", ufunc="reciprocal", domain=(POSITIVE,),
     written=("-1 / x**2",))
line("hypot",   "x y",    "hypot(x, y)",                           # 0 at the origin, as norm
     "x / where(out == 0, 1, out)", "y / where(out == 0, 1, out)", ufunc="hypot", written=("x / out", "y / out"),
     again=(a.cosine("x", "y"), a.cosine("y", "x")), numerators=("x", "y"))
line("square",  "x",      "x * x",         "2 * x",                sign="²", ufunc="square")
line("abs",     "x",      "abs(x)",        "sign(x)",              sign="|·|", ufunc="absolute", numerators=("x",))
line("sign",    "x",      "sign(x)",       "0",                    ufunc="sign")
line("sin",     "x",      "sin(x)",        "cos(x)",               ufunc="sin")
line("cos",     "x",      "cos(x)",        "-sin(x)",              ufunc="cos")
line("tan",     "x",      "tan(x)",        "1 + out * out",        ufunc="tan", domain=((-1.2, 1.2),),
     written=("1 + out**2",))
line("arcsin",  "x",      "arcsin(x)",     f"1 / sqrt({a.ONE_MINUS_SQUARE})",  ufunc="arcsin", domain=((-0.9, 0.9),),
     written=("1 / sqrt(1 - x**2)",))
line("arccos",  "x",      "arccos(x)",     f"-1 / sqrt({a.ONE_MINUS_SQUARE})", ufunc="arccos", domain=((-0.9, 0.9),),
     written=("-1 / sqrt(1 - x**2)",))
line("arctan",  "x",      "arctan(x)",     "1 / (1 + x * x)",      ufunc="arctan", written=("1 / (1 + x**2)",))
line("arctan2", "x y",    "arctan2(x, y)", "y / hypot(x, y) / hypot(x, y)", "-x / hypot(x, y) / hypot(x, y)",
     ufunc="arctan2", domain=(POSITIVE, REAL), written=("y / (x**2 + y**2)", "-x / (x**2 + y**2)"))
line("sinh",    "x",      "sinh(x)",       "cosh(x)",              ufunc="sinh")
line("cosh",    "x",      "cosh(x)",       "sinh(x)",              ufunc="cosh")
line("tanh",    "x",      "tanh(x)",       "sech2(x)",             # 1 - out**2 loses all digits at 19
     ufunc="tanh", written=("1 - out**2",), margin=("1 - out**2", a.KEPT))
line("sech2",   "x",      "(2 * exp(-abs(x)) / (1 + exp(-2 * abs(x))))**2", "-2 * out * tanh(x)",
     sign="sech²", doc="1 / cosh(x)², the derivative of tanh.")
line("arcsinh", "x",      "arcsinh(x)",    "1 / hypot(1, x)",      ufunc="arcsinh", written=("1 / sqrt(1 + x**2)",))
line("arccosh", "x",      "arccosh(x)",    "1 / (sqrt(x - 1) * sqrt(x + 1))", ufunc="arccosh", domain=((1.2, 3.0),),
     written=("1 / sqrt(x**2 - 1)",))
line("arctanh", "x",      "arctanh(x)",    f"1 / {a.ONE_MINUS_SQUARE}",        ufunc="arctanh", domain=((-0.8, 0.8),),
     written=("1 / (1 - x**2)",))
line("sinc",    "x",                                               # 3.14… is π
     "where(x == 0, 1, sin(3.141592653589793 * x) / (3.141592653589793 * where(x == 0, 1, x)))", "sinc_slope(x)",
     doc="sin(πx) / (πx), and 1 at 0.")
line("sinc_slope", "x",   a.SINC_SLOPE,                            # near 0 by its series, as the quotient cancels
     "where(x == 0, -3.289868133696453, -9.869604401089358 * sinc(x) - 2 * out / where(x == 0, 1, x))",  # π²
     sign="sinc′", written=("-9.869604401089358 * sinc(x) - 2 * out / x",), again=("sinc_partial(x, 2)",),
     doc="The derivative of sinc.")
line("sigmoid", "x",      "sigmoid(x)",    "out * sigmoid(-x)",    # out * (1 - out) is 0 at 40
     sign="σ", written=("out * (1 - out)",), margin=("1 - out", a.KEPT), again=("0.25 * sech2(0.5 * x)",),
     mirrored=(                                                    # from one exponential
         "if {x} >= 0.0: e = exp(-{x}); d = 1.0 + e; {out} = 1.0 / d; {mirror} = e / d",
         "else: e = exp({x}); d = 1.0 + e; {out} = e / d; {mirror} = 1.0 / d"))
line("softplus", "x",     "log1p(exp(-abs(x))) + maximum(x, 0)", "sigmoid(x)",
     doc="log(1 + exp(x)), without overflow.")
line("relu",    "x",      "maximum(x, 0)", "where(x > 0, 1, 0)")
line("leaky_relu", "x slope", "where(x > 0, x, slope * x)",
     "where(x > 0, 1, slope)", None,
     domain=(REAL, (0.01, 0.5)), defaults=(0.01,))
line("elu",     "x alpha", "where(x > 0, x, alpha * expm1(minimum(x, 0)))",
     "where(x > 0, 1, alpha * exp(where(x > 0, 0, x)))", None,      # at 0 of the left side, to every order
     domain=(REAL, (0.5, 1.5)), defaults=(1.0,))
line("silu",    "x",      "x * sigmoid(x)",
     f"sigmoid(x) * (1 + {a.NEAR} * sigmoid(-x))", written=(a.SILU_WRITTEN,), margin=(a.SILU_WRITTEN, a.NOT_NAN))
line("gelu_tanh", "x",    f"x * sigmoid({a.GELU})",
     f"sigmoid({a.GELU_CAPPED}) * (1 + {a.NEAR} * sigmoid(-({a.GELU_CAPPED})) * {a.GELU_SLOPE})",
     written=(a.GELU_WRITTEN,), margin=(a.GELU_WRITTEN, a.NOT_NAN), sign="gelu",
     doc="GELU by its tanh approximation (Hendrycks and Gimpel, 2016).")
line("gelu_erf", "x",     "0.5 * x * erfc(-0.7071067811865476 * x)",                       # 0.70… is 1 / √2
     f"0.5 * erfc(-0.7071067811865476 * x) + 0.3989422804014327 * {a.NEAR} * exp(-0.5 * x * x)",  # 0.39…: 1 / √(2π)
     written=("0.5 * erfc(-0.7071067811865476 * x) + 0.3989422804014327 * x * exp(-0.5 * x * x)",),
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
