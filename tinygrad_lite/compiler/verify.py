"""``CompiledStep.verify``: eager and the replay from one state, compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.elementwise import plain_node
from ..core.recording import Observer, paused, place_of_user
from ..core.value import Op, Value, as_data, describe, unrecorded
from ..transforms.pytrees import leaves
from .capture import Capture, copied
from .probes import Mark, Seen

__all__ = ["Origins", "State", "first_difference", "statement_of", "why"]

Outcome = list[tuple[Any, ...]]
"""The results, then each leaf's gradient and data."""


def results(found: Any) -> tuple[Any, ...]:
    """What a run returned: the loss, or each result of a function with the path to it."""
    return tuple(leaves(found, "the loss" if isinstance(found, float) else "the result"))


class State:
    """Parameters, their gradients and the optimizer's memory, to be put back."""

    def __init__(self, leaves: Sequence[Value], optimizer: Any) -> None:
        self.leaves, self.optimizer = leaves, optimizer
        self.gradients = [leaf._grad for leaf in leaves]
        self.data = [copied(leaf._data) for leaf in leaves]
        self.memory = optimizer.state_dict() if hasattr(optimizer, "state_dict") else None

    def run(self, run: Callable[[], Any]) -> Any:
        """What a run returns that starts from this state without gradients."""
        self.restore()
        for leaf in self.leaves:
            leaf._grad = None
        return run()

    def after(self, run: Callable[[], Any]) -> Outcome:
        """The outcome of such a run."""
        return [results(self.run(run)), *((copied(leaf._grad), copied(leaf._data)) for leaf in self.leaves)]

    def restore(self) -> None:
        """Put everything back."""
        for leaf, g, data in zip(self.leaves, self.gradients, self.data, strict=True):
            leaf._grad = g
            if type(data) is float:
                leaf._data = data
            else:
                leaf._data[...] = data
        if self.memory is not None:
            self.optimizer.load_state_dict(self.memory)


def first_difference(touched: Sequence[Value], eager: Outcome, replayed: Outcome) -> str:
    """The first number that differs by 4096 roundings of the largest element, as text; empty if none does."""
    both = [(who, a, b) for (who, a), (_, b) in zip(eager[0], replayed[0], strict=True)]
    for leaf, of_eager, of_replay in zip(touched, eager[1:], replayed[1:], strict=True):
        for what, a, b in zip(("gradient", "data after the step"), of_eager, of_replay, strict=True):
            both.append((f"the {what} of {describe(leaf)}", a, b))
    for who, a, b in both:
        if not _close(a, b):
            return f"{who} is {_shown(a)} by eager and {_shown(b)} by the replay"
    return ""


class Origins(Observer):
    """Notes the line of the user's code that makes each Value."""

    def __init__(self) -> None:
        self.made: dict[int, str] = {}

    def node_for(self, op: Op, operands: tuple[Any, ...], out: Any) -> Value:
        """The node that the op makes without an observer."""
        data = [x._data if type(x) is Value else as_data(x, True, False) for x in operands]
        node = unrecorded(op, operands, out) if paused() else plain_node(op, operands, data, out)
        self.made[id(node)] = "{}:{}".format(*place_of_user())
        return node


def why(capture: Capture, seen: Seen, origins: Origins, stale: bool) -> str:
    """The first op whose replayed value or gradient differs from a captured run's, and what to do.

    ``stale`` says that a program made of that run agrees with eager.
    """
    if stale:
        cause = (
            "a program made now agrees with eager, so the function reads something that is no Value and no argument "
            "and has changed since (a global, a closure, random, the clock): pass it as an argument"
        )
    else:
        cause = "a program made now differs as well, so compile is wrong: please report it together with your function"
    for backward in (False, True):
        for mark, found in seen:
            if mark.backward is backward and (text := _differs(capture, mark, found, origins)):
                return f"{text}; {cause}"
    return f"every op has the same value and gradient in both, so what differs is the step after them; {cause}"


def _differs(capture: Capture, mark: Mark, found: Any, origins: Origins) -> str:
    """How an op's replayed value differs from that of the captured run; empty if it does not."""
    ran = capture.order if mark.backward else [node.value for node in capture.nodes]
    if mark.position >= len(ran):
        return f"the function no longer gets to the op {mark.op!r}"
    value = ran[mark.position]
    op = value._made_by if mark.backward else capture.nodes[mark.position].op
    assert op is not None
    if op.name != mark.op:
        return f"where the replay computes {mark.op!r}, the function now computes {op.name!r}, {describe(value)}"
    wanted = value._grad if mark.backward else value._data
    if wanted is None or _close(wanted, found):
        return ""
    off = ""
    if np.shape(wanted) == np.shape(found):
        with np.errstate(all="ignore"):
            off = f", off by {np.max(np.abs(np.asarray(wanted) - found)):.3g}"
    what = "gradient that arrives at" if mark.backward else "value of"
    line = origins.made.get(id(value), "a line that is not known")
    return (
        f"the first op to differ is {op.name!r}, made in {line}: the {what} {describe(value)} is {_shown(wanted)} by "
        f"eager and {_shown(found)} by the replay{off}"
    )


def statement_of(error: BaseException, source: str) -> str:
    """The statement of a replay that raised an error, for a message; empty if it is not known."""
    found = ""
    lines = source.splitlines()
    start = next((k for k, line in enumerate(lines) if line.startswith("def replay(")), 0)
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename == "<compiled step>" and trace.tb_lineno + start <= len(lines):
            found = f", in `{lines[trace.tb_lineno + start - 1].strip()}`"
        trace = trace.tb_next
    return found


def _close(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is b
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return False
    if a.dtype.kind != "f":
        return bool(np.array_equal(a, b))
    scale = np.max(np.abs(a), initial=1e-300, where=np.isfinite(a))
    return bool(np.allclose(a, b, rtol=0.0, atol=4096 * np.finfo(a.dtype).eps * scale, equal_nan=True))


def _shown(x: Any) -> str:
    return f"{float(x):.17g}" if not np.shape(x) else np.array2string(np.asarray(x), threshold=8)
