"""Three networks to train, and our side of each: calls dominate the smallest, matrix products the largest.

A problem is data and starting weights; every side gets copies. The sides have to agree on their gradients before they
are timed: a benchmark of two different computations says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from . import handwritten

__all__ = ["LR", "PROBLEMS", "Disagreement", "Problem", "Trainer", "agree", "by_hand", "ours", "recorded", "written"]

Array = npt.NDArray[np.float64]

LR = 1e-3  # small: ten thousand steps must not end in a trained network, where all exponentials underflow


class Disagreement(ValueError):
    """Two sides compute different gradients."""


@dataclass(frozen=True)
class Problem:
    """A fully connected network and one batch for it.

    ``dims`` are the widths, the inputs first. ``kind`` is ``"logistic"`` (sigmoids everywhere, C = ½ Σ (y - t)²) or
    ``"classifier"`` (hidden ReLUs, softmax and cross-entropy).
    """

    dims: tuple[int, ...]
    samples: int
    kind: str

    def parameters(self) -> list[Array]:
        """New arrays w1, b1, w2, b2, …, the same at every call."""
        rng = np.random.default_rng(0)
        parameters = []
        for width, next_width in zip(self.dims[:-1], self.dims[1:], strict=True):
            parameters += [rng.normal(0.0, (2.0 / width) ** 0.5, (width, next_width)), np.zeros(next_width)]
        return parameters

    def batch(self) -> tuple[Array, npt.NDArray[Any]]:
        """Inputs (samples, inputs), and targets (samples, outputs) or labels (samples,)."""
        rng = np.random.default_rng(1)
        x = rng.normal(size=(self.samples, self.dims[0]))
        if self.kind == "classifier":
            return x, rng.integers(0, self.dims[-1], self.samples)
        return x, rng.integers(0, 2, (self.samples, self.dims[-1])).astype(float)

    def __str__(self) -> str:
        return f"{list(self.dims)}×{self.samples}".replace(" ", "")


PROBLEMS = {
    "tiny": Problem((2, 10, 2), 4, "logistic"),
    "small": Problem((64, 128, 64, 10), 64, "classifier"),
    "large": Problem((784, 512, 256, 10), 256, "classifier"),
}


@dataclass(frozen=True)
class Trainer:
    """One side: ``step()`` is a whole training step, ``gradients()`` the gradients at the current parameters."""

    step: Callable[[], object]
    gradients: Callable[[], Sequence[Array]]


def agree(one: Trainer, other: Trainer, within: float = 1e-10) -> None:
    """Raise ``Disagreement`` where the gradients of two sides differ by more than ``within`` of the largest element."""
    for k, (a, b) in enumerate(zip(one.gradients(), other.gradients(), strict=True)):
        scale = np.abs(b).max()
        if a.shape != b.shape or not np.abs(a - b).max() <= within * scale:
            worst = np.abs(a - b).max() / scale if a.shape == b.shape else f"shapes {a.shape} and {b.shape}"
            raise Disagreement(f"parameter {k}: the two sides' gradients differ: {worst}; nothing was timed")


def by_hand(problem: Problem) -> Trainer:
    """The network in hand-written NumPy."""
    gradients_of = handwritten.classifier if problem.kind == "classifier" else handwritten.logistic
    parameters = problem.parameters()
    x, targets = problem.batch()

    def step() -> float:
        loss, gradients = gradients_of(parameters, x, targets)
        handwritten.descend(parameters, gradients, LR)
        return loss

    return Trainer(step, lambda: gradients_of(parameters, x, targets)[1])


def ours(problem: Problem) -> Trainer:
    """The same network as a user of this project writes it."""
    from tinygrad_lite import optim

    model, loss = _modelled(problem)
    optimizer = optim.SGD(model.parameters(), lr=LR)

    def step() -> None:
        optimizer.zero_grad()
        loss().backward(keep="leaves")
        optimizer.step()

    def gradients() -> list[Array]:
        model.zero_grad()
        loss().backward(keep="leaves")
        return [parameter.grad for parameter in model.parameters()]

    return Trainer(step, gradients)


def written(problem: Problem) -> Trainer:
    """The source that ``manual_backprop`` writes for the same network, run instead of the code by hand."""
    from tinygrad_lite import manual_backprop

    loss, parameters = recorded(problem)
    source = manual_backprop(loss, parameters)
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    backprop = namespace["backprop"]
    ours = problem.parameters()
    data = list(source.arguments.values())[len(ours) :]

    def gradients() -> list[Array]:
        return list(backprop(*ours, *data)[1].values())

    def step() -> None:
        handwritten.descend(ours, gradients(), LR)

    return Trainer(step, gradients)


def recorded(problem: Problem) -> tuple[Any, list[Any]]:
    """The recorded loss of this project's network, and its parameters: for sweeps over the graph."""
    model, loss = _modelled(problem)
    return loss(), model.parameters()


def _modelled(problem: Problem) -> tuple[Any, Callable[[], Any]]:
    """Our network, with the starting weights, and its loss as a function without arguments."""
    from tinygrad_lite import nn

    classifies = problem.kind == "classifier"
    activation, output = ("relu", "linear") if classifies else ("sigmoid", "sigmoid")
    model = nn.MLP(list(problem.dims), activation=activation, output=output)
    model.load_state_dict(dict(zip(model.named_parameters(), problem.parameters(), strict=True)))
    x, targets = problem.batch()

    def loss() -> Any:
        if classifies:
            return nn.losses.cross_entropy(model(x), targets)
        return nn.losses.half_squared_error(model(x), targets, reduction="sum")

    return model, loss
