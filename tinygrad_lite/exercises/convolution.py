"""Convolution

Two images with two channels, three filters of 3×3, a bias, a ReLU and the mean of the squares. The forward pass adds
nine products, one for each place in the filter; each of those is a matrix product over the channels. Going back, every
one of the nine gives something to the filter at its place, and to the part of the image that it read.
"""

from typing import Any

import numpy as np

from tinygrad_lite import Value, einsum, relu

rng = np.random.default_rng(5)
x = Value(rng.normal(size=(2, 2, 5, 5)))
filters = Value(rng.normal(size=(3, 2, 3, 3)))
bias = Value(rng.normal(size=(3, 1, 1)))
t = rng.normal(size=(2, 3, 3, 3))

z = bias
for i in range(3):
    for j in range(3):
        z = z + einsum("nchw,oc->nohw", x[:, :, i : i + 3, j : j + 3], filters[:, :, i, j])
y = relu(z)
loss = ((y - t) ** 2).mean()

points = {"y": 1, "z": 1, "bias": 1, "filters": 3, "x": 3}


def solution(x: Any, filters: Any, t: Any, z: Any, y: Any) -> dict[str, Any]:
    """The gradients by hand."""
    dy = 2 * (y - t) / y.size
    dz = dy * (z > 0)
    dfilters, dx = np.zeros_like(filters), np.zeros_like(x)
    for i in range(3):
        for j in range(3):
            dfilters[:, :, i, j] = np.einsum("nohw,nchw->oc", dz, x[:, :, i : i + 3, j : j + 3])
            dx[:, :, i : i + 3, j : j + 3] += np.einsum("nohw,oc->nchw", dz, filters[:, :, i, j])
    return {"y": dy, "z": dz, "bias": dz.sum(axis=(0, 2, 3)).reshape(3, 1, 1), "filters": dfilters, "x": dx}
