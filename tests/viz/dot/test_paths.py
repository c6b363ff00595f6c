"""The paths of a gradient: shares, widths and rankings against paths enumerated one by one."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lite as tg
import viz
from tests.hostile import HOSTILE
from tests.viz.svg import SVG, Picture, colours, five_largest
from tinygrad_lite import GradientPaths, Value, datasets, gradient_paths, nn
from tinygrad_lite.errors import ArgumentError, GraphError, UnknownNameError
from tinygrad_lite.semirings import COUNT, MAGNITUDE
from viz.dot.colours import NEGATIVE, POSITIVE
from viz.dot.paths import paths_digraph
from viz.records.flow import Flow, Sums
from viz.records.numbers import number, percent
from viz.records.paths import PathScene, paths_records


def half_adder() -> Value:
    x, t = datasets.half_adder()
    net = nn.scalar.MLP(2, [2, 2, 2], activation="sigmoid", output="sigmoid", rng=0)
    return nn.losses.half_squared_error(net(x), t)


def xor() -> Value:
    x, t = datasets.xor()
    return nn.losses.half_squared_error(nn.MLP(2, [10, 2], rng=1)(x), t, "sum")


def toy() -> Value:
    x = Value(3.0, name="x")
    return (x * x + x) * x.tanh()


CASES: dict[str, tuple[Callable[[], Value], str]] = {
    "toy": (toy, "x"),
    "half adder w300": (half_adder, "w300"),
    "half adder w200": (half_adder, "w200"),
    "half adder w110": (half_adder, "w110"),
    "half adder b10": (half_adder, "b10"),
    "xor w201": (xor, "w201"),
    "xor w1[0,1]": (xor, "w1[0,1]"),
    "xor b1[3]": (xor, "b1[3]"),
}


@pytest.fixture(params=CASES)
def paths(request: pytest.FixtureRequest) -> GradientPaths:
    make, name = CASES[request.param]
    return gradient_paths(make(), name)


def walks(scene: PathScene) -> list[list[int]]:
    """Every way through the drawn arrows from the end to the value, as positions of edges."""
    arriving: defaultdict[str, list[int]] = defaultdict(list)
    for k, edge in enumerate(scene.edges):
        arriving[edge.head].append(k)
    (end,) = (node.id for node in scene.nodes if node.kind == "end")
    (wrt,) = (node.id for node in scene.nodes if node.kind == "wrt")
    found, waiting = [], [(end, [])]
    while waiting:
        place, walk = waiting.pop()
        if place == wrt:
            found.append(walk)
        waiting += [(scene.edges[k].tail, [*walk, k]) for k in arriving[place]]
    return found


# ---- the numbers -----------------------------------------------------------------------------------------------------


def test_what_is_drawn_are_the_paths(paths: GradientPaths) -> None:
    """Walking along the drawn arrows gives every path once, with its contribution."""
    scene = paths_records(paths)
    assert scene.level == "elements"
    products = sorted(math.prod(scene.edges[k].local or 0.0 for k in walk) for walk in walks(scene))
    assert len(products) == paths.count == scene.count
    np.testing.assert_allclose(products, sorted(path.contribution for path in paths), rtol=1e-12, atol=1e-18)
    assert sum(products) == pytest.approx(scene.total, rel=1e-9)


def test_shares_are_those_of_the_paths_that_pass(paths: GradientPaths) -> None:
    scene = paths_records(paths)
    through: defaultdict[int, float] = defaultdict(float)
    for walk in walks(scene):
        for k in walk:
            through[k] += abs(math.prod(scene.edges[j].local or 0.0 for j in walk)) / scene.magnitude
    for k, edge in enumerate(scene.edges):
        assert edge.share == pytest.approx(through[k], rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("level", ["elements", "values"])
def test_the_shares_of_a_cut_add_up_to_one(paths: GradientPaths, level: viz.path_records.Level) -> None:
    scene = paths_records(paths, level=level)
    leaving: defaultdict[str, float] = defaultdict(float)
    arriving: defaultdict[str, float] = defaultdict(float)
    for edge in scene.edges:
        leaving[edge.tail] += edge.share
        arriving[edge.head] += edge.share
    for node in scene.nodes:
        if node.kind != "wrt":
            assert arriving[node.id] == pytest.approx(node.share, abs=1e-12)
        if node.kind != "end":
            assert leaving[node.id] == pytest.approx(node.share, abs=1e-12)
        else:
            assert node.share == pytest.approx(1.0)
        if node.kind == "wrt":
            assert node.share == pytest.approx(1.0)


def test_arrays_as_a_whole_carry_the_sum_of_their_elements() -> None:
    loss = xor()
    whole = paths_records(gradient_paths(loss, "w1[0,1]"), level="values")
    assert [node.name for node in whole.nodes if node.kind == "wrt"] == ["w1[0,1]"]
    assert [edge.share for edge in whole.edges] == pytest.approx([1.0] * len(whole.edges))
    texts = {edge.text for edge in whole.edges}
    assert {"xᵀ ·", "n1(1 - n1)", "· w2ᵀ", "n2(1 - n2)"} <= texts


def test_counts_need_no_int64() -> None:
    """2^130 paths: a share is a number all the same."""
    x = Value(1.0, name="x")
    y = x
    for _ in range(130):
        y = (y + y) * 0.5
    scene = paths_records(gradient_paths(y, x))
    assert scene.count == 2**130
    assert [edge.share for edge in scene.edges if edge.text == "1"] == pytest.approx([0.5] * 260)
    w = Value(np.ones(3), name="w")
    v = w
    for _ in range(70):
        v = v + v
    sums = Sums(gradient_paths(v.sum(), w, at=1), COUNT)
    assert sums.through(w) == 2**70
    assert sums.reach(w).tolist() == [False, True, False]


def test_shares_of_nothing_and_of_what_overflows_are_zero() -> None:
    x = Value(0.0, name="x")
    flow = Flow(gradient_paths(x * x, x))
    assert (flow.magnitude, flow.through(x)) == (0.0, 0.0)
    big = Value(1e200, name="x")
    y = big * 1e200 * 1e200
    assert Flow(gradient_paths(y, big)).through(big) == 0.0
    assert viz.paths(y, big).svg()


def test_flow_agrees_with_the_engines_sweep() -> None:
    loss = half_adder()
    paths = gradient_paths(loss, "w110")
    sums = Sums(paths, MAGNITUDE)
    assert sums.of_all == pytest.approx(paths.magnitude, rel=1e-12)
    assert sums.through(paths.wrt) == pytest.approx(tg.sweep(loss, MAGNITUDE, paths.wrt), rel=1e-12)


# ---- the picture -----------------------------------------------------------------------------------------------------


DASHED, DOTTED = "5,2", "1,5"


def wrong_arrows(scene: PathScene, paths: GradientPaths) -> list[str]:
    """Where the picture of a scene shows other numbers than all paths, walked one by one, give."""
    true = paths_records(paths)
    sizes: defaultdict[int, float] = defaultdict(float)
    sums: defaultdict[int, float] = defaultdict(float)
    for walk in walks(true):
        contribution = math.prod(true.edges[k].local or 0.0 for k in walk)
        for k in walk:
            sizes[k] += abs(contribution)
            sums[k] += contribution
    picture, wrong = Picture(viz.Drawing(paths_digraph(scene))), []
    largest = max(sizes.values())
    written = five_largest(sizes.values(), paths.magnitude)
    for k, edge in enumerate(true.edges):
        size, line = sizes[k], picture.line(edge.id)
        dash = DOTTED if not size else DASHED if sums[k] < -1e-12 * size else None
        width = 0.6 + 5.4 * math.sqrt(size / largest) if largest else 0.6
        shown = [text for text in picture.texts(edge.id) if text]
        if picture.width(edge.id) != pytest.approx(width, abs=6e-3) or line.get("stroke-dasharray") != dash:
            wrong.append(f"{edge.id}: line")
        if shown[0] != edge.text or repr(edge.local) not in picture.tooltip(edge.id):
            wrong.append(f"{edge.id}: local derivative")
        if shown[1:] and shown[1:] != [percent(size / paths.magnitude)]:
            wrong.append(f"{edge.id}: percent")
        if (
            f"together {number(sums[k] if dash != DOTTED else 0.0)}" not in picture.tooltip(edge.id)
            and abs(sums[k]) > 1e-9 * size
        ):
            wrong.append(f"{edge.id}: sum")
        if shown[1:] and not any(size == pytest.approx(other) for other in written):
            wrong.append(f"{edge.id}: not one of the five largest")
    if sum(len([t for t in picture.texts(edge.id) if t]) > 1 for edge in true.edges) != len(written):
        wrong.append("five shares are written")
    return wrong


def test_arrows_are_as_wide_as_their_share_and_dashed_where_they_subtract(paths: GradientPaths) -> None:
    assert wrong_arrows(paths_records(paths), paths) == []


def test_the_check_of_arrows_finds_planted_faults() -> None:
    paths = gradient_paths(half_adder(), "w110")
    scene = paths_records(paths)
    k = next(k for k, edge in enumerate(scene.edges) if edge.total < 0 and edge.marked)
    for change in ({"share": 1.3 * scene.edges[k].share}, {"total": -scene.edges[k].total}, {"marked": False}):
        edges = (*scene.edges[:k], replace(scene.edges[k], **change), *scene.edges[k + 1 :])  # type: ignore[arg-type]
        assert wrong_arrows(replace(scene, edges=edges), paths) != []


@pytest.mark.parametrize("level", ["elements", "values"])
def test_what_runs_through_an_arrow_is_the_engines_flow(paths: GradientPaths, level: viz.path_records.Level) -> None:
    scene = paths_records(paths, level=level)
    into: defaultdict[str, float] = defaultdict(float)
    for edge in scene.edges:
        into[edge.tail] += edge.total
    flow: defaultdict[str, float] = defaultdict(float)
    for passing in paths.flow():
        flow[passing.operand.name or ""] += float(np.sum(passing.contribution))
    for node in scene.nodes:
        if node.kind == "wrt":
            assert into[node.id] == pytest.approx(flow[paths.wrt.name or ""], rel=1e-9) == paths.total
    if level == "values":
        totals = sorted(float(np.sum(passing.contribution)) for passing in paths.flow())
        assert sorted(edge.total for edge in scene.edges) == pytest.approx(totals, rel=1e-9, abs=1e-15)


def ends(shapes: Iterable[ET.Element]) -> list[float]:
    return [float(x) for shape in shapes for x in re.findall(r"(-?[\d.]+),", shape.get("points", ""))]


def bar(picture: Picture, id: str) -> tuple[float, float, float]:
    """The middle of a box, and the part of half the box that its bar takes to the right and to the left."""
    shapes = list(picture.groups[id].iter(f"{SVG}polygon"))
    left, right = min(ends(shapes)), max(ends(shapes))
    middle, half = (left + right) / 2, (right - left) / 2
    xs = ends(shape for shape in shapes if shape.get("fill") in (POSITIVE[2], NEGATIVE[2])) or [middle]
    return middle, (max(xs) - middle) / half, (middle - min(xs)) / half


@pytest.mark.parametrize("direction", ["LR", "TB"])
def test_ranked_paths_have_bars_to_the_right_and_to_the_left_of_zero(direction: viz.digraphs.Direction) -> None:
    loss = half_adder()
    paths = gradient_paths(loss, "w110")
    picture = Picture(viz.paths(loss, "w110", top=6, direction=direction))
    amounts = [path.contribution for path in paths.top(6)]
    amounts.append(paths.total - math.fsum(amounts))
    assert min(amounts) < 0 < max(amounts)
    for k, amount in enumerate(amounts):
        part = amount / max(map(abs, amounts))
        assert bar(picture, f"top{k + 1}")[1:] == pytest.approx((max(part, 0.0), max(-part, 0.0)), abs=0.01)
    centres = {round(bar(picture, f"top{k + 1}")[0], 1) for k in range(7)}
    assert direction == "TB" or len(centres) == 1  # one line of zeros


def test_the_line_of_one_ranked_path_is_as_wide_as_its_share() -> None:
    scene = paths_records(gradient_paths(half_adder(), "w110"), top=3)
    picture = Picture(viz.Drawing(paths_digraph(scene)))
    largest = max(edge.share for edge in scene.edges)
    alone = [e for e in scene.edges if len(e.ranks) == 1 and e.share == pytest.approx(scene.top[e.ranks[0]].share)]
    assert len({round(picture.width(edge.id), 2) for edge in alone}) == 3
    for edge in alone:
        assert picture.width(edge.id) == pytest.approx(0.6 + 5.4 * math.sqrt(edge.share / largest), abs=6e-3)


def test_only_what_lies_between_is_drawn() -> None:
    loss = half_adder()
    texts = set(Picture(viz.paths(loss, "w300")).texts())
    assert {"C", "w300", "z30@0", "n30@3"} <= texts
    assert not {"n31@0", "z20@0", "w200", "t0@0", "n20@0"} & texts


def test_elements_have_the_names_that_paths_print() -> None:
    texts = Picture(viz.paths(xor(), "w101")).texts()
    assert {"w1[0,1]", "z1[3,1]", "n2[0,1]"} <= set(texts)


def test_a_caption_sums_up() -> None:
    loss = half_adder()
    loss.backward()
    paths = gradient_paths(loss, "w110")
    (caption,) = (text for text in Picture(viz.paths(loss, "w110")).texts() if "from" in text)
    assert caption == f"16 paths from C to w110: total {paths.total:.4g}, cancellation {100 * paths.cancellation:.0f} %"
    assert f"{paths.wrt.grad:.4g}" in caption
    dead = Value(-1.0, name="w")
    assert "1 path from the end to w: total 0, nothing flows" in Picture(viz.paths(dead.relu(), dead)).texts()
    single = Value(2.0, name="w")
    assert "1 path from the end to w: total 3" in Picture(viz.paths(single * 3.0, single)).texts()


def test_parallel_arrows_are_drawn_each_by_itself() -> None:
    x = Value(3.0, name="x")
    scene = paths_records(gradient_paths(x * x + x, x))
    assert [(edge.tail, edge.head, edge.local) for edge in scene.edges].count(("v0", "v1", 3.0)) == 2


def test_the_value_itself_as_the_end() -> None:
    x = Value(3.0, name="x")
    scene = paths_records(gradient_paths(x, x))
    assert (scene.count, scene.total, scene.edges) == (1, 1.0, ())
    assert viz.paths(x, x).svg()


@pytest.mark.parametrize("direction", ["LR", "TB"])
@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_hostile_name_comes_out_as_it_is(name: str, direction: viz.digraphs.Direction) -> None:
    x = Value([1.0, 2.0], name=name)
    y = (x * x).sum()
    y.name = name
    picture = Picture(viz.paths(y, x, at=1, direction=direction))
    closer = "\u202c" if "\u202e" in name else ""
    assert picture.texts("v2")[:-1] == (name + closer).split("\n")
    assert picture.texts("v0")[:-1] == f"{name}[1]{closer}".split("\n")
    assert picture.tooltip("v2").startswith(name)


# ---- the largest paths -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("top", [1, 2, 3, 100])
def test_the_largest_paths_have_colours_of_their_own(paths: GradientPaths, top: int) -> None:
    scene = paths_records(paths, top=top)
    every = sorted((path.contribution for path in paths), key=lambda c: -abs(c))
    assert [abs(path.contribution) for path in scene.top] == pytest.approx([abs(c) for c in every[:top]])
    assert [path.share for path in scene.top] == pytest.approx(
        [abs(path.contribution) / paths.magnitude for path in scene.top]
    )
    seen = set()
    for rank, ranked in enumerate(scene.top):
        steps = [k for k, edge in enumerate(scene.edges) if rank in edge.ranks]
        product = math.prod(scene.edges[k].local or 0.0 for k in steps)
        assert product == pytest.approx(ranked.contribution, rel=1e-12, abs=1e-18)
        assert any(sorted(walk) == steps for walk in walks(scene))  # one whole way from end to value
        seen.add(tuple(steps))
    assert len(seen) == len(scene.top) == min(top, paths.count)


def test_the_largest_of_a_million_paths_are_found_without_walking_them() -> None:
    x = y = Value(1.0, name="x")
    for _ in range(20):
        y = y * 1.0 + y * 2.0
    scene = paths_records(gradient_paths(y, x), top=2)
    assert scene.count == 2**20
    assert [path.contribution for path in scene.top] == [2.0**20, 2.0**19]


def test_ranked_paths_are_listed_with_the_sum_of_all_others() -> None:
    loss = half_adder()
    scene = paths_records(gradient_paths(loss, "w110"), top=2)
    picture = Picture(viz.paths(loss, "w110", top=2))
    first, second = scene.top
    assert picture.texts("top1") == [f"1: {first.contribution:.4g}  ({100 * first.share:.0f} %)"]
    assert picture.texts("top3") == [f"14 others: {scene.total - first.contribution - second.contribution:.4g}"]
    for edge in scene.edges:
        assert {f"rank-{rank + 1}" for rank in edge.ranks} <= picture.classes(edge.id)
    everything = Picture(viz.paths(loss, "w300", top=4))
    assert "top4" in everything.groups
    assert "top5" not in everything.groups


def test_whole_arrays_can_be_ranked_too() -> None:
    scene = paths_records(gradient_paths(xor(), "w101"), top=2, level="values")
    assert all(edge.ranks == (0, 1) for edge in scene.edges)


def test_colours_have_six_digits() -> None:
    found = colours(viz.paths(half_adder(), "w110", top=3).source)
    assert len(found) > 100
    assert [colour for colour in found if not re.fullmatch(r"#[0-9a-f]{6}", colour)] == []


# ---- sizes and errors ------------------------------------------------------------------------------------------------


def test_large_arrays_are_drawn_as_a_whole() -> None:
    mlp = nn.MLP(20, [30, 10], rng=0)
    loss = nn.losses.mse(mlp(np.ones((64, 20))), np.zeros((64, 10)))
    scene = paths_records(gradient_paths(loss, "w1[0,1]"))
    assert scene.level == "values"
    assert all(edge.share == pytest.approx(1.0) for edge in scene.edges)


def test_dense_arrays_are_drawn_as_a_whole() -> None:
    x = Value(np.ones((40, 1)), name="x")
    hidden = np.ones((1, 40)).T @ (np.ones((1, 40)) @ x)
    loss = (Value(np.ones((40, 40)), name="a") @ hidden).sum()
    scene = paths_records(gradient_paths(loss, "x", at=(0, 0)))
    assert scene.level == "values"  # 40 × 40 elementary edges between 80 elements


def test_too_much_is_refused_with_its_size_and_a_way_out() -> None:
    x = Value(1.0, name="x")
    y = x
    for _ in range(3_000):
        y = y * 1.0
    with pytest.raises(viz.DrawingTooLargeError, match=r"paths: at most 2,000 nodes are drawn, .* has 3,001; .*limit="):
        viz.paths(y, x)
    assert len(paths_records(gradient_paths(y, x), limit=5_000).nodes) == 3_001


def test_wrong_arguments() -> None:
    loss = half_adder()
    with pytest.raises(
        ArgumentError,
        match="paths: top is how many paths get colours of their own, a whole number of at least 1, got 0",
    ):
        viz.paths(loss, "w200", top=0)
    with pytest.raises(ArgumentError, match='paths: level is "elements" or "values", or left out, got'):
        viz.paths(loss, "w200", level="module")  # type: ignore[arg-type]
    with pytest.raises(viz.FormatError, match="paths: direction"):
        viz.paths(loss, "w200", direction="RL")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match=r"w2000.*nearest names are"):
        viz.paths(loss, "w2000")
    with pytest.raises(GraphError, match="does not depend"):
        viz.paths(loss, Value(1.0, name="other"))


def test_the_same_paths_give_the_same_bytes() -> None:
    first, second = (viz.paths(half_adder(), "w110", top=2) for _ in range(2))
    assert first.source == second.source
    assert first.svg() == second.svg()


def test_nothing_is_written_unless_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scene = paths_records(gradient_paths(half_adder(), "w200"))
    assert viz.Drawing(paths_digraph(scene)).svg()
    assert list(tmp_path.iterdir()) == []
