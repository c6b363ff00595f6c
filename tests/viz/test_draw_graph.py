"""The computation graph: its numbers are the engine's, and all of them are in the picture."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lite as tg
import viz
from tests.viz.svg import HOSTILE, Picture, colours
from tinygrad_lite import Value, datasets, nn
from tinygrad_lite.derivatives import TABLE
from tinygrad_lite.elementary import __all__ as ELEMENTARY
from tinygrad_lite.errors import GraphError, ValueTypeError
from viz.colours import MIXED, NEGATIVE, POSITIVE, WHITE, shade
from viz.draw_graph import GraphScene, LocalEdge, graph_records
from viz.formulas import LONGEST
from viz.numbers import number, percent, summary


def half_adder() -> Value:
    x, t = datasets.half_adder()
    net = nn.scalar.MLP(2, [2, 2, 2], activation="sigmoid", output="sigmoid", rng=0)
    return nn.losses.half_squared_error(net(x), t)


def edges_into(scene: GraphScene, name: str) -> list[LocalEdge]:
    value = next(value for value in scene.values if value.name == name)
    op = next(op for op in scene.ops if op.value == value.id)
    return [edge for edge in scene.edges if edge.op == op.id]


def named(value: Value, name: str) -> Value:
    value.name = name
    return value


def test_a_square_has_two_arrows_each_with_its_own_number() -> None:
    x = Value(3.0, name="x")
    scene = graph_records(x * x)
    assert [(edge.position, edge.local, edge.text) for edge in scene.edges] == [(0, 3.0, "3"), (1, 3.0, "3")]
    picture = Picture(viz.graph(x * x))
    assert [picture.texts(edge.id) for edge in scene.edges] == [["3"], ["3"]]


def test_local_derivatives_and_gradients_fit_together() -> None:
    """Each value's gradient follows from the arrows that leave it: the sum of local derivative × gradient."""
    loss = half_adder()
    loss.backward()
    scene = graph_records(loss)
    grads = {value.id: value.low for value in scene.values}
    made = {op.id: op.value for op in scene.ops}
    arriving: defaultdict[str, float] = defaultdict(float)
    for edge in scene.edges:
        if edge.live:
            assert edge.local is not None
            arriving[edge.value] += edge.local * (grads[made[edge.op]] or 0.0)
    checked = [value for value in scene.values if value.kind != "constant" and value.name != "C"]
    assert len(checked) == 18 + 4 * (3 * 4 + 4)  # parameters; z, n, y - t and its square for each sample
    for value in checked:
        assert arriving[value.id] == pytest.approx(value.low, rel=1e-12, abs=1e-15)


def test_every_number_of_the_records_is_in_the_picture() -> None:
    loss = half_adder()
    loss.backward()
    scene, picture = graph_records(loss), Picture(viz.graph(loss))
    for value in scene.values:
        texts = picture.texts(value.id)
        assert value.data in texts
        assert (f"grad {value.grad}" in texts) == (value.kind != "constant")
        assert not value.name or value.name in texts
    for op in scene.ops:
        assert picture.texts(op.id) == [op.sign if op.sign != "²" else "x²"]
    for edge in scene.edges:
        assert picture.texts(edge.id) == ([edge.text] if edge.text else [])
        assert not edge.live or repr(edge.local) in picture.tooltip(edge.id)
        assert ("local" if edge.live else "constant") in picture.classes(edge.id)


def test_a_gradient_is_a_dash_until_a_backward_pass_has_been() -> None:
    x = Value(3.0, name="x")
    y = x * 2.0
    before = graph_records(y)
    assert [value.grad for value in before.values] == ["–", "", "–"]
    assert before.scale == 0.0
    assert "legend" not in Picture(viz.graph(y)).groups
    y.backward()
    assert [value.grad for value in graph_records(y).values] == ["2", "", "1"]
    assert "legend" in Picture(viz.graph(y)).groups
    x.zero_grad()
    assert graph_records(y).values[0].grad == "–"


def test_values_and_ops_have_different_shapes_and_constants_are_pale() -> None:
    x, c = Value(3.0, name="x"), Value(2.0, name="c", requires_grad=False)
    source = viz.graph(x * (c + 1.0)).source
    kinds = {value.name or value.data: (value.kind, value.leaf) for value in graph_records(x * (c + 1.0)).values}
    assert kinds == {
        "x": ("leaf", True),
        "c": ("constant", True),
        "1": ("constant", True),
        "3": ("constant", False),
        "9": ("result", False),
    }
    nodes = {
        match[1]: match[0] for match in re.finditer(r"^\t(\w+) \[.*?\]$", source, re.MULTILINE) if "shape=" in match[0]
    }
    assert {name: re.search(r"shape=(\w+)", text)[1] for name, text in nodes.items()} == {  # type: ignore[index]
        "v0": "record",
        "v1": "record",
        "v2": "record",
        "v3": "Mrecord",
        "v4": "Mrecord",
        "o3": "circle",
        "o4": "circle",
    }
    assert 'fontcolor="#767676"' in nodes["v1"]
    assert 'fontcolor="#767676"' not in nodes["v0"]


def test_an_arrow_from_a_constant_or_into_no_derivative_carries_nothing() -> None:
    x, condition = Value([1.0, -1.0], name="x"), Value([1.0, 0.0], name="condition")
    scene = graph_records(tg.where(condition, x, 0.0))
    assert [(edge.position, edge.live, edge.text) for edge in scene.edges] == [
        (0, False, ""),
        (1, True, "1 if condition else 0"),
        (2, False, ""),
    ]


# ---- arrays ----------------------------------------------------------------------------------------------------------


def test_arrays_show_shape_and_extent() -> None:
    w = Value(np.arange(12.0).reshape(3, 4), name="w")
    y = (w * w).sum()
    y.backward()
    value = graph_records(y).values[0]
    assert (value.shape, value.data, value.grad, value.low, value.high) == ((3, 4), "0 … 11", "0 … 22", 0.0, 22.0)
    assert Picture(viz.graph(y)).texts("v0") == ["w", "3×4", "0 … 11", "grad 0 … 22"]


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda x, y: x.tanh(), ["1 - out²"]),
        (lambda x, y: x.sigmoid(), ["out(1 - out)"]),
        (lambda x, y: named(x.sigmoid(), "n30"), ["n30(1 - n30)"]),
        (lambda x, y: x * y, ["b", "a"]),
        (lambda x, y: x / y, ["1/b", "-a/b²"]),
        (lambda x, y: x + y, ["1", "1"]),
        (lambda x, y: x - y, ["1", "-1"]),
        (lambda x, y: x**2.0, ["2·a", ""]),
        (lambda x, y: x.square(), ["2·a"]),
        (lambda x, y: x.relu(), ["1 if a > 0 else 0"]),
        (lambda x, y: x.gelu(), ["gelu′(a)"]),
        (lambda x, y: tg.maximum(x, y), ["∂max/∂a", "∂max/∂b"]),
        (lambda x, y: x @ y, ["· bᵀ", "aᵀ ·"]),
        (lambda x, y: x.sum(), ["1"]),
        (lambda x, y: x.mean(), ["0.25"]),
        (lambda x, y: x.max(), ["1 at the max"]),
        (lambda x, y: x.prod(), ["Π of the others"]),
        (lambda x, y: x.logsumexp(), ["softmax(a)"]),
        (lambda x, y: x.norm(), ["a/‖a‖"]),
        (lambda x, y: x.T, ["1"]),
        (lambda x, y: x[0], ["1"]),
        (lambda x, y: x.reshape(4), ["1"]),
        (lambda x, y: x.cumsum(axis=0), ["1"]),
        (lambda x, y: tg.concatenate([x, y]), ["1", "1"]),
        (lambda x, y: tg.einsum("ij,jk->ik", x, y), ["· b", "· a"]),
        (lambda x, y: x.sum() * 3.0, ["3", ""]),  # one element to one element: a number
        (lambda x, y: tg.weighted_sum([x], [y], 0.0), ["b", "a", ""]),
    ],
)
def test_arrows_of_arrays_carry_the_expression(make: object, expected: list[str]) -> None:
    x, y = Value([[1.0, 2.0], [3.0, 4.0]], name="a"), Value([[0.5, 1.5], [2.5, 3.5]], name="b")
    out = make(x, y)  # type: ignore[operator]
    scene = graph_records(out)
    last = scene.ops[-1]
    assert [edge.text for edge in scene.edges if edge.op == last.id] == expected


@pytest.mark.parametrize("name", list(TABLE))
def test_every_line_of_the_table_can_be_written_and_drawn(name: str) -> None:
    rule = TABLE[name]
    assert name in ELEMENTARY
    operands = [Value(np.full(3, (low + high) / 2 + 0.1)) for low, high in rule.domain]
    scene = graph_records(getattr(tg.elementary, name)(*operands))
    for edge, derivative in zip(scene.edges, rule.derivatives, strict=True):
        assert edge.live == (derivative is not None)
        assert bool(edge.text) == edge.live
        assert len(edge.text) <= LONGEST
        assert edge.local is None
        assert bool(edge.formula) == edge.live


def test_the_tutorials_expressions_stand_in_the_tooltips_of_scalars() -> None:
    loss = half_adder()
    scene = graph_records(loss)
    (edge,) = edges_into(scene, "n30@2")
    assert edge.formula == "n30@2(1 - n30@2)"
    assert edge.text == number(edge.local or 0.0)
    formulas = {edge.formula for edge in edges_into(scene, "z30@2")}
    assert formulas == {"n20@2", "n21@2", "w300", "w310", "1"}


# ---- colours ---------------------------------------------------------------------------------------------------------


def test_the_fill_tells_sign_and_size() -> None:
    assert [shade(x, x, 1.0) for x in (1.0, 0.1, 0.05, 0.01, 1e-9, 0.0)] == [
        POSITIVE[2],
        POSITIVE[2],
        POSITIVE[1],
        POSITIVE[1],
        POSITIVE[0],
        WHITE,
    ]
    assert shade(-0.5, -0.5, 1.0) == NEGATIVE[2]
    assert shade(-0.5, 0.2, 1.0) == MIXED[2]
    assert shade(math.nan, math.nan, 1.0) == shade(1.0, 1.0, 0.0) == WHITE


def test_leaves_are_compared_with_leaves() -> None:
    w = Value(3.0, name="w")
    y = w * 0.001
    y.backward()
    scene = graph_records(y)
    assert scene.scale == 0.001
    assert f'fillcolor="{POSITIVE[2]}"' in viz.graph(y).source


def test_a_legend_says_what_the_fills_mean() -> None:
    w = Value([1.0, -1.0], name="w")
    y = (w * w).sum()
    y.backward()
    picture = Picture(viz.graph(y))
    assert picture.texts("legend") == ["-2     gradient     +2"]
    assert picture.texts("legend-mixed") == ["an array of both signs"]
    positive = Value(1.0) * 2.0
    positive.backward()
    assert "legend-mixed" not in Picture(viz.graph(positive)).groups


def test_colours_have_six_digits() -> None:
    loss = half_adder()
    loss.backward()
    found = colours(viz.graph(loss).source)
    assert len(found) > 100
    assert [colour for colour in found if not re.fullmatch(r"#[0-9a-f]{6}", colour)] == []


# ---- names, sizes, errors --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["LR", "TB"])
@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_hostile_name_comes_out_as_it_is(name: str, direction: viz.digraphs.Direction) -> None:
    x = Value([1.0, 2.0, 3.0], name=name)
    y = named((x * x).sum(), name)
    y.backward()
    picture = Picture(viz.graph(y, direction=direction))
    closer = "\u202c" if "\u202e" in name else ""  # an override ends with its line
    for id in ("v0", "v2"):
        assert picture.texts(id)[: name.count("\n") + 1] == (name + closer).split("\n")
        assert picture.tooltip(id).startswith(name)
    assert {"v0", "o1", "v1", "o2", "v2", "e0", "e1", "e2"} <= set(picture.groups)


def test_a_name_stands_in_an_expression_only_if_it_reads_well_there() -> None:
    x = Value([1.0, 2.0], name="a - b")
    assert graph_records(x.square()).edges[0].text == "2·x"


def test_a_deep_graph_needs_no_recursion() -> None:
    x = Value(1.0, name="x")
    y = x
    for _ in range(20_000):
        y = y + 0.5
    scene = graph_records(y, limit=10**6)
    assert len(scene.ops) == 20_000
    assert len(scene.edges) == 40_000


def test_a_value_used_all_along_a_deep_graph_is_drawn_in_time() -> None:
    x = Value(1.1, name="x")
    y = x
    for _ in range(150):
        y = (y * x).tanh()
    assert viz.graph(y).svg(time_limit=20)
    assert viz.paths(y, x).svg(time_limit=20)
    assert "splines" not in viz.graph(half_adder()).source


def test_a_graph_too_large_is_refused_with_its_size_and_a_way_out() -> None:
    y = Value(1.0)
    for _ in range(2_000):
        y = y * y
    with pytest.raises(
        viz.DrawingTooLargeError,
        match=r"graph: at most 2,000 nodes are drawn, this graph has 4,001; .*viz\.paths.*limit=",
    ):
        viz.graph(y)
    assert "v1999" in viz.graph(y, limit=5_000).source


def test_a_shared_subgraph_is_drawn_once() -> None:
    y = Value(1.1)
    for _ in range(60):  # 2^60 paths
        y = y + y
    assert len(graph_records(y).edges) == 120


def test_wrong_arguments() -> None:
    x = Value(1.0)
    with pytest.raises(viz.FormatError, match=r'graph: direction is "LR" \(left to right\) or "TB" \(top down\), got'):
        viz.graph(x, direction="up")  # type: ignore[arg-type]
    with pytest.raises(ValueTypeError, match="graph: draws the graph of a Value, got float"):
        viz.graph(1.0)  # type: ignore[arg-type]


def test_a_freed_graph_says_so() -> None:
    x = Value(np.ones(3))
    y = (x * x).sum()
    y.backward(keep="leaves")
    with pytest.raises(GraphError, match="freed"):
        viz.graph(y)


def test_a_leaf_alone_is_a_graph() -> None:
    assert Picture(viz.graph(Value(2.5, name="w"))).texts("v0") == ["w", "2.5", "grad –"]


def test_extreme_numbers() -> None:
    x = Value([np.nan, np.inf, -np.inf, 1e300, 5e-324], name="x")
    y = (x * np.array([1.0, np.nan, -1.0, 1.0, 1.0])).sum()
    y.backward()
    assert Picture(viz.graph(y)).texts("v0") == ["x", "5", "nan", "grad nan"]
    assert Picture(viz.graph(Value(np.zeros((0, 3)), name="none").sum())).texts("v0") == [
        "none",
        "0×3",
        "empty",
        "grad –",
    ]


def test_numbers_are_short_and_honest() -> None:
    assert [percent(share) for share in (0.0, 1e-9, 0.996, 1.0)] == ["0 %", "<1 %", ">99 %", "100 %"]
    assert float(number(-1.23456e-7)) == -1.235e-07
    assert summary(np.array([[1.0, 2.0], [3.0, 4.0]])) == "[1, 2; 3, 4]"
    assert summary(np.array([True, False])) == "[1, 0]"


def test_the_same_graph_gives_the_same_bytes() -> None:
    first, second = (viz.graph(half_adder()) for _ in range(2))
    assert first.source == second.source
    assert first.svg() == second.svg()


def test_nothing_is_written_unless_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    viz.graph(half_adder()).svg()
    assert list(tmp_path.iterdir()) == []
