"""The programs on paths compute what they are said to, at sizes that take no time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from benchmarks import paths
from benchmarks.training import Disagreement


@pytest.mark.parametrize("name", ["COUNT", "ACTIVE_COUNT", "LOG_COUNT"])
def test_counts_of_a_small_transformer(name: str) -> None:
    pair = paths.counted(name, blocks=1, at_least=10**15)
    assert [np.shape(found) for found in pair.ours()] == [np.shape(found) for found in pair.theirs()]
    with pytest.raises(Disagreement, match="the numbers of paths are wrong"):
        paths.counted(name, blocks=1, at_least=10**400)


def test_sequences_of_a_small_residual_network() -> None:
    pair = paths.by_module("time", blocks=3, width=4, samples=2)
    assert 0.0 < pair.ours() < 10.0 == pair.theirs()
    pair = paths.by_module("memory", blocks=3, width=4, samples=2)
    assert len(pair.ours()) == 8
    assert pair.theirs().nbytes == 10**9


@pytest.mark.parametrize("edges", [100, 1000])
def test_networks_have_about_the_edges_that_were_asked_for(edges: int) -> None:
    _, loss = paths._wide(edges)
    weights = sum(1 for value in tg.core.graph.ancestors(loss) if value.is_leaf and value.requires_grad)
    assert weights == pytest.approx(edges, rel=0.3)


def test_what_grows_is_right() -> None:
    derivation = paths.derived().make(30)()
    assert derivation.value == pytest.approx(eval(derivation.python, derivation.symbols))
    assert paths.compared().make(30)()
    source: Any = paths.written().make(30)()
    loss, gradients = source.run()
    assert loss > 0.0
    assert len(gradients) > 20


def test_rows_are_in_the_table() -> None:
    from benchmarks.rows import ROWS

    assert {row[0] for row in paths.PATHS} <= {row.name for row in ROWS}
