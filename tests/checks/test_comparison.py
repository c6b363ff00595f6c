"""``compare``: right gradients agree, and every planted mistake is found and named."""

from __future__ import annotations

import math
import re
import sys
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import Value, nn
from tinygrad_lite.checks import gradients as ways
from tinygrad_lite.checks.comparison import DifferentGradientsError
from tinygrad_lite.checks.cones import Cones
from tinygrad_lite.core.elementwise import OPS
from tinygrad_lite.errors import ArgumentError, GraphError, ShapeError, ValueTypeError
from tinygrad_lite.ops.reductions import Sum


@pytest.fixture
def problem() -> tuple[Value, nn.MLP, dict[str, Any]]:
    net = nn.MLP(3, [4, 2], activation="tanh", output="linear", rng=0)
    rng = np.random.default_rng(1)
    x, t = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    w = net.state_dict()
    a = np.tanh(x @ w["w1"] + w["b1"])
    delta2 = (a @ w["w2"] + w["b2"] - t) / 5
    delta1 = delta2 @ w["w2"].T * (1 - a * a)
    manual = {"w1": x.T @ delta1, "b1": delta1.sum(axis=0), "w2": a.T @ delta2, "b2": delta2.sum(axis=0)}
    return nn.losses.half_squared_error(net(x), t), net, manual


def test_right_gradients_agree_however_they_are_given(problem: Any) -> None:
    loss, net, manual = problem
    for given in (manual, list(manual.values()), lambda: manual):
        comparison = tg.compare(loss, manual=given, wrt=net)
        assert comparison
        comparison.raise_if_different()
        assert comparison.worst["paths"] < 1e-12
        assert comparison.worst["manual"] < 1e-12
        assert comparison.worst["difference"] < 1e-7
    assert [row.n_paths for row in comparison.rows] == [120, 40, 40, 10]


MISTAKES = {
    "sign": lambda g: {**g, "w2": -g["w2"]},
    "factor": lambda g: {**g, "b1": 5 * g["b1"]},
    "one element": lambda g: {**g, "w1": g["w1"] + 1e-6 * np.eye(3, 4)[::-1]},
    "zero": lambda g: {**g, "b2": 0 * g["b2"]},
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_by_hand_is_named(problem: Any, mistake: str) -> None:
    loss, net, manual = problem
    wrong = MISTAKES[mistake](manual)
    (name,) = (key for key in manual if wrong[key] is not manual[key])
    comparison = tg.compare(loss, manual=wrong, wrt=net)
    assert not comparison
    assert "THEY DIFFER" in repr(comparison)
    with pytest.raises(DifferentGradientsError, match=re.escape(f"{name}[")):
        comparison.raise_if_different()


UNFIT: dict[str, tuple[Any, str]] = {
    "w1": (lambda g: g.T, "it has shape (4, 3), not (3, 4); transposed it is right"),
    "b1": (lambda g: np.ones((5, 4)) * g / 5, "it has shape (5, 4), not (4,); summed over axis 0 it is right"),
    "w2": (lambda g: g.ravel(), "it has shape (8,), not (4, 2); reshaped it is right"),
    "b2": (lambda g: g * np.array([1.0, np.nan]), "1 of its 2 elements is not finite"),
}


@pytest.mark.parametrize("names", [("w1",), ("b1",), ("w2",), ("b2",), ("w1", "b1", "w2", "b2")])
def test_what_cannot_be_compared_fails_for_its_parameter_alone(problem: Any, names: tuple[str, ...]) -> None:
    loss, net, manual = problem
    comparison = tg.compare(loss, manual=manual | {name: UNFIT[name][0](manual[name]) for name in names}, wrt=net)
    reasons = {row.name: row.reason for row in comparison.rows}
    assert reasons == {name: UNFIT[name][1] if name in names else "" for name in manual}
    assert not comparison
    assert comparison.diagnosis == ()
    with pytest.raises(DifferentGradientsError, match=r"^compare: the gradients differ") as error:
        comparison.raise_if_different()
    for name in names:
        assert f"{name}: the manual gradient is not compared: {UNFIT[name][1]}." in comparison.notes
        assert f"{name}: {UNFIT[name][1]}" in str(error.value)
    marked = [line.split("[")[0] for line in str(comparison).splitlines() if "✗" in line]
    assert marked == [*names, "THEY DIFFER: manual (✗)."]


def test_a_missing_gradient_hides_no_wrong_one(problem: Any) -> None:
    loss, net, manual = problem
    given = {"w1": manual["w1"], "b1": manual["b1"], "w2": -manual["w2"], "δ1": np.ones(3)}
    comparison = tg.compare(loss, manual=given, wrt=net)
    assert {row.name: row.reason for row in comparison.rows if row.reason} == {
        "b2": "it is missing",
        "δ1": "it has shape (3,), not (5, 4)",
    }
    assert comparison.diagnosis[1] == "the likely slip: the sign of 'n2' with respect to 'w2' is wrong"
    with pytest.raises(DifferentGradientsError, match=r"b2: it is missing; .*w2\[0,0\]: autodiff"):
        comparison.raise_if_different()
    assert "missing ✗" in str(comparison)


def test_an_empty_parameter_may_be_missing_too() -> None:
    a, empty = Value(2.0, name="a"), Value(np.ones((0, 2)), name="empty")
    loss = a * a + empty.sum()
    assert tg.compare(loss, manual={"a": 4.0, "empty": np.ones((0, 2))})
    assert not tg.compare(loss, manual={"a": 4.0})


def test_a_wrong_derivative_in_the_table_is_found_by_differences(problem: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    loss, net, _ = problem
    right = OPS["tanh"]._local_arrays[0]
    monkeypatch.setitem(OPS["tanh"]._local_arrays, 0, lambda x, out: 1.0005 * right(x, out))
    comparison = tg.compare(loss, wrt=net)
    assert not comparison
    assert comparison.worst["difference"] == pytest.approx(5e-4, rel=0.1)


def test_it_is_backward_that_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """``backward`` pulls with ``Op.pull``, which an op may write faster than its chain: and wrong."""
    w = Value(np.ones(3), name="w")
    w.grad = np.full(3, 7.0)
    loss = tg.sum(w * w)
    assert tg.compare(loss, wrt=[w])
    right = Sum.pull
    monkeypatch.setattr(Sum, "pull", lambda self, k, g, operands, out: 2 * right(self, k, g, operands, out))
    comparison = tg.compare(loss, wrt=[w])
    assert not comparison
    np.testing.assert_array_equal(comparison.rows[0].autodiff, [4.0, 4.0, 4.0])
    assert comparison.worst["paths"] == comparison.worst["complex_step"] == pytest.approx(0.5)
    np.testing.assert_array_equal(w.grad, np.full(3, 7.0))
    assert not loss.has_grad


def test_kinks_are_left_out_and_said() -> None:
    comparison = tg.compare(tg.relu(Value(0.0, name="a")))
    assert comparison
    assert comparison.notes == (
        "a: the finite difference is left out: a kink within a step.",
        "a: the complex step is left out: they follow one side of a kink.",
    )
    assert tg.compare(tg.maximum(Value(1.0, name="a"), Value(1.0, name="b")))
    assert tg.compare(tg.abs(Value(-0.0, name="a")))
    a = Value([0.0, 2.0], name="a")
    assert tg.compare(tg.relu(a).sum()).notes[0] == (
        "a: the finite difference of 1 element is left out: a kink within a step."
    )
    assert not tg.compare(tg.relu(a).sum(), manual={"a": [0.0, 1.001]})


@pytest.mark.parametrize(("at", "wrong"), [(0.0, 1.1), (1e-7, 0.5), (-1e-3, 0.1)])
def test_a_wrong_derivative_at_or_near_a_kink_is_found(
    monkeypatch: pytest.MonkeyPatch, at: float, wrong: float
) -> None:
    a = Value(np.array([at]), name="a")
    assert tg.compare(tg.relu(a).sum())
    monkeypatch.setitem(OPS["relu"]._local_arrays, 0, lambda x, out: np.full(1, wrong))
    comparison = tg.compare(tg.relu(a).sum())
    assert not comparison
    assert comparison.worst["difference"] > 0.05


def test_steps_are_as_small_as_the_loss_needs() -> None:
    losses = [
        tg.sin(Value(1e6, name="a")),
        tg.log(Value(1e-5, name="a")),
        tg.sin(Value(0.3, name="a") * 1e4),
        tg.exp(Value([0.3, 0.4], name="a")).sum() * 1e-310,
    ]
    for loss in losses:
        comparison = tg.compare(loss)
        assert comparison
        assert not np.isnan(comparison.rows[0].difference).any()
        assert not any("finite" in note for note in comparison.notes)


def test_float32_that_is_steep() -> None:
    rng = np.random.default_rng(1)
    x, w = (
        (30 * rng.normal(size=(3, 2))).astype(np.float32),
        Value(rng.normal(size=(2, 2)).astype(np.float32), name="w"),
    )
    loss = tg.square(tg.sigmoid(x @ w) - np.float32(0.3)).sum()
    assert tg.compare(loss)
    gradient = tg.compare(loss).rows[0].autodiff
    assert not tg.compare(loss, manual={"w": 1.001 * gradient})


def test_terms_that_cancel_are_held_to_their_rounding() -> None:
    """A gradient a thousandth of its terms keeps three digits less of float32."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3)).astype(np.float32)
    x[200:] = -x[:200] * np.float32(1.0001)
    w = Value(rng.normal(size=3).astype(np.float32), name="w")
    loss = (np.float32(100) * (x @ w) + np.float32(1)).sum()
    comparison = tg.compare(loss)
    assert comparison, comparison
    assert not tg.compare(loss, manual={"w": comparison.rows[0].autodiff * 1.1})


@pytest.mark.filterwarnings("error")
def test_overflow_on_the_way_leaks_no_warning() -> None:
    net = nn.MLP(1, [1, 1], activation="sigmoid", output="linear", rng=0, dtype=np.float32)
    loss = nn.losses.half_squared_error(net(np.array([[1e4], [-1e4]], np.float32)), np.ones((2, 1), np.float32))
    assert not tg.compare(loss, manual={name: np.ones(p.shape) for name, p in net.named_parameters().items()}, wrt=net)


def test_what_a_numerical_method_cannot_tell_is_said() -> None:
    comparison = tg.compare(Value(0.0, name="a") ** 3)
    assert comparison
    assert comparison.notes == ("a: the complex step is left out: they tell no number.",)


def test_the_table_of_text(problem: Any) -> None:
    loss, net, manual = problem
    lines = str(tg.compare(loss, manual=manual, wrt=net)).splitlines()
    assert lines[0].split() == ["autodiff", "sum", "over", "paths", "manual", "finite", "difference", "complex", "step"]
    assert [line.split("[")[0] for line in lines[2:6]] == ["w1", "b1", "w2", "b2"]
    assert len({len(line) for line in lines[2:6]}) == 1
    assert lines[7].startswith("worst relative difference")
    assert lines[-1] == "All agree."
    wrong = tg.compare(loss, manual={**manual, "b2": -manual["b2"]}, wrt=net)
    marked = [line for line in str(wrong).splitlines() if "✗" in line]
    assert [line.split("[")[0] for line in marked] == ["b2", "THEY DIFFER: manual (✗)."]
    assert "✗" in wrong._repr_html_()


def test_named_leaves_and_functions() -> None:
    a, b = Value(2.0, name="a"), Value(3.0, name="b")
    assert [row.name for row in tg.compare(lambda: a * b * b).rows] == ["a", "b"]
    assert [row.name for row in tg.compare(a * b, wrt="b").rows] == ["b"]
    assert tg.compare(a * 0.0 + b, wrt=[a])


def test_what_is_left_out_is_said() -> None:
    w = Value(np.full((20, 20), 0.05), name="w")
    x: Any = np.ones((3, 20))
    for _ in range(4):
        x = x @ w
    comparison = tg.compare(x.sum(), wrt=[w])
    assert comparison.rows[0].n_paths > 20_000
    assert "paths are too many to list" in str(comparison)
    assert "w: differences and steps of 256 of its 400 elements" in str(comparison)
    assert comparison


def test_the_numerical_columns_can_be_left_out(problem: Any, capsys: pytest.CaptureFixture[str]) -> None:
    loss, net, manual = problem
    comparison = tg.compare(loss, manual=manual, wrt=net, numerical=False)
    assert comparison
    assert set(comparison.worst) == {"paths", "manual"}
    assert "complex step" not in str(comparison)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("terminal", [True, False])
def test_a_bar_is_for_terminals(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []

    def bar(items: Any, **_: Any) -> Any:
        shown.append(items)
        return items

    monkeypatch.setattr("tqdm.tqdm", bar)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    w = Value(2.0, name="w")
    assert tg.compare(w * w)
    assert bool(shown) == terminal


def test_of_many_parameters_some_are_listed_and_moved(problem: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    loss, net, _ = problem
    monkeypatch.setattr(ways, "_ELEMENTS_IN_ALL", 13)  # half of its 26 elements
    monkeypatch.setattr(ways, "_LISTING_WORK", 200)
    comparison = tg.compare(loss, wrt=net)
    assert comparison
    assert [int(np.sum(~np.isnan(row.difference))) for row in comparison.rows] == [6, 2, 4, 1]
    assert "w1: differences and steps of 6 of its 12 elements." in comparison.notes
    assert any(note.startswith("Paths are left out, as they would take long, of ") for note in comparison.notes)
    monkeypatch.setattr(ways, "_ELEMENTS_IN_ALL", 2)
    comparison = tg.compare(loss, wrt=net)
    assert [row.difference is None for row in comparison.rows] == [True, False, True, False]
    assert any(note.startswith("Differences and steps are left out") for note in comparison.notes)
    monkeypatch.setitem(OPS["tanh"]._local_arrays, 0, lambda x, out: 1.0005 * (1 - out * out))
    assert not tg.compare(loss, wrt=net)


def test_differences_evaluate_again_only_what_depends_on_the_parameter() -> None:
    a, b = Value(0.5, name="a"), Value(2.0, name="b")
    c, d = tg.sin(a), tg.exp(b)
    loss = c * d + b
    assert [node.op.name for node in Cones(loss).after(a) if node.op] == ["sin", "mul", "add"]
    assert [node.op.name for node in Cones(loss, smooth=True).after(a) if node.op] == ["sin", "mul", "add"]
    assert Cones(loss).after(loss) == Cones(loss).after(Value(1.0)) == []
    assert tg.compare(loss)


def test_refusals(problem: Any) -> None:
    loss, net, manual = problem
    with pytest.raises(ArgumentError, match="missing: b2, not a parameter: c1; did you mean z1, w1, n1"):
        tg.compare(loss, manual={**{k: manual[k] for k in ("w1", "b1", "w2")}, "c1": 1.0}, wrt=net)
    with pytest.raises(ArgumentError, match="1 manual gradients for 4 parameters"):
        tg.compare(loss, manual=[1.0], wrt=net)
    with pytest.raises(ShapeError, match="needs a loss with one element"):
        tg.compare(Value([1.0, 2.0], name="v") * 2.0)
    with pytest.raises(ArgumentError, match="depends on no leaf that has a name"):
        tg.compare(Value(1.0) * 2.0)
    net.parameters()[0].data -= 0.1
    with pytest.raises(GraphError, match="run the forward pass again"):
        tg.compare(loss, wrt=net)


@pytest.mark.parametrize("seed", range(5))
def test_float32_is_held_to_what_float32_can_tell(seed: int) -> None:
    net = nn.MLP(3, [4, 2], activation="tanh", output="linear", rng=seed, dtype=np.float32)
    rng = np.random.default_rng(seed)
    x, t = rng.normal(size=(5, 3)).astype(np.float32), rng.normal(size=(5, 2)).astype(np.float32)
    loss = nn.losses.half_squared_error(net(x), t)
    assert tg.compare(loss, wrt=net)
    gradients = [row.autodiff for row in tg.compare(loss, wrt=net).rows]
    assert not tg.compare(loss, wrt=net, manual=[1.001 * g for g in gradients])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loss": 3.0}, "needs a recorded loss or a function of nothing, got float"),
        ({"loss": lambda: 3.0}, "the function must return a Value, got float"),
        ({"wrt": 5}, "wrt is a module, Values or names, got int"),
        ({"manual": 5}, "manual gradients are a dict by name, a list or a function of them, got int"),
        ({"manual": "two"}, "manual gradients are a dict by name, a list or a function of them, got str"),
        ({"manual": {"a": "two"}}, "the manual gradient of a is a number or an array, got str"),
        ({"manual": {"a": None}}, "the manual gradient of a is a number or an array, got NoneType"),
        ({"manual": {"a": 4.0 + 1j}}, "the manual gradient of a is a number or an array, got complex numbers"),
        ({"manual": {"a": "4.0"}}, "the manual gradient of a is a number or an array, got str"),
        ({"manual": {"a": True}}, "the manual gradient of a is a number or an array, got truth values"),
        ({"manual": {"a": {}}}, "the manual gradient of a is a number or an array, got dict"),
    ],
)
def test_other_types_are_refused(arguments: Any, message: str) -> None:
    a = Value(2.0, name="a")
    with pytest.raises(ValueTypeError, match=re.escape(f"compare: {message}")):
        tg.compare(**({"loss": a * a} | arguments))


@pytest.mark.parametrize("tolerance", [math.nan, -1.0, math.inf, "x", True, 1.0])
@pytest.mark.parametrize("name", ["tolerance", "difference_tolerance"])
def test_tolerances_that_are_none(tolerance: Any, name: str) -> None:
    a = Value(2.0, name="a")
    with pytest.raises(ArgumentError, match=f"compare: {name} is a relative difference, from 0 to below 1, got"):
        tg.compare(a * a, **{name: tolerance})
    with pytest.raises(ArgumentError, match=f"check_grads: {name} is a relative difference, from 0 to below 1, got"):
        tg.check_grads(np.sin, 1.0, **{name: tolerance})
