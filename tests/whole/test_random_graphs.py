"""Random graphs of mixed ops, scalars and tensors together: every semiring and every question to gradient_paths,
against all paths one by one; and that the checks here see planted faults."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tinygrad_lite as tg
from tests.oracles.brute_force import TooManyPaths, Trail, trails
from tests.path_checks import (
    assert_statistics,
    check_cut,
    check_exact_order,
    check_numbers,
    check_order,
    check_places,
    check_samples,
    close,
    passes,
    trails_to,
)
from tinygrad_lite import Value, semirings
from tinygrad_lite.core.graph import ancestors
from tinygrad_lite.core.maps import Contract
from tinygrad_lite.errors import GraphError
from tinygrad_lite.paths import k_best
from tinygrad_lite.semirings.grouped import Grouped, Groups

NUMBERS = [-2.0, -1.0, -0.5, 0.0, 0.0, 0.5, 1.0, 1.0, 2.0]
"""What data and constants are drawn from: zeros, ties and negative numbers are frequent."""
SHAPES: list[list[tuple[int, ...]]] = [[(2, 3), (3,), ()], [(2, 2), (2, 2)], [(2, 2, 2), (2, 2)], [(3,), ()], [(), ()]]


def windows(x: Value) -> Value:
    """A convolution in one dimension: windows of the last axis, and their products with a kernel."""
    places = np.arange(x.shape[-1] - 1)[:, None] + np.arange(2)
    return tg.einsum("...ok,k->...o", x[..., places], np.array([1.0, -0.5]))


UNARY: dict[str, Callable[[Any], Any]] = {
    "tanh": tg.tanh,
    "sigmoid": tg.sigmoid,
    "relu": tg.relu,
    "leaky_relu": lambda x: x.leaky_relu(0.1),
    "abs": abs,
    "square": tg.square,
    "neg": lambda x: -x,
    "exp": lambda x: tg.exp(tg.tanh(x)),
    "log": lambda x: tg.log(tg.square(x) + 1.0),
    "clip": lambda x: tg.clip(x, -1.0, 1.0),
    "times itself": lambda x: x * x,
    "plus itself": lambda x: x + x,
    "less itself": lambda x: x - x,
    "by itself": lambda x: x / (x * x + 1.0),
    "twice": lambda x: x * 2.0,
    "nothing": lambda x: x * 0.0,
    "some of it": lambda x: x * np.resize([0.0, 1.0, -1.0], x.shape) if x.shape else x * -0.5,
    "spread": lambda x: x * np.array([1.0, -1.0]) if not x.shape else tg.broadcast_to(x, (2, *x.shape))[0],
}
ON_ARRAYS: dict[str, Callable[[Any], Any]] = {
    "sum": lambda x: x.sum(axis=-1),
    "sum of all": lambda x: x.sum(),
    "mean": lambda x: x.mean(axis=0),
    "max": lambda x: x.max(axis=-1),
    "max of all": lambda x: x.max(),
    "min": lambda x: x.min(axis=0, keepdims=True),
    "prod": lambda x: x.prod(axis=-1),
    "var": lambda x: x.var(axis=-1),
    "norm": lambda x: tg.norm(x, axis=-1),
    "logsumexp": lambda x: tg.logsumexp(x, axis=-1),
    "softmax": tg.softmax,
    "log_softmax": tg.log_softmax,
    "cumsum": lambda x: x.cumsum(axis=-1),
    "first": lambda x: x[0],
    "repeated": lambda x: x[[0, 0, -1]],
    "beside itself": lambda x: tg.concatenate([x, x[:1]]),
    "padded": lambda x: tg.pad(x, 1)[..., 1:],
    "reversed": lambda x: x[::-1],
    "flat": lambda x: x.reshape(-1),
    "turned": lambda x: x.T,
    "convolved": windows,
    "weighted": lambda x: tg.weighted_sum([x[0], x[-1], x[0]], [2.0, -1.0, x[-1]], 0.5),
    "stacked": lambda x: tg.stack([x, x]),
    "matrix": lambda x: x @ np.array([[1.0, 0.0], [-1.0, 2.0], [0.5, 0.0]])[: x.shape[-1]],
}
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / (y * y + 1.0),
    "maximum": tg.maximum,
    "minimum": tg.minimum,
    "where": lambda x, y: tg.where(np.asarray(x.data) > 0, x, y),
    "matmul": lambda x, y: x @ y,
    "outer": lambda x, y: tg.outer(x, y),
    "einsum": lambda x, y: tg.einsum("...ij,...kj->...ik", x, y),
    "concatenate": lambda x, y: tg.concatenate([x, y, x]),
}


KINDS = [ON_ARRAYS, BINARY, ON_ARRAYS, UNARY]


@dataclass
class Graph:
    end: Value
    leaves: list[Value]
    values: list[Value]


def weighted(value: Value) -> Value:
    """A scalar in which the elements of a Value have different weights, a zero among them."""
    return (value * np.resize([1.0, -0.5, 0.0, 2.0], value.shape)).sum() if value.shape else value * 1.5


@st.composite
def graphs(draw: st.DrawFn, most: int = 2_000) -> Graph:
    """A graph of a few ops on small arrays, with a disconnected parameter, and no more than ``most`` trails."""
    number = st.sampled_from(NUMBERS)
    leaves = []
    for shape in draw(st.sampled_from(SHAPES)):
        data = draw(st.lists(number, min_size=math.prod(shape), max_size=math.prod(shape)))
        leaves.append(Value(np.reshape(data, shape) if shape else data[0]))
    pool = list(leaves)
    for _ in range(draw(st.integers(4, 8))):
        ops = draw(st.sampled_from(KINDS))
        op = ops[draw(st.sampled_from(sorted(ops)))]
        suited = [value for value in pool[-4:] if value.shape or ops is not ON_ARRAYS] or leaves[:1]
        operands = [draw(st.sampled_from(suited)) for _ in range(2 if ops is BINARY else 1)]
        try:
            made = op(*operands)
        except (ValueError, IndexError):  # shapes that do not go together
            made = operands[0].sum() * operands[-1]
        if made.size and made.size <= 12 and np.max(np.abs(made.data)) < 10:
            pool.append(made)
    end = weighted(pool[-1])
    if draw(st.booleans()):
        end = end + weighted(draw(st.sampled_from(pool)))
    unread = Value([1.0, 2.0])
    sizes = np.concatenate([np.abs(np.ravel(value.data)) for value in ancestors(end)])
    assume(
        not np.any((sizes > 0) & (sizes < 1e-6))
    )  # what rounding leaves of a zero: differences cannot tell it from one
    try:
        sum(1 for _ in trails(end, at_most=most))
    except TooManyPaths:
        assume(False)
    return Graph(end, [*leaves, unread], [v for v in ancestors(end) if v.requires_grad])


def picked(data: st.DataObject, graph: Graph) -> tuple[Value, int, list[Trail]]:
    """A Value that the end depends on, an element of it, and all trails there."""
    to: dict[tuple[Value, int], list[Trail]] = defaultdict(list)
    for trail in trails(graph.end):
        to[trail.nodes[-1], trail.elements[-1]].append(trail)
    reached = [value for value in graph.values if any((value, i) in to for i in range(value.size))]
    value = data.draw(st.sampled_from(reached))
    element = data.draw(st.sampled_from(range(value.size)))
    return value, element, to.get((value, element), [])


def indexed(value: Value, element: int) -> tuple[int, ...]:
    return tuple(map(int, np.unravel_index(element, value.shape))) if value.shape else ()


@settings(max_examples=300)
@given(graphs())
def test_every_semiring_at_every_element(graph: Graph) -> None:
    assert_statistics(graph.end)
    unread = graph.leaves[-1]
    assert tg.sweep(graph.end, semirings.SPECTRUM, wrt=unread) == {}
    assert tg.sweep(graph.end, semirings.COUNT, wrt=unread).tolist() == [0, 0]


@settings(max_examples=300)
@given(graphs(), st.data())
def test_every_question_to_gradient_paths(graph: Graph, data: st.DataObject) -> None:
    value, element, some = picked(data, graph)
    gp = tg.gradient_paths(graph.end, value, at=indexed(value, element))
    check_numbers(gp, some)
    check_places(gp, some, [*ancestors(graph.end), graph.leaves[-1]])
    check_order(gp, some)
    check_samples(gp, some, 0)
    inside = set(ancestors(value))
    for other in data.draw(st.lists(st.sampled_from(graph.values), max_size=4)):
        inside |= set(ancestors(other))
    if graph.end not in inside:
        check_cut(gp, inside)


@settings(max_examples=300)
@given(graphs(), st.data())
def test_every_question_about_paths_by_way_of_some_values_and_around_others(graph: Graph, data: st.DataObject) -> None:
    value, element, some = picked(data, graph)
    gates = st.lists(st.sampled_from(ancestors(graph.end)), max_size=2)
    via: list[Any] = list(data.draw(gates, label="via"))
    without: list[Any] = list(data.draw(gates, label="without"))
    for listed in (via, without):  # some of them as one element
        for k, gate in enumerate(listed):
            if gate.size and data.draw(st.booleans()):
                listed[k] = (gate, indexed(gate, data.draw(st.sampled_from(range(gate.size)))))
    kept = [
        trail
        for trail in some
        if all(passes(trail, gate) for gate in via) and not any(passes(trail, gate) for gate in without)
    ]
    try:
        gp = tg.gradient_paths(graph.end, value, at=indexed(value, element), via=via, without=without)
    except GraphError:  # no path can pass
        assert not kept
    else:
        check_numbers(gp, kept)
        check_places(gp, kept, ancestors(graph.end))
        check_order(gp, kept)
        check_samples(gp, kept, 1)
        doubled = [*without, *without]
        again = tg.gradient_paths(graph.end, value, at=indexed(value, element), via=via[::-1], without=doubled)
        assert gp.count == again.count


@settings(max_examples=150)
@given(graphs(), st.data())
def test_what_goes_through_values_that_no_path_meets_twice_adds_up(graph: Graph, data: st.DataObject) -> None:
    value, element, some = picked(data, graph)
    gp = tg.gradient_paths(graph.end, value, at=indexed(value, element))
    apart: list[Value] = []
    for candidate in data.draw(st.permutations(graph.values)):
        if not any(passes(trail, candidate) and passes(trail, one) for trail in some for one in apart):
            apart.append(candidate)
    met = [trail for trail in some if any(passes(trail, one) for one in apart)]
    passed = sum(float(np.sum(gp.through(one))) for one in apart)
    assert close(passed, sum(trail.product for trail in met), 1 + gp.magnitude)
    if len(met) == len(some):  # a cut
        assert passed == pytest.approx(gp.total, rel=1e-9, abs=1e-12 * (1 + gp.magnitude))


# ---- ties, with weights that are exact ------------------------------------------------------------------------------

DYADIC = [-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.0, 2.0]
LINEAR: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - 2.0 * y,
    "itself": lambda x, y: x + x,
    "matrix": lambda x, y: x @ np.array([[1.0, -2.0, 0.0], [0.5, 1.0, 2.0], [-1.0, 0.0, 1.0]]) + y,
    "scaled": lambda x, y: x * np.array([2.0, 0.0, -1.0]) + y,
    "moved": lambda x, y: x[[2, 0, 0]] - y,
    "summed": lambda x, y: x.cumsum() + y,
    "spread": lambda x, y: x * 1.0 + y.sum(),
    "part": lambda x, y: x[1] + y,
    "weighted": lambda x, y: tg.weighted_sum([x, y, x], [2.0, 1.0, -0.5], y),
}


@st.composite
def linear_graphs(draw: st.DrawFn) -> tuple[Value, Value]:
    """A graph of sums, moves and products with powers of two: many paths contribute exactly the same."""
    x = Value(draw(st.lists(st.sampled_from(DYADIC), min_size=3, max_size=3)))
    pool = [x, x * draw(st.sampled_from(DYADIC))]
    for _ in range(draw(st.integers(1, 4))):
        op = LINEAR[draw(st.sampled_from(sorted(LINEAR)))]
        pool.append(op(draw(st.sampled_from(pool[-3:])), draw(st.sampled_from(pool[-3:]))))
    end = pool[-1] @ np.array(draw(st.lists(st.sampled_from(DYADIC), min_size=3, max_size=3)))
    try:
        sum(1 for _ in trails(end, at_most=1_500))
    except TooManyPaths:
        assume(False)
    return end, x


@settings(max_examples=300)
@given(linear_graphs(), st.integers(0, 2))
def test_the_order_of_all_paths_with_their_ties(graph: tuple[Value, Value], element: int) -> None:
    end, x = graph
    assume(x in set(ancestors(end)))
    check_exact_order(tg.gradient_paths(end, x, at=element), trails_to(end, x, element))


def test_a_tie_between_an_early_and_a_late_turn_goes_by_position() -> None:
    """The largest path takes the second edge; of the two that follow one turns at the first, and comes first."""
    r = Value(1.0)
    early, late = r * 2.0, r * 2.0 + r * 1.0
    end = early * 1.0 + late * 2.0
    gp = tg.gradient_paths(end, r)
    check_exact_order(gp, trails_to(end, r, 0))
    assert [path.locals for path in gp] == [(1.0, 2.0, 1.0, 2.0), (1.0, 1.0, 2.0), (1.0, 2.0, 1.0, 1.0)]


def test_differences_within_a_tie_do_not_count() -> None:
    x = Value(1.0)
    factors = [1.0 + 3e-14, 1.0, 1.0 - 3e-14, 1.0 + 1e-13, 2.0, 1.0 - 1e-9, 1.0 + 1e-9]
    gp = tg.gradient_paths(tg.stack([x * factor for factor in factors]).sum(), x)
    assert [path.locals[-1] for path in gp] == [2.0, 1.0 + 1e-9, *factors[:4], 1.0 - 1e-9]
    assert [path.locals[-1] for path in gp.top(3)] == [2.0, 1.0 + 1e-9, factors[0]]


# ---- the checks see planted faults -----------------------------------------------------------------------------------


def example() -> tuple[Value, Value]:
    """A graph in which each fault below shows: exact weights, ties, two lengths, zeros and a matrix product."""
    x = Value([1.0, 2.0, -1.0], name="x")
    h = x @ np.array([[1.0, 2.0, 0.0], [2.0, 1.0, 1.0], [-1.0, 1.0, 2.0]])
    h.name = "h"
    end = (h * np.array([1.0, -2.0, 1.0]) + x.sum() + h[[0, 0, 2]]).sum() + x[0] * 2.0
    return end, x


def check_all(end: Value, x: Value) -> None:
    for element in range(3):
        some = trails_to(end, x, element)
        gp = tg.gradient_paths(end, x, at=element)
        check_numbers(gp, some)
        check_exact_order(gp, some)
        check_places(gp, some, ancestors(end))
        h, _ = tg.find(end, "h")
        for gate in (h, (h, (1,))):
            by_way = [trail for trail in some if passes(trail, gate)]
            around = [trail for trail in some if not passes(trail, gate)]
            check_numbers(tg.gradient_paths(end, x, at=element, via=[gate]), by_way)
            check_numbers(tg.gradient_paths(end, x, at=element, without=[gate]), around)


def test_the_example_is_right() -> None:
    check_all(*example())
    assert_statistics(example()[0])


PULL, PUSH, ADD, TAIL = Contract.pull, Contract.push, Grouped.add, k_best._tail


def _wrong_for(name: str, right: Any) -> Any:
    """A map that is wrong for one semiring: every path twice, with a quarter of its contribution."""
    whole = getattr(semirings, name)
    forms = {getattr(whole, form, whole) for form in ("_small", "_numbers", "_logs")} | {whole}

    def carried(self: Any, a: Any, semiring: Any) -> Any:
        found = right(self, a, semiring)
        twice = semiring.add(found, found) if semiring in forms else found
        return (
            semiring.times(twice, semiring.lift(np.full(np.shape(found)[-1:], 0.25))) if twice is not found else found
        )

    return carried


def _worst_tail(tail: Any, state: Any) -> float:
    best = TAIL(tail, state)
    return -best if math.isfinite(best) else best


def _added_over(self: Any, a: Groups, b: Groups) -> Groups:
    """Of two groups with one key, the second is lost."""
    fresh = [k for k, key in enumerate(b.keys) if key not in a.keys]
    return ADD(self, a, Groups(tuple(b.keys[k] for k in fresh), tuple(x[fresh] for x in b.sums)))


@pytest.mark.parametrize(
    "name", [name for name in semirings.__all__ if name not in ("Semiring", "ACTIVE_COUNT", "SPECTRUM")]
)
def test_a_map_that_is_wrong_for_one_semiring_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Contract, "pull", _wrong_for(name, PULL))
    with pytest.raises(AssertionError, match=f"{name} at "):
        assert_statistics(example()[0])


@pytest.mark.parametrize(
    ("where", "fault", "wrong"),
    [
        ("tinygrad_lite.paths.k_best._TIE", 1.0, "the order of contributions"),  # what is much smaller counts as equal
        (
            "tinygrad_lite.paths.k_best._ties_by_number",
            lambda found: sorted(found, key=lambda edge: (-edge[0], -edge[1].number)),
            "the order of ties",
        ),
        ("tinygrad_lite.paths.k_best._tail", _worst_tail, "the order of contributions"),
        ("tinygrad_lite.core.maps.Contract.push", _wrong_for("MAGNITUDE", PUSH), "magnitude"),
        ("tinygrad_lite.core.maps.Contract.push", _wrong_for("COUNT", PUSH), "count"),
        ("tinygrad_lite.semirings.grouped.Grouped.add", _added_over, "spectrum"),
        ("tinygrad_lite.paths.gates.ViaAndWithout.opens", lambda self, node, operand: True, "count"),
        ("tinygrad_lite.paths.gates.ViaAndWithout.gated", lambda self, node, a, semiring: a, "count"),
    ],
    ids=["tie", "places", "tails", "magnitude", "count", "groups", "opens", "gated"],
)
def test_a_planted_fault_is_caught(where: str, fault: Any, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(where, fault)
    with pytest.raises(AssertionError, match=f"^{wrong}"):
        check_all(*example())
