"""The linear maps: what each pulls and pushes, the edges it lists, and that a chain joins two elements once at most."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lite as tg
from tests.cases import CASES, EACH_WITH_TIES, LABELS, Case, recorded
from tests.chains import GENERIC, all_chains, pull, push, random
from tests.oracles.brute_force import elementary
from tinygrad_lite import Value
from tinygrad_lite.core.graph import ancestors, chains
from tinygrad_lite.core.maps import Broadcast, Chain, Contract, Gather, Reshape, Scale, Scan, SumOver, Transpose, edges
from tinygrad_lite.semirings import COUNT, GRADIENT, MAGNITUDE

EACH = pytest.mark.parametrize("example", CASES, ids=LABELS)
INDEXED = list(np.ndindex(2, 3))


def moved(example: Case, rng: np.random.Generator) -> list[tuple[Value, int, Value, Chain]]:
    return all_chains(recorded(example, rng)[1])


# ---- every chain of every op -----------------------------------------------------------------------------------------


@EACH
def test_pull_and_push_are_adjoint(example: Case, rng: np.random.Generator) -> None:
    for node, _, operand, chain in moved(example, rng):
        g, t = random(rng, node.shape), random(rng, operand.shape)
        pulled, pushed = pull(chain, g), push(chain, t)
        assert np.shape(pulled) == operand.shape
        assert np.shape(pushed) == node.shape
        assert_allclose(np.sum(pushed * g), np.sum(t * pulled), rtol=1e-11, atol=1e-12)


@EACH
def test_maps_change_nothing_in_place(example: Case, rng: np.random.Generator) -> None:
    for node, _, operand, chain in moved(example, rng):
        g, t = random(rng, node.shape), random(rng, operand.shape)
        before = np.copy(g), np.copy(t)
        pull(chain, g)
        push(chain, t)
        pull(chain, np.copy(g), GENERIC)
        push(chain, np.copy(t), GENERIC)
        assert_array_equal(g, before[0])
        assert_array_equal(t, before[1])


def flat(index: tuple[int, ...], shape: tuple[int, ...]) -> int:
    return int(np.ravel_multi_index(index, shape)) if shape else 0


def assert_edges(node: Value, operand: Value, chain: Chain, rows: list[list[tuple[int, float]]]) -> None:
    """The chain lists the same edges as the oracle, each once."""
    for j, index in enumerate(np.ndindex(node.shape)):
        listed = [(flat(inner, operand.shape), weight) for inner, weight in edges(chain, index)]
        assert all(n == 1 for n in Counter(i for i, _ in listed).values()), "two routes join one pair of elements"
        found, expected = dict(listed), dict(rows[j])
        assert found.keys() == expected.keys()
        assert_allclose([found[i] for i in expected], list(expected.values()), rtol=1e-8, atol=1e-8)


@EACH_WITH_TIES
def test_edges_are_the_structural_entries_of_the_jacobian(example: Case, ties: bool, rng: np.random.Generator) -> None:
    _, end = recorded(example, rng, ties)
    for node in ancestors(end):
        oracle = {k: rows for k, _, rows in elementary(node)} if node.op is not None else {}
        listed = {k: (operand, chain) for k, operand, chain in chains(node)}
        assert listed.keys() == oracle.keys()
        for k, (operand, chain) in listed.items():
            assert_edges(node, operand, chain, oracle[k])


@EACH
def test_a_chain_joins_two_elements_once_at_most(example: Case, rng: np.random.Generator) -> None:
    for node, _, operand, chain in moved(example, rng):
        for index in np.ndindex(node.shape):
            seed: Any = np.zeros(node.shape, dtype=np.int64)
            seed[index] = 1
            counts = np.asarray(pull(chain, seed if node.shape else 1, COUNT))
            assert counts.shape == operand.shape
            assert set(np.unique(counts)) <= {0, 1}
            reached = {flat(inner, operand.shape) for inner, _ in edges(chain, index)}
            assert set(np.flatnonzero(counts)) == reached


@EACH
def test_pulls_of_several_components_are_those_of_each(example: Case, rng: np.random.Generator) -> None:
    for node, _, operand, chain in moved(example, rng):
        g, t = rng.standard_normal((3, *node.shape)), rng.standard_normal((3, *operand.shape))
        for semiring in (GRADIENT, GENERIC):
            pulled = pull(chain, g, semiring)
            assert np.shape(pulled) == (3, *operand.shape)
            for c in range(3):
                assert_allclose(pulled[c], pull(chain, g[c], GRADIENT), rtol=1e-11, atol=1e-13)
            pushed = push(chain, t, semiring)
            assert np.shape(pushed) == (3, *node.shape)
            for c in range(3):
                assert_allclose(pushed[c], push(chain, t[c], GRADIENT), rtol=1e-11, atol=1e-13)


@EACH
def test_the_general_way_agrees_with_the_fast_one(example: Case, rng: np.random.Generator) -> None:
    for node, _, operand, chain in moved(example, rng):
        g, t = random(rng, node.shape), random(rng, operand.shape)
        assert_allclose(pull(chain, g, GENERIC), pull(chain, g), rtol=1e-11, atol=1e-13)
        assert_allclose(push(chain, t, GENERIC), push(chain, t), rtol=1e-11, atol=1e-13)
        assert np.shape(pull(chain, g, MAGNITUDE)) == operand.shape
        assert np.all(np.asarray(pull(chain, np.abs(g) if node.shape else abs(g), MAGNITUDE)) >= 0)


@EACH
def test_chains_of_values_have_the_same_weights(example: Case, rng: np.random.Generator) -> None:
    """With Values for operands a chain's weights are Values, to be differentiated again."""
    for node, k, _, chain in moved(example, rng):
        if type(node._da) is not list:
            continue
        again = node.op.chain(k, node.parents, node)
        assert [type(m) for m in again] == [type(m) for m in chain]
        for ours, theirs in zip(again, chain, strict=True):
            for name in ("weight", "operand"):
                if hasattr(ours, name):
                    value, number = getattr(ours, name), getattr(theirs, name)
                    data = value.data if isinstance(value, Value) else value
                    assert_allclose(data, number, rtol=1e-12, atol=1e-300)
                    assert np.shape(data) == np.shape(number)


# ---- maps one by one -------------------------------------------------------------------------------------------------


def matrix(map_: Any, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> Any:
    """A map as a matrix, from its edges."""
    found = np.zeros((math.prod(out_shape), math.prod(in_shape)))
    for index in np.ndindex(out_shape):
        for inner, weight in map_.edges(index):
            found[flat(index, out_shape), flat(inner, in_shape)] += weight
    return found


def assert_matrix(map_: Any, expected: Any, in_shape: tuple[int, ...], out_shape: tuple[int, ...], rng: Any) -> None:
    """The edges of a map, its pull and its push are those of a matrix, alone and with components in front."""
    assert_allclose(matrix(map_, in_shape, out_shape), expected, rtol=1e-12)
    for lead in ((), (2,), (2, 3)):
        g, t = rng.standard_normal((*lead, *out_shape)), rng.standard_normal((*lead, *in_shape))
        flat_g, flat_t = g.reshape((*lead, -1)), t.reshape((*lead, -1))
        for semiring in (GRADIENT, GENERIC):
            pulled, pushed = map_.pull(g, semiring), map_.push(t, semiring)
            assert np.shape(pulled) == (*lead, *in_shape)
            assert np.shape(pushed) == (*lead, *out_shape)
            assert_allclose(np.reshape(pulled, (*lead, -1)), flat_g @ expected, rtol=1e-12, atol=1e-12)
            assert_allclose(np.reshape(pushed, (*lead, -1)), flat_t @ expected.T, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", [(2, 3), (3,), (1, 3), (2, 1), ()])
def test_scale(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    weight = random(rng, shape)
    expected = np.diag(np.broadcast_to(weight, (2, 3)).reshape(-1))
    assert_matrix(Scale(weight, 2), expected, (2, 3), (2, 3), rng)


@pytest.mark.parametrize("weighted", ["one", "number", "array"])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axes", [(-1,), (-2,), (-2, -1), ()])
def test_sum_over(axes: tuple[int, ...], keepdims: bool, weighted: str, rng: np.random.Generator) -> None:
    weight = {"one": 1.0, "number": 0.25, "array": rng.standard_normal((2, 3))}[weighted]
    out_shape = np.sum(np.zeros((2, 3)), axis=tuple(axes), keepdims=keepdims).shape
    expected = np.zeros((math.prod(out_shape), 6))
    for j, index in enumerate(INDEXED):
        unit = np.zeros((2, 3))
        unit[index] = 1
        expected[:, j] = np.sum(weight * unit, axis=tuple(axes), keepdims=keepdims).reshape(-1)
    assert_matrix(SumOver((2, 3), axes, keepdims, weight), expected, (2, 3), out_shape, rng)


@pytest.mark.parametrize("in_shape", [(2, 3), (3,), (1, 3), (2, 1), (1, 1), (1,), ()])
def test_broadcast(in_shape: tuple[int, ...], rng: np.random.Generator) -> None:
    size = math.prod(in_shape)
    origin = np.broadcast_to(np.arange(size).reshape(in_shape), (2, 3)).reshape(-1)
    assert_matrix(Broadcast(in_shape, (2, 3)), np.eye(size)[origin], in_shape, (2, 3), rng)


def test_reshape_and_transpose(rng: np.random.Generator) -> None:
    assert_matrix(Reshape((2, 3), (3, 1, 2)), np.eye(6), (2, 3), (3, 1, 2), rng)
    order = np.transpose(np.arange(24).reshape(2, 3, 4), (2, 0, 1)).reshape(-1)
    assert_matrix(Transpose((-1, -3, -2)), np.eye(24)[order], (2, 3, 4), (4, 2, 3), rng)


def test_gather_with_repeats_and_constants(rng: np.random.Generator) -> None:
    source = np.array([[0, 2, 2], [-1, 2, 0]])
    expected = np.where(source.reshape(-1, 1) == np.arange(4), 1.0, 0.0)
    gather = Gather((4,), (2, 3), lambda a: np.where(source < 0, 0, a[source]))
    assert_array_equal(gather.source, source.reshape(-1))
    assert_matrix(gather, expected, (4,), (2, 3), rng)


@pytest.mark.parametrize(("shape", "axis"), [((4,), -1), ((2, 3), -1), ((3, 2), -2), ((2, 5, 2), -2), ((1,), -1)])
def test_scan(shape: tuple[int, ...], axis: int, rng: np.random.Generator) -> None:
    size = math.prod(shape)
    expected = np.array([np.cumsum(row.reshape(shape), axis=axis).reshape(-1) for row in np.eye(size)]).T
    assert_matrix(Scan(shape, axis), expected, shape, shape, rng)


@pytest.mark.parametrize(
    ("out", "x", "operand"),
    [
        ("ik", "ij", "jk"), ("ki", "ij", "jk"), ("ik", "jk", "ij"), ("", "i", "i"), ("i", "ij", "j"), ("ij", "i", "j"),
        ("ij", "ij", ""), ("ij", "ij", "ij"), ("ji", "ij", "ij"), ("bik", "bij", "bjk"), ("kbi", "jib",
        "bkj"), ("i", "", "i"),
        ("abij", "ija", "b"), ("ab", "ijab", "ji"), ("jk", "aij", "iak"),
    ],
)  # fmt: skip
def test_contract(out: str, x: str, operand: str, rng: np.random.Generator) -> None:
    sizes = dict(zip("abijk", (2, 3, 2, 3, 2), strict=True))
    in_shape, out_shape, w_shape = (tuple(sizes[label] for label in word) for word in (x, out, operand))
    w = rng.standard_normal(w_shape)
    expected = np.zeros((math.prod(out_shape), math.prod(in_shape)))
    for j in range(expected.shape[1]):
        unit = np.zeros(in_shape)
        unit.reshape(-1)[j] = 1
        expected[:, j] = np.einsum(f"{x},{operand}->{out}", unit, w).reshape(-1)
    assert_matrix(Contract(out, x, operand, w if w_shape else float(w)), expected, in_shape, out_shape, rng)


def test_contract_in_pieces(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    monkeypatch.setattr("tinygrad_lite.semirings.base._BLOCK", 7)
    for shapes in (((5, 3), (3, 4)), ((2, 5, 3), (3, 4)), ((2, 5, 3), (2, 3, 4)), ((2, 1, 3), (2, 3, 1))):
        a, w = (rng.standard_normal(shape) for shape in shapes)
        assert_allclose(GENERIC.contract(a, w), a @ w, rtol=1e-12)


@pytest.mark.parametrize("sizes", [(0, 2, 3), (2, 0, 3), (2, 3, 0)])
def test_contract_of_nothing(sizes: tuple[int, int, int], rng: np.random.Generator) -> None:
    m, k, n = sizes
    assert_array_equal(GENERIC.contract(np.ones((m, k)), np.ones((k, n))), np.zeros((m, n)))
    assert_array_equal(COUNT.contract(np.ones((m, k), dtype=np.int64), np.ones((k, n))), np.zeros((m, n)))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 64, 100])
def test_scatter_of_many_to_few(n: int, rng: np.random.Generator) -> None:
    """Any number of elements may come from one place."""
    key = rng.integers(0, 3, n)
    x = Value(np.zeros(4))
    ((_, _, chain),) = chains(x[key])
    g = rng.standard_normal(n)
    expected = [g[key == i].sum() for i in range(4)]
    assert_allclose(pull(chain, g), expected, atol=1e-12)
    assert_allclose(pull(chain, g, GENERIC), expected, atol=1e-12)
    assert_array_equal(pull(chain, np.ones(n, dtype=np.int64), COUNT), [np.sum(key == i) for i in range(4)])


def test_ops_keep_float32_weights(rng: np.random.Generator) -> None:
    x = Value(rng.standard_normal((2, 3)).astype(np.float32))
    for y in (
        tg.max(x),
        x.mean(axis=0),
        x.prod(axis=1),
        tg.norm(x, axis=1),
        tg.logsumexp(x, axis=1),
        x.tanh(),
        x.relu(),
    ):
        for _, _, chain in chains(y):
            g = np.ones(y.shape, dtype=np.float32) if y.shape else 1.0
            assert pull(chain, g).dtype == np.float32
