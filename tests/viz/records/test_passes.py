"""The two passes as steps: true equations, and layers that can be computed one after the other."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.viz.equations import worked_out
from tinygrad_lite import Value, datasets, nn
from tinygrad_lite.core.elementwise_derivatives import TABLE
from tinygrad_lite.core.graph import ancestors
from tinygrad_lite.formulas.printer import number_text
from viz.records.graph import named_regions
from viz.records.passes import NAME, Equation, backward_layers, equation, forward_layers


def half_adder() -> Value:
    x, t = datasets.half_adder()
    net = nn.scalar.MLP(2, [2, 2, 2], activation="sigmoid", output="sigmoid", rng=0)
    return nn.losses.half_squared_error(net(x), t)


def test_the_numbers_of_every_step_of_the_half_adder_give_its_value() -> None:
    loss = half_adder()
    made = [node for node in ancestors(loss) if not node.is_leaf]
    for node in made:
        found = equation(node)
        size = max(1.0, *(abs(float(parent.data)) for parent in node.parents))
        assert worked_out(found.numbers) == pytest.approx(float(node.data), abs=3e-3 * size), node
    (z,) = (node for node in made if node.name == "z21@1")
    assert equation(z).symbols == "w201·n10@1 + w211·n11@1 + b21"
    numbers = [number_text(float(parent.data)) for parent in (*z.parents,)]
    assert equation(z).numbers == "{}·{} + {}·{} + {}".format(*(numbers[k] for k in (0, 2, 1, 3, 4)))


@pytest.mark.parametrize("name", list(TABLE))
def test_every_line_of_the_table_has_an_equation_in_its_operands(name: str) -> None:
    operands = [Value((low + 2 * high) / 3 + 0.0123 * k) for k, (low, high) in enumerate(TABLE[name].domain)]
    found = equation(getattr(tg.elementary, name)(*operands))
    for operand in operands:
        assert number_text(operand.item()) in found.numbers
    named = [Value(operand.item(), name=f"n{k}") for k, operand in enumerate(operands)]
    found = equation(getattr(tg.elementary, name)(*named))
    assert all(f"n{k}" in found.symbols for k in range(len(named)))


def test_a_negative_term_is_subtracted_and_a_long_name_is_a_letter() -> None:
    w, x, b = Value(8.796, name="w"), Value(0.7069, name="x"), Value(-3.332, name="b")
    assert equation(tg.weighted_sum([w], [x], b)) == Equation("w·x + b", "8.796·0.7069 - 3.332")
    assert equation(Value(2.0) * Value(-3.0)) == Equation("", "2(-3)")
    long = Value(2.0, name="n" * (NAME + 1))
    assert equation(long.tanh()) == Equation("tanh(x)", "tanh(2)")
    assert equation(tg.weighted_sum([w] * 50, [x] * 50, b)) == Equation("", "")  # longer than a line


def test_arrays_have_an_equation_of_their_names() -> None:
    mlp = nn.MLP(2, [3, 2], rng=0)
    loss = nn.losses.half_squared_error(mlp([[0.0, 1.0]]), [[1.0, 0.0]])
    found = {node.name: equation(node) for node in ancestors(loss) if node.name and not node.is_leaf}
    assert found["n1"] == Equation("σ(z1)", "")
    assert "w1" in found["z1"].symbols


@pytest.mark.parametrize(
    "make", [half_adder, lambda: nn.losses.mse(nn.MLP(3, [4, 2], rng=0)(np.ones((2, 3))), np.zeros((2, 2)))]
)
def test_a_layer_needs_only_the_layers_before_and_what_comes_earlier_in_it(make: object) -> None:
    loss = make()  # type: ignore[operator]
    order, regions = ancestors(loss), named_regions(loss)
    place = {node: k for k, node in enumerate(order)}
    forward, backward = forward_layers(order, regions), backward_layers(order, regions)
    for node in order:
        for parent in node.parents:
            if not parent.is_leaf:
                assert (forward.of[parent], place[parent]) < (forward.of[node], place[node])
            if parent.requires_grad:
                assert backward.of[parent] >= backward.of[node]
    for layers in (forward, backward):
        assert set(layers.of.values()) == set(range(len(layers.modules)))
        for node, number in layers.of.items():
            if layers.modules[number] and not node.is_leaf:
                assert regions[node][0].name == layers.modules[number]


def test_a_network_has_a_step_for_each_of_its_layers() -> None:
    loss = half_adder()
    order, regions = ancestors(loss), named_regions(loss)
    assert [m for m in forward_layers(order, regions).modules if m] == ["layers.0", "layers.1", "layers.2"]
    assert [m for m in backward_layers(order, regions).modules if m] == ["layers.2", "layers.1", "layers.0"]
    y = x = Value(1.0, name="x")
    for _ in range(1_000):
        y = y + x
    assert len(forward_layers(ancestors(y), {}).modules) == 1_000
