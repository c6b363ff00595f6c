"""A fused loss is a fast path: whoever reads the graph finds the composition, whichever way the labels are given."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinygrad_lite as tg
import viz
from tinygrad_lite import Value, nn
from tinygrad_lite.core.evaluation import check_recorded
from tinygrad_lite.core.graph import topological
from tinygrad_lite.core.sweeps import gradients
from tinygrad_lite.core.value import Folded, unfolded
from tinygrad_lite.errors import GraphError
from tinygrad_lite.ops import fused_losses
from tinygrad_lite.ops.reductions import LogSumExp
from tinygrad_lite.semirings import GRADIENT

X = np.random.default_rng(0).normal(size=(4, 3)).round(2)
CLASSES = np.array([0, 1, 2, 0])
SIGNS = np.array([[1.0, -1.0, 1.0]] * 4)


def as_values(labels: Any) -> Value:
    return Value(labels, name="t", requires_grad=False)


LABELS: dict[str, list[Any]] = {
    "cross_entropy": [
        CLASSES,
        CLASSES.astype(np.uint8),
        CLASSES.tolist(),
        as_values(CLASSES),
        np.eye(3)[CLASSES],
        np.eye(3, dtype=int)[CLASSES],
        np.eye(3)[CLASSES].tolist(),
        as_values(np.eye(3)[CLASSES]),
    ],
    "half_squared_error": [X > 0, (X > 0).tolist(), (X > 0).astype(np.float32), as_values((X > 0).astype(float))],
    "mse": [X > 0, (X > 0).tolist(), as_values((X > 0).astype(float))],
    "binary_cross_entropy": [X > 0, (X > 0).astype(int), (X > 0).tolist(), as_values((X > 0).astype(float))],
    "hinge": [SIGNS, SIGNS.astype(int), SIGNS.tolist(), as_values(SIGNS)],
}
"""The same labels in every form that each loss takes."""


STATISTICS: dict[str, Callable[[Value, nn.MLP], Any]] = {
    "count": lambda end, net: tg.gradient_paths(end, "w1", at=(0, 0)).count,
    "active": lambda end, net: tg.gradient_paths(end, "w1", at=(0, 0)).active_count,
    "magnitude": lambda end, net: tg.gradient_paths(end, "w1", at=(0, 0)).magnitude,
    "cancellation": lambda end, net: tg.gradient_paths(end, "w1", at=(0, 0)).cancellation,
    "entropy": lambda end, net: tg.gradient_paths(end, "w1", at=(0, 0)).entropy,
    "spectrum": lambda end, net: tg.gradient_paths(end, "w1", at=(0, 0)).spectrum,
    "top": lambda end, net: [(p.length, p.locals, str(p)) for p in tg.gradient_paths(end, "w1", at=(0, 0)).top(5)],
    "paths": lambda end, net: str(tg.gradient_paths(end, "w1", at=(0, 0))),
    "by sample": lambda end, net: tg.gradient_paths(end, "w1", at=(0, 0)).by("sample"),
    "by module": lambda end, net: tg.gradient_paths(end, "w1", at=(0, 0)).by("module"),
    "sweep": lambda end, net: tg.sweep(end, tg.semirings.MAX, wrt=net)["w1"].tolist(),
    "derivation": lambda end, net: tg.derive(end, "w1").text,
    "derivation of one": lambda end, net: tg.derive(end, "w1[0,0]").latex,
    "source": lambda end, net: str(tg.manual_backprop(end, wrt=net)),
    "compare": lambda end, net: bool(tg.compare(end, wrt=net)),
    "graph": lambda end, net: viz.graph(end).source,
    "picture of paths": lambda end, net: viz.paths(end, "w1", at=(0, 0)).source,
}


def recorded(loss: str, labels: Any, **options: Any) -> tuple[Value, nn.MLP]:
    net = nn.MLP(3, [3], output="linear", rng=0)
    return getattr(nn.losses, loss)(net(X), labels, **options), net


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("loss", LABELS)
def test_no_answer_depends_on_how_the_labels_are_given(loss: str, statistic: str) -> None:
    first, *others = (STATISTICS[statistic](*recorded(loss, labels)) for labels in LABELS[loss])
    for other in others:
        assert other == first


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("loss", LABELS)
def test_gradients_equal_the_compositions(loss: str, reduction: str) -> None:
    for labels in LABELS[loss]:
        end, net = recorded(loss, labels, reduction=reduction)
        composed = tg.sweep(end, GRADIENT, wrt=net)  # goes through the composition
        end.backward()
        for name, value in net.named_parameters().items():
            assert_allclose(value.grad, composed[name], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("loss", ["binary_cross_entropy", "cross_entropy", "half_squared_error"])
def test_a_fused_loss_is_one_op_to_the_engine_and_its_composition_to_readers(loss: str) -> None:
    for labels in LABELS[loss]:
        end, _ = recorded(loss, labels)
        assert [node for node in topological(end, folded=True) if node.shape == ()] == [end]
        names = [node.op.name for node in topological(end) if node.op is not None]
        assert loss not in names
        assert names[-1] == "div"
        assert end.op is not None
        assert end.op.name == "div"


def test_every_fused_loss_is_here() -> None:
    ops = [c for c in vars(fused_losses).values() if isinstance(c, type) and issubclass(c, Folded)]
    fused = {op.name for op in ops if hasattr(op, "name")}  # the base classes have none
    assert fused == {"binary_cross_entropy", "cross_entropy", "half_squared_error"}
    assert fused < set(LABELS)


@pytest.mark.parametrize("shape", [(3,), (2, 4, 3)], ids=str)
def test_other_shapes_of_logits(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    data = rng.normal(size=shape)
    classes = rng.integers(0, 3, shape[:-1])
    found = []
    for labels in (classes, classes.tolist(), np.eye(3)[classes], as_values(np.eye(3)[classes])):
        z = Value(data, name="z")
        end = nn.losses.cross_entropy(z, labels)
        paths = tg.gradient_paths(end, z, at=(0,) * z.ndim)
        end.backward()
        found.append((end.data, paths.count, paths.magnitude, str(paths)))
        assert_allclose(z.grad, tg.sweep(end, GRADIENT, wrt=z), rtol=1e-12, atol=1e-15)
    for other in found[1:]:
        assert other == found[0]
    p = np.exp(data) / np.exp(data).sum(axis=-1, keepdims=True)
    picked = np.take_along_axis(p, np.asarray(classes)[..., None], axis=-1)
    assert found[0][0] == pytest.approx(-np.log(picked).mean(), rel=1e-12)


def test_probabilities_may_have_a_gradient(rng: np.random.Generator) -> None:
    z, scores = (Value(rng.normal(size=(4, 3)), name=name) for name in ("z", "scores"))
    end = nn.losses.cross_entropy(z, tg.softmax(scores))
    swept = tg.sweep(end, GRADIENT, wrt=[z, scores])
    end.backward()
    for value, composed in zip((z, scores), swept, strict=True):
        assert_allclose(value.grad, composed, rtol=1e-12, atol=1e-15)
    tg.check_grads(lambda z, s: nn.losses.cross_entropy(z, tg.softmax(s)), (z.data, scores.data), order=2)


def test_a_composition_is_recorded_whoever_has_switched_recording_off() -> None:
    end, _ = recorded("cross_entropy", CLASSES)
    with tg.no_grad():
        count = tg.gradient_paths(end, "w1", at=(0, 0)).count
    assert count == 8


def test_a_planted_fault_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison of the fast pull and the composition can fail."""
    right = fused_losses.CrossEntropy.slope
    monkeypatch.setattr(fused_losses.CrossEntropy, "slope", lambda self, k, x: right(self, k, x) * 1.0005)
    end, net = recorded("cross_entropy", CLASSES)
    composed = tg.sweep(end, GRADIENT, wrt=net)["w1"]
    assert not tg.compare(end, wrt=net)
    end.backward()
    with pytest.raises(AssertionError, match="Mismatched elements"):
        assert_allclose(net.named_parameters()["w1"].grad, composed, rtol=1e-12)


HARD = [[0], np.array([1])]
SOFT = [[[0.5, 0.5, 0.0]]]


@pytest.mark.parametrize(
    ("logits", "labels"),
    [
        *((np.float32([[0.1, 0.7, 0.2]]), labels) for labels in HARD + SOFT),
        *(([[40.0, 4.0, 4.0]], labels) for labels in HARD + SOFT),  # the loss is 5e-16: all of it is rounding
        *(([[1.0, 2.0, -np.inf]], labels) for labels in HARD),
    ],
    ids=str,
)
def test_a_graph_is_current_though_its_composition_rounds_differently(logits: Any, labels: Any) -> None:
    z = Value(logits, name="z")
    end = nn.losses.cross_entropy(z, labels)
    check_recorded(end)
    viz.graph(end)
    assert_allclose(tg.sweep(end, GRADIENT, wrt=z), gradients(end)[z], rtol=1e-5, atol=1e-12)
    z.data = z.data + 1.0
    with pytest.raises(GraphError, match=r"the data of 'z' .* was replaced after it was recorded"):
        check_recorded(end)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shift", [0.0, 100.0, 1e4, 1e7])
def test_no_digit_is_lost_at_large_logits(shift: float, dtype: Any) -> None:
    """Every form of the labels, every form of the loss: against mpmath, to a few units in the last place."""
    data, classes = (shift + np.array([[0.0, 1.0, 2.0], [3.0, 0.0, 1.0]])).astype(dtype), np.array([2, 1])
    rows = [list(map(mpmath.mpf, map(float, row))) for row in data]
    exact = [[-mpmath.log(sum(mpmath.exp(other - z) for other in row)) for z in row] for row in rows]
    logs = np.array(exact, dtype=float)
    loss, slope = -logs[[0, 1], classes].sum(), np.exp(logs) - np.eye(3)[classes]
    close = 8 * float(np.finfo(dtype).eps)
    assert_allclose(tg.log_softmax(data), logs, rtol=close)
    assert_allclose(tg.softmax(data), np.exp(logs), rtol=close)
    x = Value(data)
    (tg.logsumexp(x, axis=1) * np.array([1.0, 2.0], dtype)).sum().backward()
    assert_allclose(x.grad, np.exp(logs) * [[1.0], [2.0]], rtol=close)
    for labels in (classes, classes.tolist(), np.eye(3)[classes], np.eye(3)[classes].tolist()):
        for reduction, n in (("sum", 1), ("mean", 2)):
            z = Value(data, name="z")
            end = nn.losses.cross_entropy(z, labels, reduction)
            end.backward()
            source = tg.manual_backprop(end, wrt=[z])
            namespace: dict[str, Any] = {}
            exec(str(source), namespace)
            written = namespace["backprop"](data, np.eye(3, dtype=dtype)[classes])
            composed = unfolded(end).data
            for found in (end.item(), float(composed), float(written[0])):
                assert found == pytest.approx(loss / n, rel=close)
            for found in (z.grad, tg.sweep(end, GRADIENT, wrt=z), written[1]["z"]):
                assert_allclose(found, slope / n, rtol=close, atol=close / 2)
    z = Value(data, name="z")
    step = tg.compile(lambda t: nn.losses.cross_entropy(z, t, "sum"))
    for labels in (classes[::-1], classes):  # captured, and replayed with other labels
        z.grad = None
        found = step(labels)
    assert found == pytest.approx(loss, rel=close)
    assert_allclose(z.grad, slope, rtol=close, atol=close / 2)
    recorded_again = tg.grad(lambda z: tg.grad(lambda z: nn.losses.cross_entropy(z, classes, "sum"))(z).sum() + z[0, 0])
    assert_allclose(recorded_again(data), np.eye(2, 3) * [[1], [0]], atol=close)


@pytest.mark.parametrize("labels", [np.array([1]), [1], np.array([[0.0, 1.0, 0.0]]), [[0.25, 0.75, 0.0]]], ids=str)
def test_a_logit_of_minus_infinity_without_probability_costs_nothing(labels: Any) -> None:
    data = np.array([[1.0, 2.0, -np.inf]])
    z, rest = Value(data), Value(data[:, :2])
    end = nn.losses.cross_entropy(z, labels)
    without = nn.losses.cross_entropy(rest, labels if np.ndim(labels) == 1 else np.asarray(labels)[:, :2])
    assert end.data == without.data
    assert unfolded(end).data == without.data
    end.backward()
    without.backward()
    assert_allclose(z.grad, np.append(rest.grad, [[0.0]], axis=1), rtol=1e-14)


def test_a_difference_of_rounded_logarithms_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LogSumExp, "below", lambda self, x, out: x - out)
    with pytest.raises(AssertionError, match="Mismatched elements"):
        test_no_digit_is_lost_at_large_logits(1e4, np.float32)


def test_other_data_of_scalars_is_noticed() -> None:
    y = Value(2.0, name="y")
    end = fused_losses.half_squared_error(y, 1.0)
    check_recorded(end)
    y.data = 3.0
    with pytest.raises(GraphError, match="'y'"):
        check_recorded(end)


def test_class_numbers_take_no_more_than_the_logits() -> None:
    """``np.eye(classes)`` would be 800 MB here."""
    logits = Value(np.zeros((2, 10_000)))
    tracemalloc.start()
    fused_losses.one_hot(np.array([3, 9_999]), logits)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize("t", [0.0, 1.0, 0.3, 1e-10, 1.0 - 1e-10])
def test_the_logistic_loss_has_its_digits_at_logits_of_any_size(t: float) -> None:
    for z in (-800.0, -40.0, -3.0, -1e-9, 0.0, 1e-300, 0.7, 36.0, 40.0, 745.0, 1e4):
        with mpmath.workdps(500):
            e, share = mpmath.exp(mpmath.mpf(z)), mpmath.mpf(t)
            value = share * mpmath.log(1 + 1 / e) + (1 - share) * mpmath.log(1 + e)
            slope = (1 - share) * e / (1 + e) - share / (1 + e)
        for dtype, within in ((np.float64, 4e-15), (np.float32, 1e-6)):
            if dtype is np.float32 and (float(dtype(t)) != t or float(dtype(z)) != z or abs(z) > 85):
                continue
            leaf = Value(np.array([z], dtype))
            loss = nn.losses.binary_cross_entropy(leaf, np.array([t], dtype), "sum")
            loss.backward()
            assert loss.item() == pytest.approx(float(value), rel=within, abs=1e-320)
            rounding = 2e-16 * (t not in (0.0, 1.0))  # of t itself, where the slope crosses 0
            assert float(leaf.grad[0]) == pytest.approx(float(slope), rel=within, abs=1e-320 + rounding)
            assert leaf.grad.dtype == dtype


def test_the_logistic_loss_compiled_has_one_logarithm_and_one_exponential(rng: np.random.Generator) -> None:
    w, x = Value(rng.normal(size=3)), rng.normal(size=(20, 3))
    step = tg.compile(lambda x, t: nn.losses.binary_cross_entropy(x @ w, t))
    for scale in (1.0, 30.0, 1000.0):
        t = (rng.uniform(size=20) > 0.5).astype(float)
        w.grad = None
        cost = step(x * scale, t)
        replayed, w.grad = w.grad, None
        end = nn.losses.binary_cross_entropy((x * scale) @ w, t)
        end.backward()
        assert cost == end.item()
        np.testing.assert_array_equal(replayed, w.grad)
    assert step.source.count("exp(") == step.source.count("log1p(") == 1


def test_the_logistic_loss_in_its_targets(rng: np.random.Generator) -> None:
    z, t = rng.normal(size=4), rng.uniform(0.2, 0.8, 4)
    tg.check_grads(lambda z, t: nn.losses.binary_cross_entropy(z, t), (z, t), order=2)
