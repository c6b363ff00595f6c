"""Mistakes planted in hand-written backpropagations are found at their lines, and mended; and what is said of them."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.watching.networks import BATCH_NORM, PROGRAMS, Network, batch_norm, line_of, mended

EDITS: dict[str, list[tuple[str, str]]] = {
    "mlp": [
        ("2 * (z2 - Y) / n", "2 * (z2 - Y)"),
        ("2 * (z2 - Y) / n", "(z2 - Y) / n"),
        ("2 * (z2 - Y) / n", "2 * (Y - z2) / n"),
        ("a1.T @ dz2", "z1.T @ dz2"),
        ("dz2.sum(axis=0)", "dz2.mean(axis=0)"),
        ("(1 - a1 ** 2)", "(1 - z1 ** 2)"),
        ("(1 - a1 ** 2)", "(1 - a1)"),
        ("da1 * (1 - a1 ** 2)", "da1"),
        ("da1 * (1 - a1 ** 2)", "da1 * a1 * (1 - a1)"),
        ("X.T @ dz1", "X.T @ da1"),
        ("X.T @ dz1", "-X.T @ dz1"),
        ("db1 = dz1.sum(axis=0)", "db1 = da1.sum(axis=0)"),
    ],
    "deep": [
        ("sigmoid_prime(zs[0])", "sigmoid_prime(acts[1])"),
        ("sigmoid(u) * (1 - sigmoid(u))", "u * (1 - u)"),
        ("sigmoid(u) * (1 - sigmoid(u))", "sigmoid(u) * (1 + sigmoid(u))"),
        ("/ Y.size", "/ n"),
        ("/ Y.size", ""),
        ("acts[1].T @ delta", "zs[0].T @ delta"),
        ('grads["b1"] = delta.sum(axis=0)', 'grads["b1"] = delta.mean(axis=0)'),
        (" * sigmoid_prime(zs[0])", ""),
        ("X.T @ delta", "-X.T @ delta"),
    ],
    "neuron": [
        ("self.a * (1 - self.a)", "self.z * (1 - self.z)"),
        ("da * self.a * (1 - self.a)", "da * (1 - self.a)"),
        ("dz * self.x", "dz * self.w"),
        ("2 * (a", "(a"),
        ("(a - 0.3)", "(0.3 - a)"),
        ("self.db = dz", "self.db = da"),
        ("-self.z", "self.z"),
    ],
    "batch norm": [
        ("dy * raw", "dy * h"),
        ("dy * gain", "dy"),
        ("(draw * diff)", "(draw * h)"),
        ("** -1.5", "** -0.5"),
        ("-0.5 *", "0.5 *"),
        ("(var + 1e-5) ** -1.5", "var ** -1.5"),
        ("ddiff += 2 * diff * dvar / (n - 1)", "ddiff += 2 * diff * dvar / n"),
        ("ddiff += 2 * diff", "ddiff = 2 * diff"),
        ("ddiff += 2 * diff", "ddiff += diff"),
        ("ddiff - ddiff.mean(axis=0)", "ddiff"),
        ("ddiff - ddiff.mean(axis=0)", "ddiff - ddiff.sum(axis=0)"),
    ],
    "layer norm": [
        ("dg = (dy * xhat).sum(axis=0)", "dg = (dy * x).sum(axis=0)"),
        ("dy * g", "dy * b"),
        ("-(dxhat * xc)", "(dxhat * xc)"),
        ("/ std ** 2", "/ std"),
        ("dstd / (2 * std)", "dstd / std"),
        ("/ x.shape[1]", "/ x.shape[0]"),
        ("dxc - dxc.mean(axis=1, keepdims=True)", "dxc - dxc.mean(axis=0)"),
        ("/ t.size", "/ len(t)"),
    ],
    "embedding": [
        ("dlogits[np.arange(n), labels] -= 1", "dlogits[np.arange(n), labels] += 1"),
        ("dlogits /= n", "dlogits /= 2 * n"),
        ("flat.T @ dlogits", "flat.T @ probs"),
        ("db = dlogits.sum(axis=0)", "db = dlogits.mean(axis=0)"),
        ("np.add.at(dE, ids, demb)", "dE[ids] += demb"),
        ("np.add.at(dE, ids, demb)", "dE[ids] = demb"),
    ],
    "convolution": [
        ("2 * (y - t)", "2 * (t - y)"),
        ("(z > 0)", "(z < 0)"),
        ("dy * (z > 0)", "dy"),
        ("/ y.size", "/ 2"),
        ("+= dz * f[i]", "= dz * f[i]"),
        ("dx[:, i : i + 6] += dz * f[i]", "dx[:, i : i + 6] += dz * f[2 - i]"),
        ("(dz * x[:, i : i + 6]).sum()", "(dz * x[:, i : i + 6]).mean()"),
        ("(dz * x[:, i : i + 6]).sum()", "(dy * x[:, i : i + 6]).sum()"),
    ],
    "attention": [
        ("da = dy @ v.T", "da = dy @ k.T"),
        ("dv = a.T @ dy", "dv = a @ dy"),
        ("a * (da - ", "(da - "),
        ("(da * a).sum(axis=1, keepdims=True)", "(da * a).sum(axis=0, keepdims=True)"),
        ("dscores @ k * scale", "dscores @ k"),
        ("dscores.T @ q", "dscores @ q"),
        ("dx = dx + dk @ wk.T", "dx = dk @ wk.T"),
        ('"wk": x.T @ dk', '"wk": x.T @ dq'),
    ],
    "rnn": [
        ("(1 - hs[t + 1] ** 2)", "(1 - hs[t] ** 2)"),
        ("dWh += hs[t].T", "dWh += hs[t + 1].T"),
        ("dWh += hs", "dWh = hs"),
        ("dz @ Wh.T", "dz @ Wh"),
        ("dz @ Wh.T", "dh @ Wh.T"),
        ("/ n", ""),
        ("db += dz.sum(axis=0)", "db += dz.mean(axis=0)"),
        ("2 * (out", "(out"),
    ],
    "tied": [
        ("dW += X.T @ dz", "dW = X.T @ dz"),
        ("(1 - h * h)", "(1 - z * z)"),
        ("dh = dout @ W", "dh = dout @ W * 2"),
        ("dW = dout.T @ h", "dW = dout.T @ z"),
        ("(out - X) / n", "(out - X)"),
    ],
    "floats": [
        ("do * h + 0.2 * w", "do * h"),
        ("do * h + 0.2 * w", "do * h + 0.1 * w"),
        ("(1 - h ** 2)", "(1 - s ** 2)"),
        ("do = o - 1.0", "do = 1.0 - o"),
        ("dh = do * w", "dh = do * h"),
        ("ds * 0.4", "ds * 0.9"),
    ],
}
CASES = [(network, old, new) for network, edits in EDITS.items() for old, new in edits]
NOT_MENDED = {("floats", "do * h")}
"""What is missing would be a new number."""


def test_there_are_enough() -> None:
    assert len(CASES) >= 60
    assert len(EDITS) >= 8
    assert len(CASES) - len(NOT_MENDED) >= 50


@pytest.mark.parametrize("network", PROGRAMS)
def test_a_right_program_has_no_mistake(network: str) -> None:
    made, source = PROGRAMS[network]
    assert made().right(source)
    assert made().mistakes(source) == ()


@pytest.mark.parametrize(("network", "old", "new"), CASES)
def test_a_planted_mistake_is_found_at_its_line_and_mended(network: str, old: str, new: str) -> None:
    made, source = PROGRAMS[network]
    assert source.count(old) >= 1
    wrong = source.replace(old, new, 1)
    assert not made().right(wrong)
    found = made().mistakes(wrong)
    assert [mistake.line for mistake in found] == [line_of(source, old)]
    if (network, new) not in NOT_MENDED:
        assert made().right(mended(wrong, found[0]))


# ---- what is said


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
            "the gradient of 'b1' (of shape (5,)) is not this: this is the gradient of 'a1', summed over axis 0",
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
    source = "def backward(w):\n    e = np.exp(w * x)\n    q = np.sin(e) * np.cos(x + w)\n    return {'w': q + 1.0}\n"
    (first, *_) = Network(loss, {"w": w}, {"x": x}).mistakes(source)
    assert first.line == 3
    assert first.said == "the values that it reads are right, and nothing right is made of its result"
