"""Batch norm

Each of three features is normalised over a batch of eight: the mean is subtracted and the result divided by the
standard deviation. The mean and the variance depend on every sample, so that a sample's gradient comes by three ways:
its own, by the mean, and by the variance.
"""

from typing import Any

import numpy as np

from tinygrad_lite import Value, sqrt

rng = np.random.default_rng(2)
n, eps = 8, 1e-5
x = Value(rng.normal(size=(n, 3)) * 2 + 1)
gain, bias = Value(rng.normal(size=3)), Value(rng.normal(size=3))
t = rng.normal(size=(n, 3))

mean = x.mean(axis=0)
centred = x - mean
variance = (centred**2).sum(axis=0) / n
std = sqrt(variance + eps)
normal = centred / std
y = gain * normal + bias
loss = ((y - t) ** 2).mean()

points = {"y": 1, "gain": 1, "bias": 1, "normal": 1, "std": 1, "variance": 1, "centred": 2, "mean": 1, "x": 3}


def solution(n: int, gain: Any, t: Any, centred: Any, std: Any, normal: Any, y: Any) -> dict[str, Any]:
    """The gradients by hand."""
    dy = 2 * (y - t) / y.size
    dnormal = dy * gain
    dstd = -(dnormal * normal).sum(axis=0) / std
    dvariance = dstd / (2 * std)
    dcentred = dnormal / std + 2 * centred * dvariance / n
    dmean = -dcentred.sum(axis=0)
    return {
        "y": dy,
        "gain": (dy * normal).sum(axis=0),
        "bias": dy.sum(axis=0),
        "normal": dnormal,
        "std": dstd,
        "variance": dvariance,
        "centred": dcentred,
        "mean": dmean,
        "x": dcentred + dmean / n,
    }
