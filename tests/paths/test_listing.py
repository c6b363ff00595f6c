"""Listing: lazy, never more than fits, printed, and from several threads at once."""

from __future__ import annotations

import operator
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import Value, nn
from tinygrad_lite.errors import ArgumentError


def ten_to_the_thirty() -> tg.GradientPaths:
    x = h = Value(np.ones(100), name="x")
    for _ in range(15):
        h = h @ np.full((100, 100), 0.01)
    return tg.gradient_paths(h.sum(), x, at=0)


@pytest.mark.parametrize("collect", [list, tuple, sorted, lambda gp: [*gp]], ids=["list", "tuple", "sorted", "star"])
def test_a_list_that_cannot_fit_is_refused_before_it_is_begun(collect: Any) -> None:
    gp = ten_to_the_thirty()
    message = (
        "list: there are 1.00e30 paths; ask for top(k) for the k largest, sample(n, rng) for typical ones, "
        "count, total and spectrum for numbers over all of them, or iterate and stop"
    )
    with pytest.raises(ArgumentError, match=re.escape(message)):
        collect(gp)
    assert next(iter(gp)).contribution == pytest.approx(1e-30)
    with pytest.raises(
        ArgumentError, match=re.escape("top: 1000001 of 1.00e30 paths; ask for top(k) with a smaller k")
    ):
        gp.top(1_000_001)


def test_what_fits_is_listed() -> None:
    x = Value(np.ones(10), name="x")
    gp = tg.gradient_paths((x @ np.ones((10, 10)) @ np.ones((10, 10))).sum(), x, at=3)
    assert operator.length_hint(gp) == len(list(gp)) == gp.count == len(gp.top(10**9)) == 100


def test_printed_paths() -> None:
    x = Value(3.0, name="x")
    assert str(tg.gradient_paths(x * 2.0 + x * -5.0 + x * 0.0, x)).splitlines() == [
        "3 paths from the end to x, 2 of them active",
        "total -3, magnitude 7, cancellation 57.14%, entropy 0.5983 nats",
        "  end ← x : -5 = -5",
        "  end ← x : 2 = 2",
        "  end ← x : 0 = 0",
    ]
    assert str(tg.gradient_paths(x, x)).splitlines()[0] == "1 path from x to x, 1 of them active"
    lines = str(ten_to_the_thirty()).splitlines()
    assert lines[:2] == [
        "1.00e30 paths from the end to x[0], 1.00e30 of them active",
        "total 1, magnitude 1, cancellation 0.00%, entropy 69.08 nats",
    ]
    assert len(lines) == 13
    assert lines[-1] == "  and 1.00e30 more, together 1"
    assert repr(ten_to_the_thirty()) == "<GradientPaths from the end to x[0]: 1.00e30 paths, total 1>"


def test_several_questions_at_once_do_not_disturb_each_other() -> None:
    x = Value([1.0, -2.0], name="x")
    end = (x @ np.array([[1.0, 2.0], [3.0, -4.0]])).square().sum() + (x * x).sum()
    first, second = (tg.gradient_paths(end, x, at=k) for k in (0, 1))
    alone = [[path.contribution for path in tg.gradient_paths(end, x, at=k)] for k in (0, 1)]
    both = list(zip(first, second, strict=True))
    assert [a.contribution for a, _ in both] == alone[0]
    assert [b.contribution for _, b in both] == alone[1]
    one, other = iter(first), iter(first)
    next(one)
    assert [path.contribution for path in other] == alone[0]
    assert [path.contribution for path in one] == alone[0][1:]
    assert (first.total, second.total) == tuple(sum(contributions) for contributions in alone)


def test_threads_get_the_same_answers() -> None:
    net = nn.MLP([2, 4, 4, 1], activation="tanh", rng=0)
    loss = nn.losses.half_squared_error(net([[1.0, 2.0], [0.5, -1.0]]), [[1.0], [0.0]])
    shared = tg.gradient_paths(loss, "w1[0,0]")

    def ask(gp: tg.GradientPaths) -> Any:
        top = [path.contribution for path in gp.top(5)]
        return (
            gp.count,
            gp.total,
            gp.entropy,
            gp.spectrum,
            top,
            [str(path) for path in gp.sample(3, 0)],
            gp.by("sample"),
        )

    expected = ask(tg.gradient_paths(loss, "w1[0,0]"))
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(ask, tg.gradient_paths(loss, "w1[0,0]")) for _ in range(4)]
        answers += [pool.submit(ask, shared) for _ in range(4)]
        assert all(answer.result() == expected for answer in answers)
