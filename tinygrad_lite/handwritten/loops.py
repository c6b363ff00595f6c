"""Equal programs for several samples in a graph of scalars: one of them is written, in a loop."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Any

from ..core.elementwise import weighted_sum
from ..core.graph import ancestors, chains
from ..core.value import Value, constant
from ..formulas.symbols import names_in

__all__ = ["Samples", "alike_samples"]


@dataclass
class Samples:
    """A graph of several samples that are computed alike.

    ``end`` is the cost of the first sample, ``names`` are those in its program, ``leaves`` the leaves of each sample.
    ``families`` holds, for each Value of the first sample, the corresponding Values of all samples.
    """

    end: Value
    names: dict[Value, str | None]
    leaves: list[list[Value]]
    families: dict[Value, tuple[Value, ...]]


_SHARED, _MIXED = -1, -2


def alike_samples(loss: Value, values: Sequence[Value], parameters: set[Value]) -> Samples | None:
    """The samples of a graph of scalars, if the loss is a sum of as many equal programs; else ``None``."""
    tags: dict[Value, int] = {}
    for value in values:
        if value.shape:
            return None
        if value.is_leaf:
            tags[value] = _sample(value)
        else:
            found = {tags[parent] for parent in value.parents} - {_SHARED}
            tags[value] = _SHARED if not found else found.pop() if len(found) == 1 else _MIXED
            op = value.op
            if tags[value] == _SHARED or op is None or op.expressions(len(value.parents)) is None:
                return None
    if tags[loss] != _MIXED or any(tags[value] != _SHARED for value in parameters):
        return None
    costs = _costs(loss, values, tags)
    if costs is None:
        return None
    members: dict[int, list[Value]] = {}
    for value in values:
        if tags[value] >= 0 and _past_zeros(value) is value:
            members.setdefault(tags[value], []).append(value)
    samples = [members[tag] for tag in sorted(members)]
    programs = [_program(sample, tags, costs) for sample in samples]
    if len(samples) < 2 or any(program != programs[0] for program in programs):
        return None
    first = samples[0]
    outputs = [value for value in first if value in costs]
    end = Context().run(weighted_sum, [constant(costs[value]) for value in outputs], outputs)
    end.name = loss.name or "loss"
    names = {value: value.name for value in ancestors(end)} | {value: _base(value, tags[value]) for value in first}
    at_leaf = [k for k, value in enumerate(first) if value.is_leaf]
    leaves = [[sample[k] for k in at_leaf] for sample in samples]
    families = {value: tuple(sample[k] for sample in samples) for k, value in enumerate(first)}
    return Samples(end, names, leaves, families)


def _sample(leaf: Value) -> int:
    base, _, number = (leaf.name or "").rpartition("@")
    return int(number) if base and number.isascii() and number.isdigit() and len(number) < 10 else _SHARED


def _base(value: Value, tag: int) -> str | None:
    return value.name.removesuffix(f"@{tag}") if value.name is not None else None


def _costs(loss: Value, values: Sequence[Value], tags: Mapping[Value, int]) -> dict[Value, float] | None:
    """The weight of each value of a sample in the loss, if the loss is a weighted sum of them; else ``None``."""
    weights = {loss: 1.0}
    costs: dict[Value, float] = {}
    for node in reversed(values):
        if tags[node] != _MIXED or node not in weights:
            continue
        if not _is_linear(node, tags):
            return None
        for _, parent, chain in chains(node):
            weight = weights[node] * float(chain[0].weight)  # type: ignore[attr-defined]
            into = weights if tags[parent] == _MIXED else costs
            counted = _past_zeros(parent)
            into[counted] = into.get(counted, 0.0) + weight
    return costs


def _fixed(value: Value) -> bool:
    """Whether the value is a number of the program."""
    return value.is_leaf and not value.requires_grad and value.name is None


def _past_zeros(value: Value) -> Value:
    """The value itself where it was added to 0, as ``sum`` does at its start."""
    while value.op is not None and value.op.name == "add" and value.name is None:
        zeros = [_fixed(parent) and parent.data == 0.0 for parent in value.parents]
        if not any(zeros):
            break
        value = value.parents[0 if zeros[1] else 1]
    return value


def _is_linear(node: Value, tags: Mapping[Value, int]) -> bool:
    """Whether an op adds up values of samples, each times a number."""
    op, parents = node.op, node.parents
    rule = None if op is None else op.expressions(len(parents))
    if op is None or rule is None or any(tags[parent] == _SHARED and not _fixed(parent) for parent in parents):
        return False
    numbers = {letter for letter, parent in zip(rule.operands, parents, strict=True) if tags[parent] == _SHARED}
    for text, parent in zip(rule.derivatives, parents, strict=True):
        if tags[parent] != _SHARED and not set(names_in([ast.parse(text or "out", mode="eval").body])) <= numbers:
            return False
    return bool(op.forward(*(parent.data if tags[parent] == _SHARED else 0.0 for parent in parents)) == 0.0)


def _program(sample: Sequence[Value], tags: Mapping[Value, int], costs: Mapping[Value, float]) -> list[Any]:
    """The ops of one sample, in a form that is equal for samples that compute the same."""
    place = {value: k for k, value in enumerate(sample)}

    def operand(value: Value) -> Any:
        if value in place:
            return place[value]
        return ("number", value.data) if _fixed(value) else ("shared", id(value))

    return [
        (
            _base(value, tags[value]),
            value.requires_grad,
            value.op and value.op.name,
            [operand(parent) for parent in value.parents],
            costs.get(value),
        )
        for value in sample
    ]
