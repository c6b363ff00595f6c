"""The numbers and functions that a line may read, by the text that reads them."""

from __future__ import annotations

import ast
import contextlib
import dis
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType, FunctionType, ModuleType
from typing import Any

import numpy as np

from .expressions import literal, parsed, parts_of
from .recorder import numbers_of
from .scripts import WATCH, Unit

__all__ = ["Scope"]

_MOST_FUNCTIONS = 10
_MOST_ITEMS = 40
_MOST_INDICES = 4

_BUILTINS = ("abs", "float", "int", "len", "max", "min", "pow", "round", "sum")
_LIBRARIES = ("numpy", "math", "scipy", "torch", "jax", "autograd")
"""What a function reads that only computes."""

_EFFECTS = (
    "STORE_GLOBAL", "DELETE_GLOBAL", "IMPORT_NAME", "STORE_ATTR", "DELETE_ATTR", "STORE_SUBSCR", "DELETE_SUBSCR",
    "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT", "JUMP_ABSOLUTE", "POP_JUMP_BACKWARD_IF_TRUE",
    "POP_JUMP_BACKWARD_IF_FALSE", "POP_JUMP_BACKWARD_IF_NONE", "POP_JUMP_BACKWARD_IF_NOT_NONE",
)  # fmt: skip
"""Instructions of a function that does more, or may never end. Source: the documentation of dis."""

_FILES = ("save", "tofile", "dump")


@dataclass(frozen=True)
class Scope:
    """The shapes of the numbers that a line may read, by their text; numbers for factors; functions of one number."""

    shapes: Mapping[str, tuple[int, ...]]
    factors: Sequence[ast.expr]
    functions: Sequence[str]
    numbers: Mapping[str, Any]
    lengths: Mapping[str, int]
    """What a mean divides by: the whole numbers with names, and the lengths of axes."""

    @classmethod
    def of(cls, unit: Unit, frame: FrameType, factors: Iterable[float]) -> Scope:
        """What the line of a unit may read in a frame."""
        names = {**frame.f_globals, **frame.f_locals}
        numbers = dict(_numbers(unit, frame))
        shapes = {text: np.shape(n) for text, n in numbers.items()}
        functions = [name for name, value in names.items() if _takes_one(value) and _only_computes(value)]
        constants = _constants(unit, names, shapes, [*factors, *_literals(frame)])
        return cls(shapes, constants, functions[:_MOST_FUNCTIONS], numbers, _lengths(names, shapes))

    def of_shape(self, shape: tuple[int, ...]) -> Iterator[str]:
        return (text for text, own in self.shapes.items() if own == shape)

    @property
    def arrays(self) -> list[str]:
        return [text for text, shape in self.shapes.items() if shape]


def _numbers(unit: Unit, frame: FrameType) -> Iterator[tuple[str, Any]]:
    """The numbers at hand, by the text that reads them: names, attributes of objects, items of lists and dicts."""
    own = [(name, value) for name, value in frame.f_locals.items() if name != WATCH]
    own += [
        (name, frame.f_globals[name])
        for name in dict.fromkeys([*sorted(unit.loaded), *frame.f_code.co_names])
        if name in frame.f_globals and name not in frame.f_locals and name != WATCH
    ]
    for text, value in _read(unit, frame):
        if (n := numbers_of(value)) is not None:
            yield text, n
    for name, value in own:
        if (n := numbers_of(value)) is not None:
            yield name, n
            continue
        inside: Iterable[tuple[str, Any]] = ()
        if isinstance(value, dict | list | tuple):
            for text, item in _indexed(name, value, unit, frame):
                if (n := numbers_of(item)) is not None:
                    yield text, n
        if isinstance(value, dict):
            inside = ((f"{name}[{key!r}]", item) for key, item in value.items() if isinstance(key, str | int))
        elif isinstance(value, list | tuple):
            inside = ((f"{name}[{k}]", item) for k, item in enumerate(value))
        elif isinstance(getattr(value, "__dict__", None), dict) and not isinstance(
            value, type | ModuleType | FunctionType
        ):
            inside = ((f"{name}.{key}", item) for key, item in vars(value).items())
        for text, item in itertools.islice(inside, _MOST_ITEMS):
            if (n := numbers_of(item)) is not None:
                yield text, n


def _indexed(
    name: str, whose: dict[Any, Any] | list[Any] | tuple[Any, ...], unit: Unit, frame: FrameType
) -> Iterator[tuple[str, Any]]:
    """The items of a list or a dict by a variable that holds their place, and the ones beside it.

    In a loop another item is meant in every turn, which no number says.
    """
    own = [(i, place) for i, place in frame.f_locals.items() if type(place) is int and i != name]
    for i, place in sorted(own, key=lambda one: one[0] not in unit.loaded)[:_MOST_INDICES]:
        for index, at in ((i, place), (f"{i} + 1", place + 1), (f"{i} - 1", place - 1)):
            if isinstance(whose, dict):
                if at in whose:
                    yield f"{name}[{index}]", whose[at]
                for key in whose:
                    if isinstance(key, str) and key.endswith(str(at)) and key[: -len(str(at))].isidentifier():
                        yield f"{name}[f'{key[: -len(str(at))]}{{{index}}}']", whose[key]
            elif -1 <= at < len(whose):
                yield f"{name}[{index}]", whose[at]


def _read(unit: Unit, frame: FrameType) -> Iterator[tuple[str, Any]]:
    """What the line itself reads: items and attributes of what has a name."""
    for _, node in parts_of(unit.value):
        if isinstance(node, ast.Subscript | ast.Attribute) and not any(isinstance(n, ast.Call) for n in ast.walk(node)):
            text = ast.unparse(node)
            with contextlib.suppress(Exception):  # a name that is bound inside the line
                yield text, eval(compile(text, "<a part of a line>", "eval"), frame.f_globals, dict(frame.f_locals))


def _takes_one(value: Any) -> bool:
    return isinstance(value, FunctionType) and value.__code__.co_argcount - len(value.__defaults__ or ()) == 1


def _only_computes(function: FunctionType) -> bool:
    """Whether a function, called by a changed line and not by the program, can do no more than compute.

    It reads modules of mathematics, numbers and functions that only compute themselves, and has no loop and no
    recursion: a ``main`` or a ``save`` of the same file is never called to try a line.
    """
    pending, seen = [function], {function}
    while pending:
        one = pending.pop()
        if one.__code__.co_freevars:
            return False
        for step in dis.get_instructions(one.__code__):
            name = step.argval
            if step.opname in _EFFECTS or (step.opname in ("LOAD_ATTR", "LOAD_METHOD") and name.startswith(_FILES)):
                return False
            if step.opname != "LOAD_GLOBAL" or name == WATCH or (name in _BUILTINS and name not in one.__globals__):
                continue
            value = one.__globals__.get(name)
            if isinstance(value, FunctionType) and not _is_mathematics(value):
                if value in seen:
                    return False
                pending.append(value)
                seen.add(value)
            elif not _is_mathematics(value):
                return False
    return True


def _is_mathematics(value: Any) -> bool:
    """Whether a global is numbers, or belongs to a library of mathematics."""
    name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None) or ""
    return numbers_of(value) is not None or isinstance(value, np.ufunc) or name.partition(".")[0] in _LIBRARIES


def _literals(frame: FrameType) -> list[float]:
    """The numbers that a function writes."""
    return [number for number in frame.f_code.co_consts if type(number) is float and number]


def _lengths(names: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    found = {name: n for name, n in names.items() if type(n) is int and n > 1 and not name.startswith("_")}
    found |= {f"{name} - 1": n - 1 for name, n in found.items() if n > 2}
    for name in (name for name in shapes if name in names):
        found |= {f"{name}.shape[{k}]": n for k, n in enumerate(shapes[name])}
    return found


def _constants(
    unit: Unit, names: Mapping[str, Any], own: Mapping[str, Any], factors: Iterable[float]
) -> list[ast.expr]:
    """The numbers that a factor may be: the program's own names for them first, and those of what the line reads."""
    named: list[ast.expr] = [
        parsed(name) for name, value in names.items() if type(value) is int and value > 1 and not name.startswith("_")
    ]
    minus_one = [ast.BinOp(name, ast.Sub(), ast.Constant(1)) for name in named]
    small = [literal(x) for x in (2, 0.5, 1, -1, 3, 4)]
    lengths = [literal(int(n) if n == int(n) else n) for n in factors]
    arrays = sorted((name for name in own if name in names), key=lambda name: name not in unit.loaded)
    shapes = [parsed(f"{name}.shape[{k}]") for name in arrays for k in range(len(own[name]))]
    shapes += [parsed(f"{name}.size") for name in arrays if own[name]]
    return [*named, *small, *minus_one, *shapes, *lengths]
