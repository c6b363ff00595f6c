"""The ways to carry out a replay, and which one a captured run gets.

Arrays: NumPy calls (``codegen``). Graphs of scalars: straight-line Python (``codegen``), which with the extra ``numba``
is compiled to machine code; NumPy by level (``levels``); a tape in machine code (``tape``). Each wins somewhere.
Medians of a step in ms (a shared server of two cores, so good to a fifth):

======================================================  ======  ======  =====  ========
graph of scalars                                        Python  levels  tape   straight
======================================================  ======  ======  =====  ========
half adder, 49 nodes                                    0.0064  0.078   0.013  0.0031
MLP(2, [8, 1]) on 16 points, 337 nodes                  0.043   0.15    0.025  0.0076
a recurrence of 4 neurons, 300 steps, 2,408 nodes       1.0     10      0.20
tanh 1,500 times in a row, 6,001 nodes                  1.1     56      0.15
MLP(2, [16, 16, 1]) on 100 points, 6,901 nodes          2.9     0.62    0.41
the same on 600 points, 41,401 nodes                            0.98    1.7
MLP(16, [64, 64, 1]) on 20 points, 5,180 nodes                  2.5     3.0
======================================================  ======  ======  =====  ========

Making them takes Python 10 s for the 6,901 nodes, the straight machine code 10 s for the 337, the tape one second and
levels less. So: straight Python up to ``LARGE`` nodes, then levels where they are ``WIDE``, else the tape
if numba is there. ``backend="numba"`` makes straight machine code up to ``SHORT`` nodes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from ..core.value import Value
from ..errors import ArgumentError, MissingExtraError
from ..transforms.pytrees import filled
from . import tape
from .capture import Capture
from .codegen import Emitter, Replay
from .flat import Flat, Loops, flat_replay, flattened
from .levels import by_level, levels
from .lowering import lowered

__all__ = ["BACKENDS", "LARGE", "LOOPS", "SHORT", "WIDE", "Plan"]

LARGE = 1000
"""Nodes from which on a graph of scalars is more than straight-line Python."""
SHORT = 200
"""Nodes up to which ``backend="numba"`` compiles the straight source."""
WIDE = 8
"""Nodes that a level must have on average for NumPy to be faster than straight-line Python."""

LOOPS: dict[str, Callable[[Flat], Loops]] = {"numpy": by_level, "numba": tape.taped}
"""How the back ends of graphs of scalars make both passes; another back end is another entry."""
BACKENDS = (None, "python", *LOOPS)


class Plan:
    """How a captured run is carried out, decided while the Values of the capture are alive.

    ``asked`` is the user's choice, or ``None``. ``backend`` is what it became, ``noise`` the calls that draw random
    numbers.

    Raises ``ArgumentError`` where the graph does not suit ``backend="numba"``.
    """

    def __init__(self, capture: Capture, inputs: Sequence[Value], asked: str | None, optimistic: bool) -> None:
        self._asked = asked
        self._flat = flattened(capture, inputs) if asked or len(capture.nodes) > LARGE else None
        self.backend = _chosen(self._flat, asked)
        self._low = None
        if self.backend == "python" or (self.backend == "numba" and len(capture.nodes) <= SHORT):
            low = lowered(capture, inputs, optimistic and self.backend == "python")
            if self.backend == "python" or low.is_of_floats:
                self._low, self._flat = low, None  # which would hold the leaves: none would become a constant
        self._form = None if capture.is_step else filled(capture.result, range(len(capture.ends)))
        self.noise = [] if self._low is None else [op.function for op, _ in self._low.noise]

    def replay(self, optimizer: Any) -> Replay:
        """The replay. The capture must be gone: what nobody else holds by now becomes a constant."""
        if self._low is not None:
            machine_code = tape.straight if self.backend == "numba" else None
            held = _held(self._low.leaves, self._low.gradients)
            replay = Emitter(self._low, held, optimizer, self._form, self._asked is None).replay(machine_code)
            self.backend = "numba" if replay.is_machine_code else self.backend
            return replay
        assert self._flat is not None
        held = _held(self._flat.leaves, [(leaf,) for leaf in self._flat.gradients])
        return flat_replay(self._flat, LOOPS[self.backend](self._flat), held, optimizer)


def _chosen(flat: Flat | None, asked: str | None) -> str:
    """The user's choice, or one by size and shape."""
    if flat is None:
        if asked == "numba":
            raise ArgumentError(
                'compile: backend="numba" is for graphs of scalars without noise or branches that end in a loss; '
                "leave backend out"
            )
        return "python"
    if asked == "numba" and not tape.available():
        raise MissingExtraError(
            'compile: backend="numba" needs numba, which is not installed; pip install "tinygrad_lite[numba]"'
        )
    if asked is not None:
        return asked
    if len(flat.nodes) > WIDE * len(levels(flat)):
        return "numpy"
    return "numba" if tape.available() else "python"


def _held(leaves: list[tuple[Value, Any]], gradients: list[Any]) -> list[bool]:
    """For each leaf whether anybody else holds it: only somebody who does can change it."""
    own = {id(gradient[0]) for gradient in gradients}
    alone = [(Value(0.0), None)]
    base = sys.getrefcount(alone[0][0])
    return [sys.getrefcount(leaves[k][0]) - (id(leaves[k][0]) in own) > base for k in range(len(leaves))]
