"""The rows of what is read in parts: steps of an embedding, which read some rows of a table, and loops over a sequence.

The two sides of an embedding's row take the same steps from the same start, which is checked before they are timed. The
code by hand changes the rows that were read, with preallocated running means.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from . import peers
from .measure import Growing, Pair
from .training import Disagreement

__all__ = ["EMBEDDING", "EMBEDDING_PEERS", "SEQUENCES", "against_torch", "both_sizes", "ours", "steps"]

Array = npt.NDArray[Any]
Step = Callable[[Array, Array], object]
Side = tuple[Step, Callable[[], list[Array]]]
"""A step, and the parameters that it changes."""

WIDTH, CLASSES, READ = 64, 10, 256
SIZES = {"50k": 50_000, "500k": 500_000}
LR, TINY = 1e-3, 1e-20
AHEAD = 64
"""Batches, which are drawn in turn: a step must not find its rows in the cache because it was the last to read them."""


def start(rows: int) -> tuple[Array, Array]:
    """The table and the matrix from which both sides start."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(rows, WIDTH)), rng.normal(0.0, WIDTH**-0.5, (WIDTH, CLASSES))


def batches(rows: int) -> list[tuple[Array, Array]]:
    """Words, some of them twice, and their classes."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(AHEAD):
        words = rng.integers(0, rows, READ)
        words[1] = words[0]
        found.append((words, rng.integers(0, CLASSES, READ)))
    return found


# ---- the sides -------------------------------------------------------------------------------------------------------


def ours(rows: int, kind: str, compiled: bool, eps: float = 1e-8) -> Side:
    """A step as a user writes it, and the parameters."""
    import tinygrad_lite as tg

    table, weights = (tg.Value(x) for x in start(rows))
    params = [table, weights]
    optimizer = tg.optim.SGD(params, lr=LR) if kind == "sgd" else tg.optim.Adam(params, lr=LR, eps=eps, lazy=True)

    def loss(words: Any, labels: Any) -> Any:
        return tg.nn.losses.cross_entropy(table[words] @ weights, labels)

    def step(words: Array, labels: Array) -> None:
        optimizer.zero_grad()
        loss(words, labels).backward(keep="leaves")
        optimizer.step()

    return tg.compile(loss, optimizer) if compiled else step, lambda: [table.data, weights.data]


def by_hand(rows: int, kind: str) -> Side:
    """The same step in NumPy, which touches the rows that it read."""
    table, weights = params = start(rows)
    means = [(np.zeros_like(p), np.zeros_like(p)) for p in params]
    t = 0

    def step(words: Array, labels: Array) -> None:
        nonlocal t
        t += 1
        x = table[words]
        d_weights, d_x = gradients(x, weights, labels)
        order = words.argsort(kind="stable")
        words = words[order]
        starts = np.flatnonzero(np.r_[True, words[1:] != words[:-1]])
        read, d_rows = words[starts], np.add.reduceat(d_x[order], starts, axis=0)
        if kind == "sgd":
            table[read] -= LR * d_rows
            weights[...] -= LR * d_weights
            return
        adam(table, read, d_rows, *means[0], t)
        adam(weights, slice(None), d_weights, *means[1], t)

    return step, lambda: [table, weights]


def gradients(x: Array, weights: Array, labels: Array) -> tuple[Array, Array]:
    """The derivatives of the cross-entropy of a linear layer, for its weights and for its inputs."""
    logits = x @ weights
    logits -= logits.max(axis=1, keepdims=True)
    delta = np.exp(logits)
    delta /= delta.sum(axis=1, keepdims=True)
    delta[np.arange(len(x)), labels] -= 1.0
    delta /= len(x)
    return x.T @ delta, delta @ weights.T


def adam(data: Array, rows: Any, g: Array, mean: Array, square: Array, t: int) -> None:
    """One step of Adam, of some rows."""
    m = 0.9 * mean[rows] + 0.1 * g
    v = 0.999 * square[rows] + 0.001 * g * g
    mean[rows], square[rows] = m, v
    data[rows] -= LR / (1.0 - 0.9**t) * m / (np.sqrt(v / (1.0 - 0.999**t)) + 1e-8)


def torch_eager(rows: int, kind: str) -> Side:
    """PyTorch with sparse gradients of the table; its Adam adds eps elsewhere, so it is too small to matter here."""
    torch = peers.needs("torch")
    torch.set_num_threads(1)
    table, weights = (torch.tensor(x, requires_grad=True) for x in start(rows))
    if kind == "sgd":
        optimizers = [torch.optim.SGD([table, weights], lr=LR)]
    else:
        optimizers = [torch.optim.SparseAdam([table], lr=LR, eps=TINY), torch.optim.Adam([weights], lr=LR, eps=TINY)]

    def step(words: Array, labels: Array) -> None:
        x = torch.nn.functional.embedding(torch.from_numpy(words), table, sparse=True)
        loss = torch.nn.functional.cross_entropy(x @ weights, torch.from_numpy(labels))
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()

    return step, lambda: [table.detach().numpy(), weights.detach().numpy()]


def agree(one: Side, other: Side, rows: int, within: float = 1e-10) -> None:
    """Raise ``Disagreement`` where the two sides' parameters differ after four steps."""
    for words, labels in batches(rows)[:4]:
        one[0](words, labels)
        other[0](words, labels)
    for a, b in zip(one[1](), other[1](), strict=True):
        if not np.abs(a - b).max() <= within:
            raise Disagreement("the two sides' parameters differ after four steps; nothing was timed")


def in_turn(step: Step, rows: int) -> Callable[[], object]:
    """The step on one batch after the other."""
    found, k = batches(rows), 0

    def program() -> object:
        nonlocal k
        k = (k + 1) % AHEAD
        return step(*found[k])

    return program


# ---- the rows --------------------------------------------------------------------------------------------------------


def steps(size: str, kind: str, compiled: bool, side: Callable[[int, str], Side] = by_hand, eps: float = 1e-8) -> Pair:
    """Our step against another side's, once the two agree."""
    rows = SIZES[size]
    mine, theirs = ours(rows, kind, compiled, eps), side(rows, kind)
    agree(mine, theirs, rows)
    return Pair(in_turn(mine[0], rows), in_turn(theirs[0], rows))


def both_sizes(kind: str, compiled: bool) -> Pair:
    """Our step of the large table against that of the small one."""
    large, small = (in_turn(ours(rows, kind, compiled)[0], rows) for rows in (SIZES["500k"], SIZES["50k"]))
    return Pair(large, small)


def against_torch(size: str, kind: str, compiled: bool) -> Pair:
    """Our step against PyTorch's."""
    return steps(size, kind, compiled, torch_eager, TINY)


def recurrence(x: Any, w: Any) -> Any:
    """The sum of squares of the last state of a loop over the rows of a sequence."""
    h: Any = np.zeros(x.shape[1])
    for t in range(x.shape[0]):
        h = np.tanh(x[t] + w * h)
    return (h * h).sum()


def sequence(length: int) -> tuple[Any, Any]:
    """A sequence of vectors, and the loop's weights."""
    import tinygrad_lite as tg

    return tg.Value(np.random.default_rng(0).normal(size=(length, 4)), "x"), tg.Value(np.full(4, 0.5), "w")


def backward_of_loop() -> Growing:
    """Backward through the loop."""

    def make(length: int) -> Callable[[], object]:
        loss = recurrence(*sequence(length))
        return lambda: loss.backward()

    return Growing(make, smallest=100, beyond=0.1)


def gradient_of_loop() -> Growing:
    """``tg.grad`` of the loop, forward and back."""
    import tinygrad_lite as tg

    def make(length: int) -> Callable[[], object]:
        x, w = sequence(length)
        gradient = tg.grad(lambda x: recurrence(x, w.data))
        return lambda: gradient(x.data)

    return Growing(make, smallest=100, beyond=0.1)


def replay_of_loop() -> Growing:
    """A compiled step of the loop."""
    import tinygrad_lite as tg

    def make(length: int) -> Callable[[], object]:
        x, w = sequence(length)
        step = tg.compile(lambda: recurrence(x, w))
        step()
        return step

    return Growing(make, smallest=100, beyond=0.003)


def source_of_loop() -> Growing:
    """The source that ``manual_backprop`` writes of the loop, run: up to the longest that it writes."""
    import tinygrad_lite as tg

    def make(length: int) -> Callable[[], object]:
        x, w = sequence(length)
        source = tg.manual_backprop(recurrence(x, w), wrt={"x": x, "w": w})
        return lambda: source.run()

    return Growing(make, smallest=7, beyond=0.0002)


BY_HAND, TORCH = "NumPy by hand, on rows", "PyTorch eager, sparse, CPU"
NAMES = {"sgd": "SGD", "adam": "lazy Adam"}
WAYS = {"": False, "-compiled": True}


def _work(size: str, kind: str, compiled: bool) -> str:
    return f"{'compiled ' * compiled}embedding {SIZES[size]:,}×{WIDTH}, {READ} rows, {NAMES[kind]}"


EMBEDDING: tuple[tuple[str, str, str, float | None, Callable[[], Pair]], ...] = (
    *(
        (
            f"embedding-{kind}-{size}{way}",
            _work(size, kind, compiled),
            BY_HAND,
            2.0,
            partial(steps, size, kind, compiled),
        )
        for kind in NAMES
        for size in SIZES
        for way, compiled in WAYS.items()
    ),
    *(
        (
            f"embedding-{kind}-sizes{way}",
            _work("500k", kind, compiled),
            f"{SIZES['50k']:,} rows",
            1.25,
            partial(both_sizes, kind, compiled),
        )
        for kind in NAMES
        for way, compiled in WAYS.items()
    ),
)
"""The fields of rows: name, work, against, limit, and the function that builds the two sides."""

EMBEDDING_PEERS: tuple[tuple[str, str, str, float | None, Callable[[], Pair]], ...] = tuple(
    (
        f"embedding-torch-{kind}{way}",
        _work("50k", kind, compiled),
        TORCH,
        None,
        partial(against_torch, "50k", kind, compiled),
    )
    for kind in NAMES
    for way, compiled in WAYS.items()
)

SEQUENCES: tuple[tuple[str, str, float | None, Callable[[], Growing]], ...] = (
    ("growth-slices", "loop over x[t], to 10^5 steps: backward", 1.1, backward_of_loop),
    ("growth-slices-grad", "loop over x[t], to 10^5 steps: tg.grad", 1.1, gradient_of_loop),
    ("growth-slices-compiled", "loop over x[t], to 3,000 steps: compiled", 1.1, replay_of_loop),
    ("growth-slices-written", "loop over x[t], to 220 steps: manual_backprop's source", 1.1, source_of_loop),
)
"""The fields of rows whose number is the exponent of growth: name, work, limit, and the function that builds them."""
