"""Traced arrays: what is noted of a function, carried out on other numbers, is the function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_lite.programs.calls import Program, Slot, mapped
from tinygrad_lite.programs.tracing import Traced, Untraceable


def traced(f: Callable[..., Any], *samples: Any) -> tuple[Program, list[Traced], Any]:
    """A function run on traced arrays."""
    program = Program()
    inputs = [Traced(program, Slot(sample)) for sample in samples]
    return program, inputs, f(*inputs)


def carried_out(program: Program, inputs: list[Traced], result: Any, *data: Any) -> Any:
    """The calls of a program, on other data."""
    found: dict[Slot, Any] = {x.slot: a for x, a in zip(inputs, data, strict=True)}
    for call in program.calls:
        args, options = mapped((call.args, call.options), Slot, found.__getitem__)
        found[call.out] = call.function(*args, **options)
    return mapped(result, Traced, lambda x: found[x.slot])


def in_place(x: Any, y: Any) -> Any:
    total = x.copy()
    total += y
    total[1] = 5.0
    np.add.at(total, [0, 0], y[0])
    return total * x


FUNCTIONS: list[Callable[..., Any]] = [
    lambda x, y: np.tanh(x) + 2.0 * y - x @ y.T,
    lambda x, y: np.where(x > y, x, -y).sum(axis=0, keepdims=True),
    lambda x, y: np.concatenate([x, np.stack([y[0], x[1], y[2]])]).T.reshape(-1)[::2],
    lambda x, y: np.max(x, axis=1) * np.cumsum(y, axis=0)[:, 1],
    lambda x, y: x[[0, 0, 2]] * np.expand_dims(y[1], 0).astype(np.float32),
    lambda x, y: np.linalg.svd(x)[1] * y.shape[0] + len(x) + x.ndim + x.size,
    in_place,
]


@pytest.mark.parametrize("f", FUNCTIONS, ids=range(len(FUNCTIONS)))
def test_calls_carried_out_on_other_numbers(f: Callable[..., Any], rng: np.random.Generator) -> None:
    program, inputs, result = traced(f, *rng.standard_normal((2, 3, 3)))
    starts = [Traced(program, x.slot) for x in inputs]
    for data in rng.standard_normal((3, 2, 3, 3)):
        expected = f(*(a.copy() for a in data))
        np.testing.assert_array_equal(carried_out(program, starts, result, *(a.copy() for a in data)), expected)
        assert np.shape(expected) == result.shape


def test_a_change_in_place_gives_another_slot() -> None:
    program, (x,), result = traced(lambda x: x * 1.0, np.ones(2))
    before = result.slot
    result[0] = 3.0
    assert result.slot is not before
    assert before.sample.tolist() == [1.0, 1.0]
    assert result.sample.tolist() == [3.0, 1.0]
    assert x.sample.tolist() == [1.0, 1.0]
    assert [call.kind for call in program.calls] == ["ufunc", "put"]


def test_numbers_are_not_told() -> None:
    for ask in (bool, float, int, list, range):
        with pytest.raises(Untraceable, match="it has no numbers to tell"):
            traced(ask, np.ones(()))
    with pytest.raises(Untraceable, match="its numbers would become a constant"):
        traced(np.asarray, np.ones(2))


def test_what_cannot_be_noted_is_refused() -> None:
    def writes_into_a_view(x: Any) -> None:
        x.T[0] = 1.0

    with pytest.raises(Untraceable, match="it changes memory that other arrays share"):
        traced(writes_into_a_view, np.ones((2, 2)))
    with pytest.raises(Untraceable, match="its result goes elsewhere"):
        traced(lambda x: np.exp(x, out=np.empty(2)), np.ones(2))
    with pytest.raises(Untraceable, match=r"np\.add with options"):
        traced(lambda x: np.add(x, 1.0, where=[True, False]), np.ones(2))
