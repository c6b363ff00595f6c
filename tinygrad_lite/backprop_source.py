"""Forward and backward as source: what a careful person would write by hand for a recorded graph.

Nothing is differentiated here. The local derivative of an elementwise op is its line of the table, and that of a
structured op its chain of linear maps, each of which is written once in NumPy. Scalars that a graph has for each of
several samples become one array: a person writes the program of one sample, and lets NumPy go over all.
"""

from __future__ import annotations

import ast
import math
import textwrap
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .costs import CrossEntropy, HalfSquaredError
from .derivatives import LOCAL_FUNCTIONS, compiled
from .einsums import Einsum
from .elementwise import Elementwise, WeightedSum
from .errors import ArgumentError, GraphError, ValueTypeError
from .expressions import Block, Symbol, built
from .finding import find
from .maps import Broadcast, Chain, Contract, Gather, Map, Reshape, Scale, Scan, SumOver, Transpose, shape_of
from .moves import BroadcastTo, Concatenate, GetItem, ReshapeOp, Stack, TransposeOp
from .primitives import Primitive
from .products import LinearOp, MatMul
from .reductions import CumSum, LogSumExp, Max, Mean, Min, Norm, Prod, Sum, Trace
from .sweeping import ancestors, chains, topological
from .tracing import TooLongError, Tracer
from .value import Value, describe
from .writing import ATOM, PRODUCT, Python, identifier

__all__ = ["manual_backprop"]

WIDTH = 100
OPS = 2_000
"""Lines of forward code that somebody may still read."""
NUMBERS = 50_000
"""Elements of arrays that are written out as the data."""

_SIGMOID = """def sigmoid(z):
    return 1 / (1 + np.exp(-z))"""


def manual_backprop(loss: Value, wrt: Any = None) -> str:
    """Python source of the forward and the backward pass of a recorded loss, as a person writes them.

    The source needs NumPy and nothing else. Run with ``exec`` it defines the data at which the graph was recorded, the
    function ``backprop`` of them, and calls it: ``loss`` is the number and ``gradients`` a dict by parameter name.
    ``wrt`` are the parameters: a module, a mapping by name, a Value or name, or a sequence of those; by default every
    named leaf. ``d_z2`` is the derivative of the loss with respect to ``z2``, and the comment beside it the path, or
    the last steps of the paths, that the line carries. Scalars with a value for each sample are one array.

    The source is right at the recorded data. Derivatives that depend on which element was chosen (of ``max``, ``min``)
    are written as constants taken there, so with other data ``backprop`` may be wrong: write the source anew for those.

    Raises ``ArgumentError`` for an op that has no source, and for more than 2,000 ops or 50,000 numbers of data;
    ``GraphError`` for a graph that was freed, or does not depend on a parameter.

    >>> w, x = Value(0.5, name="w"), Value(2.0, name="x", requires_grad=False)
    >>> y = (w * x).sigmoid()
    >>> y.name = "y"
    >>> print(manual_backprop(y))
    import numpy as np
    ...
    def backprop(w, x):
        # forward
        mul_1 = w * x
        y = sigmoid(mul_1)
    <BLANKLINE>
        # backward: d_v is ∂y/∂v
        d_mul_1 = y * (1 - y)
        d_w = d_mul_1 * x  # y ← w
        return y, {"w": d_w}
    ...
    """
    if not isinstance(loss, Value):
        raise ValueTypeError(f"manual_backprop: needs a recorded loss, got {type(loss).__name__}")
    if loss.size != 1:
        raise ArgumentError(f"manual_backprop: needs a loss with one element, got {describe(loss)}; .sum() it first")
    return _Source(loss, _parameters(loss, wrt)).text()


def _parameters(loss: Value, wrt: Any) -> dict[str, Value]:
    leaves = {value for value in ancestors(loss) if value.is_leaf and value.requires_grad}
    if wrt is None:
        wrt = [value for value in ancestors(loss) if value in leaves and value.name is not None]
        if not wrt:
            raise ArgumentError("manual_backprop: no leaf has a name; name the parameters, or pass them as wrt=")
    if hasattr(wrt, "named_parameters"):
        wrt = wrt.named_parameters()
    if isinstance(wrt, Mapping):
        found = dict(wrt)
    else:
        found = {}
        for k, item in enumerate([wrt] if isinstance(wrt, Value | str) else wrt):
            value, index = find(loss, item, "manual_backprop") if isinstance(item, str) else (item, ())
            if not isinstance(value, Value) or index:
                raise ValueTypeError(f"manual_backprop: wrt holds whole Values or their names, got {item!r}")
            found[value.name or f"parameter {k}"] = value
    for name, value in found.items():
        if value not in leaves:
            raise GraphError(f"manual_backprop: {describe(loss)} does not depend on the leaf {name!r}")
    return found


@dataclass(eq=False)
class _Variable:
    """One variable of the source: a Value, or the Values of the same place in all samples."""

    name: str
    members: tuple[Value, ...]
    label: str
    operands: list[Any] = field(default_factory=list)
    terms: list[tuple[str, int, _Variable]] = field(default_factory=list)

    @property
    def value(self) -> Value:
        return self.members[0]

    @property
    def samples(self) -> int:
        return len(self.members) if len(self.members) > 1 else 0

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.samples,) if self.samples else self.value.shape


class _Source:
    def __init__(self, loss: Value, parameters: dict[str, Value]) -> None:
        self.loss = loss
        self.parameters = parameters
        self.order = ancestors(loss)
        topological(loss)  # raises where the graph was freed or is out of date
        if sum(not value.is_leaf for value in self.order) > 20 * OPS:
            raise ArgumentError(
                f"manual_backprop: {len(self.order)} values are more than anybody reads; take fewer samples"
            )
        self.taken = {"np", "sigmoid", "math", "backprop", "loss", "gradients"}
        self.data: dict[str, Any] = {}
        self.helpers: dict[str, str] = {}
        self.numbered: Counter[str] = Counter()
        self.extra: list[str] = []  # lines that compute what the next ones need
        self.variables: dict[Value, _Variable] = {}
        self.listed: list[_Variable] = []
        self._collect()
        self.tracer = Tracer(limit=400, shown={value: v.name for value, v in self.variables.items()})
        self.writer = _Writer(self._symbol, self.helpers)

    # ---- variables

    def _collect(self) -> None:
        groups = _by_place(self.order) or [(value,) for value in self.order]
        computed = sum(not group[0].is_leaf for group in groups)
        if computed > OPS:
            raise ArgumentError(
                f"manual_backprop: {computed} ops make more lines than anybody reads (at most {OPS}); "
                "take fewer samples, or networks of arrays"
            )
        for group in groups:
            value = group[0]
            if value.is_leaf and not value.requires_grad and value.name is None and not value.shape and len(group) == 1:
                continue  # a number, written where it is used
            label = value.name.partition("@")[0] if value.name is not None and len(group) > 1 else value.name
            variable = _Variable(self._named(label, value), group, label or "")
            variable.label = label or variable.name
            for member in group:
                self.variables[member] = variable
            self.listed.append(variable)
        for variable in self.listed:
            variable.operands = [self._operand(variable, k) for k in range(len(variable.value.parents))]

    def _named(self, label: str | None, value: Value) -> str:
        kind = value.op.name if value.op is not None else "constant"
        name = label
        while name is None or identifier(name, self.taken) != identifier(name, ()) or f"d_{name}" in self.taken:
            self.numbered[label or kind] += 1
            name = f"{label or kind}_{self.numbered[label or kind]}"
        name = identifier(name, self.taken)
        self.taken |= {name, f"d_{name}"}
        return name

    def _operand(self, variable: _Variable, k: int) -> Any:
        parent = variable.value.parents[k]
        return self.variables.get(parent, parent.data if parent not in self.variables else None)

    def _symbol(self, symbol: Symbol) -> str:
        value = symbol.value
        if value in self.variables:
            name = self.variables[value].name
        else:
            name = identifier(value.name or "constant_1", self.taken)
            self.taken.add(name)
            self.data[name] = value.data
            self.variables[value] = _Variable(name, (value,), name)
        return name + (f"[{', '.join(map(str, symbol.index))}]" if symbol.index else "")

    def _block(self, operand: Any) -> ast.expr:
        if isinstance(operand, _Variable):
            return Block(operand.name, "", operand.name, ATOM)
        return ast.Constant(float(operand)) if np.ndim(operand) == 0 else self._literal(operand)

    def _literal(self, data: Any) -> ast.expr:
        name = identifier("constant_1", self.taken)
        self.taken.add(name)
        self.data[name] = data
        return Block(name, "", name, ATOM)

    def _text(self, operand: Any) -> str:
        return self.writer.write(self._block(operand))

    # ---- the source

    def text(self) -> str:
        forward = [line for variable in self.listed if not variable.value.is_leaf for line in self._forward(variable)]
        backward = self._backward()
        first = {self.variables[value]: None for value in self.parameters.values()}
        inputs = [*first, *(v for v in self.listed if v.value.is_leaf and v not in first)]
        for variable in inputs:
            self.data[variable.name] = (
                np.array([member.data for member in variable.members]) if variable.samples else variable.value.data
            )
        if sum(np.size(data) for data in self.data.values()) > NUMBERS:
            count = sum(np.size(data) for data in self.data.values())
            raise ArgumentError(f"manual_backprop: {count:,} numbers of data, at most {NUMBERS:,} are written out")
        end = self.variables[self.loss]
        found = ", ".join(f"{_quoted(name)}: d_{self.variables[value].name}" for name, value in self.parameters.items())
        arguments = ", ".join(self.data)
        body = [
            *_wrapped("def backprop(", arguments, "):"),
            "    # forward",
            *(f"    {line}" for line in forward),
            "",
            f"    # backward: d_v is ∂{_commented(end.label)}/∂v",
            *(f"    {line}" for line in backward),
            *(f"    {line}" for line in _wrapped(f"return {end.name}, {{", found, "}")),
        ]
        head = ["import numpy as np", ""]
        for helper in self.helpers.values():
            head += ["", *helper.splitlines(), "", ""]
        numbers = [line for name, data in self.data.items() for line in _assigned(name, data)]
        call = _wrapped("loss, gradients = backprop(", arguments, ")")
        return "\n".join([*head, *numbers, "", "", *body, "", "", *call, ""])

    def _forward(self, variable: _Variable) -> list[str]:
        op = variable.value.op
        operands = variable.operands
        if isinstance(op, Primitive):
            raise ArgumentError(
                f"manual_backprop: {op.name!r} is a primitive, whose source is your own; write that part by hand"
            )
        if isinstance(op, Elementwise):
            letters = dict(zip(op.rule.operands, map(self._block, operands), strict=True))
            if op.name == "sigmoid":
                self.helpers["sigmoid"] = _SIGMOID
                written = f"sigmoid({self._text(operands[0])})"
            else:
                written = self.writer.write(built(op.rule.forward, letters))
        elif isinstance(op, WeightedSum):
            written = self._weighted(variable)
        else:
            written = self._structured(variable)
        return _broken(f"{variable.name} = ", written)

    def _weighted(self, variable: _Variable) -> str:
        n = len(variable.operands) // 2
        weights, inputs, bias = variable.operands[:n], variable.operands[n:-1], variable.operands[-1]
        terms = []
        counted: dict[tuple[str, str], list[Any]] = {}
        for w, x in zip(weights, inputs, strict=True):
            counted.setdefault((self._text(w), self._text(x)), []).append((w, x))
        for (w, x), pairs in counted.items():
            summed = not variable.samples and any(isinstance(o, _Variable) and o.samples for o in pairs[0])
            number = isinstance(pairs[0][0], float)
            product = x if number and pairs[0][0] == 1.0 else f"{x} * {w}" if number else f"{w} * {x}"
            terms.append(f"np.sum({product})" if summed else product)
        if not (isinstance(bias, float) and bias == 0.0):
            terms.append(self._text(bias))
        return " + ".join(terms) or "0.0"

    def _structured(self, variable: _Variable) -> str:
        op, value = variable.value.op, variable.value
        x = [self._text(operand) for operand in variable.operands]
        axes = getattr(op, "axes", ())
        how = f", axis={axes if len(axes) > 1 else axes[0]}" if axes else ""
        how += ", keepdims=True" if getattr(op, "keepdims", False) else ""
        match op:
            case LinearOp():
                return f"{x[0]} @ {x[1]} + {x[2]}"
            case MatMul():
                return f"{x[0]} @ {x[1]}"
            case Sum() | Mean() | Max() | Min() | Prod():
                return f"np.{op.name}({x[0]}{how})"
            case LogSumExp() if len(axes) == 1:
                return f"np.logaddexp.reduce({x[0]}{how})"
            case LogSumExp():
                return f"np.log(np.sum(np.exp({x[0]}){how}))"
            case Norm():
                return f"np.sqrt(np.sum({x[0]} ** 2{how}))"
            case Trace(offset=offset):
                return f"np.trace({x[0]}, {offset})"
            case CumSum(axis=axis):
                return f"np.cumsum({x[0]}, axis={axis})"
            case Einsum(labels=labels, out_labels=out):
                return f"np.einsum({','.join(labels) + '->' + out!r}, {', '.join(x)})"
            case ReshapeOp():
                return f"np.reshape({x[0]}, {value.shape})"
            case TransposeOp(axes=order):
                return f"np.transpose({x[0]}, {order})"
            case BroadcastTo():
                return f"np.broadcast_to({x[0]}, {value.shape})"
            case Concatenate(axis=axis) | Stack(axis=axis):
                return f"np.{op.name}([{', '.join(x)}], axis={axis})"
            case GetItem() if not shape_of(variable.operands[0]):
                return x[0]
            case GetItem(key=key) if _is_plain(key):
                return f"{x[0]}[{_key_text(key)}]"
            case GetItem(key=key) if isinstance(key, tuple) and all(isinstance(part, np.ndarray) for part in key):
                return f"{x[0]}[{', '.join(self._text(part) for part in key)}]"
            case HalfSquaredError():
                return f"np.sum(({x[0]} - {x[1]}) ** 2) / {2 * op.divisor!r}"
            case CrossEntropy():
                rows = variable.operands[0].shape[0]
                return f"np.mean(np.logaddexp.reduce({x[0]}, axis=-1) - {x[0]}[np.arange({rows}), {x[1]}])"
        with np.errstate(all="ignore"):
            maps = [chain for _, _, chain in chains(value)]
        if len(maps) == 1 and len(maps[0]) == 1 and isinstance(maps[0][0], Gather):
            source = self._source(maps[0][0], value)
            return f"np.append({x[0]}, 0)[{source}].reshape({value.shape})"
        assert op is not None
        raise ArgumentError(f"manual_backprop: {op.name!r} has no source yet; write that part by hand")

    def _source(self, gather: Gather, value: Value) -> str:
        """The name of an array that says where each element of a move comes from; -1 is a zero."""
        name = identifier(f"origin_of_{self.variables[value].name}", self.taken)
        if name not in self.data:
            self.data[name] = gather.source
        return name

    # ---- backward

    def _backward(self) -> list[str]:
        end = self.variables[self.loss]
        wanted = self._leading()
        lines: list[str] = []
        paths = {end: end.label}
        reached: dict[_Variable, list[tuple[str, int, _Variable]]] = defaultdict(list)
        readers = [v for v in reversed(self.listed) if not v.value.is_leaf and v in wanted]
        leaves = [self.variables[value] for value in self.parameters.values()]
        for variable in [*readers, *leaves]:
            if variable is not end:
                if not reached[variable]:
                    lines.append(f"d_{variable.name} = {_zeros(variable)}")
                    continue
                lines += self._cotangent(variable, reached[variable], paths)
            if variable.value.is_leaf:
                continue
            for k, operand, chain in self._edges(variable):
                if operand in wanted:
                    text, binding = self._pulled(variable, k, operand, chain, variable is end)
                    lines += self.extra
                    self.extra.clear()
                    reached[operand].append((text, binding, variable))
        return lines

    def _leading(self) -> set[_Variable]:
        leading = {self.variables[value] for value in self.parameters.values()}
        for variable in self.listed:
            if any(isinstance(o, _Variable) and o in leading for o in variable.operands):
                leading.add(variable)
        return leading

    def _edges(self, variable: _Variable) -> list[tuple[int, _Variable, Chain]]:
        with np.errstate(all="ignore"):
            live = [(k, self.variables[operand], chain) for k, operand, chain in chains(variable.value)]
        if variable.samples or not any(operand.samples for _, operand, _ in live):
            return live
        seen: set[tuple[_Variable, str]] = set()  # a sum over samples has one edge to each array
        found = []
        for k, operand, chain in live:
            n = len(variable.operands) // 2
            partner = self._text(variable.operands[(k + n) % (2 * n)]) if k < 2 * n else ""
            if not operand.samples or (operand, partner) not in seen:
                seen.add((operand, partner))
                found.append((k, operand, chain))
        return found

    def _cotangent(
        self, variable: _Variable, terms: list[tuple[str, int, _Variable]], paths: dict[_Variable, str]
    ) -> list[str]:
        readers = list(dict.fromkeys(reader for _, _, reader in terms))
        ending = f" ← {variable.label}" if variable.value.name is not None else ""
        ways = list(dict.fromkeys(paths[reader] for reader in readers))  # nameless ones are not worth a step
        if len(ways) == 1:
            paths[variable] = ways[0] + ending
        else:
            start = ways[0].split(" ← ")[0]
            last = dict.fromkeys(way.rpartition(" ← ")[2] for way in ways)
            paths[variable] = f"{start} ← … ← {{{', '.join(last)}}}{ending}"
        path = paths[variable]
        if len(path) > 60:
            parts = path.split(" ← ")
            path = " ← ".join([parts[0], "…", *parts[-2:]])
        merged = Counter(text for text, _, _ in terms)
        written = " + ".join(text if n == 1 else f"{n} * ({text})" for text, n in merged.items())
        return _broken(f"d_{variable.name} = ", written, _commented(path) if "←" in path else "")

    def _pulled(self, reader: _Variable, k: int, operand: _Variable, chain: Chain, is_end: bool) -> tuple[str, int]:
        """What an edge carries back, as source: of ``d_reader``, which is 1 at the end."""
        g = _Term("" if is_end else f"d_{reader.name}", reader.shape)
        op = reader.value.op
        if isinstance(op, Elementwise):
            weight = self._line(reader, k)
            if weight is not None:
                g = g.times(self.writer.within(weight, PRODUCT), reader.shape)
        elif isinstance(op, WeightedSum):
            n = len(reader.operands) // 2
            partner = reader.operands[(k + n) % (2 * n)] if k < 2 * n else 1.0
            if not (isinstance(partner, float) and partner == 1.0):
                shape = partner.shape if isinstance(partner, _Variable) else ()
                g = g.times(self._text(partner), np.broadcast_shapes(g.shape, shape))
        else:
            return self._through_maps(reader, k, operand, g)
        if operand.samples:
            g = g.spread((operand.samples,))
        elif reader.samples or any(isinstance(o, _Variable) and o.samples for o in reader.operands):
            g = g.spread((reader.samples,)) if reader.samples else g
            g = _Term(f"np.sum({g.source})", ()) if g.shape else g
        else:
            for linear_map in chain:
                if isinstance(linear_map, Broadcast):
                    g = self._map(linear_map, None, g.spread(linear_map.out_shape), operand)
        return g.spread(operand.shape).source, PRODUCT

    def _line(self, reader: _Variable, k: int) -> ast.expr | None:
        """The local derivative from the table: as people print it where that is as exact, else as it is computed."""
        op = reader.value.op
        assert isinstance(op, Elementwise)
        exact, written = op.rule.derivatives[k], op.rule.written[k]
        if exact == "1":
            return None
        letters = dict(zip(op.rule.operands, map(self._block, reader.operands), strict=True))
        letters["out"] = Block(reader.name, "", reader.name, ATOM)
        return built((written if self._as_exact(reader, k) else exact) or "0", letters)

    def _as_exact(self, reader: _Variable, k: int) -> bool:
        op = reader.value.op
        assert isinstance(op, Elementwise)
        exact, written = op.rule.derivatives[k], op.rule.written[k]
        if written == exact:
            return True
        with np.errstate(all="ignore"):
            for member in reader.members:
                data = [np.asarray(parent.data, dtype=float) for parent in member.parents]
                out = np.asarray(member.data)
                a = compiled(op.rule, exact or "0", LOCAL_FUNCTIONS)(*data, out)
                b = compiled(op.rule, written or "0", LOCAL_FUNCTIONS)(*data, out)
                if not np.allclose(a, b, rtol=1e-13, atol=0.0):
                    return False
        return True

    def _through_maps(self, reader: _Variable, k: int, operand: _Variable, g: _Term) -> tuple[str, int]:
        assert reader.value.op is not None
        for linear_map, weight in self.tracer.chain(reader.value, k):
            g = self._map(linear_map, weight, g, operand)
        if math.prod(g.shape) == math.prod(operand.shape) and g.shape != operand.shape:
            return f"np.reshape({g.source}, {operand.shape})", PRODUCT
        return g.spread(operand.shape).source, PRODUCT

    def _map(self, linear_map: Map, weight: Any, g: _Term, operand: _Variable) -> _Term:
        """How each linear map is written."""
        match linear_map:
            case Scale():
                return self._weighted_by(weight, g)
            case SumOver(in_shape=shape, axes=axes, keepdims=keepdims):
                if not keepdims and g.shape and len(axes) < len(shape):
                    g = _Term(f"np.expand_dims({g.source}, {axes if len(axes) > 1 else axes[0]})", g.shape)
                    g.shape = tuple(1 if j - len(shape) in axes else n for j, n in enumerate(shape))
                if weight is not None and not (isinstance(weight, float) and weight == 1.0):
                    g = self._weighted_by(weight, g)
                return g.spread(shape)
            case Broadcast(in_shape=shape, out_shape=wide):
                lost = len(wide) - len(shape)
                axes = (*range(lost), *(lost + j for j, n in enumerate(shape) if n == 1 and wide[lost + j] != 1))
                if not axes:
                    return g
                if len(axes) == len(wide) and not shape:
                    return _Term(f"np.sum({g.source})", ())
                text = f"np.sum({g.source}, axis={axes if len(axes) > 1 else axes[0]})"
                return _Term(text if axes == tuple(range(lost)) else f"{text}.reshape({shape})", shape)
            case Reshape(in_shape=shape):
                return _Term(f"np.reshape({g.spread(linear_map.out_shape).source}, {shape})", shape)
            case Transpose():
                axes = linear_map._inverse()
                made = tuple(g.shape[axis] for axis in axes)
                return _Term(f"np.transpose({g.source}, {axes})", made)
            case Contract(out_labels=out, in_labels=own, operand_labels=of):
                return self._contracted(out, own, of, weight, g)
            case Gather(in_shape=shape, out_shape=wide):
                source = identifier("origin_1", self.taken)
                self.taken.add(source)
                self.data[source] = linear_map.source
                size = math.prod(shape)
                flat = f"np.ravel({g.spread(wide).source})"
                kept = f"np.bincount({source} + 1, {flat}, {size + 1})[1:]"
                return _Term(f"{kept}.reshape({shape})" if shape else f"{kept}[0]", shape)
            case Scan(axis=axis, shape=shape):
                text = g.spread(shape).source
                return _Term(f"np.flip(np.cumsum(np.flip({text}, {axis}), {axis}), {axis})", shape)
        raise ArgumentError(
            f"manual_backprop: {type(linear_map).__name__}, a map of the user's own, has no source; write that by hand"
        )

    def _weighted_by(self, weight: Any, g: _Term) -> _Term:
        text = self._weight(weight)
        one = text.lstrip("(-").rstrip(")").replace(".", "").isdigit()  # an array of one number is written as that
        return g.times(text, g.shape if one else np.broadcast_shapes(g.shape, shape_of(weight)))

    def _contracted(self, out: str, own: str, of: str, weight: Any, g: _Term) -> _Term:
        sizes = dict(zip(out, g.shape, strict=True)) | dict(zip(of, shape_of(weight), strict=True))
        shape = tuple(sizes[label] for label in own)
        w = self._weight(weight)
        if len(out) == len(own) == len(of) == 2 and len({*out, *own, *of}) == 3 and {*out} != {*own}:
            (summed,) = set(out) - set(own)
            left, right = (g.atom, w), (out, of)
            if own[0] in of:
                left, right = (w, g.atom), (of, out)
            first = left[0] if right[0][1] == summed else f"{left[0]}.T"
            second = left[1] if right[1][0] == summed else f"{left[1]}.T"
            return _Term(f"{first} @ {second}", shape)
        letters = {label: chr(ord("a") + k) for k, label in enumerate(dict.fromkeys(out + of + own))}
        word = ",".join("".join(letters[label] for label in part) for part in (out, of))
        return _Term(f"np.einsum({word + '->' + ''.join(letters[label] for label in own)!r}, {g.source}, {w})", shape)

    def _weight(self, weight: Any) -> str:
        """A weight as source: as an expression where it is short, else computed first, op by op."""
        if isinstance(weight, float):
            return repr(weight)
        try:
            return self.writer.within(self.tracer.weight(weight), PRODUCT)
        except (TooLongError, KeyError):
            return self._computed(weight)

    def _computed(self, weight: Any) -> str:
        if not isinstance(weight, Value):
            return self._text(weight)
        for value in ancestors(weight):
            if value in self.variables or (value.is_leaf and not value.shape):
                continue
            variable = _Variable(self._named(None, value), (value,), "")
            self.variables[value] = variable
            if value.is_leaf:
                self.data[variable.name] = value.data
                continue
            variable.operands = [self._operand(variable, k) for k in range(len(value.parents))]
            self.extra += self._forward(variable)
        return self.variables[weight].name


class _Writer(Python):
    """Python source that calls a sigmoid by its name."""

    def __init__(self, name: Callable[[Symbol], str], helpers: dict[str, str]) -> None:
        super().__init__(name)
        self.helpers = helpers

    def call(self, name: str, arguments: Sequence[ast.expr]) -> tuple[str, int]:
        if name == "sigmoid":
            self.helpers["sigmoid"] = _SIGMOID
            return f"sigmoid({self.write(arguments[0])})", ATOM
        return super().call(name, arguments)


class _Term:
    """A product as source, empty for 1, and the shape of what it makes."""

    def __init__(self, text: str, shape: tuple[int, ...]) -> None:
        self.text = text
        self.shape = shape

    @property
    def source(self) -> str:
        return self.text or "1.0"

    @property
    def atom(self) -> str:
        return self.source if self.source.isidentifier() else f"({self.source})"

    def times(self, factor: str, shape: tuple[int, ...]) -> _Term:
        return _Term(f"{self.text} * {factor}" if self.text else factor, shape)

    def spread(self, shape: tuple[int, ...]) -> _Term:
        """The same broadcast to a shape."""
        if self.shape == shape:
            return self
        return _Term(f"np.broadcast_to({self.source}, {shape})", shape)


# ---- samples ---------------------------------------------------------------------------------------------------------


_SHARED, _JOINED = -1, -2
"""In the place of a sample's number: what belongs to none, and what is made of several."""


def _by_place(order: list[Value]) -> list[tuple[Value, ...]] | None:
    """The Values of a graph of scalars, those of the same place in all samples together; ``None`` if it has none.

    Two are of the same place if one op made them of operands of the same place.
    """
    if any(value.shape for value in order):
        return None
    sample: dict[Value, int] = {}
    places: dict[Value, int] = {}
    numbers: dict[Any, int] = {}  # of places
    members: dict[int, list[Value]] = {}
    depth: dict[int, int] = {}
    for value in order:
        plain, _, ending = (value.name or "").partition("@")
        if value.is_leaf:
            sample[value] = int(ending) if ending.isdigit() else _SHARED
            what: Any = (plain,)
        else:
            of = {sample[parent] for parent in value.parents} - {_SHARED}
            sample[value] = _JOINED if len(of) > 1 else next(iter(of), _SHARED)
            what = (value.op, plain, *(places[parent] for parent in value.parents))
        if sample[value] < 0:
            what = value
        places[value] = place = numbers.setdefault(what, len(numbers))
        members.setdefault(place, []).append(value)
        depth[place] = 1 + max((depth[places[parent]] for parent in value.parents), default=0)
    samples = sorted({number for number in sample.values() if number >= 0})
    for group in members.values():  # each sample has each place once, and what joins them treats them alike
        value = group[0]
        if sample[value] >= 0 and sorted(sample[one] for one in group) != samples:
            return None
        if sample[value] == _JOINED and not _treats_alike(value, places, members):
            return None
    if len(samples) < 2:
        return None
    for group in members.values():
        group.sort(key=lambda one: sample[one])
    return [tuple(members[place]) for place in sorted(members, key=lambda place: depth[place])]


def _treats_alike(value: Value, places: Mapping[Value, int], members: Mapping[int, list[Value]]) -> bool:
    """Whether a sum takes the values of all samples with one weight."""
    if not isinstance(value.op, WeightedSum):
        return False
    parents = value.parents
    n = len(parents) // 2
    weights: defaultdict[int, list[Any]] = defaultdict(list)
    for pair in zip(parents[:n], parents[n:-1], strict=True):
        terms = [one for one in pair if len(members[places[one]]) > 1]
        for term in terms[:1]:
            other = pair[term is pair[0]]
            weights[places[term]].append(other if other.requires_grad else other.data)
        if len(terms) > 1:
            return False
    return all(len(given) == len(members[place]) and len({*given}) == 1 for place, given in weights.items())


# ---- layout ----------------------------------------------------------------------------------------------------------


def _quoted(name: str) -> str:
    """A name as a string, in the quotes that a formatter would choose."""
    plain = name.isascii() and name.isprintable() and not {'"', "\\"} & {*name}
    return f'"{name}"' if plain else repr(name)


def _commented(text: str) -> str:
    """A text of a user's as part of a comment: on one line, whatever is in it."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _broken(start: str, expression: str, comment: str = "") -> list[str]:
    """An assignment on lines that are not too long, the comment behind it or above it."""
    line = f"{start}{expression}"
    if len(line) + 4 + (len(comment) + 4 if comment else 0) <= WIDTH:
        return [f"{line}  # {comment}" if comment else line]
    above = [f"# {comment}" if len(comment) < WIDTH - 8 else f"# {comment[: WIDTH - 10]}…"] if comment else []
    if len(line) + 4 <= WIDTH:
        return [*above, line]
    wrapped = textwrap.wrap(expression, WIDTH - 12, break_long_words=False, break_on_hyphens=False)
    return [*above, f"{start}(", *(f"    {part}" for part in wrapped), ")"]


def _wrapped(start: str, inside: str, end: str) -> list[str]:
    if not inside or len(start) + len(inside) + len(end) + 4 <= WIDTH:
        return [f"{start}{inside}{end}"]
    parts = textwrap.wrap(inside, WIDTH - 12, break_long_words=False, break_on_hyphens=False)
    parts[-1] += "" if parts[-1].endswith(",") else ","
    return [start, *(f"    {part}" for part in parts), end]


def _assigned(name: str, data: Any) -> list[str]:
    if np.ndim(data) == 0:
        return [f"{name} = {_number(float(data))}"]
    flat = ", ".join(_number(x) for x in np.ravel(data).tolist())
    usual = data.size and data.dtype in (np.float64, np.int64)
    dtype = "" if usual else f", dtype=np.{data.dtype}"
    shape = "" if data.ndim == 1 else f".reshape({data.shape})"
    return _wrapped(f"{name} = np.array([", flat, f"]{dtype}){shape}")


def _number(x: Any) -> str:
    if isinstance(x, float) and not math.isfinite(x):
        return "np.nan" if x != x else "np.inf" if x > 0 else "-np.inf"
    return repr(x)


def _zeros(variable: _Variable) -> str:
    return f"np.zeros({variable.shape})" if variable.shape else "0.0"


def _is_plain(key: Any) -> bool:
    parts: Iterable[Any] = key if isinstance(key, tuple) else (key,)
    return all(part is None or part is Ellipsis or type(part) in (slice, int) for part in parts)


def _key_text(key: Any) -> str:
    parts = key if isinstance(key, tuple) else (key,)

    def one(part: Any) -> str:
        if not isinstance(part, slice):
            return "..." if part is Ellipsis else repr(part)
        start, stop, step = ("" if x is None else str(int(x)) for x in (part.start, part.stop, part.step))
        return f"{start}:{stop}:{step}" if step else f"{start}:{stop}"

    if not parts:
        return "()"
    return ", ".join(map(one, parts)) + ("," if isinstance(key, tuple) and len(key) == 1 else "")
