"""What a replay computes for each op, so that ``verify`` can name the first one that differs.

A replay keeps few results: it writes them over each other, and into each other's expressions. ``probed`` makes a second
function of its lines, which notes each result where the replay has it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Mark", "Probe", "Seen", "probed"]


class Mark(NamedTuple):
    """The value of an op in the captured run, or the gradient that arrives at it.

    ``position`` counts the run's nodes, or if ``backward`` its ops through which a gradient flows.
    """

    backward: bool
    position: int
    op: str


class Probe(NamedTuple):
    """An expression to note after a number of lines; ``rows`` if it has one block's rows."""

    lines: int
    text: str
    rows: bool
    marks: Sequence[Mark]


Seen = list[tuple[Mark, Any]]


def probed(
    arguments: Sequence[str], lines: Sequence[str], probes: Sequence[Probe], things: Mapping[str, Any]
) -> Callable[..., Seen]:
    """The function of ``lines``, which returns what its probes note. It is compiled when it is called."""

    def observe(*data: Any) -> Seen:
        body = list(lines)
        for k, probe in sorted(enumerate(probes), key=lambda item: (-item[1].lines, -item[0])):
            indent = "        " if probe.rows else "    "
            body.insert(probe.lines, f"{indent}probe({k}, {probe.text})")
        noted: defaultdict[int, list[Any]] = defaultdict(list)
        scope = {**things, "probe": lambda k, x: noted[k].append(np.array(x))}
        exec("\n".join([f"def probed({', '.join(arguments)}):", *body, "    pass"]), scope)
        scope["probed"](*data)
        whole = {k: parts[0] if len(parts) == 1 else np.concatenate(parts) for k, parts in noted.items()}
        return [(mark, whole[k]) for k, probe in enumerate(probes) for mark in probe.marks]

    return observe
