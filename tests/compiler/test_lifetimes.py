"""Reads of memory stay between write and reuse: in programs whose text once moved, and in plans with planted faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.compiler.agreement import agree, blocks_of, release_early
from tinygrad_lite import Value, nn, optim
from tinygrad_lite.compiler.buffers import Buffers
from tinygrad_lite.compiler.lifetimes import Loop, Statement, check_lifetimes
from tinygrad_lite.compiler.statements import Statements
from tinygrad_lite.errors import CompilerFaultError
from tinygrad_lite.programs.calls import Call, Slot
from tinygrad_lite.programs.memory import Memory

W = np.random.default_rng(0).normal(size=(5, 5))

TO_A_NUMBER: dict[str, Callable[[Any], Any]] = {
    "reshape": lambda x: x.reshape(()),
    "squeeze": np.squeeze,
    "element": lambda x: x[0],
    "sum": np.sum,
    "item of a matrix": lambda x: np.expand_dims(x, 0)[0, 0],
    "transposed": lambda x: x.reshape(1, 1).T[0, 0],
}
"""An array of one number, as a number: a view of memory that is given away later."""


@pytest.mark.parametrize("name", TO_A_NUMBER)
def test_a_number_read_off_an_array_is_read_in_time(name: str) -> None:
    number = TO_A_NUMBER[name]
    w = Value(W[0].copy(), name="w")

    def loss() -> Value:
        first = number((w[None, :] @ W @ w[:, None]).reshape(1)) * 0.5
        middle = np.tanh(np.tanh(w[None, :] @ W) @ w[:, None])
        mean = np.tanh(np.mean(w, keepdims=True))
        total: Value = first + np.sum(middle) * number(mean) + number(np.exp(np.mean(np.exp(w), keepdims=True)))
        return total

    agree(loss, [w])


@pytest.mark.parametrize("shape", [(1,), (1, 1), ()], ids=str)
def test_a_float_in_an_array_is_read_in_time(shape: tuple[int, ...]) -> None:
    x = Value(1.0, name="x")

    def loss() -> Value:
        joined = np.stack([x, x * 2.0, np.sin(x)]) if shape else np.atleast_1d(x)
        total: Value = np.sum(np.sin(x.reshape(shape))) + np.sum(np.minimum(np.full(3, -0.3), 2.0 * joined))
        return total + np.sum(np.cos(np.expand_dims(x, 0)) * np.atleast_1d(x))

    agree(loss, [x])


@pytest.mark.parametrize("joined", [np.atleast_3d, lambda x: np.stack([x]), lambda x: np.expand_dims(x, (0, 1))])
def test_a_gradient_that_is_a_constant(joined: Any) -> None:
    """The gradient that arrives at a float is the seed's one element: no call, but a number."""
    x = Value(1.5, name="x")
    agree(lambda: joined(x), [x])
    agree(lambda: joined(x) + joined(x * x), [x])


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam])
def test_the_loss_is_read_before_the_optimizer_writes(kind: Any) -> None:
    losses: list[Callable[[Value], Any]] = [lambda w: w * 1.0, lambda w: w.reshape(1, 1), lambda w: w[:1], np.squeeze]
    for loss in losses:
        ours, theirs = Value([3.0]), Value([3.0])
        step, optimizer = tg.compile(lambda w=ours, loss=loss: loss(w), kind([ours], lr=0.5)), kind([theirs], lr=0.5)
        for _ in range(3):
            optimizer.zero_grad()
            end = loss(theirs)
            end.backward()
            cost = end.item()  # before the step: it may be a view of the parameter
            optimizer.step()
            assert step() == cost
            np.testing.assert_array_equal(ours.data, theirs.data)


# ---- the check sees planted faults -------------------------------------------------------------------------------


def network() -> None:
    model = nn.MLP([3, 4, 4, 2], activation="tanh", rng=0)
    tg.compile(lambda x: nn.losses.mse(model(x), x[:, :2]), optim.SGD(model.parameters(), lr=0.1))(W[:, :3])


def moved() -> None:
    w = Value(W[0].copy(), name="w")
    m = lambda: np.sin(np.mean(w, keepdims=True))  # noqa: E731  (its slope does not read the result)
    tg.compile(lambda: np.squeeze(m()) + np.squeeze(np.exp(np.mean(np.exp(w), keepdims=True) * 0.1)))()


def chained() -> None:
    w = Value(W.copy(), name="w")
    with blocks_of(5):
        tg.compile(lambda x, row: (np.exp(w + np.sin(row * row)) + (x * x) * np.sin(x)).sum())(W, W[0])


def test_a_buffer_released_one_call_early(monkeypatch: pytest.MonkeyPatch) -> None:
    network()
    chained()
    release_early(monkeypatch)
    for program in (network, chained):
        with pytest.raises(CompilerFaultError, match=r"the statement `.*` reads an array .* from memory that holds"):
            program()


def test_a_read_moved_past_the_release(monkeypatch: pytest.MonkeyPatch) -> None:
    moved()
    monkeypatch.setattr(Statements, "_is_number", lambda self, call: True)
    with pytest.raises(CompilerFaultError, match=r"`.*squeeze|`.*float\(.*reads an array .* from memory that holds"):
        moved()


def test_a_view_that_the_plan_takes_for_new_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Memory._found
    monkeypatch.setattr(Memory, "_found", lambda self, slot: found(self, slot) if slot.is_array else frozenset())
    with pytest.raises(CompilerFaultError, match=r"lies in the memory of an array of shape .* the kind of its call"):
        moved()


def test_memory_given_away_inside_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that every block reads gives its memory to the results of one block, which are as large."""
    released = Buffers.release
    monkeypatch.setattr(Buffers, "release", lambda self, call, k, chain=None: released(self, call, k))
    with pytest.raises(CompilerFaultError, match=r"reads an array of shape \(5,\) .* from memory that holds"):
        chained()


def test_a_view_of_a_constant_is_there_from_the_start() -> None:
    """The tangents of a Hessian, read by the rows of an index."""
    w = Value(2.0)
    step = tg.compile(lambda x: w * tg.hessian(lambda x: x[0] * x[0] * x[1])(x).sum())
    for point in ([1.0, 2.0], [3.0, 4.0]):
        assert step(np.array(point)) == 2.0 * (2 * point[1] + 4 * point[0])


def test_the_check_itself() -> None:
    x, y, z = (Slot(np.ones(2), note=name) for name in "xyz")
    for slot in (y, z):
        slot.call = Call("ufunc", np.exp, (x,), {}, slot)
    view = Slot(y.sample.T)
    view.call = Call("view", np.transpose, (y,), {}, view)
    exp = Statement("exp(x, b0)", [(x, False)], [(y, "b0", False)])
    again = Statement("exp(x, b0)", [(x, False)], [(z, "b0", False)])
    use = Statement("use(b0.T)", [(view, False)], [])
    check_lifetimes([exp, use, again], [(x, "w0")], [])
    with pytest.raises(
        CompilerFaultError, match=r"a view of an array of shape \(2,\) \(y\), from memory that holds .*z"
    ):
        check_lifetimes([exp, again, use], [(x, "w0")], [])
    with pytest.raises(CompilerFaultError, match=r"reads an array of shape .* before it is computed"):
        check_lifetimes([exp], [], [])
    # In blocks: y is read whole by the second block, after the first has written z over a part of it.
    whole, rows = (Statement("exp(b0, b0)", [(y, by)], [(z, "b0", True)]) for by in (False, True))
    check_lifetimes([exp, Loop([rows])], [(x, "w0")], [])
    with pytest.raises(CompilerFaultError, match=r"reads an array .*\(y\) from memory that holds .*\(z\) by then"):
        check_lifetimes([exp, Loop([whole])], [(x, "w0")], [])
