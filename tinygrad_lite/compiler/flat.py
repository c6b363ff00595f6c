"""A large graph of scalars as one flat array of numbers, for back ends that compute many nodes at once.

Every Value has a place in the array: first the numbers that are read, then the nodes. A node is a line of the table, a
weighted sum, or a chain of additions, which becomes one sum.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..core.elementwise import Elementwise
from ..core.graph import saved_operands
from ..core.value import Op, Plain, Value, as_data, describe
from .arguments import kind_of
from .capture import Capture
from .codegen import Replay, UpdateText, managed_by, update_writer
from .probes import Mark, Seen
from .scope import Missed, all_floats, flowing, stepped

__all__ = ["Flat", "FlatNode", "Loops", "flat_replay", "flattened"]


Numbers = npt.NDArray[np.float64]


@dataclass(slots=True)
class FlatNode:
    """One op: the places of its result and of its operands, and through which operands gradients flow.

    ``kind`` is an op of the table, ``"weighted"`` (operands: weights, inputs, bias) or ``"sum"``.
    """

    kind: Any
    out: int
    operands: tuple[int, ...]
    live: tuple[bool, ...]


@dataclass
class Flat:
    """A graph whose gradients flow through floats only.

    ``start`` has the numbers that no node computes. A replay reads two kinds of them again: the data of ``leaves``, and
    ``entries``, which ``moves`` compute from the arguments, in order.
    """

    size: int = 0
    start: dict[int, float] = field(default_factory=dict)
    leaves: list[tuple[Value, int]] = field(default_factory=list)
    nodes: list[FlatNode] = field(default_factory=list)
    moves: list[tuple[Op, tuple[Any, ...]]] = field(default_factory=list)
    """Ops on arguments, each with its operands: data, or ``At`` a place among arguments and moves."""
    entries: list[tuple[int, int]] = field(default_factory=list)
    gradients: list[Value] = field(default_factory=list)
    end: int = 0
    marks: list[tuple[str, int, int | None, int]] = field(default_factory=list)
    """An op's name, its position in the captured run, that among those that gradients flow through, and its place."""


@dataclass(frozen=True)
class At:
    """The data of an argument or of a move: arguments are numbered first, moves after them."""

    number: int


def flattened(capture: Capture, arguments: Sequence[Value]) -> Flat | None:
    """The graph of a step, if every node is a float and there are no guards and no noise; else ``None``."""
    if not capture.is_step or capture.guards:
        return None
    if any(isinstance(node.op, Plain) or node.op.opaque or node.keys for node in capture.nodes):
        return None
    if any(saved_operands(node) is not None for node in capture.order):
        return None
    return _Flattening(capture, arguments).flat


class _Flattening:
    def __init__(self, capture: Capture, arguments: Sequence[Value]) -> None:
        self.flat = flat = Flat()
        self.places: dict[int, int] = {}
        self.numbers: dict[str, int] = {}
        self.moved: dict[int, At] = {id(x): At(k) for k, x in enumerate(arguments)}
        for leaf in capture.leaves:
            if type(leaf._data) is float:
                place = self._new(id(leaf), leaf._data)
                flat.leaves.append((leaf, place))
        chained = _chained(capture)
        terms: dict[int, list[Any]] = {}
        for node in capture.nodes:
            value, op = node.value, node.op
            if not value.requires_grad or saved_operands(value) is not None:
                self._move(op, node.operands, value, len(arguments))
                continue
            operands = list(node.operands)
            if op.name == "add":
                operands = [x for operand in operands for x in terms.pop(id(operand), [operand])]
                if id(value) in chained:
                    terms[id(value)] = operands
                    continue
            kind: Any = op if isinstance(op, Elementwise) else "weighted"
            if op.name == "add" and len(operands) > 2:
                kind = "sum"
            places = tuple(map(self._place, operands))
            live = tuple(
                isinstance(x, Value)
                and x.requires_grad
                and (not isinstance(kind, Elementwise) or kind.rule.derivatives[k] is not None)
                for k, x in enumerate(operands)
            )
            flat.nodes.append(FlatNode(kind, self._new(id(value)), places, live))
        flat.end = self.places[id(capture.ends[0])]
        reached = {place for node in flat.nodes for place, live in zip(node.operands, node.live, strict=True) if live}
        flat.gradients = [
            leaf for leaf, place in flat.leaves if leaf.requires_grad and (place in reached or place == flat.end)
        ]
        self._mark(capture)

    def _mark(self, capture: Capture) -> None:
        """Note where each op's number is."""
        back = {id(node): k for k, node in enumerate(capture.order)}
        for k, node in enumerate(capture.nodes):
            place = self.places.get(id(node.value))
            if place is not None:
                self.flat.marks.append((node.op.name, k, back.get(id(node.value)), place))

    def _new(self, key: int, number: float | None = None) -> int:
        place = self.places[key] = self.flat.size
        self.flat.size += 1
        if number is not None:
            self.flat.start[place] = number
        return place

    def _place(self, x: Any) -> int:
        if isinstance(x, Value):
            if id(x) not in self.places:  # an argument, or made of arguments
                self.flat.entries.append((self._new(id(x), x._data), self.moved[id(x)].number))
            return self.places[id(x)]
        number = float(x)
        key = repr(number)  # -0.0 is not 0.0
        if key not in self.numbers:
            self.numbers[key] = self._new(-1, number)
        return self.numbers[key]

    def _move(self, op: Op, operands: tuple[Any, ...], value: Value, arguments: int) -> None:
        """An op through which no gradient flows: it is computed again in each replay."""
        args = tuple(self.moved.get(id(x), x) if isinstance(x, Value) else as_data(x, True, True) for x in operands)
        self.flat.moves.append((op, args))
        self.moved[id(value)] = At(arguments + len(self.flat.moves) - 1)


def _chained(capture: Capture) -> set[int]:
    """Additions whose only reader is another addition."""
    readers: Counter[int] = Counter()
    by_addition: Counter[int] = Counter()
    for node in capture.nodes:
        for x in node.operands:
            if isinstance(x, Value):
                readers[id(x)] += 1
                by_addition[id(x)] += node.op.name == "add"
    return {
        id(node.value)
        for node in capture.nodes
        if node.op.name == "add"
        and readers[id(node.value)] == by_addition[id(node.value)] == 1
        and node.value is not capture.ends[0]
    }


def run_moves(flat: Flat, data: Sequence[Any]) -> list[Any]:
    """The arguments' data, then the results of the moves."""
    known = list(data)
    for op, args in flat.moves:
        out = op.forward(
            *(known[x.number] if isinstance(x, At) else x._data if isinstance(x, Value) else x for x in args)
        )
        known.append(out if type(out) is float or np.ndim(out) else float(out))
    return known


class Loops(NamedTuple):
    """Both passes over a flat graph, as a back end makes them."""

    forward: Callable[[Numbers], Any]
    """Computes all numbers from those that are read."""
    backward: Callable[[Numbers, Numbers], Any]
    """Adds up the cotangents, its second argument, from that of the end."""
    source: str
    at: Mapping[int, int]
    """The new place of each number."""


def flat_replay(flat: Flat, loops: Loops, held: Sequence[bool], optimizer: Any) -> Replay:
    """The replay: numbers in, both passes, gradients out, the optimizer's step."""
    forward, backward, source, at = loops
    v, d = np.zeros(flat.size), np.zeros(flat.size)
    for place, number in flat.start.items():
        v[at[place]] = number
    leaves = [leaf for (leaf, _), there in zip(flat.leaves, held, strict=True) if there]
    places = np.array([at[place] for (_, place), there in zip(flat.leaves, held, strict=True) if there], np.intp)
    entries = np.array([at[place] for place, _ in flat.entries], np.intp)
    sources = [number for _, number in flat.entries]
    flows = [bool(leaf.requires_grad) for leaf in leaves]
    constants = {x: kind_of(x._data) for _, args in flat.moves for x in args if isinstance(x, Value)}
    own = {id(leaf): k for k, leaf in enumerate(leaves)}
    reached = [leaf for leaf in flat.gradients if id(leaf) in own]
    ours = np.array([places[own[id(leaf)]] for leaf in reached], np.intp)
    managed = {id(p) for p in managed_by(optimizer)}
    updated = [(leaf, k) for k, leaf in enumerate(reached) if id(leaf) in managed]
    update, unless = _update(optimizer, updated)
    end = at[flat.end]

    def replay(*data: Any) -> float:
        v[places] = all_floats([leaf._data for leaf in leaves])
        if [leaf.requires_grad for leaf in leaves] != flows:
            flowing(list(zip(leaves, flows, strict=True)))
        for x, kind in constants.items():
            if x.requires_grad or kind_of(x._data) != kind:
                raise Missed(f"{describe(x)}, which was a constant of another kind")
        if sources:
            known = run_moves(flat, data)
            v[entries] = [known[number] for number in sources]
        forward(v)
        d.fill(0.0)
        d[end] = 1.0
        backward(v, d)
        gradients = d[ours].tolist()
        if optimizer is not None:
            optimizer.zero_grad()
        for leaf, g in zip(reached, gradients, strict=True):
            leaf._grad = g if leaf._grad is None else leaf._grad + g
        if update is not None and not unless(optimizer):
            update(optimizer, gradients)
        elif optimizer is not None:
            stepped(optimizer)
        return float(v[end])

    def observe(*data: Any) -> Seen:
        replay(*data)
        there = [(Mark(False, k, name), v[at[place]].copy()) for name, k, _, place in flat.marks]
        back = [(Mark(True, k, name), d[at[place]].copy()) for name, _, k, place in flat.marks if k is not None]
        return there + back[::-1]

    return Replay(replay, source, observe)


def _update(optimizer: Any, updated: Sequence[tuple[Value, int]]) -> tuple[Any, Any]:
    """The optimizer's own source as a function of the optimizer and the gradients, and the test that it does not hold.

    ``updated`` are the parameters, each with its place among the gradients. ``(None, None)`` if there is no such
    source.
    """
    write = update_writer(optimizer)
    settings: dict[str, str] = {}
    texts = set() if write is None else {write(UpdateText(leaf, "x", "g", settings)) for leaf, _ in updated}
    if len(texts) != 1 or None in texts:
        return None, None
    scope: dict[str, Any] = {"updated": updated, **optimizer.update_scope}
    source = f"""def update(optimizer, gradients):
    {"; ".join(settings.values()) or "pass"}
    for leaf, k in updated:
        g, x = gradients[k], leaf._data
        leaf._data = {texts.pop()}

def unless(optimizer):
    return {optimizer.update_unless or False}
"""
    exec(compile(source, "<compiled step, update>", "exec"), scope)
    return scope["update"], scope["unless"]
