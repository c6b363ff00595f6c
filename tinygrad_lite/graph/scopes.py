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
    bits, inside = _containment(modules)
    made: dict[Value, int] = {}  # the modules whose calls returned a Value
    for value, module, _ in calls:
        made[value] = made.get(value, 0) | bits[id(module)]
    names = _names(modules, bits, inside)
    regions: dict[tuple[int, int], Region] = {}  # by module and given Values
    found: dict[Value, dict[int, Region]] = {}
    for value, module, given in calls:
        region = regions.setdefault((id(module), id(given)), Region(names[id(module)], module))
        for node in _between(value, set(_values(given)), inside[id(module)], made):
            found.setdefault(node, {}).setdefault(id(module), region)
    sizes = {key: -own.bit_count() for key, own in inside.items()}  # outer modules contain more
    return {
        node: tuple(sorted(within.values(), key=lambda region: sizes[id(region.module)]))
        for node, within in found.items()
    }


Bits = dict[int, int]
"""Sets of modules by the ``id`` of a module: integers with a bit for each, as small as sets of thousands can be."""


def _containment(modules: Mapping[int, Any]) -> tuple[Bits, Bits]:
    """The bit of every module in and inside ``modules``, and the modules that each contains, itself among them."""
    below: dict[int, list[int]] = {}
    waiting = list(modules.values())
    for module in waiting:
        if id(module) not in below:
            children = [child for _, child in module.named_children()]
            below[id(module)] = [*map(id, children)]
            waiting += children
    bits = {key: 1 << k for k, key in enumerate(below)}
    inside, changed = dict(bits), True
    while changed:  # from the inside out: once, and once more to see that it is all, unless modules contain each other
        changed = False
        for key in reversed(below):
            own = inside[key]
            for child in below[key]:
                own |= inside[child]
            changed, inside[key] = changed or own != inside[key], own
    return bits, inside


def _calls_at(value: Value) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """The calls that returned a Value, unless they only passed it on: the module and the given Values."""
    for made in () if value.is_leaf else dict.fromkeys((value, unfolded(value))):
        call = getattr(made, "_calls", None)
        while call is not None:
            module, given, call = call
            if not any(value is x for x in _values(given)):
                yield module, given


def _between(result: Value, inputs: set[Value], own: int, made: Mapping[Value, int]) -> list[Value]:
    """The Values that a call computed from its inputs for a result, in the module and those that it contains."""

    def reads(node: Value) -> list[Value]:
        return [x for x in node.parents if not x.is_leaf and not made.get(x, 0) & ~own]

    return postorder([result], reads, inputs)


def _names(modules: dict[int, Any], bits: Bits, inside: Bits) -> dict[int, str]:
    """The name of each module that was called, by its ``id``; empty for a single root that contains others."""
    contained = 0
    for key in modules:
        contained |= inside[key] & ~bits[key]
    roots = [key for key in modules if not bits[key] & contained]
    alone = len(roots) == 1 and len(modules) > 1
    names: dict[int, str] = {}
    used: Counter[str] = Counter()
    for root in roots:
        name = "" if alone else _own_name(modules[root])
        used[name] += 1
        names[root] = f"{name} {used[name]}" if used[name] > 1 else name
        start = f"{names[root]}." if names[root] else ""
        paths = modules[root].named_modules().items()
        names |= {id(module): start + path for path, module in paths if path and id(module) in modules}
    return names


def _own_name(module: Any) -> str:
    """The prefix that all names of the module's parameters share (``encoder`` of ``encoder.w1``), or its type."""
    prefixes = {(p.name or "").rpartition(".")[0] for p in module.parameters()}
    shared = prefixes.pop() if len(prefixes) == 1 else ""
    return shared or type(module).__name__
