"""Whether operations are recorded (``no_grad``), and who wants to know of them (``compile``, ``detect_anomaly``).

The state belongs to the current thread or task (a context variable). Reading one for every scalar op would cost a
tenth of the op, so a plain counter says first whether *anyone* is inside such a block.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contextlib import _GeneratorContextManager

__all__ = [
    "blocks_open",
    "captures_open",
    "capturing",
    "diverted",
    "mode_changes",
    "no_grad",
    "observer",
    "paused",
    "recording",
    "watching",
    "watching_by",
]


_off: ContextVar[bool] = ContextVar("tinygrad_lite_recording_off", default=False)
_lock = threading.Lock()
blocks_open = [0]  # a list: generated code keeps a reference to it


def paused() -> bool:
    """Whether recording is off here."""
    return blocks_open[0] > 0 and _off.get()


_detector: ContextVar[Any] = ContextVar("tinygrad_lite_detector", default=None)


def watching() -> Any:
    """What looks at every op here (see anomalies.py), or ``None``."""
    return _detector.get() if blocks_open[0] else None


def diverted() -> bool:
    """Whether an op must not be recorded the plain way: recording is off, or somebody watches."""
    return blocks_open[0] > 0 and (_off.get() or _detector.get() is not None)


@contextmanager
def _block(blocks: list[int], variable: ContextVar[Any], value: Any) -> Iterator[None]:
    """The variable has this value inside the block, in this thread or task; ``blocks`` counts those that are open."""
    with _lock:
        blocks[0] += 1
    token = variable.set(value)
    try:
        yield
    finally:
        with _lock:  # first: a generator that is closed in another context cannot reset the variable
            blocks[0] -= 1
        variable.reset(token)


def watching_by(detector: Any) -> _GeneratorContextManager[None]:
    """``detector`` looks at every op inside the block, in this thread or task."""
    return _block(blocks_open, _detector, detector)


def no_grad() -> _GeneratorContextManager[None]:
    """Operations inside the block are not recorded: their results are constants.

    It holds for the current thread or asyncio task only.

    >>> from tinygrad_lite import Value, no_grad
    >>> a = Value(2.0)
    >>> with no_grad():
    ...     b = a * a
    >>> b.requires_grad, (a * a).requires_grad
    (False, True)
    """
    return _block(blocks_open, _off, True)


@contextmanager
def recording() -> Iterator[None]:
    """Operations inside the block are recorded, within ``no_grad`` too: a function is differentiated by its graph."""
    token = _off.set(False)
    try:
        yield
    finally:
        _off.reset(token)


_observer: ContextVar[Any] = ContextVar("tinygrad_lite_observer", default=None)
captures_open = [0]  # as blocks_open: what is read asks whether anyone captures, which costs next to nothing
mode_changes = [0]  # how often a module was set to training or evaluation


def observer() -> Any:
    """What captures a function here, or ``None``: it is told what is read from Values, and made of them unrecorded."""
    return _observer.get() if captures_open[0] else None


def capturing(who: Any) -> _GeneratorContextManager[None]:
    """``who`` is told what is read inside the block, by this thread or task."""
    return _block(captures_open, _observer, who)


def tell_of_data(value: Any) -> None:
    if (who := observer()) is not None:
        who.saw_data(value, sys._getframe(2))


def tell_of_reading(what: Any, *args: Any, found: Any, options: Any = None) -> None:
    """Plain data were computed of Values: what depends on them is not in the graph."""
    if (who := observer()) is not None:
        who.saw_reading(what, args, options or {}, found, sys._getframe(2))


def tell_of_making(made: Any, op: Any, operands: tuple[Any, ...]) -> None:
    """A constant was made of Values without being recorded."""
    if (who := observer()) is not None:
        who.saw_making(made, op, operands)
