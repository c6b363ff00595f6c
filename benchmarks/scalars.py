"""Programs on scalars, one Value for each number, that run on this project and on micrograd alike.

Each takes the names that such a program imports, ``Value`` and ``MLP``, and nothing else of the framework: the two
sides differ only in their import lines.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

from .measure import Growing, Pair, Program
from .peers import needs
from .training import Disagreement

__all__ = [
    "backward_of_chain",
    "chain",
    "eager",
    "eager_per_op",
    "held_chain",
    "held_mixed",
    "mixed",
    "moons",
    "our_names",
    "per_op",
    "their_names",
    "whole_chain",
]

Names = tuple[Any, Any]


def our_names() -> Names:
    """The names that a program for this project imports."""
    from tinygrad_lite import Value
    from tinygrad_lite.nn.scalar import MLP

    return Value, MLP


def their_names() -> Names:
    """The names that a program for micrograd imports."""
    needs("micrograd")
    from micrograd.engine import Value
    from micrograd.nn import MLP

    return Value, MLP


# ---- a network of scalars --------------------------------------------------------------------------------------------


def moons(samples: int = 100) -> tuple[list[list[float]], list[int]]:
    """Points in two half-moons, each with its label, 1 or -1. They are Python floats: NumPy's slow scalar code down."""
    rng = random.Random(0)
    points, labels = [], []
    for k in range(samples):
        angle = math.pi * rng.random()
        x, y = math.cos(angle), math.sin(angle)
        if k % 2:
            x, y = 1.0 - x, 0.5 - y
        points.append([x + rng.gauss(0.0, 0.1), y + rng.gauss(0.0, 0.1)])
        labels.append(1 if k % 2 else -1)
    return points, labels


def per_op(model: Any, x: Any) -> Any:
    """``model(x)`` with each neuron's sum written product by product, as micrograd's own neurons do it."""
    for layer in model.layers:
        sums = [sum((w * xi for w, xi in zip(n.w, x, strict=True)), n.b) for n in layer.neurons]
        x = [z.relu() if n.nonlin else z for n, z in zip(layer.neurons, sums, strict=True)]
    return x[0]


def _passes(names: Names, call: Callable[[Any, Any], Any]) -> tuple[Callable[[], Any], Any]:
    """MLP(2, [16, 16, 1]) forward and backward on 100 points with hinge loss, as in micrograd's demo; and the model."""
    Value, MLP = names
    random.seed(1337)
    model = MLP(2, [16, 16, 1])
    points, labels = moons()

    def program() -> Any:
        inputs = [list(map(Value, point)) for point in points]
        scores = [call(model, x) for x in inputs]
        losses = [(1 + -label * score).relu() for label, score in zip(labels, scores, strict=True)]
        loss = sum(losses) * (1.0 / len(losses))
        model.zero_grad()
        loss.backward()
        return loss

    return program, model


def eager() -> Pair:
    """Forward and backward of the network, each side by its own ``MLP``. Here a neuron sums in one op."""
    return _agreeing(lambda model, x: model(x))


def eager_per_op() -> Pair:
    """The same, with each product and each addition an op of its own on both sides: the cost of an op."""
    return _agreeing(per_op)


def _agreeing(call: Callable[[Any, Any], Any]) -> Pair:
    """Both sides with the same weights, once they agree on the loss and on every gradient."""
    program, model = _passes(our_names(), call)
    peer_program, peer_model = _passes(their_names(), call)
    pairs = [(program().data, peer_program().data)]
    pairs += [(p.grad, q.grad) for p, q in zip(model.parameters(), peer_model.parameters(), strict=True)]
    for a, b in pairs:
        if not math.isclose(a, b, rel_tol=1e-10, abs_tol=1e-12):
            raise Disagreement(f"the loss or a gradient is {a!r} here and {b!r} there; nothing was timed")
    return Pair(program, peer_program)


# ---- many ops --------------------------------------------------------------------------------------------------------


def chain(Value: Any, ops: int) -> Any:
    """A chain of ``ops`` ops: products and sums in turn, each of the op before.

    The factor is 1, so that the gradient neither vanishes nor overflows through a million ops.
    """
    x, a, b = Value(0.5), Value(1.0), Value(1e-6)
    for _ in range(ops // 2):
        x = x * a + b
    return x


def mixed(Value: Any, ops: int) -> Any:
    """A chain of ``ops`` ops of every kind that micrograd has, on numbers and Values. Values stay from 0 to 1.1."""
    x, a, b = Value(0.5), Value(0.25), Value(2.0)
    for _ in range(ops // 8):
        x = (a - x * 0.5) ** 2 / b + (-x + 1.0).relu()
    return x


def held_chain() -> Pair:
    """The graph of ``chain``, built and held."""
    return _held(chain)


def held_mixed() -> Pair:
    """The graph of ``mixed``, built and held."""
    return _held(mixed)


def _held(build: Callable[[Any, int], Any], ops: int = 80_000) -> Pair:
    ours, theirs = our_names()[0], their_names()[0]
    return Pair(lambda: build(ours, ops), lambda: build(theirs, ops), parts=ops)


def backward_of_chain() -> Growing:
    """Backward through a prepared chain, for every length."""
    Value, _ = our_names()

    def make(ops: int) -> Program:
        end = chain(Value, ops)
        program: Program = end.backward
        return program

    return Growing(make)


def whole_chain() -> Growing:
    """A chain built, differentiated and freed, for every length. Recursive engines end near 1,000 ops."""
    Value, _ = our_names()
    return Growing(lambda ops: lambda: chain(Value, ops).backward())
