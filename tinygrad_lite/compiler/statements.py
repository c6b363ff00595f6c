"""Calls as Python statements that write into the memory of a plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..core.elementwise_derivatives import TABLE
from ..core.scattered import is_basic
from ..programs.calls import Call, Slot, read_once, slots_in
from ..programs.memory import WRITING
from ..programs.tracing import SIGNS, picked
from .blocking import Chain, chain_at
from .body import Body
from .buffers import Buffers
from .capture import Guard
from .probes import Mark
from .scope import Scope

__all__ = ["Statements"]

DEEPEST = 40
"""Expressions in each other: Python's compiler recurses over them."""

_MIRRORED = {f"{name}({{0}})": (f"{name}(-{{0}})", rule.mirrored) for name, rule in TABLE.items() if rule.mirrored}
"""Source of a function: the source of its mirror image, and the lines that compute both."""
_IMAGES = {image: whole for whole, (image, _) in _MIRRORED.items()}


class Statements(Body):
    """Writes ``calls`` as lines of a function body, in order."""

    def __init__(
        self,
        calls: Sequence[Call],
        ends: Iterable[Slot],
        scope: Scope,
        buffers: Buffers,
        marks: Iterable[tuple[Any, list[Mark]]],
    ) -> None:
        super().__init__(scope, marks)
        self.calls, self.buffers = calls, buffers
        ends = [*ends]
        self._once = read_once(calls, ends)
        self._readers = Counter([*(x for call in calls for x in {*call.slots()}), *{*ends}])
        texts = [call for call in calls if call.kind == "text" and call.function in _IMAGES]
        self._images = {(_IMAGES[call.function], call.args[0]): call for call in texts}
        changed = {call.args[0] for call in calls if call.kind in ("put", "at") and isinstance(call.args[0], Slot)}
        filled = {call.out for call in calls if call.kind == "fill" and call.out.is_array and self._is_number(call)}
        self._blank = changed & self._once & filled
        self._depths: dict[Slot, int] = {}  # of expressions that stand where they are read
        self._signs: dict[Slot, str] = {}  # of those that are arithmetic

    def write(self) -> None:
        """All calls."""
        k = 0
        while k < len(self.calls):
            chain = chain_at(self.calls, k, self.buffers.is_whole)
            if chain is not None:
                self._in_blocks(chain, k)
            else:
                self._call(self.calls[k], k)
                self.buffers.release(self.calls[k], k)
            k = chain.stop if chain is not None else k + 1

    # ---- blocks

    def _in_blocks(self, chain: Chain, start: int) -> None:
        """A loop over the blocks of a chain of calls."""
        with self.looped(chain):
            for k in range(start, chain.stop):
                self._call(self.calls[k], k)
                self.buffers.release(self.calls[k], k, chain)
        for k in range(start, chain.stop):
            self.buffers.release(self.calls[k], k)

    # ---- one call

    def _call(self, call: Call, k: int) -> None:
        self._emitted(call, k)
        if call.out in self.scope.names or call.out in self.scope.texts:
            self.probe(call.out)

    def _emitted(self, call: Call, k: int) -> None:
        if call.kind == "guard":
            self._guard(call)
        elif call.kind == "finite":
            x = self._read(call.args[0])
            self.line(f"if not vdot({x}, {x}) < inf: raise Overflowed")
        elif call.kind == "text" or (call.kind == "ufunc" and call.function in SIGNS and not call.out.is_array):
            self._number(call, k)
        elif call.kind == "view":
            self._view(call)
        elif call.out in self._blank:
            pass  # filled where it is changed
        elif call.kind in WRITING and call.out.is_array:
            self._written(call, self._place(call, k))
        else:
            self.line(f"{self.scope.variable(call.out)} = {self._plain(call)}", call.out.note, [call.out])

    def _guard(self, call: Call) -> None:
        args = ", ".join(map(self._read, call.args))
        if isinstance(call.function, Guard):
            guard = self.scope.constant(call.function, "guard0")
            self.line(f"check({guard}, {args})", "read by the function")
        else:
            self.line(f"{self.scope.expression(call.function)}({args})")

    def _plain(self, call: Call, *more: str) -> str:
        """The call as an expression; ``more`` arguments come last."""
        if call.function is picked:
            return f"{self._read(call.args[0])}[{self.scope.index(call.args[1])}]"
        args = list(map(self._read, call.args))
        if _sums_a_vector(call) and not more:  # in two thirds of the time that the words for it take
            return f"{self.scope.expression(call.function)}({args[0]}, None)"
        options = [f"{key}={self.scope.expression(x)}" for key, x in call.options.items()]
        return f"{self.scope.expression(call.function)}({', '.join([*args, *options, *more])})"

    # ---- numbers

    def _number(self, call: Call, k: int) -> None:
        out, names = call.out, self.scope.names
        if out in names:  # computed along with its mirror image
            return
        args = list(map(self._read, call.args))
        image = self._images.get((call.function, call.args[0])) if call.function in _MIRRORED else None
        if image is not None and image.out not in names:
            words = {"x": args[0], "out": self.scope.variable(out), "mirror": self.scope.variable(image.out)}
            notes = out.note, f"and {words['out']}'s mirror image {words['mirror']}"
            for text, note in zip(_MIRRORED[call.function][1], notes, strict=True):
                self.line(text.format(**words), note, [out, image.out])
            return
        text = self._arithmetic(call, *args) if call.kind == "ufunc" else call.function.format(*args)
        if self._dies_young(call, k):
            names[out] = "z"
            self.line(f"z = {text}", out.note, [out])
        elif not self._inlined(call, text):
            self.line(f"{self.scope.variable(out)} = {text}", out.note, [out])

    def _dies_young(self, call: Call, k: int) -> bool:
        """Whether nothing but the two lines of a function and its mirror image reads it: such numbers are cheap.

        What is read at the end, as a result or to see whether it is finite, does not.
        """
        following = self.calls[k + 1] if k + 1 < len(self.calls) else call
        mirrored = following.kind == "text" and (following.function, call.out) in self._images
        return mirrored and self._readers[call.out] == 2

    def _inlined(self, call: Call, text: str) -> bool:
        """Put an expression that is read once where it is read: storing and loading it takes half of its time.

        One that reads memory stays in its place, after which the memory may be given away.
        """
        depth = 1 + max((self._depths.get(x, 0) for x in call.slots()), default=0)
        if call.out not in self._once or depth > DEEPEST or " = " in call.out.note or not self._is_number(call):
            return False
        self.scope.texts[call.out] = f"({text})"
        self._depths[call.out] = depth
        if call.kind == "ufunc":
            self._signs[call.out] = SIGNS[call.function]
        return True

    def _is_number(self, call: Call) -> bool:
        """Whether a call reads numbers alone, which may be read later as well."""
        return not any(self.buffers.roots(x) for x in call.slots())

    def _arithmetic(self, call: Call, left: str, right: str) -> str:
        """``a + b * c``: without parentheses around what binds as tightly without."""
        sign = SIGNS[call.function]
        own_left, own_right = (self._signs.get(x) if isinstance(x, Slot) else None for x in call.args)
        if own_left == "*" or (own_left is not None and sign in "+-"):
            left = left[1:-1]
        return f"{left} {sign} {right[1:-1] if own_right == '*' and sign in '+-' else right}"

    # ---- arrays

    def _view(self, call: Call) -> None:
        """A view of memory that stays where it is is made once."""
        base = call.args[0]
        memory = self.scope.things.get(self.scope.names.get(base, "")) if isinstance(base, Slot) else None
        if isinstance(memory, np.ndarray) and not any(isinstance(x, Slot) for x in call.args[1:]):
            view = call.function(memory, *call.args[1:], **call.options)
            if isinstance(view, np.ndarray) and np.may_share_memory(view, memory):
                self.scope.names[call.out] = self.scope.constant(view, self.scope.fresh("b"))
                return
        transposed = call.function is np.transpose and len(call.args) == 1 and not call.options
        text = f"{self._read(base)}.T" if transposed else self._plain(call)
        self.line(f"{self.scope.variable(call.out)} = {text}", call.out.note, [call.out])

    def _place(self, call: Call, k: int) -> str:
        """The name of the memory that a call writes."""
        out = call.out
        if out not in self.scope.names:  # not a gradient, which has its own memory
            buffer = self.buffers.take(call, k, self._chain)
            self.scope.names[out] = self.scope.constant(buffer, self.scope.fresh("b"))
            if buffer.shape != out.sample.shape:
                self._scratch.add(self.scope.names[out])
        name = self.scope.names[out]
        return name if self._chain is None else self._part(name)

    def _written(self, call: Call, name: str) -> None:
        note, function, out = call.out.note, call.function, [call.out]
        if call.kind == "ufunc":
            args = [self.scope.array_of(x, call) or self._read(x) for x in call.args]
            place = f"out={name}" if function in (np.maximum, np.minimum) else name  # which NumPy wants by name
            self.line(f"{self.scope.expression(function)}({', '.join(args)}, {place})", note, out)
            return
        if call.kind == "reduce":
            self._reduced(call, name)
            return
        base = call.args[0]
        if isinstance(base, Slot) and base in self._blank:
            base = base.call.args[0]  # type: ignore[union-attr]
        args = [self._read(base), *map(self._read, call.args[1:])]
        if call.kind in ("put", "at"):
            kept = self._copied(args[0], name, call)
            if call.kind == "put":
                self.line(f"{name}[{self.scope.index(call.args[1])}] = {args[2]}", "", out, kept)
            else:
                self._at(call, name, args, kept)
        elif call.kind == "mend":
            kept = self._copied(args[0], name, call)
            text = f"{self.scope.expression(call.options['by'])}({', '.join([name, *args[1:]])})"
            self.line(text, "", [call.out], kept)
        elif call.kind == "where":
            kept = self._copied(args[2], name, call)
            self.line(f"copyto({name}, {args[1]}, where={args[0]})", "", out, kept)
        else:
            self.line(f"copyto({name}, {args[0]}{', ' + repr('unsafe') if call.kind == 'cast' else ''})", note, out)

    def _copied(self, source: str, name: str, call: Call) -> str:
        """Copy what a call changes in part to its memory. Returns the source where it lies there already."""
        if self._printed(source)[0] == name:
            return source
        self.line(f"copyto({name}, {source})", call.out.note, [call.out])
        return ""

    def _at(self, call: Call, name: str, args: list[str], kept: str) -> None:
        """An addition in place: to a view, which names no element twice, or to elements by their indices."""
        ufunc, key, memory = self.scope.expression(call.options["ufunc"]), call.args[1], self.scope.things.get(name)
        text = f"{name}[{self.scope.index(key)}] += {args[2]}"
        if not is_basic(key) or call.options["ufunc"] is not np.add:
            text = f"{ufunc}.at({', '.join([name, *args[1:]])})"
        elif isinstance(memory, np.ndarray) and not any(slots_in([key])):
            parts = key if isinstance(key, tuple) else (key,)  # with ... an element is a view, too
            part = self.scope.constant(memory[parts if Ellipsis in parts else (*parts, ...)], self.scope.fresh("b"))
            text = f"{ufunc}({part}, {args[2]}, {part})"
        self.line(text, "", [call.out], kept)

    def _reduced(self, call: Call, name: str) -> None:
        function = call.function
        if isinstance(getattr(function, "__self__", None), np.ufunc) and {*call.options} <= {"axis", "keepdims"}:
            axis = self.scope.expression(call.options.get("axis", 0))
            keepdims = ", True" if call.options.get("keepdims") else ""
            text = f"{self.scope.expression(function)}({self._read(call.args[0])}, {axis}, None, {name}{keepdims})"
        else:
            text = self._plain(call, f"out={name}")
        self.line(text, call.out.note, [call.out])


def _sums_a_vector(call: Call) -> bool:
    """Whether a call reduces an array of one axis to a number by a ufunc."""
    by_ufunc = call.kind == "reduce" and isinstance(getattr(call.function, "__self__", None), np.ufunc)
    return (
        by_ufunc
        and call.options.keys() == {"axis", "keepdims"}
        and not call.options["keepdims"]
        and isinstance(call.args[0], Slot)
        and np.ndim(call.args[0].sample) == 1
    )
