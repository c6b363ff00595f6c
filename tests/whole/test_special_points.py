"""Derivatives to order 3 at special numbers: 0, ±1, 2, integers, ties. A finite number that is wrong is a fault.

A derivative with a special case (``x ** 0``, ``0 / 0`` of a norm) is right at one point and at one order. Here each
line of the table is differentiated in every mixture of its operands, at all points at once, and compared with mpmath,
which differentiates the formulas of ``tests/oracles/symbolic.py`` numerically in 60 digits. Compositions with a norm,
an absolute value or a standard deviation of 0 are compared with Hessians that are known.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lite as tg
from tests.checkers import differentiable
from tests.oracles.symbolic import FORMULAS
from tinygrad_lite import Value
from tinygrad_lite.core.elementwise import FUNCTIONS, OPS, Elementwise, _generated
from tinygrad_lite.core.elementwise_derivatives import TABLE
from tinygrad_lite.core.op import Op
from tinygrad_lite.core.special import power_partial, sinc_partial
from tinygrad_lite.ops.reductions import Norm

POINTS = [-1.0, 0.0, 0.5, 1.0, 2.0, 3.0]
KINKED = {
    "abs", "sign", "relu", "leaky_relu", "elu", "maximum", "minimum", "fmax", "fmin", "mod", "where", "clip", "cbrt"
}  # fmt: skip
"""Lines of which the table's own conventions hold at some of the points; cbrt has another formula below 0."""


CONVENTIONS = {("hypot", 0.0, 0.0), *(("arctan2", 0.0, y) for y in (-1.0, 0.0))}
"""Where a derivative depends on the way to the point: that of hypot is 0, others are NaN. arctan2 jumps at x = 0."""

REMOVABLE = {"sinc": mpmath.sincpi, "sinc_slope": lambda x: mpmath.diff(mpmath.sincpi, x)}
"""Formulas without 0 / 0."""


def derivative(f: Callable[..., Any], order: Sequence[int]) -> Callable[..., Any]:
    """The derivative of an elementwise function by the operands whose positions ``order`` lists."""
    for k in order:
        f = tg.elementwise_grad(f, argnums=k)
    return f


def by_mpmath(formula: Callable[..., Any], point: Sequence[float], times: tuple[int, ...]) -> float | None:
    """A partial derivative; ``None`` where there is no real, finite one, equal from both sides."""
    found = []
    for direction in (-1, 1):
        try:
            found.append(mpmath.diff(formula, tuple(map(mpmath.mpf, point)), times, direction=direction, singular=True))
        except (ZeroDivisionError, ValueError, OverflowError):
            return None
    if not all(abs(mpmath.im(side)) < 1e-8 and abs(side) < 1e12 for side in found):
        return None
    left, right = map(mpmath.re, found)
    return float(left) if abs(left - right) <= 1e-8 * (1 + abs(left)) else None


def power_by_mpmath(formula: Callable[..., Any], point: Sequence[float], times: tuple[int, ...]) -> float | None:
    """The same for x**y, of which mpmath cannot see a limit at x = 0."""
    (x, y), (m, j) = map(mpmath.mpf, point), times
    falling = mpmath.ff(y, m)
    if x == 0:
        if y > m or (j == 0 and falling == 0) or (m == 0 and y == 0):  # the last by convention, as 0 ** y is flat
            return float(j == 0 and m == y == 0)
        return float(falling) if y == m and not j else None
    if x < 0 and (j or y != int(y)):
        return None
    logs = (mpmath.binomial(j, i) * mpmath.diff(lambda t: mpmath.ff(t, m), y, i) * mpmath.log(x) ** (j - i)
            for i in range(j + 1))  # fmt: skip
    return float((sum(logs) if j else falling) * x ** (y - m))


def check_special_points(op: Elementwise, function: Callable[..., Any]) -> None:
    name, live = op.rule.name, differentiable(op)
    points = np.array(list(itertools.product(POINTS, repeat=len(op.rule.operands)))).T
    symbols = sympy.symbols(f"x:{len(points)}")
    formula = REMOVABLE.get(name) or sympy.lambdify(symbols, FORMULAS[name](*symbols), "mpmath")
    oracle = power_by_mpmath if name == "pow" else by_mpmath
    for length in (1, 2, 3):
        expected: dict[tuple[int, ...], list[float | None]] = {}
        for order in itertools.product(live, repeat=length):
            times = tuple(order.count(k) for k in range(len(points)))
            if times not in expected:
                with mpmath.workdps(60):
                    expected[times] = [oracle(formula, point, times) for point in points.T]
            with np.errstate(all="ignore"):
                values, found = function(*points), derivative(function, order)(*points)
            for point, value, ours, right in zip(points.T, values, found, expected[times], strict=True):
                if not np.isfinite(value) or (name, *point[:2]) in CONVENTIONS:
                    continue
                where = f"{name}: {ours} instead of {right} at {point.tolist()}, by the operands {order}"
                if right is None or not np.isfinite(right):
                    assert not np.isfinite(ours), where
                else:
                    assert abs(ours - right) <= 1e-9 * (1 + abs(right)), where


@pytest.mark.parametrize("name", [name for name in TABLE if name not in KINKED])
def test_the_table_to_order_3_at_special_points(name: str) -> None:
    check_special_points(OPS[name], FUNCTIONS[name])


@pytest.mark.parametrize("name", ["pow", "sinc_slope"])
def test_a_special_case_that_counts_as_a_constant_is_caught(name: str) -> None:
    op = Elementwise(dataclasses.replace(TABLE[name], again=()))
    with pytest.raises(AssertionError, match=f"{name}: "):
        check_special_points(op, _generated(op))


def test_the_derivatives_that_are_differentiated_again_are_those_of_numbers() -> None:
    x, y = (grid.ravel() for grid in np.meshgrid(POINTS, POINTS))
    with np.errstate(all="ignore"):
        for k in (0, 1):
            assert_allclose(power_partial(x, y, k == 0, k == 1), OPS["pow"]._local_arrays[k](x, y, x**y), rtol=1e-14)
    at = np.array([-7.0, -0.2, 0.0, 1e-5, 0.9, 4.5])
    assert_allclose(sinc_partial(at, 1), OPS["sinc_slope"].forward(at), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7])
def test_derivatives_of_sinc(n: int) -> None:
    at = np.array([-30.0, -2.5, -0.6, 0.0, 1e-9, 0.3, 1.0, 3.2])
    with mpmath.workdps(40):
        right = [float(mpmath.pi**n * mpmath.diff(mpmath.sinc, mpmath.pi * mpmath.mpf(x), n)) for x in at]
    assert_allclose(sinc_partial(at, n), right, rtol=1e-10, atol=1e-11 * math.pi**n)
    assert [sinc_partial(float(x), n) for x in at] == sinc_partial(at, n).tolist()


# ---- compositions: where the first derivative has a convention, the second is right, NaN, or a convention too --------


def norm(x: Any) -> Any:
    return np.linalg.norm(x)


I, MEAN = np.eye(3), np.ones((3, 3)) / 3

SMOOTH: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "norm²": (lambda x: norm(x) ** 2, 2 * I),
    "norm · norm": (lambda x: norm(x) * norm(x), 2 * I),
    "square of norm": (lambda x: np.square(3 * norm(x) / 2), 4.5 * I),
    "norm⁴": (lambda x: norm(x) ** 4, 0 * I),
    "norm³": (lambda x: norm(x) ** 3, 0 * I),
    "(norm²)²": (lambda x: (norm(x) ** 2) ** 2, 0 * I),
    "exp(-norm²)": (lambda x: np.exp(-(norm(x) ** 2)), -2 * I),
    "exp of a scaled norm": (lambda x: np.exp(-((norm(x) / 0.5) ** 2) / 2), -4 * I),
    "norm² + norm⁴ - 1": (lambda x: norm(x) ** 2 + norm(x) ** 4 - 1, 2 * I),
    "√(1 + norm²)": (lambda x: np.sqrt(1 + norm(x) ** 2), I),
    "log(1 + norm²)": (lambda x: np.log(1 + norm(x) ** 2), 2 * I),
    "cos(norm)": (lambda x: np.cos(norm(x)), -I),
    "norms of rows": (lambda x: np.sum(np.linalg.norm(np.stack([x, 2 * x]), axis=1) ** 2), 10 * I),
    "kept norms of rows": (lambda x: np.sum(np.linalg.norm(np.stack([x, 2 * x]), axis=1, keepdims=True) ** 2), 10 * I),
    "Frobenius": (lambda x: np.linalg.norm(np.stack([x, x])) ** 2, 4 * I),
    "hypot²": (
        lambda x: np.hypot(np.hypot(x[0], x[1]), x[2]) ** 2 + np.hypot(x[0], 0.0) ** 2,
        2 * I + 2 * np.diag(I[0]),
    ),
    "abs²": (lambda x: np.sum(np.abs(x) ** 2), 2 * I),
    "abs · abs": (lambda x: np.sum(np.abs(x) * np.abs(x)), 2 * I),
    "abs³": (lambda x: np.sum(np.abs(x) ** 3), 0 * I),
    "cos(abs)": (lambda x: np.sum(np.cos(np.abs(x))), -I),
    "std²": (lambda x: np.std(x) ** 2, 2 * (I - MEAN) / 3),
    "nanstd²": (lambda x: np.nanstd(x, ddof=1) ** 2, I - MEAN),
    "var": (np.var, 2 * (I - MEAN) / 3),
    "prod": (np.prod, 0 * I),
    "prod + sum²": (lambda x: np.prod(x[:2]) + np.sum(x) ** 2, 2 + np.eye(3)[[1, 0, 2]] * [1, 1, 0]),
}
"""Functions that have the Hessian beside them at 0."""

POINTED: dict[str, Callable[[Any], Any]] = {
    "norm": norm,
    "x · norm": lambda x: np.sum(x) * norm(x),
    "hypot": lambda x: np.hypot(x[0], x[1]) + norm(x[2:]),
    "std": np.std,
    "exp(norm)": lambda x: np.exp(norm(x)),
    "norm₃": lambda x: np.linalg.norm(x, 3),
    "norm₃²": lambda x: np.linalg.norm(x, 3) ** 2,
    "norm₄⁴": lambda x: np.linalg.norm(x, 4) ** 4,
    "norm₁.₅": lambda x: np.linalg.norm(x, 1.5),
    "√ of a sum of squares": lambda x: np.sqrt(np.sum(x**2)) ** 2,
}
"""Functions without a Hessian at 0, or with one that is not seen: its diagonal is NaN or infinite."""

FLAT: dict[str, Callable[[Any], Any]] = {
    "abs": lambda x: np.sum(np.abs(x)),
    "relu": lambda x: np.sum(tg.relu(x)),
    "relu³": lambda x: np.sum(tg.relu(x) ** 3),
    "clip": lambda x: np.sum(np.clip(x, 0.0, 1.0)),
    "maximum": lambda x: np.sum(np.maximum(x, 0.0)),
    "max": np.max,
    "norm₁": lambda x: np.linalg.norm(x, 1),
}
"""Functions with a kink at 0, of constant slope beside it: by convention the second derivative is 0."""

WAYS: dict[str, Callable[[Callable[..., Any]], Any]] = {
    "reverse over reverse": lambda f: tg.jacobian(tg.grad(f), mode="reverse")(np.zeros(3)),
    "forward over reverse": lambda f: tg.jacobian(tg.grad(f), mode="forward")(np.zeros(3)),
    "reverse over forward": lambda f: np.stack([tg.grad(lambda x, v=v: tg.jvp(f, x, v)[1])(np.zeros(3)) for v in I]),
    "of Values": lambda f: tg.hessian(f)(Value(np.zeros(3))).data,
}


def check_hessian(f: Callable[[Any], Any], right: Any, ways: Sequence[str] = tuple(WAYS)) -> None:
    for way in ways:
        with np.errstate(all="ignore"):
            assert_allclose(WAYS[way](f), np.asarray(right), atol=1e-14, err_msg=way)


@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_compositions_have_their_hessian_at_0(name: str) -> None:
    f, right = SMOOTH[name]
    check_hessian(f, right)
    tg.check_grads(f, np.zeros(3), order=2)


@pytest.mark.parametrize("name", POINTED)
def test_the_second_derivative_is_nan_where_there_is_none(name: str) -> None:
    for way, hessian in WAYS.items():
        with np.errstate(all="ignore"):
            assert not np.isfinite(np.diag(hessian(POINTED[name]))).any(), way


@pytest.mark.parametrize("name", FLAT)
def test_the_second_derivative_at_a_kink_is_0_by_convention(name: str) -> None:
    check_hessian(FLAT[name], np.zeros((3, 3)))


def test_compiled_second_derivatives() -> None:
    for name in ("norm²", "exp(-norm²)", "abs²", "std²"):
        f, right = SMOOTH[name]
        w = Value(1.0)
        step = tg.compile(lambda x, f=f, w=w: w * (tg.hessian(f)(x) * (1 + I)).sum())
        for _ in range(2):
            assert_allclose(step(np.zeros(3)), np.sum(right * (1 + I)), atol=1e-14)


def test_a_quotient_that_is_not_cancelled_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Norm, "undivided", Op.undivided)
    with pytest.raises(AssertionError, match="reverse over reverse"):
        check_hessian(*SMOOTH["norm²"])


def test_the_standard_deviation_of_equal_numbers_has_the_derivative_0() -> None:
    for f in (np.std, tg.nanstd, lambda x: np.std(x, ddof=1, where=[True, True, False])):
        assert_array_equal(tg.grad(f)(np.full(3, 4.0)), np.zeros(3))
    assert_array_equal(tg.jvp(np.std, np.full(3, 4.0), np.ones(3))[1], 0.0)


@pytest.mark.parametrize("name", SMOOTH)
def test_elsewhere_a_quotient_changes_nothing(name: str, rng: np.random.Generator) -> None:
    tg.check_grads(SMOOTH[name][0], rng.standard_normal(3), order=2, at_most=1)


@pytest.mark.parametrize("p", [4, 3, 1.5, 0.5, -1])
def test_other_norms_to_order_2(p: float, rng: np.random.Generator) -> None:
    tg.check_grads(lambda x: np.linalg.norm(x, p) ** 3, rng.standard_normal(3), order=2, at_most=1)
