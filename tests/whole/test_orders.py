"""Every op in every nesting of the two modes: against differences at orders 1 to 3, against JAX at orders 1 and 2."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinygrad_lite as tg
from tests.cases import CASES, LABELS, Case
from tests.chains import all_chains, pull, push, random
from tests.checkers import assert_orders, bent, differentiable, directions, sampled
from tests.oracles.jax_peer import assert_like_jax, jax_functions, jax_structured
from tinygrad_lite import Value
from tinygrad_lite.core.elementwise import FUNCTIONS, OPS
from tinygrad_lite.core.elementwise_derivatives import TABLE

EACH = pytest.mark.parametrize("example", CASES, ids=LABELS)


@EACH
def test_structured_ops_to_order_3(example: Case, rng: np.random.Generator) -> None:
    arrays = example.arrays(rng)
    steps = directions(arrays, rng)
    weight = rng.standard_normal(np.shape(example.reference(*arrays)))
    assert_orders(
        lambda t: bent(example.ours(*(x + t * v for x, v in zip(arrays, steps, strict=True))), weight), 3, example.label
    )


@pytest.mark.parametrize("shapes", [((), (), ()), ((3,), (3,), (3,)), ((2, 3), (3,), ())], ids=str)
@pytest.mark.parametrize("name", TABLE)
def test_the_table_to_order_3(name: str, shapes: tuple[Any, ...], rng: np.random.Generator) -> None:
    op = OPS[name]
    arrays = sampled(op, shapes[: len(op.rule.operands)], np.float64, rng)
    live = differentiable(op)
    steps = [0.1 * v for v in directions(arrays, rng)]

    def along(t: Any) -> Any:
        moved = [x + t * v if k in live else x for k, (x, v) in enumerate(zip(arrays, steps, strict=True))]
        return tg.sum(tg.sin(FUNCTIONS[name](*moved)))

    assert_orders(along, 3, name)


def test_the_check_finds_a_planted_fault(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    right = OPS["tanh"]._local_values[0]
    monkeypatch.setitem(OPS["tanh"]._local_values, 0, lambda x, out: right(x, out) * 1.0005)
    with pytest.raises(AssertionError, match="reverse over reverse over tanh"):
        test_the_table_to_order_3("tanh", ((3,),), rng)


@EACH
def test_jacobians_agree_in_every_way(example: Case, rng: np.random.Generator) -> None:
    """Forward and reverse, of numbers and of Values: several rows at a time."""
    arrays = tuple(example.arrays(rng))
    values = tuple(Value(x) for x in arrays)
    argnums = tuple(range(len(arrays)))
    expected = tg.jacobian(example.ours, argnums, mode="reverse")(*arrays)
    shape = np.shape(example.reference(*arrays))
    for found in (
        tg.jacobian(example.ours, argnums, mode="forward")(*arrays),
        tg.jacobian(example.ours, argnums, mode="forward")(*values),
        tg.jacobian(example.ours, argnums, mode="reverse")(*values),
    ):
        for a, b, x in zip(found, expected, arrays, strict=True):
            assert np.shape(b) == shape + np.shape(x)
            assert_allclose(a.data if isinstance(a, Value) else a, b, rtol=1e-11, atol=1e-12)


@pytest.mark.filterwarnings("ignore")  # theirs
@EACH
def test_structured_ops_like_jax(example: Case, rng: np.random.Generator) -> None:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    if example.label == "split-5x2" or example.name in ("eig", "lstsq"):
        return  # an index beyond the end, which NumPy takes and JAX does not; not there; compiles for seconds
    function = jax_structured(jax).get(example.name) or getattr(jax.numpy, example.name, None)
    function = function or getattr(jax.numpy.linalg, example.name)
    arrays = example.arrays(rng)
    weight = rng.standard_normal(np.shape(example.reference(*arrays)))
    assert_like_jax(
        jax,
        lambda *xs: bent(example.ours(*xs), weight),
        lambda *xs: jax.numpy.sum(weight * jax.numpy.sin(example.call(function, *xs))),
        arrays,
        directions(arrays, rng),
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("shape", [(), (5,)], ids=["scalar", "vector"])
@pytest.mark.parametrize("name", TABLE)
def test_the_table_like_jax(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> None:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    theirs = jax_functions(jax)[name]
    arrays = sampled(OPS[name], [shape] * len(TABLE[name].operands), np.float64, rng)
    live = differentiable(OPS[name])
    weight = rng.standard_normal(shape)

    def whole(xs: Any) -> list[Any]:
        rest = iter(xs)
        return [next(rest) if k in live else x for k, x in enumerate(arrays)]

    chosen = [arrays[k] for k in live]
    assert_like_jax(
        jax,
        lambda *xs: bent(FUNCTIONS[name](*whole(xs)), weight),
        lambda *xs: jax.numpy.sum(weight * jax.numpy.sin(theirs(*whole(xs)))),
        chosen,
        directions(chosen, rng),
    )


# ---- the graphs of derivatives are graphs like any other -------------------------------------------------------------


@EACH
def test_paths_through_a_gradient(example: Case, rng: np.random.Generator) -> None:
    """The ops that a sweep over Values records answer to every other sweep: edges, counts, both directions."""
    from tinygrad_lite.core.maps import edges
    from tinygrad_lite.semirings import COUNT

    values = [Value(x) for x in example.arrays(rng)]
    weight = rng.standard_normal(np.shape(example.reference(*(v.data for v in values))))
    gradients = tg.grad(lambda *xs: bent(example.ours(*xs), weight), tuple(range(len(values))))(*values)
    for gradient, (node, _, operand, chain) in itertools.chain.from_iterable(
        zip(itertools.repeat(g), all_chains(g)) for g in gradients
    ):
        assert isinstance(gradient, Value)
        if node.op is None or node.op.name not in ("gather", "argument", "cast"):
            continue
        g, t = random(rng, node.shape), random(rng, operand.shape)
        assert_allclose(np.sum(push(chain, t) * g), np.sum(t * pull(chain, g)), rtol=1e-11, atol=1e-12)
        for index in np.ndindex(node.shape):
            seed: Any = np.zeros(node.shape, dtype=np.int64)
            seed[index] = 1
            counts = np.broadcast_to(pull(chain, seed if node.shape else 1, COUNT), operand.shape)
            listed = [inner for inner, _ in edges(chain, index)]
            assert len(set(listed)) == len(listed)
            assert {tuple(map(int, i)) for i in np.argwhere(counts)} == set(listed)
