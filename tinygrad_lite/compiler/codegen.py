"""A lowered run as the source of a function, the replay.

The function reads the leaves' data, makes the calls (see ``statements``) in the memory of a plan (see ``buffers``), and
stores gradients. Gradients belong to the caller: their arrays are used again only when nobody holds them any more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.scattered import Rows
from ..core.value import Value
from ..optim import Optimizer, Update
from ..programs.calls import Call, Slot, folded, needed
from ..programs.memory import WRITING
from .buffers import Buffers, masks_first
from .lifetimes import check_lifetimes
from .lowered import Lowered
from .probes import Seen, probed
from .scope import Scope, comment
from .small_arrays import small_arrays
from .statements import Statements

__all__ = ["Emitter", "Replay", "UpdateText", "managed_by", "update_writer"]


class Replay(NamedTuple):
    """A replay as a function of the arguments' data and of the noise, its source, and how it runs.

    ``observe`` takes the same data, and returns what the replay computes for each op.
    """

    function: Callable[..., float]
    source: str
    observe: Callable[..., Seen]
    calls_numpy: bool = True
    is_machine_code: bool = False


MachineCode = Callable[[str, str, int], Callable[..., Any]]


def managed_by(optimizer: Any) -> list[Value]:
    """The parameters whose gradients the optimizer forgets before each step, if it does nothing else then."""
    own = isinstance(optimizer, Optimizer) and getattr(optimizer.zero_grad, "__func__", None) is Optimizer.zero_grad
    return list(optimizer.params) if own else []


def update_writer(optimizer: Any) -> Callable[[Update], str | None] | None:
    """The optimizer's ``update_source``, if it has one and no other ``step`` was put in the place of its own."""
    return None if "step" in getattr(optimizer, "__dict__", ()) else getattr(optimizer, "update_source", None)


class Emitter:
    """Writes a program as a replay.

    ``held`` says which leaves somebody holds: their data are read at each call, the others are constants. ``form`` are
    the containers in which a function returns its results, with a number in each one's place; a step has none.
    ``uses_numba`` allows machine code for many calls of small arrays.
    """

    def __init__(
        self, low: Lowered, held: Sequence[bool], optimizer: Any, form: Any = None, uses_numba: bool = False
    ) -> None:
        self.uses_numba = uses_numba
        self.low, self.optimizer, self.managed, self.form = low, optimizer, managed_by(optimizer), form
        self.leaves = [(leaf, slot) for (leaf, slot), there in zip(low.leaves, held, strict=True) if there]
        fixed = {slot: slot.sample for (_, slot), there in zip(low.leaves, held, strict=True) if not there}
        live = {leaf for leaf, _ in self.leaves}
        reached = {leaf: g for leaf, g in low.gradients if leaf in live}
        numbers = {slot: x for slot, x in fixed.items() if type(x) is float}
        ends = [*low.outputs, *reached.values()]
        found, self.finite = folded(low.calls, [*ends, *low.marks], numbers, low.optimistic)
        self.marks = [*zip(found[len(ends) :], low.marks.values(), strict=True)]
        n = len(low.outputs)
        taken: set[Slot] = set()
        self.outputs = found[:n] if form is None else self._own_arrays(found[:n], taken)
        gradients = self._own_arrays(found[n : len(ends)], taken)
        self.gradients = [*zip(reached, gradients, strict=True)]
        ends = [x for x in (*gradients, *self.outputs, *self.finite) if isinstance(x, Slot)]
        calls = masks_first(needed(low.calls, ends, _has_effect))
        self.scope = Scope(fixed)
        self.buffers = Buffers(calls, ends)
        self.text = Statements(calls, ends, self.scope, self.buffers, self.marks)
        self.parameters: dict[Value, str] = {}
        self.place: dict[Value, int] = {}  # of an array among those seen
        self.spares: list[str] = []  # memory that the optimizer writes

    def _own_arrays(self, ends: Iterable[Any], taken: set[Slot]) -> list[Any]:
        """What the caller gets, each array with memory of its own: one that is ``taken``, or a view, is copied."""
        found: list[Any] = []
        for g in ends:
            if _is_array(g) or isinstance(g, np.ndarray):
                if not (isinstance(g, Slot) and g.call is not None and g.call.kind in WRITING and g not in taken):
                    slot = Slot(np.empty_like(g.sample if isinstance(g, Slot) else g))
                    slot.call = Call("fill", np.broadcast_to, (g, slot.sample.shape), {}, slot)
                    self.low.calls.append(slot.call)
                    g = slot
                taken.add(g)
            found.append(g)
        return found

    # ---- the function

    def replay(self, machine_code: MachineCode | None = None) -> Replay:
        """The whole. ``machine_code`` compiles the source of a function of floats.

        It is given the source, the function's name and the number of its arguments. That function returns a tuple of
        floats.
        """
        text, names = self.text, self.scope.names
        arguments = [f"a{k}" for k in range(len(self.low.arguments))] + [f"r{k}" for k in range(len(self.low.noise))]
        slots = [*self.low.arguments, *(slot for _, slot in self.low.noise)]
        names.update(zip(slots, arguments, strict=True))
        self._load_leaves()
        given: list[tuple[Slot, Any]] = [(slot, names[slot]) for slot in (*slots, *(slot for _, slot in self.leaves))]
        given += [(slot, slot) for slot, x in self.scope.fixed.items() if isinstance(x, np.ndarray)]  # views are of it
        self._take_memory()
        start = len(text.lines)
        results = [x for x in (*(g for _, g in self.gradients), *self.outputs, *self.finite) if isinstance(x, Slot)]
        inputs = [slot for slot, _ in given if slot not in self.scope.fixed]
        small = small_arrays(text.calls, inputs, results, self.scope.fixed) if self.uses_numba else None
        if small is None:
            text.probe_inputs()
            text.write()
        else:
            small.write(text, inputs, results, self.marks)
        self._check_finite(" + ".join(map(self.scope.expression, self.finite)), self.finite)
        observe = probed(arguments, [*text.lines], text.probes, self.scope.things)
        kernel = "" if small is None else small.source
        if machine_code is not None:
            kernel = self._moved_to_machine_code(start, arguments, machine_code)
        self._store()
        check_lifetimes(text.statements, given, text.calls)
        notes = [f"{name} is {slot.note}" for name, slot in zip(arguments, slots, strict=True) if slot.note]
        head = [f"def replay({', '.join(arguments)}):"] + [f"    # {comment(note)}" for note in notes]
        source = "\n".join([*head, *text.lines, ""])
        exec(compile(source, "<compiled step>", "exec"), self.scope.things)
        calls_numpy = not self.low.is_of_floats
        for call in self.low.calls:
            call.out.call = None  # a cycle would keep the arrays of the captured run until the collector finds it
        return Replay(self.scope.things["replay"], kernel + source, observe, calls_numpy, small is not None)

    def _moved_to_machine_code(self, start: int, arguments: list[str], machine_code: MachineCode) -> str:
        """Make the lines from ``start`` on a function of its own, and call it. Returns its source."""
        lines, names = self.text.lines, self.scope.names
        numbers = [*(names[slot] for _, slot in self.leaves), *arguments]
        ends = {f"y{k}": x for k, x in enumerate(self.outputs)} | {
            f"g{k}": g for k, (_, g) in enumerate(self.gradients)
        }
        results = ", ".join(map(self.scope.plain, ends.values()))
        kernel = [f"def kernel({', '.join(numbers)}):", *lines[start:], f"    return {results},", "", ""]
        self.scope.things["kernel"] = machine_code("\n".join(kernel), "kernel", len(numbers))
        lines[start:] = [f"    {', '.join(ends)}, = kernel({', '.join(numbers)})"]
        names.update({slot: name for name, slot in ends.items() if isinstance(slot, Slot)})
        return "\n".join(kernel)

    def _load_leaves(self) -> None:
        line, names, things = self.text.line, self.scope.names, self.scope.things
        arrays = [(leaf, slot) for leaf, slot in self.leaves if slot.is_array]
        floats = [(leaf, slot) for leaf, slot in self.leaves if not slot.is_array]
        things["seen"] = [slot.sample for _, slot in arrays]
        for k, (leaf, slot) in enumerate(arrays):
            name = self.parameters[leaf] = f"p{k}"
            self.place[leaf] = k
            things[name], names[slot] = leaf, f"w{k}"
            line(f"w{k} = {name}._data", leaf.name or "")
            line(f"if w{k} is not seen[{k}]: seen[{k}] = fitting(seen[{k}], w{k}, {name})")
        for k, (leaf, slot) in enumerate(floats):
            name = self.parameters[leaf] = f"q{k}"
            things[name], names[slot] = leaf, f"f{k}"
            line(f"f{k} = {name}._data", leaf.name or "")
        if floats:
            line(f"data = {', '.join(names[slot] for _, slot in floats)},")
            line("total = sum(data)")
            line("if type(total) is not float: all_floats(data)", "an array among them")
            self._check_finite("total", [slot for _, slot in floats])
        self._check_flows()
        for leaf in self.managed:
            if leaf not in self.parameters:
                self.parameters[leaf] = self.scope.constant(leaf, "u0")

    def _check_flows(self) -> None:
        """Emit one check that no leaf was frozen, and none thawed, since the run: 10 ns for each leaf."""
        self.scope.things["flows"] = flows = [(leaf, bool(leaf.requires_grad)) for leaf in self.parameters]
        for flow, check in ((True, "if not ({}): flowing(flows)"), (False, "if {}: flowing(flows)")):
            read = [f"{self.parameters[leaf]}.requires_grad" for leaf, flows_here in flows if flows_here is flow]
            if read:
                self.text.line(check.format((" and " if flow else " or ").join(read)))

    def _check_finite(self, total: str, slots: Iterable[Slot]) -> None:
        """Emit one check that those of the slots which must be are finite: a sum is finite if all its terms are."""
        checked = self.finite.keys() & {*slots}
        self.finite = {slot: None for slot in self.finite if slot not in checked}
        if checked:
            self.text.line(f"if not -inf < {total} < inf: raise Overflowed", "or what was multiplied by 0 is no 0")

    def _take_memory(self) -> None:
        """Emit lines that let the managed leaves' gradients go, and take the arrays that the caller gets."""
        line = self.text.line
        numbers = {leaf for leaf, g in self.gradients if not _is_array(g)}
        for leaf in self.managed:
            if leaf not in numbers:  # those are overwritten; an array's memory is to be free
                line(f"{self.parameters[leaf]}._grad = None")
        self._take_buffers("gradients", "g", [g for _, g in self.gradients])
        self._take_buffers("results", "y", self.outputs if self.form is not None else [])

    def _take_buffers(self, memory: str, letter: str, ends: Iterable[Any]) -> None:
        """Emit lines that take the arrays which the caller gets, last time's where nobody has kept them."""
        own = [x for x in ends if _is_array(x)]
        self.scope.things[memory] = [np.empty_like(x.sample) for x in own]
        for k, x in enumerate(own):
            name = self.scope.names[x] = f"{letter}{k}"
            self.text.line(f"{name} = {memory}[{k}]")
            new = f"{name} = {memory}[{k}] = empty_like({name})"
            self.text.line(f"if refs({name}) > BASE: {new}", "somebody kept the last one")

    # ---- after the calls

    def _store(self) -> None:
        """Gradients to the leaves, and the optimizer's step."""
        managed = set(self.managed)
        if self.optimizer is not None and not self.managed:
            self.text.line("optimizer.zero_grad()", "its own")
        for leaf, g in self.gradients:
            name, value = self.parameters[leaf], self.scope.expression(g)
            added = "" if leaf in managed else f" if {name}._grad is None else {name}._grad + {value}"
            self.text.line(f"{name}._grad = {value}{added}")
        if self.form is not None:
            texts = [self.scope.expression(x) for x in self.outputs]
            self.text.line(f"return {_in_containers(self.form, texts, self.scope)}")
            return
        (loss,) = self.outputs
        if _is_array(loss):  # a number before the optimizer writes, as it may lie in a parameter's memory
            number = Slot(0.0)
            name = self.scope.variable(number)
            self.text.line(f"{name} = float({self.scope.expression(loss)}.reshape(()))", writes=[number])
            loss = number
        if self.optimizer is not None:
            self._update()
        self.text.line(f"return {self.scope.expression(loss)}")

    def _update(self) -> None:
        """The optimizer's step: its own source where it has some, else a call of ``step``."""
        self.scope.things["optimizer"] = self.optimizer
        lines = self._update_lines()
        if lines is None:
            lines = ["step(optimizer)"]
        elif unless := self.optimizer.update_unless:
            lines = [f"if {unless}: step(optimizer)", "else:", *(f"    {line}" for line in lines)]
        managed = set(self.managed)
        arrays = [slot for leaf, slot in self.leaves if leaf in managed and slot.is_array]
        changed = [*map(self.scope.plain, arrays), *self.spares]
        written = [Slot(None, note="the optimizer's step") for _ in changed]
        self.scope.names.update(zip(written, changed, strict=True))
        read = "".join(self.scope.expression(g) for leaf, g in self.gradients if leaf in managed)
        for line in lines:
            self.text.line(line, writes=written, keeps=read)

    def _update_lines(self) -> list[str] | None:
        """The lines in which the optimizer writes its step; ``None`` if it has none for a parameter."""
        write = update_writer(self.optimizer)
        if write is None:
            return None
        names = self.scope.names
        data = {leaf: names[slot] for leaf, slot in self.leaves}
        self.scope.things.update(self.optimizer.update_scope)
        settings: dict[str, str] = {}
        lines = []
        managed = set(self.managed)
        for leaf, g in self.gradients:
            if leaf not in managed:
                continue
            gradient, rows = self.scope.plain(g), None
            if isinstance(g, Slot) and isinstance(g.sample, Rows):
                gradient, rows = f"{gradient}.dense()", gradient
            owner = self if leaf in self.place else None
            text = write(UpdateText(leaf, data[leaf], gradient, settings, owner, rows))
            if text is None:
                return None
            name = self.parameters[leaf]
            if leaf in self.place:
                k = self.place[leaf]
                lines += [text, f"{name}._data = seen[{k}] = w{k}.view()"]
            else:
                lines.append(f"{name}._data = {text}")
        return [*settings.values(), *lines] if lines else None


class UpdateText(Update):
    """What an optimizer asks when it writes the update of one parameter.

    The ``lines`` that read its settings are collected by name. An array has an ``owner``, its program's emitter.
    """

    def __init__(
        self,
        leaf: Value,
        data: str,
        gradient: str,
        lines: dict[str, str],
        owner: Emitter | None = None,
        rows: str | None = None,
    ) -> None:
        super().__init__(leaf, data, gradient, rows)
        self._lines, self._owner = lines, owner

    def setting(self, name: str) -> str:
        if self._owner is None:
            self._lines[name] = f"{name} = optimizer.{name}"
            return name
        dtype = self.parameter.dtype
        found = f"{name}_{dtype}"  # an array: a number takes twice as long to read
        self._owner.scope.things.setdefault(found, np.empty((), dtype))
        self._lines[found] = f"{found}.fill(optimizer.{name})"
        return found

    def spare(self, elements: int | None = None) -> str:
        assert self._owner is not None
        sample, scope = self.parameter._data, self._owner.scope
        like = self._owner.buffers.spare(sample) if elements is None else np.empty(elements, sample.dtype)
        self._owner.spares.append(scope.constant(like, scope.fresh("b")))
        return self._owner.spares[-1]


def _in_containers(form: Any, texts: Sequence[str], scope: Scope) -> str:
    """Source of nested containers, with the text of each result in the place of its number."""
    if isinstance(form, int):
        return texts[form]
    if isinstance(form, dict):
        items = [f"{scope.expression(key)}: {_in_containers(x, texts, scope)}" for key, x in form.items()]
        return f"{{{', '.join(items)}}}"
    parts = [_in_containers(x, texts, scope) for x in form]
    if isinstance(form, list):
        return f"[{', '.join(parts)}]"
    if hasattr(form, "_fields"):
        return f"{scope.constant(type(form), type(form).__name__)}({', '.join(parts)})"
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


def _is_array(x: Any) -> bool:
    return isinstance(x, Slot) and x.is_array


def _has_effect(call: Call, read: Collection[Slot]) -> bool:
    return call.kind == "guard" or (call.kind == "finite" and call.args[0] in read)
