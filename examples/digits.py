"""Handwritten digits: a network learns to read them, and one of its mistakes is taken apart, pixel by pixel.

The 1,797 images of 8 x 8 pixels come with scikit-learn. After training, the script takes an image of the test set that
the network reads wrongly, and asks which pixels, through which neurons, speak for the wrong digit.

The margin is the wrong digit's logit minus the right digit's. The image is multiplied by a brightness of 1: the paths
from the margin to the brightness then run through every pixel, and each contributes pixel · weight · … · weight, in
logits. A network of rectifiers is linear as long as none of them switches, so the paths from all pixels and all biases
add up to the margin itself, not only to its gradient.

    python examples/digits.py

The script writes its pictures under ``out/``. It needs scikit-learn and, for the pictures, matplotlib: the extra
``examples``. It stops with a message if the network reads fewer than 97 % of the test images rightly, or if a sum is
wrong.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

import tinygrad_lite as tg
import viz
from tinygrad_lite import GradientPaths, Value, datasets, nn, optim, training
from tinygrad_lite.errors import MissingExtraError

OUT = Path("out")
SEED = 0
EPOCHS = 80
BATCH = 64
LR = 3e-3  # at the start; it falls linearly to 0
NOISE = 0.25  # standard deviation of the noise on pixels in training, so that no single pixel decides
NEEDED = 0.97
TOLERANCE = 1e-12
Array = npt.NDArray[np.float64]


def main(seed: int = SEED) -> None:
    try:
        images, labels = datasets.digits()
    except MissingExtraError as error:
        raise SystemExit(str(error)) from None
    x, t, x_test, t_test = datasets.split(images, labels, test=0.2, rng=seed)
    net = nn.MLP(64, [128, 64, 10], activation="relu", output="linear", rng=seed)

    heading(f"Training on {len(x):,} images, tested on {len(x_test)} others")
    history = trained(net, x, t, seed)
    print(history)
    answers = net(x_test).data.argmax(axis=1)
    accuracy = float(np.mean(answers == t_test))
    wrong = np.flatnonzero(answers != t_test)
    print(f"test accuracy {accuracy:.2%}: {len(wrong)} of {len(x_test)} read wrongly")
    if not accuracy > NEEDED:
        raise SystemExit(f"digits: a test accuracy of {accuracy:.2%}, needed above {NEEDED:.0%}; try another seed")
    if not len(wrong):
        raise SystemExit("digits: no test image is read wrongly, so there is nothing to explain; try another seed")

    margins = [largest_minus_right(net, x_test[k], t_test[k]) for k in wrong]
    chosen = wrong[int(np.argmax(margins))]  # the most confident mistake
    image, right, answer = x_test[chosen].reshape(8, 8), int(t_test[chosen]), int(answers[chosen])
    margin = margin_of(net, image, answer, right)
    paths = tg.gradient_paths(margin, "brightness")

    heading(f"Test image {chosen}: a {right}, read as a {answer}")
    print("\n".join("    " + "".join(" ░▒▓█"[round(4 * ink)] * 2 for ink in row) for row in image))
    explain(net, margin, paths, answer, right)

    try:
        print("\npictures:", *plot(image, answer, right, margin, paths, history.costs))
    except MissingExtraError as error:
        raise SystemExit(str(error)) from None


def trained(net: nn.MLP, x: Array, t: npt.NDArray[np.int64], seed: int) -> training.History:
    rng = np.random.default_rng(seed)
    optimizer = optim.Adam(net.parameters(), lr=LR)
    per_epoch = len(x) // BATCH
    order: list[npt.NDArray[np.int64]] = []

    def loss() -> Value:
        if not order:
            order.extend(np.array_split(rng.permutation(len(x)), per_epoch))
        batch = order.pop()
        noisy = x[batch] + rng.normal(0.0, NOISE, (len(batch), 64))
        return nn.losses.cross_entropy(net(noisy), t[batch])

    def slower(step: int, _: float) -> None:
        optimizer.lr = LR * (1 - (step + 1) / steps)

    steps = EPOCHS * per_epoch
    return training.train(loss, optimizer, steps=steps, after=slower)


def margin_of(net: nn.MLP, image: Array, answer: int, right: int) -> Value:
    """The answer's logit minus the right digit's, for ``brightness · image``; every Value on the way has a name."""
    brightness = Value(1.0, name="brightness")
    x = brightness * Value(image, name="ink", requires_grad=False)
    x.name = "x"  # x[3,4] is the pixel in row 3, column 4
    logits = net(x.reshape(64))
    margin: Value = logits[answer] - logits[right]
    margin.name = "margin"
    return margin


def largest_minus_right(net: nn.MLP, pixels: Array, right: int) -> float:
    logits = net(pixels).data
    return float(logits.max() - logits[right])


def explain(net: nn.MLP, margin: Value, paths: GradientPaths, answer: int, right: int) -> None:
    x, n1, n2 = (tg.find(margin, name)[0] for name in ("x", "n1", "n2"))
    net.zero_grad()  # the gradients of the last batch
    margin.backward()
    from_biases = sum(float(np.vdot(p.grad, p.data)) for name, p in net.named_parameters().items() if name[0] == "b")
    print(
        f"margin {margin.data:.4f} logits for the {answer} = pixels {paths.total:.4f} + biases {from_biases:.4f}, "
        f"difference {abs(paths.total + from_biases - margin.data):.0e}"
    )
    require(paths.total + from_biases, margin.data, "pixels and biases do not add up to the margin")
    print(
        f"{paths.count:,} paths from pixels, {paths.active_count:,} of them active, carry {paths.magnitude:.1f} logits,"
        f" of\nwhich {paths.cancellation:.1%} cancel; as spread out as {np.exp(paths.entropy):,.0f} equal paths"
    )
    for name, node in (("pixels", x), ("first hidden layer", n1), ("second hidden layer", n2)):
        shares = paths.through(node)
        print(f"through the {name:19} {shares.sum():.12f}, backward() {x.grad.ravel() @ x.data.ravel():.12f}")
        require(float(shares.sum()), paths.total, f"what goes through the {name} does not add up to the gradient")

    by_pixel = paths.through(x)
    magnitude, entropy = (tg.sweep(margin, s, wrt=x) for s in (tg.semirings.MAGNITUDE, tg.semirings.ENTROPY))
    print(f"\npixels that speak most for the {answer}    logits  of a magnitude of  as spread out as")
    for row, column in ranked(by_pixel)[:4]:
        ink = x.data[row, column]
        flows = abs(ink) * magnitude[row, column]
        print(
            f"  row {row}, column {column}, ink {ink:4.2f}      {by_pixel[row, column]:+7.3f}  {flows:17.3f}"
            f"  {np.exp(entropy[row, column]):9,.0f} equal paths"
        )
    print(f"hidden neurons that speak most for the {answer}, and most for the {right}")
    for node in (n1, n2):
        shares = paths.through(node)
        shown = [*ranked(shares)[:3], *ranked(-shares)[:2][::-1]]
        print("  " + "  ".join(f"{node.name}[{k}] {shares[k]:+.3f}" for (k,) in shown))
    print("the three largest of all paths")
    for path in paths.top(3):
        stations = [f"{node.name}{list(index)}" for node, index in zip(path.nodes, path.indices, strict=True) if index]
        way = " → ".join(name for name in reversed(stations) if name[0] in "xn")
        factors = " · ".join(f"{factor:.3f}" for factor in reversed(path.locals) if factor != 1.0)
        print(f"  {way}: {factors} = {path.contribution:+.3f}")

    heading("Tried out: the fewest whose loss turns the margin, as paths say, and what the network then answers")
    for name, node in (("pixel", x), ("neuron", n2)):
        by_way = node.grad * node.data  # the sum over all paths through each element, from pixels and biases
        order = ranked(by_way)
        said, silent, taken = float(margin.data), node.data.copy(), 0
        while said > 0:
            said -= by_way[order[taken]]
            silent[order[taken]] = 0.0
            taken += 1
        now = float(tg.replay(margin, {node: silent}))
        which = f"without {taken} {name}{'' if taken == 1 else 's'} of {node.name}"
        verdict = f"rather a {right} than a {answer}" if now < 0 else f"still rather a {answer} than a {right}"
        print(f"{which}: paths say {said:+.4f}, the network {now:+.4f}: {verdict}")
        if node is n2:  # no rectifier comes after n2, so the paths predict the network exactly
            require(now, said, "without some neurons the network does not answer what the paths say")


def ranked(shares: Array) -> list[tuple[int, ...]]:
    """The indices of the shares, the largest share first."""
    order = np.argsort(-shares, axis=None, kind="stable")
    return [tuple(map(int, index)) for index in zip(*np.unravel_index(order, shares.shape), strict=True)]


def plot(image: Array, answer: int, right: int, margin: Value, paths: GradientPaths, costs: list[float]) -> list[Path]:
    x, n1 = tg.find(margin, "x")[0], tg.find(margin, "n1")[0]
    page = viz.plots.figure(13.2, 4.2)
    seen, carried, flowing = page.subplots(1, 3)
    viz.plots.heat_map(image, ax=seen, unit="ink", title=f"The image: a {right}, read as a {answer}")
    viz.plots.heat_map(
        paths.through(x),
        ax=carried,
        unit="logits",
        title=f"Pixels that speak for the {answer} (green)\nand for the {right} (purple)",
    )
    flows = tg.sweep(margin, tg.semirings.MAGNITUDE, wrt=x)
    viz.plots.heat_map(
        flows, ax=flowing, unit="logits per ink", title="What flows before it cancels\n(magnitude per ink)"
    )
    neurons = {f"n1[{k}]": share for k, share in enumerate(paths.through(n1)) if share}
    half = viz.plots.waterfall(neurons, top=12, title=f"Logits for the {answer} against the {right}, by hidden neuron")
    best = viz.plots.waterfall(paths, top=12, title=f"Logits for the {answer} against the {right}, path by path")
    curve = viz.plots.training_curve(costs, smooth=22, unit="nats", title="Digits: the loss on batches")
    named = {"pixels": page, "neurons": half, "paths": best, "training": curve}
    return [picture.save(OUT / f"digits_{name}.svg") for name, picture in named.items()]


def require(found: float, wanted: float, complaint: str) -> None:
    apart = abs(found - wanted) / max(abs(wanted), 1.0)
    if not apart <= TOLERANCE:  # not: apart > TOLERANCE, which a nan would pass
        raise SystemExit(f"digits: {complaint}: {found:.12g} is not {wanted:.12g}")


def heading(text: str) -> None:
    print(f"\n{text}\n{'═' * len(text)}")


if __name__ == "__main__":
    main()
