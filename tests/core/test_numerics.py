"""Derivatives of arrays in the form that people write, where that has its digits, and powers by products."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lite as tg
from tests.oracles.exact import ulps
from tinygrad_lite import Value
from tinygrad_lite.core import numerics
from tinygrad_lite.core.accurate import KEPT
from tinygrad_lite.core.elementwise import FUNCTIONS, OPS
from tinygrad_lite.core.elementwise_derivatives import TABLE
from tinygrad_lite.core.numerics import kept, power
from tinygrad_lite.programs.calls import Program, Slot
from tinygrad_lite.programs.tracing import Traced

MARGINS = [name for name, rule in TABLE.items() if rule.margin is not None and rule.margin[0]]
NEAR = {"tanh": np.linspace(-2.7, 2.7, 4001), "sigmoid": np.linspace(-700.0, 4.1, 4001)}
"""Points at which no element is close to where the written form loses its digits."""


@np.errstate(over="ignore")
def slope(name: str, x: Any) -> Any:
    leaf = Value(x)
    FUNCTIONS[name](leaf).backward(np.ones(np.shape(x), np.asarray(x).dtype))
    return leaf.grad


def exact_slope(name: str, x: float) -> Any:
    f: Callable[[Any], Any] = {
        "tanh": mpmath.tanh,
        "sigmoid": lambda z: 1 / (1 + mpmath.exp(-z)),
        "silu": lambda z: z / (1 + mpmath.exp(-z)),
        "gelu_tanh": lambda z: (
            z / (1 + mpmath.exp(-(mpmath.mpf(1.5957691216057308) * z + mpmath.mpf(0.07135481627260025) * z**3)))
        ),
    }[name]
    with mpmath.workdps(60):
        return mpmath.diff(f, mpmath.mpf(float(x)))


def test_the_ops_with_a_margin() -> None:
    assert MARGINS == ["tanh", "sigmoid", "silu", "gelu_tanh"]


@pytest.mark.parametrize("name", MARGINS)
def test_every_element_has_its_digits_whatever_stands_beside_it(name: str) -> None:
    few = np.array([-30.0, -8.5, -4.0, -2.0, -1e-3, 0.0, 1e-9, 0.3, 1.0, 3.0, 4.5, 6.0, 7.9, 12.0, 19.0, 36.0])
    for x in (few, few[(few > -2.1) & (few < 2.1)], few[few < 2.0], np.repeat(few[-4:], 3)):
        for found, at in zip(slope(name, x), x, strict=True):
            right = exact_slope(name, at)
            assert abs(found - right) <= 1e-12 * abs(right) + 1e-15 * (name in ("silu", "gelu_tanh")), (name, at)


@pytest.mark.parametrize("name", NEAR)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_near_0_the_written_form_is_the_careful_one_to_13_digits(name: str, dtype: Any) -> None:
    x = NEAR[name].astype(dtype) if dtype is np.float64 else np.linspace(-2.7, 2.7, 1001, dtype=dtype)
    out = FUNCTIONS[name](x)
    careful = OPS[name]._local(TABLE[name].derivatives[0] or "", _array_source(), numerics.LOCAL_FUNCTIONS)(x, out)
    assert not np.array_equal(slope(name, x), careful)  # it is the other form
    assert_allclose(slope(name, x), careful, rtol=1e-13 if dtype is np.float64 else 1e-13 * 2.0**29)
    assert slope(name, x).dtype == dtype


def _array_source() -> Callable[[str], str]:
    from tinygrad_lite.core.table_source import array_source

    return array_source


@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
@pytest.mark.parametrize("tails", [1, 5, 63, 64])
def test_in_the_tails_it_is_the_careful_form_to_the_bit(name: str, tails: int, rng: np.random.Generator) -> None:
    x = rng.uniform(-1.0, 1.0, (8, 8))
    x.flat[:tails] = rng.uniform(20.0, 300.0, tails)
    careful = OPS[name]._local(TABLE[name].derivatives[0] or "", _array_source(), numerics.LOCAL_FUNCTIONS)
    found = slope(name, x)
    assert_array_equal(found.flat[:tails], careful(x, FUNCTIONS[name](x)).flat[:tails])
    assert np.all(found > 0.0)
    for part in range(0, 64, 8):  # whatever else is in the array
        assert_array_equal(slope(name, x.ravel()[part : part + 8]), found.ravel()[part : part + 8])


@pytest.mark.parametrize("name", MARGINS)
def test_nan_infinite_empty_and_other_floats(name: str) -> None:
    x = np.array([math.nan, 0.5, math.inf, -1e308])
    found = slope(name, x)
    assert np.isnan(found[0])
    assert_array_equal(found[1:2], slope(name, x[1:2]))
    assert_array_equal(found[2:], [float(name in ("silu", "gelu_tanh")), 0.0])
    assert slope(name, np.zeros((0, 3))).shape == (0, 3)
    half = slope(name, np.array([0.5, 3.0], np.float16))
    assert half.dtype == np.float16
    assert_allclose(half, slope(name, np.array([0.5, 3.0])), rtol=5e-3)
    fortran = np.asfortranarray(np.linspace(-30.0, 30.0, 12).reshape(3, 4))
    assert_array_equal(slope(name, fortran), slope(name, np.ascontiguousarray(fortran)))


@pytest.mark.parametrize("name", MARGINS)
@pytest.mark.parametrize("largest", [1.0, 40.0])
def test_compiled_to_the_bit_also_when_the_numbers_change(name: str, largest: float, rng: np.random.Generator) -> None:
    w = Value(rng.normal(size=(6, 4)))
    step = tg.compile(lambda x: tg.sum(FUNCTIONS[name](x @ w)))
    for scale in (1.0, largest, 0.1, largest):
        x = rng.normal(size=(5, 6)) * scale
        w.grad = None
        cost = step(x)
        replayed, w.grad = w.grad, None
        end = tg.sum(FUNCTIONS[name](x @ w))
        end.backward()
        assert cost == end.item()
        assert_array_equal(replayed, w.grad)


def test_a_sigmoid_in_the_derivative_is_the_one_of_the_forward_pass() -> None:
    w = Value(np.linspace(-1.0, 1.0, 8))
    for f in (tg.silu, tg.gelu, tg.sigmoid, tg.tanh):
        step = tg.compile(lambda x, f=f: tg.sum(f(x * w)))
        for _ in range(2):
            step(np.ones(8))
        assert step.source.count("exp(") == (f is not tg.tanh), step.source


def test_the_users_own_cap_of_an_exponential_stays() -> None:
    w = Value(np.array([1.0, 2.0]))
    step = tg.compile(lambda x: tg.sum(np.exp(np.minimum(x * w, 64.0))) + tg.sum(tg.sigmoid(x * w)))
    for x in (1.0, 3.0, 100.0):
        right = sum(math.exp(min(x * a, 64.0)) + 1 / (1 + math.exp(-x * a)) for a in (1, 2))
        assert step(np.full(2, x)) == pytest.approx(right)


def test_kept_changes_what_it_is_given_in_place_and_copies_in_a_program() -> None:
    near, margin = np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, 1.0])
    assert kept(near, margin, KEPT, np.negative, np.array([7.0, 8.0, 9.0])) is near
    assert_array_equal(near, [1.0, -8.0, 3.0])
    program = Program()
    traced = Traced(program, Slot(np.array([1.0, 2.0])))
    found = kept(traced, traced, 1.5, np.negative, traced)
    assert_array_equal(found.sample, [-1.0, 2.0])
    assert_array_equal(traced.sample, [1.0, 2.0])
    assert [call.kind for call in program.calls] == ["mend"]


# ---- powers ----------------------------------------------------------------------------------------------------------

HALVES = [k / 2 for k in range(-16, 17) if k]


@pytest.mark.parametrize("y", HALVES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_power_by_products_has_its_digits(y: float, dtype: Any, rng: np.random.Generator) -> None:
    x = np.abs(rng.normal(size=50)).astype(dtype) + dtype(0.01)
    x = np.concatenate([x, -x]) if y.is_integer() else x
    found = power(x, y)
    assert found.dtype == dtype
    for a, b in zip(found, x, strict=True):
        with mpmath.workdps(60):
            assert ulps(a, mpmath.mpf(float(b)) ** mpmath.mpf(y), dtype) <= 2.0 + 2 * abs(y), (a, b)


@pytest.mark.parametrize("y", HALVES)
def test_a_power_at_the_ends_is_numpys(y: float) -> None:
    x = np.array([0.0, -0.0, math.inf, math.nan, 5e-324, 1e-300, 1e300, 1e50, 1e-50, -1e200, -2.0, -math.inf])
    x = x if y.is_integer() else x[x >= 0]
    with np.errstate(all="ignore"):
        right = x**y
        found = power(x, y)
    assert_allclose(found, right, rtol=1e-14, atol=1e-321)
    where = ~((x == 0) & (y == 0.5))  # NumPy's own root of -0 is -0
    assert_array_equal(np.signbit(found)[where], np.signbit(right)[where])


@pytest.mark.parametrize("y", [3, 3.0, np.float64(3.0), np.array(3.0)])
def test_a_whole_number_in_any_form(y: Any) -> None:
    x = np.array([1.1, -2.3])
    assert_array_equal(power(x, y), x * (x * x))


@pytest.mark.parametrize("y", [0, 0.0, 0.25, 9, -8.5, math.inf, math.nan, 1 / 3, 1e300])
def test_other_exponents_are_numpys(y: float) -> None:
    x = np.array([0.0, 1.0, 2.5])
    with np.errstate(all="ignore"):
        assert_array_equal(power(x, y), x**y)


def test_the_first_power_is_an_array_of_its_own() -> None:
    x = np.array([1.0, 2.0])
    assert power(x, 1.0) is not x
    assert_array_equal(power(np.array([2, 3]), 2), [4, 9])
    assert power(np.array([2, 3]), 3).dtype.kind == "i"


@pytest.mark.parametrize("y", [*HALVES, 0, 1, 2, 3])
def test_derivatives_of_powers(y: float, rng: np.random.Generator) -> None:
    x = Value(np.abs(rng.normal(size=30)) + 0.1)
    (x**y).backward(np.ones(30))
    assert_allclose(x.grad, y * x.data ** (y - 1), rtol=1e-13)
    tg.check_grads(lambda x: x**y, (x.data[:3],), order=2)
    x = Value(x.data.astype(np.float32))
    (x**y).backward(np.ones(30, np.float32))
    assert x.grad.dtype == np.float32


@pytest.mark.parametrize("y", [3, -1, 0.5, 1.5, -2.5])
def test_no_power_is_taken_in_a_compiled_step(y: float) -> None:
    w = Value(np.linspace(0.5, 2.0, 8))
    step = tg.compile(lambda x: tg.sum((x * w) ** y))
    for _ in range(2):
        w.grad = None
        step(np.ones(8))
    assert "power(" not in step.source
    replayed, w.grad = w.grad, None
    tg.sum((np.ones(8) * w) ** y).backward()
    assert_array_equal(replayed, w.grad)


def test_a_power_of_0_and_a_varying_exponent_stay_as_they_were() -> None:
    x, y = Value(np.array([0.0, 0.0, 2.0])), Value(np.array([2.0, 0.0, 3.0]))
    (x**y).backward(np.ones(3))
    assert_array_equal(x.grad, [0.0, 0.0, 12.0])
    assert_allclose(y.grad, [0.0, 0.0, 8.0 * math.log(2.0)])
    base = Value(np.array([0.0, 3.0]))
    (base**0).backward(np.ones(2))
    assert_array_equal(base.grad, [0.0, 0.0])


@pytest.mark.parametrize("name", sorted(numerics.LOCAL_FUNCTIONS.keys() - {"kept", "power", "where", "square"}))
def test_every_function_takes_numbers_of_numpys_and_arrays_without_axes(name: str) -> None:
    """As ``manual_backprop`` asks them at scalars."""
    function = numerics.LOCAL_FUNCTIONS[name]
    several = name in ("arctan2", "fmax", "fmin", "hypot", "logaddexp", "logaddexp2", "maximum", "minimum", "mod")
    if name.startswith("erf"):
        pytest.importorskip("scipy")
    at = 1.25 if name == "arccosh" else 0.75
    operands = (at, 0.5) if several else (at,)
    right = function(*(np.array([x]) for x in operands))[0]
    for kind in (np.float64, np.array):
        found = function(*map(kind, operands))
        assert np.ndim(found) == 0
        assert found == pytest.approx(right, rel=1e-15)


def test_manual_backprop_of_scalars_asks_them() -> None:
    x = Value(0.5, name="x")
    for f in (tg.tanh, tg.sigmoid, tg.silu, tg.gelu, lambda x: np.logaddexp(x, 0.25), lambda x: x**3):
        end = f(x)
        end.backward()
        assert tg.manual_backprop(end, {"x": x}).run()[1]["x"] == pytest.approx(x.grad, rel=1e-14)
        x.grad = 0.0


@pytest.mark.parametrize(("dtype", "points"), [(np.float64, [30, 700, 720, 744]), (np.float32, [20, 86, 95, 103])])
def test_the_slope_of_a_sigmoid_keeps_its_subnormal_tail(dtype: Any, points: list[int]) -> None:
    x = Value(np.array([*points, *(-point for point in points)], dtype), "x")
    tg.sigmoid(x).sum().backward()
    e = np.exp(-np.abs(np.asarray(x.data, np.longdouble)))
    right = (e / (1 + e) ** 2).astype(dtype)
    assert_allclose(x.grad, right, rtol=1e-5, atol=2 * np.finfo(dtype).smallest_subnormal)
    assert (x.grad > 0).all()
