"""What the picture of a network shows: neurons, weights, and how much of a gradient runs through each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from tinygrad_lite.core.evaluation import check_recorded
from tinygrad_lite.core.shapes import Index
from tinygrad_lite.core.value import Value
from tinygrad_lite.errors import ArgumentError, ValueTypeError
from tinygrad_lite.graph import naming
from tinygrad_lite.nn.modules import Module
from tinygrad_lite.paths.queries import gradient_paths

from .connections import Flows
from .flow import marked
from .layers import Chosen, Layer, Shown, choose, dims_of, layers_of

__all__ = ["Bias", "Connection", "Cost", "NetworkScene", "Neuron", "Omission", "WIDEST", "network_records"]


WIDEST = 10
"""The largest number of neurons of a layer that are all shown."""

KEPT = 6
"""Neurons that are shown of a wider layer: half of them the first, half the last."""


Kind = Literal["input", "hidden", "output"]


@dataclass(frozen=True, slots=True)
class Neuron:
    """A neuron, or an input in layer 0, with the part of |gradient| and the number of paths that run through it."""

    layer: int
    index: int
    name: str
    kind: Kind
    share: float
    paths: int


@dataclass(frozen=True, slots=True)
class Connection:
    """A weight: from neuron ``source`` of the layer before to neuron ``target`` of ``layer``.

    ``number`` is the value or the gradient, shown by thickness and colour. ``share`` is the part of |gradient| that
    runs through it towards the chosen weight, for which it is 1; ``total`` is the sum of the contributions of the paths
    through it. The shares of ``marked`` connections are written beside their names.
    """

    layer: int
    source: int
    target: int
    name: str
    number: float
    share: float
    paths: int
    total: float
    chosen: bool
    marked: bool = False


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
    """The end of the paths, its value, and for each output what runs between the two: shares, paths, totals."""

    name: str
    value: float
    shares: tuple[float, ...]
    paths: tuple[int, ...]
    totals: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class NetworkScene:
    """Everything that the picture shows. ``dims`` are the full widths of all layers, the inputs first."""

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
    """The records of a network; ``viz.network`` describes the arguments.

    >>> from tinygrad_lite import nn
    >>> scene = network_records(nn.scalar.MLP(2, [2, 1], rng=0))
    >>> [neuron.name for neuron in scene.neurons], scene.connections[0].name
    (['x0', 'x1', 'n10', 'n11', 'n20'], 'w100')
    """
    _check_arguments(weight, loss, shows, widest)
    if loss is not None:
        check_recorded(loss)
    layers = list(layers_of(mlp))
    dims = dims_of(mlp, layers)
    chosen = None if weight is None else choose(mlp, layers, weight, at)
    paths = None
    if chosen is not None and loss is not None:
        paths = gradient_paths(loss, chosen.value, at=chosen.index)
    scene = _Scene(layers, dims, chosen, Flows(paths, layers, chosen), shows, widest)
    connections = list(scene.connections())
    written = marked([0.0 if connection.chosen else connection.share for connection in connections])
    sizes = [np.abs(weights[np.isfinite(weights)]) for weights, _ in scene.numbers]
    return NetworkScene(
        dims=dims,
        neurons=tuple(scene.neurons()),
        connections=tuple(replace(c, marked=k in written) for k, c in enumerate(connections)),
        biases=tuple(scene.biases()),
        omissions=tuple(scene.omissions()),
        cost=None if loss is None else scene.cost(loss),
        shows=shows,
        largest=max((float(np.max(size, initial=0.0)) for size in sizes), default=0.0),
        chosen="" if chosen is None else chosen.name(layers, scene.joint),
        count=paths.count if paths else 0,
        total=paths.total if paths else math.nan,
        cancellation=paths.cancellation if paths else 0.0,
        outside=scene.flows.outside,
    )


def _check_arguments(weight: Any, loss: Any, shows: Any, widest: Any) -> None:
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


class _Scene:
    """The records of the neurons that are shown, and of everything between them."""

    def __init__(
        self, layers: list[Layer], dims: tuple[int, ...], chosen: Chosen | None, flows: Flows, shows: Shown, widest: int
    ) -> None:
        self.layers, self.dims, self.flows = layers, dims, flows
        self.chosen = None if chosen is None else chosen.place
        self.kept = _kept(dims, widest, chosen)
        self.numbers = [layer.numbers(shows) for layer in layers]
        self.joint = naming.separator(dims)

    def neurons(self) -> Iterator[Neuron]:
        for k, shown in enumerate(self.kept):
            kind: Kind = "input" if k == 0 else "output" if k == len(self.layers) else "hidden"
            for index in shown:
                name = f"x{index}" if k == 0 else naming.neuron("n", k, index, self.joint)
                yield Neuron(k, index, name, kind, *self.flows.neuron(k, index)[:2])

    def connections(self) -> Iterator[Connection]:
        for k, (layer, (weights, _)) in enumerate(zip(self.layers, self.numbers, strict=True), start=1):
            for source, target in itertools.product(self.kept[k - 1], self.kept[k]):
                name = layer.weight_name(k, source, target, self.joint)
                amount, chosen = float(weights[source, target]), self.chosen == (k, source, target)
                yield Connection(k, source, target, name, amount, *self.flows.connection(k, source, target), chosen)

    def biases(self) -> Iterator[Bias]:
        for k, (layer, (_, bias)) in enumerate(zip(self.layers, self.numbers, strict=True), start=1):
            if bias is None:
                continue
            for target in self.kept[k]:
                name = layer.bias_name(k, target, self.joint)
                yield Bias(k, target, name, float(bias[target]), self.chosen == (k, None, target))

    def omissions(self) -> Iterator[Omission]:
        for k, (width, shown) in enumerate(zip(self.dims, self.kept, strict=True)):
            if len(shown) < width:
                share = sum(self.flows.neuron(k, index)[0] for index in range(width) if index not in shown)
                yield Omission(k, width - len(shown), share)

    def cost(self, loss: Value) -> Cost:
        ends = [self.flows.neuron(len(self.layers), index) for index in self.kept[-1]]
        shares, paths, totals = zip(*ends, strict=True)
        return Cost(loss.name or "loss", loss.item(), shares, paths, totals)


def _kept(dims: tuple[int, ...], widest: int, chosen: Chosen | None) -> list[list[int]]:
    """The neurons of each layer that are shown: all, or the first, the last and those of the chosen weight."""
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
