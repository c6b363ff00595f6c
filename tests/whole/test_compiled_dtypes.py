"""All pairs of dtypes through all ops and reductions: a replay has eager's values and dtypes, to the bit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.cases import CASES
from tests.compiler.agreement import bits, eager
from tinygrad_lite import Value
from tinygrad_lite.core.elementwise import FUNCTIONS
from tinygrad_lite.core.elementwise_derivatives import TABLE

FLOATS = [np.float16, np.float32, np.float64]
CONSTANTS = [*FLOATS, np.uint8, np.bool_, float]
REDUCTIONS = ["sum", "mean", "max", "min", "prod", "var", "std", "norm", "logsumexp", "ptp", "median"]
UNARY = [name for name, rule in TABLE.items() if len(rule.operands) == 1]
BINARY = [name for name, rule in TABLE.items() if len(rule.operands) == 2]


def constant(kind: Any, rng: np.random.Generator) -> Any:
    """A constant of a dtype and of numbers that every dtype can hold, inside the domains of all ops."""
    numbers = rng.integers(1, 2, (2, 3)) if kind is np.bool_ else rng.integers(1, 4, (2, 3))
    return 2.0 if kind is float else numbers.astype(kind)


def hold(terms: Iterable[Callable[[], Value]], leaves: Mapping[str, Value]) -> None:
    """Eager and a replay of the sum of all terms have the same loss and gradients, of the same dtypes."""

    def loss() -> Value:
        return sum((term() for term in terms), start=Value(0.0, requires_grad=False))

    cost, gradients = eager(loss, [*leaves.values()])
    step = tg.compile(loss)
    for _ in range(2):
        for leaf in leaves.values():
            leaf.zero_grad()
        with np.errstate(all="ignore"):
            found = step()
        wrong = [name for (name, leaf), g in zip(leaves.items(), gradients, strict=True) if bits(leaf._grad) != bits(g)]
        assert wrong == []
        assert bits(found) == bits(cost)
    assert step.captures == 1


@pytest.mark.parametrize("second", CONSTANTS, ids=lambda kind: getattr(kind, "__name__", str(kind)))
@pytest.mark.parametrize("first", FLOATS)
def test_pairs_of_dtypes(first: type, second: Any, rng: np.random.Generator) -> None:
    """A parameter with a constant, either way round, through every binary op, then a reduction; whole and by rows."""
    c = constant(second, rng)
    leaves: dict[str, Value] = {}
    terms: list[Any] = []

    def enter(name: str, term: Any) -> None:
        leaf = leaves[name] = Value(rng.uniform(0.6, 0.9, (2, 3)).astype(first), name=name)
        terms.append(lambda: term(leaf))

    for k, name in enumerate(BINARY):
        op, reduction = FUNCTIONS[name], getattr(tg, REDUCTIONS[k % 2])
        enter(f"{name}(w, c)", lambda w, op=op, r=reduction: r(op(w, c)))
        enter(f"{name}(c, w)", lambda w, op=op, r=reduction: r(op(c, w)))
    for name in REDUCTIONS:
        reduction = getattr(tg, name)
        enter(name, lambda w, r=reduction: r(w * c))
        enter(f"{name} by rows", lambda w, r=reduction: tg.mean(r(w * c, axis=0) * 0.5))
    hold(terms, leaves)


@pytest.mark.parametrize("dtype", FLOATS)
def test_ops_of_one_dtype(dtype: type, rng: np.random.Generator) -> None:
    leaves: dict[str, Value] = {}
    terms: list[Any] = []
    for name in UNARY:
        (low, high) = TABLE[name].domain[0]
        leaf = leaves[name] = Value(rng.uniform(low, high, (2, 3)).astype(dtype), name=name)
        terms.append(lambda op=FUNCTIONS[name], leaf=leaf: tg.mean(op(leaf) * 0.5))
    hold(terms, leaves)


def test_parameters_of_different_dtypes(rng: np.random.Generator) -> None:
    """Every op of two operands and every structured one, of float32 beside float64: each gradient has its dtype."""
    ops: dict[str, tuple[Any, list[Any]]] = {case.label: (case.ours, case.arrays(rng)) for case in CASES}
    for name in BINARY:
        ops[name] = FUNCTIONS[name], [rng.uniform(0.6, 0.9, (2, 3)) for _ in range(2)]
    leaves: dict[str, Value] = {}
    terms: list[Any] = []
    for label, (op, arrays) in ops.items():
        dtypes = (np.float32 if k % 2 == 0 else np.float64 for k in range(len(arrays)))
        own = [Value(x.astype(d) if np.ndim(x) else x) for x, d in zip(arrays, dtypes, strict=True)]
        if any(x.requires_grad for x in own) and isinstance(op(*own), Value):
            terms.append(lambda op=op, own=own: tg.sum(tg.sin(op(*own)) * 1.5))
            leaves |= {f"{label}, operand {k}": x for k, x in enumerate(own)}
    hold(terms, leaves)
    assert {leaf.grad.dtype for leaf in leaves.values() if leaf.shape and leaf.has_grad} == {*map(np.dtype, FLOATS[1:])}


@pytest.mark.parametrize("name", BINARY)
def test_integers_are_the_numbers_that_they_are(name: str) -> None:
    """Derivatives beside a constant of integers are those beside the same floats: unsigned ones do not wrap around."""
    numbers = np.array([1, 2, 3, 100, 200])
    for first in (True, False):
        found = []
        for kind in (np.float64, np.int64, np.uint8):
            w = Value(np.linspace(0.6, 0.9, 5), name="w")
            c = Value(numbers.astype(kind), requires_grad=False)
            out = FUNCTIONS[name](w, c) if first else FUNCTIONS[name](c, w)
            tg.sum(out).backward()
            found.append(w._grad)
        for g in found[1:]:
            np.testing.assert_array_equal(g, found[0])
