"""Networks as learners write them: layers in lists and as objects, gates, skips, a layer norm in one line."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

import tinygrad_lite as tg
from tests.watching.networks import Network, _values, mended
from tinygrad_lite.watching.mistakes import Mistake


def planted(source: str, edits: Sequence[tuple[str, str]]) -> str:
    """The program with mistakes in it."""
    for old, new in edits:
        assert old in source
        source = source.replace(old, new, 1)
    return source


def corrected(source: str, mistakes: Sequence[Mistake]) -> str:
    """The program with every suggestion in the place of its line."""
    for mistake in reversed(mistakes):
        source = mended(source, mistake)
    return source


@cache
def tower() -> Network:
    """Layers that are all of one width, so that each fits in the place of each."""
    r, p = _values(11, W0=(4, 4), W1=(4, 4), W2=(4, 4), b0=(4,), b1=(4,), b2=(4,))
    L = 3
    X, Y = r.normal(size=(6, 4)), r.normal(size=(6, 4))
    a = X
    for i in range(L):
        z = a @ p[f"W{i}"] + p[f"b{i}"]
        a = z.tanh()
    return Network(((a - Y) ** 2).sum() / 6, p, {"X": X, "Y": Y, "N": 6, "L": L})


LOOPS = """
def backward(params):
    Ws = [params[f"W{i}"] for i in range(L)]
    bs = [params[f"b{i}"] for i in range(L)]
    acts = [X]
    for i in range(L):
        acts.append(np.tanh(acts[i] @ Ws[i] + bs[i]))
    grads = {}
    delta = 2 * (acts[-1] - Y) / N
    for i in reversed(range(L)):
        delta = delta * (1 - acts[i + 1] ** 2)
        grads[f"W{i}"] = acts[i].T @ delta
        grads[f"b{i}"] = delta.sum(axis=0)
        delta = delta @ Ws[i].T
    return grads
"""
ZIPPED = """
def backward(params):
    Ws = [params[f"W{i}"] for i in range(L)]
    bs = [params[f"b{i}"] for i in range(L)]
    inputs, outputs = [], []
    x = X
    for W, b in zip(Ws, bs):
        inputs.append(x)
        x = np.tanh(x @ W + b)
        outputs.append(x)
    dWs, dbs = [], []
    dx = 2 * (x - Y) / N
    for W, inp, out in zip(reversed(Ws), reversed(inputs), reversed(outputs)):
        dz = dx * (1 - out ** 2)
        dWs.insert(0, inp.T @ dz)
        dbs.insert(0, dz.sum(axis=0))
        dx = dz @ W.T
    return {f"W{i}": g for i, g in enumerate(dWs)} | {f"b{i}": g for i, g in enumerate(dbs)}
"""
CLASSES = """
class Dense:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        self.out = np.tanh(x @ self.W + self.b)
        return self.out

    def backward(self, dout):
        dz = dout * (1 - self.out ** 2)
        self.dW = self.x.T @ dz
        self.db = dz.sum(axis=0)
        return dz @ self.W.T

class Net:
    def __init__(self, params):
        self.layers = [Dense(params[f"W{i}"], params[f"b{i}"]) for i in range(L)]

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, d):
        for layer in reversed(self.layers):
            d = layer.backward(d)

def backward(params):
    net = Net(params)
    out = net.forward(X)
    net.backward(2 * (out - Y) / N)
    grads = {}
    for i, layer in enumerate(net.layers):
        grads[f"W{i}"], grads[f"b{i}"] = layer.dW, layer.db
    return grads
"""


@cache
def norm() -> Network:
    r, p = _values(12, W=(3, 5), gain=(5,), shift=(5,))
    X, Y = r.normal(size=(4, 3)), r.normal(size=(4, 5))
    h = X @ p["W"]
    mu = h.mean(axis=1, keepdims=True)
    c = h - mu
    var = (c**2).mean(axis=1, keepdims=True)
    xhat = c / (var + 1e-5) ** 0.5
    out = xhat * p["gain"] + p["shift"]
    return Network(((out - Y) ** 2).sum() / 4, p, {"X": X, "Y": Y, "N": 4, "H": 5})


NORM = """
def backward(W, gain, shift):
    h = X @ W
    mu = h.mean(axis=1, keepdims=True)
    std = np.sqrt(h.var(axis=1, keepdims=True) + 1e-5)
    xhat = (h - mu) / std
    out = xhat * gain + shift
    dout = 2 * (out - Y) / N
    dgain = (dout * xhat).sum(axis=0)
    dshift = dout.sum(axis=0)
    g = dout * gain
    dh = (g - g.sum(axis=1, keepdims=True) / H - xhat * (g * xhat).sum(axis=1, keepdims=True) / H) / std
    dW = X.T @ dh
    return {"W": dW, "gain": dgain, "shift": dshift}
"""
NORM_AT_ONCE = NORM.replace(
    "dh = (g - g.sum(axis=1, keepdims=True) / H - xhat * (g * xhat).sum(axis=1, keepdims=True) / H) / std",
    "dh = (g * H - g.sum(axis=1, keepdims=True) - xhat * (g * xhat).sum(axis=1, keepdims=True)) / (H * std)",
)


@cache
def skip() -> Network:
    r, p = _values(13, W1=(4, 4), W2=(4, 4), V=(4, 2))
    X, Y = r.normal(size=(5, 4)), r.normal(size=(5, 2))
    u = X @ p["W1"]
    h = u.tanh()
    y = h @ p["W2"] + h
    out = y @ p["V"]
    return Network(((out - Y) ** 2).mean(), p, {"X": X, "Y": Y})


SKIP = """
def backward(W1, W2, V):
    h = np.tanh(X @ W1)
    y = h @ W2 + h
    out = y @ V
    dout = 2 * (out - Y) / Y.size
    dV = y.T @ dout
    dy = dout @ V.T
    dW2 = h.T @ dy
    dh = dy @ W2.T
    dh += dy
    du = dh * (1 - h ** 2)
    dW1 = X.T @ du
    return {"W1": dW1, "W2": dW2, "V": dV}
"""


@cache
def gated() -> Network:
    r, p = _values(14, A=(3, 4), B=(3, 4), v=(4,))
    X, t = r.normal(size=(6, 3)), r.normal(size=6)
    a, b = X @ p["A"], X @ p["B"]
    y = a.sigmoid() * b.tanh()
    out = y @ p["v"]
    return Network(((out - t) ** 2).mean(), p, {"X": X, "t": t})


GATED = """
def sigmoid(u):
    return 1 / (1 + np.exp(-u))

def backward(A, B, v):
    a, b = X @ A, X @ B
    s, h = sigmoid(a), np.tanh(b)
    y = s * h
    out = y @ v
    dout = 2 * (out - t) / len(t)
    dv = y.T @ dout
    dy = np.outer(dout, v)
    ds, dh = dy * h, dy * s
    da = ds * s * (1 - s)
    db = dh * (1 - h ** 2)
    return {"A": X.T @ da, "B": X.T @ db, "v": dv}
"""


@cache
def ridge() -> Network:
    w = tg.Value([0.3, -1.2, 0.8], name="w")
    x = np.array([[1.0, 2.0, 0.5], [0.3, -0.7, 1.1]])
    y = np.array([0.2, 1.4])
    out = x @ w
    return Network(((out - y) ** 2).sum() + (w * w).sum(), {"w": w}, {"x": x, "y": y})


RIDGE = """
def backward(w):
    dout = 2 * (x @ w - y)
    dw = x.T @ dout
    dw = dw + 2 * w
    return {"w": dw}
"""
