"""Plots over the steps of training, and from layer to layer: losses and sizes of gradients."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_lite.errors import ArgumentError
from tinygrad_lite.training import History

from ..dot.colours import CONSTANT, TOP
from .page import MARKERS, Array, finished, new_axes, series, use_whole_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["gradient_sizes", "training_curve"]


def training_curve(
    losses: History | Sequence[float] | Mapping[str, History | Sequence[float]],
    *,
    goal: float | None = None,
    smooth: int = 1,
    unit: str = "",
    title: str = "Training",
    ax: Axes | None = None,
) -> Figure:
    """The loss over the steps of training: one curve, or several by name.

    ``losses`` are numbers, one before each step, or the ``History`` that ``training.train`` returns. ``goal`` is drawn
    as a dashed line. ``smooth`` is a number of steps to average over; the losses themselves, which jump from batch to
    batch, are pale behind the mean. ``unit`` is the loss's (nats, of a cross-entropy). The axis is logarithmic where
    losses span a factor of 10.

    Raises ``ArgumentError`` for no losses, or for something that is no number; ``MissingExtraError`` without
    matplotlib.

    >>> training_curve([1.0, 0.5, 0.2, 0.05], goal=0.1).axes[0].get_xlabel()
    'step'
    """
    curves = {
        name: series("training_curve", f"losses {name!r}" if name else "losses", getattr(given, "costs", given))
        for name, given in (losses if isinstance(losses, Mapping) else {"": losses}).items()
    }
    if not curves:
        raise ArgumentError("training_curve: needs at least one curve, got an empty mapping; pass {name: losses}")
    if isinstance(smooth, bool) or not isinstance(smooth, int) or smooth < 1:
        raise ArgumentError(f"training_curve: smooth is a number of steps of at least 1, got {smooth!r}; 1 draws all")
    page, axes = new_axes("training_curve", ax)
    for (name, curve), colour in zip(curves.items(), itertools.cycle(TOP), strict=False):
        _draw_curve(axes, name, curve, colour, min(smooth, len(curve)))
    if goal is not None:
        axes.axhline(goal, color=CONSTANT, linewidth=1, linestyle="--", label=f"goal {goal:g}")
    _use_logarithms_if_wide(axes, np.concatenate(list(curves.values())))
    averaged = f", mean of {smooth} steps" if smooth > 1 else ""
    axes.set(xlabel="step", ylabel=f"loss{f' ({unit})' if unit else ''}{averaged}", title=title)
    if goal is not None or any(curves):
        axes.legend(frameon=False)
    return finished(page, axes)


def _draw_curve(axes: Axes, name: str, curve: Array, colour: str, window: int) -> None:
    if window == 1:
        marker = "o" if len(curve) == 1 else None  # a line through one point is invisible
        axes.plot(curve, color=colour, linewidth=1.5, marker=marker, label=name)
        return
    axes.plot(curve, color=colour, linewidth=0.7, alpha=0.3)
    means = np.convolve(curve, np.full(window, 1 / window), mode="valid")
    axes.plot((window - 1) / 2 + np.arange(len(means)), means, color=colour, linewidth=1.8, label=name)


def _use_logarithms_if_wide(axes: Axes, data: Array) -> None:
    finite = data[np.isfinite(data)]
    if finite.size and finite.min() > 0 and finite.max() >= 10 * finite.min():
        axes.set_yscale("log")


def gradient_sizes(
    sizes: Mapping[str, Sequence[float]] | Sequence[Mapping[str, float]],
    *,
    steps: Sequence[int] | None = None,
    quantity: str = "size of the gradient (Euclidean norm)",
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """The sizes of gradients on a logarithmic axis: from layer to layer, or of each layer over training.

    A mapping {network: sizes, first layer first} gives a line for each network over its layers. A list of mappings
    {layer: size}, one for each of ``steps`` (0, 1, … if left out), gives a line for each layer, dark for the first.
    An exact 0 has no logarithm: it is left out, and the legend gives the number of zeros.

    Raises ``ArgumentError`` for no sizes or negative ones, ``MissingExtraError`` without matplotlib.

    >>> gradient_sizes({"sigmoid": [1e-4, 1e-3, 1e-2], "relu": [1e-2, 1e-2, 1e-2]}).axes[0].get_xlabel()
    'layer, from the input to the output'
    """
    over_layers = isinstance(sizes, Mapping)
    lines = _lines_of(sizes)
    if steps is not None and (over_layers or len(steps) != len(next(iter(lines.values())))):
        raise ArgumentError(
            "gradient_sizes: steps go with a list of {layer: size}, one for each; leave them out otherwise"
        )
    page, axes = new_axes("gradient_sizes", ax, (7.2, 4.4))
    colours = itertools.cycle(TOP) if over_layers else iter(_dark_to_light(len(lines)))
    for (name, line), colour, marker in zip(lines.items(), colours, itertools.cycle(MARKERS), strict=False):
        x = np.arange(1, len(line) + 1) if over_layers else np.arange(len(line)) if steps is None else steps
        zeros = int((line == 0).sum())
        note = f" ({zeros} × 0 left out)" if zeros else ""
        shape: dict[str, Any] = {"marker": marker, "markersize": 5} if over_layers or len(line) == 1 else {}
        axes.plot(x, np.where(line > 0, line, np.nan), color=colour, linewidth=1.6, label=name + note, **shape)
    axes.set_yscale("log")
    heading = title or ("Gradients, layer by layer" if over_layers else "Gradients during training")
    axes.set(xlabel="layer, from the input to the output" if over_layers else "step", ylabel=quantity, title=heading)
    if over_layers:
        use_whole_numbers(axes.xaxis)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return finished(page, axes)


def _lines_of(sizes: Mapping[str, Sequence[float]] | Sequence[Mapping[str, float]]) -> dict[str, Array]:
    who = "gradient_sizes"
    if isinstance(sizes, Mapping):
        lines = {str(name): series(who, f"sizes of {name!r}", line) for name, line in sizes.items()}
    else:
        records: list[Any] = list(sizes)
        if not all(isinstance(record, Mapping) and record.keys() == records[0].keys() for record in records):
            raise ArgumentError(f"{who}: a history is a list of {{layer: size}}, each with the same layers; pass that")
        names = list(records[0]) if records else []
        lines = {str(name): series(who, f"sizes of {name!r}", [r[name] for r in records]) for name in names}
    if not lines:
        raise ArgumentError(f"{who}: needs sizes, got none; pass {{network: sizes}} or a list of {{layer: size}}")
    if any((line < 0).any() for line in lines.values()):
        raise ArgumentError(f"{who}: a size is at least 0, got a negative one; pass norms or absolute values")
    return lines


def _dark_to_light(n: int) -> list[Any]:
    """Colours of n ordered things; the lightest third of viridis is too pale for a line."""
    from matplotlib import colormaps

    return [colormaps["viridis"](0.85 * k / max(n - 1, 1)) for k in range(n)]
