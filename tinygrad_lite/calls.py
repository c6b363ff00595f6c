"""Which module made which Values: what a module's call leaves at its results, and what is read from it later.

A call is noted at the Values that it returns, with the Values that it was given. Nothing is noted at the ops inside,
so that a call costs the same however many there are: what lies between is found when somebody asks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from .sweeping import ancestors
from .value import Value

__all__ = ["modules_of", "note"]

Call = tuple[Any, tuple[Any, ...], Any]
"""A module, what it was given, and the calls noted at the same result before, or ``None``."""


def note(module: Any, given: tuple[Any, ...], result: Any) -> None:
    """Remember at each Value of ``result``, lists and dicts of them too, that ``module`` made it of what was given."""
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


def _calls_at(value: Value) -> Iterator[tuple[Any, set[Value]]]:
    """The calls whose result a Value is: the module, and the Values that it was given. Not where it only passed on."""
    call = None if value.is_leaf else getattr(value, "_calls", None)
    while call is not None:
        module, given, call = call
        inputs = set(_values(given))
        if value not in inputs:
            yield module, inputs


def modules_of(end: Value) -> dict[Value, tuple[str, ...]]:
    """For every Value that was made inside modules, the names of these, from the outermost to the innermost.

    A name is the path of a module from the outermost one that was called, as in ``named_modules``. That one itself is
    left out if it is the only one and contains others; else it goes by the prefix of its parameters' names, or by its
    type.
    """
    calls = [(value, *call) for value in ancestors(end) for call in _calls_at(value)]
    inside = {id(module): {id(m): path for path, m in module.named_modules().items()} for _, module, _ in calls}
    names = _names(calls, inside)
    found: dict[Value, list[int]] = {}
    for value, module, inputs in calls:
        for node in _between(value, inputs, inside[id(module)]):
            if id(module) not in (within := found.setdefault(node, [])):
                within.append(id(module))
    stacks: dict[Value, tuple[str, ...]] = {}
    for node, within in found.items():
        within.sort(key=lambda module: -len(inside[module]))  # what contains more is further out
        stacks[node] = tuple(names[module] for module in within if names[module])
    return stacks


def _between(result: Value, inputs: set[Value], own: Mapping[int, str]) -> list[Value]:
    """What was computed for a result from the inputs of the call, not by modules that do not belong to it."""
    seen: set[Value] = set(inputs)
    region, stack = [], [result]
    while stack:
        node = stack.pop()
        if node.is_leaf or node in seen:
            continue
        if node is not result and any(id(module) not in own for module, _ in _calls_at(node)):
            continue
        seen.add(node)
        region.append(node)
        stack += node.parents
    return region


def _names(calls: list[tuple[Value, Any, set[Value]]], inside: dict[int, dict[int, str]]) -> dict[int, str]:
    """The name of each module that was called; empty for an only root that contains others."""
    modules = {id(module): module for _, module, _ in calls}
    roots = [key for key in modules if not any(key in within and key != other for other, within in inside.items())]
    names: dict[int, str] = {}
    for root in roots:
        names |= {key: path for key, path in inside[root].items() if path and key in modules}
    alone = len(roots) == 1 and bool(names)
    used: Counter[str] = Counter()
    for root in roots:
        name = "" if alone else _own_name(modules[root])
        used[name] += 1
        names[root] = f"{name} {used[name]}" if used[name] > 1 else name
        if not alone:
            names |= {key: f"{names[root]}.{path}" for key, path in inside[root].items() if path and key in modules}
    return names


def _own_name(module: Any) -> str:
    """What contains the module according to the names of its parameters (``encoder.w1``), or its type."""
    prefixes = {(p.name or "").rpartition(".")[0] for p in module.parameters()}
    shared = prefixes.pop() if len(prefixes) == 1 else ""
    return shared or type(module).__name__
