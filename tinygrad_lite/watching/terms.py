"""The term that a sum lacks, as an expression of what is at hand: ``dy @ W.T``, ``2 * w``, ``-d.sum(axis=0) / n``.

It is looked for by its value: numbers at hand, their sums over axes, and products of two or three of them, up to a
factor that a derivative may have.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["terms_of"]

_MOST_NAMES = 25
_MOST_TRIED = 30_000
_FACTORS = {1.0: "", 2.0: "2", 0.5: "0.5", 3.0: "3", 4.0: "4"}


@dataclass(frozen=True)
class _Part:
    """An expression, as a factor of a product, and its value."""

    text: str
    value: Any


def terms_of(missing: Any, numbers: Mapping[str, Any], lengths: Mapping[str, int], tolerance: float) -> Iterator[str]:
    """Expressions whose value is the array ``missing``, up to the relative ``tolerance``; simple ones first.

    ``numbers`` are what is at hand, by the text that reads them, and ``lengths`` what a sum may be divided by, the
    likely ones first.

    >>> a, b = np.array([1.0, 2.0]), np.array([3.0, -1.0])
    >>> next(terms_of(-2 * a * b / 7, {"a": a, "b": b}, {"n": 7}, 1e-9))
    '-2 * a * b / n'
    """
    missing = np.asarray(missing, float)
    size = float(np.max(np.abs(missing), initial=0.0))
    if not size or not np.isfinite(missing).all():
        return
    factors = list(_factors(lengths))
    seen: set[str] = set()
    with np.errstate(all="ignore"):
        for part in itertools.islice(_candidates(_each_once(numbers), missing), _MOST_TRIED):
            text = _scaled(part, missing, factors, tolerance * size)
            if text is not None and text not in seen:
                seen.add(text)
                yield text


def _factors(lengths: Mapping[str, int]) -> Iterator[tuple[float, str, str]]:
    """The factors that a term may have, with what is written before and after it."""
    for factor, text in _FACTORS.items():
        yield factor, text, ""
    for (name, length), (factor, text) in itertools.product(lengths.items(), _FACTORS.items()):
        if length > 1:
            yield factor / length, text, f"({name})" if " " in name else name


def _scaled(part: _Part, missing: Any, factors: Sequence[tuple[float, str, str]], allowed: float) -> str | None:
    """The expression times the factor with which it is what is missing; ``None`` where there is no such factor."""
    if np.ndim(part.value) > missing.ndim or not np.isfinite(part.value).all():
        return None
    try:
        value = np.broadcast_to(part.value, missing.shape)
    except ValueError:
        return None
    norm = float(np.sum(value * value))
    factor = float(np.sum(value * missing)) / norm if norm else 0.0
    if not factor or np.max(np.abs(missing - factor * value), initial=0.0) > allowed:
        return None
    for known, before, after in factors:
        if abs(abs(factor) - known) <= 1e-7 * known:
            sign = "-" if factor < 0 else ""
            return sign + (f"{before} * " if before else "") + part.text + (f" / {after}" if after else "")
    return None


def _each_once(numbers: Mapping[str, Any]) -> list[_Part]:
    """The numbers, each under the shortest of its texts."""
    found: dict[tuple[tuple[int, ...], bytes], _Part] = {}
    for text in sorted(numbers, key=len):
        value = np.asarray(numbers[text], float)
        found.setdefault((value.shape, value.tobytes()), _Part(text, value))
    return list(found.values())[:_MOST_NAMES]


def _candidates(plain: Sequence[_Part], missing: Any) -> Iterator[_Part]:
    """What a term may be, up to a factor, the simple ones first."""
    yield from plain
    sums = list(_sums(plain))
    yield from sums
    pairs = list(_products(itertools.combinations_with_replacement(plain, 2)))
    yield from pairs
    yield from _matrix_products(plain)
    sums_of_pairs = list(_sums(pairs))
    yield from sums_of_pairs
    if missing.size == 1:  # too many products are one number by chance
        return
    wide = list(_products(itertools.product(plain, [*_derivatives(plain), *sums, *sums_of_pairs])))
    yield from wide
    yield from _sums(wide)
    yield from _products(itertools.product(pairs, plain))


def _products(pairs: Iterator[tuple[_Part, _Part]]) -> Iterator[_Part]:
    """Products of two, element by element."""
    for a, b in pairs:
        try:
            np.broadcast_shapes(a.value.shape, b.value.shape)
        except ValueError:
            continue
        yield _Part(f"{a.text} * {b.text}", a.value * b.value)


def _matrix_products(plain: Sequence[_Part]) -> Iterator[_Part]:
    matrices = [part for part in plain if part.value.ndim == 2]
    turned = [_Part(f"{part.text}.T", part.value.T) for part in matrices]
    for some, others in ((matrices, turned), (turned, matrices), (matrices, matrices)):
        for a, b in itertools.product(some, others):
            if a.value.shape[1] == b.value.shape[0]:
                yield _Part(f"{a.text} @ {b.text}", a.value @ b.value)


def _sums(parts: Sequence[_Part]) -> Iterator[_Part]:
    """Sums over all axes, and over one, which is left out or stays with length 1."""
    for part in parts:
        text = f"({part.text})" if " " in part.text else part.text
        if part.value.ndim:
            yield _Part(f"{text}.sum()", np.asarray(part.value.sum()))
        for axis in range(part.value.ndim) if part.value.ndim > 1 else ():
            yield _Part(f"{text}.sum(axis={axis})", part.value.sum(axis=axis))
            yield _Part(f"{text}.sum(axis={axis}, keepdims=True)", part.value.sum(axis=axis, keepdims=True))


def _derivatives(plain: Sequence[_Part]) -> Iterator[_Part]:
    """Derivatives of activations."""
    for part in plain:
        yield _Part(f"(1 - {part.text} ** 2)", 1 - part.value**2)
        yield _Part(f"{part.text} * (1 - {part.text})", part.value * (1 - part.value))
        yield _Part(f"({part.text} > 0)", np.asarray(part.value > 0, float))
