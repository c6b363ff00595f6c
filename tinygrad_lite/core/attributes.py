"""Attributes of modules: a count of their changes, and an observer that is told which ones are read.

A compiled step holds as long as the attributes that its function read are the same. It compares one number in each
replay, and looks at the attributes only where that differs.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from .recording import mode_changes, observer

__all__ = ["Watched", "attributes_seen", "module_changed"]


_numbers = count(1)


def module_changed(module: Any, name: str) -> None:
    """An attribute of a module was set, or deleted."""
    mode_changes[0] = next(_numbers)  # not += 1, by which two threads could come to the same number
    if (who := observer()) is not None:
        who.set_attribute(module, name)


class Watched:
    """The base of modules: inside ``attributes_seen`` an observer is told which attributes are read.

    Elsewhere reading one costs what it costs: the method that tells is there only while somebody asks.
    """


def _telling(self: object, name: str) -> Any:
    found = object.__getattribute__(self, name)
    if not name.startswith("__") and (who := observer()) is not None:
        who.saw_attribute(self, name)
    return found


_lock = threading.Lock()
_asking = [0]


@contextmanager
def attributes_seen() -> Iterator[None]:
    """Inside the block the observer of ``capturing`` is told which attributes of modules are read."""
    with _lock:
        _asking[0] += 1
        Watched.__getattribute__ = _telling  # type: ignore[method-assign]
    try:
        yield
    finally:
        with _lock:
            _asking[0] -= 1
            if not _asking[0]:
                del Watched.__getattribute__
