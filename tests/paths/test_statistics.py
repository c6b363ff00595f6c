"""Numbers over all paths where they are very small, very large, or none at all."""

from __future__ import annotations

import math
import re
import tracemalloc
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinygrad_lite as tg
from tinygrad_lite import Value, semirings
from tinygrad_lite.core.graph import ancestors
from tinygrad_lite.errors import GraphError, NonFiniteError
from tinygrad_lite.paths import spectra

# ---- small and large numbers -----------------------------------------------------------------------------------------


def sigmoids(n: int = 1000) -> tuple[Value, Value]:
    x = h = Value(0.5, name="x")
    for _ in range(n):
        h = h.sigmoid()
    return x, h


def log_slope() -> float:
    """ln of the derivative of a thousand sigmoids, by the formula."""
    h, total = 0.5, 0.0
    for _ in range(1000):
        h = 1 / (1 + math.exp(-h))
        total += math.log(h) + math.log1p(-h)
    return total


def test_a_thousand_sigmoids_on_two_branches() -> None:
    x, h = sigmoids()
    gp = tg.gradient_paths(h * 1.0 + h * -3.0, x)
    assert gp.total == gp.magnitude == 0.0  # as numbers; but the proportions are there
    assert gp.cancellation == pytest.approx(0.5, rel=1e-12)
    assert gp.entropy == pytest.approx(-0.25 * math.log(0.25) - 0.75 * math.log(0.75), rel=1e-12)
    assert gp.spectrum == {1002: (2, 0.0, 0.0)}
    assert (gp.count, gp.active_count) == (2, 2)
    assert [path.locals[1] for path in gp] == [-3.0, 1.0]
    assert gp.top(1, sign="positive") == gp.top(1, sign="negative") == []  # 0 has no sign
    assert tg.sweep(h, tg.semirings.LOG_MAGNITUDE, wrt=x) == pytest.approx(log_slope(), rel=1e-12)


def test_what_brings_a_thousand_sigmoids_back_finds_them_there() -> None:
    x, h = sigmoids()
    end = h * 1e300 * 1e300
    gp = tg.gradient_paths(end, x)
    expected = pytest.approx(math.exp(log_slope() + 600 * math.log(10)), rel=1e-9)
    assert 0 < gp.total < 1e-40
    assert gp.total == gp.magnitude == expected
    assert gp.spectrum == {1002: (1, expected, expected)}
    assert tg.sweep(end, tg.semirings.GRADIENT, wrt=[x])[0] == expected
    assert gp.through(h) == expected
    assert all(flow.contribution == expected for flow in gp.flow())
    assert gp.by("module") == {(): expected}


def test_a_thousand_sigmoids_of_arrays() -> None:
    x = h = Value([[0.5, 0.5]], name="x")
    for _ in range(1000):
        h = (h @ np.eye(2)).sigmoid()
    with np.errstate(all="ignore"):  # of the values; the derivatives are what is asked for
        back = (h * np.array([1e300, -1e300]) * 1e300).sum()
    plain = h.sum()
    for end in (plain, back):
        found = tg.sweep(end, tg.semirings.LOG_MAGNITUDE, wrt=x)
        more = 0.0 if end is plain else 600 * math.log(10)
        assert_allclose(found, np.full((1, 2), log_slope() + more), rtol=1e-12)
    gp = tg.gradient_paths(back, x, at=(0, 1))
    assert gp.total == -gp.magnitude == pytest.approx(-math.exp(log_slope() + 600 * math.log(10)), rel=1e-9)


def test_of_nothing_beside_something_very_small() -> None:
    """An element to which nothing flows, in an array of which the rest is carried with an exponent of its own."""
    x = Value([1.0, 1.0], name="x")
    tiny = np.array([[0.0, 1e-200], [1.0, 1e-200]])
    end = x @ tiny @ np.array([[0.0, 1e-200], [0.0, 1.0]]) * np.array([1.0, 1e-200])
    gp = tg.gradient_paths(end, x, at=0, end_at=0)
    assert (gp.total, gp.magnitude, gp.cancellation, gp.entropy) == (0.0, 0.0, 0.0, 0.0)
    with pytest.raises(GraphError, match="no path carries anything"):
        gp.sample(1, 0)


def test_counts_of_a_chain_of_a_hundred_thousand_ops() -> None:
    x = h = Value(1.0)
    for _ in range(100_000):
        h = h * 1.0
    gp = tg.gradient_paths(h, x)
    assert (gp.count, gp.active_count) == (1, 1)


def test_two_to_the_thousand_equal_paths() -> None:
    x = y = Value(1.0, name="x")
    for _ in range(1000):
        y = y + y
    gp = tg.gradient_paths(y, x)
    assert (gp.count, gp.active_count) == (2**1000, 2**1000)
    assert gp.spectrum == {1000: (2**1000, 2.0**1000, 2.0**1000)}
    assert gp.entropy == pytest.approx(1000 * math.log(2), rel=1e-9)
    assert [path.contribution for path in gp.top(3)] == [1.0] * 3
    half = x
    for _ in range(1000):
        half = half * 0.5 + half * -0.5
    gp = tg.gradient_paths(half, x)
    assert (gp.count, gp.total, gp.cancellation) == (2**1000, 0.0, 1.0)
    assert gp.magnitude == pytest.approx(1.0, rel=1e-12)


def test_a_negative_zero_is_a_zero() -> None:
    x = Value([3.0, 1.0], name="x")
    gp = tg.gradient_paths((x * np.array([-0.0, 1.0])).sum() + x[0] * -0.0, x, at=0)
    assert (gp.count, gp.active_count, gp.magnitude, gp.entropy) == (2, 0, 0.0, 0.0)
    contributions = [gp.total, *(path.contribution for path in gp), *gp.spectrum[3][1:]]
    assert [math.copysign(1.0, number) for number in contributions if number == 0] == [1.0] * len(contributions)
    assert gp.top(2, sign="negative") == []
    assert "-0" not in str(gp)


def test_parameters_in_single_precision() -> None:
    rng = np.random.default_rng(0)
    x, w = (
        Value(rng.normal(size=(2, 3)).astype(np.float32), name="x"),
        Value(rng.normal(size=(3, 2)).astype(np.float32)),
    )
    end = tg.tanh(x @ w).square().sum()
    double = tg.tanh(Value(x.data.astype(float), name="x") @ Value(w.data.astype(float))).square().sum()
    found, expected = (tg.gradient_paths(one, "x[0,1]") for one in (end, double))
    assert (found.count, found.active_count) == (expected.count, expected.active_count)
    for name in ("total", "magnitude", "cancellation", "entropy"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-5)
        assert type(getattr(found, name)) is float
    assert [path.indices for path in found] == [path.indices for path in expected]
    y = x
    for _ in range(30):
        y = y * np.float32(1e-3)  # 1e-90, which no float32 holds
    assert tg.gradient_paths(y.sum(), x, at=(0, 0)).total == pytest.approx(1e-90, rel=1e-5)


# ---- numbers that are none -------------------------------------------------------------------------------------------

X = [4.0, 0.0, 1.0]
SPOILED: dict[str, tuple[Any, str]] = {
    "log": (tg.log, "'log'.* is inf at element [1], where the operand is 0"),
    "sqrt": (tg.sqrt, "'sqrt'.* is inf at element [1], where the operand is 0"),
    "div": (lambda x: 1.0 / x, "'div'.* is -inf at element [1]"),
    "power": (lambda x: x**0.5, "'pow'.* is inf at element [1], where the operand is 0"),
    "inf": (lambda x: x * np.array([1.0, np.inf, 1.0]), "'mul'.* is inf at element [1]"),
    "nan": (lambda x: x * np.array([1.0, np.nan, 1.0]), "'mul'.* is nan at element [1]"),
    "matmul": (lambda x: x @ np.array([[1.0, 2.0], [np.nan, 1.0], [0.0, 0.0]]), "'matmul'.* is nan at element [1, 0]"),
    "of zero": (lambda x: tg.log(x * 0.0), "'log'.* is inf at element [0]"),
    "zero of it": (lambda x: tg.log(x) * 0.0, "'log'.* is inf at element [1]"),
}


@pytest.mark.parametrize("which", SPOILED)
@pytest.mark.parametrize("as_scalar", [False, True])
def test_a_local_derivative_that_is_no_number_is_named(which: str, as_scalar: bool) -> None:
    op, message = SPOILED[which]
    if as_scalar and which in ("inf", "nan", "matmul"):
        return
    x = Value(0.0 if as_scalar else X, name="x")
    with np.errstate(all="ignore"):
        end = op(x) if as_scalar else op(x).sum()
    pattern = re.escape(message).replace(re.escape(".*"), ".*")
    if as_scalar:
        pattern = pattern.partition(re.escape(" at element"))[0]
    gp = tg.gradient_paths(end, x, at=() if as_scalar else 1)
    assert gp.count == tg.gradient_paths(end, x, at=() if as_scalar else 1).count > 0
    assert np.all(tg.sweep(end, tg.semirings.COUNT, wrt=x) == gp.count)
    questions: list[Any] = [
        *(
            lambda name=name: getattr(gp, name)
            for name in ("total", "magnitude", "cancellation", "entropy", "spectrum")
        ),
        *(lambda sign=sign: gp.top(1, sign=sign) for sign in (None, "positive", "negative")),
        lambda: next(iter(gp)),
        lambda: gp.sample(1, 0),
        lambda: gp.through(x),
        gp.flow,
        lambda: gp.by("module"),
    ]
    for question in questions:
        with pytest.raises(NonFiniteError, match="gradient_paths: a local derivative of " + pattern):
            question()
    for name in ("GRADIENT", "MAGNITUDE", "MAX", "ENTROPY", "LOG_MAGNITUDE", "SPECTRUM"):
        with pytest.raises(NonFiniteError, match="sweep: a local derivative of " + pattern):
            tg.sweep(end, getattr(tg.semirings, name), wrt=x)


def test_what_no_path_passes_may_be_no_number() -> None:
    x, y = Value([4.0, 0.0], name="x"), Value(2.0, name="y")
    end = tg.sqrt(x).sum() * 1.0 + y * y
    assert tg.gradient_paths(end, y).total == 4.0


# ---- the spectrum of one query ---------------------------------------------------------------------------------------


def skips(depth: int, width: int) -> tuple[Value, Value]:
    rng = np.random.default_rng(depth)
    x = h = Value(rng.normal(size=(2, width)), name="x")
    for _ in range(depth):
        h = h + tg.tanh(h @ rng.normal(size=(width, width))) * h
    return h.sum(), x


@pytest.mark.parametrize("window", [1, 2, 3, 7, 64])
def test_however_many_lengths_are_carried_at_a_time_the_spectrum_is_that_of_a_sweep(
    window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spectra, "_WINDOW", window)
    end, x = skips(4, 3)
    swept = tg.sweep(end, semirings.SPECTRUM, wrt=x)
    for index in np.ndindex(x.shape):
        gp = tg.gradient_paths(end, x, at=index)
        assert list(gp.spectrum) == list(swept)
        for length, (count, total, magnitude) in gp.spectrum.items():
            assert type(count) is int
            assert count == swept[length][0][index]
            assert total == pytest.approx(swept[length][1][index], rel=1e-10)
            assert magnitude == pytest.approx(swept[length][2][index], rel=1e-12)
    middle = next(node for node in ancestors(end) if node.op is not None and node.op.name == "tanh")
    parts = [
        tg.gradient_paths(end, x, at=(1, 0), **{how: [middle]}).spectrum  # type: ignore[arg-type]
        for how in ("via", "without")
    ]
    whole = tg.gradient_paths(end, x, at=(1, 0)).spectrum
    for length, (count, _, _) in whole.items():
        assert sum(part.get(length, (0,))[0] for part in parts) == count


def test_the_memory_of_a_spectrum_grows_with_the_graph_alone() -> None:
    """All lengths at every Value would take 16 times the memory in a network of 4 times the depth."""
    peaks = []
    for depth in (60, 240):
        end, x = skips(depth, 6)
        gp = tg.gradient_paths(end, x, at=(0, 0))
        assert gp.count > 2**depth  # sweeps that are kept
        assert gp.check_finite() is None
        tracemalloc.start()
        assert len(gp.spectrum) > 2 * depth
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 6 * peaks[0]
