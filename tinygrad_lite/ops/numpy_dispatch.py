"""NumPy's own functions on Values: ``np.exp(v)``, ``np.sum(v, axis=0)``, ``array + v``.

NumPy asks the classes of its arguments first (NEP 13 for ufuncs, NEP 18 for functions). A function in the register is
recorded; any other raises, so that no Value ends up in an array of objects.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import BuiltinMethodType
from typing import Any

import numpy as np

from ..core.elementwise import FUNCTIONS
from ..core.elementwise_derivatives import TABLE
from ..core.shapes import ndim_of, shape_of
from ..core.value import Value, on_data, raw
from ..errors import ValueTypeError
from . import elementary, functions
from .nondifferentiable import CONSTANTS
from .registry import NUMPY, for_numpy

__all__ = ["NUMPY_FUNCTIONS", "ON_DATA", "UFUNCS"]


# ---- NumPy's functions that are not structured functions of ours


@for_numpy(np.positive, np.conjugate, np.real)
def _same(x: Any) -> Any:
    """The same numbers in a new Value."""
    return elementary.mul(x, 1.0)


@for_numpy(np.real_if_close)
def _real_if_close(x: Any, tol: Any = 100) -> Any:
    return _same(x)


@for_numpy(np.degrees, np.rad2deg)
def _degrees(x: Any) -> Any:
    return elementary.mul(x, 180.0 / math.pi)


@for_numpy(np.radians, np.deg2rad)
def _radians(x: Any) -> Any:
    return elementary.mul(x, math.pi / 180.0)


@for_numpy(np.clip)
def _clip(x: Any, a_min: Any = None, a_max: Any = None, min: Any = None, max: Any = None) -> Any:
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    return elementary.clip(x, -np.inf if low is None else low, np.inf if high is None else high)


@for_numpy(np.full_like)
def _full_like(x: Any, fill_value: Any) -> Any:
    if isinstance(fill_value, Value):
        return functions.astype(functions.broadcast_to(fill_value, shape_of(x)), raw(x).dtype)
    return on_data(np.full_like, x, fill_value)


for _name, _rule in TABLE.items():
    for_numpy(_rule.ufunc and getattr(np, _rule.ufunc))(FUNCTIONS[_name])
for_numpy(np.fabs)(FUNCTIONS["abs"])
for_numpy(np.float_power)(FUNCTIONS["pow"])
for_numpy(np.where)(FUNCTIONS["where"])
for_numpy(np.sinc)(FUNCTIONS["sinc"])

UFUNCS = {f: call for f, call in NUMPY.items() if isinstance(f, np.ufunc)}
"""The function called for each ufunc of NumPy's."""

NUMPY_FUNCTIONS = {f: call for f, call in NUMPY.items() if f not in UFUNCS and not isinstance(f, BuiltinMethodType)}
"""The function called for each other function of NumPy's; the register's other keys are methods of ufuncs."""

# These read the data only: their results are plain arrays.
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
    "copy": (True, False),
}
"""Arguments that have no effect on Values, with the values that are accepted."""


def _refuse_out(name: str, kwargs: Mapping[str, Any]) -> None:
    if kwargs.get("out") is not None:
        raise ValueTypeError(
            f"{name}: out= would take the result of a Value out of its graph; use the result, join several with "
            "tinygrad_lite.stack([…]), or compute on .data"
        )


def _unknown(name: str) -> ValueTypeError:
    return ValueTypeError(
        f"{name}: no derivative is known for it, so it does not take a Value; compose it of ops in "
        "tinygrad_lite.functions, or compute on .data for a constant"
    )


def _array_ufunc(self: Value, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    if any(isinstance(out, Value) for out in kwargs.get("out", ())):
        raise ValueTypeError(
            f"{ufunc.__name__}: out= cannot be a Value, whose data belong to a graph; "
            "use the result, or join with tinygrad_lite.stack([…])"
        )
    _refuse_out(ufunc.__name__, kwargs)
    if method == "__call__" and ufunc in ON_DATA:
        return on_data(ufunc, *inputs, **kwargs)
    if method == "__call__" and ufunc in CONSTANTS:
        return _called(CONSTANTS[ufunc], ufunc.__name__, inputs, kwargs)
    if method in ("reduce", "accumulate") and (function := NUMPY.get(getattr(ufunc, method))):
        return _called(function, ufunc.__name__, inputs, {"axis": 0} | kwargs)
    if method == "outer" and ufunc in UFUNCS and ufunc.signature is None:
        a, b = inputs
        a = functions.reshape(a, shape_of(a) + (1,) * ndim_of(b))
        return _called(UFUNCS[ufunc], ufunc.__name__, (a, b), kwargs)
    if method != "__call__" or ufunc not in UFUNCS:
        raise _unknown(ufunc.__name__ + ("" if method == "__call__" else f".{method}"))
    return _called(UFUNCS[ufunc], ufunc.__name__, inputs, kwargs)


def _array_function(
    self: Value, func: Any, types: Sequence[type], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    name = getattr(func, "__name__", str(func))
    args, kwargs = _bound(func, args, kwargs)
    _refuse_out(name, kwargs)
    if func in ON_DATA:
        return on_data(func, *args, **{key: raw(x) for key, x in kwargs.items()})
    function = NUMPY_FUNCTIONS.get(func) or CONSTANTS.get(func)
    if function is None:
        raise _unknown(name)
    return _called(function, name, args, kwargs)


@cache
def _parameters(func: Any) -> tuple[inspect.Parameter, ...]:
    """The parameters of a NumPy function; none if NumPy does not tell."""
    try:
        return tuple(inspect.signature(func).parameters.values())
    except ValueError:  # written in C, before NumPy 2.4
        return ()


def _bound(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments without defaults by position, the others by NumPy's names unless they equal their defaults."""
    if len(args) == 1 and not kwargs:  # the usual case, as the first parameter has no default
        return args, kwargs
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
    """Whether an argument equals its default."""
    return value is default or (type(value) is type(default) and not ndim_of(value) and bool(value == default))


def _called(function: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call our function with NumPy's arguments, without those that have no effect."""
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
