"""Calls of NumPy's functions as its users write them: on NumPy, on Values, and on JAX, by the first argument."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Call = tuple[Callable[..., Any], tuple[tuple[int, ...], ...]]

X, Y, V = (2, 3), (3, 2), (4,)
MASK = np.array([[True, False, True], [True, True, False]])
S = np.array([[5.0, 1.0], [1.0, 3.0]])


def well(x: Any) -> Any:
    """A matrix far from singular, its eigenvalues apart."""
    return x + np.diag(4.0 * np.arange(1, x.shape[-1] + 1)).astype(x.dtype)


def holed(xp: Any, x: Any) -> Any:
    """With NaN at some places."""
    return xp.where(np.resize([True, True, False, True], x.shape), x, np.nan)


def positive(xp: Any, x: Any) -> Any:
    return well(x @ xp.swapaxes(x, -1, -2))


NEW: dict[str, list[Call]] = {
    # reductions
    "sum": [
        (lambda xp, x: xp.sum(x, axis=1, where=MASK, initial=2.0), (X,)),
        (lambda xp, x: xp.sum(x, (0, 2), keepdims=True), ((2, 3, 2),)),
    ],
    "mean": [(lambda xp, x: xp.mean(x, axis=0, where=MASK), (X,))],
    "prod": [(lambda xp, x: xp.prod(x, axis=(0, 1), where=MASK, initial=2.0), (X,))],
    "max": [
        (lambda xp, x: xp.max(x, axis=1, initial=0.1), (X,)), (lambda xp, x: xp.max(x, initial=-9.0, where=MASK), (X,)),
    ],
    "min": [(lambda xp, x: xp.min(x, axis=0, where=MASK, initial=3.0, keepdims=True), (X,))],
    "var": [
        (lambda xp, x: xp.var(x, axis=1, where=MASK, ddof=1), (X,)),
        (lambda xp, x: xp.var(x, axis=1, correction=1), (X,)),
    ],
    "std": [(lambda xp, x: xp.std(x, where=MASK), (X,))],
    "ptp": [(lambda xp, x: xp.ptp(x, axis=1), (X,)), (lambda xp, x: xp.ptp(x, keepdims=True), (X,))],
    "nansum": [(lambda xp, x: xp.nansum(holed(xp, x), axis=1), (X,)), (lambda xp, x: xp.nansum(x), (X,))],
    "nanprod": [(lambda xp, x: xp.nanprod(holed(xp, x), axis=0, keepdims=True), (X,))],
    "nanmean": [(lambda xp, x: xp.nanmean(holed(xp, x), axis=1), (X,))],
    "nanmax": [(lambda xp, x: xp.nanmax(holed(xp, x), axis=1), (X,))],
    "nanmin": [(lambda xp, x: xp.nanmin(holed(xp, x)), (X,))],
    "nanvar": [(lambda xp, x: xp.nanvar(holed(xp, x), axis=1), (X,)), (lambda xp, x: xp.nanvar(x, ddof=1), (X,))],
    "nanstd": [(lambda xp, x: xp.nanstd(holed(xp, x)), (X,))],
    "nancumsum": [(lambda xp, x: xp.nancumsum(holed(xp, x), axis=1), (X,))],
    "cumsum": [
        (lambda xp, x: xp.cumsum(x, axis=1), (X,)), (lambda xp, x: xp.add.accumulate(x), (X,)),
        (lambda xp, x: xp.multiply.accumulate(x, axis=1), (X,)), (lambda xp, x: xp.logaddexp.reduce(x, axis=1), (X,)),
        (lambda xp, a, b: xp.subtract.outer(a, b), (X, (2,))), (lambda xp, a, b: xp.multiply.outer(a, b), (X, (2,))),
    ],
    "cumprod": [(lambda xp, x: xp.cumprod(x), (X,)), (lambda xp, x: xp.cumprod(x, axis=1), ((2, 5),)),
        (lambda xp, x: xp.cumprod(x, 0), ((1, 2),))],
    "median": [
        (lambda xp, x: xp.median(x), ((5,),)), (lambda xp, x: xp.median(x, axis=(0, 2)), ((2, 3, 2),)),
        (lambda xp, x: xp.median(x, axis=1, keepdims=True), (X,)),
    ],
    "quantile": [
        (lambda xp, x: xp.quantile(x, np.array([0.1, 0.5, 1.0])), ((5,),)),
        (lambda xp, x: xp.quantile(x, 0.3, axis=1), (X,)),
        (lambda xp, x: xp.quantile(x, [0.2, 0.7], axis=0, keepdims=True), (X,)),
        *[(lambda xp, x, way=way: xp.quantile(x, 0.4, method=way), ((4,),))
          for way in ("lower", "higher", "nearest", "midpoint")],
    ],
    "percentile": [(lambda xp, x: xp.percentile(x, 30.0), ((5,),)),
        (lambda xp, x: xp.percentile(x, 100, axis=0), (X,))],
    "trace": [(lambda xp, x: xp.trace(x, 1, 1, 2), ((2, 3, 3),)), (lambda xp, x: xp.trace(x, axis1=1, axis2=0), (X,))],
    # order
    "sort": [(lambda xp, x: xp.sort(x), (X,)), (lambda xp, x: xp.sort(x, 0, "stable"), (X,)),
        (lambda xp, x: xp.sort(x, axis=None), (X,))],
    "partition": [(lambda xp, x: xp.partition(x, 1)[..., 1], (X,)),
        (lambda xp, x: xp.partition(x, 1, axis=0)[1], (X,))],
    # grids
    "diff": [
        (lambda xp, x: xp.diff(x), (X,)), (lambda xp, x: xp.diff(x, n=2, axis=0), ((4, 2),)),
        (lambda xp, x: xp.diff(x, prepend=0.5, append=np.ones((2, 1), x.dtype)), (X,)),
        (lambda xp, x: xp.diff(x, 0), (X,)),
    ],
    "gradient": [
        (lambda xp, x: xp.gradient(x), ((4,),)), (lambda xp, x: xp.gradient(x)[0], (X,)),
        (lambda xp, x: xp.gradient(x, 2.0, axis=1), (X,)), (lambda xp, x: xp.gradient(x, 2.0, 0.5)[1], (X,)),
    ],
    "trapezoid": [
        (lambda xp, x: xp.trapezoid(x), (X,)), (lambda xp, x: xp.trapezoid(x, dx=0.5, axis=0), (X,)),
        (lambda xp, x, at: xp.trapezoid(x, at), (X, (3,))), (lambda xp, x, at: xp.trapezoid(x, at, axis=0), (X, X)),
    ],
    "interp": [
        (lambda xp, x, y: xp.interp(x, np.arange(-2, 2, dtype=x.dtype), y), ((5,), V)),
        (lambda xp, x, y: xp.interp(x, np.arange(-1, 1, dtype=x.dtype), y, left=3.0, right=-3.0), ((2, 3), (2,))),
    ],
    "linspace": [
        (lambda xp, a, b: xp.linspace(a, b, 4), (X, X)),
        (lambda xp, a: xp.linspace(a, 2.0, num=3, endpoint=False), ((2,),)),
        (lambda xp, a: xp.linspace(0.0, a, 3, axis=-1), (X,)),
        (lambda xp, a: xp.linspace(0.0, a, 3, retstep=True)[1], ((2,),)),
    ],
    # windows
    "convolve": [
        *[(lambda xp, a, v, mode=mode: xp.convolve(a, v, mode), shapes)
          for mode in ("full", "same", "valid") for shapes in (((5,), (3,)), ((2,), (4,)))],
        (lambda xp, a, v: xp.convolve(a, v), ((3,), (3,))),
    ],
    "correlate": [
        *[(lambda xp, a, v, mode=mode: xp.correlate(a, v, mode), shapes)
          for mode in ("full", "same", "valid") for shapes in (((5,), (2,)), ((3,), (4,)), ((2,), (5,)))],
    ],
    # moves
    "nan_to_num": [(lambda xp, x: xp.nan_to_num(holed(xp, x), nan=2.0), (X,)), (lambda xp, x: xp.nan_to_num(x), (X,))],
    "take": [
        (lambda xp, x: xp.take(x, np.array([0, 4, -5]), axis=1, mode="wrap"), (X,)),
        (lambda xp, x: xp.take(x, np.array([0, 9]), mode="clip"), (X,)),
    ],
    "take_along_axis": [
        (lambda xp, x: xp.take_along_axis(x, np.array([[2], [0]]), 1), (X,)),
        (lambda xp, x: xp.take_along_axis(x, np.array([[1, 0, 0]]), axis=0), (X,)),
        (lambda xp, x: xp.take_along_axis(x, np.array([3, 3]), None), (X,)),
    ],
    "reshape": [(lambda xp, x: xp.reshape(x, (3, 2), order="F"), (X,)), (lambda xp, x: xp.reshape(x, -1, "F"), (X,))],
    "ravel": [(lambda xp, x: xp.ravel(x, order="F"), (X,))],
    "pad": [(lambda xp, x: xp.pad(x, ((1, 0), (2, 1)), constant_values=2.0), (X,))],
    "diagonal": [(lambda xp, x: xp.diagonal(x), (X,)),
        (lambda xp, x: xp.diagonal(x, 1, axis1=1, axis2=2), ((2, 3, 3),))],
    "atleast_1d": [(lambda xp, x: xp.atleast_1d(x), (X,)), (lambda xp, x: xp.atleast_1d(x, x)[1], (V,))],
    "atleast_2d": [(lambda xp, x: xp.atleast_2d(x), (V,))],
    "atleast_3d": [(lambda xp, x: xp.atleast_3d(x), (V,)), (lambda xp, x: xp.atleast_3d(x), (X,))],
    "vstack": [(lambda xp, x, y: xp.vstack([x, y]), (X, (3,)))],
    "hstack": [(lambda xp, x, y: xp.hstack([x, y]), (X, (2, 1))), (lambda xp, x, y: xp.hstack((x, y)), (V, (2,)))],
    "dstack": [(lambda xp, x, y: xp.dstack([x, y]), (X, X))],
    "column_stack": [(lambda xp, x, y: xp.column_stack([x, y]), ((2,), X))],
    "append": [(lambda xp, x, y: xp.append(x, y), (X, (2,))), (lambda xp, x, y: xp.append(x, y, axis=0), (X, (1, 3)))],
    "array_split": [(lambda xp, x: xp.array_split(x, 3)[0], (V,)),
        (lambda xp, x: xp.array_split(x, [1], axis=1)[1], (X,))],
    "hsplit": [(lambda xp, x: xp.hsplit(x, 3)[1], (X,)), (lambda xp, x: xp.hsplit(x, 2)[1], (V,))],
    "vsplit": [(lambda xp, x: xp.vsplit(x, 2)[1], (X,))],
    "dsplit": [(lambda xp, x: xp.dsplit(x, 2)[0], ((1, 2, 2),))],
    "fliplr": [(lambda xp, x: xp.fliplr(x), (X,))],
    "flipud": [(lambda xp, x: xp.flipud(x), (X,))],
    "rot90": [
        *[(lambda xp, x, k=k: xp.rot90(x, k), (X,)) for k in (1, 2, 3, 4)],
        (lambda xp, x: xp.rot90(x, axes=(1, 2)), ((2, 3, 2),)),
    ],
    "rollaxis": [
        *[(lambda xp, x, k=k: xp.rollaxis(x, *k), ((2, 3, 1),)) for k in ((2,), (0, 2), (1, 3), (-1, -2))],
    ],
    "fft.fftshift": [(lambda xp, x: xp.fft.fftshift(x), (X,)), (lambda xp, x: xp.fft.fftshift(x, 1), (X,))],
    "fft.ifftshift": [(lambda xp, x: xp.fft.ifftshift(x, axes=(1,)), (X,))],
    "full_like": [(lambda xp, x: xp.full_like(x, x[0, 0]), (X,))],
    "select": [
        (lambda xp, x, y: xp.select([MASK, ~MASK], [x, y]), (X, X)),
        (lambda xp, x: xp.select([x > 0.5, x < 0.0], [x * x, x], default=2.0), (X,)),
    ],
    "real": [(lambda xp, x: xp.real(x), (X,))],
    "real_if_close": [(lambda xp, x: x * 1.0 if xp.__name__.startswith("jax") else xp.real_if_close(x), (X,))],
    "sinc": [(lambda xp, x: xp.sinc(x), (X,))],
    "astype": [(lambda xp, x: xp.astype(x, x.dtype), (X,))],
    # products
    "einsum": [(lambda xp, x: xp.einsum("ij->i", x, optimize=True), (X,))],
    "inner": [(lambda xp, a, b: xp.inner(a, b), (X, (3,))), (lambda xp, a, b: xp.inner(a, b), (X, (4, 3)))],
    "vdot": [(lambda xp, a, b: xp.vdot(a, b), (X, X))],
    "kron": [(lambda xp, a, b: xp.kron(a, b), (X, Y)), (lambda xp, a, b: xp.kron(a, b), (X, (2,)))],
    "cross": [
        (lambda xp, a, b: xp.cross(a, b), (X, X)), (lambda xp, a, b: xp.cross(a, b, axisa=0), (Y, X)),
        (lambda xp, a, b: xp.cross(a, b, axis=0), (Y, Y)),
    ],
    # linear algebra
    "linalg.inv": [(lambda xp, x: xp.linalg.inv(well(x)), ((3, 3),)),
        (lambda xp, x: xp.linalg.inv(well(x)), ((2, 2, 2),))],
    "linalg.det": [(lambda xp, x: xp.linalg.det(well(x)), ((3, 3),)), (lambda xp, x: xp.linalg.det(x), ((2, 2, 2),))],
    "linalg.slogdet": [(lambda xp, x: xp.linalg.slogdet(well(x))[1], ((3, 3),)),
        (lambda xp, x: xp.linalg.slogdet(x).logabsdet, ((2, 3, 3),))],
    "linalg.solve": [
        (lambda xp, a, b: xp.linalg.solve(well(a), b), ((3, 3), (3,))),
        (lambda xp, a, b: xp.linalg.solve(well(a), b), ((2, 2), (3, 2, 1))),
        (lambda xp, a, b: xp.linalg.solve(well(a), b), ((2, 2, 2), (2, 2, 3))),
    ],
    "linalg.pinv": [(lambda xp, x: xp.linalg.pinv(x), (X,)), (lambda xp, x: xp.linalg.pinv(x), ((2, 3, 2),))],
    "linalg.cholesky": [(lambda xp, x: xp.linalg.cholesky(positive(xp, x)), ((3, 3),)),
        (lambda xp, x: xp.linalg.cholesky(positive(xp, x), upper=True), ((2, 2, 2),))],
    "linalg.eigh": [
        (lambda xp, x: xp.linalg.eigh(positive(xp, x))[0], ((3, 3),)),
        (lambda xp, x: xp.linalg.eigh(positive(xp, x))[1] ** 2, ((2, 2, 2),)),
        (lambda xp, x: xp.linalg.eigh(positive(xp, x), "U").eigenvectors ** 2, ((3, 3),)),
    ],
    "linalg.eigvalsh": [(lambda xp, x: xp.linalg.eigvalsh(positive(xp, x)), ((3, 3),))],
    "linalg.svd": [
        (lambda xp, x: xp.linalg.svd(x, full_matrices=False)[0] ** 2, ((4, 2),)),
        (lambda xp, x: xp.linalg.svd(x, full_matrices=False).Vh ** 2, ((2, 2, 3),)),
        (lambda xp, x: xp.linalg.svd(well(x))[0] ** 2, ((2, 2),)),
        (lambda xp, x: xp.linalg.svd(x, compute_uv=False), (X,)),
    ],
    "linalg.svdvals": [(lambda xp, x: xp.linalg.svdvals(x), (X,))],
    "linalg.qr": [
        (lambda xp, x: xp.linalg.qr(x)[0], ((4, 2),)), (lambda xp, x: xp.linalg.qr(x).R, ((2, 2, 4),)),
        (lambda xp, x: xp.linalg.qr(x, "r"), ((3, 2),)), (lambda xp, x: xp.linalg.qr(x, mode="complete").Q, ((2, 3),)),
    ],
    "linalg.matrix_power": [*[(lambda xp, x, n=n: xp.linalg.matrix_power(well(x), n), ((2, 2),))
                              for n in (5, 2, 1, 0, -2)]],
    "linalg.multi_dot": [(lambda xp, a, b, c: xp.linalg.multi_dot([a, b, c]), (X, Y, (2,)))],
    "linalg.norm": [
        *[(lambda xp, x, ord=ord: xp.linalg.norm(x, ord), (X,)) for ord in ("nuc", 2, -2, 1, -1, np.inf, -np.inf)],
        *[(lambda xp, x, ord=ord: xp.linalg.norm(x, ord, axis=1), (X,)) for ord in (1, 3, 0.5, np.inf, -np.inf)],
        (lambda xp, x: xp.linalg.norm(x, 3), (V,)), (lambda xp, x: xp.linalg.norm(x, axis=(0, 1), keepdims=True), (X,)),
        (lambda xp, x: xp.linalg.norm(x, "nuc", axis=(2, 0), keepdims=True), ((2, 3, 2),)),
        (lambda xp, x: xp.linalg.norm(x, 1, axis=(2, 0)), ((2, 3, 2),)),
    ],
    "linalg.vector_norm": [(lambda xp, x: xp.linalg.vector_norm(x, ord=3), (X,)),
        (lambda xp, x: xp.linalg.vector_norm(x, axis=1, keepdims=True), (X,))],
    "linalg.matrix_norm": [(lambda xp, x: xp.linalg.matrix_norm(x), ((2, 2, 3),)),
        (lambda xp, x: xp.linalg.matrix_norm(x, ord=1, keepdims=True), (X,))],
    "linalg.tensordot": [(lambda xp, a, b: xp.linalg.tensordot(a, b, axes=1), (X, Y))],
    "linalg.vecdot": [(lambda xp, a, b: xp.linalg.vecdot(a, b), (X, X)),
        (lambda xp, a, b: xp.linalg.vecdot(a, b, axis=0), (X, X))],
    "linalg.cross": [(lambda xp, a, b: xp.linalg.cross(a, b), (X, X))],
    "linalg.diagonal": [(lambda xp, x: xp.linalg.diagonal(x), ((2, 3, 3),))],
    "linalg.trace": [(lambda xp, x: xp.linalg.trace(x, offset=1), ((2, 3, 3),))],
    "linalg.matrix_transpose": [(lambda xp, x: xp.linalg.matrix_transpose(x), ((2, 3, 1),))],
    "lib.stride_tricks.sliding_window_view": [
        (lambda xp, x: xp.lib.stride_tricks.sliding_window_view(x, 2, axis=0), ((4, 2),)),
        (lambda xp, x: xp.lib.stride_tricks.sliding_window_view(x, (2, 2)), ((3, 4),)),
    ],
}  # fmt: skip
NOT_IN_JAX = {"lib.stride_tricks.sliding_window_view", "full_like"}


def named(xp: Any, name: str) -> Any:
    """The function of a name with dots in it."""
    for part in name.split("."):
        xp = getattr(xp, part)
    return xp
