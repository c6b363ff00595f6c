"""A gradient taken apart into the paths that it is the sum of.

A path runs from the end, against the arrows of the computation, to a value; its contribution is the product of the
local derivatives along it, and the gradient is the sum of the contributions of all paths. Nothing is materialised:
numbers over all paths come from sweeps, and listing asks for the elementary edges of one element at a time.

Source: F. L. Bauer, *Computational graphs and rounding error*, SIAM J. Numer. Anal. 11 (1974), who states the sum over
paths.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from . import naming
from .errors import ArgumentError, GraphError, IndexRangeError, ShapeError, UnknownNameError
from .maps import Chain, Index, edges
from .path import Path, element_name
from .ranking import Step, ranked
from .semirings import ACTIVE_COUNT, COUNT, ENTROPY, GRADIENT, MAGNITUDE, MAX, Semiring
from .sweeping import ancestors, chains, push, reverse, topological
from .value import Value, describe

__all__ = ["GradientPaths", "Path", "find", "gradient_paths"]


class Flow(NamedTuple):
    """What of a gradient passes one edge: from ``reader`` to its operand number ``position``, element by element."""

    reader: Value
    position: int
    operand: Value
    contribution: Any


class GradientPaths:
    """The paths from one element of ``end`` to one element of ``wrt``. Made by ``gradient_paths``."""

    def __init__(self, end: Value, wrt: Value, at: Index, end_at: Index) -> None:
        self.end = end
        self.wrt = wrt
        self.at = at
        self.end_at = end_at
        self._chains: dict[Value, list[tuple[Value, Chain]]] = {}

    # ---- numbers over all paths, from sweeps

    def _swept(self, semiring: Semiring) -> dict[Value, Any]:
        """For every element of every Value between: the sum over its paths to ``wrt[at]``."""
        if not self.wrt.shape:
            seed = semiring.one(())
        else:
            seed = semiring.zero(self.wrt.shape)
            seed[(..., *self.at)] = semiring.one(())
        return push(self.wrt, self.end, semiring, seed)

    def _at_end(self, tangents: dict[Value, Any]) -> Any:
        found = tangents[self.end]
        return found[(..., *self.end_at)] if self.end.shape else found

    @cached_property
    def _counts(self) -> dict[Value, Any]:
        return self._swept(COUNT)

    @cached_property
    def count(self) -> int:
        """How many paths there are: an exact integer. Cost: one sweep."""
        return int(self._at_end(self._counts))

    @cached_property
    def active_count(self) -> int:
        """How many paths have no local derivative that is zero: an exact integer. Cost: one sweep."""
        return int(self._at_end(self._swept(ACTIVE_COUNT)))

    @cached_property
    def total(self) -> float:
        """The gradient: the sum of all contributions, in the end's units per unit of the value. Cost: one sweep."""
        return float(self._at_end(self._swept(GRADIENT)))

    @cached_property
    def magnitude(self) -> float:
        """The sum of the absolute contributions, in the gradient's units. Cost: one sweep."""
        return float(self._at_end(self._swept(MAGNITUDE)))

    @property
    def cancellation(self) -> float:
        """1 - |total| / magnitude: 0 where all paths agree, 1 where they cancel; 0 where nothing flows."""
        return 1.0 - abs(self.total) / self.magnitude if self.magnitude else 0.0

    @cached_property
    def entropy(self) -> float:
        """How spread out the contributions are: the entropy of |contribution| / magnitude, in nats. Cost: one sweep.

        0 where one path carries all, ln n for n equal ones; 0 where nothing flows.
        """
        return float(ENTROPY.result(self._at_end(self._swept(ENTROPY))))

    def through(self, node: Value) -> Any:
        """What of the gradient goes by way of each element of ``node``: an array of its shape, a float for a scalar.

        Over the nodes of any cut it adds up to ``total``. Cost: one forward and one reverse sweep, for all nodes.

        >>> x = Value(3.0)
        >>> a, b = x * 2.0, x * 5.0
        >>> gp = gradient_paths(a + b, x)
        >>> gp.through(a), gp.through(b), gp.total
        (2.0, 5.0, 7.0)
        """
        if node not in self._tangents or node not in self._cotangents:
            return np.zeros(node.shape) if node.shape else 0.0
        return self._cotangents[node] * self._tangents[node]

    def flow(self) -> list[Flow]:
        """What of the gradient passes each edge between values, an array of the operand's shape for each.

        Over the edges of any cut it adds up to ``total``. Cost: one forward and one reverse sweep, for all edges.
        """
        found = []
        for node in topological(self.end):
            if node is self.wrt or node not in self._tangents:
                continue
            with np.errstate(all="ignore"):  # as in a sweep
                local = list(chains(node))
            for k, operand, chain in local:
                if operand not in self._tangents:
                    continue
                pulled = self._cotangents[node]
                with np.errstate(all="ignore"):
                    for linear_map in chain:
                        pulled = linear_map.pull(pulled, GRADIENT)
                    passes = pulled * self._tangents[operand]
                found.append(Flow(node, k, operand, passes if operand.shape else float(passes)))
        return found

    @cached_property
    def _tangents(self) -> dict[Value, Any]:
        return self._swept(GRADIENT)

    @cached_property
    def _cotangents(self) -> dict[Value, Any]:
        seed: Any = 1.0
        if self.end.shape:
            seed = np.zeros(self.end.shape)
            seed[self.end_at] = 1.0
        return reverse(self.end, GRADIENT, seed)

    # ---- the paths themselves

    def top(self, k: int, sign: str | None = None) -> list[Path]:
        """Exactly the ``k`` largest paths by |contribution|, the largest first; with ``sign`` of one sign only.

        ``sign`` is "positive" or "negative". Contributions that differ by less than 1e-12 of themselves count as equal
        and come in the order of their edges; paths that carry nothing come last. Cost: one sweep, and k · length · log
        k.

        Raises ``ArgumentError`` for a ``k`` below 1 or another sign.

        >>> x = Value(3.0, name="x")
        >>> gp = gradient_paths(x * 2.0 + x * -5.0 + x, x)
        >>> [path.contribution for path in gp.top(2)], [path.contribution for path in gp.top(2, sign="positive")]
        ([-5.0, 2.0], [2.0, 1.0])
        """
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
            raise ArgumentError(f"top: k is a whole number of at least 1, got {k!r}")
        signs = {None: 0, "positive": 1, "negative": -1}
        if sign not in signs:
            raise ArgumentError(f"top: sign is 'positive', 'negative' or None, got {sign!r}")
        if not self.count:
            return []
        best = ranked((self.end, self.end_at), self.wrt, self._edges, self._swept(MAX), signs[sign])
        found = [self._path(steps) for steps in itertools.islice(best, k)]
        if sign is None and len(found) < k:
            nothing = (path for path in self if not all(path.locals))
            found += itertools.islice(nothing, k - len(found))
        return found

    def _path(self, steps: list[Step]) -> Path:
        return Path(
            (self.end, *(step.node for step in steps)),
            (self.end_at, *(step.element for step in steps)),
            tuple(step.weight for step in steps),
        )

    def __iter__(self) -> Iterator[Path]:
        """Every path, lazily: the next one is found when it is asked for. Cost of each: its edges."""
        if not self.count:
            return
        nodes, indices = [self.end], [self.end_at]
        locals_: list[float] = []
        if self.end is self.wrt:
            yield Path((self.end,), (self.end_at,), ())
            return
        stack = [self._edges(self.end, self.end_at)]
        while stack:
            step = next(stack[-1], None)
            if step is None:
                stack.pop()
                nodes.pop()
                indices.pop()
                if locals_:
                    locals_.pop()
                continue
            node, index, weight = step
            if node is self.wrt:
                yield Path((*nodes, node), (*indices, index), (*locals_, weight))
                continue
            nodes.append(node)
            indices.append(index)
            locals_.append(weight)
            stack.append(self._edges(node, index))

    def _edges(self, node: Value, index: Index) -> Iterator[tuple[Value, Index, float]]:
        """The elementary edges at one element, of those that lead on to ``wrt[at]``."""
        if node not in self._chains:
            with np.errstate(all="ignore"):  # as in a sweep
                self._chains[node] = [(operand, chain) for _, operand, chain in chains(node) if operand in self._counts]
        for operand, chain in self._chains[node]:
            counts = self._counts[operand]
            for inner, weight in edges(chain, index):
                if counts[inner] if inner else counts:
                    yield operand, inner, weight

    def __repr__(self) -> str:
        end, wrt = (
            element_name(value, index) or other
            for value, index, other in ((self.end, self.end_at, "the end"), (self.wrt, self.at, "the value"))
        )
        return f"<GradientPaths from {end} to {wrt}: {self.count} paths, total {self.total:.6g}>"


def gradient_paths(
    end: Value, wrt: Value | str, at: int | Index | None = None, end_at: int | Index | None = None
) -> GradientPaths:
    """The paths from ``end`` to ``wrt``, of which the gradient is the sum.

    ``wrt`` is a Value that ``end`` was computed from, or its name (``"w200"``, ``"w2[0,1]"``). ``at`` is the element
    of it and ``end_at`` that of the end: index tuples, to be left out where there is one element.

    Raises ``GraphError`` if the end does not depend on ``wrt``, ``UnknownNameError`` for a name that nothing bears,
    ``ShapeError`` for an element that is not given, ``IndexRangeError`` for one that is not there.

    >>> a, b = Value(2.0, name="a"), Value(3.0, name="b")
    >>> gp = gradient_paths(a * b + a, a)
    >>> gp.count, gp.total, [path.contribution for path in gp]
    (2, 4.0, [3.0, 1.0])
    """
    if isinstance(wrt, str):
        wrt, found = find(end, wrt)
        if found:
            if at is not None:
                raise ArgumentError("gradient_paths: the element is in the name already; leave out at=")
            at = found
    if not isinstance(wrt, Value):
        raise ArgumentError(f"gradient_paths: wrt is a Value or a name, got {type(wrt).__name__}")
    paths = GradientPaths(end, wrt, _element(wrt, at, "at"), _element(end, end_at, "end_at"))
    if not wrt.requires_grad:
        raise GraphError(
            f"gradient_paths: {describe(wrt)} is a constant, to which no gradient flows; "
            "make it with requires_grad=True, outside no_grad() and without detach()"
        )
    if end not in paths._counts:
        raise GraphError(
            f"gradient_paths: {describe(end)} does not depend on {describe(wrt)}: no path leads from one to the other; "
            "was it computed from another Value, detached, or inside no_grad()?"
        )
    return paths


def _element(value: Value, at: int | Index | None, who: str) -> Index:
    shape = value.shape
    if at is None:
        if value.size != 1:
            raise ShapeError(
                f"gradient_paths: {describe(value)} has {value.size} elements; say which one with {who}=, "
                f"for example {who}={(0,) * len(shape)}"
            )
        return (0,) * len(shape)
    index = (at,) if isinstance(at, int | np.integer) else tuple(at)
    if len(index) != len(shape):
        raise ShapeError(f"gradient_paths: {describe(value)} needs {len(shape)} numbers in {who}=, got {index}")
    index = tuple(operator.index(i) for i in index)
    if any(not -n <= i < n for i, n in zip(index, shape, strict=True)):
        raise IndexRangeError(f"gradient_paths: {who}={index} is outside {describe(value)}")
    return tuple(i % n for i, n in zip(index, shape, strict=True))


def find(end: Value, name: str) -> tuple[Value, Index]:
    """The Value of this name among those that ``end`` was computed from, and the element meant, ``()`` for all of it.

    Raises ``UnknownNameError``, with the nearest names, if there is none; ``ArgumentError`` if there are several.

    >>> w = Value([1.0, 2.0], name="w")
    >>> find((w * 2.0).sum(), "w[1]")
    (Value([1., 2.], shape=(2,), name='w'), (1,))
    """
    named: dict[str, list[Value]] = {}
    for value in ancestors(end):
        if value.name is not None:
            named.setdefault(value.name, []).append(value)
    resolved = naming.resolve(name, {own: values[0].shape for own, values in named.items()})
    if resolved is None:
        near = naming.closest(name, named)
        shown = ", ".join(map(repr, near or list(named)[:20]))
        known = f"the nearest names are {shown}" if near else f"the names are {shown or 'none'}"
        raise UnknownNameError(
            f"gradient_paths: nothing that {describe(end)} was computed from is named {name!r}; {known}"
        )
    own, index = resolved
    if len(named[own]) > 1:
        raise ArgumentError(
            f"gradient_paths: {len(named[own])} Values are named {own!r}; "
            "pass the Value itself, or give them different names"
        )
    return named[own][0], index
