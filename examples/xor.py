"""XOR: a network of arrays, its δs beside the formulas for them, and the paths behind one hidden weight.

Two inputs, ten hidden neurons and two outputs (the classes "equal" and "different") by default, sigmoid everywhere,
cost ½ Σ (ŷ - y)², a fixed number of steps. The predicted class is the larger output. Then δ = ∂C/∂z of every layer is
computed by the formulas that one writes by hand, and compared with what backpropagation left at each z.

    python examples/xor.py --dims 2,10,10,2 --steps 8000 --lr 0.5 --seed 3
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

import tinygrad_lite as tg
import viz
from tinygrad_lite import Value, datasets, nn, optim, training

OUT = Path("out")
Array = npt.NDArray[np.float64]


def main(arguments: list[str] | None = None) -> None:
    options = parsed(arguments)
    inputs, targets = datasets.xor()
    net = nn.MLP(options.dims, activation="sigmoid", output="sigmoid", init="uniform", rng=options.seed)

    def cost() -> Value:
        return nn.losses.half_squared_error(net(inputs), targets, reduction="sum")  # ½ Σ (ŷ - y)²

    heading(f"Training {options.dims} for {options.steps:,} steps, learning rate {options.lr:g}")
    history = training.train(cost, optim.SGD(net.parameters(), lr=options.lr), steps=options.steps)
    print(history)

    heading("What it learned: the class is the larger output")
    outputs = net(inputs).data
    for x, y, t in zip(inputs, outputs, targets, strict=True):
        verdict = "right" if y.argmax() == t.argmax() else "wrong"
        print(f"{x[0]:.0f} xor {x[1]:.0f} = {y.argmax()}   outputs {np.array2string(y, precision=4)}   {verdict}")
    print(f"{np.sum(outputs.argmax(axis=1) == targets.argmax(axis=1))} of {len(targets)} right")

    loss = cost()
    net.zero_grad()
    loss.backward()

    heading("δ = ∂C/∂z of every layer, backpropagation beside the formulas")
    deltas, gradients = by_hand(net.state_dict(), inputs, targets)
    for layer in range(len(deltas), 0, -1):
        z, _ = tg.find(loss, f"z{layer}")
        difference = np.abs(z.grad - deltas[layer - 1]).max() / np.abs(z.grad).max()
        print(f"δ{layer}, shape {z.shape}: worst relative difference {difference:.1e}; for the first sample")
        print(f"    backward()  {np.array2string(z.grad[0], precision=6, max_line_width=110, prefix=' ' * 16)}")
        print(
            f"    by hand     {np.array2string(deltas[layer - 1][0], precision=6, max_line_width=110, prefix=' ' * 16)}"
        )
        if difference > 1e-12:
            raise SystemExit(f"δ{layer} differs from its formula")

    heading("The gradients that follow from them, in four ways")
    comparison = tg.compare(loss, manual=gradients, wrt=net)
    print(comparison)
    comparison.raise_if_different()

    hidden, output = "w100", f"w{len(net.dims) - 1}00"
    paths = tg.gradient_paths(loss, hidden)
    heading(f"The paths from the cost to {hidden}: {paths.count}, of which {paths.active_count} carry something")
    for path, _ in zip((path for path in paths if path.contribution), range(12), strict=False):
        print(path)
    total = math.fsum(path.contribution for path in paths)
    print(f"the sum of all {total:.12g}, backward() {net.named_parameters()['w1'].grad[0, 0]:.12g}")

    heading("The same weights in a network of scalars")
    scalars = nn.scalar.MLP(options.dims, activation="sigmoid", output="sigmoid")
    scalars.load_state_dict(net.state_dict())
    nn.losses.half_squared_error(scalars(inputs), targets, reduction="sum").backward()
    worst = max(
        abs(parameter.grad - value.grad[index])
        for name, parameter in scalars.named_parameters().items()
        for value, index in [tg.find(loss, name)]
    )
    print(
        f"{len(scalars.parameters())} scalar parameters; their gradients differ from the arrays' by at most {worst:.1e}"
    )
    if worst > 1e-12:
        raise SystemExit("the two networks' gradients differ")

    heading("Pictures")
    for name, picture in {
        "xor_network_hidden.svg": viz.network(net, weight=hidden, loss=loss),
        "xor_network_output.svg": viz.network(net, weight=output, loss=loss),
        "xor_graph.svg": viz.graph(loss),
    }.items():
        print(picture.save(OUT / name))


def by_hand(state: dict[str, Array], x: Array, t: Array) -> tuple[list[Array], dict[str, Array]]:
    """δ of every layer and the gradients, by the formulas of backpropagation by layers.

    Last layer: δ = (ŷ - y) ⊙ a (1 - a). Hidden: δ = a (1 - a) ⊙ (δ_next wᵀ_next), the sum over all paths onwards. Then
    ∂C/∂w = aᵀ_before δ and ∂C/∂b = Σ δ over the samples.
    """
    layers = len(state) // 2
    a = [x]
    for k in range(1, layers + 1):
        a.append(1 / (1 + np.exp(-(a[-1] @ state[f"w{k}"] + state[f"b{k}"]))))
    delta = (a[-1] - t) * a[-1] * (1 - a[-1])
    deltas = [delta]
    for k in range(layers - 1, 0, -1):
        delta = a[k] * (1 - a[k]) * (delta @ state[f"w{k + 1}"].T)
        deltas.insert(0, delta)
    gradients = {f"w{k}": a[k - 1].T @ deltas[k - 1] for k in range(1, layers + 1)}
    gradients |= {f"b{k}": deltas[k - 1].sum(axis=0) for k in range(1, layers + 1)}
    return deltas, gradients


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train a network on XOR and take its gradients apart.")
    parser.add_argument("--dims", type=dims, default=[2, 10, 2], help="layer widths, inputs first (default 2,10,2)")
    parser.add_argument("--steps", type=int, default=5000, help="how many steps (default 5000)")
    parser.add_argument("--lr", type=float, default=0.5, help="the learning rate (default 0.5)")
    parser.add_argument("--seed", type=int, default=0, help="of the starting weights (default 0)")
    options = parser.parse_args(arguments)
    if options.steps < 1:
        parser.error(f"--steps is at least 1, got {options.steps}")
    if not options.lr > 0:
        parser.error(f"--lr is above 0, got {options.lr:g}")
    return options


def dims(text: str) -> list[int]:
    try:
        widths = [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"whole numbers joined by commas, like 2,10,2, not {text!r}") from None
    if len(widths) < 2 or min(widths) < 1 or (widths[0], widths[-1]) != (2, 2):
        raise argparse.ArgumentTypeError(
            f"XOR has 2 inputs and 2 outputs: 2,…,2 with layers of at least 1, not {text!r}"
        )
    return widths


def heading(text: str) -> None:
    print(f"\n{text}\n{'═' * len(text)}")


if __name__ == "__main__":
    main()
