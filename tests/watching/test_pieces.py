"""Programs that go through their arrays sample by sample, or number by number: no right line of them is blamed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.watching.networks import Network, line_of, mended, mlp
from tinygrad_lite.watching import known, pieces
from tinygrad_lite.watching.known import Known
from tinygrad_lite.watching.mistakes import Mistake

SAMPLES = """
def backward(W1, b1, W2, b2):
    dW1, db1 = np.zeros_like(W1), np.zeros_like(b1)
    dW2, db2 = np.zeros_like(W2), np.zeros_like(b2)
    for x, y in zip(X, Y):
        a1 = np.tanh(x @ W1 + b1)
        out = a1 @ W2 + b2
        delta = 2 * (out - y) / n
        dW2 += np.outer(a1, delta)
        db2 += delta
        da1 = W2 @ delta
        dz1 = da1 * (1 - a1 ** 2)
        dW1 += np.outer(x, dz1)
        db1 += dz1
    return {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}
"""

NUMBERS = """
def backward(W1, b1, W2, b2):
    a1 = np.tanh(X @ W1 + b1)
    z2 = a1 @ W2 + b2
    dz2, da1, dz1 = np.zeros_like(z2), np.zeros_like(a1), np.zeros_like(a1)
    dW1, db1 = np.zeros_like(W1), np.zeros_like(b1)
    dW2, db2 = np.zeros_like(W2), np.zeros_like(b2)
    for i in range(n):
        for j in range(2):
            dz2[i, j] = 2 * (z2[i, j] - Y[i, j]) / n
            db2[j] += dz2[i, j]
            for k in range(5):
                dW2[k, j] += a1[i, k] * dz2[i, j]
                da1[i, k] += W2[k, j] * dz2[i, j]
        for k in range(5):
            dz1[i, k] = da1[i, k] * (1 - a1[i, k] ** 2)
            db1[k] += dz1[i, k]
            for m in range(3):
                dW1[m, k] += X[i, m] * dz1[i, k]
    return {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}
"""

PROGRAMS = {"samples": SAMPLES, "numbers": NUMBERS}
MISTAKES = [
    ("samples", "2 * (out - y) / n", "2 * (out - y)"),
    ("samples", "2 * (out - y) / n", "(out - y) / n"),
    ("samples", "(1 - a1 ** 2)", "(1 - a1)"),
    ("samples", "np.outer(x, dz1)", "np.outer(x, da1)"),
    ("samples", "W2 @ delta", "2 * W2 @ delta"),
    ("samples", "db2 += delta", "db2 = delta"),
    ("samples", "np.outer(a1, delta)", "np.outer(a1, out)"),
    ("samples", "db1 += dz1", "db1 += da1"),
    ("numbers", "db2[j] += dz2", "db2[j] = dz2"),
    ("numbers", "1 - a1[i, k] ** 2", "1 - a1[i, k]"),
]


def found(program: str, old: str, new: str) -> tuple[str, tuple[Mistake, ...]]:
    source = PROGRAMS[program]
    assert source.count(old) == 1
    wrong = source.replace(old, new)
    assert not mlp().right(wrong)
    return wrong, mlp().mistakes(wrong)


@pytest.mark.parametrize("program", PROGRAMS)
def test_right_programs_are_right(program: str) -> None:
    assert mlp().right(PROGRAMS[program])
    assert mlp().mistakes(PROGRAMS[program]) == ()


@pytest.mark.parametrize(("program", "old", "new"), MISTAKES)
def test_the_wrong_line_is_found_and_no_other(program: str, old: str, new: str) -> None:
    wrong, mistakes = found(program, old, new)
    assert [mistake.line for mistake in mistakes] == [line_of(PROGRAMS[program], old)]
    if program == "samples":
        assert mlp().right(mended(wrong, mistakes[0]))


def test_without_pieces_right_lines_are_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "pieces", lambda *_: ())
    for program, old, new in (MISTAKES[0], MISTAKES[2]):
        lines = [mistake.line for mistake in found(program, old, new)[1]]
        assert lines != [line_of(PROGRAMS[program], old)]


def test_a_piece_is_told_by_its_sample_or_element() -> None:
    w = tg.Value([[1.5, 2.25], [3.125, 4.5]], name="w")
    x: Any = np.array([[0.13, 0.77], [0.31, 0.23]])
    y = w * x
    y.name = "y"
    what = Known((y**2).sum())

    def said(array: Any) -> set[tuple[str, str | None, str, float]]:
        found = what.matches(np.asarray(array))
        return {(m.quantity.role, m.quantity.value.name, m.quantity.form, m.factor) for m in found}

    dy = 2 * y.data
    assert ("cotangent", "y", "", 1.0) in said(dy)
    assert ("cotangent", "y", "sample 1", 1.0) in said(dy[1])
    assert ("cotangent", "y", "element (1, 0)", -2.0) in said(-2 * dy[1, 0])
    assert ("data", "y", "sample 0", 1.0) in said(y.data[0])
    assert said(4.5) == set()  # of data a number that anyone may write says nothing
    assert said([0.1234, 0.4321]) == set()


def test_a_row_and_an_element_contribute_their_part() -> None:
    r = np.random.default_rng(0)
    w, x = tg.Value(r.normal(size=(3, 2)), name="w"), r.normal(size=(4, 3))
    z = x @ w
    z.name = "z"
    what = Known((z**3).sum())
    dz = 3 * z.data**2
    for i in range(4):
        (row,) = (m.quantity for m in what.matches(np.outer(x[i], dz[i])) if m.exact and not m.transposed)
        assert (row.role, row.value, row.form) == ("contribution", w, f"sample {i}")
        (element,) = (m.quantity for m in what.matches(x[i, 2] * dz[i, 1]) if m.exact)
        assert (element.role, element.value, element.form) == ("contribution", w, f"element ({i}, 1)")


def test_arrays_too_long_are_not_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    w = tg.Value(np.linspace(1.01, 2.02, 6), name="w")
    loss = (w**2).sum()
    assert Known(loss).matches(2 * w.data[3])
    monkeypatch.setattr(pieces, "_MOST_PIECES", 5)
    assert not Known(loss).matches(2 * w.data[3])


def test_results_of_one_row_each() -> None:
    w = tg.Value(np.array([[1.1, 2.3], [0.7, 1.9]]), name="w")
    source = (
        "def backward(w):\n    dw = np.zeros_like(w)\n    for i in range(2):\n        dw[i] = 3 * w[i]\n"
        "    return {'w': dw}\n"
    )
    (mistake,) = Network((w**2).sum(), {"w": w}).mistakes(source)
    assert mistake.line == 4
