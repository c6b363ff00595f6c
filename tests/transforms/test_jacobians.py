"""Jacobians and Hessians: in containers, in blocks, by the shorter way."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lite as tg
from tinygrad_lite import Value, nn


def test_third_derivatives_by_nested_jacobians() -> None:
    def f(x: Any) -> Any:
        return x[0] ** 2 * x[1] * x[2]

    x = np.array([2.0, 3.0, 5.0])
    expected = np.zeros((3, 3, 3))
    for i, j, k, value in ((0, 0, 1, 10.0), (0, 0, 2, 6.0), (0, 1, 2, 4.0)):
        for index in {(i, j, k), (i, k, j), (j, i, k), (j, k, i), (k, i, j), (k, j, i)}:
            expected[index] = value
    for outer in ("forward", "reverse"):
        assert_allclose(tg.jacobian(tg.hessian(f), mode=outer)(x), expected)
        for inner in ("forward", "reverse"):
            assert_allclose(tg.jacobian(tg.jacobian(tg.grad(f), mode=inner), mode=outer)(x), expected)


def test_paths_through_jacobians_of_values() -> None:
    """Several rows at a time are ops with an axis in front, whose edges are those of each row."""
    for mode in ("forward", "reverse"):
        for f in (lambda x: x[[0, 0, 2]] ** 3, lambda x: np.cumsum(x) * x, lambda x: np.concatenate([x, x * x])[1:4]):
            x = Value([1.0, 2.0, 3.0], name="x")
            whole = tg.jacobian(f, mode=mode)(x).sum()
            whole.backward()
            for k in range(3):
                paths = tg.gradient_paths(whole, x, at=k)
                listed = [path.contribution for path in paths]
                assert len(listed) == paths.count
                assert math.fsum(listed) == pytest.approx(x.grad[k])


def test_hessians_of_modules() -> None:
    net = nn.MLP(2, [2, 1], activation="tanh", rng=0)
    x = np.array([[0.5, -1.0]])

    def loss(net: Any) -> Any:
        return net(x).sum()

    v = {name: np.ones(p.shape) for name, p in net.named_parameters().items()}
    found = tg.hvp(loss, net, v)
    whole = tg.hessian(loss)(net)
    for name, product_ in found.items():
        sums = sum(block.reshape((*product_.shape, -1)).sum(axis=-1) for block in whole[name].values())
        assert_allclose(product_, sums, atol=1e-12)
    scalar = nn.scalar.MLP(2, [2, 1], activation="tanh")
    found = tg.hvp(lambda net: net([0.5, -1.0]), scalar, dict.fromkeys(scalar.named_parameters(), 1.0))
    step = 1e-5

    def gradient(move: float) -> dict[str, float]:
        moved = nn.scalar.MLP(2, [2, 1], activation="tanh")
        moved.load_state_dict({name: p.data + move for name, p in scalar.named_parameters().items()})
        result: dict[str, float] = tg.grad(lambda net: net([0.5, -1.0]))(moved)
        return result

    for name, by_difference in gradient(step).items():
        assert found[name] == pytest.approx((by_difference - gradient(-step)[name]) / (2 * step), abs=1e-8)


@pytest.mark.parametrize("mode", [None, "forward", "reverse"])
def test_jacobians_in_containers(mode: str | None) -> None:
    def f(p: Any, s: Any) -> Any:
        return {"a": p["w"] @ p["x"] * s, "b": (p["x"].sum(), s * s)}

    p = {"w": np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), "x": np.array([7.0, 8.0])}
    found = tg.jacobian(f, (0, 1), mode=mode)(p, 2.0)
    by_p, by_s = found["a"]
    assert_allclose(by_p["w"], np.einsum("ij,k->ijk", np.eye(3), 2 * p["x"]))
    assert_allclose(by_p["x"], 2 * p["w"])
    assert_allclose(by_s, p["w"] @ p["x"])
    assert_array_equal(found["b"][0][0]["x"], [1.0, 1.0])
    assert found["b"][0][1] == 0.0
    assert_array_equal(found["b"][1][0]["w"], np.zeros((3, 2)))
    assert found["b"][1][1] == 4.0


def test_a_jacobian_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    w = np.arange(20.0).reshape(5, 4)
    for block in (1, 7, 13):
        monkeypatch.setattr("tinygrad_lite.transforms.jacobians._BLOCK", block)
        for mode in ("forward", "reverse"):
            assert_allclose(tg.jacobian(lambda x: w @ np.sin(x), mode=mode)(np.ones(4)), w * np.cos(1.0))


def test_the_shorter_way_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    for name in ("carry_back", "carry_forward"):
        right = getattr(tg.transforms.transforms, name)
        monkeypatch.setattr(
            f"tinygrad_lite.transforms.transforms.{name}",
            lambda *args, right=right, name=name: taken.append(name) or right(*args),
        )
    tg.jacobian(lambda x: x.sum())(np.ones(3))
    tg.jacobian(lambda x: x * np.ones(3))(1.0)
    assert taken == ["carry_back", "carry_forward"]


def test_nothing_by_nothing() -> None:
    empty = np.zeros((0, 2))
    assert tg.jacobian(lambda x: x * 2.0)(empty).shape == (0, 2, 0, 2)
    assert tg.grad(lambda x: x.sum())(empty).shape == (0, 2)
    assert tg.hessian(lambda x: x.sum())(empty).shape == (0, 2, 0, 2)
    assert tg.jacobian(lambda x: x)({}) == {}
    assert tg.grad(lambda x: 1.0)(()) == ()


def test_hessian_of_several_arguments() -> None:
    found = tg.hessian(lambda x, y: (x * x * y).sum(), (0, 1))(np.array([2.0, 3.0]), 5.0)
    assert_allclose(found[0][0], np.diag([10.0, 10.0]))
    assert_allclose(found[0][1], [4.0, 6.0])
    assert_allclose(found[1][0], [4.0, 6.0])
    assert found[1][1] == 0.0
    assert tg.hessian(lambda x: x**3)(2.0) == 12.0
    values = tg.hessian(lambda p: p["a"] ** 2 * p["b"])({"a": Value(2.0), "b": Value(3.0)})
    assert values["a"]["b"].data == 4.0
