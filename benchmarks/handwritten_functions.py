"""A half adder in plain Python with a function for each parameter's derivative, as tutorials write it.

The network has two inputs, two hidden layers of two neurons, two outputs and sigmoids: 18 parameters by name. One
forward pass per sample gives the neurons to all functions. Each function adds up the paths from the cost to its
parameter, one after the other; a path is a product of (y - t) y (1 - y), to an output's weighted sum, and then of
weights, each to a neuron, and n (1 - n), each to a weighted sum.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

__all__ = ["DERIVATIVES", "step"]

Weights = dict[str, float]
Pass = dict[str, float]
Sample = tuple[Sequence[float], Sequence[float]]


def sigmoid(z: float) -> float:
    """σ(z); the weights stay too small for an overflow."""
    return 1.0 / (1.0 + math.exp(-z))


def forward(w: Weights, x: Sequence[float], t: Sequence[float]) -> Pass:
    """The inputs, neurons, outputs and targets of one sample."""
    x0, x1 = x
    n10 = sigmoid(x0 * w["w100"] + x1 * w["w110"] + w["b10"])
    n11 = sigmoid(x0 * w["w101"] + x1 * w["w111"] + w["b11"])
    n20 = sigmoid(n10 * w["w200"] + n11 * w["w210"] + w["b20"])
    n21 = sigmoid(n10 * w["w201"] + n11 * w["w211"] + w["b21"])
    y0 = sigmoid(n20 * w["w300"] + n21 * w["w310"] + w["b30"])
    y1 = sigmoid(n20 * w["w301"] + n21 * w["w311"] + w["b31"])
    return {
        "x0": x0, "x1": x1, "n10": n10, "n11": n11, "n20": n20, "n21": n21, "y0": y0, "y1": y1, "t0": t[0], "t1": t[1]
    }  # fmt: skip


def d_w300(w: Weights, p: Pass) -> float:
    """∂C/∂w300: 1 path."""
    return (p["y0"] - p["t0"]) * p["y0"] * (1.0 - p["y0"]) * p["n20"]


def d_w310(w: Weights, p: Pass) -> float:
    """∂C/∂w310: 1 path."""
    return (p["y0"] - p["t0"]) * p["y0"] * (1.0 - p["y0"]) * p["n21"]


def d_b30(w: Weights, p: Pass) -> float:
    """∂C/∂b30: 1 path."""
    return (p["y0"] - p["t0"]) * p["y0"] * (1.0 - p["y0"])


def d_w301(w: Weights, p: Pass) -> float:
    """∂C/∂w301: 1 path."""
    return (p["y1"] - p["t1"]) * p["y1"] * (1.0 - p["y1"]) * p["n20"]


def d_w311(w: Weights, p: Pass) -> float:
    """∂C/∂w311: 1 path."""
    return (p["y1"] - p["t1"]) * p["y1"] * (1.0 - p["y1"]) * p["n21"]


def d_b31(w: Weights, p: Pass) -> float:
    """∂C/∂b31: 1 path."""
    return (p["y1"] - p["t1"]) * p["y1"] * (1.0 - p["y1"])


def d_w200(w: Weights, p: Pass) -> float:
    """∂C/∂w200: 2 paths."""
    return (p["y0"] - p["t0"]) * p["y0"] * (1.0 - p["y0"]) * w["w300"] * p["n20"] * (1.0 - p["n20"]) * p["n10"] + (
        p["y1"] - p["t1"]
    ) * p["y1"] * (1.0 - p["y1"]) * w["w301"] * p["n20"] * (1.0 - p["n20"]) * p["n10"]


def d_w210(w: Weights, p: Pass) -> float:
    """∂C/∂w210: 2 paths."""
    return (p["y0"] - p["t0"]) * p["y0"] * (1.0 - p["y0"]) * w["w300"] * p["n20"] * (1.0 - p["n20"]) * p["n11"] + (
        p["y1"] - p["t1"]
    ) * p["y1"] * (1.0 - p["y1"]) * w["w301"] * p["n20"] * (1.0 - p["n20"]) * p["n11"]


def d_b20(w: Weights, p: Pass) -> float:
    """∂C/∂b20: 2 paths."""
    return (p["y0"] - p["t0"]) * p["y0"] * (1.0 - p["y0"]) * w["w300"] * p["n20"] * (1.0 - p["n20"]) + (
        p["y1"] - p["t1"]
    ) * p["y1"] * (1.0 - p["y1"]) * w["w301"] * p["n20"] * (1.0 - p["n20"])


def d_w201(w: Weights, p: Pass) -> float:
    """∂C/∂w201: 2 paths."""
    return (p["y0"] - p["t0"]) * p["y0"] * (1.0 - p["y0"]) * w["w310"] * p["n21"] * (1.0 - p["n21"]) * p["n10"] + (
        p["y1"] - p["t1"]
    ) * p["y1"] * (1.0 - p["y1"]) * w["w311"] * p["n21"] * (1.0 - p["n21"]) * p["n10"]


def d_w211(w: Weights, p: Pass) -> float:
    """∂C/∂w211: 2 paths."""
    return (p["y0"] - p["t0"]) * p["y0"] * (1.0 - p["y0"]) * w["w310"] * p["n21"] * (1.0 - p["n21"]) * p["n11"] + (
        p["y1"] - p["t1"]
    ) * p["y1"] * (1.0 - p["y1"]) * w["w311"] * p["n21"] * (1.0 - p["n21"]) * p["n11"]


def d_b21(w: Weights, p: Pass) -> float:
    """∂C/∂b21: 2 paths."""
    return (p["y0"] - p["t0"]) * p["y0"] * (1.0 - p["y0"]) * w["w310"] * p["n21"] * (1.0 - p["n21"]) + (
        p["y1"] - p["t1"]
    ) * p["y1"] * (1.0 - p["y1"]) * w["w311"] * p["n21"] * (1.0 - p["n21"])


def d_w100(w: Weights, p: Pass) -> float:
    """∂C/∂w100: 4 paths."""
    return (
        (p["y0"] - p["t0"])
        * p["y0"]
        * (1.0 - p["y0"])
        * w["w300"]
        * p["n20"]
        * (1.0 - p["n20"])
        * w["w200"]
        * p["n10"]
        * (1.0 - p["n10"])
        * p["x0"]
        + (p["y0"] - p["t0"])
        * p["y0"]
        * (1.0 - p["y0"])
        * w["w310"]
        * p["n21"]
        * (1.0 - p["n21"])
        * w["w201"]
        * p["n10"]
        * (1.0 - p["n10"])
        * p["x0"]
        + (p["y1"] - p["t1"])
        * p["y1"]
        * (1.0 - p["y1"])
        * w["w301"]
        * p["n20"]
        * (1.0 - p["n20"])
        * w["w200"]
        * p["n10"]
        * (1.0 - p["n10"])
        * p["x0"]
        + (p["y1"] - p["t1"])
        * p["y1"]
        * (1.0 - p["y1"])
        * w["w311"]
        * p["n21"]
        * (1.0 - p["n21"])
        * w["w201"]
        * p["n10"]
        * (1.0 - p["n10"])
        * p["x0"]
    )


def d_w110(w: Weights, p: Pass) -> float:
    """∂C/∂w110: 4 paths."""
    return (
        (p["y0"] - p["t0"])
        * p["y0"]
        * (1.0 - p["y0"])
        * w["w300"]
        * p["n20"]
        * (1.0 - p["n20"])
        * w["w200"]
        * p["n10"]
        * (1.0 - p["n10"])
        * p["x1"]
        + (p["y0"] - p["t0"])
        * p["y0"]
        * (1.0 - p["y0"])
        * w["w310"]
        * p["n21"]
        * (1.0 - p["n21"])
        * w["w201"]
        * p["n10"]
        * (1.0 - p["n10"])
        * p["x1"]
        + (p["y1"] - p["t1"])
        * p["y1"]
        * (1.0 - p["y1"])
        * w["w301"]
        * p["n20"]
        * (1.0 - p["n20"])
        * w["w200"]
        * p["n10"]
        * (1.0 - p["n10"])
        * p["x1"]
        + (p["y1"] - p["t1"])
        * p["y1"]
        * (1.0 - p["y1"])
        * w["w311"]
        * p["n21"]
        * (1.0 - p["n21"])
        * w["w201"]
        * p["n10"]
        * (1.0 - p["n10"])
        * p["x1"]
    )


def d_b10(w: Weights, p: Pass) -> float:
    """∂C/∂b10: 4 paths."""
    return (
        (p["y0"] - p["t0"])
        * p["y0"]
        * (1.0 - p["y0"])
        * w["w300"]
        * p["n20"]
        * (1.0 - p["n20"])
        * w["w200"]
        * p["n10"]
        * (1.0 - p["n10"])
        + (p["y0"] - p["t0"])
        * p["y0"]
        * (1.0 - p["y0"])
        * w["w310"]
        * p["n21"]
        * (1.0 - p["n21"])
        * w["w201"]
        * p["n10"]
        * (1.0 - p["n10"])
        + (p["y1"] - p["t1"])
        * p["y1"]
        * (1.0 - p["y1"])
        * w["w301"]
        * p["n20"]
        * (1.0 - p["n20"])
        * w["w200"]
        * p["n10"]
        * (1.0 - p["n10"])
        + (p["y1"] - p["t1"])
        * p["y1"]
        * (1.0 - p["y1"])
        * w["w311"]
        * p["n21"]
        * (1.0 - p["n21"])
        * w["w201"]
        * p["n10"]
        * (1.0 - p["n10"])
    )


def d_w101(w: Weights, p: Pass) -> float:
    """∂C/∂w101: 4 paths."""
    return (
        (p["y0"] - p["t0"])
        * p["y0"]
        * (1.0 - p["y0"])
        * w["w300"]
        * p["n20"]
        * (1.0 - p["n20"])
        * w["w210"]
        * p["n11"]
        * (1.0 - p["n11"])
        * p["x0"]
        + (p["y0"] - p["t0"])
        * p["y0"]
        * (1.0 - p["y0"])
        * w["w310"]
        * p["n21"]
        * (1.0 - p["n21"])
        * w["w211"]
        * p["n11"]
        * (1.0 - p["n11"])
        * p["x0"]
        + (p["y1"] - p["t1"])
        * p["y1"]
        * (1.0 - p["y1"])
        * w["w301"]
        * p["n20"]
        * (1.0 - p["n20"])
        * w["w210"]
        * p["n11"]
        * (1.0 - p["n11"])
        * p["x0"]
        + (p["y1"] - p["t1"])
        * p["y1"]
        * (1.0 - p["y1"])
        * w["w311"]
        * p["n21"]
        * (1.0 - p["n21"])
        * w["w211"]
        * p["n11"]
        * (1.0 - p["n11"])
        * p["x0"]
    )


def d_w111(w: Weights, p: Pass) -> float:
    """∂C/∂w111: 4 paths."""
    return (
        (p["y0"] - p["t0"])
        * p["y0"]
        * (1.0 - p["y0"])
        * w["w300"]
        * p["n20"]
        * (1.0 - p["n20"])
        * w["w210"]
        * p["n11"]
        * (1.0 - p["n11"])
        * p["x1"]
        + (p["y0"] - p["t0"])
        * p["y0"]
        * (1.0 - p["y0"])
        * w["w310"]
        * p["n21"]
        * (1.0 - p["n21"])
        * w["w211"]
        * p["n11"]
        * (1.0 - p["n11"])
        * p["x1"]
        + (p["y1"] - p["t1"])
        * p["y1"]
        * (1.0 - p["y1"])
        * w["w301"]
        * p["n20"]
        * (1.0 - p["n20"])
        * w["w210"]
        * p["n11"]
        * (1.0 - p["n11"])
        * p["x1"]
        + (p["y1"] - p["t1"])
        * p["y1"]
        * (1.0 - p["y1"])
        * w["w311"]
        * p["n21"]
        * (1.0 - p["n21"])
        * w["w211"]
        * p["n11"]
        * (1.0 - p["n11"])
        * p["x1"]
    )


def d_b11(w: Weights, p: Pass) -> float:
    """∂C/∂b11: 4 paths."""
    return (
        (p["y0"] - p["t0"])
        * p["y0"]
        * (1.0 - p["y0"])
        * w["w300"]
        * p["n20"]
        * (1.0 - p["n20"])
        * w["w210"]
        * p["n11"]
        * (1.0 - p["n11"])
        + (p["y0"] - p["t0"])
        * p["y0"]
        * (1.0 - p["y0"])
        * w["w310"]
        * p["n21"]
        * (1.0 - p["n21"])
        * w["w211"]
        * p["n11"]
        * (1.0 - p["n11"])
        + (p["y1"] - p["t1"])
        * p["y1"]
        * (1.0 - p["y1"])
        * w["w301"]
        * p["n20"]
        * (1.0 - p["n20"])
        * w["w210"]
        * p["n11"]
        * (1.0 - p["n11"])
        + (p["y1"] - p["t1"])
        * p["y1"]
        * (1.0 - p["y1"])
        * w["w311"]
        * p["n21"]
        * (1.0 - p["n21"])
        * w["w211"]
        * p["n11"]
        * (1.0 - p["n11"])
    )


DERIVATIVES: dict[str, Callable[[Weights, Pass], float]] = {
    "w300": d_w300,
    "w310": d_w310,
    "b30": d_b30,
    "w301": d_w301,
    "w311": d_w311,
    "b31": d_b31,
    "w200": d_w200,
    "w210": d_w210,
    "b20": d_b20,
    "w201": d_w201,
    "w211": d_w211,
    "b21": d_b21,
    "w100": d_w100,
    "w110": d_w110,
    "b10": d_b10,
    "w101": d_w101,
    "w111": d_w111,
    "b11": d_b11,
}


def step(w: Weights, samples: Sequence[Sample], lr: float) -> float:
    """One step of gradient descent, in place, on the mean over samples of ½ Σ (y - t)²; returns the cost before it."""
    passes = [forward(w, x, t) for x, t in samples]
    n = len(samples)
    slopes = {name: sum([d(w, p) for p in passes]) / n for name, d in DERIVATIVES.items()}
    for name, slope in slopes.items():
        w[name] -= lr * slope
    return sum([0.5 * ((p["y0"] - p["t0"]) ** 2 + (p["y1"] - p["t1"]) ** 2) for p in passes]) / n
