"""The one sweep: sums over all paths, back from an end or forward from a leaf, in any semiring.

Reverse: the cotangent of a Value is the sum, over the ops that read it, of their cotangents pulled back through the
op's chain. ``backward`` is that sweep for the gradient. Nothing recurses over the graph: chains of millions of ops are
fine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .errors import ArgumentError, GraphError, NonFiniteError, ShapeError
from .maps import Chain, Scale
from .recording import watching
from .semirings import Semiring
from .value import CONSUMED, Value, as_data, describe

__all__ = [
    "ancestors",
    "backward",
    "chains",
    "check_current",
    "check_recorded",
    "push",
    "replay",
    "reverse",
    "sweep",
    "topological",
]


def topological(end: Value, unfolding: bool = True) -> list[Value]:
    """The interior Values through which a gradient flows to ``end``, each after its operands.

    ``unfolding`` puts the graphs of checkpoints in their places; ``backward`` goes through them without.

    Raises ``GraphError`` where the graph was freed, or an array was replaced after it was recorded.
    """
    order: list[Value] = []
    seen: set[Value] = set()
    stack: list[Any] = [end]
    push = stack.append
    while stack:  # iterative: recursion fails near 1,000 nodes
        node = stack.pop()
        if node is None:  # all that the node below reads is in order
            order.append(stack.pop())
            continue
        if node._made_by is None or node in seen:
            continue
        seen.add(node)
        push(node)
        push(None)
        locals_ = node._da
        kind = type(locals_)
        if kind is float:
            push(node._a)
            if node._db is not None:
                push(node._b)
        elif kind is list:
            if unfolding and node._made_by.folded:
                node._made_by.unfold(node)
                del stack[-2:]
                seen.discard(node)
                push(node)
                continue
            for operand, saved in zip(node._a, locals_):  # noqa: B905  (an eighth of this loop's time)
                if type(operand) is Value:
                    if operand._data is not saved:
                        check_current(operand, saved)
                    if operand.requires_grad and operand._made_by is not None:
                        push(operand)
        elif kind is tuple:
            stack.extend([operand for operand, local in zip(node._a, locals_, strict=True) if local is not None])
        elif node._made_by is CONSUMED:
            _ = node.operands  # raises, and says why
        else:
            push(node._b)
    return order


def check_current(operand: Value, saved: Any) -> None:
    """Raise ``GraphError`` if an operand holds other data than was recorded."""
    if operand._data is None or (type(saved) is float and (operand._data == saved or saved != saved)):
        return  # freed, which is found when its turn comes; or an equal float
    raise GraphError(
        f"graph: the data of {describe(operand)} was replaced after it was recorded; run the forward pass again"
    )


def check_recorded(end: Value) -> None:
    """Raise ``GraphError`` where a leaf holds other data than the graph was recorded with, scalars included.

    A scalar op keeps its local derivatives and not what it read, so those that read a leaf are computed again.

    >>> w = Value(2.0, name="w")
    >>> y = w * 3.0
    >>> w.data = 5.0
    >>> check_recorded(y)
    Traceback (most recent call last):
        ...
    tinygrad_lite.errors.GraphError: graph: ... was computed from other data than its operands have now ('w' (5), ...
    """
    for node in ancestors(end):
        leaves = [operand for operand in node.parents if operand._made_by is None]
        if not leaves:
            continue
        if type(node._da) is list:
            for operand, saved in zip(node._a, node._da, strict=False):
                if type(operand) is Value and operand._data is not saved:
                    check_current(operand, saved)
        elif type(node._data) is float and all(not operand.shape for operand in node.parents):
            with np.errstate(all="ignore"):
                now = _recomputed(node, {operand: operand._data for operand in node.parents})
            if not np.isclose(now, node._data, rtol=1e-9, atol=1e-300, equal_nan=True):
                some = ", ".join(map(describe, leaves[:6])) + (", …" if len(leaves) > 6 else "")
                raise GraphError(
                    f"graph: {describe(node)} was computed from other data than its operands have now "
                    f"({some}); run the forward pass again"
                )


def ancestors(end: Value) -> list[Value]:
    """Every Value that ``end`` was computed from, constants too, and ``end``: each after its operands."""
    order: list[Value] = []
    seen: set[Value] = set()
    stack: list[Value | None] = [end]
    while stack:
        node = stack.pop()
        if node is None:
            order.append(stack.pop())  # type: ignore[arg-type]
        elif node not in seen:
            seen.add(node)
            if node._made_by is not None and node._made_by.folded:
                node._made_by.unfold(node)
            stack += [node, None]
            stack += reversed(node.parents)
    return order


def chains(node: Value) -> Iterator[tuple[int, Value, Chain]]:
    """The local derivatives of a node: position, operand and chain, for each operand through which a gradient flows."""
    op = node._made_by
    if op is None:
        return
    locals_, operands = node._da, node.operands
    if type(locals_) is list:
        for k, operand in enumerate(operands):
            if isinstance(operand, Value) and operand.requires_grad:
                chain = op.chain(k, locals_, node._data)
                if chain is not None:
                    yield k, operand, chain
    else:
        weights = locals_ if type(locals_) is tuple else (locals_, node._db)
        for k, (operand, weight) in enumerate(zip(operands, weights, strict=False)):
            if weight is not None:
                yield k, operand, (Scale(weight, 0),)


class Route:
    """Which paths a sweep goes: here all of them."""

    def opens(self, node: Value, operand: Value) -> bool:
        """Whether paths may go from ``node`` to this operand of it."""
        return True

    def gated(self, node: Value, a: Any, semiring: Semiring) -> Any:
        """A sum over paths by way of ``node``, without what may not pass there."""
        return a


EVERYWHERE = Route()


@np.errstate(all="ignore")  # what overflows becomes inf or nan, as in the data; a with statement takes twice the time
def backward(end: Value, grad: Any, keep: str | None) -> None:
    """What ``Value.backward`` does: the reverse sweep of the gradient, with the ops on floats in line."""
    if keep not in (None, "leaves"):
        raise ArgumentError(f"backward: keep is None or 'leaves', got {keep!r}")
    seed = _seed(end, grad)
    if not end.requires_grad:
        raise GraphError(
            f"backward: {describe(end)} depends on nothing that requires a gradient; "
            "make its parameters with Value(…), outside no_grad(), and without detach()"
        )
    order = topological(end, unfolding=False)
    detector = watching()
    cotangents: defaultdict[Value, Any] = defaultdict(float) if detector is None else detector.cotangents()
    if detector is not None:
        detector.check(order)
    cotangents[end] = seed
    taken = {id(seed)}  # arrays that a leaf must not have for its own
    while order:
        node = order.pop()
        g = cotangents.pop(node, None)
        if g is None:  # read only where its reader has no derivative
            continue
        locals_ = node._da
        kind = type(locals_)
        if kind is float:
            cotangents[node._a] += g * locals_
            local = node._db
            if local is not None:
                cotangents[node._b] += g * local
        elif kind is tuple:
            for operand, local in zip(node._a, locals_, strict=True):
                if local is not None:
                    cotangents[operand] += g * local
        elif kind is list:
            _pull_arrays(node, g, cotangents)
        else:
            cotangents[node._b] += g * node._db
        if keep is None:
            node._grad = g
            if kind is list:
                taken.add(id(g))
            continue
        node._made_by = CONSUMED
        node._a = node._b = node._da = node._db = None
        if node is not end:
            node._data = node._grad = None
    _add_to_leaves(cotangents, taken)


def _seed(end: Value, grad: Any) -> Any:
    if grad is None:
        if end.size != 1:
            raise ShapeError(
                f"backward: needs a scalar, got shape {end.shape} of {describe(end)}; pass grad= or call .sum() first"
            )
        return 1.0 if type(end._data) is float else np.ones(end.shape, end.dtype)
    grad = as_data(grad.data if isinstance(grad, Value) else grad, keep_integers=False, copy=False)
    if np.shape(grad) != end.shape:
        raise ShapeError(
            f"backward: grad has shape {np.shape(grad)}, {describe(end)} has {end.shape}; they must be equal"
        )
    return grad if type(grad) is float else grad.astype(end.dtype)  # a copy: it becomes the end's gradient


def _pull_arrays(node: Value, g: Any, cotangents: dict[Value, Any]) -> None:
    op, saved, out = node._made_by, node._da, node._data
    assert op is not None
    for k, operand in enumerate(node._a):
        if type(operand) is Value and operand.requires_grad:
            pulled = op.pull(k, g, saved, out)
            if pulled is None:
                continue
            data = saved[k]
            if type(data) is float:
                cotangents[operand] += float(pulled)
                continue
            if pulled.dtype is not data.dtype:
                pulled = pulled.astype(data.dtype, copy=False)
            before = cotangents.get(operand)
            cotangents[operand] = pulled if before is None else before + pulled


def _add_to_leaves(cotangents: Mapping[Value, Any], taken: set[int]) -> None:
    """Leaves add this pass's gradient to theirs. An array that something else holds is copied first."""
    for leaf, g in cotangents.items():
        if leaf._grad is not None:
            leaf._grad = leaf._grad + g
        elif type(g) is float:
            leaf._grad = g
        else:
            own = g.base is None and id(g) not in taken
            taken.add(id(g))
            leaf._grad = g if own else g.copy()


def reverse(end: Value, semiring: Semiring, seed: Any = None, route: Route = EVERYWHERE) -> dict[Value, Any]:
    """The cotangent, in a semiring, of every Value through which ``end`` depends on its leaves.

    ``seed`` is the cotangent of ``end``: by default the empty path at its one element. ``route`` leaves out paths.
    """
    cotangents: dict[Value, Any] = {end: semiring.one(end.shape) if seed is None else seed}
    with np.errstate(all="ignore"):
        for node in reversed(topological(end)):
            if node not in cotangents:
                continue
            g = cotangents[node] = route.gated(node, cotangents[node], semiring)
            for _, operand, chain in chains(node):
                if route.opens(node, operand):
                    _accumulate(cotangents, operand, semiring.pull(chain, g, node), semiring)
    return cotangents


def push(start: Value, end: Value, semiring: Semiring, seed: Any, route: Route = EVERYWHERE) -> dict[Value, Any]:
    """The tangent, in a semiring, of every Value between ``start`` and ``end``: sums over the paths to ``start``."""
    tangents: dict[Value, Any] = {start: seed}
    with np.errstate(all="ignore"):
        for node in topological(end):
            if node is start:
                continue
            for _, operand, chain in chains(node):
                if operand in tangents and route.opens(node, operand):
                    _accumulate(tangents, node, semiring.push(chain, tangents[operand], node), semiring)
            if node in tangents:
                tangents[node] = route.gated(node, tangents[node], semiring)
    return tangents


def check_local_derivatives(end: Value, reached: Container[Value], who: str, route: Route = EVERYWHERE) -> None:
    """Raise ``NonFiniteError`` for the first local derivative between Values in ``reached`` that is infinite or NaN."""
    with np.errstate(all="ignore"):
        for node in topological(end):
            if node not in reached:
                continue
            for k, operand, chain in chains(node):
                if operand not in reached or not route.opens(node, operand):
                    continue
                for linear_map in chain:
                    weight = getattr(linear_map, "weight", getattr(linear_map, "operand", 1.0))
                    if not np.isfinite(weight).all():
                        _refuse(node, k, operand, np.asarray(weight), who)


def _refuse(node: Value, k: int, operand: Value, weight: Any, who: str) -> None:
    index = tuple(map(int, np.argwhere(~np.isfinite(weight))[0]))
    element = f" at element {list(index)}" if index else ""
    point = ""
    if np.shape(operand.data) == weight.shape:
        point = f", where the operand is {float(np.asarray(operand.data)[index]):.6g}"
    assert node.op is not None
    raise NonFiniteError(
        f"{who}: a local derivative of {node.op.name!r}, which made {describe(node)}, with respect to operand {k}, "
        f"{describe(operand)}, is {float(weight[index])}{element}{point}; keep the operand inside the op's domain"
    )


def _accumulate(totals: dict[Value, Any], node: Value, term: Any, semiring: Semiring) -> None:
    if not node.shape:
        term = semiring.scalar(term)
    totals[node] = semiring.add(totals[node], term) if node in totals else term


def sweep(end: Value, semiring: Semiring, wrt: Any) -> Any:
    """One statistic of the paths from ``end`` to every element of ``wrt``, by one reverse sweep.

    ``end`` has one element. ``wrt`` is a Value, a sequence of Values, a mapping by name, or a module; the result has
    the same form: an array of the Value's shape (a number for a scalar), a list, a dict, a dict by parameter name.

    Raises ``ShapeError`` unless ``end`` has one element, ``NonFiniteError`` for an infinite local derivative or NaN.

    >>> from tinygrad_lite import semirings
    >>> a = Value(3.0)
    >>> b = a * a
    >>> sweep(b + b, semirings.COUNT, wrt=a), sweep(b + b, semirings.GRADIENT, wrt=a)
    (4, 12.0)
    """
    if not isinstance(semiring, Semiring):
        raise ArgumentError(
            f"sweep: needs a semiring, got {semiring!r}; pass for example tinygrad_lite.semirings.COUNT"
        )
    if end.size != 1:
        raise ShapeError(
            f"sweep: the end has one element, got shape {end.shape} of {describe(end)}; index or sum it first"
        )
    cotangents = reverse(end, semiring)
    if semiring.reads_weights:
        check_local_derivatives(end, cotangents, "sweep")

    def statistic(value: Value) -> Any:
        if not isinstance(value, Value):
            raise ArgumentError(f"sweep: wrt holds Values, got {type(value).__name__}; pass Values or a module")
        if value not in cotangents:
            return semiring.result(semiring.zero(value.shape))
        return _own(semiring.result(cotangents[value]))

    if isinstance(wrt, Value):
        return statistic(wrt)
    if hasattr(wrt, "named_parameters"):
        wrt = dict(wrt.named_parameters())
    if isinstance(wrt, Mapping):
        return {name: statistic(value) for name, value in wrt.items()}
    return [statistic(value) for value in wrt]


def _own(found: Any) -> Any:
    """A result that nothing else holds."""
    if isinstance(found, dict):
        return {key: tuple(map(_own, of_group)) for key, of_group in found.items()}
    return np.array(found) if isinstance(found, np.ndarray) else found


def replay(end: Value | Sequence[Value], leaves: Mapping[Value, Any] | None = None) -> Any:
    """The recorded graph evaluated again, with other data at some leaves.

    ``leaves`` maps leaves (or interior Values, which then are not computed) to data. The result is data: a float or an
    array; for a sequence of ends a list. Leaves that are not named keep the data they have now. Nothing recorded
    changes.

    Raises ``ShapeError`` for data of another shape than the leaf's, ``GraphError`` for a graph that was freed.

    >>> a = Value(3.0)
    >>> b = a * a
    >>> replay(b, {a: 5.0}), b.data
    (25.0, 9.0)
    """
    ends: Iterable[Value] = [end] if isinstance(end, Value) else list(end)
    results: dict[Value, Any] = {}
    for leaf, given in (leaves or {}).items():
        if not isinstance(leaf, Value):
            raise ArgumentError(f"replay: leaves are given as {{Value: data}}, got a key of type {type(leaf).__name__}")
        data = as_data(given, keep_integers=True, copy=False)
        if np.shape(data) != leaf.shape:
            raise ShapeError(f"replay: {describe(leaf)} takes data of its shape, got {np.shape(data)}; reshape it")
        results[leaf] = data
    for one in ends:
        for node in _upstream(one, results):
            results[node] = _recomputed(node, results)
    found = [results[one] for one in ends]
    return found[0] if isinstance(end, Value) else found


def _upstream(end: Value, known: Mapping[Value, Any]) -> list[Value]:
    """What must be computed for ``end``, in order, where the Values in ``known`` need not be."""
    order: list[Value] = []
    seen: set[Value] = set(known)
    stack: list[Any] = [end]
    while stack:
        node = stack.pop()
        if node is None:
            order.append(stack.pop())
        elif node not in seen:
            seen.add(node)
            stack += [node, None]
            stack += [operand for operand in node.operands if isinstance(operand, Value)]
    return order


def _recomputed(node: Value, results: Mapping[Value, Any]) -> Any:
    op = node._made_by
    if op is None:
        return node.data
    data = [results[x] if isinstance(x, Value) else as_data(x, keep_integers=True, copy=False) for x in node.operands]
    out = op.forward(*data)
    return float(out) if type(out) is not float and np.ndim(out) == 0 else out
