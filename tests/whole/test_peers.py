"""The table of derivatives against JAX and PyTorch, where they are installed (extra ``oracles``): in each domain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tests.checkers import differentiable, sampled
from tests.oracles.jax_peer import jax_functions
from tests.oracles.torch_peer import torch_functions
from tinygrad_lite import Value
from tinygrad_lite.core.elementwise import FUNCTIONS, OPS
from tinygrad_lite.core.elementwise_derivatives import TABLE

pytestmark = pytest.mark.filterwarnings("ignore")  # theirs

POINTS = 64


def ours(name: str, operands: list[Any], cotangent: Any) -> tuple[Any, list[Any]]:
    live = differentiable(OPS[name])
    values = [Value(x) if k in live else x for k, x in enumerate(operands)]
    out = FUNCTIONS[name](*values)
    out.backward(cotangent)
    return out.data, [values[k].grad for k in live]


@pytest.mark.parametrize("name", TABLE)
def test_jax(name: str, rng: np.random.Generator) -> None:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    functions = jax_functions(jax)
    assert functions.keys() == TABLE.keys()
    operands = sampled(OPS[name], [(POINTS,)] * len(TABLE[name].operands), np.float64, rng)
    cotangent = rng.standard_normal(POINTS)
    live = differentiable(OPS[name])

    def theirs(*chosen: Any) -> Any:
        whole = list(operands)
        for k, x in zip(live, chosen, strict=True):
            whole[k] = x
        return functions[name](*whole)

    expected, pullback = jax.vjp(theirs, *(jax.numpy.asarray(operands[k]) for k in live))
    value, grads = ours(name, operands, cotangent)
    assert_allclose(value, expected, rtol=1e-12, atol=1e-14)
    for grad, other in zip(grads, pullback(jax.numpy.asarray(cotangent)), strict=True):
        assert_allclose(grad, other, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", TABLE)
def test_torch(name: str, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    functions = torch_functions(torch)
    assert functions.keys() == TABLE.keys()
    operands = sampled(OPS[name], [(POINTS,)] * len(TABLE[name].operands), np.float64, rng)
    cotangent = rng.standard_normal(POINTS)
    live = differentiable(OPS[name])
    tensors = [torch.tensor(x, requires_grad=k in live) for k, x in enumerate(operands)]
    out = functions[name](*tensors)
    out.backward(torch.tensor(cotangent))
    value, grads = ours(name, operands, cotangent)
    assert_allclose(value, out.detach().numpy(), rtol=1e-12, atol=1e-14)
    for grad, k in zip(grads, live, strict=True):
        assert_allclose(grad, tensors[k].grad.numpy(), rtol=1e-11, atol=1e-13)
