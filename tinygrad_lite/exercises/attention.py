"""Attention

One head of attention over five positions with four features: queries, keys and values from the same x, softmax of the
scaled products, a weighted mean of the values. x is read three times, and its gradient is the sum of what comes back
by all three.
"""

from typing import Any

import numpy as np

from tinygrad_lite import Value, softmax

rng = np.random.default_rng(6)
scale = 3**-0.5
x = Value(rng.normal(size=(5, 4)))
wq, wk, wv = Value(rng.normal(size=(4, 3))), Value(rng.normal(size=(4, 3))), Value(rng.normal(size=(4, 3)))
t = rng.normal(size=(5, 3))

q, k, v = x @ wq, x @ wk, x @ wv
scores = q @ k.T * scale
a = softmax(scores, axis=1)
y = a @ v
loss = 0.5 * ((y - t) ** 2).sum()

points = {"y": 1, "v": 1, "a": 1, "scores": 2, "q": 1, "k": 1, "wq": 1, "wk": 1, "wv": 1, "x": 2}


def solution(
    scale: float, x: Any, wq: Any, wk: Any, wv: Any, t: Any, q: Any, k: Any, v: Any, a: Any, y: Any
) -> dict[str, Any]:
    """The gradients by hand."""
    dy = y - t
    da = dy @ v.T
    dv = a.T @ dy
    dscores = a * (da - (da * a).sum(axis=1, keepdims=True))
    dq = dscores @ k * scale
    dk = dscores.T @ q * scale
    dx = dq @ wq.T + dk @ wk.T + dv @ wv.T
    weights = {"wq": x.T @ dq, "wk": x.T @ dk, "wv": x.T @ dv}
    return {"y": dy, "v": dv, "a": da, "scores": dscores, "q": dq, "k": dk, **weights, "x": dx}
