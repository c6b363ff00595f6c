"""Functions that choose by the data, or that one formula serves at every order."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinygrad_lite as tg
from tinygrad_lite import Value
from tinygrad_lite.errors import ArgumentError

CHOOSING: dict[str, Callable[[Any], Any]] = {
    "unwrap": lambda v: np.sum(np.unwrap(4 * v) ** 2),
    "nanquantile": lambda v: np.nanquantile(v, 0.3) * v[0],
    "piecewise": lambda v: np.sum(np.piecewise(v, [v < 0], [lambda u: u**2, lambda u: -u])),
    "compress": lambda v: np.sum(np.compress(v > 0, v) ** 2),
    "average": lambda v: np.average(v, weights=v**2),
    "lstsq": lambda v: np.sum(np.linalg.lstsq(np.vander(v, 2), v**2)[0] ** 2),
    "rfft": lambda v: np.sum(np.abs(np.fft.rfft(v)) ** 2),
}


@pytest.mark.parametrize("name", CHOOSING)
def test_a_compiled_step_follows_the_data(name: str, rng: np.random.Generator) -> None:
    p = Value(rng.standard_normal(4))
    step = tg.compile(lambda: CHOOSING[name](p))
    for _ in range(3):
        p.data = x = rng.standard_normal(4)
        p.zero_grad()
        cost = step()
        eager = Value(x)
        loss = CHOOSING[name](eager)
        loss.backward()
        assert_allclose(cost, loss.data, rtol=1e-12)
        assert_allclose(p.grad, eager.grad, rtol=1e-10, atol=1e-12)


def test_a_compiled_step_refuses_complex_eigenvalues() -> None:
    p = Value([[2.0, 1.0], [0.5, 1.0]])
    step = tg.compile(lambda: np.sum(np.linalg.eigvals(p) ** 2))
    assert step() == step() == pytest.approx(6.0)
    p.data = np.array([[0.0, 1.0], [-1.0, 0.0]])
    with pytest.raises(ArgumentError, match=r"eig: the matrix of shape \(2, 2\) has complex eigenvalues"):
        step()


@pytest.mark.parametrize("x", [0.0, 1e-9, -0.3, 5.0, 300.0])
def test_the_bessel_function_to_order_4(x: float) -> None:
    mpmath = pytest.importorskip("mpmath")
    f: Callable[[Any], Any] = np.i0
    for order in range(5):
        terms = [math.comb(order, k) * mpmath.besseli(abs(order - 2 * k), x).real for k in range(order + 1)]
        assert_allclose(f(x), float(sum(terms) / 2**order), rtol=1e-13, atol=1e-300)
        f = tg.grad(f)


def test_eigenvectors_of_the_upper_triangle_have_numpy_s_signs(rng: np.random.Generator) -> None:
    for _ in range(5):
        x = rng.standard_normal((4, 4))
        assert_allclose(np.linalg.eigh(Value(x), "U").eigenvectors.data, np.linalg.eigh(x, "U").eigenvectors)


def test_a_pair_of_one_s_own_parts(rng: np.random.Generator) -> None:
    """A filter that is learned: the spectrum of a real signal times a complex pair, and back."""
    signal, re, im = rng.standard_normal(6), rng.standard_normal(4), rng.standard_normal(4)

    def filtered(re: Any, im: Any) -> Any:
        return tg.sum(np.fft.irfft(tg.ComplexPair(re, im) * np.fft.rfft(signal)) ** 2)

    assert_allclose(
        filtered(Value(re), Value(im)).data, np.sum(np.fft.irfft((re + 1j * im) * np.fft.rfft(signal)) ** 2)
    )
    tg.check_grads(filtered, (re, im), order=1)


def test_the_deviation_of_one_number_is_0_with_all_derivatives() -> None:
    for x in (3.5, np.array([[1.0], [2.0]])):
        tg.check_grads(lambda x: np.sum(np.std(x, axis=-1 if np.ndim(x) else None)), (x,), order=2)
    assert tg.hessian(lambda x: np.std(x, axis=1).sum())(np.ones((2, 1))).tolist() == np.zeros((2, 1, 2, 1)).tolist()
