"""``step.verify``: the replay held against eager, and nothing changed by it."""

from __future__ import annotations

import random

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.compiler.agreement import bits
from tinygrad_lite import Value, nn, optim


def test_verify_passes_and_changes_nothing(rng: np.random.Generator) -> None:
    model = nn.Sequential(nn.Linear(3, 4, rng=0), nn.Dropout(0.5, rng=1))
    optimizer = optim.Adam(model.parameters())
    step = tg.compile(lambda x: model(x).square().sum(), optimizer)
    x = rng.normal(size=(2, 3))
    step(x)
    before = [bits(p.data) for p in model.parameters()], [bits(p.grad) for p in model.parameters()]
    step.verify(x)
    assert ([bits(p.data) for p in model.parameters()], [bits(p.grad) for p in model.parameters()]) == before
    assert optimizer.state_dict()["steps"] == [1, 1]


def test_verify_finds_what_no_guard_sees() -> None:
    w = Value([1.0, 2.0], name="w")
    scale = {"by": 1.0}
    step = tg.compile(lambda: (w * scale["by"]).sum())
    step()
    step.verify()
    scale["by"] = 2.0
    assert step() == 3.0, "the number was taken when the function was captured"
    with pytest.raises(tg.DifferentGradientsError, match="the loss is 6 by eager and 3 by the replay"):
        step.verify()
    noisy = tg.compile(lambda: (w * random.random()).sum())
    noisy()
    with pytest.raises(tg.DifferentGradientsError, match="verify"):
        noisy.verify()


def test_verify_names_the_leaf_of_a_planted_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    w, v = Value(2.0, name="w"), Value(3.0, name="v")
    step = tg.compile(lambda: w * w + v)
    step()
    program = step._last
    assert program is not None
    replay = program.replay

    def wrong() -> float:
        loss = replay()
        w._grad = w._grad * 1.0005
        return loss

    monkeypatch.setattr(program, "replay", wrong)
    with pytest.raises(tg.DifferentGradientsError, match="the gradient of 'w'"):
        step.verify()
