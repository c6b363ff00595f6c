"""Paths listed one by one, counted and summed, against a plain recursion over the elementary graph."""

from __future__ import annotations

import itertools
import math
import operator
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import tinygrad_lite as tg
from tests.cases import CASES, LABELS, Case, recorded
from tests.oracles.brute_force import every_path
from tinygrad_lite import Value, datasets, nn
from tinygrad_lite.errors import (
    ArgumentError,
    GraphError,
    IndexRangeError,
    NonFiniteError,
    ShapeError,
    UnknownNameError,
    ValueTypeError,
)


@pytest.mark.parametrize("example", CASES, ids=LABELS)
def test_every_op_lists_every_path(example: Case, rng: np.random.Generator) -> None:
    inputs, out = recorded(example, rng, False)
    end = (out * np.resize([1.0, -0.5, 2.0], out.shape)).sum() if out.shape else out
    oracle = every_path(end)
    for value in inputs:
        if not isinstance(value, Value) or value not in oracle:
            continue
        for flat, expected in oracle[value].items():
            index = tuple(int(i) for i in np.unravel_index(flat, value.shape)) if value.shape else ()
            gp = tg.gradient_paths(end, value, at=index)
            paths = list(gp)
            assert gp.count == len(paths) == len(expected)
            assert_allclose(sorted(path.contribution for path in paths), sorted(expected), rtol=1e-6, atol=1e-6)
            assert gp.active_count == sum(all(path.locals) for path in paths)
            assert gp.total == pytest.approx(math.fsum(path.contribution for path in paths), rel=1e-9, abs=1e-12)
            assert gp.magnitude == pytest.approx(math.fsum(abs(path.contribution) for path in paths), abs=1e-12)
            for path in paths:
                assert path.nodes[0] is end
                assert path.nodes[-1] is value
                assert path.indices[-1] == index
                assert len(path) == path.length == len(path.locals) == len(path.nodes) - 1 == len(path.indices) - 1
                for reader, operand in itertools.pairwise(path.nodes):
                    assert any(operand is parent for parent in reader.parents)


@pytest.mark.parametrize("scalar", [True, False], ids=["scalars", "arrays"])
def test_the_half_adder_has_4_8_and_16_paths(scalar: bool) -> None:
    x, t = datasets.half_adder()
    kind = nn.scalar.MLP if scalar else nn.MLP
    net = kind(2, [2, 2, 2], activation="sigmoid", output="sigmoid", rng=0)
    loss = nn.losses.half_squared_error(net(x), t)
    loss.backward()
    for name, count in {"w300": 4, "w200": 8, "w100": 16, "w3[0,0]": 4, "w2[0,0]": 8, "w1[0,0]": 16, "b10": 16}.items():
        gp = tg.gradient_paths(loss, name)
        assert gp.count == len(list(gp)) == count
        value, index = tg.find(loss, name)
        assert gp.total == pytest.approx(value.grad[index] if index else value.grad, rel=1e-12)


@given(st.integers(0, 1000), st.lists(st.integers(1, 4), min_size=2, max_size=4), st.integers(1, 3))
def test_the_sum_over_paths_is_the_gradient(seed: int, dims: list[int], samples: int) -> None:
    rng = np.random.default_rng(seed)
    net = nn.MLP(dims, activation="tanh", output="tanh", rng=seed)
    loss = nn.losses.half_squared_error(net(rng.normal(size=(samples, dims[0]))), rng.normal(size=(samples, dims[-1])))
    loss.backward()
    for value in net.parameters():
        index = tuple(int(rng.integers(n)) for n in value.shape)
        gp = tg.gradient_paths(loss, value, at=index)
        assert math.fsum(path.contribution for path in gp) == pytest.approx(value.grad[index], abs=1e-12)


def test_a_repeated_operand_is_two_paths() -> None:
    x = Value(3.0, name="x")
    assert [(len(p.nodes), p.contribution) for p in tg.gradient_paths(x * x, x)] == [(2, 3.0), (2, 3.0)]


def test_a_value_is_its_own_end() -> None:
    x = Value(3.0, name="x")
    (path,) = tg.gradient_paths(x, x)
    assert (path.nodes, path.locals, path.contribution, str(path)) == ((x,), (), 1.0, "x : 1 = 1")


def test_from_one_element_to_an_interior_value() -> None:
    x = Value([1.0, 2.0], name="x")
    y = x * 3.0
    z = y @ np.array([[1.0, 2.0], [5.0, 7.0]])
    gp = tg.gradient_paths(z, y, at=1, end_at=0)
    assert (gp.count, gp.total) == (1, 5.0)
    assert tg.gradient_paths(z, x, at=-1, end_at=-1).total == 21.0


def test_listing_is_lazy() -> None:
    x = h = Value(np.ones(100), name="x")
    for _ in range(15):
        h = h @ np.full((100, 100), 0.01)
    gp = tg.gradient_paths(h.sum(), x, at=0)
    assert gp.count == 10**30
    assert len(list(itertools.islice(gp, 50))) == 50


def test_counts_of_any_size_and_depth() -> None:
    x = y = Value(1.0, name="x")
    for _ in range(1000):
        y = y + y
    assert tg.gradient_paths(y, x).count == 2**1000
    y = x
    for _ in range(20_000):
        y = y.sin()
    (path,) = tg.gradient_paths(y, x)
    assert path.length == 20_000


def test_a_path_reads_as_a_person_would_write_it() -> None:
    x, w = Value(2.0, name="x"), Value(3.0, name="w")
    z = x * w
    z.name = "z"
    loss = (z - 1.0).square() * 0.5
    loss.name = "C"
    (path,) = tg.gradient_paths(loss, w)
    assert str(path) == "C ← z ← w : (z - 1) · x = 10"
    assert repr(path) == "<Path C ← z ← w : (z - 1) · x = 10>"
    assert path.numbers == "C ← z ← w : 5 · 2 = 10"


@pytest.mark.parametrize("name", ['"];', "<b>", "\\N", "a\nb", "ﬀ→", "w[0]"])
def test_a_name_that_would_break_the_line_is_quoted(name: str) -> None:
    w = Value(3.0, name=name)
    (path,) = tg.gradient_paths(w * 2.0, name)
    assert str(path) == f"end ← {name if name == 'w[0]' else repr(name)} : 2 = 2"


def test_refusals() -> None:
    w, v = Value([1.0, 2.0], name="weights"), Value(1.0, name="v")
    fixed = Value([1.0, 1.0], name="x", requires_grad=False)
    loss = (w * fixed).sum()
    loss.name = "C"
    cases: list[tuple[type[Exception], str, Any]] = [
        (GraphError, "'C' (3) does not depend on 'v' (1): no path leads", lambda: tg.gradient_paths(loss, v)),
        (GraphError, "'x' (of shape (2,)) is a constant", lambda: tg.gradient_paths(loss, fixed, at=0)),
        (
            UnknownNameError,
            "named 'weihgts'; the nearest names are 'weights'",
            lambda: tg.gradient_paths(loss, "weihgts"),
        ),
        (ShapeError, "'weights' (of shape (2,)) has 2 elements; say which", lambda: tg.gradient_paths(loss, w)),
        (ShapeError, "needs 1 numbers in at=, got (0, 1)", lambda: tg.gradient_paths(loss, w, at=(0, 1))),
        (IndexRangeError, "at=(2,) is outside 'weights'", lambda: tg.gradient_paths(loss, w, at=2)),
        (ArgumentError, "the element is in the name already", lambda: tg.gradient_paths(loss, "weights[0]", at=1)),
        (ValueTypeError, "wrt is a Value or a name, got int", lambda: tg.gradient_paths(loss, 3)),  # type: ignore[arg-type]
    ]
    for error, message, call in cases:
        with pytest.raises(error, match=re.escape(message)):
            call()
    twin = Value(1.0, name="v")
    with pytest.raises(ArgumentError, match="2 Values are named 'v'"):
        tg.gradient_paths(v * twin, "v")
    loss.backward(keep="leaves")
    with pytest.raises(GraphError, match="freed by backward"):
        tg.gradient_paths(loss, w, at=0)


def test_lists_as_operands_stay_what_they_were() -> None:
    c = Value([1.0, 2.0], name="c")
    loss = (c * [1, 2] + (0.5, 1.5)).sum()
    assert tg.gradient_paths(loss, "c[1]").total == 2.0  # looking for the name reads every operand
    loss.backward()
    assert_allclose(c.grad, [1.0, 2.0])


# ---- how they are listed ---------------------------------------------------------------------------------------------


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
    assert [path.locals[1] for path in gp.top(1, sign="positive")] == [1.0]
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


# ---- graphs that are cut ---------------------------------------------------------------------------------------------


def test_what_cut_the_graph_is_named() -> None:
    w = Value(3.0, name="w")
    h = w * 2.0
    h.name = "h"
    with pytest.raises(
        GraphError, match=r"does not depend on 'w' \(3\).*cut at 'h' \(6\) by detach\(\): paths end there"
    ):
        tg.gradient_paths(h.detach() * Value(1.0), w)
    with tg.no_grad():
        frozen = w * 2.0
    frozen.name = "frozen"
    with pytest.raises(GraphError, match=r"the graph was cut at 'frozen' \(6\) by no_grad\(\): paths end there"):
        tg.gradient_paths(frozen * Value(1.0), w)
    with tg.no_grad():
        many = [w * float(k) for k in range(7)]
    with pytest.raises(GraphError, match=r"by no_grad.* and others"):
        tg.gradient_paths(sum(many) * Value(1.0), w)
    with pytest.raises(GraphError, match=r"was it computed from another Value\?"):
        tg.gradient_paths(Value(1.0) * 2.0, w)
    assert tg.gradient_paths(h.detach() * w, w).total == 6.0  # what is left of it


@pytest.mark.parametrize("cut", [lambda h: h.detach(), lambda h: h.data], ids=["detach", "data"])
def test_a_cut_array(cut: Any) -> None:
    w, v = Value([1.0, 2.0], name="w"), Value([1.0, 1.0], name="v")
    end = (cut(w * 2.0) * v).sum()
    with pytest.raises(GraphError, match="does not depend on 'w'"):
        tg.gradient_paths(end, w, at=0)
    assert tg.gradient_paths(end, v, at=0).total == 2.0


def test_a_graph_that_was_consumed_or_changed() -> None:
    w = Value([1.0, 2.0], name="w")
    end = (w * w).sum()
    before = tg.gradient_paths(end, w, at=0)
    end.backward(keep="leaves")
    for question in (lambda: before.total, lambda: before.top(1), lambda: tg.gradient_paths(end, w, at=0)):
        with pytest.raises(GraphError, match="freed by backward"):
            question()
    end = (w * w).sum()
    w.data = np.array([5.0, 5.0])
    with pytest.raises(GraphError, match=r"'w' .* was replaced after it was recorded"):
        tg.gradient_paths(end, w, at=0)


def test_arguments_of_a_wrong_kind() -> None:
    w = Value([1.0, 2.0], name="w")
    end = (w * w).sum()
    paths = tg.gradient_paths
    cases: list[tuple[type[Exception], str, Any]] = [
        (ValueTypeError, "the end is a Value, got float", lambda: paths(3.0, w)),  # type: ignore[arg-type]
        (ValueTypeError, "wrt is a Value or a name, got NoneType", lambda: paths(end, None)),  # type: ignore[arg-type]
        (ValueTypeError, "at= takes whole numbers, one for each axis, got 1.5", lambda: paths(end, w, at=1.5)),  # type: ignore[arg-type]
        (ValueTypeError, "at= takes whole numbers, one for each axis, got 'x'", lambda: paths(end, w, at="x")),  # type: ignore[arg-type]
        (ShapeError, "needs 1 numbers in at=, got ()", lambda: paths(end, w, at=())),
        (ShapeError, "needs 0 numbers in end_at=, got (0,)", lambda: paths(end, w, at=0, end_at=0)),
        (ShapeError, "has 2 elements; say which one with end_at=", lambda: paths(w * w, w, at=0)),
        (IndexRangeError, "end_at=(-3,) is outside", lambda: paths(w * w, w, at=0, end_at=-3)),
        (IndexRangeError, "outside", lambda: paths(end, "w[2]")),
        (ValueTypeError, "through: needs a Value, a name, or a pair", lambda: paths(end, w, at=0).through(3)),  # type: ignore[arg-type]
        (UnknownNameError, "through: nothing that", lambda: paths(end, w, at=0).through("v")),
    ]
    for error, message, call in cases:
        with pytest.raises(error, match=re.escape(message)):
            call()
    assert paths(end, w, at=np.int64(1)).total == 4.0
    assert paths(end, "w[1]").through("w[1]") == 4.0
    assert paths(end, "w[1]").through((w, 0)) == 0.0  # type: ignore[arg-type]


def test_far_arguments_do_not_warn() -> None:
    x = Value([800.0, -800.0, 1.0], name="x")
    gp = tg.gradient_paths((x * 1.0).sigmoid().sum(), x, at=0)
    assert [path.contribution for path in gp] == [0.0]
    assert [path.contribution for path in gp.top(1)] == [0.0]
    assert all(np.all(np.isfinite(flow.contribution)) for flow in gp.flow())


def test_a_sweep_needs_a_semiring() -> None:
    x = Value(3.0)
    with pytest.raises(ArgumentError, match=re.escape("sweep: needs a semiring, got 'COUNT'; pass for example")):
        tg.sweep(x * x, "COUNT", wrt=x)  # type: ignore[arg-type]
