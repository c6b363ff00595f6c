"""Whether operations are recorded: ``no_grad``.

The state belongs to the current thread or task (a context variable). Reading one for every scalar op would cost a
tenth of the op, so a plain counter says first whether *anyone* is inside a ``no_grad`` block.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["no_grad", "paused"]

_off: ContextVar[bool] = ContextVar("tinygrad_lite_recording_off", default=False)
_lock = threading.Lock()
blocks_open = [0]  # a list: generated code keeps a reference to it


def paused() -> bool:
    """Whether recording is off here."""
    return blocks_open[0] > 0 and _off.get()


@contextmanager
def no_grad() -> Iterator[None]:
    """Operations inside the block are not recorded: their results are constants.

    It holds for the current thread or asyncio task only.

    >>> from tinygrad_lite import Value, no_grad
    >>> a = Value(2.0)
    >>> with no_grad():
    ...     b = a * a
    >>> b.requires_grad, (a * a).requires_grad
    (False, True)
    """
    with _lock:
        blocks_open[0] += 1
    token = _off.set(True)
    try:
        yield
    finally:
        _off.reset(token)
        with _lock:
            blocks_open[0] -= 1
