"""The training loop: it stops where it says, and says why."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import Value, datasets, nn, optim
from tinygrad_lite.errors import ArgumentError, ValueTypeError
from tinygrad_lite.training import train


def square(lr: float = 0.25) -> tuple[Value, Any, optim.SGD]:
    w = Value(3.0, name="w")
    return w, lambda: w * w, optim.SGD([w], lr)


def test_it_stops_at_the_goal_and_the_cost_is_that_of_the_parameters() -> None:
    w, loss, optimizer = square()
    history = train(loss, optimizer, steps=100, goal=1e-3, progress=False)
    assert history.reached
    assert history.costs == [9.0 / 4**k for k in range(8)]  # each step halves w
    assert history.steps == 7
    assert history.cost == w.data**2 < 1e-3
    assert str(history) == "7 steps: cost 0.000549316, below the goal of 0.001"


@pytest.mark.parametrize(("goal", "steps"), [(2.25, 2), (2.26, 1), (2.0, 2)])
def test_the_cost_must_be_below_the_goal(goal: float, steps: int) -> None:
    _, loss, optimizer = square()
    assert train(loss, optimizer, steps=100, goal=goal, progress=False).steps == steps  # costs 9, 2.25, 0.5625


def test_the_limit_is_said_to_be_reached() -> None:
    w, loss, optimizer = square()
    history = train(loss, optimizer, steps=3, goal=1e-3, progress=False)
    assert not history.reached
    assert history.steps == 3
    assert history.cost == w.data**2 == 9 / 64
    assert str(history) == (
        "limit of 3 steps reached: cost 0.140625, not below the goal of 0.001; "
        "try another seed, another learning rate or more steps"
    )


def test_without_a_goal_it_uses_all_steps() -> None:
    _, loss, optimizer = square()
    history = train(loss, optimizer, steps=1000, progress=False)
    assert str(history) == f"1,000 steps: cost {history.cost:.6g}"
    assert not history.reached


def test_nothing_is_changed_if_the_goal_is_reached_at_once() -> None:
    w, loss, optimizer = square()
    history = train(loss, optimizer, steps=5, goal=10.0, progress=False)
    assert (history.steps, history.reached, w.data) == (0, True, 3.0)


def test_old_gradients_do_not_count() -> None:
    w, loss, optimizer = square()
    w.grad = 1000.0
    train(loss, optimizer, steps=1, progress=False)
    assert w.data == 1.5


def test_after_each_step() -> None:
    w, loss, optimizer = square()
    seen: list[tuple[int, float, float]] = []
    train(loss, optimizer, steps=2, progress=False, after=lambda step, cost: seen.append((step, cost, w.data)))
    assert seen == [(0, 9.0, 1.5), (1, 2.25, 0.75)]


def test_a_bar_is_shown_on_stderr_and_only_there(capsys: pytest.CaptureFixture[str]) -> None:
    _, loss, optimizer = square()
    train(loss, optimizer, steps=3, description="half adder")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "half adder" in shown.err
    assert "3/3" in shown.err
    assert "cost 0.141" in shown.err
    train(loss, optimizer, steps=3, progress=False)
    assert capsys.readouterr().err == ""


def test_a_cost_that_is_no_number_ends_it() -> None:
    w, loss, optimizer = square(lr=1e6)
    with pytest.raises(
        ArgumentError, match=r"train: the cost became inf after \d+ steps; use a smaller lr than 1e\+06"
    ):
        train(loss, optimizer, steps=1000, progress=False)
    w.data = float("nan")
    with pytest.raises(ArgumentError, match=r"nan after 0 steps; 'w' is nan in the weights to start from: use others"):
        train(loss, optimizer, steps=1000, progress=False)


def regression(x: Any, t: Any, lr: float = 0.1) -> tuple[nn.MLP, Any]:
    net = nn.MLP([2, 3, 1], activation="tanh", output="linear", rng=0)
    return net, lambda: train(
        lambda: nn.losses.mse(net(x), t), optim.SGD(net.parameters(), lr=lr), steps=200, progress=False
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_cost_that_is_no_number_because_of_the_data_names_the_place(bad: float) -> None:
    x, t = np.ones((4, 2)), np.zeros((4, 1))
    broken = x.copy()
    broken[2, 1] = bad * 0.0 if np.isnan(bad) else bad
    if np.isnan(bad):
        message = (
            r"cost became nan after 0 steps; 'x' \(of shape \(4, 2\)\) holds nan at row 2, column 1 in the data: leave"
        )
        with pytest.raises(ArgumentError, match=message):
            regression(Value(broken, name="x", requires_grad=False), t)[1]()
        with pytest.raises(ArgumentError, match=r"holds nan at row 2, column 1 in the data"):
            regression(broken, t)[1]()
    target = t.copy()
    target[1:3] = bad
    with pytest.raises(
        ArgumentError, match=r"'t' \(of shape \(4, 1\)\) holds (nan|inf) at row 1, column 0 and in 1 other place"
    ):
        regression(x, target)[1]()
    w = Value(1.0, name="w")
    with pytest.raises(ArgumentError, match=r"'t' \(of shape \(4,\)\) holds (nan|inf) at element 1"):
        train(lambda: nn.losses.mse(w * np.ones(4), target[:, 0]), optim.SGD([w], lr=0.1), steps=2, progress=False)


def test_scalar_data_that_are_no_numbers_are_named() -> None:
    net = nn.scalar.MLP(2, [2, 1], activation="tanh", rng=0)
    rows = [[0.0, 1.0], [float("nan"), 1.0]]
    with pytest.raises(ArgumentError, match="'x0@1' is nan in the data"):
        train(
            lambda: nn.losses.mse([[y] for y in net.batch(rows)], [[0.0], [1.0]]),
            optim.SGD(net.parameters(), lr=0.1),
            steps=2,
            progress=False,
        )


def test_infinities_that_are_meant_are_not_blamed_for_a_step_that_is_too_large() -> None:
    mask, hole = np.array([0.0, -np.inf, 0.0]), np.array([1.0, np.nan, 1.0])
    w = Value([1.0, 2.0, 3.0], name="w")

    def loss() -> Value:
        known = tg.where(np.isfinite(hole), hole, 0.0)
        return (tg.softmax(w + mask) * known).sum() + w.square().square().sum()

    match = r"after [1-9]\d* steps; use a smaller lr than 10"
    with np.errstate(all="ignore"), pytest.raises(ArgumentError, match=match):
        train(loss, optim.SGD([w], lr=10.0), steps=100, progress=False)


@pytest.mark.parametrize("steps", [0, -1, 1.5, True, "10"])
def test_bad_limits(steps: Any) -> None:
    _, loss, optimizer = square()
    with pytest.raises(ArgumentError, match="train: steps is a whole number of at least 1, got"):
        train(loss, optimizer, steps=steps)


@pytest.mark.parametrize("goal", [0.0, -1.0, float("nan")])
def test_bad_goals(goal: float) -> None:
    _, loss, optimizer = square()
    with pytest.raises(ArgumentError, match="train: goal is a cost above 0, got"):
        train(loss, optimizer, steps=1, goal=goal)


def test_a_loss_is_a_value() -> None:
    _, _, optimizer = square()
    with pytest.raises(ValueTypeError, match=r"train: loss\(\) must return a scalar Value, got float"):
        train(lambda: 1.0, optimizer, steps=1, progress=False)  # type: ignore[arg-type, return-value]


def test_xor_is_learned() -> None:
    x, t = datasets.xor()
    mlp = nn.MLP(2, [10, 2], rng=0)
    optimizer = optim.Adam(mlp.parameters(), lr=0.1)
    train(lambda: nn.losses.half_squared_error(mlp(x), t, "sum"), optimizer, steps=300, progress=False)
    assert np.array_equal(mlp(x).data.argmax(axis=1), [0, 1, 1, 0])


def test_scalars_and_arrays_train_alike() -> None:
    x, t = datasets.half_adder()
    scalars = nn.scalar.MLP(2, [2, 2, 2], activation="sigmoid", output="sigmoid", rng=0, init="uniform")
    arrays = nn.MLP(2, [2, 2, 2], rng=0, init="uniform")
    costs = [
        train(
            lambda net=net: nn.losses.half_squared_error(net(x), t),  # type: ignore[misc]
            optim.SGD(net.parameters(), lr=0.5),
            steps=50,
            progress=False,
        ).costs
        for net in (scalars, arrays)
    ]
    assert costs[0] == pytest.approx(costs[1], rel=1e-12)
    assert costs[0][-1] < costs[0][0]
