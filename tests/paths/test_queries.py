"""Paths listed one by one, counted and summed, against a plain recursion over the elementary graph."""

from __future__ import annotations

import itertools
import math
import re
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


@pytest.mark.parametrize("at", [True, False, np.True_, (True,), [False]], ids=str)
def test_a_truth_is_no_number_of_an_element(at: Any) -> None:
    w = Value([1.0, 2.0], name="w")
    end = w * 2.0
    for question in (
        lambda: tg.gradient_paths(end.sum(), w, at=at),
        lambda: tg.gradient_paths(end, w, at=1, end_at=at),
        lambda: tg.gradient_paths(end.sum(), w, at=1, via=[(w, at)]),
    ):
        with pytest.raises(ValueTypeError, match=r"(at|end_at|index)= takes whole numbers, one for each axis, got"):
            question()


def test_a_contribution_that_underflows_has_no_sign() -> None:
    x = Value(1.0, name="x")
    end = x * -2.0 + x * 3.0 + x * -1e-200 * 1e-200 + x * 1e-200 * 1e-200
    gp = tg.gradient_paths(end, x)
    assert [path.contribution for path in gp.top(4)] == [3.0, -2.0, 0.0, 0.0]
    assert [path.contribution for path in gp.top(4, sign="negative")] == [-2.0]
    assert [path.contribution for path in gp.top(4, sign="positive")] == [3.0]
