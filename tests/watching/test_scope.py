"""Which functions of a file a changed line may try: those that do no more than compute."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite.watching.scope import _only_computes
from tinygrad_lite.watching.search import find_mistakes

called: list[str] = []
RATE = 0.5


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def slope(z: Any) -> Any:
    s = sigmoid(z)
    return s * (1 - s) * RATE / math.sqrt(max(1, 1))


def clears(z: Any) -> Any:
    called.append("clears")
    return z


def removes(z: Any) -> Any:
    os.remove(z)


def saves(z: Any) -> Any:
    np.save("z", z)
    return z


def writes(z: Any) -> Any:
    z[0] = 1.0
    return z


def waits(z: Any) -> Any:
    while True:
        z = z + 1


def recurses(z: Any) -> Any:
    return recurses(z)


def asks(z: Any) -> Any:
    return input(z)


def by_way_of(z: Any) -> Any:
    return clears(z)


@pytest.mark.parametrize("function", [sigmoid, slope])
def test_functions_that_only_compute(function: Any) -> None:
    assert _only_computes(function)


@pytest.mark.parametrize("function", [clears, removes, saves, writes, waits, recurses, asks, by_way_of])
def test_functions_that_do_more(function: Any) -> None:
    assert not _only_computes(function)


def test_no_function_of_the_file_that_does_more_is_called_for_a_try() -> None:
    w = tg.Value([0.5, -1.0], name="w")
    loss = tg.sigmoid(w).sum()

    def backward(w: Any) -> dict[str, Any]:
        return {"w": 0.3 + w}

    (mistake,) = find_mistakes(loss, backward, lambda f: f(w.data), {"w": w}, lambda d: d, seconds=0.5)
    assert mistake.suggestion is None
    assert called == []
