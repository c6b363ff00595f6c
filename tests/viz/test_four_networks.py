"""Every picture of the half adder, XOR, a network of three layers on images, and a residual one: the numbers in the
SVG, read back by parsing it, are the engine's."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
import viz
from tests.hostile import HOSTILE
from tests.viz.explorer.test_page import GRAPHS
from tests.viz.plots.test_plots import bars
from tests.viz.svg import Picture
from tinygrad_lite import Value, nn

NUMBER = r"-?\d+\.?\d*(?:e[+-]?\d+)?"
DIGITS = 1e-3
"""Pictures show four digits."""


def parameters(loss: Value) -> dict[str, Value]:
    leaves = (value for value in tg.core.graph.ancestors(loss) if value.is_leaf and value.requires_grad)
    return {str(value.name): value for value in leaves}


def element(name: str, value: Value) -> str:
    """The element with the largest gradient."""
    if not value.shape:
        return name
    index = np.unravel_index(np.abs(value.grad).argmax(), value.shape)
    return f"{name}[{','.join(map(str, index))}]"


def close(shown: float, exact: float) -> bool:
    return shown == pytest.approx(exact, rel=DIGITS, abs=1e-12)


@pytest.fixture(params=GRAPHS)
def loss(request: pytest.FixtureRequest) -> Value:
    made: Value = GRAPHS[request.param]()
    made.backward()
    return made


def gradients_shown(picture: Picture) -> dict[str, list[float]]:
    """The gradients by the name of the leaf in whose box they stand."""
    found = {}
    for id in picture.groups:
        texts = picture.texts(id) if re.fullmatch(r"v\d+|n\d+", id) else []
        said = [text for text in texts if text.startswith("grad")]
        if said:
            found[texts[0]] = [float(number) for number in re.findall(NUMBER, said[0].replace("−", "-"))]
    return found


def test_graph(loss: Value) -> None:
    drawn = gradients_shown(Picture(viz.graph(loss)))
    checked = 0
    for name, value in parameters(loss).items():
        if name not in drawn:
            continue
        grads = np.atleast_1d(np.asarray(value.grad, dtype=float))
        shown = drawn[name]
        exact = [grads.min(), grads.max()] if len(shown) == 2 and grads.size != 2 else grads.ravel().tolist()
        assert len(shown) == len(exact), name
        assert all(map(close, shown, exact)), (name, shown, exact)
        checked += 1
    assert checked >= min(4, len(parameters(loss)))


def test_paths(loss: Value) -> None:
    name = max(parameters(loss), key=lambda name: np.abs(parameters(loss)[name].grad).max())
    at = element(name, parameters(loss)[name])
    engine = tg.gradient_paths(loss, at)
    texts = Picture(viz.paths(loss, at, top=2)).texts()
    (caption,) = (text for text in texts if re.match(r"\d.* paths? from ", text))
    count, total = re.match(rf"([\d,]+) paths? from .* to .*: total ({NUMBER})", caption).groups()  # type: ignore[union-attr]
    assert int(count.replace(",", "")) == engine.count
    assert close(float(total), engine.total)
    value, index = tg.find(loss, at)
    assert engine.total == pytest.approx(float(value.grad[index] if index else value.grad), rel=1e-9)
    contributions = [path.contribution for path in engine.top(2)]
    shown = [float(number) for text in texts for number in re.findall(NUMBER, text)]
    for contribution in contributions:
        assert any(close(number, contribution) for number in shown), contribution


NETWORKS: dict[str, Callable[[], tuple[Any, Value, str]]] = {}


def network(make: Callable[[], tuple[Any, Value, str]]) -> Callable[[], tuple[Any, Value, str]]:
    NETWORKS[make.__name__] = make
    return make


@network
def scalars() -> tuple[Any, Value, str]:
    net = nn.scalar.MLP(2, [2, 2, 2], activation="sigmoid", output="sigmoid", rng=0)
    return net, nn.losses.half_squared_error(net([0.0, 1.0]), [1.0, 0.0]), "w200"


@network
def arrays() -> tuple[Any, Value, str]:
    net = nn.MLP([2, 3, 1], rng=0)
    return net, nn.losses.half_squared_error(net(np.eye(2)), [[1.0], [0.0]]), "w1[0,1]"


@network
def images() -> tuple[Any, Value, str]:
    net = nn.MLP([64, 12, 8, 10], activation="tanh", output="linear", rng=1)
    x = np.random.default_rng(1).random((2, 64))
    return net, nn.losses.cross_entropy(net(x), [3, 7]), "w2[1,2]"


@pytest.mark.parametrize("name", NETWORKS)
def test_network(name: str) -> None:
    net, loss, weight = NETWORKS[name]()
    loss.backward()
    engine = tg.gradient_paths(loss, weight)
    texts = Picture(viz.network(net, weight=weight, loss=loss)).texts()
    numbers = [float(number) for text in texts for number in re.findall(NUMBER, text)]
    assert any(close(number, engine.total) for number in numbers)
    assert any(f"{engine.count:,} path" in text or f"{engine.count} path" in text for text in texts)


def test_plots(loss: Value) -> None:
    name = max(parameters(loss), key=lambda name: np.abs(parameters(loss)[name].grad).max())
    engine = tg.gradient_paths(loss, element(name, parameters(loss)[name]))
    *steps, (_, total) = bars(viz.plots.waterfall(engine, top=3))
    np.testing.assert_allclose([width for _, width in steps[:3]], [path.contribution for path in engine.top(3)])
    assert total == engine.total
    flows = viz.plots.spectrum(engine).axes[0].containers[0]
    shares = {length: magnitude / engine.magnitude for length, (_, _, magnitude) in engine.spectrum.items()}
    np.testing.assert_allclose([bar.get_height() for bar in flows], list(shares.values()))


NASTY = [*HOSTILE, "x" * 1_000_000, "\u200f\u202a\u2066", '"];', "\\N", "</script>"]


@pytest.mark.parametrize("name", NASTY, ids=range(len(NASTY)))
def test_hostile_names_everywhere(name: str) -> None:
    w, x = Value(0.5, name=name), Value(2.0, name="x", requires_grad=False)
    y = (w * x).tanh()
    y.name = name[:100] + "y"
    for drawing in (viz.graph(y), viz.paths(y, w)):
        Picture(drawing)  # XML, laid out by Graphviz
        assert len(drawing.svg()) < 200_000


def test_the_same_graph_gives_the_same_bytes() -> None:
    for make in GRAPHS.values():
        assert viz.graph(make()).svg() == viz.graph(make()).svg()


def test_a_wrong_number_is_seen() -> None:
    made = GRAPHS["xor"]()
    made.backward()
    drawing = Picture(viz.graph(made))
    shown = gradients_shown(drawing)["w1"]
    assert not close(shown[0] * 1.01, parameters(made)["w1"].grad.min())
