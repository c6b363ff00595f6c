"""Arguments in containers of every kind, and results in the same."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal

import tinygrad_lite as tg
from tinygrad_lite import Value
from tinygrad_lite.errors import ValueTypeError


class Point(NamedTuple):
    x: Any
    y: Any


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


def numbers(tree: Any) -> list[Any]:
    """Every leaf, flattened."""
    if isinstance(tree, dict):
        return [x for part in tree.values() for x in numbers(part)]
    if isinstance(tree, list | tuple):
        return [x for part in tree for x in numbers(part)]
    return [tree]


def sum_of_cubes(tree: Any) -> Any:
    return sum(((x * x * x).sum() for x in numbers(tree)), Value(0.0))


TREES = st.recursive(
    SMALL | hnp.arrays(np.float64, hnp.array_shapes(min_dims=0, max_dims=2, max_side=3), elements=SMALL),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
        | st.builds(Point, inner, inner)
    ),
    max_leaves=6,
)


@hypothesis.given(TREES)
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
