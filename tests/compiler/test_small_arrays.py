"""Programs of many small arrays as a tape in machine code: the results of NumPy's calls, to 1e-12."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import Value, nn, optim
from tinygrad_lite.compiler import small_arrays
from tinygrad_lite.errors import DifferentGradientsError, FallbackWarning
from tinygrad_lite.transforms.pytrees import leaves

pytest.importorskip("numba")

A = np.array([[0.3, -0.2, 0.5], [0.1, 0.4, -0.6], [-0.7, 0.2, 0.1]])
X = np.array([0.3, -1.2, 0.7])


def flow(a: Any, x: Any) -> Any:
    for _ in range(3):
        k = np.tanh(a @ x)
        x = x + 0.1 * (k + np.tanh(a @ (x + 0.1 * k)))
    return np.sum(x * x)


SUITED: dict[str, Callable[[Any, Any], Any]] = {
    "flow": flow,
    "elementwise": lambda a, x: np.sum(np.exp(x) * np.sin(x) - np.cos(x) / (2.0 + x * x) + np.sqrt(x * x + 1.0)),
    "special": lambda a, x: (tg.sigmoid(x) + tg.gelu(x) * tg.relu(x) + np.arctan(x) + np.log1p(x * x)).sum(),
    "products": lambda a, x: (x @ a @ x) * (a @ a.T).sum() + (a * a).mean(),
    "slices": lambda a, x: np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2) + x[2] * a[1, 0] ** 2,
    "moves": lambda a, x: (a.T[::-1] * x.reshape(3, 1) + np.concatenate([x, x])[1:4]).sum() ** 2,
    "choices": lambda a, x: (tg.relu(x) * np.maximum(x, a[0]) + np.minimum(x, 0.3) ** 2 + np.abs(x)).sum(),
    "columns": lambda a, x: ((a - a.mean(axis=0)) ** 2).sum(axis=1, keepdims=True).sum() * x.sum(),
    "elements": lambda a, x: sum((x[k] * x[k - 1] + tg.exp(a[k, 0]) for k in range(3)), 0.0),
}


@pytest.fixture(autouse=True)
def _everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_arrays, "LEAST_CALLS", 1)


def close(found: Any, wanted: Any) -> None:
    for (_, a), (_, b) in zip(leaves(found), leaves(wanted), strict=True):
        assert type(a) is type(b)
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", SUITED)
def test_derivatives_are_eagers(name: str, rng: np.random.Generator) -> None:
    f = SUITED[name]
    for transform in (tg.value_and_grad(f, (0, 1)), tg.jacobian(f, (0, 1))):
        compiled = tg.compile(transform)
        for k in range(3):
            x = X + 0.05 * k
            close(compiled(A, x), transform(A, x))
        assert compiled.captures <= 2
        assert compiled.backend == "numba"
        compiled.verify(A, X)


def test_a_step_with_its_optimizer() -> None:
    models = [nn.MLP([3, 4, 2], activation="tanh", rng=0) for _ in range(2)]
    optimizers = [optim.Adam(model.parameters(), lr=0.1) for model in models]
    t = np.array([1, 0, 1])

    def loss(k: int, x: Any) -> Any:
        return nn.losses.mse(models[k](x), np.eye(2)[t])

    step = tg.compile(lambda x: loss(0, x), optimizers[0])
    for _ in range(4):
        found = step(A)
        optimizers[1].zero_grad()
        end = loss(1, A)
        end.backward()
        optimizers[1].step()
        assert found == pytest.approx(end.item(), rel=1e-12)
        for p, q in zip(models[0].parameters(), models[1].parameters(), strict=True):
            close(p.data, q.data)
            close(p.grad, q.grad)
    assert step.backend == "numba"


def test_numbers_that_are_extreme() -> None:
    compiled = tg.compile(tg.value_and_grad(lambda x: (tg.sigmoid(x) + np.tanh(x) + np.exp(x * x)).sum()))
    f = tg.value_and_grad(lambda x: (tg.sigmoid(x) + np.tanh(x) + np.exp(x * x)).sum())
    for x in (X, np.array([40.0, -40.0, 0.0]), np.array([800.0, -800.0, np.inf]), np.array([np.nan, 1e-300, -0.0]), X):
        with np.errstate(all="ignore"):
            close(compiled(x), f(x))


def test_results_are_the_callers() -> None:
    compiled = tg.compile(tg.grad(flow, (0, 1)))
    kept = [compiled(A, X + k) for k in range(3)]
    for k in range(3):
        close(kept[k], tg.grad(flow, (0, 1))(A, X + k))


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: np.sum(np.sort(x) ** 2), X),
        (lambda x: np.sum(np.sin(x) ** 2), X.astype(np.float32)),
        (lambda x: np.sum(np.sin(x) ** 2), np.ones((2, 2, 2))),
        (lambda x: np.linalg.det(A * x), X),
        (lambda x: ((x > 0.0) * x).sum(), X),
    ],
    ids=["sort", "float32", "three axes", "det", "a branch"],
)
def test_others_go_by_numpy(f: Callable[[Any], Any], x: Any) -> None:
    compiled = tg.compile(tg.value_and_grad(f))
    for _ in range(2):
        close(compiled(x), tg.value_and_grad(f)(x))


def test_a_backend_that_is_asked_for_is_taken() -> None:
    compiled = tg.compile(tg.value_and_grad(flow), backend="python")
    compiled(A, X)
    assert compiled.backend == "python"


def test_verify_names_the_op() -> None:
    scale = {"by": 2.0}
    compiled = tg.compile(tg.value_and_grad(lambda x: np.sum(np.sin(x * scale["by"]))))
    compiled(X)
    assert compiled.backend == "numba"
    scale["by"] = 3.0
    with pytest.raises(DifferentGradientsError, match="the first op to differ is 'mul'"):
        compiled.verify(X)


def test_where_numba_fails_numpy_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise NotImplementedError("no machine today")

    monkeypatch.setattr(small_arrays, "_machine_code", refuse)
    w = Value(X, name="w")
    step = tg.compile(lambda: np.sum(w * w))
    with pytest.warns(FallbackWarning, match="no machine today; this runs in NumPy"):
        assert step() == pytest.approx(float(X @ X))
    close(w.grad, 2.0 * X)
    assert step.backend == "python"


def test_a_wrong_row_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(small_arrays._UFUNCS, np.sin, "cos(x0)")
    compiled = tg.compile(tg.value_and_grad(lambda x: np.sum(np.sin(x))))
    compiled(X)
    with pytest.raises(DifferentGradientsError, match=r"the first op to differ is 'sin'.*compile is wrong"):
        compiled.verify(X)
