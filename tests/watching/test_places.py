"""Mistakes of newcomers in flat programs: gradients in a place that is not theirs, parts that are missing."""

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
}
CASES = [(network, old, new) for network, edits in EDITS.items() for old, new in edits]
PAIRS: list[tuple[str, tuple[str, str], tuple[str, str]]] = [
    ("flat", ("dgain = dq * n", "dgain = dq * d"), ("(1 - t ** 2)", "(1 - t)")),
    ("flat", ("dz[y] -= 1", "dz[y] += 1"), ("dn = dq * gain", "dn = dq")),
    ("flat", ("ds = dg * t", "ds = dg * s"), ("dt = dg * s", "dt = dg * t")),
    ("flat", ("dvar = dsd / (2 * sd)", "dvar = dsd / sd"), ("2 * d * dvar / len(d)", "2 * d * dvar")),
    ("written out", ("dz = de * e", "dz = de * p"), ("dmu = -dd.sum()", "dmu = dd.sum()")),
    ("written out", ("de += dtotal", "de -= dtotal"), ("db = dt * (1 - t * t)", "db = dt * (1 - t)")),
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
