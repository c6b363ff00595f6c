"""The NumPy calls of traced arrays as lines of a program, and the semiring that pulls cotangents in such calls."""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.maps import Gather, contraction
from ..core.scattered import is_basic
from ..core.shapes import Shape, shape_of
from ..formulas.code import called, method, subscript
from ..formulas.expressions import number, product
from ..programs.calls import Call, Program, Slot, mapped
from ..programs.tracing import Traced, change_of, note
from ..semirings.base import Linear
from ..semirings.summation import is_long
from .spelling import key_of, operand, spelled, verb_of
from .statements import Statements, tidied

__all__ = ["Readable", "Variable", "Written"]

_SLOW = 10_000  # multiplications: from here on einsum is told to look for matrix products


@dataclass(eq=False, slots=True)
class Variable(Slot):
    """A slot with its expression, which may still have to be broadcast to the slot's shape."""

    expr: ast.expr = field(default_factory=lambda: ast.Constant(0.0))
    own: Shape = ()
    """The shape of ``expr``: none if it became a number, as an array times 0 does."""

    def __post_init__(self) -> None:
        if isinstance(self.expr, ast.Constant):
            self.own = ()


class Readable(Statements):
    """A program for readers: each call of a traced array becomes a line.

    Elementwise calls leave an operand as it is where broadcasting stretches it; any other call gets the whole array.
    """

    tells_numbers = True

    # ---- the calls of traced arrays

    def traced(self, sample: Any, expr: ast.expr, own: Shape | None = None) -> Traced:
        """An array that ``expr`` is the value of, once it is broadcast from its ``own`` shape."""
        return Traced(self, Variable(sample, expr=expr, own=np.shape(sample) if own is None else own))

    def rewritten(self, kind: str, function: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """The call that a person would make instead, or the slot that holds its result already."""
        if (kind == "reduce" and options.get("axis") == ()) or (
            function is np.reshape and tuple(args[1]) == np.shape(args[0].sample)
        ):
            return args[0]
        if function is np.multiply:  # by ones alone
            for x, other in (args, args[::-1]):
                ones = type(x) is np.ndarray and isinstance(other, Variable) and x.size and np.all(x == 1.0)
                if ones and np.broadcast_shapes(x.shape, np.shape(other.sample)) == np.shape(other.sample):
                    return other
        if function in (np.add.reduce, np.mean) and "dtype" not in options and _is_rough(args[0], options):
            wide = note(self, "reduce", function, args, options | {"dtype": np.float64})
            return wide.astype(args[0].sample.dtype).slot
        if self.section == "backward" and function == np.add.reduce and isinstance(options.get("axis"), tuple):
            options = options | {"axis": _from_the_front(options["axis"], np.ndim(args[0].sample))}
        if self.section == "backward" and function is np.reshape:
            return self._reshaped(args[0], tuple(args[1])) or (kind, function, args, options)
        return kind, function, args, options

    def _reshaped(self, x: Variable, shape: Shape) -> Any:
        """``keepdims=True`` in the place of new axes after a sum, and ``x[:, None]`` for others."""
        now = np.shape(x.sample)
        if not shape and now and x.own:
            return note(self, "reduce", np.add.reduce, (x,), {"axis": None}).slot
        if x.own != now or now == shape or [n for n in now if n != 1] != [n for n in shape if n != 1]:
            return None
        made = x.call
        if made is not None and made.function == np.add.reduce and not made.options.get("keepdims"):
            before, axes = np.shape(made.args[0].sample), made.options["axis"]
            if axes is not None and np.expand_dims(x.sample, axes).shape == shape and len(before) == len(shape):
                options = {"axis": tuple(k - len(before) if k >= 0 else k for k in axes), "keepdims": True}
                return self.call("reduce", np.add.reduce, made.args, options, np.reshape(x.sample, shape))
        key: list[Any] = []
        rest = list(now)
        for n in shape:
            if rest and rest[0] == n:
                rest.pop(0)
                key.append(slice(None))
            else:
                key.append(None)
        if rest:
            return None
        while key and key[0] is None:  # broadcasting adds those by itself
            key.pop(0)
        sample = np.reshape(x.sample, shape)
        own = shape[len(shape) - len(key) :]
        expr = self.bind(subscript(x.expr, tuple(key)), "part") if None in key else x.expr
        return self._variable(sample, expr, own, "view", np.reshape, (x, shape), {})

    def _variable(
        self, sample: Any, expr: ast.expr, own: Shape, kind: str, function: Any, args: tuple[Any, ...], options: Any
    ) -> Variable:
        """The result of a call."""
        found = Variable(sample, expr=expr, own=own)
        found.call = Call(kind, function, args, options, found)
        return found

    def call(
        self, kind: str, function: Any, args: tuple[Any, ...], options: dict[str, Any], sample: Any, fresh: bool = False
    ) -> Slot:
        """Write the call down as a line of its own."""
        shape = np.shape(sample) if not isinstance(sample, tuple | list) else ()
        if kind == "fill":
            return Variable(sample, expr=operand(args[0], self.array), own=_own(args[0]))
        if kind in ("put", "at"):
            return self._changed(kind, args, options, sample)
        if kind == "where" or (kind == "ufunc" and getattr(function, "signature", "") is None):
            own = np.broadcast_shapes(*map(_own, args))
        else:
            uniform = self._uniform(kind, function, args, sample)
            if uniform is not None:
                return self._variable(sample, uniform, (), kind, function, args, options)
            args, options, own = mapped(args, Slot, self._whole), mapped(options, Slot, self._whole), shape
        value = spelled(kind, function, args, options, self.array)
        if kind == "part":
            return Variable(sample, expr=value, own=shape)
        expr = self.bind(value, verb_of(kind, function))
        return self._variable(sample, expr, own, kind, function, args, options)

    def _uniform(self, kind: str, function: Any, args: tuple[Any, ...], sample: Any) -> ast.expr | None:
        """The number that fills the result of a view or a sum, if one number fills its operand."""
        x = args[0]
        if not isinstance(x, Variable) or x.own or isinstance(x.sample, tuple | list) or not np.ndim(x.sample):
            return None
        if kind == "view":
            return x.expr
        if function == np.add.reduce and np.size(sample):
            return tidied(product(number(np.size(x.sample) // np.size(sample)), x.expr))
        return None

    def _whole(self, slot: Any) -> Any:
        """The slot with an expression of its whole shape."""
        if isinstance(slot.sample, tuple | list) or slot.own == np.shape(slot.sample):
            return slot
        shape, made, value = np.shape(slot.sample), slot.call, slot.expr
        if made is not None and made.function is np.reshape and np.size(made.args[0].sample) == np.size(slot.sample):
            value = spelled(made.kind, np.reshape, (self._whole(made.args[0]), shape), {}, self.array)
        elif np.prod(slot.own) == np.size(slot.sample) > 0:
            value = method(value, "reshape", *shape) if slot.own else called("np.reshape", value, shape)
        elif not isinstance(value, ast.Constant):
            value = called("np.broadcast_to", value, shape)
        else:
            value = called("np.ones", shape) if value.value == 1.0 else called("np.full", shape, value)
        verb = value.func.attr if isinstance(value.func, ast.Attribute) else value.func.id.removeprefix("np.")
        return Variable(slot.sample, expr=self.bind(value, verb), own=shape)

    def whole(self, x: Traced) -> ast.expr:
        """The expression of an array, broadcast to its shape."""
        return self._whole(x.slot).expr  # type: ignore[no-any-return]

    def add_at(self, target: Traced, key: Any, g: Traced) -> None:
        """Add to the elements of an array at an index, in place."""
        slot: Any = target.slot
        how = "+=" if is_basic(key) else "np.add.at"
        expr = self.update(slot.expr, key_of(key, self.array), operand(g.slot, self.array), how)
        target.slot = Variable(slot.sample, expr=expr, own=slot.own)

    def _changed(self, kind: str, args: tuple[Any, ...], options: dict[str, Any], sample: Any) -> Variable:
        """``target[key] = value``, ``+=``, or ``np.add.at(target, key, value)``."""
        target, key, value = args
        how, where = "=", key_of(key, self.array)
        function, *rest = change_of(*args) or (None,)
        if kind == "at":
            how = f"np.{options['ufunc'].__name__}.at"
        elif function in (np.add, np.subtract):
            how, value = "+=" if function is np.add else "-=", rest[0]
        expr = self.update(target.expr, where, operand(value, self.array), how)
        return Variable(sample, expr=expr, own=np.shape(sample))


def _is_rough(x: Any, options: dict[str, Any]) -> bool:
    """Whether NumPy would add many float32 numbers one after the other, and lose digits that the engine keeps.

    A product with ones is no better: BLAS adds a column in long runs, too.
    """
    axis, ndim = options.get("axis"), np.ndim(x.sample)
    axes = (axis,) if isinstance(axis, int) else axis or ()
    return bool(x.own) and x.sample.dtype == np.float32 and is_long(x.sample, tuple(k % ndim - ndim for k in axes))


def _from_the_front(axes: Shape, ndim: int) -> Shape:
    """Negative axes, those of them counted from the front before which all are summed over, too."""
    front = 0
    while front - ndim in axes:
        front += 1
    return tuple(axis + ndim if axis + ndim < front else axis for axis in axes)


def _own(x: Any) -> Shape:
    """The shape of an operand's expression."""
    return x.own if isinstance(x, Variable) else np.shape(x)


class Written(Linear):
    """The ordinary sum and product of ``Traced`` arrays of one program, in the NumPy calls that people write."""

    def __init__(self, program: Program) -> None:
        super().__init__("written", lambda weight: weight)
        self.program = program

    def sum(self, a: Any, axis: Shape) -> Any:
        return np.add.reduce(a, axis=axis)

    def cumsum(self, a: Any, axis: int) -> Any:
        return np.cumsum(a, axis=axis)

    def broadcast(self, a: Any, shape: Shape) -> Any:
        return note(self.program, "fill", np.broadcast_to, (a, shape), {})

    def zeros(self, lead: Shape, shape: Shape, like: Any) -> Any:
        return note(self.program, "fresh", np.zeros, (lead + shape,), {})

    def scatter(self, flat: Any, gather: Gather) -> Any:
        """``np.bincount`` of the places, which the gather's own move makes of their numbers."""
        size, start = math.prod(gather.in_shape), int((gather.source < 0).any())  # a constant reads 0
        numbers = (1, size + 1) if start else (size,)
        places = gather.move(note(self.program, "fresh", np.arange, numbers, {}).reshape(gather.in_shape))
        made = flat.slot.call
        g = Traced(self.program, made.args[0]) if made is not None and made.function is np.reshape else flat
        places, weights = (x if x.ndim == 1 else np.ravel(x) for x in (places, g))
        found = np.bincount(places, weights=weights, minlength=size + start)
        return found[1:] if start else found

    def einsum(self, words: str, g: Any, w: Any) -> Any:
        """A matrix product where the sum is one, ``g @ w.T``; else ``np.einsum``."""
        labels, into = words.split("->")
        out, own = labels.split(",")
        plan = contraction(out, own, into)
        batch, rows, inner, columns = plan.groups
        if not inner and (out == into == own or (not out and into == own) or (not own and into == out)):
            return g * w
        if not batch and not inner and len(rows) == len(columns) == 1:
            return np.outer(*plan.factors(g, w, np.transpose))
        if plan.is_product and (not batch or (rows and columns)):
            if not rows and plan.turns[1]:
                return np.matmul(w, g)  # for g @ w.T
            return np.matmul(*plan.factors(g, w, lambda x: np.swapaxes(x, -1, -2) if batch else x.T))
        sizes = dict(zip(out, shape_of(g), strict=True)) | dict(zip(own, shape_of(w), strict=True))
        if math.prod(sizes.values()) > _SLOW:
            return np.einsum(words, g, w, optimize=True)
        return np.einsum(words, g, w)
