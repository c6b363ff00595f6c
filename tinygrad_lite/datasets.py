"""Small data sets, as plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import ArgumentError

__all__ = ["half_adder", "one_hot", "xor"]

Array = npt.NDArray[np.float64]


def half_adder() -> tuple[Array, Array]:
    """The sum of two bits: inputs (4, 2), and targets (4, 2) of which the first is the sum and the second the carry.

    >>> x, t = half_adder()
    >>> [(*map(int, bits), *map(int, out)) for bits, out in zip(x, t)]
    [(0, 0, 0, 0), (0, 1, 1, 0), (1, 0, 1, 0), (1, 1, 0, 1)]
    """
    x = _two_bits()
    a, b = x.T
    return x, np.stack([a + b - 2 * a * b, a * b], axis=1)


def xor() -> tuple[Array, Array]:
    """Whether two bits differ: inputs (4, 2), and targets (4, 2), the classes "equal" and "different".

    The class is the larger output's: ``targets.argmax(axis=1)`` are the labels 0, 1, 1, 0.

    >>> x, t = xor()
    >>> t.argmax(axis=1)
    array([0, 1, 1, 0])
    """
    x = _two_bits()
    return x, one_hot(x.sum(axis=1) == 1, 2)


def one_hot(labels: Any, classes: int) -> Array:
    """Class numbers of shape (samples,) as rows of zeros with a 1 at the class, of shape (samples, classes).

    Raises ``ArgumentError`` for a label that is not a whole number from 0 to classes - 1.

    >>> one_hot([2, 0], 3)
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    numbers = np.asarray(labels)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iub":
        raise ArgumentError(
            f"one_hot: needs class numbers of shape (samples,), got shape {numbers.shape} of {numbers.dtype}; "
            "convert them with .astype(int)"
        )
    numbers = numbers.astype(np.intp)
    if numbers.size and (numbers.min() < 0 or numbers.max() >= classes):
        worst = numbers[(numbers < 0) | (numbers >= classes)][0]
        raise ArgumentError(
            f"one_hot: a class is a number from 0 to {classes - 1}, got {worst}; pass more classes, or other labels"
        )
    rows = np.zeros((len(numbers), classes))
    rows[np.arange(len(numbers)), numbers] = 1.0
    return rows


def _two_bits() -> Array:
    return np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
