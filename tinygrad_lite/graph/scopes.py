"""Which module made which Values: a module's call leaves a note at its results, and queries read the notes.

A note has the module and the Values that it was given. The ops inside get no note, so a call costs the same however
many there are: queries walk from the results to the inputs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.graph import ancestors, postorder, unfolded
from ..core.value import Value

__all__ = ["Region", "note", "regions_of"]


Call = tuple[Any, tuple[Any, ...], Any]
"""A module, the Values that it was given, and the call noted at the same result before, or ``None``."""


def note(module: Any, given: tuple[Any, ...], result: Any) -> None:
    """Note at each Value of ``result``, also in lists and dicts, that ``module`` made it from the ``given`` Values."""
    if type(result) is Value:
        result._calls = (module, given, getattr(result, "_calls", None))
    elif type(result) is not np.ndarray:
        for value in _values((result,)):
            note(module, given, value)


def _values(items: Iterable[Any]) -> Iterator[Value]:
    """The Values among the items, in their lists, tuples and dicts too."""
    for item in items:
        if type(item) is Value:
            yield item
        elif isinstance(item, list | tuple):
            yield from _values(item)
        elif isinstance(item, Mapping):
            yield from _values(item.values())


@dataclass(frozen=True, eq=False)
class Region:
    """The Values of one call of a module. ``name`` is empty for a single outermost module that contains others."""

    name: str
    module: Any


def regions_of(*ends: Value) -> dict[Value, tuple[Region, ...]]:
    """For every Value made inside modules, the calls that it belongs to, from the outermost to the innermost.

    The name of a call is the path of its module from the outermost one that was called, as in ``named_modules``. The
    outermost module has no name if it is the only one and contains others; else its name is the prefix of its
    parameters' names, or its type.
    """
    calls = [(value, *call) for value in ancestors(*ends) for call in _calls_at(value)]
    modules = {id(module): module for _, module, _ in calls}
    inside = {key: {id(m): path for path, m in module.named_modules().items()} for key, module in modules.items()}
    names = _names(modules, inside)
    regions: dict[tuple[int, int], Region] = {}  # by module and given Values
    found: dict[Value, list[Region]] = {}
    for value, module, given in calls:
        region = regions.setdefault((id(module), id(given)), Region(names[id(module)], module))
        for node in _between(value, set(_values(given)), inside[id(module)]):
            within = found.setdefault(node, [])
            if all(other.module is not module for other in within):
                within.append(region)
    return {
        node: tuple(sorted(within, key=lambda region: -len(inside[id(region.module)])))  # outer ones contain more
        for node, within in found.items()
    }


def _calls_at(value: Value) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """The calls that returned a Value, unless they only passed it on: the module and the given Values."""
    for made in () if value.is_leaf else dict.fromkeys((value, unfolded(value))):
        call = getattr(made, "_calls", None)
        while call is not None:
            module, given, call = call
            if not any(value is x for x in _values(given)):
                yield module, given


def _between(result: Value, inputs: set[Value], own: Mapping[int, str]) -> list[Value]:
    """The Values that a call computed from its inputs for a result, in the module and those that it contains."""

    def reads(node: Value) -> list[Value]:
        return [x for x in node.parents if not x.is_leaf and all(id(module) in own for module, _ in _calls_at(x))]

    return postorder([result], reads, inputs)


def _names(modules: dict[int, Any], inside: dict[int, dict[int, str]]) -> dict[int, str]:
    """The name of each module that was called, by its ``id``; empty for a single root that contains others."""
    roots = [key for key in modules if not any(key in within and key != other for other, within in inside.items())]
    alone = len(roots) == 1 and len(modules) > 1
    names: dict[int, str] = {}
    used: Counter[str] = Counter()
    for root in roots:
        name = "" if alone else _own_name(modules[root])
        used[name] += 1
        names[root] = f"{name} {used[name]}" if used[name] > 1 else name
        start = f"{names[root]}." if names[root] else ""
        names |= {key: start + path for key, path in inside[root].items() if path and key in modules}
    return names


def _own_name(module: Any) -> str:
    """The prefix that all names of the module's parameters share (``encoder`` of ``encoder.w1``), or its type."""
    prefixes = {(p.name or "").rpartition(".")[0] for p in module.parameters()}
    shared = prefixes.pop() if len(prefixes) == 1 else ""
    return shared or type(module).__name__
