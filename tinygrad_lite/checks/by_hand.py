"""Gradients that a user made by hand, in the forms that ``compare`` takes."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ..core.conversions import plain_array
from ..core.graph import ancestors
from ..core.value import Value, raw
from ..errors import ArgumentError, ShapeError, ValueTypeError
from ..graph import naming

__all__ = ["gradients_by_hand"]

_DELTA = re.compile(r"(?:delta|δ|d_?)z?(?P<place>\d.*)")


def gradients_by_hand(
    manual: Any, parameters: Mapping[str, Value], loss: Value
) -> tuple[dict[str, Any], dict[str, Value]]:
    """The manual gradients by name, as arrays of float64, and the Values of those that belong to no parameter.

    Raises ``ArgumentError`` for gradients that are missing or belong to nothing, ``ShapeError`` for another shape.
    """
    if manual is None:
        return {}, {}
    places = naming.Places({name: value.shape for name, value in parameters.items()})
    gradients = {name: np.full(value.shape, math.nan) for name, value in parameters.items()}
    given: set[str] = set()
    between: dict[str, Value] = {}
    unknown = []
    for name, gradient in _by_name(manual, parameters).items():
        gradient = _array(gradient, name)
        name = str(name)
        entries = places.put(name, gradient.shape)
        if not isinstance(entries, str):
            for own, index, source in entries:
                gradients[own][index] = gradient[source]
                given.add(own)
        elif name in parameters:
            shape = parameters[name].shape
            raise ShapeError(
                f"compare: the manual gradient of {name} has shape {gradient.shape}, the parameter {shape}"
                + ("; is it transposed?" if gradient.T.shape == shape else "")
            )
        elif (value := _between(loss, name)) is None:
            unknown.append(name)
        elif gradient.shape != value.shape:
            raise ShapeError(
                f"compare: the manual gradient of {name} has shape {gradient.shape}, the value {value.shape}"
            )
        else:
            between[name], gradients[name] = value, gradient
    _check_names(parameters, [name for name in parameters if name not in given], unknown)
    return gradients, between


def _by_name(manual: Any, parameters: Mapping[str, Value]) -> Mapping[Any, Any]:
    """Manual gradients in any form as a mapping by name."""
    if callable(manual):
        manual = _called(manual, parameters)
    if isinstance(manual, tuple) and len(manual) == 2 and isinstance(manual[1], Mapping):
        manual = manual[1]  # (loss, gradients), which the code of manual_backprop returns
    if isinstance(manual, str) or not isinstance(manual, Mapping | Iterable):
        raise ValueTypeError(
            f"compare: manual gradients are a dict by name, a list or a function of them, got {type(manual).__name__}"
        )
    if isinstance(manual, Mapping):
        return manual
    given = list(manual)
    if len(given) != len(parameters):
        raise ArgumentError(
            f"compare: {len(given)} manual gradients for {len(parameters)} parameters; give one for each"
        )
    return dict(zip(parameters, given, strict=True))


def _check_names(parameters: Mapping[str, Value], missing: Iterable[str], unknown: Iterable[str]) -> None:
    arrays = {name: name.partition("[")[0] for name in unknown}
    elements = [name for name in unknown if arrays[name] in parameters]
    if elements:
        raise ArgumentError(
            f"compare: {_listing(elements)}: give the gradient of the whole array as "
            + _listing(dict.fromkeys(repr(arrays[name]) for name in elements))
        )
    if missing or unknown:
        raise ArgumentError(
            f"compare: manual gradients must be given for the parameters in wrt; missing: {_listing(missing)}, "
            f"not a parameter: {_listing(unknown)}"
        )


def _called(manual: Callable[..., Any], parameters: Mapping[str, Value]) -> Any:
    """The gradients that a function returns, given the parameters' data by name or in one dict."""
    data = {name: value.data for name, value in parameters.items()}
    taken = inspect.signature(manual).parameters.values()
    asked = [p for p in taken if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    unknown = [p.name for p in asked if p.name not in data]
    if not unknown:
        return manual(**{p.name: data[p.name] for p in asked})
    if len(asked) == 1:
        return manual(data)
    raise ArgumentError(
        f"compare: the function asks for {_listing(unknown)}, which is no parameter; it may ask for "
        f"{_listing(data)}, or for one dict of them all"
    )


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


def _between(loss: Value, name: str) -> Value | None:
    """The Value between loss and parameters that a manual gradient of this name belongs to."""
    named = {value.name: value for value in ancestors(loss) if value.name is not None and value.requires_grad}
    if name in named:
        return named[name]
    delta = _DELTA.fullmatch(name)
    if delta is None:
        return None
    return named.get(f"z{delta['place']}", named.get(f"n{delta['place']}"))


def _listing(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
