"""Small changes of a wrong line, the smallest first.

People leave out a factor, take one operand for another, forget a transposition or a mean, or assign where they should
add. Each *edit* makes such changes of one expression.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .expressions import Sizes, as_read, copied, literal, parsed, parts_of, transposed, turned, with_part
from .scope import Scope
from .scripts import Unit

__all__ = ["Edit", "edits_of", "with_value"]

_POWERS = (-2.0, -1.5, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0, 3.0)
_EPSILONS = (1e-5, 1e-8, 1e-6, 1e-7, 1e-12, 1e-3)
_FUNCTIONS = (("sum", "mean"), ("exp", "log"), ("sin", "cos"), ("maximum", "minimum"))
_A_DERIVATIVE, _A_TERM, _A_PRODUCT = 4, 3, 6
"""The sizes of what people forget as a whole, however many words it takes."""
_SMALL = 2
_MOST_SMALL = 60
"""Of the small changes, two of which are made at once."""

_Path = tuple[Any, ...]
_Changed = tuple[_Path, ast.expr]
"""The fields that lead to a part of an expression, and what stands there instead."""
_Sized = tuple[int, tuple[_Changed, ...], str]
"""The size of a change, the changed parts, and a term that is added to the whole: text, as most are never read."""


@dataclass(frozen=True)
class Edit:
    """A changed form of a line, or of its value, and the size of the change."""

    changed: ast.stmt | ast.expr
    size: int


def edits_of(unit: Unit, scope: Scope) -> Iterator[Edit]:
    """Changed forms of a unit's line, the smallest changes first, and of those the likely ones."""
    statement, value = unit.statement, unit.value
    if unit.target is not None:
        yield from (Edit(made, 1) for made in _other_statements(statement, unit.target, value))
    sized = sorted(_sized(value, scope), key=lambda one: one[0])
    small = [one for one in sized if one[0] <= _SMALL][:_MOST_SMALL]
    pairs = sorted(_pairs(small), key=lambda one: one[0])
    for size, places, term in sorted([*sized, *pairs], key=lambda one: one[0]):
        made = value
        for path, new in places:
            made = with_part(made, path, new)
        if term:
            made = ast.BinOp(made, ast.Add() if term[0] == "+" else ast.Sub(), parsed(term[1:]))
        yield Edit(with_value(unit, made), size)


def with_value(unit: Unit, value: ast.expr) -> ast.stmt | ast.expr:
    """A unit's statement with another value; the value alone where it is a part of the statement."""
    if unit.target is None:
        return value
    whole = copied(unit.statement)
    whole.value = value  # type: ignore[attr-defined]
    return whole


def _sized(value: ast.expr, scope: Scope) -> Iterator[_Sized]:
    """Every change of an expression in one place, and the same one in several, with its size.

    One length in the place of another counts more than the word that it is: the quotient of the two may be the 2 that
    was forgotten.
    """
    sizes = Sizes()
    for edit in (_of_one_expression, _everywhere, _of_the_whole, _of_one_number, _of_a_product, _with_a_factor):
        for path, new in edit(value, scope):
            old = _at(value, path)
            a_length = edit is _of_one_number and not (_is_literal(old) or _is_literal(new))
            yield sizes.of_change(old, new) + a_length, ((path, new),), ""
    for path, new in _with_a_derivative(value, scope):
        yield _A_DERIVATIVE, ((path, new),), ""
    for size, term in _terms_of(scope):
        yield size, (), f"+{term}"
        yield size, (), f"-{term}"


def _pairs(small: Sequence[_Sized]) -> Iterator[_Sized]:
    """Two small changes at once, in places that do not hold each other."""
    for (size, (one,), _), (other_size, (other,), _) in itertools.combinations(small, 2):
        n = min(len(one[0]), len(other[0]))
        if one[0][:n] != other[0][:n]:
            yield size + other_size + 2, (one, other), ""


def _is_literal(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant | ast.UnaryOp)


def _at(value: ast.expr, path: _Path) -> Any:
    """The part of an expression at the end of a path."""
    part: Any = value
    for step in path:
        part = part[step] if isinstance(step, int) else getattr(part, step)
    return part


def _other_statements(statement: ast.stmt, target: ast.expr, value: ast.expr) -> Iterator[ast.stmt]:
    """Adding for assigning, assigning for adding, and ``np.add.at`` for either."""
    assert isinstance(target, ast.Name | ast.Attribute | ast.Subscript)
    if isinstance(statement, ast.Assign):
        yield ast.AugAssign(target, ast.Add(), value)
    elif isinstance(statement, ast.AugAssign):
        for op in (ast.Add(), ast.Sub()):
            if type(op) is not type(statement.op):
                yield ast.AugAssign(target, op, value)
        yield ast.Assign([target], value)
    if isinstance(target, ast.Subscript):
        yield ast.Expr(ast.Call(parsed("np.add.at"), [as_read(target.value), target.slice, value], []))


def _of_one_expression(value: ast.expr, scope: Scope) -> Iterator[_Changed]:
    """One part of the expression changed in its own place."""
    for path, node in _outside_indices(value):
        for new in _alternatives(node, scope):
            yield path, new


def _outside_indices(value: ast.expr) -> Iterator[_Changed]:
    """The parts of an expression, without those of an index such as ``i + 1``: other items are changes of the whole."""
    inside: set[_Path] = set()
    for path, node in parts_of(value):
        if path[:-1] in inside or path in inside:
            inside.add(path)
            continue
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Name | ast.BinOp | ast.Constant):
            inside.add((*path, "slice"))
        yield path, node


def _everywhere(value: ast.expr, scope: Scope) -> Iterator[_Changed]:
    """Another operand in the place of one wherever it stands, a function of it, or every sum a mean."""
    texts = [ast.unparse(node) for _, node in parts_of(value)]
    for name in dict.fromkeys(text for text in texts if text in scope.shapes and texts.count(text) > 1):
        others = [*scope.of_shape(scope.shapes[name]), *(f"{function}({name})" for function in scope.functions)]
        for other in others:
            made = value
            for path, node in reversed(list(parts_of(value))):
                if ast.unparse(node) == name:
                    made = with_part(made, path, parsed(other))
            yield (), made
    made = copied(value)
    sums = [node.func for node in ast.walk(made) if isinstance(node, ast.Call) and _named(node) == "sum"]
    for function in sums if len(sums) > 1 else ():
        if isinstance(function, ast.Attribute):
            function.attr = "mean"
    if len(sums) > 1:
        yield (), made


def _other_items(node: ast.Subscript) -> Iterator[ast.expr]:
    """The item before or after."""
    index = node.slice
    if isinstance(index, ast.BinOp):
        for part in (index.left, index.right):
            if not isinstance(part, ast.Constant):
                yield ast.Subscript(node.value, part, ast.Load())
    if isinstance(index, ast.Name | ast.BinOp) or (isinstance(index, ast.Constant) and isinstance(index.value, int)):
        for op in (ast.Add(), ast.Sub()):
            yield ast.Subscript(node.value, ast.BinOp(index, op, ast.Constant(1)), ast.Load())


def _alternatives(node: ast.expr, scope: Scope) -> Iterator[ast.expr]:
    if isinstance(node, ast.Subscript):
        yield from _other_items(node)
    match node:
        case ast.Name() | ast.Attribute() | ast.Subscript() if (name := ast.unparse(node)) in scope.shapes:
            yield ast.UnaryOp(ast.USub(), node)
            for other in scope.of_shape(scope.shapes[name]):
                if other != name:
                    yield parsed(other)
            if len(scope.shapes[name]) == 2:
                yield transposed(node)
                for other in scope.of_shape(scope.shapes[name][::-1]):
                    yield transposed(parsed(other))
            yield ast.BinOp(node, ast.Pow(), ast.Constant(2))
            yield ast.BinOp(ast.Constant(1.0), ast.Div(), node)
            for small in (n for n, shape in scope.shapes.items() if not shape):
                yield ast.BinOp(node, ast.Add(), parsed(small))
            for epsilon in _EPSILONS:
                yield ast.BinOp(node, ast.Add(), ast.Constant(epsilon))
        case ast.Attribute(attr="T", value=inner):
            yield inner
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            yield operand
            yield from (ast.UnaryOp(ast.USub(), ast.Constant(p)) for p in (0.5, 1.5, 1, 2))
        case ast.BinOp():
            yield from _other_operations(node)
        case ast.Call():
            yield from _other_calls(node)


def _other_operations(node: ast.BinOp) -> Iterator[ast.expr]:
    left, right = node.left, node.right
    swapped = {ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Add: ast.Sub, ast.Sub: ast.Add}
    if type(node.op) in swapped:
        yield ast.BinOp(left, swapped[type(node.op)](), right)
    if isinstance(node.op, ast.Sub | ast.Div | ast.MatMult | ast.Pow):
        yield ast.BinOp(right, node.op, left)
    yield left
    yield right
    if isinstance(node.op, ast.Mult):
        yield ast.BinOp(left, ast.MatMult(), right)
    if isinstance(node.op, ast.MatMult):
        for a, b in ((left, right), (right, left)):
            for ta, tb in itertools.product((False, True), repeat=2):
                yield ast.BinOp(turned(a, ta), ast.MatMult(), turned(b, tb))
        yield ast.BinOp(left, ast.Mult(), right)
    if isinstance(node.op, ast.Pow):
        for power in _POWERS:
            yield ast.BinOp(left, ast.Pow(), literal(power))


def _named(call: ast.Call) -> str:
    """The last part of the name of the function that is called."""
    match call.func:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
    return ""


def _other_calls(node: ast.Call) -> Iterator[ast.expr]:
    function, name = node.func, _named(node)
    for pair in _FUNCTIONS:
        if name in pair:
            other = pair[1 - pair.index(name)]
            new = (
                ast.Attribute(function.value, other, ast.Load())
                if isinstance(function, ast.Attribute)
                else ast.Name(other, ast.Load())
            )
            yield ast.Call(new, node.args, node.keywords)
    inside = node.args[0] if node.args and not _is_method(node) else getattr(function, "value", None)
    if inside is not None:
        yield inside  # without the function
    if name in ("sum", "mean", "max") and inside is not None:
        for f, axis, keep in itertools.product(("sum", "mean"), (0, 1, -1, None), (False, True)):
            yield _reduced(inside, f, axis, keep)
    if len(node.args) == 2:
        yield ast.Call(function, node.args[::-1], node.keywords)


def _reduced(value: ast.expr, function: str, axis: int | None, keep: bool) -> ast.expr:
    """``value.sum(axis=0, keepdims=True)`` and the like."""
    keywords = [] if axis is None else [ast.keyword("axis", literal(axis))]
    keywords += [ast.keyword("keepdims", ast.Constant(True))] if keep else []
    return ast.Call(ast.Attribute(value, function, ast.Load()), [], keywords)


def _is_method(call: ast.Call) -> bool:
    """Whether a call is one of a method, not of a function in a module such as ``np``."""
    function = call.func
    return isinstance(function, ast.Attribute) and not (
        isinstance(function.value, ast.Name) and function.value.id in ("np", "numpy", "torch", "math")
    )


def _of_one_number(value: ast.expr, scope: Scope) -> Iterator[_Changed]:
    """Another number in the place of one, or an array in the place of a length's name."""
    named = {ast.unparse(factor) for factor in scope.factors}
    for path, node in _outside_indices(value):
        if isinstance(node, ast.Constant) and isinstance(node.value, bool):
            yield path, ast.Constant(not node.value)
        elif ast.unparse(node) in named or (isinstance(node, ast.Constant) and isinstance(node.value, int | float)):
            for new in [*scope.factors, *(map(parsed, scope.shapes) if isinstance(node, ast.Name) else ())]:
                if not (_is_one(new) and _is_factor(value, path)):  # nobody writes 1 * x
                    yield path, new


def _is_one(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == 1


def _is_factor(value: ast.expr, path: _Path) -> bool:
    """Whether a part is multiplied by another, or divides one."""
    whole = _at(value, path[:-1]) if path else None
    if not isinstance(whole, ast.BinOp):
        return False
    return isinstance(whole.op, ast.Mult) or (isinstance(whole.op, ast.Div) and path[-1] == "right")


def _of_a_product(value: ast.expr, scope: Scope) -> Iterator[_Changed]:
    """One factor of a product left out, or there twice."""
    for path, node in parts_of(value):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
            for kept in (node.left, node.right):
                yield path, ast.BinOp(node, ast.Mult(), kept)
                yield path, ast.BinOp(node, ast.Div(), kept)


def _with_a_derivative(value: ast.expr, scope: Scope) -> Iterator[_Changed]:
    """The derivative of an activation as one more factor, or in the place of one."""
    derivatives = list(_derivatives(scope))
    for new in derivatives:
        yield (), ast.BinOp(value, ast.Mult(), new)
    for path, node in parts_of(value):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
            for other in (node.right, node.left):
                for new in derivatives:
                    yield path, ast.BinOp(other, ast.Mult(), new)
    for factor in _factors(value)[:-1] if len(_factors(value)) > 2 else ():
        for new in derivatives:
            yield (), ast.BinOp(factor, ast.Mult(), new)


def _factors(value: ast.expr) -> list[ast.expr]:
    """The factors of a product of products."""
    match value:
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return [*_factors(left), *_factors(right)]
    return [value]


def _of_the_whole(value: ast.expr, scope: Scope) -> Iterator[_Changed]:
    yield (), ast.UnaryOp(ast.USub(), value)
    yield (), transposed(value)
    named = [factor for factor in scope.factors if not _is_literal(factor)]
    numbers = [factor for factor in scope.factors if _is_literal(factor)]
    for factor in [*numbers[:2], *named, *numbers[2:]]:
        yield (), _times(factor, value)
        yield (), ast.BinOp(value, ast.Div(), factor)
        if factor in named:
            yield (), ast.BinOp(ast.BinOp(ast.Constant(2), ast.Mult(), value), ast.Div(), factor)
    for axis, keep in itertools.product((0, 1, -1, None), (False, True)):
        yield (), _reduced(value, "sum", axis, keep)
        yield (), _reduced(value, "mean", axis, keep)


def _times(factor: ast.expr, value: ast.expr) -> ast.expr:
    """A product as it is written: ``2 * (a - b) / n``."""
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult | ast.Div):
        return ast.BinOp(_times(factor, value.left), value.op, value.right)
    return ast.BinOp(factor, ast.Mult(), value)


def _with_a_factor(value: ast.expr, scope: Scope) -> Iterator[_Changed]:
    """A factor that was forgotten, of the whole or of a term."""
    for path, node in [((), value), *_terms(value)]:
        for new in [*map(parsed, scope.shapes), *(scope.factors if path else ())]:
            yield path, _times(new, node)
            yield path, ast.BinOp(node, ast.Div(), new)
    for name in scope.arrays:
        if len(scope.shapes[name]) == 2:
            yield (), ast.BinOp(value, ast.MatMult(), transposed(parsed(name)))
            yield (), ast.BinOp(value, ast.MatMult(), parsed(name))


def _terms(value: ast.expr) -> Iterator[_Changed]:
    """The terms of the sums and differences inside an expression, and what is summed over axes."""
    for path, node in parts_of(value):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            yield (*path, "left"), node.left
            yield (*path, "right"), node.right
        if isinstance(node, ast.Call) and _named(node) in ("sum", "mean"):
            if isinstance(node.func, ast.Attribute) and _is_method(node):
                yield (*path, "func", "value"), node.func.value
            elif node.args:
                yield (*path, "args", 0), node.args[0]


def _derivatives(scope: Scope) -> Iterator[ast.expr]:
    """The derivatives of activations, of everything that there is."""
    for name in scope.shapes:
        for form in (
            "(1 - {0} ** 2)",
            "({0} * (1 - {0}))",
            "({0} > 0)",
            "(2 * {0})",
            "np.cos({0})",
            "{0} ** -2.0",
            "{0} ** -1.5",
            "(-0.5 * {0} ** -1.5)",
        ):
            yield parsed(form.format(name))

    for function, name in itertools.product(scope.functions, scope.shapes):
        yield parsed(f"{function}({name})")


def _terms_of(scope: Scope) -> Iterator[tuple[int, str]]:
    """A term that was forgotten: something that there is, or a product of two such things."""
    names = list(scope.shapes)
    sums = [
        f"{name}.{function}({axis})"
        for name in scope.arrays
        for function in ("sum", "mean")
        for axis in ("0", "axis=1", "0, keepdims=True", "1, keepdims=True")
    ]
    products = []
    for a, b in itertools.product(names, repeat=2):
        products += [f"{a} * {b}"] if a <= b else []
        if len(scope.shapes[a]) == 2 and len(scope.shapes[b]) == 2:
            products += [f"{a} @ {b}.T", f"{a}.T @ {b}", f"{a} @ {b}"]
    for size, terms in ((_A_TERM, names), (_A_TERM + 1, sums), (_A_PRODUCT, products)):
        yield from ((size, term) for term in terms)
