"""The one sweep: sums over all paths, back from an end or forward from a leaf, in any semiring.

Reverse: the cotangent of a Value is the sum, over the ops that read it, of their cotangents pulled back through the
op's chain. ``backward`` is that sweep for the gradient. Nothing recurses over the graph: chains of millions of ops are
fine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, GraphError, NonFiniteError, ShapeError
from ..semirings.base import Linear, Semiring
from .graph import _chain, ancestors, between, chains, topological
from .recording import watching
from .value import CONSUMED, Value, as_data, describe

__all__ = ["backward", "backward_gradients", "carry_back", "carry_forward", "push", "reverse", "sweep"]


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
def backward(self: Value, grad: Any = None, keep: str | None = None) -> None:
    """Sum the gradients over all paths into every Value that this one depends on.

    ``grad`` is the cotangent, of this Value's shape; it may be left out where there is one element. Leaves add up
    over passes; interior Values get the gradient of this pass. ``keep="leaves"`` frees the graph as it goes:
    afterwards neither ``backward`` nor path queries are possible.

    Raises ``ShapeError`` without a cotangent for more than one element, ``GraphError`` for a graph that was freed
    or is out of date.

    Source: Linnainmaa, 1970; as a sum over paths, Bauer, *Computational graphs and rounding error*, 1974.

    >>> x = Value([1.0, 2.0])
    >>> (x * x).sum().backward()
    >>> x.grad
    array([2., 4.])
    """
    end = self
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


# ---- the ordinary sum and product, of numbers and of Values


class Numbers(Linear):
    """Numbers and arrays, perhaps several at a time."""

    recorded = False

    def __init__(self) -> None:
        super().__init__("numbers", lambda weight: weight)

    def scalar(self, a: Any) -> Any:
        return a

    def cast(self, x: Any, like: Value) -> Any:
        """``x`` in the precision of a Value whose axes it has."""
        return x if not like.shape or getattr(x, "dtype", like.dtype) == like.dtype else np.asarray(x, like.dtype)


NUMBERS = Numbers()


def _added(totals: dict[Value, Any], node: Value, term: Any, semiring: Numbers, plain: bool) -> None:
    """``term`` added to what arrived at ``node``; ``plain`` is one number at a time."""
    if not plain or type(node._data) is not float:
        term = semiring.cast(term, node)
    elif type(term) is not float:
        term = float(term)
    totals[node] = totals[node] + term if node in totals else term


def carry_back(
    ends: Sequence[Value], cotangents: Sequence[Any], starts: Sequence[Value], semiring: Numbers, several: bool = False
) -> list[Any]:
    """The cotangent of each of ``starts``; ``None`` for one on which no end depends.

    ``cotangents`` has one of each end's shape, with one axis in front if ``several``;
    they are Values in the semiring of Values.
    """
    recorded = semiring.recorded
    plain = not (recorded or several)
    graph = between(ends, starts)
    detector = watching()
    totals: dict[Value, Any] = {} if detector is None else detector.cotangents()
    if detector is not None:
        detector.check(node for node, _ in graph)
    with np.errstate(all="ignore"):
        for end, g in zip(ends, cotangents, strict=True):
            _added(totals, end, g, semiring, plain)
        for node, edges in reversed(graph):
            g = totals.pop(node, None)
            if g is None:  # read only where its reader has no derivative
                continue
            op, saved = node._made_by, node._da
            assert op is not None
            for k, operand in edges:
                if plain and type(saved) is list:
                    pulled = op.pull(k, g, saved, node._data)
                elif plain:
                    pulled = g * (saved[k] if type(saved) is tuple else node._db if k else saved)
                else:
                    chain = _chain(node, k, recorded)
                    pulled = None if chain is None else semiring.pull(chain, g, node)
                if pulled is not None:
                    _added(totals, operand, pulled, semiring, plain)
    return [totals.get(start) for start in starts]


def carry_forward(
    ends: Sequence[Value], starts: Sequence[Value], tangents: Sequence[Any], semiring: Numbers, several: bool = False
) -> list[Any]:
    """The tangent of each of ``ends``; ``None`` for one that depends on no start. As ``carry_back``, the other way."""
    recorded = semiring.recorded
    plain = not (recorded or several)
    totals: dict[Value, Any] = {}
    with np.errstate(all="ignore"):
        for start, t in zip(starts, tangents, strict=True):
            _added(totals, start, t, semiring, plain)
        for node, edges in between(ends, starts):
            for k, operand in edges:
                if operand in totals:
                    chain = _chain(node, k, recorded)
                    if chain is not None:
                        _added(totals, node, semiring.push(chain, totals[operand], node), semiring, plain)
    return [totals.get(end) for end in ends]


def backward_gradients(end: Value, grad: Any = None) -> dict[Value, Any]:
    """The gradient that ``end.backward(grad)`` gives every Value it reaches, of leaves that had none before.

    The very code runs that trains: ``Op.pull`` of arrays and the saved derivatives of scalars, which the other sweeps
    do not use. Data are shared with the copy, nothing of the graph changes.

    >>> a = Value(3.0)
    >>> backward_gradients(a * a)[a], a.has_grad
    (6.0, False)
    """
    if not end.requires_grad:
        return {}
    copies: dict[Value, Value] = {}
    for value in ancestors(end):  # each after its operands
        copy = copies[value] = object.__new__(Value)
        copy._data, copy._grad, copy._made_by = value._data, None, value._made_by
        copy._a, copy._b = _copied(value._a, copies), _copied(value._b, copies)
        copy._da, copy._db = value._da, value._db
        copy.name, copy.requires_grad = value.name, value.requires_grad
    copies[end].backward(grad)
    return {value: copy._grad for value, copy in copies.items() if copy._grad is not None}


def _copied(operand: Any, copies: dict[Value, Value]) -> Any:
    """An operand, or a tuple of them, with the copies in place of Values; raw numbers stay."""
    if type(operand) is tuple:
        return tuple(_copied(one, copies) for one in operand)
    return copies.get(operand, operand) if type(operand) is Value else operand
