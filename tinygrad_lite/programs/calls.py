"""A program: slots, the calls that fill them, and the passes that every back end shares.

A call is noted once however often it is made (common subexpressions, ``Program.call``). ``needed`` drops calls whose
results nothing reads (dead code), ``read_once`` finds results that a back end may print where they are read (inlining).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["EFFECTS", "Call", "Program", "Slot", "mapped", "needed", "read_once", "reads", "slots_in"]

EFFECTS = {"guard", "finite"}
"""Kinds of calls that are made for what they check, not for a result."""


@dataclass(eq=False, slots=True)
class Slot:
    """One array or number of a program. ``sample`` is its value in the run that was traced."""

    sample: Any
    call: Call | None = None
    """The call that fills it; ``None`` for an input."""
    note: str = ""
    """Its name or origin, for readers of the source."""

    @property
    def is_array(self) -> bool:
        return type(self.sample) is np.ndarray and self.sample.ndim > 0


@dataclass(eq=False, slots=True)
class Call:
    """``out = function(*args, **options)``. Arguments are slots, constants, and lists or tuples of them.

    ``kind`` says what a back end may do with it:

    ========  =======================================================================================
    ufunc     elementwise, or a matrix product; takes ``out=``. On floats: an arithmetic operation
    reduce    a reduction or another function that takes ``out=``
    where     ``np.where(*args)``
    cast      ``args[0].astype(args[1])``
    fill      ``args[0]`` broadcast to the shape ``args[1]``
    put       ``args[0]`` with ``[args[1]] = args[2]``
    at        ``args[0]`` after ``ufunc.at(args[0], args[1], …)`` with ``options["ufunc"]``
    view      a view of ``args[0]``
    fresh     new memory
    opaque    new memory, an argument, or a view of one
    part      item ``args[1]`` of the tuple ``args[0]``
    text      ``function`` is source on floats in which ``{0}``, ``{1}`` stand for the arguments
    guard     a check without a result, as is ``finite``
    ========  =======================================================================================
    """

    kind: str
    function: Any
    args: tuple[Any, ...]
    options: dict[str, Any]
    out: Slot

    def slots(self) -> Iterator[Slot]:
        """The slots that the call reads, those in lists and tuples too, as often as it reads them."""
        return slots_in((*self.args, *self.options.values()))


def slots_in(items: Iterable[Any]) -> Iterator[Slot]:
    """The slots among arguments."""
    for item in items:
        if isinstance(item, Slot):
            yield item
        elif isinstance(item, list | tuple):
            yield from slots_in(item)
        elif isinstance(item, slice):
            yield from slots_in((item.start, item.stop, item.step))


def mapped(item: Any, kind: type, function: Callable[[Any], Any]) -> Any:
    """An argument with ``function`` applied to everything of a kind in it: in lists, tuples, slices and dicts too."""
    if isinstance(item, kind):
        return function(item)
    if isinstance(item, list | tuple):  # a named tuple becomes a plain one
        parts = [mapped(part, kind, function) for part in item]
        return parts if isinstance(item, list) else tuple(parts)
    if isinstance(item, dict):
        return {key: mapped(part, kind, function) for key, part in item.items()}
    return item


class Program:
    """Calls in order. A back end subclasses it to rewrite calls before they are noted."""

    tells_numbers = False
    """Whether traced arrays answer ``bool``, ``float`` and the like with the sample, which then is taken for good."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._known: dict[Any, Slot] = {}

    def rewritten(self, kind: str, function: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """The call to note instead: ``(kind, function, args, options)``, or a slot that holds the result already."""
        return kind, function, args, options

    def call(
        self, kind: str, function: Any, args: tuple[Any, ...], options: dict[str, Any], sample: Any, fresh: bool = False
    ) -> Slot:
        """Note a call. An equal call before it is used again, unless this one has to be ``fresh``."""
        key = None if fresh or kind in EFFECTS else _key_of_call(kind, function, args, options)
        found = self.known(key)
        if found is None:
            found = Slot(sample)
            found.call = Call(kind, function, args, options, found)
            self.enter(found.call, key)
        return found

    def known(self, key: Any) -> Slot | None:
        """The result of the call that was entered with an equal key."""
        return None if key is None else self._known.get(key)

    def enter(self, call: Call, key: Any = None) -> None:
        """Append a call; ``key`` is equal for calls with equal results."""
        self.calls.append(call)
        if key is not None:
            self._known[key] = call.out

    def forget(self, slot: Slot) -> None:
        """Let no later call be taken for the one that filled a slot."""
        self._known = {key: out for key, out in self._known.items() if out is not slot}

    def back_to(self, length: int) -> None:
        """Forget the calls after the first ``length``."""
        gone = {id(call.out) for call in self.calls[length:]}
        del self.calls[length:]
        self._known = {key: slot for key, slot in self._known.items() if id(slot) not in gone}


_COMMUTE = {np.add, np.multiply}


def _key_of_call(kind: str, function: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    parts = tuple(map(_key, args))
    if isinstance(function, np.ufunc) and function in _COMMUTE:
        parts = tuple(sorted(parts, key=str))
    return kind, _key(function), parts, _key(tuple(sorted(options.items()))) if options else ()


def _key(item: Any) -> Any:
    """A hashable key, equal for equal arguments."""
    if isinstance(item, Slot):
        return id(item)
    if isinstance(item, tuple):
        return tuple(map(_key, item))
    if isinstance(getattr(item, "__self__", None), np.ufunc):  # np.add.reduce is another object each time
        return item.__name__, id(item.__self__)
    if item is None or isinstance(item, float | int | str | bool | complex | slice | np.dtype):
        return type(item).__name__, repr(item)
    return id(item)  # functions and arrays: calls keep them alive


# ---- passes ----------------------------------------------------------------------------------------------------------


def needed(
    calls: Sequence[Call], ends: Iterable[Slot], keep: Callable[[Call, Collection[Slot]], bool] | None = None
) -> list[Call]:
    """The calls on which ``ends`` depend, in order. ``keep(call, read)`` keeps a call for its effect."""
    read = set(ends)
    found = []
    for call in reversed(calls):
        if call.out in read or (keep is not None and keep(call, read)):
            read.update(call.slots())
            found.append(call)
    return found[::-1]


def reads(call: Call) -> Iterator[Slot]:
    """The slots that a call reads, as often as its printed form reads them."""
    if call.kind != "text":
        yield from call.slots()
        return
    for k, x in enumerate(call.args):
        if isinstance(x, Slot):
            yield from (x for _ in range(call.function.count(f"{{{k}}}")))


def read_once(calls: Sequence[Call], ends: Iterable[Slot]) -> set[Slot]:
    """The results that exactly one call reads, and reads once. ``ends`` are read from outside."""
    uses = Counter(slot for call in calls for slot in reads(call))
    kept = set(ends)
    return {call.out for call in calls if uses[call.out] == 1 and call.out not in kept}
