"""Rosenbrock's valley, down by Newton's method: gradient and Hessian by ``tg.hessian``, checked against formulas.

    f(x) = Σ (1 - x_i)² + 100 (x_{i+1} - x_i²)²

The valley is curved and nearly flat: plain gradient descent takes tens of thousands of steps to its minimum, (1, 1, …,
1). Newton's method, with a step that is halved until the cost falls, takes about twenty.

Run it with ``python examples/rosenbrock.py``. It stops with a message if a derivative differs from its formula, or if
it does not find the minimum.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

import tinygrad_lite as tg
from tinygrad_lite import Value

START = (-1.2, 1.0)  # with four or more numbers the valley has a second, local minimum
STEPS = 100
Array = npt.NDArray[np.float64]


def rosenbrock(x: Value) -> Value:
    return np.sum((1 - x[:-1]) ** 2 + 100 * (x[1:] - x[:-1] ** 2) ** 2)


def by_hand(x: Array) -> tuple[Array, Array]:
    """Gradient and Hessian, written by hand."""
    gradient = np.zeros_like(x)
    gradient[:-1] = -2 * (1 - x[:-1]) - 400 * x[:-1] * (x[1:] - x[:-1] ** 2)
    gradient[1:] += 200 * (x[1:] - x[:-1] ** 2)
    diagonal = np.zeros_like(x)
    diagonal[:-1] = 2 - 400 * x[1:] + 1200 * x[:-1] ** 2
    diagonal[1:] += 200
    beside = -400 * x[:-1]
    return gradient, np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)


def main() -> None:
    slope, curvature = tg.value_and_grad(rosenbrock), tg.hessian(rosenbrock)
    x = np.array(START)
    print("step  cost          |gradient|    x")
    for step in range(STEPS):
        cost, gradient = slope(x)
        hessian = curvature(x)
        for ours, formula in zip((gradient, hessian), by_hand(x), strict=True):
            if not np.allclose(ours, formula, rtol=1e-10, atol=1e-10 * np.abs(formula).max(initial=1.0)):
                raise SystemExit(f"rosenbrock: a derivative at {x} differs from its formula:\n{ours}\n{formula}")
        print(f"{step:4}  {cost:.6e}  {np.linalg.norm(gradient):.6e}  {x.round(6)}")
        if np.linalg.norm(gradient) < 1e-10:
            break
        lowest = np.linalg.eigvalsh(hessian)[0]
        if lowest <= 0:  # not convex here: Newton's step would climb
            hessian = hessian + (1e-3 - lowest) * np.eye(len(x))
        x = downhill(x, np.linalg.solve(hessian, -gradient), cost)
    if not np.allclose(x, 1.0, atol=1e-9):
        raise SystemExit(f"rosenbrock: the lowest point is (1, …, 1), got {x} after {STEPS} steps")
    print(f"found (1, 1) in {step} steps; every gradient and Hessian on the way agrees with its formula")


def downhill(x: Array, direction: Array, cost: float) -> Array:
    """The step, halved until the cost falls."""
    size = 1.0
    while size > 1e-12 and not float(rosenbrock(Value(x + size * direction)).data) < cost:
        size /= 2
    return x + size * direction


if __name__ == "__main__":
    main()
