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

    ``exactly`` takes an array of ``mpf``; a peer that lacks the function is ``None``.
    """

    label: str
    x: Any
    ours: Callable[[Any], Any]
    jax: Callable[[Any, Any], Any] | None
    torch: Callable[[Any, Any], Any] | None
    exactly: Callable[[Any], Any]
    orders: tuple[int, ...] = (0, 1, 2)


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
        (1, 2),  # nobody has the digits of the value near a singular matrix
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


_C = np.array([0.5, -1.25, 2.0, 0.75, -0.3])


def _mean(a: Any) -> Any:
    return sum(a) / len(a)


def _variance(a: Any, ddof: int = 0) -> Any:
    return sum((a - _mean(a)) ** 2) / (len(a) - ddof)


def _softmax(a: Any) -> Any:
    e = np.array([mpmath.exp(x) for x in a])
    return e / sum(e)


def _power(base: Any, exponents: Any) -> Any:
    return np.array([mpmath.power(base, x) for x in exponents])


def _covariance(x: Any, y: Any) -> Any:
    return sum((x - _mean(x)) * (y - _mean(y))) / (len(x) - 1)


def _sums_and_moments(x: Any) -> Iterator[ArrayCase]:
    """Of numbers near 1000, where a naive form loses digits in differences."""
    far, nan = x + 1000, np.array([np.nan])
    rows = np.stack([far, 3 * far[::-1] ** 2 / 1000])
    steps = np.sort(x)

    def torch_joined(torch: Any, a: Any) -> Any:
        return torch.cat([a, torch.tensor(nan)])

    yield ArrayCase(
        "sum",
        far,
        lambda a: tg.sum(a) ** 2,
        lambda jax, a: jax.numpy.sum(a) ** 2,
        lambda torch, a: a.sum() ** 2,
        lambda a: sum(a) ** 2,
    )
    yield ArrayCase(
        "mean",
        far,
        lambda a: tg.mean(a) ** 2,
        lambda jax, a: jax.numpy.mean(a) ** 2,
        lambda torch, a: a.mean() ** 2,
        lambda a: _mean(a) ** 2,
    )
    yield ArrayCase(
        "std",
        far,
        tg.std,
        lambda jax, a: jax.numpy.std(a),
        lambda torch, a: a.std(correction=0),
        lambda a: mpmath.sqrt(_variance(a)),
    )
    yield ArrayCase(
        "nanmean",
        far,
        lambda a: tg.nanmean(tg.concatenate([a, nan])) ** 2,
        lambda jax, a: jax.numpy.nanmean(jax.numpy.concatenate([a, nan])) ** 2,
        lambda torch, a: torch_joined(torch, a).nanmean() ** 2,
        lambda a: _mean(a) ** 2,
    )
    yield ArrayCase(
        "nanvar",
        far,
        lambda a: tg.nanvar(tg.concatenate([a, nan]), ddof=1),
        lambda jax, a: jax.numpy.nanvar(jax.numpy.concatenate([a, nan]), ddof=1),
        None,
        lambda a: _variance(a, 1),
    )
    yield ArrayCase(
        "nanstd",
        far,
        lambda a: tg.nanstd(tg.concatenate([a, nan])),
        lambda jax, a: jax.numpy.nanstd(jax.numpy.concatenate([a, nan])),
        None,
        lambda a: mpmath.sqrt(_variance(a)),
    )
    yield ArrayCase(
        "average",
        x**2 + 0.01,
        lambda a: tg.average(far, weights=a),
        lambda jax, a: jax.numpy.average(far, weights=a),
        lambda torch, a: (torch.tensor(far) * a).sum() / a.sum(),
        lambda a: sum(far * a) / sum(a),
    )
    yield ArrayCase(
        "cov",
        rows,
        lambda a: tg.cov(a)[0, 1],
        lambda jax, a: jax.numpy.cov(a)[0, 1],
        lambda torch, a: torch.cov(a)[0, 1],
        lambda a: _covariance(a[0], a[1]),
    )
    yield ArrayCase(
        "corrcoef",
        rows,
        lambda a: tg.corrcoef(a)[0, 1],
        lambda jax, a: jax.numpy.corrcoef(a)[0, 1],
        lambda torch, a: torch.corrcoef(a)[0, 1],
        lambda a: _covariance(a[0], a[1]) / mpmath.sqrt(_covariance(a[0], a[0]) * _covariance(a[1], a[1])),
    )
    yield ArrayCase(
        "trapezoid",
        steps,
        lambda a: tg.trapezoid(a**2 + 1000, a),
        lambda jax, a: jax.numpy.trapezoid(a**2 + 1000, a),
        lambda torch, a: torch.trapezoid(a**2 + 1000, a),
        lambda a: sum((a[1:] - a[:-1]) * (a[1:] ** 2 + a[:-1] ** 2 + 2000)) / 2,
    )
    yield ArrayCase(
        "interp",
        steps,
        lambda a: tg.interp(0.03, a, _C),
        lambda jax, a: jax.numpy.interp(0.03, a, _C),
        None,
        lambda a: (
            _C[1] + (mpmath.mpf(0.03) - a[1]) / (a[2] - a[1]) * (_C[2] - _C[1])
            if a[2] > 0.03
            else _C[2] + (mpmath.mpf(0.03) - a[2]) / (a[3] - a[2]) * (_C[3] - _C[2])
        ),
    )


def _products_and_exponentials(x: Any) -> Iterator[ArrayCase]:
    yield ArrayCase(
        "softmax",
        x + 1e4,
        lambda a: tg.sum(tg.softmax(a) * _C),
        lambda jax, a: jax.numpy.sum(jax.nn.softmax(a) * _C),
        lambda torch, a: (torch.softmax(a, 0) * torch.tensor(_C)).sum(),
        lambda a: sum(_softmax(a) * _C),
    )
    yield ArrayCase(
        "log_softmax",
        x + 1e4,
        lambda a: tg.sum(tg.log_softmax(a) * _C),
        lambda jax, a: jax.numpy.sum(jax.nn.log_softmax(a) * _C),
        lambda torch, a: (torch.log_softmax(a, 0) * torch.tensor(_C)).sum(),
        lambda a: sum(np.array([mpmath.log(p) for p in _softmax(a)]) * _C),
    )
    yield ArrayCase(
        "cumsum",
        x,
        lambda a: tg.sum(tg.cumsum(a) ** 3 * _C),
        lambda jax, a: jax.numpy.sum(jax.numpy.cumsum(a) ** 3 * _C),
        lambda torch, a: (torch.cumsum(a, 0) ** 3 * torch.tensor(_C)).sum(),
        lambda a: sum(np.cumsum(a) ** 3 * _C),
    )
    for label, at in (("cumprod", x), ("cumprod, a 0", np.where(x == x[1], 0.0, x))):
        yield ArrayCase(
            label,
            at,
            lambda a: tg.sum(tg.cumprod(a) * _C),
            lambda jax, a: jax.numpy.sum(jax.numpy.cumprod(a) * _C),
            lambda torch, a: (torch.cumprod(a, 0) * torch.tensor(_C)).sum(),
            lambda a: sum(np.cumprod(a) * _C),
        )
    for p in (1.5, 3, 8):
        yield ArrayCase(
            f"norm, order {p}",
            x,
            lambda a, p=p: np.linalg.norm(a, p),
            lambda jax, a, p=p: jax.numpy.linalg.norm(a, p),
            lambda torch, a, p=p: torch.linalg.norm(a, p),
            lambda a, p=p: sum(abs(y) ** p for y in a) ** (1 / mpmath.mpf(p)),
        )
    ends = np.array([0.31, 2.7])
    yield ArrayCase(
        "logspace",
        ends,
        lambda a: tg.sum(tg.logspace(a[0], a[1], 5) * _C),
        lambda jax, a: jax.numpy.sum(jax.numpy.logspace(a[0], a[1], 5) * _C),
        None,
        lambda a: sum(_power(10, a[0] + (a[1] - a[0]) * np.arange(5) / 4) * _C),
    )
    yield ArrayCase(
        "geomspace",
        ends,
        lambda a: tg.sum(tg.geomspace(a[0], a[1], 5) * _C),
        lambda jax, a: jax.numpy.sum(jax.numpy.geomspace(a[0], a[1], 5) * _C),
        None,
        lambda a: a[0] * sum(_power(a[1] / a[0], np.arange(5) / mpmath.mpf(4)) * _C),
    )
    yield ArrayCase(
        "unwrap",
        np.array([0.3, 2.9, -2.8, -0.4, 2.5]),
        lambda a: tg.sum(tg.unwrap(a) ** 3 * _C),
        lambda jax, a: jax.numpy.sum(jax.numpy.unwrap(a) ** 3 * _C),
        None,
        lambda a: sum((a + 2 * mpmath.pi * np.array([0, 0, 1, 1, 1])) ** 3 * _C),
    )


def _of_spectra() -> Iterator[ArrayCase]:
    a, c = _matrix(3, [0.2], 5) + 0.3 * np.diag([1.0, 2.0, 3.0]), np.array([0.5, -1.25, 2.0])
    weights = np.arange(1.0, 10.0).reshape(3, 3) ** 2 / 10

    def gram(a: Any) -> Any:
        return _of_matrix(a) * _of_matrix(a).T + mpmath.eye(3)

    yield ArrayCase(
        "eigvalsh",
        a,
        lambda a: tg.sum(tg.eigvalsh(a @ a.T + np.eye(3)) * c),
        lambda jax, a: jax.numpy.sum(jax.numpy.linalg.eigvalsh(a @ a.T + np.eye(3)) * c),
        lambda torch, a: (torch.linalg.eigvalsh(a @ a.T + torch.eye(3)) * torch.tensor(c)).sum(),
        lambda a: sum(x * w for x, w in zip(sorted(mpmath.eigsy(gram(a), eigvals_only=True)), c, strict=True)),
    )
    yield ArrayCase(
        "cholesky",
        a,
        lambda a: tg.sum(tg.cholesky(a @ a.T + np.eye(3)) * weights),
        lambda jax, a: jax.numpy.sum(jax.numpy.linalg.cholesky(a @ a.T + np.eye(3)) * weights),
        lambda torch, a: (torch.linalg.cholesky(a @ a.T + torch.eye(3)) * torch.tensor(weights)).sum(),
        lambda a: sum(mpmath.cholesky(gram(a))[i, j] * mpmath.mpf(weights[i, j]) for i in range(3) for j in range(3)),
    )
    yield ArrayCase(
        "pinv",
        a[:, :2],
        lambda a: tg.sum(tg.pinv(a) * weights[:2]),
        lambda jax, a: jax.numpy.sum(jax.numpy.linalg.pinv(a) * weights[:2]),
        lambda torch, a: (torch.linalg.pinv(a) * torch.tensor(weights[:2])).sum(),
        lambda a: _weighted_pinv(_of_matrix(a), weights),
    )
    for p in (2, "nuc"):
        yield ArrayCase(
            f"matrix norm, order {p}",
            a,
            lambda a, p=p: np.linalg.norm(a, p),
            lambda jax, a, p=p: jax.numpy.linalg.norm(a, p),
            lambda torch, a, p=p: torch.linalg.norm(a, p),
            lambda a, p=p: (max if p == 2 else sum)(
                mpmath.sqrt(x) for x in mpmath.eigsy(_of_matrix(a).T * _of_matrix(a), eigvals_only=True)
            ),
        )


def _weighted_pinv(a: Any, weights: Any) -> Any:
    found = (a.T * a) ** -1 * a.T
    return sum(found[i, j] * mpmath.mpf(weights[i, j]) for i in range(2) for j in range(3))


def array_cases() -> list[ArrayCase]:
    """All cases that are compared with the peers."""
    x = np.array([0.7, -1.3, 2.1, 0.04, -0.9])
    found = [determinant(n, small) for n in (3, 4) for small in ([0.3], [1e-4], [1e-15])]
    found += [*_of_inverse([0.3]), *_of_vector(x), *_sums_and_moments(x), *_products_and_exponentials(x)]
    return [*found, *_of_spectra()]


# ---- the truth -------------------------------------------------------------------------------------------------------


def truth(case: ArrayCase, x: Any, along: Any, order: int) -> Any:
    """The value, the gradient, or the Hessian times ``along``, at ``x``, from values in 130 digits."""
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

    f = lambda a: case.jax(jax, a)  # type: ignore[misc]  # noqa: E731
    x = jax.numpy.asarray(x)
    if order == 0:
        return f(x)
    g = jax.grad(f)
    return g(x) if order == 1 else jax.jvp(g, (x,), (jax.numpy.asarray(along),))[1]


def of_torch(case: ArrayCase, x: Any, along: Any, order: int) -> Any:
    """The same by PyTorch."""
    import torch

    leaf = torch.tensor(x, requires_grad=True)
    out = case.torch(torch, leaf)  # type: ignore[misc]
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


def measured(case: ArrayCase, peers: bool = True) -> Iterator[tuple[int, dict[str, float]]]:
    """The errors of everybody that is there, at each order: an order, and the errors by who."""
    along = np.random.default_rng(3).standard_normal(case.x.shape)
    lacking = {"JAX": case.jax is None, "PyTorch": case.torch is None}
    who_all = [who for who in _WHO if who == "ours" or (peers and not lacking[who] and _there(who))]
    for order in case.orders:
        exact = truth(case, case.x, along, order)
        yield order, {who: error(_WHO[who](case, case.x, along, order), exact) for who in who_all}
