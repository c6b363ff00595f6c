"""The spectrum of one query, some lengths at a time, in memory that is linear in the graph.

In a network with skips each Value is the start of paths of as many lengths as there are ops behind it: all of them at
once would take memory with the square of the depth. A length that is reached is not needed once the next ones are.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from ..core.graph import chain_of, chains, topological, unfolded
from ..core.value import Value
from ..semirings import COUNT, SPECTRUM
from ..semirings.grouped import Groups
from .statistics import PathStatistics

__all__ = ["spectrum"]

_WINDOW = 64
"""Lengths that are carried at a time."""


def spectrum(paths: PathStatistics) -> dict[int, tuple[int, float, float]]:
    """By length, in ops: count, total and magnitude of the paths of that length, the shortest first."""
    paths.check_finite()
    found: dict[int, tuple[int, float, float]] = {}
    if paths.end not in paths.tangents(COUNT):
        return found
    with np.errstate(all="ignore"):  # as in a sweep
        for groups in _Windows(paths).of_end():
            found.update(SPECTRUM.result(SPECTRUM.at(groups, paths.end_at)))
    return {length: group for length, group in sorted(found.items()) if group[0]}


class _Windows:
    """The forward sweep of ``SPECTRUM`` from ``wrt[at]``, window by window of lengths."""

    def __init__(self, paths: PathStatistics) -> None:
        self.paths = paths
        leads, gates = paths.tangents(COUNT), paths.gates
        self.order = [paths.wrt, *(node for node in topological(paths.end) if node in leads and node is not paths.wrt)]
        self.place = {node: k for k, node in enumerate(self.order)}
        self.readers: defaultdict[Value, list[tuple[Value, int]]] = defaultdict(list)
        for node in self.order[1:]:
            for k, operand, _ in chains(node):
                if operand in leads and gates.opens(node, operand):
                    self.readers[operand].append((node, k))

    def of_end(self) -> Iterator[Groups]:
        """The groups of the end, each length once."""
        paths = self.paths
        later = {paths.wrt: SPECTRUM.only(SPECTRUM.one(()), paths.at, paths.wrt.shape)}
        limit = 0
        while later:
            now, later, limit = later, {}, limit + _WINDOW
            waiting = sorted(map(self.place.__getitem__, now))
            while waiting:
                node = self.order[heapq.heappop(waiting)]
                groups = paths.gates.gated(node, now.pop(node), SPECTRUM)
                if node is paths.end:
                    yield groups
                    continue
                for reader, k in self.readers[node]:
                    chain = chain_of(unfolded(reader), k)
                    assert chain is not None
                    pushed = SPECTRUM.fitted(SPECTRUM.push(chain, groups, reader), reader)
                    inside, beyond = SPECTRUM.parted(pushed, range(limit).__contains__)
                    if inside.keys:
                        if reader not in now:
                            heapq.heappush(waiting, self.place[reader])
                        _add(now, reader, inside)
                    if beyond.keys:
                        _add(later, reader, beyond)


def _add(totals: dict[Value, Groups], node: Value, term: Groups) -> None:
    totals[node] = SPECTRUM.add(totals[node], term) if node in totals else term
