"""The source of a compiled step: Python that shows what runs, whatever names say."""

from __future__ import annotations

import ast
from typing import Any, ClassVar

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.compiler.agreement import Twice, agree
from tests.hostile import HOSTILE
from tinygrad_lite import Value, nn, optim
from tinygrad_lite.core.value import record

BREAKING_OUT = ["x\n    raise SystemExit", "x\r    raise SystemExit", "x\x0c\x0b\x85\u2028raise", "\ud800", "a" * 1000]


@pytest.mark.parametrize("name", [*HOSTILE, *BREAKING_OUT])
@pytest.mark.parametrize("number", [2.0, [2.0, 3.0]])
def test_names_stay_in_their_comments(name: str, number: Any) -> None:
    w = Value(number, name=name)

    def loss(x: Any) -> Value:
        hidden = w * x
        hidden.name = name
        if isinstance(x, Value):
            x.name = name
        total: Value = hidden.square() if type(number) is float else hidden.square().sum()
        total.name = name
        return total

    step = agree(loss, [w], 3.0)
    assert max(map(len, step.source.splitlines())) < 200
    assert all(line.startswith(("def ", "    ")) for line in step.source.splitlines())
    tree = ast.parse(step.source)
    assert not any(isinstance(node, ast.Raise) for node in ast.walk(tree))


def test_names_of_ops_become_names_of_functions() -> None:
    x = Value([1.0, 2.0])
    for name in ("x²", "lambda", "1", "a b", "класс", "import os"):
        op = type("Odd", (Twice,), {"name": name})()
        agree(lambda op=op: record(op, (x,)).sum(), [x])


def test_the_source_is_python_that_shows_what_runs() -> None:
    model = nn.MLP([2, 3, 1], rng=0)
    step = tg.compile(lambda x: model(x).sum(), optim.SGD(model.parameters(), lr=0.1))
    step(np.ones((2, 2)))
    compile(step.source, "source", "exec")
    assert "# z1 = linear" in step.source
    assert "# back through n1" in step.source
    assert "out=" not in step.source.replace("axis", "")
    assert step.source.count("\n") < 90


class Signs(optim.Optimizer):
    """p ← p - lr · sign(g), with a source for compiled steps."""

    _settings, _memory = ("lr",), ()
    update_scope: ClassVar = {"sign": np.sign}

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params)
        self.lr = lr
        self.steps = 0

    def step(self) -> None:
        self.steps += 1
        for parameter in self.params:
            if parameter.has_grad:
                parameter.data -= self.lr * np.sign(parameter.grad)

    def update_source(self, update: optim.Update) -> str | None:
        change = f"{update.setting('lr')} * sign({update.gradient})"
        return f"{update.data} -= {change}" if update.parameter.shape else f"float({update.data} - {change})"


class Careful(Signs):
    """Another step, without a source."""

    def step(self) -> None:
        self.steps += 1
        for parameter in self.params:
            if parameter.has_grad:
                parameter.data -= self.lr * np.tanh(parameter.grad)


class Sometimes(Signs):
    """A source that holds for large rates only."""

    update_unless = "optimizer.lr < 0.2"


@pytest.mark.parametrize(("kind", "calls"), [(Signs, 0), (Careful, 4), (Sometimes, 2)])
def test_an_optimizer_writes_its_own_step(kind: type[Signs], calls: int) -> None:
    leaves = [[Value([1.5, -2.0]), Value(0.5)] for _ in range(2)]
    ours, theirs = (kind(own, lr=0.5) for own in leaves)

    def loss(w: Value, v: Value) -> Value:
        return (w * w).sum() + v * v

    step = tg.compile(lambda: loss(*leaves[0]), ours)
    step()
    ours.steps = 0
    theirs.zero_grad()
    loss(*leaves[1]).backward()
    theirs.step()
    for lr in (0.5, 0.25, 0.1, 0.1):
        ours.lr = theirs.lr = lr
        step()
        theirs.zero_grad()
        loss(*leaves[1]).backward()
        theirs.step()
        for a, b in zip(*leaves, strict=True):
            np.testing.assert_array_equal(a.data, b.data)
    assert ours.steps == calls


def test_an_optimizer_writes_its_own_step_on_scalars(backend: str) -> None:
    leaves = [[Value(1.5), Value(-0.5)] for _ in range(2)]
    ours, theirs = (Signs(own, lr=0.25) for own in leaves)
    step = tg.compile(lambda: leaves[0][0] * leaves[0][0] + leaves[0][1] * leaves[0][1], ours, backend=backend)
    for _ in range(3):
        step()
        theirs.zero_grad()
        (leaves[1][0] * leaves[1][0] + leaves[1][1] * leaves[1][1]).backward()
        theirs.step()
        assert [p.data for p in leaves[0]] == [p.data for p in leaves[1]]
    assert ours.steps == 1  # of the captured run


def test_a_back_end_that_was_asked_for_makes_constants_of_the_same_leaves() -> None:
    net = nn.scalar.MLP(2, [2, 1], rng=0)

    def source(backend: str | None) -> str:
        step = tg.compile(lambda: net([1.0, 0.5]), backend=backend)
        step()
        return step.source

    assert source("python") == source(None)
