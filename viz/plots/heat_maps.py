"""Heat maps: one number for each weight, pixel or time step, as a colour."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_lite.core.value import Value
from tinygrad_lite.errors import ArgumentError, ShapeError

from ..dot.colours import INK
from ..records.numbers import number
from .page import Array, new_axes, numbers_of, use_whole_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["heat_map"]


def heat_map(
    statistic: Any,
    shape: tuple[int, int] | None = None,
    *,
    unit: str = "",
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """One number for each weight or pixel, as a map in which white is 0.

    ``statistic`` has two axes, rows and columns, or is reshaped to ``shape``; a Value or counts are welcome. Where both
    signs occur the scale is symmetric, green above 0 and purple below; otherwise it runs from 0 to the largest size,
    blue for positive numbers and purple for negative. A number that is not finite is grey and crossed. ``unit`` stands
    beside the scale. The title, where none is given, is the Value's name and the range.

    Raises ``ShapeError`` without two axes, ``ArgumentError`` for something that is no number; ``MissingExtraError``
    without matplotlib.

    >>> heat_map([1.0, -2.0, 0.5, 0.0], (2, 2), unit="logits").axes[1].get_ylabel()
    'logits'
    """
    data = _checked(statistic, shape)
    finite = data[np.isfinite(data)]
    if title is None:
        name = statistic.name if isinstance(statistic, Value) else None
        extent = f"{number(finite.min())} … {number(finite.max())}" if finite.size else ""
        title = f"{f'{name}: ' if name else ''}{extent}" if extent else "no number"
    rows, columns = data.shape
    scale = min(4.6 / columns, 4.2 / rows)
    page, axes = new_axes("heat_map", ax, (max(scale * columns, 1.6) + 1.6, max(scale * rows, 1.2) + 0.8))
    axes.set_facecolor("#bdbdbd")  # shows where a number is not finite
    colours, low, high = _scale(finite)
    image = axes.imshow(
        np.ma.masked_invalid(data), cmap=colours, vmin=low, vmax=high, interpolation="nearest", aspect="equal"
    )
    for row, column in np.argwhere(~np.isfinite(data)):
        axes.text(column, row, "×", ha="center", va="center", color=INK, fontsize=9)
    axes.set(xlabel="column", ylabel="row", title=title)
    for axis in (axes.xaxis, axes.yaxis):
        use_whole_numbers(axis)
    bar = page.colorbar(image, ax=axes, shrink=0.9)
    bar.set_label(unit)
    bar.outline.set_visible(False)
    return page


def _checked(statistic: Any, shape: tuple[int, int] | None) -> Array:
    try:
        data = numbers_of(statistic).astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ArgumentError(
            f"heat_map: needs numbers that a float can hold, got {error}; try their logarithms"
        ) from None
    if shape is not None and (len(shape) != 2 or math.prod(shape) != data.size):
        raise ShapeError(f"heat_map: {data.size} numbers do not fill shape {shape}; pass (rows, columns) that they do")
    data = data if shape is None else data.reshape(shape)
    if data.ndim != 2 or not data.size:
        raise ShapeError(f"heat_map: needs rows and columns, got shape {data.shape}; pass shape=(rows, columns)")
    return data


def _scale(finite: Array) -> tuple[str, float, float]:
    """The colour map, and the numbers at its two ends."""
    largest = float(np.abs(finite).max()) if finite.size else 0.0
    if not finite.size or finite.min() >= 0:
        return "Blues", 0.0, largest or 1.0
    return ("Purples_r", -largest, 0.0) if finite.max() <= 0 else ("PRGn", -largest, largest)
