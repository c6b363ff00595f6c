"""The page of a plot, and the helpers that all plots share: axes, checked numbers, scales."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tinygrad_lite.core.value import Value
from tinygrad_lite.errors import ArgumentError, MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..output.figures import Plot

__all__ = ["MARKERS", "Array", "figure", "finished", "new_axes", "numbers_of", "series", "use_whole_numbers"]

Array = npt.NDArray[np.float64]

MARKERS = "os^DvPX*<>"


def figure(width: float = 6.4, height: float = 4.2) -> Plot:
    """An empty page of that size, in inches, for several plots: ``page.subplots(1, 2)`` returns its axes.

    Raises ``MissingExtraError`` without matplotlib, as all plots do.

    >>> import viz
    >>> page = viz.plots.figure(9, 4)
    >>> left, right = page.subplots(1, 2)
    >>> viz.plots.training_curve([4.0, 2.0, 1.0], ax=left) is page
    True
    """
    return _page("figure", (width, height))


def _page(who: str, size: tuple[float, float]) -> Plot:
    try:
        from ..output.figures import Plot
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        raise MissingExtraError(
            f'plots.{who}: needs matplotlib, which is not installed; pip install "tinygrad_lite[plots]"'
        ) from None
    page = Plot(figsize=size, layout="constrained")
    page.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)  # inches; titles of two lines touch the edge at less
    return page


def new_axes(who: str, ax: Axes | None, size: tuple[float, float] = (6.4, 4.2)) -> tuple[Figure, Axes]:
    """The figure and the axes to draw in: the axes given, or a new page (its size in inches) with one pair."""
    if ax is None:
        page = _page(who, size)
        return page, page.add_subplot()
    owner = getattr(ax, "figure", None)
    if owner is None or not hasattr(ax, "plot"):
        raise ArgumentError(
            f"{who}: ax is one matplotlib Axes, got {type(ax).__name__}; for example figure.subplots() makes one"
        )
    return owner.figure, ax  # for axes in a subfigure the figure around it


def finished(page: Figure, axes: Axes) -> Figure:
    """The page, after the spines on top and on the right are hidden."""
    axes.spines[["top", "right"]].set_visible(False)
    return page


def numbers_of(data: Any) -> npt.NDArray[Any]:
    """The array of a Value, or of anything that NumPy takes."""
    return np.asarray(data.data if isinstance(data, Value) else data)


def series(who: str, what: str, data: Any) -> Array:
    """At least one number, in a row; ``who`` and ``what`` name them in the error."""
    try:
        found = np.asarray(data, dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(f"{who}: {what} are numbers, got {type(data).__name__}; pass a list of floats") from None
    if found.ndim != 1 or not found.size:
        raise ArgumentError(f"{who}: {what} are numbers in a row, at least one, got shape {found.shape}")
    return found


def use_whole_numbers(axis: Any) -> None:
    """Put the ticks of an axis at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True))
