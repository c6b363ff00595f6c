"""The elements between an end and one element of a value, as a graph of expressions, sample by sample.

The graph is the chain rule, element by element: each edge carries its local derivative as an expression. ``factoring``
factors the sum over its paths, ``trees`` prints it.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..core.graph import chains
from ..core.maps import edges
from ..core.value import Value, describe
from ..errors import ArgumentError
from ..formulas.expressions import is_number, number, product
from ..formulas.reader import TooLongError, Tracer
from ..formulas.symbols import Symbol
from ..graph.batches import samples_of
from ..paths.queries import GradientPaths
from ..semirings import COUNT, GRADIENT
from .factoring import Edge, Graph, Place, Product, Samples, Sum, grouped
from .names import Delta, Sampled, inside_losses, parameters_read, suffixes

__all__ = ["Elements"]


AT_MOST = 20_000
"""Elementary edges between the two ends."""


MOST_IN_DELTAS = 400
"""Terms of one line of δs: a long one is still a plain sum."""


class Elements:
    """The graph of elements on some paths, with the insides of fused losses eliminated unless ``every_path`` is shown.

    Raises ``ArgumentError`` if the graph is too large to write.
    """

    def __init__(self, paths: GradientPaths, names: Mapping[Value, str], every_path: bool) -> None:
        self.paths = paths
        self.target = Place(paths.wrt, paths.at)
        self._names = names
        self._tracer, self._bounded = Tracer(), Tracer(limit=1000, shown=names)
        self._families: dict[str, dict[int, Value]] = defaultdict(dict)
        self._count = paths.tangents(COUNT)
        self.graph = self._made()
        if not every_path:
            self.graph.eliminate(inside_losses(paths.end) - {paths.end, paths.wrt})
        self.first: Sequence[Edge] = self.graph.edges.get(Place(paths.end, paths.end_at), ())

    # ---- the graph

    def _made(self) -> Graph:
        start = Place(self.paths.end, self.paths.end_at)
        found: dict[Place, list[Edge]] = {}
        order: list[Place] = []
        stack: list[Any] = [start]
        total = 0
        while stack:  # iterative, each element after all that it reads
            place = stack.pop()
            if place is None:
                order.append(stack.pop())
                continue
            if place in found:
                continue
            found[place] = self._edges(place) if place != self.target else []
            total += len(found[place])
            if total > AT_MOST:
                raise ArgumentError(
                    f"derive: between {describe(self.paths.end)} and {describe(self.paths.wrt)} lie more than "
                    f"{AT_MOST:,} elementary edges and {self.paths.count:,} paths, too many to write out; "
                    "ask for the whole array (leave out at=), for fewer samples, or for tg.gradient_paths(…).top(k)"
                )
            stack += [place, None, *(edge.to for edge in found[place])]
        leading = {self.target}
        for place in order:  # derivatives that are 0 everywhere were left out, and some edges lead nowhere
            found[place] = [edge for edge in found[place] if edge.to in leading]
            if found[place]:
                leading.add(place)
        return Graph(found, order[::-1], lambda place: place.value.name is None)

    def _edges(self, place: Place) -> list[Edge]:
        node, index = place
        made = []
        with np.errstate(all="ignore"):
            for position, operand, chain in chains(node):
                if operand not in self._count:
                    continue
                leading = self.paths.leading(operand)
                symbolic = self._tracer.locals(node, position, index)
                for (inner, weight), (_, expression) in zip(edges(chain, index), symbolic, strict=True):
                    if not (leading[inner] if inner else leading):
                        continue
                    try:
                        e = expression()
                    except TooLongError:
                        e = self._shorter(node, position, index, inner, weight)
                    if not is_number(e, 0.0):
                        made.append(Edge(Place(operand, inner), e, weight))
        return made

    def _shorter(self, node: Value, position: int, index: Any, inner: Any, weight: float) -> ast.expr:
        """The local derivative in terms of nameless Values, each a symbol; the number if there are over a thousand."""
        try:
            return self._bounded.local(node, position, index, inner)
        except TooLongError:
            return number(weight)

    # ---- samples

    @cached_property
    def _samples(self) -> dict[Value, Any]:
        try:
            tags, batches = samples_of(self.paths.end, None)
        except ArgumentError:  # nothing says what the samples are
            return {}
        several = any(axis is not None or not value.shape for value, axis in batches)
        return tags if several else {}  # one sample alone needs no number

    def sample(self, place: Place) -> int:
        """The sample that an element belongs to; negative if it belongs to none, or to several."""
        value, index = place
        if value not in self._samples:
            return -1
        tags = self._samples[value]
        return int(tags[index] if index else tags)

    @cached_property
    def by_sample(self) -> dict[int, list[Edge]]:
        """The first edges of the paths by sample; empty unless each edge leads to one sample.

        Where samples part behind a sum, each edge carries the factors before the sum.
        """
        found: defaultdict[int, list[Edge]] = defaultdict(list)
        waiting = list(self.first[::-1])
        for _ in range(AT_MOST if self._samples else 0):
            if not waiting:
                return dict(sorted(found.items())) if len(found) > 1 else {}
            edge = waiting.pop()
            place, factors, weight = edge.to, [edge.factor], edge.number
            onward = self.graph.edges.get(place, ())
            while self.sample(place) < 0 and len(onward) == 1:  # on to where the samples part
                place, weight = onward[0].to, weight * onward[0].number
                factors.append(onward[0].factor)
                onward = self.graph.edges.get(place, ())
            if self.sample(place) >= 0:
                found[self.sample(place)].append(edge)
            elif onward:
                waiting += [
                    Edge(step.to, product(*factors, step.factor), weight * step.number) for step in reversed(onward)
                ]
            else:
                break
        return {}

    def summed(self, each: Mapping[int, Product], whole: Callable[[], Product]) -> Product:
        """The sum over samples, trees of the same form written once, if that is shorter than the ``whole``."""
        groups: list[Samples] = grouped(each, self.generic) if each else []
        if not groups or len(groups) == len(each):
            return whole()
        terms = tuple(Product((group,)) for group in groups)
        return terms[0] if len(terms) == 1 else Product((Sum(terms),))

    def generic(self, symbol: Symbol, sample: int) -> Symbol:
        """The symbol that stands for this one in every sample."""
        value, index = symbol.value, symbol.index
        if isinstance(symbol, Delta | Sampled) or index is None or self.sample(Place(value, index)) != sample:
            return symbol
        if index:
            named = value.name is not None
            return Sampled(value, None, index[1:]) if named and index[0] == sample else symbol
        base, at, number_text = (value.name or "").rpartition("@")
        if not at or number_text != str(sample) or self._families[base].setdefault(sample, value) is not value:
            return symbol
        return Sampled(value, base)

    def family(self, base: str) -> Any:
        """The numbers of a name, one for each sample."""
        values = self._families[base]
        return np.array([values[k].data if k in values else np.nan for k in range(max(values) + 1)])

    # ---- δ

    def deltas(self, first: Sequence[Edge], shared: bool, sample: int = -1) -> dict[Place, Delta]:
        """The elements whose derivative backpropagation would save: the weighted sums, which read parameters; if there
        are none, or with ``shared``, also the elements that several others read.

        An element that only another of them reads, unchanged, has the same derivative and gets no δ. A ``sample`` that
        stands for all has δs for its own elements only: the elements that all samples read get a part from each.
        """
        reached = self.graph.reached(first)
        readers: defaultdict[Place, list[tuple[Place, Edge]]] = defaultdict(list)
        for place in reached:
            for edge in self.graph.edges.get(place, ()):
                readers[edge.to].append((place, edge))
        between = [place for place in reached if place != self.target and (sample < 0 or self.sample(place) == sample)]
        sums = {place for place in between if parameters_read(place.value)}
        if not sums or shared:
            sums |= {place for place in between if len({reader for reader, _ in readers[place]}) > 1}
        kept = []
        for place in between:
            if place not in sums:
                continue
            alone = readers[place][0] if len(readers[place]) == 1 else None
            if alone is None or alone[0] not in sums or not is_number(alone[1].factor, 1.0):
                kept.append(place)
        names = suffixes([value for value, _ in kept])
        found = {}
        for place in kept:
            row = ["s" if k == 0 and sample == i else str(i) for k, i in enumerate(place.element)]
            found[place] = Delta(place, names[place.value], f"[{','.join(row)}]" if row else "")
        return found

    def readers(self, first: Sequence[Edge]) -> dict[Place, list[Place]]:
        """For each element on the paths that start with one of the edges, those that read it."""
        found: dict[Place, list[Place]] = {}
        for place in self.graph.reached(first):
            for edge in self.graph.edges.get(place, ()):
                found.setdefault(edge.to, []).append(place)
        return found

    def in_terms_of(
        self,
        deltas: Mapping[Place, Delta],
        first: Sequence[Edge],
        target: Place,
        readers: Mapping[Place, Sequence[Place]],
    ) -> Product | None:
        """The sum over the paths to an element, each up to the first δ; ``readers`` are those of the ``first`` edges.

        A δ of the target itself does not count.
        """
        inner, before = {target}, set[Place]()
        waiting = [target]
        while waiting:  # back to the δs: those that lead to the target without passing one
            for reader in readers.get(waiting.pop(), ()):
                if reader in deltas:
                    before.add(reader)
                elif reader not in inner:
                    inner.add(reader)
                    waiting.append(reader)
        within = {
            place: [edge for edge in self.graph.edges.get(place, ()) if edge.to in inner] for place in inner | before
        }
        within[target] = []
        start = [edge for edge in first if edge.to in inner]
        start += [Edge(place, deltas[place], self.cotangent(place)) for place in self.graph.ordered(before)]

        def merges(place: Place) -> bool:
            return place == target or (place not in deltas and self.graph.merges(place))

        graph = Graph(within, self.graph.ordered(inner | before), merges, most_terms=MOST_IN_DELTAS)
        return graph.segment(start, target) if start else None

    @cached_property
    def _cotangents(self) -> dict[Value, Any]:
        return self.paths.cotangents(GRADIENT)

    def cotangent(self, place: Place) -> float:
        """The number of a δ."""
        value, index = place
        found = self._cotangents[value]
        return float(found[index] if index else found)
