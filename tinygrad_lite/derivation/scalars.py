"""The gradient of one number with respect to another: the sum over its paths, and the same in terms of δs."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from typing import Literal

from ..errors import ArgumentError
from ..formulas.latex import Latex, latex_name
from ..formulas.python import Python
from ..formulas.reader import TooLongError
from ..formulas.symbols import Symbol
from ..paths.queries import GradientPaths
from .elements import Elements
from .factoring import Edge, Factor, Place, Product
from .layout import Layout
from .names import Sampled, Sources, auto_names, partial_name
from .result import Derivation, Term
from .trees import inline, is_samples, latex_tree, put, python_tree, range_python, range_text, samples_in, summands

__all__ = ["FORMS", "Form", "derive_number"]


Form = Literal["grouped", "paths", "deltas"]
FORMS = ("grouped", "paths", "deltas")

MOST_LISTED = 1_000
"""Paths that ``form="paths"`` writes as one term each."""

MOST_DELTAS = 200
"""Lines of δs."""

_INDENT = 50  # columns of a name that others are aligned with
_ROWS = 8  # samples whose numbers are shown


@dataclass(frozen=True)
class Line:
    """``name = tree``: one line of a derivation of numbers."""

    names: tuple[tuple[str, str], ...]  # each as text and as LaTeX: δ30 = ∂C/∂z30
    tree: Product
    python: str | None = None


def derive_number(paths: GradientPaths, form: Form) -> Derivation:
    """The derivation of the gradient that is the sum of some paths."""
    return _Numbers(paths, form).derivation()


class _Numbers:
    """The derivation of one number with respect to another."""

    def __init__(self, paths: GradientPaths, form: Form) -> None:
        self.paths = paths
        names = auto_names(paths.end)
        self.elements = Elements(paths, names, form == "paths")
        self.target = self.elements.target
        self.lines, self.final, self.main = self._written(form)
        deltas = {line.python for line in self.lines if line.python}
        self.sources = Sources(names, deltas, self.elements.family)
        self.python_writer = Python(self.sources)

    # ---- the lines

    def _written(self, form: Form) -> tuple[list[Line], Line | None, Line | None]:
        """The lines of the δs, the gradient in terms of them, and the gradient as the sum over its paths."""
        count = self.paths.count
        if form == "paths" and count > MOST_LISTED:
            raise ArgumentError(
                f"derive: there are {count:,} paths, at most {MOST_LISTED:,} are written one by one; "
                "leave out form=, or ask for tg.gradient_paths(…).top(k)"
            )
        name = partial_name(self.paths.end, self.paths.end_at, *self.target)
        main = None
        if form != "deltas" or not self.elements.first:
            with suppress(TooLongError):
                main = Line((name,), self._whole(form))
        if form == "paths" or not self.elements.first:
            return [], None, main
        ways: list[Mapping[int, Sequence[Edge]]] = [self.elements.by_sample] if self.elements.by_sample else []
        for each, shared in product([*ways, {-1: self.elements.first}], (False, True)):
            try:
                lines, final = self._in_deltas(name, each, shared)
            except TooLongError:
                continue
            if main is not None and not any(len(line.names) > 1 for line in lines):
                return [], None, main  # δs of nameless Values tell a reader nothing
            if final is not None:
                return lines, final, main
        if main is None:
            whole = "for the whole array (leave out at=)" if self.target.element else "with matrices (a list: [w])"
            raise ArgumentError(
                f"derive: there are {count:,} paths, too many to write out; ask {whole}, "
                "for fewer samples, or for tg.gradient_paths(…).top(k)"
            )
        return [], None, main

    def _whole(self, form: Form) -> Product:
        elements, graph = self.elements, self.elements.graph
        write = graph.expanded if form == "paths" else graph.segment
        if not elements.first:
            itself = float(self.target == Place(self.paths.end, self.paths.end_at))
            return Product((Factor(ast.Constant(itself), itself),))
        each = {sample: write(edges, self.target) for sample, edges in elements.by_sample.items()}
        return elements.summed(each, lambda: write(elements.first, self.target))

    def _in_deltas(
        self, name: tuple[str, str], each: Mapping[int, Sequence[Edge]], shared: bool
    ) -> tuple[list[Line], Line | None]:
        """The lines of the δs and the gradient in terms of them: of one sample if all samples have the same form, or of
        the whole graph if ``each`` does not tell samples apart.
        """
        elements = self.elements
        by_sample: list[tuple[int, list[Line], Product]] = []
        for sample, first in each.items():
            deltas = elements.deltas(first, shared, sample if len(each) > 1 else -1)
            if len(deltas) > MOST_DELTAS:
                raise TooLongError
            lines, readers = [], elements.readers(first)
            for place, delta in deltas.items():
                tree = elements.in_terms_of(deltas, first, place, readers)
                if tree is not None:
                    shown = delta.shown or ""
                    heads = [(shown, latex_name(shown))]
                    if place.value.name is not None:
                        generic = self._generic_name(place, sample)
                        heads.append(partial_name(self.paths.end, self.paths.end_at, *place, shown=generic))
                    lines.append(Line(tuple(heads), tree, delta.python))
            tree = elements.in_terms_of(deltas, first, self.target, readers)
            if not deltas or tree is None:
                return [], None
            by_sample.append((sample, lines, tree))
        lines = by_sample[0][1]
        if len(by_sample) == 1:
            return lines, Line((name,), by_sample[0][2])
        merged = []
        for k, line in enumerate(lines):
            if any(len(other) != len(lines) for _, other, _ in by_sample):
                return [], None
            summed = elements.summed({sample: other[k].tree for sample, other, _ in by_sample}, lambda: Product(()))
            if not is_samples(summed):
                return [], None
            merged.append(Line(line.names, summed, line.python))
        final = elements.summed({sample: tree for sample, _, tree in by_sample}, lambda: Product(()))
        return (merged, Line((name,), final)) if is_samples(final) else ([], None)

    def _generic_name(self, place: Place, sample: int) -> tuple[str, str] | None:
        generic = self.elements.generic(Symbol(*place), sample)
        return (generic.shown or "", latex_name(generic.full or "")) if isinstance(generic, Sampled) else None

    # ---- the three dialects

    def derivation(self) -> Derivation:
        shown = self.main or self.final
        assert shown is not None
        python = self._python(shown.tree)
        trees = summands(shown.tree)
        terms = tuple(Term(inline(one), latex_tree(one, False), self._python(one), one.number) for one in trees)
        texts = self._text(False), self._text(True)
        return Derivation(*texts, self._latex(), python, terms, self.paths.total, self.sources.symbols)

    def _text(self, numbers: bool) -> str:
        value = f"= {self.paths.total:.6g}"
        blocks = []
        if self.main is not None:
            (name,) = [text for text, _ in self.main.names]
            whole = self._line_text(f"{name} = ", self.main, numbers, note=True)
            blocks.append(f"{whole}\n{' ' * min(len(name), _INDENT)} {value}")
        if self.final is not None and self.lines:
            names = [[text for text, _ in line.names] for line in (*self.lines, self.final)]
            widths = [max((len(one[k]) for one in names if len(one) > k), default=0) for k in range(2)]
            block = [] if self.main is None else ["By way of the δs that backpropagation saves:"]
            for line, one in zip((*self.lines, self.final), names, strict=True):
                head = "".join(f"{text.ljust(width)} = " for text, width in zip(one, widths, strict=False))
                block.append(self._line_text(head, line, numbers, note=line is self.final and self.main is None))
            if self.main is None:
                block.append(f"{' ' * min(widths[0], _INDENT)} {value}")
            blocks.append("\n".join(block))
        return "\n\n".join(blocks)

    def _line_text(self, head: str, line: Line, numbers: bool, note: bool) -> str:
        """One line, broken if it is too long. A δ belongs to each sample, so its line has no Σ."""
        each = samples_in(line.tree)
        which = each.which if each else ()
        bare = line.python is not None
        rows = (min(len(which), _ROWS) if which else 1) if numbers else 0
        layout = Layout(rows)
        layout.head(head)
        if each:
            layout.put("" if bare else "Σₛ ", [f"s={k}: " for k in which[:rows]])
        put(layout, each.bodies[: max(1, rows)] if each else [line.tree], rows, top=bare or not which)
        if which and note:
            layout.put(f"   (s: {range_text(which)})")
        return str(layout)

    def _latex(self) -> str:
        value = f"&= {Latex().number(self.paths.total)}"
        rows = []
        if self.main is not None:
            rows += [rf"{self.main.names[-1][1]} &= {latex_tree(self.main.tree, True)}", value]
        if self.final is not None and self.lines:
            for line in [*self.lines, self.final]:
                each = samples_in(line.tree) if line is not self.final else None
                tree = each.bodies[0] if each else line.tree
                rows.append(" = ".join(latex for _, latex in line.names) + f" &= {latex_tree(tree, True)}")
            if self.main is None:
                rows.append(value)
        return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"

    def _python(self, tree: Product) -> str:
        """The source of the gradient or of a term of it, as the sum over paths if that is written, else by δs."""
        if self.main is not None:
            return python_tree(tree, self.python_writer)
        whole = samples_in(tree)

        def body(tree: Product) -> str:
            each = samples_in(tree) if whole else None
            return python_tree(each.bodies[0] if each else tree, self.python_writer)

        steps = [f"{line.python} := {body(line.tree)}" for line in self.lines] + [body(tree)]
        joined = f"({', '.join(steps)})[-1]"
        return f"sum({joined} for s in {range_python(whole.which)})" if whole else joined
