"""The harness is shown to find what it should, on programs of known cost and a clock that only they move."""

from __future__ import annotations

import gc
import itertools
import math
import tracemalloc
from collections.abc import Callable, Iterable

import numpy as np
import pytest

from benchmarks.measure import (
    FULL,
    LEAST_CALLS,
    Effort,
    Growing,
    Pair,
    calls_for,
    fitted_exponent,
    growth,
    held_bytes,
    kept_ratio,
    peak_bytes,
    peak_ratio,
    sample,
    time_ratio,
    told_ratio,
)

EFFORT = Effort(pairs=15, sample_seconds=0.05, largest=100_000)


class Clock:
    """Time that passes when a program says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self.log: list[str] = []

    def __call__(self) -> float:
        return self.now

    def program(self, seconds: float | Iterable[float], name: str = "") -> Callable[[], None]:
        """A program that lasts as long as it is told, or each call as long as the next number says."""
        durations = itertools.repeat(seconds) if isinstance(seconds, float) else iter(seconds)

        def run() -> None:
            self.now += next(durations)
            self.log.append(name)

        return run


@pytest.fixture
def clock() -> Clock:
    return Clock()


# ---- time ------------------------------------------------------------------------------------------------------------


def test_sample_is_the_time_of_one_call(clock: Clock) -> None:
    assert sample(clock.program(0.003), 7, clock) == pytest.approx(0.003)
    assert len(clock.log) == 7


@pytest.mark.parametrize("seconds", [1e-7, 1e-4, 3e-3, 0.02])
def test_a_sample_lasts_long_enough_and_not_much_longer(clock: Clock, seconds: float) -> None:
    calls = calls_for(clock.program(seconds), 0.05, clock)
    assert calls >= LEAST_CALLS
    assert 0.05 <= calls * seconds <= max(0.06, LEAST_CALLS * seconds)


def test_a_long_program_runs_often_enough_to_pay_for_its_own_garbage(clock: Clock) -> None:
    assert calls_for(clock.program(2.0), 0.05, clock) == LEAST_CALLS


def test_a_slow_first_call_is_not_counted(clock: Clock) -> None:
    durations = itertools.chain([5.0], itertools.repeat(0.001))
    calls = calls_for(clock.program(durations), 0.05, clock)
    assert 50 <= calls <= 60


def test_a_clock_too_coarse_to_see_one_call_does_not_stop_the_search() -> None:
    fine = Clock()
    program = fine.program(1e-5)
    calls = calls_for(program, 0.05, lambda: math.floor(fine.now / 0.015) * 0.015)
    assert calls * 1e-5 >= 0.05 - 0.015


def test_ratio_of_two_steady_programs(clock: Clock) -> None:
    found = time_ratio(Pair(clock.program(0.006), clock.program(0.002)), EFFORT, clock)
    assert [found.value, found.low, found.high] == pytest.approx([3.0, 3.0, 3.0])
    assert (found.ours, found.theirs) == pytest.approx((0.006, 0.002))
    assert (found.unit, found.samples) == ("s", 15)


def test_sides_alternate(clock: Clock) -> None:
    time_ratio(Pair(clock.program(0.05, "A"), clock.program(0.05, "B")), EFFORT, clock)
    blocks = [name for name, _ in itertools.groupby(clock.log)]
    assert blocks == ["A", "B"] * (1 + EFFORT.pairs)  # the first of each is the warm-up


def by_pair(clock: Clock, seconds: Callable[[int], float]) -> Callable[[], None]:
    """A long program whose duration depends on the pair that it is measured in; -2 and -1 are the warm-up."""
    calls = itertools.count(-1 - LEAST_CALLS)

    def run() -> None:
        clock.now += seconds(next(calls) // LEAST_CALLS)

    return run


def test_ratios_are_taken_within_pairs_so_that_a_drifting_machine_cancels(clock: Clock) -> None:
    def slowness(pair: int) -> float:
        return 1.5 ** max(pair, 0)

    ours = by_pair(clock, lambda pair: 0.2 * slowness(pair))
    theirs = by_pair(clock, lambda pair: 0.1 * slowness(pair))
    found = time_ratio(Pair(ours, theirs), EFFORT, clock)
    assert [found.value, found.low, found.high] == pytest.approx([2.0, 2.0, 2.0])
    assert found.ours == pytest.approx(0.2 * 1.5**7)  # a single sample is anything between 0.2 and 58 seconds


def test_a_third_of_the_pairs_disturbed_leave_the_median_and_show_in_the_spread(clock: Clock) -> None:
    theirs = by_pair(clock, lambda pair: 0.1 if pair % 3 else 0.4)  # something else ran at the same time
    found = time_ratio(Pair(clock.program(0.2), theirs), EFFORT, clock)
    assert [found.low, found.value, found.high] == pytest.approx([0.5, 2.0, 2.0])


def test_programs_that_tell_their_own_time_alternate_after_a_first_run() -> None:
    log: list[str] = []

    def telling(name: str, seconds: float) -> Callable[[], float]:
        return lambda: (log.append(name), 9.0 if log.count(name) == 1 else seconds)[1]

    found = told_ratio(Pair(telling("A", 0.3), telling("B", 0.1)), EFFORT)
    assert (found.value, found.ours, found.theirs) == pytest.approx((3.0, 0.3, 0.1))
    assert (found.unit, found.samples) == ("s", EFFORT.pairs)
    assert log == ["A", "B"] * (1 + EFFORT.pairs)


def test_figures_are_given_for_one_part_of_the_work(clock: Clock) -> None:
    found = time_ratio(Pair(clock.program(0.6), clock.program(0.2), parts=100), EFFORT, clock)
    assert (found.value, found.ours, found.theirs) == pytest.approx((3.0, 0.006, 0.002))


def test_one_pair_has_no_spread(clock: Clock) -> None:
    found = time_ratio(Pair(clock.program(0.1), clock.program(0.1)), Effort(pairs=1), clock)
    assert (found.value, found.low, found.high) == pytest.approx((1.0, 1.0, 1.0))


def test_enough_pairs_are_the_default() -> None:
    assert FULL.pairs >= 15
    assert FULL.sample_seconds >= 0.02


@pytest.mark.parametrize("collecting", [True, False])
def test_the_collector_is_left_as_it_is(clock: Clock, collecting: bool) -> None:
    was, thresholds = gc.isenabled(), gc.get_threshold()
    seen: list[bool] = []

    def program() -> None:
        clock.now += 0.05
        seen.append(gc.isenabled())

    try:
        (gc.enable if collecting else gc.disable)()
        time_ratio(Pair(program, program), Effort(pairs=2), clock)
        assert set(seen) == {collecting}
        assert gc.isenabled() is collecting
        assert gc.get_threshold() == thresholds
    finally:
        (gc.enable if was else gc.disable)()


# ---- memory ----------------------------------------------------------------------------------------------------------


def test_held_bytes_are_those_of_the_result() -> None:
    assert held_bytes(lambda: np.zeros(100_000)) == pytest.approx(800_000, rel=0.01)
    assert held_bytes(lambda: float(np.zeros(100_000).sum())) < 8_000  # freed before it returned


def test_peak_bytes_are_those_of_the_fullest_moment() -> None:
    def one_after_the_other() -> None:
        np.zeros(100_000)
        np.zeros(50_000)

    def both_at_once() -> None:
        _first = np.zeros(100_000)
        np.zeros(50_000)

    assert peak_bytes(one_after_the_other) == pytest.approx(800_000, rel=0.01)
    assert peak_bytes(both_at_once) == pytest.approx(1_200_000, rel=0.01)


def test_peak_bytes_leave_out_what_an_earlier_call_keeps() -> None:
    kept: list[object] = []

    def program() -> None:
        if not kept:
            kept.append(np.zeros(100_000))

    assert peak_bytes(program) < 8_000


def test_memory_ratios() -> None:
    pair = Pair(lambda: np.zeros(20_000), lambda: np.zeros(100_000), parts=1000)
    for ratio in (kept_ratio(pair), peak_ratio(pair)):
        assert ratio.value == pytest.approx(0.2, rel=0.02)
        assert ratio.ours == pytest.approx(160, rel=0.02)
        assert ratio.unit == "B"


def test_the_users_own_trace_goes_on() -> None:
    assert not tracemalloc.is_tracing()
    held_bytes(list)
    assert not tracemalloc.is_tracing()
    tracemalloc.start()
    try:
        held_bytes(list)
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()


def test_a_program_that_raises_leaves_no_trace_running() -> None:
    with pytest.raises(ZeroDivisionError, match="division"):
        held_bytes(lambda: 1 / 0)
    assert not tracemalloc.is_tracing()


# ---- growth ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [0.0, 1.0, 1.5, 2.0])
def test_fitted_exponent_of_a_power(k: float) -> None:
    sizes = [10**j for j in range(3, 7)]
    found, error = fitted_exponent(sizes, [3e-7 * size**k for size in sizes])
    assert found == pytest.approx(k, abs=1e-12)
    assert error == pytest.approx(0.0, abs=1e-9)


def test_standard_error_covers_what_noise_does(rng: np.random.Generator) -> None:
    sizes = np.geomspace(1e3, 1e6, 7)
    misses = 0
    for _ in range(200):
        k, error = fitted_exponent(list(sizes), list(sizes * np.exp(rng.normal(0.0, 0.1, 7))))
        misses += abs(k - 1.0) > error
    assert 50 < misses < 110  # a third and a little more, with five degrees of freedom: 36 %


@pytest.mark.parametrize("k", [1, 2])
def test_growth_of_a_program(clock: Clock, k: int) -> None:
    prepared: list[int] = []

    def make(size: int) -> Callable[[], None]:
        prepared.append(size)
        clock.now += 1e6  # preparing takes no measured time
        return clock.program(1e-9 * size**k)

    found = growth(Growing(make), EFFORT, clock)
    assert found.value == pytest.approx(k, abs=1e-4)
    assert found.ours == pytest.approx(1e-9 * 100_000**k, rel=1e-3)
    assert found.theirs is None
    assert prepared == [1_000, 3_162, 10_000, 31_623, 100_000]
    assert found.samples == len(prepared)


def test_growth_beyond_the_usual_size(clock: Clock) -> None:
    prepared: list[int] = []

    def make(size: int) -> Callable[[], None]:
        prepared.append(size)
        return clock.program(1e-9 * size)

    growth(Growing(make, smallest=100_000, beyond=10), EFFORT, clock)
    assert prepared == [100_000, 316_228, 1_000_000]
