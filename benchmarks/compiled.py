"""The rows of ``tinygrad_lite.compile``: compiled steps against code by hand.

The two sides of a row train the same network from the same weights, and agree on their results before they are timed.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from . import handwritten_buffers, handwritten_functions, peers, scalars, training
from .measure import Pair
from .training import LR, PROBLEMS, Problem, Trainer

__all__ = ["COMPILED", "COMPILED_PEERS", "by_hand", "half_adder", "ours", "scalar_network", "steps"]


def ours(problem: Problem) -> Trainer:
    """Our network, with its whole training step compiled."""
    import tinygrad_lite as tg

    model, loss = modelled(problem)
    step = tg.compile(loss, tg.optim.SGD(model.parameters(), lr=LR))
    alone = tg.compile(loss)
    x, targets = problem.batch()

    def gradients() -> list[Any]:
        model.zero_grad()
        alone(x, targets)  # the first call captures the step
        model.zero_grad()
        alone(x, targets)
        return [parameter.grad for parameter in model.parameters()]

    return Trainer(lambda: step(x, targets), gradients)


def modelled(problem: Problem) -> tuple[Any, Callable[[Any, Any], Any]]:
    """Our network, with the starting weights, and its loss as a function of a batch."""
    from tinygrad_lite import nn

    classifies = problem.kind == "classifier"
    activation, output = ("relu", "linear") if classifies else ("sigmoid", "sigmoid")
    model = nn.MLP(list(problem.dims), activation=activation, output=output)
    model.load_state_dict(dict(zip(model.named_parameters(), problem.parameters(), strict=True)))
    if classifies:
        return model, lambda x, labels: nn.losses.cross_entropy(model(x), labels)
    return model, lambda x, t: nn.losses.half_squared_error(model(x), t, reduction="sum")


def by_hand(problem: Problem) -> Trainer:
    """The network in hand-written NumPy with preallocated buffers."""
    kind = handwritten_buffers.Classifier if problem.kind == "classifier" else handwritten_buffers.Logistic
    network = kind(problem.parameters(), problem.samples)
    x, targets = problem.batch()

    def gradients() -> list[Any]:
        network.cost(x, targets)
        return [g.copy() for g in network.gradients]

    return Trainer(lambda: network.step(x, targets, LR), gradients)


def steps(side: Callable[[Problem], Trainer], size: str) -> Pair:
    """Our compiled training step against another side's step, once the two agree on the gradients."""
    mine, theirs = ours(PROBLEMS[size]), side(PROBLEMS[size])
    training.agree(mine, theirs)
    return Pair(mine.step, theirs.step)


def elementwise(size: int) -> Pair:
    """A step of a formula without matrix products, on arrays of ``size`` numbers: compiled, and by hand."""
    import tinygrad_lite as tg

    rng = np.random.default_rng(0)
    start, x = rng.normal(size=size), rng.normal(size=size)
    w, by_hand = tg.Value(start.copy()), handwritten_buffers.Elementwise(start.copy())

    def mean(x: Any) -> Any:
        return (w.sigmoid() * (-(w * x - 1.0).square()).exp()).mean()

    alone = tg.compile(mean)
    mine = Trainer(lambda: alone(x), lambda: [w.grad])
    theirs = Trainer(lambda: by_hand.cost(x), lambda: [by_hand.gradient.copy()])
    mine.step()
    theirs.step()
    training.agree(mine, theirs)
    step = tg.compile(mean, tg.optim.SGD([w], lr=LR))
    return Pair(lambda: step(x), lambda: by_hand.step(x, LR))


# ---- scalars -----------------------------------------------------------------------------------------------------


def scalar_network(backend: str | None = None) -> Pair:
    """MLP(2, [16, 16, 1]) on 100 points, hinge loss, forward and backward: compiled, and micrograd unchanged."""
    import tinygrad_lite as tg

    if backend == "numba":
        peers.needs("numba")
    model, loss = _moons_loss(scalars.our_names())
    peer_model, peer_loss = _moons_loss(scalars.their_names())
    step = tg.compile(loss, backend=backend)

    def compiled() -> float:
        model.zero_grad()
        cost: float = step()
        return cost

    def theirs() -> Any:
        peer_model.zero_grad()
        end = peer_loss()
        end.backward()
        return end.data

    compiled()  # the first call captures the step
    pairs = [(compiled(), theirs())]
    pairs += [(p.grad, q.grad) for p, q in zip(model.parameters(), peer_model.parameters(), strict=True)]
    _check(pairs)
    return Pair(compiled, theirs)


def _moons_loss(names: tuple[Any, Any]) -> tuple[Any, Callable[[], Any]]:
    Value, MLP = names
    random.seed(1337)
    model = MLP(2, [16, 16, 1])
    points, labels = scalars.moons()

    def loss() -> Any:
        scores = [model(list(map(Value, point))) for point in points]
        losses = [(1 + -label * score).relu() for label, score in zip(labels, scores, strict=True)]
        return sum(losses) * (1.0 / len(losses))

    return model, loss


def _check(pairs: list[tuple[float, float]]) -> None:
    for a, b in pairs:
        if not math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12):
            raise training.Disagreement(
                f"the loss, a gradient or a weight is {a!r} here and {b!r} there; nothing was timed"
            )


RATE, GOAL = 4.0, 1e-3


def half_adder(backend: str | None = None) -> Pair:
    """A half adder of scalars, trained until the cost is below 1e-3: compiled, and one function per derivative."""
    import tinygrad_lite as tg

    if backend == "numba":
        peers.needs("numba")
    x, t = tg.datasets.half_adder()
    net = tg.nn.scalar.MLP(2, [2, 2, 2], activation="sigmoid", output="sigmoid", init="uniform", rng=0)
    start = net.state_dict()
    optimizer = tg.optim.SGD(net.parameters(), lr=RATE)
    step = tg.compile(lambda: tg.nn.losses.half_squared_error(net(x), t), optimizer, backend=backend)

    def compiled() -> dict[str, float]:
        net.load_state_dict(start)
        while step() > GOAL:
            pass
        return net.state_dict()

    samples = list(zip(x.tolist(), t.tolist(), strict=True))

    def by_functions() -> dict[str, float]:
        w = dict(start)
        while handwritten_functions.step(w, samples, RATE) > GOAL:
            pass
        return w

    ours, theirs = compiled(), by_functions()
    _check([(ours[name], theirs[name]) for name in start])
    return Pair(compiled, by_functions)


MICROGRAD, BY_HAND = "micrograd, same program", "NumPy by hand, preallocated"
NETWORK = "compiled scalars: MLP(2,[16,16,1])×100"

COMPILED: tuple[tuple[str, str, str, float | None, Callable[[], Pair]], ...] = (
    ("compiled-scalars", NETWORK, MICROGRAD, 1 / 100, partial(scalar_network, "numpy")),
    ("compiled-numba", f"{NETWORK}, numba", MICROGRAD, 1 / 1000, partial(scalar_network, "numba")),
    ("compiled-adder", f"compiled half adder to {GOAL:g}", "a function per parameter", 1 / 8, half_adder),
    (
        "compiled-adder-numba",
        f"compiled half adder to {GOAL:g}, numba",
        "a function per parameter",
        1 / 8,
        partial(half_adder, "numba"),
    ),
    *(
        (f"compiled-{size}", f"compiled step {PROBLEMS[size]}", BY_HAND, 1.05, partial(steps, by_hand, size))
        for size in PROBLEMS
    ),
    *(
        (
            f"compiled-elementwise-{name}",
            f"compiled step, elementwise, {size:,} numbers",
            BY_HAND,
            None,
            partial(elementwise, size),
        )
        for name, size in (("small", 10_000), ("large", 4_000_000))
    ),
)

COMPILED_PEERS: tuple[tuple[str, str, str, float | None, Callable[[], Pair]], ...] = (
    *(
        (f"compiled-{name}-{size}", f"compiled step {PROBLEMS[size]}", against, None, partial(steps, side, size))
        for name, against, side in (
            ("torch", "PyTorch eager, CPU", peers.torch_eager),
            ("jax", "JAX jit, CPU", peers.jax_jit),
        )
        for size in PROBLEMS
    ),
)
"""The fields of rows: name, work, against, limit, and the function that builds the two sides."""
