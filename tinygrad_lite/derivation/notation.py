"""The notation of matrices: ``(δ2 w2ᵀ) ⊙ n1(1 - n1)``.

A ``Cotangent`` is a formula in the place of an array. ``Notation`` is the semiring of such formulas: the linear maps
pull them back as they pull numbers back, and each operation writes itself down. A product of elements is ⊙, a
contraction is a product with a transpose, a sum is Σ.
"""

from __future__ import annotations

import ast
import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.maps import Broadcast, Contract, Gather, Reshape, Scale, Scan, SumOver, Transpose, contraction
from ..core.shapes import Shape
from ..errors import ArgumentError
from ..formulas.code import called, subscript
from ..formulas.expressions import is_number, number, product, sum_of_multiples
from ..formulas.latex import Latex, latex_name
from ..formulas.printer import ATOM, POWER, PRODUCT, SUM
from ..formulas.symbols import Block, Symbol
from ..formulas.text import Text
from ..semirings.base import Chain, Semiring

__all__ = ["Cotangent", "Notation", "Piece", "added", "multiplied", "shape_of_expression"]


TEXT, LATEX = Text(), Latex()


class Piece(Block):
    """A block that knows the shape of the array it stands for."""

    def __init__(self, text: str, latex: str, code: ast.expr, level: int, shape: Shape) -> None:
        super().__init__(text, latex, code, level)
        self.shape = shape

    def bracketed(self) -> tuple[str, str]:
        """The text and the LaTeX as an operand of a matrix product or of a transpose."""
        if self.level >= POWER:
            return self.text, self.latex
        return f"({self.text})", rf"\left({self.latex}\right)"

    def transposed(self) -> Piece:
        """``xᵀ``."""
        text, latex = self.bracketed()
        code = ast.Attribute(self.code, "T", ast.Load())
        return Piece(f"{text}ᵀ", rf"{latex}^{{\top}}", code, ATOM, self.shape[::-1])

    def times_matrix(self, other: Piece, shape: Shape) -> Piece:
        """The matrix product."""
        (a, a_latex), (b, b_latex) = self.bracketed(), other.bracketed()
        code = ast.BinOp(self.code, ast.MatMult(), other.code)
        return Piece(f"{a} {b}", rf"{a_latex}\, {b_latex}", code, SUM, shape)


@dataclass(frozen=True, eq=False)
class Cotangent:
    """A cotangent of ``shape`` as a formula: factors multiplied element by element; no factors are 1.

    The product of the factors may have a smaller shape that broadcasts.
    """

    factors: tuple[ast.expr, ...]
    shape: Shape

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def piece(self) -> Piece:
        """The factors written out, in the shape of their product."""
        if not self.factors:
            return Piece("1", "1", number(1.0), ATOM, ())
        first, *rest = self.factors
        shape = shape_of_expression(first)
        if not rest:
            if isinstance(first, Piece):
                return first
            level = ATOM if isinstance(first, Symbol) else SUM
            return Piece(TEXT.within(first, SUM), LATEX.within(first, SUM), first, level, shape)
        text, latex, code = TEXT.within(first, PRODUCT), LATEX.within(first, PRODUCT), first
        for e in rest:
            plain = () in (shape, shape_of_expression(e))
            text += (" · " if plain else " ⊙ ") + TEXT.within(e, PRODUCT)
            latex += (r" \cdot " if plain else r" \odot ") + LATEX.within(e, PRODUCT)
            code = ast.BinOp(code, ast.Mult(), e)
            shape = np.broadcast_shapes(shape, shape_of_expression(e))
        return Piece(text, latex, code, SUM, shape)

    def full(self) -> Cotangent:
        """The same, with a product of the whole shape."""
        piece = self.piece()
        return self if piece.shape == self.shape else self._as(called("np.broadcast_to", piece.code, self.shape))

    def _as(self, code: ast.expr, shape: Shape | None = None) -> Cotangent:
        """The same cotangent after a reshape or a cast, which the notation does not show."""
        piece = self.piece()
        shape = self.shape if shape is None else shape
        return Cotangent((Piece(piece.text, piece.latex, code, piece.level, shape),), shape)

    def reshape(self, shape: Shape) -> Cotangent:
        if shape == self.shape or not any(map(shape_of_expression, self.factors)):
            return Cotangent(self.factors, shape)
        whole = self.full()
        code = whole.piece().code
        added = [k for k, n in enumerate(shape) if n == 1]
        if len(shape) == 1:
            return whole._as(called("np.ravel", code), shape)
        if tuple(n for n in shape if n != 1) == self.shape:
            return whole._as(called("np.expand_dims", code, tuple(k - len(shape) for k in added)), shape)
        return whole._as(called("np.reshape", code, shape), shape)

    def transpose(self, order: Sequence[int]) -> Cotangent:
        piece, order = self.full().piece(), tuple(order)
        shape = tuple(self.shape[k] for k in order)
        if len(order) == 2:
            return Cotangent((piece.transposed(),), shape)
        text, latex = f"transpose({piece.text})", rf"{piece.latex}^{{\top}}"
        return Cotangent((Piece(text, latex, called("np.transpose", piece.code, order), ATOM, shape),), shape)

    def __getitem__(self, key: Any) -> Cotangent:
        """A running sum reads itself backward; there is no other key."""
        return self._as(subscript(self.full().piece().code, key))


def added(terms: Sequence[Cotangent], simplified: bool = False) -> Cotangent:
    """The sum of cotangents of one Value; ``simplified``, as one expression where it can be."""
    if len(terms) == 1:
        return terms[0]
    if simplified and not any(isinstance(e, Piece) for term in terms for e in term.factors):
        return Cotangent((sum_of_multiples(product(*term.factors) for term in terms),), terms[0].shape)
    pieces = [term.piece() for term in terms]
    code = pieces[0].code
    for piece in pieces[1:]:
        code = ast.BinOp(code, ast.Add(), piece.code)
    text, latex = (" + ".join(getattr(piece, dialect) for piece in pieces) for dialect in ("text", "latex"))
    shape = np.broadcast_shapes(*(piece.shape for piece in pieces))
    return Cotangent((Piece(text, latex, code, SUM, shape),), terms[0].shape)


class Notation(Semiring):
    """The ordinary sum and product, written down. ``constant`` makes a symbol for an array of numbers."""

    name = "notation"
    linear = True

    def __init__(self, constant: Callable[[Any, str], Symbol]) -> None:
        self.constant = constant

    def pull(self, chain: Chain, g: Cotangent, node: Any) -> Cotangent:
        self.node = node
        for linear_map in chain:
            match linear_map:
                case Scale() | SumOver() | Broadcast() | Reshape() | Transpose() | Contract():
                    g = linear_map.pull(g, self)
                case Scan():
                    g = _by_name(node.op.name, g, linear_map.pull(g, self))
                case Gather():
                    by_places = copy.copy(linear_map)
                    by_places.back = None  # it assigns to parts of arrays
                    g = _by_name(node.op.name, g, by_places.pull(g, self))
                case _:
                    raise ArgumentError(
                        f"derive: the op {node.op.name!r} has a local derivative with no written form "
                        f"({type(linear_map).__name__}); take the numbers from backward()"
                    )
        return g

    def lift(self, weight: Any) -> Cotangent:
        return weight if isinstance(weight, Cotangent) else Cotangent((number(weight),), ())

    def times(self, a: Cotangent, b: Cotangent) -> Cotangent:
        return multiplied(a, b, self.node.name is None)

    def sum(self, a: Cotangent, axis: tuple[int, ...]) -> Cotangent:
        piece = a.full().piece()
        axes = tuple(k + a.ndim for k in axis)
        shape = tuple(n for k, n in enumerate(a.shape) if k not in axes)
        sign, latex_sign = _sum_sign(axes, a.ndim)
        text, latex = piece.text, piece.latex
        if piece.level < PRODUCT and (" + " in text or " - " in text):
            text, latex = f"({text})", rf"\left({latex}\right)"
        code = called("np.sum", piece.code, axis=axes)
        return Cotangent((Piece(f"{sign} {text}", f"{latex_sign} {latex}", code, SUM, shape),), shape)

    def broadcast(self, a: Cotangent, shape: Shape) -> Cotangent:
        return Cotangent(a.factors, shape)

    def cumsum(self, a: Cotangent, axis: int) -> Cotangent:
        return a._as(called("np.cumsum", a.full().piece().code, axis=axis))

    def scatter(self, flat: Cotangent, gather: Gather) -> Cotangent:
        size = math.prod(gather.in_shape)
        places = self.constant(gather.source + 1, f"{self.node.op.name}_from")  # from 1: constants come from place 0
        code = called("np.bincount", places, flat.full().piece().code, size + 1)
        return flat._as(subscript(code, slice(1, None)), (size,))

    def einsum(self, words: str, g: Cotangent, weight: Cotangent) -> Cotangent:
        """A product of matrices where it is one, else an einsum."""
        labels, into = words.split("->")
        out, own = labels.split(",")
        if not own or (not out and into == own):
            return multiplied(g, weight, False)
        sizes = dict(zip(out, g.shape, strict=True)) | dict(zip(own, weight.shape, strict=True))
        shape = tuple(sizes[label] for label in into)
        a, b = g.full().piece(), weight.piece()
        plan = contraction(out, own, into)
        left, right = plan.factors(a, b, Piece.transposed)
        batch, rows, _, columns = plan.groups
        if plan.is_product and not batch and (rows or columns):
            found = left.times_matrix(right, shape)
        elif len(out) == len(own) == 1 and len(into) == 2 and out != own:
            code = called("np.outer", left.code, right.code)
            text, latex = f"{left.bracketed()[0]} ⊗ {right.bracketed()[0]}", rf"{left.latex} \otimes {right.latex}"
            found = Piece(text, latex, code, SUM, shape)
        else:
            text = f"einsum({out},{own}→{into}; {a.text}, {b.text})"
            latex = rf"\operatorname{{einsum}}_{{{out},{own}\to {into}}}\left({a.latex}, {b.latex}\right)"
            found = Piece(text, latex, called("np.einsum", words, a.code, b.code), ATOM, shape)
        return Cotangent((found,), shape)


def multiplied(a: Cotangent, b: Cotangent, merges: bool) -> Cotangent:
    """The product element by element; a number, or with ``merges`` any factor, joins the factor before it."""
    factors = list(a.factors)
    for e in b.factors:
        if is_number(e, 1.0):
            continue
        if factors and (merges or is_number(e) or is_number(factors[-1])) and not isinstance(factors[-1], Piece):
            factors[-1] = product(factors[-1], e)
        else:
            factors.append(e)
    return Cotangent(tuple(factors), np.broadcast_shapes(a.shape, b.shape))


def _by_name(op: str, g: Cotangent, found: Cotangent) -> Cotangent:
    """The adjoint of an op that moves elements or sums them up, for a reader by the op's name: ``padᵀ(δ1)``."""
    whole, code = g.piece(), found.piece().code
    text, latex = f"{op}ᵀ({whole.text})", rf"\operatorname{{{latex_name(op)}}}^{{\top}}\left({whole.latex}\right)"
    return Cotangent((Piece(text, latex, code, ATOM, found.shape),), found.shape)


def _sum_sign(axes: Shape, ndim: int) -> tuple[str, str]:
    if axes == (0,) and ndim > 1:
        return "Σₛ", r"\sum_{s}"
    if len(axes) == ndim:
        return "Σ", r"\sum"
    listed = ",".join(map(str, axes))
    return f"Σ[axis {listed}]", rf"\sum_{{\mathrm{{axis}}\ {listed}}}"


def shape_of_expression(e: ast.expr) -> Shape:
    """The shape of the array that an expression of whole arrays stands for."""
    if isinstance(e, Piece):
        return e.shape
    if isinstance(e, Symbol):
        return e.value.shape if e.index is None else ()
    if isinstance(e, ast.Call):
        options: dict[str | None, Any] = {o.arg: o.value.value for o in e.keywords if isinstance(o.value, ast.Constant)}
        if "shape" in options:
            return tuple(options["shape"])
        shape = list(np.broadcast_shapes(*map(shape_of_expression, e.args)))
        if "axis" in options:  # logsumexp
            shape[options["axis"] : len(shape) + options["axis"] + 1] = [1] if options["keepdims"] else []
        return tuple(shape)
    inner = [child for child in ast.iter_child_nodes(e) if isinstance(child, ast.expr)]
    return np.broadcast_shapes(*map(shape_of_expression, inner)) if inner else ()
