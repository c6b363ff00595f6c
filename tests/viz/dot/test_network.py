"""The network of both tutorials: its shares against paths listed one by one, its picture read back from the SVG."""

from __future__ import annotations

import itertools
import math
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
import viz
from tests.hostile import HOSTILE
from tests.viz.svg import Picture, colours, covers, five_largest
from tinygrad_lite import Value, datasets, gradient_paths, nn
from tinygrad_lite.errors import ArgumentError, GraphError, IndexRangeError, ShapeError, UnknownNameError
from viz.dot.layered import LABEL_FONT, LABEL_HEIGHT, lay_out
from viz.dot.metrics import text_width
from viz.dot.network import network_digraph
from viz.records.network import NetworkScene, network_records
from viz.records.numbers import number, percent

SIGMOID = {"activation": "sigmoid", "output": "sigmoid"}


def half_adder() -> tuple[nn.scalar.MLP, Value]:
    x, t = datasets.half_adder()
    net = nn.scalar.MLP(2, [2, 2, 2], rng=0, **SIGMOID)
    return net, nn.losses.half_squared_error(net(x), t)


def xor() -> tuple[nn.MLP, Value]:
    x, t = datasets.xor()
    mlp = nn.MLP(2, [10, 2], rng=1)
    return mlp, nn.losses.half_squared_error(mlp(x), t, "sum")


def xor_of_scalars() -> tuple[nn.scalar.MLP, Value]:
    x, t = datasets.xor()
    net = nn.scalar.MLP(2, [10, 2], **SIGMOID)
    net.load_state_dict(xor()[0].state_dict())
    return net, nn.losses.half_squared_error(net(x), t, "sum")


def deep() -> tuple[nn.MLP, Value]:
    mlp = nn.MLP(3, [5, 4, 3, 2], activation="tanh", output="linear", rng=3)
    x = np.random.default_rng(0).normal(size=(6, 3))
    return mlp, nn.losses.cross_entropy(mlp(x), np.arange(6) % 2)


MAKERS: list[Callable[[], tuple[Any, Value]]] = [half_adder, xor, xor_of_scalars, deep]


def layer_shares(scene: NetworkScene) -> dict[int, float]:
    sums: defaultdict[int, float] = defaultdict(float)
    for connection in scene.connections:
        sums[connection.layer] += connection.share
    return dict(sums)


# ---- the numbers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["w300", "w311", "w200", "w210", "w100", "w110", "b30", "b21", "b10"])
def test_shares_and_counts_are_those_of_the_paths_that_pass(name: str) -> None:
    """Of the half adder every path names the neurons it runs through: n20@3 ← z20@3."""
    net, loss = half_adder()
    paths = gradient_paths(loss, name)
    shares: defaultdict[tuple[int, int, int], float] = defaultdict(float)
    counts: defaultdict[tuple[int, int, int], int] = defaultdict(int)
    ends: defaultdict[int, float] = defaultdict(float)
    for path in paths:
        names = [re.fullmatch(r"n(\d)(\d)@\d", node.name or "") for node in path.nodes]
        neurons = [(int(found[1]), int(found[2])) for found in names if found]
        size = abs(path.contribution) / paths.magnitude
        ends[neurons[0][1]] += size
        for (layer, target), (_, source) in itertools.pairwise(neurons):
            shares[layer, source, target] += size
            counts[layer, source, target] += 1
    scene = network_records(net, name, loss)
    for c in scene.connections:
        if c.chosen:
            assert (c.name, c.share, c.paths) == (name, 1.0, paths.count)
            continue
        assert c.share == pytest.approx(shares[c.layer, c.source, c.target], rel=1e-9, abs=1e-15)
        assert c.paths == counts[c.layer, c.source, c.target]
    assert scene.cost is not None
    assert scene.cost.shares == pytest.approx([ends[0], ends[1]], rel=1e-9)
    assert sum(scene.cost.paths) == paths.count == scene.count
    assert (scene.total, scene.cancellation) == (paths.total, paths.cancellation)


def test_the_half_adders_paths_are_counted_as_in_the_tutorial() -> None:
    net, loss = half_adder()
    assert [network_records(net, name, loss).count for name in ("w300", "w200", "w100")] == [4, 8, 16]


@pytest.mark.parametrize("make", MAKERS)
def test_the_shares_of_every_later_layer_add_up_to_one(make: Callable[[], tuple[Any, Value]]) -> None:
    mlp, loss = make()
    layers = len(mlp.dims) - 1
    for k in range(1, layers + 1):
        scene = network_records(mlp, f"w{k}10", loss)
        expected = {j: 1.0 if j >= k else 0.0 for j in range(1, layers + 1)}
        assert layer_shares(scene) == pytest.approx(expected)
        assert scene.cost is not None
        assert sum(scene.cost.shares) == pytest.approx(1.0)
        assert scene.outside == pytest.approx(0.0, abs=1e-9)
        for neuron in scene.neurons:
            if neuron.layer > k:
                arriving = sum(
                    c.share for c in scene.connections if (c.layer, c.target) == (neuron.layer, neuron.index)
                )
                assert neuron.share == pytest.approx(arriving)


def test_arrays_and_scalars_give_the_same_picture() -> None:
    arrays, scalars = (network_records(mlp, "w101", loss) for mlp, loss in (xor(), xor_of_scalars()))
    assert [c.name for c in arrays.connections] == [c.name for c in scalars.connections]
    for name in ("number", "share", "paths"):
        ours, theirs = ([getattr(c, name) for c in scene.connections] for scene in (arrays, scalars))
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15)
    assert [b.number for b in arrays.biases] == pytest.approx([b.number for b in scalars.biases])
    assert arrays.neurons == tuple(
        type(n)(n.layer, n.index, n.name, n.kind, pytest.approx(n.share), n.paths)  # type: ignore[arg-type]
        for n in scalars.neurons
    )


def test_a_single_sample_as_a_vector() -> None:
    mlp, _ = xor()
    loss = nn.losses.half_squared_error(mlp([0.0, 1.0]), [0.0, 1.0])
    scene = network_records(mlp, "w110", loss)
    assert layer_shares(scene) == pytest.approx({1: 1.0, 2: 1.0})
    assert scene.count == 2


def test_a_network_without_its_own_linear_op() -> None:
    """Written out as a product and a sum, the same network has the same shares."""
    mlp, loss = xor()
    x, t = datasets.xor()
    y: Any = Value(x, name="x", requires_grad=False)
    for layer in mlp.layers:
        assert layer.b is not None
        y = (y @ layer.w + layer.b).sigmoid()
    written = ((y - t).square() * 0.5).sum()
    for name in ("w101", "b13", "w210"):
        ours, theirs = network_records(mlp, name, written), network_records(mlp, name, loss)
        assert [c.share for c in ours.connections] == pytest.approx([c.share for c in theirs.connections])


def test_what_does_not_run_from_layer_to_layer_is_told() -> None:
    mlp = nn.MLP(2, [2, 2], rng=0, output="linear")
    x = np.ones((1, 2))
    hidden = (x @ mlp.layers[0].w).sigmoid()
    loss = (hidden @ mlp.layers[1].w + hidden).sum()  # a shortcut around the second layer
    scene = network_records(mlp, "w100", loss)
    assert 0.1 < scene.outside < 1.0
    assert any("does not run from layer to layer" in text for text in Picture(viz.network(mlp, "w100", loss)).texts())


def test_paths_through_which_nothing_flows_are_paths() -> None:
    net = nn.scalar.MLP(2, [2, 1], activation="relu", output="linear", rng=0)
    net.layers[0].neurons[0].b.data = -100.0  # dead
    loss = net([1.0, 1.0]) * 1.0
    scene = network_records(net, "w100", loss)
    assert [(c.paths, c.share) for c in scene.connections if c.name == "w200"] == [(1, 0.0)]
    picture = Picture(viz.network(net, "w100", loss))
    assert "1 path from loss to w100: total 0, nothing flows" in picture.texts()
    assert picture.classes("w-2-0-0") >= {"weight", "path"}
    assert picture.line("w-2-0-0").get("stroke-dasharray") is not None


def test_enormous_counts_stay_exact() -> None:
    mlp = nn.MLP(2, [2, 2], rng=0, output="linear")
    y = mlp([[1.0, 2.0]])
    for _ in range(70):
        y = (y + y) * 0.5
    scene = network_records(mlp, "w100", y.sum())
    assert scene.count == 2 * 2**70
    assert [c.paths for c in scene.connections if c.layer == 2] == [2**70, 2**70, 0, 0]
    assert scene.cost is not None
    assert scene.cost.paths == (2**70, 2**70)


# ---- the picture -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", MAKERS)
def test_every_weight_and_bias_is_named_on_its_line(make: Callable[[], tuple[Any, Value]]) -> None:
    mlp, loss = make()
    scene, picture = network_records(mlp, "w110", loss), Picture(viz.network(mlp, "w110", loss))
    for c in scene.connections:
        share = f"  {percent(c.share)}" if c.marked else ""
        assert picture.texts(f"name-{c.layer}-{c.source}-{c.target}") == [f"{c.name}{share}"]
        assert repr(c.number) in picture.tooltip(f"w-{c.layer}-{c.source}-{c.target}")
        left, top, right, bottom = picture.box(f"name-{c.layer}-{c.source}-{c.target}")
        start, end = (picture.box(f"n-{c.layer - k}-{i}") for k, i in ((1, c.source), (0, c.target)))
        (x0, y0), (x1, y1) = (((b[0] + b[2]) / 2, (b[1] + b[3]) / 2) for b in (start, end))
        part = ((left + right) / 2 - x0) / (x1 - x0)
        assert 0.05 < part < 0.95
        assert (top + bottom) / 2 == pytest.approx(y0 + part * (y1 - y0), abs=0.5)
    for b in scene.biases:
        assert picture.texts(f"b-{b.layer}-{b.target}") == [b.name]
    names = [c.name for c in scene.connections]
    assert len(set(names)) == len(names) == sum(n * m for n, m in itertools.pairwise(mlp.dims))


@pytest.mark.parametrize(
    "dims", [[2, 2, 2, 2], [2, 10, 2], [6, 6, 6, 3], [1, 1], [10, 3, 10], [3, 8, 8, 2], [10, 10, 10]]
)
def test_nothing_covers_anything_else(dims: list[int]) -> None:
    mlp = nn.MLP(dims[0], dims[1:], rng=0)
    loss = (mlp(np.ones((2, dims[0]))) * 0.5).sum()
    loss.name = "C"
    picture = Picture(viz.network(mlp, "w100", loss))
    ids = [id for id in picture.groups if re.match(r"n-|b-\d+-\d+$|name-|cost$|legend-\d-text", id)]
    boxes = {id: picture.box(id) for id in ids}
    assert [(a, b) for a, b in itertools.combinations(ids, 2) if covers(boxes[a], boxes[b])] == []
    width, height = picture.size()
    assert width < 2_000
    assert height < 1_200


def test_inputs_are_square_and_neurons_round() -> None:
    net, loss = half_adder()
    picture = Picture(viz.network(net, "w200", loss))
    for id in ("n-0-0", "n-1-0", "n-3-1"):
        left, top, right, bottom = picture.box(id)
        assert right - left == pytest.approx(bottom - top, abs=0.02)
        round = picture.groups[id].find(".//{http://www.w3.org/2000/svg}ellipse") is not None
        assert round == (id != "n-0-0")
    assert [picture.texts(f"n-{k}-0") for k in range(4)] == [["x0"], ["n10"], ["n20"], ["n30"]]


def test_the_chosen_weight_is_bold_red_and_its_paths_bold_blue() -> None:
    net, loss = half_adder()
    scene, picture = network_records(net, "w200", loss), Picture(viz.network(net, "w200", loss))
    red = [
        c for c in scene.connections if picture.line(f"w-{c.layer}-{c.source}-{c.target}").get("stroke") == "#cc1020"
    ]
    assert [c.name for c in red] == ["w200"]
    blue = {
        c.name: c.share
        for c in scene.connections
        if picture.line(f"w-{c.layer}-{c.source}-{c.target}").get("stroke") == "#0072b2"
    }
    assert set(blue) == {"w300", "w301"}
    plain = [
        picture.width(f"w-{c.layer}-{c.source}-{c.target}") for c in scene.connections if not c.chosen and not c.paths
    ]
    assert max(plain) < 2.0
    assert picture.width("w-2-0-0") == 6.0
    for c in scene.connections:
        if c.name in blue:
            width = picture.width(f"w-{c.layer}-{c.source}-{c.target}")
            assert width == pytest.approx(0.6 + 5.4 * math.sqrt(c.share / max(blue.values())), abs=1e-2)
    name = picture.groups["name-2-0-0"].find(".//{http://www.w3.org/2000/svg}text")
    assert name is not None
    assert name.get("font-weight") == "bold"
    assert "path" in picture.classes("n-2-0")
    assert "path" not in picture.classes("n-2-1")
    assert picture.classes("cost-0") >= {"cost", "path"}


def wrong_lines(scene: NetworkScene, paths: tg.GradientPaths) -> list[str]:
    """Where the lines of a picture of the half adder show other numbers than its paths, listed one by one, give."""
    sizes: defaultdict[tuple[int, int, int], float] = defaultdict(float)
    sums: defaultdict[tuple[int, int, int], float] = defaultdict(float)
    for path in paths:
        names = [re.fullmatch(r"n(\d)(\d)@\d", node.name or "") for node in path.nodes]
        neurons = [(int(found[1]), int(found[2])) for found in names if found]
        for (layer, target), (_, source) in itertools.pairwise([(4, 0), *neurons]):
            sizes[layer, source, target] += abs(path.contribution)
            sums[layer, source, target] += path.contribution
    picture, wrong = Picture(viz.Drawing(network_digraph(scene))), []
    largest = max(sizes.values())
    partial = five_largest((size for (layer, *_), size in sizes.items() if layer < 4), paths.magnitude)
    written = 0
    for (layer, source, target), size in sizes.items():
        id = f"cost-{source}" if layer == 4 else f"w-{layer}-{source}-{target}"
        if picture.width(id) != pytest.approx(0.6 + 5.4 * math.sqrt(size / largest), abs=6e-3):
            wrong.append(f"{id}: width")
        if (picture.line(id).get("stroke-dasharray") is not None) != (sums[layer, source, target] < 0):
            wrong.append(f"{id}: dashes")
        if f"{percent(size / paths.magnitude)} of |gradient|" not in picture.tooltip(id):
            wrong.append(f"{id}: share")
        if f"together {number(sums[layer, source, target])}" not in picture.tooltip(id):
            wrong.append(f"{id}: sum")
        if layer < 4 and "%" in picture.texts(f"name-{layer}-{source}-{target}")[0]:
            written += 1
            if not any(size == pytest.approx(other) for other in partial):
                wrong.append(f"{id}: not one of the five largest")
    if written != len(partial):
        wrong.append("five shares are written")
    return wrong


@pytest.mark.parametrize("name", ["w200", "w210", "w100", "w110", "b10"])
def test_path_lines_show_share_and_sign(name: str) -> None:
    net, loss = half_adder()
    scene, paths = network_records(net, name, loss), gradient_paths(loss, name)
    assert wrong_lines(scene, paths) == []
    k = next(k for k, c in enumerate(scene.connections) if c.paths and not c.chosen and c.total)
    for change in ({"total": -scene.connections[k].total}, {"share": 0.7 * scene.connections[k].share}):
        changed = replace(scene.connections[k], **change)
        planted = replace(scene, connections=(*scene.connections[:k], changed, *scene.connections[k + 1 :]))
        assert wrong_lines(planted, paths) != []


def test_thickness_and_colour_show_size_and_sign() -> None:
    net, _ = half_adder()
    scene, picture = network_records(net), Picture(viz.network(net))
    for c in scene.connections:
        line = picture.line(f"w-{c.layer}-{c.source}-{c.target}")
        assert float(line.get("stroke-width", "1")) == pytest.approx(
            0.5 + 1.4 * abs(c.number) / scene.largest, abs=1e-2
        )
        assert (line.get("stroke-dasharray") is not None) == (c.number < 0)
        assert line.get("stroke") == ("#8e62a3" if c.number < 0 else "#4d9a55")
    assert scene.largest == max(abs(c.number) for c in scene.connections)
    assert (scene.cost, scene.count, scene.chosen) == (None, 0, "")
    assert "cost" not in picture.groups


def test_gradients_can_be_shown_instead() -> None:
    mlp, loss = xor()
    with pytest.raises(ArgumentError, match=r'network: shows="gradient" needs gradients, .*call loss\.backward'):
        viz.network(mlp, shows="gradient")
    loss.backward()
    scene = network_records(mlp, shows="gradient")
    assert [c.number for c in scene.connections if c.layer == 1] == mlp.layers[0].w.grad.ravel().tolist()
    assert "positive gradient" in Picture(viz.network(mlp, shows="gradient")).texts()


def test_a_caption_sums_up() -> None:
    net, loss = half_adder()
    paths = gradient_paths(loss, "w200")
    texts = Picture(viz.network(net, "w200", loss)).texts()
    assert f"8 paths from C to w200: total {paths.total:.4g}, cancellation {100 * paths.cancellation:.0f} %" in texts
    assert {"C", f"{loss.data:.4g}", "w200", "its paths, width: √ share of |gradient|", "negative weight"} <= set(texts)
    assert not any("paths from" in text for text in Picture(viz.network(net, "w200")).texts())


@pytest.mark.parametrize("weight", ["w201", "w2[0,1]", "w2_0_1"])
@pytest.mark.parametrize("make", [half_adder, xor])
def test_either_form_of_a_name_is_accepted(weight: str, make: Callable[[], tuple[Any, Value]]) -> None:
    mlp, loss = make()
    scene = network_records(mlp, weight, loss)
    assert [(c.layer, c.source, c.target) for c in scene.connections if c.chosen] == [(2, 0, 1)]
    assert scene.chosen == "w201"


def test_a_weight_can_be_given_as_a_value() -> None:
    net, loss = half_adder()
    scene = network_records(net, net.layers[1].neurons[1].w[0], loss)
    assert scene.chosen == "w201"
    mlp, loss = xor()
    for scene in (network_records(mlp, mlp.layers[1].w, loss, at=(0, 1)), network_records(mlp, "w2", loss, at=(0, 1))):
        assert scene.chosen == "w201"


@pytest.mark.parametrize(("make", "bias"), [(half_adder, "b20"), (half_adder, "b2[0]"), (xor, "b10"), (xor, "b1[0]")])
def test_a_bias_can_be_chosen(make: Callable[[], tuple[Any, Value]], bias: str) -> None:
    mlp, loss = make()
    scene = network_records(mlp, bias, loss)
    layer = int(bias[1])
    assert [(b.layer, b.target) for b in scene.biases if b.chosen] == [(layer, 0)]
    assert not any(c.chosen for c in scene.connections)
    assert {k: s for k, s in layer_shares(scene).items() if s} == pytest.approx(
        dict.fromkeys(range(layer + 1, len(mlp.dims)), 1.0)
    )
    picture = Picture(viz.network(mlp, bias, loss))
    assert picture.line(f"b-{layer}-0-line").get("stroke") == "#cc1020"


# ---- other networks --------------------------------------------------------------------------------------------------


def test_wide_layers_are_left_out_in_the_middle_but_never_the_chosen_neurons() -> None:
    mlp = nn.MLP(784, [128, 64, 10], rng=0)
    loss = nn.losses.cross_entropy(mlp(np.random.default_rng(0).random((8, 784))), np.arange(8))
    scene = network_records(mlp, "w1[400,60]", loss)
    shown = defaultdict(list)
    for neuron in scene.neurons:
        shown[neuron.layer].append(neuron.index)
    assert dict(shown) == {
        0: [0, 1, 2, 400, 781, 782, 783],
        1: [0, 1, 2, 60, 125, 126, 127],
        2: [0, 1, 2, 61, 62, 63],
        3: list(range(10)),
    }
    assert [(o.layer, o.count) for o in scene.omissions] == [(0, 777), (1, 121), (2, 58)]
    inside = sum(neuron.share for neuron in scene.neurons if neuron.layer == 2)
    assert inside + scene.omissions[2].share == pytest.approx(1.0)
    assert [c.name for c in scene.connections if c.chosen] == ["w1_400_60"]
    picture = Picture(viz.network(mlp, "w1_400_60", loss))
    assert picture.texts("omission-0") == ["⋮", "… 777 more"]
    assert picture.texts("omission-2")[2] == f"{100 * scene.omissions[2].share:.0f} % of |gradient|"


@pytest.mark.parametrize(("widest", "shown"), [(2, 2), (3, 3), (10, 6), (20, 20)])
def test_the_width_that_is_shown_whole_can_be_set(widest: int, shown: int) -> None:
    scene = network_records(nn.MLP(20, [2], rng=0), widest=widest)
    assert len([neuron for neuron in scene.neurons if neuron.layer == 0]) == shown
    assert sum(omission.count for omission in scene.omissions) == 20 - shown


def test_very_many_lines_are_named_only_in_their_tooltips() -> None:
    mlp = nn.MLP(15, [15], rng=0)
    picture = Picture(viz.network(mlp, "w1_3_4", widest=15))
    assert [id for id in picture.groups if id.startswith("name-")] == ["name-1-3-4"]
    assert picture.tooltip("w-1-14-14").startswith("w1_14_14")


def test_any_sequence_of_layers_can_be_drawn() -> None:
    inner = nn.Sequential(nn.Linear(3, 4, rng=1), tg.tanh)
    net = nn.Sequential(nn.Linear(2, 3, bias=False, rng=0), tg.tanh, inner, nn.Linear(4, 1, rng=2))
    loss = net(np.ones((2, 2))).sum()
    scene = network_records(net, "layers.0.w[1,2]", loss)
    assert scene.dims == (2, 3, 4, 1)
    assert layer_shares(scene) == pytest.approx({1: 1.0, 2: 1.0, 3: 1.0})
    assert {b.layer for b in scene.biases} == {2, 3}
    assert "layers.0.w[1,2]" in Picture(viz.network(net, "layers.0.w[1,2]", loss)).texts()
    assert network_records(nn.Linear(2, 3, rng=0)).dims == (2, 3)
    assert network_records(nn.scalar.Layer(2, 3)).dims == (2, 3)
    assert network_records(nn.scalar.Neuron(2)).dims == (2, 1)


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_hostile_name_comes_out_as_it_is(name: str) -> None:
    net = nn.scalar.MLP(2, [2, 1], rng=0)
    for value in (net.layers[0].neurons[0].w[0], net.layers[1].neurons[0].b):
        value.name = name
    loss = net([1.0, 2.0]) * 1.0
    loss.name = name
    picture = Picture(viz.network(net, name, loss))
    closer = "\u202c" if "\u202e" in name else ""
    lines = (name + closer).split("\n")
    assert picture.texts("name-1-0-0") == picture.texts("b-2-0") == picture.texts("cost")[:-1] == lines
    assert picture.tooltip("w-1-0-0").startswith(name)
    assert "red" not in picture.classes("name-1-0-0")


# ---- errors ----------------------------------------------------------------------------------------------------------


def test_an_unknown_weight_is_answered_with_the_nearest_names() -> None:
    net, loss = half_adder()
    with pytest.raises(
        UnknownNameError, match=r"network: there is no weight or bias 'w2000' .*nearest names are .*w200"
    ):
        viz.network(net, "w2000", loss)
    mlp, loss = xor()
    for name in ("w2[0,7]", "w203", "w7"):
        with pytest.raises(UnknownNameError, match=rf"no weight or bias {re.escape(repr(name))} in this network"):
            viz.network(mlp, name, loss)
    with pytest.raises(UnknownNameError, match=r"'q'.*names are like w100, w1\[0,0\], b10"):
        viz.network(mlp, "q", loss)


def test_wrong_arguments() -> None:
    net, _ = half_adder()
    mlp, array_loss = xor()
    with pytest.raises(
        ArgumentError,
        match="network: widest is how many neurons of a layer are shown, a whole number of at least 2, got 1",
    ):
        viz.network(net, widest=1)
    with pytest.raises(ArgumentError, match='network: shows is "value" or "gradient", got'):
        viz.network(net, shows="sign")  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match=r"'w2' \(of shape \(10, 2\)\) has 20 elements; say which one, .*'w2\[0,0\]'"):
        viz.network(mlp, "w2", array_loss)
    with pytest.raises(IndexRangeError, match=r"the element \(10, 0\) is outside 'w2'"):
        viz.network(mlp, mlp.layers[1].w, array_loss, at=(10, 0))
    with pytest.raises(ArgumentError, match=r"the element is in the name already; leave out at="):
        viz.network(mlp, "w201", array_loss, at=(0, 1))
    with pytest.raises(ArgumentError, match=r"'w200'.* is no weight or bias of this MLP"):
        viz.network(mlp, net.layers[1].neurons[0].w[0])
    with pytest.raises(ArgumentError, match=r"network: needs fully connected layers, Dropout has none; .*viz\.graph"):
        viz.network(nn.Dropout(0.5))
    with pytest.raises(ArgumentError, match="network: layer 1 has 3 outputs and layer 2 has 4 inputs"):
        viz.network(nn.Sequential(nn.Linear(2, 3), nn.Linear(4, 2)))
    with pytest.raises(GraphError, match="does not depend on 'w200'"):
        viz.network(net, "w200", array_loss)


# ---- the layout ------------------------------------------------------------------------------------------------------


def test_the_layout_does_not_depend_on_what_is_chosen() -> None:
    net, loss = half_adder()
    first, second = (Picture(viz.network(net, name, loss)) for name in ("w200", "w311"))
    for id in ("n-0-0", "n-2-1", "name-1-0-1", "cost"):
        assert first.box(id)[:2] == pytest.approx(second.box(id)[:2], abs=4.0)


def test_a_long_name_gets_room() -> None:
    short, long = (lay_out([[0], [0]], {(0, 0, 0): name}, 16.0) for name in ("w100", "w" * 40))
    assert short.neurons[1, 0][0] == 170.0
    assert long.neurons[1, 0][0] > text_width("w" * 40, LABEL_FONT) + 32.0
    assert LABEL_HEIGHT > 9.5


def test_a_column_of_one_line() -> None:
    layout = lay_out([[0, None, 9], [0]], {}, 16.0)
    assert layout.omissions == {0: (0.0, 0.0)}
    assert layout.neurons[0, 0][1] == -layout.neurons[0, 9][1] > 0
    assert math.isfinite(layout.bottom)


def test_colours_have_six_digits() -> None:
    mlp, loss = xor()
    found = colours(viz.network(mlp, "w101", loss).source)
    assert len(found) > 100
    assert [colour for colour in found if not re.fullmatch(r"#[0-9a-f]{6}", colour)] == []


def test_the_same_network_gives_the_same_bytes() -> None:
    first, second = (viz.network(mlp, "w101", loss) for mlp, loss in (xor(), xor()))
    assert first.source == second.source
    assert first.svg() == second.svg()


def test_nothing_is_written_unless_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    net, loss = half_adder()
    assert viz.Drawing(network_digraph(network_records(net, "w200", loss))).svg()
    assert list(tmp_path.iterdir()) == []
