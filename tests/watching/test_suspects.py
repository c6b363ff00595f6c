"""Mistakes of newcomers in classes, helper functions and loops, whose names say nothing of what a line should leave."""

from __future__ import annotations

import pytest

from tests.watching.networks import line_of
from tests.watching.newcomers import PROGRAMS

EDITS: dict[str, list[tuple[str, str]]] = {
    "classes": [
        ("return u * v * (1 - v)", "return u * (1 - v)"),
        ("return u * v * (1 - v)", "return u * v * (1 + v)"),
        ("return u * v * (1 - v)", "return v * (1 - v)"),
        ("return u * (1 - v ** 2)", "return u * (1 - v)"),
        ("return u * (1 - v ** 2)", "return u * (1 + v ** 2)"),
        ("return u * (1 - v ** 2)", "return 1 - v ** 2"),
        ("return u.T @ v", "return v.T @ u"),
        ("return u.T @ v", "return -u.T @ v"),
        ("u = k(q * self.r, self.l)", "u = k(q * self.l, self.l)"),
        ("u = k(q * self.r, self.l)", "u = k(q, self.l)"),
        ("v = m(q * self.l, self.r)", "v = m(q * self.l, self.l)"),
        ("self.gW = f(self.x, u)", "self.gW = f(self.x, v)"),
        ("return u @ self.W.T + v @ self.U.T", "return u @ self.W.T"),
        ("return u @ self.W.T + v @ self.U.T", "return u @ self.W + v @ self.U.T"),
        ("return u @ self.W.T + v @ self.U.T", "return u @ self.U.T + v @ self.W.T"),
        ("self.gg = (q * self.n).sum(axis=0)", "self.gg = (q * self.n).mean(axis=0)"),
        ("self.gb = q.sum(axis=0)", "self.gb = q.mean(axis=0)"),
        ("u = q * self.g", "u = q"),
        ("v = (u * self.n).mean(axis=1", "v = (u * self.n).sum(axis=1"),
        ("v = (u * self.n).mean(axis=1, keepdims=True)", "v = (q * self.n).mean(axis=1, keepdims=True)"),
        ("self.k * (u - u.mean", "(u - u.mean"),
        ("u.mean(axis=1, keepdims=True) - self.n * v", "u.mean(axis=0, keepdims=True) - self.n * v"),
        ("u.mean(axis=1, keepdims=True) - self.n * v", "u.mean(axis=1, keepdims=True) + self.n * v"),
        (" - self.n * v)", ")"),
        ("self.gate.backward(self.norm.backward(q)) + q", "self.gate.backward(self.norm.backward(q))"),
        ("q[np.arange(len(y)), y] -= 1", "q[np.arange(len(y)), y] = -1"),
        ("q = q / len(y)", "q = -q / len(y)"),
        ("self.gV = f(self.x, q)", "self.gV = f(self.x, self.p)"),
        ("self.gc = q.sum(axis=0)", "self.gc = self.p.sum(axis=0)"),
        ("return q @ self.V.T", "return self.p @ self.V.T"),
        ("grads = [one.gate.gW, one.gate.gU", "grads = [one.gate.gU, one.gate.gW"),
        ("two.norm.gg, two.norm.gb]", "two.norm.gb, two.norm.gg]"),
    ],
    "loops": [
        ("dp[k, y[k]] = -1 / (n * probs[k, y[k]])", "dp[k, y[k]] = 1 / (n * probs[k, y[k]])"),
        ("dp[k, y[k]] = -1 / (n * probs[k, y[k]])", "dp[k, y[k]] = -1 / probs[k, y[k]]"),
        ("probs * (dp - (dp * probs).sum(axis=1", "probs * (dp + (dp * probs).sum(axis=1"),
        ("probs * (dp - (dp * probs).sum(axis=1, keepdims=True))", "probs * (dp - (dp * probs).sum(axis=0))"),
        ("probs * (dp - (dp * probs).sum(axis=1, keepdims=True))", "dp - (dp * probs).sum(axis=1, keepdims=True)"),
        ('"V": hs[-1].T @ dz', '"V": hs[-2].T @ dz'),
        ('"c": dz.sum(axis=0)', '"c": dz.mean(axis=0)'),
        ('dh = dz @ p["V"].T', 'dh = dp @ p["V"].T'),
        ("(dh * ns[i]).sum(axis=0)", "(dh * hs[i]).sum(axis=0)"),
        ("(dh * ns[i]).sum(axis=0)", "dh.sum(axis=0)"),
        ('grads[f"b{i}"] = dh.sum(axis=0)', 'grads[f"b{i}"] = dh.sum(axis=1)[:4]'),
        ('dn = dh * p[f"g{i}"]', 'dn = dh * p[f"b{i}"]'),
        ('dn = dh * p[f"g{i}"]', "dn = dh"),
        ("dv = dn - (dn", "dv = dn + (dn"),
        (".sum(axis=1, keepdims=True) * ns[i] / H", ".sum(axis=1, keepdims=True) * ns[i]"),
        (".sum(axis=1, keepdims=True) * ns[i] / H", ".sum(axis=1, keepdims=True) * ns[i] / n"),
        ("(dv - dn.mean(axis=1, keepdims=True)) / sds[i]", "(dv - dn.mean(axis=1, keepdims=True))"),
        ("(dv - dn.mean(axis=1, keepdims=True)) / sds[i]", "dv / sds[i]"),
        ("(dv - dn.mean(axis=1, keepdims=True)) / sds[i]", "(dv - dn.sum(axis=1, keepdims=True)) / sds[i]"),
        ("ds = dv * ts[i]", "ds = dv * ns[i]"),
        ("dt = dv * ss[i]", "dt = dh * ss[i]"),
        ("da = ds * ss[i] * (1 - ss[i])", "da = ds * ss[i] * (1 - ts[i])"),
        ("da = ds * ss[i] * (1 - ss[i])", "da = ds * ss[0] * (1 - ss[0])"),
        ("db = dt * (1 - ts[i] ** 2)", "db = dt * (1 - ts[i])"),
        ("db = dt * (1 - ts[i] ** 2)", "db = dt"),
        ('grads[f"W{i}"] = hs[i].T @ da', 'grads[f"W{i}"] = hs[i + 1].T @ da'),
        ('grads[f"U{i}"] = hs[i].T @ db', 'grads[f"U{i}"] = hs[i].T @ da'),
        ('dh = dh + da @ p[f"W{i}"].T', 'dh = da @ p[f"W{i}"].T'),
        ('dh = dh + da @ p[f"W{i}"].T', 'dh = dh + da @ p[f"W{i}"]'),
        ('dh = dh + db @ p[f"U{i}"].T', 'dh = db @ p[f"U{i}"].T'),
        ('dh = dh + db @ p[f"U{i}"].T', 'dh = dh + db @ p[f"W{i}"].T'),
    ],
}
CASES = [(network, old, new) for network, edits in EDITS.items() for old, new in edits]
PAIRS: list[tuple[str, tuple[str, str], tuple[str, str]]] = [
    ("classes", ("return u * v * (1 - v)", "return u * (1 - v)"), ("return u * (1 - v ** 2)", "return u * (1 - v)")),
    ("classes", ("u = q * self.g", "u = q"), ("q = q / len(y)", "q = 2 * q / len(y)")),
    ("classes", ("self.gb = q.sum(axis=0)", "self.gb = q"), ("return q @ self.V.T", "return -q @ self.V.T")),
    ("classes", ("return u.T @ v", "return -u.T @ v"), ("v = m(q * self.l, self.r)", "v = m(q, self.r)")),
    ("loops", ("ds = dv * ts[i]", "ds = dv * ns[i]"), ("db = dt * (1 - ts[i] ** 2)", "db = dt * (1 - ts[i])")),
    ("loops", ('"c": dz.sum(axis=0)', '"c": dz.mean(axis=0)'), ("hs[i].T @ da", "-hs[i].T @ da")),
]


@pytest.mark.parametrize(("network", "old", "new"), CASES)
def test_a_planted_mistake_is_found_at_its_line(network: str, old: str, new: str) -> None:
    made, source = PROGRAMS[network]
    assert source.count(old) == 1
    wrong = source.replace(old, new)
    found = made().mistakes(wrong)
    assert {mistake.line for mistake in found} == {line_of(source, old)}


@pytest.mark.parametrize(("network", "one", "other"), PAIRS)
def test_of_two_mistakes_no_right_line_is_blamed(network: str, one: tuple[str, str], other: tuple[str, str]) -> None:
    made, source = PROGRAMS[network]
    wrong = source
    for old, new in (one, other):
        assert source.count(old) == 1
        wrong = wrong.replace(old, new)
    found = {mistake.line for mistake in made().mistakes(wrong)}
    assert found
    assert found <= {line_of(source, old) for old, _ in (one, other)}
