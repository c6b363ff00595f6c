"""Questions about paths to networks of a real size, and the growth of what is written out and compared.

A transformer of twenty-one blocks has more than 10^400 paths from its loss to an input; a network of fourteen residual
blocks has 16,384 sequences of modules. Both are written as a user writes them, with plain ops.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from .measure import Effort, Growing, Measurement, Pair, Program, growth, peak_ratio, time_ratio, told_ratio
from .training import Disagreement

__all__ = ["PATHS", "by_module", "compared", "counted", "derived", "residual", "transformer", "written"]

PathRow = tuple[str, str, str, float | None, Callable[[Any, Effort], Measurement], Callable[[], Pair | Growing]]
"""What a row of the table is made of, in its order."""

BLOCKS, WIDTH, TOKENS, HEADS = 21, 64, 32, 4
"""The transformer."""

_GIGABYTE = 10**9
_SECONDS = 10.0

# ---- counting --------------------------------------------------------------------------------------------------------


def transformer(blocks: int, width: int = WIDTH, tokens: int = TOKENS, heads: int = HEADS) -> tuple[Any, list[Any]]:
    """A mean square over the outputs of a stack of transformer blocks, and its weights; the input comes first."""
    import tinygrad_lite as tg

    rng = np.random.default_rng(0)

    def weight(rows: int, columns: int) -> Any:
        parameters.append(tg.Value(rng.normal(0.0, 1 / math.sqrt(rows), (rows, columns))))
        return parameters[-1]

    def normalised(z: Any) -> Any:
        centred = z - z.mean(axis=-1, keepdims=True)
        return centred / tg.sqrt((centred * centred).mean(axis=-1, keepdims=True) + 1e-5)

    def split(z: Any) -> Any:
        return z.reshape(tokens, heads, width // heads).transpose(1, 0, 2)

    h = tg.Value(rng.normal(size=(tokens, width)))
    parameters = [h]
    for _ in range(blocks):
        z = normalised(h)
        q, k, v = (split(z @ weight(width, width)) for _ in range(3))
        attention = tg.softmax(q @ k.transpose(0, 2, 1) / math.sqrt(width // heads), axis=-1)
        h = h + (attention @ v).transpose(1, 0, 2).reshape(tokens, width) @ weight(width, width)
        h = h + tg.gelu(normalised(h) @ weight(width, 2 * width)) @ weight(2 * width, width)
    return h.square().mean(), parameters


def counted(semiring: str, blocks: int = BLOCKS, at_least: int = 10**400) -> Pair:
    """A number of all paths of a transformer to every parameter, against the gradient by the same kind of sweep."""
    import tinygrad_lite as tg

    loss, parameters = transformer(blocks)
    some, every, log = (
        tg.sweep(loss, kind, wrt=parameters[0]).reshape(-1)
        for kind in (tg.semirings.ACTIVE_COUNT, tg.semirings.COUNT, tg.semirings.LOG_COUNT)
    )
    if any(few > many or many < at_least for few, many in zip(some, every, strict=True)):
        raise Disagreement("the numbers of paths are wrong; nothing was timed")
    if not np.allclose([math.log(n) for n in every], log, rtol=1e-12):
        raise Disagreement("the numbers of paths and their logarithms differ; nothing was timed")
    ours, theirs = getattr(tg.semirings, semiring), tg.semirings.GRADIENT
    return Pair(partial(tg.sweep, loss, ours, wrt=parameters), partial(tg.sweep, loss, theirs, wrt=parameters))


# ---- sequences of modules --------------------------------------------------------------------------------------------


def residual(blocks: int, width: int, samples: int) -> Any:
    """The paths from the loss of a network of residual blocks to a weight of its first layer."""
    import tinygrad_lite as tg
    from tinygrad_lite import nn

    class Block(nn.Module):  # type: ignore[misc, unused-ignore]
        def __init__(self, rng: np.random.Generator) -> None:
            self.inner, self.outer = nn.Linear(width, width, rng=rng), nn.Linear(width, width, rng=rng)

        def __call__(self, x: Any) -> Any:
            return x + 0.1 * self.outer(tg.tanh(self.inner(x)))

    class Residual(nn.Module):  # type: ignore[misc, unused-ignore]
        def __init__(self, rng: np.random.Generator) -> None:
            self.first = nn.Linear(width, width, rng=rng)
            self.blocks = [Block(rng) for _ in range(blocks)]
            self.last = nn.Linear(width, 1, rng=rng)

        def __call__(self, x: Any) -> Any:
            h = self.first(x)
            for block in self.blocks:
                h = block(h)
            return self.last(h)

    rng = np.random.default_rng(0)
    net = Residual(rng)
    loss = nn.losses.half_squared_error(net(rng.normal(size=(samples, width))), np.ones((samples, 1)))
    return tg.gradient_paths(loss, net.first.w, at=(0, 0))


def by_module(what: str, blocks: int = 14, width: int = 64, samples: int = 64) -> Pair:
    """The contributions of all sequences of modules, against ten seconds or a gigabyte."""
    paths = residual(blocks, width, samples)
    found = paths.by("module")
    if len(found) != 2**blocks or not math.isclose(math.fsum(found.values()), paths.total, rel_tol=1e-9):
        raise Disagreement("the contributions do not add up to the gradient; nothing was timed")
    if what == "memory":
        return Pair(lambda: paths.by("module"), lambda: np.empty(_GIGABYTE, dtype=np.uint8))

    def seconds() -> float:
        start = time.perf_counter()
        paths.by("module")
        return time.perf_counter() - start

    return Pair(seconds, lambda: _SECONDS)


# ---- growth ----------------------------------------------------------------------------------------------------------


def _scalars(dims: list[int]) -> tuple[Any, Any]:
    """A network of scalars with one input of each kind, and its loss."""
    from tinygrad_lite import nn

    net = nn.scalar.MLP(dims[0], dims[1:], activation="tanh", rng=0)
    return net, nn.losses.half_squared_error(net([0.5 / (k + 1) for k in range(dims[0])]), 0.2)


def _wide(edges: int) -> tuple[Any, Any]:
    """[2, n, n, 1], of n² + 3n weights."""
    n = max(1, round(math.sqrt(edges + 2.25) - 1.5))
    return _scalars([2, n, n, 1])


def _deep(edges: int) -> tuple[Any, Any]:
    """One neuron a layer, each with a weight, a bias and an activation."""
    return _scalars([1] * (max(1, edges // 3) + 1))


def _growing(network: Callable[[int], tuple[Any, Any]], program: Callable[[Any, Any], Program]) -> Growing:
    """``program(net, loss)`` of networks of scalars, which ``network(edges)`` makes."""
    return Growing(lambda edges: program(*network(edges)), smallest=100, beyond=0.01)


def derived() -> Growing:
    """``derive`` of the first weight of a network of scalars that grows in depth."""
    import tinygrad_lite as tg

    return _growing(_deep, lambda net, loss: partial(tg.derive, loss, net.parameters()[0]))


def written() -> Growing:
    """``manual_backprop`` of a network of scalars that grows in width."""
    import tinygrad_lite as tg

    return _growing(_wide, lambda net, loss: partial(tg.manual_backprop, loss, wrt=net))


def compared() -> Growing:
    """``compare`` of a network of scalars that grows in width."""
    import tinygrad_lite as tg

    return _growing(_wide, lambda net, loss: partial(tg.compare, loss, wrt=net))


# ---- rows ------------------------------------------------------------------------------------------------------------

GRADIENT = "a sweep of GRADIENT"
NETWORK = f"transformer, {BLOCKS} blocks, 10^400 paths"
SEQUENCES = 'by("module"), 14 residual blocks of 64, batch 64'
GROWTH = "to 10^4 edges of scalars"

PATHS: tuple[PathRow, ...] = (
    *(
        (f"paths-{name}", f"{NETWORK}: {name}", GRADIENT, limit, time_ratio, partial(counted, name))
        for name, limit in (("COUNT", 10.0), ("ACTIVE_COUNT", 40.0), ("LOG_COUNT", 2.0))
    ),
    (
        "by-module",
        SEQUENCES,
        "10 s",
        1.0,
        told_ratio,
        partial(by_module, "time"),
    ),
    ("by-module-peak", f"{SEQUENCES}, peak memory", "1 GB", 1.0, peak_ratio, partial(by_module, "memory")),
    ("growth-derive", f"derive, by depth, {GROWTH}", "edges", 1.1, growth, derived),
    ("growth-manual", f"manual_backprop, by width, {GROWTH}", "edges", 1.1, growth, written),
    ("growth-compare", f"compare, by width, {GROWTH}", "edges", 1.1, growth, compared),
)
"""The rows of this page."""
