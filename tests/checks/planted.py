"""Mistakes in backpropagation by hand, as data: six networks whose backward pass can be asked for with a mistake in it.

Each network is a function of the name of a mistake, "" for none. It returns the loss and the gradients as a person
computes them, of the parameters and of every named Value between. ``MISTAKES`` lists each mistake with the edge on
which it is made, and a part of what ``diagnosis`` says, ``None`` where it can only name the stretch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_lite as tg
from tinygrad_lite import Value

Network = Callable[[str], tuple[Value, dict[str, Any]]]


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def leaves(seed: int, **shapes: tuple[int, ...]) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [Value(rng.normal(size=shape), name=name) for name, shape in shapes.items()]


def named(**values: Any) -> None:
    for name, value in values.items():
        value.name = name


def mlp(slip: str) -> tuple[Value, dict[str, Any]]:
    W1, b1, W2, b2, W3, b3 = leaves(0, W1=(3, 4), b1=(4,), W2=(4, 4), b2=(4,), W3=(4, 2), b3=(2,))
    rng = np.random.default_rng(1)
    x, t = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    z1 = x @ W1 + b1
    a1 = z1.sigmoid()
    z2 = a1 @ W2 + b2
    a2 = z2.tanh()
    y = a2 @ W3 + b3
    error = y - t
    loss = (error**2).mean()
    named(z1=z1, a1=a1, z2=z2, a2=a2, y=y, error=error, L=loss)
    n1, n2 = a1.data, a2.data
    by_axis = {"mean over samples only": 5, "mean forgotten": 1}.get(slip, 10)
    dy = {"2 forgotten": 1, "error reversed": -2}.get(slip, 2) * error.data / by_axis
    db3 = dy.mean(0) if slip in ("db3 mean", "every db mean") else dy.sum(0)
    dW3 = (z2.data if slip == "dW3 of z2" else n2).T @ dy
    da2 = dy @ W3.data.T * (-1 if slip == "sign of da2" else 1)
    dz2 = da2 * {
        "tanh' missing": 1, "tanh' 1 - n": 1 - n2, "tanh' (1 - n)²": (1 - n2) ** 2, "tanh' 1 - z²": 1 - z2.data**2,
        "tanh' of a sigmoid": n2 * (1 - n2), "tanh' twice": (1 - n2**2) ** 2,
        "tanh' at the output": 1 - np.tanh(n2) ** 2, "no derivatives": 1, "tanh' + 1": 2 - n2**2,
    }.get(slip, 1 - n2**2)  # fmt: skip
    db2 = dz2.mean(0) if slip in ("db2 mean", "every db mean") else dz2.sum(0)
    dW2 = n1.T @ (da2 if slip == "dW2 of da2" else dz2) * {"sign of dW2": -1, "dW2 / 5": 0.2}.get(slip, 1)
    da1 = dz2 @ (W2.data if slip == "W2 not transposed" else n1[:4].T if slip == "a1 for W2" else W2.data.T)
    s = n1 * (1 - n1)
    dz1 = da1 * {
        "sigmoid' missing": 1, "sigmoid' n": n1, "sigmoid' 1 - n": 1 - n1, "sigmoid' z(1 - z)": z1.data * (1 - z1.data),
        "sigmoid' at the output": sigmoid(n1) * (1 - sigmoid(n1)), "sigmoid' twice": s**2, "sigmoid' 1 - n²": 1 - n1**2,
        "no derivatives": 1,
    }.get(slip, s)  # fmt: skip
    db1 = dz1.mean(0) if slip in ("db1 mean", "every db mean") else dz1.sum(0)
    dW1 = x.T @ dz1 * (2 if slip == "dW1 doubled" else 1)
    found = {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2, "W3": dW3, "b3": db3}
    if slip == "dW2 transposed":
        found["W2"] = dW2.T
    if slip == "db1, db2 exchanged":
        found |= {"b1": db2, "b2": db1}
    return loss, found | {"y": dy, "a2": da2, "z2": dz2, "a1": da1, "z1": dz1}


def batch_norm(slip: str) -> tuple[Value, dict[str, Any]]:
    W, g, be = leaves(2, W=(3, 4), g=(4,), be=(4,))
    rng = np.random.default_rng(3)
    n, x, w = 6, rng.normal(size=(6, 3)), rng.normal(size=(6, 4))
    h = x @ W
    mu = h.mean(axis=0)
    d = h - mu
    d2 = d**2
    var = d2.sum(axis=0) / (n - 1)
    inv = (var + 1e-2) ** -0.5
    raw = d * inv
    out = g * raw + be
    loss = (out * w).sum()
    named(h=h, mu=mu, d=d, d2=d2, var=var, inv=inv, raw=raw, out=out, L=loss)
    dg = (w * (out.data if slip == "dg of out" else raw.data)).sum(0)
    dbe = w.mean(0) if slip == "dbe mean" else w.sum(0)
    draw = w if slip == "g missing" else w * g.data
    dinv = (draw * (raw.data if slip == "raw for d" else d.data)).sum(0)
    v = var.data + (0 if slip == "eps missing" else 1e-2)
    dvar = dinv * {"-½ missing": v**-1.5, "power not lowered": -0.5 * v**-0.5, "+½": 0.5 * v**-1.5}.get(
        slip, -0.5 * v**-1.5
    )
    dd2 = np.ones((n, 4)) * dvar / {"1/n": n, "1/(n-1) missing": 1}.get(slip, n - 1)
    dd = draw if slip == "inv missing" else draw * inv.data
    if slip != "variance left out":
        dd = dd + {"2 forgotten": 1, "square at d2": 2}.get(slip, 2) * d.data * dd2
    dmu = dd.sum(0) * (1 if slip == "sign of dmu" else -1)
    dh = dd + (0 if slip == "mean left out" else dmu / (1 if slip == "mean not divided" else n))
    return loss, {
        "W": x.T @ dh, "g": dg, "be": dbe, "raw": draw, "inv": dinv, "var": dvar, "d2": dd2, "d": dd, "mu": dmu,
        "h": dh,
    }  # fmt: skip


def embedding(slip: str) -> tuple[Value, dict[str, Any]]:
    C, W, b = leaves(4, C=(6, 3), W=(3, 3), b=(3,))
    ids, labels, n = np.array([1, 4, 1, 2, 0]), np.array([0, 1, 2, 1, 0]), 5
    emb = C[ids]
    logits = emb @ W + b
    e = np.exp(logits)
    s = e.sum(axis=1, keepdims=True)
    lp = logits - np.log(s)
    loss = -lp[range(n), labels].mean()
    named(emb=emb, logits=logits, e=e, s=s, lp=lp, L=loss)
    hot = np.eye(3)[labels]
    dlp = -hot / (1 if slip == "mean forgotten" else n)
    ds = -dlp.sum(1, keepdims=True) / {"1/s missing": 1, "1/s²": s.data**2}.get(slip, s.data)
    de = ds * np.ones((1, 3))
    p = e.data * de
    dlogits = {
        "softmax forgotten": dlp, "hot forgotten": p, "exp forgotten": dlp + de,
        "exp of the input": dlp + logits.data * de, "1 after the mean": p - hot, "sign of dlogits": -p - dlp,
        "mean twice": (p + dlp) / n, "no mean after lp": n * (p + dlp),
    }.get(slip, p + dlp)  # fmt: skip
    demb = dlogits @ (W.data if slip == "W not transposed" else W.data.T)
    dC = np.zeros((6, 3))
    if slip == "+= of ids":
        dC[ids] += demb
    else:
        np.add.at(dC, ids, demb)
    dW = (dlogits.T @ emb.data) if slip == "dW transposed" else emb.data.T @ dlogits
    db = dlogits.mean(0) if slip == "db mean" else dlogits.sum(0)
    return loss, {"C": dC, "W": dW, "b": db, "emb": demb, "logits": dlogits, "e": de, "s": ds, "lp": dlp}


def recurrent(slip: str) -> tuple[Value, dict[str, Any]]:
    Wx, Wh, b, V = leaves(6, Wx=(2, 3), Wh=(3, 3), b=(3,), V=(3, 2))
    rng = np.random.default_rng(7)
    xs, t, h0 = rng.normal(size=(3, 4, 2)), rng.normal(size=(4, 2)), rng.normal(size=(4, 3))
    hs: list[Any] = [h0]
    zs = []
    for k in range(3):
        zs.append(xs[k] @ Wx + hs[-1] @ Wh + b)
        hs.append(zs[-1].tanh())
        named(**{f"z{'abc'[k]}": zs[-1], f"h{'abc'[k]}": hs[-1]})
    y = hs[-1] @ V
    loss = ((y - t) ** 2).sum()
    named(y=y, L=loss)
    dy = 2 * (y.data - t)
    dh, data = dy @ V.data.T, [h0, *(h.data for h in hs[1:])]
    found: dict[str, Any] = {"Wx": 0, "Wh": 0, "b": 0, "V": data[3].T @ dy, "y": dy}
    for k in (2, 1, 0):
        found[f"h{'abc'[k]}"] = dh
        n, z = data[k + 1], zs[k].data
        dz = dh * {
            "tanh' missing": 1, "tanh' 1 - n": 1 - n, "tanh' 1 - z²": 1 - z**2, "tanh' twice": (1 - n**2) ** 2,
            "first tanh' missing": 1 if k == 0 else 1 - n**2, "last tanh' missing": 1 if k == 2 else 1 - n**2,
        }.get(slip, 1 - n**2)  # fmt: skip
        found[f"z{'abc'[k]}"] = dz
        only = slip == "only the last step" and k < 2
        found["Wx"] = found["Wx"] + xs[k].T @ dz * (1 / 4 if slip == "dWx mean" else 1)
        found["Wh"] = found["Wh"] + (0 if only else data[k + 1 if slip == "h for its predecessor" else k].T @ dz)
        db = dz.mean(0) if slip == "db mean" else dz.sum(0)
        found["b"] = found["b"] + (0 if slip == "db of a step" and k == 1 else db)
        dh = dz @ (Wh.data if slip == "Wh not transposed" else Wh.data.T)
        dh = dh * {"sign of dh": -1, "no way back": 0, "dh halved": 0.5}.get(slip, 1)
    return loss, found


def tied(slip: str) -> tuple[Value, dict[str, Any]]:
    E, W = leaves(8, E=(5, 3), W=(3, 3))
    ids, labels, n = np.array([1, 4, 1, 2]), np.array([4, 1, 2, 0]), 4
    emb = E[ids]
    z = emb @ W
    h = z.tanh()
    logits = h @ E.T
    loss = tg.nn.losses.cross_entropy(logits, labels)
    named(emb=emb, z=z, h=h, logits=logits, L=loss)
    p = np.exp(logits.data)
    p /= p.sum(1, keepdims=True)
    dlogits = (p - (0 if slip == "hot forgotten" else np.eye(5)[labels])) / (1 if slip == "mean forgotten" else n)
    dh = dlogits @ E.data
    dz = dh * (1 if slip == "tanh' missing" else 1 - h.data**2)
    demb = dz @ (W.data if slip == "W not transposed" else W.data.T)
    dE = np.zeros((5, 3)) if slip == "output side missing" else dlogits.T @ (z.data if slip == "z for h" else h.data)
    if slip == "= of ids":
        dE[ids] = demb
    elif slip == "+= of ids":
        dE[ids] += demb
    elif slip != "input side missing":
        np.add.at(dE, ids, demb)
    return loss, {"E": dE, "W": emb.data.T @ dz, "emb": demb, "z": dz, "h": dh, "logits": dlogits}


def residual(slip: str) -> tuple[Value, dict[str, Any]]:
    W1, W2 = leaves(10, W1=(3, 3), W2=(3, 3))
    rng = np.random.default_rng(11)
    x, t = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    h = x @ W1
    z = h @ W2
    a = z.relu()
    y = h + a
    loss = ((y - t) ** 2).mean() + 0.1 * (W1**2).sum() + 0.1 * (W2**2).sum()
    named(h=h, z=z, a=a, y=y, L=loss)
    dy = 2 * (y.data - t) / 15
    dz = dy * (1 if slip == "relu' missing" else z.data if slip == "relu' z" else z.data > 0)
    dh = (0 if slip == "skip missing" else dy) + (0 if slip == "branch missing" else dz @ W2.data.T)
    two = {"reg without 2": 0.1, "reg missing": 0, "reg of the wrong sign": -0.2}.get(slip, 0.2)
    dW1 = x.T @ dh + (0 if slip == "reg of W1 missing" else two * W1.data)
    dW2 = h.data.T @ dz + two * W2.data
    if slip == "both transposed":
        dW1, dW2 = dW1.T, dW2.T
    if slip == "dW1, dW2 exchanged":
        dW1, dW2 = dW2, dW1
    return loss, {"W1": dW1, "W2": dW2, "h": dh, "z": dz, "y": dy}


Mistake = tuple[Network, str, tuple[str, str], str | None]

MISTAKES: list[Mistake] = [
    (mlp, "2 forgotten", ("L", "error"), "was the 2 of the power forgotten?"),
    (mlp, "mean over samples only", ("L", "error"), "is 1/5, and not 1/10"),
    (mlp, "mean forgotten", ("L", "error"), "10 times too large: was the mean over all 5 · 2 elements forgotten?"),
    (mlp, "error reversed", ("L", "error"), "every gradient has the wrong sign"),
    (mlp, "db3 mean", ("y", "b3"), "passes to 'b3' is 5 times too small"),
    (mlp, "db2 mean", ("z2", "b2"), "passes to 'b2' is 5 times too small"),
    (mlp, "db1 mean", ("z1", "b1"), "passes to 'b1' is 5 times too small"),
    (mlp, "every db mean", ("y", "b3"), "5 times too small"),
    (mlp, "dW3 of z2", ("y", "W3"), "is 'z2' instead of the right one"),
    (mlp, "sign of da2", ("y", "a2"), "the sign of"),
    (mlp, "tanh' missing", ("a2", "z2"), "the factor of 'a2' with respect to 'z2' is missing"),
    (mlp, "tanh' 1 - n", ("a2", "z2"), "the factor of 'a2' with respect to 'z2' is 1 - n, and"),
    (mlp, "tanh' (1 - n)²", ("a2", "z2"), "the factor of 'a2' with respect to 'z2' is (1 - n)²"),
    (mlp, "tanh' 1 - z²", ("a2", "z2"), "the factor of 'a2' with respect to 'z2' is 1 - z²"),
    (mlp, "tanh' of a sigmoid", ("a2", "z2"), "the factor of 'a2' with respect to 'z2' is n(1 - n), that of a sigmoid"),
    (mlp, "tanh' twice", ("a2", "z2"), "the factor of 'a2' with respect to 'z2' is there twice"),
    (mlp, "tanh' at the output", ("a2", "z2"), "is 1 - tanh(n)², the derivative at the output"),
    (mlp, "tanh' + 1", ("a2", "z2"), None),
    (mlp, "no derivatives", ("a2", "z2"), "the factor of 'a2' and its like"),
    (mlp, "dW2 of da2", ("z2", "W2"), "made of the cotangent of 'a2'"),
    (mlp, "sign of dW2", ("z2", "W2"), "the sign of"),
    (mlp, "dW2 / 5", ("z2", "W2"), "5 times too small"),
    (mlp, "W2 not transposed", ("z2", "a1"), "the matrix between"),
    (mlp, "a1 for W2", ("z2", "a1"), None),
    (mlp, "sigmoid' missing", ("a1", "z1"), "the factor of 'a1' with respect to 'z1' is missing"),
    (mlp, "sigmoid' n", ("a1", "z1"), "is only n, and"),
    (mlp, "sigmoid' 1 - n", ("a1", "z1"), "is only 1 - n, and"),
    (mlp, "sigmoid' z(1 - z)", ("a1", "z1"), "is z(1 - z), of the input"),
    (mlp, "sigmoid' at the output", ("a1", "z1"), "σ(n)(1 - σ(n)), the derivative at the output"),
    (mlp, "sigmoid' twice", ("a1", "z1"), "is there twice"),
    (mlp, "sigmoid' 1 - n²", ("a1", "z1"), "1 - n², that of a tanh"),
    (mlp, "dW1 doubled", ("z1", "W1"), "2 times"),
    (mlp, "dW2 transposed", ("z2", "W2"), "the gradient of 'W2' is transposed"),
    (mlp, "db1, db2 exchanged", ("z2", "b2"), "exchanged"),
    (batch_norm, "dg of out", ("out", "g"), "'out' instead of the right one"),
    (batch_norm, "dbe mean", ("out", "be"), "6 times too small"),
    (batch_norm, "g missing", ("out", "raw"), "is missing"),
    (batch_norm, "raw for d", ("raw", "inv"), "'raw' instead of the right one"),
    (batch_norm, "-½ missing", ("inv", "var"), "-2 times"),
    (batch_norm, "+½", ("inv", "var"), "the sign of"),
    (batch_norm, "power not lowered", ("inv", "var"), "its power not lowered by 1"),
    (batch_norm, "eps missing", ("inv", "var"), "is taken at 'var'"),
    (batch_norm, "1/n", ("var", "d2"), "1/6, and not 1/5"),
    (batch_norm, "1/(n-1) missing", ("var", "d2"), "is missing"),
    (batch_norm, "inv missing", ("raw", "d"), "is missing"),
    (batch_norm, "variance left out", ("d2", "d"), "is missing from the sum"),
    (batch_norm, "2 forgotten", ("d2", "d"), "the 2 of the power forgotten"),
    (batch_norm, "sign of dmu", ("d", "mu"), "the sign of"),
    (batch_norm, "mean left out", ("mu", "h"), "is missing from the sum"),
    (batch_norm, "mean not divided", ("mu", "h"), "is missing"),
    (embedding, "mean forgotten", ("L", "lp"), "was the mean over 5 samples forgotten?"),
    (embedding, "1/s missing", ("lp", "s"), "is missing"),
    (embedding, "1/s²", ("lp", "s"), "is there twice"),
    (embedding, "softmax forgotten", ("e", "logits"), "is missing from the sum"),
    (embedding, "hot forgotten", ("lp", "logits"), "is missing from the sum"),
    (embedding, "exp forgotten", ("e", "logits"), "is missing"),
    (embedding, "exp of the input", ("e", "logits"), "is z, the input"),
    (embedding, "1 after the mean", ("lp", "logits"), "5 times too large"),
    (embedding, "sign of dlogits", ("lp", "logits"), "sign"),
    (embedding, "mean twice", ("lp", "logits"), "5 times too small"),
    (embedding, "no mean after lp", ("lp", "logits"), "5 times too large"),
    (embedding, "W not transposed", ("logits", "emb"), "the matrix between"),
    (embedding, "+= of ids", ("emb", "C"), "only the last counts"),
    (embedding, "dW transposed", ("logits", "W"), "the gradient of 'W' is transposed"),
    (embedding, "db mean", ("logits", "b"), "5 times too small"),
    (recurrent, "tanh' missing", ("hc", "zc"), "is missing"),
    (recurrent, "tanh' 1 - n", ("hc", "zc"), "is 1 - n, and"),
    (recurrent, "tanh' 1 - z²", ("hc", "zc"), "is 1 - z²"),
    (recurrent, "tanh' twice", ("hc", "zc"), "is there twice"),
    (recurrent, "first tanh' missing", ("ha", "za"), "the factor of 'ha' with respect to 'za' is missing"),
    (recurrent, "last tanh' missing", ("hc", "zc"), "the factor of 'hc' with respect to 'zc' is missing"),
    (recurrent, "only the last step", ("zb", "Wh"), "is it assigned"),
    (recurrent, "dWx mean", ("zc", "Wx"), "4 times too small"),
    (recurrent, "h for its predecessor", ("zc", "Wh"), None),
    (recurrent, "db mean", ("zc", "b"), "4 times too small"),
    (recurrent, "db of a step", ("zb", "b"), "is missing from the sum"),
    (recurrent, "Wh not transposed", ("zc", "hb"), "the matrix between"),
    (recurrent, "sign of dh", ("zc", "hb"), "the sign of"),
    (recurrent, "no way back", ("zc", "hb"), "is missing from the sum"),
    (recurrent, "dh halved", ("zc", "hb"), "1/2 times"),
    (tied, "hot forgotten", ("L", "logits"), "is missing from the sum"),
    (tied, "mean forgotten", ("L", "logits"), "was the mean over 4 samples forgotten?"),
    (tied, "tanh' missing", ("h", "z"), "the factor of 'h' with respect to 'z' is missing"),
    (tied, "W not transposed", ("z", "emb"), "the matrix between"),
    (tied, "output side missing", ("logits", "E"), "is missing from the sum"),
    (tied, "input side missing", ("emb", "E"), "is missing from the sum"),
    (tied, "z for h", ("logits", "E"), "'z' instead of the right one"),
    (tied, "= of ids", ("emb", "E"), "assigned"),
    (tied, "+= of ids", ("emb", "E"), "only the last counts"),
    (residual, "relu' missing", ("a", "z"), "is missing"),
    (residual, "relu' z", ("a", "z"), "is z, the input"),
    (residual, "skip missing", ("y", "h"), "is missing from the sum"),
    (residual, "branch missing", ("z", "h"), "is missing from the sum"),
    (residual, "reg without 2", ("L", "W1"), "the 2 of the power forgotten"),
    (residual, "reg missing", ("L", "W1"), "is missing from the sum"),
    (residual, "reg of the wrong sign", ("L", "W1"), "sign"),
    (residual, "reg of W1 missing", ("L", "W1"), "is missing from the sum"),
    (residual, "both transposed", ("h", "W1"), "the gradient of 'W1' is transposed"),
    (residual, "dW1, dW2 exchanged", ("h", "W1"), "exchanged"),
]
