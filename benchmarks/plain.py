"""The rows of programs that are written with plain ops: ``np.tanh(h @ W + b)``, ``w ** 3``, the update by hand.

Each program is as a user writes it, recorded at each step, or compiled with the update inside or outside. The other
side is NumPy by hand. The two agree on their gradients before they are timed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from . import handwritten_plain as hand
from . import training
from .measure import Pair
from .training import LR, PROBLEMS, Trainer

__all__ = ["PLAIN", "Program", "by_hand", "network", "ours"]


@dataclass(frozen=True)
class Program:
    """``loss(parameters, x, t)`` is ours; ``hand(parameters, buffers)`` makes the side by hand.

    ``start`` are the parameters, of which both sides get copies.
    """

    start: Sequence[np.ndarray[Any, Any]]
    batch: tuple[Any, Any]
    loss: Callable[[Sequence[Any], Any, Any], Any]
    hand: Callable[[Sequence[np.ndarray[Any, Any]], bool], Any]

    @property
    def within(self) -> float:
        """The relative difference that two sides may have."""
        return 1e-9 if self.start[0].dtype == np.float64 else 2e-3


def ours(program: Program, way: str) -> Trainer:
    """Our side: ``"eager"``, or compiled with the optimizer ``"inside"``, or with an update by hand ``"outside"``."""
    import tinygrad_lite as tg

    parameters = [tg.Value(p.copy(), name=f"p{k}") for k, p in enumerate(program.start)]
    x, t = program.batch

    def loss(x: Any, t: Any) -> Any:
        return program.loss(parameters, x, t)

    def descend() -> None:
        for p in parameters:
            p.data -= LR * p.grad
            p.grad = None

    alone = tg.compile(loss)

    def gradients() -> list[Any]:
        for _ in range(2):  # the first call captures the step
            for p in parameters:
                p.grad = None
            if way == "eager":
                loss(x, t).backward()
            else:
                alone(x, t)
        found = [p.grad for p in parameters]
        for p in parameters:
            p.grad = None
        return found

    def eager() -> None:
        loss(x, t).backward(keep="leaves")
        descend()

    def outside() -> None:
        alone(x, t)
        descend()

    if way == "inside":
        step = tg.compile(loss, tg.optim.SGD(parameters, lr=LR))
        return Trainer(lambda: step(x, t), gradients)
    return Trainer(eager if way == "eager" else outside, gradients)


def by_hand(program: Program, buffers: bool) -> Trainer:
    """The side by hand."""
    side = program.hand([p.copy() for p in program.start], buffers)
    x, t = program.batch

    def gradients() -> list[Any]:
        side.cost(x, t)
        return [g.copy() for g in side.gradients]

    return Trainer(lambda: side.step(x, t, LR), gradients)


def pair(make: Callable[[], Program], way: str) -> Pair:
    """Our step against the step by hand, once the two agree on the gradients."""
    program = make()
    mine, theirs = ours(program, way), by_hand(program, buffers=way != "eager")
    training.agree(mine, theirs, program.within)
    return Pair(mine.step, theirs.step)


# ---- the programs ----------------------------------------------------------------------------------------------------


def network(size: str, activation: str, dtype: Any) -> Program:
    """Fully connected layers with an activation between them, and the mean squared error."""
    import tinygrad_lite as tg

    problem = PROBLEMS[size]
    functions: dict[str, Callable[[Any], Any]] = {
        "tanh": np.tanh,
        "sigmoid": tg.sigmoid,
        "relu": tg.relu,
        "gelu": tg.gelu,
    }
    f = functions[activation]
    rng = np.random.default_rng(1)
    x = rng.normal(size=(problem.samples, problem.dims[0])).astype(dtype)
    t = rng.normal(size=(problem.samples, problem.dims[-1])).astype(dtype)
    start = [(p * 0.5**0.5).astype(dtype) for p in problem.parameters()]  # of variance 1 / inputs

    def loss(parameters: Sequence[Any], x: Any, t: Any) -> Any:
        h, weights, biases = x, parameters[::2], parameters[1::2]
        for W, b in zip(weights[:-1], biases[:-1], strict=True):
            h = f(h @ W + b)
        y = h @ weights[-1] + biases[-1]
        return np.mean((y - t) ** 2)

    return Program(start, (x, t), loss, partial(hand.Network, activation=activation))


def cubes(size: int = 1_000_000) -> Program:
    """Cube roots by descent: the mean of (w³ - x)²."""
    rng = np.random.default_rng(0)
    x, start = rng.uniform(0.5, 2.0, size), rng.uniform(0.5, 1.5, size)
    return Program([start], (x, x), lambda p, x, t: np.mean((p[0] ** 3 - x) ** 2), hand.Cubes)


def _answers(samples: int, features: int) -> tuple[Any, Any, list[Any]]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(samples, features))
    t = (x @ rng.normal(size=features) + rng.normal(size=samples) > 0).astype(float)
    return x, t, [rng.normal(size=features) * 0.3, np.zeros(1)]


def regression(samples: int = 100_000, features: int = 50) -> Program:
    """A logistic regression by the loss that is there for it."""
    import tinygrad_lite as tg

    x, t, start = _answers(samples, features)
    f = tg.nn.losses.binary_cross_entropy
    return Program(start, (x, t), lambda p, x, t: f(x @ p[0] + p[1], t), hand.LogisticRegression)


def regression_written_out(samples: int = 100_000, features: int = 50) -> Program:
    """The same by its formula: the mean of log(1 + exp(z)) - t z."""
    x, t, start = _answers(samples, features)

    def loss(p: Sequence[Any], x: Any, t: Any) -> Any:
        z = x @ p[0] + p[1]
        return np.mean(np.logaddexp(0.0, z) - t * z)

    return Program(start, (x, t), loss, hand.LogisticRegression)


def many_classes(samples: int = 64, inputs: int = 128, classes: int = 10_000) -> Program:
    """A layer to many classes, softmax and cross-entropy."""
    import tinygrad_lite as tg

    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(samples, inputs)), rng.integers(0, classes, samples)
    start = [rng.normal(size=(inputs, classes)) * inputs**-0.5, np.zeros(classes)]
    f = tg.nn.losses.cross_entropy
    return Program(start, (x, labels), lambda p, x, t: f(x @ p[0] + p[1], t), hand.ManyClasses)


def convolutional(dtype: Any, samples: int = 32, size: int = 28) -> Program:
    """Images of one channel: two convolutions, ReLU and a maximum of 2 × 2 after each, a layer, and cross-entropy."""
    import tinygrad_lite as tg

    first = tg.nn.Conv(1, 8, (3, 3), padding=1, rng=0, dtype=dtype)
    second = tg.nn.Conv(8, 16, (3, 3), padding=1, rng=1, dtype=dtype)
    last = tg.nn.Linear((size // 4) ** 2 * 16, 10, rng=2, dtype=dtype)
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(samples, size, size, 1)).astype(dtype), rng.integers(0, 10, samples)
    names = [(layer, name) for layer in (first, second, last) for name in ("w", "b")]

    def pooled(h: Any) -> Any:
        n, height, width, channels = h.shape
        return h.reshape(n, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))

    def loss(parameters: Sequence[Any], x: Any, t: Any) -> Any:
        for (layer, name), p in zip(names, parameters, strict=True):
            setattr(layer, name, p)
        h = pooled(tg.relu(first(x)))
        h = pooled(tg.relu(second(h)))
        return tg.nn.losses.cross_entropy(last(h.reshape(len(x), -1)), t)

    start = [getattr(layer, name).data for layer, name in names]
    return Program(start, (x, labels), loss, hand.Convolutional)


# ---- the rows --------------------------------------------------------------------------------------------------------

BY_HAND = {
    "eager": "hand-written NumPy",
    "inside": "NumPy by hand, preallocated",
    "outside": "NumPy by hand, preallocated",
}
EAGER = {"tiny": 2.5, "small": 1.5, "large": 1.2}
DTYPES = {"f64": np.float64, "f32": np.float32}
OTHERS: dict[str, tuple[str, Callable[[], Program]]] = {
    "cubes": ("w ** 3, 10^6 numbers", cubes),
    "regression": ("logistic regression 10^5×50", regression),
    "regression-formula": ("logistic regression 10^5×50, logaddexp", regression_written_out),
    "many-classes": ("softmax of 10,000 classes", many_classes),
    "cnn-f64": ("CNN 28×28, float64", partial(convolutional, np.float64)),
    "cnn-f32": ("CNN 28×28, float32", partial(convolutional, np.float32)),
}

PLAIN: tuple[tuple[str, str, str, float | None, Callable[[], Pair]], ...] = (
    *(
        (
            f"plain-{activation}-{short}-{size}-{way}",
            f"{PROBLEMS[size]}, {activation}, {np.dtype(dtype)}, {way}",
            BY_HAND[way],
            {"eager": EAGER[size], "inside": 1.05, "outside": 1.15}[way],
            partial(pair, partial(network, size, activation, dtype), way),
        )
        for activation in hand.ACTIVATIONS
        for short, dtype in DTYPES.items()
        for size in PROBLEMS
        for way in ("inside", "outside", "eager")
    ),
    *(
        (
            f"plain-{name}-{way}",
            f"{work}, {way}",
            BY_HAND[way],
            limit,
            partial(pair, make, way),
        )
        for name, (work, make) in OTHERS.items()
        for way, limit in (("inside", 1.10), ("eager", None))
    ),
)
"""The fields of rows: name, work, against, limit, and the function that builds the two sides."""
