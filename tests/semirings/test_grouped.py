"""Paths in groups: by length, and by keys of a user's own."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinygrad_lite as tg
from tinygrad_lite import Value, semirings
from tinygrad_lite.errors import ArgumentError
from tinygrad_lite.semirings.grouped import Grouped

# ---- by length -------------------------------------------------------------------------------------------------------


def test_a_residual_network_has_short_paths_and_a_plain_one_only_long_ones() -> None:
    x = h = Value([0.5, -1.0], name="x")
    w = np.array([[0.5, 0.2], [-0.3, 0.1]])
    for _ in range(4):
        h = h + tg.tanh(h @ w)
    gp = tg.gradient_paths(h, x, at=0, end_at=0)
    # each block is one op by the skip, three by the branch
    assert list(gp.spectrum) == [4, 6, 8, 10, 12]
    assert gp.spectrum[4] == (1, 1.0, 1.0)
    assert [count for count, _, _ in gp.spectrum.values()] == [1, 4, 6 * 2, 4 * 4, 8]
    assert sum(total for _, total, _ in gp.spectrum.values()) == pytest.approx(gp.total, rel=1e-12)
    assert sum(size for _, _, size in gp.spectrum.values()) == pytest.approx(gp.magnitude, rel=1e-12)


def test_what_a_sweep_gives_is_the_callers_own() -> None:
    x = Value([1.0, 2.0])
    y = (x * 3.0).sum()
    first = tg.sweep(y, semirings.SPECTRUM, wrt=x)
    first[2][1][:] = 0.0
    assert_allclose(tg.sweep(y, semirings.SPECTRUM, wrt=x)[2][1], [3.0, 3.0])


def test_counts_of_each_length_are_exact() -> None:
    x = y = Value(1.0)
    for _ in range(200):
        y = y * 0.5 + y
    spectrum = tg.gradient_paths(y, x).spectrum
    assert sum(count for count, _, _ in spectrum.values()) == 2**200
    assert spectrum[300][0] == 90548514656103281165404177077484163874504589675413336841320  # 200 over 100
    assert sum(total for _, total, _ in spectrum.values()) == pytest.approx(1.5**200, rel=1e-12)


def test_a_semiring_of_ones_own_by_the_ops_on_the_way() -> None:
    """How many paths there are, and the largest, by the number of tanh on them."""
    by_tanh = Grouped(
        "tanh",
        (semirings.COUNT, semirings.GRADIENT),
        0,
        lambda n, node: n + (node.op is not None and node.op.name == "tanh"),
    )
    x = Value([0.5, 1.0])
    h = tg.tanh(x) + x
    y = (tg.tanh(h) + h + x).sum()
    found = tg.sweep(y, by_tanh, wrt=x)
    assert {n: count.tolist() for n, (count, _) in found.items()} == {0: [2, 2], 1: [2, 2], 2: [1, 1]}
    slope, inner = 1 - np.tanh(x.data) ** 2, 1 - np.tanh(np.tanh(x.data) + x.data) ** 2
    for n, expected in enumerate([2 + 0 * slope, slope + inner, slope * inner]):
        assert_allclose(found[n][1], expected, rtol=1e-12)
    few = Grouped("few", (semirings.COUNT,), 0, lambda n, node: n + 1, at_most=2)
    with pytest.raises(ArgumentError, match="few: more than 2 groups of paths; ask for coarser ones"):
        tg.sweep(y, few, wrt=x)
