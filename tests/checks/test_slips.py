"""Gradients given as numbers alone: each planted mistake is named, or bracketed by a stretch that contains its edge."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.checks import planted
from tinygrad_lite import Value
from tinygrad_lite.checks.diagnosis import diagnosed
from tinygrad_lite.checks.evidence import Closeness
from tinygrad_lite.checks.factors import number_name
from tinygrad_lite.core.graph import ancestors


def close(given: dict[Value, Any]) -> Closeness:
    return Closeness(4e-10, dict.fromkeys(given, 1e-13))


def values_of(loss: Value) -> dict[str, Value]:
    return {value.name: value for value in ancestors(loss) if value.name}


def told(network: planted.Network, slip: str, parameters_only: bool) -> tuple[dict[str, Value], tuple[str, ...]]:
    loss, gradients = network(slip)
    values = values_of(loss)
    given = {values[name]: g for name, g in gradients.items() if values[name].is_leaf or not parameters_only}
    return values, diagnosed(loss, given, close(given))


def brackets(values: dict[str, Value], sentence: str, edge: tuple[str, str]) -> bool:
    """Whether the edge lies on the way between the two Values that a stretch names."""
    wrong, right = (re.findall(rf"{word} '(\w+)'", sentence) for word in ("is that of", "from"))
    node, operand = (values[name] for name in edge)
    return node in set(ancestors(values[right[0]])) and values[wrong[0]] in set(ancestors(operand))


@pytest.mark.parametrize("parameters_only", [False, True], ids=["all", "parameters"])
@pytest.mark.parametrize(
    ("network", "slip", "edge", "said"), planted.MISTAKES, ids=[f"{m[0].__name__}: {m[1]}" for m in planted.MISTAKES]
)
def test_every_mistake_is_named_or_bracketed(
    network: planted.Network, slip: str, edge: tuple[str, str], said: str | None, parameters_only: bool
) -> None:
    values, sentences = told(network, slip, parameters_only)
    if said is None:
        assert sentences[1] == "no single slip explains it"
        assert brackets(values, sentences[0], edge), sentences[0]
    else:
        assert any(said in sentence for sentence in sentences[1:]), sentences


@pytest.mark.parametrize("network", dict.fromkeys(m[0] for m in planted.MISTAKES))
def test_right_gradients_are_never_blamed(network: planted.Network) -> None:
    loss, gradients = network("")
    comparison = tg.compare(
        loss,
        manual=gradients,
        wrt=[v for v in values_of(loss).values() if v.is_leaf and v.requires_grad],
        numerical=False,
    )
    assert comparison, comparison
    assert comparison.diagnosis == ()


def test_what_right_gradients_prove_shortens_the_stretch() -> None:
    """dW3 and db3 are right, so the cotangent of y is; without them it may be wrong already."""
    loss, gradients = planted.mlp("tanh' + 1")
    values = values_of(loss)
    given = {values[name]: gradients[name] for name in ("W1", "b1", "W2", "b2", "W3", "b3")}
    assert "from 'y'" in diagnosed(loss, given, close(given))[0]
    for name in ("W3", "b3"):
        del given[values[name]]
    assert "from 'L'" in diagnosed(loss, given, close(given))[0]


@pytest.mark.parametrize(
    ("slips", "texts"),
    [
        (("db3 mean", "tanh' 1 - n"), ("passes to 'b3' is 5 times too small", "the factor of 'a2'")),
        (("sign of dW2", "db1 mean"), ("with respect to 'W2' is wrong", "passes to 'b1' is 5 times too small")),
        (("db3 mean", "W2 not transposed"), ("passes to 'b3' is 5 times too small", "the matrix between")),
    ],
)
def test_two_slips_that_give_all_the_numbers_together(slips: tuple[str, str], texts: tuple[str, str]) -> None:
    (loss, right), (_, first), (_, second) = (planted.mlp(slip) for slip in ("", *slips))
    values = values_of(loss)
    theirs = {name: g for name, g in first.items() if not np.allclose(g, right[name])}  # a leaf, as the slip is at one
    gradients = second | theirs
    given = {values[name]: g for name, g in gradients.items()}
    sentence = diagnosed(loss, given, close(given))[1]
    assert sentence.startswith("two slips together give the numbers: ")
    for text in texts:
        assert text in sentence


def test_a_right_gradient_that_could_not_tell_proves_nothing() -> None:
    """Whatever goes by way of the variance adds nothing to the gradient of the mean."""
    w, v = Value(np.random.default_rng(0).normal(size=(3, 4)), name="w"), np.random.default_rng(1).normal(size=(5, 4))
    h = np.random.default_rng(2).normal(size=(5, 3)) @ w
    mu = h.mean(axis=0)
    d = h - mu
    deviation = np.sqrt((d * d).mean(axis=0) + 0.1)
    out = d / deviation
    loss = (out * v).sum()
    planted.named(h=h, mu=mu, d=d, deviation=deviation, out=out, L=loss)
    loss.backward()
    dd = v / deviation.data + (np.arange(4.0) - d.data.mean(axis=0)) * d.data  # another gradient of the deviation
    given = {mu: -dd.sum(axis=0), h: dd - dd.mean(axis=0)}
    assert close(given).of(given[mu], mu.grad, mu)
    where, why = diagnosed(loss, given, close(given))
    assert why == "no single slip explains it"
    assert "from 'out'" in where


def test_two_explanations_are_both_said() -> None:
    """With parameters alone nothing tells the sign of y -> a2 from that of a2 -> z2."""
    _, sentences = told(planted.mlp, "sign of da2", parameters_only=True)
    assert "'a2'" in sentences[1]
    assert "'a2' with respect to 'z2'" in sentences[2]
    _, sentences = told(planted.mlp, "sign of da2", parameters_only=False)
    assert len(sentences) == 2 or "'z2'" not in sentences[2]


@pytest.mark.parametrize("seed", range(4))
def test_what_is_no_slip_is_not_explained(seed: int, rng: np.random.Generator) -> None:
    """Numbers that come from nowhere, in one gradient or in all from a node on."""
    loss, gradients = planted.mlp("")
    values = values_of(loss)
    rng = np.random.default_rng(seed)
    wrong: dict[Value, Any] = {values[name]: g for name, g in gradients.items()}
    for name in (["W2"], ["b1"], ["z1", "W1", "b1"], ["a1", "z1", "W1", "b1"])[seed]:
        wrong[values[name]] = wrong[values[name]] * rng.uniform(0.5, 2, size=values[name].shape)
    where, why = diagnosed(loss, wrong, close(wrong))
    assert why == "no single slip explains it"
    assert ["from 'z2'", "from 'z1'", "from 'a1'", "from"][seed] in where


def test_a_gradient_that_is_only_rounding_proves_nothing() -> None:
    """The gradient of a bias before a batch norm is 0 whatever comes from the end."""
    rng = np.random.default_rng(0)
    w, b = Value(rng.normal(size=(3, 4)), name="w"), Value(rng.normal(size=4), name="b")
    h = rng.normal(size=(5, 3)) @ w + b
    d = h - h.mean(axis=0)
    loss = ((d / np.sqrt((d * d).mean(axis=0) + 0.1)) * rng.normal(size=(5, 4))).sum()
    planted.named(h=h, d=d, L=loss)
    loss.backward()
    given = {w: w.grad * rng.uniform(0.5, 2.0, size=(3, 4)), b: b.grad}
    assert "from 'L'" in diagnosed(loss, given, close(given))[0]


def test_factors_are_named_in_float32_too() -> None:
    rng = np.random.default_rng(0)
    w, b, v = (
        Value(rng.normal(size=s).astype(np.float32), name=n) for n, s in (("w", (3, 4)), ("b", 4), ("v", (4, 2)))
    )
    z = rng.normal(size=(5, 3)).astype(np.float32) @ w + b
    y = z.tanh() @ v
    planted.named(z=z, y=y)
    loss = (y * y).sum()
    loss.backward()
    manual = {"w": w.grad, "b": b.grad / np.float32(5), "v": v.grad}
    found = tg.compare(loss, manual=manual, numerical=False).diagnosis
    assert "what 'z' passes to 'b' is 5 times too small" in found[1], found


def test_a_gradient_given_wrong_from_which_right_ones_came() -> None:
    loss, gradients = planted.mlp("")
    values = values_of(loss)
    given = {values[name]: g for name, g in gradients.items()} | {values["z2"]: gradients["a2"]}
    assert diagnosed(loss, given, close(given))[1] == (
        "the likely slip: the gradient given for 'z2', from which right ones were computed, is that of 'a2'"
    )


@pytest.mark.parametrize(
    ("number", "name"),
    [(2.0, "2"), (-0.5, "-1/2"), (5.0, "5"), (0.2, "1/5"), (1.25, "5/4"), (0.8, "4/5"), (0.25, "1/4"), (0.123, "")],
)
def test_numbers_are_named_after_what_they_count(number: float, name: str) -> None:
    assert number_name(number, [5]) == name
