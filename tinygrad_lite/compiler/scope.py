"""Names in the code of a replay, and the things that they stand for: what the code calls, and what it raises."""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

import numpy as np

from ..core.numerics import FLOAT_FUNCTIONS
from ..core.value import Value
from ..programs.calls import Call, Slot
from .capture import Guard, same

__all__ = [
    "Missed",
    "OptimizerFailedError",
    "OverflowedError",
    "Refrozen",
    "Scope",
    "all_floats",
    "comment",
    "flowing",
    "stepped",
]

LONGEST_NOTE = 80
_MENTION = re.compile("\x00(\\d+)\x01")


# ---- what the code calls and raises ----------------------------------------------------------------------------------


class Missed(Exception):
    """The replay does not fit the data it was given; ``str`` says what changed."""


class Refrozen(Missed):
    """The replay is of a time at which other leaves were frozen."""


class OverflowedError(ArithmeticError):
    """A sigmoid's exponential overflowed, which only careful code gets right."""


class OptimizerFailedError(Exception):
    """The optimizer raised ``error`` after the gradients were stored: nothing may be done again."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def fitting(seen: Any, data: Any, value: Value) -> Any:
    """New data of a leaf, if its shape and dtype are those that the code was made for."""
    if type(data) is not type(seen) or data.shape != seen.shape or data.dtype != seen.dtype:
        now = f"{data.dtype} {data.shape}" if isinstance(data, np.ndarray) else "a float"
        raise Missed(f"the data of {value.name or 'a parameter'!r} became {now}")
    return data


def flowing(leaves: Sequence[tuple[Value, bool]]) -> None:
    """``Refrozen`` unless gradients flow to the same leaves as when the code was made."""
    for leaf, flows in leaves:
        if bool(leaf.requires_grad) is not flows:
            raise Refrozen(f"requires_grad of {leaf.name or 'a leaf'!r} became {leaf.requires_grad}")


def all_floats(data: Sequence[Any]) -> Sequence[Any]:
    """The data, if all of them are floats."""
    if {*map(type, data)} != {float}:
        raise Missed("a parameter that was one number became an array")
    return data


def references() -> int:
    """The answer of ``getrefcount`` for a buffer that only the list of buffers and a local variable hold."""
    buffers = [np.empty(1)]
    buffer = buffers[0]
    return sys.getrefcount(buffer)


def stepped(optimizer: Any) -> None:
    """The optimizer's own step."""
    try:
        optimizer.step()
    except Exception as error:
        raise OptimizerFailedError(error) from None


def real(x: Any) -> float:
    """A power, unless it is complex, where eager has nan."""
    if type(x) is not float:
        raise OverflowedError("complex")
    return x


def check(guard: Guard, *data: Any) -> None:
    """``Missed`` unless the guard holds."""
    if not same(guard.function(*data), guard.found):
        raise Missed(guard.what)


_THINGS: dict[str, Any] = {
    "refs": sys.getrefcount, "BASE": references(), "empty_like": np.empty_like, "check": check, "fitting": fitting,
    "all_floats": all_floats, "copyto": np.copyto, "real": real, "step": stepped, "Overflowed": OverflowedError,
    "vdot": np.vdot, "flowing": flowing,
}  # fmt: skip

# ---- names -----------------------------------------------------------------------------------------------------------


class Scope:
    """The globals of a replay, the name of each slot, and arguments as source.

    ``fixed`` are slots whose data never change: they are constants.
    """

    def __init__(self, fixed: Mapping[Slot, Any]) -> None:
        self.things: dict[str, Any] = {"inf": np.inf, "nan": np.nan, **_THINGS, **FLOAT_FUNCTIONS}
        self.names: dict[Slot, str] = {}
        self.texts: dict[Slot, str] = {}
        """The expressions of slots that stand where they are read, instead of a name."""
        self._mentioned: list[tuple[Slot, bool]] = []
        self._mentions: dict[tuple[Slot, bool], str] = {}
        self.fixed = fixed
        self._constants: dict[int, tuple[str, Any]] = {}  # by id, with the thing itself, so that no id is used twice
        self._numbers = count()
        self._arrays_of: dict[Any, str] = {}  # of one number
        self._methods: dict[Any, Any] = {}  # np.add.reduce is another object each time

    def fresh(self, prefix: str) -> str:
        """A name that starts so and nothing else has."""
        return f"{prefix}{next(self._numbers)}"

    def variable(self, slot: Slot) -> str:
        """The name of a slot, a new local variable if it has none."""
        if slot not in self.names:
            self.names[slot] = self.fresh("v")
        return self.names[slot]

    def mention(self, slot: Slot, rows: bool = False) -> str:
        """What stands for a slot in text until it is printed: a slot's own, though slots may share a name.

        ``rows`` mentions its rows of one block.
        """
        if slot in self.texts:
            return self.texts[slot]
        if (slot, rows) not in self._mentions:
            self._mentions[slot, rows] = f"\x00{len(self._mentioned)}\x01"  # repr escapes these in a user's text
            self._mentioned.append((slot, rows))
        return self._mentions[slot, rows]

    def printed(self, text: str, rows_of: Callable[[str], str] = str) -> tuple[str, list[tuple[Slot, bool]]]:
        """Text with names in the places of mentions, and what it mentions. ``rows_of`` names the rows of a name."""
        read: list[tuple[Slot, bool]] = []

        def name(match: re.Match[str]) -> str:
            slot, rows = self._mentioned[int(match[1])]
            read.append((slot, rows))
            return rows_of(self.names[slot]) if rows else self.names[slot]

        return _MENTION.sub(name, text), read

    def plain(self, x: Any) -> str:
        """An argument as source, to print as it is."""
        return self.printed(self.expression(x))[0]

    def constant(self, thing: Any, name: str) -> str:
        """A name among the globals for a thing: this one, or this one with another number."""
        if id(thing) not in self._constants:
            if callable(thing) and name in FLOAT_FUNCTIONS:
                name = f"array_{name}"
            while name in self.things:
                name = self.fresh(name.rstrip("0123456789"))
            self._constants[id(thing)] = name, thing
            self.things[name] = thing
        return self._constants[id(thing)][0]

    def expression(self, x: Any) -> str:
        """An argument as source, which mentions slots."""
        if isinstance(x, Slot):
            return self.expression(self.fixed[x]) if x in self.fixed else self.mention(x)
        if type(x) is float:
            return repr(x) if x > 0 or repr(x) == "0.0" else f"({x!r})"
        if isinstance(x, slice):
            return f"slice({', '.join(map(self.expression, (x.start, x.stop, x.step)))})"
        if x is None or x is Ellipsis or isinstance(x, bool | int | str):
            return repr(x)
        if isinstance(x, tuple | list):
            parts = ", ".join(map(self.expression, x))
            return f"[{parts}]" if isinstance(x, list) else f"({parts},)" if len(x) == 1 else f"({parts})"
        if isinstance(x, np.ufunc) or (callable(x) and hasattr(x, "__name__")):
            return self._function(x)
        return self.constant(x, "c0" if isinstance(x, np.ndarray) else "k0")

    def index(self, key: Any) -> str:
        """An index as source: slices as a person writes them, which takes a third of the time of making them."""
        parts = key if isinstance(key, tuple) else (key,)
        texts = [self._slice(x) if isinstance(x, slice) else self.expression(x) for x in parts]
        return f"{', '.join(texts)}{',' if isinstance(key, tuple) and len(texts) == 1 else ''}" if texts else "()"

    def _slice(self, x: slice) -> str:
        start, stop, step = ("" if part is None else self.expression(part) for part in (x.start, x.stop, x.step))
        return f"{start}:{stop}:{step}" if step else f"{start}:{stop}"

    def _function(self, x: Any) -> str:
        owner = getattr(x, "__self__", None)
        prefix = f"{getattr(owner, 'name', '')}_".lstrip("_")
        if isinstance(owner, np.ufunc):
            prefix = f"{owner.__name__}_"
            x = self._methods.setdefault((owner, x.__name__), x)
        stem = re.sub(r"[^A-Za-z0-9]+", "_", f"{prefix}{x.__name__}").strip("_") or "call"
        return self.constant(x, f"f_{stem}" if stem[0].isdigit() or keyword.iskeyword(stem) else stem)

    def array_of(self, x: Any, call: Call) -> str | None:
        """A number among a ufunc's arguments as an array of the others' dtype, which takes half the time to read."""
        dtypes = {slot.sample.dtype for slot in call.slots() if slot.is_array}
        if type(x) not in (float, int) or len(dtypes) != 1 or (dtype := dtypes.pop()).kind != "f":
            return None
        if (x, dtype) not in self._arrays_of:
            name = "n_" + "".join({"-": "m", ".": "p", "+": ""}.get(c, c) for c in f"{x:g}")  # 0.5 is n_0p5
            self._arrays_of[x, dtype] = self.constant(np.array(x, dtype), name)
        return self._arrays_of[x, dtype]


def comment(note: str) -> str:
    """A note, which may contain a user's names, as one short line that can stand behind a #.

    >>> comment("z1 = relu"), len(comment("x" + chr(10) + "import os").splitlines())
    ('z1 = relu', 1)
    """
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in note)
    return text if len(text) <= LONGEST_NOTE else f"{text[: LONGEST_NOTE - 1]}…"
