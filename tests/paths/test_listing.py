"""Listing: lazy, never more than fits, printed, and from several threads at once."""

from __future__ import annotations

import math
import operator
import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.oracles.brute_force import Trail, trails
from tests.path_checks import passes, which
from tinygrad_lite import Value, nn
from tinygrad_lite.errors import ArgumentError, GraphError, ValueTypeError


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


# ---- random paths ----------------------------------------------------------------------------------------------------


DRAWS = 5_000


def shares(some: Sequence[Trail]) -> Counter[Any]:
    """The probability of each path by enumeration; parallel edges look alike, so theirs add up."""
    magnitude = sum(abs(trail.product) for trail in some)
    found: Counter[Any] = Counter()
    for trail in some:
        found[which(trail)] += abs(trail.product) / magnitude  # type: ignore[assignment]
    return found


def check_distribution(drawn: Sequence[tg.Path], some: Sequence[Trail]) -> None:
    """χ² of the draws against the exact probabilities, rare paths together; five deviations beyond its mean at most."""
    expected = shares(some)
    seen = Counter(map(which, drawn))
    assert all(expected[path] for path in seen), "a path that carries nothing was drawn"
    common = {path: share * len(drawn) for path, share in expected.items() if share * len(drawn) >= 5}
    cells = [(seen[path], mean) for path, mean in common.items()]
    rest = len(drawn) - sum(mean for _, mean in cells)
    if rest >= 5:
        cells.append((len(drawn) - sum(n for n, _ in cells), rest))
    freedom = len(cells) - 1
    statistic = sum((n - mean) ** 2 / mean for n, mean in cells)
    assert statistic <= freedom + 5 * math.sqrt(2 * max(freedom, 1)), f"χ² is {statistic:.1f} of {freedom} degrees"


def to(end: Value, value: Value, element: int) -> list[Trail]:
    return [trail for trail in trails(end) if trail.nodes[-1] is value and trail.elements[-1] == element]


def network() -> tuple[Value, Value]:
    net = nn.MLP([2, 3, 2], activation="relu", output="sigmoid", rng=3)
    loss = nn.losses.half_squared_error(net([[1.0, -2.0], [0.5, 1.0], [2.0, 2.0]]), [[1.0, 0.0]] * 3)
    return loss, tg.find(loss, "w1")[0]


def parallel() -> tuple[Value, Value]:
    x = Value([2.0, -1.0], name="x")
    y = (x * x).sum() * x[0] + x[[0, 0, 1]].sum()
    return y, x


def with_zeros() -> tuple[Value, Value]:
    x = Value([1.0, 2.0, -3.0], name="x")
    y = x @ np.array([[0.0, 2.0, -1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 3.0]]) + tg.softmax(x)
    return (y.relu() * np.array([5.0, 0.0, -1.0])).sum() + x[0] * 0.0, x


@pytest.mark.parametrize("make", [network, parallel, with_zeros])
def test_the_distribution_is_that_of_enumeration(make: Any) -> None:
    end, value = make()
    gp = tg.gradient_paths(end, value, at=(0,) * value.ndim)
    some = to(end, value, 0)
    drawn = gp.sample(DRAWS, 7)
    check_distribution(drawn, some)
    estimate = np.mean([math.copysign(1.0, path.contribution) for path in drawn])
    assert estimate == pytest.approx(gp.total / gp.magnitude, abs=5 / math.sqrt(DRAWS))


def test_the_check_sees_another_distribution() -> None:
    end, value = network()
    gp = tg.gradient_paths(end, value, at=(0, 0))
    rng = np.random.default_rng(0)
    listed = gp.top(gp.active_count)
    evenly = [listed[int(rng.integers(len(listed)))] for _ in range(DRAWS)]
    with pytest.raises(AssertionError, match="degrees"):
        check_distribution(evenly, to(end, value, 0))


def test_by_way_of_some_values_only() -> None:
    end, value = network()
    n1, _ = tg.find(end, "n1")
    gate = n1, (0, 0)
    gp = tg.gradient_paths(end, value, at=(0, 0), via=[gate])
    check_distribution(gp.sample(1000, 0), [trail for trail in to(end, value, 0) if passes(trail, gate)])


def test_a_drawn_path_is_a_path() -> None:
    end, value = network()
    gp = tg.gradient_paths(end, value, at=(1, 2))
    listed = {which(path): path.locals for path in gp}
    for path in gp.sample(50, 0):
        assert path.nodes[0] is end
        assert path.nodes[-1] is value
        assert path.indices[-1] == (1, 2)
        assert listed[which(path)] == path.locals


def test_a_seed_repeats_and_a_generator_goes_on() -> None:
    end, value = network()
    gp = tg.gradient_paths(end, value, at=(0, 0))

    def drawn(rng: Any, n: int = 30) -> list[Any]:
        return [which(path) for path in gp.sample(n, rng)]

    assert drawn(5) == drawn(5) == drawn(np.int64(5)) == drawn(np.random.default_rng(5))
    assert drawn(5) != drawn(6)
    rng = np.random.default_rng(5)
    assert drawn(rng, 10) + drawn(rng, 20) == drawn(5)


def test_one_of_ten_to_the_thirty() -> None:
    x = h = Value(np.ones(100), name="x")
    w = np.random.default_rng(0).normal(size=(100, 100)) / 10
    for _ in range(15):
        h = h @ w
    gp = tg.gradient_paths(h.sum(), x, at=0)
    drawn = gp.sample(100, 0)
    assert len(set(map(which, drawn))) == 100
    # The mean of ln(magnitude / |contribution|) over the draws estimates the entropy.
    surprise = [math.log(gp.magnitude) - math.log(abs(path.contribution)) for path in drawn]
    assert np.mean(surprise) == pytest.approx(gp.entropy, abs=5 * np.std(surprise) / 10)


def test_shares_that_no_float_holds() -> None:
    """A thousand sigmoids: each contribution is far below the smallest float, the proportions are 1 to 3."""
    x = Value(0.5, name="x")
    h = x
    for _ in range(1000):
        h = h.sigmoid()
    gp = tg.gradient_paths(h * 1.0 + h * -3.0, x)
    assert gp.magnitude == 0.0
    drawn = gp.sample(400, 0)
    assert np.mean([path.locals[1] == -3.0 for path in drawn]) == pytest.approx(0.75, abs=0.1)


def test_the_only_path_is_always_drawn() -> None:
    x = Value(3.0)
    assert [path.locals for path in tg.gradient_paths(x, x).sample(3, 0)] == [()] * 3
    assert [path.locals for path in tg.gradient_paths(x * 2.0 + x * 0.0, x).sample(3, 0)] == [(1.0, 2.0)] * 3


def test_refusals() -> None:
    x = Value(3.0)
    gp = tg.gradient_paths(x * x, x)
    for n in (0, -1, 1.5, True, "3", None):
        with pytest.raises(ArgumentError, match=re.escape(f"sample: n is a whole number of at least 1, got {n!r}")):
            gp.sample(n, 0)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="sample: at most 1000000 paths at once, got n=1000001"):
        gp.sample(1_000_001, 0)
    for rng in (None, True, 1.5, "seed", np.random.RandomState(0)):
        with pytest.raises(ValueTypeError, match="sample: rng is a NumPy Generator or a seed, got"):
            gp.sample(1, rng)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="sample: a seed is at least 0, got -1"):
        gp.sample(1, -1)
    for nothing in (tg.gradient_paths(x * 0.0, x), tg.gradient_paths((x - 3.0).relu() * 2.0, x)):
        with pytest.raises(GraphError, match="sample: no path carries anything, every one has a local derivative of"):
            nothing.sample(1, 0)


def test_without_ways_that_cancel_there_is_still_something_to_draw() -> None:
    x = Value(3.0)
    gp = tg.gradient_paths(x - x, x)
    assert (gp.total, gp.magnitude) == (0.0, 2.0)
    assert 20 < sum(path.contribution > 0 for path in gp.sample(100, 0)) < 80
