"""Checking a file again whenever it was saved."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["until_right"]


def until_right(path: Path, check: Callable[[], bool], sleep: Callable[[float], object] = time.sleep) -> None:
    """Call ``check`` now and after every change of the file, until it returns true.

    A file that is gone for a moment, as some editors save, is waited for. ``sleep`` waits for so many seconds.
    """
    checked: tuple[int, int] | None = None
    while True:
        now = _state(path)
        if now is not None and now != checked:
            checked = now
            if check():
                return
        else:
            sleep(0.3)


def _state(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size
