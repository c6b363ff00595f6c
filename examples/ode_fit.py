"""A differential equation fitted to measurements: gradients through every step of its numerical solution.

A pendulum with friction, angle'' = -k sin(angle) - c angle', is released and measured, with noise. The script finds its
k and c. A plain Python loop solves the equation by the Runge-Kutta method, ``tg.jacobian`` differentiates the whole
loop, and the Gauss-Newton method fits both numbers by least squares. The same Jacobian gives their standard errors.

    python examples/ode_fit.py

The script writes its picture under ``out/``, which needs matplotlib, the extra ``plots``. It stops with a message if
the Jacobian differs from finite differences, or if the fit does not converge or misses by more than noise explains.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import tinygrad_lite as tg
import viz
from tinygrad_lite import Value
from tinygrad_lite.errors import MissingExtraError

OUT = Path("out")
SEED = 0
START = (1.5, 0.0)  # angle in radians, and radians per second
TRUE = {"k": 4.0, "c": 0.3}  # 1/s² and 1/s
GUESS = {"k": 3.0, "c": 0.1}
STEP = 0.1  # seconds
STEPS = 80
NOISE = 0.03  # radians
Array = npt.NDArray[np.float64]


def main() -> None:
    times = STEP * np.arange(1, STEPS + 1)
    measured = simulate(np.array(list(TRUE.values()))) + np.random.default_rng(SEED).normal(0.0, NOISE, STEPS)
    p = np.array(list(GUESS.values()))
    jacobian = tg.jacobian(simulate)

    heading(f"The Jacobian of {STEPS} Runge-Kutta steps, beside central differences")
    ours, h = jacobian(p), 1e-5
    theirs = np.stack([(simulate(p + h * e) - simulate(p - h * e)) / (2 * h) for e in np.eye(2)], axis=1)
    worst = np.abs(ours - theirs).max() / np.abs(theirs).max()
    print(f"{ours.shape[0]} angles by {ours.shape[1]} parameters, worst relative difference {worst:.1e}")
    require(worst, 1e-7, "the Jacobian differs from central differences")

    k, c = (Value(number, name=name) for name, number in GUESS.items())
    last = simulate([k, c])[-1]
    paths = tg.gradient_paths(last, "c")
    print(f"the last angle depends on c along {float(paths.count):.2e} paths; their sum is {paths.total:.6f}")
    require(abs(paths.total - ours[-1, 1]), 1e-9 * abs(ours[-1, 1]), "the sum over paths is not the Jacobian's element")

    heading("The Gauss-Newton fit")
    print("step           k           c   root of the mean squared error")
    for step in range(20):
        residual = simulate(p) - measured
        print(f"{step:4}  {p[0]:10.6f}  {p[1]:10.6f}   {np.sqrt(np.mean(residual**2)):.6f} radians")
        move, *_ = np.linalg.lstsq(jacobian(p), -residual, rcond=None)
        if np.abs(move).max() < 1e-9:
            break
        p = p + move
    else:
        raise SystemExit("ode_fit: 20 steps of the Gauss-Newton method did not settle; try a GUESS nearer by")

    heading("What the measurements say")
    j = jacobian(p)
    variance = np.sum((simulate(p) - measured) ** 2) / (STEPS - len(p))
    errors = np.sqrt(np.diag(variance * np.linalg.inv(j.T @ j)))
    for (name, wanted), found, error in zip(TRUE.items(), p, errors, strict=True):
        print(f"{name} = {found:.4f} ± {error:.4f}   true {wanted:g}, {abs(found - wanted) / error:.1f} errors away")
        require(abs(found - wanted) / error, 4.0, f"{name} is further from the truth than noise explains, in errors")

    heading("Picture")
    try:
        print(plot(times, measured, p))
    except MissingExtraError as error:
        raise SystemExit(str(error)) from None


def simulate(p: Any) -> Any:
    """The angles, in radians, after each step of the classical Runge-Kutta method, for the parameters (k, c)."""
    k, c = p[0], p[1]

    def slope(angle: Any, speed: Any) -> tuple[Any, Any]:
        return speed, -k * np.sin(angle) - c * speed

    (angle, speed), angles = START, []
    for _ in range(STEPS):
        a1, s1 = slope(angle, speed)
        a2, s2 = slope(angle + STEP / 2 * a1, speed + STEP / 2 * s1)
        a3, s3 = slope(angle + STEP / 2 * a2, speed + STEP / 2 * s2)
        a4, s4 = slope(angle + STEP * a3, speed + STEP * s3)
        angle = angle + STEP / 6 * (a1 + 2 * a2 + 2 * a3 + a4)
        speed = speed + STEP / 6 * (s1 + 2 * s2 + 2 * s3 + s4)
        angles.append(angle)
    return np.stack(angles)


def plot(times: Array, measured: Array, p: Array) -> Path:
    page = viz.plots.figure(9, 4)
    axes = page.subplots()
    axes.plot(times, measured, "o", color="black", markersize=4, label="measured")
    axes.plot(times, simulate(np.array(list(GUESS.values()))), "--", color="#767676", label="first guess")
    axes.plot(times, simulate(p), color="#0072b2", linewidth=2, label=f"fitted: k = {p[0]:.3f}, c = {p[1]:.3f}")
    axes.set(xlabel="time (s)", ylabel="angle (radians)", title="A pendulum with friction")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper right")
    return page.save(OUT / "ode_fit.svg")


def require(worst: float, allowed: float, complaint: str) -> None:
    if not worst <= allowed:  # not: worst > allowed, which a nan would pass
        raise SystemExit(f"ode_fit: {complaint}: {worst:.2g}, allowed {allowed:.2g}")


def heading(text: str) -> None:
    print(f"\n{text}\n{'═' * len(text)}")


if __name__ == "__main__":
    main()
