"""Layers on arrays, and the multi-layer perceptron made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.value import Value, as_data, constant, describe, plain
from ..errors import ArgumentError, ShapeError
from ..graph.scopes import note
from ..ops import functions
from .activations import ActivationFunction, activation_function, activation_name, is_linear
from .dims import checked_dims, checked_width
from .initialisers import Initialiser, Seed, draw, generator, initialiser
from .modules import Module

__all__ = ["Activation", "Dropout", "Linear", "MLP", "Sequential"]


def as_value(x: Any) -> Value:
    """``x``, or its numbers as a constant named x."""
    return x if isinstance(x, Value) else constant(as_data(x, keep_integers=True, copy=False), "x")


def as_floats(value: Value, dtype: np.dtype[Any]) -> Value:
    """A Value of floats as it is, one of integers as a constant of ``dtype``."""
    return value if value.dtype.kind == "f" else plain(lambda data: np.asarray(data, dtype), value, name=value.name)


class Linear(Module):
    """``x @ w + b``: every output is a weighted sum of all inputs, plus its bias.

    ``w`` has shape (n_in, n_out), from and to; ``b`` has shape (n_out,) and is ``None`` with ``bias=False``. ``rng``
    is a generator or a seed; ``init`` is an initialiser or its name, by default Glorot's. ``x`` has shape (…, n_in),
    the result (…, n_out).

    Raises ``ArgumentError`` for widths below 1, ``ShapeError`` for an ``x`` of another width.

    >>> layer = Linear(2, 3, rng=0)
    >>> layer([[0.0, 1.0], [1.0, 1.0]]).shape
    (2, 3)
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        bias: bool = True,
        rng: Seed = None,
        *,
        init: str | Initialiser | None = None,
        dtype: npt.DTypeLike = np.float64,
    ) -> None:
        self.n_in = checked_width(n_in, "Linear", "n_in")
        self.n_out = checked_width(n_out, "Linear", "n_out")
        w, b = draw(initialiser(init), self.n_in, self.n_out, generator(rng))
        self.w = Value(w.astype(dtype), name="w")
        self.b = Value(b.astype(dtype), name="b") if bias else None

    def __call__(self, x: Any) -> Value:
        """The weighted sums, (…, n_out), of inputs (…, n_in)."""
        return self._weighted(x)

    def _weighted(self, x: Any) -> Value:
        x = self._input(x)
        z: Value = functions.matmul(x, self.w) if self.b is None else functions.linear(x, self.w, self.b)
        return z

    def _input(self, x: Any) -> Value:
        """``x`` as a Value whose last axis has the right width."""
        value = as_value(x)
        data = value._data  # .data is for those who read numbers
        if type(data) is np.ndarray and data.shape[-1] == self.n_in and data.dtype.kind == "f":
            return value
        value = as_floats(value, self.w.dtype)
        if not value.shape or value.shape[-1] != self.n_in:
            raise ShapeError(
                f"Linear: {self.w.name!r} needs inputs of width {self.n_in} on the last axis, got {describe(value)}; "
                f"reshape it to (…, {self.n_in}), or make the layer as Linear(n_in, {self.n_out}) for its width"
            )
        return value

    def __repr__(self) -> str:
        return f"Linear({self.n_in}, {self.n_out}{'' if self.b is not None else ', bias=False'})"


class Activation(Module):
    """An activation by name, or any function of a Value, as a layer.

    Raises ``UnknownNameError`` for an unknown name, with the known ones.

    >>> Activation("relu")(Value([-1.0, 2.0])).data
    array([0., 2.])
    """

    def __init__(self, activation: str | ActivationFunction) -> None:
        self.function = activation_function(activation, "Activation")
        self.name = activation_name(activation)

    def __call__(self, x: Any) -> Any:
        return self.function(x)

    def __repr__(self) -> str:
        return f"Activation({self.name!r})"


class Dropout(Module):
    """Dropout: in training each element becomes 0 with probability ``p``, and the rest is divided by 1 - p.

    Each call draws anew. In evaluation (``module.eval()``) the result is ``x`` itself. ``x`` may have any shape; the
    result has the same.

    Raises ``ArgumentError`` unless 0 ≤ p < 1.

    Source: N. Srivastava et al., *Dropout: a simple way to prevent neural networks from overfitting*, 2014.

    >>> dropout = Dropout(0.5, rng=0)
    >>> sorted(set(dropout(Value(np.ones(100))).data.tolist()))
    [0.0, 2.0]
    >>> x = Value(np.ones(3))
    >>> dropout.eval()(x) is x
    True
    """

    def __init__(self, p: float = 0.5, rng: Seed = None) -> None:
        if isinstance(p, bool) or not isinstance(p, float | int) or not 0.0 <= p < 1.0:
            raise ArgumentError(
                f"Dropout: p is a probability, at least 0 and below 1, got {p!r}; 0.5 drops every second"
            )
        self.p = float(p)
        self.rng = generator(rng)

    def __call__(self, x: Any) -> Any:
        if not self.training or not self.p:
            return x
        if not isinstance(x, Value):
            x = Value(x, requires_grad=False)
        return x * plain(partial(self._drawn, x.shape, x.dtype), name="kept")

    def _drawn(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        """1 / (1 - p) where an element is kept, 0 elsewhere."""
        kept = np.asarray(self.rng.random(shape) >= self.p)
        return (kept / (1.0 - self.p)).astype(dtype)

    def __repr__(self) -> str:
        return f"Dropout({self.p:g})"


class Sequential(Module):
    """One layer after the other: modules, or any functions of a Value.

    The path of a parameter becomes its name (``layers.0.w``), so that all names differ.

    Raises ``ArgumentError`` without layers, or for a layer that cannot be called.

    >>> import tinygrad_lite as tg
    >>> net = Sequential(Linear(2, 8, rng=0), tg.tanh, Linear(8, 1, rng=1))
    >>> net(np.zeros((5, 2))).shape, list(net.named_parameters())
    ((5, 1), ['layers.0.w', 'layers.0.b', 'layers.2.w', 'layers.2.b'])
    """

    def __init__(self, *layers: Callable[[Any], Any]) -> None:
        if not layers:
            raise ArgumentError("Sequential: needs at least one layer, got none; for example Sequential(Linear(2, 1))")
        for k, layer in enumerate(layers):
            if not callable(layer):
                raise ArgumentError(
                    f"Sequential: a layer is a module or a function, got {type(layer).__name__} at position {k}; "
                    "pass the layers one by one, not as a list"
                )
        self.layers = list(layers)
        self.name_parameters()

    def __call__(self, x: Any) -> Any:
        inside: list[tuple[Sequential, Any]] = []  # those that were entered, and what each was given
        waiting = [iter(self.layers)]
        while waiting:  # iterative: they may be nested deeper than Python's stack
            for layer in waiting[-1]:
                if isinstance(layer, Sequential) and type(layer).__call__ is _IN_SEQUENCE:
                    inside.append((layer, x))
                    waiting.append(iter(layer.layers))
                    break
                x = layer(x)
            else:
                waiting.pop()
                if inside:
                    layer, given = inside.pop()
                    note(layer, (given,), x)  # as layer(x) does
        return x

    def _shown(self) -> list[tuple[str, Any]]:
        shown = [x if isinstance(x, Module) else str(activation_name(x)) for x in self.layers]
        return [(str(k), x) for k, x in enumerate(shown)]


_IN_SEQUENCE = Sequential.__call__


class MLP(Module):
    """A multi-layer perceptron: fully connected layers, each followed by an activation.

    ``n_in`` is the number of inputs, ``n_out`` the widths of the layers, the outputs last; or one list holds them all.
    The last layer is followed by ``output`` (``"linear"`` for logits), the others by ``activation``: names, or
    functions of a Value. ``rng`` is a generator or a seed. ``init`` is an initialiser or its name (``"uniform"``,
    ``"glorot"``, ``"he"``); the default is He's before relu and its relatives, Glorot's elsewhere. The network of
    scalars, ``nn.scalar.MLP``, starts with the same weights from the same seed and ``init``.

    ``mlp(x)`` takes ``x`` of shape (n_in,) or (samples, n_in) and returns (outputs,) or (samples, outputs). Layer ``k``
    has the parameters ``wk`` of shape (from, to) and ``bk``, and names the values that it computes: ``zk``, the
    weighted sums, and ``nk``, their activations (a linear layer has ``nk`` only).

    Raises ``ArgumentError`` for bad widths, ``UnknownNameError`` for an unknown activation or initialiser,
    ``ShapeError`` for inputs of another width.

    >>> mlp = MLP(2, [10, 2], rng=0)
    >>> {name: p.shape for name, p in mlp.named_parameters().items()}
    {'w1': (2, 10), 'b1': (10,), 'w2': (10, 2), 'b2': (2,)}
    >>> y = mlp([[0.0, 1.0]])
    >>> y.name, y.shape, y.parents[0].name
    ('n2', (1, 2), 'z2')
    """

    def __init__(
        self,
        n_in: int | Sequence[int],
        n_out: Sequence[int] | None = None,
        activation: str | ActivationFunction = "sigmoid",
        output: str | ActivationFunction = "sigmoid",
        rng: Seed = None,
        *,
        init: str | Initialiser | None = None,
        dtype: npt.DTypeLike = np.float64,
    ) -> None:
        self.dims = checked_dims(n_in, n_out, "MLP")
        for kind in (activation, output):
            activation_function(kind, "MLP")  # an unknown one raises, even without a layer for it
        self.activation = activation
        self.output = output
        rng = generator(rng)
        kinds = [activation] * (len(self.dims) - 2) + [output]
        self._functions = [None if is_linear(kind) else activation_function(kind, "MLP") for kind in kinds]
        self.layers: list[Linear] = []
        for k, (width, next_width, kind) in enumerate(zip(self.dims[:-1], self.dims[1:], kinds, strict=True), start=1):
            layer = Linear(width, next_width, rng=rng, init=initialiser(init, kind), dtype=dtype)
            layer.w.name = f"w{k}"
            if layer.b is not None:
                layer.b.name = f"b{k}"
            self.layers.append(layer)
        self._names = [(f"z{k}", f"n{k}") for k in range(1, len(self.dims))]

    def __call__(self, x: Any) -> Value:
        for layer, function, (z_name, n_name) in zip(self.layers, self._functions, self._names, strict=True):
            given, x = x, layer._weighted(x)
            note(layer, (given,), x)  # as layer(x) does, in less time
            if function is not None:
                x.name = z_name
                x = function(x)
            x.name = n_name
        result: Value = x
        return result

    def _own_parameters(self) -> Iterator[tuple[str, Value]]:
        for k, layer in enumerate(self.layers, start=1):
            yield f"w{k}", layer.w
            if layer.b is not None:
                yield f"b{k}", layer.b

    def __repr__(self) -> str:
        return (
            f"MLP({self.dims[0]}, {self.dims[1:]}, activation={activation_name(self.activation)!r}, "
            f"output={activation_name(self.output)!r})"
        )
