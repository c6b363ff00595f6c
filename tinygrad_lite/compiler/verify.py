"""``CompiledStep.verify``: eager and the replay from one state, compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.value import Value, describe
from ..errors import DifferentGradientsError

__all__ = ["State", "check_same"]

Outcome = list[tuple[Any, ...]]
"""The loss, then each leaf's gradient and data."""


class State:
    """Parameters, their gradients and the optimizer's memory, to be put back."""

    def __init__(self, leaves: Sequence[Value], optimizer: Any) -> None:
        self.leaves, self.optimizer = leaves, optimizer
        self.gradients = [leaf._grad for leaf in leaves]
        self.data = [_copied(leaf._data) for leaf in leaves]
        self.memory = optimizer.state_dict() if hasattr(optimizer, "state_dict") else None

    def after(self, run: Callable[[], float]) -> Outcome:
        """The outcome of a run from this state without gradients."""
        self.restore()
        for leaf in self.leaves:
            leaf._grad = None
        return [(run(),), *((_copied(leaf._grad), _copied(leaf._data)) for leaf in self.leaves)]

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


def check_same(leaves: Sequence[Value], eager: Outcome, replayed: Outcome) -> None:
    """Raise ``DifferentGradientsError`` for the first number that differs by 4096 roundings of the largest element."""
    for k, leaf in enumerate([None, *leaves]):
        for what, a, b in zip(("gradient", "data after the step"), eager[k], replayed[k], strict=False):
            if not _close(a, b):
                who = "the loss" if leaf is None else f"the {what} of {describe(leaf)}"
                raise DifferentGradientsError(
                    f"verify: {who} is {_shown(a)} by eager and {_shown(b)} by the replay; the function reads "
                    "something that is no Value and no argument (a global, a closure, random, the clock): pass it "
                    "as an argument"
                )


def _copied(x: Any) -> Any:
    return x.copy() if isinstance(x, np.ndarray) else x


def _close(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is b
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return False
    scale = np.max(np.abs(a), initial=1e-300, where=np.isfinite(a))
    return bool(np.allclose(a, b, rtol=0.0, atol=4096 * np.finfo(a.dtype).eps * scale, equal_nan=True))


def _shown(x: Any) -> str:
    return f"{x:.17g}" if type(x) is float else np.array2string(np.asarray(x), threshold=8)
