"""The checks of paths that several tests run: every statistic and every question against all paths one by one.

``whole/test_random_graphs.py`` and ``whole/test_oracles.py`` show that they fail on planted faults.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lite as tg
from tests.chains import GENERIC
from tests.oracles.brute_force import STATISTICS, Trail, cancellation, entropy, largest_first, spectrum, trails
from tinygrad_lite import Value, semirings
from tinygrad_lite.core.graph import ancestors
from tinygrad_lite.core.sweeps import reverse
from tinygrad_lite.paths.path import Path
from tinygrad_lite.semirings import Semiring


class MaxTimes(Semiring):
    """The largest absolute contribution of one path."""

    name = "MAX_TIMES"

    def lift(self, weight: Any) -> Any:
        return np.abs(weight)

    def times(self, a: Any, b: Any) -> Any:
        return a * b

    def sum(self, a: Any, axis: tuple[int, ...]) -> Any:
        return np.max(a, axis=axis, initial=0.0)

    def zero(self, shape: tuple[int, ...]) -> Any:
        return np.zeros(shape)


class LogToy(Semiring):
    """The logarithm of the magnitude: its zero is not the number 0."""

    name = "LOG"

    def lift(self, weight: Any) -> Any:
        with np.errstate(divide="ignore"):
            return np.log(np.abs(weight))

    def times(self, a: Any, b: Any) -> Any:
        return a + b

    def sum(self, a: Any, axis: tuple[int, ...]) -> Any:
        return np.logaddexp.reduce(a, axis=axis[0]) if len(axis) == 1 else self._over_several(a, axis)

    def _over_several(self, a: Any, axis: tuple[int, ...]) -> Any:
        for k in sorted(axis):  # negative: what is left keeps its number from the end only if the first go first
            a = np.logaddexp.reduce(a, axis=k, keepdims=True)
        return a.reshape([n for k, n in enumerate(a.shape) if k - a.ndim not in axis])

    def zero(self, shape: tuple[int, ...]) -> Any:
        return np.full(shape, -np.inf)


class Pair(Semiring):
    """Gradient and magnitude at once, as two components in front of every element."""

    name = "PAIR"

    def lift(self, weight: Any) -> Any:
        return np.stack([np.asarray(weight, dtype=float), np.abs(weight)])

    def times(self, a: Any, b: Any) -> Any:
        return a * b

    def sum(self, a: Any, axis: tuple[int, ...]) -> Any:
        return np.sum(a, axis=axis)

    def zero(self, shape: tuple[int, ...]) -> Any:
        return np.zeros((2, *shape))


OF_THE_PROJECT = [found for found in vars(semirings).values() if isinstance(found, Semiring)]


def assert_statistics(end: Value, exact: bool = True) -> None:
    """Every semiring at every element of every Value that a gradient reaches, against every path one by one."""
    to: dict[Value, dict[int, list[Trail]]] = {}
    for trail in trails(end):
        to.setdefault(trail.nodes[-1], defaultdict(list))[trail.elements[-1]].append(trail)
    found = {semiring: reverse(end, semiring) for semiring in OF_THE_PROJECT}
    for toy in (GENERIC, MaxTimes(), LogToy(), Pair()):
        found[toy] = reverse(end, toy)
    for value in ancestors(end):
        if not value.requires_grad:
            assert value not in to
            assert all(value not in totals for totals in found.values())
            continue
        elements = range(int(np.prod(value.shape)))

        reached = [to.get(value, {}).get(i, []) for i in elements]

        def expected(name: str, value: Value = value, reached: list[list[Trail]] = reached) -> Any:
            one_by_one = [STATISTICS[name]([trail.product for trail in some]) for some in reached]
            dtype = None if one_by_one else int if "COUNT" in name else float
            return np.array(one_by_one, dtype=dtype).reshape(value.shape)

        for semiring, totals in found.items():
            who = f"{semiring.name} at {value!r}"
            if value not in totals:
                assert not expected("COUNT").any(), who
                continue
            total = totals[value]
            match semiring.name:
                case "ACTIVE_COUNT" if not exact:
                    assert np.all(np.asarray(total) >= expected(semiring.name)), who
                case "COUNT" | "ACTIVE_COUNT":
                    assert np.asarray(total).dtype.kind in "iO", who
                    assert_array_equal(total, expected(semiring.name), err_msg=who, strict=bool(value.shape))
                case "GRADIENT" | "MAGNITUDE" | "GENERIC":
                    name = "GRADIENT" if semiring is GENERIC else semiring.name
                    got = semiring.result(total)
                    assert np.shape(got) == value.shape, who
                    assert_allclose(got, expected(name), rtol=1e-7, atol=1e-7, err_msg=who)
                case "SPECTRUM":
                    assert_spectra(semiring.result(total), list(map(spectrum, reached)), value, who)
                case "MAX" | "MOST_POSITIVE" | "MOST_NEGATIVE" | "ENTROPY" | "LOG_MAGNITUDE" | "LOG_COUNT":
                    with np.errstate(over="ignore"):
                        got = semiring.result(total)
                    assert np.shape(got) == value.shape, who
                    assert_allclose(got, expected(semiring.name), rtol=1e-6, atol=1e-6, err_msg=who)
                case "MAX_TIMES":
                    assert_allclose(total, expected("MAX"), rtol=1e-7, atol=1e-7, err_msg=who)
                case "LOG":
                    assert_allclose(np.exp(total), expected("MAGNITUDE"), rtol=1e-7, atol=1e-7, err_msg=who)
                case "PAIR":
                    assert np.shape(total) == (2, *value.shape), who
                    assert_allclose(total[0], expected("GRADIENT"), rtol=1e-7, atol=1e-7, err_msg=who)
                    assert_allclose(total[1], expected("MAGNITUDE"), rtol=1e-7, atol=1e-7, err_msg=who)


def assert_spectra(found: Any, expected: list[dict[int, Any]], value: Value, who: str) -> None:
    """Of every element the same number of paths of each length, the same total and the same magnitude."""
    assert list(found) == sorted(found), who
    assert {length for one in expected for length in one} <= set(found), who
    for length, (count, total, magnitude) in found.items():
        one_by_one = [one.get(length, (0, 0.0, 0.0)) for one in expected]
        assert np.shape(count) == np.shape(total) == np.shape(magnitude) == value.shape, who
        assert np.asarray(count).dtype.kind in "iO", who
        assert_array_equal(np.ravel(count), [n for n, _, _ in one_by_one], err_msg=who)
        assert_allclose(np.ravel(total), [t for _, t, _ in one_by_one], rtol=1e-7, atol=1e-7, err_msg=who)
        assert_allclose(np.ravel(magnitude), [m for _, _, m in one_by_one], rtol=1e-7, atol=1e-7, err_msg=who)


def flat(value: Value, index: tuple[int, ...]) -> int:
    return int(np.ravel_multi_index(index, value.shape)) if index else 0


def which(path: Path | Trail) -> tuple[Any, ...]:
    """What a path goes through, to tell it from others. Parallel edges look alike."""
    if isinstance(path, Trail):
        return tuple(map(id, path.nodes)), path.elements
    return tuple(map(id, path.nodes)), tuple(map(flat, path.nodes, path.indices))


def close(a: float, b: float, scale: float = 1.0) -> bool:
    return abs(a - b) <= 1e-7 * (abs(b) + scale)


def check_numbers(gp: tg.GradientPaths, some: Sequence[Trail]) -> None:
    """Every number over all paths."""
    products = [trail.product for trail in some]
    magnitude = sum(map(abs, products))
    assert gp.count == len(some), "count"
    assert gp.active_count == sum(product != 0 for product in products), "active_count"
    assert close(gp.total, sum(products), magnitude), "total"
    assert close(gp.magnitude, magnitude), "magnitude"
    if magnitude > 1e-6:
        assert close(gp.cancellation, cancellation(some)), "cancellation"
        assert gp.entropy == pytest.approx(entropy(some), abs=1e-6), "entropy"
    else:
        assert 0 <= gp.cancellation <= 1
    expected = spectrum(some)
    assert list(gp.spectrum) == sorted(expected)
    for length, found in gp.spectrum.items():
        assert found[0] == expected[length][0], "spectrum"
        assert found[1:] == pytest.approx(expected[length][1:], abs=1e-7 * (1 + magnitude), rel=1e-7), "spectrum"
    for part, whole in zip(zip(*gp.spectrum.values(), strict=True), (gp.count, gp.total, gp.magnitude), strict=False):
        assert sum(part) == pytest.approx(whole, rel=1e-10, abs=1e-13 * (1 + magnitude))


def check_places(gp: tg.GradientPaths, some: Sequence[Trail], values: Iterable[Value]) -> None:
    """What goes through each element of each Value, and along each edge between Values."""
    scale = 1 + sum(abs(trail.product) for trail in some)
    through: dict[Value, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    along: dict[tuple[Value, Value], dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for trail in some:
        for node, element in zip(trail.nodes, trail.elements, strict=True):
            through[node][element] += trail.product
        for (reader, operand), element in zip(itertools.pairwise(trail.nodes), trail.elements[1:], strict=True):
            along[reader, operand][element] += trail.product
    for value in values:
        expected = [through[value][i] for i in range(value.size)]
        assert np.shape(gp.through(value)) == value.shape
        assert_allclose(np.ravel(gp.through(value)), expected, atol=1e-7 * scale)
    flows: dict[tuple[Value, Value], Any] = {}
    for flow in gp.flow():
        assert np.shape(flow.contribution) == flow.operand.shape
        assert flow.reader.parents[flow.position] is flow.operand
        passed = np.ravel(flow.contribution)
        flows[flow.reader, flow.operand] = flows.get((flow.reader, flow.operand), 0.0) + passed
    assert set(along) <= set(flows)
    for edge, passed in flows.items():
        assert_allclose(passed, [along[edge][i] for i in range(edge[1].size)], atol=1e-7 * scale)


def check_cut(gp: tg.GradientPaths, inside: set[Value]) -> None:
    """What passes from the end's side into ``inside``, which holds the value and all that its members read."""
    crossing = [flow for flow in gp.flow() if flow.reader not in inside and flow.operand in inside]
    passed = sum(float(np.sum(flow.contribution)) for flow in crossing)
    assert passed == pytest.approx(gp.total, rel=1e-9, abs=1e-12 * (1 + gp.magnitude))


def check_order(gp: tg.GradientPaths, some: Sequence[Trail]) -> None:
    """Every path exactly once, the largest first, those that carry nothing last; and the same from ``top``."""
    listed = list(gp)
    found, expected = (
        sorted((which(path), number) for path, number in both)
        for both in (
            [(path, path.contribution) for path in listed],
            [(trail, trail.product) for trail in some],
        )
    )
    assert [key for key, _ in found] == [key for key, _ in expected]
    assert all(close(a, b) for (_, a), (_, b) in zip(found, expected, strict=True))
    sizes = [abs(path.contribution) for path in listed]
    assert all(a >= b * (1 - 1e-11) for a, b in itertools.pairwise(sizes))
    active = [all(path.locals) for path in listed]
    assert active == sorted(active, reverse=True)
    for k in (1, 2, len(listed) + 3):
        assert list(map(which, gp.top(k))) == list(map(which, listed[:k]))
    for sign, kept in (("positive", 1), ("negative", -1)):
        signed = gp.top(len(listed) + 3, sign=sign)
        of_sign = [path for path in listed if path.contribution * kept > 0]
        assert Counter(map(which, signed)) == Counter(map(which, of_sign))
        assert all(abs(a.contribution) >= abs(b.contribution) * (1 - 1e-11) for a, b in itertools.pairwise(signed))


def check_exact_order(gp: tg.GradientPaths, some: Sequence[Trail]) -> None:
    """Ties by their position too, where the weights are known exactly."""
    expected = largest_first(some)
    assert [path.contribution for path in gp] == [trail.product for trail in expected], "the order of contributions"
    assert list(map(which, gp)) == list(map(which, expected)), "the order of ties"
    for sign, kept in (("positive", 1), ("negative", -1)):
        of_sign = [trail for trail in expected if trail.product * kept > 0]
        assert list(map(which, gp.top(len(some) + 1, sign=sign))) == list(map(which, of_sign))


def check_samples(gp: tg.GradientPaths, some: Sequence[Trail], seed: int) -> None:
    """Only paths that carry something are drawn."""
    carrying = Counter(which(trail) for trail in some if trail.product)
    if not carrying:
        with pytest.raises(tg.errors.GraphError, match="no path carries anything"):
            gp.sample(1, seed)
        return
    assert set(map(which, gp.sample(20, seed))) <= set(carrying)


def passes(trail: Trail, gate: Any) -> bool:
    """Whether a trail goes by way of a Value, or of one element of it."""
    if isinstance(gate, Value):
        return any(node is gate for node in trail.nodes)
    value, index = gate
    return any(node is value and i == flat(value, index) for node, i in zip(trail.nodes, trail.elements, strict=True))


def exact(trail: Trail) -> Trail:
    """Differences of linear functions are off by rounding only."""
    weights = tuple(round(8 * weight) / 8 for weight in trail.weights)
    assert_allclose(weights, trail.weights, atol=1e-6)
    return Trail(trail.nodes, trail.elements, weights)


def trails_to(end: Value, value: Value, element: int) -> list[Trail]:
    return [exact(trail) for trail in trails(end) if trail.nodes[-1] is value and trail.elements[-1] == element]
