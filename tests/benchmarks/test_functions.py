"""Compiled functions in the benchmarks: both sides compute the same, and what is written by hand is right by itself."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from benchmarks import functions
from benchmarks.measure import Pair
from benchmarks.training import Disagreement


@pytest.mark.parametrize("build", [functions.rosenbrock, functions.hessian, functions.updates])
def test_both_sides_agree(build: Callable[[], Pair]) -> None:
    build()


def test_a_planted_difference_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = functions.valley_by_hand
    monkeypatch.setattr(functions, "valley_by_hand", lambda x: (right(x)[0], right(x)[1] * (1.0 + 1e-6)))
    with pytest.raises(Disagreement, match="the two sides' values or derivatives differ"):
        functions.rosenbrock()


def test_the_valley_by_hand_against_differences(rng: np.random.Generator) -> None:
    x, h = rng.standard_normal(5), 1e-6
    value, slope = functions.valley_by_hand(x)
    assert value == pytest.approx(sum(100.0 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in pairwise(x)))
    units = np.eye(5) * h
    two_sided = [(functions.valley_by_hand(x + e)[0] - functions.valley_by_hand(x - e)[0]) / (2 * h) for e in units]
    np.testing.assert_allclose(slope, two_sided, rtol=1e-6, atol=1e-5)
    curved = [(functions.valley_by_hand(x + e)[1] - functions.valley_by_hand(x - e)[1]) / (2 * h) for e in units]
    np.testing.assert_allclose(functions.curvature_by_hand(x), curved, rtol=1e-6, atol=1e-5)


def test_the_flow_by_hand_against_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functions, "STEPS", 7)
    a, x = functions._start()
    value, slope = functions.flow_by_hand(a, x)
    assert value == pytest.approx(float(functions.flow(a, x)), rel=1e-14)
    for index in ((0, 0), (3, 5), (7, 1)):
        unit = np.zeros_like(a)
        unit[index] = 1e-6
        two_sided = (functions.flow(a + unit, x) - functions.flow(a - unit, x)) / 2e-6
        assert slope[index] == pytest.approx(two_sided, rel=1e-7, abs=1e-9)


def test_the_flow_of_both_sides_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functions, "STEPS", 7)
    functions.ode()


def test_peers_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jax")
    pytest.importorskip("numba")
    monkeypatch.setattr(functions, "STEPS", 7)
    for build in (functions.rosenbrock_in_jax, functions.hessian_in_jax, functions.ode_in_jax):
        build()
