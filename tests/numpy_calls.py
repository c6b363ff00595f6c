"""Calls of NumPy's functions as its users write them: on NumPy, on Values, and on JAX, by the first argument."""

from __future__ import annotations

import math
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
    "einsum": [
        (lambda xp, x: xp.einsum("ij->i", x, optimize=True), (X,)),
        (lambda xp, x, y: xp.einsum(x, [0, 1], y, [1, 2], [2, 0]), (X, Y)),
        (lambda xp, x, y: xp.einsum(x, [..., 30], y, [30]), (X, (3,))),
    ],
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
        (lambda xp, x: xp.linalg.eigh(well(x), "U").eigenvectors, ((5, 5),)),
    ],
    "linalg.eigvalsh": [
        (lambda xp, x: xp.linalg.eigvalsh(positive(xp, x)), ((3, 3),)),
        (lambda xp, x: xp.linalg.eigvalsh(well(x), UPLO="U"), ((3, 3),)),
    ],
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
    "linalg.lstsq": [
        (lambda xp, a, b: xp.linalg.lstsq(a, b)[0], ((4, 2), (4,))),
        (lambda xp, a, b: xp.linalg.lstsq(a, b)[0], ((2, 3), (2, 2))),
        (lambda xp, a, b: xp.linalg.lstsq(a, b, rcond=-1)[1], ((4, 2), (4, 2))),
        (lambda xp, a, b: xp.linalg.lstsq(a, b)[1], ((4, 2), (4,))),
        (lambda xp, a: xp.linalg.lstsq(a, np.ones(4, a.dtype))[3], ((4, 2),)),
    ],
    "linalg.cond": [
        (lambda xp, x: xp.linalg.cond(well(x)), ((2, 2, 2),)),
        *[(lambda xp, x, p=p: xp.linalg.cond(well(x), p), ((2, 2),)) for p in (2, -2, 1, -1, np.inf, "fro", "nuc")],
    ],
    "linalg.eigvals": [
        (lambda xp, x: xp.real(xp.linalg.eigvals(well(0.3 * x))), ((3, 3),)),
        (lambda xp, x: xp.linalg.eigvals(well(0.3 * x)), ((2, 2, 2),)),
    ],
    "linalg.eig": [
        (lambda xp, x: xp.real(xp.linalg.eig(well(0.3 * x))[1]) ** 2, ((3, 3),)),
        (lambda xp, x: xp.linalg.eig(well(0.3 * x)).eigenvalues, ((3, 3),)),
    ],
    # Fourier transforms
    "fft.rfft": [
        (lambda xp, x: abs(xp.fft.rfft(x)) ** 2, ((5,),)), (lambda xp, x: xp.angle(xp.fft.rfft(x, axis=0)), ((4, 2),)),
        *[(lambda xp, x, n=n, norm=norm: xp.fft.rfft(x, n, norm=norm).real, (X,)) for n, norm in
          ((2, "ortho"), (5, "forward"), (4, "backward"))],
    ],
    "fft.irfft": [
        (lambda xp, x: xp.fft.irfft(xp.fft.rfft(x) * np.array([1.0, 1j, 0.5 - 1j], dtype=np.complex64)), (V,)),
        (lambda xp, x: xp.fft.irfft(xp.fft.rfft(x), 3), (X,)), (lambda xp, x: xp.fft.irfft(x, 5, 0, "ortho"), (X,)),
        (lambda xp, x: xp.fft.irfft(xp.fft.rfft(x) * x[:3]), (V,)),
    ],
    "fft.fft": [
        (lambda xp, x: xp.linalg.norm(xp.fft.fft(x), 3, axis=1), (X,)),
        (lambda xp, x: xp.linalg.norm(xp.fft.fft(x)), (X,)),
        (lambda xp, x: xp.sum(xp.exp(0.3j / (2.0 - xp.fft.fft(x)) - 1.5j), 0).real, (X,)),
        (lambda xp, x: abs(xp.reshape(xp.fft.fft(x)[:, 1:], -1) @ np.ones((4, 2), x.dtype)), (X,)),
        (lambda xp, x: (xp.fft.fft(x) ** 3 / xp.fft.fft(x).conj()).imag, (X,)),
        (lambda xp, x: abs(xp.fft.fft(x)), ((5,),)),
        (lambda xp, x: xp.fft.fft(xp.fft.fft(x), 6, norm="ortho").imag, (X,)),
    ],
    "fft.ifft": [
        (lambda xp, x: xp.fft.ifft(x * 1.0).imag, ((5,),)),
        (lambda xp, x: xp.real(xp.fft.ifft(xp.conj(xp.fft.fft(x, axis=0)), 2, 0, "forward")), (Y,)),
    ],
    "fft.hfft": [(lambda xp, x: xp.fft.hfft(xp.fft.rfft(x), 5, norm="ortho"), (V,)),
        (lambda xp, x: xp.fft.hfft(x), (V,))],
    "fft.ihfft": [(lambda xp, x: xp.imag(xp.fft.ihfft(x)), ((5,),))],
    **{f"fft.{name}": [
        (lambda xp, x, name=name: xp.real(getattr(xp.fft, name)(x)), (X,)),
        (lambda xp, x, name=name: xp.imag(getattr(xp.fft, name)(x, (2, 4), axes=(2, 0), norm="ortho")), ((3, 1, 2),)),
    ] for name in ("fft2", "fftn", "ifft2", "ifftn", "rfft2", "rfftn")},
    **{f"fft.{name}": [
        (lambda xp, x, name=name: getattr(xp.fft, name)(xp.fft.rfft2(x)), ((2, 4),)),
        (lambda xp, x, name=name: getattr(xp.fft, name)(x, (3, 5), (0, 1)), (X,)),
    ] for name in ("irfft2", "irfftn")},
    # averages and covariances
    "average": [
        (lambda xp, x, w: xp.average(x, 1, w**2), (X, (3,))), (lambda xp, x, w: xp.average(x, weights=w**2), (X, X)),
        (lambda xp, x: xp.average(x, axis=(0, 2), keepdims=True), ((2, 3, 2),)),
        (lambda xp, x, w: xp.average(x, (2, 0), xp.exp(w)), ((2, 2, 3), (3, 2))),
        (lambda xp, w: xp.average(MASK, -1, xp.exp(w), returned=True)[1], ((3,),)),
        (lambda xp, x: xp.average(x, returned=True)[0], (X,)),
    ],
    "cov": [
        (lambda xp, x: xp.cov(x), (X,)), (lambda xp, x: xp.cov(x), (V,)), (lambda xp, x, y: xp.cov(x, y), (V, V)),
        (lambda xp, x: xp.cov(x, rowvar=False, bias=True), (X,)), (lambda xp, x: xp.cov(x, ddof=0), (X,)),
        (lambda xp, x, w: xp.cov(x, fweights=np.array([1, 2, 3]), aweights=w**2), (X, (3,))),
        (lambda xp, x: xp.cov(x, fweights=np.array([1, 2, 3])), (X,)),
        (lambda xp, x, w: xp.cov(x, aweights=w**2, ddof=0), (X, (3,))),
    ],
    "corrcoef": [
        (lambda xp, x: xp.corrcoef(x), (X,)), (lambda xp, x, y: xp.corrcoef(x, y, rowvar=False), ((4, 2), (4, 1))),
    ],
    # polynomials, grids
    "polyval": [
        (lambda xp, p, x: xp.polyval(p, x), ((3,), X)), (lambda xp, p: xp.polyval(p, 2.0), (V,)),
        (lambda xp, x: xp.polyval([2.0, 0.5], x), (X,)), (lambda xp, p: xp.polyval(p, np.ones(2, p.dtype)), ((1,),)),
    ],
    "vander": [
        (lambda xp, x: xp.vander(x), (V,)), (lambda xp, x: xp.vander(x, 3, increasing=True), (V,)),
        (lambda xp, x: xp.vander(x, N=0), ((2,),)),
    ],
    "meshgrid": [
        (lambda xp, x, y: xp.hypot(*xp.meshgrid(x, y)), ((2,), (3,))),
        *[(lambda xp, x, y, z, way=way, sparse=sparse: math.prod(xp.meshgrid(x, y, z, indexing=way, sparse=sparse)),
           ((2,), (3,), (1,))) for sparse in (True, False) for way in ("xy", "ij")],
        (lambda xp, x: xp.meshgrid(x, 2.0)[0], ((2,),)),
    ],
    "logspace": [
        (lambda xp, a, b: xp.logspace(a, b, 4), ((2,), (2,))),
        (lambda xp, a, c: xp.logspace(a, 2.0, num=3, endpoint=False, base=xp.exp(c), axis=-1), (X, (3,))),
    ],
    "geomspace": [
        (lambda xp, a, b: xp.geomspace(xp.exp(a), xp.exp(b), 4), ((2,), (2,))),
        (lambda xp, a: xp.geomspace(-xp.exp(a), -2.0, num=3, endpoint=False, axis=1), ((2,),)),
    ],
    # parts put together, left out, put in
    "block": [
        (lambda xp, x, y: xp.block([[x, y], [y, x]]), (X, X)), (lambda xp, x, y: xp.block([x, y, x]), (V, (2,))),
        (lambda xp, x, y: xp.block([[x], [y]]), ((3,), X)), (lambda xp, x: xp.block(x), (X,)),
    ],
    "delete": [
        *[(lambda xp, x, obj=obj, axis=axis: xp.delete(x, obj, axis), (X,)) for obj, axis in
          ((1, None), (-1, 1), (slice(0, 2), 1), (np.array([0, 2]), -1), (np.array([True, False]), 0))],
    ],
    "insert": [
        (lambda xp, x, y: xp.insert(x, 1, y, axis=0), (X, (3,))),
        (lambda xp, x, y: xp.insert(x, 1, y, axis=1), (X, (2,))),
        (lambda xp, x, y: xp.insert(x, np.array([1, 1, 2]), y), (V, (3,))),
        (lambda xp, x, y: xp.insert(x, np.array([2]), y, axis=1), (X, (2, 2))),
        (lambda xp, x: xp.insert(x, slice(1, 3), 2.5), (X,)), (lambda xp, x, y: xp.insert(x, 4, y), (V, (2,))),
        (lambda xp, x: xp.insert(x, np.array([True, False, True]), 9.0, axis=1), (X,)),
        (lambda xp, x: xp.insert(x, [], 9.0, axis=1), (X,)), (lambda xp, x: xp.insert(x, [], []), (V,)),
    ],
    "resize": [
        (lambda xp, x: xp.resize(x, (3, 3)), (X,)), (lambda xp, x: xp.resize(x, 4), (X,)),
        (lambda xp, x: xp.resize(x, (2, 0)), (X,)),
    ],
    "compress": [
        (lambda xp, x: xp.compress(MASK[0], x, axis=1), (X,)),
        (lambda xp, x: xp.compress(np.array([0, 1, 1]), x), (X,)),
    ],
    "extract": [(lambda xp, x: xp.extract(MASK, x), (X,))],
    "choose": [
        (lambda xp, x, y: xp.choose(np.array([1, 0, 1]), [x, y]), (X, (3,))),
        (lambda xp, x: xp.choose(np.array([[3], [-1]]), [x, 2 * x], mode="wrap"), ((2,),)),
        (lambda xp, x: xp.choose(np.array([9, -1]), x, mode="clip"), ((3,),)),
    ],
    "diagflat": [(lambda xp, x: xp.diagflat(x, 1), (X,)), (lambda xp, x: xp.diagflat(x), (V,))],
    "ediff1d": [
        (lambda xp, x, y: xp.ediff1d(x, y), (X, (2, 1))),
        (lambda xp, x, y: xp.ediff1d(x, to_begin=y, to_end=0.5), (V, (2,))),
    ],
    # functions of parts
    "piecewise": [
        (lambda xp, x: xp.piecewise(x, [x < 0.0, x > 2.0], [lambda u: u**2, xp.exp, lambda u: u**3]), ((2, 3),)),
        (lambda xp, x: xp.piecewise(x, [np.eye(3) < 1, np.eye(3) > 0], [xp.cos, xp.sin]), ((3, 3),)),
        (lambda xp, x: xp.piecewise(x, [MASK], [lambda u: xp.exp(u), -1.0]), (X,)),
        (lambda xp, x: xp.piecewise(x, x > 0.0, [lambda u, a, b: a * u + b, 3.0], 2.0, b=0.5), (V,)),
    ],
    "apply_along_axis": [
        (lambda xp, x: xp.apply_along_axis(xp.cumsum, 0, x), (X,)),
        (lambda xp, x: xp.apply_along_axis(xp.sum, 1, x), (X,)),
        (lambda xp, x: xp.apply_along_axis(lambda u: xp.outer(u, u), 1, x), ((2, 2, 3),)),
        (lambda xp, x: xp.apply_along_axis(xp.sum, 0, x), (V,)),
    ],
    "unwrap": [
        (lambda xp, x: xp.unwrap(9 * x), (X,)), (lambda xp, x: xp.unwrap(5 * x, 1.5, axis=0, period=2.0), ((5, 2),)),
    ],
    "i0": [(lambda xp, x: xp.i0(3 * x), (X,))],
    "nancumprod": [(lambda xp, x: xp.nancumprod(holed(xp, x), axis=1), (X,)), (lambda xp, x: xp.nancumprod(x), (X,))],
    "nanmedian": [
        (lambda xp, x: xp.nanmedian(holed(xp, x), axis=1), ((2, 5),)), (lambda xp, x: xp.nanmedian(holed(xp, x)), (X,)),
    ],
    "nanquantile": [
        (lambda xp, x: xp.nanquantile(holed(xp, x), np.array([0.3, 0.8]), axis=1), ((2, 5),)),
        (lambda xp, x: xp.nanquantile(holed(xp, x), 0.4, axis=(0, 2), keepdims=True, method="lower"), ((2, 3, 3),)),
        (lambda xp, x: xp.nanquantile(x, np.array([[0.1, 1.0]])), (X,)),
    ],
    "nanpercentile": [(lambda xp, x: xp.nanpercentile(holed(xp, x), 30.0, axis=0), ((4, 2),))],
    "lib.stride_tricks.sliding_window_view": [
        (lambda xp, x: xp.lib.stride_tricks.sliding_window_view(x, 2, axis=0), ((4, 2),)),
        (lambda xp, x: xp.lib.stride_tricks.sliding_window_view(x, (2, 2)), ((3, 4),)),
    ],
}  # fmt: skip
BY_DIFFERENCES = {
    "lib.stride_tricks.sliding_window_view", "full_like", "linalg.eig", "linalg.eigvals", "compress", "extract",
    "choose", "linalg.lstsq", "fft.ifft", "fft.hfft", "fft.ihfft", "fft.fft2", "fft.fftn", "fft.ifft2", "fft.ifftn",
    "fft.rfft2", "fft.rfftn", "fft.irfft2", "fft.irfftn", "vander", "meshgrid", "logspace", "geomspace", "block",
    "delete", "insert", "resize", "diagflat", "ediff1d", "apply_along_axis", "unwrap", "nancumprod",
    "nanmedian", "nanpercentile", "average", "cov", "corrcoef", "polyval", "i0", "linalg.cond", "piecewise",
    "nanquantile", "fft.rfft", "fft.irfft", "fft.fft",
}  # fmt: skip
"""Functions held to differences at order 2, all calls: JAX lacks them or does not compile them, or has a call in
``cases.py``."""


def named(xp: Any, name: str) -> Any:
    """The function of a name with dots in it."""
    for part in name.split("."):
        xp = getattr(xp, part)
    return xp
