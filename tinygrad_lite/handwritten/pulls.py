"""The semiring with which the maps' own ``pull`` writes the backward pass: ordinary sums and products, to be read."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.maps import Gather
from ..core.shapes import Shape, shape_of
from ..programs.calls import Program
from ..programs.tracing import Traced, note
from ..semirings.base import Linear

__all__ = ["Written"]

_SLOW = 10_000  # multiplications: from here on einsum is told to look for matrix products


class Written(Linear):
    """The ordinary sum and product of ``Traced`` arrays of one program, in the NumPy calls that people write."""

    def __init__(self, program: Program) -> None:
        super().__init__("written", lambda weight: weight)
        self.program = program

    def broadcast(self, a: Any, shape: Shape) -> Any:
        return note(self.program, "fill", np.broadcast_to, (a, shape), {})

    def zeros(self, lead: Shape, shape: Shape, like: Any) -> Any:
        return note(self.program, "fresh", np.zeros, (lead + shape,), {})

    def scatter(self, flat: Any, gather: Gather) -> Any:
        """``np.bincount`` of the places, which the gather's own move makes of their numbers."""
        size, start = math.prod(gather.in_shape), int((gather.source < 0).any())  # a constant reads 0
        numbers = (1, size + 1) if start else (size,)
        places = gather.move(note(self.program, "fresh", np.arange, numbers, {}).reshape(gather.in_shape))
        made = flat.slot.call
        g = Traced(self.program, made.args[0]) if made is not None and made.function is np.reshape else flat
        places, weights = (x if x.ndim == 1 else np.ravel(x) for x in (places, g))
        found = np.bincount(places, weights=weights, minlength=size + start)
        return found[1:] if start else found

    def einsum(self, words: str, g: Any, w: Any) -> Any:
        """A matrix product where the sum is one, ``g @ w.T``; else ``np.einsum``."""
        labels, inner = words.split("->")
        out, own = labels.split(",")
        summed = [label for label in out if label not in inner]
        if not summed and (out == inner == own or (not out and inner == own) or (not own and inner == out)):
            return g * w
        if len(out) == len(own) == 1 and inner in (out + own, own + out):
            return np.outer(g, w) if inner == out + own else np.outer(w, g)
        if len(summed) == 1 and summed[0] in own:
            (k,) = summed
            batch = "".join(label for label in out if label in own and label in inner)
            a, b, c = (word.removeprefix(batch) for word in (out, own, inner))
            stacked = all(word.startswith(batch) for word in (out, own, inner)) and len(a) == len(b) == len(c) == 2
            if stacked or (not batch and max(len(a), len(b)) <= 2 and len(c) == len(a) + len(b) - 2):
                return _matrix_product(g, w, a, b, c, k, bool(batch))
        sizes = dict(zip(out, shape_of(g), strict=True)) | dict(zip(own, shape_of(w), strict=True))
        if math.prod(sizes.values()) > _SLOW:
            return np.einsum(words, g, w, optimize=True)
        return np.einsum(words, g, w)


def _matrix_product(g: Any, w: Any, out: str, own: str, inner: str, k: str, stacked: bool) -> Any:
    """``inner[a, b] = Σ_k out * own``, transposed so that ``@`` computes it."""
    left, left_labels, right, right_labels = g, out, w, own
    if (len(inner) == 2 and inner[0] in own) or (len(inner) == 1 and inner in own and own[-1] == k):
        left, left_labels, right, right_labels = w, own, g, out

    def turned(x: Any) -> Any:
        return np.swapaxes(x, -1, -2) if stacked else x.T

    if len(left_labels) == 2 and left_labels[1] != k:
        left = turned(left)
    if len(right_labels) == 2 and right_labels[0] != k:
        right = turned(right)
    return np.matmul(left, right)
