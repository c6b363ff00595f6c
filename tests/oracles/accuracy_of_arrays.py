"""How accurate functions of whole arrays are at hard points: near-singular matrices, long sums, large logits.

The truth is computed from the function's value alone, by differences in hundreds of digits.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np

import tinygrad_lite as tg

_DIGITS = 130


@dataclass(frozen=True)
class ArrayCase:
    """A number made of an array: by us, by JAX (given ``jax``), by PyTorch (given ``torch``), in digits.

    ``exactly`` takes an array of ``mpf``.
    """

    label: str
    x: Any
    ours: Callable[[Any], Any]
    jax: Callable[[Any, Any], Any]
    torch: Callable[[Any, Any], Any]
    exactly: Callable[[Any], Any]


def _matrix(n: int, small: list[float], seed: int) -> Any:
    """A matrix of singular values 1, of which the last ones are ``small``."""
    rng = np.random.default_rng(seed)
    (u, _), (v, _) = (np.linalg.qr(rng.standard_normal((n, n))) for _ in range(2))
    s = np.ones(n)
    s[n - len(small) :] = small
    return (u * s) @ v


def _of_matrix(a: Any) -> Any:
    return mpmath.matrix([list(row) for row in a])


def determinant(n: int, small: list[float]) -> ArrayCase:
    """The determinant of an n by n matrix whose last singular values are ``small``."""
    return ArrayCase(
        f"det, {n} rows, {small}",
        _matrix(n, small, n),
        tg.det,
        lambda jax, a: jax.numpy.linalg.det(a),
        lambda torch, a: torch.linalg.det(a),
        lambda a: mpmath.det(_of_matrix(a)),
    )


def _of_inverse(small: list[float]) -> Iterator[ArrayCase]:
    x, b = _matrix(3, small, 11), np.array([0.5, -1.25, 2.0])
    yield ArrayCase(
        f"slogdet, {small}",
        x,
        lambda a: tg.slogdet(a)[1],
        lambda jax, a: jax.numpy.linalg.slogdet(a)[1],
        lambda torch, a: torch.linalg.slogdet(a)[1],
        lambda a: mpmath.log(abs(mpmath.det(_of_matrix(a)))),
    )
    yield ArrayCase(
        f"inv, {small}",
        x,
        lambda a: tg.sum(tg.inv(a) @ b),
        lambda jax, a: jax.numpy.sum(jax.numpy.linalg.inv(a) @ b),
        lambda torch, a: (torch.linalg.inv(a) @ torch.tensor(b)).sum(),
        lambda a: sum(_of_matrix(a) ** -1 * mpmath.matrix(b)),
    )
    yield ArrayCase(
        f"solve, {small}",
        x,
        lambda a: tg.sum(tg.solve(a, b)),
        lambda jax, a: jax.numpy.sum(jax.numpy.linalg.solve(a, b)),
        lambda torch, a: torch.linalg.solve(a, torch.tensor(b)).sum(),
        lambda a: sum(mpmath.lu_solve(_of_matrix(a), mpmath.matrix(b))),
    )


def _of_vector(x: Any) -> Iterator[ArrayCase]:
    yield ArrayCase(
        "norm",
        x,
        tg.norm,
        lambda jax, a: jax.numpy.linalg.norm(a),
        lambda torch, a: torch.linalg.norm(a),
        lambda a: mpmath.sqrt(sum(a * a)),
    )
    yield ArrayCase(
        "prod",
        x,
        tg.prod,
        lambda jax, a: jax.numpy.prod(a),
        lambda torch, a: a.prod(),
        lambda a: mpmath.fprod(list(a)),
    )
    yield ArrayCase(
        "var",
        x + 1000,
        tg.var,
        lambda jax, a: jax.numpy.var(a),
        lambda torch, a: a.var(correction=0),
        lambda a: sum((a - sum(a) / len(a)) ** 2) / len(a),
    )
    yield ArrayCase(
        "logsumexp",
        40 * x,
        tg.logsumexp,
        lambda jax, a: jax.scipy.special.logsumexp(a),
        lambda torch, a: torch.logsumexp(a, 0),
        lambda a: mpmath.log(sum(map(mpmath.exp, a))),
    )


def array_cases() -> list[ArrayCase]:
    """All cases that are compared with the peers."""
    found = [determinant(n, small) for n in (3, 4) for small in ([0.3], [1e-4], [1e-15])]
    return [*found, *_of_inverse([0.3]), *_of_vector(np.array([0.7, -1.3, 2.1, 0.04, -0.9]))]


# ---- the truth -------------------------------------------------------------------------------------------------------


def truth(case: ArrayCase, x: Any, along: Any, order: int) -> Any:
    """The value, the gradient, or the Hessian times ``along``, at ``x``, from values in 200 digits."""
    with mpmath.workdps(_DIGITS):
        step = mpmath.mpf(10) ** -25
        start = np.vectorize(mpmath.mpf, otypes=[object])(x.astype(float))
        steps = np.vectorize(mpmath.mpf, otypes=[object])(along.astype(float)) * step
        if not order:
            return case.exactly(start)

        def slope(at: Any, index: Any) -> Any:
            ends = []
            for sign in (1, -1):
                moved = at.copy()
                moved[index] += sign * step
                ends.append(case.exactly(moved))
            return (ends[0] - ends[1]) / (2 * step)

        out = np.empty(x.shape, object)
        for index in np.ndindex(x.shape):
            out[index] = (
                slope(start, index)
                if order == 1
                else (slope(start + steps, index) - slope(start - steps, index)) / (2 * step)
            )
        return out


def error(found: Any, exact: Any) -> float:
    """The largest error, in units of the last place of the largest element."""
    exact = np.asarray(exact, object).reshape(-1)
    worst = max(abs(mpmath.mpf(float(a)) - b) for a, b in zip(np.asarray(found).reshape(-1), exact, strict=True))
    return float(worst / (max(map(abs, exact)) or 1) / float(np.finfo(float).eps))


# ---- who computes ----------------------------------------------------------------------------------------------------


def ours(case: ArrayCase, x: Any, along: Any, order: int) -> Any:
    """The value, the gradient, or the Hessian times ``along``."""
    if order == 0:
        return tg.value_and_grad(case.ours)(x)[0]
    return tg.grad(case.ours)(x) if order == 1 else tg.hvp(case.ours, x, along)


def of_jax(case: ArrayCase, x: Any, along: Any, order: int) -> Any:
    """The same by JAX."""
    import jax

    f = lambda a: case.jax(jax, a)  # noqa: E731
    x = jax.numpy.asarray(x)
    if order == 0:
        return f(x)
    g = jax.grad(f)
    return g(x) if order == 1 else jax.jvp(g, (x,), (jax.numpy.asarray(along),))[1]


def of_torch(case: ArrayCase, x: Any, along: Any, order: int) -> Any:
    """The same by PyTorch."""
    import torch

    leaf = torch.tensor(x, requires_grad=True)
    out = case.torch(torch, leaf)
    if order == 0:
        return out.detach().numpy()
    (g,) = torch.autograd.grad(out, leaf, create_graph=True)
    if order == 1:
        return g.detach().numpy()
    return torch.autograd.grad((g * torch.tensor(along)).sum(), leaf)[0].numpy()


_WHO = {"ours": ours, "JAX": of_jax, "PyTorch": of_torch}


def _there(who: str) -> bool:
    module = {"JAX": "jax", "PyTorch": "torch"}.get(who)
    if module == "jax" and importlib.util.find_spec(module):
        import jax

        jax.config.update("jax_enable_x64", True)
    return module is None or importlib.util.find_spec(module) is not None


def error_of(case: ArrayCase, order: int) -> float:
    """Our error at one order."""
    along = np.random.default_rng(3).standard_normal(case.x.shape)
    return error(ours(case, case.x, along, order), truth(case, case.x, along, order))


def measured(case: ArrayCase) -> Iterator[tuple[int, dict[str, float]]]:
    """The errors of everybody that is there, at orders 1 and 2: an order, and the errors by who."""
    along = np.random.default_rng(3).standard_normal(case.x.shape)
    for order in (1, 2):
        exact = truth(case, case.x, along, order)
        yield order, {who: error(f(case, case.x, along, order), exact) for who, f in _WHO.items() if _there(who)}
