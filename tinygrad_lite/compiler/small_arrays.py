"""Programs of many small arrays in machine code, with the extra ``numba``: a tape of calls, and a loop that makes them.

A NumPy call takes half a microsecond, however small its arrays are. Here every array is a view of one pool of memory,
and each call a row of numbers: which one, of how many elements, and where its operands and its result lie.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.numerics import FLOAT_FUNCTIONS, kept
from ..core.scattered import is_basic
from ..core.table_source import float_source
from ..programs.calls import Call, Slot, slots_in
from ..programs.tracing import picked
from .body import Body
from .machine_code import available, compiled, say_that_none_was_made
from .pieces import scattered
from .probes import Probe
from .scope import Scope

__all__ = ["LEAST_CALLS", "SmallArrays", "Unsuited", "small_arrays"]

LEAST_CALLS = 1000
"""Calls from which on a program is worth the seconds that machine code takes to make."""
MOST_ELEMENTS = 64
"""Elements that results may have on average: beyond some hundreds NumPy's own loops are as fast."""

_UFUNCS: dict[Any, str] = {
    np.add: "x0 + x1", np.subtract: "x0 - x1", np.multiply: "x0 * x1", np.true_divide: "x0 / x1",
    np.negative: "-x0", np.positive: "x0", np.square: "x0 * x0", np.sqrt: "sqrt(x0)", np.reciprocal: "1.0 / x0",
    np.exp: "exp(x0)", np.log: "log(x0)", np.tanh: "tanh(x0)", np.sin: "sin(x0)", np.cos: "cos(x0)", np.abs: "abs(x0)",
    np.maximum: "x0 if x0 >= x1 or x0 != x0 else x1", np.minimum: "x0 if x0 <= x1 or x0 != x0 else x1",
    np.greater: "1.0 if x0 > x1 else 0.0", np.greater_equal: "1.0 if x0 >= x1 else 0.0",
    np.less: "1.0 if x0 < x1 else 0.0", np.less_equal: "1.0 if x0 <= x1 else 0.0",
    np.equal: "1.0 if x0 == x1 else 0.0", np.not_equal: "1.0 if x0 != x1 else 0.0",
}  # fmt: skip
_CHOICE = "x1 if x0 != 0.0 else x2"
_PRODUCT, _SUM, _SQUARES = "product", "sum", "squares"
_LOOPS = {
    _PRODUCT: """\
            for p in range(rows):
                for q in range(columns):
                    total = 0.0
                    for j in range(t[12]):
                        total += m[t[6] + p * t[7] + j * t[8]] * m[t[9] + j * t[10] + q * t[11]]
                    m[out + p * t[4] + q * t[5]] = total""",
    _SUM: """\
            for p in range(rows):
                for q in range(columns):
                    m[out + p * t[4] + q * t[5]] = 0.0
            for p in range(rows):
                for q in range(columns):
                    m[out + p * t[4] + q * t[5]] += m[t[6] + p * t[7] + q * t[8]]""",
    _SQUARES: """\
            total = 0.0
            for p in range(rows):
                for q in range(columns):
                    total += m[t[6] + p * t[7] + q * t[8]] ** 2
            m[out] = total""",
}
_CODES = (*dict.fromkeys(_UFUNCS.values()), _CHOICE, *_LOOPS)
"""What every tape has, so that most programs need the same machine code."""
_COMPARISONS = {np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal}
_OPERANDS = 4
Numbers = npt.NDArray[np.float64]


class Unsuited(Exception):
    """The program has a call that the tape has no row for."""


@dataclass
class SmallArrays:
    """A program as a tape. ``run(pool, tape)`` makes its calls; ``at`` has the view of the pool with each slot."""

    pool: Numbers
    tape: npt.NDArray[np.int64]
    run: Callable[[Numbers, Any], None]
    at: Mapping[Slot, Numbers]
    squares: Mapping[Slot, Numbers]
    """For each slot that has to be finite the sum of its squares."""
    source: str

    def write(self, body: Body, inputs: Iterable[Slot], results: Iterable[Slot], marks: Iterable[Any]) -> None:
        """Emit the copies into the pool, the run of the tape, and the copies of what is read afterwards."""
        scope, line = body.scope, body.line
        scope.things |= {"pool": self.pool, "tape": self.tape, "run": self.run}
        for slot in inputs:
            line(f"copyto({self._view(slot, scope)}, {scope.mention(slot)})")
        line("run(pool, tape)", f"{len(self.tape)} calls")
        for place in self.squares.values():
            line(f"if not {scope.constant(place, scope.fresh('b'))}[()] < inf: raise Overflowed")
        for slot in dict.fromkeys(results):
            if slot.call is None or slot not in self.at:
                continue  # an input, or a constant
            if slot in scope.names:
                line(f"copyto({scope.names[slot]}, {self._view(slot, scope)})", "", [slot])
            else:
                item = "" if slot.is_array else ".item()"
                line(f"{scope.variable(slot)} = {self._view(slot, scope)}{item}", "", [slot])
        body.probes += [
            Probe(len(body.lines), self._view(slot, scope), False, found) for slot, found in marks if slot in self.at
        ]

    def _view(self, slot: Slot, scope: Scope) -> str:
        return scope.constant(self.at[slot], scope.fresh("b"))


def small_arrays(
    calls: Sequence[Call], inputs: Iterable[Slot], ends: Iterable[Slot], fixed: Mapping[Slot, Any]
) -> SmallArrays | None:
    """The calls as a tape, or ``None`` if there are too few, their arrays are too large, or one is of another kind.

    ``inputs`` are filled before each run, ``ends`` read after it, ``fixed`` are the slots that are constants.
    """
    sizes = [_size(call.out.sample) for call in calls]
    if len(calls) < LEAST_CALLS or sum(sizes) > MOST_ELEMENTS * len(calls) or not available():
        return None
    try:
        return _Taping(calls, inputs, ends, fixed).made()
    except Unsuited:
        return None
    except Exception as error:
        say_that_none_was_made(error, "NumPy")
        return None


@dataclass
class _Taping:
    calls: Sequence[Call]
    inputs: Iterable[Slot]
    ends: Iterable[Slot]
    fixed: Mapping[Slot, Any]
    at: dict[Slot, Numbers] = field(default_factory=dict)
    squares: dict[Slot, Numbers] = field(default_factory=dict)
    rows: list[list[int]] = field(default_factory=list)
    codes: dict[str, int] = field(default_factory=lambda: {code: k for k, code in enumerate(_CODES)})
    constants: dict[Any, Numbers] = field(default_factory=dict)
    used: int = 0

    def made(self) -> SmallArrays:
        inputs = list(self.inputs)
        arguments = (x for call in self.calls for x in call.args if not isinstance(x, Slot))
        read = (x for x in (*arguments, *self.fixed.values()) if isinstance(x, np.ndarray | float | int))
        constants = sum(map(_size, read)) + len(self.calls)
        results = sum(_size(x.sample) + 1 for x in (*inputs, *(call.out for call in self.calls)))
        self.pool = np.zeros(constants + results)
        for slot in inputs:
            self.at[slot] = self._new(slot.sample)
        self.last = {slot: k for k, call in enumerate(self.calls) for slot in call.slots()}
        views = [call for call in self.calls if call.kind == "view"]
        self.seen = {call.out for call in views} | {call.args[0] for call in views if isinstance(call.args[0], Slot)}
        self.last.update(dict.fromkeys([*self.ends, *inputs, *self.fixed], len(self.calls)))
        for k, call in enumerate(self.calls):
            self._call(call, k)
        run, source = _machine_code(tuple(self.codes))
        return SmallArrays(self.pool, np.array(self.rows, np.int64), run, self.at, self.squares, source)

    # ---- memory

    def _new(self, like: Any) -> Numbers:
        """A view of unused memory, in the shape of a float64 or boolean array or a number."""
        if isinstance(like, np.ndarray) and like.dtype not in (np.float64, np.bool_):
            raise Unsuited(like.dtype)
        n = _size(like)
        if self.used + n > self.pool.size:
            raise Unsuited("more memory than was counted")
        view = self.pool[self.used : self.used + n].reshape(np.shape(like))
        self.used += n
        return view

    def _read(self, x: Any) -> Numbers:
        if isinstance(x, Slot) and x not in self.fixed:
            return self.at[x]
        x = self.fixed[x] if isinstance(x, Slot) else x
        if not isinstance(x, np.ndarray | float | int | np.floating):
            raise Unsuited(x)
        key = id(x) if isinstance(x, np.ndarray) else repr(float(x))
        if key not in self.constants:
            self.constants[key] = self._new(x if isinstance(x, np.ndarray) else float(x))
            self.constants[key][...] = x
        return self.constants[key]

    def _start(self, view: Numbers) -> int:
        """The place of a view's first element in the pool."""
        here: int = view.__array_interface__["data"][0] - self.pool.__array_interface__["data"][0]
        return here // 8

    def _spot(self, matrix: Numbers) -> list[int]:
        """Where a matrix lies: its first element, and the steps to the next row and column."""
        return [self._start(matrix), matrix.strides[0] // 8, matrix.strides[1] // 8]

    def _row(self, code: str, shape: tuple[int, ...], out: Numbers, *operands: Numbers) -> None:
        """Append a call over the elements of a shape whose axes can be taken together to two."""
        if len(operands) > _OPERANDS:
            raise Unsuited(code)
        views = [np.broadcast_to(x, shape) for x in (out, *operands)]
        axes: list[tuple[int, list[int]]] = []
        for k, n in enumerate(shape):
            steps = [view.strides[k] // 8 for view in views]
            if n == 1:
                continue
            if axes and axes[-1][1] == [n * step for step in steps]:
                axes[-1] = axes[-1][0] * n, steps
            else:
                axes.append((n, steps))
        if len(axes) > 2:
            raise Unsuited(shape)
        none = [0] * len(views)
        (rows, down), (columns, right) = [(1, none)] * (2 - len(axes)) + axes
        starts = map(self._start, views)
        self._append(code, (rows, columns), list(zip(starts, down, right, strict=True)))

    def _append(self, code: str, shape: tuple[int, ...], spots: Sequence[Sequence[int]], inner: int = 0) -> None:
        number = self.codes.setdefault(code, len(self.codes))
        row = [number, *shape, *(x for spot in spots for x in spot)]
        row += [0] * (3 + 3 * (1 + _OPERANDS) - len(row))
        if inner:
            row[12] = inner
        self.rows.append(row)

    # ---- calls

    def _call(self, call: Call, k: int) -> None:
        kind, function, out = call.kind, call.function, call.out
        if kind == "finite":
            self.squares[call.args[0]] = place = self._new(0.0)
            x = self._read(call.args[0])
            self._row(_SQUARES, x.shape, place, x)
        elif kind == "text":
            names = [f"x{j}" for j in range(len(call.args))]
            self._elementwise("x0" if function == "float({0})" else function.format(*names), out, call.args)
        elif kind == "ufunc" and function in (np.matmul, np.dot):
            self._product(call, *map(self._read, call.args))
        elif kind == "ufunc" and (code := _UFUNCS.get(function) or _by_name(function)):
            if (function in _COMPARISONS) is not (getattr(out.sample, "dtype", None) == np.bool_):
                raise Unsuited(function)  # arithmetic of truths
            self._elementwise(code, out, call.args)
        elif kind == "where":
            self._elementwise(_CHOICE, out, call.args)
        elif kind == "mend" and call.options["by"] is kept and call.args[1:] and hasattr(call.args[3], "on_floats"):
            near, margin, least, careful, *operands = call.args
            expression, own = careful.on_floats
            exact = float_source(expression, {name: f"x{j}" for j, name in enumerate(own, start=2)})
            text = f"x0 if x1 >= {least!r} else ({exact})"
            self._elementwise(text, out, (near, margin, *operands))
        elif kind == "reduce" and function in (np.add.reduce, np.sum, np.mean):
            self._sum(call)
        elif kind == "reduce" and function is scattered:
            self._scattered(call)
        elif kind == "reduce" and function is np.concatenate:
            self._joined(call)
        elif kind in ("fill", "cast"):
            self._elementwise("x0", out, call.args[:1])
        elif kind == "view":
            self._view(call)
        elif kind in ("put", "at") and is_basic(call.args[1]) and call.options.get("ufunc", np.add) is np.add:
            self._change(call, k)
        else:
            raise Unsuited(kind)

    def _elementwise(self, code: str, out: Slot, operands: Sequence[Any]) -> None:
        views = [self._read(x) for x in operands]
        self.at[out] = self._new(out.sample)
        self._row(code, np.shape(out.sample), self.at[out], *views)

    def _product(self, call: Call, a: Numbers, b: Numbers) -> None:
        if not a.ndim or not b.ndim or (call.function is np.dot and max(a.ndim, b.ndim) > 2):
            raise Unsuited(a.shape)
        place = self.at[call.out] = self._new(call.out.sample)
        left, right = a[None] if a.ndim == 1 else a, b[:, None] if b.ndim == 1 else b
        many = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
        whole = place.reshape((*many, left.shape[-2], right.shape[-1]))
        left, right = (np.broadcast_to(x, many + x.shape[-2:]) for x in (left, right))
        for k in np.ndindex(many):
            spots = [self._spot(whole[k]), self._spot(left[k]), self._spot(right[k])]
            self._append(_PRODUCT, whole[k].shape, spots, left.shape[-1])

    def _sum(self, call: Call) -> None:
        x = self._read(call.args[0])
        if call.options.keys() - {"axis", "keepdims"} or len(call.args) > 1:
            raise Unsuited(call.options)
        place = self.at[call.out] = self._new(call.out.sample)
        axis = call.options.get("axis", 0 if call.function == np.add.reduce else None)
        axes = range(x.ndim) if axis is None else [a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,))]
        kept_shape = tuple(1 if a in axes else n for a, n in enumerate(x.shape))
        self._row(_SUM, x.shape, place.reshape(kept_shape), x)
        if call.function is np.mean:
            self._row("x0 / x1", place.shape, place, place, self._read(float(x.size // max(place.size, 1))))

    def _scattered(self, call: Call) -> None:
        start, keys, parts, *_ = call.args
        if any(True for _ in slots_in(keys)) or not all(map(is_basic, keys)):
            raise Unsuited("indices of elements")
        place = self.at[call.out] = self._new(call.out.sample)
        self._row("x0", place.shape, place, self._read(0.0 if start is None else start))
        for key, part in zip(keys, map(self._read, parts), strict=True):
            view = _part(place, key)
            self._row("x0 + x1", view.shape, view, view, part)

    def _joined(self, call: Call) -> None:
        axis = call.options.get("axis", call.args[1] if len(call.args) > 1 else 0)
        place = self.at[call.out] = self._new(call.out.sample)
        parts = [self._read(x) for x in call.args[0]]
        if axis is None or call.options.keys() - {"axis"}:
            raise Unsuited("concatenate")
        ends = np.cumsum([part.shape[axis] for part in parts])
        for part, whole in zip(parts, np.split(place, ends[:-1], axis), strict=True):
            self._row("x0", part.shape, whole, part)

    def _view(self, call: Call) -> None:
        if any(isinstance(x, Slot) for x in (*call.args[1:], *call.options.values())):
            raise Unsuited("an index that changes")
        base = self._read(call.args[0])
        if call.function is picked:
            self.at[call.out] = _part(base, call.args[1])
            return
        view = call.function(base, *call.args[1:], **call.options)
        if not np.may_share_memory(view, self.pool):  # reshape has made a copy
            whole = self._new(np.empty(base.shape))
            self._row("x0", base.shape, whole, base)
            view = call.function(whole, *call.args[1:], **call.options)
        self.at[call.out] = view

    def _change(self, call: Call, k: int) -> None:
        """A copy with a part changed; in place where nothing reads the original later."""
        base, key, value = call.args
        place = self._read(base)
        dies = isinstance(base, Slot) and self.last[base] == k and base not in self.seen and value is not base
        if not dies:
            fresh = self._new(call.out.sample)
            self._row("x0", fresh.shape, fresh, place)
            place = fresh
        part = _part(place, key)
        if call.kind == "put":
            self._row("x0", part.shape, part, self._read(value))
        else:
            self._row("x0 + x1", part.shape, part, part, self._read(value))
        self.at[call.out] = place


def _size(x: Any) -> int:
    return int(x.size) if isinstance(x, np.ndarray) else 1


def _part(array: Numbers, key: Any) -> Numbers:
    """The view ``array[key]`` of a basic key, of an element too."""
    parts = key if isinstance(key, tuple) else (key,)
    found: Numbers = array[parts if Ellipsis in parts else (*parts, ...)]
    return found


def _by_name(ufunc: Any) -> str:
    """The expression of a ufunc of one operand that the table's expressions call by the same name; empty for others."""
    name: str = getattr(ufunc, "__name__", "")
    is_one = isinstance(ufunc, np.ufunc) and ufunc.nin == 1 and getattr(np, name, None) is ufunc
    return f"{name}(x0)" if is_one and name in FLOAT_FUNCTIONS else ""


@cache
def _machine_code(codes: tuple[str, ...]) -> tuple[Callable[[Numbers, Any], None], str]:
    """The loop over a tape with calls of these kinds: expressions of elements, products and sums."""
    lines = ["def run(m, tape):", "    for i in range(len(tape)):", "        t = tape[i]"]
    lines += ["        op, rows, columns, out = t[0], t[1], t[2], t[3]"]
    for number, code in enumerate(codes):
        lines.append(f"        {'if' if number == 0 else 'elif'} op == {number}:")
        if code in _LOOPS:
            lines.append(_LOOPS[code])
            continue
        lines += ["            for p in range(rows):", "                for q in range(columns):"]
        for k in range(_OPERANDS):
            if f"x{k}" in code:
                lines.append(f"                    x{k} = m[t[{6 + 3 * k}] + p * t[{7 + 3 * k}] + q * t[{8 + 3 * k}]]")
        lines.append(f"                    m[out + p * t[4] + q * t[5]] = {code}")
    source = "\n".join([*lines, ""])
    from numba import float64, int64

    (run,) = compiled(source, {"run": [float64[::1], int64[:, ::1]]}, f"small arrays, {len(codes)} kinds of calls")
    return run, source
