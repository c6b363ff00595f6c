"""Derivatives from values alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

STEP = 1e-3  # an extrapolated central difference then has an error near 1e-12, of truncation and of rounding


def slope(f: Callable[[float], Any], step: float = STEP) -> Any:
    """The derivative of f at 0 by central differences of h and h/2, extrapolated (L. F. Richardson, 1911).

    >>> round(float(slope(lambda t: np.exp(2 * t))), 10)
    2.0
    """
    coarse = (f(step) - f(-step)) / (2 * step)
    fine = (f(step / 2) - f(-step / 2)) / step
    return (4 * fine - coarse) / 3


def complex_step(f: Callable[..., Any], operands: Sequence[Any], k: int) -> Any:
    """The derivative of an analytic f with respect to operand k, element by element, to the last digit (J. N. Lyness
    and C. B. Moler, *Numerical differentiation of analytic functions*, 1967).

    >>> complex_step(lambda x, y: x * y * y, [np.array([3.0, 1.0]), 2.0], 1)
    array([12.,  4.])
    """
    moved = list(operands)
    moved[k] = np.asarray(operands[k], dtype=complex) + 1e-30j
    return np.imag(f(*moved)) / 1e-30


def unbroadcast(gradient: Any, shape: tuple[int, ...]) -> Any:
    """A gradient summed over the elements that one element of an operand of this shape was repeated to.

    >>> unbroadcast(np.ones((2, 3)), (3,))
    array([2., 2., 2.])
    """
    gradient = np.asarray(gradient)
    total = np.zeros(shape)
    padded = (1,) * (gradient.ndim - len(shape)) + tuple(shape)
    for index in np.ndindex(gradient.shape):
        own = tuple(0 if n == 1 else i for i, n in zip(index, padded, strict=True))
        total[own[gradient.ndim - len(shape) :]] += gradient[index]
    return total
