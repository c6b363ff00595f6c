"""no_grad: nothing inside is recorded, in this thread or task alone."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.cases import CASES, LABELS, Case
from tests.checkers import at_a_point
from tinygrad_lite import Value
from tinygrad_lite.core.elementwise import FUNCTIONS
from tinygrad_lite.core.elementwise_derivatives import TABLE
from tinygrad_lite.core.recording import blocks_open, paused
from tinygrad_lite.errors import NonFiniteError


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


# ---- blocks that a generator leaves open -----------------------------------------------------------------------------


def records() -> bool:
    return (Value(2.0) * 3.0).requires_grad


def unrecorded(n: int = 3) -> Iterator[bool]:
    with tg.no_grad():
        for _ in range(n):
            yield records()


def test_a_suspended_generator_pauses_nobody_else() -> None:
    items = unrecorded()
    for found in items:
        assert not found
        assert records()
        with tg.no_grad():
            assert not records()
        assert records()
        assert all(not inner for inner in unrecorded())
        assert records()
    assert records()


def test_generators_end_in_any_order() -> None:
    first, second = unrecorded(), unrecorded()
    assert [next(first), next(second), records()] == [False, False, True]
    with tg.no_grad():
        first.close()
        assert not records()
        third = unrecorded()
        assert not next(third)
    assert [records(), next(second), next(third), records()] == [True, False, False, True]
    del second, third
    assert records()


def test_a_generator_that_records_inside_no_grad() -> None:
    def recording() -> Iterator[bool]:
        yield records()
        with tg.no_grad():
            yield records()
        yield records()

    assert list(recording()) == [True, False, True]
    with tg.no_grad():
        assert list(recording()) == [False, False, False]


def test_what_a_generator_calls_is_inside_its_block() -> None:
    def caller() -> Iterator[bool]:
        with tg.no_grad():
            yield from unrecorded(1)
            yield records()
            yield max(found for found in unrecorded(2))

    assert list(caller()) == [False, False, False]


@pytest.mark.parametrize("times", [1, 2])
def test_a_context_manager_that_opens_a_block_opens_it_for_the_caller(times: int) -> None:
    """A generator that ``contextlib`` runs is suspended while the block is open, and means it."""

    @contextlib.contextmanager
    def evaluating() -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for _ in range(times):
                stack.enter_context(tg.no_grad())
            yield

    with evaluating():
        assert not records()
    assert records()
    with contextlib.ExitStack() as stack:
        stack.enter_context(evaluating())
        assert not records()

    def items() -> Iterator[bool]:
        with evaluating():
            yield records()
            yield records()

    for found in items():
        assert not found
        assert records()


def test_a_detector_of_a_suspended_generator_looks_at_nobody_else() -> None:
    def items() -> Iterator[None]:
        with tg.detect_anomaly():
            yield
            with pytest.raises(NonFiniteError, match="'log' made -inf"):
                np.log(Value(0.0))

    with np.errstate(divide="ignore"):
        for _ in items():
            assert np.log(Value(0.0)).data == -np.inf


def test_asynchronous_generators_and_the_tasks_of_a_block() -> None:
    async def items() -> AsyncIterator[bool]:
        with tg.no_grad():
            for _ in range(2):
                await asyncio.sleep(0)
                yield records()

    async def found() -> bool:
        await asyncio.sleep(0)
        return records()

    async def main() -> None:
        async for item in items():
            assert not item
            assert records()
        with tg.no_grad():
            assert not await found()
            assert await asyncio.gather(found(), found()) == [False, False]  # tasks that the block starts are inside it
            later = asyncio.create_task(found())
        assert await later  # but the block has ended for them too
        assert records()

    asyncio.run(main())


def test_a_generator_closed_in_another_thread() -> None:
    items = unrecorded()
    next(items)
    thread = threading.Thread(target=items.close)
    thread.start()
    thread.join()
    assert records()
