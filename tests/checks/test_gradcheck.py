"""``check_grads``: right derivatives pass, planted faults are named, kinks are recognised."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.cases import CASES, DENSE
from tinygrad_lite import DifferentGradientsError, Value, nn
from tinygrad_lite.core.elementwise import OPS
from tinygrad_lite.errors import ArgumentError, NonFiniteError, ValueTypeError
from tinygrad_lite.ops.reductions import LogSumExp, Sum


def network(x: Any, p: Any) -> Any:
    hidden = np.tanh(x @ p["w"][0] + p["b"])
    return tg.softmax(hidden @ p["w"][1]), hidden.sum()


@pytest.fixture
def arguments(rng: np.random.Generator) -> tuple[Any, ...]:
    w = [rng.standard_normal((3, 4)), rng.standard_normal((4, 2))]
    return rng.standard_normal((2, 3)), {"w": w, "b": rng.standard_normal(4)}


def test_right_derivatives_pass(arguments: Any) -> None:
    tg.check_grads(network, arguments, order=2)
    tg.check_grads(lambda x: x.sigmoid().sum() ** 2, np.linspace(-1, 1, 3), order=3)
    tg.check_grads(lambda x: x**3, 2, order=4)
    tg.check_grads(lambda x: x * x, Value(3.0))
    tg.check_grads(lambda x, labels: tg.cross_entropy(x, labels), (np.ones((2, 3)), np.array([0, 2])))


def test_functions_of_every_kind(rng: np.random.Generator) -> None:
    once = {example.name: example for example in CASES if not example.empty and example.kind != "zeros"}
    for example in once.values():
        # Where a second derivative is 0 but for rounding, differences find the rounding.
        tg.check_grads(
            example.ours, tuple(example.arrays(rng)), order=1 if example.name in {"det", "corrcoef", *DENSE} else 2
        )


def test_float32_is_held_to_what_float32_can_tell(arguments: Any) -> None:
    x, p = arguments
    single = (x.astype(np.float32), {"w": [w.astype(np.float32) for w in p["w"]], "b": p["b"].astype(np.float32)})
    tg.check_grads(network, single, order=2)


@pytest.mark.parametrize("size", [1e-12, 1e12])
def test_units_do_not_matter(size: float) -> None:
    tg.check_grads(lambda x: size * np.sin(x).sum(), np.array([0.5, 2.0]))
    tg.check_grads(lambda x: np.sin(x / size).sum() if size > 1 else np.sin(x).sum(), size * np.array([0.5, 2.0]))


def test_a_wrong_derivative_is_found_at_every_order(monkeypatch: pytest.MonkeyPatch, arguments: Any) -> None:
    """0.05 % off, in what only one order reads."""
    at = np.array([0.5, 1.0])
    arrays, values = OPS["sinh"]._local_arrays, OPS["sinh"]._local_values
    right = arrays[0], values[0]
    monkeypatch.setitem(arrays, 0, lambda x, out: 1.0005 * right[0](x, out))
    for mode in ("reverse", "forward"):
        with pytest.raises(DifferentGradientsError, match=f"order 1, {mode}: the derivative of the result"):
            tg.check_grads(np.sinh, at, modes=(mode,))
    monkeypatch.setitem(arrays, 0, right[0])
    monkeypatch.setitem(values, 0, lambda x, out: 1.0005 * right[1](x, out))
    tg.check_grads(np.sinh, at, order=1)
    for mode in ("reverse", "forward"):
        with pytest.raises(DifferentGradientsError, match=f"order 2, {mode} over {mode}: "):
            tg.check_grads(np.sinh, at, modes=(mode,))


@pytest.mark.parametrize("slip", [lambda w: -w, lambda w: 0.0 * w, lambda w: w * w, lambda w: w + 1e-6])
def test_planted_slips_in_a_chain(monkeypatch: pytest.MonkeyPatch, slip: Any) -> None:
    right = LogSumExp.chain

    def wrong(self: Any, k: int, operands: Any, out: Any) -> Any:
        (map_,) = right(self, k, operands, out)
        return (self.sum_over(operands[0], slip(map_.weight)),)

    monkeypatch.setattr(LogSumExp, "chain", wrong)
    with pytest.raises(DifferentGradientsError, match="check_grads: order 1, reverse: the derivative of the result by"):
        tg.check_grads(lambda x: tg.logsumexp(x), np.array([0.3, 0.1, -0.2]))


def test_backward_is_checked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Sum.pull
    monkeypatch.setattr(Sum, "pull", lambda self, k, g, operands, out: 2 * right(self, k, g, operands, out))
    with pytest.raises(
        DifferentGradientsError, match=r"order 1, reverse: backward\(\) from the result gives argument 0"
    ):
        tg.check_grads(lambda w: tg.sum(w * w), np.ones(3), order=1)
    tg.check_grads(lambda w: tg.sum(w * w), np.ones(3), order=1, modes=("forward",))


@pytest.mark.parametrize(
    ("f", "at", "order"),
    [
        (lambda a: a**4, 0.0, 2),
        (lambda a: a**3, 0.0, 1),
        (lambda a: tg.tanh(a) ** 3, 0.0, 2),
        (lambda a: tg.square(tg.square(a)), 0.0, 2),
        (tg.log, 1e-4, 2),
        (tg.sqrt, 1e-6, 2),
        (lambda a: tg.log(a).sum(), np.array([1e-4, 1.0, 100.0]), 2),
        (tg.sin, 1e6, 2),
        (lambda a: tg.sin(1e4 * a), 0.3, 2),
    ],
)
def test_smooth_functions_pass_where_steps_must_be_small(f: Any, at: Any, order: int) -> None:
    tg.check_grads(f, at, order=order)
    with pytest.raises(DifferentGradientsError, match=r"^check_grads: order 1, "):  # and are not passed unseen
        tg.check_grads(lambda a: f(a) + (a.detach() - at).sum(), at, order=1)


def test_the_worst_element_is_named(monkeypatch: pytest.MonkeyPatch, arguments: Any) -> None:
    right = OPS["tanh"]._local_arrays[0]
    spoiled = np.ones((2, 4))
    spoiled[1, 2] = 1.01
    monkeypatch.setitem(OPS["tanh"]._local_arrays, 0, lambda x, out: spoiled * right(x, out))
    with pytest.raises(DifferentGradientsError, match=r"^check_grads: order 1, reverse: ") as error:
        tg.check_grads(lambda p: np.tanh(p["z"]), {"z": np.full((2, 4), 0.5)})
    message = str(error.value)
    number = f"{1.01 / np.cosh(0.5) ** 2:.10g}"
    assert message.startswith(
        f"check_grads: order 1, reverse: the derivative of the result[1, 2] by argument 0['z'][1, 2] is {number}, but "
        f"{1 / np.cosh(0.5) ** 2:.10g} by complex step (relative difference 0.0099, allowed 4e-10)."
    )


def test_a_missing_term_at_order_2() -> None:
    def detached(x: Any) -> Any:
        return tg.jvp(lambda x: x**3, x, 1.0)[1].detach() * 1.0 + 0.0 * x

    with pytest.raises(DifferentGradientsError, match=r"is 0, but 6 by finite differences|is 0, but 6\.\d* by finite"):
        tg.check_grads(detached, 1.0, order=1)


def test_kinks_and_jumps() -> None:
    kink = "There is a kink: from the left the slope is 0, from the right 1, and what autodiff gives"
    with pytest.raises(DifferentGradientsError, match=kink):
        tg.check_grads(lambda x: x.relu(), 0.0)
    with pytest.raises(DifferentGradientsError, match=re.escape("of the result[1] by argument 0[1]")):
        tg.check_grads(lambda x: x.relu(), np.array([1.0, 0.0]))
    tg.check_grads(lambda x: x.relu(), np.array([1.0, -0.5]), order=3)
    tg.check_grads(lambda x: x.relu() ** 2, 0.0, order=1)
    with pytest.raises(DifferentGradientsError, match=r"order 2, .*kink"):
        tg.check_grads(lambda x: x.relu() ** 2, 0.0, order=2)
    with pytest.raises(DifferentGradientsError, match="The function jumps there"):
        tg.check_grads(lambda x: x.sign() + x, 0.0)


def test_refusals() -> None:
    with pytest.raises(ArgumentError, match="order is a number of derivatives, 1 or more, got 0"):
        tg.check_grads(np.sin, 1.0, order=0)
    for at_most in (0, "x", 1.5, True):
        with pytest.raises(ArgumentError, match="at_most is a number of elements, 1 or more, got"):
            tg.check_grads(np.sin, 1.0, at_most=at_most)
    with pytest.raises(ArgumentError, match="modes are some of"):
        tg.check_grads(np.sin, 1.0, modes="reverse")
    with pytest.raises(ArgumentError, match="modes are some of"):
        tg.check_grads(np.sin, 1.0, modes=("backward",))
    with pytest.raises(ValueTypeError, match="not modules; pass their parameters' data"):
        tg.check_grads(lambda net: net([1.0]), nn.Linear(1, 1))
    with pytest.raises(NonFiniteError, match="order 1: the result is infinite or NaN"):
        tg.check_grads(np.log, -1.0)
    for other in (True, None, "b"):
        with pytest.raises(ValueTypeError, match=r"argument 0 is \w+, not .*; let the function read it from outside"):
            tg.check_grads(lambda x: 1.0, other)
    with pytest.raises(ValueTypeError, match=re.escape("check_grads: argument 0['a'] is str")):
        tg.check_grads(lambda x: 1.0, {"a": "b"})
