"""Contributions of groups of paths: by edge, and by sample. Each group's sum comes from sweeps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ..core.graph import chains, topological
from ..core.sweeps import Gates, reverse
from ..core.value import Value
from ..errors import ArgumentError
from ..graph.batches import Batch, samples_of
from ..semirings import COUNT, GRADIENT
from ..semirings.base import Semiring
from .statistics import PathStatistics

__all__ = ["Flow", "SampleGroups", "by_edge", "by_sample"]


class Flow(NamedTuple):
    """The part of a gradient that passes one edge, from ``reader`` to its operand number ``position``.

    ``contribution`` has the operand's shape.
    """

    reader: Value
    position: int
    operand: Value
    contribution: Any


def by_edge(paths: PathStatistics) -> list[Flow]:
    """The contribution of the paths through each edge between Values, edges near ``wrt`` first."""
    tangents, cotangents = paths.tangents(GRADIENT), paths.cotangents(GRADIENT)
    found = []
    with np.errstate(all="ignore"):  # as in a sweep
        for node in topological(paths.end):
            if node not in tangents or node not in cotangents:
                continue
            for k, operand, chain in chains(node):
                if operand in tangents and paths.gates.opens(node, operand):
                    passing = GRADIENT.product(GRADIENT.pull(chain, cotangents[node], node), tangents[operand])
                    passing = GRADIENT.stored(passing, operand.dtype) if operand.shape else float(passing)
                    found.append(Flow(node, k, operand, passing))
    return found


class SampleGroups(dict[int | None, float]):
    """The contribution of the paths by way of each sample; ``None`` stands for paths that no sample alone feeds.

    ``batches`` says what was taken for the samples: pairs (data, axis). The axis is ``None`` where all of an array is
    one sample.
    """

    batches: tuple[Batch, ...] = ()


def by_sample(paths: PathStatistics, data: Iterable[Value] | None, axis: int | None) -> SampleGroups:
    """The contribution of the paths by way of each sample; ``None`` stands for paths that no sample alone feeds."""
    samples, batches = samples_of(paths.end, data, axis)
    if all((tags < 0).all() for tags in samples.values()):
        raise ArgumentError(
            "by: nothing here belongs to one sample; pass data=[x], the Values whose first axis is the samples"
        )
    groups = SampleGroups()
    groups.batches = batches
    if paths.end not in paths.tangents(GRADIENT):
        return groups
    taking = _TakingSamples(paths, samples)
    left = reverse(paths.end, GRADIENT, paths.seed(GRADIENT), taking)
    if paths.wrt.is_leaf:  # a sweep asks the gates of interior Values only
        taking.gated(paths.wrt, left[paths.wrt], GRADIENT)
    found = {sample: part for sample, part in taking.found.items() if sample is not None or part}
    groups.update(sorted(found.items(), key=lambda group: (group[0] is None, group[0])))
    return groups


class _TakingSamples(Gates):
    """Gates that give each sample what arrives at its elements in a reverse sweep, and let only the rest pass on."""

    def __init__(self, paths: PathStatistics, samples: dict[Value, Any]) -> None:
        self._paths, self._samples = paths, samples
        self._arriving = paths.cotangents(COUNT)
        self.found: dict[int | None, float] = {}

    def opens(self, node: Value, operand: Value) -> bool:
        return operand in self._paths.tangents(GRADIENT) and self._paths.gates.opens(node, operand)

    def gated(self, node: Value, a: Any, semiring: Semiring) -> Any:
        paths, tags = self._paths, self._samples[node]
        g = paths.gates.gated(node, a, semiring)
        passing = GRADIENT.product(g, paths.tangents(GRADIENT)[node])
        met = COUNT.positive(self._arriving[node]) & paths.leading(node)
        for sample in np.unique(tags[(tags >= 0) & met]).tolist():
            self._add(sample, passing, tags == sample)
        if node is paths.wrt and (tags < 0).any():
            self._add(None, passing, tags < 0)
        return semiring.masked(g, tags < 0, node.shape)

    def _add(self, sample: int | None, passing: Any, where: Any) -> None:
        self.found[sample] = self.found.get(sample, 0.0) + float(np.sum(passing, where=where))
