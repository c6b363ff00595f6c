"""Gradients of whole arrays written out, δ by δ."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..core.shapes import Index
from ..core.value import Value, describe
from ..errors import ArgumentError, GraphError, ValueTypeError
from ..formulas.latex import latex_name
from ..formulas.printer import element_text
from ..graph.lookup import element_of
from .layout import Layout
from .matrices import Matrices, MatrixLine
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
    """The derivation of some arrays with respect to others."""

    def __init__(self, end: Value, targets: Sequence[Value], end_at: Index) -> None:
        self.end, self.end_at, self.targets = end, end_at, targets
        self.matrices = Matrices(end, targets, end_at, auto_names(end))
        self.deltas = [line for line in self.matrices.lines if line.delta is not None]
        self.gradients = [
            line for target in targets for line in self.matrices.lines if line.of is target and not line.delta
        ]
        self.source = self.matrices.python.write
        self.steps = {self.source(line.delta): self.source(line.whole) for line in self.deltas if line.delta}
        self.numbers: dict[str, Any] = {}  # of the δs
        for name, source in self.steps.items():
            self.numbers[name] = self._evaluated(source)

    def derivation(self) -> Derivation:
        python = self._python()
        symbols = self.matrices.sources.symbols
        values = self._values()
        gradients = [values[line] for line in self.gradients]
        value = dict(zip(self._keys(), gradients, strict=True)) if len(gradients) > 1 else gradients[0]
        texts = self._text(values, False), self._text(values, True)
        return Derivation(*texts, self._latex(), python, tuple(self._terms()), value, symbols)

    # ---- source

    def _keys(self) -> list[str]:
        """The names of several gradients."""
        names: list[str] = []
        for k, target in enumerate(self.targets):
            name = target.name or self.matrices.names.get(target) or f"value{k}"
            same = names.count(name)
            names.append(f"{name} ({same + 1})" if same else name)
        return names

    def _python(self) -> str:
        sources = [self.source(line.whole) for line in self.gradients]
        pairs = [f"{name!a}: {source}" for name, source in zip(self._keys(), sources, strict=True)]
        return self._after_deltas(sources[0] if len(sources) == 1 else f"{{{', '.join(pairs)}}}")

    def _after_deltas(self, last: str) -> str:
        """The source of an expression that reads the δs, with the δs computed first."""
        steps = [f"{name} := {source}" for name, source in self.steps.items()]
        return f"({', '.join([*steps, last])})[-1]" if steps else last

    # ---- numbers

    def _evaluated(self, source: str) -> Any:
        """The number of an expression that may read the δs before it."""
        with np.errstate(all="ignore"):  # our own source: names of the graph never get into it
            return eval(source, {**self.matrices.sources.symbols, **self.numbers})

    def _values(self) -> dict[MatrixLine, Any]:
        found = dict(zip(self.deltas, self.numbers.values(), strict=True))
        return found | {line: self._evaluated(self.source(line.whole)) for line in self.gradients}

    def _terms(self) -> list[Term]:
        """The summands of the gradient, or of all gradients."""
        found = []
        for term in (term for line in self.gradients for term in line.terms):
            source = self.source(term)
            found.append(Term(term.text, term.latex, self._after_deltas(source), self._evaluated(source)))
        return found

    # ---- text and LaTeX

    def _names(self, line: MatrixLine) -> tuple[list[str], list[str]]:
        """The left side of a line as text and as LaTeX."""
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

    def _text(self, values: Mapping[MatrixLine, Any], numbers: bool) -> str:
        """The lines; with ``numbers`` each has its value below, else a lone gradient only."""
        lines = [*self.deltas, *self.gradients]
        names = [self._names(line)[0] for line in lines]
        width = min(max(len(one[0]) for one in names), 24)
        second = min(max((len(one[1]) for one in names if len(one) > 1), default=0), 24)
        shown = []
        for line, name in zip(lines, names, strict=True):
            layout = Layout()
            layout.head(f"{name[0].ljust(width)} = " + (f"{name[1].ljust(second)} = " if len(name) > 1 else ""))
            for k, piece in enumerate(re.split(r"(?<= ⊙ )|(?<= \+ )", line.whole.text)):
                layout.put(piece if k else piece.lstrip())
            if numbers or (line.delta is None and len(self.gradients) == 1):
                layout.margin = width + 1
                for row in _value_text(values[line]).splitlines():
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
            rows.append(f"{' = '.join(self._names(line)[1])} &= {line.whole.latex}")
        for name, _, latex in self.matrices.definitions():
            rows.append(f"{latex_name(name)} &= {latex}")
        return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"

    def _pattern(self) -> str | None:
        """The line that several layers share, with layer numbers relative to the line's own."""
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

            alike[_NUMBERED.sub(relative, f"{line.delta.text} = {line.whole.text}")].append(layer)
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
