"""Comments: the paths that each line of the backward pass carries."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from ..core.sweeps import reverse
from ..core.value import Value
from ..formulas.printer import quoted
from ..semirings import COUNT
from .passes import Passes

__all__ = ["Routes"]


class Routes:
    """The paths from the end of a program through its Values; the ``lines`` are Values whose derivative has a line."""

    def __init__(self, passes: Passes, lines: Container[Value]) -> None:
        self.end, self.names, self.readers = passes.end, passes.names, passes.readers
        self.lines = lines
        self.counts: Mapping[Value, Any] = reverse(self.end, COUNT) if passes.program.scalar else {}

    def comment(self, value: Value) -> str:
        """The paths that the line of a derivative carries, and how many of them; nothing for the end itself."""
        if value not in self.readers:
            return ""
        n, route = self.counts.get(value, 0), self._route(value)
        return route + (f", {n:,} paths" if n > 1 else "") if "←" in route else ""

    def _route(self, value: Value) -> str:
        """The paths from the end to a Value: ``C ← (n30 ← z30 | n31 ← z31) ← n20``.

        Several paths behind a derivative with a line of its own are ``…``.
        """
        tail: list[str] = []
        shown = value
        while True:
            name = self.names[shown]
            tail = [quoted(name), *tail] if name is not None else tail
            readers = self.readers[shown]
            if len(readers) != 1:
                break
            shown = readers[0]
            if shown is self.end:
                return " ← ".join([self.start, *tail])
            if shown in self.lines:
                return " ← ".join([*self._head(shown), *tail])
        heads = [self._head(reader) for reader in dict.fromkeys(readers)]
        common = 2 if all(head[1:2] == ["…"] for head in heads) else 1
        parts = list(dict.fromkeys(" ← ".join(head[common:]) for head in heads if len(head) > common))
        if len(parts) > 4:
            parts = [*parts[:2], "…", parts[-1]]
        group = [f"({' | '.join(parts)})"] if len(parts) > 1 else parts
        return " ← ".join([*(heads[0][:common] if heads else [self.start]), *group, *tail])

    def _head(self, value: Value) -> list[str]:
        """The one path from the end to a Value, or ``C ← … ← z20``."""
        names: list[str] = []
        shown = value
        while shown is not self.end:
            name = self.names[shown]
            names = [quoted(name), *names] if name is not None else names
            readers = self.readers[shown]
            if len(readers) != 1 or len(names) > 6:
                return [self.start, "…", *names[-1:]]
            shown = readers[0]
        return [self.start, *names]

    @property
    def start(self) -> str:
        """The name of the end in comments."""
        return quoted(self.names[self.end] or "loss")
