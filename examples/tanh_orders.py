"""tanh and its first six derivatives, by nested differentiation and by polynomials.

``tg.elementwise_grad`` turns a function into its derivative, and can be applied again. With t = tanh(x) the derivative
is 1 - t², and the derivative of a polynomial P(t) is P'(t)(1 - t²): every derivative of tanh is a polynomial in tanh,
and the script compares the nested derivatives with these polynomials.

    python examples/tanh_orders.py

The script writes its picture under ``out/``, which needs matplotlib, the extra ``plots``. It stops with a message if a
derivative differs from its polynomial.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.polynomial import Polynomial

import tinygrad_lite as tg
import viz
from tinygrad_lite.errors import MissingExtraError

OUT = Path("out")
ORDERS = 6
TOLERANCE = 1e-11
Array = npt.NDArray[np.float64]


def main() -> None:
    x = np.linspace(-4.0, 4.0, 321)
    t = Polynomial([0.0, 1.0])
    exact = t
    f: Callable[[Any], Any] = np.tanh
    curves = {}

    heading("The derivatives of tanh, each a polynomial in t = tanh(x)")
    print("order   largest   relative difference   polynomial")
    for order in range(ORDERS + 1):
        curves[order] = np.asarray(f(x))
        wanted = exact(np.tanh(x))
        largest = np.abs(wanted).max()
        worst = np.abs(curves[order] - wanted).max() / largest
        print(f"{order:5}  {largest:8.4f}   {worst:19.1e}   {written(exact)}")
        if not worst <= TOLERANCE:  # not: worst > TOLERANCE, which a nan would pass
            raise SystemExit(f"tanh_orders: derivative {order} is off by {worst:.2g}, allowed {TOLERANCE:g}")
        f, exact = tg.elementwise_grad(f), exact.deriv() * (1 - t**2)

    heading("Picture")
    try:
        print(plot(x, curves))
    except MissingExtraError as error:
        raise SystemExit(str(error)) from None


def written(polynomial: Polynomial) -> str:
    """A polynomial in t with whole coefficients as text, the highest power first."""
    text = ""
    for power, coefficient in reversed(list(enumerate(polynomial.coef))):
        size = round(abs(coefficient))
        if size:
            sign = "- " if coefficient < 0 else "+ "
            number = "" if size == 1 and power else str(size)
            text += f"{sign}{number}{('', 't', f't^{power}')[min(power, 2)]} "
    return text.strip().removeprefix("+ ")


def plot(x: Array, curves: dict[int, Array]) -> Path:
    """All derivatives, each divided by its largest number, since they grow: the sixth reaches 52."""
    page = viz.plots.figure(9, 4.6)
    axes = page.subplots()
    for order, curve in curves.items():
        largest = np.abs(curve).max()
        label = "tanh" if order == 0 else f"derivative {order}, largest {largest:.3g}"
        axes.plot(x, curve / largest, color=f"C{order}", linewidth=2.2 if order == 0 else 1.4, label=label)
    axes.set(xlabel="x", ylabel="divided by the largest", title="tanh and its derivatives")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return page.save(OUT / "tanh_orders.svg")


def heading(text: str) -> None:
    print(f"\n{text}\n{'═' * len(text)}")


if __name__ == "__main__":
    main()
