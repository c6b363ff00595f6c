"""Paths by way of some values and around others."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinygrad_lite as tg
from tests.oracles.brute_force import trails
from tests.path_checks import check_numbers, check_order, check_places, passes
from tinygrad_lite import Value, datasets, nn
from tinygrad_lite.core.graph import ancestors
from tinygrad_lite.errors import (
    ArgumentError,
    GraphError,
    IndexRangeError,
    ShapeError,
    TinygradError,
    UnknownNameError,
    ValueTypeError,
)


def network() -> tuple[Value, Value]:
    """Two hidden layers of three, and the weights of the first."""
    net = nn.MLP([2, 3, 3, 1], activation="tanh", rng=0)
    loss = nn.losses.half_squared_error(net([[1.0, -2.0], [0.5, 1.0]]), [[1.0], [0.0]])
    return loss, tg.find(loss, "w1")[0]


def branches() -> dict[str, Value]:
    """A skip, and two branches one after the other: a ← w, b ← a, c ← b and w, end ← c and w."""
    made = {"w": Value(3.0, name="w")}
    made["a"] = made["w"] * 2.0
    made["b"] = made["a"] * 5.0
    made["c"] = made["b"] * 7.0 + made["w"] * 11.0
    made["end"] = made["c"] * 13.0 + made["w"] * 17.0
    for name, value in made.items():
        value.name = name
    return made


def test_by_way_of_a_neuron_and_around_it() -> None:
    loss, w1 = network()
    of_all = tg.gradient_paths(loss, w1, at=(0, 1))
    n2, _ = tg.find(loss, "n2")
    by_way = [tg.gradient_paths(loss, w1, at=(0, 1), via=[(n2, (sample, 2))]) for sample in (0, 1)]
    around = tg.gradient_paths(loss, w1, at=(0, 1), without=[(n2, (0, 2)), (n2, (1, 2))])
    assert [gp.count for gp in (of_all, *by_way, around)] == [6, 1, 1, 4]
    assert sum(gp.total for gp in by_way) + around.total == pytest.approx(of_all.total, rel=1e-14)
    for sample, gp in enumerate(by_way):
        assert gp.total == pytest.approx(of_all.through(n2)[sample, 2], rel=1e-14)


@pytest.mark.parametrize("order", list(itertools.permutations(["n2", "z1", "n1", "z2"])))
def test_several_may_come_in_any_order(order: tuple[str, ...]) -> None:
    loss, w1 = network()
    of_all = tg.gradient_paths(loss, w1, at=(1, 0))
    gp = tg.gradient_paths(loss, w1, at=(1, 0), via=order)
    assert (gp.count, gp.total) == (of_all.count, of_all.total)


def test_names_values_and_pairs_mean_the_same() -> None:
    loss, w1 = network()
    n2, _ = tg.find(loss, "n2")
    forms: list[Any] = ["n2[1,2]", ["n2[1,2]"], (n2, (1, 2)), [(n2, (1, 2))], [(n2, (-1, -1))], iter([(n2, [1, 2])])]
    forms += [("n2", (1, 2)), [("n2", (1, 2))], ("n1", ("n2", (1, 2))), (("n2", (1, 2)), "n2")]
    found = [tg.gradient_paths(loss, w1, at=(0, 0), via=form) for form in forms]
    assert {(gp.count, gp.total) for gp in found} == {(1, found[0].total)}
    for form in (n2, [n2], "n2", ["n2"], (n2,), ("n2", "n1"), {"n2"}):
        assert tg.gradient_paths(loss, w1, at=(0, 0), without=form).count == 0


def test_skip_and_branches_apart() -> None:
    v = branches()
    cases: list[tuple[dict[str, Any], float]] = [
        ({}, 13 * (70 + 11) + 17),
        ({"via": ["a"]}, 13 * 70),
        ({"via": ["a", "b"]}, 13 * 70),
        ({"via": ["c"]}, 13 * 81),
        ({"without": ["a"]}, 13 * 11 + 17),
        ({"without": ["c"]}, 17),
        ({"via": ["c"], "without": ["b"]}, 13 * 11),
        ({"via": ["c"], "without": ["b", "a"]}, 13 * 11),
        ({"via": ["end"]}, 13 * 81 + 17),
        ({"via": ["w"]}, 13 * 81 + 17),
        ({"via": ["w", "end", "c"]}, 13 * 81),
        ({"via": ["a"], "without": ["c"]}, 0.0),
    ]
    for chosen, expected in cases:
        assert tg.gradient_paths(v["end"], "w", **chosen).total == expected


def two_branches() -> tuple[Value, Value]:
    w, x, k = Value([1.0, 2.0], name="w"), Value([1.0, 1.0], name="x"), Value([[1.0, 1.0]], "k", requires_grad=False)
    c, skip = w * x * k, w * 3.0
    c.name, skip.name = "c", "skip"
    end = (c + skip).sum()
    end.name = "end"
    return end, w


def test_where_no_path_is_left_every_answer_is_of_nothing() -> None:
    end, w = two_branches()
    gp = tg.gradient_paths(end, w, at=0, without=["c", "skip"])
    assert (gp.count, gp.active_count, gp.total, gp.magnitude, gp.cancellation, gp.entropy) == (0, 0, 0, 0, 0, 0)
    assert gp.spectrum == {}
    assert gp.top(3) == list(gp) == gp.top(1, sign="negative") == gp.top(1, sign="positive") == []
    for node in ancestors(end):
        assert_allclose(gp.through(node), np.zeros(node.shape))
    assert all(np.all(flow.contribution == 0) for flow in gp.flow())
    assert sum(gp.by("module").values()) == 0
    assert sum(gp.by("sample").values()) == 0
    assert str(gp).startswith("0 paths from end to w[0], 0 of them active")
    assert repr(gp) == "<GradientPaths from end to w[0]: 0 paths, total 0>"
    with pytest.raises(GraphError, match="no path carries anything"):
        gp.sample(1, 0)


IMPOSSIBLE: list[tuple[dict[str, Any], str]] = [
    ({"without": ["end"]}, "all paths start at 'end' (12), which via= or without= leaves out"),
    ({"without": ["w"]}, "all paths lead to 'w' (of shape (2,)) at (0,), which via= or without= leaves out"),
    ({"without": ["w[0]"]}, "all paths lead to 'w' (of shape (2,)) at (0,), which via= or without= leaves out"),
    ({"via": ["w[1]"]}, "all paths lead to 'w' (of shape (2,)) at (0,), which via= or without= leaves out"),
    (
        {"via": ["c", "skip"]},
        "no path passes both 'skip' (of shape (2,)) and 'c' (of shape (1, 2)), which via= asks for",
    ),
    ({"via": ["x"]}, "no path passes 'x' (of shape (2,)), which via= asks for: it does not depend on 'w'"),
    ({"via": ["x", "w"]}, "no path passes 'x'"),
    ({"via": ["k"]}, "no path passes 'k' (of shape (1, 2)), which via= asks for: it does not depend on 'w'"),
    ({"via": ["c"], "without": ["c"]}, "via= asks for 'c' (of shape (1, 2)), and without= leaves it out"),
    ({"via": ["c[0,1]"], "without": ["c[0,1]"]}, "via= asks for 'c' (of shape (1, 2)), and without= leaves it out"),
    ({"via": ["c[0,0]", "c[0,1]"]}, "via= asks for several elements of 'c' (of shape (1, 2)); a path passes one of"),
]


@pytest.mark.parametrize(("chosen", "message"), IMPOSSIBLE, ids=str)
def test_what_no_path_can_pass_is_an_error(chosen: dict[str, Any], message: str) -> None:
    end, w = two_branches()
    with pytest.raises(GraphError, match=re.escape(f"gradient_paths: {message}")):
        tg.gradient_paths(end, w, at=0, **chosen)


def test_a_value_upstream_of_an_interior_one_is_on_no_path_to_it() -> None:
    w = Value(3.0, name="w")
    h = w * 2.0
    end = h * 5.0 + h
    assert tg.gradient_paths(end, h).total == 6.0
    assert tg.gradient_paths(end, h, without=[w]).total == 6.0
    assert tg.gradient_paths(h, h, via=[h]).total == 1.0
    for here in (end, h):
        with pytest.raises(GraphError, match=r"no path passes 'w' \(3\), which via= asks for: it does not depend on"):
            tg.gradient_paths(here, h, via=[w])
    with pytest.raises(GraphError, match="all paths start at"):
        tg.gradient_paths(h, h, without=[h])


def test_a_value_that_the_end_reads_without_a_gradient_is_on_no_path() -> None:
    w = Value([1.0, 2.0], name="w")
    h = w * 2.0
    h.name = "h"
    end = (w * 3.0).sum() + tg.where(h > 3.0, w, 2.0 * w).sum() + h.detach().sum()
    with pytest.raises(GraphError, match=r"was not computed from 'h'|no gradient flows to it"):
        tg.gradient_paths(end, w, at=0, via=[h])


def test_an_element_that_no_path_happens_to_pass_is_no_error() -> None:
    """Over all elements of a cut the numbers add up, those that are 0 too."""
    loss, w1 = network()
    n1, _ = tg.find(loss, "n1")
    of_all = tg.gradient_paths(loss, w1, at=(0, 0))
    by_element = [tg.gradient_paths(loss, w1, at=(0, 0), via=[(n1, index)]) for index in np.ndindex(n1.shape)]
    assert [gp.count for gp in by_element] == [3, 0, 0, 3, 0, 0]
    assert sum(gp.total for gp in by_element) == pytest.approx(of_all.total, rel=1e-14)


def test_two_elements_of_one_value_are_on_no_path_together() -> None:
    loss, w1 = network()
    n2, _ = tg.find(loss, "n2")
    with pytest.raises(GraphError, match="several elements of 'n2'"):
        tg.gradient_paths(loss, w1, at=(0, 0), via=[(n2, (0, 0)), (n2, (0, 1))])
    assert tg.gradient_paths(loss, w1, at=(0, 0), via=[n2, (n2, (0, 1))]).count == 1


def test_of_an_array_one_element_is_the_value_itself() -> None:
    loss, w1 = network()
    assert tg.gradient_paths(loss, w1, at=(0, 1), via=[(w1, (0, 1))]).count == 6
    with pytest.raises(GraphError, match=re.escape("all paths lead to 'w1' (of shape (2, 3)) at (0, 1)")):
        tg.gradient_paths(loss, w1, at=(0, 1), via=[(w1, (0, 0))])
    assert tg.gradient_paths(loss, w1, at=(0, 1), without=[(w1, (0, 0))]).count == 6


def test_parallel_edges_stay_apart() -> None:
    x = Value(3.0)
    y = x * x
    gp = tg.gradient_paths(y * y + x, x, via=[y])
    assert (gp.count, gp.total) == (4, 4 * 27.0)


@pytest.mark.parametrize("kind", [nn.scalar.MLP, nn.MLP])
def test_every_neuron_of_the_half_adder(kind: Any) -> None:
    x, t = datasets.half_adder()
    net = kind(2, [2, 2], activation="sigmoid", output="sigmoid", rng=0)
    loss = nn.losses.half_squared_error(net(x), t)
    parameter, index = tg.find(loss, "w100")
    element = int(np.ravel_multi_index(index, parameter.shape)) if index else 0
    some = [one for one in trails(loss) if one.nodes[-1] is parameter and one.elements[-1] == element]
    for name in ("n20@2", "n10@1") if kind is nn.scalar.MLP else ("n2[2,0]", "n1[1,0]"):
        gate = tg.find(loss, name)
        kept = [one for one in some if passes(one, gate if gate[1] else gate[0])]
        assert 0 < len(kept) < len(some)
        for chosen, expected in (({"via": name}, kept), ({"without": name}, [one for one in some if one not in kept])):
            gp = tg.gradient_paths(loss, "w100", **chosen)
            check_numbers(gp, expected)
            check_places(gp, expected, ancestors(loss))
            check_order(gp, expected)


def test_a_branch_that_is_left_out_has_no_part_in_the_samples() -> None:
    x, w = Value([[1.0, 2.0], [3.0, 4.0]], "x", requires_grad=False), Value([1.0, -1.0], name="w")
    decay = w * 2.0
    loss = (x @ w).square().sum() + decay.square().sum()
    assert tg.gradient_paths(loss, w, at=0).by("sample") == {0: -2.0, 1: -6.0, None: 8.0}
    assert tg.gradient_paths(loss, w, at=0, without=[decay]).by("sample") == {0: -2.0, 1: -6.0}
    assert tg.gradient_paths(loss, w, at=0, via=[decay]).by("sample") == {None: 8.0}


def test_refusals() -> None:
    v = branches()
    end, w, a = v["end"], v["w"], v["a"]
    h = Value(np.ones((2, 2)), name="h")
    wide = (h * w).sum() + end
    other = Value(1.0, name="other")
    cases: list[tuple[type[TinygradError], str, dict[str, Any]]] = [
        (UnknownNameError, "nothing that 'end' (", {"via": ["nobody"]}),
        (UnknownNameError, "named 'nobody'", {"without": "nobody"}),
        (GraphError, "'end' (3210) was not computed from 'other' (1), so no path goes there", {"via": [other]}),
        (GraphError, "was not computed from 'other'", {"without": [(other, ())]}),
        (GraphError, "was not computed from", {"via": [end * 2.0]}),
        (ValueTypeError, "via and without are lists of Values or names, got 3", {"via": 3}),
        (ValueTypeError, "via and without are lists of Values or names, got None", {"without": None}),
        (ValueTypeError, "needs a Value, a name, or a pair (Value or name, index), got float", {"via": [1.5]}),
        (ValueTypeError, "got tuple", {"via": [(1, 0)]}),
        (ShapeError, "'a' (6) needs 0 numbers in index=, got (0,)", {"via": [("a", 0)]}),
        (ShapeError, "'a' (6) needs 0 numbers in index=, got (0,)", {"via": [(a, 0)]}),
    ]
    for error, message, chosen in cases:
        with pytest.raises(error, match=re.escape(message)):
            tg.gradient_paths(end, w, **chosen)
    with pytest.raises(IndexRangeError, match=re.escape("index=(0, 2) is outside 'h'")):
        tg.gradient_paths(wide, w, via=[(h, (0, 2))])
    with pytest.raises(ArgumentError, match=re.escape("'h[0,1]' is one element already; leave out the index (0, 1)")):
        tg.gradient_paths(wide, w, via=[("h[0,1]", (0, 1))])
    for index in ((0, 1.5), "0,1"):
        with pytest.raises(ValueTypeError, match="index= takes whole numbers, one for each axis, got"):
            tg.gradient_paths(wide, w, via=[(h, index)])
    with pytest.raises(GraphError, match="no path passes 'h'"):  # it stands beside w
        tg.gradient_paths(wide, w, via=[(h, (0, 1))])
