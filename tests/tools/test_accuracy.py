"""The page of accuracy is the one that the recorded measurements make."""

from __future__ import annotations

import json

from tinygrad_lite.core.elementwise_derivatives import TABLE
from tools import accuracy


def test_the_page_is_current() -> None:
    measured, of_arrays = (json.loads(p.read_text(encoding="utf-8")) for p in (accuracy.MEASURED, accuracy.OF_ARRAYS))
    page = (accuracy.ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8")
    assert page == accuracy.page(measured, of_arrays), "run: python -m tools.accuracy"
    assert all(f"| `{name}` |" in page for name in TABLE)


def test_the_page_shows_the_worst_by_order() -> None:
    measured = {
        "mul float64 0": {"here": 0.5, "JAX": 0.25, "best": [0.25]},
        "mul float64 1 0": {"here": 1.0, "JAX": 12345.0, "best": [1.0]},
        "mul float64 1 1": {"here": 2.0, "JAX": float("inf"), "best": [1.0]},
    }
    page = accuracy.page(measured, {"det": {"here": [1.0, 0.5], "JAX": [2.0, float("nan")]}})
    assert "| `mul` | 0.5 · 2 · 0 | 0.25 · ∞ · 0 | – |" in page
    assert "| det | – · 1 · 0.5 | – · 2 · ∞ | – |" in page
