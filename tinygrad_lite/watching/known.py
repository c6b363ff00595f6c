"""What the graph of a loss knows: every array that a right hand-written backpropagation may compute.

Data, cotangents, what single edges contribute, sums of some of the contributions, and local derivatives; each also
summed over axes and transposed. An array of a program is recognised among them, up to a constant factor.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.graph import ancestors, chains, topological
from ..core.maps import Contract, Scale, SumOver
from ..core.sweeps import reverse
from ..core.value import Value
from ..semirings import GRADIENT, MAGNITUDE

__all__ = ["Known", "Match", "Quantity", "same_numbers", "trivial"]

_PREFIX = re.compile(r"^(?:d|grad|g|delta|δ|Δ)_?(?P<name>.+)$")
_SUFFIX = re.compile(r"^(?P<name>.+?)_?(?:grad|bar|delta)$")
_MOST_FORMS = 20_000
_MOST_SUBSETS = 4
_ROUNDING = 1e-13
"""Of the sizes of the terms that a sum adds up."""


@dataclass(frozen=True, eq=False)
class Quantity:
    """One array that the graph knows. ``role`` is ``data``, ``local``, ``contribution``, ``partial`` or ``cotangent``.

    A contribution, or a partial sum of several, reaches ``value`` from ``readers``; a local derivative is that of
    ``readers[0]`` with respect to ``value``. ``form`` says how it was changed: summed over axes, or ``""``.
    """

    role: str
    value: Value
    array: Any
    readers: tuple[Value, ...] = ()
    form: str = ""
    rounding: float = 0.0


@dataclass(frozen=True)
class Match:
    """An array is ``factor`` times a quantity, ``transposed`` or not."""

    quantity: Quantity
    factor: float
    transposed: bool
    noise: bool = False
    """Whether both are zero but for rounding, so that the array proves nothing about what it was made from."""

    @property
    def exact(self) -> bool:
        return self.factor == 1.0

    @property
    def flows(self) -> bool:
        """Whether it is a gradient, or a part of one."""
        return self.quantity.role in ("cotangent", "contribution", "partial")


class Known:
    """The quantities of the graph of ``loss``. ``tolerance`` is the relative difference allowed."""

    def __init__(self, loss: Value, tolerance: float = 1e-7) -> None:
        self.tolerance = tolerance
        self._graph = topological(loss)
        self.values = ancestors(loss)
        with np.errstate(all="ignore"):
            self._totals = reverse(loss, GRADIENT)
            terms = reverse(loss, MAGNITUDE)
        self.cotangents = {value: np.asarray(GRADIENT.result(g), float) for value, g in self._totals.items()}
        self._terms = {value: float(np.max(MAGNITUDE.result(t), initial=0.0)) for value, t in terms.items()}
        self.contributions: dict[Value, list[tuple[Value, Any]]] = defaultdict(list)
        self.factors = sorted(self._factors() - {1.0})
        self._by_name: dict[str, Value] = {}
        for value in (*self.values, *self.cotangents):
            if value.name is not None:
                self._by_name.setdefault(value.name, value)
        self._by_plain_name = {_plain(name): value for name, value in reversed(self._by_name.items())}
        self._forms: dict[int, list[tuple[Quantity, bool, Any]]] = defaultdict(list)
        self._units: dict[int, Any] = {}
        self._numbers: Any = None
        self._noises: dict[int, list[tuple[Quantity, bool, Any]]] = {}
        self._seen: dict[bytes, list[Match]] = {}
        for quantity in self._quantities():
            self._add(quantity)

    # ---- names

    def called(self, name: str) -> Value | None:
        """The Value whose gradient a variable of this name should hold: ``z`` for ``dz``, ``z_grad``, ``δz``."""
        for pattern in (_PREFIX, _SUFFIX):
            if (found := pattern.match(name)) is not None:
                value = self.named(found["name"])
                if value is not None and value in self.cotangents:
                    return value
        return None

    def named(self, name: str) -> Value | None:
        """The Value of this name, however its index is written."""
        found = self._by_name.get(name)
        return self._by_plain_name.get(_plain(name)) if found is None else found

    # ---- recognising

    @property
    def quantities(self) -> list[Quantity]:
        """The quantities by which arrays are recognised."""
        return [quantity for forms in self._forms.values() for quantity, transposed, _ in forms if not transposed]

    def matches(self, array: Any) -> list[Match]:
        """The quantities that an array is equal or proportional to, exact ones first."""
        flat = np.ravel(array)
        key = hashlib.blake2b(flat.tobytes(), digest_size=16).digest()
        if key not in self._seen:
            self._seen[key] = self._matches(flat)
        return self._seen[key]

    def _matches(self, flat: Any) -> list[Match]:
        forms = self._forms.get(flat.size)
        if not forms or not np.isfinite(flat).all():
            return []
        if flat.size not in self._units:
            self._units[flat.size] = _normalised(np.stack([form for _, _, form in forms]))
            self._noises[flat.size] = [form for form in forms if np.max(np.abs(form[2])) <= form[0].rounding]
        found = []
        if flat.any():
            alike = np.flatnonzero(self._alike(flat, forms))
            found = [m for k in alike if (m := self._match(flat, *forms[k])) is not None]
        found += [m for form in self._noises[flat.size] if (m := self._noise(flat, *form)) is not None]
        return sorted(found, key=_preference)

    def _alike(self, flat: Any, forms: Sequence[tuple[Quantity, bool, Any]]) -> Any:
        """Which forms an array may be a multiple of. Numbers all are, so those must be so by a likely factor."""
        if flat.size > 1:
            return np.abs(self._units[flat.size] @ (flat / np.linalg.norm(flat))) > 1.0 - max(1e-9, self.tolerance)
        if self._numbers is None:
            self._numbers = np.array([form[0] for _, _, form in forms])
        factors = np.sort([1.0, *self.factors])
        with np.errstate(all="ignore"):
            ratios = flat[0] / self._numbers
            k = np.clip(np.searchsorted(factors, ratios), 1, len(factors) - 1)
            off = np.minimum(np.abs(factors[k] - ratios), np.abs(factors[k - 1] - ratios))
            return off <= 2.0 * self.tolerance * np.abs(ratios)

    def _match(self, flat: Any, quantity: Quantity, transposed: bool, form: Any) -> Match | None:
        factor = float(flat @ form) / float(form @ form)
        size = np.max(np.abs(flat))
        if np.max(np.abs(flat - factor * form)) > self.tolerance * size:
            return None
        if abs(factor - 1.0) <= self.tolerance:
            return Match(quantity, 1.0, transposed)
        if len(np.unique(np.round(form / np.max(np.abs(form)), 9))) < 3:  # proportional to almost anything
            near = [f for f in self.factors if abs(factor - f) <= self.tolerance * abs(f)]
            return Match(quantity, near[0], transposed) if near else None
        return Match(quantity, factor, transposed)

    def _noise(self, flat: Any, quantity: Quantity, transposed: bool, form: Any) -> Match | None:
        """A gradient that is zero but for rounding, computed in another order."""
        if np.max(np.abs(flat)) > quantity.rounding:
            return None
        return Match(quantity, 1.0, transposed, True)

    def near(self, array: Any, value: Value) -> bool:
        """Whether an array is the gradient of ``value``, in its shape."""
        right = self.cotangents[value]
        array = np.asarray(array)
        if array.shape != right.shape or not np.isfinite(array).all():
            return False
        size = max(float(np.max(np.abs(right), initial=0.0)), float(np.max(np.abs(array), initial=0.0)))
        allowed = self.tolerance * size + self._rounding(value)
        return bool(np.max(np.abs(array - right), initial=0.0) <= allowed)

    # ---- what there is

    def _quantities(self) -> Iterator[Quantity]:
        for value, g in self.cotangents.items():
            yield from self._summed(Quantity("cotangent", value, g, rounding=self._rounding(value)))
        with np.errstate(all="ignore"):
            for node in self._graph:
                yield from self._of_edges(node)
        for value, parts in self.contributions.items():
            yield from self._partial_sums(value, parts)
        for value in self.values:
            data = np.asarray(value.data)
            if data.dtype.kind == "f" and not (value.name is None and value.is_leaf and not data.ndim):
                yield Quantity("data", value, data.astype(float))

    def _rounding(self, value: Value) -> float:
        return _ROUNDING * self._terms.get(value, 0.0)

    def _of_edges(self, node: Value) -> Iterator[Quantity]:
        for _, operand, chain in chains(node):
            g = self._totals.get(node)
            if g is None:
                continue
            for k, linear_map in enumerate(chain):
                weight = linear_map.weight if isinstance(linear_map, Scale | SumOver) else None
                if isinstance(linear_map, Contract):
                    weight = linear_map.operand
                if weight is not None and np.ndim(weight):
                    yield Quantity("local", operand, np.asarray(weight, float), (node,))
                g = GRADIENT.pull((linear_map,), g, node)
                if k < len(chain) - 1:
                    yield Quantity(
                        "contribution", operand, np.asarray(GRADIENT.result(g), float), (node,), "before it is summed"
                    )
            part = np.asarray(GRADIENT.result(GRADIENT.fitted(g, operand)), float)
            self.contributions[operand].append((node, part))
            yield from self._summed(Quantity("contribution", operand, part, (node,), rounding=self._rounding(operand)))

    def _partial_sums(self, value: Value, parts: Sequence[tuple[Value, Any]]) -> Iterator[Quantity]:
        if 2 < len(parts) <= _MOST_SUBSETS:
            for n in range(2, len(parts)):
                for some in itertools.combinations(parts, n):
                    total = sum(part for _, part in some)
                    yield Quantity("partial", value, total, tuple(node for node, _ in some))

    def _summed(self, quantity: Quantity) -> Iterator[Quantity]:
        yield quantity
        ndim = quantity.array.ndim
        for n in range(1, ndim + 1):
            for axes in itertools.combinations(range(ndim), n):
                which = "all axes" if n == ndim else f"axis {', '.join(map(str, axes))}"
                total = quantity.array.sum(axis=axes)
                yield Quantity(
                    quantity.role, quantity.value, total, quantity.readers, f"summed over {which}", quantity.rounding
                )

    def _add(self, quantity: Quantity) -> None:
        array = quantity.array
        if not np.isfinite(array).all() or not array.size or trivial(array):
            return
        forms = self._forms[array.size]
        if len(forms) >= _MOST_FORMS:
            return
        forms.append((quantity, False, np.ravel(array)))
        if 1 < sum(n > 1 for n in array.shape) <= 3:
            for axes in itertools.permutations(range(array.ndim)):
                moved = array.transpose(axes)
                if not np.array_equal(np.ravel(moved), np.ravel(array)):
                    forms.append((quantity, True, np.ravel(moved)))

    def _factors(self) -> set[float]:
        lengths = {float(n) for value in self.values for n in value.shape if n > 1}
        whole = {
            1.0,
            2.0,
            3.0,
            4.0,
            *lengths,
            *(n - 1 for n in lengths if n > 2),
            *(float(v.size) for v in self.values),
        }
        return {sign * n for n in whole for sign in (1.0, -1.0)} | {sign / n for n in whole for sign in (1.0, -1.0)}


def _plain(name: str) -> str:
    """A name without what may be written in several ways in an index."""
    return re.sub(r"[_\[\], ]", "", name)


def same_numbers(right: Any, value: Any, tolerance: float) -> bool:
    """Whether an array is another, in whatever shape."""
    if np.size(right) != np.size(value):
        return False
    off = np.abs(np.ravel(right) - np.ravel(value))
    return bool(np.max(off, initial=0.0) <= tolerance * np.max(np.abs(right), initial=0.0))


def trivial(array: Any) -> bool:
    """Whether an array says nothing: all its elements are 0, 1 or -1."""
    return bool(np.all((array == 0.0) | (np.abs(array) == 1.0)))


def _normalised(forms: Any) -> Any:
    norms = np.linalg.norm(forms, axis=1, keepdims=True)
    return forms / np.where(norms == 0.0, 1.0, norms)


def _preference(match: Match) -> tuple[bool, int, bool, bool]:
    roles = ("cotangent", "partial", "contribution", "local", "data")
    return not match.exact, roles.index(match.quantity.role), match.transposed, bool(match.quantity.form)
