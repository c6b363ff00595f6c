"""The recorder: what a rewritten program computed from what, as a list of steps.

Objects are followed by identity, so names, containers, helper functions, attributes and loops need no rule of their
own. An array that is changed in place gets a new step, and so do the arrays that share its memory.
"""

from __future__ import annotations

import math
import operator
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import numpy as np

from .scripts import Script

__all__ = ["Occurrence", "Recorder", "Step", "TooLongError", "Visits", "numbers_of"]

_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mult": operator.mul,
    "Div": operator.truediv,
    "FloorDiv": operator.floordiv,
    "Mod": operator.mod,
    "Pow": operator.pow,
    "MatMult": operator.matmul,
    "BitAnd": operator.and_,
    "BitOr": operator.or_,
    "BitXor": operator.xor,
    "LShift": operator.lshift,
    "RShift": operator.rshift,
}
_IN_PLACE: dict[str, Callable[[Any, Any], Any]] = {
    "Add": operator.iadd,
    "Sub": operator.isub,
    "Mult": operator.imul,
    "Div": operator.itruediv,
    "FloorDiv": operator.ifloordiv,
    "Mod": operator.imod,
    "Pow": operator.ipow,
    "MatMult": operator.imatmul,
    "BitAnd": operator.iand,
    "BitOr": operator.ior,
    "BitXor": operator.ixor,
    "LShift": operator.ilshift,
    "RShift": operator.irshift,
}
_UNARY: dict[str, Callable[[Any], Any]] = {"USub": operator.neg, "UAdd": operator.pos}

MOST_STEPS = 200_000

Occurrence = tuple[int, int]
"""A unit, and how many times it ran before."""

Visits = Mapping[Occurrence, Callable[[FrameType], None]]
"""What to call when a unit is about to run, with the frame that runs it."""


def numbers_of(value: Any) -> Any:
    """A float, an array of floats or a tensor as an array of float64; ``None`` for all else, integers too."""
    if type(value) is float:
        return np.float64(value)
    if isinstance(value, np.ndarray | np.floating):
        return np.array(value, dtype=float) if value.dtype.kind == "f" else None
    if hasattr(value, "detach") and hasattr(value, "__array__"):  # a tensor of PyTorch
        found = np.asarray(value.detach())
        return found.astype(float) if found.dtype.kind == "f" else None
    return None


@dataclass(eq=False)
class Step:
    """One operation of the program: ``value`` is a copy of what it left, made from what ``inputs`` left.

    ``unit`` is the unit that it belongs to. A step without inputs is data of the program.
    """

    number: int
    unit: int
    occurrence: int
    value: Any
    inputs: tuple[Step, ...]
    names: dict[str, Occurrence] = field(default_factory=dict)
    """The names that the value had, and the unit that gave each."""
    places: list[Occurrence] = field(default_factory=list)
    """The units that left the value, in order: the one that made it, then those that passed it on."""
    in_place: bool = False

    @property
    def where(self) -> Occurrence:
        """The run of a unit that it belongs to."""
        return self.unit, self.occurrence


@dataclass
class Recorder:
    """Does the operations of a rewritten program. ``steps`` are what it did, in order.

    ``overrides`` are values to put in the place of what a unit leaves.
    """

    script: Script
    overrides: Mapping[Occurrence, Any] = field(default_factory=dict)
    visits: Visits = field(default_factory=dict)
    deadline: float = math.inf
    """In seconds of the thread's own time."""
    steps: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._made_by: dict[int, Step] = {}
        self._kept: list[Any] = []  # so that no object's id is given to another
        self._ran: Counter[int] = Counter()
        self.left: dict[Occurrence, Step] = {}
        """The step of what each unit left."""

    # ---- what the rewritten program calls

    slice = staticmethod(slice)

    def at(self, unit: int) -> None:
        occurrence = self._ran[unit]
        self._ran[unit] += 1
        self.check_time()
        visit = self.visits.get((unit, occurrence))
        if visit is not None:
            visit(sys._getframe(1))

    def binary(self, operation: int, op: str, left: Any, right: Any) -> Any:
        return self._made(operation, (left, right), _BINARY[op](left, right))

    def unary(self, operation: int, op: str, operand: Any) -> Any:
        return self._made(operation, (operand,), _UNARY[op](operand))

    def item(self, operation: int, whose: Any, index: Any) -> Any:
        return self._made(operation, (whose, index), whose[index])

    def attribute(self, operation: int, whose: Any, name: str) -> Any:
        return self._made(operation, (whose,), getattr(whose, name))

    def method(self, operation: int, name: str, whose: Any, /, *arguments: Any, **named: Any) -> Any:
        return self._called(operation, getattr(whose, name), (whose, *arguments), arguments, named)

    def call(self, operation: int, function: Any, /, *arguments: Any, **named: Any) -> Any:
        return self._called(operation, function, arguments, arguments, named)

    def unit(self, unit: int, value: Any) -> Any:
        occurrence = self._occurrence(unit)
        if occurrence in self.overrides:
            override = self.overrides[occurrence]
            if self.script.units[unit].array is None or np.shape(value) == np.shape(override):  # an item of a list
                value = _like(value, override)
        step = self._step_of(value, unit)
        if step is not None:
            self._leave(unit, step)
        return value

    def bound(self, unit: int, name: str, value: Any) -> None:
        step = self._step_of(value, unit)
        if step is not None:
            step.names.setdefault(name, self._occurrence(unit))

    def changed(self, unit: int, whose: Any) -> None:
        """An item of ``whose`` was assigned."""
        if not isinstance(whose, dict | list):
            self._changed_in_place(unit, whose, self._left_by(unit))

    def augmented(self, unit: int, op: str, old: Any, value: Any) -> Any:
        inputs = self._steps_of((old, value), unit)
        made = _IN_PLACE[op](old, value)
        return self._after_augmenting(unit, made, made is old, inputs)

    def augmented_attribute(self, unit: int, op: str, whose: Any, name: str, value: Any) -> None:
        setattr(whose, name, self.augmented(unit, op, getattr(whose, name), value))

    def augmented_item(self, unit: int, op: str, whose: Any, index: Any, value: Any) -> None:
        if isinstance(whose, dict | list):
            whose[index] = self.augmented(unit, op, whose[index], value)
            return
        inputs = self._steps_of((whose, value), unit)
        whose[index] = _IN_PLACE[op](whose[index], value)
        self._after_augmenting(unit, whose, True, inputs)

    def check_time(self) -> None:
        """Raise ``TooLongError`` after the deadline."""
        if time.thread_time() > self.deadline:
            raise TooLongError

    def step_of(self, value: Any) -> Step | None:
        """The step that left an object, if one did."""
        return self._made_by.get(id(value))

    # ---- steps

    def _occurrence(self, unit: int) -> Occurrence:
        """The run of a unit that is going on."""
        return unit, max(self._ran[unit] - 1, 0)

    def _leave(self, unit: int, step: Step) -> None:
        """Note what a unit left, under the name that it gives."""
        self.left[self._occurrence(unit)] = step
        step.places.append(self._occurrence(unit))
        name = self.script.units[unit].name
        if name is not None:
            step.names.setdefault(name, self._occurrence(unit))

    def _after_augmenting(self, unit: int, made: Any, in_place: bool, inputs: tuple[Step, ...]) -> Any:
        occurrence = self._occurrence(unit)
        if occurrence in self.overrides:
            override = self.overrides[occurrence]
            if in_place and isinstance(made, np.ndarray):
                made[...] = override
            else:
                made = _like(made, override)
        numbers = numbers_of(made)
        if numbers is not None:
            step = self._new(unit, numbers, inputs, made, in_place)
            self._leave(unit, step)
            if in_place:
                self._tell_bases(unit, made, step)
        return made

    def _made(self, operation: int, operands: Iterable[Any], made: Any) -> Any:
        unit = self.script.operations[operation]
        if isinstance(made, int | str | bool | tuple | dict | list) and not isinstance(made, float):
            return made
        if id(made) not in self._made_by:
            numbers = numbers_of(made)
            if numbers is not None:
                self._new(unit, numbers, self._steps_of(operands, unit), made)
        return made

    def _called(
        self,
        operation: int,
        function: Any,
        operands: tuple[Any, ...],
        arguments: tuple[Any, ...],
        named: dict[str, Any],
    ) -> Any:
        unit = self.script.operations[operation]
        given = (*operands, *named.values())
        before = [(a, a.copy()) for a in given if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
        inputs = self._steps_of(given, unit)
        made = function(*arguments, **named)
        for array, old in before:
            known = self._made_by.get(id(array))
            if not np.array_equal(array, old, equal_nan=True) and (
                known is None or not np.array_equal(known.value, array, equal_nan=True)
            ):
                self._changed_in_place(unit, array, inputs)
        if id(made) not in self._made_by:
            numbers = numbers_of(made)
            if numbers is not None:
                self._new(unit, numbers, inputs, made)
        return made

    def _changed_in_place(self, unit: int, array: Any, inputs: tuple[Step, ...]) -> None:
        occurrence = self._occurrence(unit)
        if occurrence in self.overrides and isinstance(array, np.ndarray):
            array[...] = self.overrides[occurrence]
        numbers = numbers_of(array)
        if numbers is None:
            return
        old = self._made_by.get(id(array))
        step = self._new(unit, numbers, inputs if old is None else (old, *inputs), array, True)
        if old is not None:
            step.names.update(dict.fromkeys(old.names, occurrence))
        self.left[occurrence] = step
        step.places.append(occurrence)
        self._tell_bases(unit, array, step)

    def _tell_bases(self, unit: int, array: Any, step: Step) -> None:
        base = getattr(array, "base", None)
        while isinstance(base, np.ndarray):
            old = self._made_by.get(id(base))
            if old is not None:
                made = self._new(unit, numbers_of(base), (old, step), base, True)
                made.names.update(dict.fromkeys(old.names, step.where))
            base = base.base

    def _left_by(self, unit: int) -> tuple[Step, ...]:
        step = self.left.get(self._occurrence(unit))
        return () if step is None else (step,)

    def _steps_of(self, operands: Iterable[Any], unit: int) -> tuple[Step, ...]:
        found: dict[Step, None] = {}
        for operand in _flat(operands):
            step = self._step_of(operand, unit)
            if step is not None:
                found[step] = None
        return tuple(found)

    def _step_of(self, value: Any, unit: int) -> Step | None:
        """The step that left this value; a new one for data, and for an array that changed through another view."""
        step = self._made_by.get(id(value))
        if step is not None and not (isinstance(value, np.ndarray) and value.base is not None):
            return step
        numbers = numbers_of(value)
        if numbers is None:
            return None
        if step is not None:
            if np.array_equal(step.value, numbers, equal_nan=True):
                return step
            base = self._made_by.get(id(value.base))
            made = self._new(unit, numbers, (step,) if base is None else (step, base), value, True)
            made.names.update(step.names)
            return made
        base = self._made_by.get(id(getattr(value, "base", None)))
        return self._new(unit, numbers, () if base is None else (base,), value)

    def _new(self, unit: int, numbers: Any, inputs: tuple[Step, ...], made: Any, in_place: bool = False) -> Step:
        if len(self.steps) >= MOST_STEPS:
            raise TooLongError
        step = Step(len(self.steps), *self._occurrence(unit), numbers, inputs, in_place=in_place)
        self.steps.append(step)
        self._made_by[id(made)] = step
        self._kept.append(made)
        return step


class TooLongError(BaseException):  # a program may catch any Exception
    """The program does more operations than a recorder keeps, or takes longer than it may."""


def _flat(operands: Iterable[Any]) -> Iterator[Any]:
    for operand in operands:
        if isinstance(operand, list | tuple):
            yield from operand
        else:
            yield operand


def _like(value: Any, override: Any) -> Any:
    """The override as the kind of number that the program had."""
    if isinstance(value, np.ndarray):
        return np.array(override, dtype=value.dtype if value.dtype.kind == "f" else float)
    if hasattr(value, "new_tensor"):
        return value.new_tensor(np.asarray(override))
    return float(override) if np.ndim(override) == 0 else np.array(override, dtype=float)
