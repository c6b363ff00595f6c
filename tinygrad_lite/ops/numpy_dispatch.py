"""NumPy's own functions on Values: ``np.exp(v)``, ``np.sum(v, axis=0)``, ``array + v``.

NumPy asks its arguments' classes before it does anything (NEP 13 for ufuncs, NEP 18 for functions). What is in the two
tables below is recorded; anything else raises, so that no Value ends up in an array of objects.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from ..core.derivatives import TABLE
from ..core.elementwise import FUNCTIONS
from ..core.shapes import ndim_of, shape_of
from ..core.value import Value, describe, on_data, raw
from ..errors import ArgumentError, ValueTypeError
from . import elementary, functions
from .nondifferentiable import CONSTANTS

__all__ = ["NUMPY_FUNCTIONS", "ON_DATA", "UFUNCS"]


def _same(x: Any) -> Any:
    """The number itself, under another identity."""
    return elementary.mul(x, 1.0)


UFUNCS: dict[np.ufunc, Callable[..., Any]] = {
    getattr(np, rule.ufunc): FUNCTIONS[name] for name, rule in TABLE.items() if rule.ufunc
} | {
    np.matmul: functions.matmul,
    np.vecdot: functions.vecdot,
    np.positive: _same,
    np.conjugate: _same,
    np.fabs: FUNCTIONS["abs"],
    np.degrees: lambda x: elementary.mul(x, 180.0 / math.pi),
    np.rad2deg: lambda x: elementary.mul(x, 180.0 / math.pi),
    np.radians: lambda x: elementary.mul(x, math.pi / 180.0),
    np.deg2rad: lambda x: elementary.mul(x, math.pi / 180.0),
}

# Of the data alone: their results are plain arrays.
ON_DATA: set[Any] = {
    np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal,
    np.isfinite, np.isinf, np.isnan, np.isneginf, np.isposinf, np.signbit, np.iscomplex, np.iscomplexobj, np.isreal,
    np.isrealobj, np.logical_and, np.logical_or, np.logical_not, np.logical_xor,
    np.argmax, np.argmin, np.nanargmax, np.nanargmin, np.argsort, np.argpartition, np.argwhere, np.all, np.any,
    np.allclose, np.array_equal, np.array_equiv, np.isclose, np.count_nonzero, np.digitize,
    np.shape, np.ndim, np.size, np.nonzero, np.flatnonzero, np.searchsorted, np.result_type,
    np.zeros_like, np.ones_like, np.empty_like, np.array_repr, np.array_str, np.array2string,
    np.linalg.matrix_rank,
}  # fmt: skip

_REDUCTIONS = {
    np.add: functions.sum, np.multiply: functions.prod, np.maximum: functions.max, np.minimum: functions.min,
    np.logaddexp: functions.logsumexp,
}  # fmt: skip
_ACCUMULATIONS = {np.add: functions.cumsum, np.multiply: functions.cumprod}


# ---- where NumPy's arguments are other than ours; the names are NumPy's


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    if axis is None and (ord is None or ndim_of(x) == 1):
        return functions.vector_norm(x, None, keepdims, 2 if ord is None else ord)
    axes = tuple(range(ndim_of(x))) if axis is None else axis if isinstance(axis, Sequence) else (axis,)
    if len(axes) == 1:
        return functions.vector_norm(x, axes, keepdims, 2 if ord is None else ord)
    return functions.matrix_norm(x, axes, keepdims, "fro" if ord is None else ord)


def _vector_norm(x: Any, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    return functions.vector_norm(x, axis, keepdims, ord)


def _clip(x: Any, a_min: Any = None, a_max: Any = None, min: Any = None, max: Any = None) -> Any:
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    return FUNCTIONS["clip"](x, -np.inf if low is None else low, np.inf if high is None else high)


def _full_like(x: Any, fill_value: Any) -> Any:
    if isinstance(fill_value, Value):
        return functions.astype(functions.broadcast_to(fill_value, shape_of(x)), raw(x).dtype)
    return on_data(np.full_like, x, fill_value)


def _diff(x: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    return functions.diff(x, n, axis, prepend, append)


def _take(x: Any, indices: Any, axis: int | None = None, mode: str = "raise") -> Any:
    n = math.prod(shape_of(x)) if axis is None else shape_of(x)[axis]
    if mode == "wrap":
        indices = np.mod(raw(indices), n)
    elif mode == "clip":
        indices = np.clip(raw(indices), 0, n - 1)
    elif mode != "raise":
        raise ArgumentError(f"take: mode is 'raise', 'wrap' or 'clip', got {mode!r}")
    return functions.take(x, indices, axis)


def _reordered(x: Any, shape: Any, order: str = "C") -> Any:
    if order not in ("C", "F"):
        raise ArgumentError(
            f"reshape: order is 'C' or 'F', got {order!r}; the layout in memory of {describe(x)} is none"
        )
    if order == "C":
        return functions.reshape(x, shape)
    sizes = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    return functions.transpose(functions.reshape(functions.transpose(x), sizes[::-1]))


def _ravel(x: Any, order: str = "C") -> Any:
    return functions.ravel(x if order != "F" else functions.transpose(x))


def _shifted(x: Any, axes: Any, sign: int) -> Any:
    """The first half of each axis exchanged with the second."""
    places = range(ndim_of(x)) if axes is None else (axes,) if isinstance(axes, int | np.integer) else tuple(axes)
    return functions.roll(x, [sign * (shape_of(x)[k] // 2) for k in places], tuple(places))


def _spread_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """A variance or a deviation: ``correction`` is another name of ``ddof``."""

    def call(x: Any, axis: Any = None, keepdims: bool = False, ddof: Any = 0, correction: Any = None) -> Any:
        return function(x, axis, keepdims, ddof if correction is None else correction)

    return call


def _masked_spread_of(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(
        x: Any, axis: Any = None, keepdims: bool = False, ddof: Any = 0, correction: Any = None, where: Any = None
    ) -> Any:
        return function(x, axis, keepdims, ddof if correction is None else correction, where=where)

    return call


def _nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    return functions.nan_to_num(x, nan, posinf, neginf)


def _einsum(*operands: Any, optimize: Any = False) -> Any:
    if not operands or not isinstance(operands[0], str):
        raise ArgumentError("einsum: takes its subscripts as text, such as 'ij,jk->ik', before the operands")
    return functions.einsum(*operands)


NUMPY_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    getattr(np, name): getattr(functions, name)
    for name in (
        "sum", "mean", "max", "amax", "min", "amin", "ptp", "prod", "median", "quantile", "percentile", "nansum",
        "nanprod", "nanmean", "nanmax", "nanmin", "cumsum", "cumprod", "nancumsum", "sort", "partition", "gradient",
        "trapezoid", "interp", "linspace", "convolve", "correlate", "dot", "vdot", "inner", "outer", "kron", "cross",
        "tensordot", "transpose", "swapaxes", "moveaxis", "rollaxis", "expand_dims", "squeeze", "broadcast_to",
        "atleast_1d", "atleast_2d", "atleast_3d", "concatenate", "stack", "vstack", "hstack", "dstack", "column_stack",
        "append", "split", "array_split", "hsplit", "vsplit", "dsplit", "take_along_axis", "pad", "flip", "fliplr",
        "flipud", "rot90", "roll", "repeat", "tile", "diag", "diagonal", "trace", "tril", "triu",
    )
    if hasattr(functions, name)
}  # fmt: skip
NUMPY_FUNCTIONS |= {
    np.amax: functions.max,
    np.amin: functions.min,
    np.var: _masked_spread_of(functions.var),
    np.std: _masked_spread_of(functions.std),
    np.nanvar: _spread_of(functions.nanvar),
    np.nanstd: _spread_of(functions.nanstd),
    np.diff: _diff,
    np.einsum: _einsum,
    np.reshape: _reordered,
    np.ravel: _ravel,
    np.take: _take,
    np.transpose: lambda x, axes=None: functions.transpose(x, axes),
    np.clip: _clip,
    np.where: FUNCTIONS["where"],
    np.select: functions.select,
    np.sinc: FUNCTIONS["sinc"],
    np.nan_to_num: _nan_to_num,
    np.full_like: _full_like,
    np.real: _same,
    np.real_if_close: lambda x, tol=100: _same(x),
    np.matrix_transpose: lambda x: functions.swapaxes(x, -1, -2),
    np.lib.stride_tricks.sliding_window_view: functions.sliding_window_view,
    np.fft.fftshift: lambda x, axes=None: _shifted(x, axes, 1),
    np.fft.ifftshift: lambda x, axes=None: _shifted(x, axes, -1),
    np.linalg.norm: _norm,
    np.linalg.vector_norm: _vector_norm,
    np.linalg.matrix_norm: lambda x, keepdims=False, ord="fro": functions.matrix_norm(x, (-2, -1), keepdims, ord),
    np.linalg.outer: functions.outer,
    np.linalg.matmul: functions.matmul,
    np.linalg.tensordot: functions.tensordot,
    np.linalg.vecdot: lambda a, b, axis=-1: functions.vecdot(
        functions.moveaxis(a, axis, -1), functions.moveaxis(b, axis, -1)
    ),
    np.linalg.cross: lambda a, b, axis=-1: functions.cross(a, b, axis=axis),
    np.linalg.trace: lambda x, offset=0: functions.trace(x, offset, -2, -1),
    np.linalg.diagonal: lambda x, offset=0: functions.diagonal(x, offset, -2, -1),
    np.linalg.matrix_transpose: lambda x: functions.swapaxes(x, -1, -2),
    np.linalg.inv: functions.inv,
    np.linalg.pinv: functions.pinv,
    np.linalg.det: functions.det,
    np.linalg.slogdet: functions.slogdet,
    np.linalg.solve: functions.solve,
    np.linalg.matrix_power: functions.matrix_power,
    np.linalg.multi_dot: functions.multi_dot,
    np.linalg.cholesky: functions.cholesky,
    np.linalg.eigh: functions.eigh,
    np.linalg.eigvalsh: functions.eigvalsh,
    np.linalg.svd: functions.svd,
    np.linalg.svdvals: functions.svdvals,
    np.linalg.qr: functions.qr,
}
if hasattr(np, "astype"):  # since NumPy 2.1
    NUMPY_FUNCTIONS[np.astype] = lambda x, dtype, copy=True: functions.astype(x, dtype)

_NO_EFFECT: dict[str, tuple[Any, ...]] = {
    "out": (None,),
    "where": (True,),
    "casting": ("same_kind",),
    "order": ("K", "C"),
    "subok": (True, False),
    "dtype": (None,),
    "overwrite_input": (True, False),
    "writeable": (False,),
    "kind": ("introselect", "quicksort", "stable", "mergesort", "heapsort", None),  # equal ones keep their order
    "stable": (True, False, None),
    "hermitian": (False,),
}
"""Arguments that say nothing here, with the values that say nothing."""


def _array_ufunc(self: Value, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    if any(isinstance(out, Value) for out in kwargs.get("out", ())):
        raise ValueTypeError(
            f"{ufunc.__name__}: out= cannot be a Value, whose data belong to a graph; "
            "use the result, or join with tinygrad_lite.stack([…])"
        )
    if kwargs.get("out") is not None:
        raise ValueTypeError(
            f"{ufunc.__name__}: out= would take the result of a Value out of its graph; use the result, join several "
            "with tinygrad_lite.stack([…]), or compute on .data"
        )
    if method == "__call__" and ufunc in ON_DATA:
        return on_data(ufunc, *inputs, **kwargs)
    if method == "__call__" and ufunc in CONSTANTS:
        return _called(CONSTANTS[ufunc], ufunc.__name__, inputs, kwargs)
    if method == "reduce" and ufunc in _REDUCTIONS:
        return _called(_REDUCTIONS[ufunc], ufunc.__name__, inputs, {"axis": 0} | kwargs)
    if method == "accumulate" and ufunc in _ACCUMULATIONS:
        return _called(_ACCUMULATIONS[ufunc], ufunc.__name__, inputs, {"axis": 0} | kwargs)
    if method == "outer" and ufunc in UFUNCS and ufunc.signature is None:
        a, b = inputs
        return _called(
            UFUNCS[ufunc], ufunc.__name__, (functions.reshape(a, shape_of(a) + (1,) * ndim_of(b)), b), kwargs
        )
    if method != "__call__" or ufunc not in UFUNCS:
        called = ufunc.__name__ + ("" if method == "__call__" else f".{method}")
        raise ValueTypeError(
            f"{called}: no derivative is known for it, so it does not take a Value; compose it of ops in "
            "tinygrad_lite.functions, or compute on .data for a constant"
        )
    return _called(UFUNCS[ufunc], ufunc.__name__, inputs, kwargs)


def _array_function(
    self: Value, func: Any, types: Sequence[type], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    name = getattr(func, "__name__", str(func))
    args, kwargs = _bound(func, args, kwargs)
    if kwargs.get("out") is not None:
        raise ValueTypeError(
            f"{name}: out= would take the result of a Value out of its graph; use the result, join several with "
            "tinygrad_lite.stack([…]), or compute on .data"
        )
    if func in ON_DATA:
        return on_data(func, *args, **{key: raw(x) for key, x in kwargs.items()})
    function = NUMPY_FUNCTIONS.get(func) or CONSTANTS.get(func)
    if function is None:
        raise ValueTypeError(
            f"{name}: no derivative is known for it, so it does not take a Value; compose it of ops in "
            "tinygrad_lite.functions, or compute on .data for a constant"
        )
    return _called(function, name, args, kwargs)


@cache
def _parameters(func: Any) -> tuple[inspect.Parameter, ...]:
    """NumPy's own parameters of a function; none where it does not say."""
    try:
        return tuple(inspect.signature(func).parameters.values())
    except ValueError:  # written in C, before NumPy 2.4
        return ()


def _bound(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments that NumPy needs by position, the others by NumPy's name for them, those left out left out."""
    parameters = _parameters(func)
    kwargs = {key: value for key, value in kwargs.items() if value is not np._NoValue}
    if not parameters or any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters):
        return args, kwargs
    needed: list[Any] = []
    rest = dict(kwargs)
    for k, parameter in enumerate(parameters):
        if k < len(args):
            if args[k] is np._NoValue:
                continue
            if parameter.default is inspect.Parameter.empty or parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
                needed.append(args[k])
            else:
                rest[parameter.name] = args[k]
        elif parameter.default is inspect.Parameter.empty and parameter.name in rest and len(needed) == k:
            needed.append(rest.pop(parameter.name))
    defaults = {parameter.name: parameter.default for parameter in parameters}
    left = {key: value for key, value in rest.items() if key not in defaults or not _is(value, defaults[key])}
    return tuple(needed), left


def _is(value: Any, default: Any) -> bool:
    """Whether an argument is what it would be if it were left out."""
    return value is default or (type(value) is type(default) and not ndim_of(value) and bool(value == default))


def _called(function: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Our function with NumPy's arguments, less those that say nothing."""
    given = {
        key: value
        for key, value in kwargs.items()
        if not (key in _NO_EFFECT and any(value is nothing or _is(value, nothing) for nothing in _NO_EFFECT[key]))
    }
    try:
        return function(*args, **given)
    except TypeError as error:
        if isinstance(error, ValueTypeError) or "argument" not in str(error):
            raise
        raise ValueTypeError(
            f"{name}: not with these arguments on a Value ({error}); leave them out, or compute on .data"
        ) from None


Value.__array_ufunc__ = _array_ufunc  # type: ignore[attr-defined]
Value.__array_function__ = _array_function  # type: ignore[attr-defined]
