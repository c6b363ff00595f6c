"""Terms are found by their values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_lite.watching.terms import terms_of

R = np.random.default_rng(0)
AT_HAND = {
    "x": R.normal(size=(4, 3)),
    "g": R.normal(size=(4, 3)),
    "h": R.normal(size=(4, 3)),
    "W": R.normal(size=(3, 3)),
    "dy": R.normal(size=(4, 3)),
    "v": R.normal(size=3),
    "s": R.normal(size=(4, 1)),
}


@pytest.mark.parametrize(
    "term",
    [
        "dy",
        "-dy / n",
        "2 * x",
        "2 * x / (n - 1)",
        "dy @ W.T",
        "x.T @ dy",
        "-2 * g * h",
        "g * v",
        "g.sum(axis=0)",
        "-g.sum(axis=1, keepdims=True) / n",
        "(g * h).sum(axis=0)",
        "x * (g * h).sum(axis=1, keepdims=True)",
        "g * (1 - h ** 2)",
        "g * (h > 0)",
        "g * h * (1 - h)",
        "x * g * s",
    ],
)
def test_a_term_is_found_by_its_value(term: str) -> None:
    names: dict[str, Any] = {**AT_HAND, "n": 7}
    missing = eval(term, names)
    found = next(terms_of(missing, AT_HAND, {"n": 7, "n - 1": 6}, 1e-9))
    value = np.broadcast_to(eval(found, names), missing.shape)
    np.testing.assert_allclose(value, missing, rtol=1e-9)
    assert len(found) <= len(term) + 2


@pytest.mark.parametrize(
    "missing", [np.zeros((4, 3)), np.full((4, 3), np.nan), np.arange(12.0).reshape(4, 3), 1.7 * AT_HAND["x"]]
)
def test_no_term_is_made_up(missing: Any) -> None:
    assert list(terms_of(missing, AT_HAND, {"n": 7}, 1e-9)) == []


def test_a_number_is_no_product_of_many() -> None:
    numbers = {name: np.float64(x) for name, x in zip("abcd", (0.3, 1.7, -2.2, 5.1), strict=True)}
    assert list(terms_of(0.3 * 1.7 * 2.2, numbers, {}, 1e-9)) == []
    assert list(terms_of(-0.3 * 1.7, numbers, {}, 1e-9)) == ["-a * b"]
