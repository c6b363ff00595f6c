"""Module: an object with parameters.

The attributes of a module are its fields, and ``__call__`` is its mathematics. A subclass registers nothing and calls
no constructor: a module finds its parameters among its attributes, and in lists, tuples and dicts there, however deep.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import numpy as np

from ..core.attributes import Watched, module_changed
from ..core.display import Cell, table
from ..core.value import Value, as_data
from ..errors import ArgumentError, IndexRangeError, TinygradError, UnknownNameError, ValueTypeError
from ..graph import naming
from ..graph.scopes import note

__all__ = ["Module"]


class Module(Watched):
    """The base class of everything with parameters.

    A parameter is a leaf Value with ``requires_grad`` that is an attribute, is in a list, tuple or dict that is one, or
    belongs to a module found in the same way. A parameter found twice counts once, under its first name.

    >>> class Line(Module):
    ...     def __init__(self):
    ...         self.slope, self.height = Value(2.0), Value(1.0)
    ...     def __call__(self, x):
    ...         return self.slope * x + self.height
    >>> line = Line()
    >>> line(3.0).backward()
    >>> {name: p.grad for name, p in line.named_parameters().items()}
    {'slope': 3.0, 'height': 1.0}
    """

    @property
    def training(self) -> bool:
        """Whether layers that behave differently in training do so; ``train()`` and ``eval()`` set it."""
        mode: bool = vars(self).get("training", True)
        return mode

    @training.setter
    def training(self, mode: bool) -> None:
        vars(self)["training"] = mode

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        module_changed(self, name)

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        module_changed(self, name)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__call__" in vars(cls):
            setattr(cls, "__call__", _noted(vars(cls)["__call__"]))  # noqa: B010  (mypy knows no other way)

    # ---- modules and parameters inside

    def named_modules(self) -> dict[str, Module]:
        """The module itself and all inside it by path, outer ones first; its own path is empty.

        >>> from tinygrad_lite import nn
        >>> list(nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Linear(3, 1))).named_modules())
        ['', 'layers.0', 'layers.1', 'layers.1.layers.0']
        """
        found: dict[str, Module] = {}
        seen: set[int] = set()
        waiting: list[tuple[str, Module]] = [("", self)]
        while waiting:  # iterative: modules may be nested deeper than Python's stack
            path, module = waiting.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            found[path] = module
            waiting += [(_joined(path, name), member) for name, member in reversed(module.named_children())]
        return found

    def named_children(self) -> list[tuple[str, Module]]:
        """The modules directly inside, in order, each with its path of attributes.

        >>> from tinygrad_lite import nn
        >>> nn.Sequential(nn.Sequential(nn.Linear(3, 1)), np.tanh).named_children()
        [('layers.0', Sequential(
          0: Linear(3, 1)
        ))]
        """
        return [(name, member) for name, member in _members(vars(self)) if isinstance(member, Module)]

    def named_parameters(self) -> dict[str, Value]:
        """The parameters by name: their path of attributes, or the names that a module gives to its own."""
        found: dict[str, Value] = {}
        seen: set[int] = set()
        for path, module in self.named_modules().items():
            for name, value in module._own_parameters():
                if id(value) not in seen:
                    seen.add(id(value))
                    found[_joined(path, name)] = value
        return found

    def parameters(self) -> list[Value]:
        """The parameters, each once, in the order of ``named_parameters``."""
        return list(self.named_parameters().values())

    def _own_parameters(self) -> Iterator[tuple[str, Value]]:
        """Parameters by their name within this module. A network that names those of its layers overrides this."""
        for name, member in _members(vars(self)):
            if isinstance(member, Value) and member.requires_grad and member.is_leaf:
                yield name, member

    def name_parameters(self, prefix: str = "") -> Self:
        """Set every parameter's ``name`` to ``prefix`` and its name in this module; pictures and paths show it.

        >>> from tinygrad_lite import nn
        >>> [p.name for p in nn.Linear(2, 3).name_parameters("encoder.").parameters()]
        ['encoder.w', 'encoder.b']
        """
        for name, parameter in self.named_parameters().items():
            parameter.name = prefix + name
        return self

    def find_parameter(self, name: str) -> tuple[Value, tuple[int, ...]]:
        """The parameter called ``name`` and the element's index in it: ``()`` for a scalar or a whole array.

        An element has two names, ``w201`` and ``w2[0,1]``; every module accepts both.

        Raises ``UnknownNameError`` with the nearest names, ``IndexRangeError`` for an element outside the array.

        >>> from tinygrad_lite import nn
        >>> w2, index = nn.MLP(2, [3, 2]).find_parameter("w201")
        >>> w2.name, index
        ('w2', (0, 1))
        """
        parameters = self.named_parameters()
        shapes = {own: parameter.shape for own, parameter in parameters.items()}
        found = naming.resolve(name, shapes)
        if found is None:
            near = naming.closest(name, shapes)
            perhaps = f"the nearest names are {', '.join(near)}" if near else f"its names are {_some(shapes)}"
            raise UnknownNameError(f"find_parameter: {type(self).__name__} has no parameter {name!r}; {perhaps}")
        own, index = found
        if any(i >= n for i, n in zip(index, shapes[own], strict=False)):
            raise IndexRangeError(f"find_parameter: {name!r} is outside {own!r}, which has shape {shapes[own]}")
        return parameters[own], index

    # ---- gradients and modes

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.zero_grad()

    def train(self, mode: bool = True) -> Self:
        """Switch this module and all inside it to training, or with ``False`` to evaluation. Returns the module."""
        for module in self.named_modules().values():
            module.training = bool(mode)
        return self

    def eval(self) -> Self:
        """Switch this module and all inside it to evaluation: dropout changes nothing. Returns the module."""
        return self.train(False)

    # ---- saving and loading

    def state_dict(self) -> dict[str, Any]:
        """Copies of all parameters' data by name: Python floats and arrays.

        >>> Line = type("Line", (Module,), {})
        >>> line = Line()
        >>> line.slope = Value(2.0)
        >>> line.state_dict()
        {'slope': 2.0}
        """
        return {
            name: parameter.data.copy() if parameter.shape else parameter.data
            for name, parameter in self.named_parameters().items()
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set the data of every parameter from ``state``: numbers and arrays by name.

        A network of arrays takes the dictionary of the same network of scalars, and the reverse.

        Raises ``ArgumentError`` with every entry that is missing, unknown, given twice, of the wrong shape or not a
        number, and loads nothing.

        >>> from tinygrad_lite import nn
        >>> arrays, scalars = nn.MLP(2, [3, 1]), nn.scalar.MLP(2, [3, 1], activation="sigmoid", output="sigmoid")
        >>> arrays.load_state_dict(scalars.state_dict())
        >>> bool(arrays([0.5, 2.0]).item() - scalars([0.5, 2.0]).data < 1e-12)
        True
        """
        if not isinstance(state, Mapping):
            raise ValueTypeError(f"load_state_dict: needs a dict of arrays by name, got {type(state).__name__}")
        parameters = self.named_parameters()
        loaded, problems = _filled(parameters, state)
        if problems:
            raise ArgumentError(
                f"load_state_dict: nothing was loaded into {type(self).__name__}, because of {len(problems)} "
                f"problem{'s' if len(problems) > 1 else ''}:\n  " + "\n  ".join(problems)
            )
        for name, parameter in parameters.items():
            parameter.data = loaded[name] if parameter.shape else float(loaded[name])

    # ---- display

    def _repr_html_(self) -> str:
        parameters = self.named_parameters()
        rows: list[list[Cell]] = []
        for name, p in list(parameters.items())[:_LISTED]:
            gradient = f"|grad| {np.linalg.norm(p.grad):.4g}" if p.has_grad else "–"
            rows.append([name, str(p.shape) if p.shape else "scalar", p.size, gradient])
        count = sum(p.size for p in parameters.values())
        more = len(parameters) - len(rows)
        note = f"and {more} more parameters" if more > 0 else ""
        title = f"{type(self).__name__}: {count:,} numbers in {len(parameters)} parameters"
        return table(title, ["parameter", "shape", "size", "gradient"], rows, note)

    def _shown(self) -> list[tuple[str, Any]]:
        """What ``repr`` lists by name: modules, and anything else as its text."""
        return list(self.named_children())

    def __repr__(self) -> str:
        lines: list[str] = []
        open_: list[tuple[Module, Iterator[tuple[str, Any]]]] = []  # modules may be nested deeper than Python's stack
        name, member = "", self
        following: Any
        while True:
            margin = "  " * len(open_) + name
            inner = member._shown() if isinstance(member, Module) and type(member).__repr__ is Module.__repr__ else None
            if inner and not any(member is module for module, _ in open_):
                lines.append(f"{margin}{type(member).__name__}(")
                open_.append((member, iter(inner)))
            elif inner is not None:
                lines.append(f"{margin}{type(member).__name__}({'…' if inner else ''})")
            else:
                text = member if isinstance(member, str) else repr(member)
                lines.append((margin + text).replace("\n", "\n" + "  " * len(open_)))
            while open_ and (following := next(open_[-1][1], None)) is None:
                open_.pop()
                lines.append("  " * len(open_) + ")")
            if not open_:
                return "\n".join(lines)
            name, member = f"{following[0]}: ", following[1]


_LISTED = 40
"""Parameters that a notebook lists."""


def _noted(call: Callable[..., Any]) -> Callable[..., Any]:
    """A module's ``__call__``, wrapped so that its results know which module made them."""

    @functools.wraps(call)
    def noted(self: Module, *inputs: Any, **named: Any) -> Any:
        result = call(self, *inputs, **named)
        note(self, (*inputs, named) if named else inputs, result)
        return result

    return noted


def _members(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Values and modules among the attributes and in their lists, tuples and dicts, with the path to each, in order."""
    waiting = [(str(name), member) for name, member in reversed(list(attributes.items()))]
    open_containers: set[int] = set()
    while waiting:
        path, member = waiting.pop()
        if isinstance(member, Value | Module):
            yield path, member
            continue
        items: Any = member.items() if isinstance(member, dict) else ()
        inner = list(enumerate(member) if isinstance(member, list | tuple) else items)
        if inner and id(member) not in open_containers:  # a list may contain itself
            open_containers.add(id(member))
            waiting += [(f"{path}.{key}", value) for key, value in reversed(inner)]


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _some(names: Mapping[str, Any]) -> str:
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return (", ".join(list(names)[:8]) or "none at all") + more


def _filled(parameters: Mapping[str, Value], state: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """New data for the parameters from the entries of ``state``, and the problems with those."""
    loaded = {name: np.empty(parameter.shape, parameter.dtype) for name, parameter in parameters.items()}
    filled = {name: np.zeros(parameter.shape, bool) for name, parameter in parameters.items()}
    places = naming.Places({name: parameter.shape for name, parameter in parameters.items()})
    problems: list[str] = []
    spoiled: set[str] = set()  # a problem names it already: it is not missing too
    for name, entry in state.items():
        data = _numbers(entry)
        if data is None:
            problems.append(f"{name}: needs a number or an array of numbers, got {type(entry).__name__}")
            spoiled.add(str(name))
            continue
        moves = places.put(str(name), data.shape)
        if isinstance(moves, str):
            problems.append(moves)
            spoiled.add(str(name))
            continue
        for own, index, source in moves:
            if np.any(filled[own][index]):
                problems.append(f"{name}: sets {naming.indexed(own, index)}, which another entry sets too")
            loaded[own][index] = data[source]
            filled[own][index] = True
    for own, done in filled.items():
        if own in spoiled or done.all():
            continue
        if not done.any():
            element = naming.parse(own)
            if not parameters[own].shape and element is not None and element.index and element.array in spoiled:
                continue
            problems.append(f"{own}: missing (shape {done.shape})")
        else:
            problems += [f"{naming.indexed(own, tuple(map(int, index)))}: missing" for index in np.argwhere(~done)]
    return loaded, problems


def _numbers(entry: Any) -> np.ndarray[Any, np.dtype[Any]] | None:
    """The entry, or a Value's data, as an array; ``None`` unless it is made of numbers."""
    try:
        return np.asarray(as_data(entry.data if isinstance(entry, Value) else entry, keep_integers=True, copy=False))
    except TinygradError:  # a list of unequal rows, or of Values
        return None
