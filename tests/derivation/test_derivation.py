"""The chain rule written out: against SymPy, against backward, and as it reads."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tg
from tests.hostile import HOSTILE
from tinygrad_lite import Derivation, Value, datasets, derive, nn
from tinygrad_lite.core.elementwise_derivatives import TABLE, Rule
from tinygrad_lite.derivation.result import TYPESET
from tinygrad_lite.errors import ArgumentError, GraphError, ShapeError, UnknownNameError, ValueTypeError

sympy = pytest.importorskip("sympy")

from tests.oracles.symbolic import Symbolic  # noqa: E402  (it needs SymPy)


def half_adder(rng: int = 0) -> tuple[Any, Value]:
    x, t = datasets.half_adder()
    net = nn.scalar.MLP(2, [2, 2, 2], activation="sigmoid", output="sigmoid", rng=rng)
    return net, nn.losses.half_squared_error(net(x), t)


def xor(dims: list[int], rng: int = 0, **rest: Any) -> tuple[Any, Value]:
    x, t = datasets.xor()
    net = nn.MLP(dims, rng=rng, **rest)
    return net, nn.losses.half_squared_error(net(x), t, "sum")


def evaluated(d: Derivation) -> Any:
    with np.errstate(all="ignore"):
        return eval(d.python, d.symbols)


def checked(d: Derivation) -> Derivation:
    """What holds for every derivation."""
    found = evaluated(d)
    several = isinstance(d.value, dict)
    for one, expected in zip(found.values(), d.value.values(), strict=True) if several else [(found, d.value)]:
        assert np.shape(one) == np.shape(expected)
        np.testing.assert_allclose(one, expected, rtol=1e-12, atol=1e-14)
    for text in (d.text, d.numbers):
        assert max(map(len, text.splitlines())) <= 100
        assert all(line == line.rstrip() for line in text.splitlines())
    assert d.latex.startswith("\\begin{aligned}\n")
    assert d.latex.endswith("\n\\end{aligned}")
    assert d.latex.isascii()
    assert "\\partial" in d.latex
    assert d.latex.count("{") - d.latex.count(r"\{") == d.latex.count("}") - d.latex.count(r"\}")
    assert d.latex.count(r"\left") == d.latex.count(r"\right")
    assert d._repr_latex_() == (f"$$\n{d.latex}\n$$" if len(d.latex) <= TYPESET else None)
    assert str(d) == d.text
    for term in d.terms:
        with np.errstate(all="ignore"):
            found = eval(term.python, d.symbols)
        np.testing.assert_allclose(found, term.value, rtol=1e-12, atol=1e-14)
    if not several:
        np.testing.assert_allclose(sum(term.value for term in d.terms), d.value, rtol=1e-12, atol=1e-14)
    return d


# ---- as it reads ----------------------------------------------------------------------------------------------------


def test_layer_3_of_the_half_adder() -> None:
    _, loss = half_adder()
    assert checked(derive(loss, "w300")).text == (
        "∂C/∂w300 = Σₛ (n30 - t0)/4 · n30(1 - n30) · n20   (s: samples 0 … 3)\n"
        "         = 0.0189171\n"
        "\n"
        "By way of the δs that backpropagation saves:\n"
        "δ30      = ∂C/∂z30 = (n30 - t0)/4 · n30(1 - n30)\n"
        "∂C/∂w300 = Σₛ δ30 · n20"
    )


def test_layer_1_of_the_half_adder_reads_as_in_the_tutorial() -> None:
    """What the paths share stands outside the brackets: the head before, the tail behind."""
    _, loss = half_adder()
    d = checked(derive(loss, "w100"))
    assert d.text == (
        "∂C/∂w100 = Σₛ ( (n30 - t0)/4 · n30(1 - n30) · ( w300 · n20(1 - n20) · w200\n"
        "                                              + w310 · n21(1 - n21) · w201 )\n"
        "              + (n31 - t1)/4 · n31(1 - n31) · ( w301 · n20(1 - n20) · w200\n"
        "                                              + w311 · n21(1 - n21) · w201 ) ) · n10(1 - n10) · x0\n"
        "           (s: samples 0 … 3)\n"
        "         = 0.000884062\n"
        "\n"
        "By way of the δs that backpropagation saves:\n"
        "δ30      = ∂C/∂z30 = (n30 - t0)/4 · n30(1 - n30)\n"
        "δ31      = ∂C/∂z31 = (n31 - t1)/4 · n31(1 - n31)\n"
        "δ20      = ∂C/∂z20 = (δ30 · w300 + δ31 · w301) · n20(1 - n20)\n"
        "δ21      = ∂C/∂z21 = (δ30 · w310 + δ31 · w311) · n21(1 - n21)\n"
        "δ10      = ∂C/∂z10 = (δ20 · w200 + δ21 · w201) · n10(1 - n10)\n"
        "∂C/∂w100 = Σₛ δ10 · x0"
    )
    assert [str(term) for term in d.terms] == [
        f"Σ[samples 0 … 3] (n3{k} - t{k})/4 · n3{k}(1 - n3{k}) · w3{j}{k} · n2{j}(1 - n2{j}) · w20{j}"
        " · n10(1 - n10) · x0"
        for k in range(2)
        for j in range(2)
    ]
    assert d.python.startswith("sum(((n30[s] - t0[s]) / 4 * (n30[s] * (1 - n30[s])) * (w300 * ")
    assert repr(d).startswith("<Derivation ∂C/∂w100 = Σₛ")


def test_every_path_a_term_or_only_the_deltas() -> None:
    _, loss = half_adder()
    assert checked(derive(loss, "w200", form="paths")).text.splitlines()[:2] == [
        "∂C/∂w200 = Σₛ ( (n30 - t0)/4 · n30(1 - n30) · w300 · n20(1 - n20) · n10",
        "              + (n31 - t1)/4 · n31(1 - n31) · w301 · n20(1 - n20) · n10 )   (s: samples 0 … 3)",
    ]
    d = checked(derive(loss, "w200", form="deltas"))
    assert d.text.splitlines()[0] == "δ30      = ∂C/∂z30 = (n30 - t0)/4 · n30(1 - n30)"
    assert d.text.splitlines()[-2:] == ["∂C/∂w200 = Σₛ δ20 · n10   (s: samples 0 … 3)", "         = 0.0071676"]
    assert d.python.startswith("sum((delta30 := (n30[s] - t0[s]) / 4 * ")


def test_numbers_stand_underneath() -> None:
    net = nn.scalar.MLP(2, [2, 1], activation="sigmoid", output="sigmoid", rng=0)
    loss = nn.losses.half_squared_error(net([0.0, 1.0]), 1.0)
    symbolic, below = checked(derive(loss, "w110")).numbers.splitlines()[:2]
    assert re.sub(" +", " ", symbolic) == "∂C/∂w110 = (n20 - t) · n20(1 - n20) · w200 · n10(1 - n10) · x1"
    assert [m.start() for m in re.finditer(" · ", below)] == [m.start() for m in re.finditer(" · ", symbolic)]
    numbers = [float(x.strip(" ()")) for x in below.split(" · ")]
    assert math.prod(numbers) == pytest.approx(derive(loss, "w110").value, rel=1e-2)
    samples = derive(half_adder()[1], "b30").numbers.splitlines()
    assert [line.split(":")[0].strip() for line in samples[1:5]] == ["s=0", "s=1", "s=2", "s=3"]


def test_matrices_of_xor() -> None:
    net, loss = xor([2, 10, 2])
    d = checked(derive(loss, net))
    assert d.text == (
        "δ2     = ∂C/∂z2 = (n2 - t) ⊙ n2(1 - n2)\n"
        "δ1     = ∂C/∂z1 = (δ2 w2ᵀ) ⊙ n1(1 - n1)\n"
        "∂C/∂w1 = xᵀ δ1\n"
        "∂C/∂b1 = Σₛ δ1\n"
        "∂C/∂w2 = n1ᵀ δ2\n"
        "∂C/∂b2 = Σₛ δ2"
    )
    assert d.python == (
        "(delta2 := (n2 - t) * (n2 * (1 - n2)), delta1 := (delta2 @ w2.T) * (n1 * (1 - n1)), "
        "{'w1': x.T @ delta1, 'b1': np.sum(delta1, axis=(0,)), 'w2': n1.T @ delta2, 'b2': np.sum(delta2, axis=(0,))})[-1]"  # noqa: E501
    )
    assert r"\delta_{1} = \frac{\partial C}{\partial z_{1}} &= \left(\delta_{2}\, w_{2}^{\top}\right) \odot" in d.latex
    loss.backward()
    for name, parameter in net.named_parameters().items():
        np.testing.assert_allclose(d.value[name], parameter.grad, rtol=1e-12, atol=1e-15)
        one = checked(derive(loss, name))
        np.testing.assert_allclose(one.value, parameter.grad, rtol=1e-12, atol=1e-15)
    assert len(checked(derive(loss, [net.layers[0].w])).terms) == 1


def test_the_pattern_of_the_layers_is_found() -> None:
    _, loss = xor([2, 4, 3, 3, 2])
    d = checked(derive(loss, "w1"))
    assert "The pattern: δ[l] = (δ[l+1] w[l+1]ᵀ) ⊙ n[l](1 - n[l])   for l = 3, 2, 1" in d.text.splitlines()
    assert "pattern" not in derive(xor([2, 4, 2])[1], "w1").text


def test_one_element_of_an_array() -> None:
    _, loss = xor([2, 3, 2])
    d = checked(derive(loss, "w2[1,0]"))
    assert d.text.splitlines()[0] == (
        "∂C/∂w2[1,0] = Σₛ (n2[s,0] - t[s,0]) · n2[s,0](1 - n2[s,0]) · n1[s,1]   (s: samples 0 … 3)"
    )
    assert d.python == "sum((n2[s, 0] - t[s, 0]) * (n2[s, 0] * (1 - n2[s, 0])) * n1[s, 1] for s in range(4))"
    assert "δ2[s,0]     = ∂C/∂z2[s,0] = (n2[s,0] - t[s,0]) · n2[s,0](1 - n2[s,0])" in d.text
    assert checked(derive(loss, tg.find(loss, "w2")[0], at=(1, 0))).text == d.text


def test_samples_that_differ_are_told_apart() -> None:
    x, _ = datasets.xor()
    net = nn.MLP([2, 2, 2], output="linear", rng=0)
    logits, labels = net(x), np.array([0, 1, 1, 0])
    loss = (tg.logsumexp(logits, axis=-1) - logits[np.arange(4), labels]).sum() / 4
    loss.name = "C"
    lines = checked(derive(loss, "b2[1]")).text.splitlines()
    assert [line.strip() for line in lines[:2]] == [
        "∂C/∂b2[1] = Σ[samples 0, 3] softmax(n2[s,:])[1]/4",
        "+ Σ[samples 1, 2] (softmax(n2[s,:])[1] - 1)/4",
    ]


@pytest.mark.parametrize("labels", [np.array([0, 1, 1, 0]), [0, 1, 1, 0], np.eye(2)[[0, 1, 1, 0]]])
def test_cross_entropy_reads_the_same_for_labels_of_every_kind(labels: Any) -> None:
    x, _ = datasets.xor()
    loss = nn.losses.cross_entropy(nn.MLP([2, 2, 2], output="linear", rng=0)(x), labels)
    lines = checked(derive(loss, "b2[1]")).text.splitlines()
    assert lines[0] == "∂C/∂b2[1] = Σₛ (softmax(n2[s,:])[1] - t[s,1])/4   (s: samples 0 … 3)"
    assert checked(derive(loss, "w2")).text.splitlines()[0] == "δ2     = ∂C/∂n2 = (softmax(n2) - t)/4"
    assert len(derive(loss, "b2[1]").terms) == 1
    assert len(derive(loss, "b2[1]", form="paths").terms) == 2  # one for each path of the loss's composition


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shift", [0.0, 1e4, 1e7])
def test_a_softmax_of_large_logits_has_its_digits(shift: float, dtype: Any) -> None:
    data = (shift + np.array([[0.0, 1.0, 2.0], [3.0, 0.0, 1.0]])).astype(dtype)
    right = np.exp(data - shift) / np.exp(data - shift).sum(axis=1, keepdims=True)
    z, close = Value(data, name="z"), 16 * float(np.finfo(dtype).eps)
    loss = nn.losses.cross_entropy(z, [2, 1], "sum")
    np.testing.assert_allclose(derive(loss, z).value, right - np.eye(3)[[2, 1]], atol=close)
    np.testing.assert_allclose(derive(loss, z, at=(0, 1)).value, right[0, 1], rtol=close)
    row = [Value(float(x), name=f"z{k}") for k, x in enumerate(data[0])]
    source, symbols = (d := derive(tg.logsumexp(tg.stack(row)), row[1])).python, d.symbols
    assert eval(source, symbols) == pytest.approx(right[0, 1], rel=close)
    of_one = Value(data[0], name="z")
    np.testing.assert_allclose(derive(tg.logsumexp(of_one), of_one).value, right[0], rtol=close)
    row[0].data = -np.inf
    source, symbols = (d := derive(tg.logsumexp(tg.stack(row)), row[0])).python, d.symbols
    assert eval(source, symbols) == 0.0


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_a_fused_loss_inside_of_something_larger(scale: float) -> None:
    x, t = datasets.xor()
    net = nn.MLP([2, 2], output="linear", rng=0)
    w = net.layers[0].w
    loss = nn.losses.half_squared_error(net(x), t[:, :1] * [1.0, 0.5]) * scale + w.square().sum()
    loss = loss.log() if scale == 3.0 else loss
    loss.backward()
    np.testing.assert_allclose(checked(derive(loss, w)).value, w.grad, rtol=1e-12)
    assert checked(derive(loss, w, (1, 0))).value == pytest.approx(w.grad[1, 0], rel=1e-12)


def test_a_value_may_have_the_name_of_a_delta() -> None:
    net, loss = xor([2, 3, 2])
    tg.find(loss, "n1")[0].name = "delta1"
    net.layers[0].w.name = "delta2"
    checked(derive(loss, net))


def test_nameless_values_are_written_by_what_computed_them() -> None:
    x, w, b = Value([[1.0, 2.0]], name="x"), Value([[0.5], [0.25]], name="W"), Value([0.1], name="b")
    loss = ((x @ w + b).sigmoid() - 1.0).square().sum()
    text = checked(derive(loss, "W[0,0]")).text
    assert text.splitlines()[0].startswith("∂end/∂W[0,0] = 2(σ(x[0,0]·W[0,0] + x[0,1]·W[1,0] + b[0]) - 1)")
    text = checked(derive(loss, w)).text
    assert text.splitlines()[-3:] == ["where", "h2 = h1 + b", "h1 = x W"] or "where" in text


# ---- SymPy ----------------------------------------------------------------------------------------------------------


def in_leaves(d: Derivation, symbolic: Symbolic) -> Any:
    """The derived expression with each name replaced by its own expression in the leaves."""
    scope: dict[str, Any] = {"np": None, "sum": sum, "range": range}
    for name in d.symbols:
        if name in ("np", "math"):
            continue
        if name in symbolic.named:
            scope[name] = symbolic.named[name]
        else:  # a number of each sample
            each = {int(own.split("@")[1]): e for own, e in symbolic.named.items() if own.split("@")[0] == name}
            scope[name] = [each[k] for k in range(len(each))]
    return eval(d.python, scope)


def test_all_18_of_the_half_adder_by_sympy() -> None:
    """The derived expression, in terms of inputs and weights, is SymPy's derivative: at points of 30 digits."""
    net, loss = half_adder()
    symbolic = Symbolic(loss)
    rng = np.random.default_rng(0)
    points = [{s: float(rng.uniform(-1, 1)) for s in symbolic.point} for _ in range(2)]
    assert len(net.named_parameters()) == 18
    for name, parameter in net.named_parameters().items():
        forms: tuple[Any, ...] = ("grouped", "deltas")
        ours = [in_leaves(derive(loss, name, form=form), symbolic) for form in forms]
        for grouped, deltas, expected in symbolic.all_at([*ours, symbolic.derivative(parameter)], points):
            assert grouped == pytest.approx(expected, rel=1e-12, abs=1e-16)
            assert deltas == pytest.approx(expected, rel=1e-12, abs=1e-16)


def test_the_deltas_of_xor_by_sympy() -> None:
    net, loss = xor([2, 3, 2])
    symbolic = Symbolic(loss)
    d = derive(loss, net)
    scope = {name: symbolic.named[name] for name in d.symbols if name not in ("np", "math")}

    class Arrays:
        sum = staticmethod(lambda a, axis: np.sum(a, axis=axis))

    found = eval(d.python, {"np": Arrays, **scope})
    rng = np.random.default_rng(1)
    point = {s: float(rng.uniform(-1, 1)) for s in symbolic.point}
    for name, parameter in net.named_parameters().items():
        for index in np.ndindex(parameter.shape):
            expected = symbolic.at(symbolic.derivative(parameter, index), point)
            assert symbolic.at(found[name][index], point) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("rule", TABLE.values(), ids=list(TABLE))
def test_every_line_of_the_table_by_sympy(rule: Rule, rng: np.random.Generator) -> None:
    sources = set()
    for _ in range(4):
        values = [float(rng.uniform(low, high)) for low, high in rule.domain]
        if rule.name == "where":
            values[0] = 1.0
        leaves = [Value(x, name=name, requires_grad=d is not None) for x, name, d in zip(
            values, rule.operands, rule.derivatives, strict=True)]  # fmt: skip
        inner = getattr(tg.elementary, rule.name)(*leaves)
        inner.name = "f"
        loss = inner * inner
        symbolic = Symbolic(loss)
        if rule.name == "where":
            symbolic.of[id(leaves[0])] = True
            symbolic.end = symbolic.of[id(leaves[1])] ** 2
        for leaf in leaves:
            if leaf.requires_grad:
                d = checked(derive(loss, leaf))
                assert d.value == pytest.approx(symbolic.at(symbolic.derivative(leaf)), rel=1e-11, abs=1e-13)
                sources.add((leaf.name, d.python))
    assert len(sources) == sum(d is not None for d in rule.derivatives)  # the same expression at every point


ACTIVATIONS = ("sigmoid", "tanh", "softplus", "silu", "elu", "relu", "gelu")
LOSSES: dict[str, Callable[[Any, Any], Value]] = {
    "half": nn.losses.half_squared_error,
    "mse": nn.losses.mse,
    "bce": lambda y, t: nn.losses.binary_cross_entropy(y, (np.asarray(t) > 0).astype(float)),
}


@settings(deadline=None, max_examples=8)
@given(
    st.integers(0, 10**6), st.lists(st.integers(1, 2), min_size=2, max_size=3), st.integers(1, 2),
    st.sampled_from(ACTIVATIONS), st.sampled_from(sorted(LOSSES)), st.booleans(),
)  # fmt: skip
def test_random_networks_by_sympy(
    seed: int, dims: list[int], samples: int, activation: str, loss_name: str, scalars: bool
) -> None:
    rng = np.random.default_rng(seed)
    module: Any = nn.scalar.MLP if scalars else nn.MLP
    net = module(dims, activation=activation, output="tanh", rng=seed)
    x, t = rng.normal(size=(samples, dims[0])), rng.normal(size=(samples, dims[-1]))
    outputs = net.batch(x.tolist()) if scalars else net(x)
    outputs = [[y] if isinstance(y, Value) else y for y in outputs] if scalars else outputs
    loss = LOSSES[loss_name](outputs, t.tolist() if scalars else t)
    symbolic = Symbolic(loss)
    for name, parameter in list(net.named_parameters().items())[:: 1 if scalars else 2][:4]:
        index = tuple(int(rng.integers(n)) for n in parameter.shape)
        expected = symbolic.at(symbolic.derivative(parameter, index))
        d = checked(derive(loss, name, at=index or None))
        assert d.value == pytest.approx(expected, rel=1e-9, abs=1e-12)
        if not scalars:
            whole = checked(derive(loss, name))
            assert np.reshape(whole.value, parameter.shape)[index] == pytest.approx(expected, rel=1e-9, abs=1e-12)


# ---- structured ops -------------------------------------------------------------------------------------------------

ENDS: dict[str, Callable[[Value, Value], Value]] = {
    "matmul": lambda a, b: (a @ b).tanh().sum(),
    "transposed": lambda a, b: (b.T @ a.T).tanh().sum(),
    "vector": lambda a, b: (a[0] @ b).tanh().sum(),
    "matvec": lambda a, b: (a @ b[:, 0]).tanh().sum(),
    "dot": lambda a, b: (a[0] @ b[:, 1]).tanh(),
    "outer": lambda a, b: tg.outer(a[0], b[0]).tanh().sum(),
    "batched": lambda a, b: (a.reshape(1, 2, 3) @ b.reshape(1, 3, 2)).tanh().sum(),
    "einsum": lambda a, b: tg.einsum("ij,jk->ki", a, b).tanh().sum(),
    "diagonal": lambda a, b: tg.einsum("ii->i", a @ b).tanh().sum(),
    "mean": lambda a, b: (a - a.mean(axis=0)).square().mean() * b.sum(),
    "keepdims": lambda a, b: (a / a.sum(axis=1, keepdims=True)).square().sum() + b.mean(),
    "max": lambda a, b: a.max(axis=1).sum() + b.min(),
    "prod": lambda a, b: a.prod(axis=1).sum() + b.prod(),
    "norm": lambda a, b: a.norm() + b.norm(axis=0).sum(),
    "logsumexp": lambda a, b: a.logsumexp(axis=1).sum() + b.logsumexp(),
    "softmax": lambda a, b: (tg.softmax(a) * b.T).sum(),
    "var": lambda a, b: a.var(axis=0).sum() + b.std(),
    "gather": lambda a, b: a[[0, 0, 1]].square().sum() + b[1:, 0].sum(),
    "concatenate": lambda a, b: tg.concatenate([a, b.T]).square().sum(),
    "stack": lambda a, b: tg.stack([a, a, b.T]).square().sum(),
    "pad": lambda a, b: tg.pad(a, 1).square().sum() + tg.roll(b, 1).square().sum(),
    "cumsum": lambda a, b: a.cumsum(axis=1).square().sum() + b.cumsum().sum(),
    "broadcast": lambda a, b: (a + b[0, 0]).square().sum() + (b * a[:, :1].mean()).sum(),
    "erf": lambda a, b: a.erf().sum() + b.gelu(approximate=False).sum(),
    "residual": lambda a, b: (a + (a @ b).tanh() @ b.T).square().sum(),
    "sort": lambda a, b: (tg.sort(a) * a).sum() + tg.sort(b, axis=0).prod(),
    "inv": lambda a, b: tg.inv(a @ b + 3 * np.eye(2)).sum(),
    "where": lambda a, b: tg.where(a.data > 0, a, 0.1 * a).sum() + tg.maximum(b, 0.1).sum(),
}


@pytest.mark.parametrize("names", [False, True], ids=["nameless", "named"])
@pytest.mark.parametrize("make", ENDS.values(), ids=list(ENDS))
def test_structured_ops(make: Callable[[Value, Value], Value], names: bool, rng: np.random.Generator) -> None:
    a, b = Value(rng.normal(size=(2, 3)), name="a"), Value(rng.normal(size=(3, 2)), name="b")
    end = make(a, b)
    if names:
        for k, node in enumerate(tg.core.graph.ancestors(end)):
            node.name = node.name or f"v{k}"
    end.backward()
    wanted = [leaf for leaf in (a, b) if leaf.has_grad]
    for leaf in wanted:
        d = checked(derive(end, leaf))
        np.testing.assert_allclose(d.value, leaf.grad, rtol=1e-12, atol=1e-14)
        index = tuple(int(rng.integers(n)) for n in leaf.shape)
        assert checked(derive(end, leaf, at=index)).value == pytest.approx(leaf.grad[index], rel=1e-12)
    both = checked(derive(end, wanted))
    for leaf in wanted:
        value = both.value[leaf.name] if len(wanted) > 1 else both.value
        np.testing.assert_allclose(value, leaf.grad, rtol=1e-12, atol=1e-14)


def undefined(text: str) -> set[str]:
    """Symbols of a derivation that are no leaves, and whose line is missing. What is called is a function."""
    text = re.sub(r"einsum\([^;]*;|[∂Σₛ]", " ", re.sub(r"[ᵀ⁰¹²³⁴-⁹]", "", text))
    told = set(re.findall(r"^ *([^\W\d]\w*′?)[^\n=]*=", text, re.MULTILINE))
    told |= {"a", "b", "end", "where", "if", "else", "numbers", "axis", "The", "pattern"}
    return set(re.findall(r"(?<![\w′])[^\W\d]\w*′?(?![\w′(])", text)) - told - {"nan"}


@pytest.mark.parametrize("name", ENDS)
def test_every_symbol_is_defined(name: str, rng: np.random.Generator) -> None:
    a, b = Value(rng.normal(size=(2, 3)), name="a"), Value(rng.normal(size=(3, 2)), name="b")
    end = ENDS[name](a, b)
    for leaf in (a, b):
        if leaf in set(tg.core.graph.ancestors(end)):
            d = derive(end, leaf)
            assert undefined(d.text) == set(), d.text


def test_an_array_of_numbers_is_written_out_or_described() -> None:
    z = Value(np.arange(6.0).reshape(2, 3), name="z")
    end = np.exp(z - z.max(axis=1, keepdims=True)).sum()
    d = checked(derive(end, z))
    assert d.text.endswith("\nc = [[0, 0, 1], [0, 0, 1]]")
    assert d.latex.splitlines()[-2].startswith(r"c &= \begin{bmatrix} 0 & 0 & 1 \\ 0 & 0 & 1 \end{bmatrix}")
    many = Value(np.arange(60.0).reshape(2, 30), name="z")
    d = checked(derive(np.exp(many - many.max(axis=1, keepdims=True)).sum(), many))
    assert d.text.endswith("\nc = 2×30 numbers, 0 … 1")
    assert undefined("x = c ⊙ v1\nv1 = |x|") == {"c"}


def test_from_one_element_of_an_array() -> None:
    a, b = Value(np.ones((2, 3)), name="a"), Value(np.full((3, 2), 0.5), name="b")
    out = (a @ b).tanh()
    expected = np.outer(np.ones(3), [0.0, 1.0]) * (1 - np.tanh(1.5) ** 2)
    np.testing.assert_allclose(checked(derive(out, b, end_at=(0, 1))).value, expected)
    assert checked(derive(out, b, at=(2, 1), end_at=(0, 1))).value == pytest.approx(expected[2, 1])


# ---- too much, too deep ---------------------------------------------------------------------------------------------


def test_many_paths_are_written_by_deltas() -> None:
    x, t = datasets.xor()
    net = nn.scalar.MLP(2, [6, 6, 6, 6, 2], activation="sigmoid", output="sigmoid", rng=0)
    loss = nn.losses.half_squared_error(net(x), t)
    d = checked(derive(loss, "w100"))
    assert d.text.splitlines()[0] == "δ50      = ∂C/∂z50 = (n50 - t0)/4 · n50(1 - n50)"
    assert d.text.splitlines()[-2] == "∂C/∂w100 = Σₛ δ10 · x0   (s: samples 0 … 3)"
    with pytest.raises(ArgumentError, match=r"there are 1,728 paths, at most 1,000 are written one by one; leave out"):
        derive(nn.losses.half_squared_error(
            nn.scalar.MLP(2, [12, 12, 12, 12, 1], activation="tanh", rng=0)([0.0, 1.0]), 1.0), "w1_0_0", form="paths")  # fmt: skip  # noqa: E501


def test_what_is_too_much_says_what_to_ask_instead() -> None:
    x = h = Value(np.ones(200), name="x")
    for _ in range(3):
        h = h @ np.full((200, 200), 0.01)
    with pytest.raises(ArgumentError, match=r"8,000,000 paths, too many to write out; ask for the whole array"):
        derive(h.sum(), x, at=0)
    assert checked(derive(h.sum(), x)).value[0] == pytest.approx(8.0)


def test_doubling_and_depth() -> None:
    x = y = Value(0.5, name="x")
    for _ in range(60):
        y = y + y
    assert checked(derive(y, x)).text.splitlines()[0] == "∂end/∂x = 1.153e+18"
    y = x
    for _ in range(300):
        y = y.sin()
    assert checked(derive(y, x)).value == pytest.approx(math.prod(next(iter(tg.gradient_paths(y, x))).locals))
    y = x
    for k in range(40):
        y = (y + y.sin()) * x  # 2^40 paths and more, that part and meet
        y.name = f"y{k}"
    y.backward()
    assert checked(derive(y, x)).value == pytest.approx(x.grad)


def test_nothing_flows() -> None:
    x = Value([1.0, 2.0], name="x")
    d = checked(derive(x.max(), x, at=0))
    assert (d.text, d.python) == ("∂end/∂x[0] = 0\n           = 0", "0")


# ---- names ----------------------------------------------------------------------------------------------------------


@given(
    st.one_of(st.text(max_size=10), st.sampled_from(HOSTILE)), st.one_of(st.text(max_size=10), st.sampled_from(HOSTILE))
)
def test_names_of_any_kind(first: str, second: str) -> None:
    w, x, v = Value(2.0, name=first), Value([1.0, 0.5], name=second), Value([[0.5], [1.0]], name=first)
    loss = ((w * x).sigmoid() @ v).sum()
    loss.name = second
    for wrt in (w, x, v, [x, v]):
        d = checked(derive(loss, wrt))
        assert d.python.isascii()
        names = {node.id for node in ast.walk(ast.parse(d.python)) if isinstance(node, ast.Name)}
        assert all(name in d.symbols or name.startswith("delta") or name in ("sum", "range", "s") for name in names)


def test_a_name_is_never_run() -> None:
    w = Value([2.0, 1.0], name="__import__('os').system('false')")
    t = Value([1.0, 1.0], name="t'); import os; ('")
    assert checked(derive((w * t).square().sum(), [w, t])).python.count("import") == 6


# ---- refusals -------------------------------------------------------------------------------------------------------


def test_refusals() -> None:
    net, loss = xor([2, 3, 2])
    cases: list[tuple[type[Exception], str, Callable[[], Any]]] = [
        (UnknownNameError, "derive: nothing that 'C' .* is named 'w9'", lambda: derive(loss, "w9")),
        (UnknownNameError, r"'w2\[-1,0\]' is no element of 'w2', of shape \(3, 2\); .*'w2\[0, 0\]'", lambda: derive(loss, "w2[-1,0]")),  # noqa: E501
        (ArgumentError, "derive: form is 'grouped', 'paths' or 'deltas', got 'x'", lambda: derive(loss, "w1", form="x")),  # type: ignore[arg-type]  # noqa: E501
        (ArgumentError, "derive: the element is in the name already", lambda: derive(loss, "w1[0,0]", at=(0, 0))),
        (ArgumentError, "derive: at= is an element of one Value", lambda: derive(loss, net, at=(0, 0))),
        (ArgumentError, "derive: wrt holds no Values", lambda: derive(loss, [])),
        (ValueTypeError, "derive: wrt is a Value, a name, or several Values, got int", lambda: derive(loss, 3)),
        (ValueTypeError, "derive: takes a recorded Value, got float", lambda: derive(3.0, "w1")),  # type: ignore[arg-type]
        (GraphError, "'t' .* is a constant, to which no gradient flows", lambda: derive(loss, "t")),
        (GraphError, "derive: 'C' .* does not depend on 'u'", lambda: derive(loss, Value([1.0, 2.0], name="u"))),
        (ShapeError, "derive: .* has 4 elements|derive: .*end_at", lambda: derive(Value(np.ones(4)) * 2.0, Value(np.ones(4)))),  # noqa: E501
    ]  # fmt: skip
    for error, message, call in cases:
        with pytest.raises(error, match=message):
            call()
    loss.backward(keep="leaves")
    with pytest.raises(GraphError, match="freed"):
        derive(loss, net)


@pytest.mark.parametrize("form", ["grouped", "deltas"])
@pytest.mark.parametrize("kind", [nn.MLP, nn.scalar.MLP])
@pytest.mark.parametrize("cost", ["mse", "binary_cross_entropy", "hinge", "half_squared_error"])
def test_every_loss_over_several_samples(form: Any, kind: Any, cost: str, rng: np.random.Generator) -> None:
    """A δ belongs to one sample: no two of them are one name."""
    x, t = rng.normal(size=(3, 2)), np.where(rng.random((3, 2)) > 0.5, 1.0, -1.0 if cost == "hinge" else 0.0)
    net = kind(2, [3, 2], activation="tanh", output="linear", rng=0)
    loss = getattr(nn.losses, cost)(net(x), t)
    for parameter in net.parameters():
        checked(derive(loss, parameter, (0,) * parameter.ndim if parameter.shape else None, form=form))


def test_samples_part_behind_a_mean() -> None:
    net = nn.MLP(1, [1], output="linear", rng=0)
    loss = nn.losses.mse(net(np.array([[1.0], [2.0]])), np.array([[0.0], [5.0]]))
    d = checked(derive(loss, "w1", form="deltas"))
    assert d.text.startswith(
        "δ1[s,0]     = ∂C/∂n1[s,0] = n1[s,0] - t[s,0]\n∂C/∂w1[0,0] = Σₛ δ1[s,0] · x[s,0]   (s: samples 0, 1)"
    )


@pytest.mark.parametrize("form", ["grouped", "deltas"])
def test_elements_that_all_samples_read(form: Any, rng: np.random.Generator) -> None:
    """Attention mixes the samples; tied weights are read by each of them."""
    x = Value(rng.normal(size=(4, 3)), name="x", requires_grad=False)
    q, k, w = (Value(rng.normal(size=(3, 2)), name=name) for name in "QKW")
    weights = tg.softmax((x @ q) @ (x @ k).T, axis=-1)
    checked(derive(((weights @ x) ** 2).sum(), q, (2, 1), form=form))
    tied = ((tg.sigmoid(x @ w) @ w.T - x) ** 2).mean()
    checked(derive(tied, w, (2, 1), form=form))


@pytest.mark.parametrize("form", ["grouped", "paths", "deltas"])
def test_of_itself_and_of_nothing(form: Any) -> None:
    a = Value(2.0, name="a")
    assert checked(derive(a, a, form=form)).python == "1"
    assert checked(derive((a * 2.0) * 0.0 + 1.0, a, form=form)).python == "0"
