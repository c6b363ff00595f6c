"""Local derivatives read off the graph: they mean what is computed, for every op."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.cases import CASES, Case
from tests.formulas.evaluation import Names, evaluated, named
from tinygrad_lite import Value, datasets, nn
from tinygrad_lite.core.elementwise_derivatives import TABLE, Rule
from tinygrad_lite.core.graph import ancestors, chains
from tinygrad_lite.core.maps import edges
from tinygrad_lite.formulas.latex import Latex
from tinygrad_lite.formulas.python import Python
from tinygrad_lite.formulas.reader import Tracer
from tinygrad_lite.formulas.text import Text

# ---- the table ------------------------------------------------------------------------------------------------------


def sampled(rule: Rule, rng: np.random.Generator, shape: tuple[int, ...]) -> list[Value]:
    data = [rng.uniform(low, high, shape) for low, high in rule.domain]
    if rule.name == "where":
        data[0] = (data[0] > 0).astype(float)
    return [Value(x if shape else float(x), name=letter) for letter, x in zip(rule.operands, data, strict=True)]


@pytest.mark.parametrize("result", ["out", None], ids=["named", "nameless"])
@pytest.mark.parametrize("shape", [(), (3,)], ids=["float", "array"])
@pytest.mark.parametrize("rule", TABLE.values(), ids=list(TABLE))
def test_every_line_means_what_is_computed(
    rule: Rule, shape: tuple[int, ...], result: str | None, rng: np.random.Generator
) -> None:
    for _ in range(5):
        operands = sampled(rule, rng, shape)
        out = getattr(tg.elementary, rule.name)(*operands)
        out.name = result
        checked = 0
        for position, operand, chain in chains(out):
            assert out.operands[position] is operand
            for index in np.ndindex(shape):
                ((inner, weight),) = edges(chain, index)
                e = Tracer().local(out, position, index, inner)
                assert evaluated(e) == pytest.approx(weight, rel=1e-12, abs=1e-14)
                assert Text().write(e).isprintable()
                assert Latex().write(e).isascii()
                checked += 1
        assert checked == out.size * sum(d is not None for d in rule.derivatives)
        if shape:  # and of whole arrays
            for position, _, chain in chains(out):
                whole = np.broadcast_to(evaluate_whole(out, position), shape)
                weights = [next(edges(chain, index))[1] for index in np.ndindex(shape)]
                np.testing.assert_allclose(whole, weights, rtol=1e-12, atol=1e-14)


def evaluate_whole(out: Value, position: int) -> Any:
    e = Tracer().local(out, position, None, None)
    if "math." in Python(Names()).write(e):  # erf is one of numbers
        return np.array([evaluated(Tracer().local(out, position, (k,), (k,))) for k in range(out.size)])
    return evaluated(e)


def test_what_is_long_has_a_name_of_its_own() -> None:
    (x,) = named(x=0.3)
    e = Tracer().local(x.gelu(), 0, (), ())
    assert (Text().write(e), Latex().write(e)) == ("gelu′(x)", r"\operatorname{gelu}'\left(x\right)")


# ---- structured ops -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("example", [case for case in CASES if not case.empty], ids=lambda case: case.label)
def test_every_edge_of_every_structured_op(example: Case, rng: np.random.Generator) -> None:
    """The expression of each elementary edge has the number of the edge, whether or not the values have names."""
    leaves = [Value(x, name=name) for x, name in zip(example.arrays(rng), "abcde", strict=False)]
    end = example.ours(*leaves)
    seen = 0
    for names in (False, True):
        tracer = Tracer(limit=500)
        for node in ancestors(end):
            if names and node.op is not None:
                node.name = f"{node.op.name}{seen}"
            for position, operand, chain in chains(node):
                for index in np.ndindex(node.shape):
                    for inner, weight in edges(chain, index):
                        e = tracer.local(node, position, index, inner)
                        assert evaluated(e) == pytest.approx(weight, rel=1e-9, abs=1e-12)
                        assert operand.shape == () or len(inner) == operand.ndim
                        Text().write(e), Latex().write(e)
                        seen += 1
    assert seen or not end.size


READS: list[tuple[Callable[[Value, Value], Value], str]] = [
    (lambda z, w: tg.softmax(z)[1], "softmax(z)[1]"),
    (lambda z, w: z.logsumexp(), "softmax(z)[1]"),
    (lambda z, w: z.norm(), "z[1]/‖z‖"),
    (lambda z, w: z.prod(), "z[0]·z[2]"),
    (lambda z, w: z.mean(), "0.3333"),
    (lambda z, w: (z - z.mean())[1].square(), "2(z[1] - mean(z))"),
    (lambda z, w: z @ w, "w[1]"),
    (lambda z, w: (z[:2] @ w[:2]).sigmoid(), "σ(z[0]·w[0] + z[1]·w[1])(1 - σ(z[0]·w[0] + z[1]·w[1]))·w[1]"),
    (lambda z, w: (z @ w).square(), "2(z[0]·w[0] + z[1]·w[1] + z[2]·w[2])·w[1]"),
    (lambda z, w: tg.einsum("i,i->", z, w), "w[1]"),
    (lambda z, w: tg.functions.half_squared_error(z, w, 4.0), "(z[1] - w[1])/4"),
    (lambda z, w: tg.cross_entropy(z.reshape(1, 3), [2]), "softmax(z)[1]"),
    (lambda z, w: z[1] ** 3, "3·z[1]²"),
    (lambda z, w: 1 / z[1], "-1/z[1]²"),
    (lambda z, w: 0.3 * z[1] * 0.5, "0.15"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "expected"), READS, ids=[expected for _, expected in READS])
def test_it_reads_as_people_write_it(make: Callable[[Value, Value], Value], expected: str) -> None:
    z, w = named(z=np.array([0.5, 1.5, -1.0]), w=np.array([1.0, 2.0, 3.0]))
    path = max(tg.gradient_paths(make(z, w), z, at=1), key=lambda path: path.contribution)
    assert str(path) == f"end ← z[1] : {expected} = {path.contribution:.6g}"


def test_recording_may_be_off() -> None:
    (z,) = named(z=[1.0, 2.0])
    loss = tg.cross_entropy((z * 2.0).reshape(1, 2), [0])
    with tg.no_grad():
        shown = [str(path) for path in tg.gradient_paths(loss, z, at=1)]
    assert shown == [str(path) for path in tg.gradient_paths(loss, z, at=1)]
    assert re.match(r"end ← z\[1\] : 2·exp\(2·z\[1\] - logsumexp\(2·z\[0\], 2·z\[1\]\)\) = 1\.76159", shown[0])


def test_nothing_is_recorded_or_changed_by_printing() -> None:
    x, t = datasets.xor()
    loss = nn.losses.half_squared_error(nn.MLP(2, [3, 2], rng=0)(x), t)
    before = [(node.name, node.requires_grad, node.has_grad) for node in ancestors(loss)]
    for path in tg.gradient_paths(loss, "w100"):
        str(path)
    assert [(node.name, node.requires_grad, node.has_grad) for node in ancestors(loss)] == before
