"""Python source rewritten so that a ``Recorder`` sees every operation that it does.

``a.T @ (b - c)`` becomes ``watch.binary(…, watch.attribute(…, a, "T"), watch.binary(…, b, c))``: the recorder is given
the operands and does the operation itself, so that it knows which object was made from which. What the program computes
does not change. A *unit* is a place where a value gets its name: an assignment, an item of a dict that is returned.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any

from .expressions import as_read, copied
from .scripts import WATCH, Change, Place, Script, Unit

__all__ = ["rewritten"]

_FRAMES = {"super", "locals", "globals", "vars", "eval", "exec", "dir"}
"""Functions that look at the frame that calls them, and so are called directly."""

_Statements = list[ast.stmt]


def rewritten(definition: ast.stmt, file: str, script: Script, changes: Sequence[Change] = ()) -> ast.stmt:
    """A function or class with every operation done by the recorder; its units are added to ``script``.

    ``changes`` are made first.
    """
    made: ast.stmt = copied(definition)
    for change in changes:
        if change.unit.place.file == file:
            made = _Changing(change).visit(made)
    made = _Rewriter(file, script).visit(made)
    return ast.fix_missing_locations(made)


class _Changing(ast.NodeTransformer):
    def __init__(self, change: Change) -> None:
        self._change, self._old = change, ast.unparse(change.unit.statement)

    def generic_visit(self, node: ast.AST) -> Any:
        old, new = self._change.unit.statement, self._change.statement
        if self._change.front:
            if isinstance(node, ast.stmt) and node.lineno == old.lineno and ast.unparse(node) == self._old:
                return [ast.fix_missing_locations(ast.copy_location(copied(new), node)), node]
        elif isinstance(node, ast.For) and isinstance(old, ast.For) and isinstance(new, ast.For):
            if node.lineno == old.lineno:  # its body may be changed too
                node.iter = copied(new.iter)
        elif isinstance(node, ast.stmt) and node.lineno == old.lineno and ast.unparse(node) == self._old:
            return ast.copy_location(copied(new), node)
        return super().generic_visit(node)


class _Expressions(ast.NodeTransformer):
    """Expressions with every operation done by the recorder, and the units that they belong to."""

    def __init__(self, file: str, script: Script) -> None:
        self._file, self._script = file, script
        self._statement: ast.stmt = ast.Pass()
        self._unit = -1
        self._arguments: dict[int, int] = {}
        """The units that arguments are, by the identity of their expressions."""
        self._function = ""

    # ---- units

    def _new_unit(self, value: ast.expr, target: ast.expr | None, name: str | None) -> int:
        number = len(self._script.units)
        at = value if target is None and name else self._statement
        line = getattr(at, "lineno", getattr(self._statement, "lineno", 1))
        place = Place(self._file, line, getattr(at, "col_offset", 0))
        value, target = copied(value), None if target is None else copied(target)
        self._script.units.append(Unit(number, place, self._statement, value, target, name, self._function))
        return number

    def _valued(self, unit: int, value: ast.expr) -> ast.expr:
        """A value of a unit: the recorder is told, and may put another in its place."""
        outer, self._unit = self._unit, unit
        made = self._call("unit", ast.Constant(unit), self.visit(value))
        self._unit = outer
        return made

    def _items(self, value: ast.expr, name: str | None) -> ast.expr:
        """A display with each of its items a unit; another expression is one unit."""
        match value:
            case ast.Dict(keys=keys) if keys:
                value.values = [
                    self._items(item, _key(key) or name) for key, item in zip(keys, value.values, strict=True)
                ]
                return value
            case ast.List(elts=items) | ast.Tuple(elts=items) if items:
                value.elts = [self._items(item, _loaded(item) or name) for item in items]
                return value
            case ast.BinOp(left=left, right=right) if _is_display(left) or _is_display(right):
                value.left, value.right = self._items(left, name), self._items(right, name)
                return value
            case ast.Call(args=arguments, keywords=keywords, func=function):
                unit = self._new_unit(value, None, name)
                if isinstance(self._statement, ast.Expr) or (isinstance(function, ast.Name) and function.id == "dict"):
                    named = [(argument, None) for argument in arguments] + [(k.value, k.arg) for k in keywords]
                    for argument, its in named:
                        if not isinstance(argument, ast.Starred | ast.Name | ast.Constant | ast.Attribute):
                            self._arguments[id(argument)] = self._new_unit(argument, None, its)
                return self._valued(unit, value)
            case ast.Starred():
                return value
        return self._valued(self._new_unit(value, None, name), value)

    # ---- expressions

    def _operation(self, kind: str, *operands: ast.expr) -> ast.expr:
        self._script.operations.append(self._unit)
        return self._call(kind, ast.Constant(len(self._script.operations) - 1), *operands)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        made = self._operation("binary", ast.Constant(type(node.op).__name__))
        assert isinstance(made, ast.Call)
        made.args += [self.visit(node.left), self.visit(node.right)]
        return made

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        if isinstance(node.op, ast.Not | ast.Invert) or isinstance(node.operand, ast.Constant):
            return self.generic_visit(node)
        made = self._operation("unary", ast.Constant(type(node.op).__name__))
        assert isinstance(made, ast.Call)
        made.args.append(self.visit(node.operand))
        return made

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id in _FRAMES:
            return node
        if isinstance(node.func, ast.Attribute) and not node.func.attr.startswith("__"):
            made = self._operation("method", ast.Constant(node.func.attr))
            assert isinstance(made, ast.Call)
            made.args.append(self.visit(node.func.value))
        else:
            made = self._operation("call")
            assert isinstance(made, ast.Call)
            made.args.append(self.visit(node.func))
        made.args += map(self._argument, node.args)
        made.keywords = [ast.keyword(keyword.arg, self._argument(keyword.value)) for keyword in node.keywords]
        return made

    def _argument(self, node: ast.expr) -> ast.expr:
        unit = self._arguments.get(id(node))
        made: ast.expr = self.visit(node) if unit is None else self._valued(unit, node)
        return made

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        made = self._operation("item")
        assert isinstance(made, ast.Call)
        made.args += [self.visit(node.value), self._index(node.slice)]
        return made

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if node.attr.startswith("__"):
            return self.generic_visit(node)
        made = self._operation("attribute")
        assert isinstance(made, ast.Call)
        made.args += [self.visit(node.value), ast.Constant(node.attr)]
        return made

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return node

    def _index(self, index: ast.expr) -> ast.expr:
        match index:
            case ast.Slice(lower=lower, upper=upper, step=step):
                parts = [ast.Constant(None) if part is None else self.visit(part) for part in (lower, upper, step)]
                return self._call("slice", *parts)
            case ast.Tuple(elts=parts):
                return ast.Tuple([self._index(part) for part in parts], ast.Load())
        made: ast.expr = self.visit(index)
        return made

    # ---- calls of the recorder

    def _call(self, kind: str, *arguments: ast.expr) -> ast.Call:
        call = ast.Call(ast.Attribute(ast.Name(WATCH, ast.Load()), kind, ast.Load()), list(arguments), [])
        return ast.copy_location(call, self._statement)

    def _told(self, kind: str, *arguments: ast.expr) -> ast.stmt:
        return ast.copy_location(ast.Expr(self._call(kind, *arguments)), self._statement)


class _Rewriter(_Expressions):
    """Statements that tell the recorder about themselves."""

    # ---- statements

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        outer, self._function = self._function, node.name
        node.body = self._block(node.body)
        self._function = outer
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.body = self._block(node.body)
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return node

    def _block(self, statements: _Statements) -> _Statements:
        return [made for statement in statements for made in self._statements(statement)]

    def _statements(self, statement: ast.stmt) -> Iterator[ast.stmt]:
        """What stands for one statement: the calls that it consists of, and what tells the recorder about it."""
        outer, self._statement, outer_unit = self._statement, copied(statement), self._unit
        match statement:
            case ast.Assign(targets=[target]) | ast.AnnAssign(target=target):
                if statement.value is not None:
                    yield from self._assignment(statement, target)
                else:
                    yield statement
            case ast.Assign():
                unit = self._new_unit(statement.value, None, None)
                statement.value = self._valued(unit, statement.value)
                yield self._told("at", ast.Constant(unit))
                yield statement
            case ast.AugAssign():
                yield from self._augmented(statement)
            case ast.Return(value=ast.expr()) | ast.Expr():
                first = len(self._script.units)
                assert statement.value is not None
                statement.value = self._items(statement.value, None)
                for unit in range(first, len(self._script.units)):
                    yield self._told("at", ast.Constant(unit))
                yield statement
            case ast.If() | ast.For() | ast.While() | ast.With() | ast.Try() | ast.Match():
                yield self._compound(statement)
            case ast.FunctionDef() | ast.ClassDef():
                yield self.visit(statement)
            case _:
                yield statement
        self._statement, self._unit = outer, outer_unit

    def _compound(self, statement: ast.stmt) -> ast.stmt:
        self._unit = self._new_unit(ast.Constant(None), None, None)
        for name, old in ast.iter_fields(statement):
            if name in ("body", "orelse", "finalbody"):
                setattr(statement, name, self._block(old))
            elif name in ("handlers", "cases"):
                for part in old:
                    part.body = self._block(part.body)
            elif name in ("iter", "test"):
                setattr(statement, name, self.visit(old))
            elif name == "items":
                for item in old:
                    item.context_expr = self.visit(item.context_expr)
        return statement

    def _assignment(self, statement: ast.Assign | ast.AnnAssign, target: ast.expr) -> Iterator[ast.stmt]:
        first, value = len(self._script.units), statement.value
        assert value is not None
        if isinstance(target, ast.Tuple | ast.List):
            if (
                isinstance(value, ast.Tuple | ast.List)
                and len(value.elts) == len(target.elts)
                and not any(isinstance(item, ast.Starred) for item in [*value.elts, *target.elts])
            ):
                value.elts = [
                    self._valued(self._new_unit(item, None, _name(to)), item)
                    for item, to in zip(value.elts, target.elts, strict=True)
                ]
            else:
                statement.value = self._valued(self._new_unit(value, None, None), value)
        elif _is_display(value):
            statement.value = self._items(value, _name(target))
        else:
            statement.value = self._valued(self._new_unit(value, target, _name(target)), value)
        stored_in = copied(target)
        if isinstance(target, ast.Subscript | ast.Attribute):
            statement_target = self._operands_of_target(target)
            if isinstance(statement, ast.Assign):
                statement.targets = [statement_target]
            else:
                statement.target = statement_target  # type: ignore[assignment]
        for unit in range(first, len(self._script.units)):
            yield self._told("at", ast.Constant(unit))
        yield statement
        names = [name for name in ast.walk(stored_in) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)]
        for name in names:
            yield self._told("bound", ast.Constant(first), ast.Constant(name.id), ast.Name(name.id, ast.Load()))
        if isinstance(stored_in, ast.Subscript) and (root := _plain(stored_in.value)) is not None:
            yield self._told("changed", ast.Constant(first), root)

    def _augmented(self, statement: ast.AugAssign) -> Iterator[ast.stmt]:
        target = statement.target
        unit = self._unit = self._new_unit(statement.value, target, _name(target))
        display = _is_display(statement.value)
        value = self._items(statement.value, None) if display else self.visit(statement.value)
        op = ast.Constant(type(statement.op).__name__)
        for number in range(unit, len(self._script.units)):
            yield self._told("at", ast.Constant(number))
        if isinstance(target, ast.Name):
            old: ast.expr = ast.Name(target.id, ast.Load())
            yield ast.Assign([target], self._call("augmented", ast.Constant(unit), op, old, value))
            yield self._told("bound", ast.Constant(unit), ast.Constant(target.id), old)
        elif isinstance(target, ast.Attribute):
            whose = self.visit(target.value)
            yield ast.Expr(
                self._call("augmented_attribute", ast.Constant(unit), op, whose, ast.Constant(target.attr), value)
            )
        else:
            index = self._index(target.slice)
            yield ast.Expr(self._call("augmented_item", ast.Constant(unit), op, self.visit(target.value), index, value))

    def _operands_of_target(self, target: ast.Subscript | ast.Attribute) -> ast.expr:
        target.value = self.visit(target.value)
        if isinstance(target, ast.Subscript):
            target.slice = self._index(target.slice)
        return target


def _is_display(value: ast.expr) -> bool:
    """Whether an expression lists the items of a container."""
    return isinstance(value, ast.Dict | ast.List | ast.Tuple) and bool(_contents(value))


def _contents(display: ast.expr) -> list[ast.expr]:
    return display.values if isinstance(display, ast.Dict) else display.elts  # type: ignore[attr-defined]


def _name(target: ast.expr) -> str | None:
    match target:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(slice=ast.Constant(value=str() as name)):
            return name
        case ast.Subscript(value=value):
            return _name(value)
    return None


def _loaded(item: ast.expr) -> str | None:
    return item.id if isinstance(item, ast.Name) else None


def _key(key: ast.expr | None) -> str | None:
    return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else None


def _plain(value: ast.expr) -> ast.expr | None:
    """An expression that may be evaluated again: a name, and attributes of it."""
    inner = value
    while isinstance(inner, ast.Attribute):
        inner = inner.value
    if not isinstance(inner, ast.Name):
        return None
    return as_read(value)
