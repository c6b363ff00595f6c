"""Networks of scalars: one Value for each weight, so that every path through the network is visible.

The names, arguments and results are micrograd's (A. Karpathy, 2020): a program written for it runs with its imports
changed. A neuron is its weighted sum, one op, and then its activation. Both values have names: ``z20`` and ``n20`` for
the first neuron of layer 2. Weights are called ``w{layer}{from}{to}`` and biases ``b{layer}{to}``; if a number of the
network has two digits, ``_`` separates them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..core.conversions import plain_array
from ..core.elementwise import weighted_sum
from ..core.value import Value, constant, describe
from ..errors import ShapeError
from ..graph import naming
from ..graph.scopes import note
from .activations import ActivationFunction, activation_function, activation_name, is_linear
from .dims import checked_dims, checked_width
from .initialisers import Initialiser, Seed, draw, generator, initialiser
from .modules import Module

__all__ = ["Layer", "MLP", "Neuron"]


_SHOWN = {"relu": "ReLU", "leaky_relu": "LeakyReLU", "elu": "ELU", "gelu": "GELU", "silu": "SiLU"}


class Neuron(Module):
    """``activation(Σ w·x + b)`` of ``nin`` inputs.

    With ``nonlin=False`` the weighted sum is the output. Without ``rng`` and ``init`` the weights are drawn from
    Python's ``random``, uniform in (-1, 1), and the bias is 0; else ``init`` draws both from ``rng``; ``weights`` and
    ``bias`` set them directly. A neuron alone has the names of the first one in layer 1; a network renames its neurons.

    Raises ``ArgumentError`` for ``nin`` below 1, ``UnknownNameError`` for an unknown activation, ``ShapeError`` for
    another number of inputs.

    >>> neuron = Neuron(2, weights=[0.5, -1.0], bias=0.25)
    >>> n = neuron([4.0, 1.0])
    >>> n.name, n.data, n.parents[0].name
    ('n10', 1.25, 'z10')
    >>> neuron
    ReLUNeuron(2)
    """

    def __init__(
        self,
        nin: int,
        nonlin: bool = True,
        *,
        activation: str | ActivationFunction = "relu",
        rng: Seed = None,
        init: str | Initialiser | None = None,
        weights: Sequence[float] | None = None,
        bias: float | None = None,
    ) -> None:
        nin = checked_width(nin, "Neuron", "nin")
        self.activation = activation
        self.nonlin = bool(nonlin) and not is_linear(activation)
        self._activate = activation_function(activation, "Neuron")
        if weights is None:
            ((weights, drawn),) = _start(nin, 1, rng, init, activation if self.nonlin else "linear")
            bias = drawn if bias is None else bias
        elif len(weights) != nin:
            raise ShapeError(f"Neuron: needs {nin} weights, got {len(weights)}; pass one for each input")
        self.w = [Value(float(weight)) for weight in weights]
        self.b = Value(float(bias or 0.0))
        self._place(1, 0, "_" if nin > 10 else "")

    def _place(self, layer: int, index: int, joint: str) -> None:
        """Take the names of this place in a network."""
        self._names = [naming.weight(layer, source, index, joint) for source in range(len(self.w))]
        self._names.append(naming.bias(layer, index, joint))
        for parameter, name in zip(self.parameters(), self._names, strict=True):
            parameter.name = name
        self._z = naming.neuron("z", layer, index, joint)
        self._n = naming.neuron("n", layer, index, joint)

    def __call__(self, x: Any, sample: int | None = None) -> Value:
        """The output for ``nin`` inputs, numbers or scalar Values. ``sample`` is added to the names of the values."""
        return self._output(_inputs(x, self, len(self.w), sample), sample)

    def _output(self, x: list[Value], sample: int | None) -> Value:
        """The output for checked inputs. On this hot path the names without a sample are ready-made."""
        out: Value = weighted_sum(self.w, x, self.b)
        if self.nonlin:
            out.name = self._z if sample is None else f"{self._z}@{sample}"
            out = self._activate(out)
        out.name = self._n if sample is None else f"{self._n}@{sample}"
        return out

    def parameters(self) -> list[Value]:
        """The weights, then the bias."""
        return [*self.w, self.b]

    def _own_parameters(self) -> Iterator[tuple[str, Value]]:
        return zip(self._names, self.parameters(), strict=True)

    def __repr__(self) -> str:
        name = activation_name(self.activation) if self.nonlin else "linear"
        return f"{_SHOWN.get(name, name.capitalize())}Neuron({len(self.w)})"


class Layer(Module):
    """``nout`` neurons with the same ``nin`` inputs. The arguments are those of ``Neuron``.

    A layer of one neuron returns its Value, any other a list.

    >>> layer = Layer(2, 3, activation="sigmoid", rng=0)
    >>> [n.name for n in layer([0.0, 1.0])]
    ['n10', 'n11', 'n12']
    """

    def __init__(
        self,
        nin: int,
        nout: int,
        nonlin: bool = True,
        *,
        activation: str | ActivationFunction = "relu",
        rng: Seed = None,
        init: str | Initialiser | None = None,
    ) -> None:
        nin, nout = checked_width(nin, "Layer", "nin"), checked_width(nout, "Layer", "nout")
        starts = _start(nin, nout, rng, init, activation if nonlin else "linear")
        self.neurons = [
            Neuron(nin, nonlin, activation=activation, weights=weights, bias=bias) for weights, bias in starts
        ]
        self._place(1, naming.separator([nin, nout]))

    def _place(self, layer: int, joint: str) -> None:
        for index, neuron in enumerate(self.neurons):
            neuron._place(layer, index, joint)

    def __call__(self, x: Any, sample: int | None = None) -> Any:
        """The outputs for ``nin`` inputs, numbers or scalar Values: a list, or the Value of a single neuron."""
        return _one_or_all(self._outputs(_inputs(x, self, len(self.neurons[0].w), sample), sample))

    def _outputs(self, x: list[Value], sample: int | None) -> list[Value]:
        return [neuron._output(x, sample) for neuron in self.neurons]

    def parameters(self) -> list[Value]:
        """The weights and the bias of one neuron after the other."""
        return [p for neuron in self.neurons for p in neuron.parameters()]

    def _own_parameters(self) -> Iterator[tuple[str, Value]]:
        for neuron in self.neurons:
            yield from neuron._own_parameters()

    def __repr__(self) -> str:
        return f"Layer of [{', '.join(map(str, self.neurons))}]"


class MLP(Module):
    """A multi-layer perceptron of scalars: the network of ``nn.MLP``, one Value for each weight.

    ``nin`` is the number of inputs, ``nouts`` the widths of the layers, the outputs last; or one list holds them all.
    Hidden neurons have ``activation``, those of the last layer ``output``; the defaults are micrograd's.
    Without ``rng`` and ``init`` the weights are micrograd's too: uniform in (-1, 1) from Python's ``random``, in its
    order, and biases 0. Otherwise they equal those of ``nn.MLP`` with the same ``rng`` and ``init``.

    ``mlp(x)`` takes ``nin`` numbers or scalar Values and returns a list of Values, or the Value of a single output.
    Numbers become constants named ``x0``, ``x1``, …. With ``sample=2`` the names end in ``@2``. ``mlp.batch(rows)``
    runs every row with its number, as does ``mlp(rows)``.

    Raises the errors of ``nn.MLP``.

    >>> random.seed(1337)
    >>> mlp = MLP(2, [2, 1], activation="sigmoid", output="sigmoid")
    >>> y = mlp([0.0, 1.0], sample=3)
    >>> y.name, y.parents[0].name, [p.name for p in mlp.parameters()]
    ('n20@3', 'z20@3', ['w100', 'w110', 'b10', 'w101', 'w111', 'b11', 'w200', 'w210', 'b20'])
    """

    def __init__(
        self,
        nin: int | Sequence[int],
        nouts: Sequence[int] | None = None,
        *,
        activation: str | ActivationFunction = "relu",
        output: str | ActivationFunction = "linear",
        rng: Seed = None,
        init: str | Initialiser | None = None,
    ) -> None:
        self.dims = checked_dims(nin, nouts, "MLP")
        for kind in (activation, output):
            activation_function(kind, "MLP")  # an unknown one raises, even without a layer for it
        self.activation = activation
        self.output = output
        if rng is not None or init is not None:
            rng = generator(rng)
        kinds = [activation] * (len(self.dims) - 2) + [output]
        self.layers: list[Layer] = []
        joint = naming.separator(self.dims)
        for k, (width, next_width, kind) in enumerate(zip(self.dims[:-1], self.dims[1:], kinds, strict=True), start=1):
            layer = Layer(width, next_width, activation=kind, rng=rng, init=init)
            layer._place(k, joint)
            self.layers.append(layer)

    def __call__(self, x: Any, sample: int | None = None) -> Any:
        """The outputs for one sample: a list of Values, or the Value of a single output. Rows go to ``batch``."""
        x = plain_array(x, "MLP")
        if _is_rows(x):
            return self.batch(x)
        values = _inputs(x, self, self.dims[0], sample)
        for layer in self.layers:
            inputs, values = values, layer._outputs(values, sample)
            note(layer, (inputs,), values)
        return _one_or_all(values)

    def batch(self, rows: Any) -> list[Any]:
        """The outputs for each row, in a list. With several rows the names end in the row's number."""
        if not _is_rows(rows):
            width = self.dims[0]
            raise ShapeError(f"MLP: batch needs rows of {width} inputs, got {_described(rows)}; pass a list of rows")
        return [self(row, sample if len(rows) > 1 else None) for sample, row in enumerate(rows)]

    def parameters(self) -> list[Value]:
        """The weights and the bias of one neuron after the other, layer by layer."""
        return [p for layer in self.layers for p in layer.parameters()]

    def _own_parameters(self) -> Iterator[tuple[str, Value]]:
        for layer in self.layers:
            yield from layer._own_parameters()

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(map(str, self.layers))}]"


def _start(
    nin: int, nout: int, rng: Seed, init: str | Initialiser | None, activation: str | ActivationFunction
) -> list[tuple[list[float], float]]:
    """Weights and bias of each neuron of a layer."""
    if rng is None and init is None:
        return [([random.uniform(-1, 1) for _ in range(nin)], 0.0) for _ in range(nout)]
    w, b = draw(initialiser(init, activation), nin, nout, generator(rng))
    return [(w[:, index].tolist(), float(b[index])) for index in range(nout)]


def _one_or_all(values: list[Value]) -> Any:
    return values[0] if len(values) == 1 else values


def _is_rows(x: Any) -> bool:
    """Whether ``x`` holds several samples rather than the inputs of one."""
    if isinstance(x, list | tuple) and x:
        return isinstance(x[0], list | tuple) or (isinstance(x[0], Value | np.ndarray) and x[0].ndim > 0)
    return isinstance(x, Value | np.ndarray) and x.ndim > 1


def _inputs(x: Any, module: Module, width: int, sample: int | None) -> list[Value]:
    """One sample as a list of scalar Values; numbers become constants named by their position."""
    x = plain_array(x, type(module).__name__)
    if isinstance(x, np.ndarray) and x.ndim == 1:
        x = x.tolist()
    elif not isinstance(x, list | tuple | Value) or (isinstance(x, Value) and x.ndim != 1):
        raise ShapeError(
            f"{type(module).__name__}: needs a list of {width} inputs, got {_described(x)}; "
            "put the numbers or scalar Values of one sample in a list"
        )
    who = type(module).__name__
    if len(x) != width:
        first = module.parameters()[0].name
        raise ShapeError(
            f"{who}: {first!r} and its layer need {width} inputs, got {len(x)}; pass {width} numbers or scalar Values"
        )
    ending = "" if sample is None else f"@{sample}"
    values = []
    for k, item in enumerate(x):
        if type(item) is float:
            item = constant(item, f"x{k}{ending}")
        elif not isinstance(item, Value):
            item = Value(item, name=f"x{k}{ending}", requires_grad=False)
        if item.shape:
            raise ShapeError(f"{who}: input {k} is one number, got {describe(item)}; MLP.batch takes samples")
        values.append(item)
    return values


def _described(x: Any) -> str:
    return describe(x) if isinstance(x, Value) else f"shape {x.shape}" if isinstance(x, np.ndarray) else repr(x)
