"""Comments: the paths that each line of the backward pass carries."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

from ..core.sweeps import reverse
from ..core.value import Value
from ..formulas.printer import quoted
from ..semirings import COUNT

__all__ = ["Routes"]


class Routes:
    """The paths of a program, from the end through ``readers``, the Values from which a cotangent came."""

    def __init__(
        self, end: Value, names: Mapping[Value, str | None], readers: Mapping[Value, Sequence[Value]], counted: bool
    ) -> None:
        self.end = end
        self.names = names
        self.readers = readers
        self.counts: Mapping[Value, Any] = reverse(end, COUNT) if counted else {}

    def comment(self, value: Value, lines: Container[Value]) -> str:
        """The paths that the line of a cotangent carries, and how many of them; nothing for the end itself."""
        n, route = self.counts.get(value, 0), self.route(value, lines)
        return route + (f", {n:,} paths" if n > 1 else "") if "←" in route else ""

    def route(self, value: Value, lines: Container[Value]) -> str:
        """The paths from the end that the line of this derivative carries: ``C ← (n30 ← z30 | n31 ← z31) ← n20``.

        Those behind a derivative that has a line of its own, the ``lines``, are ``…`` where there are several.
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
            if shown in lines:
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
