"""``Lowered``: the program of a replay, which notes faster calls of the same bits."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np

from ..core.scattered import is_basic
from ..core.value import Plain, Value
from ..programs.calls import Program, Slot
from ..programs.tracing import SIGNS, change_of, note, sampled, updated
from .probes import Mark

__all__ = ["Lowered"]

_BOOL = np.dtype(bool)
_POWERS = {2.0: np.square, 1.0: np.positive, 0.5: np.sqrt, -1.0: np.reciprocal}  # as ndarray.__pow__ does
_CAP = 64.0
"""Below this the table's sigmoid caps its exponent, so that exp does not overflow."""


class Lowered(Program):
    """The program of a replay, with what goes in and what comes out.

    ``outputs`` are the slots of the results. ``gradients`` are those of the leaves' gradients, in the order in which
    ``backward`` reaches them; only a step has some.
    ``optimistic``: assume, and check, what hardly ever fails: that a sigmoid's exponentials do not overflow, and that
    factors of 0 are finite.
    """

    def __init__(self, optimistic: bool = True) -> None:
        super().__init__()
        self.optimistic = optimistic
        self.arguments: list[Slot] = []
        self.leaves: list[tuple[Value, Slot]] = []
        self.noise: list[tuple[Plain, Slot]] = []
        self.gradients: list[tuple[Value, Any]] = []
        self.outputs: list[Any] = []
        self.marks: defaultdict[Slot, list[Mark]] = defaultdict(list)
        """What the slots hold, for ``verify``."""
        self.operands: set[Slot] = set()
        """What the op that is being traced is given."""

    @property
    def is_of_floats(self) -> bool:
        """Whether the program is expressions of floats alone, of arguments and of leaves."""
        slots = [*self.arguments, *(slot for _, slot in self.leaves)]
        return all(
            call.kind == "text" or (call.kind == "ufunc" and call.function in SIGNS) for call in self.calls
        ) and all(type(slot.sample) is float for slot in [*slots, *(call.out for call in self.calls)])

    def rewritten(self, kind: str, function: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Faster calls with the same bits."""
        if kind == "reduce" and isinstance(getattr(function, "__self__", None), np.ufunc):
            return kind, function, args, {"axis": 0, **options}
        if kind == "put" and is_basic(args[1]) and change_of(*args)[:1] == (np.add,):
            return "at", updated, (*args[:2], change_of(*args)[1]), {"ufunc": np.add}  # in place
        if kind == "where":
            return kind, function, (self._condition(args[0]), *args[1:]), options
        if kind != "ufunc" or not isinstance(function, np.ufunc):
            return kind, function, args, options
        args = self._numbers(function, args)
        if function is np.matmul and all(np.ndim(x) == 2 for x in sampled(args)):
            function = np.dot  # in half the time
        elif function is np.power and type(args[1]) in (int, float) and float(args[1]) in _POWERS:
            function, args = _POWERS[float(args[1])], args[:1]
        if function is np.positive and _is_of_floats(args[0]):
            return args[0]
        if function is np.exp and (x := self._uncapped(args[0])) is not None:
            out = note(self, kind, np.exp, (x,), {}).slot
            self.call("finite", None, (out,), {}, None)
            return out
        elif function is np.multiply and any(type(x) in (int, float) and x == 1 for x in args):
            return next(x for x in args if isinstance(x, Slot))  # x · 1 is x, to the bit
        elif function is np.multiply:
            args = _merged(*args)
        return kind, function, args, options

    def _condition(self, x: Any) -> Any:
        """A mask for ``np.where``, which takes numbers for conditions too."""
        if getattr(sampled(x), "dtype", None) is _BOOL:
            return x
        return note(self, "ufunc", np.not_equal, (x, 0), {}).slot if isinstance(x, Slot) else np.not_equal(x, 0)

    def _numbers(self, ufunc: np.ufunc, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments, with numbers in the places of constant arrays of one number."""
        slots = [x for x in args if isinstance(x, Slot)]
        if len(slots) == len(args) or not slots:
            return args
        shape = np.broadcast_shapes(*(np.shape(x.sample) for x in slots)) if ufunc.signature is None else ()
        dtype = getattr(slots[0].sample, "dtype", np.dtype(float))
        return tuple(x.flat[0].item() if _is_number(x, dtype, shape) else x for x in args)

    def _uncapped(self, x: Any) -> Slot | None:
        """The x of exp(min(x, 64)), in an op that computes e / (1 + e) of it: the cap does not change that result.

        ``np.minimum`` of a small array takes six times as long as a product.
        """
        call = x.call if isinstance(x, Slot) else None
        if (
            not self.optimistic
            or call is None
            or call.function is not np.minimum
            or x in self.operands  # the user's own
        ):
            return None
        slot: Slot = call.args[0]
        return slot if type(call.args[1]) is float and call.args[1] == _CAP and isinstance(slot, Slot) else None

    def arithmetic(self, ufunc: np.ufunc, a: Any, b: Any) -> Any:
        """The sum, difference or product of two floats, slots or numbers; of slots with some sample that is not 0."""
        found = float(ufunc(*(x.sample if isinstance(x, Slot) else x for x in (a, b))))
        if not (isinstance(a, Slot) or isinstance(b, Slot)):
            return found
        return self.call("ufunc", ufunc, (a, b), {}, found or 1.0)


def _is_of_floats(x: Any) -> bool:
    return isinstance(x, Slot) and x.is_array and x.sample.dtype in (np.float64, np.float32)


def _merged(a: Any, b: Any) -> tuple[Any, Any]:
    """The factors of a · (c · x) as (a · c) · x for numbers a and c of which one is a power of two, and x an array.

    Multiplying by a power of two rounds nothing, so the bits are the same as long as nothing overflows between.
    """
    factor, y = (a, b) if type(a) is float else (b, a)
    inner = y.call if _is_of_floats(y) else None
    if type(factor) is float and inner is not None and inner.kind == "ufunc" and inner.function is np.multiply:
        c, x = inner.args if type(inner.args[0]) is float else inner.args[::-1]
        if type(c) is float and 0.5 in (abs(math.frexp(factor)[0]), abs(math.frexp(c)[0])) and _is_of_floats(x):
            return factor * c, x
    return a, b


def _is_number(x: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> bool:
    """Whether an array acts as the number that it repeats, beside arrays of a dtype whose shapes broadcast to one."""
    if type(x) is not np.ndarray or x.dtype != dtype or not x.size or x.ndim > len(shape):
        return False
    fits = all(a in (1, b) for a, b in zip(x.shape[::-1], shape[::-1], strict=False))
    first = x.flat[0]
    return fits and bool(np.all(x == first)) and bool(np.all(np.signbit(x) == np.signbit(first)))
