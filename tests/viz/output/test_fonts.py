"""Text keeps to the room that the layout made, whatever fonts a reader has."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from functools import cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

import viz
from tests.viz.svg import SVG
from tinygrad_lite import Value, datasets, nn
from viz import Drawing
from viz.dot.metrics import fitted_width, text_width


def array() -> Value:
    w = Value(np.random.default_rng(0).normal(size=(3, 4)) * 1e-3, name="embedding")
    loss = (w**2.0).sum()
    loss.name = "loss of the tokens"
    loss.backward()
    return loss


@cache
def half_adder() -> tuple[nn.scalar.MLP, Value]:
    x, t = datasets.half_adder()
    net = nn.scalar.MLP(2, [2, 2, 2], activation="sigmoid", output="sigmoid", rng=0)
    loss = nn.losses.half_squared_error(net(x), t)
    loss.backward()
    return net, loss


PICTURES: dict[str, Callable[[], Drawing]] = {
    "striped": lambda: viz.graph(array()),
    "records": lambda: viz.graph(half_adder()[1]),
    "top down": lambda: viz.graph(half_adder()[1], direction="TB"),
    "boxes": lambda: viz.graph(half_adder()[1], depth=0, limit=60),
    "paths": lambda: viz.paths(half_adder()[1], "w110", top=4),
    "paths of arrays": lambda: viz.paths(array(), "embedding[1,2]", level="values"),
    "network": lambda: viz.network(half_adder()[0], "w200", half_adder()[1]),
}


@cache
def in_dejavu(text: str, size: float) -> float:
    return float(TextPath((0, 0), text, size=size, prop=FontProperties(family="DejaVu Sans")).get_extents().width)


def too_wide(svg: str) -> list[str]:
    """The texts of nodes that run over their box in DejaVu Sans, which is wider than Helvetica."""
    found = []
    for group in ET.fromstring(svg).iter(f"{SVG}g"):
        if "node" not in group.get("class", "").split():
            continue
        shapes = [
            shape.get("points") or shape.get("d", "") for tag in ("polygon", "path") for shape in group.iter(SVG + tag)
        ]
        xs = [float(x) for shape in shapes for x in re.findall(r"(-?[\d.]+),-?[\d.]+", shape)]
        round = group.find(f".//{SVG}ellipse")
        room = max(xs) - min(xs) if xs else 2 * float(round.get("rx", "0")) if round is not None else np.inf
        for text in group.iter(f"{SVG}text"):
            shown = "".join(text.itertext())
            width = float(text.get("textLength", "0")) or in_dejavu(shown, float(text.get("font-size", "14")))
            if width > room:
                found.append(f"{shown!r}: {width:.0f} in {room:.0f}")
    return found


@pytest.mark.parametrize("name", PICTURES)
def test_no_text_is_wider_than_its_box(name: str) -> None:
    assert too_wide(PICTURES[name]().svg()) == []


def test_the_check_finds_texts_without_a_length() -> None:
    svg = re.sub(r' textLength="[\d.]+"', "", PICTURES["striped"]().svg())
    assert len(too_wide(svg)) > 1


def test_the_widths_are_those_of_helvetica() -> None:
    """The oracle is Adobe's own file of metrics, which comes with matplotlib."""
    file = Path(mpl.get_data_path(), "fonts", "pdfcorefonts", "Helvetica.afm")
    metrics = re.findall(r"^C (\d+) ; WX (\d+) ; N (\w+)", file.read_text("latin-1"), re.MULTILINE)
    known = {chr(int(code)): int(width) for code, width, _ in metrics if 32 <= int(code) < 127}
    known |= {"'": 191, "`": 333}  # a typewriter's, where Adobe's encoding has the curved ones
    assert len(known) == 95
    assert {c: text_width(c, 1000.0) for c in known} == known
    assert all(fitted_width(c, 1000.0) == width for c, width in known.items())


def test_a_text_is_as_long_as_the_layout_measured() -> None:
    """A box without margins is exactly as wide as its text, in any script."""
    for text in ("embedding 3×4: 0.1 … 2", "WWW.iii", "日本語の名前"):
        digraph = viz.dot.digraphs.new_digraph()
        digraph.node("a", text, shape="box", margin="0", width="0")
        root = ET.fromstring(Drawing(digraph).svg())
        (shown,) = root.iter(f"{SVG}text")
        outline = next(g for g in root.iter(f"{SVG}g") if g.get("class") == "node").find(f".//{SVG}polygon")
        assert outline is not None
        xs = [float(x) for x in re.findall(r"(-?[\d.]+),", outline.get("points", ""))]
        room = max(xs) - min(xs)
        assert 0.85 * room <= float(shown.get("textLength", "0")) <= room + 0.5
        assert shown.get("lengthAdjust") == "spacingAndGlyphs"


def test_the_spaces_around_a_label_are_a_part_of_its_length() -> None:
    """Graphviz writes xml:space="preserve": what a browser fits to the length are the spaces too."""
    digraph = viz.dot.digraphs.new_digraph()
    digraph.edge("a", "b", label=" 0.1079 ")
    (label,) = (text for text in ET.fromstring(Drawing(digraph).svg()).iter(f"{SVG}text") if text.get("textLength"))
    assert label.get("{http://www.w3.org/XML/1998/namespace}space") == "preserve"
    assert label.text == " 0.1079 "
    size = float(label.get("font-size", "0"))
    assert float(label.get("textLength", "0")) == pytest.approx(text_width(" 0.1079 ", size), abs=0.01)
