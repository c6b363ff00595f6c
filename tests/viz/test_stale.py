"""Pictures of a graph whose leaves have other data by now are refused, and odd arguments are answered in words."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import viz
from tests.viz.svg import Picture
from tinygrad_lite import Value, nn
from tinygrad_lite.errors import ArgumentError, GraphError, ValueTypeError


def network(kind: Any) -> tuple[Any, Value]:
    net = kind(2, [3, 2], activation="sigmoid", rng=0)
    return net, nn.losses.half_squared_error(net([1.0, 0.5]), [0.0, 1.0])


DRAWN: dict[str, Callable[[Any, Value], viz.Drawing]] = {
    "graph": lambda net, loss: viz.graph(loss),
    "paths": lambda net, loss: viz.paths(loss, "w1[0,0]" if isinstance(net, nn.MLP) else "w100"),
    "network": lambda net, loss: viz.network(net, weight="w100", loss=loss),
    "network without a weight": lambda net, loss: viz.network(net, loss=loss),
}


@pytest.mark.parametrize("kind", [nn.MLP, nn.scalar.MLP], ids=["arrays", "scalars"])
@pytest.mark.parametrize("what", DRAWN)
def test_old_numbers_are_not_drawn(what: str, kind: Any) -> None:
    net, loss = network(kind)
    DRAWN[what](net, loss)  # current
    for which in (0, -1):
        net, loss = network(kind)
        parameter = net.parameters()[which]
        parameter.data = parameter.data + 1.0
        with pytest.raises(
            GraphError, match=r"(replaced after|computed from other data).*; run the forward pass again"
        ):
            DRAWN[what](net, loss)


def test_odd_arguments_are_answered_in_words() -> None:
    net, loss = network(nn.MLP)
    for arguments in ({"weight": 3}, {"weight": "w100", "loss": 3.0}, {"loss": 3.0}):
        with pytest.raises(ValueTypeError, match=r"^network: (weight|loss) is a Value .*; pass"):
            viz.network(net, **arguments)
    for widest in (2.5, "a", True, 1):
        with pytest.raises(ArgumentError, match=r"^network: widest .* a whole number of at least 2, got"):
            viz.network(net, widest=widest)  # type: ignore[arg-type]
    for given in (1.5, "a", True, 0):
        with pytest.raises(ArgumentError, match=r"^paths: top .* a whole number of at least 1, got"):
            viz.paths(loss, "w1[0,0]", top=given)  # type: ignore[arg-type]
        with pytest.raises(ArgumentError, match=r"^paths: limit .* a whole number of at least 1, got"):
            viz.paths(loss, "w1[0,0]", limit=given)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_weights_that_are_not_finite_have_a_line_and_a_legend_of_their_own(bad: float) -> None:
    net, _ = network(nn.MLP)
    before = Picture(viz.network(net))
    net.parameters()[0].data[0, 0] = bad
    picture = Picture(viz.network(net))
    for shown in (before, picture):  # the two signs look different, whatever the weights are
        assert shown.line("legend-0").get("stroke") != shown.line("legend-1").get("stroke")
    assert "weight not finite" in picture.texts()
    assert "weight not finite" not in before.texts()
    assert picture.line("w-1-0-0").get("stroke") == picture.line("legend-2").get("stroke")
    finite = np.abs(net.parameters()[0].data[np.isfinite(net.parameters()[0].data)]).max()
    assert viz.records.network.network_records(net).largest >= finite


def test_a_wide_layer_in_the_middle_says_how_many_are_left_out() -> None:
    picture = Picture(viz.network(nn.MLP(2, [30, 2], rng=0)))
    assert any("24 more" in text for text in picture.texts("omission-1"))
    assert sum(id.startswith("n-1-") for id in picture.groups) == 30 - 24
