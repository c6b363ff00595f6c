"""The measurements: two programs side by side, in time and in memory, and the growth of one.

A single timing says little: the machine's clock speed, its caches and its other users change it by more than the
differences of interest. But they change slowly, so two samples in direct succession share them. Hence:

- the two sides alternate, A B A B …, and the result is the *median of the ratios within each pair*, not the ratio of
  two medians; its spread is the quartiles of those ratios;
- one sample is many calls in a row: enough for the clock, and for the collector to take its usual share;
- the first call pays for caches, lazy imports and specialised bytecode, so each side runs once before it is measured;
- the garbage collector keeps the user's settings (a framework that makes it work hard is a slow framework), but garbage
  is collected between samples, outside the measured time, so that neither side pays for the other's.

Source: T. Kalibera and R. Jones, *Rigorous benchmarking in reasonable time*, 2013, for warm-up and repetition;
J. Chen and J. Revels, *Robust benchmarking in noisy environments*, 2016, for the number of calls in a sample.
"""

from __future__ import annotations

import gc
import math
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat

__all__ = [
    "FULL",
    "QUICK",
    "Effort",
    "Growing",
    "Measurement",
    "Pair",
    "calls_for",
    "fitted_exponent",
    "growth",
    "held_bytes",
    "kept_ratio",
    "peak_bytes",
    "peak_ratio",
    "sample",
    "time_ratio",
    "told_ratio",
]

Program = Callable[[], object]
Clock = Callable[[], float]

LEAST_CALLS = 3
MEMORY_PAIRS = 3  # allocations differ between runs by a resized dict or two


@dataclass(frozen=True)
class Effort:
    """The time that a run may take: a longer run has a narrower spread."""

    pairs: int = 15
    """The number of samples of each side; fewer than 15 are for a first look only."""
    sample_seconds: float = 0.05
    """The least duration of a sample, in seconds."""
    largest: int = 1_000_000
    """The largest size at which growth is measured."""


FULL = Effort()
QUICK = Effort(pairs=5, sample_seconds=0.01, largest=100_000)


@dataclass(frozen=True)
class Pair:
    """Two programs that do the same work. ``kept_ratio`` keeps their results, the others drop them."""

    ours: Program
    theirs: Program
    parts: int = 1
    """The number of equal parts of the work, ops for example: seconds and bytes are given per part."""


@dataclass(frozen=True)
class Growing:
    """A program for every size: ``make(size)`` prepares it, outside the measured time."""

    make: Callable[[int], Program]
    smallest: int = 1_000
    beyond: float = 1
    """The factor by which the largest size exceeds that of the effort."""


@dataclass(frozen=True)
class Measurement:
    """A ratio ours / theirs, or an exponent, with its spread, and the two figures behind it."""

    value: float
    low: float
    """The lower quartile of a ratio; for an exponent, one standard error below it."""
    high: float
    ours: float
    """The median of our side, for one part of the work; for an exponent, the time at the largest size."""
    theirs: float | None
    """The median of the other side, for one part of the work; ``None`` for an exponent."""
    unit: str
    """The unit of ``ours`` and ``theirs``: ``"s"`` or ``"B"``."""
    samples: int
    """The number of pairs, or of sizes."""


# ---- time ------------------------------------------------------------------------------------------------------------


def sample(program: Program, calls: int, clock: Clock = time.perf_counter) -> float:
    """The seconds of one call, averaged over ``calls`` in a row."""
    start = clock()
    for _ in repeat(None, calls):  # without a counter an empty program takes 15 ns a call
        program()
    return (clock() - start) / calls


def calls_for(program: Program, seconds: float, clock: Clock = time.perf_counter) -> int:
    """The number of calls in a row that last at least ``seconds``. Finding it is the warm-up, too.

    It is at least three, however long a call takes: the garbage of a call is collected during the next ones, and a
    program that leaves cycles, like micrograd, takes up to twice as long from its second call on.
    """
    program()  # the first call can take much longer than the others
    calls = LEAST_CALLS
    while (lasted := calls * sample(program, calls, clock)) < seconds:
        # a tenth more than needed, since later calls may be faster; a coarse clock may show no time at all
        needed = math.ceil(1.1 * calls * seconds / lasted) if lasted > 0.0 else math.inf
        calls = int(max(calls + 1, min(needed, 10 * calls)))
    return calls


def time_ratio(pair: Pair, effort: Effort = FULL, clock: Clock = time.perf_counter) -> Measurement:
    """Our time over theirs: the median over pairs of samples, taken in turns."""
    our_calls = calls_for(pair.ours, effort.sample_seconds, clock)
    their_calls = calls_for(pair.theirs, effort.sample_seconds, clock)
    ours, theirs = [], []
    for _ in range(effort.pairs):
        gc.collect()
        ours.append(sample(pair.ours, our_calls, clock))
        gc.collect()
        theirs.append(sample(pair.theirs, their_calls, clock))
    return _compared(ours, theirs, pair.parts, "s")


def told_ratio(pair: Pair, effort: Effort = FULL) -> Measurement:
    """Our time over theirs, taken in turns, for programs that return their own seconds."""
    pair.ours()  # the first run can take much longer than the others
    pair.theirs()
    both = [(_told(pair.ours), _told(pair.theirs)) for _ in range(effort.pairs)]
    return _compared([ours for ours, _ in both], [theirs for _, theirs in both], pair.parts, "s")


def _told(program: Program) -> float:
    seconds = program()
    assert isinstance(seconds, float)
    return seconds


def _compared(ours: Sequence[float], theirs: Sequence[float], parts: int, unit: str) -> Measurement:
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else 3 * ratios
    one, other = statistics.median(ours) / parts, statistics.median(theirs) / parts
    return Measurement(median, low, high, one, other, unit, len(ratios))


# ---- memory ----------------------------------------------------------------------------------------------------------


@contextmanager
def _traced() -> Iterator[None]:
    """Trace allocations inside the block, NumPy's too; a trace that the user had started continues afterwards."""
    running = tracemalloc.is_tracing()
    if not running:
        tracemalloc.start()
    try:
        yield
    finally:
        if not running:
            tracemalloc.stop()


def held_bytes(program: Program) -> int:
    """The bytes that the result of ``program`` keeps alive."""
    gc.collect()
    with _traced():
        before, _ = tracemalloc.get_traced_memory()
        result = program()
        after, _ = tracemalloc.get_traced_memory()
        del result
    return after - before


def peak_bytes(program: Program) -> int:
    """The peak of the bytes allocated during one call, beyond those in use before it."""
    program()  # memory that it keeps for the next call counts as in use before
    gc.collect()
    with _traced():
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        program()
        _, peak = tracemalloc.get_traced_memory()
    return peak - before


def kept_ratio(pair: Pair, effort: Effort = FULL) -> Measurement:
    """The memory that our result keeps alive over the memory that theirs keeps alive."""
    return _memory_ratio(held_bytes, pair)


def peak_ratio(pair: Pair, effort: Effort = FULL) -> Measurement:
    """Our peak of memory in one call over theirs."""
    return _memory_ratio(peak_bytes, pair)


def _memory_ratio(of: Callable[[Program], int], pair: Pair) -> Measurement:
    both = [(of(pair.ours), of(pair.theirs)) for _ in range(MEMORY_PAIRS)]
    return _compared([ours for ours, _ in both], [theirs for _, theirs in both], pair.parts, "B")


# ---- growth ----------------------------------------------------------------------------------------------------------


def fitted_exponent(sizes: Sequence[float], seconds: Sequence[float]) -> tuple[float, float]:
    """The k of seconds ≈ c · sizeᵏ and its standard error: the least-squares line through the logarithms.

    >>> k, error = fitted_exponent([10, 100, 1000], [2.0, 200.0, 20000.0])
    >>> round(k, 9), round(error, 9)
    (2.0, 0.0)
    """
    x, y = [math.log(size) for size in sizes], [math.log(t) for t in seconds]
    k, intercept = statistics.linear_regression(x, y)
    spread = sum((a - statistics.fmean(x)) ** 2 for a in x)
    left = sum((b - intercept - k * a) ** 2 for a, b in zip(x, y, strict=True))
    return k, math.sqrt(left / max(len(x) - 2, 1) / spread)


def growth(program: Growing, effort: Effort = FULL, clock: Clock = time.perf_counter) -> Measurement:
    """The exponent with which time grows with size, from two sizes in each decade, each the median of three samples."""
    sizes = [program.smallest]
    while sizes[-1] < program.beyond * effort.largest:
        sizes.append(round(program.smallest * 10 ** (len(sizes) / 2)))
    seconds = []
    for size in sizes:
        one = program.make(size)
        calls = calls_for(one, effort.sample_seconds, clock)
        gc.collect()
        seconds.append(statistics.median(sample(one, calls, clock) for _ in range(3)))
        del one
    k, error = fitted_exponent(sizes, seconds)
    return Measurement(k, k - error, k + error, seconds[-1], None, "s", len(sizes))
