"""A failing program made small: what can go without changing how it fails goes, and numbers become simple.

Source: A. Zeller and R. Hildebrandt, *Simplifying and isolating failure-inducing input*, 2002.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from .judging import Failure, IllConditioned, case_of, judged
from .programs import Input, Program, Statement, names_in, replaced

__all__ = ["shrunk"]


def shrunk(program: Program, failure: Failure, seconds: float = 20.0) -> tuple[Program, Failure]:
    """The smallest program found in so many seconds that fails in the same way, and its failure."""
    deadline = time.process_time() + seconds
    tried: set[str] = set()

    def fails(candidate: Program) -> Failure | None:
        text = candidate.source()
        if text in tried or not candidate.statements:
            return None
        tried.add(text)
        try:
            found = judged(candidate, [failure.compared])
        except IllConditioned:
            return None
        except Exception:  # a candidate that is no program
            return None
        return found if found and (found.way, found.kind) == (failure.way, failure.kind) else None

    progress = True
    while progress and time.process_time() < deadline:
        progress = False
        for reduction in REDUCTIONS:
            program, failure, smaller = _reduced(program, failure, reduction, fails, deadline)
            progress = progress or smaller
    return program, failure


def _reduced(
    program: Program,
    failure: Failure,
    reduction: Callable[[Program], Iterator[Program]],
    fails: Callable[[Program], Failure | None],
    deadline: float,
) -> tuple[Program, Failure, bool]:
    """Take the first candidate that fails, and go on from there, until none does."""
    smaller = False
    again = True
    while again and time.process_time() < deadline:
        again = False
        for candidate in reduction(program):
            found = fails(candidate)
            if found is not None:
                program, failure, smaller, again = candidate, found, True, True
                break
            if time.process_time() > deadline:
                break
    return program, failure, smaller


# ---- reductions ------------------------------------------------------------------------------------------------------


def fewer_terms(program: Program) -> Iterator[Program]:
    """Half of the loss's terms, then all but one."""
    terms, n = program.terms, len(program.terms)
    if n > 1:
        for kept in (terms[: n // 2], terms[n // 2 :], *(terms[:k] + terms[k + 1 :] for k in range(n))):
            yield replace(program, terms=kept).live()


def leaves_for_statements(program: Program) -> Iterator[Program]:
    """A parameter that holds a statement's result in the place of the statement: what led there goes."""
    try:
        results = _results(program)
    except Exception:
        return
    for statement in reversed(program.statements):
        data = results.get(statement.target)
        if data is None or statement.target in program.terms:
            continue
        name = f"p{1 + max((int(one.name[1:]) for one in program.inputs if one.name[0] == 'p'), default=-1)}"
        yield _with(program, statement.target, name, Input(name, (data,)))


def without_a_statement(program: Program) -> Iterator[Program]:
    """An operand of the same shape in the place of a result."""
    try:
        results = _results(program)
    except Exception:
        return
    for statement in program.statements:
        for name in names_in(statement.text):
            if name in results and np.shape(results[name]) == np.shape(results[statement.target]):
                yield _with(program, statement.target, name)


def simpler_terms(program: Program) -> Iterator[Program]:
    """A plain sum, or the result itself, for a term of the loss."""
    for k, statement in enumerate(program.statements):
        if statement.target in program.terms:
            for name in names_in(statement.text):
                for text in (name, f"tg.sum({name})"):
                    if len(text) < len(statement.text):
                        changed = (*program.statements[:k], replace(statement, text=text), *program.statements[k + 1 :])
                        yield replace(program, statements=changed).live()


def fewer_steps(program: Program) -> Iterator[Program]:
    """One or two steps, no optimizer, inputs that do not change, no layouts."""
    for steps in range(1, min(program.steps, 3)):
        yield replace(program, steps=steps)
    if program.optimizer:
        yield replace(program, optimizer=None)
    for k, one in enumerate(program.inputs):
        for simpler in (replace(one, data=one.data[:1]), replace(one, view="{}")):
            if simpler != one:
                yield replace(program, inputs=(*program.inputs[:k], simpler, *program.inputs[k + 1 :]))


def simpler_numbers(program: Program) -> Iterator[Program]:
    """Shorter numbers, first elements only, ones."""
    for k, one in enumerate(program.inputs):
        for change in (_ones, _rounded(0), _rounded(1), _rounded(2), *(_first(axis) for axis in range(3))):
            data = tuple(change(x) for x in one.data)
            if any(np.shape(a) != np.shape(b) or np.any(a != b) for a, b in zip(data, one.data, strict=True)):
                yield replace(program, inputs=(*program.inputs[:k], replace(one, data=data), *program.inputs[k + 1 :]))


def shorter_axes(program: Program) -> Iterator[Program]:
    """All axes of one length cut to a smaller length, in all inputs at once."""
    lengths = sorted({n for one in program.inputs for n in np.shape(one.data[0]) if n > 1}, reverse=True)
    for length in lengths:
        for n in range(1, length):
            yield replace(
                program,
                inputs=tuple(replace(one, data=tuple(_cut(x, length, n) for x in one.data)) for one in program.inputs),
            )


REDUCTIONS = [
    fewer_terms, fewer_steps, leaves_for_statements, without_a_statement, simpler_terms, shorter_axes, simpler_numbers
]  # fmt: skip


def _with(program: Program, target: str, name: str, new: Input | None = None) -> Program:
    """Another name in the place of a result."""
    statements = tuple(
        Statement(one.target, replaced(one.text, target, name)) for one in program.statements if one.target != target
    )
    terms = tuple(name if term == target else term for term in program.terms)
    inputs = program.inputs if new is None else (*program.inputs, new)
    return replace(program, inputs=inputs, statements=statements, terms=terms).live()


def _results(program: Program) -> dict[str, Any]:
    """The data of each name in the first step."""
    found: dict[str, Any] = {one.name: one.data[0] for one in program.inputs}
    watched = replace(program, terms=("locals()",))
    run = case_of(watched).run()
    with np.errstate(all="ignore"):
        local: Any = run.loss(*run.given(0))
    return found | {name: x.data for name, x in local.items() if hasattr(x, "requires_grad") and x.dtype.kind == "f"}


def _ones(x: Any) -> Any:
    return np.ones_like(x) if np.shape(x) else 1.0


def _rounded(digits: int) -> Callable[[Any], Any]:
    return lambda x: np.round(x, digits) if np.shape(x) else round(float(x), digits)


def _first(axis: int) -> Callable[[Any], Any]:
    return lambda x: np.ascontiguousarray(np.take(x, [0], axis)) if np.ndim(x) > axis and np.shape(x)[axis] else x


def _cut(x: Any, length: int, n: int) -> Any:
    keys = tuple(slice(0, n) if size == length else slice(None) for size in np.shape(x))
    return np.ascontiguousarray(x[keys]) if np.shape(x) else x
