"""How much of a gradient runs through each connection of a network on its way to the chosen weight."""

from __future__ import annotations

import numpy as np

from tinygrad_lite.core.graph import topological
from tinygrad_lite.core.value import Value
from tinygrad_lite.paths.queries import GradientPaths
from tinygrad_lite.semirings import COUNT

from .flow import Flow, Sums
from .layers import Array, ArrayLayer, Chosen, Layer, ScalarLayer

__all__ = ["Flows"]


class Flows:
    """The share of |gradient|, and the number of paths, through each connection and each neuron.

    A path to a weight of layer k runs through one connection of every later layer. The amount through the connection
    from neuron i to neuron j is a product of three factors, summed over the samples: the sum over the paths from i's
    output to the weight, |w|, and the sum over the paths from the end to j's weighted sum.
    """

    def __init__(self, paths: GradientPaths | None, layers: list[Layer], chosen: Chosen | None) -> None:
        self.chosen = chosen if paths is not None else None
        self.shares: dict[int, Array] = {}
        self.counts: dict[int, Array] = {}
        self.outside = 0.0
        """The largest part of |gradient| that runs past the connections of one layer."""
        self.count = paths.count if paths else 0
        if paths is None or chosen is None:
            return
        flow, counts = Flow(paths), Sums(paths, COUNT)
        later = {k: layer for k, layer in enumerate(layers, start=1) if k > chosen.place[0]}
        self.shares = {k: flow.share(total) for k, total in _through(flow.sums, paths.end, later).items()}
        self.counts = _through(counts, paths.end, later)
        if flow.magnitude:
            self.outside = max((abs(1.0 - float(share.sum())) for share in self.shares.values()), default=0.0)

    def connection(self, k: int, source: int, target: int) -> tuple[float, int]:
        """The share and the number of paths through the connection of layer k from ``source`` to ``target``."""
        if k in self.shares:
            return float(self.shares[k][source, target]), int(self.counts[k][source, target])
        if self.chosen is not None and self.chosen.place == (k, source, target):
            return 1.0, self.count
        return 0.0, 0

    def neuron(self, k: int, index: int) -> tuple[float, int]:
        """The share and the number of paths through a neuron: the sum over the connections that enter it."""
        if k in self.shares:
            return float(self.shares[k][:, index].sum()), int(self.counts[k][:, index].sum())
        if self.chosen is not None and (k, index) == (self.chosen.place[0], self.chosen.place[2]):
            return 1.0, self.count
        return 0.0, 0


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
