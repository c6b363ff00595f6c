"""What derive, manual_backprop and compare do grows with the edges of the graph, and no faster: calls are counted."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import pytest

import tinygrad_lite as tg
from tinygrad_lite import Value, nn


def calls(work: Callable[[], object]) -> int:
    """How many functions a piece of work calls, Python's and those in C."""
    count = 0

    def counted(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def exponent(work: Callable[[int], tuple[int, Callable[[], object]]], small: int, large: int) -> float:
    """The power of the number of edges with which the calls grow, from one size to another."""
    (few, at_few), (many, at_many) = work(small), work(large)
    work(small)[1]()  # what is computed once and kept
    return math.log(calls(at_many) / calls(at_few)) / math.log(many / few)


def wide(n: int) -> tuple[int, nn.scalar.MLP, Value]:
    net = nn.scalar.MLP(2, [n, n, 1], activation="tanh", rng=0)
    return 2 * (n * n + 3 * n), net, nn.losses.half_squared_error(net([0.5, -0.3]), 0.2)


def deep(n: int) -> tuple[int, nn.scalar.MLP, Value]:
    net = nn.scalar.MLP(1, [1] * n, activation="tanh", rng=0)
    return 3 * n, net, nn.losses.half_squared_error(net([0.5]), 0.2)


def derived(n: int) -> tuple[int, Callable[[], object]]:
    edges, net, loss = deep(n)
    return edges, lambda: tg.derive(loss, net.parameters()[0])


def derived_of_arrays(n: int) -> tuple[int, Callable[[], object]]:
    net = nn.MLP(1, [1] * n, rng=0)
    loss = nn.losses.half_squared_error(net([[0.5], [1.0], [2.0]]), [[1.0], [0.0], [2.0]])
    return 9 * n, lambda: tg.derive(loss, net.parameters()[0], at=(0, 0))


def all_derived(n: int) -> tuple[int, Callable[[], object]]:
    net = nn.MLP(2, [3] * n, rng=0)
    loss = nn.losses.half_squared_error(net([[0.5, 1.0]]), [[1.0] * 3])
    return 12 * n, lambda: tg.derive(loss, net)


def written(n: int) -> tuple[int, Callable[[], object]]:
    edges, net, loss = wide(n)
    return edges, lambda: tg.manual_backprop(loss, wrt=net)


def written_deep(n: int) -> tuple[int, Callable[[], object]]:
    edges, net, loss = deep(n)
    return edges, lambda: tg.manual_backprop(loss, wrt=net)


def compared(n: int) -> tuple[int, Callable[[], object]]:
    edges, net, loss = wide(n)
    return edges, lambda: tg.compare(loss, wrt=net).raise_if_different()


@pytest.mark.parametrize(
    ("work", "small", "large"),
    [
        pytest.param(derived, 30, 180, id="derive"),
        pytest.param(derived_of_arrays, 20, 80, id="derive, of samples"),
        pytest.param(all_derived, 10, 60, id="derive, arrays"),
        pytest.param(written, 6, 30, id="manual_backprop"),
        pytest.param(written_deep, 20, 120, id="manual_backprop, deep"),
        pytest.param(compared, 16, 40, id="compare"),
    ],
)
def test_work_grows_as_the_edges_do(work: Callable[[int], Any], small: int, large: int) -> None:
    assert exponent(work, small, large) < 1.1


def test_the_count_of_calls_tells_a_square() -> None:
    def square(n: int) -> tuple[int, Callable[[], object]]:
        return n, lambda: [abs(i - j) for i in range(n) for j in range(n)]

    assert 1.8 < exponent(square, 20, 200) < 2.1
