"""The attributes of modules that a captured function read, and whether a replay would read the same.

A module counts each assignment to its attributes, so a replay compares one number; only when it differs does it look
at the attributes again. Lists and dicts are changed without an assignment: a replay compares their entries with a copy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.recording import mode_changes
from ..core.value import Value

__all__ = ["AttributesRead"]

MOST_ENTRIES = 200
"""Lists and dicts with more entries are not compared: that would take microseconds in each replay."""

_MISSING = object()
_PLAIN = (bool, int, float, str, type(None))


class AttributesRead:
    """What a function read of modules. ``live`` are lists and dicts among it, ``copied`` what they held."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, str], tuple[Any, str, Any]] = {}  # by module and name; the first read counts
        self._containers: dict[int, tuple[Any, Any, str]] = {}
        self.live: tuple[Any, ...] = ()
        self.copied: tuple[Any, ...] = ()
        self._whose: tuple[str, ...] = ()
        self.changes = mode_changes[0]

    def saw(self, module: Any, name: str, found: Any) -> None:
        """The attribute was read: ``found`` is what the module itself holds, if it does."""
        known = self._found.setdefault((id(module), name), (module, name, found))
        if known[2] is found and isinstance(found, list | dict):
            self._notice(found, f"{type(module).__name__}.{name}")

    def saw_change(self, module: Any, name: str) -> None:
        """The function set the attribute itself: what it reads there from now on is its own."""
        self._found.setdefault((id(module), name), (None, name, None))

    def _notice(self, container: Any, whose: str) -> None:
        waiting = [container]
        while waiting:
            part = waiting.pop()
            if id(part) in self._containers:
                continue
            entries = _entries(part)
            if len(entries) <= MOST_ENTRIES and not any(isinstance(entry, Value) for entry in entries):
                self._containers[id(part)] = part, part.copy(), whose
            waiting += [entry for entry in entries if isinstance(entry, list | dict)]

    def settle(self) -> None:
        """The function has returned: what it changed in lists and dicts itself says nothing about the next run."""
        kept = [group for group in self._containers.values() if _same_entries(*group[:2])]
        self.live, self.copied, self._whose = (tuple(group[k] for group in kept) for k in range(3))
        self._containers = {}

    def changed(self) -> str | None:
        """What is not as it was read, in words; ``None`` if all is."""
        for now, then, whose in zip(self.live, self.copied, self._whose, strict=True):
            if not _same_entries(now, then):
                return f"the entries of {whose}"
        changes = mode_changes[0]
        if changes != self.changes:
            for module, name, found in self._found.values():
                if module is not None and not _same(held(module, name), found):
                    return f"{type(module).__name__}.{name}, which was set to {held(module, name)!r:.60}"
            self.changes = changes
        return None


def held(module: Any, name: str) -> Any:
    """What a module itself holds under a name, without telling anybody."""
    return object.__getattribute__(module, "__dict__").get(name, True if name == "training" else _MISSING)


def _entries(container: Any) -> list[Any]:
    return list(container.values() if isinstance(container, dict) else container)


def _same_entries(now: Any, then: Any) -> bool:
    if isinstance(now, dict) and list(now) != list(then):
        return False
    return len(now) == len(then) and all(map(_same, _entries(now), _entries(then)))


def _same(a: Any, b: Any) -> bool:
    """Whether both are one thing, or equal numbers or texts. A nan equals a nan."""
    if a is b:
        return True
    return type(a) is type(b) and isinstance(a, (*_PLAIN, np.generic)) and bool(a == b or (a != a and b != b))
