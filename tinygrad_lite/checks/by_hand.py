"""The gradients that a user made by hand, as ``compare`` takes them."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.graph import ancestors
from ..core.value import Value, raw
from ..errors import ArgumentError, ShapeError, ValueTypeError
from ..graph import naming


@dataclass(frozen=True)
class _ByHand:
    """Manual gradients by name, and the values between that some of them are of."""

    gradients: dict[str, Any]
    between: dict[str, Value]


_DELTA = re.compile(r"(?:delta|δ|d_?)z?(?P<place>\d.*)")


def _by_hand(manual: Any, parameters: Mapping[str, Value], loss: Value) -> _ByHand:
    if manual is None:
        return _ByHand({}, {})
    if callable(manual):
        manual = _called(manual, parameters)
    if isinstance(manual, tuple) and len(manual) == 2 and isinstance(manual[1], Mapping):
        manual = manual[1]  # (loss, gradients), as a backprop returns them that manual_backprop wrote
    if isinstance(manual, str) or not isinstance(manual, Mapping | Iterable):
        raise ValueTypeError(
            f"compare: manual gradients are a dict by name, a list or a function of them, got {type(manual).__name__}"
        )
    if not isinstance(manual, Mapping):
        given = list(manual)
        if len(given) != len(parameters):
            raise ArgumentError(
                f"compare: {len(given)} manual gradients for {len(parameters)} parameters; give one for each"
            )
        manual = dict(zip(parameters, given, strict=True))
    places = naming.Places({name: value.shape for name, value in parameters.items()})
    gradients = {name: np.full(value.shape, math.nan) for name, value in parameters.items()}
    given_of: set[str] = set()
    between: dict[str, Value] = {}
    extra = []
    for name, given_gradient in manual.items():
        gradient = _array(given_gradient, name)
        moves = places.put(str(name), gradient.shape)
        if str(name) in parameters and isinstance(moves, str):
            raise ShapeError(
                f"compare: the manual gradient of {name} has shape {gradient.shape}, "
                f"the parameter {parameters[str(name)].shape}"
                + ("; is it transposed?" if gradient.T.shape == parameters[str(name)].shape else "")
            )
        if not isinstance(moves, str):
            for own, index, source in moves:
                gradients[own][index] = gradient[source]
                given_of.add(own)
            continue
        value = _between(loss, str(name))
        if value is None:
            extra.append(str(name))
            continue
        if gradient.shape != value.shape:
            raise ShapeError(
                f"compare: the manual gradient of {name} has shape {gradient.shape}, the value {value.shape}"
            )
        between[str(name)], gradients[str(name)] = value, gradient
    missing = [name for name in parameters if name not in given_of]
    elements = [name for name in extra if name.partition("[")[0] in parameters]
    if elements:
        raise ArgumentError(
            f"compare: {_listing(elements)}: give the gradient of the whole array as "
            + _listing(dict.fromkeys(repr(name.partition("[")[0]) for name in elements))
        )
    if missing or extra:
        raise ArgumentError(
            f"compare: manual gradients must be given for the parameters in wrt; missing: {_listing(missing)}, "
            f"not a parameter: {_listing(extra)}"
        )
    return _ByHand(gradients, between)


def _called(manual: Callable[..., Any], parameters: Mapping[str, Value]) -> Any:
    """What a function of hand-made gradients returns, given the data that it asks for."""
    data = {name: value.data for name, value in parameters.items()}
    asked = [
        p
        for p in inspect.signature(manual).parameters.values()
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
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
    try:
        given = np.asarray(raw(gradient))
        if given.dtype.kind == "O":  # Values in lists
            given = np.asarray([float(raw(x)) for x in given.flat], dtype=float).reshape(given.shape)
        if given.dtype.kind in "iuf":
            return given.astype(float)
        if given.dtype.kind == "c":
            what = "complex numbers"
        elif given.dtype.kind == "b":
            what = "truth values"
        else:
            what = type(gradient).__name__
    except (TypeError, ValueError):
        what = type(gradient).__name__
    raise ValueTypeError(f"compare: the manual gradient of {name} is a number or an array, got {what}")


def _between(loss: Value, name: str) -> Value | None:
    """The value between loss and parameters that a manual gradient of this name is of."""
    named = {value.name: value for value in ancestors(loss) if value.name is not None and value.requires_grad}
    if name in named:
        return named[name]
    delta = _DELTA.fullmatch(name)
    if delta is None:
        return None
    return named.get(f"z{delta['place']}", named.get(f"n{delta['place']}"))


def _listing(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
