"""The names of a network's numbers: ``w201`` and ``w2[0,1]`` are the same weight.

A network of scalars names each number: ``w{layer}{from}{to}``, ``b{layer}{to}``, and for the values of a neuron
``z{layer}{neuron}`` before and ``n{layer}{neuron}`` after its activation. ``_`` joins the parts as soon as any of the
network's numbers has two digits (``w1_0_12``). A network of arrays names each array, ``w2``, and an element by its
index, ``w2[0,1]``. With several samples ``@`` and the sample's number follow (``n20@3``); in an array the sample is the
first index (``n2[3,0]``). Inputs are ``x0`` or ``x[0]``, targets ``t0`` or ``t[0]``. A prefix with a dot names the
module that contains the network: ``encoder.w201``.

This module only reads and writes such names. It depends on nothing, so that every room may use it.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

__all__ = [
    "Element", "Places", "bias", "closest", "indexed", "neuron", "parse", "resolve", "separator", "weight",
    "without_sample",
]  # fmt: skip


_RANK = {"w": 2, "b": 1, "z": 1, "n": 1, "x": 1, "t": 1}
"""How many numbers follow the layer in the name of one scalar. ``x`` and ``t`` have no layer."""

_NAME = re.compile(
    r"""(?P<prefix>(?:.*\.)?)
        (?P<kind>[wbznxt])
        (?P<numbers>\d*(?:_\d+)*)
        (?:\[\s*(?P<index>\d+(?:\s*,\s*\d+)*)\s*\])?
        (?:@(?P<sample>\d+))?""",
    re.VERBOSE | re.DOTALL,
)
_SAMPLE = re.compile(r"@\d+$")
_BRACKETS = re.compile(r"(?P<key>.+)\[\s*(?P<index>\d+(?:\s*,\s*\d+)*)\s*\]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Element:
    """One number of a network, or a whole array of them if ``index`` is empty.

    ``prefix`` names the module that contains the network, with its dot; ``kind`` is one of ``w b z n x t``; ``layer``
    is ``None`` for ``x`` and ``t``; ``index`` is (from, to) for a weight and (neuron,) for the others.
    """

    prefix: str
    kind: str
    layer: int | None
    index: tuple[int, ...]
    sample: int | None = None

    @property
    def array(self) -> str:
        """The name of the array that the number is in.

        >>> parse("encoder.w201").array
        'encoder.w2'
        """
        return f"{self.prefix}{self.kind}{'' if self.layer is None else self.layer}"

    @property
    def position(self) -> tuple[int, ...]:
        """The index in that array: the sample, where there is one, comes first.

        >>> parse("n20@3").position
        (3, 0)
        """
        return self.index if self.sample is None else (self.sample, *self.index)


def parse(name: str) -> Element | None:
    """Read a name in either form; ``None`` if it is neither.

    ``b21`` is read as neuron 1 of layer 2. In a network of 21 layers it may also name a whole array, so a caller with
    a list of names looks there first, as ``resolve`` does.

    >>> parse("w201")
    Element(prefix='', kind='w', layer=2, index=(0, 1), sample=None)
    >>> parse("w2[0,1]") == parse("w2_0_1") == parse("w201")
    True
    >>> parse("n30@2").sample, parse("w2").index, parse("carry")
    (2, (), None)
    """
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    prefix, kind, sample = found["prefix"], found["kind"], found["sample"]
    layered = kind not in "xt"
    parts = _numbers(found["numbers"], _RANK[kind] + layered)
    if parts is None or (layered and not parts):
        return None
    layer = parts[0] if layered else None
    index = tuple(parts[1:] if layered else parts)
    if found["index"] is not None:
        if index:
            return None
        index = _indices(found["index"])
    return Element(prefix, kind, layer, index, None if sample is None else int(sample))


def without_sample(name: str) -> str:
    """A name without the number of its sample.

    >>> without_sample("n30@2"), without_sample("carry@12"), without_sample("w201")
    ('n30', 'carry', 'w201')
    """
    return _SAMPLE.sub("", name)


def _numbers(text: str, full: int) -> list[int] | None:
    """The numbers of a name: joined by ``_``, or ``full`` single digits, or one number alone."""
    if "_" in text:
        parts = text.split("_")
        return [int(part) for part in parts] if len(parts) == full and parts[0] else None
    if len(text) == full:
        return [int(digit) for digit in text]
    return [int(text)] if text else []


def _indices(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def resolve(name: str, shapes: Mapping[str, Sequence[int]]) -> tuple[str, tuple[int, ...]] | None:
    """Find ``name`` among the names of ``shapes``, in either form of writing.

    Returns the name there and the index in it, ``()`` for all of it; ``None`` if there is no such name. The index must
    have as many numbers as the shape; their sizes are not checked. Every array may be indexed in brackets.

    >>> resolve("w201", {"w2": (2, 3)}), resolve("w2[0,1]", {"w201": ()}), resolve("W[3]", {"W": (5,)})
    (('w2', (0, 1)), ('w201', ()), ('W', (3,)))
    """
    if name in shapes:
        return name, ()
    brackets = _BRACKETS.fullmatch(name)
    if brackets is not None and brackets["key"] in shapes:
        index = _indices(brackets["index"])
        if len(index) == len(shapes[brackets["key"]]):
            return brackets["key"], index
    element = parse(name)
    if element is None or not element.index:
        return None
    if element.array in shapes:
        return (element.array, element.position) if len(shapes[element.array]) == len(element.position) else None
    for other, shape in shapes.items():
        candidate = None if shape else parse(other)
        if candidate is not None and (candidate.array, candidate.position) == (element.array, element.position):
            return other, ()
    return None


# ---- writing names --------------------------------------------------------------------------------------------------


def separator(dims: Sequence[int]) -> str:
    """The text that joins the numbers in the names of a network of these layer widths, the inputs first.

    >>> separator([2, 10, 2]), separator([2, 11, 2])
    ('', '_')
    """
    return "_" if max(*dims, len(dims)) > 10 else ""  # numbers of neurons start at 0, of layers at 1


def weight(layer: int, source: int, target: int, joint: str = "") -> str:
    """The name of one weight.

    >>> weight(2, 0, 1), weight(1, 0, 12, "_")
    ('w201', 'w1_0_12')
    """
    return f"w{layer}{joint}{source}{joint}{target}"


def bias(layer: int, target: int, joint: str = "") -> str:
    """The name of one bias.

    >>> bias(2, 1)
    'b21'
    """
    return f"b{layer}{joint}{target}"


def neuron(kind: str, layer: int, index: int, joint: str = "") -> str:
    """The name of a neuron's weighted sum (kind ``z``) or output (kind ``n``).

    >>> neuron("z", 2, 0), neuron("n", 2, 0)
    ('z20', 'n20')
    """
    return f"{kind}{layer}{joint}{index}"


def indexed(name: str, index: Sequence[int]) -> str:
    """The name of one element of an array; of all of it where the index is empty.

    >>> indexed("w2", (0, 1)), indexed("w2", ())
    ('w2[0,1]', 'w2')
    """
    return f"{name}[{','.join(map(str, index))}]" if index else name


def closest(name: str, names: Iterable[str]) -> list[str]:
    """Up to three of the names that look most like ``name``, for an error message.

    >>> closest("sigmoyd", ["relu", "sigmoid", "tanh"])
    ['sigmoid']
    """
    return difflib.get_close_matches(name, list(names), n=3, cutoff=0.5)


# ---- one network's numbers under the other's names ------------------------------------------------------------------


class Places:
    """The places in a network's own parameters for the entries of a foreign dictionary of parameters.

    ``shapes`` are the network's own names with their shapes. ``put`` takes one foreign name with its shape and returns
    the places for its numbers: a list of (own name, index there, index in the foreign entry), or a text that says why
    they do not fit.

    >>> Places({"w1": (2, 1)}).put("w110", ())
    [('w1', (1, 0), ())]
    >>> Places({"w100": (), "w110": ()}).put("w1", (2, 1))
    [('w100', (), (0, 0)), ('w110', (), (1, 0))]
    >>> Places({"A": (2, 3)}).put("A[1,2]", ())
    [('A', (1, 2), ())]
    """

    def __init__(self, shapes: Mapping[str, Sequence[int]]) -> None:
        self._shapes = {name: tuple(shape) for name, shape in shapes.items()}
        self._scalars: dict[str, dict[tuple[int, ...], str]] = {}  # array → index → own name
        for name, shape in self._shapes.items():
            element = parse(name) if not shape else None
            if element is not None and element.index and element.sample is None:
                self._scalars.setdefault(element.array, {})[element.index] = name

    def put(self, name: str, shape: Sequence[int]) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]] | str:
        shape = tuple(shape)
        own = self._shapes.get(name)
        if own is not None:
            return [(name, (), ())] if own == shape else f"{name}: has shape {shape}, needs {own}"
        if shape and name in self._scalars:
            return self._split(name, shape)
        element = parse(name) if not shape else None
        if element is not None and element.index and element.sample is None:
            return self._place(name, element)
        brackets = None if shape else _BRACKETS.fullmatch(name)
        if brackets is not None and brackets["key"] in self._shapes:
            return self._at(name, brackets["key"], _indices(brackets["index"]))
        return f"{name}: unknown{_perhaps(name, self._shapes)}"

    def _split(self, name: str, shape: tuple[int, ...]) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]] | str:
        scalars = self._scalars[name]
        needed = tuple(max(numbers) + 1 for numbers in zip(*scalars, strict=True))
        if shape != needed:
            return f"{name}: has shape {shape}, needs {needed}"
        if len(scalars) != math.prod(needed):
            return (
                f"{name}: an array has more elements than this network, which is not fully connected; give each by name"
            )
        return [(own, (), index) for index, own in scalars.items()]

    def _place(self, name: str, element: Element) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]] | str:
        own = self._scalars.get(element.array, {}).get(element.index)
        if own is not None:
            return [(own, (), ())]
        return self._at(name, element.array, element.index)

    def _at(
        self, name: str, array: str, index: tuple[int, ...]
    ) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]] | str:
        shape = self._shapes.get(array)
        if shape is None or len(shape) != len(index):
            return f"{name}: unknown{_perhaps(name, self._shapes)}"
        if any(i >= n for i, n in zip(index, shape, strict=True)):
            return f"{name}: outside {array}, which has shape {shape}"
        return [(array, index, ())]


def _perhaps(name: str, names: Iterable[str]) -> str:
    near = closest(name, names)
    return f" (the nearest names: {', '.join(near)})" if near else ""
