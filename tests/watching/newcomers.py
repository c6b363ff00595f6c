"""Networks as a newcomer writes them: a gated unit, layer norm, a skip connection, softmax and cross-entropy of ops.

The same network is written flat, as classes with helper functions whose names say nothing, and as loops over lists of
layers. Values of the graph have names in the first alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

import tinygrad_lite as tg
from tests.watching.networks import Network, _named, _values


def _norm(v: tg.Value) -> tuple[tg.Value, ...]:
    mu = v.mean(axis=-1, keepdims=True)
    d = v - mu
    var = (d**2).mean(axis=-1, keepdims=True)
    sd = (var + 1e-5) ** 0.5
    return mu, d, var, sd, d / sd


@cache
def flat() -> Network:
    """One sample, in vectors."""
    r, p = _values(21, Wa=(5, 4), ba=(5,), Wb=(5, 4), bb=(5,), gain=(5,), shift=(5,), V=(3, 5), c=(3,))
    x, y = r.normal(size=4), 1
    a, b = p["Wa"] @ x + p["ba"], p["Wb"] @ x + p["bb"]
    s, t = a.sigmoid(), b.tanh()
    g = s * t
    mu, d, var, sd, n = _norm(g)
    o = p["gain"] * n + p["shift"]
    q = o + g
    z = p["V"] @ q + p["c"]
    e = np.exp(z - np.max(z.data))
    probs = e / e.sum()
    _named(a=a, b=b, s=s, t=t, g=g, mu=mu, d=d, var=var, sd=sd, n=n, o=o, q=q, z=z, e=e, p=probs)
    return Network(-np.log(probs[y]), p, {"x": x, "y": y})


FLAT = """
def backward(Wa, ba, Wb, bb, gain, shift, V, c):
    a = Wa @ x + ba
    b = Wb @ x + bb
    s = 1 / (1 + np.exp(-a))
    t = np.tanh(b)
    g = s * t
    d = g - g.mean()
    var = (d ** 2).mean()
    sd = np.sqrt(var + 1e-5)
    n = d / sd
    o = gain * n + shift
    q = o + g
    z = V @ q + c
    e = np.exp(z - z.max())
    p = e / e.sum()
    dz = p.copy()
    dz[y] -= 1
    dV = np.outer(dz, q)
    dc = dz
    dq = V.T @ dz
    dgain = dq * n
    dshift = dq
    dn = dq * gain
    dsd = -(dn * d).sum() / sd ** 2
    dvar = dsd / (2 * sd)
    dd = dn / sd + 2 * d * dvar / len(d)
    dg = dd - dd.mean()
    dg = dg + dq
    ds = dg * t
    dt = dg * s
    da = ds * s * (1 - s)
    db = dt * (1 - t ** 2)
    dWa = np.outer(da, x)
    dWb = np.outer(db, x)
    return {"Wa": dWa, "ba": da, "Wb": dWb, "bb": db, "gain": dgain, "shift": dshift, "V": dV, "c": dc}
"""

WRITTEN_OUT = """
def backward(Wa, ba, Wb, bb, gain, shift, V, c):
    a, b = Wa @ x + ba, Wb @ x + bb
    s, t = 1 / (1 + np.exp(-a)), np.tanh(b)
    g = s * t
    mu = g.mean()
    d = g - mu
    var = np.mean(d * d)
    sd = (var + 1e-5) ** 0.5
    n = d / sd
    q = gain * n + shift + g
    z = V @ q + c
    e = np.exp(z - np.max(z))
    total = e.sum()
    p = e / total
    dp = np.zeros(3)
    dp[y] = -1 / p[y]
    de = dp / total
    dtotal = -(dp * e).sum() / total ** 2
    de += dtotal
    dz = de * e
    dV, dc = np.outer(dz, q), dz
    dq = dz @ V
    do, dg = dq, dq.copy()
    dgain, dshift, dn = do * n, do, do * gain
    dsd = -np.sum(dn * d) / sd ** 2
    dd = dn / sd
    dvar = dsd * 0.5 * (var + 1e-5) ** -0.5
    dd += dvar * 2 * d / d.size
    dmu = -dd.sum()
    dg += dd
    dg += dmu / d.size
    ds, dt = dg * t, dg * s
    da = ds * s * (1 - s)
    db = dt * (1 - t * t)
    dWb, dWa = np.outer(db, x), np.outer(da, x)
    return dWa, da, dWb, db, dgain, dshift, dV, dc
"""


@cache
def layers() -> Network:
    """Two gated blocks on a batch; nothing has a name but the parameters."""
    r, p = _values(22, W0=(4, 4), U0=(4, 4), g0=(4,), b0=(4,), W1=(4, 4), U1=(4, 4), g1=(4,), b1=(4,), V=(4, 3), c=(3,))
    X, y = r.normal(size=(6, 4)), np.array([0, 2, 1, 1, 0, 2])
    h = _stack(X, p)
    z = h @ p["V"] + p["c"]
    e = np.exp(z - np.max(z.data, axis=1, keepdims=True))
    probs = e / e.sum(axis=1, keepdims=True)
    return Network(-np.log(probs[np.arange(6), y]).mean(), p, {"X": X, "y": y})


def _stack(X: Any, p: dict[str, tg.Value]) -> Any:
    h: Any = X
    for k in range(2):
        g = (h @ p[f"W{k}"]).sigmoid() * (h @ p[f"U{k}"]).tanh()
        n = _norm(g)[-1]
        h = p[f"g{k}"] * n + p[f"b{k}"] + h
    return h


CLASSES = """
def h(u):
    return 1 / (1 + np.exp(-u))

def k(u, v):
    return u * v * (1 - v)

def m(u, v):
    return u * (1 - v ** 2)

def f(u, v):
    return u.T @ v

class Gate:
    def __init__(self, W, U):
        self.W, self.U = W, U

    def forward(self, x):
        self.x = x
        self.l = h(x @ self.W)
        self.r = np.tanh(x @ self.U)
        return self.l * self.r

    def backward(self, q):
        u = k(q * self.r, self.l)
        v = m(q * self.l, self.r)
        self.gW = f(self.x, u)
        self.gU = f(self.x, v)
        return u @ self.W.T + v @ self.U.T

class Norm:
    def __init__(self, g, b):
        self.g, self.b = g, b

    def forward(self, x):
        c = x - x.mean(axis=1, keepdims=True)
        self.k = 1 / np.sqrt((c * c).mean(axis=1, keepdims=True) + 1e-5)
        self.n = c * self.k
        return self.n * self.g + self.b

    def backward(self, q):
        self.gg = (q * self.n).sum(axis=0)
        self.gb = q.sum(axis=0)
        u = q * self.g
        v = (u * self.n).mean(axis=1, keepdims=True)
        return self.k * (u - u.mean(axis=1, keepdims=True) - self.n * v)

class Block:
    def __init__(self, W, U, g, b):
        self.gate, self.norm = Gate(W, U), Norm(g, b)

    def forward(self, x):
        return self.norm.forward(self.gate.forward(x)) + x

    def backward(self, q):
        return self.gate.backward(self.norm.backward(q)) + q

class Softmax:
    def __init__(self, V, c):
        self.V, self.c = V, c

    def forward(self, x):
        self.x = x
        z = x @ self.V + self.c
        e = np.exp(z - z.max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)

    def backward(self, y):
        q = self.p.copy()
        q[np.arange(len(y)), y] -= 1
        q = q / len(y)
        self.gV = f(self.x, q)
        self.gc = q.sum(axis=0)
        return q @ self.V.T

def backward(W0, U0, g0, b0, W1, U1, g1, b1, V, c):
    one, two, last = Block(W0, U0, g0, b0), Block(W1, U1, g1, b1), Softmax(V, c)
    last.forward(two.forward(one.forward(X)))
    q = last.backward(y)
    q = two.backward(q)
    one.backward(q)
    grads = [one.gate.gW, one.gate.gU, one.norm.gg, one.norm.gb]
    grads += [two.gate.gW, two.gate.gU, two.norm.gg, two.norm.gb]
    return grads + [last.gV, last.gc]
"""

LOOPS = """
def backward(p):
    L, n, H = 2, X.shape[0], X.shape[1]
    hs, ss, ts, sds, ns = [X], [], [], [], []
    for i in range(L):
        h = hs[-1]
        ss.append(1 / (1 + np.exp(-(h @ p[f"W{i}"]))))
        ts.append(np.tanh(h @ p[f"U{i}"]))
        v = ss[i] * ts[i]
        v = v - v.mean(axis=1, keepdims=True)
        sds.append(np.sqrt((v ** 2).mean(axis=1, keepdims=True) + 1e-5))
        ns.append(v / sds[i])
        hs.append(p[f"g{i}"] * ns[i] + p[f"b{i}"] + h)
    z = hs[-1] @ p["V"] + p["c"]
    e = np.exp(z - z.max(axis=1, keepdims=True))
    probs = e / e.sum(axis=1, keepdims=True)
    dp = np.zeros_like(probs)
    for k in range(n):
        dp[k, y[k]] = -1 / (n * probs[k, y[k]])
    dz = probs * (dp - (dp * probs).sum(axis=1, keepdims=True))
    grads = {"V": hs[-1].T @ dz, "c": dz.sum(axis=0)}
    dh = dz @ p["V"].T
    for i in reversed(range(L)):
        grads[f"g{i}"] = (dh * ns[i]).sum(axis=0)
        grads[f"b{i}"] = dh.sum(axis=0)
        dn = dh * p[f"g{i}"]
        dv = dn - (dn * ns[i]).sum(axis=1, keepdims=True) * ns[i] / H
        dv = (dv - dn.mean(axis=1, keepdims=True)) / sds[i]
        ds = dv * ts[i]
        dt = dv * ss[i]
        da = ds * ss[i] * (1 - ss[i])
        db = dt * (1 - ts[i] ** 2)
        grads[f"W{i}"] = hs[i].T @ da
        grads[f"U{i}"] = hs[i].T @ db
        dh = dh + da @ p[f"W{i}"].T
        dh = dh + db @ p[f"U{i}"].T
    return grads
"""


PROGRAMS: dict[str, tuple[Callable[[], Network], str]] = {
    "flat": (flat, FLAT),
    "written out": (flat, WRITTEN_OUT),
    "classes": (layers, CLASSES),
    "loops": (layers, LOOPS),
}
