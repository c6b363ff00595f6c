"""A recorded graph as SymPy expressions, differentiated by SymPy.

The oracle reads the record: the name of each op, its operands, and the sizes of axes. The meaning of each op is written
here a second time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import sympy

ERF = sympy.erf


def _step(condition: Any, yes: Any, no: Any) -> Any:
    return sympy.Piecewise((yes, condition), (no, True))


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + sympy.exp(-x))


FORMULAS: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "neg": lambda x: -x,
    "pow": lambda x, y: x**y,
    "exp": sympy.exp,
    "log": sympy.log,
    "log1p": lambda x: sympy.log(1 + x),
    "expm1": lambda x: sympy.exp(x) - 1,
    "exp2": lambda x: 2**x,
    "log2": lambda x: sympy.log(x, 2),
    "log10": lambda x: sympy.log(x, 10),
    "logaddexp": lambda x, y: sympy.log(sympy.exp(x) + sympy.exp(y)),
    "logaddexp2": lambda x, y: sympy.log(2**x + 2**y, 2),
    "sqrt": sympy.sqrt,
    "cbrt": lambda x: x ** sympy.Rational(1, 3),
    "reciprocal": lambda x: 1 / x,
    "hypot": lambda x, y: sympy.sqrt(x**2 + y**2),
    "square": lambda x: x**2,
    "abs": lambda x: _step(x >= 0, x, -x),
    "sign": lambda x: _step(x >= 0, sympy.Integer(1), sympy.Integer(-1)),
    "sin": sympy.sin,
    "cos": sympy.cos,
    "tan": sympy.tan,
    "arcsin": sympy.asin,
    "arccos": sympy.acos,
    "arctan": sympy.atan,
    "arctan2": lambda x, y: 2 * sympy.atan(x / (y + sympy.sqrt(x**2 + y**2))),
    "sinh": sympy.sinh,
    "cosh": sympy.cosh,
    "tanh": sympy.tanh,
    "sech2": lambda x: 1 / sympy.cosh(x) ** 2,
    "arcsinh": sympy.asinh,
    "arccosh": sympy.acosh,
    "arctanh": sympy.atanh,
    "sinc": lambda x: sympy.sin(sympy.pi * x) / (sympy.pi * x),
    "sinc_slope": lambda x: sympy.cos(sympy.pi * x) / x - sympy.sin(sympy.pi * x) / (sympy.pi * x**2),
    "sigmoid": _sigmoid,
    "softplus": lambda x: sympy.log(1 + sympy.exp(x)),
    "relu": lambda x: _step(x > 0, x, sympy.Integer(0)),
    "leaky_relu": lambda x, slope: _step(x > 0, x, slope * x),
    "elu": lambda x, alpha: _step(x > 0, x, alpha * (sympy.exp(x) - 1)),
    "silu": lambda x: x * _sigmoid(x),
    "gelu_tanh": lambda x: x / 2 * (1 + sympy.tanh(sympy.sqrt(2 / sympy.pi) * (x + sympy.Rational("0.044715") * x**3))),
    "gelu_erf": lambda x: x / 2 * (1 + ERF(x / sympy.sqrt(2))),
    "erf": ERF,
    "erfc": lambda x: 1 - ERF(x),
    "maximum": lambda x, y: _step(x > y, x, y),
    "minimum": lambda x, y: _step(x < y, x, y),
    "fmax": lambda x, y: _step(x > y, x, y),
    "fmin": lambda x, y: _step(x < y, x, y),
    "mod": lambda x, y: x - y,  # in the domain in which it is sampled
    "where": lambda condition, x, y: x if condition else y,
    "clip": lambda x, low, high: _step(x < low, low, _step(x > high, high, x)),
}


def _reduced(function: Callable[[list[Any]], Any]) -> Callable[..., Any]:
    def of(op: Any, x: Any) -> Any:
        if not np.ndim(x):
            return function([x])
        moved = np.moveaxis(x, op.axes, range(-len(op.axes), 0)).reshape(
            *(  # the reduced axes last, as one
                n for k, n in enumerate(x.shape) if k - x.ndim not in op.axes
            ),
            -1,
        )
        out = np.empty(moved.shape[:-1], dtype=object)
        for index in np.ndindex(out.shape):
            out[index] = function(list(moved[index]))
        if op.keepdims:
            out = np.expand_dims(out, op.axes)
        return out if out.ndim else out[()]

    return of


def _cross_entropy(op: Any, logits: Any, labels: Any) -> Any:
    rows = [sympy.log(sum(map(sympy.exp, row))) - row[int(label)] for row, label in zip(logits, labels, strict=True)]
    return sum(rows) / len(rows)


def _weighted_sum(op: Any, *operands: Any) -> Any:
    n = len(operands) // 2
    return sum((w * x for w, x in zip(operands[:n], operands[n:-1], strict=True)), operands[-1])


STRUCTURED: dict[str, Callable[..., Any]] = {
    "weighted_sum": _weighted_sum,
    "linear": lambda op, x, w, b: np.dot(x, w) + b,
    "matmul": lambda op, a, b: np.dot(a, b),
    "half_squared_error": lambda op, y, t: np.sum((y - t) ** 2) / (2 * sympy.nsimplify(op.divisor)),
    "cross_entropy": _cross_entropy,
    "sum": _reduced(sum),
    "mean": _reduced(lambda xs: sum(xs) / len(xs)),
    "prod": _reduced(math.prod),
    "logsumexp": _reduced(lambda xs: sympy.log(sum(map(sympy.exp, xs)))),
    "norm": _reduced(lambda xs: sympy.sqrt(sum(x**2 for x in xs))),
    "reshape": lambda op, x: np.reshape(x, op.shape),
    "transpose": lambda op, x: np.transpose(x, op.axes),
    "getitem": lambda op, x: x[op.key],
    "concatenate": lambda op, *xs: np.concatenate(xs, axis=op.axis),
    "broadcast_to": lambda op, x: np.broadcast_to(x, op.shape),
    "cumsum": lambda op, x: np.cumsum(x, axis=op.axis),
}


class Symbolic:
    """Every Value of a graph as an expression, or an array of them, in symbols for the elements of leaves."""

    def __init__(self, end: Any) -> None:
        self.of: dict[int, Any] = {}
        self.point: dict[sympy.Symbol, float] = {}
        self.named: dict[str, Any] = {}
        self._keep = []
        self.end = self._expression(end)

    def _expression(self, x: Any) -> Any:
        if not hasattr(x, "requires_grad"):
            return np.asarray(x, dtype=object) if np.ndim(x) else sympy.nsimplify(float(x), rational=True)
        stack = [x]
        while stack:
            node = stack[-1]
            if id(node) in self.of:
                stack.pop()
                continue
            missing = [p for p in node.operands if hasattr(p, "requires_grad") and id(p) not in self.of]
            if missing:
                stack += missing
                continue
            self.of[id(node)] = found = self._leaf(node) if node.op is None else self._op(node)
            self._keep.append(node)
            if node.name is not None:
                self.named[node.name] = found
            stack.pop()
        return self.of[id(x)]

    def _leaf(self, node: Any) -> Any:
        if node.dtype.kind in "iu":
            return node.data

        if node.name is None and not node.requires_grad and not node.shape:
            return sympy.nsimplify(node.data, rational=True)

        def symbol(value: float) -> Any:
            made = sympy.Symbol(f"s{len(self.point)}", real=True)
            self.point[made] = float(value)
            return made

        if not node.shape:
            return symbol(node.data)
        out = np.empty(node.shape, dtype=object)
        for index in np.ndindex(node.shape):
            out[index] = symbol(node.data[index])
        return out

    def _op(self, node: Any) -> Any:
        operands = [self.of[id(x)] if hasattr(x, "requires_grad") else self._expression(x) for x in node.operands]
        if node.op.name in FORMULAS:
            function = FORMULAS[node.op.name]
            if any(np.ndim(x) for x in operands):
                return np.frompyfunc(function, len(operands), 1)(*operands)
            return function(*operands)
        found = STRUCTURED[node.op.name](node.op, *operands)
        return found[()] if isinstance(found, np.ndarray) and not found.ndim else found

    def derivative(self, leaf: Any, index: tuple[int, ...] = ()) -> Any:
        """∂ end / ∂ leaf[index], by SymPy."""
        symbol = self.of[id(leaf)][index] if index else self.of[id(leaf)]
        return sympy.diff(self.end, symbol)

    def at(self, expression: Any, point: dict[Any, float] | None = None) -> float:
        """The number of an expression at a point, of 30 digits on the way."""
        ((found,),) = self.all_at([expression], [self.point if point is None else point])
        return found

    def all_at(self, expressions: list[Any], points: list[dict[Any, float]]) -> list[list[float]]:
        """The numbers of some expressions at each of some points."""
        function = sympy.lambdify(list(self.point), [sympy.sympify(e) for e in expressions], "mpmath", cse=True)
        with mpmath.workdps(30):
            return [list(map(float, function(*(mpmath.mpf(point[s]) for s in self.point)))) for point in points]
