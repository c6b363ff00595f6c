"""The training steps of ``training`` in other frameworks, each as its own users write it.

A peer is imported only when its row runs. A peer that is not installed raises ``Missing``, and the table says so. Each
works in float64 on the CPU, with its default number of threads.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .training import LR, Problem, Trainer

__all__ = ["PEERS", "Missing", "hips_autograd", "jax_jit", "needs", "torch_eager"]

Array = npt.NDArray[np.float64]

PEERS = ("micrograd", "autograd", "torch", "jax")
"""The names of their modules, which are also the names of their packages."""


class Missing(ImportError):
    """A peer that is not installed."""


def needs(peer: str) -> Any:
    """The module of a peer. Raises ``Missing``, with the command that installs it."""
    try:
        return importlib.import_module(peer)
    except ModuleNotFoundError as error:
        if error.name != peer:  # it is installed, but one of its own imports fails
            raise
        raise Missing(f"{peer} is not installed: pip install {peer}") from None


def hips_autograd(problem: Problem) -> Trainer:
    """HIPS autograd: functions of NumPy arrays, traced anew at each call."""
    needs("autograd")
    import autograd.numpy as anp
    from autograd import value_and_grad

    loss_and_gradients = value_and_grad(_loss(problem, anp))
    parameters = problem.parameters()
    x, targets = problem.batch()

    def step() -> float:
        loss, gradients = loss_and_gradients(parameters, x, targets)
        for p, g in zip(parameters, gradients, strict=True):
            p -= LR * g
        return float(loss)

    return Trainer(step, lambda: loss_and_gradients(parameters, x, targets)[1])


def jax_jit(problem: Problem) -> Trainer:
    """JAX: the whole step compiled by XLA; the new parameters take the memory of the old."""
    jax = needs("jax")
    import jax.numpy as jnp

    loss_and_gradients = jax.value_and_grad(_loss(problem, jnp))

    def new_parameters(parameters: Any, x: Any, targets: Any) -> Any:
        loss, gradients = loss_and_gradients(parameters, x, targets)
        return loss, [p - LR * g for p, g in zip(parameters, gradients, strict=True)]

    with jax.enable_x64(True):  # otherwise JAX casts everything to float32; the block restores the user's setting
        x, targets = map(jnp.asarray, problem.batch())
        parameters = [jnp.asarray(p) for p in problem.parameters()]
        compiled = jax.jit(new_parameters, donate_argnums=0).lower(parameters, x, targets).compile()

    def step() -> Any:
        nonlocal parameters
        loss, parameters = compiled(parameters, x, targets)
        return jax.block_until_ready((loss, parameters))

    def gradients() -> Sequence[Array]:
        with jax.enable_x64(True):
            return [np.asarray(g) for g in loss_and_gradients(parameters, x, targets)[1]]

    return Trainer(step, gradients)


def torch_eager(problem: Problem) -> Trainer:
    """PyTorch in eager mode, with its own layers, loss and optimizer."""
    torch = needs("torch")
    classifies = problem.kind == "classifier"
    layers: list[Any] = []
    for width, next_width in zip(problem.dims[:-1], problem.dims[1:], strict=True):
        layers += [
            torch.nn.Linear(width, next_width, dtype=torch.float64),
            torch.nn.ReLU() if classifies else torch.nn.Sigmoid(),
        ]
    model = torch.nn.Sequential(*(layers[:-1] if classifies else layers))
    with torch.no_grad():
        for p, start in zip(model.parameters(), problem.parameters(), strict=True):
            p.copy_(torch.from_numpy(start.T))  # PyTorch's weights have shape (to, from)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    x, targets = map(torch.from_numpy, problem.batch())

    def loss() -> Any:
        if classifies:
            return torch.nn.functional.cross_entropy(model(x), targets)
        return 0.5 * torch.nn.functional.mse_loss(model(x), targets, reduction="sum")

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    def gradients() -> Sequence[Array]:
        model.zero_grad()
        loss().backward()
        return [p.grad.numpy().T.copy() for p in model.parameters()]

    return Trainer(step, gradients)


def _loss(problem: Problem, np: Any) -> Callable[[Any, Any, Any], Any]:
    """The loss of ``problem`` as a function of parameters, inputs and targets, in any module with NumPy's functions."""

    def outputs(parameters: Any, x: Any, activation: Callable[[Any], Any]) -> Any:
        *hidden, (w, b) = zip(parameters[::2], parameters[1::2], strict=True)
        for hidden_w, hidden_b in hidden:
            x = activation(np.dot(x, hidden_w) + hidden_b)
        return np.dot(x, w) + b

    def sigmoid(z: Any) -> Any:
        return 0.5 * (np.tanh(0.5 * z) + 1.0)

    def logistic(parameters: Any, x: Any, t: Any) -> Any:
        y = sigmoid(outputs(parameters, x, sigmoid))
        return 0.5 * np.sum((y - t) ** 2)

    def classifier(parameters: Any, x: Any, labels: Any) -> Any:
        logits = outputs(parameters, x, lambda z: np.maximum(z, 0.0))
        logits = logits - np.max(logits, axis=1, keepdims=True)
        right = logits[np.arange(len(labels)), labels]
        return np.mean(np.log(np.sum(np.exp(logits), axis=1)) - right)

    return classifier if problem.kind == "classifier" else logistic
