"""Programs as data: equal calls are noted once, and the passes keep what is read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_lite.programs.calls import Call, Program, Slot, mapped, needed, read_once, reads


def noted(program: Program, function: Any, *args: Any, kind: str = "ufunc", **options: Any) -> Slot:
    return program.call(kind, function, args, options, np.zeros(2))


def test_equal_calls_are_noted_once() -> None:
    program, x, y = Program(), Slot(np.ones(2)), Slot(np.ones(2))
    first = noted(program, np.add, x, y)
    assert noted(program, np.add, x, y) is first
    assert noted(program, np.add, y, x) is first, "a sum is the same either way round"
    assert noted(program, np.subtract, x, y) is not noted(program, np.subtract, y, x)
    assert noted(program, np.add, x, 1.0) is not noted(program, np.add, x, 1), "1 is no float"
    assert noted(program, np.add, x, 0.0) is not noted(program, np.add, x, -0.0)
    assert noted(program, np.sum, x, kind="reduce", axis=0) is not noted(program, np.sum, x, kind="reduce", axis=1)
    assert len(program.calls) == 9


def test_fresh_memory_and_effects_are_noted_each_time() -> None:
    program, x = Program(), Slot(np.ones(2))
    made = [program.call("ufunc", np.exp, (x,), {}, np.ones(2), fresh=True) for _ in range(2)]
    checked = [program.call("finite", None, (x,), {}, None) for _ in range(2)]
    assert len({*made, *checked}) == len(program.calls) == 4


def test_calls_are_forgotten_together_with_their_keys() -> None:
    program, x = Program(), Slot(np.ones(2))
    kept, gone = noted(program, np.exp, x), noted(program, np.log, x)
    program.back_to(1)
    assert noted(program, np.exp, x) is kept
    assert noted(program, np.log, x) is not gone


def test_what_nobody_reads_is_dropped() -> None:
    program, x = Program(), Slot(np.ones(2))
    a = noted(program, np.exp, x)
    b = noted(program, np.concatenate, [a, (a, x)], kind="reduce")
    noted(program, np.log, x)
    check = program.call("finite", None, (a,), {}, None)
    assert [call.out for call in needed(program.calls, [b])] == [a, b]
    kept = needed(program.calls, [b], lambda call, read: call.kind == "finite")
    assert [call.out for call in kept] == [a, b, check]


def test_results_that_are_read_once() -> None:
    program, x = Program(), Slot(np.ones(2))
    once = noted(program, np.exp, x)
    twice = noted(program, np.log, once)
    both = noted(program, np.multiply, twice, twice)
    assert read_once(program.calls, [both]) == {once}
    assert read_once(program.calls, [both, once]) == set()


def test_source_reads_an_argument_as_often_as_it_names_it() -> None:
    x, y = Slot(1.0), Slot(2.0)
    assert list(reads(Call("text", "{0} * {1} * {0}", (x, y), {}, Slot(2.0)))) == [x, x, y]


@pytest.mark.parametrize("form", [lambda x: x, lambda x: [x], lambda x: (1, [x]), lambda x: {"axis": x}])
def test_arguments_are_mapped_wherever_they_stand(form: Any) -> None:
    x, y = Slot(1.0), Slot(2.0)
    assert mapped(form(x), Slot, lambda slot: y) == form(y)
