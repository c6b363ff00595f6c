"""The numbers in the picture of a network: its weights, and how much of a gradient runs through each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tinygrad_lite.core.evaluation import check_recorded
from tinygrad_lite.core.graph import topological
from tinygrad_lite.core.shapes import Index
from tinygrad_lite.core.value import Value
from tinygrad_lite.errors import ArgumentError, ValueTypeError
from tinygrad_lite.graph import naming
from tinygrad_lite.nn.modules import Module
from tinygrad_lite.paths.queries import GradientPaths, gradient_paths
from tinygrad_lite.semirings import COUNT

from .flow import Flow, Sums
from .layers import Array, ArrayLayer, Chosen, Layer, ScalarLayer, Shown, choose, dims_of, layers_of

__all__ = ["Bias", "Connection", "Cost", "NetworkScene", "Neuron", "Omission", "WIDEST", "network_records"]


WIDEST = 10
"""Neurons of a layer that are all shown."""

KEPT = 6
"""Neurons that are shown of a wider layer: half of them the first, half the last."""


@dataclass(frozen=True, slots=True)
class Neuron:
    """A neuron, or in layer 0 an input: the part of |gradient|, and the number of paths, that run through it."""

    layer: int
    index: int
    name: str
    kind: Literal["input", "hidden", "output"]
    share: float
    paths: int


@dataclass(frozen=True, slots=True)
class Connection:
    """A weight: from neuron ``source`` of the layer before to neuron ``target`` of ``layer``.

    ``number`` is what thickness and colour show of it, its value or its gradient. ``share`` is the part of |gradient|
    that runs through it towards the chosen one; through the chosen one itself runs all of it.
    """

    layer: int
    source: int
    target: int
    name: str
    number: float
    share: float
    paths: int
    chosen: bool


@dataclass(frozen=True, slots=True)
class Bias:
    """The bias of a neuron."""

    layer: int
    target: int
    name: str
    number: float
    chosen: bool


@dataclass(frozen=True, slots=True)
class Omission:
    """The neurons of a layer that are not shown: how many, and the part of |gradient| that runs through them."""

    layer: int
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class Cost:
    """The end of the paths, with its value, and for each output the part of |gradient| that runs between them."""

    name: str
    value: float
    shares: tuple[float, ...]
    paths: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class NetworkScene:
    """Everything that the picture shows. ``dims`` are the widths of all layers, shown or not, the inputs first."""

    dims: tuple[int, ...]
    neurons: tuple[Neuron, ...]
    connections: tuple[Connection, ...]
    biases: tuple[Bias, ...]
    omissions: tuple[Omission, ...]
    cost: Cost | None
    shows: Shown
    largest: float
    chosen: str
    count: int
    total: float
    cancellation: float
    outside: float


def network_records(
    mlp: Module,
    weight: str | Value | None = None,
    loss: Value | None = None,
    *,
    at: int | Index | None = None,
    shows: Shown = "value",
    widest: int = WIDEST,
) -> NetworkScene:
    """The records of the picture.

    >>> from tinygrad_lite import nn
    >>> scene = network_records(nn.scalar.MLP(2, [2, 1], rng=0))
    >>> [neuron.name for neuron in scene.neurons], scene.connections[0].name
    (['x0', 'x1', 'n10', 'n11', 'n20'], 'w100')
    """
    if isinstance(widest, bool) or not isinstance(widest, int | np.integer) or widest < 2:
        raise ArgumentError(
            f"network: widest is how many neurons of a layer are shown, a whole number of at least 2, got {widest!r}"
        )
    if weight is not None and not isinstance(weight, str | Value):
        raise ValueTypeError(
            f"network: weight is a Value or a name such as 'w200' or 'w2[0,0]', got {type(weight).__name__}; pass one"
        )
    if loss is not None and not isinstance(loss, Value):
        raise ValueTypeError(
            f"network: loss is a Value computed by the network, got {type(loss).__name__}; "
            "pass what the cost function returned, not its .data"
        )
    if shows not in ("value", "gradient"):
        raise ArgumentError(f'network: shows is "value" or "gradient", got {shows!r}')
    if loss is not None:
        check_recorded(loss)
    layers = list(layers_of(mlp))
    dims = dims_of(mlp, layers)
    chosen = None if weight is None else choose(mlp, layers, weight, at)
    paths = None
    if chosen is not None and loss is not None:
        paths = gradient_paths(loss, chosen.value, at=chosen.index)
    flows = _Flows(paths, layers, chosen)
    kept = _kept(dims, widest, chosen)
    numbers = [layer.numbers(shows) for layer in layers]
    joint = naming.separator(dims)

    neurons = [
        Neuron(
            k,
            index,
            f"x{index}" if k == 0 else naming.neuron("n", k, index, joint),
            "input" if k == 0 else "output" if k == len(layers) else "hidden",
            flows.neuron(k, index)[0],
            flows.neuron(k, index)[1],
        )
        for k, shown in enumerate(kept)
        for index in shown
    ]
    connections, biases = [], []
    for k, (layer, (weights, bias)) in enumerate(zip(layers, numbers, strict=True), start=1):
        for source in kept[k - 1]:
            for target in kept[k]:
                name = layer.weight_name(k, source, target, joint)
                own = chosen is not None and chosen.place == (k, source, target)
                share, count = flows.connection(k, source, target)
                amount = float(weights[source, target])
                connections.append(Connection(k, source, target, name, amount, share, count, own))
        if bias is not None:
            for target in kept[k]:
                own = chosen is not None and chosen.place == (k, None, target)
                biases.append(Bias(k, target, layer.bias_name(k, target, joint), float(bias[target]), own))
    omissions = [
        Omission(k, width - len(shown), sum(flows.neuron(k, index)[0] for index in range(width) if index not in shown))
        for k, (width, shown) in enumerate(zip(dims, kept, strict=True))
        if len(shown) < width
    ]
    cost = None
    if loss is not None:
        ends = [flows.neuron(len(layers), index) for index in kept[-1]]
        cost = Cost(loss.name or "loss", loss.item(), tuple(end[0] for end in ends), tuple(end[1] for end in ends))
    sizes = [np.abs(weights[np.isfinite(weights)]) for weights, _ in numbers]
    largest = max((float(np.max(size, initial=0.0)) for size in sizes), default=0.0)
    return NetworkScene(
        dims=dims,
        neurons=tuple(neurons),
        connections=tuple(connections),
        biases=tuple(biases),
        omissions=tuple(omissions),
        cost=cost,
        shows=shows,
        largest=largest,
        chosen="" if chosen is None else chosen.name(layers, joint),
        count=paths.count if paths else 0,
        total=paths.total if paths else math.nan,
        cancellation=paths.cancellation if paths else 0.0,
        outside=flows.outside,
    )


def _kept(dims: tuple[int, ...], widest: int, chosen: Chosen | None) -> list[list[int]]:
    """The neurons of each layer that are shown: all, or the first and the last, and the chosen weight's own."""
    kept = []
    for k, width in enumerate(dims):
        if width <= widest:
            kept.append(list(range(width)))
            continue
        some = min(widest, KEPT)
        shown = {*range(some - some // 2), *range(width - some // 2, width)}
        if chosen is not None:
            layer, source, target = chosen.place
            shown |= {target} if k == layer else {source} if k == layer - 1 and source is not None else set()
        kept.append(sorted(shown))
    return kept


class _Flows:
    """The share of |gradient|, and the number of paths, through each connection and neuron.

    A path to a weight of layer k runs through one connection of every later layer. How much runs through the connection
    from neuron i to neuron j is the sum, over the samples, of what leads on from i's output to the weight, times |w|,
    times what reaches j's weighted sum from the end.
    """

    def __init__(self, paths: GradientPaths | None, layers: list[Layer], chosen: Chosen | None) -> None:
        self.layers = layers
        self.chosen = chosen if paths is not None else None
        self.shares: dict[int, Array] = {}
        self.counts: dict[int, Array] = {}
        self.outside = 0.0
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
        if k in self.shares:
            return float(self.shares[k][source, target]), int(self.counts[k][source, target])
        if self.chosen is not None and self.chosen.place == (k, source, target):
            return 1.0, self.count
        return 0.0, 0

    def neuron(self, k: int, index: int) -> tuple[float, int]:
        """Whatever runs through a neuron of a later layer came in by one of its connections."""
        if k in self.shares:
            return float(self.shares[k][:, index].sum()), int(self.counts[k][:, index].sum())
        if self.chosen is not None and (k, index) == (self.chosen.place[0], self.chosen.place[2]):
            return 1.0, self.count
        return 0.0, 0


def _through(sums: Sums, end: Value, layers: dict[int, Layer]) -> dict[int, Array]:
    """The sum through each connection of the given layers, by number: arrays of shape (from, to)."""
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
                totals[k] = totals[k] + _product(behind.T, ahead) * sums.semiring.lift(weight.data)
    return totals if sums.semiring is COUNT else {k: total.astype(float) for k, total in totals.items()}


def _product(a: Array, b: Array) -> Array:
    """The matrix product. Of counts it is exact: by BLAS while float64 holds them, after that by Python's integers."""
    if a.dtype.kind == "f":
        return np.asarray(a @ b)
    bound = int(a.max(initial=0)) * int(b.max(initial=0)) * a.shape[1]
    if bound <= 2**53:
        return np.asarray((a.astype(float) @ b.astype(float)).astype(np.int64), dtype=object)
    return np.asarray(a.astype(object) @ b.astype(object))
