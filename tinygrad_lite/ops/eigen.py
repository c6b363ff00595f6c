"""Eigenvalues and eigenvectors of matrices that need not be symmetric, where all of them are real."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..core.value import record
from ..errors import ArgumentError
from .decompositions import Decomposition, gaps_of, on_diagonal
from .linalg import inv, matrices
from .products import matmul
from .reductions import sum
from .registry import function
from .reshaping import expand_dims, transposed
from .selection import getitem

__all__ = ["Eig", "EigResult", "eig", "eigvals"]


class EigResult(NamedTuple):
    """Eigenvalues, and the eigenvectors, the columns of a matrix, each of length 1."""

    eigenvalues: Any
    eigenvectors: Any


class Eig(Decomposition):
    """The eigenvalues, and below them the eigenvectors."""

    def replay_check(self, *data: Any) -> Callable[..., None]:
        return _packed  # other data may have complex ones


@function(
    numpy=np.linalg.eig,
    returns="tuple[Value, ...]",
    dense=True,
    note="real eigenvalues, else an error; equal ones: nothing flows between their vectors",
)
def eig(x: Any) -> EigResult:
    """The eigenvalues and eigenvectors of square matrices, in NumPy's order.

    Eigenvectors of equal eigenvalues have no derivative: the part that would flow between them is left out.

    Raises ``ArgumentError`` if an eigenvalue is complex, ``ShapeError`` unless the matrices are square.

    Source: M. Giles, *An extended collection of matrix derivative results for forward and reverse mode algorithmic
    differentiation*, 2008, section 3.1.

    >>> from tinygrad_lite import Value
    >>> eig(Value([[2.0, 1.0], [0.0, 1.0]])).eigenvalues.data
    array([2., 1.])
    """
    out = record(Eig("eig", "eig", _packed, _eig_back), (matrices(x, "eig"),))
    return EigResult(getitem(out, (..., 0, slice(None))), getitem(out, (..., slice(1, None), slice(None))))


def _packed(a: Any) -> Any:
    w, v = np.linalg.eig(a)
    if np.iscomplexobj(w):
        raise ArgumentError(
            f"eig: the matrix of shape {np.shape(a)} has complex eigenvalues, and Values are real; its symmetric part "
            "(x + x.T) / 2 has real ones (np.linalg.eigh), and np.linalg.svd takes any matrix"
        )
    return np.concatenate([w[..., None, :], v], axis=-2)


def _eig_back(x: Any, out: Any) -> Callable[[Any], Any]:
    v = getitem(out, (..., slice(1, None), slice(None)))
    gaps = gaps_of(getitem(out, (..., 0, slice(None))))
    inverse, products = transposed(inv(v)), matmul(transposed(v), v)

    def back(g: Any) -> Any:
        to_w, to_v = g[..., 0, :], g[..., 1:, :]
        along = expand_dims(sum(v * to_v, -2), -2)  # a vector keeps its length
        middle = on_diagonal(to_w) + gaps * (matmul(transposed(v), to_v) - products * along)
        return matmul(matmul(inverse, middle), transposed(v))

    return back


@function(numpy=np.linalg.eigvals, dense=True, note="real eigenvalues, else an error")
def eigvals(x: Any) -> Any:
    """The eigenvalues of square matrices, in NumPy's order.

    Raises ``ArgumentError`` if one is complex, ``ShapeError`` unless the matrices are square.

    >>> from tinygrad_lite import Value
    >>> eigvals(Value([[2.0, 1.0], [0.0, 1.0]])).data
    array([2., 1.])
    """
    return eig(x).eigenvalues
