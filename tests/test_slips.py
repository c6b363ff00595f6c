"""The slip behind a wrong gradient: every one that people make is planted, and found where it was planted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_lite import Value, datasets, gradient_paths, nn
from tinygrad_lite.slips import find_slip, first_wrong
from tinygrad_lite.sweeping import ancestors


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
        found[p[f"b{k}"]] = delta.sum(axis=0)
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
    assert first_wrong(loss, manual) is None


def test_what_nobody_would_do_is_not_explained(problem: Any) -> None:
    loss, net, x, t = problem
    manual = by_hand(net, x, t)
    w2 = net.named_parameters()["w2"]
    manual[w2] = manual[w2] + np.arange(9.0).reshape(3, 3)
    assert find_slip(loss, manual) is None
    assert first_wrong(loss, manual) is w2


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
    wrong = first_wrong(loss, manual)
    assert wrong is not None
    assert wrong.name in ("w100", "w110", "b10")


def test_a_hand_written_delta_says_where_it_goes_wrong(problem: Any) -> None:
    loss, net, *_ = problem
    nodes = {node.name: node for node in ancestors(loss) if node.name}
    loss.backward()
    manual = {nodes[name]: nodes[name].grad for name in ("z3", "n2", "z2", "n1", "z1")}
    manual[nodes["z2"]] = nodes["n2"].grad  # without its sigmoid's derivative
    manual[nodes["n1"]] = nodes["n2"].grad @ net.named_parameters()["w2"].data.T
    assert first_wrong(loss, manual) is nodes["z2"]
