"""Sums of products as text, LaTeX and Python source: factored trees in the three dialects."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from ..formulas.latex import Latex
from ..formulas.printer import POWER, PRODUCT, SUM, Writer, number_text
from ..formulas.python import Python
from ..formulas.text import Text
from .factoring import Factor, Product, Samples, Sum
from .layout import WIDTH, Layout

__all__ = [
    "inline", "is_samples", "latex_tree", "put", "python_tree", "range_python", "range_text", "samples_in", "summands",
]  # fmt: skip


def summands(tree: Product, at_most: int = 1_000) -> list[Product]:
    """The terms of a sum, also under a Σ or with a factor behind the bracket; a sum of over ``at_most`` stays whole."""
    return _multiplied_out(tree) if _count(tree) <= at_most else [tree]


def _count(tree: Product) -> int:
    """How many terms ``summands`` would find."""
    found = 1
    for part in tree.factors:
        if isinstance(part, Sum):
            found *= sum(map(_count, part.terms))
        elif isinstance(part, Samples):
            found *= _count(part.bodies[0])
    return found


def _multiplied_out(tree: Product) -> list[Product]:
    for k, part in enumerate(tree.factors):
        if isinstance(part, Sum):
            before, behind = tree.factors[:k], tree.factors[k + 1 :]
            return [t for one in part.terms for t in _multiplied_out(Product((*before, *one.factors, *behind)))]
        if isinstance(part, Samples):
            bodies = [_multiplied_out(body) for body in part.bodies]
            return [Product((Samples(part.which, alike),)) for alike in zip(*bodies, strict=True)]
    return [tree]


def samples_in(tree: Product) -> Samples | None:
    """The sum over samples that a tree is; ``None`` for another tree."""
    one = tree.factors[0] if len(tree.factors) == 1 else None
    return one if isinstance(one, Samples) else None


def is_samples(tree: Product) -> bool:
    """Whether a tree is one sum over samples."""
    return samples_in(tree) is not None


def _in_a_row(which: Sequence[int]) -> bool:
    return list(which) == list(range(which[0], which[-1] + 1))


def range_text(which: Sequence[int]) -> str:
    """The samples in words."""
    if _in_a_row(which) and len(which) > 2:
        return f"samples {which[0]} … {which[-1]}"
    return f"samples {', '.join(map(str, which))}" if len(which) <= 12 else f"{len(which)} samples"


def range_python(which: Sequence[int]) -> str:
    """The samples as Python source."""
    if _in_a_row(which):
        return f"range({which[0]}, {which[-1] + 1})" if which[0] else f"range({which[-1] + 1})"
    return f"({', '.join(map(str, which))})"


# ---- trees as text --------------------------------------------------------------------------------------------------

_TEXT = Text()


def _factor(writer: Writer, e: ast.expr, first: bool, alone: bool) -> str:
    return writer.within(e, SUM if alone or (first and isinstance(e, ast.UnaryOp | ast.Constant)) else PRODUCT)


def inline(tree: Product) -> str:
    """A tree on one line."""
    shown = []
    for k, part in enumerate(tree.factors):
        if isinstance(part, Factor):
            shown.append(_factor(_TEXT, part.e, k == 0, len(tree.factors) == 1))
        elif isinstance(part, Sum):
            shown.append(f"({_joined_terms([inline(term) for term in part.terms])})")
        else:
            shown.append(f"Σ[{range_text(part.which)}] {_inline_in_sum(part.bodies[0])}")
    return " · ".join(shown) or "1"


def _inline_in_sum(tree: Product) -> str:
    text = inline(tree)
    return f"({text})" if len(tree.factors) == 1 and isinstance(tree.factors[0], Factor) and " " in text else text


def _joined_terms(terms: Sequence[str]) -> str:
    text = terms[0]
    for term in terms[1:]:
        text += f" - {term[1:]}" if term.startswith("-") else f" + {term}"
    return text


def put(layout: Layout, trees: Sequence[Product], rows: int, top: bool = False, signed: bool = False) -> None:
    """Put a tree into a layout, and below it the numbers of trees of the same form; a sum at the top has no bracket."""
    tree = trees[0]
    if not tree.factors:
        layout.put("1", ["1"] * rows)
    for k, part in enumerate(tree.factors):
        parts = [other.factors[k] for other in trees]
        if k:
            layout.put(" · ", [" · "] * rows)
        if isinstance(part, Factor):
            alone = len(tree.factors) == 1
            numbers = [number_text(one.number) for one in parts[:rows]]
            numbers = [f"({n})" if n.startswith("-") and (k or signed) else n for n in numbers]
            layout.put(_factor(_TEXT, part.e, k == 0, alone and top), numbers)
        elif isinstance(part, Sum):
            _put_sum(layout, [one for one in parts if isinstance(one, Sum)], rows, top and len(tree.factors) == 1)
        elif isinstance(part, Samples):
            layout.put(f"Σ[{range_text(part.which)}] ", ["  "] * rows)
            put(layout, list(part.bodies[:1]) * max(1, rows), 0)


def _put_sum(layout: Layout, sums: Sequence[Sum], rows: int, bare: bool) -> None:
    length = len(inline(Product((sums[0],)))) + 4
    short = length <= 60 and layout.column + length <= WIDTH and not rows
    column = layout.column if bare or short else layout.bracket()
    if not bare:
        layout.put("(" if short else "( ", ["(" if short else "( "] * rows)
    margin, layout.margin = layout.margin, layout.column
    for k in range(len(sums[0].terms)):
        terms = [one.terms[k] for one in sums]
        sign = "+ "
        if k and short:
            layout.put(" + ")
        elif k:
            layout.margin = column + (2 if not bare else 0)
            layout.line(column)
            layout.put(sign, [sign] * rows)
        put(layout, terms, rows, signed=k > 0)
    layout.margin = margin
    if not bare:
        layout.put(")" if short else " )", [")" if short else " )"] * rows)


# ---- trees as LaTeX and Python --------------------------------------------------------------------------------------

_LATEX = Latex()
_LATEX_LINE = 100  # characters of LaTeX: about half of them are visible


def latex_tree(tree: Product, top: bool) -> str:
    """A tree as LaTeX; a long sum at the top has one line for each term."""
    shown = []
    for k, part in enumerate(tree.factors):
        if isinstance(part, Factor):
            shown.append(_factor(_LATEX, part.e, k == 0, len(tree.factors) == 1))
        elif isinstance(part, Sum):
            terms = [latex_tree(term, False) for term in part.terms]
            if top and sum(map(len, terms)) > _LATEX_LINE:  # \Bigl needs no \Bigr on the same line
                joined = " \\\\\n&\\qquad {} + ".join(terms)
                shown.append(joined if len(tree.factors) == 1 else rf"\Bigl( {joined} \Bigr)")
            else:
                shown.append(rf"\bigl( {' + '.join(terms)} \bigr)")
        else:
            which = part.which
            whole = _in_a_row(which) and len(which) > 1
            limits = (
                rf"_{{s={which[0]}}}^{{{which[-1]}}}" if whole else rf"_{{s \in \{{{', '.join(map(str, which))}\}}}}"
            )
            body = part.bodies[0]
            inner = latex_tree(body, top)
            lone = len(body.factors) == 1 and not (isinstance(body.factors[0], Factor) and _binds(body.factors[0].e))
            shown.append(rf"\sum{limits} " + (rf"\Bigl( {inner} \Bigr)" if lone else inner))
    return r" \cdot ".join(shown) or "1"


def _binds(e: ast.expr) -> bool:
    return not isinstance(e, ast.BinOp) or not isinstance(e.op, ast.Add | ast.Sub)


def python_tree(tree: Product, writer: Python) -> str:
    """A tree as Python source."""
    shown = []
    for k, part in enumerate(tree.factors):
        if isinstance(part, Factor):
            if len(tree.factors) == 1:
                return writer.write(part.e)
            shown.append(writer.within(part.e, POWER if k else PRODUCT))
        elif isinstance(part, Sum):
            joined = " + ".join(python_tree(term, writer) for term in part.terms)
            if len(tree.factors) == 1:
                return joined
            shown.append(f"({joined})")
        else:
            shown.append(f"sum({python_tree(part.bodies[0], writer)} for s in {range_python(part.which)})")
    return " * ".join(shown) or "1"
