"""A language model, every intermediate

Three characters predict the next one: an embedding, a linear layer, batch norm, tanh, another linear layer and a
cross-entropy written out step by step. Give the gradient of every intermediate, from the end to the embedding. Two of
them repay a second look: logits are read twice (once through their maximum), and so are counts and bndiff. hprebn and
the embedding table have gradients that are sums, over ways and over places.
"""

from typing import Any

import numpy as np

from tinygrad_lite import Value, exp, log, tanh

rng = np.random.default_rng(8)
n, vocabulary = 8, 6
ids = rng.integers(0, vocabulary, size=(n, 3))
labels = rng.integers(0, vocabulary, size=n)
table = Value(rng.normal(size=(vocabulary, 2)))
w1, b1 = Value(rng.normal(size=(6, 5)) * 0.6), Value(rng.normal(size=5) * 0.1)
gain, bias = Value(1 + rng.normal(size=5) * 0.1), Value(rng.normal(size=5) * 0.1)
w2, b2 = Value(rng.normal(size=(5, vocabulary)) * 0.5), Value(rng.normal(size=vocabulary) * 0.1)

emb = table[ids]
embcat = emb.reshape(n, 6)
hprebn = embcat @ w1 + b1
bnmean = hprebn.sum(axis=0, keepdims=True) / n
bndiff = hprebn - bnmean
bndiff2 = bndiff**2
bnvar = bndiff2.sum(axis=0, keepdims=True) / (n - 1)
bnvar_inv = (bnvar + 1e-5) ** -0.5
bnraw = bndiff * bnvar_inv
hpreact = gain * bnraw + bias
h = tanh(hpreact)
logits = h @ w2 + b2
logit_maxes = logits.max(axis=1, keepdims=True)
norm_logits = logits - logit_maxes
counts = exp(norm_logits)
counts_sum = counts.sum(axis=1, keepdims=True)
counts_sum_inv = counts_sum**-1
probs = counts * counts_sum_inv
logprobs = log(probs)
loss = -logprobs[np.arange(n), labels].mean()

points = {
    "logprobs probs counts_sum_inv counts_sum counts norm_logits logit_maxes logits": 1,
    "h w2 b2 hpreact gain bias": 1,
    "bnraw bnvar_inv bnvar bndiff2 bndiff bnmean hprebn": 1,
    "embcat w1 b1 emb table": 1,
}


def solution(v: dict[str, Any]) -> dict[str, Any]:
    """The gradients by hand, because every intermediate has a line of its own."""
    n, rows = v["n"], np.arange(v["n"])
    dlogprobs = np.zeros_like(v["logprobs"])
    dlogprobs[rows, v["labels"]] = -1.0 / n
    dprobs = dlogprobs / v["probs"]
    dcounts_sum_inv = (v["counts"] * dprobs).sum(axis=1, keepdims=True)
    dcounts_sum = -(v["counts_sum"] ** -2) * dcounts_sum_inv
    dcounts = v["counts_sum_inv"] * dprobs + dcounts_sum
    dnorm_logits = v["counts"] * dcounts
    dlogit_maxes = -dnorm_logits.sum(axis=1, keepdims=True)
    dlogits = dnorm_logits.copy()
    dlogits[rows, v["logits"].argmax(axis=1)] += dlogit_maxes[:, 0]
    dh = dlogits @ v["w2"].T
    dhpreact = (1.0 - v["h"] ** 2) * dh
    dbnraw = v["gain"] * dhpreact
    dbnvar_inv = (v["bndiff"] * dbnraw).sum(axis=0, keepdims=True)
    dbnvar = -0.5 * (v["bnvar"] + 1e-5) ** -1.5 * dbnvar_inv
    dbndiff2 = np.ones_like(v["bndiff2"]) / (n - 1) * dbnvar
    dbndiff = v["bnvar_inv"] * dbnraw + 2 * v["bndiff"] * dbndiff2
    dbnmean = -dbndiff.sum(axis=0, keepdims=True)
    dhprebn = dbndiff + dbnmean / n
    dembcat = dhprebn @ v["w1"].T
    demb = dembcat.reshape(v["emb"].shape)
    dtable = np.zeros_like(v["table"])
    np.add.at(dtable, v["ids"], demb)
    return {
        "logprobs": dlogprobs,
        "probs": dprobs,
        "counts_sum_inv": dcounts_sum_inv,
        "counts_sum": dcounts_sum,
        "counts": dcounts,
        "norm_logits": dnorm_logits,
        "logit_maxes": dlogit_maxes,
        "logits": dlogits,
        "h": dh,
        "w2": v["h"].T @ dlogits,
        "b2": dlogits.sum(axis=0),
        "hpreact": dhpreact,
        "gain": (v["bnraw"] * dhpreact).sum(axis=0),
        "bias": dhpreact.sum(axis=0),
        "bnraw": dbnraw,
        "bnvar_inv": dbnvar_inv,
        "bnvar": dbnvar,
        "bndiff2": dbndiff2,
        "bndiff": dbndiff,
        "bnmean": dbnmean,
        "hprebn": dhprebn,
        "embcat": dembcat,
        "w1": v["embcat"].T @ dhprebn,
        "b1": dhprebn.sum(axis=0),
        "emb": demb,
        "table": dtable,
    }
