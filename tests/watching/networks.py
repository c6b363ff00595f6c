"""Networks with a right hand-written backpropagation each, in which the tests plant mistakes."""

from __future__ import annotations

import linecache
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from typing import Any

import numpy as np

import tinygrad_lite as tg
from tinygrad_lite.checks.by_hand import by_name, called
from tinygrad_lite.watching.mistakes import Mistake
from tinygrad_lite.watching.search import MOST_SECONDS, find_mistakes

_numbers = count()


@dataclass(frozen=True)
class Network:
    """``loss`` is recorded from ``parameters``; ``names`` are what the program reads besides those."""

    loss: tg.Value
    parameters: Mapping[str, tg.Value]
    names: Mapping[str, Any] = field(default_factory=dict)

    def call(self, function: Callable[..., Any]) -> Any:
        return called(function, {name: np.copy(value.data)[()] for name, value in self.parameters.items()})

    def named(self, returned: Any) -> Mapping[Any, Any]:
        """The gradients by name in what a program returns."""
        return by_name(returned, self.parameters)

    def function(self, source: str) -> Callable[..., Any]:
        file = f"<program {next(_numbers)}>"
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        names = {"np": np, "math": math, **self.names}
        exec(compile(source, file, "exec"), names)
        made: Callable[..., Any] = names["backward"]
        return made

    def mistakes(self, source: str, seconds: float = MOST_SECONDS) -> tuple[Mistake, ...]:
        function = self.function(source)
        return find_mistakes(self.loss, function, self.call, self.parameters, self.named, seconds=seconds)

    def right(self, source: str) -> bool:
        """Whether a program computes the gradients of autodiff."""
        found = self.named(self.call(self.function(source)))
        wanted = gradients(self.loss, *self.parameters.values())
        return all(
            np.shape(found[name]) == np.shape(g) and np.allclose(found[name], g, rtol=1e-7, atol=1e-12)
            for name, g in zip(self.parameters, wanted, strict=True)
        )


def line_of(source: str, text: str) -> int:
    """The line on which a text first stands."""
    return source[: source.index(text)].count("\n") + 1


def gradients(loss: tg.Value, *parameters: tg.Value) -> list[Any]:
    for value in parameters:
        value.grad = None
    loss.backward()
    return [value.grad for value in parameters]


def mended(source: str, mistake: Mistake) -> str:
    """The program with the suggestion in the place of the wrong line, as a reader of the diff changes it."""
    assert mistake.suggestion is not None
    lines = source.splitlines(keepends=True)
    if mistake.before is not None:
        at = lines[mistake.before - 1]
        lines.insert(mistake.before - 1, at[: len(at) - len(at.lstrip())] + mistake.suggestion + "\n")
        return "".join(lines)
    before, rest = "".join(lines[: mistake.line - 1]), "".join(lines[mistake.line - 1 :])
    start, rest = rest[: mistake.column], rest[mistake.column :]
    indent = start[: len(start) - len(start.lstrip())]
    old, new = (text.replace("\n", f"\n{indent}") for text in (mistake.source, mistake.suggestion))
    assert rest.startswith(old)
    return before + start + new + rest.removeprefix(old)


def _values(seed: int, **shapes: tuple[int, ...]) -> tuple[Any, dict[str, tg.Value]]:
    r = np.random.default_rng(seed)
    return r, {name: tg.Value(r.normal(size=shape) * 0.7, name=name) for name, shape in shapes.items()}


def _named(**values: tg.Value) -> None:
    for name, value in values.items():
        value.name = name


@cache
def mlp() -> Network:
    r, p = _values(1, W1=(3, 5), b1=(5,), W2=(5, 2), b2=(2,))
    X, Y, n = r.normal(size=(6, 3)), r.normal(size=(6, 2)), 6
    z1 = X @ p["W1"] + p["b1"]
    a1 = z1.tanh()
    z2 = a1 @ p["W2"] + p["b2"]
    _named(z1=z1, a1=a1, z2=z2)
    return Network(((z2 - Y) ** 2).sum() / n, p, {"X": X, "Y": Y, "n": n})


MLP = """
def backward(W1, b1, W2, b2):
    z1 = X @ W1 + b1
    a1 = np.tanh(z1)
    z2 = a1 @ W2 + b2
    dz2 = 2 * (z2 - Y) / n
    dW2 = a1.T @ dz2
    db2 = dz2.sum(axis=0)
    da1 = dz2 @ W2.T
    dz1 = da1 * (1 - a1 ** 2)
    dW1 = X.T @ dz1
    db1 = dz1.sum(axis=0)
    return {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}
"""


@cache
def deep() -> Network:
    """Sigmoid layers with nothing named but the parameters."""
    r, p = _values(2, W1=(3, 4), b1=(4,), W2=(4, 2), b2=(2,))
    X, Y = r.normal(size=(8, 3)), r.normal(size=(8, 2))
    z2 = (X @ p["W1"] + p["b1"]).sigmoid() @ p["W2"] + p["b2"]
    return Network(((z2 - Y) ** 2).mean(), p, {"X": X, "Y": Y, "n": 8})


DEEP = """
def sigmoid(u):
    return 1 / (1 + np.exp(-u))

def sigmoid_prime(u):
    return sigmoid(u) * (1 - sigmoid(u))

def backward(p):
    zs, acts = [], [X]
    for k in (1, 2):
        zs.append(acts[-1] @ p[f"W{k}"] + p[f"b{k}"])
        acts.append(sigmoid(zs[-1]))
    delta = 2 * (zs[-1] - Y) / Y.size
    grads = {}
    grads["W2"] = acts[1].T @ delta
    grads["b2"] = delta.sum(axis=0)
    delta = (delta @ p["W2"].T) * sigmoid_prime(zs[0])
    grads["W1"] = X.T @ delta
    grads["b1"] = delta.sum(axis=0)
    return grads
"""


@cache
def neuron() -> Network:
    w, b = tg.Value(0.7, name="w"), tg.Value(0.2, name="b")
    z = w * 1.5 + b
    a = z.sigmoid()
    _named(z=z, a=a)
    return Network((a - 0.3) ** 2, {"w": w, "b": b})


NEURON = """
class Neuron:
    def __init__(self, w, b):
        self.w, self.b = w, b

    def forward(self, x):
        self.x = x
        self.z = self.w * x + self.b
        self.a = 1 / (1 + math.exp(-self.z))
        return self.a

    def backward(self, da):
        dz = da * self.a * (1 - self.a)
        self.dw = dz * self.x
        self.db = dz

def backward(w, b):
    net = Neuron(w, b)
    a = net.forward(1.5)
    da = 2 * (a - 0.3)
    net.backward(da)
    return {"w": net.dw, "b": net.db}
"""


@cache
def batch_norm() -> Network:
    r, p = _values(3, W=(4, 3), gain=(3,), bias=(3,))
    X, t = r.normal(size=(7, 4)), r.normal(size=(7, 3))
    h = X @ p["W"]
    mu = h.mean(axis=0)
    diff = h - mu
    var = (diff**2).sum(axis=0) / 6
    inv = (var + 1e-5) ** -0.5
    raw = diff * inv
    y = p["gain"] * raw + p["bias"]
    _named(h=h, mu=mu, diff=diff, var=var, inv=inv, raw=raw, y=y)
    return Network((0.5 * (y - t) ** 2).sum(), p, {"X": X, "t": t, "n": 7})


BATCH_NORM = """
def backward(W, gain, bias):
    h = X @ W
    diff = h - h.mean(axis=0)
    var = (diff ** 2).sum(axis=0) / (n - 1)
    inv = (var + 1e-5) ** -0.5
    raw = diff * inv
    y = gain * raw + bias
    dy = y - t
    dgain = (dy * raw).sum(axis=0)
    dbias = dy.sum(axis=0)
    draw = dy * gain
    dinv = (draw * diff).sum(axis=0)
    dvar = -0.5 * (var + 1e-5) ** -1.5 * dinv
    ddiff = draw * inv
    ddiff += 2 * diff * dvar / (n - 1)
    dh = ddiff - ddiff.mean(axis=0)
    dW = X.T @ dh
    return dict(W=dW, gain=dgain, bias=dbias)
"""


@cache
def layer_norm() -> Network:
    r, p = _values(4, x=(4, 5), g=(5,), b=(5,))
    t = r.normal(size=(4, 5))
    mu = p["x"].mean(axis=1, keepdims=True)
    xc = p["x"] - mu
    var = (xc**2).mean(axis=1, keepdims=True)
    std = (var + 1e-5) ** 0.5
    xhat = xc / std
    y = xhat * p["g"] + p["b"]
    _named(mu=mu, xc=xc, var=var, std=std, xhat=xhat, y=y)
    return Network(((y - t) ** 2).mean(), p, {"t": t})


LAYER_NORM = """
def backward(x, g, b):
    xc = x - x.mean(axis=1, keepdims=True)
    var = (xc ** 2).mean(axis=1, keepdims=True)
    std = np.sqrt(var + 1e-5)
    xhat = xc / std
    y = xhat * g + b
    dy = 2 * (y - t) / t.size
    db = dy.sum(axis=0); dg = (dy * xhat).sum(axis=0)
    dxhat = dy * g
    dstd = -(dxhat * xc).sum(axis=1, keepdims=True) / std ** 2
    dvar = dstd / (2 * std)
    dxc = dxhat / std + dvar * 2 * xc / x.shape[1]
    dx = dxc - dxc.mean(axis=1, keepdims=True)
    return {"x": dx, "g": dg, "b": db}
"""


@cache
def embedding() -> Network:
    _r, p = _values(5, E=(6, 3), W=(6, 4), b=(4,))
    ids, labels = np.array([[0, 2], [2, 5], [1, 2], [5, 0], [3, 3]]), np.array([0, 3, 1, 1, 2])
    emb = p["E"][ids]
    flat = emb.reshape(5, 6)
    logits = flat @ p["W"] + p["b"]
    _named(emb=emb, flat=flat, logits=logits)
    loss = tg.cross_entropy(logits, labels)
    return Network(loss, p, {"ids": ids, "labels": labels, "n": 5})


EMBEDDING = """
def backward(E, W, b):
    emb = E[ids]
    flat = emb.reshape(n, -1)
    logits = flat @ W + b
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    probs = e / e.sum(axis=1, keepdims=True)
    dlogits = probs.copy()
    dlogits[np.arange(n), labels] -= 1
    dlogits /= n
    dW = flat.T @ dlogits
    db = dlogits.sum(axis=0)
    dflat = dlogits @ W.T
    demb = dflat.reshape(emb.shape)
    dE = np.zeros_like(E)
    np.add.at(dE, ids, demb)
    return {"E": dE, "W": dW, "b": db}
"""


@cache
def convolution() -> Network:
    r, p = _values(6, x=(2, 8), f=(3,), c=(1,))
    t = r.normal(size=(2, 6))
    z = p["c"]
    for i in range(3):
        z = z + p["f"][i] * p["x"][:, i : i + 6]
    _named(z=z)
    y = tg.relu(z)
    _named(y=y)
    return Network(((y - t) ** 2).mean(), p, {"t": t})


CONVOLUTION = """
def backward(x, f, c):
    z = c + sum(f[i] * x[:, i : i + 6] for i in range(3))
    y = np.maximum(z, 0)
    dy = 2 * (y - t) / y.size
    dz = dy * (z > 0)
    df, dx = np.zeros_like(f), np.zeros_like(x)
    for i in range(3):
        df[i] = (dz * x[:, i : i + 6]).sum()
        dx[:, i : i + 6] += dz * f[i]
    dc = dz.sum(keepdims=True)[0]
    return {"x": dx, "f": df, "c": dc}
"""


@cache
def attention() -> Network:
    r, p = _values(7, x=(5, 4), wq=(4, 3), wk=(4, 3), wv=(4, 3))
    t = r.normal(size=(5, 3))
    q, k, v = p["x"] @ p["wq"], p["x"] @ p["wk"], p["x"] @ p["wv"]
    scores = q @ k.T * 3**-0.5
    a = tg.softmax(scores, axis=1)
    y = a @ v
    _named(q=q, k=k, v=v, scores=scores, a=a, y=y)
    return Network(0.5 * ((y - t) ** 2).sum(), p, {"t": t, "scale": 3**-0.5})


ATTENTION = """
def backward(x, wq, wk, wv):
    q, k, v = x @ wq, x @ wk, x @ wv
    scores = q @ k.T * scale
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    a = e / e.sum(axis=1, keepdims=True)
    y = a @ v
    dy = y - t
    da = dy @ v.T
    dv = a.T @ dy
    dscores = a * (da - (da * a).sum(axis=1, keepdims=True))
    dq = dscores @ k * scale
    dk = dscores.T @ q * scale
    dx = dq @ wq.T
    dx = dx + dk @ wk.T
    dx = dx + dv @ wv.T
    return {"x": dx, "wq": x.T @ dq, "wk": x.T @ dk, "wv": x.T @ dv}
"""


@cache
def rnn() -> Network:
    r, p = _values(8, Wx=(3, 5), Wh=(5, 5), b=(5,), V=(5, 2))
    T, n = 4, 4
    xs, y = r.normal(size=(T, n, 3)), r.normal(size=(n, 2))
    h = tg.Value(np.zeros((n, 5)), requires_grad=False)
    for t in range(T):
        z = xs[t] @ p["Wx"] + h @ p["Wh"] + p["b"]
        h = z.tanh()
        _named(**{f"z{t}": z, f"h{t}": h})
    out = h @ p["V"]
    _named(out=out)
    return Network(((out - y) ** 2).sum() / n, p, {"T": T, "n": n, "xs": xs, "y": y})


RNN = """
def backward(Wx, Wh, b, V):
    hs = [np.zeros((n, 5))]
    for t in range(T):
        hs.append(np.tanh(xs[t] @ Wx + hs[-1] @ Wh + b))
    out = hs[-1] @ V
    dout = 2 * (out - y) / n
    dV = hs[-1].T @ dout
    dh = dout @ V.T
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)
    for t in reversed(range(T)):
        dz = dh * (1 - hs[t + 1] ** 2)
        dWx += xs[t].T @ dz
        dWh += hs[t].T @ dz
        db += dz.sum(axis=0)
        dh = dz @ Wh.T
    return {"Wx": dWx, "Wh": dWh, "b": db, "V": dV}
"""


@cache
def tied() -> Network:
    """An autoencoder whose decoder is the transposed encoder."""
    r, p = _values(9, W=(5, 3), b=(3,), c=(5,))
    X, n = r.normal(size=(6, 5)), 6
    z = X @ p["W"] + p["b"]
    h = z.tanh()
    out = h @ p["W"].T + p["c"]
    _named(z=z, h=h, out=out)
    return Network(((out - X) ** 2).sum() / (2 * n), p, {"X": X, "n": n, "lr": 0.1})


TIED = """
def backward(W, b, c):
    z = X @ W + b
    h = np.tanh(z)
    out = h @ W.T + c
    dout = (out - X) / n
    dc = dout.sum(axis=0)
    dW = dout.T @ h
    dh = dout @ W
    dz = dh * (1 - h * h)
    dW += X.T @ dz
    db = dz.sum(axis=0)
    return {"W": dW, "b": db, "c": dc}
"""


@cache
def floats() -> Network:
    """Two inputs, one hidden unit and one output, all in floats."""
    p = {k: tg.Value(x, name=k) for k, x in {"u": 0.5, "v": -0.8, "c": 0.1, "w": 1.3}.items()}
    s = p["u"] * 0.9 + p["v"] * 0.4 + p["c"]
    h = s.tanh()
    o = p["w"] * h
    _named(s=s, h=h, o=o)
    return Network(0.5 * (o - 1.0) ** 2 + 0.1 * p["w"] ** 2, p)


FLOATS = """
def backward(u, v, c, w):
    s = u * 0.9 + v * 0.4 + c; h = math.tanh(s); o = w * h
    do = o - 1.0; dw = do * h + 0.2 * w; dh = do * w
    ds = dh * (1 - h ** 2)
    return {"u": ds * 0.9, "v": ds * 0.4, "c": ds, "w": dw}
"""


PROGRAMS: dict[str, tuple[Callable[[], Network], str]] = {
    "mlp": (mlp, MLP),
    "deep": (deep, DEEP),
    "neuron": (neuron, NEURON),
    "batch norm": (batch_norm, BATCH_NORM),
    "layer norm": (layer_norm, LAYER_NORM),
    "embedding": (embedding, EMBEDDING),
    "convolution": (convolution, CONVOLUTION),
    "attention": (attention, ATTENTION),
    "rnn": (rnn, RNN),
    "tied": (tied, TIED),
    "floats": (floats, FLOATS),
}
