"""Where wrong gradients go wrong first, and the slip that explains them.

A slip is a change of what an edge carries: multiplied, replaced, transposed, assigned. People make the same slip at
every neuron of a layer, every sample, every time step, so edges are changed one by one and in such groups, wherever the
right gradients leave room for a mistake. Each attempt is one reverse sweep, and a slip counts only if it gives every
number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..core.value import Value, describe
from .evidence import CLOSE, Closeness, Evidence, Graph, first_wrong, last_right
from .factors import batch_sizes, common_factor, counted, factor_of, factor_text
from .groups import Group, called, groups
from .slips import Kind, assigned_terms, kinds, repeated_indices, softmax_slips, times

__all__ = ["Slip", "diagnosed", "explanations", "find_slip"]

_WORK, _WORK_AFTER = 600_000, 150_000
"""The most edges that are pulled through in all attempts, and after one that explains the numbers."""

_OTHERS_NAMED, _FIRST_TRIED, _ANY = 2, 3, 2


@dataclass(frozen=True)
class Slip:
    """A slip that explains wrong gradients, and the first node, from the end, where it was made.

    ``meaning`` tells how much the text says: 0 for a slip with a name, 1 for a factor that is a number of the problem,
    2 for any other factor. One array alone may be any multiple of what it should be. ``changed`` are the edges of the
    graph as somebody who makes the slip takes them, where it is a slip of edges.
    """

    text: str
    node: Value
    meaning: int = 0
    changed: Graph | None = None


def diagnosed(loss: Value, manual: Mapping[Value, Any], close: Closeness) -> tuple[str, ...]:
    """Sentences about wrong gradients: where they go wrong first, the likely slip, and others that fit as well.

    Where no slip gives the numbers, two that do together, or the stretch from the last Value that is proved right to
    the first that is wrong.
    """
    close = replace(close, relative=max(close.relative, 1e-12))  # the same sums in another order differ by less
    evidence = Evidence(loss, manual, close)
    if not evidence.wrong:
        return ("only elements much smaller than the largest of their array are wrong, which no slip explains",)
    found = explanations(evidence)
    if not found:
        return _two_slips(evidence) or _stretch(evidence)
    slip, *others = found
    sentences = [f"first wrong at {describe(slip.node)}, coming from the end", f"the likely slip: {slip.text}"]
    return (*sentences, *_as_well(evidence, others))


def _as_well(evidence: Evidence, others: Sequence[Slip]) -> Iterator[str]:
    """A sentence about other slips that give the same numbers, if there are any."""
    if others:
        more = len(others) - _OTHERS_NAMED
        texts = [other.text for other in others[:_OTHERS_NAMED]]
        rest = f"; and {more} more {_way(evidence)}" if more > 0 else ""
        yield f"the numbers fit as well: {'; '.join(texts)}{rest}"


def _two_slips(evidence: Evidence) -> tuple[str, ...]:
    """Sentences about a slip that explains the first wrong gradient, and one that explains the rest once it is made."""
    first = first_wrong(evidence)
    if len(evidence.wrong) < 2 or first is None:
        return ()
    others = set(evidence.wrong) - {first}
    alone = {value: m for value, m in evidence.manual.items() if value not in others}
    pairs: list[tuple[Slip, list[Slip]]] = []
    for slip in explanations(Evidence(evidence.end, alone, evidence.close))[:_FIRST_TRIED]:
        if slip.changed is None or slip.meaning == _ANY:
            continue
        seconds = explanations(Evidence(evidence.end, evidence.manual, evidence.close, slip.changed))
        if seconds and seconds[0].meaning < _ANY:
            pairs.append((slip, seconds))
    if not pairs:
        return ()
    slip, (second, *alike) = pairs[0]
    return (
        f"first wrong at {describe(slip.node)}, coming from the end",
        f"two slips together give the numbers: {slip.text}; and {second.text}",
        *_as_well(evidence, [*(one for one, _ in pairs[1:]), *alike]),
    )


def _way(evidence: Evidence) -> str:
    wrong = first_wrong(evidence)
    assert wrong is not None
    return f"on the way from {describe(last_right(evidence, wrong))} to {describe(wrong)}"


def _stretch(evidence: Evidence) -> tuple[str, str]:
    wrong = first_wrong(evidence)
    assert wrong is not None
    return (
        f"coming from the end, the first of the gradients given that is wrong is that of {describe(wrong)}; "
        f"the mistake is on the way there from {describe(last_right(evidence, wrong))}",
        "no single slip explains it",
    )


def find_slip(end: Value, manual: Mapping[Value, Any], close: Closeness = CLOSE) -> Slip | None:
    """The likeliest slip that gives exactly the gradients in ``manual``, of any Values; ``None`` if no slip does.

    >>> x, w = Value(2.0, name="x"), Value(0.5, name="w")
    >>> n = (w * x).sigmoid()
    >>> n.name = "n"
    >>> print(find_slip(n * 3.0, {w: 3.0 * 2.0}).text)           # without n(1 - n)
    the factor of 'n' with respect to a nameless result of 'mul' (1) is missing
    """
    found = explanations(Evidence(end, manual, close))
    return found[0] if found else None


def explanations(evidence: Evidence) -> list[Slip]:
    """Every slip found that gives the gradients made by hand, the likeliest first; none if nothing is wrong."""
    if not evidence.wrong:
        return []
    for told in (_transposed(evidence), _exchanged(evidence), _reported(evidence)):
        if told is not None:
            return [told]
    scaled = _scaled(evidence)
    if scaled is not None and not scaled.meaning:
        return [scaled]
    found = [
        Slip(text, node, changed=changed)
        for special in (softmax_slips, repeated_indices, assigned_terms)
        for node, text, changed in special(evidence.graph)
        if evidence.may_explain(changed) and evidence.explained(changed)
    ]
    found += _of_edges(evidence, strictly=True) or ([] if found else _of_edges(evidence, strictly=False))
    if scaled is not None:
        found.insert(0, scaled)
    found.sort(key=lambda slip: slip.meaning)
    return [slip for slip in found if slip.meaning < _ANY or slip.meaning == found[0].meaning]


# ---- slips of edges


def _of_edges(evidence: Evidence, strictly: bool) -> list[Slip]:
    """The slips of single edges and groups that explain the numbers, one for each group, in order of likelihood."""
    ranked: list[tuple[tuple[float, bool, int], Slip]] = []
    explained: list[set[Any]] = []
    work, cost = _WORK, 1 + len(evidence.edges)
    numbers = [0.0, -1.0, *(sign * n for n in (2.0, 0.5, *_sizes(evidence)) for sign in (1, -1))]
    for rank, kind, order, group in _attempts(evidence, strictly):
        members = {(edge.node, edge.position) for edge in group.edges}
        if any(other <= members for other in explained):
            continue
        work -= cost
        if work <= 0:
            break
        slip, place = _attempt(evidence, kind, group, rank, numbers)
        if slip is None:
            continue
        explained.append(members)
        ranked.append(((place, group.several, order), slip))
        work = min(work, _WORK_AFTER)
    return [slip for _, slip in sorted(ranked, key=lambda one: one[0])]


def _attempts(evidence: Evidence, strictly: bool) -> Iterator[tuple[int, Kind | None, int, Group]]:
    """Every kind with every group that it suits; ``None`` stands for a factor to be solved for."""
    every = list(groups(evidence, strictly))
    first, *others = kinds(evidence.graph, evidence.right)
    for rank, kind in enumerate([first, None, *others]):
        for order, group in enumerate(every):
            if kind is None or kind.suits(group.edges):
                yield rank, kind, order, group


def _attempt(
    evidence: Evidence, kind: Kind | None, group: Group, rank: float, numbers: Sequence[float]
) -> tuple[Slip | None, float]:
    """The slip, if it explains the numbers, and its rank among all. ``numbers`` are likely factors."""
    node = group.edges[0].node
    if kind is not None:
        changed = group.changed(evidence.graph, kind.change)
        explained = evidence.explained(changed)
        return Slip(kind.text.format(**group.names), node, changed=changed) if explained else None, rank
    factor = factor_of(evidence, group, numbers)
    if factor is None:
        return None, rank
    text, meaning = factor_text(evidence, group, factor)
    if meaning == _ANY and sum(value.size for value in evidence.wrong) < 2:
        return None, rank  # one number alone is always some multiple of what it should be
    changed = group.changed(evidence.graph, times(factor))
    return Slip(text.format(**group.names), node, meaning, changed), rank if factor in (0.0, -1.0) else 100


def _sizes(evidence: Evidence) -> list[float]:
    return [float(k) for n in counted(evidence.graph) if n > 1 for k in (n, 1 / n)]


# ---- slips that show in the numbers alone


def _wrong_pairs(evidence: Evidence) -> list[tuple[Value, Any, Any]] | None:
    """The wrong Values with what was given and what is right; ``None`` if one has another shape."""
    found = []
    for value in evidence.wrong:
        given = np.asarray(evidence.manual[value], float)
        if given.shape != value.shape and given.T.shape != value.shape:
            return None
        found.append((value, given, np.asarray(evidence.right.get(value, np.zeros(value.shape)), float)))
    return found


def _transposed(evidence: Evidence) -> Slip | None:
    """Gradients that are only transposed, where all others are right."""
    pairs = _wrong_pairs(evidence)
    if pairs is None or any(m.ndim < 2 or not evidence.close.of(m.T, g, value) for value, m, g in pairs):
        return None
    first = pairs[0][0]
    return Slip(f"the gradient of {called(first, False)} is transposed", first)


def _exchanged(evidence: Evidence) -> Slip | None:
    """Gradients that are right, but each of another of the wrong ones."""
    pairs = _wrong_pairs(evidence)
    if pairs is None or len(pairs) < 2:
        return None
    whose = []
    for value, m, _ in pairs:
        own = [
            other for other, _, g in pairs if other is not value and other.shape == m.shape and _same(evidence, m, g)
        ]
        if not own:
            return None
        whose.append((value, own[0]))
    if len({other for _, other in whose}) < len(whose):
        return None
    names = " and ".join(called(value, False) for value, _ in whose)
    if len(whose) == 2:
        return Slip(f"the gradients of {names} are exchanged", whose[0][0])
    moved = ", ".join(f"that of {called(other, False)} is given for {called(value, False)}" for value, other in whose)
    return Slip(f"the gradients are exchanged: {moved}", whose[0][0])


def _same(evidence: Evidence, m: Any, g: Any) -> bool:
    return bool(np.any(g)) and evidence.close.near(m, g)


def _reported(evidence: Evidence) -> Slip | None:
    """A gradient that is wrong although what was computed from it is right: that of another Value, or a multiple."""
    if len(evidence.wrong) != 1 or evidence.wrong[0] not in evidence.proved:
        return None
    value = evidence.wrong[0]
    given = np.asarray(evidence.manual[value], float)
    after = f"the gradient given for {called(value, False)}, from which right ones were computed,"
    for other, g in evidence.right.items():
        if other is not value and np.shape(g) == given.shape and _same(evidence, given, np.asarray(g, float)):
            return Slip(f"{after} is that of {called(other, False)}", value)
    right = np.asarray(evidence.right[value], float)
    for what, number in (("of the wrong sign", -1.0), *((f"{k:.4g} times too large", k) for k in _sizes(evidence))):
        if evidence.close.of(given, number * right, value):
            return Slip(f"{after} is {what}", value)
    return None


def _scaled(evidence: Evidence) -> Slip | None:
    """Slips at the very end, which scale every gradient by one number."""
    factor, tolerance, end = common_factor(evidence), evidence.close.relative, evidence.end
    if factor is None:
        return None
    means = batch_sizes(evidence.graph)
    for n, what in counted(evidence.graph).items():
        if n == 2 and n not in means:
            continue
        if n > 1 and abs(factor - n) < tolerance * n:
            return Slip(f"every gradient is {n} times too large: was the mean over {what} forgotten?", end)
        if n > 1 and abs(factor * n - 1) < tolerance:
            return Slip(f"every gradient is {n} times too small: was the mean over {what} taken twice?", end)
    if abs(factor + 1) < tolerance:
        return Slip("every gradient has the wrong sign", end)
    return Slip(f"every gradient is multiplied by {factor:.9g}", end, 1)
