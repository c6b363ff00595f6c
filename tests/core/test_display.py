"""Notebooks show true numbers and escaped names, and never more than a screen."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import graphviz
import numpy as np
import pytest

import tinygrad_lite as tg
import viz
from tinygrad_lite import Value, nn
from tinygrad_lite.core.display import clipped, table
from tinygrad_lite.formulas.reader import Tracer
from viz.output.drawing import NOTEBOOK_CHARACTERS

HOSTILE = "<script>alert(1)</script>"
NAMES = [HOSTILE, "a : b = c ← d", '"];', "\\N", "<b>", "$x$ & }{\\", "x" * 100_000, "\u202eoverride", "😀", "\ud800"]
SCREEN = 30_000  # characters


def test_every_text_is_escaped() -> None:
    w = Value(np.ones((2, 2)), name=HOSTILE)
    loss = (w * w).sum()
    loss.name = HOSTILE
    module = nn.Sequential(nn.Linear(2, 2, rng=0))
    module.parameters()[0].name = HOSTILE
    shown = [w._repr_html_(), loss._repr_html_(), tg.gradient_paths(loss, w, at=(0, 0))._repr_html_()]
    shown += [module._repr_html_(), table(HOSTILE, [HOSTILE], [[HOSTILE]], HOSTILE)]
    for text in shown:
        assert "<script" not in text


def test_arrays_show_their_numbers_and_gradients() -> None:
    w = Value([[1.5, -2.0]], name="w")
    (w * w).sum().backward()
    text = w._repr_html_()
    assert ">1.5<" in text
    assert ">-4<" in text
    assert "gradient" in text


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (2, 2, 2), (1000,), (1000, 1000)])
def test_nothing_is_large(shape: tuple[int, ...]) -> None:
    text = Value(np.zeros(shape))._repr_html_()
    assert len(text) < 30_000
    assert ("the first" in text) == (max(shape, default=0) == 1000)


def test_paths_of_any_number_show_the_largest() -> None:
    y = x = Value(1.0, name="x")
    for _ in range(200):
        y = y * 0.6 + y * 0.5
    text = tg.gradient_paths(y, x)._repr_html_()
    assert text.count("<tr>") == 11
    assert "1.61e60 paths from the end to x" in text
    assert "and 1.61e60 more" in text
    assert len(text) < 30_000


def test_a_module_lists_its_parameters() -> None:
    net = nn.scalar.MLP(2, [10, 10, 2], rng=0)
    text = net._repr_html_()
    assert "MLP: 162 numbers in 162 parameters" in text
    assert "and 122 more parameters" in text


def everything(name: str) -> dict[str, Any]:
    """One of each thing that shows itself, with that name in it."""
    w, loss = Value(2.0, name=name), Value(3.0, name="x")
    loss = (loss * w).tanh()
    loss.name = name
    net = nn.Sequential(nn.Linear(1, 1, rng=0))
    net.parameters()[0].name = name
    paths = tg.gradient_paths(loss, w)
    return {
        "value": w,
        "array": Value([1.0, 2.0], name=name),
        "paths": paths,
        "path": paths.top(1)[0],
        "derivation": tg.derive(loss, w),
        "comparison": tg.compare(loss, manual={name: 1.0}, wrt={name: w}),
        "module": net,
        "graph": viz.graph(loss),
        "picture of paths": viz.paths(loss, w),
    }


def shown_by(thing: Any) -> dict[str, str]:
    """What a notebook gets, by the method that it asks."""
    methods = ("_repr_html_", "_repr_svg_", "_repr_latex_", "__repr__")
    found = {method: getattr(thing, method)() for method in methods if hasattr(thing, method)}
    return {method: text for method, text in found.items() if text is not None}


@pytest.mark.parametrize("name", NAMES, ids=lambda name: repr(name[:12]))
def test_hostile_names_leave_every_text_small_and_well_formed(name: str) -> None:
    for what, thing in everything(name).items():
        for method, text in shown_by(thing).items():
            assert len(text) < SCREEN, (what, method)
            if method in ("_repr_html_", "_repr_svg_"):
                text.encode()  # the page is UTF-8
                if method == "_repr_svg_":
                    assert "<script" not in text
                    ET.fromstring(text)
                else:
                    tags = set(re.findall(r"<\s*/?\s*(\w+)", text))
                    assert tags <= {"table", "caption", "thead", "tbody", "tr", "th", "td", "div", "pre"}, (what, tags)
                    ET.fromstring(f"<div>{text}</div>")


def test_paths_are_cut_into_columns_whatever_they_are_called() -> None:
    x, w = Value(3.0, name="a : b = c"), Value(2.0, name=" ← w : 1 = 2")
    y = x * w
    y.name = "y = 1 : 2"
    text = tg.gradient_paths(y, w)._repr_html_()
    (row,) = ET.fromstring(f"<div>{text}</div>").findall(".//tbody/tr")
    chain, factors, contribution, share = ("".join(cell.itertext()) for cell in row)
    assert chain == "'y = 1 : 2' ← ' ← w : 1 = 2'"
    assert (factors, contribution, share) == ("'a : b = c'", "3", "100.0%")


def test_text_and_html_say_the_same() -> None:
    net = nn.scalar.MLP(2, [2, 2, 1], activation="sigmoid", output="sigmoid", rng=0)
    loss = nn.losses.half_squared_error(net([0.0, 1.0]), 1.0)
    paths = tg.gradient_paths(loss, "w110")
    rows = ET.fromstring(f"<div>{paths._repr_html_()}</div>").findall(".//tbody/tr")
    cells = [["".join(cell.itertext()) for cell in row] for row in rows]
    assert [f"{chain} : {factors} = {number}" for chain, factors, number, _ in cells] == [str(p) for p in paths.top(10)]
    assert [f"<Path {path}>" for path in paths.top(10)] == [repr(path) for path in paths.top(10)]


def deep() -> tuple[Value, Value]:
    """A chain of 5,000 named steps, of which the last hundred are doubled: 2^100 paths of 5,000 nodes."""
    y = x = Value(0.5, name="x")
    for k in range(5_000):
        y = y * 0.99999 if k < 4_900 else y * 0.5 + y * 0.5
        y.name = f"y{k}"
    return y, x


def test_a_deep_graph_is_shown_in_few_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    y, x = deep()
    written = 0
    local: Callable[..., Any] = Tracer.local

    def counted(*arguments: Any) -> Any:
        nonlocal written
        written += 1
        return local(*arguments)

    monkeypatch.setattr(Tracer, "local", counted)
    paths = tg.gradient_paths(y, x)
    assert paths.count == 2**100
    (path,) = paths.top(1)
    for thing in (paths, path, y, viz.graph(y), viz.paths(*short(y, x))):
        for method, text in shown_by(thing).items():
            assert len(text) <= (NOTEBOOK_CHARACTERS if method == "_repr_svg_" else SCREEN), method
    text = paths._repr_html_()
    assert "4,988 more" in text
    assert "1.27e30 paths from y4999 to x" in text
    assert written < 2_000  # formulas: of 22 rows with 12 each, and of the nodes that are drawn


def short(end: Value, wrt: Value) -> tuple[Value, Value]:
    """A part of a graph whose paths can be drawn."""
    for _ in range(20):
        end = end.parents[0]
    return end, end.parents[0]


def test_much_latex_is_left_to_its_first_line() -> None:
    d = tg.derive(*short_loss())
    assert d._repr_latex_() == f"$$\n{d.latex}\n$$"
    d.latex = d.latex * 1000
    assert d._repr_latex_() is None
    assert repr(d) == f"<Derivation {d.text.splitlines()[0]}>"


def short_loss() -> tuple[Value, Value]:
    x = Value(1.0, name="x")
    return x.tanh(), x


def test_a_comparison_of_very_many_shows_some(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = {f"w{k}": Value(float(k), name=f"w{k}") for k in range(100)}
    loss = Value(0.0)
    for w in weights.values():
        loss = loss + w * 0.5
    comparison = tg.compare(loss, manual=dict.fromkeys(weights, 0.5), wrt=weights)
    text = comparison._repr_html_()
    assert "40 more parameters are not shown" in text
    assert len(text) < 60_000
    assert "w99" in str(comparison)


@pytest.mark.parametrize(("nodes", "edges"), [(1_001, 0), (100, 2_001)])
def test_a_picture_that_takes_long_is_a_line(monkeypatch: pytest.MonkeyPatch, nodes: int, edges: int) -> None:
    def unreachable(*_: object, **__: object) -> bytes:
        raise AssertionError("it was laid out")

    monkeypatch.setattr("viz.output.drawing.render_dot", unreachable)
    digraph = graphviz.Digraph()
    for k in range(nodes):
        digraph.node(f"n{k}")
    for k in range(edges):
        digraph.edge(f"n{k % nodes}", f"n{k * 7 % nodes}")
    drawing = viz.Drawing(digraph)
    assert drawing._repr_svg_() is None
    assert repr(drawing) == f'<Drawing: {nodes:,} nodes, {edges:,} edges; .save("picture.svg") writes it>'


def test_a_picture_of_megabytes_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    drawing = viz.graph(Value(1.0, name="x"))
    assert drawing._repr_svg_() == drawing.svg()
    monkeypatch.setattr("viz.output.drawing.render_dot", lambda *_, **__: b"<svg>" + b" " * 2_000_000 + b"</svg>")
    assert drawing._repr_svg_() is None


def test_a_text_is_cut_in_the_middle() -> None:
    assert clipped("x" * 600) == "x" * 600
    assert len(clipped("x" * 601)) <= 600
    assert "…" in clipped("x" * 601)
