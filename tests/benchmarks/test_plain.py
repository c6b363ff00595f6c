"""Programs with plain ops: our side in each way and the side by hand compute the same, and by hand is right."""

from __future__ import annotations

import doctest
import importlib
from typing import Any

import numpy as np
import pytest

from benchmarks import plain, training
from benchmarks.plain import PLAIN, Program
from benchmarks.training import PROBLEMS

SMALL = {
    **{
        f"{f}-{d}": (lambda f=f, d=d: plain.network("tiny", f, d)) for f in plain.hand.ACTIVATIONS for d in ("f8", "f4")
    },
    "cubes": lambda: plain.cubes(50),
    "regression": lambda: plain.regression(40, 3),
    "regression-formula": lambda: plain.regression_written_out(40, 3),
    "many-classes": lambda: plain.many_classes(5, 4, 20),
    "cnn-f8": lambda: plain.convolutional(np.float64, 3, 8),
    "cnn-f4": lambda: plain.convolutional(np.float32, 3, 8),
}  # fmt: skip


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("way", ["eager", "inside", "outside"])
def test_our_side_is_the_one_by_hand(name: str, way: str) -> None:
    program: Program = SMALL[name]()
    for buffers in (True, False):
        ours, by_hand = plain.ours(program, way), plain.by_hand(program, buffers)
        training.agree(ours, by_hand, program.within)
        for _ in range(3):
            ours.step()
            by_hand.step()
        training.agree(ours, by_hand, program.within)


@pytest.mark.parametrize("name", [name for name in SMALL if not name.endswith("f4")])
def test_by_hand_against_differences(name: str, rng: np.random.Generator) -> None:
    program: Program = SMALL[name]()
    x, t = program.batch
    side = program.hand([p.copy() for p in program.start], True)
    side.cost(x, t)
    gradients = [g.copy() for g in side.gradients]
    for p, g in zip(side.parameters, gradients, strict=True):
        way, start = rng.normal(size=p.shape), p.copy()
        p[...] = start + 1e-6 * way
        above = side.cost(x, t)
        p[...] = start - 1e-6 * way
        below = side.cost(x, t)
        p[...] = start
        assert (above - below) / 2e-6 == pytest.approx(float(np.sum(g * way)), rel=1e-5, abs=1e-7)


def test_a_wrong_side_by_hand_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    program = plain.cubes(10)
    cost = plain.hand.Cubes.cost

    def wrong(self: Any, x: Any, t: Any) -> float:
        found = cost(self, x, t)
        self.gradients[0] *= 1.0 + 1e-6
        return found

    monkeypatch.setattr(plain.hand.Cubes, "cost", wrong)
    with pytest.raises(training.Disagreement, match="parameter 0: the two sides' gradients differ"):
        plain.pair(lambda: program, "eager")


def test_rows() -> None:
    names = [name for name, *_ in PLAIN]
    assert len(names) == len(set(names)) == 4 * 2 * len(PROBLEMS) * 3 + 6 * 2
    for name, _, _, limit, _ in PLAIN:
        assert limit is not None or name.endswith("-eager")


def test_examples() -> None:
    assert doctest.testmod(importlib.import_module("benchmarks.handwritten_plain")).failed == 0
