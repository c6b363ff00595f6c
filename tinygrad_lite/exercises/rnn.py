"""A recurrent network through time

Three sequences of four steps; at each step h = tanh(x wx + h_before wh + b), and the last h is compared with a target,
as is every one before it, with half the weight. The same weights are used at every step: their gradients are sums over
the steps. Go through time backwards, and carry what comes back from the next step along.
"""

from typing import Any

import numpy as np

from tinygrad_lite import Value, tanh

rng = np.random.default_rng(7)
x = rng.normal(size=(4, 3, 2))
t = rng.normal(size=(4, 3, 3))
weight = np.array([0.5, 0.5, 0.5, 1.0])
wx, wh, b = Value(rng.normal(size=(2, 3))), Value(rng.normal(size=(3, 3))), Value(rng.normal(size=3))
h0 = np.zeros((3, 3))

h1 = tanh(x[0] @ wx + h0 @ wh + b)
h2 = tanh(x[1] @ wx + h1 @ wh + b)
h3 = tanh(x[2] @ wx + h2 @ wh + b)
h4 = tanh(x[3] @ wx + h3 @ wh + b)
loss = 0.0
for step, h in enumerate([h1, h2, h3, h4]):
    loss = loss + 0.5 * weight[step] * ((h - t[step]) ** 2).sum()

points = {"h4": 1, "h3": 2, "h2": 1, "h1": 1, "wx": 2, "wh": 2, "b": 2}


def solution(
    x: Any, t: Any, weight: Any, wx: Any, wh: Any, b: Any, h0: Any, h1: Any, h2: Any, h3: Any, h4: Any
) -> dict[str, Any]:
    """The gradients by hand."""
    states = [h0, h1, h2, h3, h4]
    found: dict[str, Any] = {"wx": np.zeros_like(wx), "wh": np.zeros_like(wh), "b": np.zeros_like(b)}
    later = np.zeros_like(h0)
    for step in range(4, 0, -1):
        dh = weight[step - 1] * (states[step] - t[step - 1]) + later
        dz = dh * (1 - states[step] ** 2)
        found["wx"] += x[step - 1].T @ dz
        found["wh"] += states[step - 1].T @ dz
        found["b"] += dz.sum(axis=0)
        later = dz @ wh.T
        found[f"h{step}"] = dh
    return found
