"""The derivations on a page: the chain rule written out for arrays as a whole, and for single elements."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_lite.core.shapes import Index
from tinygrad_lite.core.value import Value
from tinygrad_lite.derivation.derivation import derive
from tinygrad_lite.errors import ArgumentError

from .listing import Element, flat
from .statistics import Lengths

__all__ = ["derivations"]

ARRAYS = 40
"""The largest number of arrays whose derivation as a whole is written."""

READABLE, WORK = 300, 5_000
"""The largest numbers of local derivatives on all paths of an element whose derivation is written, and of all such
elements together (some seconds). The sweeps for one element count as one local derivative for 20 values."""

NAME = 200
"""The largest number of characters of a name in a derivation."""


def derivations(
    end: Value,
    order: Sequence[Value],
    values: Sequence[Value],
    asked: Sequence[Element],
    counts: Mapping[Value, Any],
    lengths: Lengths,
    notes: list[str],
) -> dict[Value, dict[str, Any]]:
    """Derivations by value: "all" is the array as a whole, "0", "1", … its elements, counted row by row.

    ``order`` holds the Values of the graph, ``counts`` the numbers of paths to each element. The elements ``asked`` for
    come first. Elements of a value without ``lengths`` of paths have no derivation.
    """
    if any(len(node.name or "") > NAME for node in order):
        notes.append(f"no derivations are written out, as a name has more than {NAME} characters")
        return {}
    known = [node for node in values if node in counts and node is not end]
    single = [(node, (0,) * node.ndim) for node in known if node.size == 1]
    candidates = [element for element in dict.fromkeys([*asked, *single]) if element[0] is not end]
    wholes: list[tuple[Value, Index | None]] = [(node, None) for node in known if node.size > 1]
    found: dict[Value, dict[str, str]] = defaultdict(dict)
    for node, at in [*wholes[:ARRAYS], *_readable(candidates, counts, lengths, len(order) // 20)]:
        with contextlib.suppress(ArgumentError):  # too much to write
            found[node]["all" if at is None else str(flat(at, node.shape))] = derive(end, node, at).text
    missing = sum(str(flat(at, node.shape)) not in found.get(node, {}) for node, at in asked)
    if missing:
        notes.append(f"the derivations of {missing:,} elements are left out, as they are long; tg.derive writes any")
    return {node: {"derivation": texts} for node, texts in found.items()}


def _readable(
    elements: Sequence[Element], counts: Mapping[Value, Any], lengths: Lengths, sweeps: int
) -> Iterator[Element]:
    """The elements whose derivations are short, as long as there is work left; each takes ``sweeps`` of it as well."""
    left = WORK
    for node, index in elements:
        if node in lengths:
            steps = int(np.asarray(counts[node])[index]) * lengths[node][1]
            if 0 < steps <= READABLE and steps + sweeps <= left:
                yield node, index
                left -= steps + sweeps
