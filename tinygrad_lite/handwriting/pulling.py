"""A cotangent carried back through each kind of linear map, as NumPy source.

What a map does is written here once, for people to read; that each does what the map itself does is a test.
"""

from __future__ import annotations

import ast
import math
from typing import Any

import numpy as np

from ..dense import Dense
from ..errors import ArgumentError
from ..maps import Broadcast, Contract, Gather, Map, Reshape, Scale, Scan, SumOver, Transpose, shape_of
from .noted import Notebook, Noted, noted
from .source import called

__all__ = ["full", "pulled"]

Shape = tuple[int, ...]
_SLOW = 10_000  # multiplications: from here on einsum is told to look for matrix products


def full(g: Noted, shape: Shape) -> Noted:
    """``g`` repeated to its whole shape, which it need not have while it is only multiplied."""
    if g.shape == shape:
        return g
    if isinstance(g.expr, ast.Constant):
        value = called("np.ones", shape) if g.expr.value == 1.0 else called("np.full", shape, g.expr)
        return noted(np.ones(shape), g.book.bind(value, "ones"), g.book)
    return np.broadcast_to(g, shape)  # type: ignore[return-value]


def pulled(linear_map: Map, g: Noted, shape: Shape) -> tuple[Noted, Shape]:
    """``g``, the cotangent of an output of this shape, carried to the input; and the input's shape."""
    match linear_map:
        case Scale(weight=weight):
            return g * weight, shape
        case SumOver(in_shape=in_shape, weight=weight):
            g = _kept(g, shape, linear_map)
            return (g if type(weight) is float and weight == 1.0 else g * weight), in_shape
        case Broadcast(in_shape=in_shape):
            elements = int(np.prod(in_shape))
            if isinstance(g.expr, ast.Constant) and elements:
                one: Any = g.expr.value
                return noted(1.0, ast.Constant(float(one * (math.prod(shape) // elements))), g.book), in_shape
            return _summed(full(g, shape), in_shape), in_shape
        case Reshape(in_shape=in_shape):
            g = full(g, shape)
            return (g.reshape(in_shape) if in_shape else g.sum() if shape else g), in_shape
        case Transpose():
            found = np.transpose(full(g, shape), linear_map._inverse()) if shape else g
            return found, found.shape  # type: ignore[return-value]
        case Contract():
            sizes = dict(zip(linear_map.out_labels, shape, strict=True))
            sizes |= dict(zip(linear_map.operand_labels, shape_of(linear_map.operand), strict=True))
            in_shape = tuple(sizes[label] for label in linear_map.in_labels)
            return _contracted(linear_map, full(g, shape), sizes), in_shape
        case Gather(in_shape=in_shape):
            return _scattered(linear_map, full(g, shape)), in_shape
        case Dense(in_shape=in_shape):
            return linear_map.back(full(g, shape)), in_shape
        case Scan(axis=axis):
            g = full(g, shape)
            return np.flip(np.cumsum(np.flip(g, axis), axis=axis), axis), shape  # type: ignore[return-value]
    raise ArgumentError(
        f"manual_backprop: there is no way to write the map {type(linear_map).__name__} as NumPy source; "
        "leave out what was computed by it, or put other ops in its place"
    )


def _kept(g: Noted, shape: Shape, linear_map: SumOver) -> Noted:
    """``g`` with an axis of length 1 where one was summed away, so that it broadcasts."""
    if linear_map.keepdims or not g.ndim:
        return g
    ndim = len(linear_map.in_shape)
    key = tuple(None if k - ndim in linear_map.axes else slice(None) for k in range(ndim))
    while key and key[0] is None:  # broadcasting adds those by itself
        key = key[1:]
    return full(g, shape)[key] if None in key else g


def _summed(g: Noted, in_shape: Shape) -> Any:
    """Summed over the axes along which something of ``in_shape`` was repeated."""
    lead = g.ndim - len(in_shape)
    inner = tuple(k - len(in_shape) for k, n in enumerate(in_shape) if g.shape[lead + k] != n)
    if not in_shape:
        return g.sum() if g.ndim else g
    if not inner:
        return np.sum(g, axis=tuple(range(lead)) if lead > 1 else 0) if lead else g
    if not lead:
        return np.sum(g, axis=inner, keepdims=True)
    return np.sum(g, axis=(*range(lead), *inner)).reshape(in_shape)


def _contracted(contract: Contract, g: Noted, sizes: dict[str, int]) -> Any:
    """A matrix product where it is one, ``g @ w.T``; else ``np.einsum``."""
    out, inner, own, w = contract.out_labels, contract.in_labels, contract.operand_labels, contract.operand
    summed = [label for label in out if label not in inner]
    if not summed and (out == inner == own or (not out and inner == own) or (not own and inner == out)):
        return g * w
    if len(out) == len(own) == 1 and inner == out + own:
        return np.outer(g, w)
    if len(out) == len(own) == 1 and inner == own + out:
        return np.outer(w, g)
    if len(summed) == 1 and summed[0] in own:
        (k,) = summed
        batch = "".join(label for label in out if label in own and label in inner)
        a, b, c = (word.removeprefix(batch) for word in (out, own, inner))
        stacked = all(word.startswith(batch) for word in (out, own, inner)) and len(a) == len(b) == len(c) == 2
        if stacked or (not batch and max(len(a), len(b)) <= 2 and len(c) == len(a) + len(b) - 2):
            return _matrix_product(g, w, a, b, c, k, bool(batch))
    words = f"{out},{own}->{inner}"
    if math.prod(sizes.values()) > _SLOW:
        return np.einsum(words, g, w, optimize=True)
    return np.einsum(words, g, w)


def _matrix_product(g: Any, w: Any, out: str, own: str, inner: str, k: str, stacked: bool) -> Any:
    """``inner[a, b] = Σ_k out * own``, turned so that ``@`` does it."""
    left, left_labels, right, right_labels = g, out, w, own
    if (len(inner) == 2 and inner[0] in own) or (len(inner) == 1 and inner in own and own[-1] == k):
        left, left_labels, right, right_labels = w, own, g, out

    def turned(x: Any) -> Any:
        return np.swapaxes(x, -1, -2) if stacked else x.T

    if len(left_labels) == 2 and left_labels[1] != k:
        left = turned(left)
    if len(right_labels) == 2 and right_labels[0] != k:
        right = turned(right)
    return left @ right


def _scattered(gather: Gather, g: Noted) -> Any:
    """Each element of ``g`` to where its value came from, added up."""
    book, in_shape = g.book, gather.in_shape
    if gather.back is not None:

        def zeros() -> Noted:
            return noted(np.zeros(in_shape), book.bind(called("np.zeros", in_shape), "zeros"), book)

        return gather.back(g, zeros)
    size = math.prod(in_shape)
    filled = bool((gather.source < 0).any())  # with constants: they read 0
    numbers = _positions(size, int(filled), book)
    places = gather.move(numbers.reshape(in_shape) if in_shape else numbers.sum())
    back = np.bincount(_flat(places), weights=_flat(g), minlength=size + filled)
    back = back[1:] if filled else back
    return back.reshape(in_shape) if in_shape else back.sum()


def _positions(size: int, start: int, book: Notebook) -> Noted:
    value = called("np.arange", 1, size + 1) if start else called("np.arange", size)
    return noted(np.arange(start, size + start), book.bind(value, "places"), book)


def _flat(x: Any) -> Any:
    return x if x.ndim == 1 else np.ravel(x)
