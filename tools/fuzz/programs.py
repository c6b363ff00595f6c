"""A program as data: its leaves, modules, arguments of each step and statements, and the Python source that it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

__all__ = ["Input", "Program", "Statement", "literal", "names_in", "ops_of", "replaced"]

_NAME = re.compile(r"\b[pcamvt]\d+\b")
"""Parameters p0, other leaves c0, arguments a0, modules m0, results v0, terms of the loss t0."""


def names_in(text: str) -> list[str]:
    """The names of the program that an expression reads, each once."""
    return list(dict.fromkeys(_NAME.findall(text)))


def literal(x: Any) -> str:
    """A number or an array as Python source.

    >>> literal(np.array([[1.0], [2.5]], dtype=np.float32)), literal(np.zeros((0, 2)))
    ('np.array([[1.0], [2.5]], dtype=np.float32)', 'np.zeros((0, 2), dtype=np.float64)')
    """
    if not isinstance(x, np.ndarray):
        return repr(x.item() if isinstance(x, np.generic) else x)
    dtype = "bool" if x.dtype == bool else f"np.{x.dtype}"
    if x.dtype in (np.float32, np.float16) and x.size:
        x = np.reshape([float(str(one)) for one in x.ravel()], x.shape)  # fewer digits say the same
    return f"np.array({x.tolist()!r}, dtype={dtype})" if x.size else f"np.zeros({x.shape}, dtype={dtype})"


@dataclass(frozen=True)
class Input:
    """A leaf or an argument: its data at each step (one entry where they stay), and an expression for its layout.

    ``view`` is applied to the array in the source: ``"{}.T"`` gives one in another order of memory. Its kind is told by
    its name: ``p`` a parameter, ``c`` a leaf whose data are assigned before each step, ``a`` an argument of the loss.
    """

    name: str
    data: tuple[Any, ...]
    view: str = "{}"

    def source(self, step: int) -> str:
        """The data at a step as source."""
        return self.view.format(literal(self.data[min(step, len(self.data) - 1)]))


@dataclass(frozen=True)
class Statement:
    """``target = text``."""

    target: str
    text: str


@dataclass(frozen=True)
class Program:
    """Inputs, modules (their source by name), statements, the names whose sum is the loss, an optimizer's source."""

    inputs: tuple[Input, ...]
    modules: tuple[Statement, ...]
    statements: tuple[Statement, ...]
    terms: tuple[str, ...]
    optimizer: str | None
    steps: int
    seed: int = 0
    of_numbers: bool = False

    def live(self) -> Program:
        """The same without the statements, modules and inputs that the loss does not read."""
        read = set(self.terms)
        kept: list[Statement] = []
        for statement in reversed(self.statements):
            if statement.target in read:
                kept.append(statement)
                read.update(names_in(statement.text))
        inputs = tuple(one for one in self.inputs if one.name in read)
        modules = tuple(one for one in self.modules if one.target in read)
        return replace(self, inputs=inputs, modules=modules, statements=tuple(kept[::-1]))

    def source(self, noisy: bool = False) -> str:
        """The program as Python: LEAVES, MODULES, STEPS, OPTIMIZER and the function ``program``.

        With ``noisy`` each result is passed through ``noise``, a function that the reader of the source provides.
        """
        names = [one.name for one in self.inputs if one.name[0] != "a"]
        names += [one.target for one in self.modules]
        names += [one.name for one in self.inputs if one.name[0] == "a"]
        wrapped = "noise({})" if noisy else "{}"
        lines = [f"    {one.target} = {wrapped.format(one.text)}" for one in self.statements]
        head = f"def program({', '.join(names)}):"
        return "\n".join([self._data, "", "", head, *lines, f"    return {' + '.join(self.terms)}", ""])

    @cached_property
    def _data(self) -> str:
        """The source of all but the function; most of the time goes into writing the numbers."""
        leaves = [one for one in self.inputs if one.name[0] != "a"]
        given = [one for one in self.inputs if one.name[0] != "p"]
        lines = ["LEAVES = {", *(f"    {one.name!r}: {one.source(0)}," for one in leaves), "}"]
        lines += ["MODULES = {", *(f"    {one.target!r}: lambda: {one.text}," for one in self.modules), "}"]
        lines += ["STEPS = ["]
        for step in range(self.steps):
            lines += ["    {", *(f"        {one.name!r}: {one.source(step)}," for one in given), "    },"]
        return "\n".join(
            [*lines, "]", f"OPTIMIZER = {f'lambda parameters: {self.optimizer}' if self.optimizer else None}"]
        )


def replaced(text: str, name: str, by: str) -> str:
    """An expression with another name, or another expression, in the place of a name."""
    return re.sub(rf"\b{name}\b", by, text)


def ops_of(programs: Iterable[Program], names: Sequence[str]) -> set[str]:
    """Which of these functions the programs name in a statement or a module."""
    text = "\n".join(one.text for program in programs for one in (*program.statements, *program.modules))
    return {name for name in names if re.search(rf"\b{re.escape(name)}\b", text)}
