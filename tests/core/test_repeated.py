"""Parts that an expression repeats, computed once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_lite.core.elementwise_derivatives import TABLE
from tinygrad_lite.core.repeated import once


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("x + y", "x + y"),
        ("x * x", "x * x"),
        ("exp(x) / (1 + exp(x))", "(t0 := exp(x)) / (1 + t0)"),
        ("f(a + b) * (a + b) + f(a + b)", "(t1 := f((t0 := (a + b)))) * t0 + t1"),
        ("where(a > b, a - b, b - a) + g(where(a > b, a - b, b - a))", "(t0 := where(a > b, a - b, b - a)) + g(t0)"),
    ],
)
def test_a_part_is_named_where_it_is_computed_first(source: str, found: str) -> None:
    assert once(source) == found


@pytest.mark.parametrize("name", TABLE)
def test_nothing_is_computed_twice(name: str) -> None:
    """Each call of a derivative is counted: as many as there are different ones."""
    rule = TABLE[name]
    for expression in {*rule.derivatives, *rule.written, *(m for m in (rule.margin or ("",))[:1] if m)} - {None}:
        calls: list[Any] = []

        class Counting(dict[str, Any]):
            def __missing__(self, function: str, calls: list[Any] = calls) -> Any:
                return lambda *a: calls.append((function, *map(float, a))) or sum(map(float, a)) + 1.25

        names = Counting({x: np.float64(0.3 + 0.1 * k) for k, x in enumerate((*rule.operands, "out"))})
        with np.errstate(all="ignore"):
            value = eval(once(expression or ""), {"__builtins__": {}}, names)
        assert len(calls) == len(set(calls))
        calls.clear()
        with np.errstate(all="ignore"):
            assert eval(expression or "", {"__builtins__": {}}, names) == value
