"""A gradient taken apart into the paths that it is the sum of.

A path runs from the end, against the arrows of the computation, to a value; its contribution is the product of the
local derivatives along it, and the gradient is the sum of the contributions of all paths. Nothing is materialised:
numbers over all paths come from sweeps, and listing asks for the elementary edges of one element at a time.

Sources: F. L. Bauer, *Computational graphs and rounding error*, SIAM J. Numer. Anal. 11 (1974), and W. Baur and
V. Strassen, *The complexity of partial derivatives*, 1983, for the sum over paths; M. Mohri, *Semiring frameworks and
algorithms for shortest-distance problems*, 2002, for one sweep that answers many questions.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..core.display import Cell, clipped, table
from ..core.graph import ancestors, chains, topological
from ..core.maps import Chain, edges
from ..core.shapes import Index
from ..core.sweeps import EVERYWHERE, Route, check_local_derivatives, push, reverse
from ..core.value import Value, describe
from ..errors import ArgumentError, GraphError, ValueTypeError
from ..graph.batches import samples_of
from ..graph.lookup import element_of, find, place
from ..graph.scopes import modules_of
from ..semirings import ACTIVE_COUNT, COUNT, ENTROPY, GRADIENT, LOG_MAGNITUDE, MAGNITUDE, MOST_POSITIVE, SPECTRUM
from ..semirings.base import Semiring
from ..semirings.grouped import Grouped
from .gates import Restricted
from .k_best import Step, ranked
from .path import SHOWN, Path, element_name, many
from .sampling import drawn

__all__ = ["AT_MOST", "Flow", "GradientPaths", "gradient_paths"]


AT_MOST = 1_000_000
"""How many paths are ever put into one list."""

_SHOWN = 10


class Flow(NamedTuple):
    """What of a gradient passes one edge: from ``reader`` to its operand number ``position``, element by element."""

    reader: Value
    position: int
    operand: Value
    contribution: Any


class GradientPaths:
    """The paths from one element of ``end`` to one element of ``wrt``. Made by ``gradient_paths``.

    Iterating gives every path, the largest contribution first; ``print`` shows the numbers and the largest ones.
    """

    def __init__(self, end: Value, wrt: Value, at: Index, end_at: Index, route: Route = EVERYWHERE) -> None:
        self.end = end
        self.wrt = wrt
        self.at = at
        self.end_at = end_at
        self._route = route
        self._chains: dict[Value, list[tuple[Value, Chain]]] = {}

    # ---- numbers over all paths, from sweeps

    def tangents(self, semiring: Semiring) -> dict[Value, Any]:
        """For every element of every Value between: the sum over its paths to ``wrt[at]``, in a semiring."""
        if semiring.reads_weights:
            _ = self._finite
        seed = semiring.only(semiring.one(()), self.at, self.wrt.shape)
        seed = self._route.gated(self.wrt, seed, semiring)
        return push(self.wrt, self.end, semiring, seed, self._route)

    def cotangents(self, semiring: Semiring) -> dict[Value, Any]:
        """For every element of every Value: the sum over the paths from ``end[end_at]`` to it, in a semiring."""
        seed = semiring.only(semiring.one(()), self.end_at, self.end.shape)
        return reverse(self.end, semiring, seed, self._route)

    def _over_all(self, semiring: Semiring, swept: dict[Value, Any] | None = None) -> Any:
        """The element of the semiring that all paths together sum to."""
        tangents = self.tangents(semiring) if swept is None else swept
        return semiring.at(tangents[self.end], self.end_at) if self.end in tangents else semiring.zero(())

    @cached_property
    def _finite(self) -> bool:
        check_local_derivatives(self.end, self._counts, "gradient_paths", self._route)
        return True

    @cached_property
    def _counts(self) -> dict[Value, Any]:
        return self.tangents(COUNT)

    @cached_property
    def count(self) -> int:
        """How many paths there are: an exact integer of any size. Cost: one sweep.

        Every local derivative counts, those that are zero too: it is a number of the graph, not of the point.
        """
        return int(self._over_all(COUNT, self._counts))

    @cached_property
    def active_count(self) -> int:
        """How many paths have no local derivative that is zero: an exact integer. Cost: one sweep."""
        return int(self._over_all(ACTIVE_COUNT, self._active_counts))

    @cached_property
    def _active_counts(self) -> dict[Value, Any]:
        return self.tangents(ACTIVE_COUNT)

    @property
    def total(self) -> float:
        """The gradient: the sum of all contributions, in the end's units per unit of the value. Cost: one sweep."""
        return float(GRADIENT.result(self._total))

    @property
    def magnitude(self) -> float:
        """The sum of the absolute contributions, in the gradient's units. Cost: one sweep."""
        return float(MAGNITUDE.result(self._magnitude))

    @cached_property
    def _total(self) -> Any:
        return self._over_all(GRADIENT, self._tangents)

    @cached_property
    def _magnitude(self) -> Any:
        return self._over_all(MAGNITUDE, self._magnitudes)

    @cached_property
    def _magnitudes(self) -> dict[Value, Any]:
        return self.tangents(MAGNITUDE)

    @property
    def cancellation(self) -> float:
        """1 - |total| / magnitude: 0 where all paths agree, 1 where they cancel; 0 where nothing flows.

        Cost: two sweeps. It is exact where both would underflow, too.
        """
        if self._magnitude == 0.0:
            return 0.0
        return min(max(1.0 - abs(GRADIENT.quotient(self._total, self._magnitude)), 0.0), 1.0)

    @cached_property
    def entropy(self) -> float:
        """How spread out the contributions are: the entropy of |contribution| / magnitude, in nats. Cost: one sweep.

        0 where one path carries all, ln n for n equal ones; 0 where nothing flows. Source: the expectation semiring of
        J. Eisner, *Parameter estimation for probabilistic finite-state transducers*, 2002.
        """
        return float(ENTROPY.result(self._over_all(ENTROPY)))

    @cached_property
    def spectrum(self) -> dict[int, tuple[int, float, float]]:
        """By length, in ops: {length: (count, total, magnitude)} of the paths of that length, the shortest first.

        The counts add up to ``count``, the totals to ``total``, the magnitudes to ``magnitude``. Cost: three sweeps,
        for each length that occurs.

        >>> x = Value(3.0)
        >>> gradient_paths(x.square() * 2.0 + x, x).spectrum
        {1: (1, 1.0, 1.0), 3: (1, 12.0, 12.0)}
        """
        found: dict[int, tuple[int, float, float]] = SPECTRUM.result(self._over_all(SPECTRUM))
        return {length: group for length, group in found.items() if group[0]}

    # ---- where they pass

    def through(self, node: Value | str) -> Any:
        """What of the gradient goes by way of each element of ``node``: an array of its shape, a float for a scalar.

        Over the nodes of any cut it adds up to ``total``. Cost: one forward and one reverse sweep, for all nodes.

        >>> x = Value(3.0)
        >>> a, b = x * 2.0, x * 5.0
        >>> gp = gradient_paths(a + b, x)
        >>> gp.through(a), gp.through(b), gp.total
        (2.0, 5.0, 7.0)
        """
        value, index = place(self.end, node, "through")
        if value not in self._tangents or value not in self._cotangents:
            passes: Any = np.zeros(value.shape) if value.shape else 0.0
        else:
            passes = GRADIENT.product(self._cotangents[value], self._tangents[value])
        return float(passes[index]) if index else passes

    def flow(self) -> list[Flow]:
        """What of the gradient passes each edge between values, an array of the operand's shape for each.

        Over the edges of any cut it adds up to ``total``. Cost: one forward and one reverse sweep, for all edges.
        """
        found = []
        for node, k, operand, chain in self._open_edges():
            if node not in self._cotangents:
                continue
            with np.errstate(all="ignore"):
                pulled = GRADIENT.pull(chain, self._cotangents[node], node)
                passes = GRADIENT.product(pulled, self._tangents[operand])
            found.append(Flow(node, k, operand, passes if operand.shape else float(passes)))
        return found

    def _open_edges(self) -> Iterator[tuple[Value, int, Value, Chain]]:
        """The edges between Values that paths take, operands before readers."""
        for node in topological(self.end):
            if node is self.wrt or node not in self._tangents:
                continue
            with np.errstate(all="ignore"):  # as in a sweep
                local = list(chains(node))
            for k, operand, chain in local:
                if operand in self._tangents and self._route.opens(node, operand):
                    yield node, k, operand, chain

    @cached_property
    def _tangents(self) -> dict[Value, Any]:
        return self.tangents(GRADIENT)

    @cached_property
    def _cotangents(self) -> dict[Value, Any]:
        return self.cotangents(GRADIENT)

    # ---- groups

    def by(
        self, what: str, *, depth: int | None = None, data: Iterable[Value] | None = None
    ) -> dict[tuple[str, ...], float] | dict[int | None, float]:
        """Contributions of groups of paths, which add up to ``total``, from sweeps.

        ``by("module")``: for each sequence of modules that paths go through, from the end to the value, what they
        contribute: in a residual network a branch is in the sequence where paths take it. Modules go by their path in
        the outermost one (``blocks.2``); ``depth`` is how many levels of modules inside modules are told apart, all
        of them by default. Cost: two sweeps, for each sequence that occurs.

        ``by("sample")``: for each sample of the batch what the paths by way of it contribute; ``None`` stands for those
        that depend on no sample alone. ``data`` are the Values whose first axis is the samples, by default the
        constant arrays, if their first axes are of one length. Cost: a few sweeps.

        Raises ``ArgumentError`` for another word, for more than 100,000 sequences of modules, and where the graph does
        not tell what the samples are.

        >>> from tinygrad_lite import nn
        >>> net = nn.MLP([2, 3, 1], rng=0)
        >>> gp = gradient_paths(nn.losses.half_squared_error(net([[0.0, 1.0], [1.0, 1.0]]), [[1.0], [0.0]]), "w1[1,0]")
        >>> groups = gp.by("sample")
        >>> list(groups), abs(sum(groups.values()) - gp.total) < 1e-12
        ([0, 1], True)
        >>> list(gp.by("module"))
        [('layers.1', 'layers.0')]
        """
        if what == "module":
            return self._by_module(depth)
        if what == "sample":
            return self._by_sample(data)
        raise ArgumentError(f"by: groups paths by 'module' or by 'sample', got {what!r}")

    def _by_module(self, depth: int | None) -> dict[tuple[str, ...], float]:
        if depth is not None and (isinstance(depth, bool) or not isinstance(depth, int) or depth < 1):
            raise ArgumentError(f"by: depth is a whole number of at least 1, got {depth!r}")
        modules = {node: stack[:depth][-1] for node, stack in modules_of(self.end).items() if stack}

        def extended(key: tuple[str, ...], node: Value) -> tuple[str, ...]:
            name = modules.get(node)
            return key if name is None or key[:1] == (name,) else (name, *key)

        by_module = Grouped(
            "by", (COUNT, GRADIENT), (), extended, 100_000, "give depth=1, or fewer paths with via= and without="
        )
        groups = by_module.result(self._over_all(by_module))
        return {key: total for key, (count, total) in groups.items() if count}

    def _by_sample(self, data: Iterable[Value] | None) -> dict[int | None, float]:
        samples = samples_of(self.end, data)
        if all((tags < 0).all() for tags in samples.values()):
            raise ArgumentError(
                "by: nothing here belongs to one sample; pass data=[x], the Values whose first axis is the samples"
            )
        found: dict[int | None, float] = {}
        if self.end not in self._tangents:
            return found
        counts = self.cotangents(COUNT)

        def arrive(value: Value, g: Any) -> Any:
            """Give each sample what arrives at its elements; what is left goes on."""
            tags = samples[value]
            g = self._route.gated(value, g, GRADIENT)
            passes = GRADIENT.product(g, self._tangents[value])
            met = np.not_equal(counts[value], 0) & np.not_equal(self._counts[value], 0)
            for sample in np.unique(tags[(tags >= 0) & met]).tolist():
                found[sample] = found.get(sample, 0.0) + float(np.sum(passes, where=tags == sample))
            if value is self.wrt and (tags < 0).any():
                found[None] = found.get(None, 0.0) + float(np.sum(passes, where=tags < 0))
            return GRADIENT.masked(g, tags < 0, value.shape)

        shared = {self.end: arrive(self.end, GRADIENT.only(1.0, self.end_at, self.end.shape))}
        for node, _, operand, chain in reversed(list(self._open_edges())):
            if node in shared:
                with np.errstate(all="ignore"):
                    left = arrive(operand, GRADIENT.pull(chain, shared[node], node))
                shared[operand] = GRADIENT.add(shared[operand], left) if operand in shared else left
        if not found.get(None, 0.0):
            found.pop(None, None)
        return dict(sorted(found.items(), key=lambda group: (group[0] is None, group[0])))

    # ---- the paths themselves

    def top(self, k: int, sign: str | None = None) -> list[Path]:
        """Exactly the ``k`` largest paths by |contribution|, the largest first; with ``sign`` of one sign only.

        ``sign`` is "positive" or "negative". Contributions that differ by less than 1e-12 of themselves count as equal
        and come in the order of their edges; paths that carry nothing come last. Cost: one sweep, and k · length ·
        log k. Source: the k-best algorithm of L. Huang and D. Chiang, 2005, and W. Hoffman and R. Pavley, 1959.

        Raises ``ArgumentError`` for a ``k`` below 1, or more than can be listed, or another sign.

        >>> x = Value(3.0, name="x")
        >>> gp = gradient_paths(x * 2.0 + x * -5.0 + x, x)
        >>> [path.contribution for path in gp.top(2)], [path.contribution for path in gp.top(2, sign="positive")]
        ([-5.0, 2.0], [2.0, 1.0])
        """
        k = _whole(k, "top: k")
        signs = {None: 0, "positive": 1, "negative": -1}
        if sign not in signs:
            raise ArgumentError(f"top: sign is 'positive', 'negative' or None, got {sign!r}")
        if min(k, self.count) > AT_MOST:
            raise ArgumentError(f"top: {k} of {many(self.count)} paths; {_instead('top(k) with a smaller k')}")
        return list(itertools.islice(self._ranked(signs[sign]), k))

    def __iter__(self) -> Iterator[Path]:
        """Every path, lazily, the largest contribution first; those that carry nothing come last."""
        return self._ranked(0)

    def __length_hint__(self) -> int:
        """What ``list`` asks before it starts: the count, unless no list can hold that many."""
        if self.count > AT_MOST:
            raise ArgumentError(f"list: there are {many(self.count)} paths; {_instead('top(k) for the k largest')}")
        return self.count

    def _ranked(self, sign: int) -> Iterator[Path]:
        if not self.count:
            return
        tails = {value: MOST_POSITIVE.logarithms(a) for value, a in self.tangents(MOST_POSITIVE).items()}
        for steps in ranked((self.end, self.end_at), self.wrt, self._edges, tails, sign):
            yield self._path(steps)
        if not sign and self.count > self.active_count:
            yield from self._idle()

    def _path(self, steps: list[Step]) -> Path:
        return Path(
            (self.end, *(step.node for step in steps)),
            (self.end_at, *(step.element for step in steps)),
            tuple(step.weight for step in steps),
        )

    def _idle(self) -> Iterator[Path]:
        """The paths with a zero on them, in the order of their edges. Only ways that lead to one are gone."""
        steps: list[Step] = []
        stack = [self._steps(self.end, self.end_at)]
        zeros = 0
        while stack:
            step = next(stack[-1], None)
            if step is None:
                stack.pop()
                if steps:
                    zeros -= not steps.pop().weight
                continue
            if step.node is self.wrt:
                if zeros or not step.weight:
                    yield self._path([*steps, step])
                continue
            counts, active = self._counts[step.node], self._active_counts[step.node]
            if zeros or not step.weight or COUNT.at(counts, step.element) > COUNT.at(active, step.element):
                steps.append(step)
                zeros += not step.weight
                stack.append(self._steps(step.node, step.element))

    def _steps(self, node: Value, index: Index) -> Iterator[Step]:
        return (Step(*edge, place) for place, edge in enumerate(self._edges(node, index)))

    def sample(self, n: int, rng: np.random.Generator | int) -> list[Path]:
        """``n`` paths drawn independently, each with a probability of |contribution| / magnitude, exactly.

        ``rng`` is a generator or a seed. The mean of sign(contribution) over the draws estimates total / magnitude.
        Cost: one sweep, and for each draw its edges.

        Raises ``ArgumentError`` for an ``n`` below 1, ``GraphError`` where no path carries anything.

        >>> x = Value(3.0)
        >>> drawn = gradient_paths(x * 2.0 + x * -6.0, x).sample(1000, rng=0)
        >>> 0.7 < sum(path.contribution == -6.0 for path in drawn) / 1000 < 0.8
        True
        """
        n = _whole(n, "sample: n")
        if n > AT_MOST:
            raise ArgumentError(
                f"sample: at most {AT_MOST} paths at once, got n={n}; draw again from the same generator"
            )
        if isinstance(rng, bool) or not isinstance(rng, np.random.Generator | int | np.integer):
            raise ValueTypeError(f"sample: rng is a NumPy Generator or a seed, got {type(rng).__name__}")
        if not isinstance(rng, np.random.Generator) and rng < 0:
            raise ArgumentError(f"sample: a seed is at least 0, got {rng}")
        _ = self._finite
        if not self.active_count:
            raise GraphError("sample: no path carries anything, every one has a local derivative of zero on it")
        tails = {value: LOG_MAGNITUDE.result(a) for value, a in self.tangents(LOG_MAGNITUDE).items()}
        paths = drawn((self.end, self.end_at), self.wrt, self._edges, tails, np.random.default_rng(rng))
        return [self._path(steps) for steps in itertools.islice(paths, n)]

    def _edges(self, node: Value, index: Index) -> Iterator[tuple[Value, Index, float]]:
        """The elementary edges at one element, of those that lead on to ``wrt[at]``."""
        if node not in self._chains:
            with np.errstate(all="ignore"):  # as in a sweep
                self._chains[node] = [
                    (operand, chain)
                    for _, operand, chain in chains(node)
                    if operand in self._counts and self._route.opens(node, operand)
                ]
        for operand, chain in self._chains[node]:
            counts = self._counts[operand]
            for inner, weight in edges(chain, index):
                if counts[inner] if inner else counts:
                    yield operand, inner, weight

    # ---- in print

    def _ends(self) -> tuple[str, str]:
        end, wrt = element_name(self.end, self.end_at), element_name(self.wrt, self.at)
        return end or "the end", wrt or "the value"

    def __str__(self) -> str:
        end, wrt = self._ends()
        lines = [
            f"{self._counted()} from {end} to {wrt}, {many(self.active_count)} of them active",
            f"total {self.total:.6g}, magnitude {self.magnitude:.6g}, cancellation {self.cancellation:.2%}, "
            f"entropy {self.entropy:.4g} nats",
        ]
        listed = self.top(_SHOWN)
        lines += [f"  {path}" for path in listed]
        if self.count > len(listed):
            rest = self.total - math.fsum(path.contribution for path in listed)
            lines.append(f"  and {many(self.count - len(listed))} more, together {rest:.6g}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        listed = self.top(_SHOWN)
        title = f"{self._counted()} {self._between()}: total {self.total:.6g}, magnitude {self.magnitude:.6g}"
        rows: list[list[Cell]] = []
        for path in listed:
            line = path.line(SHOWN)
            share = abs(path.contribution) / self.magnitude if self.magnitude else 0.0
            rows.append([line.chain, line.factors, path.contribution, f"{share:.1%}"])
        more = self.count - len(listed)
        note = f"and {many(more)} more" if more else ""
        return table(title, ["path", "local derivatives", "contribution", "share of magnitude"], rows, note)

    def __repr__(self) -> str:
        return f"<GradientPaths {self._between()}: {self._counted()}, total {self.total:.6g}>"

    def _counted(self) -> str:
        return f"{many(self.count)} path{'' if self.count == 1 else 's'}"

    def _between(self) -> str:
        end, wrt = (clipped(name, 80) for name in self._ends())
        return f"from {end} to {wrt}"


def _whole(n: Any, what: str) -> int:
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise ArgumentError(f"{what} is a whole number of at least 1, got {n!r}")
    return int(n)


def _instead(first: str) -> str:
    return (
        f"ask for {first}, sample(n, rng) for typical ones, count, total and spectrum for numbers over all of them, "
        "or iterate and stop"
    )


def gradient_paths(
    end: Value,
    wrt: Value | str,
    at: int | Index | None = None,
    end_at: int | Index | None = None,
    via: Any = (),
    without: Any = (),
) -> GradientPaths:
    """The paths from ``end`` to ``wrt``, of which the gradient is the sum.

    ``wrt`` is a Value that ``end`` was computed from, or its name (``"w200"``, ``"w2[0,1]"``). ``at`` is the element
    of it and ``end_at`` that of the end: index tuples, to be left out where there is one element. Only the paths that
    pass every one of ``via`` and none of ``without`` are meant: lists of Values, names, or pairs (Value, index).

    Raises ``GraphError`` if no such path leads to ``wrt``, ``UnknownNameError`` for a name that nothing bears,
    ``ShapeError`` for an element that is not given, ``IndexRangeError`` for one that is not there. Later queries raise
    ``NonFiniteError`` where a local derivative is infinite or not a number, and name it.

    >>> a, b = Value(2.0, name="a"), Value(3.0, name="b")
    >>> c = a * b
    >>> gp = gradient_paths(c + a, a)
    >>> gp.count, gp.total, [path.contribution for path in gp]
    (2, 4.0, [3.0, 1.0])
    >>> gradient_paths(c + a, a, via=[c]).total, gradient_paths(c + a, a, without=[c]).total
    (3.0, 1.0)
    """
    who = "gradient_paths"
    if not isinstance(end, Value):
        raise ValueTypeError(f"{who}: the end is a Value, got {type(end).__name__}")
    if isinstance(wrt, str):
        wrt, found = find(end, wrt, who)
        if found:
            if at is not None:
                raise ArgumentError(f"{who}: the element is in the name already; leave out at=")
            at = found
    if not isinstance(wrt, Value):
        raise ValueTypeError(f"{who}: wrt is a Value or a name, got {type(wrt).__name__}")
    element, end_element = element_of(wrt, at, who, "at="), element_of(end, end_at, who, "end_at=")
    if not wrt.requires_grad:
        raise GraphError(
            f"{who}: {describe(wrt)} is a constant, to which no gradient flows; "
            "make it with requires_grad=True, outside no_grad() and without detach()"
        )
    required, blocked = (_gates(end, gates, who) for gates in (via, without))
    route = (Restricted(end, wrt, required, blocked),) if required or blocked else ()
    paths = GradientPaths(end, wrt, element, end_element, *route)
    if end not in paths._counts and (not route or end not in GradientPaths(end, wrt, element, end_element)._counts):
        raise GraphError(
            f"{who}: {describe(end)} does not depend on {describe(wrt)}: no path leads there; {_why_not(end)}"
        )
    return paths


def _gates(end: Value, given: Any, who: str) -> list[tuple[Value, Index]]:
    """What ``via`` or ``without`` lists; one alone may be given as it is."""
    pair = isinstance(given, tuple) and len(given) == 2 and not isinstance(given[1], str | Value)
    try:
        gates = [given] if pair or isinstance(given, str | Value) else list(given)
    except TypeError:
        raise ValueTypeError(f"{who}: via and without are lists of Values or names, got {given!r}") from None
    known = set(ancestors(end))
    found = [place(end, gate, who) for gate in gates]
    for value, _ in found:
        if value not in known:
            raise GraphError(f"{who}: {describe(end)} was not computed from {describe(value)}, so no path goes there")
    return found


def _why_not(end: Value) -> str:
    """What may have cut the graph."""
    cuts = [value for value in ancestors(end) if value.is_leaf and isinstance(value._b, str)]
    if not cuts:
        return "was it computed from another Value?"
    named = ", ".join(f"{describe(value)} by {value._b}" for value in cuts[:5])
    return f"the graph was cut at {named}{' and others' if len(cuts) > 5 else ''}: paths end there"
