"""The computation graph: its numbers are the engine's, and all of them are in the picture."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
import viz
from tests.hostile import HOSTILE
from tests.viz.svg import Picture, colours
from tinygrad_lite import Value, datasets, nn
from tinygrad_lite.core.elementwise_derivatives import TABLE
from tinygrad_lite.core.graph import ancestors
from tinygrad_lite.core.sweeps import reverse
from tinygrad_lite.errors import ArgumentError, GraphError, ValueTypeError
from tinygrad_lite.ops.elementary import __all__ as ELEMENTARY
from tinygrad_lite.semirings import GRADIENT
from viz.dot.colours import MIXED, NEGATIVE, POSITIVE, WHITE, shade
from viz.records.graph import GraphScene, LocalEdge, graph_records
from viz.records.local import LONGEST
from viz.records.numbers import number, percent, summary


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
    assert Picture(viz.graph(y)).texts("v0") == ["w", "3×4: 0 … 11", "grad 0 … 22"]
    big = Value(np.arange(40.0).reshape(4, 10), name="w")
    y = (big * big).sum()
    y.backward()
    assert Picture(viz.graph(y)).texts("v0") == ["w", "4×10", "0 … 39", "grad 0 … 78"]


def test_a_small_array_is_striped_by_its_elements() -> None:
    w = Value([[3.0, -3.0], [0.001, 0.0]], name="w")
    y = (w * w).sum()
    y.backward()
    scene = graph_records(y)
    assert scene.values[0].elements == (6.0, -6.0, 0.002, 0.0)
    line = next(line for line in viz.graph(y).source.splitlines() if line.lstrip().startswith("v0 "))
    assert f'fillcolor="{POSITIVE[2]}:{NEGATIVE[2]}:{POSITIVE[0]}:{WHITE}"' in line
    assert "style=striped" in line


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
    w = Value(np.resize([1.0, -1.0], 20), name="w")
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
    scene = graph_records(y, fold=False, limit=10**6)
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


# ---- made smaller ----------------------------------------------------------------------------------------------------


class Block(nn.Module):
    def __init__(self, rng: np.random.Generator) -> None:
        self.inner = nn.Sequential(nn.Linear(3, 3, rng=rng), tg.tanh)

    def __call__(self, x: Value) -> Value:
        return x + self.inner(x)


class Residual(nn.Module):
    def __init__(self, blocks: int, rng: np.random.Generator) -> None:
        self.blocks = [Block(rng) for _ in range(blocks)]

    def __call__(self, x: Value) -> Value:
        for block in self.blocks:
            x = block(x)
        return x


def residual(blocks: int = 2) -> Value:
    rng = np.random.default_rng(0)
    return nn.losses.mse(Residual(blocks, rng)(Value(rng.normal(size=(4, 3)), name="x")), np.zeros((4, 3)))


def depths(scene: GraphScene) -> dict[str, int]:
    """The longest way to each node of a picture; fails where there is a cycle."""
    into = defaultdict(list)
    for edge in scene.edges:
        into[edge.op].append(edge.value)
    for maker in (*scene.ops, *scene.boxes):
        for value in [maker.value] if hasattr(maker, "value") else maker.values:
            into[value].append(maker.id)
    found: dict[str, int] = {}
    waiting = [node.id for node in (*scene.values, *scene.ops, *scene.boxes)]
    while waiting:
        ready = [id for id in waiting if all(source in found for source in into[id])]
        assert ready, "a cycle"
        for id in ready:
            found[id] = 1 + max((found[source] for source in into[id]), default=0)
        waiting = [id for id in waiting if id not in found]
    return found


def test_modules_have_frames_one_inside_the_other() -> None:
    scene = graph_records(residual())
    names = {frame.id: frame for frame in scene.frames}
    assert sorted(frame.label for frame in scene.frames) == ["blocks.0", "blocks.1", *["inner"] * 2, *["layers.0"] * 2]

    def path(id: str) -> list[str]:
        frame = scene.framed.get(id, "")
        found = []
        while frame:
            found.append(names[frame].label)
            frame = names[frame].parent
        return found[::-1]

    weights = [value for value in scene.values if value.name == "layers.0.w"]
    assert sorted(map(path, (value.id for value in weights))) == [
        ["blocks.0", "inner", "layers.0"],
        ["blocks.1", "inner", "layers.0"],
    ]
    assert path(next(value.id for value in scene.values if value.name == "x")) == []
    svg = viz.graph(residual()).svg()
    assert len(re.findall(r'class="cluster module"', svg)) == 6


@pytest.mark.parametrize(("depth", "boxes"), [(0, ["blocks.0", "blocks.1"]), (1, ["blocks.0.inner", "blocks.1.inner"])])
def test_modules_are_boxes_below_the_chosen_depth(depth: int, boxes: list[str]) -> None:
    scene = graph_records(residual(), depth=depth)
    assert [box.label for box in scene.boxes] == boxes
    assert [box.ops for box in scene.boxes] == [3 - depth, 3 - depth]
    assert not any(value.name.startswith("layers") for value in scene.values)  # parameters are inside
    assert not scene.note
    depths(scene)
    assert f"{3 - depth} ops" in Picture(viz.graph(residual(), depth=depth)).texts("g0")


def test_a_long_chain_is_folded_in_the_middle() -> None:
    y = Value(1.0, name="x")
    for _ in range(100):
        y = y.sin()
    scene = graph_records(y)
    assert [(box.label, box.ops) for box in scene.boxes] == [("one after the other", 92)]
    assert len(scene.ops) == 8
    depths(scene)
    assert len(graph_records(y, fold=False).ops) == 100
    shared = Value(1.0)
    y = shared
    for _ in range(100):
        y = y.sin() * shared  # a chain all the same: only the leaf is read again and again
    assert sum(box.ops for box in graph_records(y).boxes) == 192


def test_a_graph_too_large_is_made_smaller_until_it_fits_and_says_so() -> None:
    deep = residual(30)
    scene = graph_records(deep, limit=100)
    assert len(scene.values) + len(scene.ops) + len(scene.boxes) <= 100
    assert scene.note == "too large for 100 nodes: modules are boxes from level 1 on"
    assert scene.note in viz.graph(deep, limit=100).svg()
    depths(scene)
    y = x = Value(1.1, name="x")
    z = Value(0.5, name="z")
    for _ in range(3_000):  # neither modules nor chains
        y, z = y * z, z + y
    scene = graph_records(y + z)
    assert len(scene.values) + len(scene.ops) + len(scene.boxes) <= 2_000
    assert [box.label for box in scene.boxes] == ["what came before"]
    assert scene.note.startswith("12,004 nodes, at most 2,000 are drawn: the ")
    assert sum(box.ops for box in scene.boxes) + len(scene.ops) == 6_001
    depths(scene)
    assert viz.graph(y + z, limit=200).svg()
    assert x.name in {value.name for value in graph_records(x * 2.0).values}


def test_calls_of_one_module_that_do_not_feed_each_other_are_one_box() -> None:
    net = nn.scalar.MLP(2, [3, 1], rng=0)
    rows = np.random.default_rng(0).normal(size=(40, 2))
    loss = nn.losses.mse(net(rows), np.zeros(40))
    scene = graph_records(loss, limit=500)
    assert scene.note == "too large for 500 nodes: each module is one box, whatever it was called for"
    assert [box.label for box in scene.boxes] == ["layers.0 ×40", "layers.1 ×40"]
    depths(scene)
    layer = nn.Linear(2, 2, rng=0)
    x = Value(np.ones((1, 2)), name="x")
    again = layer(tg.tanh(layer(tg.tanh(layer(x))))).sum()
    assert [box.label for box in graph_records(again, depth=0).boxes] == ["Linear"] * 3
    depths(graph_records(again, depth=0, limit=10))


@pytest.mark.parametrize(("what", "least", "given"), [("depth", 0, -1), ("depth", 0, "all"), ("limit", 10, 3)])
def test_bad_sizes_are_refused(what: str, least: int, given: object) -> None:
    with pytest.raises(ArgumentError, match=f"graph: {what} is a whole number of at least {least}, got {given!r}"):
        viz.graph(residual(), **{what: given})  # type: ignore[arg-type]


def test_several_ends_share_what_they_have_in_common() -> None:
    x = Value([1.0, 2.0], name="x")
    hidden = x * 3.0
    first, second = named(hidden.sum(), "first"), named((hidden**2.0).sum(), "second")
    first.backward()
    scene = graph_records([first, second])
    assert [value.name for value in scene.values if value.name] == ["x", "first", "second"]
    assert len(scene.ops) == 4  # the product once
    assert sum(edge.value == scene.values[0].id for edge in scene.edges) == 1
    grads = {value.name: value.grad for value in scene.values}
    assert (grads["x"], grads["first"], grads["second"]) == ("[3, 3]", "1", "–")
    depths(scene)
    picture = Picture(viz.graph([first, second]))
    shown = {text for value in scene.values for text in picture.texts(value.id)}
    assert {"first", "second", "x", number(first.item()), number(second.item())} <= shown
    assert viz.graph([first]).source == viz.graph(first).source == viz.graph((first, first)).source


def test_an_end_that_another_end_reads_is_drawn_and_so_are_ends_of_folded_graphs() -> None:
    ends: list[Value] = []
    y = Value(1.0, name="x")
    for k in range(100):
        y = y.sin()
        if k % 25 == 24:
            ends.append(named(y, f"y{k}"))
    scene = graph_records(ends)
    assert [value.name for value in scene.values if value.name] == ["x", "y24", "y49", "y74", "y99"]
    small = graph_records([residual(30), *ends], limit=100)
    assert len(small.values) + len(small.ops) + len(small.boxes) <= 100
    assert {"y24", "y49", "y74", "y99"} <= {value.name for value in small.values}
    depths(small)


@pytest.mark.parametrize("make", [lambda loss: [loss, loss * 2.0], lambda loss: [loss * 2.0, loss.exp()]])
def test_several_ends_show_the_gradients_inside_a_fused_loss(make: Any) -> None:
    z = Value([[1.0, 2.0, -1.0], [0.5, 0.0, 3.0]], name="z")
    loss = nn.losses.cross_entropy(z * 2.0, [0, 2])
    ends = make(loss)
    ends[0].backward()
    swept = reverse(ends[0], GRADIENT)
    scene = graph_records(ends)
    order = ancestors(*ends)
    for value, node in zip(scene.values, order, strict=True):
        if value.kind != "constant":
            assert value.grad == (summary(swept[node]) if node in swept else "–")


def test_a_shared_subgraph_is_drawn_once() -> None:
    y = Value(1.1)
    for _ in range(60):  # 2^60 paths
        y = y + y
    assert len(graph_records(y, fold=False).edges) == 120


def test_wrong_arguments() -> None:
    x = Value(1.0)
    with pytest.raises(viz.FormatError, match=r'graph: direction is "LR" \(left to right\) or "TB" \(top down\), got'):
        viz.graph(x, direction="up")  # type: ignore[arg-type]
    with pytest.raises(ValueTypeError, match="graph: draws the graph of a Value, got float"):
        viz.graph(1.0)  # type: ignore[arg-type]
    with pytest.raises(ValueTypeError, match="graph: draws the graph of a Value, got ndarray; pass a loss"):
        viz.graph([x, np.ones(3)])  # type: ignore[list-item]
    with pytest.raises(ArgumentError, match="graph: draws the graph of at least one Value, got an empty list"):
        viz.graph([])


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


@pytest.mark.parametrize("target", [[0, 2], np.eye(3)[[0, 2]]])
def test_values_inside_a_fused_loss_have_gradients_after_backward(target: Any) -> None:
    """``backward`` jumps over them; the picture shows the gradients that a sweep over the composition finds."""
    z = Value([[1.0, 2.0, -1.0], [0.5, 0.0, 3.0]], name="z")
    loss = nn.losses.cross_entropy(z * 2.0, target)
    assert {value.grad for value in graph_records(loss).values if value.kind == "result"} == {"–"}
    loss.backward()
    swept = reverse(loss, GRADIENT)
    shown = [value.grad for value in graph_records(loss).values if value.kind != "constant"]
    assert len(shown) > 4
    assert shown == [summary(swept[node]) for node in ancestors(loss) if node.requires_grad]
