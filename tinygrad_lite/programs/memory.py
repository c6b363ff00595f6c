"""In whose memory each slot of a program may lie: the rule by which memory is planned, and a plan is checked."""

from __future__ import annotations

from itertools import islice

import numpy as np

from .calls import Call, Slot

__all__ = ["WRITING", "Memory"]

WRITING = {"ufunc", "reduce", "where", "cast", "put", "at", "mend", "fill"}
"""Kinds of calls that can write their result into given memory."""
_SHARING = {"view": 1, "opaque": None, "part": None}
"""Kinds of calls whose result may lie in the memory of an argument: how many of the slots that they read."""


class Memory:
    """In whose memory each slot of a program may lie. What it answers for a slot it keeps."""

    def __init__(self) -> None:
        self._roots: dict[Slot, frozenset[Slot]] = {}

    def roots(self, slot: Slot) -> frozenset[Slot]:
        """The inputs and the written arrays in whose memory a slot may lie; none for a number.

        A view follows its base. An array without dimensions is memory as well.

        >>> x = Slot(np.ones(1))
        >>> y = Slot(x.sample.reshape(()))
        >>> y.call = Call("view", np.reshape, (x, ()), {}, y)
        >>> Memory().roots(y) == {x}, Memory().roots(Slot(1.0)) == set()
        (True, True)
        """
        if slot not in self._roots:
            self._roots[slot] = self._found(slot)
        return self._roots[slot]

    def _found(self, slot: Slot) -> frozenset[Slot]:
        call = slot.call
        if not isinstance(slot.sample, np.ndarray | tuple | list):
            return frozenset()
        if call is None or call.kind in WRITING:
            return frozenset((slot,))
        if call.kind not in _SHARING:
            return frozenset()
        return frozenset().union(*map(self.roots, islice(call.slots(), _SHARING[call.kind])))

    def denied(self, call: Call) -> Slot | None:
        """A slot in whose memory the call's result was in the traced run, though this rule denies it."""
        out = call.out.sample
        if not isinstance(out, np.ndarray):
            return None
        known = self.roots(call.out)
        for x in call.slots():
            own = self.roots(x)
            if own and not own <= known and isinstance(x.sample, np.ndarray) and np.may_share_memory(out, x.sample):
                return x
        return None
