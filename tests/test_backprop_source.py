"""Backpropagation as source: it runs by itself, its gradients are autodiff's, and no name can do harm."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lite as tg
from tests.cases import CASES, DENSE, LABELS, Case, recorded
from tinygrad_lite import Value, datasets, nn
from tinygrad_lite.elementwise import OPS
from tinygrad_lite.errors import ArgumentError, GraphError, UnknownNameError, ValueTypeError


def run(source: str) -> dict[str, Any]:
    """What the source defines; nothing of the project is in reach."""
    namespace: dict[str, Any] = {"__builtins__": {"__import__": _only_numpy}}
    with np.errstate(all="ignore"):
        exec(compile(source, "<source>", "exec"), namespace)
    return namespace


def _only_numpy(name: str, *rest: Any) -> Any:
    assert name == "numpy"
    return np


def assert_right(loss: Value, wrt: Any = None) -> str:
    source: str = tg.manual_backprop(loss, wrt)
    found = run(source)
    assert found["loss"] == pytest.approx(loss.item(), rel=1e-12)
    gradients = {row.name: row.autodiff for row in tg.compare(loss, wrt=wrt).rows} if wrt is None else {}
    if hasattr(wrt, "named_parameters"):
        wrt = wrt.named_parameters()
    if wrt is not None:
        values = wrt.values() if isinstance(wrt, dict) else wrt
        gradients = dict(zip(found["gradients"], tg.sweep(loss, tg.semirings.GRADIENT, wrt=list(values)), strict=True))
    assert found["gradients"].keys() == gradients.keys()
    for name, expected in gradients.items():
        got, scale = np.asarray(found["gradients"][name]), np.max(np.abs(expected), initial=0.0)
        assert got.shape == np.shape(expected), name
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-13 * scale, err_msg=name)
    assert max(map(len, source.splitlines())) <= 100
    return source


@pytest.mark.parametrize("example", CASES, ids=LABELS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_every_op(example: Case, rng: np.random.Generator) -> None:
    operands, out = recorded(example, rng, False)
    if out.shape:
        out = (out * np.resize([1.0, -0.5, 2.0, -1.5], out.shape)).sum()
    leaves = [value for value in operands if isinstance(value, Value) and value.requires_grad]
    if example.name in DENSE:
        with pytest.raises(ArgumentError, match=rf"manual_backprop: .*{example.name}.* has no source yet"):
            tg.manual_backprop(out, {"x": operands[0]})
        return
    assert_right(out, {f"v{k}": value for k, value in enumerate(leaves)})


def test_the_half_adder_is_short_and_goes_over_all_samples_at_once() -> None:
    x, t = datasets.half_adder()
    net = nn.scalar.MLP(2, [2, 2, 2], activation="sigmoid", output="sigmoid", rng=0)
    source = assert_right(nn.losses.half_squared_error(net(x), t), net)
    assert len(source.splitlines()) < 110
    assert "    z20 = w200 * n10 + w210 * n11 + b20" in source
    assert "    d_z20 = d_n20 * n20 * (1 - n20)  # C ← … ← {z30, z31} ← n20 ← z20" in source.replace(
        "{z31, z30}", "{z30, z31}"
    )
    assert "    d_w200 = np.sum(d_z20 * n10)" in source
    one = assert_right(nn.losses.half_squared_error(net([0.0, 1.0]), [1.0, 0.0]), net)
    assert "    d_w200 = d_z20 * n10" in one


def test_xor_reads_as_in_the_books() -> None:
    x, t = datasets.xor()
    net = nn.MLP(2, [10, t.shape[1]], rng=0)
    source = assert_right(nn.losses.half_squared_error(net(x), t), net)
    for line in (
        "z1 = x @ w1 + b1",
        "n1 = sigmoid(z1)",
        "d_z1 = d_n1 * n1 * (1 - n1)",
        "d_n1 = d_z2 @ w2.T",
        "d_w2 = n1.T @ d_z2",
        "d_b2 = np.sum(d_z2, axis=0)",
    ):
        assert f"    {line}" in source


@given(
    st.integers(0, 10_000),
    st.lists(st.integers(1, 4), min_size=2, max_size=4),
    st.integers(1, 4),
    st.sampled_from(["relu", "tanh", "sigmoid", "softplus", "gelu", "silu"]),
    st.booleans(),
)
def test_random_networks(seed: int, dims: list[int], samples: int, activation: str, scalar: bool) -> None:
    rng = np.random.default_rng(seed)
    x, t = rng.normal(size=(samples, dims[0])), rng.normal(size=(samples, dims[-1]))
    net = (nn.scalar.MLP if scalar else nn.MLP)(dims, activation=activation, output="linear", rng=seed)
    outputs: Any = net(x)
    assert_right(
        nn.losses.half_squared_error(outputs, np.reshape(t, (samples,) if scalar and dims[-1] == 1 else t.shape)), net
    )


@given(st.text(max_size=30), st.text(max_size=30))
def test_names_of_any_kind_do_no_harm(first: str, second: str) -> None:
    a, b = Value(2.0, name=first or None), Value([1.0, 3.0], name=second or None)
    loss = (a * b).square().sum()
    loss.name = first + second
    source = tg.manual_backprop(loss, {"a": a, "b": b})
    found = run(source)
    assert found["gradients"]["a"] == pytest.approx(40.0)
    assert len(run(source)["gradients"]) == 2


@pytest.mark.parametrize(
    "name",
    [
        "x\nimport os",
        '"""',
        "lambda",
        "np",
        "sum",
        "d_w",
        "__import__('os')",
        "a\u2028b",
        "backprop",
        "w\\",
        "#",
        "loss",
        "gradients",
        "é",
    ],
)
def test_hostile_names(name: str) -> None:
    w, v = Value(2.0, name=name), Value(3.0, name="w")
    loss = (w * v * w).sigmoid()
    loss.name = name
    found = run(tg.manual_backprop(loss, [w, v]))
    assert found["gradients"][name] == pytest.approx(tg.sweep(loss, tg.semirings.GRADIENT, wrt=w), rel=1e-12)


def test_equal_names_stay_apart() -> None:
    a, b = Value(2.0, name="a"), Value(3.0, name="a")
    found = run(tg.manual_backprop(a * b, {"first": a, "second": b}))
    assert found["gradients"] == {"first": 3.0, "second": 2.0}


def test_it_needs_numpy_only(tmp_path: Any) -> None:
    x, t = datasets.half_adder()
    net = nn.MLP(2, [3, 2], rng=0)
    path = tmp_path / "by_hand.py"
    path.write_text(tg.manual_backprop(nn.losses.half_squared_error(net(x), t)) + "print(loss)\n")
    found = subprocess.run([sys.executable, "-W", "error", str(path)], capture_output=True, text=True, check=True)
    assert float(found.stdout) > 0


def test_a_derivative_that_would_lose_its_digits_is_written_as_it_is_computed() -> None:
    w = Value(40.0, name="w")
    source = assert_right(w.sigmoid() * 1.0, [w])
    assert "sigmoid(-w)" in source
    assert "(1 - " in tg.manual_backprop(Value(1.0, name="w").sigmoid() * 1.0)


def test_a_planted_fault_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    w = Value(0.7, name="w")
    loss = w.tanh() * 2.0
    rule = OPS["tanh"].rule
    monkeypatch.setattr(
        OPS["tanh"], "rule", type(rule)(**{**vars(rule), "derivatives": ("1 - out",), "written": ("1 - out",)})
    )
    with pytest.raises(AssertionError):
        assert_right(loss, [w])


def test_refusals() -> None:
    w = Value(2.0, name="w")
    with pytest.raises(ValueTypeError, match="needs a recorded loss, got float"):
        tg.manual_backprop(3.0)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="needs a loss with one element"):
        tg.manual_backprop(Value([1.0, 2.0]) * 2.0)
    with pytest.raises(UnknownNameError, match="manual_backprop: nothing that"):
        tg.manual_backprop(w * 2.0, "v")
    with pytest.raises(GraphError, match="does not depend on the leaf 'v'"):
        tg.manual_backprop(w * 2.0, [Value(1.0, name="v")])
    with pytest.raises(ArgumentError, match="no leaf has a name"):
        tg.manual_backprop(Value(2.0) * 2.0)
    big = Value(np.ones((300, 300)), name="w")
    with pytest.raises(ArgumentError, match=re.escape("90,000 numbers of data, at most 50,000 are written out")):
        tg.manual_backprop((big * 2.0).sum())
    y = w
    for _ in range(3_000):
        y = y.sin()
    with pytest.raises(ArgumentError, match="3000 ops make more lines than anybody reads"):
        tg.manual_backprop(y)
    loss = w * w
    loss.backward(keep="leaves")
    with pytest.raises(GraphError, match="freed"):
        tg.manual_backprop(loss, [w])


def test_the_docs_show_what_is_written() -> None:
    page = (Path(__file__).parents[1] / "docs" / "written_out.md").read_text(encoding="utf-8")
    x, t = datasets.half_adder()
    scalars = nn.scalar.MLP(2, [2, 2, 2], activation="sigmoid", output="sigmoid", rng=0)
    inputs, targets = datasets.xor()
    arrays = nn.MLP(2, [10, 2], rng=0)
    for loss, net in (
        (nn.losses.half_squared_error(scalars(x), t), scalars),
        (nn.losses.half_squared_error(arrays(inputs), targets), arrays),
    ):
        source = tg.manual_backprop(loss, net)
        assert source[source.index("def backprop") : source.index("loss, gradients")].rstrip() in page
