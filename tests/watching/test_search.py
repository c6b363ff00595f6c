"""The search: several mistakes, things read too early, what cannot be watched, and what stays as it is."""

from __future__ import annotations

import math
import threading
from functools import partial
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.watching.networks import (
    BATCH_NORM,
    EMBEDDING,
    MLP,
    PROGRAMS,
    TIED,
    Network,
    batch_norm,
    embedding,
    gradients,
    line_of,
    mended,
    mlp,
    tied,
)
from tests.whole.test_styles import LAYERS
from tinygrad_lite.watching import finding, repairs, search
from tinygrad_lite.watching.running import NotWatchedError

# ---- several mistakes, and mistakes of order


@pytest.mark.parametrize(
    ("network", "source", "edits"),
    [
        (mlp, MLP, [("a1.T @ dz2", "z1.T @ dz2"), ("dz1.sum(axis=0)", "dz1.mean(axis=0)")]),
        (mlp, MLP, [("2 * (z2 - Y) / n", "(z2 - Y) / n"), ("da1 * (1 - a1 ** 2)", "da1 * (1 - a1)")]),
        (
            mlp,
            MLP,
            [("2 * (z2 - Y)", "(z2 - Y)"), ("dz2.sum(axis=0)", "dz2.sum(axis=0) / n"), ("X.T @ dz1", "-X.T @ dz1")],
        ),
        (
            batch_norm,
            BATCH_NORM,
            [("-0.5 *", "0.5 *"), ("dgain = (dy * raw)", "dgain = (dy * h)"), ("X.T @ dh", "X.T @ ddiff")],
        ),
        (embedding, EMBEDDING, [("dlogits /= n", "dlogits /= 2 * n"), ("np.add.at(dE, ids, demb)", "dE[ids] += demb")]),
        (tied, TIED, [("(1 - h * h)", "(1 - h)"), ("dc = dout.sum(axis=0)", "dc = dout.mean(axis=0)")]),
    ],
)
def test_several_mistakes_are_all_found_each_once(network: Any, source: str, edits: list[tuple[str, str]]) -> None:
    wrong = source
    for old, new in edits:
        assert old in wrong
        wrong = wrong.replace(old, new, 1)
    found = network().mistakes(wrong)
    assert [mistake.line for mistake in found] == sorted(line_of(source, old) for old, _ in edits)
    assert all(mistake.suggestion for mistake in found)


def test_a_gradient_that_is_read_before_it_is_complete() -> None:
    early = BATCH_NORM.replace("    dh = ddiff - ddiff.mean(axis=0)\n", "").replace(
        "    ddiff += 2", "    dh = ddiff - ddiff.mean(axis=0)\n    ddiff += 2"
    )
    (mistake,) = batch_norm().mistakes(early)
    assert mistake.line == line_of(early, "dh =")
    assert "before it is complete" in mistake.said


def test_a_term_that_is_missing_names_the_way_by_which_it_comes() -> None:
    source = BATCH_NORM.replace("    ddiff += 2 * diff * dvar / (n - 1)\n", "")
    (mistake,) = batch_norm().mistakes(source)
    assert mistake.line == line_of(source, "ddiff = draw * inv")
    assert "only a part" in mistake.said
    assert "'var'" in mistake.said


@pytest.mark.parametrize("step", ["W -= lr * dW", "W = W - lr * dW", "W[...] = W - lr * dW"])
def test_a_weight_that_is_read_after_its_step(step: str) -> None:
    source = TIED.replace("    dh = dout @ W\n", f"    {step}\n    dh = dout @ W\n")
    found = tied().mistakes(source)
    assert found[0].line in (line_of(source, step), line_of(source, step) + 1)
    assert len(found) == 1


def test_a_transposed_gradient() -> None:
    w = tg.Value(np.arange(9.0).reshape(3, 3), name="w")
    x: Any = np.random.default_rng(0).normal(size=(4, 3))
    y = x @ w
    y.name = "y"
    network = Network((y**2).sum(), {"w": w}, {"x": x})
    source = "def backward(w):\n    dy = 2 * x @ w\n    dw = dy.T @ x\n    return {'w': dw}\n"
    (mistake,) = network.mistakes(source)
    assert (mistake.line, mistake.said) == (3, "the gradient of 'w' (of shape (3, 3)) is transposed")
    assert network.right(mended(source, mistake))


# ---- what is told


def test_a_comparison_tells_the_line_what_it_read_and_the_change() -> None:
    network = mlp()
    wrong = network.function(MLP.replace("a1.T @ dz2", "z1.T @ dz2"))
    comparison = tg.compare(network.loss, manual=wrong, wrt=list(network.parameters.values()))
    (mistake,) = comparison.mistakes
    assert mistake.diff == "- dW2 = z1.T @ dz2\n+ dW2 = a1.T @ dz2"
    assert mistake.value == "'W2' (of shape (5, 2))"
    assert mistake.read == ("z1", "dz2 (the gradient of 'z2')")
    assert mistake.off is not None
    assert mistake.off > 0
    (right,) = gradients(network.loss, network.parameters["W2"])
    np.testing.assert_allclose(mistake.right, right)
    assert comparison.diagnosis == (str(mistake),)
    assert mistake.report in str(comparison)
    page = comparison._repr_html_()
    assert "Wrong lines" in page
    assert "dW2 = a1.T @ dz2" in page


def test_a_right_function_is_not_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_Search", None)
    network = mlp()
    comparison = tg.compare(network.loss, manual=network.function(MLP), wrt=list(network.parameters.values()))
    assert comparison
    assert comparison.mistakes == ()


# ---- what cannot be watched


W = tg.Value(3.0, name="w")
LOSS = W * W


def times(w: float, factor: float) -> dict[str, float]:
    return {"w": factor * w}


@pytest.mark.parametrize(
    "manual",
    [
        lambda w: {"w": 3 * w},
        partial(times, factor=3.0),
        eval("lambda w: {'w': 3 * w}"),
    ],
)
def test_what_cannot_be_watched_is_a_note(manual: Any) -> None:
    comparison = tg.compare(LOSS, manual=manual, wrt=[W])
    assert not comparison
    assert comparison.mistakes == ()
    assert any("not watched" in note for note in comparison.notes)
    assert comparison.diagnosis


def test_a_function_without_source_is_a_note() -> None:
    names: dict[str, Any] = {}
    exec("def backward(w):\n    return {'w': 3 * w}\n", names)
    comparison = tg.compare(LOSS, manual=names["backward"], wrt=[W])
    assert comparison.mistakes == ()
    assert any("source" in note for note in comparison.notes)


def test_a_function_that_raises_the_second_time_is_a_note() -> None:
    network = Network(LOSS, {"w": W}, {"calls": []})
    calls: list[int] = []

    class Once:
        def __call__(self, w: float) -> float:
            if calls:
                raise RuntimeError("once is enough")
            calls.append(1)
            return 3 * w

    function = network.function("def backward(w):\n    return {'w': once(w)}\n")
    function.__globals__["once"] = Once()
    comparison = tg.compare(LOSS, manual=function, wrt=[W])
    assert not comparison
    assert comparison.mistakes == ()
    assert any("once is enough" in note for note in comparison.notes)


def test_a_search_ends_in_time() -> None:
    with pytest.raises(NotWatchedError, match="too much"):
        mlp().mistakes(MLP.replace("2 * (z2", "(z2"), seconds=-1.0)


def test_a_graph_that_is_too_large_is_not_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MOST_ELEMENTS", 100)
    with pytest.raises(NotWatchedError, match="too many elements"):
        mlp().mistakes(MLP.replace("2 * (z2", "(z2"))


# ---- what stays as it is


def test_watching_changes_nothing_of_the_callers(capsys: pytest.CaptureFixture[str]) -> None:
    source = """
def count(x):
    seen.append(1)
    return x

def backward(w):
    global total
    total = total + 1
    scale[0] *= 1.0
    store["w"] = w
    net.calls += 1
    print("once")
    w *= 1.0
    return {"w": count(net.double(w) * 1.5)}
"""

    class Net:
        calls = 0

        def double(self, w: Any) -> Any:
            self.last = w
            return 2 * w

    w = tg.Value([1.0, 2.0], name="w")
    names = {"seen": [], "total": 0, "scale": np.ones(2), "store": {}, "net": Net()}
    network = Network((w * w).sum(), {"w": w}, names)
    function = network.function(source)
    held = function.__globals__
    (mistake,) = search.find_mistakes(network.loss, function, network.call, network.parameters, dict)
    assert mistake.line == line_of(source, "return {")
    assert (held["seen"], held["total"], held["store"], held["net"].calls) == ([], 0, {}, 0)
    assert held["net"] is names["net"]
    assert not hasattr(held["net"], "last")
    assert "__watch__" not in held
    assert capsys.readouterr().out == ""
    np.testing.assert_array_equal(w.data, [1.0, 2.0])


def test_a_closure_stays_as_it_is() -> None:
    kept: list[Any] = []
    y = np.array([1.0, 1.0])

    def backward(w: Any) -> dict[str, Any]:
        kept.append(w)
        y[...] = y * 1.0
        return {"w": 3 * (w - y)}

    w = tg.Value([1.5, 2.0], name="w")
    loss = ((w - np.ones(2)) ** 2).sum()
    comparison = tg.compare(loss, manual=backward, wrt=[w])
    assert len(comparison.mistakes) == 1
    assert len(kept) == 1
    np.testing.assert_array_equal(y, [1.0, 1.0])


def test_a_method_of_an_object_that_stays_as_it_is() -> None:
    network = mlp()
    made = network.function(
        LAYERS.replace("def backward(W1", "def run(W1").replace("d * (1 - self.out", "d * (1 + self.out")
        + "backward = run\n"
    )

    class Submission:
        made: Any
        runs = 0

        def backward(self, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
            self.runs += 1
            return self.made(W1, b1, W2, b2)

    submission = Submission()
    submission.made = made
    comparison = tg.compare(network.loss, manual=submission.backward, wrt=list(network.parameters.values()))
    assert [mistake.line for mistake in comparison.mistakes] == [line_of(LAYERS, "d * (1 - self.out")]
    assert submission.runs == 1


def test_searches_run_side_by_side() -> None:
    found: dict[int, list[int]] = {}
    sources = [MLP.replace("a1.T @ dz2", "z1.T @ dz2"), MLP.replace("X.T @ dz1", "-X.T @ dz1")]
    network = mlp()

    def work(k: int) -> None:
        found[k] = [mistake.line for mistake in network.mistakes(sources[k % 2])]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {0: [7], 1: [11], 2: [7], 3: [11]}


# ---- planted faults: the tests above hold what the finder does


@pytest.mark.parametrize(
    ("where", "name", "fault", "network", "old", "new"),
    [
        (finding.Finder, "_other_than_named", lambda *_: iter(()), "batch norm", "(draw * diff)", "(draw * h)"),
        (finding.Finder, "_of_factor", lambda *_: iter(()), "deep", "/ Y.size", ""),
        (finding.Finder, "_dropped", lambda *_: None, "attention", "dx = dx + dk @ wk.T", "dx = dk @ wk.T"),
        (finding.Finder, "_read_for", lambda *_: iter(()), "deep", " * sigmoid_prime(zs[0])", ""),
        (search._Search, "_mended", lambda *_: 0, "mlp", "X.T @ dz1", "X.T @ da1"),
        (repairs, "MOST_TRIED", 0, "mlp", "a1.T @ dz2", "z1.T @ dz2"),
    ],
)
def test_without_a_part_of_the_finder_mistakes_are_missed(
    monkeypatch: pytest.MonkeyPatch, where: Any, name: str, fault: Any, network: str, old: str, new: str
) -> None:
    made, source = PROGRAMS[network]

    def found(seconds: float = 10.0) -> list[tuple[int, bool]]:
        return [(one.line, bool(one.suggestion)) for one in made().mistakes(source.replace(old, new, 1), seconds)]

    assert found() == [(line_of(source, old), True)]
    monkeypatch.setattr(where, name, fault)
    assert found(1.0) != [(line_of(source, old), True)]


def test_an_infinite_factor_is_told() -> None:
    w = tg.Value(2.0, name="w")
    y = w * 0.0 + 1.0
    y.name = "y"
    network = Network(y * y, {"w": w})
    source = "def backward(w):\n    dy = 2.0\n    return {'w': dy * 3.0}\n"
    for mistake in network.mistakes(source):
        assert mistake.off in (None, math.inf)


def test_a_part_of_a_product_with_itself_is_missing_by_way_of_that_product() -> None:
    w = tg.Value([1.0, 2.0], name="w")
    square = w * w
    square.name = "square"
    network = Network(square.sum(), {"w": w})
    (mistake,) = network.mistakes("def backward(w):\n    return {'w': w}\n")
    assert mistake.said.endswith("is only a part: what comes by way of 'square' (of shape (2,)) is missing")


def test_a_sum_whose_argument_is_named() -> None:
    w = tg.Value([[1.0, 2.0, 3.0]], name="w")
    network = Network((w * w).sum(), {"w": w})
    (mistake,) = network.mistakes("def backward(w):\n    return {'w': w * 3 * np.sum(a=w, axis=0)}\n")
    assert mistake.line == 2


@pytest.mark.filterwarnings("always::SyntaxWarning")
def test_no_changed_line_is_tried_that_python_warns_of(recwarn: pytest.WarningsRecorder) -> None:
    w = tg.Value([[1.0, 2.0, 3.0]], name="w")
    weights = np.arange(3.0)[None] + 1.0
    network = Network((w * w * weights).sum(), {"w": w})
    for wrong in ("(np.arange(3)[None, :] + 1.0) * w", "w * (-np.array((1.0, 2.0, 3.0)))[None]"):
        (mistake,) = network.mistakes(f"def backward(w):\n    return {{'w': {wrong}}}\n")
        assert mistake.line == 2
    assert [str(one.message) for one in recwarn if issubclass(one.category, SyntaxWarning)] == []


def test_a_value_that_is_not_finite_is_off_by_no_number_of_times() -> None:
    w = tg.Value([1.0, 2.0], name="w")
    network = Network((w * w).sum(), {"w": w})
    (mistake,) = network.mistakes("def backward(w):\n    dw = 2 * w * np.array([np.nan, 1.0])\n    return {'w': dw}\n")
    assert mistake.line == 2
    assert "off by" not in mistake.report


def test_a_line_that_runs_once_is_wrong_once_though_the_search_meets_it_again() -> None:
    def backward(n, gain, t, centred, std, normal, y):  # type: ignore[no-untyped-def]
        dy = 2 * (y - t) / y.size
        dnormal = dy * gain
        dstd = -(dnormal * normal).sum(axis=0) / std
        dvariance = dstd / std
        dcentred = dnormal / std + 2 * centred * dvariance / n
        return {
            "y": dy, "gain": (dy * normal).sum(axis=0), "bias": dy.sum(axis=0), "normal": dnormal, "std": dstd,
            "variance": dvariance, "centred": dcentred, "mean": -dcentred.sum(axis=0), "x": dcentred,
        }  # fmt: skip

    said = [mistake.said for mistake in tg.exercise("batch-norm").check(backward).mistakes]
    assert said == [
        "the gradient of 'variance' (of shape (3,)) is multiplied by 2",
        "the gradient of 'x' (of shape (8, 3)) is only a part: what comes by way of 'mean' (of shape (3,)) is missing",
    ]
