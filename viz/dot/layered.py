"""The positions in the picture of a layered network: columns from left to right, a name on every line.

The layout is fixed, and no renderer changes it: a network looks the same, whichever weight is chosen. All lengths are
in points, x to the right and y upwards; a column is centred on y = 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from .metrics import text_width

__all__ = ["LABEL_HEIGHT", "Layout", "Slot", "lay_out"]


Array = npt.NDArray[np.float64]

LABEL_HEIGHT = 12.0
LABEL_FONT = 9.5

_BELOW = 33.0  # room under a neuron for the arrow of its bias and the bias's name
_WIDE_PITCH = 120.0
_TALL = 480.0  # the height of a column of few neurons
_TALLEST = 900.0
_FAN = 0.22  # a column of names can stand this far along its lines, from the side with fewer neurons
_GAP, _WIDEST_GAP = 170.0, 600.0
_SLOPE = 1.1  # the steepest line: names on steeper lines would cover their neighbours
_COST_GAP = 130.0

Slot = int | None
"""A neuron by its number, or ``None`` for the mark of neurons that are left out."""
Line = tuple[int, int, int]
"""A connection: the number of the column on its left, and the neurons on its left and right."""


@dataclass(slots=True)
class Layout:
    """Positions (x, y): of neurons by column and number, of marks of omission by column, of names, of the cost."""

    neurons: dict[tuple[int, int], tuple[float, float]] = field(default_factory=dict)
    omissions: dict[int, tuple[float, float]] = field(default_factory=dict)
    names: dict[Line, tuple[float, float]] = field(default_factory=dict)
    cost: tuple[float, float] = (0.0, 0.0)
    bottom: float = 0.0


def lay_out(columns: Sequence[Sequence[Slot]], names: Mapping[Line, str], radius: float) -> Layout:
    """Place the neurons of each column, and the names on their lines; ``radius`` is a neuron's.

    >>> layout = lay_out([[0, 1], [0]], {(0, 0, 0): "w100", (0, 1, 0): "w110"}, radius=16)
    >>> layout.neurons[0, 0], layout.neurons[1, 0]
    ((0.0, 60.0), (170.0, 0.0))
    """
    layout = Layout()
    pitches = _pitches([len(column) for column in columns], radius)
    x = 0.0
    heights = [_heights(len(column), pitch) for column, pitch in zip(columns, pitches, strict=True)]
    for k, (column, ys) in enumerate(zip(columns, heights, strict=True)):
        if k:
            steepest = max(abs(heights[k - 1][0] - ys[-1]), abs(heights[k - 1][-1] - ys[0]))
            longest = max(
                (text_width(name, LABEL_FONT) for line, name in names.items() if line[0] == k - 1), default=0.0
            )
            x += max(_GAP, min(steepest / _SLOPE, _WIDEST_GAP), 1.9 * longest + 2 * radius + 30.0)
        for slot, y in zip(column, ys, strict=True):
            if slot is None:
                layout.omissions[k] = (x, float(y))
            else:
                layout.neurons[k, slot] = (x, float(y))
    layout.cost = (x + _COST_GAP, 0.0)
    layout.bottom = min(float(ys[-1]) for ys in heights) - radius - 30.0
    for k in range(len(columns) - 1):
        lines = [line for line in names if line[0] == k]
        if lines:
            _place_names(layout, lines, [text_width(names[line], LABEL_FONT) for line in lines], radius)
    return layout


def _pitches(sizes: Sequence[int], radius: float) -> list[float]:
    """The distance between neighbours in each column.

    The names between two columns stand where the lines fan out from one of them: each neuron of this column needs room
    for one name per neuron of the other. If neither column has this room, the one that then stays lower gets it.
    """
    least = 2 * radius + _BELOW
    pitches = [max(least, min(_WIDE_PITCH, _TALL / size)) for size in sizes]
    for left in range(len(sizes) - 1):
        pair = (left, left + 1), (left + 1, left)
        needed = {k: sizes[other] * (LABEL_HEIGHT + 1) / (1 - _FAN) for k, other in pair}
        if all(pitches[k] < room for k, room in needed.items()):
            k = min(needed, key=lambda k: (sizes[k] - 1) * needed[k])
            pitches[k] = max(pitches[k], min(needed[k], _TALLEST / max(1, sizes[k] - 1)))
    return pitches


def _heights(size: int, pitch: float) -> Array:
    """The heights of the neurons of a column, from the top down: shape (size,)."""
    return ((size - 1) / 2 - np.arange(size, dtype=float)) * pitch


def _place_names(layout: Layout, lines: list[Line], widths: list[float], radius: float) -> None:
    """Put each name on its line where it covers no other name, and as few other lines as possible.

    First all names between two columns stand at the same, best fraction of the way. Then each name that still covers
    another moves along its own line to its own best place.
    """
    starts = np.array([layout.neurons[k, i] for k, i, _ in lines])
    steps = np.array([layout.neurons[k + 1, j] for k, _, j in lines]) - starts
    boxes = np.array([[width + 4.0, LABEL_HEIGHT] for width in widths])
    length = float(steps[0, 0])
    margin = min(0.45, (radius + max(widths) / 2 + 10.0) / length)
    parts = np.linspace(margin, 1 - margin, 41)

    best = min(
        parts, key=lambda part: (round(_badness(starts, steps, boxes, np.full(len(lines), part)), 6), abs(part - 0.5))
    )
    chosen = np.full(len(lines), best)
    for _ in range(3):
        covering = np.flatnonzero(_overlaps(starts + chosen[:, None] * steps, boxes).any(axis=1))
        if not covering.size:
            break
        for k in covering:
            costs = [_own_badness(starts, steps, boxes, chosen, int(k), part) for part in parts]
            chosen[k] = parts[int(np.argmin(costs))]
    for line, (x, y) in zip(lines, starts + chosen[:, None] * steps, strict=True):
        layout.names[line] = (float(x), float(y))


def _overlaps(centres: Array, boxes: Array) -> npt.NDArray[np.bool_]:
    """Whether each pair of names overlaps: booleans of shape (names, names)."""
    apart = np.abs(centres[:, None, :] - centres[None, :, :])
    covered = np.all(apart < (boxes[:, None, :] + boxes[None, :, :]) / 2, axis=-1)
    np.fill_diagonal(covered, False)
    return np.asarray(covered)


def _crowded(starts: Array, steps: Array, centres: Array, boxes: Array) -> Array:
    """How close other lines pass to each name: the sum of 1 for a line through its middle, 0 for one far away."""
    slopes = steps[:, 1] / steps[:, 0]
    at_centre = starts[None, :, 1] + slopes[None, :] * (centres[:, None, 0] - starts[None, :, 0])
    reach = boxes[:, None, 1] / 2 + np.abs(slopes)[None, :] * boxes[:, None, 0] / 2
    distance = np.abs(at_centre - centres[:, None, 1]) / (reach + LABEL_HEIGHT)
    return np.asarray(np.sum(np.maximum(0.0, 1.0 - distance) ** 2, axis=1) - 1.0)  # 1 is for its own line


def _badness(starts: Array, steps: Array, boxes: Array, parts: Array) -> float:
    centres = starts + parts[:, None] * steps
    return float(100 * _overlaps(centres, boxes).sum() + _crowded(starts, steps, centres, boxes).sum())


def _own_badness(starts: Array, steps: Array, boxes: Array, parts: Array, k: int, part: float) -> float:
    centres = starts + parts[:, None] * steps
    centres[k] = starts[k] + part * steps[k]
    apart = np.abs(centres - centres[k])
    covered = np.all(apart < (boxes + boxes[k]) / 2, axis=-1)
    crowded = _crowded(starts, steps, centres[k : k + 1], boxes[k : k + 1])
    return float(100 * (covered.sum() - 1) + crowded[0] + abs(part - parts[k]))
