"""A Gaussian process whose length scale and noise are fitted: the marginal likelihood by ``cholesky`` and ``solve``.

The data are 25 noisy readings of a function. The model's covariance of the readings at two places is k(x, x') = s²
exp(-½ (x - x')² / ℓ²), plus noise. The log likelihood of the readings is

    log p(y) = -½ yᵀ K⁻¹ y - ½ log det K - n/2 log 2π ,   K = k(x, x) + σ² 1

and its gradient with respect to log s, log ℓ, log σ goes through the decomposition K = L Lᵀ. Each gradient is compared
with the textbook's formula, ½ tr((α αᵀ - K⁻¹) ∂K/∂θ) with α = K⁻¹ y (Rasmussen and Williams, *Gaussian processes for
machine learning*, 2006, eq. 5.9), which does without the derivative of ``cholesky``.

    python examples/gaussian_process.py

The script writes its picture under ``out/``, which needs the extra ``plots``; ``scipy`` finds the maximum.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize

import tinygrad_lite as tg
import viz

OUT = Path("out")
NAMES = ("signal s", "length ℓ", "noise σ")


def main() -> None:
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(0.0, 10.0, 25))
    y = np.sin(x) + 0.1 * x + 0.2 * rng.normal(size=x.size)

    def cost(theta: Any) -> Any:
        """-log p(y) as a function of the logarithms of the three parameters."""
        return -log_likelihood(theta, x, y)

    start = np.log([2.0, 0.3, 1.0])
    heading("The gradient at the start, through cholesky, and by the textbook's formula")
    ours, theirs = tg.grad(cost)(start), -by_formula(start, x, y)
    for name, a, b in zip(NAMES, ours, theirs, strict=True):
        print(f"∂/∂ log {name}   {a: .10f}   {b: .10f}")
    require(np.allclose(ours, theirs, rtol=1e-9), "the gradient differs from the formula's")

    heading("The most likely parameters, by L-BFGS")

    found = minimize(tg.value_and_grad(cost), start, jac=True, method="L-BFGS-B", tol=1e-12)
    print(f"{found.nit} iterations: log p(y) from {-cost(start):.3f} to {-found.fun:.3f}")
    for name, value in zip(NAMES, np.exp(found.x), strict=True):
        print(f"{name}   {value:.3f}")
    require(np.abs(tg.grad(cost)(found.x)).max() < 1e-3, "the gradient at the maximum is not 0")
    require(0.1 < np.exp(found.x[2]) < 0.4, "the noise of 0.2 was not found")

    heading("How sure: the curvature there, by differentiating twice")
    spread = np.sqrt(np.diag(np.linalg.inv(tg.hessian(cost)(found.x))))
    for name, value, by in zip(NAMES, np.exp(found.x), spread, strict=True):
        print(f"{name}   {value:.3f}, a factor of {np.exp(by):.2f} either way")
    require(bool(np.all(spread > 0)), "the curvature is that of no maximum")

    page = viz.plots.figure(7.4, 4.2)
    ax = page.subplots()
    at = np.linspace(-0.5, 10.5, 200)
    mean, deviation = predicted(np.exp(found.x), x, y, at)
    ax.fill_between(at, mean - 2 * deviation, mean + 2 * deviation, color="#c9d6e2", label="± 2 standard deviations")
    ax.plot(at, mean, color="#0072B2", label="what the model expects")
    ax.plot(at, np.sin(at) + 0.1 * at, "--", color="#555555", lw=1, label="what was measured, without noise")
    ax.plot(x, y, "o", color="#D55E00", ms=4, label="the readings")
    ax.set_title(f"ℓ = {np.exp(found.x[1]):.2f}, s = {np.exp(found.x[0]):.2f}, σ = {np.exp(found.x[2]):.2f}")
    ax.set_ylim(top=ax.get_ylim()[1] + 0.9)
    ax.legend(fontsize=8, ncols=2, frameon=False, loc="upper left")
    print(page.save(OUT / "gaussian_process.svg"))


def log_likelihood(theta: Any, x: np.ndarray, y: np.ndarray) -> Any:
    """The log likelihood as a function of the logarithms of s, ℓ and σ: an array or a Value of shape (3,)."""
    lower = np.linalg.cholesky(covariance(theta, x))
    whitened = np.linalg.solve(lower, y)
    log_det = 2.0 * np.sum(np.log(np.diagonal(lower)))
    return -0.5 * np.sum(whitened**2) - 0.5 * log_det - 0.5 * x.size * np.log(2.0 * np.pi)


def covariance(theta: Any, x: np.ndarray) -> Any:
    s, length, noise = np.exp(theta[0]), np.exp(theta[1]), np.exp(theta[2])
    alike = np.exp(-0.5 * (x[:, None] - x) ** 2 / length**2)
    return s**2 * alike + noise**2 * np.eye(x.size)


def by_formula(theta: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """½ tr((α αᵀ - K⁻¹) ∂K/∂θ) for each of the three logarithms: shape (3,)."""
    s, length, noise = np.exp(theta)
    apart = (x[:, None] - x) ** 2
    alike = s**2 * np.exp(-0.5 * apart / length**2)
    inverse = np.linalg.inv(alike + noise**2 * np.eye(x.size))
    alpha = inverse @ y
    slopes = (2.0 * alike, alike * apart / length**2, 2.0 * noise**2 * np.eye(x.size))
    return np.array([0.5 * np.trace((np.outer(alpha, alpha) - inverse) @ slope) for slope in slopes])


def predicted(parameters: np.ndarray, x: np.ndarray, y: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the function at other places."""
    s, length, noise = parameters
    k = s**2 * np.exp(-0.5 * (x[:, None] - x) ** 2 / length**2) + noise**2 * np.eye(x.size)
    across = s**2 * np.exp(-0.5 * (at[:, None] - x) ** 2 / length**2)
    return across @ np.linalg.solve(k, y), np.sqrt(s**2 - np.sum(across * np.linalg.solve(k, across.T).T, axis=1))


def require(holds: bool, complaint: str) -> None:
    if not holds:
        raise SystemExit(f"gaussian_process: {complaint}")


def heading(text: str) -> None:
    print(f"\n{text}\n{'═' * len(text)}")


if __name__ == "__main__":
    main()
