"""Products of matrices: matmul, dot, and a layer's weighted sums."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.maps import Broadcast, Chain, Contract, Reshape
from ..core.shapes import Shape, ndim_of, shape_of
from ..core.value import Op, describe, record
from ..errors import ArgumentError, ShapeError
from ..semirings.summation import LONG, added
from . import elementary
from .axes import LETTERS, deep, one_axis
from .einsums import Einsum
from .reductions import sum as total
from .registry import for_numpy, function
from .reshaping import expand_dims, flattened, moveaxis, ravel, reshape, transpose

__all__ = [
    "LinearOp", "MatMul", "cross", "dot", "inner", "kron", "linear", "matmul", "matvec", "outer", "tensordot", "vdot",
    "vecdot", "vecmat",
]  # fmt: skip


def _product(a: Any, b: Any) -> Any:
    """The matrix product of arrays. On small matrices ``dot`` takes a third of the time of ``matmul``."""
    if type(a) is np.ndarray and type(b) is np.ndarray and a.ndim == b.ndim == 2:
        return a.dot(b)
    return np.matmul(a, b)


class MatMul(Op):
    """The matrix product of matrices, stacks of them, and vectors."""

    name = "matmul"
    sign = "@"
    on_arrows = ("· {1}ᵀ", "{0}ᵀ ·")

    def forward(self, *data: Any) -> Any:
        return _product(*data)

    def linear_in(self, n: int) -> Sequence[int]:
        return (0,)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        a, b = operands
        if ndim_of(a) == ndim_of(b) == 2:
            return (Contract("ik", "ij", "jk", b),) if k == 0 else (Contract("ik", "jk", "ij", a),)
        return self._batched(k, a, b, shape_of(out))

    def pull(self, k: int, g: Any, operands: Sequence[Any], out: Any) -> Any:
        a, b = operands
        if type(g) is type(a) is type(b) is np.ndarray and a.ndim == b.ndim == 2:
            return g.dot(b.T) if k == 0 else a.T.dot(g)
        return super().pull(k, g, operands, out)

    def _batched(self, k: int, a: Any, b: Any, out_shape: Shape) -> Chain:
        """The chain for stacks and vectors: it sums over batch axes that the operand lacks or is stretched along."""
        core_a = "ij"[-ndim_of(a) :]
        core_b = "jk"[: ndim_of(b)]
        core_out = core_a[:-1] + core_b[1:]
        batch = LETTERS[: len(out_shape) - len(core_out)]
        sizes = dict(zip(batch, out_shape, strict=False))
        out_labels = batch + core_out

        def kept(x: Any, core: str) -> tuple[str, Shape]:
            shape = shape_of(x)
            own = batch[len(batch) - (len(shape) - len(core)) :]
            labels = [label for label, n in zip(own, shape, strict=False) if n == sizes[label]]
            return "".join(labels) + core, (*(sizes[label] for label in labels), *shape[len(shape) - len(core) :])

        sides = (shape_of(a), *kept(a, core_a)), (shape_of(b), *kept(b, core_b))
        (own, labels, shape), (_, other_labels, other_shape) = sides if k == 0 else sides[::-1]
        other = b if k == 0 else a
        weight = other if shape_of(other) == other_shape else reshape(other, other_shape)
        contract = Contract(out_labels, labels, other_labels, weight)
        return (contract,) if own == shape else (contract, Reshape(own, shape))


MATMUL = MatMul()


class LinearOp(Op):
    """``x @ weight + bias`` as one op: the weighted sums of a layer, as ``weighted_sum`` is the one of a neuron."""

    name = "linear"
    sign = "Σ"
    on_arrows = ("· {1}ᵀ", "{0}ᵀ ·", "1")

    def forward(self, *data: Any) -> Any:
        x, weight, bias = data
        plain = type(x) is type(weight) is np.ndarray and x.ndim == weight.ndim == 2
        out = x.dot(weight) if plain else np.matmul(x, weight)
        if type(bias) is np.ndarray and bias.ndim <= 1 <= out.ndim and bias.dtype is out.dtype:
            out += bias  # the product is ours alone
            return out
        return out + bias

    def linear_in(self, n: int) -> Sequence[int]:
        return (0, 2)

    def chain(self, k: int, operands: Sequence[Any], out: Any) -> Chain:
        x, weight, bias = operands
        if k < 2:
            return MATMUL.chain(k, (x, weight), out)
        in_shape, out_shape = shape_of(bias), shape_of(out)
        return () if in_shape == out_shape else (Broadcast(in_shape, out_shape),)

    def pull(self, k: int, g: Any, operands: Sequence[Any], out: Any) -> Any:
        x, weight, bias = operands
        if type(out) is np.ndarray and out.ndim == x.ndim == 2:  # and so has the weight two axes
            if k == 0:
                return g.dot(weight.T)
            if k == 1:
                return x.T.dot(g)
            if type(bias) is np.ndarray and bias.ndim == 1 and len(bias) == out.shape[1]:
                return np.add.reduce(g) if len(g) <= LONG else added(g, (-2,))
        return Op.pull(self, k, g, operands, out)


LINEAR = LinearOp()


@function(numpy=(np.matmul, np.linalg.matmul), note="stacks too")
def matmul(a: Any, b: Any) -> Any:
    """The matrix product ``a @ b``. Shapes: (…, m, n) and (…, n, k), or vectors (n,); leading axes broadcast.

    Raises ``ShapeError`` if the shapes do not fit.

    >>> matmul(np.array([[1.0, 2.0]]), [[3.0], [4.0]])
    array([[11.]])
    """
    return record(MATMUL, (a, b))


@function(method=False)
def linear(x: Any, weight: Any, bias: Any) -> Any:
    """``x @ weight + bias`` as one op, the weighted sums of a layer.

    Shapes: x (…, from), weight (from, to), bias broadcastable to the result (…, to).

    Raises ``ShapeError`` if the shapes do not fit.

    >>> linear(np.array([[1.0, 2.0]]), [[3.0], [4.0]], [0.5])
    array([[11.5]])
    """
    return record(LINEAR, (x, weight, bias))


@function(numpy=np.dot)
def dot(a: Any, b: Any) -> Any:
    """NumPy's dot: a product with a scalar, the inner product of vectors, ``@`` of matrices.

    For more axes the sum runs over the last axis of ``a`` and the last but one of ``b``.

    >>> float(dot(np.array([1.0, 2.0]), [3.0, 4.0]))
    11.0
    """
    a_ndim, b_ndim = ndim_of(a), ndim_of(b)
    if not a_ndim or not b_ndim:
        return elementary.mul(a, b)
    if a_ndim <= 2 and b_ndim <= 2:
        return matmul(a, b)
    return tensordot(a, b, axes=((a_ndim - 1,), (builtins.max(b_ndim - 2, 0),)))


@function(numpy=(np.outer, np.linalg.outer))
def outer(a: Any, b: Any) -> Any:
    """The matrix ``a[i] * b[j]`` of two vectors; arrays of more axes are flattened.

    >>> outer(np.array([1.0, 2.0]), np.array([3.0, 4.0])).tolist()
    [[3.0, 4.0], [6.0, 8.0]]
    """
    return record(Einsum(("i", "j"), "ij"), (ravel(a), ravel(b)))


@function(numpy=(np.tensordot, np.linalg.tensordot))
def tensordot(a: Any, b: Any, axes: int | tuple[Any, Any] = 2) -> Any:
    """The sum of products over ``axes``: a number of axes, last of ``a`` and first of ``b``, or two lists of axes.

    Raises ``ArgumentError`` for axes that are not there, ``ShapeError`` if their lengths differ.

    >>> tensordot(np.ones((2, 3)), np.ones((3, 4)), 1).shape
    (2, 4)
    """
    a_ndim, b_ndim = ndim_of(a), ndim_of(b)
    if isinstance(axes, int | np.integer):
        if not 0 <= axes <= builtins.min(a_ndim, b_ndim):
            raise ArgumentError(f"tensordot: axes={axes} is more than {describe(a)} and {describe(b)} have")
        axes = (range(a_ndim - axes, a_ndim), range(axes))
    a_axes, b_axes = ([k] if isinstance(k, int | np.integer) else list(k) for k in axes)
    if len(a_axes) != len(b_axes):
        raise ArgumentError(f"tensordot: axes={axes!r} name {len(a_axes)} axes of one and {len(b_axes)} of the other")
    a_labels = list(LETTERS[:a_ndim])
    b_labels = list(LETTERS[a_ndim : a_ndim + b_ndim])
    for i, j in zip(a_axes, b_axes, strict=True):
        i, j = one_axis(a, i, a_ndim, "tensordot"), one_axis(b, j, b_ndim, "tensordot")
        if shape_of(a)[i] != shape_of(b)[j]:
            raise ShapeError(
                f"tensordot: axis {i} of {describe(a)} and axis {j} of {describe(b)} have different lengths, "
                f"{shape_of(a)[i]} and {shape_of(b)[j]}"
            )
        b_labels[j] = a_labels[i]
    shared = set(a_labels) & set(b_labels)
    out = "".join(label for label in a_labels + b_labels if label not in shared)
    return record(Einsum(("".join(a_labels), "".join(b_labels)), out), (a, b))


# ---- products by other names


@function(numpy=np.inner)
def inner(a: Any, b: Any) -> Any:
    """The sum of products over the last axis of both; with a scalar the product.

    >>> float(inner(np.array([1.0, 2.0]), np.array([3.0, 4.0])))
    11.0
    """
    if not ndim_of(a) or not ndim_of(b):
        return elementary.mul(a, b)
    return tensordot(a, b, axes=((-1,), (-1,)))


@function(numpy=np.vdot)
def vdot(a: Any, b: Any) -> Any:
    """The sum of products of all elements, in row-major order.

    >>> float(vdot(np.eye(2), np.eye(2)))
    2.0
    """
    return inner(flattened(a), flattened(b))


@function(numpy=np.vecdot)
def vecdot(a: Any, b: Any) -> Any:
    """The sum of products over the last axis; the axes before it broadcast.

    >>> vecdot(np.ones((2, 3)), np.ones(3)).tolist()
    [3.0, 3.0]
    """
    return total(elementary.mul(deep(a, 1, "vecdot"), deep(b, 1, "vecdot")), -1)


@for_numpy(np.linalg.vecdot)
def _vecdot(a: Any, b: Any, axis: int = -1) -> Any:
    return vecdot(moveaxis(a, axis, -1), moveaxis(b, axis, -1))


@function(numpy=getattr(np, "matvec", ()))  # since NumPy 2.2
def matvec(a: Any, b: Any) -> Any:
    """The products of matrices and vectors ``a @ b``. Shapes: (…, m, n) and (…, n); leading axes broadcast.

    >>> matvec(np.ones((4, 2, 3)), np.ones(3)).shape
    (4, 2)
    """
    return matmul(deep(a, 2, "matvec"), expand_dims(deep(b, 1, "matvec"), -1))[..., 0]


@function(numpy=getattr(np, "vecmat", ()))  # since NumPy 2.2
def vecmat(a: Any, b: Any) -> Any:
    """The products of vectors and matrices ``a @ b``. Shapes: (…, m) and (…, m, n); leading axes broadcast.

    >>> vecmat(np.ones(2), np.ones((4, 2, 3))).shape
    (4, 3)
    """
    return matmul(expand_dims(deep(a, 1, "vecmat"), -2), deep(b, 2, "vecmat"))[..., 0, :]


@function(numpy=np.kron)
def kron(a: Any, b: Any) -> Any:
    """The Kronecker product: each element of ``a`` times the whole of ``b``.

    >>> kron(np.array([1.0, 2.0]), np.array([1.0, 10.0])).tolist()
    [1.0, 10.0, 2.0, 20.0]
    """
    ndim = max(ndim_of(a), ndim_of(b))
    a, b = (reshape(x, (1,) * (ndim - ndim_of(x)) + shape_of(x)) for x in (a, b))
    pairs = tensordot(a, b, axes=0)
    order = [k for pair in zip(range(ndim), range(ndim, 2 * ndim), strict=True) for k in pair]
    return reshape(transpose(pairs, order), tuple(m * n for m, n in zip(shape_of(a), shape_of(b), strict=True)))


@function(numpy=np.cross)
def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """The vector product of vectors of three components, along the given axes of ``a``, ``b`` and the result.

    Raises ``ShapeError`` for vectors of another length.

    >>> cross(np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])).tolist()
    [0.0, 0.0, 1.0]
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = (moveaxis(deep(x, 1, "cross"), k, -1) for x, k in ((a, axisa), (b, axisb)))
    if shape_of(a)[-1] != 3 or shape_of(b)[-1] != 3:
        raise ShapeError(
            f"cross: needs vectors of three components, got {describe(a)} and {describe(b)}; add a third that is 0"
        )
    left, right = [1, 2, 0], [2, 0, 1]
    out = elementary.sub(a[..., left] * b[..., right], a[..., right] * b[..., left])
    return moveaxis(out, -1, axisc)


@for_numpy(np.linalg.cross)
def _cross(a: Any, b: Any, axis: int = -1) -> Any:
    return cross(a, b, axis=axis)
