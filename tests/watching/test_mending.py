"""Suggested lines hold for every turn of a loop, change little, and are right at other numbers too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.watching.learners import (
    CLASSES,
    GATED,
    LOOPS,
    NORM,
    NORM_AT_ONCE,
    RIDGE,
    SKIP,
    ZIPPED,
    corrected,
    gated,
    norm,
    planted,
    ridge,
    skip,
    tower,
)
from tests.watching.networks import BATCH_NORM, TIED, Network, batch_norm, line_of, tied
from tinygrad_lite.watching import second_point

_Made = Callable[[], Network]


@pytest.mark.parametrize(
    ("made", "source"),
    [
        (tower, LOOPS),
        (tower, ZIPPED),
        (tower, CLASSES),
        (norm, NORM),
        (norm, NORM_AT_ONCE),
        (skip, SKIP),
        (gated, GATED),
        (ridge, RIDGE),
    ],
)
def test_right_programs_of_learners(made: _Made, source: str) -> None:
    assert made().right(source)
    assert made().mistakes(source) == ()


def test_a_gradient_that_is_known_by_the_suggestion_alone_is_said_to_be_one() -> None:
    (mistake,) = tower().mistakes(planted(LOOPS, [("Ws[i].T", "Ws[i]")]))
    assert mistake.said.startswith("the gradient of ")


# ---- every turn of a loop


@pytest.mark.parametrize(
    ("source", "old", "new"),
    [
        (LOOPS, "acts[i + 1] ** 2", "acts[i] ** 2"),
        (LOOPS, "acts[i].T", "acts[i - 1].T"),
        (LOOPS, "acts[i].T", "acts[0].T"),
        (LOOPS, "acts[i].T", "acts[1].T"),
        (LOOPS, "acts[i].T", "acts[i + 1].T"),
        (LOOPS, "Ws[i].T", "Ws[i]"),
        (LOOPS, "Ws[i].T", "Ws[0].T"),
        (LOOPS, "Ws[i].T", "Ws[L - 1 - i].T"),
        (LOOPS, "delta.sum(axis=0)", "delta.mean(axis=0)"),
        (ZIPPED, "out ** 2", "inp ** 2"),
        (ZIPPED, "out ** 2", "x ** 2"),
        (ZIPPED, "inp.T @ dz", "out.T @ dz"),
        (ZIPPED, "inp.T @ dz", "inp.T @ dx"),
        (ZIPPED, "dz @ W.T", "dz @ W"),
        (ZIPPED, "dz @ W.T", "dx @ W.T"),
        (CLASSES, "self.out ** 2", "self.x ** 2"),
        (CLASSES, "dz @ self.W.T", "dz @ self.W"),
        (CLASSES, "self.x.T @ dz", "self.out.T @ dz"),
        (CLASSES, "dz.sum(axis=0)", "dz.sum(axis=1)"),
    ],
)
def test_a_suggestion_in_a_loop_is_right_in_every_turn(source: str, old: str, new: str) -> None:
    wrong = planted(source, [(old, new)])
    (mistake,) = tower().mistakes(wrong)
    assert mistake.line == line_of(source, old)
    assert tower().right(corrected(wrong, [mistake]))
    assert not {"[0]", "[1]", "[2]", "W2"} & {mistake.suggestion[k : k + 3] for k in range(len(mistake.suggestion))}  # type: ignore[index, arg-type]


def test_an_item_of_a_list_is_put_right_by_its_place_in_every_turn() -> None:
    wrong = planted(LOOPS, [("acts[i].T", "acts[0].T")])
    (mistake,) = tower().mistakes(wrong)
    assert mistake.suggestion == 'grads[f"W{i}"] = acts[i].T @ delta'


# ---- the first line of a loop


@pytest.mark.parametrize(
    ("source", "old", "new"),
    [
        (LOOPS, "reversed(range(L))", "range(L)"),
        (LOOPS, "reversed(range(L))", "reversed(range(L - 1))"),
        (LOOPS, "reversed(range(L))", "reversed(range(1, L))"),
        (LOOPS, "reversed(range(L))", "range(L - 1, 0, -1)"),
        (LOOPS, "reversed(range(L))", "range(1, L)"),
        (ZIPPED, "zip(reversed(Ws)", "zip(Ws"),
        (ZIPPED, "reversed(inputs)", "inputs"),
        (ZIPPED, "zip(reversed(Ws), reversed(inputs), reversed(outputs))", "zip(Ws, inputs, outputs)"),
        (CLASSES, "reversed(self.layers)", "self.layers"),
    ],
)
def test_a_loop_in_a_wrong_order_is_wrong_in_its_first_line(source: str, old: str, new: str) -> None:
    wrong = planted(source, [(old, new)])
    (mistake,) = tower().mistakes(wrong)
    assert mistake.line == line_of(source, old)
    assert mistake.source.startswith("for ")
    assert mistake.suggestion is not None
    assert mistake.suggestion.startswith("for ")
    assert "\n" not in mistake.source + mistake.suggestion
    assert "turns of this loop" in mistake.said
    assert tower().right(corrected(wrong, [mistake]))


def test_a_loop_in_a_wrong_order_and_a_wrong_line_in_it() -> None:
    edits = [("2 * (acts", "(acts"), ("reversed(range(L))", "range(L)"), ("delta.sum(axis=0)", "delta.mean(axis=0)")]
    wrong = planted(LOOPS, edits)
    found = tower().mistakes(wrong)
    assert [mistake.line for mistake in found] == [line_of(LOOPS, old) for old, _ in edits]
    assert tower().right(corrected(wrong, found))


# ---- small changes, and other numbers


@pytest.mark.parametrize(
    ("made", "source", "old", "new", "suggestion"),
    [
        (ridge, RIDGE, "2 * w\n", "3 * w\n", "dw = dw + 2 * w"),
        (ridge, RIDGE, "2 * w\n", "w\n", "dw = dw + 2 * w"),
        (gated, GATED, "2 * (out - t)", "(out - t)", "dout = 2 * (out - t) / len(t)"),
        (tower, LOOPS, "2 * (acts[-1] - Y)", "(acts[-1] - Y)", "delta = 2 * (acts[-1] - Y) / N"),
        (gated, GATED, "(1 - h ** 2)", "(1 - b ** 2)", "db = dh * (1 - h ** 2)"),
        (gated, GATED, "(1 - h ** 2)", "(1 - h)", "db = dh * (1 - h ** 2)"),
        (batch_norm, BATCH_NORM, "dy = y - t", "dy = n - t", "dy = y - t"),
    ],
)
def test_the_smallest_change_is_suggested(made: _Made, source: str, old: str, new: str, suggestion: str) -> None:
    (mistake,) = made().mistakes(planted(source, [(old, new)]))
    assert mistake.suggestion == suggestion


SUMS = "g.sum(axis=1, keepdims=True)", "(g * xhat).sum(axis=1, keepdims=True)"


@pytest.mark.parametrize(
    ("source", "edits"),
    [
        (NORM, [(f"{SUMS[0]} / H", SUMS[0])]),
        (NORM, [(f"{SUMS[1]} / H", SUMS[1])]),
        (NORM, [(f"{SUMS[0]} / H", SUMS[0]), (f"{SUMS[1]} / H", SUMS[1])]),
        (NORM, [(f"{SUMS[1]} / H", f"{SUMS[1]} / N")]),
        (NORM, [("- xhat * (g", "- (g")]),
        (NORM, [("/ H) / std", "/ H)")]),
        (NORM, [(SUMS[1], "(g * xhat).sum(axis=0, keepdims=True)")]),
        (NORM_AT_ONCE, [("(H * std)", "std")]),
        (NORM_AT_ONCE, [("g * H - g.sum", "g - g.sum")]),
        (NORM_AT_ONCE, [("- xhat * (g", "- (g")]),
        (NORM_AT_ONCE, [(SUMS[1], "g.sum(axis=1, keepdims=True)")]),
    ],
)
def test_a_factor_that_is_forgotten_inside_a_sum(source: str, edits: list[tuple[str, str]]) -> None:
    wrong = planted(source, edits)
    (mistake,) = norm().mistakes(wrong)
    assert mistake.line == line_of(wrong, "dh =")
    assert norm().right(corrected(wrong, [mistake]))


def cube() -> tuple[Network, str]:
    """At 3, where 3w² is w³."""
    w = tg.Value(3.0, name="w")
    return Network(w * w * w, {"w": w}), "def backward(w):\n    dw = w ** 2\n    return {'w': dw}\n"


def test_a_change_that_is_right_at_these_numbers_only_is_not_suggested(monkeypatch: pytest.MonkeyPatch) -> None:
    network, source = cube()
    (mistake,) = network.mistakes(source)
    assert mistake.suggestion == "dw = 3 * w ** 2"
    monkeypatch.setattr(second_point.SecondPoint, "of", lambda *_: None)
    (mistake,) = network.mistakes(source)
    assert mistake.suggestion == "dw = w ** 3.0"


@pytest.mark.parametrize("names", [{}, {"kept": 1.0}])
def test_other_numbers_are_those_of_arguments_globals_and_objects(names: dict[str, Any]) -> None:
    r = np.random.default_rng(0)
    x, w = r.normal(size=(4, 3)), tg.Value([3.0, 3.0, 3.0], name="w")

    class Data:
        def __init__(self) -> None:
            self.x = x

    network = Network(((x * w) * w * w).sum(), {"w": w}, {"data": [Data()], **names})
    source = "def backward(p):\n    w = p['w']\n    dw = (data[0].x * w ** 2).sum(axis=0)\n    return {'w': dw}\n"
    (mistake,) = network.mistakes(source)
    assert network.right(corrected(source, [mistake]))
    assert "w ** 3" not in str(mistake.suggestion)


def test_where_a_program_does_not_follow_to_other_numbers_its_own_decide() -> None:
    r = np.random.default_rng(0)
    x, w = r.normal(size=(4, 3)), tg.Value(r.normal(size=3), name="w")
    out = x @ w
    out.name = "out"
    network = Network((out * out).sum(), {"w": w}, {"double": 2 * x})
    source = "def backward(w):\n    out = double @ w / 2\n    dw = -double.T @ out\n    return {'w': dw}\n"
    (mistake,) = network.mistakes(source)
    assert mistake.suggestion == "dw = double.T @ out"


# ---- terms that are missing

LATER = BATCH_NORM.replace("    ddiff = draw * inv\n", "").replace(
    "    dinv = (draw", "    ddiff = draw * inv\n    dinv = (draw"
)


@pytest.mark.parametrize(
    ("made", "source", "line", "suggestion"),
    [
        (ridge, RIDGE, "    dw = dw + 2 * w\n", "dw = x.T @ dout + 2 * w"),
        (skip, SKIP, "    dh += dy\n", "dh = dy @ W2.T + dy"),
        (
            batch_norm,
            BATCH_NORM,
            "    ddiff += 2 * diff * dvar / (n - 1)\n",
            "ddiff = draw * inv + 2 * diff * dvar / (n - 1)",
        ),
    ],
)
def test_a_term_that_is_missing_is_suggested(made: _Made, source: str, line: str, suggestion: str) -> None:
    wrong = planted(source, [(line, "")])
    (mistake,) = made().mistakes(wrong)
    assert "only a part" in mistake.said
    assert (mistake.suggestion, mistake.before) == (suggestion, None)
    assert made().right(corrected(wrong, [mistake]))


@pytest.mark.parametrize(
    ("made", "source", "line", "suggestion", "before"),
    [
        (batch_norm, LATER, "    ddiff += 2 * diff * dvar / (n - 1)\n", "ddiff += 2 * diff * dvar / (n - 1)", "dh = "),
        (tied, TIED, "    dW += X.T @ dz\n", "dW += X.T @ dz", "return "),
    ],
)
def test_a_term_of_what_comes_later_is_a_new_line_there(
    made: _Made, source: str, line: str, suggestion: str, before: str
) -> None:
    assert made().right(source)
    wrong = planted(source, [(line, "")])
    (mistake,) = made().mistakes(wrong)
    assert (mistake.suggestion, mistake.before) == (suggestion, line_of(wrong, before))
    assert mistake.diff == f"+ {suggestion}  # a new line, before line {mistake.before}"
    assert mistake.diff in mistake.report
    assert str(mistake).endswith(f"; write {suggestion}  # a new line, before line {mistake.before}")
    assert made().right(corrected(wrong, [mistake]))


def test_a_term_that_nothing_at_hand_makes_is_not_suggested() -> None:
    w = tg.Value([0.3, -1.2, 0.8], name="w")
    network = Network((w * w).sum() + (tg.exp(tg.sin(w)) * w).sum(), {"w": w})
    (mistake,) = network.mistakes("def backward(w):\n    dw = 2 * w\n    return {'w': dw}\n")
    assert mistake.suggestion is None


# ---- several mistakes


@pytest.mark.parametrize(
    ("made", "source", "edits"),
    [
        (tower, LOOPS, [("2 * (acts", "(acts"), ("acts[i + 1] ** 2", "acts[i] ** 2")]),
        (tower, LOOPS, [("acts[i + 1] ** 2", "acts[i] ** 2"), ("Ws[i].T", "Ws[i]")]),
        (tower, LOOPS, [("acts[i].T", "acts[i + 1].T"), ("delta.sum(axis=0)", "delta.mean(axis=0)")]),
        (tower, CLASSES, [("self.out ** 2)", "self.out)"), ("self.x.T @ dz", "self.x.T @ dout")]),
        (gated, GATED, [("2 * (out - t)", "(out - t)"), ("ds * s * (1 - s)", "ds * (1 - a)")]),
        (skip, SKIP, [("2 * (out - Y)", "(out - Y)"), ("dh += dy", "dh -= dy")]),
        (norm, NORM, [("dout.sum(axis=0)", "dout.mean(axis=0)"), (f"{SUMS[1]} / H", SUMS[1])]),
    ],
)
def test_each_of_two_mistakes_has_its_own_suggestion(made: _Made, source: str, edits: list[tuple[str, str]]) -> None:
    wrong = planted(source, edits)
    found = made().mistakes(wrong)
    assert [mistake.line for mistake in found] == [line_of(source, old) for old, _ in edits]
    assert made().right(corrected(wrong, found))
