"""The sides of a benchmark compute the same, and what they are measured against is right by itself."""

from __future__ import annotations

import doctest
import importlib
import math
import sys
from collections.abc import Callable

import numpy as np
import pytest

from benchmarks import handwritten, peers, scalars, sweeps, training
from benchmarks.imports import against_numpy, seconds_of
from benchmarks.training import PROBLEMS, Disagreement, Problem, Trainer
from tinygrad_lite.core.graph import chains, topological
from tinygrad_lite.semirings import COUNT

SMALL = [Problem((3, 5, 4, 2), 6, "logistic"), Problem((3, 5, 4, 4), 6, "classifier"), Problem((3, 2), 1, "classifier")]
NAMES = [f"{problem.kind}-{problem}" for problem in SMALL]


@pytest.mark.parametrize("module", ["handwritten", "measure", "table"])
def test_examples(module: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(f"benchmarks.{module}"))
    assert tried > 0
    assert failed == 0


# ---- the yardstick ---------------------------------------------------------------------------------------------------


def loss_of(problem: Problem) -> Callable[..., tuple[float, list[np.ndarray]]]:
    return handwritten.classifier if problem.kind == "classifier" else handwritten.logistic


@pytest.mark.parametrize("problem", SMALL, ids=NAMES)
def test_hand_written_gradients_against_differences(problem: Problem) -> None:
    parameters, (x, targets) = problem.parameters(), problem.batch()
    _, gradients = loss_of(problem)(parameters, x, targets)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        assert gradient.shape == parameter.shape
        for index in np.ndindex(parameter.shape):
            start = parameter[index]
            sides = []
            for h in (1e-5, -1e-5):
                parameter[index] = start + h
                sides.append(loss_of(problem)(parameters, x, targets)[0])
            parameter[index] = start
            assert gradient[index] == pytest.approx((sides[0] - sides[1]) / 2e-5, abs=1e-8)


@pytest.mark.parametrize("problem", SMALL, ids=NAMES)
def test_hand_written_code_changes_none_of_its_arguments(problem: Problem) -> None:
    parameters, (x, targets) = problem.parameters(), problem.batch()
    loss_of(problem)(parameters, x, targets)
    for now, before in zip([*parameters, x, targets], [*problem.parameters(), *problem.batch()], strict=True):
        np.testing.assert_array_equal(now, before)


def test_classifier_of_huge_logits() -> None:
    loss, gradients = handwritten.classifier([np.array([[1e4, -1e4]]), np.zeros(2)], np.ones((1, 1)), np.array([1]))
    assert loss == pytest.approx(2e4)
    np.testing.assert_allclose(gradients[1], [1.0, -1.0])


def test_sigmoid_from_end_to_end() -> None:
    z = np.array([-700.0, -1.0, 0.0, 1.0, 700.0])
    expected = [math.exp(-700.0), 1.0 / (1.0 + math.e), 0.5, math.e / (1.0 + math.e), 1.0]
    np.testing.assert_allclose(handwritten.sigmoid(z), expected, rtol=1e-14)


def test_a_hand_written_step_descends() -> None:
    trainer = training.by_hand(SMALL[0])
    losses = [trainer.step() for _ in range(50)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]


# ---- the others ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("problem", SMALL, ids=NAMES)
def test_our_training_step_is_the_hand_written_one(problem: Problem) -> None:
    ours, by_hand = training.ours(problem), training.by_hand(problem)
    training.agree(ours, by_hand)
    for _ in range(3):
        ours.step()
        by_hand.step()
    training.agree(ours, by_hand)  # the gradients at where three steps led


@pytest.mark.parametrize("peer", ["autograd", "torch", "jax"])
@pytest.mark.parametrize("problem", SMALL[:2], ids=NAMES[:2])
@pytest.mark.filterwarnings("default")  # theirs are not ours to mend
def test_a_peers_training_step_is_the_hand_written_one(peer: str, problem: Problem) -> None:
    pytest.importorskip(peer)
    side = {"autograd": peers.hips_autograd, "torch": peers.torch_eager, "jax": peers.jax_jit}[peer](problem)
    by_hand = training.by_hand(problem)
    training.agree(side, by_hand)
    for _ in range(3):
        side.step()
        by_hand.step()
    training.agree(side, by_hand)


def test_a_planted_difference_is_found() -> None:
    right = training.by_hand(SMALL[0])
    gradients = [g * (1.0 + 1e-9 * (k == 3)) for k, g in enumerate(right.gradients())]
    with pytest.raises(Disagreement, match="parameter 3: the two sides' gradients differ"):
        training.agree(Trainer(right.step, lambda: gradients), right)


def test_a_nan_is_a_difference() -> None:
    right = training.by_hand(SMALL[0])
    broken = Trainer(right.step, lambda: [g * math.nan for g in right.gradients()])
    with pytest.raises(Disagreement, match="parameter 0"):
        training.agree(broken, right)


def test_problems_are_those_of_the_table() -> None:
    assert [str(problem) for problem in PROBLEMS.values()] == [
        "[2,10,2]×4",
        "[64,128,64,10]×64",
        "[784,512,256,10]×256",
    ]


# ---- sweeps ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", sweeps.FAMILIES)
@pytest.mark.parametrize("n", [1, 3])
def test_edges_from_shapes_are_those_of_the_graph(family: str, n: int) -> None:
    problem = sweeps.FAMILIES[family](n)
    loss, _ = training.recorded(problem)
    of_ops = [
        np.sum(COUNT.pull(chain, COUNT.one(node.shape), node))  # in how many ways its elements reach an operand
        for node in topological(loss)
        for _, _, chain in chains(node)
    ]
    assert sweeps.edges(problem) == sum(of_ops)


@pytest.mark.parametrize("family", sweeps.FAMILIES)
def test_networks_have_about_as_many_edges_as_asked_for(family: str) -> None:
    assert sweeps.edges(sweeps.sized(family, 10**5)) == pytest.approx(10**5, rel=0.25)
    assert sweeps.edges(sweeps.sized(family, 10**7)) == pytest.approx(10**7, rel=0.02)


def test_every_statistic_has_its_rows() -> None:
    from benchmarks.rows import ROWS
    from tinygrad_lite import semirings

    names = {row.name: row for row in ROWS}
    for statistic in set(semirings.__all__) - {"Semiring", "GRADIENT"}:
        assert names[f"sweep-{statistic}-small"].limit in (6.0, 35.0)
        assert names[f"sweep-{statistic}-large-peak"].limit == 4.0
        assert names[f"growth-{statistic}-batch"].limit == 1.1


def test_exact_numbers_are_checked_before_they_are_timed() -> None:
    pair = sweeps.doublings()
    assert (pair.ours(), pair.theirs()) == (2**1000, 1.0)


# ---- scalars ---------------------------------------------------------------------------------------------------------


def test_chain_has_the_gradient_that_it_should() -> None:
    Value, _ = scalars.our_names()
    end = scalars.chain(Value, 3_000)
    end.backward()
    assert end.data == pytest.approx(0.5 + 1_500e-6)
    ops, node = 0, end
    while node.op is not None:
        ops, node = ops + 1, node.parents[0]
    assert (ops, node.data, node.grad) == (3_000, 0.5, 1.0)


def test_mixed_chain_stays_in_bounds() -> None:
    Value, _ = scalars.our_names()
    node = scalars.mixed(Value, 8_000)
    assert 0.0 <= node.data <= 1.1


def test_products_one_by_one_are_the_network() -> None:
    _, MLP = scalars.our_names()
    model = MLP(2, [4, 4, 1])
    points, labels = scalars.moons(5)
    assert set(labels) == {-1, 1}
    for point in points:
        assert scalars.per_op(model, point).data == pytest.approx(model(point).data, rel=1e-12)


def test_both_sides_agree_on_the_network_of_scalars() -> None:
    pytest.importorskip("micrograd")
    scalars.eager()
    scalars.eager_per_op()


def test_an_import_is_timed_in_a_process_of_its_own() -> None:
    assert 0.0 < seconds_of("import json.tool") < 60.0
    assert "json.tool" not in sys.modules
    pair = against_numpy("import time; time.sleep(0.02)")
    assert pair.ours() > 0.02  # type: ignore[operator]
