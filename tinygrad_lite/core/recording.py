"""Whether operations are recorded (``no_grad``), and the observers of what Values do.

An ``Observer`` is told what a function reads from Values and makes of them: ``compile`` and ``checkpoint`` install one
with ``capturing``. ``detect_anomaly`` installs one with ``watching_by``, which also looks at every op and cotangent.

The state belongs to the current thread or task (a context variable), and to the generator that opened the block: while
a generator is suspended, its blocks do not hold for the code that runs it. Reading the state for every scalar op would
cost a tenth of the op, so a plain counter says first whether *anyone* is inside such a block.
"""

from __future__ import annotations

import contextlib
import inspect
import linecache
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
    "differentiating",
    "diverted",
    "line_of_user",
    "mode_changes",
    "no_grad",
    "observer",
    "paused",
    "place_of_user",
    "recording",
    "transformed",
    "transforming",
    "watching",
    "watching_by",
]


class _Block:
    """A ``with`` block that is open: the value that it sets, and the generator in whose body it stands, if it does."""

    __slots__ = ("generator", "open", "value")

    def __init__(self, value: Any, generator: FrameType | None) -> None:
        self.value, self.generator, self.open = value, generator, True


def _generator() -> FrameType | None:
    """The frame of the generator whose body opens a block, or ``None`` for a function or coroutine.

    A generator that ``contextlib`` runs is a context manager: its block is that of whoever enters it. Tasks need no
    care: each has a context of its own.
    """
    frame: FrameType | None = sys._getframe(2)  # not from 1, which is _block: each frame that is looked at costs time
    while frame is not None:
        driver = frame.f_back
        if frame.f_globals is not _LIBRARY and (driver is None or driver.f_globals is not _LIBRARY):
            return frame if frame.f_code.co_flags & _IS_GENERATOR else None
        frame = driver
    return None


_LIBRARY = vars(contextlib)
_IS_GENERATOR = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


Blocks = ContextVar[tuple[_Block, ...]]
"""The blocks of one kind that are open in a thread or task, the innermost last."""


def _innermost(blocks: Blocks) -> Any:
    """The value of the innermost block that holds here; ``None`` if none does.

    A block holds while it is open, unless its generator is suspended, whose frame then has no caller.
    """
    for block in reversed(blocks.get()):
        if block.open and (block.generator is None or block.generator.f_back is not None):
            return block.value
    return None


@contextmanager
def _block(blocks: Blocks, value: Any, counter: list[int] | None = None) -> Iterator[None]:
    """The value holds inside the block, in this thread or task; ``counter`` says how many are open anywhere.

    Without one the block is the package's own around a call, which no generator can leave open.
    """
    block = _Block(value, None if counter is None else _generator())
    if counter is not None:
        with _lock:
            counter[0] += 1
    blocks.set((*blocks.get(), block))
    try:
        yield
    finally:
        if counter is not None:
            with _lock:
                counter[0] -= 1
        # Generators may close their blocks in any order, and in another context than that in which they opened them.
        block.open, block.generator = False, None
        blocks.set(tuple(other for other in blocks.get() if other.open))


_off: Blocks = ContextVar("tinygrad_lite_recording_off", default=())
_lock = threading.Lock()
blocks_open = [0]  # a list: generated code keeps a reference to it


def paused() -> bool:
    """Whether recording is off here."""
    return blocks_open[0] > 0 and _innermost(_off) is True


class Observer:
    """Hooks that Values, ops and sweeps call inside a block; a subclass overrides those that it needs.

    ``frame`` is the stack frame of the caller. Values, ops and modules are typed ``Any``: this file stands below them.
    """

    name = "an observer"
    """What error messages call it."""

    # ---- inside ``capturing``

    def saw_data(self, value: Any, frame: FrameType) -> None:
        """``value.data`` was read."""

    def saw_reading(self, what: Any, args: tuple[Any, ...], options: Mapping[str, Any], found: Any) -> None:
        """Plain data ``found`` was computed from the Values ``args``: ``what`` is the function, or its name."""

    def saw_making(self, made: Any, op: Any, operands: tuple[Any, ...]) -> None:
        """The constant ``made`` was computed from ``operands`` without being recorded."""

    def saw_attribute(self, module: Any, name: str) -> None:
        """An attribute of a module was read (inside ``attributes_seen`` only)."""

    def set_attribute(self, module: Any, name: str) -> None:
        """An attribute of a module was set, or deleted."""

    def saw_derivative(self) -> None:
        """A derivative is about to be taken inside the block."""

    def carried(
        self, ends: Sequence[Any], starts: Sequence[Any], seeds: Sequence[Any], forward: bool, several: bool
    ) -> list[Any] | None:
        """What a transform asks for that no other one differentiates, as constants; ``None``: it is to be recorded.

        ``seeds`` are cotangents of ``ends`` to carry back to ``starts``, or if ``forward`` tangents of ``starts``;
        with ``several`` they have one more axis in front.
        """
        return None

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


_detector: Blocks = ContextVar("tinygrad_lite_detector", default=())


def watching() -> Observer | None:
    """The observer that looks at every op here (see checks/anomalies.py), or ``None``."""
    return _innermost(_detector) if blocks_open[0] else None


def diverted() -> bool:
    """Whether an op must not be recorded the plain way: recording is off, or somebody watches."""
    return blocks_open[0] > 0 and (_innermost(_off) is True or _innermost(_detector) is not None)


def watching_by(detector: Observer) -> _GeneratorContextManager[None]:
    """``detector`` sees every op inside the block, in this thread or task."""
    return _block(_detector, detector, blocks_open)


def no_grad() -> _GeneratorContextManager[None]:
    """Operations inside the block are not recorded: their results are constants.

    It holds for the current thread or asyncio task only, and in the body of a generator only while the generator runs:
    not for the code that takes its items.

    >>> from tinygrad_lite import Value, no_grad
    >>> a = Value(2.0)
    >>> with no_grad():
    ...     b = a * a
    >>> b.requires_grad, (a * a).requires_grad
    (False, True)
    """
    return _block(_off, True, blocks_open)


def recording() -> _GeneratorContextManager[None]:
    """Operations inside the block are recorded, within ``no_grad`` too: a function is differentiated by its graph."""
    return _block(_off, False)


_observer: Blocks = ContextVar("tinygrad_lite_observer", default=())
captures_open = [0]  # a counter, as blocks_open: asking it costs next to nothing
mode_changes = [0]  # another number after each assignment to an attribute of a module (see attributes.py)


def observer() -> Observer | None:
    """The observer that captures a function here, or ``None``."""
    return _innermost(_observer) if captures_open[0] else None


def capturing(who: Observer) -> _GeneratorContextManager[None]:
    """``who`` sees what this thread or task reads from Values inside the block."""
    return _block(_observer, who, captures_open)


_transforms: Blocks = ContextVar("tinygrad_lite_transforms", default=())


def transforming(who: str) -> _GeneratorContextManager[None]:
    """Inside the block the transform of this name calls the function that it differentiates."""
    return _block(_transforms, who)


def transformed() -> str | None:
    """The name of the innermost transform that differentiates what runs here, or ``None``."""
    found: str | None = _innermost(_transforms) if _transforms.get() else None
    return found


def differentiating() -> str | None:
    """The name of the transform, checkpoint or compiled step that needs the graph of what runs here, or ``None``."""
    who = observer()
    return transformed() or (None if who is None else who.name)


_OURS = __name__.partition(".")[0]


def place_of_user() -> tuple[str, int]:
    """The file and the number of the line of code, outside of this package and of NumPy, that is being run."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        module = frame.f_globals.get("__name__")  # generated code has none
        if module is not None and str(module).partition(".")[0] not in (_OURS, "numpy"):
            break
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def line_of_user() -> str:
    """That place, with the text of its line."""
    name, number = place_of_user()
    text = linecache.getline(name, number).strip()
    return f"{name}:{number}" + (f" ({text})" if text else "")


def tell_of_data(value: Any) -> None:
    """Tell the observer that ``value.data`` was read."""
    if (who := observer()) is not None:
        who.saw_data(value, sys._getframe(2))


def tell_of_reading(what: Any, *args: Any, found: Any, options: Any = None) -> None:
    """Tell the observer that plain data was computed from Values: what depends on it is not in the graph."""
    if (who := observer()) is not None:
        who.saw_reading(what, args, options or {}, found)


def tell_of_making(made: Any, op: Any, operands: tuple[Any, ...]) -> None:
    """Tell the observer that a constant was computed from Values without being recorded."""
    if (who := observer()) is not None:
        who.saw_making(made, op, operands)
