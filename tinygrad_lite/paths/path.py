"""One path: its Values, the element in each, the local derivatives between them, and the path as text."""

from __future__ import annotations

import ast
import decimal
import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..core.display import clipped, table
from ..core.graph import chains
from ..core.maps import edges
from ..core.shapes import Index
from ..core.value import Value
from ..errors import GraphError
from ..formulas.expressions import is_number, number, product
from ..formulas.printer import PRODUCT, SUM, element_text
from ..formulas.reader import TooLongError, Tracer
from ..formulas.text import Text
from ..graph.naming import indexed

__all__ = ["Line", "Path", "SHOWN", "count_text", "element_name", "product_text"]


LONGEST = 60
"""The most characters of a factor; a longer one is printed as its number."""

SHOWN = 12
"""The factors that a short line shows, half of them from each end of the path."""


class Line(NamedTuple):
    """A path in print: its values, the factors of its product, and the product."""

    path: str
    factors: str
    contribution: str

    def __str__(self) -> str:
        return f"{self.path} : {self.factors} = {self.contribution}"


class Path:
    """One path from an end to a value.

    ``nodes[0]`` is the end, ``nodes[-1]`` the value; ``indices`` has the element in each node (``()`` in a scalar);
    ``locals`` are the local derivatives between neighbours, so ``len(locals) == length == len(nodes) - 1``.

    >>> import tinygrad_lite as tg
    >>> x = Value(3.0, name="x")
    >>> (path,) = tg.gradient_paths(x.square() * 2.0, x)
    >>> path.length, path.locals, path.contribution, path.nodes[-1].name
    (2, (2.0, 6.0), 12.0, 'x')
    """

    __slots__ = ("__dict__", "indices", "locals", "nodes")

    def __init__(self, nodes: tuple[Value, ...], indices: tuple[Index, ...], locals_: tuple[float, ...]) -> None:
        self.nodes, self.indices, self.locals = nodes, indices, locals_

    @property
    def length(self) -> int:
        """The number of ops on the path."""
        return len(self.locals)

    @property
    def contribution(self) -> float:
        """The product of the local derivatives: this path's part of the gradient."""
        return float(product_of(self.locals)) + 0.0  # a product of zeros is 0, never -0

    def __len__(self) -> int:
        return len(self.locals)

    @cached_property
    def _segments(self) -> list[tuple[str, int, int]]:
        """The named Values after the end: name, and where on the path its factor starts and stops."""
        found, start = [], 0
        for k, (node, index) in enumerate(zip(self.nodes[1:], self.indices[1:], strict=True), start=1):
            name = element_text(node, index)
            if name is not None or k == self.length:
                found.append((name or "value", start, k))
                start = k
        return found

    def __str__(self) -> str:
        """The path as a person would write it: the named Values, and the local derivatives between them as formulas.

        The factor between two named Values covers the nameless ones between them, and factors of 1 are left out. A
        factor longer than 60 characters is printed as its number.

        >>> import tinygrad_lite as tg
        >>> x, w, t = Value(2.0, name="x"), Value(3.0, name="w"), Value(1.0, name="t")
        >>> y = (x * w).sigmoid()
        >>> loss = (y - t).square() / 8
        >>> y.name, loss.name = "y", "C"
        >>> print(*tg.gradient_paths(loss, w))
        C ← y ← w : (y - t)/4 · y(1 - y)·x = -3.04937e-06
        """
        return str(self.line())

    @property
    def numbers(self) -> str:
        """The same text with the number of every factor.

        >>> import tinygrad_lite as tg
        >>> x, w = Value(2.0, name="x"), Value(3.0, name="w")
        >>> (path,) = tg.gradient_paths((x * w).square() * 0.5, w)
        >>> str(path), path.numbers
        ('end ← w : x²·w = 12', 'end ← w : 12 = 12')
        """
        names = [name for name, _, _ in self._segments]
        factors = _factors(self._number(start, stop) for _, start, stop in self._segments)
        return str(Line(self._arrows(names), factors, product_text(self.locals, 6)))

    def line(self, most: int | None = None) -> Line:
        """The printed line in its three parts; of more than ``most`` named values only the first and the last.

        >>> import tinygrad_lite as tg
        >>> y = x = tg.Value(0.5, name="x")
        >>> for k in range(1000):
        ...     y = y.sin()
        ...     y.name = f"y{k}"
        >>> (path,) = tg.gradient_paths(y, x)
        >>> path.line(most=2)
        Line(path='y999 ← y998 ← … 998 more … ← x', factors='cos(y998) · … · cos(x)', contribution='0.00122035')
        """
        segments = self._segments
        left_out = 0 if most is None else max(0, len(segments) - most)
        if not left_out:
            names = [name for name, _, _ in segments]
            factors = _factors(self._formula(start, stop) for _, start, stop in segments)
        else:
            assert most is not None
            head, tail = segments[: (most + 1) // 2], segments[len(segments) - most // 2 :]
            names = [*(name for name, _, _ in head), f"… {left_out:,} more …", *(name for name, _, _ in tail)]
            first, last = (
                _factors((self._formula(start, stop) for _, start, stop in part), alone=False) for part in (head, tail)
            )
            factors = f"{first} · … · {last}"
        return Line(self._arrows(names), factors, product_text(self.locals, 6))

    def _arrows(self, names: Sequence[str]) -> str:
        return " ← ".join([element_text(self.nodes[0], self.indices[0]) or "end", *names])

    def _formula(self, start: int, stop: int) -> ast.expr:
        """The product of the local derivatives of one segment as an expression, or as a number if that is too long."""
        try:
            factors: list[ast.expr] = []
            longest = LONGEST
            for k in range(start, stop):
                factors.append(self._local(k))
                longest -= not is_number(factors[-1])
                if longest < 0:
                    raise TooLongError
            factor = product(*factors)
            if len(Text().write(factor)) <= LONGEST:
                return factor
        except (TooLongError, GraphError):  # or the graph was freed since
            pass
        return self._number(start, stop)

    def _number(self, start: int, stop: int) -> ast.expr:
        """The product of the local derivatives of one segment as a number."""
        text = product_text(self.locals[start:stop], 4)
        shown = ast.Name(text.lstrip("-"), ast.Load())
        return ast.UnaryOp(ast.USub(), shown) if text.startswith("-") else number(1.0) if text == "1" else shown

    def _local(self, k: int) -> ast.expr:
        """The local derivative between neighbours as an expression."""
        node, index, operand, inner = self.nodes[k], self.indices[k], self.nodes[k + 1], self.indices[k + 1]
        positions = [position for position, parent in enumerate(node.parents) if parent is operand]
        if len(positions) > 1:  # parallel edges: choose by the local derivative
            with np.errstate(all="ignore"):
                positions = [
                    position
                    for position, other, chain in chains(node)
                    if other is operand and (inner, self.locals[k]) in edges(chain, index)
                ]
        return self._tracer.local(node, positions[0], index, inner) if positions else number(self.locals[k])

    @cached_property
    def _tracer(self) -> Tracer:
        return Tracer()

    def __repr__(self) -> str:
        return f"<Path {clipped(str(self.line(SHOWN)))}>"

    def _repr_html_(self) -> str:
        line = self.line(SHOWN)
        title = f"One path of {self.length:,} local derivatives"
        return table(
            title, ["path", "local derivatives", "contribution"], [[line.path, line.factors, self.contribution]]
        )


def _factors(factors: Iterator[ast.expr], alone: bool = True) -> str:
    """The factors that are not 1, as a product; ``alone`` where no other factors follow or precede."""
    shown = [factor for factor in factors if not is_number(factor, 1.0)]
    text = Text()
    written = [
        text.within(factor, SUM if (alone and len(shown) == 1) or (k == 0 and _is_negative(factor)) else PRODUCT)
        for k, factor in enumerate(shown)
    ]
    return " · ".join(written) or "1"


def product_of(factors: Sequence[float]) -> float | decimal.Decimal:
    """The product of some factors; a decimal number where it leaves the range of floats though no factor does."""
    found = math.prod(factors, start=1.0)
    if 1e-300 < abs(found) < math.inf or not all(factor and math.isfinite(factor) for factor in factors):
        return found
    with decimal.localcontext(Emin=decimal.MIN_EMIN, Emax=decimal.MAX_EMAX, prec=20):
        return math.prod(map(decimal.Decimal, factors))


def product_text(factors: Sequence[float], digits: int) -> str:
    """The product of some factors as text, even if it underflows or overflows though no factor does.

    >>> product_text([1e-200] * 3, 4), product_text([0.25, -2.0], 4), product_text([1e-200, 0.0], 4)
    ('1e-600', '-0.5', '0')
    """
    found = product_of(factors)
    if isinstance(found, float):
        return f"{found + 0.0:.{digits}g}"
    mantissa, _, exponent = f"{found:.{digits - 1}e}".partition("e")
    return f"{float(mantissa):g}e{exponent}"


def _is_negative(factor: ast.expr) -> bool:
    return isinstance(factor, ast.UnaryOp | ast.Constant)


def element_name(node: Value, index: Index) -> str | None:
    """The name of one element of a Value, ``w2[0,1]``; ``None`` where the Value has none."""
    return None if node.name is None else indexed(node.name, index)


def count_text(count: int) -> str:
    """A number of paths as text; a very large one rounded.

    >>> count_text(12), count_text(3**64)
    ('12', '3.43e30')
    """
    if count < 10**15:
        return str(count)
    return f"{decimal.Context(Emax=decimal.MAX_EMAX).create_decimal(count):.2e}".replace("e+", "e")
