"""Structured ops: reductions, products of matrices, and moves, on Values or plain arrays.

Each op is a small class: its forward function, and the chain of linear maps that is its local derivative. Below the
classes stand the functions that users call; every function whose first argument is a Value is also a method.
"""

from __future__ import annotations

import builtins
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from . import elementary
from .elementwise import FUNCTIONS
from .errors import ArgumentError, IndexRangeError, ShapeError
from .maps import Broadcast, Chain, Contract, Gather, Reshape, Scan, SumOver, Transpose
from .semirings import GRADIENT
from .value import Op, Value, describe, ndim_of, raw, record, shape_of

__all__ = [
    "broadcast_to",
    "concatenate",
    "cross_entropy",
    "cumsum",
    "diag",
    "dot",
    "einsum",
    "expand_dims",
    "flip",
    "gelu",
    "getitem",
    "half_squared_error",
    "linear",
    "log_softmax",
    "logsumexp",
    "matmul",
    "max",
    "mean",
    "min",
    "moveaxis",
    "norm",
    "outer",
    "pad",
    "prod",
    "ravel",
    "repeat",
    "reshape",
    "roll",
    "softmax",
    "split",
    "squeeze",
    "stack",
    "std",
    "sum",
    "swapaxes",
    "take",
    "tensordot",
    "tile",
    "trace",
    "transpose",
    "tril",
    "triu",
    "var",
]

Shape = tuple[int, ...]


# ---- reductions -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Reduction(Op):
    """One result for all elements along ``axes`` (negative)."""

    axes: Shape
    keepdims: bool

    def spread(self, out: Any, shape: Shape) -> Any:
        """The result with the reduced axes kept, so that it broadcasts against the operand."""
        if self.keepdims or not ndim_of(out):
            return out
        return out.reshape(tuple(1 if k - len(shape) in self.axes else n for k, n in enumerate(shape)))

    def sum_over(self, x: Any, weight: Any = 1.0) -> SumOver:
        return SumOver(shape_of(x), self.axes, self.keepdims, weight)


class Sum(_Reduction):
    name = "sum"
    sign = "Σ"

    def forward(self, *data: Any) -> Any:
        return np.add.reduce(data[0], axis=self.axes, keepdims=self.keepdims)  # type: ignore[call-overload]

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        return (self.sum_over(operands[0]),)


class Mean(_Reduction):
    name = "mean"
    sign = "mean"

    def forward(self, *data: Any) -> Any:
        return np.mean(data[0], axis=self.axes, keepdims=self.keepdims)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        shape = shape_of(operands[0])
        terms = math.prod(shape[axis] for axis in self.axes)
        return (self.sum_over(operands[0], 1.0 / terms),)


class Extremum(_Reduction):
    """The largest or smallest: k equal ones share 1/k each."""

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        x = operands[0]
        ties = np.equal(raw(x), raw(self.spread(out, shape_of(x))))
        share = ties / np.maximum(np.add.reduce(ties, axis=self.axes, keepdims=True), 1)
        return (self.sum_over(x, _like(share, x)),)


class Max(Extremum):
    name = "max"
    sign = "max"

    def forward(self, *data: Any) -> Any:
        return np.max(data[0], axis=self.axes, keepdims=self.keepdims)


class Min(Extremum):
    name = "min"
    sign = "min"

    def forward(self, *data: Any) -> Any:
        return np.min(data[0], axis=self.axes, keepdims=self.keepdims)


class Prod(_Reduction):
    """The product: the derivative at one factor is the product of the others, right at zeros too."""

    name = "prod"
    sign = "Π"

    def forward(self, *data: Any) -> Any:
        return np.prod(data[0], axis=self.axes, keepdims=self.keepdims)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        x = operands[0]
        return (self.sum_over(x, _product_of_others(x, self.axes)),)


def _product_of_others(x: Any, axes: Shape) -> Any:
    """For each element the product of all others along ``axes``: of those before it, times those after it.

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
    """Log Σ exp(x), shifted by the largest element so that nothing overflows."""

    name = "logsumexp"
    sign = "logΣexp"

    def forward(self, *data: Any) -> Any:
        x = data[0]
        if not ndim_of(x):
            return x
        top = np.max(x, axis=self.axes, keepdims=True, initial=-np.inf)
        shift = np.where(np.isfinite(top), top, 0.0).astype(x.dtype, copy=False)
        with np.errstate(divide="ignore"):  # of nothing but -inf it is -inf
            total = np.log(np.add.reduce(np.exp(x - shift), axis=self.axes, keepdims=True)) + shift
        return (
            total if self.keepdims else total.reshape([n for k, n in enumerate(x.shape) if k - x.ndim not in self.axes])
        )

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        x = operands[0]
        return (self.sum_over(x, elementary.exp(x - self.spread(out, shape_of(x)))),)


class Norm(_Reduction):
    """√Σx², of derivative x / norm, and 0 where the norm is 0."""

    name = "norm"
    sign = "‖·‖"

    def forward(self, *data: Any) -> Any:
        x = data[0]
        if not ndim_of(x):
            return abs(x)
        top = np.max(np.abs(x), axis=self.axes, keepdims=True, initial=0.0)
        scale = np.where((top > 0) & np.isfinite(top), top, 1.0).astype(x.dtype, copy=False)  # squares may overflow
        total = np.sqrt(np.add.reduce(np.square(x / scale), axis=self.axes, keepdims=True)) * scale
        return (
            total if self.keepdims else total.reshape([n for k, n in enumerate(x.shape) if k - x.ndim not in self.axes])
        )

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        x = operands[0]
        length = self.spread(out, shape_of(x))
        return (self.sum_over(x, x / elementary.where(raw(length) == 0, 1.0, length)),)


def _like(weight: Any, x: Any) -> Any:
    """A constant weight in the dtype of ``x``, so that float32 stays float32."""
    return weight.astype(raw(x).dtype, copy=False) if hasattr(raw(x), "dtype") and hasattr(weight, "astype") else weight


@dataclass(slots=True)
class CumSum(Op):
    axis: int
    name = "cumsum"
    sign = "cumsum"

    def forward(self, *data: Any) -> Any:
        return np.cumsum(data[0], axis=self.axis)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        return (Scan(shape_of(operands[0]), self.axis),)


# ---- products -------------------------------------------------------------------------------------------------------


def _product(a: Any, b: Any) -> Any:
    """The matrix product of arrays: of small matrices ``dot`` takes a third of the time of ``matmul``."""
    if type(a) is np.ndarray and type(b) is np.ndarray and a.ndim == b.ndim == 2:
        return a.dot(b)
    return np.matmul(a, b)


class MatMul(Op):
    name = "matmul"
    sign = "@"

    def forward(self, *data: Any) -> Any:
        return _product(*data)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        a, b = operands
        if ndim_of(a) == ndim_of(b) == 2:
            return (Contract("ik", "ij", "jk", b),) if k == 0 else (Contract("ik", "jk", "ij", a),)
        return self._batched(k, a, b, shape_of(out))

    def _batched(self, k: int, a: Any, b: Any, out_shape: Shape) -> Chain:
        """Stacks of matrices and vectors: a batch axis that an operand lacks, or is stretched along, is summed over."""
        core_a = "ij"[-ndim_of(a) :]
        core_b = "jk"[: ndim_of(b)]
        core_out = core_a[:-1] + core_b[1:]
        batch = _LETTERS[: len(out_shape) - len(core_out)]
        sizes = dict(zip(batch, out_shape, strict=False))
        out_labels = batch + core_out

        def kept(x: Any, core: str) -> tuple[str, Shape]:
            shape = shape_of(x)
            own = batch[len(batch) - (len(shape) - len(core)) :]
            labels = [label for label, n in zip(own, shape, strict=False) if n == sizes[label]]
            return "".join(labels) + core, (*(sizes[label] for label in labels), *shape[len(shape) - len(core) :])

        labels_a, shape_a = kept(a, core_a)
        labels_b, shape_b = kept(b, core_b)
        if k == 0:
            contract, own, shape = Contract(out_labels, labels_a, labels_b, _to_shape(b, shape_b)), shape_of(a), shape_a
        else:
            contract, own, shape = Contract(out_labels, labels_b, labels_a, _to_shape(a, shape_a)), shape_of(b), shape_b
        return (contract,) if own == shape else (contract, Reshape(own, shape))


_MATMUL = MatMul()


def _to_shape(x: Any, shape: Shape) -> Any:
    return x if shape_of(x) == shape else reshape(x, shape)


_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(slots=True)
class Einsum(Op):
    """einsum of one or two operands. ``labels`` of each operand, and of the result; nothing is implied."""

    labels: tuple[str, ...]
    out_labels: str
    name = "einsum"
    sign = "einsum"

    def forward(self, *data: Any) -> Any:
        if len(data) == 2 and not any(self._special(k) for k in range(2)):
            labels, w_labels = self.labels
            return Contract(labels, self.out_labels, w_labels, data[1]).pull(data[0], GRADIENT)
        return np.einsum(f"{','.join(self.labels)}->{self.out_labels}", *data)

    def _special(self, k: int) -> bool:
        """Whether operand ``k`` has a label twice, or one that stands nowhere else."""
        own = self.labels[k]
        others = self.out_labels + "".join(word for j, word in enumerate(self.labels) if j != k)
        return len(set(own)) < len(own) or any(label not in others for label in own)

    def _reduced(self, k: int, x: Any) -> tuple[str, Any]:
        """Operand ``k`` with its diagonals taken and the labels of its own summed: what the contraction reads."""
        own = "".join(dict.fromkeys(self.labels[k]))
        others = self.out_labels + "".join(word for j, word in enumerate(self.labels) if j != k)
        shared = "".join(label for label in own if label in others)
        return shared, einsum(f"{self.labels[k]}->{shared}", x) if shared != self.labels[k] else x

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        own, x = self.labels[k], operands[k]
        once = "".join(dict.fromkeys(own))
        sizes = dict(zip(own, shape_of(x), strict=True))
        others = self.out_labels + "".join(word for j, word in enumerate(self.labels) if j != k)
        shared = "".join(label for label in once if label in others)
        if len(operands) == 2:
            w_labels, w = self._reduced(1 - k, operands[1 - k])
            maps: Chain = (Contract(self.out_labels, shared, w_labels, w),)
        else:
            shared = "".join(label for label in self.out_labels)
            order = tuple(shared.index(label) - len(shared) for label in (label for label in once if label in shared))
            maps = (Transpose(_inverse_axes(order)),) if order else ()
            shared = "".join(label for label in once if label in shared)
        lone = tuple(j - len(once) for j, label in enumerate(once) if label not in shared)
        if lone:
            maps = (*maps, SumOver(tuple(sizes[label] for label in once), lone, False))
        if len(once) < len(own):
            in_shape = shape_of(x)
            out_shape = tuple(sizes[label] for label in once)
            maps = (*maps, Gather(in_shape, out_shape, lambda a: np.einsum(f"{own}->{once}", a)))
        return maps


def _inverse_axes(axes: Shape) -> Shape:
    n = len(axes)
    inverse = [0] * n
    for k, axis in enumerate(axes):
        inverse[axis + n] = k - n
    return tuple(inverse)


class LinearOp(Op):
    """``x @ weight + bias`` as one op: the weighted sums of a layer, as ``weighted_sum`` is those of one neuron."""

    name = "linear"
    sign = "Σ"

    def forward(self, *data: Any) -> Any:
        x, weight, bias = data
        plain = type(x) is type(weight) is np.ndarray and x.ndim == weight.ndim == 2
        out = x.dot(weight) if plain else np.matmul(x, weight)
        if type(bias) is np.ndarray and bias.ndim <= 1 <= out.ndim and bias.dtype is out.dtype:
            out += bias  # the product is ours alone
            return out
        return out + bias

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        x, weight, bias = operands
        if k < 2:
            return _MATMUL.chain(k, (x, weight), out)
        in_shape, out_shape = shape_of(bias), shape_of(out)
        return () if in_shape == out_shape else (Broadcast(in_shape, out_shape),)

    def pull(self, k: int, g: Any, operands: Sequence[Any], out: Any) -> Any:
        x, weight, bias = operands
        if type(out) is np.ndarray and out.ndim == x.ndim == 2:  # and so is the weight
            if k == 0:
                return g.dot(weight.T)
            if k == 1:
                return x.T.dot(g)
            if type(bias) is np.ndarray and bias.shape == out.shape[1:]:
                return np.add.reduce(g)
        return Op.pull(self, k, g, operands, out)


_LINEAR = LinearOp()


@dataclass(slots=True)
class HalfSquaredError(Op):
    """``Σ (y - t)² / (2 divisor)`` as one op: its local derivative is the difference itself."""

    divisor: float
    name = "half_squared_error"
    sign = "½Σ(y-t)²"

    def forward(self, *data: Any) -> Any:
        difference = data[0] - data[1]
        return np.vdot(difference, difference) / (2.0 * self.divisor)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        shape = shape_of(operands[k])
        return (SumOver(shape, _all_axes(len(shape)), False, self._slope(k, operands)),)

    def pull(self, k: int, g: Any, operands: Sequence[Any], out: Any) -> Any:
        return self._slope(k, operands) * g

    def _slope(self, k: int, operands: Sequence[Any]) -> Any:
        difference = operands[k] - operands[1 - k]
        return difference if self.divisor == 1.0 else difference / self.divisor


class CrossEntropy(Op):
    """The mean of logsumexp(logits) - logits[label], as one op of derivative (softmax - one-hot) / samples.

    One object serves one node: it keeps the exponentials of the forward pass for the derivative, which otherwise would
    compute them again from the same logits.
    """

    name = "cross_entropy"
    sign = "H"

    def __init__(self) -> None:
        self._kept: tuple[Any, Any, Any] | None = None

    def forward(self, *data: Any) -> Any:
        logits, labels = data
        e = logits - np.maximum.reduce(logits, axis=-1, keepdims=True)
        picked = e[np.arange(len(labels)), labels]
        np.exp(e, out=e)
        total = np.add.reduce(e, axis=-1, keepdims=True)
        self._kept = logits, e, total
        return (np.add.reduce(np.log(total), axis=None) - np.add.reduce(picked)) / len(labels)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain | None:
        if k == 1:
            return None
        logits, labels = operands[0], raw(operands[1])
        if type(logits) is Value:
            weight = softmax(logits) - np.eye(logits.shape[-1])[labels]
        else:
            if self._kept is None or self._kept[0] is not logits:
                self.forward(logits, labels)
            assert self._kept is not None
            weight = self._kept[1] / self._kept[2]
            weight[np.arange(len(labels)), labels] -= 1.0
        return (SumOver(shape_of(logits), (-2, -1), False, weight / len(labels)),)


# ---- moves ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class ReshapeOp(Op):
    shape: Shape
    name = "reshape"
    sign = "reshape"

    def forward(self, *data: Any) -> Any:
        return np.reshape(data[0], self.shape)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        return (Reshape(shape_of(operands[0]), shape_of(out)),)


@dataclass(slots=True)
class TransposeOp(Op):
    axes: Shape  # negative
    name = "transpose"
    sign = "ᵀ"

    def forward(self, *data: Any) -> Any:
        return np.transpose(data[0], self.axes)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        return (Transpose(self.axes),)


@dataclass(slots=True)
class BroadcastTo(Op):
    shape: Shape
    name = "broadcast_to"
    sign = "broadcast"

    def forward(self, *data: Any) -> Any:
        return np.broadcast_to(data[0], self.shape)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        return (Broadcast(shape_of(operands[0]), self.shape),)


@dataclass(slots=True)
class Move(Op):
    """Any op whose result holds elements of one operand, or zeros: ``function`` is NumPy's.

    ``back`` is the adjoint for moves that use no element twice (see ``Gather``).
    """

    name: str
    sign: str
    function: Callable[[Any], Any]
    back: Callable[[Any, Callable[[], Any]], Any] | None = None

    def forward(self, *data: Any) -> Any:
        return self.function(data[0] if ndim_of(data[0]) else np.asarray(data[0]))

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        return (Gather(shape_of(operands[0]), shape_of(out), self.function, self.back),)


@dataclass(slots=True)
class GetItem(Op):
    key: Any
    name = "getitem"
    sign = "[ ]"

    def forward(self, *data: Any) -> Any:
        return data[0][self.key] if ndim_of(data[0]) else data[0]  # a scalar takes no key but () and ...

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        basic = _is_basic(self.key)

        def back(g: Any, zeros: Callable[[], Any]) -> Any:
            whole = zeros()
            own = self.key if isinstance(self.key, tuple) else (self.key,)
            lead = ndim_of(g) - ndim_of(out)
            if basic:
                whole[(*(slice(None),) * lead, *own)] = g
            elif lead:  # beside arrays, slices in front would move axes about
                for front in np.ndindex(g.shape[:lead]):
                    np.add.at(whole[front], own, g[front])
            else:
                np.add.at(whole, own, g)
            return whole

        return (Gather(shape_of(operands[0]), shape_of(out), self.forward, back, repeats=not basic),)


def _is_basic(key: Any) -> bool:
    """Whether NumPy would return a view: no element is taken twice."""
    parts = key if isinstance(key, tuple) else (key,)
    return all(
        part is None or part is Ellipsis or isinstance(part, slice | int | np.integer) for part in parts
    ) and not any(isinstance(part, bool) for part in parts)


@dataclass(slots=True)
class Concatenate(Op):
    axis: int  # negative
    name = "concatenate"
    sign = "concat"

    def forward(self, *data: Any) -> Any:
        return np.concatenate(data, axis=self.axis)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        before = builtins.sum(shape_of(x)[self.axis] for x in operands[:k])
        own = shape_of(operands[k])
        part: Any = (..., slice(before, before + own[self.axis]), *(slice(None),) * (-self.axis - 1))

        def placed(positions: Any) -> Any:
            whole = np.zeros(shape_of(out), dtype=np.int64)
            whole[part] = positions
            return whole

        return (Gather(own, shape_of(out), placed, lambda g, zeros: g[part]),)


@dataclass(slots=True)
class Stack(Op):
    axis: int  # negative, of the result
    name = "stack"
    sign = "stack"

    def forward(self, *data: Any) -> Any:
        return np.stack(data, axis=self.axis)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        part: Any = (..., k, *(slice(None),) * (-self.axis - 1))

        def placed(positions: Any) -> Any:
            whole = np.zeros(shape_of(out), dtype=np.int64)
            whole[part] = positions
            return whole

        return (Gather(shape_of(operands[k]), shape_of(out), placed, lambda g, zeros: g[part]),)


@dataclass(slots=True)
class Trace(Op):
    offset: int
    name = "trace"
    sign = "tr"

    def forward(self, *data: Any) -> Any:
        return np.trace(data[0], self.offset)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        shape = shape_of(operands[0])
        diagonal = np.diag(np.empty(shape), self.offset).shape
        return (SumOver(diagonal, (-1,), False), Gather(shape, diagonal, lambda a: np.diag(a, self.offset)))


# ---- what users call ------------------------------------------------------------------------------------------------


@cache
def _all_axes(ndim: int) -> Shape:
    return tuple(range(-ndim, 0))


def _axes(x: Any, axis: int | Sequence[int] | None, who: str) -> Shape:
    """The axes as negative numbers, each once."""
    ndim = ndim_of(x)
    if axis is None:
        return _all_axes(ndim)
    try:
        return tuple(sorted(k - ndim for k in normalize_axis_tuple(axis, ndim)))
    except (ValueError, TypeError) as error:
        raise ArgumentError(f"{who}: axis={axis!r} does not fit {describe(x)} ({error})") from None


def _axis(x: Any, axis: int, ndim: int, who: str) -> int:
    try:
        return normalize_axis_index(operator.index(axis), ndim) - ndim
    except (ValueError, TypeError) as error:
        raise ArgumentError(f"{who}: axis={axis!r} does not fit {describe(x)} ({error})") from None


def _nonempty(x: Any, axes: Shape, who: str) -> None:
    if 0 in [shape_of(x)[axis] for axis in axes]:
        raise ShapeError(f"{who}: {describe(x)} has no elements along the axes {axes}, so there is none to choose")


def sum(x: Any, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Any:
    """The sum along ``axis`` (all axes by default).

    >>> sum(Value([[1.0, 2.0], [3.0, 4.0]]), axis=0).data
    array([4., 6.])
    """
    return record(Sum(_axes(x, axis, "sum"), keepdims), (x,))


def mean(x: Any, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Any:
    """The mean along ``axis`` (all axes by default)."""
    axes = _axes(x, axis, "mean")
    _nonempty(x, axes, "mean")
    return record(Mean(axes, keepdims), (x,))


def max(x: Any, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Any:
    """The largest element along ``axis``; k equal ones share the gradient, 1/k each."""
    axes = _axes(x, axis, "max")
    _nonempty(x, axes, "max")
    return record(Max(axes, keepdims), (x,))


def min(x: Any, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Any:
    """The smallest element along ``axis``; k equal ones share the gradient, 1/k each."""
    axes = _axes(x, axis, "min")
    _nonempty(x, axes, "min")
    return record(Min(axes, keepdims), (x,))


def prod(x: Any, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Any:
    """The product along ``axis`` (all axes by default)."""
    return record(Prod(_axes(x, axis, "prod"), keepdims), (x,))


def var(x: Any, axis: int | Sequence[int] | None = None, keepdims: bool = False, ddof: int = 0) -> Any:
    """The variance along ``axis``, with divisor n - ``ddof``: a composition, Σ(x - mean)² / (n - ddof)."""
    axes = _axes(x, axis, "var")
    _nonempty(x, axes, "var")
    n = math.prod(shape_of(x)[k] for k in axes)
    if n <= ddof:
        raise ArgumentError(
            f"var: ddof={ddof} leaves no degree of freedom for {n} elements of {describe(x)}; lower ddof"
        )
    return sum(elementary.square(x - mean(x, axes, keepdims=True)), axes, keepdims) / (n - ddof)


def std(x: Any, axis: int | Sequence[int] | None = None, keepdims: bool = False, ddof: int = 0) -> Any:
    """The standard deviation along ``axis``: √var."""
    return elementary.sqrt(var(x, axis, keepdims, ddof))


def logsumexp(x: Any, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Any:
    """Log Σ exp(x) along ``axis``, right at any size of x.

    >>> logsumexp(Value([1e4, 1e4])).item() - 1e4  # log 2
    0.69314718...
    """
    axes = _axes(x, axis, "logsumexp")
    _nonempty(x, axes, "logsumexp")
    return record(LogSumExp(axes, keepdims), (x,))


def log_softmax(x: Any, axis: int = -1) -> Any:
    """``x - logsumexp(x)`` along ``axis``: a composition of two ops."""
    return elementary.sub(x, logsumexp(x, axis, keepdims=True))


def softmax(x: Any, axis: int = -1) -> Any:
    """``exp(x - logsumexp(x))`` along ``axis``: a composition of three ops."""
    return elementary.exp(log_softmax(x, axis))


def norm(x: Any, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Any:
    """The Euclidean norm along ``axis`` (of all elements by default); its derivative at 0 is 0."""
    return record(Norm(_axes(x, axis, "norm"), keepdims), (x,))


def cumsum(x: Any, axis: int | None = None) -> Any:
    """The running sum along ``axis``; of the flattened array by default."""
    if axis is None or not ndim_of(x):
        x, axis = _flat(x), -1
    return record(CumSum(_axis(x, axis, ndim_of(x), "cumsum")), (x,))


def matmul(a: Any, b: Any) -> Any:
    """The matrix product ``a @ b``, of stacks of matrices too.

    >>> matmul(Value([[1.0, 2.0]]), [[3.0], [4.0]]).data
    array([[11.]])
    """
    return record(_MATMUL, (a, b))


def linear(x: Any, weight: Any, bias: Any) -> Any:
    """``x @ weight + bias`` as one op. Shapes: (…, from), (from, to), and the bias one that broadcasts to the result's.

    >>> linear([[1.0, 2.0]], Value([[3.0], [4.0]], name="w"), Value([0.5], name="b")).data
    array([[11.5]])
    """
    return record(_LINEAR, (x, weight, bias))


def half_squared_error(y: Any, t: Any, divisor: float = 1.0) -> Any:
    """``Σ (y - t)² / (2 divisor)`` over all elements, as one op. ``y`` and ``t`` have one shape.

    >>> half_squared_error(Value([1.0, 3.0]), [0.0, 1.0]).item()
    2.5
    """
    if shape_of(y) != shape_of(t):
        raise ShapeError(
            f"half_squared_error: {describe(y)} and {describe(t)} must have one shape; reshape one of them"
        )
    return record(HalfSquaredError(divisor), (y, t))


def cross_entropy(logits: Any, labels: Any) -> Any:
    """The mean over samples of -log softmax(logits)[label], as one op, right at any size of the logits.

    Shapes: logits (samples, classes), integer labels (samples,). Units: nats.

    >>> cross_entropy(Value([[0.0, 0.0]]), [1]).item()  # log 2
    0.6931471805599...
    """
    numbers = np.asarray(raw(labels))
    shape = shape_of(logits)
    if len(shape) != 2 or 0 in shape:
        raise ShapeError(
            f"cross_entropy: needs logits of shape (samples, classes), got {describe(logits)}; reshape them"
        )
    if numbers.shape != shape[:1]:
        raise ShapeError(
            f"cross_entropy: for logits of shape {shape} needs class numbers of shape {shape[:1]}, "
            f"got {numbers.shape}; reshape the labels"
        )
    if numbers.dtype.kind not in "iu":
        raise ArgumentError(
            f"cross_entropy: labels are integers, got dtype {numbers.dtype}; convert them with .astype(int)"
        )
    low, high = int(np.minimum.reduce(numbers)), int(np.maximum.reduce(numbers))
    if low < 0 or high >= shape[1]:
        raise ArgumentError(
            f"cross_entropy: a class is a number from 0 to {shape[1] - 1} ({shape[1]} logits), "
            f"got {low if low < 0 else high}; convert the labels first"
        )
    return record(CrossEntropy(), (logits, labels if isinstance(labels, Value) else numbers))


def dot(a: Any, b: Any) -> Any:
    """NumPy's dot: a product with a scalar, the inner product of vectors, of matrices ``@``, else over the last axis of
    ``a`` and the last but one of ``b``."""
    a_ndim, b_ndim = ndim_of(a), ndim_of(b)
    if not a_ndim or not b_ndim:
        return elementary.mul(a, b)
    if a_ndim <= 2 and b_ndim <= 2:
        return matmul(a, b)
    return tensordot(a, b, axes=((a_ndim - 1,), (builtins.max(b_ndim - 2, 0),)))


def outer(a: Any, b: Any) -> Any:
    """The matrix ``a[i] * b[j]`` of two vectors; arrays of more axes are flattened."""
    return record(Einsum(("i", "j"), "ij"), (ravel(a), ravel(b)))


def tensordot(a: Any, b: Any, axes: int | tuple[Any, Any] = 2) -> Any:
    """The sum of products over ``axes``: a number of axes, last of ``a`` and first of ``b``, or two lists of axes."""
    a_ndim, b_ndim = ndim_of(a), ndim_of(b)
    if isinstance(axes, int | np.integer):
        if not 0 <= axes <= builtins.min(a_ndim, b_ndim):
            raise ArgumentError(f"tensordot: axes={axes} is more than {describe(a)} and {describe(b)} have")
        axes = (range(a_ndim - axes, a_ndim), range(axes))
    a_axes, b_axes = ([k] if isinstance(k, int | np.integer) else list(k) for k in axes)
    if len(a_axes) != len(b_axes):
        raise ArgumentError(f"tensordot: axes={axes!r} name {len(a_axes)} axes of one and {len(b_axes)} of the other")
    a_labels = list(_LETTERS[:a_ndim])
    b_labels = list(_LETTERS[a_ndim : a_ndim + b_ndim])
    for i, j in zip(a_axes, b_axes, strict=True):
        i, j = _axis(a, i, a_ndim, "tensordot"), _axis(b, j, b_ndim, "tensordot")
        if shape_of(a)[i] != shape_of(b)[j]:
            raise ShapeError(
                f"tensordot: axis {i} of {describe(a)} and axis {j} of {describe(b)} have different lengths, "
                f"{shape_of(a)[i]} and {shape_of(b)[j]}"
            )
        b_labels[j] = a_labels[i]
    shared = set(a_labels) & set(b_labels)
    out = "".join(label for label in a_labels + b_labels if label not in shared)
    return record(Einsum(("".join(a_labels), "".join(b_labels)), out), (a, b))


def einsum(subscripts: str, *operands: Any) -> Any:
    """Einstein summation. Two operands are one op; more are taken from left to right, two at a time.

    ``subscripts`` as NumPy reads them: explicit (``"ij,jk->ik"``) or implied, with ``...``.

    >>> einsum("ij,j->i", Value([[1.0, 2.0], [3.0, 4.0]]), [1.0, 10.0]).data
    array([21., 43.])
    """
    words, out = _parsed_einsum(subscripts, operands)
    if len(operands) <= 2:
        return record(Einsum(tuple(words), out), operands)
    total, labels = operands[0], words[0]
    for k, (x, word) in enumerate(zip(operands[1:-1], words[1:-1], strict=True), start=2):
        still = out + "".join(words[k:])
        merged = "".join(label for label in dict.fromkeys(labels + word) if label in still)
        total, labels = record(Einsum((labels, word), merged), (total, x)), merged
    return record(Einsum((labels, words[-1]), out), (total, operands[-1]))


def _parsed_einsum(subscripts: str, operands: tuple[Any, ...]) -> tuple[list[str], str]:
    """The labels of each operand and of the result, with ``...`` spelt out and stretched axes refused."""
    left, arrow, out = subscripts.replace(" ", "").partition("->")
    words = left.split(",")
    if len(words) != len(operands) or not operands:
        raise ArgumentError(f"einsum: {subscripts!r} has {len(words)} operands, got {len(operands)}; give one for each")
    used = set(subscripts)
    spare = [letter for letter in _LETTERS[::-1] if letter not in used]
    depth = 0
    for word, x in zip(words, operands, strict=True):
        if "..." in word:
            depth = builtins.max(depth, ndim_of(x) - len(word.replace("...", "")))
    dots = "".join(spare[:depth])
    spelt = []
    for word, x in zip(words, operands, strict=True):
        own = ndim_of(x) - len(word.replace("...", ""))
        spelt.append(word.replace("...", dots[depth - own :] if own > 0 else ""))
    if not arrow:
        letters = "".join(spelt)
        out = dots + "".join(sorted(label for label in set(letters) - set(dots) if letters.count(label) == 1))
    out = out.replace("...", dots)
    sizes: dict[str, int] = {}
    for word, x in zip(spelt, operands, strict=True):
        if len(word) != ndim_of(x):
            raise ShapeError(f"einsum: {word!r} in {subscripts!r} needs {len(word)} axes, got {describe(x)}")
        for label, n in zip(word, shape_of(x), strict=True):
            if sizes.setdefault(label, n) != n:
                raise ShapeError(
                    f"einsum: {label!r} in {subscripts!r} has length {sizes[label]} and, in {describe(x)}, {n}; "
                    "they must be equal"
                )
    if len(set(out)) < len(out) or not set(out) <= set(sizes):
        raise ArgumentError(f"einsum: the result {out!r} of {subscripts!r} must name labels of the operands, each once")
    return spelt, out


def reshape(x: Any, *shape: Any) -> Any:
    """The same elements in another shape, given as a tuple or as numbers; one length may be -1.

    >>> reshape(Value([1.0, 2.0, 3.0, 4.0]), (2, -1)).shape
    (2, 2)
    """
    wanted = shape[0] if len(shape) == 1 and not isinstance(shape[0], int | np.integer) else shape
    wanted = tuple(operator.index(n) for n in wanted)
    size = math.prod(shape_of(x))
    if wanted.count(-1) == 1:
        rest = math.prod(n for n in wanted if n != -1)
        if rest and size % rest == 0:
            wanted = tuple(size // rest if n == -1 else n for n in wanted)
    if -1 in wanted or math.prod(wanted) != size:
        raise ShapeError(f"reshape: {describe(x)} has {size} elements, which do not fit into shape {wanted}")
    return record(ReshapeOp(wanted), (x,))


def _flat(x: Any) -> Any:
    """``x`` itself if it has one axis: an op the less in its paths."""
    return x if ndim_of(x) == 1 else ravel(x)


def ravel(x: Any) -> Any:
    """All elements in one axis, in row-major order."""
    return reshape(x, (-1,)) if math.prod(shape_of(x)) else reshape(x, (0,))


def expand_dims(x: Any, axis: int | Sequence[int]) -> Any:
    """New axes of length one at ``axis``."""
    axes = (axis,) if isinstance(axis, int | np.integer) else tuple(axis)
    ndim = ndim_of(x) + len(axes)
    places = {_axis(x, k, ndim, "expand_dims") + ndim for k in axes}
    own = iter(shape_of(x))
    return reshape(x, tuple(1 if k in places else next(own) for k in range(ndim)))


def squeeze(x: Any, axis: int | Sequence[int] | None = None) -> Any:
    """Without axes of length one: all of them, or those of ``axis``."""
    shape = shape_of(x)
    axes = [k - len(shape) for k, n in enumerate(shape) if n == 1] if axis is None else _axes(x, axis, "squeeze")
    for k in axes:
        if shape[k] != 1:
            raise ShapeError(f"squeeze: axis {k} of {describe(x)} has length {shape[k]}, not one")
    return reshape(x, tuple(n for k, n in enumerate(shape) if k - len(shape) not in axes))


def transpose(x: Any, *axes: Any) -> Any:
    """The axes in another order; reversed by default."""
    ndim = ndim_of(x)
    order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int | np.integer) else axes
    if order is None or not len(order):
        order = range(ndim)[::-1]
    places = tuple(_axis(x, k, ndim, "transpose") for k in order)
    if sorted(places) != list(range(-ndim, 0)):
        raise ArgumentError(f"transpose: axes {tuple(order)} must name each of the {ndim} axes of {describe(x)} once")
    return record(TransposeOp(places), (x,))


def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Two axes exchanged."""
    ndim = ndim_of(x)
    order = list(range(-ndim, 0))
    i, j = _axis(x, axis1, ndim, "swapaxes"), _axis(x, axis2, ndim, "swapaxes")
    order[i], order[j] = order[j], order[i]
    return transpose(x, order)


def moveaxis(x: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """Axes moved to other places; the rest keep their order."""
    ndim = ndim_of(x)
    sources, targets = (
        [_axis(x, k, ndim, "moveaxis") for k in ((axis,) if isinstance(axis, int | np.integer) else axis)]
        for axis in (source, destination)
    )
    if len(sources) != len(targets) or len(set(sources)) < len(sources) or len(set(targets)) < len(targets):
        raise ArgumentError(
            f"moveaxis: source {source!r} and destination {destination!r} must name as many different axes"
        )
    order = [k for k in range(-ndim, 0) if k not in sources]
    for target, origin in sorted(zip(targets, sources, strict=True)):
        order.insert(target + ndim, origin)
    return transpose(x, order)


def broadcast_to(x: Any, shape: Sequence[int] | int) -> Any:
    """Repeated to ``shape`` by NumPy's rules."""
    wanted = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    return record(BroadcastTo(wanted), (x,))


def getitem(x: Any, key: Any) -> Any:
    """``x[key]``: integers, slices, ``...``, ``None``, arrays of integers or booleans. Repeated indices add up.

    Raises ``IndexRangeError`` for an index outside the array.

    >>> x = Value([1.0, 2.0, 3.0])
    >>> x[[0, 0, 2]].sum().backward()
    >>> x.grad
    array([2., 0., 1.])
    """
    if isinstance(key, tuple):
        key = tuple(raw(part) for part in key)
    else:
        key = raw(key)
    if not ndim_of(x) and not (key is Ellipsis or (isinstance(key, tuple) and not key)):
        raise IndexRangeError(f"getitem: {describe(x)} is a scalar and takes no index, got {key!r}")
    try:
        return record(GetItem(key), (x,))
    except IndexError as error:
        if isinstance(error, IndexRangeError):
            raise
        raise IndexRangeError(f"getitem: the index {key!r} does not fit {describe(x)} ({error})") from None


def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """The elements, or slices along ``axis``, at integer ``indices``; of the flattened array by default."""
    if axis is None:
        x, axis = _flat(x), 0
    indices = np.asarray(raw(indices))
    if indices.dtype.kind not in "iu":
        raise ArgumentError(f"take: needs integer indices, got dtype {indices.dtype}; convert them with .astype(int)")
    k = _axis(x, axis, ndim_of(x), "take")
    return getitem(x, (..., indices, *(slice(None),) * (-k - 1)))


def concatenate(xs: Sequence[Any], axis: int | None = 0) -> Any:
    """Joined along ``axis``; flattened first if it is None."""
    xs = tuple(xs)
    if not xs:
        raise ArgumentError("concatenate: needs at least one array, got none")
    if axis is None:
        xs, axis = tuple(_flat(x) for x in xs), 0
    if any(not ndim_of(x) for x in xs):
        raise ShapeError("concatenate: scalars have no axis to be joined along; use stack([…])")
    return record(Concatenate(_axis(xs[0], axis, ndim_of(xs[0]), "concatenate")), xs)


def stack(xs: Sequence[Any], axis: int = 0) -> Any:
    """Joined along a new axis: how scalars become a vector.

    >>> stack([Value(1.0), Value(2.0)]).shape
    (2,)
    """
    xs = tuple(xs)
    if not xs:
        raise ArgumentError("stack: needs at least one array, got none")
    return record(Stack(_axis(xs[0], axis, ndim_of(xs[0]) + 1, "stack")), xs)


def split(x: Any, sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """Cut along ``axis`` into as many equal parts, or before each of the given indices."""
    k = _axis(x, axis, ndim_of(x), "split")
    length = shape_of(x)[k]
    if isinstance(sections, int | np.integer):
        if sections < 1 or length % sections:
            raise ShapeError(f"split: {describe(x)} cannot be cut into {sections} equal parts along axis {k}")
        cuts = list(range(0, length + 1, length // sections)) if length else [0] * (int(sections) + 1)
    else:
        cuts = [0, *sections, length]
    rest = (slice(None),) * (-k - 1)
    return [getitem(x, (..., slice(a, b), *rest)) for a, b in pairwise(cuts)]


def pad(x: Any, pad_width: Any, mode: str = "constant") -> Any:
    """Zeros around the array (or, by ``mode``, copies of its elements: edge, reflect, symmetric, wrap)."""
    if mode not in ("constant", "edge", "reflect", "symmetric", "wrap"):
        raise ArgumentError(
            f"pad: mode {mode!r} is not supported; use 'constant', 'edge', 'reflect', 'symmetric' or 'wrap'"
        )
    widths = np.broadcast_to(np.asarray(pad_width), (ndim_of(x), 2))
    inside = tuple(slice(int(a), int(a) + n) for (a, _), n in zip(widths, shape_of(x), strict=True))

    def padded(array: Any) -> Any:
        return np.pad(array, widths, mode=mode)  # type: ignore[call-overload]

    back = (lambda g, zeros: g[(..., *inside)]) if mode == "constant" else None
    return record(Move("pad", "pad", padded, back), (x,))


def flip(x: Any, axis: int | Sequence[int] | None = None) -> Any:
    """The order reversed along ``axis`` (all axes by default)."""
    axes = _axes(x, axis, "flip")
    key = (..., *(slice(None, None, -1) if k in axes else slice(None) for k in range(-ndim_of(x), 0)))
    return record(Move("flip", "flip", lambda a: a[key], lambda g, zeros: g[key]), (x,))


def roll(x: Any, shift: int | Sequence[int], axis: int | Sequence[int] | None = None) -> Any:
    """Moved on by ``shift`` places along ``axis``, what leaves at the end coming back at the start."""
    if axis is None:
        return reshape(roll(ravel(x), shift, 0), shape_of(x)) if ndim_of(x) != 1 else roll(x, shift, 0)
    places = [_axis(x, k, ndim_of(x), "roll") for k in ((axis,) if isinstance(axis, int | np.integer) else axis)]
    shifts = np.broadcast_to(np.asarray(shift), (len(places),))
    there = [int(n) for n in shifts]

    def moved(a: Any, steps: list[int]) -> Any:
        return np.roll(a, steps, places)

    return record(Move("roll", "roll", lambda a: moved(a, there), lambda g, zeros: moved(g, [-n for n in there])), (x,))


def repeat(x: Any, repeats: int | Sequence[int], axis: int | None = None) -> Any:
    """Every element, or slice along ``axis``, several times in a row; of the flattened array by default."""
    if axis is None:
        x, axis = _flat(x), 0
    k = _axis(x, axis, ndim_of(x), "repeat")
    return record(Move("repeat", "repeat", lambda a: np.repeat(a, repeats, axis=k)), (x,))


def tile(x: Any, reps: int | Sequence[int]) -> Any:
    """The whole array several times along each axis."""
    return record(Move("tile", "tile", lambda a: np.tile(a, reps)), (x,))


def diag(x: Any, k: int = 0) -> Any:
    """The ``k``-th diagonal of a matrix, or the matrix that has a vector on it."""
    if ndim_of(x) not in (1, 2):
        raise ShapeError(f"diag: needs a vector or a matrix, got {describe(x)}")
    return record(Move("diag", "diag", lambda a: np.diag(a, k)), (x,))


def trace(x: Any, offset: int = 0) -> Any:
    """The sum of a matrix's diagonal, as one op."""
    if ndim_of(x) != 2:
        raise ShapeError(f"trace: needs a matrix, got {describe(x)}")
    return record(Trace(offset), (x,))


def tril(x: Any, k: int = 0) -> Any:
    """The lower triangle, zeros above the ``k``-th diagonal."""
    return _triangle(x, k, np.tril, "tril")


def triu(x: Any, k: int = 0) -> Any:
    """The upper triangle, zeros below the ``k``-th diagonal."""
    return _triangle(x, k, np.triu, "triu")


def _triangle(x: Any, k: int, function: Callable[..., Any], name: str) -> Any:
    if ndim_of(x) < 2:
        raise ShapeError(f"{name}: needs a matrix or a stack of them, got {describe(x)}")

    def back(g: Any, zeros: Callable[[], Any]) -> Any:
        return np.where(function(np.ones(shape_of(x)[-2:], dtype=bool), k), g, zeros())

    return record(Move(name, name, lambda a: function(a, k), back), (x,))


def gelu(x: Any, approximate: bool = True) -> Any:
    """The Gaussian error linear unit: by its tanh approximation, or exactly (on arrays with the extra ``scipy``)."""
    return FUNCTIONS["gelu_tanh" if approximate else "gelu_erf"](x)
