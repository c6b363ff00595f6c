"""Backpropagation of whole arrays in the notation of matrices: ``δ1 = (δ2 w2ᵀ) ⊙ n1(1 - n1)``.

The derivative of the end is pulled back from op to op as in ``backward``, but as an expression. All that is known here
is how each linear map is written: scaling is ⊙, a contraction of matrices is a product with a transpose, and so on. The
weights of the maps come from ``tracing``.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.elementwise import Elementwise
from ..core.graph import ancestors, chains, topological
from ..core.maps import Broadcast, Contract, Gather, Map, Reshape, Scale, Scan, SumOver, Transpose
from ..core.shapes import shape_of
from ..core.value import Value, constant, describe
from ..errors import ArgumentError, GraphError
from ..formulas.expressions import Block, Symbol, is_number, number, product, substituted, symbols
from ..formulas.latex import Latex, latex_name
from ..formulas.printer import ATOM, POWER, PRODUCT, SUM
from ..formulas.python import Python
from ..formulas.reader import TooLongError, Tracer
from ..formulas.text import Text
from ..ops.reductions import LogSumExp
from .elements import suffixes
from .names import Sources

__all__ = ["Matrices", "MatrixLine"]


INLINE = 12
"""Symbols and ops of nameless Values that are written out where they are read."""

Shape = tuple[int, ...]
Factors = tuple[ast.expr, ...]
"""Multiplied element by element; of nothing it is 1."""


class Piece(Block):
    """A block that knows the shape of the array it stands for."""

    def __init__(self, text: str, latex: str, python: str, level: int, shape: Shape) -> None:
        super().__init__(text, latex, python, level)
        self.shape = shape


@dataclass(frozen=True, eq=False)
class MatrixLine:
    """``δ1`` or a gradient, of one Value: what it is, as factors, and its terms where it is a sum."""

    of: Value
    delta: Piece | None
    factors: Factors
    terms: tuple[Factors, ...]


@dataclass
class Matrices:
    """The derivatives of ``end`` with respect to ``targets``, written with matrices, δ by δ: ``lines``, in order."""

    end: Value
    targets: Sequence[Value]
    end_at: Shape
    names: Mapping[Value, str]
    lines: list[MatrixLine] = field(default_factory=list)

    def __post_init__(self) -> None:
        shown = {value: name for value, name in self.names.items() if not isinstance(value.op, LogSumExp)}
        self.constants: dict[Value, str] = {}
        self.tracer = Tracer(limit=1000, shown=shown)
        self.short = Tracer(limit=INLINE)
        self.sources = Sources(None, {})
        self.writers = Text(), Latex(), Python(self.sources)
        self._pull_all()

    # ---- the sweep

    def _pull_all(self) -> None:
        order = topological(self.end)
        leading = self._leading(order)
        with np.errstate(all="ignore"):
            edges = {node: [(k, x, chain) for k, x, chain in chains(node) if x in leading] for node in order}
        sums = [
            node for node in reversed(order) if node in leading and node is not self.end and _summing(node, edges[node])
        ]
        suffix = suffixes(sums)
        arriving: defaultdict[Value, list[Factors]] = defaultdict(list, {self.end: [self._seed()]})
        for node in reversed(order):
            if node not in leading or node not in arriving:
                continue
            g = self._named(node, arriving.pop(node), suffix.get(node))
            for position, operand, _ in edges[node]:
                arriving[operand].append(self._pulled(node, position, g))
        reached = {line.of for line in self.lines} | set(arriving)
        for target in self.targets:
            if target not in reached:
                raise GraphError(
                    f"derive: {describe(self.end)} does not depend on {describe(target)}: no path leads there; "
                    "was it computed from another Value?"
                )
            if target.is_leaf:
                terms = tuple(self._full(term, target.shape) for term in arriving[target])
                self.lines.append(MatrixLine(target, None, self._full(self._added(terms), target.shape), terms))

    def _leading(self, order: Sequence[Value]) -> set[Value]:
        """The Values from which a path goes on to a target."""
        leading = set(self.targets)
        for node in order:
            if any(parent in leading for parent in node.parents):
                leading.add(node)
        return leading

    def _seed(self) -> Factors:
        if self.end.size == 1:
            return ()
        data = np.zeros(self.end.shape)
        data[self.end_at] = 1.0
        return (self._constant(data, "unit"),)

    def _named(self, node: Value, terms: list[Factors], suffix: str | None) -> Factors:
        """The derivative at a node; by a name of its own from here on, where it is a weighted sum."""
        g = self._added(terms)
        if node in set(self.targets):
            full = self._full(g, node.shape)
            self.lines.append(MatrixLine(node, None, full, tuple(terms)))
        plain = all(is_number(e) or (isinstance(e, Symbol) and getattr(e, "level", ATOM) == ATOM) for e in g)
        if suffix is None or plain:
            return g
        delta = Piece(f"δ{suffix}", latex_name(f"δ{suffix}"), f"delta{suffix}", ATOM, self._shape(g))
        self.lines.append(MatrixLine(node, delta, g, tuple(terms)))
        return (delta,)

    # ---- factors

    def _times(self, g: Factors, e: ast.expr, merge: bool) -> Factors:
        """One factor more; numbers go into the factor before or behind."""
        if is_number(e, 1.0):
            return g
        if g and (merge or is_number(e) or is_number(g[-1])) and not isinstance(g[-1], Piece):
            return (*g[:-1], product(g[-1], e))
        return (*g, e)

    def _added(self, terms: Sequence[Factors]) -> Factors:
        if len(terms) == 1:
            return terms[0]
        pieces = [self._piece(term) for term in terms]
        text, latex, python = (" + ".join(getattr(p, what) for p in pieces) for what in ("text", "latex", "python"))
        return (Piece(text, latex, python, SUM, np.broadcast_shapes(*(p.shape for p in pieces))),)

    def _piece(self, g: Factors) -> Piece:
        """Factors written out."""
        if not g:
            return Piece("1", "1", "1", ATOM, ())
        if len(g) == 1:
            if isinstance(g[0], Piece):
                return g[0]
            text, latex, python = self.written(g[0], SUM)
            return Piece(text, latex, python, ATOM if isinstance(g[0], Symbol) else SUM, self._shape(g))
        text, latex, python = self.written(g[0], PRODUCT)
        for k, e in enumerate(g[1:], start=1):
            plain = self._shape(g[:k]) == () or self._shape((e,)) == ()
            shown = self.written(e, PRODUCT)
            text += f" · {shown[0]}" if plain else f" ⊙ {shown[0]}"
            latex += rf" \cdot {shown[1]}" if plain else rf" \odot {shown[1]}"
            python += f" * {self.written(e, POWER)[2]}"
        return Piece(text, latex, python, SUM, self._shape(g))

    def written(self, e: ast.expr, level: int) -> tuple[str, str, str]:
        """An expression in the three dialects, bracketed as it has to be."""
        text, latex, python = (writer.within(e, level) for writer in self.writers)
        return text, latex, python

    def _shape(self, g: Factors) -> Shape:
        return np.broadcast_shapes(*map(_shape_of, g)) if g else ()

    def _full(self, g: Factors, shape: Shape) -> Factors:
        """Factors whose product has the shape, not one that would be broadcast to it."""
        if self._shape(g) == shape:
            return g
        piece = self._piece(g)
        return (Piece(piece.text, piece.latex, f"np.broadcast_to({piece.python}, {shape})", piece.level, shape),)

    def _constant(self, data: Any, name: str) -> Symbol:
        value = constant(np.asarray(data))
        taken = {*self.constants.values(), *(v.name for v in ancestors(self.end))}
        shown, k = name, 1
        while shown in taken:
            k += 1
            shown = f"{name}{k}"
        self.constants[value] = shown
        return Symbol(value, None, shown)

    # ---- how each map is written

    def _pulled(self, node: Value, position: int, g: Factors) -> Factors:
        merge = node.name is None
        shape = node.shape
        for linear_map, weight in self.tracer.chain(node, position):
            e = None if weight is None else self._weight(node, position, weight)
            if isinstance(linear_map, Contract) and e is not None and _shape_of(e) != shape_of(weight):
                e = self._constant(weight.data if isinstance(weight, Value) else weight, "c")  # of equal numbers
            g, shape = self._through(linear_map, e, weight, g, shape, node, merge)
        return g

    def _weight(self, node: Value, position: int, weight: Any) -> ast.expr:
        """A weight as an expression that is also Python, nameless Values written out where that is short; else as a
        constant of its own.
        """
        elementwise = isinstance(node.op, Elementwise)
        for tracer in (self.short, self.tracer):
            try:
                e = tracer.local(node, position, None, None) if elementwise else tracer.weight(weight)
            except TooLongError:
                continue
            if all(_is_python(call) for call in ast.walk(e) if isinstance(call, ast.Call)):
                return substituted(e, lambda symbol: self._with_name(symbol, node))
        assert node.op is not None
        data = weight.data if isinstance(weight, Value) else weight
        return self._constant(data, f"{node.op.name}′")

    def _with_name(self, symbol: Symbol, node: Value) -> ast.expr:
        value = symbol.value
        if symbol.shown or value.name is not None:
            return symbol
        if value in self.names:
            return Symbol(value, symbol.index, self.names[value])
        if not value.shape:
            return symbol
        if value in self.constants:
            return Symbol(value, None, self.constants[value])
        labels = [parent for parent in node.parents if parent.dtype.kind in "iu" and parent.ndim == 1]
        one_hot = labels and np.array_equal(value.data, np.eye(value.shape[-1])[labels[0].data])
        return self._constant(value.data, f"onehot({labels[0].name or 'labels'})" if one_hot else "c")

    def _through(
        self, m: Map, e: ast.expr | None, weight: Any, g: Factors, shape: Shape, node: Value, merge: bool
    ) -> tuple[Factors, Shape]:
        """Factors pulled back through one map, and the shape of the result."""
        if isinstance(m, Scale):
            assert e is not None
            return self._times(g, e, merge), shape
        if isinstance(m, SumOver):
            if g and shape and not m.keepdims and len(m.axes) < len(m.in_shape):
                piece = self._piece(self._full(g, shape))
                spread = tuple(1 if k - len(m.in_shape) in m.axes else n for k, n in enumerate(m.in_shape))
                python = f"np.expand_dims({piece.python}, {m.axes})"
                g = (Piece(piece.text, piece.latex, python, max(piece.level, SUM), spread),)
            return self._times(g, number(1.0) if e is None else e, merge), m.in_shape
        if isinstance(m, Contract):
            assert e is not None
            return self._contracted(m, e, shape_of(weight), g, shape), _contracted_shape(m, shape, shape_of(weight))
        piece = self._piece(self._full(g, shape))
        inner = piece.python
        if isinstance(m, Broadcast):
            padded = (-1,) * (len(m.out_shape) - len(m.in_shape)) + m.in_shape
            axes = tuple(k for k, (n, all_) in enumerate(zip(padded, m.out_shape, strict=True)) if n != all_)
            text, latex = self._sum_sign(axes, len(m.out_shape))
            python = f"np.sum({inner}, axis={axes})" + (f".reshape({m.in_shape})" if 1 in m.in_shape else "")
            bracketed = piece.level < PRODUCT and (" + " in piece.text or " - " in piece.text)
            body = (f"({piece.text})", rf"\left({piece.latex}\right)") if bracketed else (piece.text, piece.latex)
            return (Piece(f"{text} {body[0]}", f"{latex} {body[1]}", python, SUM, m.in_shape),), m.in_shape
        if isinstance(m, Reshape):
            python = f"np.reshape({inner}, {m.in_shape})"
            return (Piece(piece.text, piece.latex, python, piece.level, m.in_shape),), m.in_shape
        if isinstance(m, Transpose):
            order = tuple(int(k) for k in np.argsort([axis % len(m.axes) for axis in m.axes]))
            into = tuple(shape[k] for k in order)
            if len(order) == 2:
                return (self._transposed(piece),) if order == (1, 0) else g, into
            python = f"np.transpose({inner}, {order})"
            return (Piece(f"transpose({piece.text})", rf"{piece.latex}^{{\top}}", python, ATOM, into),), into
        assert node.op is not None
        name = node.op.name
        adjoint = f"{name}ᵀ({piece.text})", rf"\operatorname{{{latex_name(name)}}}^{{\top}}\left({piece.latex}\right)"
        if isinstance(m, Scan):
            python = f"np.flip(np.cumsum(np.flip({inner}, {m.axis}), {m.axis}), {m.axis})"
            return (Piece(*adjoint, python, ATOM, m.shape),), m.shape
        if isinstance(m, Gather):
            origin = self.written(self._constant(m.source + 1, f"{name}_from"), ATOM)[2]
            size = int(np.prod(m.in_shape))
            python = f"np.bincount({origin}, np.ravel({inner}), {size + 1})[1:].reshape({m.in_shape})"
            return (Piece(*adjoint, python, ATOM, m.in_shape),), m.in_shape
        raise ArgumentError(
            f"derive: the op {name!r} has a local derivative with no written form ({type(m).__name__}); "
            "take the numbers from backward()"
        )

    def _sum_sign(self, axes: Shape, ndim: int) -> tuple[str, str]:
        if axes == (0,) and ndim > 1:
            return "Σₛ", r"\sum_{s}"
        if len(axes) == ndim:
            return "Σ", r"\sum"
        listed = ",".join(map(str, axes))
        return f"Σ[axis {listed}]", rf"\sum_{{\mathrm{{axis}}\ {listed}}}"

    def _contracted(self, m: Contract, e: ast.expr, of: Shape, g: Factors, shape: Shape) -> Factors:
        """A product of matrices where it is one, else an einsum."""
        out, into, own = m.out_labels, m.in_labels, m.operand_labels
        into_shape = _contracted_shape(m, shape, of)
        if not out and into == own:
            return self._times(self._full(g, ()), e, False)
        g = self._full(g, shape)
        pg, pw = self._piece(g), self._piece((e,))
        inner, outer = set(out) & set(own), set(out) ^ set(own)
        if len(inner) == 1 and set(into) == outer and max(len(out), len(own), len(into)) <= 2 and outer:
            (i,) = inner
            left = (into[0] in out and len(out) > 1) or len(own) == 1  # g W, or W g
            (a, one), (b, other) = ((out, pg), (own, pw)) if left else ((own, pw), (out, pg))
            if len(out) == 1:  # a row times a matrix
                return (self._matmul(pg, pw if own[0] == i else self._transposed(pw), into_shape),)
            one = one if a[-1] == i else self._transposed(one)
            other = other if b[0] == i else self._transposed(other)
            return (self._matmul(one, other, into_shape),)
        if len(out) == len(own) == 1 and len(into) == 2 and out != own:
            first, second = (pg, pw) if into[0] == out else (pw, pg)
            text = f"{_bracketed(first.text, first.level)} ⊗ {_bracketed(second.text, second.level)}"
            latex = rf"{first.latex} \otimes {second.latex}"
            return (Piece(text, latex, f"np.outer({first.python}, {second.python})", SUM, into_shape),)
        if not own:
            return self._times(g, e, False)
        python = f'np.einsum("{out},{own}->{into}", {pg.python}, {pw.python})'
        text = f"einsum({out},{own}→{into}; {pg.text}, {pw.text})"
        latex = rf"\operatorname{{einsum}}_{{{out},{own}\to {into}}}\left({pg.latex}, {pw.latex}\right)"
        return (Piece(text, latex, python, ATOM, into_shape),)

    def _matmul(self, a: Piece, b: Piece, shape: Shape) -> Piece:
        text = f"{_bracketed(a.text, a.level)} {_bracketed(b.text, b.level)}"
        latex = rf"{_bracketed(a.latex, a.level, True)}\, {_bracketed(b.latex, b.level, True)}"
        return Piece(text, latex, f"{_bracketed(a.python, a.level)} @ {_bracketed(b.python, b.level)}", SUM, shape)

    def _transposed(self, a: Piece) -> Piece:
        text, python = _bracketed(a.text, a.level), _bracketed(a.python, a.level)
        return Piece(f"{text}ᵀ", f"{_bracketed(a.latex, a.level, True)}^{{\\top}}", f"{python}.T", ATOM, a.shape[::-1])

    # ---- what nameless Values are

    def definitions(self) -> list[tuple[str, str, str]]:
        """``h1 = …`` for every nameless Value that is in some line, as name, text and LaTeX; and what constants are."""
        found: list[tuple[str, str, str]] = []
        seen: set[Value] = set()
        names = {name: value for value, name in self.names.items()}
        written = " ".join(self._piece(line.factors).text for line in self.lines)
        waiting = [names[word] for word in re.findall(r"\b[hv]\d+\b", written) if word in names]
        while waiting:
            value = waiting.pop(0)
            if value in seen or value.op is None:
                continue
            seen.add(value)
            shown = {other: name for other, name in self.names.items() if other is not value}
            e = _worked_out(Tracer(limit=1000, shown=shown), value)
            text, latex = (writer.write(e) for writer in self.writers[:2])
            found.append((self.names[value], text, latex))
            waiting += [symbol.value for symbol in symbols(e) if symbol.value in self.names]
        return found


def _worked_out(tracer: Tracer, value: Value) -> ast.expr:
    """What computed a Value, one op deep."""
    assert value.op is not None
    if value.op.name in ("linear", "matmul"):
        parts = [tracer.element(parent, None) for parent in value.parents]
        text, latex = (
            f" {dot} ".join(writer.within(part, POWER) for part in parts[:2])
            for writer, dot in ((Text(), ""), (Latex(), r"\,"))
        )
        text = text.replace("  ", " ")
        for part in parts[2:]:
            text, latex = f"{text} + {Text().within(part, SUM)}", f"{latex} + {Latex().within(part, SUM)}"
        return Block(text, latex, "", SUM)
    try:
        return tracer.element(value, None)
    except TooLongError:
        return Block("…", r"\dots", "", ATOM)


def _summing(node: Value, onward: Sequence[Any]) -> bool:
    """Whether backpropagation would save the derivative at a node: it reads a parameter, or is read on in two ways."""
    return len(onward) > 1 or any(parent.is_leaf and parent.requires_grad for parent in node.parents)


def _is_python(call: ast.Call) -> bool:
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    if name in ("logsumexp", "reshape"):
        return bool(call.keywords)
    return name not in _STRUCTURED


_STRUCTURED = frozenset(
    [
        "sum",
        "mean",
        "max",
        "min",
        "prod",
        "norm",
        "cumsum",
        "trace",
        "matmul",
        "linear",
        "einsum",
        "transpose",
        "broadcast_to",
        "getitem",
        "concatenate",
        "stack",
        "weighted_sum",
        "half_squared_error",
        "cross_entropy",
        "pad",
        "flip",
        "roll",
        "repeat",
        "tile",
        "diag",
        "tril",
        "triu",
    ]
)


def _shape_of(e: ast.expr) -> Shape:
    """The shape of what an expression of whole arrays stands for."""
    if isinstance(e, Piece):
        return e.shape
    if isinstance(e, Symbol):
        return e.value.shape if e.index is None else ()
    if isinstance(e, ast.Call):
        for option in e.keywords:
            if option.arg == "shape" and isinstance(option.value, ast.Constant):
                shape: Any = option.value.value
                return tuple(shape)
        if e.keywords and isinstance(e.func, ast.Name) and e.func.id == "logsumexp":
            options: dict[Any, Any] = {o.arg: o.value.value for o in e.keywords if isinstance(o.value, ast.Constant)}
            shape = list(_shape_of(e.args[0]))
            shape[options["axis"] : len(shape) + options["axis"] + 1] = [1] if options["keepdims"] else []
            return tuple(shape)
        return np.broadcast_shapes(*map(_shape_of, e.args))
    inner = [child for child in ast.iter_child_nodes(e) if isinstance(child, ast.expr)]
    return np.broadcast_shapes(*map(_shape_of, inner)) if inner else ()


def _contracted_shape(m: Contract, shape: Shape, of: Shape) -> Shape:
    sizes = dict(zip(m.out_labels, shape, strict=True)) | dict(zip(m.operand_labels, of, strict=True))
    return tuple(sizes[label] for label in m.in_labels)


def _bracketed(text: str, level: int, latex: bool = False) -> str:
    if level >= POWER:
        return text
    return rf"\left({text}\right)" if latex else f"({text})"
