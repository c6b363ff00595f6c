"""Sliding windows, and the convolutions that are products with them."""

from __future__ import annotations

import builtins
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.maps import Chain, Gather
from ..core.shapes import Shape, ndim_of, shape_of
from ..core.value import Op, describe, record
from ..errors import ArgumentError, ShapeError
from .axes import one_axis
from .products import matmul
from .rearrangement import flip, pad
from .registry import function
from .reshaping import reshape

__all__ = ["Windows", "convolve", "correlate", "sliding_window_view"]


@dataclass(slots=True)
class Windows(Op):
    """Every window of ``sizes`` elements along ``axes``: its start on those axes, its elements on new last axes.

    Windows start ``strides`` apart, and their elements lie ``dilations`` apart.
    """

    sizes: Shape
    axes: Shape  # negative
    strides: Shape
    dilations: Shape
    name = "windows"
    sign = "windows"

    def forward(self, *data: Any) -> Any:
        spans = tuple((n - 1) * d + 1 for n, d in zip(self.sizes, self.dilations, strict=True))
        seen = np.lib.stride_tricks.sliding_window_view(data[0], spans, self.axes)
        return seen[self._starts(data[0].ndim) + tuple(slice(None, None, d) for d in self.dilations)]

    def _starts(self, ndim: int) -> tuple[slice, ...]:
        steps = dict(zip(self.axes, self.strides, strict=True))
        return tuple(slice(None, None, steps.get(k - ndim, 1)) for k in range(ndim))

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        shape, out_shape = shape_of(operands[0]), shape_of(out)
        ndim = len(shape)

        def back(g: Any, zeros: Callable[[], Any]) -> Any:
            whole = zeros()
            for place in itertools.product(*map(range, self.sizes)):  # each place in the window is one slice
                key = [slice(None)] * ndim
                for axis, at, step, apart in zip(self.axes, place, self.strides, self.dilations, strict=True):
                    count = out_shape[ndim + axis]
                    key[axis] = slice(at * apart, at * apart + (count - 1) * step + 1, step)
                whole[(..., *key)] += g[(..., *place)]
            return whole

        return (Gather(shape, out_shape, self.forward, back, repeats=True),)


@function(numpy=np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(
    x: Any, window_shape: int | Sequence[int], axis: Any = None, *, strides: Any = 1, dilations: Any = 1
) -> Any:
    """Every window of ``window_shape`` along ``axis`` (all axes by default), on new last axes.

    ``strides`` are the distances between the starts of windows, ``dilations`` those between the elements in one: a
    number, or one for each axis.

    Raises ``ArgumentError`` unless they are at least 1, one for each axis; ``ShapeError`` if a window does not fit.

    >>> sliding_window_view(np.array([1.0, 2.0, 3.0, 4.0]), 2).tolist()
    [[1.0, 2.0], [2.0, 3.0], [3.0, 4.0]]
    """
    sizes = _numbers(window_shape)
    axes = range(ndim_of(x)) if axis is None else _numbers(axis)
    places = tuple(one_axis(x, k, ndim_of(x), "sliding_window_view") for k in axes)
    if len(sizes) != len(places) or len(set(places)) < len(places):
        raise ArgumentError(
            f"sliding_window_view: window_shape {sizes} must have one length for each of the axes {tuple(axes)}, "
            f"all different, of {describe(x)}"
        )
    steps, apart = (_numbers(n) * (len(places) if len(_numbers(n)) == 1 else 1) for n in (strides, dilations))
    if len(steps) != len(places) or len(apart) != len(places) or builtins.min((1, *sizes, *steps, *apart)) < 1:
        raise ArgumentError(
            "sliding_window_view: sizes, strides and dilations are at least 1, one for all axes or one for each; got "
            f"{sizes}, {steps}, {apart}"
        )
    for k, n, d in zip(places, sizes, apart, strict=True):
        if (n - 1) * d + 1 > shape_of(x)[k]:
            raise ShapeError(
                f"sliding_window_view: a window of {(n - 1) * d + 1} does not fit along axis {k} of {describe(x)}"
            )
    return record(Windows(sizes, places, steps, apart), (x,))


def _numbers(n: int | Sequence[int]) -> Shape:
    return (int(n),) if isinstance(n, int | np.integer) else tuple(int(k) for k in n)


@function(numpy=np.correlate)
def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """``Σ a[n + k] · v[n]`` of two vectors, for each shift k.

    ``mode`` "valid" takes the shifts at which they overlap entirely, "same" as many as the longer vector has elements,
    "full" all at which they overlap.

    Raises ``ShapeError`` unless both are vectors with elements, ``ArgumentError`` for another mode.

    >>> correlate(np.array([1.0, 2.0, 3.0]), np.array([1.0, 10.0])).tolist()
    [21.0, 32.0]
    """
    return _correlated(a, v, mode, "correlate")


@function(numpy=np.convolve)
def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """``Σ a[n] · v[k - n]`` of two vectors: ``correlate`` with the second one reversed.

    Raises ``ShapeError`` unless both are vectors with elements, ``ArgumentError`` for another mode.

    >>> convolve(np.array([1.0, 2.0]), np.array([1.0, 10.0])).tolist()
    [1.0, 12.0, 20.0]
    """
    longer, shorter = (a, v) if _length(a, "convolve") >= _length(v, "convolve") else (v, a)
    return _correlated(longer, flip(_vector(shorter)), mode, "convolve")


def _vector(x: Any) -> Any:
    return x if ndim_of(x) else reshape(x, (1,))


def _length(x: Any, who: str) -> int:
    if ndim_of(x) > 1 or 0 in shape_of(x):
        raise ShapeError(f"{who}: needs vectors with one element at least, got {describe(x)}")
    return shape_of(x)[0] if ndim_of(x) else 1


def _correlated(a: Any, v: Any, mode: str, who: str) -> Any:
    n, m = _length(a, who), _length(v, who)
    if mode not in ("full", "same", "valid"):
        raise ArgumentError(f"{who}: mode is 'full', 'same' or 'valid', got {mode!r}")
    a, v = _vector(a), _vector(v)
    if m > n:  # the shifts run in the other direction
        return flip(_correlated(v, a, mode, who)) if mode != "same" else flip(_same(v, a, n // 2))
    if mode == "same":
        return _same(a, v, m // 2)
    around = m - 1 if mode == "full" else 0
    return matmul(sliding_window_view(pad(a, around) if around else a, m), v)


def _same(a: Any, v: Any, before: int) -> Any:
    m = shape_of(v)[0]
    return matmul(sliding_window_view(pad(a, (before, m - 1 - before)) if m > 1 else a, m), v)
