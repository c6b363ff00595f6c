"""Losses: one scalar Value from a network's outputs and their targets.

**What a sample is**, the same for every loss: the last axis holds the outputs of one sample, and the axes in front of
it count the samples. Shape (samples, outputs) is the usual one; (outputs,) is *one* sample, and (batch, time, outputs)
is batch · time samples. Lists of scalar Values, which networks of scalars return, mean the same: a list of lists has
one list for each sample, and a flat list holds the outputs of one sample. But scalars that have one name, up to the
``@`` and number of a sample (``n20@0``, ``n20@1``, …), are the one output of several samples, of shape (samples, 1).

Targets have the outputs' shape exactly: nothing is broadcast, as (4,) against (4, 1) would silently give 16
differences. (For a flat list of samples a flat list of targets will do.) Targets that are plain numbers become
constants named ``t``, or ``t0``, ``t1``, … beside scalars, with ``@`` and the number of the sample where there are
several. The result is named ``C``, for cost.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from ..core.elementwise import weighted_sum
from ..core.shapes import Shape
from ..core.value import Value, as_data, constant, plain, record
from ..errors import ArgumentError, ShapeError, ValueTypeError
from ..graph import naming
from ..ops import elementary as E
from ..ops import functions as F
from ..ops.fused_losses import CrossEntropy, HalfSquaredError, LogisticLoss, one_hot

__all__ = ["binary_cross_entropy", "cross_entropy", "half_squared_error", "hinge", "mse"]


Reduction = Literal["mean", "sum"]


def half_squared_error(outputs: Any, targets: Any, reduction: Reduction = "mean") -> Value:
    """Half the squared differences, so that the 2 cancels in the derivative.

    ``reduction="mean"`` divides by the number of samples: C = Σ_samples Σ_outputs (y - t)² / (2 · samples), of
    derivative (y - t) / samples. ``"sum"`` does not: C = ½ Σ (y - t)², of derivative y - t. For one sample they are the
    same.

    Raises ``ShapeError`` unless outputs and targets have the same shape.

    >>> y = Value([[0.5, 0.25], [1.0, 0.0]])
    >>> t = [[1.0, 0.0], [1.0, 1.0]]
    >>> half_squared_error(y, t).item(), half_squared_error(y, t, "sum").item()
    (0.328125, 0.65625)
    """
    if isinstance(outputs, Value) and outputs.size:
        _check_reduction("half_squared_error", reduction)
        t = _target_value("half_squared_error", outputs, targets)
        divisor = _samples(outputs.shape) if reduction == "mean" else 1.0
        return _named(record(HalfSquaredError(divisor), (outputs, t)))  # the shapes are known to be equal
    return _reduced("half_squared_error", outputs, targets, _squared_difference, 2.0, _samples, reduction)


def mse(outputs: Any, targets: Any, reduction: Reduction = "mean") -> Value:
    """The mean squared error over all elements: Σ (y - t)² / elements, or the sum alone.

    Raises ``ShapeError`` unless outputs and targets have the same shape.

    >>> mse(Value([1.0, 3.0]), [0.0, 1.0]).item()
    2.5
    """
    return _reduced("mse", outputs, targets, _squared_difference, 1.0, math.prod, reduction)


def binary_cross_entropy(logits: Any, targets: Any, reduction: Reduction = "mean") -> Value:
    """The cross-entropy of yes-or-no answers, in nats, from logits: -t ln σ(z) - (1 - t) ln (1 - σ(z)).

    The mean over all elements, or the sum. A target is a probability: 0, 1 or between. Computed as t · softplus(-z) +
    (1 - t) · softplus(z), to full precision for logits of any size; the derivative is σ(z) - t.

    Raises ``ShapeError`` unless logits and targets have the same shape, ``ArgumentError`` for a target outside [0, 1].

    >>> binary_cross_entropy(Value([0.0, 1e4]), [1.0, 1.0]).item()
    0.34657359027997264
    """

    def check(t: Any) -> None:
        _require("binary_cross_entropy", t, (t >= 0) & (t <= 1), "a target is a probability between 0 and 1")

    if isinstance(logits, Value) and logits.shape and logits.size:
        _check_reduction("binary_cross_entropy", reduction)
        t = _target_value("binary_cross_entropy", logits, targets)
        check(t.data)
        return _named(record(LogisticLoss(float(logits.size) if reduction == "mean" else 1.0), (logits, t)))
    return _reduced("binary_cross_entropy", logits, targets, _log_loss, 1.0, math.prod, reduction, check)


def hinge(scores: Any, labels: Any, margin: float = 1.0, reduction: Reduction = "mean") -> Value:
    """max(0, margin - t · y) for labels t of -1 and 1, mean over all elements: no loss beyond the margin.

    Raises ``ShapeError`` unless scores and labels have the same shape, ``ArgumentError`` for another label.

    >>> hinge(Value([2.0, 0.5, 0.5]), [1, 1, -1]).item()
    0.6666666666666666
    """

    def check(t: Any) -> None:
        _require("hinge", t, (t == 1) | (t == -1), "a label is -1 or 1")

    def term(y: Any, t: Any) -> Any:
        return E.relu(margin - t * y)

    return _reduced("hinge", scores, labels, term, 1.0, math.prod, reduction, check)


def cross_entropy(logits: Any, labels: Any, reduction: Reduction = "mean") -> Value:
    """The cross-entropy of a choice among classes, in nats: -Σ_classes p ln softmax(logits), mean over the samples.

    ``logits`` has shape (samples, classes), or (classes,) for one sample, and may have more axes in front. ``labels``
    are the numbers of the right classes, integers of shape (samples,), no floats; or probabilities of the logits' shape
    (one-hot, for example). Stable for logits of any size. The derivative is (softmax(logits) - p) / samples.

    Raises ``ShapeError`` for labels of another shape, ``ArgumentError`` for a class that there is not, class numbers
    that are floats or truth values, or rows of probabilities that do not sum to 1.

    >>> cross_entropy(Value([[0.0, 0.0], [1e4, 0.0]]), [1, 0]).item()
    0.34657359027997264
    """
    _check_reduction("cross_entropy", reduction)
    logits, _ = _as_samples("cross_entropy", logits, labels)
    if isinstance(logits, list | tuple):
        logits = _joined("cross_entropy", logits)
    z = _as_value(logits)
    if not z.shape or not z.size:
        raise ShapeError(
            f"cross_entropy: needs logits of shape (samples, classes), got {z.shape}; put the classes last"
        )
    numbers = labels.data if isinstance(labels, Value) else labels
    whole = type(numbers) is np.ndarray and numbers.ndim == 1 and numbers.dtype.kind in "iu"
    if whole and z.ndim == 2 and reduction == "mean":  # the usual case, checked in a tenth of the time
        return _named(F.cross_entropy(z, labels if isinstance(labels, Value) else constant(numbers, "t")))
    samples = _samples(z.shape) if reduction == "mean" else 1.0
    return _named(record(CrossEntropy(samples), (z, _classes(z, labels))))


# ---- one element ----------------------------------------------------------------------------------------------------


def _squared_difference(y: Any, t: Any) -> Any:
    return E.square(y - t)


def _log_loss(z: Any, t: Any) -> Any:
    return t * E.softplus(-z) + (1.0 - t) * E.softplus(z)


# ---- all elements ---------------------------------------------------------------------------------------------------


def _samples(shape: Shape) -> int:
    """How many samples outputs of this shape have: the last axis holds the outputs of one."""
    return math.prod(shape[:-1])


def _as_samples(who: str, outputs: Any, targets: Any) -> tuple[Any, Any]:
    """A flat list of one output for several samples as a list of lists, its targets too; anything else as it is.

    Raises ``ShapeError`` for a flat list of several outputs for several samples.
    """
    if not isinstance(outputs, list | tuple) or not all(type(x) is Value and x.name is not None for x in outputs):
        return outputs, targets
    names = {naming.without_sample(x.name) for x in outputs}
    several = isinstance(targets, list | tuple) or getattr(targets, "ndim", 0) > 0
    if len(names) == len(outputs) and not (len(names) == 1 and several):  # the outputs of one sample
        return outputs, targets
    if len(names) > 1:
        raise ShapeError(
            f"{who}: {', '.join(map(repr, sorted(names)[:3]))} are outputs of several samples in a flat list; "
            "pass a list of lists, one for each sample"
        )
    if isinstance(targets, Value | np.ndarray):
        targets = targets[:, None] if targets.ndim == 1 else targets
    elif isinstance(targets, list | tuple) and not any(isinstance(t, list | tuple | np.ndarray) for t in targets):
        targets = [[t] for t in targets]
    return [[x] for x in outputs], targets


def _reduced(
    who: str,
    outputs: Any,
    targets: Any,
    term: Callable[[Any, Any], Any],
    divisor: float,
    count: Callable[[Shape], int],
    reduction: str,
    check: Callable[[Any], None] | None = None,
) -> Value:
    """The sum of ``term(y, t)`` over all elements, divided by ``divisor``; for the mean also by ``count(shape)``."""
    _check_reduction(who, reduction)
    outputs, targets = _as_samples(who, outputs, targets)
    y = None if isinstance(outputs, list | tuple) else _as_value(outputs)
    shape, scalars = _listed(who, outputs) if y is None else (y.shape, [])
    if not math.prod(shape):
        raise ShapeError(f"{who}: needs at least one output, got shape {shape}; pass outputs and their targets")
    data = _target_data(targets)
    _same_shape(who, shape, data.shape)
    if check is not None:
        check(data)
    if reduction == "mean":
        divisor *= count(shape)
    if y is None:
        # One sum of all terms, weighted alike: a chain of additions would make the first paths longer than the last.
        terms = [term(output, t) for output, t in zip(scalars, _target_scalars(targets, data), strict=True)]
        share = constant(1.0 / divisor)
        return _named(weighted_sum(terms, [share] * len(terms)))
    terms = term(y, _target_value(who, y, targets))
    total = F.sum(terms) if terms.shape else terms
    return _named(total if divisor == 1.0 else total / divisor)


def _same_shape(who: str, outputs: Shape, targets: Shape) -> None:
    if targets != outputs:
        raise ShapeError(
            f"{who}: outputs and targets need the same shape, got {outputs} and {targets}; "
            "reshape one of them: nothing is broadcast here"
        )


def _named(loss: Value) -> Value:
    loss.name = "C"
    return loss


def _check_reduction(who: str, reduction: str) -> None:
    if reduction not in ("mean", "sum"):
        raise ArgumentError(f"{who}: reduction is 'mean' or 'sum', got {reduction!r}; choose one")


# ---- outputs --------------------------------------------------------------------------------------------------------


def _as_value(outputs: Any) -> Value:
    return outputs if isinstance(outputs, Value) else Value(outputs, requires_grad=False)


def _listed(who: str, outputs: Any) -> tuple[Shape, list[Any]]:
    """The shape of a list, or list of lists, of scalar Values, and all of them one after the other."""
    rows = [row if isinstance(row, list | tuple) else None for row in outputs]
    nested = any(row is not None for row in rows)
    if nested and (None in rows or len({len(row) for row in rows if row is not None}) > 1):
        raise ShapeError(f"{who}: the lists of outputs are not of equal lengths; every sample needs the same outputs")
    flat = [item for row in rows if row is not None for item in row] if nested else list(outputs)
    for item in flat:
        if isinstance(item, Value) and item.shape:
            raise ShapeError(
                f"{who}: a list of outputs holds scalars, got a Value of shape {item.shape}; "
                "join arrays with tinygrad_lite.stack([…])"
            )
        if not isinstance(item, Value | float | int):
            raise ValueTypeError(f"{who}: a list of outputs holds scalar Values, got {type(item).__name__}")
    return ((len(rows), len(rows[0] or ())) if nested else (len(flat),)), flat


def _joined(who: str, outputs: Any) -> Value:
    """A list, or list of lists, of scalar Values as one Value of that shape."""
    shape, flat = _listed(who, outputs)
    if not any(isinstance(item, Value) for item in flat):
        return Value(np.reshape(flat, shape), requires_grad=False)
    joined: Value = F.reshape(F.stack(flat), shape)
    return joined


# ---- targets --------------------------------------------------------------------------------------------------------


def _target_data(targets: Any) -> np.ndarray[Any, np.dtype[Any]]:
    """The numbers of the targets, whatever they are in."""

    def numbers(item: Any) -> Any:
        if isinstance(item, list | tuple):
            return [numbers(inner) for inner in item]
        return item.data if isinstance(item, Value) else item

    return np.asarray(as_data(numbers(targets), keep_integers=True, copy=False))


def _target_value(who: str, outputs: Value, targets: Any) -> Value:
    """The targets of an array of outputs: a Value as it is, numbers as a constant of the outputs' dtype."""
    own = outputs._data
    if type(targets) is type(own) is np.ndarray and targets.dtype is own.dtype and targets.shape == own.shape:
        return constant(targets, "t")  # the usual case, in a third of the time
    if isinstance(targets, Value):
        _same_shape(who, outputs.shape, targets.shape)
        return targets
    data = targets if type(targets) is np.ndarray else _target_data(targets)
    _same_shape(who, outputs.shape, data.shape)
    return constant(as_data(data.astype(outputs.dtype, copy=False), keep_integers=False, copy=False), "t")


def _target_scalars(targets: Any, data: np.ndarray[Any, np.dtype[Any]]) -> list[Value]:
    """The targets one by one, for outputs that are scalars."""
    samples, width = _samples(data.shape), data.shape[-1]
    scalars = []
    for k, item in enumerate(_flat(targets)):
        if not isinstance(item, Value):
            sample, output = divmod(k, width)
            item = constant(float(item), f"t{output}@{sample}" if samples > 1 else f"t{output}")
        scalars.append(item)
    return scalars


def _flat(targets: Any) -> list[Any]:
    if isinstance(targets, list | tuple):
        return [item for inner in targets for item in _flat(inner)]
    if isinstance(targets, Value):
        return list(F.reshape(targets, -1)) if targets.shape else [targets]
    numbers: list[Any] = np.ravel(targets).tolist()
    return numbers


def _kind_of(labels: Any) -> str:
    """The kind of class numbers, however they are given: ``i`` if all are integers, ``b`` if one is a truth value."""
    if isinstance(labels, list | tuple):
        kinds = set(map(_kind_of, labels))
        return next((kind for kind in "bf" if kind in kinds), "i")
    if isinstance(labels, Value) and not labels.shape and labels._one().is_integer():
        return "i"  # a scalar Value holds a float only
    kind = (labels if isinstance(labels, Value) else np.asarray(labels)).dtype.kind
    return kind if kind in "ib" else "i" if kind == "u" else "f"


def _require(who: str, t: Any, good: Any, rule: str) -> None:
    if not np.all(good):
        worst = np.asarray(t)[~np.asarray(good)].flat[0]
        raise ArgumentError(f"{who}: {rule}, got {worst:g}; convert the targets first")


# ---- classes --------------------------------------------------------------------------------------------------------


def _classes(z: Value, labels: Any) -> Value:
    """The labels as ``CrossEntropy`` takes them: class numbers for logits with two axes, else probabilities."""
    data = _target_data(labels)
    classes = z.shape[-1]
    if data.shape == z.shape:
        _require("cross_entropy", data, data >= 0, "a probability is at least 0")
        sums = data.sum(axis=-1)
        _require("cross_entropy", sums, np.abs(sums - 1.0) <= 1e-6, "the probabilities of one sample sum to 1")
        given = isinstance(labels, Value)
        return labels if given else Value(data.astype(z.dtype, copy=False), "t", requires_grad=False)
    if data.shape != z.shape[:-1]:
        raise ShapeError(
            f"cross_entropy: for logits of shape {z.shape} needs class numbers of shape {z.shape[:-1]} "
            f"or probabilities of shape {z.shape}, got {data.shape}; reshape the labels"
        )
    if data.size and (kind := _kind_of(labels)) != "i":
        got = "truth values" if kind == "b" else f"floats such as {data.flat[0]:g}"
        raise ArgumentError(
            f"cross_entropy: class numbers are integers, got {got}; convert them with .astype(int), or pass "
            f"probabilities of shape {z.shape}"
        )
    rule = f"a class is a number from 0 to {classes - 1} ({classes} logits)"
    _require("cross_entropy", data, (data >= 0) & (data < classes), rule)

    def converted(numbers: Any) -> Any:
        return np.asarray(numbers).astype(np.intp) if z.ndim == 2 else one_hot(numbers, z)

    if not isinstance(labels, Value):
        return constant(converted(data), "t")
    kept = z.ndim == 2 and labels.dtype.kind in "iu"
    return labels if kept else plain(converted, labels, name=labels.name)
