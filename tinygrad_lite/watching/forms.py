"""The forms in which quantities are known, and the recognition of an array among them, up to a constant factor."""

from __future__ import annotations

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.value import Value

__all__ = ["Forms", "Match", "Quantity", "same_numbers", "trivial"]

_MOST_FORMS = 20_000


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


class Forms:
    """Quantities in the forms that a program may hold them in, transposed too.

    ``factors`` are the likely constants of a multiple; ``tolerance`` is the relative difference allowed.
    """

    def __init__(self, quantities: Iterable[Quantity], factors: Sequence[float], tolerance: float) -> None:
        self.factors, self.tolerance = factors, tolerance
        self.by_size: dict[int, list[tuple[Quantity, bool, Any]]] = defaultdict(list)
        """Of each number of elements the quantities, whether they are transposed, and their elements in a row."""
        self._units: dict[int, Any] = {}
        self._numbers: Any = None
        self._noises: dict[int, list[tuple[Quantity, bool, Any]]] = {}
        self._seen: dict[bytes, list[Match]] = {}
        for quantity in quantities:
            self._add(quantity)

    def matches(self, array: Any) -> list[Match]:
        """The quantities that an array is equal or proportional to, exact ones first."""
        flat = np.ravel(array)
        key = hashlib.blake2b(flat.tobytes(), digest_size=16).digest()
        if key not in self._seen:
            self._seen[key] = self._matches(flat)
        return self._seen[key]

    def _matches(self, flat: Any) -> list[Match]:
        forms = self.by_size.get(flat.size)
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

    def _add(self, quantity: Quantity) -> None:
        array = quantity.array
        if not np.isfinite(array).all() or not array.size or trivial(array):
            return
        forms = self.by_size[array.size]
        if len(forms) >= _MOST_FORMS:
            return
        forms.append((quantity, False, np.ravel(array)))
        if 1 < sum(n > 1 for n in array.shape) <= 3:
            for axes in itertools.permutations(range(array.ndim)):
                moved = array.transpose(axes)
                if not np.array_equal(np.ravel(moved), np.ravel(array)):
                    forms.append((quantity, True, np.ravel(moved)))


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
