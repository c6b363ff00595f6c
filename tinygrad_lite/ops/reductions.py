"""Reductions: ops that make one number of all elements along some axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.elementwise import Elementwise
from ..core.elementwise_derivatives import TABLE
from ..core.maps import Chain, Gather, SumOver
from ..core.shapes import Shape, ndim_of, shape_of
from ..core.value import Op, Value, describe, on_constants, plain, raw, record
from ..errors import ArgumentError, ShapeError
from ..semirings.summation import added
from . import elementary
from .axes import Axis, axes_of
from .casting import floating
from .joining import concatenate
from .rearrangement import diagonal
from .registry import for_numpy, function
from .reshaping import reshape, transpose

__all__ = [
    "Extremum", "LogSumExp", "Max", "Mean", "Min", "Norm", "Prod", "Sum", "Trace", "logsumexp", "masked", "max", "mean",
    "min", "nonempty", "norm", "prod", "ptp", "sum", "trace",
]  # fmt: skip


@dataclass(slots=True)
class _Reduction(Op):
    """One result for all elements along ``axes`` (negative)."""

    axes: Shape
    keepdims: bool
    listed = True

    def spread(self, out: Any, shape: Shape) -> Any:
        """The result with the reduced axes kept, so that it broadcasts against the operand."""
        if self.keepdims or not ndim_of(out):
            return out
        return out.reshape(tuple(1 if k - len(shape) in self.axes else n for k, n in enumerate(shape)))

    def sum_over(self, x: Any, weight: Any = 1.0) -> SumOver:
        return SumOver(shape_of(x), self.axes, self.keepdims, weight)


class Sum(_Reduction):
    """The sum."""

    name = "sum"
    sign = "Σ"
    joint = "+"
    linear = True

    def forward(self, *data: Any) -> Any:
        return added(data[0], self.axes, self.keepdims)

    def written(self, *data: Any) -> Any:
        return np.add.reduce(data[0], axis=self.axes, keepdims=self.keepdims)  # type: ignore[call-overload]

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        return (self.sum_over(operands[0]),)


class Mean(_Reduction):
    """The sum divided by the number of terms."""

    name = "mean"
    sign = "mean"
    linear = True

    def forward(self, *data: Any) -> Any:
        x = data[0]
        if getattr(x, "ndim", 0) and x.dtype.char in "fdg" and x.size:  # np.mean does the same in three times the time
            return added(x, self.axes, self.keepdims) / math.prod(x.shape[axis] for axis in self.axes)
        return np.mean(x, axis=self.axes, keepdims=self.keepdims)

    def written(self, *data: Any) -> Any:
        return np.mean(data[0], axis=self.axes, keepdims=self.keepdims)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        shape = shape_of(operands[0])
        terms = math.prod(shape[axis] for axis in self.axes)
        return (self.sum_over(operands[0], 1.0 / terms),)


class Extremum(_Reduction):
    """The largest or smallest element. k equal ones share the derivative, 1/k each."""

    of_one = ""
    direct = True
    pick: np.ufunc
    """The larger or the smaller of two."""

    def forward(self, *data: Any) -> Any:
        x = data[0]
        if not _has_few(x, self.axes):
            return self.written(x)
        found = _by_slices(self.pick, x, self.axes)
        return found if self.keepdims else np.squeeze(found, self.axes)

    def pull(self, k: int, g: Any, operands: Sequence[Any], out: Any) -> Any:
        x = operands[0]
        if not ndim_of(out) or not ndim_of(g):
            return super().pull(k, g, operands, out)
        top = self.spread(out, shape_of(x))
        ties = np.equal(x, top)
        return shared(self.spread(g, shape_of(x)), ties, top, self.axes) * ties

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        x, top = operands[0], self.spread(out, shape_of(operands[0]))
        return (self.sum_over(x, plain(self._share, x, top) if isinstance(x, Value) else self._share(x, top)),)

    def _share(self, x: Any, top: Any) -> Any:
        ties = np.equal(x, top)
        share = ties / np.maximum(np.add.reduce(ties, axis=self.axes, keepdims=True), 1)
        return share.astype(x.dtype, copy=False) if hasattr(x, "dtype") else share  # float32 stays float32


_FEW, _MANY = 16, 1 << 11
"""Up to so many elements in one maximum, of at least so many in all, are compared slice by slice."""


def _has_few(x: Any, axes: Shape) -> bool:
    return 2 <= math.prod(shape_of(x)[axis] for axis in axes) <= _FEW and bool(x.size >= _MANY)


def _by_slices(ufunc: np.ufunc, x: Any, axes: Shape) -> Any:
    """``ufunc.reduce`` along short axes, which are kept, in a tenth of NumPy's time for pairs far apart."""
    for axis in axes:
        after = (slice(None),) * (-axis - 1)
        first, *rest = (x[(..., slice(k, k + 1), *after)] for k in range(shape_of(x)[axis]))
        for part in rest:
            first = ufunc(first, part)
        x = first
    return x


def shared(g: Any, ties: Any, top: Any, axes: Shape) -> Any:
    """The cotangent of each extremum divided by the number of its ``ties``. Most arrays have none: then it is ``g``.

    >>> shared(np.array([[6.0], [5.0]]), np.array([[True, True], [False, True]]), np.ones((2, 1)), (-1,)).tolist()
    [[3.0], [5.0]]
    """
    if not isinstance(g, np.ndarray):
        return g.__array_function__(_share, (type(g),), (g, ties, top, axes), {})
    return g if _has_no_ties(ties, top) else _divided(g.copy(), ties, axes)


def _has_no_ties(ties: Any, top: Any) -> bool:
    """Whether each extremum is one element: as many as there are extrema, none of which is NaN."""
    largest = top.item(top.argmax()) if top.size else 0.0
    return bool(np.count_nonzero(ties) == top.size and largest == largest)


def _share(g: Any, ties: Any, top: Any, axes: Shape) -> Any:
    """The same in place."""
    return g if _has_no_ties(ties, top) else _divided(g, ties, axes)


def _divided(g: Any, ties: Any, axes: Shape) -> Any:
    """``g``, divided in place by the number of ties of each extremum."""
    few = _has_few(ties, axes)
    count = _by_slices(np.add, ties.view(np.uint8), axes) if few else np.add.reduce(ties, axis=axes, keepdims=True)
    g *= np.reciprocal(np.maximum(count, 1).astype(g.dtype))
    return g


_share.changes_first = True  # type: ignore[attr-defined]


class Max(Extremum):
    """The largest element."""

    name = "max"
    sign = "max"
    on_arrows = ("1 at the max",)
    pick = np.maximum

    def written(self, *data: Any) -> Any:
        return np.max(data[0], axis=self.axes, keepdims=self.keepdims)


class Min(Extremum):
    """The smallest element."""

    name = "min"
    sign = "min"
    on_arrows = ("1 at the min",)
    pick = np.minimum

    def written(self, *data: Any) -> Any:
        return np.min(data[0], axis=self.axes, keepdims=self.keepdims)


class Prod(_Reduction):
    """The product. The derivative by a factor is the product of the others, also at zeros."""

    name = "prod"
    sign = "Π"
    on_arrows = ("Π of the others",)
    joint = "*"

    def forward(self, *data: Any) -> Any:
        return np.prod(data[0], axis=self.axes, keepdims=self.keepdims)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        x = operands[0]
        return (self.sum_over(x, _product_of_others(x, self.axes)),)


def _product_of_others(x: Any, axes: Shape) -> Any:
    """For each element the product of all others along ``axes``.

    Halves multiply into each other as a tournament, so it takes log2(n) steps, divides by nothing, and works on Values.
    """
    shape = shape_of(x)
    if not shape:
        return 1.0
    ndim = len(shape)
    rest = tuple(k - ndim for k in range(ndim) if k - ndim not in axes)
    order = tuple(axis + ndim for axis in rest + axes)
    moved = transpose(x, order)
    n = math.prod(shape[axis] for axis in axes)
    flat = reshape(moved, (*(shape[axis] for axis in rest), n))
    others = reshape(_others_along_last(flat), shape_of(moved))
    return transpose(others, tuple(int(k) for k in np.argsort(order)))


def _others_along_last(x: Any) -> Any:
    n = shape_of(x)[-1]
    if n <= 1:
        return np.ones(shape_of(x), raw(x).dtype)
    half = n // 2
    left, right = x[..., :half], x[..., half : 2 * half]
    pairs = _others_along_last(left * right)
    others = concatenate([pairs * right, pairs * left], axis=-1)
    if n % 2 == 0:
        return others
    last = x[..., 2 * half :]
    whole = pairs[..., :1] * (left * right)[..., :1]
    return concatenate([others * last, whole], axis=-1)


class LogSumExp(_Reduction):
    """``log Σ exp(x)``, shifted by the largest element so that nothing overflows.

    Its derivative is computed from the shifted elements: the result is rounded to the digits of the largest.
    """

    name = "logsumexp"
    sign = "logΣexp"
    of_one = ""
    _kept: tuple[Any, Any, Any] | None = None

    def parts(self, x: Any) -> tuple[Any, Any]:
        """The largest element, 0 where that is infinite, and ``Σ exp(x - largest)``, with the axes kept."""
        if self._kept is not None and self._kept[0] is x:
            return self._kept[1:]
        return self._shifted(x)

    def _shifted(self, x: Any) -> tuple[Any, Any]:
        x = floating(x)
        top = np.max(x, axis=self.axes, keepdims=True, initial=-np.inf)
        shift = np.where(np.isfinite(top), top, 0.0).astype(x.dtype, copy=False)
        return shift, np.add.reduce(np.exp(x - shift), axis=self.axes, keepdims=True)

    def forward(self, *data: Any) -> Any:
        x = data[0]
        if not ndim_of(x):
            return x
        shift, total = self._shifted(x)  # anew: a compiled step calls it with other numbers in the same array
        self._kept = x, shift, total
        with np.errstate(divide="ignore"):  # the log of 0, if all are -inf
            out = np.log(total) + shift
        return out if self.keepdims else out.squeeze(self.axes)

    def written(self, *data: Any) -> Any:
        options: dict[str, Any] = {"axis": self.axes, "keepdims": self.keepdims}
        return np.logaddexp.reduce(data[0], **options) if ndim_of(data[0]) else data[0]

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        x = operands[0]
        if isinstance(x, Value):
            return (self.sum_over(x, elementary.exp(self.below(x, self.spread(out, x.shape)))),)
        if not ndim_of(x):
            return (self.sum_over(x),)
        shift, total = self.parts(x)
        return (self.sum_over(x, np.exp(x - shift) / total),)

    def below(self, x: Any, out: Any) -> Any:
        """``x - out``, of the result with its axes kept: the logarithm of a softmax."""
        return record(_Below(self), (x, out)) if ndim_of(x) else elementary.sub(x, out)


class _Below(Elementwise):
    """``x - logsumexp(x)``, as ``(x - max(x)) - log Σ exp(x - max(x))``: no digit is lost where x is large."""

    def __init__(self, of: LogSumExp) -> None:
        super().__init__(TABLE["sub"])
        self.of = of

    def expressions(self, n: int) -> None:
        return None

    def forward(self, *data: Any) -> Any:
        x, out = data
        shift, total = self.of.parts(x)
        with np.errstate(divide="ignore", invalid="ignore"):
            log = np.log(total)
            whole = log + shift
            return (x - shift) - np.where(whole == out, log, log + (out - whole))  # other data may be given for out

    def written(self, *data: Any) -> Any:
        options: dict[str, Any] = {"axis": self.of.axes, "keepdims": True}
        away = data[0] - np.max(data[0], **options)
        return away - np.log(np.sum(np.exp(away), **options))


class Norm(_Reduction):
    """√Σx². Its derivative is x / norm, and 0 where the norm is 0."""

    name = "norm"
    sign = "‖·‖"
    of_one = "abs"

    def forward(self, *data: Any) -> Any:
        x = data[0]
        if not ndim_of(x):
            return abs(x) if type(x) is float else np.where(np.real(x) < 0, -x, x)  # the complex step goes through here
        top = np.max(np.abs(x), axis=self.axes, keepdims=True, initial=0.0)
        scale = np.where((top > 0) & np.isfinite(top), top, 1.0).astype(x.dtype, copy=False)  # squares may overflow
        total = np.sqrt(np.add.reduce(np.square(x / scale), axis=self.axes, keepdims=True)) * scale
        return total if self.keepdims else total.squeeze(self.axes)

    def written(self, *data: Any) -> Any:
        x = data[0]
        return np.sqrt(np.sum(x**2.0, axis=self.axes, keepdims=self.keepdims)) if ndim_of(x) else np.abs(x)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        x = operands[0]
        length = self.spread(out, shape_of(x))
        zero = on_constants(lambda data: data == 0, length)
        return (self.sum_over(x, x / elementary.where(zero, 1.0, length)),)

    def undivided(self, k: int, operands: Sequence[Any], out: Any) -> Chain | None:
        """``None`` for a norm of nothing: its derivatives are 0, and no quotient."""
        return (self.sum_over(operands[0], operands[0]),) if math.prod(shape_of(operands[0])) else None


@dataclass(slots=True)
class Trace(Op):
    """The sum of a diagonal."""

    offset: int
    name = "trace"
    sign = "tr"
    linear = True

    def forward(self, *data: Any) -> Any:
        return np.trace(data[0], self.offset)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        shape = shape_of(operands[0])
        diagonal = np.diag(np.empty(shape), self.offset).shape
        return (SumOver(diagonal, (-1,), False), Gather(shape, diagonal, lambda a: np.diag(a, self.offset)))


def nonempty(x: Any, axes: Shape, who: str) -> None:
    """Raise ``ShapeError`` if there are no elements along ``axes``."""
    if 0 in [shape_of(x)[axis] for axis in axes]:
        raise ShapeError(f"{who}: {describe(x)} has no elements along the axes {axes}, so there is none to choose")


def masked(x: Any, where: Any, instead: float, who: str) -> Any:
    """``x`` with the number ``instead`` where the mask is false; ``x`` itself without a mask."""
    if where is None:
        return x
    return elementary.where(_mask(x, where, who), x, instead)


def _mask(x: Any, where: Any, who: str) -> Any:
    """``where`` as a mask of the shape of ``x``: an array, or a constant."""
    try:
        return on_constants(lambda mask: np.broadcast_to(np.asarray(mask, dtype=bool), shape_of(x)), where)
    except ValueError:
        raise ShapeError(
            f"{who}: where of shape {shape_of(where)} does not fit {describe(x)}; it must broadcast to its shape"
        ) from None


def _extreme(op: type[Extremum], x: Any, axis: Any, keepdims: bool, initial: Any, where: Any) -> Any:
    who = op.name
    axes = axes_of(x, axis, who)
    least, joined = (-math.inf, elementary.maximum) if op is Max else (math.inf, elementary.minimum)
    if where is not None and initial is None:
        raise ArgumentError(f"{who}: where= may leave nothing of {describe(x)}; pass initial= as well")
    if initial is None:
        nonempty(x, axes, who)
        return record(op(axes, keepdims), (x,))
    if 0 in [shape_of(x)[axis] for axis in axes]:
        return elementary.add(sum(x, axes, keepdims), initial)  # zeros of the right shape and graph
    return joined(record(op(axes, keepdims), (masked(x, where, least, who),)), initial)


@function(numpy=(np.sum, np.add.reduce))
def sum(x: Any, axis: Axis = None, keepdims: bool = False, *, initial: Any = None, where: Any = None) -> Any:
    """The sum along ``axis`` (all axes by default) of the elements that the mask ``where`` keeps, plus ``initial``.

    >>> sum(Value([[1.0, 2.0], [3.0, 4.0]]), axis=0).data
    array([4., 6.])
    """
    total = record(Sum(axes_of(x, axis, "sum"), keepdims), (masked(x, where, 0.0, "sum"),))
    return total if initial is None else elementary.add(total, initial)


@function(numpy=np.mean)
def mean(x: Any, axis: Axis = None, keepdims: bool = False, *, where: Any = None) -> Any:
    """The mean along ``axis`` (all axes by default) of the elements that the mask ``where`` keeps.

    Raises ``ShapeError`` if there are none along ``axis``.

    >>> mean(Value([[1.0, 2.0], [3.0, 4.0]]), axis=1).data
    array([1.5, 3.5])
    """
    axes = axes_of(x, axis, "mean")
    nonempty(x, axes, "mean")
    if where is None:
        return record(Mean(axes, keepdims), (x,))
    return sum(x, axes, keepdims, where=where) / _kept(_mask(x, where, "mean"), x, axes, keepdims)


def _kept(mask: Any, x: Any, axes: Shape, keepdims: bool) -> Any:
    """How many elements of ``x`` a mask keeps along ``axes``, in its precision."""
    dtype = getattr(x, "dtype", float)
    return on_constants(lambda m: np.sum(m, axis=axes, keepdims=keepdims, dtype=dtype), mask)


@function(numpy=(np.max, np.amax, np.maximum.reduce), note="k equal ones share the derivative")
def max(x: Any, axis: Axis = None, keepdims: bool = False, *, initial: Any = None, where: Any = None) -> Any:
    """The largest element along ``axis``, at least ``initial``; k equal ones share the gradient, 1/k each.

    Raises ``ShapeError`` if there are none along ``axis``, ``ArgumentError`` for ``where`` without ``initial``.

    >>> x = Value([1.0, 3.0, 3.0])
    >>> max(x).backward()
    >>> x.grad
    array([0. , 0.5, 0.5])
    """
    return _extreme(Max, x, axis, keepdims, initial, where)


@function(numpy=(np.min, np.amin, np.minimum.reduce), note="k equal ones share the derivative")
def min(x: Any, axis: Axis = None, keepdims: bool = False, *, initial: Any = None, where: Any = None) -> Any:
    """The smallest element along ``axis``, at most ``initial``; k equal ones share the gradient, 1/k each.

    Raises ``ShapeError`` if there are none along ``axis``, ``ArgumentError`` for ``where`` without ``initial``.

    >>> min(Value([[1.0, 2.0], [3.0, 4.0]]), axis=1).data
    array([1., 3.])
    """
    return _extreme(Min, x, axis, keepdims, initial, where)


@function(numpy=np.ptp)
def ptp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The largest element minus the smallest along ``axis``.

    >>> ptp(Value([1.0, 5.0, 2.0])).data
    4.0
    """
    return max(x, axis, keepdims) - min(x, axis, keepdims)


@function(numpy=(np.prod, np.multiply.reduce))
def prod(x: Any, axis: Axis = None, keepdims: bool = False, *, initial: Any = None, where: Any = None) -> Any:
    """The product along ``axis`` (all axes by default) of the elements that ``where`` keeps and of ``initial``.

    Its gradient is right at zeros.

    >>> prod(Value([2.0, 3.0, 4.0])).data
    24.0
    """
    product = record(Prod(axes_of(x, axis, "prod"), keepdims), (masked(x, where, 1.0, "prod"),))
    return product if initial is None else elementary.mul(product, initial)


@function(numpy=np.logaddexp.reduce)
def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """``log Σ exp(x)`` along ``axis``, without overflow.

    Raises ``ShapeError`` if there are no elements along ``axis``.

    >>> logsumexp(Value([1e4, 1e4])).item() - 1e4  # log 2
    0.69314718...
    """
    axes = axes_of(x, axis, "logsumexp")
    nonempty(x, axes, "logsumexp")
    return record(LogSumExp(axes, keepdims), (x,))


@function(note="at 0 the derivative is 0; the orders 'nuc' and ±2 of a matrix are of `svd`")
def norm(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The Euclidean norm along ``axis`` (of all elements by default). Its derivative at 0 is 0.

    >>> norm(Value([3.0, 4.0])).data
    5.0
    """
    return record(Norm(axes_of(x, axis, "norm"), keepdims), (x,))


@function(numpy=np.trace)
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The sum of a matrix's diagonal as one op; with more axes, of the diagonals of the matrices along two of them.

    Raises ``ShapeError`` for fewer than two axes.

    >>> trace(Value([[1.0, 2.0], [3.0, 4.0]])).data
    5.0
    """
    if ndim_of(x) < 2:
        raise ShapeError(f"trace: needs a matrix, got {describe(x)}")
    if ndim_of(x) > 2 or (axis1, axis2) not in ((0, 1), (-2, -1)):
        return sum(diagonal(x, offset, axis1, axis2), -1)
    return record(Trace(offset), (x,))


@for_numpy(np.linalg.trace)
def _matrix_trace(x: Any, offset: int = 0) -> Any:
    return trace(x, offset, -2, -1)
