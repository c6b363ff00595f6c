"""XOR: a network of arrays, its δs compared with their formulas, and every path to one hidden weight.

By default the network has two inputs, ten hidden neurons and two outputs (the classes "equal" and "different"),
sigmoids everywhere, and the cost ½ Σ (ŷ - y)². The predicted class is the larger output. After training, the script
computes δ = ∂C/∂z of every layer by hand-written formulas, and compares it with the gradient of z.

    python examples/xor.py --dims 2,10,10,2 --steps 8000 --lr 0.5 --seed 3

The script writes its pictures under ``out/``. It stops with a message if two ways to a gradient disagree, or if an
answer is wrong.
"""

from __future__ import annotations

import argparse
import itertools
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

import tinygrad_lite as tg
import viz
from tinygrad_lite import Value, datasets, nn, optim, training

OUT = Path("out")
PRINTED = 100  # paths: [2, 10, 2] has 8 to a hidden weight, one more layer of 10 makes 80, another 800
ADDED_UP = 20_000  # the largest number of paths that are summed one by one; a sweep sums more
TOLERANCE = 1e-12
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
    right = outputs.argmax(axis=1) == targets.argmax(axis=1)
    for x, y, good in zip(inputs, outputs, right, strict=True):
        print(
            f"{x[0]:.0f} xor {x[1]:.0f} = {y.argmax()}   outputs {y[0]:.4f} {y[1]:.4f}   {'right' if good else 'wrong'}"
        )
    print(f"{right.sum()} of {right.size} right")

    loss = cost()
    net.zero_grad()
    loss.backward()
    deltas, gradients = by_hand(net.state_dict(), inputs, targets)
    show_deltas(loss, deltas, inputs)

    heading("The gradients that follow from the δs, ∂C/∂w = a_beforeᵀ δ and ∂C/∂b = Σ δ, in four ways")
    comparison = tg.compare(loss, manual=gradients, wrt=net)
    print(comparison)
    comparison.raise_if_different()

    show_paths(loss, "w100")

    heading("The same weights in a network of scalars: one Value per weight")
    scalars = nn.scalar.MLP(options.dims, activation="sigmoid", output="sigmoid")
    scalars.load_state_dict(net.state_dict())
    scalar_loss = nn.losses.half_squared_error(scalars(inputs), targets, reduction="sum")
    scalar_loss.backward()
    parameters = scalars.named_parameters()
    theirs = np.array([value.grad for value in parameters.values()])
    ours = np.array([element_grad(loss, name) for name in parameters])
    print(f"cost {scalar_loss.data:.12g}, of the arrays {loss.data:.12g}")
    print(f"{len(parameters)} gradients, worst relative difference from the arrays' {difference(ours, theirs):.1e}")
    require(difference(ours, theirs), "the gradients of the scalars differ from those of the arrays")
    require(difference(scalar_loss.data, loss.data), "the cost of the scalars differs from that of the arrays")

    heading("Pictures")
    for name, picture in {
        "xor_network_hidden.svg": viz.network(net, weight="w100", loss=loss),
        "xor_network_output.svg": viz.network(net, weight=f"w{len(net.dims) - 1}00", loss=loss),
        "xor_graph.svg": viz.graph(loss),
    }.items():
        print(picture.save(OUT / name))

    if not right.all():
        way_out = "try more --steps, another --lr or another --seed"
        if len(net.dims) == 2:
            way_out = "no straight line separates the classes of XOR, so it takes a hidden layer: --dims 2,10,2"
        raise SystemExit(f"\nxor: {right.sum()} of {right.size} right after {options.steps:,} steps; {way_out}")


def show_deltas(loss: Value, deltas: list[Array], inputs: Array) -> None:
    """Print each layer's δ, by backpropagation and by the formula: a row per sample, a number per neuron."""
    heading("δ = ∂C/∂z of every layer, backpropagation beside the formulas")
    for layer in range(len(deltas), 0, -1):
        last = layer == len(deltas)
        formula = "(ŷ - y) · a (1 - a)" if last else f"a (1 - a) · Σ w{layer + 1} · δ{layer + 1}"
        z, _ = tg.find(loss, f"z{layer}")
        worst = difference(z.grad, deltas[layer - 1])
        print(f"δ{layer} = {formula}   {z.shape[1]} neurons, worst relative difference {worst:.1e}")
        for x, ours, theirs in zip(inputs, z.grad, deltas[layer - 1], strict=True):
            print(f"  {x[0]:.0f} xor {x[1]:.0f}   backward()  {row(ours)}")
            print(f"            by hand     {row(theirs)}")
        require(worst, f"δ{layer} of backpropagation differs from its formula")


def show_paths(loss: Value, name: str) -> None:
    """Print every path from the cost to one weight, their sum, and the gradient."""
    paths = tg.gradient_paths(loss, name)
    heading(f"The paths from the cost to {name}: {paths.count:,}, of which {paths.active_count:,} carry something")
    print("n1[3,0] is neuron 0 of layer 1 for sample 3; a path through an input of 0 carries nothing")
    for path in itertools.islice(paths, PRINTED):
        print(path)
    if paths.count > PRINTED:
        print(f"… and {paths.count - PRINTED:,} more")
    listed = paths.count <= ADDED_UP
    total = math.fsum(path.contribution for path in paths) if listed else paths.total
    gradient = element_grad(loss, name)
    print(f"the sum of all {total:.12g}, backward() {gradient:.12g}")
    # Paths cancel: rounding errors are relative to their magnitude, not to their sum.
    require(abs(total - gradient) / (paths.magnitude or 1.0), f"the paths to {name} do not add up to its gradient")


def by_hand(state: dict[str, Array], x: Array, t: Array) -> tuple[list[Array], dict[str, Array]]:
    """δ of every layer, and the gradients, by the layer-wise formulas of backpropagation.

    Last layer: δ = (ŷ - y) ⊙ a (1 - a). Hidden layers: δ = a (1 - a) ⊙ (δ_next wᵀ_next), the sum over all paths from
    the cost. Then ∂C/∂w = aᵀ_before δ and ∂C/∂b = Σ δ over the samples.
    """
    layers = len(state) // 2
    a, slopes = [x], [x]
    for k in range(1, layers + 1):
        z = a[-1] @ state[f"w{k}"] + state[f"b{k}"]
        a.append(sigmoid(z))
        slopes.append(a[-1] * sigmoid(-z))  # a (1 - a) without the subtraction, which loses all digits of an a near 1
    delta = (a[-1] - t) * slopes[-1]
    deltas = [delta]
    for k in range(layers - 1, 0, -1):
        delta = slopes[k] * (delta @ state[f"w{k + 1}"].T)
        deltas.insert(0, delta)
    gradients = {f"w{k}": a[k - 1].T @ deltas[k - 1] for k in range(1, layers + 1)}
    gradients |= {f"b{k}": deltas[k - 1].sum(axis=0) for k in range(1, layers + 1)}
    return deltas, gradients


def sigmoid(z: Array) -> Array:
    with np.errstate(over="ignore"):  # exp(1000) is inf, and 1 / (1 + inf) is 0, as it should be
        return np.asarray(1 / (1 + np.exp(-z)))


def element_grad(loss: Value, name: str) -> float:
    """The gradient of one weight of the arrays, by either form of its name: ``w201`` or ``w2[0,1]``."""
    value, index = tg.find(loss, name)
    return float(value.grad[index])


def difference(ours: Array | float, theirs: Array | float) -> float:
    """The largest difference between the two, relative to their largest number."""
    largest = max(np.max(np.abs(ours)), np.max(np.abs(theirs)))
    return float(np.max(np.abs(np.subtract(ours, theirs))) / largest) if largest else 0.0


def require(worst: float, complaint: str) -> None:
    if not worst <= TOLERANCE:  # not: worst > TOLERANCE, which a nan would pass
        raise SystemExit(f"xor: {complaint}: relative difference {worst:.2g}, allowed {TOLERANCE:g}")


def row(numbers: Array) -> str:
    """The numbers of one sample as text, ten per line."""
    lines = [numbers[start : start + 10] for start in range(0, len(numbers), 10)]
    return f"\n{' ' * 24}".join(" ".join(f"{number: .2e}" for number in line) for line in lines)


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train a network on XOR and take its gradients apart.")
    parser.add_argument("--dims", type=dims, default=[2, 10, 2], help="layer widths, inputs first (default 2,10,2)")
    parser.add_argument("--steps", type=int, default=5000, help="how many steps (default 5000)")
    parser.add_argument("--lr", type=float, default=0.5, help="the learning rate (default 0.5)")
    parser.add_argument("--seed", type=int, default=0, help="of the starting weights (default 0)")
    options = parser.parse_args(arguments)
    if options.steps < 1:
        parser.error(f"--steps is at least 1, got {options.steps}")
    if not 0 < options.lr < math.inf:
        parser.error(f"--lr is a finite number above 0, got {options.lr:g}")
    if options.seed < 0:
        parser.error(f"--seed is at least 0, got {options.seed}")
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
