"""The ops of the table, made from its lines.

Each line generates one function that records the op. At floats that function computes the value and the local
derivatives in line, from the line's expressions, and builds a scalar node without further calls. All other operands go
through ``Elementwise``, which reads the same line.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import cache, lru_cache, partial
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..semirings.summation import added
from .elementwise_derivatives import REAL, TABLE, Rule
from .maps import Broadcast, Chain, Scale
from .numerics import ARRAY_FUNCTIONS, FLOAT_FUNCTIONS, LOCAL_FUNCTIONS
from .recording import blocks_open, diverted
from .shapes import shape_of
from .special import power_partial, ratio, sinc_partial
from .table_source import array_source, compiled, computes_with, float_source, forward_source, value_source
from .value import Op, Value, array_node, as_data, constant, describe, elsewhere, new, plain, record

__all__ = ["Elementwise", "FUNCTIONS", "OPS", "WeightedSum", "weighted_sum"]


# Python raises these, or turns complex, where NumPy has an inf or a nan.
REFUSED = (ArithmeticError, ValueError)


class _Compiled(dict[int, Callable[..., Any]]):
    """Local derivatives by operand, each compiled when it is first read."""

    def __init__(self, make: Callable[[int], Callable[..., Any]]) -> None:
        self._make = make

    def __missing__(self, k: int) -> Callable[..., Any]:
        self[k] = function = self._make(k)
        return function


def _of_floats(function: Callable[..., Any]) -> Callable[..., Any]:
    """A local derivative at integers as at floats: -x of unsigned ones wraps around, log(x) of bytes is float16."""

    def call(*data: Any) -> Any:
        dtype = data[-1].dtype
        return function(*[x.astype(dtype) if getattr(x, "dtype", dtype).kind in "biu" else x for x in data])

    return call


class Elementwise(Op):
    """One line of the table as an op."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.name = rule.name
        self.sign = rule.sign
        self._floats = self._first_on_floats
        self._arrays = self._first_on_arrays
        given = {k: e for k, e in enumerate(rule.derivatives) if e is not None}
        self._given = frozenset(given)
        self._unit = {k for k, e in given.items() if e == "1"}  # no factor at all
        self._local_floats = _Compiled(lambda k: self._on_floats(given[k]))
        self._local_arrays = _Compiled(lambda k: self._on_arrays(k, given[k]))
        self._local_values = _Compiled(lambda k: self._local(given[k], value_source, VALUE_FUNCTIONS))
        self._again = _Compiled(lambda k: self._local(rule.again[k], value_source, VALUE_FUNCTIONS))
        self._numerators = _Compiled(lambda k: compiled(rule, value_source(rule.numerators[k]), VALUE_FUNCTIONS))
        self.sides = rule.derivatives == ("sign(x)",)

    def _local(self, expression: str, source: Callable[[str], str], functions: dict[str, Any]) -> Callable[..., Any]:
        function = compiled(self.rule, source(expression), functions)
        return _of_floats(function) if computes_with(expression, self.rule.operands) else function

    def _on_arrays(self, k: int, expression: str) -> Callable[..., Any]:
        """The local derivative, or where the rule has a margin the form that people write, mended below the margin."""
        careful = self._local(expression, array_source, LOCAL_FUNCTIONS)
        if self.rule.margin is None:
            return careful
        margin, least = self.rule.margin
        if not margin:
            return self._local(self.rule.written[k] or "", array_source, LOCAL_FUNCTIONS)
        careful.__name__ = f"{self.name}_slope"
        careful.on_floats = expression, (*self.rule.operands, "out")  # type: ignore[attr-defined]
        source = f"kept({self.rule.written[k]}, {margin}, least, careful, {', '.join(self.rule.operands)}, out)"
        return compiled(self.rule, array_source(source), LOCAL_FUNCTIONS | {"least": least, "careful": careful})

    def _on_floats(self, expression: str) -> Callable[..., Any]:
        names = {name: name for name in (*self.rule.operands, "out")}
        return compiled(self.rule, float_source(expression, names), FLOAT_FUNCTIONS)

    def _first_on_floats(self, *data: Any) -> Any:
        """Compile the op for floats, and put the result in the place of this method."""
        if self._floats == self._first_on_floats:
            self._floats = self._on_floats(self.rule.forward)
        return self._floats(*data)

    def _first_on_arrays(self, *data: Any) -> Any:
        """Compile the op for arrays, and put the result in the place of this method."""
        if self._arrays == self._first_on_arrays:
            self._arrays = compiled(self.rule, forward_source(self.rule.forward), ARRAY_FUNCTIONS)
        return self._arrays(*data)

    def expressions(self, n: int) -> Rule | None:
        return self.rule

    def forward(self, *data: Any) -> Any:
        for x in data:
            if type(x) is not float:
                return self._arrays(*data)
        try:
            out = self._floats(*data)
            if type(out) is float:
                return out
        except REFUSED:
            pass
        with np.errstate(all="ignore"):
            return float(self._arrays(*map(np.float64, data)))

    def locals(self, operands: Sequence[Any], data: Sequence[float], out: float) -> tuple[float | None, ...]:
        """The local derivative at floats with respect to each operand; ``None`` where no gradient flows."""
        live = [type(x) is Value and x.requires_grad for x in operands]
        return tuple(self.local(k, data, out) if live[k] and k in self._given else None for k in range(len(operands)))

    def local(self, k: int, data: Sequence[float], out: float) -> float:
        """The local derivative with respect to operand ``k`` at floats."""
        try:
            local = self._local_floats[k](*data, out)
            if type(local) is float:
                return local
        except REFUSED:
            pass
        with np.errstate(all="ignore"):
            return float(self._local_arrays[k](*map(np.float64, data), np.float64(out)))

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain | None:
        if k not in self._given:
            return None
        if k in self._unit:
            return self._scaled(None, k, operands, out)
        if type(out) is Value:
            again = self.rule.again and (self.rule.numerators or all(operands[j].requires_grad for j in self._given))
            weight = (self._again if again else self._local_values)[k](*operands, out)
        elif type(out) is float:
            weight = self.local(k, operands, out)
        else:
            try:
                weight = self._local_arrays[k](*operands, out)
            except ArithmeticError:  # 1 / y of a float y = 0 beside an array x
                weight = self._local_arrays[k](*map(np.asarray, operands), out)
        return self._scaled(weight, k, operands, out)

    def _scaled(self, weight: Any, k: int, operands: Sequence[Any], out: Any) -> Chain:
        in_shape, out_shape = shape_of(operands[k]), shape_of(out)
        maps: Chain = () if in_shape == out_shape else (Broadcast(in_shape, out_shape),)
        return maps if weight is None else (Scale(weight, len(out_shape)), *maps)

    def undivided(self, k: int, operands: Sequence[Any], out: Any) -> Chain | None:
        return self._scaled(self._numerators[k](*operands, out), k, operands, out) if self.rule.numerators else None

    def pull(self, k: int, g: Any, operands: Sequence[Any], out: Any) -> Any:
        if type(out) is np.ndarray and (len(operands) == 1 or shape_of(operands[k]) == out.shape):  # nothing stretched
            if k in self._unit:
                return g
            if k in self._given:
                try:
                    return g * self._local_arrays[k](*operands, out)
                except ArithmeticError:  # of floats beside arrays, see chain
                    pass
        elif k in self._unit and type(out) is np.ndarray and out.ndim == 2 and shape_of(operands[k]) == out.shape[1:]:
            return added(g, (-2,))  # a bias
        return Op.pull(self, k, g, operands, out)


# The templates: {x} and {y} are the operands, a and b their data, da and db the local derivatives, None for a constant.

_GENERAL = """
def recorded({parameters}):
    return apply(op, ({names}))
"""

_UNARY = """
def recorded({parameters}):
    if type({x}) is Value:
        a = {x}._data
        if type(a) is float:
            try:
                out = {forward}
                da = ({da}) if {x}.requires_grad else None
            except REFUSED:
                return apply(op, ({x},))
            if blocks_open[0] and diverted():
                return elsewhere(op, ({x},), out)
            node = new(Value)
            node._data = out
            node._made_by = op
            node._a = {x}
            node._da = da
            node._b = node._db = node._grad = node.name = None
            node.requires_grad = da is not None
            return node
        if type(a) is ndarray:
            return record(op, ({x},))
    return apply(op, ({x},))
"""

_BINARY = """
def recorded({parameters}):
    if type({x}) is Value:
        a = {x}._data
        live_a = {x}.requires_grad
    else:
        a = float({x}) if type({x}) is int else {x}
        live_a = False
    if type({y}) is Value:
        b = {y}._data
        live_b = {y}.requires_grad
    else:
        b = float({y}) if type({y}) is int else {y}
        live_b = False
    if type(a) is float and type(b) is float and (type({x}) is Value or type({y}) is Value):
        try:
            out = {forward}
            da = ({da}) if live_a else None
            db = ({db}) if live_b else None
        except REFUSED:
            return apply(op, ({x}, {y}))
        if {regular}:
            if blocks_open[0] and diverted():
                return elsewhere(op, ({x}, {y}), out)
            node = new(Value)
            node._data = out
            node._made_by = op
            node._a = {x}
            node._b = {y}
            node._da = da
            node._db = db
            node._grad = node.name = None
            node.requires_grad = da is not None or db is not None
            return node
    elif (type(a) is ndarray and a.ndim) or (type(b) is ndarray and b.ndim):
        return record(op, ({x}, {y}))
    return apply(op, ({x}, {y}))
"""


# Stands in for a template until the first call: compiling all of them takes longer than NumPy's import.

_FIRST = """
def recorded({parameters}):
    return first({names})
"""


def _generated(op: Elementwise) -> Callable[..., Any]:
    """The recording function of one op. Its code is compiled at its first call."""
    rule = op.rule

    def first(*operands: Any) -> Any:
        scope: dict[str, Any] = {}
        exec(compile(_source(rule), f"<generated from the table: {rule.name}>", "exec"), scope)
        function.__code__ = scope["recorded"].__code__
        return function(*operands)

    namespace: dict[str, Any] = FLOAT_FUNCTIONS | {
        "REFUSED": REFUSED,
        "Value": Value,
        "apply": apply,
        "blocks_open": blocks_open,
        "diverted": diverted,
        "elsewhere": elsewhere,
        "first": first,
        "ndarray": np.ndarray,
        "new": new,
        "op": op,
        "record": record,
    }
    # not by its name, which calls the float function inside
    function: Callable[..., Any] = FunctionType(_first_code(rule.operands), namespace, rule.name, rule.defaults or None)
    return _finished(function, rule)


@cache
def _first_code(operands: tuple[str, ...]) -> CodeType:
    names = ", ".join(operands)
    scope: dict[str, Any] = {}
    exec(_FIRST.format(parameters=names, names=names), scope)
    code: CodeType = scope["recorded"].__code__
    return code


def _source(rule: Rule) -> str:
    """The source of a recording function."""
    operands = rule.operands
    names = dict(zip(operands, "abc", strict=False))
    locals_ = [e and float_source(e, names) for e in rule.derivatives]
    return (_UNARY, _BINARY, _GENERAL)[len(operands) - 1].format(
        parameters=", ".join(operands),  # their defaults are the function's, not its code's
        names=", ".join(operands),
        x=operands[0],
        y=operands[-1],
        forward=float_source(rule.forward, names),
        da=locals_[0],
        db=locals_[-1],
        regular="type(out) is float" if "**" in rule.forward else "True",  # (-8.0) ** (1 / 3) is complex
    )


def _finished(function: Callable[..., Any], rule: Rule) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = rule.name
    function.__module__ = "tinygrad_lite.ops.elementary"  # where it is found by name
    function.__doc__ = f"{rule.doc or f'``{rule.forward}``, element by element.'}\n\nLocal derivatives: " + ", ".join(
        f"``{e}``" if e else "none" for e in rule.written
    )
    return function


def apply(op: Elementwise, operands: tuple[Any, ...]) -> Any:
    """Record an elementwise op on operands of any kind, as a scalar node if all data are floats."""
    if not any(isinstance(operand, Value) for operand in operands):
        return record(op, operands)
    saved = [x.data if isinstance(x, Value) else as_data(x, keep_integers=True, copy=False) for x in operands]
    if any(type(x) is not float for x in saved):
        return record(op, operands)
    out = op.forward(*saved)
    if blocks_open[0] and diverted():
        return elsewhere(op, operands, out)
    return scalar_node(op, operands, saved, out)


def plain_node(op: Op, operands: tuple[Any, ...], data: list[Any], out: Any) -> Value:
    """The node of an op that was applied to data: what is made where nobody observes it."""
    if isinstance(op, Elementwise | WeightedSum) and all(type(x) is float for x in data):
        return scalar_node(op, operands, data, out)
    return array_node(op, operands, data, out)


def scalar_node(op: Elementwise | WeightedSum, operands: tuple[Any, ...], data: Sequence[float], out: float) -> Value:
    """A scalar node of any number of operands, at floats."""
    locals_ = op.locals(operands, data, out)
    node = constant(out)
    node._made_by = op
    if len(operands) > 2:
        node._a, node._da = operands, locals_
    else:
        node._a, node._da = operands[0], locals_[0]
        if len(operands) > 1:
            node._b, node._db = operands[1], locals_[1]
    node.requires_grad = any(local is not None for local in locals_)
    return node


OPS: dict[str, Elementwise] = {name: Elementwise(rule) for name, rule in TABLE.items()}

FUNCTIONS: dict[str, Callable[..., Any]] = {name: _generated(op) for name, op in OPS.items()}
"""The recording function of every op, by name."""

VALUE_FUNCTIONS: dict[str, Callable[..., Any]] = (
    {name: partial(plain, getattr(np, name)) for name in ("greater", "greater_equal", "less", "less_equal", "equal")}
    | FUNCTIONS
    | {"power_partial": power_partial, "ratio": ratio, "sinc_partial": sinc_partial}
)
"""The functions that expressions on Values call: comparisons, whose results are constants, and every op."""


class WeightedSum(Op):
    """``Σ weights · inputs + bias``: a neuron before its activation, as one op of 2n + 1 operands.

    Operands: the weights, the inputs, the bias. The local derivative at each weight is its input, and the reverse.
    """

    name = "weighted_sum"
    sign = "Σ"

    def forward(self, *data: Any) -> Any:
        n = len(data) // 2
        if not n:
            return data[0] * 1.0  # not the operand's own array
        return sum(map(operator.mul, data[:n], data[n:-1]), data[-1])

    def expressions(self, n: int) -> Rule | None:
        return _weighted_sum_rule(n // 2)

    @staticmethod
    def partners(operands: Sequence[Any]) -> tuple[Any, ...]:
        """The factor that each operand is multiplied by: its local derivative."""
        n = len(operands) // 2
        return (*operands[n:-1], *operands[:n], 1.0)

    def locals(self, operands: Sequence[Any], data: Sequence[float], out: float) -> tuple[float | None, ...]:
        """The local derivative at floats with respect to each operand; ``None`` where no gradient flows."""
        pairs = zip(operands, self.partners(data))  # noqa: B905  (equal lengths, and a hot loop)
        return tuple([w if type(x) is Value and x.requires_grad else None for x, w in pairs])

    def linear_in(self, n: int) -> Sequence[int]:
        return (*range(n // 2), n - 1)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain | None:
        in_shape, out_shape = shape_of(operands[k]), shape_of(out)
        maps: Chain = () if in_shape == out_shape else (Broadcast(in_shape, out_shape),)
        if k == len(operands) - 1:
            return maps
        return (Scale(self.partners(operands)[k], len(out_shape)), *maps)


_WEIGHTED_SUM = WeightedSum()


@lru_cache(maxsize=256)
def _weighted_sum_rule(n: int) -> Rule:
    """``b + w0 * x0 + … `` of ``n`` products, added in the order in which ``forward`` adds them.

    >>> _weighted_sum_rule(2).forward, _weighted_sum_rule(2).derivatives
    ('b + w0 * x0 + w1 * x1', ('x0', 'x1', 'w0', 'w1', '1'))
    """
    weights, inputs = (tuple(f"{letter}{k}" for k in range(n)) for letter in "wx")
    terms = ("b", *map("{} * {}".format, weights, inputs))
    derivatives = (*inputs, *weights, "1")
    names = (*weights, *inputs, "b")
    domain = (REAL,) * len(names)
    return Rule("weighted_sum", names, " + ".join(terms), derivatives, "Σ", domain, derivatives, terms=terms)


def weighted_sum(weights: Any, inputs: Any, bias: Any = 0.0) -> Any:
    """``Σ weights · inputs + bias`` as one op of any number of terms.

    ``weights`` and ``inputs`` are sequences of equal length of scalars (or of arrays that broadcast); ``bias`` is one
    more.

    >>> w = [Value(2.0, name="w0"), Value(3.0, name="w1")]
    >>> z = weighted_sum(w, [10.0, 1.0], Value(0.5))
    >>> z.data, z.op.sign
    (23.5, 'Σ')
    """
    weights, inputs = tuple(weights), tuple(inputs)
    if len(weights) != len(inputs):
        raise ShapeError(
            f"weighted_sum: needs as many inputs as weights, got {len(inputs)} and {len(weights)}; "
            f"the first weight is {describe(weights[0]) if weights else 'missing'}"
        )
    operands = (*weights, *inputs, bias)
    data = [x._data if type(x) is Value else x for x in operands]
    if len(data) < 3 or {*map(type, data)} != {float}:
        return record(_WEIGHTED_SUM, operands)
    out = _WEIGHTED_SUM.forward(*data)
    if not any(isinstance(x, Value) for x in operands):
        return out
    if blocks_open[0] and diverted():
        return elsewhere(_WEIGHTED_SUM, operands, out)
    return scalar_node(_WEIGHTED_SUM, operands, data, out)
