"""Folding: arithmetic on numbers that are known before a program runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .calls import Call, Slot, mapped

__all__ = ["folded"]


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
