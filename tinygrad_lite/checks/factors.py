"""The number that wrong gradients say an edge was multiplied by: solved for, and named.

A sweep is linear in what one edge carries. From the right gradients and those without the edge, the factor follows by
least squares; a second sweep confirms it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from ..core.maps import Scale, SumOver
from ..core.shapes import shape_of
from ..core.value import Value
from ..graph import naming
from .evidence import Edge, Evidence, Graph
from .groups import Group
from .slips import times

__all__ = ["batch_sizes", "common_factor", "counted", "factor_of", "factor_text"]


def factor_of(evidence: Evidence, group: Group, numbers: Iterable[float]) -> float | None:
    """The factor of the edges of a group that explains all gradients; ``None`` if none does."""
    without = evidence.swept(group.changed(evidence.graph, times(0.0)))
    solved = _least_squares(evidence, without)
    if solved is None:
        return None
    candidates = [solved]
    if group.in_series(evidence.graph):  # the sweep is a polynomial in the factor
        candidates += [*numbers, *_ratios(evidence)]
    tried: set[float] = set()
    for factor in candidates:
        factor = _tidy(factor, max(evidence.close.relative, 1e-9))
        if factor in tried or not math.isfinite(factor) or abs(factor - 1) < 1e-12:
            continue
        tried.add(factor)
        if evidence.explained(group.changed(evidence.graph, times(factor))):
            return factor
    return None


def _least_squares(evidence: Evidence, without: Mapping[Value, Any]) -> float | None:
    """The factor whose gradients are nearest to the ones made by hand, each array by its own size."""
    above = below = 0.0
    for value, manual in evidence.manual.items():
        right = np.asarray(evidence.right.get(value, 0.0), float)
        carried = right - np.asarray(without.get(value, 0.0), float)
        size = float(np.max(np.abs(carried), initial=0.0))
        if not size or size <= evidence.close.noise.get(value, 0.0) or not math.isfinite(size):
            continue
        carried = np.broadcast_to(carried, value.shape) / size
        above += float(np.sum((np.asarray(manual, float) - right) / size * carried))
        below += float(np.sum(carried * carried))
    return 1 + above / below if below else None


def _ratios(evidence: Evidence) -> Iterator[float]:
    """The ratio of each wrong gradient to the right one."""
    for value in evidence.wrong:
        right = np.asarray(evidence.right.get(value, 0.0), float)
        if np.any(right):
            scaled = right / np.max(np.abs(right))
            yield float(np.sum(np.asarray(evidence.manual[value], float) * scaled) / np.sum(right * scaled))


def _tidy(factor: float, relative: float) -> float:
    """The small fraction that a factor is but for rounding, or the factor."""
    if not math.isfinite(factor) or abs(factor) > 1e6:
        return factor
    largest = min(4096, int(0.5 * relative**-0.5))  # fractions of larger numbers stand closer than it can tell
    near = float(Fraction(factor).limit_denominator(max(largest, 1)))
    return near if abs(factor - near) < relative * max(abs(factor), 1e-3) else factor


# ---- the name of a factor


def factor_text(evidence: Evidence, group: Group, factor: float) -> tuple[str, int]:
    """What a factor says, with places for ``{node}`` and ``{operand}``, and its ``Slip.meaning``."""
    if factor == 0:
        return "the term of {node} is missing from the sum over paths at {operand}", 0
    if factor == -1:
        return "the sign of {node} with respect to {operand} is wrong", 0
    samples = batch_sizes(evidence.graph)
    sizes = counted(evidence.graph)
    text = "what {node} passes to {operand} is"
    for n, what in sizes.items():
        if n > 1 and _is(factor, n) and not (n == 2 and n not in samples):
            return f"{text} {n} times too large: was the mean over {what} forgotten?", 0
        if n > 1 and _is(factor, 1 / n) and not (n == 2 and n not in samples):
            return f"{text} {n} times too small: was the mean over {what} taken of what is a sum?", 0
    local = _constant(group.edges)
    if local is not None and (used := number_name(local * factor, sizes)) and (right := number_name(local, sizes)):
        return f"the factor of {{node}} with respect to {{operand}} is {used}, and not {right}", 0
    exponent = _exponent(group.edges)
    if exponent is not None and _is(factor, 1 / exponent):
        return f"{text} {1 / exponent:.9g} times what it should be: was the {exponent:g} of the power forgotten?", 0
    name = number_name(factor, sizes)
    if name not in ("", "1"):
        return f"{text} {name} times what it should be", 1
    return f"{text} multiplied by {factor:.9g}", 2


def _is(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-9)


def number_name(number: float, sizes: Iterable[int]) -> str:
    """A number in words of the problem: a small fraction, or of the counts n: n, n-1, 1/n, n/(n-1), √n; "" if none.

    >>> number_name(1 / 6, [6]), number_name(-0.5, []), number_name(5 / 6, [6]), number_name(0.1234567, [])
    ('1/6', '-1/2', '5/6', '')
    """
    sign, size = ("-" if number < 0 else ""), abs(number)
    for n in (1, 2, 3, 4, *sizes):
        for value, name in ((float(n), f"{n}"), (1 / n, f"1/{n}")):
            if _is(size, value):
                return sign + name
    for n in sizes:
        for value, name in (
            (n - 1.0, f"{n - 1}"),
            (1 / (n - 1) if n > 1 else 0.0, f"1/{n - 1}"),
            (n / (n - 1) if n > 1 else 0.0, f"{n}/{n - 1}"),
            ((n - 1) / n, f"{n - 1}/{n}"),
            (2 / n, f"2/{n}"),
            (n / 2, f"{n}/2"),
            (math.sqrt(n), f"√{n}"),
            (1 / math.sqrt(n), f"1/√{n}"),
            (float(n * n), f"{n}²"),
            (1 / (n * n), f"1/{n}²"),
        ):
            if value and _is(size, value):
                return sign + name
    return ""


def _constant(edges: Iterable[Edge]) -> float | None:
    """The one number that the chains multiply by; ``None`` if it is 1, or none."""
    found: set[float] = set()
    for edge in edges:
        weight = 1.0
        for m in edge.chain:
            if isinstance(m, Scale | SumOver):
                if np.ptp(np.asarray(m.weight, float)) != 0:
                    return None
                weight *= float(np.ravel(m.weight)[0])
            elif shape_of(getattr(m, "operand", 0.0)):
                return None
        found.add(weight)
    (weight,) = found if len(found) == 1 else (1.0,)
    return weight if weight != 1.0 else None


def _exponent(edges: Iterable[Edge]) -> float | None:
    """The exponent of the power that makes the nodes of all edges."""
    found = set()
    for edge in edges:
        name = edge.node.op.name if edge.node.op is not None else ""
        if name == "pow" and edge.position == 0 and np.ndim(edge.node.operands[1]) == 0:
            y = edge.node.operands[1]
            found.add(float(y.data if isinstance(y, Value) else y))
        else:
            found.add(2.0 if name == "square" else math.nan)
    (exponent,) = found if len(found) == 1 else (math.nan,)
    return None if math.isnan(exponent) or exponent in (0.0, 1.0) else exponent


def counted(graph: Graph) -> dict[int, str]:
    """The numbers that a mean may divide by, with what they count: samples, or the axes of a mean in the graph."""
    lengths = batch_sizes(graph) or {value.shape[0] for node in graph for value in node.parents if value.shape}
    found = {n: f"{n} samples" for n in sorted(lengths)}
    for m in (m for edges in graph.values() for edge in edges for m in edge.chain if isinstance(m, SumOver)):
        over = [m.in_shape[axis] for axis in m.axes]
        if np.ndim(m.weight) == 0 and math.isclose(float(m.weight) * math.prod(over), 1.0):
            found.setdefault(math.prod(over), f"all {' · '.join(map(str, over))} elements")
            for n in over:
                found.setdefault(n, f"an axis of {n} elements")
    for node in graph:
        for n in (n for value in node.parents for n in value.shape):
            found.setdefault(n, f"an axis of {n} elements")
    return found


def batch_sizes(graph: Graph) -> set[int]:
    """How many samples there may be: the length of the data, or for scalars by their names."""
    operands = [value for node in graph for value in node.parents]
    lengths = {value.shape[0] for value in operands if value.shape and value.is_leaf and not value.requires_grad}
    parsed = (naming.parse(value.name) for value in operands if value.name is not None)
    numbers = {element.sample for element in parsed if element is not None and element.sample is not None}
    return lengths | ({len(numbers)} if numbers else set())


def common_factor(evidence: Evidence) -> float | None:
    """The factor of all manual gradients over the right ones; ``None`` if they have none in common, or it is 0 or 1."""
    manual, right, close = evidence.manual, evidence.right, evidence.close
    pairs = [(np.asarray(m, float), np.asarray(right.get(v, 0.0), float)) for v, m in manual.items()]
    if any(m.shape != g.shape for m, g in pairs):
        return None
    given, found = (np.concatenate([np.zeros(0), *(np.ravel(pair[k]) for pair in pairs)]) for k in (0, 1))
    unit = float(np.max(np.abs(found), initial=0.0))
    if not unit or not (np.isfinite(given).all() and np.isfinite(found).all()):
        return None
    with np.errstate(all="ignore"):
        given, found = given / unit, found / unit  # whose squares neither overflow nor vanish
        factor = float(given @ found) / float(found @ found)
    if not math.isfinite(factor) or not factor:
        return None
    return factor if close.near(given, factor * found) and not close.near(given, found) else None
