"""Weighted means, covariances and correlations: compositions of sums and products."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.shapes import ndim_of, shape_of
from ..core.value import describe, on_data
from ..errors import ArgumentError, ShapeError
from . import elementary
from .axes import Axis, axes_of, one_axis
from .joining import atleast_2d, concatenate
from .products import matmul
from .rearrangement import diagonal
from .reductions import mean, sum
from .registry import function
from .reshaping import broadcast_to, expand_dims, reshape, squeeze, transpose

__all__ = ["average", "corrcoef", "cov"]


@function(numpy=np.average, returns="Any", note="also with respect to the weights")
def average(x: Any, axis: Axis = None, weights: Any = None, returned: bool = False, keepdims: bool = False) -> Any:
    """The mean along ``axis`` (all axes by default), each element times its weight; ``returned`` adds the weights' sum.

    ``weights`` has the shape of ``x``, or that of its axes in ``axis``, in the same order.

    Raises ``ShapeError`` for weights of another shape, ``ArgumentError`` if they add up to 0.

    >>> from tinygrad_lite import Value
    >>> x = Value([1.0, 5.0])
    >>> y = average(x, weights=[3.0, 1.0])
    >>> y.backward()
    >>> y.data, x.grad
    (2.0, array([0.75, 0.25]))
    """
    axes = axes_of(x, axis, "average")
    if weights is None:
        out = mean(x, axes, keepdims)
        total: Any = float(math.prod(shape_of(x)[k] for k in axes))
    else:
        weights = _beside(x, weights, axis)
        total = sum(weights, axes, keepdims)
        if on_data(lambda data: bool(np.any(np.equal(data, 0.0))), total):
            raise ArgumentError(f"average: the weights of {describe(x)} add up to 0; nothing can be divided by that")
        out = sum(elementary.mul(x, weights), axes, keepdims) / total
    return (out, broadcast_to(total, shape_of(out))) if returned else out


def _beside(x: Any, weights: Any, axis: Axis) -> Any:
    """The weights with the axes of ``x``, of length one where all elements have the same."""
    shape = shape_of(x)
    if shape_of(weights) == shape:
        return weights
    places = () if axis is None else (axis,) if isinstance(axis, int | np.integer) else tuple(axis)
    places = tuple(one_axis(x, k, len(shape), "average") for k in places)
    if shape_of(weights) != tuple(shape[k] for k in places):
        raise ShapeError(
            f"average: weights of shape {shape_of(weights)} for {describe(x)}; give them its shape, or the lengths of "
            f"its axes in axis={axis!r}"
        )
    ordered = transpose(weights, tuple(int(k) for k in np.argsort(places))) if len(places) > 1 else weights
    return reshape(ordered, tuple(n if k - len(shape) in places else 1 for k, n in enumerate(shape)))


@function(numpy=np.cov, note="also with respect to `aweights`")
def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
) -> Any:
    """The covariances of variables, the rows of ``m`` and ``y`` (the columns unless ``rowvar``): a matrix.

    Sums of products are divided by the number of observations minus ``ddof``: 1, or 0 with ``bias``. ``fweights``
    says how often each observation was made, ``aweights`` how much it weighs. One variable makes a scalar.

    Raises ``ShapeError`` for more than two axes, no numbers, or weights that do not fit; ``ArgumentError`` unless there
    are more observations than ``ddof``.

    >>> cov(np.array([1.0, 3.0]))
    array(2.)
    """
    rows = _variables(m, rowvar)
    if y is not None:
        rows = concatenate([rows, _variables(y, rowvar)], axis=0)
    n = shape_of(rows)[1]
    if 0 in shape_of(rows):
        raise ShapeError(f"cov: needs one variable and one observation at least, got {describe(m)}")
    ddof = (0 if bias else 1) if ddof is None else ddof
    times = None if fweights is None else np.asarray(fweights, dtype=getattr(rows, "dtype", float))
    given = [w for w in (times, aweights) if w is not None]
    if any(shape_of(w) != (n,) for w in given):
        raise ShapeError(f"cov: weights of {describe(m)} are vectors with one for each of {n} observations")
    if not given:
        center, weights, divisor = mean(rows, 1, keepdims=True), None, n - ddof
    else:
        weights = given[0] if len(given) == 1 else elementary.mul(given[1], given[0])
        center, whole = average(rows, 1, weights, keepdims=True), sum(weights)
        lost = ddof if aweights is None or not ddof else ddof * sum(elementary.mul(weights, aweights)) / whole
        divisor = whole - lost
    if on_data(lambda count: bool(count <= 0), divisor):
        raise ArgumentError(f"cov: ddof={ddof} leaves no degree of freedom for {n} observations; lower ddof")
    away = elementary.sub(rows, center)
    weighed = away if weights is None else elementary.mul(away, weights)
    return squeeze(matmul(away, transpose(weighed)) / divisor)


def _variables(m: Any, rowvar: bool) -> Any:
    """The variables as the rows of a matrix."""
    if ndim_of(m) > 2:
        raise ShapeError(f"cov: needs a vector or a matrix, got {describe(m)}")
    return atleast_2d(m) if rowvar or ndim_of(m) < 2 else transpose(m)


@function(numpy=np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True) -> Any:
    """The correlations of variables, as ``cov`` takes them: their covariances over their standard deviations.

    Raises ``ShapeError`` for more than two axes or no numbers.

    >>> corrcoef(np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])).round(12).tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    matrix = cov(x, y, rowvar)
    if not ndim_of(matrix):
        return elementary.div(matrix, matrix)
    deviations = elementary.sqrt(diagonal(matrix))
    return matrix / expand_dims(deviations, 1) / expand_dims(deviations, 0)
