"""The lines of a replay: what each reads and writes, loops over blocks of rows, and probes for ``verify``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..programs.calls import Slot
from .blocking import Chain
from .lifetimes import Loop, Statement, place_of
from .probes import Mark, Probe
from .scope import Scope, comment

__all__ = ["Body"]


class Body:
    """The body of a replay. ``marks`` say which results are in which slots, or are always the same number."""

    def __init__(self, scope: Scope, marks: Iterable[tuple[Any, list[Mark]]]) -> None:
        self.scope = scope
        self.lines: list[str] = []
        self.statements: list[Statement | Loop] = []
        """What the lines read and write, for the check of lifetimes."""
        self.probes: list[Probe] = []
        self._marks: dict[Any, list[Mark]] = {}
        for x, more in marks:
            self._marks.setdefault(x, []).extend(more)
        self._chain: Chain | None = None  # that is being written
        self._parts: dict[str, str] = {}  # the name of an array's rows in it
        self._scratch: set[str] = set()  # arrays of one block

    def line(self, text: str, note: str = "", writes: Sequence[Slot] = (), keeps: str = "") -> None:
        """Add a line with a comment. It ``writes`` slots, over what ``keeps`` mentions if it changes a part."""
        _, kept = self._printed(keeps)
        text, read = self._printed(text)
        self.lines.append(f"    {text}" + (f"  # {comment(note)}" if note else ""))
        names = [(slot, self.scope.names[slot]) for slot in writes]
        written = [(x, place_of(name, self.scope.things), self._by_rows(x, name)) for x, name in names]
        self.statements.append(Statement(text, kept + read, written))

    def _printed(self, text: str) -> tuple[str, list[tuple[Slot, bool]]]:
        """Text with names in it, and the slots that it reads, each with whether it reads the rows of a block alone."""
        text, read = self.scope.printed(text, self._part)
        return text, [(x, rows and self.scope.names[x] not in self._scratch) for x, rows in read]

    def _by_rows(self, slot: Slot, name: str) -> bool:
        return self._chain is not None and self._chain.has_rows(slot) and name not in self._scratch

    # ---- blocks

    @contextmanager
    def looped(self, chain: Chain) -> Iterator[None]:
        """The lines that are written inside make a loop over the blocks of a chain of calls."""
        self._chain, self._parts = chain, {}
        first, before = len(self.lines), self.statements
        self.statements = []
        yield
        self._chain = None
        before.append(Loop([x for x in self.statements if isinstance(x, Statement)]))
        self.statements = before
        blocks = self.scope.constant(chain.blocks, "blocks0")
        parts = [f"{p} = {name}{'[:n]' if name in self._scratch else '[rows]'}" for name, p in self._parts.items()]
        body = [f"        {'; '.join(parts)}", *(f"    {line}" for line in self.lines[first:])]
        self.probes = [p if p.lines <= first else p._replace(lines=p.lines + 2) for p in self.probes]
        self.lines[first:] = [f"    for rows, n in {blocks}:  # {chain.rows} of {chain.shape[0]} at a time", *body]

    def _part(self, name: str) -> str:
        """The name of an array's rows."""
        if name not in self._parts:
            self._parts[name] = self.scope.fresh("x")
        return self._parts[name]

    def _read(self, x: Any) -> str:
        """An argument of a call as source: in a chain its rows."""
        if self._chain is None or not self._chain.has_rows(x):
            return self.scope.expression(x)
        if isinstance(x, Slot) and x not in self.scope.fixed:
            return self.scope.mention(x, rows=True)
        return self._part(self.scope.expression(x))

    # ---- probes

    def probe_inputs(self) -> None:
        """Probe the results that are an input, or always the same number."""
        for x in self._marks:
            if not isinstance(x, Slot) or (x.call is None and x in self.scope.names):
                self.probe(x)

    def probe(self, x: Any) -> None:
        """Probe the results that lie in a slot here."""
        if x in self._marks:
            text, _ = self._printed(self._read(x))
            self.probes.append(Probe(len(self.lines), text, self._chain is not None, self._marks[x]))
