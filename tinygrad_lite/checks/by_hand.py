"""Gradients that a user made by hand, in the forms that ``compare`` takes."""

from __future__ import annotations

import inspect
import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..core.conversions import plain_array
from ..core.graph import ancestors
from ..core.value import Value, raw
from ..errors import ArgumentError, ValueTypeError
from ..graph import naming

__all__ = ["ByHand", "Misfit", "by_name", "called", "gradients_by_hand", "with_whole_arrays"]

_DELTA = re.compile(r"(?:delta|δ|d_?)z?(?P<place>\d.*)")


@dataclass(frozen=True)
class Misfit:
    """A gradient that can not be compared element by element: ``None`` if it is missing, or of another shape.

    ``missing`` says whether all of it is.
    """

    given: Any
    missing: str = "it is missing"

    def why(self, right: Any) -> str:
        """The reason, and the operation that would make it the right gradient, if there is one.

        >>> Misfit(np.array([[1.0, 2.0, 3.0]])).why(np.array([1.0, 2.0, 3.0]))
        'it has shape (1, 3), not (3,); reshaped it is right'
        """
        if self.given is None:
            return self.missing
        right = np.asarray(right, dtype=float)
        reason = f"it has shape {self.given.shape}, not {right.shape}"
        for what, made in self._mended(right.shape):
            if np.allclose(made, right, rtol=1e-6, atol=1e-12 * float(np.max(np.abs(right), initial=0.0))):
                return f"{reason}; {what} it is right"
        return reason + ("; is it transposed?" if self.given.T.shape == right.shape else "")

    def _mended(self, shape: tuple[int, ...]) -> Iterator[tuple[str, Any]]:
        """What makes an array of that shape of the given one: transposed, reshaped, summed over some axes."""
        given = self.given
        if given.T.shape == shape:
            yield "transposed", given.T
        if given.size == math.prod(shape):
            yield "reshaped", given.reshape(shape)
        for count in range(1, given.ndim + 1):
            for axes in itertools.combinations(range(given.ndim), count):
                over = f"over axis {axes[0]}" if count == 1 else f"over axes {axes}"
                for what, made in ((f"summed {over}", given.sum(axes)), (f"averaged {over}", given.mean(axes))):
                    if made.shape == shape:
                        yield what, made


class ByHand(NamedTuple):
    """Manual gradients by name, as arrays of float64; the Values of those that belong to no parameter.

    ``misfits`` are those that can not be compared, missing or of another shape, which are NaN among the ``gradients``.
    ``elements`` are the keys of arrays that were given element by element, ``w[0,1]``, in the order of the elements.
    """

    gradients: dict[str, Any]
    between: dict[str, Value]
    misfits: dict[str, Misfit]
    elements: dict[str, list[str]]


def gradients_by_hand(manual: Any, parameters: Mapping[str, Value], loss: Value) -> ByHand:
    """The manual gradients in the form in which they are compared.

    Raises ``ArgumentError`` for gradients that belong to nothing.
    """
    if manual is None:
        return ByHand({}, {}, {}, {})
    places = naming.Places({name: value.shape for name, value in parameters.items()})
    gradients = {name: np.full(value.shape, math.nan) for name, value in parameters.items()}
    given: set[str] = set()
    keys: dict[str, dict[tuple[int, ...], str]] = {}
    between: dict[str, Value] = {}
    misfits: dict[str, Misfit] = {}
    named = {value.name: value for value in ancestors(loss) if value.name is not None and value.requires_grad}
    unknown = []
    for name, gradient in by_name(manual, parameters).items():
        gradient = _array(gradient, name)
        name = str(name)
        entries = places.put(name, gradient.shape)
        if not isinstance(entries, str):
            for own, index, source in entries:
                gradients[own][index] = gradient[source]
                given.add(own)
                if index:
                    keys.setdefault(own, {})[index] = name
        elif name in parameters:
            misfits[name] = Misfit(gradient)
        elif (value := _between(named, name)) is None:
            unknown.append(name)
        else:
            between[name], gradients[name] = value, gradient
            if gradient.shape != value.shape:
                misfits[name], gradients[name] = Misfit(gradient), np.full(value.shape, math.nan)
    missing = [name for name in parameters if name not in given and name not in misfits]
    _check_names(parameters, missing, unknown, named)
    sizes = {name: parameters[name].size for name in keys}
    misfits |= {
        name: Misfit(None, f"{sizes[name] - len(some)} of its {sizes[name]} elements are missing")
        for name, some in keys.items()
        if len(some) < sizes[name]
    }
    elements = {name: [some[index] for index in sorted(some)] for name, some in keys.items() if name not in misfits}
    return ByHand(gradients, between, misfits | dict.fromkeys(missing, Misfit(None)), elements)


def with_whole_arrays(
    function: Callable[..., Any], parameters: Mapping[str, Value], elements: Mapping[str, Sequence[str]]
) -> Callable[[], Mapping[Any, Any]]:
    """A function that calls ``function``, and joins the elements that it returns to arrays.

    It is watched as the function itself is, so that an array is known to be made of its elements.
    """
    data = {name: np.copy(value.data)[()] for name, value in parameters.items()}
    shapes = {name: parameters[name].shape for name in elements}

    def joined() -> Mapping[Any, Any]:
        given = dict(by_name(called(function, data), parameters))
        for array, keys in elements.items():
            numbers = [given[key] for key in keys]
            given[array] = np.array(numbers).reshape(shapes[array])
        return given

    return joined


def by_name(manual: Any, parameters: Mapping[str, Value]) -> Mapping[Any, Any]:
    """Manual gradients in any form as a mapping by name."""
    if callable(manual):
        manual = called(manual, {name: value.data for name, value in parameters.items()})
    if isinstance(manual, tuple) and len(manual) == 2 and isinstance(manual[1], Mapping):
        manual = manual[1]  # (loss, gradients), which the code of manual_backprop returns
    if isinstance(manual, str) or not isinstance(manual, Mapping | Iterable):
        raise ValueTypeError(
            "compare: manual gradients are a dict by name, a list or a function of them, got "
            + ("nothing; does the function return them?" if manual is None else type(manual).__name__)
        )
    if isinstance(manual, Mapping):
        return manual
    given = list(manual)
    if len(given) != len(parameters):
        raise ArgumentError(
            f"compare: {len(given)} manual gradients for {len(parameters)} parameters; give one for each"
        )
    return dict(zip(parameters, given, strict=True))


def _check_names(
    parameters: Mapping[str, Value], missing: Iterable[str], unknown: Iterable[str], named: Mapping[str, Value]
) -> None:
    """Refuse gradients of what is neither a parameter nor a named Value between."""
    arrays = {name: name.partition("[")[0] for name in unknown}
    elements = [name for name in unknown if arrays[name] in parameters]
    if elements:
        array = arrays[elements[0]]
        shape = parameters[array].shape
        raise ArgumentError(
            f"compare: {elements[0]} is no element of {array!r}, of shape {shape}; an element has a number from 0 for "
            f"each axis, such as {naming.indexed(array, (0,) * len(shape))}, and {array!r} is all of it"
        )
    if unknown:
        known = dict.fromkeys([*parameters, *named])
        near = dict.fromkeys(closest for name in unknown for closest in naming.closest(name, known))
        raise ArgumentError(
            f"compare: manual gradients must be given for the parameters in wrt; missing: {_listing(missing)}, "
            f"not a parameter: {_listing(unknown)}" + (f"; did you mean {_listing(near)}?" if near else "")
        )


def called(function: Callable[..., Any], data: Mapping[str, Any], who: str = "compare") -> Any:
    """What a function returns, given copies of the data that its arguments name, or of all of them in one dict.

    An argument with a default keeps it where it names none of the data. Raises ``ArgumentError``, in the name of
    ``who`` was called, for one without a default that names none, with the nearest name, and where a function of
    ``*args`` or ``**kwargs`` alone, which is given nothing, ends in an error.

    >>> called(lambda x, w: x * w, {"x": 2.0, "w": 3.0, "b": 1.0}), called(lambda v: v["b"], {"x": 2.0, "b": 1.0})
    (6.0, 1.0)
    """
    try:
        taken = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise ArgumentError(f"{who}: needs a function written in Python, got {function!r}") from None
    single = [p for p in taken if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    needed = [p for p in single if p.default is p.empty]
    named = [p.name for p in single if p.name in data and p.kind is not p.POSITIONAL_ONLY]
    unknown = [p.name for p in needed if p.name not in named]
    allowed = f"it may ask for {_listing(data)}, or for one dict of them all"
    if not needed and not named:
        return _called_with_nothing(function, taken, who, allowed)
    if not unknown:
        return function(**deepcopy({name: data[name] for name in named}))
    if len(needed) == 1:
        return function(deepcopy(dict(data)))
    near = naming.closest(unknown[0], data)
    hint = f"did you mean {near[0]!r}? I" if near else "i"
    raise ArgumentError(f"{who}: the function asks for {unknown[0]!r}, which is not given; {hint}{allowed[1:]}")


def _called_with_nothing(
    function: Callable[..., Any], taken: Iterable[inspect.Parameter], who: str, allowed: str
) -> Any:
    try:
        return function()
    except Exception as error:
        starred = [f"*{p.name}" for p in taken if p.kind is p.VAR_POSITIONAL]
        starred += [f"**{p.name}" for p in taken if p.kind is p.VAR_KEYWORD]
        if not starred:
            raise
        raise ArgumentError(
            f"{who}: the function takes {_listing(starred)}, is given nothing, and raised {type(error).__name__}; "
            f"{allowed}"
        ) from error


def _array(gradient: Any, name: Any) -> Any:
    gradient = plain_array(raw(gradient), f"compare: the manual gradient of {name}")
    try:
        given = np.asarray(gradient)
        if given.dtype.kind == "O":  # Values in lists
            given = np.asarray([float(raw(x)) for x in given.flat], dtype=float).reshape(given.shape)
        if given.dtype.kind in "iuf":
            return given.astype(float)
        what = {"c": "complex numbers", "b": "truth values"}.get(given.dtype.kind, type(gradient).__name__)
    except (TypeError, ValueError):
        what = type(gradient).__name__
    raise ValueTypeError(f"compare: the manual gradient of {name} is a number or an array, got {what}")


def _between(named: Mapping[str, Value], name: str) -> Value | None:
    """The one of the named Values between loss and parameters that a manual gradient of this name belongs to."""
    if name in named:
        return named[name]
    delta = _DELTA.fullmatch(name)
    if delta is None:
        return None
    return named.get(f"z{delta['place']}", named.get(f"n{delta['place']}"))


def _listing(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
