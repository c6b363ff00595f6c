"""Small changes of a wrong line, the likely ones first.

People leave out a factor, take one operand for another, forget a transposition or a mean, or assign where they should
add. Each *edit* makes such changes of one expression.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator

from .expressions import as_read, copied, literal, parsed, parts_of, transposed, turned, with_part
from .scope import Scope
from .scripts import Unit

__all__ = ["changes_of"]

_POWERS = (-2.0, -1.5, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0, 3.0)
_EPSILONS = (1e-5, 1e-8, 1e-6, 1e-7, 1e-12, 1e-3)
_FUNCTIONS = (("sum", "mean"), ("exp", "log"), ("sin", "cos"), ("maximum", "minimum"))


def changes_of(unit: Unit, scope: Scope) -> Iterator[ast.stmt | ast.expr]:
    """Changed forms of a unit's line, the likely ones first."""
    statement, value = unit.statement, unit.value

    def with_value(new: ast.expr) -> ast.stmt | ast.expr:
        if unit.target is None:
            return new
        made = copied(statement)
        made.value = new  # type: ignore[attr-defined]
        return made

    if unit.target is not None:
        yield from _other_statements(statement, unit.target, value)
    for edit in (
        _of_one_expression,
        _everywhere,
        _of_the_whole,
        _of_one_number,
        _of_a_product,
        _with_a_factor,
        _with_a_term,
    ):
        for new in edit(value, scope):
            yield with_value(new)


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


def _of_one_expression(value: ast.expr, scope: Scope) -> Iterator[ast.expr]:
    """One part of the expression changed in its own place."""
    for path, node in parts_of(value):
        for new in _alternatives(node, scope):
            yield with_part(value, path, new)


def _everywhere(value: ast.expr, scope: Scope) -> Iterator[ast.expr]:
    """Another operand in the place of one wherever it stands, or a function of it."""
    texts = [ast.unparse(node) for _, node in parts_of(value)]
    for name in dict.fromkeys(text for text in texts if text in scope.shapes and texts.count(text) > 1):
        others = [*scope.of_shape(scope.shapes[name]), *(f"{function}({name})" for function in scope.functions)]
        for other in others:
            made = value
            for path, node in reversed(list(parts_of(value))):
                if ast.unparse(node) == name:
                    made = with_part(made, path, parsed(other))
            yield made


def _other_items(node: ast.Subscript) -> Iterator[ast.expr]:
    """The item before or after."""
    index = node.slice
    if isinstance(index, ast.BinOp):
        yield ast.Subscript(node.value, index.left, ast.Load())
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


def _other_calls(node: ast.Call) -> Iterator[ast.expr]:
    function = node.func
    name = (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )
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


def _of_one_number(value: ast.expr, scope: Scope) -> Iterator[ast.expr]:
    """Another number in the place of one."""
    named = {ast.unparse(factor) for factor in scope.factors}
    for path, node in parts_of(value):
        if isinstance(node, ast.Constant) and isinstance(node.value, bool):
            yield with_part(value, path, ast.Constant(not node.value))
        elif ast.unparse(node) in named or (isinstance(node, ast.Constant) and isinstance(node.value, int | float)):
            for factor in scope.factors:
                yield with_part(value, path, factor)


def _of_a_product(value: ast.expr, scope: Scope) -> Iterator[ast.expr]:
    """One factor of a product left out, there twice, or another derivative in its place."""
    for path, node in parts_of(value):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
            for kept, other in ((node.left, node.right), (node.right, node.left)):
                yield with_part(value, path, ast.BinOp(node, ast.Mult(), kept))
                yield with_part(value, path, ast.BinOp(node, ast.Div(), kept))
                for new in _derivatives(scope):
                    yield with_part(value, path, ast.BinOp(other, ast.Mult(), new))
    for factor in _factors(value)[:-1] if len(_factors(value)) > 2 else ():
        for new in _derivatives(scope):
            yield ast.BinOp(factor, ast.Mult(), new)


def _factors(value: ast.expr) -> list[ast.expr]:
    """The factors of a product of products."""
    match value:
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return [*_factors(left), *_factors(right)]
    return [value]


def _of_the_whole(value: ast.expr, scope: Scope) -> Iterator[ast.expr]:
    yield ast.UnaryOp(ast.USub(), value)
    yield transposed(value)
    named = [factor for factor in scope.factors if not isinstance(factor, ast.Constant | ast.UnaryOp)]
    numbers = [factor for factor in scope.factors if isinstance(factor, ast.Constant | ast.UnaryOp)]
    for factor in [*numbers[:2], *named, *numbers[2:]]:
        yield ast.BinOp(value, ast.Mult(), factor)
        yield ast.BinOp(value, ast.Div(), factor)
        if factor in named:
            yield ast.BinOp(ast.BinOp(ast.Constant(2), ast.Mult(), value), ast.Div(), factor)
    for axis, keep in itertools.product((0, 1, -1, None), (False, True)):
        yield _reduced(value, "sum", axis, keep)
        yield _reduced(value, "mean", axis, keep)


def _with_a_factor(value: ast.expr, scope: Scope) -> Iterator[ast.expr]:
    """A factor that was forgotten."""
    for name in scope.shapes:
        yield ast.BinOp(value, ast.Mult(), parsed(name))
        yield ast.BinOp(value, ast.Div(), parsed(name))
    for new in _derivatives(scope):
        yield ast.BinOp(value, ast.Mult(), new)
    for name in scope.arrays:
        if len(scope.shapes[name]) == 2:
            yield ast.BinOp(value, ast.MatMult(), transposed(parsed(name)))
            yield ast.BinOp(value, ast.MatMult(), parsed(name))


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


def _with_a_term(value: ast.expr, scope: Scope) -> Iterator[ast.expr]:
    """A term that was forgotten: something that there is, or a product of two such things."""
    names = list(scope.shapes)
    terms = [
        *names,
        *(
            f"{name}.{function}({axis})"
            for name in scope.arrays
            for function in ("sum", "mean")
            for axis in ("0", "axis=1", "0, keepdims=True", "1, keepdims=True")
        ),
    ]
    for a, b in itertools.product(names, repeat=2):
        terms += [f"{a} * {b}"] if a <= b else []
        if len(scope.shapes[a]) == 2 and len(scope.shapes[b]) == 2:
            terms += [f"{a} @ {b}.T", f"{a}.T @ {b}", f"{a} @ {b}"]
    for term in terms:
        yield ast.BinOp(value, ast.Add(), parsed(term))
        yield ast.BinOp(value, ast.Sub(), parsed(term))
