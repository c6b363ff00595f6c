"""Contributions by sequence of modules: the sums are carried from both ends, and meet in the middle of the graph.

In n residual blocks 2^n sequences arrive at one end. A sweep that told all of them apart would hold 2^n arrays at one
time. Two sweeps that meet hold 2^(n/2) arrays each. A sequence is then one of the upper and one of the lower part, and
its contribution the sum of products of their cotangent and tangent over the elements between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..core.graph import chains, topological
from ..core.value import Value, describe
from ..errors import ArgumentError
from ..graph.scopes import Region, regions_of
from ..semirings import COUNT, GRADIENT
from ..semirings.grouped import Grouped, Groups
from ..semirings.structural import Structural
from .statistics import PathStatistics

__all__ = ["by_module"]

_MOST_SEQUENCES = 100_000
_MOST_BYTES = 1 << 30
_COARSER = "give depth=1, or fewer paths with via= and without="

Sequence = tuple[str, ...]
Key = tuple[Sequence, Region | None]
"""The modules of a part of a path, and the call at the side where the part goes on."""

_NO_MODULE: Key = ((), None)


class _Reached(Structural):
    """Whether there is a path: or, and. One byte for each element."""

    name, unit = "reached", True

    def sum(self, a: Any, axis: tuple[int, ...]) -> Any:
        return np.any(a, axis=axis)

    def add(self, a: Any, b: Any) -> Any:
        return np.logical_or(a, b)

    def zero(self, shape: tuple[int, ...]) -> Any:
        return np.zeros(shape, dtype=bool)


_REACHED = _Reached()
_BYTES = 1 + 8  # of an element of a group: a truth and a number


def by_module(paths: PathStatistics, depth: int | None) -> dict[Sequence, float]:
    """The contribution of the paths through each sequence of modules, from the end to the value.

    Raises ``ArgumentError`` for more than 100,000 sequences, and where their sums take more than 1 GB.
    """
    if depth is not None and (isinstance(depth, bool) or not isinstance(depth, int) or depth < 1):
        raise ArgumentError(f"by: depth is a whole number of at least 1, got {depth!r}")
    paths.check_finite()
    if paths.end not in paths.tangents(COUNT):
        return {}
    with np.errstate(all="ignore"):  # as in a sweep
        return _Meeting(paths, _innermost(paths.end, depth)).found()


def _innermost(end: Value, depth: int | None) -> dict[Value, Region]:
    """The call, at most ``depth`` modules deep, that each Value was made in."""
    stacks = {node: [call for call in calls if call.name] for node, calls in regions_of(end).items()}
    return {node: stack[:depth][-1] for node, stack in stacks.items() if stack}


class _Side:
    """The sums of one sweep that are still to be carried on, by Value; ``bytes`` is what they take."""

    def __init__(self, extended: Callable[[Key, Value], Key]) -> None:
        self.semiring = Grouped("by", (_REACHED, GRADIENT), _NO_MODULE, extended, _MOST_SEQUENCES, _COARSER)
        self.totals: dict[Value, Groups] = {}
        self.bytes = 0

    def put(self, node: Value, groups: Groups) -> None:
        self.drop(node)
        self.totals[node] = groups
        self.bytes += _size(groups, node)

    def add(self, node: Value, groups: Groups) -> None:
        known = self.totals.get(node)
        self.put(node, groups if known is None else self.semiring.add(known, groups))

    def drop(self, node: Value) -> Groups | None:
        groups = self.totals.pop(node, None)
        if groups is not None:
            self.bytes -= _size(groups, node)
        return groups


def _size(groups: Groups, node: Value) -> int:
    return _BYTES * len(groups.keys) * node.size


class _Meeting:
    """A forward sweep from the value and a reverse sweep from the end, the cheaper one a step further each time."""

    def __init__(self, paths: PathStatistics, calls: dict[Value, Region]) -> None:
        self.paths = paths
        self.lower = _Side(lambda key, node: _before(calls.get(node), key))
        self.upper = _Side(lambda key, node: _behind(key, calls.get(node)))
        leads = paths.tangents(COUNT)
        self.order = [node for node in topological(paths.end) if node in leads and node is not paths.wrt]
        self.readers = Counter(operand for node in self.order for _, operand, _ in self._edges(node))

    def _edges(self, node: Value) -> Iterator[tuple[int, Value, Any]]:
        leads = self.paths.tangents(COUNT)
        for k, operand, chain in chains(node):
            if operand in leads and self.paths.gates.opens(node, operand):
                yield k, operand, chain

    def found(self) -> dict[Sequence, float]:
        """The contributions of all sequences."""
        paths, lower, upper = self.paths, self.lower, self.upper
        seed = lower.semiring.only(lower.semiring.one(()), paths.at, paths.wrt.shape)
        lower.put(paths.wrt, paths.gates.gated(paths.wrt, seed, lower.semiring))
        upper.put(paths.end, paths.seed(upper.semiring))
        first, last = 0, len(self.order)
        while first < last:
            if self._goes_up():
                self._push(self.order[first])
                first += 1
            else:
                last -= 1
                self._pull(self.order[last])
        return self._joined()

    def _goes_up(self) -> bool:
        """Whether the forward sweep takes the next step."""
        return self.lower.bytes <= self.upper.bytes

    def _push(self, node: Value) -> None:
        lower, gates = self.lower, self.paths.gates
        edges = list(self._edges(node))
        self._check(lower, node, [(node, operand) for _, operand, _ in edges])
        for _, operand, chain in edges:
            groups = lower.totals.get(operand)
            if groups is not None:
                pushed = lower.semiring.push(chain, groups, node)
                lower.add(node, lower.semiring.fitted(pushed, node))
        for _, operand, _ in edges:
            self.readers[operand] -= 1
            if not self.readers[operand]:
                lower.drop(operand)
        if node in lower.totals:
            lower.put(node, gates.gated(node, lower.totals[node], lower.semiring))

    def _pull(self, node: Value) -> None:
        upper, gates = self.upper, self.paths.gates
        edges = list(self._edges(node))
        self._check(upper, node, [(operand, node) for _, operand, _ in edges])
        groups = upper.drop(node)
        if groups is None:
            return
        groups = gates.gated(node, groups, upper.semiring)
        for _, operand, chain in edges:
            pulled = upper.semiring.pull(chain, groups, node)
            upper.add(operand, upper.semiring.fitted(pulled, operand))

    def _check(self, side: _Side, node: Value, edges: list[tuple[Value, Value]]) -> None:
        """Raise ``ArgumentError`` where the sums after the edges, each (to, from), would take too much memory."""
        needed = sum(_BYTES * len(side.totals[of].keys) * to.size for to, of in edges if of in side.totals)
        whole = self.lower.bytes + self.upper.bytes + 2 * needed  # a term, and the sum with it
        if whole > _MOST_BYTES:
            raise ArgumentError(
                f"by: the sums for each sequence of modules take {whole / 1e9:.1f} GB at {describe(node)}, and at most "
                f"{_MOST_BYTES / 1e9:.1f} GB are used; {_COARSER}, or a smaller batch"
            )

    def _joined(self) -> dict[Sequence, float]:
        """Each sequence of the upper part with each of the lower one, by the elements where they meet."""
        found: dict[Sequence, float] = {}
        for node, upper in self.upper.totals.items():
            lower = self.lower.totals.get(node)
            if lower is None:
                continue
            for k, key in enumerate(upper.keys):
                some, contributions = _products(upper, k, lower, node)
                for j in np.flatnonzero(some).tolist():
                    sequence = _met(key, lower.keys[j])
                    found[sequence] = found.get(sequence, 0.0) + float(contributions[j])
                if len(found) > _MOST_SEQUENCES:
                    raise ArgumentError(f"by: more than {_MOST_SEQUENCES} groups of paths; {_COARSER}")
        return found


def _products(upper: Groups, k: int, lower: Groups, node: Value) -> tuple[Any, Any]:
    """For group ``k`` of the upper part with each of the lower one: whether there is a path, and the contribution."""
    there, those = (np.reshape(groups.sums[0], (len(groups.keys), node.size)) for groups in (upper, lower))
    elements = np.flatnonzero(there[k])
    return those[:, elements].any(axis=1), GRADIENT.inner(upper.sums[1], k, lower.sums[1])


# ---- parts of sequences ----------------------------------------------------------------------------------------------


def _before(call: Region | None, key: Key) -> Key:
    return key if call is None or call is key[1] else ((call.name, *key[0]), call)


def _behind(key: Key, call: Region | None) -> Key:
    return key if call is None or call is key[1] else ((*key[0], call.name), call)


def _met(upper: Key, lower: Key) -> Sequence:
    """The sequence of two parts: a call that goes on in the lower part is one."""
    same = upper[1] is not None and upper[1] is lower[1]
    return (*upper[0], *lower[0][1:]) if same else (*upper[0], *lower[0])
