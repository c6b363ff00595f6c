"""Plots of training and of what paths carry, by matplotlib (the extra ``plots``, imported when something is plotted).

Each function returns a ``Figure`` that shows itself in a notebook and has ``.save("x.svg")``; with ``ax=`` it draws
there and returns the figure of that. pyplot takes no part, so there is no current figure and nothing to close.

The colours are those of all pictures (``viz.colours``), told apart with any colour vision: green for positive and
purple for negative, from C. Brewer's PRGn, the negative hatched; M. Okabe and K. Ito's for what has no sign. On maps
white is 0, with PRGn around it where there are two signs and C. Brewer's Blues above it where there is one; layers and
other things in an order are shades of viridis.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tinygrad_lite.core.recording import no_grad
from tinygrad_lite.core.value import Value
from tinygrad_lite.errors import ArgumentError, MissingExtraError, ShapeError
from tinygrad_lite.paths.path import Path, element_name
from tinygrad_lite.paths.queries import GradientPaths
from tinygrad_lite.training import History

from .dot.colours import CONSTANT, FAINT, INK, NEGATIVE_LINE, POSITIVE_LINE, TOP
from .records.numbers import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .output.figures import Plot

__all__ = ["decision_boundary", "figure", "gradient_sizes", "heat_map", "spectrum", "training_curve", "waterfall"]


Array = npt.NDArray[np.float64]
_MARKERS = "os^DvPX*<>"
_PALE = "#c9d6e2"
_LONGEST = 46  # characters of a path's label; what is longer loses its middle


def figure(width: float = 6.4, height: float = 4.2) -> Plot:
    """An empty page of that size, in inches, for several plots: ``page.subplots(1, 2)`` gives the axes.

    Raises ``MissingExtraError`` without matplotlib, as all plots do.

    >>> import viz
    >>> page = viz.plots.figure(9, 4)
    >>> left, right = page.subplots(1, 2)
    >>> viz.plots.training_curve([4.0, 2.0, 1.0], ax=left) is page
    True
    """
    return _page("figure", (width, height))


def training_curve(
    losses: History | Sequence[float] | Mapping[str, History | Sequence[float]],
    *,
    goal: float | None = None,
    smooth: int = 1,
    unit: str = "",
    title: str = "Training",
    ax: Axes | None = None,
) -> Figure:
    """The loss over the steps of training: one curve, or by name several.

    ``losses`` are numbers, one before each step, or the ``History`` that ``training.train`` returns. ``goal`` is drawn
    as a line. ``smooth`` averages over that many steps, with the losses themselves pale behind it: those of batches
    jump. ``unit`` is the loss's (nats, of a cross-entropy). The axis is logarithmic where losses span a factor of 10.

    Raises ``ArgumentError`` for no losses, or for what is no number; ``MissingExtraError`` without matplotlib.

    >>> training_curve([1.0, 0.5, 0.2, 0.05], goal=0.1).axes[0].get_xlabel()
    'step'
    """
    curves = {
        name: _series("training_curve", f"losses {name!r}" if name else "losses", getattr(given, "costs", given))
        for name, given in (losses if isinstance(losses, Mapping) else {"": losses}).items()
    }
    if not curves:
        raise ArgumentError("training_curve: needs at least one curve, got an empty mapping; pass {name: losses}")
    if isinstance(smooth, bool) or not isinstance(smooth, int) or smooth < 1:
        raise ArgumentError(f"training_curve: smooth is a number of steps of at least 1, got {smooth!r}; 1 draws all")
    page, axes = _axes("training_curve", ax)
    for (name, curve), colour in zip(curves.items(), itertools.cycle(TOP), strict=False):
        window = min(smooth, len(curve))
        marker = "o" if len(curve) == 1 else None  # a line of one point is none
        if window > 1:
            axes.plot(curve, color=colour, linewidth=0.7, alpha=0.3)
            means = np.convolve(curve, np.full(window, 1 / window), mode="valid")
            axes.plot((window - 1) / 2 + np.arange(len(means)), means, color=colour, linewidth=1.8, label=name)
        else:
            axes.plot(curve, color=colour, linewidth=1.5, marker=marker, label=name)
    if goal is not None:
        axes.axhline(goal, color=CONSTANT, linewidth=1, linestyle="--", label=f"goal {goal:g}")
    _logarithmic_if_wide(axes, np.concatenate(list(curves.values())))
    averaged = f", mean of {smooth} steps" if smooth > 1 else ""
    axes.set(xlabel="step", ylabel=f"loss{f' ({unit})' if unit else ''}{averaged}", title=title)
    if goal is not None or any(curves):
        axes.legend(frameon=False)
    return _finished(page, axes)


def decision_boundary(
    model: Callable[[Any], Any],
    points: Any,
    labels: Any,
    *,
    threshold: float = 0.0,
    title: str = "Decision boundary",
    ax: Axes | None = None,
) -> Figure:
    """Which class a model gives to each place of the plane, and the points that it learned from.

    ``model`` takes inputs (places, 2) and returns outputs (places, classes), of which the largest counts, or one
    number for each place, class 1 above ``threshold`` (0 for logits, 0.5 for probabilities). ``points`` has shape
    (samples, 2) and ``labels`` (samples,), the classes from 0. Points that the model gets wrong have a ring.

    Raises ``ShapeError`` for points, labels or outputs of other shapes, ``ArgumentError`` for labels that are not
    classes, ``MissingExtraError`` without matplotlib.

    >>> points = [[0.0, 1.0], [1.0, 0.0]]
    >>> decision_boundary(lambda x: x[:, 0] - 0.5, points, [0, 1]).axes[0].get_title()
    'Decision boundary (2 of 2 points right)'
    """
    who = "decision_boundary"
    x, t = _plain(points), np.asarray(_plain(labels))
    if x.ndim != 2 or x.shape[1] != 2 or not len(x) or x.dtype.kind not in "fiu":
        raise ShapeError(f"{who}: points have shape (samples, 2), got {x.shape}; pass two numbers for each sample")
    if t.shape != x.shape[:1]:
        raise ShapeError(f"{who}: {len(x)} points need labels of shape ({len(x)},), got {t.shape}; pass class numbers")
    if t.dtype.kind not in "iub" or t.min() < 0 or t.max() >= len(TOP):
        raise ArgumentError(
            f"{who}: labels are whole class numbers from 0 to {len(TOP) - 1}, got {t.dtype} from {t.min()} to {t.max()}"
        )

    def classes(places: Array) -> Array:
        with no_grad():
            out = _plain(model(places))
        if out.shape in {(len(places),), (len(places), 1)}:
            return (out.reshape(-1) > threshold).astype(np.int64)
        if out.ndim != 2 or len(out) != len(places):
            raise ShapeError(
                f"{who}: for {len(places)} places the model returns shape ({len(places)}, classes) or "
                f"({len(places)},), got {out.shape}"
            )
        return np.asarray(out.argmax(axis=1))

    margin = 0.08 * (np.ptp(x, axis=0).max() or 1.0)
    (left, bottom), (right, top) = x.min(axis=0) - margin, x.max(axis=0) + margin
    across, up = np.linspace(left, right, 300), np.linspace(bottom, top, 300)
    grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    regions = classes(grid).reshape(len(up), len(across))
    wrong = classes(x.astype(np.float64)) != t

    page, axes = _axes(who, ax, (6.4, 5.2))
    from matplotlib.colors import ListedColormap

    n_classes = max(int(regions.max()), int(t.max())) + 1
    if n_classes > len(TOP):
        raise ShapeError(f"{who}: at most {len(TOP)} classes can be told apart, the model has {n_classes}")
    axes.pcolormesh(
        across,
        up,
        regions,
        cmap=ListedColormap(TOP[:n_classes]),
        vmin=0,
        vmax=n_classes - 1 or 1,
        alpha=0.22,
        rasterized=True,
        linewidth=0,
    )
    for k in range(n_classes - 1):
        axes.contour(across, up, regions > k, levels=[0.5], colors=INK, linewidths=1.0)
    for k in range(n_classes):
        own = x[t == k]
        axes.plot(
            *own.T,
            _MARKERS[k],
            color=TOP[k],
            markersize=4.5,
            markeredgecolor="white",
            markeredgewidth=0.5,
            label=f"class {k}",
        )
    axes.plot(
        *x[wrong].T, "o", color="none", markeredgecolor=INK, markersize=10, label="wrong" if wrong.any() else None
    )
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=9)
    axes.set(xlabel="$x_0$", ylabel="$x_1$", title=f"{title} ({len(x) - wrong.sum()} of {len(x)} points right)")
    axes.set_aspect("equal")
    return page


def gradient_sizes(
    sizes: Mapping[str, Sequence[float]] | Sequence[Mapping[str, float]],
    *,
    steps: Sequence[int] | None = None,
    quantity: str = "size of the gradient (Euclidean norm)",
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """How large gradients are, on a logarithmic axis: from layer to layer, or of each layer over training.

    A mapping {network: sizes, first layer first} gives a line for each network over its layers. A list of mappings
    {layer: size}, one for each of ``steps`` (0, 1, … if left out), gives a line for each layer, dark for the first.
    An exact 0 has no logarithm: it is left out, and the legend says how many were.

    Raises ``ArgumentError`` for no sizes or negative ones, ``MissingExtraError`` without matplotlib.

    >>> gradient_sizes({"sigmoid": [1e-4, 1e-3, 1e-2], "relu": [1e-2, 1e-2, 1e-2]}).axes[0].get_xlabel()
    'layer, from the input to the output'
    """
    who = "gradient_sizes"
    over_layers = isinstance(sizes, Mapping)
    if over_layers:
        lines = {str(name): _series(who, f"sizes of {name!r}", series) for name, series in sizes.items()}  # type: ignore[union-attr]
    else:
        records: list[Any] = list(sizes)
        if not all(isinstance(record, Mapping) and record.keys() == records[0].keys() for record in records):
            raise ArgumentError(f"{who}: a history is a list of {{layer: size}}, each with the same layers; pass that")
        names = list(records[0]) if records else []
        lines = {str(name): _series(who, f"sizes of {name!r}", [r[name] for r in records]) for name in names}
    if not lines:
        raise ArgumentError(f"{who}: needs sizes, got none; pass {{network: sizes}} or a list of {{layer: size}}")
    if any((line < 0).any() for line in lines.values()):
        raise ArgumentError(f"{who}: a size is at least 0, got a negative one; pass norms or absolute values")
    if steps is not None and (over_layers or len(steps) != len(next(iter(lines.values())))):
        raise ArgumentError(f"{who}: steps go with a list of {{layer: size}}, one for each; leave them out otherwise")

    page, axes = _axes(who, ax, (7.2, 4.4))
    colours = itertools.cycle(TOP) if over_layers else iter(_in_order(len(lines)))
    for (name, line), colour, marker in zip(lines.items(), colours, itertools.cycle(_MARKERS), strict=False):
        x = np.arange(1, len(line) + 1) if over_layers else np.arange(len(line)) if steps is None else steps
        zeros = int((line == 0).sum())
        note = f" ({zeros} × 0 left out)" if zeros else ""
        shape: dict[str, Any] = {"marker": marker, "markersize": 5} if over_layers or len(line) == 1 else {}
        axes.plot(x, np.where(line > 0, line, np.nan), color=colour, linewidth=1.6, label=name + note, **shape)
    axes.set_yscale("log")
    heading = title or ("Gradients, layer by layer" if over_layers else "Gradients during training")
    axes.set(xlabel="layer, from the input to the output" if over_layers else "step", ylabel=quantity, title=heading)
    if over_layers:
        _whole_numbers(axes.xaxis)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return _finished(page, axes)


def spectrum(
    paths: GradientPaths | Mapping[int, tuple[int, float, float]],
    *,
    title: str = "Paths by length",
    ax: Axes | None = None,
) -> Figure:
    """How much of a gradient comes by paths of each length: a wide bar for what flows, a narrow one for what is left.

    ``paths`` is what ``gradient_paths`` returns, or its ``spectrum`` {length: (count, total, magnitude)}. All bars are
    shares of the magnitude of all paths. Where the paths of one length agree, both bars are equally high; where they
    cancel, the narrow one is short. The number of paths stands above.

    Raises ``ArgumentError`` for anything else, or where nothing flows; ``MissingExtraError`` without matplotlib.

    >>> import tinygrad_lite as tg
    >>> x = Value(3.0, name="x")
    >>> spectrum(tg.gradient_paths(x * x + x.exp().log(), x)).axes[0].get_xlabel()
    'length of the path (ops)'
    """
    groups = _spectrum("spectrum", paths)
    lengths = np.array(list(groups))
    counts = [group[0] for group in groups.values()]
    totals, magnitudes = np.array([group[1:] for group in groups.values()], dtype=np.float64).T
    everything = magnitudes.sum()
    if not 0 < everything < np.inf:
        raise ArgumentError(f"spectrum: needs a finite magnitude above 0 to take shares of, got {everything:g}")
    flows, left = magnitudes / everything, totals / everything

    page, axes = _axes("spectrum", ax, (7.6, 4.4))
    step = int(np.diff(lengths).min()) if len(lengths) > 1 else 1
    axes.bar(lengths, flows, 0.8 * step, color=_PALE, label="magnitude: all that flows")
    for sign, colour, hatch, label in (
        (1, POSITIVE_LINE, None, "total: what is left, positive"),
        (-1, NEGATIVE_LINE, "////", "total: what is left, negative"),
    ):
        own = left * sign > 0
        if own.any():
            axes.bar(
                lengths[own],
                left[own],
                0.4 * step,
                color=colour,
                hatch=hatch,
                edgecolor="white",
                linewidth=0,
                label=label,
            )
    upright = len(lengths) <= 8
    every = -(-len(lengths) // 40)  # numbers on more bars than these would overlap
    for length, count, height in list(zip(lengths, counts, flows, strict=True))[::every]:
        axes.annotate(
            _count(count),
            (length, height),
            (0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=8.5,
            rotation=0 if upright else 90,
            color=INK,
        )
    axes.axhline(0, color=INK, linewidth=0.8)
    low, high = min(left.min(), 0.0), flows.max()
    axes.set_ylim(1.12 * low, high + (high - low) * (0.12 if upright else 0.25))
    aside = max(step, 4 * step - (lengths[-1] - lengths[0]))  # a single bar does not fill the page
    axes.set_xlim(lengths[0] - aside, lengths[-1] + aside)
    axes.set_xticks(lengths[:: -(-len(lengths) // 14)])
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.3g} %")
    noun = "path" if sum(counts) == 1 else "paths"
    axes.set(
        xlabel="length of the path (ops)",
        ylabel="share of the magnitude",
        title=f"{title}: {_count(sum(counts))} {noun}",
    )
    axes.legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3, columnspacing=1.2)
    return _finished(page, axes)


def waterfall(
    paths: GradientPaths | Mapping[Any, float], top: int = 10, *, title: str | None = None, ax: Axes | None = None
) -> Figure:
    """How the largest contributions add up to a gradient: each bar starts where the one above it ends.

    ``paths`` is what ``gradient_paths`` returns, or contributions by name, as ``gp.by("module")`` and
    ``gp.by("sample")`` are. The ``top`` largest by size come first, then all others as one bar, and the total last, so
    that the bars add up to it exactly.

    Raises ``ArgumentError`` for a ``top`` below 1, for no contributions or infinite ones; ``MissingExtraError`` without
    matplotlib.

    >>> waterfall({"a": 3.0, "b": -2.0, "c": 0.25, "d": 0.25}, top=2).axes[0].get_title()
    'Where 1.5 comes from'
    """
    if isinstance(top, bool) or not isinstance(top, int | np.integer) or top < 1:
        raise ArgumentError(f"waterfall: top is a whole number of at least 1, got {top!r}; 10 shows the ten largest")
    labels, parts, total, others = _parts("waterfall", paths, int(top))
    if not np.isfinite([*parts, total]).all():
        raise ArgumentError("waterfall: contributions are finite numbers, got inf or nan; look for what overflows")
    if others:
        labels.append(others)
        parts.append(total - math.fsum(parts))
    ends = np.concatenate([[0.0], np.cumsum(parts)])
    ends[-1] = total  # the same up to rounding

    page, axes = _axes("waterfall", ax, (8.2, 1.3 + 0.3 * (len(parts) + 1)))
    rows = np.arange(len(parts) + 1)
    for row, (start, end) in enumerate(itertools.pairwise(ends)):
        colour, hatch = (NEGATIVE_LINE, "////") if end < start else (POSITIVE_LINE, None)
        axes.barh(row, end - start, left=start, height=0.7, color=colour, hatch=hatch, edgecolor="white", linewidth=0)
        axes.plot([end, end], [row - 0.35, row + 1.35], color=FAINT, linewidth=0.8)
    axes.barh(rows[-1], total, height=0.7, color=CONSTANT)
    axes.axvline(0, color=INK, linewidth=0.8)
    for row, part in enumerate([*parts, total]):
        axes.text(
            1.02,
            row,
            f"{part:+.4g}",
            transform=axes.get_yaxis_transform(),
            va="center",
            ha="left",
            fontsize=9,
            fontweight="bold" if row == rows[-1] else "normal",
            color=INK,
        )
    axes.set_yticks(rows, [*labels, "total"], fontsize=9)
    axes.set_ylim(len(parts) + 0.6, -0.6)
    low, high = ends.min(), ends.max()  # 0 is among them
    pad = 0.03 * ((high - low) or 1.0)
    axes.set_xlim(low - (pad if low < 0 else 0), high + pad)
    axes.tick_params(axis="y", length=0)
    axes.ticklabel_format(axis="x", scilimits=(-3, 4), useMathText=True)  # 0.000012 six times does not fit
    axes.set(xlabel="contribution, added up", title=title or f"Where {number(total)} comes from")
    return _finished(page, axes)


def heat_map(
    statistic: Any,
    shape: tuple[int, int] | None = None,
    *,
    unit: str = "",
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """One number for each weight or pixel, as a map in which white is 0.

    ``statistic`` has two axes, rows and columns, or is brought to ``shape``; a Value or counts are welcome. With both
    signs in it the scale is symmetric, green above 0 and purple below; else it runs from 0 to the largest, in blue.
    What is not finite is grey and crossed. ``unit`` stands beside the scale. The title, where none is given, is the
    Value's name and the range.

    Raises ``ShapeError`` without two axes, ``ArgumentError`` for what are no numbers; ``MissingExtraError`` without
    matplotlib.

    >>> heat_map([1.0, -2.0, 0.5, 0.0], (2, 2), unit="logits").axes[1].get_ylabel()
    'logits'
    """
    try:
        data = _plain(statistic).astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ArgumentError(
            f"heat_map: needs numbers that a float can hold, got {error}; try their logarithms"
        ) from None
    if shape is not None and (len(shape) != 2 or math.prod(shape) != data.size):
        raise ShapeError(f"heat_map: {data.size} numbers do not fill shape {shape}; pass (rows, columns) that they do")
    data = data if shape is None else data.reshape(shape)
    if data.ndim != 2 or not data.size:
        raise ShapeError(f"heat_map: needs rows and columns, got shape {data.shape}; pass shape=(rows, columns)")
    finite = data[np.isfinite(data)]
    largest = float(np.abs(finite).max()) if finite.size else 0.0
    if not finite.size or finite.min() >= 0:
        colours, low, high = "Blues", 0.0, largest or 1.0
    elif finite.max() <= 0:
        colours, low, high = "Purples_r", -largest, 0.0
    else:
        colours, low, high = "PRGn", -largest, largest

    if title is None:
        name = statistic.name if isinstance(statistic, Value) else None
        title = (
            f"{f'{name}: ' if name else ''}{number(finite.min())} … {number(finite.max())}"
            if finite.size
            else "no number"
        )
    rows, columns = data.shape
    scale = min(4.6 / columns, 4.2 / rows)
    page, axes = _axes("heat_map", ax, (max(scale * columns, 1.6) + 1.6, max(scale * rows, 1.2) + 0.8))
    axes.set_facecolor("#bdbdbd")  # behind what is not finite
    image = axes.imshow(
        np.ma.masked_invalid(data), cmap=colours, vmin=low, vmax=high, interpolation="nearest", aspect="equal"
    )
    for row, column in np.argwhere(~np.isfinite(data)):
        axes.text(column, row, "×", ha="center", va="center", color=INK, fontsize=9)
    axes.set(xlabel="column", ylabel="row", title=title)
    for axis in (axes.xaxis, axes.yaxis):
        _whole_numbers(axis)
    bar = page.colorbar(image, ax=axes, shrink=0.9)
    bar.set_label(unit)
    bar.outline.set_visible(False)
    return page


# ---- what they share -------------------------------------------------------------------------------------------------


def _page(who: str, size: tuple[float, float]) -> Plot:
    try:
        from .output.figures import Plot
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        raise MissingExtraError(
            f'plots.{who}: needs matplotlib, which is not installed; pip install "tinygrad_lite[plots]"'
        ) from None
    page = Plot(figsize=size, layout="constrained")
    page.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)  # inches; titles of two lines touch the edge at less
    return page


def _axes(who: str, ax: Axes | None, size: tuple[float, float] = (6.4, 4.2)) -> tuple[Figure, Axes]:
    """Where to draw: the axes given and their figure, or a page of its own with one pair."""
    if ax is None:
        page = _page(who, size)
        return page, page.add_subplot()
    owner = getattr(ax, "figure", None)
    if owner is None or not hasattr(ax, "plot"):
        raise ArgumentError(
            f"{who}: ax is one matplotlib Axes, got {type(ax).__name__}; for example figure.subplots() makes one"
        )
    return owner.figure, ax  # of a subfigure the figure; a figure is its own


def _finished(page: Figure, axes: Axes) -> Figure:
    axes.spines[["top", "right"]].set_visible(False)
    return page


def _plain(data: Any) -> npt.NDArray[Any]:
    return np.asarray(data.data if isinstance(data, Value) else data)


def _series(who: str, what: str, data: Any) -> Array:
    """Numbers in a row, at least one."""
    try:
        series = np.asarray(data, dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(f"{who}: {what} are numbers, got {type(data).__name__}; pass a list of floats") from None
    if series.ndim != 1 or not series.size:
        raise ArgumentError(f"{who}: {what} are numbers in a row, at least one, got shape {series.shape}")
    return series


def _whole_numbers(axis: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True))


def _logarithmic_if_wide(axes: Axes, data: Array) -> None:
    finite = data[np.isfinite(data)]
    if finite.size and finite.min() > 0 and finite.max() >= 10 * finite.min():
        axes.set_yscale("log")


def _in_order(n: int) -> list[Any]:
    """Colours from dark to light for things in an order; the lightest third of viridis is too pale for a line."""
    from matplotlib import colormaps

    return [colormaps["viridis"](0.85 * k / max(n - 1, 1)) for k in range(n)]


def _count(count: int) -> str:
    """A number of paths: to the last digit below ten million, else in powers of ten, of any size.

    >>> _count(1820), _count(16 ** 40)
    ('1,820', '1.5e48')
    """
    if count < 10_000_000:
        return f"{count:,}"
    digits = str(count)
    exponent = len(digits) - 1
    mantissa = round(int(digits[:3]) / 100, 1)
    return f"{mantissa:.1f}e{exponent}" if mantissa < 10 else f"1.0e{exponent + 1}"


def _spectrum(who: str, paths: Any) -> dict[int, tuple[int, float, float]]:
    """{length: (count, total, magnitude)} of one element, in the order of lengths, without the empty groups."""
    if isinstance(paths, GradientPaths):
        paths = paths.spectrum
    way_out = "pass gradient_paths(…) or its .spectrum, {length: (count, total, magnitude)}"
    if not isinstance(paths, Mapping):
        raise ArgumentError(f"{who}: needs the paths to one element, got {type(paths).__name__}; {way_out}")
    try:
        groups = {}
        for length, (count, total, magnitude) in sorted(paths.items()):
            if int(count):
                groups[int(length)] = (int(count), float(total), float(magnitude))
    except (TypeError, ValueError):
        raise ArgumentError(f"{who}: a group of paths is three numbers, of one element of a sweep; {way_out}") from None
    if not groups:
        raise ArgumentError(f"{who}: needs at least one path, got none; {way_out}")
    return groups


def _parts(who: str, paths: Any, top: int) -> tuple[list[str], list[float], float, str]:
    """Labels and contributions of the largest parts, the total, and the name of the rest, empty if there is none."""
    if isinstance(paths, GradientPaths):
        best = paths.top(top)
        more = paths.count - len(best)
        others = f"the other {_count(more)} path{'' if more == 1 else 's'}" if more else ""
        return [_short(_route(path)) for path in best], [path.contribution for path in best], paths.total, others
    if not isinstance(paths, Mapping) or not paths:
        raise ArgumentError(
            f"{who}: needs gradient_paths(…) or contributions by name, got "
            f"{'none' if isinstance(paths, Mapping) else type(paths).__name__}; for example gp.by('module')"
        )
    try:
        named = [(_name(name), float(part)) for name, part in paths.items()]
    except (TypeError, ValueError):
        raise ArgumentError(f"{who}: a contribution is one number; pass {{name: number}}") from None
    ordered = sorted(named, key=lambda item: -abs(item[1]))
    more = len(ordered) - top
    total = math.fsum(part for _, part in named)
    others = f"the other {more:,}" if more > 0 else ""
    return [_short(name) for name, _ in ordered[:top]], [part for _, part in ordered[:top]], total, others


def _name(name: Any) -> str:
    return " ← ".join(map(str, name)) or "none" if isinstance(name, tuple) else str(name)


def _route(path: Path) -> str:
    """What a path goes through, without its two ends, which all paths of a gradient share.

    A neuron is named once, by its output ``n20``, and not by its weighted sum ``z20`` as well.
    """
    names: list[str] = []
    for node, index in zip(path.nodes[1:-1], path.indices[1:-1], strict=True):
        name = element_name(node, index)
        if name is not None and not (names and name[0] == "z" and names[-1] == f"n{name[1:]}"):
            names.append(name)
    return " ← ".join(names) or "directly"


def _short(text: str) -> str:
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[: half - 1]}…{text[-half:]}"
