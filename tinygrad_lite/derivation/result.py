"""The result of ``derive``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core.display import clipped

__all__ = ["Derivation", "Term"]


TYPESET = 20_000
"""The most characters of LaTeX that a notebook typesets; that many take a page about a second."""


@dataclass(frozen=True)
class Term:
    """One summand of a gradient: as text, LaTeX and Python source, and its number.

    ``python`` stands by itself, as the derivation's own does: ``eval(term.python, d.symbols)`` is ``value``.
    """

    text: str
    latex: str
    python: str
    value: Any

    def __str__(self) -> str:
        return self.text


@dataclass(eq=False, repr=False)
class Derivation:
    """The chain rule written out for one gradient. Made by ``derive``.

    ``text`` is plain, aligned and at most 100 columns wide; ``numbers`` is the same with the number below every factor;
    ``latex`` is one ``aligned`` block, which a notebook shows; ``python`` is an expression whose names are the keys of
    ``symbols``, with their numbers; ``terms`` are the summands, and ``value`` is the gradient.
    """

    text: str
    numbers: str
    latex: str
    python: str
    terms: tuple[Term, ...]
    value: Any
    _symbols: Mapping[str, Any]

    @property
    def symbols(self) -> dict[str, Any]:
        """The names of ``python`` with their numbers, ``np`` and ``math`` among them: ``eval(d.python, d.symbols)``."""
        return dict(self._symbols)  # a copy: eval enters names of its own

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<Derivation {clipped(self.text.splitlines()[0])}>"

    def _repr_latex_(self) -> str | None:
        """The LaTeX that a notebook shows; ``None``, so that it shows the ``repr``, if typesetting would take long."""
        return f"$$\n{self.latex}\n$$" if len(self.latex) <= TYPESET else None
