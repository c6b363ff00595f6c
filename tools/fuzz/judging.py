"""How far two ways of running a program may differ, and those that differ further.

What is allowed follows from the dtype and the conditioning, which is measured: the program runs again with every input
and every result off by a random δ of its size, far above rounding, and what that moves is scaled down to rounding.

Source: D. S. Parker, *Monte Carlo arithmetic*, 1997.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

import tinygrad_lite as tg
from tinygrad_lite import Value

from .drawing import SCOPE
from .programs import Program
from .ways import WAYS, Case, Found, Way, differing

__all__ = ["Failure", "UNLIKE", "case_of", "judged"]

ROUNDINGS = 100.0
"""How many times the effect of single roundings two ways may differ."""
UNLIKE = {"manual_backprop", "sweep", "forward mode", "differences", "in double precision"}
"""Ways whose result may be of another dtype: a sweep computes in double precision."""
WEAK: dict[Any, float] = {np.float64: 1e-6, np.float32: 3e-2, np.float16: 0.5}
"""A program is too ill-conditioned to be judged if more than so much of a gradient is allowed to be wrong."""
OFF: dict[Any, float] = {np.float64: 1e-8, np.float32: 1e-4, np.float16: 1e-2}
"""How far results are off where conditioning is measured."""


class Failure(NamedTuple):
    """The way that failed; an error's name, "numbers" or "form"; what happened; what was allowed."""

    way: str
    kind: str
    message: str
    allowed: dict[str, float]

    @property
    def compared(self) -> str:
        """The way that failed, or, where its reference failed, a way that is held against that one."""
        return self.way if self.way in WAYS else next(
            name for name, (reference, _) in WAYS.items() if reference.__name__ == self.way
        )  # fmt: skip


class IllConditioned(Exception):
    """A program that cannot be judged: not finite, or next to a kink in a later step."""


class Judge:
    """One program, and what its reference ways find, each computed once."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.case = case_of(program)
        self.dtype = _coarsest(program.source())
        self._expected: dict[Way, tuple[Found, dict[str, float]]] = {}

    def expected(self, way: Way) -> tuple[Found, dict[str, float]]:
        """What a reference way finds, and how far another may be from it. Raises ``IllConditioned``."""
        if way not in self._expected:
            self._expected[way] = self._measured(way)
        return self._expected[way]

    def _measured(self, way: Way) -> tuple[Found, dict[str, float]]:
        eps, off = float(np.finfo(self.dtype).eps), OFF[self.dtype]
        found = way(self.case)
        if not all(x is None or np.all(np.isfinite(x)) for x in found.values()):
            raise IllConditioned("not finite")
        moved = way(case_of(self.program, np.random.default_rng(0), off))
        allowed = {}
        largest = max(map(_size, found.values()), default=0.0)
        for label, x in found.items():
            spread = 0.0 if x is None else _size(np.subtract(x, moved[label], dtype=float))
            allowed[label] = eps * (ROUNDINGS * spread / off + 8 * largest)
            if not allowed[label] <= WEAK[self.dtype] * max(_size(x), 1e-3 * largest) + eps * 8 * largest:
                raise IllConditioned(label)
        return found, allowed

    def failure(self, name: str) -> Failure | None:
        """What is wrong with one way. Raises ``IllConditioned``."""
        reference, way = WAYS[name]
        try:
            expected, allowed = self.expected(reference)
        except IllConditioned:
            raise
        except Exception as error:
            if isinstance(error, tg.TinygradError) and self.program.steps > 1:
                reference(case_of(replace(self.program, steps=1)))  # in a later step it may be NaN that is refused
                raise IllConditioned(str(error)) from None
            return Failure(f"{reference.__name__}", type(error).__name__, _said(error), {})
        try:
            found = way(self.case)
        except Exception as error:
            if isinstance(error, tg.errors.ArgumentError) and "is for graphs of scalars" in str(error):
                return None
            return Failure(name, type(error).__name__, _said(error), {})
        if name == "manual_backprop" and self.dtype is not np.float64:  # its scalars keep that, the engine's do not
            allowed = {label: 100 * x for label, x in allowed.items()}
        lines = differing(expected, found, allowed, name not in UNLIKE)
        if not lines:
            return None
        return Failure(name, "numbers" if "off by" in lines[0] else "form", lines[0], allowed)


def judged(program: Program, ways: Iterable[str] = WAYS) -> Failure | None:
    """The first failure of a program; None if all ways agree.

    Raises ``IllConditioned`` for a program that cannot be judged.
    """
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        judge = Judge(program)
        for name in ways:
            if applies(program, name) and (failure := judge.failure(name)) is not None:
                return failure
    return None


def applies(program: Program, way: str) -> bool:
    """Whether a way is for this kind of program: numbers have back ends of their own, differences need float64."""
    if way in ("compiled by level", "compiled to machine code"):
        return program.of_numbers
    source = program.source()
    if way == "compiled function":
        return "Dropout" not in source  # which draws other noise in the replay
    if way == "in double precision":
        return any(dtype in source for dtype in ("float16", "float32", "int64", "bool"))
    return way != "differences" or _coarsest(source) is np.float64


def case_of(program: Program, rng: np.random.Generator | None = None, off: float = 0.0) -> Case:
    """The program ready to run; with ``rng`` every input and every result is off by a random part of itself."""

    def noise(x: Any) -> Any:
        if not isinstance(x, Value) or x.dtype.kind != "f":
            return x
        factor = 1.0 + off * rng.uniform(-1.0, 1.0, x.shape) if rng is not None else 1.0
        return x * (np.asarray(factor, x.dtype) if x.shape else float(factor))

    def shifted(x: Any) -> Any:
        if rng is None or np.asarray(x).dtype.kind != "f":
            return x
        moved = np.multiply(x, 1.0 + off * rng.uniform(-1.0, 1.0, np.shape(x)))
        return moved.astype(x.dtype) if np.shape(x) else float(moved)

    scope: dict[str, Any] = {**SCOPE, "noise": noise}
    exec(_code(program.source(rng is not None)), scope)
    leaves = {name: shifted(x) for name, x in scope["LEAVES"].items()}
    steps = [{name: shifted(x) for name, x in step.items()} for step in scope["STEPS"]]
    return Case(scope["program"], leaves, scope["MODULES"], steps, scope["OPTIMIZER"])


@lru_cache(maxsize=4)
def _code(source: str) -> CodeType:
    return compile(source, "<program>", "exec")


def _coarsest(source: str) -> Any:
    """The coarsest dtype of floats that a program names."""
    return next((t for t in (np.float16, np.float32) if f"np.{t.__name__}" in source), np.float64)


def _size(x: Any) -> float:
    return 0.0 if x is None else float(np.max(np.abs(x), initial=0.0))


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
