"""The same program at other numbers, so that a changed line that is right by coincidence shows.

The graph of the loss is recorded again with its leaves moved a little, and the program is given the moved numbers
wherever it reads what a Value held. Sizes stay as they are: a line that is right for 4 samples of 4 features, and for
no other sizes, is taken for right. So is a line that reads numbers that belong to no Value, and any line of a program
that is not right at the other numbers where it was right before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core.elementwise import plain_node
from ..core.graph import ancestors
from ..core.value import Value, constant
from .copies import unmoved
from .known import Known, Quantity, trivial
from .reading import Reading
from .recorder import Recorder
from .running import Program
from .trials import Trials

__all__ = ["SecondPoint"]

_FARTHEST = 0.1
_MOST_ELEMENTS = 200_000
_MOST_LOST = 0.1
"""The part of what a program leaves right that may be unknown at other numbers."""


class SecondPoint:
    """A graph at other numbers, and what a program is given there. ``recorder`` watched a run at the first ones."""

    def __init__(self, loss: Value, trials: Trials, recorder: Recorder, wrong: set[str]) -> None:
        self._trials = trials
        self._values = _moved(loss)
        with np.errstate(all="ignore"):
            self._known = Known(self._values[loss], trials.known.tolerance)
        self._data = _by_data(self._values)
        self._quantities = {_key(q): q.array for q in self._known.quantities}
        returned, moved = trials.run(moved=self._number)
        here = trials.wrong(returned, self._known, self._values)
        left = Reading(trials.known, recorder).left_right()
        lost = left - Reading(self._known, moved).left_right()
        self.holds = here == wrong and len(lost) <= _MOST_LOST * len(left)
        """Whether the program does there what it does here."""

    @classmethod
    def of(cls, loss: Value, trials: Trials, recorder: Recorder, wrong: set[str]) -> SecondPoint | None:
        """A second point; ``None`` where there is none."""
        if sum(value.size for value in ancestors(loss)) > _MOST_ELEMENTS:
            return None
        try:
            found = cls(loss, trials, recorder, wrong)
        except Exception:  # a graph that cannot be recorded again, a program that stands no other numbers
            return None
        return found if found.holds else None

    def confirms(self, program: Program, wrong: set[str]) -> bool:
        """Whether as many gradients are wrong with a changed program there as here; where that cannot be told, too."""
        overrides = {where: self._right(value) for where, value in self._trials.overrides.items()}
        if any(value is None for value in overrides.values()):
            return True
        try:
            returned, _ = self._trials.run(overrides=overrides, program=program, moved=self._number)
        except Exception:  # a changed line may do anything
            return False
        return self._trials.wrong(returned, self._known, self._values) == wrong

    def _number(self, number: Any) -> Any:
        """What a number or an array of the program is there."""
        found = self._data.get((np.shape(number), np.asarray(number).tobytes()))
        if found is None:
            return unmoved(number)
        return np.array(found, number.dtype) if isinstance(number, np.ndarray) else type(number)(found)

    def _right(self, value: Any) -> Any:
        """What a right value is there; ``None`` where it is no quantity of the graph as it is."""
        for match in self._trials.known.matches(value):
            if match.exact and not match.transposed:
                quantity = match.quantity
                moved = self._values.get(quantity.value, quantity.value)
                readers = tuple(self._values.get(node, node) for node in quantity.readers)
                found = self._quantities.get((quantity.role, moved, readers, quantity.form))
                if found is not None:
                    return np.reshape(found, np.shape(value))
        return None


def _key(quantity: Quantity) -> tuple[str, Value, tuple[Value, ...], str]:
    return quantity.role, quantity.value, quantity.readers, quantity.form


def _moved(loss: Value) -> dict[Value, Value]:
    """Every Value of a graph that is recorded again from moved leaves."""
    random = np.random.default_rng(0)
    made: dict[Value, Value] = {}
    for value in ancestors(loss):  # each after its operands
        op = value.op
        if op is None:
            data = value.data
            if np.asarray(data).dtype.kind == "f" and not trivial(data) and (np.ndim(data) or value.name is not None):
                factors = 1.0 + _FARTHEST * random.uniform(-1.0, 1.0, np.shape(data))
                data = float(data * factors) if not np.ndim(data) else (data * factors).astype(data.dtype)
            made[value] = constant(data, value.name)
            made[value].requires_grad = value.requires_grad
        else:
            operands = tuple(made[parent] for parent in value.parents)
            read = [operand.data for operand in operands]
            out = op.forward(*read)
            made[value] = plain_node(op, operands, read, float(out) if not np.ndim(out) else out)
            made[value].name = value.name
    return made


def _by_data(moved: Mapping[Value, Value]) -> dict[tuple[tuple[int, ...], bytes], Any]:
    """The moved data of Values by what they held; where two that held the same differ, they are left out."""
    found: dict[tuple[tuple[int, ...], bytes], Any] = {}
    twice = set()
    for value, new in moved.items():
        data = np.asarray(value.data)
        if data.dtype.kind != "f" or trivial(data) or (not data.ndim and value.name is None):
            continue
        key = (data.shape, data.tobytes())
        if key in found and not np.array_equal(found[key], new.data, equal_nan=True):
            twice.add(key)
        found[key] = new.data
    return {key: data for key, data in found.items() if key not in twice}
