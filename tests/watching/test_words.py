"""What is said of a wrong line."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.watching.networks import BATCH_NORM, PROGRAMS, Network, batch_norm


@pytest.mark.parametrize(
    ("network", "old", "new", "said"),
    [
        (
            "mlp",
            " * (1 - a1 ** 2)",
            "",
            "the gradient of 'z1' (of shape (6, 5)) is not this: this is the gradient of 'a1'",
        ),
        (
            "mlp",
            "db1 = dz1.sum",
            "db1 = da1.sum",
            "the gradient of 'b1' (of shape (5,)) is not this: this is the gradient of 'a1', summed",
        ),
        (
            "floats",
            "dh = do * w",
            "dh = do * h",
            "the gradient of 'h' is not this: this is a part of the gradient of 'w'",
        ),
        (
            "floats",
            " + 0.2 * w",
            "",
            "the gradient of 'w' is only a part: what comes by way of the nameless result of 'pow' is missing",
        ),
    ],
)
def test_a_wrong_gradient_is_told_by_what_it_is(network: str, old: str, new: str, said: str) -> None:
    made, source = PROGRAMS[network]
    (mistake,) = made().mistakes(source.replace(old, new, 1))
    assert mistake.said == said


def test_a_number_is_not_shown_where_a_reader_takes_it_for_the_gradient() -> None:
    w = tg.Value(-1.35, name="w")
    (mistake,) = Network(w * w * w, {"w": w}).mistakes("def backward(w):\n    dw = 5 * w * w\n    return {'w': dw}\n")
    assert "1.35" not in mistake.report
    assert "the gradient of 'w'" in mistake.said


@pytest.mark.parametrize("bad", ["np.nan", "np.inf"])
def test_what_is_not_finite_is_said_to_be_so(bad: str) -> None:
    w = tg.Value([1.0, 2.0], name="w")
    source = f"def backward(w):\n    dw = 2 * w * np.array([{bad}, 1.0])\n    return {{'w': dw}}\n"
    (mistake,) = Network((w * w).sum(), {"w": w}).mistakes(source)
    assert mistake.said == "the gradient of 'w' (of shape (2,)) is not finite"
    assert mistake.off is None


def test_no_text_has_an_empty_name() -> None:
    early = BATCH_NORM.replace("    dh = ddiff - ddiff.mean(axis=0)\n", "").replace(
        "    ddiff += 2", "    dh = ddiff - ddiff.mean(axis=0)\n    ddiff += 2"
    )
    (mistake,) = batch_norm().mistakes(early)
    assert "by way of  " not in mistake.said
    assert mistake.said.startswith("it reads the gradient of 'diff'")


def test_a_result_that_leads_nowhere() -> None:
    x = np.array([1.0, 2.0, 4.0])
    w = tg.Value([0.5, 1.5, 2.5], name="w")
    loss = (tg.exp(w * x) + w).sum()
    source = "def backward(w):\n    e = np.exp(w * x)\n    q = e * (x + w)\n    return {'w': q + 1.0}\n"
    (first, *_) = Network(loss, {"w": w}, {"x": x}).mistakes(source)
    assert first.line == 3
    assert first.said == "the values that it reads are right, and nothing right is made of its result"
