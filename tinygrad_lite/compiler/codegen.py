"""NumPy calls as the source of a function, and the buffers into which they write.

Every array that a replay computes has its place in memory before the first one: results are written with ``out=``, in
place where an operand is not needed again. What the caller gets to keep, the gradients, are arrays of their own: one is
used again only when nobody holds it any more.
"""

from __future__ import annotations

import keyword
import math
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from ..core.numerics import FLOAT_FUNCTIONS
from ..core.value import Value
from ..optim import SGD, Optimizer
from ..programs.calls import Call, Lowered, Slot
from .blocking import Chain, chain_at
from .capture import Guard
from .lowering import MIRRORED

__all__ = ["Missed", "OptimizerFailedError", "OverflowedError", "Replay", "all_floats", "emitted", "stepped"]


BLOCK = 1 << 14
"""Elements updated at a time: 128 kB of each array, so that three of them stay in a core's own cache."""


LONGEST_NOTE = 80
DEEPEST = 20
"""Expressions in each other: Python's compiler recurses over them."""


class Missed(Exception):
    """The replay is not good for what it was given; ``str`` says what changed."""


class Replay(NamedTuple):
    """A replay as a function of the arguments' data and of the noise, its source, and whether NumPy is called there."""

    function: Callable[..., float]
    source: str
    calls_numpy: bool = True


MachineCode = Callable[[str, str], Callable[..., Any]]


def emitted(low: Lowered, held: list[bool], optimizer: Any, machine_code: MachineCode | None = None) -> Replay:
    """The calls as a replay.

    ``held`` tells which leaves somebody holds: their data are read at each call, the others are constants.
    ``machine_code`` compiles the source of a function of floats that returns a tuple of floats, given its name.
    """
    return _Emitter(low, held, optimizer).replay(machine_code)


def _fitting(seen: Any, data: Any, value: Value) -> Any:
    """New data of a leaf, if they are what the code was made for."""
    if type(data) is not type(seen) or data.shape != seen.shape or data.dtype != seen.dtype:
        now = f"{data.dtype} {data.shape}" if isinstance(data, np.ndarray) else "a float"
        raise Missed(f"the data of {value.name or 'a parameter'!r} became {now}")
    return data


def all_floats(data: Sequence[Any]) -> Sequence[Any]:
    """The data, if all of them are floats."""
    if {*map(type, data)} != {float}:
        raise Missed("a parameter that was one number became an array")
    return data


def _descend(data: Any, g: Any, lr: Any, spare: Any) -> None:
    """``data -= lr * g`` in blocks that stay in the cache."""
    if data.flags.c_contiguous and g.flags.c_contiguous:
        flat, slope = data.reshape(-1), g.reshape(-1)
        for start in range(0, flat.size, BLOCK):
            part, step = flat[start : start + BLOCK], slope[start : start + BLOCK]
            np.multiply(step, lr, spare[: part.size])
            np.subtract(part, spare[: part.size], part)
    else:
        data -= lr * g


def _references() -> int:
    """What ``getrefcount`` says of a buffer that only the list of buffers and a local variable hold."""
    buffers = [np.empty(1)]
    buffer = buffers[0]
    return sys.getrefcount(buffer)


class OverflowedError(ArithmeticError):
    """A sigmoid's exponential overflowed, which only careful code gets right."""


class OptimizerFailedError(Exception):
    """The optimizer raised ``error``, after the gradients were stored: nothing may be done again."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def stepped(optimizer: Any) -> None:
    """The optimizer's own step."""
    try:
        optimizer.step()
    except Exception as error:
        raise OptimizerFailedError(error) from None


def _real(x: Any) -> float:
    """A power, unless it is complex: where eager has nan."""
    if type(x) is not float:
        raise OverflowedError("complex")
    return x


def _check(guard: Guard, *data: Any) -> None:
    if not guard.holds(*data):
        raise Missed(guard.what)


class _Emitter:
    def __init__(self, low: Lowered, held: list[bool], optimizer: Any) -> None:
        self.low = low
        self.optimizer = optimizer
        self.scope: dict[str, Any] = {
            "inf": np.inf, "nan": np.nan, "refs": sys.getrefcount, "BASE": _references(), "empty_like": np.empty_like,
            "check": _check, "fitting": _fitting, "all_floats": all_floats, "descend": _descend, "copyto": np.copyto,
            "real": _real, "step": stepped, "Overflowed": OverflowedError, **FLOAT_FUNCTIONS,
        }  # fmt: skip
        self.constants: dict[int, str] = {}
        self.kept: list[Any] = []  # what names in the scope stand for, so that no id is used twice
        self.names: dict[Slot, str] = {}
        self.numbers = count()
        self.lines: list[str] = []
        self.depths: dict[Slot, int] = {}  # of expressions that were put where they are read
        self.numbers_of: dict[Any, str] = {}
        self.methods: dict[Any, Any] = {}  # np.add.reduce is another object each time that it is asked for
        self.buffers: dict[Slot, Any] = {}  # the memory that belongs to a slot
        self.free: defaultdict[Any, list[Any]] = defaultdict(list)
        self.chain: Chain | None = None  # that is being written
        self.parts: dict[str, str] = {}  # what the rows of an array are called in it
        self.scratch: set[str] = set()  # arrays of one block
        self.leaves = [(leaf, slot) for (leaf, slot), there in zip(low.leaves, held, strict=True) if there]
        self.fixed = {slot: slot.sample for (_, slot), there in zip(low.leaves, held, strict=True) if not there}
        live = {leaf for leaf, _ in self.leaves}
        self.gradients = [(leaf, g) for leaf, g in low.gradients if leaf in live]

    # ---- products with 0

    def leave_out_zeros(self) -> None:
        """Sums of numbers lose the products that are 0 as long as their other factor is finite, which is checked."""
        self.finite: dict[Slot, None] = {}  # a set that keeps its order
        if not self.low.optimistic:
            return
        for call in self.low.calls:
            if call.kind != "text":
                continue
            if _WEIGHTED_SUM.fullmatch(call.function):
                terms = _PRODUCT.findall(call.function)
                zeros = [(a, b) for a, b in terms if self.is_zero(call.args[int(a)], call.args[int(b)])]
                for a, b in zeros:
                    call.function = call.function.replace(f" + {{{a}}} * {{{b}}}", "")
            elif call.function == "{0} + {1}":
                for x, other in (call.args, call.args[::-1]):
                    while isinstance(x, Slot) and x.call and x.call.function == "{0}":
                        (x,) = x.call.args
                    made = x.call if isinstance(x, Slot) else None
                    if made and made.kind == "text" and made.function == "{1} * {0}" and self.is_zero(*made.args):
                        call.function, call.args = "{0}", (other,)
                        break

    def is_zero(self, a: Any, b: Any) -> bool:
        """Whether one of two factors is always 0; the other is noted to be checked."""
        a, b = (self.fixed.get(x, x) if isinstance(x, Slot) else x for x in (a, b))
        zero, other = (a, b) if type(a) is float else (b, a)
        if type(zero) is not float or zero != 0.0 or not isinstance(other, Slot):
            return False
        self.finite[other] = None
        return True

    def check_finite(self, total: str, slots: Iterable[Slot]) -> None:
        """A line for those of the slots that have to be finite: a sum is if all that it adds up are."""
        checked = self.finite.keys() & {*slots}
        self.finite = {slot: None for slot in self.finite if slot not in checked}
        if checked:
            self.line(f"if not -inf < {total} < inf: raise Overflowed", "or what was multiplied by 0 is no 0")

    # ---- names

    def line(self, text: str, note: str = "") -> None:
        self.lines.append(f"    {text}" + (f"  # {_comment(note)}" if note else ""))

    def constant(self, thing: Any, name: str) -> str:
        """A name in the scope for a thing."""
        if id(thing) not in self.constants:
            if callable(thing) and name in FLOAT_FUNCTIONS:
                name = f"array_{name}"
            while name in self.scope:
                name = f"{name.rstrip('0123456789')}{next(self.numbers)}"
            self.constants[id(thing)] = name
            self.scope[name] = thing
            self.kept.append(thing)
        return self.constants[id(thing)]

    def expression(self, x: Any) -> str:
        """An argument as source."""
        if isinstance(x, Slot):
            return self.expression(self.fixed[x]) if x in self.fixed else self.names[x]
        if type(x) is float:
            return repr(x) if x > 0 or repr(x) == "0.0" else f"({x!r})"
        if x is None or x is Ellipsis or isinstance(x, bool | int | str | slice):
            return repr(x)
        if isinstance(x, tuple | list):
            parts = ", ".join(map(self.expression, x))
            return f"[{parts}]" if isinstance(x, list) else f"({parts},)" if len(x) == 1 else f"({parts})"
        if isinstance(x, np.ufunc) or (callable(x) and hasattr(x, "__name__")):
            owner = getattr(x, "__self__", None)
            if isinstance(owner, np.ufunc):
                x = self.methods.setdefault((owner, x.__name__), x)
            prefix = (
                f"{owner.__name__}_" if isinstance(owner, np.ufunc) else f"{getattr(owner, 'name', '')}_".lstrip("_")
            )
            stem = re.sub(r"[^A-Za-z0-9]+", "_", f"{prefix}{x.__name__}").strip("_") or "call"
            return self.constant(x, f"f_{stem}" if stem[0].isdigit() or keyword.iskeyword(stem) else stem)
        return self.constant(x, "c0" if isinstance(x, np.ndarray) else "k0")

    def read(self, x: Any) -> str:
        """The same for what a call reads: in a chain the rows of it."""
        text = self.expression(x)
        return self.part(text) if self.chain is not None and self.chain.has_rows(x) else text

    def part(self, name: str) -> str:
        """What the rows of an array are called."""
        return self.parts.setdefault(name, f"x{next(self.numbers)}")

    def operand(self, x: Any, call: Call) -> str:
        """An operand of a ufunc. A number is an array of the others' dtype, which takes half the time to read."""
        dtypes = {slot.sample.dtype for slot in call.slots() if slot.is_array}
        if type(x) not in (float, int) or len(dtypes) != 1 or (dtype := dtypes.pop()).kind != "f":
            return self.read(x)
        if (x, dtype) not in self.numbers_of:
            self.numbers_of[x, dtype] = self.constant(np.array(x, dtype), _number_name(x))
        return self.numbers_of[x, dtype]

    # ---- memory

    def prepare(self) -> None:
        """Which calls are needed, in which order, and for how long each result is."""
        self.leave_out_zeros()
        finals = []
        taken: set[Slot] = set()
        for leaf, g in self.gradients:
            if _is_array(g) or isinstance(g, np.ndarray):
                own = isinstance(g, Slot) and g.call is not None and g.call.kind in _WRITING and g not in taken
                if not own:
                    sample = g.sample if isinstance(g, Slot) else g
                    slot = Slot(sample)
                    slot.call = Call("ufunc", np.positive, (g,), {}, slot)
                    self.low.calls.append(slot.call)
                    g = slot
                taken.add(g)
            finals.append((leaf, g))
        self.gradients = finals
        ends = {x for x in (*(g for _, g in finals), self.low.loss, *self.finite) if isinstance(x, Slot)}
        needed = set(ends)
        calls = []
        for call in reversed(self.low.calls):
            if call.out in needed or call.kind == "guard" or (call.kind == "finite" and call.args[0] in needed):
                needed.update(call.slots())
                calls.append(call)
        self.calls = _masks_first(calls[::-1])
        self.uses: Counter[Slot] = Counter()
        for call in self.calls:
            for k, x in enumerate(call.args):
                if isinstance(x, Slot):  # what is read by anything but source counts as read twice
                    source = call.kind == "text" and call.function != "sigmoid({0})"
                    self.uses[x] += call.function.count(f"{{{k}}}") if source else 2
        self.uses.update(dict.fromkeys(ends, 2))
        self.readers = Counter(x for call in self.calls for x in {*call.slots()})
        self.mirrored = {call.args[0]: call.out for call in self.calls if call.function == MIRRORED}
        self.roots: dict[Slot, set[Slot]] = {}
        self.last: dict[Slot, int] = {}
        for k, call in enumerate(self.calls):
            for slot in call.slots():
                for root in self.roots_of(slot):
                    self.last[root] = k
        forever = len(self.calls)
        for slot in ends:
            for root in self.roots_of(slot):
                self.last[root] = forever

    def roots_of(self, slot: Slot) -> set[Slot]:
        """The slots in whose memory a slot may be."""
        if slot not in self.roots:
            if slot.call is None or slot.call.kind in {"fresh", *_WRITING}:
                self.roots[slot] = {slot}
            elif not slot.is_array:
                self.roots[slot] = set()
            elif slot.call.kind == "view":
                self.roots[slot] = self.roots_of(next(iter(slot.call.slots())))
            else:
                self.roots[slot] = {slot}.union(*(self.roots_of(x) for x in slot.call.slots()))
        return self.roots[slot]

    def buffer(self, call: Call, k: int) -> Any:
        """Memory for the result of a call: that of an operand which dies in it, else what is free, else new.

        Of what only the chain reads that is being written, it is one block's.
        """
        sample = call.out.sample
        if self.chain is not None and self.last.get(call.out, k) < self.chain.stop:
            sample = np.empty(self.chain.block_shape, sample.dtype)
        for place, x in enumerate(call.args):
            if (
                isinstance(x, Slot)
                and x in self.buffers
                and self.last[x] == k
                and _may_overwrite(call, place)
                and x.sample.shape == call.out.sample.shape
                and _layout(self.buffers[x]) == _layout(sample)
            ):
                return self.buffers.pop(x)
        free = self.free[_memory(sample)]
        return free.pop().reshape(sample.shape) if free else np.empty_like(sample)

    def release(self, call: Call, k: int) -> None:
        """Memory that nothing reads after call ``k``."""
        for slot in {root for x in (*call.slots(), call.out) for root in self.roots_of(x)}:
            if self.last.get(slot, k) <= k and slot in self.buffers:
                if self.chain is not None and slot.sample.shape != self.chain.shape:
                    continue  # the next block reads it too
                buffer = self.buffers.pop(slot)
                self.free[_memory(buffer)].append(buffer)

    # ---- the function

    def replay(self, machine_code: MachineCode | None) -> Replay:
        self.prepare()
        arguments = [f"a{k}" for k in range(len(self.low.arguments))] + [f"r{k}" for k in range(len(self.low.noise))]
        slots = [*self.low.arguments, *(slot for _, slot in self.low.noise)]
        for name, slot in zip(arguments, slots, strict=True):
            self.names[slot] = name
        self._load_leaves()
        self._take_gradient_buffers()
        start = len(self.lines)
        k = 0
        while k < len(self.calls):
            chain = chain_at(self.calls, k, self.is_whole)
            if chain is not None:
                self._in_blocks(chain, k)
            else:
                self._call(self.calls[k], k)
                self.release(self.calls[k], k)
            k = chain.stop if chain is not None else k + 1
        self.check_finite(" + ".join(map(self.expression, self.finite)), self.finite)
        kernel = "" if machine_code is None else self._moved_to_machine_code(start, arguments, machine_code)
        self._store()
        notes = [f"{name} is {slot.note}" for name, slot in zip(arguments, slots, strict=True) if slot.note]
        head = [f"def replay({', '.join(arguments)}):"] + [f"    # {_comment(note)}" for note in notes]
        source = "\n".join([*head, *self.lines, ""])
        exec(compile(source, "<compiled step>", "exec"), self.scope)
        calls_numpy = not self.low.is_of_floats
        for call in self.low.calls:
            call.out.call = None  # a cycle would keep the arrays of the captured run until the collector finds it
        return Replay(self.scope["replay"], kernel + source, calls_numpy)

    def _moved_to_machine_code(self, start: int, arguments: list[str], machine_code: MachineCode) -> str:
        """Make the lines from ``start`` on a function of its own, and call it. Returns its source."""
        numbers = [*(self.names[slot] for _, slot in self.leaves), *arguments]
        ends = {"loss": self.low.loss} | {f"g{k}": g for k, (_, g) in enumerate(self.gradients)}
        results = ", ".join(map(self.expression, ends.values()))
        kernel = [f"def kernel({', '.join(numbers)}):", *self.lines[start:], f"    return {results},", "", ""]
        self.scope["kernel"] = machine_code("\n".join(kernel), "kernel")
        self.lines[start:] = [f"    {', '.join(ends)}, = kernel({', '.join(numbers)})"]
        self.names |= {slot: name for name, slot in ends.items() if isinstance(slot, Slot)}
        return "\n".join(kernel)

    def _load_leaves(self) -> None:
        arrays = [(leaf, slot) for leaf, slot in self.leaves if slot.is_array]
        floats = [(leaf, slot) for leaf, slot in self.leaves if not slot.is_array]
        self.seen = [slot.sample for _, slot in arrays]
        self.parameters: dict[Value, str] = {}
        self.place: dict[Value, int] = {}
        self.scope["seen"] = self.seen
        managed = self._managed()
        for k, (leaf, slot) in enumerate(arrays):
            name = self.parameters[leaf] = f"p{k}"
            self.place[leaf] = k
            self.scope[name] = leaf
            self.names[slot] = f"w{k}"
            self.line(f"w{k} = {name}._data", leaf.name or "")
            self.line(f"if w{k} is not seen[{k}]: seen[{k}] = fitting(seen[{k}], w{k}, {name})")
        for k, (leaf, slot) in enumerate(floats):
            self.parameters[leaf] = self.scope[f"q{k}"] = leaf  # type: ignore[assignment]
            self.parameters[leaf] = f"q{k}"
            self.names[slot] = f"f{k}"
        if floats:
            for leaf, slot in floats:
                self.line(f"{self.names[slot]} = {self.parameters[leaf]}._data", leaf.name or "")
            self.line(f"data = {', '.join(self.names[slot] for _, slot in floats)},")
            self.line("total = sum(data)")
            self.line("if type(total) is not float: all_floats(data)", "an array among them")
            self.check_finite("total", [slot for _, slot in floats])
        for leaf in managed:
            if leaf not in self.parameters:
                self.parameters[leaf] = self.constant(leaf, "u0")

    def _managed(self) -> list[Value]:
        """The parameters whose gradients the optimizer forgets before each step."""
        return list(self.optimizer.params) if isinstance(self.optimizer, Optimizer) else []

    def _take_gradient_buffers(self) -> None:
        numbers = {leaf for leaf, g in self.gradients if not _is_array(g) and not isinstance(g, np.ndarray)}
        for leaf in self._managed():
            if leaf not in numbers:  # those are overwritten; an array's memory is to be free
                self.line(f"{self.parameters[leaf]}._grad = None")
        own = [(leaf, g) for leaf, g in self.gradients if _is_array(g)]
        self.scope["gradients"] = [np.empty_like(g.sample) for _, g in own]
        for k, (_, g) in enumerate(own):
            self.names[g] = f"g{k}"
            self.line(f"g{k} = gradients[{k}]")
            self.line(f"if refs(g{k}) > BASE: g{k} = gradients[{k}] = empty_like(g{k})", "somebody kept the last one")

    def is_whole(self, slot: Slot) -> bool:
        """Whether none of the memory that is used again holds it in another shape or order."""
        return slot in self.buffers or not any(root in self.buffers for root in self.roots_of(slot))

    def _in_blocks(self, chain: Chain, start: int) -> None:
        """A loop over the blocks of a chain of calls."""
        self.chain, self.parts = chain, {}
        first = len(self.lines)
        for k in range(start, chain.stop):
            self._call(self.calls[k], k)
            self.release(self.calls[k], k)
        self.chain = None
        for k in range(start, chain.stop):
            self.release(self.calls[k], k)
        blocks = self.constant(chain.blocks, "blocks0")
        parts = [f"{part} = {name}{'[:n]' if name in self.scratch else '[rows]'}" for name, part in self.parts.items()]
        body = [f"        {'; '.join(parts)}", *(f"    {line}" for line in self.lines[first:])]
        self.lines[first:] = [f"    for rows, n in {blocks}:  # {chain.rows} of {chain.shape[0]} at a time", *body]

    def _call(self, call: Call, k: int) -> None:
        out = call.out
        args = [self.read(x) for x in call.args]
        if call.kind == "guard":
            if isinstance(call.function, Guard):
                guard = self.constant(call.function, "guard0")
                self.line(f"check({', '.join([guard, *args])})", "read by the function")
            else:
                self.line(f"{self.expression(call.function)}({', '.join(args)})")
            return
        if call.kind == "finite":
            self.line(f"if not vdot({args[0]}, {args[0]}) < inf: raise Overflowed")
            self.scope["vdot"] = np.vdot
            return
        if call.kind == "text" and call.function == "sigmoid({0})" and call.args[0] in self.mirrored:
            mirror = self.mirrored[call.args[0]]
            x = args[0]
            n = self.names[out] = f"v{next(self.numbers)}"
            s = self.names[mirror] = f"v{next(self.numbers)}"
            self.line(f"if {x} >= 0.0: e = exp(-{x}); d = 1.0 + e; {n} = 1.0 / d; {s} = e / d", out.note)
            self.line(f"else: e = exp({x}); d = 1.0 + e; {n} = e / d; {s} = 1.0 / d", f"and {n}'s mirror image {s}")
            return
        if call.kind == "text" and out in self.names:
            return
        if call.kind == "text":
            text = _simplified(call.function.format(*args))
            if _NUMBER.fullmatch(text) or text.isidentifier():
                self.names[out] = text
            elif self._read_at_once(call, k):
                self.names[out] = "z"
                self.line(f"z = {text}", out.note)
            elif not self._inlined(call, text):
                name = self.names.setdefault(out, f"v{next(self.numbers)}")
                self.line(f"{name} = {text}", out.note)
            return
        function = call.function
        if function in _SIGNS and not out.is_array:
            name = self.names.setdefault(out, f"v{next(self.numbers)}")
            self.line(f"{name} = {args[0]} {_SIGNS[function]} {args[1]}", out.note)
            return
        options = [f"{key}={self.expression(x)}" for key, x in call.options.items()]
        if call.kind == "view":
            self._view(call, args, options)
            return
        if call.kind not in _WRITING or not out.is_array:
            name = self.names.setdefault(out, f"v{next(self.numbers)}")
            text = (
                f"{args[0]}[{args[1]}]"
                if function.__name__ == "_picked"
                else f"{self.expression(function)}({', '.join(args + options)})"
            )
            self.line(f"{name} = {text}", out.note)
            return
        if out not in self.names:  # not a gradient, which has its own memory
            self.buffers[out] = buffer = self.buffer(call, k)
            self.names[out] = self.constant(buffer, f"b{next(self.numbers)}")
            if buffer.shape != out.sample.shape:
                self.scratch.add(self.names[out])
        name = self.names[out] if self.chain is None else self.part(self.names[out])
        if call.kind == "ufunc":
            args = [self.operand(x, call) for x in call.args]
            place = f"out={name}" if function in (np.maximum, np.minimum) else name  # which NumPy wants by name
            self.line(f"{self.expression(function)}({', '.join(args)}, {place})", out.note)
        elif call.kind == "where":
            if args[2] != name:
                self.line(f"copyto({name}, {args[2]})", out.note)
            self.line(f"copyto({name}, {args[1]}, where={args[0]})")
        elif call.kind == "fill":
            self.line(f"copyto({name}, {args[0]})", out.note)
        elif call.kind == "cast":
            self.line(f"copyto({name}, {args[0]}, 'unsafe')", out.note)
        elif call.kind == "put":
            if args[0] != name:
                self.line(f"copyto({name}, {args[0]})", out.note)
            self.line(f"{name}[{args[1]}] = {args[2]}")
        elif isinstance(getattr(function, "__self__", None), np.ufunc) and set(call.options) <= {"axis", "keepdims"}:
            axis = self.expression(call.options.get("axis", 0))
            keepdims = ", True" if call.options.get("keepdims") else ""
            self.line(f"{self.expression(function)}({args[0]}, {axis}, None, {name}{keepdims})", out.note)
        else:
            self.line(f"{self.expression(function)}({', '.join(args + options)}, out={name})", out.note)

    def _read_at_once(self, call: Call, k: int) -> bool:
        """Whether nothing but the next two lines reads it: numbers that die young are cheap."""
        out = call.out
        following = self.calls[k + 1].args if out in self.mirrored else ()
        return bool(following) and following[0] is out and self.readers[out] == 2

    def _inlined(self, call: Call, text: str) -> bool:
        """Put an expression that is read once where it is read: storing and loading it takes half of its time."""
        depth = 1 + max((self.depths.get(x, 0) for x in call.slots()), default=0)
        if self.uses[call.out] != 1 or depth > DEEPEST or " = " in call.out.note:
            return False
        self.names[call.out] = f"({text})"
        self.depths[call.out] = depth
        return True

    def _view(self, call: Call, args: list[str], options: list[str]) -> None:
        """A view of memory that stays where it is is made once."""
        out, base = call.out, call.args[0]
        memory = self.scope.get(self.names.get(base, "")) if isinstance(base, Slot) else None
        if isinstance(memory, np.ndarray) and not any(isinstance(x, Slot) for x in call.args[1:]):
            view = call.function(memory, *call.args[1:], **call.options)
            if isinstance(view, np.ndarray) and np.may_share_memory(view, memory):
                self.names[out] = self.constant(view, f"b{next(self.numbers)}")
                return
        name = self.names[out] = f"v{next(self.numbers)}"
        if call.function.__name__ == "_picked":
            text = f"{args[0]}[{args[1]}]"
        elif call.function is np.transpose and len(args) == 1:
            text = f"{args[0]}.T"
        else:
            text = f"{self.expression(call.function)}({', '.join(args + options)})"
        self.line(f"{name} = {text}", out.note)

    def _store(self) -> None:
        """Gradients to the leaves, and the optimizer's step."""
        managed = set(self._managed())
        for leaf, g in self.gradients:
            name, value = self.parameters[leaf], self.expression(g)
            if leaf in managed:
                self.line(f"{name}._grad = {value}")
            else:
                self.line(f"{name}._grad = {value} if {name}._grad is None else {name}._grad + {value}")
        if self.optimizer is not None:
            self._update()
        loss = self.expression(self.low.loss)
        self.line(f"return {loss}" if not _is_array(self.low.loss) else f"return float({loss}.reshape(()))")

    def _update(self) -> None:
        self.scope["optimizer"] = self.optimizer
        if type(self.optimizer) is not SGD:
            self.line("step(optimizer)")
            return
        self.line("if optimizer.momentum or optimizer.weight_decay:")
        self.line("    step(optimizer)")
        self.line("else:")
        self.line("    lr = optimizer.lr")
        for dtype in sorted({leaf.dtype for leaf, g in self.gradients if _is_array(g)}, key=str):
            self.scope[f"rate_{dtype}"] = np.empty((), dtype)  # a number takes twice as long to read
            self.line(f"    rate_{dtype}.fill(lr)")
        managed = set(self._managed())
        for leaf, g in self.gradients:
            if leaf not in managed:
                continue
            name, slope = self.parameters[leaf], self.expression(g)
            if not isinstance(g, Slot) or not g.is_array:
                data = next(self.names[slot] for other, slot in self.leaves if other is leaf)
                self.line(f"    {name}._data = {data} - lr * {slope}")
                continue
            k = self.place[leaf]
            if g.sample.size > 2 * BLOCK:
                spare = self.constant(np.empty(BLOCK, g.sample.dtype), f"b{next(self.numbers)}")
                self.line(f"    descend(w{k}, {slope}, rate_{g.sample.dtype}, {spare})")
            else:
                free = self.free[_memory(g.sample)]
                spare = self.constant(
                    free[-1].reshape(g.sample.shape) if free else np.empty_like(g.sample), f"b{next(self.numbers)}"
                )
                self.line(f"    multiply({slope}, rate_{g.sample.dtype}, {spare}); subtract(w{k}, {spare}, w{k})")
                self.scope.update(multiply=np.multiply, subtract=np.subtract)
            self.line(f"    {name}._data = seen[{k}] = w{k}.view()")


_NUMBER = re.compile(r"\d+\.\d+(e[+-]?\d+)?")
_PRODUCT = re.compile(r" \+ \{(\d+)\} \* \{(\d+)\}")
_WEIGHTED_SUM = re.compile(rf"\{{\d+\}}({_PRODUCT.pattern})+")
_LESS_NOTHING = re.compile(r"^(\w+) - 0\.0$")
_BY_ONE = re.compile(r" \* 1\.0(?![\d.e]| \*\*)")
_TWICE = re.compile(rf"({_NUMBER.pattern}) \* \(({_NUMBER.pattern}) \* (\w+)\)")


def _simplified(text: str) -> str:
    """Source of the same bits with fewer operations: without factors of 1, and numbers multiplied beforehand where one
    is a power of two.

    >>> _simplified("f0 + f1 * 1.0 + f2 * 0.125"), _simplified("0.125 * (2.0 * v1)"), _simplified("0.1 * (0.3 * v1)")
    ('f0 + f1 + f2 * 0.125', '0.25 * v1', '0.1 * (0.3 * v1)')
    >>> _simplified("v1 - 0.0"), _simplified("v1 + 0.0")
    ('v1', 'v1 + 0.0')
    """
    text = _LESS_NOTHING.sub(r"\1", _BY_ONE.sub("", text))
    twice = _TWICE.fullmatch(text)
    if twice is not None:
        a, b = float(twice[1]), float(twice[3])
        if 0.5 in (math.frexp(a)[0], math.frexp(b)[0]):
            return f"{a * b!r} * {twice[5]}"
    return text


_SIGNS: dict[Any, str] = {np.add: "+", np.subtract: "-", np.multiply: "*", np.true_divide: "/"}
_WRITING = {"ufunc", "reduce", "where", "cast", "put", "fill"}


def _is_array(x: Any) -> bool:
    return isinstance(x, Slot) and x.is_array


def _comment(note: str) -> str:
    """A note, which may have a user's names in it, as what can stand behind a #: one short line.

    >>> _comment("z1 = relu"), len(_comment("x" + chr(10) + "import os").splitlines())
    ('z1 = relu', 1)
    """
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in note)
    return text if len(text) <= LONGEST_NOTE else f"{text[: LONGEST_NOTE - 1]}…"


def _number_name(x: float) -> str:
    """A number as a name: 0.5 is n_0p5."""
    return "n_" + "".join({"-": "m", ".": "p", "+": ""}.get(c, c) for c in f"{x:g}")


def _layout(array: Any) -> Any:
    """What two arrays must share for one to be written in the place of the other."""
    return array.dtype, array.shape, array.strides


def _memory(array: Any) -> Any:
    """The same, for memory that may take another shape."""
    return (array.dtype, array.size) if array.flags.c_contiguous else _layout(array)


def _may_overwrite(call: Call, place: int) -> bool:
    """Whether the result may be written where the operand at ``place`` is."""
    if call.kind == "ufunc":
        return isinstance(call.function, np.ufunc) and call.function.signature is None
    return place == {"put": 0, "where": 2}.get(call.kind)


def _masks_first(calls: list[Call]) -> list[Call]:
    """Masks are made as soon as their operands are there, so that these need not be kept for the backward pass.

    A mask takes an eighth of the memory of what it was made of.
    """
    waiting: defaultdict[Slot | None, list[Call]] = defaultdict(list)
    place = {call.out: k for k, call in enumerate(calls)}
    moved: set[int] = set()
    for k, call in enumerate(calls):
        if call.kind == "ufunc" and call.out.is_array and call.out.sample.dtype == bool:
            latest = max((place.get(x, -1) for x in call.slots()), default=-1)
            if 0 <= latest < k - 1 and latest not in moved:
                waiting[calls[latest].out].append(call)
                moved.add(k)
    ordered: list[Call] = []
    for k, call in enumerate(calls):
        if k not in moved:
            ordered.append(call)
            ordered += waiting[call.out]
    return ordered
