"""Statistics of groups of paths: the sweep keeps one sum for each key, such as the length of a path.

An element maps each key to the sum of its group of paths, an element of another semiring. An edge changes the key.
The spectrum's key is the length of the path, so that its elements are polynomials in the length.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import ArgumentError
from .base import Chain, Node, Semiring
from .limbs import Limbs
from .scaled import Floating

__all__ = ["Grouped", "Groups"]


Extended = Callable[[Any, Node], Any]


class Groups(NamedTuple):
    """The sum of each group of paths, in each of the semirings.

    ``sums`` has one array for each semiring; its first axis is that of the keys.
    """

    keys: tuple[Any, ...]
    sums: tuple[Any, ...]


class Grouped(Semiring):
    """Several statistics at once for each group of paths.

    ``semirings`` are those of the statistics: their elements are numbers. ``start`` is the key of the empty path, and
    ``extended(key, node)`` that of a path with key ``key`` and one more edge, of the op that made ``node``. Raises
    ``ArgumentError`` when there are more than ``at_most`` groups.
    """

    def __init__(
        self,
        name: str,
        semirings: Sequence[Semiring],
        start: Hashable,
        extended: Extended,
        at_most: int = 1_000_000,
        instead: str = "",
    ) -> None:
        self.name, self.semirings = name, tuple(semirings)
        self.start, self.extended = start, extended
        self.at_most, self.instead = at_most, instead

    def pull(self, chain: Chain, g: Groups, node: Node) -> Groups:
        return self._carried(g, node, [s.pull(chain, a, node) for s, a in zip(self.semirings, g.sums, strict=True)])

    def push(self, chain: Chain, t: Groups, node: Node) -> Groups:
        return self._carried(t, node, [s.push(chain, a, node) for s, a in zip(self.semirings, t.sums, strict=True)])

    def _carried(self, before: Groups, node: Node, sums: list[Any]) -> Groups:
        """The sums under their new keys. Groups whose keys have become equal are one."""
        keys = [self.extended(key, node) for key in before.keys]
        distinct = tuple(dict.fromkeys(keys))
        if len(distinct) == len(keys):
            return Groups(tuple(keys), tuple(sums))
        again: list[list[int]] = []  # the groups whose key comes for the first time, for the second time, …
        times: Counter[Any] = Counter()
        for k, key in enumerate(keys):
            if times[key] == len(again):
                again.append([])
            again[times[key]].append(k)
            times[key] += 1
        parts = [Groups(tuple(keys[k] for k in some), tuple(_part(a, some) for a in sums)) for some in again]
        return functools.reduce(self.add, parts)

    def add(self, a: Groups, b: Groups) -> Groups:
        if a.keys != b.keys:
            place = {key: k for k, key in enumerate(dict.fromkeys(a.keys + b.keys))}
            if len(place) > self.at_most:
                raise ArgumentError(
                    f"{self.name}: more than {self.at_most} groups of paths; {self.instead or 'ask for coarser ones'}"
                )
            a, b = (self._placed(groups, place) for groups in (a, b))
        return Groups(a.keys, tuple(s.add(x, y) for s, x, y in zip(self.semirings, a.sums, b.sums, strict=True)))

    def parted(self, groups: Groups, inside: Callable[[Any], bool]) -> tuple[Groups, Groups]:
        """The groups whose keys are ``inside``, and the others."""
        some: list[int] = []
        rest: list[int] = []
        for k, key in enumerate(groups.keys):
            (some if inside(key) else rest).append(k)
        if not rest:
            return groups, self.zero(())
        first, second = (
            Groups(tuple(groups.keys[k] for k in part), tuple(_part(a, part) for a in groups.sums))
            for part in (some, rest)
        )
        return first, second

    def _placed(self, groups: Groups, place: dict[Any, int]) -> Groups:
        """The groups at their places among others."""
        places = [place[key] for key in groups.keys]
        sums = (_spread(s, x, places, len(place)) for s, x in zip(self.semirings, groups.sums, strict=True))
        return Groups(tuple(place), tuple(sums))

    def one(self, shape: tuple[int, ...]) -> Groups:
        return Groups((self.start,), tuple(np.asarray(s.one(shape))[None] for s in self.semirings))

    def zero(self, shape: tuple[int, ...]) -> Groups:
        return Groups((), tuple(np.asarray(s.zero((0, *shape))) for s in self.semirings))

    def at(self, a: Groups, index: tuple[int, ...]) -> Groups:
        return Groups(a.keys, tuple(s.at(x, index) for s, x in zip(self.semirings, a.sums, strict=True)))

    def only(self, a: Groups, index: tuple[int, ...], shape: tuple[int, ...]) -> Groups:
        sums = []
        for s, x in zip(self.semirings, a.sums, strict=True):
            out: Any = np.broadcast_to(s.zero(shape), (len(a.keys), *shape)).astype(np.asarray(x).dtype)
            out[(..., *index)] = x
            sums.append(out)
        return Groups(a.keys, tuple(sums))

    def masked(self, a: Groups, mask: Any, shape: tuple[int, ...]) -> Groups:
        stacked = (len(a.keys), *shape)
        mask = np.broadcast_to(mask, stacked)
        return Groups(a.keys, tuple(s.masked(x, mask, stacked) for s, x in zip(self.semirings, a.sums, strict=True)))

    def result(self, a: Groups) -> dict[Any, Any]:
        """``{key: (one statistic, …)}``, in the order of the keys if they have one."""
        found = [s.result(x) for s, x in zip(self.semirings, a.sums, strict=True)]
        groups = {key: tuple(_plain(x[k]) for x in found) for k, key in enumerate(a.keys)}
        return dict(sorted(groups.items())) if all(isinstance(key, int) for key in groups) else groups

    def stored(self, found: Any, dtype: Any) -> Any:
        return {
            key: tuple(s.stored(x, dtype) for s, x in zip(self.semirings, group, strict=True))
            for key, group in found.items()
        }


def _part(a: Any, where: list[int]) -> Any:
    if type(a) is Limbs:
        return Limbs(a.digits[:, where], a.bound)
    return Floating(a.mantissa[where], a.exponent) if type(a) is Floating else a[where]


def _spread(semiring: Semiring, a: Any, places: list[int], size: int) -> Any:
    """The groups of ``a`` at their places among ``size`` groups."""
    if type(a) is Floating:
        return Floating(_spread(semiring, a.mantissa, places, size), a.exponent)
    if type(a) is Limbs:
        digits = np.zeros((len(a.digits), size, *a.digits.shape[2:]))
        digits[:, places] = a.digits
        return Limbs(digits, a.bound)
    out = np.array(semiring.zero((size, *a.shape[1:]))).astype(a.dtype, copy=False)
    out[places] = a
    return out


def _plain(a: Any) -> Any:
    """A number of the kind that Python has, an array as it is."""
    return a.item() if isinstance(a, np.generic) else a
