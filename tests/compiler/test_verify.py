"""``step.verify``: the replay held against eager, and nothing changed by it."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.compiler.agreement import bits, blocks_of
from tinygrad_lite import Value, nn, optim
from tinygrad_lite.compiler.scope import Scope
from tinygrad_lite.errors import FallbackWarning


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
    with pytest.raises(
        tg.DifferentGradientsError, match=r"the loss is 6 by eager and 3 by the replay; the first op .*'mul'"
    ):
        step.verify()
    noisy = tg.compile(lambda: (w * random.random()).sum())
    noisy()
    with pytest.raises(tg.DifferentGradientsError, match=r"first op to differ is 'mul'.* a program made now agrees"):
        noisy.verify()


@pytest.mark.parametrize("backend", [None, "numpy"])
def test_verify_names_the_first_op_that_differs(backend: str | None) -> None:
    w = Value(3.0, name="w")
    scale = {"by": 1.0}

    def loss(x: float) -> Value:
        h = np.tanh(w * x)
        scaled = h * scale["by"]
        scaled.name = "scaled"
        return np.exp(scaled) + h

    step = tg.compile(loss, backend=backend)
    step(0.5)
    scale["by"] = 2.0
    line = f"{__file__}:{loss.__code__.co_firstlineno + 2}"
    with pytest.raises(tg.DifferentGradientsError, match="the loss is 7") as caught:
        step.verify(0.5)
    said = str(caught.value)
    assert f"the first op to differ is 'mul', made in {line}: the value of 'scaled' (1.8103)" in said
    assert "is 1.810296507289732" in said
    assert "by eager and 0.905148253644866" in said
    assert "by the replay, off by 0.905" in said
    assert "a program made now agrees with eager, so the function reads something that is no Value" in said


def test_verify_names_an_op_that_was_not_there() -> None:
    w = Value([1.0, 2.0], name="w")
    use = [np.sin]
    step = tg.compile(lambda: np.sum(use[0](w) * w))
    step()
    use[0] = np.cos
    with pytest.raises(
        tg.DifferentGradientsError, match="where the replay computes 'sin', the function now computes 'cos'"
    ):
        step.verify()


@pytest.mark.parametrize("elements", [3, 1 << 17], ids=["in blocks", "whole"])
@pytest.mark.parametrize(
    ("wrong", "named"), [(np.exp, "the value of 'e'"), (np.cos, "the gradient that arrives at 't'")]
)
def test_verify_names_the_op_of_wrong_code(
    wrong: np.ufunc, named: str, elements: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A planted fault of the compiler: it calls another function, in the forward or in the backward pass."""
    w = Value([[1.0, 2.0], [0.5, 3.0], [4.0, 1.5]], name="w")

    def loss() -> Value:
        t = np.sin(w * 2.0) * 3.0
        e = np.exp(np.sin(t))
        t.name, e.name = "t", "e"
        return np.sum(e * 2.0)

    written = Scope._function
    monkeypatch.setattr(Scope, "_function", lambda self, x: written(self, np.tanh if x is wrong else x))
    with blocks_of(elements):
        step = tg.compile(loss)
        step()
        said = f"{named} .*; a program made now differs as well, so compile is wrong: please report it"
        with pytest.raises(tg.DifferentGradientsError, match=re.compile(said, re.DOTALL)):
            step.verify()


def test_a_call_that_falls_back_to_eager_says_so_once() -> None:
    w = Value(2.0, name="w")
    step = tg.compile(lambda x: 1.0 / (w * x) + np.tanh(w))
    assert step(1.0) == 0.5 + np.tanh(2.0)
    with pytest.warns(FallbackWarning, match=r"ZeroDivisionError: .*, in `.* / .*`; the result is right") as said:
        found = [step(0.0) for _ in range(2)]
    assert found == [np.inf, np.inf]
    assert len(said) == 1
    assert said[0].filename == __file__


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
