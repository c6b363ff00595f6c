"""How much of a gradient runs through each connection of a network on its way to the chosen weight."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinygrad_lite.core.graph import topological
from tinygrad_lite.core.value import Value
from tinygrad_lite.paths.queries import GradientPaths
from tinygrad_lite.semirings import COUNT

from .flow import Flow, Sums
from .layers import Array, ArrayLayer, Chosen, Layer, ScalarLayer

__all__ = ["Flows", "Passing"]


class Passing(NamedTuple):
    """What runs through a connection or a neuron: the part of |gradient|, the number of paths, and their sum."""

    share: float
    paths: int
    total: float


NOTHING = Passing(0.0, 0, 0.0)


class Flows:
    """What runs through each connection and each neuron, and the number of paths that do.

    A path to a weight of layer k runs through one connection of every later layer. The amount through the connection
    from neuron i to neuron j is a product of three factors, summed over the samples: the sum over the paths from i's
    output to the weight, |w|, and the sum over the paths from the end to j's weighted sum.
    """

    def __init__(self, paths: GradientPaths | None, layers: list[Layer], chosen: Chosen | None) -> None:
        self.chosen = chosen if paths is not None else None
        self.flow: Flow | None = None
        self.magnitudes: dict[int, Array] = {}
        self.totals: dict[int, Array] = {}
        self.counts: dict[int, Array] = {}
        self.outside = 0.0
        """The largest part of |gradient| that runs past the connections of one layer."""
        self.all = Passing(1.0, paths.count, paths.total) if paths else NOTHING
        if paths is None or chosen is None:
            return
        flow, counts = Flow(paths), Sums(paths, COUNT)
        self.flow = flow
        later = {k: layer for k, layer in enumerate(layers, start=1) if k > chosen.place[0]}
        self.magnitudes, self.totals = (_through(sums, paths.end, later) for sums in (flow.sums, flow.signed))
        self.counts = _through(counts, paths.end, later)
        if flow.magnitude:
            inside = [float(flow.share(magnitude).sum()) for magnitude in self.magnitudes.values()]
            self.outside = max((abs(1.0 - share) for share in inside), default=0.0)

    def connection(self, k: int, source: int, target: int) -> Passing:
        """What runs through the connection of layer k from ``source`` to ``target``."""
        if k in self.magnitudes:
            return self._passing(k, (source, target))
        if self.chosen is not None and self.chosen.place == (k, source, target):
            return self.all
        return NOTHING

    def neuron(self, k: int, index: int) -> Passing:
        """What runs through a neuron: the sum over the connections that enter it."""
        if k in self.magnitudes:
            return self._passing(k, (slice(None), index))
        if self.chosen is not None and (k, index) == (self.chosen.place[0], self.chosen.place[2]):
            return self.all
        return NOTHING

    def _passing(self, k: int, place: tuple[Any, int]) -> Passing:
        assert self.flow is not None
        magnitude, total, count = (np.sum(of[k][place]) for of in (self.magnitudes, self.totals, self.counts))
        carried = self.flow.carried(float(magnitude), float(total))
        return Passing(carried.share, int(count), carried.total)


def _through(sums: Sums, end: Value, layers: dict[int, Layer]) -> dict[int, Array]:
    """The sum over the paths through each connection, by the number of the layer: arrays of shape (from, to)."""
    totals = {k: np.zeros((layer.n_in, layer.n_out), dtype=object) for k, layer in layers.items()}
    arrays = {layer.w: k for k, layer in layers.items() if isinstance(layer, ArrayLayer)}
    for node in topological(end):
        op, operands = node.op, node.operands
        if op is None or node not in sums.ahead:
            continue
        if op.name == "weighted_sum":
            terms = len(operands) // 2
            for weight, x in zip(operands[:terms], operands[terms:-1], strict=True):
                if not isinstance(weight, Value) or not isinstance(x, Value) or x not in sums.behind:
                    continue
                for k, layer in layers.items():
                    place = layer.find(weight, ()) if isinstance(layer, ScalarLayer) else None
                    if place is not None and place[0] is not None:
                        totals[k][place] += sums.edge(node, (), x, (), weight.data)
        elif op.name in ("matmul", "linear"):
            x, weight = operands[:2]
            if isinstance(weight, Value) and weight in arrays and isinstance(x, Value) and x in sums.behind:
                k = arrays[weight]
                behind = sums.behind[x].reshape(-1, layers[k].n_in)
                ahead = sums.ahead[node].reshape(-1, layers[k].n_out)
                product = sums.semiring.matmul(behind.T, ahead) * sums.semiring.lift(weight.data)
                totals[k] = totals[k] + product.astype(object)  # Python's integers: a sum of counts has no limit
    return totals if sums.semiring is COUNT else {k: total.astype(float) for k, total in totals.items()}
