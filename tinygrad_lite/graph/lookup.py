"""Values and elements by name, in the graph of an end."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from typing import Any

from ..core.graph import ancestors
from ..core.shapes import Index
from ..core.value import Value, describe
from ..errors import ArgumentError, IndexRangeError, ShapeError, UnknownNameError, ValueTypeError
from . import naming

__all__ = ["element_of", "find", "parameters_of", "place"]


def find(end: Value, name: str, who: str = "find") -> tuple[Value, Index]:
    """The Value of this name in the graph of ``end``, and the element that the name means, ``()`` for all of it.

    ``who`` is the calling function, for error messages. Raises ``UnknownNameError``, with the nearest names, if there
    is none; ``ArgumentError`` if there are several.

    >>> w = Value([1.0, 2.0], name="w")
    >>> find((w * 2.0).sum(), "w[1]")
    (Value([1., 2.], shape=(2,), name='w'), (1,))
    """
    if not isinstance(end, Value) or not isinstance(name, str):
        raise ValueTypeError(f"{who}: needs a Value and a name, got {type(end).__name__} and {type(name).__name__}")
    named: dict[str, list[Value]] = {}
    for value in ancestors(end):
        if value.name is not None:
            named.setdefault(value.name, []).append(value)
    resolved = naming.resolve(name, {own: values[0].shape for own, values in named.items()})
    if resolved is None:
        array, bracket, _ = name.partition("[")
        if bracket and array in named:
            shape = named[array][0].shape
            raise UnknownNameError(
                f"{who}: {name!r} is no element of {array!r}, of shape {shape}; an element has a number from 0 for "
                f"each axis, such as '{array}[{', '.join('0' * len(shape))}]'"
                if shape
                else f"{who}: {name!r} is no element, as {array!r} is one number; write {array!r}"
            )
        near = naming.closest(name, named)
        shown = ", ".join(map(repr, near or list(named)[:20]))
        known = f"the nearest names are {shown}" if near else f"the names are {shown or 'none'}"
        raise UnknownNameError(f"{who}: nothing that {describe(end)} was computed from is named {name!r}; {known}")
    own, index = resolved
    if len(named[own]) > 1:
        raise ArgumentError(
            f"{who}: {len(named[own])} Values are named {own!r}; pass the Value itself, or give them different names"
        )
    return named[own][0], index


def place(end: Value, what: Any, who: str) -> tuple[Value, Index]:
    """The Value and the element, ``()`` for all of it, that a Value, a name, or a pair of one and an index means.

    >>> h = Value([1.0, 2.0], name="h")
    >>> place(h.sum(), ("h", 1), "find") == place(h.sum(), (h, (1,)), "find") == place(h.sum(), "h[1]", "find")
    True
    """
    if isinstance(what, str):
        return find(end, what, who)
    if isinstance(what, Value):
        return what, ()
    if isinstance(what, tuple) and len(what) == 2 and isinstance(what[0], Value | str):
        whose, index = what
        value, element = find(end, whose, who) if isinstance(whose, str) else (whose, ())
        if element:
            raise ArgumentError(f"{who}: {whose!r} is one element already; leave out the index {index}")
        return value, element_of(value, index, who, "index=")
    raise ValueTypeError(f"{who}: needs a Value, a name, or a pair (Value or name, index), got {type(what).__name__}")


def parameters_of(loss: Value, wrt: Any, who: str) -> dict[str, Value]:
    """The parameters in ``wrt``, by name: of a module, a mapping, a Value or name, or several of those.

    ``None`` means every named leaf of ``loss`` that requires a gradient. A Value without a name is called ``#0``, by
    its place. ``who`` is the calling function, for error messages. Raises ``ArgumentError`` if there are no parameters,
    two of one name, or an element instead of a whole Value; ``ValueTypeError`` for anything else.

    >>> w, b = Value(2.0, name="w"), Value(1.0, name="b")
    >>> parameters_of(w * 3.0 + b, None, "compare") == parameters_of(w * 3.0 + b, ["w", b], "compare")
    True
    """
    if wrt is None:
        wrt = [value for value in ancestors(loss) if value.is_leaf and value.requires_grad and value.name is not None]
        if not wrt:
            raise ArgumentError(
                f"{who}: {describe(loss)} depends on no leaf that has a name and requires a gradient; "
                'name the parameters, as in Value(2.0, name="w"), or pass them as wrt='
            )
    if hasattr(wrt, "named_parameters"):
        wrt = dict(wrt.named_parameters())
    if not isinstance(wrt, Value | str | Iterable):
        raise ValueTypeError(f"{who}: wrt is a module, Values or names, got {type(wrt).__name__}")
    parameters: dict[str, Value] = {}
    for key, item in (
        wrt.items() if isinstance(wrt, Mapping) else enumerate([wrt] if isinstance(wrt, Value | str) else wrt)
    ):
        value, index = find(loss, item, who) if isinstance(item, str) else (item, ())
        if not isinstance(value, Value):
            raise ValueTypeError(f"{who}: wrt holds Values or names, got {type(value).__name__}")
        if index:
            raise ArgumentError(f"{who}: {item!r} is one element; pass the whole parameter, {value.name!r}")
        name = str(key) if isinstance(wrt, Mapping) else value.name if value.name is not None else f"#{key}"
        if name in parameters:
            raise ArgumentError(f"{who}: two parameters are named {name!r}; pass them as a dict by name")
        parameters[name] = value
    if not parameters:
        raise ArgumentError(f"{who}: wrt is empty; pass at least one parameter")
    return parameters


def element_of(value: Value, at: Any, who: str, what: str) -> Index:
    """The index of one element as a tuple of numbers from 0; ``at`` may be ``None`` where there is one element."""
    shape = value.shape
    if at is None:
        if value.size != 1:
            raise ShapeError(
                f"{who}: {describe(value)} has {value.size} elements; say which one with {what}, "
                f"for example {what}{(0,) * len(shape)}"
            )
        return (0,) * len(shape)
    numbers: list[Any] = ["" if isinstance(i, bool) else i for i in (at if isinstance(at, tuple | list) else (at,))]
    try:
        index = tuple(map(operator.index, numbers))  # True would be element 1
    except TypeError:
        raise ValueTypeError(f"{who}: {what} takes whole numbers, one for each axis, got {at!r}") from None
    if len(index) != len(shape):
        raise ShapeError(f"{who}: {describe(value)} needs {len(shape)} numbers in {what}, got {index}")
    if any(not -n <= i < n for i, n in zip(index, shape, strict=True)):
        raise IndexRangeError(f"{who}: {what}{index} is outside {describe(value)}")
    return tuple(i % n for i, n in zip(index, shape, strict=True))
