"""The source of a compiled step: Python that shows what runs, whatever names say."""

from __future__ import annotations

import ast
from typing import Any

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
