"""The plane as a classifier divides it, with the points that it learned from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tinygrad_lite.core.recording import no_grad
from tinygrad_lite.errors import ArgumentError, ShapeError

from ..dot.colours import INK, TOP
from .page import MARKERS, Array, new_axes, numbers_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["decision_boundary"]

Classes = npt.NDArray[np.int64]


def decision_boundary(
    model: Callable[[Any], Any],
    points: Any,
    labels: Any,
    *,
    threshold: float = 0.0,
    title: str = "Decision boundary",
    ax: Axes | None = None,
) -> Figure:
    """The class that a model gives to each place of the plane, and the points that it learned from.

    ``model`` takes inputs (places, 2) and returns outputs (places, classes), the largest of which counts, or one number
    for each place, which means class 1 above ``threshold`` (0 for logits, 0.5 for probabilities). ``points`` has shape
    (samples, 2) and ``labels`` (samples,), the classes from 0. Points that the model gets wrong have a ring.

    Raises ``ShapeError`` for points, labels or outputs of other shapes, ``ArgumentError`` for labels that are not
    classes, ``MissingExtraError`` without matplotlib.

    >>> points = [[0.0, 1.0], [1.0, 0.0]]
    >>> decision_boundary(lambda x: x[:, 0] - 0.5, points, [0, 1]).axes[0].get_title()
    'Decision boundary (2 of 2 points right)'
    """
    x, t = _checked(points, labels)
    margin = 0.08 * (np.ptp(x, axis=0).max() or 1.0)
    (left, bottom), (right, top) = x.min(axis=0) - margin, x.max(axis=0) + margin
    across, up = np.linspace(left, right, 300), np.linspace(bottom, top, 300)
    grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    regions = _classes(model, grid, threshold).reshape(len(up), len(across))
    wrong = _classes(model, x.astype(np.float64), threshold) != t

    page, axes = new_axes("decision_boundary", ax, (6.4, 5.2))
    _draw_regions(axes, across, up, regions, max(int(regions.max()), int(t.max())) + 1)
    _draw_points(axes, x, t, wrong, max(int(regions.max()), int(t.max())) + 1)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=9)
    axes.set(xlabel="$x_0$", ylabel="$x_1$", title=f"{title} ({len(x) - wrong.sum()} of {len(x)} points right)")
    axes.set_aspect("equal")
    return page


def _checked(points: Any, labels: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """The points (samples, 2) and their classes (samples,)."""
    who = "decision_boundary"
    x, t = numbers_of(points), numbers_of(labels)
    if x.ndim != 2 or x.shape[1] != 2 or not len(x) or x.dtype.kind not in "fiu":
        raise ShapeError(f"{who}: points have shape (samples, 2), got {x.shape}; pass two numbers for each sample")
    if t.shape != x.shape[:1]:
        raise ShapeError(f"{who}: {len(x)} points need labels of shape ({len(x)},), got {t.shape}; pass class numbers")
    if t.dtype.kind not in "iub" or t.min() < 0 or t.max() >= len(TOP):
        raise ArgumentError(
            f"{who}: labels are whole class numbers from 0 to {len(TOP) - 1}, got {t.dtype} from {t.min()} to {t.max()}"
        )
    return x, t


def _classes(model: Callable[[Any], Any], places: Array, threshold: float) -> Classes:
    """The class that the model gives to each of ``places`` (n, 2): shape (n,)."""
    with no_grad():
        out = numbers_of(model(places))
    if out.shape in {(len(places),), (len(places), 1)}:
        return (out.reshape(-1) > threshold).astype(np.int64)
    if out.ndim != 2 or len(out) != len(places):
        raise ShapeError(
            f"decision_boundary: for {len(places)} places the model returns shape ({len(places)}, classes) or "
            f"({len(places)},), got {out.shape}"
        )
    return np.asarray(out.argmax(axis=1))


def _draw_regions(axes: Axes, across: Array, up: Array, regions: Classes, n_classes: int) -> None:
    from matplotlib.colors import ListedColormap

    if n_classes > len(TOP):
        raise ShapeError(f"decision_boundary: at most {len(TOP)} classes can be told apart, the model has {n_classes}")
    looks: dict[str, Any] = {"alpha": 0.22, "rasterized": True, "linewidth": 0}
    colours = ListedColormap(TOP[:n_classes])
    axes.pcolormesh(across, up, regions, cmap=colours, vmin=0, vmax=n_classes - 1 or 1, **looks)
    for k in range(n_classes - 1):
        axes.contour(across, up, regions > k, levels=[0.5], colors=INK, linewidths=1.0)


def _draw_points(axes: Axes, x: npt.NDArray[Any], t: npt.NDArray[Any], wrong: npt.NDArray[Any], n_classes: int) -> None:
    looks: dict[str, Any] = {"markersize": 4.5, "markeredgecolor": "white", "markeredgewidth": 0.5}
    for k in range(n_classes):
        axes.plot(*x[t == k].T, MARKERS[k], color=TOP[k], label=f"class {k}", **looks)
    label = "wrong" if wrong.any() else None
    axes.plot(*x[wrong].T, "o", color="none", markeredgecolor=INK, markersize=10, label=label)
