"""Compiled functions and the sweeps in them: results are eager's, of any function and of its derivatives."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from collections.abc import Callable
from functools import partial
from itertools import combinations, islice, pairwise, permutations
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.compiler.agreement import bits, blocks_of
from tinygrad_lite import Value, nn
from tinygrad_lite.errors import (
    ArgumentError,
    DifferentGradientsError,
    FallbackWarning,
    GraphError,
    ValueTypeError,
)
from tinygrad_lite.transforms.pytrees import leaves


class Pair(NamedTuple):
    """Two results by name."""

    first: Any
    second: Any


def same(found: Any, wanted: Any) -> None:
    """Equal containers, types and bits."""
    assert type(found) is type(wanted)
    here, there = leaves(found, "x"), leaves(wanted, "x")
    assert [path for path, _ in here] == [path for path, _ in there]
    for (path, a), (_, b) in zip(here, there, strict=True):
        assert type(a) is type(b)
        assert bits(a) == bits(b), f"{path} is {a!r}, wanted {b!r}"


def agree(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Eager and three calls of a compiled transform return the same, in blocks too. Returns the compiled one."""
    with blocks_of(3):
        _agree(function, *arguments, **named)
    return _agree(function, *arguments, **named)


def _agree(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    with np.errstate(all="ignore"):
        wanted = function(*arguments, **named)
    compiled = tg.compile(function)
    for _ in range(3):
        same(compiled(*arguments, **named), wanted)
    assert compiled.captures == 1
    compiled.verify(*arguments, **named)
    return compiled


def rosenbrock(x: Any) -> Any:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


SCALARS: dict[str, Callable[[Any], Any]] = {
    "rosenbrock": rosenbrock,
    "squares": lambda x: (x * x).sum(),
    "logsumexp": lambda x: tg.logsumexp(x) + tg.tanh(x).mean(),
    "norm": lambda x: np.linalg.norm(x) ** 3,
    "quadratic": lambda x: x @ np.arange(16.0).reshape(4, 4) @ np.sin(x),
    "element": lambda x: x[2] ** 2 * x[0] + np.exp(x[1] * x[3]),
    "sorted": lambda x: (np.sort(x) * np.arange(4.0)).sum() ** 2,
    "indexed": lambda x: (x[[0, 0, 3]] ** 3).sum(),
    "where": lambda x: tg.where(x > 0.1, x**3, np.cos(x)).sum(),
    "cumsum": lambda x: (np.cumsum(x) ** 2).prod(),
    "solve": lambda x: np.linalg.solve(np.eye(4) * 3.0 + x[:, None] * x, x).sum(),
    "constant": lambda x: 3.0,
    "one of them": lambda x: x[1],
    "softmax": lambda x: (tg.softmax(x) * np.arange(4.0)).sum(),
    "loop": lambda x: sum((x[k] * x[k - 1] for k in range(4)), 0.0),
}
VECTORS: dict[str, Callable[[Any], Any]] = {
    "sin": np.sin,
    "product": lambda x: np.outer(x, x)[:2],
    "parts": lambda x: {"a": [x[:2] * x[1], x.sum()], "b": (np.exp(x), Pair(x * x, x[3]))},
    "itself": lambda x: x,
    "a view": lambda x: x[::-1].reshape(2, 2).T,
    "twice": lambda x: [x * 2.0, x * 2.0],
    "fixed": lambda x: (np.ones(3), x * 0.0),
}
X = np.array([0.3, -1.2, 0.7, 0.5])


@pytest.mark.parametrize("name", SCALARS)
@pytest.mark.parametrize("transform", [tg.grad, tg.value_and_grad, tg.hessian, tg.jacobian], ids=lambda f: f.__name__)
def test_derivatives_of_scalar_functions(transform: Callable[..., Any], name: str) -> None:
    agree(transform(SCALARS[name]), X)


@pytest.mark.parametrize("name", SCALARS)
def test_in_single_precision(name: str) -> None:
    if name == "solve":
        pytest.skip("LAPACK may round single precision otherwise for arrays that lie otherwise in memory")
    for transform in (tg.value_and_grad, tg.hessian):
        agree(transform(SCALARS[name]), X.astype(np.float32))


@pytest.mark.parametrize("name", VECTORS)
@pytest.mark.parametrize("mode", ["forward", "reverse", None])
def test_jacobians(name: str, mode: str | None) -> None:
    agree(tg.jacobian(VECTORS[name], mode=mode), X)


@pytest.mark.parametrize("name", ["rosenbrock", "logsumexp", "quadratic", "where"])
def test_derivatives_of_derivatives(name: str) -> None:
    f = SCALARS[name]
    agree(tg.grad(lambda x: (tg.grad(f)(x) ** 2).sum()), X)
    agree(tg.jacobian(tg.hessian(f)), X)


@pytest.mark.parametrize("name", SCALARS)
def test_products_with_vectors(name: str, rng: np.random.Generator) -> None:
    """The vectors are arguments: the second call has others."""
    f = SCALARS[name]
    functions: dict[str, Callable[..., Any]] = {
        "hvp": partial(tg.hvp, f),
        "jvp": lambda x, v: tg.jvp(f, (x,), (v,)),
        "vjp": lambda x, v: tg.vjp(f, x)[1](v[0]),
    }
    for function in functions.values():
        compiled = tg.compile(function, gradients=False)
        for _ in range(3):
            x, v = rng.standard_normal(4), rng.standard_normal(4)
            if name == "where":
                x = np.abs(x) + 0.2
            same(compiled(x, v), function(x, v))
        if name not in ("sorted", "where"):
            assert compiled.captures == 1


@pytest.mark.parametrize("sort", [np.sort, lambda x: np.partition(x, 2)], ids=["sort", "partition"])
def test_a_second_derivative_of_what_is_sorted_follows_the_order(sort: Callable[[Any], Any]) -> None:
    def f(x: Any) -> Any:
        return (sort(x) ** 3 * np.arange(4.0)).sum()

    def loss(w: Any) -> Any:
        return (tg.grad(f)(w) * np.arange(4.0)).sum()

    w = Value(X, name="w")
    compiled, step = tg.compile(tg.hessian(f)), tg.compile(lambda: loss(w))
    for x in (X, X[::-1].copy(), 2.0 * X, np.roll(X, 1)):
        same(compiled(x), tg.hessian(f)(x))
        w.data = x
        w.zero_grad()
        step()
        np.testing.assert_allclose(w.grad, tg.grad(loss)(x), rtol=1e-13)
    assert compiled.captures == step.captures == 3  # twice as large is in the same order


@pytest.mark.parametrize("name", [name for name in {**SCALARS, **VECTORS} if name != "constant"])
def test_functions(name: str) -> None:
    f = {**SCALARS, **VECTORS}[name]
    compiled = tg.compile(f)
    wanted = [(path, x.data if isinstance(x, Value) else x) for path, x in leaves(f(Value(X, requires_grad=False)))]
    for _ in range(3):
        found = leaves(compiled(X))
        assert [path for path, _ in found] == [path for path, _ in wanted]
        for (_, a), (_, b) in zip(found, wanted, strict=True):
            assert bits(a) == bits(b)
            assert type(a) in (float, np.ndarray)
    assert compiled.captures == 1


def test_scalars_and_lists_of_them() -> None:
    agree(tg.value_and_grad(lambda x: x**3 + tg.sin(x)), 0.7)
    agree(tg.hessian(lambda x: x**3 + tg.sin(x)), 0.7)
    agree(tg.value_and_grad(lambda xs: sum(a * b for a, b in pairwise(xs))), [0.5, 2.0, -1.0])
    agree(tg.hessian(lambda xs: tg.exp(xs[0] * xs[1]) + xs[2] ** 2), [0.5, 2.0, -1.0])
    agree(tg.jacobian(lambda p: {"u": p["x"] * p["y"], "v": tg.sin(p["x"])}), {"x": 0.5, "y": 2.0})


def test_containers_names_and_settings() -> None:
    def loss(p: Any, x: Any, power: int = 2, *, by: Any) -> Any:
        return ((x @ p["w"] + p["b"][0]) ** power).sum() * by, {"rows": x * 1.0, "power": power * p["b"][0]}

    p = {"w": np.array([1.0, -1.0]), "b": (0.5, 2.0)}
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    agree(tg.value_and_grad(loss, has_aux=True), p, x, by=0.5)
    agree(tg.grad(loss, ("by", 0), has_aux=True), p, x, 3, by=0.5)
    compiled = tg.compile(tg.grad(lambda x, power: (x**power).sum()))
    np.testing.assert_array_equal(compiled(X, 2), 2.0 * X)
    np.testing.assert_allclose(compiled(X, 3), 3.0 * X * X, rtol=1e-15)
    assert compiled.captures == 2


def test_other_shapes_dtypes_and_branches() -> None:
    compiled = tg.compile(tg.value_and_grad(lambda x: (x**3).sum() if x.sum() > 0 else (x * x).sum()))
    f = tg.value_and_grad(lambda x: (x**3).sum() if x.sum() > 0 else (x * x).sum())
    for x in (X, -X, X[:2], X.astype(np.float32), X.reshape(2, 2), np.arange(1, 4)):
        for _ in range(2):
            same(compiled(x), f(x))
    assert compiled.captures == 6
    same(compiled(X.tolist()[0]), f(X.tolist()[0]))


def test_modules_are_their_parameters() -> None:
    net = nn.MLP([2, 3, 1], rng=0)
    x = np.ones((4, 2))
    agree(tg.value_and_grad(lambda net, x: net(x).square().sum()), net, x)
    f = tg.value_and_grad(lambda x: net(x).square().sum(), net)
    compiled = agree(f, x)
    before = compiled(x)
    net.parameters()[0].data *= 2.0
    same(compiled(x), f(x))
    assert compiled(x)[0] != before[0]
    other = nn.MLP([2, 3, 1], rng=1)
    by_argument = tg.compile(lambda net, x: net(x))
    assert not np.array_equal(by_argument(net, x), by_argument(other, x))
    assert all(p.grad is None for p in net.parameters())


def test_a_prediction_is_no_step() -> None:
    net = nn.MLP([2, 3, 1], rng=0)
    predict = tg.compile(net)
    assert predict(np.ones((5, 2))).shape == (5, 1)
    assert predict(np.ones((1, 2))).shape == (1, 1)  # though it is one number that depends on parameters
    alone = tg.compile(net, gradients=False)
    assert alone(np.ones((1, 2))).shape == (1, 1)
    with tg.no_grad():
        same(alone(np.ones((1, 2))), net(np.ones((1, 2))).data)
    assert all(p.grad is None for p in net.parameters())


def test_a_derivative_in_a_function_is_captured_as_numbers() -> None:
    newton = tg.compile(lambda x: x - np.linalg.solve(tg.hessian(rosenbrock)(x), tg.grad(rosenbrock)(x)))
    x = X
    for _ in range(20):
        x = newton(x)
    np.testing.assert_allclose(x, 1.0, rtol=1e-9)
    assert newton.captures == 2  # the first call tells that it is no loss


def test_scipy_takes_it() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    found = optimize.minimize(tg.compile(tg.value_and_grad(rosenbrock)), np.zeros(8), jac=True)
    np.testing.assert_allclose(found.x, 1.0, rtol=1e-4)


# ---- what the caller gets is the caller's ----------------------------------------------------------------------------


def test_results_are_not_overwritten() -> None:
    compiled = tg.compile(tg.value_and_grad(rosenbrock))
    kept = [compiled(X + k)[1] for k in range(4)]
    views = [compiled(X + k)[1][:2] for k in range(4)]
    for k in range(4):
        wanted = tg.grad(rosenbrock)(X + k)
        np.testing.assert_array_equal(kept[k], wanted)
        np.testing.assert_array_equal(views[k], wanted[:2])
        kept[k] += 1.0
    np.testing.assert_array_equal(compiled(X)[1], tg.grad(rosenbrock)(X))


def test_no_two_results_share_memory() -> None:
    w = Value(np.ones(3), name="w")
    fixed = np.ones(3)
    compiled = tg.compile(lambda x: [x, x, x[:2], w, fixed, x * 2.0, x * 2.0, (x * 2.0)[:2]], gradients=False)
    x = np.arange(3.0)
    for _ in range(2):
        found = compiled(x)
        held = [x, w.data, fixed, *found]
        shared = [(j, k) for j, k in combinations(range(len(held)), 2) if np.may_share_memory(held[j], held[k])]
        assert shared == []
        for a in found:
            a += 1.0


def test_arguments_are_not_changed() -> None:
    x = X.copy()
    x.flags.writeable = False
    tg.compile(tg.hessian(rosenbrock))(x)
    np.testing.assert_array_equal(x, X)


# ---- Values ----------------------------------------------------------------------------------------------------------


def test_values_in_values_out() -> None:
    compiled = tg.compile(tg.grad(rosenbrock))
    for _ in range(2):
        found = compiled(Value(X, requires_grad=False))
        assert isinstance(found, Value)
        assert not found.requires_grad
        np.testing.assert_array_equal(found.data, tg.grad(rosenbrock)(X))
    assert compiled.captures == 1
    x = Value(X, name="x")
    found = compiled(x)  # part of a graph: eager
    np.sum(found * found).backward()
    np.testing.assert_allclose(x.grad, 2.0 * tg.hessian(rosenbrock)(X) @ tg.grad(rosenbrock)(X), rtol=1e-12)
    with tg.no_grad():
        assert not compiled(x).requires_grad


def test_inside_a_transform_and_another_compiled_function() -> None:
    inner = tg.compile(rosenbrock, gradients=False)
    inner(X)
    same(tg.grad(inner)(X), tg.grad(rosenbrock)(X))
    agree(tg.grad(lambda x: inner(x) ** 2), X)
    w = Value(X, name="w")
    step = tg.compile(lambda: inner(w))
    step()
    step()
    np.testing.assert_allclose(w.grad, 2.0 * tg.grad(rosenbrock)(X), rtol=1e-14)


def test_a_derivative_inside_no_grad_is_no_constant() -> None:
    def f(x: Any) -> Any:
        with tg.no_grad():
            slope = tg.value_and_grad(rosenbrock)(x)
        return x * slope[0], slope[1]

    compiled = tg.compile(f)
    for k in range(3):
        value, slope = tg.value_and_grad(rosenbrock)(X + k)
        same(compiled(X + k), ((X + k) * value, slope))
    w = Value(X, name="w")
    step = tg.compile(lambda x: (w * f(x)[1]).sum())
    for k in range(3):
        w.zero_grad()
        step(X + k)
        np.testing.assert_allclose(w.grad, tg.grad(rosenbrock)(X + k), rtol=1e-14)


# ---- what goes wrong -------------------------------------------------------------------------------------------------


def test_errors() -> None:
    with pytest.raises(ValueTypeError, match=r"compile: the result\['b'\] is str, not a number or an array of numbers"):
        tg.compile(lambda x: {"a": x, "b": "text"})(X)
    with pytest.raises(ValueTypeError, match=r"compile: the result\[1\] is None, not a number"):
        tg.compile(lambda x: (x, None))(X)
    with pytest.raises(ValueTypeError, match=r"without \.item\(\) and \.data"):
        tg.compile(lambda x: x.data * 2.0)(X)
    with pytest.raises(ValueTypeError, match="of type set"):
        tg.compile(tg.grad(rosenbrock))({1.0})
    with pytest.raises(ValueTypeError, match=r"argument 0 is str, not a number"):
        tg.compile(tg.grad(rosenbrock))("text")
    with pytest.raises(ArgumentError, match="backend is one of"):
        tg.compile(np.sin, backend="cuda")
    with pytest.raises(ArgumentError, match=r'backend="numba" is for graphs of scalars .* that end in a loss'):
        tg.compile(np.sin, backend="numba")(X)
    with pytest.raises(ValueTypeError, match=r"an argument is a Value.* pass gradients=False"):
        tg.compile(rosenbrock)(Value(X))
    with tg.no_grad(), pytest.raises(GraphError, match="or pass gradients=False"):
        tg.compile(rosenbrock)(X)
    compiled = tg.compile(lambda x: x * x.data[0], gradients=False)
    for k in range(16):
        compiled(X + k)
    with pytest.raises(GraphError, match=r"captured 16 times .* \.data"):
        compiled(-X)
    *orders, last = map(np.array, islice(permutations(X), 17))
    compiled = tg.compile(tg.hessian(SCALARS["sorted"]))
    for x in orders:
        compiled(x)
    with pytest.raises(GraphError, match=r"captured 16 times .* argsort\(\) of .* in .*test_carrying\.py:\d+;"):
        compiled(last)


def test_what_no_guard_sees_is_found_by_verify() -> None:
    scale = {"by": 2.0}
    compiled = tg.compile(tg.value_and_grad(lambda x: (x * x).sum() * scale["by"]))
    compiled(X)
    scale["by"] = 3.0
    with pytest.raises(DifferentGradientsError, match=r"verify: the result\[0\] is .* the first op to differ is 'mul'"):
        compiled.verify(X)


def test_side_effects_happen_in_a_capture_only() -> None:
    seen: list[int] = []
    compiled = tg.compile(lambda x: (seen.append(1), x * 2.0)[1])
    for _ in range(4):
        compiled(X)
    assert len(seen) == compiled.captures == 1


def test_a_call_that_falls_back_to_eager_says_so_once() -> None:
    compiled = tg.compile(tg.value_and_grad(lambda x: 1.0 / x))
    f = tg.value_and_grad(lambda x: 1.0 / x)
    same(compiled(2.0), f(2.0))
    with pytest.warns(FallbackWarning, match=r"ZeroDivisionError: .*; the result is right") as said:
        found = [compiled(0.0) for _ in range(2)]
    with np.errstate(all="ignore"):
        same(found[1], f(0.0))
    assert len(said) == 1
    same(compiled(4.0), f(4.0))


def test_the_arrays_of_the_capture_are_let_go() -> None:
    def f(x: Any) -> Any:
        for _ in range(20):
            x = np.sin(x)
        return x.sum()

    compiled = tg.compile(tg.value_and_grad(f))
    x = np.ones(100_000)
    compiled(X)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        compiled(x)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 30 * x.nbytes  # a replay keeps 20 results; the captured run had as many


def test_threads(rng: np.random.Generator) -> None:
    compiled = tg.compile(tg.value_and_grad(rosenbrock))
    wrong: list[int] = []

    def work(k: int) -> None:
        for n in range(50):
            x = X[: 2 + (k + n) % 3] + k
            _, slope = compiled(x)
            if not np.array_equal(slope, tg.grad(rosenbrock)(x)):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert compiled.captures == 3
