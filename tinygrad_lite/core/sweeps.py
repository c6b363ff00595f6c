"""The sweeps: sums over all paths, back from an end or forward from a leaf, in any semiring.

Reverse: the cotangent of a Value is the sum, over the ops that read it, of their cotangents pulled back through the
op's chain. Forward: the tangent of a Value is the sum of its operands' tangents pushed through. One loop does each, for
every semiring, on numbers and on Values. ``backward`` runs for every training step and has a loop of its own,
``gradients``, with the nodes decoded in line. Nothing recurses over the graph: chains of millions of ops are fine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, GraphError, ShapeError
from ..semirings.base import Chain, Linear, Semiring
from .finiteness import check_local_derivatives
from .graph import between, chain_of, chains, local_pull, topological
from .recording import watching
from .scattered import Scattered, dense
from .value import CONSUMED, Value, as_data, describe

__all__ = ["backward", "carry_back", "carry_forward", "forward", "gradients", "pull_all", "reverse", "sweep"]


# ---- the gradient, as training needs it


@np.errstate(all="ignore")  # overflow becomes inf or nan, as in the data; a with statement takes twice the time
def backward(self: Value, grad: Any = None, keep: str | None = None) -> None:
    """Sum the gradients over all paths into every Value that this one depends on.

    ``grad`` is the cotangent, of this Value's shape, or one number for every element; it may be left out where there
    is one element. Leaves add up over passes; interior Values get the gradient of this pass. ``keep="leaves"`` frees
    the graph as it goes: afterwards neither ``backward`` nor path queries are possible.

    Raises ``ShapeError`` without a cotangent for more than one element, ``GraphError`` for a graph that was freed
    or is out of date.

    Source: Linnainmaa, 1970; as a sum over paths, Bauer, *Computational graphs and rounding error*, 1974.

    >>> x = Value([1.0, 2.0])
    >>> (x * x).sum().backward()
    >>> x.grad
    array([2., 4.])
    """
    if keep not in (None, "leaves"):
        raise ArgumentError(f"backward: keep is None or 'leaves', got {keep!r}")
    seed = _seed(self, grad)
    if not self.requires_grad:
        raise GraphError(
            f"backward: {describe(self)} depends on nothing that requires a gradient; "
            "make its parameters with Value(…), outside no_grad(), and without detach()"
        )
    _deposit(_gradients(self, seed, keep == "leaves"), seed)


@np.errstate(all="ignore")
def gradients(end: Value, grad: Any = None) -> dict[Value, Any]:
    """The gradients that ``end.backward(grad)`` adds to the Values that it reaches, starting from none.

    Nothing is written into a Value. It runs the code that trains: ``Op.pull`` of arrays and the saved derivatives of
    scalars, which the other sweeps do not use. Arrays may be shared between Values.

    >>> a = Value(3.0)
    >>> gradients(a * a)[a], a.has_grad
    (6.0, False)
    """
    found = _gradients(end, _seed(end, grad), False) if end.requires_grad else {}
    return {value: dense(g) for value, g in found.items()}


def _gradients(end: Value, seed: Any, free: bool) -> dict[Value, Any]:
    """The loop of ``gradients``. ``free`` frees each node once it is done, and leaves only leaves."""
    order = topological(end, folded=True)
    detector = watching()
    cotangents: defaultdict[Value, Any] = defaultdict(float) if detector is None else detector.cotangents()
    if detector is not None:
        detector.check(order)
    cotangents[end] = seed
    while order:
        node = order.pop()
        g = cotangents.pop(node, None) if free else cotangents.get(node)
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
            if type(g) is Scattered:
                g = g.dense()
                if not free:
                    cotangents[node] = g
            _pull_arrays(node, g, cotangents)
        else:
            cotangents[node._b] += g * node._db
        if free:
            node._made_by = CONSUMED
            node._a = node._b = node._da = node._db = None
            if node is not end:
                node._data = node._grad = None
    return cotangents


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
            cotangents[operand] = cotangents[operand] + pulled if operand in cotangents else pulled


def _seed(end: Value, grad: Any) -> Any:
    if grad is None:
        if end.size != 1:
            raise ShapeError(
                f"backward: needs a scalar, got shape {end.shape} of {describe(end)}; pass grad= or call .sum() first"
            )
        return 1.0 if type(end._data) is float else np.ones(end.shape, end.dtype)
    grad = as_data(grad.data if isinstance(grad, Value) else grad, keep_integers=False, copy=False)
    if type(grad) is float and end.shape:
        return np.full(end.shape, grad, end.dtype)
    if np.shape(grad) != end.shape:
        raise ShapeError(
            f"backward: grad has shape {np.shape(grad)}, {describe(end)} has {end.shape}; they must be equal"
        )
    return grad if type(grad) is float else grad.astype(end.dtype)  # a copy: it becomes the end's gradient


def _deposit(found: Mapping[Value, Any], seed: Any) -> None:
    """Interior Values take this pass's gradient, leaves add it to theirs. No leaf shares its array with anybody."""
    leaves = []
    for value, g in found.items():
        if value._made_by is None:
            leaves.append((value, g))
        else:
            value._grad = g
    taken: set[int] = set()
    for leaf, g in leaves:
        before = leaf._grad
        if type(g) is float:
            leaf._grad = g if before is None else before + g
        elif type(g) is Scattered:
            leaf._grad = g.settled() if before is None else before + g.settled()
        elif before is not None:
            leaf._grad = before + g
        else:
            taken = taken or {id(seed), *(id(g) for value, g in found.items() if value._made_by is not None)}
            own = g.base is None and id(g) not in taken
            taken.add(id(g))
            leaf._grad = g if own else g.copy()


# ---- any semiring


class Gates:
    """Which edges a sweep takes, and which elements let paths pass: here all of them."""

    def opens(self, node: Value, operand: Value) -> bool:
        """Whether paths may go from ``node`` to this operand of it."""
        return True

    def gated(self, node: Value, a: Any, semiring: Semiring) -> Any:
        """A sum over paths by way of ``node``, without what may not pass there."""
        return a


ALL_OPEN = Gates()

Edges = Callable[[Value], Iterable[tuple[int, Value, Chain]]]
"""For each node its operands through which a gradient flows: position, operand and chain."""


def reverse(end: Value, semiring: Semiring, seed: Any = None, gates: Gates = ALL_OPEN) -> dict[Value, Any]:
    """The cotangent, in a semiring, of every Value through which ``end`` depends on its leaves.

    ``seed`` is the cotangent of ``end``: by default the empty path at its one element. ``gates`` leave out paths.
    """
    totals: dict[Value, Any] = {end: semiring.one(end.shape) if seed is None else seed}
    pull_all(topological(end), chains, totals, semiring, gates)
    return totals


def forward(start: Value, end: Value, semiring: Semiring, seed: Any, gates: Gates = ALL_OPEN) -> dict[Value, Any]:
    """The tangent, in a semiring, of every Value between ``start`` and ``end``: sums over the paths to ``start``."""
    totals: dict[Value, Any] = {start: seed}
    _push_all((node for node in topological(end) if node is not start), chains, totals, semiring, gates)
    return totals


@np.errstate(all="ignore")
def pull_all(
    order: Sequence[Value],
    edges: Edges,
    totals: dict[Value, Any],
    semiring: Semiring,
    gates: Gates = ALL_OPEN,
    keep: bool = True,
) -> None:
    """The reverse sweep: pull the totals at the ends back through ``order``, from its last Value to its first.

    Without ``keep`` a Value's total is dropped once it is pulled back.
    """
    for node in reversed(order):
        g = dense(totals.get(node) if keep else totals.pop(node, None))
        if g is None:  # read only where its reader has no derivative
            continue
        if keep:
            g = totals[node] = gates.gated(node, g, semiring)
        for _, operand, chain in edges(node):
            if gates is ALL_OPEN or gates.opens(node, operand):
                pulled = semiring.pull(chain, g, node)
                if pulled is not None:
                    _add(totals, operand, pulled, semiring)


@np.errstate(all="ignore")
def _push_all(
    order: Iterable[Value], edges: Edges, totals: dict[Value, Any], semiring: Semiring, gates: Gates = ALL_OPEN
) -> None:
    """The forward sweep: push the totals at the starts forward through ``order``."""
    for node in order:
        for _, operand, chain in edges(node):
            if operand in totals and gates.opens(node, operand):
                _add(totals, node, semiring.push(chain, totals[operand], node), semiring)
        if node in totals:
            totals[node] = gates.gated(node, totals[node], semiring)


def _add(totals: dict[Value, Any], node: Value, term: Any, semiring: Semiring) -> None:
    term = semiring.fitted(term, node)
    totals[node] = semiring.add(totals[node], term) if node in totals else term


def sweep(end: Value, semiring: Semiring, wrt: Any) -> Any:
    """One statistic of the paths from ``end`` to every element of ``wrt``, by one reverse sweep.

    ``end`` has one element. ``wrt`` is a Value, a sequence of Values, a mapping by name, or a module; the result has
    the same form: an array of the Value's shape (a number for a scalar), a list, a dict, a dict by parameter name.
    Sums of contributions (``GRADIENT``, ``MAGNITUDE``) have the Value's dtype, too; the largest ones are float64.

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
        check_local_derivatives(end, cotangents, "sweep", ALL_OPEN.opens)

    def statistic(value: Value) -> Any:
        if not isinstance(value, Value):
            raise ArgumentError(f"sweep: wrt holds Values, got {type(value).__name__}; pass Values or a module")
        if value not in cotangents:
            return semiring.stored(semiring.result(semiring.zero(value.shape)), value.dtype)
        return _own(semiring.stored(semiring.result(cotangents[value]), value.dtype))

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


# ---- between given Values, on numbers or on Values


class Numbers(Linear):
    """The ordinary sum and product, of cotangents and tangents in the precision of the Values that they belong to."""

    def __init__(self) -> None:
        super().__init__("numbers", lambda weight: weight)

    chain: Callable[[Value, int], Chain | None] = staticmethod(chain_of)
    """The local derivative of a node with respect to operand ``k``."""

    def fitted(self, a: Any, node: Value) -> Any:
        data = node._data
        if type(data) is float:
            return a if type(a) is float else float(a)
        return a if getattr(a, "dtype", data.dtype) is data.dtype else np.asarray(a, data.dtype)


class Several(Numbers):
    """Numbers with one more axis in front: the sweep carries as many at a time as that axis is long."""

    def fitted(self, a: Any, node: Value) -> Any:
        return a if type(node._data) is float else super().fitted(a, node)


NUMBERS, SEVERAL = Numbers(), Several()


class _Pull:
    """The local derivative with respect to operand ``k`` as ``backward`` applies it: faster than the chain's maps."""

    __slots__ = ("k", "node")

    def __init__(self, node: Value, k: int) -> None:
        self.node, self.k = node, k

    def pull(self, g: Any, semiring: Semiring) -> Any:
        return local_pull(self.node, self.k, g)

    def push(self, t: Any, semiring: Semiring) -> Any:
        raise NotImplementedError


def carry_back(
    ends: Sequence[Value], cotangents: Sequence[Any], starts: Sequence[Value], semiring: Numbers
) -> list[Any]:
    """The cotangent of each of ``starts``; ``None`` for one on which no end depends.

    ``cotangents`` has one of each end's shape: a number or an array, a Value in the semiring of Values, an array with
    one more axis in front in ``SEVERAL``. A folded op is taken as one op.
    """
    graph = dict(between(ends, starts))

    def edges(node: Value) -> Iterable[tuple[int, Value, Chain]]:
        if semiring is NUMBERS:
            return [(k, operand, (_Pull(node, k),)) for k, operand in graph[node]]
        all_chains = ((k, operand, semiring.chain(node, k)) for k, operand in graph[node])
        return ((k, operand, chain) for k, operand, chain in all_chains if chain is not None)

    detector = watching()
    totals: dict[Value, Any] = {} if detector is None else detector.cotangents()
    if detector is not None:
        detector.check(graph)
    for end, g in zip(ends, cotangents, strict=True):
        _add(totals, end, g, semiring)
    pull_all(list(graph), edges, totals, semiring, keep=False)
    return [dense(totals.get(start)) for start in starts]


def carry_forward(
    ends: Sequence[Value], starts: Sequence[Value], tangents: Sequence[Any], semiring: Numbers
) -> list[Any]:
    """The tangent of each of ``ends``; ``None`` for one that depends on no start. As ``carry_back``, forward."""
    graph = dict(between(ends, starts))

    def edges(node: Value) -> Iterable[tuple[int, Value, Chain]]:
        for k, operand in graph[node]:
            if operand in totals and (chain := semiring.chain(node, k)) is not None:
                yield k, operand, chain

    totals: dict[Value, Any] = {}
    for start, t in zip(starts, tangents, strict=True):
        _add(totals, start, t, semiring)
    _push_all(graph, edges, totals, semiring)
    return [totals.get(end) for end in ends]
