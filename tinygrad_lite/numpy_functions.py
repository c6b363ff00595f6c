"""NumPy's own functions on Values: ``np.exp(v)``, ``np.sum(v, axis=0)``, ``array + v``.

NumPy asks its arguments' classes before it does anything (NEP 13 for ufuncs, NEP 18 for functions). What is in the two
tables below is recorded; anything else raises, so that no Value ends up in an array of objects.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import functions
from .derivatives import TABLE
from .elementwise import FUNCTIONS
from .errors import ValueTypeError
from .value import Value, on_data, raw

__all__ = ["NUMPY_FUNCTIONS", "UFUNCS"]

UFUNCS: dict[np.ufunc, Callable[..., Any]] = {
    getattr(np, rule.ufunc): FUNCTIONS[name] for name, rule in TABLE.items() if rule.ufunc
}
UFUNCS[np.matmul] = functions.matmul
UFUNCS[np.positive] = lambda x: FUNCTIONS["mul"](x, 1.0)

# Of the data alone: their results are plain arrays.
_ON_DATA: set[Any] = {
    np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal,
    np.isfinite, np.isinf, np.isnan, np.signbit, np.logical_and, np.logical_or, np.logical_not, np.logical_xor,
    np.argmax, np.argmin, np.argsort, np.all, np.any, np.allclose, np.array_equal, np.isclose, np.count_nonzero,
    np.shape, np.ndim, np.size, np.nonzero, np.flatnonzero, np.searchsorted, np.result_type,
    np.zeros_like, np.ones_like, np.empty_like, np.full_like, np.array_repr, np.array_str, np.array2string,
}  # fmt: skip


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """NumPy's norm, as far as it is the Euclidean one: of all elements, or along one axis."""
    euclidean = ord is None or (ord == 2 and (axis is not None or x.ndim == 1)) or (ord == "fro" and x.ndim == 2)
    if not euclidean:
        raise ValueTypeError(
            f"norm: ord={ord!r} is not supported on a Value, only the Euclidean norm; compose it of abs, max and sum"
        )
    return functions.norm(x, axis, keepdims)


_REDUCTIONS = {np.add: functions.sum, np.multiply: functions.prod, np.maximum: functions.max, np.minimum: functions.min}

NUMPY_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sum: functions.sum,
    np.mean: functions.mean,
    np.max: functions.max,
    np.amax: functions.max,
    np.min: functions.min,
    np.amin: functions.min,
    np.prod: functions.prod,
    np.var: functions.var,
    np.std: functions.std,
    np.cumsum: functions.cumsum,
    np.dot: functions.dot,
    np.outer: functions.outer,
    np.tensordot: functions.tensordot,
    np.einsum: functions.einsum,
    np.reshape: lambda x, shape: functions.reshape(x, shape),
    np.ravel: functions.ravel,
    np.transpose: lambda x, axes=None: functions.transpose(x, axes),
    np.swapaxes: functions.swapaxes,
    np.moveaxis: functions.moveaxis,
    np.expand_dims: functions.expand_dims,
    np.squeeze: functions.squeeze,
    np.broadcast_to: functions.broadcast_to,
    np.concatenate: functions.concatenate,
    np.stack: functions.stack,
    np.split: lambda x, indices_or_sections, axis=0: functions.split(x, indices_or_sections, axis),
    np.take: functions.take,
    np.pad: functions.pad,
    np.flip: functions.flip,
    np.roll: functions.roll,
    np.repeat: functions.repeat,
    np.tile: functions.tile,
    np.diag: functions.diag,
    np.trace: functions.trace,
    np.tril: functions.tril,
    np.triu: functions.triu,
    np.clip: lambda x, low=None, high=None: FUNCTIONS["clip"](
        x, -np.inf if low is None else low, np.inf if high is None else high
    ),
    np.where: FUNCTIONS["where"],
    np.linalg.norm: _norm,
    np.linalg.outer: functions.outer,
    np.linalg.matmul: functions.matmul,
    np.linalg.trace: functions.trace,
    np.matrix_transpose: lambda x: functions.swapaxes(x, -1, -2),
}

_NO_EFFECT: dict[str, tuple[Any, ...]] = {
    "out": (None,),
    "where": (True,),
    "casting": ("same_kind",),
    "order": ("K", "C"),
    "subok": (True,),
    "dtype": (None,),
}


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
    if ufunc in _ON_DATA and method == "__call__":
        return on_data(ufunc, *inputs, **kwargs)
    if method == "reduce" and ufunc in _REDUCTIONS:
        return _called(_REDUCTIONS[ufunc], ufunc.__name__, inputs, {"axis": 0} | kwargs)
    if method == "outer" and ufunc is np.multiply:
        return functions.tensordot(inputs[0], inputs[1], axes=0)
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
    if kwargs.get("out") is not None:
        raise ValueTypeError(
            f"{name}: out= would take the result of a Value out of its graph; use the result, join several with "
            "tinygrad_lite.stack([…]), or compute on .data"
        )
    if func in _ON_DATA:
        return on_data(func, *args, **{key: raw(x) for key, x in kwargs.items()})
    if func not in NUMPY_FUNCTIONS:
        raise ValueTypeError(
            f"{name}: no derivative is known for it, so it does not take a Value; compose it of ops in "
            "tinygrad_lite.functions, or compute on .data for a constant"
        )
    return _called(NUMPY_FUNCTIONS[func], name, args, kwargs)


def _called(function: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Our function with NumPy's arguments, less those that say nothing; NumPy's spellings become ours."""
    given = {
        key: value
        for key, value in kwargs.items()
        if value is not np._NoValue and not (key in _NO_EFFECT and any(value is nothing for nothing in _NO_EFFECT[key]))
    }
    if name == "clip":
        for theirs, ours in (("a_min", "low"), ("a_max", "high"), ("min", "low"), ("max", "high")):
            if theirs in given:
                given[ours] = given.pop(theirs)
    for theirs in ("a", "ary", "array", "m", "x1"):
        if theirs in given and not args:
            args = (given.pop(theirs),)
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
