"""Linear algebra: determinants, inverses, solutions, norms and decompositions, of stacks of matrices too.

The derivative of an inverse or a solution is two contractions. That of a decomposition is a ``Dense`` map; the formulas
are those of M. Giles, *An extended collection of matrix derivative results for forward and reverse mode algorithmic
differentiation*, 2008, and J. Townsend, *Differentiating the singular value decomposition*, 2016. A decomposition that
has several results is one op, whose result holds them side by side; they are slices of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from . import elementary, reductions
from .axes import LETTERS, one_axis
from .carrying import cast
from .dense import Dense
from .errors import ArgumentError, ShapeError, ValueTypeError
from .maps import Chain, Contract, SumOver
from .moves import broadcast_to, concatenate, expand_dims, getitem, moveaxis, reshape, swapaxes, tril, triu
from .products import matmul
from .value import Op, Value, describe, ndim_of, on_constants, raw, record, shape_of

__all__ = [
    "EighResult", "QRResult", "SVDResult", "SlogdetResult", "cholesky", "det", "eigh", "eigvalsh", "inv", "matrix_norm",
    "matrix_power", "multi_dot", "pinv", "qr", "slogdet", "solve", "svd", "svdvals", "vector_norm",
]  # fmt: skip

Shape = tuple[int, ...]


class SlogdetResult(NamedTuple):
    """The sign of a determinant, a constant, and the logarithm of its size."""

    sign: Any
    logabsdet: Any


class EighResult(NamedTuple):
    """Eigenvalues in ascending order, and the eigenvectors, the columns of a matrix."""

    eigenvalues: Any
    eigenvectors: Any


class SVDResult(NamedTuple):
    """``U @ diag(S) @ Vh``; singular values in descending order."""

    U: Any
    S: Any
    Vh: Any


class QRResult(NamedTuple):
    """``Q @ R``: orthonormal columns, and an upper triangle."""

    Q: Any
    R: Any


def _t(x: Any) -> Any:
    """The transposes of a stack of matrices."""
    return swapaxes(x, -1, -2)


def _matrices(x: Any, who: str, square: bool = True) -> Any:
    shape = shape_of(x)
    if len(shape) < 2 or (square and shape[-1] != shape[-2]):
        kind = "square matrices" if square else "matrices"
        raise ShapeError(f"{who}: needs {kind}, alone or in a stack, got {describe(x)}")
    return x


def _numerically(who: str, function: Callable[..., Any], *data: Any) -> Any:
    """NumPy's own, whose complaint about the numbers in a matrix becomes ours."""
    try:
        return function(*map(np.asarray, data))
    except np.linalg.LinAlgError as error:
        raise ArgumentError(
            f"{who}: the matrix of shape {shape_of(data[0])} has none ({error}); look at its "
            "numbers, a little added to the diagonal may help"
        ) from None


def _real(who: str, x: Any) -> Any:
    """Refuses complex numbers, of which these functions are not analytic."""
    if np.iscomplexobj(x):
        raise ValueTypeError(f"{who}: complex numbers are not supported, got shape {shape_of(x)}; take their parts")
    return x


# ---- inverses and what is made with them


class Inv(Op):
    """The inverse Y: dY = -Y dA Y."""

    name = "inv"
    sign = "⁻¹"

    def forward(self, *data: Any) -> Any:
        return _numerically("inv", np.linalg.inv, data[0])

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        b = LETTERS[: ndim_of(out) - 2]
        return (Contract(f"{b}ij", f"{b}il", f"{b}lj", out), Contract(f"{b}il", f"{b}kl", f"{b}ik", -out))


class Solve(Op):
    """X of A X = B: dX = A⁻¹ (dB - dA X). The stacks of both have one shape."""

    name = "solve"
    sign = "A⁻¹B"

    def forward(self, *data: Any) -> Any:
        return _numerically("solve", np.linalg.solve, *data)

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
        x = operands[0]
        if isinstance(x, Value):
            return (SumOver(x.shape, (-2, -1), False, expand_dims(out, (-2, -1)) * _t(inv(x))),)
        u, s, vh = np.linalg.svd(x)
        others = np.stack([np.prod(np.delete(s, j, -1), -1) for j in range(s.shape[-1])], -1) if s.size else s
        signs = np.expand_dims(np.linalg.det(u) * np.linalg.det(vh), (-2, -1))
        return (SumOver(x.shape, (-2, -1), False, (signs * (u * others[..., None, :]) @ vh).astype(x.dtype)),)


class LogAbsDet(Op):
    """The logarithm of the determinant's size: its derivative is the inverse, transposed."""

    name = "logabsdet"
    sign = "log|det|"

    def forward(self, *data: Any) -> Any:
        return np.linalg.slogdet(_real(self.name, data[0]))[1]

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        return (SumOver(shape_of(operands[0]), (-2, -1), False, _t(inv(operands[0]))),)


def inv(x: Any) -> Any:
    """The inverse of each square matrix.

    Raises ``ArgumentError`` for a singular one.

    >>> inv(Value([[2.0, 0.0], [0.0, 4.0]])).data.tolist()
    [[0.5, 0.0], [0.0, 0.25]]
    """
    return record(Inv(), (_matrices(x, "inv"),))


def solve(a: Any, b: Any) -> Any:
    """``x`` of ``a @ x = b``; a ``b`` of one axis is a vector. Stacks broadcast.

    Raises ``ArgumentError`` for a singular matrix.
    """
    _matrices(a, "solve")
    if ndim_of(b) == 1:
        return solve(a, reshape(b, (-1, 1)))[..., 0]
    if shape_of(a)[-1] != shape_of(_matrices(b, "solve", square=False))[-2]:
        raise ShapeError(f"solve: {describe(a)} and {describe(b)} have different numbers of rows")
    stack = np.broadcast_shapes(shape_of(a)[:-2], shape_of(b)[:-2])
    a, b = (_spread(x, stack + shape_of(x)[-2:]) for x in (a, b))
    return record(Solve(), (a, b))


def _spread(x: Any, shape: Shape) -> Any:
    return x if shape_of(x) == shape else broadcast_to(x, shape)


def det(x: Any) -> Any:
    """The determinant of each square matrix. At a singular one the gradient is right, higher orders raise."""
    return record(Det(), (_matrices(x, "det"),))


def slogdet(x: Any) -> SlogdetResult:
    """The sign of the determinant, a constant, and the logarithm of its size."""
    sign = on_constants(lambda a: np.linalg.slogdet(a)[0], _matrices(x, "slogdet"))
    return SlogdetResult(sign, record(LogAbsDet(), (x,)))


def matrix_power(x: Any, n: int) -> Any:
    """The product of ``n`` such matrices; of -n inverses."""
    if isinstance(n, bool) or not isinstance(n, int | np.integer):
        raise ArgumentError(f"matrix_power: n is an integer, got {n!r}")
    size = shape_of(_matrices(x, "matrix_power"))[-1]
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


def multi_dot(xs: Sequence[Any]) -> Any:
    """The product of all matrices, from left to right."""
    if len(xs) < 2:
        raise ArgumentError(f"multi_dot: needs two matrices at least, got {len(xs)}")
    return reduce(matmul, xs)


# ---- norms


def vector_norm(x: Any, axis: int | Sequence[int] | None = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """``(Σ |x|**ord)**(1 / ord)`` along ``axis``; for ±inf the largest and smallest size, for 0 how many are not 0.

    Its derivative at 0 is 0.
    """
    if ord == 2:
        return reductions.norm(x, axis, keepdims)
    size = elementary.abs(x)
    if ord in (math.inf, -math.inf):
        return (reductions.max if ord > 0 else reductions.min)(size, axis, keepdims)
    if ord == 0:
        return reductions.sum(on_constants(lambda data: (data != 0).astype(float), x), axis, keepdims)
    if ord == 1:
        return reductions.sum(size, axis, keepdims)
    if isinstance(ord, bool) or not isinstance(ord, int | float | np.number):
        raise ArgumentError(f"norm: ord={ord!r} is no order of a vector's norm; use a number, inf or -inf")
    scale = on_constants(_largest_along(axis), x)  # powers may overflow
    powers = size / scale
    if ord > 0:  # of 0 a power below 1 has an infinite slope
        zero = on_constants(lambda data: data == 0, x)
        powers = elementary.where(zero, 0.0, elementary.pow(elementary.where(zero, 1.0, powers), float(ord)))
    else:
        powers = elementary.pow(powers, float(ord))
    total = reductions.sum(powers, axis, keepdims=True)
    nothing = on_constants(lambda data: data == 0, total)
    root = elementary.pow(elementary.where(nothing, 1.0, total), 1.0 / float(ord)) * scale
    out = elementary.where(nothing, 0.0, root)
    return out if keepdims else reductions.sum(out, axis)


def _largest_along(axis: Any) -> Callable[[Any], Any]:
    def largest(data: Any) -> Any:
        axes = tuple(axis) if isinstance(axis, Sequence) else axis
        top = np.max(np.abs(data), axis=axes, keepdims=True, initial=0.0)
        return np.where((top > 0) & np.isfinite(top), top, 1.0).astype(getattr(data, "dtype", float))

    return largest


def matrix_norm(x: Any, axis: Sequence[int] = (-2, -1), keepdims: bool = False, ord: Any = "fro") -> Any:
    """The norm of matrices along two axes: "fro", "nuc" (the sum of the singular values), ±2 (the largest and the
    smallest of them), ±1 (of the sums of columns), ±inf (of rows)."""
    axes = tuple(one_axis(x, k, ndim_of(x), "norm") for k in axis)
    if len(axes) != 2 or axes[0] == axes[1]:
        raise ArgumentError(f"norm: a matrix has two different axes, got {tuple(axis)} of {describe(x)}")
    if ord in ("fro", None):
        return reductions.norm(x, axes, keepdims)
    if ord in ("nuc", 2, -2):
        values = svdvals(moveaxis(x, axes, (-2, -1)))
        out = {"nuc": reductions.sum, 2: reductions.max, -2: reductions.min}[ord](values, -1)
    elif ord in (1, -1, math.inf, -math.inf):
        summed, chosen = axes if abs(ord) == 1 else axes[::-1]
        sums = reductions.sum(elementary.abs(x), summed, keepdims=True)
        out = (reductions.max if ord > 0 else reductions.min)(sums, (summed, chosen))
    else:
        raise ArgumentError(f"norm: ord={ord!r} is no order of a matrix's norm; use 'fro', 'nuc', ±1, ±2 or ±inf")
    return cast(expand_dims(out, sorted(k + ndim_of(x) for k in axes)), x) if keepdims else out


# ---- decompositions


@dataclass(slots=True)
class Decomposition(Op):
    """Any op whose local derivative is a ``Dense`` map. ``back`` makes its pull of the operand and the result."""

    name: str
    sign: str
    function: Callable[[Any], Any]
    back: Callable[[Any, Any], Callable[[Any], Any]]

    def forward(self, *data: Any) -> Any:
        return _numerically(self.name, self.function, _real(self.name, data[0]))

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        shape = shape_of(operands[0])
        return (Dense(self.name, shape, shape_of(out), len(shape) - 2, self.back(operands[0], out)),)


def _folded(g: Any) -> Any:
    """The cotangent of a symmetric matrix as that of its lower triangle, which is all that is read of it."""
    return tril(g + _t(g)) * _half_diagonal(shape_of(g)[-1], raw(g).dtype)


def _half_diagonal(n: int, dtype: Any) -> Any:
    return (1.0 - 0.5 * np.eye(n)).astype(dtype)


def _gaps(w: Any) -> Any:
    """``1 / (w[j] - w[i])`` at (i, j), and 0 where two are equal: no direction of their plane is told from another."""
    gaps = expand_dims(w, -2) - expand_dims(w, -1)
    equal = on_constants(lambda data: data == 0, gaps)
    return elementary.where(equal, 0.0, 1.0 / elementary.where(equal, 1.0, gaps))


def _on_diagonal(v: Any) -> Any:
    """The matrix that has ``v`` on its diagonal."""
    return expand_dims(v, -1) * np.eye(shape_of(v)[-1], dtype=raw(v).dtype)


def cholesky(x: Any, *, upper: bool = False) -> Any:
    """The lower triangle L of a positive definite matrix L @ L.T; or the upper one, U.T @ U.

    As NumPy it reads the lower triangle of ``x`` only (the upper one for ``upper``): the gradient is on that.

    Raises ``ArgumentError`` for a matrix that is not positive definite.
    """
    if upper:
        return _t(cholesky(_t(x)))
    return record(Decomposition("cholesky", "chol", np.linalg.cholesky, _cholesky_back), (_matrices(x, "cholesky"),))


def _cholesky_back(x: Any, out: Any) -> Callable[[Any], Any]:
    inverse = inv(out)

    def back(g: Any) -> Any:
        middle = tril(matmul(_t(out), g)) * _half_diagonal(shape_of(out)[-1], raw(out).dtype)
        return _folded(matmul(matmul(_t(inverse), middle), inverse))

    return back


def eigh(x: Any, UPLO: str = "L") -> EighResult:
    """The eigenvalues and eigenvectors of symmetric matrices, of which one triangle is read ("L" or "U").

    Where eigenvalues are equal their eigenvectors have no derivative: what would flow between them is left out.

    >>> w, v = eigh(Value([[2.0, 0.0], [0.0, 1.0]]))
    >>> w.data.tolist()
    [1.0, 2.0]
    """
    if UPLO.upper() not in ("L", "U"):
        raise ArgumentError(f"eigh: UPLO is 'L' or 'U', got {UPLO!r}")
    x = _matrices(x, "eigh")
    if UPLO.upper() == "U":
        x = _t(x)

    def packed(a: Any) -> Any:
        w, v = np.linalg.eigh(a)
        return np.concatenate([w[..., None, :], v], axis=-2)

    out = record(Decomposition("eigh", "eigh", packed, _eigh_back), (x,))
    return EighResult(out[..., 0, :], out[..., 1:, :])


def _eigh_back(x: Any, out: Any) -> Callable[[Any], Any]:
    v = getitem(out, (..., slice(1, None), slice(None)))
    gaps = _gaps(getitem(out, (..., 0, slice(None))))

    def back(g: Any) -> Any:
        to_w, to_v = g[..., 0, :], g[..., 1:, :]
        middle = _on_diagonal(to_w) + gaps * matmul(_t(v), to_v)
        return _folded(matmul(matmul(v, middle), _t(v))) if shape_of(x)[-1] else g[..., 1:, :]

    return back


def eigvalsh(x: Any, UPLO: str = "L") -> Any:
    """The eigenvalues of symmetric matrices, in ascending order."""
    return eigh(x, UPLO).eigenvalues


def svd(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """Singular vectors and values, U, S and Vh; S alone without ``compute_uv``.

    Of a matrix that is not square ``full_matrices=True`` adds vectors that nothing determines, so it is refused. Where
    singular values are equal, or 0, the singular vectors have no derivative: what would flow between them is left out.
    """
    m, n = shape_of(_matrices(x, "svd", square=False))[-2:]
    k = min(m, n)
    if full_matrices and compute_uv and m != n:
        raise ArgumentError(
            f"svd: {describe(x)} is not square, and the vectors that full_matrices=True adds have no derivative; "
            "pass full_matrices=False"
        )

    def packed(a: Any) -> Any:
        u, s, vh = np.linalg.svd(a, full_matrices=False)
        return np.concatenate([u.reshape((*s.shape[:-1], m * k)), s, vh.reshape((*s.shape[:-1], k * n))], axis=-1)

    out = record(Decomposition("svd", "svd", packed, _svd_back), (x,))
    u, s, vh = _unpacked(out, m, n)
    return SVDResult(u, s, vh) if compute_uv else s


def _unpacked(out: Any, m: int, n: int) -> tuple[Any, Any, Any]:
    k, lead = min(m, n), shape_of(out)[:-1]
    u, s, vh = out[..., : m * k], out[..., m * k : m * k + k], out[..., m * k + k :]
    return reshape(u, (*lead, m, k)), s, reshape(vh, (*lead, k, n))


def _svd_back(x: Any, out: Any) -> Callable[[Any], Any]:
    m, n = shape_of(x)[-2:]
    k = min(m, n)
    u, s, vh = _unpacked(out, m, n)
    gaps = _gaps(elementary.square(s))
    zero = on_constants(lambda data: data == 0, s)
    inverse = elementary.where(zero, 0.0, 1.0 / elementary.where(zero, 1.0, s))
    columns, rows = expand_dims(s, -2), expand_dims(s, -1)

    def back(g: Any) -> Any:
        to_u, to_s, to_vh = _unpacked(g, m, n)
        in_u, in_v = matmul(_t(u), to_u), matmul(vh, _t(to_vh))
        middle = gaps * (in_u - _t(in_u)) * columns + rows * (gaps * (in_v - _t(in_v))) + _on_diagonal(to_s)
        total = matmul(matmul(u, middle), vh)
        if m > k:
            outside = to_u * expand_dims(inverse, -2) - matmul(u, in_u * expand_dims(inverse, -2))
            total = total + matmul(outside, vh)
        if n > k:
            outside = to_vh * expand_dims(inverse, -1) - matmul(_t(in_v * expand_dims(inverse, -2)), vh)
            total = total + matmul(u, outside)
        return total

    return back


def svdvals(x: Any) -> Any:
    """The singular values, in descending order."""
    return svd(x, compute_uv=False)


def qr(x: Any, mode: str = "reduced") -> Any:
    """Q of orthonormal columns and the upper triangle R of which ``x`` is the product; R alone for mode "r".

    Raises ``ArgumentError`` where the first columns are not independent, when the derivative is asked for, and for
    "complete" of a matrix with more rows than columns: it adds columns that nothing determines.
    """
    m, n = shape_of(_matrices(x, "qr", square=False))[-2:]
    if mode not in ("reduced", "complete", "r"):
        raise ArgumentError(f"qr: mode is 'reduced', 'complete' or 'r', got {mode!r}")
    if mode == "complete" and m > n:
        raise ArgumentError(
            f"qr: the columns that mode 'complete' adds to {describe(x)} have no derivative; use 'reduced'"
        )
    k = min(m, n)

    def packed(a: Any) -> Any:
        return np.concatenate(np.linalg.qr(a), axis=-2)

    out = record(Decomposition("qr", "qr", packed, _qr_back), (x if n == k else x[..., :k],))
    q, r = out[..., :m, :], out[..., m:, :]
    if n > k:  # the other columns are only turned
        r = concatenate([r, matmul(_t(q), x[..., k:])], axis=-1)
    return r if mode == "r" else QRResult(q, r)


def _qr_back(x: Any, out: Any) -> Callable[[Any], Any]:
    m = shape_of(x)[-2]
    q, r = (getitem(out, (..., part, slice(None))) for part in (slice(None, m), slice(m, None)))
    inverse = inv(r)

    def back(g: Any) -> Any:
        to_q, to_r = g[..., :m, :], triu(g[..., m:, :])
        middle = matmul(r, _t(to_r)) - matmul(_t(to_q), q)
        symmetric = tril(middle) + _t(tril(middle, -1))
        return matmul(to_q + matmul(q, symmetric), _t(inverse))

    return back


def pinv(x: Any, rcond: Any = None, *, rtol: Any = None) -> Any:
    """The pseudo-inverse, in which singular values below ``rcond`` (or ``rtol``) times the largest count as 0.

    Its derivative is that along matrices of the same rank.

    Source: G. Golub and V. Pereyra, *The differentiation of pseudo-inverses …*, 1973.
    """
    given = {name: limit for name, limit in {"rcond": rcond, "rtol": rtol}.items() if limit is not None}
    _matrices(x, "pinv", square=False)
    return record(Decomposition("pinv", "⁺", lambda a: np.linalg.pinv(a, **given), _pinv_back), (x,))


def _pinv_back(x: Any, out: Any) -> Callable[[Any], Any]:
    m, n = shape_of(x)[-2:]
    dtype = raw(out).dtype
    left = np.eye(m, dtype=dtype) - matmul(x, out)
    right = np.eye(n, dtype=dtype) - matmul(out, x)
    rows, columns = matmul(out, _t(out)), matmul(_t(out), out)

    def back(g: Any) -> Any:
        inside = matmul(matmul(_t(out), g), _t(out))
        return matmul(matmul(left, _t(g)), rows) + matmul(matmul(columns, _t(g)), right) - inside

    return back
