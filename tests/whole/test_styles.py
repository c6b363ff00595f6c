"""Right programs in other styles pass; what is wrong in them is found there too."""

from __future__ import annotations

import pytest

from tests.watching.networks import line_of, mlp

LISTS = """
def backward(W1, b1, W2, b2):
    Ws, bs, acts = [W1, W2], [b1, b2], [X]
    for W, b in zip(Ws, bs):
        z = acts[-1] @ W + b
        acts.append(np.tanh(z) if W is W1 else z)
    delta, dWs, dbs = 2 * (acts[-1] - Y) / n, [], []
    for k in reversed(range(2)):
        dWs.insert(0, acts[k].T @ delta)
        dbs.insert(0, delta.sum(axis=0))
        if k:
            delta = (delta @ Ws[k].T) * (1 - acts[k] ** 2)
    return dict(zip(("W1", "W2", "b1", "b2"), dWs + dbs))
"""
CACHE = """
def forward(p):
    cache = {"z1": X @ p["W1"] + p["b1"]}
    cache["a1"] = np.tanh(cache["z1"])
    return cache["a1"] @ p["W2"] + p["b2"], cache

def backward(p):
    out, cache = forward(p)
    grads = {}
    dout = 2 * (out - Y) / n
    grads["W2"], grads["b2"] = cache["a1"].T @ dout, dout.sum(axis=0)
    dz1 = dout @ p["W2"].T * (1 - cache["a1"] ** 2)
    grads.update(W1=X.T @ dz1, b1=dz1.sum(axis=0))
    return grads
"""
LAYERS = """
class Layer:
    def __call__(self, x):
        return self.forward(x)

class Linear(Layer):
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, d):
        self.dW = self.x.T @ d
        self.db = d.sum(axis=0)
        return d @ self.W.T

class Tanh(Layer):
    def forward(self, x):
        self.out = np.tanh(x)
        return self.out

    def backward(self, d):
        return d * (1 - self.out ** 2)

def backward(W1, b1, W2, b2):
    layers = [Linear(W1, b1), Tanh(), Linear(W2, b2)]
    x = X
    for layer in layers:
        x = layer(x)
    d = 2 * (x - Y) / n
    for layer in reversed(layers):
        d = layer.backward(d)
    first, _, last = layers
    return {"W1": first.dW, "b1": first.db, "W2": last.dW, "b2": last.db}
"""
IN_PLACE = """
def backward(W1, b1, W2, b2):
    h = np.tanh(X @ W1 + b1)
    d = h @ W2
    d += b2
    d -= Y
    d *= 2 / n
    dW2, db2 = np.zeros_like(W2), np.zeros_like(b2)
    dW2[...] = h.T @ d
    np.sum(d, axis=0, out=db2)
    dh = np.dot(d, W2.T)
    dh *= 1 - h * h
    return dict(W1=np.matmul(X.T, dh), b1=np.add.reduce(dh, axis=0), W2=dW2, b2=db2)
"""
PER_SAMPLE = """
def backward(W1, b1, W2, b2):
    grads = {name: np.zeros_like(p) for name, p in [("W1", W1), ("b1", b1), ("W2", W2), ("b2", b2)]}
    for x, y in zip(X, Y):
        h = np.tanh(x @ W1 + b1)
        d = 2 * (h @ W2 + b2 - y) / n
        grads["W2"] += np.outer(h, d)
        grads["b2"] += d
        dz = (W2 @ d) * (1 - h ** 2)
        grads["W1"] += np.outer(x, dz)
        grads["b1"] += dz
    return grads
"""
EINSUM = """
def backward(W1, b1, W2, b2):
    h = np.tanh(np.einsum("ni,ij->nj", X, W1) + b1)
    d = (2 / n) * (np.einsum("nj,jk->nk", h, W2) + b2 - Y)
    dz = np.einsum("nk,jk->nj", d, W2) * (1 - np.square(h))
    return {
        "W1": np.einsum("ni,nj->ij", X, dz),
        "b1": np.einsum("nj->j", dz),
        "W2": np.einsum("nj,nk->jk", h, d),
        "b2": np.einsum("nk->k", d),
    }
"""
ONE_LINERS = """
def backward(W1, b1, W2, b2):
    h = np.tanh(X @ W1 + b1); d = (h @ W2 + b2 - Y) * 2 / n; dz = d @ W2.T * (1 - h ** 2)
    return {"W1": X.T @ dz, "b1": dz.sum(0), "W2": h.T @ d, "b2": d.sum(0)}
"""
MEAN_LATER = """
def backward(W1, b1, W2, b2):
    h = np.tanh(X @ W1 + b1)
    half = h @ W2 + b2 - Y
    dz = half @ W2.T * (1 - h ** 2)
    grads = {"W1": X.T @ dz, "b1": dz.sum(0), "W2": h.T @ half, "b2": half.sum(0)}
    return {name: 2 * g / n for name, g in grads.items()}
"""
COLUMNS = """
def backward(W1, b1, W2, b2):
    A0 = X.T
    Z1 = W1.T @ A0 + b1[:, None]
    A1 = np.tanh(Z1)
    Z2 = W2.T @ A1 + b2.reshape(-1, 1)
    D2 = 2 * (Z2 - Y.T) / n
    D1 = (W2 @ D2) * (1 - A1 ** 2)
    return {"W1": (D1 @ A0.T).T, "b1": D1.sum(axis=1), "W2": (D2 @ A1.T).T, "b2": D2.sum(axis=1)}
"""
NESTED = """
def backward(W1, b1, W2, b2):
    def dtanh(a):
        return 1 - a ** 2

    def of_layer(x, d, *, bias=True):
        return x.T @ d, d.sum(axis=0) if bias else None

    h = np.tanh(X @ W1 + b1)
    d = 2 * (h @ W2 + b2 - Y) / n
    dW2, db2 = of_layer(h, d)
    dW1, db1 = of_layer(X, d @ W2.T * dtanh(h))
    return {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}
"""
STYLES = {
    "lists": LISTS,
    "cache": CACHE,
    "layers": LAYERS,
    "in place": IN_PLACE,
    "per sample": PER_SAMPLE,
    "einsum": EINSUM,
    "one-liners": ONE_LINERS,
    "mean later": MEAN_LATER,
    "columns": COLUMNS,
    "nested functions": NESTED,
}
WRONG = [
    ("lists", "(1 - acts[k] ** 2)", "(1 - acts[k])"),
    ("lists", "acts[k].T @ delta", "acts[k].T @ delta * 2"),
    ("cache", '(1 - cache["a1"] ** 2)', '(1 - cache["z1"] ** 2)'),
    ("cache", "2 * (out - Y)", "(out - Y)"),
    ("layers", "self.dW = self.x.T @ d", "self.dW = self.x.T @ (2 * d)"),
    ("layers", "d * (1 - self.out ** 2)", "d * (1 - self.out)"),
    ("layers", "self.db = d.sum(axis=0)", "self.db = d.mean(axis=0)"),
    ("in place", "d *= 2 / n", "d *= 2"),
    ("in place", "dh *= 1 - h * h", "dh *= 1 - h"),
    ("per sample", '["b2"] += d', '["b2"] = d'),
    ("per sample", "(1 - h ** 2)", "(1 + h ** 2)"),
    ("einsum", '"W1": np.einsum("ni,nj->ij", X, dz)', '"W1": np.einsum("ni,nj->ij", X, dz) / n'),
    ("one-liners", "dz = d @ W2.T * (1 - h ** 2)", "dz = d @ W2.T"),
    ("one-liners", "h.T @ d", "h.T @ d / n"),
    ("columns", "2 * (Z2 - Y.T) / n", "2 * (Z2 - Y.T)"),
    ("columns", "(1 - A1 ** 2)", "(1 - Z1 ** 2)"),
    ("nested functions", "return 1 - a ** 2", "return 1 - a"),
]


@pytest.mark.parametrize("style", STYLES)
def test_a_right_program_in_another_style_has_no_mistake(style: str) -> None:
    assert mlp().right(STYLES[style])
    assert mlp().mistakes(STYLES[style]) == ()


@pytest.mark.parametrize(("style", "old", "new"), WRONG)
def test_a_mistake_is_found_in_another_style(style: str, old: str, new: str) -> None:
    source = STYLES[style]
    assert old in source
    found = mlp().mistakes(source.replace(old, new, 1))
    assert {mistake.line for mistake in found} == {line_of(source, old)}
