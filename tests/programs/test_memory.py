"""In whose memory the slots of a program may lie: views follow their base, and numbers lie in none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_lite.programs.calls import Program, Slot
from tinygrad_lite.programs.memory import Memory


def noted(program: Program, kind: str, sample: Any, *args: Any) -> Slot:
    return program.call(kind, np.exp, args, {}, sample)


@pytest.mark.parametrize("shape", [(1,), (1, 1), (2, 3)], ids=str)
def test_views_follow_their_base(shape: tuple[int, ...]) -> None:
    program, x = Program(), Slot(np.ones(shape))
    y = noted(program, "ufunc", np.ones(shape), x)
    view = noted(program, "view", y.sample.T, y)
    inner = noted(program, "view", view.sample[..., 0].reshape(-1)[:1].reshape(()), view)
    opaque = noted(program, "opaque", (np.ones(2), x.sample), x, [view])
    part = noted(program, "part", x.sample, opaque, 1)
    number = noted(program, "text", 1.0, inner)
    memory = Memory()
    assert memory.roots(x) == {x}
    assert memory.roots(y) == memory.roots(view) == memory.roots(inner) == {y}
    assert memory.roots(part) == memory.roots(opaque) == {x, y}
    assert memory.roots(number) == memory.roots(noted(program, "fresh", np.ones(2), y)) == set()
    assert [memory.denied(call) for call in program.calls] == [None] * len(program.calls)


def test_memory_that_was_shared_though_the_kind_denies_it() -> None:
    program, x = Program(), Slot(np.ones(3))
    y = noted(program, "ufunc", x.sample[1:], x)
    z = noted(program, "fresh", y.sample.reshape(2, 1), y)
    memory = Memory()
    assert y.call is not None
    assert z.call is not None
    assert memory.denied(y.call) is x
    assert memory.denied(z.call) is y
