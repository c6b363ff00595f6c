"""One way through a captured function: its replay, and the conditions under which it holds."""

from __future__ import annotations

from typing import Any

from ..core.value import as_data
from .attributes import AttributesRead
from .backends import Plan
from .capture import same_call
from .scope import Missed

__all__ = ["Noise", "Program"]

Noise = list[tuple[Any, Any]]
"""The calls that drew random numbers, each with what it drew."""


class Program:
    """One way through the function: its replay, and the conditions under which it holds."""

    def __init__(self, plan: Plan, optimizer: Any, attributes: AttributesRead) -> None:
        self.replay, self.source, self.observe, self.calls_numpy, _ = plan.replay(optimizer)
        self.noise, self.attributes, self.backend = plan.noise, attributes, plan.backend
        self.live, self.copied = attributes.live, attributes.copied

    def run_with(self, data: list[Any], drawn: Noise, observe: bool = False) -> Any:
        """Replay with noise: use what ``drawn`` has, draw the rest and append it. The results, or what is observed.

        Raises ``Missed`` where the program does not fit.
        """
        self.check_attributes()
        fresh = []
        for k, draw in enumerate(self.noise):
            if k == len(drawn):
                drawn.append((draw, as_data(draw(), keep_integers=True, copy=False)))
            if not same_call(drawn[k][0], draw):
                raise Missed("the noise that is drawn")
            fresh.append(drawn[k][1])
        return (self.observe if observe else self.replay)(*data, *fresh)

    def check_attributes(self) -> None:
        """``Missed`` where a module has another attribute than the function read."""
        if (changed := self.attributes.changed()) is not None:
            raise Missed(changed)
