"""Structured functions in a program: each of the registry, with operands and arguments that it takes."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable

import numpy as np

from tinygrad_lite.ops.registry import STRUCTURED

from .arguments import ALWAYS, GIVEN, axis_of, number, sections
from .drawing import Drawing
from .programs import literal

__all__ = ["KINDS", "WHOLE", "structured"]

DIAGONAL = "np.diag([2.0, 4.0, 6.0])[:{0}, :{1}]"


def _square(d: Drawing) -> str:
    """A matrix far from singular, whose eigenvalues lie apart."""
    n = d.one([1, 2, 3])
    return d.add(f"0.3 * tg.tanh({d.fitted((n, n))}) + {DIAGONAL.format(n, n)}") or d.fitted((n, n))


def _symmetric(d: Drawing) -> str:
    """A symmetric one, positive definite."""
    x = _square(d)
    return d.add(f"{x} + {x}.T") or x


def _rectangular(d: Drawing) -> str:
    """A matrix whose singular values lie apart."""
    m, n = d.one([(2, 3), (3, 2), (3, 3), (1, 2)])
    return d.add(f"0.3 * tg.tanh({d.fitted((m, n))}) + {DIAGONAL.format(m, n)}") or d.fitted((m, n))


KINDS: dict[str, Callable[[Drawing], str]] = {
    **dict.fromkeys(["inv", "det", "slogdet", "solve", "matrix_power"], _square),
    **dict.fromkeys(["cholesky", "eigh", "eigvalsh", "eig", "eigvals"], _symmetric),
    **dict.fromkeys(["svd", "svdvals", "qr", "pinv", "cond"], _rectangular),
    "lstsq": _square,
    **dict.fromkeys(["logspace", "geomspace"], lambda d: d.within(d.any(), 0.5, 2.5)),
    "corrcoef": lambda d: d.fitted((2, 3)),
    "cross": lambda d: d.fitted(d.one([(3,), (2, 3)])),
    "interp": lambda d: d.within(d.any(), -0.9, 0.9),
    **dict.fromkeys(["diagonal", "trace", "fliplr", "rot90"], lambda d: d.any(least=2, size=1)),
    "cross_entropy": lambda d: d.small(d.fitted((2, 3))),
    "sliding_window_view": lambda d: d.any(least=1, size=2),
    "vsplit": lambda d: d.any(least=2),
    "dsplit": lambda d: d.any(least=3),
}
"""What kind of first operand a function needs, where that is not any."""


def structured(d: Drawing, name: str) -> str | None:
    """A structured function: as one of tg's, or as a method."""
    entry = STRUCTURED[name]
    if name in WHOLE:
        return WHOLE[name](d)
    parameters = list(inspect.signature(entry.call).parameters.values())
    first, *others = parameters
    if first.name in ("xs", "arrays"):
        operands = _alike(d)
        head = ", ".join(operands) if first.kind is first.VAR_POSITIONAL else f"[{', '.join(operands)}]"
        x, method = operands[0], False
    else:
        x = head = KINDS.get(name, _any)(d)
        method = entry.method and d.chance(0.3)
    arguments = [text for parameter in others if (text := argument(d, name, parameter, x)) is not None]
    if method:
        return f"{x}.{name}({', '.join(arguments)})"
    return f"tg.{name}({', '.join([head, *arguments])})"


def _any(d: Drawing) -> str:
    return d.any()


def _alike(d: Drawing) -> list[str]:
    """Names of one shape, the same one among them at times."""
    x = d.any()
    return [x, *(d.one([x, d.fitted(np.shape(d.data[x]))]) for _ in range(d.below(3)))]


def argument(d: Drawing, function: str, parameter: inspect.Parameter, x: str) -> str | None:
    """An argument by the name of its parameter; None leaves out what may be left out."""
    required = parameter.default is parameter.empty and parameter.kind is not parameter.VAR_POSITIONAL
    rule = GIVEN.get(f"{function}.{parameter.name}") or GIVEN.get(parameter.name)
    if rule is None:
        return operand_beside(d, x) if required else None
    if not required and d.chance(0.45) and parameter.name not in ALWAYS:
        return None
    text = rule(d, d.data[x])
    if required or parameter.kind is parameter.VAR_POSITIONAL:
        return text
    return f"{parameter.name}={text}"


def operand_beside(d: Drawing, x: str) -> str:
    """A second operand: one with x's shape or a shape that x's suggests, now and then an array that is no Value."""
    shape = np.shape(d.data[x])
    wanted = d.one([shape, shape[::-1], shape[-1:], shape[:1], (*shape[-1:], 2), (2, *shape[-1:]), ()])
    return literal(d.numbers(wanted)) if d.chance(0.15) else d.small(d.fitted(wanted))


# ---- functions whose arguments belong together -----------------------------------------------------------------------

EQUATIONS = ["ij,jk->ik", "ij,kj", "ij,ij->", "i,i", "i,j->ji", "ij->ji", "ii->i", "ii", "ij->j", "...j,jk->...k",
             "ij,jk,ki->", "i...->...", "i,->i", "bij,bjk->kbi", "ij,k->i"]  # fmt: skip


def _einsum(d: Drawing) -> str:
    equation = str(d.one(EQUATIONS))
    size = {letter: d.one([1, 2, 3]) for letter in "bijk"}
    inputs = equation.split("->")[0].split(",")
    shapes = [tuple(size[letter] for letter in term.replace("...", "b")) for term in inputs]
    return f"tg.einsum({equation!r}, {', '.join(d.small(d.fitted(shape)) for shape in shapes)})"


def _select(d: Drawing) -> str:
    x = d.any()
    shape = np.shape(d.data[x])
    masks = [literal(d.rng.random(shape) > 0.5) if shape else repr(d.chance(0.5)) for _ in range(2)]
    return f"tg.select([{', '.join(masks)}], [{x}, {d.fitted(shape)}], {number(d, None)})"


def _multi_dot(d: Drawing) -> str:
    sizes = [d.one([1, 2, 3]) for _ in range(4)]
    return f"tg.multi_dot([{', '.join(d.small(d.fitted((m, n))) for m, n in itertools.pairwise(sizes))}])"


def _linspace(d: Drawing) -> str:
    x = d.any()
    return f"tg.linspace({x}, {d.one([d.fitted(np.shape(d.data[x])), '2.5'])}, {d.one([1, 2, 4])})"


def _pieces(name: str) -> Callable[[Drawing], str]:
    """A function that returns a list, and one of its pieces."""

    def text(d: Drawing) -> str:
        x = KINDS[name](d) if name in KINDS else d.any(least=1)
        axis = f", axis={axis_of(d, d.data[x])}" if name in ("split", "array_split") and d.chance(0.5) else ""
        return f"tg.{name}({x}, {sections(d, None)}{axis})[{d.one([0, 0, 1])}]"

    return text


def _shaped(d: Drawing) -> str:
    """One of atleast_*d, of one operand or of several."""
    name = d.one(["atleast_1d", "atleast_2d", "atleast_3d"])
    x, y = d.any(), d.any()
    return str(d.one([f"tg.{name}({x})", f"tg.{name}({x}, {y})[1]"]))


def _extract(d: Drawing) -> str:
    x = d.any(least=1)
    return f"tg.extract({literal(d.rng.random(np.shape(d.data[x])) > 0.4)}, {x})"


def _choose(d: Drawing) -> str:
    shape = d.one([(2,), (3,), (2, 3)])
    return f"tg.choose({literal(d.rng.integers(0, 2, shape))}, [{d.fitted(shape)}, {d.fitted(shape)}])"


def _along(d: Drawing) -> str:
    x = d.any(least=1, size=1)
    return f"tg.apply_along_axis({d.one(['tg.cumsum', 'tg.sum', 'tg.tanh'])}, {axis_of(d, d.data[x])}, {x})"


def _piecewise(d: Drawing) -> str:
    x = d.any(least=1)
    return f"tg.piecewise({x}, [{x} < 0.3], [tg.sin, {d.one(['tg.cos', '0.5'])}])"


def _partition(d: Drawing) -> str:
    """The kth smallest: in which order NumPy leaves the others depends on the dtype."""
    x = d.any(least=1, size=1)
    axis = axis_of(d, d.data[x])
    kth = d.below(max(np.shape(d.data[x])[axis], 1))
    return f"tg.take(tg.partition({x}, {kth}, axis={axis}), {kth}, axis={axis})"


def _corrcoef(d: Drawing) -> str:
    """The correlations of three pairs of numbers or more: that of two is 1 or -1 wherever they move."""
    shape, rowvar = d.one([((2, 3), True), ((3, 3), True), ((3, 2), False), ((3, 3), False)])
    other = f", {d.fitted(shape)}" if d.chance(0.3) else ""
    return f"tg.corrcoef({d.fitted(shape)}{other}, rowvar={rowvar})"


def _gradient(d: Drawing) -> str:
    x = d.any(least=1)
    return f"tg.gradient({x}, {d.one(['1.0', '0.5'])}, axis={axis_of(d, d.data[x])}, edge_order={d.one([1, 2])})"


WHOLE: dict[str, Callable[[Drawing], str]] = {
    "einsum": _einsum,
    "select": _select,
    "multi_dot": _multi_dot,
    "linspace": _linspace,
    "gradient": _gradient,
    "partition": _partition,
    "corrcoef": _corrcoef,
    "extract": _extract,
    "choose": _choose,
    "apply_along_axis": _along,
    "piecewise": _piecewise,
    **{name: _pieces(name) for name in ("split", "array_split", "vsplit", "hsplit", "dsplit")},
    **dict.fromkeys(["atleast_1d", "atleast_2d", "atleast_3d"], _shaped),
}
"""Functions whose expression is drawn as a whole."""
