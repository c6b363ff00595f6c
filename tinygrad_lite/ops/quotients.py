"""Quotients of recorded products: what is left of one once a factor of it is divided out.

The derivative of a norm is x / norm(x), which is 0 / 0 at 0. A power of the norm has a gradient there all the same, as
the norm is a factor of the cotangent: in ``2 norm(x) · x / norm(x)`` it cancels. Whether it is a factor is read off the
recorded ops, never off the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..core.elementwise import OPS
from ..core.graph import operands_of
from ..core.maps import Chain
from ..core.shapes import shape_of
from ..core.special import RATIO, SIGNED, nonzero, ratio, signed
from ..core.value import Op, Value
from . import elementary
from .reshaping import broadcast_to

__all__ = ["Over", "Sided", "product", "quotient", "sum_of_two"]


LIMIT = 40
"""Ops that are looked at: the factor is a reader's, so that it stands near the end of the product."""

Made = Callable[[], Any]
"""Records a quotient: it is made once all parts of it are known to have the factor."""


def quotient(g: Any, by: Value) -> Any:
    """``g / by`` where the Value ``by`` is a factor of ``g``, else ``None``.

    >>> n = elementary.abs(Value(0.0))
    >>> quotient(3.0 * n**2, n).data, quotient(n + 1.0, n)
    (0.0, None)
    """
    return _quotient(g, by._made_by, operands_of(by), by)


def _quotient(g: Any, op: Op | None, operands: tuple[Any, ...], by: Value | None = None) -> Any:
    """The quotient by a Value, or by any that an op makes of these operands."""
    left = LIMIT

    def divided(x: Any) -> Made | None:  # recursion is never deeper than the limit
        nonlocal left
        left -= 1
        if left < 0 or type(x) is not Value or x._made_by is None:
            return None
        if x is by or (op is not None and _alike(x, op, operands)):
            return lambda: 1.0
        match x._made_by.name, operands_of(x):
            case "mul", (a, b):
                first = then(divided(a), lambda rest: product(rest, b))
                return first or then(divided(b), lambda rest: product(a, rest))
            case "div", (a, b):
                return then(divided(a), lambda rest: elementary.div(rest, b))
            case "neg", (a,):
                return then(divided(a), lambda rest: product(rest, -1.0))
            case ("add" | "sub") as name, (a, b):
                second = divided(b)
                return second and then(divided(a), lambda rest: getattr(elementary, name)(rest, second()))
            case "square", (a,):
                return then(divided(a), lambda rest: product(rest, a))
            case "sin", (a,):
                return then(divided(a), lambda rest: product(rest, elementary.sinc(a * (1 / math.pi))))
            case "pow", (a, b) if (n := _constant(b)) >= 1.0:
                return then(divided(a), lambda rest: rest if n == 1.0 else product(rest, elementary.pow(a, n - 1.0)))
        return None

    def then(rest: Made | None, change: Callable[[Any], Any]) -> Made | None:
        return None if rest is None else lambda: change(rest())

    made = divided(g)
    return None if made is None else made()


def _alike(x: Value, op: Op, operands: tuple[Any, ...]) -> bool:
    """Whether a Value is computed by the same op from the same operands."""
    own = operands_of(x)
    return x._made_by == op and len(own) == len(operands) and all(a is b for a, b in zip(own, operands, strict=True))


def _constant(exponent: Any) -> float:
    """An exponent that is a constant number; NaN for any other."""
    if type(exponent) is Value:
        return math.nan if exponent.requires_grad or exponent.shape else float(exponent.data)
    return float(exponent) if isinstance(exponent, int | float) else math.nan


# ---- local derivatives that are quotients ----------------------------------------------------------------------------


class Over:
    """The local derivative ``above / node``, two chains and a Value that may be 0; ``whole`` is the quotient as one."""

    def __init__(self, node: Value, above: Chain, whole: Chain | None) -> None:
        self.node, self.above, self.whole = node, above, whole

    def pull(self, g: Any, semiring: Any) -> Any:
        chain, rest = self.above, quotient(g, self.node)
        if rest is None and self.whole:  # it has more digits; the factor is 1, and has no derivative where node is 0
            chain, rest = self.whole, product(g, nonzero(self.node))
        elif rest is None:
            rest = ratio(g, self.node)
        g = rest if shape_of(rest) == shape_of(g) else broadcast_to(rest, shape_of(g))
        for linear_map in chain:
            g = linear_map.pull(g, semiring)
        return g

    def push(self, t: Any, semiring: Any) -> Any:
        for linear_map in reversed(self.above):
            t = linear_map.push(t, semiring)
        return ratio(t, self.node)


class Sided:
    """The local derivative x / |x| of ``node``, which is |x|."""

    def __init__(self, node: Value, x: Value) -> None:
        self.node, self.x = node, x

    def pull(self, g: Any, semiring: Any) -> Any:
        rest = quotient(g, self.node)
        return signed(g, self.x) if rest is None else product(rest, self.x)

    def push(self, t: Any, semiring: Any) -> Any:
        return signed(t, self.x)


# ---- sums and products that keep a quotient outermost, so that a factor further on can still cancel it ---------------


def product(a: Any, b: Any) -> Any:
    """``a * b`` of a cotangent or tangent and a weight, recorded."""
    for x, y in ((a, b), (b, a)):
        made_by = x._made_by if type(x) is Value else None
        if made_by is RATIO:
            above, below = operands_of(x)
            rest = quotient(y, below)
            return ratio(product(above, y), below) if rest is None else product(above, rest)
        if made_by is SIGNED:
            above, origin = operands_of(x)
            rest = _quotient(y, OPS["abs"], (origin,))
            return signed(product(above, y), origin) if rest is None else product(above, product(rest, origin))
    if type(a) is float and a == 1.0:
        return b
    return a * b


def sum_of_two(a: Any, b: Any) -> Any:
    """``a + b``, recorded."""
    if type(a) is type(b) is Value and a._made_by is b._made_by is RATIO:
        (x, below), (y, same) = operands_of(a), operands_of(b)
        if below is same:
            return ratio(sum_of_two(x, y), below)
    return a + b
