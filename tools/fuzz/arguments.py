"""What a structured function is given, by the names of its parameters.

A rule takes the drawing and the data of the first operand, and returns an argument as source. Arguments that a function
refuses are drawn again, so a rule need not know what goes together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .drawing import Drawing
from .programs import literal

__all__ = ["ALWAYS", "GIVEN", "axis_of", "number", "sections"]

Rule = Callable[[Drawing, Any], str]


def axis_of(d: Drawing, x: Any) -> int:
    """One axis, counted from either end."""
    return int(d.rng.integers(-np.ndim(x), np.ndim(x))) if np.ndim(x) else 0


def _axes(d: Drawing, x: Any) -> str:
    """None, one axis or several."""
    several = tuple(d.some(list(range(np.ndim(x)))))
    return repr(d.one([None, axis_of(d, x), axis_of(d, x), several or None]))


def _shape(d: Drawing, x: Any) -> str:
    """Another shape of as many elements."""
    n = int(np.size(x))
    shapes: list[Any] = [(n,), (1, n), (n, 1), -1, *((k, n // k) for k in range(2, n) if n % k == 0)]
    return repr(d.one([*shapes, (), (1, 1)] if n == 1 else shapes))


def _wider(d: Drawing, x: Any) -> str:
    """A shape that x stretches to."""
    shape = tuple(2 if n == 1 and d.chance(0.5) else n for n in np.shape(x))
    return repr(d.one([shape, (2, *shape), (1, *shape)]))


def _key(d: Drawing, x: Any) -> str:
    """Anything to index with."""
    if not np.ndim(x):
        return d.one(["()", "..."]) if d.chance(0.5) else "None"
    n = np.shape(x)[0]
    rows = d.rng.integers(-n, max(n, 1), 3).tolist() if n else []
    return str(d.one(
        [
            repr(d.below(max(n, 1))), "slice(1, None)", "slice(None, None, -1)", "slice(0, 0)", "...", "None",
            repr(rows), "(..., 0)", "(slice(None), None)", "(..., slice(None, None, 2))",
            literal(d.rng.random(n) > 0.4), f"({rows}, ..., 0)",
        ]
    ))  # fmt: skip


def _whole(*choices: Any) -> Rule:
    return lambda d, x: repr(d.one(choices))


def sections(d: Drawing, x: Any) -> str:
    """A number of pieces, or where to cut."""
    return repr(d.one([1, 2, [1], [1, 2]]))


def number(d: Drawing, x: Any) -> str:
    """A float."""
    return repr(round(float(d.rng.uniform(-2.0, 2.0)), 2))


def _mask(d: Drawing, x: Any) -> str:
    return literal(d.rng.random(np.shape(x)) > 0.3) if np.ndim(x) else "True"


def _widths(d: Drawing, x: Any) -> str:
    return repr(d.one([1, (1, 0), [(d.below(2), d.below(3)) for _ in np.shape(x)] or 0]))


def _ordered(d: Drawing, x: Any) -> str:
    """A permutation of the axes."""
    return ", ".join(map(repr, d.rng.permutation(np.ndim(x)).tolist()))


def _labels(d: Drawing, x: Any) -> str:
    shape = np.shape(x)
    return literal(d.rng.integers(0, max(shape[-1], 1), shape[:-1])) if len(shape) > 1 else "0"


def _indices(d: Drawing, x: Any) -> str:
    return literal(d.rng.integers(0, max(min(np.shape(x), default=1), 1), np.shape(x)))


ALWAYS = {"full_matrices", "axes"}
"""Arguments that are given though they may be left out."""

GIVEN: dict[str, Rule] = {
    "axis": _axes,
    **dict.fromkeys(["axis1", "axis2", "source", "destination"], lambda d, x: repr(axis_of(d, x))),
    **dict.fromkeys(["softmax.axis", "log_softmax.axis", "stack.axis", "cumsum.axis", "cumprod.axis", "sort.axis",
                     "diff.axis", "take.axis", "repeat.axis", "expand_dims.axis", "rollaxis.axis",
                     "split.axis", "array_split.axis", "concatenate.axis", "append.axis", "trapezoid.axis",
                     "nancumsum.axis"],
                    lambda d, x: repr(axis_of(d, x))),
    "start": lambda d, x: repr(d.below(max(np.ndim(x), 1))),
    "keepdims": _whole(True, False),
    "ddof": _whole(0, 1),
    "initial": number,
    "where": _mask,
    "shape": _shape,
    "broadcast_to.shape": _wider,
    "transpose.axes": _ordered,
    "axes": lambda d, x: f"({_ordered(d, x)},)" if np.ndim(x) else "None",
    "tensordot.axes": _whole(0, 1, 2, (0, 0), (-1, 0), ([0], [1])),
    "rot90.axes": _whole((0, 1), (1, 0)),
    "matrix_norm.axis": _whole((-2, -1), (0, 1)),
    "key": _key,
    "indices": lambda d, x: repr(d.one([0, [0, 0], [-1, 0]])),
    "sections": sections,
    "pad_width": _widths,
    "mode": _whole("full", "same", "valid"),
    "pad.mode": _whole("constant", "edge", "reflect", "symmetric", "wrap"),
    "qr.mode": _whole("reduced", "r"),
    "constant_values": number,
    "shift": _whole(1, -1, 2),
    "repeats": _whole(2, 1, 3),
    "reps": _whole(2, (2, 1), 1),
    "k": _whole(0, 1, -1),
    "offset": _whole(0, 1, -1),
    "n": _whole(1, 2),
    "matrix_power.n": _whole(2, 3, -1, 0, 1),
    "kth": _whole(0, 1),
    "q": _whole(0.3, 0.7, [0.2, 0.9]),
    "percentile.q": _whole(30.0, [20.0, 90.0]),
    "dtype": lambda d, x: f"np.{d.one(d.dtypes).__name__}",
    "nan": number,
    "window_shape": _whole(1, 2, (2, 2)),
    "sliding_window_view.axis": _whole(None, 0, -1),
    "strides": _whole(1, 2),
    "num": _whole(1, 3, 4),
    "endpoint": _whole(True, False),
    "edge_order": _whole(1, 2),
    "spacing": _whole(0.5, 2.0),
    "dx": _whole(0.5, 2.0),
    "ord": lambda d, x: d.one(["2", "1", "np.inf", "3"]),
    "matrix_norm.ord": _whole("fro", 1, 2, "nuc"),
    "upper": _whole(True, False),
    "UPLO": _whole("L", "U"),
    "full_matrices": _whole(False),
    "approximate": _whole(True, False),
    "divisor": _whole(1.0, 2.0),
    "norm": _whole(None, "ortho", "forward"),
    "compress.condition": lambda d, x: literal(d.rng.random(np.shape(x)[:1]) > 0.4) if np.ndim(x) else "[True]",
    **dict.fromkeys(["discont", "period"], _whole(3.0, 4.0)),
    **dict.fromkeys(["rowvar", "bias", "increasing", "sparse"], _whole(True, False)),
    "linear.bias": lambda d, x: d.fitted((2,)),
    "obj": _whole(0, 1, [0], [1, 0]),
    "new_shape": _whole((2, 3), 4, (1,)),
    "base": _whole(2.0, 3.0),
    "geomspace.stop": lambda d, x: str(d.one([d.within(d.fitted(np.shape(x)), 0.5, 2.5), "2.5"])),
    "N": _whole(2, 3),
    "cond.p": _whole(None, 2, -2),
    "labels": _labels,
    "linear.weight": lambda d, x: d.fitted((np.shape(x)[-1] if np.ndim(x) else 1, 2)),
    "solve.b": lambda d, x: d.fitted(d.one([np.shape(x)[:1], (*np.shape(x)[:1], 2)])),
    "cross.b": lambda d, x: d.fitted(np.shape(x)),
    "half_squared_error.t": lambda d, x: d.fitted(np.shape(x)),
    "append.values": lambda d, x: d.fitted(np.shape(x)),
    "interp.xp": lambda d, x: "np.array([-1.0, -0.31, 0.27, 1.0])",
    "interp.fp": lambda d, x: d.fitted((4,)),
    "diff.prepend": lambda d, x: d.fitted(np.shape(x)),
    "diff.append": lambda d, x: d.fitted(np.shape(x)),
    "take_along_axis.indices": _indices,
}  # fmt: skip
"""An argument by the name of its parameter, or of the function and the parameter where a name means several things."""
