"""Mistakes planted in networks as newcomers write them are found at their lines, and no right line is blamed."""

from __future__ import annotations

import pytest

from tests.watching.networks import line_of
from tests.watching.newcomers import PROGRAMS

EDITS: dict[str, list[tuple[str, str]]] = {
    "flat": [
        ("dz[y] -= 1", "dz[y] += 1"),
        ("dz[y] -= 1", "dz[y] = 1"),
        ("dz = p.copy()", "dz = e.copy()"),
        ("dV = np.outer(dz, q)", "dV = np.outer(dz, o)"),
        ("dV = np.outer(dz, q)", "dV = np.outer(p, q)"),
        ("dc = dz", "dc = p"),
        ("dq = V.T @ dz", "dq = V.T @ p"),
        ("dgain = dq * n", "dgain = dq * d"),
        ("dshift = dq", "dshift = dq * n"),
        ("dn = dq * gain", "dn = dq"),
        ("dn = dq * gain", "dn = dq * n"),
        ("dsd = -(dn", "dsd = (dn"),
        ("(dn * d).sum() / sd ** 2", "(dn * d).sum() / sd"),
        ("(dn * d).sum() / sd ** 2", "dn * d / sd ** 2"),
        ("dvar = dsd / (2 * sd)", "dvar = dsd / sd"),
        ("2 * d * dvar / len(d)", "2 * d * dvar"),
        ("2 * d * dvar / len(d)", "d * dvar / len(d)"),
        ("dd = dn / sd + 2", "dd = dn + 2"),
        ("dd - dd.mean()", "dd - dd.sum()"),
        ("dd - dd.mean()", "dd + dd.mean()"),
        ("dg = dd - dd.mean()", "dg = dd"),
        ("dg = dg + dq", "dg = dq"),
        ("dg = dg + dq", "dg = dg - dq"),
        ("ds = dg * t", "ds = dg * s"),
        ("dt = dg * s", "dt = ds * s"),
        ("da = ds * s * (1 - s)", "da = ds * a * (1 - a)"),
        ("da = ds * s * (1 - s)", "da = ds * (1 - s)"),
        ("(1 - t ** 2)", "(1 - b ** 2)"),
        ("(1 - t ** 2)", "(1 - t)"),
        ("dWa = np.outer(da, x)", "dWa = np.outer(ds, x)"),
        ("dWb = np.outer(db, x)", "dWb = np.outer(da, x)"),
        ('"bb": db', '"bb": dt'),
        ('return {"Wa": dWa, "ba": da, "Wb": dWb', 'return {"Wa": dWb, "ba": da, "Wb": dWa'),
        ('"gain": dgain, "shift": dshift', '"gain": dshift, "shift": dgain'),
    ],
    "written out": [
        ("dp[y] = -1 / p[y]", "dp[y] = 1 / p[y]"),
        ("dp[y] = -1 / p[y]", "dp[y] = -1"),
        ("de = dp / total", "de = dp"),
        ("-(dp * e).sum() / total ** 2", "(dp * e).sum() / total ** 2"),
        ("-(dp * e).sum() / total ** 2", "-(dp * e).sum() / total"),
        ("-(dp * e).sum() / total ** 2", "-(dp * p).sum() / total ** 2"),
        ("de += dtotal", "de = dtotal"),
        ("de += dtotal", "de -= dtotal"),
        ("dz = de * e", "dz = de * p"),
        ("dz = de * e", "dz = de * z"),
        ("dV, dc = np.outer(dz, q), dz", "dV, dc = np.outer(dz, n), dz"),
        ("dV, dc = np.outer(dz, q), dz", "dV, dc = np.outer(dz, q), dp"),
        ("dq = dz @ V", "dq = de @ V"),
        ("do, dg = dq, dq.copy()", "do, dg = dq, -dq"),
        ("dgain, dshift, dn = do * n, do, do * gain", "dgain, dshift, dn = do * n, do, do * shift"),
        ("dgain, dshift, dn = do * n, do, do * gain", "dgain, dshift, dn = do, do * n, do * gain"),
        ("-np.sum(dn * d) / sd ** 2", "-np.sum(dn * n) / sd ** 2"),
        ("0.5 * (var + 1e-5) ** -0.5", "0.5 * (var + 1e-5) ** -1.5"),
        ("dd += dvar * 2 * d / d.size", "dd += dvar * 2 * d"),
        ("dd += dvar * 2 * d / d.size", "dd = dvar * 2 * d / d.size"),
        ("dmu = -dd.sum()", "dmu = dd.sum()"),
        ("dg += dd\n", "dg = dd\n"),
        ("dg += dmu / d.size", "dg += dmu"),
        ("ds, dt = dg * t, dg * s", "ds, dt = dg * s, dg * t"),
        ("da = ds * s * (1 - s)", "da = ds * s * (1 + s)"),
        ("db = dt * (1 - t * t)", "db = dt * (1 - s * s)"),
        ("dWb, dWa = np.outer(db, x), np.outer(da, x)", "dWb, dWa = np.outer(da, x), np.outer(db, x)"),
        ("return dWa, da, dWb, db", "return dWb, da, dWa, db"),
        ("return dWa, da, dWb, db", "return dWa, db, dWb, da"),
        ("dgain, dshift, dV, dc\n", "dshift, dgain, dV, dc\n"),
    ],
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
    ("flat", ("dgain = dq * n", "dgain = dq * d"), ("(1 - t ** 2)", "(1 - t)")),
    ("flat", ("dz[y] -= 1", "dz[y] += 1"), ("dn = dq * gain", "dn = dq")),
    ("flat", ("ds = dg * t", "ds = dg * s"), ("dt = dg * s", "dt = dg * t")),
    ("flat", ("dvar = dsd / (2 * sd)", "dvar = dsd / sd"), ("2 * d * dvar / len(d)", "2 * d * dvar")),
    ("written out", ("dz = de * e", "dz = de * p"), ("dmu = -dd.sum()", "dmu = dd.sum()")),
    ("written out", ("de += dtotal", "de -= dtotal"), ("db = dt * (1 - t * t)", "db = dt * (1 - t)")),
    ("written out", ("dp[y] = -1 / p[y]", "dp[y] = 1 / p[y]"), ("da = ds * s", "da = -ds * s")),
    ("classes", ("return u * v * (1 - v)", "return u * (1 - v)"), ("return u * (1 - v ** 2)", "return u * (1 - v)")),
    ("classes", ("u = q * self.g", "u = q"), ("q = q / len(y)", "q = 2 * q / len(y)")),
    ("classes", ("self.gb = q.sum(axis=0)", "self.gb = q"), ("return q @ self.V.T", "return -q @ self.V.T")),
    ("classes", ("return u.T @ v", "return -u.T @ v"), ("v = m(q * self.l, self.r)", "v = m(q, self.r)")),
    ("loops", ("ds = dv * ts[i]", "ds = dv * ns[i]"), ("db = dt * (1 - ts[i] ** 2)", "db = dt * (1 - ts[i])")),
    ("loops", ('dn = dh * p[f"g{i}"]', "dn = dh"), ("dt = dv * ss[i]", "dt = dh * ss[i]")),
    ("loops", ('"c": dz.sum(axis=0)', '"c": dz.mean(axis=0)'), ("hs[i].T @ da", "-hs[i].T @ da")),
]


@pytest.mark.parametrize("network", PROGRAMS)
def test_a_right_program_has_no_mistake(network: str) -> None:
    made, source = PROGRAMS[network]
    assert made().right(source)
    assert made().mistakes(source) == ()


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
