"""Inverses, solutions, determinants and powers of matrices, alone or in stacks.

The derivative of an inverse or a solution is two contractions; of a determinant, its cofactors. Source: M. Giles,
*An extended collection of matrix derivative results for forward and reverse mode algorithmic differentiation*, 2008.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from ..core.maps import Chain, Contract, SumOver
from ..core.shapes import ndim_of, shape_of
from ..core.value import Op, Value, describe, on_constants, raw, record
from ..errors import ArgumentError, ShapeError, ValueTypeError
from . import elementary
from .axes import LETTERS
from .dense import Dense
from .products import matmul
from .rearrangement import flip, roll
from .reductions import sum as total
from .registry import function
from .reshaping import broadcast_to, expand_dims, reshape, transposed

__all__ = [
    "Det", "Inv", "LogAbsDet", "SlogdetResult", "Solve", "det", "inv", "matrices", "matrix_power", "multi_dot",
    "numerically", "real", "slogdet", "solve",
]  # fmt: skip


class SlogdetResult(NamedTuple):
    """The sign of a determinant, a constant, and the logarithm of its size."""

    sign: Any
    logabsdet: Any


def matrices(x: Any, who: str, square: bool = True) -> Any:
    """``x`` itself. Raises ``ShapeError`` unless it is a matrix or a stack of them, and square if ``square``."""
    shape = shape_of(x)
    if len(shape) < 2 or (square and shape[-1] != shape[-2]):
        kind = "square matrices" if square else "matrices"
        raise ShapeError(f"{who}: needs {kind}, alone or in a stack, got {describe(x)}")
    return x


def numerically(who: str, function: Callable[..., Any], *data: Any) -> Any:
    """NumPy's function. Its ``LinAlgError`` is raised as our ``ArgumentError``."""
    try:
        return function(*(x if hasattr(x, "__array_function__") else np.asanyarray(x) for x in data))
    except np.linalg.LinAlgError as error:
        raise ArgumentError(
            f"{who}: the matrix of shape {shape_of(data[0])} has none ({error}); look at its "
            "numbers, a little added to the diagonal may help"
        ) from None


def real(who: str, x: Any) -> Any:
    """``x`` itself. Raises ``ValueTypeError`` for complex numbers: these functions are not analytic."""
    if np.iscomplexobj(x):
        raise ValueTypeError(f"{who}: complex numbers are not supported, got shape {shape_of(x)}; take their parts")
    return x


# ---- ops


class Inv(Op):
    """The inverse Y: dY = -Y dA Y."""

    name = "inv"
    sign = "⁻¹"

    def forward(self, *data: Any) -> Any:
        return numerically("inv", np.linalg.inv, data[0])

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        b = LETTERS[: ndim_of(out) - 2]
        return (Contract(f"{b}ij", f"{b}il", f"{b}lj", out), Contract(f"{b}il", f"{b}kl", f"{b}ik", -out))


class Solve(Op):
    """X of A X = B: dX = A⁻¹ (dB - dA X). The stacks of both have one shape."""

    name = "solve"
    sign = "A⁻¹B"

    def forward(self, *data: Any) -> Any:
        return numerically("solve", np.linalg.solve, *data)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        b = LETTERS[: ndim_of(out) - 2]
        inverse = inv(operands[0])
        if k == 1:
            return (Contract(f"{b}im", f"{b}km", f"{b}ik", inverse),)
        return (Contract(f"{b}im", f"{b}il", f"{b}lm", out), Contract(f"{b}il", f"{b}kl", f"{b}ik", -inverse))

    def pull(self, k: int, g: Any, operands: Sequence[Any], out: Any) -> Any:
        back = np.linalg.solve(np.swapaxes(operands[0], -1, -2), g)  # as exact as the solution itself
        return back if k else -back @ np.swapaxes(out, -1, -2)


class Det(Op):
    """The determinant: its derivative at an element is the cofactor, at singular matrices too."""

    name = "det"
    sign = "det"

    def forward(self, *data: Any) -> Any:
        return np.linalg.det(data[0])

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        return (SumOver(shape_of(operands[0]), (-2, -1), False, _cofactors(operands[0])),)


def _cofactors(x: Any) -> Any:
    """The cofactor of each element: products of few elements without a division, or an op of its own."""
    n = shape_of(x)[-1]
    if n < 2:
        return np.ones(shape_of(x), raw(x).dtype)
    if n == 2:
        return flip(x, (-2, -1)) * np.array([[1.0, -1.0], [-1.0, 1.0]], raw(x).dtype)
    if n > 3:
        return record(Cofactors(), (x,))
    first, second = roll(x, -1, -2), roll(x, -2, -2)
    return roll(first, -1, -1) * roll(second, -2, -1) - roll(first, -2, -1) * roll(second, -1, -1)


@dataclass(slots=True)
class Cofactors(Op):
    """The derivative of the determinant of large matrices.

    Where elimination finds no zero it is ``det(A) A⁻ᵀ``: both have the error of the same last pivot, which cancels, so
    that a matrix near a singular one costs no digits. Otherwise, and for the derivative, A = U diag(s) Vᵀ: there a
    cofactor is a product of singular values, and no difference of large numbers is taken.
    """

    name = "cofactors"
    sign = "cof"

    def forward(self, *data: Any) -> Any:
        x = data[0]
        det = np.linalg.det(x)[..., None, None]
        singular = det == 0.0
        with np.errstate(all="ignore"):
            out = det * np.swapaxes(np.linalg.inv(np.where(singular, np.eye(x.shape[-1], dtype=x.dtype), x)), -1, -2)
        if not np.any(singular):
            return out
        u, s, vh, sign = _singular_values(x)
        before, after = _beside(s)
        return np.where(singular, sign * ((u * (before * after)[..., None, :]) @ vh), out)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        x = operands[0]
        shape = shape_of(x)
        back = _back_by_inverse(x) if isinstance(x, Value) else _back_by_singular_values(x)
        return (Dense("det", shape, shape, len(shape) - 2, back),)


def _singular_values(x: Any) -> tuple[Any, Any, Any, Any]:
    """U, s and Vᵀ, and the sign of the determinant of U Vᵀ."""
    u, s, vh = np.linalg.svd(x)
    return u, s, vh, np.rint(np.linalg.det(u) * np.linalg.det(vh))[..., None, None].astype(x.dtype)


def _beside(s: Any) -> tuple[Any, Any]:
    """For each singular value the product of those before it, and of those after it."""
    one = np.ones_like(s[..., :1])
    before = np.cumprod(np.concatenate([one, s[..., :-1]], -1), -1)
    return before, np.cumprod(np.concatenate([one, s[..., :0:-1]], -1), -1)[..., ::-1]


def _others_of_pairs(s: Any) -> Any:
    """For each pair of singular values the product of the others; 0 for one and itself."""
    n = s.shape[-1]
    before, after = _beside(s)
    previous = np.roll(s, 1, -1)[..., None, :]
    between = np.cumprod(np.where(np.tri(n, k=-2, dtype=bool).T, previous, s.dtype.type(1)), -1)
    pairs = before[..., :, None] * between * after[..., None, :] * np.tri(n, k=-1, dtype=bool).T
    return pairs + np.swapaxes(pairs, -1, -2)


def _back_by_singular_values(x: Any) -> Callable[[Any], Any]:
    u, s, vh, sign = _singular_values(x)
    pairs, unit = _others_of_pairs(s), np.eye(s.shape[-1], dtype=s.dtype)

    def back(g: Any) -> Any:
        f = matmul(matmul(np.swapaxes(u, -1, -2), g), np.swapaxes(vh, -1, -2))
        found = matmul(pairs, total(f * unit, -1, keepdims=True)) * unit - transposed(f) * pairs
        return matmul(matmul(u, found), vh) * sign

    return back


def _back_by_inverse(x: Value) -> Callable[[Any], Any]:
    inverse, size = inv(x), expand_dims(det(x), (-2, -1))

    def back(g: Any) -> Any:
        turned = transposed(inverse)
        trace = total(turned * g, (-2, -1), keepdims=True)
        return size * (trace * turned - matmul(matmul(turned, transposed(g)), turned))

    return back


class LogAbsDet(Op):
    """The logarithm of the determinant's size: its derivative is the inverse, transposed."""

    name = "logabsdet"
    sign = "log|det|"

    def forward(self, *data: Any) -> Any:
        return np.linalg.slogdet(real(self.name, data[0]))[1]

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        return (SumOver(shape_of(operands[0]), (-2, -1), False, transposed(inv(operands[0]))),)


@function(numpy=np.linalg.inv)
def inv(x: Any) -> Any:
    """The inverse of each square matrix.

    Raises ``ArgumentError`` for a singular matrix, ``ShapeError`` unless the matrices are square.

    >>> inv(Value([[2.0, 0.0], [0.0, 4.0]])).data.tolist()
    [[0.5, 0.0], [0.0, 0.25]]
    """
    return record(Inv(), (matrices(x, "inv"),))


@function(numpy=np.linalg.solve, method=False)
def solve(a: Any, b: Any) -> Any:
    """The ``x`` with ``a @ x = b``. Shapes: a (…, n, n), b (…, n, k) or (n,); leading axes broadcast.

    Raises ``ArgumentError`` for a singular matrix, ``ShapeError`` if the shapes do not fit.

    >>> solve(Value([[2.0, 0.0], [0.0, 4.0]]), [2.0, 2.0]).data
    array([1. , 0.5])
    """
    matrices(a, "solve")
    if ndim_of(b) == 1:
        return solve(a, reshape(b, (-1, 1)))[..., 0]
    if shape_of(a)[-1] != shape_of(matrices(b, "solve", square=False))[-2]:
        raise ShapeError(f"solve: {describe(a)} and {describe(b)} have different numbers of rows")
    stack = np.broadcast_shapes(shape_of(a)[:-2], shape_of(b)[:-2])
    a, b = (x if shape_of(x)[:-2] == stack else broadcast_to(x, stack + shape_of(x)[-2:]) for x in (a, b))
    return record(Solve(), (a, b))


@function(numpy=np.linalg.det, orders="all; at singular matrices larger than 3 × 3 up to 2")
def det(x: Any) -> Any:
    """The determinant of each square matrix. At singular matrices larger than 3 × 3 derivatives above order 2 raise.

    Raises ``ShapeError`` unless the matrices are square.

    >>> det(Value([[2.0, 0.0], [0.0, 1.0]])).data
    2.0
    """
    return record(Det(), (matrices(x, "det"),))


@function(numpy=np.linalg.slogdet, returns="tuple[Value, ...]", note="the sign is a constant")
def slogdet(x: Any) -> SlogdetResult:
    """The sign of the determinant, which is a constant, and the logarithm of its size.

    Raises ``ShapeError`` unless the matrices are square.

    >>> slogdet(Value(np.eye(2))).logabsdet.data
    0.0
    """
    sign = on_constants(lambda a: np.linalg.slogdet(a)[0], matrices(x, "slogdet"))
    return SlogdetResult(sign, record(LogAbsDet(), (x,)))


@function(numpy=np.linalg.matrix_power)
def matrix_power(x: Any, n: int) -> Any:
    """The product of ``n`` copies of each matrix; of -n copies of its inverse if ``n`` is negative.

    Raises ``ArgumentError`` unless ``n`` is an integer, ``ShapeError`` unless the matrices are square.

    >>> matrix_power(Value([[2.0, 0.0], [0.0, 1.0]]), 3).data.tolist()
    [[8.0, 0.0], [0.0, 1.0]]
    """
    if isinstance(n, bool) or not isinstance(n, int | np.integer):
        raise ArgumentError(f"matrix_power: n is an integer, got {n!r}")
    size = shape_of(matrices(x, "matrix_power"))[-1]
    if n < 0:
        x, n = inv(x), -n
    if n < 2:
        return elementary.mul(x, 1.0) if n else elementary.mul(x, 0.0) + np.eye(size, dtype=raw(x).dtype)
    power: Any = None
    while n:  # squares of squares: log2(n) products
        power = x if n % 2 and power is None else matmul(power, x) if n % 2 else power
        n //= 2
        x = matmul(x, x) if n else x
    return power


@function(numpy=np.linalg.multi_dot, method=False)
def multi_dot(xs: Sequence[Any]) -> Any:
    """The product of all matrices, from left to right.

    Raises ``ArgumentError`` for fewer than two.

    >>> multi_dot([Value(np.eye(2)), 2 * np.eye(2), np.ones((2, 1))]).data.tolist()
    [[2.0], [2.0]]
    """
    if len(xs) < 2:
        raise ArgumentError(f"multi_dot: needs two matrices at least, got {len(xs)}")
    return reduce(matmul, xs)
