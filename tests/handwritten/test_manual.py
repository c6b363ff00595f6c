"""``manual_backprop``: its source runs, its gradients are autodiff's, a formatter leaves it alone, and it is safe."""

from __future__ import annotations

import ast
import builtins
import itertools
import keyword
import re
import shutil
import subprocess
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tg
from tests.cases import CASES, LABELS, Case
from tests.checkers import SHAPES, differentiable, sampled
from tests.oracles.formulas import NEEDS_SCIPY, special
from tinygrad_lite import ManualBackprop, Value, datasets, manual_backprop, nn
from tinygrad_lite.core import maps
from tinygrad_lite.core.elementwise import OPS, _generated
from tinygrad_lite.errors import ArgumentError, GraphError, ShapeError, UnknownNameError, ValueTypeError
from tinygrad_lite.handwritten.manual import LARGEST
from tinygrad_lite.ops.dense import Dense

DOCS = Path(__file__).parents[2] / "docs"
WIDTH = 88


def agrees(source: ManualBackprop, loss: Value, wrt: dict[str, Value], rtol: float = 1e-12, **changes: Any) -> None:
    """The loss and the gradients of the source are those of autodiff, for ``loss`` recorded at the changed data."""
    for value in wrt.values():
        value.zero_grad()
    if loss.requires_grad:
        loss.backward()
    with np.errstate(all="ignore"):
        value, gradients = source.run(**changes)
    np.testing.assert_allclose(value, loss.data, rtol=rtol, atol=1e-14)
    gradients_are(gradients, {name: np.zeros(x.shape) if x.grad is None else x.grad for name, x in wrt.items()}, rtol)


def gradients_are(gradients: dict[str, Any], expected: dict[str, Any], rtol: float = 1e-12) -> None:
    """The gradients are as expected, by name, each to its largest element."""
    assert list(gradients) == list(expected)
    for name, right in expected.items():
        assert np.shape(gradients[name]) == np.shape(right), name
        scale = np.max(np.abs(right), initial=0.0)
        np.testing.assert_allclose(gradients[name], right, rtol=rtol, atol=rtol * scale, err_msg=name)


def well_set(*sources: str) -> None:
    """What can be seen without a linter: it parses, lines are short, nothing but math and NumPy is imported."""
    for source in sources:
        tree = ast.parse(source)
        lines = source.splitlines()
        assert max(map(len, lines)) <= WIDTH, max(lines, key=len)
        assert all(line == line.rstrip() for line in lines)
        imported = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        assert {ast.unparse(node) for node in imported} <= {
            "import math", "import numpy as np", "from collections import defaultdict"
        }  # fmt: skip
        assert all(isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.Expr) for node in tree.body)


def half_adder(samples: slice | int) -> tuple[Value, nn.scalar.MLP]:
    x, t = datasets.half_adder()
    net = nn.scalar.MLP(2, [2, 2, 2], activation="sigmoid", output="sigmoid", init="uniform", rng=0)
    return nn.losses.half_squared_error(net(x[samples]), t[samples]), net


def xor() -> tuple[Value, nn.MLP]:
    x, t = datasets.xor()
    net = nn.MLP([2, 10, 2], init="uniform", rng=0)
    return nn.losses.half_squared_error(net(x), t, reduction="sum"), net


# ---- every op --------------------------------------------------------------------------------------------------------


def recorded(f: Callable[..., Any], data: Sequence[Any], live: Sequence[int]) -> tuple[Value, dict[str, Value]]:
    """A loss of the result of ``f``: its elements, each times another number."""
    leaves = [Value(x, name=f"x{k}", requires_grad=k in live) for k, x in enumerate(data)]
    out = f(*leaves)
    weights = np.cos(np.arange(float(out.size)) + 1.0).reshape(out.shape)
    c = Value(weights if out.shape else float(weights), name="c", requires_grad=False)
    loss = tg.sum(out * c) if out.shape else out * c
    loss.name = "C"
    return loss, {str(leaf.name): leaf for leaf in leaves if leaf.requires_grad}


def check(f: Callable[..., Any], here: Sequence[Any], there: Sequence[Any], live: Sequence[int]) -> ManualBackprop:
    """The source made at one point, at that point and at another."""
    loss, wrt = recorded(f, here, live)
    source = manual_backprop(loss, wrt)
    agrees(source, loss, wrt)
    loss, wrt = recorded(f, there, live)
    agrees(source, loss, wrt, **{f"x{k}": x for k, x in enumerate(there) if f"x{k}" in source.arguments})
    well_set(source)
    return source


READS_DATA = {"interp", "unwrap"}
"""Compositions that choose by comparing numbers: what they chose is part of the program."""


@pytest.mark.parametrize("example", CASES, ids=LABELS)
def test_structured_ops(example: Case, rng: np.random.Generator) -> None:
    here = example.arrays(rng)
    there = here if example.name in READS_DATA else example.arrays(rng)
    check(example.ours, here, there, range(len(example.shapes)))


@pytest.mark.parametrize("name", OPS)
def test_lines_of_the_table(name: str, rng: np.random.Generator) -> None:
    op = OPS[name]
    for shapes in SHAPES[len(op.rule.operands)]:
        if name in NEEDS_SCIPY and special is None and any(shapes):
            continue
        here, there = (sampled(op, shapes, np.float64, rng) for _ in range(2))
        check(_generated(op), here, there, differentiable(op))


@pytest.mark.parametrize("label", ["prod-5-zeros", "prod-7x2-axis=0-zeros", "norm-2x3-axis=0", "max-2x3-axis=0"])
def test_ties_and_zeros(label: str, rng: np.random.Generator) -> None:
    example = CASES[LABELS.index(label)]
    data = example.small_integers(rng)
    check(example.ours, data, [np.zeros_like(x) for x in data], range(len(data)))


SUMS: dict[str, Callable[[Any, Any], Any]] = {
    "p**2 + q**2 + 1": lambda p, q: tg.weighted_sum([p, q], [p, q], 1.0),
    "2 * (p + q) + 1": lambda p, q: tg.weighted_sum([2.0, 2.0], [p, q], 1.0),
    "(p + q) / 2 + 1": lambda p, q: tg.weighted_sum([p, q], [0.5, 0.5], 1.0),
}


@pytest.mark.parametrize("text", SUMS)
def test_a_number_that_all_products_share_is_written_once_and_no_exponent_is_taken_for_one(text: str) -> None:
    p, q = Value(3.0, name="p"), Value(0.5, name="q")
    loss = SUMS[text](p, q)
    source = manual_backprop(loss)
    assert f"loss = {text}\n" in source
    agrees(source, loss, {"p": p, "q": q})


@pytest.mark.parametrize(
    "f", [lambda p, q: tg.where(True, p, q), lambda p, q: q * 0.0 + p, lambda p, q: tg.exp(q**0.0) * p],
    ids=["where", "times 0", "to the power of 0"],
)  # fmt: skip
def test_an_operand_that_falls_out_still_stretches_the_result(f: Callable[[Any, Any], Any]) -> None:
    p, q = Value(2.0, name="p"), Value(np.ones((2, 3)), name="q")
    loss = tg.sum(tg.tanh(f(p, q)))
    agrees(manual_backprop(loss, [p, q]), loss, {"p": p, "q": q})


def test_a_derivative_that_is_zero_has_the_shape_of_its_parameter() -> None:
    """``y - y`` leaves 0 times an array, which is a number in the source."""
    p, q, r = Value(np.ones((2, 1)), name="p"), Value(2.0, name="q"), Value(np.ones((1, 3)), name="r")
    y = p * q + r * r
    loss = (y - y).sum()
    agrees(manual_backprop(loss), loss, {"p": p, "q": q, "r": r})


MAPS = [
    (maps.SumOver, "mean-2x3-axis=0"), (maps.Broadcast, "linear-2x3-3x2-2"),
    (maps.Contract, "linear-2x3-3x2-2"), (maps.Reshape, "kron-2x2-1x2"), (maps.Transpose, "moveaxis-2x1x3"),
    (maps.Gather, "roll-4"), (maps.Scan, "cumsum-4"), (Dense, "cholesky-symmetric-2-None"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "label"), MAPS, ids=[kind.__name__ for kind, _ in MAPS])
def test_a_fault_in_a_map_is_caught(
    kind: Any, label: str, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    example = CASES[LABELS.index(label)]
    loss, wrt = recorded(example.ours, example.arrays(rng), range(len(example.shapes)))
    loss.backward()
    expected = {name: value.grad for name, value in wrt.items()}
    gradients_are(manual_backprop(loss, wrt).run()[1], expected)
    pull = kind.pull
    monkeypatch.setattr(kind, "pull", lambda self, g, semiring: pull(self, g, semiring) * 1.0005)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        gradients_are(manual_backprop(loss, wrt).run()[1], expected)


@pytest.mark.parametrize(
    ("right", "wrong"), [("1 - n20", "1 + n20"), ("+ d_z31 * w301", ""), ("d_z20 * n10", "d_z20 * n11")]
)
def test_a_fault_in_the_source_is_caught(right: str, wrong: str) -> None:
    loss, net = half_adder(1)
    source = manual_backprop(loss, net)
    assert source.count(right) == 1
    with pytest.raises(AssertionError, match="Not equal to tolerance rtol=1e-12"):
        agrees(ManualBackprop(source.replace(right, wrong), source.arguments), loss, net.named_parameters())


# ---- networks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("samples", [1, slice(1, 2), slice(0, 4)])
def test_half_adder(samples: int | slice) -> None:
    loss, net = half_adder(samples)
    source = manual_backprop(loss, net)
    agrees(source, loss, net.named_parameters())
    well_set(source)
    assert len(source.splitlines()) < 80
    assert "d_z20 = (d_z30 * w300 + d_z31 * w301) * n20 * (1 - n20)" in source
    assert "# C ← (n30 ← z30 | n31 ← z31) ← n20 ← z20, 2 paths" in source
    assert ("for x0, x1, t0, t1 in samples:" in source) == (samples == slice(0, 4))


def test_comments_count_the_paths() -> None:
    loss, net = half_adder(2)
    source = manual_backprop(loss, net)
    for name in net.named_parameters():
        count = tg.gradient_paths(loss, name).count
        (line,) = re.findall(rf'^ +"{name}": .*$', source, re.M)
        assert line.endswith(f"← {name}" if count == 1 else f"← {name}, {count} paths")


def test_xor() -> None:
    loss, net = xor()
    source = manual_backprop(loss, net)
    agrees(source, loss, net.named_parameters())
    assert '"w1": x.T @ d_z1,' in source
    assert "d_z1 = (d_z2 @ w2.T) * n1 * (1 - n1)  # C ← n2 ← z2 ← n1 ← z1" in source
    assert len(source.splitlines()) < 40


@pytest.mark.parametrize("title", ["half adder, one sample", "half adder, four samples", "XOR"])
def test_the_page_shows_what_is_written(title: str) -> None:
    page = (DOCS / "manual_backprop.md").read_text(encoding="utf-8")
    shown = page[page.index(f"<!-- {title} -->") :]
    shown = shown[shown.index("```python\n") + 10 :]
    loss, net = {"half adder, one sample": lambda: half_adder(1), "half adder, four samples": lambda: half_adder(
        slice(0, 4)), "XOR": xor}[title]()  # fmt: skip
    assert shown[: shown.index("```")] == manual_backprop(loss, net)


def test_saturated_neurons_keep_their_digits() -> None:
    x, w = Value(30.0, name="x", requires_grad=False), Value(1.0, name="w")
    n = tg.sigmoid(w * x)
    n.name = "n"
    for loss, written in ((n * 2.0, "n * sigmoid(-"), ((w * x).tanh() * 2.0, "sech2(w * x)")):
        source = manual_backprop(loss, [w])
        assert written in source
        agrees(source, loss, {"w": w})


NETWORKS = [
    (activation, output, dims)
    for activation, output in (("sigmoid", "sigmoid"), ("tanh", "linear"), ("relu", "linear"), ("leaky_relu", "linear"),
                               ("elu", "linear"), ("gelu", "softplus"), ("silu", "tanh"))
    for dims in ([3, 2], [2, 4, 3])
]  # fmt: skip


@pytest.mark.parametrize(("activation", "output", "dims"), NETWORKS)
def test_networks_of_scalars_and_of_arrays(
    activation: str, output: str, dims: list[int], rng: np.random.Generator
) -> None:
    x, t = rng.standard_normal((3, dims[0])), rng.standard_normal((3, dims[-1]))
    for kind in (nn.MLP, nn.scalar.MLP):
        net = kind(dims, activation=activation, output=output, rng=0)
        loss = nn.losses.mse(net(x), t)
        source = manual_backprop(loss, net)
        agrees(source, loss, net.named_parameters())
        well_set(source)
        assert source.count("for ") == (kind is nn.scalar.MLP)
        one = nn.losses.mse(net(x[0]), t[0])
        agrees(manual_backprop(one, net), one, net.named_parameters())


def test_booleans_are_not_negated() -> None:
    t = Value(np.array([1.0, -1.0]), name="t", requires_grad=False)
    y = Value(np.array([0.5, 0.2]), name="y")
    loss = tg.relu(1.0 - t * y).sum()
    agrees(manual_backprop(loss, y), loss, {"y": y})
    net = nn.MLP([2, 3, 2], activation="tanh", output="linear", rng=0)
    loss = nn.losses.hinge(net(np.eye(2)), np.array([[1.0, -1.0], [-1.0, 1.0]]))
    agrees(manual_backprop(loss, net), loss, net.named_parameters())


@pytest.mark.parametrize("names", [["a", "b1", "c"], ["W1", "b1", "W2"], ["a" * 32, "b1", "c" * 32]])
def test_arguments_come_in_the_order_of_wrt(names: list[str]) -> None:
    """A call by position is right whatever the names are: of a layer, of none, of either kind in turns."""
    a, b, c = values = [Value(2.0 + k, name=name) for k, name in enumerate(names)]
    loss = a * b + b * c**2 * Value(7.0, name="inputs", requires_grad=False)
    loss.backward()
    for wrt in itertools.permutations(values):
        source = manual_backprop(loss, wrt)
        space: dict[str, Any] = {}
        exec(source, space)
        assert list(source.arguments) == [*(value.name for value in wrt), "inputs"]
        found, gradients = space["backprop"](*(value.data for value in wrt), 7.0)
        assert found == loss.data
        gradients_are(gradients, {str(value.name): value.grad for value in wrt})


def test_derivatives_of_nameless_values_are_deltas(rng: np.random.Generator) -> None:
    a, b = nn.Linear(3, 4, rng=0), nn.Linear(4, 1, rng=1)
    loss = ((b(tg.tanh(a(rng.normal(size=(5, 3))))) - 1.0) ** 2).mean()
    source = manual_backprop(loss, {"a.w": a.w, "b.w": b.w})
    agrees(source, loss, {"a.w": a.w, "b.w": b.w})
    assert "d_h" not in source
    assert "(delta @ w_2.T) * (1 - h**2)" in source


def test_no_comment_where_all_on_the_paths_is_nameless(rng: np.random.Generator) -> None:
    w, v = Value(rng.normal(size=3), name="w"), Value(rng.normal(size=3), name="v")
    product = w * v
    loss = (product * product.exp() + product.exp().sin() * w + v * product).sum()
    source = manual_backprop(loss)
    agrees(source, loss, {"w": w, "v": v})
    (line,) = re.findall(r"^ +d_product = .*$", source, re.M)
    assert "#" not in line
    assert "# loss ← … ← w" in source


@pytest.mark.parametrize(
    "labels", [np.array([0, 2, 1, 1]), np.array([[1.0, 0, 0], [0, 0, 1], [0, 1, 0], [0.5, 0.5, 0]])]
)
def test_classification(labels: Any, rng: np.random.Generator) -> None:
    net = nn.Sequential(nn.Linear(5, 6, rng=0), nn.Activation("gelu"), nn.Linear(6, 3, rng=1))
    x = rng.standard_normal((4, 5))
    loss = nn.losses.cross_entropy(net(x), labels)
    source = manual_backprop(loss, net)
    agrees(source, loss, net.named_parameters())
    well_set(source)
    other, again = rng.standard_normal((4, 5)), labels[::-1]
    loss = nn.losses.cross_entropy(net(other), again)
    agrees(source, loss, net.named_parameters(), x=other, t=again)
    if again.ndim == 1:  # however they were given, the source takes probabilities, too
        agrees(source, loss, net.named_parameters(), x=other, t=np.eye(3)[again])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_class_numbers_where_there_are_as_many_samples_as_classes(dtype: Any, rng: np.random.Generator) -> None:
    net = nn.MLP([5, 3], output="linear", rng=0, dtype=dtype)
    x, labels = rng.standard_normal((3, 5)).astype(dtype), np.array([2, 0, 2])
    source = manual_backprop(nn.losses.cross_entropy(net(x), np.array([0, 1, 2])), net)
    expected = nn.losses.cross_entropy(net(x), labels)
    expected.backward()
    for t in (labels, labels.tolist(), labels.astype("u1"), np.eye(3, dtype=dtype)[labels]):
        found, gradients = source.run(t=t)
        np.testing.assert_allclose(found, expected.item(), rtol=1e-6)
        np.testing.assert_allclose(gradients["w1"], net.layers[0].w.grad, rtol=1e-5, atol=1e-7)
        assert gradients["w1"].dtype == dtype
    two = manual_backprop(nn.losses.cross_entropy(net(x[:2])[:, :2], np.array([1, 0])), net)
    assert two.run(t=np.array([0, 1]))[0] != two.run()[0]
    for t in (labels.astype(float), labels + 1, labels - 1, [0, -1, 0]):  # floats, and classes that there are not
        with pytest.raises((TypeError, IndexError), match=r"Cannot cast|out of bounds|a class is a number from 0 to 2"):
            source.run(t=t)
    single = manual_backprop(nn.losses.cross_entropy(net(x)[0], 2), net)
    assert single.run(t=2)[0] == single.run()[0] != single.run(t=1)[0]
    with pytest.raises(IndexError, match="t: a class is a number from 0 to 2"):
        single.run(t=-1)


def test_sums_of_long_float32_columns_keep_their_digits(rng: np.random.Generator) -> None:
    """A bias gradient and a mean of 100,000 numbers near 1000, as exact as a sum in float64 that is rounded once."""
    y = Value((1000 + rng.standard_normal((100_000, 3))).astype(np.float32), requires_grad=False, name="y")
    b, scale = Value(np.zeros(3, np.float32), name="b"), Value(np.ones((1, 3), np.float32), name="scale")
    h = y + b
    source = manual_backprop(((h * y).sum() + (h.mean(axis=0, keepdims=True) * scale).sum()) / 2, [b, scale])
    _, gradients = source.run()
    exact = np.asarray(y.data, float)
    np.testing.assert_allclose(gradients["b"], (exact.sum(axis=0) + 1) / 2, rtol=4 * np.finfo(np.float32).eps)
    np.testing.assert_allclose(gradients["scale"], exact.mean(axis=0)[None] / 2, rtol=4 * np.finfo(np.float32).eps)
    assert {gradient.dtype for gradient in gradients.values()} == {np.dtype(np.float32)}
    well_set(str(source))
    for dtype, n in ((np.float32, 1000), (np.float64, 3000)):
        x = Value(np.ones((n, 3), dtype), requires_grad=False, name="x")
        assert "astype" not in str(manual_backprop((x * (x + Value(np.zeros(3, dtype), name="b"))).sum(), "b"))


def test_attention(rng: np.random.Generator) -> None:
    q, k, v = (Value(rng.standard_normal((2, 3, 4)), name=name) for name in "qkv")
    scores = tg.matmul(q, tg.swapaxes(k, -1, -2)) / 2.0
    mask = np.triu(np.full((3, 3), -1e9), 1)
    out = tg.matmul(tg.softmax(scores + mask), v)
    loss = tg.sum(tg.norm(out, axis=-1) * tg.cumsum(tg.mean(v, axis=-1), axis=1))
    source = manual_backprop(loss, [q, k, v])
    agrees(source, loss, {"q": q, "k": k, "v": v})
    assert "np.swapaxes" in source
    well_set(source)


def test_a_bound_on_what_a_line_holds() -> None:
    w = [Value(0.01 * k, name=f"w{k}") for k in range(150)]
    chain = w[0]
    for weight in w[1:]:
        chain = (chain * weight + weight).tanh()  # nothing has a name
    wide = tg.weighted_sum(w, [Value(float(k % 3), name=f"x{k}", requires_grad=False) for k in range(150)])
    loss = chain + wide + sum((weight * weight for weight in w), Value(0.0))
    source = manual_backprop(loss, w)
    agrees(source, loss, {str(weight.name): weight for weight in w}, rtol=1e-11)
    well_set(source)


def test_a_value_that_many_read() -> None:
    w = Value(0.5, name="w")
    loss = sum((tg.sin(w * float(k)) for k in range(1, 200)), Value(0.0, name="start"))
    agrees(manual_backprop(loss, [w]), loss, {"w": w}, rtol=1e-10)


def test_wrt_between_the_leaves_and_the_end() -> None:
    x = Value([1.0, 2.0], name="x")
    y = (x * 3.0).tanh()
    y.name = "y"
    loss = (y * y).sum()
    source = manual_backprop(loss, [y, x])
    _, gradients = source.run()
    np.testing.assert_allclose(gradients["y"], 2 * y.data, rtol=1e-14)
    assert list(gradients) == ["y", "x"]


def test_what_no_gradient_reaches_is_zero() -> None:
    a, b = Value([1.0, 2.0], name="a"), Value(3.0, name="b")
    loss = (tg.where(a, b, 1.0) * tg.sign(b)).sum()
    _, gradients = manual_backprop(loss, [a]).run()
    np.testing.assert_array_equal(gradients["a"], [0.0, 0.0])


def test_float32_stays() -> None:
    net = nn.MLP([3, 4, 2], rng=0, dtype=np.float32)
    x = np.ones((5, 3), np.float32)
    loss = nn.losses.half_squared_error(net(x), np.zeros((5, 2), np.float32))
    source = manual_backprop(loss, net)
    assert {g.dtype for g in source.run()[1].values()} == {np.dtype(np.float32)}
    agrees(source, loss, net.named_parameters(), rtol=1e-5)


# ---- samples ---------------------------------------------------------------------------------------------------------


def test_samples_that_differ_are_written_out() -> None:
    w = Value(0.5, name="w")
    x = [Value(float(k + 1), name=f"x@{k}", requires_grad=False) for k in range(2)]
    for second in (tg.tanh(w * x[1]), tg.sin(w * x[1]) * 2.0, tg.sin(x[1] * w), tg.sin(w * x[1] * 2.0)):
        loss = tg.sin(w * x[0]) + second
        source = manual_backprop(loss, [w])
        assert "samples" not in source
        agrees(source, loss, {"w": w})


def test_samples_that_are_not_added_up_are_written_out() -> None:
    w = Value(0.5, name="w")
    x = [Value(float(k + 1), name=f"x@{k}", requires_grad=False) for k in range(2)]
    product = tg.sin(w * x[0]) * tg.sin(w * x[1])
    source = manual_backprop(product, [w])
    assert "samples" not in source
    agrees(source, product, {"w": w})
    regular = tg.sin(w * x[0]) - tg.sin(w * x[1]) * 0.5 + w * w
    agrees(manual_backprop(regular, [w]), regular, {"w": w})


def test_samples_weighted_alike_are_a_loop() -> None:
    w = Value(0.5, name="w")
    x = [Value(float(k + 1), name=f"x@{k}", requires_grad=False) for k in range(30)]
    loss = sum((tg.sin(w * one) for one in x), Value(0.0, requires_grad=False)) / 30.0
    source = manual_backprop(loss, [w])
    assert "for (x,) in samples:" in source
    agrees(source, loss, {"w": w})
    loss, wrt = tg.sin(w * 4.0) / 30.0, {"w": w}
    agrees(source, loss, wrt, samples=[(4.0,)])


# ---- names -----------------------------------------------------------------------------------------------------------

NASTY = [
    "lambda", "None", "np", "math", "print", "l", "O", "sigmoid", "backprop", "samples", "gradients", "d_w",
    "__debug__", "w2[0,1]", "ŷ", "θ", "名", "1st", "a b", "a_b", "a-b", "", " ", "\n", "x\nimport os\n#", '"""', "'''",
    "\\", "\\N{BULLET}",
    '"', "'", "{0}", "%s", "x # y", "x); __import__('os').system('false'); (", "\u2028", "\r", "\x0c", "\ud800",
    "\u202e", "#", "n" * 300, "C", "C@1", "match", "type", "_", "__",
]  # fmt: skip


def harmless(source: str, names: Sequence[str]) -> None:
    """Nothing but one function and its helpers, that call nothing but math, NumPy and each other."""
    tree = ast.parse(source.encode("utf-8", "surrogatepass").decode("utf-8", "surrogatepass"))
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id in {*defined, "max", "min", "abs", "dict", "defaultdict"}
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_")
    (backprop,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "backprop")
    bound = [argument.arg for argument in backprop.args.args]
    bound += [n.id for n in ast.walk(backprop) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    for name in bound:
        assert name.isidentifier()
        assert name.isascii()
        assert not keyword.iskeyword(name)
        assert not hasattr(builtins, name)
        assert name not in {"np", "math", *defined}
    assert len(backprop.args.args) == len({argument.arg for argument in backprop.args.args}) == len(names)


def named_graph(names: Sequence[str]) -> tuple[Value, dict[str, Value]]:
    leaves = [Value(0.3 + 0.1 * k, name=name) for k, name in enumerate(names)]
    total = leaves[0] * 1.5
    for k, leaf in enumerate(leaves):
        total = tg.sigmoid(total * leaf) + leaf
        total.name = names[-k - 1]
    return total, {str(k): leaf for k, leaf in enumerate(leaves)}


def test_no_name_is_code() -> None:
    loss, wrt = named_graph(NASTY)
    source = manual_backprop(loss, wrt)
    harmless(source, NASTY)
    agrees(source, loss, wrt)


@given(st.lists(st.one_of(st.text(max_size=20), st.sampled_from(NASTY)), min_size=1, max_size=4))
@settings(max_examples=60)
def test_no_text_is_code(names: list[str]) -> None:
    loss, wrt = named_graph(names)
    source = manual_backprop(loss, wrt)
    harmless(source, names)
    agrees(source, loss, wrt)
    unique = dict(zip(names, wrt.values(), strict=True))
    if len(unique) == len(names):
        agrees(manual_backprop(loss, unique), loss, unique)


@given(st.integers(0, 10**6))
@settings(max_examples=25)
def test_random_graphs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shapes = [(), (3,), (2, 3), (2, 1)] if seed % 2 else [()]
    leaves = []
    for k in range(4):
        data = rng.uniform(0.5, 1.5, shapes[k % len(shapes)])
        leaves.append(Value(data if data.shape else float(data), name=f"v{k}"))
    pool: list[Any] = list(leaves)
    unary = [tg.tanh, tg.sigmoid, tg.exp, tg.sin, tg.softplus, tg.silu, tg.relu, tg.square, tg.gelu]
    for k in range(12):
        a, b = (pool[int(i)] for i in rng.integers(0, len(pool), 2))
        made = [lambda a=a, b=b: a * b, lambda a=a, b=b: a + b - a * 0.5, lambda a=a, b=b: a / (b * b + 1.0),
                lambda a=a: unary[int(rng.integers(len(unary)))](a * 0.3)][int(rng.integers(4))]()  # fmt: skip
        if rng.random() < 0.5:
            made.name = f"h{k}"
        pool.append(made)
    loss = sum((tg.sum(value) if value.shape else value for value in pool[4:]), Value(0.0, requires_grad=False))
    wrt = {str(leaf.name): leaf for leaf in leaves if leaf in set(tg.core.graph.ancestors(loss))}
    source = manual_backprop(loss, wrt)
    agrees(source, loss, wrt, rtol=1e-11)
    well_set(source)


# ---- what is refused -------------------------------------------------------------------------------------------------


def test_refusals() -> None:
    w = Value(2.0, name="weight")
    loss = w * w
    with pytest.raises(ValueTypeError, match="takes a recorded loss, got float"):
        manual_backprop(1.0)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match=r"needs a loss with one element, got .*\.sum\(\) it first"):
        manual_backprop(Value([1.0, 2.0]) * 2.0)
    with pytest.raises(UnknownNameError, match="'wieght'; the nearest names are 'weight'"):
        manual_backprop(loss, "wieght")
    with pytest.raises(ArgumentError, match=r"'other' \(1\) is not among what .* computed from; there are 'weight'"):
        manual_backprop(loss, [Value(1.0, name="other")])
    with pytest.raises(ArgumentError, match="two parameters are named 'weight'; pass them as a dict"):
        manual_backprop(loss, [w, w])
    with pytest.raises(ArgumentError, match="wrt is empty"):
        manual_backprop(loss, [])
    with pytest.raises(ArgumentError, match="depends on no leaf that has a name and requires a gradient"):
        manual_backprop(Value(1.0, requires_grad=False) * 2.0)
    with pytest.raises(ValueTypeError, match="wrt holds Values or names, got int"):
        manual_backprop(loss, {"w": 3})
    v = Value([1.0, 2.0], name="v")
    with pytest.raises(ArgumentError, match=r"'v\[1\]' is one element; pass the whole parameter, 'v'"):
        manual_backprop(v.sum(), "v[1]")
    freed = w * w
    freed.backward(keep="leaves")
    with pytest.raises(GraphError, match="freed"):
        manual_backprop(freed, [w])


def test_too_large() -> None:
    total = w = Value(0.5, name="w")
    for _ in range(LARGEST + 1):
        total = tg.sin(total)
    with pytest.raises(ArgumentError, match=r"computed by 1,001 ops, more than the 1,000 .* take fewer samples"):
        manual_backprop(total, [w])
    total = w
    for _ in range(LARGEST):
        total = tg.sin(total)
    agrees(manual_backprop(total, [w]), total, {"w": w}, rtol=1e-9)


# ---- the formatter ---------------------------------------------------------------------------------------------------


def _ruff() -> str:
    found = shutil.which("ruff", path=str(Path(sys.executable).parent)) or shutil.which("ruff")
    if found is None:
        pytest.skip("ruff is not installed")
    return found


def test_a_linter_and_a_formatter_change_nothing(tmp_path: Path, rng: np.random.Generator) -> None:
    sources: dict[str, str] = {}
    for k, example in enumerate(CASES[::3]):
        loss, wrt = recorded(example.ours, example.arrays(rng), range(len(example.shapes)))
        sources[f"case_{k}"] = manual_backprop(loss, wrt)
    for name, op in OPS.items():
        for k, shapes in enumerate(SHAPES[len(op.rule.operands)][:3]):
            if name not in NEEDS_SCIPY or special is not None or not any(shapes):
                loss, wrt = recorded(_generated(op), sampled(op, shapes, np.float64, rng), differentiable(op))
                sources[f"{name}_{k}"] = manual_backprop(loss, wrt)
    for k, (loss, net) in enumerate([half_adder(1), half_adder(slice(0, 4)), xor()]):
        sources[f"network_{k}"] = manual_backprop(loss, net)
    scalars = nn.scalar.MLP(11, [10, 2], activation="tanh", rng=0)
    sources["wide"] = manual_backprop(
        nn.losses.mse(scalars(rng.standard_normal((3, 11))), rng.standard_normal((3, 2))), scalars
    )
    sources["classes"] = manual_backprop(
        nn.losses.cross_entropy(scalars(rng.standard_normal((3, 11))), np.array([0, 1, 1])), scalars
    )
    loss, wrt = named_graph([name for name in NASTY if name != "\ud800"])
    sources["names"] = manual_backprop(loss, wrt)
    for name, source in sources.items():
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8", newline="")
    for arguments in (
        ["check", "--isolated"],
        ["check", "--config", str(DOCS.parent / "pyproject.toml")],
        ["format", "--isolated", "--check"],
        ["format", "--isolated", "--check", "--line-length", "100"],
    ):
        done = subprocess.run([_ruff(), *arguments, "--no-cache", str(tmp_path)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def test_it_is_a_string() -> None:
    loss, net = half_adder(1)
    source = manual_backprop(loss, net)
    assert isinstance(source, str)
    assert list(source.arguments)[:3] == ["w100", "w110", "b10"]
    assert list(source.arguments)[-4:] == ["x0", "x1", "t0", "t1"]
    module = types.ModuleType("by_hand")
    exec(source, module.__dict__)
    assert tg.compare(loss, manual=lambda: module.backprop(**source.arguments)[1], wrt=net)


def test_a_script_runs_by_itself() -> None:
    x, t = datasets.xor()
    net = nn.MLP([2, 3, 2], rng=0, dtype=np.float32)
    for loss, module in (half_adder(slice(0, 4)), (nn.losses.half_squared_error(net(x.astype(np.float32)), t), net)):
        source = manual_backprop(loss, module)
        found: dict[str, Any] = {"__name__": "__main__"}
        exec(source.script(), found)
        assert found["loss"] == source.run()[0]
        assert {name: np.shape(g) for name, g in found["gradients"].items()} == {
            name: p.shape for name, p in module.named_parameters().items()
        }
        assert max(map(len, source.script().splitlines())) <= WIDTH
    x = Value([[1.0, 2.0]], name="x")
    c = Value([[1.0], [2.0]], name="c", requires_grad=False)
    source = manual_backprop((x.transpose() * c).sum(), [x])  # needs NumPy for the data only
    assert "import" not in source
    exec(source.script(), found := {})
    np.testing.assert_array_equal(found["gradients"]["x"], [[1.0, 2.0]])


def test_truths_that_have_a_name_are_not_negated() -> None:
    p = Value(np.array([[-1.2, 0.0], [1.6, 0.9]]), name="p")
    loss = (p.sum() + np.ptp(p, axis=None, keepdims=True)).sum()
    _, gradients = manual_backprop(loss, [p]).run()
    np.testing.assert_array_equal(gradients["p"], [[0.0, 1.0], [2.0, 1.0]])
    q = Value(np.array([[1.0]]), name="q")
    _, gradients = manual_backprop(tg.nan_to_num(tg.arctan2(np.array([[1.0]]), q), nan=-1.0).sum(), [q]).run()
    np.testing.assert_array_equal(gradients["q"], [[-0.5]])


@pytest.mark.parametrize(
    "moved", [lambda m: m.T, lambda m: m.T[:2, ::-1][:, ::-1], lambda m: np.concatenate([m[:1], m[2:]]).T[:, :2]]
)
def test_truths_that_an_op_moved_are_not_negated(moved: Callable[[Any], Any]) -> None:
    m = Value(np.arange(9).reshape(3, 3) % 2 == 0, name="m", requires_grad=False)
    p = Value(np.ones(moved(m).shape), name="p")
    _, gradients = manual_backprop((-(moved(m) * p)).sum(), [p]).run()
    np.testing.assert_array_equal(gradients["p"], -1.0 * moved(m.data))


def test_a_sigmoid_of_half_precision_does_not_overflow() -> None:
    w = Value(np.array([12.5, -12.5, 0.25], np.float16), "w")
    _, gradients = tg.manual_backprop((tg.sigmoid(w) * np.array([1.0, 2.0, 4.0], np.float16)).sum(), [w]).run()
    x = np.array([12.5, -12.5, 0.25])
    right = np.array([1.0, 2.0, 4.0]) * np.exp(-np.abs(x)) / (1.0 + np.exp(-np.abs(x))) ** 2
    np.testing.assert_allclose(gradients["w"], right, rtol=5e-3, atol=1e-6)


def test_the_parts_of_a_loop_are_added_into_one_array(rng: np.random.Generator) -> None:
    x, h = Value(rng.normal(size=(9, 3)), name="x"), Value(np.zeros(3), name="h0")
    for k in range(9):
        h = np.tanh(h / 2.0 + x[k] * x[k, 0])
    loss = (h * x[[0, 0, 8]].sum(axis=0)).sum()
    source = tg.manual_backprop(loss, wrt={"x": x})
    agrees(source, loss, {"x": x})
    assert str(source).count("np.zeros((9, 3))") == 1
    assert str(source).count("np.add.at(") == 1
    assert str(source).count("] += ") == 17


def test_parts_of_a_value_that_is_read_whole_too(rng: np.random.Generator) -> None:
    x = Value(rng.normal(size=(4, 3)), name="x")
    y = np.tanh(x)
    y.name = "y"
    loss = (y[0] * y[1:]).sum() + (y * y).sum() + y[2, 1] * y[2, 1] + (x[:2] * x[2:]).sum()
    agrees(tg.manual_backprop(loss, wrt={"x": x, "y": y}), loss, {"x": x, "y": y})


@pytest.mark.parametrize(
    ("y", "value", "slope"),
    [
        (3, "z * z * z", "3 * z**2"),
        (-1, "1 / z", "/ z**2"),
        (0.5, "np.sqrt(z)", "1 / np.sqrt(z) / 2"),
        (1.5, "z * np.sqrt(z)", "1.5 * np.sqrt(z)"),
        (4, "z**4", "4 * (z * z * z)"),
    ],
)
def test_powers_of_arrays_are_products_and_roots(y: float, value: str, slope: str) -> None:
    x = Value(np.array([0.5, 2.0, 3.0]), name="x")
    z = x + 1.0
    z.name = "z"
    end = tg.sum(z**y)
    end.backward()
    source = tg.manual_backprop(end, {"x": x})
    assert f"({value}).sum()" in str(source).replace("np.sqrt(z).sum()", "(np.sqrt(z)).sum()")
    assert slope in str(source)
    np.testing.assert_allclose(source.run()[1]["x"], x.grad, rtol=1e-14)
    s = Value(2.0, name="s")
    assert "s**3" in str(tg.manual_backprop(s**3, {"s": s}))  # of floats a power is one operation
