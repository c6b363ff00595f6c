"""The table and the structured ops in JAX, and derivatives of both orders held against JAX's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.testing import assert_allclose

import tinygrad_lite as tg
from tests.checkers import blaming


def jax_functions(jax: Any) -> dict[str, Callable[..., Any]]:
    jnp, nn = jax.numpy, jax.nn
    return {
        "add": jnp.add, "sub": jnp.subtract, "mul": jnp.multiply, "div": jnp.divide, "neg": jnp.negative,
        "pow": jnp.power,
        "exp": jnp.exp, "log": jnp.log, "log1p": jnp.log1p, "expm1": jnp.expm1, "sqrt": jnp.sqrt, "square": jnp.square,
        "abs": jnp.abs, "sign": jnp.sign, "sin": jnp.sin, "cos": jnp.cos, "tan": jnp.tan, "arcsin": jnp.arcsin,
        "arccos": jnp.arccos, "arctan": jnp.arctan, "sinh": jnp.sinh, "cosh": jnp.cosh, "tanh": jnp.tanh,
        "sech2": lambda x: 1 / jnp.cosh(x) ** 2,
        "sigmoid": nn.sigmoid,
        "softplus": nn.softplus, "relu": nn.relu, "leaky_relu": nn.leaky_relu, "elu": nn.elu, "silu": nn.silu,
        "gelu_tanh": lambda x: nn.gelu(x, approximate=True), "gelu_erf": lambda x: nn.gelu(x, approximate=False),
        "erf": jax.scipy.special.erf, "erfc": jax.scipy.special.erfc, "maximum": jnp.maximum, "minimum": jnp.minimum,
        "where": jnp.where, "clip": jnp.clip, "exp2": jnp.exp2, "log2": jnp.log2, "log10": jnp.log10,
        "logaddexp": jnp.logaddexp, "logaddexp2": jnp.logaddexp2, "cbrt": jnp.cbrt, "reciprocal": jnp.reciprocal,
        "hypot": jnp.hypot, "arctan2": jnp.arctan2, "arcsinh": jnp.arcsinh, "arccosh": jnp.arccosh,
        "arctanh": jnp.arctanh, "sinc": jnp.sinc, "sinc_slope": jnp.vectorize(jax.grad(jnp.sinc)), "fmax": jnp.fmax,
        "fmin": jnp.fmin, "mod": jnp.mod,
    }  # fmt: skip


# ---- JAX -------------------------------------------------------------------------------------------------------------


def jax_structured(jax: Any) -> dict[str, Callable[..., Any]]:
    """What is called otherwise in JAX, or takes other arguments there."""
    jnp, special = jax.numpy, jax.scipy.special

    def half_squared_error(y: Any, t: Any, divisor: float = 1.0) -> Any:
        return jnp.sum((y - t) ** 2) / (2 * divisor)

    def cross_entropy(logits: Any, labels: Any) -> Any:
        rows = jnp.arange(len(labels))
        return -jnp.mean(jax.nn.log_softmax(logits)[rows, jnp.asarray(labels)])

    def norm(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        total = jnp.sum(x * x, axis=axis, keepdims=keepdims)
        return jnp.sqrt(total) if x.size else total  # theirs has no derivative at 0

    def weighted_sum(weights: Any, inputs: Any, bias: Any = 0.0) -> Any:
        return sum((w * x for w, x in zip(weights, inputs, strict=True)), bias)

    def getitem(x: Any, key: Any) -> Any:
        parts = key if isinstance(key, tuple) else (key,)
        return x[
            tuple(np.array(part, int if part == [] else None) if isinstance(part, list) else part for part in parts)
        ]

    def take(x: Any, indices: Any, axis: Any = None) -> Any:
        return jnp.take(x, jnp.asarray(indices), axis)

    def cholesky(x: Any) -> Any:
        return jnp.linalg.cholesky(x, symmetrize_input=True)

    def sliding_window_view(x: Any, shape: Any) -> Any:
        positions = np.arange(x.size).reshape(x.shape)
        return x.reshape(-1)[np.lib.stride_tricks.sliding_window_view(positions, shape)]

    def gradient(x: Any, edge_order: int) -> Any:  # theirs is of order 1 at the ends
        ends = [-1.5 * x[0] + 2 * x[1] - 0.5 * x[2], 1.5 * x[-1] - 2 * x[-2] + 0.5 * x[-3]]
        return jnp.concatenate([ends[0][None], (x[2:] - x[:-2]) / 2, ends[1][None]])

    return {
        "cholesky": cholesky,
        "cross_entropy": cross_entropy,
        "fft": jnp.fft.fft,
        "getitem": getitem,
        "gradient": gradient,
        "half_squared_error": half_squared_error,
        "sliding_window_view": sliding_window_view,
        "flatten": jnp.ravel,
        "irfft": jnp.fft.irfft,
        "linear": lambda x, weight, bias: x @ weight + bias,
        "log_softmax": jax.nn.log_softmax,
        "logsumexp": special.logsumexp,
        "norm": norm,
        "pad": lambda x, widths, mode="constant": jnp.pad(x, np.broadcast_to(widths, (x.ndim, 2)), mode=mode),
        "rfft": jnp.fft.rfft,
        "repeat": lambda x, repeats, axis=None: jnp.repeat(x, np.asarray(repeats), axis),
        "softmax": jax.nn.softmax,
        "take": take,
        "weighted_sum": weighted_sum,
    }


def every_second_order(f: Callable[..., Any], at: tuple[Any, ...], along: tuple[Any, ...]) -> dict[str, Any]:
    """The Hessian times a vector, by each nesting of modes that has it as an array."""
    argnums = tuple(range(len(at)))

    def products(xs: Any) -> Any:
        return sum((tg.sum(g * v) for g, v in zip(tg.grad(f, argnums)(*xs), along, strict=True)), 0.0)

    return {
        "forward over reverse": tg.hvp(lambda xs: f(*xs), at, along),
        "reverse over reverse": tg.grad(products)(at),
        "reverse over forward": tg.grad(lambda xs: tg.jvp(f, xs, along)[1])(at),
    }


def assert_like_jax(
    jax: Any, ours: Callable[..., Any], theirs: Callable[..., Any], at: list[Any], along: list[Any]
) -> None:
    argnums = tuple(range(len(at)))
    xs, vs = tuple(map(jax.numpy.asarray, at)), tuple(map(jax.numpy.asarray, along))
    gradient = jax.grad(theirs, argnums)
    (value, first), (tangent, second) = jax.jit(
        lambda xs, vs: jax.jvp(lambda *xs: (theirs(*xs), gradient(*xs)), xs, vs)
    )(xs, vs)
    found = tg.value_and_grad(ours, argnums)(*at)
    assert_allclose(found[0], value, rtol=1e-11, atol=1e-12)
    for a, b in zip(found[1], first, strict=True):
        assert np.shape(a) == np.shape(b)
        assert_allclose(a, b, rtol=1e-10, atol=1e-11)
    assert_allclose(tg.jvp(ours, tuple(at), tuple(along)), (value, tangent), rtol=1e-10, atol=1e-11)
    for nesting, product in every_second_order(ours, tuple(at), tuple(along)).items():
        for a, b in zip(product, second, strict=True):
            with blaming(nesting):
                assert np.shape(a) == np.shape(b)
                assert_allclose(a, b, rtol=1e-9, atol=1e-10)
