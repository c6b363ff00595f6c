"""The ways of running a program.

A failing program is printed with the source of the way that failed, so this file imports NumPy and tinygrad_lite alone.

A way takes a ``Case`` and returns what it found: losses, gradients and parameters by label.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import tinygrad_lite as tg
from tinygrad_lite import Value

__all__ = ["Case", "Found", "WAYS", "Way", "differing"]

Found = dict[str, Any]
Way = Callable[["Case"], Found]


class Case:
    """A program and what it starts from; each run has leaves, modules and an optimizer of its own."""

    def __init__(self, program: Any, leaves: Mapping[str, Any], modules: Any, steps: Any, optimizer: Any) -> None:
        self.program, self.initial, self.makers, self.steps, self.optimizer_of = (
            program, leaves, modules, steps, optimizer
        )  # fmt: skip
        self.arguments = [name for name in steps[0] if name not in leaves]

    def run(self) -> Run:
        """A fresh start."""
        return Run(self)


class Run:
    """Leaves, modules and an optimizer, and the loss as a function of its arguments."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.leaves = {
            name: Value(np.array(x, copy=True) if isinstance(x, np.ndarray) else x, name, requires_grad=name[0] == "p")
            for name, x in case.initial.items()
        }
        self.modules = {name: make() for name, make in case.makers.items()}
        self.parameters = {name: leaf for name, leaf in self.leaves.items() if leaf.requires_grad}
        for name, module in self.modules.items():
            self.parameters |= {f"{name}.{path}": leaf for path, leaf in module.named_parameters().items()}
        optimizer = case.optimizer_of
        self.optimizer = optimizer(list(self.parameters.values())) if optimizer and self.parameters else None

    def loss(self, *arguments: Any) -> Value:
        """The program, on the leaves of this run."""
        end: Value = self.case.program(*self.leaves.values(), *self.modules.values(), *arguments)
        return end

    def given(self, step: int) -> list[Value]:
        """Assign the leaves' data of a step; its arguments as constants."""
        return [Value(x, name, requires_grad=False) for name, x in self.assign(step).items()]

    def assign(self, step: int) -> dict[str, Any]:
        """Assign the leaves' data of a step; its arguments as they are."""
        given = self.case.steps[step]
        for name, leaf in self.leaves.items():
            if name in given:
                leaf.data = given[name]
        return {name: given[name] for name in self.case.arguments}

    def state(self, k: int, loss: Any) -> Found:
        """What a training step leaves behind."""
        found = {f"loss, step {k}": loss}
        for name, leaf in self.parameters.items():
            found[f"gradient of {name}, step {k}"] = np.copy(leaf.grad) if leaf.shape and leaf.has_grad else leaf.grad
            if self.optimizer is not None:
                found[f"{name} after step {k}"] = np.copy(leaf.data) if leaf.shape else leaf.data
        return found


def trained(run: Run, loss: Callable[..., Value], **options: Any) -> Found:
    """All steps by ``backward``. Without an optimizer the gradients add up."""
    found: Found = {}
    for k in range(len(run.case.steps)):
        arguments = run.given(k)
        if run.optimizer is not None:
            run.optimizer.zero_grad()
        end = loss(*arguments)
        end.backward(**options)
        value = end.item()  # before the step, in case the loss is a parameter
        if run.optimizer is not None:
            run.optimizer.step()
        found |= run.state(k, value)
    return found


def eager(case: Case) -> Found:
    """Forward and backward, recorded anew in each step."""
    run = case.run()
    return trained(run, run.loss)


def kept_leaves(case: Case) -> Found:
    """``backward(keep="leaves")``."""
    run = case.run()
    return trained(run, run.loss, keep="leaves")


def checkpointed(case: Case) -> Found:
    """The whole program as one ``checkpoint``."""
    run = case.run()
    return trained(run, tg.checkpoint(run.loss))


def compiled(case: Case, backend: str | None = None) -> Found:
    """A compiled step, captured in the first step and replayed in the others."""
    run = case.run()
    step = tg.compile(run.loss, run.optimizer, backend=backend)
    found: Found = {}
    for k in range(len(case.steps)):
        found |= run.state(k, step(*run.assign(k).values()))
    return found


def compiled_levels(case: Case) -> Found:
    """A graph of scalars as NumPy calls, by level."""
    return compiled(case, "numpy")


def compiled_machine_code(case: Case) -> Found:
    """A graph of scalars as machine code."""
    return compiled(case, "numba")


def in_double_precision(case: Case) -> Found:
    """Eager on the same numbers in float64: those of float32, of integers and of booleans."""

    def wide(data: Mapping[str, Any]) -> dict[str, Any]:
        return {name: np.asarray(x, np.float64) if np.shape(x) else float(x) for name, x in data.items()}

    steps = [wide(step) for step in case.steps]
    return eager(Case(case.program, wide(case.initial), case.makers, steps, case.optimizer_of))


def recorded(case: Case) -> tuple[Value, dict[str, Value]]:
    """The loss of the first step, and the parameters that it reads."""
    run = case.run()
    end = run.loss(*run.given(0))
    end.backward()
    return end, {name: leaf for name, leaf in run.parameters.items() if leaf.has_grad}


def by_hand(case: Case) -> Found:
    """The source of ``manual_backprop``, executed at the data of the first step."""
    end, read = recorded(case)
    loss, gradients = tg.manual_backprop(end, read).run()
    found = dict(zip(read, gradients.values(), strict=True))
    return {"loss, step 0": float(np.reshape(loss, ()))} | {
        f"gradient of {name}, step 0": g for name, g in found.items()
    }


def swept(case: Case) -> Found:
    """Path statistics: the sweep of the gradient's semiring, in the first step."""
    end, read = recorded(case)
    found = tg.sweep(end, tg.semirings.GRADIENT, wrt=read)
    return {f"gradient of {name}, step 0": g for name, g in found.items()}


# ---- derivatives of the program as a function of its parameters ------------------------------------------------------


def as_function(case: Case) -> tuple[Callable[..., Any], tuple[Any, ...], list[Any]]:
    """The loss of the first step as a function of the leaves p0, p1, …; where it is taken, and a direction."""
    run = case.run()
    arguments = run.given(0)
    names = list(run.leaves)
    free = [name for name in names if name[0] == "p"]

    def function(*data: Any) -> Any:
        leaves = run.leaves | dict(zip(free, data, strict=True))
        modules = [make() for make in case.makers.values()]  # each time with the same noise
        return case.program(*leaves.values(), *modules, *arguments)

    point = tuple(case.initial[name] for name in free)
    rng = np.random.default_rng(1)
    directions: list[Any] = [rng.uniform(0.5, 1.0, np.shape(x)) for x in point]
    directions = [u.astype(x.dtype) if np.shape(x) else float(u) for x, u in zip(point, directions, strict=True)]
    return function, point, directions


def inner(cotangents: Sequence[Any], tangents: Sequence[Any]) -> float:
    """The sum of the products."""
    return float(sum(np.sum(np.multiply(g, t, dtype=float)) for g, t in zip(cotangents, tangents, strict=True)))


def reverse_mode(case: Case) -> Found:
    """The slope in a direction, by ``vjp``."""
    function, point, directions = as_function(case)
    value, pullback = tg.vjp(function, *point)
    return {"value": value, "slope": inner(pullback(1.0), directions)}


def forward_mode(case: Case) -> Found:
    """The slope in the same direction, by ``jvp``."""
    function, point, directions = as_function(case)
    value, slope = tg.jvp(function, point, tuple(directions))
    return {"value": value, "slope": float(slope)}


def compiled_function(case: Case) -> Found:
    """The slope in the same direction, by the replay of a compiled ``value_and_grad``."""
    function, point, directions = as_function(case)
    compiled = tg.compile(tg.value_and_grad(lambda xs: function(*xs)))
    compiled(point)
    value, gradients = compiled(point)
    return {"value": value, "slope": inner(gradients, directions)}


def differences(case: Case) -> Found:
    """The slope by central differences, or that of reverse mode where it is within their error."""
    function, point, directions = as_function(case)
    expected = reverse_mode(case)

    def loss(h: float) -> float:
        with tg.no_grad():
            moved = (Value(x + h * u, requires_grad=False) for x, u in zip(point, directions, strict=True))
            return float(function(*moved).item())

    steps = (1e-5, 2e-5)
    middle = loss(0.0)
    near, far = ((loss(h) - loss(-h)) / (2 * h) for h in steps)
    bends = [abs(loss(h) + loss(-h) - 2 * middle) / h for h in steps]  # twice as large at twice h, but not at a kink
    error = 10 * abs(near - far) + abs(2 * bends[0] - bends[1]) + 1e-7 * (1 + abs(middle) + abs(near))
    return expected | {"slope": min(max(expected["slope"], near - error), near + error)}


def gradient_pulled(case: Case) -> Found:
    """The Hessian times a direction, by pulling the direction back through ``grad``: reverse over reverse."""
    function, point, directions = as_function(case)
    gradient, pullback = tg.vjp(tg.grad(lambda xs: function(*xs)), point)
    found = {f"curvature {k}": x for k, x in enumerate(pullback(tuple(directions))[0])}
    return found | {f"gradient {k}": g for k, g in enumerate(gradient)}  # which says what size rounding has


def hessian_product(case: Case) -> Found:
    """The Hessian times the same direction, by ``hvp``: forward over reverse."""
    function, point, directions = as_function(case)
    return {f"curvature {k}": x for k, x in enumerate(tg.hvp(lambda xs: function(*xs), point, tuple(directions)))}


def differing(expected: Found, found: Found, allowed: Mapping[str, float], alike: bool = True) -> list[str]:
    """A line for everything found that is not what is expected: its shape, its type (if ``alike``), its numbers."""
    lines = []
    for label, x in found.items():
        wanted = expected[label]
        if wanted is None or x is None:
            if x is not wanted:
                lines.append(f"{label}: {x!r}, not {wanted!r}")
        elif np.shape(x) != np.shape(wanted):
            lines.append(f"{label}: of shape {np.shape(x)}, not {np.shape(wanted)}")
        elif alike and np.asarray(x).dtype != np.asarray(wanted).dtype:
            lines.append(f"{label}: of {np.asarray(x).dtype}, not {np.asarray(wanted).dtype}")
        else:
            error = np.max(np.abs(np.subtract(x, wanted, dtype=float)), initial=0.0)
            if not error <= allowed.get(label, 0.0):
                lines.append(
                    f"{label}: {x!r}, not {wanted!r}: off by {error:.3g}, allowed {allowed.get(label, 0.0):.3g}"
                )
    return lines


WAYS: dict[str, tuple[Way, Way]] = {
    "compiled": (eager, compiled),
    "compiled by level": (eager, compiled_levels),
    "compiled to machine code": (eager, compiled_machine_code),
    "checkpoint": (eager, checkpointed),
    "keep": (eager, kept_leaves),
    "sweep": (eager, swept),
    "manual_backprop": (eager, by_hand),
    "in double precision": (eager, in_double_precision),
    "forward mode": (reverse_mode, forward_mode),
    "compiled function": (reverse_mode, compiled_function),
    "differences": (reverse_mode, differences),
    "hvp": (gradient_pulled, hessian_product),
}
"""What is expected, and the way that should find the same."""
