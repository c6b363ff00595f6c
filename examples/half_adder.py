"""The half adder: a network of 18 parameters learns to add two bits, and each of its gradients is taken apart.

The network has two inputs, two hidden layers of two neurons, two outputs, sigmoids and biases everywhere. The first
output is the sum of the bits, the second the carry. The script computes each gradient in five ways, lists the paths
from the cost to two weights one by one, and draws pictures under ``out/``.

Run it with ``make demo``, or ``python examples/half_adder.py``.
"""

from __future__ import annotations

import math
from pathlib import Path

import tinygrad_lite as tg
import viz
from tinygrad_lite import Value, datasets, nn, optim, training

SEED = 0  # about 80 of 100 uniform starts learn to add within 40,000 steps, the others get stuck
OUT = Path("out")


def main() -> None:
    inputs, targets = datasets.half_adder()
    net = nn.scalar.MLP(2, [2, 2, 2], activation="sigmoid", output="sigmoid", init="uniform", rng=SEED)

    def cost() -> Value:
        return nn.losses.half_squared_error(net(inputs), targets)  # Σ (y - t)² / (2 · samples)

    heading("Training: gradient descent on all four samples, step 0.5, until the cost is below 1e-3")
    history = training.train(cost, optim.SGD(net.parameters(), lr=0.5), steps=40_000, goal=1e-3)
    print(history)

    heading("What it learned")
    print("inputs   sum: output  target   carry: output  target")
    for x, y, t in zip(inputs, net(inputs), targets, strict=True):
        print(f"{x[0]:.0f} + {x[1]:.0f}        {y[0].data:6.4f}  {t[0]:6.0f}          {y[1].data:6.4f}  {t[1]:6.0f}")

    loss = cost()
    net.zero_grad()
    loss.backward()

    heading("All 18 gradients, in five ways")
    comparison = tg.compare(loss, manual=by_hand(net.state_dict(), inputs, targets), wrt=net)
    print(comparison)
    comparison.raise_if_different()

    for name in ("w200", "w100"):
        paths = tg.gradient_paths(loss, name)
        heading(f"Every path from the cost to {name}: {paths.count}, as many for each of the four samples (@0 … @3)")
        for path in paths:
            print(path)
        total = math.fsum(path.contribution for path in paths)
        print(f"their sum {total:.12g}, backward() {dict(net.named_parameters())[name].grad:.12g}")

    heading("Pictures")
    one_sample = nn.losses.half_squared_error(net(inputs[2], sample=2), targets[2])  # 1 + 0
    net.zero_grad()
    one_sample.backward()
    for name, picture in {
        "half_adder_network.svg": viz.network(net, weight="w200", loss=loss),
        "half_adder_network_w100.svg": viz.network(net, weight="w100", loss=loss),
        "half_adder_graph.svg": viz.graph(one_sample),
        "half_adder_paths_w100.svg": viz.paths(one_sample, "w100"),
    }.items():
        print(picture.save(OUT / name))
    page = viz.explore(one_sample, OUT / "half_adder.html")
    print(f"{page}   open it in a browser: click a weight, or step through backpropagation")


def heading(text: str) -> None:
    print(f"\n{text}\n{'═' * len(text)}")


def by_hand(w: dict[str, float], inputs: object, targets: object) -> dict[str, float]:
    """The 18 derivatives of the cost, each written by hand as the sum over its paths.

    The derivative of ½(y - t)² is ``(y - t)``, the sigmoid's is ``n(1 - n)``. The derivative of a weighted sum is the
    weight with respect to a neuron, and the neuron with respect to a weight. A bias is the weight of a constant 1.
    """
    g = dict.fromkeys(w, 0.0)
    samples = list(zip(inputs, targets, strict=True))  # type: ignore[call-overload]
    for (x0, x1), (t0, t1) in samples:
        n10 = sigmoid(x0 * w["w100"] + x1 * w["w110"] + w["b10"])
        n11 = sigmoid(x0 * w["w101"] + x1 * w["w111"] + w["b11"])
        n20 = sigmoid(n10 * w["w200"] + n11 * w["w210"] + w["b20"])
        n21 = sigmoid(n10 * w["w201"] + n11 * w["w211"] + w["b21"])
        y0 = sigmoid(n20 * w["w300"] + n21 * w["w310"] + w["b30"])
        y1 = sigmoid(n20 * w["w301"] + n21 * w["w311"] + w["b31"])

        # One path leads from the cost to each output's weighted sum.
        e0 = (y0 - t0) / len(samples) * y0 * (1 - y0)
        e1 = (y1 - t1) / len(samples) * y1 * (1 - y1)
        g["w300"] += e0 * n20
        g["w310"] += e0 * n21
        g["b30"] += e0
        g["w301"] += e1 * n20
        g["w311"] += e1 * n21
        g["b31"] += e1

        # Two paths lead to a weight of layer 2: through y0 and through y1.
        s20, s21 = n20 * (1 - n20), n21 * (1 - n21)
        g["w200"] += e0 * w["w300"] * s20 * n10 + e1 * w["w301"] * s20 * n10
        g["w210"] += e0 * w["w300"] * s20 * n11 + e1 * w["w301"] * s20 * n11
        g["b20"] += e0 * w["w300"] * s20 + e1 * w["w301"] * s20
        g["w201"] += e0 * w["w310"] * s21 * n10 + e1 * w["w311"] * s21 * n10
        g["w211"] += e0 * w["w310"] * s21 * n11 + e1 * w["w311"] * s21 * n11
        g["b21"] += e0 * w["w310"] * s21 + e1 * w["w311"] * s21

        # Four paths lead to a weight of layer 1: each of the two splits again, through n20 and through n21.
        s10, s11 = n10 * (1 - n10), n11 * (1 - n11)
        to_n10 = (
            e0 * w["w300"] * s20 * w["w200"]
            + e0 * w["w310"] * s21 * w["w201"]
            + e1 * w["w301"] * s20 * w["w200"]
            + e1 * w["w311"] * s21 * w["w201"]
        )
        to_n11 = (
            e0 * w["w300"] * s20 * w["w210"]
            + e0 * w["w310"] * s21 * w["w211"]
            + e1 * w["w301"] * s20 * w["w210"]
            + e1 * w["w311"] * s21 * w["w211"]
        )
        g["w100"] += to_n10 * s10 * x0
        g["w110"] += to_n10 * s10 * x1
        g["b10"] += to_n10 * s10
        g["w101"] += to_n11 * s11 * x0
        g["w111"] += to_n11 * s11 * x1
        g["b11"] += to_n11 * s11
    return g


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


if __name__ == "__main__":
    main()
