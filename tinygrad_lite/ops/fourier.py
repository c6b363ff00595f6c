"""Discrete Fourier transforms of real and complex arrays.

Values are real, so a spectrum is a ``ComplexPair``, its real and its imaginary part. One op and its transpose do the
work: the transform of real numbers. All others are compositions with slices, signs and sums.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.maps import Chain
from ..core.shapes import ndim_of, shape_of
from ..core.value import Op, describe, raw, record
from ..errors import ArgumentError
from . import elementary
from .axes import one_axis
from .casting import float_dtype, floating
from .complex_pairs import made, pair_of, parts_of
from .dense import Dense
from .joining import stack
from .rearrangement import pad
from .registry import function
from .reshaping import moveaxis
from .selection import getitem

__all__ = [
    "RealFourier", "fft", "fft2", "fftn", "hfft", "ifft", "ifft2", "ifftn", "ihfft", "irfft", "irfft2", "irfftn",
    "rfft", "rfft2", "rfftn",
]  # fmt: skip


@dataclass(slots=True)
class RealFourier(Op):
    """The transform of n real numbers along the last axis, or its transpose.

    The real and the imaginary parts of the n // 2 + 1 results are two rows. Entry (k, j) is cos(2πjk/n) in the first,
    -sin(2πjk/n) in the second.
    """

    n: int
    transposed: bool
    name = "rfft"
    sign = "ℱ"

    def forward(self, *data: Any) -> Any:
        x = floating(data[0])
        if np.iscomplexobj(x):  # a complex step: the parts below would drop it
            return self.forward(x.real) + 1j * self.forward(x.imag)
        if self.transposed:
            out = np.real(np.fft.fft(x[..., 0, :], self.n)) + np.imag(np.fft.fft(x[..., 1, :], self.n))
        else:
            spectrum = np.fft.rfft(x)
            out = np.stack([np.real(spectrum), np.imag(spectrum)], axis=-2)
        return out.astype(x.dtype, copy=False)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        shape, out_shape, other = shape_of(operands[0]), shape_of(out), RealFourier(self.n, not self.transposed)
        batch = len(shape) - (2 if self.transposed else 1)
        return (Dense(self.name, shape, out_shape, batch, lambda g: record(other, (g,))),)


def _length(x: Any, n: int | None, who: str) -> int:
    """The number of points along the last axis: ``n``, by default all."""
    size = shape_of(x)[-1] if n is None else int(n)
    if size < 1:
        raise ArgumentError(f"{who}: needs one point at least along an axis, got n={size} for {describe(x)}")
    return size


def _fitted(x: Any, n: int) -> Any:
    """The first ``n`` elements along the last axis, zeros behind them if there are fewer."""
    size = shape_of(x)[-1]
    if size > n:
        return getitem(x, (..., slice(n)))
    return x if size == n else pad(x, [(0, 0)] * (len(shape_of(x)) - 1) + [(0, n - size)])


def _scale(norm: str | None, n: int, inverse: bool, who: str) -> float:
    """The factor of a transform of ``n`` points in NumPy's ``norm``."""
    if norm not in (None, "backward", "ortho", "forward"):
        raise ArgumentError(f"{who}: norm is 'backward', 'ortho' or 'forward', got {norm!r}")
    if norm == "ortho":
        return 1.0 / math.sqrt(n)
    return 1.0 / n if inverse == (norm != "forward") else 1.0


def _exchanged(norm: str | None) -> str | None:
    """The ``norm`` that gives the transform the factor of its inverse."""
    return {None: "forward", "backward": "forward", "forward": "backward"}.get(norm, norm)


def _transformed(a: Any, n: int | None, axis: int, norm: str | None, inverse: bool, who: str) -> Any:
    """The spectrum of an array along one axis, or the array of a spectrum."""
    k = one_axis(a, axis, ndim_of(a), who)
    parts = [moveaxis(part, k, -1) for part in parts_of(a) if part is not None]
    size = _length(parts[0], n, who)
    scale = _scale(norm, size, inverse, who)
    (real, imag), *rest = (_whole(_fitted(part, size), size, inverse) for part in parts)
    if rest:
        real, imag = real - rest[0][1], imag + rest[0][0]  # i times its spectrum
    return made(*(moveaxis(part if scale == 1.0 else part * scale, -1, k) for part in (real, imag)))


def _half(x: Any) -> tuple[Any, Any]:
    """The first n // 2 + 1 numbers of the spectrum of n real ones, along the last axis: their parts."""
    rows = record(RealFourier(shape_of(x)[-1], False), (x,))
    return getitem(rows, (..., 0, slice(None))), getitem(rows, (..., 1, slice(None)))


def _whole(x: Any, n: int, inverse: bool) -> tuple[Any, Any]:
    """All n numbers of that spectrum: the others are the conjugates of the first ones, backwards.

    The inverse transform has the sign of the exponent changed: all of them are conjugates.
    """
    real, imag = _half(x)
    k = np.arange(n)
    signs = np.where(k > n // 2, -1.0, 1.0) * (-1.0 if inverse else 1.0)
    mirrored = (..., np.minimum(k, n - k))
    return getitem(real, mirrored), getitem(imag, mirrored) * signs.astype(raw(real).dtype)


def _in_turn(
    step: Callable[..., Any], a: Any, s: Sequence[int] | None, axes: Sequence[int] | None, norm: str | None, who: str
) -> Any:
    """A transform along several axes, the last one first."""
    for n, axis in reversed(_axes_and_lengths(a, s, axes, who)):
        a = step(a, n, axis, norm)
    return a


def _axes_and_lengths(
    a: Any, s: Sequence[int] | None, axes: Sequence[int] | None, who: str
) -> list[tuple[int | None, int]]:
    """For each axis the number of points, ``None`` for all that are there. Without ``axes`` the last ones."""
    ndim = ndim_of(a)
    if axes is None:
        axes = range(-(ndim if s is None else len(s)), 0)
    if s is not None and len(s) != len(axes):
        raise ArgumentError(f"{who}: s={tuple(s)!r} has another length than axes={tuple(axes)!r}")
    lengths = [None] * len(axes) if s is None else [None if n == -1 else n for n in s]
    return [(n, one_axis(a, axis, ndim, who)) for n, axis in zip(lengths, axes, strict=True)]


# ---- the functions of NumPy's


_PAIR = "a real array's spectrum is a `ComplexPair`"


@function(numpy=np.fft.fft, method=False, returns="Any", dense=True, note=_PAIR)
def fft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The discrete Fourier transform along ``axis`` of ``n`` points, of real numbers or a ``ComplexPair``: a pair.

    ``n`` points are the first ones, or all with zeros behind them. ``norm`` divides by n the inverse ("backward"), the
    transform ("forward"), or both by its root ("ortho").

    Raises ``ArgumentError`` for another ``norm``, or for no points.

    >>> fft(np.array([1.0, 0.0])).tolist()
    [(1+0j), (1+0j)]
    """
    return _transformed(a, n, axis, norm, False, "fft")


@function(numpy=np.fft.ifft, method=False, returns="Any", dense=True, note=_PAIR)
def ifft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The inverse of ``fft``.

    >>> ifft(np.array([1.0, 1.0])).real.tolist()
    [1.0, 0.0]
    """
    return _transformed(a, n, axis, norm, True, "ifft")


@function(numpy=np.fft.rfft, method=False, returns="Any", dense=True, note=_PAIR)
def rfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The first n // 2 + 1 numbers of the spectrum of real ones; the others are their conjugates. See ``fft``.

    >>> rfft(np.array([1.0, 0.0, 0.0])).shape
    (2,)
    """
    k = one_axis(a, axis, ndim_of(a), "rfft")
    x = moveaxis(a, k, -1)
    size = _length(x, n, "rfft")
    scale = _scale(norm, size, False, "rfft")
    return made(*(moveaxis(part if scale == 1.0 else part * scale, -1, k) for part in _half(_fitted(x, size))))


@function(numpy=np.fft.irfft, method=False, dense=True)
def irfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The inverse of ``rfft``: ``n`` real numbers, 2 (m - 1) by default, from the m numbers of half a spectrum.

    >>> irfft(rfft(np.array([1.0, 2.0, 3.0])), 3).round(12).tolist()
    [1.0, 2.0, 3.0]
    """
    k = one_axis(a, axis, ndim_of(a), "irfft")
    whole = pair_of(a)
    parts = [moveaxis(part, k, -1) for part in (whole.real, whole.imag)]
    size = _length(parts[0], 2 * (shape_of(parts[0])[-1] - 1) if n is None else n, "irfft")
    weights = np.full(size // 2 + 1, 2.0 * _scale(norm, size, True, "irfft"))  # each stands for its conjugate too
    weights[[0, -1] if size % 2 == 0 else [0]] *= 0.5  # but for these, which are real
    weights = weights.astype(float_dtype(whole.real))
    rows = stack([_fitted(x, size // 2 + 1) * weights for x in parts], axis=-2)
    return moveaxis(record(RealFourier(size, True), (rows,)), -1, k)


@function(numpy=np.fft.hfft, method=False, dense=True)
def hfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The spectrum, which is real, of ``n`` numbers of which ``a`` is the first half and its conjugates the second.

    >>> hfft(np.array([1.0, 0.0, 0.0])).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    real, imag = parts_of(a)
    conjugate = real if imag is None else made(real, elementary.neg(imag))
    return irfft(conjugate, n, axis, _exchanged(norm))


@function(numpy=np.fft.ihfft, method=False, returns="Any", dense=True, note=_PAIR)
def ihfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The inverse of ``hfft``.

    >>> ihfft(np.ones(4)).real.tolist()
    [1.0, 0.0, 0.0]
    """
    real, imag = parts_of(rfft(a, n, axis, _exchanged(norm)))
    return made(real, elementary.neg(imag))


@function(numpy=np.fft.fftn, method=False, returns="Any", dense=True, note=_PAIR)
def fftn(a: Any, s: Any = None, axes: Any = None, norm: str | None = None) -> Any:
    """``fft`` along each of several axes, by default all; ``s`` are the numbers of points.

    >>> fftn(np.ones((2, 2))).real.tolist()
    [[4.0, 0.0], [0.0, 0.0]]
    """
    return _in_turn(fft, a, s, axes, norm, "fftn")


@function(numpy=np.fft.ifftn, method=False, returns="Any", dense=True, note=_PAIR)
def ifftn(a: Any, s: Any = None, axes: Any = None, norm: str | None = None) -> Any:
    """The inverse of ``fftn``.

    >>> ifftn(np.ones((2, 2))).real.tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    return _in_turn(ifft, a, s, axes, norm, "ifftn")


@function(numpy=np.fft.rfftn, method=False, returns="Any", dense=True, note=_PAIR)
def rfftn(a: Any, s: Any = None, axes: Any = None, norm: str | None = None) -> Any:
    """``rfft`` along the last of several axes, ``fft`` along the others.

    >>> rfftn(np.ones((2, 2))).real.tolist()
    [[4.0, 0.0], [0.0, 0.0]]
    """
    *others, (n, axis) = _axes_and_lengths(a, s, axes, "rfftn")
    a = rfft(a, n, axis, norm)
    for n, axis in reversed(others):
        a = fft(a, n, axis, norm)
    return a


@function(numpy=np.fft.irfftn, method=False, dense=True)
def irfftn(a: Any, s: Any = None, axes: Any = None, norm: str | None = None) -> Any:
    """The inverse of ``rfftn``.

    >>> irfftn(rfftn(np.eye(2)), (2, 2)).round(12).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    *others, (n, axis) = _axes_and_lengths(a, s, axes, "irfftn")
    for points, k in others:
        a = ifft(a, points, k, norm)
    return irfft(a, n, axis, norm)


@function(numpy=np.fft.fft2, method=False, returns="Any", dense=True, note=_PAIR)
def fft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None) -> Any:
    """``fftn`` along two axes, by default the last.

    >>> fft2(np.ones((2, 2))).real.tolist()
    [[4.0, 0.0], [0.0, 0.0]]
    """
    return fftn(a, s, axes, norm)


@function(numpy=np.fft.ifft2, method=False, returns="Any", dense=True, note=_PAIR)
def ifft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None) -> Any:
    """The inverse of ``fft2``.

    >>> ifft2(np.ones((2, 2))).real.tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    return ifftn(a, s, axes, norm)


@function(numpy=np.fft.rfft2, method=False, returns="Any", dense=True, note=_PAIR)
def rfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None) -> Any:
    """``rfftn`` along two axes, by default the last.

    >>> rfft2(np.ones((2, 2))).real.tolist()
    [[4.0, 0.0], [0.0, 0.0]]
    """
    return rfftn(a, s, axes, norm)


@function(numpy=np.fft.irfft2, method=False, dense=True)
def irfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None) -> Any:
    """The inverse of ``rfft2``.

    >>> irfft2(rfft2(np.eye(2)), (2, 2)).round(12).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    return irfftn(a, s, axes, norm)
