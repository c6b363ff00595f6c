"""The vanishing gradient, measured layer by layer, and two cures.

A sigmoid's derivative is a (1 - a), at most 1/4, and every layer multiplies by it: each layer learns about four times
more slowly than the next one. The script measures this factor in networks of growing depth that read handwritten
digits, and compares two cures: rectifiers, whose derivative is 1 where they are on, and skips, x + f(x), with paths
that meet no sigmoid.

A gradient is a sum over paths. It is small if the contributions are small, or if they cancel. Sweeps over other
semirings tell these two cases apart: the magnitude is the sum of the sizes of the contributions, and the entropy tells
over how many paths they are spread.

    python examples/vanishing_gradient.py

The script writes its pictures under ``out/``. It needs scikit-learn and, for the pictures, matplotlib: the extra
``examples``. It stops with a message if a measured factor exceeds the bound that the derivatives give.

Source: S. Hochreiter, *Untersuchungen zu dynamischen neuronalen Netzen*, 1991; K. He et al., *Deep residual learning
for image recognition*, 2016 (the skips).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import tinygrad_lite as tg
import viz
from tinygrad_lite import Value, datasets, nn, optim, training
from tinygrad_lite.errors import MissingExtraError

OUT = Path("out")
SEED = 0
WIDTH = 32
DEPTHS = (2, 4, 8, 16)
DEPTH = 10  # the number of hidden layers of the networks that are trained and analysed
STEPS = 400
RECORDED = 10  # the number of steps between two records of the gradients
BATCH = 64
LR = 2e-3
KINDS = {"sigmoid": ("sigmoid", False), "relu": ("relu", False), "sigmoid + skips": ("sigmoid", True)}
Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


class Net(nn.Module):
    """64 pixels, ``depth`` hidden layers of ``WIDTH`` neurons, 10 logits; with ``skip`` a layer computes x + f(x)."""

    def __init__(self, depth: int, kind: str, seed: int) -> None:
        rng = np.random.default_rng(seed)
        name, self.skip = KINDS[kind]
        self.activation = nn.ACTIVATIONS[name]
        init = "he" if name == "relu" else "glorot"
        widths = [64] + [WIDTH] * depth
        self.hidden = [nn.Linear(n_in, WIDTH, rng=rng, init=init) for n_in in widths[:-1]]
        self.head = nn.Linear(WIDTH, 10, rng=rng)
        self.name_parameters()

    def __call__(self, x: Array) -> Value:
        h = x
        for k, layer in enumerate(self.hidden, start=1):
            z = layer(h)
            z.name = f"z{k}"
            h = h + self.activation(z) if self.skip and k > 1 else self.activation(z)
        return self.head(h)


def main() -> None:
    try:
        images, labels = datasets.digits()
    except MissingExtraError as error:
        raise SystemExit(str(error)) from None
    x, t, x_test, t_test = datasets.split(images, labels, rng=SEED)
    batch, wanted = x[:BATCH], t[:BATCH]

    heading("Before training: |∂C/∂z| from the last hidden layer to the first, sigmoid networks of growing depth")
    growing = {}
    for depth in DEPTHS:
        delta, slopes, bound = measured(Net(depth, "sigmoid", SEED), batch, wanted)
        growing[f"{depth} hidden layers"] = delta
        factor = (delta[0] / delta[-1]) ** (1 / (depth - 1))
        print(
            f"{depth:2} layers: last {delta[-1]:.1e}, first {delta[0]:.1e}: a factor of {factor:.3f} for each layer; "
            f"mean a(1 - a) {slopes.mean():.3f}, bound {bound:.3f}"
        )
        if not factor <= bound:
            raise SystemExit(f"vanishing_gradient: a factor of {factor:g} for each layer, more than ¼‖w‖ = {bound:g}")

    heading(f"Two cures: {DEPTH} hidden layers, before training and after {STEPS} steps")
    print("network            first/last layer   at the end   factor for each layer   at the end   test accuracy")
    records: dict[str, list[dict[str, float]]] = {}
    starts = {}
    for kind in KINDS:
        net = Net(DEPTH, kind, SEED)
        starts[kind], *_ = measured(net, batch, wanted)
        records[kind] = trained(net, x, t, kind)
        end, *_ = measured(net, batch, wanted)
        accuracy = np.mean(net(x_test).data.argmax(axis=1) == t_test)
        falls = [delta[0] / delta[-1] for delta in (starts[kind], end)]
        factors = [fall ** (1 / (DEPTH - 1)) for fall in falls]
        print(f"{kind:18} {falls[0]:16.1e} {falls[1]:12.1e} {factors[0]:23.3f} {factors[1]:12.3f} {accuracy:15.1%}")

    heading(f"Why: all paths to one neuron of a layer, {DEPTH} hidden layers before training, mean over the neurons")
    print("network            layer   |gradient|   magnitude   left of it   as spread out as   paths there are")
    told = {kind: statistics(Net(DEPTH, kind, SEED), batch[:8], wanted[:8]) for kind in KINDS}
    for kind, columns in told.items():
        for k in (DEPTH, DEPTH // 2, 1):
            gradient, magnitude, spread, count = (column[k - 1] for column in columns.values())
            left = gradient / magnitude
            print(f"{kind:18} {k:5} {gradient:12.1e} {magnitude:11.1e} {left:12.1e} {spread:17.1e} {count:17.1e}")
    grows = {kind: (c["magnitude"][0] / c["magnitude"][-1]) ** (1 / (DEPTH - 1)) for kind, c in told.items()}
    print("at each layer what flows is multiplied by " + ", ".join(f"{f:.2f} ({kind})" for kind, f in grows.items()))
    if grows["sigmoid"] > 1:
        print(
            f"a sigmoid leaves each path a quarter at most, but each layer has {WIDTH} times as many paths: "
            "what flows does not vanish, it cancels"
        )

    try:
        print("\npictures:", *plot(growing, starts, records, told))
    except MissingExtraError as error:
        raise SystemExit(str(error)) from None


def loss_of(net: Net, x: Array, t: Labels) -> tuple[Value, list[Value]]:
    """The cross-entropy of the digits, in nats, and the weighted sums of all hidden layers, the first layer first."""
    loss = nn.losses.cross_entropy(net(x), t)
    return loss, [tg.find(loss, f"z{k}")[0] for k in range(1, len(net.hidden) + 1)]


def measured(net: Net, x: Array, t: Labels) -> tuple[Array, Array, float]:
    """‖∂C/∂z‖ of each hidden layer; in sigmoid networks also the mean a(1 - a) of each, and a bound on the factor.

    ∂C/∂z of a layer is ∂C/∂z of the next layer, times the next layer's weights, times a(1 - a): a layer multiplies the
    norm by at most ¼ of the largest singular value of the weights. The bound is the geometric mean of these numbers.
    """
    loss, sums = loss_of(net, x, t)
    net.zero_grad()
    loss.backward()
    delta = np.array([np.linalg.norm(z.grad) for z in sums])
    activated = [1 / (1 + np.exp(-z.data)) for z in sums]
    slopes = np.array([np.mean(a * (1 - a)) for a in activated])
    largest = [np.linalg.norm(layer.w.data, 2) / 4 for layer in net.hidden[1:]]
    return delta, slopes, float(np.exp(np.mean(np.log(largest))))


def trained(net: Net, x: Array, t: Labels, kind: str) -> list[dict[str, float]]:
    """Train the network, and return the norms of its hidden layers' gradients by layer, one record every few steps."""
    rng = np.random.default_rng(SEED)
    records: list[dict[str, float]] = []

    def loss() -> Value:
        batch = rng.choice(len(x), BATCH, replace=False)
        return nn.losses.cross_entropy(net(x[batch]), t[batch])

    def record(step: int, _: float) -> None:
        if step % RECORDED == 0:
            sizes = [float(np.linalg.norm(layer.w.grad)) for layer in net.hidden]
            records.append({f"layer {k}": size for k, size in enumerate(sizes, start=1)})

    training.train(loss, optim.Adam(net.parameters(), lr=LR), steps=STEPS, description=kind, after=record)
    return records


def statistics(net: Net, x: Array, t: Labels) -> dict[str, Array]:
    """For each hidden layer, the mean of each statistic over its neurons and samples."""
    loss, sums = loss_of(net, x, t)
    sweeps = {
        name: tg.sweep(loss, semiring, wrt=sums)
        for name, semiring in (
            ("gradient", tg.semirings.GRADIENT),
            ("magnitude", tg.semirings.MAGNITUDE),
            ("entropy", tg.semirings.ENTROPY),
            ("count", tg.semirings.COUNT),
        )
    }
    return {
        "gradient": np.array([np.abs(g).mean() for g in sweeps["gradient"]]),
        "magnitude": np.array([m.mean() for m in sweeps["magnitude"]]),
        "spread": np.array([np.exp(h.mean()) for h in sweeps["entropy"]]),
        "count": np.array([float(c.flat[0]) for c in sweeps["count"]]),
    }


def plot(
    growing: dict[str, Array],
    starts: dict[str, Array],
    records: dict[str, list[dict[str, float]]],
    told: dict[str, dict[str, Array]],
) -> list[Path]:
    depths = viz.plots.figure(13.5, 4.4)
    left, right = depths.subplots(1, 2, sharey=True)
    size = "size of ∂C/∂z (Euclidean norm)"
    viz.plots.gradient_sizes(
        growing, quantity=size, title="Sigmoid networks of growing depth, before training", ax=left
    )
    viz.plots.gradient_sizes(
        starts, quantity=size, title=f"Two cures: {DEPTH} hidden layers, before training", ax=right
    )
    over = viz.plots.figure(15, 4.4)
    steps = range(0, STEPS, RECORDED)
    for axes, (kind, record) in zip(over.subplots(1, 3, sharey=True), records.items(), strict=True):
        viz.plots.gradient_sizes(record, steps=steps, quantity="size of ∂C/∂w (Euclidean norm)", title=kind, ax=axes)
        only_once(axes, first=kind == "sigmoid", last=kind == list(records)[-1])
    why = viz.plots.figure(15, 4.4)
    for axes, (kind, columns) in zip(why.subplots(1, 3, sharey=True), told.items(), strict=True):
        lines = {"magnitude: what flows": columns["magnitude"], "gradient: what is left": columns["gradient"]}
        viz.plots.gradient_sizes(lines, quantity="mean over the neurons (nats per unit)", title=kind, ax=axes)
        only_once(axes, first=kind == "sigmoid", last=kind == list(told)[-1])
    named = {"depth": depths, "training": over, "cancellation": why}
    return [picture.save(OUT / f"vanishing_gradient_{name}.svg") for name, picture in named.items()]


def only_once(axes: Any, first: bool, last: bool) -> None:
    """Two plots side by side: the first has the label of the shared axis, the last the legend."""
    if not first:
        axes.set_ylabel("")
    if not last:
        axes.get_legend().remove()


def heading(text: str) -> None:
    print(f"\n{text}\n{'═' * len(text)}")


if __name__ == "__main__":
    main()
