"""no_grad: nothing inside is recorded, in this thread or task alone."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.cases import CASES, LABELS, Case
from tests.checkers import at_a_point
from tinygrad_lite import Value
from tinygrad_lite.core.derivatives import TABLE
from tinygrad_lite.core.elementwise import FUNCTIONS
from tinygrad_lite.core.recording import blocks_open, paused


@pytest.fixture(autouse=True)
def _nothing_left_open() -> Any:
    yield
    assert blocks_open[0] == 0
    assert not paused()


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("form", ["float", "array"])
def test_elementwise_ops_are_not_recorded(name: str, form: str) -> None:
    operands = [Value(x) for x in at_a_point(name, form)]
    expected = FUNCTIONS[name](*operands).data
    with tg.no_grad():
        out = FUNCTIONS[name](*operands)
    assert type(out) is Value
    assert not out.requires_grad
    assert out.is_leaf
    assert np.array_equal(out.data, expected)
    recorded = FUNCTIONS[name](*operands)
    assert recorded.requires_grad
    assert recorded.op is not None


@pytest.mark.parametrize("example", CASES, ids=LABELS)
def test_structured_ops_are_not_recorded(example: Case, rng: np.random.Generator) -> None:
    arrays = example.arrays(rng)
    with tg.no_grad():
        out = example.ours(*map(Value, arrays))
    assert not out.requires_grad
    assert np.allclose(out.data, example.reference(*arrays))


def test_awkward_floats_are_not_recorded_either() -> None:
    x = Value(1000.0)
    with tg.no_grad():
        for out in (tg.exp(x), 1.0 / (x - 1000.0), (-x) ** (1 / 3)):
            assert not out.requires_grad
            assert out.is_leaf


def test_blocks_nest_and_end_on_an_error() -> None:
    x = Value(2.0)
    with tg.no_grad():
        with tg.no_grad():
            assert not (x * x).requires_grad
        assert not (x * x).requires_grad
        with pytest.raises(ZeroDivisionError, match="inside"), tg.no_grad():
            raise ZeroDivisionError("inside")
        assert not (x * x).requires_grad
    assert (x * x).requires_grad


def test_as_a_decorator() -> None:
    @tg.no_grad()
    def double(x: Value) -> Value:
        return x * 2.0

    for _ in range(2):
        assert not double(Value(1.0)).requires_grad


def test_parameters_can_be_made_inside() -> None:
    with tg.no_grad():
        w = Value([1.0, 2.0])
    w.sum().backward()
    assert w.grad.tolist() == [1.0, 1.0]


def test_backward_works_inside() -> None:
    x = Value(3.0)
    y = x * x
    with tg.no_grad():
        y.backward()
    assert x.grad == 6.0


def test_another_thread_still_records() -> None:
    x = Value(np.ones(2))
    inside, done = threading.Event(), threading.Event()
    found: dict[str, bool] = {}

    def pausing() -> None:
        with tg.no_grad():
            inside.set()
            done.wait(10)
            found["pausing"] = (x * x).requires_grad

    def recording() -> None:
        inside.wait(10)
        found["recording array"] = (x * x).requires_grad
        found["recording float"] = (Value(2.0) * 2.0).requires_grad
        done.set()

    threads = [threading.Thread(target=pausing), threading.Thread(target=recording)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"pausing": False, "recording array": True, "recording float": True}


def test_another_task_still_records() -> None:
    x = Value(2.0)

    async def main() -> list[bool]:
        inside, done = asyncio.Event(), asyncio.Event()

        async def pausing() -> bool:
            with tg.no_grad():
                inside.set()
                await done.wait()
                return (x * x).requires_grad

        async def recording() -> bool:
            await inside.wait()
            found = (x * x).requires_grad
            done.set()
            return found

        return list(await asyncio.gather(pausing(), recording()))

    assert asyncio.run(main()) == [False, True]
