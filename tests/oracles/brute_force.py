"""The elementary graph of a recorded computation, and every path in it by plain recursion.

The oracle reads the record (``op``, ``operands``, ``data``) and calls each op's forward function; it uses nothing else
of the project. An elementary edge joins two elements where the op reads one to make the other. A nan in each element of
an operand in turn shows which elements an op reads; for elementwise ops the stretched shapes show it. The weight of an
edge is a difference quotient, or the convention's at a kink.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from .differences import slope
from .formulas import FORMULAS, NOT_DIFFERENTIABLE

ELEMENTWISE = {*FORMULAS, "weighted_sum"}
ZERO = 1e-9
"""A difference quotient below this is a zero."""

KINKED: dict[str, Any] = {  # operand, all operands at the element -> derivative
    "sign": lambda k, x: 0.0,
    "abs": lambda k, x: float(np.sign(x[0])),
    "relu": lambda k, x: 1.0 if x[0] > 0 else 0.0,
    "leaky_relu": lambda k, x: 1.0 if x[0] > 0 else x[1],
    "maximum": lambda k, x: 0.5 if x[0] == x[1] else float(x[k] > x[1 - k]),
    "minimum": lambda k, x: 0.5 if x[0] == x[1] else float(x[k] < x[1 - k]),
    "clip": lambda k, x: float([x[1] <= x[0] <= x[2], x[0] < x[1], x[0] > x[2]][k]),
}
ORDERED = {"sort", "partition"}
WHOLE = {"inv", "solve", "det", "logabsdet", "cholesky", "eig", "eigh", "svd", "qr", "pinv", "rfft"}
"""Ops of which every element of the result reads every element of an operand, whether or not it matters."""
SHARED = {"max", "min"}
"""Reductions in which k equal elements have a derivative of 1/k each."""


class TooManyPaths(Exception):
    """More paths than the test wanted to walk."""


def _data(operand: Any) -> Any:
    data = getattr(operand, "data", operand) if hasattr(operand, "requires_grad") else operand
    return float(data) if np.ndim(data) == 0 else np.asarray(data)


def _forward(op: Any, data: list[Any]) -> Any:
    with np.errstate(all="ignore"):
        return np.array(op.forward(*data), dtype=float).reshape(-1)


def reads(op: Any, data: list[Any], k: int) -> Any:
    """Which elements of the result were made by reading which of operand k: booleans (result, operand), both flat."""
    shape = np.shape(data[k])
    size = int(np.prod(shape))
    n_out = _forward(op, data).size
    pattern = np.zeros((n_out, size), dtype=bool)
    if op.name in WHOLE:
        pattern[:] = True
        if op.name == "solve" and k:  # a column reads its own
            m = np.shape(data[1])[-1]
            pattern[:] = np.arange(n_out)[:, None] % m == np.arange(size) % m
        if op.name == "rfft":  # a row reads its own
            rows = int(np.prod(shape[: -2 if op.transposed else -1]))
            pattern[:] = np.kron(np.eye(rows), np.ones((n_out // rows, size // rows)))
        return pattern
    if op.name in ELEMENTWISE:
        out_shape = np.broadcast_shapes(*map(np.shape, data))
        origin = np.broadcast_to(np.arange(size).reshape(shape), out_shape).reshape(-1)
        pattern[np.arange(n_out), origin] = True
        return pattern
    if op.name in ORDERED:  # a nan would go to the end
        for i in range(size):
            pattern[:, i] = _forward(op, _moved(data, k, i, 1e-9)) != _forward(op, data)
        return pattern
    # BLAS skips a column that is to be multiplied by zero, and would lose the nan.
    full = [
        x if j == k or np.asarray(x).dtype.kind != "f" else np.where(x == 0, 1.0, x)[()] for j, x in enumerate(data)
    ]
    for i in range(size):
        pattern[:, i] = np.isnan(_forward(op, _moved(full, k, i, np.nan)))
    return pattern


def _moved(data: list[Any], k: int, i: int, distance: float) -> list[Any]:
    changed = np.array(data[k], dtype=float, order="C")
    changed.reshape(-1)[i] += distance
    return [*data[:k], changed if changed.ndim else float(changed), *data[k + 1 :]]


def jacobian(op: Any, data: list[Any], k: int) -> tuple[Any, Any]:
    """The pattern of ``reads``, and the derivatives there, as matrices."""
    pattern = reads(op, data, k)
    weights = np.zeros(pattern.shape)
    out = _forward(op, data)
    if op.name in KINKED:
        out_shape = np.broadcast_shapes(*map(np.shape, data))
        at = [np.broadcast_to(x, out_shape).reshape(-1) for x in data]
        for j, i in np.argwhere(pattern):
            weights[j, i] = KINKED[op.name](k, [float(x[j]) for x in at])
    elif op.name in SHARED:
        flat = np.reshape(data[k], -1)
        for j, row in enumerate(pattern):
            equal = [i for i in np.flatnonzero(row) if flat[i] == out[j]]
            weights[j, equal] = 1 / len(equal)
    else:
        for i in range(pattern.shape[1]):
            weights[:, i] = slope(lambda t, i=i: _forward(op, _moved(data, k, i, t)))
        weights[np.abs(weights) < ZERO * max(1.0, np.abs(out).max(initial=0.0))] = 0.0
        assert not np.any(weights[~pattern]), f"{op.name} changes with an element that it does not read"
    return pattern, weights


def elementary(node: Any) -> list[tuple[int, Any, list[list[tuple[int, float]]]]]:
    """For each operand of a node that paths lead to: its position, itself, and for each element of the node the
    elements read, each with its weight. All flat."""
    data = [_data(x) for x in node.operands]
    found = []
    for k, operand in enumerate(node.operands):
        if not getattr(operand, "requires_grad", False) or (node.op.name, k) in NOT_DIFFERENTIABLE:
            continue
        pattern, weights = jacobian(node.op, data, k)
        rows = [[(int(i), float(weights[j, i])) for i in np.flatnonzero(pattern[j])] for j in range(len(pattern))]
        found.append((k, operand, rows))
    return found


class Trail(NamedTuple):
    """One path of the elementary graph: the nodes, the flat element in each, the weight of each edge between them."""

    nodes: tuple[Any, ...]
    elements: tuple[int, ...]
    weights: tuple[float, ...]

    @property
    def product(self) -> float:
        return math.prod(self.weights)


def trails(end: Any, start: int = 0, at_most: int = 200_000) -> Iterator[Trail]:
    """Every trail from one element of ``end`` to every element of every Value that one leads to, by plain recursion.

    Those to one element come in the order of their edges: operands from left to right, elements in the order of memory.
    """
    graph: dict[Any, Any] = {}
    walked = 0

    def walk(trail: Trail) -> Iterator[Trail]:
        nonlocal walked
        walked += 1
        if walked > at_most:
            raise TooManyPaths
        yield trail
        node, element = trail.nodes[-1], trail.elements[-1]
        if node.op is None:
            return
        if node not in graph:
            graph[node] = elementary(node)
        for _, operand, rows in graph[node]:
            for i, weight in rows[element]:
                yield from walk(
                    Trail((*trail.nodes, operand), (*trail.elements, i), (*trail.weights, weight)),
                )

    yield from walk(Trail((end,), (start,), ()))


def every_path(end: Any, at_most: int = 200_000) -> dict[Any, dict[int, list[float]]]:
    """For every Value and each of its elements that a path from the one element of ``end`` leads to: the products of
    the weights along each path."""
    products: dict[Any, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for trail in trails(end, 0, at_most):
        products[trail.nodes[-1]][trail.elements[-1]].append(trail.product)
    return products


def spectrum(some: Iterable[Trail]) -> dict[int, tuple[int, float, float]]:
    """How many trails there are of each length, what they sum to, and what they sum to without their signs."""
    found: dict[int, tuple[int, float, float]] = {}
    for trail in some:
        count, total, magnitude = found.get(len(trail.weights), (0, 0.0, 0.0))
        found[len(trail.weights)] = count + 1, total + trail.product, magnitude + abs(trail.product)
    return found


def entropy(some: Iterable[Trail]) -> float:
    """How spread out the sizes of the products are, in nats."""
    return _entropy([abs(trail.product) for trail in some])


def cancellation(some: Iterable[Trail]) -> float:
    """1 - |Σ products| / Σ |products|; 0 of nothing."""
    products = [trail.product for trail in some]
    magnitude = sum(map(abs, products))
    return 1 - abs(sum(products)) / magnitude if magnitude else 0.0


def largest_first(some: Iterable[Trail]) -> list[Trail]:
    """By size, those of equal size as they came, those that carry nothing last."""
    return sorted(some, key=lambda trail: -abs(trail.product))


STATISTICS = {
    "GRADIENT": sum,
    "MAGNITUDE": lambda products: sum(map(abs, products)),
    "COUNT": len,
    "ACTIVE_COUNT": lambda products: sum(product != 0 for product in products),
    "LOG_COUNT": lambda products: math.log(len(products)) if products else -math.inf,
    "MAX": lambda products: max(map(abs, products), default=0.0),
    "MOST_POSITIVE": lambda products: max([0.0, *products]),
    "MOST_NEGATIVE": lambda products: min([0.0, *products]),
    "LOG_MAGNITUDE": lambda products: math.log(total) if (total := sum(map(abs, products))) else -math.inf,
    "ENTROPY": lambda products: _entropy([abs(product) for product in products]),
}


def _entropy(sizes: list[float]) -> float:
    total = sum(sizes)
    return -sum(size / total * math.log(size / total) for size in sizes if size) if total else 0.0


def statistic(name: str, end: Any, value: Any, paths: dict[Any, dict[int, list[float]]] | None = None) -> Any:
    """One statistic of the paths from ``end`` to each element of ``value``, as an array of its shape."""
    found = (every_path(end) if paths is None else paths)[value]
    size = int(np.prod(value.shape))
    return np.array([STATISTICS[name](found.get(i, [])) for i in range(size)]).reshape(value.shape)
