"""The recognition of an array among the forms of quantities, the likelier ones first."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_lite as tg
from tinygrad_lite.watching.forms import Forms, Match, Quantity

X: Any = np.array([1.25, -2.5, 4.75])


def matches(array: Any, *quantities: Quantity) -> list[Match]:
    return Forms(quantities, (-2.0, 0.5, 2.0, 3.0), 1e-7).matches(array)


def test_exact_ones_come_first_whatever_their_role() -> None:
    a, b = tg.Value(X, name="a"), tg.Value(X, name="b")
    data, gradient = Quantity("data", a, X), Quantity("cotangent", b, X / 2.0)
    for order in ((data, gradient), (gradient, data)):
        assert [(m.quantity, m.factor) for m in matches(X, *order)] == [(data, 1.0), (gradient, 2.0)]
    assert [m.quantity for m in matches(X / 2.0, data, gradient)] == [gradient, data]


def test_of_exact_ones_whole_gradients_come_first_and_transposed_and_summed_ones_last() -> None:
    a, square = tg.Value(X, name="a"), np.outer(X, [1.0, 2.0, 3.0])
    roles = ("data", "local", "contribution", "partial", "cotangent")
    of_roles = [Quantity(role, a, X) for role in roles]
    assert [m.quantity.role for m in matches(X, *of_roles)] == [*reversed(roles)]
    plain, summed = Quantity("cotangent", a, X), Quantity("cotangent", a, X, form="summed over axis 0")
    assert [m.quantity for m in matches(X, summed, plain)] == [plain, summed]
    turned, straight = Quantity("cotangent", a, square.T), Quantity("cotangent", a, square)
    assert [(m.quantity, m.transposed) for m in matches(square, turned, straight)] == [
        (straight, False),
        (turned, True),
    ]


def test_a_number_is_a_multiple_by_a_likely_factor_only() -> None:
    a = tg.Value(1.7, name="a")
    quantity = Quantity("cotangent", a, np.array(1.7))
    assert [m.factor for m in matches(np.array(-3.4), quantity)] == [-2.0]
    assert matches(np.array(1.7 * 2.2), quantity) == []
