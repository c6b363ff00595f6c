"""Every op keeps its digits: against mpmath, and against JAX and PyTorch where they are installed (extra ``oracles``).

The rule: at no tested point more than ten times as far from the truth as the better of the two, and a few units more.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.oracles import accuracy, accuracy_of_arrays
from tests.oracles.accuracy import DTYPES, LACKS, entry, measured
from tests.oracles.exact import exact, ulps
from tests.oracles.formulas import NEEDS_SCIPY
from tinygrad_lite import Value
from tinygrad_lite.core.elementwise import FUNCTIONS, Elementwise, _generated
from tinygrad_lite.core.elementwise_derivatives import TABLE
from tools.accuracy import MEASURED, OF_ARRAYS

pytestmark = pytest.mark.filterwarnings("ignore")  # of the peers

LINES = pytest.mark.parametrize("name", TABLE)
SLACK = (6, 10, 16)
"""Units in the last place, by order."""

LOOSE = {
    ("arctan", 1),  # beyond 1e154 x² overflows, and from 1e77 on its square does, in the peers too
    ("arctan", 2),
}
"""Ops and orders with errors larger than the others', no larger than the peers'."""

_TAILS = {("sigmoid", 1), ("sigmoid", 2), ("softplus", 2), ("silu", 2)}
"""On arrays σ(-x) is 0 where exp(x) overflows, though up to 17 powers of e further it is above 0."""


RECORDED: dict[str, Any] = json.loads(MEASURED.read_text(encoding="utf-8"))
"""The better peer's error at each point, as ``python -m tools.accuracy`` found it."""


def far_off(name: str) -> Iterator[str]:
    """The points at which an op is further off than its bound, or than ten times the better peer allows."""
    if name in NEEDS_SCIPY:
        pytest.importorskip("scipy")
    for dtype in DTYPES:
        for order, slack in enumerate(SLACK):
            for m in measured(name, dtype, order, {}):
                limit: Any = np.inf if (name, order) in LOOSE else slack
                if (name, order) in _TAILS:
                    limit = np.where(m.at[0] > np.log(np.finfo(dtype).max), np.inf, limit)
                best = np.array(RECORDED[entry(name, dtype, m.wrt)]["best"])
                yield from m.beyond(np.minimum(limit, 10 * best + slack))


@LINES
def test_every_digit_that_a_peer_has(name: str) -> None:
    assert list(far_off(name)) == []


@pytest.mark.parametrize("name", ["sqrt", "tanh", "arcsin"])
def test_beside_jax_and_pytorch_as_they_are(name: str) -> None:
    for module in ("jax", "torch"):
        pytest.importorskip(module)
    for dtype in DTYPES:
        for order, slack in enumerate(SLACK):
            for m in measured(name, dtype, order, accuracy.peers()):
                assert list(m.beaten(slack)) == []


def test_each_op_is_recorded_beside_a_peer_that_has_it() -> None:
    assert {key.split()[0] for key in RECORDED} == set(TABLE), (
        "run: python -m tools.accuracy, with the names of new ops"
    )
    for key, found in RECORDED.items():
        assert [who for who in LACKS if who in found] == [who for who in LACKS if key.split()[0] not in LACKS[who]]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("tanh", {"derivatives": ("4 * sigmoid(2 * x) * sigmoid(-2 * x)",)}),
        ("tanh", {"derivatives": ("1 - out * out",)}),
        ("sigmoid", {"again": ("out * sigmoid(-x)",)}),
        ("hypot", {"again": ("x / where(out == 0, 1, out)", "y / where(out == 0, 1, out)")}),
        ("arcsin", {"derivatives": ("1 / sqrt((1 - x) * (1 + x))",)}),
        ("arccos", {"derivatives": ("-1 / sqrt((1 - x) * (1 + x))",)}),
        ("arctanh", {"derivatives": ("1 / ((1 - x) * (1 + x))",)}),
        ("arccosh", {"derivatives": ("1 / sqrt((x - 1) * (x + 1))",)}),
        ("arctan2", {"derivatives": ("y / (x * x + y * y)", "-x / (x * x + y * y)")}),
        ("logaddexp2", {"derivatives": ("sigmoid(0.6931471805599453 * (x - y))",) * 2}),
    ],
)
def test_a_form_that_loses_digits_is_caught(name: str, changes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    worse = Elementwise(dataclasses.replace(TABLE[name], **({"again": ()} | changes)))
    monkeypatch.setitem(FUNCTIONS, name, _generated(worse))
    assert next(far_off(name), None) is not None


def test_a_short_series_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    short = TABLE["sinc_slope"].forward.replace("1 / 518918400", "0")
    monkeypatch.setitem(
        FUNCTIONS, "sinc_slope", _generated(Elementwise(dataclasses.replace(TABLE["sinc_slope"], forward=short)))
    )
    assert next(far_off("sinc_slope"), None) is not None


# ---- the ends --------------------------------------------------------------------------------------------------------

ENDS: dict[str, dict[float, tuple[float, float]]] = {
    "silu": {1e300: (1e300, 1.0), -1e300: (0.0, 0.0), 5e-324: (0.0, 0.5), math.inf: (math.inf, 1.0)},
    "gelu_tanh": {1e160: (1e160, 1.0), -1e160: (0.0, 0.0), 1e300: (1e300, 1.0), math.inf: (math.inf, 1.0)},
    "gelu_erf": {1e160: (1e160, 1.0), -1e160: (0.0, 0.0), 1e300: (1e300, 1.0)},
    "sigmoid": {math.inf: (1.0, 0.0), -math.inf: (0.0, 0.0), -745.0: (5e-324, 5e-324)},
    "tanh": {math.inf: (1.0, 0.0), -1e300: (-1.0, 0.0), 370.0: (1.0, float(exact("tanh", (0,), (370.0,))))},
    "softplus": {math.inf: (math.inf, 1.0), -1e300: (0.0, 0.0), -745.0: (5e-324, 5e-324)},
    "arctan": {math.inf: (math.pi / 2, 0.0), 1e300: (math.pi / 2, 0.0)},
    "arcsinh": {1e300: (math.asinh(1e300), 1e-300)},
    "arccosh": {1e300: (math.acosh(1e300), 1e-300)},
    "erf": {1e300: (1.0, 0.0), -math.inf: (-1.0, 0.0)},
    "elu": {1e300: (1e300, 1.0), -1e300: (-1.0, 0.0), -math.inf: (-1.0, 0.0)},
}  # fmt: skip
"""An op, and at a point its value and its derivative."""


@pytest.mark.parametrize("name", ENDS)
def test_the_ends(name: str) -> None:
    if name in NEEDS_SCIPY:
        pytest.importorskip("scipy")
    for x, expected in ENDS[name].items():
        for data in (x, np.full(2, x)):
            leaf = Value(data)
            out = FUNCTIONS[name](leaf)
            out.backward(1.0 if data is x else np.ones(2))
            for found, right in zip((out.data, leaf.grad), expected, strict=True):
                assert ulps(np.ravel(found)[0], _number(right), np.float64) <= 4, (name, x, found, right)
        if math.isfinite(x):
            assert not np.isnan(tg.grad(tg.grad(FUNCTIONS[name]))(x)), (name, x)


def _number(x: float) -> Any:
    import mpmath

    return mpmath.mpf(x)


def test_no_nan_far_out_in_float32() -> None:
    x = np.array([-3e38, -1e19, -1e10, 1e10, 1e19, 3e38], np.float32)
    for name in ("gelu_tanh", "silu", "sigmoid", "tanh", "softplus", "elu", "arctan", "arcsinh"):
        f = lambda x, name=name: tg.sum(FUNCTIONS[name](x))  # noqa: E731
        for derived in (tg.grad(f), tg.grad(lambda x, f=f: tg.sum(tg.grad(f)(x)))):
            assert np.all(np.isfinite(derived(x))), name


# ---- functions of arrays ---------------------------------------------------------------------------------------------

CASES = accuracy_of_arrays.array_cases()


RECORDED_OF_ARRAYS: dict[str, Any] = json.loads(OF_ARRAYS.read_text(encoding="utf-8"))


def limits(case: Any) -> list[float]:
    """The largest error that the better peer allows, at each order."""
    peers = [errors for who, errors in RECORDED_OF_ARRAYS[case.label].items() if who != "here"]
    return [10 * min((e for e in errors if not math.isnan(e)), default=math.inf) + 16 for errors in zip(*peers)]  # noqa: B905


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_arrays(case: Any) -> None:
    """Near-singular matrices too: the rule against the peers, as they were recorded."""
    for limit, (order, m) in zip(limits(case), accuracy_of_arrays.measured(case, peers=False), strict=True):
        assert m["ours"] <= limit, (order, m)


@pytest.mark.parametrize(
    ("label", "worse"),
    [
        ("std", lambda a: np.sqrt(np.mean(a * a) - np.mean(a) ** 2)),
        ("cov", lambda a: (np.mean(a[0] * a[1]) - np.mean(a[0]) * np.mean(a[1])) * 1.25),
        ("log_softmax", lambda a: tg.sum((a - (tg.log(tg.sum(np.exp(a - a.max()))) + a.max())) * np.arange(5))),
    ],
)
def test_a_naive_form_of_arrays_is_caught(label: str, worse: Any) -> None:
    (case,) = (case for case in CASES if case.label == label)
    found = accuracy_of_arrays.measured(dataclasses.replace(case, ours=worse), peers=False)
    assert any(not m["ours"] <= limit for limit, (_, m) in zip(limits(case), found, strict=True))


@pytest.mark.parametrize("n", [2, 3, 4, 6])
@pytest.mark.parametrize("small", [[1e-4], [1e-15], [0.0]])
def test_derivatives_of_determinants(n: int, small: list[float]) -> None:
    found = dict(accuracy_of_arrays.measured(accuracy_of_arrays.determinant(n, small), peers=False))
    assert list(found) == [1, 2]
    for order, m in found.items():
        assert m["ours"] < 100, (n, small, order)
