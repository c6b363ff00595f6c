"""A network as a list of fully connected layers, whether its weights are arrays or one Value each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tinygrad_lite.core.shapes import Index
from tinygrad_lite.core.value import Value, describe
from tinygrad_lite.errors import ArgumentError, IndexRangeError, ShapeError, UnknownNameError
from tinygrad_lite.graph import naming
from tinygrad_lite.nn.modules import Module

__all__ = ["Array", "ArrayLayer", "Chosen", "Layer", "ScalarLayer", "Shown", "choose", "dims_of", "layers_of"]


Array = npt.NDArray[Any]
Shown = Literal["value", "gradient"]


def _shown(value: Value, shows: Shown) -> Any:
    if shows == "value":
        return value.data
    if not value.has_grad:
        raise ArgumentError(
            f'network: shows="gradient" needs gradients, {describe(value)} has none; call loss.backward() first'
        )
    return value.grad


class ArrayLayer:
    """A layer whose weights are one array of shape (from, to), with an array of biases or none."""

    def __init__(self, w: Value, b: Value | None) -> None:
        self.w, self.b = w, b
        self.n_in, self.n_out = w.shape

    def weight_name(self, k: int, source: int, target: int, joint: str) -> str:
        if self.w.name == f"w{k}":
            return naming.weight(k, source, target, joint)
        return f"{self.w.name or f'w{k}'}[{source},{target}]"

    def bias_name(self, k: int, target: int, joint: str) -> str:
        assert self.b is not None
        return naming.bias(k, target, joint) if self.b.name == f"b{k}" else f"{self.b.name or f'b{k}'}[{target}]"

    def numbers(self, shows: Shown) -> tuple[Array, Array | None]:
        """The weights, of shape (from, to), and the biases; or their gradients."""
        return _shown(self.w, shows), None if self.b is None else _shown(self.b, shows)

    def find(self, value: Value, index: Index) -> tuple[int | None, int] | None:
        """Source and target of a weight; ``None`` and the target of a bias; ``None`` for a Value of another layer."""
        if value is self.w:
            return index[0], index[1]
        return (None, index[0]) if value is self.b else None


class ScalarLayer:
    """A layer of neurons, each with a list of weights and a bias."""

    def __init__(self, neurons: list[Any]) -> None:
        self.neurons = neurons
        self.n_in, self.n_out = len(neurons[0].w), len(neurons)
        self.places: dict[Value, tuple[int | None, int]] = {}
        for target, neuron in enumerate(neurons):
            self.places |= {value: (source, target) for source, value in enumerate(neuron.w)}
            self.places[neuron.b] = (None, target)

    def weight_name(self, k: int, source: int, target: int, joint: str) -> str:
        return self.neurons[target].w[source].name or naming.weight(k, source, target, joint)

    def bias_name(self, k: int, target: int, joint: str) -> str:
        return self.neurons[target].b.name or naming.bias(k, target, joint)

    def numbers(self, shows: Shown) -> tuple[Array, Array | None]:
        weights = np.array([[_shown(value, shows) for value in neuron.w] for neuron in self.neurons]).T
        return weights, np.array([_shown(neuron.b, shows) for neuron in self.neurons])

    def find(self, value: Value, index: Index) -> tuple[int | None, int] | None:
        return self.places.get(value)


Layer = ArrayLayer | ScalarLayer
"""A fully connected layer with ``n_in`` inputs and ``n_out`` neurons. Layers are numbered from 1."""


def layers_of(module: Any) -> Iterator[Layer]:
    """The fully connected layers of a module, in order; activations and functions have no weights and are skipped."""
    if hasattr(module, "neurons"):
        yield ScalarLayer(module.neurons)
    elif isinstance(getattr(module, "w", None), list):
        yield ScalarLayer([module])
    elif isinstance(getattr(module, "w", None), Value) and module.w.ndim == 2:
        yield ArrayLayer(module.w, getattr(module, "b", None))
    else:
        for inner in getattr(module, "layers", ()):  # as deep as modules are nested
            yield from layers_of(inner)


def dims_of(mlp: Any, layers: list[Layer]) -> tuple[int, ...]:
    """The widths of all layers, the inputs first. Raises ``ArgumentError`` for no layers, or for widths that differ."""
    if not layers:
        raise ArgumentError(
            f"network: needs fully connected layers, {type(mlp).__name__} has none; "
            "pass nn.MLP, nn.scalar.MLP or an nn.Sequential of nn.Linear, or draw viz.graph(loss)"
        )
    for k, (before, after) in enumerate(pairwise(layers), start=1):
        if before.n_out != after.n_in:
            raise ArgumentError(
                f"network: layer {k} has {before.n_out} outputs and layer {k + 1} has {after.n_in} inputs; "
                "draws layers that follow one another, use viz.graph(loss) for other wirings"
            )
    return (layers[0].n_in, *(layer.n_out for layer in layers))


@dataclass(frozen=True, slots=True)
class Chosen:
    """The chosen weight or bias: its Value, the index of its element, and its place (layer, source, target).

    The source of a bias is ``None``.
    """

    value: Value
    index: Index
    place: tuple[int, int | None, int]

    def name(self, layers: list[Layer], joint: str) -> str:
        k, source, target = self.place
        layer = layers[k - 1]
        return layer.bias_name(k, target, joint) if source is None else layer.weight_name(k, source, target, joint)


def choose(mlp: Module, layers: list[Layer], weight: str | Value, at: int | Index | None) -> Chosen:
    """The weight or bias that a user names, or gives as a Value with the index of an element."""
    if isinstance(weight, Value):
        value, index = weight, _index(at)
    else:
        value, index = _find(mlp, layers, weight)
        if index and at is not None:
            raise ArgumentError("network: the element is in the name already; leave out at=")
        index = index or _index(at)
    if len(index) != value.ndim:
        example = f"{value.name}[{','.join('0' * value.ndim)}]"
        raise ShapeError(
            f"network: {describe(value)} has {value.size} elements; say which one, for example weight={example!r}"
        )
    if any(not 0 <= i < n for i, n in zip(index, value.shape, strict=True)):
        raise IndexRangeError(f"network: the element {index} is outside {describe(value)}")
    for k, layer in enumerate(layers, start=1):
        found = layer.find(value, index)
        if found is not None:
            return Chosen(value, index, (k, *found))
    raise ArgumentError(
        f"network: {describe(value)} is no weight or bias of this {type(mlp).__name__}; pass one of its own"
    )


def _index(at: int | Index | None) -> Index:
    if at is None:
        return ()
    return (int(at),) if isinstance(at, int | np.integer) else tuple(map(int, at))


def _find(mlp: Module, layers: list[Layer], name: str) -> tuple[Value, Index]:
    for parameter in mlp.parameters():
        if parameter.name == name:
            return parameter, ()
    try:
        return mlp.find_parameter(name)
    except (UnknownNameError, IndexRangeError):
        near = naming.closest(name, _names(layers))
        nearest = f"the nearest names are {', '.join(near)}" if near else "names are like w100, w1[0,0], b10"
        raise UnknownNameError(f"network: there is no weight or bias {name!r} in this network; {nearest}") from None


def _names(layers: list[Layer]) -> list[str]:
    """The names of weights and biases to suggest, at most 20 × 20 of a layer: a search of 100,000 takes seconds."""
    joint = naming.separator([layers[0].n_in, *(layer.n_out for layer in layers)])
    names = []
    for k, layer in enumerate(layers, start=1):
        targets = range(min(layer.n_out, 20))
        names += [layer.weight_name(k, i, j, joint) for i in range(min(layer.n_in, 20)) for j in targets]
        if layer.numbers("value")[1] is not None:
            names += [layer.bias_name(k, j, joint) for j in targets]
    return names
