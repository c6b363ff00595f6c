"""An array without dimensions is a number: beside a float, in every op of two operands and in every mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import Value
from tinygrad_lite.core.elementwise import FUNCTIONS
from tinygrad_lite.core.elementwise_derivatives import TABLE

NAMES = [name for name, rule in TABLE.items() if len(rule.operands) == 2]
KINDS: dict[str, Callable[[float], Any]] = {
    "float64": np.array,
    "float32": lambda x: np.array(x, np.float32),
    "integer": lambda x: np.array(round(x)),
    "boolean": lambda x: np.array(x > 0.5),
    "number of NumPy's": np.float64,
}


def numbers(name: str) -> list[float]:
    """A point in the op's domain, which float32 has as well."""
    return [float(np.float32(low + 0.3 * (high - low))) for low, high in TABLE[name].domain]


def beside(name: str, k: int, kind: str) -> tuple[Callable[[Any], Any], Callable[[Any], Any], float]:
    """The op with a constant without dimensions beside operand ``k``, with the float in its place, and a point."""
    ufunc = TABLE[name].ufunc
    op = getattr(np, ufunc) if ufunc else FUNCTIONS[name]
    point = numbers(name)
    c = KINDS[kind](point[1 - k])
    if k == 0:
        return lambda x: op(x, c), lambda x: FUNCTIONS[name](x, float(c)), point[0]
    return lambda x: op(c, x), lambda x: FUNCTIONS[name](float(c), x), point[1]


@pytest.mark.parametrize("name", NAMES)
def test_value_and_gradient(name: str) -> None:
    for kind in KINDS:
        for k in (0, 1):
            f, g, at = beside(name, k, kind)
            ends = [function(Value(at, name="x")) for function in (f, g)]
            for end in ends:
                assert type(end.data) is float
                if TABLE[name].derivatives[k] is not None:
                    end.backward()
            assert ends[0].data == ends[1].data
            assert ends[0].parents[k].grad == ends[1].parents[k].grad
            with tg.no_grad():
                assert f(Value(at)).data == ends[1].data


@pytest.mark.parametrize("name", NAMES)
def test_every_mode(name: str) -> None:
    for k in (0, 1):
        f, g, at = beside(name, k, "float64")
        x = Value(at, name="x")
        if TABLE[name].derivatives[k] is None:
            continue
        value, slope = map(float, tg.value_and_grad(g)(at))
        step = tg.compile(lambda f=f, x=x: f(x))
        for _ in range(2):
            x.zero_grad()
            assert step() == value
            assert x.grad == slope
        assert float(tg.jvp(f, (at,), (1.0,))[1]) == float(tg.jvp(g, (at,), (1.0,))[1])
        assert float(tg.hvp(f, at, 1.0)) == float(tg.hvp(g, at, 1.0))
        assert tg.gradient_paths(f(x), x).total == slope
        found, gradients = tg.manual_backprop(f(x), [x]).run()
        np.testing.assert_allclose([found, gradients["x"]], [value, slope], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("function", [np.dot, np.outer, np.inner, np.kron, np.multiply.outer, np.vdot, np.matmul])
def test_products(function: Any) -> None:
    """The structured products of numbers, either way round; a matrix product has none."""
    for k in (0, 1):
        x = Value(2.0, name="x")
        operands = (x, np.array(3.0)) if k == 0 else (np.array(3.0), x)
        if function is np.matmul:
            with pytest.raises(tg.TinygradError, match="matmul"):
                function(*operands)
            continue
        step = tg.compile(lambda o=operands: tg.sum(function(*o)))
        for run in (tg.sum(function(*operands)).backward, step, step):
            run()
            assert x.grad == 3.0
            x.zero_grad()
