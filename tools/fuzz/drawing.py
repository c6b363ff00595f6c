"""A program in the making: its inputs, and statements that are tried before they are kept.

A statement is kept if its result and its gradient are finite, small, and hardly move when its operands move by 1e-6 of
their size, in float16 by two roundings: so no program stands near a kink, a tie or a singular matrix. Nor is it kept
if its gradient is all rounding, as that of a function that is constant wherever its operands move.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, NamedTuple

import numpy as np

import tinygrad_lite as tg
from tinygrad_lite import Value, nn, optim

from .programs import Input, Statement, names_in

__all__ = ["Drawing", "SCOPE", "STEPS"]

SCOPE = {"np": np, "tg": tg, "Value": Value, "nn": nn, "optim": optim}
"""What the source of a program may read."""
REFUSALS = (tg.TinygradError, ValueError, TypeError, IndexError)
"""What a function raises for arguments that it does not take."""
SHAPES: list[tuple[int, ...]] = [
    (), (), (), (1,), (2,), (3,), (4,), (2, 3), (3, 2), (3, 3), (2, 2), (1, 3), (3, 1), (2, 1, 3), (2, 3, 2),
    (0,), (0, 3),
]  # fmt: skip
LARGEST = 36
"""Elements of a result."""
STEPS = 5


class Drawing:
    """A program in the making, with the data of its names in the first step."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = np.random.default_rng(seed)
        self.scalar = self.chance(0.15)
        """Whether all of it is numbers: such graphs have back ends of their own."""
        double, single, half = np.float64, np.float32, np.float16
        self.dtypes: list[Any] = self.one([[double], [double], [double], [single], [single, double], [half]])
        self.inputs: list[Input] = []
        self.modules: list[Statement] = []
        self.statements: list[Statement] = []
        self.data: dict[str, Any] = {}
        self.unread: dict[str, None] = {}
        self.suspect = False
        """Whether a statement failed where it must not: the program ends with it."""
        self.turns: Counter[int] = Counter()
        for kind in ["p", "p", *self.some(["p", "c", "a", "a", "p"])]:
            self.input(kind, self.one(SHAPES))

    # ---- chance

    def below(self, n: int) -> int:
        """A number from 0 to n - 1."""
        return int(self.rng.integers(n))

    def chance(self, p: float) -> bool:
        """True with probability p."""
        return bool(self.rng.random() < p)

    def one(self, things: Any) -> Any:
        """One of them."""
        return things[self.below(len(things))]

    def dealt(self, names: list[str]) -> str:
        """The next of the names, in an order that sixteen seeds share: together they deal each several times."""
        self.turns[len(names)] += 1
        order = np.random.default_rng(self.seed // 16).permutation(len(names))
        k = (self.seed % 16 * len(names) // 16 + self.turns[len(names)]) % len(names)
        return names[int(order[k])]

    def some(self, things: list[Any]) -> list[Any]:
        """Each of them with probability 1/2."""
        return [thing for thing in things if self.chance(0.5)]

    def numbers(self, shape: tuple[int, ...], low: float = -2.0, high: float = 2.0) -> Any:
        """A float, or an array of one of the program's dtypes."""
        x = np.round(self.rng.uniform(low, high, shape), 3)
        return x.astype(self.one(self.dtypes)) if shape else float(x)

    # ---- names

    def input(self, kind: str, shape: tuple[int, ...]) -> str:
        """A new parameter ("p"), leaf ("c") or argument ("a")."""
        shape = () if self.scalar else shape
        name = f"{kind}{sum(one.name[0] == kind for one in self.inputs)}"
        data, view = self.moving(self.numbers(shape), 1 if kind == "p" else STEPS), "{}"
        if kind == "a" and shape and self.chance(0.15):
            data = [self.rng.integers(-2, 3, shape) for _ in range(STEPS)]
        if kind == "a" and len(shape) == 2 and self.chance(0.3):
            view, data = "{}.T", [np.ascontiguousarray(x.T) for x in data]
        elif kind == "a" and len(shape) == 1 and self.chance(0.3):
            view, data = "{}[::-1]", [np.ascontiguousarray(x[::-1]) for x in data]
        self.inputs.append(Input(name, tuple(data), view))
        if kind == "p":
            self.unread[name] = None
        self.data[name] = eval(view.format("x"), {"x": data[0]})
        return name

    def moving(self, first: Any, steps: int) -> list[Any]:
        """Data for so many steps, each near the first."""
        others = [first + self.rng.uniform(-0.1, 0.1, np.shape(first)) for _ in range(steps - 1)]
        return [first, *(x.astype(first.dtype) if np.shape(first) else float(x) for x in others)]

    def add(self, text: str) -> str | None:
        """Keep ``v = text``, if it is sound; of several results one."""
        name = f"v{len(self.statements)}"
        out = self.tried(text)
        if isinstance(out, _Several):
            text += self.one(out.parts)
            out = self.tried(text)
        if out is None and not self.suspect:
            return None
        self.statements.append(Statement(name, text))
        self.data[name] = out
        for read in names_in(text):
            self.unread.pop(read, None)
        self.unread[name] = None
        return name

    def module(self, text: str) -> str:
        """A new module."""
        name = f"m{len(self.modules)}"
        self.modules.append(Statement(name, text))
        return name

    # ---- operands

    def any(self, least: int = 0, size: int | None = None) -> str:
        """A name with at least so many axes, rather a late one or one that nothing reads yet."""
        names = [*self.unread, *list(self.data)[-12:], *self.data]
        suited = [
            name
            for name in names
            if np.ndim(self.data[name]) >= least and (size is None or np.size(self.data[name]) >= size)
        ]
        if suited:
            return str(self.one(suited))
        return self.fitted(self.one([shape for shape in SHAPES if len(shape) >= least and 0 not in shape]))

    def fitted(self, shape: tuple[int, ...]) -> str:
        """A name of this very shape: one that is there, an element or a rearrangement of another, or a new input."""
        suited = [name for name, x in self.data.items() if np.shape(x) == shape]
        if suited and self.chance(0.8):
            return str(self.one(suited[-6:]))
        larger = [name for name, x in self.data.items() if np.size(x) >= max(math.prod(shape), 2)]
        if larger and shape and self.chance(0.6):
            made = self.add(f"tg.reshape(tg.ravel({self.one(larger)})[:{math.prod(shape)}], {shape})")
            if made is not None:
                return made
        return self.input(self.one("ppca"), shape)

    def within(self, name: str, low: float, high: float) -> str:
        """A name whose numbers lie in the interval: itself if they do, or squeezed into it."""
        x, margin = self.data[name], 0.15 * (high - low)
        inside = np.size(x) == 0 or (low + margin < np.min(x) and np.max(x) < high - margin)
        if inside and self.chance(0.5):
            return name
        made = self.add(f"{low} + {round(high - low, 6)} * tg.sigmoid({name})")
        return name if made is None else made

    def small(self, name: str) -> str:
        """A name whose numbers are no larger than 3: itself, or its hyperbolic tangent."""
        if np.max(np.abs(self.data[name]), initial=0.0) <= 3.0:
            return name
        made = self.add(f"2.0 * tg.tanh(0.3 * {name})")
        return name if made is None else made

    # ---- is it sound?

    def tried(self, text: str) -> Any:
        """The result of an expression at the data of the first step; None if it is refused or not sound.

        ``suspect`` is set for an error that no arguments may lead to.
        """
        try:
            with np.errstate(all="ignore"):
                out, slopes = self._differentiated(text, 0.0)
                if isinstance(out, _Several):
                    return out
                if not _tame([out], 1e3) or not _tame(slopes, 1e4) or _is_rounding(slopes):
                    return None
                moved, others = self._differentiated(text, 2e-3 if np.float16 in self.dtypes else 1e-6)
        except _Refused:
            return None
        except Exception:
            self.suspect = True
            return None
        return out if _near([out, *slopes], [moved, *others]) else None

    def _differentiated(self, text: str, by: float) -> tuple[Any, list[Any]]:
        """The result and its gradients, with operands moved by so much of their size."""
        rng = np.random.default_rng(self.seed)
        names = names_in(text)
        leaves = {}
        for name in names:
            if name[0] != "m":
                x = self.data[name]
                if np.asarray(x).dtype.kind == "f":
                    shift = 1.0 + by * rng.uniform(-1.0, 1.0, np.shape(x))
                    x = (x * shift).astype(x.dtype) if np.shape(x) else float(x * shift)
                leaves[name] = Value(x, name, requires_grad=np.asarray(x).dtype.kind == "f")
        modules = {one.target: eval(one.text, dict(SCOPE)) for one in self.modules if one.target in names}
        try:
            out = eval(text, SCOPE | leaves | modules)
        except REFUSALS:
            raise _Refused from None
        if isinstance(out, tuple | list) and out:
            return _Several([f"[{k}]" for k in range(len(out))]), []
        if isinstance(getattr(out, "imag", None), Value):  # a complex result
            return _Several([".real", ".imag"]), []
        if not isinstance(out, Value) or out.dtype.kind != "f" or out.size > LARGEST or not out.requires_grad:
            raise _Refused
        weights = rng.uniform(0.5, 1.5, out.shape)
        (out * (weights.astype(out.dtype) if out.shape else float(weights))).sum().backward()
        return out.data, [leaf.grad for leaf in leaves.values() if leaf.has_grad]


class _Refused(Exception):
    """A statement that a function does not take."""


class _Several(NamedTuple):
    """A function returned several results: how each is taken out of them."""

    parts: list[str]


def _tame(arrays: list[Any], largest: float) -> bool:
    """Finite, and not huge."""
    return all(np.all(np.isfinite(x)) and np.max(np.abs(x), initial=0.0) <= largest for x in arrays)


def _is_rounding(slopes: list[Any]) -> bool:
    """Not 0, but no larger than a few roundings."""
    largest = max((float(np.max(np.abs(x), initial=0.0)) for x in slopes), default=0.0)
    return 0.0 < largest <= 40.0 * max(float(np.finfo(np.asarray(x).dtype).eps) for x in slopes)


def _near(some: list[Any], others: list[Any]) -> bool:
    """Within 1e-3 of the largest element, in float32 of 1e-2, in float16 of 5e-2."""
    for a, b in zip(some, others, strict=True):
        if np.shape(a) != np.shape(b):
            return False
        wide = {np.float32: 1e-2, np.float16: 5e-2}.get(np.asarray(a).dtype.type, 1e-3)
        if np.max(np.abs(np.subtract(a, b, dtype=float)), initial=0.0) > wide * (0.1 + np.max(np.abs(a), initial=0.0)):
            return False
    return True
