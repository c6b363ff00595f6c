"""Plots draw the numbers that they are given, never warn, and refuse other things in words."""

from __future__ import annotations

import io
import math
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinygrad_lite as tg
import viz
from tinygrad_lite import GradientPaths, Value, nn
from tinygrad_lite.errors import ArgumentError, MissingExtraError, ShapeError, ValueTypeError
from tinygrad_lite.training import History
from viz import FormatError, plots

pytest.importorskip("matplotlib", reason="the extra plots")

from matplotlib.figure import Figure

from viz.output.figures import Plot


@pytest.fixture
def paths() -> GradientPaths:
    net = nn.MLP([2, 4, 3, 1], activation="tanh", output="linear", rng=0)
    loss = nn.losses.half_squared_error(net([[0.5, 1.0], [1.0, -1.0]]), [[1.0], [0.0]])
    return tg.gradient_paths(loss, "w1[0,0]")


def each(paths: GradientPaths) -> dict[str, Callable[..., Figure]]:
    """One call of every function, for what all of them share."""
    points, labels = tg.datasets.spirals(20)
    return {
        "training_curve": lambda **to: plots.training_curve([3.0, 2.0, 1.0], **to),
        "decision_boundary": lambda **to: plots.decision_boundary(lambda x: x[:, 0], points, labels, **to),
        "gradient_sizes": lambda **to: plots.gradient_sizes({"sigmoid": [0.1, 0.2]}, **to),
        "spectrum": lambda **to: plots.spectrum(paths, **to),
        "waterfall": lambda **to: plots.waterfall(paths, **to),
        "heat_map": lambda **to: plots.heat_map([[1.0, -2.0]], **to),
    }


def words(figure: Figure) -> str:
    """Every text in the picture, from the file that a user gets."""
    import matplotlib as mpl

    file = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(file, format="svg")
    root = ET.fromstring(file.getvalue())
    return "\n".join("".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text"))


# ---- what all share --------------------------------------------------------------------------------------------------


def test_every_plot_is_a_page_of_its_own_or_drawn_where_asked(paths: GradientPaths, tmp_path: Path) -> None:
    assert set(each(paths)) | {"figure"} == set(plots.__all__)
    for name, draw in each(paths).items():
        page = draw()
        assert isinstance(page, Plot)
        assert page.axes[0].get_title(), name
        assert page.axes[0].get_xlabel(), name
        assert page.save(tmp_path / f"{name}.svg") == tmp_path / f"{name}.svg"

        other = Figure()
        first, second = other.subplots(1, 2)
        assert draw(ax=second) is other
        assert second.get_title()
        assert not first.get_title()
        inner = Figure().subfigures(1, 2)[1]
        assert draw(ax=inner.add_subplot()) is inner.figure


def test_no_plot_touches_pyplot_or_is_imported_early(tmp_path: Path) -> None:
    code = (
        "import sys, viz; assert 'matplotlib' not in sys.modules\n"
        "viz.plots.training_curve([2.0, 1.0]).save(sys.argv[1])\n"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules"
    )
    root = Path(viz.__file__).parents[1]
    subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(tmp_path / "x.svg")], check=True, timeout=60, cwd=root
    )
    assert (tmp_path / "x.svg").exists()


def test_without_matplotlib(paths: GradientPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = {**each(paths), "figure": plots.figure}
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "viz.output.figures")
    for name, draw in calls.items():
        complaint = f'plots.{name}: needs matplotlib, which is not installed; pip install "tinygrad_lite[plots]"'
        with pytest.raises(MissingExtraError, match=re.escape(complaint)):
            draw()


def test_ax_is_checked(paths: GradientPaths) -> None:
    for name, draw in each(paths).items():
        for wrong in ([], Figure()):
            with pytest.raises(ArgumentError, match=f"{name}: ax is one matplotlib Axes, got"):
                draw(ax=wrong)


def test_saving(paths: GradientPaths, tmp_path: Path) -> None:
    for suffix, start in ((".svg", b"<?xml"), (".png", b"\x89PNG"), (".pdf", b"%PDF")):
        pages = plots.waterfall(paths), plots.waterfall(paths)
        first, again = (page.save(tmp_path / f"new/picture{suffix}").read_bytes() for page in pages)
        assert first.startswith(start)
        assert again == first  # the same picture is the same file
    page = pages[0]
    assert isinstance(page, Plot)
    with pytest.raises(FormatError, match=r"one of \.svg, \.pdf, \.png, got 'picture\.gif'"):
        page.save(tmp_path / "picture.gif")
    with pytest.raises(ValueTypeError, match=r"Plot\.save: needs the path of a file"):
        page.save(3)  # type: ignore[arg-type]
    assert page._repr_png_().startswith(b"\x89PNG")


# ---- training curves and decision boundaries -------------------------------------------------------------------------


def test_training_curve_draws_the_losses() -> None:
    losses = [1.0, 0.5, 0.05]
    for given in (losses, np.array(losses), History(None, 2, losses)):
        axes = plots.training_curve(given, unit="nats").axes[0]
        assert_allclose(axes.lines[0].get_ydata(), losses)
        assert (axes.get_yscale(), axes.get_ylabel()) == ("log", "loss (nats)")
    assert plots.training_curve([1.0, 0.9, 0.8]).axes[0].get_yscale() == "linear"
    assert plots.training_curve([1.0, 0.0]).axes[0].get_yscale() == "linear"  # 0 has no place on the other
    both = words(plots.training_curve({"plain": losses, "residual": losses}, goal=0.1))
    assert {"plain", "residual", "goal 0.1"} <= set(both.splitlines())


def test_a_smooth_curve_lies_where_its_losses_do() -> None:
    losses = np.linspace(5.0, 3.0, 50)
    _, mean = plots.training_curve(losses, smooth=9).axes[0].lines
    assert_allclose(mean.get_ydata(), np.interp(mean.get_xdata(), np.arange(50), losses))


@pytest.mark.parametrize(
    ("losses", "settings", "message"),
    [
        ([], {}, "losses are numbers in a row, at least one, got shape (0,)"),
        ({}, {}, "needs at least one curve"),
        ({"a": "abc"}, {}, "losses 'a' are numbers, got str"),
        ([[1.0]], {}, "got shape (1, 1)"),
        ([1.0], {"smooth": 0}, "smooth is a number of steps of at least 1, got 0"),
    ],
)
def test_bad_losses(losses: Any, settings: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(message)):
        plots.training_curve(losses, **settings)


@pytest.mark.parametrize("one", [False, True])
def test_decision_boundary_asks_the_model(one: bool) -> None:
    points, labels = np.array([[0.0, 0.0], [1.0, 0.0], [0.9, 1.0], [0.1, 1.0]]), [0, 1, 1, 1]
    before = Value(0.5, name="cut")

    def model(x: Any) -> Value:
        score = Value(x, requires_grad=False)[:, 0] - before
        return score if one else tg.stack([-score, score], axis=1)

    page = plots.decision_boundary(model, points, labels)
    axes = page.axes[0]
    assert axes.get_title() == "Decision boundary (3 of 4 points right)"
    regions = np.asarray(axes.collections[0].get_array())
    assert_allclose(regions.mean(), 0.5, atol=0.01)
    boundary = axes.collections[1].get_paths()[0].vertices
    assert_allclose(np.asarray(boundary)[:, 0], 0.5, atol=0.01)
    assert_allclose(axes.lines[-1].get_xydata(), [[0.1, 1.0]])  # the ring around the wrong one
    assert {"class 0", "class 1", "wrong"} <= set(words(page).splitlines())


@pytest.mark.parametrize(
    ("points", "labels", "model", "error", "message"),
    [
        ([1.0, 2.0], [0, 1], None, ShapeError, "points have shape (samples, 2), got (2,)"),
        (np.zeros((3, 2)), [0, 1], None, ShapeError, "3 points need labels of shape (3,), got (2,)"),
        (np.zeros((2, 2)), [0.5, 1.0], None, ArgumentError, "labels are whole class numbers"),
        (np.zeros((2, 2)), [0, -1], None, ArgumentError, "labels are whole class numbers"),
        (np.zeros((2, 2)), [0, 1], lambda x: x[:3], ShapeError, "the model returns shape (90000, classes)"),
        (np.zeros((2, 2)), [0, 1], lambda x: np.zeros((len(x), 11)) + np.arange(11), ShapeError, "at most 10 classes"),
    ],
)
def test_bad_boundaries(points: Any, labels: Any, model: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        plots.decision_boundary(model, points, labels)


# ---- sizes of gradients ----------------------------------------------------------------------------------------------


def test_gradient_sizes_over_layers() -> None:
    page = plots.gradient_sizes({"sigmoid": [0.0, 1e-3, 1e-2], "relu": [0.1, 0.1, 0.1]})
    axes = page.axes[0]
    assert axes.get_yscale() == "log"
    assert_allclose(axes.lines[0].get_xdata(), [1, 2, 3])
    assert_allclose(np.asarray(axes.lines[0].get_ydata()), [np.nan, 1e-3, 1e-2])
    assert "sigmoid (1 × 0 left out)" in words(page)


def test_gradient_sizes_over_training() -> None:
    history = [{"w1": 1e-3, "w2": 0.1}, {"w1": 2e-3, "w2": 0.2}]
    axes = plots.gradient_sizes(history, steps=[0, 10]).axes[0]
    assert [line.get_label() for line in axes.lines] == ["w1", "w2"]
    assert_allclose(axes.lines[1].get_xydata(), [[0, 0.1], [10, 0.2]])


@pytest.mark.parametrize(
    ("sizes", "steps", "message"),
    [
        ({}, None, "needs sizes, got none"),
        ([], None, "needs sizes, got none"),
        ({"a": [-1.0]}, None, "a size is at least 0"),
        ([{"a": 1.0}, {"b": 1.0}], None, "each with the same layers"),
        ([1.0], None, "a history is a list of {layer: size}"),
        ([{"a": 1.0}], [0, 1], "steps go with a list of {layer: size}, one for each"),
        ({"a": [1.0]}, [0], "steps go with a list of {layer: size}, one for each"),
    ],
)
def test_bad_sizes(sizes: Any, steps: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(message)):
        plots.gradient_sizes(sizes, steps=steps)


# ---- spectrum --------------------------------------------------------------------------------------------------------


def test_spectrum_bars_are_shares_of_the_magnitude() -> None:
    groups = {5: (20, -3.0, 6.0), 2: (1, 2.0, 2.0), 3: (0, 0.0, 0.0)}
    page = plots.spectrum(groups)
    axes = page.axes[0]
    flows, positive, negative = axes.containers
    assert_allclose([(bar.get_center()[0], bar.get_height()) for bar in flows], [(2, 0.25), (5, 0.75)])
    assert_allclose([(bar.get_center()[0], bar.get_height()) for bar in positive], [(2, 0.25)])
    assert_allclose([(bar.get_center()[0], bar.get_height()) for bar in negative], [(5, -0.375)])
    assert negative[0].get_hatch()  # not by colour alone
    assert {"1", "20", "Paths by length: 21 paths"} <= set(words(page).splitlines())


def test_spectrum_of_paths_and_of_a_sweep_are_one_picture(paths: GradientPaths, tmp_path: Path) -> None:
    swept = tg.sweep(paths.end, tg.semirings.SPECTRUM, wrt=paths.wrt)
    one = {length: tuple(part[paths.at] for part in group) for length, group in swept.items()}
    pictures = [plots.spectrum(given) for given in (paths, paths.spectrum, one)]
    assert len({picture.save(tmp_path / "x.svg").read_bytes() for picture in pictures}) == 1


def test_counts_of_any_size_fit() -> None:
    shown = words(plots.spectrum({k: (7**k, 0.5, 1.0) for k in range(1, 500)}))
    assert "5.9e421" in shown
    assert 10 < sum("e" in line for line in shown.splitlines()) < 60


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([1, 2], "needs the paths to one element, got list"),
        ({}, "needs at least one path, got none"),
        ({2: (0, 0.0, 0.0)}, "needs at least one path, got none"),
        ({2: 1.0}, "a group of paths is three numbers"),
        ({2: (np.ones(3), np.ones(3), np.ones(3))}, "a group of paths is three numbers"),
        ({2: (1, 0.0, 0.0)}, "needs a finite magnitude above 0"),
        ({2: (1, np.nan, np.nan)}, "needs a finite magnitude above 0"),
    ],
)
def test_bad_spectra(given: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=f"spectrum: {message}"):
        plots.spectrum(given)


# ---- waterfall -------------------------------------------------------------------------------------------------------


def bars(figure: Figure) -> list[tuple[float, float]]:
    """Where each bar starts and how far it goes, the uppermost first."""
    found = [(bar.get_x(), bar.get_width(), bar.get_y()) for part in figure.axes[0].containers for bar in part]
    return [(start, width) for start, width, _ in sorted(found, key=lambda bar: bar[2])]


@pytest.mark.parametrize("top", [1, 3, 10_000])
def test_waterfall_adds_up(paths: GradientPaths, top: int) -> None:
    figure = plots.waterfall(paths, top=top)
    *steps, (zero, total) = bars(figure)
    best = [path.contribution for path in paths.top(top)]
    assert_allclose([width for _, width in steps[: len(best)]], best, atol=1e-15)
    assert len(steps) == len(best) + (paths.count > len(best))
    at = 0.0
    for start, width in steps:
        assert start == pytest.approx(at, abs=1e-15)
        at = start + width
    assert (zero, total) == (0.0, paths.total)
    assert at == total  # exactly
    more = paths.count - len(best)
    assert (f"the other {more} path" in words(figure)) == bool(more)


def test_waterfall_of_groups() -> None:
    figure = plots.waterfall({("head", "stem"): 1.0, ("head", "block", "stem"): -3.0, None: 0.5}, top=2)
    assert_allclose(bars(figure), [(0, -3), (-3, 1), (-2, 0.5), (0, -1.5)])
    assert {"head ← block ← stem", "head ← stem", "the other 1", "total", "-3", "+0.5"} <= set(
        words(figure).splitlines()
    )


def test_waterfall_names_each_neuron_once() -> None:
    net = nn.scalar.MLP(1, [1, 1], activation="sigmoid", output="sigmoid", rng=0)
    loss = nn.losses.half_squared_error(net([1.0]), 1.0)
    assert "n20 ← n10" in words(plots.waterfall(tg.gradient_paths(loss, "w100"))).splitlines()


@pytest.mark.parametrize(
    ("given", "top", "message"),
    [
        ({"a": 1.0}, 0, "top is a whole number of at least 1, got 0"),
        ({"a": 1.0}, 2.5, "top is a whole number of at least 1, got 2.5"),
        ({}, 1, "needs gradient_paths(…) or contributions by name, got none"),
        ([1.0], 1, "needs gradient_paths(…) or contributions by name, got list"),
        ({"a": "b"}, 1, "a contribution is one number"),
        ({"a": math.nan}, 1, "contributions are finite numbers"),
    ],
)
def test_bad_waterfalls(given: Any, top: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(f"waterfall: {message}")):
        plots.waterfall(given, top=top)


# ---- heat map --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "colours", "limits"),
    [
        ([[1.0, -4.0]], "PRGn", (-4, 4)),  # symmetric: white is 0
        ([[1.0, 4.0]], "Blues", (0, 4)),
        ([[-1.0, -4.0]], "Purples_r", (-4, 0)),
        ([[0, 0]], "Blues", (0, 1)),
        ([[3, 10**30]], "Blues", (0, 1e30)),  # counts may be large
        ([[np.nan, np.inf]], "Blues", (0, 1)),
    ],
)
def test_scale_of_a_heat_map(data: Any, colours: str, limits: tuple[float, float]) -> None:
    figure = plots.heat_map(np.array(data), unit="nats")
    (image,) = figure.axes[0].images
    assert image.get_cmap().name == colours
    assert image.get_clim() == limits
    assert figure.axes[1].get_ylabel() == "nats"
    assert words(figure).count("×") == (~np.isfinite(np.array(data, dtype=float))).sum()


def test_heat_map_takes_a_shape() -> None:
    (image,) = plots.heat_map(Value(np.arange(6.0)), (2, 3)).axes[0].images
    assert_allclose(image.get_array(), [[0, 1, 2], [3, 4, 5]])


@pytest.mark.parametrize(
    ("data", "shape", "error", "message"),
    [
        (np.zeros(4), None, ShapeError, r"needs rows and columns, got shape (4,)"),
        (np.zeros((0, 2)), None, ShapeError, r"needs rows and columns, got shape (0, 2)"),
        (np.zeros(4), (3, 2), ShapeError, r"4 numbers do not fill shape (3, 2)"),
        (np.zeros(4), (2, 2, 1), ShapeError, r"4 numbers do not fill shape (2, 2, 1)"),
        ([["a"]], None, ArgumentError, "needs numbers that a float can hold"),
        ([[10**400]], None, ArgumentError, "needs numbers that a float can hold"),
    ],
)
def test_bad_heat_maps(data: Any, shape: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=re.escape(f"heat_map: {message}")):
        plots.heat_map(data, shape)


def test_viz_has_them() -> None:
    assert viz.plots is plots
