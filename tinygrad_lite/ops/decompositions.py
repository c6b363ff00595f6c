"""Decompositions of matrices: Cholesky's, eigenvectors, singular values, Q and R, and the pseudo-inverse.

The derivative of each is a ``Dense`` map. A decomposition with several results is one op that holds them side by side
in one array; the results are slices of it. Sources: M. Giles, *An extended collection of matrix derivative results for
forward and reverse mode algorithmic differentiation*, 2008; J. Townsend, *Differentiating the singular value
decomposition*, 2016; for Q and R, S. Walter, L. Lehmann and R. Lamour, *On evaluating higher-order derivatives of the
QR decomposition*, 2012.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from ..core.maps import Chain
from ..core.shapes import shape_of
from ..core.value import Op, describe, on_constants, raw, record
from ..errors import ArgumentError
from . import elementary
from .dense import Dense
from .joining import concatenate
from .linalg import inv, matrices, numerically, real
from .products import matmul
from .rearrangement import tril, triu
from .registry import function
from .reshaping import expand_dims, reshape, transposed
from .selection import getitem

__all__ = [
    "Decomposition", "EighResult", "QRResult", "SVDResult", "cholesky", "eigh", "eigvalsh", "pinv", "qr", "svd",
    "svdvals",
]  # fmt: skip


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


@dataclass(slots=True)
class Decomposition(Op):
    """Any op whose local derivative is a ``Dense`` map. ``back(operand, result)`` returns its pull."""

    name: str
    sign: str
    function: Callable[[Any], Any]
    back: Callable[[Any, Any], Callable[[Any], Any]]

    def forward(self, *data: Any) -> Any:
        return numerically(self.name, self.function, real(self.name, data[0]))

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        shape = shape_of(operands[0])
        return (Dense(self.name, shape, shape_of(out), len(shape) - 2, self.back(operands[0], out)),)


def _folded(g: Any) -> Any:
    """The cotangent of a symmetric matrix, folded onto its lower triangle: NumPy reads only that."""
    return tril(g + transposed(g)) * _half_diagonal(shape_of(g)[-1], raw(g).dtype)


def _half_diagonal(n: int, dtype: Any) -> Any:
    return (1.0 - 0.5 * np.eye(n)).astype(dtype)


def gaps_of(w: Any) -> Any:
    """``1 / (w[j] - w[i])`` at (i, j), and 0 where two are equal, since nothing then tells their eigenvectors apart."""
    gaps = expand_dims(w, -2) - expand_dims(w, -1)
    equal = on_constants(lambda data: data == 0, gaps)
    return elementary.where(equal, 0.0, 1.0 / elementary.where(equal, 1.0, gaps))


def on_diagonal(v: Any) -> Any:
    """The matrix that has ``v`` on its diagonal."""
    return expand_dims(v, -1) * np.eye(shape_of(v)[-1], dtype=raw(v).dtype)


@function(numpy=np.linalg.cholesky, dense=True, note="with respect to the triangle that is read")
def cholesky(x: Any, *, upper: bool = False) -> Any:
    """The lower triangle L of a positive definite matrix L @ L.T, or the upper one of U.T @ U.

    Like NumPy it reads only the lower triangle of ``x`` (the upper one for ``upper``), and the gradient is on that.

    Raises ``ArgumentError`` for a matrix that is not positive definite.

    >>> cholesky(np.array([[4.0, 0.0], [0.0, 9.0]])).tolist()
    [[2.0, 0.0], [0.0, 3.0]]
    """
    if upper:
        return transposed(cholesky(transposed(x)))
    return record(Decomposition("cholesky", "chol", np.linalg.cholesky, _cholesky_back), (matrices(x, "cholesky"),))


def _cholesky_back(x: Any, out: Any) -> Callable[[Any], Any]:
    inverse = inv(out)

    def back(g: Any) -> Any:
        middle = tril(matmul(transposed(out), g)) * _half_diagonal(shape_of(out)[-1], raw(out).dtype)
        return _folded(matmul(matmul(transposed(inverse), middle), inverse))

    return back


@function(
    numpy=np.linalg.eigh,
    returns="tuple[Value, ...]",
    dense=True,
    note="equal eigenvalues: nothing flows between their vectors",
)
def eigh(x: Any, UPLO: str = "L") -> EighResult:
    """The eigenvalues and eigenvectors of symmetric matrices. ``UPLO`` names the triangle that is read, "L" or "U".

    Eigenvectors of equal eigenvalues have no derivative: the part that would flow between them is left out.

    Raises ``ArgumentError`` for another ``UPLO``, ``ShapeError`` unless the matrices are square.

    >>> w, v = eigh(np.array([[2.0, 0.0], [0.0, 1.0]]))
    >>> w.tolist()
    [1.0, 2.0]
    """
    if UPLO.upper() not in ("L", "U"):
        raise ArgumentError(f"eigh: UPLO is 'L' or 'U', got {UPLO!r}")
    side: Literal["L", "U"] = "U" if UPLO.upper() == "U" else "L"

    def packed(a: Any) -> Any:
        w, v = np.linalg.eigh(a, side)  # with the transpose some vectors would have the other sign
        return np.concatenate([w[..., None, :], v], axis=-2)

    def back(x: Any, out: Any) -> Callable[[Any], Any]:
        pull = _eigh_back(x, out)
        return (lambda g: transposed(pull(g))) if side == "U" else pull

    out = record(Decomposition("eigh", "eigh", packed, back), (matrices(x, "eigh"),))
    return EighResult(out[..., 0, :], out[..., 1:, :])


def _eigh_back(x: Any, out: Any) -> Callable[[Any], Any]:
    v = getitem(out, (..., slice(1, None), slice(None)))
    gaps = gaps_of(getitem(out, (..., 0, slice(None))))

    def back(g: Any) -> Any:
        to_w, to_v = g[..., 0, :], g[..., 1:, :]
        middle = on_diagonal(to_w) + gaps * matmul(transposed(v), to_v)
        return _folded(matmul(matmul(v, middle), transposed(v)))

    return back


@function(numpy=np.linalg.eigvalsh, dense=True)
def eigvalsh(x: Any, UPLO: str = "L") -> Any:
    """The eigenvalues of symmetric matrices, in ascending order.

    >>> eigvalsh(np.array([[2.0, 0.0], [0.0, 1.0]])).tolist()
    [1.0, 2.0]
    """
    return eigh(x, UPLO).eigenvalues


@function(numpy=np.linalg.svd, returns="Any", dense=True, note="`full_matrices=False` unless square")
def svd(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """Singular vectors and values, U, S and Vh; S alone without ``compute_uv``.

    ``full_matrices=True`` is refused unless the matrix is square: nothing determines the vectors that it would add.
    Singular vectors of equal or zero singular values have no derivative: what would flow between them is left out.

    Raises ``ArgumentError`` in that case, ``ShapeError`` for fewer than two axes.

    >>> svd(np.array([[3.0, 0.0], [0.0, 4.0]])).S.tolist()
    [4.0, 3.0]
    """
    m, n = shape_of(matrices(x, "svd", square=False))[-2:]
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
    gaps = gaps_of(elementary.square(s))
    zero = on_constants(lambda data: data == 0, s)
    inverse = elementary.where(zero, 0.0, 1.0 / elementary.where(zero, 1.0, s))
    columns, rows = expand_dims(s, -2), expand_dims(s, -1)

    def back(g: Any) -> Any:
        to_u, to_s, to_vh = _unpacked(g, m, n)
        in_u, in_v = matmul(transposed(u), to_u), matmul(vh, transposed(to_vh))
        middle = (
            gaps * (in_u - transposed(in_u)) * columns + rows * (gaps * (in_v - transposed(in_v))) + on_diagonal(to_s)
        )
        total = matmul(matmul(u, middle), vh)
        if m > k:
            outside = to_u * expand_dims(inverse, -2) - matmul(u, in_u * expand_dims(inverse, -2))
            total = total + matmul(outside, vh)
        if n > k:
            outside = to_vh * expand_dims(inverse, -1) - matmul(transposed(in_v * expand_dims(inverse, -2)), vh)
            total = total + matmul(u, outside)
        return total

    return back


@function(numpy=np.linalg.svdvals, dense=True)
def svdvals(x: Any) -> Any:
    """The singular values, in descending order.

    >>> svdvals(np.array([[3.0, 0.0], [0.0, 4.0]])).tolist()
    [4.0, 3.0]
    """
    return svd(x, compute_uv=False)


@function(numpy=np.linalg.qr, returns="Any", dense=True, note="mode 'complete' unless there are more rows than columns")
def qr(x: Any, mode: str = "reduced") -> Any:
    """The orthonormal columns Q and the upper triangle R whose product is ``x``; R alone for mode "r".

    Raises ``ArgumentError`` for another mode, and for "complete" if there are more rows than columns, as nothing
    determines the added columns; and when a derivative is computed at a matrix whose first columns are not independent.

    >>> q, r = qr(np.array([[3.0, 0.0], [4.0, 5.0]]))
    >>> (q @ r).round(12).tolist()
    [[3.0, 0.0], [4.0, 5.0]]
    """
    m, n = shape_of(matrices(x, "qr", square=False))[-2:]
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
    if n > k:  # the remaining columns of x are only rotated
        r = concatenate([r, matmul(transposed(q), x[..., k:])], axis=-1)
    return r if mode == "r" else QRResult(q, r)


def _qr_back(x: Any, out: Any) -> Callable[[Any], Any]:
    m = shape_of(x)[-2]
    q, r = (getitem(out, (..., part, slice(None))) for part in (slice(None, m), slice(m, None)))
    inverse = inv(r)

    def back(g: Any) -> Any:
        to_q, to_r = g[..., :m, :], triu(g[..., m:, :])
        middle = matmul(r, transposed(to_r)) - matmul(transposed(to_q), q)
        symmetric = tril(middle) + transposed(tril(middle, -1))
        return matmul(to_q + matmul(q, symmetric), transposed(inverse))

    return back


@function(numpy=np.linalg.pinv, dense=True)
def pinv(x: Any, rcond: Any = None, *, rtol: Any = None) -> Any:
    """The pseudo-inverse. Singular values below ``rcond`` (or ``rtol``) times the largest count as 0.

    Its derivative is the one along matrices of the same rank.

    Source: G. Golub and V. Pereyra, *The differentiation of pseudo-inverses …*, 1973.

    >>> pinv(np.array([[2.0], [0.0]])).tolist()
    [[0.5, 0.0]]
    """
    given = {name: limit for name, limit in {"rcond": rcond, "rtol": rtol}.items() if limit is not None}
    matrices(x, "pinv", square=False)
    return record(Decomposition("pinv", "⁺", lambda a: np.linalg.pinv(a, **given), _pinv_back), (x,))


def _pinv_back(x: Any, out: Any) -> Callable[[Any], Any]:
    m, n = shape_of(x)[-2:]
    dtype = raw(out).dtype
    left = np.eye(m, dtype=dtype) - matmul(x, out)
    right = np.eye(n, dtype=dtype) - matmul(out, x)
    rows, columns = matmul(out, transposed(out)), matmul(transposed(out), out)

    def back(g: Any) -> Any:
        inside = matmul(matmul(transposed(out), g), transposed(out))
        return matmul(matmul(left, transposed(g)), rows) + matmul(matmul(columns, transposed(g)), right) - inside

    return back
