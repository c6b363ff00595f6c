"""detect_anomaly: the first NaN or infinity and the first data that changed, by name, element and line."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinygrad_lite as tg
from tests.cases import CASES, LABELS, Case
from tests.checkers import at_a_point
from tinygrad_lite import Value, nn
from tinygrad_lite.checks import anomalies
from tinygrad_lite.core.elementwise import FUNCTIONS
from tinygrad_lite.core.elementwise_derivatives import TABLE
from tinygrad_lite.core.recording import blocks_open, diverted
from tinygrad_lite.errors import GraphError, NonFiniteError


@pytest.fixture(autouse=True)
def _nothing_left_open() -> Any:
    with np.errstate(all="ignore"):  # NumPy would warn first
        yield
    assert blocks_open[0] == 0
    assert not diverted()


def line_of(text: str) -> int:
    """The line of this file on which the marked code stands."""
    lines = Path(__file__).read_text().splitlines()
    return 1 + next(k for k, line in enumerate(lines) if line.endswith(f"# {text}"))


def _named_log(p: Value) -> Any:
    h = p * 1.0
    h.name = "h"
    q = np.log(h)  # the log
    return np.exp(q)


# ---- forward ---------------------------------------------------------------------------------------------------------


def test_the_first_infinity_forward() -> None:
    p = Value([1.0, 0.0, -2.0], name="p")
    with pytest.raises(NonFiniteError, match="'log' made -inf") as caught, tg.detect_anomaly():
        _named_log(p)
    text = str(caught.value)
    assert text.startswith("detect_anomaly: 'log' made -inf at element [1] of 'h' (of shape (3,)), 0 there, in ")
    assert f"test_anomalies.py:{line_of('the log')} (q = np.log(h)" in text
    assert "domain" in text


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: tg.log(s), r"'log' made -inf of 's' \(0\), in "),
        (lambda s: 1.0 / s, r"'div' made inf of the number 1.0 and 's' \(0\), in "),
        (lambda s: (s - 1.0) ** 0.5, r"'pow' made nan of a nameless (result of 'sub'|constant) \(-1\)"),
        (lambda s: tg.exp(s + 1000.0), r"'exp' made inf of"),
        (lambda s: tg.weighted_sum([s, s], [np.inf, 1.0]), r"'weighted_sum' made nan of"),
        (
            lambda s: np.array([1.0, np.nan]) * s,
            r"'mul' made nan at element \[1\] of .*which is nan already",
        ),
        (lambda s: tg.stack([s, s - np.inf]), r"'sub' made -inf of 's'"),
        (lambda s: nn.Linear(2, 1, rng=0)(np.array([[1.0, np.inf]])), r"'linear' made -?inf at element \[0, 0\] of"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
@pytest.mark.parametrize("silent", [False, True], ids=["recorded", "no_grad"])
def test_every_kind_of_op_is_looked_at(call: Callable[[Value], Any], message: str, silent: bool) -> None:
    s = Value(0.0, name="s")

    def run() -> None:
        if silent:
            with tg.no_grad():
                call(s)
        else:
            call(s)

    with pytest.raises(NonFiniteError, match=message), tg.detect_anomaly():
        run()
    call(s)  # outside nobody minds


def test_named_functions_have_the_line_that_called() -> None:
    """Not one in the package, NumPy or generated code, whichever way the op was reached."""
    x = Value([0.0, 1.0], name="x")
    calls = [lambda: x.log(), lambda: np.log(x), lambda: tg.log(x), lambda: tg.grad(lambda x: np.log(x).sum())(x)]
    calls += [lambda: 1.0 / x, lambda: np.sum(1.0 / x), lambda: tg.softmax(x / 0.0)]
    for call in calls:
        with pytest.raises(NonFiniteError, match=r"in [^ ]*test_anomalies\.py:\d+ \("), tg.detect_anomaly():
            call()


# ---- backward --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [None, "leaves"])
@pytest.mark.parametrize(
    ("start", "element", "there"), [(0.0, "", ""), (np.array([4.0, 0.0]), r" at element \[1\]", ", 0 there")]
)
def test_the_first_infinity_backward(keep: Any, start: Any, element: str, there: str) -> None:
    x = Value(start, name="x")
    with tg.detect_anomaly():
        root = np.sqrt(x)  # the root
        root.name = "r"
        end = (root * 2.0).sum() if x.shape else root * 2.0
        with pytest.raises(
            NonFiniteError,
            match=rf"^detect_anomaly: the gradient of 'x' \(.*\) is inf{element}, back through 'sqrt', which made 'r' "
            rf".* of 'x' \(.*\){there} in .*test_anomalies.py:{line_of('the root')} \(root = np.sqrt",
        ):
            end.backward(keep=keep)
    if keep is None:
        end.backward()  # outside it is NumPy's infinity
        assert np.max(x.grad) == np.inf


def test_transforms_and_higher_orders() -> None:
    at = np.array([1.0, 0.0])
    with tg.detect_anomaly():
        for derivative in (tg.grad, tg.hessian, tg.value_and_grad):
            with pytest.raises(NonFiniteError, match=r"is inf at element \[1\], back through 'sqrt'|'div' made inf"):
                derivative(lambda x: np.sqrt(x).sum())(at)
    with pytest.raises(NonFiniteError, match=r"a line that is not known \(compute it inside detect_anomaly"):
        _backward_inside(np.sqrt(Value(at, name="x")).sum())


def _backward_inside(end: Value) -> None:
    with tg.detect_anomaly():
        end.backward()


def test_a_cotangent_that_is_not_a_number() -> None:
    y = Value([1.0, 2.0], name="x") * 2.0
    with (
        pytest.raises(NonFiniteError, match=r"is nan at element \[1\], as it was given to backward"),
        tg.detect_anomaly(),
    ):
        y.backward(np.array([1.0, np.nan]))


def test_compiled_steps_run_eagerly() -> None:
    w = Value([1.0, 1.0], name="w")
    step = tg.compile(lambda x: np.sum(np.log(w * x)))
    step(np.array([1.0, 2.0]))
    expected = w.grad.copy()
    w.zero_grad()
    with tg.detect_anomaly():
        assert step(np.array([1.0, 2.0])) == pytest.approx(np.log(2.0))
        assert_array_equal(w.grad, expected)
        with pytest.raises(NonFiniteError, match=r"'log' made -inf at element \[1\]"):
            step(np.array([1.0, 0.0]))


def test_checkpoints_are_looked_into() -> None:
    x = Value([1.0, 0.0], name="x")
    with tg.detect_anomaly():
        with pytest.raises(NonFiniteError, match=r"'log' made -inf at element \[1\] of 'x'"):
            tg.checkpoint(lambda x: np.log(x))(x)
        end = tg.checkpoint(lambda x: np.sqrt(x))(x).sum()
        with pytest.raises(NonFiniteError, match=r"back through 'sqrt'"):
            end.backward()


# ---- stale and overwritten data --------------------------------------------------------------------------------------


def test_an_array_overwritten_in_place() -> None:
    w, x = Value(np.ones((3, 2)), name="w"), np.ones((4, 3))
    with tg.detect_anomaly():
        end = np.sum(np.tanh(x @ w))  # the product
        w.data[1, 1] = 7.0
        with pytest.raises(
            GraphError,
            match=rf"^detect_anomaly: the data of 'w' \(of shape \(3, 2\)\) was overwritten in place after 'matmul' "
            rf"read it, in .*test_anomalies.py:{line_of('the product')} .*run the forward pass again",
        ):
            end.backward()
        assert not w.has_grad
        w.data[1, 1] = 1.0
        end.backward()  # as it was
        end = np.sum(x @ w)
        x[0, 0] = -1.0  # an array that never was a Value
        with pytest.raises(
            GraphError, match=r"the data of an array of shape \(4, 3\) was overwritten .* 'matmul' read it"
        ):
            end.backward()
        x[0, 0] = 1.0
        end = tg.grad(lambda w: _spoiled(x @ w, x))
        with pytest.raises(GraphError, match=r"overwritten in place after 'matmul'"):
            end(w.data)


def _spoiled(value: Value, x: Any) -> Any:
    end = np.sum(value)
    x[0, 0] = 5.0
    return end


def test_numbers_that_were_replaced() -> None:
    """A graph of scalars answers for the point at which it was recorded; the block says that this is not here."""
    s = Value(3.0, name="s")
    plain = s * s
    with tg.detect_anomaly():
        end = s * s
        s.data = 4.0
        with pytest.raises(GraphError, match=r"the data of 's' \(4\) was replaced after 'mul' read it"):
            end.backward()
        plain.backward()  # recorded outside
    assert s.grad == 6.0


def test_a_replaced_array_is_found_without_the_block_too() -> None:
    w = Value([1.0, 2.0], name="w")
    end = np.sum(w * w)
    w.data = np.array([1.0, 2.0])
    with pytest.raises(GraphError, match=r"the data of 'w' .* was replaced after it was recorded"):
        end.backward()


# ---- what is right stays right ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("form", ["float", "array"])
def test_gradients_of_the_table_are_the_same(name: str, form: str) -> None:
    at = at_a_point(name, form)

    def gradients(watched: bool) -> list[Any]:
        operands = [Value(x) for x in at]
        if watched:
            with tg.detect_anomaly():
                out = FUNCTIONS[name](*operands)
                out.backward(np.ones(out.shape))
        else:
            out = FUNCTIONS[name](*operands)
            out.backward(np.ones(out.shape))
        assert out.data is not operands[0].data or form == "float"
        assert type(out._da) is (list if form == "array" else type(out._da))
        return [out.data, *(x.grad for x in operands)]

    for expected, found in zip(gradients(False), gradients(True), strict=True):
        if expected is None:
            assert found is None
        else:
            assert_array_equal(found, expected)


@pytest.mark.parametrize("example", CASES, ids=LABELS)
def test_gradients_of_structured_ops_are_the_same(example: Case, rng: np.random.Generator) -> None:
    arrays = example.arrays(rng)

    def gradients(watched: bool) -> list[Any]:
        values = [Value(a) for a in arrays]
        if watched:
            with tg.detect_anomaly():
                out = example.ours(*values)
                out.backward(np.ones(out.shape))
        else:
            out = example.ours(*values)
            out.backward(np.ones(out.shape))
        return [x.grad for x in values]

    for expected, found in zip(gradients(False), gradients(True), strict=True):
        if expected is None:
            assert found is None
        else:
            assert_array_equal(found, expected)


def test_scalar_networks_and_their_paths() -> None:
    net = nn.scalar.MLP(2, [2, 1], rng=0)

    def made() -> Value:
        end: Value = net([0.5, -1.0]) * 1.0
        return end

    with tg.detect_anomaly():
        end = made()
    assert end.op is not None
    assert "test_anomalies.py" in str(end.op.line)
    name = next(iter(net.named_parameters()))
    watched, plain = (tg.gradient_paths(e, name) for e in (end, made()))
    assert watched.count == plain.count
    assert watched.total == plain.total
    assert made().op.line is None  # type: ignore[union-attr]


def test_it_holds_for_this_thread_alone() -> None:
    found: list[Any] = []
    with tg.detect_anomaly():
        thread = threading.Thread(target=lambda: found.append(tg.log(Value(0.0))))
        thread.start()
        thread.join()
    assert found[0].data == -np.inf
    assert found[0].op.line is None


@pytest.mark.parametrize(
    ("part", "blind", "test"),
    [
        ("_checksum", lambda data: 0, test_an_array_overwritten_in_place),
        ("_checksum", lambda data: 0, test_numbers_that_were_replaced),
        ("_first_non_finite", lambda data: None, test_the_first_infinity_forward),
        ("_first_non_finite", lambda data: None, test_a_cotangent_that_is_not_a_number),
    ],
    ids=lambda x: getattr(x, "__name__", x),
)
def test_a_blind_detector_is_noticed(
    part: str, blind: Callable[[Any], Any], test: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anomalies, part, blind)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        test()
