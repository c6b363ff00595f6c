"""A program of NumPy calls: slots, and the calls that fill them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.value import Plain, Value

__all__ = ["Call", "Lowered", "Slot"]


@dataclass(eq=False, slots=True)
class Slot:
    """One array or number of the replay. ``sample`` is what it was in the captured run."""

    sample: Any
    call: Call | None = None
    note: str = ""
    """What it is, for whoever reads the source."""

    @property
    def is_array(self) -> bool:
        return type(self.sample) is np.ndarray and self.sample.ndim > 0


@dataclass(eq=False, slots=True)
class Call:
    """``out = function(*args, **options)``, or Python source in which ``{0}``, ``{1}`` are the arguments.

    ``kind``: "ufunc" and "reduce" write into ``out=``; "view" has the memory of its first argument; "put" is the first
    argument with ``[args[1]] = args[2]``; "fresh" is new memory; "opaque" may return an argument, or a view
    of it; "text" is source, "guard" and "finite" have no result.
    """

    kind: str
    function: Any
    args: tuple[Any, ...]
    options: dict[str, Any]
    out: Slot

    def slots(self) -> Iterable[Slot]:
        """The arguments that are slots, those in lists and tuples too."""
        return _slots((*self.args, *self.options.values()))


def _slots(items: Iterable[Any]) -> Iterable[Slot]:
    for item in items:
        if isinstance(item, Slot):
            yield item
        elif isinstance(item, list | tuple):
            yield from _slots(item)


@dataclass
class Lowered:
    """All calls of a replay, in order, and what goes in and comes out.

    ``gradients`` are the slots of the leaves' gradients, in the order in which ``backward`` reaches them.
    """

    calls: list[Call] = field(default_factory=list)
    arguments: list[Slot] = field(default_factory=list)
    leaves: list[tuple[Value, Slot]] = field(default_factory=list)
    noise: list[tuple[Plain, Slot]] = field(default_factory=list)
    gradients: list[tuple[Value, Any]] = field(default_factory=list)
    loss: Any = None
    optimistic: bool = True
    """Whether a replay may count on what hardly ever fails, and have that checked: that a sigmoid's exponentials do not
    overflow, and that what is multiplied by 0 is finite."""
    start: int = 0
    """Where the calls of the op that is being followed start."""
    _known: dict[Any, Slot] = field(default_factory=dict)

    @property
    def is_of_floats(self) -> bool:
        """Whether there is nothing but expressions of floats, of arguments and of leaves."""
        slots = [*self.arguments, *(slot for _, slot in self.leaves)]
        return all(call.kind == "text" for call in self.calls) and all(type(slot.sample) is float for slot in slots)

    def call(self, kind: str, function: Any, args: tuple[Any, ...], options: dict[str, Any], sample: Any) -> Slot:
        """Note a call; one that was made before with the same arguments is not made again."""
        in_order = tuple(sorted(args, key=lambda x: str(_key(x)))) if function in (np.add, np.multiply) else args
        key = (
            _key((kind, function, in_order, tuple(sorted(options.items()))))
            if kind not in ("guard", "finite")
            else None
        )
        if key is not None and key in self._known:
            return self._known[key]
        out = Slot(sample)
        out.call = Call(kind, function, args, options, out)
        self.calls.append(out.call)
        if key is not None:
            self._known[key] = out
        return out

    def uncapped(self, x: Any) -> Slot | None:
        """For the table's sigmoid, e / (1 + e) with e = exp(min(x, 64)): the x, as the cap does not change the result.

        ``np.minimum`` of a small array takes six times as long as a product.
        """
        call = getattr(getattr(x, "slot", None), "call", None)
        if (
            not self.optimistic
            or call is None
            or call.function is not np.minimum
            or call not in self.calls[self.start :]
        ):
            return None
        slot: Slot = call.args[0]
        return slot if type(call.args[1]) is float and call.args[1] == 64.0 and isinstance(slot, Slot) else None

    def back_to(self, length: int) -> None:
        """Forget the calls after the first ``length``."""
        gone = {id(call.out) for call in self.calls[length:]}
        del self.calls[length:]
        self._known = {key: slot for key, slot in self._known.items() if id(slot) not in gone}


def _key(item: Any) -> Any:
    """What tells arguments apart; ``None`` for what cannot be told."""
    if isinstance(item, tuple):
        parts = tuple(map(_key, item))
        return None if None in parts else parts
    if isinstance(getattr(item, "__self__", None), np.ufunc):  # np.add.reduce is another object each time
        return item.__name__, id(item.__self__)
    if isinstance(item, float | int | str | bool | complex):
        return type(item).__name__, repr(item)
    if item is None or isinstance(item, slice | np.dtype):
        return type(item).__name__, repr(item)
    return "id", id(item)  # slots, functions, and arrays: calls keep them alive
