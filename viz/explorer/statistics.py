"""The statistics on a page: gradients, numbers of paths, magnitudes, entropies and spectra of every element.

One reverse sweep per statistic gives it for all elements of all values. Where the page would become too large, the
values that were asked for last go without, and a note says so. ``arrivals`` are the terms of the gradient one by one.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_lite.core.finiteness import check_local_derivatives
from tinygrad_lite.core.graph import chains, topological
from tinygrad_lite.core.sweeps import ALL_OPEN, reverse
from tinygrad_lite.core.value import Value
from tinygrad_lite.paths.path import count_text
from tinygrad_lite.semirings import ACTIVE_COUNT, COUNT, ENTROPY, GRADIENT, MAGNITUDE, SPECTRUM

from ..dot.escape import visible
from ..records.numbers import summary
from .listing import Element, flat

__all__ = ["Lengths", "Statistics", "arrivals", "path_lengths", "plain"]

ELEMENTS = 20_000
"""The largest number of elements with statistics on the page: 2 MB."""

GROUPS = 100_000
"""The largest number of numbers in all spectra together, and in their sweep at any time."""

Lengths = Mapping[Value, tuple[int, int]]
"""The lengths of the shortest and of the longest path from the end to each value."""


class Statistics:
    """The reverse sweeps from ``end``, one for each statistic.

    >>> x = Value(3.0)
    >>> y = x * x
    >>> Statistics(y).of_elements([x], [])[x]["count"]
    ['2']
    """

    def __init__(self, end: Value) -> None:
        self.end = end
        swept = reverse(end, GRADIENT)
        check_local_derivatives(end, swept, "explore", ALL_OPEN.opens)
        self.gradients = swept
        self.totals = {node: GRADIENT.result(a) for node, a in swept.items()}
        self.counts = {node: COUNT.result(a) for node, a in reverse(end, COUNT).items()}
        self._others = {semiring: reverse(end, semiring) for semiring in (ACTIVE_COUNT, MAGNITUDE, ENTROPY)}

    def of_elements(
        self, values: Iterable[Value], notes: list[str], asked: Iterable[Element] = ()
    ) -> dict[Value, dict[str, Any]]:
        """The data and the statistics of the elements of each value; of a value too large, for those in ``asked``."""
        found: dict[Value, dict[str, Any]] = {}
        single: defaultdict[Value, list[int]] = defaultdict(list)
        for node, index in asked:
            single[node].append(flat(index, node.shape))
        left, without = ELEMENTS, []
        for node in values:
            if node.size <= left:
                left -= node.size
                found[node] = self._columns(node, slice(None))
                continue
            without.append(node)
            columns = self._columns(node, single[node])
            rows = zip(*columns.values(), strict=True)
            elements = [dict(zip(columns, row, strict=True)) for row in rows]
            found[node] = {"elements": dict(zip(map(str, single[node]), elements, strict=True))}
        if without:
            notes.append(
                f"the numbers of single elements are on the page for {ELEMENTS:,} elements; "
                f"of {_some(without)} they are there for the elements asked for, the largest gradients first"
            )
        return found

    def _columns(self, node: Value, places: slice | list[int]) -> dict[str, list[Any]]:
        """The data and the statistics of the elements at some places of a value, counted row by row."""

        def chosen(a: Any) -> Any:
            return np.ravel(a)[places]

        columns: dict[str, list[Any]] = {"data": _listed(chosen(node.data))}
        if node not in self.totals:
            return columns
        counts, total = chosen(self.counts[node]), chosen(self.totals[node])
        others = (semiring.result(swept[node]) for semiring, swept in self._others.items())
        active, magnitude, entropy = map(chosen, others)
        with np.errstate(all="ignore"):
            cancelled = np.where(magnitude > 0, 1 - np.abs(total) / magnitude, 0.0)
        return columns | {
            "total": _listed(total),
            "magnitude": _listed(magnitude),
            "cancellation": _listed(np.clip(cancelled, 0.0, 1.0)),
            "entropy": _listed(entropy),
            "count": _counted(counts),
            "active": _counted(active),
        }

    def spectra(self, values: Iterable[Value], lengths: Lengths, notes: list[str]) -> dict[Value, dict[str, Any]]:
        """The spectrum of each value: count, total and magnitude of its elements by the length of the paths."""
        if sum(node.size * (longest - least + 1) for node, (least, longest) in lengths.items()) > 20 * GROUPS:
            notes.append("there are too many lengths of paths for spectra: viz.plots.spectrum draws one")
            return {}
        swept = reverse(self.end, SPECTRUM)
        found: dict[Value, dict[str, Any]] = {}
        left = GROUPS
        for node in values:
            if node not in swept:
                continue
            spectrum = SPECTRUM.result(swept[node])
            left -= 3 * node.size * len(spectrum)
            if left < 0:
                break
            found[node] = {
                "spectrum": [
                    [length, _counted(counts), _listed(totals), _listed(magnitudes)]
                    for length, (counts, totals, magnitudes) in spectrum.items()
                ]
            }
        return found


def path_lengths(end: Value) -> Lengths:
    """The lengths, in ops, of the shortest and of the longest path from the end to each value.

    >>> x = Value(3.0)
    >>> path_lengths(x * x + x)[x]
    (1, 2)
    """
    lengths: dict[Value, tuple[int, int]] = {end: (0, 0)}
    for node in reversed(topological(end)):
        for _, operand, _ in chains(node) if node in lengths else ():
            least, longest = lengths[node][0] + 1, lengths[node][1] + 1
            before = lengths.get(operand, (least, longest))
            lengths[operand] = min(before[0], least), max(before[1], longest)
    return lengths


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


def _some(values: Sequence[Value]) -> str:
    names = ", ".join(visible(v.name, 20) if v.name else "a nameless one" for v in values[:3])
    return names + (f" and {len(values) - 3:,} more" if len(values) > 3 else "")


def plain(x: float) -> float | str:
    """A number in a form that JSON can hold: infinity and NaN are texts."""
    return x if math.isfinite(x) else repr(x)


def _listed(a: Any) -> list[float | str]:
    return [plain(float(x)) for x in np.ravel(a)]


def _counted(counts: Any) -> list[str]:
    return [count_text(int(count)) for count in np.ravel(counts)]
