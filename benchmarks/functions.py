"""The rows of compiled functions: derivatives of functions of arrays, as an optimizer of SciPy's asks for them.

The two sides of a row compute the same numbers, which is checked before they are timed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from . import peers
from .measure import Pair
from .training import Disagreement

__all__ = ["FUNCTIONS", "FUNCTION_PEERS", "hessian", "ode", "rosenbrock", "updates"]

Array = npt.NDArray[np.float64]


def _jitted(function: Callable[..., Any], *arguments: Array) -> Callable[[], Any]:
    """``function`` of the arguments, in float64, compiled by JAX beforehand; a call waits for the results."""
    jax = peers.needs("jax")
    with jax.enable_x64(True):
        its = [jax.numpy.asarray(x) for x in arguments]
        run = jax.jit(function).lower(*its).compile()
    return lambda: jax.block_until_ready(run(*its))


def _checked(ours: Callable[[], Any], theirs: Callable[[], Any]) -> Pair:
    """The two sides, once they agree."""
    for _ in range(3):  # the first call captures the function
        for a, b in zip(ours(), theirs(), strict=True):
            if not np.allclose(a, b, rtol=1e-9, atol=1e-12):
                raise Disagreement("the two sides' values or derivatives differ; nothing was timed")
    return Pair(ours, theirs)


# ---- Rosenbrock's function -------------------------------------------------------------------------------------------


def valley(x: Any) -> Any:
    """Rosenbrock's function of a vector."""
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def valley_by_hand(x: Array) -> tuple[float, Array]:
    """The function and its gradient as an expert writes them."""
    inner = x[:-1]
    rise = x[1:] - inner * inner
    short = 1.0 - inner
    slope = np.empty_like(x)
    slope[1:] = 200.0 * rise
    slope[0] = 0.0
    slope[:-1] -= 400.0 * rise * inner + 2.0 * short
    return 100.0 * float(rise @ rise) + float(short @ short), slope


def curvature_by_hand(x: Array) -> Array:
    """The Hessian of the function: three diagonals."""
    found = np.zeros((x.size, x.size))
    k = np.arange(x.size - 1)
    found[k, k] = 1200.0 * x[:-1] ** 2 - 400.0 * x[1:] + 2.0
    found[k + 1, k + 1] += 200.0
    found[k, k + 1] = found[k + 1, k] = -400.0 * x[:-1]
    return found


def _point(n: int) -> Array:
    return np.random.default_rng(0).standard_normal(n)


def rosenbrock() -> Pair:
    """Value and gradient of Rosenbrock's function of 100 numbers: compiled, and by hand."""
    import tinygrad_lite as tg

    compiled, x = tg.compile(tg.value_and_grad(valley)), _point(100)
    return _checked(lambda: compiled(x), lambda: valley_by_hand(x))


def rosenbrock_in_jax() -> Pair:
    """The same against JAX, jitted."""
    import tinygrad_lite as tg

    jax = peers.needs("jax")
    compiled, x = tg.compile(tg.value_and_grad(valley)), _point(100)
    return _checked(lambda: compiled(x), _jitted(jax.value_and_grad(_valley_in(jax)), x))


def _valley_in(jax: Any) -> Callable[[Any], Any]:
    jnp = jax.numpy
    return lambda x: jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def hessian() -> Pair:
    """The Hessian of Rosenbrock's function of 500 numbers: compiled, and by hand, who knows that it has diagonals."""
    import tinygrad_lite as tg

    compiled, x = tg.compile(tg.hessian(valley)), _point(500)
    return _checked(lambda: [compiled(x)], lambda: [curvature_by_hand(x)])


def hessian_in_jax() -> Pair:
    """The same against JAX, jitted."""
    import tinygrad_lite as tg

    jax = peers.needs("jax")
    compiled, x = tg.compile(tg.hessian(valley)), _point(500)
    theirs = _jitted(jax.hessian(_valley_in(jax)), x)
    return _checked(lambda: [compiled(x)], lambda: [theirs()])


# ---- a differential equation -----------------------------------------------------------------------------------------

STEPS, STEP, WIDTH = 200, 0.05, 8


def _start() -> tuple[Array, Array]:
    rng = np.random.default_rng(1)
    return rng.standard_normal((WIDTH, WIDTH)) / WIDTH, rng.standard_normal(WIDTH)


def flow(a: Any, x: Any) -> Any:
    """The squared end of x' = tanh(a x) after 200 steps of Runge and Kutta."""
    for _ in range(STEPS):
        k1 = np.tanh(a @ x)
        k2 = np.tanh(a @ (x + (STEP / 2) * k1))
        k3 = np.tanh(a @ (x + (STEP / 2) * k2))
        k4 = np.tanh(a @ (x + STEP * k3))
        x = x + (STEP / 6) * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
    return np.sum(x * x)


def flow_by_hand(a: Array, x: Array) -> tuple[float, Array]:
    """The same and its gradient by ``a``: all stages kept, the adjoint equation solved back."""
    kept = []
    for _ in range(STEPS):
        k1 = np.tanh(a @ x)
        y2 = x + (STEP / 2) * k1
        k2 = np.tanh(a @ y2)
        y3 = x + (STEP / 2) * k2
        k3 = np.tanh(a @ y3)
        y4 = x + STEP * k3
        k4 = np.tanh(a @ y4)
        kept.append((x, y2, y3, y4, k1, k2, k3, k4))
        x = x + (STEP / 6) * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
    g, slopes, points, turned = 2.0 * x, [], [], a.T
    for start, y2, y3, y4, k1, k2, k3, k4 in reversed(kept):
        sixth = (STEP / 6) * g
        z4 = sixth * (1.0 - k4 * k4)
        back4 = turned @ z4
        z3 = (2.0 * sixth + STEP * back4) * (1.0 - k3 * k3)
        back3 = turned @ z3
        z2 = (2.0 * sixth + (STEP / 2) * back3) * (1.0 - k2 * k2)
        back2 = turned @ z2
        z1 = (sixth + (STEP / 2) * back2) * (1.0 - k1 * k1)
        g = g + turned @ z1 + back2 + back3 + back4
        slopes += [z1, z2, z3, z4]
        points += [start, y2, y3, y4]
    return float(x @ x), np.array(slopes).T @ np.array(points)


def ode() -> Pair:
    """The gradient of the flow: compiled, and by hand."""
    import tinygrad_lite as tg

    compiled, (a, x) = tg.compile(tg.value_and_grad(flow)), _start()
    return _checked(lambda: compiled(a, x), lambda: flow_by_hand(a, x))


def ode_in_jax() -> Pair:
    """The same against JAX, jitted, with ``scan``."""
    import tinygrad_lite as tg

    peers.needs("numba")
    jax = peers.needs("jax")
    compiled, (a, x) = tg.compile(tg.value_and_grad(flow)), _start()

    def loss(a: Any, x: Any) -> Any:
        def step(x: Any, _: Any) -> Any:
            k1 = jax.numpy.tanh(a @ x)
            k2 = jax.numpy.tanh(a @ (x + (STEP / 2) * k1))
            k3 = jax.numpy.tanh(a @ (x + (STEP / 2) * k2))
            k4 = jax.numpy.tanh(a @ (x + STEP * k3))
            return x + (STEP / 6) * (k1 + 2.0 * k2 + 2.0 * k3 + k4), None

        x, _ = jax.lax.scan(step, x, None, length=STEPS)
        return jax.numpy.sum(x * x)

    return _checked(lambda: compiled(a, x), _jitted(jax.value_and_grad(loss), a, x))


# ---- the update by hand ----------------------------------------------------------------------------------------------


def updates() -> Pair:
    """Gradient descent by hand on 18 arrays: Values, and NumPy arrays in the same loop."""
    import tinygrad_lite as tg

    rng = np.random.default_rng(2)
    start = [rng.standard_normal((16, 16)) for _ in range(18)]
    values, arrays = [tg.Value(x) for x in start], [x.copy() for x in start]
    slopes = [rng.standard_normal((16, 16)) for _ in range(18)]
    for value, slope in zip(values, slopes, strict=True):
        value.grad = slope

    def ours() -> list[Array]:
        for value in values:
            value.data -= 1e-9 * value.grad
        return [value.data for value in values]

    def theirs() -> list[Array]:
        for k, slope in enumerate(slopes):
            arrays[k] -= 1e-9 * slope
        return arrays

    return _checked(ours, theirs)


BY_HAND = "NumPy by hand"
JAX = "JAX jit, CPU"

FUNCTIONS: tuple[tuple[str, str, str, float | None, Callable[[], Pair]], ...] = (
    ("function-rosenbrock", "compiled value_and_grad of Rosenbrock(100)", BY_HAND, 1.5, rosenbrock),
    ("function-hessian", "compiled hessian of Rosenbrock(500)", BY_HAND, None, hessian),
    ("function-ode", "compiled gradient, 200 RK4 steps of 8 numbers", BY_HAND, None, ode),
    ("update-by-hand", "gradient descent by hand on 18 arrays", BY_HAND, 1.15, updates),
)
FUNCTION_PEERS: tuple[tuple[str, str, str, float | None, Callable[[], Pair]], ...] = (
    ("function-rosenbrock-jax", "compiled value_and_grad of Rosenbrock(100)", JAX, None, rosenbrock_in_jax),
    ("function-hessian-jax", "compiled hessian of Rosenbrock(500)", JAX, None, hessian_in_jax),
    ("function-ode-jax", "compiled gradient, 200 RK4 steps of 8, numba", f"{JAX}, scan", 3.0, ode_in_jax),
)
