"""Whether operations are recorded (``no_grad``), and the observers of what Values do.

An ``Observer`` is told what a function reads from Values and makes of them: ``compile`` and ``checkpoint`` install one
with ``capturing``. ``detect_anomaly`` installs one with ``watching_by``, which also looks at every op and cotangent.

The state belongs to the current thread or task (a context variable). Reading one for every scalar op would cost a
tenth of the op, so a plain counter says first whether *anyone* is inside such a block.
"""

from __future__ import annotations

import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contextlib import _GeneratorContextManager

__all__ = [
    "Observer",
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


class Observer:
    """Hooks that Values, ops and sweeps call inside a block; a subclass overrides those that it needs.

    ``frame`` is the stack frame of the caller. Values, ops and modules are typed ``Any``: this file stands below them.
    """

    # ---- inside ``capturing``

    def saw_data(self, value: Any, frame: FrameType) -> None:
        """``value.data`` was read."""

    def saw_reading(
        self, what: Any, args: tuple[Any, ...], options: Mapping[str, Any], found: Any, frame: FrameType
    ) -> None:
        """Plain data ``found`` was computed from the Values ``args``: ``what`` is the function, or its name."""

    def saw_making(self, made: Any, op: Any, operands: tuple[Any, ...]) -> None:
        """The constant ``made`` was computed from ``operands`` without being recorded."""

    def saw_mode(self, module: Any, training: bool) -> None:
        """``module.training`` was read."""

    def saw_derivative(self) -> None:
        """A derivative is about to be taken inside the block."""

    def noise(self, draw: Callable[[], Any]) -> Any:
        """Random numbers that the function asks for."""
        return draw()

    def changes(self, index: Any) -> bool:
        """Whether an index is the data of a Value, and so may differ in the next run."""
        return False

    # ---- inside ``watching_by``

    def node_for(self, op: Any, operands: tuple[Any, ...], out: Any) -> Any:
        """The node to return for ``out = op(operands)``."""
        raise NotImplementedError

    def check(self, nodes: Iterable[Any]) -> None:
        """A sweep is about to go through ``nodes``."""

    def cotangents(self) -> defaultdict[Any, Any]:
        """The dict in which a sweep sums its cotangents."""
        return defaultdict(float)


_detector: ContextVar[Observer | None] = ContextVar("tinygrad_lite_detector", default=None)


def watching() -> Observer | None:
    """The observer that looks at every op here (see checks/anomalies.py), or ``None``."""
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


def watching_by(detector: Observer) -> _GeneratorContextManager[None]:
    """``detector`` sees every op inside the block, in this thread or task."""
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


_observer: ContextVar[Observer | None] = ContextVar("tinygrad_lite_observer", default=None)
captures_open = [0]  # a counter, as blocks_open: asking it costs next to nothing
mode_changes = [0]  # how often a module was set to training or evaluation


def observer() -> Observer | None:
    """The observer that captures a function here, or ``None``."""
    return _observer.get() if captures_open[0] else None


def capturing(who: Observer) -> _GeneratorContextManager[None]:
    """``who`` sees what this thread or task reads from Values inside the block."""
    return _block(captures_open, _observer, who)


def tell_of_data(value: Any) -> None:
    """Tell the observer that ``value.data`` was read."""
    if (who := observer()) is not None:
        who.saw_data(value, sys._getframe(2))


def tell_of_reading(what: Any, *args: Any, found: Any, options: Any = None) -> None:
    """Tell the observer that plain data was computed from Values: what depends on it is not in the graph."""
    if (who := observer()) is not None:
        who.saw_reading(what, args, options or {}, found, sys._getframe(2))


def tell_of_making(made: Any, op: Any, operands: tuple[Any, ...]) -> None:
    """Tell the observer that a constant was computed from Values without being recorded."""
    if (who := observer()) is not None:
        who.saw_making(made, op, operands)
