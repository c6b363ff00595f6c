"""A compiled step held against eager: the same loss and gradients, in blocks and whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import Value
from tinygrad_lite.compiler import blocking, tape
from tinygrad_lite.compiler.buffers import Buffers
from tinygrad_lite.core.maps import Scale
from tinygrad_lite.core.value import Op

WAYS = ["python", "numpy", *(["straight", "tape"] if tape.available() else [])]
"""Of carrying out a graph of scalars: machine code of its own source, and a tape for machine code."""


def bits(x: Any) -> Any:
    """What is equal only for equal bits."""
    return None if x is None else (np.shape(x), str(np.asarray(x).dtype), np.asarray(x).tobytes())


def eager(loss: Callable[..., Value], leaves: list[Value], *arguments: Any) -> tuple[Any, list[Any]]:
    """The loss and the gradients, which are left forgotten."""
    with np.errstate(all="ignore"):
        end = loss(*arguments)
        end.backward()
    found = [leaf._grad for leaf in leaves]
    for leaf in leaves:
        leaf.zero_grad()
    return end.item(), found


@contextmanager
def blocks_of(elements: int) -> Iterator[None]:
    """All elementwise calls in blocks of so many elements."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocking, "BLOCK", elements)
        patch.setattr(blocking, "LARGE", 2)
        yield


def release_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plant a fault: the compiler gives an array's memory away one call before it is read last."""
    planned = Buffers.__init__

    def early(self: Buffers, *rest: Any) -> None:
        planned(self, *rest)
        self.last = {slot: k - 1 for slot, k in self.last.items()}

    monkeypatch.setattr(Buffers, "__init__", early)


def agree(loss: Callable[..., Value], leaves: list[Value], *arguments: Any, exact: bool = True, **options: Any) -> Any:
    """Eager and three calls of the step have the same loss and gradients, in blocks too. Returns the step."""
    with blocks_of(3):
        _agree(loss, leaves, *arguments, exact=exact, **options)
    return _agree(loss, leaves, *arguments, exact=exact, **options)


def _agree(loss: Callable[..., Value], leaves: list[Value], *arguments: Any, exact: bool = True, **options: Any) -> Any:
    cost, gradients = eager(loss, leaves, *arguments)
    step = tg.compile(loss, **options)
    for _ in range(3):
        with np.errstate(all="ignore"):
            found = step(*arguments)
        if exact:
            assert bits(found) == bits(cost)
        np.testing.assert_allclose(found, cost, rtol=1e-12, atol=1e-300)
        for leaf, g in zip(leaves, gradients, strict=True):
            if exact:
                np.testing.assert_array_equal(leaf._grad, g)
                assert type(leaf._grad) is type(g)
            elif g is not None:
                np.testing.assert_allclose(leaf._grad, g, rtol=1e-12, atol=1e-12 * np.max(np.abs(g), initial=1e-300))
            leaf.zero_grad()
    assert step.captures == 1
    return step


CHAINED: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "sin": lambda a, b: tg.sin(a),
    "sigmoid": lambda a, b: tg.sigmoid(a),
    "where": lambda a, b: tg.where(a > 0.1, a, b),
    "transposed": lambda a, b: a + b.T,
    "turned": lambda a, b: a * b[::-1],
    "row": lambda a, b: a + b[2],
    "of one row": lambda a, b: a * b[1:2],
    "column": lambda a, b: a - b[:, 1:2],
    "rows' largest": lambda a, b: a - b.max(axis=1, keepdims=True),
    "columns' sums": lambda a, b: a * b.sum(axis=0),
    "columns' means": lambda a, b: a - b.mean(axis=0, keepdims=True) * a[:1] + b,
    "flat": lambda a, b: tg.tanh(a.reshape(-1) * b.reshape(-1)).reshape(5, 5),
    "product": lambda a, b: a @ b * 0.2,
}


class Twice(Op):
    """A user's own op, which asks for numbers."""

    name = sign = "twice"

    def forward(self, *data: Any) -> Any:
        return data[0] * (2.0 if np.max(data[0]) < 10.0 else 3.0)

    def chain(self, k: int, operands: Any, out: Any) -> Any:
        return (Scale(2.0 if np.max(operands[0]) < 10.0 else 3.0, np.ndim(out)),)
