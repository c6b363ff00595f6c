"""Gradients of whole arrays written out, δ by δ."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..core.shapes import Index
from ..core.value import Value, describe
from ..errors import ArgumentError, GraphError, ValueTypeError
from ..formulas.latex import latex_name
from ..formulas.printer import element_text
from ..graph.lookup import element_of
from .layout import Layout
from .matrices import Matrices, MatrixLine, Piece
from .names import auto_names
from .result import Derivation, Term

__all__ = ["derive_arrays"]


_NUMBERED = re.compile(r"((?<![\w.])[^\W\d_]+)(\d+)(?!(?!ᵀ)[\w.@])")
"""A name that ends in the number of a layer."""


def derive_arrays(end: Value, wrt: Any, end_at: int | Index | None) -> Derivation:
    """The derivation of the gradients of ``end`` with respect to one or more Values, with matrices."""
    targets = list(dict.fromkeys(wrt)) if isinstance(wrt, Iterable) else [wrt]
    for target in targets:
        if not isinstance(target, Value):
            raise ValueTypeError(f"derive: wrt is a Value, a name, or several Values, got {type(target).__name__}")
        if not target.requires_grad:
            raise GraphError(f"derive: {describe(target)} is a constant, to which no gradient flows")
    if not targets:
        raise ArgumentError("derive: wrt holds no Values; pass those whose gradients are wanted")
    element = element_of(end, end_at, "derive", "end_at=")
    return _Arrays(end, targets, element).derivation()


class _Arrays:
    def __init__(self, end: Value, targets: Sequence[Value], end_at: Index) -> None:
        self.end, self.end_at, self.targets = end, end_at, targets
        self.matrices = Matrices(end, targets, end_at, auto_names(end))
        self.deltas = [line for line in self.matrices.lines if line.delta is not None]
        self.gradients = [
            line for target in targets for line in self.matrices.lines if line.of is target and not line.delta
        ]

    def derivation(self) -> Derivation:
        python, several = self._python()
        symbols = self.matrices.sources.symbols
        with np.errstate(all="ignore"):
            found = eval(python, {**symbols})  # our own source: names of the graph never get into it
        value = dict(zip(self._keys(), found.values(), strict=True)) if several else found
        return Derivation(
            self._text(None), self._text(self._numbers()), self._latex(), python, self._terms(), value, symbols
        )

    # ---- source

    def _keys(self) -> list[str]:
        """What the gradients are called where there are several."""
        names: list[str] = []
        for k, target in enumerate(self.targets):
            name = target.name or self.matrices.names.get(target) or f"value{k}"
            same = names.count(name)
            names.append(f"{name} ({same + 1})" if same else name)
        return names

    def _python(self) -> tuple[str, bool]:
        several = len(self.gradients) > 1
        if several:
            pairs = zip(self._keys(), self.gradients, strict=True)
            last = f"{{{', '.join(f'{name!a}: {self._written(line).python}' for name, line in pairs)}}}"
        else:
            last = self._written(self.gradients[0]).python
        return self._after_deltas(last), several

    def _after_deltas(self, last: str) -> str:
        """An expression that reads the δs, as one that computes them first."""
        steps = [
            f"{line.delta.python} := {self._written(line).python}" for line in self.deltas if line.delta is not None
        ]
        return f"({', '.join([*steps, last])})[-1]" if steps else last

    def _written(self, line: MatrixLine) -> Piece:
        return self.matrices._piece(line.factors)

    def _terms(self) -> list[Term]:
        """The summands of the gradient, or of all of them."""
        found = []
        with np.errstate(all="ignore"):
            for line in self.gradients:
                for term in line.terms:
                    piece = self.matrices._piece(term)
                    python = self._after_deltas(piece.python)
                    value = eval(python, {**self.matrices.sources.symbols})
                    found.append(Term(piece.text, piece.latex, python, value))
        return found

    # ---- numbers

    def _numbers(self) -> dict[int, Any]:
        return {id(line): self._value(line) for line in (*self.deltas, *self.gradients)}

    def _value(self, line: MatrixLine) -> Any:
        scope = dict(self.matrices.sources.symbols)
        with np.errstate(all="ignore"):
            for earlier in self.deltas:
                found = eval(self._written(earlier).python, scope)
                if earlier is line:
                    return found
                assert earlier.delta is not None
                scope[earlier.delta.python] = found
            return eval(self._written(line).python, scope)

    # ---- text and LaTeX

    def _names(self, line: MatrixLine) -> tuple[list[str], list[str]]:
        """What stands left of the = as text and as LaTeX."""
        shown = self.matrices.names.get(line.of)
        below = element_text(line.of, None) or shown or "value"
        in_latex = latex_name(line.of.name if line.of.name is not None else shown or "value")
        end = element_text(self.end, self.end_at) or "end"
        end_latex = latex_name(self.end.name) if self.end.name is not None else r"\mathrm{end}"
        names = [f"∂{end}/∂{below}"], [rf"\frac{{\partial {end_latex}}}{{\partial {in_latex}}}"]
        if line.delta is not None:
            names[0].insert(0, line.delta.text)
            names[1].insert(0, line.delta.latex)
        return names

    def _text(self, numbers: dict[int, Any] | None) -> str:
        lines = [*self.deltas, *self.gradients]
        names = [self._names(line)[0] for line in lines]
        width = min(max(len(one[0]) for one in names), 24)
        second = min(max((len(one[1]) for one in names if len(one) > 1), default=0), 24)
        shown = []
        for line, name in zip(lines, names, strict=True):
            layout = Layout()
            layout.head(f"{name[0].ljust(width)} = " + (f"{name[1].ljust(second)} = " if len(name) > 1 else ""))
            for k, piece in enumerate(re.split(r"(?<= ⊙ )|(?<= \+ )", self._written(line).text)):
                layout.put(piece if k else piece.lstrip())
            if numbers is not None or (line.delta is None and len(self.gradients) == 1):
                value = numbers[id(line)] if numbers is not None else self._value(line)
                layout.margin = width + 1
                for row in _value_text(value).splitlines():
                    layout.line(width + 1)
                    layout.put(row)
            shown.append(str(layout))
        pattern = self._pattern()
        if pattern:
            shown.append(f"The pattern: {pattern}")
        definitions = self.matrices.definitions()
        if definitions:
            shown.append("where")
            shown += [str(_wrapped(f"{name} = ", text)) for name, text, _ in definitions]
        return "\n".join(shown)

    def _latex(self) -> str:
        rows = []
        for line in (*self.deltas, *self.gradients):
            rows.append(f"{' = '.join(self._names(line)[1])} &= {self._written(line).latex}")
        for name, _, latex in self.matrices.definitions():
            rows.append(f"{latex_name(name)} &= {latex}")
        return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"

    def _pattern(self) -> str | None:
        """The line that several layers have in common, their numbers written relative to the layer's."""
        alike: defaultdict[str, list[int]] = defaultdict(list)
        for line in self.deltas:
            assert line.delta is not None
            digits = re.fullmatch(r"δ(\d+)", line.delta.text)
            if digits is None:
                continue
            layer = int(digits[1])

            def relative(found: re.Match[str], layer: int = layer) -> str:
                distance = int(found[2]) - layer
                return found[1] + (f"[l{distance:+d}]" if distance else "[l]")

            text = re.sub(
                r"((?<![\w.])[^\W\d_]+)(\d+)(?!(?!ᵀ)[\w.@])",
                relative,
                f"{line.delta.text} = {self._written(line).text}",
            )
            alike[text].append(layer)
        common = [(text, layers) for text, layers in alike.items() if len(layers) > 1]
        if not common:
            return None
        text, layers = max(common, key=lambda found: len(found[1]))
        return f"{text}   for l = {', '.join(map(str, sorted(layers, reverse=True)))}"


def _wrapped(head: str, text: str) -> Layout:
    layout = Layout()
    layout.head(head)
    for piece in re.split(r"(?<= \+ )|(?<=, )", text):
        layout.put(piece)
    return layout


def _value_text(value: Any) -> str:
    value = np.asarray(value)
    if value.size <= 40:
        return "= " + np.array2string(value, precision=4, separator=", ", prefix="= ", max_line_width=84)
    shape = "×".join(map(str, value.shape))
    return f"= {shape} numbers, {value.min():.4g} … {value.max():.4g}"
