"""Backpropagation step by step: the terms that arrive at each value, and their running sum."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from tinygrad_lite.core.graph import chains, topological
from tinygrad_lite.core.value import Value
from tinygrad_lite.semirings import GRADIENT

from ..records.numbers import summary

__all__ = ["arrivals"]


def arrivals(
    end: Value,
    cotangents: Mapping[Value, Any],
    drawn: Callable[[Value], bool],
    arrow: Callable[[Value, int, Value], int],
) -> Iterator[tuple[Value, list[list[Any]]]]:
    """Backwards, for each value that is drawn: [arrow, its term, the sum so far] for each of its arrows.

    ``cotangents`` are the gradients of ``end``; ``arrow`` is the number of the arrow from a node to its operand at a
    position. A leaf comes as soon as its last term has arrived.
    """
    nodes = [node for node in reversed(topological(end)) if node in cotangents]
    arrived: defaultdict[Value, dict[int, Any]] = defaultdict(dict)
    with np.errstate(all="ignore"):
        expected = Counter(operand for node in nodes for _, operand, _ in chains(node))
        for node in nodes:
            if drawn(node):
                yield node, list(_running(arrived.pop(node, {})))
            for position, operand, chain in chains(node):
                expected[operand] -= 1
                if not drawn(operand):
                    continue
                part = GRADIENT.result(GRADIENT.pull(chain, cotangents[node], node))
                number, parts = arrow(node, position, operand), arrived[operand]
                parts[number] = parts[number] + part if number in parts else part
                if operand.is_leaf and not expected[operand]:
                    yield operand, list(_running(arrived.pop(operand)))


def _running(parts: Mapping[int, Any]) -> Iterator[list[Any]]:
    total: Any = 0.0
    for arrow, part in parts.items():
        total = total + part
        yield [arrow, summary(part), summary(total)]
