"""Logistic regression by L-BFGS: SciPy's optimizer, with value and gradient from ``tg.value_and_grad``.

The data are two clouds of points, drawn with a seed. The cost is convex, so it has one minimum: Newton's method,
written by hand with the formulas for gradient and Hessian, must find the same. The script needs the extra ``scipy``.

    python examples/logistic_regression.py
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import optimize

import tinygrad_lite as tg
from tinygrad_lite import Value

POINTS, PENALTY, SEED = 200, 1e-3, 0
Array = npt.NDArray[np.float64]


def main() -> None:
    rng = np.random.default_rng(SEED)
    labels = np.repeat([0.0, 1.0], POINTS // 2)
    clouds = rng.normal(size=(POINTS, 2)) + labels[:, None] * [1.5, 1.0]
    x = np.column_stack([clouds, np.ones(POINTS)])  # the last weight is the bias

    def cost(w: Value) -> Value:
        """The mean of -ln(probability of the label): ln(1 + e^z) - label · z, and a small penalty on large weights."""
        z = x @ w
        return np.mean(tg.softplus(z) - labels * z) + PENALTY / 2 * np.sum(w * w)

    value_and_grad = tg.value_and_grad(cost)

    def for_scipy(w: Array) -> tuple[float, Array]:
        value, gradient = value_and_grad(w)
        return float(value), gradient

    found = optimize.minimize(for_scipy, np.zeros(3), jac=True, method="L-BFGS-B", options={"gtol": 1e-10, "ftol": 0})
    right = int(((x @ found.x > 0) == labels).sum())
    print(f"L-BFGS: {found.nit} steps, cost {found.fun:.9f} nats, {right} of {POINTS} points right")
    by_hand = newton(x, labels)
    for name, ours, theirs in zip(("w0", "w1", "bias"), found.x, by_hand, strict=True):
        print(f"{name:4}  L-BFGS {ours: .8f}   Newton by hand {theirs: .8f}")
    worst = float(np.max(np.abs(found.x - by_hand)))
    if not worst < 1e-6:
        raise SystemExit(f"logistic_regression: L-BFGS and Newton's method differ by {worst:.2g}, allowed 1e-6")


def newton(x: Array, labels: Array) -> Array:
    """The same minimum by Newton's method, with the formulas for gradient and Hessian."""
    w = np.zeros(x.shape[1])
    for _ in range(20):
        p = 1 / (1 + np.exp(-(x @ w)))
        gradient = x.T @ (p - labels) / len(x) + PENALTY * w
        hessian = (x.T * (p * (1 - p))) @ x / len(x) + PENALTY * np.eye(len(w))
        w = w - np.linalg.solve(hessian, gradient)
    return w


if __name__ == "__main__":
    main()
