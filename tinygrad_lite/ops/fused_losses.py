"""Costs that are one op each: their local derivative is what people write, the difference of output and target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.maps import Chain, SumOver
from ..core.shapes import ndim_of, shape_of
from ..core.value import Op, Value, describe, plain, raw, record
from ..errors import ArgumentError, ShapeError
from .activations import softmax
from .axes import all_axes
from .registry import function

__all__ = ["CrossEntropy", "HalfSquaredError", "cross_entropy", "half_squared_error"]


_WHOLE = ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")
_UNSIGNED = {np.dtype(f"{order}{kind}"): np.dtype(f"{order}u{kind[1]}") for order in "<>" for kind in _WHOLE}


@dataclass(slots=True)
class HalfSquaredError(Op):
    """``Σ (y - t)² / (2 divisor)`` as one op: its local derivative is the difference itself."""

    divisor: float
    name = "half_squared_error"
    sign = "½Σ(y-t)²"

    def forward(self, *data: Any) -> Any:
        difference = data[0] - data[1]
        if not ndim_of(difference):
            return difference * difference / (2.0 * self.divisor)
        difference = difference.reshape(-1)
        return difference.dot(difference) / (2.0 * self.divisor)  # not vdot, which would conjugate a complex step

    def written(self, *data: Any) -> Any:
        return np.sum((data[0] - data[1]) ** 2.0) / (2.0 * self.divisor)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        shape = shape_of(operands[k])
        return (SumOver(shape, all_axes(len(shape)), False, self._slope(k, operands)),)

    def pull(self, k: int, g: Any, operands: Sequence[Any], out: Any) -> Any:
        return _times(self._slope(k, operands), g)

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
        return (SumOver(shape_of(operands[0]), (-2, -1), False, self._slope(*operands)),)

    def pull(self, k: int, g: Any, operands: Sequence[Any], out: Any) -> Any:
        return None if k == 1 else _times(self._slope(*operands), g)

    def _slope(self, logits: Any, labels: Any) -> Any:
        if isinstance(logits, Value):
            n, dtype = logits.shape[-1], logits.dtype
            return (softmax(logits) - plain(lambda labels: np.eye(n, dtype=dtype)[labels], labels)) / len(labels)
        if self._kept is None or self._kept[0] is not logits:
            self.forward(logits, labels)
        assert self._kept is not None
        slope = self._kept[1] / self._kept[2]
        slope[np.arange(len(labels)), labels] -= 1.0
        slope /= len(labels)
        return slope


def _times(slope: Any, g: Any) -> Any:
    """``slope * g``, without a product for the 1 that backward starts from."""
    return slope if type(g) is float and g == 1.0 else slope * g


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
    return record(CrossEntropy(), (logits, labels if isinstance(labels, Value) else numbers))
