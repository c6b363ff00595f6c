"""The sum over paths as a person writes it: factors that paths share stand once, outside the bracket.

The elements between an end and a Value are a graph whose edges carry local derivatives as expressions. If all paths
pass one element, the sum is a product of the part before it and the part behind it; between two such elements it is a
sum over the edges out of the first. A sum over samples is written once if its terms differ in the sample only.
"""

from __future__ import annotations

import ast
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import NamedTuple

from ..core.shapes import Index
from ..core.value import Value
from ..formulas.expressions import add, is_number, number, parts, product, total
from ..formulas.reader import TooLongError
from ..formulas.symbols import Symbol, key, substituted

__all__ = ["Edge", "Factor", "Graph", "Place", "Product", "Samples", "Sum", "grouped"]


class Place(NamedTuple):
    """One element of a Value. Values are compared by identity, not by their data."""

    value: Value
    element: Index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Place) and self.value is other.value and self.element == other.element

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((id(self.value), self.element))


class Edge(NamedTuple):
    """An elementary edge: where it leads, its local derivative as an expression and as a number."""

    to: Place
    factor: ast.expr
    number: float


@dataclass(frozen=True)
class Factor:
    """One factor and its number."""

    e: ast.expr
    number: float


@dataclass(frozen=True)
class Product:
    """Factors, some of them sums; no factors are 1."""

    factors: tuple[Factor | Sum | Samples, ...]

    @property
    def number(self) -> float:
        """Its value at the recorded point."""
        return math.prod(factor.number for factor in self.factors)


@dataclass(frozen=True)
class Sum:
    """Terms added up."""

    terms: tuple[Product, ...]

    @property
    def number(self) -> float:
        """Its value at the recorded point."""
        return math.fsum(term.number for term in self.terms)


@dataclass(frozen=True)
class Samples:
    """A sum over samples whose terms have the same form: ``bodies[k]`` is the term of sample ``which[k]``."""

    which: tuple[int, ...]
    bodies: tuple[Product, ...]

    @property
    def number(self) -> float:
        """Its value at the recorded point."""
        return math.fsum(body.number for body in self.bodies)


@dataclass
class Graph:
    """The elements between an end and a target; in ``order`` each stands before the elements that it reads."""

    edges: dict[Place, list[Edge]]
    order: Sequence[Place]
    merges: Callable[[Place], bool] = field(default=lambda place: False)
    """Whether the factors on both sides of an element are multiplied into one: they are at nameless Values."""
    most_terms: int = 40
    """Terms of one factored sum; more raise ``TooLongError``."""
    deepest: int = 12
    """Brackets inside brackets; more raise ``TooLongError``."""
    _terms: int = 0
    _depth: int = 0
    _target: Place | None = None
    _positions: dict[Place, int] | None = None

    def segment(self, first: Sequence[Edge], target: Place) -> Product:
        """The sum over all paths that start with one of the edges and end at the target, factored."""
        self._terms = self._depth = 0
        self._target = target
        return self._segment(first, target)

    def _segment(self, first: Sequence[Edge], target: Place) -> Product:
        factors: list[Factor | Sum | Samples] = []
        last: Place | None = None
        for cut in self._cuts(first, target):
            for part in self._between(first, cut):
                self._append(factors, part, merge=last is not None and self.merges(last))
                last = None
            first, last = self.edges.get(cut, ()), cut
        return _without_ones(Product(tuple(factors)))

    def eliminate(self, values: Set[Value]) -> None:
        """Replace the elements of some Values by direct edges, one for each pair of ends: their paths are added up."""
        if not values:
            return
        for place in reversed(self.order):
            direct: dict[Place, Edge] = {}
            for edge in self.edges[place]:
                onward = self.edges[edge.to] if edge.to.value in values else [Edge(edge.to, number(1.0), 1.0)]
                for to, factor, weight in onward:
                    before = direct.get(to, Edge(to, number(0.0), 0.0))
                    whole = add(before.factor, product(edge.factor, factor))
                    direct[to] = Edge(to, whole, before.number + edge.number * weight)
            if place.value in values or any(edge.to.value in values for edge in self.edges[place]):
                self.edges[place] = list(direct.values())
        self.order = [place for place in self.order if place.value not in values]
        self._positions = None

    def paths(self, first: Sequence[Edge], target: Place) -> Iterator[tuple[Edge, ...]]:
        """The paths one by one. Iterative: a path may be longer than Python's stack is deep."""
        stack = [iter(first)]
        taken: list[Edge] = []
        while stack:
            edge = next(stack[-1], None)
            if edge is None:
                stack.pop()
                if taken:
                    taken.pop()
            elif edge.to == target:
                yield (*taken, edge)
            else:
                taken.append(edge)
                stack.append(iter(self.edges.get(edge.to, ())))

    def expanded(self, first: Sequence[Edge], target: Place) -> Product:
        """The sum with one term for each path."""
        terms = []
        for path in self.paths(first, target):
            factors: list[Factor | Sum | Samples] = []
            for k, edge in enumerate(path):
                self._append(factors, Factor(edge.factor, edge.number), merge=k > 0 and self.merges(path[k - 1].to))
            terms.append(_without_ones(Product(tuple(factors))))
        return terms[0] if len(terms) == 1 else Product((Sum(tuple(terms)),))

    @staticmethod
    def _append(factors: list[Factor | Sum | Samples], part: Factor | Sum | Samples, merge: bool) -> None:
        before = factors[-1] if factors else None
        if merge and isinstance(before, Factor) and isinstance(part, Factor) and _short(before.e) and _short(part.e):
            factors[-1] = Factor(product(before.e, part.e), before.number * part.number)
        else:
            factors.append(part)

    def _between(self, first: Sequence[Edge], cut: Place) -> list[Factor | Sum | Samples]:
        """The factors between two elements that all paths pass, the second being ``cut``."""
        terms = []
        self._terms += len({edge.to for edge in first}) - 1  # parallel edges are mostly one factor
        self._depth += 1
        if self._terms > self.most_terms or self._depth > self.deepest:
            raise TooLongError
        for edge in first:
            head = Factor(edge.factor, edge.number)
            if edge.to == cut:
                terms.append(Product((head,)))
                continue
            rest = self._segment(self.edges[edge.to], cut).factors
            joined: list[Factor | Sum | Samples] = [head]
            for k, part in enumerate(rest):
                self._append(joined, part, merge=k == 0 and self.merges(edge.to))
            terms.append(Product(tuple(joined)))
        self._depth -= 1
        terms = [_without_ones(term) for term in _counted(terms)]
        nameless = cut != self._target and all(edge.to == cut or self.merges(edge.to) for edge in first)
        if nameless and (whole := _difference(terms)):
            return [whole]
        return list(terms[0].factors) if len(terms) == 1 else [Sum(tuple(terms))]

    def _cuts(self, first: Sequence[Edge], target: Place) -> list[Place]:
        """The elements that all these paths pass, in order, the target last: paths are counted from both ends."""
        ahead: defaultdict[Place, int] = defaultdict(int)
        for edge in first:
            ahead[edge.to] += 1
        passed = self.reached(first, target)
        for place in passed:
            if place != target:
                for edge in self.edges.get(place, ()):
                    ahead[edge.to] += ahead[place]
        behind: defaultdict[Place, int] = defaultdict(int, {target: 1})
        for place in reversed(passed):
            if place != target:
                behind[place] = sum(behind[edge.to] for edge in self.edges.get(place, ()))
        return [place for place in passed if ahead[place] * behind[place] == ahead[target]]

    def reached(self, first: Sequence[Edge], target: Place | None = None) -> list[Place]:
        """The elements on the paths that start with one of the edges, in order; no further than the target."""
        found = {edge.to for edge in first}
        waiting = list(found)
        while waiting:
            place = waiting.pop()
            for edge in self.edges.get(place, ()) if place != target else ():
                if edge.to not in found:
                    found.add(edge.to)
                    waiting.append(edge.to)
        return self.ordered(found)

    def ordered(self, places: Set[Place]) -> list[Place]:
        """Some of the elements, in order."""
        if self._positions is None:
            self._positions = {place: k for k, place in enumerate(self.order)}
        return sorted(places, key=self._positions.__getitem__)


def _short(e: ast.expr) -> bool:
    return sum(1 for _ in ast.walk(e)) < 100


def _without_ones(tree: Product) -> Product:
    return Product(tuple(f for f in tree.factors if not (isinstance(f, Factor) and is_number(f.e, 1.0))))


def _counted(terms: list[Product]) -> list[Product]:
    """Equal terms joined, with their number in front: the derivative of ``x * x`` is 2·x."""
    alike: defaultdict[str, list[Product]] = defaultdict(list)
    for term in terms:
        alike[_shape(term)].append(term)
    found = []
    for same in alike.values():
        n, (first, *rest) = len(same), same[0].factors or (Factor(number(1.0), 1.0),)
        if n > 1 and isinstance(first, Factor):
            first, n = Factor(product(number(n), first.e), n * first.number), 1
        found.append(Product((first, *rest) if n == 1 else (Factor(number(n), n), first, *rest)))
    return found


def _difference(terms: Sequence[Product]) -> Factor | None:
    """``softmax(z) - t`` as one factor; ``None`` for terms that are products, or all of one sign."""
    factors = [part for term in terms for part in term.factors if isinstance(part, Factor) and _short(part.e)]
    minus = [parts(factor.e)[0] < 0 for factor in factors]
    if len(set(minus)) < 2 or len(factors) < len(terms) or any(len(term.factors) > 1 for term in terms):
        return None
    ordered = sorted(factors, key=lambda factor: parts(factor.e)[0] < 0)
    return Factor(total(factor.e for factor in ordered), math.fsum(factor.number for factor in factors))


def grouped(samples: Mapping[int, Product], generic: Callable[[Symbol, int], Symbol]) -> list[Samples]:
    """The trees of the samples, grouped by form. ``generic`` makes the symbol that stands for one in every sample."""
    alike: defaultdict[str, list[tuple[int, Product]]] = defaultdict(list)
    for sample, tree in samples.items():
        of_any = _substituted(tree, lambda symbol, sample=sample: generic(symbol, sample))  # type: ignore[misc]
        alike[_shape(of_any)].append((sample, of_any))
    return [Samples(*zip(*group, strict=True)) for group in alike.values()]


def _substituted(tree: Product, change: Callable[[Symbol], Symbol]) -> Product:
    def changed(part: Factor | Sum | Samples) -> Factor | Sum | Samples:
        if isinstance(part, Factor):
            return Factor(substituted(part.e, change), part.number)
        if isinstance(part, Sum):
            return Sum(tuple(_substituted(term, change) for term in part.terms))
        return Samples(part.which, tuple(_substituted(body, change) for body in part.bodies))

    return Product(tuple(map(changed, tree.factors)))


def _shape(tree: Product) -> str:
    def of(part: Factor | Sum | Samples) -> str:
        if isinstance(part, Factor):
            return key(part.e)
        return "(" + " + ".join(map(_shape, part.terms if isinstance(part, Sum) else part.bodies)) + ")"

    return " * ".join(map(of, tree.factors))
