"""Plots of the paths of a gradient: by length, and how the largest contributions add up."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_lite.errors import ArgumentError
from tinygrad_lite.paths.path import Path, element_name
from tinygrad_lite.paths.queries import GradientPaths

from ..dot.colours import CONSTANT, FAINT, INK, NEGATIVE_LINE, POSITIVE_LINE
from ..records.numbers import number
from .page import Array, finished, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["spectrum", "waterfall"]

_PALE = "#c9d6e2"
_LONGEST = 46  # characters of a path's label; a longer one loses its middle


# ---- by length -------------------------------------------------------------------------------------------------------


def spectrum(
    paths: GradientPaths | Mapping[int, tuple[int, float, float]],
    *,
    title: str = "Paths by length",
    ax: Axes | None = None,
) -> Figure:
    """The gradient by the length of its paths: a wide bar for the magnitude, a narrow one for the sum.

    ``paths`` is the result of ``gradient_paths``, or its ``spectrum`` {length: (count, total, magnitude)}. All bars are
    shares of the magnitude of all paths. Where the paths of one length agree, both bars are equally high; where they
    cancel, the narrow one is short. The number of paths stands above.

    Raises ``ArgumentError`` for anything else, or where nothing flows; ``MissingExtraError`` without matplotlib.

    >>> import tinygrad_lite as tg
    >>> x = tg.Value(3.0, name="x")
    >>> spectrum(tg.gradient_paths(x * x + x.exp().log(), x)).axes[0].get_xlabel()
    'length of the path (ops)'
    """
    groups = _groups(paths)
    lengths = np.array(list(groups))
    counts = [group[0] for group in groups.values()]
    totals, magnitudes = np.array([group[1:] for group in groups.values()], dtype=np.float64).T
    everything = magnitudes.sum()
    if not 0 < everything < np.inf:
        raise ArgumentError(f"spectrum: needs a finite magnitude above 0 to take shares of, got {everything:g}")
    page, axes = new_axes("spectrum", ax, (7.6, 4.4))
    _draw_bars(axes, lengths, counts, magnitudes / everything, totals / everything)
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.3g} %")
    noun = "path" if sum(counts) == 1 else "paths"
    title = f"{title}: {_count(sum(counts))} {noun}"
    axes.set(xlabel="length of the path (ops)", ylabel="share of the magnitude", title=title)
    axes.legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3, columnspacing=1.2)
    return finished(page, axes)


def _groups(paths: Any) -> dict[int, tuple[int, float, float]]:
    """{length: (count, total, magnitude)} of one element, in the order of lengths, without the empty groups."""
    if isinstance(paths, GradientPaths):
        paths = paths.spectrum
    way_out = "pass gradient_paths(…) or its .spectrum, {length: (count, total, magnitude)}"
    if not isinstance(paths, Mapping):
        raise ArgumentError(f"spectrum: needs the paths to one element, got {type(paths).__name__}; {way_out}")
    try:
        groups = {}
        for length, (count, total, magnitude) in sorted(paths.items()):
            if int(count):
                groups[int(length)] = (int(count), float(total), float(magnitude))
    except (TypeError, ValueError):
        raise ArgumentError(
            f"spectrum: a group of paths is three numbers, of one element of a sweep; {way_out}"
        ) from None
    if not groups:
        raise ArgumentError(f"spectrum: needs at least one path, got none; {way_out}")
    return groups


def _draw_bars(axes: Axes, lengths: Any, counts: list[int], flows: Array, left: Array) -> None:
    """The bars of both kinds, the numbers of paths above them, and room for both."""
    step = int(np.diff(lengths).min()) if len(lengths) > 1 else 1
    axes.bar(lengths, flows, 0.8 * step, color=_PALE, label="magnitude: all that flows")
    for sign, colour, hatch, label in (
        (1, POSITIVE_LINE, None, "total: what is left, positive"),
        (-1, NEGATIVE_LINE, "////", "total: what is left, negative"),
    ):
        own = left * sign > 0
        if own.any():
            looks: dict[str, Any] = {"color": colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0}
            axes.bar(lengths[own], left[own], 0.4 * step, label=label, **looks)
    upright = len(lengths) <= 8
    every = -(-len(lengths) // 40)  # numbers on more bars than these would overlap
    looks = {"ha": "center", "va": "bottom", "fontsize": 8.5, "rotation": 0 if upright else 90, "color": INK}
    for length, count, height in list(zip(lengths, counts, flows, strict=True))[::every]:
        axes.annotate(_count(count), (length, height), (0, 3), textcoords="offset points", **looks)
    axes.axhline(0, color=INK, linewidth=0.8)
    low, high = min(left.min(), 0.0), flows.max()
    axes.set_ylim(1.12 * low, high + (high - low) * (0.12 if upright else 0.25))
    aside = max(step, 4 * step - (lengths[-1] - lengths[0]))  # a single bar does not fill the page
    axes.set_xlim(lengths[0] - aside, lengths[-1] + aside)
    axes.set_xticks(lengths[:: -(-len(lengths) // 14)])


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


# ---- how contributions add up ----------------------------------------------------------------------------------------


def waterfall(
    paths: GradientPaths | Mapping[Any, float], top: int = 10, *, title: str | None = None, ax: Axes | None = None
) -> Figure:
    """How the largest contributions add up to a gradient: each bar starts where the one above it ends.

    ``paths`` is the result of ``gradient_paths``, or contributions by name, such as ``gp.by("module")`` and
    ``gp.by("sample")``. The ``top`` largest by size come first, then all others as one bar, and the total last, so that
    the bars add up to it exactly.

    Raises ``ArgumentError`` for a ``top`` below 1, for no contributions or infinite ones; ``MissingExtraError`` without
    matplotlib.

    >>> waterfall({"a": 3.0, "b": -2.0, "c": 0.25, "d": 0.25}, top=2).axes[0].get_title()
    'Where 1.5 comes from'
    """
    if isinstance(top, bool) or not isinstance(top, int | np.integer) or top < 1:
        raise ArgumentError(f"waterfall: top is a whole number of at least 1, got {top!r}; 10 shows the ten largest")
    labels, parts, total, others = _parts(paths, int(top))
    if not np.isfinite([*parts, total]).all():
        raise ArgumentError("waterfall: contributions are finite numbers, got inf or nan; look for what overflows")
    if others:
        labels.append(others)
        parts.append(total - math.fsum(parts))
    ends = np.concatenate([[0.0], np.cumsum(parts)])
    ends[-1] = total  # the same up to rounding

    page, axes = new_axes("waterfall", ax, (8.2, 1.3 + 0.3 * (len(parts) + 1)))
    _draw_steps(axes, ends)
    _write_amounts(axes, [*parts, total])
    axes.set_yticks(np.arange(len(labels) + 1), [*labels, "total"], fontsize=9)
    axes.set_ylim(len(parts) + 0.6, -0.6)
    low, high = ends.min(), ends.max()  # 0 is among them
    pad = 0.03 * ((high - low) or 1.0)
    axes.set_xlim(low - (pad if low < 0 else 0), high + pad)
    axes.tick_params(axis="y", length=0)
    axes.ticklabel_format(axis="x", scilimits=(-3, 4), useMathText=True)  # 0.000012 six times does not fit
    axes.set(xlabel="contribution, added up", title=title or f"Where {number(total)} comes from")
    return finished(page, axes)


def _draw_steps(axes: Axes, ends: Array) -> None:
    """A bar from each end to the next, joined by thin lines, and one for the total."""
    for row, (start, end) in enumerate(itertools.pairwise(ends)):
        colour, hatch = (NEGATIVE_LINE, "////") if end < start else (POSITIVE_LINE, None)
        axes.barh(row, end - start, left=start, height=0.7, color=colour, hatch=hatch, edgecolor="white", linewidth=0)
        axes.plot([end, end], [row - 0.35, row + 1.35], color=FAINT, linewidth=0.8)
    axes.barh(len(ends) - 1, ends[-1], height=0.7, color=CONSTANT)
    axes.axvline(0, color=INK, linewidth=0.8)


def _write_amounts(axes: Axes, amounts: list[float]) -> None:
    """Each contribution to the right of its bar, the total in bold."""
    looks: dict[str, Any] = {"va": "center", "ha": "left", "fontsize": 9, "color": INK}
    for row, amount in enumerate(amounts):
        weight = "bold" if row == len(amounts) - 1 else "normal"
        place = axes.get_yaxis_transform()
        axes.text(1.02, row, f"{amount:+.4g}", transform=place, fontweight=weight, **looks)


def _parts(paths: Any, top: int) -> tuple[list[str], list[float], float, str]:
    """Labels and contributions of the largest parts, the total, and the name of the rest, empty if there is none."""
    if isinstance(paths, GradientPaths):
        best = paths.top(top)
        more = paths.count - len(best)
        others = f"the other {_count(more)} path{'' if more == 1 else 's'}" if more else ""
        return [_short(_route(path)) for path in best], [path.contribution for path in best], paths.total, others
    if not isinstance(paths, Mapping) or not paths:
        raise ArgumentError(
            f"waterfall: needs gradient_paths(…) or contributions by name, got "
            f"{'none' if isinstance(paths, Mapping) else type(paths).__name__}; for example gp.by('module')"
        )
    try:
        named = [(_name(name), float(part)) for name, part in paths.items()]
    except (TypeError, ValueError):
        raise ArgumentError("waterfall: a contribution is one number; pass {name: number}") from None
    ordered = sorted(named, key=lambda item: -abs(item[1]))
    more = len(ordered) - top
    total = math.fsum(part for _, part in named)
    others = f"the other {more:,}" if more > 0 else ""
    return [_short(name) for name, _ in ordered[:top]], [part for _, part in ordered[:top]], total, others


def _name(name: Any) -> str:
    return " ← ".join(map(str, name)) or "none" if isinstance(name, tuple) else str(name)


def _route(path: Path) -> str:
    """The names along a path, without its two ends, which all paths of a gradient share.

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
