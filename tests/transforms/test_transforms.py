"""Transforms of functions: what goes in and comes out, nesting, and every refusal."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lite as tg
from tinygrad_lite import Value, nn
from tinygrad_lite.errors import ArgumentError, GraphError, ShapeError, ValueTypeError


def forward(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x: tg.jvp(f, (x,), (1.0,))[1]


MODES = {"reverse": tg.grad, "forward": forward}
EACH_MODE = pytest.mark.parametrize("mode", MODES)
EACH_OTHER = pytest.mark.parametrize("other", MODES)


# ---- no perturbation confusion ---------------------------------------------------------------------------------------


@EACH_MODE
@EACH_OTHER
def test_the_classic_nested_derivative(mode: str, other: str) -> None:
    """d/dx [x · d/dy (x + y)] = 1: confused perturbations give 2 (Siskind and Pearlmutter, 2005)."""
    outer, inner = MODES[mode], MODES[other]
    assert outer(lambda x: x * inner(lambda y: x + y)(1.0))(1.0) == 1.0
    assert outer(lambda x: x * inner(lambda y: x + y)(2.0))(5.0) == 1.0
    assert outer(lambda x: x * inner(lambda y: x * y)(2.0))(5.0) == 10.0
    assert outer(lambda x: inner(lambda y: x * y * y)(x))(3.0) == 12.0  # d/dx 2x² = 4x
    assert outer(lambda x: x * inner(lambda y: x)(1.0) + x)(1.0) == 1.0


@EACH_MODE
@EACH_OTHER
def test_a_derivative_that_returns_a_function(mode: str, other: str) -> None:
    """The paper's harder example: a shift operator whose derivative is applied twice."""
    outer, inner = MODES[mode], MODES[other]

    def shift(u: Any) -> Callable[..., Any]:
        return lambda f: lambda x: f(x + u)

    def shifted(f: Callable[..., Any]) -> Callable[..., Any]:
        return lambda x: outer(lambda u: shift(u)(f)(x))(0.0)

    assert shifted(shifted(np.exp))(1.0) == pytest.approx(math.e, rel=1e-14)
    assert inner(shifted(np.exp))(1.0) == pytest.approx(math.e, rel=1e-14)


def test_an_argument_is_not_what_the_function_reads_elsewhere() -> None:
    x = Value(3.0)
    assert tg.grad(lambda y: x * y)(x).data == 3.0
    assert [g.data for g in tg.grad(lambda a, b: a * b * b, (0, 1))(x, x)] == [9.0, 18.0]
    pair = tg.grad(lambda p: p[0] * p[1] * p[1])((x, x))
    assert [g.data for g in pair] == [9.0, 18.0]


@EACH_MODE
def test_inner_derivatives_at_constants_keep_their_dependence(mode: str) -> None:
    assert MODES[mode](lambda x: x * MODES[mode](lambda y: x * y)(1.0))(4.0) == 8.0


# ---- orders ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", range(1, 7))
def test_tanh_to_the_sixth(order: int) -> None:
    polynomial = np.polynomial.Polynomial([0, 1])  # in t = tanh x, of derivative 1 - t²
    for _ in range(order):
        polynomial = polynomial.deriv() * np.polynomial.Polynomial([1, 0, -1])
    for mode in MODES.values():
        f: Any = np.tanh
        for _ in range(order):
            f = mode(f)
        for x in (-1.5, 0.0, 0.3, 2.0):
            assert f(x) == pytest.approx(polynomial(np.tanh(x)), rel=1e-10, abs=1e-11)


@EACH_MODE
@EACH_OTHER
def test_deep_chains_at_order_2(mode: str, other: str) -> None:
    n = 20_000  # recursion fails near 1,000

    def deep(x: Any) -> Any:
        for _ in range(n):
            x = x * 1.0001
        return x * x

    factor = 1.0001 ** (2 * n)
    assert MODES[mode](deep)(1.5) == pytest.approx(3 * factor)
    assert MODES[mode](MODES[other](deep))(1.5) == pytest.approx(2 * factor)

    def wide(x: Any) -> Any:
        return deep(x * np.ones(2)).sum()

    assert MODES[mode](MODES[other](wide))(1.5) == pytest.approx(4 * factor)


def test_newton_on_rosenbrock() -> None:
    def f(x: Any) -> Any:
        return 100.0 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2

    x = np.array([-1.2, 1.0])
    for _ in range(7):
        x = x - np.linalg.solve(tg.hessian(f)(x), tg.grad(f)(x))
    assert_allclose(x, [1.0, 1.0], rtol=1e-12)


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


# ---- what goes in and comes out --------------------------------------------------------------------------------------


class Point(NamedTuple):
    x: Any
    y: Any


def test_numbers_and_arrays_give_numbers_and_arrays() -> None:
    found = tg.grad(lambda x: x * x)(3)
    assert type(found) is float
    assert found == 6.0
    assert tg.grad(lambda x: x * x)(np.float64(3.0)) == 6.0
    gradient = tg.grad(lambda x: (x * x).sum())(np.array([1, 2]))
    assert type(gradient) is np.ndarray
    assert gradient.dtype == np.float64
    assert tg.grad(np.sin)(0.0) == 1.0


def test_values_give_values_that_are_part_of_the_graph() -> None:
    x = Value([1.0, 2.0], name="x")
    gradient = tg.grad(lambda x: (x**3).sum())(x)
    assert isinstance(gradient, Value)
    assert_allclose(gradient.data, [3.0, 12.0])
    (gradient * gradient).sum().backward()
    assert_allclose(x.grad, [36.0, 288.0])  # d/dx 9x⁴
    assert tg.gradient_paths(gradient.sum(), x, at=(1,)).total == pytest.approx(12.0)


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


def test_a_gradient_penalty_reaches_the_parameters() -> None:
    w, x = Value(2.0), Value(3.0)
    penalty = tg.grad(lambda x: w * x * x)(x) ** 2  # 4w²x²
    penalty.backward()
    assert (w.grad, x.grad) == (8 * 2.0 * 9.0, 8 * 4.0 * 3.0)


def test_other_arguments_are_passed_as_they_are() -> None:
    labels = np.array([1, 0])

    def loss(w: Any, labels: Any, how: str, nothing: None = None) -> Any:
        assert isinstance(labels, np.ndarray)
        assert labels.dtype.kind == "i"
        assert (how, nothing) == ("sum", None)
        return w[labels].sum()

    assert_array_equal(tg.grad(loss)(np.ones(2), labels, "sum"), [1.0, 1.0])
    assert tg.grad(lambda x, n: x**n)(3.0, 2) == 6.0


def test_containers_of_every_kind() -> None:
    def f(p: Any) -> Any:
        return p["a"][0] * p["b"].x + (p["b"].y[1] * p["a"][1]).sum()

    at = {"a": (2.0, np.array([1.0, 2.0])), "b": Point(3.0, [7.0, np.array([4.0, 5.0]), {}, ()])}
    found = tg.grad(f)(at)
    assert type(found["b"]) is Point
    assert found["a"][0] == 3.0
    assert_array_equal(found["a"][1], [4.0, 5.0])
    assert found["b"].x == 2.0
    assert found["b"].y[0] == 0.0
    assert_array_equal(found["b"].y[1], [1.0, 2.0])
    assert found["b"].y[2:] == [{}, ()]


SMALL = st.floats(-2, 2)
trees = st.recursive(
    SMALL | hnp.arrays(np.float64, hnp.array_shapes(min_dims=0, max_dims=2, max_side=3), elements=SMALL),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
        | st.builds(Point, inner, inner)
    ),
    max_leaves=6,
)


def numbers(tree: Any) -> list[Any]:
    """Every leaf, flattened."""
    if isinstance(tree, dict):
        return [x for part in tree.values() for x in numbers(part)]
    if isinstance(tree, list | tuple):
        return [x for part in tree for x in numbers(part)]
    return [tree]


def sum_of_cubes(tree: Any) -> Any:
    return sum(((x * x * x).sum() for x in numbers(tree)), Value(0.0))


@hypothesis.given(trees)
def test_any_containers(tree: Any) -> None:
    """The gradient, and the Hessian times a vector, in the same containers with the same shapes."""
    cubes = sum_of_cubes
    found = tg.grad(cubes)(tree)
    product = tg.hvp(cubes, tree, tree)
    assert repr(type(found)) == repr(type(tree) if isinstance(tree, (dict, list, tuple)) else type(found))
    for x, g, h in zip(numbers(tree), numbers(found), numbers(product), strict=True):
        assert np.shape(g) == np.shape(h) == np.shape(x)
        assert_allclose(g, 3 * np.square(x), atol=1e-12)
        assert_allclose(h, 6 * np.square(x), atol=1e-12)
    value, tangent = tg.jvp(cubes, (tree,), (tree,))
    assert tangent == pytest.approx(3 * value, abs=1e-9)
    doubled, pullback = tg.vjp(lambda t: t, tree)
    assert [np.shape(x) for x in numbers(doubled)] == [np.shape(x) for x in numbers(tree)]
    (back,) = pullback(tree)
    for x, g in zip(numbers(tree), numbers(back), strict=True):
        assert_array_equal(g, x)


@hypothesis.given(
    hnp.arrays(np.float64, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3), elements=st.floats(-2, 2)),
    st.booleans(),
    st.booleans(),
)
def test_layouts_in_memory(x: Any, fortran: bool, reverse: bool) -> None:
    given = np.asfortranarray(x) if fortran else x
    given = given[::-1] if reverse else given
    before = given.copy()
    assert_allclose(tg.grad(lambda x: (x * x).sum())(given), 2 * before)
    assert_allclose(np.squeeze(tg.elementwise_grad(np.sin)(given) - np.cos(before)), 0, atol=1e-15)
    assert_array_equal(given, before)


def test_float32_stays_float32() -> None:
    x = np.array([0.5, 1.0], np.float32)
    wide = np.ones(2)  # float64

    def f(x: Any) -> Any:
        return (np.tanh(x) * wide).sum()

    for found in (
        tg.grad(f)(x),
        tg.grad(lambda x: (tg.grad(f)(x) ** 2).sum())(x),
        tg.hvp(f, x, x),
        tg.grad(f)(Value(x)).data,
        tg.jacobian(np.tanh)(x),
        tg.hessian(f)(x),
        tg.vjp(np.tanh, x)[1](np.ones(2))[0],
        tg.jvp(np.tanh, x, np.ones(2))[1],
    ):
        assert found.dtype == np.float32


def test_results_are_the_callers_own() -> None:
    x = np.ones(3)
    a, b = tg.grad(lambda x, y: (x + y).sum(), (0, 1))(x, x)
    a[0] = 7.0
    assert_array_equal(b, np.ones(3))
    value, pullback = tg.vjp(lambda x: x, x)
    value[0] = 7.0
    given = np.ones(3)
    (back,) = pullback(given)
    back[0] = 7.0
    assert_array_equal(given, np.ones(3))
    assert_array_equal(x, np.ones(3))
    tangents = np.ones(3)
    tg.jvp(lambda x: x, x, tangents)[1][0] = 7.0
    assert_array_equal(tangents, np.ones(3))


def test_what_does_not_matter_has_zeros() -> None:
    x = np.ones((2, 3), np.float32)
    found = tg.grad(lambda x, y: y * 2.0, (0, 1))(x, 1.0)
    assert_array_equal(found[0], np.zeros((2, 3)))
    assert found[0].dtype == np.float32
    assert found[1] == 2.0
    assert tg.grad(lambda x: 3.0)(1.0) == 0.0
    assert tg.grad(lambda x: Value(3.0))(1.0) == 0.0
    assert tg.jvp(lambda x: 3.0, 1.0, 1.0) == (3.0, 0.0)
    assert_array_equal(tg.jacobian(lambda x: np.ones(2))(x), np.zeros((2, 2, 3)))
    assert_array_equal(tg.hessian(lambda x: x.sum())(np.ones(2)), np.zeros((2, 2)))
    assert tg.grad(tg.grad(lambda x: 3.0 * x))(1.0) == 0.0


# ---- by what ---------------------------------------------------------------------------------------------------------


def product(x: Any, y: Any = 5.0, *, z: Any = 7.0) -> Any:
    return x * y * z


def test_argnums() -> None:
    assert tg.grad(product)(3.0) == 35.0
    assert tg.grad(product, -1)(3.0, 2.0) == 21.0
    assert tg.grad(product, (0, 1))(3.0, 2.0) == (14.0, 21.0)
    assert tg.grad(product, (1, 0))(3.0, 2.0) == (21.0, 14.0)
    assert tg.grad(product, (0,))(3.0) == (35.0,)
    assert tg.grad(product, "z")(3.0, z=2.0) == 15.0
    assert tg.grad(product, ("x", "z"))(3.0, z=2.0) == (10.0, 15.0)
    assert tg.grad(tg.grad(product, "x"), "y")(3.0, 2.0) == 7.0
    assert tg.jacobian(product, ("x", "z"))(3.0, z=2.0) == (10.0, 15.0)


@pytest.mark.parametrize(
    ("argnums", "error", "message"),
    [
        (2, ArgumentError, "argnums=2, but 1 arguments were passed by position"),
        ("w", ArgumentError, "no argument named 'w' was passed; argnums names one of x, y, z"),
        ("z", ArgumentError, "no argument named 'z' was passed"),
        (1.5, ValueTypeError, "argnums is a position, a name, a module, or a tuple of those, got float"),
        ((0, 0), ArgumentError, "names an argument twice"),
        ((0, "x"), ArgumentError, "names an argument twice"),
        (Value(1.0, requires_grad=False), ArgumentError, "is a constant; make it with requires_grad=True"),
    ],
)
def test_argnums_that_fit_nothing(argnums: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        tg.grad(product, argnums)(3.0)


def test_modules() -> None:
    net = nn.MLP(2, [3, 1], activation="tanh", rng=0)
    x, t = np.array([[0.5, -1.0], [2.0, 0.25]]), np.array([[1.0], [0.0]])

    def loss(net: Any, x: Any) -> Any:
        return nn.losses.half_squared_error(net(x), t)

    loss(net, x).backward()
    expected = {name: p.grad.copy() for name, p in net.named_parameters().items()}
    net.zero_grad()
    for found in (
        tg.grad(loss)(net, x),
        tg.grad(lambda x: loss(net, x), net)(x),
        tg.value_and_grad(loss)(net, x)[1],
        tg.grad(lambda nets, x: loss(nets["a"], x))({"a": net}, x)["a"],
    ):
        assert found.keys() == expected.keys()
        for name, gradient in found.items():
            assert type(gradient) is np.ndarray
            assert_allclose(gradient, expected[name], rtol=1e-12)
    assert not any(p.has_grad for p in net.parameters())
    by_net, by_x = tg.grad(lambda x: loss(net, x), (net, 0))(x)
    assert by_net.keys() == expected.keys()
    assert by_x.shape == x.shape


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


# ---- auxiliary results -----------------------------------------------------------------------------------------------


def test_auxiliary_results() -> None:
    net = nn.Linear(1, 1, rng=0)

    def f(x: Any) -> Any:
        return x * x, {"twice": 2.0 * x, "text": "kept", "net": net, "none": None}

    (value, aux), gradient = tg.value_and_grad(f, has_aux=True)(3.0)
    assert (value, gradient) == (9.0, 6.0)
    assert aux == {"twice": 6.0, "text": "kept", "net": net, "none": None}
    assert tg.grad(f, has_aux=True)(3.0)[0] == 6.0
    assert tg.jacobian(f, has_aux=True)(3.0)[0] == 6.0
    assert tg.hessian(f, has_aux=True)(3.0)[0] == 2.0
    assert tg.elementwise_grad(f, has_aux=True)(3.0)[1]["twice"] == 6.0
    assert tg.jvp(f, 3.0, 1.0, has_aux=True)[:2] == (9.0, 6.0)
    value, pullback, aux = tg.vjp(f, 3.0, has_aux=True)
    assert (value, pullback(1.0), aux["twice"]) == (9.0, (6.0,), 6.0)
    with pytest.raises(ArgumentError, match=re.escape("returns a pair (result, auxiliary), got Value")):
        tg.grad(lambda x: x, has_aux=True)(3.0)


@EACH_MODE
def test_auxiliary_results_inside_another_derivative(mode: str) -> None:
    def outer(x: Any) -> Any:
        gradient, aux = tg.grad(lambda y: (y * y, x * y), has_aux=True)(x)
        return gradient * aux  # 2x · x²

    assert MODES[mode](outer)(3.0) == pytest.approx(54.0)


# ---- Jacobians and products ------------------------------------------------------------------------------------------


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
        right = getattr(tg.transforms.jacobians, name)
        monkeypatch.setattr(
            f"tinygrad_lite.transforms.jacobians.{name}",
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


def test_a_pullback_again_and_again() -> None:
    value, pullback = tg.vjp(lambda x, y: (x * y, x + y), 3.0, 5.0)
    assert value == (15.0, 8.0)
    assert pullback((1.0, 0.0)) == (5.0, 3.0)
    assert pullback((0.0, 1.0)) == (1.0, 1.0)
    assert tg.grad(lambda c: pullback((c, 0.0))[0])(1.0) == 5.0  # linear in the cotangent
    (by_value, _) = pullback((Value(2.0), 0.0))
    assert isinstance(by_value, Value)


def test_the_direction_can_be_differentiated_too() -> None:
    assert tg.grad(lambda v: tg.jvp(lambda x: x**3, 2.0, v)[1])(1.0) == 12.0
    assert tg.grad(lambda v: tg.hvp(lambda x: x**3, 2.0, v))(5.0) == 12.0


def test_elementwise_derivatives_of_any_order() -> None:
    x = np.linspace(-1, 1, 5)
    f: Any = np.sin
    for expected in (np.cos(x), -np.sin(x), -np.cos(x), np.sin(x)):
        f = tg.elementwise_grad(f)
        assert_allclose(f(x), expected, atol=1e-15)
    with pytest.raises(ShapeError, match=re.escape("needs a result of the shape of argument 0, which has (5,), got")):
        tg.elementwise_grad(lambda x: x.sum())(x)


# ---- inside f --------------------------------------------------------------------------------------------------------


def test_no_grad_within_and_around() -> None:
    def partly(x: Any) -> Any:
        with tg.no_grad():
            factor = x * x
        return factor * x

    assert tg.grad(partly)(3.0) == 9.0
    assert tg.jvp(partly, 3.0, 1.0) == (27.0, 9.0)
    assert tg.grad(lambda x: x.detach() * x)(3.0) == 3.0
    with tg.no_grad():
        assert tg.grad(lambda x: x**3)(2.0) == 12.0
        assert tg.grad(tg.grad(lambda x: x**3))(2.0) == 12.0
        found = tg.grad(lambda x: x**3)(Value(2.0))
        assert (found.data, found.requires_grad) == (12.0, False)
        assert not tg.jacobian(lambda x: x * x)(Value([1.0, 2.0])).requires_grad
        assert not tg.vjp(lambda x: x * x, Value(1.0))[0].requires_grad
    assert tg.grad(tg.grad(partly))(3.0) == 0.0  # cut off is cut off at every order


def test_a_graph_that_f_frees_is_noticed() -> None:
    def freed(x: Any) -> Any:
        y = x * x
        (y * 2.0).backward(keep="leaves")
        return y * x

    with pytest.raises(GraphError, match="was freed"):
        tg.grad(freed)(3.0)


def test_backward_inside_leaves_the_derivative_alone() -> None:
    w = Value(2.0)

    def f(x: Any) -> Any:
        (w * x).backward()
        return w * x * x

    assert tg.grad(f)(3.0) == 12.0
    assert w.grad == 3.0


def test_names_of_transformed_functions() -> None:
    def rosenbrock(x: Any) -> Any:
        return x

    assert tg.grad(tg.jacobian(rosenbrock)).__name__ == "grad(jacobian(rosenbrock))"


# ---- refusals --------------------------------------------------------------------------------------------------------

WHOLE: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
    "grad": tg.grad,
    "value_and_grad": tg.value_and_grad,
    "hessian": tg.hessian,
    "hvp": lambda f: lambda x: tg.hvp(f, x, x),
}


@pytest.mark.parametrize("who", WHOLE)
def test_a_result_that_is_no_scalar(who: str) -> None:
    with pytest.raises(ShapeError, match=rf"{who}: needs a function with a scalar result, got shape \(2,\); sum it up"):
        WHOLE[who](lambda x: x * 2.0)(np.ones(2))
    with pytest.raises(ShapeError, match=f"{who}: needs a function with one scalar for its result, got 2 results"):
        WHOLE[who](lambda x: (x.sum(), x.sum()))(np.ones(2))


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (None, "grad: argument 0 is None, not a number"),
        ("text", "grad: argument 0 is str, not a number"),
        ({"w": [1.0, None]}, "grad: argument 0['w'][1] is None"),
        (Point(1.0, "a"), "grad: argument 0.y is str"),
        (np.array(["a"]), "grad: argument 0 is an array of dtype <U1"),
        (np.array([1j]), "grad: argument 0 is an array of dtype complex128"),
        (1j, "grad: argument 0 is complex"),
        (True, "grad: argument 0 is bool"),
    ],
)
def test_arguments_that_are_no_numbers(argument: Any, message: str) -> None:
    with pytest.raises(ValueTypeError, match=re.escape(message)):
        tg.grad(lambda x: 1.0)(argument)


def test_results_that_are_no_numbers() -> None:
    with pytest.raises(ValueTypeError, match=re.escape("grad: the result is None, not a number")):
        tg.grad(lambda x: None)(1.0)
    with pytest.raises(ValueTypeError, match=re.escape("jacobian: the result['a'][0] is str")):
        tg.jacobian(lambda x: {"a": ["b"]})(1.0)


def test_vectors_that_do_not_fit() -> None:
    with pytest.raises(ArgumentError, match=re.escape("jvp: tangents[0] has shape (3,), argument 0 has (2,)")):
        tg.jvp(np.sin, np.ones(2), np.ones(3))
    with pytest.raises(
        ArgumentError, match="jvp: tangents has 1 leaves where 2 are needed, for argument 0, argument 1"
    ):
        tg.jvp(lambda x, y: x, (1.0, 2.0), (1.0,))
    with pytest.raises(ArgumentError, match=re.escape("vjp: the cotangent has shape (), the result has (2,)")):
        tg.vjp(np.sin, np.ones(2))[1](1.0)
    with pytest.raises(ArgumentError, match=re.escape("hvp: tangents[0][1] has shape")):
        tg.hvp(lambda x: x[0] * x[1], (1.0, 2.0), (1.0, np.ones(2)))
    with pytest.raises(ArgumentError, match="jacobian: mode is 'forward', 'reverse' or None, got 'fast'"):
        tg.jacobian(np.sin, mode="fast")
    for transform in (tg.grad, tg.value_and_grad, tg.elementwise_grad, tg.jacobian, tg.hessian):
        with pytest.raises(ValueTypeError, match=f"{transform.__name__}: needs a function, got float"):
            transform(3.0)  # type: ignore[operator]


# ---- compiled --------------------------------------------------------------------------------------------------------

PENALIZED: dict[str, Callable[..., Any]] = {
    "relu": lambda w, x, k: ((x @ w).relu() ** 2).sum(),
    "max": lambda w, x, k: (tg.max(x @ w, axis=1) ** 2).sum(),
    "norm": lambda w, x, k: (tg.norm(x @ w, axis=1) ** 3).sum(),
    "cross_entropy": lambda w, x, k: tg.cross_entropy(x @ w, k),
    "numbers": lambda w, x, k: tg.sin((x @ w).sum()),
}


@pytest.mark.parametrize("name", PENALIZED)
def test_a_derivative_inside_a_compiled_function(name: str, rng: np.random.Generator) -> None:
    """Masks, ties and labels are computed anew in each replay."""
    w = Value(rng.standard_normal((3, 4)), name="w")

    def loss(x: Any, labels: Any) -> Any:
        return (tg.grad(lambda x: PENALIZED[name](w, x, labels))(x) ** 2).sum()

    step = tg.compile(loss)
    for _ in range(3):
        x, labels = rng.standard_normal((5, 3)), rng.integers(0, 4, 5)
        w.zero_grad()
        found = step(x, labels)
        gradient = w.grad.copy()
        w.zero_grad()
        eager = loss(Value(x), Value(labels, requires_grad=False))
        eager.backward()
        assert found == pytest.approx(eager.data, rel=1e-12)
        assert_allclose(gradient, w.grad, rtol=1e-10, atol=1e-12)


def test_an_index_that_changes_is_refused_there(rng: np.random.Generator) -> None:
    w = Value(rng.standard_normal((3, 4)), name="w")

    def loss(x: Any, labels: Any) -> Any:
        return (tg.grad(lambda x: (x @ w)[np.arange(2), labels].sum() ** 2)(x) ** 2).sum()

    with pytest.raises(GraphError, match=r"compile: the index of .* comes from an argument"):
        tg.compile(loss)(np.ones((2, 3)), np.array([0, 3]))
