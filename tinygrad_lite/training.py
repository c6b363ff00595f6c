"""The loop that trains: forward, backward, step, until the cost is low enough or the steps are used up."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .core.graph import parents_of, postorder
from .core.value import Value, describe
from .errors import ArgumentError, ValueTypeError
from .optim import Optimizer

__all__ = ["History", "train"]


@dataclass
class History:
    """The course of a training by ``train``.

    ``costs`` has the cost before each step, and last the cost of the final parameters. ``reached`` says whether the
    cost came below ``goal``; ``limit`` is the number of steps that were allowed.
    """

    goal: float | None
    limit: int
    costs: list[float] = field(default_factory=list)
    reached: bool = False

    @property
    def steps(self) -> int:
        """The number of updates of the parameters."""
        return len(self.costs) - 1

    @property
    def cost(self) -> float:
        """The cost at the end."""
        return self.costs[-1]

    def __str__(self) -> str:
        cost = f"cost {self.cost:.6g}"
        if self.goal is None:
            return f"{self.steps:,} steps: {cost}"
        if self.reached:
            return f"{self.steps:,} steps: {cost}, below the goal of {self.goal:g}"
        return (
            f"limit of {self.limit:,} steps reached: {cost}, not below the goal of {self.goal:g}; "
            "try another seed, another learning rate or more steps"
        )


def train(
    loss: Callable[[], Value],
    optimizer: Optimizer,
    *,
    steps: int,
    goal: float | None = None,
    progress: bool = True,
    description: str = "training",
    after: Callable[[int, float], Any] | None = None,
) -> History:
    """Follow the gradient of ``loss()``, for at most ``steps`` steps or until the cost is below ``goal``.

    ``loss`` runs the forward pass and returns a scalar Value, on all samples or on a batch that it chooses.
    ``progress`` shows a bar on stderr, with the cost. ``after(step, cost)`` is called after every step, with the cost
    before it. At the end the cost is computed once more, so ``history.cost`` belongs to the parameters as they are
    left; the gradients are those of the last step (``zero_grad`` forgets them). ``str(history)`` says whether the goal
    or the limit ended the training.

    Raises ``ArgumentError`` for bad settings, and when the cost becomes infinite or NaN: the parameters are left as
    they were before the step that would have used it. Where it comes from the data, the error names the element.
    Raises ``ValueTypeError`` if ``loss`` does not return a Value.

    >>> from tinygrad_lite import Value, optim
    >>> w = Value(3.0, name="w")
    >>> history = train(lambda: w * w, optim.SGD([w], lr=0.25), steps=100, goal=1e-3, progress=False)
    >>> print(history)
    7 steps: cost 0.000549316, below the goal of 0.001
    """
    from tqdm import tqdm  # here, as importing it takes half the time of importing NumPy

    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ArgumentError(f"train: steps is a whole number of at least 1, got {steps!r}; pass the limit of steps")
    if goal is not None and not goal > 0:
        raise ArgumentError(f"train: goal is a cost above 0, got {goal!r}; pass None to use all steps")
    history = History(goal, steps)
    with tqdm(total=steps, desc=description, unit=" steps", disable=not progress, file=sys.stderr, leave=True) as bar:
        for step in range(steps + 1):
            end = loss()
            cost = _checked_cost(end, step, optimizer)
            history.costs.append(cost)
            history.reached = goal is not None and cost < goal
            if history.reached or step == steps:
                break
            optimizer.zero_grad()
            end.backward(keep="leaves")
            optimizer.step()
            if after is not None:
                after(step, cost)
            if bar.update():  # drawn a few times a second only: a step of a small network takes 0.1 ms
                bar.set_postfix_str(f"cost {cost:.3g}", refresh=False)
        bar.set_postfix_str(f"cost {history.cost:.3g}", refresh=True)
    return history


def _checked_cost(end: Any, step: int, optimizer: Optimizer) -> float:
    if not isinstance(end, Value):
        raise ValueTypeError(
            f"train: loss() must return a scalar Value, got {type(end).__name__}; return the loss itself"
        )
    cost = end.item()
    if not math.isfinite(cost):
        raise ArgumentError(f"train: the cost became {cost} after {step} steps; {_remedy(end, step, optimizer)}")
    return cost


def _remedy(end: Value, step: int, optimizer: Optimizer) -> str:
    """Where a cost that is no number comes from, if it is the data or the start; else a smaller step."""
    leaves = [value for value in _not_finite(end) if value.is_leaf]
    weights = [leaf for leaf in leaves if leaf.requires_grad]
    data = [leaf for leaf in leaves if not leaf.requires_grad and (not weights or np.isnan(leaf.data).any())]
    if data and not (weights and step):
        return f"{_place(data[0])} in the data: leave out what is not known, or fill it in"
    if weights and not step:
        return f"{_place(weights[0])} in the weights to start from: use others"
    return f"use a smaller lr than {optimizer.lr:g}, or other weights to start from"


def _not_finite(end: Value) -> list[Value]:
    """The Values that are infinite or NaN somewhere, and by way of which alone ``end`` is."""
    return postorder([end], lambda node: [x for x in parents_of(node) if not np.isfinite(x.data).all()])


def _place(leaf: Value) -> str:
    """The first element of a leaf that is infinite or NaN, and how many there are."""
    bad = ~np.isfinite(np.atleast_1d(leaf.data))
    index = tuple(map(int, np.argwhere(bad)[0]))
    words = {1: ["element"], 2: ["row", "column"]}.get(len(index))
    place = (
        ", ".join(f"{word} {i}" for word, i in zip(words, index, strict=True)) if words else f"element {list(index)}"
    )
    others = int(bad.sum()) - 1
    more = f" and in {others} other place{'s' if others > 1 else ''}" if others else ""
    found = float(np.atleast_1d(leaf.data)[index])
    if not leaf.shape:
        return f"{leaf.name!r} is {found}" if leaf.name else f"a number is {found}"
    return f"{describe(leaf)} holds {found} at {place}{more}"
