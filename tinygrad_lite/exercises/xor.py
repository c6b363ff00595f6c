"""XOR, layer by layer

A network of arrays on the four samples of XOR: two inputs, five hidden sigmoids, two sigmoids as outputs. With δ2 and
δ1, the gradients of z2 and z1, a layer's gradients are ∂C/∂w = aᵀδ, with a the layer's input, and ∂C/∂b = the sum of δ
over the samples.
"""

from typing import Any

import numpy as np

from tinygrad_lite import Value, sigmoid

rng = np.random.default_rng(0)
x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
t = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
w1, b1 = Value(rng.normal(size=(2, 5))), Value(rng.normal(size=5))
w2, b2 = Value(rng.normal(size=(5, 2))), Value(rng.normal(size=2))

z1 = x @ w1 + b1
a1 = sigmoid(z1)
z2 = a1 @ w2 + b2
a2 = sigmoid(z2)
loss = 0.5 * ((a2 - t) ** 2).sum()

points = {"z2": 2, "w2": 1, "b2": 1, "a1": 1, "z1": 1, "w1": 1, "b1": 1}


def solution(x: Any, t: Any, w2: Any, a1: Any, a2: Any) -> dict[str, Any]:
    """The gradients by hand."""
    dz2 = (a2 - t) * a2 * (1 - a2)
    da1 = dz2 @ w2.T
    dz1 = da1 * a1 * (1 - a1)
    return {"z2": dz2, "w2": a1.T @ dz2, "b2": dz2.sum(axis=0), "a1": da1, "z1": dz1, "w1": x.T @ dz1, "b1": dz1.sum(0)}
