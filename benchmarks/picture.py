"""The ratios of a run as a picture: a row for each piece of work, a mark for each side that it is compared with.

matplotlib, the extra ``plots``, draws it. Farther left is faster; 1 is the other side's own time. A bar is the spread,
a short line the limit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import viz

from .table import Result, ratio

__all__ = ["PANELS", "drawn"]

Panel = tuple[str, Sequence[tuple[str, Mapping[str, str]]]]

_STEPS = (("tiny", "[2,10,2]×4"), ("small", "[64,128,64,10]×64"), ("large", "[784,512,256,10]×256"))

PANELS: Sequence[Panel] = (
    (
        "a training step of arrays, recorded each time",
        [
            (
                label,
                {
                    "hand-written NumPy": f"step-{size}",
                    "PyTorch eager": f"torch-{size}",
                    "JAX jit": f"jax-{size}",
                    "HIPS autograd": f"autograd-{size}",
                },
            )
            for size, label in _STEPS
        ],
    ),
    (
        "the same compiled",
        [
            (
                label,
                {
                    "hand-written NumPy": f"compiled-{size}",
                    "PyTorch eager": f"compiled-torch-{size}",
                    "JAX jit": f"compiled-jax-{size}",
                },
            )
            for size, label in _STEPS
        ],
    ),
    (
        "networks of scalars",
        [
            ("100 points, recorded", {"micrograd": "scalars"}),
            ("100 points, compiled", {"micrograd": "compiled-scalars"}),
            ("half adder, compiled", {"a function per parameter": "compiled-adder"}),
        ],
    ),
)
"""Title, and for each line of a panel its label and the names of its rows, by the side they are compared with."""

_LOOKS = {
    "hand-written NumPy": ("o", "#0072B2"),
    "PyTorch eager": ("s", "#D55E00"),
    "JAX jit": ("^", "#009E73"),
    "HIPS autograd": ("D", "#CC79A7"),
    "micrograd": ("v", "#E69F00"),
    "a function per parameter": ("P", "#56B4E9"),
}
"""Marks and M. Okabe and K. Ito's colours, told apart with any colour vision."""


def drawn(results: Sequence[Result], where: Mapping[str, Any]) -> Any:
    """A figure of the measured rows of ``PANELS``; ``None`` if there are none.

    ``where`` is the machine, as ``table.machine`` returns it. Raises ``MissingExtraError`` without matplotlib.
    """
    known = {result.row.name: result for result in results if result.measurement is not None}
    panels: list[tuple[str, list[tuple[str, dict[str, Result]]]]] = []
    for title, rows_of in PANELS:
        measured = [
            (label, {side: known[row] for side, row in rows.items() if row in known}) for label, rows in rows_of
        ]
        there = [(label, found) for label, found in measured if found]
        if there:
            panels.append((title, there))
    if not panels:
        return None
    heights = [0.7 + len(lines) for _, lines in panels]
    page = viz.plots.figure(8.2, 1.5 + 0.62 * sum(heights))
    axes = page.subplots(len(panels), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    shown: dict[str, Any] = {}
    for ax, (title, lines) in zip(axes, panels, strict=True):
        for k, (_, found) in enumerate(lines):
            _draw_line(ax, len(lines) - 1 - k, found, shown)
        ax.set_yticks(range(len(lines)), [label for label, _ in reversed(lines)])
        ax.set_ylim(-0.6, len(lines) - 0.4)
        ax.set_title(title, loc="left", fontsize=10)
        ax.set_xscale("log")
        low, high = ax.get_xlim()
        ax.set_xlim(min(low, 0.9), max(high * 1.6, 1.3))
        ax.axvline(1.0, color="#444444", lw=1)
        ax.grid(axis="x", color="#e4e4e4", lw=0.8)
        ax.set_axisbelow(True)
        for side in ("top", "right", "left"):
            ax.spines[side].set_visible(False)
        ax.tick_params(axis="y", length=0)
        decades = math.log10(ax.get_xlim()[1] / ax.get_xlim()[0])
        ticks = [10.0**k * step for k in range(-5, 2) for step in ((1, 2, 5) if decades < 2.5 else (1,))]
        ax.set_xticks([x for x in ticks if ax.get_xlim()[0] <= x <= ax.get_xlim()[1]])
        ax.minorticks_off()
        ax.xaxis.set_major_formatter(lambda x, _: f"1/{1 / x:g}" if x < 1 else f"{x:g}")
    axes[-1].set_xlabel("time here ÷ time there (farther left is faster; │ is the limit to hold)")
    page.legend(shown.values(), shown.keys(), loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    system = f"Python {where['python']}, NumPy {where['numpy']}, {where['cpus']} CPUs, float64"
    axes[0].set_title(system, loc="right", fontsize=7, color="#666666")
    return page


def _draw_line(ax: Any, y: float, found: Mapping[str, Result], shown: dict[str, Any]) -> None:
    for j, (side, result) in enumerate(found.items()):
        at = result.measurement
        assert at is not None
        offset = y + 0.21 * ((len(found) - 1) / 2 - j)
        marker, colour = _LOOKS[side]
        ax.plot([at.low, at.high], [offset, offset], color=colour, lw=2, alpha=0.6, solid_capstyle="butt")
        (mark,) = ax.plot([at.value], [offset], marker, color=colour, ms=6, ls="")
        ax.annotate(
            ratio(at.value),
            (max(at.value, at.high), offset),
            (7, -3),
            textcoords="offset points",
            fontsize=7,
            color=colour,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.85},
        )
        if result.row.limit is not None:
            ax.plot([result.row.limit] * 2, [offset - 0.12, offset + 0.12], color=colour, lw=1.5)
        shown.setdefault(side, mark)
