"""Derivatives of functions: what goes in and comes out, nesting, products with vectors, and every refusal."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

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


# ---- what goes in and comes out --------------------------------------------------------------------------------------


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
        (True, ValueTypeError, "argnums is a position, a name, a module, or a tuple of those, got bool"),
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


# ---- products --------------------------------------------------------------------------------------------------------


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
