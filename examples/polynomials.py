"""A polynomial through four points, found by gradient descent and by Lagrange's formula.

Lagrange's formula gives the coefficients of c0 + c1 x + c2 x² + c3 x³ at once. Gradient descent follows the gradient of
the squared distances, which is the sum of one path per point for each coefficient.

    python examples/polynomials.py

The script writes its picture under ``out/``, which needs matplotlib, the extra ``plots``. It stops with a message if
the two polynomials differ.
"""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

import tinygrad_lite as tg
from tinygrad_lite import Value, optim, training
from tinygrad_lite.errors import MissingExtraError

OUT = Path("out")
POINTS = [(-1.0, 0.5), (-0.3, -0.4), (0.4, 0.6), (1.0, -0.2)]
LR = 1.0  # the largest eigenvalue of the cost's Hessian is 1.37: descent diverges above 2 / 1.37
SHOWN_AFTER = (0, 1, 10, 40)  # numbers of steps
Array = npt.NDArray[np.float64]
curve = np.polynomial.polynomial.polyval


def main() -> None:
    x, y = np.array(POINTS).T
    exact = lagrange(x, y)
    coefficients = [Value(0.0, name=f"c{k}") for k in range(len(x))]

    heading("Where the gradient of c2 comes from, before the first step: one path per point")
    loss = squared_distances(coefficients, x, y)
    loss.backward()
    paths = tg.gradient_paths(loss, "c2")
    for path in paths:
        print(path)
    total, gradient = math.fsum(path.contribution for path in paths), coefficients[2].grad
    by_hand = float(np.mean((0.0 - y) * x**2))  # ∂C/∂c2 = mean of (p(x) - y) · x²; p is still 0
    print(f"their sum {total:.12g}, backward() {gradient:.12g}, by hand {by_hand:.12g}")
    require(max(abs(total - gradient), abs(by_hand - gradient)), 1e-15, "the three gradients of c2 disagree")

    heading(f"Fitting a cubic to four points by plain gradient descent, step {LR:g}")
    stages = {0: [value.data for value in coefficients]}

    def remember(step: int, _: float) -> None:
        if step + 1 in SHOWN_AFTER:
            stages[step + 1] = [value.data for value in coefficients]

    optimizer = optim.SGD(coefficients, lr=LR)
    history = training.train(
        lambda: squared_distances(coefficients, x, y), optimizer, steps=20_000, goal=1e-20, after=remember
    )
    print(history)
    fitted = [value.data for value in coefficients]

    heading("The coefficients, beside Lagrange's")
    print("           descent        Lagrange  difference")
    for value, wanted in zip(coefficients, exact, strict=True):
        print(f"{value.name}  {value.data:14.10f}  {wanted:14.10f}  {value.data - wanted:10.1e}")
    require(np.abs(fitted - exact).max(), 1e-8, "gradient descent did not find Lagrange's coefficients")

    heading("The values at the points")
    print("   x       wanted         descent        Lagrange")
    for at, wanted in zip(x, y, strict=True):
        print(f"{at:5.1f}  {wanted:10.1f}  {curve(at, fitted):14.10f}  {curve(at, exact):14.10f}")
    require(np.abs(curve(x, exact) - y).max(), 1e-12, "Lagrange's polynomial misses a point")
    fine = np.linspace(-1.0, 1.0, 401)
    apart = np.abs(curve(fine, fitted) - curve(fine, exact)).max()
    print(f"between -1 and 1 the two curves are nowhere further apart than {apart:.1e}")
    require(apart, 1e-8, "the two curves differ")

    heading("Picture")
    try:
        print(plot(history.costs, stages, fitted, exact, x, y))
    except MissingExtraError as error:
        raise SystemExit(str(error)) from None


def squared_distances(coefficients: list[Value], x: Array, y: Array) -> Value:
    """The mean over the points of ½ (p(x) - y)²: a graph of scalars, with the names of the formula."""
    terms = []
    for k, (at, wanted) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
        powers = [at**n for n in range(len(coefficients))]
        p = tg.weighted_sum(coefficients, powers)
        p.name = f"p(x{k})"
        terms.append((p - wanted).square())
    loss: Value = tg.weighted_sum(terms, [1 / (2 * len(terms))] * len(terms))
    loss.name = "C"
    return loss


def lagrange(x: Array, y: Array) -> Array:
    """The coefficients of Σ y_i Π_{j≠i} (x - x_j) / (x_i - x_j), the lowest power first."""
    total = np.zeros(len(x))
    for i in range(len(x)):
        others = np.delete(x, i)
        total += y[i] * np.polynomial.polynomial.polyfromroots(others) / np.prod(x[i] - others)
    return total


def plot(
    costs: list[float], stages: dict[int, list[float]], fitted: list[float], exact: Array, x: Array, y: Array
) -> Path:
    """Both curves through the points, the curves after some steps of descent, and the cost over the steps."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError(
            'polynomials: the picture needs matplotlib, which is not installed; pip install "tinygrad_lite[plots]"'
        ) from None
    blue, orange, grey = "#0072b2", "#d55e00", "#767676"
    fine = np.linspace(-1.2, 1.2, 400)
    with mpl.rc_context({"svg.hashsalt": "polynomials"}):  # the same picture gives the same bytes
        figure = Figure(figsize=(10.5, 4.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        for step, coefficients in stages.items():
            values = curve(fine, coefficients)
            left.plot(fine, values, color=blue, linewidth=0.9, alpha=0.45)
            steps = f"{step} step{'' if step == 1 else 's'}"
            left.text(fine[-1] + 0.03, values[-1], steps, va="center", color=grey, fontsize=9)
        left.plot(fine, curve(fine, exact), color=orange, linewidth=6, alpha=0.35, label="Lagrange")
        left.plot(fine, curve(fine, fitted), color=blue, linewidth=1.8, label="gradient descent")
        left.plot([], [], color=blue, linewidth=0.9, alpha=0.45, label="on its way")
        left.plot(x, y, "o", color="black", markersize=7, label="the points", zorder=3)
        left.set(xlabel="x", ylabel="p(x)", title="The same cubic, found in two ways")
        left.legend(frameon=False)
        right.semilogy(np.arange(len(costs)), costs, color=blue, linewidth=1.4)
        right.set(xlabel="step", ylabel="cost", title=f"Plain gradient descent: {len(costs) - 1:,} steps")
        for axes in (left, right):
            axes.spines[["top", "right"]].set_visible(False)
        drawn = io.BytesIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / "polynomials.svg"
    path.write_bytes(drawn.getvalue())
    return path


def require(worst: float, allowed: float, complaint: str) -> None:
    if not worst <= allowed:  # not: worst > allowed, which a nan would pass
        raise SystemExit(f"polynomials: {complaint}: they differ by {worst:.2g}, allowed {allowed:g}")


def heading(text: str) -> None:
    print(f"\n{text}\n{'═' * len(text)}")


if __name__ == "__main__":
    main()
