"""One neuron

A neuron with three inputs, a sigmoid and half the squared error. Go back from the cost: the derivative of the error is
n - t, that of the sigmoid is n(1 - n), and each weight multiplies its own input.
"""

from typing import Any

import numpy as np

from tinygrad_lite import Value, sigmoid

x = np.array([0.5, -1.0, 2.0])
t = 1.0
w = Value([0.3, 0.8, -0.4])
b = Value(0.1)

z = (w * x).sum() + b
n = sigmoid(z)
loss = 0.5 * (n - t) ** 2

points = {"z": 1, "w": 1, "b": 1}


def solution(x: Any, t: float, n: float) -> dict[str, Any]:
    """The gradients by hand."""
    dz = (n - t) * n * (1 - n)
    return {"z": dz, "w": dz * x, "b": dz}
