"""Convolution over any number of axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.value import Value, describe
from ..errors import ArgumentError, ShapeError
from ..ops import functions
from .dims import checked_width
from .initialisers import Initialiser, Seed, draw, generator, initialiser
from .layers import as_floats, as_value
from .modules import Module

__all__ = ["Conv"]


class Conv(Module):
    """At each place the weighted sums of a window of the input, plus a bias. ``kernel`` has the window's size per axis.

    ``x`` has shape (…, *places, n_in) and the result (…, *places, n_out): channels last, as the widths of ``Linear``.
    ``w`` has shape (*kernel, n_in, n_out), ``b`` (n_out,), or there is none with ``bias=False``. Windows are not
    reversed (signal processing calls that correlation), start ``stride`` apart, and their elements lie ``dilation``
    apart: one number for all axes or one for each. ``padding`` is the number of zeros around the input: one number, a
    number or (before, after) for each axis, or "same", which keeps the places (divided by the stride, rounded up).
    ``rng`` is a generator or a seed; ``init`` an initialiser or its name, for prod(kernel) · n_in inputs.

    Raises ``ArgumentError`` for widths and steps below 1, ``ShapeError`` for an ``x`` of another width or too few axes.

    >>> layer = Conv(1, 4, kernel=(3, 3), padding="same", rng=0)
    >>> layer(np.zeros((10, 8, 8, 1))).shape
    (10, 8, 8, 4)
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel: int | Sequence[int],
        *,
        stride: int | Sequence[int] = 1,
        padding: int | str | Sequence[Any] = 0,
        dilation: int | Sequence[int] = 1,
        bias: bool = True,
        rng: Seed = None,
        init: str | Initialiser | None = None,
        dtype: npt.DTypeLike = np.float64,
    ) -> None:
        self.n_in = checked_width(n_in, "Conv", "n_in")
        self.n_out = checked_width(n_out, "Conv", "n_out")
        sizes = [kernel] if isinstance(kernel, int | np.integer) else list(kernel)
        if not sizes:
            raise ArgumentError("Conv: kernel is the size of the window along each axis, got none; for example (3, 3)")
        self.kernel = tuple(checked_width(n, "Conv", "kernel") for n in sizes)
        self.stride = self._for_each(stride, "stride")
        self.dilation = self._for_each(dilation, "dilation")
        self.padding = self._padding(padding)
        inputs = math.prod(self.kernel) * self.n_in
        w, b = draw(initialiser(init), inputs, self.n_out, generator(rng))
        self.w = Value(w.reshape((*self.kernel, self.n_in, self.n_out)).astype(dtype), name="w")
        self.b = Value(b.astype(dtype), name="b") if bias else None

    def _for_each(self, steps: int | Sequence[int], what: str) -> tuple[int, ...]:
        each = [steps] * len(self.kernel) if isinstance(steps, int | np.integer) else list(steps)
        axes = len(self.kernel)
        if len(each) != axes:
            raise ArgumentError(f"Conv: {what} is one number, or one for each of {axes} axes; got {steps!r}")
        return tuple(checked_width(n, "Conv", what) for n in each)

    def _padding(self, padding: Any) -> str | list[tuple[int, int]]:
        if padding == "same":
            return "same"
        try:
            whole = np.asarray(padding)
            pairs = np.broadcast_to(whole[:, None] if whole.ndim == 1 else whole, (len(self.kernel), 2))
            if whole.dtype.kind in "iu" and pairs.min() >= 0:
                return [(int(before), int(after)) for before, after in pairs]
        except ValueError:
            pass
        raise ArgumentError(
            "Conv: padding is 'same', a number of at least 0, or for each axis a number or (before, after); "
            f"got {padding!r} for {len(self.kernel)} axes"
        )

    def __call__(self, x: Any) -> Value:
        """The results at all places, (…, *places, n_out), of inputs (…, *places, n_in)."""
        x = self._input(x)
        n = len(self.kernel)
        places = x.shape[-n - 1 : -1]
        around = self._same(places) if self.padding == "same" else self.padding
        if any(width != (0, 0) for width in around):
            x = functions.pad(x, [(0, 0)] * (x.ndim - n - 1) + [*around, (0, 0)])
        windows = functions.sliding_window_view(
            x, self.kernel, tuple(range(-n - 1, -1)), strides=self.stride, dilations=self.dilation
        )
        sums: Value = functions.tensordot(windows, self.w, axes=(range(-n - 1, 0), (n, *range(n))))
        return sums if self.b is None else sums + self.b

    def _same(self, places: Sequence[int]) -> list[tuple[int, int]]:
        widths = []
        for size, k, step, apart in zip(places, self.kernel, self.stride, self.dilation, strict=True):
            missing = max((-(-size // step) - 1) * step + (k - 1) * apart + 1 - size, 0)
            widths.append((missing // 2, missing - missing // 2))
        return widths

    def _input(self, x: Any) -> Value:
        value = as_floats(as_value(x), self.w.dtype)
        if value.ndim <= len(self.kernel) or value.shape[-1] != self.n_in:
            raise ShapeError(
                f"Conv: {self.w.name!r} needs inputs of {len(self.kernel)} axes of places and {self.n_in} channels on "
                f"the last axis, got {describe(value)}; move the channels last, or add an axis with x[..., None]"
            )
        return value

    def __repr__(self) -> str:
        parts = [f"{self.n_in}, {self.n_out}, kernel={self.kernel}"]
        parts += [f"stride={self.stride}"] if set(self.stride) != {1} else []
        parts += [f"padding={self.padding!r}"] if self.padding != [(0, 0)] * len(self.kernel) else []
        parts += [f"dilation={self.dilation}"] if set(self.dilation) != {1} else []
        return f"Conv({', '.join(parts)}{'' if self.b is not None else ', bias=False'})"
