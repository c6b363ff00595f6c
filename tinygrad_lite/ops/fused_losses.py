"""Losses that are one op each to ``backward`` and ``compile``: their derivative is the difference of output and target.

A fused op is a fast path and no more: each can record its composition of other ops. Readers of the graph (paths,
sweeps, derivations, pictures) see that, so no answer depends on how the loss was computed or its labels were given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Any

import numpy as np

from ..core.elementwise import FUNCTIONS, Elementwise
from ..core.elementwise_derivatives import TABLE
from ..core.graph import parents_of
from ..core.maps import Chain, SumOver
from ..core.shapes import ndim_of, shape_of
from ..core.value import Folded, Op, Value, constant, describe, plain, raw, record
from ..errors import ArgumentError, IndexRangeError, ShapeError
from .activations import softmax
from .axes import all_axes
from .casting import floating
from .reductions import LogSumExp, sum
from .registry import function

__all__ = [
    "CrossEntropy",
    "FusedLoss",
    "HalfSquaredError",
    "LogisticLoss",
    "cross_entropy",
    "half_squared_error",
    "one_hot",
]


_WHOLE = ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")
_UNSIGNED = {np.dtype(f"{order}{kind}"): np.dtype(f"{order}u{kind[1]}") for order in "<>" for kind in _WHOLE}


class FusedLoss(Folded):
    """A loss of outputs and targets that is summed over all elements and divided by ``divisor``."""

    factor = 1.0
    """What the sum of ``terms`` is divided by besides ``divisor``."""

    def __init__(self, divisor: float = 1.0) -> None:
        self.divisor = divisor

    def compose(self, node: Value) -> Value:
        return Context().run(self._composed_of, *parents_of(node))  # recorded inside no_grad too

    def _composed_of(self, outputs: Value, targets: Value) -> Value:
        terms = self.terms(outputs, targets)
        total, divisor = sum(terms) if terms.shape else terms, self.factor * self.divisor
        return total if divisor == 1.0 else total / divisor

    def terms(self, outputs: Value, targets: Value) -> Value:
        """The terms that the loss sums."""
        raise NotImplementedError

    def slope(self, k: int, operands: Sequence[Any]) -> Any:
        """The derivative with respect to each element of operand ``k``; ``None`` where there is none."""
        raise NotImplementedError

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain | None:
        shape = shape_of(operands[k])
        slope = self.slope(k, operands)
        return None if slope is None else (SumOver(shape, all_axes(len(shape)), False, slope),)

    def pull(self, k: int, g: Any, operands: Sequence[Any], out: Any) -> Any:
        slope = self.slope(k, operands)
        return slope if slope is None or (type(g) is float and g == 1.0) else slope * g  # backward starts from 1


class HalfSquaredError(FusedLoss):
    """``Σ (y - t)² / (2 divisor)``: its derivative is the difference itself."""

    name = "half_squared_error"
    sign = "½Σ(y-t)²"
    factor = 2.0

    def terms(self, outputs: Value, targets: Value) -> Value:
        return FUNCTIONS["square"](outputs - targets)  # type: ignore[no-any-return]

    def forward(self, *data: Any) -> Any:
        difference = data[0] - data[1]
        if not ndim_of(difference):
            return difference * difference / (2.0 * self.divisor)
        difference = difference.reshape(-1)
        return difference.dot(difference) / (2.0 * self.divisor)  # not vdot, which would conjugate a complex step

    def slope(self, k: int, operands: Sequence[Any]) -> Any:
        difference = operands[k] - operands[1 - k]
        return difference if self.divisor == 1.0 else difference / self.divisor


class LogisticLoss(FusedLoss):
    """``Σ (t softplus(-z) + (1 - t) softplus(z)) / divisor``, of derivative ``(σ(z) - t) / divisor``.

    Both softplus have the same ``log(1 + exp(-|z|))``, and the exponential is the derivative's: it is kept. No digit is
    lost where σ(z) is near t, for ``(1 - t) - σ(-z)`` is the derivative where z is positive.
    """

    name = "binary_cross_entropy"
    sign = "H"

    def __init__(self, divisor: float = 1.0) -> None:
        super().__init__(divisor)
        self._kept: tuple[Any, Any] | None = None

    def terms(self, outputs: Value, targets: Value) -> Value:
        softplus = FUNCTIONS["softplus"]
        terms: Value = targets * softplus(-outputs) + (1.0 - targets) * softplus(outputs)
        return terms

    def forward(self, *data: Any) -> Any:
        z, t = floating(data[0]), data[1]
        size = np.abs(z)
        e = np.exp(-size)
        self._kept = data[0], e
        terms = np.where(z > 0.0, 1.0 - t, t)
        terms = terms * size
        terms += np.log1p(e)
        return np.add.reduce(terms, axis=None) / self.divisor

    def slope(self, k: int, operands: Sequence[Any]) -> Any:
        z, t = operands
        if k == 1:
            return z / -self.divisor
        if isinstance(z, Value):
            sigmoid = FUNCTIONS["sigmoid"]
            return ((1.0 - t) * sigmoid(z) - t * sigmoid(-z)) / self.divisor
        if self._kept is None or self._kept[0] is not z:
            self.forward(z, t)
        assert self._kept is not None
        e = self._kept[1]
        small = e / (1.0 + e)  # σ(-|z|)
        return np.where(z > 0.0, (1.0 - t) - small, small - t) / self.divisor


class CrossEntropy(FusedLoss):
    """``Σ_samples (logsumexp(z) - Σ_classes p z) / divisor``, of derivative ``(softmax(z) - p) / divisor``.

    The labels are the probabilities ``p``, of the logits' shape, or class numbers: integers, for logits of shape
    (samples, classes). It keeps the exponentials of the forward pass for the derivative, which otherwise would compute
    them again from the same logits.
    """

    name = "cross_entropy"
    sign = "H"

    def __init__(self, divisor: float = 1.0) -> None:
        super().__init__(divisor)
        self._kept: tuple[Any, Any, Any] | None = None

    def terms(self, outputs: Value, targets: Value) -> Value:
        if targets.ndim != outputs.ndim:
            targets = constant(one_hot(targets.data, outputs), targets.name)
        total = record(_LogSum((-1,), False), (outputs,))
        terms: Value = record(_Surprise(outputs.data, targets.data), (total, record(_EXPECTED, (outputs, targets))))
        return terms

    def forward(self, *data: Any) -> Any:
        logits, labels = floating(data[0]), data[1]
        top = np.maximum.reduce(logits, axis=-1, keepdims=True)
        e = logits - top
        if labels.ndim != logits.ndim:
            picked = e[np.arange(len(labels)), labels]
        else:
            picked = _weighted(e, labels)
        np.exp(e, out=e)
        total = np.add.reduce(e, axis=-1, keepdims=True)
        self._kept = logits, e, total
        return (np.add.reduce(np.log(total), axis=None) - np.add.reduce(picked, axis=None)) / self.divisor

    def replay_check(self, *data: Any) -> Callable[..., None] | None:
        return _check_classes if ndim_of(data[1]) != ndim_of(data[0]) else None

    def slope(self, k: int, operands: Sequence[Any]) -> Any:
        logits, labels = operands
        numbers = ndim_of(labels) != ndim_of(logits)
        if k == 1:
            return None if numbers else logits / -self.divisor
        if isinstance(logits, Value):
            p = plain(lambda data: one_hot(data, logits), labels) if numbers else labels
            return (softmax(logits) - p) / self.divisor
        if self._kept is None or self._kept[0] is not logits:
            self.forward(logits, labels)
        assert self._kept is not None
        slope = self._kept[1] / self._kept[2]
        if numbers:
            slope[np.arange(len(labels)), labels] -= 1.0
        else:
            slope -= labels
        slope /= self.divisor
        return slope


def _check_classes(logits: Any, labels: Any) -> None:
    """Refuse negative class numbers, which would index from the end. Eager says which, and what to do."""
    if np.minimum.reduce(labels) < 0:
        raise IndexRangeError("cross_entropy: a class below 0")


def _weighted(z: Any, p: Any) -> Any:
    """``Σ_classes z p``: a logit of -inf counts nothing where its class has no probability."""
    with np.errstate(invalid="ignore"):
        return np.add.reduce(np.where(p == 0.0, 0.0, z * p), axis=-1)


class _LogSum(LogSumExp):
    """The logarithm of a softmax's denominator: people write it of the shifted logits, as they do ``_Expected``."""

    def written(self, *data: Any) -> Any:
        z, e = data[0], np.exp(_shifted(data[0]))
        self._kept = z, np.max(z, axis=-1, keepdims=True), e.sum(axis=-1, keepdims=True)
        return np.log(e.sum(axis=-1))


def _shifted(z: Any) -> Any:
    return z - np.max(z, axis=-1, keepdims=True)


class _Expected(Op):
    """``Σ_classes z p``, the expected logit, as one op: paths by way of it are as long as those by ``logsumexp``."""

    name = "expected"
    sign = "Σt·z"
    classes = 1

    def forward(self, *data: Any) -> Any:
        return _weighted(*data)

    def written(self, *data: Any) -> Any:
        return (_shifted(data[0]) * data[1]).sum(axis=-1)

    def linear_in(self, n: int) -> Sequence[int]:
        return (0,)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        return (SumOver(shape_of(operands[k]), (-1,), False, operands[1 - k]),)


class _Surprise(Elementwise):
    """``logsumexp(z) - Σ z p``, from the logits less the largest: no digit is lost where they are large."""

    def __init__(self, z: Any, p: Any) -> None:
        super().__init__(TABLE["sub"])
        self.total, self.expected = LogSumExp((-1,), False).forward(z), _weighted(z, p)
        away = _shifted(z)
        with np.errstate(invalid="ignore"):
            self.exact = LogSumExp((-1,), False).forward(away) - _weighted(away, p)

    def expressions(self, n: int) -> None:
        return None

    def forward(self, *data: Any) -> Any:
        total, expected = data
        with np.errstate(invalid="ignore"):  # other data may be given for the operands
            return (
                self.exact
                + np.where(total == self.total, 0.0, total - self.total)
                - np.where(expected == self.expected, 0.0, expected - self.expected)
            )

    def written(self, *data: Any) -> Any:
        return data[0] - data[1]


_EXPECTED = _Expected()


def one_hot(numbers: Any, logits: Value) -> Any:
    """Class numbers as probabilities: 1 for the class, 0 for the others, in the logits' shape and precision.

    >>> one_hot(np.array([1, 0]), Value([[0.5, 0.1], [0.2, 0.3]]))
    array([[0., 1.],
           [1., 0.]])
    """
    found = np.zeros((*np.shape(numbers), logits.shape[-1]), logits.dtype)
    np.put_along_axis(found, np.asarray(numbers).astype(np.intp)[..., None], 1.0, axis=-1)
    return found


@function(method=False)
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


@function(method=False)
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
    unsigned = numbers.view(_UNSIGNED[numbers.dtype])  # one below 0 is a very large one: one reduction is enough
    if np.maximum.reduce(unsigned) >= shape[1]:
        low, high = int(np.minimum.reduce(numbers)), int(np.maximum.reduce(numbers))
        raise ArgumentError(
            f"cross_entropy: a class is a number from 0 to {shape[1] - 1} ({shape[1]} logits), "
            f"got {low if low < 0 else high}; convert the labels first"
        )
    return record(CrossEntropy(shape[0]), (logits, labels if isinstance(labels, Value) else numbers))
