"""``gradient_paths``: the paths that a gradient is the sum of, and every question to them.

A path runs from the end, against the arrows of the computation, to a value. Its contribution is the product of the
local derivatives along it, and the gradient is the sum of the contributions of all paths. Numbers over all paths come
from sweeps (``statistics``); listing asks for the elementary edges of one element at a time (``listing``).

Sources: F. L. Bauer, *Computational graphs and rounding error*, SIAM J. Numer. Anal. 11 (1974), and W. Baur and
V. Strassen, *The complexity of partial derivatives*, 1983, for the sum over paths.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

import numpy as np

from ..core.graph import ancestors
from ..core.shapes import Index
from ..core.value import Value, cut_by, describe
from ..errors import ArgumentError, GraphError, ValueTypeError
from ..graph.lookup import element_of, find, place
from ..semirings import COUNT, GRADIENT
from . import groups, routes, spectra, summary
from .gates import ViaAndWithout, check_possible, gates_of
from .groups import Flow
from .listing import Listing
from .path import Path, count_text
from .statistics import PathStatistics

__all__ = ["AT_MOST", "Flow", "GradientPaths", "gradient_paths"]

AT_MOST = 1_000_000
"""The most paths that one list may hold."""

_SHOWN = 10  # paths


class GradientPaths(PathStatistics):
    """The paths from one element of ``end`` to one element of ``wrt``. Made by ``gradient_paths``.

    Iterating gives every path, the largest contribution first; ``print`` shows the numbers and the largest paths.

    >>> x = Value(3.0, name="x")
    >>> print(gradient_paths(x * 2.0 + x * -4.0, x))
    2 paths from the end to x, 2 of them active
    total -2, magnitude 6, cancellation 66.67%, entropy 0.6365 nats
      end ← x : -4 = -4
      end ← x : 2 = 2
    """

    @cached_property
    def spectrum(self) -> dict[int, tuple[int, float, float]]:
        """By length, in ops: {length: (count, total, magnitude)} of the paths of that length, the shortest first.

        The counts add up to ``count``, the totals to ``total``, the magnitudes to ``magnitude``. Cost: three sweeps
        for each length that occurs, in memory that is linear in the graph.

        >>> x = Value(3.0)
        >>> gradient_paths(x.square() * 2.0 + x, x).spectrum
        {1: (1, 1.0, 1.0), 3: (1, 12.0, 12.0)}
        """
        return spectra.spectrum(self)

    # ---- where they pass

    def through(self, node: Value | str) -> Any:
        """The part of the gradient that passes each element of ``node``: an array of its shape, a float for a scalar.

        Over the nodes of any cut it adds up to ``total``. Cost: one forward and one reverse sweep, for all nodes.

        >>> x = Value(3.0)
        >>> a, b = x * 2.0, x * 5.0
        >>> gp = gradient_paths(a + b, x)
        >>> gp.through(a), gp.through(b), gp.total
        (2.0, 5.0, 7.0)
        """
        value, index = place(self.end, node, "through")
        tangents, cotangents = self.tangents(GRADIENT), self.cotangents(GRADIENT)
        if value in tangents and value in cotangents:
            passing = GRADIENT.stored(GRADIENT.product(cotangents[value], tangents[value]), value.dtype)
        else:
            passing = np.zeros(value.shape, value.dtype) if value.shape else 0.0
        return float(passing[index]) if index else passing

    def flow(self) -> list[Flow]:
        """The part of the gradient that passes each edge between Values, an array of the operand's shape for each.

        Over the edges of any cut it adds up to ``total``. Cost: one forward and one reverse sweep, for all edges.

        >>> x = Value(3.0, name="x")
        >>> [(edge.operand.name, edge.contribution) for edge in gradient_paths(x * x, x).flow()]
        [('x', 3.0), ('x', 3.0)]
        """
        return groups.by_edge(self)

    def by(
        self, what: str, *, depth: int | None = None, data: Iterable[Value] | None = None, axis: int | None = None
    ) -> dict[tuple[str, ...], float] | dict[int | None, float]:
        """Contributions of groups of paths, which add up to ``total``, from sweeps.

        ``by("module")``: the contribution of the paths through each sequence of modules, from the end to the value. In
        a residual network the sequence contains a branch where paths take it. A module goes by its path in the
        outermost one (``blocks.2``), once for each call that a path goes through; ``depth`` is how many levels of
        modules inside modules are told apart, by default all. Cost: sweeps from both ends to the middle of the graph,
        which tell 2^(n/2) parts of a sequence apart in n residual blocks, and one product for each sequence.

        ``by("sample")``: the contribution of the paths by way of each sample of the batch; ``None`` stands for paths
        that no sample alone feeds. ``data`` are the Values that hold the samples, along ``axis`` (0 by default).
        Without ``data`` they are the constant arrays, if they have one length along that axis. A constant that a
        product sums over beside them, as a fixed matrix ``f`` in ``x @ f``, is left out; where a product sums over the
        only axis of the data, these are one sample. The result is a dict whose ``batches`` are the pairs (data, axis)
        that were taken. Cost: a few sweeps, and one for each constant array.

        Raises ``ArgumentError`` for another word, for more than 100,000 sequences of modules, for sequences whose sums
        take more than 1 GB, and where the graph does not tell what the samples are.

        >>> from tinygrad_lite import nn
        >>> net = nn.MLP([2, 3, 1], rng=0)
        >>> gp = gradient_paths(nn.losses.half_squared_error(net([[0.0, 1.0], [1.0, 1.0]]), [[1.0], [0.0]]), "w1[1,0]")
        >>> by_sample = gp.by("sample")
        >>> list(by_sample), abs(sum(by_sample.values()) - gp.total) < 1e-12
        ([0, 1], True)
        >>> [(value.shape, axis) for value, axis in by_sample.batches]
        [((2, 2), 0), ((2, 1), 0)]
        >>> list(gp.by("module"))
        [('layers.1', 'layers.0')]
        """
        if what == "module":
            return routes.by_module(self, depth)
        if what == "sample":
            return groups.by_sample(self, data, axis)
        raise ArgumentError(f"by: groups paths by 'module' or by 'sample', got {what!r}")

    # ---- the paths themselves

    @cached_property
    def _listing(self) -> Listing:
        return Listing(self)

    def top(self, k: int, sign: str | None = None) -> list[Path]:
        """Exactly the ``k`` largest paths by |contribution|, the largest first; with ``sign`` of one sign only.

        ``sign`` is "positive" or "negative". Contributions with a relative difference below 1e-12 count as equal
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
            raise ArgumentError(f"top: {k} of {count_text(self.count)} paths; {_instead('top(k) with a smaller k')}")
        return list(itertools.islice(self._listing.largest(signs[sign]), k))

    def __iter__(self) -> Iterator[Path]:
        """Every path, lazily, the largest contribution first; paths that carry nothing come last."""
        return self._listing.largest(0)

    def __length_hint__(self) -> int:
        """The count, which ``list`` asks before it starts; an error where no list can hold that many."""
        if self.count > AT_MOST:
            raise ArgumentError(
                f"list: there are {count_text(self.count)} paths; {_instead('top(k) for the k largest')}"
            )
        return self.count

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
        self.check_finite()
        if not self.active_count:
            raise GraphError("sample: no path carries anything, every one has a local derivative of zero on it")
        return list(itertools.islice(self._listing.random(np.random.default_rng(rng)), n))

    # ---- in print

    def __str__(self) -> str:
        return summary.text(self, self.top(_SHOWN))

    def _repr_html_(self) -> str:
        return summary.html(self, self.top(_SHOWN))

    def __repr__(self) -> str:
        return summary.line(self)


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
    """The paths from ``end`` to ``wrt``; the gradient is the sum of their contributions.

    ``wrt`` is a Value that ``end`` was computed from, or its name (``"w200"``, ``"w2[0,1]"``). ``at`` is an element
    of it and ``end_at`` one of the end: index tuples, which may be left out where there is one element. ``via`` and
    ``without`` keep only the paths that pass every Value of ``via`` and none of ``without``: lists of Values, names, or
    pairs of one of these and an index.

    Raises ``GraphError`` if no path leads to ``wrt``, or none can pass what ``via`` and ``without`` ask for (a Value
    beside ``wrt``, two on branches of their own, the end left out): that all paths by way of one Value are left out by
    another is no error, nothing flows there. Raises ``UnknownNameError`` for a name that nothing bears,
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
    required, blocked = gates_of(end, via, who), gates_of(end, without, who)
    paths = GradientPaths(end, wrt, element, end_element)
    if end not in paths.tangents(COUNT):
        raise GraphError(
            f"{who}: {describe(end)} does not depend on {describe(wrt)}: no path leads there; {_why_not(end)}"
        )
    if not required and not blocked:
        return paths
    before = paths.cotangents(COUNT) if required else ()
    check_possible((end, end_element), (wrt, element), required, blocked, paths.tangents(COUNT), before)
    return GradientPaths(end, wrt, element, end_element, ViaAndWithout(end, wrt, required, blocked))


def _why_not(end: Value) -> str:
    """The places where the graph may have been cut."""
    cuts = [(value, by) for value in ancestors(end) if (by := cut_by(value)) is not None]
    if not cuts:
        return "was it computed from another Value?"
    named = ", ".join(f"{describe(value)} by {by}" for value, by in cuts[:5])
    return f"the graph was cut at {named}{' and others' if len(cuts) > 5 else ''}: paths end there"
