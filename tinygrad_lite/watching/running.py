"""A function written by hand, run under a recorder: the function itself, and the helpers and classes that it uses.

Only copies are rewritten and run; the function, its module and the objects in it stay as they are.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import linecache
import math
import sysconfig
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import CellType, CodeType, FunctionType, MethodType
from typing import Any, TypeVar

from ..errors import TinygradError
from .copies import fresh, unmoved
from .expressions import copied
from .recorder import Occurrence, Recorder, Visits
from .rewriting import rewritten
from .scripts import WATCH, Change, Script

__all__ = ["NotWatchedError", "Program"]

Definition = TypeVar("Definition", ast.FunctionDef, ast.ClassDef)

_OWN = Path(__file__).parents[1]
_FACTORY = "__with_cells__"


class NotWatchedError(TinygradError):
    """A function whose lines cannot be watched: its message says why."""


class Program:
    """A function of the user's with statements changed, rewritten. ``run`` calls it under a new recorder.

    Raises ``NotWatchedError`` where its source is not at hand.
    """

    def __init__(
        self, function: Callable[..., Any], changes: Sequence[Change] = (), sources: _Sources | None = None
    ) -> None:
        self.script = Script()
        self._sources = _Sources() if sources is None else sources
        self._function, self._copies = function, _Copies(self.script, changes, self._sources)
        self._copies.of(function)

    def changed(self, changes: Sequence[Change]) -> Program:
        """The same function with these changes and no others; its files are not read again."""
        return Program(self._function, changes, self._sources)

    def run(
        self,
        call: Callable[[Callable[..., Any]], Any],
        overrides: Mapping[Occurrence, Any],
        visits: Visits | None = None,
        deadline: float = math.inf,
        moved: Callable[[Any], Any] = unmoved,
    ) -> tuple[Any, Recorder]:
        """What ``call(function)`` returns, and the recorder that watched it.

        ``moved`` makes the copies of the arrays and floats that the function reads and is given; see ``fresh``.
        """
        recorder = Recorder(self.script, overrides, visits or {}, deadline)
        return call(self._copies.ready(self._function, recorder, moved)), recorder


class _Copies:
    """Rewritten copies of functions and classes, each made once; what they may change is copied for every run."""

    def __init__(self, script: Script, changes: Sequence[Change], sources: _Sources) -> None:
        self.script, self._changes, self._sources = script, changes, sources
        self._namespaces: dict[int, tuple[Mapping[str, Any], dict[str, Any]]] = {}
        """The names of each module, and a copy of them, by the identity of the module's."""
        self._data: list[tuple[Mapping[str, Any], dict[str, Any], str]] = []
        self._cells: list[tuple[CellType, CellType]] = []
        """The cells of closures, and those in their place."""
        self._made: dict[int, Any] = {}

    def of(self, what: Any) -> Any:
        """A rewritten function, class, method or callable object."""
        if isinstance(what, MethodType):
            self.of(type(what.__self__))
            return getattr(fresh(what.__self__, self._or_itself), what.__name__)
        if not isinstance(what, FunctionType | type):
            call = vars(type(what)).get("__call__")
            if isinstance(call, FunctionType):
                return self.of(MethodType(call, what))
            raise NotWatchedError(f"{what!r} is no function written in Python")
        if id(what) not in self._made:
            self._made[id(what)] = what  # for functions that call each other
            self._made[id(what)] = self._class(what) if isinstance(what, type) else self._function(what)
        return self._made[id(what)]

    def ready(
        self, function: Callable[..., Any], recorder: Recorder, moved: Callable[[Any], Any]
    ) -> Callable[..., Any]:
        """The rewritten function, with new copies of everything that it may change."""
        memo: dict[int, Any] = {}
        for original, namespace, name in list(self._data):
            namespace[name] = fresh(original[name], self._or_itself, memo, moved=moved)
        for old, cell in list(self._cells):
            cell.cell_contents = fresh(old.cell_contents, self._or_itself, memo, moved=moved)
        made: Callable[..., Any] = self.of(function)
        for _, namespace in self._namespaces.values():
            namespace[WATCH] = recorder
        return made if moved is unmoved else _given(made, moved)

    def _or_itself(self, what: Any) -> Any:
        """A rewritten function or class of the user's; any other as it is."""
        if isinstance(what, FunctionType | type) and _is_the_users(what):
            with contextlib.suppress(NotWatchedError):  # what it returns is then the result of one operation
                return self.of(what)
        return what

    def _class(self, cls: type) -> type:
        methods = [f for f in vars(cls).values() if isinstance(f, FunctionType)]
        if not methods:
            raise NotWatchedError(f"{cls.__qualname__} has no methods")
        file = methods[0].__code__.co_filename
        first = min(f.__code__.co_firstlineno for f in methods)
        around = [
            node
            for node in self._sources.definitions(file, ast.ClassDef)
            if node.name == cls.__name__ and node.lineno <= first
        ]
        if not around:
            raise NotWatchedError(f"the source of {cls.__qualname__} is not at hand")
        if any(set(f.__code__.co_freevars) - {"__class__"} for f in methods):
            raise NotWatchedError(f"{cls.__qualname__} reads names of the function around it")
        namespace = self._namespace(methods[0].__globals__)
        own_names = {name.id for base in around[-1].bases for name in ast.walk(base) if isinstance(name, ast.Name)}
        self._link(methods[0].__globals__, own_names)
        for name in own_names & namespace.keys():
            namespace[name] = self._or_itself(namespace[name])
        tree = ast.Module([rewritten(around[-1], file, self.script, self._changes)], [])
        exec(compile(tree, file, "exec"), namespace)
        made: type = namespace[cls.__name__]
        self._made[id(cls)] = made
        own = [f for f in vars(made).values() if isinstance(f, FunctionType)]
        self._link(methods[0].__globals__, {n for f in own for code in _codes(f.__code__) for n in code.co_names})
        return made

    def _function(self, function: FunctionType) -> FunctionType:
        code = function.__code__
        found = [
            node
            for node in self._sources.definitions(code.co_filename, ast.FunctionDef)
            if node.name == code.co_name
            and code.co_firstlineno in (node.lineno, *(decorator.lineno for decorator in node.decorator_list))
        ]
        if not found:
            raise NotWatchedError(f"the source of {function.__qualname__} is not at hand")
        definition = copied(found[0])
        definition.decorator_list = []
        namespace = self._namespace(function.__globals__)
        arguments = ast.arguments([], [ast.arg(name) for name in code.co_freevars], None, [], [], None, [])
        body = [rewritten(definition, code.co_filename, self.script, self._changes)]
        factory = ast.copy_location(ast.FunctionDef(_FACTORY, arguments, body, []), definition)
        compiled = compile(ast.fix_missing_locations(ast.Module([factory], [])), code.co_filename, "exec")
        inner = next(c for c in _codes(compiled) if c.co_name == code.co_name and c is not compiled)
        cells = {name: CellType() for name in code.co_freevars}
        self._cells += zip(function.__closure__ or (), cells.values(), strict=True)
        closure = tuple(cells[name] for name in inner.co_freevars)
        made = FunctionType(inner, namespace, function.__name__, function.__defaults__, closure)
        made.__kwdefaults__ = function.__kwdefaults__
        self._made[id(function)] = made
        self._link(function.__globals__, {name for c in _codes(inner) for name in c.co_names})
        return made

    def _namespace(self, names: Mapping[str, Any]) -> dict[str, Any]:
        silent = {"print": lambda *_, **__: None, WATCH: Recorder(self.script)}  # for the bodies of classes
        return self._namespaces.setdefault(id(names), (names, {**silent, **names}))[1]

    def _link(self, original: Mapping[str, Any], names: set[str]) -> None:
        """Note the names of a module that a function reads, so that each run has a copy of what they hold."""
        namespace = self._namespace(original)
        for name in sorted(names & original.keys()):
            self._data.append((original, namespace, name))
            namespace[name] = fresh(original[name], self._or_itself)


class _Sources:
    """What files define; each is parsed once."""

    def __init__(self) -> None:
        self._defined: dict[str, list[ast.FunctionDef | ast.ClassDef]] = {}

    def definitions(self, file: str, kind: type[Definition]) -> list[Definition]:
        """The functions or classes that a file defines, in order."""
        if file not in self._defined:
            try:
                tree = ast.parse("".join(linecache.getlines(file)))
            except SyntaxError as error:  # the file was changed since it was imported
                raise NotWatchedError(f"{file} cannot be read: {error}") from error
            found = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef))
            self._defined[file] = sorted(found, key=lambda node: node.lineno)
        return [node for node in self._defined[file] if isinstance(node, kind)]


def _given(function: Callable[..., Any], moved: Callable[[Any], Any]) -> Callable[..., Any]:
    """The function, given other numbers than those that it is called with."""

    @functools.wraps(function)
    def given(*arguments: Any, **named: Any) -> Any:
        return function(*fresh(arguments, moved=moved), **fresh(named, moved=moved))

    return given


def _codes(code: CodeType) -> Iterator[CodeType]:
    stack = [code]
    while stack:
        found = stack.pop()
        yield found
        stack += [c for c in found.co_consts if isinstance(c, CodeType)]


def _is_the_users(what: FunctionType | type) -> bool:
    methods = (
        [what] if isinstance(what, FunctionType) else [f for f in vars(what).values() if isinstance(f, FunctionType)]
    )
    if not methods:
        return False
    return not _is_of_a_library(methods[0].__code__.co_filename)


@cache
def _is_of_a_library(name: str) -> bool:
    """Whether a file is Python's own, of an installed package, or of this one."""
    file = Path(name).resolve()
    installed = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")]
    return any(file.is_relative_to(path) for path in [*installed, _OWN])
