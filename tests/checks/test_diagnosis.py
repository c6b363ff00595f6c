"""The slip behind a wrong gradient: every one that people make is planted, and found where it was planted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_lite import Value, compare, datasets, gradient_paths, nn, softmax
from tinygrad_lite.checks.diagnosis import find_slip
from tinygrad_lite.checks.evidence import Evidence, first_wrong
from tinygrad_lite.core.graph import ancestors


def sigmoid(z: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-z))


@pytest.fixture
def problem() -> tuple[Value, nn.MLP, Any, Any]:
    rng = np.random.default_rng(0)
    net = nn.MLP([3, 3, 3, 2], rng=0)
    x, t = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    return nn.losses.half_squared_error(net(x), t), net, x, t


def by_hand(net: nn.MLP, x: Any, t: Any, slip: str = "") -> dict[Value, Any]:
    """Backpropagation as a person writes it, with a slip."""
    p = net.named_parameters()
    a = [x]
    for k in (1, 2, 3):
        a.append(sigmoid(a[-1] @ p[f"w{k}"].data + p[f"b{k}"].data))
    delta = (a[3] - t) / (1 if slip == "mean" else len(x))
    found = {}
    for k in (3, 2, 1):
        if slip != f"factor {k}":
            delta = delta * a[k] * (1 - a[k])
        if slip == f"twice {k}":
            delta = delta * a[k] * (1 - a[k])
        found[p[f"w{k}"]] = -a[k - 1].T @ delta if slip == f"sign of w{k}" else a[k - 1].T @ delta
        found[p[f"b{k}"]] = delta.mean(axis=0) if slip == f"mean of b{k}" else delta.sum(axis=0)
        w = p[f"w{k}"].data
        delta = delta @ (w if slip == f"turned {k}" else -w.T if slip == f"sign {k}" else w.T)
    return found


@pytest.mark.parametrize(
    ("slip", "node", "text"),
    [
        ("mean", "C", "every gradient is 5 times too large: was the mean over 5 samples forgotten?"),
        ("factor 3", "n3", "the factor of 'n3' with respect to 'z3' is missing"),
        ("factor 2", "n2", "the factor of 'n2' with respect to 'z2' is missing"),
        ("factor 1", "n1", "the factor of 'n1' with respect to 'z1' is missing"),
        ("twice 2", "n2", "the factor of 'n2' with respect to 'z2' is there twice"),
        ("sign of w2", "z2", "the sign of 'z2' with respect to 'w2' is wrong"),
        ("sign 3", "z3", "the sign of 'z3' with respect to 'n2' is wrong"),
        ("turned 2", "z2", "the matrix between 'z2' and 'n1' is transposed"),
        ("sign of w1", "z1", "the sign of 'z1' with respect to 'w1' is wrong"),
        ("sign 2", "z2", "the sign of 'z2' with respect to 'n1' is wrong"),
        (
            "mean of b2",
            "z2",
            "what 'z2' passes to 'b2' is 5 times too small: was the mean over 5 samples taken of what is a sum?",
        ),
        (
            "mean of b3",
            "z3",
            "what 'z3' passes to 'b3' is 5 times too small: was the mean over 5 samples taken of what is a sum?",
        ),
    ],
)
def test_a_slip_is_found_where_it_was_made(problem: Any, slip: str, node: str, text: str) -> None:
    loss, net, x, t = problem
    found = find_slip(loss, by_hand(net, x, t, slip))
    assert found is not None
    assert (found.node.name, found.text) == (node, text)


def test_what_is_right_has_no_slip(problem: Any) -> None:
    loss, net, x, t = problem
    manual = by_hand(net, x, t)
    assert find_slip(loss, manual) is None
    assert first_wrong(Evidence(loss, manual)) is None


def test_what_nobody_would_do_is_not_explained(problem: Any) -> None:
    loss, net, x, t = problem
    manual = by_hand(net, x, t)
    w2 = net.named_parameters()["w2"]
    manual[w2] = manual[w2] + np.arange(9.0).reshape(3, 3)
    assert find_slip(loss, manual) is None
    assert first_wrong(Evidence(loss, manual)) is w2


def test_a_transposed_result_is_told_by_its_shape() -> None:
    w = Value(np.arange(6.0).reshape(2, 3), name="w")
    loss = (np.ones((4, 2)) @ w).square().sum()
    loss.backward()
    found = find_slip(loss, {w: w.grad.T})
    assert found is not None
    assert found.text == "the gradient of 'w' is transposed"


@pytest.mark.parametrize(
    ("factor", "text"),
    [
        (-1.0, "every gradient has the wrong sign"),
        (4.0, "every gradient is 4 times too large: was the mean over 4 samples forgotten?"),
        (0.25, "every gradient is 4 times too small: was the mean over 4 samples taken twice?"),
        (2.0, "every gradient is multiplied by 2"),
    ],
)
def test_one_number_in_front_of_all(factor: float, text: str) -> None:
    x, t = datasets.half_adder()
    net = nn.scalar.MLP(2, [2, 2, 2], activation="sigmoid", output="sigmoid", rng=0)
    loss = nn.losses.half_squared_error(net(x), t)
    loss.backward()
    found = find_slip(loss, {p: p.grad * factor for p in net.parameters()})
    assert found is not None
    assert found.text == text


def test_a_missing_path_of_a_scalar_network() -> None:
    """w100 reaches the cost by way of n20 and n21: one of them is forgotten, in all samples."""
    x, t = datasets.half_adder()
    net = nn.scalar.MLP(2, [2, 2, 2], activation="sigmoid", output="sigmoid", rng=0)
    loss = nn.losses.half_squared_error(net(x), t)
    loss.backward()
    parameters = net.named_parameters()
    manual = {p: p.grad for p in parameters.values()}
    for name in ("w100", "w110", "b10"):
        for path in gradient_paths(loss, name):
            if any((node.name or "").startswith("z21") for node in path.nodes):
                manual[parameters[name]] -= path.contribution
    found = find_slip(loss, manual)
    assert found is not None
    assert found.text == "the term of 'z21' and its like is missing from the sum over paths at 'n10' and its like"
    wrong = first_wrong(Evidence(loss, manual))
    assert wrong is not None
    assert wrong.name in ("w100", "w110", "b10")


def test_a_hand_written_delta_says_where_it_goes_wrong(problem: Any) -> None:
    loss, net, *_ = problem
    nodes = {node.name: node for node in ancestors(loss) if node.name}
    loss.backward()
    manual = {nodes[name]: nodes[name].grad for name in ("z3", "n2", "z2", "n1", "z1")}
    manual[nodes["z2"]] = nodes["n2"].grad  # without its sigmoid's derivative
    manual[nodes["n1"]] = nodes["n2"].grad @ net.named_parameters()["w2"].data.T
    assert first_wrong(Evidence(loss, manual)) is nodes["z2"]


# ---- planted in the tutorials' networks, seen through compare --------------------------------------------------------


def half_adder_by_hand(p: dict[str, float], x: Any, t: Any, slip: str = "") -> dict[str, float]:
    """Tutorial A's backpropagation in plain Python, over all samples, with a slip."""
    found = dict.fromkeys(p, 0.0)
    for (x0, x1), (t0, t1) in zip(x.tolist(), t.tolist(), strict=True):
        n10, n11 = (sigmoid(p[f"w10{k}"] * x0 + p[f"w11{k}"] * x1 + p[f"b1{k}"]) for k in (0, 1))
        n20, n21 = (sigmoid(p[f"w20{k}"] * n10 + p[f"w21{k}"] * n11 + p[f"b2{k}"]) for k in (0, 1))
        n30, n31 = (sigmoid(p[f"w30{k}"] * n20 + p[f"w31{k}"] * n21 + p[f"b3{k}"]) for k in (0, 1))
        out0 = t0 - n30 if slip == "sign of the first error" else n30 - t0
        out1 = 0.0 if slip == "only the first output" else n31 - t1
        d30 = out0 / 4 * (1 if slip == "factor of n30" else n30 * (1 - n30))
        d31 = out1 / 4 * n31 * (1 - n31)
        d20 = d30 * p["w300"] + (0.0 if slip == "n31 does not reach n20" else d31 * p["w301"])
        d21 = (1.0 if slip == "w310 left out" else p["w310"]) * d30 + d31 * p["w311"]
        d20 *= 1 if slip in ("factor of n20", "factors of layer 2") else n20 * (1 - n20)
        d21 *= 1 if slip == "factors of layer 2" else n21 * (1 - n21)
        if slip == "n20 twice":
            d20 *= n20 * (1 - n20)
        d10 = (d20 * p["w200"] + (-1 if slip == "sign of z21 at n10" else 1) * d21 * p["w201"]) * n10 * (1 - n10)
        d11 = ((0.0 if slip == "n20 does not reach n11" else d20 * p["w210"]) + d21 * p["w211"]) * n11 * (1 - n11)
        for k, (z10, z20, z30) in enumerate(((d10, d20, d30), (d11, d21, d31))):
            if slip == "bias of layer 1" and k == 0:
                z10 = z10 * 4
            found[f"b1{k}"] += z10
            z10 = z10 / 4 if slip == "bias of layer 1" and k == 0 else z10
            found[f"w10{k}"] += z10 * x0
            found[f"w11{k}"] += z10 * (1.0 if slip == "x1 left out" and k == 1 else x1)
            found[f"b2{k}"] += z20
            found[f"w20{k}"] += z20 * n10
            found[f"w21{k}"] += (-z20 if slip == "sign of w211" and k == 1 else z20) * n11
            found[f"b3{k}"] += z30
            found[f"w30{k}"] += z30 * n20
            found[f"w31{k}"] += z30 * n21
    return found


@pytest.mark.parametrize(
    ("slip", "node", "text"),
    [
        ("factor of n30", "n30", "the factor of 'n30' and its like with respect to 'z30' and its like is missing"),
        ("factor of n20", "n20", "the factor of 'n20' and its like with respect to 'z20' and its like is missing"),
        ("factors of layer 2", "n20", "the factor of 'n20' and its like with respect to 'z20' and its like is missing"),
        ("n20 twice", "n20", "the factor of 'n20' and its like with respect to 'z20' and its like is there twice"),
        ("n31 does not reach n20", "z31", "the term of 'z31' and its like is missing from the sum over paths at 'n20'"),
        ("n20 does not reach n11", "z20", "the term of 'z20' and its like is missing from the sum over paths at 'n11'"),
        ("w310 left out", "z30", "the factor of 'z30' and its like with respect to 'n21' and its like is missing"),
        ("x1 left out", "z11", "the factor of 'z11' and its like with respect to 'w111' and its like is missing"),
        ("sign of z21 at n10", "z21", "the sign of 'z21' and its like with respect to 'n10' and its like is wrong"),
        ("sign of w211", "z21", "the sign of 'z21' and its like with respect to 'w211' and its like is wrong"),
        ("sign of the first error", "", "the sign of a nameless result of 'sub'"),
        ("only the first output", "", "the term of a nameless result of 'sub'"),
        ("bias of layer 1", "z10", "what 'z10' and its like passes to 'b10' and its like is 4 times too large"),
    ],
)
def test_a_slip_in_a_network_of_scalars(slip: str, node: str, text: str) -> None:
    x, t = datasets.half_adder()
    net = nn.scalar.MLP(2, [2, 2, 2], activation="sigmoid", output="sigmoid", rng=3)
    loss = nn.losses.half_squared_error(net(x), t)
    p = {name: float(value.data) for name, value in net.named_parameters().items()}
    assert compare(loss, manual=half_adder_by_hand(p, x, t), wrt=net)
    found = compare(loss, manual=half_adder_by_hand(p, x, t, slip), wrt=net)
    assert not found
    where, what, *_ = found.diagnosis
    assert where.startswith(f"first wrong at '{node}@" if node else "first wrong at a nameless result of 'sub'"), where
    assert what.startswith(f"the likely slip: {text}"), what


@pytest.mark.parametrize(
    ("slip", "node", "text"),
    [
        ("skip", "y", "the term of 'y' is missing from the sum over paths at 'h'"),
        ("branch", "z", "the term of 'z' is missing from the sum over paths at 'h'"),
        ("decay", "C", "the term of 'C' is missing from the sum over paths at 'decay'"),
        ("slope", "a", "the factor of 'a' with respect to 'z' is missing"),
        ("sign of the decay", "C", "the sign of 'C' with respect to 'decay' is wrong"),
        ("turned", "z", "the matrix between 'z' and 'h' is transposed"),
    ],
)
def test_a_slip_where_ways_meet(slip: str, node: str, text: str) -> None:
    """A residual block with a penalty on its weights: ``h`` and ``w2`` are reached in two ways."""
    rng = np.random.default_rng(2)
    x, t, w1, w2 = (rng.normal(size=shape) for shape in ((5, 2), (5, 3), (2, 3), (3, 3)))
    first, second = Value(w1, name="w1"), Value(w2, name="w2")
    h = x @ first
    z = h @ second
    a = z.tanh()
    y = h + a
    decay = 0.05 * second.square().sum()
    for value, name in ((h, "h"), (z, "z"), (a, "a"), (y, "y"), (decay, "decay")):
        value.name = name
    loss = nn.losses.half_squared_error(y, t) + decay
    loss.name = "C"

    def by_hand(slip: str = "") -> dict[str, Any]:
        h = x @ w1
        a = np.tanh(h @ w2)
        dy = (h + a - t) / 5
        dz = dy * (1 if slip == "slope" else 1 - a**2)
        back = w2 if slip == "turned" else w2.T
        dh = (0 if slip == "skip" else dy) + (0 if slip == "branch" else dz @ back)
        penalty = {"decay": 0.0, "sign of the decay": -0.1}.get(slip, 0.1) * w2
        return {"w1": x.T @ dh, "w2": h.T @ dz + penalty}

    assert compare(loss, manual=by_hand)
    found = compare(loss, manual=by_hand(slip))
    assert not found
    assert found.diagnosis[0].startswith(f"first wrong at '{node}'"), found.diagnosis
    assert found.diagnosis[1] == f"the likely slip: {text}"


# ---- slips that are told from one gradient, from a loss of any size, and in softmax ----------------------------------


def told(loss: Value, manual: dict[str, Any]) -> tuple[str, ...]:
    return compare(loss, manual=manual, difference_tolerance=0.1).diagnosis


def test_a_transposed_gradient_of_a_square_matrix(rng: np.random.Generator) -> None:
    w, b = Value(rng.normal(size=(3, 3)), name="W"), Value(rng.normal(size=3), name="b")
    loss = (rng.normal(size=(4, 3)) @ w + b).square().sum()
    loss.backward()
    assert told(loss, {"W": w.grad.T, "b": b.grad})[1] == "the likely slip: the gradient of 'W' is transposed"


def test_two_square_matrices_that_are_both_transposed(rng: np.random.Generator) -> None:
    first, second = (Value(rng.normal(size=(3, 3)), name=name) for name in ("W1", "W2"))
    loss = ((np.tanh(rng.normal(size=(4, 3)) @ first) @ second) ** 2).mean()
    loss.backward()
    slip = told(loss, {"W1": first.grad.T, "W2": second.grad.T})[1]
    assert slip == "the likely slip: the gradient of 'W1' is transposed"


@pytest.mark.parametrize("noise", [0.0, 1e-16])
def test_a_gradient_that_is_only_rounding_is_not_blamed(rng: np.random.Generator, noise: float) -> None:
    """A bias before a batch norm has the gradient 0, but for the rounding of whoever computes it."""
    w, b, v = (Value(rng.normal(size=shape), name=name) for name, shape in (("W", (3, 4)), ("b", (4,)), ("V", (4, 2))))
    z = rng.normal(size=(6, 3)) @ w + b
    centred = z - z.mean(axis=0)
    y = np.tanh(centred / np.sqrt((centred**2).mean(axis=0) + 1e-5)) @ v
    y.name = "y"
    loss = (y**2).sum()
    loss.backward()
    right = {"W": w.grad, "b": b.grad + noise * rng.normal(size=4), "V": v.grad}
    assert compare(loss, manual=right, wrt=[w, b, v])
    where, why = told(loss, right | {"W": w.grad * np.array([[3.0], [1.0], [1.0]])})
    assert "that is wrong is that of 'W'" in where
    assert why == "no single slip explains it"
    assert told(loss, right | {"V": -v.grad})[1] == "the likely slip: the sign of 'y' with respect to 'V' is wrong"
    assert told(loss, right | {"b": b.grad + 1.0})[0].count("'b'")


@pytest.mark.parametrize(
    ("factor", "what"),
    [(12, "all 4 · 3 elements"), (4, "4 samples"), (3, "an axis of 3 elements")],
)
def test_a_mean_of_the_loss_that_was_forgotten(rng: np.random.Generator, factor: int, what: str) -> None:
    w = Value(rng.normal(size=(2, 3)), name="W")
    loss = ((rng.normal(size=(4, 2)) @ w - rng.normal(size=(4, 3))) ** 2).mean()
    loss.backward()
    found = compare(loss, manual={"W": factor * w.grad}, difference_tolerance=0.1)
    assert found.diagnosis[1] == (
        f"the likely slip: every gradient is {factor} times too large: was the mean over {what} forgotten?"
    )
    assert str(found).splitlines()[-1] == found.diagnosis[1]  # a question has its mark, and no full stop after it


@pytest.mark.parametrize(
    ("slip", "text"),
    [
        ("diagonal", "only the diagonal s(1 - s) is there"),
        ("without the sum", "only diag(s) is there, without - s sᵀ"),
        ("missing", "is missing"),
    ],
)
def test_slips_of_softmax(rng: np.random.Generator, slip: str, text: str) -> None:
    x, t = rng.normal(size=(5, 2)), rng.normal(size=(5, 3))
    w = Value(rng.normal(size=(2, 3)), name="W")
    p = softmax(x @ w)
    p.name = "p"
    s: Any = p.data
    g = 2 * (s - t)
    delta = {"diagonal": g * s * (1 - s), "without the sum": g * s, "missing": g}[slip]
    diagnosis = told(((p - t) ** 2).sum(), {"W": x.T @ delta})
    assert diagnosis[0].startswith("first wrong at 'p'")
    assert "the softmax 'p'" in diagnosis[1]
    assert diagnosis[1].endswith(text)
    right = s * (g - (g * s).sum(axis=1, keepdims=True))
    assert told(((p - t) ** 2).sum(), {"W": x.T @ right}) == ()


@pytest.mark.parametrize(
    ("activation", "derivative", "text"),
    [
        ("sigmoid", lambda n: n, "only n, and not n(1 - n)"),
        ("sigmoid", lambda n: 1 - n, "only 1 - n, and not n(1 - n)"),
        ("tanh", lambda n: 1 - n, "1 - n, and not 1 - n²"),
    ],
)
def test_half_a_factor(rng: np.random.Generator, activation: str, derivative: Any, text: str) -> None:
    net = nn.MLP([2, 3, 1], activation=activation, output="linear", rng=0)
    x, t = rng.normal(size=(4, 2)), rng.normal(size=(4, 1))
    loss = nn.losses.half_squared_error(net(x), t)
    loss.backward()
    p = net.named_parameters()
    n1 = (sigmoid if activation == "sigmoid" else np.tanh)(x @ p["w1"].data + p["b1"].data)
    delta = (n1 @ p["w2"].data + p["b2"].data - t) / 4 @ p["w2"].data.T * derivative(n1)
    manual = {name: v.grad for name, v in p.items()} | {"w1": x.T @ delta, "b1": delta.sum(axis=0)}
    found = compare(loss, manual=manual, wrt=net).diagnosis
    assert found[1] == f"the likely slip: the factor of 'n1' with respect to 'z1' is {text}"


def test_where_no_slip_explains_it_the_stretch_is_named(problem: Any) -> None:
    loss, net, x, t = problem
    manual = {p.name or "": g for p, g in by_hand(net, x, t).items()}
    manual["w2"] = manual["w2"] + np.arange(9.0).reshape(3, 3)
    first, second = compare(loss, manual=manual, wrt=net).diagnosis
    assert first == (
        "coming from the end, the first of the gradients given that is wrong is that of 'w2' (of shape (3, 3)); "
        "the mistake is on the way there from 'z2' (of shape (5, 3))"  # which the right b2, b1 and w1 prove right
    )
    assert second == "no single slip explains it"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [1e-200, 1.0, 1e200])
def test_the_size_of_the_loss_does_not_matter(rng: np.random.Generator, size: float) -> None:
    w = Value(rng.normal(size=3), name="w")
    loss = (w * rng.normal(size=3)).square().sum() * size
    loss.backward()
    assert told(loss, {"w": -w.grad})[1] == "the likely slip: every gradient has the wrong sign"


def test_what_is_wrong_by_little_has_a_diagnosis_too(problem: Any) -> None:
    loss, net, x, t = problem
    manual = {p.name or "": g * (1 + 1e-8) for p, g in by_hand(net, x, t).items()}
    comparison = compare(loss, manual=manual, wrt=net)
    assert not comparison
    assert "every gradient is multiplied by 1.00000001" in comparison.diagnosis[1]
