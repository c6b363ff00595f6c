"""A program: slots, the calls that fill them, and the passes that every back end shares.

A call is noted once however often it is made (common subexpressions, ``Program.call``). ``needed`` drops calls whose
results nothing reads (dead code), ``read_once`` finds results that a back end may print where they are read (inlining),
``folded`` computes with numbers that are known before the program runs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Call", "Program", "Slot", "argument_key", "folded", "mapped", "needed", "read_once", "reads", "slots_in"]

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
    mend      ``args[0]`` after ``options["by"](*args)``, which changes some of its elements
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
    """An argument with ``function`` applied to everything of a kind in it: in lists, tuples and dicts too."""
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
        self._keys: dict[Slot, list[Any]] = {}  # under which a slot is known

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
            self._keys.setdefault(call.out, []).append(key)

    def forget(self, slot: Slot) -> None:
        """Let no later call be taken for the one that filled a slot."""
        for key in self._keys.pop(slot, ()):
            if self._known.get(key) is slot:
                del self._known[key]

    def back_to(self, length: int) -> None:
        """Forget the calls after the first ``length``."""
        for call in self.calls[length:]:
            self.forget(call.out)
        del self.calls[length:]


_COMMUTE = {np.add, np.multiply}


def _key_of_call(kind: str, function: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    parts = tuple(map(argument_key, args))
    if isinstance(function, np.ufunc) and function in _COMMUTE:
        parts = tuple(sorted(parts, key=str))
    return kind, argument_key(function), parts, argument_key(tuple(sorted(options.items()))) if options else ()


def argument_key(item: Any) -> Any:
    """A hashable key, equal for equal arguments."""
    if isinstance(item, Slot):
        return id(item)
    if isinstance(item, tuple):
        return tuple(map(argument_key, item))
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


def folded(
    calls: Iterable[Call], ends: Sequence[Any], known: Mapping[Slot, Any], optimistic: bool
) -> tuple[list[Any], dict[Slot, None]]:
    """Rewrite sums, differences and products of floats in ``calls`` to fewer ones of the same bits.

    ``known`` are slots whose value never changes. A product with 1, and a difference with 0, is its other operand; a
    product of numbers is a number, also one level down where one is a power of two. If ``optimistic``, a term that is a
    product with 0 is dropped as well, which is right as long as its other factor is finite.

    Returns the slots or numbers that now stand for ``ends``, and the slots to check (a dict: a set that keeps order).

    >>> x = Slot(3.0)
    >>> def call(ufunc, *args):
    ...     out = Slot(1.0)
    ...     out.call = Call("ufunc", ufunc, args, {}, out)
    ...     return out.call
    >>> inner = call(np.multiply, 2.0, x)
    >>> outer = call(np.multiply, 0.125, inner.out)
    >>> total = call(np.add, outer.out, call(np.multiply, x, 0.0).out)
    >>> end = call(np.multiply, total.out, 1.0)
    >>> ends, finite = folded([inner, outer, total, end], [end.out], {}, optimistic=True)
    >>> ends == [outer.out], outer.args == (0.25, x), list(finite) == [x]
    (True, True, True)
    """
    instead: dict[Slot, Any] = dict(known)
    finite: dict[Slot, None] = {}

    for call in calls:
        call.args = mapped(call.args, Slot, lambda slot: instead.get(slot, slot))
        if call.kind != "ufunc" or type(call.out.sample) is not float or len(call.args) != 2:
            continue
        found = _simpler(call, finite if optimistic else None)
        if found is not None:
            instead[call.out] = found
    return mapped(list(ends), Slot, lambda slot: instead.get(slot, slot)), finite


def _simpler(call: Call, finite: dict[Slot, None] | None) -> Any:
    """The slot or number that a call's result is known to be; ``None`` if it has to be computed."""
    a, b = call.args
    numbers = type(a) is float and type(b) is float
    if call.function is np.multiply:
        if numbers:
            return a * b
        for one, other in ((a, b), (b, a)):
            if type(one) is float and one == 1.0:
                return other
        call.args = _merged(a, b)
    elif call.function is np.subtract:
        if numbers:
            return a - b
        if type(b) is float and repr(b) == "0.0":
            return a
    elif call.function is np.add:
        if numbers:
            return a + b
        for term, other in ((a, b), (b, a)):
            factor = None if finite is None else _factor_beside_zero(term)
            if finite is not None and factor is not None:
                finite[factor] = None
                return other
    return None


def _merged(a: Any, b: Any) -> tuple[Any, Any]:
    """The factors of a · (c · x) as (a · c) · x: exact where one of the numbers is a power of two."""
    inner = b.call if isinstance(b, Slot) else None
    if type(a) is float and inner is not None and inner.kind == "ufunc" and inner.function is np.multiply:
        c, x = inner.args
        if type(c) is float and 0.5 in (math.frexp(a)[0], math.frexp(c)[0]):
            return a * c, x
    return a, b


def _factor_beside_zero(term: Any) -> Slot | None:
    """The other factor of a product with 0."""
    call = term.call if isinstance(term, Slot) else None
    if call is None or call.kind != "ufunc" or call.function is not np.multiply:
        return None
    for zero, other in (call.args, call.args[::-1]):
        if type(zero) is float and zero == 0.0 and isinstance(other, Slot):
            return other
    return None
