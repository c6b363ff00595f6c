"""Ops of one's own: each kind of rule in every mode and order, and what is refused."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lite as tg
import viz
from tinygrad_lite import Value
from tinygrad_lite.core.maps import Broadcast, Scale, SumOver
from tinygrad_lite.errors import ArgumentError, ShapeError, TinygradError, UnknownNameError, ValueTypeError
from tinygrad_lite.semirings import ACTIVE_COUNT, COUNT, ENTROPY, GRADIENT, LOG_MAGNITUDE, MAGNITUDE, MAX, SPECTRUM

# The same function three times, each with another kind of rule. Its derivatives are known: those of sin(x) y².


@tg.primitive(derivatives=("cos(x) * y**2", "2 * sin(x) * y"), sign="wave")
def by_expressions(x: Any, y: Any) -> Any:
    return np.sin(x) * y * y


def _chain(k: int, operands: Any, out: Any) -> Any:
    x, y = operands
    weight = np.cos(x) * y * y if k == 0 else 2.0 * np.sin(x) * y
    maps = () if np.shape(operands[k]) == np.shape(out) else (Broadcast(np.shape(operands[k]), np.shape(out)),)
    return (Scale(weight, len(np.shape(out))), *maps)


@tg.primitive(chain=_chain)
def by_chain(x: Any, y: Any) -> Any:
    return np.sin(x) * y * y


def _unbroadcast(g: Any, like: Any) -> Any:
    while len(np.shape(g)) > len(np.shape(like)):
        g = np.sum(g, axis=0)
    for axis, n in enumerate(np.shape(like)):
        if n == 1 and np.shape(g)[axis] != 1:
            g = np.sum(g, axis=axis, keepdims=True)
    return g


@tg.primitive(
    vjp=(
        lambda g, out, x, y: _unbroadcast(g * np.cos(x) * y * y, x),
        lambda g, out, x, y: _unbroadcast(g * 2.0 * np.sin(x) * y, y),
    )
)
def by_vjps(x: Any, y: Any) -> Any:
    return np.sin(x) * y * y


def _both(g: Any, out: Any, x: Any, y: Any) -> Any:
    return _unbroadcast(g * np.cos(x) * y * y, x), _unbroadcast(g * 2.0 * np.sin(x) * y, y)


@tg.primitive(vjp=_both)
def by_one_vjp(x: Any, y: Any) -> Any:
    return np.sin(x) * y * y


KINDS = [by_expressions, by_chain, by_vjps, by_one_vjp]
SHAPES = [((), ()), ((3,), (3,)), ((2, 3), (3,)), ((), (2,)), ((2, 1), (1, 3)), ((0, 2), (2,))]
kinds = pytest.mark.parametrize("op", KINDS, ids=lambda op: op.__name__)


def point(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return rng.uniform(0.2, 1.5, shape) if shape else float(rng.uniform(0.2, 1.5))


def composed(x: Any, y: Any) -> Any:
    return np.sin(x) * y * y


@kinds
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_value_and_gradient(op: Callable[..., Any], shapes: Any, rng: np.random.Generator) -> None:
    x, y = (point(rng, shape) for shape in shapes)
    a, b = Value(x, name="a"), Value(y, name="b")
    out = op(a, b)
    assert_allclose(out.data, np.sin(x) * y * y)
    assert_array_equal(op(x, y), np.sin(x) * y * y)  # of plain data, plain data
    g = np.asarray(point(rng, out.shape))
    out.backward(g)
    for value, local in ((a, np.cos(x) * y * y), (b, 2 * np.sin(x) * y)):  # by hand
        full = np.broadcast_to(local, out.shape) * g
        for axis, n in enumerate((1,) * (full.ndim - value.ndim) + value.shape):
            if n == 1:
                full = full.sum(axis=axis, keepdims=True)
        assert_allclose(value.grad, full.reshape(value.shape), rtol=1e-12)


@kinds
def test_every_order_in_both_modes(op: Callable[..., Any], rng: np.random.Generator) -> None:
    tg.check_grads(op, (point(rng, (2, 1)), point(rng, (2,))), order=2)
    tg.check_grads(op, (0.7, 1.3), order=3)


def test_against_jax(rng: np.random.Generator) -> None:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    x, y = point(rng, (3,)), point(rng, (3,))
    gradient = jax.grad(lambda x: jax.numpy.sum(jax.numpy.sin(x) * y * y * x))
    expected = jax.jvp(gradient, (x,), (y,))[1]
    for op in KINDS:
        found = tg.jvp(tg.grad(lambda x, op=op: np.sum(op(x, y) * x)), (x,), (y,))[1]
        assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize("op", KINDS[:2], ids=lambda op: op.__name__)
@pytest.mark.parametrize("semiring", [GRADIENT, COUNT, ACTIVE_COUNT, MAGNITUDE, MAX, ENTROPY, LOG_MAGNITUDE, SPECTRUM])
def test_every_semiring(op: Callable[..., Any], semiring: Any, rng: np.random.Generator) -> None:
    """The statistics are those of the paths, listed one by one."""
    x, y = Value(point(rng, (2, 2)), name="x"), Value(point(rng, (2,)), name="y")
    end = (op(x, y) * x).sum()
    found = tg.sweep(end, semiring, wrt=y)
    for k in range(2):
        paths = list(tg.gradient_paths(end, y, at=k))
        sizes = np.abs([path.contribution for path in paths])
        assert len(paths) == 2
        if semiring is SPECTRUM:
            (length,) = found
            assert length == paths[0].length
            assert found[length][0][k] == 2
            continue
        shares = sizes / sizes.sum()
        expected = {
            "GRADIENT": sum(path.contribution for path in paths),
            "MAGNITUDE": sizes.sum(),
            "MAX": sizes.max(),
            "ENTROPY": -np.sum(shares * np.log(shares)),
            "LOG_MAGNITUDE": np.log(sizes.sum()),
        }.get(semiring.name, 2)
        assert_allclose(found[k], expected, rtol=1e-9)


def test_of_a_vjp_the_jacobian_is_built() -> None:
    """What reads what is not known, so every element of the result is joined to every one of the operand."""
    matrix = np.array([[1.0, -2.0, 0.0], [0.5, 3.0, 4.0]])

    @tg.primitive(vjp=lambda g, out, x: g @ matrix)
    def product(x: Any) -> Any:
        return matrix @ x

    x = Value([1.0, 2.0, 3.0], name="x")
    end = product(x).sum()
    assert_array_equal(tg.sweep(end, COUNT, wrt=x), [2, 2, 2])
    assert_array_equal(tg.sweep(end, ACTIVE_COUNT, wrt=x), [2, 2, 1])
    assert_allclose(tg.sweep(end, MAGNITUDE, wrt=x), np.abs(matrix).sum(axis=0))
    assert_allclose(tg.sweep(end, MAX, wrt=x), np.abs(matrix).max(axis=0))
    assert sorted(path.contribution for path in tg.gradient_paths(end, x, at=1)) == [-2.0, 3.0]
    assert_allclose(tg.jacobian(product)(x.data), matrix)
    assert_allclose(tg.jvp(product, (x.data,), (np.ones(3),))[1], matrix.sum(axis=1))

    @tg.primitive(vjp=lambda g, out, x: g)
    def same(x: Any) -> Any:
        return x * 1.0

    big = Value(np.ones(4000), name="big")
    end = same(big).sum()
    end.backward()
    assert_array_equal(big.grad, np.ones(4000))
    with pytest.raises(ArgumentError, match=r"^same: .* 16,000,000 numbers, and at most 10,000,000 are computed"):
        tg.sweep(end, COUNT, wrt=big)


@kinds
def test_derivations_and_the_comparison(op: Callable[..., Any]) -> None:
    x, y = Value([0.3, 0.4], name="x"), Value([0.5, 0.6], name="y")
    end = (op(x, y) * x).sum()
    end.name = "C"
    comparison = tg.compare(end, wrt=[x, y])
    assert comparison
    assert "primitive, known for real numbers only" in str(comparison)
    with pytest.raises(ArgumentError, match=rf"manual_backprop: the op '{op.__name__}', .* by hand"):
        tg.manual_backprop(end, wrt=[x])
    derivation = tg.derive(end, x)
    local = np.cos(x.data) * y.data**2 * x.data + np.sin(x.data) * y.data**2
    assert_allclose(derivation.value, local, rtol=1e-12)
    assert_allclose(eval(derivation.python, derivation.symbols), local, rtol=1e-12)
    if op in KINDS[:2]:  # a vjp has no formula, but numbers
        assert "cos(x)" in derivation.text
        assert r"\cos" in derivation.latex


def test_the_derivation_of_scalars_runs_as_python() -> None:
    x, y = Value(0.3, name="x"), Value(0.5, name="y")
    end = by_expressions(x, y) * x
    derivation = tg.derive(end, x)
    end.backward()
    assert "cos(x)" in derivation.text
    assert eval(derivation.python, derivation.symbols) == pytest.approx(x.grad)


def test_it_is_drawn_with_its_sign_whatever_that_is(tmp_path: Path) -> None:
    x = Value(0.3, name="x")
    assert "wave" in viz.graph(by_expressions(x, 2.0)).source

    @tg.primitive(derivatives=("1",), sign='<b>"&\n\\')
    def hostile(x: Any) -> Any:
        return x * 1.0

    for k, drawing in enumerate((viz.graph(hostile(x)), viz.paths(hostile(x) * x, x))):
        drawing.save(tmp_path / f"{k}.svg")
        assert ElementTree.parse(tmp_path / f"{k}.svg").getroot().tag.endswith("svg")


@kinds
@pytest.mark.parametrize("start", [0.4, np.array([0.4, 0.8])], ids=["scalar", "array"])
def test_compiled_steps_replay_it(op: Callable[..., Any], start: Any) -> None:
    w = Value(start, name="w")

    def loss(x: Any) -> Any:
        return np.sum(op(w, x) * op(x, w))

    step = tg.compile(loss)
    for x in (np.array([1.0, 2.0]), np.array([3.0, 0.5])) if w.shape else (1.5, 0.2):
        w.zero_grad()
        eager = loss(Value(x, requires_grad=False))
        eager.backward()
        expected = np.copy(w.grad)
        w.zero_grad()
        assert step(x) == pytest.approx(eager.data, rel=1e-12)
        assert_allclose(w.grad, expected, rtol=1e-12)
        step.verify(x)
    assert step.captures <= 3


def test_a_derivative_with_a_sigmoid_of_minus_x() -> None:
    """Which compiled steps make together with the sigmoid itself, where there is one."""

    @tg.primitive(derivatives="out * sigmoid(-x)")
    def logistic(x: Any) -> Any:
        return 1.0 / (1.0 + np.exp(-x))

    x = Value(0.3, name="x")
    step = tg.compile(lambda u: logistic(x) * tg.sigmoid(x) * u)
    for _ in range(2):
        x.zero_grad()
        step(2.0)
        s = 1.0 / (1.0 + math.exp(-0.3))
        assert x.grad == pytest.approx(4.0 * s * s * (1.0 - s))
    step.verify(2.0)


def test_replay_and_no_grad() -> None:
    x = Value([1.0, 2.0])
    y = by_chain(x, 2.0)
    assert_allclose(tg.replay(y, {x: np.array([0.5, 0.1])}), 4 * np.sin([0.5, 0.1]))
    with tg.no_grad():
        assert by_vjps(x, 2.0).is_leaf
        assert by_expressions(Value(1.0), 2.0).is_leaf


def test_options_and_defaults() -> None:
    @tg.primitive(vjp=lambda g, out, x, factor, *, axis: (np.expand_dims(g, axis) * factor * np.ones(x.shape), None))
    def scaled_sum(x: Any, factor: Any = 3.0, *, axis: int = 0) -> Any:
        return factor * np.sum(x, axis=axis)

    x = Value(np.ones((2, 3)), name="x")
    for call, total in ((lambda: scaled_sum(x), 3.0), (lambda: scaled_sum(factor=2.0, x=x, axis=1), 2.0)):
        x.zero_grad()
        out = call()
        assert out.shape == ((3,) if total == 3.0 else (2,))
        out.backward(np.ones(out.shape))
        assert_array_equal(x.grad, np.full((2, 3), total))
    with pytest.raises(ArgumentError, match=r"^scaled_sum: .*unexpected keyword argument 'axes'; it takes \(x"):
        scaled_sum(x, axes=1)


def test_two_of_one_name_have_nothing_to_do_with_each_other() -> None:
    def made(factor: float) -> Callable[..., Any]:
        @tg.primitive(derivatives=(f"{factor}",), name="scaled")
        def scale(x: Any) -> Any:
            return factor * x

        return scale

    two, three = made(2.0), made(3.0)
    x = Value(1.0, name="x")
    two(three(x)).backward()
    assert x.grad == 6.0
    assert sorted(path.contribution for path in tg.gradient_paths(two(x) + three(x), x)) == [2.0, 3.0]


def test_what_overflows_or_is_outside_is_numpys() -> None:
    @tg.primitive(derivatives=("1 / x",))
    def ln(x: Any) -> Any:
        with np.errstate(all="ignore"):
            return np.log(x)

    x = Value(0.0, name="x")
    y = ln(x)
    assert y.data == -math.inf
    y.backward()
    assert x.grad == math.inf


def test_a_function_cannot_spoil_what_it_is_given() -> None:
    @tg.primitive(derivatives=("2",))
    def doubled(x: Any) -> Any:
        x *= 2
        return x

    x = Value([1.0, 2.0], name="x")
    with pytest.raises(ArgumentError, match=r"^doubled: its function raised ValueError: output array is read-only"):
        doubled(x)
    assert_array_equal(x.data, [1.0, 2.0])

    @tg.primitive(derivatives=("1",))
    def same(x: Any) -> Any:
        return x

    assert not np.shares_memory(same(x).data, x.data)


def test_it_looks_like_the_function() -> None:
    assert by_chain.__name__ == "by_chain"
    assert pickle.loads(pickle.dumps(by_chain)) is by_chain
    assert copy.deepcopy(by_chain) is by_chain
    assert Value(1.0).sin().op is not by_expressions(Value(1.0), 1.0).op
    assert by_expressions(Value(1.0), 1.0).op.name == "by_expressions"  # type: ignore[union-attr]


# ---- planted faults --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("off", [1.0005, -1.0])
def test_a_wrong_rule_is_found(off: float) -> None:
    @tg.primitive(derivatives=(f"{off} * cos(x)",))
    def by_wrong_expression(x: Any) -> Any:
        return np.sin(x)

    @tg.primitive(chain=lambda k, operands, out: (Scale(off * np.cos(operands[0]), 1),))
    def by_wrong_chain(x: Any) -> Any:
        return np.sin(x)

    @tg.primitive(vjp=lambda g, out, x: g * off * np.cos(x))
    def by_wrong_vjp(x: Any) -> Any:
        return np.sin(x)

    for op in (by_wrong_expression, by_wrong_chain, by_wrong_vjp):
        with pytest.raises(TinygradError, match="check_grads"):
            tg.check_grads(op, (np.array([0.3, 0.7]),), order=1)
        x = Value([0.3, 0.7], name="x")
        assert not tg.compare(op(x).sum(), wrt=[x])


# ---- what is refused -------------------------------------------------------------------------------------------------


def one(x: Any) -> Any:
    return x


def two(x: Any, y: Any) -> Any:
    return x


def hidden(x: Any, exp: Any) -> Any:
    return x


def ending(out: Any) -> Any:
    return out


def anything(*xs: Any) -> Any:
    return xs[0]


def optional(x: Any, *, axis: int = 0) -> Any:
    return x


BAD: list[tuple[dict[str, Any], Any, type[TinygradError], str]] = [
    ({}, one, ArgumentError, r"takes exactly one of derivatives=, chain= and vjp=, got none"),
    ({"derivatives": ("1",), "chain": _chain}, one, ArgumentError, r"got derivatives and chain"),
    ({"derivatives": ("1",)}, two, ArgumentError, r"two has the operands \('x', 'y'\), but 1 derivatives; give one"),
    ({"derivatives": ("1", "2")}, one, ArgumentError, r"one has the operands \('x',\), but 2 derivatives"),
    ({"derivatives": "y"}, one, UnknownNameError, r"the derivative 'y' of one reads 'y', which is unknown;.*x, out"),
    ({"derivatives": "gamma(x)"}, one, UnknownNameError, r"calls 'gamma', which is unknown"),
    ({"derivatives": "exp(x, x)"}, one, ArgumentError, r"calls 'exp' with 2 arguments, it takes 1"),
    ({"derivatives": "1 +"}, one, ArgumentError, r"'1 \+' of one cannot be read"),
    ({"derivatives": "(" * 9000}, one, ArgumentError, r"cannot be read"),
    ({"derivatives": "x.real"}, one, ArgumentError, r"contains 'x\.real'"),
    ({"derivatives": "__import__('os').getcwd()"}, one, ArgumentError, r"contains|calls"),
    ({"derivatives": "(lambda: 1)()"}, one, ArgumentError, r"contains"),
    ({"derivatives": "'1'"}, one, ArgumentError, r"contains"),
    ({"derivatives": "1j"}, one, ArgumentError, r"contains '1j'"),
    ({"derivatives": "x > 0"}, one, ArgumentError, r"contains 'x > 0'"),
    ({"derivatives": "where(0 < x < 1, 1, 0)"}, one, ArgumentError, r"has a condition that is not one of"),
    ({"derivatives": "x if x > 0 else 0"}, one, ArgumentError, r"contains"),
    ({"derivatives": (1.0,)}, one, ArgumentError, r"is an expression in a string, or None, got 1\.0"),
    ({"derivatives": ("1", "1")}, hidden, ArgumentError, r"an operand named 'exp', which means something else"),
    ({"derivatives": "1"}, ending, ArgumentError, r"an operand named 'out'"),
    ({"derivatives": "1"}, optional, ArgumentError, r"keyword-only parameters, which expressions cannot read"),
    ({"derivatives": "1"}, anything, ArgumentError, r"takes any number of arguments; name each operand"),
    ({"vjp": (one,)}, two, ArgumentError, r"two has the operands \('x', 'y'\), but 1 vjps"),
    ({"vjp": 3}, one, ArgumentError, r"vjp= of one must be a function, got 3"),
    ({"chain": "x"}, one, ArgumentError, r"chain= of one must be|chain"),
    ({"derivatives": "1", "name": "exp"}, one, ArgumentError, r"there is an op named 'exp' already; choose another"),
    ({"derivatives": "1", "name": "matmul"}, one, ArgumentError, r"there is an op named 'matmul' already"),
    ({"derivatives": "1", "name": "a\nb'); import os #"}, one, ArgumentError, r"a Python identifier, got .a\\nb"),
    ({"derivatives": "1", "name": "lambda"}, one, ArgumentError, r"a Python identifier, got 'lambda'"),
    ({"derivatives": "1"}, lambda x: x, ArgumentError, r"a Python identifier, got '<lambda>'; pass name="),
    ({"derivatives": "1"}, 3, ArgumentError, r"it decorates a function, got int"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "function", "error", "message"), BAD, ids=[case[3][:30] for case in BAD])
def test_what_cannot_be_a_primitive(
    options: dict[str, Any], function: Any, error: type[TinygradError], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        tg.primitive(**options)(function)
    assert str(caught.value).startswith("primitive: ")


def test_the_decorator_needs_its_rule() -> None:
    with pytest.raises(ArgumentError, match=r"^primitive: it needs the op's rule; write @primitive\(derivatives"):
        tg.primitive(one)


X = Value([1.0, 2.0], name="x")


@pytest.mark.parametrize(
    ("rule", "function", "error", "message"),
    [
        ({"derivatives": "1"}, lambda x: np.sum(x), ShapeError, r"^f: .* element by element.* makes \(2,\), got \(\)"),
        ({"derivatives": "1"}, lambda x: "a", ValueTypeError, r"^f: its function must return a number .* got str"),
        ({"derivatives": "1"}, lambda x: x + X, ValueTypeError, r"^f: its function must return .* got Value"),
        ({"derivatives": "1"}, lambda x: [][0], IndexError, r"list index"),
        ({"vjp": lambda g, out, x: g[:1]}, one, ShapeError, r"^f: the vjp of operand 0 made a .*\(1,\), .* \(2,\); "),
        ({"vjp": lambda g, out, x: "a"}, one, ValueTypeError, r"^f: its vjp must return a number or an array, got str"),
        ({"vjp": lambda g, out, x, y: (g,)}, two, ShapeError, r"^f: its vjp must return a tuple of 2 .* got 1 of"),
        ({"vjp": lambda g, out, x, y: g}, two, ShapeError, r"^f: its vjp must return a tuple of 2 .* got ndarray"),
        ({"chain": lambda k, operands, out: Scale(1.0, 1)}, one, ValueTypeError, r"^f: chain=.* tuple of linear maps"),
        ({"chain": lambda k, operands, out: (SumOver((2, 2), (-1,), False),)}, one, ShapeError,
         r"^f: the chain of operand 0 made a cotangent of shape \(2, 2\), the operand has \(2,\)"),
    ],
    ids=lambda part: part[:30] if isinstance(part, str) else "",
)  # fmt: skip
def test_a_function_or_rule_that_does_not_fit(rule: Any, function: Any, error: Any, message: str) -> None:
    op = tg.primitive(**rule, name="f")(function)
    operands = (X,) if function is not two else (X, 2.0 * X)
    with pytest.raises(error, match=message):
        np.sum(op(*operands)).backward()


def test_a_rule_of_the_first_order_only_says_so() -> None:
    @tg.primitive(vjp=lambda g, out, x: g * math.cos(x))
    def by_math(x: Any) -> Any:
        return math.sin(x)

    @tg.primitive(vjp=lambda g, out, x: np.asarray([1.0]))
    def by_constant(x: Any) -> Any:
        return x * 1.0

    @tg.primitive(chain=lambda k, operands, out: (Scale(np.frexp(operands[0])[0], 1),))
    def by_frexp(x: Any) -> Any:
        return x * 1.0

    assert tg.grad(by_vjps)(0.5, 1.0) == pytest.approx(math.cos(0.5))
    x = Value([0.5], name="x")
    by_frexp(x).backward()
    assert x.has_grad
    for op in (by_constant, by_frexp):
        message = rf"^{op.__name__}: its (vjp|chain) does not take Values.*higher order"
        with pytest.raises(ValueTypeError, match=message):
            tg.hessian(lambda x, op=op: op(x).sum())(np.array([0.5]))
    y = Value(0.5, name="y")
    by_math(y).backward()
    assert y.grad == pytest.approx(math.cos(0.5))


def test_operands_that_are_none() -> None:
    with pytest.raises(ValueTypeError, match=r"^by_chain: operand 1 is a number, an array or a Value, got None"):
        by_chain(X, None)
    with pytest.raises(ArgumentError, match=r"^by_chain: missing a required argument: 'y'; it takes \(x"):
        by_chain(X)


def test_an_expression_calls_functions_of_two() -> None:
    @tg.primitive(derivatives=("x / hypot(x, y)", "y / hypot(x, y)"))
    def distance(x: Any, y: Any) -> Any:
        return np.sqrt(x * x + y * y)

    tg.check_grads(distance, (np.array([3.0, 1.0]), 4.0), order=2)
    with pytest.raises(ArgumentError, match="calls 'hypot' with 1 arguments, it takes 2"):
        tg.primitive(derivatives=("hypot(x)",), name="f")(lambda x: x)
