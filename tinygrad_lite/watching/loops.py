"""Loops that run in another order, or over another range: a wrong first line of a ``for``, and changed forms of it."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator

from .expressions import copied, parsed
from .scripts import Unit

__all__ = ["changed_loops"]

_MOST_ARGUMENTS = 3


def changed_loops(unit: Unit) -> Iterator[ast.For]:
    """A loop with its first line changed, the likely ones first; nothing for a unit that is no loop."""
    loop = unit.statement
    if not isinstance(loop, ast.For):
        return
    tried = {ast.unparse(loop.iter)}
    for new in _others(loop.iter):
        text = ast.unparse(ast.fix_missing_locations(new))
        if text not in tried:
            tried.add(text)
            made = copied(loop)
            made.iter = parsed(text)
            yield made


def _others(over: ast.expr) -> Iterator[ast.expr]:
    """What a loop may run over instead: the same in reverse, one more or one less at either end."""
    inner, backwards = _unreversed(over)
    ranges = [inner, *_ranges(inner)]
    yield inner if backwards else _reversed(inner)
    for other in _forwards(inner):
        yield _reversed(other) if backwards else other
    for one in ranges[1:]:
        yield _reversed(one) if backwards else one
    for one in ranges[1:]:
        yield one if backwards else _reversed(one)


def _unreversed(over: ast.expr) -> tuple[ast.expr, bool]:
    """What is run over, without ``reversed(…)``, ``reversed(list(…))`` and ``[::-1]``, and whether that is there."""
    match over:
        case ast.Call(func=ast.Name(id="reversed"), args=[ast.Call(func=ast.Name(id="list" | "tuple"), args=[inner])]):
            return inner, True
        case ast.Call(func=ast.Name(id="reversed"), args=[inner]):
            return inner, True
        case ast.Subscript(value=inner, slice=ast.Slice(lower=None, upper=None, step=ast.UnaryOp(ast.USub()))):
            return inner, True
    return over, False


def _reversed(over: ast.expr) -> ast.expr:
    is_lazy = isinstance(over, ast.Call) and not (isinstance(over.func, ast.Name) and over.func.id == "range")
    inside = ast.Call(ast.Name("list", ast.Load()), [over], []) if is_lazy else over
    return ast.Call(ast.Name("reversed", ast.Load()), [inside], [])


def _forwards(over: ast.expr) -> Iterator[ast.expr]:
    """The arguments of ``zip`` or ``enumerate``, each reversed or not."""
    if not (isinstance(over, ast.Call) and isinstance(over.func, ast.Name) and over.func.id in ("zip", "enumerate")):
        return
    arguments = over.args[:_MOST_ARGUMENTS]
    for turned in sorted(itertools.product((False, True), repeat=len(arguments)), key=sum):
        made = [
            (inner if backwards else _reversed(inner)) if yes else argument
            for yes, argument in zip(turned, arguments, strict=True)
            for inner, backwards in [_unreversed(argument)]
        ]
        yield ast.Call(over.func, [*made, *over.args[_MOST_ARGUMENTS:]], over.keywords)


def _ranges(over: ast.expr) -> Iterator[ast.expr]:
    """One turn more or less at either end."""
    match over:
        case ast.Call(func=ast.Name(id="range"), args=[stop]):
            yield from (_range(ast.Constant(0), n) for n in _beside(stop))
            yield _range(ast.Constant(1), stop)
            yield from (_range(ast.Constant(1), n) for n in _beside(stop))
        case ast.Call(func=ast.Name(id="range"), args=[start, stop, *step]):
            for ends in itertools.product([start, *_beside(start)], [stop, *_beside(stop)]):
                yield _range(*ends, *step)
        case ast.Subscript(value=inner, slice=ast.Slice(step=None)):
            yield inner
        case ast.Name() | ast.Attribute():
            yield parsed(f"{ast.unparse(over)}[1:]")
            yield parsed(f"{ast.unparse(over)}[:-1]")


def _range(start: ast.expr, stop: ast.expr, *step: ast.expr) -> ast.expr:
    """``range(…)`` with no more arguments than it needs."""
    from_0 = isinstance(start, ast.Constant) and start.value == 0 and not step
    return ast.Call(ast.Name("range", ast.Load()), [stop] if from_0 else [start, stop, *step], [])


def _beside(number: ast.expr) -> list[ast.expr]:
    """The whole numbers after and before, as a person would write them."""
    match number:
        case ast.Constant(value=int(n)):
            return [parsed(str(n + 1)), parsed(str(n - 1))]
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(n))):
            return [parsed(str(1 - n)), parsed(str(-1 - n))]
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=ast.Constant(value=int(n))):
            by = n if isinstance(op, ast.Add) else -n
            return [_plus(left, by + 1), _plus(left, by - 1)]
    return [_plus(number, 1), _plus(number, -1)]


def _plus(number: ast.expr, by: int) -> ast.expr:
    if by == 0:
        return number
    return ast.BinOp(number, ast.Add() if by > 0 else ast.Sub(), ast.Constant(abs(by)))
