"""Elementwise calls in blocks of rows: the same numbers as eager's, and less memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

import tinygrad_lite as tg
from tests.compiler.agreement import CHAINED, _agree, blocks_of
from tinygrad_lite import Value


@given(
    st.lists(st.tuples(st.sampled_from([*CHAINED]), st.integers(0, 9), st.integers(0, 9)), min_size=3, max_size=12),
    st.sampled_from([5, 10, 14, 15, 24]),
)
@example([("columns' means", 0, 1)], 5)
def test_chains_in_blocks_as_eager(drawn: list[tuple[str, int, int]], elements: int) -> None:
    rng = np.random.default_rng(len(drawn))
    leaves = [Value(rng.normal(size=(5, 5))), Value(rng.normal(size=(5, 5)))]

    def loss(x: Any) -> Value:
        values: list[Any] = [x, *leaves]
        for name, a, b in drawn:
            values.append(CHAINED[name](values[-1 - a % len(values)], values[-1 - b % len(values)]))
        total: Value = (tg.tanh(values[-1]) + leaves[0] * leaves[1]).sum()
        return total

    with blocks_of(elements):
        _agree(loss, leaves, rng.normal(size=(5, 5)))


def test_large_arrays_are_done_in_blocks() -> None:
    w, x = Value(np.linspace(-2.0, 2.0, 600_000)), np.linspace(0.0, 1.0, 600_000)
    step = _agree(lambda x: (tg.exp(-tg.square(w * x - 1.0)) * tg.sigmoid(w)).mean(), [w], x)
    assert step.source.count("# 131072 of 600000 at a time") == 2
    assert "[:n]" in step.source  # what only a chain reads is as large as a block
