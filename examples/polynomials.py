"""Polynomials, the first functions one learns to modify: fitted by gradient descent, beside Lagrange's.

A polynomial c0 + c1 x + c2 x² + c3 x³ is to pass through four points. Lagrange's formula gives its coefficients
outright. Gradient descent finds them by following the gradient of the squared distances, which, for each coefficient,
is the sum of one path per point.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

import tinygrad_lite as tg
from tinygrad_lite import Value, optim, training
from tinygrad_lite.errors import MissingExtraError

OUT = Path("out")
POINTS = [(-1.0, 0.5), (-0.3, -0.4), (0.4, 0.6), (1.0, -0.2)]
Array = npt.NDArray[np.float64]


def main() -> None:
    x, y = np.array(POINTS).T
    exact = lagrange(x, y)
    coefficients = [Value(0.0, name=f"c{k}") for k in range(len(x))]

    def cost() -> Value:
        return squared_distances(coefficients, x, y)

    heading("Fitting a cubic to four points by gradient descent with momentum")
    optimizer = optim.SGD(coefficients, lr=0.25, momentum=0.95)
    history = training.train(cost, optimizer, steps=20_000, goal=1e-20)
    print(history)

    heading("The coefficients, beside Lagrange's")
    print("          descent        Lagrange        difference")
    for value, wanted in zip(coefficients, exact, strict=True):
        print(f"{value.name}  {value.data:14.10f}  {wanted:14.10f}  {value.data - wanted:10.1e}")
    worst = max(abs(value.data - wanted) for value, wanted in zip(coefficients, exact, strict=True))
    if worst > 1e-8:
        raise SystemExit(f"gradient descent did not find Lagrange's polynomial: the coefficients differ by {worst:.1e}")

    heading("Where the gradient of c2 comes from, before the first step: one path per point")
    start = [Value(0.0, name=f"c{k}") for k in range(len(x))]
    loss = squared_distances(start, x, y)
    loss.backward()
    paths = tg.gradient_paths(loss, "c2")
    for path in paths:
        print(path)
    print(f"their sum {math.fsum(path.contribution for path in paths):.12g}, backward() {start[2].grad:.12g}")

    heading("Picture")
    print(plot(history.costs, [value.data for value in coefficients], exact, x, y))


def squared_distances(coefficients: list[Value], x: Array, y: Array) -> Value:
    """The mean over the points of ½ (p(x) - y)²: a scalar graph, named as one would write it."""
    terms = []
    for k, (at, wanted) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
        powers = [at**n for n in range(len(coefficients))]
        p = tg.weighted_sum(coefficients, powers)
        p.name = f"p(x{k})"
        terms.append((p - wanted).square())
    loss = tg.weighted_sum(terms, [1 / (2 * len(terms))] * len(terms))
    loss.name = "C"
    return loss


def lagrange(x: Array, y: Array) -> Array:
    """The coefficients, lowest power first, of Σ y_i Π_{j≠i} (x - x_j) / (x_i - x_j), which meets all points."""
    total = np.zeros(len(x))
    for i in range(len(x)):
        others = np.delete(x, i)
        total += y[i] * np.polynomial.polynomial.polyfromroots(others) / np.prod(x[i] - others)
    return total


def plot(costs: list[float], fitted: list[float], exact: Array, x: Array, y: Array) -> Path:
    """Both curves through the points, and the cost on its way down."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError('plot: it needs matplotlib; pip install "tinygrad_lite[plots]"') from None
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    fine = np.linspace(-1.15, 1.15, 400)
    curve = np.polynomial.polynomial.polyval
    left.plot(fine, curve(fine, exact), color="#d55e00", linewidth=6, alpha=0.35, label="Lagrange")
    left.plot(fine, curve(fine, fitted), color="#0072b2", linewidth=1.8, label="gradient descent")
    left.plot(x, y, "o", color="#000000", markersize=7, label="the points")
    left.set(xlabel="x", ylabel="p(x)", title="The same cubic, found in two ways")
    left.legend(frameon=False)
    right.semilogy(np.arange(len(costs)), costs, color="#0072b2", linewidth=1.2)
    right.set(xlabel="step", ylabel="cost", title="Gradient descent with momentum")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / "polynomials.svg"
    beside = path.with_name(path.name + ".new")
    figure.savefig(beside, format="svg", metadata={"Date": None})
    beside.replace(path)
    return path


def heading(text: str) -> None:
    print(f"\n{text}\n{'═' * len(text)}")


if __name__ == "__main__":
    main()
