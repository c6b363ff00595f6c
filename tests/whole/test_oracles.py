"""The oracles and checkers themselves: right on answers known by hand, and not satisfied with a planted fault."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinygrad_lite as tg
from tests.oracles.brute_force import TooManyPaths, every_path, jacobian, reads, statistic
from tests.oracles.differences import complex_step, slope, unbroadcast
from tests.oracles.formulas import exactly
from tests.path_checks import assert_statistics
from tinygrad_lite import Value, semirings
from tinygrad_lite.core import maps, sweeps


def node(name: str, forward: Any, *operands: Any) -> Any:
    """A node as the oracle reads one, of nothing of the project's."""
    op = SimpleNamespace(name=name, forward=lambda *data: np.asarray(forward(*data), dtype=float))
    data = np.asarray(forward(*(x.data for x in operands)), dtype=float)
    return Node(data=data, shape=data.shape, op=op, operands=operands)


class Node(SimpleNamespace):
    requires_grad = True
    op: Any = None
    __hash__ = object.__hash__


def leaf(data: Any) -> Any:
    return Node(data=np.asarray(data, dtype=float), shape=np.shape(data))


def test_paths_of_a_small_network_by_hand() -> None:
    x, w = leaf([1.0, 2.0]), leaf([[3.0, -1.0], [0.0, 5.0]])
    z = node("matmul", np.matmul, x, w)
    n = node("relu", lambda z: np.maximum(z, 0), z)
    end = node("sum", np.sum, n)
    paths = every_path(end)
    assert_allclose(z.data, [3.0, 9.0])
    assert {i: sorted(products) for i, products in paths[x].items()} == {
        0: pytest.approx([-1.0, 3.0]),
        1: pytest.approx([0.0, 5.0]),
    }
    assert_allclose(statistic("GRADIENT", end, x), [2.0, 5.0])
    assert_allclose(statistic("MAGNITUDE", end, x), [4.0, 5.0])
    assert statistic("COUNT", end, x).tolist() == [2, 2]
    assert statistic("ACTIVE_COUNT", end, x).tolist() == [2, 1]
    assert_allclose(statistic("MAX", end, x), [3.0, 5.0])
    assert_allclose(statistic("GRADIENT", end, w), [[1.0, 1.0], [2.0, 2.0]])
    assert statistic("COUNT", end, leaf(1.0)) == 0


def test_repeated_parents_by_hand() -> None:
    x = leaf(3.0)
    s = node("mul", np.multiply, x, x)
    end = node("add", np.add, s, s)
    assert every_path(end)[x] == {0: pytest.approx([3.0] * 4)}
    with pytest.raises(TooManyPaths, match=r"^$"):
        every_path(end, at_most=3)


def test_what_is_read() -> None:
    def op(name: str, f: Any) -> Any:
        return SimpleNamespace(name=name, forward=f)

    assert reads(op("triu", np.triu), [np.ones((2, 2))], 0).sum() == 3
    assert reads(op("mul", np.multiply), [np.ones((2, 1)), np.zeros(3)], 0).sum(axis=0).tolist() == [3, 3]
    assert reads(op("mul", np.multiply), [np.ones((2, 1)), np.zeros(3)], 1).sum(axis=0).tolist() == [2, 2, 2]
    assert reads(op("where", np.where), [np.array([True]), np.ones(1), np.ones(1)], 2).all()  # though it is not chosen
    assert reads(op("cumsum", np.cumsum), [np.ones(3)], 0).tolist() == np.tri(3, dtype=bool).tolist()
    _, weights = jacobian(op("max", np.max), [np.array([2.0, 1.0, 2.0])], 0)
    assert weights.tolist() == [[0.5, 0.0, 0.5]]
    _, weights = jacobian(op("tanh", np.tanh), [np.array([0.5, 1.0])], 0)
    assert_allclose(weights, np.diag(1 - np.tanh([0.5, 1.0]) ** 2), rtol=1e-10)


def test_differences() -> None:
    assert slope(lambda t: math.exp(3 * t)) == pytest.approx(3, rel=1e-10)
    assert complex_step(np.exp, [np.array(1.5)], 0) == pytest.approx(math.exp(1.5), rel=1e-15)
    assert_allclose(unbroadcast(np.arange(6.0).reshape(2, 3), (2, 1)), [[3.0], [12.0]])
    assert unbroadcast(np.arange(6.0), ()) == 15.0
    assert exactly("softplus", -40.0)[0] == pytest.approx(math.exp(-40), rel=1e-15)


def example() -> Value:
    """A graph in which each fault below shows."""
    x, w = Value([0.5, -1.0, 2.0], name="x"), Value([[1.0, 0.0], [-2.0, 1.0], [0.5, 3.0]], name="w")
    h = tg.tanh(x @ w) + x[[0, 0]]
    s = tg.softmax(h).cumsum() * h.mean()
    return (s + s * tg.broadcast_to(x.max(), (2, 2))).sum()


def test_the_example_is_right() -> None:
    assert_statistics(example())


PULL = maps.Broadcast.pull


@pytest.mark.parametrize(
    ("where", "name", "fault", "wrong"),
    [
        # of two paths that meet, one is lost
        (sweeps, "_add", lambda totals, node, term, semiring: totals.__setitem__(node, term), "GRADIENT"),
        # negative weights count as they are
        (semirings.MAGNITUDE, "_lift", lambda weight: weight, "MAGNITUDE"),
        # every path counts as active
        (semirings.ACTIVE_COUNT._small, "structural", True, "ACTIVE_COUNT"),
        # a broadcast gives its mean, not its sum
        (
            maps.Broadcast,
            "pull",
            lambda self, g, semiring: semiring.times(PULL(self, g, semiring), semiring.lift(0.5)),
            "GRADIENT",
        ),
        # a running sum runs the other way
        (maps.Scan, "pull", lambda self, g, semiring: self.push(g, semiring), "GRADIENT"),
        # a repeated index does not add up
        (
            semirings.Semiring,
            "scatter",
            lambda self, flat, gather: self.zeros(flat.shape[:-1], (math.prod(gather.in_shape),), flat),
            "COUNT",
        ),
    ],
    ids=["accumulate", "magnitude", "active", "broadcast", "scan", "scatter"],
)
def test_a_faulty_sweep_is_caught(
    where: Any, name: str, fault: Any, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(where, name, fault)
    with pytest.raises(AssertionError, match=f"\\b{wrong} at "):
        assert_statistics(example())


def test_a_cheap_softmax_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """``s (g - Σ g s)`` is right for the gradient, and wrong for every other semiring."""

    class Cheap:
        def __init__(self, s: Any) -> None:
            self.s = s

        def pull(self, g: Any, semiring: Any) -> Any:
            return self.s * (g - np.sum(g * self.s, axis=-1, keepdims=True))

    from tinygrad_lite.core.value import Op, record

    class Softmax(Op):
        name = sign = "softmax"

        def forward(self, *data: Any) -> Any:
            e = np.exp(data[0] - np.max(data[0]))
            return e / e.sum()

        def chain(self, k: int, operands: Any, out: Any) -> Any:
            return (Cheap(out),)

    x = Value([1.0, 2.0, 0.5])
    end = (record(Softmax(), (x,)) * np.array([1.0, -2.0, 3.0])).sum()
    assert_allclose(tg.sweep(end, semirings.GRADIENT, wrt=x), statistic("GRADIENT", end, x), rtol=1e-9)
    with pytest.raises(AssertionError, match="MAGNITUDE at "):
        assert_statistics(end)
