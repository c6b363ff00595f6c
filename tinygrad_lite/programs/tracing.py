"""``Traced``: an array that notes the NumPy calls made on it, in a ``Program``.

An op computes with whatever arrays it is given. Given traced ones, its own code states what it does, so that neither a
forward function nor a derivative is written a second time for a back end. Samples are computed along the way: shapes
and dtypes steer an op.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..core.scattered import is_basic
from .calls import Program, Slot, argument_key, mapped

__all__ = [
    "SIGNS",
    "Traced",
    "Untraceable",
    "change_of",
    "mended",
    "note",
    "picked",
    "sampled",
    "slotted",
    "updated",
]


class Untraceable(Exception):
    """An op asked a traced array for numbers, or changed memory that other arrays share."""


WRITES_OUT = {np.max, np.min, np.amax, np.amin, np.mean, np.sum, np.prod, np.cumsum, np.concatenate, np.stack, np.dot}
"""Functions that are no ufuncs and take ``out=``."""
MOVES = {np.reshape, np.transpose, np.broadcast_to, np.swapaxes, np.moveaxis, np.expand_dims, np.squeeze, np.ravel}
"""Functions that return a view where they can."""
SIGNS: dict[Any, str] = {np.add: "+", np.subtract: "-", np.multiply: "*", np.true_divide: "/"}
"""The ufuncs that are operators of Python's, whose result for floats is a float."""
STATIC = {np.shape, np.ndim, np.size, np.iscomplexobj, np.isrealobj}
"""Functions of shape and dtype alone."""
_SHARED = ("view", "opaque", "part")


class Traced(NDArrayOperatorsMixin):
    """Stands for an array of a program, and notes what NumPy does with it.

    In-place changes give the object another slot: a slot never changes its value.
    """

    __hash__ = object.__hash__
    stands_for_data = True
    """Ops take it where they take arrays."""

    def __init__(self, program: Program, slot: Slot) -> None:
        self.program, self.slot = program, slot

    # ---- shape and dtype

    @property
    def sample(self) -> Any:
        """The value in the run that is traced."""
        return self.slot.sample

    @property
    def shape(self) -> tuple[int, ...]:
        return np.shape(self.sample)

    @property
    def ndim(self) -> int:
        return np.ndim(self.sample)

    @property
    def size(self) -> int:
        return int(np.size(self.sample))

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.sample.dtype if hasattr(self.sample, "dtype") else np.dtype(float)

    def __len__(self) -> int:
        return self.shape[0]

    # ---- numbers

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise Untraceable("its numbers would become a constant")

    def _number(self) -> Any:
        if not self.program.tells_numbers:
            raise Untraceable("it has no numbers to tell")
        return self.sample

    def __bool__(self) -> bool:
        return bool(self._number())

    def __float__(self) -> float:
        return float(self._number())

    def __int__(self) -> int:
        return int(self._number())

    def __index__(self) -> int:
        return self._number().__index__()  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[Traced]:
        return iter([self[k] for k in range(len(self._number()))])

    # ---- NumPy's functions

    def _noted(self, kind: str, function: Any, args: tuple[Any, ...], /, **options: Any) -> Any:
        return note(self.program, kind, function, args, options)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        outs = options.pop("out", ())
        if method == "at":
            target, key, *rest = inputs
            target._change(self._noted("at", updated, (target, key, *rest), ufunc=ufunc).slot)
            return None
        if ufunc.nout > 1 or (outs and not isinstance(outs[0], Traced)):
            raise Untraceable("its result goes elsewhere")
        if method == "reduce":
            result = self._noted("reduce", ufunc.reduce, inputs, **options)
        elif method != "__call__" or options:
            raise Untraceable(f"np.{ufunc.__name__} with options")
        else:
            result = self._noted("ufunc", ufunc, inputs)
        if not outs:
            return result
        (into,) = outs
        if result.dtype != into.dtype:
            result = result.astype(into.dtype)
        if result.shape != into.shape:
            raise Untraceable("out= has another shape")
        into._change(result.slot)
        return into

    def __array_function__(self, function: Any, types: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        if options.get("out") is not None:
            raise Untraceable("its result goes elsewhere")
        if function in STATIC:
            return function(*sampled(slotted(args)), **sampled(slotted(options)))
        if function in MOVES:
            return self._noted("view", function, args, **options)
        if getattr(function, "changes_first", False):
            return self._noted("mend", mended, args, by=function)
        if function is np.where and len(args) == 3 and not options:
            return self._noted("where", function, args)
        if function is np.mean and args[0].dtype == np.float16:
            return self._noted("fresh", function, args, **options)  # out= would round the sum before it is divided
        writes = function in WRITES_OUT or hasattr(function, "takes_out")
        return self._noted("reduce" if writes else "opaque", function, args, **options)

    @property
    def T(self) -> Traced:
        return self._noted("view", np.transpose, (self,))  # type: ignore[no-any-return]

    def dot(self, other: Any) -> Any:
        return self._noted("ufunc", np.dot, (self, other))

    def reshape(self, *shape: Any) -> Any:
        return self._noted("view", np.reshape, (self, tuple(shape[0]) if isinstance(shape[0], tuple | list) else shape))

    def transpose(self, *axes: Any) -> Any:
        return self._noted("view", np.transpose, (self, tuple(axes[0]) if isinstance(axes[0], tuple | list) else axes))

    def sum(self, axis: Any = None, keepdims: bool = False) -> Any:
        return np.sum(self, axis=axis, keepdims=keepdims)

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        dtype = np.dtype(dtype)
        return self if self.dtype == dtype else self._noted("cast", cast, (self, dtype))

    def copy(self, order: str = "C") -> Traced:
        """Another object of the same slot: a change in place gives only one of the two another slot."""
        return Traced(self.program, self.slot)

    def __getitem__(self, key: Any) -> Any:
        return self._noted("view" if is_basic(key) else "fresh", picked, (self, key))

    def __setitem__(self, key: Any, value: Any) -> None:
        self._change(self._noted("put", put, (self, key, value)).slot)

    def _change(self, slot: Slot) -> None:
        call = self.slot.call
        shared = call is not None and call.kind in _SHARED and call.function is not picked  # x[key] += v puts it back
        if shared and not self.program.tells_numbers:
            raise Untraceable("it changes memory that other arrays share")
        self.slot = slot


def note(program: Program, kind: str, function: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Note a call with traced arguments, in the form that ``program.rewritten`` gives it; return its traced result.

    A tuple of results is one call and a "part" for each.
    """
    found = program.rewritten(kind, function, slotted(args), slotted(options))
    if isinstance(found, Slot):
        return Traced(program, found)
    kind, function, args, options = found
    sample = function(*sampled(args), **sampled(options))
    if sample is None:
        raise Untraceable("no result")
    if kind == "ufunc" and function in SIGNS and all(type(x) is float for x in sampled(args)):
        sample = float(sample)
    slot = program.call(kind, function, args, options, sample)
    if not isinstance(sample, tuple | list):
        return Traced(program, slot)
    parts = [Traced(program, program.call("part", picked, (slot, k), {}, part)) for k, part in enumerate(sample)]
    return type(sample)(*parts) if hasattr(sample, "_fields") else type(sample)(parts)


# ---- functions that calls name ---------------------------------------------------------------------------------------


def picked(array: Any, key: Any) -> Any:
    """``array[key]``."""
    return array[key]


def change_of(target: Slot, key: Any, value: Any) -> tuple[Any, ...]:
    """The function and the x of ``target[key] = function(target[key], x)``; nothing for another value."""
    call = value.call if isinstance(value, Slot) else None
    part = call.args[0].call if call is not None and call.args and isinstance(call.args[0], Slot) else None
    is_own = part is not None and part.function is picked and argument_key(part.args) == argument_key((target, key))
    return (call.function, *call.args[1:]) if call is not None and is_own else ()


def put(array: Any, key: Any, value: Any) -> Any:
    """A copy of ``array`` with ``[key] = value``."""
    array = array.copy()
    array[key] = value
    return array


def updated(array: Any, key: Any, *values: Any, ufunc: Any) -> Any:
    """A copy of ``array`` after ``ufunc.at``."""
    array = array.copy()
    ufunc.at(array, key, *values)
    return array


def mended(array: Any, *rest: Any, by: Any) -> Any:
    """A copy of ``array`` after ``by(copy, *rest)``, which may change it in place."""
    return by(array.copy(), *rest)


def cast(array: Any, dtype: Any) -> Any:
    """``array.astype(dtype)``."""
    return array.astype(dtype)


# ---- traced arrays, slots and samples --------------------------------------------------------------------------------


def sampled(item: Any) -> Any:
    """An argument with the samples of slots in their places."""
    return mapped(item, Slot, lambda slot: slot.sample)


def slotted(item: Any) -> Any:
    """An argument with slots in the places of traced arrays."""
    return mapped(item, Traced, lambda traced: traced.slot)
